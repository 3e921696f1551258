--- The part "cost": where the time of a case on loopback goes: processor seconds of the server, and of all else on the machine,
-- which is the client. Nothing can be done in less time than these take on the machine's cores.

local clients = require "bench.clients"
local compare = require "bench.compare"
local files = require "spec.support.files"
local operations = require "bench.operations"
local report = require "bench.report"
local shell = require "spec.support.shell"
local stage = require "bench.stage"

local TICKS = tonumber(shell.check { "getconf", "CLK_TCK" }) -- a second
local RUNS = 3 -- of which the fastest counts: memory that is new to the machine costs more than all else
local CORES = tonumber(shell.check { "nproc" })

-- Processor seconds of the whole machine, idle ones left out.
local function all_cores()
  local user, nice, system, irq, soft = files.read("/proc/stat"):match "^cpu +(%d+) (%d+) (%d+) %d+ %d+ (%d+) (%d+)"
  return (user + nice + system + irq + soft) / TICKS
end

-- Those of a process, and of the children that it has waited for: utime, stime, cutime, cstime of proc(5).
local function of_process(pid)
  local fields = {}
  for word in files.read("/proc/" .. pid .. "/stat"):match "^.*%) (.*)$":gmatch "%S+" do fields[#fields + 1] = word end
  return (fields[12] + fields[13] + fields[14] + fields[15]) / TICKS
end

-- Those of the server: of its first process, in which those that have ended are counted.
local function of_server(srv)
  local pids = shell.check { "pgrep", "-f", "-o", "smbd.*" .. srv.conf }
  return of_process(pids:match "%d+")
end

local function run(place, case, client)
  local operation = operations[case.operation]
  operation.before(place, case)
  local here = type(operation.here) == "function" and operation.here(case) or operation.here
  local words = client[case.operation] { stage = place, port = place:port(0), there = operation.there, here = place:here(here) }
  local machine, server, began = all_cores(), of_server(place.srv), shell.now()
  local ok, output = shell.run(words)
  local seconds = shell.now() - began
  assert(ok, output)
  shell.sleep(0.3) -- the server's process for the connection ends
  server, machine = of_server(place.srv) - server, all_cores() - machine
  return seconds, server, math.max(0, machine - server)
end

local function fastest(place, case, client)
  local best
  for _ = 1, RUNS do
    local found = { run(place, case, client) }
    if not best or found[1] < best[1] then best = found end
  end
  return table.unpack(best)
end

return function(options)
  local section = report.section("cost", "Where the time goes", ("Processor seconds of the fastest of %d runs on loopback, "
    .. "%d cores, of the server and of the client (all else on the machine); bound is what both take on all cores: no client "
    .. "that asks the server for the same can be faster."):format(RUNS, CORES))
  local rows = section:table { "case", "seconds", "server", "client", "bound" }
  local place <close> = stage.start()
  for _, case in ipairs {
    { operation = "put", size = options.size }, { operation = "get", size = options.size },
    { operation = "put_tree", count = 2000, size = 8192 }, { operation = "get_tree", count = 2000, size = 8192 },
    { operation = "again", count = 20000, size = 8192 }, { operation = "list", count = 20000 },
  } do
    operations[case.operation].ready(place, case)
    for _, name in ipairs { "lua-smb", "C loop", "smbclient", "rclone" } do
      local client = clients[name]
      if client[case.operation] then
        local seconds, server, rest = fastest(place, case, client)
        rows:row { ("%s, %s"):format(compare.title(case), name), ("%.2f"):format(seconds), ("%.2f"):format(server),
          ("%.2f"):format(rest), ("%.2f"):format((server + rest) / CORES) }
      end
    end
  end
  section:finish()
end
