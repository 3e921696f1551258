--- Lines of JSON: flat enough for manifests, exact where it matters. Integers keep all their 64 bits.
-- @module smb.backup.json

local texts = require "smb.text"

local json = {}

local find, format, match, sub = string.find, string.format, string.match, string.sub

local PLAIN = '^[^%c"\\\x7F-\xFF]*$' -- needs no escapes

-- Writing. ------------------------------------------------------------------------------------------------------------

local encode

local function encode_table(value)
  local parts = {}
  if value[1] ~= nil or next(value) == nil then
    for i, item in ipairs(value) do parts[i] = encode(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, item in pairs(value) do parts[#parts + 1] = encode(tostring(key)) .. ":" .. encode(item) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

--- A value as JSON. A table without a first element is an object, an empty one a list. Text that is no UTF-8 loses what
-- is not.
-- @param value a string, an integer, a boolean or a table of these
-- @treturn string
function json.encode(value)
  local kind = type(value)
  if kind == "string" then
    if find(value, PLAIN) then return '"' .. value .. '"' end
    return texts.json(value)
  end
  if kind == "table" then return encode_table(value) end
  if math.type(value) == "integer" then return format("%d", value) end
  return (tostring(value):gsub(",", ".")) -- the host's locale may have a comma in numbers
end

encode = json.encode

--- An object whose fields come in a given order; those that are nil are left out.
-- @tparam table object
-- @tparam {string,...} fields
-- @treturn string
function json.object(object, fields)
  local parts = {}
  for _, field in ipairs(fields) do
    local value = object[field]
    if value ~= nil then parts[#parts + 1] = '"' .. field .. '":' .. encode(value) end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Reading. ------------------------------------------------------------------------------------------------------------
--
-- Each function takes the text and a position, and gives the value and the position behind it; it raises on what is no
-- JSON.

local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function bad(at) error(format("no JSON at byte %d", at), 0) end

local function unescape_unicode(text, at)
  local high = tonumber(match(text, "^%x%x%x%x", at) or bad(at), 16)
  local low = high >= 0xD800 and high < 0xDC00 and match(text, "^\\u([dD][c-fC-F]%x%x)", at + 4)
  if not low then return utf8.char(high), at + 4 end
  return utf8.char(0x10000 + ((high - 0xD800) << 10) + (tonumber(low, 16) - 0xDC00)), at + 10
end

local function decode_escaped(text, at)
  local pieces = {}
  while true do
    local plain, mark, next_at = match(text, '^([^"\\]*)(["\\])()', at)
    if not plain then bad(at) end
    pieces[#pieces + 1] = plain
    if mark == '"' then return table.concat(pieces), next_at end
    local letter = sub(text, next_at, next_at)
    if letter == "u" then
      pieces[#pieces + 1], at = unescape_unicode(text, next_at + 1)
    else
      pieces[#pieces + 1], at = ESCAPES[letter] or bad(next_at), next_at + 1
    end
  end
end

local decode_at

local function decode_list(text, at)
  local list = {}
  if sub(text, at, at) == "]" then return list, at + 1 end
  while true do
    list[#list + 1], at = decode_at(text, at)
    local mark = sub(text, at, at)
    at = at + 1
    if mark == "]" then return list, at end
    if mark ~= "," then bad(at) end
  end
end

local function decode_object(text, at)
  local object = {}
  if sub(text, at, at) == "}" then return object, at + 1 end
  while true do
    local key, value_at = match(text, '^"([%w_]+)":()', at)
    if not key then bad(at) end
    local plain, behind = match(text, '^"([^"\\]*)"()', value_at)
    if plain then object[key], at = plain, behind else object[key], at = decode_at(text, value_at) end
    local mark = sub(text, at, at)
    at = at + 1
    if mark == "}" then return object, at end
    if mark ~= "," then bad(at) end
  end
end

local WORDS = { ["true"] = true, ["false"] = false }

function decode_at(text, at)
  local integer, behind = match(text, "^(%-?%d+)()[,}%]]", at)
  if integer then return math.tointeger(tonumber(integer)) or bad(at), behind end
  local mark = sub(text, at, at)
  if mark == '"' then return decode_escaped(text, at + 1) end
  if mark == "{" then return decode_object(text, at + 1) end
  if mark == "[" then return decode_list(text, at + 1) end
  local word, after = match(text, "^(%l+)()", at)
  if WORDS[word] == nil then bad(at) end
  return WORDS[word], after
end

--- What a line of JSON says, as `json.object` and `json.encode` write it: without spaces between its parts.
-- @tparam string line
-- @treturn[1] table
-- @treturn[2] nil
-- @treturn[2] string what is wrong
function json.decode(line)
  if sub(line, 1, 1) ~= "{" then return nil, "no JSON object" end
  local ok, object, behind = pcall(decode_object, line, 2)
  if not ok then return nil, object end
  if behind <= #line then return nil, format("no JSON at byte %d", behind) end
  return object
end

return json
