-- The local side of a transfer: disks that are slow.

local lfs = require "lfs"
local child = require "spec.support.child"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local SANITIZED = os.getenv "ASAN_OPTIONS" ~= nil -- there the sanitizer comes before libc
local KIB, MIB = 1024, 1024 * 1024

local on_server = share.on_server

local srv, dir

setup(function()
  srv, dir = share.start()
end)

teardown(share.stop)

before_each(share.clean)

-- A disk that spins up, a busy one, a network file system under load: the server has nothing to do with it.
describe("a slow local disk", function()
  local SLOW, LIMIT = 1, 0.4 -- seconds: of each call on the disk; what the server is given

  -- Runs a program, in which `dest` is open with that limit, on a disk of which one kind of call is slow; gives what it says.
  local function on_slow_disk(what, text, ...)
    local preload = dir .. "/slowdisk.so"
    if not files.exists(preload) then
      shell.check { "cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", preload,
        "spec/support/slowdisk.c", "-ldl" }
    end
    local run = dir .. "/run"
    lfs.mkdir(run)
    local program = child.start_under({ "env", "LD_PRELOAD=" .. preload, "SLOWDISK_CALL=" .. what, "SLOWDISK_SECONDS=" .. SLOW },
      run, ([[
        local dest <close> = assert(smb.open(%q, { short_timeout = %s, read_write_timeout = %s, retries = 0, connections = 1,
          read_buffer_size = "1M", write_buffer_size = "1M" }))
        local clock = require "smb.core".clock
        local function tell(result, message, code)
          say(result and "ok" or code, message)
        end
        local began = clock()
      ]]):format(srv:url "backup", LIMIT, LIMIT) .. text .. [[
        say(clock() - began >= 1 and "slow" or "not slow")
      ]], ...)
    local said = program:await_end()
    files.remove(run)
    return said
  end

  local function assert_patience(what, text, ...)
    assert.matches("^ok\t[^\n]*\nslow\n$", on_slow_disk(what, text, ...))
  end

  if SANITIZED then
    return it("is no silence of the server's", function() pending "the sanitizer comes before libc here" end)
  end

  it("is no silence of the server's when what was fetched is written to it", function()
    for _, size in ipairs { 10 * KIB, 3 * MIB } do
      files.make(on_server "file", size, 2)
      for _, call in ipairs { "pwrite", "fsync" } do
        assert_patience(call, "tell(dest:get('file', %q))", dir .. "/local/file")
        assert.is_true(files.same(on_server "file", dir .. "/local/file"))
      end
    end
  end)

  it("is no silence of the server's when what is sent is read from it", function()
    for _, size in ipairs { 10 * KIB, 3 * MIB } do
      local source = files.make(dir .. "/local/source", size, 3)
      assert_patience("pread", "tell(dest:put(%q, 'file'))", source)
      assert.is_true(files.same(source, on_server "file"))
    end
  end)

  it("is none when a SHA-256 is made of what lies there", function()
    local source = files.make(dir .. "/local/source", 100 * KIB, 4)
    assert_patience("pread", "tell(dest:put(%q, 'file', { verify = 'sha256' }))", source)
    assert_patience("pread", "tell(dest:get('file', %q, { verify = 'sha256' }))", dir .. "/local/got")
  end)

  it("is none to a tree", function()
    lfs.mkdir(dir .. "/local/tree")
    for i = 1, 2 do files.make(dir .. "/local/tree/" .. i, 10 * KIB, i) end
    assert_patience("pread", "tell(dest:put_tree(%q, 'tree'))", dir .. "/local/tree")
    assert_patience("fsync", "tell(dest:get_tree('tree', %q))", dir .. "/local/back")
  end)

  it("has its end when the whole call has one", function()
    files.make(on_server "file", 10 * KIB)
    assert.matches("^timeout\t[^\n]*the time for the whole call is over\n", on_slow_disk("fsync",
      "dest.options.total_timeout = 0.5 tell(dest:get('file', %q))\n began = -10", dir .. "/local/file"))
    assert.same({}, files.list(dir .. "/local"))
  end)
end)
