-- A cluster of servers (CTDB) of which one loses power under a put, under a tree, and under a file that is open: the
-- address moves to another node, and what was asked for is there as if nothing had happened.

local cluster = require "spec.support.cluster"
local files = require "spec.support.files"
local shell = require "spec.support.shell"
local smb = require "smb"

local missing = cluster.missing()
if missing then
  describe("a cluster's node that dies", function()
    it("is skipped: it takes a cluster", function() pending(missing) end)
  end)
  return
end

local MIB = 1048576

describe("a cluster's node", function()
  local nodes, dir, dest, tries

  setup(function()
    nodes = cluster.start(3)
    dir = files.directory()
  end)

  teardown(function()
    if nodes then nodes:stop() end
    files.remove(dir)
  end)

  before_each(function()
    tries = 0
    assert(shell.poll(function() return nodes:owner() end, 60))
    dest = assert(smb.open(nodes:url(), { on_retry = function() tries = tries + 1 end }))
  end)

  after_each(function() dest:close() end)

  -- Whoever has the address loses power, once, when this is called with `due`.
  local function killer()
    local done = false
    return function(due)
      if not due or done then return end
      done = true
      nodes:kill(assert(shell.poll(function() return nodes:owner() end, 60)))
    end, function() return done end
  end

  local function left_behind()
    return shell.check { "find", nodes:path(), "-name", "*.part", "-o", "-name", "*.aside" }
  end

  it("may be taken out of service under a put, which goes on at another one", function()
    local SIZE = 64 * MIB
    local source, owner = files.make(dir .. "/source", SIZE, 3), nodes:owner()
    local done = false
    assert(dest:put(source, "file", { progress = function(bytes)
      if done or bytes < SIZE / 2 then return end
      done = true
      nodes:tell(owner, "disable")
    end }))
    assert.is_true(done)
    assert.is_true(files.same(source, nodes:path "file"))
    assert.equal("", left_behind())
    assert.is_true(shell.poll(function() return nodes:owner() ~= owner end, 30))
    assert(dest:write("file", "x"))
    nodes:tell(owner, "enable")
  end)

  it("may lose power under a put and a file that is being read: both go on at another one", function()
    local SIZE = 256 * MIB
    local source = files.make(dir .. "/source", SIZE, 1)
    files.make(nodes:path "read", 4 * MIB, 2)
    files.write(nodes:path "file", "old")
    local f <close> = assert(dest:open("read", "r"))
    local content = f:read(MIB)
    local kill, killed = killer()
    local result = assert(dest:put(source, "file", { verify = "sha256", progress = function(bytes)
      kill(bytes >= SIZE / 2)
    end }))
    assert.is_true(killed())
    assert.equal(SIZE, result.bytes)
    assert.is_true(tries >= 1)
    assert.is_true(result.resumed >= SIZE / 4, ("%d bytes were there already"):format(result.resumed))
    assert.is_true(files.same(source, nodes:path "file"))
    content = content .. f:read "a"
    assert.is_true(content == files.content(4 * MIB, 2))
    assert.equal("", left_behind())
    assert(dest:write("after", "x"))
  end)

  it("may lose power under a tree of 1,600 files: all of them are there, and nothing else", function()
    local content = files.content(4000)
    for folder = 1, 4 do
      shell.check { "mkdir", "-p", ("%s/tree/%d"):format(dir, folder) }
      for i = 1, 400 do files.write(("%s/tree/%d/%d"):format(dir, folder, i), i .. content .. folder) end
    end
    local kill, killed = killer()
    local summary = assert(dest:put_tree(dir .. "/tree", "tree", { progress = function(_, _, _, done)
      kill(done >= 800)
    end }))
    assert.is_true(killed())
    assert.equal(1600, summary.files)
    assert.equal(0, #summary.errors)
    shell.check { "diff", "-r", dir .. "/tree", nodes:path "tree" }
    assert.equal("", left_behind())
    summary = assert(dest:put_tree(dir .. "/tree", "tree", { mirror = true }))
    assert.same({ 0, 1600, 0 }, { summary.files, summary.unchanged, summary.deleted })
  end)
end)
