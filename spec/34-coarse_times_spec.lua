-- Trees between disks of which one keeps times coarsely: FAT every other second, exFAT hundredths, old ones whole
-- seconds.

local lfs = require "lfs"
local smb = require "smb"
local disktimes = require "spec.support.disktimes"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local MS, S = 1000000, 1000000000 -- nanoseconds
local tools

setup(function() tools = files.directory() end)
teardown(function() files.remove(tools) end)

local function touch(path, time)
  shell.check { "touch", "-d", "@" .. time, path }
  return path
end

-- Calls fn with a server on such a disk, and with a function that opens a destination.
local function on_disk(step, fn)
  local dir <close> =
    setmetatable({ path = files.directory() }, { __close = function(self) files.remove(self.path) end })
  local srv <close> = server.start { environment = step and disktimes.environment(tools, { step = step }) }
  fn(dir.path, srv, function(options)
    local all = { retries = 0 }
    for key, value in pairs(options or {}) do all[key] = value end
    return assert(smb.open(srv:url "backup", all))
  end)
end

local function make_tree(dir, count)
  lfs.mkdir(dir .. "/tree")
  for i = 1, count do
    touch(files.write(dir .. "/tree/" .. i, "content"), ("%d.%09d"):format(1700000000 + 7 * i, i * 111111111))
  end
  return dir .. "/tree"
end

local function counts(summary) return { summary.files, summary.unchanged, #summary.errors } end

describe("a tree on a share whose disk keeps steps of", function()
  -- rclone/rclone#7411, deajan/osync#121 (--modify-window=2): all of it was sent anew each night.
  for name, step in pairs { ["1 ms"] = MS, ["10 ms"] = 10 * MS, ["1 s"] = S, ["2 s"] = 2 * S } do
    it(name .. " is sent once, by the next run, too", function()
      on_disk(step, function(dir, srv, open)
        local tree = make_tree(dir, 5)
        lfs.mkdir(tree .. "/sub")
        touch(files.write(tree .. "/sub/alone", "content"), "1700000001.987654321")
        do
          local dest <close> = open()
          assert.same({ 6, 0, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
          assert.same({ 0, 6, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        end
        local dest <close> = open()
        assert.same({ 0, 6, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        assert.same({ 0, 6, 0 }, counts(assert(dest:put_tree(tree, "tree", { filter = function() return true end }))))
        touch(files.write(tree .. "/3", "CONTENT"), "1700000100")
        touch(tree .. "/4", "1700000031.444444444")
        assert.same({ 2, 4, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
        assert.equal("CONTENT", files.read(srv:path("backup", "tree/3")))
      end)
    end)
  end

  -- Camera cards, and archives that were unpacked: their times are whole seconds, and half of them odd.
  it("2 s is sent once, by the next run, too, though its own times are odd seconds and its folders small", function()
    on_disk(2 * S, function(dir, srv, open)
      local tree, all = dir .. "/tree", 12
      for i = 1, all do
        shell.check { "mkdir", "-p", ("%s/%d"):format(tree, i) }
        touch(files.write(("%s/%d/alone"):format(tree, i), "content"), ("%d"):format(1700000001 + 2 * i))
      end
      do
        local dest <close> = open()
        assert.equal(all, assert(dest:put_tree(tree, "tree")).files)
        assert.same({ 0, all, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
      end
      for _, opts in ipairs { { mirror = true }, { filter = { "*" } } } do
        local dest <close> = open()
        assert.same({ 0, all, 0 }, counts(assert(dest:put_tree(tree, "tree", opts))))
      end
      assert.equal(all, #files.list(srv:path("backup", "tree")))
      touch(files.write(tree .. "/7/alone", "CONTENT"), "1700000018")
      local dest <close> = open()
      assert.same({ 1, all - 1, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
      assert.same({ "alone" }, files.list(srv:path("backup", "tree/1")))
    end)
  end)
end)

describe("on a share that keeps all of a time", function()
  it("what changed within a second or two is sent", function()
    on_disk(nil, function(dir, srv, open)
      local dest <close> = open()
      local tree = dir .. "/tree"
      for before, after in pairs { ["1700000000"] = "1700000001", ["1700000000.000"] = "1700000000.5",
        ["1700000000.25"] = "1700000000.75", ["1700000000.123456"] = "1700000000.123457",
        ["1700000002"] = "1700000000" } do
        lfs.mkdir(tree)
        for run, content in ipairs { "after!", "later!" } do
          touch(files.write(tree .. "/file", "before"), before)
          assert(dest:put_tree(tree, "tree"))
          touch(files.write(tree .. "/file", content), after)
          local other <close> = run == 2 and open() or nil
          assert.equal(1, assert((other or dest):put_tree(tree, "tree")).files, before)
          assert.equal(content, files.read(srv:path("backup", "tree/file")))
        end
        files.remove(tree)
        assert(dest:rmdir("tree", { recursive = true }))
      end
    end)
  end)

  it("a file of whole seconds among others is not taken for cut", function()
    on_disk(nil, function(dir, _, open)
      local dest <close> = open()
      local tree = make_tree(dir, 3)
      touch(tree .. "/2", "1700000000")
      assert(dest:put_tree(tree, "tree"))
      touch(tree .. "/2", "1700000000.987654321")
      assert.same({ 1, 2, 0 }, counts(assert(dest:put_tree(tree, "tree"))))
    end)
  end)

  it("time_window takes what is near for the same, in both directions", function()
    on_disk(nil, function(dir, srv, open)
      local tree = make_tree(dir, 3)
      local dest <close> = open()
      assert(dest:put_tree(tree, "tree"))
      touch(srv:path("backup", "tree/1"), "1700000008.5")
      local function both(opts) -- nothing is moved
        opts.dry_run = true
        return assert(dest:put_tree(tree, "tree", opts)).files, assert(dest:get_tree("tree", tree, opts)).files
      end
      assert.same({ 1, 1 }, { both {} })
      assert.same({ 0, 0 }, { both { time_window = 2 } })
      assert.same({ 0, 0 }, { both { time_window = "2s" } })
      assert.same({ 1, 1 }, { both { time_window = 0.5 } })
      assert.same({ 1, 1 }, { both { time_window = 0 } })
      local wide <close> = assert(smb.open(srv:url "backup" .. "?time-window=2s"))
      local function files_of(opts) return assert(wide:put_tree(tree, "tree", opts)).files end
      assert.same({ 0, 1 }, { files_of { dry_run = true }, files_of { dry_run = true, time_window = 0 } })
      for _, wrong in ipairs { -1, 0 / 0, 1e10, "soon" } do
        local ok, problem = pcall(dest.put_tree, dest, tree, "tree", { time_window = wrong })
        assert.is_false(ok)
        assert.matches("time_window", problem)
      end
    end)
  end)

  it("changed = 'size' looks at nothing else, 'missing' at the name alone", function()
    on_disk(nil, function(dir, srv, open)
      local tree = make_tree(dir, 3)
      local dest <close> = open()
      assert(dest:put_tree(tree, "tree"))
      touch(srv:path("backup", "tree/1"), "1600000000")
      files.write(tree .. "/2", "longer than it was")
      local got = dir .. "/got"
      local function filter() return true end
      for _, opts in ipairs { { changed = "size" }, { changed = "size", filter = filter } } do
        opts.dry_run = true
        assert.same({ 1, 2, 0 }, counts(assert(dest:put_tree(tree, "tree", opts))))
      end
      files.write(tree .. "/4", "new")
      for _, opts in ipairs { { changed = "missing" }, { changed = "missing", filter = filter } } do
        opts.dry_run = true
        assert.same({ 1, 3, 0 }, counts(assert(dest:put_tree(tree, "tree", opts))))
      end
      assert(dest:get_tree("tree", got))
      touch(files.write(got .. "/1", "CONTENT"), "1500000000")
      files.write(got .. "/3", "shorter")
      os.remove(got .. "/2")
      assert.same({ 1, 2, 0 }, counts(assert(dest:get_tree("tree", got, { changed = "missing", dry_run = true }))))
      files.write(got .. "/3", "longer than it was")
      assert.same({ 2, 1, 0 }, counts(assert(dest:get_tree("tree", got, { changed = "size", dry_run = true }))))
      local ok, problem = pcall(dest.put_tree, dest, tree, "tree", { changed = "misssing" })
      assert.is_false(ok)
      assert.matches("'mtime', 'size', 'missing', 'sha256' or 'always'", problem)
    end)
  end)
end)

-- A USB stick with FAT, whose times are of even seconds.
it("a tree that is fetched onto a disk of even seconds is fetched once", function()
  on_disk(nil, function(dir, srv, open)
    local tree = make_tree(dir, 5)
    do
      local dest <close> = open()
      assert(dest:put_tree(tree, "tree"))
    end
    local script = files.write(dir .. "/script.lua", [[
      local smb = require "smb"
      local dest <close> = assert(smb.open(arg[1], { retries = 0 }))
      for _ = 1, 2 do
        local summary = assert(dest:get_tree("tree", arg[2]))
        io.write(summary.files, " ", summary.unchanged, " ", summary.times_refused, "\n")
      end]])
    local environment = { "env", "LUA_PATH_5_4=" .. package.path, "LUA_CPATH_5_4=" .. package.cpath }
    for key, value in pairs(disktimes.environment(tools, { step = 2 * S })) do
      environment[#environment + 1] = key .. "=" .. value
    end
    local command =
      table.move({ "lua5.4", script, srv:url "backup", dir .. "/got" }, 1, 4, #environment + 1, environment)
    assert.equal("5 0 0\n0 5 0\n", shell.check(command))
    assert.equal("0 5 0\n", shell.check(command):match "^[^\n]*\n")
    touch(files.write(srv:path("backup", "tree/2"), "CONTENT"), "1700000016.5")
    assert.equal("1 4 0\n0 5 0\n", shell.check(command))
    assert.equal("CONTENT", files.read(dir .. "/got/2"))
  end)
end)
