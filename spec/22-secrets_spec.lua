-- What a worker knows stays with it: no core file, no other process of the user, no environment has the password.
-- (RLIMIT_CORE does not bind a core_pattern that begins with a pipe: systemd-coredump, apport.)

local child = require "spec.support.child"
local files = require "spec.support.files"
local lfs = require "lfs"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local BUILD = os.getenv "BUILD" or "build"
local IS_ROOT = shell.check { "id", "-u" } == "0\n"
local USER = IS_ROOT and "nobody" or shell.check({ "id", "-un" }):gsub("\n", "")
local SECRET = "unlikely-to-be" .. "-found"

local srv, dir

setup(function()
  srv = server.start { users = { bob = SECRET } }
  dir = files.directory()
end)

teardown(function()
  srv:stop()
  files.remove(dir)
end)

-- Calls fn with the processes of a program that is connected, started by these words.
local function connected(prefix, url, fn)
  local program = child.start_under(prefix, dir, [[
    local dest = assert(smb.open(%q))
    assert(dest:write("file", "content"))
    say "connected"
    os.execute("exec sleep 60")
  ]], url)
  program:await "connected"
  assert(shell.poll(function() return processes.fork_servers(program.pid)[1] end))
  local ok, problem = pcall(fn, processes.worker(program.pid), processes.fork_servers(program.pid)[1])
  shell.kill(-program.pid, "KILL")
  if not ok then error(problem, 0) end
end

-- A process's environment by name; nil where we may not read it.
local function environment_of(pid)
  local text = files.read("/proc/" .. pid .. "/environ")
  local variables = {}
  for name, value in (text or ""):gmatch "([^=%z]+)=(%Z*)" do variables[name] = value end
  return text ~= "" and text and variables
end

describe("the environment of a worker", function()
  local GIVEN = { "env", "AUTH_PASSWORD=" .. SECRET, "USER=bob%" .. SECRET, "PASSWD=" .. SECRET, "DATABASE_PASSWORD="
    .. SECRET, "api_token=" .. SECRET, "MY_OWN=1", "KRB5CCNAME=FILE:/none", "KRB5_CONFIG=/none", "TMPDIR="
    .. (os.getenv "TMPDIR" or "/tmp"), "LC_ALL=C.UTF-8", "TZ=UTC", "LD_LIBRARY_PATH=/none", "RES_OPTIONS=timeout:1" }

  local function check(words, fn)
    connected(words, srv:url "backup", function(...)
      for _, pid in ipairs { ... } do
        local variables = environment_of(pid)
        if not variables then return pending "only root may read it" end
        for name, value in pairs(variables) do assert.is_nil(value:find(SECRET, 1, true), name) end
        for _, name in ipairs { "KRB5CCNAME", "KRB5_CONFIG", "TMPDIR", "LC_ALL", "TZ", "LD_LIBRARY_PATH",
          "RES_OPTIONS" } do
          assert.is_string(variables[name], name)
        end
        fn(variables)
      end
    end)
  end

  it("is what its libraries need, and nothing else", function()
    check(GIVEN, function(variables) assert.is_nil(variables.MY_OWN) end)
  end)

  it("is all that is no secret where a library of the user's own is loaded into all programs, faketime's for one",
    function()
    if os.getenv "ASAN_OPTIONS" then return pending "the sanitizer is such a library, and is taken out" end
    files.write(dir .. "/own.c", "int lua_smb_own_library;")
    shell.check { "cc", "-shared", "-fPIC", "-o", dir .. "/own.so", dir .. "/own.c" }
    local words = table.move(GIVEN, 1, #GIVEN, 1, {})
    words[#words + 1] = "LD_PRELOAD=" .. dir .. "/own.so"
    check(words, function(variables) assert.equal("1", variables.MY_OWN) end)
  end)
end)

it("a worker and its fork server can be looked into by nobody but root, and an ordinary user's work all the same",
  function()
  -- Where the module is, that user may have no business.
  local home = dir .. "/home"
  lfs.mkdir(home)
  shell.check { "cp", "-r", "lua", BUILD .. "/smb", home }
  shell.check { "chmod", "-R", "a+rX", dir }
  local words = { "env", "HOME=/", ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(home, home),
    "LUA_CPATH_5_4=" .. home .. "/?.so;;" }
  if IS_ROOT then
    words = table.move(words, 1, #words, 6,
      { "setpriv", "--reuid=" .. USER, "--regid=nogroup", "--clear-groups", "--" })
  end
  files.write(dir .. "/program.lua", ([[
    local dest = assert(require "smb".open(%q))
    assert(dest:write("file", "content"))
    assert(dest:read "file" == "content")
    print "connected"
    io.stdout:flush()
    os.execute "exec sleep 60"
  ]]):format(srv:url "backup"))
  local pid = shell.spawn(table.move({ "lua5.4", dir .. "/program.lua" }, 1, 2, #words + 1, words), dir .. "/said")
  local is_connected = shell.poll(function() return (files.read(dir .. "/said") or ""):find "connected\n" end, 20)
  assert(is_connected, files.read(dir .. "/said"))
  for _, kind in ipairs { "workers", "fork_servers" } do
    local found = shell.poll(function()
      local those = processes[kind](pid)
      return #those > 0 and those
    end) or {}
    assert.equal(1, #found)
    local owner = shell.check { "stat", "-c", "%u", "/proc/" .. found[1] .. "/environ" }
    -- The kernel gives them to root, who is nobody in a namespace that does not know him.
    assert.is_true(owner == "0\n" or owner == "65534\n" and USER ~= "nobody", kind .. " belong to " .. owner)
    assert.matches("Max core file size%s+0%s+0", files.read("/proc/" .. found[1] .. "/limits"))
  end
  shell.kill(-pid, "KILL")
end)
