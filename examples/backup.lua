-- Backs up a local folder to a share:
--
--     lua5.4 examples/backup.lua /etc 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials'
--
-- Files whose size and time are the same on the share are left alone; what an earlier run left behind when it was
-- killed is tidied up first. Exit status 1 when something could not be saved.

local smb = require "smb"

local folder, url = ...
if not url then
  io.stderr:write("usage: lua5.4 examples/backup.lua FOLDER URL\n")
  os.exit(2)
end

local dest <close> = assert(smb.open(url))
assert(dest:mkdir(""))
for _, name in ipairs(assert(dest:sweep())) do print("swept   " .. name) end

local summary = assert(dest:put_tree(folder, "", { on_error = "continue", encode_names = true }))
for _, failure in ipairs(summary.errors) do io.stderr:write("FAILED  ", failure.message, "\n") end
print(summary)
os.exit(#summary.errors == 0, true)
