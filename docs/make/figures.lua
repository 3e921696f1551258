--- The README's figures, from bench/results.md.
-- @module docs.make.figures

local figures = {}

local CLIENTS = { "lua-smb", "smbclient", "rclone", "pysmbc" }
local ROWS = { -- as results.md calls them, and for readers
  { "put 1G", "send one file of 1 GiB" },
  { "put 1G 50 ms", "send one file of 1 GiB, 50 ms" },
  { "get 1G 50 ms", "fetch one file of 1 GiB, 50 ms" },
  { "put_tree 2000 x 8K", "send 2,000 files of 8 KiB" },
  { "put_tree 500 x 8K 10 ms", "send 500 files of 8 KiB, 10 ms" },
  { "get_tree 2000 x 8K", "fetch 2,000 files of 8 KiB" },
}

local function cells(line)
  local found = {}
  for cell in line:gmatch "|([^|]*)" do found[#found + 1] = cell:match "^%s*(.-)%s*$" end
  return found
end

-- The rows of the parts that compare clients, by their names: unit and medians by client.
local function read_results(path)
  local rows, header = {}, nil
  for line in io.lines(path) do
    if line:find "^<!%-%- " then header = line:find "transfer" and {} or line:find "trees" and {} or nil end
    local row = header and line:find "^|" and cells(line)
    if row and row[2] == "unit" then
      for i, client in ipairs(row) do header[client] = header[client] or i end
    elseif row and header.unit and not row[1]:find "^%-" and not rows[row[1]] then
      local found = { unit = row[header.unit] }
      for _, client in ipairs(CLIENTS) do found[client] = (row[header[client] or 0] or ""):match "^[%d.]+" end
      rows[row[1]] = found
    end
  end
  return rows
end

--- The table as Markdown.
-- @treturn string
function figures.write()
  local rows = read_results "bench/results.md"
  local lines = { "| | unit | " .. table.concat(CLIENTS, " | ") .. " |", "|---|---|" .. ("--:|"):rep(#CLIENTS) }
  for _, each in ipairs(ROWS) do
    local row = assert(rows[each[1]], "bench/results.md has no row '" .. each[1] .. "'")
    local line = { each[2], row.unit }
    for _, client in ipairs(CLIENTS) do line[#line + 1] = row[client] or "" end
    lines[#lines + 1] = "| " .. table.concat(line, " | ") .. " |"
  end
  return table.concat(lines, "\n") .. "\n"
end

return figures
