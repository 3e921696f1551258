--- The help texts of docs/command.md: what `lua-smb --help` prints.
-- @module docs.make.command

local command = {}

local CONNECTION = "Options of the connection, stronger than the URL's:\n"

local function help_of(words)
  local pipe <close> = assert(io.popen(("%s bin/lua-smb %s"):format(os.getenv "LUA" or "lua5.4", words)))
  local text = pipe:read "a"
  assert(pipe:close(), "bin/lua-smb failed")
  return text
end

local function section(title, text)
  return ("## %s\n\n```\n%s\n```\n"):format(title, (text:gsub("%s+$", "")))
end

--- The texts as Markdown: one of each command, and once, at the end, the options that all commands have.
-- @treturn string
function command.write()
  local overview = help_of "--help"
  local sections = { section("lua-smb", overview) }
  for name in overview:match "\nCommands:\n(.-)\n\n":gmatch "   (%l+)[ ,][^\n]*" do
    sections[#sections + 1] = section("lua-smb " .. name, help_of(name .. " --help"))
  end
  local all = help_of "list --help-all"
  local _, from = all:find(CONNECTION, 1, true)
  assert(from, "the options of the connection are missing")
  sections[#sections + 1] = section("Options of the connection", all:sub(from + 1))
  return table.concat(sections, "\n")
end

return command
