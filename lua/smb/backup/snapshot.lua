--- Makes snapshots: see `repo:snapshot`.
--
-- The caller walks over the local folders and hands what is found to lanes, which make folders, send files or have the
-- server copy them. Entries get into the manifest in the order in which they were found: those that are done early wait
-- for a moment.
-- @module smb.backup.snapshot

local core = require "smb.core"
local failures = require "smb.failure"
local host = require "smb.host"
local lanes = require "smb.backup.lanes"
local leftovers = require "smb.leftovers"
local manifest = require "smb.backup.manifest"
local name = require "smb.name"
local names = require "smb.backup.names"
local repository = require "smb.backup.repository"
local send = require "smb.backup.send"
local operations = require "smb.operation"
local show = require "smb.show"
local texts = require "smb.text"
local walk = require "smb.backup.walk"

local snapshot = {}

local UNFINISHED = 512 -- entries that are under way, or wait for their turn
local AHEAD = 16384 -- entries between the first that is under way and the last: a big file must not hold up others
local TURN = 256 -- entries of a walk after which it is looked whether the end has come
local NAMED = 100 -- names of what was left out that a result holds

-- What ends the whole: nothing further can succeed.
local HOPELESS = { cancelled = true, auth_failed = true, share_missing = true, host_not_found = true, protocol = true,
  unreachable = true, timeout = true, disconnected = true, no_space = true }

local run = {}
run.__index = run

local RESULT_COUNTS = { "sent", "copied", "unchanged", "resumed" }

local function new_run(repo, opts)
  local state = core.state(repo.dest)
  local self = setmetatable({ repo = repo, state = state, dest = repo.dest, opts = opts,
    under = operations.new(state, "snapshot", repo.path, opts, 0),
    sizes = { write = repo.dest.options.write_buffer_size, read = repo.dest.options.read_buffer_size },
    window = core.ticks(state.fields.time_window or 0), read_back = (opts.verify or state.fields.verify) == "sha256",
    ready = {}, added = 0, written = 0, unfinished = 0, seen = 0, owners = {},
    result = { files = 0, bytes = 0, sent_bytes = 0, copied_bytes = 0, errors = {}, warnings = {},
      skipped = { count = 0, links = 0, special = 0, dfs = 0, mounts = 0, vanished = 0, names = {} } } }, run)
  for _, field in ipairs(RESULT_COUNTS) do self.result[field] = 0 end
  return self
end

-- A file has come: "sent", "copied", "resumed"; "unchanged" counts besides.
function run:count(what, bytes)
  local result = self.result
  result[what] = result[what] + 1
  if result[what .. "_bytes"] then result[what .. "_bytes"] = result[what .. "_bytes"] + bytes end
  if what == "copied" or what == "resumed" then self.under.done = self.under.done + bytes end
end

function run:fail(path, code, reason)
  local message = failures.message("snapshot", path, self.state.place, reason)
  if HOPELESS[code] and not self.stopped then self.stopped = { message, code } end
  local errors = self.result.errors
  errors[#errors + 1] = { name = path, message = message, code = code }
end

local COUNTERS = { special = "special", mount = "mounts", vanished = "vanished" }

function run:skip(path, reason)
  local skipped = self.result.skipped
  skipped.count, skipped[COUNTERS[reason]] = skipped.count + 1, skipped[COUNTERS[reason]] + 1
  if #skipped.names < NAMED then skipped.names[#skipped.names + 1] = { name = path, reason = reason } end
end

-- Whether the walk and the lanes have to end.
function run:is_over()
  if self.stopped then return true end
  self.seen = (self.seen + 1) % TURN
  if self.seen > 0 then return false end
  local code, reason = self.under:must_stop()
  if self.under.raised then error(self.under.raised[1], 0) end
  if code then self.stopped = { failures.message("snapshot", nil, self.state.place, reason), code } end
  return code ~= nil
end

-- The manifest. ------------------------------------------------------------------------------------------------------

local function owner_of(self, entry)
  local key = entry.uid << 32 | entry.gid
  local owner = self.owners[key]
  if not owner then
    owner = { core.owner_names(entry.uid, entry.gid) }
    self.owners[key] = owner
  end
  entry.user, entry.group = owner[1], owner[2]
end

local function new_entry(self, found)
  local attributes = found.attributes
  local entry = { path = found.path, type = attributes.type, mtime = attributes.mtime, mode = attributes.mode,
    uid = attributes.uid, gid = attributes.gid, ino = attributes.ino, ctime = attributes.ctime,
      target = attributes.target }
  if entry.type == "file" then entry.size = attributes.size else entry.ino, entry.ctime = nil, nil end
  owner_of(self, entry)
  return entry
end

-- An entry has come to its end: `entry`, or false for one that is none. Those at the front get into the manifest; the
-- others wait as the lines that they will be.
function run:settle(number, entry)
  if entry and entry.type == "file" then
    self.result.files, self.result.bytes = self.result.files + 1, self.result.bytes + entry.size
  end
  self.unfinished = self.unfinished - 1
  self.ready[number] = entry and self.manifest:line(entry)
  while self.ready[self.written + 1] ~= nil do
    self.written = self.written + 1
    local line = self.ready[self.written]
    self.ready[self.written] = nil
    local ok, reason = true, nil
    if line then ok, reason = self.manifest:put(line) end
    if not ok and not self.stopped then
      self.stopped = { failures.message("snapshot", nil, self.state.place, reason), "local_io" }
    end
  end
end

-- Folders and what waits for them. -----------------------------------------------------------------------------------

-- Of a snapshot that is gone on with: removes what is there and not, or no more, in the source.
local function remove_unknown(self, folder)
  for text, entry in pairs(folder.there) do
    if not folder.taken[text] then
      local ok, code, reason = send.removal(self, name.join(folder.place, text), entry.type == "directory")
      if not ok then self:fail(name.join(folder.entry.path, text), code, reason) end
    end
  end
end

-- A folder's `open` counts what is under way in it, and itself as long as the walk is in it. With nothing more it gets
-- its time.
local function release(self, folder)
  folder.open = folder.open - 1
  if folder.open == 0 then self.lanes:push({ kind = "time", folder = folder }) end
end

-- Has an item done: now, or when the folder that it is in has been made.
local function submit(self, item)
  local parent = item.parent
  if parent then parent.open = parent.open + 1 end
  if parent and not parent.is_made then table.insert(parent.waiting, item)
  else self.lanes:add(item) end
end

local work = {}

function work.folder(self, folder)
  local ok, code, reason = false, nil, nil
  if not folder.parent or not folder.parent.is_lost then ok, code, reason = send.folder(self, folder) end
  if code then self:fail(folder.entry.path, code, reason) end
  folder.is_lost, folder.is_made = not ok, true
  self:settle(folder.number, ok and folder.entry or false)
  for _, waiting in ipairs(folder.waiting) do self.lanes:push(waiting) end
  folder.waiting = nil
  release(self, folder)
end

function work.time(self, item)
  local folder = item.folder
  if not folder.is_lost then
    if folder.there then remove_unknown(self, folder) end
    local ok, code, reason = send.time(self, folder)
    if not ok and HOPELESS[code] then self:fail(folder.entry.path, code, reason) end
  end
  folder.there, folder.before, folder.taken = nil, nil, nil
  if folder.parent then release(self, folder.parent) end
end

function work.file(self, item)
  local ok, code, reason = false, nil, nil
  if not item.parent.is_lost then ok, code, reason = send.file(self, item) end
  if code == "vanished" then self:skip(item.entry.path, "vanished")
  elseif code then self:fail(item.entry.path, code, reason) end
  if ok and self.opts.each then self.opts.each("put", item.entry.path, item.entry.size) end
  self:settle(item.number, ok and item.entry or false)
  release(self, item.parent)
end

-- The walk. ----------------------------------------------------------------------------------------------------------

local function is_far_ahead(self)
  return self.unfinished >= UNFINISHED or self.added - self.written >= AHEAD
end

-- The place of an entry in the manifest. The walk waits when it is too far ahead.
local function new_number(self)
  if is_far_ahead(self) then
    self.lanes:wait(function() return self.stopped ~= nil or not is_far_ahead(self) end)
  end
  self.added, self.unfinished = self.added + 1, self.unfinished + 1
  return self.added
end

-- The last snapshot's entry of a path: both are walked in one order.
local function known_of(self, path)
  local last = self.last
  if not last then return nil end
  while last.entry and core.path_before(last.entry.path, path) do
    local message
    last.entry, message = last.manifest:next()
    if message then table.insert(self.result.warnings, message) end
  end
  return last.entry and last.entry.path == path and last.entry or nil
end

-- Takes a file, a folder or a link of the walk. False: a folder that is not to be entered.
function run:take(found)
  local entry, parent = new_entry(self, found), found.parent and found.parent.folder
  local stored = parent and parent.stored[found.name] or ""
  if parent and parent.reasons[found.name] then
    self:fail(found.path, "invalid_name", parent.reasons[found.name])
    return false
  end
  local stored_path = parent and name.join(parent.stored_path, stored) or ""
  if stored_path ~= found.path then entry.stored = stored_path end
  local item = { kind = entry.type, entry = entry, here = found.here, place = name.join(self.place, stored_path),
    parent = parent,
    stored_name = stored, known = known_of(self, found.path), number = new_number(self) }
  if entry.type == "link" then
    self:settle(item.number, entry)
    return
  end
  if parent and parent.taken then parent.taken[stored] = true end
  if entry.type == "directory" then
    item.kind, item.stored_path, item.waiting, item.open = "folder", stored_path, {}, 2
    item.taken = self.is_resumed and {} or nil
    found.folder = item
  end
  submit(self, item)
end

local function walk_all(self, walker)
  walker:run {
    entry = function(found) return self:take(found) end,
    names = function(found, all) found.folder.stored, found.folder.reasons = names.on_share(all) end,
    leave = function(found) release(self, found.folder) end,
    fail = function(path, code, reason) self:fail(path, code, reason) end,
    skip = function(path, reason) self:skip(path, reason) end,
    is_over = function() return self:is_over() end,
  }
end

-- Bytes in the files that a walk finds.
local function measure(self, walker)
  local bytes, files = 0, 0
  walker:run {
    entry = function(found)
      if found.attributes.type == "file" then bytes, files = bytes + found.attributes.size, files + 1 end
    end,
    fail = function() end, skip = function() end, is_over = function() return self:is_over() end,
  }
  return bytes, files
end

-- Beginning. ---------------------------------------------------------------------------------------------------------

-- Of killed runs the one that is gone on with: the newest.
local function left_behind(self, all, latest)
  for i = #all, 1, -1 do
    local found = all[i]
    if found == latest then return nil end
    if not repository.is_named(found) then
      if self.in_place and found.folder then return found end
      if not self.in_place and (found.part or (found.folder and found.new_manifest)) then return found end
    end
  end
end

local function at(self, below) return repository.at(self.repo, below) end

-- Takes over what a killed run has left.
local function take_over(self, left)
  self.is_resumed = true
  for _, ending in ipairs { names.MANIFEST, names.NEW_MANIFEST } do
    local ok, message, code = self.dest:delete(at(self, left.name .. ending), { missing_ok = true })
    if not ok then return nil, message, code end
  end
  if self.in_place then
    self.result.name = left.name
    return true
  end
  local from = left.name .. (left.part and names.PART or "")
  local to = at(self, self.result.name .. names.PART)
  local ok, message, code
  leftovers.when_released(self.state, function()
    ok, message, code = self.dest:rename(at(self, from), to, { overwrite = false })
    return ok, code
  end)
  return ok, message, code
end

-- The snapshot's name and place; what the last one has is at hand.
local function begin(self)
  local all, message, code = repository.look(self.repo)
  if not all then return nil, message, code end
  local latest
  latest, message, code = repository.latest(self.repo, all)
  if message then return nil, message, code end
  local newest = all[#all]
  self.time = math.max(os.time(), newest and newest.time + 1 or 0)
  self.result.name = names.of(self.time)
  local left = left_behind(self, all, latest)
  if left then
    local ok
    ok, message, code = take_over(self, left)
    if not ok then return nil, message, code end
  end
  local folder = at(self, self.result.name .. (self.in_place and "" or names.PART))
  self.place = name.join(self.state.fields.path, folder)
  self.result.is_first = latest == nil
  if latest then
    self.before = name.join(self.state.fields.path, at(self, latest.name))
    local last = manifest.open(self.dest, at(self, latest.name .. names.MANIFEST))
    if last then self.last = { manifest = last, entry = last:next() }
    else table.insert(self.result.warnings,
      ("the manifest of %s cannot be read: all files are sent"):format(latest.name)) end
  end
  return true
end

-- Whether there is room for all files, as far as the server tells. What it copies may be free: then it is a warning
-- only.
local function has_room(self, bytes)
  local quota = self.dest:quota()
  if not quota or not quota.available or quota.available >= bytes or self.is_resumed then return true end
  local reason = ("the files take %s, and there is room for %s"):format(show.size(bytes), show.size(quota.available))
  if self.last then
    table.insert(self.result.warnings, reason .. ", if the server's copies of unchanged files take any")
    return true
  end
  return nil, failures.message("snapshot", nil, self.state.place, reason), "no_space"
end

-- Ending. ------------------------------------------------------------------------------------------------------------

-- Gives the snapshot its name. With `in_place` it has it already, and the manifest comes last.
local function complete(self)
  local own = self.result.name
  if self.in_place then return self.manifest:send(self.dest, at(self, own .. names.MANIFEST), { in_place = true }) end
  local ok, message, code = self.manifest:send(self.dest, at(self, own .. names.NEW_MANIFEST))
  if ok then ok, message, code = self:still_holds() end
  if ok then ok, message, code = self.dest:rename(at(self, own .. names.PART), at(self, own), { overwrite = false }) end
  if not ok then return nil, message, code end
  return self.dest:rename(at(self, own .. names.NEW_MANIFEST), at(self, own .. names.MANIFEST), { overwrite = false })
end

-- Whether the lock is ours still.
function run:still_holds()
  return self.lock:refresh()
end

local function stopped_by(self)
  self.under:failed()
  return nil, self.stopped[1], self.stopped[2]
end

local function bring(self, walker)
  local all <close> = lanes.new(self.state, function(item)
    if not self.stopped then work[item.kind](self, item) end
  end)
  self.lanes = all
  walk_all(self, walker)
  all:wait(function() return all:is_idle() or self.stopped ~= nil end)
  if self.stopped then return stopped_by(self) end
  return true
end

local function head_of(self, sources, several)
  local options = {}
  for _, key in ipairs(walk.OPTS) do options[key] = self.opts[key] end
  return { name = self.result.name, time = self.time, host = host.name(), sources = sources, several = several,
    options = next(options) and options or nil }
end

local function make(self, sources, several)
  local ok, message, code = begin(self)
  if not ok then return nil, message, code end
  local last <close> = self.last and self.last.manifest or nil -- luacheck: ignore 211
  self.opts.share = ("//%s/%s"):format(self.state.fields.server, self.state.fields.share)
  local walker = walk.new(sources, several, self.opts)
  local bytes = measure(self, walker)
  self.under.total = bytes
  ok, message, code = has_room(self, bytes)
  if not ok then return nil, message, code end
  local lines <close>, reason = manifest.new(head_of(self, sources, several))
  if not lines then return nil, failures.message("snapshot", nil, self.state.place, reason), "local_io" end
  self.manifest = lines
  ok, message, code = bring(self, walker)
  if ok then ok, message, code = complete(self) end
  if not ok then return nil, message, code end
  self.under:finished(self.result.bytes)
  return true
end

--- What a snapshot has come to.
-- @table snapshot
-- @tfield string name "2026-11-30T021500Z", in UTC
-- @tfield integer files files in it
-- @tfield integer bytes their sizes, together
-- @tfield integer sent files that were sent
-- @tfield integer sent_bytes their sizes
-- @tfield integer copied files that the server has copied from the last snapshot
-- @tfield integer copied_bytes their sizes
-- @tfield integer unchanged files that are as they were in the last snapshot, sent or copied
-- @tfield integer resumed files that a run that was killed had sent already
-- @tfield boolean is_first whether there was no complete one before
-- @tfield table skipped what was left out: `count`, `special`, `mounts`, `vanished`, and `names`, the first 100, each
-- with `name` and `reason`
-- @tfield {table,...} errors files that could not be read, kept changing or could not be named: `name`, `message`,
-- `code`
-- @tfield {string,...} warnings
-- @tfield number seconds how long it took

-- Makes it print as a sentence.
local printed = { __name = "smb.snapshot" }
function printed.__tostring(result)
  local words = { ("%s: %s, %s in %.2f s; sent %d (%s)"):format(result.name, show.count(result.files, "file"),
    show.size(result.bytes), result.seconds, result.sent, show.size(result.sent_bytes)) }
  if result.copied > 0 then
    words[#words + 1] = ("%d (%s) copied on the server"):format(result.copied, show.size(result.copied_bytes))
  end
  if result.skipped.count > 0 then words[#words + 1] = ("%d skipped"):format(result.skipped.count) end
  if #result.errors > 0 then words[#words + 1] = show.count(#result.errors, "error") end
  return texts.plain(table.concat(words, ", "))
end

--- Makes a snapshot. See `repo:snapshot`.
-- @local
-- @tparam table repo
-- @tparam {string,...} sources absolute paths
-- @tparam boolean several whether they stand under their whole paths
-- @tparam table opts
-- @tparam table lock the repository's
function snapshot.make(repo, sources, several, opts, lock)
  local self = new_run(repo, opts)
  self.in_place = opts.in_place
  if self.in_place == nil then self.in_place = repo.dest.options.in_place or false end
  self.lock = lock
  local ok, message, code = make(self, sources, several)
  if not ok then return nil, message, code end
  self.result.seconds = core.clock() - self.under.began
  return setmetatable(self.result, printed)
end

return snapshot
