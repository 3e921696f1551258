-- Backs up a local folder to a share:
--
--     lua5.4 examples/backup.lua /etc 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials'
--
-- Files whose size and time are the same on the share are left alone. Exit status 1 when something could not be saved.

local lfs = require "lfs"
local smb = require "smb"

local folder, url = ...
if not url then
  io.stderr:write("usage: lua5.4 examples/backup.lua FOLDER URL\n")
  os.exit(2)
end

local sent, same, failed, bytes = 0, 0, 0, 0

local function complain(message)
  failed = failed + 1
  io.stderr:write("FAILED  ", message, "\n")
end

-- What the share has of a folder, by name: one listing instead of a question for each file.
local function remote_entries(dest, path)
  local list, message = dest:list(path)
  if not list then complain(message) end
  local entries = {}
  for _, entry in ipairs(list or {}) do entries[entry.name] = entry end
  return entries
end

local function save_file(dest, localpath, path, attributes, entry)
  if entry and entry.size == attributes.size and math.floor(entry.mtime) == attributes.modification then
    same = same + 1
    return
  end
  local result, message = dest:put(localpath, path, { parents = true })
  if not result then return complain(message) end
  sent, bytes = sent + 1, bytes + result.bytes
  print(path)
end

local save_folder

local function save(dest, from, to, entry)
  local attributes, reason = lfs.symlinkattributes(from)
  if not attributes then
    complain(reason)
  elseif attributes.mode == "file" then
    save_file(dest, from, to, attributes, entry)
  elseif attributes.mode == "directory" then
    local ok, message = dest:mkdir(to)
    if ok then save_folder(dest, from, to) else complain(message) end
  else
    io.stderr:write("skipped ", from, " (", attributes.mode, ")\n")
  end
end

function save_folder(dest, localpath, path)
  local ok, iterator, state = pcall(lfs.dir, localpath)
  if not ok then return complain(iterator) end
  local entries = remote_entries(dest, path)
  for name in iterator, state do
    if name ~= "." and name ~= ".." then
      save(dest, localpath .. "/" .. name, path == "" and name or path .. "/" .. name, entries[name])
    end
  end
end

local dest <close> = assert(smb.open(url))
assert(dest:mkdir(""))
save_folder(dest, folder, "")
print(("%d files sent (%.1f MiB), %d unchanged, %d failed"):format(sent, bytes / 2 ^ 20, same, failed))
os.exit(failed == 0, true)
