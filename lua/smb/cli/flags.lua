--- The flags that several commands have: those of the connection, one for each option of a URL, and those of transfers.
-- @module smb.cli.flags

local options = require "smb.options"

local flags = {}

local ARGNAMES = { text = "TEXT", size = "SIZE", seconds = "TIME", integer = "NUMBER", rate = "RATE" }

--- The key among the parsed arguments of an option of the connection.
function flags.target(field) return "option " .. field end

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
  local spelling, target = "--" .. row.url, flags.target(row.name)
  if row.type == "boolean" then
    local off = parser:flag("--no-" .. row.url, "not: " .. row.help):target(target):action "store_false"
    off:hidden(not row.default)
    return parser:flag(spelling, row.help):target(target), off
  end
  local option = parser:option(spelling, option_help(row)):target(target):argname(ARGNAMES[row.type] or "VALUE")
  if row.type == "choice" then option:argname "WORD" end
  return option:convert(function(text) return options.check_text(row.name, text, spelling) end)
end

-- `--help` shows a command's own options, `--help-all` those of the connection as well: `shown`.
local function add_connection_options(parser, shown)
  local all = {}
  for _, row in ipairs(options.list) do
    if row.url then table.move(table.pack(add_option(parser, row)), 1, 2, #all + 1, all) end
  end
  for _, each in ipairs(all) do
    if not each._hidden then shown[#shown + 1] = each:hidden(true) end
  end
  parser:group("Options of the connection, stronger than the URL's", table.unpack(all))
end

local function print_help(command)
  io.stdout:write(command:get_help(), "\n")
  os.exit(0, true)
end

--- Reads a count, for argparse.
-- @tparam string spelling how messages call the flag
-- @treturn function
function flags.count(spelling)
  return function(text)
    if text:find "^%d+$" then return math.tointeger(tonumber(text)) end
    return nil, ("option '%s' must be a whole number"):format(spelling)
  end
end

--- Adds a command that works on a URL.
-- @param parser argparse's
-- @tparam string name with its aliases, if any: "list ls"
-- @tparam string usage its arguments
-- @tparam string summary a line for the list of commands
-- @tparam[opt=summary] string description the first lines of its help
-- @return the command's parser
function flags.command(parser, name, usage, summary, description)
  local command = parser:command(name):summary(summary):description(description or summary)
  command:usage(("Usage: lua-smb %s [OPTION...] %s"):format(name:match "%S+", usage))
  command:argument("url", "where: smb://[USER@]SERVER[:PORT]/SHARE[/PATH][?OPTION=VALUE&...]")
  return command
end

--- Ends a command's flags: its own come first in the help; then further groups, each with its title at 1; then those of
-- the connection.
function flags.finish(command, own, ...)
  local shown = {}
  command:add_help(false)
  table.insert(own,
    command:option("--trace", "add a line to a file for each request: what belongs into a report of a fault")
    :argname "FILE")
  table.insert(own, command:flag("--json", "answer, and complain, in JSON"))
  table.insert(own, command:flag("-h --help", "show this help"):action(function() print_help(command) end))
  table.insert(own,
    command:flag("--help-all", "the same, with the options of the connection: --encryption, --retries ...")
    :action(function()
      for _, each in ipairs(shown) do each:hidden(false) end
      print_help(command)
    end))
  command:group("Options", table.unpack(own))
  for _, group in ipairs { ... } do command:group(table.unpack(group)) end
  add_connection_options(command, shown)
end

--- Adds what single transfers have.
-- @return the flags, for `finish`
function flags.transfer(command)
  return command:flag("-p --parents", "make missing folders"),
    command:flag("--no-overwrite", "fail if it is there already"):target "keep",
    command:flag("--resume",
      "go on where an earlier run broke off; if this one does, leave what has arrived to the next"),
    command:flag("--preserve-mtime", "fail where the modification time cannot be kept"),
    command:flag("--no-preserve-mtime", "do not keep the modification time"):target "preserve_mtime"
      :action "store_false",
    command:flag("-v --verbose", "say how much, and how fast"),
    command:flag("-q --quiet", "say nothing of what went well, and show no progress"),
    command:flag("--progress", "show how far it is also where there is no terminal: a line every 10 s"),
    command:flag("--no-progress", "do not show how far it is"):target "progress":action "store_false"
end

--- These as options of `dest:put` and `dest:get`.
function flags.transfer_opts(args)
  return { overwrite = not args.keep, parents = args.parents, resume = args.resume,
    preserve_mtime = args.preserve_mtime, progress = args.meter and args.meter.callback,
    on_retry = args.meter and args.meter.on_retry }
end

return flags
