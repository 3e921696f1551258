-- Lists a folder on a share, and how much room is left:
--
--     lua5.4 examples/list.lua 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials'

local smb = require "smb"

local url = ...
if not url then
  io.stderr:write("usage: lua5.4 examples/list.lua URL\n")
  os.exit(2)
end

local dest <close> = assert(smb.open(url))
for _, entry in ipairs(assert(dest:list())) do
  local size = entry.type == "file" and ("%d"):format(entry.size) or entry.type
  print(("%14s  %s  %s"):format(size, os.date("%Y-%m-%d %H:%M", entry.mtime // 1 | 0), entry.name))
end

local quota = dest:quota()
if quota then print(("%.1f of %.1f GiB are free"):format(quota.available / 2 ^ 30, quota.total / 2 ^ 30)) end
