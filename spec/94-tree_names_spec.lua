-- Trees on servers that have their own idea of names: what tells case apart, lists names in another form, maps or
-- refuses some.
--
-- SEED, an environment variable, makes other random trees.

local lfs = require "lfs"
local files = require "spec.support.files"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local NFC, NFD = "caf\u{E9}", "cafe\u{301}"
local MTIME = 1600000000
local SHARES = {
  backup = {},
  sensitive = { ["case sensitive"] = "yes" },
  -- Each ä that is sent is listed as ö, and asked for by either.
  catia = { ["vfs objects"] = "catia", ["catia:mappings"] = "0xe4:0xf6" },
  vetoed = { ["veto files"] = "/b*/" },
}

local srv, dir, odd

setup(function()
  local base
  srv, base = share.start { shares = SHARES }
  dir = base .. "/local"
  odd = { nfd = server.start { odd_names = "nfd" }, short = server.start { odd_names = "143" } }
  share.seed()
end)

teardown(function()
  for _, each in pairs(odd) do each:stop() end
  share.stop()
end)

before_each(function()
  share.clean()
  for _, each in pairs(odd) do shell.check { "find", each:path(), "-mindepth", "1", "-delete" } end
end)

-- A kind of server: how to reach it, and where its files are.
local function place(kind)
  if odd[kind] then return odd[kind]:url "backup", odd[kind]:path() end
  local name = SHARES[kind] and kind or "backup"
  return srv:url(name), srv:path(name)
end

-- Samba looks whether a name is free before it gives it: of two renames at the same moment to what it alone takes for
-- one name both may succeed. So what becomes of mapped names is looked at over one connection.
local function with(kind, fn)
  local url, path = place(kind)
  local dest <close> = assert(smb.open(url, { retries = 0, connections = kind == "catia" and 1 or nil }))
  return fn(dest, path)
end

local function put(path, content, mtime)
  shell.check { "mkdir", "-p", dir .. "/" .. (path:match "^(.*)/" or "") }
  files.write(dir .. "/" .. path, content)
  lfs.touch(dir .. "/" .. path, mtime or MTIME, mtime or MTIME)
end

local function refusals(summary)
  local found = {}
  for _, each in ipairs(summary.errors) do found[each.name] = true end
  return found
end

local function assert_nothing_done(summary)
  assert.same({ files = 0, folders = 0, deleted = 0 },
    { files = summary.files, folders = summary.folders, deleted = summary.deleted })
end

describe("a mirror on a server that lists names", function()
  -- HFS+ and what netatalk and Macs leave keep é as e and an accent (rclone#4228, restic#2220).
  it("in another normal form keeps what it sent, and sends nothing twice", function()
    for _, kind in ipairs { "nfd", "backup" } do
      with(kind, function(dest, path)
        put(("%s/%s/%s"):format(kind, NFC, NFC), "one")
        put(("%s/%s"):format(kind, NFC .. "2"), "two")
        if kind == "backup" then -- a Linux server that a Mac has filled
          shell.check { "mkdir", "-p", path .. "/tree/" .. NFD }
          files.write(("%s/tree/%s/%s"):format(path, NFD, NFD), "one")
          lfs.touch(("%s/tree/%s/%s"):format(path, NFD, NFD), MTIME, MTIME)
          files.write(("%s/tree/%s"):format(path, NFD .. "2"), "old")
        end
        assert(dest:put_tree(dir .. "/" .. kind, "tree", { mirror = true }))
        for _ = 1, 2 do assert_nothing_done(assert(dest:put_tree(dir .. "/" .. kind, "tree", { mirror = true }))) end
        assert.same({ NFD, NFD .. "2" }, files.list(path .. "/tree"))
        assert.equal("one", files.read(("%s/tree/%s/%s"):format(path, NFD, NFD)))
        assert.equal("two", files.read(("%s/tree/%s"):format(path, NFD .. "2")))
      end)
    end
  end)

  it("in a way of its own keeps what it sent, sends nothing twice, and deletes what is too much", function()
    with("catia", function(dest)
      put("a/m\u{E4}/x", "one")
      put("a/f\u{E4}", "two")
      put("a/plain", "three")
      put("a/gone", "four")
      assert(dest:put_tree(dir .. "/a", "tree", { mirror = true }))
      assert_nothing_done(assert(dest:put_tree(dir .. "/a", "tree", { mirror = true })))
      os.remove(dir .. "/a/gone")
      put("a/f\u{E4}", "changed", MTIME + 9)
      local summary = assert(dest:put_tree(dir .. "/a", "tree", { mirror = true }))
      assert.same({ 1, 1 }, { summary.files, summary.deleted })
      assert_nothing_done(assert(dest:put_tree(dir .. "/a", "tree", { mirror = true })))
      assert.equal("one", dest:read "tree/m\u{E4}/x")
      assert.equal("changed", dest:read "tree/f\u{E4}")
      assert.equal(3, #dest:list "tree")
    end)
  end)

  -- What a filter excludes stays, whatever the server calls it.
  it("in a way of its own, or in another normal form, keeps what a filter excludes", function()
    with("catia", function(dest, path)
      for _, excluded in ipairs { "!f\u{E4}", "!m\u{E4}", "!m\u{E4}/**", "!*\u{E4}" } do
        put("a/f\u{E4}", "two")
        put("a/m\u{E4}/x", "one")
        put("a/plain", "three")
        assert(dest:put_tree(dir .. "/a", "tree", { mirror = true }))
        put("a/f\u{E4}", "has changed since")
        assert(dest:write("tree/too much", "x"))
        local summary = assert(dest:put_tree(dir .. "/a", "tree", { mirror = true, filter = { excluded } }))
        assert.equal(1, summary.deleted, excluded)
        assert.equal("one", dest:read "tree/m\u{E4}/x")
        assert.is_true(dest:exists "tree/f\u{E4}")
        shell.check { "find", path, "-mindepth", "1", "-delete" }
      end
    end)
    with("nfd", function(dest)
      put("n/plain", "three")
      for i, excluded in ipairs { "!other", "!" .. NFC, "!" .. NFD, "!/" .. NFC } do
        assert(dest:write("tree/" .. NFC, "not here", { parents = true }))
        assert(dest:write("only/" .. NFC, "x", { parents = true }))
        local summary = assert(dest:get_tree("only", dir .. "/got", { filter = { excluded }, dry_run = true }))
        assert.equal(i == 1 and 1 or 0, summary.files, excluded)
        summary = assert(dest:put_tree(dir .. "/n", "tree", { mirror = true, filter = { excluded } }))
        assert.equal(i == 1 and 1 or 0, summary.deleted, excluded)
      end
    end)
  end)

  it("in a way of its own deletes nothing where it cannot tell which are ours, and says so", function()
    with("catia", function(dest)
      put("a/f\u{E4}", "two")
      assert(dest:put_tree(dir .. "/a", "tree"))
      assert(dest:write("tree/twin", "two"))
      assert(dest:utime("tree/twin", MTIME)) -- for all that can be seen it may be what became of the other
      assert(dest:write("tree/sub/extra", "x", { parents = true }))
      local _, message, code = dest:put_tree(dir .. "/a", "tree", { mirror = true })
      assert.equal("invalid_name", code, message)
      assert.matches("nothing is deleted", message)
      assert.equal("two", dest:read "tree/f\u{E4}")
      assert.equal("two", dest:read "tree/twin")
    end)
  end)
end)

describe("two local names that are one on the server", function()
  local function contents_below(top)
    local found = {}
    for path in shell.check { "find", top, "-type", "f", "-printf", "%P\n" }:gmatch "[^\n]+" do
      found[path] = files.read(top .. "/" .. path)
    end
    return found
  end

  local function assert_told(kind, first, second)
    with(kind, function(dest)
      local summary = assert(dest:put_tree(dir .. "/" .. kind, "tree", { on_error = "continue", mirror = true }))
      assert.equal(1, #summary.errors)
      local loser = summary.errors[1].name
      assert.equal("exists", summary.errors[1].code)
      local winner = loser == first and second or first
      assert.equal(winner == first and "first" or "second one", dest:read("tree/" .. winner))
      for _ = 1, 2 do
        summary = assert(dest:put_tree(dir .. "/" .. kind, "tree", { on_error = "continue", mirror = true }))
        assert_nothing_done(summary)
        assert.equal(1, #summary.errors)
        assert.equal(winner == first and "first" or "second one", dest:read("tree/" .. winner))
      end
    end)
  end

  it("are told, and neither replaces the other: mapped characters", function()
    put("catia/\u{E4}", "first")
    put("catia/\u{F6}", "second one")
    assert_told("catia", "\u{E4}", "\u{F6}")
  end)

  it("are told, and neither replaces the other: normal forms", function()
    put("nfd/" .. NFC, "first")
    put("nfd/" .. NFD, "second one")
    assert_told("nfd", NFC, NFD)
  end)

  it("are told, and neither replaces the other: normal forms and case at once", function()
    for i, pair in ipairs { { "A\u{308}", "\u{E4}" }, { "a\u{308}", "\u{C4}" }, { "\u{E4}", "A\u{308}" } } do
      with("nfd", function(dest, path)
        put(i .. "/" .. pair[1], "first")
        put(i .. "/" .. pair[2], "second one")
        local function send()
          local summary = assert(dest:put_tree(dir .. "/" .. i, "tree", { on_error = "continue", mirror = true }))
          local contents = {}
          for _, name in ipairs(files.list(path .. "/tree")) do
            contents[name] = files.read(path .. "/tree/" .. name)
          end
          return summary, contents
        end
        local first, before = send()
        for _ = 1, 2 do
          local summary, after = send()
          assert_nothing_done(summary)
          assert.same(refusals(first), refusals(summary))
          assert.same(before, after)
        end
        shell.check { "find", path, "-mindepth", "1", "-delete" }
      end)
    end
  end)

  it("are told, and are not mixed: folders", function()
    with("catia", function(dest)
      put("a/m\u{E4}/x", "first")
      put("a/m\u{F6}/y", "second")
      for _ = 1, 2 do
        local summary = assert(dest:put_tree(dir .. "/a", "tree", { on_error = "continue", mirror = true }))
        assert.equal("exists", summary.errors[1].code)
        assert.equal(1, #dest:list "tree/m\u{E4}")
      end
    end)
  end)

  -- Which of them is read first is the disk's choice: there are several, made in either order.
  it("are told, the same ones in each run, and are not mixed: folders in two normal forms", function()
    local function told_and_there(dest, path)
      local summary = assert(dest:put_tree(dir .. "/nfd", "tree", { on_error = "continue", mirror = true }))
      for _, each in ipairs(summary.errors) do assert.equal("exists", each.code) end
      return summary, refusals(summary), contents_below(path .. "/tree")
    end
    local letters, pairs_made = {}, {}
    for i, both in ipairs { { "\u{E9}", "e\u{301}" }, { "\u{F6}", "o\u{308}" }, { "\u{FC}", "u\u{308}" },
      { "\u{F1}", "n\u{303}" }, { "\u{C4}", "A\u{308}" }, { "\u{CB}", "E\u{308}" } } do
      local composed, letter = both[1], both[2]
      letters[i] = letter
      local first, second = i % 2 == 0 and letter or composed, i % 2 == 0 and composed or letter
      put("nfd/" .. first .. "/x", first)
      put("nfd/" .. first .. "/only/" .. i, first)
      put("nfd/" .. second .. "/x", second .. "+")
      put("nfd/" .. second .. "/too", second)
      pairs_made[i] = { first, second }
    end
    for i = 1, 60 do put(("nfd/\u{E9}%d/x"):format(i), "no pair, though made at the same moment") end
    put("nfd/\u{C5}/x", "capital")
    put("nfd/a\u{30A}/x", "small one")
    for _, is_there in ipairs { false, true } do
      with("nfd", function(dest, path)
        shell.check { "find", path, "-mindepth", "1", "-delete" }
        if is_there then assert(dest:write("tree/other", "x", { parents = true })) end
        local _, refused, before = told_and_there(dest, path)
        for i, pair in ipairs(pairs_made) do
          assert.is_true((refused[pair[1]] == nil) ~= (refused[pair[2]] == nil))
          local winner = refused[pair[1]] and pair[2] or pair[1]
          assert.same(contents_below(dir .. "/nfd/" .. winner), contents_below(path .. "/tree/" .. letters[i]))
        end
        for _ = 1, 2 do
          local summary, again, after = told_and_there(dest, path)
          assert_nothing_done(summary)
          assert.same(refused, again)
          assert.same(before, after)
        end
      end)
    end
  end)

  -- The server lists each of them by the second name; which of them is read first is the disk's choice.
  it("are told, the same ones in each run, and are not mixed: folders whose characters are mapped, at several levels",
    function()
      local function fill(top, levels)
        for i, order in ipairs { { "\u{E4}", "\u{F6}" }, { "\u{F6}", "\u{E4}" } } do
          for _, text in ipairs(order) do
            local path = ("%s/m%d%s"):format(top, i, text)
            put(path .. "/x", path)
            put(path .. "/only " .. text, text)
            if levels > 1 then fill(path, levels - 1) end
            for n = 1, levels == 1 and 9 or 0 do put(("%s/%d"):format(path, n), text) end -- worth to be made as a whole
          end
          put(("%s/alone%d\u{E4}/x"):format(top, i), top)
          put(("%s/also%d\u{F6}/x"):format(top, i), top)
        end
      end
      local function mapped(contents)
        local found = {}
        for path, content in pairs(contents) do found[path:gsub("\u{E4}", "\u{F6}")] = content end
        return found
      end
      fill("cat", 3)
      with("catia", function(dest, path)
        local function send()
          local summary = assert(dest:put_tree(dir .. "/cat", "tree", { on_error = "continue", mirror = true }))
          for _, each in ipairs(summary.errors) do
            assert.equal("exists", each.code)
            assert.matches("m%d\u{E4}$", each.name)
            assert.matches("as '?m%d\u{F6}'?", each.message)
          end
          return summary
        end
        local expected = {}
        local first = send()
        for text, content in pairs(contents_below(dir .. "/cat")) do
          if not text:find "m%d\u{E4}/" then expected[text] = content end
        end
        assert.equal(2 + 4 + 8, #first.errors)
        assert.same(mapped(expected), mapped(contents_below(path .. "/tree")))
        for _ = 1, 2 do
          local summary = send()
          assert_nothing_done(summary)
          assert.same(refusals(first), refusals(summary))
        end
        assert.same(mapped(expected), mapped(contents_below(path .. "/tree")))
        assert(dest:get_tree("tree", dir .. "/cat back"))
        assert.same(mapped(expected), contents_below(dir .. "/cat back"))
        -- One that was there before stays what it is when the other one comes.
        put("cat/alone1\u{F6}/too", "came later")
        local _, message, code = dest:put_tree(dir .. "/cat", "tree", { mirror = true })
        assert.equal("exists", code, message)
      end)
    end)
end)

describe("a server that tells case apart", function()
  it("takes names that differ in case only, each as what it is", function()
    with("sensitive", function(dest)
      for _, name in ipairs { "README", "readme", "Readme", "\u{C4}x", "\u{E4}x" } do put("a/" .. name, name) end
      put("a/Sub/x", "1")
      put("a/sub/x", "2")
      assert(dest:put_tree(dir .. "/a", "tree", { mirror = true }))
      assert_nothing_done(assert(dest:put_tree(dir .. "/a", "tree", { mirror = true })))
      put("a/readme", "README", MTIME + 5) -- of one size
      assert.equal(1, assert(dest:put_tree(dir .. "/a", "tree", { mirror = true })).files)
      assert.equal("README", dest:read "tree/readme")
      assert.equal("Readme", dest:read "tree/Readme")
      os.remove(dir .. "/a/README")
      assert.equal(1, assert(dest:put_tree(dir .. "/a", "tree", { mirror = true })).deleted)
      assert.same({ "Readme", "Sub", "readme", "sub", "\u{C4}x", "\u{E4}x" }, files.list(srv:path("sensitive", "tree")))
      assert(dest:get_tree("tree", dir .. "/got"))
      assert.equal("2", files.read(dir .. "/got/sub/x"))
    end)
  end)

  it("is found out before anything is sent, wherever the tree goes", function()
    with("sensitive", function(dest, path)
      put("a/X", "1")
      put("a/x", "2")
      for _, to in ipairs { "", "1/2/3", "there" } do
        shell.check { "find", path, "-mindepth", "1", "-delete" }
        if to == "there" then assert(dest:mkdir(to)) end
        assert(dest:put_tree(dir .. "/a", to))
        assert.same({ "X", "x" }, files.list(path .. "/" .. to))
      end
    end)
  end)

  it("is not sent a file anew under another case's name", function()
    with("sensitive", function(dest, path)
      put("a/Report", "text")
      shell.check { "mkdir", path .. "/tree" }
      files.write(path .. "/tree/report", "text")
      lfs.touch(path .. "/tree/report", MTIME, MTIME)
      assert.equal(1, assert(dest:put_tree(dir .. "/a", "tree", { mirror = true })).files)
      assert.same({ "Report" }, files.list(path .. "/tree"))
    end)
  end)

  it("renames to what differs in case only, though both are there", function()
    with("sensitive", function(dest, path)
      for _, pair in ipairs { { "readme", "README" }, { "\u{E4}", "\u{C4}" } } do
        assert(dest:write(pair[1], "new"))
        assert(dest:write(pair[2], "old"))
        assert.equal("exists", select(3, dest:rename(pair[1], pair[2], { overwrite = false })))
        assert(dest:rename(pair[1], pair[2]))
        assert.equal("new", files.read(path .. "/" .. pair[2]))
        assert.is_nil(files.read(path .. "/" .. pair[1]))
        assert(dest:rename(pair[2], pair[1], { overwrite = false }))
        assert.same({ pair[1] }, files.list(path))
        assert(dest:delete(pair[1]))
      end
    end)
  end)
end)

it("letters whose case not all servers know stop nobody", function()
  with("backup", function(dest)
    -- The micro sign and mu; Georgian; Cherokee.
    for i, pair in ipairs { { "\u{B5}", "\u{3BC}" }, { "\u{10D0}", "\u{1C90}" }, { "\u{13A0}", "\u{AB70}" } } do
      put(("a/%d%s"):format(i, pair[1]), "1")
      put(("a/%d%s"):format(i, pair[2]), "22")
    end
    assert.equal(6, assert(dest:put_tree(dir .. "/a", "tree", { mirror = true })).files)
    assert_nothing_done(assert(dest:put_tree(dir .. "/a", "tree", { mirror = true })))
    assert.equal("22", dest:read "tree/1\u{3BC}")
    assert.equal("1", dest:read "tree/1\u{B5}")
  end)
end)

it("two normal forms of a name that the server takes for one are refused before anything is sent", function()
  with("nfd", function(dest, path)
    put("both/first/file", "1")
    put("both/" .. NFC .. "/same", "first's")
    assert(dest:put_tree(dir .. "/both", "tree"))
    put("both/" .. NFD .. "/same", "second's")
    put("both/first/file", "22")
    for _, target in ipairs { "tree", "other/tree" } do
      assert.equal("invalid_name", select(3, dest:put_tree(dir .. "/both", target, { mirror = true })))
    end
    assert.equal("first's", files.read(path .. "/tree/" .. NFD .. "/same"))
    assert.equal("1", files.read(path .. "/tree/first/file"))
    assert.same({ "tree" }, files.list(path))
  end)
  with("backup", function(dest)
    assert.equal(3, assert(dest:put_tree(dir .. "/both", "tree")).files)
    assert_nothing_done(assert(dest:put_tree(dir .. "/both", "tree", { mirror = true })))
  end)
end)

-- A Mac's copy of a folder is put beside the folder, whose name came from Linux.
it("a folder whose twin in another normal form is added later is told in each run, and nothing is deleted", function()
  with("nfd", function(dest, path)
    put("later/" .. NFC .. "/same", "first's")
    put("later/" .. NFC .. "/own", "own")
    assert(dest:put_tree(dir .. "/later", "tree", { mirror = true }))
    put("later/" .. NFD .. "/same", "second's")
    for _ = 1, 3 do
      local again <close> = assert(smb.open((place "nfd"), { retries = 0 }))
      local summary = assert(again:put_tree(dir .. "/later", "tree", { mirror = true, on_error = "continue" }))
      assert.equal(1, #summary.errors)
      assert.equal(NFC, summary.errors[1].name)
      assert.equal("exists", summary.errors[1].code)
      assert.matches("which differs from it in Unicode's normal form only", summary.errors[1].message, 1, true)
      assert.equal(0, summary.deleted)
      assert.equal("own", files.read(path .. "/tree/" .. NFD .. "/own"))
      local none, message, code = again:put_tree(dir .. "/later", "tree")
      assert.is_nil(none)
      assert.equal("invalid_name", code)
      assert.matches("in Unicode's normal form only, and the server takes both for one", message, 1, true)
    end
  end)
end)

-- eCryptfs, and with it encrypted shares of Synology's, has names of 143 bytes at most.
describe("a server with shorter names", function()
  local LONG = { ("n"):rep(143), ("n"):rep(139) .. ".tar", ("\u{FC}"):rep(71), ("\u{5B57}"):rep(47), ("n"):rep(130),
    ("n"):rep(51) }

  it("has its longest names written, and replaced, in every way", function()
    with("short", function(dest, path)
      for _, name in ipairs(LONG) do
        for run = 1, 2 do
          put("short/tree/" .. name, "tree" .. run, MTIME + run)
          put("short/file", "put" .. run)
          assert(dest:write(name, "write" .. run))
          assert(dest:put(dir .. "/short/file", name))
          assert.equal("put" .. run, dest:read(name))
          assert(dest:copy(name, "copied"))
          assert(dest:rename("copied", name))
          assert.equal(1, assert(dest:put_tree(dir .. "/short/tree", "tree", { mirror = true })).files)
          assert.equal("tree" .. run, dest:read("tree/" .. name))
        end
        assert(dest:delete(name))
        shell.check { "find", dir .. "/short", path .. "/tree", "-mindepth", "1", "-delete" }
      end
      assert.same({ "tree" }, files.list(path))
    end)
  end)

  it("tells a name that is too long for it", function()
    with("short", function(dest, path)
      assert.equal("invalid_name", select(3, dest:write(("n"):rep(144), "x")))
      assert.same({}, files.list(path))
    end)
  end)
end)

it("get_tree knows what is here in another normal form", function()
  for _, kind in ipairs { "nfd", "backup" } do
    with(kind, function(dest, path)
      shell.check { "mkdir", "-p", path .. "/tree/" .. NFD }
      files.write(("%s/tree/%s/%s"):format(path, NFD, NFD), "one")
      lfs.touch(("%s/tree/%s/%s"):format(path, NFD, NFD), MTIME, MTIME)
      local got = kind .. "-got"
      put(("%s/%s/%s"):format(got, NFC, NFC), "one")
      assert_nothing_done(assert(dest:get_tree("tree", dir .. "/" .. got, { mirror = true })))
      assert.same({ NFC }, files.list(dir .. "/" .. got))
      files.write(("%s/tree/%s/%s"):format(path, NFD, NFD), "other")
      assert.equal(1, assert(dest:get_tree("tree", dir .. "/" .. got, { mirror = true })).files)
      assert.equal("other", files.read(("%s/%s/%s/%s"):format(dir, got, NFC, NFC)))
      assert.same({ NFC }, files.list(("%s/%s/%s"):format(dir, got, NFC)))
    end)
  end
  with("backup", function(dest, path) -- both forms there are two files
    files.write(("%s/tree/%s"):format(path, NFC), "nfc")
    files.write(("%s/tree/%s2"):format(path, NFC), "nfc2")
    files.write(("%s/tree/%s2"):format(path, NFD), "nfd2")
    put(("both/%s2"):format(NFC), "old")
    assert(dest:get_tree("tree", dir .. "/both", { mirror = true }))
    assert.equal("nfc2", files.read(("%s/both/%s2"):format(dir, NFC)))
    assert.equal("nfd2", files.read(("%s/both/%s2"):format(dir, NFD)))
  end)
end)

-- A folder of a Linux server that others fill, too: on its disk there are two, to SMB it is one.
it("two names that differ in case only are told where the share holds such two that were made on its disk", function()
  with("backup", function(dest, path)
    for i, pair in ipairs { { "Notes", "notes" }, { "A", "a" }, { "\u{C4}", "\u{E4}" } } do
      local tree = "pair" .. i
      for _, text in ipairs(pair) do
        shell.check { "mkdir", "-p", path .. "/" .. tree }
        files.write(("%s/%s/%s"):format(path, tree, text), "made there")
      end
      put(tree .. "/Readme", "one")
      put(tree .. "/README", "two")
      for _ = 1, 2 do
        local summary = assert(dest:put_tree(dir .. "/" .. tree, tree, { on_error = "continue" }))
        assert.equal(1, #summary.errors)
        assert.matches("in case only", summary.errors[1].message)
        local dry = assert(dest:put_tree(dir .. "/" .. tree, tree, { on_error = "continue", dry_run = true }))
        assert.equal(1, #dry.errors)
      end
    end
  end)
end)

it("two names that differ in case only are taken where the share tells case apart, though it holds such two", function()
  with("sensitive", function(dest, path)
    for i, pair in ipairs { { "Notes", "notes" }, { "A", "a" } } do
      local tree = "pair" .. i
      shell.check { "mkdir", "-p", path .. "/" .. tree }
      for _, text in ipairs(pair) do files.write(("%s/%s/%s"):format(path, tree, text), "made there") end
      put(tree .. "/Readme", "one")
      put(tree .. "/README", "two")
      if i == 1 then assert.equal(2, assert(dest:put_tree(dir .. "/" .. tree, tree, { dry_run = true })).files) end
      assert.equal(2, assert(dest:put_tree(dir .. "/" .. tree, tree)).files)
      assert.equal("one", dest:read(tree .. "/Readme"))
      assert.equal("two", dest:read(tree .. "/README"))
    end
  end)
end)

-- Random trees. -------------------------------------------------------------------------------------------------------

local LETTERS = { "a", "A", "b", "B", "\u{E4}", "\u{F6}", "\u{C4}", "a\u{308}", "\u{E9}", "e\u{301}", "\u{B5}",
  "\u{3BC}", "&", " x", "\u{1F4BE}", "\u{5B57}" }
local LENGTHS = { 1, 1, 1, 2, 2, 3, 40 }

local function random_name()
  local pieces = {}
  for i = 1, LENGTHS[math.random(#LENGTHS)] do pieces[i] = LETTERS[math.random(#LETTERS)] end
  local text = table.concat(pieces):sub(1, 250)
  return utf8.len(text) and text or random_name()
end

local written = 0

local function grow(top, depth)
  assert(lfs.mkdir(top))
  for _ = 1, math.random(depth == 0 and 3 or 1, 7) do
    local path = top .. "/" .. random_name()
    if not lfs.attributes(path) then
      if depth < 2 and math.random(3) == 1 then
        grow(path, depth + 1)
      else
        files.write(path, ("x"):rep(math.random(0, 3)) .. path:sub(-math.random(9)))
        written = written + 1 -- no two files are of one time: they would be unchanged if one stood in for the other
        lfs.touch(path, MTIME + written, MTIME + written)
      end
    end
  end
end

local function files_below(top)
  local found = {}
  for path in shell.check { "find", top, "-type", "f", "-printf", "%P\n" }:gmatch "[^\n]+" do
    found[#found + 1] = path
  end
  return found
end

-- Whether a path, or a folder above it, was refused by name.
local function is_refused(path, refused)
  while path do
    if refused[path] then return true end
    path = path:match "^(.*)/"
  end
  return false
end

-- Names of which some servers take some for one.
local LIKE = { "\u{E4}", "a\u{308}", "\u{C4}", "A\u{308}", "\u{F6}", "o\u{308}", "\u{D6}" }

-- Each choice of two, three or four of these names, in a folder of its own.
local function grow_choices(top, make)
  local count = 0
  assert(lfs.mkdir(top))
  for choice = 1, (1 << #LIKE) - 1 do
    local folder, chosen = ("%s/%d"):format(top, choice), {}
    for i, text in ipairs(LIKE) do
      if choice >> (i - 1) & 1 == 1 then chosen[#chosen + 1] = text end
    end
    if #chosen >= 2 and #chosen <= 4 then
      assert(lfs.mkdir(folder))
      for i = 1, #chosen do
        local path = folder .. "/" .. chosen[(choice + i) % #chosen + 1]
        count = count + 1
        make(path, count)
      end
    end
  end
end

local function make_file(path, count)
  files.write(path, ("x"):rep(count % 4) .. path:sub(-2) .. count)
  lfs.touch(path, MTIME + count, MTIME + count)
end

local function make_folder(path, count)
  assert(lfs.mkdir(path))
  make_file(path .. "/of " .. count, count)
end

local function assert_mirrored_twice(kind, shown)
  with(kind, function(dest, path)
    local opts = { mirror = true, on_error = "continue" }
    local first = assert(dest:put_tree(dir .. "/random", "tree", opts))
    local second = assert(dest:put_tree(dir .. "/random", "tree", opts))
    assert.same(refusals(first), refusals(second), shown)
    assert.same({ 0, 0, 0 }, { second.files, second.folders, second.deleted }, shown)
    local count, refused = 0, refusals(second)
    for _, each in ipairs(files_below(dir .. "/random")) do
      if not is_refused(each, refused) then
        count = count + 1
        assert.equal(files.read(dir .. "/random/" .. each), dest:read("tree/" .. each), shown .. " " .. each)
      end
    end
    assert.equal(count, #files_below(path .. "/tree"), shown)
  end)
end

describe("two to four names that a server may take for one, mirrored twice, are there but for what was refused:",
  function()
  for _, kind in ipairs { "plain", "sensitive", "nfd", "catia" } do
    for what, make in pairs { files = make_file, folders = make_folder } do
      it(kind .. ", " .. what, function()
        grow_choices(dir .. "/random", make)
        assert_mirrored_twice(kind, kind)
      end)
    end
  end
end)

describe("a random tree, mirrored twice, is there but for what was refused by name, and the second run does nothing:",
  function()
  for _, kind in ipairs { "plain", "sensitive", "nfd", "catia", "short", "vetoed" } do
    it(kind, function()
      for _ = 1, 12 do
        local seed = math.random(1 << 30)
        math.randomseed(seed)
        grow(dir .. "/random", 0)
        assert_mirrored_twice(kind, ("%s, SEED=%d"):format(kind, seed))
        files.remove(dir .. "/random")
        local _, path = place(kind)
        shell.check { "find", path, "-mindepth", "1", "-delete" }
      end
    end)
  end
end)
