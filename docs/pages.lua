-- Puts into the documents what is made from other files: the figures of the bench, the help texts of the command.
--
--     lua5.4 docs/pages.lua write    writes them between their markers (make docs)
--     lua5.4 docs/pages.lua check    exit status 1 when one of them is stale (make lint)

local PAGES = {
  { path = "README.md", name = "figures", from = "<!-- figures: make docs writes this table -->\n" },
  { path = "docs/command.md", name = "command", from = "<!-- help: make docs writes this -->\n" },
}

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- The page with the text between its markers.
local function updated(page, text)
  local _, from = text:find(page.from, 1, true)
  local to = from and text:find("<!-- end of ", from, true)
  assert(to, page.path .. ": the markers are missing")
  return text:sub(1, from) .. "\n" .. require("docs.make." .. page.name).write() .. "\n" .. text:sub(to)
end

local action = ...
if action ~= "check" and action ~= "write" then error "usage: lua5.4 docs/pages.lua write|check" end
local is_stale = false
for _, page in ipairs(PAGES) do
  local text = read(page.path)
  local new = updated(page, text)
  if new ~= text and action == "write" then
    local file <close> = assert(io.open(page.path, "w"))
    assert(file:write(new))
  elseif new ~= text then
    io.stderr:write(page.path, ": not up to date (make docs)\n")
    is_stale = true
  end
end
if is_stale then os.exit(1) end
