-- Trees that tell as they go: `each`, `progress`, what prints of a summary; and what limits a mirror: ages, max_delete.

local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local assert_fails, on_server = share.assert_fails, share.on_server

local srv, dir, dest, here, there

setup(function()

  srv, dir = share.start()
end)

teardown(share.stop)

before_each(function()
  share.clean()
  here, there = dir .. "/local/tree", on_server "tree"
  shell.check { "rm", "-rf", here }
  shell.check { "mkdir", "-p", here .. "/sub", dir .. "/local/out" }
  shell.check { "rm", "-rf", dir .. "/local/out" }
  dest = assert(smb.open(srv:url "backup"))
end)

after_each(function() dest:close() end)

-- A function for `each`, and what it was called with: "put sub/b 3", sorted.
local function recorder()
  local calls = {}
  return calls, function(action, name, bytes)
    calls[#calls + 1] = ("%s %s %s"):format(action, name, bytes and ("%d"):format(bytes) or "-")
    table.sort(calls)
  end
end

local function write_tree()
  files.write(here .. "/a", "a")
  files.write(here .. "/sub/b", "bbb")
  shell.check { "ln", "-s", "a", here .. "/link" }
end

local function age(path, seconds)
  shell.check { "touch", "-d", ("@%d"):format(os.time() - seconds), path }
end

-- Both directions: `call` moves the tree from `from` to `to`, local paths.
local ways = {
  put_tree = { verb = "put", call = function(opts) return dest:put_tree(here, "tree", opts) end,
    from = function() return here end, to = function() return there end },
  get_tree = { verb = "get", call = function(opts) return dest:get_tree("tree", dir .. "/local/out", opts) end,
    from = function() return there end, to = function() return dir .. "/local/out" end },
}

describe("each", function()
  it("of a put_tree hears of all that is done, in a dry run as it would be", function()
    write_tree()
    local calls, each = recorder()
    local planned = assert(dest:put_tree(here, "tree", { each = each, dry_run = true }))
    local expected = { "mkdir  -", "mkdir sub -", "put a 1", "put sub/b 3", "skip link -" }
    assert.same(expected, calls)
    assert.is_true(planned.dry_run)
    calls, each = recorder()
    local summary = assert(dest:put_tree(here, "tree", { each = each }))
    assert.same(expected, calls)
    assert.is_nil(summary.dry_run)
    calls, each = recorder()
    files.write(there .. "/old", "1234")
    shell.check { "mkdir", there .. "/gone" }
    assert(dest:put_tree(here, "tree", { each = each, mirror = true }))
    assert.same({ "delete gone -", "delete old 4", "skip link -" }, calls)
  end)

  it("of a get_tree likewise", function()
    write_tree()
    assert(dest:put_tree(here, "tree"))
    for i = 1, 40 do files.write(there .. ("/sub/%02d"):format(i), "12345") end
    local calls, each = recorder()
    local summary = assert(dest:get_tree("tree", dir .. "/local/out", { each = each }))
    assert.equal(42, summary.files)
    assert.equal(44, #calls)
    assert.same({ "get a 1", "get sub/01 5" }, { calls[1], calls[2] })
    assert.same({ "mkdir  -", "mkdir sub -" }, { calls[43], calls[44] })
    calls, each = recorder()
    files.write(dir .. "/local/out/old", "1234")
    shell.check { "mkdir", "-p", dir .. "/local/out/gone/inner" }
    assert(dest:get_tree("tree", dir .. "/local/out", { each = each, mirror = true }))
    assert.same({ "delete gone -", "delete old 4" }, calls)
  end)

  it("ends the call with false, or with an error, which is the call's", function()
    write_tree()
    assert_fails("cancelled", dest:put_tree(here, "tree", { each = function() return false end }))
    local problem = {}
    local ok, raised = pcall(dest.put_tree, dest, here, "tree", { each = function() error(problem, 0) end })
    assert.is_false(ok)
    assert.equal(problem, raised)
    assert(dest:put_tree(here, "tree"))
    assert_fails("cancelled", dest:get_tree("tree", dir .. "/local/out", { each = function() return false end }))
  end)

  it("hears nothing of a file that failed", function()
    write_tree()
    shell.check { "mkdir", "-p", there .. "/a" }
    local calls, each = recorder()
    local summary = assert(dest:put_tree(here, "tree", { each = each, on_error = "continue" }))
    assert.equal(1, #summary.errors)
    assert.same({ "mkdir sub -", "put sub/b 3", "skip link -" }, calls)
  end)
end)

describe("progress of a tree", function()
  for what, way in pairs(ways) do
    it("names the current file and counts files: " .. what, function()
      write_tree()
      for i = 1, 20 do files.write(here .. ("/sub/%02d"):format(i), ("x"):rep(300000)) end
      if what == "get_tree" then assert(dest:put_tree(here, "tree")) end
      local slow <close> = assert(smb.open(srv:url "backup", { rate = "2M" }))
      local fast = dest
      dest = slow
      local seen, last = {}, nil
      local summary = way.call { progress = function(done, total, name, moved, all)
        seen[name], last = true, { done, total, moved, all }
        assert.is_true(moved <= all)
      end }
      dest = fast
      assert.equal(22, assert(summary).files)
      assert.same({ 6000004, 6000004, 22, 22 }, last)
      local named = 0
      for name in pairs(seen) do
        assert.is_true(name == "tree" or files.exists(here .. "/" .. name), name)
        named = named + (name:find "^sub/%d%d$" and 1 or 0)
      end
      assert.is_true(named >= 1)
    end)
  end

  it("counts files that were left alone, too", function()
    write_tree()
    assert(dest:put_tree(here, "tree"))
    local last
    assert(dest:put_tree(here, "tree", { progress = function(...) last = table.pack(...) end }))
    assert.same({ 4, 4, 2, 2 }, { last[1], last[2], last[4], last[5] })
  end)
end)

describe("what prints of a summary:", function()
  it("that it is a dry run's, and its actions", function()
    write_tree()
    local summary = assert(dest:put_tree(here, "tree", { dry_run = true }))
    assert.matches("^dry run: 2 files", tostring(summary))
    local lines = {}
    for line in tostring(summary.actions):gmatch "[^\n]+" do lines[#lines + 1] = line end
    table.sort(lines)
    assert.same(
      { "mkdir               ", "mkdir               sub", "put            1 B  a", "put            3 B  sub/b" },
      lines)
    assert.equal("no actions", tostring(assert(dest:put_tree(dir .. "/local/out", nil, { dry_run = true, mirror = true,
      force = true })).actions))
  end)

  it("its errors, a line for each", function()
    write_tree()
    shell.check { "mkdir", "-p", there .. "/a" }
    files.write(there .. "/sub", "")
    local summary = assert(dest:put_tree(here, "tree", { on_error = "continue" }))
    local lines = {}
    for line in tostring(summary.errors):gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(2, #lines)
    table.sort(lines)
    assert.matches("^put_tree 'tree/a' on smb://.*: a folder has this name$", lines[1])
    assert.matches("^put_tree 'tree/sub' on smb://", lines[2])
    assert.equal("no errors", tostring(assert(dest:put_tree(here, "other")).errors))
  end)
end)

for what, way in pairs(ways) do
  describe("ages in a " .. what, function()
    before_each(function()
      shell.check { "mkdir", "-p", way.from() .. "/sub", way.to() }
      for name, seconds in pairs { new = 10, middle = 7200, ["sub/old"] = 864000 } do
        age(files.write(way.from() .. "/" .. name, name), seconds)
      end
    end)

    it("leave out what is younger or older", function()
      assert.equal(2, assert(way.call { min_age = "1h", dry_run = true }).files)
      assert.equal(2, assert(way.call { max_age = "1d", dry_run = true }).files)
      assert.equal(1, assert(way.call { min_age = 3600, max_age = 86400 }).files)
      assert.same({ "middle", "sub" }, files.list(way.to()))
    end)

    it("keep in a mirror what they leave out, on both sides", function()
      for name, seconds in pairs { new = 10, young = 20, aged = 864000 } do
        age(files.write(way.to() .. "/" .. name, name), seconds)
      end
      local summary = assert(way.call { mirror = true, min_age = "1h" })
      assert.equal(1, summary.deleted)
      assert.same({ "middle", "new", "sub", "young" }, files.list(way.to()))
      assert.equal("new", files.read(way.to() .. "/new"))
    end)
  end)

  describe("max_delete in a " .. what, function()
    before_each(function()
      shell.check { "mkdir", "-p", way.from(), way.to() .. "/gone/inner" }
      files.write(way.from() .. "/file", "file")
      for _, name in ipairs { "one", "gone/two", "gone/inner/three" } do files.write(way.to() .. "/" .. name, name) end
    end)

    it("deletes nothing when there is more to delete", function()
      for _, opts in ipairs { {}, { dry_run = true }, { on_error = "continue" } } do
        opts.mirror, opts.max_delete = true, 2
        local message = assert_fails("failed", way.call(opts))
        assert.matches("more than 2 files are to be deleted (max_delete): nothing is deleted", message, 1, true)
        assert.is_true(files.exists(way.to() .. "/gone/inner/three"))
        assert.is_true(files.exists(way.to() .. "/one"))
      end
      assert.equal("file", files.read(way.to() .. "/file"))
    end)

    it("deletes as many files as it says", function()
      assert.equal(2, assert(way.call { mirror = true, max_delete = 3 }).deleted)
      assert.same(files.list(way.from()), files.list(way.to()))
    end)

    it("counts only what would go, and an empty folder as one", function()
      assert_fails("failed", way.call { mirror = true, max_delete = 1, filter = { "!three" } })
      assert.equal(2, assert(way.call { mirror = true, max_delete = 2, filter = { "!three" } }).deleted)
      shell.check { "rm", "-rf", way.to() .. "/gone" }
      shell.check { "mkdir", way.to() .. "/empty" }
      assert_fails("failed", way.call { mirror = true, max_delete = 0 })
      assert.equal(1, assert(way.call { mirror = true, max_delete = 1 }).deleted)
    end)
  end)
end

describe("trees: what is no age, no number", function()
  it("raises", function()
    for _, case in ipairs {
      { { min_age = "soon" }, "put_tree: option 'min_age' must be a time in seconds" },
      { { max_age = -1 }, "put_tree: option 'max_age' must be a time in seconds" },
      { { max_delete = -1 }, "put_tree: option 'max_delete' must not be negative" },
      { { max_delete = 1.5 }, "put_tree: option 'max_delete' must be an integer" },
      { { each = true }, "put_tree: option 'each' must be a function" },
    } do
      local ok, raised = pcall(dest.put_tree, dest, here, "tree", case[1])
      assert.is_false(ok)
      assert.matches(case[2], raised, 1, true)
    end
  end)
end)
