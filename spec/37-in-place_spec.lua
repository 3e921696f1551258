-- Shares where one may make files, but neither rename nor delete them: drop boxes, WORM, protection against ransomware
-- (restic/restic#187, nextcloud/server#11295). `in_place` writes straight under the name; put without it says what it
-- leaves.

local lfs = require "lfs"
local accounts = require "spec.support.accounts"
local child = require "spec.support.child"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local KIB, MIB = 1024, 1024 * 1024
local IN_PLACE = { in_place = true }
-- Who owns nothing of what lies in a share's folder; without root nobody else can be had.
local OTHER = accounts.uid() == 0 and pcall(shell.check, { "setpriv", "--reuid=daemon", "true" }) and "daemon" or nil
local LEFT = "; '%s' is left there, since it can be neither renamed nor removed"

local on_server, assert_fails, everything = share.on_server, share.assert_fails, share.everything

local srv, net, dir, dest, source

local function of_others(more)
  local options = { ["force user"] = OTHER, ["inherit owner"] = "unix only" }
  for key, value in pairs(more or {}) do options[key] = value end
  return options
end

setup(function()
  srv, dir = share.start { shares = { backup = {}, worm = { ["vfs objects"] = "worm", ["worm:grace_period"] = "3600" },
    drop = of_others(), locked = of_others { ["create mask"] = "0600" }, unlisted = of_others(),
    blind = of_others { ["create mask"] = "0622" },
    hidden = { ["case sensitive"] = "yes", ["force user"] = OTHER } } }
  net = share.network()
  for _, name in ipairs { "drop", "locked", "unlisted", "blind", "hidden" } do
    shell.check { "chmod", "1777", srv:path(name) }
  end
  if OTHER then
    shell.check { "chmod", "711", srv.dir, srv.dir .. "/shares" }
    shell.check { "chmod", "-R", "a+rX", srv.dir .. "/lock" }
  end
end)

teardown(share.stop)

before_each(function()
  share.clean()
  source = files.make(dir .. "/local/source", 5000, 3)
  shell.check { "touch", "-d", "@1600000000", source }
end)

after_each(function()
  net:tell "calm"
  if dest then dest:close() end
  dest = nil
end)

local function open(name, options, where)
  dest = assert(smb.open((where or srv):url(name or "backup", nil, options or { retries = 0 })))
  return dest
end

local function inside(name) return files.list(srv:path(name)) end

local function mtime_of(path) return lfs.attributes(path, "modification") end

describe("in_place", function()
  it("puts and writes whole files, with their time, and nothing beside them", function()
    open()
    for _, size in ipairs { 0, 1, 5000, 9 * MIB + 1 } do
      local from = files.make(dir .. "/local/from", size, size)
      shell.check { "touch", "-d", "@1500000000", from }
      for _, opts in ipairs { IN_PLACE, { in_place = true, verify = "sha256" } } do
        assert.equal(size, assert(dest:put(from, "file", opts)).bytes) -- the second replaces the first
        assert.is_true(files.same(from, on_server "file"))
        assert.equal(1500000000, mtime_of(on_server "file"))
        assert.equal(size, assert(dest:write("written", files.content(size, 2), opts)).bytes)
        assert.is_true(files.read(on_server "written") == files.content(size, 2))
        assert.same({ "file", "written" }, everything())
      end
    end
    assert(dest:put("/proc/version", "file", IN_PLACE))
    assert.equal(files.read "/proc/version", files.read(on_server "file"))
  end)

  it("is encrypted as well as any", function()
    open("backup", { encryption = "required" })
    assert(dest:put(source, "file", IN_PLACE))
    assert.is_true(files.same(source, on_server "file"))
    assert.equal(1600000000, mtime_of(on_server "file"))
  end)

  it("can be an option of the destination, and of its URL", function()
    open("backup", { ["in-place"] = "true" })
    assert.is_true(dest.options.in_place)
    local counts = srv:requests(function() assert(dest:put(source, "file")) end)
    assert.equal(2, counts.create)
    counts = srv:requests(function() assert(dest:put(source, "file", { in_place = false })) end)
    assert.is_true(counts.create > 2)
    assert.same({ "file" }, everything())
  end)

  it("costs six requests with the time, and three without", function()
    open()
    assert(dest:exists "")
    for _ = 1, 2 do -- with nothing there, and over a file
      for most, fn in pairs {
        [6] = function() return dest:put(source, "file", IN_PLACE) end,
        [3] = function() return dest:put(source, "file", { in_place = true, preserve_mtime = false }) end,
      } do
        local counts, result, message = srv:requests(fn)
        assert.is_truthy(result, message)
        assert.equal(most, counts.total)
      end
      assert.equal(3, (srv:requests(function() assert(dest:write("written", "content", IN_PLACE)) end)).total)
    end
  end)

  it("replaces no file when told so, nor a folder", function()
    open()
    files.write(on_server "file", "old")
    lfs.mkdir(on_server "folder")
    assert_fails("exists", dest:put(source, "file", { in_place = true, overwrite = false }))
    assert_fails("exists", dest:write("file", "new", { in_place = true, overwrite = false }))
    assert_fails("is_directory", dest:put(source, "folder", IN_PLACE))
    assert_fails("folder_missing", dest:put(source, "missing/file", IN_PLACE))
    assert.equal("old", files.read(on_server "file"))
    assert(dest:put(source, "a/b/file", { in_place = true, parents = true, overwrite = false }))
    assert.is_true(files.same(source, on_server "a/b/file"))
  end)

  it("sends a big file in order over one connection, so that its size is reached last", function()
    local big = files.make(dir .. "/local/big", 70 * MIB, 4)
    open("backup", { connections = 4 })
    srv:mark()
    assert(dest:put(big, "file", IN_PLACE))
    assert.is_true(files.same(big, on_server "file"))
    local writes, expected = srv:writes(), 0
    for _, write in ipairs(writes) do
      assert.equal(writes[1].process, write.process)
      assert.equal(expected, write.offset)
      expected = expected + write.length
    end
    assert.equal(70 * MIB, expected)
  end)

  it("goes on after a break", function()
    local from = files.make(dir .. "/local/from", 20 * MIB + 1, 5)
    local options = { retries = 2, ["retry-delay"] = "50ms", ["write-buffer-size"] = "1M" }
    for _, overwrite in ipairs { true, false } do
      open("backup", options, net)
      os.remove(on_server "file")
      net:tell("cut", 9 * MIB)
      local result = assert(dest:put(from, "file", { in_place = true, overwrite = overwrite }))
      assert.equal(1, result.retries)
      assert.is_true(result.resumed > 7 * MIB)
      assert.is_true(files.same(from, on_server "file"))
      net:tell("cut", 9 * MIB)
      result = assert(dest:write("written", files.content(20 * MIB + 1, 5), IN_PLACE))
      assert.equal(1, result.retries)
      assert.is_true(files.same(from, on_server "written"))
      dest:close()
    end
  end)

  it("goes on after a break at any request of a small file", function()
    open("backup", { retries = 3, ["retry-delay"] = "20ms" }, net)
    for _, what in ipairs { "cut-frame", "lose" } do
      for frame = 1, 6 do
        for _, overwrite in ipairs { true, false } do
          os.remove(on_server "file")
          assert(dest:exists "")
          net:tell(what, frame)
          assert(dest:put(source, "file", { in_place = true, overwrite = overwrite }))
          net:tell "calm"
          assert.is_true(files.same(source, on_server "file"))
          assert.equal(1600000000, mtime_of(on_server "file"))
        end
      end
    end
    assert.same({ "file" }, everything())
  end)

  it("leaves nothing of a file that it gives up", function()
    open()
    assert_fails("local_io", dest:write("file", function() return nil, "no more" end, IN_PLACE))
    local at = 0
    local result, problem = dest:write("file", function()
      at = at + 1
      if at > 3 then return nil, "no more" end
      return ("x"):rep(3 * MIB)
    end, IN_PLACE)
    assert.is_nil(result)
    assert.equal("no more", problem)
    local job
    job = dest:submit("write", "file", function()
      if job then job:cancel() end
      coroutine.yield()
      return ("x"):rep(MIB)
    end, IN_PLACE)
    assert_fails("cancelled", job:wait())
    assert.same({}, everything())
  end)

  it("says that a part is left when the server goes for good", function()
    local from = files.make(dir .. "/local/from", 20 * MIB, 5)
    open("backup", { retries = 0, ["write-buffer-size"] = "1M" }, net)
    net:tell("cut", 9 * MIB)
    net:tell "refuse"
    local message = assert_fails("disconnected", dest:put(from, "file", IN_PLACE))
    assert.matches("an incomplete file is left under this name", message, 1, true)
    assert.is_true(files.size(on_server "file") < 20 * MIB)
    net:tell "calm"
    assert(dest:put(from, "file", IN_PLACE))
    assert.is_true(files.same(from, on_server "file"))
  end)

  it("goes with no resume, nor where a part would be taken for the whole", function()
    open()
    assert.has_error(function() dest:put(source, "file", { in_place = true, resume = true }) end,
      "put: resume and in_place exclude each other: nobody can tell what a file of that name is the beginning of")
    assert.has_error(function() dest:get("file", dir .. "/local/x", IN_PLACE) end)
    assert.has_error(function() dest:put(source, "file", { in_place = "yes" }) end)
    assert.same({}, everything())
  end)
end)

-- What each of the shares has in common.
local function assert_takes(name)
  open(name)
  assert(dest:put(source, "put", IN_PLACE))
  assert.is_true(files.same(source, srv:path(name) .. "/put"))
  assert(dest:write("written", "content", IN_PLACE))
  assert(dest:write("streamed", io.popen "echo content", IN_PLACE))
  assert.equal("content", files.read(srv:path(name) .. "/written"))
  assert.same({ "put", "streamed", "written" }, inside(name))
end

local function put_as_process(name)
  lfs.mkdir(dir .. "/run")
  local program = child.start(dir .. "/run", [[
    local dest <close> = assert(smb.open(%q, { retries = 0 }))
    say(dest:put(%q, 'file'))
  ]], srv:url(name), source)
  local said = program:await_end()
  files.remove(dir .. "/run")
  return said
end

-- Without in_place: what is left has one name, by whatever process it was sent.
local function assert_no_litter(name)
  open(name)
  local names
  for i = 1, 3 do
    local message = assert_fails("access_denied", dest:put(source, "file"))
    names = names or inside(name)
    assert.matches("^file%.%x+%.part$", names[1])
    assert.matches(LEFT:format(names[1]), message, 1, true)
    assert.same(names, inside(name), i)
  end
  assert.matches(LEFT:format(names[1]), put_as_process(name), 1, true)
  assert.same(names, inside(name))
  local message = assert_fails("access_denied", dest:write("file", "content"))
  assert.matches(LEFT:format(names[1]), message, 1, true)
  assert.same(names, inside(name))
end

describe("a WORM share", function()
  -- Of Samba 4.17 it locks what has a time of long ago; of newer ones, what was changed long ago.
  local NEWER = "this Samba locks nothing for its first hour"

  it("takes files in place, once", function()
    assert_takes "worm"
    local result, message, code = dest:put(source, "put", IN_PLACE)
    if result then return pending(NEWER) end
    assert.equal("access_denied", code)
    assert.not_matches("left", message)
    assert.is_true(files.same(source, srv:path "worm" .. "/put"))
  end)

  it("gets no more than one temporary file, which is named", function()
    open "worm"
    if dest:put(source, "other") then return pending(NEWER) end
    dest:close()
    share.clean()
    files.make(dir .. "/local/source", 5000, 3)
    shell.check { "touch", "-d", "@1600000000", source }
    assert_no_litter "worm"
  end)
end)

describe("a drop box", function()
  if not OTHER then return it("takes files", function() pending "needs root" end) end

  it("takes files in place", function()
    assert_takes "drop"
    assert(dest:put(source, "put", IN_PLACE))
  end)

  it("gets no more than one temporary file, which is named", function() assert_no_litter "drop" end)

  it("takes trees, and keeps no more than one empty folder of all of them", function()
    lfs.mkdir(dir .. "/local/tree")
    for i = 1, 20 do files.make(dir .. "/local/tree/" .. i, i * KIB, i) end
    for turn = 1, 3 do
      open "drop"
      assert.equal(20, assert(dest:put_tree(dir .. "/local/tree", "tree" .. turn)).files)
      assert.equal(0, assert(dest:put_tree(dir .. "/local/tree", "tree" .. turn)).folders)
      dest:close()
      assert.equal(1 + turn, #inside "drop")
      assert.matches("^lua%-smb%.%x+%.part$", inside "drop"[1])
    end
  end)

  it("whose files may not be opened again takes them, once", function()
    assert_takes "locked"
    assert_fails("access_denied", dest:put(source, "put", IN_PLACE))
    local result = assert(dest:put(source, "new", IN_PLACE))
    assert.equal(false, result.mtime_kept) -- whose file it is decides on its time
    assert.is_true(files.same(source, srv:path "locked" .. "/new"))
    assert.is_nil(assert(dest:put(source, "newer", { in_place = true, preserve_mtime = false })).mtime_kept)
  end)

  it("whose files may not be opened again gets no more than one temporary file, which is named", function()
    assert_no_litter "locked"
  end)

  it("whose files may be written but not read takes them, and replaces them", function()
    assert_takes "blind"
    assert(dest:put(source, "written", IN_PLACE))
    assert.is_true(files.same(source, srv:path "blind" .. "/written"))
    -- who makes a file may read it while it is open
    assert(dest:put(source, "new", { in_place = true, verify = "sha256" }))
    assert_fails("access_denied", dest:put(source, "new", { in_place = true, verify = "sha256" }))
  end)

  it("where a break cannot be mended is told what is left", function()
    local from = files.make(dir .. "/local/from", 20 * MIB, 5)
    open("locked", { retries = 3, ["retry-delay"] = "20ms", ["write-buffer-size"] = "1M" }, net)
    net:tell("cut", 9 * MIB)
    local message = assert_fails("access_denied", dest:put(from, "file", IN_PLACE))
    assert.matches("an incomplete file is left under this name", message, 1, true)
    assert.same({ "file" }, inside "locked")
  end)

  it("takes a file of which nothing but the time was missing when the connection broke", function()
    open("locked", { retries = 3, ["retry-delay"] = "20ms" }, net)
    assert(dest:exists "")
    net:tell("cut-frame", 4)
    assert.equal(1, assert(dest:put(source, "file", IN_PLACE)).retries)
    assert.is_true(files.same(source, srv:path "locked" .. "/file"))
  end)

  it("that may not be listed takes files, and trees", function()
    shell.check { "chmod", "333", srv:path "unlisted" }
    open "unlisted"
    assert(dest:put(source, "file", IN_PLACE))
    assert(dest:write("written", "content", { in_place = true, overwrite = false }))
    assert_fails("exists", dest:write("written", "content", { in_place = true, overwrite = false }))
    lfs.mkdir(dir .. "/local/tree")
    files.write(dir .. "/local/tree/a", "a")
    lfs.mkdir(dir .. "/local/tree/sub")
    files.write(dir .. "/local/tree/sub/b", "b")
    for _ = 1, 2 do
      local summary = assert(dest:put_tree(dir .. "/local/tree", "", IN_PLACE))
      assert.equal(2, summary.files + summary.unchanged) -- the folder in it may be listed
    end
    shell.check { "chmod", "1777", srv:path "unlisted" }
    assert.same({ "a", "file", "sub", "written" }, inside "unlisted")
    assert.equal("b", files.read(srv:path "unlisted" .. "/sub/b"))
  end)

  -- Where names have no case, Samba has to list the folder to tell that a name is missing.
  it("that may not be listed takes a new tree as elsewhere, where names have case", function()
    lfs.mkdir(dir .. "/local/tree")
    for i = 1, 20 do files.make(dir .. "/local/tree/" .. i, i * KIB, i) end
    shell.check { "chmod", "333", srv:path "hidden" }
    open "hidden"
    assert_fails("access_denied", dest:list "")
    assert.equal(20, assert(dest:put_tree(dir .. "/local/tree", "new")).files)
    assert.equal(20, assert(dest:put_tree(dir .. "/local/tree", "new", { mirror = true })).unchanged)
  end)
end)

describe("put_tree in place", function()
  local tree

  before_each(function()
    tree = dir .. "/local/tree"
    lfs.mkdir(tree)
    lfs.mkdir(tree .. "/sub")
    for i = 1, 20 do files.make(tree .. "/sub/" .. i, i * KIB, i) end
    open()
  end)

  it("renames nothing, and finds all unchanged the next time", function()
    local counts, summary = srv:requests(function() return assert(dest:put_tree(tree, "tree", IN_PLACE)) end)
    assert.equal(20, summary.files)
    assert.equal(20, counts.setinfo) -- the times
    for i = 1, 20 do assert.is_true(files.same(tree .. "/sub/" .. i, on_server("tree/sub/" .. i))) end
    summary = assert(dest:put_tree(tree, "tree", IN_PLACE))
    assert.equal(20, summary.unchanged)
    files.write(on_server "tree/sub/7", "cut off")
    assert.equal(1, assert(dest:put_tree(tree, "tree", IN_PLACE)).files)
    assert.is_true(files.same(tree .. "/sub/7", on_server "tree/sub/7"))
  end)

  it("is refused where a file that was cut off would be taken for whole", function()
    for _, opts in ipairs { { changed = "missing" }, { changed = "size", preserve_mtime = false } } do
      opts.in_place = true
      local ok, message = pcall(dest.put_tree, dest, tree, "tree", opts)
      assert.is_false(ok)
      assert.matches("in_place and changed = .* exclude each other", message)
    end
    assert.same({}, everything())
    assert(dest:put_tree(tree, "tree", { in_place = true, changed = "size" }))
  end)

  it("is for put_tree only", function()
    assert.has_error(function() dest:get_tree("", dir .. "/local/back", IN_PLACE) end)
  end)
end)
