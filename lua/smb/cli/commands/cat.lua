--- `lua-smb cat`.

local flags = require "smb.cli.flags"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"

local cat = { place = require "smb.cli.commands.get".place }

function cat.add(parser)
  local command = flags.command(parser, "cat", "URL [NAME...]", "Write files to the standard output.")
  command:argument("names", "the files; globs, too. Without one, the URL is that of a file"):args "*"
  flags.finish(command, {})
end

--- Writes a file to the standard output, in pieces.
-- @tparam destination dest
-- @tparam string name
-- @tparam[opt] table meter smb.cli.progress's
-- @treturn integer how many bytes
function cat.stream(dest, name, meter)
  local function sink(data)
    if data then output.say(data) end
    return true
  end
  local opts = meter and { progress = meter.callback, on_retry = meter.on_retry }
  return outcome.try(dest:read(name, sink, opts)).bytes
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
