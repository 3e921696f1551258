--- What `backup`, `snapshots`, `restore`, `verify`, `prune` and `unlock` have in common.
-- @module smb.cli.snapshots

local output = require "smb.cli.output"
local show = require "smb.show"
local smb = require "smb"

local snapshots = { INCOMPLETE = 3 } -- exit status: done, but for single files

--- The repository that the URL names.
function snapshots.repo(dest) return smb.backup(dest) end

--- Adds flags of what comes before and after, and of how much is said.
-- @return the flags, for `flags.finish`
function snapshots.flags(command)
  return command:option("--before", "a command for sh that has to do well before"):argname "COMMAND",
    command:option("--after", "a command for sh afterwards, whatever came of it"):argname "COMMAND",
    command:option("--log", "add lines to this file: what began, what failed, what came of it"):argname "FILE",
    command:flag("-q --quiet", "say nothing of what went well, and show no progress")
end

--- Adds flags of progress.
-- @return the flags, for `flags.finish`
function snapshots.progress_flags(command)
  return command:flag("--progress", "show how far it is also where there is no terminal: a line every 10 s"),
    command:flag("--no-progress", "do not show how far it is"):target "progress":action "store_false"
end

--- The options that these flags make.
-- @tparam table args
-- @tparam table opts others
-- @treturn table the same, with them
function snapshots.opts(args, opts)
  opts.before, opts.after, opts.log = args.before, args.after, args.log
  opts.progress = args.meter and args.meter.callback
  return opts
end

--- Tells what came of it: a document, or lines. Failures of single files end with status 3.
-- @tparam table args
-- @tparam table result
-- @tparam table document
function snapshots.tell(args, result, document)
  local errors, warnings = result.errors or {}, result.warnings or {}
  if not args.json then
    for _, problem in ipairs(errors) do output.complain(problem.message) end
    for _, warning in ipairs(warnings) do output.complain("warning: " .. warning) end
  end
  output.answer(args, document, not args.quiet and tostring(result) or nil)
  if #errors == 0 then return end
  error({ message = "", code = errors[1].code, status = snapshots.INCOMPLETE, answered = true }, 0)
end

--- A snapshot in a line: its name, files and bytes.
function snapshots.line(each)
  if not each.complete then return each.name .. "  broken off" end
  return ("%s  %8d %-5s  %10s"):format(each.name, each.files, each.files == 1 and "file" or "files",
    show.size(each.bytes))
end

return snapshots
