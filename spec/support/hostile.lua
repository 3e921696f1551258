--- A server that means harm: spec/support/hostile.py before a good one, or spec/support/scripted.lua alone.
--
--     local net <close> = hostile.start(srv)
--     net:tell "endless" -- the orders are in hostile.py
--     local dest = smb.open(net:fields { retries = 0 })

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local Hostile = {}
Hostile.__index = Hostile

local hostile = {}

--- Starts a proxy before a server; it passes all as it is until it is told something else.
-- @param srv a server of spec.support.server at an IPv4 address
-- @return the proxy; `port` is the one to connect to, at 127.0.0.1
function hostile.start(srv)
  local dir = files.directory()
  local fifo = dir .. "/answers"
  shell.check { "mkfifo", fifo }
  local command = shell.quote { "python3", "spec/support/hostile.py", srv.address, ("%d"):format(srv.port) }
  -- The proxy ends with this pipe, thus not after us.
  local orders = assert(io.popen("exec " .. command .. " >" .. shell.quote(fifo), "w"))
  local answers = assert(io.open(fifo))
  local port = assert(math.tointeger(tonumber(answers:read "l")), "the proxy did not start")
  files.remove(dir)
  return setmetatable({ srv = srv, orders = orders, answers = answers, port = port }, Hostile)
end

--- Gives the proxy an order; in force when this returns.
-- @tparam string order
-- @treturn string its answer
function Hostile:tell(order)
  self.orders:write(order, "\n")
  self.orders:flush()
  local answer = self.answers:read "l"
  return answer or error "the proxy has ended"
end

--- As `srv:fields`, through the proxy.
function Hostile:fields(extra)
  local seen = setmetatable({ address = "127.0.0.1", port = self.port }, { __index = self.srv })
  return seen:fields(extra)
end

--- Ends the proxy, and with it all connections. May be called again.
function Hostile:stop()
  if self.orders then
    self.orders:close()
    self.answers:close()
    self.orders = nil
  end
end

Hostile.__close = Hostile.stop

return hostile
