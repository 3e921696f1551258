--- Failures in words.
-- @module smb.failure

local text = require "smb.text"

local failures = {}

--- The message of a failure: `OPERATION 'NAME' on smb://server/share/path: what happened`.
-- @tparam string operation what was called
-- @tparam ?string subject the name it was called with
-- @tparam string place the destination as a URL without secrets
-- @tparam string reason what happened
-- @treturn string
function failures.message(operation, subject, place, reason)
  if subject == nil then return text.message(("%s on %s: %s"):format(operation, place, reason)) end
  return text.message(("%s '%s' on %s: %s"):format(operation, subject, place, reason))
end

--- What dir, walk and lines raise.
-- @table failure
-- @field message as every failing call returns it
-- @field code the error word
local failure = { __name = "smb.failure" }
failure.__index = failure
function failure:__tostring() return self.message end
function failure.__concat(a, b) return tostring(a) .. tostring(b) end

--- Raises a failure as a table with `message` and `code`.
function failures.raise(message, code)
  error(setmetatable({ message = message, code = code }, failure), 0)
end

return failures
