-- A server that has restarted while a request was under way, and whose farewell was lost: its kernel, asked whether it
-- still knows the connection, says no.

local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"

describe("a server that was started anew while it was to answer", function()
  if not SANDBOX then
    return it("is noticed", function() pending "needs spec/support/sandbox" end)
  end

  local ADDRESS = "192.0.2.20"
  local srv

  local function be_there() shell.check { "ip", "address", "replace", ADDRESS .. "/32", "dev", "lo" } end
  local function be_away() shell.check { "ip", "address", "del", ADDRESS .. "/32", "dev", "lo" } end

  setup(function()
    shell.check { "ip", "route", "replace", "192.0.2.0/24", "dev", "lo" }
    be_there()
    srv = server.start { address = ADDRESS }
  end)

  teardown(function() srv:stop() end)

  it("is noticed long before a limit: the call goes on", function()
    local codes = {}
    local dest <close> = assert(smb.open(srv:fields { short_timeout = 600, retry_delay = 0.01,
      on_retry = function(_, _, code) codes[#codes + 1] = code end }))
    assert(dest:write("file", "x"))
    srv:pause()
    local content = processes.during(function() return dest:read "file" end, function()
      be_away()
      srv:kill()
      be_there()
      srv:restart()
    end)
    assert.equal("x", content)
    assert.same({ "disconnected" }, codes)
  end)
end)
