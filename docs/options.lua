-- The guide's table of options, made from lua/smb/options.lua:
--
--     lua5.4 docs/options.lua                      prints it
--     lua5.4 docs/options.lua write docs/guide.md  puts it between the markers (make docs)
--     lua5.4 docs/options.lua check docs/guide.md  exit status 1 when what is there differs (make lint)

local options = require "smb.options"

local BEGINNING, END = "<!-- options: make docs writes this table -->\n", "<!-- end of options -->\n"

local function code(text)
  return ("`%s`"):format(text)
end

local values = {}

function values.choice(row)
  local quoted = {}
  for i, choice in ipairs(row.choices) do quoted[i] = code(choice) end
  return table.concat(quoted, ", ")
end

function values.integer(row) return ("%d to %d"):format(row.min, row.max) end

function values.size() return "bytes, or `64k`, `8M`" end

function values.seconds() return "seconds, or `500ms`, `30s`, `10m`" end

function values.rate() return "bytes per second, or `500k`, `8M`" end

function values.boolean() return "`true`, `false`" end

function values.text() return "text" end

local function spelling(row)
  return row.url and code(row.url) or "before the `?`"
end

local function default(row)
  if row.required then return "must be given" end
  if row.default == nil or row.default == "" then return "" end
  return code(row.default)
end

local function cells(row)
  return { code(row.name), spelling(row), values[row.type](row), default(row), row.help .. (row.live and " (live)" or "") }
end

local function make_table()
  local lines = { "| option | in a URL | value | default | meaning |", "|---|---|---|---|---|" }
  for _, row in ipairs(options.list) do
    lines[#lines + 1] = "| " .. table.concat(cells(row), " | ") .. " |"
  end
  return table.concat(lines, "\n") .. "\n"
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- The page with the table in its place.
local function updated(text)
  local _, from = text:find(BEGINNING, 1, true)
  local to = from and text:find(END, from, true)
  assert(to, "the markers are missing")
  return text:sub(1, from) .. "\n" .. make_table() .. "\n" .. text:sub(to)
end

local action, path = ...
if not action then
  io.write(make_table())
elseif action == "write" then
  local text = updated(read(path))
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
elseif action == "check" then
  local text = read(path)
  if updated(text) ~= text then
    io.stderr:write(path, ": the table of options is not up to date (make docs)\n")
    os.exit(1)
  end
else
  error "usage: lua5.4 docs/options.lua [write|check FILE]"
end
