--- `lua-smb list`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local logon = require "smb.cli.logon"
local name = require "smb.name"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"

local list = {}

function list.add(parser)
  local command = flags.command(parser, "list ls", "URL [PATH...]", "List a folder: size, time and name.",
    "Lists folders: size, time and name. Names may be globs: '*.tar'.")
  command:argument("paths", "the folders or files; the URL's path by default"):args "*"
  flags.finish(command, { command:flag("-R --recursive", "all that is below them, too"),
    command:flag("-H --human", "sizes as 1.5 MiB") })
end

-- What is below a folder as it comes; `top` is put before its paths.
local function walk(dest, args, path, top, found)
  for below, entry in dest:walk(path) do
    entry.path = name.join(top, below)
    if args.json then found[#found + 1] = entry else output.say(show.line(entry, 12, entry.path, args.human), "\n") end
  end
end

local function say_entries(args, entries)
  local width = args.human and 10 or show.size_width(entries)
  for _, entry in ipairs(entries) do output.say(show.line(entry, width, entry.path, args.human), "\n") end
end

-- A folder's entries, or the file itself.
local function entries_of(dest, path)
  local entries, message, code = dest:list(path)
  if entries or code ~= "not_directory" then return entries, message, code end
  local entry = dest:stat(path)
  if not entry or entry.type == "directory" then return nil, message, code end
  if path == "" then entry.name = name.base(dest.path) else entry.path = path end
  return { entry }
end

local function list_one(dest, args)
  local path = names.clean(args.paths[1] or "")
  if args.recursive then
    local found = json.array()
    walk(dest, args, path, "", found)
    if args.json then output.answer(args, found) end
    return
  end
  local entries = outcome.try(entries_of(dest, path))
  if args.json then return output.answer(args, json.array(entries)) end
  say_entries(args, entries)
end

-- Of several, and of what a glob matches, each is shown with its path.
local function list_some(dest, args)
  local found = json.array()
  for _, item in ipairs(names.expand(dest, args.paths)) do
    if item.message then outcome.stop(item.message, item.code) end
    local entry = item.entry or outcome.try(dest:stat(item.name))
    entry.path = item.name
    found[#found + 1] = entry
    if (entry.type == "directory" or not item.entry and entry.directory) and (args.recursive or not item.entry) then
      if args.recursive then
        walk(dest, { json = true }, item.name, item.name, found)
      else
        for _, each in ipairs(outcome.try(dest:list(item.name))) do
          each.path = name.join(item.name, each.name)
          found[#found + 1] = each
        end
      end
    end
  end
  if args.json then return output.answer(args, found) end
  say_entries(args, found)
end

--- Of a server without a share these are its shares.
function list.alone(args)
  if not logon.is_server(args) then return false end
  if #args.paths > 0 then outcome.wrong_use "the URL has no share: smb://SERVER/SHARE" end
  return require "smb.cli.commands.shares".alone(args)
end

function list.run(dest, args)
  if #args.paths > 1 or names.is_glob(args.paths[1] or "") then return list_some(dest, args) end
  return list_one(dest, args)
end

return list
