--- `lua-smb snapshots`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local options = require "smb.options"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"
local shared = require "smb.cli.snapshots"

local snapshots = {}

function snapshots.add(parser)
  local command = flags.command(parser, "snapshots", "URL", "List snapshots.", "Lists snapshots, the newest last.")
  flags.finish(command, {
    command:option("--max-age", "exit status 1 when the newest whole one is older: 26h, 2d"):argname "TIME"
      :convert(function(text) return options.check_duration("--max-age", text) end) })
end

-- The newest one that is whole.
local function newest(list)
  for i = #list, 1, -1 do
    if list[i].complete then return list[i] end
  end
end

local function check_age(args, list)
  if not args.max_age then return end
  local last = newest(list)
  if not last then outcome.stop("there is no whole snapshot", "not_found", list) end
  if os.time() - last.time > args.max_age then
    outcome.stop(("the newest whole snapshot is of %s"):format(show.time(last.time)), "failed", list)
  end
end

function snapshots.run(dest, args)
  local list = json.array(outcome.try(shared.repo(dest):list()))
  if not args.json then
    for _, each in ipairs(list) do output.say(shared.line(each), "\n") end
  end
  check_age(args, list)
  if args.json then output.answer(args, list) end
end

return snapshots
