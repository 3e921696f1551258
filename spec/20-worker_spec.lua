-- The worker process: how it comes, what becomes of it, and what a host sees of all that, which is nothing.

local lfs = require "lfs"
local smb = require "smb"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local ROOT = lfs.currentdir()
local RELATIVE = os.getenv "BUILD" or "build" -- to ROOT
local BUILD = ROOT .. "/" .. RELATIVE
if RELATIVE:find "^/" then
  RELATIVE, BUILD = ROOT:gsub("/[^/]+", "../") .. RELATIVE:sub(2), RELATIVE
end

-- What every program below begins with.
local PROLOGUE = [[
  local lfs, shell = require "lfs", require "spec.support.shell"
  local function say(...) print(...) io.stdout:flush() end
  local function await(name) assert(shell.poll(function() return lfs.attributes(DIR .. "/" .. name) end, 20), name) end
]]

local srv, dir

setup(function()
  srv = server.start { users = { bob = "s3cret", carol = "unlikely-to-be-found" } }
  dir = files.directory()
end)

teardown(function()
  srv:stop()
  files.remove(dir)
end)

before_each(function()
  srv:mark()
  shell.check(("rm -rf %s/* %s/*"):format(srv:path "backup", dir))
end)

local function open(options)
  return assert(smb.open(srv:url "backup", options))
end

-- Text of a program in which URL, DIR and ROOT are known.
local function program(text, paths)
  paths = paths or {}
  return ("package.path = %q; package.cpath = %q .. package.cpath; URL, DIR, ROOT = %q, %q, %q\n"):format(
    (paths.path or ROOT .. "/lua/?.lua;" .. ROOT .. "/lua/?/init.lua;") .. ROOT .. "/?.lua;" .. package.path,
    (paths.cpath or BUILD .. "/?.so") .. ";", srv:url "backup", dir, ROOT) .. PROLOGUE .. text
end

-- Runs a program to its end; gives what it wrote, errors included.
local function run(text, paths)
  local _, output = shell.run { "lua5.4", files.write(dir .. "/program.lua", program(text, paths)) }
  return output
end

local Host = {}
Host.__index = Host

-- Starts a program that stays.
local function spawn(text)
  local host = setmetatable({ output = dir .. "/output" }, Host)
  files.write(host.output, "")
  host.pid = shell.spawn({ "lua5.4", files.write(dir .. "/program.lua", program(text)) }, host.output)
  return host
end

-- Waits until the program has said a line; gives how long that took.
function Host:await(line, seconds)
  local began = shell.now()
  local said = shell.poll(function()
    return ("\n" .. files.read(self.output)):find("\n" .. line .. "\n", 1, true)
  end, seconds or 10)
  assert(said, ("the program did not say '%s', but:\n%s"):format(line, files.read(self.output)))
  return shell.now() - began
end

-- Lets a program go on that awaits the name.
function Host:tell(name)
  files.write(dir .. "/" .. name, "")
  return self
end

function Host:__close()
  shell.kill(self.pid, "KILL")
end

local function leftovers()
  local found = {}
  for _, name in ipairs(files.list(srv:path "backup")) do
    if name:find "%.part$" or name:find "%.aside$" then
      found[#found + 1] = name
    end
  end
  return found
end

local function await_temporary()
  assert(shell.poll(function()
    return #leftovers() > 0
  end), "no temporary file was made")
end

-- What fn returned, and how long it took in front.
local function timed(fn)
  local began = shell.now()
  local results = table.pack(fn())
  return shell.now() - began, table.unpack(results, 1, results.n)
end

-- A folder with a copy of the module and, if given, a program smb-worker of this text beside it; a host's cpath for it.
local function module_with(worker)
  local folder = dir .. "/copy/smb"
  shell.check { "mkdir", "-p", folder }
  shell.check { "cp", BUILD .. "/smb/core.so", folder }
  if worker then
    shell.check { "chmod", "+x", files.write(folder .. "/smb-worker", worker) }
  end
  return { cpath = dir .. "/copy/?.so" }
end

describe("the worker's program", function()
  it("is found beside the module, wherever the host goes", function()
    assert.equal("true\n", run [[
      local smb = require "smb"
      lfs.chdir "/"
      local dest <close> = assert(smb.open(URL))
      say(dest:exists(""))
    ]])
  end)

  it("is found through a relative package.cpath", function()
    for _, before in ipairs { "./", "", "spec/../" } do
      assert.equal("true\n", run([[
        local smb = require "smb"
        lfs.chdir "/"
        local dest <close> = assert(smb.open(URL))
        say(dest:exists(""))
      ]], { cpath = before .. RELATIVE .. "/?.so" }))
    end
  end)

  it("is found through a symbolic link to the module", function()
    lfs.mkdir(dir .. "/linked")
    lfs.mkdir(dir .. "/linked/smb")
    assert(lfs.link(BUILD .. "/smb/core.so", dir .. "/linked/smb/core.so", true))
    assert.equal("true\n", run('say(require "smb".open(URL):exists(""))', { cpath = dir .. "/linked/?.so" }))
  end)

  it("says what it is when started by hand, and exits with 2", function()
    local ok, output, status = shell.run { BUILD .. "/smb/smb-worker" }
    assert.is_false(ok)
    assert.equal(2, status)
    assert.equal("smb-worker is a part of the Lua module smb, which starts it by itself\n", output)
  end)

  it("is named when it is missing", function()
    local output = run('say(require "smb".open(URL))', module_with(nil))
    assert.matches("^nil\topen on smb://[^\n]*smb%-worker cannot be started %(No such file or directory%)\tfailed\n$",
      output)
    assert.matches(dir .. "/copy/smb/smb-worker", output, 1, true)
  end)

  it("is named when it may not be run", function()
    local paths = module_with "#!/bin/sh\n"
    shell.check { "chmod", "-x", dir .. "/copy/smb/smb-worker" }
    assert.matches("smb%-worker cannot be started %(Permission denied%)\tfailed\n$",
      run('say(require "smb".open(URL))', paths))
  end)

  it("of another version gives an error that says so", function()
    -- The greeting of protocol version 999, as a program from another build would send it.
    local paths = module_with "#!/bin/sh\nprintf 'LSMb\\347\\003\\000\\000\\000\\000\\000\\000' >&3\n"
    assert.matches("^nil\topen on smb://[^\n]*smb%-worker are of different versions: restart this program\tfailed\n$",
      run('say(require "smb".open(URL))', paths))
  end)

  it("of another version is an error for the call that needs it, though the connection that stands goes on", function()
    local paths = module_with(nil)
    shell.check { "cp", BUILD .. "/smb/smb-worker", dir .. "/copy/smb/" }
    local output = run([[
      local processes = require "spec.support.processes"
      local dest <close> = assert(require "smb".open(URL, { retries = 0 }))
      os.remove(DIR .. "/copy/smb/smb-worker")
      local file = assert(io.open(DIR .. "/copy/smb/smb-worker", "w"))
      file:write "#!/bin/sh\nprintf 'LSMb\\347\\003\\000\\000\\000\\000\\000\\000' >&3\n"
      file:close()
      shell.check { "chmod", "+x", DIR .. "/copy/smb/smb-worker" }
      local old = processes.fork_servers()[1]
      shell.kill(old, "KILL")
      processes.await_end(old)
      local first, second = dest:submit("exists", ""), dest:submit("exists", "")
      say(first:wait())
      say(second:wait())
      say(dest:exists "")
    ]], paths)
    assert.matches("^true\nnil\t[^\n]*different versions: restart this program\tfailed\ntrue\n$", output)
  end)

  it("that sends descriptors which nobody asked for leaves none of them in the host", function()
    local paths = module_with(nil)
    shell.check { "cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", dir .. "/copy/smb/smb-worker",
      "spec/support/giver.c" }
    assert.equal("failed\nfailed\ntrue\n", run([[
      local processes = require "spec.support.processes"
      local smb = require "smb"
      say(select(3, smb.open(URL)))
      local before = processes.count_descriptors()
      say(select(3, smb.open(URL)))
      say(processes.count_descriptors() == before)
    ]], paths))
  end)

  it("of another build gives an error that says so", function()
    local paths = module_with "#!/bin/sh\nprintf 'LSMb\\001\\000\\000\\000\\000\\000\\000\\000' >&3\n"
    assert.matches("different versions[^\n]*\tfailed\n$", run('say(require "smb".open(URL))', paths))
  end)

  it("that is something else gives an error", function()
    for _, script in ipairs { "exit 0", "exit 1", "echo hello >&3", "kill -SEGV $$" } do
      assert.matches("^nil\topen on smb://[^\n]*worker[^\n]*\tfailed\n$",
        run('say(require "smb".open(URL))', module_with("#!/bin/sh\n" .. script .. "\n")))
    end
  end)

  it("that never says a word is given up and ended", function()
    local paths = module_with(("#!/bin/sh\necho $$ >%s/pid\nexec sleep 60\n"):format(dir))
    local output = run([[
      local began = shell.now()
      -- rather than 60
      say(select(3, require "smb".open(URL, { short_timeout = 0.3, retries = 0 })), shell.now() - began < 20)
    ]], paths)
    assert.equal("timeout\ttrue\n", output)
    assert.is_false(shell.alive(tonumber(files.read(dir .. "/pid"))))
  end)

  it("that greets with another version and stays is ended", function()
    local greeting = "printf 'LSMb\\347\\003\\000\\000\\000\\000\\000\\000' >&3"
    local paths = module_with(("#!/bin/sh\necho $$ >%s/pid\n%s\nexec sleep 60\n"):format(dir, greeting))
    local host <close> = setmetatable({ output = dir .. "/output" }, Host)
    files.write(host.output, "")
    host.pid = shell.spawn({ "lua5.4", files.write(dir .. "/program.lua",
      program('say(select(3, require "smb".open(URL)))', paths)) }, host.output)
    host:await "failed"
    assert.is_false(shell.alive(tonumber(files.read(dir .. "/pid"))))
  end)
end)

describe("a worker", function()
  it("comes with the destination and goes with it", function()
    local before = processes.workers()
    local dest = open()
    assert.equal(#before + 1, #processes.workers())
    assert.is_true(dest:close())
    assert.same(before, processes.workers())
  end)

  it("goes with a destination that nobody holds any more", function()
    local dest = open()
    local pid = processes.worker()
    assert.is_true(dest:exists "")
    dest = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_true(processes.await_end(pid))
  end)

  it("goes when the connection cannot be made", function()
    for _, options in ipairs { { password = "wrong" }, { share = "nowhere" }, { port = 1 } } do
      assert.is_nil(smb.open(srv:fields(options)))
      assert.is_true(shell.poll(function()
        return #processes.workers() == 0
      end, 0.5))
    end
  end)

  it("goes when its host ends without closing anything", function()
    local host <close> = spawn [[
      DEST = assert(require "smb".open(URL))
      say "open"
      await "go"
    ]]
    host:await "open"
    local pid = processes.worker(host.pid)
    host:tell "go"
    assert.is_true(processes.await_end(pid))
  end)

  it("goes at once when its host is killed, and its fork server with it", function()
    local host <close> = spawn [[
      local dest = assert(require "smb".open(URL))
      say "open"
      await "go"
    ]]
    host:await "open"
    local pid, fork_servers = processes.worker(host.pid), processes.fork_servers(host.pid)
    assert.equal(1, #fork_servers)
    shell.kill(host.pid, "KILL")
    assert.is_true(processes.await_end(pid, 0.5))
    assert.is_true(processes.await_end(fork_servers[1], 0.5))
  end)

  it("is no child of its host, nor of its terminal", function()
    local before = processes.children()
    local dest <close> = open()
    assert.same(before, processes.children())
    local stat = files.read("/proc/" .. processes.worker() .. "/stat")
    local session, terminal = stat:match "^.*%) %a %d+ %d+ (%d+) (%d+)"
    assert.are_not.equal(files.read("/proc/self/stat"):match "^.*%) %a %d+ %d+ (%d+)", session)
    assert.equal("0", terminal)
    assert.is_true(dest:close())
  end)

  it("has nothing of its host's but the connection to it", function()
    local file <close> = assert(io.open(dir .. "/open", "w"))
    local dest <close> = open()
    local pid = processes.worker()
    local descriptors = processes.descriptors(pid)
    for fd = 0, 2 do
      assert.equal("/dev/null", descriptors[fd])
    end
    for _, name in pairs(descriptors) do
      assert.are_not.equal(dir .. "/open", name)
    end
    assert.equal("/", lfs.symlinkattributes("/proc/" .. pid .. "/cwd", "target"))
    local status = files.read("/proc/" .. pid .. "/status")
    -- SIGPIPE is libsmbclient's doing
    assert.matches("\nSigBlk:%s+0+\n", (status:gsub("(\nSigBlk:%s+)0*1000\n", "%10\n")))
    assert.is_true(file:close())
    assert.is_true(dest:close())
  end)

  it("leaves nothing to programs that its host starts", function()
    local dest <close> = open()
    local pipe = assert(io.popen("echo $$; exec sleep 60", "r"))
    local pid = pipe:read "n"
    local workers = processes.descriptors(processes.worker())
    for _, name in pairs(processes.descriptors(math.tointeger(pid))) do
      assert.is_nil(name:find "^socket:")
      assert.is_nil(name:find "memfd")
      assert.is_nil(name:find "pidfd")
    end
    assert.matches("^socket:", workers[3])
    shell.kill(pid, "KILL")
    pipe:close()
    assert.is_true(dest:close())
  end)

  it("goes when its host is killed and a program lives on that the host had started", function()
    local host <close> = spawn [[
      local dest = assert(require "smb".open(URL))
      local child = io.popen("echo $$; exec sleep 60", "r")
      local pid = child:read "n"
      say "open"
      say(pid)
      await "go"
    ]]
    host:await "open"
    local child = tonumber(shell.poll(function()
      return files.read(host.output):match "\n(%d+)\n"
    end))
    local pid = processes.worker(host.pid)
    shell.kill(host.pid, "KILL")
    assert.is_true(processes.await_end(pid, 0.5))
    assert.is_true(shell.alive(child))
    shell.kill(child, "KILL")
  end)

  it("is told the password in private", function()
    local dest <close> = assert(smb.open(srv:fields { username = "carol", password = "unlikely-to-be-found" }))
    local secret = "unlikely-to-be" .. "-found"
    assert.is_true(dest:exists "")
    for _, pid in ipairs(files.list "/proc") do
      for _, name in ipairs(pid:find "^%d+$" and { "cmdline", "environ" } or {}) do
        local text = files.read("/proc/" .. pid .. "/" .. name) or ""
        assert.is_nil(text:find(secret, 1, true), "/proc/" .. pid .. "/" .. name)
      end
    end
    assert.are_not.equal("", files.read("/proc/" .. processes.worker() .. "/environ"))
  end)

  it("writes no core file with it", function()
    local dest <close> = open()
    assert.matches("Max core file size%s+0%s+0", files.read("/proc/" .. processes.worker() .. "/limits"))
    assert.is_true(dest:close())
  end)
end)

-- Whether a text stands anywhere in a process's own memory.
local function remembers(pid, text)
  local most = 2 ^ 28 -- bytes: AddressSanitizer maps terabytes for itself
  local memory <close> = assert(io.open("/proc/" .. pid .. "/mem", "rb"))
  for first, last in files.read("/proc/" .. pid .. "/maps"):gmatch "\n(%x+)%-(%x+) rw%-p" do
    first, last = tonumber(first, 16), tonumber(last, 16)
    memory:seek("set", first)
    if last - first < most and (memory:read(last - first) or ""):find(text, 1, true) then return true end
  end
  return false
end

describe("the fork server, which workers come from,", function()
  local function fork_server()
    local found = processes.fork_servers()
    assert.equal(1, #found)
    return found[1]
  end

  -- Has a second worker started.
  local function start_another(dest)
    local jobs = { dest:submit("exists", ""), dest:submit("exists", "") }
    for _, job in ipairs(jobs) do assert.is_true(job:wait()) end
    assert.equal(2, #processes.workers())
  end

  local function parent(pid)
    return tonumber(files.read("/proc/" .. pid .. "/stat"):match "^.*%) %a (%d+)")
  end

  it("comes with the first worker, has no connection and goes with the destination", function()
    local dest = open()
    local pid = fork_server()
    local sockets = 0
    for _, name in pairs(processes.descriptors(pid)) do
      sockets = sockets + (name:find "^socket:" and 1 or 0)
    end
    assert.equal(1, sockets)
    assert.equal("/", lfs.symlinkattributes("/proc/" .. pid .. "/cwd", "target"))
    assert.is_true(dest:close())
    assert.is_false(shell.alive(pid))
    assert.same({}, processes.fork_servers())
  end)

  it("loads the program for all of them, and has no zombies", function()
    local dest <close> = open()
    local first, pid = processes.worker(), fork_server()
    start_another(dest)
    for _, worker in ipairs(processes.workers()) do
      assert.matches("^smb%-worker%z", files.read("/proc/" .. worker .. "/cmdline"))
      assert.equal(worker ~= first, parent(worker) == pid)
      shell.kill(worker, "KILL")
    end
    assert.is_true(shell.poll(function() return #processes.workers() == 0 end))
    assert.is_true(shell.poll(function() return #processes.children(pid) == 0 end))
    assert.is_true(dest:exists "")
    assert.equal(pid, parent(processes.worker()))
    assert.equal(pid, fork_server())
  end)

  it("is replaced when it was killed", function()
    local dest = open()
    local pid = fork_server()
    shell.kill(pid, "KILL")
    assert.is_true(processes.await_end(pid))
    start_another(dest)
    assert.are_not.equal(pid, fork_server())
    assert.is_true(dest:close())
    assert.same({}, processes.fork_servers())
  end)

  it("is given up when it does nothing", function()
    local dest <close> = open { short_timeout = 0.5 }
    local pid, first = fork_server(), processes.worker()
    shell.kill(pid, "STOP")
    local jobs = { dest:submit("exists", ""), dest:submit("exists", "") } -- the first worker does both
    for _, job in ipairs(jobs) do assert.is_true(job:wait()) end
    assert.is_true(processes.await_end(pid))
    shell.kill(first, "KILL")
    assert.is_true(processes.await_end(first))
    assert.is_true(dest:exists "")
    assert.are_not.equal(pid, fork_server())
  end)

  it("knows no password", function()
    local dest <close> = assert(smb.open(srv:fields { username = "carol", password = "unlikely-to-be-found" }))
    assert.is_true(dest:exists "")
    assert.is_true(remembers(processes.worker(), "unlikely-to-be-found"))
    assert.is_false(remembers(fork_server(), "unlikely-to-be-found"))
  end)
end)

describe("a host", function()
  it("has its standard output and error to itself", function()
    assert.equal("done\n", run [[
      local smb = require "smb"
      assert(not smb.open((URL:gsub("s3cret", "wrong"))))
      assert(not smb.open((URL:gsub("backup", "nowhere"))))
      assert(not smb.open((URL:gsub("127.0.0.1", "no-such-host.invalid"))))
      local dest = assert(smb.open(URL))
      assert(not dest:stat "missing")
      assert(not dest:list "missing")
      assert(dest:write("file", "content"))
      assert(not dest:rmdir "file")
      assert(dest:close())
      say "done"
    ]])
  end)

  it("loses no descriptor and gathers no process in 1,000 calls", function()
    local dest <close> = open()
    local source = files.make(dir .. "/source", 10000)
    local function round()
      assert(dest:stat "")
      assert(dest:put(source, "file"))
      assert(dest:get("file", dir .. "/target"))
      assert(not dest:stat "missing")
      assert(not dest:put(source, "missing/file"))
      assert(not dest:get("missing", dir .. "/target"))
      assert(dest:list())
      assert(dest:test())
      assert(not dest:write("file", function() return nil, "no" end))
      assert(dest:delete "file")
    end
    round()
    local worker = processes.worker()
    local ours, its, children = processes.count_descriptors(), processes.count_descriptors(worker), processes.children()
    for _ = 1, 100 do
      round()
    end
    collectgarbage()
    assert.equal(ours, processes.count_descriptors())
    assert.same(children, processes.children())
    assert.same({ worker }, processes.workers())
    assert.equal(its, processes.count_descriptors(worker))
  end)

  it("loses none over 99 connections either, made, refused and forgotten", function()
    local children = processes.children()
    open():close()
    collectgarbage()
    local before = processes.count_descriptors()
    for i = 1, 99 do
      if i % 3 == 0 then
        open() -- for the collector
      elseif i % 3 == 1 then
        open():close()
      else
        assert(not smb.open(srv:fields { share = "nowhere" }))
      end
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, processes.count_descriptors())
    assert.same(children, processes.children())
    assert.is_true(shell.poll(function()
      return #processes.workers() == 0
    end))
  end)

  it("may be process 1, and is left no zombies", function()
    if not SANDBOX then
      return pending "needs spec/support/sandbox"
    end
    files.write(dir .. "/program.lua", program [[
      local smb, files = require "smb", require "spec.support.files"
      for _ = 1, 5 do
        local dest = assert(smb.open(URL))
        assert(dest:exists "")
        assert(dest:close())
        assert(not smb.open((URL:gsub("backup", "nowhere"))))
      end
      local left = {}
      shell.poll(function()
        left = {}
        for _, name in ipairs(files.list "/proc") do
          if name:find "^%d+$" and name ~= "1" then left[#left + 1] = files.read("/proc/" .. name .. "/stat") end
        end
        return #left == 0
      end, 1)
      say(files.read "/proc/self/stat":match "^%d+", table.concat(left))
    ]])
    local _, output = shell.run(shell.quote(processes.NO_LEAK_CHECK) .. " unshare -p --fork --mount-proc lua5.4 "
      .. shell.quote(dir .. "/program.lua"))
    assert.equal("1\t\n", output)
  end)
end)

describe("a destination", function()
  it("can be closed twice", function()
    local dest = open()
    assert.is_true(dest:close())
    assert.is_true(dest:close())
    assert.equal("closed destination", smb.type(dest))
    assert.equal("smb.destination (closed)", tostring(dest))
  end)

  it("is closed by <close>, also when an error passes", function()
    local kept
    assert.has_error(function()
      local dest <close> = open()
      kept = dest
      error "as planned"
    end)
    assert.equal("closed destination", smb.type(kept))
    assert.same({}, processes.workers())
  end)

  it("raises on every call once it is closed", function()
    local dest = open()
    dest:close()
    local calls = {
      stat = { "a" }, exists = { "a" }, list = {}, dir = {}, walk = {}, mkdir = { "a" }, delete = { "a" },
      rmdir = { "a" }, rename = { "a", "b" }, copy = { "a", "b" }, utime = { "a", 1 }, quota = {}, test = {},
      put = { "/etc/passwd" }, get = { "a" }, write = { "a", "b" }, read = { "a" },
    }
    for method, arguments in pairs(calls) do
      local ok, problem = pcall(dest[method], dest, table.unpack(arguments))
      assert.is_false(ok, method)
      assert.matches("closed destination", problem, 1, true)
    end
  end)

  it("does not crash when closed inside its own loops and callbacks", function()
    files.write(srv:path("backup", "a"), "")
    files.write(srv:path("backup", "b"), "")
    local dest = open()
    local ok, problem = pcall(function()
      for _ in dest:dir() do
        dest:close()
      end
    end)
    assert.is_false(ok)
    assert.matches("closed destination", problem)
    dest = open()
    ok, problem = pcall(dest.write, dest, "file", function()
      dest:close()
      return "data"
    end)
    assert.is_false(ok)
    assert.matches("closed", problem)
    assert.is_true(shell.poll(function()
      return #leftovers() == 0
    end, 2))
    assert.same({}, processes.workers())
  end)
end)

describe("when the worker crashes", function()
  local dest

  before_each(function()
    dest = open { short_timeout = 5 }
  end)

  after_each(function()
    srv:resume()
    dest:close()
  end)

  for _, signal in ipairs { "ABRT", "KILL" } do
    it("between calls, by SIG" .. signal .. ", the next call has a new one", function()
      local pid = processes.worker()
      shell.kill(pid, signal)
      assert.is_true(processes.await_end(pid))
      assert.is_true(dest:exists "")
      assert.are_not.equal(pid, processes.worker())
    end)

    it("in a call, by SIG" .. signal .. ", the call fails and the next one works", function()
      local pid = processes.worker()
      srv:pause()
      local entry, message, code = processes.during(function()
        return dest:stat "file"
      end, function()
        shell.kill(pid, signal)
      end)
      srv:resume()
      assert.is_nil(entry)
      assert.equal("failed", code)
      assert.matches("^stat 'file' on smb://127%.0%.0%.1[:%d]*/backup: the worker process ended unexpectedly$", message)
      assert.is_true(dest:exists "")
      assert.are_not.equal(pid, processes.worker())
    end)

    it("in a transfer, by SIG" .. signal .. ", the old file stays and nothing else", function()
      files.write(srv:path("backup", "file"), "old")
      local pieces = 0
      local result, message, code = dest:write("file", function()
        pieces = pieces + 1
        if pieces == 1 then
          await_temporary()
          local pid = processes.worker()
          shell.kill(pid, signal)
          processes.await_end(pid)
        end
        return pieces < 5 and ("x"):rep(5000000) or nil
      end)
      assert.is_nil(result)
      assert.equal("failed", code)
      assert.matches("^write 'file' on smb://", message)
      assert.equal("old", dest:read "file")
      assert.same({ "file" }, files.list(srv:path "backup"))
    end)
  end

  it("while a folder is listed, the loop raises and the next one works", function()
    shell.check(("cd %s && seq -f 'a file with a name that is not short at all %%g' 5000 | xargs -d '\\n' touch")
      :format(shell.quote(srv:path "backup")))
    local count = 0
    local ok, problem = pcall(function()
      for _ in dest:dir() do
        count = count + 1
        if count == 1 then
          local pid = processes.worker()
          shell.kill(pid, "KILL")
          processes.await_end(pid)
        end
      end
    end)
    assert.is_false(ok)
    assert.is_true(problem.code == "failed" or problem.code == "disconnected", problem.code)
    assert.is_true(count < 5000)
    assert.equal(5000, #dest:list())
  end)

  it("a hundred times, nothing is left over", function()
    local before, children = processes.count_descriptors(), processes.children()
    for _ = 1, 100 do
      local pid = processes.worker()
      shell.kill(pid, "KILL")
      processes.await_end(pid)
      assert(dest:exists "")
    end
    assert.equal(before, processes.count_descriptors())
    assert.same(children, processes.children())
  end)
end)

describe("a deadline", function()
  local dest

  before_each(function()
    dest = open { short_timeout = 0.5, list_timeout = 0.7, read_write_timeout = 0.6, retries = 0 }
    files.write(srv:path("backup", "file"), "content")
  end)

  after_each(function()
    srv:resume()
    dest:close()
  end)

  local function assert_timeout(limit, fn)
    local seconds, result, message, code = timed(fn)
    assert.is_nil(result)
    assert.equal("timeout", code)
    assert.matches("the server does not answer", message)
    assert.is_true(seconds >= limit - 0.01, ("after %.2f s already"):format(seconds))
    assert.is_true(seconds < 15, ("after %.2f s only"):format(seconds))
  end

  it("of short_timeout ends a call on a server that has stopped answering", function()
    srv:pause()
    assert_timeout(0.5, function()
      return dest:stat "file"
    end)
    srv:resume()
    assert.equal(7, dest:stat "file".size)
  end)

  it("of short_timeout ends a connection attempt to such a server", function()
    srv:pause()
    local seconds, result, message, code = timed(function()
      return smb.open(srv:url "backup", { short_timeout = 0.5, retries = 0 })
    end)
    assert.is_nil(result)
    assert.equal("timeout", code)
    assert.matches("^open on smb://127%.0%.0%.1[:%d]*/backup: no answer to the", message)
    assert.is_true(seconds >= 0.49 and seconds < 15, ("after %.2f s"):format(seconds)) -- the default would be 30
    -- Ours is still there, the other one is on its way out.
    assert.is_true(shell.poll(function()
      return #processes.workers() == 1
    end))
  end)

  it("of list_timeout ends a listing", function()
    srv:pause()
    assert_timeout(0.7, function()
      return dest:list()
    end)
    srv:resume()
    assert.equal(1, #dest:list())
  end)

  it("of read_write_timeout ends a transfer in which nothing moves", function()
    assert_timeout(0.6, function()
      return dest:write("file", function()
        srv:pause()
        return ("x"):rep(5000000)
      end)
    end)
    srv:resume()
    assert.equal("content", dest:read "file")
  end)

  it("does not end a transfer that is slow but moves", function()
    dest.options.read_write_timeout = 0.4
    local source = files.make(dir .. "/source", 3000000)
    -- Between two halts of 0.2 s some bytes get through each time. The first halt is there before the transfer begins.
    dest.options.write_buffer_size = 20000
    local stop, pid = dir .. "/stop", nil
    srv:pause()
    local seconds, result, message = timed(function()
      pid = shell.spawn(("while sleep 0.2; %s %s CONT; [ ! -e %s ]; do sleep 0.02; %s %s STOP; done"):format(
        ROOT .. "/spec/support/kill-server", srv.conf, stop, ROOT .. "/spec/support/kill-server", srv.conf))
      return dest:put(source, "file")
    end)
    files.write(stop, "")
    processes.await_end(pid)
    assert.is_nil(message)
    assert.equal(3000000, result.bytes)
    assert.is_true(files.same(source, srv:path("backup", "file")))
    assert.is_true(seconds > 0.2)
  end)

  it("ends a call on a worker that hangs", function()
    local pid = processes.worker()
    shell.kill(pid, "STOP")
    assert_timeout(0.5, function()
      return dest:stat "file"
    end)
    assert.is_true(processes.await_end(pid))
    assert.equal(7, dest:stat "file".size)
  end)

  it("can be changed on an open destination", function()
    srv:pause()
    dest.options.short_timeout = 0.2
    assert_timeout(0.2, function()
      return dest:stat "file"
    end)
  end)
end)

describe("when the host is killed in the middle of a transfer", function()
  after_each(function()
    srv:resume()
  end)

  it("from a reader, the worker removes the temporary file and goes", function()
    files.write(srv:path("backup", "file"), "old")
    local host <close> = spawn [[
      local dest = assert(require "smb".open(URL, { short_timeout = 2 }))
      dest:write("file", function()
        say "reading"
        await "go"
      end)
    ]]
    host:await "reading"
    await_temporary()
    local pid = processes.worker(host.pid)
    shell.kill(host.pid, "KILL")
    assert.is_true(processes.await_end(pid, 2.5))
    assert.same({ "file" }, files.list(srv:path "backup"))
    assert.equal("old", files.read(srv:path("backup", "file")))
  end)

  it("from a file, the worker removes the temporary file and goes", function()
    shell.check { "truncate", "-s", "4G", dir .. "/source" }
    local host <close> = spawn [[
      local dest = assert(require "smb".open(URL, { short_timeout = 2, write_buffer_size = 65536 }))
      say "putting"
      dest:put(DIR .. "/source", "file")
    ]]
    host:await "putting"
    await_temporary()
    local pids = processes.workers(host.pid)
    shell.kill(host.pid, "KILL")
    for _, pid in ipairs(pids) do assert.is_true(processes.await_end(pid, 2.5)) end
    assert.same({}, files.list(srv:path "backup"))
  end)

  it("to a server that has stopped answering, the worker goes within short_timeout", function()
    local host <close> = spawn [[
      local dest = assert(require "smb".open(URL, { short_timeout = 1 }))
      dest:write("file", function()
        say "reading"
        await "go"
        say "writing"
        return ("x"):rep(5000000)
      end)
    ]]
    host:await "reading"
    local pid = processes.worker(host.pid)
    srv:pause()
    host:tell "go":await "writing"
    shell.poll(function()
      return processes.sleeps(host.pid)
    end)
    shell.kill(host.pid, "KILL")
    assert.is_true(processes.await_end(pid, 2))
    -- The worker has gone, the server has not: the file stays, but under no name that anybody takes for a backup.
    srv:resume()
    assert.is_false(files.exists(srv:path("backup", "file")))
  end)
end)

describe("Ctrl-C", function()
  after_each(function()
    srv:resume()
  end)

  -- Interrupts a program that makes a call (an expression) on a halted server; then the program uses the server again.
  local function interrupt(call, in_coroutine)
    files.write(srv:path("backup", "file"), "content")
    local host <close> = spawn(([[
      local dest = assert(require "smb".open(URL))
      local function call()
        say "calling"
        return %s
      end
      local function attempt() return pcall(call) end
      say "open"
      await "go"
      local ok, problem
      if %s then ok, problem = coroutine.wrap(attempt)() else ok, problem = attempt() end
      say "back"
      say(tostring(ok), (tostring(problem):gsub("^.*: ", "")))
      await "resumed"
      say("usable: " .. tostring(dest:read "file"))
      await "end"
    ]]):format(call, in_coroutine))
    host:await "open"
    srv:pause()
    host:tell "go":await "calling"
    assert(shell.poll(function()
      return processes.sleeps(host.pid)
    end))
    shell.kill(host.pid, "INT")
    host:await "back" -- the server stands still: nothing else ends the call
    host:await "false\tinterrupted!"
    srv:resume()
    host:tell "resumed":await "usable: content"
    -- What was given up does not stay.
    assert.is_true(shell.poll(function()
      return #leftovers() == 0
    end))
    host:tell "end"
  end

  it("ends a call that is stuck", function()
    interrupt('dest:stat "file"', false)
  end)

  it("ends it in a coroutine, too", function()
    interrupt('dest:stat "file"', true)
  end)

  it("ends a transfer that is stuck", function()
    interrupt('dest:put(ROOT .. "/LICENSE", "other")', false)
  end)

  it("ends an attempt to connect", function()
    interrupt('require "smb".open(URL)', false)
  end)

  it("ends a loop over a folder", function()
    interrupt('(function() for _ in dest:dir() do end end)()', false)
  end)

  it("works at the prompt of lua5.4 -i", function()
    local input, output = dir .. "/input", dir .. "/typescript"
    shell.check { "mkfifo", input }
    files.write(dir .. "/init.lua", program [[ dest = assert(require "smb".open(URL)) ]])
    local pid = shell.spawn(("exec script -qfec %s %s <%s"):format(
      shell.quote(("lua5.4 -i %s/init.lua"):format(dir)), output, input))
    local keys = assert(io.open(input, "w"))
    keys:setvbuf "no"
    local function await(text)
      return assert(shell.poll(function()
        return (files.read(output) or ""):find(text, 1, true)
      end), text)
    end
    local function prompt_after(text)
      await(text)
      assert(shell.poll(function()
        return select(2, files.read(output):gsub("> ", "")) > 0
      end))
    end
    prompt_after "Lua 5.4"
    srv:pause()
    keys:write 'dest:stat("x") -- stuck\n'
    await "-- stuck"
    local lua
    shell.poll(function()
      lua = processes.children(pid)[1]
      lua = lua and (processes.children(lua)[1] or lua)
      return lua
    end)
    keys:write "\3"
    await "interrupted!" -- the server stands still: nothing else ends the call
    srv:resume()
    keys:write 'print("is " .. "usable", dest:exists(""))\n'
    await "is usable\ttrue"
    keys:write "\4"
    keys:close()
    assert.is_true(processes.await_end(pid))
  end)
end)
