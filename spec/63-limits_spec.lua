-- A host that may have little: large files, processes, descriptors. A limit is no reason to end it, and what a further
-- connection would only speed up goes on without.

local lfs = require "lfs"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local ROOT = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
if not BUILD:find "^/" then BUILD = ROOT .. "/" .. BUILD end

-- What every program below begins with.
local PROLOGUE = [[
  local URL, DIR = ...
  local smb = require "smb"
  local function say(...) print(...) end
  local function open(connections)
    return smb.open(URL, { retries = 0, connections = connections })
  end
]]

local srv, dir

setup(function()
  srv, dir = share.start()
end)

teardown(share.stop)

before_each(share.clean)

-- Runs a program in an interpreter under a limit, the words of a command; gives its exit status and what it wrote.
local function run(limit, program)
  local path = files.write(dir .. "/program.lua", PROLOGUE .. program)
  local words = shell.quote { "env", "LUA_PATH_5_4=" .. ROOT .. "/lua/?.lua;" .. ROOT .. "/lua/?/init.lua;;",
    "LUA_CPATH_5_4=" .. BUILD .. "/?.so;;", "timeout", "100", "lua5.4", path, srv:url "backup", dir .. "/local" }
  local _, output, status = shell.run(limit .. " " .. words)
  return status, output
end

describe("a limit on the size of files", function()
  -- ulimit -f, LimitFSIZE=; the kernel sends SIGXFSZ, which ends who does not expect it, and counts shared memory, too.
  it("is an error where a local file would become larger, and none of an open file's", function()
    files.write(share.on_server "small", "hello")
    files.make(share.on_server "large", 30000000)
    for _, limit in ipairs { 100000, 1000000, 20000000 } do
      local status, output = run(("prlimit --fsize=%d"):format(limit), [[
        local dest <close> = assert(open())
        local result, message, code = dest:get("large", DIR .. "/large")
        say(result, code, message:match "File too large")
        say(dest:read "small")
        local f = assert(dest:open("small", "r+"))
        say(f:read "a")
        assert(f:write(("x"):rep(3000000)) and f:seek "set")
        say(#f:read "a" == 3000005, f:close())
        say(smb.type(dest))
      ]])
      assert.equal("nil\tlocal_io\tFile too large\nhello\nhello\ntrue\ttrue\ndestination\n", output)
      assert.equal(0, status)
      assert.same({}, files.list(dir .. "/local"))
      files.write(share.on_server "small", "hello")
    end
  end)

  it("that leaves no room for anything is an error, too", function()
    files.write(share.on_server "small", "hello")
    for limit = 0, 12288, 1024 do
      local status, output = run(("prlimit --fsize=%d"):format(limit), [[
        local dest, message, code = open()
        if not dest then
          say(code, message:match "too large" or message)
          return
        end
        local f
        f, message, code = dest:open "small"
        if not f then say(code, message:match "too large" or message) end
        if f then say(f:read "a") end
      ]])
      assert.is_true(output == "hello\n" or output:find "^%w+_?%w*\ttoo large\n$" ~= nil, limit .. ": " .. output)
      assert.equal(0, status)
    end
  end)
end)

-- Exits with 0 when all that one connection does is done with many as well.
local MUCH = [[
  local function all(dest)
    local jobs = {}
    for i = 1, 8 do jobs[i] = dest:submit("write", "j" .. i, "x") end
    for i = 1, 8 do assert(jobs[i]:wait()) end
    assert(assert(dest:put_tree(DIR .. "/tree", "tree", { changed = "always" })).files == 60)
    assert(dest:put(DIR .. "/large", "large", { sha256 = true }))
    assert(dest:get("large", DIR .. "/back", { sha256 = true }))
    local f = assert(dest:open "large")
    assert(#assert(f:read "a") == 80000000)
    assert(f:close())
    return true
  end
  local function try(connections)
    local dest <close> = assert(open(connections))
    return all(dest)
  end
]]

local function make_tree()
  shell.check(("mkdir %s/local/tree && cd %s/local/tree && for i in $(seq 60); do head -c 2000 /dev/urandom >f$i; done")
    :format(dir, dir))
  files.make(dir .. "/local/large", 80000000)
end

describe("few descriptors", function()
  -- ulimit -n, LimitNOFILE=.
  it("are enough for what one connection can do", function()
    make_tree()
    local tried = 0
    for limit = 12, 60, 4 do
      local _, output = run(("prlimit --nofile=%d"):format(limit), MUCH .. [[
        if not pcall(try, 1) then
          say "too few"
          return
        end
        say(pcall(try, 8))
      ]])
      if output ~= "too few\n" then
        tried = tried + 1
        assert.equal("true\ttrue\n", output, limit)
      end
    end
    assert.is_true(tried > 3)
  end)
end)

describe("few processes", function()
  -- ulimit -u, TasksMax=, a container's limit; threads count as well.
  it("are enough for what one connection can do", function()
    if not shell.run "[ $(id -u) = 0 ] && setpriv --reuid 54321 --clear-groups true" then
      pending "only root may become somebody else"
      return
    end
    make_tree()
    local tried, is_enough = 0, false
    shell.check(("chmod -R a+rwX %s"):format(shell.quote { dir, srv:path "backup" }))
    local function works(limit, connections)
      local as = ("prlimit --nproc=%d setpriv --reuid 54321 --regid 54321 --clear-groups"):format(limit)
      local _, output = run(as, MUCH .. ("say(pcall(try, %d))"):format(connections))
      assert.is_truthy(shell.poll(function() return not shell.run "grep -qs '^Uid:.54321' /proc/[0-9]*/status" end))
      return output == "true\ttrue\n", output
    end
    for limit = 4, 12 do
      if is_enough then -- for one, and one process less: those that end count until they are reaped
        tried = tried + 1
        assert.is_true(works(limit, 8))
      else
        is_enough = works(limit, 1)
      end
    end
    assert.is_true(tried > 3)
  end)
end)
