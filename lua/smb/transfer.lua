--- Whole files, to the share and from it: what put, get, read and the trees have in common.
--
-- Functions return `nil, code, reason` on failure; their callers find words for it.
-- @module smb.transfer

local call = require "smb.call"
local core = require "smb.core"
local host = require "smb.host"
local leftovers = require "smb.leftovers"
local name = require "smb.name"
local stripe = require "smb.stripe"
local task = require "smb.task"

local transfer = {}

local AT_A_TIME = 16 * 1024 * 1024 -- bytes of a file that are freed at a time
local MOST_TRIED = 1000 -- names that are remembered
local UNFINISHED, NAME_TAKEN = 1, 2 -- protocol.h's enum smb_unfinished

-- What may be gone on with, in this run or the next.
local LASTING = { timeout = true, disconnected = true, unreachable = true, cancelled = true, busy = true }

--- Where a new file goes: a request's names. The temporary name is used once, or found again by the next run; the aside
-- name is always found again by this host: what it moved there and could not put back, it puts back the next time.
-- @tparam string path below the share
-- @tparam ?boolean overwrite
-- @tparam[opt] string digits of the temporary name, which a later run comes upon again
function transfer.target(path, overwrite, digits)
  return { to = path, temp = name.temporary(path, digits or core.random()),
    aside = name.aside(path, core.short_digest(host.identity() .. "\n" .. path)), overwrite = overwrite ~= false }
end

--- Digits that a later run of this host comes upon again, if what they stand for is the same.
function transfer.lasting_digits(...)
  return core.short_digest(table.concat({ host.identity(), ... }, "\n"))
end

-- On shares where files may be made, but neither renamed nor removed, each try would leave one more temporary file. So
-- the name of a file's first try is always the same, until a rename was seen to succeed; and where one was left, its
-- name is used again.
local function temporary_digits(state, path)
  local temps = state.temps
  if not temps then
    temps = { stuck = {}, tried = {}, count = 0 }
    state.temps = temps
  end
  if temps.stuck[path] then return temps.stuck[path] end
  if temps.proven or temps.tried[path] or temps.count >= MOST_TRIED then return nil end
  temps.tried[path], temps.count = true, temps.count + 1
  return transfer.lasting_digits(state.place, path)
end

--- Where a file that is sent goes, as `transfer.target` tells.
-- @tparam table state the destination's state
-- @tparam string path below the share
-- @tparam ?boolean overwrite
-- @tparam[opt] boolean in_place straight under its name
function transfer.upload_target(state, path, overwrite, in_place)
  if in_place then return { to = path, temp = path, aside = "", overwrite = overwrite ~= false, in_place = true } end
  local known = temporary_digits(state, path)
  local digits = known or core.random()
  local target = transfer.target(path, overwrite, digits)
  target.lasting, target.digits = known ~= nil, digits
  return target
end

--- Whether an upload has failed because its temporary name is another run's: it has another one then, and is to be sent
-- again.
-- @tparam table request `transfer.upload_target`'s
-- @tparam ?table remains the failed request's
-- @treturn boolean
function transfer.is_name_taken(request, remains)
  if not remains or remains.unfinished ~= NAME_TAKEN then return false end
  request.temp, request.lasting = name.temporary(request.to, core.random()), nil
  return true
end

--- A file has its name: here renaming works.
function transfer.placed(state, request)
  local temps = state.temps
  if request.in_place or not temps then return end
  temps.stuck[request.to] = nil
  temps.proven, temps.tried = true, {}
end

--- What a failed upload has left on the share, for the end of its message.
-- @tparam table state the destination's state
-- @tparam table request `transfer.upload_target`'s
-- @tparam string code the error word
-- @tparam ?integer unfinished what the worker says
-- @treturn string
function transfer.leftover(state, request, code, unfinished)
  if unfinished ~= UNFINISHED then return "" end
  if request.in_place then return "; an incomplete file is left under this name" end
  -- The next call removes it; this one does already where the worker has died before it could.
  if LASTING[code] or code == "failed" then return "" end
  if state.temps and request.digits then state.temps.stuck[request.to] = request.digits end
  local path = state.fields.path
  local left = path ~= "" and request.temp:sub(#path + 2) or request.temp
  return ("; '%s' is left there, since it can be neither renamed nor removed (in_place = true needs neither)")
    :format(left)
end

-- Tries again as long as that may help. `try` returns a reply, or nil, code, reason and the remains.
local function retry(under, try)
  while true do
    local reply, code, reason, remains = try()
    if reply then return reply end
    local is_next, word, problem = under:should_retry(code, reason)
    if not is_next then return nil, word or code, problem or reason, remains end
  end
end

-- Sending. ------------------------------------------------------------------------------------------------------------

-- Whether what has arrived is kept: for another attempt, or the next run.
local function is_kept(request, attempt, code, under)
  if code == "cancelled" then return request.resume end
  return LASTING[code] and (request.resume or attempt.keep and not under:is_late())
end

-- One attempt at a file that goes over several connections. `plan` outlives it: what is left, and the digest.
local function send_striped(state, source, request, under, plan)
  local attempt = { keep = under:may_retry(), again = plan.again, offset = plan.left and plan.left.bytes or 0 }
  local up, code, reason, remains = call.run(state.dest, "upload", request, under, attempt)
  if not up then return nil, code, reason, remains end
  plan.again = true
  if up.handle == 0 then
    return { bytes = request.size, resumed = plan.left and plan.left.bytes or 0, sha256 = plan.sha256 }
  end
  local guard <close> = call.handle(state, up, request.resume)
  if not plan.left or up.bytes < plan.left.high then
    plan.left = stripe.left(state, "send", request.resume and up.resumed or 0, request.size, request.io_size)
  end
  local resumed = plan.left.bytes
  local function hash()
    if not request.sha256 or plan.sha256 then return end
    local reply = call.run(state.dest, "hash", { file = source, size = request.size }, under)
    plan.sha256 = reply and reply.sha256
  end
  local ok
  ok, code, reason = stripe.move(state, { verb = "send", name = request.temp, handle = up, file = source,
    beside = hash, is_changed = function() return not core.local_is_unchanged(source) end, closing = true },
    plan.left, under)
  if ok and request.sha256 and not plan.sha256 then ok, code, reason = nil, "disconnected", "the SHA-256 is missing" end
  if ok and not core.local_is_unchanged(source) then
    ok, code, reason = nil, "source_changed", "the local file changed while it was read"
  end
  if not ok then
    guard.keep = is_kept(request, attempt, code, under)
    return nil, code, reason, guard:close_for(under)
  end
  guard:is_gone()
  local done
  done, code, reason, remains = call.run(state.dest, "commit", { link = up.link, handle = up.handle,
    size = request.size, mtime = request.mtime, digest = plan.sha256, read_back = request.read_back }, under)
  if not done then return nil, code, reason, remains end
  return { bytes = request.size, resumed = resumed, sha256 = plan.sha256, left = done.left, mtime = done.mtime,
    time_refused = done.time_refused }
end

-- One connection, in order.
local function send_in_order(state, source, request, under)
  request.file = source
  return call.retry(state.dest, "put", request, under, function(remains, attempt)
    if not core.local_is_unchanged(source) then
      return nil, "source_changed", "the local file changed between two attempts"
    end
    attempt.ours = attempt.ours or remains.unfinished == UNFINISHED
    attempt.offset = math.max(attempt.offset or 0, remains.done)
    return true
  end)
end

local function send(state, source, request, under)
  under.measure = nil
  if request.in_order or request.in_place or not stripe.pays(state, request.size) then
    return send_in_order(state, source, request, under)
  end
  local plan = {}
  request.file = request.resume and source or nil
  return retry(under, function()
    if plan.left and not core.local_is_unchanged(source) then
      return nil, "source_changed", "the local file changed between two attempts"
    end
    return send_striped(state, source, request, under, plan)
  end)
end

local function send_named(state, source, request, under)
  while true do
    local reply, code, reason, remains = send(state, source, request, under)
    if reply or not transfer.is_name_taken(request, remains) then return reply, code, reason, remains end
  end
end

--- Sends a local file; once more when what arrived was not what was sent, and then in order over one connection: some
-- servers drop what lies beyond the end of a file.
-- @tparam table state the destination's state
-- @tparam userdata source core.open_local's
-- @tparam table request `transfer.upload_target`'s, with size (as core.open_local returned it), mtime (ticks), io_size,
-- in_order, parents, resume, sha256, read_back, new, insist (on its time)
-- @tparam table under the call's operation
-- @treturn[1] table bytes, resumed, sha256, time_refused (then `mtime`: the one that it has, if that was seen)
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function transfer.put(state, source, request, under)
  local reply, code, reason, remains = send_named(state, source, request, under)
  if code == "mismatch" then
    under.retries = under.retries + 1
    request.in_order = true
    reply, code, reason, remains = send_named(state, source, request, under)
  end
  leftovers.remember(state, request, reply, code)
  if not reply then
    return nil, code, reason .. transfer.leftover(state, request, code, remains and remains.unfinished)
  end
  transfer.placed(state, request)
  return reply
end

-- Fetching. -----------------------------------------------------------------------------------------------------------

-- SHA-256s: of what was written here and, to verify, of what the server says when it is asked once more.
local function verify_fetched(state, request, offered, size, under)
  local here, code, reason = call.run(state.dest, "hash", { file = request.file, size = size }, under)
  if not here then return nil, code, reason end
  if not request.read_back then return here.sha256 end
  local there
  there, code,
    reason = call.run(state.dest, "hash", { link = offered.link, handle = offered.handle, size = size }, under)
  if not there then return nil, code, reason end
  if there.sha256 == here.sha256 then return here.sha256 end
  return nil, "mismatch", "what was fetched is not what the server has (SHA-256)"
end

-- One attempt at a file that comes over several connections, on a handle that the server's side is open at.
local function fetch_striped(state, request, under, plan, offered)
  local guard <close> = call.handle(state, offered)
  local identity = plan.identity or { size = offered.size, mtime = offered.mtime }
  if offered.size ~= identity.size or offered.mtime ~= identity.mtime then
    return nil, "source_changed", "the file changed while it was read"
  end
  plan.identity = identity
  plan.left = plan.left or stripe.left(state, "receive", offered.resumed, identity.size, request.io_size)
  local resumed = plan.left.bytes
  local ok, code, reason = stripe.move(state, { verb = "receive", name = request.name, handle = offered,
    file = request.file, identity = identity, closing = not request.read_back }, plan.left, under)
  if ok and not request.read_back then guard:is_gone() end
  if ok then ok, code, reason = call.run(state.dest, "sync", { file = request.file }, under) end
  local sha256
  if ok and request.sha256 then
    sha256, code, reason = verify_fetched(state, request, offered, identity.size, under)
    ok = sha256
  end
  guard:close_for(under)
  if not ok then return nil, code, reason end
  return { bytes = identity.size, mtime = identity.mtime, resumed = resumed, sha256 = sha256 }
end

local function fetch_once(state, request, under)
  request.offer, request.near = state.fields.connections > 1, stripe.is_near(state)
  local offered, code, reason = call.retry(state.dest, "get", request, under, function(remains, attempt)
    attempt.offset = math.min(core.local_stat(request.file) or 0, remains.done)
    if remains.size > 0 then attempt.size, attempt.mtime = remains.size, remains.mtime end
    return true
  end)
  if not offered then return nil, code, reason end
  if offered.handle == 0 then return offered end
  local plan = {}
  return retry(under, function()
    if not offered then
      offered, code, reason = call.run(state.dest, "open", { name = request.name }, under)
      if not offered then return nil, code, reason end
    end
    local from = offered
    offered = nil
    return fetch_striped(state, request, under, plan, from)
  end)
end

--- Forgets what was fetched: the next attempt begins with the first byte.
-- @tparam table request that of `transfer.fetch`
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function transfer.begin_anew(request)
  request.offset, request.size, request.mtime, request.resume = 0, nil, nil, nil
  return core.local_cut(request.file, 0)
end

--- Fetches a file into a local one. What an attempt has brought is kept for the next, unless the file is another by
-- then.
-- @tparam table state the destination's state
-- @tparam table request name (a path), file (core.create_local's or core.memory's), offset (bytes that are there), size
-- and mtime (of the file that they are of), io_size, resume, sha256, read_back
-- @tparam table under the call's operation
-- @treturn[1] table bytes, mtime, resumed, sha256
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function transfer.fetch(state, request, under)
  local tries = under.retries
  local reply, code, reason = fetch_once(state, request, under)
  local has_kept = request.offset > 0 or under.retries > tries
  if reply or code ~= "source_changed" or not has_kept then return reply, code, reason end
  local ok, word, problem = transfer.begin_anew(request)
  if not ok then return nil, word, problem end
  return fetch_once(state, request, under)
end

local function sync_folder(state, folder)
  if folder and not (task.is_job() and call.run(state.dest, "sync", { file = folder })) then core.sync(folder) end
end

--- Renames what was fetched into place, and syncs the folder. A disk is slow: in a job, under which an event loop may
-- run, a worker does the sync.
-- @tparam table state the destination's state
-- @tparam userdata copy core.create_local's, on disk already
-- @tparam ?integer mtime ticks
-- @tparam boolean overwrite
-- @tparam ?boolean insist on the time
-- @treturn[1] boolean true
-- @treturn[1] boolean whether the disk did not take the time
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function transfer.complete(state, copy, mtime, overwrite, insist)
  local folder <close>, refused, reason = core.complete(copy, mtime, overwrite, insist)
  if folder == nil then return nil, refused, reason end
  sync_folder(state, folder)
  return true, refused
end

-- Small files, several in one request.

local held = {}

function held:__close()
  for _, each in ipairs(self) do core.discard(each) end
end

-- A new local file for each, up to the first that cannot be made.
local function create_copies(items, copies)
  local names = {}
  for i, item in ipairs(items) do
    copies[i] = core.create_local(item.spot or item.here, core.random(), true, false, item.root)
    if not copies[i] then break end
    names[i] = item.path
  end
  return names
end

--- Fetches small files by one request: whole, under their names, on disk, as many as there are until one fails. Whoever
-- fetches that one alone learns why.
-- @tparam table state the destination's state
-- @tparam {table,...} items each with `path` (on the share), `folder` (a local one) and `here` (a name in it), or
-- `root` (of core.open_root) and `spot` (below it); core.files_at_once at most, their paths, and a byte for each, no
-- longer than core.path_limit
-- @tparam integer io_size bytes
-- @tparam table under the call's operation
-- @tparam ?boolean preserve_mtime nil: where that can be
-- @treturn {integer,...} the bytes of the first ones, which are there
-- @treturn integer of how many the disk did not take the time
function transfer.fetch_some(state, items, io_size, under, preserve_mtime)
  local copies <close> = setmetatable({}, held)
  local folders <close> = setmetatable({}, held)
  local names = create_copies(items, copies)
  local sizes, seen_to, refused = {}, {}, 0
  local reply = #copies > 0
    and call.run(state.dest, "get_some", { files = copies, names = names, io_size = io_size }, under)
  for i, entry in ipairs(reply or {}) do
    if not copies[i] then break end -- a worker's answer is not trusted
    local folder, is_refused = core.complete(copies[i], preserve_mtime ~= false and entry.ticks or nil, true,
      preserve_mtime, seen_to[items[i].folder])
    if folder == nil then break end
    if is_refused then refused = refused + 1 end
    if folder then folders[#folders + 1] = folder end
    seen_to[items[i].folder] = true
    sizes[i] = entry.size
  end
  for _, folder in ipairs(folders) do sync_folder(state, folder) end
  return sizes, refused
end

--- Frees what a failed transfer has brought. Of a big file that takes long: a job does it bit by bit.
-- @tparam table state the destination's state
-- @tparam userdata copy core.create_local's, about to be closed
function transfer.discard(state, copy)
  local size = task.is_job() and core.local_stat(copy) or 0
  while size > AT_A_TIME do
    size = size - AT_A_TIME
    core.local_cut(copy, size)
    task.breathe(state)
  end
end

--- Whether what a failed transfer has brought is of use to the next run.
-- @tparam string code the error word
function transfer.is_lasting(code)
  return LASTING[code] or false
end

return transfer
