-- What lies behind DFS links: a place like any other, on servers of its own.

local lfs = require "lfs"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

local ROOT, ONE, TWO, NOBODY = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9"
local MIB = 1024 * 1024
local DFS = { ["host msdfs"] = "yes" }

describe("DFS links:", function()
  if os.getenv "LUA_SMB_SANDBOX" ~= "1" then return pending "needs spec/support/sandbox: DFS works on port 445 only" end

  local root, one, two, dir, dest

  local function link(name, ...)
    assert(lfs.link("msdfs:" .. table.concat({ ... }, ","), root:path("dfs", name), true))
  end

  local function open(options, path)
    return assert(smb.open(root:url("dfs", path), options or {}))
  end

  local function assert_fails(code, ok, message, got)
    assert.is_nil(ok)
    assert.equal(code, got, message)
    return message
  end

  setup(function()
    dir = files.directory()
    root = server.start { address = ROOT, users = { bob = "s3cret" }, global = DFS, shares = {
      dfs = { ["msdfs root"] = "yes" }, encrypted = { ["msdfs root"] = "yes", ["smb encrypt"] = "required" } } }
    shell.check { "chmod", "711", root.dir } -- referrals are looked up as the user, not as the share's
    one = server.start { address = ONE, users = { bob = "s3cret" }, global = DFS, shares = {
      data = {}, more = { ["msdfs root"] = "yes" } } }
    shell.check { "chmod", "711", one.dir }
    two = server.start { address = TWO, users = { bob = "s3cret" }, shares = {
      data = {}, secret = { ["smb encrypt"] = "required" }, same = { path = one:path "data" } } }
  end)

  teardown(function()
    root:stop()
    one:stop()
    two:stop()
    files.remove(dir)
  end)

  before_each(function()
    local disks = { root:path "dfs", root:path "encrypted", one:path "data", one:path "more", two:path "data",
      two:path "secret", dir }
    shell.check("find " .. shell.quote(disks) .. " -mindepth 1 -delete")
    link("link", ONE .. "\\data")
    files.write(dir .. "/file", "content")
    assert(lfs.touch(dir .. "/file", 1500000000))
    dest = open()
  end)

  after_each(function() dest:close() end)

  -- All that can be done with files and folders, below `at` ("" or a folder with a slash) of a destination. They lie in
  -- `disk`.
  local function assert_a_place_like_any_other(d, at, disk)
    assert(d:mkdir(at .. "a/b"))
    local result = assert(d:put(dir .. "/file", at .. "a/file"))
    assert.is_not_false(result.mtime_kept)
    assert(d:put(dir .. "/file", at .. "a/file")) -- replaced
    assert.equal(1500000000, assert(d:stat(at .. "a/file")).mtime)
    assert.equal("content", files.read(disk .. "/a/file"))
    assert(d:copy(at .. "a/file", at .. "a/copy"))
    assert(d:utime(at .. "a/copy", 1400000000))
    assert.equal(1400000000, assert(d:stat(at .. "a/copy")).mtime)
    assert(d:rename(at .. "a/copy", at .. "a/b/renamed"))
    assert(d:write(at .. "a/b/written", "text"))
    local file <close> = assert(d:open(at .. "a/b/opened", "w"))
    assert(file:write "more")
    assert(file:close())
    local names = {}
    for path in d:walk(at .. "a") do names[#names + 1] = path end
    table.sort(names)
    assert.same({ "b", "b/opened", "b/renamed", "b/written", "file" }, names)
    assert(d:get(at .. "a/file", dir .. "/back"))
    assert.equal("content", files.read(dir .. "/back"))
    assert.equal(1500000000, lfs.attributes(dir .. "/back", "modification"))
    lfs.mkdir(dir .. "/tree")
    files.write(dir .. "/tree/1", "1")
    for _, sent in ipairs { 1, 0 } do
      assert.equal(sent, assert(d:put_tree(dir .. "/tree", at .. "a/tree", { mirror = true })).files)
    end
    assert.equal(1, assert(d:get_tree(at .. "a/tree", dir .. "/got")).files)
    assert(d:quota())
    assert(d:delete(at .. "a/file"))
    assert(d:rmdir(at .. "a", { recursive = true }))
    assert.is_nil(lfs.attributes(disk .. "/a"))
    shell.check { "rm", "-r", dir .. "/tree", dir .. "/got", dir .. "/back" }
  end

  it("everything works through one", function()
    assert_a_place_like_any_other(dest, "link/", one:path "data")
  end)

  it("everything works where a destination lies below one", function()
    for _, path in ipairs { "link", "link/deep/folder" } do
      local below <close> = open(nil, path)
      assert(below:mkdir "")
      assert(below:mkdir "")
      assert_a_place_like_any_other(below, "", one:path "data" .. path:sub(#"link" + 1))
    end
  end)

  it("everything works where a link leads to a folder of a share", function()
    lfs.mkdir(one:path("data", "inner"))
    link("deeper", ONE .. "\\data\\inner")
    assert_a_place_like_any_other(dest, "deeper/", one:path("data", "inner"))
  end)

  it("everything works through links in folders, whose names are odd", function()
    lfs.mkdir(root:path("dfs", "Ordner ä€𝄞"))
    link("Ordner ä€𝄞/lïnk 𝄞", ONE .. "\\data")
    assert_a_place_like_any_other(dest, "Ordner ä€𝄞/lïnk 𝄞/ü/", one:path("data", "ü"))
  end)

  -- The server's answer repeats the path twice: it is longer than most.
  it("everything works through a link whose path is long, and it counts as a link", function()
    local folder = ("d"):rep(240)
    lfs.mkdir(root:path("dfs", folder))
    link(folder .. "/link", ONE .. "\\data")
    assert_a_place_like_any_other(dest, folder .. "/link/", one:path "data")
    assert.equal("link", assert(dest:stat(folder .. "/link")).type)
  end)

  it("everything works through a link that a link leads to", function()
    link("nested", ONE .. "\\more")
    assert(lfs.link("msdfs:" .. TWO .. "\\data", one:path("more", "deep"), true))
    assert_a_place_like_any_other(dest, "nested/deep/", two:path "data")
    assert_a_place_like_any_other(dest, "nested/", one:path "more")
  end)

  it("everything works at a target that encrypts, and with encryption that is required", function()
    link("secret", TWO .. "\\secret")
    assert_a_place_like_any_other(dest, "secret/", two:path "secret")
    local encrypted <close> = open { encryption = "required", signing = "required" }
    assert_a_place_like_any_other(encrypted, "link/", one:path "data")
    assert_a_place_like_any_other(encrypted, "secret/", two:path "secret")
    assert.is_true(encrypted.info.encryption)
  end)

  it("lead one worker to several servers and back", function()
    link("second", TWO .. "\\data")
    local single <close> = open { connections = 1 }
    for _ = 1, 3 do
      for at, disk in pairs { ["link/"] = one:path "data", ["second/"] = two:path "data", [""] = root:path "dfs" } do
        assert(single:write(at .. "x", at))
        assert.equal(at, files.read(disk .. "/x"))
        assert.equal(at, single:read(at .. "x"))
      end
    end
  end)

  it("are resolved once: what comes after goes straight to the target", function()
    assert(dest:write("link/x", "1"))
    local counts = root:requests(function()
      for _ = 1, 20 do assert(dest:stat "link/x") end
    end)
    assert.equal(0, counts.create or 0)
  end)

  it("are links to stat, too", function()
    assert.equal("link", assert(dest:list())[1].type)
    assert.equal("link", assert(dest:stat "link").type)
    assert.is_true(dest:exists "link")
    assert.is_true(dest:exists "link" and not dest:exists "link/missing")
    assert_fails("not_found", dest:stat "link/missing")
    assert_fails("folder_missing", dest:list "link/missing")
  end)

  it("are neither removed, renamed nor replaced", function()
    files.write(one:path("data", "precious"), "do not lose me")
    for _ = 1, 2 do
      assert.matches("DFS", assert_fails("unsupported", dest:delete "link"))
      assert.matches("DFS", assert_fails("unsupported", dest:rmdir("link", { recursive = true })))
      assert.matches("DFS", assert_fails("unsupported", dest:rename("link", "other")))
      assert_fails("is_directory", dest:put(dir .. "/file", "link"))
      assert_fails("is_directory", dest:write("link", "text"))
      assert(dest:mkdir "link")
    end
    assert.equal("do not lose me", files.read(one:path("data", "precious")))
    assert.equal("link", lfs.symlinkattributes(root:path("dfs", "link"), "mode"))
  end)

  it("are borders that a rename does not cross", function()
    assert(dest:write("link/x", "1"))
    assert(dest:write("y", "2"))
    assert_fails("unsupported", dest:rename("link/x", "x"))
    assert_fails("unsupported", dest:rename("y", "link/y"))
    assert.equal("1", dest:read "link/x")
    assert.equal("2", dest:read "y")
  end)

  it("may have a second target, for when the first refuses, or has no such share", function()
    link("second", NOBODY .. "\\data", ONE .. "\\none", TWO .. "\\data")
    assert_a_place_like_any_other(dest, "second/", two:path "data")
    local below <close> = open(nil, "second")
    assert_a_place_like_any_other(below, "", two:path "data")
  end)

  it("may have a second target, for when the first is silent", function()
    one:pause()
    finally(function() one:resume() end)
    link("second", ONE .. "\\data", TWO .. "\\data")
    local patient <close> = open { short_timeout = 4, retries = 0 }
    assert(patient:write("second/x", "1"))
    assert.equal("1", files.read(two:path("data", "x")))
  end)

  it("are found behind encryption that the first server wants", function()
    assert(lfs.link("msdfs:" .. ONE .. "\\data", root:path("encrypted", "link"), true))
    local encrypted <close> = assert(smb.open(root:url "encrypted"))
    assert_a_place_like_any_other(encrypted, "link/", one:path "data")
    assert(encrypted:write("plain", "x"))
    assert.is_true(encrypted.info.encryption)
  end)

  -- Both targets have the same disk. The first is killed when a quarter has moved.
  local function lose_first(fn)
    local is_lost = false
    link("second", ONE .. "\\data", TWO .. "\\same")
    finally(function() one:restart() end)
    local patient <close> = open { retries = 8, retry_delay = 0.1, rate = 60 * MIB }
    assert(patient:write("second/before", "x"))
    fn(patient, function(done, total)
      if is_lost or done < total // 4 then return end
      is_lost = true
      one:kill()
    end)
    assert.is_true(is_lost)
    assert.is_nil(shell.check { "find", one:path "data", "-name", "*.part" }:match "%S")
  end

  it("lead a big file on to the second target when the first dies in the middle", function()
    shell.check("head -c 90M /dev/urandom >" .. dir .. "/big")
    lose_first(function(patient, progress)
      assert(patient:put(dir .. "/big", "second/big", { progress = progress }))
    end)
    assert.is_true(files.same(dir .. "/big", one:path("data", "big")))
  end)

  it("lead a big file back from the second target when the first dies in the middle", function()
    shell.check("head -c 90M /dev/urandom >" .. one:path("data", "big"))
    lose_first(function(patient, progress)
      assert(patient:get("second/big", dir .. "/big", { progress = progress }))
    end)
    assert.is_true(files.same(dir .. "/big", one:path("data", "big")))
  end)

  it("lead a tree on to the second target when the first dies in the middle", function()
    lfs.mkdir(dir .. "/tree")
    for i = 1, 300 do files.write(("%s/tree/%d"):format(dir, i), tostring(i)) end
    lose_first(function(patient, progress)
      assert.equal(300, assert(patient:put_tree(dir .. "/tree", "second/tree", { progress = progress })).files)
    end)
    assert(shell.check { "diff", "-r", dir .. "/tree", one:path("data", "tree") })
  end)

  it("lead to a new target once the old one is gone", function()
    assert(dest:write("link/x", "1"))
    one:kill()
    finally(function() one:restart() end)
    os.remove(root:path("dfs", "link"))
    link("link", TWO .. "\\data")
    assert(dest:write("link/y", "2"))
    assert.equal("2", files.read(two:path("data", "y")))
  end)

  it("outlive the server that they are on", function()
    assert(dest:write("link/x", "1"))
    root:restart()
    assert(dest:write("link/y", "2"))
    assert(dest:write("z", "3"))
    assert.equal("2", files.read(one:path("data", "y")))
  end)

  it("send a password once to a target that refuses it, and the first server is none the worse", function()
    local stranger <close> = server.start { address = "127.0.0.4", users = { bob = "other" }, shares = { data = {} } }
    link("strange", "127.0.0.4\\data")
    lfs.mkdir(dir .. "/tree")
    for i = 1, 20 do files.write(("%s/tree/%d"):format(dir, i), tostring(i)) end
    stranger:mark()
    local jobs = {}
    for i = 1, 8 do jobs[i] = dest:submit("put", dir .. "/file", "strange/" .. i) end
    for i = 1, 8 do assert.matches("//127.0.0.4/data", assert_fails("auth_failed", jobs[i]:wait())) end
    for _ = 1, 3 do assert_fails("auth_failed", dest:write("strange/x", "1")) end
    assert_fails("auth_failed", dest:put_tree(dir .. "/tree", "strange/tree"))
    local _, failures = stranger:logons()
    assert.equal(1, failures)
    assert(dest:write("x", "1"))
    assert.equal(20, assert(dest:put_tree(dir .. "/tree", "link/tree")).files)
    local another <close> = open()
    assert(another:write("link/y", "1"))
  end)

  it("say which target is silent, and hold up nothing else", function()
    one:pause()
    finally(function() one:resume() end)
    dest:close()
    local patient <close> = open { short_timeout = 3, retries = 0, connections = 1 }
    local worker = processes.worker()
    for _ = 1, 2 do
      assert.matches("no answer.*//127.0.0.2/data", assert_fails("timeout", patient:write("link/x", "1")))
    end
    assert(patient:write("y", "1"))
    assert.equal(worker, processes.worker()) -- which the silence did not cost its life
  end)

  it("say which target failed, and why", function()
    link("dead", NOBODY .. "\\data")
    link("no share", ONE .. "\\none")
    local once <close> = open { retries = 0 }
    assert.matches("connection refused.*//127.0.0.9/data", assert_fails("unreachable", once:stat "dead/x"))
    assert.matches("no such share.*//127.0.0.2/none", assert_fails("share_missing", once:stat "no share/x"))
    assert.matches("%(DFS: //127.0.0.2/none%) %(NT_STATUS_BAD_NETWORK_NAME%)$", select(2, once:list "no share"))
    assert_fails("unreachable", once:list "dead")
    assert_fails("unreachable", once:mkdir "dead/folder")
    assert_fails("unreachable", once:rmdir("dead/folder", { recursive = true }))
    assert_fails("unreachable", once:delete "dead/x")
    local below <close> = open({ retries = 0 }, "no share")
    assert_fails("share_missing", below:mkdir "")
    assert_fails("unreachable", once:put(dir .. "/file", "dead/x"))
    assert(once:write("link/x", "1"))
    assert(once:write("x", "1"))
  end)
end)
