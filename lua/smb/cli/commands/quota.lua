--- `lua-smb quota`.

local flags = require "smb.cli.flags"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"

local quota = {}

function quota.add(parser)
  flags.finish(flags.command(parser, "quota df", "URL", "Show how much room there is."), {})
end

function quota.run(dest, args)
  local room = outcome.try(dest:quota())
  output.answer(args, room, tostring(room))
end

return quota
