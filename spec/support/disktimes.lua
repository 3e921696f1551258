--- Disks that keep times coarsely or not at all, see disktimes.c: the environment of a process that has such a one.
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local disktimes = {}

--- Builds what is loaded before libc.
-- @tparam string dir where to
-- @tparam table how `step` (nanoseconds), `refuse` (what the paths hold whose time cannot be set), `first` and `last`
-- (seconds: the nearest is set instead of times before and after)
-- @treturn table variables, as `server.start` takes them
function disktimes.environment(dir, how)
  local library = dir .. "/disktimes.so"
  if not files.exists(library) then
    shell.check { "cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fno-sanitize=all",
      "-o", library, "spec/support/disktimes.c", "-ldl" }
  end
  return { LD_PRELOAD = library, DISKTIMES_STEP = how.step and ("%d"):format(how.step), DISKTIMES_REFUSE = how.refuse,
    DISKTIMES_FIRST = how.first and ("%d"):format(how.first), DISKTIMES_LAST = how.last and ("%d"):format(how.last) }
end

return disktimes
