--- Whether a server can be reached at all: its addresses, and which ports are open.
-- @module smb.reach

local command = require "smb.command"
local core = require "smb.core"

local reach = {}

local PATIENCE = 5 -- seconds that a port has to answer

local function is_address(server)
  return server:find("^%d+%.%d+%.%d+%.%d+$") ~= nil or server:find(":", 1, true) ~= nil
end

--- The addresses of a server, as this computer's resolver knows them. The look-up is another process's: nothing
-- interrupts one.
-- @tparam string server
-- @treturn {string,...} addresses; none where the name is not known
function reach.addresses(server)
  if is_address(server) then return { server } end
  local asked <close> = assert(command.new { "getent", "ahosts", server })
  local pieces, found = {}, {}
  for piece in function() return (asked()) end do pieces[#pieces + 1] = piece end
  for address in table.concat(pieces):gmatch "([^%s]+)%s+STREAM" do
    if not found[address] then found[#found + 1], found[address] = address, true end
  end
  return found
end

--- Tries to connect to ports, all at the same time.
-- @tparam {string,...} addresses
-- @tparam {integer,...} ports
-- @treturn {table,...} each with `address`, `port`, `open`, and `reason` where it is not
function reach.probe(addresses, ports)
  local all, waiting = {}, {}
  for _, port in ipairs(ports) do
    for _, address in ipairs(addresses) do
      local probe, _, reason = core.probe(address, port)
      local each = { address = address, port = port, open = false, reason = reason }
      all[#all + 1] = each
      if probe then waiting[each] = probe end
    end
  end
  local till = core.clock() + PATIENCE
  while next(waiting) do
    local is_late = core.clock() >= till
    for each, probe in pairs(waiting) do
      local open, reason = core.probe_wait(probe, is_late and 0 or 0.02)
      if open ~= nil or is_late then
        each.open, each.reason = open or false, open == nil and "no answer" or reason
        waiting[each] = nil
      end
    end
  end
  return all
end

return reach
