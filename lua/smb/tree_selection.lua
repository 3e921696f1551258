--- Which files of a tree are meant: globs or a function, ages, a list of names, folders that say that they are to be
-- left out.
--
-- What is not meant stays where it is, on either side.
-- @module smb.tree_selection

local lfs = require "lfs"

local core = require "smb.core"
local pattern = require "smb.pattern"

local selections = {}

local SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55" -- the first bytes of a CACHEDIR.TAG
local CACHE_TAG = "CACHEDIR.TAG"
local REMEMBERED = 1000 -- folders of which it is known whether they say so

-- Whether a file's age is one of those that are meant.
local function by_age(opts)
  local now, least, most = os.time(), opts.min_age or -math.huge, opts.max_age or math.huge
  return function(_, entry)
    local age = entry.type == "file" and now - entry.mtime
    return not age or (age >= least and age <= most)
  end
end

-- Names that are given, as paths below the top. Some servers and disks have another normal form than whoever wrote the
-- list.
local function read_names(list)
  local wanted, above = {}, {}
  for _, given in ipairs(list) do
    local path = core.composed(given:gsub("^%./+", ""):gsub("/+", "/"):gsub("/$", ""))
    if path == "." then path = "" end
    for part in (path .. "/"):gmatch "([^/]*)/" do
      if path ~= "" and (part == "" or part == "." or part == "..") then
        return nil, ("files_from: '%s' is no path below the folder"):format(given)
      end
    end
    wanted[path] = given
    while path and path ~= "" do
      path = path:match "^(.*)/[^/]*$" or ""
      above[path] = true
    end
  end
  return wanted, above
end

-- Whether a path is named, or lies in a folder that is, or is a folder on the way to one. `seen`: those that were met.
local function by_name(wanted, above, seen)
  return function(path, entry)
    path = core.composed(path)
    if wanted[path] then
      seen[path] = true
      return true
    end
    if entry.type == "directory" and above[path] then return true end
    repeat
      path = path:match "^(.*)/[^/]*$" or ""
      if wanted[path] then return true end
    until path == ""
    return false
  end
end

local function is_cache(here)
  local file <close> = io.open(here .. "/" .. CACHE_TAG, "rb")
  return file ~= nil and file:read(#SIGNATURE) == SIGNATURE
end

-- The name in a local folder that says that nothing else of it is meant.
local function tag_in(here, opts, tags)
  for _, tag in ipairs(tags) do
    if lfs.symlinkattributes(here .. "/" .. tag, "mode") then return tag end
  end
  return opts.exclude_caches and is_cache(here) and CACHE_TAG or false
end

-- Whether a path lies in a folder that is to be left out, and is not what says so.
local function by_tag(opts, here)
  local given = opts.exclude_if_present
  local tags, known, count = type(given) == "string" and { given } or given or {}, {}, 0
  return function(path)
    local folder, text = path:match "^(.*)/([^/]*)$"
    folder, text = folder or "", text or path
    if known[folder] == nil then
      if count == REMEMBERED then known, count = {}, 0 end
      known[folder], count = tag_in(folder == "" and here or here .. "/" .. folder, opts, tags), count + 1
    end
    return not known[folder] or known[folder] == text
  end
end

--- Makes a selection.
-- @tparam table opts `filter`, `min_age`, `max_age`, `files_from`, `exclude_if_present`, `exclude_caches`
-- @tparam string here the tree's local folder
-- @treturn[1] table `includes`: a function of path and entry, nil where all is meant; `missing`: a function that
-- returns the names of `files_from` that were not met
-- @treturn[2] nil
-- @treturn[2] string what is wrong
function selections.new(opts, here)
  local all, seen = {}, {}
  local wanted, above = read_names(opts.files_from or {})
  if not wanted then return nil, above end
  if opts.files_from then
    all[#all + 1] = by_name(wanted, above, seen)
  end
  if opts.min_age or opts.max_age then all[#all + 1] = by_age(opts) end
  if opts.exclude_if_present or opts.exclude_caches then all[#all + 1] = by_tag(opts, here) end
  if opts.filter then all[#all + 1] = pattern.filter(opts.filter) end
  local function includes(path, entry)
    for _, is_meant in ipairs(all) do
      if not is_meant(path, entry) then return false end
    end
    return true
  end
  local function missing()
    local paths = {}
    for path in pairs(wanted) do
      if path ~= "" and not seen[path] then paths[#paths + 1] = path end
    end
    table.sort(paths)
    return paths
  end
  return { includes = #all > 0 and (#all > 1 and includes or all[1]) or nil, missing = missing }
end

return selections
