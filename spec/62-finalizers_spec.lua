-- What finalizers do while lua-smb is at work: Lua runs them whenever it has made something, in the middle of any call.

local smb = require "smb"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local BUILD = os.getenv "BUILD" or "build"
local COLLECTOR = "spec/support/collector"

local srv, dir

setup(function()
  srv = server.start { log_level = "0" }
  dir = files.directory()
  shell.check(("mkdir -p %s/smb && cp %s/smb/* %s/smb && ${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra "
    .. "$(pkg-config --cflags lua5.4) -shared -fPIC -Wl,-z,nodelete -o %s %s.c"):format(shell.quote(dir),
    shell.quote(BUILD), shell.quote(dir), shell.quote(dir .. "/collector.so"), COLLECTOR))
end)

teardown(function()
  files.remove(dir)
  srv:stop()
end)

-- What is asked for makes Lua collect, whatever it is for.
describe("a request", function()
  it("takes little of Lua's memory", function()
    local dest <close> = assert(smb.open(srv:url "backup"))
    assert(dest:write("file", "content"))
    local function stat(count)
      for _ = 1, count do assert(dest:stat "file") end
    end
    stat(10)
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    stat(100)
    local kibibytes = collectgarbage "count" - before
    collectgarbage "restart"
    assert.is_true(kibibytes / 100 < 8, kibibytes / 100)
    assert.is_true(dest:delete "file")
  end)
end)

-- An object of the script's own that closes what it has opened when it is collected, while the script still uses that.
describe("a finalizer that closes the destination, file or job in use", function()
  it("makes the call under way an error, or lets it end; nothing crashes, hangs or is left", function()
    local _, output, status = shell.run { "env", "COLLECTED=" .. dir, "CLOSES=1", "LUA_INIT_5_4=@" .. COLLECTOR
      .. ".lua", "LUA_PATH_5_4=lua/?.lua;lua/?/init.lua;./?.lua;;", "LUA_CPATH_5_4=" .. dir .. "/?.so;;", "timeout",
      "-k", "5", "500", "lua5.4", "spec/support/closing.lua", srv:url "backup", dir }
    assert.equal(0, status, output)
    assert.is_nil(output:match "WRONG[^\n]*")
    local interrupted = 0
    for count in output:gmatch ": %d+, (%d+)\n" do interrupted = interrupted + count end
    assert.is_true(interrupted > 200, output)
    for _, name in ipairs(files.list(dir)) do assert.is_nil(name:find "%.part$", name) end
  end)
end)
