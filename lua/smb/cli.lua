--- The command `lua-smb`: what `bin/lua-smb` runs. Each of its commands is a file in `lua/smb/cli/commands/`.
--
-- Exit status: 0, 1 for what fails at run time, 2 for a wrong use, 130 after Ctrl-C. Messages go to the standard error,
-- and with `--json` to the standard output as `{"error": ..., "code": ...}`.
-- @module smb.cli

local argparse = require "argparse"

local core = require "smb.core"
local json = require "smb.cli.json"
local logon = require "smb.cli.logon"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"
local slips = require "smb.cli.slips"
local smb = require "smb"
local texts = require "smb.text"

local cli = {}

--- The commands, in the order of the help.
-- @local
cli.commands = { "test", "list", "tree", "du", "get", "put", "check", "cat", "copy", "delete", "mkdir", "rmdir",
  "rename", "stat", "quota", "sweep", "shares", "backup", "snapshots", "restore", "verify", "prune", "unlock",
  "diagnose", "configure", "shell", "completion", "names" }

--- A value as JSON.
-- @local
cli.json = json.encode

-- The command line. ---------------------------------------------------------------------------------------------------

local DESCRIPTION = [[
Puts files on SMB/CIFS shares (Windows, Samba, any NAS) and brings them back. Files appear complete or not at all.

  lua-smb test   smb://bob@nas/backup
  lua-smb put    smb://bob@nas/backup/host1 etc.tar.zst home.tar.zst
  lua-smb list   smb://bob@nas/backup/host1
  lua-smb get    smb://bob@nas/backup/host1 etc.tar.zst restored.tar.zst
  lua-smb put    smb://bob@nas/backup/host1 etc.tar --command "tar c /etc"

Names are relative to the URL's path.]]

local EPILOG = [[
The password is taken from --auth-password or the URL, from --credentials-file, from AUTH_PASSWORD
in the environment (the user from AUTH_USERNAME), or asked for. Other users of this computer can
see what flags and URLs say.

Exit status: 0; 1 when something failed; 2 when the command was used wrongly.
"lua-smb COMMAND --help" tells more.]]

local function command_of(name) return require("smb.cli.commands." .. name) end

-- What a report of a fault begins with: versions, and where both halves lie.
local function versions()
  local worker <close> = io.popen(("'%s' --version 2>/dev/null"):format(core.program:gsub("'", [['\'']])))
  local library = worker and worker:read "l" or "unknown"
  local module = package.searchpath("smb.core", package.cpath) or "unknown"
  return show.columns { { "libsmbclient", library }, { "Lua", _VERSION:match "[%d.]+" },
    { "module", core.realpath(module) }, { "worker", core.program } }
end

local function add_version(parser)
  parser:flag("--version", "print versions, and where the module lies"):action(function()
    local commit = require "smb.version".commit
    io.stdout:write(smb._VERSION, commit and (" (commit %s)"):format(commit) or "", "\n", versions(), "\n")
    os.exit(0, true)
  end)
end

--- The command line's parser.
-- @local
function cli.parser()
  local parser = argparse("lua-smb", DESCRIPTION, EPILOG)
  parser:usage "Usage: lua-smb COMMAND [OPTION...] URL [ARGUMENT...]"
  parser:command_target "command":help_max_width(100):help_description_margin(30)
  add_version(parser)
  for _, name in ipairs(cli.commands) do command_of(name).add(parser) end
  return parser
end

-- All names of commands, aliases included.
local function all_names(parser)
  local names = {}
  for _, command in ipairs(parser._commands) do
    table.move(command._public_aliases, 1, #command._public_aliases, #names + 1, names)
  end
  return names
end

local SHORT_HELP = [[
lua-smb puts files on SMB/CIFS shares and brings them back.

  lua-smb test   smb://bob@nas/backup               connect, log on and list
  lua-smb put    smb://bob@nas/backup FILE...       send files, with -r folders
  lua-smb get    smb://bob@nas/backup NAME [LOCAL]  fetch a file, with -r a folder
  lua-smb list   smb://bob@nas/backup               list a folder
  lua-smb --help                                    all commands
]]

local function parse(words)
  if #words == 0 then error({ message = SHORT_HELP, code = "usage", status = outcome.WRONG_USE, is_help = true }, 0) end
  local parser = cli.parser()
  local ok, args = parser:pparse(words)
  if not ok then outcome.wrong_use(slips.explained(args, all_names(parser))) end
  local command = command_of(args.command)
  if command.check then command.check(args) end
  return args, command
end

-- Running. ------------------------------------------------------------------------------------------------------------

local function wants_json(words)
  for _, word in ipairs(words) do
    if word == "--json" then return true end
    if word == "--" then return false end
  end
  return false
end

local function report(failure, wants, stream)
  if failure.answered then
    return failure.status or outcome.FAILED -- all is said
  elseif failure.is_help then
    io.stderr:write(failure.message)
  elseif wants then
    local document = { error = texts.message(failure.message), code = failure.code, results = failure.results }
    stream:write(json.encode(document), "\n")
  elseif not failure.told then
    output.complain(failure.message)
    if failure.code == "usage" then io.stderr:write "lua-smb --help tells how it is used\n" end
  end
  return failure.status or outcome.FAILED
end

local function run(words, state)
  local args, command = parse(words)
  state.args = args
  state.json_stream = args["local"] == "-" and io.stderr or io.stdout
  if command.alone and command.alone(args) then return output.flush() end
  local dest <close> = logon.open(args, command.place)
  command.run(dest, args)
  outcome.try(dest:close())
  output.flush()
end

--- Runs the command.
-- @tparam {string,...} words its arguments
-- @treturn integer the exit status
function cli.main(words)
  local state = { json_stream = io.stdout }
  local ok, problem = pcall(run, words, state)
  if ok then return 0 end
  local failure = outcome.of(problem)
  if state.args and failure.code ~= "usage" and not failure.is_hinted then
    failure.message = failure.message .. slips.hint(failure.code, state.args)
  end
  return report(failure, wants_json(words), state.json_stream)
end

return cli
