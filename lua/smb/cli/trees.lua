--- What `put -r`, `get -r` and `check` have in common: the flags of trees, and how a tree's summary is told.
-- @module smb.cli.trees

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local options = require "smb.options"
local output = require "smb.cli.output"
local outcome = require "smb.cli.outcome"
local show = require "smb.show"

local trees = {}

local SHOWN = 10 -- names of what was left out that are told

-- Globs, and files of globs, in the order in which they are given: the last one that matches decides.
local function add_filter(args, _, glob)
  args.filter = args.filter or {}
  table.insert(args.filter, glob)
end

local function add_filter_file(args, _, path)
  add_filter(args, nil, { from = path })
end

--- Adds the flags that say which files of a tree are meant.
-- @return the flags, for `flags.finish`
function trees.selection_flags(command)
  return command:option("--filter", "which files: *.log by name, var/** by path, !*.tmp for all but these; may be "
      .. "given again, the last glob that matches decides"):argname "GLOB":count "*":action(add_filter):init(nil),
    command:option("--filter-from", "the same, a glob a line; lines that begin with # are passed over")
      :argname "FILE":count "*":action(add_filter_file):init(nil)
end

-- Reads a duration; argparse tells what is wrong with it.
local function duration(spelling)
  return function(text) return options.check_duration(spelling, text) end
end

--- Adds the flags of tree transfers.
-- @return the flags, for `flags.finish`
function trees.flags(command)
  return command:flag("--mirror", "afterwards delete, in the target, what is not in the source"),
    command:option("--keep-old", "move what is replaced or deleted there instead, under the same path: for put a "
      .. "folder on the share, for get a local one; not inside the mirrored folder"):argname "PATH",
    command:flag("--force",
      "with --mirror: also when the source is missing or empty, or more would be deleted than it has"),
    command:flag("-n --dry-run", "change nothing; say what would be done"),
    command:option("--changed",
      "what counts as changed: mtime (size and time, the default), size, missing, sha256, always")
      :argname "HOW":choices { "mtime", "size", "missing", "sha256", "always" },
    command:option("--on-error", "continue (the default) or stop after a file that fails")
      :argname "WORD":choices { "continue", "stop" }:default "continue":show_default(false),
    command:option("--symlinks", "skip (the default) or follow local links"):argname "WORD"
      :choices { "skip", "follow" },
    command:flag("--encode-names", "write characters that SMB cannot hold as look-alikes, and read them back"),
    command:flag("--bins", "with --mirror: delete in recycle bins and snapshots, too"),
    command:option("--max-delete", "with --mirror: delete nothing, and fail, if more files than this would go")
      :argname "NUMBER":convert(flags.count "--max-delete"),
    command:option("--min-age", "only files that were last changed so long ago, or longer: 30s, 10m, 24h, 7d")
      :argname "TIME":convert(duration "--min-age"),
    command:option("--max-age", "only files that were last changed no longer ago"):argname "TIME"
      :convert(duration "--max-age"),
    command:option("--files-from", "only the files and folders that a file names, one a line, below the folder")
      :argname "FILE",
    command:option("--log-file", "add a line to a file for each thing that is done"):argname "FILE",
    trees.selection_flags(command)
end

-- The globs of a file.
local function read_globs(path, into)
  local file, problem = io.open(path)
  if not file then outcome.wrong_use(("--filter-from: %s"):format(problem)) end
  for line in file:lines() do
    line = line:gsub("\r$", "")
    if line ~= "" and line:sub(1, 1) ~= "#" then into[#into + 1] = line end
  end
  file:close()
end

--- The filter that the flags make, nil for none.
function trees.filter(args)
  if not args.filter or #args.filter == 0 then return nil end
  local globs = {}
  for _, glob in ipairs(args.filter) do
    if type(glob) == "table" then read_globs(glob.from, globs) else globs[#globs + 1] = glob end
  end
  return globs
end

-- The names that a file has, one a line.
local function read_names(path)
  local file, problem = io.open(path)
  if not file then outcome.wrong_use(("--files-from: %s"):format(problem)) end
  local names = {}
  for line in file:lines() do
    line = line:gsub("\r$", "")
    if line ~= "" then names[#names + 1] = line end
  end
  file:close()
  return names
end

local ONLY_WITH_TREES = { "mirror", "force", "dry_run", "changed", "symlinks", "encode_names", "bins", "filter",
  "max_delete", "keep_old", "min_age", "max_age", "files_from", "log_file" }

--- Refuses flags that mean nothing without `-r`, and reads the files that flags name.
function trees.check(args)
  if args.recursive then
    if args.resume then outcome.wrong_use "--resume goes with single files; -r leaves alone what is there already" end
    args.globs = trees.filter(args)
    args.listed = args.files_from and read_names(args.files_from)
    return
  end
  for _, key in ipairs(ONLY_WITH_TREES) do
    local value = args[key]
    if value and not (type(value) == "table" and #value == 0) then
      outcome.wrong_use(("--%s goes with folders: add -r"):format(key:gsub("_", "-")))
    end
  end
end

-- What is called for each thing that is done: a line for -v, and one for --log-file.
local function teller(args)
  local log = args.log
  if args.log_file and not log then
    local file, problem = io.open(args.log_file, "a")
    if not file then outcome.stop(("--log-file: %s"):format(problem), "local_io") end
    file:setvbuf "line"
    args.log, log = file, file
  end
  local is_shown = args.verbose and not args.json and not args.dry_run
  if not is_shown and not log then return nil end
  return function(action, name, bytes)
    local line = ("%-6s  %s%s"):format(action, show.text(name), bytes and "  " .. show.size(bytes) or "")
    if log then output.write(log, os.date "!%Y-%m-%dT%H:%M:%SZ  ", line, "\n") end
    if is_shown then output.say(line, "\n") end
  end
end

--- The flags as options of `dest:put_tree` and `dest:get_tree`.
function trees.opts(args)
  return { filter = args.globs, files_from = args.listed, mirror = args.mirror, force = args.force,
    dry_run = args.dry_run, cautious = args.mirror or nil, keep_old = args.keep_old,
    changed = args.changed or args.keep and "missing" or nil, max_delete = args.max_delete, min_age = args.min_age,
    max_age = args.max_age, on_error = args.on_error, symlinks = args.symlinks, encode_names = args.encode_names,
    bins = args.bins, preserve_mtime = args.preserve_mtime, each = teller(args),
    progress = args.meter and args.meter.callback, on_retry = args.meter and args.meter.on_retry }
end

-- What was left out, though nothing excludes it.
local function warn_of_skipped(label, skipped)
  if not skipped or skipped.count == 0 then return end
  local told = {}
  for i = 1, math.min(#skipped.names, SHOWN) do
    told[i] = ("'%s' (%s)"):format(skipped.names[i].name, skipped.names[i].reason)
  end
  local more = skipped.count > #told and (" and %d more"):format(skipped.count - #told) or ""
  output.complain(("warning: '%s': left out, neither file nor folder: %s%s")
    :format(label, table.concat(told, ", "), more))
end

local function say_actions(actions)
  for _, each in ipairs(actions) do
    local size = each.bytes and ("  %s"):format(show.size(each.bytes)) or ""
    output.say(("would %-6s  %s%s\n"):format(each.action, show.text(each.name), size))
  end
end

--- Tells how a tree's transfer went. Failures of single files are complained of, and what is returned is a failure.
-- @tparam table args of the command
-- @tparam string label what was moved
-- @param ... what put_tree or get_tree returned
-- @treturn[1] table a document for `--json`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
-- @treturn[2] table the document, if there is one
function trees.told(args, label, summary, message, code)
  if not summary then return nil, message, code end
  local document = {}
  for key, value in pairs(summary) do document[key] = value end
  for _, key in ipairs { "errors", "actions" } do document[key] = document[key] and json.array(document[key]) end
  if document.skipped then json.array(document.skipped.names) end
  if not args.json then
    if summary.actions then say_actions(summary.actions) end
    for _, problem in ipairs(summary.errors) do output.complain(problem.message) end
    warn_of_skipped(label, summary.skipped)
    if summary.times_refused > 0 then
      output.complain(
        ("warning: '%s': the modification times of %d files were refused (--preserve-mtime makes that a failure)")
        :format(label, summary.times_refused))
    end
    if not args.quiet then
      output.say(("%s: %s\n"):format(show.text(label), tostring(summary)))
    end
  end
  local first = summary.errors[1]
  if first then return nil, first.message, first.code, document end
  return document
end

return trees
