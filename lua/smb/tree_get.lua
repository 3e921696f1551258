--- A folder on the share to this side.
-- @module smb.tree_get

local lfs = require "lfs"

local call = require "smb.call"
local core = require "smb.core"
local failures = require "smb.failure"
local name = require "smb.name"
local naming = require "smb.naming"
local transfer = require "smb.transfer"
local tree = require "smb.tree"
local selections = require "smb.tree_selection"

local tree_get = {}

local get = tree.direction("get_tree", "get", require "smb.tree_get_mirror")

function get:fetch_file(entry, subject, folder, text)
  self.files_total = self.files_total + 1
  local place = folder.here .. "/" .. text
  local kind, size, ticks = self:look(place)
  if kind == "directory" then return self:fail(subject, "local_io", ("'%s': a folder has this name"):format(place)) end
  if kind == "file"
    and self:is_unchanged({ name = text, size = size, ticks = ticks }, entry, folder.here, folder.path) then
    self.summary.unchanged = self.summary.unchanged + 1
    return
  end
  self.under.total = self.under.total + entry.size
  if self.opts.dry_run then return self:moved(subject, entry.size) end
  local spot, root = self:at(place)
  self:add_file { subject = subject, here = place, folder = folder.here, path = name.join(folder.path, entry.name),
    size = entry.size, spot = spot, root = root, replaces = kind ~= nil }
end

-- Makes a folder here; second: whether it was not there before.
function get:make_local_folder(subject, place)
  local kind = self:look(place)
  if kind == "directory" then return true end
  if kind == "link" then
    return self:fail(subject, "local_io",
      ("'%s': a link has this folder's name (symlinks = \"follow\" follows it)"):format(place))
  end
  local ok, code, reason = self.opts.dry_run, nil, nil
  if not ok then ok, code, reason = core.make_folder(self:at(place)) end
  if ok then
    self.summary.folders = self.summary.folders + 1
    self:note("mkdir", subject)
  else self:fail(subject, code, ("'%s': %s"):format(place, reason)) end
  return ok, ok
end

-- An entry of a remote folder, `text` its name here, nil for none; returns that, and whether it is included. `seen`:
-- those of others.
function get:fetch_entry(entry, text, folder, seen)
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

-- A folder: its `path` on the share, `below` the top, and `here`; `is_linked` where a link leads to it, `is_new` when
-- it was just made here. What is here in another normal form only (a Mac's `é`) is the same, unless it is another
-- entry's.
function get:visit(folder)
  if not folder.path then return self:note_local_extra(folder, {}) end
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

function get:move(item, part)
  local copy <close>, code, reason = core.create_local(item.spot, core.random(), true, false, item.root)
  if not copy then return nil, code, ("'%s': %s"):format(item.here, reason) end
  local request = { name = item.path, file = copy, offset = 0, io_size = self.opts.io_size.read,
    read_back = self.opts.read_back, sha256 = self.opts.read_back }
  local reply
  reply, code, reason = transfer.fetch(self.state, request, part)
  if not reply then
    transfer.discard(self.state, copy)
    return nil, code, reason
  end
  local wanted, kept = self.opts.preserve_mtime, nil
  if item.replaces and self.keep_root then
    kept, code, reason = self:keep_local(item.subject, item.root and item.spot or core.realpath(item.spot), item.root)
    if not kept and code ~= "not_found" then return nil, code, ("'%s': %s"):format(item.here, reason) end
  end
  local ok, word, problem = transfer.complete(self.state, copy, wanted ~= false and reply.mtime or nil, true, wanted)
  if not ok then
    if kept then core.move(kept, item.spot, self.keep_root, item.root) end
    return nil, word, ("'%s': %s"):format(item.here, problem)
  end
  if word then self:note_time_refused(1) end
  return reply
end

-- Fetches several small files; returns how many of the first ones have arrived. The others are to be fetched one by
-- one.
local function move_some(self, items)
  local part = self:part(items[1].subject)
  part.file = items[1].subject
  local sizes, refused = transfer.fetch_some(self.state, items, self.opts.io_size.read, part, self.opts.preserve_mtime)
  self:note_time_refused(refused)
  local bytes = 0
  for i, size in ipairs(sizes) do
    bytes = bytes + size
    self:moved(items[i].subject, size)
  end
  part:finished(bytes)
  return #sizes
end

-- Holds the caller's folder open: all below it is found from there, and no link in it is followed.
local function hold(self, place)
  if self.opts.symlinks == "follow" then return true end
  local root, code, reason = core.open_root(place)
  if not root and not (self.opts.dry_run and tree.is_missing(place)) then
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
function tree_get.fetch(state, top, path, place, opts)
  local selection, wrong = selections.new(opts, place)
  if not selection then return nil, failures.message("get_tree", top, state.place, wrong), "invalid_name" end
  local self = tree.new(get, state, top, opts, selection)
  local may_keep, why = self:open_local_keep(place)
  if not may_keep then return nil, failures.message("get_tree", top, state.place, why), "local_io" end
  -- What is not there must not leave an empty folder here.
  local entry, code, reason = call.retry(state.dest, "stat", { name = path }, self:part(""))
  if entry and entry.type ~= "directory" and not entry.directory then -- a link that is named by the caller is followed
    entry, code, reason = nil, "not_directory", "it is no folder"
  end
  if not entry and opts.mirror and opts.force and tree.IS_MISSING[code] then
    if not tree.is_missing(place) and not hold(self, place) then return nil, self.stopped.message, self.stopped.code end
    return self:run { below = "", here = place }
  end
  if not entry then
    self.under:failed()
    return nil, failures.message("get_tree", top, state.place, reason), code
  end
  if not make_local_folders(self, place) or not hold(self, place) then
    local first = self.summary.errors[1]
    return nil, first.message, first.code
  end
  -- What is read twice, must fail at once or goes slowly goes one by one.
  local goes_fast = not opts.read_back and state.fields.retries > 0 and not state.fields.rate
  if goes_fast and not self.keep_root then self.move_some = move_some end
  return self:run { path = path, below = "", here = place }
end

return tree_get
