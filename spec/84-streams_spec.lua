-- Streams: write from readers, files and pipes; read into sinks. What fails on either side is told as it is and leaves
-- nothing.

local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"
local ltn12 = require "smb.ltn12"

local MIB = 1024 * 1024
local SIZE = 9 * MIB + 5 -- more than one request
local CONTENT = files.content(SIZE, 3)
local HAS_LUASOCKET, luasocket = pcall(require, "ltn12")

local on_server, everything = share.on_server, share.everything

local srv, dir, dest

setup(function()
  srv, dir = share.start()
  files.write(dir .. "/source", CONTENT)
end)

teardown(share.stop)

before_each(function()
  share.clean()
  dest = assert(smb.open(srv:url "backup"))
end)

after_each(function()
  dest:close()
end)

local function assert_written(result, message)
  assert.is_nil(message)
  assert.equal(SIZE, result.bytes)
  assert.is_true(files.read(on_server "file") == CONTENT)
  assert.same({ "file" }, everything())
end

-- Calls fn with nothing on the share, and with an old file there: that is what has to be there afterwards.
local function assert_leaves_nothing(fn)
  fn()
  assert.same({}, everything())
  files.write(on_server "file", "old")
  fn()
  assert.same({ "file" }, everything())
  assert.equal("old", files.read(on_server "file"))
end

local function pieces(list, failure, code)
  local at = 0
  return function()
    at = at + 1
    if at > #list then return nil, failure, code end
    return list[at]
  end
end

local function source()
  return assert(io.open(dir .. "/source", "rb"))
end

describe("write", function()
  it("takes a function", function()
    local at = 0
    assert_written(dest:write("file", function()
      local piece = CONTENT:sub(at + 1, at + 77777)
      at = at + #piece
      return piece ~= "" and piece or nil
    end))
  end)

  it("takes an open file, which it closes", function()
    local file = source()
    assert_written(dest:write("file", file))
    assert.equal("closed file", io.type(file))
  end)

  it("takes an open file from where it stands", function()
    local file = source()
    file:seek("set", SIZE - 5)
    assert.equal(5, assert(dest:write("file", file)).bytes)
    assert.equal(CONTENT:sub(-5), files.read(on_server "file"))
  end)

  it("takes a pipe", function()
    assert_written(dest:write("file", assert(io.popen("cat " .. shell.quote(dir .. "/source")))))
    assert.equal(0, assert(dest:write("empty", assert(io.popen "true"))).bytes)
  end)

  it("takes an LTN12 source", function()
    assert_written(dest:write("file", ltn12.source(source())))
    assert_written(dest:write("file", ltn12.source(source(), 1000)))
  end)

  it("takes LuaSocket's sources, and its filters", function()
    if not HAS_LUASOCKET then return pending "needs LuaSocket" end
    assert_written(dest:write("file", luasocket.source.file(source())))
    assert_written(dest:write("file", luasocket.source.string(CONTENT)))
    assert_written(dest:write("file", luasocket.source.cat(luasocket.source.string(CONTENT:sub(1, 1000)),
      luasocket.source.string(CONTENT:sub(1001)))))
    local upper =
      luasocket.source.chain(luasocket.source.string "content", function(chunk) return chunk and chunk:upper() end)
    assert(dest:write("file", upper))
    assert.equal("CONTENT", files.read(on_server "file"))
  end)

  it("takes a file of the same destination", function()
    assert(dest:write("source", CONTENT))
    assert.equal(SIZE, assert(dest:write("file", ltn12.source(dest:open "source"))).bytes)
    assert.is_true(files.same(on_server "source", on_server "file"))
    assert.same({ "file", "source" }, everything())
  end)

  it("takes a reader that yields, inside its caller's coroutine", function()
    local at, yields = 0, 0
    local copy = coroutine.wrap(function()
      return dest:write("file", function()
        coroutine.yield "waiting"
        local piece = CONTENT:sub(at + 1, at + MIB)
        at = at + #piece
        return piece ~= "" and piece or nil
      end)
    end)
    local result, message
    repeat
      result, message = copy()
      if result == "waiting" then
        yields = yields + 1
        assert.is_true(dest:exists "") -- the destination is free in the meantime
      end
    until result ~= "waiting"
    assert.equal(11, yields)
    assert_written(result, message)
  end)

  it("takes a reader that yields, in a job", function()
    local at = 0
    local job = dest:submit("write", "file", function()
      coroutine.yield()
      local piece = CONTENT:sub(at + 1, at + MIB)
      at = at + #piece
      return piece ~= "" and piece or nil
    end)
    assert_written(job:wait())
  end)

  it("leaves nothing of a coroutine that is given up", function()
    local copy = coroutine.create(function()
      return dest:write("file", function()
        coroutine.yield()
        return CONTENT
      end)
    end)
    coroutine.resume(copy)
    coroutine.resume(copy)
    assert.matches("%.part$", everything()[1])
    coroutine.close(copy)
    assert.same({}, everything())
  end)
end)

describe("a reader that", function()
  local reasons = { "no more tape", 42, false, { "any value" },
    setmetatable({}, { __tostring = function() return "mine" end }),
    function() end }

  it("raises leaves nothing, and its error is passed on", function()
    for _, after in ipairs { 0, 1, 3 } do
      for _, reason in ipairs(reasons) do
        assert_leaves_nothing(function()
          local count = 0
          local ok, problem = pcall(dest.write, dest, "file", function()
            count = count + 1
            if count > after then error(reason, 0) end
            return CONTENT:sub(1, 3 * MIB)
          end)
          assert.is_false(ok)
          assert.is_true(rawequal(reason, problem))
        end)
        os.remove(on_server "file")
      end
    end
  end)

  it("raises nil leaves nothing", function()
    assert_leaves_nothing(function()
      local ok, problem = pcall(dest.write, dest, "file", function() error(nil) end)
      assert.is_false(ok)
      assert.is_nil(problem)
    end)
  end)

  it("fails leaves nothing, and its error is what write returns", function()
    for _, reason in ipairs(reasons) do
      for _, list in ipairs { {}, { "some" }, { CONTENT } } do
        assert_leaves_nothing(function()
          local result, problem, code = dest:write("file", pieces(list, reason))
          assert.is_nil(result)
          assert.is_true(rawequal(reason, problem))
          assert.equal("local_io", code)
        end)
        os.remove(on_server "file")
      end
    end
    local _, problem, code = dest:write("file", pieces({ "some" }, "no more tape", "my code"))
    assert.equal("no more tape", problem)
    assert.equal("my code", code)
  end)

  it("fails costs no second attempt", function()
    local count = 0
    local result = dest:write("file", function()
      count = count + 1
      return nil, "no"
    end)
    assert.is_nil(result)
    assert.equal(1, count)
  end)
end)

describe("a command that", function()
  local ends = {
    ["fails at once"] = { "exit 3", "the command ended with status 3" },
    ["fails at its end"] = { "head -c 3000000 /dev/zero; exit 1", "the command ended with status 1" },
    ["is killed"] = { "head -c 100 /dev/zero; kill -9 $$", "the command was ended by signal 9" },
    ["does not exist"] = { "no-such-command 2>/dev/null", "the command ended with status 127" },
  }
  for what, case in pairs(ends) do
    it(what .. " leaves nothing", function()
      assert_leaves_nothing(function()
        for _, from in ipairs { function(pipe) return pipe end, ltn12.source } do
          local result, message, code = dest:write("file", from(assert(io.popen(case[1]))))
          assert.is_nil(result)
          assert.equal(("write 'file' on %s: %s"):format(tostring(dest):match "%((.*)%)", case[2]), message)
          assert.equal("local_io", code)
        end
      end)
    end)
  end
end)

describe("a file that cannot be read", function()
  it("leaves nothing", function()
    assert_leaves_nothing(function()
      local result, message, code = dest:write("file", assert(io.open(dir))) -- a folder opens, but does not read
      assert.is_nil(result)
      assert.matches("directory", message)
      assert.equal("local_io", code)
    end)
  end)

  it("since there is none, leaves nothing", function()
    assert_leaves_nothing(function()
      local result, message = dest:write("file", ltn12.source(io.open(dir .. "/missing")))
      assert.is_nil(result)
      assert.matches("missing: No such file", message)
    end)
  end)

  it("since it was closed, raises", function()
    local file = source()
    file:close()
    assert.has_error(function() dest:write("file", file) end)
    assert_leaves_nothing(function()
      local closed = source()
      local reader = ltn12.source(closed)
      closed:close()
      local ok = pcall(dest.write, dest, "file", reader)
      assert.is_false(ok)
    end)
  end)
end)

describe("read", function()
  before_each(function() files.write(on_server "file", CONTENT) end)

  local function assert_fails(code, pattern, result, message, got)
    assert.is_nil(result)
    assert.matches(pattern, message)
    assert.equal(code, got)
  end

  it("gives a sink everything, then nil", function()
    local parts, ended = {}, 0
    local result = assert(dest:read("file", function(data, problem)
      assert.is_nil(problem)
      if data then parts[#parts + 1] = data else ended = ended + 1 end
      return 1
    end))
    assert.equal(SIZE, result.bytes)
    assert.equal(1, ended)
    assert.is_true(table.concat(parts) == CONTENT)
  end)

  it("fills a file, and closes it", function()
    local file = assert(io.open(dir .. "/local/got", "wb"))
    assert.equal(SIZE, assert(dest:read("file", ltn12.sink(file))).bytes)
    assert.equal("closed file", io.type(file))
    assert.is_true(files.same(dir .. "/source", dir .. "/local/got"))
  end)

  it("fills a pipe", function()
    local pipe = assert(io.popen("cat >" .. shell.quote(dir .. "/local/got"), "w"))
    assert.equal(SIZE, assert(dest:read("file", ltn12.sink(pipe))).bytes)
    assert.is_true(files.same(dir .. "/source", dir .. "/local/got"))
  end)

  it("fills LuaSocket's sinks", function()
    if not HAS_LUASOCKET then return pending "needs LuaSocket" end
    local sink, parts = luasocket.sink.table()
    assert(dest:read("file", sink))
    assert.is_true(table.concat(parts) == CONTENT)
    assert(dest:read("file", luasocket.sink.file(io.open(dir .. "/local/got", "wb"))))
    assert.is_true(files.same(dir .. "/source", dir .. "/local/got"))
  end)

  it("fills a file of the same destination", function()
    assert(dest:read("file", ltn12.sink(dest:open("other", "w"))))
    assert.is_true(files.same(on_server "file", on_server "other"))
  end)

  it("tells that the disk is full", function()
    assert_fails("local_io", "No space left", dest:read("file", ltn12.sink(assert(io.open("/dev/full", "wb")))))
    files.write(on_server "file", "few enough to wait in the buffer until the end")
    assert_fails("local_io", "No space left", dest:read("file", ltn12.sink(assert(io.open("/dev/full", "wb")))))
  end)

  it("tells that the command failed", function()
    assert_fails("local_io", "^the command ended with status 3$", dest:read("file",
      ltn12.sink(assert(io.popen("cat >/dev/null; exit 3", "w")))))
  end)

  it("tells that there is no file to write", function()
    assert_fails("local_io", "No such file", dest:read("file", ltn12.sink(io.open(dir .. "/missing/got", "wb"))))
  end)

  it("returns what a sink says, as it is", function()
    for _, reason in ipairs { "full", 42, { "any value" } } do
      local result, problem, code = dest:read("file", function() return nil, reason end)
      assert.is_nil(result)
      assert.is_true(rawequal(reason, problem))
      assert.equal("local_io", code)
    end
    local _, _, code = dest:read("file", function() return nil, "full", "my code" end)
    assert.equal("my code", code)
  end)

  it("passes on what a sink raises", function()
    local reason = {}
    local ok, problem = pcall(dest.read, dest, "file", function() error(reason) end)
    assert.is_false(ok)
    assert.equal(reason, problem)
    assert.is_true(dest:exists "file")
  end)

  it("tells the sink, too, that it failed", function()
    local told
    assert_fails("not_found", "missing", dest:read("missing", function(data, problem)
      assert.is_nil(data)
      told = problem
      return nil, problem
    end))
    assert.matches("missing", told)
  end)

  it("closes a sink's file when there is nothing to read", function()
    local file = assert(io.open(dir .. "/local/got", "wb"))
    assert_fails("not_found", "missing", dest:read("missing", ltn12.sink(file)))
    assert.equal("closed file", io.type(file))
  end)

  it("takes sinks that yield", function()
    local parts, result = {}, nil
    local copy = coroutine.wrap(function()
      result = dest:read("file", function(data)
        coroutine.yield()
        parts[#parts + 1] = data
        return 1
      end)
      return "over"
    end)
    repeat until copy() == "over"
    assert.equal(SIZE, result.bytes)
    assert.is_true(table.concat(parts) == CONTENT)
  end)
end)

describe("a sink", function()
  it("takes nothing after its end", function()
    local sink = ltn12.sink(assert(io.open(dir .. "/local/got", "wb")))
    assert.equal(1, sink "content")
    assert.equal(1, sink(nil))
    local ok, problem = sink "more"
    assert.is_nil(ok)
    assert.equal("the sink is closed", problem)
    assert.equal("content", files.read(dir .. "/local/got"))
  end)

  it("passes on its source's failure, and closes its file", function()
    local file = assert(io.open(dir .. "/local/got", "wb"))
    local ok, problem = ltn12.sink(file)(nil, "no more tape")
    assert.is_nil(ok)
    assert.equal("no more tape", problem)
    assert.equal("closed file", io.type(file))
  end)

  it("can be pumped to by LuaSocket", function()
    if not HAS_LUASOCKET then return pending "needs LuaSocket" end
    assert.equal(1, luasocket.pump.all(ltn12.source(source()), ltn12.sink(io.open(dir .. "/local/got", "wb"))))
    assert.is_true(files.same(dir .. "/source", dir .. "/local/got"))
    local ok, problem =
      luasocket.pump.all(ltn12.source(io.popen "exit 3"), ltn12.sink(io.open(dir .. "/local/got", "wb")))
    assert.is_nil(ok)
    assert.equal("the command ended with status 3", problem)
  end)
end)
