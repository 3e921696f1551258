--- `make bench`: lua-smb beside other clients, and how its cost grows. `run.lua SIZE RUNS PART...`
--
-- Server, share and local files are on this machine, in TMPDIR, which should be in memory. The parts are listed below;
-- what they found is printed, and kept in bench/results.md. All of them together take more than an hour.

local chart = require "bench.chart"
local compare = require "bench.compare"
local memory = require "bench.memory"
local report = require "bench.report"
local stage = require "bench.stage"

local UNITS = { [""] = 0, K = 10, M = 20, G = 30 }

local function to_bytes(text)
  local digits, unit = text:upper():match "^(%d+)([KMG]?)I?B?$"
  return assert(digits, "SIZE: a number of bytes, or 64M, 1G") * (1 << UNITS[unit])
end

local EXPLAINED = "The median of %d runs, fewer where a client is slow; each is a process of its own, timed as a "
  .. "whole. After ':' how many times as fast lua-smb is, in brackets what is wanted, with a star where that is "
  .. "missed. "

local parts = {}

function parts.lan(options)
  local here <close> = stage.start()
  local section = report.section("lan", "A local network: 0.5 ms, 1 Gbit/s", EXPLAINED:format(options.runs)
    .. "The proxy passes on what all connections send at 125 MB/s each way, 0.25 ms later. jobs is lua-smb with a "
    .. "job for each volume. smbclient neither replaces files as a whole nor keeps times; 'smbclient, safe' is a "
    .. "script that makes it do so. ': line' is the part of the line's own speed.")
  local _, medians = compare.run("lan", here, options, section)
  chart.draw("bench/lan.svg", medians)
  section:write "\n![How fast each client is, lua-smb being 1](lan.svg)\n"
  section:finish()
end

function parts.transfer(options)
  local here <close> = stage.start()
  local section = report.section("transfer", ("A file of %s, put and get"):format(options.size_text),
    EXPLAINED:format(options.runs) .. "On loopback, or at a round trip of so many ms. handle is lua-smb with "
    .. "dest:open, in pieces of 64 KiB, and has the last ratio; C loop is one connection of libsmbclient. rclone "
    .. "gets with --multi-thread-streams=0, which is faster over a distance than its default.")
  local ours = compare.run("transfer", here, options, section)
  section:say(("Memory of the Lua process beyond bare Lua: %.1f MiB at most."):format(memory.most(ours)))
  section:finish()
end

function parts.trees(options)
  local here <close> = stage.start()
  local section = report.section("trees", "Many small files, and the first answer", EXPLAINED:format(options.runs)
    .. "put_tree of lua-smb keeps times and is atomic; smbclient and pysmbc do neither, rclone keeps times.")
  compare.run("trees", here, options, section)
  section:finish()
end

for _, name in ipairs { "lines", "requests", "cost", "folders", "floor", "growth", "backups", "plot" } do
  parts[name] = function(options) require("bench." .. name)(options) end
end

io.stdout:setvbuf "line"
local size_text, runs_text = ...
local options = {
  size_text = size_text, size = to_bytes(size_text), runs = assert(math.tointeger(runs_text), "RUNS: a number"),
}
for _, part in ipairs { select(3, ...) } do assert(parts[part], "PARTS: no such part: " .. part)(options) end
