-- Sends files under libuv, by callbacks, while a timer ticks:
--
--     lua5.4 examples/luv.lua 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials' FILE...
--
-- libuv wants one handle for a descriptor, and all jobs of a destination have the same. Exit status 1 when something
-- could not be sent.

local smb = require "smb"
local uv = require "luv"

local url, files = ..., { select(2, ...) }
if not files[1] then
  io.stderr:write("usage: lua5.4 examples/luv.lua URL FILE...\n")
  os.exit(2)
end

local failed = 0
local ticks, longest = 0, 0

local function report(path, result, message)
  if result then
    print(("%s: %d bytes in %.1f s"):format(path, result.bytes, result.seconds))
  else
    failed = failed + 1
    io.stderr:write("FAILED  ", message, "\n")
  end
end

local dest <close> = assert(smb.open(url)) -- this waits: before the loop is its place

local last = uv.hrtime()
local ticker = uv.new_timer()
ticker:start(10, 10, function()
  local now = uv.hrtime()
  ticks, longest, last = ticks + 1, math.max(longest, now - last), now
end)

local jobs, paths = {}, {}
for i, path in ipairs(files) do
  jobs[i] = dest:submit("put", path)
  paths[jobs[i]] = path
end

-- What ended leaves the list.
local function take_ended()
  local job = smb.wait(jobs, 0) -- 0: moves on what can be moved on, waits for nothing
  while job do
    for i = #jobs, 1, -1 do
      if jobs[i] == job then table.remove(jobs, i) end
    end
    report(paths[job], job:wait())
    job = smb.wait(jobs, 0)
  end
end

local watch, deadline = uv.new_poll(jobs[1]:pollfd()), uv.new_timer()

local function move_on()
  take_ended()
  if #jobs > 0 then return deadline:start(math.ceil(jobs[1]:timeout() * 1000), 0, move_on) end
  for _, handle in ipairs { watch, deadline, ticker } do handle:close() end
end

watch:start("r", move_on)
move_on()
uv.run()
print(("%d ticks, at most %.0f ms apart"):format(ticks, longest / 1e6))
os.exit(failed == 0, true)
