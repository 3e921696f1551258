--- The bar chart of the part "lan", bench/lan.svg: a group of bars for each case, a bar for each client. The bar is as
-- long as the client is fast; lua-smb is 1.

local files = require "spec.support.files"

local WIDTH, LEFT, RIGHT = 760, 230, 60
local BAR, GAP, TOP = 11, 9, 34
local NAMES = { "lua-smb", "smbclient", "smbclient, safe", "rclone" }
local COLOURS = { ["lua-smb"] = "#1b5fa8", smbclient = "#e0912f", ["smbclient, safe"] = "#f2c27f", rclone = "#8a8a8a" }
local MOST = 1.25 -- what a row has room for

local chart = {}

local function text(x, y, words, anchor)
  return ("<text x='%d' y='%d'%s>%s</text>"):format(x, y, anchor and " text-anchor='" .. anchor .. "'" or "", words)
end

local function legend(lines)
  local x = LEFT
  for _, name in ipairs(NAMES) do
    lines[#lines + 1] = ("<rect x='%d' y='10' width='10' height='10' fill='%s'/>"):format(x, COLOURS[name])
    lines[#lines + 1] = text(x + 14, 19, name)
    x = x + 30 + 8 * #name
  end
end

-- The bars of a case; returns where the next one begins.
local function group(lines, y, title, seconds)
  local first = y
  for _, name in ipairs(NAMES) do
    local speed = seconds[name] and seconds["lua-smb"] / seconds[name]
    if speed then
      local length = math.min(speed, MOST) / MOST * (WIDTH - LEFT - RIGHT)
      lines[#lines + 1] = ("<rect x='%d' y='%d' width='%.1f' height='%d' fill='%s'/>"):format(LEFT, y, length, BAR - 1,
        COLOURS[name])
      lines[#lines + 1] = text(LEFT + math.tointeger(length // 1) + 4, y + BAR - 2, ("%.2f"):format(speed))
      y = y + BAR
    end
  end
  lines[#lines + 1] = text(LEFT - 8, (first + y) // 2 + 4, title, "end")
  return y + GAP
end

--- Draws it.
-- @tparam string path the file to write
-- @tparam {table,...} rows each with `title` and `seconds`, by client
function chart.draw(path, rows)
  local lines, y = {}, TOP
  legend(lines)
  for _, row in ipairs(rows) do y = group(lines, y, row.title, row.seconds) end
  files.write(path, ("<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' font-family='sans-serif' "
    .. "font-size='11'>\n<rect width='100%%' height='100%%' fill='white'/>\n%s\n</svg>\n"):format(WIDTH, y,
    table.concat(lines, "\n")))
end

return chart
