--- Which machine this is: two hosts that put the same file at once must never share a temporary name.
-- @module smb.host

local lfs = require "lfs"

local host = {}

local function line_of(path)
  local file <close> = io.open(path)
  return file and file:read "l" or ""
end

--- What this machine is called.
-- @treturn string
function host.name() return line_of "/proc/sys/kernel/hostname" end

--- Which run of the machine this is; "" where the system does not tell.
-- @treturn string
function host.boot() return line_of "/proc/sys/kernel/random/boot_id" end

--- By what process numbers are known that mean the same: containers have their own.
-- @treturn string
function host.processes() return lfs.symlinkattributes("/proc/self/ns/pid", "target") or "" end

--- When a process began, in the system's own steps.
-- @tparam integer pid
-- @treturn ?integer nil for one that is not there, or has ended and was not waited for
function host.started(pid)
  local state, rest = line_of(("/proc/%d/stat"):format(pid)):match "^.*%) (%a) (.*)$"
  if not state or state == "Z" or state == "X" then return nil end
  local at = 0
  for word in rest:gmatch "%S+" do
    at = at + 1
    if at == 19 then return math.tointeger(tonumber(word)) end
  end
end

local identity

--- What tells this machine from others, the same in each of its runs: systemd's machine id, and the host's name, since
-- images are copied.
-- @treturn string
function host.identity()
  identity = identity or line_of "/etc/machine-id" .. "\n" .. host.name()
  return identity
end

return host
