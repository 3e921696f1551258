-- What others have put into a local folder: links in a file's or a folder's place would have a backup that runs as root
-- write, or delete, elsewhere.

local lfs = require "lfs"
local core = require "smb.core"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local srv, dir, dest, got, elsewhere

setup(function()
  srv, dir = share.start()
  got, elsewhere = dir .. "/local/got", dir .. "/local/elsewhere"
end)

teardown(share.stop)

before_each(function()
  share.clean()
  shell.check { "mkdir", "-p", got, elsewhere, share.on_server "tree/folder/deep" }
  for _, name in ipairs { "a", "folder/b", "folder/deep/c" } do files.write(share.on_server("tree/" .. name), "new") end
  files.write(elsewhere .. "/passwd", "root")
  dest = assert(smb.open(srv:url "backup"))
end)

after_each(function()
  dest:close()
  assert.same({ "passwd" }, files.list(elsewhere))
  assert.equal("root", files.read(elsewhere .. "/passwd"))
end)

local function is_link(path) return lfs.symlinkattributes(path, "mode") == "link" end

local function assert_refused(ok, message, code)
  assert.is_nil(ok)
  assert.equal("local_io", code)
  assert.matches('symlinks = "follow"', message, 1, true)
end

describe("get", function()
  it("into a folder replaces a link of the file's name", function()
    assert(lfs.link("../elsewhere/passwd", got .. "/a", true))
    assert(dest:get("tree/a", got))
    assert.is_false(is_link(got .. "/a"))
    assert.equal("new", files.read(got .. "/a"))
    os.remove(got .. "/a")
    assert(lfs.link("../elsewhere/nothing", got .. "/a", true))
    assert(dest:get("tree/a", got .. "/", { resume = true }))
    assert.equal("new", files.read(got .. "/a"))
  end)

  it("into a folder with overwrite = false leaves a link there", function()
    assert(lfs.link("../elsewhere/nothing", got .. "/a", true))
    local ok, _, code = dest:get("tree/a", got, { overwrite = false })
    assert.is_nil(ok)
    assert.equal("exists", code)
    assert.is_true(is_link(got .. "/a"))
  end)

  it("follows links in the path that it is given", function()
    assert(lfs.link("got", dir .. "/local/link", true))
    files.write(got .. "/real", "old")
    assert(lfs.link("real", got .. "/name", true))
    assert(dest:get("tree/a", dir .. "/local/link"))
    assert.equal("new", files.read(got .. "/a"))
    assert(dest:get("tree/a", dir .. "/local/link/name"))
    assert.equal("new", files.read(got .. "/real"))
    assert.is_true(is_link(got .. "/name"))
  end)
end)

describe("a temporary file that can be told beforehand", function()
  local DIGITS = "0123abcd"

  -- What core.create_local makes of a file that is there under the temporary name: how much of it is gone on with.
  local function resumed()
    local copy <close>, size = core.create_local(got .. "/a", DIGITS, true, true)
    return copy and size
  end

  it("is gone on with when it is this user's", function()
    files.write(got .. "/a." .. DIGITS .. ".part", "12345")
    assert.equal(5, resumed())
  end)

  it("is not, when it is a link, has another name as well, or is none", function()
    local temp = got .. "/a." .. DIGITS .. ".part"
    assert(lfs.link("../elsewhere/passwd", temp, true))
    assert.is_nil(resumed())
    os.remove(temp)
    assert(lfs.link(elsewhere .. "/passwd", temp))
    assert.is_nil(resumed())
    os.remove(temp)
    shell.check { "mkfifo", temp }
    assert.is_nil(resumed())
  end)

  it("is not, when it is another user's", function()
    if shell.check "id -u" ~= "0\n" then return pending "root can give files away" end
    local temp = got .. "/a." .. DIGITS .. ".part"
    files.write(temp, "12345")
    shell.check { "chown", "daemon", temp }
    assert.is_nil(resumed())
  end)
end)

describe("get_tree", function()
  it("replaces a link in a file's place", function()
    assert(lfs.link("../elsewhere/passwd", got .. "/a", true))
    assert(lfs.mkdir(got .. "/folder"))
    assert(lfs.link("../../elsewhere/nothing", got .. "/folder/b", true))
    assert.equal(3, assert(dest:get_tree("tree", got)).files)
    assert.is_false(is_link(got .. "/a"))
    assert.equal("new", files.read(got .. "/folder/b"))
    assert.equal(3, assert(dest:get_tree("tree", got)).unchanged)
  end)

  it("does not follow a link in a folder's place, and names what would", function()
    for _, opts in ipairs { {}, { mirror = true }, { changed = "always" }, { verify = "sha256" } } do
      assert(lfs.link("../elsewhere", got .. "/folder", true))
      assert_refused(dest:get_tree("tree", got, opts))
      opts.on_error = "continue"
      local summary = assert(dest:get_tree("tree", got, opts))
      assert.equal("folder", summary.errors[1].name)
      assert.is_true(is_link(got .. "/folder"))
      os.remove(got .. "/folder")
    end
  end)

  it("follows links in the path that it is given", function()
    assert(lfs.link("got", dir .. "/local/link", true))
    assert(dest:get_tree("tree", dir .. "/local/link/inner", { mirror = true }))
    assert.equal("new", files.read(got .. "/inner/folder/deep/c"))
  end)

  it("is not led elsewhere by a folder that becomes a link meanwhile", function()
    local function swap(path)
      if path == "folder/deep" or path == "folder/b" then
        if lfs.symlinkattributes(got .. "/folder", "mode") == "directory" then
          assert(os.rename(got .. "/folder", got .. "/was"))
          assert(lfs.link("../elsewhere", got .. "/folder", true))
        end
      end
      return true
    end
    local ok, message = dest:get_tree("tree", got, { filter = swap })
    assert.is_nil(ok)
    assert.matches('symlinks = "follow"', message, 1, true)
  end)

  it("mirror deletes nothing that a link leads to", function()
    shell.check { "mkdir", got .. "/old" }
    assert(lfs.link("../../elsewhere", got .. "/old/link", true))
    assert(dest:get_tree("tree", got, { mirror = true }))
    assert.same({ "a", "folder" }, files.list(got))
  end)
end)
