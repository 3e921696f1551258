--- `lua-smb get`.

local core = require "smb.core"
local flags = require "smb.cli.flags"
local lfs = require "lfs"
local logon = require "smb.cli.logon"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local progress = require "smb.cli.progress"
local show = require "smb.show"
local trees = require "smb.cli.trees"
local base = require "smb.name".base

local get = {}

function get.add(parser)
  local command = flags.command(parser, "get", "URL NAME [LOCAL]", "Fetch files and folders.", "Fetches files, and "
    .. "with -r folders. Each file appears under its local name when it is complete. Names may be globs: '*.tar'. As "
    .. "with rsync, the folder etc becomes LOCAL/etc, and of etc/, with the slash, the contents become LOCAL's.")
  command:usage("Usage: lua-smb get [OPTION...] URL NAME [LOCAL]\n"
    .. "       lua-smb get [OPTION...] URL --to FOLDER NAME...")
  command:argument("names",
    "what to fetch; and where to: a file, a folder, or - for the standard output; here by default")
    :args "*"
  local own = { command:option("--to", "a local folder to put all of them into; it is made if it is missing")
    :argname "FOLDER",
    command:flag("-r --recursive", "folders with all that is in them, too"), flags.transfer(command) }
  flags.finish(command, own, { "Options of folders, with -r", trees.flags(command) })
end

--- Where no name is given, the URL names the file.
function get.place(args, fields)
  if #args.names > 0 then return end
  local folder, own = (fields.path or ""):match "^(.-)/?([^/]+)$"
  if not own then
    outcome.wrong_use(("missing argument 'name': %s URL NAME, or the URL of a file"):format(args.command))
  end
  fields.path, args.names[1] = folder, own
end

--- Takes the arguments apart: names, and where to.
function get.check(args)
  trees.check(args)
  args["local"] = args.to
  if not args.to and #args.names == 2 then args["local"] = table.remove(args.names) end
  if not args.to and #args.names > 1 then
    outcome.wrong_use "several names need a folder to go to: get URL --to FOLDER NAME..."
  end
  if args.to == "-" then outcome.wrong_use "--to needs a folder: cat writes several files to the standard output" end
end

-- Makes a local folder with those above it.
local function make_folder(path)
  for to in path:gmatch "[^/]+()" do lfs.mkdir(path:sub(1, to - 1)) end
  if lfs.attributes(path, "mode") ~= "directory" then
    outcome.stop(("'%s' is no folder, and cannot be made one"):format(path), "local_io")
  end
end

local function get_tree(dest, args, item, folder)
  local own = base(item.name)
  if not item.contents and own ~= "" then folder = folder:gsub("/+$", "") .. "/" .. own end
  return trees.told(args, item.name == "" and folder or item.name, dest:get_tree(item.name, folder, trees.opts(args)))
end

local function is_folder(dest, item)
  item.entry = item.entry or dest:stat(item.name)
  return item.entry and (item.entry.type == "directory" or item.entry.directory)
end

local function get_one(dest, args, item)
  if item.message then return nil, item.message, item.code end
  if args.recursive and is_folder(dest, item) then return get_tree(dest, args, item, args["local"] or ".") end
  local result, message, code = dest:get(item.name, args["local"], flags.transfer_opts(args))
  local may_be_folder = code == "is_directory" or code == "local_io"
  if may_be_folder and is_folder(dest, item) then message = message .. " (-r fetches folders)" end
  return result, message, code
end

-- "get URL LOCAL", where the URL is that of a file.
local IS_ELSEWHERE = { not_found = true, folder_missing = true, not_directory = true }

local function get_by_url(dest, args, code)
  if args["local"] or args.to or not IS_ELSEWHERE[code] or dest.path == "" then return end
  local entry = dest:stat ""
  if not entry or entry.type ~= "file" then return end
  args["local"], args.names = args.names[1], {}
  local other <close> = logon.open(args, get.place)
  return get_one(other, args, { name = args.names[1] })
end

-- Where several files go.
local function make_target(args, items)
  if args.to then return make_folder(args.to) end
  if #items > 1 and args["local"] and lfs.attributes(args["local"], "mode") ~= "directory" then
    outcome.stop(("%d names match, and '%s' is no folder: --to makes one"):format(#items, args["local"]), "local_io")
  end
end

function get.run(dest, args)
  local is_shown = args["local"] == "-" and core.terminal(1) -- the file itself, on a terminal
  local meter <close> = not is_shown and progress.new(args) or nil
  args.meter = meter
  if args["local"] == "-" then
    local bytes = require "smb.cli.commands.cat".stream(dest, args.names[1], meter)
    if meter then meter:finish() end
    args.json_stream = io.stderr
    return output.answer(args, { name = args.names[1], bytes = bytes })
  end
  local items = names.expand(dest, args.names)
  make_target(args, items)
  if #items > 1 or args.to or args.recursive or names.is_glob(args.names[1]) then
    return output.each(args, items, function(item) return get_one(dest, args, item) end,
      function(item) return item.name end)
  end
  local result, message, code = get_one(dest, args, items[1])
  if not result then result = get_by_url(dest, args, code) end
  outcome.try(result, message, code)
  if meter then meter:finish() end
  local name = args.names[1]
  local document = { name = name }
  output.warn_of_time(name, result)
  for key, value in pairs(result) do document[key] = value end
  output.answer(args, document, args.verbose and ("%s: %s"):format(show.text(name), result) or nil)
end

return get
