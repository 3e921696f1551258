--- Several things at a time on one destination: coroutines that wait for their requests.
--
-- A task is a coroutine that belongs to a destination. Where other code would wait in C, a task yields; whoever waits
-- in C for anything of that destination, or asks about a job, moves all its tasks on. Nothing runs between the host's
-- calls.
-- @module smb.task

local core = require "smb.core"

local task = {}

--- Seconds: how late a Ctrl-C may be noticed.
task.SLICE = 0.1

local SHARE = 0.004 -- seconds that tasks may take of an event loop's time at a stretch
local SHORTEST_NAP = 0.001 -- seconds

local WAITING = {} -- what our own yields give; any other yield is that of a user's function
local NO_MEMORY = { false, "not enough memory", n = 2 }
local KILLED = { false, "the destination was closed while the call was under way", n = 2 }
local by_thread = setmetatable({}, { __mode = "k" })

--- The task that is running, or nil.
-- @treturn ?table
function task.running()
  return by_thread[coroutine.running()]
end

-- One that was killed while it ran would not be resumed.
local function can_yield(me)
  return me and me.status == "running" and not me.killed and coroutine.isyieldable()
end

-- An error is caught inside: there its `<close>` variables can still yield while they tidy up. A coroutine that has
-- died of one closes them where nothing can, and whoever only asked about a job would wait for the network.
local function body(fn)
  return function(...) return pcall(fn, ...) end
end

-- It is in its group, if any, before it begins: else, if memory ended in between, nobody would end it.
local function new(state, group, parent, fn, ...)
  local me = { state = state, parent = parent, status = "new", till = 0, results = false, killed = false }
  me.thread = coroutine.create(body(fn))
  by_thread[me.thread] = me
  state.tasks[#state.tasks + 1] = me
  if group then group[#group + 1] = me end
  task.resume(me, ...)
  return me
end

-- It is running, or has resumed another one that is.
local function is_active(me)
  local status = coroutine.status(me.thread)
  return status == "running" or status == "normal"
end

--- Starts a task: it runs until it first waits. It is nobody's part, whichever task is running.
-- @tparam table state the destination's state
-- @tparam function fn
-- @param ... its arguments
-- @treturn table the task: `status` is "running", then "done"; `results` are what pcall would have given, unless it was
-- `killed`
function task.spawn(state, fn, ...)
  return new(state, nil, nil, fn, ...)
end

local function forget(me)
  local tasks = me.state.tasks
  for i, other in ipairs(tasks) do
    if other == me then return table.remove(tasks, i) end
  end
end

-- A user's function that yields waits for something of the host's. It goes on whenever the host calls in, and by itself
-- after a while, which grows as long as nothing comes of it: an event loop must not spin meanwhile.
local function nap(me)
  me.nap = math.min(2 * (me.nap or SHORTEST_NAP / 2), task.SLICE)
  me.request, me.any, me.till = nil, true, core.clock() + me.nap
end

-- A task that has ended, but is not known to, would hold its connection for ever: no table grows here.
local function lose(me, results)
  forget(me)
  me.status, me.results = "done", results
  if me.job then
    me.job.is_over = true
    me.state.ended = me.state.ended + 1
  end
  coroutine.close(me.thread)
end

local function take(me, ok, first, ...)
  if coroutine.status(me.thread) ~= "dead" then
    if first ~= WAITING then nap(me) end
    return
  end
  lose(me, NO_MEMORY)
  me.results = ok and table.pack(first, ...) or { false, first, n = 2 }
  for _, other in ipairs(me.state.tasks) do
    if other.any then other.till = 0 end -- that a task has ended is something, too
  end
end

--- Lets a task go on, unless a finalizer has closed its destination meanwhile.
-- @local
function task.resume(me, ...)
  if me.status == "done" then return end
  me.status = "running"
  take(me, coroutine.resume(me.thread, ...))
end

--- Ends a task where it stands; what it had under way is abandoned. Waits for nothing.
-- @tparam table me
function task.kill(me)
  if me.status == "done" or is_active(me) then return end
  me.killed = true
  lose(me, KILLED)
end

--- What waits for its turn: jobs' states, in the order in which they came.
-- @treturn table empty
function task.queue() return { first = 1, last = 0 } end

--- Ends all tasks of a destination that is being closed, and what waits for its turn. The task that closes it counts as
-- killed, too; it does not yield any more.
-- @tparam table state the destination's state
function task.end_all(state)
  for i = state.queue.first, state.queue.last do
    local waiting = state.queue[i]
    waiting.dropped = not waiting.task
    waiting.is_over = waiting.is_over or waiting.dropped
  end
  state.queue = task.queue()
  for _, each in ipairs { table.unpack(state.tasks) } do
    task.kill(each)
    each.killed = each.killed or each.status ~= "done"
  end
end

--- Asks a task to end: its waiting calls fail with `cancelled`, and it tidies up.
-- @tparam table me
function task.cancel(me)
  me.cancelled = true
  me.till = 0
end

--- Whether the running task, or one that it works for, was asked to end.
-- @treturn boolean
function task.is_cancelled()
  local me = task.running()
  while me do
    if me.cancelled then return true end
    me = me.parent
  end
  return false
end

-- Nothing is caught here, or in anything else that runs often: it might be Ctrl-C.
local function is_due(me, now)
  return now >= me.till or me.any or (me.request ~= nil and core.over(me.request))
end

--- Moves on the tasks of a destination whose time has come.
-- @tparam table state the destination's state
function task.step(state)
  if #state.tasks == 0 then return end
  local now = core.clock()
  state.stepped = now
  for _, me in ipairs { table.unpack(state.tasks) } do
    if me.elsewhere and core.is_open(me.elsewhere) then core.poll(me.elsewhere, 0) end
    if me.status ~= "done" then
      local status = coroutine.status(me.thread)
      if me.status == "new" or status == "dead" then lose(me, NO_MEMORY) -- memory ended as it began, or ended
      elseif status == "suspended" and is_due(me, now) then task.resume(me) end
    end
  end
end

--- Seconds until some task has to go on whatever happens; nil when there is none.
-- @tparam table state the destination's state
function task.patience(state)
  local soonest
  for _, me in ipairs(state.tasks) do
    if (not soonest or me.till < soonest) and not is_active(me) then soonest = me.till end
  end
  return soonest and math.max(0, soonest - core.clock())
end

--- Waits a while: in a task by yielding. May come back early.
-- @tparam table state the destination's state
-- @tparam ?userdata request comes back when it has ended
-- @tparam number seconds at most; without a task a slice at most
-- @tparam[opt] boolean any comes back whenever something has happened
function task.pause(state, request, seconds, any)
  local me = task.running()
  if can_yield(me) then
    me.request, me.till, me.any = request, core.clock() + seconds, any
    me.elsewhere = me.state ~= state and state.dest or nil
    if me.elsewhere then me.till = math.min(me.till, core.clock() + 0.01) end
    me.nap = nil
    coroutine.yield(WAITING)
    me.request, me.any, me.elsewhere = nil, nil, nil
    return
  end
  local others = task.patience(state)
  core.poll(state.dest, others and math.min(others, seconds) or seconds)
  task.step(state)
end

--- For work that takes long without waiting for anything: in a task it lets the host have its turn now and then.
-- @tparam table state the destination's state
function task.breathe(state)
  if core.clock() - (state.stepped or 0) > SHARE and can_yield(task.running()) then task.pause(state, nil, 0, true) end
end

--- Whether what is running is, or works for, a job: an event loop may be waiting for its end of the turn.
-- @treturn boolean
function task.is_job()
  local me = task.running()
  while me do
    if me.job then return true end
    me = me.parent
  end
  return false
end

-- Tasks that work for one call. ---------------------------------------------------------------------------------------

local group = {}
group.__index = group

--- Tasks that end with the call that they work for: when an error leaves its scope, those that are left are killed.
-- @tparam table state the destination's state
-- @treturn table to be declared `<close>`
function task.group(state)
  return setmetatable({ state = state }, group)
end

--- Starts a task of the group: it is cancelled with the task that it works for.
function group:spawn(fn, ...)
  return new(self.state, self, task.running(), fn, ...)
end

--- Waits until all have ended. An error in one is raised at once.
-- @tparam[opt] function each called between two waits; anything but nil that it gives ends the wait and is given
function group:wait(each)
  while true do
    local verdict = each and each()
    if verdict ~= nil then return verdict end
    local running = false
    for _, me in ipairs(self) do
      if me.status ~= "done" then running = true
      elseif not me.results[1] then error(me.results[2], 0) end
    end
    if not running then return nil end
    task.pause(self.state, nil, task.SLICE, true)
  end
end

--- How many have not ended.
function group:count()
  local count = 0
  for _, me in ipairs(self) do
    if me.status ~= "done" then count = count + 1 end
  end
  return count
end

--- Ends those that have not ended.
function group:kill()
  for _, me in ipairs(self) do task.kill(me) end
end

group.__close = group.kill

return task
