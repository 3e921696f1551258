--- An open file on the share, with the methods of Lua's own files.
--
-- Reading is ahead of the script and writing behind it: while the script works in one slot of the buffer, others are on their
-- way; where the round trip is long, over several connections. A write that failed is reported at the latest by `flush` or
-- `close`.
-- @classmod file

local call = require "smb.call"
local core = require "smb.core"
local stripe = require "smb.stripe"
local task = require "smb.task"
local texts = require "smb.text"
local transfer = require "smb.transfer"

local file = {}
local methods = {}
local metatable = core.file_metatable

local FIRST = 64 * 1024 -- bytes of the first read; each further one in order doubles it

-- Requests. -----------------------------------------------------------------------------------------------------------
--
-- A file's state: dest, state (the destination's state), text (its name), link and handle (in its first worker), lanes (further
-- handles, each in a worker of its own), io sizes, and `flights`: what is on its way, oldest first, all reads or all writes. A
-- worker does one thing at a time: before a request, what another file has on its way there is taken in.

local function fail(private, operation, code, reason)
  return nil, call.message(private.operation or operation, private.text, private.state.place, reason), code
end

-- A call on a file begins: total_timeout counts from here, however many requests it comes to; where the file ends is not known.
local function begin(private)
  private.calls = private.calls + 1
  local total = private.state.fields.total_timeout
  private.deadline = total and core.clock() + total
end

-- The operation of a request; an upload has one for all of them.
local function course_of(private)
  if private.under then return private.under end
  local under = call.operation(private.state)
  under.deadline = private.deadline
  return under
end

-- Starts a request at a handle.
local function start(private, at, verb, arguments, under)
  arguments.link, arguments.handle = at.link, at.handle
  while true do
    local other, ok = private.state.on_links[at.link], true
    local request, code, reason
    if other then ok, code, reason = call.collect(other, under) end
    if not ok then return nil, code, reason end
    request, code, reason = core.start(private.dest, verb, arguments)
    if request or code ~= "full" then return request, code, reason end
    if under then code, reason = under:must_stop() else code = nil end
    if code then return nil, code, reason end
    task.pause(private.state, nil, task.SLICE, true) -- another task's request is under way there
  end
end

local function ask_once(private, verb, arguments, under)
  local request <close>, code, reason = start(private, private, verb, arguments, under)
  if not request then return nil, code, reason end
  private.unsettled = true
  local reply, word, problem, come = call.finish(private.state, request, under)
  private.unsettled = not reply and not come
  private.unfinished = come and come.unfinished -- what an upload has left
  return reply, word, problem
end

-- A read that was given up, by an error that passed through for one, may still fill the buffer: nothing must be written there.
local function settle_buffer(private)
  local under = course_of(private)
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

-- Those that are just being opened as well: nothing runs between the script's calls that could close them later.
local function end_lanes(private)
  private.no_more = true
  for _, opening in ipairs(private.opening) do task.kill(opening) end
  private.opening = {}
  drop_lanes(private)
end

local function close_lanes(private)
  local any = #private.lanes + #private.opening > 0
  end_lanes(private)
  if not any then return end
  local under = course_of(private)
  while not core.settled(private.dest, 0) and not under:must_stop() do task.pause(private.state, nil, task.SLICE, true) end
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
    call.operation(private.state))
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
  for _, pending in ipairs(private.flights) do busy[pending.link] = true end
  if not busy[private.link] then return private end
  for _, lane in ipairs(private.lanes) do
    if not busy[lane.link] then return lane end
  end
end

-- A place in the buffer that neither the script nor a pending uses.
local function free_slot(private, active)
  local used = { [active] = true }
  for _, pending in ipairs(private.flights) do used[pending.from] = true end
  for slot = 0, private.slots - 1 do
    if not used[slot * private.slot_size] then return slot * private.slot_size end
  end
end

-- Whether the name stands for another file by now. What is written changes its size and time, so that then only its birth counts.
local function is_another(private, reply)
  local first = private.identity
  if private.writable then return reply.btime ~= first.btime end
  return reply.size ~= first.size or reply.mtime ~= first.mtime
end

-- After a broken connection: opens the file anew. Gives nil, code, reason on failure; "placed" when there is nothing left to be
-- done, because an upload of that size has its name already.
local function reopen(private, size, under)
  drop_lanes(private)
  private.epoch = private.epoch + 1
  -- The worker may still hold the old handle.
  call.run(private.dest, "close", { link = private.link, handle = private.handle, keep = true }, under)
  local arguments = private.reopen
  arguments.size, arguments.offset = size or math.maxinteger, size or 0
  local reply, code, reason = call.run(private.dest, private.reopen_verb, arguments, under)
  if not reply then return nil, code, reason end
  if reply.handle == 0 then return "placed" end
  if private.reopen_verb == "upload" then
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
local function persist(private, verb, arguments, under, reply, code, reason)
  while not reply do
    local ok, word, problem = under:should_retry(code)
    if not ok then return nil, word or code, problem or reason end
    -- A commit closes its file, well or not.
    if code ~= "busy" or verb == "commit" then ok, code, reason = reopen(private, verb == "commit" and arguments.size, under) end
    if ok == "placed" then return {} end
    if ok then reply, code, reason = ask_once(private, verb, arguments, under) end
  end
  return reply, code, reason
end

-- Sends a request and waits for it, again where that may help.
local function ask(private, verb, arguments)
  local under = course_of(private)
  return persist(private, verb, arguments, under, ask_once(private, verb, arguments, under))
end

-- Sends a request that is taken in later.
local function leave(private, at, verb, arguments)
  local request, code, reason = start(private, at, verb, arguments, course_of(private))
  local pending = call.pending(private.state, at.link, request, code, reason)
  pending.main, pending.epoch, pending.calls = at == private, private.epoch, private.calls
  pending.offset, pending.from, pending.size = arguments.offset, arguments.from, arguments.size
  table.insert(private.flights, pending)
end

-- Writing. ------------------------------------------------------------------------------------------------------------

-- A write that failed is done again, by the first connection, from the slot where its bytes still are.
local function write_again(private, pending)
  local arguments = { offset = pending.offset, size = pending.size, from = pending.from, io_size = private.write_size }
  if pending.main and pending.epoch == private.epoch then
    return persist(private, "write", arguments, course_of(private), nil, pending.code, pending.reason)
  end
  if not call.is_passing(pending.code) then return nil, pending.code, pending.reason end
  drop_lanes(private)
  return ask(private, "write", arguments)
end

-- The end of the oldest write that is on its way. A failed one is remembered: close must not say that all is well.
local function settle_oldest(private)
  local pending = private.flights[1]
  if pending then
    local ok, word, problem = call.collect(pending, course_of(private))
    if not ok then return fail(private, "write", word, problem) end
    local reply, code, reason = pending.reply, nil, nil
    if not reply and not private.failure then reply, code, reason = write_again(private, pending) end
    if private.flights[1] == pending then table.remove(private.flights, 1) end
    if not reply then private.failure = private.failure or { code, reason } end
    if not private.failure then private.arrived = pending.offset + pending.size end
  end
  if not private.failure then return true end
  return fail(private, "write", private.failure[1], private.failure[2])
end

local function settle_writes(private)
  while #private.flights > 0 do
    local before = #private.flights
    local ok, message, code = settle_oldest(private)
    if not ok and #private.flights == before then return nil, message, code end -- the time is over
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
  leave(private, lane, "write", { offset = position - filled, size = filled, from = from, io_size = private.write_size })
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

local function flush(self)
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

local function drop_ahead(private)
  while private.flights[1] do
    local pending = private.flights[1]
    local ok, code, reason = call.collect(pending, course_of(private))
    if not ok then return false, code, reason end
    if private.flights[1] == pending then table.remove(private.flights, 1) end
  end
  return true
end

-- Asks for what follows, as long as there is a connection and a slot that are free.
local function read_ahead(self, private, active)
  local last = private.flights[#private.flights]
  local offset = last and last.offset + last.size or private.next_offset
  while true do
    local lane, slot = free_lane(private), free_slot(private, active)
    local size = math.min(private.chunk * 2, private.read_size)
    if not lane or not slot or not core.file_reserve(self, slot, size) then return end
    private.chunk = size
    leave(private, lane, "read", { offset = offset, size = size, from = slot, io_size = private.read_size })
    offset = offset + size
    if size == private.read_size then grow(private, size) end
  end
end

-- Bytes at `offset`: those that were read ahead, or freshly read ones. Returns the reply, where they are, how many were asked for
-- and whether an earlier call did so: the file's end may have moved since. On failure nil, slot, 0, false, code, reason.
local function fetch(self, private, offset, from)
  local ahead = private.flights[1]
  local ok, word, problem = true, nil, nil
  if ahead and ahead.offset == offset then
    ok, word, problem = call.collect(ahead, course_of(private))
    if ok then table.remove(private.flights, 1) end
    local is_old = ahead.calls ~= private.calls
    if ok and ahead.reply and not (is_old and ahead.reply.bytes == 0) then return ahead.reply, ahead.from, ahead.size, is_old end
  end
  if ok then ok, word, problem = drop_ahead(private) end
  if not ok then return nil, from, 0, false, word, problem end
  if offset ~= private.next_offset then private.chunk = math.min(FIRST, private.read_size) end
  if not core.file_reserve(self, from, private.chunk) then
    return nil, from, 0, false, "failed", "no memory for a file's buffer"
  end
  local reply, code, reason = ask(private, "read",
    { offset = offset, size = private.chunk, from = from, io_size = private.read_size })
  return reply, from, private.chunk, false, code, reason
end

-- Gives an empty window the next bytes, or the end of the file. `first`: a call begins.
local function fill(self, first)
  local private = core.file_state(self)
  if first then begin(private) end
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  local offset, active, _, writing = core.file_where(self)
  if writing then core.file_turn(self, false, offset) end
  local reply, from, asked, is_old, word, reason = fetch(self, private, offset, active)
  if not reply then
    core.file_turn(self, false, offset) -- what came of it lies where the window was
    return fail(private, "read", word, reason)
  end
  local is_short = reply.bytes < asked
  core.file_window(self, from, reply.bytes, is_short and not is_old)
  local in_order = offset == private.next_offset
  private.next_offset = offset + reply.bytes
  if in_order and not is_short then read_ahead(self, private, from) end
  return true
end

-- Makes room for writing, in the first place by turning from reading to writing.
local function drain(self, first)
  local private = core.file_state(self)
  if first then begin(private) end
  local position, _, _, writing = core.file_where(self)
  if writing then
    local sent, message, code = send(self, private)
    if sent then return true end
    private.failure = private.failure or { code, "an earlier write was given up" } -- a part of it may be in the buffer
    return nil, message, code
  end
  local ok, word, problem = drop_ahead(private)
  if ok then ok, word, problem = settle_buffer(private) end
  if not ok then return fail(private, "write", word, problem) end
  if private.append then
    local reply, code, reason = ask(private, "size", {})
    if not reply then return fail(private, "write", code, reason) end
    position = reply.size
  end
  core.file_turn(self, true, position)
  return true
end

methods.read, methods.write = core.file_methods(fill, drain, function(self, first)
  if first then begin(core.file_state(self)) end
  return flush(self)
end)

-- Other methods. ------------------------------------------------------------------------------------------------------

local function check(self)
  if not core.file_is_open(self) then error("attempt to use a closed file", 3) end
  local private = core.file_state(self)
  begin(private)
  return private
end

--- Reads as `file:read` of Lua's io does: "n", "l", "L", "a" or a count of bytes; "l" by default.
-- @function methods:read
-- @return a value for each format, nil where nothing is left; `nil, message, code` on failure

--- Writes strings and numbers, as `file:write` of Lua's io does.
-- @function methods:write
-- @return the file; `nil, message, code` on failure

--- Iterates over lines, or what formats ask for. Failures raise; the file stays open at its end.
-- @param ... formats as for `read`; "l" by default
-- @treturn function iterator
function methods:lines(...)
  check(self)
  local formats = table.pack(...)
  if formats.n > 250 then error("bad argument #251 to 'lines' (too many arguments)", 2) end
  local function results(...)
    local first, message, code = ...
    if first ~= nil then return ... end
    if select("#", ...) > 1 then call.raise(message, code) end -- at the end there is one nil
  end
  return function()
    if not core.file_is_open(self) then error("file is already closed", 2) end
    return results(self:read(table.unpack(formats, 1, formats.n)))
  end
end

local function size_of(self, private)
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  local reply, word, reason = ask(private, "size", {})
  if not reply then return fail(private, "seek", word, reason) end
  return reply.size
end

--- Moves to a position, as `file:seek` of Lua's io does.
-- @tparam[opt="cur"] string whence "set", "cur" or "end"
-- @tparam[opt=0] integer offset bytes
-- @treturn[1] integer the new position, in bytes from the beginning
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:seek(whence, offset)
  local private = check(self)
  whence, offset = whence or "cur", offset or 0
  if whence ~= "set" and whence ~= "cur" and whence ~= "end" then
    error(("bad argument #1 to 'seek' (invalid option '%s')"):format(texts.plain(tostring(whence))), 2)
  end
  offset = math.tointeger(offset)
  if not offset then error("bad argument #2 to 'seek' (an integer expected)", 2) end
  local position, _, _, writing = core.file_where(self)
  local base, message, code = 0
  if whence == "cur" then
    base = position
  elseif whence == "end" then
    base, message, code = size_of(self, private)
    if not base then return nil, message, code end
  end
  local to = base + offset
  if to < 0 or (offset > 0 and to < base) then return fail(private, "seek", "failed", "the position would be negative") end
  if to == position or core.file_skip(self, to) then return to end
  if writing then
    local ok
    ok, message, code = flush(self)
    if not ok then return nil, message, code end
  end
  core.file_turn(self, false, to)
  return to
end

--- Sets how writes are buffered.
-- @tparam string mode "full" (the default), "line" (sent with each newline) or "no" (sent at once)
-- @tparam[opt] integer size taken, and not used: the buffer is as large as a write can be
-- @treturn boolean true
function methods:setvbuf(mode, size)
  check(self)
  local modes = { full = 0, line = 1, no = 2 }
  if not modes[mode] then
    error(("bad argument #1 to 'setvbuf' (invalid option '%s')"):format(texts.plain(tostring(mode))), 2)
  end
  if size ~= nil and not math.tointeger(size) then error("bad argument #2 to 'setvbuf' (an integer expected)", 2) end
  core.file_buffering(self, modes[mode])
  if mode == "no" then return flush(self) end
  return true
end

--- Sends what was written and waits until the server has it.
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:flush()
  check(self)
  return flush(self)
end

--- Makes the file so long: cuts it, or fills it up with zeros. The position stays.
-- @tparam[opt] integer size bytes; the position by default
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:truncate(size)
  local private = check(self)
  local position = core.file_where(self)
  if size == nil then size = position end
  size = math.tointeger(size)
  if not size or size < 0 then error("bad argument #1 to 'truncate' (a size in bytes expected)", 2) end
  if not private.writable then return fail(private, "truncate", "access_denied", "the file is not open for writing") end
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  local word, reason
  ok, word, reason = drop_ahead(private)
  if not ok then return fail(private, "truncate", word, reason) end
  core.file_turn(self, false, position)
  local reply
  reply, word, reason = ask(private, "truncate", { size = size })
  if not reply then return fail(private, "truncate", word, reason) end
  return true
end

--- The file's entry, as `dest:stat` gives it; what was written is sent first.
-- @treturn[1] table entry
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:stat()
  local private = check(self)
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  return private.dest:stat(private.text)
end

local function let_go(private)
  for _, pending in ipairs(private.flights) do call.discard(pending) end
  private.flights = {}
end

-- The handle and the buffer go, whatever the worker says; a failed write is the first thing to be told.
local function close(self, private)
  local ok, message, code = flush(self)
  let_go(private)
  close_lanes(private)
  local reply, word, reason = ask(private, "close", {})
  core.file_closed(self)
  private.state.files[self] = nil
  if not ok then return nil, message, code end
  if private.failure then return fail(private, "close", private.failure[1], private.failure[2]) end
  if not reply and private.writable then return fail(private, "close", word, reason) end
  return true
end

--- Sends what was written and closes the file.
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message: of the first write that failed, if one did
-- @treturn[2] string code
function methods:close()
  return close(self, check(self))
end

metatable.__index = methods

-- Closes a file without waiting for that.
local function walk_off(self, private)
  let_go(private)
  end_lanes(private)
  call.handle(private.state, private):drop()
  core.file_closed(self)
  private.state.files[self] = nil
end

-- Only what was written can be lost: a file that was read is closed well in any case, and by an error, which may be Ctrl-C, at
-- once.
function metatable.__close(self, problem)
  if not core.file_is_open(self) then return end
  local private = core.file_state(self)
  if problem ~= nil and not private.writable then return walk_off(self, private) end
  begin(private)
  local ok, message, code = close(self, private)
  if not ok and problem == nil and private.writable then call.raise(message, code) end
end

function metatable.__tostring(self)
  if not core.file_is_open(self) then return "smb.file (closed)" end
  local private = core.file_state(self)
  return ("smb.file (%s/%s)"):format(private.state.place, texts.plain(private.text))
end

-- Opening. ------------------------------------------------------------------------------------------------------------

local FLAGS = {
  r = {}, ["r+"] = { writable = true },
  w = { writable = true, create = true, truncate = true },
  a = { writable = true, create = true },
}

--- What a mode string means: flags for the worker, and whether the file is read, and appended to.
-- @local
function file.parse_mode(mode)
  local kind, plus, rest = mode:match "^([rwa])(%+?)([bx]*)$"
  if not kind or rest:find "x.*x" or (kind ~= "w" and rest:find("x", 1, true)) then return nil end
  local flags = {}
  for key, value in pairs(FLAGS[kind == "r" and "r" .. plus or kind]) do flags[key] = value end
  if rest:find("x", 1, true) then flags.truncate, flags.exclusive = nil, true end
  return flags, kind == "r" or plus == "+", kind == "a"
end

-- How many slots of a size a buffer has, and what is left of the size where the host has a limit on file sizes: it holds for such
-- memory, too.
local function slots_of(state, size)
  local slots, limit = state.fields.connections + 1, core.file_limit()
  if not limit or slots * size <= limit then return slots, size end
  if 2 * size <= limit then return limit // size, size end
  return 2, math.max(limit // 2, 1)
end

-- A file's userdata and state, not open yet. `sizes` are the effective buffer sizes.
local function new(dest, state, text, sizes)
  local read = stripe.request_size(state, "read_buffer_size", sizes.read)
  local write = stripe.request_size(state, "write_buffer_size", sizes.write)
  local slots, slot_size = slots_of(state, math.max(read, write))
  read, write = math.min(read, slot_size), math.min(write, slot_size)
  local private = { dest = dest, state = state, text = text, read_size = read, write_size = write,
    arrived = 0, resumed = 0, slot_size = slot_size, slots = slots,
    chunk = math.min(FIRST, read), next_offset = 0, flights = {}, lanes = {}, opening = {}, epoch = 0, calls = 0 }
  local self, code, reason = core.file(dest, private, private.slot_size, private.slots)
  return self, private, code, reason
end

local function opened(self, private, reply, readable, writable)
  private.self, private.link, private.handle = self, reply.link, reply.handle
  private.readable, private.writable = readable, writable
  core.file_opened(self, reply.link, reply.handle, readable, writable, private.write_size)
  private.state.files[self] = true
  return self
end

-- A file that is only appended to stands at its end from the first.
local function stand_at_end(self, private)
  begin(private)
  local reply, code, reason = ask(private, "size", {})
  if not reply then
    close(self, private)
    return fail(private, "open", code, reason)
  end
  core.file_turn(self, false, reply.size)
  return self
end

--- Opens a file on a destination.
-- @local
function file.open(dest, state, text, path, mode, sizes)
  local flags, readable, append = file.parse_mode(mode)
  local self, private, word, problem = new(dest, state, text, sizes)
  if not self then return fail(private, "open", word, problem) end
  flags.name, flags.buffer = path, self
  local reply, code, reason = call.retry(dest, "open", flags, call.operation(state))
  if not reply then return fail(private, "open", code, reason) end
  private.reopen_verb, private.reopen = "open", { name = path, buffer = self, writable = flags.writable }
  private.append, private.identity = append, { size = reply.size, mtime = reply.mtime, btime = reply.btime }
  opened(self, private, reply, readable, flags.writable == true)
  if append and not readable then return stand_at_end(self, private) end
  return self
end

--- Begins an upload: a file to be written, which gets its name when it is committed. `operation`: for messages.
-- @local
function file.upload(dest, state, text, arguments, sizes, under, operation)
  local self, private, word, problem = new(dest, state, text, sizes)
  private.operation = operation
  if not self then return fail(private, "write", word, problem) end
  arguments.buffer, arguments.size = self, math.maxinteger
  local reply, code, reason, come
  repeat
    reply, code, reason, come = call.retry(dest, "upload", arguments, under)
  until reply or not transfer.is_name_taken(arguments, come)
  if not reply then
    call.remember(state, arguments, nil, code)
    return fail(private, "write", code, reason .. transfer.leftover(state, arguments, code, come and come.unfinished))
  end
  arguments.again, arguments.ours = true, true
  private.no_more = arguments.in_place or arguments.in_order -- else its size might be reached before all has arrived
  private.under, private.reopen_verb, private.reopen = under, "upload", arguments
  return opened(self, private, reply, false, true)
end

--- Ends an upload: the file takes its name.
-- @local
-- @tparam[opt] string digest SHA-256 in hexadecimal, which it has to have when it is read back
-- @treturn[1] integer its size; then, after two nils, bytes that an earlier attempt had moved
-- @treturn[2] nil, message, code
function file.commit(self, digest)
  local private = core.file_state(self)
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  close_lanes(private)
  local size = core.file_where(self)
  local reply, word, reason = ask(private, "commit", { size = size, digest = digest, read_back = digest ~= nil })
  core.file_closed(self)
  private.state.files[self] = nil
  call.remember(private.state, private.reopen, reply, word)
  if not reply then
    return fail(private, "write", word, reason .. transfer.leftover(private.state, private.reopen, word, private.unfinished))
  end
  transfer.placed(private.state, private.reopen)
  return size, nil, nil, private.resumed
end

--- Gives an upload up; nothing of it is left, or what it gives says what, for the end of a message. `why`: the error word.
-- @local
function file.abandon(self, why)
  if not core.file_is_open(self) then return "" end
  local private = core.file_state(self)
  let_go(private)
  close_lanes(private)
  if core.is_open(private.dest) then
    private.under = private.under:to_tidy()
    local _, code = ask(private, "close", {})
    -- It may not have been sent: nothing else closes the file.
    if code == "timeout" then call.handle(private.state, private):drop() end
    call.remember(private.state, private.reopen, nil, code)
  end
  core.file_closed(self)
  private.state.files[self] = nil
  return transfer.leftover(private.state, private.reopen, why or "", private.unfinished)
end

--- Whether a value is a file of this module.
-- @local
function file.type(value)
  if type(value) ~= "userdata" or getmetatable(value) ~= metatable then return nil end
  return core.file_is_open(value) and "file" or "closed file"
end

--- Closes all files of a destination; gives the first failure.
-- @tparam table state the destination's state
-- @tparam[opt] boolean is_failing as `<close>` by an error does: what was only read is not waited for
-- @local
function file.close_all(state, is_failing)
  local all = {}
  for self in pairs(state.files) do all[#all + 1] = self end
  local failure
  for _, self in ipairs(all) do
    local private = core.file_state(self)
    if not core.file_is_open(self) then
      state.files[self] = nil
    elseif is_failing and not private.writable then
      walk_off(self, private)
    else
      begin(private)
      local ok, message, code = close(self, private)
      if not ok then failure = failure or { message, code } end
    end
  end
  if failure then return nil, failure[1], failure[2] end
  return true
end

return file
