--- Reads the doc comments of the public face: the one origin of docs/reference.md, lua/smb/types.lua and what smb.help
-- prints.
--
-- A comment begins with `---` and documents the line behind it. The tags are LDoc's:
--
-- - `@tparam TYPE NAME TEXT`, `@tparam[opt=DEFAULT] ...`, `@param NAME TEXT`: a parameter
-- - `@treturn[CASE] TYPE TEXT`, `@return TEXT`: a value that the function returns; CASE tells success (1) and failure
-- (2) apart
-- - `@table NAME` with `@tfield TYPE NAME TEXT`, `@tfield[opt=DEFAULT] ...`: a table that users see, such as `result`
-- - `@function NAME`: the name of what is not made by `function NAME(`; `@local`: nothing that users see
-- @module docs.make.comments

local comments = {}

-- Where functions and tables are documented, and how users call the functions.
local SOURCES = {
  { key = "smb", path = "lua/smb/init.lua", prefix = "smb.", owner = "smb", title = "Functions" },
  { key = "destination", path = "lua/smb/destination.lua", prefix = "dest:", owner = "methods",
    title = "A destination, as smb.open returns it" },
  { key = "file", path = "lua/smb/file.lua", prefix = "file:", owner = "methods",
    title = "A file, as dest:open returns it" },
  { key = "job", path = "lua/smb/job.lua", prefix = "job:", owner = "methods",
    title = "A job, as dest:submit returns it" },
  { key = "command", path = "lua/smb/command.lua", prefix = "command:", owner = "methods",
    title = "A command, as smb.command returns it" },
  { key = "lock", path = "lua/smb/lock.lua", prefix = "lock:", owner = "methods",
    title = "A lock, as dest:lock returns it" },
  { key = "repo", path = "lua/smb/backup/init.lua", prefix = "repo:", owner = "methods",
    title = "A folder of snapshots, as smb.backup returns it" },
  { key = "ltn12", path = "lua/smb/ltn12.lua", prefix = "smb.ltn12.", owner = "ltn12",
    title = "LTN12 sources and sinks" },
}

-- Where nothing but tables is documented.
local TABLES = { "lua/smb/show.lua", "lua/smb/call_options.lua", "lua/smb/destination_fields.lua",
  "lua/smb/retention.lua", "lua/smb/backup/snapshot.lua", "lua/smb/backup/verify.lua" }

-- Comment blocks of a source, each as a list of lines, with the line of code that follows it.
local function each_block(text)
  return coroutine.wrap(function()
    local block
    for line in (text .. "\n"):gmatch "([^\n]*)\n" do
      local begins, continues = line:match "^%-%-%-%s?(.*)$", line:match "^%-%-%s?(.*)$"
      if begins and not block then
        block = { begins }
      elseif block and continues then
        block[#block + 1] = continues
      elseif block then
        coroutine.yield(block, line)
        block = nil
      end
    end
  end)
end

-- The description of a block and its tags, each with all the lines that belong to the tag.
local function split_tags(block)
  local lines, tags = {}, {}
  for _, line in ipairs(block) do
    local tag, rest = line:match "^@(%S+)%s*(.*)$"
    if tag then
      tags[#tags + 1] = { name = tag:match "^%a+", modifier = tag:match "%[(.-)%]", text = rest }
    elseif #tags > 0 then
      local last = tags[#tags]
      last.text = (last.text .. " " .. line:gsub("^%s+", "")):gsub("%s+$", "")
    else
      lines[#lines + 1] = line
    end
  end
  while lines[#lines] == "" do lines[#lines] = nil end
  return lines, tags
end

-- "{table,...} entries" -> "{table,...}", "entries": a type may hold spaces within braces.
local function split_type(text)
  local kind, rest = text:match "^(%b{}%S*)%s*(.*)$"
  if not kind then kind, rest = text:match "^(%S+)%s*(.*)$" end
  return kind or "any", rest or ""
end

local function field_of(tag)
  local kind, rest = "any", tag.text
  if tag.name:sub(1, 1) == "t" then kind, rest = split_type(tag.text) end
  local name, text = rest:match "^(%S+)%s*(.*)$"
  local optional = tag.modifier ~= nil and tag.modifier:find "^opt" ~= nil
  return { name = name or "?", kind = kind, text = text or "", optional = optional or kind:sub(1, 1) == "?",
    default = tag.modifier and tag.modifier:match "^opt=(.*)$" }
end

local function returned_by(tag)
  local kind, text = "any", tag.text
  if tag.name == "treturn" then kind, text = split_type(tag.text) end
  return { case = tonumber(tag.modifier) or 1, kind = kind, text = text }
end

local function first_tag(tags, name)
  for _, tag in ipairs(tags) do
    if tag.name == name then return tag end
  end
end

local function table_of(lines, tags)
  local found = { name = first_tag(tags, "table").text:match "^%S+", lines = lines, fields = {} }
  for _, tag in ipairs(tags) do
    if tag.name == "tfield" or tag.name == "field" then found.fields[#found.fields + 1] = field_of(tag) end
  end
  return found
end

local function function_of(lines, tags, line)
  local named = first_tag(tags, "function")
  local found = { lines = lines, parameters = {}, returns = {},
    name = named and named.text:match "([%w_]+)$" or line:match "^function [%w_]+[.:]([%w_]+)%(" }
  for _, tag in ipairs(tags) do
    if tag.name == "tparam" or tag.name == "param" then
      found.parameters[#found.parameters + 1] = field_of(tag)
    elseif tag.name == "treturn" or tag.name == "return" then
      found.returns[#found.returns + 1] = returned_by(tag)
    end
  end
  return found.name and found
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- Whether the block documents a function that users call on the source's owner.
local function is_public(tags, line, owner)
  if first_tag(tags, "local") or first_tag(tags, "module") or first_tag(tags, "classmod") then return false end
  local named = first_tag(tags, "function")
  if named then return named.text:match "^([%w_]+)[.:]" == owner end
  return line:match "^function ([%w_]+)[.:]" == owner
end

-- A function that is documented where it is made, and only handed on: `smb.parse = url.parse`.
local function handed_on(module, name)
  for block, line in each_block(read("lua/smb/" .. module .. ".lua")) do
    if line:find("function " .. module .. "." .. name .. "(", 1, true) then
      local lines, tags = split_tags(block)
      return function_of(lines, tags, line)
    end
  end
end

local function read_source(source, tables)
  local found, text = {}, read(source.path)
  for block, line in each_block(text) do
    local lines, tags = split_tags(block)
    if first_tag(tags, "table") and not first_tag(tags, "local") then
      tables[#tables + 1] = table_of(lines, tags)
    elseif is_public(tags, line, source.owner) then
      found[#found + 1] = function_of(lines, tags, line)
    end
  end
  for name, module, same in text:gmatch("\n" .. source.owner .. "%.([%w_]+) = ([%w_]+)%.([%w_]+)\n") do
    if name == same then found[#found + 1] = handed_on(module, name) end
  end
  for _, each in ipairs(found) do each.prefix = source.prefix end
  return found
end

--- All that is documented.
-- @treturn table `groups`: a list, each with `key`, `title`, `prefix` and `functions`; `tables`: a list, each with
-- `name`, `lines` and `fields`
function comments.read()
  local groups, tables = {}, {}
  for i, source in ipairs(SOURCES) do
    groups[i] = { key = source.key, title = source.title, prefix = source.prefix,
      functions = read_source(source, tables) }
  end
  for _, path in ipairs(TABLES) do read_source({ path = path, owner = "" }, tables) end
  table.sort(tables, function(a, b) return a.name < b.name end)
  return { groups = groups, tables = tables }
end

--- How a function is called: "dest:put(localpath [, name [, opts]])".
function comments.call(documented)
  local words, optional = {}, 0
  for i, parameter in ipairs(documented.parameters) do
    local comma = i > 1 and ", " or ""
    if parameter.optional then
      words[i], optional = ("%s[%s%s"):format(i > 1 and " " or "", comma, parameter.name), optional + 1
    else
      words[i] = comma .. parameter.name
    end
  end
  return documented.prefix .. documented.name .. "(" .. table.concat(words) .. ("]"):rep(optional) .. ")"
end

--- The first sentence of a description.
function comments.summary(documented)
  local text = ""
  for _, line in ipairs(documented.lines) do
    if line == "" then break end
    text = text .. " " .. line
  end
  return (text:match "^(.-%.)%s+%u" or text):gsub("^%s+", "")
end

--- The values that a function returns, in cases: the first is success.
function comments.cases(documented)
  local cases, order = {}, {}
  for _, value in ipairs(documented.returns) do
    if not cases[value.case] then
      cases[value.case] = {}
      order[#order + 1] = cases[value.case]
    end
    table.insert(cases[value.case], value)
  end
  return order
end

--- The type of a parameter or field in words: "string or function".
function comments.kind(kind)
  return (kind:gsub("^%?", ""):gsub("|", " or "))
end

return comments
