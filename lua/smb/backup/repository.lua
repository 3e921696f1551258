--- A folder of snapshots on a share: what is in it, and what its parts are called.
-- @module smb.backup.repository

local manifest = require "smb.backup.manifest"
local name = require "smb.name"
local names = require "smb.backup.names"

local repository = {}

--- The place of something in a repository.
-- @tparam table repo
-- @tparam string below
-- @treturn string a name of the destination's
function repository.at(repo, below) return name.join(repo.path, below) end

--- What messages call a repository: its path, or nil where the destination names it already.
-- @tparam table repo
-- @treturn ?string
function repository.subject(repo) return repo.path ~= "" and repo.path or nil end

-- What there is, by snapshot: `part`, `folder`, `manifest`, `new_manifest` (entries).
local KINDS =
  { [""] = "folder", [names.PART] = "part", [names.MANIFEST] = "manifest", [names.NEW_MANIFEST] = "new_manifest" }

--- Looks into a repository. One that is not there yet is empty.
-- @tparam table repo
-- @treturn[1] {table,...} by name, oldest first: `name`, `time`, and the entries `folder`, `part`, `manifest`,
-- `new_manifest`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function repository.look(repo)
  local entries, message, code = repo.dest:list(repo.path)
  if not entries and (code == "folder_missing" or code == "not_found") then return {} end
  if not entries then return nil, message, code end
  local all, by_name = {}, {}
  for _, entry in ipairs(entries) do
    local own, ending = names.parse(entry.name)
    local is_folder = ending == "" or ending == names.PART
    if own and (entry.type == "directory") == is_folder and entry.type ~= "link" then
      local found = by_name[own]
      if not found then
        found = { name = own, time = names.time(own) }
        by_name[own], all[#all + 1] = found, found
      end
      found[KINDS[ending]] = entry
    end
  end
  table.sort(all, function(a, b) return a.time < b.time end)
  return all
end

--- Whether a snapshot's folder and manifest have their names: the last steps of making one.
-- @tparam table found of `repository.look`
-- @treturn boolean
function repository.is_named(found) return found.folder ~= nil and found.manifest ~= nil end

--- The counts of a snapshot that is complete: folder and whole manifest are there.
-- @tparam table repo
-- @tparam table found of `repository.look`
-- @treturn[1] table counts
-- @treturn[2] nil when it is not complete
-- @treturn[2] ?string message when that could not be found out
-- @treturn[2] ?string code
function repository.counts(repo, found)
  if not repository.is_named(found) then return nil end
  return manifest.counts(repo.dest, repository.at(repo, found.name .. names.MANIFEST), found.manifest.size)
end

--- The newest snapshot that is complete.
-- @tparam table repo
-- @tparam {table,...} all of `repository.look`
-- @treturn[1] table found
-- @treturn[2] nil when there is none
-- @treturn[2] ?string message when that could not be found out
-- @treturn[2] ?string code
function repository.latest(repo, all)
  for i = #all, 1, -1 do
    local counts, message, code = repository.counts(repo, all[i])
    if counts then return all[i] end
    if message then return nil, message, code end
  end
end

--- Opens the manifest of a snapshot that is complete.
-- @tparam table repo
-- @tparam string wanted its name, or "latest"
-- @treturn[1] table manifest.open's
-- @treturn[1] string its name
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function repository.open(repo, wanted)
  if wanted == "latest" then
    local all, message, code = repository.look(repo)
    if not all then return nil, message, code end
    local found
    found, message, code = repository.latest(repo, all)
    if not found then return nil, message or "there is no complete snapshot", code or "not_found" end
    wanted = found.name
  end
  local found, message, code = manifest.open(repo.dest, repository.at(repo, wanted .. names.MANIFEST))
  if code == "not_found" or code == "folder_missing" then
    return nil, ("there is no complete snapshot %s"):format(wanted), "not_found"
  end
  if not found then return nil, message, code end
  return found, wanted
end

return repository
