--- Requests: how one is started, waited for, and what it comes to.
--
-- A request is a table of a verb's fields (protocol.h); `own`: on a connection where nobody has files open; `wished`:
-- rather on that one. It stays as it is however often it is sent. What differs from one try to the next is an attempt:
-- `again` (an earlier one may have got somewhere), `keep` (what has arrived, for a later one), `ours` (the temporary
-- file is), `offset`, `size` and `mtime` (where to go on, and with what).
--
-- A failed request returns nil, code, reason and its remains: how far it had come (`done`, `size`, `mtime`, `removals`,
-- `unfinished`) and whether no worker saw it (`unread`).
-- @module smb.request

local core = require "smb.core"
local task = require "smb.task"

local requests = {}

local SOON = 0.01 -- seconds between two starts of a worker, where an event loop waits
local MOST_ENDED = 40 -- workers that may have ended before they took a request: more than there are

--- Starts a request, when there is a connection for it.
-- @tparam userdata dest the core's destination
-- @tparam table state the destination's state
-- @tparam string verb one of protocol.h
-- @tparam table request
-- @tparam[opt] table under the waiting call's operation
-- @tparam[opt] table attempt
-- @treturn[1] userdata the core's request
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function requests.start(dest, state, verb, request, under, attempt)
  local gently = task.is_job()
  while true do
    local started, code, reason = core.start(dest, verb, request, attempt, gently)
    if started and state.trace then state.trace:begin(started, verb, request, under) end
    if started or (code ~= "full" and code ~= "soon") then return started, code, reason end
    local wait = code == "soon" and SOON or task.SLICE
    if under then
      code, reason = under:must_stop()
      if code then return nil, code, reason end
    end
    task.pause(state, nil, wait, true)
    if not task.running() then requests.collect_all(state, under) end -- what an open file had given up may have ended
  end
end

--- Waits until a request has ended.
-- @tparam table state the destination's state
-- @tparam userdata started
-- @tparam[opt] table under the waiting call's operation
-- @tparam[opt] table pending that the request belongs to: another task may collect it meanwhile
-- @treturn[1] boolean true
-- @treturn[2] boolean false when the call has to end before
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function requests.await(state, started, under, pending)
  while not core.ended(started) do
    task.pause(state, started, under and under:wait_slice() or task.SLICE)
    if pending and pending.request ~= started then return true end
    if under and not core.ended(started) then
      local code, reason = under:must_stop(started)
      if code then return false, code, reason end
    end
  end
  return true
end

-- A path below the share as a name below the destination's own path.
local function below(state, path)
  local top = state.fields.path
  return (top ~= "" and path:sub(1, #top + 1) == top .. "/" and path:sub(#top + 2) or path):gsub("[\0-\x1F\x7F]", "?")
end

--- Waits for a request that was started.
-- @treturn[1] table the reply
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
-- @treturn[2] ?table its remains; nil when it has not ended
function requests.finish(state, started, under)
  local ended, word, problem = requests.await(state, started, under)
  if not ended then
    if state.trace then state.trace:finish(started, nil, word) end
    return nil, word, problem
  end
  local done, size, mtime, removals, unfinished = core.transfer(started)
  local reply, code, reason, unread, stuck = core.result(started)
  if state.trace then state.trace:finish(started, reply, code, reason) end
  if reply then return reply end
  if stuck then reason = ("'%s': %s"):format(below(state, stuck), reason) end
  return nil, code, reason, { done = done, size = size, mtime = mtime, removals = removals, unread = unread,
    unfinished = unfinished }
end

local function start_and_finish(dest, state, verb, request, under, attempt)
  local started <close>, code, reason = requests.start(dest, state, verb, request, under, attempt)
  if not started then return nil, code, reason end
  return requests.finish(state, started, under)
end

--- Sends a request and waits for its end. A worker that has ended idle is found out by writing to it: another one is
-- asked then.
-- @see requests.start
-- @see requests.finish
function requests.send(dest, state, verb, request, under, attempt)
  local reply, code, reason, remains
  for _ = 1, MOST_ENDED do
    reply, code, reason, remains = start_and_finish(dest, state, verb, request, under, attempt)
    if reply or not remains or not remains.unread then break end
  end
  return reply, code, reason, remains
end

-- Requests that are collected later. ----------------------------------------------------------------------------------

--- A request that is on its way while the script does something else. Whoever needs its connection collects it first.
-- @tparam table state the destination's state
-- @tparam integer link where it is
-- @tparam ?userdata started nil when it could not be started: then code and reason say why
-- @treturn table with `request` while it is on its way, then with `reply`, or `code` and `reason`
function requests.pending(state, link, started, code, reason)
  local pending = { state = state, link = link, request = started, code = code, reason = reason }
  if started then state.on_links[link] = pending end
  return pending
end

--- Waits for a pending request and collects its result.
-- @tparam table pending
-- @tparam[opt] table under the waiting call's operation
-- @treturn[1] boolean true
-- @treturn[2] boolean false when the waiting call has to end before that: then it is on its way still
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function requests.collect(pending, under)
  local started = pending.request
  if not started then return true end
  local ended, word, problem = requests.await(pending.state, started, under, pending)
  if not ended then
    pending.given_up = true
    return false, word, problem
  end
  if pending.request ~= started then return true end -- another task was here meanwhile
  -- Where memory ends now, or a finalizer closes the file, it stays so.
  pending.request, pending.code, pending.reason = nil, "failed", "the answer was lost"
  pending.state.on_links[pending.link] = nil
  local reply, code, reason = core.result(started)
  if pending.state.trace then pending.state.trace:finish(started, reply, code, reason) end
  pending.reply, pending.code, pending.reason = reply, code, reason
  return true
end

--- Abandons a pending request: nobody wants its result any more.
function requests.discard(pending)
  local started = pending.request
  if not started then return end
  pending.request, pending.code, pending.reason = nil, "cancelled", "cancelled"
  pending.state.on_links[pending.link] = nil
  if pending.state.trace then pending.state.trace:finish(started, nil, "cancelled") end
  core.abandon(started)
end

-- Whether somebody has waited for it in vain: others need not do so, too, and rather take another connection.
local function is_stuck(pending)
  return pending.request and pending.given_up and not core.ended(pending.request)
end

--- Collects what is on its way on any connection of a destination, but for what was given up and has not ended.
-- @tparam table state the destination's state
-- @tparam[opt] table under the waiting call's operation
-- @treturn boolean as `requests.collect`
function requests.collect_all(state, under)
  local all = {} -- tasks may add to them meanwhile
  for _, pending in pairs(state.on_links) do all[#all + 1] = pending end
  for _, pending in ipairs(all) do
    if not is_stuck(pending) then
      local ok, code, reason = requests.collect(pending, under)
      if not ok then return false, code, reason end
    end
  end
  return true
end

return requests
