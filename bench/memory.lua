--- What lua-smb adds to the memory of its host.

local shell = require "spec.support.shell"

local LUA = os.getenv "LUA" or "lua5.4"

local memory = {}

-- bench/transfer.lua prints it at its end, in KiB.
local function peak(output) return tonumber(output:match "(%d+)%s*$") end

--- The most memory that the Lua process had beyond bare Lua, in MiB.
-- @tparam table results of lua-smb, from bench.measure
function memory.most(results)
  local bare, most = peak(shell.check { LUA, "bench/transfer.lua" }), 0
  for _, result in ipairs(results) do
    for _, output in ipairs(result.outputs) do most = math.max(most, peak(output) - bare) end
  end
  return most / 1024
end

return memory
