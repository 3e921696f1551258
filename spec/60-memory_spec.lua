-- What happens when there is no more memory, or when its collector runs all the time: a C host says when
-- (failing_alloc.c).

local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local HOST = "spec/support/failing_alloc"
local BUILD = os.getenv "BUILD" or "build"

local srv, dir

setup(function()
  srv = server.start()
  dir = files.directory()
  shell.check(("${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra $(pkg-config --cflags lua5.4) -rdynamic -o %s %s "
    .. "$(pkg-config --libs lua5.4) -ldl"):format(shell.quote(dir .. "/host"), HOST .. ".c"))
end)

teardown(function()
  files.remove(dir)
  srv:stop()
end)

-- Runs the script in the host, which checks all there is to check and tells what it has found.
local function run(mode)
  local output = shell.check(("LUA_PATH_5_4='lua/?.lua;lua/?/init.lua;;' LUA_CPATH_5_4=%s timeout 100 %s"):format(
    shell.quote(BUILD .. "/?.so;;"), shell.quote { dir .. "/host", HOST .. ".lua", srv:url "backup", dir, mode }))
  local counts = {}
  for part, count in output:gmatch "([%l ]+): (%d+)\n" do counts[part] = math.tointeger(tonumber(count)) end
  return counts
end

describe("memory that ends", function()
  -- Of each part every request for memory was refused once, and its last turn went without.
  local function assert_all_refused(counts)
    for part, least in pairs {
      load = 5, open = 30, stat = 5, list = 30, dir = 30, read = 10, write = 50, put = 15, get = 15, ["get tree"] = 50,
      ["put tree"] = 50, ["file read"] = 100, ["file write"] = 50, coroutine = 50, ["file goes on"] = 50,
    } do
      assert.is_true(counts[part] ~= nil and counts[part] > least, part)
    end
  end

  it("at any request is an error, leaves nothing behind, and the destination goes on", function()
    assert_all_refused(run "2") -- Lua asks twice before it gives up
    for _, name in ipairs(files.list(dir)) do
      assert.is_nil(name:find("%.part$"), name)
    end
  end)

  it("and is still at an end while errors are handled, likewise", function()
    assert_all_refused(run "12")
  end)
end)

describe("a collector that runs at every object made", function()
  it("changes nothing", function()
    run "collect"
  end)
end)
