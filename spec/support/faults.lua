--- A bad network between a client and a server: spec/support/faultproxy.c, built, started and told what to do.
--
--     local net <close> = faults.start(srv, directory)
--     local dest = smb.open(net:url "backup")
--     net:tell("cut", 1000000) -- the commands are in faultproxy.c
--     assert(net:stats().faults == 1)

local files = require "spec.support.files"
local ordered = require "spec.support.ordered"
local shell = require "spec.support.shell"

local SOURCE = "spec/support/faultproxy.c"

local Network = {}
Network.__index = Network

local faults = {}

local function build(directory)
  local program = directory .. "/faultproxy"
  if not files.exists(program) then
    shell.check { "cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, SOURCE }
  end
  return program
end

--- Starts a proxy before a server.
-- @param srv a server of spec.support.server at an IPv4 address
-- @tparam string directory for the program, which is built unless it is there, and for the fifo it answers through
-- @return the network; `port` is the one to connect to, at 127.0.0.1
function faults.start(srv, directory)
  local words = { build(directory), srv.address, ("%d"):format(srv.port) }
  local net = ordered.start(words, directory .. "/answers", Network)
  net.srv = srv
  return net
end

local function ask(net, ...) return ordered.tell(net, table.concat({ ... }, " ")) end

--- Gives the proxy a command; in force when this returns.
-- @tparam string command
-- @tparam[opt] number value
function Network:tell(command, value)
  local answer = ask(self, command, value and ("%.17g"):format(value))
  assert(answer == "ok", answer .. " " .. command)
end

--- From now on the server's answers to a command have other bytes there.
-- @tparam integer command SMB2's
-- @tparam integer at offset in the message
-- @tparam integer width bytes; 0: answers stay as they are
-- @tparam integer value
function Network:patch(command, at, width, value)
  local answer = ask(self, "patch", ("%d %d %d %d"):format(command, at, width, value))
  assert(answer == "ok", answer)
end

--- What happened until now.
-- @treturn table `bytes` and `frames` from clients, `connections` made, `faults` done; cut connections, lost answers
-- and so on
function Network:stats()
  local bytes, connections, frames, done = ask(self, "stats"):match "^(%d+) (%d+) (%d+) (%d+)$"
  return { bytes = math.tointeger(bytes), connections = math.tointeger(connections), frames = math.tointeger(frames),
    faults = math.tointeger(done) }
end

--- As `srv:url`, through the proxy.
function Network:url(...)
  return ordered.seen(self):url(...)
end

--- As `srv:fields`, through the proxy.
function Network:fields(extra)
  return ordered.seen(self):fields(extra)
end

--- Ends the proxy, and with it all connections. May be called again.
Network.stop = ordered.stop

Network.__close = Network.stop

return faults
