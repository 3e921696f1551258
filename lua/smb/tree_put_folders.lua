--- Folders that put_tree makes on the share. Where the server may take two of a folder's for one, all of them are made
-- before any is entered: such two are told then, and never mixed.
-- @module smb.tree_put_folders

local core = require "smb.core"
local name = require "smb.name"
local naming = require "smb.naming"
local task = require "smb.task"

local folders = {}

local SEVERAL = 8 -- folders to be made for which further connections pay

-- The place of a folder on the share.
local function path_of(item, folder)
  return name.join(folder.path, item.there and item.there.name or item.remote)
end

--- Whether something that is no folder has a folder's name: that is told.
function folders:is_in_the_way(there, subject)
  if not there or there.type == "directory" then return false end
  if there.directory and core.info(self.state.dest).dfs then self:skip_remote(subject, there)
  else self:fail(subject, "exists", there.type == "link" and "a link has this name" or "a file has this name") end
  return true
end

-- Makes a folder that is not there, and sets `is_made`, or `is_taken` where something has its name. One that cannot be
-- entered is told, and `is_out`.
function folders:prepare(item, folder)
  local there, subject = self:still_there(item.there, "directory", folder), name.join(folder.below, item.entry.name)
  item.there = there
  item.is_out = true
  if self:is_in_the_way(there, subject) then return end
  if not there then
    local made, code = self:make_folder(subject, path_of(item, folder), true)
    item.is_made, item.is_taken = made, code == "exists"
    if not made and not item.is_taken then return end
  end
  item.is_out = false
end

-- Prepares all of a folder's, new ones side by side.
function folders:prepare_all(items, folder)
  local at, new = 0, 0
  local function lane()
    while at < #items and not self:is_cut_short() do
      at = at + 1
      self:prepare(items[at], folder)
    end
  end
  for _, item in ipairs(items) do new = new + (item.there and 0 or 1) end
  if new < SEVERAL or self.opts.dry_run then return lane() end
  local tasks <close> = task.group(self.state)
  for _ = 1, self:lanes_wanted() do tasks:spawn(lane) end
  tasks:wait()
end

-- Two that are one there. ---------------------------------------------------------------------------------------------

-- What can be seen of a folder on the share: its `mark`; whether it `is_listed` as its own; `like`, how what the name
-- may stand for is listed. `claimed` gets what is listed as some folder's own.
local function look(self, item, known, folder, claimed)
  local there, how = item.there, "exact"
  if not there then there, how = core.name_index_find(known, item.remote) end
  local is_asked = there ~= nil and there.is_asked == true
  item.is_listed = there ~= nil and how == "exact" and not is_asked
  item.like = there and not is_asked and there.name or nil
  if item.is_listed then claimed[item.like] = true end
  if not item.is_listed and not is_asked then
    there = self.names.ask("stat", { name = path_of(item, folder), inner = true })
  end
  item.mark = there and naming.mark_of(there) or ""
end

-- Makes a file in a folder on the share: what is one with that has it, too. True, or nil and the code.
local function plant(self, item, inner, folder)
  local place = name.join(path_of(item, folder), inner)
  local file, code = self.names.ask("open", { name = place, writable = true, create = true, exclusive = true })
  if not file then return nil, code end
  self.names.ask("close", { link = file.link, handle = file.handle })
  return true
end

local function has_planted(self, item, inner, folder)
  return self.names.ask("stat", { name = name.join(path_of(item, folder), inner), inner = true }) ~= nil
end

local function uproot(self, item, inner, folder)
  self.names.ask("delete", { name = name.join(path_of(item, folder), inner), missing_ok = true })
end

local function new_plant() return name.temporary("lua-smb-double", core.random()) end

-- The one of some folders that is the same as another one, if any.
local function same_one(self, item, others, folder)
  if #others < 2 then return others[1] end
  local inner, found = new_plant(), nil
  if not plant(self, item, inner, folder) then return others[1] end
  for _, other in ipairs(others) do
    found = has_planted(self, other, inner, folder) and other
    if found then break end
  end
  uproot(self, item, inner, folder)
  return found or nil
end

-- Tells one of two that are the same, and leaves it out: what is listed by its own name stays, else what is nearest.
function folders:settle_pair(item, other, folder)
  if not other or item.is_out or other.is_out then return end
  local gives_way = other.is_listed
  if item.is_listed == other.is_listed then
    gives_way = naming.is_nearer(other.remote, item.remote, item.like or other.like or "")
  end
  local loser, winner = item, other
  if not gives_way then loser, winner = other, item end
  loser.is_out, winner.is_one = true, true
  self:fail_double(loser, folder, winner.entry.name)
end

-- Finds out which of some that look alike are one.
function folders:settle_alike(group, folder)
  local inner, planted = new_plant(), {}
  for _, item in ipairs(group) do
    local ok, code = nil, nil
    if item.is_doubtful then ok, code = plant(self, item, inner, folder) end
    if ok then planted[#planted + 1] = item
    elseif code == "exists" then self:settle_pair(item, same_one(self, item, planted, folder), folder) end
  end
  for _, item in ipairs(group) do
    if not item.is_doubtful and #planted > 0 and has_planted(self, item, inner, folder) then
      self:settle_pair(item, same_one(self, item, planted, folder), folder)
    end
  end
  for _, item in ipairs(planted) do uproot(self, item, inner, folder) end
end

-- What was taken already, or has no entry in the listing, and is the same as none of ours.
function folders:settle_alone(item, known, folder)
  if item.is_listed or not (item.is_taken or item.is_double) then return end
  local is_ours, reason = false, nil
  if item.like then is_ours, reason = self.names:is_ours(folder, item.entry, item.remote, known) end
  item.is_out = not is_ours
  if not is_ours then self:fail(name.join(folder.below, item.entry.name), "exists", reason or naming.DOUBLE) end
end

-- Whether two that look alike are one for sure: the listing does not have the first, and of ours nothing else is alike.
local function is_sure(group)
  local item, other = group[1], group[2]
  if other.is_doubtful then item, other = other, item end
  return #group == 2 and item.is_taken and not item.is_listed and other.is_listed
end

function folders:settle_group(group, known, folder)
  local has_doubt = false
  for _, item in ipairs(group) do has_doubt = has_doubt or item.is_doubtful end
  if not has_doubt then return end
  if #group > 1 and is_sure(group) then self:settle_pair(group[1], group[2], folder)
  elseif #group > 1 then self:settle_alike(group, folder) end
  for _, item in ipairs(group) do
    if item.is_doubtful and not item.is_out and not item.is_one then self:settle_alone(item, known, folder) end
  end
end

-- Finds out which of a folder's are one on the share. What was not listed and is there may be another one of ours.
function folders:settle_doubles(items, folder)
  local groups, order, claimed, has_doubt, is_taken = {}, {}, {}, false, false
  for _, item in ipairs(items) do
    item.is_doubtful = not item.is_out and (item.is_taken or item.there ~= nil and item.there.is_asked == true)
    has_doubt, is_taken = has_doubt or item.is_doubtful, is_taken or item.is_taken
  end
  if not has_doubt or self.opts.dry_run or folder.is_blind then return end
  local known = folder.known
  if is_taken then known = self:remote_entries { below = folder.below, path = folder.path } or core.name_index() end
  for _, item in ipairs(items) do
    if self:is_cut_short() then return end
    if not item.is_out and (is_taken or not item.is_made) then
      look(self, item, known, folder, claimed)
      if not groups[item.mark] then order[#order + 1], groups[item.mark] = item.mark, {} end
      table.insert(groups[item.mark], item)
    end
  end
  for _, mark in ipairs(order) do
    if self:is_cut_short() then return end
    for _, item in ipairs(groups[mark]) do
      if not item.is_listed and item.like and claimed[item.like] then item.like = nil end
    end
    self:settle_group(groups[mark], known, folder)
  end
end

-- Whether the server may take some for one: what maps characters maps such that are not ASCII's, or to them.
local function may_be_mapped(items)
  local has_new, has_odd = false, false
  for _, item in ipairs(items) do
    has_new = has_new or not item.there or item.there.is_asked == true
    has_odd = has_odd or item.remote:find "[\128-\255]" ~= nil
  end
  return has_new and has_odd
end

-- Sends a folder that is there by now.
function folders:send_made(item, folder)
  local is_found = not item.there or item.there.is_asked
  if item.is_out or is_found and not self:may_enter(item.remote, item.entry, folder) then return end
  local made = { here = folder.here .. "/" .. item.entry.name, below = name.join(folder.below, item.entry.name),
    path = path_of(item, folder), is_new = item.is_made, identity = item.entry.identity, above = folder,
    is_usual = folder.is_usual, whole = folder.whole }
  local may_be_whole = item.is_made and not folder.whole and not folder.is_usual and not folder.is_blind
    and not self.names:is_paired(folder.below, item.remote)
  if may_be_whole then self:begin_whole(made, folder.temporaries, true) end
  if not self:is_over() then self:add_folder(made) end
end

-- Sends folders with all that is in them. `items`: each with its `entry`, `remote`, its name there, perhaps `there`.
function folders:send_folders(items, folder)
  local are_made_first = #items > 1 and may_be_mapped(items)
  if are_made_first then
    self:prepare_all(items, folder)
    if self:is_over() then return end
    self:settle_doubles(items, folder)
  end
  for _, item in ipairs(items) do
    if self:is_cut_short() then return end
    if are_made_first then self:send_made(item, folder)
    elseif item.is_double then self:fail_double(item, folder)
    else self:send_below(item.remote, item.entry, item.there, folder) end
  end
end

return folders
