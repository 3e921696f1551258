--- `lua-smb names`: names on a share that begin so, for completion. Asks for nothing, and gives up soon.

local flags = require "smb.cli.flags"
local logon = require "smb.cli.logon"
local name = require "smb.name"
local output = require "smb.cli.output"
local smb = require "smb"

local names = {}

local PATIENCE = 3 -- seconds: whoever has pressed Tab does not wait longer

function names.add(parser)
  local command = flags.command(parser, "names", "URL [BEGINNING]", "List names that begin so.")
  command:argument("beginning", "what they begin with"):args "?"
  command:hidden(true)
  flags.finish(command, {})
end

local function say_matches(dest, beginning)
  local folder, first = beginning:match "^(.*)/([^/]*)$"
  for _, entry in ipairs(dest:list(folder or "") or {}) do
    local is_match = entry.name:sub(1, #(first or beginning)) == (first or beginning)
    if is_match and not entry.name:find "%c" and not name.is_temporary(entry.name) then
      output.say(name.join(folder or "", entry.name), entry.type == "directory" and "/" or "", "\n")
    end
  end
end

--- What goes wrong is nobody's business here: then there is nothing to complete.
function names.alone(args)
  local fields = logon.silent_fields(args)
  if not fields then return true end
  fields.total_timeout, fields.retries, fields.connections = PATIENCE, 0, 1
  local dest <close> = smb.open(fields)
  if dest then say_matches(dest, args.beginning or "") end
  return true
end

return names
