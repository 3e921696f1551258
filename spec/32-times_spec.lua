-- Modification times on a share: what is set, what is kept, what is told.

local smb = require "smb"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local on_server = share.on_server
local srv, dir, dest

setup(function() srv, dir = share.start { shares = { backup = {} } } end)
teardown(share.stop)

before_each(function()
  share.clean()
  dest = assert(smb.open(srv:url "backup", { retries = 0 }))
end)

after_each(function() assert.is_true(dest:close()) end)

local function make(name, content) return files.write(on_server(name), content or "x") end

-- Seconds as text: a float does not hold all digits.
local function mtime_of(path) return shell.check({ "stat", "-c", "%.7Y", path }):match "%S+" end

local function touch(path, time)
  shell.check { "touch", "-d", "@" .. time, path }
  return path
end

describe("a time that is read and set again", function()
  -- rclone/rclone#5071, owncloud/client#1190: cut instead of rounded, it goes back by a microsecond each time.
  it("stays what it was", function()
    make "file"
    for i = 1, 60 do
      assert(dest:utime("file", 1796052355 + math.random(999999) / 1e6))
      local before = mtime_of(on_server "file")
      assert(dest:utime("file", dest:stat "file".mtime))
      assert.equal(before, mtime_of(on_server "file"), i)
    end
  end)

  it("is rounded to the microsecond where the server keeps more", function()
    touch(make "file", "1600000000.1234567")
    assert(dest:utime("file", dest:stat "file".mtime))
    assert.equal("1600000000.1234570", mtime_of(on_server "file"))
  end)

  it("that put gives is the local one, rounded to the microsecond", function()
    local source = files.write(dir .. "/local/source", "content")
    for given,
      kept in pairs { ["1600000000.123456500"] = "1600000000.1234570", ["1600000000.999999900"] = "1600000001.0000000",
      ["-1.000000400"] = "-1.0000000", ["1600000000.000000449"] = "1600000000.0000000" } do
      touch(source, given)
      assert(dest:put(source, "file"))
      assert.equal(kept, mtime_of(on_server "file"), given)
    end
  end)

  it("that get gives is the server's to its last digit", function()
    touch(make "file", "1600000000.1234567")
    assert(dest:get("file", dir .. "/local/got"))
    assert.equal("1600000000.1234567", mtime_of(dir .. "/local/got"))
  end)
end)

describe("a time far off", function()
  -- NTFS's zero, cameras' and archives' odd dates: TalAloni/SMBLibrary#183, #280.
  it("goes and comes like any other", function()
    local source = files.write(dir .. "/local/source", "content")
    for _, time in ipairs { "-2147483000", "-1", "0", "2147483648.5", "4294967296", "9223372037.25", "10000000000" } do
      touch(source, time)
      local wanted = mtime_of(source)
      assert(dest:put(source, "file"))
      assert.equal(wanted, mtime_of(on_server "file"), time)
      assert.equal(tonumber(wanted), dest:stat "file".mtime)
      assert.equal(tonumber(wanted), dest:list()[1].mtime)
      assert(dest:get("file", dir .. "/local/got"))
      assert.equal(wanted, mtime_of(dir .. "/local/got"), time)
    end
  end)

  it("can be set with utime, too", function()
    make "file"
    for _, time in ipairs { 0, -1, -2, -2147483000, 4294967296.25, 10000000000.5 } do
      assert.is_true(dest:utime("file", time))
      assert.equal(time, dest:stat "file".mtime)
    end
    for _, time in ipairs { -11644473601, 910692730086, math.huge, 0 / 0 } do
      local ok, problem = pcall(dest.utime, dest, "file", time)
      assert.is_false(ok)
      assert.matches("a time from 1601 to 30828", problem)
    end
  end)
end)

