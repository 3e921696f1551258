--- Puts what a manifest tells of a file back: beneath a folder that is held, so that nothing that others put there
-- leads elsewhere.
--
-- Functions give true, or nil, code, reason.
-- @module smb.backup.place

local core = require "smb.core"

local place = {}

local PRIVATE_FOLDER, PRIVATE_FILE = 448, 384 -- modes 0700 and 0600: what nobody else sees before it has its own
local RIGHTS, ALL = 511, 4095 -- mode 0777, and with the bits that give a program its owner's rights

--- Makes a place: a local folder below which all stands.
-- @tparam userdata root core.open_root's
-- @tparam boolean owners whether users and groups are put back
-- @treturn table
function place.new(root, owners)
  return setmetatable({ root = root, owners = owners, ids = {} }, { __index = place })
end

-- The number of a user or group here: by its name, else the one that it had there.
function place:ids_of(entry)
  local key = ("%s:%s:%d:%d"):format(entry.user or "", entry.group or "", entry.uid, entry.gid)
  local ids = self.ids[key]
  if not ids then
    local uid, gid = core.owner_ids(entry.user, entry.group)
    ids = { uid or entry.uid, gid or entry.gid }
    self.ids[key] = ids
  end
  return ids[1], ids[2]
end

-- What is to be set. Without its owner a program does not get the bits that would give others the rights of who
-- restores it.
local function wanted(self, entry)
  local attributes = { mtime = entry.mtime }
  if entry.type ~= "link" then attributes.mode = entry.mode & (self.owners and ALL or RIGHTS) end
  if self.owners and entry.uid and entry.gid then attributes.uid, attributes.gid = self:ids_of(entry) end
  return attributes
end

--- What stands at a path: its type, size, time in ticks; nil for nothing.
function place:look(path) return core.lstat(path, false, self.root) end

--- Makes a folder, for nobody else to look into until `finish`. Second: whether it is new.
function place:folder(path)
  local kind = self:look(path)
  if kind == "directory" then return true, false end
  if kind then return nil, "local_io", "something else has this folder's name" end
  local ok, code, reason = core.make_folder(path, self.root)
  if ok then ok, code, reason = core.set_attributes(path, { mode = PRIVATE_FOLDER }, self.root) end
  if not ok then return nil, code, reason end
  return true, true
end

--- Gives a folder, or a file that was there already, what its entry tells.
function place:finish(entry)
  return core.set_attributes(entry.path == "" and "." or entry.path, wanted(self, entry), self.root)
end

--- A new file that has its name only after `complete`, for nobody else to read until then.
-- @treturn[1] userdata core.create_local's
function place:file(path)
  local copy, code, reason = core.create_local(path, core.random(), true, false, self.root)
  if not copy then return nil, code, reason end
  local ok
  ok, code, reason = core.set_local_attributes(copy, { mode = PRIVATE_FILE })
  if not ok then
    core.discard(copy)
    return nil, code, reason
  end
  return copy
end

--- Gives a new file, all of which is there, what its entry tells.
function place:dress(copy, entry)
  return core.set_local_attributes(copy, wanted(self, entry))
end

-- Whether a link's target lies in the folder that is held, whatever other links are there: first folders up, then
-- names.
local function is_inside(path, target)
  if target == "" or target:sub(1, 1) == "/" then return false end
  local depth, has_gone_down = select(2, path:gsub("/", "")), false
  for part in target:gmatch "[^/]+" do
    if part == ".." then
      depth = depth - 1
      if has_gone_down or depth < 0 then return false end
    elseif part ~= "." then
      has_gone_down = true
    end
  end
  return true
end

place.is_inside = is_inside

--- Makes a link. Second: false when it was there already.
function place:link(entry)
  local path = entry.path
  local there = core.attributes(path, self.root)
  if there and there.type == "directory" then return nil, "local_io", "a folder has this name" end
  local is_new = not there or there.target ~= entry.target
  if is_new then
    local ok, code, reason = true, nil, nil
    if there then ok, code, reason = core.remove(path, false, self.root) end
    if ok then ok, code, reason = core.make_link(entry.target, path, self.root) end
    if not ok then return nil, code, reason end
  end
  local ok, code, reason = core.set_attributes(path, wanted(self, entry), self.root)
  if not ok then return nil, code, reason end
  return true, is_new
end

return place
