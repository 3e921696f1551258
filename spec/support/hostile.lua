--- A server that means harm: spec/support/hostile.py before a good one, or spec/support/scripted.lua alone.
--
--     local net <close> = hostile.start(srv)
--     net:tell "endless" -- the orders are in hostile.py
--     local dest = smb.open(net:fields { retries = 0 })

local luv = require "luv"
local files = require "spec.support.files"
local ordered = require "spec.support.ordered"
local processes = require "spec.support.processes"

local Hostile = {}
Hostile.__index = Hostile

local hostile = {}

-- KiB: what the host grows by, what a worker has; sanitizers keep what was freed.
local MOST_OF_HOST, MOST_OF_WORKER = 64 * 1024, (os.getenv "ASAN_OPTIONS" and 2048 or 512) * 1024

--- Whether host and workers have kept within bounds.
-- @tparam string what for messages
-- @tparam integer least processes.most_resident() before
function hostile.assert_bounded(what, least)
  local most = processes.most_resident()
  assert(most - least < MOST_OF_HOST, ("%s: the host has grown from %d to %d KiB"):format(what, least, most))
  for _, pid in ipairs(processes.workers()) do
    local worker = processes.most_resident(pid)
    assert(worker < MOST_OF_WORKER, ("%s: a worker has %d KiB"):format(what, worker))
  end
end

-- As a server's `fields`.
local function anonymous(self, extra)
  local fields = { server = self.address, port = self.port, share = "backup", anonymous = true, transport = "directtcp",
    max_protocol = "SMB2_10" }
  for key, value in pairs(extra or {}) do fields[key] = value end
  return fields
end

local function start(words, srv)
  return files.directory(function(dir)
    local self = ordered.start(words, dir .. "/answers", Hostile)
    self.srv = srv
    return self
  end)
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
Hostile.tell = ordered.tell

--- As `srv:fields`, through the proxy.
function Hostile:fields(extra)
  return ordered.seen(self):fields(extra)
end

--- Ends the proxy, and with it all connections. May be called again.
Hostile.stop = ordered.stop

Hostile.__close = Hostile.stop

return hostile
