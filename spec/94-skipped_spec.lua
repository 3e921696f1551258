-- What trees leave out, and what they must leave alone: links, special files, the folders that servers keep for
-- themselves.

local lfs = require "lfs"
local files = require "spec.support.files"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local srv, dir, dest

setup(function()
  srv, dir = share.start()
end)

teardown(share.stop)

before_each(function()
  share.clean()
  shell.check { "rm", "-rf", dir .. "/source" }
  lfs.mkdir(dir .. "/source")
  dest = assert(smb.open(srv:url "backup"))
end)

after_each(function()
  dest:close()
end)

describe("put_tree", function()
  -- A home folder with links in it was sent without them, and nobody was told.
  it("tells the links and special files that it leaves out, but not what a filter excludes", function()
    files.write(dir .. "/source/a", "1")
    lfs.mkdir(dir .. "/source/folder")
    for _, name in ipairs { "link", "folder/link", "folder/link.tmp", "dangling" } do
      assert(lfs.link("a", dir .. "/source/" .. name, true))
    end
    shell.check { "mkfifo", dir .. "/source/folder/fifo" }
    for _, opts in ipairs { {}, {}, { mirror = true }, { dry_run = true } } do
      opts.filter = { "!*.tmp" }
      local summary = assert(dest:put_tree(dir .. "/source", "tree", opts))
      local skipped = summary.skipped
      table.sort(skipped.names, function(a, b) return a.name < b.name end)
      assert.same({ count = 4, links = 3, special = 1, dfs = 0, mounts = 0, bins = 0, names = {
        { name = "dangling", reason = "link" }, { name = "folder/fifo", reason = "special" },
        { name = "folder/link", reason = "link" }, { name = "link", reason = "link" } } }, skipped)
      assert.matches("4 skipped %(3 links, 1 special%)", tostring(summary))
    end
  end)

  it("tells nothing where nothing was left out, and no more than 100 names", function()
    files.write(dir .. "/source/a", "1")
    local summary = assert(dest:put_tree(dir .. "/source", "tree"))
    assert.same({ count = 0, links = 0, special = 0, dfs = 0, mounts = 0, bins = 0, names = {} }, summary.skipped)
    assert.is_nil(tostring(summary):find "skipped")
    for i = 1, 120 do assert(lfs.link("a", dir .. "/source/link" .. i, true)) end
    summary = assert(dest:put_tree(dir .. "/source", "tree", { symlinks = "skip" }))
    assert.equal(120, summary.skipped.count)
    assert.equal(100, #summary.skipped.names)
    summary = assert(dest:put_tree(dir .. "/source", "tree", { symlinks = "follow" }))
    assert.equal(0, summary.skipped.count)
  end)
end)

-- NAS keep deleted files, thumbnails and snapshots beside those that they serve.
local BINS = { ".recycle", "#recycle", "@Recycle", "$RECYCLE.BIN", ".Trash-1000", "@eaDir", "#snapshot", ".snapshot",
  "lost+found" }

local function fill(place)
  for _, name in ipairs(BINS) do
    lfs.mkdir(place .. "/" .. name)
    files.write(place .. "/" .. name .. "/deleted", "x")
    files.write(place .. "/" .. name .. "/old.0123abcd.part", "x")
    files.write(place .. "/" .. name .. "/moved.0123abcd.aside", "x")
  end
end

local function count(place)
  local found = 0
  for _, name in ipairs(BINS) do found = found + (lfs.attributes(place .. "/" .. name) and 1 or 0) end
  return found
end

describe("recycle bins and snapshots", function()
  it("stay where a mirror deletes, on either side, unless they are meant", function()
    files.write(dir .. "/source/keep", "1")
    local there, here = share.on_server "", dir .. "/local"
    fill(there)
    files.write(share.on_server "extra", "x")
    files.write(share.on_server "LOST+FOUND.txt", "x")
    for _, filter in ipairs { false, { "*" } } do
      local summary = assert(dest:put_tree(dir .. "/source", "", { mirror = true, filter = filter or nil }))
      assert.equal(filter and 0 or 2, summary.deleted)
      assert.equal(#BINS, count(there))
    end
    assert(dest:put_tree(dir .. "/source", "only"))
    fill(here)
    assert(dest:get_tree("only", here, { mirror = true }))
    assert.equal(#BINS, count(here))
    assert.equal(#BINS, assert(dest:get_tree("only", here, { mirror = true, bins = true })).deleted)
    assert.equal(0, count(here))
    assert.equal(#BINS + 1, assert(dest:put_tree(dir .. "/source", "", { mirror = true, bins = true })).deleted)
    assert.same({ "keep" }, share.everything())
  end)

  -- A department's folder was no longer in the source: its bin, with a year of deleted files, went with it.
  it("stay with the way to them, wherever they lie in a folder that a mirror deletes", function()
    local here = dir .. "/local"
    local function make(place)
      for _, folder in ipairs { "", "/extra", "/extra/deep", "/extra/deep/er", "/extra/other",
        "/extra/deep/.Recycle" } do
        lfs.mkdir(place .. folder)
        files.write(place .. folder .. "/file", "x")
      end
      fill(place .. "/extra/deep")
      lfs.mkdir(place .. "/gone")
      files.write(place .. "/gone/.recycle", "a file")
    end
    local function check(summary, place, deleted)
      assert.equal(#BINS + 1, summary.skipped.bins)
      assert.equal(#BINS + 1, summary.skipped.count)
      table.sort(summary.skipped.names, function(a, b) return a.name < b.name end)
      assert.same({ name = "extra/deep/#recycle", reason = "bin" }, summary.skipped.names[1])
      assert.matches("10 skipped %(10 bins%)", tostring(summary))
      if deleted then assert.equal(deleted, summary.deleted) end
      assert.equal(#BINS, count(place .. "/extra/deep"))
      assert.equal("x", files.read(place .. "/extra/deep/.recycle/old.0123abcd.part"))
      for _, name in ipairs { "extra/other", "extra/file", "gone", "extra/deep/er", "extra/deep/file" } do
        assert.is_nil(lfs.attributes(place .. "/" .. name), name)
      end
    end
    files.write(dir .. "/source/keep", "1")
    local there = share.on_server ""
    for _, filter in ipairs { false, { "*" } } do
      make(there)
      assert(os.remove(there .. "/file"))
      local opts = { mirror = true, filter = filter or nil }
      check(assert(dest:put_tree(dir .. "/source", "", opts)), there, not filter and 1)
      check(assert(dest:put_tree(dir .. "/source", "", opts)), there, 0)
    end
    assert(dest:rmdir("extra", { recursive = true }))
    assert.is_nil(lfs.attributes(there .. "/extra"))
    for _, filter in ipairs { false, { "*" } } do
      make(here)
      assert(os.remove(here .. "/file"))
      local opts = { mirror = true, filter = filter or nil }
      check(assert(dest:get_tree("", here, opts)), here, not filter and 1)
      check(assert(dest:get_tree("", here, opts)), here, 0)
    end
    local all = { mirror = true, bins = true }
    assert.equal(0, assert(dest:get_tree("", here, all)).skipped.bins)
    assert.is_nil(lfs.attributes(here .. "/extra"))
    make(there)
    assert.equal(0, assert(dest:put_tree(dir .. "/source", "", all)).skipped.bins)
    assert.same({ "keep" }, share.everything())
  end)

  it("are found without a request more", function()
    files.write(dir .. "/source/keep", "1")
    local asked = {}
    for _, with in ipairs { {}, { bins = true } } do
      for i = 1, 3 do
        lfs.mkdir(share.on_server("extra" .. i))
        files.write(share.on_server("extra" .. i .. "/file"), "x")
      end
      local one <close> = assert(smb.open(srv:url "backup", { connections = 1 }))
      assert(one:list())
      local before = one.info.round_trips
      with.mirror = true
      assert(one:put_tree(dir .. "/source", "", with))
      asked[#asked + 1] = one.info.round_trips - before
      assert(dest:delete "keep")
    end
    assert.equal(asked[2], asked[1])
  end)

  it("are not swept, unless they are meant", function()
    -- sweep "restored" what vfs_recycle had kept of a replaced file, into the bin.
    fill(share.on_server "")
    files.write(share.on_server "new.0123abcd.part", "x")
    assert.same({ "new.0123abcd.part" }, { table.unpack(assert(dest:sweep("", { older_than = 0 }))) })
    local swept = assert(dest:sweep("", { older_than = 0, bins = true }))
    assert.equal(#BINS, #swept)
    assert.equal(#BINS, #swept.restored)
  end)

  it("fill while a mirror deletes, and do not make it fail", function()
    for _, bin in ipairs { ".recycle", "Papierkorb" } do
      local other <close> = server.start { shares = { backup = { ["vfs objects"] = "recycle",
        ["recycle:repository"] = bin,
        ["recycle:keeptree"] = "yes", ["recycle:versions"] = "yes" } } }
      local bed <close> = assert(smb.open(other:url "backup"))
      files.write(dir .. "/source/keep", "1")
      for run = 1, 4 do
        shell.check(("rm -f %s/source/f*; for n in 1 2 3 4 5 6; do echo %d >%s/source/f%d_$n; done")
          :format(dir, run, dir, run))
        assert(bed:put_tree(dir .. "/source", "", { mirror = true, bins = run == 4 }))
      end
    end
  end)
end)
