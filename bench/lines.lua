--- The part "lines": a million lines of 80 bytes, read one by one from the disk and from the share.

local files = require "spec.support.files"
local report = require "bench.report"
local shell = require "spec.support.shell"
local stage = require "bench.stage"

local LUA = os.getenv "LUA" or "lua5.4"

local function median(values)
  table.sort(values)
  return values[(#values + 1) // 2]
end

return function(options)
  local place <close> = stage.start()
  local path = files.write(place:there "lines", (("x"):rep(79) .. "\n"):rep(1000000))
  local url = ("smb://%s:%d/backup?credentials-file=%s"):format(place.srv.address, place.srv.port, place.credentials)
  local here, there = {}, {}
  for run = 1, options.runs do
    local output = shell.check { LUA, "bench/transfer.lua", "lines", path, url, "lines" }
    local disk, share = output:match "(%S+)%s+(%S+)"
    here[run], there[run] = tonumber(disk), tonumber(share)
  end
  local disk, share = median(here), median(there)
  local section = report.section("lines", "Reading by lines", ('10^6 lines of 80 bytes by read "l": io %.2f s, '
    .. 'lua-smb %.2f s, '
    .. "speed %.2f of io's."):format(disk, share, disk / share))
  section:finish()
end
