--- `lua-smb cat`.

local flags = require "smb.cli.flags"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"

local cat = {}

local PIECE = 1024 * 1024 -- bytes read at once

function cat.add(parser)
  local command = flags.command(parser, "cat", "URL NAME...", "Write files to the standard output.")
  command:argument("names", "the files; globs, too"):args "+"
  flags.finish(command, {})
end

--- Writes a file to the standard output, in pieces.
-- @treturn integer how many bytes
function cat.stream(dest, name)
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

function cat.run(dest, args)
  args.json_stream = io.stderr
  local results = {}
  for _, item in ipairs(names.expand(dest, args.names)) do
    if item.message then outcome.stop(item.message, item.code) end
    results[#results + 1] = { name = item.name, bytes = cat.stream(dest, item.name) }
  end
  output.answer(args, results)
end

return cat
