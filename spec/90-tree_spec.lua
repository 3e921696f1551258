-- Whole folders to a share and from it: what arrives, what is left alone, what goes, and what is told.
--
-- SEED, an environment variable, repeats a run's random names.

local lfs = require "lfs"
local core = require "smb.core"
local lookalike = require "smb.lookalike"
local name = require "smb.name"
local smb = require "smb"
local files = require "spec.support.files"
local log = require "spec.support.log"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local MIB = 1024 * 1024
local MTIME = 1600000000
-- A share that shows each & of a name as a backslash, which separates the parts of a path in SMB.
local HOSTILE = { ["vfs objects"] = "catia", ["catia:mappings"] = "0x26:0x5c" }

local on_server = share.on_server

local srv, net, dir, dest

setup(function()
  local base
  srv, base = share.start { shares = { backup = {}, hostile = HOSTILE } }
  dir = base .. "/local"
  net = share.network()
  share.seed()
end)

teardown(share.stop)

before_each(function()
  share.clean()
  srv:mark()
  dest = assert(smb.open(srv:url "backup", { retries = 1, retry_delay = 0.01 }))
end)

after_each(function()
  net:tell "calm"
  dest:close()
end)

-- Trees in tables: content by path, true for a folder. ----------------------------------------------------------------

local function make_folder(path)
  if lfs.attributes(path, "mode") then return end
  make_folder(path:match "^(.*)/")
  assert(lfs.mkdir(path))
end

local function make(top, tree)
  make_folder(top)
  for path, content in pairs(tree) do
    local place = top .. "/" .. path
    make_folder(content == true and place or place:match "^(.*)/")
    if content ~= true then
      files.write(place, content)
      lfs.touch(place, MTIME, MTIME)
    end
  end
  return top
end

local function read(top)
  local tree = {}
  local function look(folder, below)
    for _, entry in ipairs(files.list(folder)) do
      local place, path = folder .. "/" .. entry, below .. entry
      if lfs.symlinkattributes(place, "mode") == "directory" then
        tree[path] = true
        look(place, path .. "/")
      else
        tree[path] = files.read(place)
      end
    end
  end
  look(top, "")
  return tree
end

local function with_folders(tree)
  local all = {}
  for path, content in pairs(tree) do
    all[path] = content
    for folder in path:gmatch "()/" do all[path:sub(1, folder - 1)] = true end
  end
  return all
end

local function source(tree) return make(dir .. "/source", tree) end

local function stored(tree) return make(on_server "tree", tree) end

local function on_share() return read(on_server "tree") end

-- The same both ways: `give` arranges where it comes from, `have` where it goes to, `run` moves, `got` looks at what
-- came of it.
local directions = {
  { name = "put_tree", give = function(tree) return source(tree) end, have = function(tree) return stored(tree) end,
    run = function(opts) return dest:put_tree(dir .. "/source", "tree", opts) end,
    from = function(path) return dir .. "/source/" .. path end,
    to = function(path) return on_server("tree/" .. path) end },
  { name = "get_tree", give = function(tree) return stored(tree) end,
    have = function(tree) return make(dir .. "/got", tree) end,
    run = function(opts) return dest:get_tree("tree", dir .. "/got", opts) end,
    from = function(path) return on_server("tree/" .. path) end,
    to = function(path) return dir .. "/got/" .. path end },
}

for _, each in ipairs(directions) do
  each.given = function() return read((each.from ""):sub(1, -2)) end
  each.got = function() return read((each.to ""):sub(1, -2)) end
end

local function both(fn)
  for _, each in ipairs(directions) do
    share.clean()
    fn(each)
  end
end

local function assert_fails(code, result, message, got)
  assert.is_nil(result)
  assert.equal(code, got, message)
  assert.matches("^%l+_tree '[^']*' on smb://127%.0%.0%.1[:%d]*/[^:]+: ", message)
  return message
end

local function assert_empty_share() assert.same({}, files.list(srv:path "backup")) end

-- Actions by name.
local function actions_of(summary)
  local found = {}
  for _, each in ipairs(summary.actions) do found[each.name] = each.action end
  return found
end

local ODD = {
  ["with space"] = "1", ["Käse & Brötchen/日本語.txt"] = "2", ["100% #1"] = "3", ["\u{1F4BE}/%41"] = "4",
  [".hidden/~$&!@^{}[]"] = "5", [("ü"):rep(120)] = "6", ["a;b=c,d'e`f"] = "7", ["-rf"] = "8",
}

describe("trees:", function()
  it("all of a tree arrives, with its times", function()
    both(function(each)
      local deep = ("d/"):rep(60) .. "file"
      local tree = { ["a"] = "content a", ["b/c"] = "content c", ["b/d/e"] = ("x"):rep(100000), ["empty"] = "",
        ["folder"] = true,
        ["f/empty folder"] = true, [deep] = "deep" }
      for path, content in pairs(ODD) do tree[path] = content end
      each.give(tree)
      local summary = assert(each.run())
      assert.same(with_folders(tree), each.got())
      for path, content in pairs(tree) do
        if content ~= true then assert.equal(MTIME, lfs.attributes(each.to(path), "modification"), path) end
      end
      assert.equal(5 + 8, summary.files)
      local bytes, folders = 0, 0
      for _, content in pairs(with_folders(tree)) do
        if content == true then folders = folders + 1 else bytes = bytes + #content end
      end
      assert.equal(bytes, summary.bytes)
      assert.equal(folders + 1, summary.folders)
      assert.same({}, summary.errors)
      assert.same({ 0, 0 }, { summary.unchanged, summary.deleted })
      assert.is_nil(summary.actions)
      assert.is_true(summary.seconds > 0)
    end)
  end)

  it("a large file among small ones arrives", function()
    both(function(each)
      each.give { ["a/1"] = "1", ["z/2"] = "2" }
      files.make(each.from "large", 70 * MIB, 7)
      for i = 1, 50 do files.write(each.from("z/" .. i), ("%d"):format(i)) end
      local summary = assert(each.run())
      assert.equal(52, summary.files)
      assert(files.same(each.from "large", each.to "large"))
      for i = 1, 50 do assert.equal(("%d"):format(i), files.read(each.to("z/" .. i))) end
      assert.same({ "a", "large", "z" }, files.list((each.to ""):sub(1, -2)))
    end)
  end)

  it("the destination's own path and folders with parents can be meant", function()
    source { a = "1" }
    assert(dest:put_tree(dir .. "/source/"))
    assert.equal("1", files.read(on_server "a"))
    assert(dest:put_tree(dir .. "/source", "x/y/z"))
    assert.equal("1", files.read(on_server "x/y/z/a"))
    assert(dest:get_tree("x", dir .. "/p/q/"))
    assert.equal("1", files.read(dir .. "/p/q/y/z/a"))
    assert(dest:get_tree("", dir .. "/all"))
    assert.same(with_folders { a = "1", ["x/y/z/a"] = "1" }, read(dir .. "/all"))
  end)

  it("a file that is there is replaced", function()
    both(function(each)
      each.give { a = "new" }
      each.have { a = "older", other = "stays" }
      assert.equal(1, assert(each.run()).files)
      assert.same({ a = "new", other = "stays" }, each.got())
    end)
  end)

  it("temporary files are no part of a tree", function()
    stored { a = "1", ["b.12345678.part"] = "2", ["c.12345678.aside"] = "3" }
    assert(dest:get_tree("tree", dir .. "/got"))
    assert.same({ a = "1" }, read(dir .. "/got"))
    source { d = "4", ["b.12345678.part"] = "2" }
    assert.equal(1, assert(dest:put_tree(dir .. "/source", "other")).files)
    assert(dest:get_tree("other", dir .. "/source", { mirror = true }))
    assert.same({ d = "4", ["b.12345678.part"] = "2" }, read(dir .. "/source")) -- mirrors leave them alone, too
  end)

  it("nine requests send a small new file, six into a new folder, three fetch one", function()
    local few, many = {}, {}
    for i = 0, 29 do many[("%d"):format(i)] = "x" end
    for i = 0, 9 do few[("%d"):format(i)] = "x" end
    local function cost(each, tree, is_there)
      each.give(tree)
      if is_there then lfs.mkdir((each.to ""):sub(1, -2)) end
      dest:close()
      dest = assert(smb.open(srv:url "backup", { connections = 1 }))
      assert(dest:exists "")
      local counts = srv:requests(function() assert(each.run()) end)
      share.clean()
      return counts.total
    end
    for _, case in ipairs { { 9, directions[1], true }, { 6, directions[1], false }, { 3, directions[2], false } } do
      local expected, each, is_there = table.unpack(case)
      local first = cost(each, few, is_there)
      assert.equal(expected, (cost(each, many, is_there) - first) / 20, each.name)
    end
  end)
end)

describe("trees: what is unchanged", function()
  local TREE = { a = "content a", ["b/c"] = "content c", ["b/empty"] = "" }

  -- What the server does while it runs: creates of listings and stats are there, but no data.
  local function assert_untouched(each, opts)
    local before = each.got()
    local counts, summary, message = srv:requests(function() return each.run(opts) end)
    assert.is_nil(message)
    assert.same({ 0, 3 }, { summary.files, summary.unchanged })
    assert.same({ 0, 0, 0 }, { counts.read, counts.write, counts.setinfo })
    assert.same(before, each.got())
    return counts
  end

  it("is left alone, at the price of the listings", function()
    both(function(each)
      each.give(TREE)
      assert(each.run())
      local counts = assert_untouched(each)
      assert.is_true(counts.create <= 2 * 2 + 1, "more than the listings: " .. counts.create)
    end)
  end)

  it("is told by size and time", function()
    both(function(each)
      each.give(TREE)
      assert(each.run())
      files.write(each.from "a", "content A")
      lfs.touch(each.from "a", MTIME, MTIME)
      assert_untouched(each) -- that is what "mtime" means
      lfs.touch(each.from "a", MTIME + 1, MTIME + 1)
      local summary = assert(each.run())
      assert.same({ 1, 2 }, { summary.files, summary.unchanged })
      assert.same(each.given(), each.got())
      files.write(each.from "a", "longer content")
      assert.equal(1, assert(each.run()).files)
      assert.same(each.given(), each.got())
    end)
  end)

  it("is told by contents with changed = 'sha256'", function()
    both(function(each)
      each.give(TREE)
      assert(each.run())
      files.write(each.from "a", "content A")
      lfs.touch(each.from "a", MTIME, MTIME)
      lfs.touch(each.from "b/c", MTIME + 5, MTIME + 5)
      local summary = assert(each.run { changed = "sha256" })
      assert.same({ 1, 2 }, { summary.files, summary.unchanged })
      assert.same(each.given(), each.got())
    end)
  end)

  it("moves all the same with changed = 'always'", function()
    both(function(each)
      each.give(TREE)
      assert(each.run())
      local summary = assert(each.run { changed = "always" })
      assert.same({ 3, 0 }, { summary.files, summary.unchanged })
      assert.same(each.given(), each.got())
    end)
  end)

  it("is found whatever the case it has on the share", function()
    source { Datei = "1", ["Ärger/b"] = "2" }
    stored { dATEI = "1", ["ärger/B"] = "2" }
    local summary = assert(dest:put_tree(dir .. "/source", "tree"))
    assert.equal(2, summary.unchanged)
    assert.same(with_folders { dATEI = "1", ["ärger/B"] = "2" }, on_share())
  end)

  it("is found among many files, and what is not is sent", function()
    local tree = {}
    for i = 1, 700 do tree[("name %d"):format(i)] = tostring(i) end
    source(tree)
    stored(tree)
    local changed = { "name 1", "name 256", "name 257", "name 512", "name 700" }
    for _, text in ipairs(changed) do files.write(dir .. "/source/" .. text, "longer than it was") end
    os.remove(on_server "tree/name 300")
    make(dir .. "/source", { ["new"] = "new", ["name 700x"] = "new" })
    local summary = assert(dest:put_tree(dir .. "/source", "tree"))
    assert.same({ 8, 694, 0 }, { summary.files, summary.unchanged, #summary.errors })
    assert.same(read(dir .. "/source"), on_share())
  end)

  local NAMES = { "a", "B", "c.txt", "ä", "Ö.TXT", "日本", "n 1", "n 2", "n 3", "x.0123abcd.part", "y.0123abcd.aside" }
  local PARTS = { "", ".123456789" } -- of a second: SMB has room for seven digits

  local function one_in(count) return math.random(count) == 1 end

  local function random_entry(place, is_local)
    if one_in(6) or lfs.symlinkattributes(place) then return end
    if one_in(6) and is_local then return lfs.link(one_in(2) and "nowhere else" or "../1", place, true) end
    if one_in(6) then make_folder(place) else files.write(place, one_in(4) and "x" or "") end
    shell.check { "touch", "-d", ("@%d%s"):format(MTIME + (one_in(4) and 1 or 0), PARTS[math.random(#PARTS)]), place }
  end

  -- What is here is there as well as a rule, but for its case, size, time or kind.
  local function random_tree(top, is_local)
    for i = 1, 3 do
      make_folder(("%s/%d"):format(top, i))
      for _, text in ipairs(NAMES) do
        if not is_local and one_in(4) then text = name.fold(text) end
        random_entry(("%s/%d/%s"):format(top, i, text), is_local)
      end
    end
  end

  local function planned(opts)
    local summary = assert(dest:put_tree(dir .. "/source", "tree", opts))
    local function by_name(x, y) return x.name .. (x.action or x.code) < y.name .. (y.action or y.code) end
    table.sort(summary.actions, by_name)
    table.sort(summary.errors, by_name)
    table.sort(summary.skipped.names, function(x, y) return x.name < y.name end)
    summary.seconds = nil
    return summary
  end

  -- Files that cannot have changed are passed over in C, unless a filter has to see each.
  it("is the same with a filter that takes all", function()
    local unchanged = 0
    for _ = 1, 10 do
      share.clean()
      random_tree(dir .. "/source", true)
      random_tree(on_server "tree", false)
      for _, opts in ipairs { {}, { mirror = true }, { symlinks = "follow" }, { encode_names = true } } do
        opts.dry_run, opts.on_error = true, "continue"
        local found = planned(opts)
        unchanged = unchanged + found.unchanged
        opts.filter = function() return true end
        assert.same(planned(opts), found)
      end
    end
    assert.is_true(unchanged > 20)
  end)
end)

describe("trees: a folder that is listed ahead", function()
  -- `following` is listed ahead; with `ahead` what was will do.
  local function list(path, following, ahead)
    local request <close> = assert(core.start(dest, "list_open", { name = path, to = following, ahead = ahead }))
    while not core.ended(request) do core.poll(dest, 0.1) end
    local reply, code = core.result(request)
    local names = {}
    for i, entry in ipairs(reply or {}) do names[i] = entry.name end
    return reply and names, code
  end

  before_each(function()
    share.clean()
    make(on_server "", { ["a/1"] = "", ["b/2"] = "" })
    dest:close()
    dest = assert(smb.open(srv:url "backup", { connections = 1 })) -- else what comes meanwhile may go by another
  end)

  -- Lists a, and has b listed ahead; then b is emptied.
  local function list_and_change()
    local since = log.mark(srv.dir .. "/log")
    assert.same({ "1" }, list("a", "b"))
    assert(shell.poll(function() return log.requests(srv.dir .. "/log", since).find == 2 * 2 end))
    assert(os.remove(on_server "b/2"))
  end

  it("is not listed again", function()
    list_and_change()
    local counts, names = srv:requests(function() return list("b", nil, true) end)
    assert.same({ "2" }, names)
    assert.equal(0, counts.find or 0)
  end)

  it("is good for none but who has had it listed", function()
    list_and_change()
    assert.same({}, list "b")
    assert.same({}, list("b", nil, true))
  end)

  it("is good for one request", function()
    list_and_change()
    assert.is_true(dest:exists "b")
    assert.same({}, list("b", nil, true))
  end)

  it("is good for a second", function()
    list_and_change()
    shell.sleep(1.1)
    assert.same({}, list("b", nil, true))
  end)

  it("is not listed by a connection on which a file is open", function()
    local file = assert(dest:open "a/1")
    local counts = srv:requests(function()
      assert.same({ "1" }, list("a", "b"))
      assert(file:read "a")
      assert(file:close())
    end)
    assert.equal(2, counts.find)
  end)

  -- A destination at a distance, while b is being listed ahead for it.
  local function far_off(options, round_trip)
    dest:close()
    dest = assert(smb.open(net:url "backup", options))
    net:tell("latency", round_trip)
    local since = log.mark(srv.dir .. "/log")
    assert.same({ "1" }, list("a", "b"))
    assert(shell.poll(function() return log.requests(srv.dir .. "/log", since).create == 2 end))
  end

  it("makes nobody wait longer than short_timeout for a server that is silent", function()
    far_off({ connections = 1, retries = 0, short_timeout = 0.5 }, 100)
    net:tell "stall"
    local began = shell.now()
    local found, _, code = dest:exists "a"
    net:tell "go"
    assert.is_nil(found)
    assert.equal("timeout", code)
    assert.is_true(shell.now() - began < 15) -- the default would be 30
  end)

  it("costs no worker when what comes after it is given up", function()
    far_off({ connections = 1, short_timeout = 1 }, 400) -- of which a listing takes four
    local worker = processes.worker()
    core.abandon(assert(core.start(dest, "list_close", { handle = 1 }))) -- which takes no round trip
    assert(shell.poll(function()
      core.poll(dest, 0.01)
      return core.settled(dest, 0)
    end))
    assert.equal(worker, processes.worker())
  end)

  it("and cannot be, fails when it is asked for", function()
    assert.same({ "1" }, list("a", "c"))
    local names, code = list("c", nil, true)
    assert.is_nil(names)
    assert.equal("folder_missing", code)
  end)

  it("is none that has to be compared again", function()
    local tree = {}
    for i = 1, 20 do tree[("%d/file"):format(i)] = "content" end
    source(tree)
    assert(dest:put_tree(dir .. "/source", "tree"))
    local counts, summary = srv:requests(function() return dest:put_tree(dir .. "/source", "tree") end)
    assert.equal(20, summary.unchanged)
    assert.is_true(counts.create <= 21 + 1, "more than the listings: " .. counts.create)
    assert.equal(2 * 21, counts.find)
  end)
end)

describe("trees: a wide tree", function()
  it("is looked into no deeper than it is", function()
    local tree, most = {}, 0
    for i = 1, 70 do
      for j = 1, 16 do tree[("%d/%d/%d"):format(i, j % 4, j)] = "" end
    end
    source(tree)
    dest:close()
    dest = assert(smb.open(srv:url "backup", { connections = 1 }))
    assert(dest:put_tree(dir .. "/source", "tree"))
    local before, calls = processes.count_descriptors(), 0
    local summary = assert(dest:put_tree(dir .. "/source", "tree", { filter = function()
      calls = calls + 1
      if calls % 20 == 0 then most = math.max(most, processes.count_descriptors()) end
      return true
    end }))
    assert.equal(70 * 16, summary.unchanged)
    assert.is_true(most <= before + 3, most - before)
  end)
end)

describe("trees: mirror", function()
  it("deletes what is not in the source, after all has arrived", function()
    both(function(each)
      each.give { a = "1", ["b/c"] = "2" }
      each.have { a = "1", old = "x", ["b/old"] = "x", ["gone/with/all"] = "x", ["gone/empty"] = true }
      local summary = assert(each.run { mirror = true })
      assert.equal(3, summary.deleted)
      assert.same(with_folders { a = "1", ["b/c"] = "2" }, each.got())
    end)
  end)

  it("deletes nothing without being told to", function()
    both(function(each)
      each.give { a = "1" }
      each.have { b = "2" }
      assert.equal(0, assert(each.run()).deleted)
      assert.same({ a = "1", b = "2" }, each.got())
    end)
  end)

  it("deletes nothing when anything went wrong", function()
    both(function(each)
      for _, on_error in ipairs { "stop", "continue" } do
        each.give { a = "1", ["b/c"] = "2" }
        each.have { a = true, old = "x", ["b/old"] = "x" }
        local summary, message = each.run { mirror = true, on_error = on_error }
        if on_error == "stop" then assert.is_nil(summary, message) else assert.equal(1, #summary.errors) end
        assert.equal("x", each.got().old)
        assert.equal("x", each.got()["b/old"])
      end
    end)
  end)

  it("refuses a source that is missing", function()
    both(function(each)
      each.have { a = "1" }
      assert.is_nil(each.run { mirror = true })
      assert.same({ a = "1" }, each.got())
    end)
  end)

  it("takes a source that is missing for an empty one if force is set", function()
    both(function(each)
      each.have { a = "1", ["b/c"] = "2" }
      local planned = assert(each.run { mirror = true, force = true, dry_run = true })
      assert.equal(2, planned.deleted)
      local summary = assert(each.run { mirror = true, force = true })
      assert.equal(2, summary.deleted)
      assert.same({}, each.got())
      assert.is_nil(each.run { force = true })
    end)
  end)

  it("refuses a source that is empty, unless force is set", function()
    both(function(each)
      each.give {}
      each.have { a = "1", ["b/c"] = "2" }
      assert.matches("empty.*force", assert_fails("failed", each.run { mirror = true }))
      assert.same(with_folders { a = "1", ["b/c"] = "2" }, each.got())
      local summary = assert(each.run { mirror = true, force = true })
      assert.equal(2, summary.deleted)
      assert.same({}, each.got())
    end)
  end)

  it("refuses a source of which a filter leaves nothing", function()
    both(function(each)
      each.give { a = "1" }
      each.have { b = "1" }
      assert_fails("failed", each.run { mirror = true, filter = { "!*" } })
      assert_fails("failed", each.run { mirror = true, filter = { "!*" }, on_error = "continue" })
      assert.same({ b = "1" }, each.got())
    end)
  end)

  it("refuses a source of which a filter leaves folders only", function()
    both(function(each)
      each.give { ["a/b"] = "1" }
      each.have { ["c.txt"] = "1" }
      assert_fails("failed", each.run { mirror = true, filter = { "*.txt" } })
      assert.equal("1", each.got()["c.txt"])
    end)
  end)

  it("keeps what is in the source as a link, and what a local link leads to", function()
    source { a = "1" }
    assert(lfs.link("a", dir .. "/source/link", true))
    stored { link = "old", gone = "x" }
    assert.equal(1, assert(dest:put_tree(dir .. "/source", "tree", { mirror = true })).deleted)
    assert.equal("old", on_share().link)
    stored { ["docs/sub/new"] = "1" }
    make(dir .. "/elsewhere", { mine = "1", ["sub/mine"] = "2" })
    make(dir .. "/got", { gone = "x" })
    assert(lfs.link("../elsewhere", dir .. "/got/docs", true))
    assert(lfs.link("got", dir .. "/also", true))
    assert.equal(1, assert(dest:get_tree("tree", dir .. "/also", { mirror = true, symlinks = "follow" })).deleted)
    assert.same(with_folders { mine = "1", ["sub/mine"] = "2", ["sub/new"] = "1" }, read(dir .. "/elsewhere"))
  end)

  it("keeps what is in the source, though a filter excludes it there", function()
    both(function(each)
      each.give { a = "1", big = "12345", ["folder/big"] = "12345" }
      each.have { big = "1", ["folder/big"] = "1", old = "1" }
      local summary = assert(each.run { mirror = true, filter = function(_, entry)
        return entry.type == "directory" or entry.size < 3
      end })
      assert.equal(1, summary.deleted)
      assert.same(with_folders { a = "1", big = "1", ["folder/big"] = "1" }, each.got())
    end)
  end)

  it("leaves alone what a filter excludes", function()
    both(function(each)
      each.give { ["a.txt"] = "1" }
      each.have { ["b.txt"] = "x", ["b.log"] = "x", ["c/keep.log"] = "x", ["c/d.txt"] = "x", ["e/d.txt"] = "x",
        ["logs/f.txt"] = "x" }
      local opts = { mirror = true, filter = { "*.txt", "!logs" }, dry_run = true }
      local planned = assert(each.run(opts))
      opts.dry_run = nil
      local summary = assert(each.run(opts))
      assert.equal(4, summary.deleted) -- b.txt, c/d.txt, e/d.txt, e
      assert.equal(4, planned.deleted)
      local deleted = {}
      for _, action in ipairs(planned.actions) do
        if action.action == "delete" then deleted[#deleted + 1] = action.name end
      end
      table.sort(deleted)
      assert.same({ "b.txt", "c/d.txt", "e", "e/d.txt" }, deleted)
      assert.same(with_folders { ["a.txt"] = "1", ["b.log"] = "x", ["c/keep.log"] = "x", ["logs/f.txt"] = "x" },
        each.got())
    end)
  end)

  it("leaves alone what a filter of its own excludes", function()
    both(function(each)
      each.give { a = "1" }
      each.have { ["b/c/keep"] = "x", ["b/go"] = "x" }
      assert(each.run { mirror = true, filter = function(path) return not path:find "keep$" end })
      assert.same(with_folders { a = "1", ["b/c/keep"] = "x" }, each.got())
    end)
  end)

  it("leaves alone what a filter excludes for what it is on the share", function()
    source { a = "1" }
    -- what begins with a dot is hidden on this server
    stored { [".hidden"] = "x", ["b/.hidden"] = "x", ["b/go"] = "x", go = "x" }
    local opts = { mirror = true, filter = function(_, entry) return not entry.hidden end }
    assert(dest:put_tree(dir .. "/source", "tree", opts))
    assert.same(with_folders { a = "1", [".hidden"] = "x", ["b/.hidden"] = "x" }, on_share())
  end)

  it("deletes side by side where answers take long", function()
    local tree = {}
    for i = 1, 60 do tree["old" .. i] = "x" end
    stored(tree)
    source { new = "1" }
    net:tell("latency", 10)
    local other <close> = assert(smb.open(net:url "backup", { retries = 0 }))
    assert.equal(60, assert(other:put_tree(dir .. "/source", "tree", { mirror = true })).deleted)
    assert.same({ new = "1" }, on_share())
    assert.is_true(core.connections(other) > 2)
  end)

  it("takes a name in another case for the same", function()
    source { Name = "1" }
    stored { nAME = "2" }
    assert.equal(0, assert(dest:put_tree(dir .. "/source", "tree", { mirror = true })).deleted)
    assert.equal(1, #files.list(on_server "tree"))
  end)

  it("leaves a running transfer's temporary files alone", function()
    source { a = "1" }
    stored { ["b.12345678.part"] = "x" }
    assert.equal(0, assert(dest:put_tree(dir .. "/source", "tree", { mirror = true })).deleted)
  end)
end)

describe("trees: dry_run", function()
  it("changes nothing on either side, and tells what would be done", function()
    both(function(each)
      each.give { a = "new", ["b/c"] = "123", same = "1", ["new/f"] = "" }
      each.have { a = "older", same = "1", b = true, old = "x", ["gone/x"] = "x" }
      local given, had = each.given(), each.got()
      local summary = assert(each.run { dry_run = true, mirror = true })
      assert.same(given, each.given())
      assert.same(had, each.got())
      local move = each.name:sub(1, 3)
      assert.same({ a = move, ["b/c"] = move, new = "mkdir", ["new/f"] = move, old = "delete", gone = "delete" },
        actions_of(summary))
      assert.same({ 3, 6, 1, 2, 1 },
        { summary.files, summary.bytes, summary.unchanged, summary.deleted, summary.folders })
      for _, action in ipairs(summary.actions) do
        if action.name == "b/c" then assert.equal(3, action.bytes) end
      end
    end)
  end)

  it("makes no folder for a tree that is new", function()
    source { ["a/b"] = "1" }
    local summary = assert(dest:put_tree(dir .. "/source", "p/q", { dry_run = true }))
    assert.equal(1, summary.files)
    assert_empty_share()
    stored { ["a/b"] = "1" }
    assert.equal(1, assert(dest:get_tree("tree", dir .. "/p/q/r", { dry_run = true })).files)
    assert.same({ "source" }, files.list(dir))
  end)
end)

describe("trees: local links", function()
  before_each(function()
    make(dir .. "/elsewhere", { inner = "2" })
    source { a = "1" }
    shell.check { "ln", "-s", "a", dir .. "/source/link" }
    shell.check { "ln", "-s", "../elsewhere", dir .. "/source/folder" }
  end)

  it("are skipped", function()
    shell.check { "ln", "-s", "nothing", dir .. "/source/dangling" }
    assert.same({}, assert(dest:put_tree(dir .. "/source", "tree")).errors)
    assert.same({ a = "1" }, on_share())
  end)

  it("are followed on demand", function()
    assert(dest:put_tree(dir .. "/source", "tree", { symlinks = "follow" }))
    assert.same(with_folders { a = "1", link = "1", ["folder/inner"] = "2" }, on_share())
  end)

  it("that lead back are told, once, and not followed", function()
    shell.check { "ln", "-s", "..", dir .. "/source/loop" }
    shell.check { "ln", "-s", "../source", dir .. "/elsewhere/loop" }
    assert_fails("local_io", dest:put_tree(dir .. "/source", "tree", { symlinks = "follow" }))
    assert_empty_share()
    os.remove(dir .. "/source/loop")
    local summary = assert(dest:put_tree(dir .. "/source", "tree", { symlinks = "follow", on_error = "continue" }))
    assert.equal(1, #summary.errors)
    assert.equal("folder/loop", summary.errors[1].name)
    assert.same(with_folders { a = "1", link = "1", ["folder/inner"] = "2" }, on_share())
  end)

  it("that lead nowhere are told, once", function()
    shell.check { "ln", "-s", "nothing", dir .. "/source/dangling" }
    local summary = assert(dest:put_tree(dir .. "/source", "tree", { symlinks = "follow", on_error = "continue" }))
    assert.equal(1, #summary.errors)
    assert.same({ "dangling", "local_io" }, { summary.errors[1].name, summary.errors[1].code })
  end)

  it("and pipes and sockets are no files", function()
    shell.check { "mkfifo", dir .. "/source/pipe" }
    assert(dest:put_tree(dir .. "/source", "tree"))
    assert.same({ a = "1" }, on_share())
  end)
end)

describe("trees: on_error", function()
  it("'stop' ends with the first failure", function()
    both(function(each)
      each.give { a = "1", ["b/c"] = "2", ["d"] = "3" }
      each.have { a = true }
      local message = assert_fails(each.name == "put_tree" and "is_directory" or "local_io", each.run())
      assert.matches("_tree 'tree/a' on", message)
    end)
  end)

  it("tells failures by the whole path below the destination", function()
    source { ["sub/c"] = "1" }
    make(on_server "deep/er", { ["sub/c"] = true })
    local _, message = dest:put_tree(dir .. "/source", "deep/er")
    assert.matches("^put_tree 'deep/er/sub/c' on ", message)
    make(dir .. "/got", { ["sub/c"] = "1" })
    _, message = dest:get_tree("deep/er", dir .. "/got")
    assert.matches("^get_tree 'deep/er/sub/c' on ", message)
  end)

  it("'continue' moves what it can and tells the rest", function()
    both(function(each)
      each.give { a = "1", ["b/c"] = "2", ["d"] = "3", ["e/f"] = "4" }
      each.have { a = true, e = "file" }
      local summary = assert(each.run { on_error = "continue" })
      assert.equal(2, summary.files)
      assert.same({ "2", "3" }, { each.got()["b/c"], each.got().d })
      assert.equal(2, #summary.errors)
      table.sort(summary.errors, function(x, y) return x.name < y.name end)
      assert.same({ "a", "e" }, { summary.errors[1].name, summary.errors[2].name })
      for _, each_error in ipairs(summary.errors) do
        assert.matches("^" .. each.name .. " 'tree/.' on smb://", each_error.message)
        assert.equal("string", type(each_error.code))
      end
    end)
  end)

  it("'continue' does not go on where the server is out of reach", function()
    local tree = {}
    for i = 1, 200 do tree["f" .. i] = "x" end
    source(tree)
    local other <close> = assert(smb.open(net:url "backup", { retries = 0 }))
    other.options.read_write_timeout, other.options.short_timeout = 0.2, 0.2
    local asked = 0
    local _, _, code = other:put_tree(dir .. "/source", "tree", { on_error = "continue", filter = function()
      asked = asked + 1
      if asked == 300 then net:tell "stall" end -- 200 times for the names alone
      return true
    end })
    net:tell "go"
    assert.is_true(code == "timeout" or code == "disconnected" or code == "unreachable", code)
  end)

  it("'continue' does not outlive total_timeout", function()
    local tree = {}
    for i = 1, 200 do tree["f" .. i] = "x" end
    source(tree)
    local other <close> = assert(smb.open(net:url "backup", { retries = 0 }))
    net:tell("latency", 500)
    other.options.total_timeout = 0.5
    local began = shell.now()
    assert_fails("timeout", other:put_tree(dir .. "/source", "tree", { on_error = "continue" }))
    assert.is_true(shell.now() - began < 15) -- each file for itself would take three minutes
    stored(tree) -- all of it: what has arrived may be little
    assert_fails("timeout", other:get_tree("tree", dir .. "/got", { on_error = "continue", changed = "always" }))
  end)

  it("a disk that is full ends it, or is told for each file", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    local full <close> = server.start { size = "3m" }
    local other <close> = assert(smb.open(full:url "backup", { retries = 0, connections = 1 }))
    source { a = ("a"):rep(MIB), b = ("b"):rep(4 * MIB), c = ("c"):rep(MIB) }
    assert_fails("no_space", other:put_tree(dir .. "/source", "stop"))
    for _, each in ipairs(files.list(full:path("backup", "stop"))) do assert.not_matches("part$", each) end
    files.remove(full:path("backup", "stop"))
    local summary = assert(other:put_tree(dir .. "/source", "tree", { on_error = "continue" }))
    assert.same({ "b", "no_space" }, { summary.errors[1].name, summary.errors[1].code })
    assert.equal(1, #summary.errors)
    assert.same({ "a", "c" }, files.list(full:path("backup", "tree")))
  end)
end)

describe("trees: small files", function()
  -- How often a request is made meanwhile.
  local function count(verb, fn)
    local start, made = core.start, 0
    core.start = function(where, what, ...)
      if what == verb then made = made + 1 end
      return start(where, what, ...)
    end
    local results = table.pack(pcall(fn))
    core.start = start
    assert(results[1], results[2])
    return made, table.unpack(results, 2)
  end

  local function many()
    local tree = {}
    for i = 1, 100 do tree["d/" .. i] = files.content(i * 100, i) end
    return tree
  end

  it("are fetched several by one request", function()
    local tree = many()
    tree["d/large"] = files.content(100000, 1)
    stored(tree)
    local made, summary = count("get", function() return dest:get_tree("tree", dir .. "/got") end)
    assert.equal(101, summary.files)
    assert.is_true(made < 20, made)
    assert.same(with_folders(tree), read(dir .. "/got"))
    for path in pairs(tree) do
      assert.equal(lfs.attributes(on_server("tree/" .. path), "modification"),
        lfs.attributes(dir .. "/got/" .. path, "modification"))
    end
  end)

  it("are fetched one by one where they are verified, or must fail at once", function()
    local tree = many()
    stored(tree)
    assert.equal(0, (count("get_some", function()
      return assert(dest:get_tree("tree", dir .. "/got", { verify = "sha256" }))
    end)))
    local other <close> = assert(smb.open(srv:url "backup", { retries = 0 }))
    assert.equal(0, (count("get_some", function()
      return assert(other:get_tree("tree", dir .. "/got", { changed = "always" }))
    end)))
    assert.same(with_folders(tree), read(dir .. "/got"))
  end)

  it("that cannot be had keep none of the others", function()
    local tree, gone = many(), {}
    stored(tree)
    local summary = assert(dest:get_tree("tree", dir .. "/got", { on_error = "continue", filter = function(path)
      if #gone == 0 and path ~= "d" then -- all have been listed by now
        for i = 10, 100, 10 do gone[#gone + 1] = i ~= tonumber(path:match "%d+") and "d/" .. i or nil end
        for _, each in ipairs(gone) do assert(os.remove(on_server("tree/" .. each))) end
      end
      return true
    end }))
    assert.equal(#gone, #summary.errors)
    for _, each in ipairs(summary.errors) do assert.equal("not_found", each.code) end
    assert.equal(100 - #gone, summary.files)
    for _, each in ipairs(gone) do tree[each] = nil end
    assert.same(with_folders(tree), read(dir .. "/got"))
  end)

  it("replace what a link names, not the link, where links are followed", function()
    stored { a = "new", b = "new", c = "new" }
    make(dir .. "/got", { b = "older" })
    make(dir .. "/elsewhere", { a = "older" })
    assert(lfs.link(dir .. "/elsewhere/a", dir .. "/got/a", true))
    assert(dest:get_tree("tree", dir .. "/got", { symlinks = "follow" }))
    assert.same({ a = "new", b = "new", c = "new" }, read(dir .. "/got"))
    assert.equal("link", lfs.symlinkattributes(dir .. "/got/a", "mode"))
    assert.same({ a = "new" }, read(dir .. "/elsewhere"))
  end)
end)

describe("trees: what stands in the way:", function()
  it("a folder where a file should be", function()
    both(function(each)
      each.give { a = "1" }
      each.have { ["a/inner"] = "stays" }
      assert.is_nil(each.run())
      assert.same(with_folders { ["a/inner"] = "stays" }, each.got())
    end)
  end)

  it("a file where a folder should be", function()
    both(function(each)
      each.give { ["a/inner"] = "1" }
      each.have { a = "stays" }
      assert.is_nil(each.run())
      assert.same({ a = "stays" }, each.got())
    end)
  end)

  it("a source that is a file, or nothing", function()
    source { a = "1" }
    assert_fails("not_directory", dest:put_tree(dir .. "/source/a", "tree"))
    assert_fails("local_io", dest:put_tree(dir .. "/missing", "tree"))
    assert_empty_share()
    stored { a = "1" }
    assert_fails("not_directory", dest:get_tree("tree/a", dir .. "/got"))
    assert_fails("not_found", dest:get_tree("missing", dir .. "/got"))
    assert.is_false(files.exists(dir .. "/got"))
  end)

  it("a target that is a file", function()
    source { a = "1" }
    stored { a = "1" }
    assert.is_nil(dest:put_tree(dir .. "/source", "tree/a"))
    assert_fails("local_io", dest:get_tree("tree", dir .. "/source/a"))
    assert.same({ a = "1" }, on_share())
    assert.same({ a = "1" }, read(dir .. "/source"))
  end)

  it("a file that goes meanwhile", function()
    both(function(each)
      each.give { a = "1", b = "2" }
      local summary, message, code = each.run { on_error = "continue", filter = function(path)
        if path == "b" then os.remove(each.from "b") end
        return true
      end }
      assert.is_nil(message, code)
      assert.equal("1", each.got().a)
      assert.is_nil(each.got().b)
      assert.is_true(#summary.errors <= 1)
    end)
  end)

  it("a source that changes while it is read", function()
    source { a = "1" }
    files.make(dir .. "/source/large", 40 * MIB)
    local other <close> = assert(smb.open(net:url "backup", { retries = 0, connections = 2 }))
    net:tell("bandwidth", 40 * MIB)
    local changed
    local function change(done)
      if changed or done < MIB then return end
      changed = true
      local file <close> = io.open(dir .. "/source/large", "r+b")
      file:write "changed"
    end
    local summary = assert(other:put_tree(dir .. "/source", "tree", { on_error = "continue", progress = change }))
    assert.same({ "large", "source_changed" }, { summary.errors[1].name, summary.errors[1].code })
    assert.same({ a = "1" }, on_share())
  end)
end)

describe("trees: progress", function()
  local function watched(fn)
    local calls = {}
    return calls, function(done, total, text)
      calls[#calls + 1] = { done = done, total = total, name = text }
      return fn and fn(#calls)
    end
  end

  it("only grows, and ends at the total", function()
    both(function(each)
      each.give { a = ("x"):rep(5 * MIB), ["b/c"] = ("x"):rep(5 * MIB), d = "1", same = "123" }
      each.have { same = "123", d = true }
      dest:close()
      dest = assert(smb.open(net:url "backup", { retries = 3, retry_delay = 0.05 }))
      net:tell("bandwidth", 20 * MIB)
      net:tell(each.name == "put_tree" and "cut" or "cut-down", 3 * MIB)
      local calls, progress = watched()
      assert(each.run { progress = progress, on_error = "continue" })
      net:tell "calm"
      assert.is_true(#calls > 3)
      for i = 2, #calls do assert.is_true(calls[i].done >= calls[i - 1].done, "it went back") end
      local last = calls[#calls]
      assert.equal(last.total, last.done)
      assert.is_true(last.done >= 10 * MIB)
      assert.equal("tree", last.name)
    end)
  end)

  it("cancels with false, and leaves nothing half done", function()
    both(function(each)
      each.give { a = ("x"):rep(MIB) }
      files.make(each.from "large", 40 * MIB)
      dest:close()
      dest = assert(smb.open(net:url "backup", { retries = 0 }))
      net:tell("bandwidth", 20 * MIB)
      local _, progress = watched(function(count) return count < 3 end)
      assert_fails("cancelled", each.run { progress = progress, on_error = "continue" })
      net:tell "calm"
      assert.is_nil(each.got().large)
      for path in pairs(each.got()) do assert.not_matches("part$", path) end
    end)
  end)

  it("may raise, which comes through", function()
    both(function(each)
      each.give {}
      files.make(each.from "large", 40 * MIB)
      for i = 1, 100 do files.write(each.from("f" .. i), "") end
      dest:close()
      dest = assert(smb.open(net:url "backup", { retries = 0 }))
      net:tell("bandwidth", 20 * MIB)
      for at = 1, 2 do
        local problem = { "mine" }
        local _, progress = watched(function(count) if count == at then error(problem, 0) end end)
        local ok, raised = pcall(each.run, { progress = progress, on_error = "continue" })
        assert.is_false(ok, each.name .. at)
        assert.equal(problem, raised)
      end
      net:tell "calm"
      assert(dest:exists "")
    end)
  end)
end)

describe("trees: filter", function()
  local TREE = { ["a.txt"] = "", ["b.log"] = "", ["sub/a.txt"] = "", ["sub/b.log"] = "", ["sub/deep/c.txt"] = "",
    ["sub/deep/x1"] = "", ["x2"] = "", ["xy"] = "", ["ä1"] = "" }

  local function moved(each, filter)
    each.give(TREE)
    files.remove((each.to ""):sub(1, -2))
    assert(each.run { filter = filter })
    local names = {}
    for path, content in pairs(each.got()) do
      if content ~= true then names[#names + 1] = path end
    end
    table.sort(names)
    return table.concat(names, " ")
  end

  for _, case in ipairs {
    { { "*.txt" }, "a.txt sub/a.txt sub/deep/c.txt" },
    { { "!*.txt", "!x?" }, "b.log sub/b.log ä1" },
    { { "sub/*.txt" }, "sub/a.txt" },
    { { "sub/**" }, "sub/a.txt sub/b.log sub/deep/c.txt sub/deep/x1" },
    { { "**/c.txt", "/x2" }, "sub/deep/c.txt x2" },
    { { "**/a.txt" }, "a.txt sub/a.txt" },
    { { "x[0-9]" }, "sub/deep/x1 x2" },
    { { "x[!0-9]" }, "xy" },
    { { "?1" }, "sub/deep/x1 ä1" },
    { { "!sub" }, "a.txt b.log x2 xy ä1" },
    { { "!sub/" }, "a.txt b.log x2 xy ä1" },
    { { "!deep/" }, "a.txt b.log sub/a.txt sub/b.log x2 xy ä1" },
    { { "!x2/", "!sub/deep/" }, "a.txt b.log sub/a.txt sub/b.log x2 xy ä1" },
    { { "!sub/deep" }, "a.txt b.log sub/a.txt sub/b.log x2 xy ä1" },
    { { "*.txt", "!sub/*.txt" }, "a.txt sub/deep/c.txt" },
    { { "!*", "x2" }, "x2" },
    { { "a.tx[%w]", "a*xt%" }, "" },
    { {}, "a.txt b.log sub/a.txt sub/b.log sub/deep/c.txt sub/deep/x1 x2 xy ä1" },
  } do
    it("takes " .. (table.concat(case[1], " ")), function()
      both(function(each) assert.equal(case[2], moved(each, case[1]), each.name) end)
    end)
  end

  it("may be a function of path and entry", function()
    both(function(each)
      local seen = {}
      assert.equal("a.txt sub/a.txt", moved(each, function(path, entry)
        seen[path] = entry.type
        assert.equal("number", type(entry.mtime))
        assert.equal("number", type(entry.size))
        return entry.type == "directory" and path == "sub" or entry.name == "a.txt"
      end))
      assert.equal("directory", seen["sub/deep"])
      assert.is_nil(seen["sub/deep/x1"])
    end)
  end)

  it("that raises comes through, and the destination goes on", function()
    both(function(each)
      each.give(TREE)
      local problem = {}
      local ok, raised = pcall(each.run, { filter = function() error(problem, 0) end })
      assert.is_false(ok)
      assert.equal(problem, raised)
      assert(each.run())
    end)
  end)
end)

describe("trees: names", function()
  it("that SMB cannot hold are told before anything is sent", function()
    for _, bad in ipairs { "a:b", "a?", "dot.", "space ", "NUL", "com1.txt", "x\1", "\xff", "a\\b", ("ä"):rep(80)
      .. "\n" } do
      source { ["a/fine"] = "1", ["z/" .. bad] = "2" }
      local counts, result, message, code = srv:requests(function() return dest:put_tree(dir .. "/source", "tree") end)
      assert_fails("invalid_name", result, message, code)
      assert.equal(0, counts.total)
      assert_empty_share()
      files.remove(dir .. "/source")
    end
  end)

  it("that SMB cannot hold are left out with on_error = 'continue'", function()
    source { fine = "1", ["a:b"] = "2", ["c?/d"] = "3", ["e/f"] = "4" }
    local summary = assert(dest:put_tree(dir .. "/source", "tree", { on_error = "continue" }))
    assert.same(with_folders { fine = "1", ["e/f"] = "4" }, on_share())
    table.sort(summary.errors, function(x, y) return x.name < y.name end)
    assert.equal(2, #summary.errors)
    assert.same({ "a:b", "invalid_name" }, { summary.errors[1].name, summary.errors[1].code })
    assert.equal("c?", summary.errors[2].name)
  end)

  it("that differ in case only are told before anything is sent", function()
    for _, pair in ipairs { { "File", "fILE" }, { "Ärger", "ärger" }, { "ПРИВЕТ", "привет" }, { "ΣΑΣ", "σας" } } do
      source { ["a/" .. pair[1]] = "1", ["a/" .. pair[2]] = "2", ["b"] = "3" }
      local message = assert_fails("invalid_name", dest:put_tree(dir .. "/source", "tree"))
      assert.matches("case", message)
      assert_empty_share()
      files.remove(dir .. "/source")
    end
  end)

  it("that differ in case only are told apart with encode_names", function()
    local tree = { ["a/README"] = "1", ["a/readme"] = "2", ["a/Readme"] = "3", ["Sub/x"] = "4", ["sub/x"] = "5",
      ["\u{1D5A0}"] = "6", ["B"] = "7", ["\u{1D5A1}"] = "8", ["NUL"] = "9", ["nul"] = "10", ["Stra\xDFe"] = "11",
      ["stra\xDFe"] = "12", ["A:"] = "13", ["a:"] = "14" }
    source(tree)
    for _, filter in ipairs { false, function() return true end } do -- the other way through
      local opts = { encode_names = true, filter = filter or nil, mirror = true, changed = "always" }
      assert.equal(14, assert(dest:put_tree(dir .. "/source", "tree", opts)).files)
      opts.changed = nil
      local summary = assert(dest:put_tree(dir .. "/source", "tree", opts))
      assert.same({ 0, 14, 0 }, { summary.files, summary.unchanged, summary.deleted })
      assert(dest:get_tree("tree", dir .. "/got", opts))
      assert.same(with_folders(tree), read(dir .. "/got"))
    end
    assert.equal("2", on_share()["a/readme"])
    assert.equal("7", on_share()["B"])
  end)

  it("that come to differ in case only from what is there are told apart with encode_names", function()
    source { README = "1", ["Sub/x"] = "3" }
    assert(dest:put_tree(dir .. "/source", "tree", { encode_names = true }))
    local tree = { README = "1", readme = "2", ["Sub/x"] = "3", ["sub/x"] = "4" }
    source(tree)
    assert(dest:put_tree(dir .. "/source", "tree", { encode_names = true }))
    assert(dest:get_tree("tree", dir .. "/got", { encode_names = true }))
    assert.same(with_folders(tree), read(dir .. "/got"))
  end)

  it("that were told apart stay so when one of them goes", function()
    for _, mirror in ipairs { true, false } do
      local opts = { encode_names = true, mirror = mirror or nil }
      source { README = "1", readme = "2", ["Sub/x"] = "3", ["sub/x"] = "4" } -- of one size and time
      assert(dest:put_tree(dir .. "/source", "tree", opts))
      os.remove(dir .. "/source/readme")
      files.remove(dir .. "/source/sub")
      assert(dest:put_tree(dir .. "/source", "tree", opts))
      assert(dest:get_tree("tree", dir .. "/got", opts))
      local got = read(dir .. "/got")
      assert.same({ "1", "3" }, { got.README, got["Sub/x"] })
      if mirror then assert.same(with_folders { README = "1", ["Sub/x"] = "3" }, got) end
      share.clean()
    end
  end)

  it("that come to differ in case only are no change in a dry run", function()
    source { README = "1", ["Sub/x"] = "3" }
    assert(dest:put_tree(dir .. "/source", "tree", { encode_names = true }))
    source { readme = "2", ["sub/x"] = "4" }
    local opts = { encode_names = true, mirror = true, dry_run = true }
    local planned = assert(dest:put_tree(dir .. "/source", "tree", opts))
    opts.dry_run = nil
    local done = assert(dest:put_tree(dir .. "/source", "tree", opts))
    for _, field in ipairs { "files", "bytes", "folders", "deleted", "unchanged" } do
      assert.equal(done[field], planned[field], field)
    end
    assert.same({ 2, 2, 1, 0 }, { done.files, done.unchanged, done.folders, done.deleted })
  end)

  it("of which nothing but an accent's letter differs in case stay refused", function()
    source { ["Ärger"] = "1", ["ärger"] = "2" }
    assert.matches("case",
      assert_fails("invalid_name", dest:put_tree(dir .. "/source", "tree", { encode_names = true })))
    assert_empty_share()
  end)

  it("that SMB cannot hold are all told", function()
    local tree = { fine = "1", ["a/c?"] = "1" }
    for i = 1, 20 do tree[("a:%02d"):format(i)] = "1" end
    source(tree)
    local message = assert_fails("invalid_name", dest:put_tree(dir .. "/source", "tree"))
    assert.equal(11, select(2, message:gsub("a:%d", "")) + select(2, message:gsub("c%?", "")))
    assert.matches(" and 10 more$", message)
    assert_empty_share()
  end)

  local HOSTILE_NAMES = {
    "a:b", "a*", "?", '"', "<", ">", "|", "a\\b", "\\", "\1", "\31x", "\127", "line\nbreak", "dot.", "...", "space ",
    " ", ". ", " .",
    "NUL", "con", "COM1.txt", "LPT\u{B9}", "nul.a:b", "AUX .x?", "CONIN$", "\xff", "a\x80", "ä\x80", "\xc3",
    "\xed\xa0\x80", "\xf4\x90\x80\x80", "\u{201B}", "\u{201B}\u{201B}", "\u{201B}80", "\u{201B}NUL", "\u{201B}\x80",
    "\u{FF1A}", "\u{FF0E}", "\u{2420}", "\u{2401}", "a\u{FF0E}", "a\u{2420}", "a\u{FF0E}.", "\u{201B}\u{FF1A}", "．．",
    "‛．．", "\u{FF0F}", "%2e%2e",
  }

  local function assert_reversible(text)
    local encoded = lookalike.encode(text)
    local shown = ("%q"):format(text)
    local ok, reason = name.check(encoded)
    if not ok or encoded:find("/", 1, true) then error(shown .. " -> " .. encoded .. ": " .. tostring(reason)) end
    local decoded = lookalike.decode(encoded)
    if decoded ~= text then error(("%s -> %s -> %s"):format(shown, encoded, decoded)) end
    local cased = lookalike.encode_case(encoded)
    if not name.check(cased) or lookalike.decode(cased) ~= text then error(("%s -> %s"):format(shown, cased)) end
    return encoded
  end

  it("are written with look-alikes and come back as they were", function()
    local tree = {}
    for i, text in ipairs(HOSTILE_NAMES) do
      assert_reversible(text)
      tree["d" .. i % 7 .. "/" .. text] = ("%d"):format(i)
    end
    tree["folder: x./inner?"] = "1"
    source(tree)
    assert(dest:put_tree(dir .. "/source", "tree", { encode_names = true }))
    assert(dest:get_tree("tree", dir .. "/got", { encode_names = true }))
    assert.same(read(dir .. "/source"), read(dir .. "/got"))
    -- A second time there is nothing to do, and nothing for mirror to delete.
    local summary = assert(dest:put_tree(dir .. "/source", "tree", { encode_names = true, mirror = true }))
    assert.same({ 0, #HOSTILE_NAMES + 1, 0 }, { summary.files, summary.unchanged, summary.deleted })
    summary = assert(dest:get_tree("tree", dir .. "/got", { encode_names = true, mirror = true }))
    assert.same({ 0, #HOSTILE_NAMES + 1, 0 }, { summary.files, summary.unchanged, summary.deleted })
  end)

  it("of any bytes are mapped reversibly, no two to one", function()
    local pieces = { "\u{201B}", "\u{FF1A}", "\u{FF0E}", "\u{2420}", "\u{2401}", "NUL", "com", "1", "8", "0", "F", ".",
      " ", ":", "\\", "?", "\x80", "\xC3", "\xA4", "ä", "\xE2", "\u{1F4BE}", "\1", "\127", "a", "\xFF", "$", "conin" }
    local seen = {}
    for _ = 1, 30000 do
      local parts = {}
      for i = 1, math.random(1, 6) do
        parts[i] = math.random() < 0.8 and pieces[math.random(#pieces)] or string.char(math.random(1, 255))
      end
      local text = table.concat(parts):gsub("/", "")
      if text ~= "" and text ~= "." and text ~= ".." and #text < 60 then
        local encoded = assert_reversible(text)
        if seen[encoded] and seen[encoded] ~= text then error(("%q is what another name is, too"):format(encoded)) end
        seen[encoded] = text
      end
    end
  end)

  it("without need of it are not changed", function()
    for text in pairs(ODD) do
      for part in text:gmatch "[^/]+" do assert.equal(part, lookalike.encode(part)) end
    end
  end)

  it("from a share that decode to something else than a name are told and never leave the target", function()
    for _, text in ipairs { "", ".", "..", "\u{FF0E}", ".\u{FF0E}", "\u{FF0E}\u{FF0E}", "\u{201B}", "\0", "a/b",
      "..\u{201B}", "\u{201B}2F", "\u{2400}", "\u{201B}00", "a\xff" } do
      local decoded = lookalike.decode(text)
      assert.is_true(decoded == nil
        or (not decoded:find "[/\0]" and decoded ~= "" and decoded ~= "." and decoded ~= ".."), text)
    end
    make(dir .. "/outer", {})
    stored { ["\u{FF0E}\u{FF0E}/evil"] = "1", ["\u{FF0E}"] = "2", fine = "3" }
    local summary = assert(dest:get_tree("tree", dir .. "/outer/got", { encode_names = true, on_error = "continue" }))
    assert.equal(2, #summary.errors)
    for _, each in ipairs(summary.errors) do assert.equal("invalid_name", each.code) end
    assert.same({ ["got"] = true, ["got/fine"] = "3" }, read(dir .. "/outer"))
  end)

  it("two of which are one here are told, and one arrives", function()
    stored { ["\u{201B}x"] = "1", ["\u{201B}\u{201B}x"] = "1" }
    local summary = assert(dest:get_tree("tree", dir .. "/got", { encode_names = true, on_error = "continue" }))
    assert.same({ 1, 1 }, { summary.files, #summary.errors })
    assert.equal("invalid_name", summary.errors[1].code)
  end)

  it("with separators that a server gives never leave the target", function()
    local other <close> = assert(smb.open(srv:url "hostile", { retries = 0 }))
    make(dir .. "/outer", {})
    for _, text in ipairs { "..&evil", "&etc", "a&b", "..&..&evil", "&", "..&" } do
      make(srv:path("hostile", "tree"), { fine = "1", [text] = "evil" })
      for _, encode in ipairs { true, false } do
        other:get_tree("tree", dir .. "/outer/got", { encode_names = encode, on_error = "continue" })
        for path in pairs(read(dir .. "/outer")) do assert.matches("^got", path) end
        assert.is_false(files.exists(dir .. "/evil"))
        files.remove(dir .. "/outer/got")
      end
      files.remove(srv:path("hostile", "tree"))
    end
  end)
end)

describe("trees: a bad network", function()
  it("is survived wherever it breaks", function()
    dest:close()
    dest = assert(smb.open(net:url "backup", { retries = 10, retry_delay = 0.02 }))
    local tree = {}
    for i = 1, 60 do tree[("d%d/f%d"):format(i % 6, i)] = files.content(i * 1000, i) end
    both(function(each)
      each.give(tree)
      for _, cut in ipairs { "cut", "cut-each" } do
        files.remove((each.to ""):sub(1, -2))
        if cut == "cut-each" then net:tell(cut, 150000) -- more than the largest file, else it never gets through
        else net:tell(each.name == "get_tree" and "cut-down" or cut, math.random(1000, 1500000)) end
        local summary, message = each.run()
        net:tell "calm"
        assert.is_nil(message)
        assert.equal(60, summary.files)
        assert.same(with_folders(tree), each.got())
      end
      for i = 1, 2 do
        files.remove((each.to ""):sub(1, -2))
        net:tell(i % 2 == 0 and "lose" or "cut-frame", math.random(1, 200))
        local summary, message = each.run { mirror = true }
        net:tell "calm"
        assert.is_nil(message)
        assert.equal(60, summary.files)
        assert.same(with_folders(tree), each.got())
      end
    end)
  end)

  it("and a large file in the middle of which it breaks", function()
    dest:close()
    dest = assert(smb.open(net:url "backup", { retries = 10, retry_delay = 0.02 }))
    both(function(each)
      each.give { a = "1" }
      files.make(each.from "large", 70 * MIB, 3)
      net:tell(each.name == "get_tree" and "cut-down" or "cut", math.random(10 * MIB, 60 * MIB))
      assert(each.run())
      net:tell "calm"
      assert(files.same(each.from "large", each.to "large"))
      assert.same({ "a", "large" }, files.list((each.to ""):sub(1, -2)))
    end)
  end)
end)

describe("trees: a mistake in the call raises:", function()
  for what, fn in pairs {
    ["no folder"] = function() dest:put_tree() end,
    ["a folder that is no string"] = function() dest:get_tree("a", 5) end,
    ["no local folder"] = function() dest:get_tree "a" end,
    ["an unknown option"] = function() dest:put_tree(dir, "a", { mirrored = true }) end,
    ["a filter that is a string"] = function() dest:put_tree(dir, "a", { filter = "*.txt" }) end,
    ["a filter with a pattern that is none"] = function() dest:put_tree(dir, "a", { filter = { 5 } }) end,
    ["changed = 'date'"] = function() dest:put_tree(dir, "a", { changed = "date" }) end,
    ["symlinks = 'keep'"] = function() dest:get_tree("a", dir, { symlinks = "keep" }) end,
    ["on_error = 'ignore'"] = function() dest:get_tree("a", dir, { on_error = "ignore" }) end,
    ["mirror = 1"] = function() dest:get_tree("a", dir, { mirror = 1 }) end,
    ["progress = true"] = function() dest:get_tree("a", dir, { progress = true }) end,
  } do
    it(what, function()
      local ok, problem = pcall(fn)
      assert.is_false(ok)
      assert.matches("^spec/90%-tree_spec.lua:%d+: ", problem)
      assert_empty_share()
    end)
  end

  it("a closed destination", function()
    dest:close()
    assert.error_matches(function() dest:put_tree(dir, "a") end, "closed destination")
  end)

  it("but not a name that SMB cannot hold", function()
    assert_fails("invalid_name", dest:put_tree(dir, "a?"))
    assert_fails("invalid_name", dest:get_tree("../a", dir .. "/got"))
  end)
end)

describe("trees: memory", function()
  -- Peak of Lua's own memory, garbage left out.
  local function peak(each)
    local most, count = 0, 0
    local summary = assert(each.run { filter = function()
      count = count + 1
      if count % 500 == 0 then
        collectgarbage()
        most = math.max(most, collectgarbage "count")
      end
      return true
    end })
    return most, summary.unchanged
  end

  it("does not grow with the number of files", function()
    shell.check(([[mkdir -p %s; cd %s; for d in $(seq 200); do mkdir d$d; done
      for d in $(seq 200); do seq -f "d$d/file %%g" 100; done | xargs -d '\n' touch -d @1600000000
      mkdir %s; cp -a d1 d2 d3 d4 d5 d6 d7 d8 d9 d1? d20 %s; cp -a %s %s; cp -a %s %s]]):format(
      dir .. "/large", dir .. "/large", dir .. "/small", dir .. "/small", dir .. "/large", on_server "large", dir
        .. "/small",
      on_server "small"))
    for _, each in ipairs {
      { run = function(opts) return dest:put_tree(dir .. "/" .. opts.size, opts.size, { filter = opts.filter }) end },
      { run = function(opts) return dest:get_tree(opts.size, dir .. "/" .. opts.size, { filter = opts.filter }) end },
    } do
      local peaks = {}
      for _, size in ipairs { "small", "large" } do
        local sized = { run = function(opts) return each.run { size = size, filter = opts.filter } end }
        local most, unchanged = peak(sized)
        assert.equal(size == "small" and 2000 or 20000, unchanged)
        peaks[size] = most
      end
      assert.is_true(peaks.large < peaks.small + 256, ("%.0f KiB, then %.0f"):format(peaks.small, peaks.large))
    end
  end)

  it("does not grow with what is sent or fetched", function()
    local function peak_of(count, run)
      local most = 0
      local summary = assert(run(function()
        collectgarbage()
        most = math.max(most, collectgarbage "count")
      end))
      assert.equal(count, summary.files)
      return most
    end
    local peaks = { put = {}, get = {} }
    for _, count in ipairs { 400, 4000 } do
      local top = ("%s/%d"):format(dir, count)
      shell.check(("mkdir %s && cd %s && for d in $(seq %d); do mkdir d$d; seq -f d$d/file%%g 100; done | xargs touch")
        :format(
        top, top, count // 100))
      local remote = ("%d"):format(count)
      peaks.put[#peaks.put + 1] = peak_of(count, function(progress)
        return dest:put_tree(top, remote, { progress = progress })
      end)
      peaks.get[#peaks.get + 1] = peak_of(count, function(progress)
        return dest:get_tree(remote, top .. "-got", { progress = progress })
      end)
    end
    for what, each in pairs(peaks) do
      assert.is_true(each[2] < each[1] + 512, ("%s: %.0f KiB, then %.0f"):format(what, each[1], each[2]))
    end
  end)
end)
