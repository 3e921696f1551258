-- Verification: what is told as a SHA-256 is sha256sum's, and with verify="sha256" a byte that changed on its way, or
-- on a disk, is a `mismatch` and never a file under its name. The network is spec/support/faultproxy.c.

local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local MIB = 1024 * 1024
local STRIPED = 70 * MIB -- from 32 MiB on a file goes over several connections
local SIZES = { 0, 1, 70001, 20 * MIB + 1, STRIPED }
local PACE = 40 * MIB -- bytes a second, so that something can happen meanwhile
-- Signed, a spoilt message counts for nothing.
local PLAIN = { signing = "off", retries = 5, retry_delay = 0.05, connections = 1 }

local on_server, everything, part_in, assert_fails = share.on_server, share.everything, share.part_in,
  share.assert_fails

local srv, net, dir, dest
local sources, digests = {}, {}

local function sha256sum(path)
  return shell.check({ "sha256sum", path }):match "^%x+"
end

setup(function()
  srv, dir = share.start()
  net = share.network()
  for _, size in ipairs(SIZES) do
    sources[size] = files.make(("%s/source-%d"):format(dir, size), size, 7)
    digests[size] = sha256sum(sources[size])
  end
end)

teardown(share.stop)

local function open(options)
  local all = {}
  for key, value in pairs(PLAIN) do all[key] = value end
  for key, value in pairs(options or {}) do all[key] = value end
  dest = assert(smb.open(net:url "backup", all))
end

local function reopen(options)
  dest:close()
  open(options)
end

before_each(share.clean)

after_each(function()
  net:tell "calm"
  dest:close()
end)

local function content(size)
  return files.read(sources[size])
end

-- A reader of pieces that fit nothing.
local function reader(size)
  local file = assert(io.open(sources[size], "rb"))
  return function()
    local data = file:read(100003)
    if not data then file:close() end
    return data
  end
end

-- Changes a byte near the beginning of a file, once its content has arrived there; the file keeps its time. Whether it
-- did.
local function spoil(path)
  local file <close> = io.open(path, "r+b")
  local head = file and file:read(64)
  if head ~= files.content(64, 7) then return false end
  local mtime = shell.check({ "stat", "-c", "%.9Y", path }):match "%S+"
  file:seek("set", 63)
  file:write(string.char(head:byte(-1) ~ 1))
  file:close()
  shell.check { "touch", "-d", "@" .. mtime, path }
  return true
end

-- A progress function that spoils what find() gives, once it is on its way for good: at most `times` times.
local function spoiler(find, times)
  local count = 0
  return function(done)
    local path = done > 9 * MIB and count < times and find()
    if path and spoil(path) then count = count + 1 end
  end, function() return count end
end

local function share_part()
  return part_in(srv:path "backup")
end

describe("the size", function()
  -- Encryption hides the answers that tell it beside.
  for _, encryption in ipairs { "off", "required" } do
    it(("of what has arrived is compared, with encryption %s"):format(encryption), function()
      open { encryption = encryption }
      net:tell("stall-frame", 5) -- two looks, opened, written
      local job = dest:submit("put", sources[70001], "file")
      assert(shell.poll(function() return job:wait(0) or share_part() and files.size(share_part()) == 70001 end))
      shell.check { "truncate", "-s", "70000", assert(share_part()) }
      net:tell "go"
      assert.equal(70001, assert(job:wait()).bytes) -- by a second attempt
      assert.is_true(files.same(sources[70001], on_server "file"))
      assert.same({ "file" }, everything())
    end)
  end
end)

describe("sha256", function()
  before_each(function() open() end)

  local function assert_told(size, opts)
    local put = assert(dest:put(sources[size], "put", opts))
    assert.equal(digests[size], put.sha256)
    assert.equal(size, put.bytes)
    assert.equal(0, put.retries)
    local got = assert(dest:get("put", dir .. "/local/got", opts))
    assert.equal(digests[size], got.sha256)
    assert.equal(0, got.retries)
    assert.is_true(files.same(sources[size], dir .. "/local/got"))
    assert.equal(digests[size], assert(dest:write("string", content(size), opts)).sha256)
    assert.equal(digests[size], assert(dest:write("reader", reader(size), opts)).sha256)
    for _, name in ipairs(everything()) do assert.is_true(files.same(sources[size], on_server(name)), name) end
    assert.same({ "put", "reader", "string" }, everything())
  end

  for _, size in ipairs(SIZES) do
    it(("is told of %d bytes, which are read back"):format(size),
      function() assert_told(size, { verify = "sha256" }) end)
  end

  for _, size in ipairs { 0, 70001, 20 * MIB + 1 } do
    it(("is told of %d bytes"):format(size), function() assert_told(size, { sha256 = true }) end)
  end

  it("is not told unless it is asked for", function()
    assert.is_nil(dest:put(sources[1], "file").sha256)
    assert.is_nil(dest:get("file", dir .. "/local/got", { verify = "size" }).sha256)
    assert.is_nil(dest:write("file", "content", { verify = "none" }).sha256)
  end)

  it("is told when the destination says so", function()
    dest.options.verify = "sha256"
    assert.equal(digests[70001], dest:put(sources[70001], "file").sha256)
    assert.is_nil(dest:put(sources[70001], "file", { verify = "size" }).sha256)
  end)

  it("costs no reading back", function()
    local counts = srv:requests(function() return assert(dest:put(sources[70001], "file", { sha256 = true })) end)
    assert.equal(0, counts.read)
    counts = srv:requests(function() return assert(dest:put(sources[70001], "file", { verify = "sha256" })) end)
    assert.is_true(counts.read > 0)
  end)
end)

describe("sha256 of what was retried", function()
  before_each(function() open() end)

  for _, size in ipairs { 20 * MIB + 1, STRIPED } do
    for _, opts in ipairs { { verify = "sha256" }, size < STRIPED and { sha256 = true } or nil } do
      local how = opts.sha256 and "sha256" or "verify"
      it(("is right: put of %d bytes, %s"):format(size, how), function()
        reopen { connections = size == STRIPED and 8 or 1 }
        net:tell("cut", 15 * MIB)
        local result, message = dest:put(sources[size], "file", opts)
        assert.is_nil(message)
        -- where one connection of several breaks, the others go on
        assert.is_true(result.retries > 0 or size == STRIPED)
        assert.equal(digests[size], result.sha256)
        assert.is_true(files.same(sources[size], on_server "file"))
        assert.same({ "file" }, everything())
      end)

      it(("is right: get of %d bytes, %s"):format(size, how), function()
        shell.check { "cp", sources[size], on_server "file" }
        reopen { connections = size == STRIPED and 8 or 1 }
        net:tell("cut-down", 15 * MIB)
        local result, message = dest:get("file", dir .. "/local/got", opts)
        assert.is_nil(message)
        assert.is_true(result.retries > 0 or size == STRIPED)
        assert.equal(digests[size], result.sha256)
        assert.is_true(files.same(sources[size], dir .. "/local/got"))
      end)
    end

  end

  it("is right: write", function()
    local size = 20 * MIB + 1
    net:tell("cut", 15 * MIB)
    local result, message = dest:write("file", content(size), { verify = "sha256" })
    assert.is_nil(message)
    assert.is_true(result.retries > 0)
    assert.equal(digests[size], result.sha256)
    assert.is_true(files.same(sources[size], on_server "file"))
  end)

  it("is right when every connection breaks", function()
    reopen { retries = 20, connections = 8 }
    net:tell("cut-each", 24 * MIB)
    local result, message = dest:put(sources[STRIPED], "file", { sha256 = true })
    assert.is_nil(message)
    assert.is_true(result.retries > 0)
    assert.is_true(result.resumed > 0)
    assert.equal(digests[STRIPED], result.sha256)
    assert.is_true(files.same(sources[STRIPED], on_server "file"))
  end)
end)

describe("a byte that changes on its way", function()
  -- Where in what a connection sends there is nothing but data.
  for _, case in ipairs { { 70001, 40000 }, { 20 * MIB + 1, 5 * MIB } } do
    local size, at = case[1], case[2]

    it(("is sent once more by put: %d bytes"):format(size), function()
      net:tell("flip", at)
      open()
      local before = net:stats().faults
      local result, message = dest:put(sources[size], "file", { verify = "sha256" })
      assert.equal(1, net:stats().faults - before)
      assert.is_nil(message)
      assert.equal(1, result.retries)
      assert.equal(digests[size], result.sha256)
      assert.is_true(files.same(sources[size], on_server "file"))
      assert.same({ "file" }, everything())
    end)

    it(("is sent once more by write of a string: %d bytes"):format(size), function()
      net:tell("flip", at)
      open()
      local result, message = dest:write("file", content(size), { verify = "sha256" })
      assert.is_nil(message)
      assert.equal(1, result.retries)
      assert.equal(digests[size], result.sha256)
      assert.is_true(files.same(sources[size], on_server "file"))
      assert.same({ "file" }, everything())
    end)

    it(("makes write from a reader fail, which cannot read again: %d bytes"):format(size), function()
      net:tell("flip", at)
      open()
      files.write(on_server "file", "old")
      assert_fails("mismatch", dest:write("file", reader(size), { verify = "sha256" }))
      assert.equal("old", files.read(on_server "file"))
      assert.same({ "file" }, everything())
    end)
  end

  it("on a further connection is found, too", function()
    open { rate = PACE, connections = 8 } -- that one connection has not moved everything before there is another
    local before = net:stats().faults
    net:tell("flip", 5 * MIB)
    local result, message = dest:put(sources[STRIPED], "file", { verify = "sha256" })
    assert.is_nil(message)
    assert.equal(1, net:stats().faults - before)
    assert.equal(1, result.retries)
    assert.is_true(files.same(sources[STRIPED], on_server "file"))
  end)

  it("is not seen without verification", function() -- so that the above shows something
    net:tell("flip", 40000)
    open()
    assert(dest:put(sources[70001], "file", { sha256 = true }))
    assert.is_false(files.same(sources[70001], on_server "file"))
  end)
end)

describe("a byte that changes on the server's disk", function()
  before_each(function() open { rate = PACE } end)

  it("once is sent once more", function()
    local size = 20 * MIB + 1
    local progress, count = spoiler(share_part, 1)
    local result, message = dest:put(sources[size], "file", { verify = "sha256", progress = progress })
    assert.equal(1, count())
    assert.is_nil(message)
    assert.equal(1, result.retries)
    assert.is_true(files.same(sources[size], on_server "file"))
    assert.same({ "file" }, everything())
  end)

  local function assert_mismatch(send)
    files.write(on_server "file", "old")
    local progress, count = spoiler(share_part, 100)
    assert_fails("mismatch", send { verify = "sha256", progress = progress })
    assert.is_true(count() >= 2)
    assert.equal("old", files.read(on_server "file"))
    assert.same({ "file" }, everything())
  end

  it("each time is a mismatch to put", function()
    assert_mismatch(function(opts) return dest:put(sources[20 * MIB + 1], "file", opts) end)
  end)

  it("each time is a mismatch to put over several connections", function()
    reopen { rate = PACE, connections = 8 }
    assert_mismatch(function(opts) return dest:put(sources[STRIPED], "file", opts) end)
  end)

  it("each time is a mismatch to write", function()
    assert_mismatch(function(opts) return dest:write("file", content(20 * MIB + 1), opts) end)
  end)

  it("in what an earlier run left is sent again from the first byte", function()
    local size, opts = STRIPED - 8 * MIB, { resume = true, verify = "sha256" }
    local source = files.make(dir .. "/local/source", size, 7)
    reopen { rate = 4 * PACE }
    assert_fails("cancelled",
      dest:put(source, "file", { resume = true, progress = function(done) return done < 24 * MIB end }))
    assert.is_true(spoil(share_part()))
    local result, message = dest:put(source, "file", opts)
    assert.is_nil(message)
    assert.equal(1, result.retries)
    assert.equal(0, result.resumed)
    assert.is_true(files.same(source, on_server "file"))
    assert.same({ "file" }, everything())
  end)
end)

describe("get", function()
  local name

  before_each(function() open { rate = PACE } end)

  local function local_part()
    return part_in(dir .. "/local")
  end

  local function get(size, progress)
    name = ("of %d"):format(size)
    shell.check { "cp", sources[size], on_server(name) }
    return dest:get(name, dir .. "/local/got", { verify = "sha256", progress = progress })
  end

  for _, size in ipairs { 20 * MIB + 1, STRIPED } do
    it(("fetches once more what changed on the local disk: %d bytes"):format(size), function()
      reopen { rate = PACE, connections = size == STRIPED and 8 or 1 }
      local progress, count = spoiler(local_part, 1)
      local result, message = get(size, progress)
      assert.equal(1, count())
      assert.is_nil(message)
      assert.equal(1, result.retries)
      assert.equal(digests[size], result.sha256)
      assert.is_true(files.same(sources[size], dir .. "/local/got"))
      assert.same({ "got" }, files.list(dir .. "/local"))
    end)
  end

  it("gives up when it changes each time", function()
    files.write(dir .. "/local/got", "old")
    local progress, count = spoiler(local_part, 100)
    local result, message, code = get(20 * MIB + 1, progress)
    assert_fails("mismatch", result, message, code)
    assert.matches("not what arrived", message)
    assert.is_true(count() >= 2)
    assert.equal("old", files.read(dir .. "/local/got"))
    assert.same({ "got" }, files.list(dir .. "/local"))
  end)

  it("finds out that the server says one thing now and another then", function()
    local progress, count = spoiler(function() return on_server(name) end, 1)
    local result, message = get(20 * MIB + 1, progress)
    assert.equal(1, count())
    assert.is_nil(message)
    assert.equal(1, result.retries)
    assert.is_true(files.same(on_server(name), dir .. "/local/got"))
  end)

  for _, size in ipairs { STRIPED - 8 * MIB, STRIPED * 3 } do
    it(("fetches from the first byte when what an earlier run left is bad: %d bytes"):format(size), function()
      reopen { rate = 4 * PACE, connections = size > STRIPED and 8 or 1 }
      files.make(on_server "file", size, 7)
      local got, enough = dir .. "/local/got", size > STRIPED and 170 * MIB or 24 * MIB
      assert_fails("cancelled",
        dest:get("file", got, { resume = true, progress = function(done) return done < enough end }))
      assert.is_true(spoil(local_part()))
      local result, message = dest:get("file", got, { resume = true, verify = "sha256" })
      assert.is_nil(message)
      assert.equal(1, result.retries)
      assert.equal(0, result.resumed)
      assert.is_true(files.same(on_server "file", got))
      assert.same({ "got" }, files.list(dir .. "/local"))
    end)
  end
end)
