-- Writes what is made from comments, tables and figures that stand elsewhere:
--
--     lua5.4 docs/make.lua write    writes the files (make docs)
--     lua5.4 docs/make.lua check    exit status 1 when one of them is stale (make lint)

local comments = require "docs.make.comments"

-- Parts of pages, between a line `<!-- NAME: ... -->` and the next `<!-- end of ... -->`.
local PARTS = {
  { path = "README.md", name = "figures", from = "<!-- figures: make docs writes this table -->\n" },
  { path = "docs/command.md", name = "command", from = "<!-- help: make docs writes this -->\n" },
  { path = "docs/failures.md", name = "statuses", from = "<!-- statuses: make docs writes this table -->\n" },
  { path = "docs/guide.md", name = "options", from = "<!-- options: make docs writes this table -->\n" },
}

local function read(path)
  local file <close> = io.open(path)
  return file and file:read "a"
end

-- The page with the text between its markers.
local function updated(part)
  local text = assert(read(part.path))
  local _, from = text:find(part.from, 1, true)
  local to = from and text:find("<!-- end of ", from, true)
  assert(to, part.path .. ": the markers are missing")
  return text:sub(1, from) .. "\n" .. require("docs.make." .. part.name).write() .. "\n" .. text:sub(to)
end

local function completion(shell)
  require "smb.cli".parser()
  return require "smb.cli.commands.completion".text(shell)
end

local function all_pages()
  local model = comments.read()
  local pages = {
    { "lua/smb/topics.lua", require "docs.make.topics".write(model) },
    { "lua/smb/types.lua", require "docs.make.luals".write(model) },
    { "docs/lua-smb.1", require "docs.make.man".write() },
    { "completions/lua-smb.bash", completion "bash" },
    { "completions/_lua-smb", completion "zsh" },
    { "completions/lua-smb.fish", completion "fish" },
    { "docs/reference.md", require "docs.make.markdown".write(model) },
  }
  for _, part in ipairs(PARTS) do pages[#pages + 1] = { part.path, updated(part) } end
  return pages
end

local action = ...
if action ~= "check" and action ~= "write" then error "usage: lua5.4 docs/make.lua write|check" end
local stale = {}
for _, page in ipairs(all_pages()) do
  local path, text = page[1], page[2]
  if read(path) ~= text then stale[#stale + 1] = path end
  if action == "write" then
    local file <close> = assert(io.open(path, "w"))
    assert(file:write(text))
  end
end
if action == "check" and #stale > 0 then
  io.stderr:write(table.concat(stale, ", "), ": not up to date (make docs)\n")
  os.exit(1)
end
