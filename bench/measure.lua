--- Times clients against each other. Each run is a process of its own, timed as a whole, connecting and all; the
-- clients take turns, and each first warms up.

local operations = require "bench.operations"
local shell = require "spec.support.shell"

local measure = {}

local PATIENCE = 30 -- seconds of a case after which a client gets no further run

--- Seconds, runs and what was printed, of one client in one case.
local Result = {}
Result.__index = Result

--- The middle one of the runs' seconds.
function Result:median()
  local values, middle = self.seconds, (#self.seconds + 1) // 2
  return #values % 2 == 1 and values[middle] or (values[middle] + values[middle + 1]) / 2
end

local function value_of(option, case, ...)
  if type(option) == "function" then return option(case, ...) end
  return option
end

local function run(stage, case, client)
  local operation = operations[case.operation]
  operation.before(stage, case)
  local there = operation.there
  local command = client[case.operation] { stage = stage, port = stage:port(case), there = there,
    here = stage:here(value_of(operation.here, case)), connections = case.connections, case = case }
  stage:await_rest()
  local began = shell.now()
  local ok, output = shell.run(command)
  local seconds = shell.now() - began
  if not ok then error(("%s, %s: %s"):format(client.name, case.operation, output), 0) end
  operation.check(stage, case, client, output)
  return seconds, output
end

local function add(result, seconds, output)
  table.insert(result.seconds, seconds)
  table.sort(result.seconds)
  table.insert(result.outputs, output)
end

-- The first run warms up and does not count, unless the client is so slow that there are few.
local function first_run(stage, case, client, patience)
  local seconds, output = run(stage, case, client)
  local result = setmetatable({ seconds = {}, outputs = {}, spent = seconds }, Result)
  if seconds > patience / 4 then add(result, seconds, output) end
  return result
end

local function next_run(stage, case, client, result, patience)
  if #result.seconds > 0 and result.spent + result:median() > patience then return end
  local seconds, output = run(stage, case, client)
  result.spent = result.spent + seconds
  add(result, seconds, output)
end

--- Runs a case.
-- @param stage of bench.stage
-- @tparam table case `operation`, `size` or `count` or both, `round_trip` in milliseconds, `connections` when
-- prescribed
-- @tparam table clients a list of bench.clients
-- @tparam integer runs of each client; fewer when it is slow
-- @tparam[opt=30] number patience seconds after which it gets no further run
-- @treturn table results by the client's name: `seconds` (a sorted list), `median()`, `outputs`
function measure.run(stage, case, clients, runs, patience)
  local results = {}
  patience = patience or PATIENCE
  operations[case.operation].ready(stage, case)
  for _, client in ipairs(clients) do results[client.name] = first_run(stage, case, client, patience) end
  for turn = 1, runs do
    for i = 1, #clients do
      local client = clients[(i + turn) % #clients + 1]
      next_run(stage, case, client, results[client.name], patience)
    end
  end
  return results
end

return measure
