--- The part "floor": what libsmbclient alone does, by several processes that do nothing but call it and share the work. No
-- program that uses the library can be much faster than the best of them.

local clients = require "bench.clients"
local compare = require "bench.compare"
local measure = require "bench.measure"
local report = require "bench.report"
local shell = require "spec.support.shell"
local stage = require "bench.stage"

local ONE_FIRST, BARE = "after 1", "bare"

-- A client: so many loops at once. With `one_first` all but one log on when that one has.
local function loops(count, one_first)
  local client = { name = one_first and ONE_FIRST or ("%d"):format(count), keeps_mtime = true }
  for _, what in ipairs { "put", "get", "put_tree", "get_tree", "again", "list", "stat" } do
    client[what] = function(job)
      local one = clients["C loop"][what](job)
      local proven = shell.quote(job.stage:here "proven")
      local lines = { "rm -f " .. proven }
      for part = 0, count - 1 do
        lines[#lines + 1] = ("%s %d %d %s & pids=\"$pids $!\""):format(shell.quote(one), part, count, one_first and proven or "")
      end
      return table.concat(lines, "\n") .. "\nfor pid in $pids; do wait $pid || exit 1; done"
    end
  end
  return client
end

-- Lua and workers, but nothing else of lua-smb.
local bare = { name = BARE }
for _, what in ipairs { "stat", "list", "again" } do
  bare[what] = function(job)
    return { os.getenv "LUA" or "lua5.4", "bench/bare.lua", what, job.stage.srv.address, job.port, "backup", job.there,
      job.stage.credentials, job.here }
  end
end

local COUNTS = { 1, 2, 4, 8, 16 }

-- `ours`: connections of lua-smb; `least` and `most`: loops.
local function cases(size)
  local KiB = 1024
  return {
    { operation = "put", size = size, ours = 2, most = 4 }, { operation = "get", size = size, ours = 2, most = 4 },
    { operation = "put", size = size, round_trip = 10, ours = 4, most = 8 },
    { operation = "get", size = size, round_trip = 10, ours = 4, most = 8 },
    { operation = "put", size = size, round_trip = 50, ours = 8, most = 16 },
    { operation = "get", size = size, round_trip = 50, ours = 8, most = 16 },
    { operation = "put_tree", count = 2000, size = 8 * KiB, ours = 2, most = 4 },
    { operation = "put_tree", count = 500, size = 8 * KiB, round_trip = 10, connections = 16, ours = 16, least = 16,
      most = 16 },
    { operation = "get_tree", count = 2000, size = 8 * KiB, ours = 2, most = 4 },
    { operation = "again", count = 20000, size = 8 * KiB, ours = 2, most = 4 },
    { operation = "list", count = 20000, most = 1 }, { operation = "stat", most = 1 },
  }
end

local function run_case(place, case, runs)
  local all = { clients["lua-smb"] }
  for _, count in ipairs(COUNTS) do
    if count <= case.most and count >= (case.least or 1) then all[#all + 1] = loops(count) end
  end
  if case.ours then all[#all + 1] = loops(case.ours, true) end
  if bare[case.operation] then all[#all + 1] = bare end
  local results = measure.run(place, case, all, runs)
  local ours, floor = results["lua-smb"]:median(), math.huge
  local row = { compare.title(case), ("%.3f"):format(ours) }
  for _, count in ipairs(COUNTS) do
    local result = results[("%d"):format(count)]
    row[#row + 1] = result and ("%.3f"):format(result:median()) or ""
    if result then floor = math.min(floor, result:median()) end
  end
  for _, name in ipairs { ONE_FIRST, BARE } do
    local result = results[name]
    row[#row + 1] = result and ("%.3f"):format(result:median()) or ""
  end
  row[#row + 1] = ("%.2f"):format(ours / floor)
  return row
end

return function(options)
  local section = report.section("floor", "What libsmbclient alone can do",
    ("Seconds, the median of %d runs, fewer where one is slow. 1 to 16 processes at once (bench/loop.c) share the work and do "
    .. "nothing but call the library: each logs on at once, big files go straight to their name and get no time, small ones are "
    .. "put atomically with their time; nothing is looked up or checked. Floor is the fastest of them. After 1: as many as "
    .. "lua-smb makes, the others logging on when one has, as lua-smb must: a wrong password, tried by many, would lock the "
    .. "account. Bare: Lua that calls smb.core, which has the library in a process of its own, and does nothing else of what "
    .. "lua-smb does."):format(options.runs))
  local header = { "case", "lua-smb" }
  for _, count in ipairs(COUNTS) do header[#header + 1] = ("%d"):format(count) end
  header[#header + 1] = ONE_FIRST
  header[#header + 1] = BARE
  header[#header + 1] = "lua-smb : floor"
  local rows = section:table(header)
  local place <close> = stage.start()
  for _, case in ipairs(cases(options.size)) do rows:row(run_case(place, case, options.runs)) end
  section:finish()
end
