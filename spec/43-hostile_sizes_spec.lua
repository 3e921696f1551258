-- A server that answers with sizes, lengths and depths that no server needs: what it costs the host has bounds.

local lfs = require "lfs"
local smb = require "smb"
local files = require "spec.support.files"
local hostile = require "spec.support.hostile"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local MIB = 1024 * 1024
local PATIENT = 30 -- seconds: short_timeout, so that what is ended by it is seen

local srv, dir, net

setup(function()
  srv = server.start { log_level = "0" }
  dir = files.directory()
end)

teardown(function()
  srv:stop()
  files.remove(dir)
end)

before_each(function() shell.check { "find", srv:path "backup", "-mindepth", "1", "-delete" } end)

after_each(function()
  net:stop()
  assert.is_truthy(shell.poll(function() return #processes.workers() == 0 end, 20))
end)

-- Opens a destination on a server that does harm of a kind; see spec/support/hostile.py. SMB 3.1.1 would sign what it
-- changes in NEGOTIATE.
local function open(kind)
  net = hostile.start(srv)
  net:tell(kind)
  return assert(smb.open(net:fields { max_protocol = "SMB3_02", short_timeout = PATIENT, list_timeout = 10 * PATIENT,
    retries = 0 }))
end

local function memory_is_bounded()
  -- Sanitizers keep what was freed.
  local most = os.getenv "ASAN_OPTIONS" and 4096 or 1536
  for _, pid in ipairs(processes.workers()) do
    assert.is_true(processes.most_resident(pid) < most * 1024, processes.most_resident(pid))
  end
end

describe("a server that takes and gives requests of 4 GiB", function()
  it("gets requests of 16 MiB at most", function()
    local dest <close> = open "sizes"
    assert.equal(16 * MIB, dest.info.max_write_size)
    assert.equal(16 * MIB, dest.info.max_read_size)
    assert.equal(16 * MIB, dest.options.write_buffer_size)
    dest:put(files.make(dir .. "/large", 40 * MIB, 1), "large") -- Samba may refuse so large a request
    files.make(srv:path("backup", "there"), 40 * MIB, 2)
    dest:get("there", dir .. "/there")
    dest:write("string", ("x"):rep(40 * MIB))
    memory_is_bounded()
  end)
end)

describe("a listing that never ends", function()
  it("is an error that says so", function()
    local dest <close> = open "endless"
    local message = share.assert_fails("failed", dest:list())
    assert.matches("more than 256 MiB", message, 1, true)
    memory_is_bounded()
  end)

  it("is left when the call is cancelled, without waiting for a time limit", function()
    local dest <close> = open "endless"
    local job = dest:submit "list"
    local pid = processes.worker()
    assert.is_truthy(shell.poll(function()
      job:wait(0.01)
      return processes.resident(pid) > 64 * 1024 or job:status() ~= "running"
    end))
    job:cancel()
    local seconds, result, _, code = share.timed(function() return job:wait() end)
    share.assert_fails("cancelled", result, _, code)
    assert.is_true(seconds < PATIENT / 2, seconds)
  end)
end)

describe("a folder that contains itself", function()
  it("is walked to a depth that no real folder has", function()
    local dest <close> = open "itself"
    lfs.mkdir(srv:path("backup", "d"))
    local count = 0
    local ok, problem = pcall(function()
      for _ in dest:walk() do count = count + 1 end
    end)
    assert.is_false(ok)
    assert.equal("failed", problem.code, tostring(problem))
    assert.matches("1,000 levels", problem.message, 1, true)
    assert.equal(1001, count)
    memory_is_bounded()
  end)

  it("is fetched and removed to that depth, and that is told", function()
    local dest <close> = open "itself"
    lfs.mkdir(srv:path("backup", "d"))
    local message = share.assert_fails("failed", dest:get_tree("", dir .. "/got"))
    assert.matches("1,000 levels", message, 1, true)
    message = share.assert_fails("failed", dest:rmdir("d", { recursive = true }))
    assert.matches("1,000 levels", message, 1, true)
    memory_is_bounded()
  end)
end)

it("a worker has a limit on its memory", function()
  local dest <close> = open "sizes"
  assert(dest:exists "")
  local limits = files.read("/proc/" .. processes.worker() .. "/limits")
  if os.getenv "ASAN_OPTIONS" then return end -- they set all addresses aside
  assert.matches("Max address space%s+%d+", limits)
  assert.matches("Max data size%s+%d+", limits)
end)
