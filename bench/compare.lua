--- The parts "lan", "transfer" and "trees": lua-smb beside its peers, case by case, with the ratios that are wanted.

local cases = require "bench.cases"
local clients = require "bench.clients"
local measure = require "bench.measure"
local operations = require "bench.operations"

local NAMES = {
  lan = { "lua-smb", "jobs", "smbclient", "smbclient, safe", "rclone" },
  transfer = { "lua-smb", "handle", "C loop", "smbclient", "rclone", "pysmbc" },
  trees = { "lua-smb", "smbclient", "rclone", "pysmbc" },
}
-- Who is compared with whom.
local RATIOS = {
  lan = { { "lua-smb", "smbclient" }, { "lua-smb", "smbclient, safe" }, { "lua-smb", "rclone" },
    { "lua-smb", "line" } },
  transfer = { { "lua-smb", "C loop" }, { "lua-smb", "smbclient" }, { "lua-smb", "rclone" }, { "handle", "C loop" } },
  trees = { { "lua-smb", "smbclient" }, { "lua-smb", "rclone" } },
}

local PATIENCE = 240 -- seconds of a case for a client: five runs, or three where one takes a minute

local WORDS = { again = "put_tree again", stat = "first answer", put_volumes = "put, one by one,",
  get_volumes = "get, one by one,", put_folder = "put_tree, one folder," }

local compare = {}

local function bytes(size)
  for _, unit in ipairs { { "G", 30 }, { "M", 20 }, { "K", 10 } } do
    if size >= 1 << unit[2] then return ("%g%s"):format(size / (1 << unit[2]), unit[1]) end
  end
  return ("%d"):format(size)
end

--- What a case is called.
-- @tparam table case of bench.cases
-- @treturn string
function compare.title(case)
  local words = { WORDS[case.operation] or case.operation }
  if case.count and case.size then
    words[#words + 1] = ("%d x %s"):format(case.count, bytes(case.size))
  elseif case.count or case.size then
    words[#words + 1] = case.count or bytes(case.size)
  end
  if case.changes then words[#words + 1] = ("%d changed"):format(case.changes) end
  if case.round_trip and not case.line then words[#words + 1] = ("%d ms"):format(case.round_trip) end
  return table.concat(words, " ")
end

local function number(value) return (value < 10 and "%.2f" or value < 100 and "%.1f" or "%.0f"):format(value) end

-- The median; with more detail: lowest, highest and number of runs.
local function cell(case, result)
  if not result then return "" end
  local function shown(seconds) return number(operations[case.operation].shown(case, seconds)) end
  local fastest, slowest = shown(result.seconds[1]), shown(result.seconds[#result.seconds])
  return { shown(result:median()), ("%s (%s to %s, %d)")
    :format(shown(result:median()), slowest, fastest, #result.seconds) }
end

-- Measured, and wanted in brackets; a star where that is missed.
local function ratio(case, results, client, peer, tally)
  local of_client = client == "handle" and case.handle or client == "lua-smb" and case.wanted or {}
  local wanted = of_client[peer]
  if peer == "line" and case.size and not wanted then return "" end
  if not (results[peer] and results[client]) then return wanted and ("- (%g)"):format(wanted) or "" end
  local measured = results[peer]:median() / results[client]:median()
  if not wanted then return ("%.2f"):format(measured) end
  tally.wanted = tally.wanted + 1
  tally.met = tally.met + (measured >= wanted and 1 or 0)
  return ("%s%.2f (%g)"):format(measured < wanted and "*" or "", measured, wanted)
end

-- What a line that does nothing else takes for a case's bytes.
local function line_of(case)
  local seconds = case.line and case.size * (case.count or 1) / case.line
  return case.line and { median = function() return seconds end } or nil
end

local function chosen(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = clients[name] end
  return list
end

local function run_case(part, stage, case, runs, rows, tally)
  local results = measure.run(stage, case, chosen(case.clients), runs, PATIENCE)
  results.line = line_of(case)
  local row = { compare.title(case), operations[case.operation].unit }
  for _, name in ipairs(NAMES[part]) do row[#row + 1] = cell(case, results[name]) end
  for _, pair in ipairs(RATIOS[part]) do row[#row + 1] = ratio(case, results, pair[1], pair[2], tally) end
  rows:row(row)
  return results
end

--- Runs a part.
-- @tparam string part "lan", "transfer" or "trees"
-- @param stage of bench.stage
-- @tparam table options `size` of the big file, `runs`
-- @param section of bench.report
-- @treturn table what lua-smb's results were, a list
-- @treturn table for each case its `title` and the `seconds` of each client, medians
function compare.run(part, stage, options, section)
  local header, ours, medians = { "", "unit" }, {}, {}
  for _, name in ipairs(NAMES[part]) do header[#header + 1] = name end
  for _, pair in ipairs(RATIOS[part]) do
    header[#header + 1] = (pair[1] == "handle" and "handle : %s" or "  : %s"):format(pair[2])
  end
  local rows, tally = section:table(header), { wanted = 0, met = 0 }
  for _, case in ipairs(cases(options.size)[part]) do
    local results, seconds = run_case(part, stage, case, options.runs, rows, tally), {}
    for name, result in pairs(results) do seconds[name] = result:median() end
    ours[#ours + 1], medians[#medians + 1] = results["lua-smb"], { title = compare.title(case), seconds = seconds }
  end
  section:write ""
  section:say(("Of %d wanted ratios %d are met."):format(tally.wanted, tally.met))
  return ours, medians
end

return compare
