-- DFS links, as in a company's namespace: trees and recursive deletions end at them. Whatever the share's server says,
-- nothing that another server holds is deleted.

local lfs = require "lfs"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"
local assert_raises = require("spec.support.share").assert_raises

local SMB1 = { options = { min_protocol = "NT1", max_protocol = "NT1" },
  global = { ["server min protocol"] = "NT1", ["server max protocol"] = "NT1", ["ntlm auth"] = "yes" } }

for _, how in ipairs { { global = {} }, SMB1 } do describe(how == SMB1 and "DFS over SMB1:" or "DFS:", function()
  if os.getenv "LUA_SMB_SANDBOX" ~= "1" then return pending "needs spec/support/sandbox: DFS works on port 445 only" end

  local root, target, dir, dest

  -- The servers' disks. `target` has what nobody may lose.
  local function at_root(name) return root:path("dfs", name) end
  local function at_target(name) return target:path("data", name) end

  local function with(options)
    for key, value in pairs(how.options or {}) do options[key] = value end
    return options
  end

  local function link(name, to)
    assert(lfs.link("msdfs:127.0.0.2\\" .. to, at_root(name), true))
  end

  local function assert_untouched()
    assert.equal("do not lose me", files.read(at_target "precious"))
    assert.equal("directory", lfs.attributes(at_target "empty", "mode"))
    assert.equal("me neither", files.read(at_target "deep/also"))
  end

  setup(function()
    dir = files.directory()
    how.global["host msdfs"] = "yes"
    root = server.start { users = { bob = "s3cret" }, global = how.global, shares = {
      dfs = { ["msdfs root"] = "yes" } } }
    shell.check { "chmod", "711", root.dir } -- referrals are looked up as the user, not as the share's
    target = server.start { users = { bob = "s3cret" }, global = how.global, address = "127.0.0.2",
      shares = { data = {} } }
  end)

  teardown(function()
    root:stop()
    target:stop()
    files.remove(dir)
  end)

  before_each(function()
    shell.check("find " .. shell.quote { at_root "", at_target "", dir } .. " -mindepth 1 -delete")
    files.write(at_target "precious", "do not lose me")
    lfs.mkdir(at_target "empty")
    lfs.mkdir(at_target "deep")
    files.write(at_target "deep/also", "me neither")
    link("link", "data")
    lfs.mkdir(at_root "folder")
    files.write(at_root "folder/own", "1")
    lfs.mkdir(dir .. "/source")
    files.write(dir .. "/source/new", "1")
    dest = assert(smb.open(root:url "dfs", how.options))
  end)

  after_each(function()
    dest:close()
    assert_untouched()
  end)

  local function assert_fails(code, ok, message, got)
    assert.is_nil(ok)
    assert.equal(code, got, message)
    return message
  end

  it("rmdir empties no link, and removes no empty folder that one leads to", function()
    link("to empty", "data\\empty")
    for _, name in ipairs { "link", "to empty", "link" } do
      assert.matches("DFS", assert_fails("unsupported", dest:rmdir(name, { recursive = true })), 1, true)
      assert_fails("unsupported", dest:rmdir(name))
      assert_untouched()
    end
  end)

  it("rmdir with recursive leaves links alone that it finds", function()
    link("folder/link", "data\\empty")
    lfs.mkdir(at_root "folder/z")
    assert.matches("a link to a folder", assert_fails("unsupported", dest:rmdir("folder", { recursive = true })))
    assert.same({ "link" }, files.list(at_root "folder"))
    os.remove(at_root "folder/link")
    assert(dest:rmdir("folder", { recursive = true }))
    assert.is_nil(lfs.attributes(at_root "folder"))
  end)

  it("rmdir removes what lies below a link", function()
    lfs.mkdir(at_target "more")
    files.write(at_target "more/file", "1")
    lfs.mkdir(at_target "other")
    assert(dest:rmdir("link/more", { recursive = true }))
    assert(dest:rmdir "link/other")
    assert.is_nil(lfs.attributes(at_target "more"))
    assert.is_nil(lfs.attributes(at_target "other"))
    local below <close> = assert(smb.open(root:url("dfs") .. "/link", how.options))
    lfs.mkdir(at_target "more")
    assert(below:rmdir("more", { recursive = true }))
  end)

  it("trees end at links, and tell them", function()
    link("folder/link", "data")
    local got = assert(dest:get_tree("", dir .. "/got"))
    assert.equal(1, got.files)
    table.sort(got.skipped.names, function(a, b) return a.name < b.name end)
    assert.same({ count = 2, links = 0, special = 0, dfs = 2, mounts = 0, bins = 0,
      names = { { name = "folder/link", reason = "dfs" }, { name = "link", reason = "dfs" } } }, got.skipped)
    assert.matches("2 skipped %(2 DFS links%)", tostring(got))
    local sent = assert(dest:put_tree(dir .. "/source", "folder", { mirror = true }))
    assert.equal(1, sent.skipped.dfs)
    assert.equal(1, sent.deleted)
    assert.equal("link", lfs.symlinkattributes(at_root "folder/link", "mode"))
    lfs.mkdir(at_root "old")
    link("old/link", "data\\empty")
    sent = assert(dest:put_tree(dir .. "/source", "", { mirror = true }))
    assert.equal(3, sent.skipped.dfs) -- link, old, folder
    assert.equal(0, sent.deleted)
    lfs.mkdir(dir .. "/source/link")
    files.write(dir .. "/source/link/inner", "1")
    sent = assert(dest:put_tree(dir .. "/source", "folder"))
    assert.equal(1, sent.skipped.dfs)
    assert.is_nil(lfs.attributes(at_target "inner"))
  end)

  it("a tree that begins below a link goes on there", function()
    assert.equal(2, assert(dest:get_tree("link", dir .. "/got")).files)
    assert.equal("me neither", files.read(dir .. "/got/deep/also"))
    assert.equal(1, assert(dest:get_tree("link/deep", dir .. "/deep")).files)
  end)

  -- A server may show as a plain folder what it then refers to another one: here the folder becomes a link after it was
  -- listed.
  local function becomes_link(name)
    return function(path)
      if path == name and lfs.symlinkattributes(at_root(name), "mode") == "directory" then
        assert(os.rename(at_root(name), at_root(name .. ".was")))
        link(name, "data")
      end
      return true
    end
  end

  it("trees and walks do not enter a folder that another server answers for", function()
    local got = assert(dest:get_tree("", dir .. "/got", { filter = becomes_link "folder" }))
    assert.is_nil(lfs.attributes(dir .. "/got/folder/precious"))
    assert.equal(2, got.skipped.dfs)
  end)

  it("a mirror deletes nothing in a folder that another server answers for", function()
    local sent = assert(dest:put_tree(dir .. "/source", "", { mirror = true, filter = becomes_link "folder" }))
    assert.equal(0, sent.deleted)
    assert.equal(2, sent.skipped.dfs)
  end)

  it("a walk does not enter a folder that another server answers for", function()
    local paths, turn = {}, becomes_link "folder"
    for path in dest:walk() do
      turn(path)
      paths[#paths + 1] = path
    end
    table.sort(paths)
    assert.same({ "folder", "link" }, paths)
  end)

  it("files and their times go through a link", function()
    files.write(dir .. "/file", "content")
    assert(lfs.touch(dir .. "/file", 1500000000))
    assert(dest:put(dir .. "/file", "link/file"))
    assert.equal(1500000000, assert(dest:stat "link/file").mtime)
    assert(dest:utime("link/file", 1400000000))
    assert.equal(1400000000, assert(dest:stat "link/file").mtime)
    assert(dest:rename("link/file", "link/renamed"))
    assert.equal("content", dest:read "link/renamed")
    assert(dest:delete "link/renamed")
  end)

  it("dfs = off follows no link", function()
    local off <close> = assert(smb.open(root:url "dfs", with { dfs = "off" }))
    for _ = 1, 2 do
      assert.matches("dfs is off", assert_fails("unsupported", off:stat "link/precious"))
      assert_fails("unsupported", off:list "link")
      assert_fails("unsupported", off:write("link/precious", "x"))
      assert.equal("1", off:read "folder/own")
    end
    assert.equal("do not lose me", dest:read "link/precious")
    assert_raises("must be 'on' or 'off', not 'maybe'", smb.open, root:url "dfs", { dfs = "maybe" })
    assert.equal("off",
      assert(smb.parse(root:url("dfs") .. (root:url("dfs"):find "?" and "&" or "?") .. "dfs=off")).dfs)
  end)
end) end
