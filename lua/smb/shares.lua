--- What a server shares.
-- @module smb.shares

local connect = require "smb.connect"
local core = require "smb.core"
local listing = require "smb.listing"
local operations = require "smb.operation"
local show = require "smb.show"

local shares = {}

local function read(state)
  local found <close>, message, code = listing.open(state, "shares", "", operations.new(state, "shares", ""))
  if not found then return nil, message, code end
  local all = {}
  while true do
    local entry, problem, word = found:next()
    if problem then return nil, problem, word end
    if not entry then return all end
    local name, comment = entry.name:match "^([^/]*)/(.*)$"
    if name then all[#all + 1] = { name = name, type = entry.type, comment = comment } end
  end
end

--- What a server shares.
-- @local
-- @tparam userdata server a destination without a share
-- @treturn[1] {share,...}
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function shares.of(server)
  local all, message, code = read(core.state(server))
  if not all then return nil, message, code end
  table.sort(all, function(a, b) return a.name < b.name end)
  return show.shares(all)
end

--- Opens a server, for what can be had without a share.
-- @local
function shares.open(fields, warnings)
  fields.connections = 1
  return connect.open(fields, warnings, "shares")
end

--- See `smb.shares`.
-- @local
function shares.list(fields, warnings)
  local server <close>, message, code = shares.open(fields, warnings)
  if not server then return nil, message, code end
  return shares.of(server)
end

return shares
