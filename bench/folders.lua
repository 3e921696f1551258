--- The part "folders": files of 1 KiB in one folder, from 1,000 to 32,000. A server that tells capitals from small
-- letters on its disk looks through the folder for each new name: what grows faster than the number is that.

local clients = require "bench.clients"
local files = require "spec.support.files"
local measure = require "bench.measure"
local report = require "bench.report"
local stage = require "bench.stage"

local COUNTS, SIZE = { 1000, 2000, 4000, 8000, 16000, 32000 }, 1024
local NAMES = { "lua-smb", "smbclient", "rclone" }
local LONG = 60 -- seconds from which on one run is enough

return function(options)
  local place <close> = stage.start()
  local section = report.section("folders", "Files in one folder", ("Seconds for a new folder of so many files of %d "
    .. "bytes, over loopback: put_tree, mput, copy. The median of %d runs, of one where the "
    .. "run before was long."):format(SIZE, options.runs))
  local rows = section:table { "files", table.unpack(NAMES) }
  local took = {}
  for _, count in ipairs(COUNTS) do
    local row, case = { ("%d"):format(count) }, { operation = "put_folder", count = count, size = SIZE }
    for _, name in ipairs(NAMES) do
      local runs = (took[name] or 0) > LONG / 4 and 1 or options.runs
      local result = measure.run(place, case, { clients[name] }, runs)[name]
      took[name] = result and result:median()
      row[#row + 1] = result and ("%.1f"):format(result:median()) or "-"
    end
    rows:row(row)
    files.remove(place:here(("folder-%d-%d"):format(count, SIZE)))
  end
  section:finish()
end
