--- The command `lua-smb`: what `bin/lua-smb` runs.
--
-- Exit status: 0, 1 for what fails at run time, 2 for a wrong use, 130 after Ctrl-C. Messages go to the standard error, and
-- with `--json` to the standard output as `{"error": ..., "code": ...}`.
-- @module smb.cli

local argparse = require "argparse"

local core = require "smb.core"
local credentials = require "smb.credentials"
local fold = require "smb.name".fold
local options = require "smb.options"
local show = require "smb.show"
local smb = require "smb"
local texts = require "smb.text"
local url = require "smb.url"

local cli = {}

local PIECE = 1024 * 1024 -- bytes read or written at once
local FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130

-- What ends a command: run time's failures, with the error word, or a wrong use. ------------------------------------------

local function stop(message, code, results)
  error({ message = message, code = code, results = results }, 0)
end

local function wrong_use(message)
  error({ message = message, code = "usage", status = WRONG_USE }, 0)
end

-- As assert, for what returns nil, message, code.
local function try(value, message, code)
  if value == nil then stop(message, code) end
  return value
end

-- JSON. -----------------------------------------------------------------------------------------------------------------

local function json_number(number)
  if math.type(number) == "integer" then return ("%d"):format(number) end
  if number ~= number or number == math.huge or number == -math.huge then return "null" end
  local text
  for precision = 14, 17 do
    text = ("%." .. precision .. "g"):format(number):gsub(",", ".") -- a locale's comma
    if tonumber(text) == number then break end
  end
  return text
end

-- Makes a table an array for the encoder, also when it is empty.
local ARRAY = {}
local function array(list) return setmetatable(list or {}, ARRAY) end

--- A value as JSON: tables are objects, with sorted keys, unless they hold something at 1.
-- @local
function cli.json(value)
  local kind = type(value)
  if kind == "string" then return texts.json(value) end
  if kind == "number" then return json_number(value) end
  if kind ~= "table" then return kind == "boolean" and tostring(value) or "null" end
  local parts = {}
  if value[1] ~= nil or getmetatable(value) == ARRAY then
    for i, item in ipairs(value) do parts[i] = cli.json(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, item in pairs(value) do parts[#parts + 1] = texts.json(tostring(key)) .. ":" .. cli.json(item) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Output. ---------------------------------------------------------------------------------------------------------------

local function write(stream, ...)
  local ok, problem = stream:write(...)
  if not ok then stop("writing the output: " .. tostring(problem), "local_io") end
end

local function say(...) write(io.stdout, ...) end

local function complain(text)
  io.stderr:write("lua-smb: ", texts.message(text), "\n")
end

-- A document where `--json` was given, else lines for people.
local function answer(args, document, text)
  local stream = args.json_stream or io.stdout
  if args.json then
    write(stream, cli.json(document), "\n")
  elseif text and text ~= "" then
    write(stream, text, "\n")
  end
end

-- Who logs on. ----------------------------------------------------------------------------------------------------------

local function quote(text)
  return "'" .. text:gsub("'", [['\'']]) .. "'"
end

-- sh asks, since Lua cannot turn the echo off: whatever ends it, the terminal is as it was. What was typed comes back through
-- a pipe.
local ASK = [[
exec </dev/tty 2>/dev/tty || exit
saved=$(stty -g) || exit
trap 'stty "$saved"' EXIT
trap 'exit 130' INT QUIT TERM HUP
stty -echo
printf %s "$1" >&2
IFS= read -r password
status=$?
printf '\n' >&2
[ "$status" -eq 0 ] || exit "$status"
printf %s "$password"
]]

local function has_terminal()
  local terminal <close> = io.open("/dev/tty", "r+")
  return terminal ~= nil
end

local function ask_password(fields)
  if not has_terminal() then return nil, ("there is no password for %s, and no terminal to ask at"):format(fields.username) end
  local prompt = ("Password for %s on %s: "):format(show.text(fields.username), fields.server)
  local command = ("sh -c %s sh %s"):format(quote(ASK), quote(prompt))
  local pipe <close> = assert(io.popen(command, "r"))
  local password = pipe:read "a"
  local _, how, status = pipe:close()
  if how == "signal" or status == INTERRUPTED then error("interrupted!", 0) end
  if status ~= 0 then return nil, "no password was given" end
  return password
end

local function environment()
  local username = os.getenv "AUTH_USERNAME"
  return { username = username ~= "" and username or nil, password = os.getenv "AUTH_PASSWORD" }
end

-- Fills in user and password from where they may be.
local function complete(fields)
  local ok, problem, code = credentials.complete(fields, { sources = { environment() }, ask = ask_password,
    anonymous = "--auth-username NAME; --anonymous logs on without one" })
  if not ok then stop(problem, code) end
  fields.credentials_file = nil -- it has been read
end

local function flag_name(field) return "option " .. field end

-- The URL's fields with the flags' over them.
local function fields_of(args)
  local fields, problem = url.read(args.url)
  if not fields then wrong_use(problem) end
  local flags = {}
  for _, row in ipairs(options.list) do flags[row.name] = args[flag_name(row.name)] end
  return credentials.merge(fields, flags)
end

local function check(fields)
  local checked, problem = options.check(fields)
  if not checked then wrong_use(problem) end
end

local function open(args)
  local fields = fields_of(args)
  check(fields)
  complete(fields)
  check(fields)
  local dest = try(smb.open(fields))
  for _, warning in ipairs(dest.warnings) do complain("warning: " .. warning) end
  return dest
end

-- Commands: each gets the destination and the arguments. ----------------------------------------------------------------

local commands = {}

-- Does one thing for each name, and goes on after a failure, unless the next would fail alike.
local HOPELESS = {
  timeout = true, disconnected = true, unreachable = true, host_not_found = true, auth_failed = true, no_space = true,
  share_missing = true, cancelled = true,
}

-- A transfer that did well, but for the time.
local function warn_of_time(name, result)
  if type(result) == "table" and result.mtime_kept == false then
    complain(("warning: '%s' has arrived whole, but its modification time was refused (--preserve-mtime makes that a failure)")
      :format(name))
  end
end

local function each(args, names, action)
  local results, first = array(), nil
  for _, name in ipairs(names) do
    local result, message, code = action(name)
    if result == nil then
      first = first or { message = message, code = code, told = not args.json }
      if not args.json then complain(message) end
      results[#results + 1] = { name = name, error = message, code = code }
      if HOPELESS[code] then break end
    else
      local document = { name = name }
      warn_of_time(name, result)
      for key, value in pairs(type(result) == "table" and result or {}) do document[key] = value end
      results[#results + 1] = document
      if args.verbose and not args.json then
        say(show.text(name), type(result) == "table" and ": " .. tostring(result) or "", "\n")
      end
    end
  end
  if first then error({ message = first.message, code = first.code, told = first.told, results = results }, 0) end
  answer(args, results)
end

local function connection_in_words(info)
  local words = { info.dialect or "unknown dialect", info.encryption and ("encrypted (%s)"):format(info.cipher or "?")
    or info.signing and "signed" or "neither signed nor encrypted" }
  if info.guest then words[#words + 1] = "as a guest" end
  if info.mechanism == "kerberos" then words[#words + 1] = ("as %s by Kerberos"):format(show.text(info.user)) end
  if info.round_trip then words[#words + 1] = ("%.3g ms round trip"):format(info.round_trip * 1000) end
  return table.concat(words, ", ")
end

function commands.test(dest, args)
  try(dest:test { write = args.write })
  local info = dest.info
  local place = tostring(dest):match "%((.*)%)"
  local text = ("%s: %s; listed%s"):format(place, connection_in_words(info), args.write and ", written and read back" or "")
  info.url = place
  answer(args, info, text)
end

local function list_all(dest, args)
  local found = array()
  for path, entry in dest:walk(args.path) do
    if args.json then
      entry.path = path
      found[#found + 1] = entry
    else
      say(show.line(entry, 12, path, args.human), "\n")
    end
  end
  if args.json then answer(args, found) end
end

function commands.list(dest, args)
  if args.recursive then return list_all(dest, args) end
  local entries = try(dest:list(args.path))
  if args.json then return answer(args, array(entries)) end
  local width = args.human and 10 or show.size_width(entries)
  for _, entry in ipairs(entries) do say(show.line(entry, width, nil, args.human), "\n") end
end

local function transfer_opts(args)
  return { overwrite = not args.keep, parents = args.parents, resume = args.resume, preserve_mtime = args.preserve_mtime }
end

-- To the standard output, in pieces.
local function get_stream(dest, name)
  local file <close> = try(dest:open(name, "r"))
  local bytes = 0
  while true do
    local data, problem, code = file:read(PIECE)
    if data == nil and problem then stop(problem, code) end
    if data == nil then return bytes end
    say(data)
    bytes = bytes + #data
  end
end

function commands.get(dest, args)
  if args["local"] == "-" then
    local bytes = get_stream(dest, args.name)
    args.json_stream = io.stderr
    return answer(args, { name = args.name, bytes = bytes })
  end
  local result = try(dest:get(args.name, args["local"], transfer_opts(args)))
  local document = { name = args.name }
  warn_of_time(args.name, result)
  for key, value in pairs(result) do document[key] = value end
  answer(args, document, args.verbose and ("%s: %s"):format(show.text(args.name), result) or nil)
end

-- What comes from the standard input. Of nothing at all nobody can tell whether it was meant: the command before the pipe may
-- have failed.
local function standard_input(name, allow_empty)
  local is_empty = true
  return function()
    local data, problem = io.stdin:read(PIECE)
    if data then
      is_empty = false
    elseif problem then
      return nil, ("put '%s': standard input: %s"):format(name, problem)
    elseif is_empty and not allow_empty then
      return nil, ("put '%s': nothing came from the standard input: if that is right, --allow-empty sends an empty file")
        :format(name)
    end
    return data
  end
end

-- What the commands have to say though they have done well: on success the standard error is theirs.
local function pass_on(made)
  for line in require "smb.command".said(made):gmatch "[^\r\n]+" do io.stderr:write(show.text(line), "\n") end
end

local function below(folder, name)
  if not folder or folder == "" then return name end
  return folder:gsub("/+$", "") .. "/" .. name
end

-- With --command there are no local files: the one argument is the name on the share.
local function command_name(args)
  local name = args.files[1]
  if #args.files > 1 or args.name or name == "-" then
    wrong_use "put --command needs one name on the share for what the command writes, and no local file"
  end
  if args.resume then wrong_use "--resume goes with local files: a command begins anew" end
  local made, problem = require "smb.command".new(table.unpack(args.commands))
  if not made then wrong_use("--command: " .. problem) end
  args.source = made
  return { [name] = below(args.into, name) }
end

-- The name that `put` gives a local file. "put - NAME" is short for "put - --name NAME".
local function put_names(args)
  local files = args.files
  if args.commands then return command_name(args) end
  if files[1] == "-" and #files == 2 and not args.name then
    args.name, files[2] = files[2], nil
  end
  for _, file in ipairs(files) do
    if file == "-" and (#files > 1 or not args.name) then wrong_use "put - needs a name for what comes: put - NAME" end
  end
  if args.name and #files > 1 then wrong_use "--name goes with one file" end
  if args.allow_empty and (files[1] ~= "-" or args.commands) then wrong_use "--allow-empty goes with put -" end
  local names, files_by_name = {}, {}
  for _, file in ipairs(files) do
    local name = args.name or file:match "[^/]*$"
    local key = fold(core.composed(name))
    local other = files_by_name[key]
    if other and other ~= file then
      wrong_use(("'%s' and '%s' would be one file on the share, '%s': send them one by one, with --name")
        :format(other, file, name))
    end
    files_by_name[key] = file
    names[file] = below(args.into, name)
  end
  return names
end

function commands.put(dest, args)
  each(args, args.files, function(file)
    local name = args.names[file]
    local source = args.source or file == "-" and standard_input(name, args.allow_empty)
    if not source then return dest:put(file, name, transfer_opts(args)) end
    local result, message, code = dest:write(name, source, { overwrite = not args.keep, parents = args.parents })
    if result and args.source then pass_on(args.source) end
    return result, message, code
  end)
end

function commands.delete(dest, args)
  each(args, args.names, function(name)
    if args.recursive or args.folder then
      local entry = dest:stat(name)
      if entry and entry.type == "directory" then return dest:rmdir(name, { recursive = args.recursive }) end
    end
    return dest:delete(name, { missing_ok = args.missing })
  end)
end

function commands.mkdir(dest, args)
  if #args.paths == 0 then args.paths = { "" } end
  each(args, args.paths, function(path) return dest:mkdir(path) end)
end

function commands.rename(dest, args)
  try(dest:rename(args.from, args.to, { overwrite = not args.keep }))
  answer(args, { from = args.from, to = args.to })
end

function commands.stat(dest, args)
  local entry = try(dest:stat(args.name or ""))
  answer(args, entry, show.columns(show.entry_rows(entry)))
end

function commands.quota(dest, args)
  local quota = try(dest:quota())
  answer(args, quota, tostring(quota))
end

-- The command line. -----------------------------------------------------------------------------------------------------

local ARGNAMES = { text = "TEXT", size = "SIZE", seconds = "TIME", integer = "NUMBER", rate = "RATE" }

local function option_help(row)
  local text = row.help
  if row.type == "choice" then text = ("%s: %s"):format(text, table.concat(row.choices, ", ")) end
  if row.secret then text = text .. " (other users can see it while this runs: rather be asked, or use a file)" end
  if row.default ~= nil and row.default ~= "" and row.type ~= "boolean" then
    text = ("%s (default: %s)"):format(text, row.default)
  end
  return text
end

local function add_option(parser, row)
  local spelling, target = "--" .. row.url, flag_name(row.name)
  if row.type == "boolean" then
    local off = parser:flag("--no-" .. row.url, "not: " .. row.help):target(target):action "store_false"
    off:hidden(not row.default)
    return parser:flag(spelling, row.help):target(target), off
  end
  local option = parser:option(spelling, option_help(row)):target(target):argname(ARGNAMES[row.type] or "VALUE")
  if row.type == "choice" then option:argname "WORD" end
  return option:convert(function(text) return options.check_text(row.name, text, spelling) end)
end

local function add_connection_options(parser)
  local all = {}
  for _, row in ipairs(options.list) do
    if row.url then table.move(table.pack(add_option(parser, row)), 1, 2, #all + 1, all) end
  end
  parser:group("Options of the connection, stronger than the URL's", table.unpack(all))
end

local function add_command(parser, name, usage, summary, description)
  local command = parser:command(name):summary(summary):description(description or summary)
  command:usage(("Usage: lua-smb %s [OPTION...] %s"):format(name, usage))
  command:argument("url", "where: smb://[USER@]SERVER[:PORT]/SHARE[/PATH][?OPTION=VALUE&...]")
  return command
end

-- Help shows a command's own options first, then those of the connection.
local function add_options(command, own)
  own[#own + 1] = command:flag("--json", "answer, and complain, in JSON")
  command:group("Options", table.unpack(own))
  add_connection_options(command)
end

local function transfer_flags(command)
  return command:flag("-p --parents", "make missing folders"),
    command:flag("--no-overwrite", "fail if it is there already"):target "keep",
    command:flag("--resume", "go on where an earlier run broke off; if this one does, leave what has arrived to the next"),
    command:flag("--preserve-mtime", "fail where the modification time cannot be kept"),
    command:flag("--no-preserve-mtime", "do not keep the modification time"):target "preserve_mtime":action "store_false",
    command:flag("-v --verbose", "say how much, and how fast")
end

local DESCRIPTION = [[
Puts files on SMB/CIFS shares (Windows, Samba, any NAS) and brings them back. Files appear complete or not at all.

  lua-smb test   smb://bob@nas/backup
  lua-smb put    smb://bob@nas/backup/host1 etc.tar.zst home.tar.zst
  lua-smb list   smb://bob@nas/backup/host1
  lua-smb get    smb://bob@nas/backup/host1 etc.tar.zst restored.tar.zst
  lua-smb put    smb://bob@nas/backup/host1 etc.tar --command "tar c /etc"

Names are relative to the URL's path.]]

local EPILOG = [[
The password is taken from --auth-password or the URL, from --credentials-file, from AUTH_PASSWORD in
the environment (the user from AUTH_USERNAME), or asked for. Other users of this computer can see what
flags and URLs say.

Exit status: 0; 1 when something failed; 2 when the command was used wrongly.
"lua-smb COMMAND --help" tells more.]]

local function add_version(parser)
  parser:flag("--version", "print the version"):action(function()
    io.stdout:write(smb._VERSION, "\n")
    os.exit(0, true)
  end)
end

local adders = {}

function adders.test(parser)
  local command = add_command(parser, "test", "URL", "Connect, log on and list.", "Connects, logs on and lists the folder.")
  add_options(command, { command:flag("-w --write", "write, read back and delete a small file, too") })
end

function adders.list(parser)
  local command = add_command(parser, "list", "URL [PATH]", "List a folder: size, time and name.")
  command:argument("path", "the folder; the URL's path by default"):args "?"
  add_options(command, { command:flag("-R --recursive", "all that is below it, too"),
    command:flag("-H --human", "sizes as 1.5 MiB") })
end

function adders.get(parser)
  local command = add_command(parser, "get", "URL NAME [LOCAL]", "Fetch a file.", "Fetches a file. It appears under its local "
    .. "name when it is complete.")
  command:argument("name", "the file")
  command:argument("local", "where to: a file, a folder, or - for the standard output; here by default"):args "?"
  add_options(command, { transfer_flags(command) })
end

function adders.put(parser)
  local command = add_command(parser, "put", "URL FILE...", "Send files.", "Sends files. Each appears under its name when it "
    .. "is complete; what was there before stays until then. A shell's pipe does not tell when the command before it fails: with "
    .. "--command, nothing is put into place then.")
  command:argument("files", "local files; or - NAME: what comes from the standard input, under that name; or, with --command, "
    .. "the name"):args "+"
  add_options(command, {
    command:option("--command", "send what a command for sh writes; given again, that reads what the one before it writes. None "
      .. "may fail"):argname "STRING":count "*":target "commands",
    command:flag("--allow-empty", "with -: send an empty file when nothing comes"):target "allow_empty",
    command:option("--name", "its name on the share; the local file's own by default"):argname "NAME",
    command:option("--into", "a folder on the share to put them into"):argname "FOLDER",
    transfer_flags(command) })
end

function adders.delete(parser)
  local command = add_command(parser, "delete", "URL NAME...", "Delete files.", "Deletes files.")
  command:argument("names", "the files"):args "+"
  add_options(command, { command:flag("-d --folder", "empty folders, too"),
    command:flag("-r --recursive", "folders with all that is in them, too"),
    command:flag("--missing-ok", "what is not there is no failure"):target "missing",
    command:flag("-v --verbose", "name what is deleted") })
end

function adders.mkdir(parser)
  local command = add_command(parser, "mkdir", "URL [PATH...]", "Make folders.", "Makes folders, with their parents. One that "
    .. "is there is fine.")
  command:argument("paths", "the folders; the URL's path by default"):args "*"
  add_options(command, {})
end

function adders.rename(parser)
  local command = add_command(parser, "rename", "URL FROM TO", "Rename or move.", "Renames or moves a file or folder.")
  command:argument("from", "its name")
  command:argument("to", "its new name")
  add_options(command, { command:flag("--no-overwrite", "fail if the new name is taken"):target "keep" })
end

function adders.stat(parser)
  local command = add_command(parser, "stat", "URL [NAME]", "Show what is known about a file or folder.")
  command:argument("name", "its name; the URL's path by default"):args "?"
  add_options(command, {})
end

function adders.quota(parser)
  add_options(add_command(parser, "quota", "URL", "Show how much room there is."), {})
end

local function make_parser()
  local parser = argparse("lua-smb", DESCRIPTION, EPILOG)
  parser:usage "Usage: lua-smb COMMAND [OPTION...] URL [ARGUMENT...]"
  parser:command_target "command":help_max_width(100):help_description_margin(30)
  add_version(parser)
  for _, name in ipairs { "test", "list", "get", "put", "delete", "mkdir", "rename", "stat", "quota" } do
    adders[name](parser)
  end
  return parser
end

-- argparse shows the word that it took for a command, which may be a URL with a password.
local function explained(message, words)
  if message:find "^unknown command" then
    for _, word in ipairs(words) do
      if not word:find "^%-" and (#word > 20 or word:find "[^%a-]") then
        return "the first argument must be a command, such as list, and the URL comes after it"
      end
    end
  end
  return (message:gsub("\nDid you mean (.*)%?$", " (did you mean %1?)"))
end

local function parse(words)
  local parser = make_parser()
  local ok, result = parser:pparse(words)
  if not ok then wrong_use(explained(result, words)) end
  if result.commands and #result.commands == 0 then result.commands = nil end
  if result.command == "put" then result.names = put_names(result) end
  return result
end

-- Running. --------------------------------------------------------------------------------------------------------------

local function wants_json(words)
  for _, word in ipairs(words) do
    if word == "--json" then return true end
    if word == "--" then return false end
  end
  return false
end

-- What was raised, in one shape: of ours, of dir and walk, Ctrl-C's, or a fault in this program.
local function failure_of(problem)
  if type(problem) == "table" and problem.message then return problem end
  local text = tostring(problem)
  if text:find "interrupted!$" then return { message = "interrupted", code = "cancelled", status = INTERRUPTED } end
  return { message = "internal error: " .. text, code = "failed" }
end

local function report(failure, json, stream)
  if json then
    local document = { error = texts.message(failure.message), code = failure.code, results = failure.results }
    stream:write(cli.json(document), "\n")
  elseif not failure.told then
    complain(failure.message)
    if failure.code == "usage" then io.stderr:write "lua-smb --help tells how it is used\n" end
  end
  return failure.status or FAILED
end

local function run(words, state)
  local args = parse(words)
  state.json_stream = args["local"] == "-" and io.stderr or io.stdout
  local dest <close> = open(args)
  commands[args.command](dest, args)
  try(dest:close())
  local ok, problem = io.stdout:flush()
  if not ok then stop("writing the output: " .. tostring(problem), "local_io") end
end

--- Runs the command.
-- @tparam {string,...} words its arguments
-- @treturn integer the exit status
function cli.main(words)
  local state = { json_stream = io.stdout }
  local ok, problem = pcall(run, words, state)
  if ok then return 0 end
  return report(failure_of(problem), wants_json(words), state.json_stream)
end

return cli
