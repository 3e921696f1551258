--- The README's figures, from bench/results.md.
-- @module docs.make.figures

local figures = {}

local CLIENTS = { "lua-smb", "smbclient", "rclone" }
local ROWS = { -- the part, the row as results.md calls it, and for readers
  { "lan", "put_tree 2000 x 8K", "send 2,000 files of 8 KiB" },
  { "lan", "get_tree 2000 x 8K", "fetch 2,000 files of 8 KiB" },
  { "lan", "put, one by one, 12 x 50M", "send 12 files of 50 MiB, one by one" },
  { "trees", "put_tree 500 x 8K 10 ms", "send 500 files of 8 KiB, 10 ms" },
  { "transfer", "put 1G 50 ms", "send one file of 1 GiB, 50 ms" },
  { "transfer", "get 1G 50 ms", "fetch one file of 1 GiB, 50 ms" },
}

local function cells(line)
  local found = {}
  for cell in line:gmatch "|([^|]*)" do found[#found + 1] = cell:match "^%s*(.-)%s*$" end
  return found
end

-- The rows of all parts, by the part's and the row's name: unit and medians by client.
local function read_results(path)
  local rows, header, part = {}, nil, nil
  for line in io.lines(path) do
    if line:find "^<!%-%- " then header, part = {}, line:match "%a+" end
    local row = header and line:find "^|" and cells(line)
    if row and row[2] == "unit" then
      for i, client in ipairs(row) do header[client] = header[client] or i end
    elseif row and header.unit and not row[1]:find "^%-" then
      local found = { unit = row[header.unit] }
      for _, client in ipairs(CLIENTS) do found[client] = (row[header[client] or 0] or ""):match "^[%d.]+" end
      rows[part .. " " .. row[1]] = found
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
    local row = assert(rows[each[1] .. " " .. each[2]], "bench/results.md has no row '" .. each[2] .. "'")
    local line = { each[3], row.unit }
    for _, client in ipairs(CLIENTS) do line[#line + 1] = row[client] or "" end
    lines[#lines + 1] = "| " .. table.concat(line, " | ") .. " |"
  end
  return table.concat(lines, "\n") .. "\n"
end

return figures
