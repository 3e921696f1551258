-- busted's helper for spec/support/gc: the specs run with a collector that is at work whenever lua-smb is, see collector.c. In
-- the end it says how much it did.

local busted = require "busted"
local collector = require "collector"

local BUILD = os.getenv "BUILD" or "build"
local DENSE = 6

assert(package.loadlib(BUILD .. "/smb/core.so", "*"))
collector.start("/smb/core.so", "@./lua/smb/", DENSE)

busted.subscribe({ "suite", "end" }, function()
  local counts = collector.stop()
  io.write(("%d allocations at %d places, %d collections, %d refused first\n"):format(counts.allocations, counts.places,
    counts.collections, counts.refusals))
  io.flush()
  return nil, true
end)
