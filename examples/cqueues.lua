-- Sends files under a cqueues loop, each by a coroutine of its own, while a timer ticks:
--
--     lua5.4 examples/cqueues.lua 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials' FILE...
--
-- A job is what cqueues.poll takes: it has pollfd, events and timeout. Exit status 1 when something could not be sent.

local cqueues = require "cqueues"
local smb = require "smb"

local url, files = ..., { select(2, ...) }
if not files[1] then
  io.stderr:write("usage: lua5.4 examples/cqueues.lua URL FILE...\n")
  os.exit(2)
end

local left, failed = #files, 0
local ticks, longest = 0, 0

local function send(dest, path)
  local job = dest:submit("put", path)
  while not smb.wait({ job }, 0) do cqueues.poll(job) end -- 0: moves on what can be moved on, waits for nothing
  local result, message = job:wait()
  left = left - 1
  if result then
    print(("%s: %d bytes in %.1f s"):format(path, result.bytes, result.seconds))
  else
    failed = failed + 1
    io.stderr:write("FAILED  ", message, "\n")
  end
end

local function tick()
  local last = cqueues.monotime()
  while left > 0 do
    cqueues.sleep(0.01)
    local now = cqueues.monotime()
    ticks, longest, last = ticks + 1, math.max(longest, now - last), now
  end
end

local dest <close> = assert(smb.open(url)) -- this waits: before the loop is its place
local loop = cqueues.new()
loop:wrap(tick)
for _, path in ipairs(files) do loop:wrap(send, dest, path) end
assert(loop:loop())
print(("%d ticks, at most %.0f ms apart"):format(ticks, longest * 1000))
os.exit(failed == 0, true)
