--- A Lua prompt that completes methods, prints tables, tells errors in a line, and survives Ctrl-C: for `make repl`.

local core = require "smb.core"
local line = require "smb.cli.line"
local smb = require "smb"

local prompt = {}

local SHOWN = 50 -- fields of a table that print

local function shown(value)
  if type(value) == "string" then return ("%q"):format(value) end
  return tostring(value)
end

-- A value for people: what prints itself does, other tables field by field.
local function text_of(value)
  local meta = type(value) == "table" and getmetatable(value)
  if type(value) ~= "table" or (meta and meta.__tostring) then return tostring(value) end
  local fields, count = {}, 0
  for key, item in pairs(value) do
    count = count + 1
    if count <= SHOWN then fields[#fields + 1] = ("%s = %s"):format(tostring(key), shown(item)) end
  end
  table.sort(fields)
  if count > SHOWN then fields[#fields + 1] = ("... and %d more"):format(count - SHOWN) end
  return "{ " .. table.concat(fields, #fields > 4 and ",\n  " or ", ") .. " }"
end

-- What the reference knows of a kind of value: "dest:", "file:", "job:".
local PREFIXES = { destination = "dest:", file = "file:", job = "job:" }

local function methods_of(value)
  local prefix, names = PREFIXES[smb.type(value) or ""], {}
  for _, group in ipairs(require "smb.topics".groups) do
    for _, topic in ipairs(group.prefix == prefix and group or {}) do names[#names + 1] = topic.name end
  end
  return names
end

local function keys_of(value)
  local names = {}
  local ok, next_key, state, first = pcall(pairs, value)
  if ok then
    for key in next_key, state, first do
      if type(key) == "string" then names[#names + 1] = key end
    end
  end
  return names
end

-- What may stand in the place of the last word: globals, fields behind a dot, methods behind a colon.
local function complete(_, word)
  local before, path, separator, first = word:match "^(.-)([%w_.]-)([.:]?)([%w_]*)$"
  local value = _G
  for key in path:gmatch "[%w_]+" do
    local ok, inner = pcall(function() return value[key] end)
    value = ok and inner or nil
  end
  local found = {}
  for _, name in ipairs(separator == ":" and methods_of(value) or keys_of(value)) do
    if name:sub(1, #first) == first then found[#found + 1] = before .. path .. separator .. name end
  end
  table.sort(found)
  return found
end

-- Reads lines until they make a whole chunk.
local function read_chunk(read)
  local text = read "> "
  while text do
    local chunk, problem = load("return " .. text, "=stdin"), nil
    if not chunk then chunk, problem = load(text, "=stdin") end
    if chunk then return chunk end
    if not problem:find "<eof>$" then return nil, problem end
    local more = read ">> "
    text = more and text .. "\n" .. more
  end
end

local function run(chunk)
  local results = table.pack(chunk())
  for i = 1, results.n do results[i] = text_of(results[i]) end
  if results.n > 0 then print(table.concat(results, "\t", 1, results.n)) end
end

--- Runs the prompt until its end (Ctrl-D).
function prompt.run()
  local read, keep = line.reader(complete)
  core.catch_interrupts()
  local is_over = false
  while not is_over do
    local ok, problem = pcall(function()
      local chunk, fault = read_chunk(read)
      if chunk then return run(chunk) end
      is_over = fault == nil
      if fault then io.stderr:write(fault, "\n") end
    end)
    if not ok then io.stderr:write(tostring(problem), "\n") end
  end
  keep()
end

return prompt
