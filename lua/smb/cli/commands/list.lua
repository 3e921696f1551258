--- `lua-smb list`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"

local list = {}

function list.add(parser)
  local command = flags.command(parser, "list", "URL [PATH]", "List a folder: size, time and name.")
  command:argument("path", "the folder; the URL's path by default"):args "?"
  flags.finish(command, { command:flag("-R --recursive", "all that is below it, too"),
    command:flag("-H --human", "sizes as 1.5 MiB") })
end

local function list_all(dest, args)
  local found = json.array()
  for path, entry in dest:walk(args.path) do
    if args.json then
      entry.path = path
      found[#found + 1] = entry
    else
      output.say(show.line(entry, 12, path, args.human), "\n")
    end
  end
  if args.json then output.answer(args, found) end
end

function list.run(dest, args)
  if args.recursive then return list_all(dest, args) end
  local entries = outcome.try(dest:list(args.path))
  if args.json then return output.answer(args, json.array(entries)) end
  local width = args.human and 10 or show.size_width(entries)
  for _, entry in ipairs(entries) do output.say(show.line(entry, width, nil, args.human), "\n") end
end

return list
