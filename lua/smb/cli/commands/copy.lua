--- `lua-smb copy`.

local base = require "smb.name".base
local flags = require "smb.cli.flags"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"

local copy = {}

function copy.add(parser)
  local command = flags.command(parser, "copy cp", "URL FROM TO", "Copy a file on the server.", "Copies a file on "
    .. "the server: its data does not pass through this computer.")
  command:argument("from", "its name")
  command:argument("to", "the copy's name; with a slash at its end, the folder to copy it into")
  flags.finish(command, { command:flag("--no-overwrite", "fail if the name is taken"):target "keep",
    command:flag("--preserve-mtime", "fail where the modification time cannot be kept"),
    command:flag("--no-preserve-mtime", "do not keep the modification time"):target "preserve_mtime"
      :action "store_false" })
end

function copy.run(dest, args)
  local to, is_folder = names.clean(args.to)
  if is_folder then to = names.below(to, base(args.from)) end
  local _, more =
    outcome.try(dest:copy(args.from, to, { overwrite = not args.keep, preserve_mtime = args.preserve_mtime }))
  output.warn_of_time(to, more)
  output.answer(args, { from = args.from, to = to, mtime_kept = more and more.mtime_kept })
end

return copy
