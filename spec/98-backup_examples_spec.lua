-- What docs/backups.md and the examples of snapshots say: run as they stand.

local lfs = require "lfs"
local backups = require "spec.support.backups"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local HERE = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
local ROOM = BUILD:find "^/" and BUILD or HERE .. "/" .. BUILD

local srv, base, dir, url

local function script(name, body)
  files.write(base .. "/bin/" .. name, "#!/bin/sh\n" .. body .. "\n")
  shell.check { "chmod", "755", base .. "/bin/" .. name }
end

setup(function()
  srv, base = share.start { log_level = "0" }
  dir = base .. "/local"
  lfs.mkdir(base .. "/bin")
  shell.check { "ln", "-s", HERE .. "/bin/lua-smb", base .. "/bin/lua-smb" }
  files.write(base .. "/credentials", "username=bob\npassword=s3cret\n")
  shell.check { "chmod", "600", base .. "/credentials" }
  url = ("smb://%s:%d/backup/host1?credentials-file=%s/credentials"):format(srv.address, srv.port, base)
end)

teardown(share.stop)

before_each(function()
  share.clean()
  backups.make(dir, { ["srv/data/report.pdf"] = "report", ["srv/data/sub/b"] = "b", ["etc/hosts"] = "hosts",
    ["home/bob/a"] = "a" })
  lfs.mkdir(dir .. "/tmp")
end)

-- The server, the credentials and the folders that the examples name are here.
local function placed(text)
  return (text:gsub("nas/backup", ("%s:%d/backup"):format(srv.address, srv.port))
    :gsub("/root/%.smbcredentials", base .. "/credentials"):gsub("/srv/data", dir .. "/srv/data")
    :gsub("/tmp/", dir .. "/tmp/"):gsub("/var/log/", dir .. "/tmp/"):gsub(" /etc /home",
      (" %s/etc %s/home"):format(dir, dir))
    :gsub("/usr/local/bin/lua%-smb", base .. "/bin/lua-smb"))
end

local function run(words, settings)
  local line = { "env", "-C", dir, ("PATH=%s/bin:%s"):format(base, os.getenv "PATH"),
    ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(HERE, HERE), ("LUA_CPATH_5_4=%s/?.so;;"):format(ROOM),
    table.unpack(settings or {}) }
  return shell.run(shell.quote(table.move(words, 1, #words, #line + 1, line)) .. " </dev/null")
end

local function example(name, ...)
  return { "lua5.4", HERE .. "/examples/" .. name, ... }
end

describe("docs/backups.md", function()
  it("is right from top to bottom", function()
    local text = files.read "docs/backups.md"
    local count = 0
    for kind, block in text:gmatch "\n```(%l+)\n(.-)\n```" do
      count = count + 1
      local place = files.write(dir .. "/tmp/block", placed(block))
      local ok, output = run(kind == "lua" and { "lua5.4", place } or { "sh", "-e", place })
      assert(ok, block .. "\n" .. output)
    end
    assert.equal(5, count)
    assert.equal("report", files.read(dir .. "/tmp/one/report.pdf"))
    assert.equal("report", files.read(dir .. "/tmp/restored2/report.pdf"))
    assert.matches("snapshot: begins", files.read(dir .. "/tmp/backup.log"))
  end)

  it("has a line for cron that works", function()
    local line = files.read("docs/backups.md"):match "\n    15 2 %* %* %*  root  ([^\n]+)\n"
    local ok, output = run { "sh", "-c", placed(line) }
    assert.is_true(ok, output)
    assert.equal("", (output:gsub("lua%-smb: the first snapshot is there[^\n]*\n", "")))
    assert.equal(1, #assert(smb.backup(assert(smb.open(url))):list()))
  end)
end)

describe("examples/nightly.lua", function()
  it("makes a snapshot, deletes old ones and reads the newest back", function()
    for _ = 1, 5 do
      local ok, output = run(example("nightly.lua", url, dir .. "/srv/data"), { "NIGHTLY_VERIFY=1" })
      assert.is_true(ok, output)
      assert.matches("2 files, 7 B", output)
      assert.matches("no difference", output)
    end
    assert.equal(3, #assert(smb.backup(assert(smb.open(url))):list()))
  end)

  it("sends a mail when something fails", function()
    script("sendmail", "cat >" .. dir .. "/mail")
    local mail = { "MAILTO=admin@example.org", "SENDMAIL=sendmail" }
    assert.is_true((run(example("nightly.lua", url, dir .. "/etc", dir .. "/home"), mail)))
    assert.is_false(files.exists(dir .. "/mail"))
    local _, _, status = run(example("nightly.lua", url, dir .. "/nothing"), mail)
    assert.equal(1, status)
    assert.matches("^To: admin@example.org\nSubject: the backup failed\n\nFAILED snapshot .*nothing", files.read(dir
      .. "/mail"))
    files.write(dir .. "/etc/" .. ("*"):rep(100), "x")
    _, _, status = run(example("nightly.lua", url, dir .. "/etc"), mail)
    assert.equal(3, status)
    assert.matches("FAILED snapshot '%*", files.read(dir .. "/mail"))
  end)
end)

describe("examples/restore-one.lua", function()
  it("finds a file in the newest snapshot that has it", function()
    local repo = smb.backup(assert(smb.open(url)))
    local first = assert(repo:snapshot(dir .. "/srv/data"))
    os.remove(dir .. "/srv/data/report.pdf")
    assert(repo:snapshot(dir .. "/srv/data"))
    local ok, output = run(example("restore-one.lua", url, "report.pdf", dir .. "/back"))
    assert.is_true(ok, output)
    assert.matches("1 file, .*, from " .. first.name:gsub("%p", "%%%0"), output)
    assert.equal("report", files.read(dir .. "/back/report.pdf"))
    local _, said, status = run(example("restore-one.lua", url, "nothing", dir .. "/back"))
    assert.equal(1, status)
    assert.matches("'nothing' is in no snapshot", said)
  end)
end)

if shell.run "command -v age && command -v zstd" then
  describe("examples/dump.lua", function()
    local recipient

    before_each(function()
      script("pg_dump", "echo \"create table $1;\"")
      recipient = shell.check({ "age-keygen", "-o", dir .. "/key" }):match "age1%w+"
    end)

    it("puts a database into a dated file, compressed and encrypted, and deletes old ones", function()
      for month = 1, 20 do
        local old = ("host1/shop-%d-%02d-01T000000Z.sql.zst.age"):format(2000 + month // 12, month % 12 + 1)
        backups.make(share.on_server "", { [old] = "old" })
      end
      files.write(share.on_server "host1/other-2001-01-01T000000Z.sql.zst.age", "another's")
      local ok, output = run(example("dump.lua", url, "shop", recipient))
      assert.is_true(ok, output)
      local name = output:match "^(shop%-%g+%.sql%.zst%.age)\t"
      assert.equal("create table shop;\n", shell.check(("age -d -i %s/key %s | zstd -dq"):format(dir,
        share.on_server("host1/" .. name))))
      local left = files.list(share.on_server "host1")
      assert.is_true(#left < 20, #left)
      assert.is_true(files.exists(share.on_server "host1/other-2001-01-01T000000Z.sql.zst.age"))
    end)

    it("puts nothing into place when the database cannot be dumped", function()
      script("pg_dump", "echo half; exit 1")
      local ok, output = run(example("dump.lua", url, "shop", recipient))
      assert.is_false(ok)
      assert.matches("'pg_dump'%) failed", output)
      assert.same({ "host1" }, share.everything_below())
    end)
  end)
end

describe("examples/systemd", function()
  local service = files.read "examples/systemd/lua-smb-backup.service"

  -- As the service runs them: its credentials in a folder, no way to more rights, no rights but to read.
  it("has commands that work with the rights that the service leaves them", function()
    lfs.mkdir(dir .. "/credentials")
    shell.check { "cp", "-p", base .. "/credentials", dir .. "/credentials/smb" }
    local confined = { "setpriv", "--no-new-privs" }
    if shell.run { "setpriv", "--bounding-set=-all,+dac_read_search", "true" } then
      confined[#confined + 1] = "--bounding-set=-all,+dac_read_search"
    end
    local count = 0
    for line in service:gmatch "\nExecStart=([^\n]+)" do
      count = count + 1
      local text = placed(line):gsub("%${CREDENTIALS_DIRECTORY}", dir .. "/credentials")
      local ok, output = run(table.move({ "sh", "-c", text }, 1, 3, #confined + 1, { table.unpack(confined) }))
      assert(ok, line .. "\n" .. output)
    end
    assert.equal(2, count)
    assert.equal(1, #assert(smb.backup(assert(smb.open(url))):list()))
  end)

  if shell.run "command -v systemd-analyze" then
    it("is what systemd understands", function()
      for _, name in ipairs { "service", "timer" } do
        local text = files.read("examples/systemd/lua-smb-backup." .. name):gsub("/usr/local/bin/lua%-smb", "/bin/true")
        files.write(dir .. "/lua-smb-backup." .. name, text)
      end
      local _, output = shell.run { "systemd-analyze", "verify", "--recursive-errors=no", dir
        .. "/lua-smb-backup.service",
        dir .. "/lua-smb-backup.timer" }
      assert.is_nil(output:find "lua%-smb%-backup%.%l+:%d+:", output)
    end)
  end
end)
