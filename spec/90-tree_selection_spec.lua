-- Which files of a tree are meant: lists of names, folders that say that they are to be left out, other file systems.

local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local assert_fails, on_server = share.assert_fails, share.on_server

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# by a spec"

local srv, dir, dest, here, there

setup(function() srv, dir = share.start() end)

teardown(share.stop)

before_each(function()
  share.clean()
  here, there = dir .. "/local/tree", on_server "tree"
  shell.check { "rm", "-rf", here, dir .. "/local/out" }
  dest = assert(smb.open(srv:url "backup"))
end)

after_each(function() dest:close() end)

local function write(folder, contents)
  for path, text in pairs(contents) do
    shell.check { "mkdir", "-p", (folder .. "/" .. path):match "^(.*)/" }
    files.write(folder .. "/" .. path, text)
  end
end

-- Sorted paths of the files in a folder.
local function paths(folder)
  local found = {}
  if not files.exists(folder) then return found end
  for path in shell.check { "find", folder, "-type", "f", "-printf", "%P\n" }:gmatch "[^\n]+" do
    found[#found + 1] = path
  end
  table.sort(found)
  return found
end

local TREE = { a = "a", b = "b", ["sub/c"] = "c", ["sub/deep/d"] = "d", ["other/e"] = "e", ["other/f"] = "f" }

local ways = {
  put_tree = { from = function() return here end, to = function() return there end,
    call = function(opts) return dest:put_tree(here, "tree", opts) end },
  get_tree = { from = function() return there end, to = function() return dir .. "/local/out" end,
    call = function(opts) return dest:get_tree("tree", dir .. "/local/out", opts) end },
}

for what, way in pairs(ways) do
  describe("files_from of " .. what, function()
    before_each(function() write(way.from(), TREE) end)

    it("moves what is named, and what is in folders that are", function()
      local summary = assert(way.call { files_from = { "a", "./sub/deep/", "other/e" } })
      assert.same({ "a", "other/e", "sub/deep/d" }, paths(way.to()))
      assert.equal(3, summary.files)
      assert.equal(6, assert(way.call { files_from = { "." } }).files + 3)
    end)

    it("moves only what a filter includes, too", function()
      assert(way.call { files_from = { "a", "other" }, filter = { "!f" } })
      assert.same({ "a", "other/e" }, paths(way.to()))
    end)

    it("leaves alone in a mirror what it does not name", function()
      write(way.to(), { b = "old", ["other/x"] = "x", ["sub/y"] = "y" })
      local summary = assert(way.call { files_from = { "a", "other" }, mirror = true })
      assert.equal(1, summary.deleted)
      assert.same({ "a", "b", "other/e", "other/f", "sub/y" }, paths(way.to()))
      assert.equal("old", files.read(way.to() .. "/b"))
    end)

    it("tells what is missing; nothing is deleted then", function()
      write(way.to(), { ["other/x"] = "x" })
      local message = assert_fails("not_found", way.call { files_from = { "a", "nowhere/x" }, mirror = true })
      assert.matches("'tree/nowhere/x' on smb://.*: files_from names it, and it is not there", message)
      local summary = assert(way.call { files_from = { "a", "gone", "other", "sub/gone" }, mirror = true,
        on_error = "continue" })
      assert.equal(3, #paths(way.to()) - 1)
      local missing = {}
      for i, each in ipairs(summary.errors) do missing[i] = each.name .. " " .. each.code end
      table.sort(missing)
      assert.same({ "gone not_found", "sub/gone not_found" }, missing)
      assert.is_true(files.exists(way.to() .. "/other/x"))
    end)

    it("finds names in another normal form", function()
      write(way.from(), { ["e\u{301}te\u{301}"] = "x" })
      assert.equal(1, assert(way.call { files_from = { "\u{e9}t\u{e9}" } }).files)
    end)

    it("refuses what is no path below the folder, before anything is moved", function()
      for _, path in ipairs { "/etc", "../x", "a/../b", "a/./b", ".." } do
        local message = assert_fails("invalid_name", way.call { files_from = { path } })
        assert.matches("files_from: '" .. path .. "' is no path below the folder", message, 1, true)
      end
      for _, list in ipairs { { "" }, { 1 }, { a = "b" } } do
        assert.has_error(function() way.call { files_from = list } end,
          what .. ": option 'files_from' must be a list of names")
      end
    end)
  end)
end

describe("put_tree", function()
  before_each(function() write(here, TREE) end)

  it("leaves out folders that hold a name of exclude_if_present, but for that", function()
    write(here, { ["sub/.nobackup"] = "", ["other/.skip"] = "" })
    assert(dest:put_tree(here, "tree", { exclude_if_present = { ".nobackup", ".skip" } }))
    assert.same({ "a", "b", "other/.skip", "sub/.nobackup" }, paths(there))
    assert(dest:put_tree(here, "one", { exclude_if_present = ".nobackup" }))
    assert.same({ "a", "b", "other/.skip", "other/e", "other/f", "sub/.nobackup" }, paths(on_server "one"))
  end)

  it("leaves alone in a mirror what is in such folders", function()
    write(here, { ["sub/.nobackup"] = "" })
    write(there, { ["sub/c"] = "old", ["sub/x"] = "x", ["other/x"] = "x" })
    assert.equal(1, assert(dest:put_tree(here, "tree", { exclude_if_present = ".nobackup", mirror = true })).deleted)
    assert.same({ "a", "b", "other/e", "other/f", "sub/.nobackup", "sub/c", "sub/x" }, paths(there))
  end)

  it("leaves out folders with a CACHEDIR.TAG, if asked, where that is one", function()
    write(here, { ["sub/CACHEDIR.TAG"] = TAG, ["other/CACHEDIR.TAG"] = "no tag" })
    assert(dest:put_tree(here, "tree", { exclude_caches = true }))
    assert.same({ "a", "b", "other/CACHEDIR.TAG", "other/e", "other/f", "sub/CACHEDIR.TAG" }, paths(there))
    assert.equal(8, assert(dest:put_tree(here, "all")).files)
  end)

  local check = SANDBOX and it or pending
  check("leaves out what is mounted below the folder with one_file_system, and tells it", function()
    local mount = here .. "/sub/mounted"
    shell.check { "mkdir", mount }
    shell.check { "mount", "-t", "tmpfs", "none", mount }
    local _ <close> = setmetatable({}, { __close = function() shell.check { "umount", mount } end })
    write(mount, { inner = "x" })
    write(there, { ["sub/mounted/kept"] = "x" })
    local summary = assert(dest:put_tree(here, "tree", { one_file_system = true, mirror = true }))
    assert.equal(1, summary.skipped.mounts)
    assert.same({ { name = "sub/mounted", reason = "mount" } }, summary.skipped.names)
    assert.is_true(files.exists(there .. "/sub/mounted/kept"))
    assert.is_false(files.exists(there .. "/sub/mounted/inner"))
    assert.equal(1, assert(dest:put_tree(here, "tree")).files)
  end)
end)

describe("get_tree", function()
  it("knows no options that are about local folders", function()
    for _, key in ipairs { "exclude_if_present", "exclude_caches", "one_file_system" } do
      local ok, raised =
        pcall(dest.get_tree, dest, "tree", dir .. "/local/out", { [key] = key:find "if" and "x" or true })
      assert.is_false(ok)
      assert.matches("unknown option '" .. key, raised, 1, true)
    end
  end)
end)
