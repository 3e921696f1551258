--- The operation of a call: how long it may take, how often it may be tried, who wants to know how far it is.
-- @module smb.operation

local core = require "smb.core"
local failures = require "smb.failure"
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
local LONGEST_WAIT = 5 -- seconds between two attempts at a server that is waited for

--- Whether a failure may be gone with another attempt.
-- @tparam string code the error word
-- @treturn boolean
function operations.is_passing(code)
  return PASSING[code] or false
end

-- From 0 to 1. The host's own random numbers stay as they are.
local function random() return tonumber(core.random(), 16) / 0xFFFFFFFF end

local operation = {}
operation.__index = operation

--- Begins a call.
-- @tparam table state the destination's state, whose `fields` say how it goes: retries, retry_delay, total_timeout,
-- on_retry
-- @tparam string what the call, for messages
-- @tparam ?string name what it was called with, for messages and progress
-- @tparam[opt] table opts the call's options: `progress`, called with done, total and name, false cancels; `on_retry`;
-- `under`, the operation that it is a part of
-- @tparam[opt] integer total bytes, for progress
-- @treturn table the operation
function operations.new(state, what, name, opts, total)
  if opts and opts.under then return operations.part(opts.under, name, total) end
  local me = task.running()
  local self = operations.inner(state)
  self.what, self.name, self.total = what, name, total
  self.progress, self.on_retry = opts and opts.progress, opts and opts.on_retry or state.fields.on_retry
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
-- @tparam[opt] string name what it is about; the parent's by default
-- @tparam[opt] integer total bytes
-- @treturn table the operation
function operations.part(parent, name, total)
  return setmetatable({ state = parent.state, began = core.clock(), fields = parent.fields, retries = 0, done = 0,
    counted = 0, deadline = parent.deadline, parent = parent, name = name or parent.name, total = total }, operation)
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

--- What a progress function is called with besides: of a tree, files done and files in all.
function operation.counts() end

--- Calls a function of the caller's. An error in it cancels the call, and is kept until all is tidied up.
function operation:tell(fn, ...)
  local ok, verdict = pcall(fn, ...)
  if not ok then self.raised, self.cancelled = { verdict }, true end
  return verdict
end

-- Reports how far the call is. True when it was cancelled.
function operation:report(now)
  self.reported = now
  self.most = math.max(self.done, self.most or 0) -- another attempt may have to begin further back
  local verdict = self:tell(self.progress, self.most, self.total, self.file or self.name, self:counts())
  if verdict == false then self.cancelled = true end
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
    self.parent.file = self.file or self.parent.file
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
  if self.progress then self.progress(bytes, bytes, self.name, self:counts()) end
end

--- The call has failed, and all is tidied up: raises the error of the caller's function that was the reason.
function operation:failed()
  local raised = self:root().raised
  if raised then error(raised[1], 0) end
end

-- The operation of the whole call.
function operation:root()
  local root = self
  while root.parent do root = root.parent end
  return root
end

--- An iterator's call gives way to the loop's body, whose time does not count.
function operation:pause()
  self.remaining = self.deadline and self.deadline - core.clock()
end

--- An iterator's call goes on.
function operation:resume()
  if self.remaining then self.deadline, self.remaining = core.clock() + self.remaining, nil end
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

--- The first contact with a server: until it has answered one further attempt is enough, unless the caller has said how
-- many.
-- @tparam ?integer retries what the caller has said
-- @tparam ?number seconds how long the server is waited for
function operation:is_first_contact(retries, seconds)
  self.first_retries = retries or 1
  self.wait_until = self.began + (seconds or 0)
end

-- How many further attempts a failure is worth, and the longest time between two; nil while the server is waited for.
function operation:attempts_for(code)
  if not self.first_retries then return self.fields.retries, LONGEST_DELAY end
  if core.clock() < self.wait_until then return nil, LONGEST_WAIT end
  local has_answered = code == "busy" or core.info(self.state.dest).dialect ~= nil
  return has_answered and self.fields.retries or self.first_retries, LONGEST_DELAY
end

-- Whether a failure may be gone with another attempt. A server that boots may not have its name yet; where it had one
-- before, the name server is away.
local function is_worth_it(self, code, of)
  return PASSING[code] or code == "host_not_found" and (of == nil or not self.first_retries)
end

-- Tells the caller of another attempt before it is made. Returns false when there is to be none; then perhaps
-- "cancelled".
function operation:announce(of, code, reason, seconds)
  local root = self:root()
  if not root.on_retry then return true end
  local message = failures.message(root.what, self.name, self.state.place, reason or code)
  local verdict = root:tell(root.on_retry, self.retries, of, code, message, seconds)
  if root.raised then return false, "cancelled", "cancelled" end
  return verdict ~= false
end

--- After a failure: waits until it is time for another attempt.
-- @tparam string code the error word
-- @tparam ?string reason what happened
-- @treturn[1] boolean true
-- @treturn[2] boolean false when there is to be none; with "cancelled" and the reason where somebody has cancelled
-- meanwhile, or with nil and the reason where the password is not to be sent again
function operation:should_retry(code, reason)
  local of, longest = self:attempts_for(code)
  if not is_worth_it(self, code, of) then return false end
  if BREAKS[code] and core.logon_is_lost(self.state.dest) then return false, nil, LOST end
  if of and self.retries >= of then return false end
  -- Many clients must not come back at the same moment.
  local delay = math.min(self.fields.retry_delay * 2 ^ self.retries, longest) * (0.75 + random() / 2)
  if self.deadline and core.clock() + delay >= self.deadline then return false end
  self.retries = self.retries + 1
  local is_wanted, stop, why = self:announce(of, code, reason, delay)
  if not is_wanted then return false, stop, why end
  return self:wait_for_attempt(core.clock() + delay)
end

-- Waits until it is time for the next attempt.
function operation:wait_for_attempt(till)
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
