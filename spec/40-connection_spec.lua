-- Where a destination is and how it is reached: transports, ports, addresses, buffer sizes, credentials, live options.

local files = require "spec.support.files"
local server = require "spec.support.server"
local smb = require "smb"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local MIB = 1048576

local function opened(...)
  local dest, message, code = smb.open(...)
  return assert(dest, (message or "") .. " [" .. tostring(code) .. "]")
end

local function raised(fn, ...)
  local ok, problem = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(problem)
end

-- Fields of a server without some of them.
local function fields_without(srv, names, extra)
  local fields = srv:fields(extra)
  for _, name in ipairs(names) do fields[name] = nil end
  return fields
end

local function place_of(srv, path)
  return ("smb://%s%s/backup%s"):format(srv.address, srv.port == 445 and "" or ":" .. srv.port, path or "")
end

-- Lengths of reads or writes, the longest first.
local function lengths(list)
  local found = {}
  for i, entry in ipairs(list) do found[i] = entry.length end
  table.sort(found, function(a, b) return a > b end)
  return found
end

-- What a file of `size` bytes takes in requests of `most`.
local function split(size, most)
  local parts = {}
  for at = 0, size - 1, most do parts[#parts + 1] = math.min(most, size - at) end
  return parts
end

local function round_trip(dest)
  assert.is_truthy(dest:write("round trip", "there and back"))
  assert.equal("there and back", dest:read "round trip")
  assert.is_true(dest:delete "round trip")
end

describe("a destination is reached", function()
  local srv

  setup(function() srv = server.start() end)
  teardown(function() srv:stop() end)

  it("by direct TCP", function()
    local dest <close> = opened(srv:url("backup", nil, { transport = "directtcp" }))
    assert.equal("directtcp", dest.transport)
    assert.equal(srv.port, dest.options.port)
    round_trip(dest)
  end)

  it("by direct TCP on 445 when nothing else is said", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    local dest <close> = opened(fields_without(srv, { "port", "transport" }))
    assert.equal("directtcp", dest.transport)
    assert.equal(445, dest.options.port)
    round_trip(dest)
  end)

  it("by NetBIOS over TCP on 139", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    local dest <close> = opened("smb://bob:s3cret@127.0.0.1/backup?transport=netbios")
    assert.equal("netbios", dest.transport)
    assert.equal(139, dest.options.port)
    assert.equal("smb.destination (smb://127.0.0.1/backup)", tostring(dest))
    -- The server's sockets tell that it is no other port.
    local connected = files.read "/proc/net/tcp":find "0100007F:008B 0100007F:%x+ 01"
    assert.is_truthy(connected)
    round_trip(dest)
    files.directory(function(dir)
      files.make(dir .. "/up", 300000)
      assert(dest:put(dir .. "/up", "file"))
      assert(dest:get("file", dir .. "/down"))
      assert.is_true(files.same(dir .. "/up", dir .. "/down"))
    end)
  end)

  it("by direct TCP on any other port", function()
    local other <close> = server.start()
    assert.is_true(other.port ~= 445)
    local dest <close> = opened(other:url "backup")
    assert.equal(other.port, dest.options.port)
    round_trip(dest)
    assert.equal(("smb.destination (smb://127.0.0.1:%d/backup)"):format(other.port), tostring(dest))
  end)

  it("by IPv6", function()
    local other <close> = server.start { address = "::1" }
    local dest <close> = opened(other:url "backup")
    assert.equal("::1", dest.server)
    assert.equal("::1", dest.info.server_address)
    assert.matches("^smb%.destination %(smb://%[::1%]", tostring(dest))
    round_trip(dest)
  end)

  it("by a name, whose case does not matter", function()
    local dest <close> = opened(srv:fields { server = "LocalHost" })
    assert.equal("localhost", dest.server)
    assert.equal("127.0.0.1", dest.info.server_address)
    round_trip(dest)
  end)

  it("never by NetBIOS on another port, and is told why", function()
    local dest, message, code = smb.open "smb://bob:s3cret@127.0.0.1:445/backup?transport=netbios"
    assert.is_nil(dest)
    assert.equal("invalid_url", code)
    assert.matches("works on port 139 only, not 445", message)
    assert.matches("works on port 139 only, not 4450",
      raised(smb.open, srv:fields { port = 4450, transport = "netbios" }))
  end)

  it("never by direct TCP on 139, and is told why", function()
    local dest, message, code = smb.open "smb://bob:s3cret@127.0.0.1:139/backup"
    assert.is_nil(dest)
    assert.equal("invalid_url", code)
    assert.matches("'directtcp' cannot use port 139", message)
    assert.matches("'directtcp' cannot use port 139",
      raised(smb.open, srv:fields { port = 139, transport = "directtcp" }))
  end)

  it("below a path that does not exist yet", function()
    local dest <close> = opened(srv:url("backup", "host1/daily"))
    assert.equal("host1/daily", dest.path)
    assert.is_false(dest:exists "")
    assert.is_true(dest:mkdir "")
    assert(dest:write("file", "below"))
    assert.equal("below", files.read(srv:path("backup", "host1/daily/file")))
  end)

  it("without the name cache that a machine's programs share", function()
    local dest <close> = opened(srv:fields { server = "localhost" })
    round_trip(dest)
    for _, pid in ipairs(files.list "/proc") do
      local maps = pid:find "^%d+$" and files.read("/proc/" .. pid .. "/maps")
      if maps and maps:find("/smb-worker", 1, true) then assert.is_nil(maps:match "[^\n ]*gencache[^\n]*") end
    end
  end)
end)

describe("buffer sizes", function()
  local srv, dir, local_file
  local SIZE = 300000

  setup(function()
    srv = server.start()
    dir = files.directory()
    local_file = files.make(dir .. "/up", SIZE)
  end)

  teardown(function()
    srv:stop()
    files.remove(dir)
  end)

  before_each(function() srv:mark() end)

  local function assert_written(dest, most, size)
    srv:mark()
    assert(dest:put(local_file, "file"))
    assert.same(split(size or SIZE, most), lengths(srv:writes()))
  end

  local function assert_read(dest, most, size)
    srv:mark()
    assert(dest:get("file", dir .. "/down"))
    assert.same(split(size or SIZE, most), lengths(srv:reads()))
    assert.is_true(files.same(local_file, dir .. "/down"))
  end

  it("of 64 KiB yield writes and reads of 64 KiB on the server", function()
    local dest <close> = opened(srv:fields { write_buffer_size = 65536, read_buffer_size = 65536 })
    assert.equal(65536, dest.options.write_buffer_size)
    assert.equal(65536, dest.options.read_buffer_size)
    assert_written(dest, 65536)
    assert_read(dest, 65536)
  end)

  it("hold for strings too", function()
    local dest <close> = opened(srv:fields { write_buffer_size = 65536, read_buffer_size = 65536 })
    assert(dest:write("string", files.content(SIZE)))
    assert.same(split(SIZE, 65536), lengths(srv:writes()))
    assert.equal(files.content(SIZE), dest:read "string")
    assert.same(split(SIZE, 65536), lengths(srv:reads()))
  end)

  it("are the negotiated maximum by default", function()
    local size = 20 * MIB
    local large = files.make(dir .. "/large", size)
    local dest <close> = opened(srv:fields())
    assert.equal(8 * MIB, dest.options.write_buffer_size)
    assert.equal(8 * MIB, dest.options.read_buffer_size)
    assert(dest:put(large, "large"))
    assert.same(split(size, 8 * MIB), lengths(srv:writes()))
    assert(dest:get("large", dir .. "/large down"))
    assert.same(split(size, 8 * MIB), lengths(srv:reads()))
    assert.is_true(files.same(large, dir .. "/large down"))
  end)

  it("are taken as text with units, in a URL too", function()
    local dest <close> = opened(srv:url("backup", nil, { ["write-buffer-size"] = "64k", ["read-buffer-size"] = "1M" }))
    assert.equal(65536, dest.options.write_buffer_size)
    assert.equal(MIB, dest.options.read_buffer_size)
    assert_written(dest, 65536)
    assert_read(dest, MIB)
  end)

  it("below 10000 are ignored with a warning", function()
    local dest <close> = opened(srv:fields { write_buffer_size = 9999, read_buffer_size = "4k" })
    assert.equal(2, #dest.warnings)
    assert.matches("read_buffer_size = 4096 is ignored", table.concat(dest.warnings, "; "))
    assert.matches("write_buffer_size = 9999 is ignored", table.concat(dest.warnings, "; "))
    assert.equal(8 * MIB, dest.options.write_buffer_size)
    assert_written(dest, 8 * MIB)
    assert_read(dest, 8 * MIB)
  end)

  it("of 10000 count, and nothing is warned of", function()
    local dest <close> = opened(srv:fields { write_buffer_size = 10000, read_buffer_size = 10000 })
    assert.same({}, dest.warnings)
    assert_written(dest, 10000)
    assert_read(dest, 10000)
  end)

  it("above the negotiated one read as the negotiated one", function()
    local dest <close> = opened(srv:fields { write_buffer_size = "64M", read_buffer_size = 2 ^ 40 })
    assert.equal(8 * MIB, dest.options.write_buffer_size)
    assert.equal(8 * MIB, dest.options.read_buffer_size)
    assert_written(dest, 8 * MIB)
    assert_read(dest, 8 * MIB)
  end)

  it("can be assigned while the destination is open", function()
    local dest <close> = opened(srv:fields())
    dest.options.write_buffer_size = "64k"
    dest.options.read_buffer_size = 131072
    assert.equal(65536, dest.options.write_buffer_size)
    assert.equal(131072, dest.options.read_buffer_size)
    assert_written(dest, 65536)
    assert_read(dest, 131072)
    dest.options.write_buffer_size = 9999
    assert.matches("write_buffer_size = 9999 is ignored", dest.warnings[1])
    assert_written(dest, 65536)
    dest.options.write_buffer_size = nil
    dest.options.read_buffer_size = "64M"
    assert.equal(8 * MIB, dest.options.write_buffer_size)
    assert.equal(8 * MIB, dest.options.read_buffer_size)
    assert_written(dest, 8 * MIB)
    assert_read(dest, 8 * MIB)
  end)
end)

describe("dest.options", function()
  local srv, dest

  setup(function()
    srv = server.start()
    dest = opened(srv:fields { path = "host1" })
  end)

  teardown(function()
    dest:close()
    srv:stop()
  end)

  it("shows what is in force, and no password", function()
    local shown = {}
    for key, value in pairs(dest.options) do shown[key] = value end
    assert.equal("127.0.0.1", shown.server)
    assert.equal("backup", shown.share)
    assert.equal("host1", shown.path)
    assert.equal("bob", shown.username)
    assert.equal("directtcp", shown.transport)
    assert.equal(srv.port, shown.port)
    assert.equal(30, shown.short_timeout)
    assert.equal("size", shown.verify)
    assert.equal(8 * MIB, shown.read_buffer_size)
    assert.is_nil(shown.password)
    assert.is_nil(dest.options.password)
    for _, value in pairs(shown) do assert.is_nil(tostring(value):find("s3cret", 1, true)) end
  end)

  it("takes timeouts and verify", function()
    dest.options.short_timeout = "10s"
    dest.options.list_timeout = "2m"
    dest.options.read_write_timeout = 2.5
    dest.options.verify = "none"
    assert.equal(10, dest.options.short_timeout)
    assert.equal(120, dest.options.list_timeout)
    assert.equal(2.5, dest.options.read_write_timeout)
    assert.equal("none", dest.options.verify)
    dest.options.short_timeout, dest.options.verify = nil, nil
    assert.equal(30, dest.options.short_timeout)
    assert.equal("size", dest.options.verify)
  end)

  for key, value in pairs {
    server = "other", share = "other", path = "other", port = 445, username = "alice", password = "other",
    domain = "D", transport = "netbios", encryption = "off", signing = "off", min_protocol = "SMB3_00",
    max_protocol = "SMB3_00", anonymous = true, kerberos = "off", credentials_file = "/none",
  } do
    it("refuses to change " .. key, function()
      local before = dest.options[key]
      assert.matches("option '" .. key .. "' cannot be changed", raised(function() dest.options[key] = value end))
      assert.equal(before, dest.options[key])
    end)
  end

  it("refuses an unknown option and names the nearest", function()
    assert.matches("'write_bufer_size' %(did you mean 'write_buffer_size'%?%)",
      raised(function() dest.options.write_bufer_size = 65536 end))
    assert.matches("'short%-timeout' %(did you mean 'short_timeout'%?%)",
      raised(function() dest.options["short-timeout"] = 1 end))
    assert.matches("'colour'$", raised(function() dest.options.colour = "blue" end))
  end)

  it("refuses bad values and keeps the old one", function()
    for _, bad in ipairs { -1, 0 / 0, 2 ^ 63, 1.5, "64 horses", {}, true } do
      assert.matches("write_buffer_size", raised(function() dest.options.write_buffer_size = bad end))
    end
    for _, bad in ipairs { -1, 0, 0 / 0, 1e300, "soon", {} } do
      assert.matches("short_timeout", raised(function() dest.options.short_timeout = bad end))
    end
    assert.matches("verify", raised(function() dest.options.verify = "maybe" end))
    assert.equal(8 * MIB, dest.options.write_buffer_size)
    assert.equal(30, dest.options.short_timeout)
    assert.equal("size", dest.options.verify)
  end)

  it("gives a URL that leads to the same place", function()
    local url = smb.format(dest.options)
    assert.is_nil(url:find("s3cret", 1, true))
    local fields = assert(smb.parse(url))
    for key, value in pairs(dest.options) do assert.equal(value, fields[key]) end
    local again <close> = opened(url, { password = "s3cret" })
    assert.equal(tostring(dest), tostring(again))
    assert.equal(url, smb.format(again.options))
  end)
end)

describe("a destination", function()
  local srv

  setup(function() srv = server.start() end)
  teardown(function() srv:stop() end)

  it("says where it is", function()
    local dest <close> = opened(srv:url("backup", "host1/Daily Copy"))
    assert.equal(srv.address, dest.server)
    assert.equal("backup", dest.share)
    assert.equal("host1/Daily Copy", dest.path)
    assert.equal("directtcp", dest.transport)
    assert.equal(("smb.destination (%s)"):format(place_of(srv, "/host1/Daily%20Copy")), tostring(dest))
  end)

  it("has fields that cannot be assigned", function()
    local dest <close> = opened(srv:fields())
    for _, key in ipairs { "server", "share", "path", "transport", "options", "info", "nonsense" } do
      assert.matches("'" .. key .. "'", raised(function() dest[key] = "other" end))
    end
    assert.equal("backup", dest.share)
    assert.is_nil(dest.nonsense)
  end)

  it("is known by smb.type", function()
    local dest <close> = opened(srv:fields())
    assert.equal("destination", smb.type(dest))
    assert.is_true(dest:close())
    assert.equal("closed destination", smb.type(dest))
    assert.is_true(dest:close())
    for _, other in ipairs { {}, "destination", 1, true, io.stdout, print } do assert.is_nil(smb.type(other)) end
    assert.is_nil(smb.type(nil))
  end)

  it("refuses to be used when it is closed", function()
    local dest = opened(srv:fields())
    dest:close()
    srv:mark()
    for _, call in ipairs {
      { "stat", "a" }, { "exists", "a" }, { "list" }, { "dir" }, { "walk" }, { "mkdir", "a" }, { "delete", "a" },
      { "rmdir", "a" }, { "rename", "a", "b" }, { "copy", "a", "b" }, { "utime", "a", 0 }, { "quota" }, { "test" },
      { "put", "/etc/passwd" }, { "get", "a" }, { "write", "a", "" }, { "read", "a" },
    } do
      assert.matches("closed destination", raised(dest[call[1]], dest, table.unpack(call, 2)))
    end
    assert.matches("closed", tostring(dest))
    assert.is_nil(next(srv:status().sessions))
  end)
end)

describe("credentials", function()
  local srv, dir

  setup(function()
    srv = server.start { users = { bob = "s3cret", ["Jörg M"] = "ü/@:%#?;+& 1" } }
    dir = files.directory()
  end)

  teardown(function()
    srv:stop()
    files.remove(dir)
  end)

  before_each(function() srv:mark() end)

  local function credentials(text, mode)
    local path = files.write(dir .. "/credentials", text)
    assert(os.execute(("chmod %s '%s'"):format(mode, path)))
    return path
  end

  local function assert_logged_on_as(user)
    local attempts, failures, list = srv:logons()
    assert.equal(1, attempts)
    assert.equal(0, failures)
    assert.equal(user, list[1].user)
  end

  it("of any characters work, in a table as in a URL", function()
    local fields = srv:fields { username = "Jörg M", password = "ü/@:%#?;+& 1" }
    opened(fields):close()
    assert_logged_on_as "Jörg M"
    local url = "smb://J%C3%B6rg%20M:%C3%BC%2F%40%3A%25%23%3F%3B%2B%26%201@127.0.0.1:" .. srv.port .. "/backup"
    srv:mark()
    opened(url):close()
    assert_logged_on_as "Jörg M"
  end)

  it("are taken from a file that only its owner can read", function()
    local path = credentials("username=bob\npassword=s3cret\n", "600")
    local dest <close> = opened(fields_without(srv, { "username", "password" }, { credentials_file = path }))
    assert_logged_on_as "bob"
    assert.equal("bob", dest.options.username)
    assert.is_nil(dest.options.password)
    round_trip(dest)
  end)

  it("given otherwise win over those of the file", function()
    local path = credentials("username=bob\npassword=wrong\ndomain=WORKGROUP\n", "600")
    opened(fields_without(srv, { "username" }, { credentials_file = path })):close()
    assert_logged_on_as "bob"
  end)

  it("are refused from a file that others can read", function()
    for _, mode in ipairs { "644", "640", "604" } do
      local path = credentials("username=bob\npassword=s3cret\n", mode)
      local dest, message, code = smb.open(fields_without(srv, { "username", "password" }, { credentials_file = path }))
      assert.is_nil(dest)
      assert.equal("local_io", code)
      assert.matches("can be read by others", message)
      assert.is_nil(message:find("s3cret", 1, true))
    end
    assert.equal(0, (srv:logons()))
  end)

  it("that are missing are no anonymous logon", function()
    local requests, dest, message, code = srv:requests(function()
      return smb.open(fields_without(srv, { "username", "password" }))
    end)
    assert.is_nil(dest)
    assert.equal("auth_failed", code)
    assert.matches("no user name", message)
    assert.equal(0, requests.total)
  end)

  it("may name a domain", function()
    opened(("smb://FOREST;bob:s3cret@127.0.0.1:%d/backup"):format(srv.port)):close()
    assert_logged_on_as "bob"
    assert.matches('"clientDomain": "FOREST"', srv:log())
    srv:mark()
    opened(srv:fields { domain = "WOOD" }):close()
    assert.matches('"clientDomain": "WOOD"', srv:log())
  end)

  it("are not needed for an anonymous logon to a share open to guests", function()
    local open_srv <close> = server.start {
      global = { ["map to guest"] = "bad user" }, shares = { backup = { ["guest ok"] = "yes" } },
    }
    local dest <close> = opened(fields_without(open_srv, { "username", "password" }, { anonymous = true }))
    local _, session = next(open_srv:status().sessions)
    assert.equal("nobody", session.username)
    assert.is_nil(dest.options.username)
    assert.is_true(dest.options.anonymous)
    round_trip(dest)
  end)

  it("are needed where guests are not wanted", function()
    local dest, message, code = smb.open(fields_without(srv, { "username", "password" }, { anonymous = true }))
    assert.is_nil(dest)
    assert.equal("access_denied", code)
    assert.matches("%(NT_STATUS_ACCESS_DENIED%)$", message)
  end)
end)
