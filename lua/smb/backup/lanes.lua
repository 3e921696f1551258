--- Work that several connections share: one who finds it adds it, tasks do it side by side.
-- @module smb.backup.lanes

local core = require "smb.core"
local task = require "smb.task"

local lanes = {}
lanes.__index = lanes

local WAITING = 64 -- pieces of work that wait
local TURN = 16 -- pieces that are added before others have their turn
local AT_LEAST = 2 -- connections: one side's work on a file is the other side's wait
local ROUND_TRIP_EACH = 0.0001 -- seconds of round trip that a further connection makes up for: a file is several

--- How many connections pay.
-- @tparam table state the destination's state
-- @treturn integer
function lanes.wanted(state)
  local round_trip = core.info(state.dest).round_trip or 0
  return math.tointeger(math.min(core.connections_at_most(state.dest), AT_LEAST + round_trip // ROUND_TRIP_EACH))
end

--- Makes lanes; they start when there is work.
-- @tparam table state the destination's state
-- @tparam function work does one piece
-- @treturn table to be declared `<close>`
function lanes.new(state, work)
  return setmetatable({ state = state, work = work, queue = {}, first = 1, last = 0, busy = 0, added = 0,
    tasks = task.group(state) }, lanes)
end

local function take(self)
  if self.first > self.last then return nil end
  local item = self.queue[self.first]
  self.queue[self.first] = nil
  self.first = self.first + 1
  return item
end

local function run(self)
  while not self.ended do
    local item = take(self)
    if item then
      self.busy = self.busy + 1
      self.work(item)
      self.busy = self.busy - 1
    else
      task.pause(self.state, nil, task.SLICE, true)
    end
  end
end

--- Waits until something is so. What a lane raises is raised here.
-- @tparam function is_so
function lanes:wait(is_so)
  if is_so() then return end
  self.tasks:wait(function() return is_so() or nil end)
end

local function start_more(self)
  local waiting = self.last - self.first + 1
  local count = self.tasks:count()
  if waiting == 0 or count >= lanes.wanted(self.state) or count - self.busy >= waiting then return end
  core.warm(self.state.dest, count + 1)
  self.tasks:spawn(run, self)
end

--- Adds a piece of work; waits as long as there is much already.
function lanes:add(item)
  self:push(item)
  self.added = self.added + 1
  if self.added % TURN == 0 then
    if task.running() then task.breathe(self.state)
    else
      core.poll(self.state.dest, 0)
      task.step(self.state)
    end
  end
  self:wait(function() return self.last - self.first + 1 < WAITING end)
end

--- Adds a piece of work and does not wait: for who does one.
function lanes:push(item)
  self.last = self.last + 1
  self.queue[self.last] = item
  start_more(self)
end

--- Whether there is no work left, nor any being done.
function lanes:is_idle() return self.first > self.last and self.busy == 0 end

--- Forgets the work that waits.
function lanes:drop() self.queue, self.first, self.last = {}, 1, 0 end

function lanes:__close()
  self.ended = true
  self.tasks:kill()
end

return lanes
