-- Every error word, produced by a real server (or the lack of one), and what its message says.

local lfs = require "lfs"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"

local function opened(...)
  local dest, message, code = smb.open(...)
  if dest then dest.options.retries = 0 end -- each failure is told at once
  return assert(dest, (message or "") .. " [" .. tostring(code) .. "]")
end

local function place_of(srv, rest)
  return ("smb://%s%s/%s"):format(srv.address, srv.port == 445 and "" or ":" .. srv.port, rest or "backup")
end

-- Holds results against the code and the whole message: a pattern for what happened.
local function assert_failed(code, head, happened, result, message, word)
  assert.is_nil(result)
  assert.equal("string", type(message))
  assert.equal(code, word, message)
  assert.equal(head .. ": ", message:sub(1, #head + 2))
  assert.matches("^" .. happened .. "$", message:sub(#head + 3))
  assert.is_nil(message:find("s3cret", 1, true))
end

local function folder(path)
  shell.check { "mkdir", "-p", path }
end

describe("on a share", function()
  local srv, dest, ro, dir

  setup(function()
    srv = server.start { shares = { backup = {}, ro = { ["read only"] = "yes" } } }
    for _, share in ipairs { "backup", "ro" } do
      files.write(srv:path(share, "file"), "content")
      folder(srv:path(share, "full"))
      files.write(srv:path(share, "full/file"), "other")
    end
    dest, ro = opened(srv:fields()), opened(srv:fields { share = "ro" })
    dir = files.directory()
  end)

  teardown(function()
    dest:close()
    ro:close()
    srv:stop()
    files.remove(dir)
  end)

  local CASES = {
    { "not_found", "no such file %(NT_STATUS_OBJECT_NAME_NOT_FOUND%)", "stat", "missing" },
    { "not_found", "no such file %(NT_STATUS_OBJECT_NAME_NOT_FOUND%)", "read", "full/missing" },
    { "not_found", "no such file %(NT_STATUS_OBJECT_NAME_NOT_FOUND%)", "delete", "missing" },
    { "not_found", "no such file %(NT_STATUS_OBJECT_NAME_NOT_FOUND%)", "rmdir", "missing" },
    { "folder_missing", "the folder does not exist %(NT_STATUS_OBJECT_PATH_NOT_FOUND%)", "write", "missing/file", "x" },
    { "folder_missing", "the folder does not exist %(NT_STATUS_OBJECT_PATH_NOT_FOUND%)", "put", "/etc/passwd",
      "no/file" },
    { "folder_missing", "the folder does not exist %(NT_STATUS_OBJECT_NAME_NOT_FOUND%)", "list", "missing" },
    { "exists", ".*exists.*", "write", "file", "x", { overwrite = false } },
    { "exists", ".*exists.*", "rename", "file", "full/file", { overwrite = false } },
    { "exists", "it exists already %(NT_STATUS_OBJECT_NAME_COLLISION%)", "mkdir", "file" },
    { "is_directory", "it is a folder", "delete", "full" },
    { "is_directory", "it is a folder %(NT_STATUS_FILE_IS_A_DIRECTORY%)", "get", "full" },
    { "is_directory", ".*folder.*", "write", "full", "x" },
    { "not_directory", "it is not a folder %(NT_STATUS_NOT_A_DIRECTORY%)", "rmdir", "file" },
    { "not_directory", "it is not a folder %(NT_STATUS_NOT_A_DIRECTORY%)", "list", "file" },
    { "not_empty", "the folder is not empty %(NT_STATUS_DIRECTORY_NOT_EMPTY%)", "rmdir", "full" },
    { "invalid_name", "a name cannot hold the character %*", "stat", "a*" },
    -- Good for SMB, too long for the server's file system.
    { "invalid_name", "the server cannot hold this name %(NT_STATUS_OBJECT_NAME_INVALID%)", "mkdir", ("ü"):rep(200) },
  }

  for _, case in ipairs(CASES) do
    local name = #case[4] > 30 and "a long name" or case[4]
    it(("%s of %s is %s"):format(case[3], name, case[1]), function()
      local subject = case[3] == "put" and case[5] or case[4]
      local head = ("%s '%s' on %s"):format(case[3], subject, place_of(srv))
      local current = lfs.currentdir()
      lfs.chdir(dir) -- where get would put a file
      local results = table.pack(dest[case[3]](dest, table.unpack(case, 4)))
      lfs.chdir(current)
      assert_failed(case[1], head, case[2], table.unpack(results, 1, 3))
      assert.equal("content", files.read(srv:path("backup", "file")))
      assert.equal("other", files.read(srv:path("backup", "full/file")))
      assert.same({}, files.list(dir))
    end)
  end

  for _, case in ipairs {
    { "write", "new", "x" }, { "write", "file", "x" }, { "mkdir", "new" }, { "delete", "file" }, { "rmdir", "full" },
    { "rename", "file", "other" }, { "copy", "file", "other" }, { "utime", "file", 0 }, { "put", "/etc/passwd", "new" },
  } do
    it(("%s on a read-only share is access_denied"):format(case[1]), function()
      local head = ("%s '%s' on %s"):format(case[1], case[1] == "put" and case[3] or case[2], place_of(srv, "ro"))
      assert_failed("access_denied", head, ".* %(NT_STATUS_[%u_]+%)", ro[case[1]](ro, table.unpack(case, 2)))
      assert.same({ "file", "full" }, files.list(srv:path "ro"))
      assert.equal("content", files.read(srv:path("ro", "file")))
    end)
  end

  it("what dir and walk raise is a table with message and code that reads as its message", function()
    for _, method in ipairs { "dir", "walk" } do
      local ok, problem = pcall(dest[method], dest, "missing")
      assert.is_false(ok)
      assert.equal("folder_missing", problem.code)
      assert.matches("^" .. method .. " 'missing' on " .. place_of(srv):gsub("%p", "%%%0") .. ": ", problem.message)
      assert.equal(problem.message, tostring(problem))
    end
  end)

  it("a local file that is missing is local_io", function()
    assert_failed("local_io", "put 'missing' on " .. place_of(srv), ".*" .. dir:gsub("%p", "%%%0") .. "/missing.*",
      dest:put(dir .. "/missing"))
  end)

  it("a local folder that is missing is local_io", function()
    assert_failed("local_io", "get 'file' on " .. place_of(srv), ".*/none/file.*",
      dest:get("file", dir .. "/none/file"))
  end)

  it("a local disk that fills up is local_io", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    local small = dir .. "/small"
    folder(small)
    shell.check { "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small }
    files.make(srv:path("backup", "large"), 3000000)
    local results = table.pack(dest:get("large", small .. "/large"))
    local left = files.list(small)
    shell.check { "umount", small }
    assert_failed("local_io", "get 'large' on " .. place_of(srv), ".+", table.unpack(results, 1, 3))
    assert.same({}, left)
  end)

  it("another file system below the share, across which nothing can be renamed, is unsupported", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    local other = srv:path("backup", "other")
    folder(other)
    shell.check { "mount", "-t", "tmpfs", "tmpfs", other }
    local results = table.pack(dest:rename("full", "other/full"))
    shell.check { "umount", other }
    shell.check { "rmdir", other }
    assert_failed("unsupported", "rename 'full' on " .. place_of(srv), ".+%(NT_STATUS_NOT_SAME_DEVICE%)",
      table.unpack(results, 1, 3))
    assert.equal("other", files.read(srv:path("backup", "full/file")))
  end)

  it("a disk that fills up is no_space, and nothing is left behind", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    local small <close> = server.start { size = "4m" }
    local target <close> = opened(small:fields())
    assert(target:write("file", "old"))
    files.make(dir .. "/large", 9000000)
    assert_failed("no_space", "put 'file' on " .. place_of(small), "the disk is full %(NT_STATUS_DISK_FULL%)",
      target:put(dir .. "/large", "file"))
    assert_failed("no_space", "write 'file' on " .. place_of(small), "the disk is full %(NT_STATUS_DISK_FULL%)",
      target:write("file", files.content(9000000)))
    assert.same({ "file" }, files.list(small:path()))
    assert.equal("old", target:read "file")
    files.remove(dir .. "/large")
  end)

  it("a worker that crashes is failed, and the destination goes on with another", function()
    local function kill_worker()
      for _, pid in ipairs(files.list "/proc") do
        local comm = pid:find "^%d+$" and files.read("/proc/" .. pid .. "/cmdline")
        if comm and comm:find "^[^%z]*smb%-worker%z" then
          shell.kill(tonumber(pid), "ABRT")
          shell.poll(function() return not shell.alive(tonumber(pid)) end)
        end
      end
    end
    if not SANDBOX then return pending "needs spec/support/sandbox, where no others' workers run" end
    local pieces = 0
    assert_failed("failed", "write 'crash' on " .. place_of(srv), ".*worker.*", dest:write("crash", function()
      pieces = pieces + 1
      if pieces == 2 then kill_worker() end
      return pieces < 4 and files.content(5000000, pieces) or nil
    end))
    assert.is_false(files.exists(srv:path("backup", "crash")))
    assert(dest:write("crash", "survived"))
    assert.equal("survived", dest:read "crash")
  end)
end)

describe("a file that another client holds open", function()
  local srv, dest

  setup(function()
    srv = server.start()
    dest = opened(srv:fields())
  end)

  teardown(function()
    dest:close()
    srv:stop()
  end)

  before_each(function() files.write(srv:path("backup", "held"), "content") end)

  -- Calls fn while a command has "held" open: it says a line when it has, and ends when its input does.
  local function while_held(command, fn)
    local fifo, output = srv.dir .. "/go on", srv.dir .. "/held"
    shell.check { "mkfifo", fifo }
    local pid = shell.spawn(("exec %s <%s"):format(command, shell.quote(fifo)), output)
    local input = assert(io.open(fifo, "w"))
    input:write "open held\n"
    input:flush()
    local ok, problem = pcall(function()
      assert.is_truthy(shell.poll(function() return next(srv:status().open_files) end), files.read(output))
      fn()
    end)
    input:close()
    shell.poll(function() return not shell.alive(pid) end)
    os.remove(fifo)
    assert(ok, problem)
  end

  local function assert_busy(operation, ...)
    local target = (operation == "rename" or operation == "copy") and "to 'other': " or ""
    assert_failed("busy", ("%s 'held' on %s"):format(operation, place_of(srv)),
      target .. "it is open elsewhere %(NT_STATUS_SHARING_VIOLATION%)", ...)
  end

  it("is busy for those who would replace, delete or rename it", function()
    local command = shell.quote {
      "smbclient", "-s", "/dev/null", "-p", srv.port, "-U", "bob%s3cret", "//" .. srv.address .. "/backup",
    }
    while_held(command, function()
      assert_busy("delete", dest:delete "held")
      assert_busy("rename", dest:rename("held", "other"))
      assert_busy("write", dest:write("held", "new"))
      assert_busy("put", dest:put("/etc/passwd", "held"))
      assert.equal("content", dest:read "held")
      assert.same({ "held" }, files.list(srv:path()))
    end)
    assert.is_truthy(dest:write("held", "new"))
    assert.is_true(dest:delete "held")
  end)

  it("is busy for those who would read it when it is shared with nobody", function()
    if srv.port ~= 445 then return pending "needs spec/support/sandbox: Samba's Python client knows port 445 only" end
    local program = [[
import sys
from samba.samba3 import libsmb_samba_internal as libsmb, param
from samba.credentials import Credentials
lp = param.get_context()
lp.load("/dev/null")
bob = Credentials()
bob.guess(lp)
bob.set_username("bob")
bob.set_password("s3cret")
client = libsmb.Conn("127.0.0.1", "backup", lp=lp, creds=bob)
client.create("held", DesiredAccess=0x12019f, ShareAccess=0)
sys.stdin.read()
]]
    while_held(shell.quote { "/usr/bin/python3", "-c", program }, function()
      assert_busy("read", dest:read "held")
      assert_busy("get", dest:get("held", srv.dir .. "/never"))
      assert.is_false(files.exists(srv.dir .. "/never"))
      assert_busy("copy", dest:copy("held", "other"))
      assert_busy("delete", dest:delete "held")
      assert.same({ "held" }, files.list(srv:path()))
    end)
    assert.equal("content", dest:read "held")
  end)
end)

describe("a logon that is refused", function()
  local srv

  setup(function()
    srv = server.start {
      users = { bob = "s3cret", locked = "s3cret", expired = "s3cret", disabled = "s3cret", stale = "s3cret" },
    }
    srv:account("locked", "locked")
    srv:account("expired", "expired")
    srv:account("disabled", "disabled")
    srv:account("stale", "mustchange")
  end)

  teardown(function() srv:stop() end)
  before_each(function() srv:mark() end)

  for _, case in ipairs {
    { "for a wrong password", "bob", "wrong", "LOGON_FAILURE", "WRONG_PASSWORD" },
    { "for an empty password", "bob", "", "LOGON_FAILURE", "WRONG_PASSWORD" },
    { "for an unknown user", "nobody-knows", "s3cret", "LOGON_FAILURE", "NO_SUCH_USER" },
    { "for a locked account", "locked", "s3cret", "ACCOUNT_LOCKED_OUT", "ACCOUNT_LOCKED_OUT" },
    { "for an expired account", "expired", "s3cret", "ACCOUNT_EXPIRED", "ACCOUNT_EXPIRED" },
    { "for a disabled account", "disabled", "s3cret", "ACCOUNT_DISABLED", "ACCOUNT_DISABLED" },
    { "for a password that must be changed", "stale", "s3cret", "PASSWORD_MUST_CHANGE", "PASSWORD_MUST_CHANGE" },
  } do
    it(case[1] .. " is auth_failed after exactly one attempt", function()
      assert_failed("auth_failed", "open on " .. place_of(srv), ".+ %(NT_STATUS_" .. case[4] .. "%)",
        smb.open(srv:fields { username = case[2], password = case[3] }))
      local attempts, failures, list = srv:logons()
      assert.same({ { user = case[2], status = "NT_STATUS_" .. case[5], service = "SMB2" } }, list)
      assert.equal(1, attempts)
      assert.equal(1, failures)
      assert.same({}, srv:status().sessions)
    end)
  end

  it("is auth_failed over NetBIOS, too", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    assert_failed("auth_failed", "open on smb://127.0.0.1/backup", ".+ %(NT_STATUS_LOGON_FAILURE%)",
      smb.open(srv:fields { password = "wrong", transport = "netbios", port = 139 }))
    assert.equal(1, (srv:logons()))
  end)

  it("is auth_failed where encryption or signing is demanded", function()
    for _, demand in ipairs { "encryption", "signing" } do
      srv:mark()
      assert_failed("auth_failed", "open on " .. place_of(srv), ".+ %(NT_STATUS_LOGON_FAILURE%)",
        smb.open(srv:fields { password = "wrong", [demand] = "required" }))
      assert.equal(1, (srv:logons()))
    end
  end)

  it("is not followed by another attempt when it comes on a later connection", function()
    local dest <close> = opened(srv:fields { username = "bob" })
    assert.equal(1, (srv:logons()))
    srv:account("bob", "locked")
    srv:disconnect()
    srv:mark()
    for _ = 1, 3 do
      local result, message, code = dest:stat "file"
      assert.is_nil(result)
      assert.equal("auth_failed", code)
      assert.matches("%(NT_STATUS_ACCOUNT_LOCKED_OUT%)$", message)
    end
    assert.equal(1, (srv:logons()))
    -- Even when it would work again: only a new destination tries.
    srv:account("bob", "normal")
    assert.equal("auth_failed", select(3, dest:stat ""))
    assert.equal(1, (srv:logons()))
    opened(srv:fields()):close()
  end)

  it("is no matter of the share: an account that may not use it is access_denied", function()
    local closed <close> = server.start { shares = { backup = { ["invalid users"] = srv:unix_name "bob" } },
      users = { bob = "s3cret" } }
    closed:mark()
    local dest, message, code = smb.open(closed:fields { retries = 0 })
    if dest then dest:close() end
    assert_failed("access_denied", "open on " .. place_of(closed), ".+ %(NT_STATUS_ACCESS_DENIED%)", dest, message,
      code)
  end)
end)

describe("a server", function()
  it("whose name does not resolve is host_not_found", function()
    assert_failed("host_not_found", "open on smb://no-such-server.invalid/backup", ".*name.*",
      smb.open { server = "no-such-server.invalid", share = "backup", username = "bob", password = "s3cret",
        retries = 0 })
  end)

  it("that refuses the connection is unreachable", function()
    local srv <close> = server.start()
    local port = srv.port == 445 and 446 or srv.port + 1
    assert_failed("unreachable", ("open on smb://127.0.0.1:%d/backup"):format(port), "connection refused",
      smb.open(srv:fields { port = port, retries = 0 }))
  end)

  it("to which there is no route is unreachable", function()
    if not SANDBOX then return pending "needs spec/support/sandbox, whose network has no way out" end
    assert_failed("unreachable", "open on smb://192.0.2.1/backup", ".+",
      smb.open { server = "192.0.2.1", share = "backup", username = "bob", password = "s3cret", retries = 0 })
  end)

  it("without the share is share_missing", function()
    local srv <close> = server.start()
    assert_failed("share_missing", "open on " .. place_of(srv, "missing"),
      "the server has no such share %(NT_STATUS_BAD_NETWORK_NAME%)", smb.open(srv:fields { share = "missing" }))
  end)

  it("that halts is timeout, within the time allowed, and good again when it goes on", function()
    local srv <close> = server.start()
    local dest <close> = opened(srv:fields { short_timeout = 0.4, list_timeout = 0.4, read_write_timeout = 0.4 })
    assert(dest:write("file", "content"))
    srv:pause()
    for _, call in ipairs { { "stat", "file" }, { "list" }, { "read", "file" } } do
      local began = shell.now()
      local subject = call[1] == "list" and "" or "file"
      assert_failed("timeout", ("%s '%s' on %s"):format(call[1], subject, place_of(srv)), ".*answer.*",
        dest[call[1]](dest, call[2]))
      local took = shell.now() - began
      assert.is_true(took >= 0.35 and took < 15, ("after %.2f s"):format(took))
    end
    assert_failed("timeout", "open on " .. place_of(srv), ".*answer.*",
      smb.open(srv:fields { short_timeout = 0.4, retries = 0 }))
    srv:resume()
    dest.options.short_timeout = 30
    assert.equal(7, assert(dest:stat "file").size)
  end)

  it("that halts in the middle of a transfer is timeout", function()
    local srv <close> = server.start()
    local dest <close> = opened(srv:fields { short_timeout = 0.4, read_write_timeout = 0.4 })
    local pieces = 0
    assert_failed("timeout", "write 'file' on " .. place_of(srv), ".+", dest:write("file", function()
      pieces = pieces + 1
      if pieces == 2 then srv:pause() end
      return pieces < 4 and files.content(5000000, pieces) or nil
    end))
    srv:resume()
    assert.is_false(files.exists(srv:path("backup", "file")))
  end)

  it("that is killed in the middle of a transfer is disconnected", function()
    local srv <close> = server.start()
    local dest <close> = opened(srv:fields())
    local pieces = 0
    assert_failed("disconnected", "write 'file' on " .. place_of(srv), ".+", dest:write("file", function()
      pieces = pieces + 1
      if pieces == 2 then srv:kill() end
      return pieces < 4 and files.content(5000000, pieces) or nil
    end))
    assert.is_false(files.exists(srv:path("backup", "file")))
    srv:restart()
    assert(dest:write("file", "content"))
    assert.equal("content", dest:read "file")
  end)

  it("that is gone is disconnected, then unreachable, and good again when it is back", function()
    local srv <close> = server.start()
    local dest <close> = opened(srv:fields())
    assert(dest:write("file", "content"))
    srv:kill()
    local words = { disconnected = true, unreachable = true }
    for _ = 1, 2 do
      local result, message, code = dest:read "file"
      assert.is_nil(result)
      assert.is_true(words[code], code)
      assert.matches("^read 'file' on ", message)
    end
    assert_failed("unreachable", "stat 'file' on " .. place_of(srv), "connection refused", dest:stat "file")
    srv:restart()
    assert.equal("content", dest:read "file")
  end)
end)

describe("a URL", function()
  for _, case in ipairs {
    { "http://nas/backup", "smb://" }, { "smb://nas", "share" }, { "smb:///backup", "server" },
    { "smb://nas/backup#1", "%%23" }, { "smb://nas/backup/../etc", "'%.%.'" }, { "smb://nas/a%2Fb", "slash" },
    { "smb://nas/backup?colour=blue", "'colour'" }, { "smb://nas/backup?transprt=netbios", "'transport'" },
    { "smb://nas/backup?transport=ipx", "netbios" }, { "smb://nas:99999/backup", "port" },
    { "smb://bob:s3cret@nas:s3cret@/backup", "server" }, { "smb://bob:s3cret/x@nas/backup", "port" },
  } do
    it(case[1] .. " is invalid_url", function()
      for _, fn in ipairs { smb.open, smb.parse } do
        local result, message, code = fn(case[1])
        assert.is_nil(result)
        assert.equal("invalid_url", code)
        assert.matches(case[2], message)
        assert.is_nil(message:find("s3cret", 1, true))
      end
    end)
  end
end)
