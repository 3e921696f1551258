--- Values as JSON: exact numbers, sorted keys, and text that cannot steer a terminal that shows it.
-- @module smb.cli.json

local texts = require "smb.text"

local json = {}

local ARRAY = {}

--- Makes a table an array for the encoder, also when it is empty.
-- @tparam[opt] table list
-- @treturn table the same
function json.array(list) return setmetatable(list or {}, ARRAY) end

local function encode_number(number)
  if math.type(number) == "integer" then return ("%d"):format(number) end
  if number ~= number or number == math.huge or number == -math.huge then return "null" end
  local text
  for precision = 14, 17 do
    text = ("%." .. precision .. "g"):format(number):gsub(",", ".") -- a locale's comma
    if tonumber(text) == number then break end
  end
  return text
end

--- A value as JSON: tables are objects, with sorted keys, unless they hold something at 1.
-- @param value
-- @treturn string
function json.encode(value)
  local kind = type(value)
  if kind == "string" then return texts.json(value) end
  if kind == "number" then return encode_number(value) end
  if kind ~= "table" then return kind == "boolean" and tostring(value) or "null" end
  local parts = {}
  if value[1] ~= nil or getmetatable(value) == ARRAY then
    for i, item in ipairs(value) do parts[i] = json.encode(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, item in pairs(value) do parts[#parts + 1] = texts.json(tostring(key)) .. ":" .. json.encode(item) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

return json
