-- Servers and disks that take a file and not its time; and what setting a time must leave alone.

local lfs = require "lfs"
local smb = require "smb"
local disktimes = require "spec.support.disktimes"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local on_server, assert_fails = share.on_server, share.assert_fails
local TIME = "1500000000.2500000"
local srv, dir, dest, tools

setup(function()
  tools = files.directory()
  srv, dir =
    share.start { shares = { backup = {} }, environment = disktimes.environment(tools, { refuse = "/foreign" }) }
end)

teardown(function()
  share.stop()
  files.remove(tools)
end)

local function open(options)
  local all = { retries = 0 }
  for key, value in pairs(options or {}) do all[key] = value end
  return assert(smb.open(srv:url "backup", all))
end

before_each(function()
  share.clean()
  lfs.mkdir(on_server "foreign")
  lfs.mkdir(on_server "own")
  dest = open()
end)

after_each(function() assert.is_true(dest:close()) end)

local function make(name, content) return files.write(on_server(name), content or "x") end
local function mtime_of(path) return shell.check({ "stat", "-c", "%.7Y", path }):match "%S+" end

local function touch(path, time)
  shell.check { "touch", "-d", "@" .. time, path }
  return path
end

local function source(name, content, time)
  return touch(files.write(dir .. "/local/" .. name, content), time or TIME)
end

local CONNECTIONS = { ["in clear"] = {}, encrypted = { encryption = "required" } }

for kind, options in pairs(CONNECTIONS) do
  describe("where the server does not let a file's time be set, " .. kind, function()
    before_each(function()
      dest:close()
      dest = open(options)
    end)

    -- Samba with 'inherit owner', some NAS: what had arrived was deleted, and there was no way out.
    it("put keeps what has arrived, and tells", function()
      local result = assert(dest:put(source("file", "content"), "foreign/file"))
      assert.is_false(result.mtime_kept)
      assert.matches("its time was refused", tostring(result))
      assert.equal("content", files.read(on_server "foreign/file"))
      assert.same({ "file" }, files.list(on_server "foreign"))
      assert.is_nil(assert(dest:put(source("file", "content"), "own/file")).mtime_kept)
      assert.equal(TIME, mtime_of(on_server "own/file"))
    end)

    it("put insists on the time where it is told to, and leaves the old file alone", function()
      make("foreign/file", "old")
      assert_fails("access_denied", dest:put(source("file", "content"), "foreign/file", { preserve_mtime = true }))
      assert.equal("old", files.read(on_server "foreign/file"))
      assert.same({ "file" }, files.list(on_server "foreign"))
    end)

    it("put does not try where it is told not to", function()
      local result = assert(dest:put(source("file", "content"), "foreign/file", { preserve_mtime = false }))
      assert.is_nil(result.mtime_kept)
      result = assert(dest:put(source("file", "content"), "own/file", { preserve_mtime = false }))
      assert.is_nil(result.mtime_kept)
      assert.not_equal(TIME, mtime_of(on_server "own/file"))
    end)

    it("a file of several connections is kept, too", function()
      local big = touch(files.make(dir .. "/local/big", 70 * 1024 * 1024), TIME)
      assert.is_false(assert(dest:put(big, "foreign/big")).mtime_kept)
      assert.equal(70 * 1024 * 1024, lfs.attributes(on_server "foreign/big", "size"))
    end)

    it("copy keeps the copy, and tells", function()
      touch(make("own/from", "content"), TIME)
      local ok, told = dest:copy("own/from", "foreign/to")
      assert.same({ true, false }, { ok, told.mtime_kept })
      assert.equal("content", files.read(on_server "foreign/to"))
      assert_fails("access_denied", dest:copy("own/from", "foreign/other", { preserve_mtime = true }))
      assert.same({ "to" }, files.list(on_server "foreign"))
      assert.same({ true }, { dest:copy("own/from", "own/to") })
      assert.equal(TIME, mtime_of(on_server "own/to"))
      assert.same({ true }, { dest:copy("own/from", "own/to", { preserve_mtime = false }) })
      assert.not_equal(TIME, mtime_of(on_server "own/to"))
    end)

    it("put_tree counts them", function()
      lfs.mkdir(dir .. "/local/tree")
      for i = 1, 5 do source("tree/" .. i, "content " .. i) end
      local summary = assert(dest:put_tree(dir .. "/local/tree", "foreign/tree"))
      assert.same({ 5, 5, 0 }, { summary.files, summary.times_refused, #summary.errors })
      assert.matches("5 times refused", tostring(summary))
      summary = assert(dest:put_tree(dir .. "/local/tree", "own/tree"))
      assert.same({ 5, 0 }, { summary.files, summary.times_refused })
      for i = 1, 5 do assert.equal(TIME, mtime_of(on_server("own/tree/" .. i))) end
      assert_fails("access_denied", dest:put_tree(dir .. "/local/tree", "foreign/other", { preserve_mtime = true }))
    end)

    it("utime says so, a folder's as well", function()
      make "foreign/file"
      assert_fails("access_denied", dest:utime("foreign/file", 1500000000))
      assert_fails("access_denied", dest:utime("foreign", 1500000000))
    end)
  end)

  -- libsmbclient takes a failure for a sign of an old server: from then on it sets whole seconds only, and no folder's
  -- time.
  describe("after a time could not be set, " .. kind, function()
    before_each(function()
      dest:close()
      dest = open(options)
    end)

    local failures = {
      ["of a missing file"] = function() assert_fails("not_found", dest:utime("own/missing", 1)) end,
      ["of a file in a missing folder"] = function() assert.is_nil(dest:utime("missing/file", 1)) end,
      ["that the server refuses"] = function()
        make "foreign/file"
        assert_fails("access_denied", dest:utime("foreign/file", 1))
      end,
      ["of a file that was put"] = function()
        assert.is_false(assert(dest:put(source("other", "x"), "foreign/other")).mtime_kept)
      end,
    }
    for name, fail in pairs(failures) do
      it(name .. ", others are set to the microsecond", function()
        make "own/file"
        lfs.mkdir(on_server "own/folder")
        for _ = 1, 2 do
          fail()
          assert.is_true(dest:utime("own/file", 1500000000.25))
          assert.equal(TIME, mtime_of(on_server "own/file"))
          fail()
          assert.is_true(dest:utime("own/folder", 1500000000.25))
          assert.equal(TIME, mtime_of(on_server "own/folder"))
          fail()
          assert.is_true(dest:utime("own/file", 0))
          assert.equal("0.0000000", mtime_of(on_server "own/file"))
          fail()
          assert.is_nil(assert(dest:put(source("file", "new"), "own/put")).mtime_kept)
          assert.equal(TIME, mtime_of(on_server "own/put"))
        end
      end)
    end

    it("a file that is open goes on", function()
      make "own/file"
      dest:close()
      dest = open { encryption = options.encryption, connections = 1 }
      local file = assert(dest:open("own/file", "w"))
      assert(file:write "one ")
      assert(file:flush())
      assert_fails("not_found", dest:utime("own/missing", 1))
      lfs.mkdir(on_server "own/folder")
      assert.is_true(dest:utime("own/folder", 1500000000.25))
      assert.equal(TIME, mtime_of(on_server "own/folder"))
      assert(file:write "two")
      assert(file:close())
      assert.equal("one two", files.read(on_server "own/file"))
    end)
  end)

  describe("setting a time, " .. kind, function()
    before_each(function()
      dest:close()
      dest = open(options)
    end)

    local function setmode(name, flags)
      shell.check { "smbclient", "-s", "/dev/null", "-p", srv.port, "-U", srv.user .. "%" .. srv.password,
        "//" .. srv.address .. "/backup", "-c", ('setmode "%s" -rsha; setmode "%s" +%s'):format(name, name, flags) }
    end

    local function listed(folder, name)
      for _, entry in ipairs(assert(dest:list(folder))) do
        if entry.name == name then return entry end
      end
    end

    -- PowerShell/PowerShell#15022, rclone/rclone#7308.
    it("leaves the other attributes alone", function()
      local fields = { r = "readonly", h = "hidden", s = "system", a = "archive" }
      for _, flags in ipairs { "r", "h", "s", "a", "rhsa", "ha" } do
        for _, what in ipairs { "file", "folder" } do
          local name = what .. "-" .. flags
          if what == "file" then make("own/" .. name) else lfs.mkdir(on_server("own/" .. name)) end
          local is_kept = what == "file" or not flags:find "r" -- Samba's permission bits cannot say it of a folder
          setmode("own/" .. name, flags)
          local before = listed("own", name)
          assert.is_true(dest:utime("own/" .. name, 1500000000.25))
          local after = listed("own", name)
          assert.equal(1500000000.25, after.mtime)
          for letter, field in pairs(fields) do
            assert.equal(before[field], after[field], name .. " " .. field)
            if what == "file" and is_kept then
              assert.equal(flags:find(letter) ~= nil, after[field], name .. " " .. field)
            end
          end
        end
      end
      local before = listed("", "own")
      assert.is_true(dest:utime("", 1500000000))
      assert.same(before, listed("", "own"))
    end)

    it("leaves what was put its archive flag", function()
      assert(dest:put(source("file", "content"), "own/file"))
      assert.is_true(dest:stat "own/file".archive)
      assert(dest:copy("own/file", "own/copy"))
      assert.is_true(dest:stat "own/copy".archive)
    end)

    it("leaves a file that is replaced, and one that is copied, hidden and system", function()
      make "own/file"
      setmode("own/file", "hs")
      assert(dest:put(source("file", "content"), "own/file"))
      assert(dest:copy("own/file", "own/copy"))
      for _, name in ipairs { "own/file", "own/copy" } do
        local entry = dest:stat(name)
        assert.same({ true, true, true, false }, { entry.hidden, entry.system, entry.archive, entry.readonly })
        assert.equal("content", files.read(on_server(name)))
        assert.equal(TIME, mtime_of(on_server(name)))
      end
    end)
  end)
end

it("a put costs as many round trips as it did", function()
  local function count(fn)
    local before = dest.info.round_trips
    fn()
    return dest.info.round_trips - before
  end
  local path = source("file", "content")
  assert(dest:put(path, "own/warm"))
  assert.is_true(count(function() assert(dest:put(path, "own/new")) end) <= 12)
  assert.is_true(count(function() assert(dest:put(path, "own/new")) end) <= 21)
  assert(dest:put(path, "foreign/first"))
  assert.is_true(count(function() assert(dest:put(path, "foreign/second")) end) <= 15)
end)
