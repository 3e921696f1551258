--- The options in force: those of a destination, and those of one call beside them.
-- @module smb.settings

local core = require "smb.core"
local options = require "smb.options"
local show = require "smb.show"

local settings = {}

local SAFE_SIZE = 64 * 1024 -- bytes: a buffer that every dialect can carry

-- A buffer size as it comes about: not more than what was negotiated, which is also the default.
local function effective(state, key)
  local value = state.fields[key]
  if key == "port" then return options.port(state.fields) end
  if key ~= "read_buffer_size" and key ~= "write_buffer_size" then return value end
  local field = key == "read_buffer_size" and "max_read_size" or "max_write_size"
  local most = core.is_open(state.dest) and core.info(state.dest)[field]
  if most and (value == nil or value > most) then return most end
  return value
end

--- The sizes of requests that move data.
-- @treturn table `read` and `write`, bytes
function settings.buffer_sizes(state)
  return { read = effective(state, "read_buffer_size") or SAFE_SIZE,
    write = effective(state, "write_buffer_size") or SAFE_SIZE }
end

--- Tells the core the limits that stand in the options.
function settings.set_limits(dest, fields)
  core.limits(dest, fields.short_timeout, fields.list_timeout, fields.read_write_timeout, fields.connections,
    fields.rate)
end

--- Whether files go straight under their names.
function settings.is_in_place(state, opts)
  if opts.in_place ~= nil then return opts.in_place end
  return state.fields.in_place
end

--- Whether everything is to be read back, and whether a SHA-256 is wanted.
function settings.verification(state, opts)
  local read_back = (opts.verify or state.fields.verify) == "sha256"
  return read_back, read_back or opts.sha256 or false
end

local function assign(state, key, value)
  local row = options.by_name[key]
  if not row then
    local nearest = options.nearest(tostring(key), options.names)
    error(("no option '%s'%s")
      :format(show.text(tostring(key)), nearest and (" (did you mean '%s'?)"):format(nearest) or ""), 3)
  end
  if not row.live then error(("option '%s' cannot be changed on an open destination"):format(key), 3) end
  local checked, reason
  if value ~= nil then checked, reason = options.check_value(key, value) end
  if reason then error(reason, 3) end
  local warning = options.ignored(key, checked)
  if warning then
    state.warnings[#state.warnings + 1] = warning
    return
  end
  if checked == nil then checked = row.default end
  state.fields[key] = checked
  if core.is_open(state.dest) then settings.set_limits(state.dest, state.fields) end
end

--- `dest.options`: reads as the values in force, takes those that may change.
function settings.live(state)
  return setmetatable({}, {
    __name = "smb.options",
    __tostring = show.options,
    __index = function(_, key) return effective(state, key) end,
    __newindex = function(_, key, value) assign(state, key, value) end,
    __pairs = function()
      local at = 0
      return function()
        local row
        repeat
          at = at + 1
          row = options.list[at]
        until row == nil or (not row.secret and effective(state, row.name) ~= nil)
        if row then return row.name, effective(state, row.name) end
      end
    end,
  })
end

return settings
