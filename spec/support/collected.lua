-- busted's helper for spec/support/gc: tells in the end how much the collector of collector.lua did in this process.
-- What is in use is closed, where that is wanted, only within specs.

local busted = require "busted"
local collector = require "spec.support.collector"

busted.subscribe({ "test", "start" }, function()
  collector.close(true)
  return nil, true
end)

busted.subscribe({ "test", "end" }, function()
  collector.close(false)
  return nil, true
end)

busted.subscribe({ "suite", "end" }, function()
  local counts = collector.stop()
  io.write(("%d allocations at %d places, %d collections, %d refused first, %d closings\n"):format(counts.allocations,
    counts.places, counts.collections, counts.refusals, counts.closings))
  io.flush()
  return nil, true
end)
