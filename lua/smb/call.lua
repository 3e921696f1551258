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

-- The course of a call: how long it may take, how often it may be tried, who wants to know how far it is. ----------------

-- What fails for now and may succeed another time. Not a crashed worker: what killed it might again.
local PASSING = { timeout = true, disconnected = true, unreachable = true, busy = true }

local PROGRESS_INTERVAL = 0.1 -- seconds between two calls of a progress function
local LONGEST_DELAY = 30 -- seconds between two attempts

local course = {}
course.__index = course

--- Begins a call.
-- @tparam table fields the destination's: retries, retry_delay, total_timeout
-- @tparam[opt] function progress called with done, total and name; false cancels
-- @tparam[opt] integer total bytes, for progress
-- @tparam[opt] string name for progress
-- @treturn table the course
function call.course(fields, progress, total, name)
  local now = core.clock()
  return setmetatable({ began = now, deadline = fields.total_timeout and now + fields.total_timeout, fields = fields,
    retries = 0, progress = progress, total = total, name = name, told = now }, course)
end

-- An error word and reason when the call has to end now.
function course:check(request)
  local now = core.clock()
  if self.deadline and now >= self.deadline then return "timeout", "the time for the whole call is over" end
  if self.progress and now - self.told >= PROGRESS_INTERVAL then
    self.told = now
    local done, size = core.transfer(request)
    if self:tell(done, size) == false then return "cancelled", "cancelled" end
  end
end

function course:tell(done, size)
  return self.progress(done, self.total or size, self.name)
end

function course:slice()
  if not self.deadline then return call.SLICE end
  return math.max(0, math.min(call.SLICE, self.deadline - core.clock()))
end

--- After a failure: waits until it is time for another attempt. False when there is to be none.
function course:again(code)
  local fields = self.fields
  if not PASSING[code] or self.retries >= fields.retries then return false end
  local delay = math.min(fields.retry_delay * 2 ^ self.retries, LONGEST_DELAY)
  local till = core.clock() + delay * (0.75 + math.random() / 2) -- many clients must not come back at the same moment
  if self.deadline and till >= self.deadline then return false end
  self.retries = self.retries + 1
  while core.clock() < till do core.sleep(till - core.clock()) end
  return true
end

--- Whether there would be another attempt.
function course:may_again()
  return self.retries < self.fields.retries
end

-- Requests. -----------------------------------------------------------------------------------------------------------

--- Sends one request and waits for its end.
-- An error that passes through here, Ctrl-C's for one, abandons the request; the destination stays usable.
-- @tparam userdata destination the core's destination
-- @tparam string verb one of protocol.h
-- @tparam table arguments its fields
-- @tparam[opt] table under the call's course
-- @treturn[1] table the reply
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
-- @treturn[2] ?table how far it had come: done, size, mtime_ns
function call.run(destination, verb, arguments, under)
  local reply, code, reason, come
  local state = core.state(destination)
  if state and next(state.on_links) then -- rather than another connection
    local ok, word, problem = state.settle(state, under)
    if not ok then return nil, word, problem end
  end
  repeat -- a worker that died idle is found out by writing to it
    local request <close>, word, problem = core.start(destination, verb, arguments)
    if not request then return nil, word, problem end
    reply, code, reason, come = call.finish(request, under)
  until reply or not come or not come.unread
  return reply, code, reason, come
end

--- Waits until a request has ended.
-- @tparam userdata request
-- @tparam[opt] table under the waiting call's course
-- @treturn[1] boolean true
-- @treturn[2] boolean false when the call has to end before
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function call.await(request, under)
  while not core.wait(request, under and under:slice() or call.SLICE) do
    local code, reason
    if under then code, reason = under:check(request) end
    if code then return false, code, reason end
  end
  return true
end

--- Waits for a request that was started.
-- @see call.run
function call.finish(request, under)
  local ended, word, problem = call.await(request, under)
  if not ended then return nil, word, problem end
  local done, size, mtime_ns = core.transfer(request)
  local reply, code, reason, unread = core.result(request)
  if reply then return reply end
  return nil, code, reason, { done = done, size = size, mtime_ns = mtime_ns, unread = unread }
end

--- Sends a request again and again, until it has succeeded, failed for good, or been tried often enough.
-- @tparam userdata destination the core's destination
-- @tparam string verb one of protocol.h
-- @tparam table arguments its fields
-- @tparam table under the call's course
-- @tparam[opt] function prepare called before each further attempt with how far the last had come; nil, code, reason ends the
-- call
-- @treturn[1] table the reply
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function call.persist(destination, verb, arguments, under, prepare)
  while true do
    arguments.keep = under:may_again()
    local reply, code, reason, come = call.run(destination, verb, arguments, under)
    if reply then return reply end
    if not under:again(code) then return nil, code, reason end
    arguments.again = true
    if prepare and come then
      local ok, word, problem = prepare(come)
      if not ok then return nil, word, problem end
    end
  end
end

return call
