-- Brings one file or folder back from the newest snapshot that has it, compared with what was sent:
--
--     lua5.4 examples/restore-one.lua 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials' \
--         etc/hosts /tmp/restored
--
-- It comes to stand under its whole path: /tmp/restored/etc/hosts.

local smb = require "smb"

local url, path, folder = ...
if not folder then
  io.stderr:write("usage: lua5.4 examples/restore-one.lua URL PATH FOLDER\n")
  os.exit(2)
end

local dest <close> = assert(smb.open(url))
local repo = smb.backup(dest)
local snapshots = assert(repo:list())
for i = #snapshots, 1, -1 do
  local each = snapshots[i]
  if each.complete then
    local summary, message, code = repo:restore(each.name, folder, { path = path, verify = "sha256" })
    if summary then
      print(("%s, from %s"):format(summary, each.name))
      os.exit(0, true)
    end
    if code ~= "not_found" then error(message, 0) end
  end
end
io.stderr:write(("'%s' is in no snapshot\n"):format(path))
os.exit(1, true)
