--- A call that goes on while the script does something else: what `dest:submit` returns.
--
-- Jobs move on whenever the host calls in: waits for one, asks about one, or calls anything of the destination that has
-- to wait. An event loop is told by `pollfd`, `events` and `timeout` when to do that.
-- @classmod job

local arity = require "smb.arity"
local core = require "smb.core"
local failures = require "smb.failure"
local task = require "smb.task"

local job = {}
local methods = {}
local metatable = core.job_metatable
metatable.__index = methods

-- What stands in jobs, by job: quicker than to ask C, for lists of thousands.
local privates = setmetatable({}, { __mode = "k" })

local function check(self, method)
  local private = privates[self]
  if not private then error(("bad argument #1 to '%s' (job expected)"):format(method), 3) end
  return private
end

-- The first that waits for its turn. One leaves the queue when it runs, not before: else, if memory ended in between,
-- it would be lost.
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
  for _, each in ipairs(state.tasks) do count = count + (each.job and 1 or 0) end
  return count
end

local function run(private)
  local me = task.running()
  me.job = private
  private.task = me
  local fn, arguments = private.fn, private.arguments
  private.fn, private.arguments = nil, nil -- it may hold a file's contents: nobody else needs it from here on
  return fn(table.unpack(arguments, 1, arguments.n))
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

-- A plain table's contents, further plain tables in it, too: what the caller does to it later is not the job's.
local function copied(value, depth)
  if type(value) ~= "table" or getmetatable(value) or depth == 0 then return value end
  local copy = {}
  for key, each in pairs(value) do copy[key] = copied(each, depth - 1) end
  return copy
end

local function copy_arguments(...)
  local arguments = table.pack(...)
  for i = 1, arguments.n do arguments[i] = copied(arguments[i], 3) end -- a filter's globs are the deepest
  return arguments
end

--- Takes a call in: it runs at once or waits for its turn.
-- @local
function job.new(state, what, fn, ...)
  local private = { state = state, what = what, fn = fn, arguments = copy_arguments(...), task = false, dropped = false,
    is_over = false, done = 0 }
  local self, queue = core.job(private), state.queue
  privates[self] = private
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

-- `is_over` is set as the job ends, but for one that ends with its destination.
local function is_over(private)
  return private.is_over or is_cancelled(private)
end

local function results_of(private)
  if is_cancelled(private) then
    return nil, failures.message(private.what, nil, private.state.place, "cancelled"), "cancelled"
  end
  local results = private.task.results
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- By list: the destinations' states of its jobs, as far as that many jobs. A long list is not read to its end for each
-- job that has ended, and all its destinations are moved on nevertheless.
local known = setmetatable({}, { __mode = "k" })
local LONG = 64 -- jobs

-- The states of the jobs in a list, each once, and the first job that is over.
local function look_through(jobs)
  local count, before, found = #jobs, known[jobs], nil
  local is_known = count > LONG and before ~= nil and count <= before.count
  local states, last, is_open = { count = count }, nil, nil
  for i = 1, count do
    local private = privates[jobs[i]] or check(jobs[i], "wait")
    if private.state ~= last then
      last, is_open = private.state, core.is_open(private.state.dest)
      if not states[last] then states[#states + 1], states[last] = last, true end
    end
    if not found and (private.is_over or not is_open) then
      found = jobs[i]
      if is_known then return before, found end
    end
  end
  if count > LONG then known[jobs] = states end
  return states, found
end

-- The turn of queued jobs may be that of the task that waits for them.
local function start_all(jobs)
  for _, each in ipairs(jobs) do
    local private = privates[each]
    if not private.task and not is_over(private) then start(private) end
  end
end

local function count_ended(states)
  local count = 0
  for _, state in ipairs(states) do count = count + state.ended + (core.is_open(state.dest) and 0 or 1) end
  return count
end

--- Waits for jobs until one of them has ended.
-- @local
function job.wait_any(jobs, seconds)
  if #jobs == 0 then return nil end
  local till = seconds and core.clock() + seconds
  local states, found = look_through(jobs)
  if task.running() and not found then start_all(jobs) end
  local before = count_ended(states)
  while true do
    for _, state in ipairs(states) do move_on(state) end
    if found then return found end
    if count_ended(states) ~= before then
      states, found = look_through(jobs)
      if found then return found end
      before = count_ended(states)
    end
    local left = till and till - core.clock() or task.SLICE
    if left <= 0 then return nil end
    -- Of several destinations each is looked at often.
    task.pause(states[1], nil, math.min(left, #states > 1 and 0.005 or task.SLICE), true)
  end
end

--- Waits until the job has ended.
-- @tparam[opt] number seconds at most; as long as it takes by default
-- @return what the call returns; `nil, message, "timeout"` when the time is over and the job still running. An error in
-- the call, a reader's or a progress function's for one, is raised
function methods:wait(seconds)
  local private = check(self, "wait")
  if seconds ~= nil and type(seconds) ~= "number" then
    error(("bad argument #1 to 'wait' (number expected, got %s)"):format(type(seconds)), 2)
  end
  if not is_over(private) and not job.wait_any({ self }, seconds) then
    return nil, failures.message("wait", nil, private.state.place, "the job is still running"), "timeout"
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

--- Asks the job to end. What it has under way is tidied up; `wait` then gives `cancelled`, unless it had done its work
-- already.
-- @treturn boolean true
function methods:cancel()
  local private = check(self, "cancel")
  if not is_over(private) and not private.task then
    private.dropped, private.is_over, private.fn, private.arguments = true, true, nil, nil
  elseif not is_over(private) then
    task.cancel(private.task)
    move_on(private.state)
  end
  return true
end

--- The descriptor that an event loop has to watch: readable when there is something to do, which then is done by any of
-- this job's methods. It serves all jobs of a destination.
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

arity.limit(methods, { wait = 1, status = 0, progress = 0, cancel = 0 }, metatable)

function metatable.__tostring(self)
  return ("smb.job (%s)"):format(status(check(self, "tostring")))
end

--- Whether a value is a job.
-- @local
function job.type(value)
  return core.job_state(value) and "job" or nil
end

return job
