-- `keep_old`: what a tree replaces or deletes is moved away instead, under the same path.

local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local assert_fails, on_server = share.assert_fails, share.on_server

local srv, dir, dest

setup(function() srv, dir = share.start() end)

teardown(share.stop)

before_each(function()
  share.clean()
  shell.check { "rm", "-rf", dir .. "/local/tree", dir .. "/local/old" }
  dest = assert(smb.open(srv:url "backup"))
end)

after_each(function() dest:close() end)

-- Makes a folder of files, by path.
local function write(folder, contents)
  for path, text in pairs(contents) do
    shell.check { "mkdir", "-p", (folder .. "/" .. path):match "^(.*)/" }
    if path:sub(-1) ~= "/" then files.write(folder .. "/" .. path, text) end
  end
end

-- What is in a folder, by path; folders that are empty have "/" at their ends.
local function read(folder)
  local found = {}
  if not files.exists(folder) then return found end
  for path in shell.check { "find", folder, "-mindepth", "1", "(", "-type", "d", "-empty", "-printf", "%P/\n", "-o",
    "!", "-type", "d", "-printf", "%P\n", ")" }:gmatch "[^\n]+" do
    found[path] = path:sub(-1) == "/" and "" or files.read(folder .. "/" .. path)
  end
  return found
end

local ways = {
  put_tree = {
    from = function() return dir .. "/local/tree" end,
    to = function() return on_server "tree" end,
    old = function() return on_server "old/night" end,
    call = function(opts)
      opts.keep_old = opts.keep_old or "old/night"
      return dest:put_tree(dir .. "/local/tree", "tree", opts)
    end,
  },
  get_tree = {
    from = function() return on_server "tree" end,
    to = function() return dir .. "/local/tree" end,
    old = function() return dir .. "/local/old/night" end,
    call = function(opts)
      opts.keep_old = opts.keep_old or dir .. "/local/old/night"
      return dest:get_tree("tree", dir .. "/local/tree", opts)
    end,
  },
}

for what, way in pairs(ways) do
  describe("keep_old of " .. what, function()
    before_each(function()
      write(way.from(), { same = "same", changed = "new contents", ["sub/changed"] = "new, too", new = "new" })
      write(way.to(), { changed = "old", ["sub/changed"] = "old, too", gone = "gone", ["folder/inner/gone"] = "deep",
        ["folder/empty/"] = "" })
    end)

    it("has what was replaced, with its time, and what was deleted", function()
      shell.check { "touch", "-d", "@1000000000", way.to() .. "/changed" }
      local summary = assert(way.call { mirror = true })
      assert.same({}, summary.errors)
      assert.equal(4, summary.files)
      assert.same({ same = "same", changed = "new contents", ["sub/changed"] = "new, too", new = "new" },
        read(way.to()))
      assert.same({ changed = "old", ["sub/changed"] = "old, too", gone = "gone", ["folder/inner/gone"] = "deep",
        ["folder/empty/"] = "" }, read(way.old()))
      assert.equal("1000000000\n", shell.check { "stat", "-c", "%Y", way.old() .. "/changed" })
    end)

    it("is made only when there is something to keep, and keeps nothing without mirror but what is replaced", function()
      local summary = assert(way.call {})
      assert.equal(0, summary.deleted)
      assert.same({ changed = "old", ["sub/changed"] = "old, too" }, read(way.old()))
      assert.equal("gone", files.read(way.to() .. "/gone"))
      assert.equal(4, assert(way.call {}).unchanged)
      assert.same({ changed = "old", ["sub/changed"] = "old, too" }, read(way.old()))
    end)

    it("never loses what it has: a second file of a name becomes NAME~1", function()
      write(way.old(), { changed = "older", ["changed~1"] = "oldest", gone = "older" })
      assert(way.call { mirror = true })
      local old = read(way.old())
      assert.same({ "older", "oldest", "old", "older", "gone" },
        { old.changed, old["changed~1"], old["changed~2"], old.gone, old["gone~1"] })
    end)

    it("changes nothing in a dry run", function()
      local before = read(way.to())
      local summary = assert(way.call { mirror = true, dry_run = true })
      assert.equal(4, summary.files)
      assert.same(before, read(way.to()))
      assert.is_false(files.exists(way.old()))
    end)

    it("leaves alone what a filter excludes", function()
      assert(way.call { mirror = true, filter = { "!gone", "!changed" } })
      assert.same({ ["folder/empty/"] = "" }, read(way.old()))
      assert.equal("deep", files.read(way.to() .. "/folder/inner/gone"))
    end)
  end)
end

describe("keep_old", function()
  before_each(function() write(dir .. "/local/tree", { file = "new" }) end)

  it("must not lie in the tree, nor the tree in it: nothing is sent", function()
    for _, keep_old in ipairs { "tree", "tree/old", "TREE/old", "a" } do
      local into = keep_old == "a" and "a/tree" or "tree"
      local message = assert_fails("invalid_name", dest:put_tree(dir .. "/local/tree", into, { keep_old = keep_old }))
      assert.matches("keep_old: '" .. keep_old .. "' and the folder that is sent lie in each other", message, 1, true)
    end
    assert_fails("invalid_name", dest:put_tree(dir .. "/local/tree", "", { keep_old = "old" }))
    assert.same({}, share.everything())
    assert(dest:put_tree(dir .. "/local/tree", "tree", { keep_old = "tree-old" }))
  end)

  it("must not lie in the local tree, whatever links lead there", function()
    write(on_server "tree", { file = "new" })
    local here = dir .. "/local/tree"
    shell.check { "ln", "-sfn", here, dir .. "/local/link" }
    for _, keep_old in ipairs { here, here .. "/old/night", dir .. "/local/link/old", dir .. "/local" } do
      assert_fails("local_io", dest:get_tree("tree", here, { keep_old = keep_old }))
    end
    assert.same({ file = "new" }, read(here))
    os.remove(dir .. "/local/link")
  end)

  it("is a name that SMB can hold", function()
    assert_fails("invalid_name", dest:put_tree(dir .. "/local/tree", "tree", { keep_old = "a:b" }))
    assert_fails("invalid_name", dest:put_tree(dir .. "/local/tree", "tree", { keep_old = "" }))
    assert_fails("invalid_name", dest:put_tree(dir .. "/local/tree", "tree", { keep_old = "../old" }))
  end)

  it("goes with files that can be renamed only", function()
    assert.has_error(function() dest:put_tree(dir .. "/local/tree", "tree", { keep_old = "old", in_place = true }) end,
      "put_tree: in_place and keep_old exclude each other: what may not be renamed cannot be moved away")
  end)

  it("that cannot be written to leaves the old file in its place", function()
    write(on_server "tree", { file = "old" })
    write(on_server "", { old = "a file" })
    local summary = assert(dest:put_tree(dir .. "/local/tree", "tree", { keep_old = "old", on_error = "continue" }))
    assert.equal(1, #summary.errors)
    assert.same({ file = "old" }, read(on_server "tree"))
  end)

  it("moves nothing out of the tree through a link that somebody has planted", function()
    write(on_server "tree", { ["sub/secret"] = "new" })
    write(dir .. "/local/elsewhere", { secret = "theirs" })
    shell.check { "rm", "-rf", dir .. "/local/tree/sub" }
    shell.check { "ln", "-s", dir .. "/local/elsewhere", dir .. "/local/tree/sub" }
    local summary = assert(dest:get_tree("tree", dir .. "/local/tree", { keep_old = dir .. "/local/old", mirror = true,
      on_error = "continue" }))
    assert.equal(1, #summary.errors)
    assert.equal("theirs", files.read(dir .. "/local/elsewhere/secret"))
  end)
end)

describe("keep_old, wherever the connection breaks", function()
  it("loses neither the old file nor the new one", function()
    local net <close> = share.network()
    local source = dir .. "/local/tree"
    for frame = 1, 40 do
      share.clean()
      write(source, { file = "new" })
      write(on_server "tree", { file = "old" })
      local one <close> = assert(smb.open(net:url "backup", { connections = 1, retries = 5, retry_delay = 0.01 }))
      net:tell("lose", frame)
      local summary, message = one:put_tree(source, "tree", { keep_old = "old" })
      net:tell "calm"
      assert(summary, ("frame %d: %s"):format(frame, message))
      assert.same({ file = "new" }, read(on_server "tree"), frame)
      assert.same({ file = "old" }, read(on_server "old"), frame)
    end
  end)
end)
