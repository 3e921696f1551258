--- `lua-smb put`.

local core = require "smb.core"
local flags = require "smb.cli.flags"
local fold = require "smb.name".fold
local lfs = require "lfs"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local progress = require "smb.cli.progress"
local show = require "smb.show"
local trees = require "smb.cli.trees"

local put = {}

local PIECE = 1024 * 1024 -- bytes read at once

local wrong_use = outcome.wrong_use

function put.add(parser)
  local command = flags.command(parser, "put", "URL FILE...", "Send files and folders.", "Sends files, and with -r "
    .. "folders. Each file appears under its name when it is complete; what was there before stays until then. As "
    .. "with rsync, the folder etc becomes etc on the share, and of etc/, with the slash, only the contents are "
    .. "sent. A shell's pipe does not tell when the command before it fails: with --command, nothing is put into "
    .. "place then.")
  command:argument("files", "local files and folders; or - NAME: what comes from the standard input, under that "
    .. "name; or, with --command, the name"):args "+"
  local own = { command:flag("-r --recursive", "folders with all that is in them, too"),
    command:option("--into", "a folder on the share to put them into"):argname "FOLDER",
    command:option("--name", "its name on the share; the local file's own by default"):argname "NAME",
    command:option("--command", "send what a command for sh writes; given again, that reads what the one before it "
      .. "writes. None may fail"):argname "STRING":count "*":target "commands",
    command:flag("--allow-empty", "with -: send an empty file when nothing comes"):target "allow_empty",
    flags.transfer(command) }
  flags.finish(command, own, { "Options of folders, with -r", trees.flags(command) })
end

-- What comes from the standard input. Of nothing at all nobody can tell whether it was meant: the command before the
-- pipe may have failed.
local function standard_input(name, allow_empty)
  local is_empty = true
  return function()
    local data, problem = io.stdin:read(PIECE)
    if data then
      is_empty = false
    elseif problem then
      return nil, ("put '%s': standard input: %s"):format(name, problem)
    elseif is_empty and not allow_empty then
      return nil,
        ("put '%s': nothing came from the standard input: if that is right, --allow-empty sends an empty file")
        :format(name)
    end
    return data
  end
end

-- What the commands have to say though they have done well: on success the standard error is theirs.
local function pass_on(made)
  for line in require "smb.command".said(made):gmatch "[^\r\n]+" do io.stderr:write(show.text(line), "\n") end
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
  return { [name] = names.below(args.into, name) }
end

-- Of a folder's contents, and of ".", what a name of their own would be is nobody's.
local function own_name(args, file)
  if args.name then return args.name end
  local last = file:match "([^/]*)$"
  if last == "." or last == ".." then return "" end
  return last
end

local function refuse_folder(file)
  if lfs.attributes(file, "mode") == "directory" then
    wrong_use(("'%s' is a folder: put -r sends folders"):format(file))
  end
end

-- One mirror must not delete what another source has sent.
local function check_mirrors(args, targets)
  if not args.mirror or #args.files == 1 then return end
  for i, file in ipairs(args.files) do
    for j, other in ipairs(args.files) do
      local target, inner = targets[file], targets[other]
      if i ~= j and (target == inner or target == "" or inner:sub(1, #target + 1) == target .. "/") then
        wrong_use(("--mirror of '%s' would delete what comes from '%s': send them one by one"):format(file, other))
      end
    end
  end
end

local function check_stream(args)
  local files = args.files
  if files[1] == "-" and #files == 2 and not args.name then
    args.name, files[2] = files[2], nil
  end
  for _, file in ipairs(files) do
    if file == "-" and (#files > 1 or not args.name) then wrong_use "put - needs a name for what comes: put - NAME" end
  end
  if args.name and #files > 1 then wrong_use "--name goes with one file" end
  if args.allow_empty and (files[1] ~= "-" or args.commands) then wrong_use "--allow-empty goes with put -" end
end

-- The names that `put` gives local files. "put - NAME" is short for "put - --name NAME".
local function names_of(args)
  if args.commands then return command_name(args) end
  check_stream(args)
  local targets, files_by_name = {}, {}
  for _, file in ipairs(args.files) do
    if not args.recursive then refuse_folder(file) end
    local name = own_name(args, file)
    local key = fold(core.composed(name))
    local other = files_by_name[key]
    if other and other ~= file and name ~= "" then
      wrong_use(("'%s' and '%s' would be one file on the share, '%s': send them one by one, with --name")
        :format(other, file, name))
    end
    files_by_name[key] = file
    targets[file] = names.below(args.into, name)
  end
  check_mirrors(args, targets)
  return targets
end

--- Checks the arguments before anything is sent.
function put.check(args)
  if args.commands and #args.commands == 0 then args.commands = nil end
  trees.check(args)
  args.names = names_of(args)
end

local function put_one(dest, args, file)
  local name = args.names[file]
  local source = args.source or file == "-" and standard_input(name, args.allow_empty)
  if not source and args.recursive and lfs.attributes(file, "mode") == "directory" then
    return trees.told(args, file, dest:put_tree(file, name, trees.opts(args)))
  end
  if not source and args.dry_run then
    output.say(("would put     %s\n"):format(show.text(name)))
    return true
  end
  if not source then return dest:put(file, name, flags.transfer_opts(args)) end
  local result, message, code = dest:write(name, source, { overwrite = not args.keep, parents = args.parents,
    progress = args.meter and args.meter.callback })
  if result and args.source then pass_on(args.source) end
  return result, message, code
end

function put.run(dest, args)
  local meter <close> = progress.new(args)
  args.meter = meter
  output.each(args, args.files, function(file) return put_one(dest, args, file) end)
end

return put
