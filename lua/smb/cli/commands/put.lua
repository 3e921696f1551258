--- `lua-smb put`.

local core = require "smb.core"
local flags = require "smb.cli.flags"
local fold = require "smb.name".fold
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"

local put = {}

local PIECE = 1024 * 1024 -- bytes read at once

local wrong_use = outcome.wrong_use

function put.add(parser)
  local command = flags.command(parser, "put", "URL FILE...", "Send files.", "Sends files. Each appears under its name when it "
    .. "is complete; what was there before stays until then. A shell's pipe does not tell when the command before it fails: with "
    .. "--command, nothing is put into place then.")
  command:argument("files", "local files; or - NAME: what comes from the standard input, under that name; or, with --command, "
    .. "the name"):args "+"
  flags.finish(command, {
    command:option("--command", "send what a command for sh writes; given again, that reads what the one before it writes. None "
      .. "may fail"):argname "STRING":count "*":target "commands",
    command:flag("--allow-empty", "with -: send an empty file when nothing comes"):target "allow_empty",
    command:option("--name", "its name on the share; the local file's own by default"):argname "NAME",
    command:option("--into", "a folder on the share to put them into"):argname "FOLDER",
    flags.transfer(command) })
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
local function names_of(args)
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

--- Checks the arguments before anything is sent.
function put.check(args)
  if args.commands and #args.commands == 0 then args.commands = nil end
  args.names = names_of(args)
end

function put.run(dest, args)
  output.each(args, args.files, function(file)
    local name = args.names[file]
    local source = args.source or file == "-" and standard_input(name, args.allow_empty)
    if not source then return dest:put(file, name, flags.transfer_opts(args)) end
    local result, message, code = dest:write(name, source, { overwrite = not args.keep, parents = args.parents })
    if result and args.source then pass_on(args.source) end
    return result, message, code
  end)
end

return put
