-- How open files use the network, as the server's own log tells.

local smb = require "smb"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local KiB, MiB = 1024, 1024 * 1024
local FIRST = 64 * KiB -- bytes of a first read

local srv, dest

setup(function() srv = server.start() end)

teardown(function() srv:stop() end)

-- Opens the destination anew and forgets what the server did until then.
local function begin(options)
  dest = assert(smb.open(srv:url "backup", options))
  srv:mark()
end

after_each(function()
  assert.is_true(dest:close())
  shell.check(("find %s -mindepth 1 -delete"):format(srv:path "backup"))
end)

local function make(size)
  files.make(srv:path("backup", "file"), size)
end

local function is_on_server(content)
  return files.read(srv:path("backup", "file")) == content
end

local function lengths(list)
  local found = {}
  for i, transfer in ipairs(list) do
    found[i] = transfer.length
    assert.equal("file", transfer.file)
  end
  return found
end

-- Each begins where the one before it ended.
local function assert_in_order(list, size)
  local at = 0
  for _, transfer in ipairs(list) do
    assert.equal(at, transfer.offset)
    at = at + transfer.done
  end
  assert.equal(size, at)
end

describe("writing", function()
  it("100 bytes at a time is sent in pieces of write_buffer_size", function()
    for _, size in ipairs { 64 * KiB, 1000000, MiB } do
      begin { write_buffer_size = size }
      local piece, count = files.content(100), 31415
      local file = assert(dest:open("file", "w"))
      for _ = 1, count do file:write(piece) end
      assert.is_true(file:close())
      assert.is_true(is_on_server(piece:rep(count)))
      local expected = {}
      for at = 0, #piece * count - 1, size do expected[#expected + 1] = math.min(size, #piece * count - at) end
      assert.same(expected, lengths(srv:writes()))
      assert_in_order(srv:writes(), #piece * count)
      assert.is_true(dest:close())
    end
  end)

  local function assert_pieces(size)
    local file = assert(dest:open("file", "w"))
    for _ = 1, 2 * size // 50000 + 1 do file:write(files.content(50000)) end
    assert.is_true(file:close())
    local found = lengths(srv:writes())
    assert.equal(3, #found)
    assert.same({ size, size }, { found[1], found[2] })
  end

  it("is sent in pieces of 2 MiB by default, as the server is near", function()
    begin()
    assert.is_true(dest.info.max_write_size > 2 * MiB)
    assert_pieces(2 * MiB)
  end)

  it("is sent in pieces of the negotiated maximum when asked for", function()
    begin { write_buffer_size = 100 * MiB }
    assert_pieces(dest.info.max_write_size)
  end)

  it("is sent when it has to be, and not before", function()
    begin()
    local file = assert(dest:open("file", "w"))
    file:write "12345"
    file:write "67890"
    assert.same({}, lengths(srv:writes()))
    assert.is_true(file:flush())
    assert.same({ 10 }, lengths(srv:writes()))
    assert.is_true(file:flush())
    assert.same({ 10 }, lengths(srv:writes()))
    file:write "x"
    file:seek("set", 2)
    assert.same({ 10, 1 }, lengths(srv:writes()))
    file:write "y"
    assert.is_true(file:close())
    assert.same({ 10, 1, 1 }, lengths(srv:writes()))
  end)

  it("is sent at once after setvbuf no, and line by line after setvbuf line", function()
    begin()
    local file = assert(dest:open("file", "w"))
    file:write "before"
    file:setvbuf "no"
    assert.same({ 6 }, lengths(srv:writes()))
    file:write "123"
    assert.same({ 6, 3 }, lengths(srv:writes()))
    file:write("4567", "89")
    assert.same({ 6, 3, 4, 2 }, lengths(srv:writes()))
    file:setvbuf "line"
    file:write "half a line"
    assert.same({ 6, 3, 4, 2 }, lengths(srv:writes()))
    file:write ", and its end\n"
    assert.same({ 6, 3, 4, 2, 25 }, lengths(srv:writes()))
    file:setvbuf "full"
    file:write "a line\n"
    assert.same({ 6, 3, 4, 2, 25 }, lengths(srv:writes()))
    assert.is_true(file:close())
    assert.same({ 6, 3, 4, 2, 25, 7 }, lengths(srv:writes()))
  end)

  it("goes on while what is full is on its way", function()
    begin { write_buffer_size = 64 * KiB }
    local file = assert(dest:open("file", "w"))
    srv:pause()
    -- One half is sent, the other nearly full. As long as the server stands still, who waited for it would fail in the
    -- end.
    local result, message = file:write(files.content(2 * 64 * KiB - 1))
    srv:resume()
    assert.equal(file, result, message)
    assert.is_true(file:close())
    assert.is_true(is_on_server(files.content(2 * 64 * KiB - 1)))
  end)

  it("keeps its order and its bytes in pieces of odd sizes", function()
    local content = files.content(20 * MiB + 4321)
    for _, options in ipairs { {}, { write_buffer_size = 100001 } } do
      begin(options)
      local file = assert(dest:open("file", "w"))
      local at, size = 1, 1
      while at <= #content do
        assert(file:write(content:sub(at, at + size - 1)))
        at = at + size
        size = (size * 7 + 13) % 400009
      end
      assert.equal(#content, file:seek())
      assert.is_true(file:close())
      assert.is_true(is_on_server(content))
      assert_in_order(srv:writes(), #content)
      assert.is_true(dest:close())
    end
  end)
end)

describe("reading", function()
  it("in order begins small and doubles up to read_buffer_size", function()
    make(5 * MiB)
    for _, most in ipairs { 64 * KiB, 300000, MiB } do
      begin { read_buffer_size = most }
      local file = assert(dest:open "file")
      for piece in file:lines(1000) do assert(#piece > 0) end
      assert.is_true(file:close())
      local size = math.min(FIRST, most)
      for i, transfer in ipairs(srv:reads()) do
        if transfer.offset + transfer.length > 5 * MiB then break end -- the last ones
        assert.equal(size, transfer.length, "read " .. i)
        size = math.min(size * 2, most)
      end
      assert.is_true(dest:close())
    end
  end)

  it("in order reads nothing twice", function()
    local size = 20 * MiB + 4321
    make(size)
    for _, options in ipairs { {}, { read_buffer_size = 100001 } } do
      begin(options)
      local file, parts = assert(dest:open "file"), {}
      local count = 1
      while true do
        local piece = file:read(count)
        if not piece then break end
        parts[#parts + 1] = piece
        count = (count * 7 + 13) % 400009 + 1
      end
      assert.is_true(file:close())
      assert.is_true(table.concat(parts) == files.content(size))
      assert_in_order(srv:reads(), size)
      assert.is_true(dest:close())
    end
  end)

  it("a short file takes one read, or two to see its end", function()
    make(1000)
    begin()
    local file = assert(dest:open "file")
    assert.equal(1000, #file:read "a")
    assert.is_true(file:close())
    assert.is_true(#srv:reads() <= 2)
    assert_in_order(srv:reads(), 1000)
  end)

  it("is not ahead of a script that jumps about", function()
    make(20 * MiB)
    begin()
    local file = assert(dest:open "file")
    local content = files.content(20 * MiB)
    for i = 1, 20 do
      local offset = (i * 7654321) % (20 * MiB - 200000)
      assert.equal(offset, file:seek("set", offset))
      assert.equal(content:sub(offset + 1, offset + 100), file:read(100))
    end
    assert.is_true(file:close())
    assert.equal(20, #srv:reads())
    for _, transfer in ipairs(srv:reads()) do assert.is_true(transfer.length <= FIRST) end
  end)

  it("within what is buffered asks for nothing", function()
    make(50000)
    begin()
    local file = assert(dest:open "file")
    file:read(1)
    local count = #srv:reads()
    for _, offset in ipairs { 40000, 3, 49999, 0 } do
      file:seek("set", offset)
      assert.equal(files.content(50000):sub(offset + 1, offset + 1), file:read(1))
    end
    assert.equal(count, #srv:reads())
    assert.is_true(file:close())
  end)

  it("is ahead: what comes next is there already", function()
    make(MiB)
    begin()
    local file = assert(dest:open "file")
    assert.equal(FIRST, #file:read(FIRST))
    assert.is_true(shell.poll(function() return #srv:reads() == 2 end)) -- nobody has asked for the second one
    assert.equal(2 * FIRST, #file:read(2 * FIRST))
    assert.is_true(file:close())
  end)
end)

describe("memory", function()
  local SIZE, PIECE = 200 * MiB, 64 * KiB
  -- In KiB: two buffers of 8 MiB, and what Lua leaves for its collector. A sanitizer keeps what was freed for a while.
  local BOUND = (os.getenv "ASAN_OPTIONS" and 256 or 48) * KiB

  local function growth(fn)
    collectgarbage()
    local before, most = processes.resident(), 0
    fn(function()
      collectgarbage() -- how much waits for the collector depends on what the specs before have left
      most = math.max(most, processes.resident())
    end)
    return most - before
  end

  it("stays bounded for a file of 200 MiB, written and read in pieces of 64 KiB", function()
    begin()
    local piece = files.content(PIECE)
    local grown = growth(function(look)
      local file = assert(dest:open("file", "w"))
      for i = 1, SIZE // PIECE do
        assert(file:write(piece))
        if i % 200 == 0 then look() end
      end
      assert.is_true(file:close())
    end)
    assert.equal(SIZE, files.size(srv:path("backup", "file")))
    assert.is_true(grown < BOUND, grown .. " KiB")
    collectgarbage()
    grown = growth(function(look)
      local file, count = assert(dest:open "file"), 0
      for read in file:lines(PIECE) do
        count = count + #read
        if count % (200 * PIECE) == 0 then look() end
      end
      assert.equal(SIZE, count)
      assert.is_true(file:close())
    end)
    assert.is_true(grown < BOUND, grown .. " KiB")
  end)

  it("is given back when the file is closed", function()
    begin()
    make(20 * MiB)
    local grown = growth(function(look)
      for _ = 1, 10 do
        local file = assert(dest:open "file")
        while file:read(PIECE) do end
        assert.is_true(file:close())
      end
      look()
    end)
    assert.is_true(grown < BOUND, grown .. " KiB")
  end)
end)
