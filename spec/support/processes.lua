--- Looks at processes through /proc: a host's workers and children, and who holds which descriptors.

local lfs = require "lfs"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local processes = {}

local function target(link)
  return (lfs.symlinkattributes(link, "target"))
end

local function entries(directory)
  local ok, names = pcall(files.list, directory)
  return ok and names or {}
end

--- Our own process id.
function processes.self()
  local file = assert(io.open "/proc/self/stat")
  local pid = file:read "n"
  file:close()
  return math.tointeger(pid)
end

--- What a process's descriptors stand for: "/path", "socket:[1234]", "anon_inode:[pidfd]", ...
-- @tparam ?integer pid a process; ourselves by default
-- @treturn table names by descriptor
function processes.descriptors(pid)
  local directory = ("/proc/%s/fd/"):format(pid or "self")
  local found = {}
  for _, fd in ipairs(entries(directory)) do
    -- The descriptor through which the directory is read is closed by now.
    found[tonumber(fd)] = target(directory .. fd)
  end
  return found
end

--- How many descriptors a process has.
function processes.count_descriptors(pid)
  local count = 0
  for _ in pairs(processes.descriptors(pid)) do
    count = count + 1
  end
  return count
end

-- Told by its arguments: of a process that may hold secrets nothing else can be read but by root. The program while it
-- is loaded has another name, and the fork server's arguments.
local function works_for(pid, name, host)
  local words = files.read("/proc/" .. pid .. "/cmdline") or ""
  local title, number = words:match "^([%l-]+)%z+%d+%z(%d+)%z"
  return title == name and number == tostring(host)
end

local function all()
  local pids = {}
  for _, name in ipairs(files.list "/proc") do
    pids[#pids + 1] = math.tointeger(tonumber(name))
  end
  table.sort(pids)
  return pids
end

local function named(name, host)
  local found = {}
  for _, pid in ipairs(all()) do
    if files.read("/proc/" .. pid .. "/comm") == name .. "\n" and shell.alive(pid)
      and works_for(pid, name, host or processes.self()) then
      found[#found + 1] = pid
    end
  end
  return found
end

--- The worker processes of a host.
-- @tparam ?integer host its process id; ourselves by default
-- @treturn table process ids
function processes.workers(host)
  return named("smb-worker", host)
end

--- The processes of a host of which workers come.
-- @tparam ?integer host its process id; ourselves by default
-- @treturn table process ids
function processes.fork_servers(host)
  return named("smb-fork-server", host)
end

--- The one worker process of a host.
function processes.worker(host)
  local found = processes.workers(host)
  assert(#found == 1, ("one worker expected, there are %d"):format(#found))
  return found[1]
end

--- Child processes, dead ones that nobody has waited for among them.
-- @tparam ?integer pid a process; ourselves by default
-- @treturn table process ids
function processes.children(pid)
  local found, parent = {}, pid or processes.self()
  for _, child in ipairs(all()) do
    local stat = files.read("/proc/" .. child .. "/stat")
    if stat and tonumber(stat:match "^.*%) %a (%d+)") == parent then
      found[#found + 1] = child
    end
  end
  return found
end

--- How much memory a process occupies, in KiB.
-- @tparam ?integer pid a process; ourselves by default
function processes.resident(pid)
  local status = files.read(("/proc/%s/status"):format(pid or "self"))
  return math.tointeger(tonumber(status:match "\nVmRSS:%s*(%d+) kB"))
end

--- How much it has occupied at most, in KiB; 0 for one that is gone.
-- @tparam ?integer pid a process; ourselves by default
function processes.most_resident(pid)
  local status = files.read(("/proc/%s/status"):format(pid or "self")) or ""
  return math.tointeger(tonumber(status:match "\nVmHWM:%s*(%d+) kB")) or 0
end

--- Whether a process sleeps, waiting for something to happen.
function processes.sleeps(pid)
  local stat = files.read("/proc/" .. pid .. "/stat")
  return stat ~= nil and stat:match "^.*%) (%a)" == "S"
end

--- The words before a host's command whose orphans are counted. LeakSanitizer looks at a process that ends through a
-- child of that process: a worker that is killed meanwhile leaves it as one more orphan, and cannot be waited for
-- itself. Hence workers of such a host end without that look.
processes.NO_LEAK_CHECK = { "env", ("ASAN_OPTIONS=%s:detect_leaks=0"):format(os.getenv "ASAN_OPTIONS" or "") }

--- Waits until a process has ended.
-- @treturn boolean whether it has
function processes.await_end(pid, seconds)
  return shell.poll(function()
    return not shell.alive(pid)
  end, seconds)
end

--- Runs fn, and `action` once meanwhile: when fn has lasted for a while, between two looks of the call that it waits
-- in.
-- @tparam function fn
-- @tparam function action
-- @tparam[opt=0.15] number seconds
-- @return what fn returned
function processes.during(fn, action, seconds)
  local due = shell.now() + (seconds or 0.15)
  local acted = false
  debug.sethook(function()
    if shell.now() >= due then
      debug.sethook()
      acted = true
      action()
    end
  end, "c")
  local results = table.pack(pcall(fn))
  debug.sethook()
  if not results[1] then
    error(results[2], 0)
  end
  assert(acted, "the call was over before anything could happen meanwhile")
  return table.unpack(results, 2, results.n)
end

return processes
