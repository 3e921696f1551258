--- `lua-smb shares`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local logon = require "smb.cli.logon"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local smb = require "smb"

local shares = {}

function shares.add(parser)
  local command = flags.command(parser, "shares", "URL", "List what a server shares.", "Lists what a server shares: "
    .. "name, type and comment. The URL needs no share: smb://bob@nas/. Hidden shares, whose names end in $, are "
    .. "told only by some servers.")
  flags.finish(command, {})
end

--- Lists a server's shares. No share is opened.
function shares.alone(args)
  local found = outcome.try(smb.shares(logon.fields(args, nil, true)))
  output.answer(args, json.array(table.move(found, 1, #found, 1, {})), tostring(found))
  return true
end

return shares
