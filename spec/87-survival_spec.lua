-- A put or get ends with the right bytes in place, or with a precise error and nothing changed, whatever happens to the
-- server, the network, the disk or the host. The tally at the end tells how much was tried.
--
-- SEED, an environment variable, repeats a run's random offsets.

local lfs = require "lfs"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local slowed = require "spec.support.slowed"
local smb = require "smb"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local MIB = 1024 * 1024
local SIZE = 12 * MIB
local PIECE = 1 * MIB
local BANDWIDTH = 24 * MIB -- a second: half a second for such a file
local OLD, NEW = 1, 2 -- seeds of contents
local OPTIONS = { retries = 8, retry_delay = 0.1, read_buffer_size = "256k", write_buffer_size = "256k" }

-- Failures that say what happened.
local PRECISE = { disconnected = true, timeout = true, unreachable = true, busy = true, no_space = true,
  access_denied = true, local_io = true, source_changed = true, not_found = true, exists = true }

local on_server = share.on_server

local srv, net, dir, dest, descriptors
local tally = { faults = 0, right = 0, refused = 0, lost = 0 }

-- What there is ------------------------------------------------------------------------------------------------------

local function here(name) return dir .. "/local/" .. name end

local function count_descriptors()
  collectgarbage()
  collectgarbage()
  return processes.count_descriptors()
end

setup(function()
  srv, dir = share.start { size = SANDBOX and "320m" or nil, log_level = "0" }
  net = share.network()
  share.seed()
  files.make(dir .. "/old", SIZE, OLD)
  files.make(dir .. "/new", SIZE, NEW)
  lfs.mkdir(dir .. "/tree")
  shell.check { "cp", dir .. "/new", dir .. "/tree/file" }
end)

teardown(function()
  io.stdout:write(("survival: %d faults injected, %d transfers right, %d refused, %d bytes lost\n"):format(tally.faults,
    tally.right, tally.refused, tally.lost))
  share.stop()
end)

local down -- the server was killed

local function kill_server()
  down = true
  srv:kill()
end

local function restart_server()
  srv:restart()
  down = false
end

before_each(function()
  share.clean()
  descriptors = count_descriptors()
  dest = assert(smb.open(net:url "backup", OPTIONS))
end)

after_each(function()
  net:tell "calm"
  net:tell "go"
  srv:resume()
  if down then restart_server() end
  dest:close()
  dest = nil
  assert.is_true(shell.poll(function() return #processes.workers() == 0 end))
  assert.equal(descriptors, count_descriptors())
end)

-- Events -------------------------------------------------------------------------------------------------------------

local moved -- bytes of the transfer under way

local function midway() return moved >= SIZE // 3 end

local function after(seconds)
  local from
  return function()
    from = from or shell.now()
    return shell.now() - from >= seconds
  end
end

-- Does what the events say while fn runs: each `{ when, act }` once `when()` is true, in their order.
local function meanwhile(events, fn)
  local at, looked = 1, 0
  debug.sethook(function()
    local event = events[at]
    if not event or shell.now() - looked < 0.005 then return end
    looked = shell.now()
    if not event[1]() then return end
    at = at + 1
    event[2]()
  end, "c")
  local results = table.pack(pcall(fn))
  debug.sethook()
  assert(results[1], results[2])
  assert(at == #events + 1, "the transfer was over before all had happened")
  tally.faults = tally.faults + 1
  return table.unpack(results, 2, results.n)
end

-- Transfers ----------------------------------------------------------------------------------------------------------

local function progress(done) moved = done end

-- What is written, piece by piece.
local function pieces()
  local file = assert(io.open(dir .. "/new", "rb"))
  return function()
    local piece = file:read(PIECE)
    if not piece then file:close() end
    moved = moved + #(piece or "")
    return piece
  end
end

local function write_pieces(file)
  for piece in pieces() do
    local ok, message, code = file:write(piece)
    if not ok then
      file:close()
      return nil, message, code
    end
  end
  return file:close()
end

local function read_pieces(file)
  local found = {}
  while true do
    local piece, message, code = file:read(PIECE)
    if message then
      file:close()
      return nil, message, code
    end
    if not piece then break end
    found[#found + 1] = piece
    moved = moved + #piece
  end
  file:close()
  return table.concat(found)
end

local function same(path, content) return (files.same(dir .. "/" .. content, path)) end

-- Each: `at`, where it puts the file; `run`. Files that are opened are written in place: only what succeeded is to be
-- right.
local ways = {
  { name = "put", at = on_server,
    run = function() return dest:put(dir .. "/new", "file", { progress = progress }) end },
  { name = "write", at = on_server, run = function() return dest:write("file", pieces()) end },
  { name = "get", at = here, run = function() return dest:get("file", here "file", { progress = progress }) end },
  { name = "put_tree", at = on_server, run = function()
    return dest:put_tree(dir .. "/tree", "", { changed = "always", progress = progress })
  end },
  { name = "get_tree", at = here, run = function()
    return dest:get_tree("", here "", { changed = "always", progress = progress })
  end },
  { name = "a file that is written", at = on_server, in_place = true, run = function()
    local file, message, code = dest:open("file", "w")
    if not file then return nil, message, code end
    return write_pieces(file)
  end },
  { name = "a file that is read", reads = true, run = function()
    local file, message, code = dest:open "file"
    if not file then return nil, message, code end
    local content
    content, message, code = read_pieces(file)
    return content and (content == files.read(dir .. "/new") or error "other bytes were read"), message, code
  end },
}

local function only(...)
  local chosen = {}
  for _, way in ipairs(ways) do
    for _, name in ipairs { ... } do
      if way.name == name then chosen[#chosen + 1] = way end
    end
  end
  return chosen
end

local function copy(content, path) shell.check { "cp", dir .. "/" .. content, path } end

local function run(way, events)
  share.clean()
  copy(way.at == on_server and "old" or "new", on_server "file")
  if way.at == here then copy("old", here "file") end
  assert(dest:exists "")
  net:tell("bandwidth", BANDWIDTH)
  moved = 0
  return meanwhile(events, way.run)
end

local function assert_whole(path, contents)
  for _, content in ipairs(contents) do
    if same(path, content) then return end
  end
  tally.lost = tally.lost + SIZE
  error(path .. " is none of " .. table.concat(contents, ", "))
end

-- Looks at what came of it, after one more call, which puts right what the last had to leave. `either`: where no answer
-- came, the new file may be in place all the same.
local function assert_survived(way, either, result, message, code)
  net:tell "calm"
  net:tell "go"
  local there, problem = dest:exists "file"
  assert(there, problem)
  if result then
    tally.right = tally.right + 1
  else
    tally.refused = tally.refused + 1
    assert.is_true(PRECISE[code], message)
    assert.matches("^[%l_]+ '[^\n]+' on smb://[^ ]+: [^\n]+$", message)
  end
  if way.at and not (way.in_place and not result) then
    assert_whole(way.at "file", result and { "new" } or either and { "old", "new" } or { "old" })
  end
  assert.same({ "file" }, files.list(srv:path "backup"))
  assert.same(way.at == here and { "file" } or {}, files.list(here ""))
end

local function assert_right(way, result, message, code)
  assert(result, message)
  assert_survived(way, false, result, message, code)
end

local function assert_refused(way, expected, result, message, code)
  assert.is_nil(result)
  assert.equal(expected, code, message)
  assert_survived(way, false, result, message, code)
end

-- The server ---------------------------------------------------------------------------------------------------------

describe("survival: smbd is killed", function()
  for _, way in ipairs(ways) do
    it("and comes back after a second: " .. way.name .. " goes on", function()
      assert_right(way, run(way, { { midway, kill_server }, { after(1), restart_server } }))
    end)

    it("and nothing is tried again: " .. way.name .. " is refused", function()
      dest.options.retries = 0
      local result, message, code = run(way, { { midway, kill_server } })
      restart_server()
      assert.is_nil(result)
      assert_survived(way, false, result, message, code)
    end)
  end
end)

describe("survival: smbd stands still", function()
  for _, way in ipairs(ways) do
    it("for less than the timeout: " .. way.name .. " waits", function()
      dest.options.retries = 0
      assert_right(way,
        run(way, { { midway, function() srv:pause() end }, { after(0.5), function() srv:resume() end } }))
    end)

    it("for longer than the timeout: " .. way.name .. " goes on", function()
      dest.options.read_write_timeout, dest.options.short_timeout = 1, 1
      assert_right(way, run(way, { { midway, function() srv:pause() end }, { after(2), function() srv:resume() end } }))
    end)

    it("and nothing is tried again: " .. way.name .. " is refused", function()
      dest.options.read_write_timeout, dest.options.short_timeout, dest.options.retries = 1, 1, 0
      local result, message, code = run(way, { { midway, function() srv:pause() end } })
      srv:resume()
      dest.options.short_timeout = 30
      assert_refused(way, "timeout", result, message, code)
    end)
  end
end)

describe("survival: a process of the server stands still:", function()
  local function serving_process()
    local _, session = next(srv:status().sessions)
    return math.tointeger(tonumber(session.server_id.pid))
  end

  local ask = {
    read = function(other) return other:read "large" end,
    -- Its read-ahead is stuck.
    file = function(other, stop)
      local file = assert(other:open "large")
      assert(file:read(65536))
      stop()
      local content, message, code
      repeat content, message, code = file:read(65536) until not content
      return content, message, code
    end,
  }

  -- Gives up a call that is stuck; then calls again.
  local function give_up_and_go_on(connections, how)
    files.write(on_server "file", "content")
    files.make(on_server "large", 64 * MIB) -- more than is read ahead
    local other <close> = assert(smb.open(srv:url "backup", { connections = connections, total_timeout = 1 }))
    dest:close()
    assert.is_true(shell.poll(function() return #processes.workers() == 1 end))
    local pid = serving_process()
    local function stop() shell.kill(pid, "STOP") end
    if how == "read" then stop() end
    local content, message, code = ask[how](other, stop)
    assert.is_nil(content)
    assert.equal("timeout", code, message)
    other.options.total_timeout = connections > 1 and 20 or 1
    content, message, code = other:read "file" -- the process stands still, and who waits for it fails
    shell.kill(pid, "CONT")
    other.options.total_timeout = 20
    assert.equal("content", other:read "file")
    return content, code, message
  end

  for _, how in ipairs { "read", "file" } do
    it(("what a %s gave up there keeps nobody waiting, since there is another connection"):format(how), function()
      local content, _, message = give_up_and_go_on(2, how)
      assert.equal("content", content, message)
    end)

    it(("without a further connection the call after a %s waits its time"):format(how), function()
      local content, code = give_up_and_go_on(1, how)
      assert.is_nil(content)
      assert.equal("timeout", code)
    end)
  end
end)

-- The network --------------------------------------------------------------------------------------------------------

describe("survival: a line that is cut anywhere", function()
  local CUTS = slowed and 20 or 200
  local LARGE = 64 * MIB
  -- of what is not put and get; the more take minutes
  local FEW = math.tointeger(tonumber(os.getenv "FEW")) or slowed and 3 or 10

  it(("costs no byte: %d times"):format(CUTS), function()
    local sources = { files.make(dir .. "/even", LARGE, 3), files.make(dir .. "/odd", LARGE, 4) }
    local other <close> = assert(smb.open(net:url "backup"))
    other.options.retry_delay = 0.05 -- the one thing that is not the default
    local before = net:stats().faults
    for i = 1, CUTS do
      local at, source = math.random(1000, LARGE), sources[i // 2 % 2 + 1]
      net:tell(i % 2 == 1 and "cut" or "cut-down", at)
      local result, message
      if i % 2 == 1 then
        result, message = other:put(source, "file")
        source = result and source or sources[(i // 2 + 1) % 2 + 1]
      else
        result, message = other:get("file", here "file")
        source = on_server "file"
      end
      net:tell "calm"
      assert(result, ("cut %d, at %d: %s"):format(i, at, message))
      tally.right = tally.right + 1
      if not files.same(source, i % 2 == 1 and on_server "file" or here "file") then
        tally.lost = tally.lost + LARGE
        error(("cut %d, at %d: other bytes are in place"):format(i, at))
      end
      assert.same({ "file" }, files.list(srv:path "backup"))
      assert.same(i > 1 and { "file" } or {}, files.list(here ""))
    end
    tally.faults = tally.faults + net:stats().faults - before
    assert.equal(CUTS, net:stats().faults - before)
    assert.is_true(#processes.workers() <= other.options.connections + 1)
    os.remove(sources[1])
    os.remove(sources[2])
  end)

  -- What ends a file that goes over several connections: its handles are closed side by side, then it gets its time and
  -- its name.
  it("costs nothing at the end of a large file", function()
    local FRAMES = slowed and 3 or 12
    local source = files.make(dir .. "/large", LARGE, 5)
    local function open_far(retries)
      net:tell("latency", 5) -- such that further connections pay
      return assert(
        smb.open(net:url "backup", { retries = retries, retry_delay = 0.02, connections = 3, short_timeout = 3 }))
    end
    local function assert_ends_well(move, place, old)
      local other = open_far(10)
      local before = net:stats().frames
      assert(move(other))
      local frames = net:stats().frames - before
      for frame = frames - FRAMES, frames do
        for _, retries in ipairs { 0, 10 } do
          other:close()
          other = open_far(retries)
          if old then files.write(place, old) else os.remove(place) end
          net:tell(frame % 2 == 0 and "cut-frame" or "lose", frame)
          local result, message = move(other)
          net:tell "calm"
          assert(result or retries == 0, message)
          local right = files.exists(place) and files.same(source, place)
          assert.is_true(right or not result and files.read(place) == old, message)
          assert(other:exists "") -- what was left is put right
          assert.same({ "file" }, files.list(srv:path "backup"))
          assert.same(not old and files.exists(place) and { "file" } or {}, files.list(here ""))
        end
      end
      other:close()
    end
    assert_ends_well(function(other) return other:put(source, "file") end, on_server "file", "old")
    copy("large", on_server "file")
    assert_ends_well(function(other) return other:get("file", here "file") end, here "file")
    os.remove(source)
  end)

  for _, way in ipairs(only("write", "put_tree", "get_tree", "a file that is written", "a file that is read")) do
    it(("costs no byte: %s, %d times"):format(way.name, FEW), function()
      local direction = (way.reads or way.at == here) and "cut-down" or "cut"
      local before = net:stats().faults
      for _ = 1, FEW do
        local cut = { after(0), function() net:tell(direction, math.random(1000, SIZE // 2)) end }
        assert_right(way, run(way, { cut }))
      end
      assert.equal(FEW, net:stats().faults - before)
    end)
  end
end)

-- The disk -----------------------------------------------------------------------------------------------------------

describe("survival: the disk", function()
  local alone = { connections = 1 }
  for key, value in pairs(OPTIONS) do alone[key] = value end

  local function filler() return srv.dir .. "/shares/filler" end

  -- Takes what is left, but for some bytes, while nothing passes.
  local function fill(spare)
    net:tell "stall"
    local free = shell.check { "df", "-B1", "--output=avail", srv.dir .. "/shares" }
    local size = math.tointeger(tonumber(free:match "(%d+)%s*$")) - (spare or 0)
    local path = shell.quote(filler() .. (spare or ""))
    if spare then shell.check(("fallocate -l %d %s"):format(size, path)) end
    -- the transfer takes some, too
    if not spare then shell.run(("head -c %d /dev/zero >%s"):format(size + MIB, path)) end
    net:tell "go"
  end

  before_each(function()
    if SANDBOX then fill(2 * SIZE + SIZE // 2) end -- room for the old file and the new one
    dest:close()
    dest = assert(smb.open(net:url "backup", alone)) -- what one connection has not moved yet is known
  end)

  after_each(function()
    os.remove(filler())
    os.remove(filler() .. 2 * SIZE + SIZE // 2)
    files.remove(srv.dir .. "/shares/elsewhere")
  end)

  for _, way in ipairs(only("put", "write", "put_tree", "a file that is written")) do
    it("is full midway: " .. way.name .. " is refused", function()
      if not SANDBOX then return pending "needs spec/support/sandbox" end
      local result, message, code = run(way, { { midway, fill } })
      os.remove(filler())
      assert_refused(way, "no_space", result, message, code)
    end)
  end

  it("is full midway here: get is refused", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    local elsewhere = srv.dir .. "/shares/elsewhere"
    lfs.mkdir(elsewhere)
    copy("old", elsewhere .. "/file")
    local way = { run = function() return dest:get("file", elsewhere .. "/file", { progress = progress }) end }
    local result, message, code = run(way, { { midway, fill } })
    os.remove(filler())
    assert_refused(way, "local_io", result, message, code)
    assert_whole(elsewhere .. "/file", { "old" })
    assert.same({ "file" }, files.list(elsewhere))
  end)

  it("turns read-only at any moment of a replace, which succeeds or is refused", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    local mount = ("mount -o remount,%%s %s"):format(shell.quote(srv.dir .. "/shares"))
    local way, refused, frame = ways[1], 0, 0
    while true do
      frame = frame + 1
      share.clean()
      copy("old", on_server "file")
      assert(dest:exists "")
      local before, stalled = net:stats().faults, false
      moved = 0
      net:tell("stall-frame", frame)
      local result, message, code
      local called = pcall(function()
        result, message, code = meanwhile({ {
          function() return net:stats().faults > before end,
          function()
            stalled = shell.run(mount:format "ro") -- not while a file is open for writing
            net:tell "go"
          end,
        } }, way.run)
      end)
      shell.check(mount:format "rw")
      if not called and net:stats().faults == before then break end
      if stalled and not result then
        refused = refused + 1
        assert.equal("access_denied", code, message)
      end
      assert_survived(way, false, result, message, code)
    end
    assert.is_true(refused > 3)
  end)
end)

describe("survival: the share", function()
  -- smbd's processes learn of it one after another.
  local function make_writable()
    srv:change("backup", { ["read only"] = "no" })
    net:tell "calm"
    assert.is_true(shell.poll(function() return dest:test { write = true } end, 20))
  end

  for _, way in ipairs(only("put", "write", "put_tree")) do
    it("turns read-only midway: " .. way.name .. " is refused", function()
      local result, message, code = run(way, { { midway, function()
        net:tell "stall" -- or all might be there before the server has changed
        srv:change("backup", { ["read only"] = "yes" })
        net:tell "go"
      end } })
      make_writable()
      assert_refused(way, "access_denied", result, message, code)
    end)
  end

  for _, way in ipairs(only("get", "get_tree", "a file that is read")) do
    it("turns read-only midway: " .. way.name .. " goes on", function()
      local result, message, code = run(way, { { midway, function()
        net:tell "stall" -- or all might be there before the server has changed
        srv:change("backup", { ["read only"] = "yes" })
        net:tell "go"
      end } })
      make_writable()
      assert_right(way, result, message, code)
    end)
  end
end)

-- Others -------------------------------------------------------------------------------------------------------------

describe("survival: the target is open elsewhere", function()
  for _, way in ipairs(only("put", "write", "put_tree")) do
    it(way.name .. " is refused until it is closed", function()
      local other <close> = assert(smb.open(srv:url "backup"))
      dest.options.retries = 0
      local held
      local result, message, code = run(way, { { midway, function() held = assert(other:open("file", "r+")) end } })
      assert_refused(way, "busy", result, message, code)
      held:close()
      assert_right(way, way.run())
    end)
  end

  for _, way in ipairs(only("get", "get_tree", "a file that is read", "a file that is written")) do
    it(way.name .. " does not mind", function()
      local other <close> = assert(smb.open(srv:url "backup"))
      local held
      assert_right(way, run(way, { { midway, function() held = assert(other:open("file", "r+")) end } }))
      held:close()
    end)
  end
end)

describe("survival: the worker is killed", function()
  local function kill_workers()
    local workers = processes.workers()
    for _, pid in ipairs(workers) do shell.kill(pid, "KILL") end
    for _, pid in ipairs(workers) do processes.await_end(pid) end
  end

  for _, way in ipairs(ways) do
    it(way.name .. " says so and leaves nothing", function()
      local events = { { midway, kill_workers } }
      if way.reads then -- not all that is asked for may be there already
        table.insert(events, 1, { after(0), function() net:tell("hold-down", SIZE - 2 * MIB) end })
      end
      local result, message, code = run(way, events)
      assert.is_nil(result)
      assert.equal("failed", code)
      assert.matches("the worker process ended unexpectedly$", message)
      assert_survived(way, false, nil, message, "disconnected")
    end)
  end

  it("put over several connections says so and leaves nothing", function()
    files.make(dir .. "/large", 80 * MIB, 5)
    copy("old", on_server "file")
    net:tell("bandwidth", 100 * MIB)
    moved = 0
    local result, message, code = meanwhile({ { midway, function() shell.kill(processes.workers()[1], "KILL") end } },
      function()
      return dest:put(dir .. "/large", "file", { progress = progress })
    end)
    os.remove(dir .. "/large")
    assert.is_nil(result)
    assert.equal("failed", code, message)
    assert_survived(ways[1], false, nil, message, "disconnected")
  end)
end)

-- The host -----------------------------------------------------------------------------------------------------------

local PROGRAM = [[
local smb = require "smb"
local dest = assert(smb.open(%q, { retries = %d, retry_delay = 0.02 }))
assert(dest:exists "")
io.stdout:write "ready\n"
io.stdout:flush()
for _ = 1, %d do
  assert(io.read())
  for _ = 1, %d do
    local result, message, code = dest:put(%q, "file")
    print(result and "right" or code, message)
  end
end
dest:close()
]]

-- Starts a host, behind a pipe: it puts when it gets a line. `rounds`, each with so many puts.
local function start_host(source, rounds, puts, name, own_machine)
  local words = { "env", "LUA_PATH_5_4=lua/?.lua;lua/?/init.lua;;", "LUA_CPATH_5_4=" .. package.cpath .. ";;", "lua5.4",
    files.write(here("program" .. name .. ".lua"), PROGRAM:format(net:url "backup", 20, rounds, puts, source)) }
  local command = shell.quote(words)
  if own_machine and SANDBOX then
    command = shell.quote { "unshare", "--uts", "sh", "-c", "echo " .. name .. " >/proc/sys/kernel/hostname; exec "
      .. command }
  end
  local output, pid = here("output" .. name), here("pid" .. name)
  local input = assert(io.popen(("echo $$ >%s; exec %s >%s 2>&1"):format(pid, command, output), "w"))
  assert(shell.poll(function() return (files.read(output) or ""):find "^ready" end, 20), files.read(output))
  return { input = input, pid = math.tointeger(tonumber(files.read(pid))), output = output }
end

local function order(host)
  host.input:write "\n"
  host.input:flush()
end

local function tidy_up(host, name)
  host.input:close()
  os.remove(host.output)
  os.remove(here("program" .. name .. ".lua"))
  os.remove(here("pid" .. name))
end

describe("survival: the host is killed at every frame of a replace:", function()
  local small

  setup(function() small = files.make(dir .. "/small", 100000, 6) end)

  local function is_whole(path) return same(path, "old") or same(path, "small") end

  local function assert_one_whole(frame)
    if is_whole(on_server "file") then return end
    tally.lost = tally.lost + SIZE
    error(("frame %d: neither the old nor the new file is there"):format(frame))
  end

  -- Kills what `victims` says at each frame of a put; then lets `afterwards` look.
  local function at_each_frame(victims, afterwards)
    local frame, over = 0, false
    repeat
      frame = frame + 1
      share.clean()
      copy("old", on_server "file")
      local host = start_host(small, 1, 1, "")
      local worker = processes.worker(host.pid)
      local before = net:stats().faults
      net:tell("stall-frame", frame)
      order(host)
      assert(shell.poll(function()
        over = files.read(host.output):find "right" ~= nil
        return over or net:stats().faults > before
      end, 20))
      if not over then
        for _, victim in ipairs(victims) do shell.kill(victim == "host" and host.pid or worker, "KILL") end
        tally.faults = tally.faults + 1
        if #victims > 1 then net:tell "kill" end
        net:tell "calm"
        net:tell "go"
        assert.is_true(processes.await_end(worker, 20))
      end
      net:tell "calm"
      tidy_up(host, "")
      afterwards(frame)
    until over
    assert.is_true(frame > 10)
  end

  it("its worker tidies up", function()
    at_each_frame({ "host" }, function(frame)
      assert_one_whole(frame)
      assert.same({ "file" }, files.list(srv:path "backup"))
    end)
  end)

  it("with its worker: a sweep finds one whole copy and leaves nothing else", function()
    at_each_frame({ "host", "worker" }, function(frame)
      assert(dest:sweep("", { older_than = 0 }))
      assert_one_whole(frame)
      assert.same({ "file" }, files.list(srv:path "backup"))
    end)
  end)

  it("with its worker: the next put takes its place", function()
    at_each_frame({ "host", "worker" }, function()
      assert(dest:put(small, "file"))
      assert(files.same(small, on_server "file"))
      for _, name in ipairs(files.list(srv:path "backup")) do
        assert.is_true(name == "file" or name:find "^file%.%x+%.part$" ~= nil, name)
      end
      assert(dest:sweep("", { older_than = 0 }))
      assert(files.same(small, on_server "file"))
      assert.same({ "file" }, files.list(srv:path "backup"))
    end)
  end)
end)

describe("survival: two hosts that put the same name", function()
  local ROUNDS, PUTS = 25, 4

  local function race(own_machines)
    local first, second = "first", "second"
    local sources = { files.make(dir .. "/first", 70001, 7), files.make(dir .. "/second", 90001, 8) }
    local hosts = { start_host(sources[1], ROUNDS, PUTS, first, own_machines),
      start_host(sources[2], ROUNDS, PUTS, second, own_machines) }
    local seen = 0
    local function answers()
      local count = 0
      for _, host in ipairs(hosts) do
        for word, message in files.read(host.output):sub(7):gmatch "(%S+)\t([^\n]*)\n" do
          count = count + 1
          assert.is_true(word == "right" or PRECISE[word], word .. ": " .. message)
        end
      end
      return count
    end
    for round = 1, ROUNDS do
      order(hosts[1])
      order(hosts[2])
      assert(shell.poll(function() seen = answers() return seen == round * PUTS * 2 end, 60), "a put did not end")
      assert.same({ "file" }, files.list(srv:path "backup"))
      if not same(on_server "file", "first") and not same(on_server "file", "second") then
        tally.lost = tally.lost + 70001
        error "neither content is in place"
      end
    end
    for i, host in ipairs(hosts) do
      local _, right = files.read(host.output):gsub("right\t", "")
      tally.right, tally.refused = tally.right + right, tally.refused + ROUNDS * PUTS - right
      tidy_up(host, i == 1 and first or second)
    end
  end

  it("leave one of the two, whole", function() race(true) end)
  it("leave one of the two, whole, on one machine, too", function() race(false) end)
end)

describe("survival", function()
  it("costs no byte", function() assert.equal(0, tally.lost) end)
end)
