--- A file that is written from beginning to end, and gets its name when it is complete: what `dest:write` sends by.
-- @module smb.upload

local call = require "smb.call"
local core = require "smb.core"
local file = require "smb.file"
local file_io = require "smb.file_io"
local leftovers = require "smb.leftovers"
local transfer = require "smb.transfer"

local upload = {}

--- Begins an upload: a file to be written, which gets its name when it is committed. `operation`: for messages.
-- @local
function upload.begin(dest, state, text, request, sizes, under, operation)
  local self, private, word, problem = file.new(dest, state, text, sizes)
  private.operation = operation
  if not self then return file_io.fail(private, "write", word, problem) end
  request.buffer, request.size = self, math.maxinteger
  local reply, code, reason, remains
  repeat
    reply, code, reason, remains = call.retry(dest, "upload", request, under)
  until reply or not transfer.is_name_taken(request, remains)
  if not reply then
    leftovers.remember(state, request, nil, code)
    return file_io.fail(private, "write", code, reason
      .. transfer.leftover(state, request, code, remains and remains.unfinished))
  end
  private.keep = under:may_retry()
  private.no_more = request.in_place or request.in_order -- else its size might be reached before all has arrived
  private.under, private.reopen_verb, private.reopen = under, "upload", request
  return file.opened(self, private, reply, false, true)
end

--- Ends an upload: the file takes its name.
-- @local
-- @tparam[opt] string digest SHA-256 in hexadecimal, which it has to have when it is read back
-- @treturn[1] integer its size; then, after two nils, bytes that an earlier attempt had moved
-- @treturn[2] nil, message, code
function upload.commit(self, digest)
  local private = core.file_state(self)
  local ok, message, code = file_io.flush(self)
  if not ok then return nil, message, code end
  file_io.close_lanes(private)
  local size = core.file_where(self)
  local reply, word,
    reason = file_io.ask(private, "commit", { size = size, digest = digest, read_back = digest ~= nil })
  core.file_closed(self)
  private.state.files[self] = nil
  leftovers.remember(private.state, private.reopen, reply, word)
  if not reply then
    local left = transfer.leftover(private.state, private.reopen, word, private.unfinished)
    return file_io.fail(private, "write", word, reason .. left)
  end
  transfer.placed(private.state, private.reopen)
  return size, nil, nil, private.resumed
end

--- Abandons an upload. `why`: the error word. Returns what is left on the share, for the end of a message; "" for
-- nothing.
-- @local
function upload.abandon(self, why)
  if not core.file_is_open(self) then return "" end
  local private = core.file_state(self)
  file_io.discard(private)
  file_io.close_lanes(private)
  if core.is_open(private.dest) then
    private.under = private.under:to_tidy()
    local _, code = file_io.ask(private, "close", {})
    -- It may not have been sent: nothing else closes the file.
    if code == "timeout" then call.handle(private.state, private):drop() end
    leftovers.remember(private.state, private.reopen, nil, code)
  end
  core.file_closed(self)
  private.state.files[self] = nil
  return transfer.leftover(private.state, private.reopen, why or "", private.unfinished)
end

return upload
