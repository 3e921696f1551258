--- The part "floor": what libsmbclient alone does, by several processes that do nothing but call it and share the work.
-- No program that uses the library can be much faster than the best of them.

local cases = require "bench.cases"
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
        lines[#lines + 1] = ("%s %d %d %s & pids=\"$pids $!\"")
          :format(shell.quote(one), part, count, one_first and proven or "")
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

local COUNTS = { "1", "2", "4", "8", "16" }
local RIVALS = { "smbclient", "rclone" }

-- The rivals of a case. With big files rclone is far behind all others.
local function rivals(case)
  local list = {}
  for _, name in ipairs(RIVALS) do
    if case.wanted[name] and (name ~= "rclone" or case.count) then list[#list + 1] = name end
  end
  return list
end

local function chosen(case)
  local all = { clients["lua-smb"] }
  for _, text in ipairs(COUNTS) do
    local count = math.tointeger(tonumber(text))
    if count <= case.loops.most and count >= (case.loops.least or 1) then all[#all + 1] = loops(count) end
  end
  if case.loops.ours then all[#all + 1] = loops(case.loops.ours, true) end
  if bare[case.operation] then all[#all + 1] = bare end
  for _, name in ipairs(rivals(case)) do all[#all + 1] = clients[name] end
  return all
end

local function median(results, name) return results[name] and results[name]:median() end

local function fastest(results)
  local least = math.huge
  for _, count in ipairs(COUNTS) do least = math.min(least, median(results, count) or math.huge) end
  return least
end

local function seconds(value) return value and ("%.3f"):format(value) or "" end

local function add_seconds(rows, case, results)
  local row = { compare.title(case) }
  for _, names in ipairs { { "lua-smb" }, COUNTS, { ONE_FIRST, BARE }, RIVALS } do
    for _, name in ipairs(names) do row[#row + 1] = seconds(median(results, name)) end
  end
  row[#row + 1] = ("%.2f"):format(median(results, "lua-smb") / fastest(results))
  rows:row(row)
end

local function ratio(rival, value, wanted)
  return value and ("%s%.2f"):format(rival / value < wanted and "*" or "", rival / value) or ""
end

local function add_ratios(rows, case, results)
  for _, name in ipairs(rivals(case)) do
    local rival, wanted = median(results, name), case.wanted[name]
    local row = { compare.title(case), name, ("%g"):format(wanted) }
    for _, value in ipairs { median(results, "lua-smb"), fastest(results), median(results, ONE_FIRST) or false,
      median(results, BARE) or false } do
      row[#row + 1] = ratio(rival, value, wanted)
    end
    rows:row(row)
  end
end

return function(options)
  local section = report.section("floor", "What libsmbclient alone can do",
    ("Seconds, the median of %d runs, fewer where one is slow. 1 to 16 processes at once (bench/loop.c) share the "
    .. "work and do nothing but call the library: each logs on at once, big files go straight to their name and get "
    .. "no time, small ones are put atomically with their time; nothing is looked up or checked. Floor is the "
    .. "fastest of them. After 1: as many as lua-smb makes, the others logging on when one has, as lua-smb must: a "
    .. "wrong password, tried by many, would lock the account. Bare: Lua that calls smb.core, which has the library "
    .. "in a process of its own, and does nothing else of what lua-smb does."):format(options.runs))
  local header = { "case", "lua-smb" }
  table.move(COUNTS, 1, #COUNTS, #header + 1, header)
  for _, name in ipairs { ONE_FIRST, BARE, "smbclient", "rclone", "lua-smb : floor" } do header[#header + 1] = name end
  local rows, found = section:table(header), {}
  local place <close> = stage.start()
  local all = cases(options.size)
  for _, case in ipairs(table.move(all.trees, 1, #all.trees, #all.transfer + 1, all.transfer)) do
    found[case] = measure.run(place, case, chosen(case), options.runs)
    add_seconds(rows, case, found[case])
  end
  section:write ""
  section:say("How many times as fast as smbclient and rclone they all are, in these runs; with a star where that is "
    .. "less than wanted. What none of the loops reaches, nor bare Lua, no program does that is built on the library "
    .. "in this way.")
  rows = section:table { "case", "beside", "wanted", "lua-smb", "floor", ONE_FIRST, BARE }
  for _, case in ipairs(all.transfer) do add_ratios(rows, case, found[case]) end
  section:finish()
end
