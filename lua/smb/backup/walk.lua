--- Local folders for snapshots: all that is in them in a manifest's order, but for what is to be left out.
-- @module smb.backup.walk

local core = require "smb.core"
local mounts = require "smb.backup.mounts"
local name = require "smb.name"
local pattern = require "smb.pattern"

local walk = {}

local SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55" -- the first bytes of a CACHEDIR.TAG
local CACHE_TAG = "CACHEDIR.TAG"

--- The options that say what is left out, as far as a manifest can tell them.
walk.OPTS = { "exclude", "exclude_if_present", "exclude_caches", "one_file_system" }

local walker = {}
walker.__index = walker

-- The sources as a tree of names: `inner` by name, and `whole` where all that is below is meant.
local function tree_of(sources)
  local top = { inner = {} }
  for _, source in ipairs(sources) do
    local node = top
    for part in source:gmatch "[^/]+" do
      node.inner[part] = node.inner[part] or { inner = {} }
      node = node.inner[part]
    end
    node.whole = true
  end
  return top
end

local function excluded_by(globs)
  local list = {}
  for i, glob in ipairs(globs) do list[i] = glob:sub(1, 1) == "!" and glob:sub(2) or "!" .. glob end
  return pattern.filter(list)
end

--- Makes a walker.
-- @tparam {string,...} sources absolute paths
-- @tparam boolean several whether they stand under their whole paths; else there is one, and its contents are meant
-- @tparam table opts `exclude` (globs), `filter` (as of put_tree), `exclude_if_present` (names), `exclude_caches`,
-- `one_file_system`, `share` ("//server/share": where it goes to)
-- @treturn table
function walk.new(sources, several, opts)
  local tags = opts.exclude_if_present
  return setmetatable({ sources = sources, several = several, opts = opts,
    tags = type(tags) == "string" and { tags } or tags or {},
    exclude = opts.exclude and excluded_by(opts.exclude) or nil,
    filter = opts.filter and pattern.filter(opts.filter) or nil }, walker)
end

local function is_cache(here)
  local file <close> = io.open(here .. "/" .. CACHE_TAG, "rb")
  return file ~= nil and file:read(#SIGNATURE) == SIGNATURE
end

-- The name of what says that a folder's contents are to be left out; it stays itself.
local function tag_in(self, here, names)
  local present = {}
  for _, text in ipairs(names) do present[text] = true end
  for _, tag in ipairs(self.tags) do
    if present[tag] then return tag end
  end
  if self.opts.exclude_caches ~= false and present[CACHE_TAG] and is_cache(here) then return CACHE_TAG end
end

local function is_meant(self, path, text, attributes)
  if not self.exclude and not self.filter then return true end
  local entry = { name = text, type = attributes.type, size = attributes.size, mtime = attributes.mtime / 1e9 }
  return (not self.exclude or self.exclude(path, entry)) and (not self.filter or self.filter(path, entry)) and true
    or false
end

-- Sorted names in a folder; nil, reason when it cannot be read. In a node of several sources those that lead to one.
local function names_in(self, here, node)
  local names = {}
  if node and not node.whole then
    for text in pairs(node.inner) do names[#names + 1] = text end
  else
    local next_entry, folder, reason, _ <close> = core.entries(here, false, true)
    if not next_entry then return nil, reason end
    while true do
      local text, kind, problem = next_entry(folder)
      if text == nil and kind then return nil, problem end
      if text == nil then break end
      names[#names + 1] = text
    end
  end
  table.sort(names, core.path_before)
  local tag = tag_in(self, here, names)
  return tag and { tag } or names
end

local function enter(self, on, folder)
  local names, reason = names_in(self, folder.here, folder.node)
  if not names then
    on.fail(folder.path, "local_io", ("'%s': %s"):format(folder.here, reason))
    names = {}
  end
  if on.names then on.names(folder, names) end
  for _, text in ipairs(names) do
    if on.is_over() then return end
    local path, here = name.join(folder.path, text), (folder.here == "/" and "" or folder.here) .. "/" .. text
    local attributes, code, problem = core.attributes(here)
    local node = folder.node and not folder.node.whole and folder.node.inner[text] or nil
    if node and attributes and attributes.type == "link" then -- what a source leads to is meant
      here = core.realpath(here)
      attributes, code, problem = core.attributes(here)
    end
    if not attributes then
      if code == "not_found" and not node then on.skip(path, "vanished")
      else on.fail(path, "local_io", ("'%s': %s"):format(here, problem)) end
    elseif node or is_meant(self, path, text, attributes) then
      walk.take(self, on,
        { path = path, here = here, name = text, attributes = attributes, node = node, parent = folder })
    end
  end
end

-- Whether a folder is one on which something is mounted that stays out: any other file system than the source's, if
-- that is wished; else one that the kernel makes up, or the very share that the snapshot goes to.
local function is_mount(self, entry)
  local parent = entry.parent
  if not parent or (entry.node and entry.node.whole) or entry.attributes.dev == parent.attributes.dev then
    return false
  end
  if self.opts.one_file_system and parent.dev then return entry.attributes.dev ~= parent.dev end
  return mounts.is_left_out(entry.attributes.dev, self.opts.share)
end

--- Takes one entry, and what is in it.
-- @local
function walk.take(self, on, entry)
  local kind = entry.attributes.type
  if kind == "other" then return on.skip(entry.path, "special") end
  if kind ~= "directory" then return on.entry(entry) end
  local is_left_out = is_mount(self, entry)
  local is_source = not self.several or (entry.node and entry.node.whole)
  entry.dev = (entry.parent and entry.parent.dev) or (is_source and entry.attributes.dev) or nil
  if on.entry(entry) == false then return end
  if is_left_out then on.skip(entry.path, "mount") else enter(self, on, entry) end
  if on.leave then on.leave(entry) end
end

--- Walks.
-- @tparam table on functions: `entry` (a file, a folder before what is in it, a link: `path`, `here`, `name`,
-- `attributes`, `parent`; false: a folder that is not to be entered), `names` (a folder and the names in it), `leave`
-- (a folder), `fail` (path, code, reason), `skip` (path, reason), `is_over`
function walker:run(on)
  local here = self.several and "/" or core.realpath(self.sources[1])
  local attributes, code, reason = core.attributes(here)
  if not attributes then return on.fail("", code, ("'%s': %s"):format(here, reason)) end
  walk.take(self, on, { path = "", here = here, name = "", attributes = attributes,
    node = self.several and tree_of(self.sources) or nil })
end

return walk
