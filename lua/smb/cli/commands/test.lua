--- `lua-smb test`.

local flags = require "smb.cli.flags"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"

local test = {}

function test.add(parser)
  local command =
    flags.command(parser, "test", "URL", "Connect, log on and list.", "Connects, logs on and lists the folder.")
  flags.finish(command, { command:flag("-w --write", "write, read back and delete a small file, too") })
end

local function connection_in_words(info)
  local words = { info.dialect or "unknown dialect", info.encryption and ("encrypted (%s)"):format(info.cipher or "?")
    or info.signing and "signed" or "neither signed nor encrypted" }
  if info.guest then words[#words + 1] = "as a guest" end
  if info.mechanism == "kerberos" then words[#words + 1] = ("as %s by Kerberos"):format(show.text(info.user)) end
  if info.round_trip then words[#words + 1] = ("%.3g ms round trip"):format(info.round_trip * 1000) end
  return table.concat(words, ", ")
end

function test.run(dest, args)
  outcome.try(dest:test { write = args.write })
  local info = dest.info
  local place = tostring(dest):match "%((.*)%)"
  local text = ("%s: %s; listed%s")
    :format(place, connection_in_words(info), args.write and ", written and read back" or "")
  info.url = place
  output.answer(args, info, text)
end

return test
