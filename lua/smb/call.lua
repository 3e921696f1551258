--- Runs requests on a destination's workers: waits in slices, turns failures into messages.
-- @module smb.call

local core = require "smb.core"
local task = require "smb.task"
local text = require "smb.text"

local call = {}

--- The message of a failure: `OPERATION 'NAME' on smb://server/share/path: what happened`.
-- @tparam string operation what was called
-- @tparam ?string subject the name it was called with
-- @tparam string place the destination as a URL without secrets
-- @tparam string reason what happened
-- @treturn string
function call.message(operation, subject, place, reason)
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

--- Raises a failure as a table with `message` and `code`.
function call.raise(message, code)
  error(setmetatable({ message = message, code = code }, failure), 0)
end

-- The operation of a call: how long it may take, how often it may be tried, who wants to know how far it is. ----------------

-- What fails for now and may succeed another time. Not a crashed worker: what killed it might again.
local PASSING = { timeout = true, disconnected = true, unreachable = true, busy = true }

-- With the connection: another attempt logs on again.
local BREAKS = { timeout = true, disconnected = true }

local PROGRESS_INTERVAL = 0.1 -- seconds between two calls of a progress function
local SOON = 0.01 -- seconds between two starts of a worker, where an event loop waits
local LONGEST_DELAY = 30 -- seconds between two attempts
local MOMENT = 1 -- seconds that a call which was cancelled takes to tidy up what an attempt before has left
local MOST_ENDED = 40 -- workers that may have ended before they took a request: more than there are

--- Whether a failure may be gone with another attempt.
-- @tparam string code the error word
-- @treturn boolean
function call.is_passing(code)
  return PASSING[code] or false
end

-- A password whose answer was lost may have been refused: it is not sent again and again, lest it lock the account.
local LOST = "the connection broke before the logon was answered: the password, which may be wrong, is not sent again"

local operation = {}
operation.__index = operation

local function new_operation(state, progress, total, name)
  local fields, now = state.fields, core.clock()
  return setmetatable({ state = state, began = now, fields = fields, retries = 0, done = 0, total = total, name = name,
    deadline = fields.total_timeout and now + fields.total_timeout, progress = progress, told = now }, operation)
end

--- Begins a call.
-- @tparam table state the destination's state, whose `fields` say how it goes: retries, retry_delay, total_timeout
-- @tparam[opt] function progress called with done, total and name; false cancels
-- @tparam[opt] integer total bytes, for progress
-- @tparam[opt] string name for progress
-- @treturn table the operation
function call.operation(state, progress, total, name)
  local me = task.running()
  local self = new_operation(state, progress, total, name)
  core.begin_call(state.dest)
  if me and not me.operation then me.operation = self end
  return self
end

--- For what has to be done after a failure: it ends no later than the call, and nobody cancels it.
-- @treturn table a operation
function operation:to_tidy()
  local own = new_operation(self.state)
  own.deadline, own.retries, own.tidying = self.deadline, self.retries, true
  return own
end

--- A call that is a part of another one: it has its own attempts, and the other one's deadline and progress.
-- @tparam table parent
-- @treturn table the operation
function call.part(parent)
  local self = setmetatable({ state = parent.state, began = core.clock(), fields = parent.fields, retries = 0, done = 0, told = 0,
    counted = 0, deadline = parent.deadline, parent = parent }, operation)
  return self
end

-- What was moved until now: by the request that is waited for, unless the operation knows better.
function operation:measure(request)
  local done, size = core.transfer(request)
  self.done = done
  if size > 0 then self.total = self.total or size end
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
  if self.progress and now - self.told >= PROGRESS_INTERVAL then
    self.told = now
    self.most = math.max(self.done, self.most or 0) -- another attempt may have to begin further back
    local ok, verdict = pcall(self.progress, self.most, self.total, self.name)
    if not ok then self.raised = { verdict } end
    self.cancelled = not ok or verdict == false
    if self.cancelled then return "cancelled", "cancelled" end
  end
end

-- Of a part: the whole call has moved as many bytes.
function operation:count(bytes)
  self.parent.done = self.parent.done + bytes - self.counted
  self.counted = bytes
end

--- The last word on progress, when all is done.
-- @tparam integer bytes
function operation:finished(bytes)
  if self.parent then return self:count(bytes) end
  self.done, self.total = bytes, bytes
  if self.progress then self.progress(bytes, bytes, self.name) end
end

--- Whether the time for the whole call is over.
-- @treturn boolean
function operation:is_late()
  return self.deadline ~= nil and core.clock() >= self.deadline
end

-- After a cancelled request: the worker tidies up.
function operation:settle(dest)
  while core.is_open(dest) and not core.settled(dest, 0) and not self:is_late() do
    task.pause(self.state, nil, task.SLICE, true)
  end
end

--- The call has failed, and all is tidied up: an error in the progress function, which was the reason, goes on its way.
function operation:failed()
  if self.raised then error(self.raised[1], 0) end
end

function operation:wait_slice()
  local slice = self.progress and PROGRESS_INTERVAL or task.SLICE
  if not self.deadline then return slice end
  return math.max(0, math.min(slice, self.deadline - core.clock()))
end

--- After a failure: waits until it is time for another attempt. False when there is to be none; with "cancelled" and the reason
-- where somebody has cancelled meanwhile, or with nil and the reason where the password is not to be sent again.
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
    task.pause(self.state, nil, math.min(till - core.clock(), task.SLICE)) -- nothing else tells that the whole was cancelled
  end
  return true
end

--- Whether there would be another attempt.
function operation:may_retry()
  return self.retries < self.fields.retries
end

-- Requests. -----------------------------------------------------------------------------------------------------------

local settle

--- Starts a request, when there is a connection for it.
-- @see call.run
function call.start(dest, state, verb, arguments, under)
  arguments.gently = task.is_job()
  while true do
    local request, code, reason = core.start(dest, verb, arguments)
    if request or (code ~= "full" and code ~= "soon") then return request, code, reason end
    local wait = code == "soon" and SOON or task.SLICE
    if under then
      code, reason = under:must_stop()
      if code then return nil, code, reason end
    end
    task.pause(state, nil, wait, true)
    if not task.running() then settle(state, under) end -- what an open file had given up may have ended
  end
end

--- Waits until a request has ended.
-- @tparam table state the destination's state
-- @tparam userdata request
-- @tparam[opt] table under the waiting call's operation
-- @tparam[opt] table pending that the request belongs to: another task may take it in meanwhile
-- @treturn[1] boolean true
-- @treturn[2] boolean false when the call has to end before
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function call.await(state, request, under, pending)
  while not core.ended(request) do
    task.pause(state, request, under and under:wait_slice() or task.SLICE)
    if pending and pending.request ~= request then return true end
    if under and not core.ended(request) then
      local code, reason = under:must_stop(request)
      if code then return false, code, reason end
    end
  end
  return true
end

-- A path below the share as a name below the destination's own path.
local function below(state, path)
  local top = state.fields.path
  return (top ~= "" and path:sub(1, #top + 1) == top .. "/" and path:sub(#top + 2) or path):gsub("%c", "?")
end

--- Waits for a request that was started.
-- @see call.run
function call.finish(state, request, under)
  local ended, word, problem = call.await(state, request, under)
  if not ended then return nil, word, problem end
  local done, size, mtime, removals, unfinished = core.transfer(request)
  local reply, code, reason, unread, stuck = core.result(request)
  if reply then return reply end
  if stuck then reason = ("'%s': %s"):format(below(state, stuck), reason) end
  return nil, code, reason, { done = done, size = size, mtime = mtime, removals = removals, unread = unread,
    unfinished = unfinished }
end

local function begin_and_finish(dest, state, verb, arguments, under)
  local request <close>, code, reason = call.start(dest, state, verb, arguments, under)
  if not request then return nil, code, reason end
  return call.finish(state, request, under)
end

-- A worker that ended idle is found out by writing to it: then another one is asked.
local function send(dest, state, verb, arguments, under)
  local reply, code, reason, come
  for _ = 1, MOST_ENDED do
    reply, code, reason, come = begin_and_finish(dest, state, verb, arguments, under)
    if reply or not come or not come.unread then break end
  end
  return reply, code, reason, come
end

-- Requests that are taken in later. ---------------------------------------------------------------------------------------

--- A request that is on its way while the script does something else. Whoever needs its connection takes it in first.
-- @tparam table state the destination's state
-- @tparam integer link where it is
-- @tparam ?userdata request nil when it could not be started: then code and reason say why
-- @treturn table with `request` while it is on its way, then with `reply`, or `code` and `reason`
function call.pending(state, link, request, code, reason)
  local pending = { state = state, link = link, request = request, code = code, reason = reason }
  if request then state.on_links[link] = pending end
  return pending
end

--- Waits for a pending and takes its result in.
-- @tparam table pending
-- @tparam[opt] table under the waiting call's operation
-- @treturn[1] boolean true
-- @treturn[2] boolean false when the waiting call has to end before that: then it is on its way still
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function call.collect(pending, under)
  local request = pending.request
  if not request then return true end
  local ended, word, problem = call.await(pending.state, request, under, pending)
  if not ended then
    pending.given_up = true
    return false, word, problem
  end
  if pending.request ~= request then return true end -- another task was here meanwhile
  -- Where memory ends now, or a finalizer closes the file, it stays so.
  pending.request, pending.code, pending.reason = nil, "failed", "the answer was lost"
  pending.state.on_links[pending.link] = nil
  local reply, code, reason = core.result(request)
  pending.reply, pending.code, pending.reason = reply, code, reason
  return true
end

--- Nobody wants a pending's result any more.
function call.discard(pending)
  local request = pending.request
  if not request then return end
  pending.request, pending.code, pending.reason = nil, "cancelled", "cancelled"
  pending.state.on_links[pending.link] = nil
  core.abandon(request)
end

-- Somebody has waited for it in vain: others need not do so, too, and rather take another connection.
local function is_stuck(pending)
  return pending.request and pending.given_up and not core.ended(pending.request)
end

-- Takes in what is on its way on any connection of a destination, but for what was given up and has not ended.
function settle(state, under)
  local all = {} -- tasks may add to them meanwhile
  for _, pending in pairs(state.on_links) do all[#all + 1] = pending end
  for _, pending in ipairs(all) do
    if not is_stuck(pending) then
      local ok, code, reason = call.collect(pending, under)
      if not ok then return false, code, reason end
    end
  end
  return true
end

-- What is owed. -------------------------------------------------------------------------------------------------------
--
-- A worker that was killed, or whose server is out of reach, cannot tidy up: an old file may still stand aside, a temporary one
-- lie about. The next call puts that right.

-- Failures after which something may be left: the connection's, and those that may have stopped the tidying up, too.
local LEAVES = { timeout = true, disconnected = true, unreachable = true, cancelled = true, failed = true, busy = true,
  access_denied = true }

-- What is being settled, and owed again where that comes to nothing.
local leftover = {}
leftover.__index = leftover

function leftover:__close()
  if not self.is_clean then self.state.leftovers[self.key] = self.arguments end
end

-- One attempt at it for each call. Not before all that was given up has ended: it may tidy up by itself.
local function clean_leftovers(dest, state, under)
  under.tidied = true
  if not core.settled(dest, 0) then return end
  while true do
    local key, arguments = next(state.leftovers)
    if not key then return end
    state.leftovers[key] = nil
    local owed <close> = setmetatable({ state = state, key = key, arguments = arguments }, leftover)
    local reply, code = send(dest, state, "settle", arguments, under)
    owed.is_clean = reply or not LEAVES[code]
    if not owed.is_clean then return end
  end
end

--- A call that made a new file has ended: remembers what it may have left on the share.
-- @tparam table state the destination's state
-- @tparam table arguments with `to`, `temp`, `aside`; `resume`: what has arrived is left for the next run
-- @tparam ?table reply of a call that did well
-- @tparam ?string code the error word of one that failed
function call.remember(state, arguments, reply, code)
  if arguments.in_place then return end -- by the time that it could be removed the name may be another file's
  if not (reply and reply.left or LEAVES[code]) then return end
  state.leftovers[arguments.aside .. "\n" .. arguments.temp] =
    { to = arguments.to, aside = arguments.aside, temp = not arguments.resume and arguments.temp or nil }
  if not core.is_open(state.dest) then return end
  -- The worker has failed, not the server.
  if code == "failed" then clean_leftovers(state.dest, state, new_operation(state)) end
  if code == "cancelled" then
    local own = new_operation(state):to_tidy()
    own.deadline = core.clock() + MOMENT
    clean_leftovers(state.dest, state, own)
  end
end

--- Sends one request and waits for its end.
-- An error that passes through here, Ctrl-C's for one, abandons the request; the destination stays usable.
-- @tparam userdata destination the core's destination
-- @tparam string verb one of protocol.h
-- @tparam table arguments its fields; `own`: on a connection where nobody has files open; `wished`: rather on that one
-- @tparam[opt] table under the call's operation
-- @treturn[1] table the reply
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
-- @treturn[2] ?table how far it had come: done, size, mtime, removals, unfinished (a number of protocol.h)
function call.run(destination, verb, arguments, under)
  local state = core.state(destination)
  if under and not under.tidied and next(state.leftovers) then clean_leftovers(destination, state, under) end
  if next(state.on_links) and not task.running() then -- rather than another connection
    local ok, word, problem = settle(state, under)
    if not ok then return nil, word, problem end
  end
  local reply, code, reason, come = send(destination, state, verb, arguments, under)
  if code == "cancelled" and under then under:settle(destination) end
  return reply, code, reason, come
end

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

--- Closes it and waits until that is done. Where that fails it gives how far it had come.
function handle:close()
  if self.closed then return end
  local _, _, _, come = call.run(self.state.dest, "close", { link = self.link, handle = self.handle, keep = self.keep })
  self.closed = true -- not before: a task that is killed while it waits has the scope's end close it
  return come
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

-- What takes a name away. Where an attempt broke off before it could have done so, a missing name was missing.
local REMOVES = { delete = true, rmdir = true, rename = true }

--- Sends a request again and again, until it has succeeded, failed for good, or been tried often enough.
-- @tparam userdata destination the core's destination
-- @tparam string verb one of protocol.h
-- @tparam table arguments its fields
-- @tparam table under the call's operation
-- @tparam[opt] function prepare called before each further attempt with how far the last had come; nil, code, reason ends the
-- call
-- @treturn[1] table the reply
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
-- @treturn[2] ?table how far it had come, see `call.run`
function call.retry(destination, verb, arguments, under, prepare)
  while true do
    arguments.keep = under:may_retry()
    local reply, code, reason, come = call.run(destination, verb, arguments, under)
    if reply then return reply end
    local is_next, word, problem = under:should_retry(code)
    if not is_next then return nil, word or code, problem or reason, come end
    arguments.again = arguments.again or not REMOVES[verb] or (come and come.removals > 0)
    if prepare and come then
      is_next, word, problem = prepare(come)
      if not is_next then return nil, word, problem, come end
    end
  end
end

return call
