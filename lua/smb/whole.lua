--- Whole files: what put, get, read and write of a destination do once their arguments are checked.
--
-- `text` is the name that the caller gave, for messages; `path` is the same below the share.
-- @module smb.whole

local lfs = require "lfs"

local core = require "smb.core"
local failures = require "smb.failure"
local file = require "smb.file"
local name = require "smb.name"
local operations = require "smb.operation"
local settings = require "smb.settings"
local show = require "smb.show"
local states = require "smb.state"
local stream = require "smb.stream"
local transfer = require "smb.transfer"

local whole = {}

local PIECE = 1024 * 1024 -- bytes that a sink gets at a time

local fail = states.fail

--- What a result says of a file's time: false when it was to be kept and was not, else nothing.
function whole.is_time_kept(mtime, refused)
  if mtime and (refused or not core.is_holdable(mtime)) then return false end
  return nil
end

local function result_of(bytes, under, resumed, sha256, mtime_kept)
  under:finished(bytes)
  return show.result { bytes = bytes, seconds = core.clock() - under.began, retries = under.retries, resumed = resumed
    or 0, sha256 = sha256, mtime_kept = mtime_kept }
end

local function stream_how(state, operation, text, path, opts)
  local read_back, wanted = settings.verification(state, opts)
  return { operation = operation, text = text, path = path, overwrite = opts.overwrite, parents = opts.parents,
    sha256 = wanted, read_back = read_back, sizes = settings.buffer_sizes(state),
    in_place = settings.is_in_place(state, opts) }
end

-- Sending. ------------------------------------------------------------------------------------------------------------

-- What has no size, nor a time of its own.
local function put_stream(state, source, localpath, text, path, opts, under)
  local reply, code, reason = stream.put(state, source, localpath, stream_how(state, "put", text, path, opts), under)
  if reply then return result_of(reply.bytes, under, reply.resumed, reply.sha256) end
  under:failed()
  return fail(state, "put", text, code, reason)
end

--- See `dest:put`.
-- @local
function whole.put(state, localpath, text, path, opts)
  local source <close>, size, mtime, is_stream = core.open_local(localpath)
  if not source then return fail(state, "put", text, size, ("'%s': %s"):format(localpath, mtime)) end
  local under = operations.new(state, "put", text, opts, not is_stream and size or nil)
  if is_stream then return put_stream(state, source, localpath, text, path, opts, under) end
  local digits = opts.resume and transfer.lasting_digits(core.realpath(localpath), size, mtime, path)
  local request = digits and transfer.target(path, opts.overwrite, digits)
    or transfer.upload_target(state, path, opts.overwrite, settings.is_in_place(state, opts))
  request.size, request.parents, request.resume = size, opts.parents, opts.resume
  request.io_size = settings.buffer_sizes(state).write
  request.read_back, request.sha256 = settings.verification(state, opts)
  if opts.preserve_mtime ~= false then request.mtime, request.insist = mtime, opts.preserve_mtime end
  if opts.preserve_mtime and not core.is_holdable(mtime) then
    return fail(state, "put", text, "unsupported", ("'%s': SMB cannot hold its time"):format(localpath))
  end
  local reply, code, problem = transfer.put(state, source, request, under)
  if not reply then
    under:failed()
    return fail(state, "put", text, code, problem)
  end
  return result_of(reply.bytes, under, reply.resumed, request.sha256 and reply.sha256 or nil,
    whole.is_time_kept(request.mtime, reply.time_refused))
end

--- See `dest:write`. `from`: a source (smb.source).
-- @local
function whole.write(state, text, path, from, opts)
  local under = operations.new(state, "write", text, opts, from.whole and #from.whole or nil)
  local how = stream_how(state, "write", text, path, opts)
  local sent, message, code = from:start()
  if not sent then return fail(state, "write", text, code, message) end
  local function attempt()
    local reader =
      from:reader(state, under, function(word, problem) return fail(state, "write", text, word, problem) end)
    return stream.send(state, how, reader, under)
  end
  sent, message, code = attempt()
  if from.whole and code == "mismatch" then
    under.retries, how.in_order = under.retries + 1, true
    sent, message, code = attempt()
  end
  if not sent then
    under:failed()
    return nil, message, code
  end
  return result_of(sent.size, under, sent.resumed, sent.sha256)
end

-- Fetching. -----------------------------------------------------------------------------------------------------------

-- Does it again, once, when what arrived was not what was sent. `prepare` is called before that; nil, code, reason ends
-- the call.
local function try_twice(under, attempt, prepare)
  local reply, code, reason = attempt()
  if reply or code ~= "mismatch" then return reply, code, reason end
  under.retries = under.retries + 1
  if prepare then
    local ok, word, problem = prepare()
    if not ok then return nil, word, problem end
  end
  return attempt()
end

-- Where a get writes: the path for messages, and the path itself. In a folder, which is held then, a link is replaced:
-- others may have put it there. The path that the caller gives is followed.
local function local_target(localpath, text)
  local base = name.base(text)
  local mode = localpath and lfs.attributes(localpath, "mode")
  if localpath and not mode and localpath:find "/$" then
    return { path = localpath, code = "local_io",
      reason = lfs.attributes((localpath:gsub("/+$", "")), "mode") and "Not a directory"
        or "there is no such local folder (parents = true makes it)" }
  end
  if localpath and mode ~= "directory" then return { path = localpath, spot = localpath } end
  local folder = localpath or "."
  local root, code, reason = core.open_root(folder)
  return { path = localpath and folder:gsub("/+$", "") .. "/" .. base or base, spot = base, root = root, code = code,
    reason = reason }
end

-- Makes the local folders above a path; what fails here fails again, with its reason, when the file is made.
local function make_local_parents(localpath)
  for folder in localpath:gmatch("()/") do
    if folder > 1 then lfs.mkdir(localpath:sub(1, folder - 1)) end
  end
end

-- The local file that a get writes. With `resume` it is what an earlier run left, if the remote file is still the same.
local function local_copy(state, text, path, target, opts, request, under)
  if target.code then return fail(state, "get", text, target.code, ("'%s': %s"):format(target.path, target.reason)) end
  local digits, again = core.random(), false
  if opts.resume then
    local entry, message, code = states.run(state, "get", text, "stat", { name = path, inner = true }, under)
    if not entry then return nil, message, code end
    digits = transfer.lasting_digits(state.place, path, entry.size, entry.ticks)
    request.size, request.mtime, again = entry.size, entry.ticks, true
  end
  local overwrite = opts.overwrite ~= false
  local copy, left, problem = core.create_local(target.spot, digits, overwrite, again, target.root)
  if not copy and again and left == "local_io" then -- another run is at it, or it is no file
    request.size, request.mtime, again = nil, nil, false
    copy, left, problem = core.create_local(target.spot, core.random(), overwrite, false, target.root)
  end
  if not copy then return fail(state, "get", text, left, ("'%s': %s"):format(target.path, problem)) end
  request.file, request.offset, request.resume = copy, again and left or 0, again
  return copy
end

--- See `dest:get`.
-- @local
function whole.get(state, text, path, localpath, opts)
  if opts.parents and localpath then make_local_parents(localpath) end
  local target = local_target(localpath, text)
  local under = operations.new(state, "get", text, opts)
  local request = { name = path, io_size = settings.buffer_sizes(state).read }
  request.read_back, request.sha256 = settings.verification(state, opts)
  local copy <close>, problem, word = local_copy(state, text, path, target, opts, request, under)
  if not copy then
    under:failed()
    return nil, problem, word
  end
  if opts.resume then core.keep(copy) end
  local reply, code, why = try_twice(under, function() return transfer.fetch(state, request, under) end,
    function() return transfer.begin_anew(request) end)
  if not reply then
    local kept = opts.resume and transfer.is_lasting(code)
    if not kept then
      core.keep(copy, false)
      transfer.discard(state, copy)
    end
    under:failed()
    return fail(state, "get", text, code, why)
  end
  local mtime = opts.preserve_mtime ~= false and reply.mtime or nil
  local ok, failure
  ok, failure, why = core.local_cut(copy, reply.bytes)
  if ok then ok, failure, why = transfer.complete(state, copy, mtime, opts.overwrite ~= false, opts.preserve_mtime) end
  if not ok then return fail(state, "get", text, failure, ("'%s': %s"):format(target.path, why)) end
  return result_of(reply.bytes, under, reply.resumed, request.sha256 and reply.sha256 or nil,
    whole.is_time_kept(mtime, failure))
end

--- See `dest:read`.
-- @local
function whole.read(state, text, path, opts)
  local under = operations.new(state, "read", text, opts)
  local memory <close>, word, problem = core.memory()
  if not memory then return fail(state, "read", text, word, problem) end
  local request = { name = path, file = memory, io_size = settings.buffer_sizes(state).read, offset = 0 }
  local reply, code, why = transfer.fetch(state, request, under)
  if not reply then
    under:failed()
    return fail(state, "read", text, code, why)
  end
  under:finished(reply.bytes)
  return core.take(memory, reply.bytes)
end

--- Reads a file into an LTN12 sink; a failure goes there, too. See `dest:read`.
-- @local
function whole.read_into(state, text, path, sink, opts)
  local under = operations.new(state, "read", text, opts)
  under.measure = function() end -- what the sink has taken counts
  local source <close>, message,
    code = file.open(state.dest, state, text, path, "r", settings.buffer_sizes(state), under)
  while source do
    local data
    data, message, code = source:read(PIECE)
    if data == nil and message then break end
    local ok, problem, reason = sink(data)
    if not ok then return nil, problem or "the sink takes no more", reason or "local_io" end
    if data == nil then return result_of(under.done, under) end
    under.done = under.done + #data
    reason, problem = under:must_stop()
    if reason then
      message, code = failures.message("read", text, state.place, problem), reason
      break
    end
  end
  under:failed()
  sink(nil, message)
  return nil, message, code
end

return whole
