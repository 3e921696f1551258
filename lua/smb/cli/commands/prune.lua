--- `lua-smb prune`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local retention = require "smb.retention"
local snapshots = require "smb.cli.snapshots"

local prune = {}

local PERIODS = { "last", "hourly", "daily", "weekly", "monthly", "yearly" }
local MEANING = { last = "so many of the newest", hourly = "the newest of so many hours",
  daily = "the newest of so many days",
  weekly = "the newest of so many ISO weeks", monthly = "the newest of so many months",
    yearly = "the newest of so many years" }

function prune.add(parser)
  local command = flags.command(parser, "prune", "URL --keep-daily 14 ...", "Delete old snapshots.",
    "Deletes the snapshots "
    .. "that no rule keeps, and what was broken off more than a day ago. The rules are those of restic forget; the "
    .. "newest whole snapshot always stays. Without any rule nothing is deleted.")
  local own = {}
  for i, period in ipairs(PERIODS) do
    own[i] = command:option("--keep-" .. period, MEANING[period]):argname "NUMBER":convert(function(text)
      return math.tointeger(tonumber(text)), ("--keep-%s must be a whole number"):format(period)
    end)
  end
  own[#own + 1] = command:option("--keep-within",
    "all that are no older than that, counted from the newest: 30d, 1y2m7d3h, "
    .. "with m for months"):argname "TIME"
  own[#own + 1] = command:flag("--utc", "hours and days are those of UTC, not of the local time zone")
  own[#own + 1] = command:flag("-n --dry-run", "delete nothing; say what would be deleted")
  table.move({ snapshots.flags(command) }, 1, 4, #own + 1, own)
  flags.finish(command, own)
end

function prune.check(args)
  args.rules = { keep_within = args.keep_within, utc = args.utc }
  for _, period in ipairs(PERIODS) do args.rules["keep_" .. period] = args["keep_" .. period] end
  local ok, problem = pcall(retention.plan, {}, args.rules)
  if not ok then outcome.wrong_use((tostring(problem):gsub("^.*smb%.retention: ", ""))) end
end

function prune.run(dest, args)
  args.rules.dry_run = args.dry_run
  local plan = outcome.try(snapshots.repo(dest):prune(snapshots.opts(args, args.rules)))
  json.array(plan.keep)
  json.array(plan.delete)
  for _, each in ipairs(plan.delete) do json.array(each.reasons) end
  for _, warning in ipairs(not args.json and plan.warnings or {}) do output.complain("warning: " .. warning) end
  output.answer(args, plan, not args.quiet and tostring(plan) or nil)
end

return prune
