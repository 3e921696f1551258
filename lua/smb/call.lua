--- Requests on a destination's workers, sent again where that may help; handles that are closed.
-- @module smb.call

local core = require "smb.core"
local leftovers = require "smb.leftovers"
local requests = require "smb.request"
local task = require "smb.task"

local call = {}

--- Sends one request and waits for its end.
-- An error that passes through here, Ctrl-C's for one, abandons the request; the destination stays usable.
-- @tparam userdata dest the core's destination
-- @tparam string verb one of protocol.h
-- @tparam table request see smb.request
-- @tparam[opt] table under the call's operation
-- @tparam[opt] table attempt
-- @treturn[1] table the reply
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
-- @treturn[2] ?table the request's remains
function call.run(dest, verb, request, under, attempt)
  local state = core.state(dest)
  if under and not under.has_cleaned and next(state.leftovers) then leftovers.clean(state, under) end
  if next(state.on_links) and not task.running() then -- rather than another connection
    local ok, word, problem = requests.collect_all(state, under)
    if not ok then return nil, word, problem end
  end
  local reply, code, reason, remains = requests.send(dest, state, verb, request, under, attempt)
  if code == "cancelled" and under then under:settle(dest) end
  return reply, code, reason, remains
end

-- What takes a name away. Where an attempt broke off before it could have done so, a missing name was missing.
local REMOVES = { delete = true, rmdir = true, rename = true }

--- Sends a request again and again, until it has succeeded, failed for good, or been tried often enough.
-- @tparam userdata dest the core's destination
-- @tparam string verb one of protocol.h
-- @tparam table request see smb.request
-- @tparam table under the call's operation
-- @tparam[opt] function prepare called before each further attempt with the last one's remains and the attempt; nil,
-- code, reason ends the call
-- @treturn[1] table the reply
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
-- @treturn[2] ?table the last request's remains
function call.retry(dest, verb, request, under, prepare)
  local attempt = {}
  while true do
    attempt.keep = under:may_retry()
    local reply, code, reason, remains = call.run(dest, verb, request, under, attempt)
    if reply then return reply end
    local is_next, word, problem = under:should_retry(code, reason)
    if not is_next then return nil, word or code, problem or reason, remains end
    attempt.again = attempt.again or not REMOVES[verb] or (remains and remains.removals > 0)
    if prepare and remains then
      is_next, word, problem = prepare(remains, attempt)
      if not is_next then return nil, word, problem, remains end
    end
  end
end

-- Handles. ------------------------------------------------------------------------------------------------------------

-- A file that is open in a worker: closed when its scope is left, without waiting.
local handle = {}
handle.__index = handle

--- Sees to it that a handle is closed.
-- @tparam table state the destination's state
-- @tparam table reply with `link` and `handle`
-- @tparam[opt] boolean keep of an upload: what has arrived is kept for another attempt
-- @treturn table to be declared `<close>`
function call.handle(state, reply, keep)
  return setmetatable({ state = state, link = reply.link, handle = reply.handle, keep = keep }, handle)
end

--- Closes it and waits until that is done.
-- @treturn ?table the remains of a close that failed
function handle:close()
  if self.closed then return end
  local _, _, _,
    remains = call.run(self.state.dest, "close", { link = self.link, handle = self.handle, keep = self.keep })
  self.closed = true -- not before: a task that is killed while it waits has the scope's end close it
  return remains
end

--- Closes it; a call whose time is over does not wait for that.
function handle:close_for(under)
  if under:is_late() then return self:drop() end
  return self:close()
end

--- The worker has closed it by itself.
function handle:is_gone()
  self.closed = true
end

--- Sees to it that it will be closed, and waits for nothing.
function handle:drop()
  if self.closed or not core.is_open(self.state.dest) then return end
  self.closed = true
  core.post_close(self.state.dest, self.link, self.handle, self.keep)
end

handle.__close, handle.__gc = handle.drop, handle.drop

return call
