--- `lua-smb get`.

local flags = require "smb.cli.flags"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"

local get = {}

local PIECE = 1024 * 1024 -- bytes read at once

function get.add(parser)
  local command = flags.command(parser, "get", "URL NAME [LOCAL]", "Fetch a file.", "Fetches a file. It appears under its local "
    .. "name when it is complete.")
  command:argument("name", "the file")
  command:argument("local", "where to: a file, a folder, or - for the standard output; here by default"):args "?"
  flags.finish(command, { flags.transfer(command) })
end

-- To the standard output, in pieces.
local function get_stream(dest, name)
  local file <close> = outcome.try(dest:open(name, "r"))
  local bytes = 0
  while true do
    local data, problem, code = file:read(PIECE)
    if data == nil and problem then outcome.stop(problem, code) end
    if data == nil then return bytes end
    output.say(data)
    bytes = bytes + #data
  end
end

function get.run(dest, args)
  if args["local"] == "-" then
    local bytes = get_stream(dest, args.name)
    args.json_stream = io.stderr
    return output.answer(args, { name = args.name, bytes = bytes })
  end
  local result = outcome.try(dest:get(args.name, args["local"], flags.transfer_opts(args)))
  local document = { name = args.name }
  output.warn_of_time(args.name, result)
  for key, value in pairs(result) do document[key] = value end
  output.answer(args, document, args.verbose and ("%s: %s"):format(show.text(args.name), result) or nil)
end

return get
