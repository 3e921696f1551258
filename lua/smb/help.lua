--- What `smb.help` prints: functions and tables as `make docs` has written them down (smb.topics), options, error
-- codes.
-- @module smb.help

local codes = require "smb.codes"
local options = require "smb.options"
local plain = require "smb.text".plain

local help = {}

local FIELDS = {
  { "dest.info", "what was negotiated: dialect, sizes, signing, encryption, ...; as whom (user, mechanism)" },
  { "dest.options", "the options in force; those marked live can be assigned" },
  { "dest.warnings", "options that were ignored, and why" },
  { "dest.server, dest.share, dest.path, dest.transport", "where it is" },
}

-- Writing. ----------------------------------------------------------------------------------------------------------

local WIDTH = 90

--- Breaks a text into lines.
-- @tparam string text
-- @tparam string indent in front of each line
-- @treturn string
function help.wrap(text, indent)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    if line ~= "" and #line + #word + #indent >= WIDTH then
      lines[#lines + 1], line = indent .. line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  if line ~= "" then lines[#lines + 1] = indent .. line end
  return table.concat(lines, "\n")
end

--- Names to the left, wrapped text to the right.
-- @tparam {{string,string},...} rows
-- @tparam string indent in front of each line
-- @treturn string
function help.rows(rows, indent)
  local widest, lines = 0, {}
  for _, row in ipairs(rows) do
    if #row[1] <= 26 then widest = math.max(widest, #row[1]) end
  end
  local margin = indent .. (" "):rep(widest + 2)
  for _, row in ipairs(rows) do
    local text = help.wrap(row[2], margin)
    if #row[1] <= widest then
      lines[#lines + 1] = (indent .. row[1] .. text:sub(#indent + #row[1] + 1)):gsub("%s+$", "")
    else
      lines[#lines + 1] = indent .. row[1] .. "\n" .. text
    end
  end
  return table.concat(lines, "\n")
end

local KINDS = {
  text = "text",
  size = "bytes, or a text like \"64k\" or \"8M\"",
  seconds = "seconds, or a text like \"500ms\", \"30s\" or \"10m\"",
  boolean = "true or false",
}

local function values_of(row)
  if row.type == "choice" then
    local quoted = {}
    for i, choice in ipairs(row.choices) do quoted[i] = ("%q"):format(choice) end
    return table.concat(quoted, ", ")
  end
  if row.type == "integer" and row.min and row.max then
    return ("a whole number from %d to %d"):format(row.min, row.max)
  end
  return KINDS[row.type] or row.type
end

local function default_of(row)
  if row.required then return "none: it must be given" end
  if row.default == nil or row.default == "" then return "none" end
  return row.type == "choice" and ("%q"):format(row.default) or tostring(row.default)
end

local function about_option(row)
  local rows = { { "values", values_of(row) }, { "default", default_of(row) } }
  if row.floor then rows[#rows + 1] = { "least", ("%d; what is below is ignored with a warning"):format(row.floor) } end
  if row.url then
    rows[#rows + 1] = { "in a URL", ("?%s=..."):format(row.url) }
    rows[#rows + 1] = { "for lua-smb", "--" .. row.url }
  elseif row.type ~= "function" then
    rows[#rows + 1] = { "in a URL", "before the '?'" }
  end
  rows[#rows + 1] =
    { "changes", row.live and ("dest.options.%s = ..., at any time"):format(row.name) or "with smb.open only" }
  return ("option %s\n%s\n\n%s"):format(row.name, help.wrap(row.help, "  "), help.rows(rows, "  "))
end

local function about_code(code)
  return ("error code %s\n%s"):format(code[1], help.wrap(code[2], "  "))
end

local function words_of(list, key)
  local words = {}
  for i, item in ipairs(list) do words[i] = item[key] end
  return help.wrap(table.concat(words, " "), "  ")
end

local function each_function(fn)
  for _, group in ipairs(require "smb.topics".groups) do
    for _, documented in ipairs(group) do fn(documented, group) end
  end
end

--- The overview.
-- @treturn string
function help.overview()
  local topics = require "smb.topics"
  local parts = {
    'smb.help("put") tells more about a function; likewise for a table, an option or an error code.',
    "What can fail returns nil, message, code; dir, walk and lines raise.",
  }
  for _, group in ipairs(topics.groups) do
    local rows = {}
    for i, documented in ipairs(group) do rows[i] = { documented.call, documented.summary } end
    if group.prefix == "dest:" then table.move(FIELDS, 1, #FIELDS, #rows + 1, rows) end
    parts[#parts + 1] = ("\n%s:\n%s"):format(group.title, help.rows(rows, "  "))
  end
  local rows = {}
  for i, each in ipairs(topics.tables) do rows[i] = { each.name, each.summary } end
  if #rows > 0 then parts[#parts + 1] = "\nTables:\n" .. help.rows(rows, "  ") end
  parts[#parts + 1] = "\nOptions:\n" .. words_of(options.list, "name")
  parts[#parts + 1] = "\nError codes:\n" .. words_of(codes, 1)
  return table.concat(parts, "\n")
end

-- "put", "dest:put" and "dest:put()" name the same function.
local function find_functions(topic)
  local prefix, name = topic:match "^(.*[.:])([%w_]+)$"
  name = name or topic
  local found = {}
  each_function(function(documented, group)
    local fits = prefix == nil or prefix:sub(1, -2) == group.prefix:sub(1, -2)
    if documented.name == name and fits then found[#found + 1] = documented.text end
  end)
  return found
end

local function all_topics()
  local names = {}
  each_function(function(documented) names[#names + 1] = documented.name end)
  for _, each in ipairs(require "smb.topics".tables) do names[#names + 1] = each.name end
  for _, row in ipairs(options.list) do names[#names + 1] = row.name end
  for _, code in ipairs(codes) do names[#names + 1] = code[1] end
  return names
end

--- All that is known about one thing.
-- @tparam string topic
-- @treturn string
function help.about(topic)
  local found = find_functions((topic:gsub("%(%)$", "")))
  local row = options.by_url[topic] or options.by_name[topic] or options.by_name[topic:gsub("^%-%-", ""):gsub("-", "_")]
  for _, each in ipairs(require "smb.topics".tables) do
    if each.name == topic then found[#found + 1] = each.text end
  end
  if row then found[#found + 1] = about_option(row) end
  for _, code in ipairs(codes) do
    if code[1] == topic then found[#found + 1] = about_code(code) end
  end
  for _, field in ipairs(FIELDS) do
    if field[1] == topic or field[1] == "dest." .. topic then found[#found + 1] = table.concat(field, "\n  ") end
  end
  if #found > 0 then return table.concat(found, "\n\n") end
  local nearest = options.nearest(topic, all_topics())
  local hint = nearest and ("Did you mean %q?"):format(nearest) or "smb.help() lists what there is."
  return ("Nothing is known about \"%s\". %s"):format(plain(topic), hint)
end

--- Prints the overview, or what is known about one thing.
-- @tparam[opt] string topic
function help.print(topic)
  if topic == nil then
    print(help.overview())
  elseif type(topic) == "string" then
    print(help.about(topic))
  else
    error(("smb.help: a name as a string expected, as in smb.help(\"put\"), got a %s"):format(type(topic)), 3)
  end
end

return help
