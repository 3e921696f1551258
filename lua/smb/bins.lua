--- Folders that a server keeps for itself on a share: recycle bins, snapshots, what it knows of files.
-- @module smb.bins

local core = require "smb.core"

local bins = {}

--- Whether an entry is such a folder.
-- @tparam table entry `name` and `type`
-- @treturn boolean
function bins.is_one(entry)
  return entry.type == "directory" and core.is_bin(entry.name)
end

return bins
