--- What crashed runs left behind on a share: temporary files, old files moved aside.
-- @module smb.sweep

local bins = require "smb.bins"
local core = require "smb.core"
local states = require "smb.state"
local listing = require "smb.listing"
local name = require "smb.name"
local transfer = require "smb.transfer"

local sweep = {}

local OLD = 24 * 3600 -- seconds

local function sweep_old(dest, swept, path)
  local ok, message, code = dest:delete(path, { missing_ok = true })
  if not ok then return nil, message, code end
  table.insert(swept, path)
end

-- A file that was moved aside: put back when its name is missing, else it has been replaced, and goes when it is old.
local function sweep_aside(dest, swept, path, owner, is_old)
  local found, message, code = dest:exists(owner)
  if found == nil then return nil, message, code end
  if found and is_old then return sweep_old(dest, swept, path) end
  if found then return end
  local state = core.state(dest)
  local request = states.two_names(state, path, owner, false)
  request.aside = request.temp -- else the rename itself would put it back, and find its target there
  local ok
  ok, message, code = states.run(state, "sweep", path, "rename", request)
  if not ok then return nil, message, code end
  table.insert(swept.restored, owner)
end

-- What a file belongs to that was moved aside under a shortened name: of the names in its folder, the one that this
-- host would shorten so. `folders`: what was listed before.
local function find_owner(dest, folders, path)
  local folder, top = name.parent(path), core.state(dest).fields.path
  local message, code
  if not folders[folder] then folders[folder], message, code = dest:list(folder) end
  if not folders[folder] then return nil, message, code end
  for _, entry in ipairs(folders[folder]) do
    local owner = name.join(folder, entry.name)
    local may_be = entry.type ~= "directory" and not name.is_temporary(entry.name)
    if may_be and transfer.target(name.join(top, owner)).aside == name.join(top, path) then return owner end
  end
end

local function sweep_one(dest, swept, path, is_old, folders)
  local kind, owner = name.parse_temporary(path)
  if kind == "aside" and not owner then
    local message, code
    owner, message, code = find_owner(dest, folders, path)
    if code then return nil, message, code end
    if not owner then return table.insert(swept.unknown, path) end
  end
  if kind == "aside" then return sweep_aside(dest, swept, path, owner, is_old) end
  if is_old then return sweep_old(dest, swept, path) end
end

-- Somebody is at it, or was quicker.
local OTHERS = { busy = true, not_found = true, exists = true }

--- See `dest:sweep`.
-- @local
function sweep.run(dest, state, text, opts)
  -- A second more: os.time leaves out its fraction, and with 0 all are meant.
  local before = os.time() + 1 + core.info(dest).clock_ahead - (opts.older_than or OLD)
  local swept, found, folders = { restored = {}, unknown = {} }, {}, {}
  local ok, failure = pcall(function()
    for path, entry in listing.walk(state, text, true, not opts.bins and bins.is_one or nil) do
      if entry.type == "file" and name.is_temporary(entry.name) then
        -- Samba tells mtime for the time of change, and a finished temporary file has its source's.
        local newest = math.max(entry.mtime, entry.ctime or 0, entry.btime or 0)
        found[#found + 1] = { path = name.join(text, path), is_old = newest <= before }
      end
    end
  end)
  if not ok and type(failure) == "table" and failure.code then return nil, failure.message, failure.code end
  if not ok then error(failure, 0) end
  for _, each in ipairs(found) do
    local _, message, code = sweep_one(dest, swept, each.path, each.is_old, folders)
    if code and not OTHERS[code] then return nil, message, code end
  end
  return swept
end

return sweep
