--- A program before a server, or in its place, that takes orders: it prints its port, then a line for each order, and
-- ends with the pipe that they come through, thus not after us.

local shell = require "spec.support.shell"

local ordered = {}

--- Starts it.
-- @tparam {string,...} words its command
-- @tparam string fifo a path for what it answers through
-- @param metatable of what is returned
-- @return a table with `orders`, `answers` and `port`
function ordered.start(words, fifo, metatable)
  os.remove(fifo)
  shell.check { "mkfifo", fifo }
  local orders = assert(io.popen("exec " .. shell.quote(words) .. " >" .. shell.quote(fifo), "w"))
  local answers = assert(io.open(fifo))
  local port = assert(math.tointeger(tonumber(answers:read "l")), "the program did not start")
  return setmetatable({ orders = orders, answers = answers, port = port }, metatable)
end

--- Gives it an order, which is in force when this returns.
-- @treturn string its answer
function ordered.tell(self, order)
  self.orders:write(order, "\n")
  self.orders:flush()
  local answer = self.answers:read "l"
  return answer or error "the program has ended"
end

--- The server as clients behind the program see it.
function ordered.seen(self)
  return setmetatable({ address = "127.0.0.1", port = self.port }, { __index = self.srv })
end

--- Ends it, and with it all connections. May be called again.
function ordered.stop(self)
  if not self.orders then return end
  self.orders:close()
  self.answers:close()
  self.orders = nil
end

return ordered
