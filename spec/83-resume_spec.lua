-- Transfers that a later run goes on with: `resume` of put and get, after a crash, Ctrl-C, or a line that broke for
-- good.

local lfs = require "lfs"
local child = require "spec.support.child"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local MIB = 1024 * 1024
-- Bytes: of a file; how many are there when its transfer ends too early; how many of those count for nothing, since
-- they may have been under way. The second goes over several connections.
local CASES = { { 40 * MIB, 22 * MIB, 16 * MIB }, { 200 * MIB, 150 * MIB, 128 * MIB } }

local on_server, everything, part_in, assert_fails = share.on_server, share.everything, share.part_in,
  share.assert_fails

local srv, net, dir, dest
local sources = {}

setup(function()
  srv, dir = share.start()
  net = share.network()
  for _, case in ipairs(CASES) do sources[case[1]] = files.make(("%s/source-%d"):format(dir, case[1]), case[1], 5) end
end)

teardown(share.stop)

before_each(function()
  share.clean()
  lfs.mkdir(dir .. "/run")
  dest = assert(smb.open(net:url "backup", { retries = 0 }))
end)

after_each(function()
  net:tell "calm"
  dest:close()
  files.remove(dir .. "/run")
end)

-- Both directions: where the temporary file is, how it goes, whether it is done.
local directions = {
  { name = "put", hold = "hold",
    folder = function() return srv:path "backup" end, done = function() return on_server "file" end,
    prepare = function() end,
    run = function(size, opts) return dest:put(sources[size], "file", opts) end,
    text = function(size) return ("dest:put(%q, 'file', opts)"):format(sources[size]) end },
  { name = "get", hold = "hold-down",
    folder = function() return dir .. "/local" end, done = function() return dir .. "/local/file" end,
    prepare = function(size) shell.check { "cp", "-p", sources[size], on_server "file" } end,
    run = function(_, opts) return dest:get("file", dir .. "/local/file", opts) end,
    text = function() return ("dest:get('file', %q, opts)"):format(dir .. "/local/file") end },
}

-- Starts the transfer in a process of its own and gives it when so many bytes are there.
local function start(way, size, enough, resume, prefix)
  local program = child.start_under(prefix or {}, dir .. "/run", [[
    local dest = assert(smb.open(%q, { rate = %d, retries = 0 }))
    local opts = { resume = %s, progress = function(done) if done >= %d then say "enough" end end }
    local ok, message = %s
    say(ok and "done" or message)
  ]], net:url "backup", size, resume, enough, way.text(size))
  program:await "enough"
  return program
end

-- The same, but it does not come to its end: the network stops before.
local function start_in_vain(way, size, enough, ...)
  net:tell(way.hold, enough + 12 * MIB)
  return start(way, size, enough, ...)
end

-- Ends a transfer of that kind; from then on the network does no harm.
local function signal(way, program, name)
  program:kill(name)
  net:tell(way.hold, 0)
  net:tell "go"
end

-- What every run that goes on has to show.
local function assert_resumed(way, case, left, result, message)
  assert.is_nil(message)
  assert.equal(case[1], result.bytes)
  assert.is_true(result.resumed > 0, "nothing was resumed")
  assert.is_true(result.resumed <= left - case[3], "more is told to be resumed than can be relied on")
  assert.is_true(files.same(sources[case[1]], way.done()))
  assert.same({ "file" }, files.list(way.folder()))
end

-- What the worker of a process that has ended leaves: it closes the file last.
local function await_left(way, workers)
  for _, pid in ipairs(workers) do assert.is_true(processes.await_end(pid, 10)) end
  return files.size(assert(part_in(way.folder()), "nothing was left"))
end

for _, way in ipairs(directions) do
  for _, case in ipairs(CASES) do
    local size, enough = case[1], case[2]
    local what = ("%s of %d MiB"):format(way.name, size // MIB)

    for _, by in ipairs(case == CASES[1] and { "KILL", "INT" } or { "KILL" }) do
      it(("%s goes on after SIG%s"):format(what, by), function()
        way.prepare(size)
        local program = start_in_vain(way, size, enough, true)
        local workers = processes.workers(program.pid)
        assert.is_true(#workers > 0)
        signal(way, program, by)
        assert.not_matches("done", program:await_end())
        local left = await_left(way, workers)
        assert.is_true(left >= enough)
        assert_resumed(way, case, left, way.run(size, { resume = true, sha256 = true }))
      end)
    end

    it(what .. " goes on after the connection broke", function()
      way.prepare(size)
      dest:close()
      dest = assert(smb.open(net:url "backup", { retries = 0, rate = size }))
      assert_fails("disconnected", way.run(size, { resume = true, progress = function(done)
        if done < enough then return end
        net:tell "refuse" -- or another connection takes the place of the one that notices first
        net:tell "kill"
      end }))
      net:tell "accept"
      -- What has come through is written after the connection is gone, too.
      assert.is_true(shell.poll(function() return next(srv:status().open_files) == nil end))
      local left = files.size(part_in(way.folder()))
      assert.is_true(left >= enough)
      assert_resumed(way, case, left, way.run(size, { resume = true }))
    end)
  end

  local case = CASES[1]
  local size, enough = case[1], case[2]

  local function interrupt(opts)
    opts.progress = function(done) return done < enough end
    dest:close()
    dest = assert(smb.open(net:url "backup", { retries = 0, rate = size }))
    assert_fails("cancelled", way.run(size, opts))
  end

  it(way.name .. " goes on after it was cancelled, again and again", function()
    way.prepare(size)
    interrupt { resume = true }
    local first = files.size(part_in(way.folder()))
    enough = 30 * MIB
    interrupt { resume = true }
    enough = case[2]
    local second = files.size(part_in(way.folder()))
    assert.is_true(second > first)
    assert_resumed(way, case, second, way.run(size, { resume = true }))
  end)

  it(way.name .. " leaves nothing without resume", function()
    way.prepare(size)
    interrupt {}
    assert.is_nil(part_in(way.folder()))
    local program = start_in_vain(way, size, enough, false)
    signal(way, program, "INT")
    program:await_end()
    assert.is_true(shell.poll(function() return not part_in(way.folder()) end))
  end)

  it(way.name .. " starts again when what is there ends in other bytes", function()
    way.prepare(size)
    interrupt { resume = true }
    local part = part_in(way.folder())
    local file <close> = io.open(part, "r+b")
    file:seek("set", files.size(part) - case[3] - 10)
    file:write "other"
    file:close()
    local result = assert(way.run(size, { resume = true }))
    assert.equal(0, result.resumed)
    assert.is_true(files.same(sources[size], way.done()))
    assert.same({ "file" }, files.list(way.folder()))
  end)

  it(way.name .. " does not take part in what runs at the same time", function()
    way.prepare(size)
    local program = start(way, size, enough, true)
    local result, message = way.run(size, { resume = true })
    if way.name == "get" then
      assert.is_nil(message)
      assert.is_true(files.same(sources[size], way.done()))
    end
    assert.matches("done", program:await_end() .. (result and "done" or ""))
    assert.is_true(files.same(sources[size], way.done()))
    assert.is_true(shell.poll(function() return not part_in(way.folder()) end))
  end)
end

it("put leaves nothing when the process is killed without resume", function()
  local way, size = directions[1], CASES[1][1]
  local program = start_in_vain(way, size, CASES[1][2], false)
  assert.is_truthy(part_in(way.folder()))
  signal(way, program, "KILL")
  assert.is_true(shell.poll(function() return not part_in(way.folder()) end))
  assert.same({}, everything())
end)

describe("another source", function()
  local size, source = 40 * MIB, nil

  before_each(function()
    source = files.make(dir .. "/local/source", size, 5)
    dest:close()
    dest = assert(smb.open(net:url "backup", { retries = 0, rate = 2 * size }))
  end)

  local function enough(done) return done < 24 * MIB end

  local changes = {
    ["another size"] = "echo more >>%s", ["another time"] = "touch -d @1600000000 %s",
  }
  for what, command in pairs(changes) do
    it(("with %s is put from its first byte"):format(what), function()
      assert_fails("cancelled", dest:put(source, "file", { resume = true, progress = enough }))
      shell.check(command:format(shell.quote(source)))
      local result = assert(dest:put(source, "file", { resume = true }))
      assert.equal(0, result.resumed)
      assert.is_true(files.same(source, on_server "file"))
    end)

    it(("with %s is fetched from its first byte"):format(what), function()
      shell.check { "mv", source, on_server "file" }
      assert_fails("cancelled", dest:get("file", dir .. "/local/got", { resume = true, progress = enough }))
      shell.check(command:format(shell.quote(on_server "file")))
      local result = assert(dest:get("file", dir .. "/local/got", { resume = true }))
      assert.equal(0, result.resumed)
      assert.is_true(files.same(on_server "file", dir .. "/local/got"))
    end)
  end

  it("or another name has a temporary file of its own", function()
    assert_fails("cancelled", dest:put(source, "file", { resume = true, progress = enough }))
    assert.equal(0, assert(dest:put(source, "other", { resume = true })).resumed)
    assert.equal(2, #everything())
    assert.is_true(assert(dest:put(source, "file", { resume = true })).resumed > 0)
    assert.same({ "file", "other" }, everything())
  end)
end)

describe("another host", function()
  -- Commands that run others as if on another machine.
  local others = {
    hostname = { "unshare", "-u", "sh", "-c", "echo elsewhere >/proc/sys/kernel/hostname && exec \"$@\"", "sh" },
    ["machine id"] = { "unshare", "-m", "sh", "-c",
      "mount --bind \"$0\" /etc/machine-id && exec \"$@\"" },
  }
  local size, enough = CASES[1][1], CASES[1][2]

  for what, prefix in pairs(others) do
    it(("by its %s has temporary names of its own"):format(what), function()
      if not SANDBOX then return pending "needs spec/support/sandbox" end
      if what == "machine id" then
        if not files.exists "/etc/machine-id" then return pending "there is no /etc/machine-id here" end
        prefix = { table.unpack(prefix) }
        prefix[#prefix + 1] = files.write(dir .. "/run/machine-id", "0123456789abcdef0123456789abcdef\n")
      end
      local way = directions[1]
      local program = start_in_vain(way, size, enough, true, prefix)
      local workers = processes.workers(program.pid)
      signal(way, program, "KILL")
      program:await_end()
      await_left(way, workers)
      local theirs = part_in(way.folder())
      assert.equal(0, assert(way.run(size, { resume = true })).resumed)
      assert.equal(theirs, part_in(way.folder()))
      assert.is_true(files.same(sources[size], on_server "file"))
    end)
  end
end)
