--- Folders with all that is in them, to the share and from it: files side by side, folders made once, what is there already left
-- alone.
--
-- Tasks, one for each connection, take from two stacks: folders to be looked into, which give further folders and files, and
-- files to be moved. Both are bounded: whoever finds more does it himself first, so that a tree of any size needs little memory.
-- @module smb.tree

local lfs = require "lfs"

local bins = require "smb.bins"
local call = require "smb.call"
local core = require "smb.core"
local name = require "smb.name"
local naming = require "smb.naming"
local pattern = require "smb.pattern"
local show = require "smb.show"
local task = require "smb.task"
local transfer = require "smb.transfer"

local tree = {}

local FILES, FOLDERS = 256, 64 -- that wait for their turn
local ROUND_TRIP_EACH = 0.0005 -- seconds of round trip that a further connection makes up for: each file is several of them
local AT_LEAST = 2 -- connections: one side's work on a file is the other side's wait
local MANY = 64 -- names in a tree for which as many as pay are made at once
local SMALL = 64 * 1024 -- bytes: of files up to this size several are fetched at once; messages to and fro cost more than they
local SOME = 256 * 1024 -- bytes that are fetched at once: what is cut off is lost
local ENOENT = 2
local COARSEST = core.ticks(2) -- of what disks keep
local INSTEAD = 10000 -- files of which it is remembered what time a server gave them instead of their own
local UNKNOWN = math.mininteger -- in place of a time
local SAMPLES = 64 -- files whose times are looked at again, to see how exactly a server keeps them
local SKIPPED_NAMED = 100 -- names of what was left out that a summary holds
local TURN = 16 -- entries of a folder after which it is looked whether the end has come, or others want their turn

--- Options of `dest:put_tree` and `dest:get_tree`.
-- @table tree_options
-- @tfield[opt] function|table filter a function of path and entry that returns true for what is included; or a list of globs:
-- `*.log` matches names in any folder, `var/**` the whole path, a slash at the end folders only, `!` in front excludes; the last
-- one that matches decides
-- @tfield[opt="mtime"] string changed how to tell changed files: "mtime" (size and time), "size", "missing", "sha256", "always"
-- @tfield[opt] number|string time_window seconds that times of an unchanged file may lie apart; the destination's by default
-- @tfield[opt=false] boolean mirror afterwards delete what is not in the source
-- @tfield[opt=false] boolean force mirror: also from a source that is missing or empty
-- @tfield[opt=false] boolean dry_run change nothing; the summary's `actions` tell what would be done
-- @tfield[opt="skip"] string symlinks "skip" or "follow" local links
-- @tfield[opt="stop"] string on_error "stop" or "continue" after a failure
-- @tfield[opt] function progress as in transfer_options
-- @tfield[opt=false] boolean encode_names write what SMB cannot hold with look-alikes
-- @tfield[opt] string verify as in transfer_options
-- @tfield[opt] boolean preserve_mtime as in transfer_options
-- @tfield[opt] boolean in_place put_tree: straight under the final names
-- @tfield[opt=false] boolean bins mirror: also delete recycle bins and snapshots of servers

--- The options of both, as `options.check_opts` takes them.
tree.OPTS = {
  changed = { "mtime", "size", "missing", "sha256", "always" }, mirror = "boolean", force = "boolean", dry_run = "boolean",
  symlinks = { "skip", "follow" }, on_error = { "stop", "continue" }, progress = "function", encode_names = "boolean",
  verify = { "size", "sha256", "none" }, preserve_mtime = "boolean", bins = "boolean",
}

local sync = {}
sync.__index = sync

local function new_sync(state, operation, top, opts)
  local under = call.operation(state, opts.progress, 0, top)
  local function ask(verb, arguments) return call.retry(state.dest, verb, arguments, call.part(under)) end
  return setmetatable({ state = state, operation = operation, top = top, opts = opts, turn = 0, count = 0, there = 0,
    filter = opts.filter and pattern.filter(opts.filter), names = naming.new(opts.encode_names, opts.dry_run, ask),
    unanswered = {}, failed = {}, files = {}, folders = {}, visiting = 0, extra = {}, spared = {}, later = {},
    under = under,
    summary = { files = 0, bytes = 0, unchanged = 0, deleted = 0, folders = 0, times_refused = 0, errors = {}, seconds = 0,
      skipped = { count = 0, links = 0, special = 0, dfs = 0, mounts = 0, bins = 0, names = {} },
      actions = opts.dry_run and {} or nil } }, sync)
end

local function lanes_wanted(state)
  local round_trip = core.info(state.dest).round_trip or 0
  return math.min(core.connections_at_most(state.dest), AT_LEAST + round_trip // ROUND_TRIP_EACH)
end

-- Failures. ------------------------------------------------------------------------------------------------------------

-- What cannot get better for other files ends the whole; so does a server that fails all lanes, and one of them once more, with
-- nothing done in between.
local HOPELESS = { cancelled = true, auth_failed = true, share_missing = true, host_not_found = true, protocol = true,
  unreachable = true }
local SILENT = { timeout = true, disconnected = true }

function sync:ends_all(code)
  if not SILENT[code] then return HOPELESS[code] end
  local summary, unanswered = self.summary, self.unanswered
  local done_so_far = summary.files + summary.unchanged + summary.deleted + summary.folders
  if unanswered.since ~= done_so_far then unanswered.since, unanswered.count = done_so_far, 0 end
  unanswered.count = unanswered.count + 1
  return unanswered.count > lanes_wanted(self.state)
end

-- Takes a failure in. `subject`: a path below the top, "" the top itself.
function sync:fail(subject, code, reason)
  local once = subject .. "\0" .. code -- what was found out before anything was sent is found again
  if self.failed[once] then return end
  self.failed[once] = true
  local whole = name.join(self.top, subject)
  local errors = self.summary.errors
  errors[#errors + 1] = { name = subject == "" and whole or subject, code = code,
    message = call.message(self.operation, whole, self.state.place, reason) }
  if self:ends_all(code) or self.opts.on_error ~= "continue" then self.stopped = self.stopped or errors[#errors] end
end

-- Whether the walk and the lanes have to end.
function sync:is_over()
  if self.stopped then return true end
  local code, reason = self.under:must_stop()
  if self.under.raised then error(self.under.raised[1], 0) end
  if not code then return false end
  self:fail("", code, reason)
  self.stopped = self.stopped or self.summary.errors[#self.summary.errors]
  return true
end

-- Whether a walk over a folder has to end; asked for each entry, and after `many`.
function sync:is_cut_short(many)
  self.turn = (self.turn + 1) % TURN
  if self.turn > 0 and not many then return self.stopped ~= nil end
  task.breathe(self.state)
  return self:is_over()
end

-- Whether an entry is one of those that are meant.
function sync:is_included(below, text, entry)
  return not self.filter or self.filter(name.join(below, text), entry)
end

-- What is left out, though no filter excludes it: counted, and the first ones named.
local COUNTERS = { link = "links", special = "special", dfs = "dfs", mount = "mounts", bin = "bins" }

function sync:skip(subject, reason)
  local skipped, counter = self.summary.skipped, COUNTERS[reason]
  skipped.count, skipped[counter] = skipped.count + 1, skipped[counter] + 1
  if #skipped.names < SKIPPED_NAMED then skipped.names[#skipped.names + 1] = { name = subject, reason = reason } end
end

-- A link on the share. Only of a folder, on a share that has such links, it is one to another share or server.
function sync:skip_remote(subject, entry)
  self:skip(subject, entry.directory and core.info(self.state.dest).dfs and "dfs" or "link")
end

-- A step of the way: what fails is taken in.
function sync:try(subject, reply, code, reason)
  if reply == nil then self:fail(subject, code, reason) end
  return reply
end

function sync:ask(subject, verb, arguments)
  return self:try(subject, call.retry(self.state.dest, verb, arguments, call.part(self.under)))
end

-- The work. ------------------------------------------------------------------------------------------------------------

-- Moves one file.
function sync:move_one(item)
  local part = call.part(self.under)
  local reply, code, reason = self.move(self, item, part)
  part:finished(reply and reply.bytes or 0)
  if not reply then return self:fail(item.subject, code, reason) end
  self.summary.files = self.summary.files + 1
  self.summary.bytes = self.summary.bytes + reply.bytes
end

-- The next file, with others that go by the same request: small ones, and none that another connection could move meanwhile.
function sync:take_files()
  local items, length, bytes = {}, 0, 0
  local most = math.min(core.files_at_once, #self.files // lanes_wanted(self.state))
  repeat
    local item = table.remove(self.files)
    items[#items + 1], length, bytes = item, length + #item.path + 1, bytes + item.size
    local another = self.files[#self.files]
    local fits = another and another.size <= SMALL and bytes + another.size <= SOME
      and length + #another.path < core.path_limit
  until #items >= most or item.size > SMALL or not fits
  return items
end

-- Moves the next file, or several.
function sync:move_next()
  if not self.move_some then return self:move_one(table.remove(self.files)) end
  local items = self:take_files()
  local done = #items > 1 and self:move_some(items) or 0
  for i = done + 1, #items do
    if self:is_over() then return end
    self:move_one(items[i])
  end
end

function sync:add_file(item)
  while #self.files >= FILES and not self:is_over() do self:move_next() end
  table.insert(self.files, item)
end

-- Looks into a folder, and into those that it is followed by.
function sync:visit_from(folder)
  self.visiting = self.visiting + 1
  repeat
    self.visit(self, folder)
    local following = folder.next
    folder.next = nil -- else all of them would stay
    folder = following
  until not folder or self:is_over()
  self.visiting = self.visiting - 1
end

function sync:add_folder(folder)
  if #self.folders < FOLDERS then table.insert(self.folders, folder) else self:visit_from(folder) end
end

-- Works as long as there is something to do, or may be.
function sync:lane()
  while not self:is_over() do
    if #self.files > 0 then self:move_next()
    elseif #self.folders > 0 then self:visit_from(table.remove(self.folders))
    elseif self.visiting > 0 then task.pause(self.state, nil, task.SLICE, true)
    else return end
  end
end

-- Looks into the first folder and all that comes of it; then what is too much goes, and the summary is told.
function sync:run(top, visit, move, remove)
  self.visit, self.move = visit, move
  local tasks <close> = task.group(self.state)
  table.insert(self.folders, top)
  tasks:spawn(self.lane, self)
  tasks:wait(function()
    local more = math.min(#self.files + #self.folders, lanes_wanted(self.state) - tasks:count())
    if more <= 0 or self.stopped then return end
    core.warm(self.state.dest, tasks:count() + more)
    for _ = 1, more do tasks:spawn(self.lane, self) end
  end)
  if self.opts.mirror and #self.summary.errors == 0 then
    remove(self)
    for _, each in ipairs(self.spared) do self:fail(each.subject, "invalid_name", each.reason) end
  end
  local summary, stopped = self.summary, self.stopped
  summary.seconds = core.clock() - self.under.began
  if stopped then
    self.under:failed()
    return nil, stopped.message, stopped.code
  end
  self.under:finished(math.max(self.under.done, self.under.total))
  return show.summary(summary)
end

function sync:note(what, subject, bytes)
  local actions = self.summary.actions
  if actions then actions[#actions + 1] = { action = what, name = subject, bytes = bytes } end
end

-- Files that have come whole, but without their time.
function sync:note_time_refused(count)
  self.summary.times_refused = self.summary.times_refused + count
end

function sync:sample(path, ticks)
  local samples = self.state.samples or {}
  self.state.samples, self.state.sampled = samples, (self.state.sampled or 0) + 1
  if samples[path] or self.state.sampled <= SAMPLES then samples[path] = ticks end
end

-- Remembers what time a file has on a share whose disk does not reach as far as its own.
function sync:remember_instead(path, ours, theirs)
  local state = self.state
  state.instead, state.instead_count = state.instead or {}, state.instead_count or 0
  if not state.instead[path] then
    if state.instead_count == INSTEAD then return end
    state.instead_count = state.instead_count + 1
  end
  state.instead[path] = { ours = ours, theirs = theirs }
end

-- Whether a time on the share is what the server gave that file when this destination sent it, and the local one is the same
-- still.
function sync:is_instead(path, ours, theirs)
  local known = self.state.instead and self.state.instead[path]
  return known ~= nil and known.ours == ours and known.theirs == theirs
end

-- Whether two files of one size have the same contents.
local function same_contents(self, here, size, path)
  local source <close>, is = core.open_local(here)
  if not source or is ~= size then return false end
  local part = call.part(self.under)
  local ours = call.run(self.state.dest, "hash", { file = source, size = size }, part)
  local opened = call.run(self.state.dest, "open", { name = path }, part)
  if not ours or not opened then return false end
  local guard <close> = call.handle(self.state, opened)
  local theirs = call.run(self.state.dest, "hash", { link = opened.link, handle = opened.handle, size = size }, part)
  guard:close()
  return theirs ~= nil and theirs.sha256 == ours.sha256
end

-- Whether the local disk would make the time that a file has of the other one: it may keep every other second only (FAT), or not
-- reach as far.
local function is_as_kept_here(here, ours, theirs)
  local is_near = math.abs(ours - theirs) < COARSEST
  return (is_near or not core.is_held_everywhere(theirs)) and core.kept_here(here, theirs) == ours
end

-- Compares a local file, in the folder `here`, with a remote one, in `path`.
-- `known`: what else is in that, when it is listed whole.
function sync:is_unchanged(ours, theirs, here, path, known)
  if self.opts.changed == "missing" then return true end
  if self.opts.changed == "always" or ours.size ~= theirs.size then return false end
  if self.opts.changed == "size" then return true end
  if self.opts.changed == "sha256" then
    return same_contents(self, here .. "/" .. ours.name, ours.size, name.join(path, theirs.name))
  end
  if known then
    return core.name_index_is_same_time(known, ours.ticks, theirs.ticks)
      or self:is_instead(name.join(path, theirs.name), ours.ticks, theirs.ticks)
  end
  if core.is_same_time(ours.ticks, theirs.ticks, self.opts.window) then return true end
  return is_as_kept_here(here, ours.ticks, theirs.ticks)
end

-- Local folders. -------------------------------------------------------------------------------------------------------

function sync:fail_local(subject, code, here, reason)
  self:fail(subject, code, ("'%s': %s"):format(here, reason))
end

-- What of a local folder is meant: iterates over entries. A link is what it names, or skipped. `passing`, if given, is how to
-- pass over files that need no look: `read_on` does so with what is `known`, and perhaps `sizes`; `passed` is told of them.
-- `excluded`, if given, is told the names that are not meant, or are no file and no folder; of these the summary tells then.
function sync:local_entries(here, below, passing, excluded)
  local at, root = self:at(here)
  local next_entry, folder, reason, closing = core.entries(at, self.opts.symlinks == "follow", root ~= nil, root)
  if not next_entry then
    self:fail_local(below, folder, here, reason)
    return function() end
  end
  passing = passing or { read_on = next_entry }
  return function()
    while true do
      local text, kind, size, ticks, identity = passing.read_on(folder, passing.known, passing.sizes)
      local count, bytes = core.passed(folder)
      if count > 0 then passing.passed(self, count, bytes) end
      if text == nil and kind then self:fail_local(below, kind, here, size) end
      if text == nil or self:is_cut_short(not text or count >= TURN) then return nil end
      local is_temporary = not text or name.is_temporary(text) -- a transfer's, perhaps one of right now
      if not kind and not is_temporary then
        self:fail_local(name.join(below, text), size, here .. "/" .. text, ticks)
      elseif not is_temporary then
        local entry = { name = text, type = kind, size = size, mtime = core.seconds(ticks), ticks = ticks, identity = identity }
        local is_sendable, is_included = kind == "file" or kind == "directory", self:is_included(below, text, entry)
        if is_sendable and is_included then return entry end
        if excluded then excluded(text) end
        if excluded and is_included then self:skip(name.join(below, text), kind == "link" and "link" or "special") end
      end
    end
  end, nil, nil, closing
end

-- Whether a folder is one of those that lead to where the walk stands: then a link leads back.
local function is_above(folder, identity)
  while folder do
    if folder.identity == identity then return true end
    folder = folder.above
  end
  return false
end

-- So many names more: further connections are made while those of a big tree are looked at. A folder, whatever it holds, does not
-- make a source of which a filter leaves nothing else one that is not empty.
function sync:count_names(count, kind)
  local before = self.count
  self.count = before + count
  if kind ~= "directory" or not self.filter then self.there = self.there + count end
  if before < MANY and self.count >= MANY then core.warm(self.state.dest, lanes_wanted(self.state)) end
end

function sync:pass_names(count, bytes)
  self:count_names(count, "file")
  self.under.total = self.under.total + bytes
end

-- A name that cannot be sent. All of a tree are looked for before the call fails.
function sync:refuse(path, reason)
  if self.opts.on_error ~= "continue" then return self.names:fail(path, reason) end
  self.names:refuse(path)
  self:fail(path, "invalid_name", reason)
end

-- Walks over a local tree before anything is sent: the names, and how much it is. `above`: identity, and what is above.
function sync:inspect(here, below, above)
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
      self.under.total = self.under.total + entry.size
    elseif is_above(above, entry.identity) then
      self:fail(name.join(below, text), "local_io", "a link leads back to a folder above it")
    else
      self:inspect(here .. "/" .. text, name.join(below, text), { identity = entry.identity, above = above })
    end
  end
end

-- Sending. -------------------------------------------------------------------------------------------------------------

local IS_MISSING = { folder_missing = true, not_found = true }

-- Whether a folder that may not be listed is sent whole: in place, what is there need not be known.
function sync:may_be_unlisted(code)
  return self.opts.in_place and not self.opts.mirror and code == "access_denied"
end

-- Whether a folder is on another share than the first one that was looked into: a DFS link that was shown as a folder leads
-- there. The targets that one link has are taken for one, since each connection may have got another.
function sync:leads_away(reply)
  local is_elsewhere = reply.elsewhere ~= 0
  if self.is_elsewhere == nil then self.is_elsewhere = is_elsewhere end
  return is_elsewhere ~= self.is_elsewhere
end

-- Calls fn with each reply about a remote folder: a list of entries or, for `batch`, one as the core takes it. True at its end;
-- false, code when it could not be listed. `following`: a folder that is likely to be listed next; `wished`: the connection that
-- may have listed this one ahead.
function sync:each_reply(subject, path, batch, fn, following, wished)
  local arguments = { name = path, to = following, batch = batch, wished = wished, ahead = wished ~= nil,
    inner = not batch }
  local reply, code, reason = call.retry(self.state.dest, "list_open", arguments, call.part(self.under))
  while reply do
    local listing <close> = call.handle(self.state, reply)
    local is_last = reply.handle == 0
    if is_last then listing:is_gone() end
    if reply.elsewhere and self:leads_away(reply) then
      self:skip(subject, "dfs")
      listing:close()
      return false, "elsewhere"
    end
    fn(reply)
    if is_last then return not self.stopped end
    if self:is_over() then
      listing:close()
      return false
    end
    listing:is_gone() -- the request has it
    reply, code, reason = call.run(self.state.dest, "list_next",
      { handle = listing.handle, link = listing.link, batch = batch, inner = not batch }, call.part(self.under))
  end
  local is_fine = self.is_missing_fine and IS_MISSING[code] or self:may_be_unlisted(code)
  if not is_fine then self:fail(subject, code, reason) end
  return false, code
end

-- Calls fn with each entry of a remote folder.
function sync:each_remote(subject, path, fn)
  return self:each_reply(subject, path, false, function(reply)
    for _, entry in ipairs(reply) do
      if self:is_cut_short() then break end
      fn(entry)
    end
  end)
end

function sync:new_known()
  local changed = self.opts.changed
  return core.name_index((changed == "size" or changed == "missing") and changed or nil, self.opts.window)
end

-- What was put by this destination, and is seen again, tells how exactly the server keeps times.
function sync:measure(known, folder)
  for path, ticks in pairs(self.state.samples or {}) do
    local above, text = path:match "^(.-)/?([^/]*)$"
    if above == folder.path then core.name_index_measure(known, text, ticks) end
  end
end

-- What a remote folder holds, as the core's `known`, and by folded name the files of it that wait aside. nil when it does not
-- exist, false when it cannot be listed.
function sync:remote_entries(folder)
  local known, aside = self:new_known(), {}
  local following = folder.next or {}
  local ok, code = self:each_reply(folder.below, folder.path, true, function(reply)
    following.wished = reply.link
    for _, text in ipairs(core.name_index_learn(known, reply.batch)) do
      local kind, owner = name.parse_temporary(text)
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
  if self.stopped or not IS_MISSING[code] then return false, aside end
  return nil, aside
end

-- Makes a folder on the share. `exclusive`: nothing there may have its name; then "exists" is given for what has.
function sync:make_folder(subject, path, exclusive)
  self.sent = self.sent + 1
  self:note("mkdir", subject)
  local ok, code, reason = self.opts.dry_run, nil, nil
  if not ok then
    ok, code, reason = call.retry(self.state.dest, "mkdir", { name = path, exclusive = exclusive }, call.part(self.under))
  end
  if ok then self.summary.folders = self.summary.folders + 1
  elseif exclusive and code == "exists" then return nil, code
  else self:fail(subject, code, reason) end
  return ok
end

-- An entry of a remote folder as one that is to go: under the name that it would have here. nil when a filter excludes it, when
-- it is the server's own, or a link to a folder: what would be removed is what that leads to. `is_inner`: the folder that it is
-- in is to go, and stays for it.
function sync:unwanted(entry, below, path, is_inner)
  local text = self.names:here(entry.name) or entry.name
  if not self:is_included(below, text, entry) then return nil end
  if not self.opts.bins and bins.is_one(entry) then
    if is_inner then self:skip(name.join(below, text), "bin") end
    return nil
  end
  if entry.directory then return self:skip_remote(name.join(below, text), entry) end
  return { subject = name.join(below, text), path = name.join(path, entry.name), entry = entry }
end

-- What is on the share and not in the source, for later.
function sync:note_extra(known, folder)
  if not self.opts.mirror then return end
  for _, entry in core.name_index_unseen, known, 0 do
    local extra = self:unwanted(entry, folder.below, folder.path)
    if extra and name.is_previous(entry.name) then
      self:spare(extra.subject, "it is not deleted: its name means a previous version, and what has it cannot be reached")
    elseif extra then
      extra.folder = folder
      self.extra[#self.extra + 1] = extra
    end
  end
end

-- What stays though it is not in the source is told at the end.
function sync:spare(subject, reason)
  table.insert(self.spared, { subject = subject, reason = reason })
end

-- Whether all that was sent into a folder is listed there under a name that we know. What is too much may be ours, else.
function sync:is_clear(folder)
  if not folder.unclear and folder.unlisted and not self.opts.dry_run then
    local known = self:remote_entries { below = folder.below, path = folder.path }
    for _, text in ipairs(folder.unlisted) do
      if not known or not core.name_index_find(known, text) then folder.unclear = text end
    end
  end
  if not folder.unclear then return true end
  self:spare(folder.below, ("nothing is deleted here: the server lists '%s' under a name of its own"):format(folder.unclear))
  return false
end

-- Leaves what is in folders that are not clear.
function sync:spare_unclear()
  local clear, extra = {}, {}
  for _, each in ipairs(self.extra) do
    local folder = each.folder
    if clear[folder] == nil then clear[folder] = self:is_clear(folder) end
    if clear[folder] then extra[#extra + 1] = each end
  end
  self.extra = extra
end

function sync:pass_unchanged(count, bytes)
  self.summary.unchanged = self.summary.unchanged + count
  self.under.done = self.under.done + bytes
end

-- Gives what is there under a name that it would not have today the one that it would have. True when the folder has to be listed
-- anew.
function sync:rename_outdated(known, folder)
  local has_changed = false
  for text, old in pairs(self.names:outdated(folder.below, known)) do
    if self:is_over() then break end
    local arguments = transfer.target(name.join(folder.path, text))
    arguments.name = name.join(folder.path, old)
    local reply, code, reason = call.retry(self.state.dest, "rename", arguments, call.part(self.under))
    call.remember(self.state, arguments, reply, code)
    has_changed = self:try(name.join(folder.below, old), reply, code, reason) ~= nil or has_changed
  end
  if has_changed then folder.wished = nil end
  return has_changed
end

-- Sends a file. `text`: its name on the share; `there`: what is there, if anything, and not the same; `aside`: what waits aside
-- in the folder.
function sync:send_file(text, entry, there, aside, folder)
  local subject = name.join(folder.below, entry.name)
  if there and (there.type == "directory" or there.directory) then
    return self:fail(subject, "is_directory", "a folder has this name")
  end
  self:note("put", subject, entry.size)
  if self.opts.dry_run then
    self.summary.files, self.summary.bytes = self.summary.files + 1, self.summary.bytes + entry.size
    return
  end
  self.sent = self.sent + 1
  local item = { subject = subject, here = folder.here .. "/" .. entry.name, text = text, entry = entry, folder = folder,
    path = name.join(folder.path, there and there.at or text), is_unlisted = not there,
    is_new = not there and not aside.nameless and not aside[name.fold(text)] }
  if self.names:is_paired(folder.below, text) then self:move_one(item) else self:add_file(item) end
end

-- A name that was not listed and is taken: whether another program took it meanwhile, so that we may go on.
function sync:is_ours(text, entry, folder)
  if folder.is_blind then return true end -- nobody can tell
  local known = self:remote_entries { below = folder.below, path = folder.path }
  if not known then return false, naming.DOUBLE end
  return self.names:is_ours(folder, entry, text, known)
end

-- Whether a folder on the share that was made, or found, by the name of a local one is that one's: the server may list it under
-- a name that is rather another local folder's, and take both for one. It is told, then.
function sync:may_enter(text, entry, folder)
  if self.opts.dry_run or folder.is_blind or not self.names:is_paired(folder.below, text) then return true end
  local known = self:remote_entries { below = folder.below, path = folder.path }
  if known == false then return false end
  local owner = known and self.names:owner(folder, entry, text, known)
  if owner then self:fail_double({ entry = entry }, folder, owner) end
  return not owner
end

function sync:send_below(text, entry, there, folder)
  local subject, path = name.join(folder.below, entry.name), name.join(folder.path, there and there.name or text)
  if is_above(folder, entry.identity) then return end
  if there and there.directory and core.info(self.state.dest).dfs then return self:skip_remote(subject, there) end
  if there and there.type == "link" then return self:fail(subject, "exists", "a link has this name") end
  if there and there.type ~= "directory" then return self:fail(subject, "exists", "a file has this name") end
  local is_new = not there
  if is_new then
    local made, code = self:make_folder(subject, path, true)
    local is_ours, reason = false, nil
    if code == "exists" then is_ours, reason = self:is_ours(text, entry, folder) end
    if reason then self:fail(subject, code, reason) end
    if not made and not is_ours then return end
    is_new = not is_ours
  end
  if (not there or there.is_asked) and not self:may_enter(text, entry, folder) then return end
  self:add_folder { here = folder.here .. "/" .. entry.name, below = subject, path = path, is_new = is_new,
    identity = entry.identity, above = folder }
end

-- Sends what has a name on the share that is not the same, or none. `item`: `remote`, `entry`, perhaps `there`.
function sync:send_item(item, aside, folder)
  if item.entry.type == "file" then self:send_file(item.remote, item.entry, item.there, aside, folder)
  else self:send_below(item.remote, item.entry, item.there, folder) end
end

function sync:fail_double(item, folder, other)
  self:fail(name.join(folder.below, item.entry.name), "exists",
    other and ("the server takes it for the same name as '%s'"):format(other) or naming.DOUBLE)
end

function sync:is_same(entry, there, folder)
  return entry.type == "file" and there.type ~= "directory"
    and self:is_unchanged(entry, there, folder.here, folder.path, folder.known)
end

-- Sends what the listing does not have. Where it has what nobody accounts for, the server may just call ours so.
function sync:send_unlisted(items, aside, folder)
  for _, item in ipairs(items) do
    if self:is_cut_short() then return end
    if item.there and self:is_same(item.entry, item.there, folder) then
      self:pass_unchanged(1, item.entry.size)
    elseif item.is_double then
      self:fail_double(item, folder)
    else
      if not item.there and self.opts.mirror then
        folder.unlisted = folder.unlisted or {}
        table.insert(folder.unlisted, item.remote)
      end
      self:send_item(item, aside, folder)
    end
  end
end

-- Finds out what the server calls those that its listing does not have. `kept`: names that are not to be sent, and stay.
function sync:account(unlisted, kept, known, folder)
  local items = self.opts.mirror and kept or {}
  for _, item in ipairs(unlisted) do items[#items + 1] = item end
  if #items > 0 then self.names:account(folder, items, known, function() return self:is_cut_short() end) end
end

-- Sends what of a folder is not the same on the share: `changed` has another file's or a folder's name there, `unlisted` none.
function sync:send_items(changed, unlisted, aside, folder)
  local function is_same(entry, there) return self:is_same(entry, there, folder) end
  for _, item in ipairs(changed) do
    if self:is_cut_short() then return end
    local other = item.entry.type == "file" and #unlisted > 0 and self.names:alias(folder, item.there, unlisted, is_same)
    if other then self:fail_double(item, folder, other) else self:send_item(item, aside, folder) end
  end
  self:send_unlisted(unlisted, aside, folder)
end

-- Takes one entry of a local folder: passes it, sends it, or has it wait in `changed` or `unlisted`. What is not there at all
-- cannot be there under another name.
function sync:take_entry(entry, remote, known, changed, unlisted, aside, folder)
  local there, is_another = self.names:find(folder, entry, remote, known)
  local item = { remote = remote, entry = entry, there = there }
  if there and not is_another and self:is_same(entry, there, folder) then self:pass_unchanged(1, entry.size)
  elseif core.name_index_count(known) == 0 then self:send_item(item, aside, folder)
  elseif there then changed[#changed + 1] = item
  else unlisted[#unlisted + 1] = item end
end

-- The folder that is to follow another one, listed ahead: as long as nothing is sent, and there are enough for the other lanes. A
-- brother, so that what is looked into before others are done is no deeper than the tree.
function sync:take_following(folder)
  local last = self.folders[#self.folders]
  local are_enough = #self.folders >= self.state.fields.connections
  local is_one = self.is_quiet and are_enough and last.above == folder.above and not last.is_new
  return is_one and table.remove(self.folders) or nil
end

-- A folder: `here`, its path `below` the top, its `path` on the share; `is_new` when it was just made there; `identity`, and the
-- one `above`.
function sync:send_folder(folder)
  local known, aside, sent = nil, {}, self.sent
  folder.next = self:take_following(folder)
  if not folder.is_new then known, aside = self:remote_entries(folder) end
  if known and self:rename_outdated(known, folder) then known, aside = self:remote_entries(folder) end
  if known == false then return end
  local passing = known and self.passes and not self.names:is_refused()
    and { read_on = core.next_changed, known = known, passed = self.pass_unchanged } or nil
  if not known and not folder.is_new and not self:make_folder(folder.below, folder.path) then return end
  known = known or core.name_index()
  folder.known = known
  local changed, unlisted, kept = {}, {}, {}
  local function keep(text)
    local remote = self.names:keep(folder, text, known)
    if remote then kept[#kept + 1] = { remote = remote } end
  end
  for entry in self:local_entries(folder.here, folder.below, passing, keep) do
    local text = entry.name
    local remote, reason = self.names:remote(folder.below, text, known)
    local refused = self.names:is_refused() and self.names:is_refused(name.join(folder.below, text))
    if not remote and not refused then -- it came after all names had been looked at
      self:fail(name.join(folder.below, text), "invalid_name", reason)
    elseif remote and not refused then
      self:take_entry(entry, remote, known, changed, unlisted, aside, folder)
    end
  end
  if not self:is_over() then self:account(unlisted, kept, known, folder) end
  if not self:is_over() then self:send_items(changed, unlisted, aside, folder) end
  if not self:is_over() then self:note_extra(known, folder) end
  folder.known = nil -- folders below remember this one
  self.is_quiet = self.sent == sent
end

-- In place of a source that is missing: all that is on the share is too much.
function sync:send_nothing(folder)
  local known = self:remote_entries(folder)
  if known then self:note_extra(known, folder) end
end

-- A file of /proc, or on a file system like that: it is read to its end.
local function send_stream(self, item, source, part)
  local how = { operation = self.operation, text = item.subject, path = item.path, sizes = self.opts.io_size,
    in_place = self.opts.in_place, read_back = self.opts.read_back, sha256 = self.opts.read_back }
  return require "smb.stream".put(self.state, source, item.here, how, part)
end

local send
function send(self, item, part)
  local source <close>, size, mtime, is_stream = core.open_local(item.here)
  if not source then return nil, size, ("'%s': %s"):format(item.here, mtime) end
  if is_stream then return send_stream(self, item, source, part) end
  local arguments = transfer.upload_target(self.state, item.path, not item.is_unlisted, self.opts.in_place)
  arguments.new, arguments.size = item.is_new, size
  local is_holdable, wanted = core.is_holdable(mtime), self.opts.preserve_mtime
  if wanted and not is_holdable then return nil, "unsupported", ("'%s': SMB cannot hold its time"):format(item.here) end
  if wanted ~= false then arguments.mtime, arguments.insist = mtime, wanted end
  arguments.io_size, arguments.read_back = self.opts.io_size.write, self.opts.read_back
  arguments.sha256 = self.opts.read_back
  local reply, code, reason = transfer.put(self.state, source, arguments, part)
  if reply and arguments.mtime then
    if reply.time_refused or not is_holdable then self:note_time_refused(1) else self:sample(item.path, mtime) end
    if reply.time_refused and reply.mtime ~= UNKNOWN then self:remember_instead(item.path, mtime, reply.mtime) end
  end
  if code ~= "exists" or not item.is_unlisted then return reply, code, reason end
  local is_ours, problem = self:is_ours(item.text, item.entry, item.folder)
  if not is_ours then return nil, code, problem end
  item.is_unlisted, item.is_new = nil, nil
  return send(self, item, part)
end

-- Tells the bins for which a folder that was to go is still there. The reply has their paths, as far as it has room.
function sync:skip_spared(each, reply)
  for _, bin in ipairs(reply) do self:skip(each.subject .. bin.name:sub(#each.path + 1), "bin") end
  local skipped, unnamed = self.summary.skipped, reply.spared - #reply
  skipped.count, skipped.bins = skipped.count + unnamed, skipped.bins + unnamed
end

-- A folder that others fill meanwhile, a bin that deleted files go into, is removed when all else is.
function sync:remove_one(each, verb)
  if not each.again then self:note("delete", each.subject) end
  local ok, code, reason = self.opts.dry_run, nil, nil
  if not ok then
    local is_spared = not self.opts.bins and not bins.is_one(each.entry)
    ok, code, reason = call.retry(self.state.dest, verb,
      { name = each.path, recursive = true, missing_ok = true, spare_bins = is_spared }, call.part(self.under))
  end
  local is_kept = ok and ok ~= true and (ok.spared or 0) > 0
  if is_kept then
    self:skip_spared(each, ok)
  elseif ok then
    self.summary.deleted = self.summary.deleted + 1
  elseif code == "not_empty" and not each.again then
    each.again = true
    self.later[#self.later + 1] = each
  elseif code == "unsupported" and verb == "rmdir" and core.info(self.state.dest).dfs then
    self:skip(each.subject, "dfs") -- there is a link in it
  else
    self:fail(each.subject, code, reason)
  end
  return ok and not is_kept
end

-- Removes what is too much on the share. Of a folder, what a filter excludes stays, and with it the folder. True when it is gone.
function sync:remove_unwanted(each)
  if self:is_over() then return false end
  if each.entry.type ~= "directory" then return self:remove_one(each, "delete") end
  if not each.again and bins.is_one(each.entry) and #self.extra > 1 then
    each.again = true
    self.later[#self.later + 1] = each
    self:note("delete", each.subject)
    return false
  end
  if not self.opts.filter then return self:remove_one(each, "rmdir") end
  local found, is_empty = {}, true
  local ok = self:each_remote(each.subject, each.path, function(entry)
    local unwanted = self:unwanted(entry, each.subject, each.path, true)
    found[#found + 1], is_empty = unwanted, is_empty and unwanted ~= nil
  end)
  for _, inner in ipairs(found) do is_empty = self:remove_unwanted(inner) and is_empty end
  return ok and is_empty and self:remove_one(each, "rmdir")
end

function sync:remove_remote()
  local at = 0
  self:spare_unclear()
  local tasks <close> = task.group(self.state)
  local function lane()
    while at < #self.extra do
      at = at + 1
      self:remove_unwanted(self.extra[at])
    end
  end
  for _ = 1, math.min(lanes_wanted(self.state), #self.extra) do tasks:spawn(lane) end
  tasks:wait()
  for _, each in ipairs(self.later) do self:remove_unwanted(each) end
end

local function is_missing(here)
  local _, _, problem = lfs.attributes(here)
  return problem == ENOENT
end

--- Sends a local folder. See `dest:put_tree`.
-- @local
function tree.put(state, here, top, path, opts)
  local self = new_sync(state, "put_tree", top, opts)
  self.is_missing_fine, self.path = true, path
  -- Unchanged files need no look.
  self.passes = not opts.filter and not opts.encode_names and opts.changed ~= "sha256" and opts.changed ~= "always"
  self.sent = 0 -- files and folders
  self.is_quiet = true -- nothing of the last folder was sent: it is worth it to list the next one ahead
  self.counting = opts.progress or task.is_job() -- somebody may ask how much it is
  local kind, code, reason, identity = core.lstat(here, true)
  if not kind and opts.mirror and opts.force and is_missing(here) then
    return self:run({ below = "", path = path }, self.send_nothing, send, self.remove_remote)
  end
  if kind ~= "directory" then
    return nil, call.message("put_tree", top, state.place, ("'%s': %s"):format(here, kind and "it is no folder" or reason)),
      kind and "not_directory" or code
  end
  self:inspect(here, "", { identity = identity })
  local refused, problem = self.names:failure()
  if refused then self:fail(refused, "invalid_name", problem) end
  if #self.summary.errors > 0 and (self.stopped or opts.on_error ~= "continue") then
    local first = self.stopped or self.summary.errors[1]
    return nil, first.message, first.code
  end
  if opts.mirror and not opts.force and self.there == 0 then
    return nil, call.message("put_tree", top, state.place, "the source is empty: with mirror, that needs force"), "failed"
  end
  return self:run({ here = here, below = "", path = path, identity = identity }, self.send_folder, send, self.remove_remote)
end

-- Fetching. ------------------------------------------------------------------------------------------------------------

-- Where a local path is: itself or, where links are not to be followed, its part below the caller's folder, which is held.
-- Whoever may write there might otherwise lead root elsewhere.
function sync:at(here)
  if not self.root then return here, nil end
  local below = here:sub(#self.base + 2)
  return below ~= "" and below or ".", self.root
end

-- What is there: type, size, time. A link counts as what it leads to where links are followed.
function sync:look(here)
  local at, root = self:at(here)
  return core.lstat(at, root == nil, root)
end

function sync:fetch_file(entry, subject, folder, text)
  local place = folder.here .. "/" .. text
  local kind, size, ticks = self:look(place)
  if kind == "directory" then return self:fail(subject, "local_io", ("'%s': a folder has this name"):format(place)) end
  if kind == "file" and self:is_unchanged({ name = text, size = size, ticks = ticks }, entry, folder.here, folder.path) then
    self.summary.unchanged = self.summary.unchanged + 1
    return
  end
  self.under.total = self.under.total + entry.size
  self:note("get", subject, entry.size)
  if self.opts.dry_run then
    self.summary.files, self.summary.bytes = self.summary.files + 1, self.summary.bytes + entry.size
    return
  end
  local spot, root = self:at(place)
  self:add_file { subject = subject, here = place, folder = folder.here, path = name.join(folder.path, entry.name),
    size = entry.size, spot = spot, root = root }
end

-- Makes a folder here; second: whether it was not there before.
function sync:make_local_folder(subject, place)
  local kind = self:look(place)
  if kind == "directory" then return true end
  if kind == "link" then
    return self:fail(subject, "local_io",
      ("'%s': a link has this folder's name (symlinks = \"follow\" follows it)"):format(place))
  end
  self:note("mkdir", subject)
  local ok, code, reason = self.opts.dry_run, nil, nil
  if not ok then ok, code, reason = core.make_folder(self:at(place)) end
  if ok then self.summary.folders = self.summary.folders + 1
  else self:fail(subject, code, ("'%s': %s"):format(place, reason)) end
  return ok, ok
end

-- What is here and not on the share, for later. `seen`: names on the share, those that a filter excludes too. What a link in the
-- tree leads to is not the tree's.
function sync:note_local_extra(folder, seen)
  if not self.opts.mirror or folder.is_linked or self:look(folder.here) ~= "directory" then return end
  for entry in self:local_entries(folder.here, folder.below) do
    if seen[entry.name] == nil and (self.opts.bins or not bins.is_one(entry)) then
      self.extra[#self.extra + 1] = { subject = name.join(folder.below, entry.name), here = folder.here .. "/" .. entry.name }
    end
  end
end

-- An entry of a remote folder, `text` its name here, nil for none; gives that, and whether it is meant. `seen`: those of others.
function sync:fetch_entry(entry, text, folder, seen)
  local subject = name.join(folder.below, text or entry.name)
  if not text then
    self:fail(subject, "invalid_name", "no local file can have this name")
  elseif name.is_previous(entry.name) then
    if not self:is_included(folder.below, text, entry) then return text, false end
    self:fail(subject, "invalid_name", "this name means a previous version: what has it cannot be reached")
  elseif seen[text] then
    self:fail(subject, "invalid_name", "two names on the share are one here")
  elseif not name.is_temporary(entry.name) then
    if not self:is_included(folder.below, text, entry) then return text, false end
    local here = folder.here .. "/" .. text
    self:count_names(1, entry.type)
    if entry.type == "link" then
      self:skip_remote(subject, entry)
    elseif entry.type == "file" then
      self:fetch_file(entry, subject, folder, text)
    elseif entry.type == "directory" then
      local is_there, is_new = self:make_local_folder(subject, here)
      if not is_there then return text, true end
      local is_linked = folder.is_linked or (self.opts.mirror and not self.root and core.lstat(here) == "link")
      self:add_folder { here = here, below = subject, path = name.join(folder.path, entry.name), is_linked = is_linked,
        is_new = is_new }
    end
    return text, true
  end
end

-- Whether a name that has none here may stand for one in another normal form.
local function may_have_another_form(text, folder)
  return not folder.is_new and text:find "[\128-\255]" and core.lstat(folder.here .. "/" .. text) == nil
end

-- A folder: its `path` on the share, `below` the top, and `here`; `is_linked` where a link leads to it, `is_new` when it was just
-- made here. What is here in another normal form only (a Mac's `é`) is the same, unless it is another entry's.
function sync:fetch_folder(folder)
  local seen, later = {}, {}
  local function take(entry, text)
    local own, is_included = self:fetch_entry(entry, text, folder, seen)
    if own then seen[own] = seen[own] or is_included end
  end
  local ok = self:each_remote(folder.below, folder.path, function(entry)
    local text = self.names:here(entry.name)
    if text and may_have_another_form(text, folder) then later[#later + 1] = entry else take(entry, text) end
  end)
  local known = #later > 0 and naming.known_here(folder.here)
  for _, entry in ipairs(later) do
    if self:is_cut_short() then break end
    local text = self.names:here(entry.name)
    local alike, how = core.name_index_find(known, text)
    if how == "form" and seen[alike.name] == nil then text = alike.name end
    take(entry, text)
  end
  if ok then self:note_local_extra(folder, seen) end
end

-- In place of a folder that is missing on the share.
function sync:fetch_nothing(folder)
  self:note_local_extra(folder, {})
end

local function fetch(self, item, part)
  local copy <close>, code, reason = core.create_local(item.spot, core.random(), true, false, item.root)
  if not copy then return nil, code, ("'%s': %s"):format(item.here, reason) end
  local arguments = { name = item.path, file = copy, offset = 0, io_size = self.opts.io_size.read,
    read_back = self.opts.read_back, sha256 = self.opts.read_back }
  local reply
  reply, code, reason = transfer.fetch(self.state, arguments, part)
  if not reply then
    transfer.discard(self.state, copy)
    return nil, code, reason
  end
  local wanted = self.opts.preserve_mtime
  local ok, word, problem = transfer.complete(self.state, copy, wanted ~= false and reply.mtime or nil, true, wanted)
  if not ok then return nil, word, ("'%s': %s"):format(item.here, problem) end
  if word then self:note_time_refused(1) end
  return reply
end

-- Fetches several small files; gives how many, of the first ones, are there. The others are to be fetched one by one.
local function fetch_some(self, items)
  local part = call.part(self.under)
  local sizes, refused = transfer.fetch_some(self.state, items, self.opts.io_size.read, part, self.opts.preserve_mtime)
  self:note_time_refused(refused)
  local bytes = 0
  for _, size in ipairs(sizes) do bytes = bytes + size end
  part:finished(bytes)
  self.summary.files, self.summary.bytes = self.summary.files + #sizes, self.summary.bytes + bytes
  return #sizes
end

-- Calls fn with name, type, size, mtime (ticks) of all that is in a local folder; false, reason when it cannot be read.
function sync:each_inside(place, fn)
  local at, root = self:at(place)
  local next_entry, folder, reason, _ <close> = core.entries(at, false, true, root)
  if not next_entry then return false, reason end
  for text, kind, size, ticks in next_entry, folder do fn(text, kind, size, ticks) end
  return true
end

-- What has a name; a link is one.
function sync:type_of(place)
  local at, root = self:at(place)
  return (core.lstat(at, false, root))
end

function sync:remove_name(place, is_folder)
  local at, root = self:at(place)
  local ok, _, reason = core.remove(at, is_folder, root)
  return ok, reason
end

-- Removes a file, or a folder with all that is in it but for bins and the way to them. That it is gone already is fine. Second:
-- the reason of a failure, or whether it stays for a bin.
function sync:remove_whole(place, subject)
  task.breathe(self.state)
  if self:is_over() then return false, "given up" end
  local what = self:type_of(place)
  if not what then return true end
  if what ~= "directory" then return self:remove_name(place, false) end
  local problem, stays
  local ok, reason = self:each_inside(place, function(text, kind)
    local inner = name.join(subject, text)
    if not self.opts.bins and bins.is_one { name = text, type = kind } then
      stays = true
      return self:skip(inner, "bin")
    end
    local gone, why = self:remove_whole(place .. "/" .. text, inner)
    if not gone then problem = why elseif why then stays = true end
  end)
  if not ok or problem then return false, reason or problem end
  if stays then return true, true end
  return self:remove_name(place, true)
end

function sync:remove_here(each, remove)
  self:note("delete", each.subject)
  local ok, reason = self.opts.dry_run, nil
  if not ok then ok, reason = remove(each.here, each.subject) end
  if not ok then self:fail(each.subject, "local_io", ("'%s' cannot be removed (%s)"):format(each.here, tostring(reason)))
  elseif reason then return false -- it stays for a bin
  else self.summary.deleted = self.summary.deleted + 1 end
  return ok
end

-- Removes what is too much here, as `remove_unwanted` does there.
function sync:clear(each)
  if self:is_over() then return false end
  local function whole(place, subject) return self:remove_whole(place, subject) end
  if self:type_of(each.here) ~= "directory" or not self.filter then return self:remove_here(each, whole) end
  local found, is_empty = {}, true
  local ok, reason = self:each_inside(each.here, function(text, kind, size, ticks)
    local entry = kind and { name = text, type = kind, size = size, mtime = core.seconds(ticks) }
    local is_included = not entry or self:is_included(each.subject, text, entry)
    if is_included and entry and not self.opts.bins and bins.is_one(entry) then
      is_included = false
      self:skip(name.join(each.subject, text), "bin")
    end
    if is_included then found[#found + 1] = { subject = name.join(each.subject, text), here = each.here .. "/" .. text } end
    is_empty = is_empty and is_included
  end)
  if not ok then
    self:fail(each.subject, "local_io", ("'%s' cannot be removed (%s)"):format(each.here, reason))
    return false
  end
  for _, inner in ipairs(found) do is_empty = self:clear(inner) and is_empty end
  return is_empty and self:remove_here(each, function(place) return self:remove_name(place, true) end)
end

function sync:remove_local()
  if self.there == 0 and not self.opts.force then
    self:fail("", "failed", "the source is empty: with mirror, that needs force")
    self.stopped = self.stopped or self.summary.errors[#self.summary.errors]
    return
  end
  for _, each in ipairs(self.extra) do self:clear(each) end
end

-- From here on what is below the caller's folder is looked for there, and no link in it is followed.
local function hold(self, place)
  if self.opts.symlinks == "follow" then return true end
  local root, code, reason = core.open_root(place)
  if not root and not (self.opts.dry_run and is_missing(place)) then
    self:fail(self.top, code, ("'%s': %s"):format(place, reason))
    self.stopped = self.stopped or self.summary.errors[#self.summary.errors]
    return false
  end
  self.base, self.root = place, root
  return true
end

-- Makes a local folder with those above it: the caller's path, in which links are followed.
local function make_local_folders(self, place)
  for folder in place:gmatch("()/") do
    if folder > 1 and not self.opts.dry_run then lfs.mkdir(place:sub(1, folder - 1)) end
  end
  return (self:make_local_folder("", place))
end

--- Fetches a folder. See `dest:get_tree`.
-- @local
function tree.get(state, top, path, place, opts)
  local self = new_sync(state, "get_tree", top, opts)
  -- What is not there must not leave an empty folder here.
  local entry, code, reason = call.retry(state.dest, "stat", { name = path }, call.part(self.under))
  if entry and entry.type ~= "directory" then entry, code, reason = nil, "not_directory", "it is no folder" end
  if not entry and opts.mirror and opts.force and IS_MISSING[code] then
    if not is_missing(place) and not hold(self, place) then return nil, self.stopped.message, self.stopped.code end
    return self:run({ below = "", here = place }, self.fetch_nothing, fetch, self.remove_local)
  end
  if not entry then
    self.under:failed()
    return nil, call.message("get_tree", top, state.place, reason), code
  end
  if not make_local_folders(self, place) or not hold(self, place) then
    local first = self.summary.errors[1]
    return nil, first.message, first.code
  end
  -- What is read twice, must fail at once or goes slowly goes one by one.
  if not opts.read_back and state.fields.retries > 0 and not state.fields.rate then self.move_some = fetch_some end
  return self:run({ path = path, below = "", here = place }, self.fetch_folder, fetch, self.remove_local)
end

return tree
