-- A server with several addresses, of which some lead nowhere: refused, swallowed, or taken and never answered. And
-- addresses of IPv6, with and without a scope.

local files = require "spec.support.files"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local assert_fails = share.assert_fails

describe("a link-local address without a network device", function()
  it("is refused before anything is sent, with an example", function()
    for _, address in ipairs { "fe80::5", "FE80::5", "feb0:0:0::1", "fe80::" } do
      local message = assert_fails("invalid_url", smb.open(("smb://bob:s3cret@[%s]/backup"):format(address)))
      assert.matches("link-local address, which needs the network device: fe80::1%eth0, in a URL [fe80::1%25eth0]",
        message, 1, true)
      share.assert_raises("link%-local address", smb.open, { server = address, share = "backup", anonymous = true })
    end
  end)
end)

if os.getenv "LUA_SMB_SANDBOX" ~= "1" then
  describe("a name with several addresses", function()
    it("is skipped: it takes a network of its own", function() pending "needs spec/support/sandbox" end)
  end)
  return
end

-- To the kernel these lie behind the loopback device, which gives everything back, and then they are nobody's.
local SWALLOWING = { "192.0.2.10", "192.0.2.11" }
local REFUSING = "127.0.0.73"
local SILENT = { "127.0.0.74", "127.0.0.75" }
local GOOD, OTHER = "127.0.0.71", "127.0.0.72"

local hosts

-- From now on "nas.example" has these addresses, in this order.
local function name_is(addresses)
  local lines = { "127.0.0.1 localhost" }
  for _, address in ipairs(addresses) do lines[#lines + 1] = address .. " nas.example" end
  files.write(hosts, table.concat(lines, "\n") .. "\n")
end

setup(function()
  hosts = files.directory() .. "/hosts"
  name_is {}
  shell.check { "mount", "--bind", hosts, "/etc/hosts" }
end)

teardown(function()
  shell.check { "umount", "/etc/hosts" }
  os.remove(hosts)
end)

describe("a name with several addresses", function()
  local srv, other, silent

  setup(function()
    shell.check { "ip", "route", "replace", "192.0.2.0/24", "dev", "lo" }
    srv = server.start { address = GOOD, ports = "445 139" }
    other = server.start { address = OTHER, ports = "445 139", shares = { backup = { path = srv:path "backup" } } }
    silent = {}
    for i, address in ipairs(SILENT) do
      silent[i] = server.start { address = address, ports = "445 139" }
      silent[i]:pause()
    end
  end)

  teardown(function()
    for _, each in ipairs(silent) do
      each:resume()
      each:stop()
    end
    other:stop()
    srv:stop()
  end)

  before_each(function() shell.check { "find", srv:path "backup", "-mindepth", "1", "-delete" } end)

  local function fields(options)
    local all = { server = "nas.example", short_timeout = 6, retries = 0, on_retry = function() error "again" end }
    for key, value in pairs(options or {}) do all[key] = value end
    all.port = all.transport == "netbios" and 139 or 445
    return srv:fields(all)
  end

  for what, dead in pairs {
    ["refuses"] = { REFUSING },
    ["swallows what is sent"] = { SWALLOWING[1] },
    ["swallows, as a second and a third one refuse and swallow,"] = { SWALLOWING[1], REFUSING, SWALLOWING[2] },
    ["is one of IPv6 without a route"] = { "2001:db8::1" },
    ["takes connections and is silent"] = { SILENT[1] },
    ["takes connections and is silent, as is the second,"] = SILENT,
    ["swallows, while the second takes connections and is silent,"] = { SWALLOWING[1], SILENT[1] },
  } do
    for _, transport in ipairs { "directtcp", "netbios" } do
      it(("of which the first %s is opened at the first attempt (%s)"):format(what, transport), function()
        local all = table.move(dead, 1, #dead, 1, {})
        all[#all + 1] = GOOD
        name_is(all)
        local dest <close> = assert(smb.open(fields { transport = transport }))
        assert.equal(GOOD, dest.info.server_address)
        local jobs = {} -- by other connections, too
        for i = 1, 4 do jobs[i] = dest:submit("write", "file" .. i, "x") end
        for _, job in ipairs(jobs) do assert(job:wait()) end
        assert.same({ "file1", "file2", "file3", "file4" }, files.list(srv:path "backup"))
      end)
    end
  end

  -- Connections that wait at an address, which nobody has taken.
  local function count_at(address)
    local a, b, c, d = address:match "(%d+)%.(%d+)%.(%d+)%.(%d+)"
    local wanted = (" %02X%02X%02X%02X:01BD "):format(d, c, b, a)
    return select(2, files.read "/proc/net/tcp":gsub("%d+:" .. wanted .. "%x+:%x+ 0[1-8] ", ""))
  end

  it("stays with the one that has answered, when that hangs up", function()
    name_is { SILENT[1], GOOD }
    local dest <close> = assert(smb.open(fields { retries = 3, retry_delay = 0.01, on_retry = function() end }))
    local count = count_at(SILENT[1])
    assert.is_true(count > 0)
    for i = 1, 3 do
      srv:disconnect()
      assert(dest:write("file" .. i, "x"))
    end
    assert.equal(count, count_at(SILENT[1]))
  end)

  it("tells its shares, and what works with it, though one is silent", function()
    name_is { SILENT[1], GOOD }
    local shares = assert(smb.shares(fields()))
    assert.is_true(#shares >= 2)
    assert.is_true(smb.diagnose(fields()).ok)
  end)

  it("that all are silent has timed out by short_timeout, and says so", function()
    name_is(SILENT)
    local seconds, dest, message, code = share.timed(function() return smb.open(fields { short_timeout = 3 }) end)
    assert_fails("timeout", dest, message, code)
    assert.matches("no answer to the logon", message)
    assert.is_true(seconds > 2.9)
  end)

  it("goes on at the next one when the one in use falls silent or dies", function()
    name_is { GOOD, OTHER }
    local codes = {}
    local dest <close> = assert(smb.open(fields { short_timeout = 2, read_write_timeout = 2, retries = 5,
      retry_delay = 0.01, on_retry = function(_, _, code) codes[#codes + 1] = code end }))
    assert(dest:write("one", "1"))
    assert.equal(GOOD, dest.info.server_address)
    srv:pause()
    assert(dest:write("two", "2"))
    assert.same({ "timeout" }, codes)
    assert.equal(OTHER, dest.info.server_address)
    srv:resume()
    other:kill()
    assert(dest:write("three", "3"))
    assert.equal(GOOD, dest.info.server_address)
    other:restart()
    assert.equal("2", dest:read "two")
    assert.same({ "one", "three", "two" }, files.list(srv:path "backup"))
  end)
end)

-- Puts, gets, renames, lists and deletes.
local function assert_works(srv, dest)
  files.directory(function(dir)
    files.make(dir .. "/up", 300000)
    assert(dest:put(dir .. "/up", "folder/file", { parents = true }))
    assert.is_true(dest:rename("folder/file", "folder/other"))
    assert(dest:get("folder/other", dir .. "/down"))
    assert.is_true(files.same(dir .. "/up", dir .. "/down"))
    assert.equal("other", assert(dest:list "folder")[1].name)
    assert.is_true(dest:rmdir("folder", { recursive = true }))
    assert.same({}, files.list(srv:path "backup"))
  end)
end

describe("a computer that has IPv6 only", function()
  local ADDRESS = "fd00:8::2"
  local srv

  setup(function()
    shell.check { "ip", "-6", "address", "add", ADDRESS .. "/64", "dev", "lo", "nodad" }
    shell.check { "ip", "-4", "address", "flush", "dev", "lo" }
    srv = server.start { address = ADDRESS, ports = "445 139" }
  end)

  teardown(function()
    srv:stop()
    shell.check { "ip", "address", "add", "127.0.0.1/8", "dev", "lo" }
    shell.check { "ip", "-6", "address", "del", ADDRESS .. "/64", "dev", "lo" }
  end)

  it("reaches a server by its address, and by a name", function()
    name_is { ADDRESS }
    for _, url in ipairs { srv:url "backup", "smb://bob:s3cret@nas.example/backup",
      "smb://bob:s3cret@nas.example/backup?transport=netbios" } do
      local dest <close> = assert(smb.open(url))
      assert.equal(ADDRESS, dest.info.server_address)
      assert_works(srv, dest)
    end
  end)

  it("is told when nobody listens there, or there is no route", function()
    assert.matches("connection refused", assert_fails("unreachable",
      smb.open("smb://bob:s3cret@[fd00:8::2]:20445/backup", { retries = 0 })))
    assert.matches("no route", assert_fails("unreachable",
      smb.open("smb://bob:s3cret@[2001:db8::1]/backup", { retries = 0 })))
  end)
end)

describe("a server at a link-local address", function()
  local srv

  setup(function()
    shell.check "ip link add lan0 type veth peer name lan1 && ip link set lan0 up && ip link set lan1 up"
    shell.check { "ip", "-6", "address", "add", "fe80::5/64", "dev", "lan0", "nodad" }
    srv = server.start { address = "fe80::5%lan0", ports = "445 139", global = { ["bind interfaces only"] = "no" } }
  end)

  teardown(function()
    srv:stop()
    shell.run "ip link delete lan0"
  end)

  it("is reached through the device that the URL or the field names", function()
    local url = "smb://bob:s3cret@[fe80::5%25lan0]/backup"
    for _, where in ipairs { url, url:gsub("fe80", "FE80") .. "?transport=netbios", srv:fields(),
      srv:fields { server = "[fe80::5%lan0]" } } do
      local dest <close> = assert(smb.open(where))
      assert.equal("fe80::5%lan0", dest.info.server_address)
      assert.matches("smb://[fe80::5%25lan0]/backup", tostring(dest), 1, true)
      assert_works(srv, dest)
    end
    assert.is_true(#assert(smb.shares(srv:url())) >= 2)
  end)

  it("is told when there is no such device", function()
    local message = assert_fails("host_not_found", smb.open("smb://bob:s3cret@[fe80::5%25nosuch0]/backup"))
    assert.matches("there is no network device 'nosuch0'", message, 1, true)
  end)
end)
