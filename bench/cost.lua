--- The part "cost": where the time of a case goes: processor seconds of the server, of the network's proxy, and of all
-- else on the machine, which is the client. Nothing can be done in less time than these take on the machine's cores.

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

local function oldest(pattern) return shell.check({ "pgrep", "-f", "-o", pattern }):match "%d+" end

-- Those of the server: of its first process, in which those that have ended are counted. And those of the proxy.
local function of_others(srv)
  return of_process(oldest("smbd.*" .. srv.conf)), of_process(oldest(("faultproxy.* %d$"):format(srv.port)))
end

local function run(place, case, client)
  local operation = operations[case.operation]
  operation.before(place, case)
  local here = type(operation.here) == "function" and operation.here(case) or operation.here
  local words = client[case.operation] { stage = place, port = place:port(case), there = operation.there,
    here = place:here(here), connections = case.connections, case = case }
  local server, network = of_others(place.srv)
  local machine, began = all_cores(), shell.now()
  local ok, output = shell.run(words)
  local seconds = shell.now() - began
  assert(ok, output)
  shell.sleep(0.3) -- the server's process for the connection ends
  local server_after, network_after = of_others(place.srv)
  server, network = server_after - server, network_after - network
  return seconds, server, network, math.max(0, all_cores() - machine - server - network)
end

local function fastest(place, case, client)
  local best
  for _ = 1, RUNS do
    local found = { run(place, case, client) }
    if not best or found[1] < best[1] then best = found end
  end
  return table.unpack(best)
end

local function cases(size)
  return {
    { operation = "put", size = size }, { operation = "get", size = size },
    { operation = "put", size = size, round_trip = 10 }, { operation = "get", size = size, round_trip = 10 },
    { operation = "put", size = size, round_trip = 50 }, { operation = "get", size = size, round_trip = 50 },
    { operation = "put_tree", count = 2000, size = 8192 }, { operation = "get_tree", count = 2000, size = 8192 },
    { operation = "put_tree", count = 500, size = 8192, round_trip = 10, connections = 16 },
    { operation = "again", count = 20000, size = 8192 }, { operation = "list", count = 20000 }, { operation = "stat" },
  }
end

local function is_quick(case, name) return not case.round_trip or name == "lua-smb" or name == "smbclient" end

return function(options)
  local section = report.section("cost", "Where the time goes", ("Processor seconds of the fastest of %d runs, on %d "
    .. "cores: of the server, of the proxy that stands for the network, and of the client (all else on the machine). "
    .. "Bound is what they take on all cores: no client that asks the server for the same can be faster.")
    :format(RUNS, CORES))
  local rows = section:table { "case", "seconds", "server", "network", "client", "bound" }
  local place <close> = stage.start()
  for _, case in ipairs(cases(options.size)) do
    operations[case.operation].ready(place, case)
    for _, name in ipairs { "lua-smb", "C loop", "smbclient", "rclone" } do
      local client = clients[name]
      if client[case.operation] and is_quick(case, name) then
        local found = { fastest(place, case, client) }
        found[5] = (found[2] + found[3] + found[4]) / CORES
        local row = { ("%s, %s"):format(compare.title(case), name) }
        for i, value in ipairs(found) do row[i + 1] = ("%.2f"):format(value) end
        rows:row(row)
      end
    end
  end
  section:finish()
end
