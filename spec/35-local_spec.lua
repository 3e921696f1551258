-- The local side of a transfer: disks that are slow, files that change, files whose size means nothing.

local lfs = require "lfs"
local child = require "spec.support.child"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local KIB, MIB = 1024, 1024 * 1024

local on_server, assert_fails = share.on_server, share.assert_fails

local srv, dir

setup(function()
  srv, dir = share.start()
end)

teardown(share.stop)

before_each(share.clean)

-- A disk that spins up, a busy one, a network file system under load: the server has nothing to do with it.
describe("a slow local disk", function()
  local SLOW, LIMIT = 1, 0.4 -- seconds: of each call on the disk; what the server is given

  -- Runs a program, in which `dest` is open with that limit, on a disk of which one kind of call is slow; gives what it
  -- says.
  local function on_slow_disk(what, text, ...)
    local preload = dir .. "/slowdisk.so"
    if not files.exists(preload) then
      shell.check { "cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fno-sanitize=all",
        "-o", preload, "spec/support/slowdisk.c", "-ldl" }
    end
    local run = dir .. "/run"
    lfs.mkdir(run)
    local program = child.start_under(
      { "env", "LD_PRELOAD=" .. preload, "SLOWDISK_CALL=" .. what, "SLOWDISK_SECONDS=" .. SLOW },
      run, ([[
        local dest <close> = assert(smb.open(%q, { short_timeout = %s, read_write_timeout = %s, retries = 0,
          connections = 1,
          read_buffer_size = "1M", write_buffer_size = "1M" }))
        local clock = require "smb.core".clock
        local function tell(result, message, code)
          say(result and "ok" or code, message)
        end
        local began = clock()
      ]]):format(srv:url "backup", LIMIT, LIMIT) .. text .. [[
        say(clock() - began >= 1 and "slow" or "not slow")
      ]], ...)
    local said = program:await_end()
    files.remove(run)
    return said
  end

  local function assert_patience(what, text, ...)
    assert.matches("^ok\t[^\n]*\nslow\n$", on_slow_disk(what, text, ...))
  end

  it("is no silence of the server's when what was fetched is written to it", function()
    for _, size in ipairs { 10 * KIB, 3 * MIB } do
      files.make(on_server "file", size, 2)
      for _, call in ipairs { "pwrite", "fsync" } do
        assert_patience(call, "tell(dest:get('file', %q))", dir .. "/local/file")
        assert.is_true(files.same(on_server "file", dir .. "/local/file"))
      end
    end
  end)

  it("is no silence of the server's when what is sent is read from it", function()
    for _, size in ipairs { 10 * KIB, 3 * MIB } do
      local source = files.make(dir .. "/local/source", size, 3)
      assert_patience("pread", "tell(dest:put(%q, 'file'))", source)
      assert.is_true(files.same(source, on_server "file"))
    end
  end)

  it("is none when a SHA-256 is made of what lies there", function()
    local source = files.make(dir .. "/local/source", 100 * KIB, 4)
    assert_patience("pread", "tell(dest:put(%q, 'file', { verify = 'sha256' }))", source)
    assert_patience("pread", "tell(dest:get('file', %q, { verify = 'sha256' }))", dir .. "/local/got")
  end)

  it("is none to a tree", function()
    lfs.mkdir(dir .. "/local/tree")
    for i = 1, 2 do files.make(dir .. "/local/tree/" .. i, 10 * KIB, i) end
    assert_patience("pread", "tell(dest:put_tree(%q, 'tree'))", dir .. "/local/tree")
    assert_patience("fsync", "tell(dest:get_tree('tree', %q))", dir .. "/local/back")
  end)

  it("has its end when the whole call has one", function()
    files.make(on_server "file", 10 * KIB)
    assert.matches("^timeout\t[^\n]*the time for the whole call is over\n", on_slow_disk("fsync",
      "dest.options.total_timeout = 0.5 tell(dest:get('file', %q))\n began = -10", dir .. "/local/file"))
    assert.same({}, files.list(dir .. "/local"))
  end)
end)

-- Logs, databases, mailboxes: somebody writes to them while the backup runs.
describe("a local file that changes", function()
  local source

  local changes = {
    ["grows"] = "echo more >>%s",
    ["is rewritten with as many bytes"] = "printf X | dd of=%s conv=notrunc status=none",
    ["becomes shorter"] = "truncate -s 10 %s",
  }

  before_each(function() source = dir .. "/local/source" end)

  after_each(function() srv:resume() end)

  -- The only connection is busy: the worker comes to the file when it has been looked at and has changed since.
  local function put_late(size, command, opts)
    local dest <close> = assert(smb.open(srv:url("backup", nil, { connections = 1, retries = 0 })))
    files.make(source, size, 5)
    shell.check { "touch", "-d", "@1600000000", source }
    srv:pause()
    local first = dest:submit("write", "first", "")
    local results = table.pack(processes.during(function() return dest:put(source, "file", opts) end, function()
      shell.check(command:format(shell.quote(source)))
      srv:resume()
    end))
    assert(first:wait())
    return table.unpack(results, 1, results.n)
  end

  for what, command in pairs(changes) do
    it("is noticed when it " .. what .. " between its opening and the worker's first look", function()
      assert_fails("source_changed", put_late(20 * KIB, command))
      assert_fails("source_changed", put_late(20 * KIB, command, { verify = "sha256" }))
      assert_fails("source_changed", put_late(64 * MIB, command))
      assert.same({ "first" }, share.everything())
    end)
  end
end)

describe("a file whose size means nothing", function()
  local dest

  before_each(function() dest = assert(smb.open(srv:url "backup")) end)
  after_each(function() dest:close() end)

  -- A backup of a machine's state: /proc says 0 bytes of all files, /sys 4096.
  it("is read to its end: of /proc and /sys", function()
    for _, path in ipairs { "/proc/version", "/proc/filesystems", "/sys/kernel/mm/transparent_hugepage/enabled" } do
      local content = files.read(path)
      if content then
        for _, opts in ipairs { {}, { verify = "sha256" }, { parents = true, sha256 = true } } do
          local result = assert(dest:put(path, "file", opts))
          assert.equal(#content, result.bytes)
          assert.equal(content, files.read(on_server "file"))
        end
      end
    end
  end)

  it("is read to its end in a tree", function()
    files.write(dir .. "/local/plain", "plain")
    shell.check { "ln", "-s", "/proc/version", dir .. "/local/version" }
    local summary = assert(dest:put_tree(dir .. "/local", "tree", { symlinks = "follow" }))
    assert.equal(2, summary.files)
    assert.equal(files.read "/proc/version", files.read(on_server "tree/version"))
  end)

  -- mkfifo, <(command) of bash: what a program writes goes straight to the share.
  it("is read to its end: of a pipe, however slowly it comes", function()
    shell.check { "mkfifo", dir .. "/pipe" }
    files.make(dir .. "/content", 3 * MIB, 6)
    for _, how in ipairs { "cat %s", "head -c 100000 %s; sleep 0.2; tail -c +100001 %s" } do
      local feed = how:gsub("%%s", (shell.quote(dir .. "/content"):gsub("%%", "%%%%")))
      shell.spawn(("{ %s; } >%s"):format(feed, shell.quote(dir .. "/pipe")))
      local result = assert(dest:put(dir .. "/pipe", "file", { verify = "sha256" }))
      assert.equal(3 * MIB, result.bytes)
      assert.is_true(files.same(dir .. "/content", on_server "file"))
    end
    shell.spawn(("cat %s >%s"):format(shell.quote(dir .. "/content"), shell.quote(dir .. "/pipe")))
    assert(dest:submit("put", dir .. "/pipe", "file"):wait())
    assert.is_true(files.same(dir .. "/content", on_server "file"))
    os.remove(dir .. "/pipe")
  end)

  it("is read to its end: of a device", function()
    assert.equal(0, assert(dest:put("/dev/null", "file")).bytes)
    assert.equal("", files.read(on_server "file"))
  end)

  it("has an end when the whole call has one, and leaves what was there", function()
    files.write(on_server "file", "old")
    dest.options.total_timeout = 0.3
    assert_fails("timeout", dest:put("/dev/zero", "file"))
    shell.check { "mkfifo", dir .. "/pipe" }
    assert_fails("timeout", dest:put(dir .. "/pipe", "file"))
    dest.options.total_timeout = nil
    -- A pipe that was forgotten: a backup must not hang for ever.
    dest.options.short_timeout = 0.3
    local message = assert_fails("local_io", dest:put(dir .. "/pipe", "file"))
    assert.matches("put 'file' on smb://", message, 1, true)
    assert.matches("/pipe': nobody writes to this pipe", message, 1, true)
    os.remove(dir .. "/pipe")
    -- what nobody waits for tidies up by itself
    assert.is_truthy(shell.poll(function() return #share.everything() == 1 end, 10))
    assert.equal("old", files.read(on_server "file"))
  end)

  it("replaces nothing when told so, and is not even read then", function()
    files.write(on_server "file", "old")
    assert_fails("exists", dest:put("/proc/version", "file", { overwrite = false }))
    assert.equal("old", files.read(on_server "file"))
  end)
end)

-- vfat has no hard links, FUSE file systems may have neither those nor a rename that replaces nothing.
describe("get that is to replace nothing", function()
  local net
  setup(function() net = share.network() end)
  after_each(function() net:tell "calm" end)

  local function run(lacking, ...)
    local preload = dir .. "/nolink.so"
    if not files.exists(preload) then
      shell.check { "cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fno-sanitize=all",
        "-o", preload, "spec/support/nolink.c", "-ldl" }
    end
    lfs.mkdir(dir .. "/run")
    local program = "local dest <close> = assert(smb.open(%q, { retries = 0 }))\nrequire 'lfs'.chdir(%q)\n" .. [[
      local function get(opts)
        opts.overwrite = false
        local result, _, code = dest:get("file", "got", opts)
        say(result and result.bytes or code)
      end
    ]]
    local said = child.start_under({ "env", "LD_PRELOAD=" .. preload, "NOLINK_CALLS=" .. lacking }, dir .. "/run",
      program .. table.concat({ ... }, "\n"), net:url "backup", dir .. "/local"):await_end()
    files.remove(dir .. "/run")
    return said
  end

  for _, lacking in ipairs { "", "linkat", "renameat2", "linkat renameat2" } do
    describe(lacking == "" and "anywhere" or "where the file system has no " .. lacking:gsub(" ", ", no "), function()
      before_each(function() files.make(on_server "file", 3 * MIB, 1) end)

      it("makes the file", function()
        assert.equal("3145728\n", run(lacking, "get {}"))
        assert.is_true(files.same(on_server "file", dir .. "/local/got"))
        assert.same({ "got" }, files.list(dir .. "/local"))
      end)

      it("leaves what has appeared under its name meanwhile", function()
        net:tell("bandwidth", 5 * MIB) -- progress is told from a tenth of a second on
        assert.equal("exists\n", run(lacking, [[
          get { progress = function() assert(io.open("got", "w")):write("theirs"):close() end }
        ]]))
        assert.equal("theirs", files.read(dir .. "/local/got"))
        assert.same({ "got" }, files.list(dir .. "/local"))
      end)
    end)
  end
end)

describe("get into a folder that is not there", function()
  before_each(function() files.write(on_server "file", "content") end)

  it("makes it, with parents, and puts the file there under its own name", function()
    local dest <close> = assert(smb.open(srv:url "backup"))
    assert.equal(7, assert(dest:get("file", dir .. "/local/new/deep/", { parents = true })).bytes)
    assert.equal("content", files.read(dir .. "/local/new/deep/file"))
    assert.equal(7, assert(dest:get("file", dir .. "/local/other//", { parents = true })).bytes)
    assert.equal("content", files.read(dir .. "/local/other/file"))
    assert.equal(7, assert(dest:get("file", dir .. "/local/named/it", { parents = true })).bytes)
    assert.equal("content", files.read(dir .. "/local/named/it"))
  end)

  it("says so, without parents, before anything is fetched", function()
    local dest <close> = assert(smb.open(srv:url "backup"))
    local before = dest.info.round_trips
    local ok, message, code = dest:get("file", dir .. "/local/new/")
    assert.same({ "nil", "local_io" }, { tostring(ok), code })
    assert.matches("there is no such local folder %(parents = true makes it%)", message)
    assert.equal(before, dest.info.round_trips)
    assert.same({}, files.list(dir .. "/local"))
  end)

  it("says when a file is in its place", function()
    local dest <close> = assert(smb.open(srv:url "backup"))
    files.write(dir .. "/local/taken", "mine")
    for _, opts in ipairs { {}, { parents = true } } do
      local _, message, code = dest:get("file", dir .. "/local/taken/", opts)
      assert.equal("local_io", code)
      assert.matches("Not a directory", message)
    end
    assert.equal("mine", files.read(dir .. "/local/taken"))
  end)
end)
