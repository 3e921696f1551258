--- What a user may do in a folder, and how its server keeps times and names: tried out with files of temporary names.
-- @module smb.rights

local ascii = require "smb.ascii"
local core = require "smb.core"
local show = require "smb.show"

local rights = {}

local SIZE = 8 * 1024 * 1024 -- bytes that the throughput is measured with
local TIME = 1700000000.123457 -- has a part of each size that disks cut off
local STEPS =
  { { 2e-6, "1 us" }, { 2e-5, "10 us" }, { 2e-3, "1 ms" }, { 2e-2, "10 ms" }, { 1.1, "1 s" }, { 2.1, "2 s" } }
local LENGTHS = { 255, 143, 128 } -- bytes of names that disks hold: most, eCryptfs, some NAS

local trial = {}
trial.__index = trial

-- A file of the trial's own: swept like any transfer's, should it stay.
function trial:name(word)
  local text = ("lua-smb-%s.%s.part"):format(word, core.random())
  self.made[#self.made + 1] = text
  return text
end

function trial:list()
  local entries, message = self.dest:list ""
  self.found:add("list", entries ~= nil, entries and "yes" or message,
    not entries and "without it nobody can see what is there; in_place = true sends all the same" or nil)
end

-- Whether files may be made; of no avail without.
function trial:create()
  self.file = self:name "diagnose"
  local ok, message, code = self.dest:write(self.file, "", { in_place = true })
  local is_read_only = code == "access_denied"
  self.found:add("create", ok ~= nil or is_read_only, ok and "yes" or is_read_only and "no: this user may only read"
    or message, is_read_only and "enough to restore; to back up, the server's owner has to allow writing"
    or not ok and "files cannot be made here" or nil)
  return ok ~= nil
end

function trial:set_time()
  local ok, message = self.dest:utime(self.file, TIME)
  local entry = ok and self.dest:stat(self.file)
  self.found:add("set a time", true, ok and "yes" or "no: " .. message,
    not ok and "files arrive without their times: changed = \"size\" or \"sha256\" tells what to send again" or nil)
  if not entry then return end
  local off, step = math.abs(entry.mtime - TIME), "more than 2 s"
  for i = #STEPS, 1, -1 do
    if off <= STEPS[i][1] then step = STEPS[i][2] end
  end
  self.found:add("step of times", true, step,
    off > 2e-3 and "times are compared with what this disk makes of them; time_window allows more" or nil)
end

function trial:rename()
  local to = self:name "renamed"
  local ok, message = self.dest:rename(self.file, to)
  if ok then self.file = to end
  self.found:add("rename", true, ok and "yes" or "no: " .. message,
    not ok and "in_place = true sends files straight under their names" or nil)
end

function trial:copy()
  local to = self:name "copied"
  local ok, message = self.dest:copy(self.file, to)
  self.found:add("server-side copy", true, ok and "yes" or "no: " .. message)
end

function trial:case_rule()
  local other = self.dest:exists(ascii.upper(self.file))
  self.found:add("case of names", true, other and "makes no difference" or "makes a difference",
    not other and "two names that differ in case only are two files here, and one on most other servers" or nil)
end

function trial:normal_form()
  local composed = self:name "\u{E9}"
  local decomposed = composed:gsub("\u{E9}", "e\u{301}")
  local ok, message = self.dest:write(composed, "", { in_place = true })
  if not ok then
    return self.found:add("normal form", true, "names beyond ASCII fail: " .. message, "use ASCII names")
  end
  local is_same, listed = self.dest:exists(decomposed), "as they are given"
  for _, entry in ipairs(self.dest:list "" or {}) do
    if entry.name == decomposed then listed = "decomposed, as on a Mac" end
  end
  self.found:add("normal form", true, ("names are listed %s; both forms are %s"):format(listed,
    is_same and "one name" or "two names"))
end

function trial:longest_name()
  for _, length in ipairs(LENGTHS) do
    local text = self:name "long"
    text = text:gsub("long", function() return ("x"):rep(length - #text + #"long") end)
    self.made[#self.made] = text
    local ok, _, code = self.dest:write(text, "", { in_place = true })
    if ok then
      return self.found:add("longest name", true, ("%d bytes"):format(length),
        length < 255 and "longer names cannot be sent to this server" or nil)
    end
    if code == "access_denied" then break end
  end
  self.found:add("longest name", true, "shorter than 128 bytes", "longer names cannot be sent to this server")
end

function trial:throughput()
  local text, began = self:name "speed", core.clock()
  local bytes = ("0123456789abcdef"):rep(SIZE // 16)
  local up, message = self.dest:write(text, bytes, { in_place = true, verify = "size" })
  if not up then return self.found:add("throughput up", false, message, "8 MiB could not be sent") end
  self.speed = text
  self.found:add("throughput up", true, show.size(SIZE / math.max(1e-6, core.clock() - began)) .. "/s")
  began = core.clock()
  local back
  back, message = self.dest:read(text)
  local is_same = back == bytes
  self.found:add("throughput down", is_same, back and show.size(SIZE / math.max(1e-6, core.clock() - began)) .. "/s"
    or message,
    back and not is_same and "what came back is not what was sent: do not trust this server with backups" or nil)
end

-- Whether the server's copies take room: on disks that share blocks they do not.
function trial:room_of_copies()
  local before = self.dest:quota()
  local to = self.speed and before and before.available and self:name "room"
  if not to or not self.dest:copy(self.speed, to) then return end
  local after = self.dest:quota()
  if not after or not after.available then return end
  local is_free = before.available - after.available < SIZE // 2
  self.found:add("room of copies", true, is_free and "none" or "that of the files",
    not is_free and "each snapshot takes the room of all its files: see docs/backups.md" or nil)
end

-- Deletes what the trial has made; what stays is named.
function trial:delete()
  local left, first = {}, nil
  for _, text in ipairs(self.made) do
    local ok, message = self.dest:delete(text, { missing_ok = true })
    if not ok then left[#left + 1], first = text, first or message end
  end
  self.found:add("delete", true, first and "no: " .. first or "yes",
    first and "old backups cannot be removed here; in_place = true sends without deleting" or nil)
  if #left > 0 then
    self.found:add("left behind", false, table.concat(left, ", "),
      "these files were made for this diagnosis: delete them")
  end
end

--- Adds what was tried out to a report.
-- @local
-- @tparam table found the report
-- @tparam destination dest
-- @tparam boolean read_only nothing is made
function rights.add(found, dest, read_only)
  local self = setmetatable({ found = found, dest = dest, made = {} }, trial)
  self:list()
  if read_only or not self:create() then return end
  self:set_time()
  self:rename()
  self:case_rule()
  self:normal_form()
  self:longest_name()
  self:copy()
  self:throughput()
  self:room_of_copies()
  self:delete()
end


return rights
