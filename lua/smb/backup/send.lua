--- What lanes do for a snapshot: folders, files, copies of unchanged files, times.
--
-- Functions give true, or nil, code, reason.
-- @module smb.backup.send

local call = require "smb.call"
local core = require "smb.core"
local name = require "smb.name"
local operations = require "smb.operation"
local transfer = require "smb.transfer"

local send = {}

local COPIED_FROM = 64 * 1024 -- bytes: smaller files are sent sooner than they are copied
local COPY_TRIPS = 6 -- round trips that copying costs more than sending
local LINE = 125000000 -- bytes per second: what is counted on where nothing larger was moved yet, and at most
local TICKS_EACH = 100 -- nanoseconds in one of the core's ticks

local function ask(run, verb, arguments)
  return call.retry(run.state.dest, verb, arguments, operations.part(run.under))
end

local function done(reply, code, reason)
  if reply then return true end
  return nil, code, reason
end

--- Nanoseconds as ticks, cut as the core cuts what disks say.
function send.ticks(nanoseconds) return nanoseconds // TICKS_EACH end

-- What a folder on the share holds, by name; nil, code, reason.
local function listing(run, path)
  local found = {}
  local reply, code, reason = ask(run, "list_open", { name = path, inner = true })
  while reply do
    for _, entry in ipairs(reply) do found[entry.name] = entry end
    if reply.handle == 0 then return found end
    reply, code, reason = call.run(run.state.dest, "list_next",
      { handle = reply.handle, link = reply.link, inner = true }, operations.part(run.under))
  end
  return nil, code, reason
end

send.listing = listing

local MISSING = { not_found = true, folder_missing = true }

-- What a killed run has left under an item's name, if anything.
local function left_of(item)
  return item.parent and item.parent.there and item.parent.there[item.stored_name]
end

-- The same, when it is of another type than the item: it goes.
local function clear(run, item, kind)
  local left = left_of(item)
  if not left or left.type == kind then return true end
  item.parent.there[item.stored_name] = nil
  return send.removal(run, item.place, left.type == "directory")
end

--- Makes a folder; of a snapshot that is gone on with, what is there is looked at: `folder.there`.
function send.folder(run, folder)
  local ok, word, problem = clear(run, folder, "directory")
  if not ok then return nil, word, problem end
  if run.is_resumed and (not folder.parent or left_of(folder)) then
    local there, code, reason = listing(run, folder.place)
    if there then
      folder.there = there
      return true
    end
    if not MISSING[code] then return nil, code, reason end
  end
  return done(ask(run, "mkdir", { name = folder.place, exclusive = folder.parent ~= nil }))
end

--- Sets a folder's time, when all is in it.
function send.time(run, folder)
  local ticks = send.ticks(folder.entry.mtime)
  if not core.is_holdable(ticks) then return nil, "unsupported", "SMB cannot hold its time" end
  return done(ask(run, "utime", { name = folder.place, mtime = ticks }))
end

--- Removes what a snapshot that is gone on with has and the source has not.
function send.removal(run, path, is_folder)
  return done(ask(run, is_folder and "rmdir" or "delete", { name = path, recursive = is_folder, missing_ok = true }))
end

-- Copying. ------------------------------------------------------------------------------------------------------------

-- Whether the server is likely to copy a file sooner than it can be sent.
local function is_worth_copying(run, size)
  if run.no_copies or size < COPIED_FROM then return false end
  local info = core.info(run.state.dest)
  local speed = math.min(info.throughput or LINE, LINE)
  return size / speed > COPY_TRIPS * (info.round_trip or 0)
end

-- Whether the last snapshot's file is listed as its manifest tells.
local function is_as_told(run, item, known)
  local folder = item.parent
  if folder.before == nil then
    folder.before = listing(run, name.join(run.before, name.parent(known.stored))) or false
  end
  local listed = folder.before and folder.before[name.base(known.stored)]
  return listed and listed.type == "file" and listed.size == known.size
    and core.is_same_time(send.ticks(known.mtime), listed.ticks, run.window)
end

-- Copies an unchanged file from the last snapshot; false when it has to be sent.
local function copy(run, item, known)
  if not is_worth_copying(run, known.size) or not is_as_told(run, item, known) then return false end
  local arguments = transfer.upload_target(run.state, item.place, true, true)
  arguments.name, arguments.mtime = name.join(run.before, known.stored), 0
  local reply, code = ask(run, "copy", arguments)
  if code == "unsupported" or code == "failed" then run.no_copies = true end
  if not reply or reply.bytes ~= known.size then return false end
  item.entry.sha256, item.entry.mtime_kept = known.sha256, known.mtime_kept
  run:count("copied", item.entry.size)
  return true
end

-- Files. --------------------------------------------------------------------------------------------------------------

-- The SHA-256 of what is open here.
local function hash(run, source, size)
  local reply, code,
    reason = call.run(run.state.dest, "hash", { file = source, size = size }, operations.part(run.under))
  if not reply then return nil, code, reason end
  if not core.local_is_unchanged(source) then
    return nil, "source_changed", "the local file changed while it was read"
  end
  return reply.sha256
end

-- Whether a killed run has brought a file whole; nil, code, reason when that cannot be told.
local function is_there(run, item, source)
  local there, entry = left_of(item), item.entry
  if not there or there.type ~= "file" or there.size ~= entry.size then return false end
  if not core.is_same_time(send.ticks(entry.mtime), there.ticks, run.window) then return false end
  local sha256, code, reason = hash(run, source, entry.size)
  if not sha256 then return nil, code, reason end
  entry.sha256 = sha256
  run:count("resumed", entry.size)
  return true
end

local function put(run, item, source, is_stream)
  local entry, part = item.entry, operations.part(run.under)
  if is_stream then
    local how = { operation = "snapshot", text = entry.path, path = item.place, sizes = run.sizes, in_place = true,
      sha256 = true }
    return require "smb.stream".put(run.state, source, item.here, how, part)
  end
  local arguments = transfer.upload_target(run.state, item.place, true, true)
  local ticks = send.ticks(entry.mtime)
  arguments.size, arguments.sha256, arguments.io_size, arguments.read_back = entry.size, true, run.sizes.write,
    run.read_back
  arguments.mtime = core.is_holdable(ticks) and ticks or nil
  local reply, code, reason = transfer.put(run.state, source, arguments, part)
  if not reply then return nil, code, reason end
  part:finished(reply.bytes)
  if reply.time_refused or not arguments.mtime then entry.mtime_kept = false end
  return reply
end

local KEPT = { "size", "mtime", "mode", "uid", "gid", "ino", "ctime" }

-- One attempt at a file: what is told of it is what it was when it was opened.
local function attempt(run, item)
  local source <close>, code, reason, is_stream = core.open_local(item.here)
  if not source then return nil, code, ("'%s': %s"):format(item.here, reason) end
  local entry, now = item.entry, core.local_attributes(source)
  for _, field in ipairs(KEPT) do entry[field] = now[field] end
  local there, word, problem = is_there(run, item, source)
  if there == nil then return nil, word, problem end
  if there then return true end
  local reply
  reply, code, reason = put(run, item, source, is_stream)
  if not reply then return nil, code, reason end
  entry.size, entry.sha256 = reply.bytes, reply.sha256
  run:count("sent", reply.bytes)
  return true
end

local function is_unchanged(entry, known)
  return known.type == "file" and known.sha256 ~= nil and known.size == entry.size and known.mtime == entry.mtime
    and known.ino == entry.ino and known.ctime == entry.ctime
end

-- What may be gone with another attempt: the file was changed meanwhile, or the worker died that sent it.
local AGAIN = { source_changed = true, mismatch = true, failed = true }

--- Brings a file: copied on the server, found there already, or sent. A file that changes meanwhile is sent once more.
function send.file(run, item)
  local is_clear, word, problem = clear(run, item, "file")
  if not is_clear then return nil, word, problem end
  local known = item.known
  if known and is_unchanged(item.entry, known) then
    run:count("unchanged", 0)
    if not left_of(item) and copy(run, item, known) then return true end
  end
  local ok, code, reason = attempt(run, item)
  if not ok and AGAIN[code] then ok, code, reason = attempt(run, item) end
  if ok then return true end
  ask(run, "delete", { name = item.place, missing_ok = true }) -- of a part, nothing may be taken for the whole
  if code == "local_io" and select(2, core.attributes(item.here)) == "not_found" then code = "vanished" end
  return nil, code, reason
end

return send
