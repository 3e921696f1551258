--- The second half of `make soak`: snapshots, prunes and restores, each in a program of its own, while the program, its
-- workers or the server are killed, the disk fills up or the network is lost, at random moments.
--
-- After each, all snapshots that are complete are verified with their data; none is missing that no prune may have
-- deleted; what was restored is whole. A failure prints the seed and the last steps.
--
-- SOAK_S: seconds (60). SEED repeats a run's choices.

local lfs = require "lfs"
local child = require "spec.support.child"
local faults = require "spec.support.faults"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

local SECONDS = tonumber(os.getenv "SOAK_S") or 60
local SEED = math.tointeger(tonumber(os.getenv "SEED")) or os.time()
local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local DISK = 48 * 1024 * 1024 -- bytes of the share, in the sandbox
local NAMES = 12 -- of files in each folder of the source
local LAST = 15 -- steps that a failure tells
local KEPT = 3 -- snapshots that a prune leaves
local PATIENCE = 60 -- seconds that a program may take to end after the fault was mended

math.randomseed(SEED)
print(("SEED=%d"):format(SEED))

local dir = files.directory()
local srv = server.start { size = SANDBOX and ("%d"):format(DISK) or nil, log_level = "0" }
local net = faults.start(srv, dir)
local root = srv:path "backup"
local top, back = dir .. "/source", dir .. "/back"
local dest = assert(smb.open(srv:url "backup"))
local repo = smb.backup(dest, "host")

local steps, history, tally = 0, {}, {}
local complete = {} -- names of snapshots that are

local function pick(list) return list[math.random(#list)] end

local function fail(reason)
  print(("\nsoak of snapshots: %s\nSEED=%d, step %d; the last steps:"):format(reason, SEED, steps))
  for i = math.max(1, #history - LAST), #history do print("  " .. history[i]) end
  pcall(dest.close, dest)
  net:stop()
  srv:stop()
  files.remove(dir)
  os.exit(1)
end

-- The source. --------------------------------------------------------------------------------------------------------

local function change_source()
  for _ = 1, math.random(6) do
    local folder = top .. pick { "", "/a", "/a/b", "/c:d" }
    local path = ("%s/%d"):format(folder, math.random(NAMES))
    shell.check { "mkdir", "-p", folder }
    if math.random(5) == 1 then os.remove(path)
    else files.write(path, files.content(pick { 0, 10, 5000, 70000, 300000 }, math.random(100))) end
  end
  if math.random(10) == 1 then files.remove(top .. "/c:d") end
end

-- Operations: what a program does, and what is to be so when it says that it has done it. ----------------------------

local operations = {}

operations.snapshot = { text = "local s = assert(repo:snapshot(%q)) assert(#s.errors == 0)",
  arguments = function() return top end,
  done = function()
    local report = assert(repo:verify("latest", { data = true, source = top }))
    if not report.ok then fail("the new snapshot is not the source: " .. tostring(report)) end
  end }

operations.prune = { text = "assert(repo:prune { keep_last = %d })", arguments = function() return KEPT end,
  done = function()
    local count = 0
    for _, each in ipairs(assert(repo:list())) do count = count + (each.complete and 1 or 0) end
    if count > KEPT then fail "a prune has left too many" end
  end }

operations.restore = { text = "assert(repo:restore('latest', %q, { verify = 'sha256' }))", arguments = function()
    files.remove(back)
    return back
  end,
  done = function() end }

local kinds = { "snapshot", "snapshot", "snapshot", "prune", "restore" }

-- Faults: each gives how it is mended, if it has to be. --------------------------------------------------------------

local disturbances = {}

function disturbances.none() end

disturbances["program killed"] = function(program) program:kill "KILL" end

disturbances["program and workers killed"] = function(program)
  for _, pid in ipairs(processes.workers(program.pid)) do shell.kill(pid, "KILL") end
  program:kill "KILL"
end

disturbances["worker killed"] = function(program)
  local workers = processes.workers(program.pid)
  if #workers > 0 then shell.kill(pick(workers), "KILL") end
end

disturbances["server killed"] = function()
  srv:kill()
  return function() srv:restart() end
end

disturbances["connections killed"] = function() srv:disconnect() end

disturbances["network lost"] = function()
  net:tell "kill"
  net:tell("stall-frame", 1)
  return function() net:tell "go" end
end

disturbances["network lost, program killed"] = function(program)
  net:tell("stall-frame", 1)
  program:kill "KILL"
  return function()
    net:tell "kill"
    net:tell "go"
  end
end

if SANDBOX then
  disturbances["disk full"] = function()
    shell.run(("head -c %d /dev/zero >%s/filler"):format(DISK, root))
    return function() os.remove(root .. "/filler") end
  end
end

local troubles = {}
for name in pairs(disturbances) do troubles[#troubles + 1] = name end
table.sort(troubles)

-- Steps. -------------------------------------------------------------------------------------------------------------

local PROGRAM = [[
local dest = assert(smb.open(%q, { rate = '3M', retries = 2, retry_delay = 0.05, short_timeout = 3,
  read_write_timeout = 3, list_timeout = 3 }))
local repo = smb.backup(dest, 'host')
say 'begun'
%s
say 'done']]

local function await_end(program)
  if shell.poll(function() return not shell.alive(program.pid) end, PATIENCE) then return end
  program:kill "KILL"
  fail("the program does not end: " .. program:said())
end

-- What a killed program's workers still tidy up is over when its lock is free.
local function await_lock()
  local lock, message = dest:lock("host", { wait = "30s" })
  if not lock then fail(message) end
  lock:release()
end

local function check_all(kind)
  local found = {}
  for _, each in ipairs(assert(repo:list())) do
    if each.complete then
      found[each.name] = true
      local report = assert(repo:verify(each.name, { data = true }))
      if not report.ok then fail("a complete snapshot is not whole: " .. tostring(report)) end
    end
  end
  for name in pairs(complete) do
    if not found[name] and kind ~= "prune" then fail(name .. " has gone, though nobody has deleted it") end
  end
  if next(complete) and not next(found) then fail "no complete snapshot is left" end
  complete = found
end

-- What was restored is the snapshot's, file by file.
local function check_restored()
  if not lfs.attributes(back, "mode") then return end
  local latest
  for _, each in ipairs(assert(repo:list())) do latest = each.complete and each.name or latest end
  local whole = dir .. "/whole"
  files.remove(whole)
  assert(repo:restore(latest, whole, { verify = "sha256" }))
  local output = shell.check { "find", back, "-type", "f", "!", "-name", "*.part", "-printf", "%P\\n" }
  for path in output:gmatch "[^\n]+" do
    if not files.same(back .. "/" .. path, whole .. "/" .. path) then fail("'" .. path .. "' was restored by half") end
  end
end

local function one_step()
  local kind, trouble = pick(kinds), pick(troubles)
  if not next(complete) then kind, trouble = "snapshot", "none" end
  steps = steps + 1
  if kind == "snapshot" then change_source() end
  history[#history + 1] = ("%d: %s (%s)"):format(steps, kind, trouble)
  local operation = operations[kind]
  local program = child.start(dir, PROGRAM, net:url "backup", operation.text:format(operation.arguments()))
  program:await "begun"
  shell.sleep(math.random() * math.random() * 1.5)
  local mend = disturbances[trouble](program)
  if mend then
    shell.sleep(math.random())
    mend()
  end
  await_end(program)
  net:tell "calm"
  net:tell "go"
  local is_done = program:said():find "\ndone\n" ~= nil
  tally[trouble] = tally[trouble] or { count = 0, done = 0 }
  tally[trouble].count, tally[trouble].done = tally[trouble].count + 1, tally[trouble].done + (is_done and 1 or 0)
  history[#history] = history[#history] .. (is_done and " done" or " -> " .. program:said():sub(7, 200))
  await_lock()
  check_all(kind)
  if is_done then operation.done() end
  if kind == "restore" then check_restored() end
end

change_source()
local began = shell.now()
repeat
  local ok, problem = pcall(one_step)
  if not ok then fail(tostring(problem)) end
until shell.now() - began >= SECONDS
for _, trouble in ipairs(troubles) do
  local each = tally[trouble] or { count = 0, done = 0 }
  print(("  %-28s %4d times, %4d of them done all the same"):format(trouble, each.count, each.done))
end
print(("soak: %d runs, all complete snapshots verify with their data"):format(steps))
dest:close()
net:stop()
srv:stop()
files.remove(dir)
