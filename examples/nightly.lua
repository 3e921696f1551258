-- What a machine does each night: a snapshot, then the old ones go; on the first of a month the newest is read back.
--
--     lua5.4 examples/nightly.lua 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials' /etc /home
--
-- With MAILTO in the environment whoever that is gets a mail when something went wrong. Exit status 0: all is well;
-- 3: the snapshot is there, but some files could not be read; 1: something failed.

local smb = require "smb"

local url, folders = ..., { select(2, ...) }
if #folders == 0 then
  io.stderr:write("usage: lua5.4 examples/nightly.lua URL FOLDER...\n")
  os.exit(2)
end

local EXCLUDE = { "*.tmp", ".cache/", "lost+found/" }
local KEEP = { keep_last = 3, keep_daily = 14, keep_weekly = 8, keep_monthly = 12, keep_yearly = 3 }

local said = {}
local function say(...)
  local line = table.concat({ ... }, " ")
  said[#said + 1] = line
  print(line)
end

local function is_first_of_month()
  return os.date "%d" == "01" or os.getenv "NIGHTLY_VERIFY" ~= nil
end

-- Returns the exit status, or nil and what failed.
local function run()
  local dest <close>, reason = smb.open(url, { wait_for_server = "10m" }) -- a NAS may have to wake up
  if not dest then return nil, reason end
  local repo = smb.backup(dest)
  local snap, problem = repo:snapshot(#folders == 1 and folders[1] or folders, { exclude = EXCLUDE })
  if not snap then return nil, problem end
  say(tostring(snap))
  for _, failure in ipairs(snap.errors) do say("FAILED", failure.message) end
  local plan
  plan, problem = repo:prune(KEEP)
  if not plan then return nil, problem end
  for _, each in ipairs(plan.delete) do say("deleted", each.name) end
  if is_first_of_month() then
    local report
    report, problem = repo:verify("latest", { data = true })
    if not report then return nil, problem end
    say(tostring(report))
    if not report.ok then return nil, "the snapshot is not what was sent" end
  end
  return #snap.errors == 0 and 0 or 3
end

local function mail(to)
  local sendmail <close> = assert(io.popen((os.getenv "SENDMAIL" or "/usr/sbin/sendmail") .. " -t", "w"))
  sendmail:write("To: ", to, "\nSubject: the backup failed\n\n", table.concat(said, "\n"), "\n")
end

local status, failure = run()
if failure then say("FAILED", failure) end
status = status or 1
if status ~= 0 and os.getenv "MAILTO" then mail(os.getenv "MAILTO") end
os.exit(status, true)
