-- What `local dest <close>` does when its scope ends: what dest:close() does.

local smb = require "smb"
local core = require "smb.core"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local share = require "spec.support.share"

local on_server, assert_fails = share.on_server, share.assert_fails

local srv, net

setup(function()
  srv = share.start()
  net = share.network()
end)

teardown(share.stop)

before_each(function()
  share.clean()
  srv:mark()
end)

after_each(function() net:tell "go" end)

local function open(options)
  options = options or {}
  options.retries = options.retries or 0
  return assert(smb.open(net:url "backup", options))
end

local function content_of(name)
  return files.read(on_server(name))
end

describe("a destination whose scope ends", function()
  -- A script that ends with `f:write(report)` and no f:close(), as the README's own example invites to.
  it("has sent what its open files held", function()
    local small, large
    do
      local dest <close> = open()
      small, large = assert(dest:open("small", "w")), assert(dest:open("large", "a"))
      assert(small:write "hello")
      assert(large:write(files.content(20000000)))
    end
    assert.equal("hello", content_of "small")
    assert.is_true(files.content(20000000) == content_of "large")
    for _, file in ipairs { small, large } do
      assert.error_matches(function() file:write "more" end, "closed file")
      assert.equal("closed file", smb.type(file))
    end
    share.assert_nothing_open()
    assert.same({}, processes.workers())
  end)

  it("has sent what a file held that was collected meanwhile", function()
    do
      local dest <close> = open()
      assert(dest:open("file", "w")):write "hello"
      collectgarbage()
      collectgarbage()
    end
    assert.equal("hello", content_of "file")
  end)

  it("raises when what they held could not be sent", function()
    local ok, problem = pcall(function()
      local dest <close> = open()
      local file = assert(dest:open("file", "w")) -- held: what is collected tells nothing
      assert(file:write "hello")
      srv:disconnect()
    end)
    assert.is_false(ok)
    assert.equal("disconnected", problem.code)
    assert.matches("'file' on smb://", tostring(problem))
    assert.same({}, processes.workers())
  end)

  it("by an error sends it, too, and that error comes through, whatever becomes of it", function()
    local ok, problem = pcall(function()
      local dest <close> = open()
      local file = assert(dest:open("file", "w")) -- held: what is collected tells nothing
      assert(file:write "hello")
      error "the script's own"
    end)
    assert.is_false(ok)
    assert.matches("the script's own$", problem)
    assert.equal("hello", content_of "file")
    ok, problem = pcall(function()
      local dest <close> = open()
      local file = assert(dest:open("file", "w")) -- held: what is collected tells nothing
      assert(file:write "hello")
      srv:disconnect()
      error "the script's own"
    end)
    assert.is_false(ok)
    assert.matches("the script's own$", problem)
    assert.same({}, processes.workers())
  end)

  -- Ctrl-C while the server is silent: who gave up on it does not wait for it once more.
  it("by an error does not wait for a server that was given up", function()
    local began = core.clock()
    pcall(function()
      local dest <close> = open { short_timeout = 600, read_write_timeout = 600 }
      local file = assert(dest:open("file", "w+"))
      assert(file:close())
      assert(dest:open("file"):read "a")
      net:tell "stall"
      local job = dest:submit("stat", "file")
      assert_fails("timeout", job:wait(0.1))
      error "the script's own"
    end)
    assert.is_true(core.clock() - began < 300)
  end)

  it("may have been closed before", function()
    local dest <close> = open()
    assert.is_true(dest:close())
  end)
end)

describe("jobs of a destination that is closed", function()
  local function assert_cancelled(job)
    assert.equal("cancelled", job:status())
    assert_fails("cancelled", job:wait())
    assert_fails("cancelled", job:wait(0))
    assert.equal(job, smb.wait({ job }, 0))
    assert.equal(0, job:timeout())
    assert.equal(-1, job:pollfd())
    assert.equal("r", job:events())
    assert.is_true(job:dirty())
    assert.equal("number", type((job:progress())))
    assert.equal("smb.job (cancelled)", tostring(job))
    assert.is_true(job:cancel())
  end

  it("by the end of its scope are cancelled, running or queued", function()
    local running, queued
    do
      local dest <close> = open { connections = 1 }
      net:tell "stall"
      running, queued = dest:submit("write", "file", "content"), dest:submit("exists", "")
      assert.equal("running", running:status())
    end
    assert_cancelled(running)
    assert_cancelled(queued)
  end)

  it("keep what they had come to", function()
    local job
    do
      local dest <close> = open()
      job = dest:submit("exists", "")
      assert.is_true(job:wait())
    end
    assert.equal("done", job:status())
    assert.is_true(job:wait())
    assert.equal(0, job:timeout())
  end)

  it("by one of them are cancelled, that one among them", function()
    local dest = open()
    local other = dest:submit("write", "other", function()
      coroutine.yield()
      return "more"
    end)
    local job = dest:submit("write", "file", function()
      dest:close()
      return nil
    end)
    assert_fails("cancelled", job:wait())
    assert_cancelled(job)
    assert_cancelled(other)
    assert.same({}, processes.workers())
  end)

  it("end the wait of whoever waits for them", function()
    local dest = open()
    local calls = 0
    local first = dest:submit("write", "first", function()
      calls = calls + 1
      coroutine.yield()
      if calls > 3 then dest:close() end
      return "more"
    end)
    local second = dest:submit("write", "second", function()
      coroutine.yield()
      return "more"
    end)
    assert.is_truthy(smb.wait { second })
    assert_cancelled(second)
    assert_cancelled(first)
  end)
end)
