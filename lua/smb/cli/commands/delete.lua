--- `lua-smb delete`.

local flags = require "smb.cli.flags"
local names = require "smb.cli.names"
local output = require "smb.cli.output"
local show = require "smb.show"

local delete = {}

function delete.add(parser)
  local command = flags.command(parser, "delete rm", "URL NAME...", "Delete files.", "Deletes files. Names may be "
    .. "globs: '*.tmp'.")
  command:argument("names", "the files"):args "+"
  flags.finish(command, { command:flag("-d --folder", "empty folders, too"),
    command:flag("-r --recursive", "folders with all that is in them, too"),
    command:flag("-n --dry-run", "delete nothing; say what would be deleted"),
    command:flag("--missing-ok", "what is not there is no failure"):target "missing",
    command:flag("-v --verbose", "name what is deleted") })
end

local function delete_one(dest, args, item)
  if item.message and args.missing and item.code == "not_found" then return true end
  if item.message then return nil, item.message, item.code end
  if args.dry_run then
    local entry, message, code = item.entry, nil, nil
    if not entry then entry, message, code = dest:stat(item.name) end
    if not entry and not (args.missing and code == "not_found") then return nil, message, code end
    if entry and not args.json then output.say("would delete  ", show.name(entry, item.name), "\n") end
    return true
  end
  if args.recursive or args.folder then
    local entry = item.entry or dest:stat(item.name)
    if entry and (entry.type == "directory" or entry.directory) then
      return dest:rmdir(item.name, { recursive = args.recursive })
    end
  end
  local ok, message, code = dest:delete(item.name, { missing_ok = args.missing })
  if code == "is_directory" then message = message .. " (-r deletes folders with all that is in them)" end
  return ok, message, code
end

function delete.run(dest, args)
  output.each(args, names.expand(dest, args.names), function(item) return delete_one(dest, args, item) end,
    function(item) return item.name end)
end

return delete
