-- Sends files in a loop around LuaSocket's select while a timer ticks:
--
--     lua5.4 examples/socket-select.lua 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials' FILE...
--
-- A job is what select takes, beside sockets: it has getfd and dirty. Exit status 1 when something could not be sent.

local smb = require "smb"
local socket = require "socket"

local url, files = ..., { select(2, ...) }
if not files[1] then
  io.stderr:write("usage: lua5.4 examples/socket-select.lua URL FILE...\n")
  os.exit(2)
end

local failed = 0
local ticks, longest = 0, 0
local last, due -- of the timer: when it ticked, when it will

local function report(path, result, message)
  if result then
    print(("%s: %d bytes in %.1f s"):format(path, result.bytes, result.seconds))
  else
    failed = failed + 1
    io.stderr:write("FAILED  ", message, "\n")
  end
end

-- Calls the timer when it is time, and says how long it has until the next time.
local function tick()
  local now = socket.gettime()
  if now >= due then
    ticks, longest, last = ticks + 1, math.max(longest, now - last), now
    due = now + 0.01
  end
  return due - now
end

local dest <close> = assert(smb.open(url)) -- this waits: before the loop is its place
last = socket.gettime()
due = last + 0.01
local jobs, paths = {}, {}
for i, path in ipairs(files) do
  jobs[i] = dest:submit("put", path)
  paths[jobs[i]] = path
end

while #jobs > 0 do
  local wait = tick()
  for _, job in ipairs(jobs) do wait = math.min(wait, job:timeout()) end
  socket.select(jobs, nil, wait)
  local job = smb.wait(jobs, 0) -- 0: moves on what can be moved on, waits for nothing
  for i = #jobs, 1, -1 do
    if jobs[i] == job then table.remove(jobs, i) end
  end
  if job then report(paths[job], job:wait()) end
end
print(("%d ticks, at most %.0f ms apart"):format(ticks, longest * 1000))
os.exit(failed == 0, true)
