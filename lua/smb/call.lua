--- Runs requests on a destination's workers: waits in slices, turns failures into messages.
-- @module smb.call

local core = require "smb.core"

local call = {}

--- Seconds: how late a Ctrl-C may be noticed.
call.SLICE = 0.1

--- The message of a failure: `OPERATION 'NAME' on smb://server/share/path: what happened`.
-- @tparam string operation what was called
-- @tparam ?string subject the name it was called with
-- @tparam string place the destination as a URL without secrets
-- @tparam string reason what happened
-- @treturn string
function call.message(operation, subject, place, reason)
  if subject == nil then return ("%s on %s: %s"):format(operation, place, reason) end
  return ("%s '%s' on %s: %s"):format(operation, subject:gsub("%c", "?"), place, reason)
end

--- What dir, walk and lines raise.
-- @table failure
-- @field message as every failing call returns it
-- @field code the error word
local failure = { __name = "smb.failure" }
failure.__index = failure
function failure:__tostring() return self.message end

--- Raises a failure as a table with `message` and `code`.
function call.raise(message, code)
  error(setmetatable({ message = message, code = code }, failure), 0)
end

--- Sends one request and waits for its end.
-- An error that passes through here, Ctrl-C's for one, abandons the request; the destination stays usable.
-- @tparam userdata destination the core's destination
-- @tparam string verb one of protocol.h
-- @tparam table arguments its fields
-- @treturn[1] table the reply
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function call.run(destination, verb, arguments)
  local request <close>, code, reason = core.start(destination, verb, arguments)
  if not request then return nil, code, reason end
  while not core.wait(request, call.SLICE) do end
  return core.result(request)
end

return call
