--- Names on a share: what SMB can hold, and how a name is taken apart and put together.
-- A name is relative to the destination's path, its parts separated by `/`; `""` is that path itself. Nothing here
-- touches the network.
--
-- The rules are those of MS-FSCC 2.1.5 (path names, components, file names) and of Microsoft's "Naming Files, Paths,
-- and Namespaces" (a trailing dot or space, the device names). A server on another system may allow more; a backup has
-- to be readable from everywhere.
-- @module smb.name

local ascii = require "smb.ascii"

local core = require "smb.core"

local byte, find, gmatch, gsub, match = string.byte, string.find, string.gmatch, string.gsub, string.match

local name = {}

local PART_UNITS = 255      -- UTF-16 units a part may have (MS-FSCC 2.1.5.2)
local NAME_UNITS = 32760    -- UTF-16 units a whole name may have (MS-FSCC 2.1.5)
local PART_BYTES = 255      -- what file systems on Linux servers allow (NAME_MAX)
local SHORT = 64            -- bytes and units that a temporary name may always have: less than any server's limit

local CONTROL = "[\0-\31\127]"
local SPECIAL = '[\\:*?"<>|]'

local SLASH = byte("/")

local function device_names()
  local devices = {}
  for word in gmatch("con prn aux nul conin$ conout$", "%S+") do devices[word] = true end
  for _, port in ipairs { "com", "lpt" } do
    for digit in gmatch("0 1 2 3 4 5 6 7 8 9 \u{B9} \u{B2} \u{B3}", "%S+") do devices[port .. digit] = true end
  end
  return devices
end

local DEVICES = device_names()

-- UTF-16 units of valid UTF-8: one a character, two where UTF-8 needs four bytes.
local function units(text)
  local _, pairs_needed = gsub(text, "[\xF0-\xF4]", "")
  return utf8.len(text) + pairs_needed
end

--- Whether a part is a device's name on Windows.
-- @tparam string part
-- @treturn boolean
function name.is_device(part)
  local stem = gsub(match(part, "^[^.]*"), " +$", "")
  return DEVICES[ascii.lower(stem)] ~= nil
end

local function fault_in_part(part)
  if part == "." or part == ".." then return ("'%s' is not allowed as a part of a name"):format(part) end
  if find(part, "%.$") then return "a part of a name cannot end in a dot" end
  if find(part, " $") then return "a part of a name cannot end in a space" end
  if #part > PART_UNITS and units(part) > PART_UNITS then
    return ("a part of a name cannot be longer than %d UTF-16 units"):format(PART_UNITS)
  end
  if name.is_device(part) then return ("'%s' is the name of a device on Windows"):format(part) end
end

local function fault_in_text(text)
  if find(text, "\0", 1, true) then return "a name cannot hold a NUL" end
  if find(text, CONTROL) then return "a name cannot hold a control character" end
  local special = match(text, SPECIAL)
  if special then return ("a name cannot hold the character %s"):format(special) end
  if not utf8.len(text) then return "a name must be valid UTF-8" end
  if #text > NAME_UNITS and units(text) > NAME_UNITS then
    return ("a name cannot be longer than %d UTF-16 units"):format(NAME_UNITS)
  end
end

local function fault_in_slashes(text)
  if byte(text) == SLASH then return "a name is relative: it cannot begin with a slash" end
  if byte(text, -1) == SLASH then return "a name cannot end in a slash" end
  if find(text, "//", 1, true) then return "a name cannot hold an empty part ('//')" end
end

local function fault_in_parts(text)
  for part in gmatch(text, "[^/]+") do
    local fault = fault_in_part(part)
    if fault then return fault end
  end
end

--- Whether SMB can hold a name.
-- Refused are control characters, NUL, `\ : * ? " < > |`, invalid UTF-8 (surrogates included), empty parts, `.` and
-- `..`, a leading or trailing slash, a part that ends in a dot or space, parts over 255 UTF-16 units, names over 32760
-- UTF-16 units, and Windows' device names (`NUL`, `com1`, `LPT³`, ...), with or without an extension.
-- @tparam string text the name; `""` is right
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what is wrong with it
function name.check(text)
  if type(text) ~= "string" then return nil, "a name must be a string, not a " .. type(text) end
  if text == "" or core.is_plain(text) then return true end
  local fault = fault_in_text(text) or fault_in_slashes(text) or fault_in_parts(text)
  if fault then return nil, fault end
  return true
end

--- Whether a name has a part such as `@GMT-2025.01.01-00.00.00`, which is no name to SMB, but a moment: the library
-- takes it out of the path and asks for what was there then. A server without such versions answers for the living
-- file.
-- @function name.is_previous
-- @tparam string text a name
-- @treturn boolean
name.is_previous = core.is_previous

--- Whether a name may be made, changed, renamed or deleted on a share.
-- @tparam string text a name that `check` found right
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what is wrong with it
function name.check_change(text)
  if not core.is_previous(text) then return true end
  return nil, "a part '@GMT-...' means a previous version, which can only be read"
end

--- What names have in common that differ in case only, so that servers take them for one.
-- @function name.fold
-- @tparam string text a name
-- @treturn string
name.fold = core.fold

--- The same, for letters whose case all servers know alike; others stay as they are.
-- @function name.fold_certain
-- @tparam string text a name
-- @treturn string
name.fold_certain = core.fold_certain

--- A name below a path.
-- @tparam string path where; `""` adds nothing
-- @tparam string below what; `""` is the path itself
-- @treturn string `path/below`
function name.join(path, below)
  if path == "" then return below end
  if below == "" then return path end
  return path .. "/" .. below
end

--- The folder that holds a name.
-- @tparam string text a name
-- @treturn[1] string its folder, `""` for a name of one part
-- @treturn[2] nil for `""`, which nothing above holds
function name.parent(text)
  if text == "" then return nil end
  return match(text, "^(.*)/[^/]*$") or ""
end

--- The last part of a name.
-- @tparam string text a name
-- @treturn string its last part; `""` for `""`
function name.base(text)
  return match(text, "[^/]*$")
end

-- The longest beginning of a part, of whole characters, that has at most so many bytes and UTF-16 units.
local function shortened(part, most_bytes, most_units)
  local used, length = 0, 0
  for character in gmatch(part, utf8.charpattern) do
    used = used + (#character == 4 and 2 or 1)
    if used > most_units or length + #character > most_bytes then break end
    length = length + #character
  end
  return part:sub(1, length)
end

-- A name beside another one: no longer than that, in bytes as in UTF-16 units, or than every server's names may be.
-- What has to be shortened has a mark of its own, since nobody can tell from it what it belongs to.
local function beside(text, digits, kind)
  local part = name.base(text)
  local ending = digits .. "." .. kind
  local most_bytes, most_units = math.max(#part, SHORT), math.max(units(part), SHORT)
  if 1 + #part + #ending > most_bytes or 1 + units(part) + #ending > most_units then
    part = shortened(part, most_bytes - 1 - #ending, most_units - 1 - #ending) .. "~" .. ending
  else
    part = part .. "." .. ending
  end
  return name.join(name.parent(text) or "", part)
end

--- The temporary name that a file has while it is written, in the same folder as its target. It is never longer than
-- the target, in bytes or UTF-16 units, unless both are short (64): whatever the server's limit, it can be held
-- wherever its target can.
-- @tparam string text the target, a name that `check` found right, not `""`
-- @tparam string random eight hexadecimal digits
-- @treturn string `text.random.part`, or the beginning of text, `~random.part`
function name.temporary(text, random)
  return beside(text, random, "part")
end

-- What tells a temporary folder from one that somebody else has called so.
local function folder_mark(stem) return core.short_digest("folder\n" .. stem):sub(1, 3) end

--- The temporary name that a folder has until all is in it: a file's, with a mark.
-- @tparam string text the target
-- @tparam string digits five hexadecimal digits
-- @treturn string
function name.temporary_folder(text, digits)
  local start, stem = match(name.temporary(text, "00000000"), "^((.*)[.~])%x+%.part$")
  return start .. folder_mark(name.base(stem)) .. digits .. ".part"
end

--- Whether a name is one that `temporary_folder` gave.
-- @tparam string text a name, or its last part
-- @treturn boolean
function name.is_temporary_folder(text)
  local stem, mark = match(name.base(text), "^(.*)[.~](%x%x%x)%x%x%x%x%x%.part$")
  return stem ~= nil and mark == folder_mark(stem)
end

--- The name under which an old file waits while a new one takes its place. Shortened as `temporary` does.
-- @tparam string text the file, a name that `check` found right, not `""`
-- @tparam string digits eight hexadecimal digits
-- @treturn string `text.digits.aside`, or the beginning of text, `~digits.aside`
function name.aside(text, digits)
  return beside(text, digits, "aside")
end

--- A folder for temporary names, in the folder of their targets. No target has the mark `~` and so short a name.
-- @tparam string folder
-- @tparam string digits eight hexadecimal digits
-- @treturn string `folder/lua-smb~digits.part`
function name.small_folder(folder, digits)
  return name.join(folder, ("lua-smb~%s.part"):format(digits))
end

--- Whether a name is one that `small_folder` gives.
-- @tparam string text a name
-- @treturn boolean
function name.is_small_folder(text)
  return match(name.base(text), "^lua%-smb~%x%x%x%x%x%x%x%x%.part$") ~= nil
end

--- Takes apart a name that `temporary` or `aside` gave.
-- @tparam string text a name
-- @treturn[1] string "part" or "aside"
-- @treturn[1] ?string the name of the file that it belongs to; nil where that was so long that it was shortened
-- @treturn[2] nil when it has another shape
function name.parse_temporary(text)
  if not name.is_temporary(text) then return nil end
  local target, mark, kind = match(text, "^(.*)([.~])%x+%.(%l+)$")
  local part = name.base(text)
  -- Earlier versions shortened to 255 without a mark; a character has up to four bytes.
  if mark == "~" or #part >= PART_BYTES - 3 or units(part) >= PART_UNITS - 1 then target = nil end
  return kind, target
end

--- Whether a name has the shape that `temporary` or `aside` gives.
-- @function name.is_temporary
-- @tparam string text a name, or its last part
-- @treturn boolean
name.is_temporary = core.is_temporary

return name
