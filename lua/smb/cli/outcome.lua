--- How a command ends: run time's failures with their code, or a wrong use. Both are raised as tables.
-- @module smb.cli.outcome

local outcome = { FAILED = 1, WRONG_USE = 2, INTERRUPTED = 130 }

--- Ends the command with a failure.
-- @tparam string message
-- @tparam string code the error code
-- @tparam[opt] table results what was done before, for `--json`
function outcome.stop(message, code, results)
  error({ message = message, code = code, results = results }, 0)
end

--- Ends the command as wrongly used: nothing was sent.
-- @tparam string message
function outcome.wrong_use(message)
  error({ message = message, code = "usage", status = outcome.WRONG_USE }, 0)
end

--- As assert, for what returns nil, message, code.
function outcome.try(value, message, code)
  if value == nil then outcome.stop(message, code) end
  return value
end

--- Ends the command as Ctrl-C does.
function outcome.interrupted()
  error("interrupted!", 0)
end

--- What was raised, in one shape: of ours, of dir and walk, Ctrl-C's, or a fault in this program.
-- @param problem what pcall caught
-- @treturn table `message`, `code`, perhaps `status`, `results`, `told`
function outcome.of(problem)
  if type(problem) == "table" and problem.message then return problem end
  local text = tostring(problem)
  if text:find "interrupted!$" then
    return { message = "interrupted", code = "cancelled", status = outcome.INTERRUPTED }
  end
  return { message = "internal error: " .. text, code = "failed" }
end

return outcome
