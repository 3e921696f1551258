--- `lua-smb delete`.

local flags = require "smb.cli.flags"
local output = require "smb.cli.output"

local delete = {}

function delete.add(parser)
  local command = flags.command(parser, "delete", "URL NAME...", "Delete files.", "Deletes files.")
  command:argument("names", "the files"):args "+"
  flags.finish(command, { command:flag("-d --folder", "empty folders, too"),
    command:flag("-r --recursive", "folders with all that is in them, too"),
    command:flag("--missing-ok", "what is not there is no failure"):target "missing",
    command:flag("-v --verbose", "name what is deleted") })
end

function delete.run(dest, args)
  output.each(args, args.names, function(name)
    if args.recursive or args.folder then
      local entry = dest:stat(name)
      if entry and entry.type == "directory" then return dest:rmdir(name, { recursive = args.recursive }) end
    end
    return dest:delete(name, { missing_ok = args.missing })
  end)
end

return delete
