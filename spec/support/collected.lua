-- busted's helper for spec/support/gc: tells in the end how much the collector of collector.lua did in this process.

local busted = require "busted"
local collector = require "spec.support.collector"

busted.subscribe({ "suite", "end" }, function()
  local counts = collector.stop()
  io.write(("%d allocations at %d places, %d collections, %d refused first\n"):format(counts.allocations, counts.places,
    counts.collections, counts.refusals))
  io.flush()
  return nil, true
end)
