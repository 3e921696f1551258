--- `lua-smb rename`.

local flags = require "smb.cli.flags"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"

local rename = {}

function rename.add(parser)
  local command = flags.command(parser, "rename", "URL FROM TO", "Rename or move.", "Renames or moves a file or folder.")
  command:argument("from", "its name")
  command:argument("to", "its new name")
  flags.finish(command, { command:flag("--no-overwrite", "fail if the new name is taken"):target "keep" })
end

function rename.run(dest, args)
  outcome.try(dest:rename(args.from, args.to, { overwrite = not args.keep }))
  output.answer(args, { from = args.from, to = args.to })
end

return rename
