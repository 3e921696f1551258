-- The table of NT statuses in docs/failures.md, from the worker's own (src/worker/status.c).

local operation = require "smb.operation"

local statuses = {}

local SOURCE = "src/worker/status.c"

-- { code, text, names } in the order of the source.
local function groups()
  local found, last = {}, nil
  local file <close> = assert(io.open(SOURCE))
  for code, text, name in file:read "a":gmatch '{0x%x+, SMB_([%u_]+), "([^"]*)",%s+"([%w_]+)"}' do
    if last and last.code == code:lower() and last.text == text then
      last.names[#last.names + 1] = name
    else
      last = { code = code:lower(), text = text, names = { name } }
      found[#found + 1] = last
    end
  end
  assert(#found > 0, SOURCE .. " has no table of statuses")
  return found
end

--- @treturn string the table
function statuses.write()
  local out = { "| NT status | what happened | code | tried again |", "|---|---|---|---|" }
  for _, group in ipairs(groups()) do
    out[#out + 1] = ("| %s | %s | `%s` | %s |"):format(table.concat(group.names, ", "), group.text, group.code,
      operation.is_passing(group.code) and "yes" or "")
  end
  return table.concat(out, "\n") .. "\n"
end

return statuses
