-- Calls that outlive a bad network: what fails for now is tried again, what was half done is gone on with, and what may
-- have been done already is settled by looking. The network is spec/support/faultproxy.c.
--
-- SEED, an environment variable, repeats a run's random offsets.

local lfs = require "lfs"
local disktimes = require "spec.support.disktimes"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local MIB = 1024 * 1024
local OPTIONS = { retries = 5, retry_delay = 0.05, connections = 1 } -- rather than the default's half second

local on_server, everything, timed = share.on_server, share.everything_below, share.timed
local assert_fails = share.assert_fails

local srv, net, dir, dest, tools

setup(function()
  tools = files.directory()
  srv, dir = share.start { environment = disktimes.environment(tools, { first = -2147483648 }) } -- as ext4
  net = share.network()
  share.seed()
end)

teardown(function()
  share.stop()
  files.remove(tools)
end)

before_each(function()
  share.clean()
  srv:mark()
  dest = assert(smb.open(net:url "backup", OPTIONS))
end)

after_each(function()
  net:tell "calm"
  net:tell "go"
  dest:close()
end)

-- Puts a file whose time the server's disk cannot keep.
local function put_old(opts)
  local source = files.write(dir .. "/local/source", "new")
  shell.check { "touch", "-d", "@-8520336000", source }
  local result, message, code = dest:put(source, "file", opts)
  if result then assert.is_false(result.mtime_kept) end
  return result, message, code
end

-- Every operation: what has to be there before, the call, and what there is to see afterwards.
local operations = {
  { name = "put", before = {}, after = { file = "new" }, run = function()
    return dest:put(files.write(dir .. "/local/source", "new"), "file")
  end },
  { name = "put over a file", before = { file = "old" }, after = { file = "new" }, run = function()
    return dest:put(files.write(dir .. "/local/source", "new"), "file")
  end },
  { name = "write over a file", before = { file = "old" }, after = { file = "new" }, run = function()
    return dest:write("file", "new")
  end },
  { name = "put over a file of the same size, without its time", before = { file = "old" }, after = { file = "new" },
    run = function()
      return dest:put(files.write(dir .. "/local/source", "new"), "file", { preserve_mtime = false })
    end },
  -- Such a time is looked at after it was set.
  { name = "put of 1700 over a file", before = { file = "old" }, after = { file = "new" }, run = function()
    return put_old {}
  end },
  { name = "put of 1700 that is not to replace a file", before = {}, after = { file = "new" }, run = function()
    return put_old { overwrite = false }
  end },
  { name = "write over an empty file", before = { file = "" }, after = { file = "new" }, run = function()
    return dest:write("file", "new")
  end },
  { name = "get", before = { file = "content" }, after = { file = "content" }, run = function()
    local result, message, code = dest:get("file", dir .. "/local/got")
    if result then assert.equal("content", files.read(dir .. "/local/got")) end
    assert.same(result and { "got" } or {}, files.list(dir .. "/local"))
    os.remove(dir .. "/local/got")
    return result, message, code
  end },
  { name = "read", before = { file = "content" }, after = { file = "content" }, run = function()
    local content, message, code = dest:read "file"
    if content then assert.equal("content", content) end
    return content, message, code
  end },
  { name = "stat", before = { file = "content" }, after = { file = "content" }, run = function()
    local entry, message, code = dest:stat "file"
    if entry then assert.equal(7, entry.size) end
    return entry, message, code
  end },
  { name = "list", before = { a = "a", b = "b" }, after = { a = "a", b = "b" }, run = function()
    local entries, message, code = dest:list ""
    if entries then
      assert.equal(2, #entries)
      assert.equal("a", entries[1].name)
    end
    return entries, message, code
  end },
  { name = "mkdir", before = {}, after = { ["a/"] = true, ["a/b/"] = true },
    run = function() return dest:mkdir "a/b" end },
  { name = "delete", before = { file = "content" }, after = {}, run = function() return dest:delete "file" end },
  { name = "rename", before = { from = "moved" }, after = { to = "moved" }, run = function()
    return dest:rename("from", "to")
  end },
  { name = "rename over a file", before = { from = "moved", to = "old" }, after = { to = "moved" }, run = function()
    return dest:rename("from", "to")
  end },
  { name = "copy over a file", before = { from = "content", to = "old" }, after = { from = "content", to = "content" },
    run = function() return dest:copy("from", "to") end },
  { name = "utime", before = { file = "content" }, after = { file = "content" }, run = function()
    local ok, message, code = dest:utime("file", 1600000000)
    if ok then assert.equal(1600000000, lfs.attributes(on_server "file", "modification")) end
    return ok, message, code
  end },
  { name = "rmdir recursive", before = { ["d/"] = true, ["d/e/"] = true, ["d/f"] = "f", ["d/e/g"] = "g" }, after = {},
    run = function() return dest:rmdir("d", { recursive = true }) end },
}

local function arrange(content)
  share.clean()
  local names = {}
  for name in pairs(content) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if name:find "/$" then lfs.mkdir(on_server(name)) else files.write(on_server(name), content[name]) end
  end
end

local function contents()
  local found = {}
  for _, name in ipairs(everything()) do
    if lfs.attributes(on_server(name), "mode") == "directory" then
      found[name .. "/"] = true
    else
      found[name] = files.read(on_server(name))
    end
  end
  return found
end

-- Runs the operation once with a fault at its nth frame. Gives what went wrong, and whether it is that short that none
-- came.
local function try_frame(operation, fault, frame)
  arrange(operation.before)
  assert(dest:exists "") -- so that there is a connection
  local before = net:stats().faults
  net:tell(fault, frame)
  local called, result, message = pcall(operation.run)
  net:tell "calm"
  local over = net:stats().faults == before
  local right, difference = pcall(assert.same, operation.after, contents())
  if not called then return tostring(result), over end
  if not result then return message, over end
  if not right then return tostring(difference), over end
  -- What ends a get is not waited for.
  if frame == 1 and type(result) == "table" and result.retries == 0 then return "no retry was counted", over end
  return nil, over
end

-- Runs the operation with a fault at each of its frames.
local function try_each_frame(operation, fault)
  local problems, frame = {}, 0
  repeat
    frame = frame + 1
    local problem, over = try_frame(operation, fault, frame)
    if problem then problems[#problems + 1] = ("at frame %d: %s"):format(frame, problem) end
  until over
  assert.is_true(frame > 2, "no fault came")
  assert.equal("", table.concat(problems, "\n"))
end

describe("retries: wherever the connection breaks,", function()
  for _, operation in ipairs(operations) do
    it(operation.name .. " succeeds when a request is lost", function() try_each_frame(operation, "cut-frame") end)
    it(operation.name .. " succeeds when an answer is lost", function() try_each_frame(operation, "lose") end)
  end
end)

describe("retries: a large transfer", function()
  local SIZE = 64 * MIB
  local source

  setup(function() source = files.make(dir .. "/source", SIZE, 3) end)

  local function assert_resumed(result, message, at)
    assert.is_nil(message)
    assert.equal(SIZE, result.bytes)
    assert.is_true(result.retries > 0, "no retry is told")
    -- What was under way when it broke is sent again: with 8 MiB a request that may be this much.
    if at > 40 * MIB then assert.is_true(result.resumed > 0, "nothing was resumed") end
    assert.is_true(result.resumed <= at, "more is told to be resumed than had passed")
  end

  it("up goes on where it was cut, at any offset", function()
    for _ = 1, 10 do
      local at = math.random(1000, SIZE)
      net:tell("cut", at)
      local result, message = dest:put(source, "file")
      net:tell "calm"
      assert.same({ "file" }, everything())
      assert_resumed(result, message, at)
      assert(files.same(source, on_server "file"))
      os.remove(on_server "file")
    end
  end)

  it("down goes on where it was cut, at any offset", function()
    files.make(on_server "file", SIZE, 3)
    for _ = 1, 10 do
      local at = math.random(1000, SIZE)
      net:tell("cut-down", at)
      local result, message = dest:get("file", dir .. "/local/got")
      net:tell "calm"
      assert.same({ "got" }, files.list(dir .. "/local"))
      assert_resumed(result, message, at)
      assert(files.same(source, dir .. "/local/got"))
      os.remove(dir .. "/local/got")
    end
  end)

  it("up is written only once, but for what was under way", function()
    local before = net:stats().bytes
    net:tell("cut", 50 * MIB)
    local result = assert(dest:put(source, "file"))
    assert.is_true(net:stats().bytes - before < SIZE + 26 * MIB, "too much was sent again")
    assert.is_true(result.resumed >= 24 * MIB, "too little was kept")
  end)

  it("comes through a line that breaks again and again", function()
    dest.options.retries = 20
    net:tell("cut-each", 20 * MIB)
    local result, message = dest:put(source, "file")
    assert.is_nil(message)
    assert.is_true(result.retries > 1)
    assert(files.same(source, on_server "file"))
    assert.same({ "file" }, everything())
  end)

  it("survives that the server is killed and comes back after a second", function()
    files.write(on_server "file", "old")
    dest.options.retry_delay = 0.2
    net:tell("bandwidth", 64 * MIB)
    local back
    local result, message = processes.during(function() return dest:put(source, "file") end, function()
      srv:kill()
      assert.equal("old", files.read(on_server "file"))
      shell.sleep(1)
      srv:restart()
      back = true
    end, 0.5)
    assert.is_true(back)
    assert.is_nil(message)
    assert.is_true(result.retries > 0)
    assert.is_true(result.resumed > 0)
    assert(files.same(source, on_server "file"))
    assert.same({ "file" }, everything())
  end)

  it("of a string is sent, resumed or again", function()
    local content = files.content(20 * MIB, 5)
    for _, at in ipairs { 2000, 5 * MIB, 9 * MIB, 13 * MIB, 19 * MIB } do
      net:tell("cut", at)
      local result, message = dest:write("file", content)
      net:tell "calm"
      assert.is_nil(message)
      assert.is_true(result.retries > 0)
      assert.is_true(files.read(on_server "file") == content, ("cut at %d: the content is wrong"):format(at))
      assert.same({ "file" }, everything())
    end
  end)

  it("into a string comes whole", function()
    files.make(on_server "file", 20 * MIB, 5)
    for _, at in ipairs { 2000, 5 * MIB, 19 * MIB } do
      net:tell("cut-down", at)
      local content, message = dest:read "file"
      net:tell "calm"
      assert.is_nil(message)
      assert.is_true(content == files.content(20 * MIB, 5))
    end
  end)
end)

describe("retries: without any", function()
  before_each(function() dest.options.retries = 0 end)

  it("a break is told at once", function()
    files.write(on_server "file", "content")
    assert(dest:stat "file") -- the library asks a new connection once whether it is alive, and makes another
    net:tell("cut-frame", 1)
    dest.options.retry_delay = 60
    local seconds, result, message, code = timed(function() return dest:stat "file" end)
    assert_fails("disconnected", result, message, code)
    assert.is_true(seconds < 30, ("it took %.1f seconds"):format(seconds))
    assert.is_truthy(dest:stat "file")
  end)

  it("a put that breaks leaves nothing that has a name", function()
    local source = files.make(dir .. "/local/source", 20 * MIB)
    files.write(on_server "file", "old")
    net:tell("cut", 10 * MIB)
    assert_fails("disconnected", dest:put(source, "file"))
    assert.equal("old", files.read(on_server "file"))
    for _, name in ipairs(everything()) do
      assert.is_true(name == "file" or name:find "^file%.%x+%.part$" ~= nil, name)
    end
  end)

  it("a connection that the server dropped meanwhile is replaced unseen", function()
    assert(dest:write("file", "content"))
    local before = net:stats().connections
    srv:disconnect()
    assert.equal("content", dest:read "file")
    net:tell "kill"
    assert.equal("content", dest:read "file")
    assert.equal(2, net:stats().connections - before)
  end)
end)

describe("retries: what cannot get better is tried once:", function()
  -- Requests that the call costs, which are to be the same with retries as without.
  local function assert_once(code, call)
    local costs = {}
    for i, retries in ipairs { 0, 5 } do
      dest.options.retries = retries
      assert(dest:exists "")
      local counts, result, message, got = srv:requests(call)
      assert_fails(code, result, message, got)
      costs[i] = counts.total
    end
    assert.equal(costs[1], costs[2])
  end

  it("a wrong password", function()
    srv:mark()
    assert_fails("auth_failed", smb.open(net:fields { password = "wrong", retries = 5, retry_delay = 0.05 }))
    local attempts, failures = srv:logons()
    assert.equal(1, attempts)
    assert.equal(1, failures)
  end)

  it("a name that is not there", function()
    assert_once("not_found", function() return dest:stat "missing" end)
    assert_once("not_found", function() return dest:delete "missing" end)
    assert_once("not_found", function() return dest:rename("missing", "other") end)
    assert_once("not_found", function() return dest:get("missing", dir .. "/local/got") end)
  end)

  for _, fault in ipairs { "cut-frame", "lose" } do
    -- Over an existing file: that one is no sign that the rename was done.
    it(("a name that was never there (%s)"):format(fault), function()
      files.write(on_server "other", "old")
      for frame = 1, 8 do
        for _, call in ipairs {
          function() return dest:delete "missing" end,
          function() return dest:rename("missing", "other") end,
          function() return dest:rmdir("missing", { recursive = true }) end,
        } do
          net:tell(fault, frame)
          assert_fails("not_found", call())
          net:tell "calm"
        end
      end
      assert.equal("old", files.read(on_server "other"))
    end)
  end

  it("an invalid name", function()
    assert_once("invalid_name", function() return dest:stat "a?" end)
    assert_once("invalid_name", function() return dest:write("a:b", "") end)
  end)

  it("access denied", function()
    files.write(on_server "file", "old")
    assert(dest:stat "file")
    shell.check { "chmod", "0444", on_server "file" }
    assert_once("access_denied", function() return dest:write("file", "new") end)
  end)

  it("a disk that is full", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    local full <close> = server.start { size = "1m" }
    local source = files.make(dir .. "/local/source", 4 * MIB)
    local other <close> = assert(smb.open(full:url "backup", OPTIONS))
    local counts, result, message, code = full:requests(function() return other:put(source, "file") end)
    assert_fails("no_space", result, message, code)
    other.options.retries = 0
    local once = full:requests(function() return other:put(source, "file") end)
    assert.equal(once.create, counts.create)
    assert.same({}, files.list(full:path "backup"))
  end)
end)

describe("retries: a file that is open elsewhere", function()
  -- Calls fn with a function that lets go of the file.
  local function while_held(fn)
    local fifo, output = dir .. "/local/fifo", dir .. "/local/output"
    shell.check { "mkfifo", fifo }
    local command = shell.quote {
      "smbclient", "-s", "/dev/null", "-p", srv.port, "-U", "bob%s3cret", "//" .. srv.address .. "/backup",
    }
    local pid = shell.spawn("exec " .. command .. " <" .. shell.quote(fifo), output)
    local input = assert(io.open(fifo, "w"))
    input:write "open held\n"
    input:flush()
    local ok, problem = pcall(function()
      assert(shell.poll(function() return next(srv:status().open_files) end))
      fn(function() shell.kill(pid, "KILL") end)
    end)
    shell.kill(pid, "KILL")
    input:close()
    assert(ok, problem)
  end

  it("is deleted when the other lets go", function()
    files.write(on_server "held", "content")
    while_held(function(let_go)
      dest.options.retries = 0
      assert_fails("busy", dest:delete "held")
      dest.options.retries = 50
      local ok, message = processes.during(function() return dest:delete "held" end, let_go, 0.3)
      assert.is_nil(message)
      assert.is_true(ok)
      assert.same({}, everything())
    end)
  end)

  it("keeps its name, and nothing else is left, when the wait for the other is cancelled", function()
    files.write(on_server "held", "old")
    local small = files.write(dir .. "/local/source", "new")
    local large = files.make(dir .. "/local/large", 65 * 1024 * 1024)
    dest.options.retries, dest.options.retry_delay = 5, 20
    while_held(function()
      for _, arguments in ipairs { { "put", small, "held" }, { "put", large, "held" },
        { "write", "held", function() return nil end } } do
        local job = dest:submit(table.unpack(arguments))
        assert.is_nil(job:wait(1.5))
        job:cancel()
        assert_fails("cancelled", job:wait(10))
        assert.is_true(shell.poll(function()
          return dest:exists "held" and #everything() == 1 -- a slow machine may leave it to the next call
        end))
      end
    end)
    assert.equal("old", files.read(on_server "held"))
  end)

  it("is replaced when the other lets go", function()
    files.write(on_server "held", "content")
    while_held(function(let_go)
      dest.options.retries = 50
      local source = files.write(dir .. "/local/source", "new")
      local result, message = processes.during(function() return dest:put(source, "held") end, let_go, 0.3)
      assert.is_nil(message)
      assert.is_true(result.retries > 0)
      assert.equal("new", files.read(on_server "held"))
      assert.same({ "held" }, everything())
    end)
  end)
end)

describe("retries: total_timeout bounds a call", function()
  before_each(function()
    files.write(on_server "file", "content")
    dest.options.total_timeout = 1
    dest.options.retries = 1000
  end)

  local function assert_bounded(expected, call)
    local seconds, result, message, code = timed(call)
    assert.is_nil(result)
    assert.is_truthy(expected[code], message)
    assert.is_true(seconds < 15, ("it took %.1f seconds"):format(seconds)) -- a thousand attempts would take longer
  end

  it("that gets no answer", function()
    net:tell "stall"
    assert_bounded({ timeout = true }, function() return dest:read "file" end)
    net:tell "go"
    assert.equal("content", dest:read "file")
  end)

  it("that finds nobody", function()
    net:tell "refuse"
    net:tell "kill"
    assert_bounded({ timeout = true, unreachable = true, disconnected = true }, function() return dest:read "file" end)
    net:tell "accept"
    assert.equal("content", dest:read "file")
  end)

  it("on a line that never holds", function()
    net:tell("cut-each", 1000)
    net:tell "kill"
    assert_bounded({ timeout = true, unreachable = true, disconnected = true }, function()
      return dest:put(files.make(dir .. "/local/source", MIB), "file")
    end)
    net:tell "calm"
    assert.equal("content", dest:read "file")
  end)
end)

describe("retries: the network", function()
  it("may be slow without anything being tried again", function()
    net:tell("latency", 40)
    net:tell("bandwidth", 2 * MIB)
    local source = files.make(dir .. "/local/source", MIB)
    local result = assert(dest:put(source, "file"))
    assert.equal(0, result.retries)
    assert.is_true(result.seconds > 0.4)
    assert(files.same(source, on_server "file"))
  end)

  it("may end one way only", function()
    files.write(on_server "file", "content")
    net:tell("halfclose", 1)
    assert.equal("content", dest:read "file")
  end)

  it("may spoil a byte of signed messages, which then count for nothing", function()
    local before = net:stats().faults
    net:tell("flip", 6000)
    local other <close> = assert(smb.open(net:url("backup", nil, { signing = "required" }), OPTIONS))
    for i = 1, 40 do
      local name = "file" .. i
      if other:write(name, "content") then assert.equal("content", files.read(on_server(name))) end
    end
    assert.equal(1, net:stats().faults - before)
    assert.is_truthy(other:write("last", "content"))
    for _, name in ipairs(everything()) do
      if not name:find "%.part$" then assert.equal("content", files.read(on_server(name))) end
    end
  end)

  it("leaves neither descriptors nor workers behind", function()
    files.write(on_server "file", "content")
    assert.equal("content", dest:read "file")
    local worker = processes.worker()
    collectgarbage()
    collectgarbage()
    local ours, its = processes.count_descriptors(), processes.count_descriptors(worker)
    for i = 1, 20 do
      net:tell(i % 2 == 0 and "lose" or "cut-frame", i % 3 + 1)
      assert.equal("content", dest:read "file")
      net:tell "calm"
    end
    assert.equal("content", dest:read "file") -- where the last fault cut the connection, there is one again
    collectgarbage()
    collectgarbage()
    assert.equal(ours, processes.count_descriptors())
    assert.equal(1, #processes.workers())
    if processes.worker() == worker then assert.equal(its, processes.count_descriptors(worker)) end
  end)
end)
