-- Snapshots: what is on the share afterwards, what is sent again, what is told.

local lfs = require "lfs"
local backups = require "spec.support.backups"
local child = require "spec.support.child"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local MIB = 1024 * 1024
local OLD = 1600000000

local srv, net, dir, dest, repo

setup(function()
  local base
  -- As Windows and newer Sambas: a folder is not renamed while a file in it is open, whoever has opened it.
  srv, base = share.start { shares = { backup = { ["strict rename"] = "yes" } } }
  dir = base .. "/local"
  net = share.network()
end)

teardown(share.stop)

before_each(function()
  share.clean()
  dest = assert(smb.open(srv:url "backup"))
  repo = smb.backup(dest, "host1")
end)

after_each(function()
  net:tell "calm"
  dest:close()
end)

local function source(tree) return backups.make(dir .. "/source", tree) end

local function stored(name) return backups.read(share.on_server("host1/" .. name)) end

local function names_of(list)
  local names = {}
  for i, each in ipairs(list) do names[i] = each.name end
  return names
end

describe("a snapshot", function()
  it("is a folder that any file manager can read, and a manifest beside it", function()
    local tree = { ["a/x.txt"] = "x", ["a/b/y"] = files.content(100000), empty = "", folder = true }
    local snap = assert(repo:snapshot(source(tree)))
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d%d%d%d%dZ$", snap.name)
    assert.same({ snap.name, snap.name .. ".manifest" }, files.list(share.on_server "host1"))
    tree.a, tree["a/b"] = true, true
    assert.same(tree, stored(snap.name))
    assert.same({ 3, 100001, 3, 100001, 0, 0 },
      { snap.files, snap.bytes, snap.sent, snap.sent_bytes, snap.copied, #snap.errors })
    assert.matches("^" .. snap.name:gsub("%p", "%%%0") .. ": 3 files, 97.7 KiB in ", tostring(snap))
  end)

  it("has the times of files and folders", function()
    local top = source { ["a/b/c"] = "c", ["a/d"] = "d" }
    for _, path in ipairs { "a/b/c", "a/b", "a" } do lfs.touch(top .. "/" .. path, 1600000000, 1600000000) end
    local snap = assert(repo:snapshot(top))
    for _, path in ipairs { "a/b/c", "a/b", "a" } do
      assert.equal(1600000000, lfs.attributes(share.on_server(("host1/%s/%s"):format(snap.name, path)),
        "modification"), path)
    end
  end)

  it("tells in its manifest what a disk on the share may not keep", function()
    local top = source { ["dir/file"] = "content", ["dir/link"] = "-> file" }
    shell.check { "chmod", "640", top .. "/dir/file" }
    shell.check { "touch", "-d", "2020-01-02 03:04:05.123456789 UTC", top .. "/dir/file" }
    local snap = assert(repo:snapshot(top))
    local lines = backups.manifest("host1", snap.name)
    assert.same({ "lua-smb manifest", 1, snap.name }, { lines[1].format, lines[1].version, lines[1].name })
    local entry = lines.by_path["dir/file"]
    assert.same({ "file", 7, 1577934245123456789, 416 }, { entry.type, entry.size, entry.mtime, entry.mode })
    assert.equal(shell.check({ "sha256sum", top .. "/dir/file" }):match "%x+", entry.sha256)
    assert.equal(shell.check({ "stat", "-c", "%u %g %U %G", top .. "/dir/file" }),
      ("%d %d %s %s\n"):format(entry.uid, entry.gid, entry.user, entry.group))
    assert.same({ "link", "file" }, { lines.by_path["dir/link"].type, lines.by_path["dir/link"].target })
    assert.equal("directory", lines.by_path.dir.type)
    local text = files.read(share.on_server("host1/" .. snap.name .. ".manifest"))
    local whole, last = text:match "^(.*\n)([^\n]+\n)$"
    files.write(dir .. "/whole", whole)
    assert.equal(shell.check({ "sha256sum", dir .. "/whole" }):match "%x+", lines[#lines].sha256)
    assert.same({ 4, 1, 2, 1, 7 }, { lines[#lines].entries, lines[#lines].files, lines[#lines].folders,
      lines[#lines].links,
      lines[#lines].bytes }, last)
  end)

  it("keeps names that SMB cannot hold, and those that differ in case only: true in the manifest", function()
    local bad = "no \xFF utf-8"
    local top = source { ["a:b"] = "1", ["end."] = "2", Case = "3", case = "4", [bad] = "5", ["x.0a1b2c3d.part"] = "6" }
    local snap = assert(repo:snapshot(top))
    assert.equal(6, snap.files)
    local lines = backups.manifest("host1", snap.name)
    for _, path in ipairs { "a:b", "end.", "Case", "case", "x.0a1b2c3d.part" } do
      local entry = assert(lines.by_path[path], path)
      assert.equal(files.read(top .. "/" .. path), stored(snap.name)[entry.stored or path])
    end
    assert.equal(6, #files.list(share.on_server("host1/" .. snap.name)))
    assert(repo:restore("latest", dir .. "/back"))
    assert.same(backups.read(top), backups.read(dir .. "/back"))
  end)

  it("of several folders has them under their whole paths", function()
    local top = source { ["one/a"] = "a", ["two/b"] = "b", ["two/inner/c"] = "c", ["three/d"] = "d", file = "f" }
    local snap = assert(repo:snapshot { top .. "/two", top .. "/one", top .. "/two/inner", top .. "/file" })
    local below = top:sub(2)
    assert.equal(4, snap.files)
    assert.equal("c", files.read(share.on_server(("host1/%s/%s/two/inner/c"):format(snap.name, below))))
    assert.is_false(files.exists(share.on_server(("host1/%s/%s/three"):format(snap.name, below))))
    assert.truthy(backups.manifest("host1", snap.name).by_path[below .. "/file"])
  end)

  it("leaves out what is excluded, caches, and what a folder's mark says", function()
    local top = source { ["a.tmp"] = "1", ["keep/a.tmp"] = "2", ["keep/b"] = "3", ["var/cache/c"] = "4",
      ["tagged/CACHEDIR.TAG"] = "Signature: 8a477f597d28d172789f06886806bc55\n# a cache\n", ["tagged/d"] = "5",
      ["untagged/CACHEDIR.TAG"] = "no signature", ["untagged/d"] = "6", ["marked/.nobackup"] = "",
        ["marked/sub/e"] = "7" }
    local snap = assert(repo:snapshot(top, { exclude = { "*.tmp", "var/cache" }, exclude_if_present = ".nobackup" }))
    assert.same({ keep = true, ["keep/b"] = "3", var = true, tagged = true, ["tagged/CACHEDIR.TAG"] = files.read(top
      .. "/tagged/CACHEDIR.TAG"), untagged = true, ["untagged/CACHEDIR.TAG"] = "no signature", ["untagged/d"] = "6",
      marked = true, ["marked/.nobackup"] = "" }, stored(snap.name))
    snap = assert(repo:snapshot(top, { exclude_caches = false }))
    assert.equal("5", stored(snap.name)["tagged/d"])
  end)

  it("counts what is no file, folder or link", function()
    local top = source { a = "a" }
    shell.check { "mkfifo", top .. "/pipe" }
    local snap = assert(repo:snapshot(top))
    assert.same({ 1, 1, "pipe", "special" },
      { snap.files, snap.skipped.count, snap.skipped.names[1].name, snap.skipped.names[1].reason })
  end)

  it("goes on when a file cannot be named, and says which", function()
    local long = ("*"):rep(100) -- of three bytes each when it is encoded
    local top = source { [long] = "1", b = "2" }
    local snap = assert(repo:snapshot(top))
    assert.same({ 1, 1, long, "invalid_name" }, { snap.files, #snap.errors, snap.errors[1].name, snap.errors[1].code })
    assert.equal(1, assert(repo:list())[1].files)
  end)

  it("fails before anything is sent when the source is missing or no folder", function()
    share.assert_fails("local_io", repo:snapshot(dir .. "/nothing"))
    files.write(dir .. "/file", "x")
    share.assert_fails("not_directory", repo:snapshot(dir .. "/file"))
    assert.same({}, share.everything())
  end)

  it("has a name of its own, though two are made in one second or the clock goes back", function()
    lfs.mkdir(share.on_server "host1")
    lfs.mkdir(share.on_server "host1/2090-01-01T000000Z")
    files.write(share.on_server "host1/2090-01-01T000000Z.manifest", "")
    local top = source { a = "a" }
    local first, second = assert(repo:snapshot(top)), assert(repo:snapshot(top))
    assert.same({ "2090-01-01T000001Z", "2090-01-01T000002Z" }, { first.name, second.name })
  end)

  it("refuses options that it does not know", function()
    assert.matches("snapshot: ", select(2, pcall(repo.snapshot, repo, dir, { excludes = {} })))
    assert.matches("bad argument #1 to 'snapshot'", select(2, pcall(repo.snapshot, repo, {})))
    assert.matches("smb.backup: an open destination expected", select(2, pcall(smb.backup, "x")))
  end)
end)

describe("a further snapshot", function()
  it("has the server copy what has not changed, and sends the rest", function()
    local top = source { big = files.content(MIB), other = files.content(MIB, 2), small = "s" }
    assert(repo:snapshot(top))
    files.write(top .. "/other", files.content(MIB, 3))
    local before = net:stats().bytes
    local far = assert(smb.open(net:url "backup"))
    local snap = assert(smb.backup(far, "host1"):snapshot(top))
    far:close()
    assert.same({ 3, 2, 1, 2 }, { snap.files, snap.unchanged, snap.copied, snap.sent })
    assert.same({ MIB, MIB + 1 }, { snap.copied_bytes, snap.sent_bytes })
    assert.is_true(net:stats().bytes - before < 1.5 * MIB)
    assert.same(backups.read(top), stored(snap.name))
    assert.is_true(assert(repo:verify("latest", { data = true, source = top })).ok)
  end)

  it("sends a file again whose contents changed behind its size and time", function()
    local top = source { big = files.content(MIB) }
    shell.check { "touch", "-r", top .. "/big", dir .. "/time" }
    assert(repo:snapshot(top))
    files.write(top .. "/big", files.content(MIB, 2))
    shell.check { "touch", "-r", dir .. "/time", top .. "/big" }
    local snap = assert(repo:snapshot(top))
    assert.same({ 0, 0, 1 }, { snap.unchanged, snap.copied, snap.sent })
    assert.same(backups.read(top), stored(snap.name))
  end)

  it("sends a file again that is not listed any more as the last manifest tells", function()
    local top = source { big = files.content(MIB) }
    local first = assert(repo:snapshot(top))
    files.write(share.on_server(("host1/%s/big"):format(first.name)), "cut")
    local snap = assert(repo:snapshot(top))
    assert.same({ 1, 0, 1 }, { snap.unchanged, snap.copied, snap.sent })
    assert.same(backups.read(top), stored(snap.name))
  end)
end)

describe("a list of snapshots", function()
  it("is empty where there are none, and has the newest last", function()
    assert.same({}, assert(repo:list()))
    local top = source { a = "a", ["b/c"] = "cc" }
    local first, second = assert(repo:snapshot(top)), assert(repo:snapshot(top))
    local list = assert(repo:list())
    assert.same({ first.name, second.name }, names_of(list))
    assert.same({ 2, 3, true }, { list[2].files, list[2].bytes, list[2].complete })
    assert.equal(second.name, os.date("!%Y-%m-%dT%H%M%SZ", list[2].time))
  end)

  it("tells those that are not complete: without a manifest, or with half of one", function()
    local top = source { a = "a" }
    for _ = 1, 3 do assert(repo:snapshot(top)) end
    local names = names_of(assert(repo:list()))
    os.remove(share.on_server("host1/" .. names[1] .. ".manifest"))
    local path = share.on_server("host1/" .. names[2] .. ".manifest")
    local text = files.read(path)
    files.write(path, text:sub(1, #text // 2))
    local list = assert(repo:list())
    assert.same({ false, false, true }, { list[1].complete, list[2].complete, list[3].complete })
    assert.same(names, names_of(list))
  end)
end)

describe("a snapshot that was broken off", function()
  -- Kills a program in the middle of a snapshot.
  local function break_off(top)
    local program = child.start(dir, "local dest = assert(smb.open(%q, { rate = '1M' }))\n"
      .. "print(smb.backup(dest, 'host1'):snapshot(%q))", srv:url "backup", top)
    -- The small ones have come whole, with their times; the large one has begun.
    assert(shell.poll(function()
      local times = {}
      for _, path in ipairs(share.everything_below()) do
        local file = path:match "%.part/(%d)$"
        if file then times[file] = lfs.attributes(share.on_server(path), "modification") end
      end
      return times["1"] == OLD and times["2"] == OLD and times["3"]
    end, 60))
    program:kill "KILL"
    program:await_end()
  end

  it("is gone on with by the next: what has arrived is not sent again, what is not wanted any more goes", function()
    local top = source { ["1"] = files.content(MIB, 1), ["2"] = files.content(MIB, 2), ["3"] = files.content(8 * MIB,
      3),
      ["old/x"] = "x" }
    for file = 1, 2 do lfs.touch(("%s/%d"):format(top, file), OLD, OLD) end
    break_off(top)
    assert.is_false(assert(repo:list())[1].complete)
    shell.check { "rm", "-r", top .. "/old" }
    local snap = assert(repo:snapshot(top))
    assert.is_true(snap.resumed >= 1)
    assert.same({ 3, 3 }, { snap.files, snap.resumed + snap.sent })
    assert.same(backups.read(top), stored(snap.name))
    assert.is_false(files.exists(share.on_server("host1/" .. snap.name .. ".part")))
    assert.equal(1, #assert(repo:list()))
    assert.is_true(assert(repo:verify("latest", { data = true })).ok)
  end)

  it("is gone on with by the next while the server still has its files open", function()
    local top = source { a = "a", b = "b" }
    shell.check { "mkdir", "-p", share.on_server "host1/2026-01-01T000000Z.part" }
    files.write(share.on_server "host1/2026-01-01T000000Z.part/a", "half")
    local holder <close> = assert(smb.open(srv:url "backup"))
    local held = assert(holder:open("host1/2026-01-01T000000Z.part/a", "r"))
    srv:mark()
    local program = child.start(dir, "local dest = assert(smb.open(%q))\n"
      .. "print(smb.backup(dest, 'host1'):snapshot(%q))", srv:url "backup", top)
    assert.is_truthy(shell.poll(function() return srv:log():find("ACCESS_DENIED", 1, true) end, 60))
    assert(held:close())
    program:await_end()
    local list = assert(repo:list())
    assert.equal(1, #list)
    assert.is_true(list[1].complete)
    assert.same(backups.read(top), stored(list[1].name))
  end)
end)

describe("a snapshot that was broken off between its last steps", function()
  local function move(name, from, to)
    os.rename(share.on_server(("host1/%s%s"):format(name, from)), share.on_server(("host1/%s%s"):format(name, to)))
  end

  it("is made whole by the next one, from where it was", function()
    local top = source { a = files.content(100000), b = "b" }
    for _, step in ipairs { "its folder has no name yet", "its manifest has no name yet" } do
      share.clean()
      source { a = files.content(100000), b = "b" }
      local first = assert(repo:snapshot(top))
      move(first.name, ".manifest", ".manifest.part")
      if step == "its folder has no name yet" then move(first.name, "", ".part") end
      assert.is_false(assert(repo:list())[1].complete)
      local snap = assert(repo:snapshot(top))
      assert.same({ 2, 2, 0 }, { snap.files, snap.resumed, snap.sent }, step)
      assert.same({ snap.name, snap.name .. ".manifest" }, files.list(share.on_server "host1"), step)
      assert.is_true(assert(repo:verify("latest", { data = true })).ok)
    end
  end)

  it("leaves alone a snapshot that has only lost its manifest", function()
    local top = source { a = "a" }
    local first = assert(repo:snapshot(top))
    os.remove(share.on_server("host1/" .. first.name .. ".manifest"))
    local snap = assert(repo:snapshot(top))
    assert.same({ first.name, snap.name, snap.name .. ".manifest" }, files.list(share.on_server "host1"))
    assert.same({ a = "a" }, stored(first.name))
  end)
end)

describe("a snapshot on a share that allows no renaming", function()
  it("has its final name from the start, and is whole when its manifest is there", function()
    local top = source { a = files.content(100000), ["b/c"] = "c" }
    local renamed = srv:requests(function()
      local snap = assert(repo:snapshot(top, { in_place = true }))
      assert.same({ snap.name, snap.name .. ".manifest" }, files.list(share.on_server "host1"))
      assert.same({ a = files.content(100000), b = true, ["b/c"] = "c" }, stored(snap.name))
    end)
    assert.is_true(renamed.total > 0)
    local first = assert(repo:list())[1]
    os.remove(share.on_server("host1/" .. first.name .. ".manifest"))
    local again = assert(repo:snapshot(top, { in_place = true }))
    assert.same({ first.name, 2 }, { again.name, again.resumed })
    assert.is_true(assert(repo:verify("latest", { data = true })).ok)
  end)
end)

describe("hooks of a snapshot", function()
  it("run before and after, and are given what came of it", function()
    local top, heard = source { a = "a" }, {}
    local snap = assert(repo:snapshot(top, { before = function() table.insert(heard, "before") end,
      each = function(action, path, bytes) table.insert(heard, ("%s %s %d"):format(action, path, bytes)) end,
      after = function(result) table.insert(heard, result.name) end }))
    assert.same({ "before", "put a 1", snap.name }, heard)
    share.assert_fails("local_io", repo:snapshot(top, { before = function() return nil, "not now" end }))
    share.assert_fails("local_io", repo:snapshot(top, { before = { "false" } }))
    assert.equal(1, #assert(repo:list()))
    snap = assert(repo:snapshot(top, { after = "exit 3" }))
    assert.matches("^after: ", snap.warnings[1])
    assert.matches("snapshot: ", select(2, pcall(repo.snapshot, repo, top, { before = 1 })))
  end)

  it("are told how far it is, and may end it", function()
    local top = source { a = files.content(3 * MIB), b = files.content(3 * MIB, 2) }
    local slow = assert(smb.open(srv:url("backup", nil, { rate = "4M" })))
    local most, whole = 0, 0
    local mine = smb.backup(slow, "host1")
    assert(mine:snapshot(top, { progress = function(done, total) most, whole = math.max(most, done), total end }))
    assert.same({ 6 * MIB, 6 * MIB }, { most, whole })
    files.write(top .. "/c", files.content(3 * MIB, 3))
    share.assert_fails("cancelled", mine:snapshot(top, { progress = function() return false end }))
    slow:close()
    assert.same({ true, false }, { assert(repo:list())[1].complete, repo:list()[2].complete })
  end)
end)

describe("a file that changes while it is read", function()
  it("is tried once more, and then reported; the snapshot is there without it", function()
    local top = source { good = "g", log = files.content(MIB) }
    local writer = shell.spawn(("while :; do echo more >>%s/log; done"):format(top))
    local slow = assert(smb.open(srv:url("backup", nil, { rate = "1M" })))
    local snap, message = smb.backup(slow, "host1"):snapshot(top)
    shell.kill(-writer, "KILL")
    assert(snap, message)
    assert.same({ 1, "log", "source_changed" }, { snap.files, snap.errors[1].name, snap.errors[1].code })
    assert.same({ good = "g" }, stored(snap.name))
    assert.is_true(assert(repo:verify("latest", { data = true })).ok)
    slow:close()
  end)
end)

if os.getenv "LUA_SMB_SANDBOX" == "1" then
  describe("what is mounted below a source", function()
    it("is left out with one_file_system; what the kernel makes up, always", function()
      local top = source { ["disk/hidden"] = "h", ["kernel/x"] = "x", a = "a" }
      shell.check { "mount", "-t", "tmpfs", "tmpfs", top .. "/disk" }
      shell.check { "mount", "--rbind", "/proc", top .. "/kernel" }
      files.write(top .. "/disk/mounted", "m")
      local ok, problem = pcall(function()
        local snap = assert(repo:snapshot(top))
        assert.same({ a = "a", disk = true, ["disk/mounted"] = "m", kernel = true }, stored(snap.name))
        assert.same({ 1, "kernel", "mount" }, { snap.skipped.mounts, snap.skipped.names[1].name,
          snap.skipped.names[1].reason })
        snap = assert(repo:snapshot(top, { one_file_system = true }))
        assert.same({ a = "a", disk = true, kernel = true }, stored(snap.name))
        assert.equal(2, snap.skipped.mounts)
      end)
      shell.check { "umount", "-l", top .. "/kernel", top .. "/disk" }
      if not ok then error(problem, 0) end
    end)
  end)
end
