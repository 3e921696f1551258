-- Calls that go on while the script does something else: dest:submit, smb.wait and what an event loop asks.

local lfs = require "lfs"
local smb = require "smb"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local assert_raises = require("spec.support.share").assert_raises

local MIB = 1024 * 1024
local ROOT = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
if not BUILD:find "^/" then BUILD = ROOT .. "/" .. BUILD end

local on_server, everything = share.on_server, share.everything
local assert_fails, assert_nothing_open = share.assert_fails, share.assert_nothing_open

local srv, net, dir, dest

setup(function()
  local base
  srv, base = share.start { shares = { backup = {}, other = {} } }
  dir = base .. "/local"
  net = share.network()
end)

teardown(share.stop)

-- Through the proxy, where calls take as long as they are told to.
local function open(options)
  options = options or {}
  options.retries = options.retries or 0
  return assert(smb.open(net:url "backup", options))
end

before_each(function()
  share.clean()
  srv:mark()
  dest = open()
end)

after_each(function()
  net:tell "go"
  net:tell "calm"
  dest:close()
end)

-- A call whose function raises ends with that.
local function assert_raised(what)
  local problem = {}
  local job = dest:submit(what, "file", function() error(problem, 0) end)
  local ok, raised = pcall(job.wait, job)
  assert.is_false(ok)
  assert.equal(problem, raised)
  assert.equal("failed", job:status())
end

-- A call that lasts until `go`.
local function slow(name)
  net:tell "stall"
  return dest:submit("stat", name or "")
end

describe("jobs:", function()
  it("every method can be one, with the results it has", function()
    files.write(dir .. "/source", "content")
    local function run(what, ...)
      local job = dest:submit(what, ...)
      assert.same({ "job", "userdata" }, { smb.type(job), type(job) })
      local results = table.pack(job:wait())
      assert.equal("done", job:status(), results[2])
      return table.unpack(results, 1, results.n)
    end
    assert.equal(7, run("put", dir .. "/source", "file").bytes)
    assert.equal(7, run("get", "file", dir .. "/got").bytes)
    assert.equal("content", files.read(dir .. "/got"))
    assert.equal("content", run("read", "file"))
    assert.equal(3, run("write", "w", "123").bytes)
    local parts = { "a", "b" }
    assert.equal(2, run("write", "w", function() return table.remove(parts) end).bytes)
    assert.equal("file", run("stat", "file").name)
    assert.is_true(run("exists", "file"))
    assert.is_false(run("exists", "missing"))
    assert.equal(2, #run("list"))
    assert.is_true(run("mkdir", "a/b"))
    assert.is_true(run("rename", "file", "a/file"))
    assert.is_true(run("copy", "a/file", "copy"))
    assert.is_true(run("utime", "copy", 1600000000))
    assert.is_true(run("delete", "copy"))
    assert.is_true(run("rmdir", "a", { recursive = true }))
    assert.equal("integer", math.type(run("quota").total))
    assert.is_true(run("test", { write = true }))
    assert.same({ restored = {}, unknown = {} }, run "sweep")
    lfs.mkdir(dir .. "/tree")
    files.write(dir .. "/tree/f", "1")
    assert.equal(1, run("put_tree", dir .. "/tree", "tree").files)
    assert.equal(1, run("get_tree", "tree", dir .. "/tree2").files)
    assert.same({ "tree", "w" }, everything())
  end)

  it("what is no method, or cannot be one, raises", function()
    for _, what in ipairs { "dir", "walk", "open", "close", "submit", "nothing", "options", "" } do
      local ok, problem = pcall(function() dest:submit(what) end)
      assert.is_false(ok)
      assert.matches("spec/91%-job_spec.lua:%d+: bad argument #1 to 'submit'", problem)
    end
    assert_raises("string expected, got nil", dest.submit, dest)
    assert_raises("string expected, got number", dest.submit, dest, 5)
    dest:close()
    assert.error_matches(function() dest:submit("stat", "") end, "closed destination")
  end)

  it("give failures as the call would", function()
    local _, message, code = dest:stat "missing"
    local job = dest:submit("stat", "missing")
    local _, text, word = job:wait()
    assert.same({ message, code }, { text, word })
    assert.equal("failed", job:status())
    assert.same({ message, code }, { select(2, job:wait()) })
    assert_fails("invalid_name", dest:submit("stat", "a?"):wait())
  end)

  it("raise what the call would", function()
    local job = dest:submit("stat", 5 > 4)
    assert.error_matches(function() job:wait() end, "bad argument #1 to 'stat'")
    assert.equal("failed", job:status())
  end)

  it("run while nobody waits for them, as soon as the host calls in", function()
    local job = slow()
    assert.equal("running", job:status())
    net:tell "go"
    assert.equal("done", shell.poll(function() return job:status() == "done" and "done" end))
    assert.equal("directory", job:wait().type)
    assert.equal("directory", job:wait().type)
  end)

  it("wait for so many seconds only", function()
    local job = slow()
    local began = shell.now()
    assert.matches("still running", assert_fails("timeout", job:wait(0.15)))
    assert.is_true(shell.now() - began >= 0.15)
    assert_fails("timeout", job:wait(0))
    assert.equal("running", job:status())
    net:tell "go"
    assert.equal("directory", job:wait(5).type)
    assert_raises("number expected, got string", job.wait, job, "1")
    assert_raises("job expected", job.wait, {})
  end)

  it("of a plain call's size do not wait for slow ones", function()
    local one, two = slow(), dest:submit("exists", "")
    assert.equal("running", one:status())
    net:tell "go"
    assert.is_true(dest:exists "")
    assert.is_true(two:wait())
    assert.equal("directory", one:wait().type)
  end)

  it("queue where there are more than connections", function()
    dest:close()
    dest = open { connections = 2 }
    net:tell "stall"
    local jobs = {}
    for i = 1, 4 do jobs[i] = dest:submit("exists", "") end
    local stand = {}
    for i = 1, 4 do stand[i] = jobs[i]:status() end
    assert.same({ "running", "running", "queued", "queued" }, stand)
    assert.same({ 0 }, { jobs[4]:progress() })
    net:tell "go"
    for i = 4, 1, -1 do assert.is_true(jobs[i]:wait()) end
  end)

  it("print what they are", function()
    local job = slow()
    assert.equal("smb.job (running)", tostring(job))
    net:tell "go"
    job:wait()
    assert.equal("smb.job (done)", tostring(job))
    assert.is_nil(smb.type {})
  end)

  it("200 small files go at once", function()
    local jobs = {}
    for i = 1, 200 do jobs[i] = dest:submit("put", files.write(dir .. "/f" .. i, ("%d"):format(i))) end
    for i = 1, 200 do assert.equal(#("%d"):format(i), assert(jobs[i]:wait()).bytes) end
    for i = 1, 200 do assert.equal(("%d"):format(i), files.read(on_server("f" .. i))) end
    assert.is_true(#processes.workers() <= 8)
    assert.equal(200, #everything())
    assert_nothing_open()
  end)

  it("tell how far they are", function()
    net:tell("bandwidth", 20 * MIB)
    local job = dest:submit("put", files.make(dir .. "/source", 20 * MIB), "file")
    local last = 0
    local between = shell.poll(function()
      local done, total = job:progress()
      assert.is_true(done >= last)
      last = done
      return done > 0 and done < 20 * MIB and total
    end)
    assert.equal(20 * MIB, between)
    assert(job:wait())
    assert.same({ 20 * MIB, 20 * MIB }, { job:progress() })
  end)

  it("call progress functions, readers and filters as they go on", function()
    local calls = 0
    net:tell("bandwidth", 20 * MIB)
    files.make(dir .. "/source", 10 * MIB)
    local job = dest:submit("put", dir .. "/source", "file", { progress = function() calls = calls + 1 end })
    assert(job:wait())
    assert.is_true(calls > 2)
    job = dest:submit("put", dir .. "/source", "other", { progress = function() return false end })
    assert_fails("cancelled", job:wait())
    assert.equal("cancelled", job:status())
    assert.same({ "file" }, everything())
  end)
end)

describe("jobs: sinks", function()
  -- A sink in the manner of LTN12, the pieces that it gets, and how often it is told the end.
  local function collector()
    local pieces, ends = {}, { count = 0 }
    return function(piece)
      if piece then pieces[#pieces + 1] = piece else ends.count = ends.count + 1 end
      return 1
    end, pieces, ends
  end

  it("get what is read, piece by piece and in order, and then the end, once", function()
    for size, many in pairs { [0] = false, [7] = false, [20 * MIB + 1] = true } do
      files.make(on_server "file", size, 3)
      local sink, pieces, ends = collector()
      local job = dest:submit("read", "file", sink)
      assert.equal(size, assert(job:wait()).bytes)
      assert.is_true(table.concat(pieces) == files.content(size, 3))
      assert.equal(many, #pieces > 1)
      assert.equal(1, ends.count)
      assert.same({ size, size }, { job:progress() })
    end
    assert_nothing_open()
  end)

  it("that refuse or raise end the job, and it is told why", function()
    files.make(on_server "file", 20 * MIB, 3)
    local calls = 0
    local _, message = dest:submit("read", "file", function()
      calls = calls + 1
      return nil, "the sink is full"
    end):wait()
    assert.matches("the sink is full", message)
    assert.equal(1, calls)
    assert_raised("read")
    assert_nothing_open()
  end)
end)

describe("jobs: readers inside", function()
  it("that raise end the job, and their error comes back at wait", function()
    assert_raised("write")
    assert.same({}, everything())
    assert_nothing_open()
  end)

  -- The network stands still from the function's call on: what is under way cannot be tidied up before it goes on.
  it("that raise while the server is silent hold up nobody who only asks", function()
    local far <close> = assert(smb.open(net:url "backup", { retries = 0, short_timeout = 60, read_write_timeout = 60 }))
    files.make(on_server "big", 3 * MIB)
    lfs.mkdir(dir .. "/tree")
    for i = 1, 3 do files.make(dir .. "/tree/" .. i, 1000) end
    local function stall()
      net:tell "stall"
      error("mine", 0)
    end
    local given = false
    local function second()
      if given then stall() end
      given = true
      return "x"
    end
    for _, case in ipairs {
      { "write", "up", second }, { "read", "big", stall }, { "put_tree", dir .. "/tree", "tree", { filter = stall } },
      { "get_tree", "", dir .. "/got", { filter = stall } },
    } do
      local job = far:submit(table.unpack(case))
      local longest = 0
      for _ = 1, 100 do
        local from = shell.now()
        local ended = smb.wait({ job }, 0)
        longest = math.max(longest, shell.now() - from)
        if ended then break end
        shell.sleep(0.01)
      end
      assert(longest < 20, ("%s: smb.wait(jobs, 0) lasted %.1f s"):format(case[1], longest))
      net:tell "go"
      local ok, raised = pcall(job.wait, job)
      assert.same({ case[1], false, "mine" }, { case[1], ok, raised })
    end
    assert.same({ "big" }, everything())
  end)

  it("that yield are resumed whenever the job moves on", function()
    local count = 0
    local job = dest:submit("write", "file", function()
      count = count + 1
      coroutine.yield "anything"
      return count <= 5 and "part" or nil
    end)
    assert.equal(20, assert(job:wait()).bytes)
    assert.equal("partpartpartpartpart", files.read(on_server "file"))
  end)

  it("may call the destination, and others", function()
    local other <close> = assert(smb.open(srv:url "other", { retries = 0 }))
    assert(other:write("from", "content"))
    assert(dest:write("own", "content"))
    local given = { function() return other:read "from" end, function() return dest:read "own" end }
    local result = assert(dest:submit("write", "file", function()
      local one = table.remove(given)
      return one and assert(one())
    end):wait())
    assert.equal(14, result.bytes)
    assert.equal("contentcontent", files.read(on_server "file"))
  end)

  it("may wait for further jobs, with one connection, too", function()
    for _, connections in ipairs { 8, 1 } do
      local small <close> = open { connections = connections }
      local done = false
      local job = small:submit("write", "file", function()
        if done then return nil end
        done = true
        local inner = small:submit("exists", "")
        return tostring(inner:wait(3))
      end)
      assert.equal(4, assert(job:wait(5)).bytes)
      assert.equal("true", files.read(on_server "file"))
    end
  end)
end)

describe("jobs: cancel", function()
  it("ends a copy on the server before its next piece, and leaves nothing", function()
    local file <close> = assert(io.open(on_server "huge", "w"))
    file:seek("set", 1024 * MIB - 1)
    file:write "x"
    file:flush()
    net:tell("latency", 50)
    local job = dest:submit("copy", "huge", "copy")
    local function part() return share.part_in(srv:path "backup") end
    assert.is_truthy(shell.poll(function()
      job:wait(0.01)
      return part() and lfs.attributes(part(), "size") > 0
    end))
    local frames = net:stats().frames
    assert.is_true(job:cancel())
    assert_fails("cancelled", job:wait())
    assert.is_true(net:stats().frames - frames < 20, net:stats().frames - frames)
    net:tell("latency", 0)
    assert.same({ "huge" }, everything())
    assert_nothing_open()
  end)

  it("drops one that is queued", function()
    dest:close()
    dest = open { connections = 1 }
    local first = slow()
    local second = dest:submit("write", "file", "content")
    assert.is_true(second:cancel())
    assert.equal("cancelled", second:status())
    net:tell "go"
    assert_fails("cancelled", second:wait())
    assert.equal("directory", first:wait().type)
    assert.same({}, everything())
  end)

  it("ends one that is running, and leaves nothing on the share", function()
    for _, size in ipairs { 20, 100 } do -- of the latter several connections take part
      files.make(dir .. "/source", size * MIB)
      net:tell("bandwidth", 20 * MIB)
      local job = dest:submit("put", dir .. "/source", "file")
      assert.is_truthy(shell.poll(function() return job:progress() > 0 end))
      assert.is_true(job:cancel())
      assert_fails("cancelled", job:wait(5))
      net:tell "calm"
      assert.equal("cancelled", job:status())
      assert.is_true(job:cancel())
      assert.same({}, everything())
      assert_nothing_open()
    end
  end)

  it("ends a get, and leaves nothing here", function()
    files.make(on_server "file", 100 * MIB)
    net:tell("bandwidth", 20 * MIB)
    local job = dest:submit("get", "file", dir .. "/got")
    assert.is_truthy(shell.poll(function() return job:progress() > 0 end))
    job:cancel()
    assert_fails("cancelled", job:wait(5))
    net:tell "calm"
    assert.same({}, files.list(dir))
    assert_nothing_open()
  end)

  it("ends trees, and leaves no temporary files", function()
    lfs.mkdir(dir .. "/tree")
    for i = 1, 100 do files.write(dir .. "/tree/" .. i, ("x"):rep(50000)) end
    net:tell("bandwidth", 5 * MIB)
    local job = dest:submit("put_tree", dir .. "/tree", "tree")
    assert.is_truthy(shell.poll(function() return job:progress() > 200000 end))
    job:cancel()
    assert_fails("cancelled", job:wait(5))
    net:tell "calm"
    for _, name in ipairs(files.list(on_server "tree")) do
      assert.is_nil(name:find "part$")
      assert.equal(50000, files.size(on_server("tree/" .. name)))
    end
    assert.is_true(#files.list(on_server "tree") < 100)
    assert_nothing_open()
  end)

  it("of one that is over changes nothing", function()
    local job = dest:submit("exists", "")
    assert.is_true(job:wait())
    assert.is_true(job:cancel())
    assert.equal("done", job:status())
    assert.is_true(job:wait())
  end)

  it("is about that one only, whoever lets others begin", function()
    dest:close()
    dest = open { connections = 2 }
    local first, third
    local second = dest:submit("write", "second", function()
      if third:status() == "queued" then return "more" end
      coroutine.yield()
      return "and more"
    end)
    first, third = dest:submit("exists", ""), dest:submit("write", "third", "content")
    assert.is_true(first:wait())
    assert.is_truthy(shell.poll(function() return third:status() ~= "queued" end))
    second:cancel()
    assert_fails("cancelled", second:wait())
    assert.equal(7, assert(third:wait()).bytes)
    assert.same({ "third" }, everything())
  end)

  it("leaves the destination usable", function()
    local job = slow()
    job:cancel()
    net:tell "go"
    assert_fails("cancelled", job:wait())
    assert.is_true(dest:exists "")
  end)
end)

describe("jobs: others", function()
  it("get their turn while a tree is under way", function()
    lfs.mkdir(dir .. "/tree")
    for i = 1, 400 do files.write(dir .. "/tree/" .. i, "x") end
    net:tell("latency", 5)
    local other <close> = open() -- that has seen the distance
    local tree = other:submit("put_tree", dir .. "/tree", "tree")
    assert.is_truthy(shell.poll(function() return tree:progress() > 10 end))
    local small = other:submit("exists", "")
    assert.is_true(small:wait())
    assert.equal("running", tree:status())
    assert.equal(400, assert(tree:wait()).files)
  end)

  it("are started in their order, however many wait, and dropped ones never", function()
    dest:close()
    dest = open { connections = 1 }
    local order, jobs = {}, {}
    for i = 1, 50 do
      jobs[i] = dest:submit("write", "f" .. i, function()
        if order[#order] ~= i then order[#order + 1] = i return "x" end
      end)
    end
    for i = 10, 50, 10 do jobs[i]:cancel() end
    for i, job in ipairs(jobs) do
      if i % 10 == 0 then assert_fails("cancelled", job:wait()) else assert(job:wait()) end
    end
    assert.equal(45, #order)
    for i = 2, #order do assert.is_true(order[i] > order[i - 1]) end
  end)

  it("that wait for another attempt end at once when they are cancelled", function()
    dest:close()
    dest = open { retries = 5, retry_delay = 20 }
    lfs.mkdir(dir .. "/tree")
    files.write(dir .. "/tree/f", "x")
    net:tell "refuse"
    net:tell "kill"
    local job = dest:submit("put_tree", dir .. "/tree", "tree")
    assert.is_nil(job:wait(0.5))
    job:cancel()
    assert_fails("cancelled", job:wait(5))
    net:tell "accept"
  end)
end)

describe("jobs: smb.wait", function()
  it("gives one that has ended, of several destinations", function()
    local other <close> = assert(smb.open(srv:url "other", { retries = 0 }))
    net:tell "stall"
    local a, b = dest:submit("exists", ""), other:submit("exists", "")
    assert.equal(b, smb.wait { a, b })
    assert.is_nil(smb.wait({ a }, 0.1))
    net:tell "go"
    assert.equal(a, smb.wait { a })
    assert.is_true(a:wait())
    assert.is_nil(smb.wait {})
    assert.is_nil(smb.wait({}, 1))
  end)

  it("refuses what is no job", function()
    assert_raises("a list of jobs expected, got nil", smb.wait)
    assert_raises("job expected", smb.wait, { 5 })
    assert_raises("job expected", smb.wait, { {} })
    assert_raises("seconds must be a number", smb.wait, {}, "1")
    local job = dest:submit("exists", "")
    assert.error_matches(function() smb.wait(job) end, "a list of jobs expected, got job")
    assert.error_matches(function() smb.wait { name = job } end, "a list of jobs expected")
    assert.is_true(job:wait())
  end)

  it("drains a list", function()
    local jobs, count = {}, 0
    for i = 1, 20 do jobs[i] = dest:submit("write", "f" .. i, "content") end
    while #jobs > 0 do
      local job = assert(smb.wait(jobs, 5))
      for i, each in ipairs(jobs) do
        if each == job then table.remove(jobs, i) break end
      end
      assert(job:wait())
      count = count + 1
    end
    assert.equal(20, count)
    assert.equal(20, #everything())
  end)

  -- Counted by what Lua does, not by the clock.
  it("asks little more of each job when there are thousands", function()
    local function steps_for_each(many)
      local jobs, steps = {}, 0
      for i = 1, many do jobs[i] = dest:submit("exists", "") end
      debug.sethook(function() steps = steps + 1 end, "", 1000)
      while #jobs > 0 do
        local job = smb.wait(jobs)
        for i = 1, #jobs do
          if jobs[i] == job then table.remove(jobs, i) break end
        end
      end
      debug.sethook()
      return steps * 1000 / many
    end
    local few, more = steps_for_each(500), steps_for_each(4000)
    assert(more < few + 20000, ("%.0f instructions for each of 4000, %.0f for each of 500"):format(more, few))
  end)

  it("moves on the jobs of all destinations in the list, those behind one that has ended, too", function()
    local other <close> = assert(smb.open(srv:url "other", { retries = 0 }))
    local first, last = dest:submit("exists", ""), other:submit("write", "moved", "x")
    assert(first:wait())
    local found
    for _ = 1, 1000 do
      assert.equal(first, smb.wait({ first, last }, 0))
      found = files.exists(srv:path("other", "moved"))
      if found then break end
      shell.sleep(0.01)
    end
    assert.is_true(found)
    assert(last:wait())
  end)
end)

describe("jobs: what they are given", function()
  it("is theirs: the caller may change its options meanwhile", function()
    local one <close> = open { connections = 1 }
    assert(one:write("there", "old"))
    lfs.mkdir(dir .. "/chosen")
    for _, each in ipairs { "a.log", "b.txt" } do files.write(dir .. "/chosen/" .. each, each) end
    local opts, tree_opts = { overwrite = false }, { filter = { "*.txt" } }
    local jobs = { one:submit("exists", ""), one:submit("write", "there", "new", opts),
      one:submit("put_tree", dir .. "/chosen", "tree", tree_opts) }
    opts.overwrite, opts.nonsense, tree_opts.filter[1] = true, true, "*.log"
    assert.is_true(jobs[1]:wait())
    assert_fails("exists", jobs[2]:wait())
    assert.equal(1, assert(jobs[3]:wait()).files)
    assert.is_true(files.exists(on_server "tree/b.txt"))
  end)

  it("is freed when they have ended, though they are kept", function()
    local jobs, dropped = {}, dest:submit("write", "dropped", ("x"):rep(20 * MIB))
    dropped:cancel()
    pcall(dropped.wait, dropped)
    collectgarbage()
    local before = collectgarbage "count"
    for i = 1, 20 do jobs[i] = dest:submit("write", "f" .. i, ("%d"):format(i):rep(MIB)) end
    for i = 1, 20 do assert(jobs[i]:wait()) end
    collectgarbage()
    collectgarbage()
    local kept = collectgarbage "count" - before
    assert(kept < 2048, ("20 ended jobs of 1 MiB keep %.0f KiB"):format(kept))
    assert.equal(20, #jobs)
  end)
end)

describe("jobs: a closed destination's", function()
  it("are cancelled, whatever they were at", function()
    files.make(dir .. "/source", 70 * MIB)
    net:tell("bandwidth", 20 * MIB)
    local jobs =
      { dest:submit("put", dir .. "/source", "file"), dest:submit("exists", ""), dest:submit("write", "w", "x") }
    for i = 4, 20 do jobs[i] = dest:submit("write", "f" .. i, "x") end
    assert.is_truthy(shell.poll(function() return jobs[1]:progress() > 0 end))
    dest:close()
    net:tell "calm"
    local over = { done = true, cancelled = true }
    for _, job in ipairs(jobs) do
      assert.is_true(over[job:status()], job:status())
      if job:status() == "cancelled" then assert_fails("cancelled", job:wait()) else assert(job:wait()) end
      assert.equal(0, job:timeout())
      assert.is_true(job:cancel())
    end
    assert.equal("cancelled", jobs[1]:status())
    local stayed
    shell.poll(function()
      stayed = nil
      for _, name in ipairs(everything()) do
        if name:find "part$" then stayed = name end
      end
      return not stayed
    end)
    assert.is_nil(stayed)
    assert_nothing_open()
    assert.same({}, processes.workers())
  end)

  it("leave nothing behind when one of the connections is slow to give up", function()
    files.make(dir .. "/source", 70 * MIB)
    for slow_one = 1, 2 do
      dest:close()
      dest = open { connections = 2 }
      net:tell("bandwidth", 20 * MIB)
      local job, workers = dest:submit("put", dir .. "/source", "file"), nil
      assert.is_truthy(shell.poll(function()
        workers = processes.workers()
        return job:progress() > 10 * MIB and #workers == 2
      end))
      shell.kill(workers[slow_one], "STOP")
      shell.check(("(sleep 1; kill -CONT %d) >/dev/null 2>&1 &"):format(workers[slow_one]))
      dest:close()
      net:tell "calm"
      local left
      shell.poll(function()
        left = everything()
        return #left == 0
      end)
      assert.same({}, left)
    end
  end)

  it("go with it when both are collected", function()
    local function leave()
      local other = open()
      other:submit("put", files.make(dir .. "/source", 20 * MIB), "file")
      other:submit("exists", "")
    end
    net:tell("bandwidth", 20 * MIB)
    leave()
    collectgarbage()
    collectgarbage()
    net:tell "calm"
    assert.is_truthy(shell.poll(function() return #processes.workers() == 1 end))
    assert.is_truthy(shell.poll(function() return #everything() == 0 end))
    assert_nothing_open()
  end)

  it("keep it alive when only they are left", function()
    local function begin() return open():submit("write", "file", "content") end
    local job = begin()
    collectgarbage()
    collectgarbage()
    assert.equal(7, assert(job:wait()).bytes)
  end)
end)

describe("jobs: event loops", function()
  it("get one descriptor, which becomes readable, and a time to come back", function()
    local job = slow()
    local fd = job:pollfd()
    assert.equal("integer", math.type(fd))
    assert.equal(fd, job:getfd())
    assert.equal("r", job:events())
    assert.is_false(job:dirty())
    local others = {}
    for i = 1, 5 do
      others[i] = dest:submit("exists", "")
      assert.equal(fd, others[i]:pollfd())
    end
    assert.is_true(job:timeout() >= 0 and job:timeout() <= 0.1)
    net:tell "go"
    while not job:dirty() do
      assert.is_true(job:timeout() <= 0.1)
      job:status()
    end
    assert.equal(0, job:timeout())
    for _, each in ipairs(others) do assert.is_true(each:wait()) end
    assert.equal(fd, job:pollfd())
    dest:close()
    assert.equal(-1, job:pollfd())
  end)

  it("see the descriptor readable when there is something to do, and not before", function()
    local found, socket = pcall(require, "socket")
    if not found then return pending "needs LuaSocket" end
    assert.is_true(dest:exists "")
    local job = slow()
    assert.same({}, (socket.select({ job }, nil, 0.05)))
    net:tell "go"
    local rounds = 0
    repeat
      rounds = rounds + 1
      assert.equal(job, socket.select({ job }, nil, 5)[1])
    until job:status() ~= "running"
    assert.is_true(rounds < 20, "the descriptor is readable for nothing")
    assert.equal("directory", job:wait().type)
  end)
end)

describe("jobs: other calls meanwhile", function()
  it("that block move them on", function()
    local jobs = {}
    for i = 1, 10 do jobs[i] = dest:submit("write", "f" .. i, ("x"):rep(100000)) end
    for _ = 1, 50 do assert.is_true(dest:exists "") end
    local file <close> = assert(dest:open("other", "w"))
    for _ = 1, 10 do assert(file:write(("y"):rep(100000))) end
    assert(file:close())
    for _, job in ipairs(jobs) do assert(job:wait()) end
    assert.equal(11, #everything())
    assert.equal(1000000, files.size(on_server "other"))
  end)

  it("may be in coroutines", function()
    local threads, ended = {}, 0
    for i = 1, 5 do
      threads[i] = coroutine.create(function()
        local job = dest:submit("write", "f" .. i, "content")
        while job:status() ~= "done" do coroutine.yield() end
        assert(job:wait())
        assert.equal("content", dest:submit("read", "f" .. i):wait())
        ended = ended + 1
      end)
    end
    while ended < 5 do
      for _, thread in ipairs(threads) do
        if coroutine.status(thread) ~= "dead" then assert(coroutine.resume(thread)) end
      end
    end
    assert.equal(5, #everything())
  end)

  it("go on while a listing and a walk are open", function()
    for i = 1, 20 do files.write(on_server("f" .. i), "x") end
    local seen = 0
    for entry in dest:dir() do
      local job = dest:submit("read", entry.name)
      seen = seen + 1
      assert.equal("x", job:wait())
    end
    assert.equal(20, seen)
  end)
end)

describe("jobs: nothing is left", function()
  it("after many, cancelled ones among them", function()
    files.make(dir .. "/source", 40 * MIB) -- each over several connections
    local function round()
      local other = open { connections = 4 }
      local jobs = {}
      net:tell "stall" -- none shall have ended before it is cancelled
      for i = 1, 12 do jobs[i] = other:submit("put", dir .. "/source", "f" .. i) end
      for i = 1, 12, 2 do jobs[i]:cancel() end
      net:tell "go"
      for i = 1, 12 do
        if i % 2 == 1 then assert_fails("cancelled", jobs[i]:wait()) else assert(jobs[i]:wait()) end
      end
      assert.is_true(other:close())
      collectgarbage()
      collectgarbage()
    end
    round()
    local before = processes.count_descriptors()
    round()
    assert.equal(before, processes.count_descriptors())
    assert.equal(1, #processes.workers())
    assert.equal(6, #everything())
    assert_nothing_open()
  end)

  it("after Ctrl-C in the middle of a large put", function()
    files.make(dir .. "/source", 200 * MIB)
    local program = files.write(dir .. "/program.lua", [[
      local smb = require "smb"
      local dest = assert(smb.open(arg[1], { retries = 0 }))
      local ok, problem = pcall(function() return dest:put(arg[2], "file", { progress = function(done)
        if done > 0 then io.stdout:write "under way\n" io.stdout:flush() end
      end }) end)
      print(ok, problem)
      print(dest:exists "file")
      os.exit(0, true)
    ]])
    net:tell("bandwidth", 30 * MIB)
    local output = dir .. "/output"
    local pid = shell.spawn({
      "env", ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(ROOT, ROOT), ("LUA_CPATH_5_4=%s/?.so;;")
        :format(BUILD),
      "lua5.4", program, net:url "backup", dir .. "/source",
    }, output)
    assert.is_truthy(shell.poll(function() return (files.read(output) or ""):find "under way" end, 5))
    shell.kill(pid, "INT")
    net:tell "calm"
    assert.is_true(processes.await_end(pid, 5))
    assert.matches("false\t[^\n]*interrupted!", files.read(output))
    assert.matches("\nfalse\n$", files.read(output))
    assert.is_truthy(shell.poll(function() return #everything() == 0 end, 5), table.concat(everything(), " "))
    assert_nothing_open()
  end)
end)
