--- What the files of a repository of snapshots are called, and what is made of names that SMB cannot hold.
-- @module smb.backup.names

local core = require "smb.core"
local lookalike = require "smb.lookalike"
local name = require "smb.name"

local names = {}

local PATTERN = "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d)(%d%d)(%d%d)Z$"
local DAY = 86400 -- seconds

--- What is behind a snapshot's name while its folder is written or deleted; its manifest's, and that of one that is
-- written.
names.PART, names.MANIFEST, names.NEW_MANIFEST = ".part", ".manifest", ".manifest.part"

-- Days from 1970-01-01 to a day of the civil calendar.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469
end

--- The moment that a snapshot's name tells.
-- @tparam string text
-- @treturn ?integer seconds since 1970; nil for what is no snapshot's name
function names.time(text)
  local year, month, day, hour, minute, second = text:match(PATTERN)
  if not year then return nil end
  return days(year // 1, month // 1, day // 1) * DAY + hour * 3600 // 1 + minute * 60 // 1 + second // 1
end

--- The name of a snapshot.
-- @tparam integer time seconds since 1970
-- @treturn string
function names.of(time)
  return os.date("!%Y-%m-%dT%H%M%SZ", time)
end

--- Takes the name of a repository's file or folder apart.
-- @tparam string text
-- @treturn[1] string the snapshot's name
-- @treturn[1] string what is behind it: "", ".part", ".manifest", ".manifest.part"
-- @treturn[2] nil for what is no part of a snapshot
function names.parse(text)
  local own, ending = text:match "^([%d%-T]+Z)(.*)$"
  if not own or not names.time(own) then return nil end
  if ending == "" or ending == names.PART or ending == names.MANIFEST or ending == names.NEW_MANIFEST then
    return own, ending
  end
end

-- As one part of a name on the share. What has the shape of a transfer's temporary name would be swept one day.
local function encode(text)
  local encoded = lookalike.encode(text)
  if name.is_temporary(encoded) then encoded = encoded:gsub("%.(%l+)$", "\u{FF0E}%1") end
  return encoded
end

--- What the entries of one folder are called on the share. Where two differ in case only, their capitals are written
-- with look-alikes.
-- @tparam {string,...} all their names
-- @treturn table names on the share, by name; false and the reason (in `reasons`) for what cannot be named
-- @treturn table reasons by name
function names.on_share(all)
  local stored, reasons, groups = {}, {}, {}
  for _, text in ipairs(all) do
    local encoded = encode(text)
    local folded = name.fold(core.composed(encoded))
    stored[text], groups[folded] = encoded, groups[folded] or {}
    table.insert(groups[folded], text)
  end
  for _, group in pairs(groups) do
    local taken = {}
    for _, text in ipairs(group) do
      if #group > 1 then stored[text] = lookalike.encode_case(stored[text]) end
      local ok, reason = name.check(stored[text])
      local folded = name.fold(core.composed(stored[text]))
      if ok and taken[folded] then
        ok, reason = nil, ("some servers take it for the same name as '%s'"):format(taken[folded])
      end
      if not ok then stored[text], reasons[text] = false, reason end
      taken[folded] = text
    end
  end
  return stored, reasons
end

return names
