--- `lua-smb check`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local lfs = require "lfs"
local name = require "smb.name"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"
local trees = require "smb.cli.trees"

local check = {}

function check.add(parser)
  local command = flags.command(parser, "check", "URL FOLDER", "Compare a folder with the share.", "Compares what "
    .. "the URL names with what is in a local folder, and moves nothing: after put -r URL /home, that is check "
    .. "URL/home /home. A line for each difference; exit status 1 when there is one.")
  command:argument("folder", "the local folder")
  command:argument("path", "the folder on the share; the URL's path by default"):args "?"
  flags.finish(command, { command:flag("--sha256", "compare contents, not times: all of both sides is read"),
    command:flag("--size-only", "compare sizes only"),
    command:flag("--one-way", "pass over what is on the share only"),
    command:option("--symlinks", "skip (the default) or follow local links"):argname "WORD"
      :choices { "skip", "follow" },
    command:flag("--encode-names", "names were sent with --encode-names"),
    trees.selection_flags(command),
    command:flag("-q --quiet", "say nothing when all is the same") })
end

function check.check(args)
  args.globs = trees.filter(args)
  if args.sha256 and args.size_only then outcome.wrong_use "--sha256 and --size-only exclude each other" end
  local mode, problem = lfs.attributes(args.folder, "mode")
  if not mode then outcome.stop(problem, "local_io") end
  if mode ~= "directory" then outcome.wrong_use(("'%s' is no folder"):format(args.folder)) end
end

-- What differs of a file that would be sent.
local function difference(dest, args, action, path)
  local there = dest:stat(name.join(path, action.name))
  local here = lfs.attributes(args.folder .. "/" .. action.name) or {}
  local found = { name = action.name, size_here = here.size, size_there = there and there.size }
  if not there then found.what, found.text = "missing", "only here"
  elseif there.type == "directory" then found.what, found.text = "type", "a file here, a folder there"
  elseif there.size ~= here.size then
    found.what, found.text = "size", ("differs in size: %d here, %d there"):format(here.size or 0, there.size)
  elseif args.sha256 then found.what, found.text = "contents", "differs in its contents"
  else
    found.what, found.text = "time", ("differs in time: %s here, %s there"):format(show.time(here.modification or 0),
      show.time(there.mtime))
  end
  return found
end

local function differences(dest, args, summary, path)
  local all = json.array()
  for _, action in ipairs(summary.actions) do
    if action.action == "put" then
      all[#all + 1] = difference(dest, args, action, path)
    elseif action.action == "mkdir" and action.name ~= "" then
      all[#all + 1] = { name = action.name .. "/", what = "missing", text = "only here" }
    elseif action.action == "delete" and not args.one_way then
      all[#all + 1] = { name = action.name, what = "extra", text = "only on the share" }
    end
  end
  for _, problem in ipairs(summary.errors) do
    all[#all + 1] = { name = problem.name, what = "error", text = problem.message, code = problem.code }
  end
  return all
end

function check.run(dest, args)
  local path = names.clean(args.path or "")
  local entry = outcome.try(dest:stat(path))
  if entry.type ~= "directory" and not entry.directory then
    outcome.stop(("'%s' is no folder on the share"):format(path), "not_directory")
  end
  local summary = outcome.try(dest:put_tree(args.folder, path, { dry_run = true, mirror = not args.one_way,
    force = true, changed = args.sha256 and "sha256" or args.size_only and "size" or "mtime", on_error = "continue",
    filter = args.globs, symlinks = args.symlinks, encode_names = args.encode_names }))
  local all = differences(dest, args, summary, path)
  local is_same = #all == 0
  output.answer(args, { same = is_same, unchanged = summary.unchanged, differences = all })
  for _, each in ipairs(args.json and {} or all) do
    output.say(show.text(each.name), ": ", show.text(each.text), "\n")
  end
  if is_same and not args.quiet and not args.json then
    output.say(show.count(summary.unchanged, "file"), summary.unchanged == 1 and " is" or " are", " the same\n")
  end
  if not is_same then
    error({ message = show.count(#all, "difference"), code = "mismatch", told = true, answered = true }, 0)
  end
end

return check
