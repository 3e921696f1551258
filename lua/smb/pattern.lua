--- Which files of a tree are meant: glob patterns, or a function of the user's.
-- @module smb.pattern

local core = require "smb.core"

local pattern = {}

local CHARACTER = "[^/\128-\191][\128-\191]*" -- one of UTF-8

-- A glob as Lua's pattern: `*` and `?` stay within a part, `**` crosses parts, `[...]` is a set.
local function translate(glob)
  local out, at = { "^" }, 1
  while at <= #glob do
    local set = glob:match("^%[[!^]?%]?[^%]]*%]", at)
    if glob:sub(at, at + 2) == "**/" then
      out[#out + 1], at = "\1", at + 3
    elseif glob:sub(at, at + 1) == "**" then
      out[#out + 1], at = ".*", at + 2
    elseif glob:sub(at, at) == "*" then
      out[#out + 1], at = "[^/]*", at + 1
    elseif glob:sub(at, at) == "?" then
      out[#out + 1], at = CHARACTER, at + 1
    elseif set then
      out[#out + 1], at = set:gsub("^%[!", "[^"):gsub("%%", "%%%%"), at + #set
    else
      out[#out + 1], at = glob:sub(at, at):gsub("%p", "%%%0"), at + 1
    end
  end
  return table.concat(out) .. "$"
end

-- "**/" matches nothing, too: both ways are tried.
local function alternatives(text)
  local first, rest = text:match "^([^\1]*)\1(.*)$"
  if not first then return { text } end
  local all = {}
  for _, tail in ipairs(alternatives(rest)) do
    all[#all + 1] = first .. tail
    all[#all + 1] = first .. ".*/" .. tail
  end
  return all
end

local function compile(glob)
  local excludes = glob:sub(1, 1) == "!"
  glob = core.composed(excludes and glob:sub(2) or glob)
  local folders = glob:match "^(.+)/$"
  glob = folders or glob
  local whole = glob:find("/", 1, true) ~= nil
  return { excludes = excludes, whole = whole, folders = folders ~= nil,
    texts = alternatives(translate((glob:gsub("^/", "")))) }
end

local function matches(rule, path, base, kind)
  if rule.folders and kind ~= "directory" then return false end
  for _, text in ipairs(rule.texts) do
    if (rule.whole and path or base):find(text) then return true end
  end
  return false
end

--- A function that tells whether a name, or a path if the glob has a slash, matches a glob.
-- @tparam string glob
-- @treturn function
function pattern.matcher(glob)
  local texts = alternatives(translate(core.composed(glob)))
  return function(text)
    text = core.composed(text)
    for _, each in ipairs(texts) do
      if text:find(each) then return true end
    end
    return false
  end
end

--- A function that tells which files are meant.
-- A list of globs: `*.log` is about names in any folder, `var/*.log` (with a slash) about the whole path; one that
-- begins with `!` excludes, one that ends with a slash is about folders only. A file is meant when the last glob that
-- matches it includes it; when none does, if all of them exclude. A folder is meant unless it is excluded, and not
-- looked into then. Names match in whatever normal form they are: what is typed here may be listed in another one
-- there.
-- @tparam function|{string,...} filter a function of path and entry (name, type, size, mtime) that gives true for what
-- is meant
-- @treturn function of path and entry
function pattern.filter(filter)
  if type(filter) == "function" then return filter end
  local rules, only_excludes = {}, true
  for i, glob in ipairs(filter) do
    rules[i] = compile(glob)
    only_excludes = only_excludes and rules[i].excludes
  end
  return function(path, entry)
    path = core.composed(path)
    local base = path:match "[^/]*$"
    for i = #rules, 1, -1 do
      if matches(rules[i], path, base, entry.type) then return not rules[i].excludes end
    end
    return only_excludes or entry.type == "directory"
  end
end

return pattern
