-- A short run of `make soak`, always the same one; with malloc told the same, lest memory that is free already counts
-- as in use.

local shell = require "spec.support.shell"

local function soak(program)
  local ok, output = shell.run { "env", "SEED=1", "SOAK_S=10", "MALLOC_MMAP_THRESHOLD_=131072",
    "LUA_PATH_5_4=lua/?.lua;lua/?/init.lua;./?.lua;;", "LUA_CPATH_5_4=" .. package.cpath .. ";;",
    "lua5.4", "spec/support/" .. program }
  assert.is_true(ok, output)
  return output
end

describe("soak", function()
  it("finds what the model says after every step", function()
    assert.matches("all as the model says", soak "soak.lua")
  end)

  it("finds all complete snapshots whole, whatever was killed or lost meanwhile", function()
    assert.matches("all complete snapshots verify with their data", soak "soak_snapshots.lua")
  end)
end)
