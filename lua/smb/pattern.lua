--- Which files of a tree are meant: glob patterns, or a function of the user's.
-- @module smb.pattern

local core = require "smb.core"

local pattern = {}

-- Tokens of a glob: a character to be met, and these.
local ONE, STAR, DEEP, FOLDERS = {}, {}, {}, {} -- `?`, `*` within a part, `**` across parts, `**/`: folders, or none
local CHARACTER = ".[\128-\191]*" -- of UTF-8; what is none counts byte by byte

-- A number by which characters are in Unicode's order, whatever the host's locale.
local function order(character)
  local a, b, c, d = character:byte(1, 4)
  return a << 24 | (b or 0) << 16 | (c or 0) << 8 | (d or 0)
end

-- `[...]` as a table: the characters and ranges in it; `negated`.
local function read_set(text)
  local sign, body = text:match "^%[([!^]?)(.*)%]$"
  local set, all = { negated = sign ~= "", ranges = {} }, {}
  for character in body:gmatch(CHARACTER) do all[#all + 1] = character end
  local i = 1
  while i <= #all do
    local last = all[i + 1] == "-" and all[i + 2] or all[i]
    set.ranges[#set.ranges + 1] = { order(all[i]), order(last) }
    i = i + (all[i + 1] == "-" and all[i + 2] and 3 or 1)
  end
  return set
end

local function is_in(set, character)
  local number = order(character)
  for _, range in ipairs(set.ranges) do
    if number >= range[1] and number <= range[2] then return not set.negated end
  end
  return set.negated
end

-- The next token and where it ends. Wildcards that follow each other and match the same are one.
local function next_token(glob, at)
  local stars = glob:match("^%*+", at)
  if stars then
    local to = at + #stars
    if #stars == 1 then return STAR, to end
    if glob:sub(to, to) ~= "/" then return DEEP, to end
    while glob:find("^/%*%*+/", to) do to = glob:match("^/%*%*+()", to) end
    return FOLDERS, to + 1
  end
  local set = glob:match("^%[[!^]?%]?[^%]]*%]", at)
  if set then return read_set(set), at + #set end
  local character = glob:match("^" .. CHARACTER, at)
  return character == "?" and ONE or character, at + #character
end

local function read_tokens(glob)
  local tokens, at = {}, 1
  while at <= #glob do
    tokens[#tokens + 1], at = next_token(glob, at)
  end
  return tokens
end

-- Most globs are one of Lua's patterns: without sets, and with so few wildcards that trying them all is quick, if the
-- text is not long.
local LONG = 250 -- bytes
local QUICK = { [ONE] = "[^/\128-\191][\128-\191]*", [STAR] = "[^/]*", [DEEP] = ".*" }

-- Also returns whether wildcards of one kind are several, so that it is quick for short texts only.
local function quick_pattern(tokens, first)
  local out, count = {}, { [ONE] = 0, [STAR] = 0, [DEEP] = first - 1 }
  for i = first, #tokens do
    local token = tokens[i]
    if type(token) == "string" then out[#out + 1] = token:gsub("%p", "%%%0")
    elseif QUICK[token] then
      out[#out + 1] = QUICK[token]
      count[token] = count[token] + 1
    else return nil end
  end
  if count[STAR] + count[DEEP] - (first - 1) > 2 then return nil end
  return table.concat(out) .. "$", count[STAR] > 1 or count[DEEP] > 1
end

-- Position `i` of the tokens may be where the text has come to. Wildcards may match nothing.
local function enter(tokens, places, i)
  while not places[i] do
    places[i] = true
    local token = tokens[i]
    if token ~= STAR and token ~= DEEP and token ~= FOLDERS then return end
    i = i + 1
  end
end

-- Where the token at `i` leads by a character.
local function step(tokens, places, i, character)
  local token = tokens[i]
  if token == nil then return end
  if token == DEEP or token == FOLDERS or (token == STAR and character ~= "/") then places[i] = true end
  if token == DEEP or (token == STAR and character ~= "/") then enter(tokens, places, i + 1)
  elseif token == FOLDERS then
    if character == "/" then enter(tokens, places, i + 1) end
  elseif token == character or (character ~= "/" and (token == ONE or (type(token) == "table" and token.ranges
    and is_in(token, character)))) then
    enter(tokens, places, i + 1)
  end
end

-- All ways at once: as many steps as there are characters, times tokens.
local function walk(tokens, text)
  local places = {}
  enter(tokens, places, 1)
  for character in text:gmatch(CHARACTER) do
    local after = {}
    for i in pairs(places) do step(tokens, after, i, character) end
    places = after
  end
  return places[#tokens + 1] == true
end

-- A function that tells whether the whole of a text matches the glob.
local function matcher(glob)
  local tokens = read_tokens(glob)
  local is_anywhere = tokens[1] == FOLDERS
  local quick, is_for_short = quick_pattern(tokens, is_anywhere and 2 or 1)
  if quick then
    local whole, below = "^" .. quick, is_anywhere and "^.*/" .. quick
    return function(text)
      if is_for_short and #text > LONG then return walk(tokens, text) end
      return text:find(whole) ~= nil or (below and text:find(below) ~= nil)
    end
  end
  return function(text) return walk(tokens, text) end
end

local function compile(glob)
  local excludes = glob:sub(1, 1) == "!"
  glob = core.composed(excludes and glob:sub(2) or glob)
  local folders = glob:match "^(.+)/$"
  glob = folders or glob
  local whole = glob:find("/", 1, true) ~= nil
  return { excludes = excludes, whole = whole, folders = folders ~= nil, matches = matcher((glob:gsub("^/", ""))) }
end

local function matches(rule, path, base, kind)
  if rule.folders and kind ~= "directory" then return false end
  return rule.matches(rule.whole and path or base)
end

-- Why a glob matches nothing; nil for one that may match something.
local function glob_fault(glob)
  local path = glob:gsub("^!", ""):gsub("^/", ""):gsub("/$", "")
  if path == "" then return "it has no name" end
  for part in (path .. "/"):gmatch "(.-)/" do
    if part == "" or part == "." or part == ".." then return "paths have no part '" .. part .. "'" end
  end
end

--- What is wrong with a filter.
-- @param filter anything
-- @treturn ?string the reason; nil for a function and a list of globs that can match something
function pattern.fault(filter)
  if type(filter) == "function" then return nil end
  if type(filter) ~= "table" then return "must be a function or a list of patterns, not a " .. type(filter) end
  for key, glob in pairs(filter) do
    if math.type(key) ~= "integer" or key < 1 or key > #filter then
      return ("must be a function or a list of patterns: it has a key '%s'"):format(tostring(key))
    end
    if type(glob) ~= "string" then
      return ("must be a function or a list of patterns, not a list with a %s"):format(type(glob))
    end
    local fault = glob_fault(glob)
    if fault then return ("has the pattern '%s', which matches nothing: %s"):format(glob, fault) end
  end
end

--- A function that tells whether a name, or a path if the glob has a slash, matches a glob.
-- @tparam string glob
-- @treturn function
function pattern.matcher(glob)
  local is_match = matcher(core.composed(glob))
  return function(text) return is_match(core.composed(text)) end
end

--- A function that tells which files are meant.
-- A list of globs: `*` and `?` stay within a part of a path, `**` crosses parts, `[...]` is a set of characters.
-- `*.log` is about names in any folder, `var/*.log` (with a slash) about the whole path; one that begins with `!`
-- excludes, one that ends with a slash is about folders only. A file is meant when the last glob that matches it
-- includes it; when none does, if all of them exclude. A folder is meant unless it is excluded, and not looked into
-- then. Names match in whatever normal form they are: what is typed here may be listed in another one there.
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
