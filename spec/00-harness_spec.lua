-- The harness itself, with smbclient as the client: what a failing spec says is only as good as its servers.

local faults = require "spec.support.faults"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local HARNESS = "spec/support/"

-- Runs smbclient's commands on the share "backup".
local function smbclient(srv, commands, login)
  return shell.run {
    "smbclient", "-s", "/dev/null", "-p", srv.port, "-U", login or srv.user .. "%" .. srv.password,
    "//" .. srv.address .. "/backup", "-c", commands,
  }
end

-- Calls fn while a client is connected and idle.
local function while_connected(srv, fn)
  local fifo = srv.dir .. "/commands"
  shell.check { "mkfifo", fifo }
  local words = shell.quote {
    "smbclient", "-s", "/dev/null", "-p", srv.port, "-U", srv.user .. "%" .. srv.password,
    "//" .. srv.address .. "/backup",
  }
  local pid = shell.spawn(words .. " <" .. shell.quote(fifo))
  local commands = assert(io.open(fifo, "w"))
  assert.is_truthy(shell.poll(function()
    return next(srv:status().tcons)
  end))
  local ok, problem = pcall(fn)
  commands:close()
  shell.poll(function()
    return not shell.alive(pid)
  end)
  os.remove(fifo)
  assert(ok, problem)
end

-- Processes that have this path among their arguments, other than those that look for it.
local function processes(path)
  local found = {}
  for _, pid in ipairs(files.list "/proc") do
    local arguments = pid:find "^%d+$" and files.read("/proc/" .. pid .. "/cmdline")
    if arguments and arguments:find(path, 1, true) then
      found[#found + 1] = pid .. " " .. arguments:gsub("%z", " ")
    end
  end
  return found
end

local function assert_gone(dir)
  shell.poll(function()
    return not files.exists(dir) and #processes(dir) == 0
  end)
  assert.same({}, processes(dir))
  assert.is_false(files.exists(dir))
end

describe("a server", function()
  local srv, dir

  setup(function()
    srv = server.start { users = { bob = "s3cret", alice = "p@ss word", ["Jörg M"] = "ü" } }
    dir = files.directory()
  end)

  teardown(function()
    srv:stop()
    files.remove(dir)
  end)

  before_each(function()
    srv:mark()
  end)

  it("takes a file and gives it back", function()
    files.make(dir .. "/up", 300000, 7)
    assert.is_true(smbclient(srv, ("put %s/up file; get file %s/down"):format(dir, dir)))
    assert.is_true(files.same(dir .. "/up", dir .. "/down"))
    assert.is_true(files.same(dir .. "/up", srv:path("backup", "file")))
  end)

  it("knows each of its users", function()
    assert.is_true(smbclient(srv, "ls", "alice%p@ss word"))
    assert.is_true(smbclient(srv, "ls", "Jörg M%ü"))
    local ok, output = smbclient(srv, "ls", "alice%s3cret")
    assert.is_false(ok)
    assert.matches("NT_STATUS_LOGON_FAILURE", output)
    assert.is_false(smbclient(srv, "ls", "carol%s3cret"))
  end)

  it("counts logons", function()
    smbclient(srv, "ls")
    smbclient(srv, "ls", "bob%wrong")
    local attempts, failures, list = srv:logons()
    assert.equal(2, attempts)
    assert.equal(1, failures)
    assert.same({ user = "bob", status = "NT_STATUS_OK", service = "SMB2" }, list[1])
    assert.same({ user = "bob", status = "NT_STATUS_WRONG_PASSWORD", service = "SMB2" }, list[2])
  end)

  it("tells who is connected and how", function()
    while_connected(srv, function()
      local _, session = next(srv:status().sessions)
      assert.equal("bob", session.username)
      assert.equal("SMB3_11", session.session_dialect)
      assert.equal("none", session.encryption.degree)
    end)
  end)

  it("counts requests", function()
    files.write(dir .. "/small", "12345")
    local bare = srv:requests(function()
      return smbclient(srv, "")
    end)
    local counts, ok = srv:requests(function()
      return smbclient(srv, ("put %s/small one; put %s/small two"):format(dir, dir))
    end)
    assert.is_true(ok)
    assert.equal(1, bare.negprot)
    assert.equal(2, bare.sesssetup)
    assert.equal(0, bare.create)
    assert.equal(2, counts.create)
    assert.equal(2, counts.write)
    assert.equal(2, counts.close)
    assert.equal(bare.total + 6, counts.total)
  end)

  it("lists reads and writes", function()
    files.make(dir .. "/up", 300000)
    smbclient(srv, ("put %s/up file; get file /dev/null"):format(dir))
    local function covered(list)
      local bytes = 0
      for _, entry in ipairs(list) do
        assert.equal("file", entry.file)
        assert.equal(entry.length, entry.done)
        bytes = bytes + entry.done
      end
      return bytes
    end
    assert.equal(300000, covered(srv:writes()))
    assert.equal(300000, covered(srv:reads()))
    srv:mark()
    assert.same({}, srv:writes())
  end)

  it("keeps file attributes", function()
    files.write(srv:path("backup", "flags"), "")
    assert.is_true(smbclient(srv, "setmode flags +hsra"))
    local _, output = smbclient(srv, "ls flags")
    assert.matches("flags%s+AHSR%s+0", output)
    smbclient(srv, "setmode flags -rhs")
  end)

  it("refuses accounts in every state but normal", function()
    local statuses = {
      disabled = "NT_STATUS_ACCOUNT_DISABLED", locked = "NT_STATUS_ACCOUNT_LOCKED_OUT",
      expired = "NT_STATUS_ACCOUNT_EXPIRED", mustchange = "NT_STATUS_PASSWORD_MUST_CHANGE",
    }
    for state, status in pairs(statuses) do
      srv:account("bob", state)
      local ok, output = smbclient(srv, "ls")
      assert.is_false(ok)
      assert.matches(status, output)
      srv:account("bob", "normal")
      assert.is_true(smbclient(srv, "ls"))
    end
  end)

  it("halts and goes on", function()
    srv:pause()
    local late = files.directory() .. "/late"
    shell.spawn(("smbclient -s /dev/null -p %d -U bob%%s3cret //%s/backup -c ls; echo done >%s")
      :format(srv.port, srv.address, late))
    shell.sleep(0.3)
    assert.is_false(files.exists(late))
    srv:resume()
    assert.is_true(shell.poll(function()
      return files.exists(late)
    end))
    files.remove((late:gsub("/late$", "")))
  end)

  it("drops its connections and serves new ones", function()
    while_connected(srv, function()
      srv:disconnect()
      assert.is_true(shell.poll(function()
        return next(srv:status().sessions) == nil
      end))
      assert.is_true(shell.alive(srv.pid))
      assert.is_true(smbclient(srv, "ls"))
    end)
  end)

  it("comes back after a crash with the same port and files", function()
    files.write(srv:path("backup", "kept"), "kept")
    local pid, port = srv.pid, srv.port
    srv:kill()
    assert.is_false(shell.alive(pid))
    assert.is_false(smbclient(srv, "ls"))
    srv:restart()
    assert.equal(port, srv.port)
    local ok, output = smbclient(srv, "ls")
    assert.is_true(ok)
    assert.matches("kept", output)
  end)

  it("says where it is", function()
    local port = srv.port == 445 and "" or ":" .. srv.port
    assert.equal("smb://bob:s3cret@127.0.0.1" .. port, srv:url())
    assert.equal("smb://bob:s3cret@127.0.0.1" .. port .. "/backup/a%20b/%C3%BC?sign=on", srv:url("backup", "a b/ü", {
      sign = "on",
    }))
    assert.same({
      server = "127.0.0.1", share = "backup", port = srv.port, username = "bob", password = "s3cret",
      transport = "directtcp", timeout = 5,
    }, srv:fields { timeout = 5 })
  end)
end)

describe("server.start", function()
  it("runs several servers, each with its own data", function()
    local one <close> = server.start()
    local two <close> = server.start { shares = { backup = {}, archive = { ["read only"] = "yes" } } }
    assert.are_not.equal(one.port, two.port)
    files.write(one:path("backup", "in one"), "")
    assert.is_falsy(select(2, smbclient(two, "ls")):find "in one")
    assert.is_true(smbclient(two, "ls"))
  end)

  it("listens on other addresses", function()
    for _, address in ipairs { "127.0.0.7", "::1" } do
      local srv <close> = server.start { address = address }
      assert.is_true(smbclient(srv, "ls"))
      local hosts = srv.address == "::1" and "127.0.0.1" or "127.0.0.8"
      assert.is_false(smbclient({ port = srv.port, address = hosts, user = "bob", password = "s3cret" }, "ls"))
    end
  end)

  it("passes lines to smb.conf", function()
    local srv <close> = server.start { global = { ["server smb encrypt"] = "required" } }
    while_connected(srv, function()
      local _, session = next(srv:status().sessions)
      assert.equal("full", session.encryption.degree)
    end)
  end)

  it("refuses options that it does not know", function()
    assert.has_error(function()
      server.start { adress = "127.0.0.1" }
    end, "unknown option 'adress'")
  end)

  it("tells why a server does not start", function()
    local srv <close> = server.start()
    local ok, problem = pcall(server.start, { port = srv.port })
    assert.is_false(ok)
    assert.matches("port %d+ of 127.0.0.1 is taken", problem)
    ok, problem = pcall(server.start, { global = { ["passdb backend"] = "nonsense" } })
    assert.is_false(ok)
    assert.matches("nonsense", problem)
  end)

  it("keeps a directory that was asked for", function()
    files.directory(function(dir)
      local srv = server.start { dir = dir .. "/server" }
      assert.is_true(smbclient(srv, "mkdir folder"))
      srv:stop()
      assert.same({}, processes(dir))
      local again <close> = server.start { dir = dir .. "/server" }
      assert.matches("folder", select(2, smbclient(again, "ls")))
    end)
  end)

  it("runs a server as an ordinary user", function()
    if shell.check("id -u") ~= "0\n" then
      return pending "is always the case unless we are root"
    end
    local srv <close> = server.start { as_user = "nobody" }
    assert.equal("nobody\n", shell.check { "stat", "-c", "%U", "/proc/" .. srv.pid })
    assert.is_true(smbclient(srv, "put /etc/passwd file"))
    assert.equal("nobody\n", shell.check { "stat", "-c", "%U", srv:path("backup", "file") })
    srv:account("bob", "locked")
    assert.matches("NT_STATUS_ACCOUNT_LOCKED_OUT", select(2, smbclient(srv, "ls")))
    srv:account("bob", "normal")
    while_connected(srv, function()
      assert.equal("bob", select(2, next(srv:status().sessions)).username)
    end)
  end)
end)

describe("in the sandbox a server", function()
  if not SANDBOX then
    return pending "needs spec/support/sandbox"
  end

  it("has ports 445 and 139", function()
    local srv <close> = server.start()
    assert.equal(445, srv.port)
    assert.is_true(smbclient(srv, "ls"))
    local netbios = { port = 139, address = srv.address, user = srv.user, password = srv.password }
    assert.is_true(smbclient(netbios, "ls"))
  end)

  it("has them on each address, also as an ordinary user", function()
    local user = shell.check("id -u") == "0\n" and "nobody" or nil
    local one <close> = server.start { as_user = user }
    local two <close> = server.start { as_user = user, address = "127.0.0.2" }
    assert.equal(445, one.port)
    assert.equal(445, two.port)
    files.write(two:path("backup", "in two"), "")
    assert.matches("in two", select(2, smbclient(two, "ls")))
    assert.is_falsy(select(2, smbclient(one, "ls")):find "in two")
  end)

  it("can have a disk that fills up", function()
    local srv <close> = server.start { size = "1m" }
    local file = files.make(srv.dir .. "/large", 2000000)
    assert.is_true(smbclient(srv, "put /etc/passwd small"))
    local _, output = smbclient(srv, "put " .. file .. " large")
    assert.matches("NT_STATUS_DISK_FULL", output)
  end)
end)

describe("a network before a server", function()
  it("can have a line that all connections share", function()
    local srv <close> = server.start()
    local net <close> = faults.start(srv, srv.dir)
    local smb = require "smb"
    local dest <close> = assert(smb.open(net:url "backup"))
    local data, jobs, speed = ("x"):rep(1 << 20), {}, 1 << 21
    net:tell("line", speed)
    local began = shell.now()
    for i = 1, 4 do jobs[i] = dest:submit("write", "file" .. i, data) end
    for _, job in ipairs(jobs) do assert(job:wait()) end
    assert.is_true(shell.now() - began > 0.9 * #jobs * #data / speed)
  end)
end)

describe("nothing is left", function()
  -- Starts a program that starts a server, lists shares so that Samba's helpers run, too, and then does as told.
  local PROGRAM = [[
    package.path = "./?.lua;" .. package.path
    local server = require "spec.support.server"
    local shell = require "spec.support.shell"
    local srv = server.start()
    shell.run { "smbclient", "-s", "/dev/null", "-p", srv.port, "-U", "bob%%s3cret", "-L", srv.address }
    print(srv.dir)
    io.stdout:flush()
    %s
  ]]

  local WAIT = "shell.sleep(60)"

  -- Calls fn with the program's process id and its server's directory.
  local function with_program(ending, prefix, fn)
    files.directory(function(dir)
      local output = dir .. "/output"
      local pid = shell.spawn(("exec %s lua5.4 -e %s"):format(prefix, shell.quote(PROGRAM:format(ending))), output)
      local where = shell.poll(function()
        return (files.read(output) or ""):match "^([^\n]+)\n"
      end)
      assert(where, files.read(output))
      fn(pid, where)
      assert.is_true(shell.poll(function()
        return not shell.alive(pid)
      end))
    end)
  end

  it("after stop", function()
    local srv = server.start()
    shell.run { "smbclient", "-s", "/dev/null", "-p", srv.port, "-U", "bob%s3cret", "-L", srv.address }
    assert.is_true(#processes(srv.dir) >= 4)
    srv:stop()
    srv:stop()
    assert.same({}, processes(srv.dir))
    assert.is_false(files.exists(srv.dir))
  end)

  it("after a server that was halted", function()
    local srv = server.start()
    srv:pause()
    srv:stop()
    assert.same({}, processes(srv.dir))
    assert.is_false(files.exists(srv.dir))
  end)

  it("after stop_all", function()
    local one, two = server.start(), server.start()
    server.stop_all()
    assert.same({}, processes(one.dir))
    assert.same({}, processes(two.dir))
  end)

  it("after a Lua error at top level", function()
    with_program('error "as planned"', "", function(_, dir)
      assert_gone(dir)
    end)
  end)

  it("after os.exit", function()
    with_program("os.exit(1)", "", function(_, dir)
      assert_gone(dir)
    end)
  end)

  it("after a program that was killed", function()
    with_program(WAIT, "", function(pid, dir)
      assert.is_true(#processes(dir) >= 4)
      shell.kill(pid, "KILL")
      assert_gone(dir)
    end)
  end)

  it("after a sandbox that was ended, interrupted or killed", function()
    for _, name in ipairs { "TERM", "INT", "KILL" } do
      with_program(WAIT, HARNESS .. "sandbox", function(pid, dir)
        assert.is_false(files.exists(dir))
        assert.is_true(#processes(dir) >= 4)
        shell.kill(pid, name)
        assert_gone(dir)
      end)
    end
  end)
end)

describe("the sandbox", function()
  local function sandbox(...)
    return shell.run { HARNESS .. "sandbox", ... }
  end

  it("passes on the exit status and the streams", function()
    assert.equal(7, select(3, sandbox("sh", "-c", "exit 7")))
    local ok, output = shell.run("echo text | " .. HARNESS .. "sandbox cat")
    assert.is_true(ok)
    assert.equal("text\n", output)
  end)

  it("refuses to run nothing", function()
    assert.equal(125, select(3, sandbox()))
  end)

  it("has processes, network and /run of its own", function()
    local _, output = sandbox("sh", "-c", "echo $LUA_SMB_SANDBOX $TMPDIR; ls /run; ls -d /proc/[0-9]* | wc -l")
    assert.matches("^1 /run/lua%-smb\nlock\nlua%-smb\nsamba\n[1-6]\n$", output)
  end)
end)
