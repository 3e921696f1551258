--- A call that goes on while the script does something else: what `dest:submit` returns.
--
-- Jobs move on whenever the host calls in: waits for one, asks about one, or calls anything of the destination that has to wait.
-- An event loop is told by `pollfd`, `events` and `timeout` when to do that.
-- @classmod job

local call = require "smb.call"
local core = require "smb.core"
local task = require "smb.task"

local job = {}
local methods = {}
local metatable = core.job_metatable
metatable.__index = methods

local function check(self, method)
  local private = core.job_state(self)
  if not private then error(("bad argument #1 to '%s' (job expected)"):format(method), 3) end
  return private
end

-- The first that waits for its turn. One leaves the queue when it runs, not before: else, if memory ended in between, it would be
-- lost.
local function first_queued(state)
  local queue = state.queue
  while queue.first <= queue.last do
    local private = queue[queue.first]
    if not private.task and not private.dropped then return private end
    queue[queue.first] = nil
    queue.first = queue.first + 1
  end
end

local function count_running(state)
  local count = 0
  for _, each in ipairs(state.tasks) do count = count + (each.is_job and 1 or 0) end
  return count
end

local function run(private)
  local me = task.running()
  private.task = me
  me.is_job = true
  return private.fn(table.unpack(private.arguments, 1, private.arguments.n))
end

local function start(private) task.spawn(private.state, run, private) end

-- Starts what has waited for its turn.
local function start_queued(state)
  local next_one = first_queued(state)
  while next_one and count_running(state) < core.connections_at_most(state.dest) do
    start(next_one)
    next_one = first_queued(state)
  end
end

local function move_on(state)
  if not core.is_open(state.dest) then return end
  core.poll(state.dest, 0)
  task.step(state)
  start_queued(state)
end

--- Takes a call in: it runs at once or waits for its turn.
-- @local
function job.new(state, what, fn, ...)
  local private = { state = state, what = what, fn = fn, arguments = table.pack(...), task = false, dropped = false, done = 0 }
  local self, queue = core.job(private), state.queue
  queue[queue.last + 1] = private
  queue.last = queue.last + 1
  start_queued(state)
  return self
end

-- It was dropped, or ended with its destination, before it had results.
local function is_cancelled(private)
  local me = private.task
  if me and me.killed then return true end
  if me and me.status == "done" then return false end
  return private.dropped or not core.is_open(private.state.dest)
end

-- What became of it: "queued", "running", "done", "failed", "cancelled".
local function status(private)
  if is_cancelled(private) then return "cancelled" end
  if not private.task then return "queued" end
  if private.task.status ~= "done" then return "running" end
  local results = private.task.results
  if results[1] and results[2] ~= nil then return "done" end
  return results[4] == "cancelled" and "cancelled" or "failed"
end

local function is_over(private)
  return is_cancelled(private) or (private.task and private.task.status == "done")
end

local function results_of(private)
  if is_cancelled(private) then
    return nil, call.message(private.what, nil, private.state.place, "cancelled"), "cancelled"
  end
  local results = private.task.results
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- Waits for jobs until one of them has ended.
-- @local
function job.wait_any(jobs, seconds)
  if #jobs == 0 then return nil end
  local till = seconds and core.clock() + seconds
  while true do
    local homes = {}
    for _, each in ipairs(jobs) do
      local private = check(each, "wait")
      -- Its turn may be that of the task that waits.
      if task.running() and not private.task and not is_cancelled(private) then start(private) end
      homes[#homes + 1] = not homes[private.state] and private.state or nil
      homes[private.state] = true
    end
    for _, state in ipairs(homes) do move_on(state) end
    for _, each in ipairs(jobs) do
      if is_over(core.job_state(each)) then return each end
    end
    local left = till and till - core.clock() or task.SLICE
    if left <= 0 then return nil end
    -- Of several destinations each is looked at often.
    task.pause(homes[1], nil, math.min(left, #homes > 1 and 0.005 or task.SLICE), true)
  end
end

--- Waits until the job has ended.
-- @tparam[opt] number seconds at most; as long as it takes by default
-- @return what the call returns; `nil, message, "timeout"` when the time is over and the job still running. An error in the call,
-- a reader's or a progress function's for one, is raised
function methods:wait(seconds)
  local private = check(self, "wait")
  if seconds ~= nil and type(seconds) ~= "number" then
    error(("bad argument #1 to 'wait' (number expected, got %s)"):format(type(seconds)), 2)
  end
  if not is_over(private) and not job.wait_any({ self }, seconds) then
    return nil, call.message("wait", nil, private.state.place, "the job is still running"), "timeout"
  end
  return results_of(private)
end

--- How the job stands.
-- @treturn string "queued", "running", "done", "failed", "cancelled"
function methods:status()
  local private = check(self, "status")
  move_on(private.state)
  return status(private)
end

--- How far the job is.
-- @treturn integer bytes moved
-- @treturn ?integer bytes in all, as far as known
function methods:progress()
  local private = check(self, "progress")
  move_on(private.state)
  local operation = private.task and private.task.operation
  if not operation then return 0, nil end
  private.done = math.max(private.done, operation.done) -- another attempt may have to begin further back
  return private.done, operation.total
end

--- Asks the job to end. What it has under way is tidied up; `wait` then gives `cancelled`, unless it had done its work already.
-- @treturn boolean true
function methods:cancel()
  local private = check(self, "cancel")
  if not is_over(private) and not private.task then
    private.dropped, private.fn, private.arguments = true, nil, nil
  elseif not is_over(private) then
    task.cancel(private.task)
    move_on(private.state)
  end
  return true
end

--- The descriptor that an event loop has to watch: readable when there is something to do, which then is done by any of this
-- job's methods. It serves all jobs of a destination.
-- @treturn integer a descriptor, valid until the destination is closed; -1 for a job that ended with its destination
function methods:pollfd()
  local private = check(self, "pollfd")
  if is_over(private) and not core.is_open(private.state.dest) then return -1 end
  return core.pollfd(private.state.dest)
end

--- The same, as LuaSocket calls it.
-- @function methods:getfd
methods.getfd = methods.pollfd

--- What to wait for at the descriptor.
-- @treturn string "r"
function methods:events()
  check(self, "events")
  return "r"
end

--- When something is to be done whatever the descriptor says.
-- @treturn number seconds from now; 0 when the job has ended, so that no loop waits for it
function methods:timeout()
  local private = check(self, "timeout")
  if is_over(private) then return 0 end
  local a, b = core.patience(private.state.dest), task.patience(private.state)
  -- Whole milliseconds, upwards: loops that cut them off would spin through the last one.
  return math.max(0, math.ceil(math.min(a or task.SLICE, b or task.SLICE, task.SLICE) * 1000) / 1000)
end

-- LuaSocket's select asks that.
function methods:dirty() return is_over(check(self, "dirty")) or false end

function metatable.__tostring(self)
  return ("smb.job (%s)"):format(status(check(self, "tostring")))
end

--- Whether a value is a job.
-- @local
function job.type(value)
  return core.job_state(value) and "job" or nil
end

return job
