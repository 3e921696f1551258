--- The letters of ASCII, whatever the host's locale makes of them: in a Turkish one the small letter of I is not i.
-- @module smb.ascii

local ascii = {}

local LOWER, UPPER, OTHER = {}, {}, {}
for code = 0x41, 0x5A do
  local upper, lower = string.char(code), string.char(code + 0x20)
  LOWER[upper], UPPER[lower], OTHER[upper], OTHER[lower] = lower, upper, lower, upper
end

--- A text in small letters.
function ascii.lower(text) return (text:gsub("[A-Z]", LOWER)) end

--- A text in capitals.
function ascii.upper(text) return (text:gsub("[a-z]", UPPER)) end

--- A text in the other case, letter by letter.
function ascii.flip(text) return (text:gsub("[A-Za-z]", OTHER)) end

return ascii
