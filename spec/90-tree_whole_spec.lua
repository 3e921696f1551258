-- A folder that is new as a whole: put_tree writes its small files straight under their names in a folder with a
-- temporary name, and renames that. Nobody sees a part of it, nothing is lost by a run that fails or is killed.

local lfs = require "lfs"
local name = require "smb.name"
local transfer = require "smb.transfer"
local child = require "spec.support.child"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local COUNT = 12
local MTIME = 1500000000

local on_server, everything = share.on_server, share.everything

local srv, net, dir, dest, tree

setup(function()
  srv, dir = share.start()
  net = share.network()
  share.seed()
end)

teardown(share.stop)

local function make_file(path, size, seed)
  files.make(path, size, seed)
  shell.check { "touch", "-d", "@" .. MTIME + seed, path }
end

local function begin()
  share.clean()
  tree = dir .. "/local/tree"
  lfs.mkdir(tree)
  lfs.mkdir(tree .. "/sub")
  for i = 1, COUNT do make_file(("%s/sub/%02d"):format(tree, i), 1000 * i, i) end
  make_file(tree .. "/top", 5000, 99)
end

before_each(function()
  begin()
  dest = assert(smb.open(srv:url "backup", { retries = 2, retry_delay = 0.02 }))
end)

after_each(function()
  net:tell "calm"
  dest:close()
end)

local function assert_whole(top)
  assert.is_true(shell.run { "diff", "-r", tree, on_server(top or "tree") })
  for i = 1, COUNT do
    assert.equal(MTIME + i, lfs.attributes(("%s/sub/%02d"):format(on_server(top or "tree"), i), "modification"))
  end
end

local function part_of(folder)
  for _, text in ipairs(files.list(folder)) do
    if text:find "%.%x+%.part$" then return text end
  end
end

describe("A folder that is new as a whole", function()
  it("is seen when all of it is there, and not before", function()
    local seen = {}
    local summary = assert(dest:put_tree(tree, "tree", { each = function(action)
      if action == "put" then seen[#seen + 1] = files.exists(on_server "tree") end
    end }))
    assert.equal(COUNT + 1, summary.files)
    assert.equal(2, summary.folders)
    assert.equal(COUNT + 1, #seen)
    for _, is_seen in ipairs(seen) do assert.is_false(is_seen) end
    assert_whole()
    assert.same({ "tree" }, everything())
    summary = assert(dest:put_tree(tree, "tree", { mirror = true }))
    assert.equal(COUNT + 1, summary.unchanged)
    assert.equal(0, summary.files + summary.deleted)
  end)

  it("has six requests for each file, where the usual way has nine", function()
    for i = COUNT + 1, 50 do make_file(("%s/sub/%02d"):format(tree, i), 1000, i) end
    assert(dest:put_tree(tree, "first"))
    local counts = srv:requests(function() assert(dest:put_tree(tree, "tree")) end)
    assert.is_true(counts.write == 51, counts.write)
    -- a folder in it is made by two, the whole is made and renamed by five; its name's folder is listed before
    assert.is_true(counts.create <= 2 * 51 + 8, counts.create)
    assert.is_true(counts.setinfo <= 51 + 2, counts.setinfo)
  end)

  it("may lie below folders that are there, and below ones that are not", function()
    assert(dest:mkdir "there/tree")
    assert(dest:put_tree(tree, "there/tree"))
    assert_whole "there/tree"
    assert(dest:put_tree(tree, "not/there/tree"))
    assert_whole "not/there/tree"
    assert(dest:put_tree(tree, ""))
    assert.same({ "not", "sub", "there", "top" }, everything())
  end)

  it("is made in the usual way where that is less: a few files", function()
    local seen
    for i = 4, COUNT do os.remove(("%s/sub/%02d"):format(tree, i)) end
    assert(dest:put_tree(tree, "tree", { each = function(action)
      if action == "put" then seen = files.exists(on_server "tree") end
    end }))
    assert.is_true(seen)
  end)

  it("has big files that can be gone on with, and files of a share that is verified", function()
    make_file(tree .. "/big", 3 * 1024 * 1024, 98)
    assert(dest:put_tree(tree, "tree", { verify = "sha256" }))
    assert_whole()
  end)
end)

describe("A folder that is new, and cannot become whole,", function()
  -- Nobody may read one of its files: not even root, since a link leads nowhere.
  local function spoil(text) assert(lfs.link("/nowhere", tree .. "/" .. text, true)) end

  it("has its whole files with on_error = 'continue'", function()
    spoil "sub/zz"
    local summary = assert(dest:put_tree(tree, "tree", { on_error = "continue", symlinks = "follow" }))
    assert.equal(1, #summary.errors)
    os.remove(tree .. "/sub/zz")
    assert_whole()
    assert.same({ "tree" }, everything())
  end)

  it("has those that came before the failure", function()
    local shrinks = tree .. "/sub/07"
    local result = dest:put_tree(tree, "tree", { each = function(action)
      if action == "put" then files.remove(shrinks) end
    end })
    assert.is_nil(result)
    assert.same({ "tree" }, everything())
    for _, text in ipairs(files.list(on_server "tree/sub")) do
      if text ~= "07" then assert.is_true(files.same(tree .. "/sub/" .. text, on_server("tree/sub/" .. text))) end
    end
  end)

  for how, verdict in pairs { ["is cancelled"] = function() return false end,
    ["meets an error of the caller's function"] = function() error "stop here" end } do
    it(how .. ": what is there is whole, under its name", function()
      local count = 0
      local function each(action)
        count = count + (action == "put" and 1 or 0)
        if count == 5 then return verdict() end
      end
      local ok, result, _, code = pcall(dest.put_tree, dest, tree, "tree", { each = each })
      if ok then assert.is_nil(result) assert.equal("cancelled", code) else assert.matches("stop here", result) end
      assert.same({ "tree" }, everything())
      local names = files.list(on_server "tree/sub")
      assert.is_true(#names >= 3, #names)
      for _, text in ipairs(names) do
        assert.is_true(files.same(tree .. "/sub/" .. text, on_server("tree/sub/" .. text)))
      end
      assert(dest:put_tree(tree, "tree"))
      assert_whole()
    end)
  end
end)

describe("A folder whose name is taken while it is made", function()
  it("goes into the other, file by file", function()
    local made
    local summary = assert(dest:put_tree(tree, "tree", { each = function(action)
      if action == "put" and not made then
        made = true
        lfs.mkdir(on_server "tree")
        files.write(on_server "tree/theirs", "theirs")
      end
    end }))
    assert.equal(COUNT + 1, summary.files)
    assert.equal("theirs", files.read(on_server "tree/theirs"))
    os.remove(on_server "tree/theirs")
    assert_whole()
    assert.same({ "tree" }, everything())
  end)

  it("and is given up meanwhile: what stood in for it goes", function()
    local count = 0
    local _, _, code = dest:put_tree(tree, "tree", { each = function(action)
      count = count + (action == "put" and 1 or 0)
      if count == 1 then lfs.mkdir(on_server "tree") end
      return count < COUNT + 4
    end })
    assert.equal("cancelled", code)
    assert.same({ "tree" }, everything())
  end)

  it("by another run: both find all of it there", function()
    local other = assert(smb.open(srv:url "backup"))
    local jobs = { dest:submit("put_tree", tree, "tree"), other:submit("put_tree", tree, "tree") }
    for _, job in ipairs(jobs) do assert(job:wait()) end
    other:close()
    assert_whole()
    assert.is_nil(part_of(srv:path "backup"))
  end)
end)

describe("What a killed run has left of a new folder", function()
  local PROGRAM = [[
    local dest = assert(smb.open(%q, { retries = 2, retry_delay = 0.02 }))
    assert(dest:exists "")
    say "ready"
    assert(io.read())
    assert(dest:put_tree(%q, "tree"))
    say "done"
    dest:close()
  ]]

  -- Runs put_tree in a process of its own, and has the network stand still after so many frames. True when it ended
  -- before.
  local function killed_at(frame)
    local fifo = dir .. "/go"
    os.remove(fifo)
    shell.check { "mkfifo", fifo }
    local run = child.start_under({ "sh", "-c", 'exec "$@" <' .. fifo, "sh" }, dir, PROGRAM, net:url "backup", tree)
    local go <close> = assert(io.open(fifo, "w"))
    run:await "ready"
    local workers, before = processes.workers(run.pid), net:stats().faults
    net:tell("stall-frame", frame)
    go:write "\n"
    go:flush()
    assert(shell.poll(function()
      return run:said():find "done" or net:stats().faults > before or not shell.alive(run.pid)
    end, 20), run:said())
    local is_done = run:said():find "done" ~= nil
    for _, pid in ipairs(processes.workers(run.pid)) do workers[#workers + 1] = pid end
    run:kill "KILL"
    for _, pid in ipairs(workers) do shell.kill(pid, "KILL") end
    net:tell "kill"
    net:tell "calm"
    net:tell "go"
    return is_done
  end

  it("is gone on with by the next, wherever it was killed", function()
    local frame, gone_on = 1, 0
    repeat
      begin()
      local is_done = killed_at(frame)
      local left = part_of(srv:path "backup")
      local summary = assert(dest:put_tree(tree, "tree"))
      if left and summary.unchanged > 0 then gone_on = gone_on + 1 end
      assert_whole()
      assert.same({ "tree" }, everything())
      frame = frame + 5
    until is_done
    assert.is_true(frame > 60, frame)
    assert.is_true(gone_on > 3, gone_on)
  end)

  it("is not trusted but for size and time, and has nothing else in the end", function()
    killed_at(60)
    local left = assert(part_of(srv:path "backup"))
    local place = on_server(left)
    files.write(place .. "/sub/01", "cut off")
    files.write(place .. "/sub/not in the source", "old")
    shell.check { "rm", "-rf", place .. "/top" }
    lfs.mkdir(place .. "/top")
    files.write(place .. "/top/inside", "old")
    assert(dest:put_tree(tree, "tree", { changed = "missing" }))
    assert_whole()
    assert.same({ "tree" }, everything())
  end)

  it("is found, and swept, whatever the length of its name", function()
    for _, long in ipairs { ("ä"):rep(127), ("x"):rep(255), ("x"):rep(60) .. ("ö"):rep(90) } do
      local mark = transfer.lasting_digits("folder", long):sub(1, 3)
      local left = on_server(name.temporary_folder(long, mark .. "00"))
      lfs.mkdir(left)
      files.write(left .. "/not in the source", "old")
      assert(dest:put_tree(tree, long))
      assert_whole(long)
      assert.same({ long }, everything())
      lfs.mkdir(left)
      assert.equal(1, #assert(dest:sweep("", { older_than = 0 })))
      assert.same({ long }, everything())
      assert(dest:rmdir(long, { recursive = true }))
    end
  end)

  it("is swept when nothing in it is young", function()
    killed_at(60)
    local left = assert(part_of(srv:path "backup"))
    assert.same({}, { table.unpack(assert(dest:sweep "")) })
    shell.check { "find", on_server(left), "-exec", "touch", "-d", "@" .. MTIME, "{}", "+" }
    shell.check { "touch", on_server(left) .. "/sub" }
    assert.same({}, { table.unpack(assert(dest:sweep "")) })
    shell.check { "touch", "-d", "@" .. MTIME, on_server(left) .. "/sub" }
    assert.same({ left }, { table.unpack(assert(dest:sweep "")) })
    assert.same({}, everything())
  end)
end)
