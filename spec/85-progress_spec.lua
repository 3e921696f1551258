-- Progress, cancelling and Ctrl-C, the rate, and sources that change meanwhile.

local lfs = require "lfs"
local child = require "spec.support.child"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local slowed = require "spec.support.slowed"
local smb = require "smb"

local KIB, MIB = 1024, 1024 * 1024
local SIZE, STRIPED = 20 * MIB, 70 * MIB -- from 32 MiB on a file goes over several connections
-- Seconds in which a Ctrl-C comes back: most, and each. It is seen within 0.1; a machine that is busy with other things
-- may keep one process waiting, but not most of them, and who waited for the transfer would wait 20.
local SOON, LATE = 0.5, 10
local TICK = 0.1 -- seconds between two calls of a progress function

local on_server, everything, assert_fails = share.on_server, share.everything, share.assert_fails

local srv, net, dir, dest
local sources = {}

setup(function()
  srv, dir = share.start()
  net = share.network()
  for _, size in ipairs { 0, 5, SIZE, STRIPED, 200 * MIB } do
    sources[size] = files.make(("%s/source-%d"):format(dir, size), size, 5)
  end
end)

teardown(share.stop)

before_each(function()
  share.clean()
  lfs.mkdir(dir .. "/run")
end)

after_each(function()
  net:tell "calm"
  dest:close()
  files.remove(dir .. "/run")
end)

local function open(options)
  dest = assert(smb.open(net:url "backup", options))
end

local function locals()
  return files.list(dir .. "/local")
end

local function reader(size)
  local file = assert(io.open(sources[size], "rb"))
  return function() return file:read(100000) end
end

-- What has progress, by name: called with a size and options; then what has to be on either side when it failed.
local transfers = {
  put = { run = function(size, opts) return dest:put(sources[size], "file", opts) end },
  get = { run = function(size, opts) return dest:get(tostring(size), dir .. "/local/got", opts) end,
    prepare = function(size) shell.check { "cp", sources[size], on_server(tostring(size)) } end },
  ["write of a string"] = { run = function(size, opts) return dest:write("file", files.read(sources[size]), opts) end },
  ["write from a reader"] = { run = function(size, opts) return dest:write("file", reader(size), opts) end,
    untold = true },
}

local function prepare(transfer, size)
  if transfer.prepare then transfer.prepare(size) end
end

local function assert_nothing_left(transfer, size)
  assert.same(transfer.prepare and { tostring(size) } or {}, everything())
  assert.same({}, locals())
end

describe("progress", function()
  -- A log on the same share, where a server allows one session.
  it("functions may use the destination, and what is open on it, with one connection, too", function()
    open { connections = 1, retries = 0, total_timeout = 100, rate = 100 * MIB }
    local log = assert(dest:open("log", "w"))
    local calls, problem = 0, nil
    local result, message = dest:put(sources[SIZE * 10], "file", { progress = function(done)
      calls = calls + 1
      local ok, why = log:write(("x"):rep(100000), done, "\n")
      if ok then ok, why = log:flush() end
      if ok then ok, why = dest:stat "log" end
      problem = problem or (not ok and why) or nil
    end })
    assert.is_nil(problem)
    assert.is_truthy(result, message)
    assert.is_true(calls > 1)
    assert.is_true(log:close())
  end)

  for name, transfer in pairs(transfers) do
    for _, case in ipairs { { 0 }, { 5 }, { SIZE, 40 * MIB }, { 200 * MIB, 250 * MIB } } do
      local size, rate = case[1], case[2]
      if size <= SIZE or name == "put" or name == "get" then
        it(("of %s of %d bytes comes at most ten times a second and ends with everything"):format(name, size),
          function()
          open { rate = rate }
          prepare(transfer, size)
          local calls, began = {}, shell.now()
          local result, message = transfer.run(size, { progress = function(done, total, what)
            calls[#calls + 1] = { done = done, total = total, name = what, at = shell.now() - began }
          end })
          assert.is_nil(message)
          local last, seconds = calls[#calls], shell.now() - began
          assert.equal(size, result.bytes)
          assert.equal(size, last.done)
          assert.equal(size, last.total)
          assert.is_true(#calls <= seconds / TICK + 1)
          if rate then assert.is_true(#calls >= 3, "there was hardly any progress") end
          for i, call in ipairs(calls) do
            local before = calls[i - 1] or { done = 0, at = 0 }
            assert.equal("integer", math.type(call.done))
            assert.equal(transfer.prepare and tostring(size) or "file", call.name)
            assert.is_true(call.done >= before.done, "progress went back")
            assert.is_true(call.done <= size)
            if call ~= last then assert.is_true(call.at - before.at >= TICK * 0.9, "it came too soon") end
            if transfer.untold and call ~= last then assert.is_nil(call.total) else assert.equal(size, call.total) end
          end
        end)
      end
    end

    for _, size in ipairs { SIZE, STRIPED } do
      local function cancelling(what, fn)
        it(("of %s of %d MiB cancels: %s"):format(name, size // MIB, what), function()
          open { rate = size }
          prepare(transfer, size)
          fn(size)
          assert_nothing_left(transfer, size)
          assert.is_true(dest:exists "")
        end)
      end

      cancelling("false", function()
        local calls = 0
        assert_fails("cancelled", transfer.run(size, { progress = function()
          calls = calls + 1
          return calls < 2
        end }))
        assert.equal(2, calls)
      end)

      cancelling("an error, which is passed on", function()
        for _, reason in ipairs { "mine", { "any value" } } do
          local calls = 0
          local ok, problem = pcall(transfer.run, size, { progress = function()
            calls = calls + 1
            if calls == 2 then error(reason, 0) end
          end })
          assert.is_false(ok)
          assert.equal(reason, problem)
          assert_nothing_left(transfer, size)
        end
      end)
    end
  end

  describe("while a reader is slow", function()
    local pieces

    before_each(function()
      open {}
      pieces = 0
    end)

    local function slow()
      pieces = pieces + 1
      shell.sleep(0.03)
      return pieces <= 20 and "piece" or nil
    end

    it("comes", function()
      local calls = 0
      assert(dest:write("file", slow, { progress = function() calls = calls + 1 end }))
      assert.is_true(calls > 2)
    end)

    it("cancels", function()
      assert_fails("cancelled", dest:write("file", slow, { progress = function() return false end }))
      assert.is_true(pieces < 20)
      assert.same({}, everything())
    end)

    it("is not the only one that looks: total_timeout holds", function()
      dest.options.total_timeout = 0.2
      assert_fails("timeout", dest:write("file", slow))
      assert.is_true(pieces < 20)
      assert.is_true(shell.poll(function() return #everything() == 0 end))
    end)
  end)

  for _, name in ipairs { "put", "get", "write from a reader" } do
    it(("is told of a job, whose cancelling ends it: %s"):format(name), function()
      local transfer = transfers[name]
      open { rate = STRIPED }
      prepare(transfer, STRIPED)
      local calls = 0
      local function count() calls = calls + 1 end
      local job = name == "get" and dest:submit("get", tostring(STRIPED), dir .. "/local/got", { progress = count })
        or name == "put" and dest:submit("put", sources[STRIPED], "file", { progress = count })
        or dest:submit("write", "file", reader(STRIPED), { progress = count })
      assert(shell.poll(function()
        local _, message, code = job:wait(0.05)
        assert.equal("timeout", code, message)
        return calls > 0 and job:progress() > 0
      end))
      job:cancel()
      assert_fails("cancelled", job:wait())
      assert_nothing_left(transfer, STRIPED)
    end)
  end

  it("of a folder raises and cancels, too", function()
    open { rate = SIZE }
    for i = 1, 3 do shell.check { "ln", sources[SIZE], ("%s/run/%d"):format(dir, i) } end
    local function assert_ended(fn)
      local calls = 0
      local function raises()
        calls = calls + 1
        if calls == 2 then error("mine", 0) end
      end
      local ok, problem = pcall(fn, { progress = raises })
      assert.is_false(ok)
      assert.equal("mine", problem)
      assert_fails("cancelled", fn { progress = function() return false end })
      for _, place in ipairs { on_server "tree", dir .. "/local" } do
        for _, name in ipairs(files.exists(place) and files.list(place) or {}) do
          assert.not_matches("%.part$", name)
        end
      end
    end
    assert_ended(function(opts) return dest:put_tree(dir .. "/run", "tree", opts) end)
    shell.check { "cp", "-rT", dir .. "/run", on_server "tree" }
    assert_ended(function(opts) return dest:get_tree("tree", dir .. "/local", opts) end)
  end)

  it("that raises at the end does so when the file is there", function()
    open {}
    local function raise_at_the_end() if files.exists(on_server "file") then error("mine", 0) end end
    local ok, problem = pcall(dest.put, dest, sources[5], "file", { progress = raise_at_the_end })
    assert.is_false(ok)
    assert.equal("mine", problem)
    assert.same({ "file" }, everything())
  end)
end)

describe("Ctrl-C", function()
  before_each(function() open {} end)

  local calls = {
    put = function(size) return ("dest:put(%q, 'file', opts)"):format(sources[size]), {} end,
    get = function(size) return ("dest:get('%d', %q, opts)"):format(size, dir .. "/local/got"), { tostring(size) } end,
    write = function(size) return ("dest:write('file', io.open(%q), opts)"):format(sources[size]), {} end,
    read = function(size) return ("dest:read('%d')"):format(size), { tostring(size) } end,
    ["read into a sink"] = function(size)
      return ("dest:read('%d', function() return 1 end)"):format(size), { tostring(size) }
    end,
  }
  local seconds_of = {}
  local ways = { ["in a script"] = "work()", ["in a coroutine"] = "assert(coroutine.wrap(work))()" }

  for name, text_of in pairs(calls) do
    for way, how in pairs(ways) do
      for _, size in ipairs(way == "in a script" and { SIZE, STRIPED } or { SIZE }) do
        it(("comes back from %s of %d MiB %s"):format(name, size // MIB, way), function()
          local text, left = text_of(size)
          if left[1] then shell.check { "cp", sources[size], on_server(left[1]) } end
          local program = child.start(dir .. "/run", [[
            local dest = assert(smb.open(%q, { rate = '1M' }))
            local opts = {}
            local function work() say "begins" assert(%s) say "done" end
            local ok, problem = pcall(function() %s end)
            say "caught"
            say(tostring(problem):match "interrupted!" or problem)
            say(dest:exists "" and "usable" or "not usable")
            io.read()
          ]], net:url "backup", text, how)
          program:await "begins"
          assert(shell.poll(function() return next(srv:status().open_files) end)) -- it is at it
          local began = shell.now()
          program:kill "INT"
          program:await "caught"
          local seconds = shell.now() - began
          program:await "interrupted!"
          program:await "usable"
          assert.is_true(shell.poll(function() return #everything() == #left and #locals() == 0 end, 2),
            "something was left")
          assert.is_true(seconds < LATE, ("it came back after %.2f s"):format(seconds))
          table.insert(seconds_of, seconds)
        end)
      end
    end
  end

  if not slowed then
    it("comes back soon", function()
      table.sort(seconds_of)
      local median = assert(seconds_of[#seconds_of // 2 + 1], "it is about those before")
      assert.is_true(median < SOON, ("of %d half came back within %.2f s"):format(#seconds_of, median))
    end)
  end
end)

describe("rate", function()
  it("does not keep a file from being closed that was read ahead of its reader", function()
    open { rate = 256 * KIB }
    shell.check { "cp", sources[SIZE], on_server "file" }
    local function read(fn)
      local file <close> = assert(dest:open "file")
      assert.equal(300000, #assert(file:read(300000))) -- by now several times as much is on its way
      return fn(file)
    end
    local seconds = {}
    read(function(file) seconds[1] = share.timed(function() assert(file:close()) end) end)
    local began
    assert.is_false(pcall(read, function()
      began = shell.now()
      error "mine"
    end))
    seconds[2] = shell.now() - began
    -- What is on its way would take half a minute.
    for _, took in ipairs(seconds) do assert.is_true(took < 10, ("it took %.2f s"):format(took)) end
    share.assert_nothing_open()
  end)

  it("limits all connections together, and is no reason for a time-out", function()
    net:tell("latency", 20) -- worth many connections
    open { rate = 35 * MIB, read_write_timeout = slowed and 5 or 0.3, retries = 0 }
    local before = net:stats().connections
    local put = assert(dest:put(sources[STRIPED], "file"))
    assert.is_true(net:stats().connections - before >= 2, "there were not several connections")
    assert.is_true(put.seconds > 1.6, ("the put took %.1f s"):format(put.seconds))
    local got = assert(dest:get("file", dir .. "/local/got"))
    assert.is_true(got.seconds > 1.6, ("the get took %.1f s"):format(got.seconds))
    assert.is_true(files.same(sources[STRIPED], dir .. "/local/got"))
  end)

  it("that is low is no reason for a time-out", function()
    open { rate = 100 * KIB, read_write_timeout = 0.2, retries = 0 }
    local content = files.content(80 * KIB, 1)
    local source = files.write(dir .. "/local/source", content)
    for _, send in ipairs {
      function() return dest:put(source, "file") end, function() return dest:write("file", content) end,
      function() return dest:get("file", dir .. "/local/got") end,
      function() return dest:read("file", function() return 1 end) end,
    } do
      local result, message = send()
      assert.is_nil(message)
      assert.is_true(result.seconds > 0.4, ("it took %.1f s"):format(result.seconds))
    end
    assert.equal(content, files.read(dir .. "/local/got"))
  end)
end)

describe("a source that changes meanwhile", function()

  -- A progress function that does something once.
  local function once(fn)
    local did
    return function()
      if not did then fn() end
      did = true
    end
  end

  for _, size in ipairs { SIZE, STRIPED } do
    for what, command in pairs { ["grows"] = "echo more >>%s", ["becomes shorter"] = "truncate -s 10 %s",
      ["is touched"] = "touch %s", } do
      it(("is not put: %d MiB, it %s"):format(size // MIB, what), function()
        open { rate = 3 * size }
        local source = files.make(dir .. "/local/source", size, 9)
        files.write(on_server "file", "old")
        assert_fails("source_changed", dest:put(source, "file", { progress = once(function()
          shell.check(command:format(shell.quote(source)))
        end) }))
        assert.equal("old", files.read(on_server "file"))
        assert.same({ "file" }, everything())
      end)
    end

    it(("is not fetched: %d MiB"):format(size // MIB), function()
      open { rate = 3 * size }
      files.make(on_server "file", size, 9)
      files.write(dir .. "/local/got", "old")
      assert_fails("source_changed", dest:get("file", dir .. "/local/got", { progress = once(function()
        files.make(on_server "file", size // 4, 10)
      end) }))
      assert.equal("old", files.read(dir .. "/local/got"))
      assert.same({ "got" }, locals())
    end)
  end
end)
