--- `lua-smb stat`.

local flags = require "smb.cli.flags"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"

local stat = {}

function stat.add(parser)
  local command = flags.command(parser, "stat", "URL [NAME]", "Show what is known about a file or folder.")
  command:argument("name", "its name; the URL's path by default"):args "?"
  flags.finish(command, {})
end

function stat.run(dest, args)
  local entry = outcome.try(dest:stat((names.clean(args.name or ""))))
  output.answer(args, entry, show.columns(show.entry_rows(entry)))
end

return stat
