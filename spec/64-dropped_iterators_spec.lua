-- Iterators over folders that a script begins and never ends: it keeps no hold of them, and the collector finds them.

local core = require "smb.core"
local smb = require "smb"
local files = require "spec.support.files"
local server = require "spec.support.server"

local srv

setup(function()
  srv = server.start { log_level = "0" }
  -- Names so long that the server's answer takes several messages between worker and module.
  for i = 1, 600 do files.write(srv:path("backup", ("name "):rep(36) .. i), "") end
end)

teardown(function() srv:stop() end)

-- Asserts that nothing is open on a destination's only connection: then it is given to who wants one of his own.
local function assert_nothing_is_open(dest)
  assert(dest:exists "") -- takes in what is on its way
  collectgarbage()
  collectgarbage()
  while not core.settled(dest, 0.1) do end
  local request <close> = assert(core.start(dest, "connect", { own = true }))
  assert.is_true(core.ended(request))
end

describe("an iterator that nobody ends", function()
  local ways = {
    ["of dir"] = function(dest) dest:dir()() end,
    ["of dir, before its first entry"] = function(dest) dest:dir() end,
    ["of dir, in its second batch"] = function(dest)
      local next_entry = dest:dir()
      for _ = 1, 300 do next_entry() end
    end,
    ["of walk"] = function(dest) dest:walk()() end,
    ["in a coroutine that is dropped"] = function(dest)
      coroutine.wrap(function()
        for entry in dest:dir() do coroutine.yield(entry) end
      end)()
    end,
  }
  for name, drop in pairs(ways) do
    it(name .. " holds its connection no longer than the script holds it", function()
      local dest <close> = assert(smb.open(srv:url "backup", { connections = 1, retries = 0 }))
      drop(dest)
      assert_nothing_is_open(dest)
    end)
  end

  it("takes nothing away from others: after 1,100 of them a folder is listed like before", function()
    local dest <close> = assert(smb.open(srv:url "backup", { connections = 1, retries = 0 }))
    for _ = 1, 1100 do dest:dir()() end
    assert.equal(600, #assert(dest:list()))
  end)

  it("ends with its destination, in whatever order they are collected", function()
    local dest = assert(smb.open(srv:url "backup"))
    dest:dir()()
    dest = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    local other = assert(smb.open(srv:url "backup"))
    local next_entry = other:dir()
    next_entry()
    assert(other:close())
    next_entry = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
  end)
end)
