--- The part "requests": what a small file more costs on the wire, counted by the server.

local clients = require "bench.clients"
local operations = require "bench.operations"
local report = require "bench.report"
local shell = require "spec.support.shell"
local stage = require "bench.stage"

local FEW, MANY, SIZE = 100, 200, 8192
local COMMANDS = { "create", "write", "read", "close", "getinfo", "setinfo", "find", "ioctl", "flush" }

-- What the server was asked for a flat folder of so many files, by command; `frames` is how many messages that took.
local function count(place, client, files)
  local case = { operation = "put_tree", count = files, size = SIZE }
  local path = place:folder(place:here("folder-" .. files), files, SIZE)
  operations.put_tree.before(place, case)
  local frames = place.net:stats().frames
  local requests, ok, output = place.srv:requests(function()
    return shell.run(client.put_tree { stage = place, port = place.net.port, here = path, there = "tree" })
  end)
  if not ok then return nil, output end
  requests.frames = place.net:stats().frames - frames
  return requests
end

-- The cost of a file: the difference between many and few, so that connecting does not count.
local function per_file(place, client)
  local few, reason = count(place, client, FEW)
  if not few then return nil, reason end
  local many = assert(count(place, client, MANY))
  return function(command) return ("%.1f"):format((many[command] - few[command]) / (MANY - FEW)) end
end

return function()
  local section = report.section("requests", "SMB requests for a small file", ("Sending folders of %d and %d files "
    .. "of %d bytes: what a file more costs. Requests in one message (compound) share a round trip.")
    :format(FEW, MANY, SIZE))
  local place <close> = stage.start(true)
  local rows = section:table { "put_tree", "requests", "messages", table.unpack(COMMANDS) }
  for _, name in ipairs { "lua-smb", "smbclient", "rclone", "pysmbc" } do
    local cost, reason = per_file(place, clients[name])
    if cost then
      local row = { name, cost "total", cost "frames" }
      for _, command in ipairs(COMMANDS) do row[#row + 1] = cost(command) end
      rows:row(row)
    else
      section:say(name .. ": " .. reason:match "[^\n]*")
    end
  end
  section:finish()
end
