--- What `smb.help` prints. The text comes from the comments in this module's own sources and from the table of options, so
-- that nothing is written down twice.
-- @module smb.help

local options = require "smb.options"
local plain = require "smb.text".plain

local help = {}

-- Where functions are documented, and how a user calls them.
local SOURCES = {
  { module = "smb", prefix = "smb.", title = "Functions" },
  { module = "smb.destination", prefix = "dest:", title = "A destination, as smb.open gives it" },
  { module = "smb.file", prefix = "file:", title = "A file, as dest:open gives it" },
  { module = "smb.job", prefix = "job:", title = "A job, as dest:submit gives it" },
}

local FIELDS = {
  { "dest.info", "what was negotiated: dialect, sizes, signing, encryption, ...; as whom (user, mechanism)" },
  { "dest.options", "the options in force; those marked live can be assigned" },
  { "dest.warnings", "options that were ignored, and why" },
  { "dest.server, dest.share, dest.path, dest.transport", "where it is" },
}

--- The error codes and what they mean.
help.codes = {
  { "not_found", "the file itself is missing" },
  { "folder_missing", "the folder, or the destination's own path, is missing" },
  { "share_missing", "the server has no such share" },
  { "exists", "it is there already" },
  { "is_directory", "it is a folder" },
  { "not_directory", "it is no folder" },
  { "not_empty", "the folder has something in it" },
  { "invalid_name", "SMB or the server cannot hold this name" },
  { "access_denied", "logged on, but not allowed" },
  { "auth_failed", "the logon was refused" },
  { "busy", "it is open or locked elsewhere" },
  { "no_space", "the disk is full, or a quota is reached" },
  { "host_not_found", "the server's name does not resolve; the local network is asked with broadcast = true" },
  { "unreachable", "the connection was refused, or there is no route" },
  { "timeout", "nothing moved for the time allowed" },
  { "disconnected", "the connection broke" },
  { "cancelled", "it was given up on request" },
  { "mismatch", "what arrived is not what was sent" },
  { "local_io", "the local side failed" },
  { "unsupported", "this server or library cannot" },
  { "protocol", "the demanded dialect, signing or encryption is not to be had" },
  { "source_changed", "the file changed while it was read" },
  { "invalid_url", "the URL is wrong (smb.parse and smb.open only)" },
  { "failed", "anything else" },
}

-- Reading comments. -------------------------------------------------------------------------------------------------

-- Comment blocks of a source and the line that follows each.
local function each_block(text)
  return coroutine.wrap(function()
    local block
    for line in text:gmatch "([^\n]*)\n?" do
      local begins, goes_on = line:match "^%-%-%-%s?(.*)$", line:match "^%-%-%s?(.*)$"
      if begins and not block then
        block = { begins }
      elseif block and goes_on then
        block[#block + 1] = goes_on
      elseif block then
        coroutine.yield(block, line)
        block = nil
      end
    end
    if block then coroutine.yield(block, "") end
  end)
end

-- A block's description and its tags, each with the lines that belong to it.
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

-- "{table,...} entries" -> "{table,...}", "entries": a type may hold spaces within braces or bars.
local function split_type(text)
  local kind, rest = text:match "^(%b{}%S*)%s*(.*)$"
  if not kind then kind, rest = text:match "^(%S+)%s*(.*)$" end
  return kind and kind:gsub("^%?", ""):gsub("|", " or ") or "", rest or ""
end

local function parameter_of(tag)
  local kind, rest = "any", tag.text
  if tag.name == "tparam" then kind, rest = split_type(tag.text) end
  local name, text = rest:match "^(%S+)%s*(.*)$"
  local default = tag.modifier and tag.modifier:match "^opt=(.*)$"
  local optional = tag.modifier ~= nil and tag.modifier:find "^opt" ~= nil
  return { name = name or "?", kind = kind, text = text or "", optional = optional, default = default }
end

local function returned_by(tag)
  local kind, text = "", tag.text
  if tag.name == "treturn" then kind, text = split_type(tag.text) end
  return { case = tonumber(tag.modifier) or 1, kind = kind, text = text }
end

-- What a block documents, or nil for what is no function of the public face.
local function function_of(block, line)
  local lines, tags = split_tags(block)
  local found = { lines = lines, parameters = {}, returns = {} }
  local name = line:match "^function [%w_]+[.:]([%w_]+)%("
  for _, tag in ipairs(tags) do
    if tag.name == "local" or tag.name == "module" or tag.name == "classmod" then return nil end
    if tag.name == "function" then name = tag.text:match "([%w_]+)$" end
    if tag.name == "tparam" or tag.name == "param" then
      found.parameters[#found.parameters + 1] = parameter_of(tag)
    elseif tag.name == "treturn" or tag.name == "return" then
      found.returns[#found.returns + 1] = returned_by(tag)
    end
  end
  found.name = name
  return name and found
end

-- Methods of the public face are those of `methods`, and functions of `smb`.
local function is_public(line, source)
  if source.module == "smb" then return line:find "^function smb%." ~= nil end
  return line:find "^function methods[.:]" ~= nil or not line:find "^function" and not line:find "^local"
end

local function text_of(module)
  local path = package.searchpath(module, package.path)
  local file <close> = path and io.open(path)
  return file and file:read "a" or ""
end

-- A function that is documented where it is made, and only handed on: `smb.parse = url.parse`.
local function handed_on(module, name)
  for block, line in each_block(text_of("smb." .. module)) do
    if line:find("function " .. module .. "." .. name .. "(", 1, true) then return function_of(block, line) end
  end
end

local function read_source(source)
  local found, text = {}, text_of(source.module)
  local function add(documented)
    if not documented then return end
    documented.prefix = source.prefix
    found[#found + 1] = documented
  end
  for block, line in each_block(text) do
    add(is_public(line, source) and function_of(block, line))
  end
  for name, module, same in text:gmatch "\nsmb%.([%w_]+) = ([%w_]+)%.([%w_]+)\n" do
    if name == same then add(handed_on(module, name)) end
  end
  return found
end

local function read_all()
  local all = {}
  for _, source in ipairs(SOURCES) do
    all[#all + 1] = { title = source.title, functions = read_source(source) }
  end
  return all
end

-- Writing. ----------------------------------------------------------------------------------------------------------

local WIDTH = 90

local function wrap(text, indent)
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

-- Names to the left, wrapped text to the right.
local function rows_of(rows, indent)
  local widest, lines = 0, {}
  for _, row in ipairs(rows) do
    if #row[1] <= 26 then widest = math.max(widest, #row[1]) end
  end
  local margin = indent .. (" "):rep(widest + 2)
  for _, row in ipairs(rows) do
    local text = wrap(row[2], margin)
    if #row[1] <= widest then
      lines[#lines + 1] = (indent .. row[1] .. text:sub(#indent + #row[1] + 1)):gsub("%s+$", "")
    else
      lines[#lines + 1] = indent .. row[1] .. "\n" .. text
    end
  end
  return table.concat(lines, "\n")
end

local function call_of(documented)
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

-- Prose is wrapped; code, which is indented, and the empty lines between are kept.
local function description(lines)
  local parts, prose = {}, {}
  local function end_prose()
    if #prose > 0 then parts[#parts + 1] = wrap(table.concat(prose, " "), "  ") end
    prose = {}
  end
  for _, line in ipairs(lines) do
    if line:find "^%s*$" or line:find "^%s%s" then
      end_prose()
      parts[#parts + 1] = line == "" and "" or "  " .. line
    else
      prose[#prose + 1] = line
    end
  end
  end_prose()
  return table.concat(parts, "\n")
end

local function parameter_text(parameter)
  local kind = parameter.kind
  if parameter.default then
    kind = ("%s, %s by default"):format(kind, parameter.default)
  elseif parameter.optional then
    kind = kind .. ", optional"
  end
  return parameter.text == "" and kind or ("%s: %s"):format(kind, parameter.text)
end

local function returns_text(documented)
  local cases, order = {}, {}
  for _, value in ipairs(documented.returns) do
    if not cases[value.case] then
      cases[value.case], order[#order + 1] = {}, value.case
    end
    local words = value.kind
    if value.text ~= "" then words = words == "" and value.text or words .. " " .. value.text end
    table.insert(cases[value.case], words)
  end
  local rows = {}
  for i, case in ipairs(order) do
    rows[i] = { i == 1 and "returns" or "or", table.concat(cases[case], ", ") }
  end
  return rows
end

local function about_function(documented)
  local parts = { call_of(documented), description(documented.lines) }
  local rows = {}
  for i, parameter in ipairs(documented.parameters) do rows[i] = { parameter.name, parameter_text(parameter) } end
  if #rows > 0 then parts[#parts + 1] = "\n" .. rows_of(rows, "  ") end
  local returned = returns_text(documented)
  if #returned > 0 then parts[#parts + 1] = "\n" .. rows_of(returned, "  ") end
  return table.concat(parts, "\n")
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
  if row.type == "integer" and row.min and row.max then return ("a whole number from %d to %d"):format(row.min, row.max) end
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
  else
    rows[#rows + 1] = { "in a URL", "before the '?'" }
  end
  rows[#rows + 1] = { "changes", row.live and ("dest.options.%s = ..., at any time"):format(row.name) or "with smb.open only" }
  return ("option %s\n%s\n\n%s"):format(row.name, wrap(row.help, "  "), rows_of(rows, "  "))
end

local function about_code(code)
  return ("error code %s\n%s"):format(code[1], wrap(code[2], "  "))
end

-- A function's first sentence.
local function summary(documented)
  local text = ""
  for _, line in ipairs(documented.lines) do
    if line == "" then break end
    text = text .. " " .. line
  end
  return (text:match "^(.-%.)%s+%u" or text):gsub("^%s+", "")
end

local function words_of(list, key)
  local words = {}
  for i, item in ipairs(list) do words[i] = item[key] end
  return wrap(table.concat(words, " "), "  ")
end

--- The overview.
-- @treturn string
function help.overview()
  local parts = {
    'smb.help("put") tells more; so it does for every function, option and error code.',
    'What can fail returns nil, message, code; dir, walk and lines raise.',
  }
  for _, source in ipairs(read_all()) do
    local rows = {}
    for i, documented in ipairs(source.functions) do rows[i] = { call_of(documented), summary(documented) } end
    if source.title:find "^A destination" then table.move(FIELDS, 1, #FIELDS, #rows + 1, rows) end
    if #source.functions > 0 then parts[#parts + 1] = ("\n%s:\n%s"):format(source.title, rows_of(rows, "  ")) end
  end
  parts[#parts + 1] = "\nOptions:\n" .. words_of(options.list, "name")
  parts[#parts + 1] = "\nError codes:\n" .. words_of(help.codes, 1)
  return table.concat(parts, "\n")
end

local function find_functions(topic)
  local prefix, name = topic:match "^(%a+[.:])([%w_]+)$"
  name = name or topic
  local found = {}
  for _, source in ipairs(read_all()) do
    for _, documented in ipairs(source.functions) do
      local fits = prefix == nil or prefix:sub(1, -2) == documented.prefix:sub(1, -2)
      if documented.name == name and fits then found[#found + 1] = about_function(documented) end
    end
  end
  return found
end

local function all_topics()
  local topics = {}
  for _, source in ipairs(read_all()) do
    for _, documented in ipairs(source.functions) do topics[#topics + 1] = documented.name end
  end
  for _, row in ipairs(options.list) do topics[#topics + 1] = row.name end
  for _, code in ipairs(help.codes) do topics[#topics + 1] = code[1] end
  return topics
end

--- All that is known about one thing.
-- @tparam string topic
-- @treturn string
function help.about(topic)
  local found = find_functions(topic:gsub("%(%)$", ""))
  local row = options.by_url[topic] or options.by_name[topic] or options.by_name[topic:gsub("^%-%-", ""):gsub("-", "_")]
  if row then found[#found + 1] = about_option(row) end
  for _, code in ipairs(help.codes) do
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
