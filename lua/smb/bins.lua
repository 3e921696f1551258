--- Folders that a server keeps for itself on a share: recycle bins, snapshots, what it knows of files.
-- @module smb.bins

local name = require "smb.name"

local bins = {}

local FOLDED = {}
for _, each in ipairs { ".recycle", "#recycle", "@Recycle", "$RECYCLE.BIN", "@eaDir", "#snapshot", ".snapshot", "lost+found" } do
  FOLDED[name.fold(each)] = true
end

local TRASH = name.fold ".Trash-" -- with a user's number

--- Whether an entry is such a folder.
-- @tparam table entry `name` and `type`
-- @treturn boolean
function bins.is_one(entry)
  if entry.type ~= "directory" then return false end
  local folded = name.fold(entry.name)
  return FOLDED[folded] or folded:sub(1, #TRASH) == TRASH
end

return bins
