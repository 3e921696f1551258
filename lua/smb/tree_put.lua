--- A local folder to the share.
-- @module smb.tree_put

local call = require "smb.call"
local core = require "smb.core"
local failures = require "smb.failure"
local leftovers = require "smb.leftovers"
local name = require "smb.name"
local naming = require "smb.naming"
local task = require "smb.task"
local transfer = require "smb.transfer"
local tree = require "smb.tree"
local tree_folders = require "smb.tree_folders"
local selections = require "smb.tree_selection"
local whole = require "smb.tree_put_whole"

local tree_put = {}

local put = tree.direction("put_tree", "put", require "smb.tree_put_mirror")
local inherited = { move_one = put.move_one, add_folder = put.add_folder, run = put.run }
for _, methods in ipairs { whole, (require "smb.tree_temporaries"), (require "smb.tree_put_folders") } do
  for method, fn in pairs(methods) do put[method] = fn end
end

local UNKNOWN = math.mininteger -- in place of a time

function put:pass_names(count, bytes)
  self:count_names(count, "file")
  self.under.total, self.files_total = self.under.total + bytes, self.files_total + count
end

-- A name that cannot be sent. All of a tree are looked for before the call fails.
function put:refuse(path, reason)
  if self.opts.on_error ~= "continue" then return self.names:fail(path, reason) end
  self.names:refuse(path)
  self:fail(path, "invalid_name", reason)
end

-- Walks over a local tree before anything is sent: the names, and how much it is. `above`: identity, and what is above.
function put:inspect(here, below, above)
  local folder = { below = below, path = self.path }
  local taken = core.name_index()
  local passing = not self.filter
    and { read_on = core.next_special, known = taken, sizes = self.counting, passed = self.pass_names } or nil
  for entry in self:local_entries(here, below, passing) do
    local text = entry.name
    local reason = self.names:look_at(folder, text, taken)
    if reason then self:refuse(name.join(below, text), reason) end
    self:count_names(1, entry.type)
    if entry.type == "file" then
      self.under.total, self.files_total = self.under.total + entry.size, self.files_total + 1
    elseif tree_folders.is_above(above, entry.identity) then
      self:fail(name.join(below, text), "local_io", "a link leads back to a folder above it")
    else
      self:inspect(here .. "/" .. text, name.join(below, text), { identity = entry.identity, above = above })
    end
  end
end

function put:new_known(folder)
  local changed = self:changed_in(folder)
  return core.name_index((changed == "size" or changed == "missing") and changed or nil, self.opts.window)
end

-- What was put by this destination, and is seen again, tells how exactly the server keeps times.
function put:measure(known, folder)
  for path, ticks in pairs(self.state.samples or {}) do
    local above, text = path:match "^(.-)/?([^/]*)$"
    if above == folder.path then core.name_index_measure(known, text, ticks) end
  end
end

-- What a remote folder holds, as the core's `known`, and by folded name the files of it that wait aside. nil when it
-- does not exist, false when it cannot be listed.
function put:remote_entries(folder)
  local known, aside = self:new_known(folder), {}
  local following = folder.next or {}
  folder.temporaries = {}
  local ok, code = self:each_reply(folder.below, folder.path, true, function(reply)
    following.wished = reply.link
    for _, text in ipairs(core.name_index_learn(known, reply.batch)) do
      local kind, owner = name.parse_temporary(text)
      if kind == "part" then table.insert(folder.temporaries, text) end
      self:note_small(folder, text)
      if owner then aside[name.fold(owner)] = true end
      if kind == "aside" and not owner then aside.nameless = true end
    end
  end, following.path, folder.wished)
  if ok then
    self:measure(known, folder)
    return known, aside
  end
  folder.is_blind = self:may_be_unlisted(code)
  if folder.is_blind then return core.name_index(), aside end
  if self.stopped or not tree.IS_MISSING[code] then return false, aside end
  return nil, aside
end

-- Makes a folder on the share. `exclusive`: nothing there may have its name; then "exists" is given for what has.
function put:make_folder(subject, path, exclusive)
  self.sent = self.sent + 1
  local ok, code, reason = self.opts.dry_run, nil, nil
  if not ok then
    ok, code, reason = call.retry(self.state.dest, "mkdir", { name = path, exclusive = exclusive }, self:part(subject))
  end
  if ok then
    self.summary.folders = self.summary.folders + 1
    self:note("mkdir", subject)
  elseif exclusive and code == "exists" then return nil, code
  else self:fail(subject, code, reason) end
  return ok
end

function put:pass_unchanged(count, bytes)
  self.summary.unchanged = self.summary.unchanged + count
  self.under.done = self.under.done + bytes
end

-- Renames what is on the share under a name that it would not get today. Returns true when the folder has to be listed
-- again.
function put:rename_outdated(known, folder)
  local has_changed = false
  for text, old in pairs(self.names:outdated(folder.below, known)) do
    if self:is_over() then break end
    local request = transfer.target(name.join(folder.path, text))
    request.name = name.join(folder.path, old)
    local reply, code, reason = call.retry(self.state.dest, "rename", request, self:part(name.join(folder.below, old)))
    leftovers.remember(self.state, request, reply, code)
    has_changed = self:try(name.join(folder.below, old), reply, code, reason) ~= nil or has_changed
  end
  if has_changed then folder.wished = nil end
  return has_changed
end

-- Sends a file. `text`: its name on the share; `there`: what is there, if anything, and not the same; `aside`: what
-- waits aside in the folder.
function put:send_file(text, entry, there, aside, folder)
  local subject = name.join(folder.below, entry.name)
  there = self:still_there(there, "file", folder)
  if there and (there.type == "directory" or there.directory) then
    return self:fail(subject, "is_directory", "a folder has this name")
  end
  if self.opts.dry_run then return self:moved(subject, entry.size) end
  self.sent = self.sent + 1
  local item = { subject = subject, here = folder.here .. "/" .. entry.name, text = text, entry = entry,
    folder = folder, path = name.join(folder.path, there and there.at or text), is_unlisted = not there,
    replaces = there ~= nil, is_new = not there and not aside.nameless and not aside[name.fold(text)] }
  self:enter_whole(folder.whole)
  if self.names:is_paired(folder.below, text) then self:move_one(item) else self:add_file(item) end
end

-- A name that was not listed and is taken: whether another program took it meanwhile, so that we may go on.
function put:is_ours(text, entry, folder)
  if folder.is_blind then return true end -- nobody can tell
  local known = self:remote_entries { below = folder.below, path = folder.path }
  if not known then return false, naming.DOUBLE end
  return self.names:is_ours(folder, entry, text, known)
end

-- Whether a folder on the share that was made, or found, by the name of a local one is that one's: the server may list
-- it under a name that is rather another local folder's, and take both for one. Then this one fails.
function put:may_enter(text, entry, folder)
  if self.opts.dry_run or folder.is_blind or not self.names:is_paired(folder.below, text) then return true end
  local known = self:remote_entries { below = folder.below, path = folder.path }
  if known == false then return false end
  local owner = known and self.names:owner(folder, entry, text, known)
  if owner then self:fail_double({ entry = entry }, folder, owner) end
  return not owner
end

-- Makes a folder that is not there. Returns it as `add_folder` wants it; nil when that failed.
function put:new_folder(text, entry, subject, path, folder)
  local is_paired = self.names:is_paired(folder.below, text)
  local made = { here = folder.here .. "/" .. entry.name, below = subject, path = path, is_new = true,
    identity = entry.identity, above = folder, is_usual = folder.is_usual, whole = folder.whole }
  if not folder.whole and not folder.is_usual and not is_paired and not folder.is_blind then
    if self:begin_whole(made, folder.temporaries) then return made end
    if self:is_over() then return nil end
  end
  local ok, code = self:make_folder(subject, path, true)
  local is_ours, reason = false, nil
  if code == "exists" then is_ours, reason = self:is_ours(text, entry, folder) end
  if reason then self:fail(subject, code, reason) end
  if not ok and not is_ours then return nil end
  made.is_new = not is_ours
  return self:may_enter(text, entry, folder) and made or nil
end

function put:send_below(text, entry, there, folder)
  there = self:still_there(there, "directory", folder)
  local subject, path = name.join(folder.below, entry.name), name.join(folder.path, there and there.name or text)
  if self:is_in_the_way(there, subject) then return end
  if not there then
    local made = self:new_folder(text, entry, subject, path, folder)
    return made and self:add_folder(made)
  end
  if there.is_asked and not self:may_enter(text, entry, folder) then return end
  self:add_folder { here = folder.here .. "/" .. entry.name, below = subject, path = path, identity = entry.identity,
    above = folder, is_usual = folder.is_usual, whole = folder.whole }
end

-- Sends what has a name on the share that is not the same, or none: a file; a folder waits in `inner`. `item`:
-- `remote`, `entry`, perhaps `there`.
function put:send_item(item, aside, folder, inner)
  if item.entry.type == "file" then self:send_file(item.remote, item.entry, item.there, aside, folder)
  elseif not tree_folders.is_above(folder, item.entry.identity) then inner[#inner + 1] = item end
end

function put:fail_double(item, folder, other)
  self:fail(name.join(folder.below, item.entry.name), "exists",
    other and naming.double(item.entry.name, other) or naming.DOUBLE)
end

function put:is_same(entry, there, folder)
  return entry.type == "file" and there.type ~= "directory"
    and self:is_unchanged(entry, there, folder.here, folder.path, folder.known, self:changed_in(folder))
end

-- Sends what the listing does not have. Where it has what nobody accounts for, the server may just call ours so.
function put:send_unlisted(items, aside, folder, inner)
  for _, item in ipairs(items) do
    if self:is_cut_short() then return end
    if item.there and self:is_same(item.entry, item.there, folder) then
      self:pass_unchanged(1, item.entry.size)
    elseif item.is_double and item.entry.type == "file" then
      self:fail_double(item, folder)
    else
      if not item.there and self.opts.mirror and not folder.whole then
        folder.unlisted = folder.unlisted or {}
        table.insert(folder.unlisted, item.remote)
      end
      self:send_item(item, aside, folder, inner)
    end
  end
end

-- Finds out what the server calls those that its listing does not have. `kept`: names that are not to be sent, and
-- stay.
function put:account(unlisted, kept, known, folder)
  local items = self.opts.mirror and kept or {}
  for _, item in ipairs(unlisted) do items[#items + 1] = item end
  if #items > 0 then self.names:account(folder, items, known, function() return self:is_cut_short() end) end
end

-- Sends what of a folder is not the same on the share: `changed` has another file's or a folder's name there,
-- `unlisted` none.
function put:send_items(changed, unlisted, aside, folder)
  local inner = {}
  local function is_same(entry, there) return self:is_same(entry, there, folder) end
  for _, item in ipairs(changed) do
    if self:is_cut_short() then return end
    local other = item.entry.type == "file" and #unlisted > 0
      and self.names:alias(folder, item.there, unlisted, is_same)
    if other then self:fail_double(item, folder, other) else self:send_item(item, aside, folder, inner) end
  end
  self:send_unlisted(unlisted, aside, folder, inner)
  if #inner > 0 and not self:is_over() then self:send_folders(inner, folder) end
end

-- Takes one entry of a local folder: passes it, sends it, or has it wait in `changed` or `unlisted`. What is not there
-- at all cannot be there under another name.
function put:take_entry(entry, remote, known, changed, unlisted, aside, folder)
  local there, is_another = self.names:find(folder, entry, remote, known)
  local item = { remote = remote, entry = entry, there = there }
  if there and not is_another and self:is_same(entry, there, folder) then self:pass_unchanged(1, entry.size)
  elseif entry.type == "file" and core.name_index_count(known) == 0 then self:send_item(item, aside, folder)
  elseif there then changed[#changed + 1] = item
  else unlisted[#unlisted + 1] = item end
end

-- The folder that is to follow another one, listed ahead: as long as nothing is sent, and there are enough for the
-- other lanes. A brother, so that what is looked into before others are done is no deeper than the tree.
function put:take_following(folder)
  local last = self.folders[#self.folders]
  local are_enough = #self.folders >= self.state.fields.connections
  local is_one = self.is_quiet and are_enough and last.above == folder.above and not last.is_new
  return is_one and table.remove(self.folders) or nil
end

-- A folder: `here`, its path `below` the top, its `path` on the share; `is_new` when it was just made there;
-- `identity`, and the one `above`.
function put:look_into(folder)
  if not folder.here then return self:send_nothing(folder) end
  local known, aside, sent = nil, {}, self.sent
  folder.next = self:take_following(folder)
  if not folder.is_new then known, aside = self:remote_entries(folder) end
  if known and (self:rename_outdated(known, folder) or self:settle_small(folder)) then
    known, aside = self:remote_entries(folder)
  end
  if known == nil and not folder.is_new and not folder.is_usual and self:begin_whole(folder) then
    self:enter_whole(folder.whole)
    if not folder.is_new then known, aside = self:remote_entries(folder) end
  end
  if known == false or self:is_over() then return end
  local passing = known and self.passes and not self.names:is_refused()
    and { read_on = core.next_changed, known = known, passed = self.pass_unchanged } or nil
  if not known and not folder.is_new and not self:make_folder(folder.below, folder.path) then return end
  known = known or core.name_index()
  folder.known, folder.entries = known, core.name_index_count(known)
  local changed, unlisted, kept = {}, {}, {}
  local function keep(text)
    local remote = self.names:keep(folder, text, known)
    if remote then kept[#kept + 1] = { remote = remote } end
  end
  for entry in self:local_entries(folder.here, folder.below, passing, keep) do
    local text = entry.name
    local remote, reason = self.names:remote(folder.below, text, known)
    local refused = self.names:is_refused() and self.names:is_refused(name.join(folder.below, text))
    if not remote and not refused then -- it came after all names had been checked
      self:fail(name.join(folder.below, text), "invalid_name", reason)
    elseif remote and not refused then
      self:take_entry(entry, remote, known, changed, unlisted, aside, folder)
    end
  end
  folder.expected = #changed + #unlisted
  if not self:is_over() then self:account(unlisted, kept, known, folder) end
  if not self:is_over() then self:send_items(changed, unlisted, aside, folder) end
  if not self:is_over() then
    if folder.whole then self:clear_taken(known, folder) else self:note_extra(known, folder) end
  end
  folder.known = nil -- folders below remember this one
  self.is_quiet = self.sent == sent
end

function put:visit(folder)
  self:look_into(folder)
  self:leave_whole(folder.whole)
end

function put:add_folder(folder)
  self:enter_whole(folder.whole)
  inherited.add_folder(self, folder)
end

function put:move_one(item)
  inherited.move_one(self, item)
  self:leave_whole(item.folder.whole)
end

-- In place of a source that is missing: all that is on the share is too much.
function put:send_nothing(folder)
  local known = self:remote_entries(folder)
  if known then self:note_extra(known, folder) end
end

-- A file of /proc, or on a file system like that: it is read to its end.
local function send_stream(self, item, source, part)
  local how = { operation = self.operation, text = item.subject, path = item.path, sizes = self.opts.io_size,
    in_place = self:is_in_place(item), read_back = self.opts.read_back, sha256 = self.opts.read_back }
  return require "smb.stream".put(self.state, source, item.here, how, part)
end

-- The request that sends a file to a target. nil, code, reason when its time cannot be kept.
local function request_of(self, item, target, size, mtime)
  local wanted, sizes = self.opts.preserve_mtime, self.opts.io_size
  if wanted and not core.is_holdable(mtime) then
    return nil, "unsupported", ("'%s': SMB cannot hold its time"):format(item.here)
  end
  target.new, target.size, target.io_size = item.is_new, size, sizes.write
  target.read_back, target.sha256 = self.opts.read_back, self.opts.read_back
  if wanted ~= false then target.mtime, target.insist = mtime, wanted end
  return target
end

-- Sends a file, in the place of another one that is kept, if `keep_old` says so.
local send
function send(self, source, item, size, mtime, part)
  local is_kept = item.replaces and self.keep_path
  local target = is_kept and self:target_beside(item)
    or transfer.upload_target(self.state, item.path, not item.is_unlisted, self:is_in_place(item))
  local request, code, reason = request_of(self, item, target, size, mtime)
  if not request then return nil, code, reason end
  if not is_kept then self:place_temporary(item, request) end
  local reply
  reply, code, reason = transfer.put(self.state, source, request, part)
  if not reply and self:is_small_refused(item, request, code) then
    reply, code, reason = send(self, source, item, size, mtime, part)
    if reply then self:forsake_small(item.folder) end
    return reply, code, reason
  end
  if reply and is_kept then reply, code, reason = self:take_place(item, request.to, reply) end
  if reply and request.mtime then
    local is_kept_exactly = not reply.time_refused and core.is_holdable(mtime)
    local path = self:final_path(item.path, item.folder)
    if is_kept_exactly then self:sample(path, mtime) else self:note_time_refused(1) end
    if reply.time_refused and reply.mtime ~= UNKNOWN then self:remember_instead(path, mtime, reply.mtime) end
  end
  return reply, code, reason
end

function put:move_once(item, part)
  local source <close>, size, mtime, is_stream = core.open_local(item.here)
  if not source then return nil, size, ("'%s': %s"):format(item.here, mtime) end
  if is_stream then
    local kept, problem, why = self:make_way(item)
    if kept == nil then return nil, problem, why end
    return send_stream(self, item, source, part)
  end
  local reply, code, reason = send(self, source, item, size, mtime, part)
  if code ~= "exists" or not item.is_unlisted then return reply, code, reason end
  local is_ours, problem = self:is_ours(item.text, item.entry, item.folder)
  if not is_ours then return nil, code, problem end
  item.is_unlisted, item.is_new, item.replaces = nil, nil, true
  return self:move_once(item, part)
end

function put:move(item, part)
  local ok, word, problem = self:begin_file(item, part)
  if not ok then return nil, word, problem end
  local reply, code, reason = self:move_once(item, part)
  if reply then self:end_file(item, reply.bytes) end
  return reply, code, reason
end

-- What may have to be tidied up is, whatever ends the call.
function put:run(top)
  local _ <close> = setmetatable({}, { __close = function() self:end_wholes() end })
  return inherited.run(self, top)
end

--- Sends a local folder. See `dest:put_tree`.
-- @local
function tree_put.send(state, here, top, path, opts)
  local selection, wrong = selections.new(opts, here)
  if not selection then return nil, failures.message("put_tree", top, state.place, wrong), "invalid_name" end
  local self = tree.new(put, state, top, opts, selection)
  self.is_missing_fine, self.path = true, path
  -- Unchanged files need no look.
  self.passes = not self.filter and not opts.encode_names and opts.changed ~= "sha256" and opts.changed ~= "always"
  self.sent = 0 -- files and folders
  self.wholes, self.rests = {}, {} -- see smb.tree_put_whole
  local _ <close> = self:begin_small()
  self.is_quiet = true -- nothing of the last folder was sent: it is worth it to list the next one ahead
  self.counting = opts.progress or task.is_job() -- somebody may ask how much it is
  local ok, why = self:open_keep(path)
  if not ok then return nil, failures.message("put_tree", top, state.place, why), "invalid_name" end
  local kind, code, reason, identity = core.lstat(here, true)
  if not kind and opts.mirror and opts.force and tree.is_missing(here) then
    return self:run { below = "", path = path }
  end
  if kind ~= "directory" then
    return nil,
      failures.message("put_tree", top, state.place, ("'%s': %s"):format(here, kind and "it is no folder" or reason)),
      kind and "not_directory" or code
  end
  self.device = opts.one_file_system and identity:match "^[^:]+:" or nil
  self:inspect(here, "", { identity = identity })
  self:fail_missing()
  local refused, problem = self.names:failure()
  if refused then self:fail(refused, "invalid_name", problem) end
  if #self.summary.errors > 0 and (self.stopped or opts.on_error ~= "continue") then
    local first = self.stopped or self.summary.errors[1]
    return nil, first.message, first.code
  end
  if opts.mirror and not opts.force and self.there == 0 then
    return nil, failures.message("put_tree", top, state.place, "the source is empty: with mirror, that needs force"),
      "failed"
  end
  return self:run { here = here, below = "", path = path, identity = identity }
end

return tree_put
