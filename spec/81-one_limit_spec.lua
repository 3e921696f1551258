-- One limit a call: total_timeout holds for all that a call comes to, however many requests that is. And what a read
-- into a sink tells.

local command = require "spec.support.command"
local core = require "smb.core"
local files = require "spec.support.files"
local share = require "spec.support.share"
local smb = require "smb"

local assert_fails, on_server = share.assert_fails, share.on_server

local FOLDERS = 30
local MIB = 1024 * 1024

local dir, net

setup(function()
  local _
  _, dir = share.start()
  net = share.network()
end)

teardown(share.stop)

before_each(function() share.clean() end)

after_each(function()
  net:tell "calm"
  net:tell "go"
end)

local function open(options) return assert(smb.open(net:url "backup", options)) end

-- Every request takes a while; many of them take longer than the limit, one does not.
local function slow(dest)
  net:tell("latency", 500)
  dest.options.total_timeout = 4
end

local function make_folders()
  local lfs = require "lfs"
  for i = 1, FOLDERS do assert(lfs.mkdir(on_server(("folder%02d"):format(i)))) end
end

describe("total_timeout holds for the whole of", function()
  it("a walk", function()
    make_folders()
    local dest <close> = open { connections = 1 }
    slow(dest)
    local ok, failure = pcall(function()
      for _ in dest:walk() do end
    end)
    assert.is_false(ok)
    assert.equal("timeout", failure.code)
  end)

  it("a sweep", function()
    for i = 1, FOLDERS do files.write(on_server(("file.%08x.part"):format(i)), "x") end
    local dest <close> = open { connections = 1 }
    slow(dest)
    assert_fails("timeout", dest:sweep("", { older_than = 0 }))
  end)

  it("a test that writes", function()
    local dest <close> = open { connections = 1 }
    net:tell("latency", 500)
    dest.options.total_timeout = 3
    assert_fails("timeout", dest:test { write = true })
  end)

  it("a read into a sink, which hears of it", function()
    files.make(on_server "file", 8 * MIB)
    local dest <close> = open { connections = 1, read_buffer_size = "64k" }
    net:tell("bandwidth", MIB)
    dest.options.total_timeout = 2
    local bytes, heard = 0, nil
    local message = assert_fails("timeout", dest:read("file", function(data, problem)
      bytes, heard = bytes + #(data or ""), problem
      return true
    end))
    assert.equal(message, heard)
    assert.matches("^read 'file' on smb://", message)
    assert.is_true(bytes < 8 * MIB)
  end)
end)

describe("lua-smb get NAME -", function()
  it("keeps to --total-timeout", function()
    files.make(on_server "file", 8 * MIB)
    net:tell("bandwidth", MIB)
    local ended = command.run(dir, { "get",
      net:url("backup", nil, { ["total-timeout"] = "2s", ["read-buffer-size"] = "64k" }),
      "file", "-" })
    assert.equal(1, ended.status)
    assert.matches("read 'file' on smb://.*: the time for the whole call is over", ended.stderr)
    net:tell "calm"
    ended = command.run(dir, { "get", net:url "backup", "file", "-" })
    assert.equal(0, ended.status)
    assert.equal(8 * MIB, #ended.stdout)
  end)
end)

describe("the time of a loop's body", function()
  it("does not count", function()
    for i = 1, 2000 do files.write(on_server(("a long name, so that batches hold few of them %06d"):format(i)), "") end
    local clock, ahead = core.clock, 0
    core.clock = function() return clock() + ahead end -- luacheck: ignore
    local _ <close> = setmetatable({}, { __close = function() core.clock = clock end }) -- luacheck: ignore
    for _, how in ipairs { "dir", "walk" } do
      local dest <close> = open { connections = 1, total_timeout = 600 }
      local count = 0
      for _ in dest[how](dest) do
        count = count + 1
        if count % 100 == 0 then ahead = ahead + 3600 end
      end
      assert.equal(2000, count)
    end
  end)
end)

describe("a read into a sink", function()
  local pieces
  local function sink(data)
    pieces[#pieces + 1] = data
    return true
  end

  before_each(function() pieces = {} end)

  it("tells how far it is, and is cancelled by false", function()
    files.make(on_server "file", 6 * MIB)
    local dest <close> = open { connections = 1 }
    net:tell("bandwidth", 8 * MIB)
    local seen = {}
    local result = assert(dest:read("file", sink, { progress = function(done, total, name)
      seen[#seen + 1] = done
      assert.same({ 6 * MIB, "file" }, { total, name })
    end }))
    assert.equal(6 * MIB, result.bytes)
    assert.equal(6 * MIB, seen[#seen])
    assert.is_true(#seen >= 2)
    for i = 2, #seen do assert.is_true(seen[i] >= seen[i - 1]) end
    assert_fails("cancelled", dest:read("file", sink, { progress = function() return false end }))
    assert_fails("cancelled", dest:read("file", nil, { progress = function() return false end }))
  end)

  it("goes on over a new connection, and counts that", function()
    files.make(on_server "file", 6 * MIB)
    local dest <close> = open { connections = 1, retry_delay = 0.01 }
    local attempts = 0
    net:tell("cut-down", 2 * MIB)
    local result = assert(dest:read("file", sink, { on_retry = function() attempts = attempts + 1 end }))
    assert.equal(files.read(on_server "file"), table.concat(pieces))
    assert.equal(1, result.retries)
    assert.equal(1, attempts)
  end)

  it("passes an error of progress on", function()
    files.make(on_server "file", 6 * MIB)
    local dest <close> = open { connections = 1 }
    net:tell("bandwidth", 8 * MIB)
    local problem = {}
    local ok, raised = pcall(dest.read, dest, "file", sink, { progress = function() error(problem, 0) end })
    assert.same({ false, problem }, { ok, raised })
    net:tell "calm"
    assert.is_true(dest:test())
  end)
end)
