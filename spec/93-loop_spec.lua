-- Jobs under event loops: real loops that send to a real server. Gaps are measured in a process that has nothing but
-- the loop in it, and the best of a few runs counts: a busy machine delays some of them, a call that blocks delays all.
-- What the kernel gave to other processes meanwhile does not count.

local lfs = require "lfs"
local faults = require "spec.support.faults"
local files = require "spec.support.files"
local loops = require "spec.support.loops"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local slowed = require "spec.support.slowed"
local smb = require "smb"

local LUA = os.getenv "LUA" or "lua5.4"
local BUILD = os.getenv "BUILD" or "build"
local MIB = 1024 * 1024
local RUNS = 4
local LONGEST_GAP = slowed and 1000 or 50 -- ms between two ticks of a timer of 10 ms
-- a second that a loop may wake for one job of which nothing comes: ten, and what the connection itself does
local WAKES = 30

-- In memory, lest a disk be measured.
local MEMORY = lfs.attributes("/dev/shm", "mode") == "directory" and "/dev/shm" or nil

local srv, net, dir, dest

setup(function()
  dir = shell.check { "mktemp", "-d", (MEMORY or "/tmp") .. "/lua-smb.XXXXXX" }:gsub("\n$", "")
  srv = server.start { dir = dir .. "/server", log_level = "0" }
  net = faults.start(srv, dir)
end)

teardown(function()
  net:stop()
  srv:stop()
  files.remove(dir)
end)

local function clean()
  shell.check { "find", srv:path "backup", "-mindepth", "1", "-delete" }
end

before_each(function()
  clean()
  lfs.mkdir(dir .. "/local")
end)

after_each(function()
  net:tell "calm"
  net:tell "go"
  if dest then dest:close() end
  dest = nil
  files.remove(dir .. "/local")
end)

local function open(url, options)
  dest = assert(smb.open(url, options))
  return dest
end

local function contents(name)
  return files.read(srv:path("backup", name))
end

local function run_example(name, paths)
  local command = ("LUA_PATH_5_4='lua/?.lua;lua/?/init.lua;./?.lua;;' LUA_CPATH_5_4='%s/?.so;;' %s"):format(BUILD,
    shell.quote { LUA, "-l", "spec.support.own_clock", "examples/" .. name .. ".lua", srv:url "backup",
      table.unpack(paths) })
  return shell.run(command)
end

local function the_loop_keeps_ticking(example)
  local paths = {}
  for i = 1, 5 do paths[i] = files.make(("%s/local/%d"):format(dir, i), 100 * 1000 * 1000, i) end
  local best
  for _ = 1, RUNS do
    clean()
    local ok, output = run_example(example, paths)
    assert(ok, output)
    local ticks, gap = output:match "(%d+) ticks, at most (%d+) ms apart"
    assert(tonumber(ticks) > 5, output)
    best = math.min(best or math.huge, tonumber(gap))
    for i = 1, 5 do assert.is_true(files.same(paths[i], srv:path("backup", ("%d"):format(i)))) end
    if best <= LONGEST_GAP then break end
  end
  assert(best <= LONGEST_GAP, ("the timer was late by %d ms"):format(best))
end

-- What a loop did until `seconds` had passed, when `finish` is to end the jobs: wakes a second, and seconds of CPU
-- time.
local function idle_for(drive, jobs, seconds, finish)
  local from, cpu, spent = shell.now(), os.clock(), nil
  local wakes = drive(jobs, function()
    if spent or shell.now() - from < seconds then return end
    spent = os.clock() - cpu
    finish()
  end)
  return wakes / (shell.now() - from), spent
end

for _, case in ipairs { { "cqueues", "cqueues" }, { "luv", "luv" }, { "socket", "socket-select" } } do
  local module, example = case[1], case[2]
  local drive = loops[module]

  describe("jobs under " .. module, function()
    it("let the loop tick while 500 MB go up over several connections", function()
      the_loop_keeps_ticking(example)
    end)

    it("go on side by side, many at once", function()
      open(srv:url "backup")
      local jobs = {}
      for i = 1, 60 do jobs[i] = dest:submit("write", "file" .. i, files.content(i * 1000, i)) end
      drive(jobs, function() end)
      for i, job in ipairs(jobs) do
        assert.equal(i * 1000, assert(job:wait(0)).bytes)
        assert.equal(files.content(i * 1000, i), contents("file" .. i))
      end
    end)

    it("are cancelled from within the loop", function()
      open(net:url "backup")
      net:tell("bandwidth", 4 * MIB)
      local path = files.make(dir .. "/local/big", 40 * MIB)
      local jobs = { dest:submit("put", path), dest:submit("put", path, "other") }
      local ticks = 0
      drive(jobs, function()
        ticks = ticks + 1
        if ticks == 20 then assert.is_true(jobs[1]:cancel()) end
        if ticks == 40 then
          jobs[2]:cancel()
          net:tell "calm"
        end
      end)
      for i, name in ipairs { "big", "other" } do
        local result, _, code = jobs[i]:wait()
        assert.is_nil(result)
        assert.equal("cancelled", code)
        assert.equal("cancelled", jobs[i]:status())
        assert.is_nil(contents(name))
      end
      assert.same({}, files.list(srv:path "backup"))
    end)

    it("bring their errors", function()
      open(net:url "backup", { retries = 0 })
      local path = files.make(dir .. "/local/big", 20 * MIB)
      local jobs = { dest:submit("put", dir .. "/nothing"), dest:submit("put", path, "missing/big"),
        dest:submit("read", "nothing"), dest:submit("write", "file", function() error("the reader's own", 0) end) }
      drive(jobs, function() end)
      local codes = {}
      for i = 1, 3 do codes[i] = select(3, jobs[i]:wait()) end
      assert.same({ "local_io", "folder_missing", "not_found" }, codes)
      assert.has_error(function() jobs[4]:wait() end, "the reader's own")
      net:tell("cut-each", 5 * MIB)
      local job = dest:submit("put", path)
      drive({ job }, function() end)
      local _, message, code = job:wait()
      assert.equal("disconnected", code)
      assert.truthy(message:find("big", 1, true))
    end)

    it("take what the loop gives their readers", function()
      open(srv:url "backup")
      local pieces, ticks = {}, 0
      local job = dest:submit("write", "fed", function()
        while not pieces[1] do coroutine.yield() end
        local piece = table.remove(pieces, 1)
        return piece ~= "" and piece or nil
      end)
      drive({ job }, function()
        ticks = ticks + 1
        if ticks <= 30 then pieces[#pieces + 1] = ("piece %d\n"):format(ticks):rep(1000) end
        if ticks == 31 then pieces[#pieces + 1] = "" end
      end)
      assert(job:wait())
      local expected = {}
      for i = 1, 30 do expected[i] = ("piece %d\n"):format(i):rep(1000) end
      assert.equal(table.concat(expected), contents "fed")
    end)

    it("let the loop sleep while a transfer stalls", function()
      open(net:url "backup")
      local job = dest:submit("put", files.make(dir .. "/local/big", 50 * MIB))
      net:tell "stall"
      local wakes, cpu = idle_for(drive, { job }, 1.5, function()
        net:tell "go"
      end)
      assert(job:wait())
      -- What it takes to send it in the end is among them.
      assert(wakes < 200, ("%.0f wakes a second"):format(wakes))
      assert(cpu < 0.3, ("%.2f s of CPU time"):format(cpu))
    end)

    it("let the loop sleep while a reader has nothing", function()
      open(srv:url "backup")
      local over = false
      local job = dest:submit("write", "late", function()
        while not over do coroutine.yield() end
        return nil
      end)
      local wakes, cpu = idle_for(drive, { job }, 1, function() over = true end)
      assert(job:wait())
      assert(wakes < WAKES, ("%.0f wakes a second"):format(wakes))
      assert(cpu < 0.3, ("%.2f s of CPU time"):format(cpu))
    end)

    it("let the loop sleep when an idle worker has died", function()
      open(srv:url "backup")
      local warm = {}
      for i = 1, 4 do warm[i] = dest:submit("write", "warm" .. i, files.content(MIB, i)) end
      drive(warm, function() end)
      for _, each in ipairs(warm) do assert(each:wait()) end
      assert(#processes.workers() > 1, "one worker only")
      local asked, over
      local job = dest:submit("write", "late", function()
        asked = true
        while not over do coroutine.yield() end
        return nil
      end)
      job:pollfd()
      while not asked do smb.wait({ job }, 0.01) end
      for _, pid in ipairs(processes.workers()) do shell.kill(pid, "KILL") end
      local wakes, cpu = idle_for(drive, { job }, 1, function() over = true end)
      job:wait()
      assert(wakes < WAKES, ("%.0f wakes a second"):format(wakes))
      assert(cpu < 0.3, ("%.2f s of CPU time"):format(cpu))
    end)
  end)
end

describe("a job", function()
  -- Seconds that this process was ready to run and others had the processors: no call of ours is to blame for them.
  local function crowded_out()
    local file <close> = io.open "/proc/self/schedstat"
    local _, nanoseconds = (file and file:read "a" or ""):match "^(%d+) (%d+)"
    return (tonumber(nanoseconds) or 0) / 1e9
  end

  -- Milliseconds that a call takes, but for those.
  local function held_up(fn, ...)
    local from, before = shell.now(), crowded_out()
    local result = fn(...)
    return ((shell.now() - from) - (crowded_out() - before)) * 1000, result
  end

  -- The longest that a loop would have been held up.
  local function longest(what, ...)
    local worst, job = held_up(dest.submit, dest, what, ...)
    local ended
    repeat
      local gap
      gap, ended = held_up(smb.wait, { job }, 0)
      worst = math.max(worst, gap)
      if not ended then shell.sleep(math.min(0.001, job:timeout())) end
    until ended
    return worst, job:wait()
  end

  local function holds_up_no_loop(...)
    local best = math.huge
    for _ = 1, RUNS do
      local worst, result, message = longest(...)
      assert(result, message)
      best = math.min(best, worst)
      if best <= LONGEST_GAP then return result end
    end
    error(("a loop was held up for %.0f ms"):format(best), 0)
  end

  it("that hashes a long string holds up no loop", function()
    open(srv:url "backup")
    local data = files.content(150 * MIB)
    local result = holds_up_no_loop("write", "long", data, { sha256 = true })
    assert.equal(result.sha256, (shell.check { "sha256sum", srv:path("backup", "long") }:match "^%x+"))
  end)

  it("that sorts a big listing holds up no loop", function()
    open(srv:url "backup")
    shell.check(("cd %s && seq -f 'file %%05g' 30000 | shuf | tr '\\n' '\\0' | xargs -0 touch")
      :format(srv:path "backup"))
    local entries = holds_up_no_loop("list")
    assert.equal(30000, #entries)
    for i, entry in ipairs(entries) do assert.equal(("file %05d"):format(i), entry.name) end
  end)

  it("that walks a big local tree holds up no loop", function()
    open(srv:url "backup")
    shell.check(("cd %s && seq -f 'file %%05g' 20000 | tr '\\n' '\\0' | xargs -0 touch"):format(dir .. "/local"))
    assert.equal(20000, holds_up_no_loop("put_tree", dir .. "/local", "tree", { dry_run = true }).files)
  end)

  it("that sends a tree, or fetches one, holds up no loop", function()
    open(srv:url "backup")
    local tree, got = dir .. "/local/tree", dir .. "/local/got"
    lfs.mkdir(tree)
    for i = 1, 1000 do files.write(("%s/file %d"):format(tree, i), ("%d"):format(i)) end
    assert.equal(1000, holds_up_no_loop("put_tree", tree, "tree", { changed = "always" }).files)
    assert.equal(1000, holds_up_no_loop("get_tree", "tree", got, { changed = "always" }).files)
    shell.check { "diff", "-r", tree, got }
  end)

  it("that is cancelled with much of a file fetched holds up no loop", function()
    open(srv:url "backup")
    files.make(srv:path("backup", "big"), 300 * MIB)
    local best = math.huge
    for _ = 1, RUNS do
      local job = dest:submit("get", "big", dir .. "/local")
      while not smb.wait({ job }, 0.005) and job:progress() < 200 * MIB do end
      local worst = held_up(job.cancel, job)
      repeat
        local gap, ended = held_up(smb.wait, { job }, 0)
        worst = math.max(worst, gap)
        shell.sleep(0.001)
      until ended
      best = math.min(best, worst)
    end
    assert(best < LONGEST_GAP / 2, ("a loop was held up for %.0f ms"):format(best))
  end)
end)

describe("jobs under copas", function()
  it("is skipped: Debian's lua-copas is for Lua 5.1 and 5.2", function()
    pending "Debian's lua-copas is for Lua 5.1 and 5.2"
  end)
end)

describe("a cqueues socket", function()
  it("is read by a job's reader", function()
    local cqueues, socket = require "cqueues", require "cqueues.socket"
    open(srv:url "backup")
    local ours, theirs = socket.pair()
    local expected = files.content(500 * 1000)
    local job = dest:submit("write", "piped", function() return theirs:read(-65536) end)
    local loop = cqueues.new()
    loop:wrap(function()
      for at = 1, #expected, 10000 do
        ours:write(expected:sub(at, at + 9999))
        ours:flush()
        if at % 100000 == 1 then cqueues.sleep(0.02) end
      end
      ours:close()
    end)
    loop:wrap(function()
      while not smb.wait({ job }, 0) do cqueues.poll(job) end
      theirs:close() -- else a job that fails leaves a writer whom nobody reads
    end)
    assert(loop:loop())
    assert(job:wait())
    assert.equal(#expected, #contents "piped")
    assert.equal(expected, contents "piped")
  end)
end)

describe("what a loop asks a job", function()
  it("has an answer after its end, and after its destination's", function()
    open(srv:url "backup")
    local job, other = dest:submit("exists", "nothing"), dest:submit("exists", "nothing")
    assert.equal("number", type(job:pollfd()))
    assert.equal(job:pollfd(), other:getfd())
    assert.equal("r", job:events())
    assert.is_false(job:dirty())
    assert.is_true(job:timeout() > 0 and job:timeout() <= 0.1)
    assert.is_false(job:wait())
    assert.is_true(job:dirty())
    assert.equal(0, job:timeout())
    dest:close()
    assert.equal(-1, job:pollfd())
    assert.equal(0, job:timeout())
    assert.is_true(job:dirty())
  end)
end)
