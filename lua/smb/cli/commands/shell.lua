--- `lua-smb shell`: a prompt on a share.

local lfs = require "lfs"

local core = require "smb.core"
local flags = require "smb.cli.flags"
local line = require "smb.cli.line"
local name = require "smb.name"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"
local slips = require "smb.cli.slips"

local shell = {}

-- The commands of lua-smb that have a place here.
local COMMANDS = { "list", "tree", "du", "get", "put", "check", "cat", "copy", "delete", "mkdir", "rmdir", "rename",
  "stat", "quota", "sweep" }

local HELP = [[
cd [FOLDER]     go to a folder; to the first one      lcd [FOLDER]    the same, on this computer
pwd             say where that is                     lpwd, lls       say where, list, on this computer
help            this                                  exit, quit      leave (or Ctrl-D)

Besides, as on the command line, without the URL:
  ls tree du get put check cat cp rm mkdir rmdir mv stat df sweep
"get --help" and so on tell more. Names are relative to where you are; /name to the URL's path.
]]

function shell.add(parser)
  local command = flags.command(parser, "shell", "URL", "Work at a prompt on the share.", "Opens a prompt on the "
    .. "share, with cd, ls, get, put, cat, rm, mkdir, mv, lcd, df and more; Tab completes where lua-readline is "
    .. "installed.")
  flags.finish(command, {})
end

-- Names. --------------------------------------------------------------------------------------------------------------

-- A name that is typed, below the destination's path; ".." stops at its top.
local function absolute(self, text)
  local parts = {}
  for part in (text:sub(1, 1) == "/" and text or self.cwd .. "/" .. text):gmatch "[^/]+" do
    if part == ".." then parts[#parts] = nil
    elseif part ~= "." then parts[#parts + 1] = part end
  end
  local slash = text:find "/$" and #parts > 0 and "/" or ""
  return table.concat(parts, "/") .. slash
end

-- Puts where we are before all names of a command.
local function place_names(self, args)
  for _, key in ipairs { "name", "path", "from", "to", "into" } do
    local is_local = key == "to" and args.command == "get" or key == "name" and args.command == "put"
    if type(args[key]) == "string" and not is_local then args[key] = absolute(self, args[key]) end
  end
  for _, key in ipairs { "names", "paths" } do
    if args.command ~= "put" then
      for i, text in ipairs(args[key] or {}) do args[key][i] = absolute(self, text) end
    end
  end
  local here = { list = "paths", du = "paths", tree = "path", stat = "name", check = "path", sweep = "path" }
  local key = here[args.command]
  if key == "paths" and #args.paths == 0 then args.paths[1] = self.cwd end
  if key and key ~= "paths" and not args[key] then args[key] = self.cwd end
  if args.command == "put" and not args.into then args.into = self.cwd end
end

-- Commands of the prompt's own. ---------------------------------------------------------------------------------------

local own = {}

function own.cd(self, words)
  local path = absolute(self, words[2] or "/"):gsub("/$", "")
  if path ~= "" then
    local entry = outcome.try(self.dest:stat(path))
    if entry.type ~= "directory" then outcome.stop(("'%s' is no folder"):format(path), "not_directory") end
  end
  self.cwd = path
end

function own.pwd(self) output.say("/", show.text(self.cwd), "\n") end

function own.lcd(_, words)
  local ok, problem = lfs.chdir(words[2] or os.getenv "HOME" or "/")
  if not ok then outcome.stop(("lcd: %s"):format(problem), "local_io") end
end

function own.lpwd() output.say(show.text(lfs.currentdir()), "\n") end

function own.lls(_, words)
  local found, folder = {}, words[2] or "."
  local ok, problem = pcall(function()
    for each in lfs.dir(folder) do
      local is_folder = lfs.attributes(folder .. "/" .. each, "mode") == "directory"
      if each ~= "." and each ~= ".." then found[#found + 1] = show.text(each) .. (is_folder and "/" or "") end
    end
  end)
  if not ok then outcome.stop(("lls: %s"):format(problem), "local_io") end
  table.sort(found)
  for _, each in ipairs(found) do output.say(each, "\n") end
end

function own.help() output.say(HELP) end

function own.exit(self) self.is_over = true end

own.quit = own.exit
own["?"] = own.help

-- Running. ------------------------------------------------------------------------------------------------------------

-- All that may be typed first.
local function all_names(parser)
  local names = {}
  for key in pairs(own) do names[#names + 1] = key end
  for _, command in ipairs(parser._commands) do
    table.move(command._public_aliases, 1, #command._public_aliases, #names + 1, names)
  end
  table.sort(names)
  return names
end

-- A parser of the commands that work here; --help prints and comes back.
local function make_parser()
  local parser = require "argparse" "lua-smb":command_target "command":help_max_width(100):help_description_margin(30)
  for _, each in ipairs(COMMANDS) do require("smb.cli.commands." .. each).add(parser) end
  return parser
end

local IS_HELP = { ["--help"] = true, ["-h"] = true, ["--help-all"] = true }

-- The help of a command, for those who ask for it: argparse would leave with it.
local function help_of(parser, words)
  local is_asked = false
  for _, word in ipairs(words) do is_asked = is_asked or IS_HELP[word] end
  for _, command in ipairs(is_asked and parser._commands or {}) do
    for _, alias in ipairs(command._public_aliases) do
      if alias == words[1] then return command:get_help() end
    end
  end
end

local function run_command(self, words)
  local parser = make_parser()
  local help = help_of(parser, words)
  if help then return output.say(help, "\n") end
  local ok, args = parser:pparse { words[1], "smb://here/here", table.unpack(words, 2) }
  if not ok then outcome.wrong_use(slips.explained(args, self.names)) end
  local command = require("smb.cli.commands." .. args.command)
  if command.place and #args.names == 0 then outcome.wrong_use "missing argument 'name'" end
  if args.command == "put" then place_names(self, args) end
  if command.check then command.check(args) end
  if args.command ~= "put" then place_names(self, args) end
  command.run(self.dest, args)
end

local function run_line(self, text)
  local words = line.words(text)
  if not words then outcome.wrong_use "a quote is not closed" end
  if #words == 0 then return end
  if own[words[1]] then return own[words[1]](self, words) end
  run_command(self, words)
end

-- Completion. ---------------------------------------------------------------------------------------------------------

local function starting(list, beginning)
  local found = {}
  for _, each in ipairs(list) do
    if each:sub(1, #beginning) == beginning then found[#found + 1] = each end
  end
  return found
end

local function local_names(word)
  local folder, first = word:match "^(.*/)([^/]*)$"
  local found = {}
  pcall(function()
    for each in lfs.dir(folder or ".") do
      if each:sub(1, #(first or word)) == (first or word) and each ~= "." and each ~= ".." then
        local path = (folder or "") .. each
        found[#found + 1] = line.quote(path) .. (lfs.attributes(path, "mode") == "directory" and "/" or "")
      end
    end
  end)
  return found
end

local function remote_names(self, word)
  local folder, first = word:match "^(.*/)([^/]*)$"
  local found = {}
  local place = absolute(self, folder or ""):gsub("/$", "")
  for _, entry in ipairs(self.dest:list(place) or {}) do
    if entry.name:sub(1, #(first or word)) == (first or word) and not name.is_temporary(entry.name) then
      found[#found + 1] = line.quote((folder or "") .. entry.name) .. (entry.type == "directory" and "/" or "")
    end
  end
  return found
end

local LOCAL = { put = true, lcd = true, lls = true }

-- What may stand in the place of `word`, the last one of the line. With readline a word ends at spaces only.
local function complete(self, text, word)
  local command = text:match "^%s*(%S+)%s"
  if not command then return starting(self.names, word) end
  local ok, found = pcall(LOCAL[command] and function() return local_names(word) end
    or function() return remote_names(self, word) end)
  return ok and found or {}
end

--- Runs the prompt until its end.
function shell.run(dest, args)
  local self = { dest = dest, cwd = "", names = all_names(make_parser()) }
  local read, keep = line.reader(function(text, word) return complete(self, text, word) end)
  local failed = false
  local place = tostring(dest):match "%((.*)%)"
  if core.terminal(0) then output.say(show.text(place), ": help lists the commands\n") end
  core.catch_interrupts()
  while not self.is_over do
    local ok, problem = pcall(function()
      local text = read(("smb:/%s> "):format(show.text(self.cwd)))
      if text then run_line(self, text) else self.is_over = true end
    end)
    local failure = not ok and outcome.of(problem) or nil
    failed = failed or failure ~= nil
    io.stdout:flush()
    if failure and not (failure.told or failure.answered) then
      output.complain(failure.message .. slips.hint(failure.code, args))
    end
  end
  keep()
  if core.terminal(0) then output.say "\n" end
  if failed and not core.terminal(0) then error({ message = "", code = "failed", told = true, answered = true }, 0) end
end

return shell
