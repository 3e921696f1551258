--- The part "backups": snapshots beside put_tree and beside restic, over a local network.

local files = require "spec.support.files"
local processes = require "spec.support.processes"
local report = require "bench.report"
local shell = require "spec.support.shell"
local smb = require "smb"
local stage = require "bench.stage"

local COUNT, SIZE, CHANGES = 20000, 50 * 1024, 100 -- 1 GiB
local PRUNED, PRUNED_FILES = 30, 200 -- snapshots, and files in each
local LAN = { round_trip = 0.5, line = 125000000 }

local function url_of(place)
  local srv = place.srv
  return ("smb://%s:%s@127.0.0.1:%d/backup"):format(srv.user, srv.password, place:port(LAN))
end

-- Seconds that fn takes with a destination of its own, requests that it sends, memory of this process afterwards.
local function timed(place, fn)
  local dest <close> = assert(smb.open(url_of(place)))
  local trips, began = dest.info.round_trips, shell.now()
  assert(fn(dest))
  return shell.now() - began, dest.info.round_trips - trips, processes.resident()
end

local function row(rows, what, count, seconds, trips, kib)
  rows:row { what, ("%.1f"):format(seconds), ("%.0f"):format(count / seconds), trips and ("%d"):format(trips) or "",
    kib and ("%.1f"):format(kib / 1024) or "" }
end

-- restic, which cuts files into blocks of its own and encrypts them, through rclone onto the same share.
local function restic(place, rows, tree)
  if not shell.run "command -v restic" then return end
  place:port(LAN)
  local line = (". %s && export RCLONE_CONFIG_BENCH_PORT=%d RESTIC_PASSWORD=x && restic -q -r "
    .. "rclone:bench:backup/restic --cache-dir %s ")
    :format(shell.quote(place.rclone), place.net.port, shell.quote(place:here "restic-cache"))
  shell.check(line .. "init")
  for _, what in ipairs { "restic through rclone, first", "restic through rclone, again" } do
    local began = shell.now()
    shell.check(line .. "backup " .. shell.quote(tree))
    row(rows, what, COUNT, shell.now() - began)
  end
end

local function prune(place, rows)
  local small = place:folder(place:here "small", PRUNED_FILES, 1024)
  do
    local dest <close> = assert(smb.open(place.srv:url "backup"))
    for _ = 1, PRUNED + 1 do assert(smb.backup(dest, "many"):snapshot(small)) end
  end
  local function run(dest) return smb.backup(dest, "many"):prune { keep_last = 1 } end
  row(rows, ("prune of %d snapshots of %d files"):format(PRUNED, PRUNED_FILES), PRUNED * PRUNED_FILES,
    timed(place, run))
end

return function()
  local section = report.section("backups", "Snapshots", ("%d files of %d KiB, on the local network of the part lan: "
    .. "0.5 ms, 1 Gbit/s. Each row is one run. The server's disk does not share blocks of copies. Before 'again' %d "
    .. "files have changed. requests are those of the connection that was made first.")
    :format(COUNT, SIZE // 1024, CHANGES))
  local place <close> = stage.start()
  local tree = place:tree(place:here "tree", COUNT, SIZE)
  local rows = section:table { "", "seconds", "files/s", "requests", "MiB in the Lua process" }
  local function run(what, fn) row(rows, what, COUNT, timed(place, fn)) end
  run("put_tree", function(dest) return dest:put_tree(tree, "tree") end)
  run("snapshot, first", function(dest) return smb.backup(dest, "host"):snapshot(tree) end)
  place:change(tree, COUNT, SIZE, CHANGES, 1)
  run("put_tree again", function(dest) return dest:put_tree(tree, "tree") end)
  run("snapshot again", function(dest) return smb.backup(dest, "host"):snapshot(tree) end)
  run("walk", function(dest)
    for _ in dest:walk "tree" do end -- luacheck: ignore 542
    return true
  end)
  run("verify", function(dest) return smb.backup(dest, "host"):verify "latest" end)
  run("verify, data", function(dest) return smb.backup(dest, "host"):verify("latest", { data = true }) end)
  run("restore", function(dest) return smb.backup(dest, "host"):restore("latest", place:here "back") end)
  files.remove(place:here "back")
  prune(place, rows)
  restic(place, rows, tree)
  section:finish()
end
