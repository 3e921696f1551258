-- Dumps a database into a dated file on a share, compressed and encrypted on the way: no copy of it is on this disk.
-- Old ones go. When any of the programs fails nothing is put into place.
--
--     lua5.4 examples/dump.lua 'smb://nas/backup/dumps?credentials-file=/root/.smbcredentials' shop age1...
--
-- The last argument is whom age encrypts for: the public key that `age-keygen` has told. To read one again:
--
--     lua-smb cat URL shop-2026-11-30T021500Z.sql.zst.age | age -d -i key.txt | zstd -d

local smb = require "smb"

local url, database, recipient = ...
if not recipient then
  io.stderr:write("usage: lua5.4 examples/dump.lua URL DATABASE RECIPIENT\n")
  os.exit(2)
end

local KEEP = { keep_last = 7, keep_weekly = 8, keep_monthly = 12, utc = true }

local dest <close> = assert(smb.open(url))
assert(dest:mkdir(""))

local name = ("%s-%s.sql.zst.age"):format(database, os.date "!%Y-%m-%dT%H%M%SZ")
local dump = smb.command({ "pg_dump", database }, { "zstd", "-q" }, { "age", "-r", recipient })
print(name, assert(dest:write(name, dump, { verify = "sha256" })))

-- The time that such a file's name tells, as this computer counts.
local function time_of(text)
  if text:sub(1, #database + 1) ~= database .. "-" or not text:find "%.sql%.zst%.age$" then return nil end
  local year, month, day, hour, min, sec = text:match("(%d+)%-(%d%d)%-(%d%d)T(%d%d)(%d%d)(%d%d)Z", #database + 2)
  return year and os.time { year = year, month = month, day = day, hour = hour, min = min, sec = sec }
end

local dumps = {}
for _, entry in ipairs(assert(dest:list())) do
  local time = time_of(entry.name)
  if time then dumps[#dumps + 1] = { time = time, name = entry.name } end
end
local _, old = smb.retention(dumps, KEEP)
for _, each in ipairs(old) do
  assert(dest:delete(each.name))
  print("deleted", each.name)
end
