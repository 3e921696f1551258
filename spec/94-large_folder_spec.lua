-- Large folders. A server that tells capitals from small letters on its disk looks through the whole folder for each
-- name that is not there: how much it has read of folders is what smbd's own profile says.

local lfs = require "lfs"
local child = require "spec.support.child"
local files = require "spec.support.files"
local names = require "smb.name"
local processes = require "spec.support.processes"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local LARGE = 2000

local on_server = share.on_server

local srv, net, dir, dest, source

setup(function()
  srv, dir = share.start { global = { ["smbd profiling level"] = "count" } }
  net = share.network()
end)

teardown(share.stop)

local function fill(path, count, text)
  lfs.mkdir(path)
  shell.check(("cd %s && seq -f %s-%%05g.txt %d | xargs touch -d @1700000000"):format(shell.quote(path), text, count))
end

before_each(function()
  share.clean()
  source = dir .. "/local/source"
  lfs.mkdir(source)
  fill(on_server "large", LARGE, "old")
  dest = assert(smb.open(net:fields { connections = 2 }))
end)

after_each(function()
  net:tell "calm"
  net:tell "go"
  dest:close()
end)

local function make(count, content)
  for i = 1, count do files.write(("%s/new-%03d.txt"):format(source, i), content or "something") end
end

local function profiled()
  return tonumber(shell.check { "smbstatus", "-P", "-s", srv.conf }:match "syscall_readdir_count:%s*(%d+)")
end

-- How often the large folder was looked through while fn ran, a file: names that the server has read of folders. Its
-- processes count when they have ended.
local function looks(count, fn)
  local function settled()
    dest:close()
    local before
    repeat
      before = profiled()
      shell.sleep(1.2) -- smbd adds its figures up once a second
    until profiled() == before
    dest = assert(smb.open(net:fields { connections = 2 }))
    return before
  end
  local before = settled()
  fn()
  return (settled() - before) / LARGE / count
end

-- Besides the listings, and the first files: what is not quite one more look.
local function assert_one_look(fn)
  local found = looks(100, fn)
  assert.is_true(found < 1.25, ("%.2f looks a file"):format(found))
end

local function assert_tidy(path)
  for entry in lfs.dir(on_server(path)) do assert.is_false(names.is_temporary(entry), entry) end
end

local function has_profile() return profiled() ~= nil end

local function small_folder_in(path)
  for entry in lfs.dir(on_server(path)) do
    if names.is_small_folder(entry) then return path .. "/" .. entry end
  end
end

describe("a large folder is looked through once a file at most when put_tree", function()
  local COUNT = 100

  local function put_all() assert.equal(COUNT, assert(dest:put_tree(source, "large")).files) end

  it("sends new files into it", function()
    if not has_profile() then return pending "this smbd keeps no profile" end
    make(COUNT)
    assert_one_look(put_all)
    assert_tidy "large"
  end)

  it("sends them into one that grows, and the files that were there are here too", function()
    if not has_profile() then return pending "this smbd keeps no profile" end
    fill(source, LARGE, "old")
    make(COUNT)
    assert_one_look(put_all)
    assert_tidy "large"
  end)

  it("replaces files", function()
    if not has_profile() then return pending "this smbd keeps no profile" end
    make(COUNT)
    assert(dest:put_tree(source, "large"))
    make(COUNT, "something else")
    assert_one_look(put_all)
    assert_tidy "large"
    assert.equal("something else", files.read(on_server "large/new-050.txt"))
  end)
end)

describe("the small folder for temporary names", function()
  local COUNT = 200

  -- Waits until files are sent by way of one. Returns its name.
  local function await_small_folder(step)
    local found
    repeat
      if step then step() end
      found = small_folder_in "large"
    until found
    return found
  end

  it("goes when the call is cancelled", function()
    make(COUNT)
    local job = dest:submit("put_tree", source, "large")
    await_small_folder(function() job:wait(0.01) end)
    job:cancel()
    job:wait()
    assert_tidy "large"
  end)

  it("goes when the caller's function raises an error, and a file fails", function()
    make(COUNT)
    assert.has_error(function()
      dest:put_tree(source, "large", { each = function() if small_folder_in "large" then error("no more", 0) end end })
    end, "no more")
    assert_tidy "large"
    os.remove(on_server "large/new-199.txt")
    lfs.mkdir(on_server "large/new-199.txt")
    local _, _, code = dest:put_tree(source, "large")
    assert.equal("is_directory", code)
    assert_tidy "large"
  end)

  it("is left by a killed run with no more in it than sweep removes, and the next run works", function()
    make(COUNT)
    for at = 1, 3 do
      shell.check { "find", on_server "large", "-name", "new-*", "-delete" }
      local host = child.start_under(processes.NO_LEAK_CHECK, dir, [[
        local dest = assert(smb.open(%q, { connections = 2 }))
        dest:put_tree(%q, "large")
      ]], net:url "backup", source)
      await_small_folder()
      local sent = #files.list(on_server "large") + at * 7
      repeat until #files.list(on_server "large") >= sent
      host:kill "KILL"
      host:await_end()
      assert.is_true(shell.poll(function() return #processes.workers(host.pid) == 0 end, 30)) -- they do what they owe
      assert(dest:sweep("", { older_than = 0 }))
      assert_tidy "large"
      assert(dest:put_tree(source, "large"))
      assert_tidy "large"
      assert.equal(LARGE + COUNT, #files.list(on_server "large"))
    end
  end)

  it("that a killed run has left gives what was moved aside its name back", function()
    fill(source, LARGE, "old")
    make(20)
    assert(dest:put_tree(source, "large"))
    make(20, "something else")
    local small = names.small_folder("large", require "smb.transfer".lasting_digits("small folder", "large"))
    local aside = require "smb.transfer".target("large/new-001.txt").aside
    local inside = small .. "/" .. names.base(aside)
    local function leave()
      lfs.mkdir(on_server(small))
      assert(os.rename(on_server "large/new-001.txt", on_server(inside)))
      files.write(on_server(small .. "/new-001.txt.12345678.part"), "half")
    end
    leave()
    local swept = assert(dest:sweep "")
    assert.same({ "large/new-001.txt" }, swept.restored)
    assert.equal("something", files.read(on_server "large/new-001.txt"))
    assert(dest:sweep("", { older_than = 0 }))
    assert_tidy "large"
    leave()
    os.remove(source .. "/new-001.txt")
    assert.equal(19, assert(dest:put_tree(source, "large")).files)
    assert.equal("something", files.read(on_server "large/new-001.txt"))
    assert(dest:sweep("", { older_than = 0 }))
    assert_tidy "large"
  end)

  it("is no part of a tree: neither listed as one, nor fetched, nor mirrored away", function()
    local small = names.small_folder("large", "12345678")
    lfs.mkdir(on_server(small))
    files.write(on_server(small .. "/file.12345678.part"), "half")
    make(3)
    assert(dest:put_tree(source, "large", { mirror = true, force = true }))
    assert.equal(small, small_folder_in "large")
    assert.equal(3, assert(dest:get_tree("large", dir .. "/local/back")).files)
    for path in dest:walk "large" do assert.is_nil(path:find("lua-smb~", 1, true), path) end
    assert.same({}, { table.unpack(assert(dest:sweep "")) })
    assert.equal(small, small_folder_in "large")
  end)

  it("is done without where it cannot be made, or nothing can be made in it", function()
    make(COUNT)
    local small = names.small_folder("large", require "smb.transfer".lasting_digits("small folder", "large"))
    files.write(on_server(small), "no folder")
    assert.equal(COUNT, assert(dest:put_tree(source, "large")).files)
    os.remove(on_server(small))
    lfs.mkdir(on_server(small))
    shell.check { "chmod", "555", on_server(small) }
    make(COUNT, "something else")
    assert.equal(COUNT, assert(dest:put_tree(source, "large")).files)
    assert.equal("something else", files.read(on_server "large/new-050.txt"))
    for entry in lfs.dir(on_server "large") do
      assert.is_true(not names.is_temporary(entry) or names.is_small_folder(entry), entry)
    end
  end)
end)
