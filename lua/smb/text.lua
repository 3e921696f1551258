--- All text that people see goes through here: messages, listings, what the command prints. What is in it comes from
-- servers, disks
-- and command lines, and must neither steer a terminal nor look like something else.
-- @module smb.text

local text = {}

-- Code points that do not show, or change how others show: C1 controls, soft hyphen, marks and overrides of the writing
-- direction,
-- zero-width characters, separators of lines and paragraphs, fillers, annotations, variation selectors' and tags'
-- plane.
local UNSEEN = {
  { 0x80, 0x9F }, { 0xAD, 0xAD }, { 0x34F, 0x34F }, { 0x61C, 0x61C }, { 0x115F, 0x1160 }, { 0x17B4, 0x17B5 },
  { 0x180B, 0x180F },
  { 0x200B, 0x200F }, { 0x2028, 0x202E }, { 0x2060, 0x206F }, { 0x3164, 0x3164 }, { 0xD800, 0xDFFF },
  { 0xFEFF, 0xFEFF },
  { 0xFFA0, 0xFFA0 }, { 0xFFF0, 0xFFFB }, { 0x1BCA0, 0x1BCA3 }, { 0x1D173, 0x1D17A }, { 0xE0000, 0xE0FFF },
}

local function is_unseen(code)
  for _, range in ipairs(UNSEEN) do
    if code < range[1] then return false end
    if code <= range[2] then return true end
  end
  return false
end

-- Replaces each byte that is a part of no character.
local function replace_invalid(bytes, by)
  local pieces, at = {}, 1
  while true do
    local _, bad = utf8.len(bytes, at)
    if not bad then break end
    pieces[#pieces + 1] = bytes:sub(at, bad - 1) .. by
    at = bad + 1
  end
  return table.concat(pieces) .. bytes:sub(at)
end

--- Text on one line: what does not show, and what is no UTF-8, becomes question marks.
-- @tparam string bytes
-- @treturn string
function text.plain(bytes)
  if not bytes:find "[\0-\x1F\x7F-\xFF]" then return bytes end
  local shown = replace_invalid(bytes, "?"):gsub("[\0-\x1F\x7F]", "?")
  return (shown:gsub("[\xC2-\xF4][\x80-\xBF]+", function(character)
    if is_unseen(utf8.codepoint(character)) then return "?" end
  end))
end

--- The same, of what may hold a URL that was taken for something else: neither its user nor its password shows.
-- @tparam string bytes
-- @treturn string
function text.message(bytes)
  local shown = text.plain(bytes)
  if not shown:find("://", 1, true) then return shown end
  shown = shown:gsub("(%f[A-Za-z][A-Za-z]+://)[^ \t-\r']*@", "%1...@")
  return (shown:gsub("(auth%-password=)[^ \t-\r']*", "%1..."))
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function unicode_escape(code)
  if code < 0x10000 then return ("\\u%04x"):format(code) end
  code = code - 0x10000
  return ("\\u%04x\\u%04x"):format(0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF))
end

--- A JSON string: whoever reads it gets the same text, and a terminal that shows it sees nothing but what shows. What
-- is no
-- UTF-8, which
-- JSON cannot hold, becomes U+FFFD.
-- @tparam string bytes
-- @treturn string with its quotes
function text.json(bytes)
  local escaped =
    bytes:gsub('[\0-\x1F\x7F"\\]',
      function(character) return ESCAPES[character] or unicode_escape(character:byte()) end)
  if escaped:find "[\x80-\xFF]" then
    escaped = replace_invalid(escaped, "\u{FFFD}"):gsub("[\xC2-\xF4][\x80-\xBF]+", function(character)
      local code = utf8.codepoint(character)
      if is_unseen(code) then return unicode_escape(code) end
    end)
  end
  return '"' .. escaped .. '"'
end

return text
