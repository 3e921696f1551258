-- Why nothing comes of a connection: servers that hang up before anything is agreed, or demand what was not offered;
-- shares that hold no files; names that do not resolve for a while. The word of the cause, and another attempt where
-- that can help.

local files = require "spec.support.files"
local faults = require "spec.support.faults"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local assert_fails = share.assert_fails
local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"

describe("A server that takes no more connections", function()
  local srv, held

  -- Opens connections until the server takes no more.
  local function fill()
    for _ = 1, 10 do
      local dest, message, code = smb.open(srv:fields { retries = 0 })
      if not dest then return message, code end
      held[#held + 1] = dest
    end
    error "the server takes connections without end"
  end

  local function release()
    for _, dest in ipairs(held) do dest:close() end
    held = {}
  end

  before_each(function()
    held = {}
    srv = server.start { global = { ["max smbd processes"] = "4" } }
  end)

  after_each(function()
    release()
    srv:stop()
  end)

  it("has hung up: that says nothing of SMB1", function()
    local message, code = fill()
    assert.equal("disconnected", code)
    assert.matches("the server hangs up at once: it may take no more connections for the moment", message)
  end)

  it("is tried again, and opens when others have left", function()
    fill()
    local attempts = 0
    local dest <close> = assert(smb.open(srv:fields { retries = 20, retry_delay = 0.1, on_retry = function()
      attempts = attempts + 1
      if attempts == 2 then release() end
    end }))
    assert.is_true(attempts >= 2)
    assert(dest:write("file", "x"))
  end)
end)

describe("A server that speaks SMB1 only", function()
  for ports, needs_sandbox in pairs { [""] = false, ["139"] = true } do
    it("is told by that, and not tried again: " .. (ports == "" and "direct TCP" or "NetBIOS"), function()
      if needs_sandbox and not SANDBOX then return pending "needs spec/support/sandbox" end
      local srv <close> = server.start {
        ports = ports ~= "" and ports or nil,
        global = { ["server min protocol"] = "NT1", ["server max protocol"] = "NT1" } }
      local tried = 0
      local message =
        assert_fails("protocol", smb.open(srv:fields { retries = 3, on_retry = function() tried = tried + 1 end }))
      assert.matches("the server speaks SMB1 only", message)
      assert.equal(0, tried)
      assert.equal(0, (srv:logons()))
    end)
  end
end)

describe("What a server demands, and the client does not offer", function()
  it("is signing, over SMB1: protocol", function()
    local srv <close> = server.start { global = { ["server signing"] = "mandatory", ["server min protocol"] = "NT1" } }
    local options = { signing = "off", retries = 0, min_protocol = "NT1", max_protocol = "NT1" }
    local message = assert_fails("protocol", smb.open(srv:fields(options)))
    assert.matches("the server requires signing, and signing is off", message)
    options.signing = "default"
    smb.open(srv:fields(options)):close()
  end)

  it("is encryption, below SMB3: protocol, and the password is as good as it was", function()
    local srv <close> = server.start { global = { ["server smb encrypt"] = "required" } }
    local message = assert_fails("protocol", smb.open(srv:fields { max_protocol = "SMB2_10", retries = 0 }))
    assert.matches("it may require encryption, which begins with SMB3 %(NT_STATUS_ACCESS_DENIED%)", message)
    smb.open(srv:fields()):close()
  end)

  it("is encryption of the share, below SMB3: access_denied, with the hint", function()
    local srv <close> = server.start { shares = { backup = { ["server smb encrypt"] = "required" } } }
    local message = assert_fails("access_denied", smb.open(srv:fields { max_protocol = "SMB2_10", retries = 0 }))
    assert.matches("access denied, or the share requires encryption, which begins with SMB3", message)
  end)
end)

describe("SMB1", function()
  it("tells a missing share, and how large a share is", function()
    local srv <close> = server.start { global = { ["server min protocol"] = "NT1" } }
    local function open(name)
      return smb.open(srv:fields { share = name, retries = 0, min_protocol = "NT1", max_protocol = "NT1" })
    end
    assert_fails("share_missing", open "none")
    local dest <close> = assert(open "backup")
    local quota, message = dest:quota()
    -- A Samba that offers Unix extensions with SMB1 is asked by these only, and newer ones refuse that question.
    local is_newer = not shell.check("smbd --version"):find "4%.1%d"
    if is_newer and not quota and message:find "does not say how large" then return end
    assert(quota, message)
    assert.is_true(quota.total > 0 and quota.available > 0 and quota.available <= quota.total)
  end)
end)

describe("A share that is none for files", function()
  local srv

  setup(function() srv = server.start { shares = { backup = {}, prn = { printable = "yes" } } } end)
  teardown(function() srv:stop() end)

  for _, name in ipairs { "IPC$", "ipc$" } do
    it(name .. " is refused before anything is sent", function()
      srv:mark()
      local message = assert_fails("unsupported", smb.open(srv:fields { share = name }))
      assert.matches("IPC%$ is no share for files", message)
      assert.equal(0, (srv:logons()))
    end)
  end

  it("a printer's share is unsupported, and not tried again", function()
    local tried = 0
    local message = assert_fails("unsupported",
      smb.open(srv:fields { share = "prn", on_retry = function() tried = tried + 1 end }))
    assert.matches("a printer's share", message)
    assert.equal(0, tried)
  end)
end)

describe("A server whose name does not resolve for a while", function()
  if not SANDBOX then
    return it("is tried again", function() pending "needs spec/support/sandbox" end)
  end

  local srv, net, dir, hosts

  local function name_is(known)
    files.write(hosts, "127.0.0.1 localhost" .. (known and " nas.example" or "") .. "\n")
  end

  setup(function()
    srv = server.start()
    net = faults.start(srv, srv.dir)
    dir = files.directory()
    hosts = files.write(dir .. "/hosts", "")
    shell.check { "mount", "--bind", hosts, "/etc/hosts" }
  end)

  teardown(function()
    shell.check { "umount", "/etc/hosts" }
    net:stop()
    srv:stop()
    files.remove(dir)
  end)

  local function open(options)
    name_is(true)
    local all = { server = "nas.example", retry_delay = 0.05 }
    for key, value in pairs(options) do all[key] = value end
    return assert(smb.open(net:fields(all)))
  end

  it("is tried again once it was connected to, and the call goes on", function()
    local codes = {}
    local dest <close> = open { retries = 5, on_retry = function(_, _, code)
      codes[#codes + 1] = code
      if #codes == 2 then name_is(true) end
    end }
    assert(dest:write("file", "one"))
    name_is(false)
    net:tell "kill"
    assert(dest:write("file", "two"))
    assert.same({ "host_not_found", "host_not_found" }, codes)
    assert.equal("two", dest:read "file")
  end)

  it("is host_not_found when the attempts have run out, and as good as ever when the name is back", function()
    local dest <close> = open { retries = 1 }
    assert(dest:write("file", "one"))
    name_is(false)
    net:tell "kill"
    local message = assert_fails("host_not_found", dest:write("file", "two"))
    assert.matches("does not resolve", message)
    name_is(true)
    assert(dest:write("file", "three"))
    assert.equal("three", dest:read "file")
  end)

  it("also while a file is open on it: what is opened next says so", function()
    local dest <close> = open { retries = 0, connections = 1 }
    assert(dest:write("file", "one"))
    local file = assert(dest:open("file", "r"))
    name_is(false)
    net:tell "kill"
    assert_fails("host_not_found", dest:stat "file")
    name_is(true)
    file:close()
    assert.equal("one", dest:read "file")
  end)
end)

-- Samba says of such a name what it says of a missing one.
describe("A name that the server lets nobody have", function()
  local srv, dest, dir

  setup(function()
    srv = server.start { shares = { backup = { ["veto files"] = "/*.exe/secret/" } } }
    dest = assert(smb.open(srv:fields { retries = 0 }))
    dir = files.directory()
    files.write(dir .. "/a.exe", "program")
    files.write(srv:path "backup" .. "/file", "content")
  end)

  teardown(function()
    dest:close()
    srv:stop()
    files.remove(dir)
  end)

  for name, call in pairs {
    write = function() return dest:write("a.exe", "x") end,
    put = function() return dest:put(dir .. "/a.exe") end,
    copy = function() return dest:copy("file", "a.exe") end,
    rename = function() return dest:rename("file", "a.exe") end,
    mkdir = function() return dest:mkdir "secret" end,
  } do
    it("is an invalid_name: " .. name, function()
      local message = assert_fails("invalid_name", call())
      assert.matches("the server lets nothing have this name", message)
      assert.same({ "file" }, files.list(srv:path "backup"))
      assert.equal("content", dest:read "file")
    end)
  end

  it("is no reason to call a missing folder so", function()
    assert_fails("folder_missing", dest:rename("file", "none/file"))
    assert_fails("folder_missing", dest:write("none/file", "x"))
    assert_fails("not_found", dest:rename("none", "other"))
  end)
end)
