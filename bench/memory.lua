--- What lua-smb adds to the memory of its host.

local shell = require "spec.support.shell"

local LUA = os.getenv "LUA" or "lua5.4"

-- bench/transfer.lua prints it at its end, in KiB.
local function peak(output) return tonumber(output:match "(%d+)%s*$") end

--- @tparam table results of several cases of bench.measure
-- @param section of bench.report
return function(results, section)
  local bare, most = peak(shell.check { LUA, "bench/transfer.lua" }), 0
  for _, result in ipairs(results) do
    local ours = result["lua-smb"]
    for _, output in ipairs(ours and ours.outputs or {}) do most = math.max(most, peak(output)) end
  end
  section:say(("Memory of the Lua process beyond bare Lua: %.1f MiB at most."):format((most - bare) / 1024))
end
