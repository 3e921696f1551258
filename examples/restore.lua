-- Brings back what examples/backup.lua saved:
--
--     lua5.4 examples/restore.lua 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials' /tmp/etc
--
-- Exit status 1 when something could not be restored.

local lfs = require "lfs"
local smb = require "smb"

local url, folder = ...
if not folder then
  io.stderr:write("usage: lua5.4 examples/restore.lua URL FOLDER\n")
  os.exit(2)
end

local restored, failed, bytes = 0, 0, 0

local dest <close> = assert(smb.open(url))
lfs.mkdir(folder)
for path, entry in dest:walk() do
  local target = folder .. "/" .. path
  if entry.type == "directory" then
    lfs.mkdir(target)
  elseif entry.type == "file" then
    local result, message = dest:get(path, target, { parents = true })
    if result then
      restored, bytes = restored + 1, bytes + result.bytes
      print(path)
    else
      failed = failed + 1
      io.stderr:write("FAILED  ", message, "\n")
    end
  end
end
print(("%d files restored (%.1f MiB), %d failed"):format(restored, bytes / 2 ^ 20, failed))
os.exit(failed == 0, true)
