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
-- A file's state: dest, home (the destination's state), text (its name), link and handle (in its first worker), lanes (further
-- handles, each in a worker of its own), io sizes, and `flights`: what is on its way, oldest first, all reads or all writes. A
-- worker does one thing at a time: before a request, what another file has on its way there is taken in.

local function fail(state, operation, code, reason)
  return nil, call.message(state.operation or operation, state.text, state.home.place, reason), code
end

-- A call on a file begins: total_timeout counts from here, however many requests it comes to; where the file ends is not known.
local function begin(state)
  state.calls = state.calls + 1
  local total = state.home.fields.total_timeout
  state.deadline = total and core.clock() + total
end

-- The course of a request; an upload has one for all of them.
local function course_of(state)
  if state.under then return state.under end
  local under = call.course(state.home)
  under.deadline = state.deadline
  return under
end

-- Starts a request at a handle.
local function start(state, at, verb, arguments, under)
  arguments.link, arguments.handle = at.link, at.handle
  while true do
    local other, ok = state.home.on_links[at.link], true
    local request, code, reason
    if other then ok, code, reason = call.take_in(other, under) end
    if not ok then return nil, code, reason end
    request, code, reason = core.start(state.dest, verb, arguments)
    if request or code ~= "full" then return request, code, reason end
    if under then code, reason = under:check() else code = nil end
    if code then return nil, code, reason end
    task.pause(state.home, nil, task.SLICE, true) -- another task's request is under way there
  end
end

local function ask_once(state, verb, arguments, under)
  local request <close>, code, reason = start(state, state, verb, arguments, under)
  if not request then return nil, code, reason end
  state.unsettled = true
  local reply, word, problem, come = call.finish(state.home, request, under)
  state.unsettled = not reply and not come
  state.unfinished = come and come.unfinished -- what an upload has left
  return reply, word, problem
end

-- A read that was given up, by an error that passed through for one, may still fill the buffer: nothing must be written there.
local function settle_buffer(state)
  local under = course_of(state)
  while state.unsettled and not core.settled(state.dest, 0) do
    local code, reason = under:check()
    if code then return false, code, reason end
    task.pause(state.home, nil, under:slice(), true)
  end
  state.unsettled = false
  return true
end

-- Further connections. ------------------------------------------------------------------------------------------------

-- Hangs up on further handles; nobody waits for that, but who needs to.
local function drop_lanes(state)
  local lanes = state.lanes
  state.lanes = {}
  for _, lane in ipairs(lanes) do lane:drop() end
end

-- Those that are just being opened as well: nothing runs between the script's calls that could close them later.
local function end_lanes(state)
  state.no_more = true
  for _, opening in ipairs(state.opening) do task.kill(opening) end
  state.opening = {}
  drop_lanes(state)
end

local function close_lanes(state)
  local any = #state.lanes + #state.opening > 0
  end_lanes(state)
  if not any then return end
  local under = course_of(state)
  while not core.settled(state.dest, 0) and not under:check() do task.pause(state.home, nil, task.SLICE, true) end
end

local function forget_opening(state, me)
  for i, opening in ipairs(state.opening) do
    if opening == me then return table.remove(state.opening, i) end
  end
end

local function open_lane(state)
  local self, me = state.self, task.running()
  table.insert(state.opening, me)
  local name = state.reopen.temp or state.reopen.name
  local reply = call.run(state.dest, "open", { name = name, writable = state.writable, own = true, buffer = self },
    call.course(state.home))
  forget_opening(state, me)
  local lane = reply and call.handle(state.home, reply)
  if not lane or state.no_more or not core.file_is_open(self) then
    state.no_more = true
    if lane then lane:drop() end
    return
  end
  state.lanes[#state.lanes + 1] = lane
end

-- Where the round trip is long, for what a connection moves meanwhile, further ones read ahead and write behind, too.
local function grow(state, size)
  local most = math.min(stripe.connections(state.home, size) - 1, state.slots - 2)
  local more = most - #state.lanes - #state.opening
  if state.no_more or more <= 0 then return end
  core.warm(state.dest, most + 1)
  for _ = 1, more do task.spawn(state.home, open_lane, state) end
end

-- A handle at which nothing is on its way.
local function free_lane(state)
  local busy = {}
  for _, flight in ipairs(state.flights) do busy[flight.link] = true end
  if not busy[state.link] then return state end
  for _, lane in ipairs(state.lanes) do
    if not busy[lane.link] then return lane end
  end
end

-- A place in the buffer that neither the script nor a flight uses.
local function free_slot(state, active)
  local used = { [active] = true }
  for _, flight in ipairs(state.flights) do used[flight.from] = true end
  for slot = 0, state.slots - 1 do
    if not used[slot * state.slot_size] then return slot * state.slot_size end
  end
end

-- Whether the name stands for another file by now. What is written changes its size and time, so that then only its birth counts.
local function is_another(state, reply)
  local first = state.identity
  if state.writable then return reply.btime ~= first.btime end
  return reply.size ~= first.size or reply.mtime ~= first.mtime
end

-- After a broken connection: opens the file anew. Gives nil, code, reason on failure; "placed" when there is nothing left to be
-- done, because an upload of that size has its name already.
local function reopen(state, size, under)
  drop_lanes(state)
  state.epoch = state.epoch + 1
  -- The worker may still hold the old handle.
  call.run(state.dest, "close", { link = state.link, handle = state.handle, keep = true }, under)
  local arguments = state.reopen
  arguments.size, arguments.offset = size or math.maxinteger, size or 0
  local reply, code, reason = call.run(state.dest, state.reopen_verb, arguments, under)
  if not reply then return nil, code, reason end
  if reply.handle == 0 then return "placed" end
  if state.reopen_verb == "upload" then
    if reply.bytes < state.arrived then return nil, "failed", "what had arrived is no longer there" end
    state.resumed = state.arrived
  elseif is_another(state, reply) then
    call.run(state.dest, "close", { link = reply.link, handle = reply.handle })
    return nil, "source_changed", "the file is another than the one that was opened"
  end
  state.link, state.handle = reply.link, reply.handle
  core.file_opened(state.self, reply.link, reply.handle, state.readable, state.writable, state.write_size)
  return true
end

-- After an attempt, which may have failed: makes others where that may help.
local function persist(state, verb, arguments, under, reply, code, reason)
  while not reply do
    local ok, word, problem = under:again(code)
    if not ok then return nil, word or code, problem or reason end
    -- A commit closes its file, well or not.
    if code ~= "busy" or verb == "commit" then ok, code, reason = reopen(state, verb == "commit" and arguments.size, under) end
    if ok == "placed" then return {} end
    if ok then reply, code, reason = ask_once(state, verb, arguments, under) end
  end
  return reply, code, reason
end

-- Sends a request and waits for it, again where that may help.
local function ask(state, verb, arguments)
  local under = course_of(state)
  return persist(state, verb, arguments, under, ask_once(state, verb, arguments, under))
end

-- Sends a request that is taken in later.
local function leave(state, at, verb, arguments)
  local request, code, reason = start(state, at, verb, arguments, course_of(state))
  local flight = call.flight(state.home, at.link, request, code, reason)
  flight.main, flight.epoch, flight.calls = at == state, state.epoch, state.calls
  flight.offset, flight.from, flight.size = arguments.offset, arguments.from, arguments.size
  table.insert(state.flights, flight)
end

-- Writing. ------------------------------------------------------------------------------------------------------------

-- A write that failed is done again, by the first connection, from the slot where its bytes still are.
local function write_again(state, flight)
  local arguments = { offset = flight.offset, size = flight.size, from = flight.from, io_size = state.write_size }
  if flight.main and flight.epoch == state.epoch then
    return persist(state, "write", arguments, course_of(state), nil, flight.code, flight.reason)
  end
  if not call.is_passing(flight.code) then return nil, flight.code, flight.reason end
  drop_lanes(state)
  return ask(state, "write", arguments)
end

-- The end of the oldest write that is on its way. A failed one is remembered: close must not say that all is well.
local function settle_oldest(state)
  local flight = state.flights[1]
  if flight then
    local ok, word, problem = call.take_in(flight, course_of(state))
    if not ok then return fail(state, "write", word, problem) end
    local reply, code, reason = flight.reply, nil, nil
    if not reply and not state.failure then reply, code, reason = write_again(state, flight) end
    if state.flights[1] == flight then table.remove(state.flights, 1) end
    if not reply then state.failure = state.failure or { code, reason } end
    if not state.failure then state.arrived = flight.offset + flight.size end
  end
  if not state.failure then return true end
  return fail(state, "write", state.failure[1], state.failure[2])
end

local function settle_writes(state)
  while #state.flights > 0 do
    local before = #state.flights
    local ok, message, code = settle_oldest(state)
    if not ok and #state.flights == before then return nil, message, code end -- the time is over
  end
  return settle_oldest(state)
end

local function send(self, state)
  local position, from, filled = core.file_where(self)
  if state.failure then return settle_oldest(state) end
  if filled == 0 then return true end
  local lane = free_lane(state)
  while not lane do
    local ok, message, code = settle_oldest(state)
    if not ok then return nil, message, code end
    lane = free_lane(state)
  end
  leave(state, lane, "write", { offset = position - filled, size = filled, from = from, io_size = state.write_size })
  local slot = free_slot(state, from)
  while not slot do
    local ok, message, code = settle_oldest(state)
    if not ok then return nil, message, code end
    slot = free_slot(state, from)
  end
  core.file_sent(self, slot)
  if filled == state.write_size and position > 2 * filled then grow(state, filled) end
  return true
end

local function flush(self)
  local state = core.file_state(self)
  local _, _, _, writing = core.file_where(self)
  if not writing then return true end
  local ok, message, code = send(self, state)
  if ok then ok, message, code = settle_writes(state) end
  if not ok then return nil, message, code end
  if state.append then core.file_turn(self, false, (core.file_where(self))) end -- the end may be elsewhere next time
  return true
end

-- Reading. ------------------------------------------------------------------------------------------------------------

local function drop_ahead(state)
  while state.flights[1] do
    local flight = state.flights[1]
    local ok, code, reason = call.take_in(flight, course_of(state))
    if not ok then return false, code, reason end
    if state.flights[1] == flight then table.remove(state.flights, 1) end
  end
  return true
end

-- Asks for what follows, as long as there is a connection and a slot that are free.
local function read_ahead(self, state, active)
  local last = state.flights[#state.flights]
  local offset = last and last.offset + last.size or state.next_offset
  while true do
    local lane, slot = free_lane(state), free_slot(state, active)
    local size = math.min(state.chunk * 2, state.read_size)
    if not lane or not slot or not core.file_reserve(self, slot, size) then return end
    state.chunk = size
    leave(state, lane, "read", { offset = offset, size = size, from = slot, io_size = state.read_size })
    offset = offset + size
    if size == state.read_size then grow(state, size) end
  end
end

-- Bytes at `offset`: those that were read ahead, or freshly read ones. Returns the reply, where they are, how many were asked for
-- and whether an earlier call did so: the file's end may have moved since. On failure nil, slot, 0, false, code, reason.
local function fetch(self, state, offset, from)
  local ahead = state.flights[1]
  local ok, word, problem = true, nil, nil
  if ahead and ahead.offset == offset then
    ok, word, problem = call.take_in(ahead, course_of(state))
    if ok then table.remove(state.flights, 1) end
    local is_old = ahead.calls ~= state.calls
    if ok and ahead.reply and not (is_old and ahead.reply.bytes == 0) then return ahead.reply, ahead.from, ahead.size, is_old end
  end
  if ok then ok, word, problem = drop_ahead(state) end
  if not ok then return nil, from, 0, false, word, problem end
  if offset ~= state.next_offset then state.chunk = math.min(FIRST, state.read_size) end
  if not core.file_reserve(self, from, state.chunk) then
    return nil, from, 0, false, "failed", "no memory for a file's buffer"
  end
  local reply, code, reason = ask(state, "read",
    { offset = offset, size = state.chunk, from = from, io_size = state.read_size })
  return reply, from, state.chunk, false, code, reason
end

-- Gives an empty window the next bytes, or the end of the file. `first`: a call begins.
local function fill(self, first)
  local state = core.file_state(self)
  if first then begin(state) end
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  local offset, active, _, writing = core.file_where(self)
  if writing then core.file_turn(self, false, offset) end
  local reply, from, asked, is_old, word, reason = fetch(self, state, offset, active)
  if not reply then
    core.file_turn(self, false, offset) -- what came of it lies where the window was
    return fail(state, "read", word, reason)
  end
  local is_short = reply.bytes < asked
  core.file_window(self, from, reply.bytes, is_short and not is_old)
  local in_order = offset == state.next_offset
  state.next_offset = offset + reply.bytes
  if in_order and not is_short then read_ahead(self, state, from) end
  return true
end

-- Makes room for writing, in the first place by turning from reading to writing.
local function drain(self, first)
  local state = core.file_state(self)
  if first then begin(state) end
  local position, _, _, writing = core.file_where(self)
  if writing then
    local sent, message, code = send(self, state)
    if sent then return true end
    state.failure = state.failure or { code, "an earlier write was given up" } -- a part of it may be in the buffer
    return nil, message, code
  end
  local ok, word, problem = drop_ahead(state)
  if ok then ok, word, problem = settle_buffer(state) end
  if not ok then return fail(state, "write", word, problem) end
  if state.append then
    local reply, code, reason = ask(state, "size", {})
    if not reply then return fail(state, "write", code, reason) end
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
  local state = core.file_state(self)
  begin(state)
  return state
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

local function size_of(self, state)
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  local reply, word, reason = ask(state, "size", {})
  if not reply then return fail(state, "seek", word, reason) end
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
  local state = check(self)
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
    base, message, code = size_of(self, state)
    if not base then return nil, message, code end
  end
  local to = base + offset
  if to < 0 or (offset > 0 and to < base) then return fail(state, "seek", "failed", "the position would be negative") end
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
  local state = check(self)
  local position = core.file_where(self)
  if size == nil then size = position end
  size = math.tointeger(size)
  if not size or size < 0 then error("bad argument #1 to 'truncate' (a size in bytes expected)", 2) end
  if not state.writable then return fail(state, "truncate", "access_denied", "the file is not open for writing") end
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  local word, reason
  ok, word, reason = drop_ahead(state)
  if not ok then return fail(state, "truncate", word, reason) end
  core.file_turn(self, false, position)
  local reply
  reply, word, reason = ask(state, "truncate", { size = size })
  if not reply then return fail(state, "truncate", word, reason) end
  return true
end

--- The file's entry, as `dest:stat` gives it; what was written is sent first.
-- @treturn[1] table entry
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:stat()
  local state = check(self)
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  return state.dest:stat(state.text)
end

local function let_go(state)
  for _, flight in ipairs(state.flights) do call.let_go(flight) end
  state.flights = {}
end

-- The handle and the buffer go, whatever the worker says; a failed write is the first thing to be told.
local function close(self, state)
  local ok, message, code = flush(self)
  let_go(state)
  close_lanes(state)
  local reply, word, reason = ask(state, "close", {})
  core.file_closed(self)
  state.home.files[self] = nil
  if not ok then return nil, message, code end
  if state.failure then return fail(state, "close", state.failure[1], state.failure[2]) end
  if not reply and state.writable then return fail(state, "close", word, reason) end
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
local function walk_off(self, state)
  let_go(state)
  end_lanes(state)
  call.handle(state.home, state):drop()
  core.file_closed(self)
  state.home.files[self] = nil
end

-- Only what was written can be lost: a file that was read is closed well in any case, and by an error, which may be Ctrl-C, at
-- once.
function metatable.__close(self, problem)
  if not core.file_is_open(self) then return end
  local state = core.file_state(self)
  if problem ~= nil and not state.writable then return walk_off(self, state) end
  begin(state)
  local ok, message, code = close(self, state)
  if not ok and problem == nil and state.writable then call.raise(message, code) end
end

function metatable.__tostring(self)
  if not core.file_is_open(self) then return "smb.file (closed)" end
  local state = core.file_state(self)
  return ("smb.file (%s/%s)"):format(state.home.place, texts.plain(state.text))
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
local function slots_of(home, size)
  local slots, limit = home.fields.connections + 1, core.file_limit()
  if not limit or slots * size <= limit then return slots, size end
  if 2 * size <= limit then return limit // size, size end
  return 2, math.max(limit // 2, 1)
end

-- A file's userdata and state, not open yet. `sizes` are the effective buffer sizes.
local function new(dest, home, text, sizes)
  local read = stripe.request_size(home, "read_buffer_size", sizes.read)
  local write = stripe.request_size(home, "write_buffer_size", sizes.write)
  local slots, slot_size = slots_of(home, math.max(read, write))
  read, write = math.min(read, slot_size), math.min(write, slot_size)
  local state = { dest = dest, home = home, text = text, read_size = read, write_size = write,
    arrived = 0, resumed = 0, slot_size = slot_size, slots = slots,
    chunk = math.min(FIRST, read), next_offset = 0, flights = {}, lanes = {}, opening = {}, epoch = 0, calls = 0 }
  local self, code, reason = core.file(dest, state, state.slot_size, state.slots)
  return self, state, code, reason
end

local function opened(self, state, reply, readable, writable)
  state.self, state.link, state.handle = self, reply.link, reply.handle
  state.readable, state.writable = readable, writable
  core.file_opened(self, reply.link, reply.handle, readable, writable, state.write_size)
  state.home.files[self] = true
  return self
end

-- A file that is only appended to stands at its end from the first.
local function stand_at_end(self, state)
  begin(state)
  local reply, code, reason = ask(state, "size", {})
  if not reply then
    close(self, state)
    return fail(state, "open", code, reason)
  end
  core.file_turn(self, false, reply.size)
  return self
end

--- Opens a file on a destination.
-- @local
function file.open(dest, home, text, path, mode, sizes)
  local flags, readable, append = file.parse_mode(mode)
  local self, state, word, problem = new(dest, home, text, sizes)
  if not self then return fail(state, "open", word, problem) end
  flags.name, flags.buffer = path, self
  local reply, code, reason = call.persist(dest, "open", flags, call.course(home))
  if not reply then return fail(state, "open", code, reason) end
  state.reopen_verb, state.reopen = "open", { name = path, buffer = self, writable = flags.writable }
  state.append, state.identity = append, { size = reply.size, mtime = reply.mtime, btime = reply.btime }
  opened(self, state, reply, readable, flags.writable == true)
  if append and not readable then return stand_at_end(self, state) end
  return self
end

--- Begins an upload: a file to be written, which gets its name when it is committed. `operation`: for messages.
-- @local
function file.upload(dest, home, text, arguments, sizes, under, operation)
  local self, state, word, problem = new(dest, home, text, sizes)
  state.operation = operation
  if not self then return fail(state, "write", word, problem) end
  arguments.buffer, arguments.size = self, math.maxinteger
  local reply, code, reason, come
  repeat
    reply, code, reason, come = call.persist(dest, "upload", arguments, under)
  until reply or not transfer.is_name_taken(arguments, come)
  if not reply then
    call.owe(home, arguments, nil, code)
    return fail(state, "write", code, reason .. transfer.leftover(home, arguments, code, come and come.unfinished))
  end
  arguments.again, arguments.ours = true, true
  state.no_more = arguments.in_place or arguments.in_order -- else its size might be reached before all has arrived
  state.under, state.reopen_verb, state.reopen = under, "upload", arguments
  return opened(self, state, reply, false, true)
end

--- Ends an upload: the file takes its name.
-- @local
-- @tparam[opt] string digest SHA-256 in hexadecimal, which it has to have when it is read back
-- @treturn[1] integer its size; then, after two nils, bytes that an earlier attempt had moved
-- @treturn[2] nil, message, code
function file.commit(self, digest)
  local state = core.file_state(self)
  local ok, message, code = flush(self)
  if not ok then return nil, message, code end
  close_lanes(state)
  local size = core.file_where(self)
  local reply, word, reason = ask(state, "commit", { size = size, digest = digest, read_back = digest ~= nil })
  core.file_closed(self)
  state.home.files[self] = nil
  call.owe(state.home, state.reopen, reply, word)
  if not reply then
    return fail(state, "write", word, reason .. transfer.leftover(state.home, state.reopen, word, state.unfinished))
  end
  transfer.placed(state.home, state.reopen)
  return size, nil, nil, state.resumed
end

--- Gives an upload up; nothing of it is left, or what it gives says what, for the end of a message. `why`: the error word.
-- @local
function file.abandon(self, why)
  if not core.file_is_open(self) then return "" end
  local state = core.file_state(self)
  let_go(state)
  close_lanes(state)
  if core.is_open(state.dest) then
    state.under = state.under:to_tidy()
    local _, code = ask(state, "close", {})
    if code == "timeout" then call.handle(state.home, state):drop() end -- it may not have been sent: nothing else closes the file
    call.owe(state.home, state.reopen, nil, code)
  end
  core.file_closed(self)
  state.home.files[self] = nil
  return transfer.leftover(state.home, state.reopen, why or "", state.unfinished)
end

--- Whether a value is a file of this module.
-- @local
function file.type(value)
  if type(value) ~= "userdata" or getmetatable(value) ~= metatable then return nil end
  return core.file_is_open(value) and "file" or "closed file"
end

--- Closes all files of a destination; gives the first failure.
-- @tparam table home the destination's state
-- @tparam[opt] boolean is_failing as `<close>` by an error does: what was only read is not waited for
-- @local
function file.close_all(home, is_failing)
  local all = {}
  for self in pairs(home.files) do all[#all + 1] = self end
  local failure
  for _, self in ipairs(all) do
    local state = core.file_state(self)
    if not core.file_is_open(self) then
      home.files[self] = nil
    elseif is_failing and not state.writable then
      walk_off(self, state)
    else
      begin(state)
      local ok, message, code = close(self, state)
      if not ok then failure = failure or { message, code } end
    end
  end
  if failure then return nil, failure[1], failure[2] end
  return true
end

return file
