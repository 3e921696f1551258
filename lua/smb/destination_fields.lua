--- What a destination shows beside its methods: `dest.options`, `dest.info`, `dest.warnings`, `dest.server`, ...
-- @module smb.destination_fields

local core = require "smb.core"
local settings = require "smb.settings"
local show = require "smb.show"

--- The fields of a destination, beside its methods. None can be assigned; what is in `options` can.
-- @table destination
-- @tfield table options the options in force; a value that is assigned holds from the next call on. The guide says
-- which can be assigned
-- @tfield info info what was agreed with the server
-- @tfield {string,...} warnings what was ignored, and why
-- @tfield string server the server's name or address
-- @tfield string share the share's name
-- @tfield string path the folder on the share that names are relative to; "" is the share itself
-- @tfield string transport "directtcp" or "netbios"
local fields = {}

function fields.options(_, state) return settings.live(state) end

function fields.info(dest) return show.fields(core.info(dest)) end

function fields.warnings(_, state) return show.lines(state.warnings) end

for _, key in ipairs { "server", "share", "path", "transport" } do
  fields[key] = function(_, state) return state.fields[key] end
end

local destination_fields = {}

--- Gives destinations their fields.
-- @tparam table metatable theirs
-- @tparam table methods by name
function destination_fields.install(metatable, methods)
  function metatable.__index(dest, key)
    local method = methods[key]
    if method then return method end
    local field = fields[key]
    return field and field(dest, core.state(dest))
  end

  function metatable.__newindex(_, key)
    error(("field '%s' of a destination cannot be assigned"):format(show.text(tostring(key))), 2)
  end

  function metatable.__tostring(dest)
    if not core.is_open(dest) then return "smb.destination (closed)" end
    return ("smb.destination (%s)"):format(core.state(dest).place)
  end
end

return destination_fields
