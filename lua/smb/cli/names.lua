--- Names on the share as they are typed: with a slash at the end, or as globs.
-- @module smb.cli.names

local name = require "smb.name"
local pattern = require "smb.pattern"

local names = {}

--- A name without the slashes at its end; and whether it had one: as rsync does, its contents are meant then.
-- @tparam string text
-- @treturn string
-- @treturn boolean
function names.clean(text)
  local bare = text:gsub("/+$", "")
  if bare == "." then return "", true end
  return bare, bare ~= text
end

--- A name below a folder.
function names.below(folder, text)
  return name.join((names.clean(folder or "")), text)
end

--- Whether a name is a glob: SMB's names hold neither `*` nor `?`.
-- @tparam string text
-- @treturn boolean
function names.is_glob(text)
  return text:find "[*?]" ~= nil
end

-- The entries of a folder whose names match, and what they are called below the destination's path.
local function matching(dest, folder, part)
  local entries, message, code = dest:list(folder)
  if not entries then return nil, message, code end
  local is_match, found = pattern.matcher(part), {}
  for _, entry in ipairs(entries) do
    if is_match(entry.name) and not name.is_temporary(entry.name) then
      found[#found + 1] = { name = name.join(folder, entry.name), entry = entry }
    end
  end
  return found
end

-- With "**", which crosses folders, all is looked through.
local function walk_matching(dest, glob)
  local top = glob:match "^([^*?]*)/[^/]*[*?]" or ""
  local is_match, found = pattern.matcher(glob), {}
  local ok, problem = pcall(function()
    for path, entry in dest:walk(top) do
      local whole = name.join(top, path)
      if is_match(whole) then found[#found + 1] = { name = whole, entry = entry } end
    end
  end)
  if not ok and type(problem) == "table" and problem.code then return nil, problem.message, problem.code end
  if not ok then error(problem, 0) end
  table.sort(found, function(a, b) return a.name < b.name end)
  return found
end

local function expand_glob(dest, glob)
  if glob:find("**", 1, true) then return walk_matching(dest, glob) end
  local found = { { name = "" } }
  for part in glob:gmatch "[^/]+" do
    local deeper = {}
    for _, each in ipairs(found) do
      if not names.is_glob(part) then
        deeper[#deeper + 1] = { name = name.join(each.name, part) }
      elseif not each.entry or each.entry.type == "directory" then
        local inner, message, code = matching(dest, each.name, part)
        if not inner and not (each.entry or code == "folder_missing") then return nil, message, code end
        table.move(inner or {}, 1, #(inner or {}), #deeper + 1, deeper)
      end
    end
    found = deeper
  end
  return found
end

-- What ends in a name that is no glob may not be there.
local function existing(dest, found)
  local there = {}
  for _, each in ipairs(found) do
    local entry = each.entry or dest:stat(each.name)
    if entry then there[#there + 1] = { name = each.name, entry = entry } end
  end
  return there
end

--- The files and folders that names, or globs, mean.
-- @tparam destination dest
-- @tparam {string,...} given
-- @treturn {table,...} each with `name`; `entry` where a glob matched it; `contents` where it had a slash at its end;
-- `message` and `code` in place of a glob that matches nothing, or cannot be looked up
function names.expand(dest, given)
  local all = {}
  for _, text in ipairs(given) do
    local bare, has_slash = names.clean(text)
    if not names.is_glob(bare) then
      all[#all + 1] = { name = bare, contents = has_slash }
    else
      local found, message, code = expand_glob(dest, bare)
      if found then found = existing(dest, found) end
      if found and #found == 0 then
        local place = tostring(dest):match "%((.*)%)"
        found, message, code = nil, ("'%s' on %s: nothing has such a name"):format(bare, place), "not_found"
      end
      if not found then found = { { name = bare, message = message, code = code } } end
      for _, each in ipairs(found) do
        each.contents = has_slash
        all[#all + 1] = each
      end
    end
  end
  return all
end

return names
