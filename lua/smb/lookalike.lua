--- Names that SMB cannot hold, written with characters that look alike, and back again.
--
-- The mapping is rclone's: `: * ? " < > | \` become their full-width forms, control characters their symbols (U+2400
-- and following), a space or dot at a name's end U+2420 and U+FF0E. What is such a character already is marked with
-- U+201B before it, as are bytes that are no UTF-8 (in hexadecimal), Windows' device names and moments of the past
-- (`@GMT-...`, which is not rclone's). Where two names differ in case only, their capitals become mathematical ones
-- (U+1D5A0 and following), which have no small counterpart; that is not rclone's either.
-- @module smb.lookalike

local name = require "smb.name"

local lookalike = {}

local QUOTE = "\u{201B}"
local SPECIAL = { [":"] = "\u{FF1A}", ["*"] = "\u{FF0A}", ["?"] = "\u{FF1F}", ['"'] = "\u{FF02}", ["<"] = "\u{FF1C}",
  [">"] = "\u{FF1E}", ["|"] = "\u{FF5C}", ["\\"] = "\u{FF3C}", ["\127"] = "\u{2421}" }
for code = 1, 31 do SPECIAL[string.char(code)] = utf8.char(0x2400 + code) end
local END = { [" "] = "\u{2420}", ["."] = "\u{FF0E}" }

local CAPITALS = {}
for code = string.byte "A", string.byte "Z" do
  CAPITALS[string.char(code)] = utf8.char(0x1D5A0 + code - string.byte "A")
end

local ORIGINAL = {}
for original, other in pairs(CAPITALS) do ORIGINAL[other] = original end
for original, other in pairs(SPECIAL) do ORIGINAL[other] = original end
for original, other in pairs(END) do ORIGINAL[other] = original end

local function hexadecimal(byte) return ("%s%02X"):format(QUOTE, byte) end

-- Characters of a text, with what is no UTF-8 byte by byte.
local function characters(text)
  local at = 1
  return function()
    if at > #text then return nil end
    local _, bad = utf8.len(text, at)
    if bad == at then
      at = at + 1
      return nil, text:byte(at - 1)
    end
    local character = utf8.char(utf8.codepoint(text, at))
    at = at + #character
    return character, nil
  end
end

-- Whether a whole part is more than a name: a device's on Windows, a moment's (`@GMT-...`) to SMB.
local function has_meaning(part) return name.is_device(part) or name.is_previous(part) end

-- `special`: what becomes of characters, besides what has to be.
local function encode(part, special)
  local pieces = {}
  local next_one = characters(part)
  while true do
    local character, byte = next_one()
    if not character and not byte then break end
    if byte then pieces[#pieces + 1] = hexadecimal(byte)
    elseif character == QUOTE or ORIGINAL[character] then pieces[#pieces + 1] = QUOTE .. character
    else pieces[#pieces + 1] = SPECIAL[character] or special[character] or character end
  end
  local last = pieces[#pieces]
  if last and END[last] then pieces[#pieces] = END[last] end
  local encoded = table.concat(pieces)
  return has_meaning(encoded) and QUOTE .. encoded or encoded
end

--- One part of a name as SMB can hold it.
-- @tparam string part without slashes
-- @treturn string the same where nothing has to be changed
function lookalike.encode(part) return encode(part, {}) end

--- What `encode` made a name of.
-- @tparam string part
-- @treturn[1] string
-- @treturn[2] nil where that would be no name of a file
function lookalike.decode(part)
  if part:sub(1, #QUOTE) == QUOTE and has_meaning(part:sub(#QUOTE + 1)) then part = part:sub(#QUOTE + 1) end
  local pieces, at = {}, 1
  while at <= #part do
    local character = part:match("^" .. utf8.charpattern, at) or part:sub(at, at)
    at = at + #character
    if character == QUOTE then
      local digits, other = part:match("^([89A-F][0-9A-F])", at), part:match("^" .. utf8.charpattern, at)
      if digits then
        character = string.char(tonumber(digits, 16))
        at = at + 2
      elseif other == QUOTE or ORIGINAL[other] then
        character = other
        at = at + #other
      end
    else
      character = ORIGINAL[character] or character
    end
    pieces[#pieces + 1] = character
  end
  local decoded = table.concat(pieces)
  if decoded == "" or decoded == "." or decoded == ".." or decoded:find "[/\0]" then return nil end
  return decoded
end

--- The same name with other capitals, so that it does not differ from another one in case only. `decode` takes both
-- back.
-- @tparam string part what `encode` has given
-- @treturn string
function lookalike.encode_case(part)
  local original = lookalike.decode(part)
  return original and encode(original, CAPITALS) or part
end

return lookalike
