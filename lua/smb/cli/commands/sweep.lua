--- `lua-smb sweep`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local names = require "smb.cli.names"
local options = require "smb.options"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"

local sweep = {}

function sweep.add(parser)
  local command = flags.command(parser, "sweep", "URL [PATH]", "Remove what crashed runs left behind.",
    "Removes temporary files "
    .. "that crashed runs have left, and puts back old files that such a run had moved aside.")
  command:argument("path", "the folder, with all below it; the URL's path by default"):args "?"
  flags.finish(command, {
    command:option("--older-than", "what was last changed so long ago: 30m, 24h (the default)"):argname "TIME"
      :convert(function(text) return options.check_duration("--older-than", text) end),
    command:flag("--bins", "look into recycle bins and snapshots, too") })
end

function sweep.run(dest, args)
  local swept =
    outcome.try(dest:sweep(names.clean(args.path or ""), { older_than = args.older_than, bins = args.bins }))
  local removed = json.array(table.move(swept, 1, #swept, 1, {}))
  if args.json then return output.answer(args, { removed = removed, restored = json.array(swept.restored) }) end
  for _, name in ipairs(removed) do output.say("removed   ", show.text(name), "\n") end
  for _, name in ipairs(swept.restored) do output.say("put back  ", show.text(name), "\n") end
end

return sweep
