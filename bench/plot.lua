--- The part "plot": throughput over the round-trip time, as a table and as bench/throughput.svg, drawn by gnuplot.

local clients = require "bench.clients"
local files = require "spec.support.files"
local measure = require "bench.measure"
local operations = require "bench.operations"
local report = require "bench.report"
local shell = require "spec.support.shell"
local stage = require "bench.stage"

local ROUND_TRIPS = { 0, 2, 5, 10, 20, 50 }
local NAMES = { "lua-smb", "C loop", "smbclient", "rclone", "pysmbc" }
local PICTURE = "bench/throughput.svg"

local function all()
  local list = {}
  for i, name in ipairs(NAMES) do list[i] = clients[name] end
  return list
end

-- MiB/s by round trip and client.
local function speeds(place, operation, options, section)
  local rows, table_of = section:table { operation .. ", round trip in ms", table.unpack(NAMES) }, {}
  for i, round_trip in ipairs(ROUND_TRIPS) do
    local case = { operation = operation, size = options.size, round_trip = round_trip }
    local results, row, line = measure.run(place, case, all(), options.runs), { ("%d"):format(round_trip) },
      { round_trip }
    for _, name in ipairs(NAMES) do
      line[#line + 1] = operations[operation].shown(case, results[name]:median())
      row[#row + 1] = ("%.0f"):format(line[#line])
    end
    rows:row(row)
    table_of[i] = table.concat(line, " ")
  end
  return table.concat(table_of, "\n")
end

local function panel(lines, operation, data)
  lines[#lines + 1] = ("$%s << END\n%s\nEND\nset title '%s'"):format(operation, data, operation)
  local curves = {}
  for i, name in ipairs(NAMES) do
    curves[i] = ("$%s using 1:%d with linespoints linewidth %d pointtype 7 pointsize 0.5 title '%s'"):format(operation,
      i + 1, name == "lua-smb" and 3 or 1, name)
  end
  lines[#lines + 1] = "plot " .. table.concat(curves, ", ")
end

local function draw(place, put, get, size_text)
  local lines = {
    "set terminal svg size 1000,420 font 'sans,12' background 'white'", ("set output '%s'"):format(PICTURE),
    ("set multiplot layout 1,2 title 'A file of %s'"):format(size_text), "set grid", "set key top right",
    "set xlabel 'round trip (ms)'", "set ylabel 'MiB/s'", "set logscale y", "set xrange [0:52]",
  }
  panel(lines, "put", put)
  panel(lines, "get", get)
  shell.check { "gnuplot", files.write(place:here "plot", table.concat(lines, "\n") .. "\n") }
end

return function(options)
  local place <close> = stage.start()
  local section = report.section("plot", "Throughput over the round-trip time", ("A file of %s; MiB/s, the median of "
    .. "%d runs, fewer where a client is slow."):format(options.size_text, options.runs))
  local put = speeds(place, "put", options, section)
  draw(place, put, speeds(place, "get", options, section), options.size_text)
  section:write "\n![Throughput over the round-trip time](throughput.svg)\n"
  section:finish()
end
