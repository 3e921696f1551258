--- Which machine this is: two hosts that put the same file at once must never share a temporary name.
-- @module smb.host

local host = {}

local function line_of(path)
  local file <close> = io.open(path)
  return file and file:read "l" or ""
end

--- What this machine is called.
-- @treturn string
function host.name() return line_of "/proc/sys/kernel/hostname" end

local identity

--- What tells this machine from others, the same in each of its runs: systemd's machine id, and the host's name, since images are
-- copied.
-- @treturn string
function host.identity()
  identity = identity or line_of "/etc/machine-id" .. "\n" .. host.name()
  return identity
end

return host
