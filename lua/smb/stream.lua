--- Sends what a reader returns: of a length that nobody knows before its end.
-- @module smb.stream

local core = require "smb.core"
local failures = require "smb.failure"
local task = require "smb.task"
local transfer = require "smb.transfer"
local upload = require "smb.upload"

local stream = {}

local PIECE = 1024 * 1024 -- bytes that a file is given at a time
local TURN = 0.005 -- seconds that others, who wait for the network, wait for a local pipe at most

local function message_of(state, how, reason) return failures.message(how.operation, how.text, state.place, reason) end

-- What happened, of a message that tells where.
local function reason_of(state, how, message)
  local where = message_of(state, how, "")
  return message:sub(1, #where) == where and message:sub(#where + 1) or message
end

-- Sends a long string piece by piece, so that progress is reported and a job lets others have their turn.
local function send_pieces(up, how, data, hash, under)
  for first = 1, math.max(#data, 1), PIECE do
    local piece = #data <= PIECE and data or data:sub(first, first + PIECE - 1)
    if hash then core.sha256_add(hash, piece) end
    local ok, message, code = up:write(piece)
    if not ok then return nil, message, code end
    under.done = under.done + #piece
    local word, problem = under:must_stop() -- nothing may have been waited for but the reader
    if word then return nil, message_of(under.state, how, problem), word end
    if hash then task.breathe(under.state) end
  end
  return true
end

-- Sends what a reader returns: strings, until nil. nil and an error is a failure, and is returned as it is.
local function send_all(up, how, reader, hash, under)
  under.done = 0
  while true do
    local data, problem, word = reader()
    if data == nil then
      if problem ~= nil then return nil, problem, word or "local_io" end
      return true
    end
    if type(data) ~= "string" then error(("write: the reader gave a %s, not a string"):format(type(data)), 4) end
    local ok, message, code = send_pieces(up, how, data, hash, under)
    if not ok then return nil, message, code end
  end
end

--- Sends what a reader returns. The file appears under its name when it is complete.
-- @tparam table state the destination's state
-- @tparam table how `operation` and `text` (for messages), `path` (on the share), `overwrite`, `parents`, `in_place`,
-- `in_order` (over one connection), `sha256` (whether it is wanted), `read_back`, `sizes` (of the buffers)
-- @tparam function reader returns strings until nil
-- @tparam table under the call's operation
-- @treturn[1] table `size`, `resumed` (bytes that an earlier attempt had moved), `sha256`
-- @treturn[2] nil
-- @treturn[2] string the message
-- @treturn[2] string the error word
function stream.send(state, how, reader, under)
  local request = transfer.upload_target(state, how.path, how.overwrite, how.in_place)
  local hash = how.sha256 and core.sha256()
  request.parents, request.io_size, request.in_order = how.parents, how.sizes.write, how.in_order
  under.measure = function() end -- what the reader gave counts
  local up, message, code = upload.begin(state.dest, state, how.text, request, how.sizes, under, how.operation)
  if not up then return nil, message, code end
  local _ <close> = setmetatable({}, { __close = function() upload.abandon(up) end })
  local ok, size, resumed
  ok, message, code = send_all(up, how, reader, hash, under)
  local sha256 = hash and core.sha256_hex(hash) or nil
  if ok then size, message, code, resumed = upload.commit(up, how.read_back and sha256 or nil) end
  if not size then
    local left = upload.abandon(up, code)
    local is_ours = type(message) == "string" and reason_of(state, how, message) ~= message
    return nil, is_ours and message .. left or message, code -- a reader's own error comes back as it is
  end
  return { size = size, resumed = resumed, sha256 = sha256 }
end

-- A reader of a local pipe or device. A pipe that nobody writes to is waited for as long as an opening may take.
local function reader_of(state, source, here, under)
  local till = core.clock() + state.fields.short_timeout
  return function()
    while true do
      local in_turn = task.running() and coroutine.isyieldable()
      local data, word, reason = core.local_some(source, (in_turn and 0) or (#state.tasks > 0 and TURN) or task.SLICE)
      if data then return data end
      if data == nil then return nil, word and ("'%s': %s"):format(here, reason), word end
      if word ~= "unwritten" then till = math.huge end
      if core.clock() > till then return nil, ("'%s': nobody writes to this pipe"):format(here), "local_io" end
      local code, problem = under:must_stop()
      if code then return nil, problem, code end
      if in_turn then
        coroutine.yield() -- a nap, as a user's reader takes it
      else
        core.poll(state.dest, 0)
        task.step(state)
      end
    end
  end
end

--- Sends a local file whose size means nothing: a pipe, a device, a file of /proc. It is read to its end.
-- @tparam table state the destination's state
-- @tparam userdata source core.open_local's
-- @tparam string here its path
-- @tparam table how as for `stream.send`
-- @tparam table under the call's operation
-- @treturn[1] table `bytes`, `resumed`, `sha256`
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function stream.put(state, source, here, how, under)
  local sent, message, code = stream.send(state, how, reader_of(state, source, here, under), under)
  if not sent then return nil, code, reason_of(state, how, message) end
  return { bytes = sent.size, resumed = sent.resumed, sha256 = sent.sha256 }
end

return stream
