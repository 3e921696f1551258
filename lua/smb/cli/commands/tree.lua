--- `lua-smb tree`.

local flags = require "smb.cli.flags"
local name = require "smb.name"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"

local tree = {}

local LINES = { utf8 = { "├── ", "└── ", "│   ", "    " }, ascii = { "|-- ", "`-- ", "|   ", "    " } }

function tree.add(parser)
  local command = flags.command(parser, "tree", "URL [PATH]", "Show a folder and all below it as a tree.")
  command:argument("path", "the folder; the URL's path by default"):args "?"
  flags.finish(command, {
    command:option("-L --level", "go down so many folders at most"):argname "NUMBER":convert(flags.count "--level"),
    command:flag("-d --folders", "show folders only"),
    command:flag("-s --size", "show sizes"),
    command:flag("-H --human", "show sizes as 1.5 MiB") })
end

local function drawing()
  local locale = os.getenv "LC_ALL" or os.getenv "LC_CTYPE" or os.getenv "LANG" or ""
  return locale:lower():find "utf%-?8" and LINES.utf8 or LINES.ascii
end

local function label(args, entry)
  local text = show.name(entry)
  if not (args.size or args.human) or entry.type ~= "file" then return text end
  return ("[%s]  %s"):format(args.human and show.size(entry.size) or ("%d"):format(entry.size), text)
end

local function count(counts, entry)
  if entry.type == "directory" then counts.folders = counts.folders + 1
  else counts.files, counts.bytes = counts.files + 1, counts.bytes + entry.size end
end

-- Shows what is below a folder; gives it as a list, for `--json`.
local function draw(dest, args, path, before, level, counts)
  local entries, shown = outcome.try(dest:list(path)), {}
  for _, entry in ipairs(entries) do
    if not name.is_temporary(entry.name) and (entry.type == "directory" or not args.folders) then
      shown[#shown + 1] = entry
    end
  end
  for i, entry in ipairs(shown) do
    local is_last = i == #shown
    count(counts, entry)
    if not args.json then output.say(before, counts.lines[is_last and 2 or 1], label(args, entry), "\n") end
    local goes_on = entry.type == "directory" and not name.is_previous(entry.name)
      and (not args.level or level < args.level)
    if goes_on then
      entry.entries =
        draw(dest, args, name.join(path, entry.name), before .. counts.lines[is_last and 4 or 3], level + 1, counts)
    end
  end
  return shown
end

function tree.run(dest, args)
  local path = names.clean(args.path or "")
  local counts = { folders = 0, files = 0, bytes = 0, lines = drawing() }
  if not args.json then output.say(show.text(path == "" and tostring(dest):match "%((.*)%)" or path), "\n") end
  local entries = draw(dest, args, path, "", 1, counts)
  if args.json then
    return output.answer(args, { path = path, folders = counts.folders, files = counts.files, bytes = counts.bytes,
      entries = require "smb.cli.json".array(entries) })
  end
  output.say(("\n%s, %s, %s\n")
    :format(show.count(counts.folders, "folder"), show.count(counts.files, "file"), show.size(counts.bytes)))
end

return tree
