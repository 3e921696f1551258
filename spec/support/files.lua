--- Local files with known content.

local lfs = require "lfs"
local shell = require "spec.support.shell"

local files = {}

-- A prime: no power of two, thus no block size, is a multiple, so that misplaced blocks show.
local PERIOD = 65521

local cache = {}

-- A block whose bytes look random and depend on the seed alone.
local function block(seed)
  if not cache[seed] then
    local state, words = (seed * 2654435761 + 12345) & 0xffffffff, {}
    for i = 1, PERIOD // 4 + 1 do
      state = (state * 1664525 + 1013904223) & 0xffffffff
      -- The low bits of such a generator hardly change.
      words[i] = string.pack("<I4", state ~ (state >> 15))
    end
    cache[seed] = table.concat(words):sub(1, PERIOD)
  end
  return cache[seed]
end

-- Calls fn with pieces whose concatenation is the content; each piece says where it lies, so no two are alike.
local function pieces(size, seed, fn)
  local body = block(seed or 0)
  local offset = 0
  while offset < size do
    fn((string.pack("<I8", offset) .. body):sub(1, math.min(PERIOD, size - offset)))
    offset = offset + PERIOD
  end
end

--- Content of a given size: always the same for the same size and seed.
-- @tparam integer size in bytes
-- @tparam[opt=0] integer seed
-- @treturn string
function files.content(size, seed)
  local parts = {}
  pieces(size, seed, function(piece)
    parts[#parts + 1] = piece
  end)
  return table.concat(parts)
end

--- Makes a file of a given size, whose content is `files.content(size, seed)`, without holding it in memory.
-- @treturn string its path
function files.make(path, size, seed)
  local file = assert(io.open(path, "wb"))
  pieces(size, seed, function(piece)
    assert(file:write(piece))
  end)
  assert(file:close())
  return path
end

--- Writes a whole file.
-- @treturn string its path
function files.write(path, content)
  local file = assert(io.open(path, "wb"))
  assert(file:write(content))
  assert(file:close())
  return path
end

--- Reads a whole file.
-- @treturn[1] string its content
-- @treturn[2] nil
-- @treturn[2] string the reason
function files.read(path)
  local file, reason = io.open(path, "rb")
  if not file then
    return nil, reason
  end
  local content
  content, reason = file:read "a"
  file:close()
  return content, reason
end

--- Compares two files.
-- @treturn boolean whether both can be read and are alike
-- @treturn string otherwise, the first difference
function files.same(a, b)
  local ok, output = shell.run { "cmp", "--", a, b }
  return ok, output
end

--- Size in bytes, or nil when there is no such file.
function files.size(path)
  return (lfs.attributes(path, "size"))
end

function files.exists(path)
  return lfs.symlinkattributes(path, "mode") ~= nil
end

--- Sorted names in a directory, dot files included.
function files.list(path)
  local names = {}
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

--- Removes a file, or a directory with all that is in it.
function files.remove(path)
  shell.check { "rm", "-rf", "--", path }
end

--- Makes a directory below TMPDIR that nobody else has.
-- @tparam[opt] function fn called with its path; the directory goes when fn returns or raises
-- @return without fn, the path; else what fn returns
function files.directory(fn)
  local template = (os.getenv "TMPDIR" or "/tmp") .. "/lua-smb.XXXXXX"
  local path = shell.check({ "mktemp", "-d", template }):gsub("\n$", "")
  if not fn then
    return path
  end
  local results = table.pack(pcall(fn, path))
  files.remove(path)
  if not results[1] then
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

return files
