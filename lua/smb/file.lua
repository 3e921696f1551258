--- An open file on the share, with the methods of Lua's own files.
--
-- Reading is ahead of the script and writing behind it: while the script works in one slot of the buffer, others are on
-- their way; where the round trip is long, over several connections. A write that failed is reported at the latest by
-- `flush` or `close`.
-- @classmod file

local arity = require "smb.arity"
local call = require "smb.call"
local core = require "smb.core"
local failures = require "smb.failure"
local file_io = require "smb.file_io"
local operations = require "smb.operation"
local stripe = require "smb.stripe"
local texts = require "smb.text"

local file = {}
local methods = {}
local metatable = core.file_metatable

methods.read, methods.write = core.file_methods(file_io.fill, file_io.drain, function(self, first)
  if first then file_io.begin(core.file_state(self)) end
  return file_io.flush(self)
end)

-- Other methods. ------------------------------------------------------------------------------------------------------

local function check(self)
  if not core.file_is_open(self) then error("attempt to use a closed file", 3) end
  local private = core.file_state(self)
  file_io.begin(private)
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
    if select("#", ...) > 1 then failures.raise(message, code) end -- at the end there is one nil
  end
  return function()
    if not core.file_is_open(self) then error("file is already closed", 2) end
    return results(self:read(table.unpack(formats, 1, formats.n)))
  end
end

local function size_of(self, private)
  local ok, message, code = file_io.flush(self)
  if not ok then return nil, message, code end
  local reply, word, reason = file_io.ask(private, "size", {})
  if not reply then return file_io.fail(private, "seek", word, reason) end
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
  if to < 0 or (offset > 0 and to < base) then
    return file_io.fail(private, "seek", "failed", "the position would be negative")
  end
  if to == position or core.file_skip(self, to) then return to end
  if writing then
    local ok
    ok, message, code = file_io.flush(self)
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
  if mode == "no" then return file_io.flush(self) end
  return true
end

--- Sends what was written and waits until the server has it.
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:flush()
  check(self)
  return file_io.flush(self)
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
  if not private.writable then
    return file_io.fail(private, "truncate", "access_denied", "the file is not open for writing")
  end
  local ok, message, code = file_io.flush(self)
  if not ok then return nil, message, code end
  local word, reason
  ok, word, reason = file_io.drop_ahead(private)
  if not ok then return file_io.fail(private, "truncate", word, reason) end
  core.file_turn(self, false, position)
  local reply
  reply, word, reason = file_io.ask(private, "truncate", { size = size })
  if not reply then return file_io.fail(private, "truncate", word, reason) end
  return true
end

--- The file's entry, as `dest:stat` gives it; what was written is sent first.
-- @treturn[1] table entry
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:stat()
  local private = check(self)
  local ok, message, code = file_io.flush(self)
  if not ok then return nil, message, code end
  return private.dest:stat(private.text)
end

-- Releases handle and buffer whatever the worker answers; reports a failed write before any other failure.
local function close(self, private)
  local ok, message, code = file_io.flush(self)
  file_io.discard(private)
  file_io.close_lanes(private)
  local reply, word, reason = file_io.ask(private, "close", {})
  core.file_closed(self)
  private.state.files[self] = nil
  if not ok then return nil, message, code end
  if private.failure then return file_io.fail(private, "close", private.failure[1], private.failure[2]) end
  if not reply and private.writable then return file_io.fail(private, "close", word, reason) end
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

local own = { read = methods.read, write = methods.write } -- the core's tell it themselves
methods.read, methods.write = nil, nil
arity.receivers(methods, metatable, "file")
methods.read, methods.write = own.read, own.write
metatable.__index = methods

-- Closes a file without waiting for that.
local function walk_off(self, private)
  file_io.discard(private)
  file_io.end_lanes(private)
  call.handle(private.state, private):drop()
  core.file_closed(self)
  private.state.files[self] = nil
end

-- Only what was written can be lost: a file that was read is closed well in any case, and by an error, which may be
-- Ctrl-C, at once.
function metatable.__close(self, problem)
  if not core.file_is_open(self) then return end
  local private = core.file_state(self)
  if problem ~= nil and not private.writable then return walk_off(self, private) end
  file_io.begin(private)
  local ok, message, code = close(self, private)
  if not ok and problem == nil and private.writable then failures.raise(message, code) end
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

-- How many slots of a size a buffer has, and what is left of the size where the host has a limit on file sizes: it
-- holds for such memory, too.
local function slots_of(state, size)
  local slots, limit = state.fields.connections + 1, core.file_limit()
  if not limit or slots * size <= limit then return slots, size end
  if 2 * size <= limit then return limit // size, size end
  return 2, math.max(limit // 2, 1)
end

--- A file's userdata and state, not open yet. `sizes` are the effective buffer sizes.
-- @local
function file.new(dest, state, text, sizes)
  local read = stripe.request_size(state, "read_buffer_size", sizes.read)
  local write = stripe.request_size(state, "write_buffer_size", sizes.write)
  local slots, slot_size = slots_of(state, math.max(read, write))
  read, write = math.min(read, slot_size), math.min(write, slot_size)
  local private = { dest = dest, state = state, text = text, read_size = read, write_size = write,
    arrived = 0, resumed = 0, slot_size = slot_size, slots = slots,
    chunk = math.min(file_io.FIRST, read), next_offset = 0, pending = {}, lanes = {}, opening = {}, epoch = 0,
    calls = 0 }
  local self, code, reason = core.file(dest, private, private.slot_size, private.slots)
  return self, private, code, reason
end

--- A file was opened: `reply` says where.
-- @local
function file.opened(self, private, reply, readable, writable)
  private.self, private.link, private.handle = self, reply.link, reply.handle
  private.readable, private.writable = readable, writable
  core.file_opened(self, reply.link, reply.handle, readable, writable, private.write_size)
  private.state.files[self] = true
  return self
end

-- A file that is only appended to stands at its end from the first.
local function stand_at_end(self, private)
  file_io.begin(private)
  local reply, code, reason = file_io.ask(private, "size", {})
  if not reply then
    close(self, private)
    return file_io.fail(private, "open", code, reason)
  end
  core.file_turn(self, false, reply.size)
  return self
end

--- Opens a file on a destination. `under`: the operation of all that is done with it; each method has its own by
-- default.
-- @local
function file.open(dest, state, text, path, mode, sizes, under)
  local flags, readable, append = file.parse_mode(mode)
  local self, private, word, problem = file.new(dest, state, text, sizes)
  if not self then return file_io.fail(private, "open", word, problem) end
  flags.name, flags.buffer = path, self
  private.under, private.operation = under, under and under.what
  local opening = under or operations.new(state, "open", text)
  local reply, code, reason = call.retry(dest, "open", flags, opening)
  if not reply then
    opening:failed()
    return file_io.fail(private, "open", code, reason)
  end
  if under then under.total = reply.size end
  private.reopen_verb, private.reopen = "open", { name = path, buffer = self, writable = flags.writable }
  private.append, private.identity = append, { size = reply.size, mtime = reply.mtime, btime = reply.btime }
  file.opened(self, private, reply, readable, flags.writable == true)
  if append and not readable then return stand_at_end(self, private) end
  return self
end

--- Whether a value is a file of this module.
-- @local
function file.type(value)
  if type(value) ~= "userdata" or getmetatable(value) ~= metatable then return nil end
  return core.file_is_open(value) and "file" or "closed file"
end

--- Closes all files of a destination; returns the first failure.
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
      file_io.begin(private)
      local ok, message, code = close(self, private)
      if not ok then failure = failure or { message, code } end
    end
  end
  if failure then return nil, failure[1], failure[2] end
  return true
end

return file
