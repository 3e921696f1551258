--- The part "growth": how cost grows with the number of files, their size and the number of connections. What a file or
-- a byte costs is told for each size, so that whatever is steeper than linear is seen. Files grow to four times SIZE.

local clients = require "bench.clients"
local files = require "spec.support.files"
local measure = require "bench.measure"
local memory = require "bench.memory"
local report = require "bench.report"
local stage = require "bench.stage"

local COUNTS = { 100, 1000, 10000, 100000 }
local SIZES = { 1 << 10, 1 << 14, 1 << 18, 1 << 22, 1 << 26, 1 << 30, 1 << 32 }
local CONNECTIONS = { 1, 2, 4, 8, 16 }
local DISTANCE = 10 -- ms, where the number of connections is varied

-- Measures lua-smb and adds two cells: seconds, and what one of so many costs. Gives the result, or nil where it
-- cannot.
local function measured(row, place, runs, case, count, unit)
  local result = measure.run(place, case, { clients["lua-smb"] }, runs)["lua-smb"]
  row[#row + 1] = result and ("%.3f"):format(result:median()) or "not there yet"
  row[#row + 1] = result and ("%.3f"):format(result:median() / count * unit) or ""
  return result
end

local function count_files(place, runs, section)
  local rows = section:table { "files of 1 KiB", "put_tree s", "ms a file", "again s", "ms a file", "list s",
    "ms a file", "put_tree MiB", "list MiB" }
  for _, count in ipairs(COUNTS) do
    local row, results = { ("%d"):format(count) }, {}
    for _, operation in ipairs { "put_tree", "again", "list" } do
      local case = { operation = operation, count = count, size = 1024 }
      results[operation] = measured(row, place, runs, case, count, 1000)
    end
    row[#row + 1] = ("%.1f"):format(memory.most { results.put_tree, results.again })
    row[#row + 1] = ("%.1f"):format(memory.most { results.list })
    rows:row(row)
    files.remove(place:here(("tree-%d-1024"):format(count)))
  end
end

local function grow_file(place, options, section)
  local rows = section:table { "bytes", "put s", "ns a byte", "get s", "ns a byte" }
  for _, size in ipairs(SIZES) do
    if size > 4 * options.size then break end
    local row = { ("%d"):format(size) }
    for _, operation in ipairs { "put", "get" } do
      measured(row, place, options.runs, { operation = operation, size = size }, size, 1e9)
    end
    rows:row(row)
  end
end

local function add_connections(place, options, section)
  local rows = section:table { ("connections, at %d ms"):format(DISTANCE), "put s", "ns a byte", "get s", "ns a byte",
    "500 files s", "ms a file" }
  for _, connections in ipairs(CONNECTIONS) do
    local row = { ("%d"):format(connections) }
    for _, operation in ipairs { "put", "get" } do
      measured(row, place, options.runs, { operation = operation, size = options.size, round_trip = DISTANCE,
        connections = connections }, options.size, 1e9)
    end
    measured(row, place, options.runs, { operation = "put_tree", count = 500, size = 8192, round_trip = DISTANCE,
      connections = connections }, 500, 1000)
    rows:row(row)
  end
end

return function(options)
  local place <close> = stage.start()
  local section = report.section("growth", "How cost grows", ("lua-smb; the median of %d runs, fewer where they are "
    .. "long. Trees have 100 files a folder; what is listed is one folder. Starting and connecting is in all "
    .. "figures. MiB: the most memory of the Lua process beyond bare Lua; put_tree's is the higher one of both "
    .. "runs."):format(options.runs))
  count_files(place, options.runs, section)
  grow_file(place, options, section)
  add_connections(place, options, section)
  section:finish()
end
