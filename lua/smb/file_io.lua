--- What is under way between an open file's buffer and its workers: reads ahead of the script, writes behind it,
-- attempts.
--
-- Functions that end a method's work return `nil, message, code`, those between `nil, code, reason`.
-- @module smb.file_io

local call = require "smb.call"
local core = require "smb.core"
local failures = require "smb.failure"
local operations = require "smb.operation"
local requests = require "smb.request"
local stripe = require "smb.stripe"
local task = require "smb.task"

local file_io = {}

--- Bytes of the first read; each further one in order doubles them.
file_io.FIRST = 64 * 1024

-- Requests. -----------------------------------------------------------------------------------------------------------
--
-- A file's state: dest, state (the destination's state), text (its name), link and handle (in its first worker), lanes
-- (further handles, each in a worker of its own), io sizes, and `pending`: what is on its way, oldest first, all reads
-- or all writes. A worker does one thing at a time: before a request, what another file has on its way there is
-- collected.

--- A method has failed, in words.
function file_io.fail(private, operation, code, reason)
  return nil, failures.message(private.operation or operation, private.text, private.state.place, reason), code
end

--- A call on a file begins: total_timeout counts from here, however many requests it makes; where the file ends is not
-- known.
function file_io.begin(private)
  private.calls = private.calls + 1
  local total = private.state.fields.total_timeout
  private.deadline = total and core.clock() + total
end

-- The operation of a request; an upload has one for all of them.
local function operation_of(private, what)
  if private.under then return private.under end
  local under = operations.new(private.state, what or "read", private.text)
  under.deadline = private.deadline
  return under
end

-- Starts a request at a handle.
local function start(private, at, verb, request, under)
  request.link, request.handle = at.link, at.handle
  while true do
    local other, ok = private.state.on_links[at.link], true
    local started, code, reason
    if other then ok, code, reason = requests.collect(other, under) end
    if not ok then return nil, code, reason end
    started, code, reason = core.start(private.dest, verb, request)
    if started and private.state.trace then private.state.trace:begin(started, verb, request, under) end
    if started or code ~= "full" then return started, code, reason end
    if under then code, reason = under:must_stop() else code = nil end
    if code then return nil, code, reason end
    task.pause(private.state, nil, task.SLICE, true) -- another task's request is under way there
  end
end

local function ask_once(private, verb, request, under)
  local started <close>, code, reason = start(private, private, verb, request, under)
  if not started then return nil, code, reason end
  private.unsettled = true
  local reply, word, problem, remains = requests.finish(private.state, started, under)
  private.unsettled = not reply and not remains
  private.unfinished = remains and remains.unfinished -- what an upload has left
  return reply, word, problem
end

-- A read that was given up, by an error that passed through for one, may still fill the buffer: nothing must be written
-- there.
local function settle_buffer(private)
  local under = operation_of(private)
  while private.unsettled and not core.settled(private.dest, 0) do
    local code, reason = under:must_stop()
    if code then return false, code, reason end
    task.pause(private.state, nil, under:wait_slice(), true)
  end
  private.unsettled = false
  return true
end

-- Further connections. ------------------------------------------------------------------------------------------------

-- Hangs up on further handles; nobody waits for that, but who needs to.
local function drop_lanes(private)
  local lanes = private.lanes
  private.lanes = {}
  for _, lane in ipairs(lanes) do lane:drop() end
end

--- Ends the further handles and those that are just being opened: nothing runs between the script's calls that could
-- close them later.
function file_io.end_lanes(private)
  private.no_more = true
  for _, opening in ipairs(private.opening) do task.kill(opening) end
  private.opening = {}
  drop_lanes(private)
end

--- Ends the further handles and waits until they are closed.
function file_io.close_lanes(private)
  local any = #private.lanes + #private.opening > 0
  file_io.end_lanes(private)
  if not any then return end
  local under = operation_of(private)
  while not core.settled(private.dest, 0) and not under:must_stop() do
    task.pause(private.state, nil, task.SLICE, true)
  end
end

local function forget_opening(private, me)
  for i, opening in ipairs(private.opening) do
    if opening == me then return table.remove(private.opening, i) end
  end
end

local function open_lane(private)
  local self, me = private.self, task.running()
  table.insert(private.opening, me)
  local name = private.reopen.temp or private.reopen.name
  local reply = call.run(private.dest, "open", { name = name, writable = private.writable, own = true, buffer = self },
    operations.new(private.state, "open", private.text))
  forget_opening(private, me)
  local lane = reply and call.handle(private.state, reply)
  if not lane or private.no_more or not core.file_is_open(self) then
    private.no_more = true
    if lane then lane:drop() end
    return
  end
  private.lanes[#private.lanes + 1] = lane
end

-- Where the round trip is long, for what a connection moves meanwhile, further ones read ahead and write behind, too.
local function grow(private, size)
  local most = math.min(stripe.connections(private.state, size) - 1, private.slots - 2)
  local more = most - #private.lanes - #private.opening
  if private.no_more or more <= 0 then return end
  core.warm(private.dest, most + 1)
  for _ = 1, more do task.spawn(private.state, open_lane, private) end
end

-- A handle at which nothing is on its way.
local function free_lane(private)
  local busy = {}
  for _, pending in ipairs(private.pending) do busy[pending.link] = true end
  if not busy[private.link] then return private end
  for _, lane in ipairs(private.lanes) do
    if not busy[lane.link] then return lane end
  end
end

-- A place in the buffer that neither the script nor a pending uses.
local function free_slot(private, active)
  local used = { [active] = true }
  for _, pending in ipairs(private.pending) do used[pending.from] = true end
  for slot = 0, private.slots - 1 do
    if not used[slot * private.slot_size] then return slot * private.slot_size end
  end
end

-- Whether the name stands for another file by now. What is written changes its size and time, so that then only its
-- birth counts.
local function is_another(private, reply)
  local first = private.identity
  if private.writable then return reply.btime ~= first.btime end
  return reply.size ~= first.size or reply.mtime ~= first.mtime
end

-- After a broken connection: opens the file anew. Returns nil, code, reason on failure; "placed" when nothing is left
-- to be done, because an upload of that size has its name already.
local function reopen(private, size, under)
  drop_lanes(private)
  private.epoch = private.epoch + 1
  -- The worker may still hold the old handle.
  call.run(private.dest, "close", { link = private.link, handle = private.handle, keep = true }, under)
  local is_upload = private.reopen_verb == "upload"
  local attempt = { size = size or nil, offset = size or nil, again = is_upload, ours = is_upload,
    keep = is_upload and private.keep }
  local reply, code, reason = call.run(private.dest, private.reopen_verb, private.reopen, under, attempt)
  if not reply then return nil, code, reason end
  if reply.handle == 0 then return "placed" end
  if is_upload then
    if reply.bytes < private.arrived then return nil, "failed", "what had arrived is no longer there" end
    private.resumed = private.arrived
  elseif is_another(private, reply) then
    call.run(private.dest, "close", { link = reply.link, handle = reply.handle })
    return nil, "source_changed", "the file is another than the one that was opened"
  end
  private.link, private.handle = reply.link, reply.handle
  core.file_opened(private.self, reply.link, reply.handle, private.readable, private.writable, private.write_size)
  return true
end

-- After an attempt, which may have failed: makes others where that may help.
local function retry(private, verb, request, under, reply, code, reason)
  while not reply do
    local ok, word, problem = under:should_retry(code, reason)
    if not ok then return nil, word or code, problem or reason end
    -- A commit closes its file, well or not.
    if code ~= "busy" or verb == "commit" then
      ok, code, reason = reopen(private, verb == "commit" and request.size, under)
    end
    if ok == "placed" then return {} end
    if ok then reply, code, reason = ask_once(private, verb, request, under) end
  end
  return reply, code, reason
end

--- Sends a request and waits for it, again where that may help.
function file_io.ask(private, verb, request)
  local under = operation_of(private, verb)
  local reply, code, reason = retry(private, verb, request, under, ask_once(private, verb, request, under))
  if not reply and not private.under then under:failed() end
  return reply, code, reason
end

-- Sends a request whose reply is collected later.
local function post(private, at, verb, request)
  local started, code, reason = start(private, at, verb, request, operation_of(private))
  local pending = requests.pending(private.state, at.link, started, code, reason)
  pending.main, pending.epoch, pending.calls = at == private, private.epoch, private.calls
  pending.offset, pending.from, pending.size = request.offset, request.from, request.size
  table.insert(private.pending, pending)
end

-- Writing. ------------------------------------------------------------------------------------------------------------

-- A write that failed is done again, by the first connection, from the slot where its bytes still are.
local function write_again(private, pending)
  local request = { offset = pending.offset, size = pending.size, from = pending.from, io_size = private.write_size }
  if pending.main and pending.epoch == private.epoch then
    local under = operation_of(private, "write")
    local reply, code, reason = retry(private, "write", request, under, nil, pending.code, pending.reason)
    if not reply and not private.under then under:failed() end
    return reply, code, reason
  end
  if not operations.is_passing(pending.code) then return nil, pending.code, pending.reason end
  drop_lanes(private)
  return file_io.ask(private, "write", request)
end

-- The end of the oldest write that is on its way. A failed one is remembered: close must not say that all is well.
local function settle_oldest(private)
  local pending = private.pending[1]
  if pending then
    local ok, word, problem = requests.collect(pending, operation_of(private))
    if not ok then return file_io.fail(private, "write", word, problem) end
    local reply, code, reason = pending.reply, nil, nil
    if not reply and not private.failure then reply, code, reason = write_again(private, pending) end
    if private.pending[1] == pending then table.remove(private.pending, 1) end
    if not reply then private.failure = private.failure or { code, reason } end
    if not private.failure then private.arrived = pending.offset + pending.size end
  end
  if not private.failure then return true end
  return file_io.fail(private, "write", private.failure[1], private.failure[2])
end

local function settle_writes(private)
  while #private.pending > 0 do
    local before = #private.pending
    local ok, message, code = settle_oldest(private)
    if not ok and #private.pending == before then return nil, message, code end -- the time is over
  end
  return settle_oldest(private)
end

local function send(self, private)
  local position, from, filled = core.file_where(self)
  if private.failure then return settle_oldest(private) end
  if filled == 0 then return true end
  local lane = free_lane(private)
  while not lane do
    local ok, message, code = settle_oldest(private)
    if not ok then return nil, message, code end
    lane = free_lane(private)
  end
  post(private, lane, "write", { offset = position - filled, size = filled, from = from, io_size = private.write_size })
  local slot = free_slot(private, from)
  while not slot do
    local ok, message, code = settle_oldest(private)
    if not ok then return nil, message, code end
    slot = free_slot(private, from)
  end
  core.file_sent(self, slot)
  if filled == private.write_size and position > 2 * filled then grow(private, filled) end
  return true
end

--- Sends what was written and waits until the server has it.
function file_io.flush(self)
  local private = core.file_state(self)
  local _, _, _, writing = core.file_where(self)
  if not writing then return true end
  local ok, message, code = send(self, private)
  if ok then ok, message, code = settle_writes(private) end
  if not ok then return nil, message, code end
  if private.append then core.file_turn(self, false, (core.file_where(self))) end -- the end may be elsewhere next time
  return true
end

-- Reading. ------------------------------------------------------------------------------------------------------------

--- Waits for what was read ahead, and drops it.
-- @treturn[1] boolean true
-- @treturn[2] boolean false when the call has to end before; then code, reason
function file_io.drop_ahead(private)
  while private.pending[1] do
    local pending = private.pending[1]
    local ok, code, reason = requests.collect(pending, operation_of(private))
    if not ok then return false, code, reason end
    if private.pending[1] == pending then table.remove(private.pending, 1) end
  end
  return true
end

-- Asks for what follows, as long as there is a connection and a slot that are free.
local function read_ahead(self, private, active)
  local last = private.pending[#private.pending]
  local offset = last and last.offset + last.size or private.next_offset
  while true do
    local lane, slot = free_lane(private), free_slot(private, active)
    local size = math.min(private.chunk * 2, private.read_size)
    if not lane or not slot or not core.file_reserve(self, slot, size) then return end
    private.chunk = size
    post(private, lane, "read", { offset = offset, size = size, from = slot, io_size = private.read_size })
    offset = offset + size
    if size == private.read_size then grow(private, size) end
  end
end

-- Bytes at `offset`: those that were read ahead, or freshly read ones. Returns the reply, where they are, how many were
-- asked for and whether an earlier call did so: the file's end may have moved since. On failure nil, slot, 0, false,
-- code, reason.
local function fetch(self, private, offset, from)
  local ahead = private.pending[1]
  local ok, word, problem = true, nil, nil
  if ahead and ahead.offset == offset then
    ok, word, problem = requests.collect(ahead, operation_of(private))
    if ok then table.remove(private.pending, 1) end
    local is_old = ahead.calls ~= private.calls
    if ok and ahead.reply and not (is_old and ahead.reply.bytes == 0) then
      return ahead.reply, ahead.from, ahead.size, is_old
    end
  end
  if ok then ok, word, problem = file_io.drop_ahead(private) end
  if not ok then return nil, from, 0, false, word, problem end
  if offset ~= private.next_offset then private.chunk = math.min(file_io.FIRST, private.read_size) end
  if not core.file_reserve(self, from, private.chunk) then
    return nil, from, 0, false, "failed", "no memory for a file's buffer"
  end
  local reply, code, reason = file_io.ask(private, "read",
    { offset = offset, size = private.chunk, from = from, io_size = private.read_size })
  return reply, from, private.chunk, false, code, reason
end

--- Fills an empty window with the next bytes, or notes the end of the file. `first`: a call begins.
function file_io.fill(self, first)
  local private = core.file_state(self)
  if first then file_io.begin(private) end
  local ok, message, code = file_io.flush(self)
  if not ok then return nil, message, code end
  local offset, active, _, writing = core.file_where(self)
  if writing then core.file_turn(self, false, offset) end
  local reply, from, asked, is_old, word, reason = fetch(self, private, offset, active)
  if not reply then
    core.file_turn(self, false, offset) -- what came of it lies where the window was
    return file_io.fail(private, "read", word, reason)
  end
  local is_short = reply.bytes < asked
  core.file_window(self, from, reply.bytes, is_short and not is_old)
  local in_order = offset == private.next_offset
  private.next_offset = offset + reply.bytes
  if in_order and not is_short then read_ahead(self, private, from) end
  return true
end

--- Makes room for writing, in the first place by turning from reading to writing.
function file_io.drain(self, first)
  local private = core.file_state(self)
  if first then file_io.begin(private) end
  local position, _, _, writing = core.file_where(self)
  if writing then
    local sent, message, code = send(self, private)
    if sent then return true end
    private.failure = private.failure or { code, "an earlier write was given up" } -- a part of it may be in the buffer
    return nil, message, code
  end
  local ok, word, problem = file_io.drop_ahead(private)
  if ok then ok, word, problem = settle_buffer(private) end
  if not ok then return file_io.fail(private, "write", word, problem) end
  if private.append then
    local reply, code, reason = file_io.ask(private, "size", {})
    if not reply then return file_io.fail(private, "write", code, reason) end
    position = reply.size
  end
  core.file_turn(self, true, position)
  return true
end

--- Discards what is on its way.
function file_io.discard(private)
  for _, pending in ipairs(private.pending) do requests.discard(pending) end
  private.pending = {}
end

return file_io
