--- `lua-smb rmdir`.

local flags = require "smb.cli.flags"
local names = require "smb.cli.names"
local output = require "smb.cli.output"

local rmdir = {}

function rmdir.add(parser)
  local command = flags.command(parser, "rmdir", "URL PATH...", "Remove folders.", "Removes folders that are empty.")
  command:argument("paths", "the folders"):args "+"
  flags.finish(command, { command:flag("-r --recursive", "with all that is in them"),
    command:flag("--missing-ok", "what is not there is no failure"):target "missing",
    command:flag("-v --verbose", "name what is removed") })
end

function rmdir.run(dest, args)
  output.each(args, args.paths, function(path)
    local ok, message, code = dest:rmdir(names.clean(path), { recursive = args.recursive })
    if not ok and args.missing and (code == "not_found" or code == "folder_missing") then return true end
    if code == "not_empty" then message = message .. " (-r removes it with all that is in it)" end
    return ok, message, code
  end)
end

return rmdir
