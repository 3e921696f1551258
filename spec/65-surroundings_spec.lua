-- Hosts that are no idle shell: what systemd, containers, chroots and upgrades take away. Each either works, or says in
-- one sentence what is missing.

local lfs = require "lfs"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local SANITIZED = os.getenv "ASAN_OPTIONS" ~= nil
local ROOT = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
if not BUILD:find "^/" then BUILD = ROOT .. "/" .. BUILD end

-- What the host does; it prints what came of it.
local PROGRAM = [[
  local smb = require "smb"
  local dest, message, code = smb.open(URL, { retries = 0, short_timeout = 60 })
  if not dest then print(code, message) return end
  assert(dest:write("file", "content"))
  assert(dest:put(SOURCE, "source"))
  local f = assert(dest:open "file")
  print(assert(f:read "a"), #assert(dest:list()))
  f:close()
  dest:close()
]]

local srv, dir, refusing

setup(function()
  srv = server.start { log_level = "0" }
  dir = files.directory()
  refusing = dir .. "/refusing"
  shell.check { "cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", refusing, "spec/support/refusing.c" }
  lfs.mkdir(dir .. "/bad")
  files.write(dir .. "/bad/libtalloc.so.2", "no library")
end)

teardown(function()
  srv:stop()
  files.remove(dir)
end)

before_each(function() shell.check { "find", srv:path "backup", "-mindepth", "1", "-delete" } end)

-- Runs the program behind some words of a command line; `before`, if given, are commands of a shell in namespaces of
-- its own.
local function run(words, before)
  local path = files.write(dir .. "/program.lua",
    ("package.path, package.cpath = %q .. package.path, %q .. package.cpath\nlocal URL, SOURCE = %q, %q\n"):format(
      ROOT .. "/lua/?.lua;" .. ROOT .. "/lua/?/init.lua;", BUILD .. "/?.so;", srv:url "backup", refusing) .. PROGRAM)
  local command = table.move({ "lua5.4", path }, 1, 2, #words + 1, table.move(words, 1, #words, 1, {}))
  if before then
    command = table.move(command, 1, #command, 7, { "unshare", "-m", "sh", "-c", before .. ' && exec "$@"', "sh" })
  end
  local _, output = shell.run(command)
  return output
end

describe("a host works", function()
  local hosts = {
    { "without netlink sockets (RestrictAddressFamilies=)", function() return run { refusing, "netlink" } end },
    { "without an environment", function()
      -- But for what sanitizers need.
      return run { "env", "-i", SANITIZED and "LD_PRELOAD=" .. (os.getenv "LD_PRELOAD" or "") or "HOME=",
        "ASAN_OPTIONS=" .. (os.getenv "ASAN_OPTIONS" or "") }
    end },
    { "without standard input, output and error that go anywhere", function()
      return run { "sh", "-c", 'exec "$@" <&- 2>&-', "sh" }
    end },
    { "without /dev/null", "mount -t tmpfs none /dev" },
    { "without /proc", "mount -t tmpfs none /proc" },
    { "without a home, with a root that is read-only", "mount -o remount,bind,ro / && export HOME=/nonexistent" },
  }
  for _, host in ipairs(hosts) do
    local runs = SANDBOX or type(host[2]) == "function"
    local define = runs and it or pending
    define(host[1] .. (runs and "" or " (needs the sandbox)"), function()
      if type(host[2]) == "string" and SANITIZED and host[1]:find "/proc" then return end -- sanitizers read it
      local output = type(host[2]) == "function" and host[2]() or run({}, host[2])
      assert.equal("content\t2\n", output)
    end)
  end
end)

describe("a host is told", function()
  if SANITIZED then return end -- what is loaded before all libraries tells other things

  it("which library is wrong", function()
    local output = run { "env", "LD_LIBRARY_PATH=" .. dir .. "/bad" }
    assert.matches("^failed\topen on smb://[^\n]*: the worker process ended unexpectedly: [^\n]*libtalloc[^\n]*\n$",
      output)
  end)

  it("that no thread can be started", function()
    local output = run { refusing, "threads" }
    assert.matches("^failed\topen on smb://[^\n]*no thread can be started: [^\n]*\n$", output)
  end)

  it("that clone3 is refused, unless it is not needed", function()
    local output = run { refusing, "clone3" }
    if output == "content\t2\n" then return end
    assert.matches("no process can be started, as clone3 is refused %(Operation not permitted%)\n$", output)
  end)
end)

local define = SANDBOX and it or pending
define("a host without a network interface cannot reach its server" .. (SANDBOX and "" or " (needs the sandbox)"),
  function()
  local output = run { "unshare", "-n" }
  assert.matches("^unreachable\t[^\n]*\n$", output)
end)
