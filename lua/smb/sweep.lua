--- What crashed runs left behind on a share: temporary files and folders, old files moved aside.
-- @module smb.sweep

local bins = require "smb.bins"
local core = require "smb.core"
local states = require "smb.state"
local listing = require "smb.listing"
local name = require "smb.name"
local operations = require "smb.operation"
local transfer = require "smb.transfer"

local sweep = {}

local OLD = 24 * 3600 -- seconds

-- A sweep under way: `state`, `under` (the call's operation), `swept` (the result), `listed` (entries of folders, by
-- path), `small` (folders for temporary names).
local sweeping = {}
sweeping.__index = sweeping

function sweeping:run(path, verb, request)
  return states.run(self.state, "sweep", path, verb, request, operations.part(self.under, path))
end

function sweeping:remove(path, is_folder)
  local request = { name = name.join(self.state.fields.path, path), missing_ok = true, recursive = is_folder }
  local ok, message, code = self:run(path, is_folder and "rmdir" or "delete", request)
  if not ok then return nil, message, code end
  table.insert(self.swept, path)
end

-- The file that a temporary name belongs to: what is in a small folder belongs beside that.
local function place_of(owner)
  local folder = name.parent(owner)
  if not folder or not name.is_small_folder(folder) then return owner end
  return name.join(name.parent(folder), name.base(owner))
end

-- A small folder for temporary names, of put_tree's. One that still has something in it stays.
function sweeping:remove_folder(path, is_old)
  if not is_old then return end
  local ok, message, code =
    self:run(path, "rmdir", { name = name.join(self.state.fields.path, path), missing_ok = true })
  if ok then table.insert(self.swept, path) end
  if not ok and code ~= "not_empty" then return nil, message, code end
end

-- A file that was moved aside: put back when its name is missing, else it has been replaced, and goes when it is old.
function sweeping:take_aside(path, owner, is_old)
  local found, message, code = self:run(owner, "stat", { name = name.join(self.state.fields.path, owner) })
  if found and is_old then return self:remove(path) end
  if found then return end
  if code ~= "not_found" and code ~= "folder_missing" then return nil, message, code end
  local request = states.two_names(self.state, path, owner, false)
  request.aside = request.temp -- else the rename itself would put it back, and find its target there
  local ok
  ok, message, code = self:run(path, "rename", request)
  if not ok then return nil, message, code end
  table.insert(self.swept.restored, owner)
end

-- What a file belongs to that was moved aside under a shortened name: of the names in its folder, the one that this
-- host would shorten so.
function sweeping:find_owner(path)
  local folder, top = name.parent(path), self.state.fields.path
  local message, code
  if not self.listed[folder] then
    self.listed[folder], message, code = listing.sorted(self.state, "sweep", folder, self.under)
  end
  if not self.listed[folder] then return nil, message, code end
  for _, entry in ipairs(self.listed[folder]) do
    local owner = name.join(folder, entry.name)
    local may_be = entry.type ~= "directory" and not name.is_temporary(entry.name)
    if may_be and transfer.target(name.join(top, owner)).aside == name.join(top, path) then return owner end
  end
end

function sweeping:take(path, is_old, is_folder)
  if is_folder then return is_old and self:remove(path, true) or nil end
  local kind, owner = name.parse_temporary(path)
  if kind == "aside" and not owner then
    local message, code
    owner, message, code = self:find_owner(path)
    if code then return nil, message, code end
    if not owner then return table.insert(self.swept.unknown, path) end
  end
  if kind == "aside" then return self:take_aside(path, place_of(owner), is_old) end
  if is_old then return self:remove(path) end
end

-- Samba tells mtime for the time of change, and a finished temporary file has its source's.
local function newest(entry) return math.max(entry.mtime, entry.ctime or 0, entry.btime or 0) end

-- Looks at an entry of the walk, which comes to a folder before it comes to what is in it. A temporary folder is as old
-- as the youngest of that.
function sweeping:look_at(path, entry, found)
  local within = self.within
  if within and path:sub(1, #within.path + 1) == within.path .. "/" then
    within.newest = math.max(within.newest, newest(entry))
  elseif entry.type == "directory" and name.is_small_folder(entry.name) then
    self.small[#self.small + 1] = { path = path, newest = newest(entry) }
  elseif entry.type == "file" and name.is_temporary(entry.name) then
    found[#found + 1] = { path = path, newest = newest(entry) }
  elseif entry.type == "directory" and name.is_temporary_folder(entry.name) then
    self.within = { path = path, newest = newest(entry), is_folder = true }
    found[#found + 1] = self.within
  end
end

-- Somebody is at it, or was quicker.
local OTHERS = { busy = true, not_found = true, exists = true }

--- See `dest:sweep`.
-- @local
function sweep.run(state, text, opts)
  -- A second more: os.time leaves out its fraction, and with 0 all are meant.
  local before = os.time() + 1 + core.info(state.dest).clock_ahead - (opts.older_than or OLD)
  local found, under = {}, operations.new(state, "sweep", text, opts)
  local self =
    setmetatable({ state = state, under = under, swept = { restored = {}, unknown = {} }, listed = {}, small = {} },
      sweeping)
  local ok, failure = pcall(function()
    for path, entry in listing.walk(state, text, under, true, not opts.bins and bins.is_one or nil) do
      self:look_at(name.join(text, path), entry, found)
    end
  end)
  if not ok and type(failure) == "table" and failure.code then return nil, failure.message, failure.code end
  if not ok then error(failure, 0) end
  under:resume()
  for _, each in ipairs(found) do
    local _, message, code = self:take(each.path, each.newest <= before, each.is_folder)
    if code and not OTHERS[code] then return nil, message, code end
  end
  for _, each in ipairs(self.small) do
    local _, message, code = self:remove_folder(each.path, each.newest <= before)
    if code and not OTHERS[code] then return nil, message, code end
  end
  return self.swept
end

return sweep
