--- `lua-smb diagnose`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local logon = require "smb.cli.logon"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local smb = require "smb"

local diagnose = {}

function diagnose.add(parser)
  local command = flags.command(parser, "diagnose", "URL", "Find out what works and what does not.",
    "Finds out what works with "
    .. "a server and what does not: name, ports, logon, share, rights, speed, times and names. What it writes has "
    .. "temporary names and is deleted; a wrong password is tried once. Exit status 1 when something is broken.")
  flags.finish(command, { command:flag("--read-only", "make nothing on the share") })
end

--- Opens what it needs by itself.
function diagnose.alone(args)
  local fields = logon.fields(args, nil, true)
  fields.read_only = args.read_only
  local found = outcome.try(smb.diagnose({}, fields))
  output.answer(args, { ok = found.ok, steps = json.array(found.steps) }, tostring(found))
  if not found.ok then error({ message = "something is broken", code = "failed", told = true, answered = true }, 0) end
  return true
end

return diagnose
