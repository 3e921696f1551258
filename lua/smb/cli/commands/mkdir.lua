--- `lua-smb mkdir`.

local flags = require "smb.cli.flags"
local names = require "smb.cli.names"
local output = require "smb.cli.output"

local mkdir = {}

function mkdir.add(parser)
  local command = flags.command(parser, "mkdir", "URL [PATH...]", "Make folders.", "Makes folders, with their "
    .. "parents. One that is there is fine.")
  command:argument("paths", "the folders; the URL's path by default"):args "*"
  flags.finish(command, {})
end

function mkdir.run(dest, args)
  if #args.paths == 0 then args.paths = { "" } end
  output.each(args, args.paths, function(path) return dest:mkdir((names.clean(path))) end)
end

return mkdir
