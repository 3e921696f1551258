-- Lines as people have them: some that lose packets, slow ones, and some where large packets vanish. Slow is no
-- failure, and what fails is told in time.

local files = require "spec.support.files"
local line = require "spec.support.line"
local lfs = require "lfs"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local assert_fails = share.assert_fails
local missing = line.missing()

if missing then
  describe("a bad line", function()
    it("is skipped: it takes a network of its own", function() pending(missing) end)
  end)
  return
end

local FILES = 10

local srv, dir

setup(function()
  srv, dir = share.start { address = "127.0.0.9", ports = "445" }
  lfs.mkdir(dir .. "/tree")
  for i = 1, FILES do files.write(("%s/tree/%d"):format(dir, i), files.content(2000) .. i) end
end)

teardown(share.stop)

before_each(share.clean)
after_each(line.clear)

-- Opens the share; whatever is tried again is a failure.
local function open(options)
  options.on_retry = function(_, _, code, message) error(code .. ": " .. message) end
  return assert(smb.open(srv:url "backup", options))
end

-- Files and a tree, there and back. Each way's limit is far below what the whole takes.
local function assert_works(dest, size, verify)
  files.make(dir .. "/local/source", size, 3)
  assert(dest:put(dir .. "/local/source", "file", { verify = verify }))
  assert.is_true(files.same(dir .. "/local/source", srv:path("backup", "file")))
  assert(dest:get("file", dir .. "/local/back"))
  assert.is_true(files.same(dir .. "/local/source", dir .. "/local/back"))
  assert.equal(FILES, assert(dest:put_tree(dir .. "/tree", "tree")).files)
  assert.equal(FILES, #assert(dest:list "tree"))
  assert.equal(FILES, assert(dest:get_tree("tree", dir .. "/local/tree")).files)
  os.remove(dir .. "/local/source")
  for i = 1, FILES do
    assert.is_true(files.same(("%s/tree/%d"):format(dir, i), ("%s/local/tree/%d"):format(dir, i)))
  end
  assert.is_true(dest:rmdir("tree", { recursive = true }))
  assert.same({ "file" }, files.list(srv:path "backup"))
end

for _, percent in ipairs { 1, 5 } do
  it(("a line that loses %d %% of the packets carries all there is to carry"):format(percent), function()
    line.lose(percent)
    local dest <close> = open {}
    assert_works(dest, 4194304, "sha256")
  end)
end

describe("a slow line is no failure, though limits are short:", function()
  for name, case in pairs {
    ["2 Mbit/s"] = { rate = 2000, size = 800000 },
    ["256 kbit/s"] = { rate = 256, size = 110000 },
  } do
    it(name, function()
      line.rate(case.rate)
      local dest <close> = open { read_write_timeout = 2, short_timeout = 5 }
      local seconds = share.timed(function() assert_works(dest, case.size) end)
      assert.is_true(seconds > 3, ("the line was not slow: %.2f s"):format(seconds))
    end)
  end

  it("256 kbit/s with 2 % of the packets lost", function()
    line.rate(256)
    line.lose(2)
    local dest <close> = open { short_timeout = 10, list_timeout = 10, read_write_timeout = 10 }
    assert_works(dest, 20000)
  end)
end)

describe("a line on which large packets vanish", function()
  local dest, tries

  before_each(function()
    tries = 0
    dest = assert(smb.open(srv:url "backup", { short_timeout = 2, list_timeout = 2, read_write_timeout = 2, retries = 1,
      retry_delay = 0.01, on_retry = function() tries = tries + 1 end }))
    files.make(dir .. "/local/source", 1000000, 4)
    files.write(srv:path("backup", "old"), "old")
    files.make(srv:path("backup", "large"), 1000000, 5)
  end)

  after_each(function() dest:close() end)

  -- The server has the file open until it hears that the connection has gone; the destination's next call removes it.
  local function assert_tidy(folder, expected)
    shell.poll(function()
      assert(dest:exists "old")
      return #files.list(folder) == #expected
    end, 100)
    assert.same(expected, files.list(folder))
  end

  it("carries what is small", function()
    line.swallow(1300)
    local again <close> = assert(smb.open(srv:url "backup", { retries = 0 }))
    for _, each in ipairs { dest, again } do
      assert(each:write("small", "x"))
      assert.equal("x", each:read "small")
      assert.is_true(each:rename("small", "other"))
      assert.equal(3, #assert(each:list()))
      assert.is_true(each:delete "other")
    end
    assert.equal(0, tries)
  end)

  it("has a put time out, which leaves the old file; all is well when the line is", function()
    line.swallow(1300, "to")
    local message = assert_fails("timeout", dest:put(dir .. "/local/source", "old"))
    assert.matches("^put 'old' on smb://.*: the server does not answer", message)
    assert.equal(1, tries)
    assert.equal("old", files.read(srv:path("backup", "old")))
    line.clear()
    assert(dest:put(dir .. "/local/source", "old"))
    assert.is_true(files.same(dir .. "/local/source", srv:path("backup", "old")))
    assert_tidy(srv:path "backup", { "large", "old" })
  end)

  it("has a get time out, which leaves the old file", function()
    line.swallow(1300, "from")
    files.write(dir .. "/local/old", "old")
    local message = assert_fails("timeout", dest:get("large", dir .. "/local/old"))
    assert.matches("^get 'large' on smb://.*: the server does not answer", message)
    assert.equal("old", files.read(dir .. "/local/old"))
    line.clear()
    assert(dest:get("large", dir .. "/local/old"))
    assert.is_true(files.same(srv:path("backup", "large"), dir .. "/local/old"))
    assert.same({ "old", "source" }, files.list(dir .. "/local"))
  end)

  it("has a tree fail at the first file that is large, and keep those that are not", function()
    line.swallow(1300, "to")
    lfs.mkdir(dir .. "/local/tree")
    files.write(dir .. "/local/tree/a", "small")
    files.write(dir .. "/local/tree/z", files.content(100000))
    local message = assert_fails("timeout", dest:put_tree(dir .. "/local/tree", "tree"))
    assert.matches("^put_tree 'tree/z' on smb://.*: the server does not answer", message)
    assert.equal("small", files.read(srv:path("backup", "tree/a")))
    line.clear()
    assert.equal(1, assert(dest:put_tree(dir .. "/local/tree", "tree", { mirror = true })).files)
    assert_tidy(srv:path("backup", "tree"), { "a", "z" })
  end)
end)
