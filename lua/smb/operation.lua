--- The operation of a call: how long it may take, how often it may be tried, who wants to know how far it is.
-- @module smb.operation

local core = require "smb.core"
local task = require "smb.task"

local operations = {}

-- What fails for now and may succeed another time. Not a crashed worker: what killed it might again.
local PASSING = { timeout = true, disconnected = true, unreachable = true, busy = true }

-- Failures that take the connection along: another attempt logs on again.
local BREAKS = { timeout = true, disconnected = true }

-- A password whose answer was lost may have been refused: it is not sent again and again, lest it lock the account.
local LOST = "the connection broke before the logon was answered: the password, which may be wrong, is not sent again"

local PROGRESS_INTERVAL = 0.1 -- seconds between two calls of a progress function
local LONGEST_DELAY = 30 -- seconds between two attempts

--- Whether a failure may be gone with another attempt.
-- @tparam string code the error word
-- @treturn boolean
function operations.is_passing(code)
  return PASSING[code] or false
end

local operation = {}
operation.__index = operation

--- Begins a call.
-- @tparam table state the destination's state, whose `fields` say how it goes: retries, retry_delay, total_timeout
-- @tparam[opt] function progress called with done, total and name; false cancels
-- @tparam[opt] integer total bytes, for progress
-- @tparam[opt] string name for progress
-- @treturn table the operation
function operations.new(state, progress, total, name)
  local me = task.running()
  local self = operations.inner(state)
  self.progress, self.total, self.name = progress, total, name
  core.begin_call(state.dest)
  if me and not me.operation then me.operation = self end
  return self
end

--- What a call does besides, with a deadline and attempts of its own. It is no call of the script's.
-- @tparam table state the destination's state
-- @treturn table the operation
function operations.inner(state)
  local fields, now = state.fields, core.clock()
  return setmetatable({ state = state, began = now, fields = fields, retries = 0, done = 0,
    deadline = fields.total_timeout and now + fields.total_timeout, reported = now }, operation)
end

--- A call that is a part of another one: it has its own attempts, and the other one's deadline and progress.
-- @tparam table parent
-- @treturn table the operation
function operations.part(parent)
  return setmetatable({ state = parent.state, began = core.clock(), fields = parent.fields, retries = 0, done = 0,
    counted = 0, deadline = parent.deadline, parent = parent }, operation)
end

--- For the work that remains after a failure: it ends no later than the call, and nobody cancels it.
-- @treturn table an operation
function operation:to_tidy()
  local own = operations.inner(self.state)
  own.deadline, own.retries, own.tidying = self.deadline, self.retries, true
  return own
end

-- What was moved until now: by the request that is waited for, unless the operation knows better.
function operation:measure(request)
  local done, size = core.transfer(request)
  self.done = done
  if size > 0 then self.total = self.total or size end
end

-- Reports how far the call is. An error in the caller's function is kept until all is tidied up.
function operation:report(now)
  self.reported = now
  self.most = math.max(self.done, self.most or 0) -- another attempt may have to begin further back
  local ok, verdict = pcall(self.progress, self.most, self.total, self.name)
  if not ok then self.raised = { verdict } end
  self.cancelled = not ok or verdict == false
  return self.cancelled
end

--- Whether the call has to end now.
-- @tparam[opt] userdata request that is waited for
-- @treturn[1] nil when it may go on
-- @treturn[2] string the error word
-- @treturn[2] string the reason
function operation:must_stop(request)
  local now = core.clock()
  if self.deadline and now >= self.deadline then return "timeout", "the time for the whole call is over" end
  if not self.tidying and (self.cancelled or task.is_cancelled()) then return "cancelled", "cancelled" end
  if request or rawget(self, "measure") then self:measure(request) end
  if self.parent then
    self:count(self.done)
    return self.parent:must_stop()
  end
  if self.progress and now - self.reported >= PROGRESS_INTERVAL and self:report(now) then
    return "cancelled", "cancelled"
  end
end

-- Of a part: the whole call has moved as many bytes.
function operation:count(bytes)
  self.parent.done = self.parent.done + bytes - self.counted
  self.counted = bytes
end

--- Reports the end, when all is done.
-- @tparam integer bytes
function operation:finished(bytes)
  if self.parent then return self:count(bytes) end
  self.done, self.total = bytes, bytes
  if self.progress then self.progress(bytes, bytes, self.name) end
end

--- The call has failed, and all is tidied up: raises the error of the progress function that was the reason.
function operation:failed()
  if self.raised then error(self.raised[1], 0) end
end

--- Whether the time for the whole call is over.
-- @treturn boolean
function operation:is_late()
  return self.deadline ~= nil and core.clock() >= self.deadline
end

--- Waits, after a cancelled request, until the worker has tidied up.
function operation:settle(dest)
  while core.is_open(dest) and not core.settled(dest, 0) and not self:is_late() do
    task.pause(self.state, nil, task.SLICE, true)
  end
end

--- Seconds that one wait may take.
-- @treturn number
function operation:wait_slice()
  local slice = self.progress and PROGRESS_INTERVAL or task.SLICE
  if not self.deadline then return slice end
  return math.max(0, math.min(slice, self.deadline - core.clock()))
end

--- After a failure: waits until it is time for another attempt.
-- @tparam string code the error word
-- @treturn[1] boolean true
-- @treturn[2] boolean false when there is to be none; with "cancelled" and the reason where somebody has cancelled
-- meanwhile, or with nil and the reason where the password is not to be sent again
function operation:should_retry(code)
  local fields = self.fields
  if not PASSING[code] then return false end
  if BREAKS[code] and core.logon_is_lost(self.state.dest) then return false, nil, LOST end
  if self.retries >= fields.retries then return false end
  local delay = math.min(fields.retry_delay * 2 ^ self.retries, LONGEST_DELAY)
  local till = core.clock() + delay * (0.75 + math.random() / 2) -- many clients must not come back at the same moment
  if self.deadline and till >= self.deadline then return false end
  self.retries = self.retries + 1
  while core.clock() < till do
    local word, reason = self:must_stop()
    if word == "cancelled" then return false, word, reason end
    if word then return false end
    -- nothing else tells that the whole was cancelled
    task.pause(self.state, nil, math.min(till - core.clock(), task.SLICE))
  end
  return true
end

--- Whether there would be another attempt.
-- @treturn boolean
function operation:may_retry()
  return self.retries < self.fields.retries
end

return operations
