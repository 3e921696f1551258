--- The least that a Lua program with the library in a process of its own does: `bare.lua SERVER PORT SHARE NAME CREDENTIALS` asks
-- for a file's entry by smb.core alone, with none of lua-smb's Lua.

local server, port, share, name, credentials = table.unpack(arg)
local core = require "smb.core"

local fields = { program = core.program, server = server, port = math.tointeger(tonumber(port)), share = share,
  transport = "directtcp", signing = "default", encryption = "default", kerberos = "off", min_protocol = "SMB2_02",
  max_protocol = "SMB3_11" }
for line in io.lines(credentials) do
  local key, value = line:match "^(%l+)=(.*)$"
  if key then fields[key] = value end
end

local dest = core.destination(fields)
core.limits(dest, 30, 60, 60, 1)

local function ask(verb, arguments)
  local request = assert(core.start(dest, verb, arguments))
  while not core.ended(request) do core.poll(dest, 1) end
  return assert(core.result(request))
end

ask("connect", {})
local entry = ask("stat", { name = name })
print(name, entry.size, entry.mtime)
core.close(dest)
