-- A server that is known by its NetBIOS name only: asked of the local network (Samba's nmbd answers), from an lmhosts
-- file, or by its address; over NetBIOS sessions on 139 and direct TCP on 445, with SMB1 and with SMB3.

local child = require "spec.support.child"
local files = require "spec.support.files"
local lfs = require "lfs"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

if os.getenv "LUA_SMB_SANDBOX" ~= "1" or not shell.run "command -v nmbd" then
  describe("a NetBIOS name", function()
    it("is skipped: it takes a network of its own, and nmbd", function()
      pending "needs spec/support/sandbox and the package samba"
    end)
  end)
  return
end

local ADDRESS, BROADCAST = "192.168.53.1", "192.168.53.255"

local srv, old, dir, nmbd

-- Asks the network as nmbd's own program does.
local function is_known(name)
  return shell.run { "nmblookup", "-s", "/dev/null", "-B", BROADCAST, name }
end

local function start_nmbd(of)
  local pid = shell.spawn({ "nmbd", "-F", "--no-process-group", "-s", of.conf, "-l", of.dir }, of.dir .. "/nmbd")
  assert(shell.poll(function() return is_known(of.global["netbios name"]) end, 60), files.read(of.dir .. "/nmbd"))
  return pid
end

setup(function()
  shell.check "ip link add lan0 type veth peer name lan1"
  shell.check { "ip", "address", "add", ADDRESS .. "/24", "brd", "+", "dev", "lan0" }
  shell.check "ip link set lan0 up && ip link set lan1 up"
  srv = server.start { address = ADDRESS, ports = "445 139",
    global = { ["netbios name"] = "NASBOX", ["interfaces"] = ADDRESS .. "/24", ["server min protocol"] = "NT1" } }
  old = server.start { address = "127.0.0.61", ports = "445 139",
    global = { ["server min protocol"] = "NT1", ["server max protocol"] = "NT1" } }
  nmbd = start_nmbd(srv)
  dir = files.directory()
end)

teardown(function()
  shell.kill(nmbd, "KILL")
  srv:stop()
  old:stop()
  shell.run "ip link delete lan0"
  files.remove(dir)
end)

local SMB1 = { min_protocol = "NT1", max_protocol = "NT1" }

local function fields(options, more)
  local all = { share = "backup", username = "bob", password = "s3cret", retries = 0 }
  for _, each in ipairs { options, more or {} } do
    for key, value in pairs(each) do all[key] = value end
  end
  return all
end

-- What there is to do with files and trees.
local function assert_works(of, dest)
  local here = dir .. "/here"
  shell.check { "mkdir", "-p", here .. "/tree/sub" }
  files.make(here .. "/tree/large", 3000000, 1)
  files.write(here .. "/tree/sub/small", "small")
  assert(dest:put(here .. "/tree/large", "file"))
  assert(dest:put(here .. "/tree/large", "file"))
  assert.is_true(files.same(here .. "/tree/large", of:path("backup", "file")))
  assert(dest:get("file", here .. "/back"))
  assert.is_true(files.same(here .. "/tree/large", here .. "/back"))
  assert.is_true(dest:rename("file", "other"))
  local entries = assert(dest:list())
  assert.same({ 1, "other", 3000000, "file" }, { #entries, entries[1].name, entries[1].size, entries[1].type })
  assert.is_true(dest:utime("other", 1500000000))
  assert.equal(1500000000, dest:stat("other").mtime)
  assert.is_true(dest:copy("other", "copy"))
  assert.equal(2, assert(dest:put_tree(here .. "/tree", "tree")).files)
  assert.equal(2, assert(dest:put_tree(here .. "/tree", "tree", { mirror = true })).unchanged)
  assert.equal(2, assert(dest:get_tree("tree", here .. "/trees")).files)
  shell.check { "diff", "-r", here .. "/tree", here .. "/trees" }
  local f <close> = assert(dest:open("line", "w+"))
  assert.equal("hello", f:write("hello\n"):seek("set") and f:read "l")
  f:close()
  assert.equal("not_found", select(3, dest:stat "none"))
  local quota = assert(dest:quota())
  assert.is_true(quota.total >= quota.free and quota.free >= quota.available and quota.available > 0)
  for _, name in ipairs { "other", "copy", "line" } do assert.is_true(dest:delete(name)) end
  assert.is_true(dest:rmdir("tree", { recursive = true }))
  assert.same({}, files.list(of:path "backup"))
  files.remove(here)
end

for dialect, options in pairs { ["SMB3_11"] = {}, ["NT1"] = SMB1 } do
  for how, where in pairs {
    ["by its NetBIOS name on 139"] = { server = "nasbox", transport = "netbios" },
    ["by its NetBIOS name on 445"] = { server = "NASBOX", broadcast = true },
    ["by its address on 139"] = { server = ADDRESS, transport = "netbios" },
    ["by its address on 445"] = { server = ADDRESS },
  } do
    it(("%s is spoken with a server that is reached %s"):format(dialect, how), function()
      local dest <close> = assert(smb.open(fields(where, options)))
      assert.equal(dialect, dest.info.dialect)
      assert.equal(ADDRESS, dest.info.server_address)
      assert_works(srv, dest)
    end)
  end
end

for port, transport in pairs { [139] = "netbios", [445] = "directtcp" } do
  local function where(more) return fields({ server = old.address, transport = transport }, more) end

  describe(("a server that speaks SMB1 only, on %d,"):format(port), function()
    it("is there for those who allow it, and what is required of it is not given up", function()
      for _, options in ipairs { SMB1, { min_protocol = "NT1" } } do
        local dest <close> = assert(smb.open(where(options)))
        assert.equal("NT1", dest.info.dialect)
      end
      local dest <close> = assert(smb.open(where(SMB1)))
      assert_works(old, dest)
      for _, demand in ipairs { "signing", "encryption" } do
        local _, message, code = smb.open(where { min_protocol = "NT1", [demand] = "required" })
        assert.equal("protocol", code)
        assert.matches(demand .. " is required", message)
      end
    end)

    it("has no share of another name, and takes no other password", function()
      assert.equal("share_missing", select(3, smb.open(where { share = "none", min_protocol = "NT1" })))
      assert.equal("auth_failed", select(3, smb.open(where { password = "wrong", min_protocol = "NT1" })))
    end)
  end)
end

describe("a NetBIOS name", function()
  it("that nobody has is host_not_found, at once", function()
    for _, name in ipairs { "nobodyhere", "fifteenletters1" } do
      assert.equal("host_not_found", select(3, smb.open(fields { server = name, transport = "netbios" })))
    end
  end)

  it("in an lmhosts file is not asked of the network, on 139 nor on 445", function()
    lfs.mkdir(dir .. "/etc")
    files.write(dir .. "/etc/lmhosts", ADDRESS .. " OLDBOX\n")
    local words = { "unshare", "-m", "sh", "-c", "mount --bind " .. dir .. "/etc /etc/samba && exec \"$@\"", "sh" }
    for _, query in ipairs { "transport=netbios", "transport=directtcp", "min-protocol=NT1&max-protocol=NT1" } do
      local host = child.start_under(words, dir, [[
        local dest <close> = assert(smb.open(%q))
        say(dest.info.server_address, dest:write("file", "x") and dest:read "file", dest:delete "file")
      ]], "smb://bob:s3cret@oldbox/backup?" .. query)
      assert.equal(ADDRESS .. "\tx\ttrue\n", host:await_end())
    end
  end)
end)
