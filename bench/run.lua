--- `make bench`: how fast a big file goes to a share and comes back: lua-smb beside a plain loop over libsmbclient (bench/loop.c)
-- and smbclient. "handle" is lua-smb with dest:open, in pieces of 64 KiB.
--
-- `run.lua LOOP SIZE RUNS`. Each transfer is a process of its own and timed as a whole, connecting and all; they take turns,
-- and each writes to a new file. Server, share and local files are on this machine, in TMPDIR, which should be in memory.

local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local loop, size_text, runs_text = ...
local LUA = os.getenv "LUA" or "lua5.4"
local NAME = "file"

local UNITS = { [""] = 0, K = 10, M = 20, G = 30 }
local digits, unit = size_text:upper():match "^(%d+)([KMG]?)I?B?$"
local size = assert(digits, "SIZE: a number of bytes, or 64M, 1G") * (1 << UNITS[unit])
local runs = assert(math.tointeger(runs_text), "RUNS: a number")

local function median(values)
  table.sort(values)
  local middle = (#values + 1) // 2
  return #values % 2 == 1 and values[middle] or (values[middle] + values[middle + 1]) / 2
end

-- The clients: what to run for a put or get between the file `here` and the share. The handle does the same in pieces.
local function clients(srv, credentials)
  local place = ("smb://%s:%d/backup"):format(srv.address, srv.port)
  local url = place .. "?credentials-file=" .. credentials
  return {
    { name = "lua-smb", command = function(what, here)
      return { LUA, "bench/transfer.lua", what, here, url, NAME }
    end },
    { name = "handle", command = function(what, here)
      return { LUA, "bench/transfer.lua", what == "put" and "write" or "read", here, url, NAME }
    end },
    { name = "C loop", command = function(what, here)
      return { loop, what, here, place .. "/" .. NAME, credentials }
    end },
    { name = "smbclient", command = function(what, here)
      local order = what == "put" and ("put %s %s"):format(here, NAME) or ("get %s %s"):format(NAME, here)
      return { "smbclient", "-s", "/dev/null", "-A", credentials, "-p", srv.port, "//" .. srv.address .. "/backup", "-c", order }
    end },
  }
end

-- Runs one transfer into nothing that exists yet. Gives its seconds, and what it printed.
local function measure(client, what, here, there)
  os.remove(what == "put" and there or here)
  local words = client.command(what, here)
  local began = shell.now()
  local output = shell.check(words)
  local seconds = shell.now() - began
  local got = files.size(what == "put" and there or here)
  assert(got == size, ("%s: %s moved %s bytes"):format(client.name, what, got))
  return seconds, output
end

-- One warm-up and then all runs of all clients in turn.
local function compare(all, what, here, there)
  local times, peak = {}, 0
  for run = 0, runs do
    for i = 1, #all do
      local client = all[(i + run) % #all + 1]
      local seconds, output = measure(client, what, here, there)
      if run > 0 then
        times[client.name] = times[client.name] or {}
        table.insert(times[client.name], seconds)
      end
      if client.name == "lua-smb" then peak = math.max(peak, tonumber(output)) end
    end
  end
  return times, peak
end

local function row(...)
  print(("%-6s %10s %10s %10s %10s %10s %12s %10s"):format(...))
end

local function report(what, times)
  local speed = {}
  for name, values in pairs(times) do speed[name] = size / 2 ^ 20 / median(values) end
  local function shown(name) return ("%.0f MiB/s"):format(speed[name]) end
  local function ratio(name, to) return ("%.2f"):format(speed[name] / speed[to]) end
  row(what, shown "lua-smb", shown "handle", shown "C loop", shown "smbclient", ratio("lua-smb", "C loop"),
    ratio("lua-smb", "smbclient"), ratio("handle", "C loop"))
end

-- A million lines of 80 bytes, from the disk and from the share.
local function compare_lines(srv, credentials)
  local path = srv:path("backup", "lines")
  local line = ("x"):rep(79) .. "\n"
  local file <close> = assert(io.open(path, "w"))
  for _ = 1, 1000 do assert(file:write(line:rep(1000))) end
  assert(file:flush())
  local url = ("smb://%s:%d/backup?credentials-file=%s"):format(srv.address, srv.port, credentials)
  local here, there = {}, {}
  for run = 1, runs do
    local output = shell.check { LUA, "bench/transfer.lua", "lines", path, url, "lines" }
    local disk, share = output:match "(%S+)%s+(%S+)"
    here[run], there[run] = tonumber(disk), tonumber(share)
  end
  print(("\n10^6 lines of 80 bytes by read \"l\": io %.2f s, lua-smb %.2f s, speed %.2f of io's"):format(median(here),
    median(there), median(here) / median(there)))
end

local srv <close> = server.start { log_level = "0" }
local credentials = srv.dir .. "/credentials"
shell.check { "install", "-m", "600", "/dev/null", credentials }
files.write(credentials, ("username=%s\npassword=%s\n"):format(srv.user, srv.password))

local here, back, there = srv.dir .. "/local", srv.dir .. "/back", srv:path("backup", NAME)
files.make(here, size)
local all = clients(srv, credentials)
local bare = tonumber(shell.check { LUA, "bench/transfer.lua" })

print(("%s, %d runs each (medians), one connection, %s, all in %s"):format(size_text, runs,
  shell.check({ "smbd", "--version" }):gsub("\n", ""):gsub("^Version", "Samba"), os.getenv "TMPDIR" or "/tmp"))
print(("load average before: %s (others' work spoils the figures)\n"):format(files.read("/proc/loadavg"):match "%S+"))
row("", "lua-smb", "handle", "C loop", "smbclient", ": C loop", ": smbclient", "handle : C")
local times, put_peak = compare(all, "put", here, there)
report("put", times)
local get_peak
times, get_peak = compare(all, "get", back, there)
report("get", times)
assert(files.same(here, back))
compare_lines(srv, credentials)
print(("\nMemory of the Lua process beyond bare Lua: %.1f MiB at most"):format((math.max(put_peak, get_peak) - bare) / 1024))
