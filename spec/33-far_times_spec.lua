-- Times far off: of 1601 and before, of 2446 and after. Servers' disks and local ones that hold them, and such that set
-- the nearest that they hold, and say that all is well (ext4, XFS, FAT).
-- Public reports: TalAloni/SMBLibrary#183 and #280 (NTFS's zero, cameras, archives).

local lfs = require "lfs"
local smb = require "smb"
local child = require "spec.support.child"
local disktimes = require "spec.support.disktimes"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local ZERO = "-11644473600" -- FILETIME's, the beginning of 1601
local FIRST, LAST = -2147483648, 15032385535 -- of ext4: 1901, 2446
local ZIP = 315532800 -- 1980, where FAT begins
-- By year; the last that SMB holds is in 30828.
local HELD = { [1601] = "-11644473599.5", [1700] = "-8520336000", [1969] = "-1.5", [2038] = "2147483648.25",
  [2446] = "15032385535", [2500] = "16725225600", [30828] = "910670515199" }
local BEYOND = { [1600] = "-11676096000", [40000] = "1200000000000" } -- no server is told these
local tools

setup(function() tools = files.directory() end)
teardown(function() files.remove(tools) end)

local function touch(path, time)
  shell.check { "touch", "-d", "@" .. time, path }
  return path
end

local function mtime_of(path) return tonumber((shell.check({ "stat", "-c", "%.7Y", path }):match "%S+")) end

-- A server with all its disks in memory, which hold any time; `how`: what the share "backup" makes of times all the
-- same. What is local is in "here".
local function with_server(how, fn)
  local srv <close> = server.start { shares = { backup = {}, here = {} }, tmpfs = true,
    environment = how and disktimes.environment(tools, how) }
  local dest <close> = assert(smb.open(srv:url "backup", { retries = 0 }))
  fn(srv, dest, srv:path "here")
end

local function with_all(times, fn)
  for year, time in pairs(times) do fn(time, tostring(year)) end
end

local function make_tree(here, ...)
  local tree, count = here .. "/tree", 0
  lfs.mkdir(tree)
  for _, times in ipairs { ... } do
    with_all(times, function(time, year)
      touch(files.write(tree .. "/" .. year, "content"), time)
      count = count + 1
    end)
  end
  return tree, count
end

local function counts(summary) return { summary.files, summary.unchanged, summary.times_refused, #summary.errors } end

describe("times far off", function()
  if os.getenv "LUA_SMB_SANDBOX" ~= "1" then
    return pending "needs spec/support/sandbox: disks in memory hold any time"
  end

  describe("a time far off that all disks hold", function()
    it("goes and comes with put and get, and is kept", function()
      with_server(nil, function(srv, dest, here)
        with_all(HELD, function(time, year)
          local path = touch(files.write(here .. "/source", "content"), time)
          local result = assert(dest:put(path, year, { preserve_mtime = true }))
          assert.is_nil(result.mtime_kept, year)
          -- the first second of 1601 is one moment
          assert.near(tonumber(time), mtime_of(srv:path("backup", year)), 1, year)
          assert.is_nil(assert(dest:get(year, here .. "/got", { preserve_mtime = true })).mtime_kept, year)
          assert.equal(mtime_of(srv:path("backup", year)), mtime_of(here .. "/got"), year)
        end)
      end)
    end)

    it("is sent by put_tree once, and fetched by get_tree once", function()
      with_server(nil, function(_, dest, here)
        local tree, count = make_tree(here, HELD)
        assert.same({ count, 0, 0, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        assert.same({ 0, count, 0, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        assert.same({ count, 0, 0, 0 }, counts(assert(dest:get_tree("tree", here .. "/got"))))
        assert.same({ 0, count, 0, 0 }, counts(assert(dest:get_tree("tree", here .. "/got"))))
        assert.same({ 0, count, 0, 0 }, counts(assert(dest:put_tree(here .. "/got", "tree"))))
      end)
    end)
  end)

  -- Windows gives a file without a time FILETIME's 0; libsmbclient tells that as if there were nothing to set.
  it("NTFS's zero and the end of 30828, as a server has them, are fetched as they are", function()
    with_server(nil, function(srv, dest, here)
      lfs.mkdir(srv:path("backup", "tree"))
      local times = { zero = ZERO, last = "910692730085", after = "920000000000" }
      local told = { zero = tonumber(ZERO), last = 910692730085, after = 910692730085.4775807 }
      for name, time in pairs(times) do
        local text = "tree/" .. name
        touch(files.write(srv:path("backup", text), "content"), time)
        assert.near(told[name], dest:stat(text).mtime, 1e-3, name)
        assert.is_nil(assert(dest:get(text, here .. "/got", { preserve_mtime = true })).mtime_kept, name)
        assert.near(told[name], mtime_of(here .. "/got"), 1e-3, name)
      end
      assert.same({ 3, 0, 0, 0 }, counts(assert(dest:get_tree("tree", here .. "/tree"))))
      assert.same({ 0, 3, 0, 0 }, counts(assert(dest:get_tree("tree", here .. "/tree"))))
      assert.equal("content", files.read(here .. "/tree/zero"))
    end)
  end)

  describe("a local time that SMB cannot hold", function()
    it("does not keep put from sending the file, and is told", function()
      with_server(nil, function(srv, dest, here)
        with_all(BEYOND, function(time, year)
          local path = touch(files.write(here .. "/source", "content"), time)
          assert.is_false(assert(dest:put(path, year)).mtime_kept, year)
          assert.equal("content", files.read(srv:path("backup", year)))
          assert.is_nil(assert(dest:put(path, year, { preserve_mtime = false })).mtime_kept)
          local result, message, code = dest:put(path, "other", { preserve_mtime = true })
          assert.same({ nil, "unsupported" }, { result, code })
          assert.matches("SMB cannot hold its time", message)
          assert.is_false(files.exists(srv:path("backup", "other")))
        end)
      end)
    end)

    it("does not keep put_tree from sending the files, which the next run leaves alone", function()
      with_server(nil, function(srv, dest, here)
        local tree = make_tree(here, BEYOND)
        assert.same({ 2, 0, 2, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        local later <close> = assert(smb.open(srv:url "backup", { retries = 0 }))
        assert.same({ 0, 2, 0, 0 }, counts(assert(later:put_tree(tree, "tree"))))
      end)
    end)
  end)

  describe("a server whose disk does not reach as far as a time", function()
    local DISK = { first = FIRST, last = LAST }
    local LOST =
      { [1600] = BEYOND[1600], [1601] = HELD[1601], [1700] = HELD[1700], [2500] = HELD[2500], [30828] = HELD[30828] }
    local KEPT = { [1969] = HELD[1969], [2038] = HELD[2038], [2446] = HELD[2446], [2020] = "1600000000.5" }

    it("has put tell so, and insist where it is told to", function()
      with_server(DISK, function(srv, dest, here)
        local source = files.write(here .. "/source", "content")
        with_all(LOST, function(time, year)
          assert.is_false(assert(dest:put(touch(source, time), year)).mtime_kept, year)
          assert.equal("content", files.read(srv:path("backup", year)))
          files.write(srv:path("backup", year), "old")
          local result, _, code = dest:put(source, year, { preserve_mtime = true })
          assert.same({ nil, "unsupported" }, { result, code }, year)
          assert.equal("old", files.read(srv:path("backup", year)))
          assert.is_nil(assert(dest:put(source, year, { preserve_mtime = false })).mtime_kept, year)
          assert.is_false(assert(dest:put(source, year, { in_place = true })).mtime_kept, year)
        end)
        assert.equal(5, #files.list(srv:path "backup"))
        with_all(KEPT, function(time, year)
          assert.is_nil(assert(dest:put(touch(source, time), year, { preserve_mtime = true })).mtime_kept, year)
          assert.equal(tonumber(time), mtime_of(srv:path("backup", year)))
        end)
      end)
    end)

    it("has a put over several connections tell so, too", function()
      with_server(DISK, function(_, dest, here)
        local big = touch(files.make(here .. "/big", 70 * 1024 * 1024), HELD[2500])
        assert.is_false(assert(dest:put(big, "big")).mtime_kept)
        local _, _, code = dest:put(big, "other", { preserve_mtime = true })
        assert.equal("unsupported", code)
        assert.same({ "big" }, { dest:list()[1].name, dest:list()[2] })
      end)
    end)

    it("has an encrypted connection tell so, too", function()
      with_server(DISK, function(srv, _, here)
        local dest <close> = assert(smb.open(srv:url "backup", { retries = 0, encryption = "required" }))
        local source = touch(files.write(here .. "/source", "content"), HELD[1700])
        assert.is_false(assert(dest:put(source, "file")).mtime_kept)
        assert.is_nil(assert(dest:put(touch(source, HELD[2038]), "file")).mtime_kept)
      end)
    end)

    -- The time that the server gave instead is known as long as the destination is open.
    it("has put_tree count such files, and not send them again while it is open", function()
      with_server(DISK, function(srv, dest, here)
        local tree = make_tree(here, LOST, KEPT)
        assert.same({ 9, 0, 5, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        assert.same({ 0, 9, 0, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        assert.same({ 0, 9, 0, 0 },
          counts(assert(dest:put_tree(tree, "tree", { filter = function() return true end }))))
        local later <close> = assert(smb.open(srv:url "backup", { retries = 0 }))
        assert.same({ 5, 4, 5, 0 }, counts(assert(later:put_tree(tree, "tree"))))
        assert.same({ 0, 9, 0, 0 }, counts(assert(later:put_tree(tree, "tree"))))
      end)
    end)

    it("has put_tree send such a file when it, or the one on the share, is another since", function()
      with_server(DISK, function(srv, dest, here)
        local tree = make_tree(here, LOST, KEPT)
        assert(dest:put_tree(tree, "tree"))
        touch(files.write(tree .. "/1700", "CONTENT"), "-8520336001") -- the disk makes the same of it
        touch(files.write(srv:path("backup", "tree/2500"), "another"), "1600000000")
        assert.same({ 2, 7, 2, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        assert.equal("CONTENT", files.read(srv:path("backup", "tree/1700")))
        assert.equal("content", files.read(srv:path("backup", "tree/2500")))
        assert.same({ 0, 9, 0, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
      end)
    end)

    it("has put_tree fail where it is to insist", function()
      with_server(DISK, function(srv, dest, here)
        local tree = make_tree(here, LOST, KEPT)
        local summary = assert(dest:put_tree(tree, "tree", { preserve_mtime = true, on_error = "continue" }))
        assert.same({ 4, 0, 0, 5 }, counts(summary))
        for _, each in ipairs(summary.errors) do assert.equal("unsupported", each.code) end
        assert.equal(4, #files.list(srv:path("backup", "tree")))
      end)
    end)

    it("has copy tell so, too", function()
      with_server(DISK, function(srv, dest)
        touch(files.write(srv:path("backup", "from"), "content"), HELD[2500]) -- as another system has set it
        local ok, told = dest:copy("from", "to")
        assert.same({ true, false }, { ok, told and told.mtime_kept })
        local _, _, code = dest:copy("from", "other", { preserve_mtime = true })
        assert.equal("unsupported", code)
        assert.same({ "from", "to" }, files.list(srv:path "backup"))
      end)
    end)

    it("has utime tell so, a folder's as well", function()
      with_server(DISK, function(srv, dest)
        files.write(srv:path("backup", "file"), "content")
        lfs.mkdir(srv:path("backup", "folder"))
        for _, name in ipairs { "file", "folder" } do
          for _, times in ipairs { HELD, LOST } do
            with_all(times, function(time, year)
              if BEYOND[tonumber(year)] then return end -- refused beforehand
              local ok, message, code = dest:utime(name, tonumber(time))
              if LOST[tonumber(year)] then
                assert.same({ nil, "unsupported" }, { ok, code }, year)
                assert.matches("the server's disk cannot keep that time", message)
              else
                assert.is_true(ok, year)
              end
            end)
          end
        end
      end)
    end)

    -- Archives without times are unpacked with 1970, where FAT begins ten years later.
    it("has put tell so of 1970 on FAT", function()
      with_server({ step = 2000000000, first = ZIP, last = 4354819198 }, function(srv, dest, here)
        local tree =
          make_tree(here, { none = "0", one = "1", odd = "1600000001", first = tostring(ZIP), late = "5000000000" })
        assert.same({ 5, 0, 3, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        assert.same({ 0, 5, 0, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        assert.equal(ZIP, mtime_of(srv:path("backup", "tree/none")))
      end)
    end)

    it("is asked once more for such a time only", function()
      with_server(DISK, function(_, dest, here)
        local source = files.write(here .. "/source", "content")
        assert(dest:put(source, "warm"))
        local function count(time, name)
          touch(source, time)
          local before = dest.info.round_trips
          assert(dest:put(source, name))
          return dest.info.round_trips - before
        end
        local usual = count("1600000000", "a")
        assert.equal(usual, count("2147483647", "b"))
        assert.is_true(count("2147483648", "c") <= usual + 3) -- to open, to ask, to close
        assert.is_true(count(HELD[2500], "d") <= usual + 3)
      end)
    end)
  end)

  -- A backup of an odd server that is restored onto ext4.
  it("a local disk that does not reach as far as the server's times is told of, and its files are fetched once",
    function()
    with_server(nil, function(srv, dest, here)
      local tree, count = make_tree(here, HELD)
      assert(dest:put_tree(tree, "tree"))
      local words, disk = { "env" }, disktimes.environment(tools, { first = FIRST, last = LAST })
      for key, value in pairs(disk) do words[#words + 1] = key .. "=" .. value end
      local said = child.start_under(words, here, [[
        local dest <close> = assert(smb.open(%q, { retries = 0 }))
        local here = %q
        for _ = 1, 2 do
          local summary = assert(dest:get_tree("tree", here .. "/got"))
          say(summary.files .. " " .. summary.unchanged .. " " .. summary.times_refused)
        end
        say(assert(dest:get("tree/1700", here .. "/one")).mtime_kept)
        say(assert(dest:get("tree/2038", here .. "/one")).mtime_kept)
        say(select(3, dest:get("tree/2500", here .. "/one", { preserve_mtime = true })))]],
        srv:url "backup", here):await_end()
      assert.equal(("%d 0 4\n0 %d 0\nfalse\nnil\nlocal_io\n"):format(count, count), said)
      assert.equal(2147483648.25, mtime_of(here .. "/one"))
    end)
  end)
end)
