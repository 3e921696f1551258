-- Snapshots brought back, compared, deleted.

local lfs = require "lfs"
local backups = require "spec.support.backups"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local MIB = 1024 * 1024

local srv, dir, dest, repo, top, back -- luacheck: ignore 231

setup(function()
  local base
  srv, base = share.start()
  dir = base .. "/local"
end)

teardown(share.stop)

before_each(function()
  share.clean()
  dest = assert(smb.open(srv:url "backup"))
  repo = smb.backup(dest, "host1")
  top, back = dir .. "/source", dir .. "/back"
end)

after_each(function() dest:close() end)

local function snapshot(tree, opts)
  return assert(repo:snapshot(backups.make(top, tree), opts))
end

-- Changes a file on the share and leaves its size and time.
local function flip(name, path)
  local place = share.on_server(("host1/%s/%s"):format(name, path))
  shell.check { "touch", "-r", place, dir .. "/time" }
  local text = files.read(place)
  files.write(place, text:sub(1, #text // 2) .. string.char(text:byte(#text // 2 + 1) ~ 1) .. text:sub(#text // 2 + 2))
  shell.check { "touch", "-r", dir .. "/time", place }
end

describe("restore", function()
  it("brings all back: contents, modes, exact times, links, owners", function()
    backups.make(top, { ["a/x"] = "x", ["a/b/big"] = files.content(3 * MIB), ["a/l"] = "-> x", ["a/b/up"] = "-> ../x",
      empty = "", folder = true, ["private/key"] = "k" })
    shell.check { "chmod", "700", top .. "/private" }
    shell.check { "chmod", "400", top .. "/private/key" }
    shell.check { "chmod", "755", top .. "/a/x" }
    shell.check { "touch", "-d", "1999-12-31 23:59:59.123456789", top .. "/a/x" }
    shell.check { "touch", "-h", "-d", "2001-01-01 00:00:00.5", top .. "/a/l" }
    shell.check { "touch", "-d", "2002-02-02", top .. "/folder" }
    assert(repo:snapshot(top))
    local summary = assert(repo:restore("latest", back, { verify = "sha256" }))
    assert.same({ 4, 2, 0 }, { summary.files, summary.links, #summary.errors })
    assert.same(backups.attributes(top), backups.attributes(back))
    assert.same(backups.read(top), backups.read(back))
    summary = assert(repo:restore("latest", back))
    assert.same({ 0, 4, 0 }, { summary.files, summary.unchanged, summary.links })
  end)

  it("brings back one by its name, into a folder that has other files", function()
    local first = snapshot { a = "old" }
    snapshot { a = "new", b = "b" }
    backups.make(back, { mine = "m" })
    assert(repo:restore(first.name, back))
    assert.same({ a = "old", mine = "m" }, backups.read(back))
  end)

  it("brings back a folder or a file of it, under its path", function()
    snapshot { ["etc/a"] = "a", ["etc/sub/b"] = "b", ["etcetera"] = "c", ["home/d"] = "d" }
    assert(repo:restore("latest", back, { path = "etc" }))
    assert.same({ etc = true, ["etc/a"] = "a", ["etc/sub"] = true, ["etc/sub/b"] = "b" }, backups.read(back))
    assert(repo:restore("latest", dir .. "/one", { path = "/etc/sub/b" }))
    assert.same({ etc = true, ["etc/sub"] = true, ["etc/sub/b"] = "b" }, backups.read(dir .. "/one"))
    share.assert_fails("not_found", repo:restore("latest", dir .. "/none", { path = "var" }))
  end)

  it("brings back what a filter says", function()
    snapshot { ["a.txt"] = "1", ["b.log"] = "2", ["sub/c.txt"] = "3", ["not/d.txt"] = "4" }
    assert(repo:restore("latest", back, { filter = { "*.txt", "!not/" } }))
    assert.same({ ["a.txt"] = "1", sub = true, ["sub/c.txt"] = "3" }, backups.read(back))
  end)

  it("brings back small files by the dozen, in few requests", function()
    local tree = {}
    for i = 1, 200 do tree[("%03d"):format(i)] = "content " .. i end
    snapshot(tree)
    local requests = srv:requests(function() return assert(repo:restore("latest", back)) end)
    assert.same(tree, backups.read(back))
    assert.is_true(requests.total < 200 * 3.5, requests.total)
  end)

  it("leaves links out that lead outside, and makes no file through one", function()
    snapshot { etc = "-> /etc", up = "-> ../up", ["d/fine"] = "-> ../x", ["d/out"] = "-> ../../x", odd = "-> d/../../x",
      x = "x",
      ["f/g"] = "g" }
    local summary = assert(repo:restore("latest", back))
    assert.same({ 1, 4 }, { summary.links, summary.skipped.links })
    assert.same("-> ../x", backups.read(back)["d/fine"])
    shell.check { "rm", "-r", back .. "/f" }
    shell.check { "mkdir", dir .. "/elsewhere" }
    shell.check { "ln", "-s", dir .. "/elsewhere", back .. "/f" }
    share.assert_fails("local_io", repo:restore("latest", back))
    assert.same({}, files.list(dir .. "/elsewhere"))
    summary = assert(repo:restore("latest", dir .. "/no-links", { links = "skip" }))
    assert.same({ 0, 5 }, { summary.links, summary.skipped.count })
  end)

  it("with verify does not replace a good file by one that was changed on the share", function()
    local snap = snapshot { a = ("a"):rep(1000), b = "b", big = files.content(MIB) }
    flip(snap.name, "a")
    flip(snap.name, "big")
    backups.make(back, { a = "mine", big = "mine" })
    local summary = assert(repo:restore("latest", back, { verify = "sha256", on_error = "continue" }))
    assert.same({ 1, 2, "mismatch" }, { summary.files, #summary.errors, summary.errors[1].code })
    assert.same({ a = "mine", b = "b", big = "mine" }, backups.read(back))
    share.assert_fails("mismatch", repo:restore("latest", back, { verify = "sha256" }))
  end)

  it("fails where the manifest is not whole, and where there is none", function()
    local snap = snapshot { a = "a", b = "b" }
    local path = share.on_server("host1/" .. snap.name .. ".manifest")
    local text = files.read(path)
    files.write(path, (text:gsub('"path":"b"', '"path":"c"')))
    share.assert_fails("mismatch", repo:restore(snap.name, back))
    os.remove(path)
    share.assert_fails("not_found", repo:restore(snap.name, back))
    assert.matches("there is no complete snapshot", share.assert_fails("not_found", repo:restore("latest", back)))
  end)

  it("leaves alone what a manifest would put elsewhere", function()
    local snap = snapshot { a = "a" }
    local path = share.on_server("host1/" .. snap.name .. ".manifest")
    local text = files.read(path)
    for _, bad in ipairs { "../a", "/a", "x/../../a" } do
      files.write(path, (text:gsub('"path":"a"', ('"path":"%s"'):format(bad))))
      share.assert_fails("mismatch", repo:restore(snap.name, back .. "/in"))
    end
    assert.is_false(files.exists(back .. "/a"))
  end)

  it("does not believe a manifest that somebody else has written, whatever stands in it, nor does verify", function()
    local snap = snapshot { a = "a" }
    local path = share.on_server("host1/" .. snap.name .. ".manifest")
    local lines = {}
    for line in files.read(path):gmatch "[^\n]+\n" do lines[#lines + 1] = line end
    local function with(changed, from, to)
      local before = {}
      for i = 1, #lines - 1 do before[i] = i == changed and lines[i]:gsub(from, (to:gsub("%%", "%%%%"))) or lines[i] end
      local text = table.concat(before)
      local digest = shell.check("printf %s " .. shell.quote(text) .. " | sha256sum"):match "^%x+"
      files.write(path, text .. lines[#lines]:gsub("%x+\"}\n$", digest .. "\"}\n"))
    end
    for _, bad in ipairs {
      { 3, '"size":%d+', '"size":"many"' }, { 3, '"size":%d+', '"size":-1' }, { 3, '"size":%d+,', "" },
      { 3, '"mtime":%-?%d+', '"mtime":["x"]' }, { 3, '"mtime":%-?%d+,', "" }, { 3, '"mode":%d+', '"mode":{"x":1}' },
      { 3, '"mode":%d+', '"mode":-1' }, { 3, '"uid":%d+', '"uid":99999999999999' }, { 3, '"user":"%w+"', '"user":5' },
      { 3, '"sha256":"%x+"', '"sha256":true' }, { 3, '"type":"file"', '"type":"file","stored":7' },
      { 3, '"type":"file"', '"type":"file","path_hex":97' }, { 3, '"type":"file"', '"type":["file"]' },
      { 1, '"sources":%b[]', '"sources":5' }, { 1, '"several":%l+', '"options":{"exclude":"x"}' },
      { 1, '"several":%l+', '"options":{"exclude":[7]}' }, { 1, '"version":1', '"version":{}' },
    } do
      with(table.unpack(bad))
      local code = bad[3]:find "version" and "unsupported" or "mismatch"
      share.assert_fails(code, repo:restore(snap.name, back .. "/in"))
      local report = repo:verify(snap.name, { source = top })
      assert.is_falsy(report and report.ok)
    end
    files.write(path, table.concat(lines, "", 1, #lines - 1) .. '{"entries":"x","files":[]}\n')
    assert(repo:list())
    share.assert_fails("mismatch", repo:restore(snap.name, back .. "/in"))
    files.write(path, lines[1] .. ("x"):rep(3 * MIB) .. lines[#lines])
    assert.matches("a line is too long", share.assert_fails("mismatch", repo:restore(snap.name, back .. "/in")))
  end)

  it("needs no right to write on the share, nor does verify", function()
    snapshot { a = "a", ["b/c"] = "c" }
    srv:change("backup", { ["read only"] = "yes" })
    local ok, problem = pcall(function()
      local reader <close> = assert(smb.open(srv:url "backup"))
      local mine = smb.backup(reader, "host1")
      assert(mine:restore("latest", back))
      assert.is_true(assert(mine:verify("latest", { data = true })).ok)
      share.assert_fails("access_denied", mine:snapshot(top))
    end)
    srv:change("backup", { ["read only"] = "no" })
    if not ok then error(problem, 0) end
    assert.same({ a = "a", b = true, ["b/c"] = "c" }, backups.read(back))
  end)

  it("changes nothing in a dry run", function()
    snapshot { ["a/b"] = "b" }
    local summary = assert(repo:restore("latest", back, { dry_run = true }))
    assert.same({ { action = "get", name = "a/b", bytes = 1 } }, summary.actions)
    assert.is_false(files.exists(back))
  end)
end)

describe("verify", function()
  it("finds a flipped byte, a missing, an extra, a truncated and a touched file, each by its name", function()
    local snap = snapshot { ["d/flipped"] = "flipped", ["d/missing"] = "m", ["d/cut"] = "cut off", ["d/touched"] = "t",
      fine = "f", ["e:f/g"] = "g" }
    assert.is_true(assert(repo:verify("latest", { data = true })).ok)
    local place = share.on_server("host1/" .. snap.name)
    flip(snap.name, "d/flipped")
    os.remove(place .. "/d/missing")
    files.write(place .. "/d/cut", "cut")
    lfs.touch(place .. "/d/touched", 1, 1)
    backups.make(place, { ["new/x"] = "x", ["d/extra"] = "e" })
    local found = { ["d/missing"] = "missing", ["d/cut"] = "size", ["d/touched"] = "mtime", new = "extra",
      ["d/extra"] = "extra" }
    local report = assert(repo:verify(snap.name))
    assert.is_false(report.ok)
    assert.same(found, backups.differences(report))
    found["d/flipped"] = "sha256"
    assert.same(found, backups.differences(assert(repo:verify(snap.name, { data = true }))))
  end)

  it("finds a whole folder that is missing, and a manifest that was changed", function()
    local snap = snapshot { ["a/b/c"] = "c", d = "d" }
    shell.check { "rm", "-r", share.on_server(("host1/%s/a"):format(snap.name)) }
    assert.same({ a = "missing", ["a/b"] = "missing", ["a/b/c"] = "missing" },
      backups.differences(assert(repo:verify "latest")))
    local path = share.on_server("host1/" .. snap.name .. ".manifest")
    local text = files.read(path)
    files.write(path, (text:gsub('"mode":%d+', '"mode":1')))
    assert.same("sha256", backups.differences(assert(repo:verify(snap.name)))[snap.name .. ".manifest"])
  end)

  it("compares a snapshot of several folders with all of them, or with one", function()
    backups.make(top, { ["etc/a"] = "a", ["home/b"] = "b" })
    assert(repo:snapshot { top .. "/etc", top .. "/home" })
    assert.is_true(assert(repo:verify("latest", { source = { top .. "/home", top .. "/etc" } })).ok)
    assert.is_true(assert(repo:verify("latest", { source = top .. "/home" })).ok)
    files.write(top .. "/home/b", "longer")
    backups.make(top, { ["etc/new"] = "n" })
    assert.same({ [top:sub(2) .. "/home/b"] = "size" },
      backups.differences(assert(repo:verify("latest", { source = top .. "/home" }))))
  end)

  it("compares with the source, too", function()
    snapshot({ a = "a", b = "b", c = "c", gone = "g", ["x.tmp"] = "t" }, { exclude = { "*.tmp" } })
    assert.is_true(assert(repo:verify("latest", { source = top, data = true })).ok)
    os.remove(top .. "/gone")
    files.write(top .. "/a", "longer")
    lfs.touch(top .. "/b", 1, 1)
    backups.make(top, { new = "n" })
    local report = assert(repo:verify("latest", { source = top }))
    assert.same({ gone = "extra", a = "size", b = "mtime", new = "missing" }, backups.differences(report))
    assert.equal("source", report.differences[1].where)
  end)
end)

describe("prune", function()
  -- Snapshots of so many days ago, without files.
  local function days_ago(...)
    local names = {}
    for i, days in ipairs { ... } do
      names[i] = os.date("!%Y-%m-%dT%H%M%SZ", os.time() - days * 86400)
      lfs.mkdir(share.on_server "host1")
      backups.make(share.on_server("host1/" .. names[i]), { ["a/b"] = "b" })
      files.write(share.on_server("host1/" .. names[i] .. ".manifest"),
        '{"format":"lua-smb manifest","version":1}\n'
          .. '{"entries":0,"files":0,"folders":0,"links":0,"bytes":0,"sha256":""}\n')
    end
    return names
  end

  it("deletes what no rule keeps, and says why it keeps the others", function()
    local names = days_ago(40, 3, 2, 1)
    local plan = assert(repo:prune { keep_last = 1, keep_daily = 2, utc = true, dry_run = true })
    assert.same({ { names[4], "last", "daily" }, { names[3], "daily" } },
      { { plan.keep[1].name, table.unpack(plan.keep[1].reasons) },
        { plan.keep[2].name, table.unpack(plan.keep[2].reasons) } })
    assert.same({ names[2], names[1] }, { plan.delete[1].name, plan.delete[2].name })
    assert.equal(8, #files.list(share.on_server "host1"))
    assert(repo:prune { keep_last = 1, keep_daily = 2, utc = true })
    assert.same({ names[3], names[3] .. ".manifest", names[4], names[4] .. ".manifest" },
      files.list(share.on_server "host1"))
  end)

  it("deletes what was broken off more than a day ago, and nothing younger", function()
    local names = days_ago(5, 3, 0.5, 0.1)
    local function place(i, ending) return share.on_server("host1/" .. names[i] .. (ending or "")) end
    os.remove(place(1, ".manifest"))
    os.remove(place(2, ".manifest"))
    os.rename(place(2), place(2, ".part"))
    os.remove(place(3, ".manifest"))
    local plan = assert(repo:prune { keep_last = 5 })
    assert.same({ "incomplete" }, plan.delete[1].reasons)
    assert.same({ names[3], names[4], names[4] .. ".manifest" }, files.list(share.on_server "host1"))
  end)

  it("leaves nothing behind that looks whole when it is broken off", function()
    local names = days_ago(3, 1)
    shell.check { "mkdir", "-p", share.on_server("host1/" .. names[1] .. ".part/left") }
    assert(repo:prune { keep_last = 1 })
    assert.same({ names[2], names[2] .. ".manifest" }, files.list(share.on_server "host1"))
  end)

  it("refuses to keep nothing, and rules that it does not know", function()
    for _, rules in ipairs { {}, { keep_last = 0 }, { dry_run = true }, { keep_weakly = 1 },
      { keep_last = 1, dry_run = 1 } } do
      local ok, problem = pcall(repo.prune, repo, rules)
      assert.is_false(ok)
      assert.matches("prune: ", problem)
    end
  end)
end)
