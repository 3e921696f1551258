-- Deadlines hold on every path: wherever the network or the server stands still, an attempt ends within the time
-- configured and a call, with all its attempts, within total_timeout. Each is measured from outside, and given a second
-- more. The network is spec/support/faultproxy.c, or an address to which packets go and are never heard of again.

local lfs = require "lfs"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local ROOT = lfs.currentdir()
local KIB, MIB = 1024, 1024 * 1024

local LIMIT = 0.1 -- seconds: what is to hold
local OPEN_LIMIT = 0.4 -- seconds, where a worker has to start first
local GRACE = 1 -- seconds that it may be late
local AMPLE = 20 -- seconds: what must not be what ends a call here
local CONTENT = files.content(80 * KIB, 7) -- several requests' worth with buffers of 64 KiB

-- A network (RFC 5737) that swallows what is sent there, as firewalls do: to the kernel it lies behind the loopback
-- device, which gives everything back, and then it is nobody's.
local SILENT = "192.0.2"

local on_server, timed = share.on_server, share.timed

local srv, net, dir, dest

setup(function()
  srv, dir = share.start()
  net = share.network()
  if SANDBOX then shell.check { "ip", "route", "replace", SILENT .. ".0/24", "dev", "lo" } end
end)

teardown(share.stop)

local function set_limits(seconds)
  dest.options.short_timeout, dest.options.list_timeout, dest.options.read_write_timeout = seconds, seconds, seconds
end

local function open(where)
  dest = assert(
    smb.open(where, { read_buffer_size = "64k", write_buffer_size = "64k", retries = 0, retry_delay = 0.05 }))
end

before_each(share.clean)

after_each(function()
  net:tell "calm"
  srv:resume()
  if dest then dest:close() end
  dest = nil
end)

local function assert_within(limit, seconds)
  assert.is_true(seconds < limit + GRACE, ("it took %.2f s, %.2f were allowed"):format(seconds, limit))
end

local function assert_timeout(limit, fn)
  local seconds, result, message, code = timed(fn)
  assert.is_nil(result)
  assert.equal("timeout", code, message)
  assert.is_true(seconds > limit - 0.05, ("it took %.2f s only"):format(seconds))
  assert_within(limit, seconds)
  return message
end

local function assert_no_worker()
  assert.is_true(shell.poll(function() return #processes.workers() == 0 end, 1), "a worker is left")
end

-- Opening. ------------------------------------------------------------------------------------------------------------

-- What opening has to be when nothing comes of it.
local function assert_bounded(fields, what)
  local function variant(changes)
    local own = { short_timeout = AMPLE, retries = 0, retry_delay = 0.05 }
    for key, value in pairs(fields) do own[key] = value end
    for key, value in pairs(changes) do own[key] = value end
    return function() return smb.open(own) end
  end
  local message = assert_timeout(OPEN_LIMIT, variant { short_timeout = OPEN_LIMIT })
  assert.matches(what, message, 1, true)
  assert_no_worker()
  assert_timeout(OPEN_LIMIT, variant { total_timeout = OPEN_LIMIT })
  assert_no_worker()
  local seconds, result = timed(variant { short_timeout = 0.1, total_timeout = OPEN_LIMIT, retries = 1000 })
  assert.is_nil(result)
  assert_within(OPEN_LIMIT, seconds)
  assert_no_worker()
end

describe("a deadline while resolving", function()
  if not SANDBOX then
    return it("holds", function() pending "needs spec/support/sandbox" end)
  end

  local covered = {}

  -- Puts a file in the place of one of the system's, in this world only.
  local function cover(path, content)
    local own = files.write(dir .. "/" .. path:match "[^/]*$", content)
    shell.check { "mount", "--bind", own, path }
    covered[#covered + 1] = path
  end

  setup(function()
    cover("/etc/resolv.conf", "nameserver " .. SILENT .. ".53\n")
    cover("/etc/nsswitch.conf", "hosts: files dns\n")
  end)

  teardown(function()
    for _, path in ipairs(covered) do shell.check { "umount", path } end
  end)

  it("holds when the name server never answers, and the worker that asked it is gone", function()
    assert_bounded({ server = "nas.example", share = "backup", username = "bob", password = "s3cret" },
      "looking up the server's name")
  end)
end)

describe("a deadline while connecting", function()
  it("holds when a firewall drops what is sent", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    assert_bounded({ server = SILENT .. ".10", share = "backup", username = "bob", password = "s3cret" },
      "no answer to the connection")
  end)

  it("holds when the server takes connections and is silent", function()
    srv:pause()
    assert_bounded(srv:fields(), "no answer to the logon")
  end)

  it("holds when a server that keeps silent hangs up, and does so again", function()
    local fields = net:fields { short_timeout = 1.5, retries = 0 }
    net:tell "stall"
    local seconds, result = timed(function()
      return processes.during(function() return smb.open(fields) end, function() net:tell "kill" end, 1.3)
    end)
    assert.is_nil(result)
    assert_within(1.5, seconds)
  end)
end)

describe("a deadline while logging on", function()
  it("holds wherever the server falls silent", function()
    local before = net:stats().frames
    assert(smb.open(net:url "backup")):close()
    local frames = net:stats().frames - before
    for frame = 1, frames do
      net:tell("stall-frame", frame)
      local seconds, result, message, code = timed(function()
        return smb.open(net:fields { short_timeout = 2 * LIMIT, total_timeout = AMPLE, retries = 0 })
      end)
      net:tell "kill"
      net:tell "calm"
      assert_within(2 * LIMIT, seconds)
      if result then -- what comes last is not waited for
        assert.equal(frames, frame)
        result:close()
      else
        assert.equal("timeout", code, message)
        assert_no_worker()
      end
    end
    assert.is_true(frames > 5)
  end)

  it("holds for a call with many attempts", function()
    net:tell "stall"
    assert_bounded(net:fields(), "no answer to the logon")
  end)
end)

-- Every operation. ----------------------------------------------------------------------------------------------------

local function source()
  return files.write(dir .. "/local/source", CONTENT)
end

-- What has to be there before, the call, and which content, old or new, a file may have afterwards.
local operations = {
  { name = "put", before = { file = "old" }, run = function() return dest:put(dir .. "/local/source", "file") end },
  { name = "write", before = { file = "old" }, run = function()
    local at = 1
    return dest:write("file", function()
      local piece = CONTENT:sub(at, at + 10000 - 1)
      at = at + 10000
      return piece ~= "" and piece or nil
    end)
  end },
  { name = "get", before = { file = CONTENT }, run = function() return dest:get("file", dir .. "/local/got") end },
  { name = "read", before = { file = CONTENT }, run = function() return dest:read "file" end },
  { name = "stat", before = { file = "old" }, run = function() return dest:stat "file" end },
  { name = "list", before = { file = "old" }, run = function() return dest:list "" end },
  { name = "delete", before = { file = "old" }, may_go = true, run = function() return dest:delete "file" end },
  { name = "rename", before = { from = "old" }, may_go = true, run = function() return dest:rename("from", "to") end },
  { name = "mkdir", before = {}, run = function() return dest:mkdir "a/b" end },
  { name = "a file that is read", before = { file = CONTENT }, run = function()
    local f, message, code = dest:open "file"
    if not f then return nil, message, code end
    local content
    content, message, code = f:read "a"
    f:close()
    return content, message, code
  end },
  { name = "a file that is written", before = {}, run = function()
    local f, message, code = dest:open("file", "w")
    if not f then return nil, message, code end
    local ok
    ok, message, code = f:write(CONTENT)
    if ok then ok, message, code = f:flush() end
    if ok then return f:close() end
    assert.is_nil((f:close()), "a failed write was forgotten")
    return nil, message, code
  end, in_place = true },
}

local function arrange(operation)
  share.clean()
  source()
  for name, content in pairs(operation.before) do files.write(on_server(name), content) end
end

-- What stands under a name is whole: the old content or the new one. Where no further attempt looks after it, a file
-- that was to be replaced may have stopped between two names.
local function assert_whole(operation)
  for name, old in pairs(operation.before) do
    local content = files.read(on_server(name))
    if not content and not operation.may_go then
      local aside
      for _, found in ipairs(files.list(srv:path "backup")) do
        if found:find "%.aside$" then aside = found end
      end
      assert.is_truthy(aside, name .. " is gone")
      content = files.read(on_server(aside))
    end
    assert.is_true(content == nil or content == old or content == CONTENT, name .. " is half written")
  end
  local got = files.read(dir .. "/local/got")
  assert.is_true(got == nil or got == CONTENT, "what was got is not whole")
end

-- Makes ready for an operation.
local function prepare(operation)
  arrange(operation)
  set_limits(AMPLE)
  dest.options.total_timeout, dest.options.retries = nil, 0
  assert(dest:exists "") -- so that there is a connection
end

-- How many frames an operation comes to.
local function count_frames(operation)
  if not operation.frames then
    prepare(operation)
    local before = net:stats().frames
    assert(operation.run())
    operation.frames = net:stats().frames - before
  end
  return operation.frames
end

-- Runs an operation of whose frames none passes any more from the nth on. Gives seconds.
local function run_stalled(operation, frame)
  net:tell("stall-frame", frame)
  local seconds, result, message, code = timed(operation.run)
  assert_whole(operation)
  net:tell "kill" -- what was stalled never arrives
  net:tell "calm"
  if not result then
    assert.equal("timeout", code, message)
  else -- closing what was read is no reason for it to fail
    assert.is_true(frame > 1, "nothing was stalled")
  end
  return seconds
end

describe("a deadline holds for", function()
  before_each(function() open(net:url "backup") end)

  for _, operation in ipairs(operations) do
    it(operation.name .. " wherever the server stops answering", function()
      local longest = 0
      for frame = 1, count_frames(operation) do
        prepare(operation)
        set_limits(LIMIT)
        local seconds = run_stalled(operation, frame)
        assert_within(LIMIT, seconds)
        longest = math.max(longest, seconds)
      end
      assert.is_true(operation.frames > 1 and longest > LIMIT - 0.05)
      set_limits(AMPLE)
      assert(dest:exists "")
    end)
  end
end)

describe("total_timeout holds for", function()
  before_each(function() open(net:url "backup") end)

  for _, operation in ipairs(operations) do
    it(operation.name, function()
      local frames = count_frames(operation)
      for _, frame in ipairs { 1, frames // 2 + 1 } do
        prepare(operation)
        dest.options.total_timeout, dest.options.retries = LIMIT, 1000
        assert_within(LIMIT, run_stalled(operation, frame))
      end
      prepare(operation)
      set_limits(0.1)
      dest.options.total_timeout, dest.options.retries = 2 * LIMIT, 1000
      assert_within(2 * LIMIT, run_stalled(operation, 1))
      set_limits(AMPLE)
      dest.options.total_timeout = nil
      assert(dest:exists "")
    end)
  end

  for _, verb in ipairs { "put", "get" } do
    it(verb .. " of a file that goes over several connections", function()
      local here = files.make(dir .. "/local/large", 70 * MIB, 1)
      shell.check { "cp", here, on_server "large" }
      set_limits(AMPLE)
      net:tell("latency", 10)
      local function stall_midway(done)
        if done > 20 * MIB then net:tell "stall" end
      end
      dest.options.total_timeout, dest.options.retries = 2 * LIMIT, 1000
      assert_timeout(2 * LIMIT, function()
        if verb == "put" then return dest:put(here, "other", { progress = stall_midway }) end
        return dest:get("large", dir .. "/local/other", { progress = stall_midway })
      end)
      net:tell "go"
      net:tell "calm"
      dest.options.total_timeout = nil
      assert(dest:exists "")
      dest:close()
      assert.same({ "large" }, files.list(srv:path "backup"))
      assert.same({ "large" }, files.list(dir .. "/local"))
      os.remove(here)
    end)
  end

  it("a call that finds another file's write on its way", function()
    set_limits(AMPLE)
    local f = assert(dest:open("file", "w"))
    net:tell "stall"
    assert(f:write(CONTENT:sub(1, 65536 + 1))) -- the first 64 KiB are on their way
    dest.options.total_timeout = LIMIT
    assert_timeout(LIMIT, function() return dest:stat "other" end)
    assert_timeout(LIMIT, function() return f:flush() end)
    net:tell "go"
    dest.options.total_timeout = nil
    assert(f:close())
    assert.is_true(files.read(on_server "file") == CONTENT:sub(1, 65536 + 1))
  end)

  it("a file's write, of which close then does not say that all is well", function()
    set_limits(AMPLE)
    local f = assert(dest:open("file", "w"))
    net:tell "stall"
    assert(f:write(CONTENT:sub(1, 65536 + 1)))
    dest.options.total_timeout = LIMIT
    assert_timeout(LIMIT, function() return f:write(CONTENT) end)
    net:tell "go"
    dest.options.total_timeout = nil
    assert.is_nil((f:close()))
  end)

  it("a file's read, which does not come into what is written then", function()
    files.write(on_server "file", CONTENT)
    set_limits(AMPLE)
    local f = assert(dest:open("file", "r+"))
    net:tell "stall"
    dest.options.total_timeout = LIMIT
    assert_timeout(LIMIT, function() return f:read "a" end)
    assert_timeout(LIMIT, function() return f:write "new" end)
    net:tell "go"
    dest.options.total_timeout = nil
    assert(f:seek("set", 0))
    assert(f:write(("x"):rep(1000)))
    assert(f:close())
    assert.is_true(files.read(on_server "file") == ("x"):rep(1000) .. CONTENT:sub(1001))
  end)

  it("a delete, which does not come after its time", function()
    files.write(on_server "file", "content")
    assert(dest:exists "")
    dest.options.total_timeout = LIMIT
    net:tell "stall"
    assert_timeout(LIMIT, function() return dest:delete "file" end)
    net:tell "go"
    dest.options.total_timeout = nil
    dest:close() -- when the worker has done what it was to do
    assert.equal("content", files.read(on_server "file"))
  end)

  it("closing", function()
    files.write(on_server "file", CONTENT)
    set_limits(AMPLE)
    local f = assert(dest:open "file")
    net:tell "stall"
    dest.options.total_timeout = LIMIT
    assert_timeout(LIMIT, function() return f:read "a" end)
    local seconds = timed(function() return dest:close() end)
    assert_within(2 * LIMIT, seconds)
  end)
end)

-- A server that halts. ------------------------------------------------------------------------------------------------

describe("a server that halts", function()
  local LARGE = 128 * MIB -- long enough with 64 KiB a request; a hole: nobody has to write it before

  before_each(function() open(srv:url "backup") end)

  local function make_large(path)
    shell.check { "truncate", "-s", ("%d"):format(LARGE), path }
    return path
  end

  -- Runs fn, halts the server meanwhile and gives the seconds from then on. Resumes it when that is asked for.
  local function halted(fn, resume_after)
    local since
    local result, message, code = processes.during(fn, function()
      srv:pause()
      since = shell.now()
      if resume_after then
        shell.spawn(("sleep %g; %s %s CONT"):format(resume_after, shell.quote(ROOT .. "/spec/support/kill-server"),
          shell.quote(srv.conf)))
      end
    end, 0.05)
    local seconds = shell.now() - since
    srv:resume()
    return seconds, result, message, code
  end

  local function assert_only(...)
    for _, name in ipairs(files.list(srv:path "backup")) do
      assert.is_true(name:find "%.part$" ~= nil or name == ..., name)
    end
  end

  local function put() return dest:put(make_large(dir .. "/local/source"), "file") end
  local function get() return dest:get("file", dir .. "/local/got") end

  local function stream()
    local left, piece = LARGE // MIB, ("x"):rep(MIB)
    return dest:write("file", function()
      left = left - 1
      return left >= 0 and piece or nil
    end)
  end

  for _, way in ipairs {
    { "in the middle of a put", put }, { "in the middle of a write", stream }, { "in the middle of a get", get },
  } do
    it(way[1] .. " is a time-out within read_write_timeout, and leaves what was there", function()
      if way[2] == get then make_large(on_server "file") else files.write(on_server "file", "old") end
      set_limits(0.5)
      local seconds, result, message, code = halted(way[2])
      assert.is_nil(result)
      assert.equal("timeout", code, message)
      assert_within(0.5, seconds)
      set_limits(AMPLE)
      assert_only "file"
      if way[2] == get then
        assert.is_false(files.exists(dir .. "/local/got"))
      else
        assert.equal("old", files.read(on_server "file"))
      end
      assert.is_truthy(dest:write("small", "content"))
      assert.equal("content", dest:read "small")
    end)

    it(way[1] .. " for less than that is none", function()
      if way[2] == get then make_large(on_server "file") end
      dest.options.read_write_timeout = 5
      local seconds, result, message = halted(way[2], 0.5)
      assert.is_nil(message)
      assert.equal(LARGE, result.bytes)
      assert.equal(0, result.retries)
      assert.is_true(seconds > 0.5)
    end)
  end

  it("while a file is open is a time-out for its read, and for its write", function()
    files.write(on_server "file", CONTENT)
    set_limits(LIMIT)
    local reading, writing = assert(dest:open "file"), assert(dest:open("new", "w"))
    assert(writing:write "begun")
    assert(writing:flush())
    srv:pause()
    assert_timeout(LIMIT, function() return reading:read "a" end)
    assert(writing:write "more")
    assert_timeout(0, function() return writing:flush() end)
    srv:resume()
    set_limits(AMPLE)
    assert.is_true(dest:read "file" == CONTENT)
  end)

  it("for a while is no matter for an open file", function()
    files.write(on_server "file", CONTENT)
    dest.options.read_write_timeout = 5
    local f <close> = assert(dest:open("file", "r+"))
    srv:pause()
    shell.spawn(("sleep 0.4; %s %s CONT")
      :format(shell.quote(ROOT .. "/spec/support/kill-server"), shell.quote(srv.conf)))
    local seconds, content = timed(function() return f:read "a" end)
    assert.is_true(content == CONTENT)
    assert.is_true(seconds > 0.3)
  end)
end)

-- A firewall that begins to drop. -------------------------------------------------------------------------------------

describe("a firewall that begins to drop", function()
  if not SANDBOX then
    return it("is a time-out", function() pending "needs spec/support/sandbox" end)
  end

  local ADDRESS = SILENT .. ".20"
  local far

  local function let_pass() shell.check { "ip", "address", "replace", ADDRESS .. "/32", "dev", "lo" } end
  local function drop() shell.check { "ip", "address", "del", ADDRESS .. "/32", "dev", "lo" } end

  setup(function()
    let_pass()
    far = server.start { address = ADDRESS }
  end)

  teardown(function()
    far:stop()
    pcall(drop)
  end)

  before_each(function() open(far:url "backup") end)
  after_each(let_pass)

  it("in the middle of a put is a time-out, and all is well when it lets pass again", function()
    files.write(far:path("backup", "file"), "old")
    shell.check { "truncate", "-s", "512M", dir .. "/local/source" }
    set_limits(0.5) -- all: the put may not be so far yet as to send
    local since
    local result, message, code = processes.during(function() return dest:put(dir .. "/local/source", "file") end,
      function()
      drop()
      since = shell.now()
    end, 0.05)
    assert_within(0.5, shell.now() - since)
    assert.is_nil(result)
    assert.equal("timeout", code, message)
    assert.equal("old", files.read(far:path("backup", "file")))
    set_limits(OPEN_LIMIT)
    local why = assert_timeout(OPEN_LIMIT, function() return dest:stat "file" end)
    set_limits(LIMIT)
    assert.matches("no answer to the connection", why, 1, true)
    dest.options.total_timeout, dest.options.retries = 4 * LIMIT, 1000
    local seconds
    seconds, result = timed(function() return dest:read "file" end)
    assert.is_nil(result)
    assert_within(4 * LIMIT, seconds)
    let_pass()
    set_limits(2)
    dest.options.total_timeout = nil
    assert.equal("old", dest:read "file")
  end)
end)

-- A slow line. --------------------------------------------------------------------------------------------------------

describe("a line of 50 KB/s that keeps moving is no time-out", function()
  local RATE = 50 * 1000
  local content = files.content(2 * RATE, 9)

  before_each(function()
    dest = assert(smb.open(net:url "backup", { read_buffer_size = "8M", write_buffer_size = "8M", retries = 0 }))
    dest.options.read_write_timeout = 1
    net:tell("bandwidth", RATE)
  end)

  local function assert_slow(seconds)
    assert.is_true(seconds > 1.5, ("the line was not slow: %.2f s"):format(seconds))
  end

  it("up, with 8 MiB in a request", function()
    local seconds, result, message = timed(function() return dest:write("file", content) end)
    assert.is_nil(message)
    assert.equal(0, result.retries)
    assert_slow(seconds)
    assert.is_true(files.read(on_server "file") == content)
  end)

  it("down, with 8 MiB in a request", function()
    files.write(on_server "file", content)
    local seconds, got = timed(function() return dest:read "file" end)
    assert.is_true(got == content)
    assert_slow(seconds)
  end)
end)
