--- The part of `dest:test` that writes: a small file, written, read back, compared and deleted.
-- @module smb.trial

local core = require "smb.core"
local failures = require "smb.failure"
local operations = require "smb.operation"
local sources = require "smb.source"
local states = require "smb.state"
local whole = require "smb.whole"

local trial = {}

--- Tries it.
-- @tparam table state the destination's state
-- @tparam table under the call's operation
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function trial.write(state, under)
  local text, opts = "lua-smb-test." .. core.random() .. ".tmp", { under = under }
  local path, from <close> = states.resolve(state, text), sources.of(text)
  local ok, message, code = whole.write(state, text, path, from, opts)
  if not ok then return nil, message, code end
  local found
  found, message, code = whole.read(state, text, path, opts)
  if found and found ~= text then
    message, code = failures.message("test", text, state.place, "what was read is not what was written"), "mismatch"
  end
  local deleted, problem, word =
    states.run(state, "delete", text, "delete", { name = path }, operations.part(under, text))
  if found ~= text then return nil, message, code end
  if not deleted then return nil, problem, word end
  return true
end

return trial
