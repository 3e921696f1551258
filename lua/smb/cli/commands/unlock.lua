--- `lua-smb unlock`.

local flags = require "smb.cli.flags"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local snapshots = require "smb.cli.snapshots"

local unlock = {}

function unlock.add(parser)
  local command = flags.command(parser, "unlock", "URL", "Remove a lock.",
    "Removes the lock of a run that has not done so, "
    .. "whoever holds it. Locks of runs that have died go by themselves: on the same machine at once, on another one "
    .. "when their time to live is over, 10 minutes.")
  flags.finish(command, {})
end

function unlock.run(dest, args)
  local removed = outcome.try(snapshots.repo(dest):unlock())
  output.answer(args, { removed = removed }, removed and "removed" or "there is no lock")
end

return unlock
