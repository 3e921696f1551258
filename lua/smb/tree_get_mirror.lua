--- What is here and not on the share: get_tree with mirror removes it.
-- @module smb.tree_get_mirror

local bins = require "smb.bins"
local core = require "smb.core"
local name = require "smb.name"
local task = require "smb.task"

local mirror = {}

-- What is here and not on the share, for later. `seen`: names on the share, those that a filter excludes too. What a
-- link in the tree leads to is not the tree's.
function mirror:note_local_extra(folder, seen)
  if not self.opts.mirror or folder.is_linked or self:look(folder.here) ~= "directory" then return end
  for entry in self:local_entries(folder.here, folder.below) do
    if seen[entry.name] == nil and (self.opts.bins or not bins.is_one(entry)) then
      self.extra[#self.extra + 1] =
        { subject = name.join(folder.below, entry.name), here = folder.here .. "/" .. entry.name,
          size = entry.type == "file" and entry.size or nil }
    end
  end
end

-- Calls fn with name, type, size, mtime (ticks) of all that is in a local folder; false, reason when it cannot be read.
function mirror:each_inside(place, fn)
  local at, root = self:at(place)
  local next_entry, folder, reason, _ <close> = core.entries(at, false, true, root)
  if not next_entry then return false, reason end
  for text, kind, size, ticks in next_entry, folder do fn(text, kind, size, ticks) end
  return true
end

-- What has a name; a link is one.
function mirror:type_of(place)
  local at, root = self:at(place)
  return (core.lstat(at, false, root))
end

function mirror:remove_name(place, is_folder)
  local at, root = self:at(place)
  local ok, _, reason = core.remove(at, is_folder, root)
  return ok, reason
end

-- Removes a file, or a folder with all that is in it but for bins and the way to them. That it is gone already is fine.
-- Second: the reason of a failure, or whether it stays for a bin.
function mirror:remove_whole(place, subject)
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

function mirror:remove_here(each, remove)
  local ok, reason = self.opts.dry_run, nil
  if not ok then ok, reason = remove(each.here, each.subject) end
  if not ok then self:fail(each.subject, "local_io", ("'%s' cannot be removed (%s)")
    :format(each.here, tostring(reason)))
  elseif reason then return false -- it stays for a bin
  else
    self.summary.deleted = self.summary.deleted + 1
    self:note("delete", each.subject, each.size)
  end
  return ok
end

-- Removes what is too much here, as `remove_unwanted` does there.
function mirror:clear(each)
  if self:is_over() then return false end
  local function whole(place, subject)
    if not self.keep_root then return self:remove_whole(place, subject) end
    local kept, code, why = self:keep_local(subject, self:at(place))
    return kept and true or code == "not_found", not kept and why or nil
  end
  local is_folder = self:type_of(each.here) == "directory"
  if not is_folder or not (self.filter or self.keep_root) then return self:remove_here(each, whole) end
  local found, is_empty, had_any = {}, true, false
  local ok, reason = self:each_inside(each.here, function(text, kind, size, ticks)
    local entry = kind and { name = text, type = kind, size = size, mtime = core.seconds(ticks) }
    had_any = true
    local is_included = not entry or self:is_included(each.subject, text, entry)
    if is_included and entry and not self.opts.bins and bins.is_one(entry) then
      is_included = false
      self:skip(name.join(each.subject, text), "bin")
    end
    if is_included then
      found[#found + 1] = { subject = name.join(each.subject, text), here = each.here .. "/" .. text,
        size = kind == "file" and size or nil }
    end
    is_empty = is_empty and is_included
  end)
  if not ok then
    self:fail(each.subject, "local_io", ("'%s' cannot be removed (%s)"):format(each.here, reason))
    return false
  end
  for _, inner in ipairs(found) do is_empty = self:clear(inner) and is_empty end
  if not had_any and self.keep_root and not self.opts.dry_run then self:keep_local_folder(each.subject) end
  return is_empty and self:remove_here(each, function(place) return self:remove_name(place, true) end)
end

-- How many files would go with one of those that are too much; an empty folder counts as one. Stops beyond `most`.
function mirror:count_inside(each, most)
  task.breathe(self.state)
  if self:type_of(each.here) ~= "directory" then return 1 end
  local count, inside, is_empty = 0, {}, true
  self:each_inside(each.here, function(text, kind, size, ticks)
    local entry = kind and { name = text, type = kind, size = size, mtime = core.seconds(ticks) }
    is_empty = false
    local stays = entry
      and (not self:is_included(each.subject, text, entry) or not self.opts.bins and bins.is_one(entry))
    if not stays then
      inside[#inside + 1] = { subject = name.join(each.subject, text), here = each.here .. "/" .. text }
    end
  end)
  for _, inner in ipairs(inside) do
    if count > most then break end
    count = count + self:count_inside(inner, most - count)
  end
  return is_empty and 1 or count
end

function mirror:remove()
  if self.there == 0 and not self.opts.force then
    self:fail("", "failed", "the source is empty: with mirror, that needs force")
    self.stopped = self.stopped or self.summary.errors[#self.summary.errors]
    return
  end
  if self:deletes_too_many(function(each, most) return self:count_inside(each, most) end) then return end
  for _, each in ipairs(self.extra) do self:clear(each) end
end

return mirror
