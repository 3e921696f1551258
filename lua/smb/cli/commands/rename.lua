--- `lua-smb rename`.

local base = require "smb.name".base
local flags = require "smb.cli.flags"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"

local rename = {}

function rename.add(parser)
  local command =
    flags.command(parser, "rename mv", "URL FROM TO", "Rename or move.", "Renames or moves a file or folder.")
  command:argument("from", "its name")
  command:argument("to", "its new name; with a slash at its end, the folder to move it into")
  flags.finish(command, { command:flag("--no-overwrite", "fail if the new name is taken"):target "keep" })
end

function rename.run(dest, args)
  local from = names.clean(args.from)
  local to, is_folder = names.clean(args.to)
  if is_folder then to = names.below(to, base(from)) end
  outcome.try(dest:rename(from, to, { overwrite = not args.keep }))
  output.answer(args, { from = from, to = to })
end

return rename
