--- What is on the share and not in the source: put_tree with mirror removes it.
-- @module smb.tree_put_mirror

local bins = require "smb.bins"
local call = require "smb.call"
local core = require "smb.core"
local name = require "smb.name"
local task = require "smb.task"

local mirror = {}

-- An entry of a remote folder as one that is to go: under the name that it would have here. nil when a filter excludes
-- it, when it is the server's own, or a link to a folder: what would be removed is what that leads to. `is_inner`: the
-- folder that it is in is to go, and stays for it.
function mirror:unwanted(entry, below, path, is_inner)
  local text = self.names:here(entry.name) or entry.name
  if not self:is_included(below, text, entry) then return nil end
  if not self.opts.bins and bins.is_one(entry) then
    if is_inner then self:skip(name.join(below, text), "bin") end
    return nil
  end
  if entry.directory then return self:skip_remote(name.join(below, text), entry) end
  return { subject = name.join(below, text), path = name.join(path, entry.name), entry = entry }
end

-- Tells the bins for which a folder that was to go is still there. The reply has their paths, as far as it has room.
function mirror:skip_spared(each, reply)
  for _, bin in ipairs(reply) do self:skip(each.subject .. bin.name:sub(#each.path + 1), "bin") end
  local skipped, unnamed = self.summary.skipped, reply.spared - #reply
  skipped.count, skipped.bins = skipped.count + unnamed, skipped.bins + unnamed
end

-- What is on the share and not in the source, for later.
function mirror:note_extra(known, folder)
  if not self.opts.mirror then return end
  for _, entry in core.name_index_unseen, known, 0 do
    local extra = self:unwanted(entry, folder.below, folder.path)
    if extra and name.is_previous(entry.name) then
      self:spare(extra.subject,
        "it is not deleted: its name means a previous version, and what has it cannot be reached")
    elseif extra then
      extra.folder = folder
      self.extra[#self.extra + 1] = extra
    end
  end
end

-- Remembers what stays though it is not in the source: an error at the end.
function mirror:spare(subject, reason)
  table.insert(self.spared, { subject = subject, reason = reason })
end

-- Whether all that was sent into a folder is listed there under a name that we know. What is too much may be ours,
-- else.
function mirror:is_clear(folder)
  if not folder.unclear and folder.unlisted and not self.opts.dry_run then
    local known = self:remote_entries { below = folder.below, path = folder.path }
    for _, text in ipairs(folder.unlisted) do
      if not known or not core.name_index_find(known, text) then folder.unclear = text end
    end
  end
  if not folder.unclear then return true end
  self:spare(folder.below, ("nothing is deleted here: the server lists '%s' under a name of its own")
    :format(folder.unclear))
  return false
end

-- Leaves what is in folders that are not clear.
function mirror:spare_unclear()
  local clear, extra = {}, {}
  for _, each in ipairs(self.extra) do
    local folder = each.folder
    if clear[folder] == nil then clear[folder] = self:is_clear(folder) end
    if clear[folder] then extra[#extra + 1] = each end
  end
  self.extra = extra
end

-- Deletes what is too much, or keeps it. What is gone already is fine.
function mirror:take_away(each, verb)
  if self.keep_path and verb == "delete" then
    local kept, code, reason = self:keep_remote(each.subject, each.path)
    return kept and true or code == "not_found", code, reason
  end
  local is_spared = not self.opts.bins and not bins.is_one(each.entry)
  return call.retry(self.state.dest, verb,
    { name = each.path, recursive = not self.keep_path, missing_ok = true, spare_bins = is_spared },
    self:part(each.subject))
end

-- A folder that others fill meanwhile, a bin that deleted files go into, is removed when all else is.
function mirror:remove_one(each, verb)
  local ok, code, reason = self.opts.dry_run, nil, nil
  if not ok then ok, code, reason = self:take_away(each, verb) end
  local is_kept = ok and ok ~= true and (ok.spared or 0) > 0
  if is_kept then
    self:skip_spared(each, ok)
  elseif ok then
    self.summary.deleted = self.summary.deleted + 1
    self:note("delete", each.subject, each.entry.type == "file" and each.entry.size or nil)
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

-- Removes what is too much on the share. Of a folder, what a filter excludes stays, and with it the folder. True when
-- it is gone.
function mirror:remove_unwanted(each)
  if self:is_over() then return false end
  if each.entry.type ~= "directory" then return self:remove_one(each, "delete") end
  if not each.again and bins.is_one(each.entry) and #self.extra > 1 then
    each.again = true
    self.later[#self.later + 1] = each
    return false
  end
  if not self.filter and not self.keep_path then return self:remove_one(each, "rmdir") end
  local found, is_empty, had_any = {}, true, false
  local ok = self:each_remote(each.subject, each.path, function(entry)
    had_any = true
    local unwanted = self:unwanted(entry, each.subject, each.path, true)
    found[#found + 1], is_empty = unwanted, is_empty and unwanted ~= nil
  end)
  for _, inner in ipairs(found) do is_empty = self:remove_unwanted(inner) and is_empty end
  if ok and not had_any and self.keep_path and not self.opts.dry_run then self:keep_remote_folder(each.subject) end
  return ok and is_empty and self:remove_one(each, "rmdir")
end

-- How many files would go with one of those that are too much; an empty folder counts as one. Stops beyond `most`.
function mirror:count_inside(each, most)
  if each.entry.type ~= "directory" then return 1 end
  local count, inside, is_empty = 0, {}, true
  self:each_remote(each.subject, each.path, function(entry)
    local text = self.names:here(entry.name) or entry.name
    local stays = entry.directory or not self.opts.bins and bins.is_one(entry)
    is_empty = false
    if not stays and self:is_included(each.subject, text, entry) then
      inside[#inside + 1] =
        { subject = name.join(each.subject, text), path = name.join(each.path, entry.name), entry = entry }
    end
  end)
  for _, inner in ipairs(inside) do
    if count > most then break end
    count = count + self:count_inside(inner, most - count)
  end
  return is_empty and 1 or count
end

function mirror:remove()
  local at = 0
  self:spare_unclear()
  if self:deletes_too_many(function(each, most) return self:count_inside(each, most) end) then return end
  local tasks <close> = task.group(self.state)
  local function lane()
    while at < #self.extra do
      at = at + 1
      self:remove_unwanted(self.extra[at])
    end
  end
  for _ = 1, math.min(self:lanes_wanted(), #self.extra) do tasks:spawn(lane) end
  tasks:wait()
  for _, each in ipairs(self.later) do self:remove_unwanted(each) end
end

return mirror
