--- Brings snapshots back: see `repo:restore`.
--
-- The manifest says what is to be there. Folders and links are made as it is read; files are fetched by lanes, small
-- ones several at a time; folders get their modes and times at the end, the deepest first.
-- @module smb.backup.restore

local lfs = require "lfs"

local call = require "smb.call"
local core = require "smb.core"
local lanes = require "smb.backup.lanes"
local manifest = require "smb.backup.manifest"
local failures = require "smb.failure"
local name = require "smb.name"
local names = require "smb.backup.names"
local operations = require "smb.operation"
local pattern = require "smb.pattern"
local places = require "smb.backup.place"
local repository = require "smb.backup.repository"
local send = require "smb.backup.send"
local show = require "smb.show"
local transfer = require "smb.transfer"

local restore = {}

local SMALL = 64 * 1024 -- bytes: of files up to this size several are fetched at once
local NAMED = 100 -- names of what was left out that a result holds
local TURN = 64 -- entries after which it is looked whether the end has come

local HOPELESS = { cancelled = true, auth_failed = true, share_missing = true, host_not_found = true, protocol = true,
  unreachable = true, timeout = true, disconnected = true }

local run = {}
run.__index = run

function run:fail(path, code, reason)
  local message = failures.message("restore", path, self.state.place, reason)
  local errors = self.summary.errors
  errors[#errors + 1] = { name = path, message = message, code = code }
  if HOPELESS[code] or self.opts.on_error ~= "continue" then self.stopped = self.stopped or { message, code } end
end

function run:skip(path, reason)
  local skipped = self.summary.skipped
  skipped.count, skipped.links = skipped.count + 1, skipped.links + 1
  if #skipped.names < NAMED then skipped.names[#skipped.names + 1] = { name = path, reason = reason } end
end

function run:is_over()
  if self.stopped then return true end
  local code, reason = self.under:must_stop()
  if self.under.raised then error(self.under.raised[1], 0) end
  if code then self.stopped = { failures.message("restore", nil, self.state.place, reason), code } end
  return code ~= nil
end

local function note(self, action, entry)
  local actions = self.summary.actions
  if actions then actions[#actions + 1] = { action = action, name = entry.path, bytes = entry.size } end
  if self.opts.each and not actions then self.opts.each(action, entry.path, entry.size) end
end

-- What is meant. -----------------------------------------------------------------------------------------------------

local function is_at_or_below(path, top)
  return top == "" or path == top or path:sub(1, #top + 1) == top .. "/"
end

-- Whether an entry is to be brought back. What is in a folder that a filter excludes is not.
local function is_meant(self, entry)
  local path = entry.path
  if self.excluded and is_at_or_below(path, self.excluded) then return false end
  if not is_at_or_below(path, self.top) then return false end
  if not self.filter or path == "" then return true end
  local ok = self.filter(path, { name = name.base(path), type = entry.type, size = entry.size or 0,
    mtime = entry.mtime / 1e9 })
  if not ok and entry.type == "directory" then self.excluded = path end
  return ok
end

-- Folders. -----------------------------------------------------------------------------------------------------------

local function make_folder(self, entry)
  if self.opts.dry_run then return true end
  if entry.path == "" then -- a folder that was there before keeps its mode
    if self.is_new and self.top == "" then table.insert(self.finished, entry) end
    return true
  end
  local ok, is_new, reason = self.place:folder(entry.path)
  if not ok then
    self:fail(entry.path, is_new, reason)
    return false
  end
  if is_new then self.summary.folders = self.summary.folders + 1 end
  table.insert(self.finished, entry)
  return true
end

-- Forgets the folders that an entry is not in.
local function leave(self, entry)
  local above = self.above
  while #above > 0 and not is_at_or_below(entry.path, above[#above].path) do table.remove(above) end
end

-- Makes the folders that lead to an entry and are not there yet.
local function make_above(self)
  local above = self.above
  for _, folder in ipairs(above) do
    if folder.is_made == nil then folder.is_made = make_folder(self, folder) end
    if not folder.is_made then return false end
  end
  return true
end

-- Files. -------------------------------------------------------------------------------------------------------------

-- The SHA-256 of a local file.
local function hash_here(self, path)
  local source <close>, size = core.open_local(self.folder .. "/" .. path)
  if not source then return nil end
  local reply = call.run(self.state.dest, "hash", { file = source, size = size }, operations.part(self.under))
  return reply and reply.sha256
end

-- Whether what is here is the snapshot's file already.
local function is_here(self, entry)
  local kind, size, ticks = self.place:look(entry.path)
  local changed = self.opts.changed
  if kind ~= "file" or changed == "always" then return false end
  if changed == "missing" then return true end
  if size ~= entry.size then return false end
  if changed == "size" then return true end
  if changed ~= "sha256" and ticks ~= send.ticks(entry.mtime) then return false end
  if changed == "sha256" or self.opts.verify == "sha256" then return hash_here(self, entry.path) == entry.sha256 end
  return true
end

local OTHER = "what is on the share is not what was sent (%s)"

-- Whether what has arrived is what the manifest tells.
local function is_right(self, entry, bytes, sha256)
  if bytes ~= entry.size then return nil, "mismatch", OTHER:format "another size" end
  if self.opts.verify == "sha256" and entry.sha256 and sha256 ~= entry.sha256 then
    return nil, "mismatch", OTHER:format "another SHA-256"
  end
  return true
end

local function count(self, entry)
  self.summary.files, self.summary.bytes = self.summary.files + 1, self.summary.bytes + entry.size
  note(self, "get", entry)
end

local function fetch(self, entry)
  local copy <close>, code, reason = self.place:file(entry.path)
  if not copy then return nil, code, reason end
  local part = operations.part(self.under)
  local arguments = { name = name.join(self.from, entry.stored), file = copy, offset = 0, io_size = self.read_size,
    sha256 = self.opts.verify == "sha256" }
  local reply
  reply, code, reason = transfer.fetch(self.state, arguments, part)
  local ok = reply
  if ok then ok, code, reason = is_right(self, entry, reply.bytes, reply.sha256) end
  if ok then ok, code, reason = self.place:dress(copy, entry) end
  if ok then ok, code, reason = transfer.complete(self.state, copy, nil, true) end
  if not ok then return nil, code, reason end
  part:finished(reply.bytes)
  count(self, entry)
  return true
end

local copies = {}
function copies:__close()
  for _, each in pairs(self) do core.discard(each) end
end

-- One of several files that have come: it gets its name. Whatever is wrong with it is found out when it is fetched
-- alone.
local function place_one(self, entry, copy, arrived)
  local sha256
  if self.opts.verify == "sha256" then
    local digest = core.sha256()
    core.sha256_add(digest, core.take(copy, arrived.size) or "")
    sha256 = core.sha256_hex(digest)
  end
  return is_right(self, entry, arrived.size, sha256) and self.place:dress(copy, entry)
    and transfer.complete(self.state, copy, nil, true)
end

-- Fetches small files by one request; gives those that are to be fetched alone.
local function fetch_some(self, entries)
  local made <close> = setmetatable({}, copies)
  local paths, alone, bytes = {}, {}, 0
  for i, entry in ipairs(entries) do
    made[i] = self.place:file(entry.path)
    if not made[i] then break end
    paths[i] = name.join(self.from, entry.stored)
  end
  local part = operations.part(self.under)
  local reply = #paths > 0 and call.run(self.state.dest, "get_some", { files = made, names = paths,
    io_size = self.read_size },
    part) or {}
  for i, entry in ipairs(entries) do
    if made[i] and reply[i] and place_one(self, entry, made[i], reply[i]) then
      bytes = bytes + entry.size
      count(self, entry)
    else
      alone[#alone + 1] = entry
    end
  end
  part:finished(bytes)
  return alone
end

local function work(self, entries)
  if #entries > 1 then entries = fetch_some(self, entries) end
  for _, entry in ipairs(entries) do
    if self.stopped then return end
    local ok, code, reason = fetch(self, entry)
    if code == "failed" then ok, code, reason = fetch(self, entry) end -- its worker may have died
    if not ok then self:fail(entry.path, code, reason) end
  end
end

local function hand_over(self)
  local batch = self.batch
  self.batch, self.batch_length = {}, 0
  if #batch > 0 then self.lanes:add(batch) end
end

local function add_file(self, entry)
  if entry.size > SMALL then return self.lanes:add { entry } end
  local length = #self.from + #entry.stored + 2
  if #self.batch == core.files_at_once or self.batch_length + length >= core.path_limit then hand_over(self) end
  table.insert(self.batch, entry)
  self.batch_length = self.batch_length + length
end

-- Entries. -----------------------------------------------------------------------------------------------------------

local takers = {}

function takers.directory(self, entry)
  table.insert(self.above, entry)
  if is_meant(self, entry) then make_above(self) end
end

function takers.file(self, entry)
  if not make_above(self) then return end
  if not self.opts.dry_run or self.is_there then
    if is_here(self, entry) then
      self.summary.unchanged = self.summary.unchanged + 1
      if not self.opts.dry_run then self.place:finish(entry) end
      return
    end
  end
  if self.opts.dry_run then return count(self, entry) end
  add_file(self, entry)
end

function takers.link(self, entry)
  if self.opts.links == "skip" then return self:skip(entry.path, "link") end
  if not places.is_inside(entry.path, entry.target or "") then return self:skip(entry.path, "outside") end
  if not make_above(self) then return end
  if self.opts.dry_run then return note(self, "link", entry) end
  local ok, code, reason = self.place:link(entry)
  if not ok then return self:fail(entry.path, code, reason) end
  if code then self.summary.links = self.summary.links + 1 end
end

local function take(self, entry)
  leave(self, entry)
  if entry.type == "directory" then return takers.directory(self, entry) end
  if is_meant(self, entry) then
    self.found = true
    takers[entry.type](self, entry)
  end
end

-- All entries; false, message, code when the manifest cannot be read to its end.
local function read_all(self, list)
  local turn = 0
  while not self.stopped do
    local entry, message, code = list:next()
    if message then return nil, message, code end
    if not entry then return true end
    take(self, entry)
    turn = turn + 1
    if turn % TURN == 0 and self:is_over() then break end
  end
  return true
end

local function finish_folders(self)
  for i = #self.finished, 1, -1 do
    local entry = self.finished[i]
    local ok, code, reason = self.place:finish(entry)
    if not ok then self:fail(entry.path, code, reason) end
  end
end

local function bring(self, list)
  local all <close> = lanes.new(self.state, function(batch)
    if not self:is_over() then work(self, batch) end
  end)
  self.lanes = all
  local ok, message, code = read_all(self, list)
  if not ok then return nil, message, code end
  hand_over(self)
  all:wait(function() return all:is_idle() or self.stopped ~= nil end)
  if not self.stopped then finish_folders(self) end
  if self.stopped then
    self.under:failed()
    return nil, self.stopped[1], self.stopped[2]
  end
  return true
end

-- Beginning. ---------------------------------------------------------------------------------------------------------

local function fail(self, code, reason)
  return nil, failures.message("restore", repository.subject(self.repo), self.state.place, reason), code
end

local function hold(self)
  for folder in self.folder:gmatch "()/" do
    if folder > 1 and not self.opts.dry_run then lfs.mkdir(self.folder:sub(1, folder - 1)) end
  end
  self.is_new = core.lstat(self.folder, true) == nil
  if self.is_new and self.opts.dry_run then return true end
  if self.is_new then
    local ok, code, reason = core.make_folder(self.folder)
    if not ok then return fail(self, code, ("'%s': %s"):format(self.folder, reason)) end
  end
  local root, code, reason = core.open_root(self.folder)
  if not root then return fail(self, code, ("'%s': %s"):format(self.folder, reason)) end
  self.is_there, self.place = true, places.new(root, self.opts.owners)
  return true
end

local function new_run(repo, folder, opts)
  local state = core.state(repo.dest)
  return setmetatable({ repo = repo, state = state, opts = opts, folder = #folder > 1 and folder:gsub("/+$", "")
    or folder,
    under = operations.new(state, "restore", repo.path, opts, 0), top = opts.path or "",
    filter = opts.filter and pattern.filter(opts.filter) or nil, above = {}, finished = {}, batch = {},
      batch_length = 0,
    read_size = repo.dest.options.read_buffer_size,
    summary = { files = 0, bytes = 0, unchanged = 0, deleted = 0, folders = 0, links = 0, times_refused = 0,
      errors = {},
      seconds = 0, actions = opts.dry_run and {} or nil,
      skipped = { count = 0, links = 0, special = 0, dfs = 0, mounts = 0, names = {} } } }, run)
end

-- How much it will be, where all is meant.
local function measure(self, own)
  if not self.opts.progress then return end
  local path = repository.at(self.repo, own .. names.MANIFEST)
  local entry = self.repo.dest:stat(path)
  local counts = entry and manifest.counts(self.repo.dest, path, entry.size)
  self.under.total = counts and counts.bytes or 0
end

--- Brings a snapshot back. See `repo:restore`.
-- @local
function restore.bring(repo, wanted, folder, opts)
  local self = new_run(repo, folder, opts)
  local list <close>, own, code = repository.open(repo, wanted)
  if not list then return fail(self, code, own) end
  measure(self, own)
  self.from = name.join(self.state.fields.path, repository.at(repo, own))
  local ok, message
  ok, message, code = hold(self)
  if ok then ok, message, code = bring(self, list) end
  if not ok then return nil, message, code end
  if self.top ~= "" and not self.found and #self.finished == 0 then
    return fail(self, "not_found", ("'%s' is not in the snapshot %s"):format(self.top, own))
  end
  self.summary.name, self.summary.seconds = own, core.clock() - self.under.began
  self.under:finished(math.max(self.under.done, self.under.total))
  return show.summary(self.summary)
end

return restore
