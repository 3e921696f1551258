--- Manifests: what is in a snapshot, one JSON object a line, read and written piece by piece, whatever their size.
--
-- The first line tells the format, the last one counts and the SHA-256 of all lines before it. In between stand the
-- entries, in the order in which a tree is walked: a folder, then what is in it, names in the order of their bytes.
-- Paths are true: what SMB or JSON cannot hold is told beside them, by `stored` (the path on the share, where that is
-- another one) and `path_hex`, `target_hex` (the bytes of what is no UTF-8).
-- @module smb.backup.manifest

local core = require "smb.core"
local json = require "smb.backup.json"
local pattern = require "smb.pattern"

local manifest = {}

local FORMAT, VERSION = "lua-smb manifest", 1
local PIECE = 256 * 1024 -- bytes read at a time
local TAIL = 4096 -- bytes in which the last line is looked for
local LINE_LIMIT = 1024 * 1024 -- bytes: no path is as long

local HEAD = { "format", "version", "name", "time", "host", "sources", "several", "options" }
local FIELDS = { "path", "path_hex", "type", "size", "mtime", "mode", "uid", "gid", "user", "group", "sha256", "target",
  "target_hex", "stored", "ino", "ctime", "mtime_kept" }
local END = { "entries", "files", "folders", "links", "bytes", "sha256" }

-- What a field is, where there is one: a type, or the least and the most of an integer. Whoever can write to the share
-- can write a manifest.
local COUNT, ID, ANY = { 0, math.maxinteger }, { 0, 0xFFFFFFFF }, { math.mininteger, math.maxinteger }
local SHAPES = {
  head = { name = "string", time = ANY, host = "string", sources = "list", several = "boolean", options = "options" },
  entry = { path = "string", path_hex = "string", type = "string", size = COUNT, mtime = ANY, mode = { 0, 0xFFFF },
    uid = ID, gid = ID, user = "string", group = "string", sha256 = "string", target = "string", target_hex = "string",
    stored = "string", ino = ANY, ctime = ANY, mtime_kept = "boolean" },
  counts = { entries = COUNT, files = COUNT, folders = COUNT, links = COUNT, bytes = COUNT, sha256 = "string" },
  options = { exclude = "globs", exclude_if_present = "names", exclude_caches = "boolean",
    one_file_system = "boolean" },
}

-- Bytes as hexadecimal digits, and back.
local function to_hex(text) return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)) end
local function from_hex(text)
  return (text:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- Writing. ------------------------------------------------------------------------------------------------------------

local writer = {}
writer.__index = writer

--- Begins a manifest. Its lines are kept in a file without a name until `send`.
-- @tparam table head `name`, `time`, `host`, `sources`, `several`, `options`
-- @treturn[1] table a writer, to be declared `<close>`
-- @treturn[2] nil
-- @treturn[2] string what happened
function manifest.new(head)
  local spool, reason = io.tmpfile()
  if not spool then return nil, ("no temporary file can be made for the manifest (%s)"):format(reason) end
  local self = setmetatable({ spool = spool, digest = core.sha256(),
    counts = { entries = 0, files = 0, folders = 0, links = 0, bytes = 0 } }, writer)
  head.format, head.version = FORMAT, VERSION
  local ok, problem = self:put(json.object(head, HEAD))
  if not ok then return nil, problem end
  return self
end

--- Adds a line.
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what happened
function writer:put(line)
  line = line .. "\n"
  core.sha256_add(self.digest, line)
  local ok, reason = self.spool:write(line)
  if not ok then return nil, ("the manifest cannot be kept in a temporary file (%s)"):format(reason) end
  return true
end

local COUNTERS = { file = "files", directory = "folders", link = "links" }

--- Makes an entry the line that `put` writes, and counts it.
-- @tparam table entry `path`, `type` and what else a manifest tells
-- @treturn string
function writer:line(entry)
  local counts = self.counts
  counts.entries = counts.entries + 1
  counts[COUNTERS[entry.type]] = counts[COUNTERS[entry.type]] + 1
  if entry.type == "file" then counts.bytes = counts.bytes + entry.size end
  if not utf8.len(entry.path) then entry.path_hex = to_hex(entry.path) end
  if entry.target and not utf8.len(entry.target) then entry.target_hex = to_hex(entry.target) end
  return json.object(entry, FIELDS)
end

--- Ends the manifest and puts it on the share.
-- @tparam userdata dest
-- @tparam string path its name there
-- @tparam table opts of `dest:write`
-- @treturn what `dest:write` returns
function writer:send(dest, path, opts)
  self.counts.sha256 = core.sha256_hex(self.digest)
  local ok, reason = self.spool:write(json.object(self.counts, END), "\n")
  if ok then ok, reason = self.spool:seek "set" end
  if not ok then return nil, ("the manifest cannot be kept in a temporary file (%s)"):format(reason), "local_io" end
  return dest:write(path, function() return self.spool:read(PIECE) end, opts)
end

function writer:__close() self.spool:close() end

-- Reading. ------------------------------------------------------------------------------------------------------------

local reader = {}
reader.__index = reader

local has_shape

local IS = {
  list = function(value)
    if type(value) ~= "table" then return false end
    for key, item in pairs(value) do
      if math.type(key) ~= "integer" or type(item) ~= "string" then return false end
    end
    return true
  end,
  options = function(value) return type(value) == "table" and has_shape(value, SHAPES.options) end,
}

function IS.globs(value) return IS.list(value) and not pattern.fault(value) end

function IS.names(value) return type(value) == "string" or IS.list(value) end

-- Whether all fields that are known are what they should be.
function has_shape(fields, shape)
  for field, value in pairs(fields) do
    local wanted = shape[field]
    if type(wanted) == "table" then
      if math.type(value) ~= "integer" or value < wanted[1] or value > wanted[2] then return false end
    elseif wanted and type(value) ~= wanted and not (IS[wanted] and IS[wanted](value)) then
      return false
    end
  end
  return true
end

local function broken(self, reason)
  return nil, ("the manifest '%s' is not whole: %s"):format(self.path, reason), "mismatch"
end

-- The next line with its newline; nil at the end; nil, message, code.
function reader:line()
  while true do
    if #self.rest - self.at > LINE_LIMIT then return broken(self, "a line is too long") end
    local line, behind = self.rest:match("^([^\n]*\n)()", self.at)
    if line then
      self.at = behind
      return line
    end
    local data, message, code = self.file:read(PIECE)
    if data == nil and message then return nil, message, code end
    if data == nil then return nil end
    self.rest, self.at = self.rest:sub(self.at) .. data, 1
  end
end

local function read_head(self)
  local line, message, code = self:line()
  if message then return nil, message, code end
  local head = line and json.decode(line:sub(1, -2))
  if not head or head.format ~= FORMAT or (head.version == VERSION and not has_shape(head, SHAPES.head)) then
    return broken(self, "its first line is none of a manifest")
  end
  if head.version ~= VERSION then
    return nil, ("the manifest '%s' has the format %s, which this version cannot read"):format(self.path,
      tostring(head.version)), "unsupported"
  end
  core.sha256_add(self.digest, line)
  self.head = head
  return self
end

--- Opens a manifest.
-- @tparam userdata dest
-- @tparam string path its name on the share
-- @treturn[1] table a reader, to be declared `<close>`: `head`, `next`, after the last entry `counts`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code; "mismatch" for what is no whole manifest
function manifest.open(dest, path)
  local file, message, code = dest:open(path, "r")
  if not file then return nil, message, code end
  local self = setmetatable({ file = file, path = path, rest = "", at = 1, digest = core.sha256() }, reader)
  local ok
  ok, message, code = read_head(self)
  if not ok then
    file:close()
    return nil, message, code
  end
  return self
end

local function restore_bytes(entry)
  if entry.path_hex then entry.path = from_hex(entry.path_hex) end
  if entry.target_hex then entry.target = from_hex(entry.target_hex) end
  entry.stored = entry.stored or entry.path
  return entry
end

-- Whether a path may be joined to a folder's: nothing in it leads elsewhere.
local function is_below(path)
  return path == "" or not (path:find("\0", 1, true) or ("/" .. path .. "/"):find "/%.?%.?/")
end

local TYPES = { file = true, directory = true, link = true }

--- The next entry.
-- @treturn[1] table
-- @treturn[2] nil at the end of a manifest that is whole: then `counts` are there
-- @treturn[3] nil
-- @treturn[3] string message
-- @treturn[3] string code
function reader:next()
  if self.counts then return nil end
  local line, message, code = self:line()
  if message then return nil, message, code end
  if not line then return broken(self, "its last line is missing") end
  local entry, reason = json.decode(line:sub(1, -2))
  if not entry then return broken(self, reason) end
  if entry.entries then
    if not has_shape(entry, SHAPES.counts) then return broken(self, "its last line is none of a manifest") end
    if entry.sha256 ~= core.sha256_hex(self.digest) then return broken(self, "its SHA-256 is another one") end
    self.counts = entry
    return nil
  end
  core.sha256_add(self.digest, line)
  if not TYPES[entry.type] or not entry.path or not entry.mtime or not entry.mode
    or (entry.type == "file" and not entry.size) then
    return broken(self, "an entry lacks its type, path, time, mode or size")
  end
  if not has_shape(entry, SHAPES.entry) then return broken(self, "an entry has a field that is none of a manifest") end
  restore_bytes(entry)
  if not is_below(entry.path) or not is_below(entry.stored) then return broken(self, "a path leads elsewhere") end
  return entry
end

function reader:close()
  if self.file then self.file:close() end
  self.file = nil
end

reader.__close = reader.close

--- What the last line of a manifest tells; nil where there is none, so that it is not whole. Nothing else of it is
-- read.
-- @tparam userdata dest
-- @tparam string path
-- @tparam integer size bytes, as listed
-- @treturn[1] table counts
-- @treturn[2] nil
-- @treturn[2] ?string message, when it could not be read
-- @treturn[2] ?string code
function manifest.counts(dest, path, size)
  local file, message, code = dest:open(path, "r")
  if not file then return nil, message, code end
  local ok, tail
  ok, message, code = file:seek("set", math.max(0, size - TAIL))
  if ok then tail, message, code = file:read(TAIL) end
  file:close()
  if not tail then return nil, message, code end
  local line = tail:match "([^\n]*)\n$"
  local counts = line and json.decode(line)
  return counts and counts.entries and has_shape(counts, SHAPES.counts) and counts or nil
end

return manifest
