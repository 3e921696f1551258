--- A server that means harm: spec/support/hostile.py before a good one, or spec/support/scripted.lua alone.
--
--     local net <close> = hostile.start(srv)
--     net:tell "endless" -- the orders are in hostile.py
--     local dest = smb.open(net:fields { retries = 0 })

local luv = require "luv"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local shell = require "spec.support.shell"

local Hostile = {}
Hostile.__index = Hostile

local hostile = {}

-- As a server's `fields`.
local function anonymous(self, extra)
  local fields = { server = self.address, port = self.port, share = "backup", anonymous = true, transport = "directtcp",
    max_protocol = "SMB2_10" }
  for key, value in pairs(extra or {}) do fields[key] = value end
  return fields
end

-- Starts a program that prints its port and ends with the pipe to it, thus not after us.
local function start(words, srv)
  local dir = files.directory()
  local fifo = dir .. "/answers"
  shell.check { "mkfifo", fifo }
  local orders = assert(io.popen("exec " .. shell.quote(words) .. " >" .. shell.quote(fifo), "w"))
  local answers = assert(io.open(fifo))
  local port = assert(math.tointeger(tonumber(answers:read "l")), "the server did not start")
  files.remove(dir)
  return setmetatable({ srv = srv, orders = orders, answers = answers, port = port }, Hostile)
end

--- From now on the death of a worker within libsmbclient is none that sanitizers report: some answers end the library,
-- and a worker is there to die of that in the host's place. What they find in the worker's own code they report still.
function hostile.may_end_workers()
  local options = os.getenv "ASAN_OPTIONS"
  if options then
    assert(luv.os_setenv("ASAN_OPTIONS", options .. ":handle_segv=0:handle_abort=0:handle_sigbus=0:detect_leaks=0"))
  end
end

--- Starts a proxy before a server; it passes all as it is until it is told something else.
-- @param srv a server of spec.support.server at an IPv4 address
-- @return the proxy; `port` is the one to connect to, at 127.0.0.1
function hostile.start(srv)
  return start({ "python3", "spec/support/hostile.py", srv.address, ("%d"):format(srv.port) }, srv)
end

--- Starts a server of our own.
-- @tparam string script Lua code, see spec/support/scripted.lua
-- @return the server; `port` is the one to connect to, at 127.0.0.1
function hostile.script(script)
  local words = { table.unpack(processes.NO_LEAK_CHECK) }
  return files.directory(function(dir)
    files.write(dir .. "/script.lua", script)
    for _, word in ipairs { "lua5.4", "spec/support/scripted.lua", dir .. "/script.lua" } do
      words[#words + 1] = word
    end
    return start(words, { fields = anonymous })
  end)
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
