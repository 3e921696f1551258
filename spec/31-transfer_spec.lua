-- Whole files: put, get, write and read. A file is there under its name when it is complete, or as it was before.

local lfs = require "lfs"
local smb = require "smb"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local MIB = 1024 * 1024
local SIZES = { 0, 1, 9999, 65535, 65536, 65537, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 20 * MIB + 3 }

local on_server, everything = share.on_server, share.everything

local srv, dest, dir

setup(function()
  local base
  srv, base = share.start()
  dir = base .. "/local"
end)

teardown(share.stop)

before_each(function()
  srv:mark()
  share.clean()
  dest = assert(smb.open(srv:url "backup", { retries = 0, connections = 1 }))
end)

after_each(function()
  srv:resume()
  assert.is_true(dest:close())
end)

local function assert_fails(code, result, message, got)
  assert.is_nil(result)
  assert.equal(code, got, message)
  assert.matches("^%l+ '[^\n]*' on smb://127%.0%.0%.1[:%d]*/[^:]+: ", message)
end

-- Microseconds are what SMB clients keep.
local function assert_mtime(expected, path)
  local found = tonumber(shell.check { "stat", "-c", "%.7Y", path })
  assert.is_true(math.abs(expected - found) < 2e-6, ("%.7f expected, got %.7f"):format(expected, found))
end

local function with_mtime(path, mtime)
  shell.check { "touch", "-d", "@" .. mtime, path }
  return path
end

local function mode_of(path)
  return shell.check { "stat", "-c", "%a", path }
end

local function assert_result(bytes, result, message)
  assert.is_nil(message)
  assert.same({ bytes = bytes, retries = 0, resumed = 0, seconds = result.seconds }, result)
  assert.equal("integer", math.type(result.bytes))
  assert.is_true(result.seconds >= 0 and result.seconds < 60)
end

-- A file of 4 GiB that occupies nothing, and takes a while to send in small pieces.
local function endless(path)
  shell.check { "truncate", "-s", "4G", path }
  return path
end

-- The server's process that serves the only connection there is. Killing it is less than srv:disconnect(), which has
-- done with clients that connect anew, too.
local function serving_process()
  local _, session = next(srv:status().sessions)
  return math.tointeger(tonumber(session.server_id.pid))
end

-- A reader of pieces, calling fn before one of them.
local function reader(pieces, before, fn)
  local at = 0
  return function()
    at = at + 1
    if at == before then
      fn()
    end
    return pieces[at]
  end
end

-- Checks that the call fails with the code and that what was there before is all that is there.
local function assert_untouched(code, fn)
  files.write(on_server "file", "old")
  with_mtime(on_server "file", 1600000000)
  assert_fails(code, fn "file")
  assert.equal("old", files.read(on_server "file"))
  assert_mtime(1600000000, on_server "file")
  assert.same({ "file" }, everything())
  -- The same with nothing there.
  os.remove(on_server "file")
  assert_fails(code, fn "file")
  assert.same({}, everything())
end

describe("content comes through", function()
  for _, size in ipairs(SIZES) do
    it(("whole with %d bytes"):format(size), function()
      local source = files.make(dir .. "/source", size, 1)
      assert_result(size, dest:put(source, "put"))
      assert.is_true(files.same(source, on_server "put"))
      assert_result(size, dest:get("put", dir .. "/got"))
      assert.is_true(files.same(source, dir .. "/got"))
      local content = files.content(size, 2)
      assert_result(size, dest:write("written", content))
      assert.is_true(files.read(on_server "written") == content)
      assert.is_true(dest:read "written" == content)
      assert.same({ "put", "written" }, everything())
    end)
  end

  it("through buffers of any size", function()
    local source = files.make(dir .. "/source", 300001)
    for _, size in ipairs { 10000, 65536, 100003, 16 * MIB } do
      local other <close> = assert(smb.open(srv:url "backup", { read_buffer_size = size, write_buffer_size = size }))
      assert_result(300001, other:put(source, "file"))
      assert.is_true(files.same(source, on_server "file"))
      assert_result(300001, other:get("file", dir .. "/got"))
      assert.is_true(files.same(source, dir .. "/got"))
      assert.is_true(other:read "file" == files.content(300001))
    end
  end)

  it("encrypted", function()
    local source = files.make(dir .. "/source", 9 * MIB + 1)
    local private <close> = assert(smb.open(srv:url "backup", { encryption = "required" }))
    assert_result(9 * MIB + 1, private:put(source, "file"))
    assert.is_true(files.same(source, on_server "file"))
    assert_result(9 * MIB + 1, private:get("file", dir .. "/got"))
    assert.is_true(files.same(source, dir .. "/got"))
  end)

  it("in both directions when a file is replaced by a shorter one", function()
    local long, short = files.make(dir .. "/long", 100000, 1), files.make(dir .. "/short", 50, 2)
    dest:put(long, "file")
    assert_result(50, dest:put(short, "file"))
    assert.is_true(files.same(short, on_server "file"))
    assert_result(50, dest:get("file", long))
    assert.is_true(files.same(short, long))
  end)
end)

describe("put", function()
  it("takes the local file's name by default", function()
    assert.is_truthy(dest:put(files.write(dir .. "/name with ä", "content")))
    assert.equal("content", files.read(on_server "name with ä"))
  end)

  it("keeps the local file's time", function()
    local source = with_mtime(files.write(dir .. "/source", "content"), "1600000000.123456")
    dest:put(source, "file")
    assert_mtime(1600000000.123456, on_server "file")
    with_mtime(source, "-1000.5")
    dest:put(source, "file")
    assert_mtime(-1000.5, on_server "file")
  end)

  it("does not when told so", function()
    local source = with_mtime(files.write(dir .. "/source", "content"), 1600000000)
    dest:put(source, "file", { preserve_mtime = false })
    assert.is_true(math.abs(lfs.attributes(on_server "file", "modification") - os.time()) < 60)
  end)

  it("follows a local link", function()
    files.write(dir .. "/source", "content")
    assert(lfs.link(dir .. "/source", dir .. "/link", true))
    assert_result(7, dest:put(dir .. "/link"))
    assert.equal("content", files.read(on_server "link"))
  end)

  it("leaves the local file alone", function()
    local source = with_mtime(files.make(dir .. "/source", 100000), 1500000000)
    dest:put(source, "file")
    assert.equal(files.content(100000), files.read(source))
    assert_mtime(1500000000, source)
    assert.same({ "source" }, files.list(dir))
  end)

  it("leaves the old file when the local one cannot be had", function()
    files.write(dir .. "/file", "")
    for _, path in ipairs { dir .. "/missing", dir, dir .. "/", dir .. "/file/below", "", dir .. "/a\0b" } do
      assert_untouched("local_io", function(name)
        return dest:put(path, name)
      end)
    end
  end)

  it("says why the local file cannot be had", function()
    local _, message = dest:put(dir .. "/missing", "file")
    assert.matches("'" .. dir .. "/missing': ", message, 1, true)
    assert.matches("(No such file or directory)", message, 1, true)
  end)

  it("leaves the old file when the local one may not be read", function()
    local source = files.write(dir .. "/source", "")
    shell.check { "chmod", "0", source }
    if files.read(source) then
      return pending "this user may read everything"
    end
    assert_untouched("local_io", function(name)
      return dest:put(source, name)
    end)
  end)

  local changes = {
    ["became shorter"] = "truncate -s 10 %s", ["grew"] = "echo more >>%s",
    ["was rewritten"] = "touch -d @1600000000 %s",
    ["was emptied"] = "truncate -s 0 %s",
  }
  for what, command in pairs(changes) do
    it(("notices that the local file %s meanwhile"):format(what), function()
      local source = dir .. "/source"
      assert_untouched("source_changed", function(name)
        files.make(source, 100000)
        -- The worker knows the file, the server has not answered yet.
        srv:pause()
        return processes.during(function()
          return dest:put(source, name)
        end, function()
          shell.check(command:format(shell.quote(source)))
          srv:resume()
        end)
      end)
    end)
  end
end)

describe("write", function()
  it("takes a string", function()
    assert_result(7, dest:write("file", "content"))
    assert.equal("content", files.read(on_server "file"))
    assert_result(0, dest:write("file", ""))
    assert.equal("", files.read(on_server "file"))
  end)

  it("takes a reader's pieces of any size, empty ones too", function()
    local pieces = { "", "a", "", ("b"):rep(100000), "", "", files.content(10 * MIB, 3), "c", "" }
    local content = table.concat(pieces)
    assert_result(#content, dest:write("file", reader(pieces)))
    assert.is_true(files.read(on_server "file") == content)
  end)

  it("takes a reader that gives nothing", function()
    assert_result(0, dest:write("file", reader {}))
    assert.equal("", files.read(on_server "file"))
  end)

  it("takes many small pieces in few requests", function()
    local at = 0
    local counts, result = srv:requests(function()
      return dest:write("file", function()
        at = at + 1
        return at <= 10000 and ("%09d\n"):format(at) or nil
      end)
    end)
    assert_result(100000, result)
    assert.equal(1, counts.write)
    assert.matches("000000001\n000000002\n.*000010000\n$", files.read(on_server "file"))
  end)

  it("takes an LTN12 source that reads a file", function()
    local source <close> = assert(io.open(files.make(dir .. "/source", 200000)))
    assert_result(200000, dest:write("file", function()
      return source:read(4096)
    end))
    assert.is_true(files.same(dir .. "/source", on_server "file"))
  end)

  it("takes a reader that yields", function()
    local copy = coroutine.wrap(function()
      return dest:write("file", function()
        return coroutine.yield()
      end)
    end)
    copy()
    copy "one "
    copy "two "
    assert_result(8, copy(nil))
    assert.equal("one two ", files.read(on_server "file"))
  end)

  it("takes a reader that uses the same destination", function()
    files.write(on_server "other", "from the other one")
    local done = false
    assert_result(18, dest:write("file", function()
      if not done then
        done = true
        assert(dest:list())
        assert(dest:write("third", "third"))
        return dest:read "other"
      end
    end))
    assert.equal("from the other one", files.read(on_server "file"))
    assert.same({ "file", "other", "third" }, everything())
  end)

  it("has a temporary name beside the target until it is complete", function()
    files.write(on_server "file", "old")
    lfs.mkdir(on_server "folder")
    local seen = {}
    local function spy(name, folder)
      return dest:write(name, reader({ "a", "b" }, 2, function()
        seen = files.list(on_server(folder))
      end))
    end
    assert.is_truthy(spy("folder/new", "folder"))
    assert.equal(1, #seen)
    assert.matches("^new%.%x%x%x%x%x%x%x%x%.part$", seen[1])
    assert.same({ "new" }, files.list(on_server "folder"))
    assert.is_truthy(spy("file", ""))
    assert.equal("file", seen[1])
    assert.matches("^file%.%x%x%x%x%x%x%x%x%.part$", seen[2])
    assert.same({ "file", "folder" }, everything())
    assert.equal("ab", files.read(on_server "file"))
  end)

  it("gives another temporary name each time", function()
    local inner
    local function temporary_names()
      local names = {}
      for _, name in ipairs(everything()) do
        names[#names + 1] = name:match "%.part$" and name
      end
      return names
    end
    assert.is_truthy(dest:write("file", reader({ "outer" }, 1, function()
      assert.is_truthy(dest:write("file", reader({ "inner" }, 1, function()
        inner = temporary_names()
      end)))
    end)))
    assert.equal(2, #inner)
    assert.equal("outer", files.read(on_server "file"))
    assert.same({ "file" }, everything())
  end)

  it("leaves the old file when the reader raises, and passes the error on", function()
    files.write(on_server "file", "old")
    local reason = setmetatable({}, { __tostring = function() return "as planned" end })
    for before = 1, 3 do
      local ok, problem = pcall(dest.write, dest, "file", reader({ "a", ("b"):rep(5 * MIB), "c" }, before, function()
        error(reason)
      end))
      assert.is_false(ok)
      assert.equal(reason, problem)
      assert.same({ "file" }, everything())
      assert.equal("old", dest:read "file")
    end
  end)

  it("leaves the old file when the reader fails, and returns its error as it is", function()
    files.write(on_server "file", "old")
    for _, reason in ipairs { "no more tape", { "any value" }, 42, false } do
      local first = true
      local result, problem = dest:write("file", function()
        if first then
          first = false
          return "some data"
        end
        return nil, reason
      end)
      assert.is_nil(result)
      assert.equal(reason, problem)
      assert.same({ "file" }, everything())
      assert.equal("old", dest:read "file")
    end
  end)

  it("leaves the old file when the reader gives anything but strings", function()
    files.write(on_server "file", "old")
    for _, piece in ipairs { 42, true, {}, print } do
      local ok, problem = pcall(dest.write, dest, "file", reader { "data", piece })
      assert.is_false(ok)
      assert.matches("reader gave a " .. type(piece), problem)
      assert.same({ "file" }, everything())
    end
  end)
end)

describe("put and write", function()
  local source

  before_each(function()
    source = files.make(dir .. "/source", 100)
  end)

  -- Both, by one name, as functions of a name and options.
  local function both(fn)
    fn(function(name, opts)
      return dest:put(source, name, opts)
    end)
    fn(function(name, opts)
      return dest:write(name, files.read(source), opts)
    end)
  end

  it("replace no folder", function()
    lfs.mkdir(on_server "empty")
    lfs.mkdir(on_server "full")
    files.write(on_server "full/file", "content")
    both(function(send)
      for _, overwrite in ipairs { true, false } do
        assert_fails("is_directory", send("empty", { overwrite = overwrite }))
        assert_fails("is_directory", send("full", { overwrite = overwrite }))
      end
    end)
    assert.same({ "empty", "full" }, everything())
    assert.same({ "file" }, files.list(on_server "full"))
  end)

  it("replace no file when told so, and then send nothing", function()
    files.write(on_server "file", "old")
    both(function(send)
      local counts, result, message, code = srv:requests(function()
        return send("file", { overwrite = false })
      end)
      assert_fails("exists", result, message, code)
      assert.equal(0, counts.write)
      assert.is_true(counts.total - counts.keepalive <= 3)
      assert.equal("old", files.read(on_server "file"))
      assert.same({ "file" }, everything())
    end)
    both(function(send)
      assert_result(100, send("new", { overwrite = false }))
      assert.is_true(dest:delete "new")
    end)
  end)

  it("do not even ask a reader then", function()
    files.write(on_server "file", "old")
    local asked = false
    assert_fails("exists", dest:write("file", function()
      asked = true
    end, { overwrite = false }))
    assert.is_false(asked)
  end)

  it("replace no file that came meanwhile, when told so", function()
    assert_fails("exists", dest:write("file", reader({ "new" }, 1, function()
      files.write(on_server "file", "somebody else's")
    end), { overwrite = false }))
    assert.equal("somebody else's", files.read(on_server "file"))
    assert.same({ "file" }, everything())
  end)

  it("replace a file that came meanwhile otherwise", function()
    assert_result(3, dest:write("file", reader({ "new" }, 1, function()
      files.write(on_server "file", "somebody else's")
    end)))
    assert.equal("new", files.read(on_server "file"))
    assert.same({ "file" }, everything())
  end)

  it("are content when the old file went meanwhile", function()
    files.write(on_server "file", "old")
    assert_result(3, dest:write("file", reader({ "new" }, 1, function()
      os.remove(on_server "file")
    end)))
    assert.equal("new", files.read(on_server "file"))
    assert.same({ "file" }, everything())
  end)

  it("want the folder to be there", function()
    both(function(send)
      assert_fails("folder_missing", send "a/b/file")
      assert_fails("folder_missing", send("a/b/file", { parents = false }))
    end)
    assert.same({}, everything())
  end)

  it("make it when told so", function()
    both(function(send)
      assert_result(100, send("a/b/c/file", { parents = true }))
      assert.is_true(files.same(source, on_server "a/b/c/file"))
      assert_result(100, send("a/b/c/file", { parents = true }))
      files.remove(on_server "a")
    end)
  end)

  it("refuse names that cannot be", function()
    local counts = srv:requests(function()
      both(function(send)
        for _, name in ipairs { "", "..", "a/../b", "/a", "a/", "a*b", "NUL", "a\nb" } do
          assert_fails("invalid_name", send(name))
        end
      end)
    end)
    assert.equal(0, counts.total)
  end)

  it("refuse options that they do not know", function()
    both(function(send)
      assert.has_error(function()
        send("file", { overwrit = true })
      end)
      assert.has_error(function()
        send("file", { parents = "yes" })
      end)
    end)
    assert.has_error(function()
      dest:write("file", {})
    end)
    assert.has_error(function()
      dest:put()
    end)
    assert.same({}, everything())
  end)

  it("replace no file that is read-only", function()
    files.write(on_server "file", "old")
    shell.check { "chmod", "a-w", on_server "file" }
    both(function(send)
      assert_fails("access_denied", send "file")
    end)
    assert.equal("old", files.read(on_server "file"))
    assert.same({ "file" }, everything())
  end)

  it("say that the share is read-only", function()
    local other <close> = server.start { shares = { backup = { ["read only"] = "yes" } } }
    local where <close> = assert(smb.open(other:url "backup"))
    assert_fails("access_denied", where:put(source, "file"))
    assert_fails("access_denied", where:write("file", "content"))
    assert.same({}, files.list(other:path "backup"))
  end)
end)

describe("a transfer that breaks off", function()
  it("because the disk is full leaves the old file, and nothing else", function()
    if not SANDBOX then
      return pending "needs spec/support/sandbox"
    end
    local small <close> = server.start { size = "8m" }
    local where <close> = assert(smb.open(small:url "backup", { write_buffer_size = 1 * MIB }))
    local source = files.make(dir .. "/source", 9 * MIB)
    files.write(small:path("backup", "file"), "old")
    local pieces = {}
    for i = 1, 12 do
      pieces[i] = files.content(1 * MIB, i)
    end
    for _, name in ipairs { "file", "new" } do
      local result, message, code = where:put(source, name)
      assert_fails("no_space", result, message, code)
      assert.matches("%(NT_STATUS_DISK_FULL%)$", message)
      assert_fails("no_space", where:write(name, reader(pieces)))
      assert.same({ "file" }, files.list(small:path "backup"))
      assert.equal("old", where:read "file")
    end
    assert_result(100, where:write("file", ("x"):rep(100)))
  end)

  it("because the connection broke between two pieces", function()
    assert_untouched("disconnected", function(name)
      return dest:write(name, reader({ ("a"):rep(5 * MIB), ("b"):rep(5 * MIB) }, 2, function()
        srv:disconnect()
      end))
    end)
    assert_result(3, dest:write("file", "new"))
  end)

  it("because the connection broke while a file was sent", function()
    local source = endless(dir .. "/source")
    dest.options.write_buffer_size = 65536
    assert_untouched("disconnected", function(name)
      assert(dest:exists "")
      local serving = serving_process()
      return processes.during(function()
        return dest:put(source, name)
      end, function()
        shell.kill(serving, "KILL")
      end)
    end)
    assert_result(3, dest:write("file", "new"))
  end)

  it("because the server crashed leaves the old file", function()
    files.write(on_server "file", "old")
    local result, message, code = dest:write("file", reader({ ("a"):rep(5 * MIB), ("b"):rep(5 * MIB) }, 2, function()
      srv:kill()
    end))
    srv:restart()
    assert.is_nil(result)
    assert.is_true(code == "disconnected" or code == "unreachable", message)
    assert.equal("old", dest:read "file")
    -- Out of reach, the server was not told to remove what had come; it has no name that means anything.
    for _, name in ipairs(everything()) do
      assert.is_true(name == "file" or name:find "^file%.%x+%.part$" ~= nil, name)
    end
  end)
end)

describe("get", function()
  before_each(function()
    files.write(on_server "file", "content")
    with_mtime(on_server "file", "1600000000.25")
  end)

  it("keeps the file's time", function()
    assert_result(7, dest:get("file", dir .. "/got"))
    assert.equal("content", files.read(dir .. "/got"))
    assert_mtime(1600000000.25, dir .. "/got")
  end)

  it("does not when told so", function()
    assert_result(7, dest:get("file", dir .. "/got", { preserve_mtime = false }))
    assert.is_true(math.abs(lfs.attributes(dir .. "/got", "modification") - os.time()) < 60)
  end)

  it("takes the remote name by default, in the working directory", function()
    lfs.mkdir(on_server "folder")
    files.write(on_server "folder/inner", "inner")
    local before = lfs.currentdir()
    lfs.chdir(dir)
    local ok, result, message = pcall(dest.get, dest, "folder/inner")
    lfs.chdir(before)
    assert.is_true(ok, result)
    assert_result(5, result, message)
    assert.equal("inner", files.read(dir .. "/inner"))
  end)

  it("puts the file into a folder that is there", function()
    lfs.mkdir(dir .. "/folder")
    assert_result(7, dest:get("file", dir .. "/folder"))
    assert_result(7, dest:get("file", dir .. "/folder/"))
    assert.same({ "file" }, files.list(dir .. "/folder"))
  end)

  it("replaces a local file, keeping its mode", function()
    local path = files.write(dir .. "/got", "old and longer")
    shell.check { "chmod", "0640", path }
    assert_result(7, dest:get("file", path))
    assert.equal("content", files.read(path))
    assert.equal("640\n", mode_of(path))
    assert.same({ "got" }, files.list(dir))
  end)

  it("makes new files as any program does", function()
    shell.check { "touch", dir .. "/reference" }
    dest:get("file", dir .. "/got")
    assert.equal(mode_of(dir .. "/reference"), mode_of(dir .. "/got"))
  end)

  it("leaves a local file when told so", function()
    local path = files.write(dir .. "/got", "old")
    assert_fails("exists", dest:get("file", path, { overwrite = false }))
    assert.equal("old", files.read(path))
    assert_result(7, dest:get("file", dir .. "/new", { overwrite = false }))
    assert.equal("content", files.read(dir .. "/new"))
    assert.same({ "got", "new" }, files.list(dir))
  end)

  it("replaces what a link points to, not the link", function()
    files.write(dir .. "/real", "old")
    assert(lfs.link("real", dir .. "/link", true))
    assert_result(7, dest:get("file", dir .. "/link"))
    assert.equal("link", lfs.symlinkattributes(dir .. "/link", "mode"))
    assert.equal("content", files.read(dir .. "/real"))
    assert.same({ "link", "real" }, files.list(dir))
  end)

  it("wants the local folder to be there, or makes it when told so", function()
    assert_fails("local_io", dest:get("file", dir .. "/a/b/got"))
    assert.same({}, files.list(dir))
    assert_result(7, dest:get("file", dir .. "/a/b/got", { parents = true }))
    assert.equal("content", files.read(dir .. "/a/b/got"))
  end)

  it("leaves no trace of a file that cannot be had", function()
    local path = files.write(dir .. "/got", "old")
    lfs.mkdir(on_server "folder")
    assert_fails("not_found", dest:get("missing", path))
    assert_fails("not_found", dest:get("missing", dir .. "/new"))
    assert_fails("folder_missing", dest:get("missing/file", path))
    assert_fails("is_directory", dest:get("folder", path))
    assert_fails("invalid_name", dest:get("..", path))
    assert_fails("invalid_name", dest:get("", path))
    assert.equal("old", files.read(path))
    assert.same({ "got" }, files.list(dir))
  end)

  it("replaces nothing but files", function()
    shell.check { "mkfifo", dir .. "/pipe" }
    assert_fails("local_io", dest:get("file", dir .. "/pipe"))
    assert_fails("local_io", dest:get("file", "/dev/null"))
    assert.same({ "pipe" }, files.list(dir))
    assert.is_true(files.exists "/dev/null")
  end)

  it("leaves the old file when the local disk is full", function()
    if not SANDBOX then
      return pending "needs spec/support/sandbox"
    end
    local disk <close> = server.start { size = "1m" }
    files.make(on_server "large", 2 * MIB)
    local path = files.write(disk:path("backup", "got"), "old")
    local result, message, code = dest:get("large", path)
    assert_fails("local_io", result, message, code)
    assert.matches("No space left on device", message)
    assert.equal("old", files.read(path))
    assert.same({ "got" }, files.list(disk:path "backup"))
  end)

  it("leaves the old file when the connection breaks", function()
    endless(on_server "large")
    dest.options.read_buffer_size = 65536
    local path = files.write(dir .. "/got", "old")
    local seen
    local result, message, code = processes.during(function()
      return dest:get("large", path)
    end, function()
      seen = files.list(dir)
      srv:disconnect()
    end)
    assert_fails("disconnected", result, message, code)
    assert.equal(2, #seen)
    assert.matches("^got%.%x%x%x%x%x%x%x%x%.part$", seen[2])
    assert.equal("old", files.read(path))
    assert.same({ "got" }, files.list(dir))
    assert.equal("content", dest:read "file")
  end)

  it("notices that the file became shorter meanwhile", function()
    endless(on_server "large")
    dest.options.read_buffer_size = 65536
    assert_fails("source_changed", processes.during(function()
      return dest:get("large", dir .. "/got")
    end, function()
      shell.check { "truncate", "-s", "1000", on_server "large" }
    end))
    assert.same({}, files.list(dir))
  end)
end)

describe("read", function()
  it("gives the whole content", function()
    local content = "line\n\0\r\n\xFF end"
    files.write(on_server "file", content)
    assert.equal(content, dest:read "file")
  end)

  it("says what cannot be read", function()
    lfs.mkdir(on_server "folder")
    assert_fails("not_found", dest:read "missing")
    assert_fails("folder_missing", dest:read "missing/file")
    assert_fails("is_directory", dest:read "folder")
    assert_fails("invalid_name", dest:read "")
    assert_fails("invalid_name", dest:read "a?")
  end)
end)

describe("the number of requests", function()
  local source

  before_each(function()
    source = files.make(dir .. "/source", 5000)
    files.write(on_server "old", "old")
    assert(dest:exists "") -- so that everything that a first call costs was paid
  end)

  local function assert_cost(most, fn)
    local counts, result, message = srv:requests(fn)
    assert.is_truthy(result, message)
    local list = {}
    for command, count in pairs(counts) do
      if count > 0 then
        list[#list + 1] = command .. " " .. count
      end
    end
    table.sort(list)
    assert.is_true(counts.total > 0)
    assert.is_true(counts.total <= most, ("%d at most, but: %s"):format(most, table.concat(list, ", ")))
    return counts
  end

  it("of a put is 11 at most", function()
    -- One to learn that the name is free, one that no old file waits aside; open, write, close; 3 for the time, which
    -- tell the size, too, and 3 for the name.
    local counts = assert_cost(11, function()
      return dest:put(source, "new")
    end)
    assert.equal(1, counts.write)
  end)

  it("of a put over an old file is 18 at most", function()
    -- 3 look at the old file, 3 rename it, 2 delete it, and one asks whether it is gone.
    assert_cost(18, function()
      return dest:put(source, "old")
    end)
  end)

  it("of a write is 9 at most", function()
    assert_cost(9, function()
      return dest:write("new", "content")
    end)
  end)

  it("of a get is 4 at most", function()
    assert_cost(4, function()
      return dest:get("old", dir .. "/got")
    end)
  end)

  it("of a read is 4 at most", function()
    assert_cost(4, function()
      return dest:read "old"
    end)
  end)

  it("of a stat is 3 at most", function()
    assert_cost(3, function()
      return dest:stat "old"
    end)
  end)

  it("of a delete is 5 at most", function()
    assert_cost(5, function()
      return dest:delete "old"
    end)
  end)

  it("does not grow with the time that a destination is open", function()
    for _ = 1, 20 do
      assert_cost(4, function()
        return dest:read "old"
      end)
    end
  end)
end)
