-- LUA_INIT of spec/support/gc: every interpreter, busted's and those that specs start, has a collector that is at work whenever
-- lua-smb is, see collector.c. Gives the counts to spec/support/collected.lua.

local build = os.getenv "COLLECTED"
local DENSE = 6

assert(package.loadlib(build .. "/smb/core.so", "*"))
local collector = assert(package.loadlib(build .. "/collector.so", "luaopen_collector"))()
collector.start("/smb/core.so", "lua/smb/", DENSE)
package.loaded["spec.support.collector"] = collector
