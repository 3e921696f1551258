--- One big file over several connections: ranges, handed out in ascending order to whoever is free, between a local
-- file and one remote file.
--
-- libsmbclient has one write under way at a time: on a connection with a long round trip most of the time passes with
-- waiting. Several workers, each with a handle of its own on the same file, wait at the same time.
-- @module smb.stripe

local call = require "smb.call"
local core = require "smb.core"
local requests = require "smb.request"
local task = require "smb.task"

local stripe = {}

local LEAST_RANGE = 1024 * 1024 -- bytes
local SHORT = 0.002 -- seconds: with a round trip below this
local SHORT_DISTANCE = 2 -- connections keep both ends busy,
local SHORT_REQUEST = 2 * 1024 * 1024 -- with bytes that are still in the caches when they are moved on (`make bench`)
local ROUND_TRIP_EACH = 0.005 -- seconds of round trip that a further request under way makes up for
-- At an open file as many requests are under way as what a connection was seen to move in a round trip, times this, and
-- two: others may be faster, or the line longer than the first requests could tell.
local FILLS = 4
local TELLING = 1024 * 1024 -- bytes: requests from this size on tell how much a connection moves (wire.c)
-- that the library may have under way at once on one connection, though that makes the server take memory anew
local READS = 4
-- for each, which costs more than further connections; seconds of round trip that one more makes up for
local READS_EACH = 0.015
-- Seconds, and four round trips, that further connections get to close their handles when one has broken: the network
-- may stand still for them, too, and the time for this attempt is over.
local HANGING_UP = 0.5

local ranges = {}
ranges.__index = ranges

-- The next range to move, lowest first; nil when there is none now; then whether there may be one later. A connection
-- that is still alone has more under way.
function ranges:take(alone)
  if #self.back > 0 then
    table.sort(self.back, function(a, b) return a.offset > b.offset end)
    return table.remove(self.back)
  end
  if self.next >= self.size then return nil, self.low < self.size end
  local step = alone and self.step_alone or self.step
  if self.next + step > self.low + self.window then return nil, true end
  local range = { offset = self.next, size = math.min(step, self.size - self.next) }
  self.next = range.offset + range.size
  return range
end

function ranges:complete(range)
  self.done[range.offset] = range.size
  self.bytes = self.bytes + range.size
  self.high = math.max(self.high, range.offset + range.size)
  while self.done[self.low] do
    local size = self.done[self.low]
    self.done[self.low] = nil
    self.low = self.low + size
  end
end

function ranges:give_back(range)
  self.back[#self.back + 1] = range
end

-- Requests under way that pay, while others are waited for: in all, and on a connection that is alone, of reads.
local function under_way(round_trip)
  if round_trip < SHORT then return SHORT_DISTANCE, 1 end
  return 2 + math.tointeger(round_trip // ROUND_TRIP_EACH),
    math.min(READS, 1 + math.tointeger(round_trip // READS_EACH))
end

local function round_trip_of(state) return core.info(state.dest).round_trip or 0 end

--- How many connections pay for an open file. Nobody knows how much of it will be wanted: there are two until large
-- requests have told what the line holds; small ones never do, then the distance alone counts.
-- @tparam table state the destination's state
-- @tparam integer size bytes of a request
-- @treturn integer
function stripe.connections(state, size)
  local info = core.info(state.dest)
  local round_trip = info.round_trip or 0
  if round_trip < SHORT then return 1 end
  local most = math.min(under_way(round_trip), state.fields.connections)
  if size < TELLING then return most end
  return math.min(most, 2 + math.tointeger(FILLS * round_trip * (info.throughput or 0) // size))
end

--- Whether the server is so near that two connections are all that pays.
-- @tparam table state the destination's state
-- @treturn boolean
function stripe.is_near(state) return round_trip_of(state) < SHORT end

--- Whether a file that will be sent is worth several connections; if so they are begun while its name is looked at.
-- @tparam table state the destination's state
-- @tparam integer size bytes of the file
-- @treturn boolean
function stripe.pays(state, size)
  if size < core.stripe_from or state.fields.connections == 1 then return false end
  core.warm(state.dest, math.min(under_way(round_trip_of(state)), state.fields.connections))
  return true
end

local transfer = {}
transfer.__index = transfer

-- Bytes that have arrived, those that are under way among them.
local function measure(self)
  local done = self.ranges.bytes
  for range, request in pairs(self.under_way) do
    done = done + math.max(0, math.min(core.transfer(request) - range.offset, range.size))
  end
  return done
end

local function request_range(self, handle, range)
  local request <close>, code, reason = requests.start(self.state.dest, self.state, self.verb,
    { link = handle.link, handle = handle.handle, file = self.file, offset = range.offset, size = range.size,
      io_size = self.ranges.io_size }, self.under)
  if not request then return nil, code, reason end
  self.under_way[range] = request
  local reply, word, problem = requests.finish(self.state, request, self.under)
  self.under_way[range] = nil
  return reply, word, problem
end

-- Moves one range by a handle.
function transfer:move_one(handle, range)
  local reply, code, reason = request_range(self, handle, range)
  if code == "cancelled" then self.under:settle(self.state.dest) end
  return reply, code, reason
end

-- Whose file was another at the end than at the beginning.
local CHANGED = { send = "the local file changed while it was read", receive = "the file changed while it was read" }

-- Moves ranges by a handle until there are none left. False, code, reason when the connection is of no more use.
function transfer:move_all(handle)
  while not self.failure do
    local code, reason = self.under:must_stop()
    if code then return false, code, reason end
    local range, later = self.ranges:take(self.moving == 1)
    if range then
      local reply
      reply, code, reason = self:move_one(handle, range)
      if not reply then
        self.ranges:give_back(range)
        return false, code, reason
      end
      self.ranges:complete(range)
      if self.is_changed() then return false, "source_changed", CHANGED[self.verb] end
    elseif later then
      task.pause(self.state, nil, task.SLICE, true)
    else
      return true
    end
  end
  return true
end

function transfer:move(handle)
  self.moving = self.moving + 1
  local ok, code, reason = self:move_all(handle)
  self.moving = self.moving - 1
  if not ok then self.broken = { code, reason } end
  return ok, code, reason
end

-- A failure that other connections would meet, too.
local function is_final(code)
  return not (code == "disconnected" or code == "unreachable" or code == "busy" or code == "timeout")
end

-- A further connection, with a handle of its own. That there is none to be had is no failure while others move.
function transfer:lane()
  local handle =
    call.run(self.state.dest, "open", { name = self.name, writable = self.verb == "send", own = true }, self.under)
  if not handle then
    self.enough = true
    return
  end
  local guard <close> = call.handle(self.state, handle)
  if self.identity and (handle.size ~= self.identity.size or handle.mtime ~= self.identity.mtime) then
    self.failure = self.failure or { "source_changed", "the file changed while it was read" }
    return
  end
  local ok, word, reason = self:move(handle)
  if not ok and is_final(word) then self.failure = self.failure or { word, reason } end
  guard:close()
end

-- Whether it is all moved, or nobody moves anything any more. Those who are still opening then come too late.
function transfer:is_over()
  return self.moving == 0 and not self.beside and (self.broken ~= nil or self.ranges.low >= self.ranges.size)
end

-- Adds connections while they pay; in place of those that broke, too.
function transfer:grow(lanes)
  local left = (self.ranges.size - self.ranges.next) // self.ranges.step + #self.ranges.back
  local most = math.min(self.ranges.connections, lanes:count() + left)
  local function pays() return not self.enough and not self.failure and lanes:count() < most and #lanes < 4 * most end
  if pays() then core.warm(self.state.dest, most) end
  while pays() do lanes:spawn(self.lane, self) end
end

-- Waits until nobody has anything left to do: so many seconds at most, if they are given.
function transfer:settle(patience)
  local till = core.clock() + (patience or math.huge)
  while not core.settled(self.state.dest, 0) and not self.under:must_stop() and core.clock() < till do
    task.pause(self.state, nil, task.SLICE, true)
  end
end

-- Closes the first handle while the further ones are being closed. An upload is committed only if that went well.
function transfer:close(handle)
  local state = self.state
  if self.verb == "receive" then
    core.post_close(state.dest, handle.link, handle.handle)
    self:settle()
    return true
  end
  local request <close>, code, reason = requests.start(state.dest, state, "release",
    { link = handle.link, handle = handle.handle }, self.under)
  self:settle()
  if not request then return nil, code, reason end
  return requests.finish(state, request, self.under)
end

--- Moves all ranges, by the handle that there is and by further connections. On return the further ones are closed.
-- @tparam table state the destination's state
-- @tparam table how `verb` ("send" or "receive"), `name` (of the remote file), `handle` (link and handle of the first
-- connection), `file` (the local file), `identity` (size and mtime that further handles have to show), `is_changed` (a
-- function that tells whether the local file did), `beside` (a function to run in the meantime), `closing` (the first
-- handle is closed, too, when all is moved: that of an upload so that it can be committed)
-- @tparam table left what is left, as `stripe.left` gives it
-- @tparam table under the call's operation
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function stripe.move(state, how, left, under)
  local self = setmetatable({ state = state, ranges = left, under = under, under_way = {}, moving = 0,
    beside = how.beside, verb = how.verb, name = how.name, file = how.file, identity = how.identity,
    is_changed = how.is_changed or function() end }, transfer)
  under.measure = function(operation) operation.done, operation.total = measure(self), left.size end
  local lanes <close> = task.group(state)
  lanes:spawn(function()
    local ok, code, reason = self:move(how.handle)
    if not ok and is_final(code) then self.failure = self.failure or { code, reason } end
  end)
  lanes:spawn(function()
    if how.beside then how.beside() end
    self.beside = nil
  end)
  lanes:wait(function()
    if self:is_over() then return true end
    self:grow(lanes)
  end)
  lanes:kill()
  local broken = not self.failure and left.low < left.size and self.broken
  local failure = self.failure or broken
  if not failure and how.closing then return self:close(how.handle) end
  self:settle(broken and HANGING_UP + 4 * round_trip_of(state) or nil)
  if failure then return nil, failure[1], failure[2] end
  return true
end

--- Bytes in a request: as many as the script has asked for, or what suits the distance.
-- @tparam table state the destination's state
-- @tparam string option "read_buffer_size" or "write_buffer_size"
-- @tparam integer most bytes: that option's value in force
-- @treturn integer bytes
function stripe.request_size(state, option, most)
  if state.fields[option] or round_trip_of(state) >= SHORT then return most end
  return math.min(most, SHORT_REQUEST)
end

--- What of a file is left to be moved, in ranges as the distance asks for; kept from one attempt to the next.
-- @tparam table state the destination's state
-- @tparam string verb "send" or "receive"
-- @tparam integer first bytes that are there already
-- @tparam integer size bytes in all
-- @tparam integer io_size bytes of a request at most
-- @treturn table `bytes`: how many have arrived; `high`: the end of the last of them
function stripe.left(state, verb, first, size, io_size)
  local round_trip = round_trip_of(state)
  local most, reads = under_way(round_trip)
  local connections = math.min(most, state.fields.connections)
  local window = core.stripe_window(size) -- from the first byte that is missing to the last that is under way
  local step, step_alone = io_size, io_size
  if verb == "receive" then
    step = math.min(reads, most // connections) * io_size
    step_alone = reads * io_size
  end
  io_size = stripe.request_size(state, verb == "send" and "write_buffer_size" or "read_buffer_size", io_size)
  if round_trip < SHORT then
    step, step_alone = 2 * io_size, 2 * io_size -- one is on its way while the next is read
  end
  step, step_alone = math.max(step, LEAST_RANGE), math.max(step_alone, LEAST_RANGE)
  return setmetatable({ next = first, low = first, high = first, bytes = first, size = size, window = window, back = {},
    done = {}, step = step, step_alone = step_alone, io_size = io_size, connections = connections }, ranges)
end

return stripe
