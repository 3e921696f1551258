-- Brings back what examples/backup.lua saved:
--
--     lua5.4 examples/restore.lua 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials' /tmp/etc
--
-- Exit status 1 when something could not be restored.

local smb = require "smb"

local url, folder = ...
if not folder then
  io.stderr:write("usage: lua5.4 examples/restore.lua URL FOLDER\n")
  os.exit(2)
end

local dest <close> = assert(smb.open(url))
local summary = assert(dest:get_tree("", folder, { on_error = "continue", encode_names = true }))
for _, failure in ipairs(summary.errors) do io.stderr:write("FAILED  ", failure.message, "\n") end
print(summary)
os.exit(#summary.errors == 0, true)
