--- `lua-smb verify`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local names = require "smb.backup.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local progress = require "smb.cli.progress"
local snapshots = require "smb.cli.snapshots"

local verify = {}

function verify.add(parser)
  local command = flags.command(parser, "verify", "URL [SNAPSHOT]", "Compare a snapshot with its manifest.",
    "Compares a "
    .. "snapshot with its manifest, the newest one, unless another is named: whether all files are there, with their "
    .. "sizes and times, and nothing else. A line for each difference; exit status 1 when there is one.")
  command:argument("snapshot", "its name; the newest by default"):args "?"
  flags.finish(command, {
    command:flag("--data", "read all files and compare their contents"),
    command:option("--source", "compare with this local folder, too; given again when the snapshot is of several")
      :argname "FOLDER":count "*",
    snapshots.flags(command) }, { "Progress", snapshots.progress_flags(command) })
end

function verify.check(args)
  args.snapshot = args.snapshot or "latest"
  if args.snapshot ~= "latest" and not names.time(args.snapshot) then
    outcome.wrong_use(("'%s' is no snapshot's name, such as 2026-11-30T021500Z"):format(args.snapshot))
  end
end

function verify.run(dest, args)
  local meter <close> = progress.new(args)
  args.meter = meter
  local source = #args.source == 1 and args.source[1] or #args.source > 1 and args.source or nil
  local report = outcome.try(snapshots.repo(dest):verify(args.snapshot, snapshots.opts(args, { data = args.data,
    source = source })))
  json.array(report.differences)
  for _, warning in ipairs(not args.json and report.warnings or {}) do output.complain("warning: " .. warning) end
  output.answer(args, report, not (args.quiet and report.ok) and tostring(report) or nil)
  if not report.ok then error({ message = "", code = "mismatch", answered = true }, 0) end
end

return verify
