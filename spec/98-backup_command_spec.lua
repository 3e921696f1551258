-- lua-smb backup, snapshots, restore, verify, prune, unlock: what they do, say and end with.

local backups = require "spec.support.backups"
local command = require "spec.support.command"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local srv, dir, url, top, base

setup(function()
  srv, base = share.start { log_level = "0" }
  dir = base .. "/local"
  url = srv:url("backup", "host1")
end)

teardown(share.stop)

before_each(function()
  share.clean()
  top = backups.make(dir .. "/source", { a = "a", ["sub/b"] = "bb", ["x.tmp"] = "t" })
end)

local function run(...) return command.run(dir, { ... }) end

local function succeeds(...)
  local ended = run(...)
  assert.equal(0, ended.status, ended.stderr)
  return ended.stdout, ended.stderr
end

local function json_of(...)
  return command.decoded((succeeds(...)))
end

describe("lua-smb backup", function()
  it("makes a snapshot and says what the next ones will cost", function()
    local said, warned = succeeds("backup", url, top)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d%d%d%d%dZ: 3 files, 4 B in ", said)
    assert.matches("takes the room of all files again", warned)
    said, warned = succeeds("backup", url, top)
    assert.matches("3 files, 4 B", said)
    assert.equal("", warned)
  end)

  it("tells all in one line of JSON", function()
    local snap = json_of("backup", url, top, "--json", "--exclude", "*.tmp")
    assert.same({ 2, 3, 2, 0 }, { snap.files, snap.bytes, snap.sent, #snap.errors })
    files.write(dir .. "/globs", "# what nobody needs\nsub/\n")
    assert.equal(2, json_of("backup", url, top, "--json", "--exclude-from", dir .. "/globs").files)
  end)

  it("of several folders has them under their whole paths", function()
    local snap = json_of("backup", url, top .. "/sub", top .. "/a", "--json")
    assert.equal("bb", files.read(share.on_server(("host1/%s%s/sub/b"):format(snap.name, top))))
  end)

  it("ends with 3 when the snapshot is there but a file could not be named", function()
    files.write(top .. "/" .. ("*"):rep(100), "x")
    local ended = run("backup", url, top)
    assert.equal(3, ended.status)
    assert.matches("snapshot '%*+' on smb://", ended.stderr)
    assert.equal(1, #assert(smb.backup(assert(smb.open(url))):list()))
  end)

  it("counts a single file as one, in all that is said", function()
    local one = backups.make(dir .. "/one", { a = "a" })
    local said, warned = succeeds("backup", url, one)
    assert.matches("Z: 1 file, 1 B in ", said)
    assert.matches("put -r --mirror --keep-old keeps one copy", warned, 1, true)
    assert.matches(" 1 file  ", (succeeds("snapshots", url)), 1, true)
    assert.matches("Z: 1 file, no difference in ", (succeeds("verify", url)))
    files.write(one .. "/a", "ab")
    local differs = run("verify", url, "--source", one)
    assert.equal(1, differs.status)
    assert.matches("Z: 1 file, 1 difference in ", differs.stdout)
  end)

  it("says which snapshot is not there, and whose lock it is", function()
    succeeds("backup", url, top)
    for _, words in ipairs { { "restore", url, "2020-01-01T000000Z", dir .. "/back" },
      { "verify", url, "2020-01-01T000000Z" } } do
      local ended = run(table.unpack(words))
      assert.equal(1, ended.status)
      assert.matches(" on smb://[^']*: there is no complete snapshot 2020%-01%-01T000000Z\n$", ended.stderr)
    end
    local dest <close> = assert(smb.open(url))
    local lock <close> = assert(dest:lock "") -- luacheck: ignore 211
    local refused = run("backup", url, top)
    assert.equal(1, refused.status)
    assert.matches("^lua%-smb: lock on smb://[^']*: it is held by ", refused.stderr)
  end)

  it("ends with 1 when there is none, and with 2 when it was used wrongly", function()
    assert.equal(1, run("backup", url, dir .. "/nothing").status)
    assert.equal(2, run("backup", url).status)
  end)

  it("runs a command before, which may forbid it, and one after, and keeps a log", function()
    local log = dir .. "/log"
    succeeds("backup", url, top, "--before", "echo ready", "--after", "echo over >" .. dir .. "/after", "--log", log)
    assert.equal("over\n", files.read(dir .. "/after"))
    local lines = files.read(log)
    assert.matches("%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ snapshot: begins: snapshot on smb://", lines)
    assert.matches("Z snapshot: ready\n", lines)
    assert.matches("Z snapshot: %g+Z: 3 files", lines)
    local ended = run("backup", url, top, "--before", "exit 7", "--log", log)
    assert.equal(1, ended.status)
    assert.matches("before: ", ended.stderr)
    assert.matches("snapshot: FAILED: ", files.read(log))
    assert.equal(1, #json_of("snapshots", url, "--json"))
  end)
end)

describe("lua-smb snapshots", function()
  it("lists them, and minds the age of the newest", function()
    local ended = run("snapshots", url, "--max-age", "26h")
    assert.equal(1, ended.status)
    assert.matches("there is no whole snapshot", ended.stderr)
    succeeds("backup", url, top)
    assert.matches("^%g+Z  +3 files +4 B\n$", (succeeds("snapshots", url, "--max-age", "26h")))
    local name = json_of("snapshots", url, "--json")[1].name
    for _, ending in ipairs { "", ".manifest" } do
      os.rename(share.on_server("host1/" .. name .. ending), share.on_server("host1/2020-01-01T000000Z" .. ending))
    end
    ended = run("snapshots", url, "--max-age", "2d")
    assert.equal(1, ended.status)
    assert.matches("the newest whole snapshot is of 20", ended.stderr)
  end)
end)

describe("lua-smb restore", function()
  it("brings the newest back, or the one that is named, or a part", function()
    succeeds("backup", url, top)
    local name = json_of("snapshots", url, "--json")[1].name
    files.write(top .. "/a", "new")
    succeeds("backup", url, top)
    assert.matches("^3 files", (succeeds("restore", url, dir .. "/back", "--verify", "sha256")))
    assert.equal("new", files.read(dir .. "/back/a"))
    succeeds("restore", url, name, dir .. "/old", "--path", "a")
    assert.same({ a = "a" }, backups.read(dir .. "/old"))
    local summary = json_of("restore", url, dir .. "/none", "--dry-run", "--json", "--filter", "*.tmp")
    assert.same({ "x.tmp" }, { summary.actions[1].name, summary.actions[2] and summary.actions[2].name })
    assert.equal(2, run("restore", url, "yesterday", dir .. "/x").status)
  end)

  it("ends with 3 when a file is not what it was", function()
    local snap = json_of("backup", url, top, "--json")
    local place = share.on_server(("host1/%s/sub/b"):format(snap.name))
    shell.check { "touch", "-r", place, dir .. "/time" }
    files.write(place, "xx")
    shell.check { "touch", "-r", dir .. "/time", place }
    local ended = run("restore", url, dir .. "/back", "--verify", "sha256")
    assert.equal(3, ended.status)
    assert.matches("restore 'sub/b' on .*another SHA%-256", ended.stderr)
    assert.is_false(files.exists(dir .. "/back/sub/b"))
    assert.equal("a", files.read(dir .. "/back/a"))
  end)
end)

describe("lua-smb verify", function()
  it("ends with 1 when something differs, and says what", function()
    local snap = json_of("backup", url, top, "--json")
    assert.matches("3 files, no difference", (succeeds("verify", url, "--data", "--source", top)))
    os.remove(share.on_server(("host1/%s/a"):format(snap.name)))
    local ended = run("verify", url, snap.name)
    assert.equal(1, ended.status)
    assert.matches("\nmissing: a\n", ended.stdout)
    ended = run("verify", url, "--json")
    assert.same({ 1, "a", "missing" }, { ended.status, command.decoded(ended.stdout).differences[1].name,
      command.decoded(ended.stdout).differences[1].what })
  end)
end)

describe("lua-smb prune", function()
  it("says what it deletes, and refuses to keep nothing", function()
    for _ = 1, 3 do succeeds("backup", url, top) end
    local said = succeeds("prune", url, "--keep-last", "1", "--dry-run")
    local _, deleted = said:gsub("delete  %g+Z", "")
    assert.equal(2, deleted)
    assert.equal(3, #json_of("snapshots", url, "--json"))
    succeeds("prune", url, "--keep-last", "1", "--keep-within", "1d")
    assert.equal(3, #json_of("snapshots", url, "--json"))
    assert.equal(2, #json_of("prune", url, "--keep-last", "1", "--json").delete)
    assert.equal(1, #json_of("snapshots", url, "--json"))
    for _, words in ipairs { {}, { "--keep-daily", "0" }, { "--keep-daily", "x" }, { "--keep-within", "soon" } } do
      assert.equal(2, run("prune", url, table.unpack(words)).status)
    end
  end)
end)

describe("lua-smb unlock", function()
  it("removes a lock that keeps others out", function()
    local dest <close> = assert(smb.open(url))
    assert(dest:lock "")
    local ended = run("backup", url, top)
    assert.equal(1, ended.status)
    assert.matches("it is held by ", ended.stderr)
    assert.matches("removed", (succeeds("unlock", url)))
    succeeds("backup", url, top)
    assert.matches("there is no lock", (succeeds("unlock", url)))
  end)
end)
