--- The table of smb.open's options, from lua/smb/options.lua.
-- @module docs.make.options

local options = require "smb.options"

local table_of_options = {}

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

function values.trace() return "function, or path" end

function values.text() return "text" end

values["function"] = function() return "a function" end

local function spelling(row)
  if row.type == "function" or row.script then return "" end
  return row.url and code(row.url) or "before the `?`"
end

local function default(row)
  if row.required then return "must be given" end
  if row.default == nil or row.default == "" then return "" end
  return code(row.default)
end

--- The table as Markdown.
-- @treturn string
function table_of_options.write()
  local lines = { "| option | in a URL | value | default | meaning |", "|---|---|---|---|---|" }
  for _, row in ipairs(options.list) do
    local meaning = row.help .. (row.live and " (live)" or "")
    local cells = { code(row.name), spelling(row), values[row.type](row), default(row), meaning }
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  return table.concat(lines, "\n") .. "\n"
end

return table_of_options
