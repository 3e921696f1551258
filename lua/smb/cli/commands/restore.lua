--- `lua-smb restore`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local names = require "smb.backup.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local progress = require "smb.cli.progress"
local show = require "smb.show"
local snapshots = require "smb.cli.snapshots"
local trees = require "smb.cli.trees"

local restore = {}

function restore.add(parser)
  local command = flags.command(parser, "restore", "URL [SNAPSHOT] FOLDER", "Bring a snapshot back.",
    "Brings a snapshot, or a "
    .. "part of it, back into a local folder: the newest one, unless another is named. Files appear whole or not at "
    .. "all, with modes, times, links and, for root, owners. --verify sha256 compares each with the manifest before "
    .. "it gets its name. Exit status 3 when single files could not be restored.")
  command:argument("words", "the snapshot's name, if it is not the newest, and the folder"):args "1-2"
  flags.finish(command, {
    command:option("--path", "only this file or folder of the snapshot"):argname "PATH",
    trees.selection_flags(command),
    command:option("--links", "restore (the default) or skip symbolic links"):argname "WORD":choices { "restore",
      "skip" },
    command:flag("--no-owners", "leave owners alone, also as root"),
    command:flag("-n --dry-run", "change nothing; say what would be done"),
    snapshots.flags(command) }, { "Progress", snapshots.progress_flags(command) })
end

function restore.check(args)
  args.folder, args.snapshot = args.words[#args.words], #args.words > 1 and args.words[1] or "latest"
  if args.snapshot ~= "latest" and not names.time(args.snapshot) then
    outcome.wrong_use(("'%s' is no snapshot's name, such as 2026-11-30T021500Z"):format(args.snapshot))
  end
  args.globs = trees.filter(args)
end

function restore.run(dest, args)
  local meter <close> = progress.new(args)
  args.meter = meter
  local owners
  if args.no_owners then owners = false end
  local summary = outcome.try(snapshots.repo(dest):restore(args.snapshot, args.folder, snapshots.opts(args,
    { path = args.path,
    filter = args.globs, links = args.links, owners = owners, dry_run = args.dry_run, on_error = "continue" })))
  local document = {}
  for key, value in pairs(summary) do document[key] = value end
  for _, key in ipairs { "errors", "actions" } do document[key] = document[key] and json.array(document[key]) end
  json.array(document.skipped.names)
  for _, each in ipairs(not args.json and summary.actions or {}) do
    output.say(("would %-6s  %s\n"):format(each.action, show.text(each.name)))
  end
  snapshots.tell(args, summary, document)
end

return restore
