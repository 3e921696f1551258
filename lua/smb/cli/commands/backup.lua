--- `lua-smb backup`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local progress = require "smb.cli.progress"
local snapshots = require "smb.cli.snapshots"
local trees = require "smb.cli.trees"

local backup = {}

local ROOM = "the first snapshot is there. Each further one takes the room of all files again, unless the server's "
  .. "disk shares the blocks of copies (Btrfs, XFS, ZFS, ReFS); prune removes old ones, and put -r --mirror "
  .. "--keep-old keeps one copy, and what it replaces"

function backup.add(parser)
  local command = flags.command(parser, "backup", "URL FOLDER...", "Make a snapshot of folders.",
    "Makes a snapshot: a folder "
    .. "2026-11-30T021500Z in the URL's, whole or not at all, and a manifest beside it. Of one folder its contents "
    .. "are meant; several stand under their whole paths. What has not changed since the last snapshot is copied on "
    .. "the server where that is quicker. Exit status 3 when the snapshot is there, but single files could not be "
    .. "read or named.")
  command:argument("folders", "local folders"):args "+"
  flags.finish(command, {
    command:option("--exclude",
      "leave out: *.log by name, var/cache/** by path, .git/ folders only; may be given again")
      :argname "GLOB":count "*",
    command:option("--exclude-from", "the same, a glob a line; lines that begin with # are passed over")
      :argname "FILE":count "*",
    command:option("--exclude-if-present",
      "of folders that hold a file of this name keep nothing but that"):argname "NAME"
      :count "*",
    command:flag("--include-caches", "back up folders with a CACHEDIR.TAG, too"),
    command:flag("-x --one-file-system", "leave out what is mounted below the folders"),
    snapshots.flags(command) }, { "Progress", snapshots.progress_flags(command) })
end

function backup.check(args)
  local given = {}
  for _, glob in ipairs(args.exclude) do given[#given + 1] = glob end
  for _, path in ipairs(args.exclude_from) do given[#given + 1] = { from = path } end
  args.globs = trees.filter { filter = given }
end

local function document_of(snap)
  local document = {}
  for key, value in pairs(snap) do document[key] = value end
  for _, key in ipairs { "errors", "warnings" } do document[key] = json.array(document[key]) end
  json.array(document.skipped.names)
  return document
end

function backup.run(dest, args)
  local meter <close> = progress.new(args)
  args.meter = meter
  local repo = snapshots.repo(dest)
  local sources = #args.folders == 1 and args.folders[1] or args.folders
  local snap = outcome.try(repo:snapshot(sources, snapshots.opts(args, { exclude = args.globs,
    exclude_if_present = #args.exclude_if_present > 0 and args.exclude_if_present or nil,
    exclude_caches = not args.include_caches, one_file_system = args.one_file_system })))
  if snap.is_first and not args.json and not args.quiet then output.complain(ROOM) end
  snapshots.tell(args, snap, document_of(snap))
end

return backup
