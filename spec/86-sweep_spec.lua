-- What crashed runs leave behind: while a file is replaced one whole copy is on the share at every moment, what was
-- moved aside gets its name back, and `sweep` removes the rest when it is old. The network is
-- spec/support/faultproxy.c.

local lfs = require "lfs"
local files = require "spec.support.files"
local names = require "smb.name"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"
local transfer = require "smb.transfer"

local HOUR = 3600
local OLD, NEW = files.content(3000, 1), files.content(5000, 2)
local real_time = os.time

local on_server, everything, assert_fails = share.on_server, share.everything_below, share.assert_fails

local srv, net, dest, source

setup(function()
  local dir
  srv, dir = share.start { shares = { backup = {}, frozen = { ["read only"] = "yes" },
    born = { ["store dos attributes"] = "yes" } } } -- where files have a time of birth
  net = share.network()
  source = files.write(dir .. "/source", NEW)
end)

teardown(share.stop)

local function open(options)
  options = options or {}
  options.retries = options.retries or 0
  dest = assert(smb.open(net:url "backup", options))
end

before_each(share.clean)

after_each(function()
  os.time = real_time -- luacheck: ignore 122
  net:tell "calm"
  net:tell "go"
  dest:close()
end)

-- A file's time of change is nobody's to set: instead of the file getting older, the clock is put forward. The server's
-- is taken to be as much ahead of it as when it was connected to.
local function later(seconds)
  os.time = function(...) return real_time(...) + (... == nil and seconds or 0) end -- luacheck: ignore 122
end

local function put_there(...)
  for _, name in ipairs { ... } do
    if name:find "/$" then lfs.mkdir(on_server(name)) else files.write(on_server(name), OLD) end
  end
end

local function assert_swept(removed, restored, swept, message)
  assert.is_nil(message)
  table.sort(swept)
  table.sort(swept.restored)
  assert.same(removed, { table.unpack(swept) })
  assert.same(restored, swept.restored)
end

local replacing = {
  put = function() return dest:put(source, "file") end,
  write = function() return dest:write("file", NEW) end,
  copy = function() return dest:copy("other", "file") end,
  rename = function() return dest:rename("other", "file") end,
}

local function arrange()
  share.clean()
  files.write(on_server "file", OLD)
  files.write(on_server "other", NEW)
  assert(dest:exists "") -- so that there is a connection
end

-- The whole copies that are on the share: under the file's name, or aside.
local function assert_whole_copy(what)
  local copies = 0
  for _, name in ipairs(everything()) do
    local content = files.read(on_server(name))
    if name == "file" then assert.is_true(content == OLD or content == NEW, what) end
    if name:find "%.aside$" then assert.is_true(content == OLD, what) end
    if name == "file" or name:find "%.aside$" then copies = copies + 1 end
  end
  assert.is_true(copies >= 1, what .. ": there is no whole copy")
end

-- Calls fn(k) for each frame that the call sends, or each `step`th from `first` on, until there are no more.
local function each_frame(call, fault, fn, first, step)
  local frame, over = (first or 1) - (step or 1), false
  while not over do
    frame = frame + (step or 1)
    arrange()
    local before = net:stats().faults
    net:tell(fault, frame)
    fn(frame, call)
    over = net:stats().faults == before
    net:tell "calm"
    net:tell "go"
    assert.is_true(frame < 100)
  end
  assert.is_true(frame > 3, "no fault came")
end

describe("replacing by", function()
  for name, call in pairs(replacing) do
    it(name .. " keeps one whole copy at every moment", function()
      open()
      each_frame(call, "stall-frame", function(frame)
        local looked
        local faults_before = net:stats().faults
        debug.sethook(function() -- looks as soon as the network stands still
          if looked or net:stats().faults == faults_before then return end
          looked = true
          debug.sethook()
          assert_whole_copy(("at frame %d"):format(frame))
          net:tell "calm"
          net:tell "go"
        end, "", 100)
        local result, message = call()
        debug.sethook()
        assert.is_nil(message)
        assert.is_truthy(result)
        assert.is_true(files.read(on_server "file") == NEW)
      end)
    end)

    -- Half of the frames each: whatever mends them finds the same.
    local function broken(what, first, mend)
      it(("%s may break anywhere, and is mended by %s"):format(name, what), function()
        open()
        each_frame(call, "cut-frame", function(frame)
          net:tell "refuse"
          local result = call()
          net:tell "calm"
          assert_whole_copy(("at frame %d"):format(frame))
          mend(result)
          assert.is_nil(table.concat(everything(), " "):match "aside")
        end, first, 2)
      end)
    end

    broken("sweep", 1, function(result)
      local swept = assert(dest:sweep("", { older_than = -10 }))
      local content = files.read(on_server "file")
      assert.is_true(content == NEW or (not result and content == OLD))
      assert.is_true(#swept.restored <= 1)
      assert.is_nil(table.concat(everything(), " "):match "part")
    end)

    broken("the next put", 2, function()
      assert(dest:put(source, "file"))
      assert.is_true(files.read(on_server "file") == NEW)
    end)
  end
end)

-- Everything below holds encrypted, too, where other answers tell a file's times.
for _, encryption in ipairs { "default", "required" } do
  local how = encryption == "required" and ", encrypted" or ""

  describe("a file that was moved aside" .. how, function()
    local aside

    before_each(function()
      open { encryption = encryption }
      aside = transfer.target "file".aside
      put_there(aside)
    end)

    it("is put back by sweep, whatever its age", function()
      assert_swept({}, { "file" }, dest:sweep())
      assert.same({ "file" }, everything())
      assert.is_true(files.read(on_server "file") == OLD)
    end)

    it("by another host is put back by sweep, too", function()
      share.clean()
      put_there "file.00000000.aside"
      assert_swept({}, { "file" }, dest:sweep())
      assert.same({ "file" }, everything())
    end)

    it("is put back by the next put of its name, and replaced", function()
      assert(dest:put(source, "file"))
      assert.same({ "file" }, everything())
      assert.is_true(files.read(on_server "file") == NEW)
    end)

    it("is put back by a put that replaces nothing", function()
      assert_fails("exists", dest:put(source, "file", { overwrite = false }))
      assert.same({ "file" }, everything())
      assert.is_true(files.read(on_server "file") == OLD)
    end)

    it("is put back by a write that fails", function()
      assert.is_nil(dest:write("file", function() return nil, "no" end))
      assert.same({ "file" }, everything())
      assert.is_true(files.read(on_server "file") == OLD)
    end)

    it("is of no interest to another name's put", function()
      assert(dest:put(source, "file2"))
      assert.same({ aside, "file2" }, everything())
    end)

    it("and replaced goes when it is old", function()
      files.write(on_server "file", NEW)
      assert_swept({}, {}, dest:sweep())
      assert.same({ "file", aside }, everything())
      later(25 * HOUR)
      assert_swept({ aside }, {}, dest:sweep())
      assert.same({ "file" }, everything())
      assert.is_true(files.read(on_server "file") == NEW)
    end)

    -- Names of more than 50 bytes are shortened: no temporary name is longer than its file's, or than any server's
    -- limit.
    it("under a shortened name goes when it is old, and its file is there", function()
      share.clean()
      lfs.mkdir(on_server "sub")
      for _, long in ipairs { ("n"):rep(51), "sub/" .. ("ü"):rep(71) } do
        local short = transfer.target(long).aside
        put_there(long, long .. ".other", short)
        assert_swept({}, {}, dest:sweep())
        later(25 * HOUR)
        assert_swept({ short }, {}, dest:sweep())
        later(0)
        assert.is_true(files.read(on_server(long)) == OLD)
      end
    end)

    it("under a shortened name stays, and is told, where its file is missing; the next put puts it back", function()
      share.clean()
      local long = ("n"):rep(100)
      local short, others = transfer.target(long).aside, names.aside(long, "00000000")
      put_there(short, others, long .. ".other")
      later(25 * HOUR)
      local swept = assert(dest:sweep())
      table.sort(swept.unknown)
      local unknown = { short, others }
      table.sort(unknown)
      assert.same(unknown, swept.unknown)
      assert_swept({}, {}, swept)
      assert_fails("exists", dest:put(source, long, { overwrite = false }))
      assert.is_true(files.read(on_server(long)) == OLD)
      assert.same({ others }, dest:sweep().unknown)
    end)

    it("by two hosts is put back once", function()
      put_there "file.00000000.aside"
      assert_swept({}, { "file" }, dest:sweep())
      assert.equal(2, #everything())
      later(25 * HOUR)
      assert.equal(1, #assert(dest:sweep()))
      assert.same({ "file" }, everything())
    end)
  end)

  describe("sweep" .. how, function()
    before_each(function() open { encryption = encryption } end)

    it("removes old temporary files, by the server's clock", function()
      put_there("file.12345678.part", "file.abcdef01.part")
      assert_swept({}, {}, dest:sweep())
      later(23 * HOUR)
      assert_swept({}, {}, dest:sweep())
      assert.equal(2, #everything())
      later(25 * HOUR)
      assert_swept({ "file.12345678.part", "file.abcdef01.part" }, {}, dest:sweep())
      assert.same({}, everything())
    end)

    it("takes a temporary file for young that has its source's time already, where the server tells of its birth",
      function()
      local name = "file.12345678.part"
      local born <close> = assert(smb.open(net:url "born", { encryption = encryption, retries = 0 }))
      assert(born:write(name, OLD))
      assert(born:utime(name, 1000000000))
      if born:list()[1].btime == 1000000000 then return pending "this disk keeps no attributes" end
      assert_swept({}, {}, born:sweep())
      later(25 * HOUR)
      assert_swept({ name }, {}, born:sweep())
    end)

    it("is told what is old", function()
      put_there "file.12345678.part"
      assert_swept({}, {}, dest:sweep("", { older_than = 100 }))
      later(200)
      assert_swept({}, {}, dest:sweep("", { older_than = 300 }))
      assert_swept({ "file.12345678.part" }, {}, dest:sweep("", { older_than = 100 }))
    end)

    it("tells the old from the young", function()
      put_there "old.12345678.part"
      local function age() return tonumber(shell.check { "date", "+%s.%N" }) -
        tonumber((shell.check { "stat", "-c", "%.9Z", on_server "old.12345678.part" })) end
      assert.is_true(shell.poll(function() return age() > 2 end))
      put_there "young.12345678.part"
      assert_swept({ "old.12345678.part" }, {}, dest:sweep("", { older_than = 1 }))
      assert.same({ "young.12345678.part" }, everything())
    end)

    it("leaves other names, folders and links alone", function()
      put_there("file", "file.part", "file.1234567.part", "file.123456789.part", "file.1234567g.part",
        "file.12345678.parts", ".12345678.part", "12345678.part", "a.12345678.aside.txt", "file.aside",
        "folder.12345678.part/", "folder.12345678.aside/")
      local before = everything()
      later(25 * HOUR)
      assert_swept({}, {}, dest:sweep())
      assert.same(before, everything())
    end)

    it("looks below a folder, and there only", function()
      put_there("a.12345678.part", "b.12345678.aside", "sub/", "sub/a.12345678.part", "sub/b.12345678.aside",
        "sub/more/", "sub/more/c.12345678.part", "sub/more/d.12345678.aside")
      later(25 * HOUR)
      assert_swept({ "sub/a.12345678.part", "sub/more/c.12345678.part" }, { "sub/b", "sub/more/d" }, dest:sweep "sub")
      assert.same({ "a.12345678.part", "b.12345678.aside", "sub", "sub/b", "sub/more", "sub/more/d" }, everything())
      assert_swept({ "a.12345678.part" }, { "b" }, dest:sweep())
      assert.same({ "b", "sub", "sub/b", "sub/more", "sub/more/d" }, everything())
    end)

    it("looks below the destination's path", function()
      put_there("a.12345678.part", "sub/", "sub/a.12345678.part", "sub/b.12345678.aside")
      local below <close> = assert(smb.open(net:url("backup", "sub"), { encryption = encryption, retries = 0 }))
      later(25 * HOUR)
      assert_swept({ "a.12345678.part" }, { "b" }, below:sweep())
      assert.same({ "a.12345678.part", "sub", "sub/b" }, everything())
    end)

    it("leaves what somebody is at", function()
      local copy = coroutine.create(function()
        return dest:write("file", function()
          coroutine.yield()
          return nil
        end)
      end)
      coroutine.resume(copy)
      local part = everything()[1]
      assert.matches("%.part$", part)
      later(25 * HOUR)
      local other <close> = assert(smb.open(net:url "backup", { encryption = encryption, retries = 0 }))
      assert_swept({}, {}, other:sweep())
      assert.same({ part }, everything())
      assert(select(2, coroutine.resume(copy)))
      assert.same({ "file" }, everything())
    end)

    it("tells what cannot be removed", function()
      local frozen <close> = assert(smb.open(net:url "frozen", { encryption = encryption, retries = 0 }))
      local file = files.write(srv:path("frozen", "file"), OLD)
      later(25 * HOUR)
      for _, name in ipairs { "a.12345678.part", "file.12345678.aside" } do
        local stale = files.write(srv:path("frozen", name), OLD)
        assert_fails("access_denied", frozen:sweep())
        assert.is_true(files.exists(stale))
        os.remove(stale)
      end
      os.remove(file)
    end)

    it("of a folder that is not there fails", function()
      assert_fails("folder_missing", dest:sweep "missing")
    end)
  end)
end

describe("a long name", function()
  before_each(function() open() end)

  for what, long in pairs { ["of bytes"] = ("n"):rep(250) .. ".name", ["of characters"] = ("ä"):rep(127) } do
    it(("has a temporary name that is found: %s"):format(what), function()
      local target = transfer.target(long)
      put_there(target.temp)
      later(25 * HOUR)
      assert_swept({ target.temp }, {}, dest:sweep())
      assert.same({}, everything())
    end)

    it(("gets back what was moved aside by the next put only, since it tells no more what it was: %s"):format(what),
      function()
      local target = transfer.target(long)
      put_there(target.aside)
      later(25 * HOUR)
      assert_swept({}, {}, dest:sweep())
      assert.same({ target.aside }, everything())
      assert_fails("exists", dest:put(source, long, { overwrite = false }))
      assert.same({ long }, everything())
      assert.is_true(files.read(on_server(long)) == OLD)
    end)

    it(("is replaced: %s"):format(what), function()
      put_there(long)
      assert(dest:put(source, long))
      assert.same({ long }, everything())
      assert.is_true(files.read(on_server(long)) == NEW)
    end)
  end
end)
