--- What is mounted where, as far as snapshots leave it out.
-- @module smb.backup.mounts

local ascii = require "smb.ascii"

local mounts = {}

-- File systems in which nothing is that anybody has put there.
local MADE_UP = {}
for name in ([[autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue
  nsfs proc pstore rpc_pipefs securityfs selinuxfs sysfs tracefs]]):gmatch "%S+" do MADE_UP[name] = true end

local OF_SMB = { cifs = true, smb3 = true }

-- Device numbers as the kernel writes them.
local function numbers(dev)
  local major, minor = (dev >> 8 & 0xFFF) | (dev >> 32 & ~0xFFF), (dev & 0xFF) | (dev >> 12 & ~0xFF)
  return ("%d:%d"):format(major, minor)
end

-- proc(5): number, parent, major:minor, root, mount point, options, optional fields, "-", type, source
local function mounted_at(dev)
  local wanted = numbers(dev)
  local file <close> = io.open "/proc/self/mountinfo"
  if not file then return nil end
  for line in file:lines() do
    local device, kind, source = line:match "^%d+ %d+ (%d+:%d+) .- %- (%S+) (%S+)"
    if device == wanted then return kind, source end
  end
end

--- Whether a snapshot leaves a file system out unless it is asked for it.
-- @tparam integer dev its device number
-- @tparam ?string share "//server/share", where the snapshot goes to
-- @treturn boolean
function mounts.is_left_out(dev, share)
  local kind, source = mounted_at(dev)
  if MADE_UP[kind] then return true end
  return OF_SMB[kind] ~= nil and share ~= nil and ascii.lower(source) == ascii.lower(share)
end

return mounts
