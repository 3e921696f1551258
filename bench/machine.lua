--- What the benchmark ran on.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local LUA = os.getenv "LUA" or "lua5.4"

local machine = {}

-- The first line of what a command prints, or "not there".
local function first_line(command)
  local ok, output = shell.run(command)
  return ok and output:match "[^\n]+" or "not there"
end

--- The load average of the last minute: others' work spoils the figures.
function machine.load() return files.read("/proc/loadavg"):match "%S+" end

--- Date and commit.
function machine.moment()
  return ("%s, commit %s")
    :format(os.date "!%Y-%m-%d %H:%M UTC", first_line "git describe --always --dirty --exclude '*'")
end

--- A list for results.md: the machine and the versions of all that takes part.
function machine.description()
  local processor = files.read("/proc/cpuinfo"):match "model name%s*: ([^\n]+)" or "unknown processor"
  local memory = files.read("/proc/meminfo"):match "MemTotal:%s*(%d+)"
  return table.concat {
    ("- machine: %s cores (%s), %.0f GiB of memory, %s\n"):format(first_line "nproc", processor, memory / 2 ^ 20,
      first_line "uname -sr"),
    ("- server, on the same machine: Samba %s\n"):format(first_line("smbd --version"):match "%d%S*"),
    ("- lua-smb: %s, libsmbclient %s\n")
      :format(first_line { LUA, "-v" }, first_line "pkg-config --modversion smbclient"),
    ("- smbclient: %s\n"):format(first_line("smbclient --version"):match "%d%S*"),
    ("- rclone: %s\n"):format(first_line "rclone version"),
    ("- pysmbc: %s\n"):format(first_line "dpkg-query -W -f '${Version}' python3-smbc"),
  }
end

return machine
