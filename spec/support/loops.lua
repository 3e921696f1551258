--- Event loops that drive jobs, one function for each, named as its module is.
--
--     local wakes = loops.cqueues(jobs, tick)
--
-- Drives jobs of one destination until all have ended; `tick` is called every 10 ms. Gives how often the loop woke for
-- them.

local smb = require "smb"

local PERIOD = 0.01 -- seconds

local loops = {}

function loops.cqueues(jobs, tick)
  local cqueues = require "cqueues"
  local loop, left, wakes = cqueues.new(), #jobs, 0
  for _, job in ipairs(jobs) do
    loop:wrap(function()
      while not smb.wait({ job }, 0) do
        cqueues.poll(job)
        wakes = wakes + 1
      end
      left = left - 1
    end)
  end
  loop:wrap(function()
    while left > 0 do
      tick()
      cqueues.sleep(PERIOD)
    end
  end)
  assert(loop:loop())
  return wakes
end

-- A list that those who have ended leave.
local function going_on(jobs)
  local left = { table.unpack(jobs) }
  return left, function()
    local ended = smb.wait(left, 0)
    while ended do
      for i = #left, 1, -1 do
        if left[i] == ended then table.remove(left, i) end
      end
      ended = smb.wait(left, 0)
    end
  end
end

function loops.luv(jobs, tick)
  local uv = require "luv"
  local left, take_ended = going_on(jobs)
  local watch, deadline, ticker = uv.new_poll(jobs[1]:getfd()), uv.new_timer(), uv.new_timer()
  local wakes, failure = 0, nil
  local function finish()
    for _, handle in ipairs { watch, deadline, ticker } do
      if not handle:is_closing() then handle:close() end
    end
  end
  -- luv ends the process when a callback raises.
  local function guarded(fn)
    return function()
      local ok, reason = pcall(fn)
      if not ok then failure = reason end
      if not ok or #left == 0 then finish() end
    end
  end
  local move_on
  move_on = guarded(function()
    wakes = wakes + 1
    take_ended()
    if #left > 0 then deadline:start(math.ceil(left[1]:timeout() * 1000), 0, move_on) end
  end)
  watch:start("r", move_on)
  ticker:start(0, math.tointeger(PERIOD * 1000 // 1), guarded(tick))
  move_on()
  uv.run()
  if failure then error(failure, 0) end
  return wakes
end

function loops.socket(jobs, tick)
  local socket = require "socket"
  local left, take_ended = going_on(jobs)
  local wakes, due = 0, 0
  while #left > 0 do
    local now = socket.gettime()
    if now >= due then
      tick()
      due = now + PERIOD
    end
    local timer, wait = due - now, math.huge
    for _, job in ipairs(left) do wait = math.min(wait, job:timeout()) end
    local ready = socket.select(left, nil, math.max(0, math.min(timer, wait)))
    if #ready > 0 or wait <= timer then wakes = wakes + 1 end
    take_ended()
  end
  return wakes
end

return loops
