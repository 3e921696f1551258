-- How many connections a destination has, and when; large files over several of them.
--
-- SEED, an environment variable, repeats a run's random offsets.

local lfs = require "lfs"
local core = require "smb.core"
local smb = require "smb"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local MIB = 1024 * 1024
-- Bytes a second of each connection: at 20 ms, one alone may have moved 70 MiB before there is another.
local PACE = 25 * MIB

local on_server, everything = share.on_server, share.everything
local assert_fails, assert_nothing_open = share.assert_fails, share.assert_nothing_open

-- Samba's own record of which files are opened, made, renamed and removed, success only.
local AUDIT = {
  ["vfs objects"] = "full_audit", ["full_audit:syslog"] = "false", ["full_audit:prefix"] = "audit",
  ["full_audit:success"] = "create_file renameat unlinkat", ["full_audit:failure"] = "none",
}

local srv, net, dir, large

setup(function()
  local base
  srv, base = share.start { shares = { backup = {}, narrow = { ["max connections"] = "2" }, audited = AUDIT } }
  dir = base .. "/local"
  net = share.network()
  large = { [70] = files.make(base .. "/70", 70 * MIB, 1), [200] = files.make(base .. "/200", 200 * MIB, 2) }
  share.seed()
end)

teardown(share.stop)

before_each(function()
  share.clean()
  srv:mark()
end)

after_each(function()
  net:tell "go"
  net:tell "calm"
end)

-- Calls fn with a destination behind the proxy.
local function with(options, fn)
  options.retries = options.retries or 0
  local dest <close> = assert(smb.open(net:url "backup", options))
  fn(dest)
end

-- Starts workers until there are so many, and has them all log on: one that nobody has told whom to connect to waits
-- for that, and does not leave.
local function log_on(dest, count)
  core.warm(dest, count)
  assert.is_true(shell.poll(function()
    core.poll(dest, 0)
    return #processes.workers() == count and srv:logons() >= count
  end, 30))
end

-- Runs fn and gives how many workers there were at most, as far as seen.
local function most_workers(dest, fn)
  local most = 0
  debug.sethook(function()
    local ok, count = pcall(core.connections, dest) -- a hook that raises, since fn has failed, may outlast the spec
    if ok then most = math.max(most, count) end
  end, "", 1000)
  local ok, problem = pcall(fn)
  debug.sethook()
  if not ok then error(problem, 0) end
  return math.max(most, core.connections(dest))
end

-- How many connections moved these `srv:reads()` or `srv:writes()`.
local function carriers(transfers)
  local seen, count = {}, 0
  for _, each in ipairs(transfers) do
    if not seen[each.process] then seen[each.process], count = true, count + 1 end
  end
  return count
end

local function make_tree(count)
  lfs.mkdir(dir .. "/tree")
  for i = 1, count do files.write(dir .. "/tree/" .. i, ("%d"):format(i)) end
end

describe("connections:", function()
  it("one does for calls one after another", function()
    with({}, function(dest)
      for i = 1, 20 do
        assert(dest:write("file", ("%d"):format(i)))
        assert(dest:read "file")
        assert(dest:list())
        assert(dest:stat "file")
      end
      assert.equal(1, #processes.workers())
      assert.equal(1, srv:logons())
    end)
  end)

  it("there are no more than the option says", function()
    for _, connections in ipairs { 1, 3 } do
      with({ connections = connections }, function(dest)
        net:tell "stall"
        local jobs = {}
        for i = 1, 10 do jobs[i] = dest:submit("write", "f" .. i, "content") end
        assert.is_true(core.connections(dest) <= connections)
        net:tell "go"
        local most = most_workers(dest, function()
          for _, job in ipairs(jobs) do assert(job:wait()) end
        end)
        assert.equal(connections, most)
        assert.is_true(#processes.workers() <= connections)
      end)
    end
  end)

  it("there is no second one before there is work for it", function()
    with({}, function(dest)
      local job = dest:submit("exists", "")
      assert.is_true(job:wait())
      assert.equal(1, core.connections(dest))
      net:tell "stall"
      local jobs = { dest:submit("exists", ""), dest:submit("exists", "") }
      assert.equal(2, core.connections(dest))
      net:tell "go"
      for _, each in ipairs(jobs) do assert.is_true(each:wait()) end
      assert.equal(2, core.connections(dest))
    end)
  end)

  it("an open file stays with its own, new work goes elsewhere", function()
    with({ connections = 2 }, function(dest)
      net:tell "stall"
      local jobs = { dest:submit("exists", ""), dest:submit("exists", "") }
      net:tell "go"
      for _, each in ipairs(jobs) do assert.is_true(each:wait()) end
      local opened = {}
      for i = 1, 4 do opened[i] = assert(dest:open("f" .. i, "w")) end
      -- Each server process serves one connection.
      local per_process = {}
      for _, file in pairs(srv:status().open_files) do
        for _, open in pairs(file.opens) do
          per_process[open.server_id.pid] = (per_process[open.server_id.pid] or 0) + 1
        end
      end
      local counts = {}
      for _, count in pairs(per_process) do counts[#counts + 1] = count end
      assert.same({ 2, 2 }, counts)
      for i, file in ipairs(opened) do
        assert(file:write(("%d"):format(i)))
        assert(file:close())
        assert.equal(("%d"):format(i), files.read(on_server("f" .. i)))
      end
    end)
  end)

  it("what nothing has needed for ten seconds is given back, though nobody calls, not what has an open file", function()
    with({ connections = 4 }, function(dest)
      local file = assert(dest:open("file", "w"))
      log_on(dest, 4)
      shell.sleep(5)
      assert.is_true(dest:exists "")
      assert.equal(4, #processes.workers())
      -- The file's, and the one that was used after five seconds, which is the next to go.
      assert.is_true(shell.poll(function() return #processes.workers() == 2 end, 30))
      assert.is_true(shell.poll(function() return #processes.workers() == 1 end, 30))
      assert.is_true(dest:exists "")
      assert.equal(1, core.connections(dest))
      assert(file:write "content")
      assert(file:close())
      assert.equal("content", files.read(on_server "file"))
    end)
  end)

  it("the oldest is kept", function()
    with({ connections = 4 }, function(dest)
      local oldest = processes.worker()
      log_on(dest, 4)
      assert.is_true(shell.poll(function() return #processes.workers() == 1 end, 30))
      shell.sleep(1)
      assert.is_true(dest:exists "")
      assert.same({ oldest }, processes.workers())
    end)
  end)

  it("may wait for a script that computes for longer than short_timeout before it waits", function()
    with({ short_timeout = 3 }, function(dest)
      log_on(dest, 1)
      local jobs = { dest:submit("write", "a", "content"), dest:submit("write", "b", "content") }
      local until_then = shell.now() + 3.5
      while shell.now() < until_then do end -- luacheck: ignore
      for _, job in ipairs(jobs) do assert(job:wait()) end
      assert.equal(2, core.connections(dest))
      assert.is_true(core.connections_at_most(dest) > 2)
    end)
  end)

  it("one has nothing open after a write was cut off just before its file got its name", function()
    with({ connections = 1 }, function(dest)
      local function finish(request)
        while not core.ended(request) do core.poll(dest, 0.1) end
        return assert(core.result(request))
      end
      local upload = finish(assert(core.start(dest, "upload",
        { to = "x", temp = "x.12345678.part", aside = "x.12345678.aside", overwrite = true })))
      core.abandon(assert(core.start(dest, "commit", { link = upload.link, handle = upload.handle, size = 0 })))
      while not core.settled(dest, 0.1) do end
      local request <close> = assert(core.start(dest, "connect", { own = true }))
      assert.is_true(core.ended(request))
    end)
  end)

  it("what a worker was sent and has not taken when it ends, another one does", function()
    with({ connections = 1 }, function(dest)
      assert(dest:write("file", "content"))
      local pid = processes.worker()
      shell.kill(pid, "STOP")
      local job = dest:submit("delete", "file")
      assert.equal("running", job:status())
      shell.kill(pid, "KILL")
      assert.is_true(job:wait())
      assert.is_nil(files.read(on_server "file"))
    end)
  end)

  it("those that are known to be needed come of one fork server, and share nothing", function()
    -- The sockets that two workers both hold.
    local function shared(pids)
      local seen, found = {}, {}
      for _, pid in ipairs(pids) do
        for _, what in pairs(processes.descriptors(pid)) do
          if what:find "^socket:" and seen[what] then found[#found + 1] = what end
          seen[what] = true
        end
      end
      return found
    end
    local function ready(dest)
      core.poll(dest, 0.01)
      return core.settled(dest, 0) and #processes.workers() == 8
    end
    local children = processes.children()
    with({ connections = 8 }, function(dest)
      assert.is_true(dest:exists "")
      local first, fork_servers = processes.worker(), processes.fork_servers()
      core.warm(dest, 100)
      assert.equal(8, core.connections(dest))
      assert(shell.poll(function() return ready(dest) end))
      local workers = processes.workers()
      assert.same({}, shared(workers))
      for _, pid in ipairs(workers) do
        if pid ~= first then shell.kill(pid, "KILL") end
      end
      assert.equal(1, #fork_servers)
      assert.same(fork_servers, processes.fork_servers())
      assert(shell.poll(function()
        core.poll(dest, 0.01)
        return dest:exists "" and core.connections(dest) == 1
      end))
      core.warm(dest, 8)
    end)
    assert(shell.poll(function() return #processes.workers() == 0 end))
    assert.same(children, processes.children())
  end)

  it("what broke while idle is replaced, and an open file's failure is its own", function()
    with({ connections = 2 }, function(dest)
      local file = assert(dest:open("file", "w"))
      assert(file:write "content")
      net:tell "kill"
      dest.options.retries, dest.options.retry_delay = 1, 0.01
      assert.is_true(dest:exists "")
      dest.options.retries = 0
      assert.is_true(dest:exists "")
      assert_fails("disconnected", file:close())
    end)
  end)
end)

describe("connections: no more than pay", function()
  it("are two where answers come at once", function()
    make_tree(300)
    for _, what in ipairs { "tree", "large file" } do
      local dest <close> = assert(smb.open(srv:url "backup", { connections = 8, retries = 0 }))
      local round_trip = dest.info.round_trip
      local used = most_workers(dest, function()
        if what == "tree" then
          assert.equal(300, assert(dest:put_tree(dir .. "/tree", "tree")).files)
          assert.equal(300, assert(dest:get_tree("tree", dir .. "/got")).files)
        else
          assert.equal(70 * MIB, assert(dest:put(large[70], "file")).bytes)
          assert.equal(70 * MIB, assert(dest:get("file", dir .. "/file")).bytes)
        end
      end)
      -- On a machine that is busy with other things they do not come at once.
      assert.is_true(used <= 2 or round_trip > 0.0001, ("%s: %d connections"):format(what, used))
      assert.is_true(srv:logons() <= used)
      srv:mark()
    end
    assert.equal(300, #files.list(dir .. "/got"))
    assert(files.same(large[70], dir .. "/file"))
  end)

  it("are as many as the option says where answers take long", function()
    make_tree(12)
    net:tell("latency", 20)
    for _, run in ipairs {
      function(dest) assert.equal(70 * MIB, assert(dest:put(large[70], "file")).bytes) end,
      function(dest) assert.equal(70 * MIB, assert(dest:get("file", dir .. "/file")).bytes) end,
      function(dest) assert.equal(12, assert(dest:put_tree(dir .. "/tree", "tree")).files) end,
      function(dest) assert.equal(12, assert(dest:get_tree("tree", dir .. "/got")).files) end,
    } do
      srv:mark()
      with({ connections = 3 }, function(dest)
        assert.equal(3, most_workers(dest, function() run(dest) end))
        assert.is_true(srv:logons() <= 3)
      end)
    end
    assert(files.same(large[70], dir .. "/file"))
    assert.equal(12, #files.list(dir .. "/got"))
  end)
end)

describe("connections: a wrong password", function()
  it("is tried once, however many ask", function()
    assert_fails("auth_failed", smb.open(srv:fields { password = "wrong", retries = 5, retry_delay = 0.01 }))
    local attempts, failures = srv:logons()
    assert.same({ 1, 1 }, { attempts, failures })
  end)

  it("that has come about meanwhile is tried once", function()
    with({ retries = 3, retry_delay = 0.01 }, function(dest)
      assert.is_true(dest:exists "")
      srv:account("bob", "disabled")
      srv:mark()
      net:tell "kill"
      local jobs = {}
      for i = 1, 8 do jobs[i] = dest:submit("exists", "") end
      for _, job in ipairs(jobs) do assert_fails("auth_failed", job:wait()) end
      assert_fails("auth_failed", dest:exists "")
      assert_fails("auth_failed", dest:put(large[70], "file"))
      srv:account("bob", "normal")
      assert.equal(1, (srv:logons()))
    end)
  end)
end)

-- A server that serves so many connections and no more.
local function servers_that_refuse()
  local few = server.start { global = { ["max smbd processes"] = "4" } } -- two of them serve nobody
  return few, { { "of smbd processes", few, "backup" }, { "to the share", srv, "narrow" } }
end

describe("connections: a server that takes no more than two", function()
  local few, cases

  setup(function() few, cases = servers_that_refuse() end)
  teardown(function() few:stop() end)

  local function each_case(fn)
    for _, case in ipairs(cases) do
      local other <close> = assert(smb.open(case[2]:url(case[3]), { retries = 1, retry_delay = 0.01 }))
      fn(other, function(name) return case[2]:path(case[3], name) end, case[1])
    end
  end

  it("does not fail jobs", function()
    each_case(function(other, path, what)
      for _ = 1, 2 do
        local jobs = {}
        for i = 1, 40 do jobs[i] = other:submit("write", "f" .. i, ("%d"):format(i)) end
        for i = 1, 40 do
          local result, message = jobs[i]:wait()
          assert.is_truthy(result, what .. ": " .. tostring(message))
          assert.equal(("%d"):format(i), files.read(path("f" .. i)))
        end
      end
    end)
  end)

  it("does not fail trees", function()
    lfs.mkdir(dir .. "/tree")
    for i = 1, 60 do files.write(dir .. "/tree/" .. i, ("%d"):format(i)) end
    each_case(function(other, path, what)
      local summary, message = other:put_tree(dir .. "/tree", "tree")
      assert.is_truthy(summary, what .. ": " .. tostring(message))
      assert.equal(60, #files.list(path "tree"))
      summary, message = other:get_tree("tree", dir .. "/got")
      assert.is_truthy(summary, what .. ": " .. tostring(message))
      assert.equal(60, #files.list(dir .. "/got"))
      files.remove(dir .. "/got")
    end)
  end)

  it("does not fail large files", function()
    each_case(function(other, path, what)
      local result, message = other:put(large[70], "large")
      assert.is_truthy(result, what .. ": " .. tostring(message))
      assert(files.same(large[70], path "large"))
      result, message = other:get("large", dir .. "/got")
      assert.is_truthy(result, what .. ": " .. tostring(message))
      assert(files.same(large[70], dir .. "/got"))
      os.remove(dir .. "/got")
      os.remove(path "large")
    end)
  end)

  it("does not fail those who are many together", function()
    each_case(function(other, path, what)
      other:close()
      local two = {}
      for i = 1, 2 do
        local url = what == "to the share" and srv:url "narrow" or few:url "backup"
        two[i] = assert(smb.open(url, { retries = 1, retry_delay = 0.01 }))
      end
      local jobs = {}
      for i = 1, 40 do jobs[i] = two[i % 2 + 1]:submit("write", "g" .. i, "content") end
      for i = 1, 40 do
        local result, message = jobs[i]:wait()
        assert.is_truthy(result, what .. ": " .. tostring(message))
        assert.equal("content", files.read(path("g" .. i)))
      end
      for i = 1, 2 do two[i]:close() end
    end)
  end)
end)

describe("large files over several connections:", function()
  before_each(function() net:tell("latency", 20) end)

  it("put and get are right", function()
    for _, size in ipairs { 70, 200 } do
      with({ retries = 2, retry_delay = 0.05 }, function(dest)
        local before = net:stats().connections
        local used =
          most_workers(dest, function() assert.equal(size * MIB, assert(dest:put(large[size], "file")).bytes) end)
        assert.is_true(used > 1)
        assert.is_true(net:stats().connections - before > 0, "there was but one connection")
        assert.same({ "file" }, everything())
        assert(files.same(large[size], on_server "file"))
        assert.equal(lfs.attributes(large[size], "modification"), lfs.attributes(on_server "file", "modification"))
        assert.equal(size * MIB, assert(dest:get("file", dir .. "/got")).bytes)
        assert.same({ "got" }, files.list(dir))
        assert(files.same(large[size], dir .. "/got"))
        os.remove(dir .. "/got")
        os.remove(on_server "file")
        assert_nothing_open()
      end)
    end
  end)

  -- Puts a file of so many bytes, and gets it.
  local function assert_large(size, is_large, is_large_back)
    local source = files.make(dir .. "/source", size, 3)
    with({}, function(dest)
      assert.equal(size, assert(dest:put(source, "file")).bytes)
      assert.equal(is_large, carriers(srv:writes()) > 1)
      assert.equal(is_large, core.connections(dest) > 1)
    end)
    assert(files.same(source, on_server "file"))
    with({}, function(dest)
      assert(dest:exists "file") -- how far the server is
      assert.equal(size, assert(dest:get("file", dir .. "/got")).bytes)
      assert.equal(is_large_back, carriers(srv:reads()) > 1)
      assert.equal(is_large_back, core.connections(dest) > 1)
    end)
    assert(files.same(source, dir .. "/got"))
    srv:mark()
  end

  it("are those of 32 MiB and more; from a distant server, of 64 MiB and more", function()
    net:tell("latency", 20)
    net:tell("bandwidth", PACE)
    assert_large(32 * MIB - 1, false, false)
    assert_large(32 * MIB, true, false)
    assert_large(64 * MIB, true, true)
  end)

  it("are sent to one temporary name, made once, renamed once", function()
    net:tell("bandwidth", PACE)
    local dest <close> = assert(smb.open(net:url "audited", { retries = 0 }))
    assert.equal(70 * MIB, assert(dest:put(large[70], "file")).bytes)
    assert.is_true(carriers(srv:writes()) > 1)
    local made, renamed, removed, names, opened = 0, 0, 0, {}, 0
    for operation, arguments in srv:log():gmatch "audit|([%l_]+)|ok|([^\n]*)" do
      local name = arguments:match "[^/|]*$"
      if operation == "renameat" then
        renamed = renamed + 1
        assert.matches("%.part|.*/file$", arguments)
      elseif operation == "unlinkat" then
        removed = removed + 1
      elseif arguments:find("|file|open|", 1, true) then
        opened = opened + 1
        names[name] = true
      elseif arguments:find("|file|", 1, true) then -- made, or emptied
        made = made + 1
        names[name] = true
      end
    end
    assert.same({ 1, 1, 0 }, { made, renamed, removed })
    assert.is_true(opened >= 1)
    assert.is_truthy(next(names):find "^file%.%x+%.part$")
    assert.is_nil(next(names, (next(names))))
    assert(files.same(large[70], srv:path("audited", "file")))
    assert.same({ "file" }, files.list(srv:path "audited"))
  end)

  -- Sends a file, and one of the connections stands still, in the middle of a range, until all others wait for it.
  local function put_with_a_straggler(dest, path)
    net:tell("straggle", MIB)
    local job = dest:submit("put", path, "file")
    local last, looks = 0, 0
    local waiting = shell.poll(function()
      local done = job:progress()
      last, looks = done, done == last and looks + 1 or 0
      return done >= core.stripe_window(200 * MIB) - dest.info.max_write_size and looks >= 30
    end, 60)
    assert.is_truthy(waiting, ("%s after %d bytes"):format(job:status(), last))
    assert.equal("running", job:status())
    net:tell "go"
    return job:wait()
  end

  -- How far the end of a write lay beyond the first byte that was missing then, at most.
  local function furthest(transfers)
    table.sort(transfers, function(a, b) return a.time < b.time end)
    local low, done, most = 0, {}, 0
    for _, each in ipairs(transfers) do
      most = math.max(most, each.offset + each.done - low)
      done[each.offset] = each.offset + each.done
      while done[low] do low = done[low] end
    end
    assert.equal(200 * MIB, low)
    return most
  end

  it("go in ascending order, no further ahead of what is missing than the window", function()
    net:tell("bandwidth", PACE)
    with({}, function(dest)
      assert.equal(200 * MIB, assert(put_with_a_straggler(dest, large[200])).bytes)
      local writes, last = srv:writes(), {}
      for _, each in ipairs(writes) do
        assert.is_true(each.offset > (last[each.process] or -1))
        last[each.process] = each.offset
      end
      local most = furthest(writes)
      local window = core.stripe_window(200 * MIB)
      assert.is_true(most > window // 2 and most <= window, most .. " bytes ahead")
      assert(files.same(large[200], on_server "file"))
    end)
  end)

  it("in a tree are such, too", function()
    lfs.mkdir(dir .. "/tree")
    shell.check { "ln", large[70], dir .. "/tree/large" }
    net:tell("bandwidth", PACE)
    with({}, function(dest)
      assert.equal(1, assert(dest:put_tree(dir .. "/tree", "tree")).files)
      assert.is_true(core.connections(dest) > 2)
      assert.is_true(carriers(srv:writes()) > 2)
      assert(files.same(large[70], on_server "tree/large"))
      assert.same({ "large" }, files.list(on_server "tree"))
    end)
    with({}, function(dest)
      assert.equal(1, assert(dest:get_tree("tree", dir .. "/got")).files)
      assert.is_true(core.connections(dest) > 2)
      assert.is_true(carriers(srv:reads()) > 2)
      assert(files.same(large[70], dir .. "/got/large"))
      assert.same({ "large" }, files.list(dir .. "/got"))
    end)
  end)

  it("break in the middle, again and again, and arrive whole", function()
    with({ retries = 4, retry_delay = 0.02 }, function(dest)
      for _ = 1, 2 do
        net:tell("cut", math.random(5 * MIB, 65 * MIB))
        local result, message = dest:put(large[70], "file")
        assert.is_nil(message)
        assert.equal(70 * MIB, result.bytes)
        assert.same({ "file" }, everything())
        assert(files.same(large[70], on_server "file"))
        net:tell("cut-down", math.random(5 * MIB, 65 * MIB))
        result, message = dest:get("file", dir .. "/got")
        assert.is_nil(message)
        assert.equal(70 * MIB, result.bytes)
        assert.same({ "got" }, files.list(dir))
        assert(files.same(large[70], dir .. "/got"))
        net:tell "calm"
        net:tell("latency", 20)
      end
      assert_nothing_open()
    end)
  end)

  it("break on a short line, too, with handles that are just being opened", function()
    net:tell("latency", 0)
    with({ retries = 3, retry_delay = 0.02 }, function(dest)
      for _ = 1, 8 do
        net:tell("cut", math.random(10 * MIB, 65 * MIB))
        local result, message = dest:put(large[70], "file")
        net:tell "calm"
        assert.is_nil(message)
        assert.equal(70 * MIB, result.bytes)
      end
      assert(files.same(large[70], on_server "file"))
      assert_nothing_open()
    end)
  end)

  it("go on when the server drops all connections", function()
    with({ retries = 4, retry_delay = 0.05 }, function(dest)
      net:tell("bandwidth", 50 * MIB)
      local result, message = processes.during(function() return dest:put(large[70], "file") end,
        function() net:tell "kill" end, 0.6)
      assert.is_nil(message)
      assert.is_true(result.retries > 0)
      assert(files.same(large[70], on_server "file"))
      assert.same({ "file" }, everything())
    end)
  end)

  it("open files read and write as much", function()
    with({ retries = 2, retry_delay = 0.05 }, function(dest)
      local file = assert(dest:open("file", "w"))
      local used = most_workers(dest, function()
        local source <close> = io.open(large[70], "rb")
        for piece in source:lines(100000) do assert(file:write(piece)) end
        assert(file:close())
      end)
      assert.is_true(used > 1)
      assert(files.same(large[70], on_server "file"))
      file = assert(dest:open "file")
      local copy = io.open(dir .. "/got", "wb")
      for piece in file:lines(300000) do copy:write(piece) end
      copy:close()
      assert(file:close())
      assert(files.same(large[70], dir .. "/got"))
      assert_nothing_open()
    end)
  end)

  it("an open file has as many as its line can use: two where it is slow", function()
    net:tell("latency", 20)
    net:tell("bandwidth", 12 * MIB)
    for _, mode in ipairs { "w", "r" } do
      with({ connections = 8 }, function(dest)
        local file = assert(dest:open("file", mode))
        local used = most_workers(dest, function()
          for _ = 1, 48 do
            if mode == "w" then assert(file:write(("x"):rep(MIB))) else assert.equal(MIB, #file:read(MIB)) end
          end
        end)
        assert(file:close())
        assert.equal(2, used)
        assert.is_true(dest.info.throughput > 4 * MIB and dest.info.throughput < 48 * MIB, dest.info.throughput)
      end)
    end
  end)

  it("an open file that is closed leaves none of its further connections that is just being opened", function()
    for size = 3, 11, 4 do
      with({ read_buffer_size = MIB, write_buffer_size = MIB }, function(dest)
        local file = assert(dest:open("file", "w"))
        for _ = 1, size do assert(file:write(("x"):rep(MIB))) end
        assert(file:close())
        assert_nothing_open()
      end)
      with({ read_buffer_size = MIB, write_buffer_size = MIB }, function(dest)
        local file = assert(dest:open "file")
        for _ = 1, size do assert(file:read(MIB)) end
        assert(file:close())
        assert_nothing_open()
      end)
    end
  end)

  it("streams and strings are as long as they were", function()
    with({ retries = 2, retry_delay = 0.05 }, function(dest)
      local source = io.open(large[70], "rb")
      local used = most_workers(dest, function()
        assert.equal(70 * MIB, assert(dest:write("file", function() return source:read(65521) end)).bytes)
      end)
      source:close()
      assert.is_true(used > 1)
      assert.same({ "file" }, everything())
      assert(files.same(large[70], on_server "file"))
      assert.is_true(dest:read "file" == files.content(70 * MIB, 1))
      assert_nothing_open()
    end)
  end)

  local function write_verified(dest)
    local source <close> = io.open(large[70], "rb")
    return dest:write("file", function() return source:read(65521) end, { verify = "sha256" })
  end

  it("streams are verified", function()
    net:tell("bandwidth", PACE)
    with({}, function(dest)
      local result = assert(write_verified(dest))
      assert.equal(70 * MIB, result.bytes)
      assert.equal(shell.check({ "sha256sum", large[70] }):match "^%x+", result.sha256)
      assert.is_true(carriers(srv:writes()) > 1)
      assert(files.same(large[70], on_server "file"))
    end)
  end)

  for _, which in ipairs { "first", "second" } do
    it(("a byte of a stream that changes on its way over the %s connection is a mismatch"):format(which), function()
      local before = net:stats().faults
      net:tell("bandwidth", PACE)
      if which == "first" then net:tell("flip", 2 * MIB + 12345) end -- amid a write
      with({ signing = "off" }, function(dest) -- signed, a spoilt message counts for nothing
        if which == "second" then net:tell("flip", 2 * MIB + 12345) end
        assert_fails("mismatch", write_verified(dest))
        assert.equal(1, net:stats().faults - before)
        assert.is_true(carriers(srv:writes()) > 1)
        assert.same({}, everything())
        assert_nothing_open()
      end)
    end)
  end

  it("streams and open files come through cuts", function()
    with({ retries = 5, retry_delay = 0.02 }, function(dest)
      local source = io.open(large[70], "rb")
      net:tell("cut", math.random(5 * MIB, 65 * MIB))
      local result, message = dest:write("file", function() return source:read(MIB) end)
      source:close()
      assert.is_nil(message)
      assert.equal(70 * MIB, result.bytes)
      assert.same({ "file" }, everything())
      assert(files.same(large[70], on_server "file"))

      net:tell("cut", math.random(5 * MIB, 65 * MIB))
      local file = assert(dest:open("other", "w"))
      source = io.open(large[70], "rb")
      for piece in source:lines(MIB) do assert(file:write(piece)) end
      source:close()
      assert(file:close())
      assert(files.same(large[70], on_server "other"))

      net:tell("cut-down", math.random(5 * MIB, 65 * MIB))
      file = assert(dest:open "other")
      local copy = io.open(dir .. "/got", "wb")
      while true do
        local piece, problem = file:read(MIB)
        assert.is_nil(problem)
        if not piece then break end
        copy:write(piece)
      end
      copy:close()
      assert(file:close())
      assert(files.same(large[70], dir .. "/got"))
      assert_nothing_open()
    end)
  end)

  it("leave no descriptors and workers behind", function()
    net:tell("latency", 0)
    local function round()
      with({}, function(dest)
        assert(dest:put(large[70], "file"))
        assert(dest:get("file", dir .. "/got"))
      end)
      collectgarbage()
      collectgarbage()
    end
    round()
    local before = processes.count_descriptors()
    round()
    assert.equal(before, processes.count_descriptors())
    assert.same({}, processes.workers())
    assert_nothing_open()
  end)
end)
