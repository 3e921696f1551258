--- What the methods of a destination do with its state: names become paths, requests are run, failures become words.
--
-- A destination's state is `dest` (the core's userdata), `fields` (its options), `place` (its URL), `warnings`, `files`
-- (open ones), `on_links` (requests on their way, by connection), `tasks` and `queue` (see smb.task), `leftovers` (see
-- smb.leftovers), `samples` and `instead` (see smb.tree_compare), `temps` (see smb.transfer).
-- @module smb.state

local call = require "smb.call"
local failures = require "smb.failure"
local name = require "smb.name"
local operations = require "smb.operation"
local transfer = require "smb.transfer"

local states = {}

local PATH_LIMIT = 15900 -- bytes of a path below the share: protocol.h's SMB_PATH_LIMIT, less what temporary names add

--- A failure in words.
-- @treturn nil
-- @treturn string message
-- @treturn string code
function states.fail(state, operation, subject, code, reason)
  return nil, failures.message(operation, subject, state.place, reason), code
end

--- A name as a path below the share; nil, reason for what is none.
function states.resolve(state, text)
  local ok, reason = name.check(text)
  if not ok then return nil, reason end
  local path = name.join(state.fields.path, text)
  if #path > PATH_LIMIT then return nil, ("the whole path is longer than %d bytes"):format(PATH_LIMIT) end
  return path
end

--- For what must not be the destination's own folder, or needs a last part to work with.
function states.resolve_below(state, text)
  if text == "" then return nil, "a name is needed here" end
  return states.resolve(state, text)
end

--- The same for what makes, changes or removes something: a previous version can only be read.
-- @tparam table state
-- @tparam string text
-- @tparam[opt] boolean below it must not be the destination's own folder
function states.resolve_change(state, text, below)
  local path, reason = (below and states.resolve_below or states.resolve)(state, text)
  if not path then return nil, reason end
  local ok, problem = name.check_change(path)
  if not ok then return nil, problem end
  return path
end

--- Runs a request, again where that may help, and words its failure.
-- @tparam table state
-- @tparam string operation what was called
-- @tparam ?string subject the name it was called with
-- @tparam string verb one of protocol.h
-- @tparam table request see smb.request
-- @tparam[opt] table under the call's operation; one of its own by default
-- @treturn[1] table the reply
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function states.run(state, operation, subject, verb, request, under)
  under = under or operations.new(state, operation, subject)
  local reply, code, reason = call.retry(state.dest, verb, request, under)
  if reply then return reply end
  under:failed()
  return states.fail(state, operation, subject, code, reason)
end

--- Both names of a rename or copy as a request; nil, reason for what is no name. With `reading` the first one is only
-- read.
function states.two_names(state, from, to, overwrite, reading)
  local source, path, reason
  if reading then source, reason = states.resolve_below(state, from)
  else source, reason = states.resolve_change(state, from, true) end
  if not source then return nil, "the source: " .. reason end
  path, reason = states.resolve_change(state, to, true)
  if not path then return nil, "the target: " .. reason end
  local request = transfer.target(path, overwrite)
  request.name = source
  return request
end

return states
