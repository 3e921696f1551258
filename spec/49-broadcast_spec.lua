-- A name that DNS does not know is not asked of the local network, unless that was meant: whoever answers there gets
-- the logon (LLMNR and NetBIOS spoofing, MITRE T1557.001). The one who answers here is ours.

local child = require "spec.support.child"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"

-- Answers all who ask for a name: at 127.0.0.1. RFC 1002, 4.2.12 and 4.2.13.
local RESPONDER = [[
  local udp = assert(require "socket".udp())
  assert(udp:setsockname("*", 137))
  say "ready"
  while true do
    local query, address, port = udp:receivefrom()
    if query and #query >= 50 and query:byte(3) < 128 then
      local name = query:sub(14, 45):gsub("(.)(.)", function(a, b)
        return string.char((a:byte() - 65) * 16 + b:byte() - 65)
      end)
      say("asked for " .. name:match "^[^ ]+")
      udp:sendto(query:sub(1, 2) .. string.pack(">I2I2I2I2I2", 0x8500, 0, 1, 0, 0) .. query:sub(13, 46)
        .. string.pack(">I2I2I4I2I2BBBB", 0x20, 1, 10, 6, 0, 127, 0, 0, 1), address, port)
    end
  end
]]

if not SANDBOX then
  describe("broadcasts", function()
    it("are skipped: they need a network of their own", function() pending "needs spec/support/sandbox" end)
  end)
  return
end

describe("a name that DNS does not know", function()
  local srv, dir, responder

  setup(function()
    srv = server.start { ports = "445 139" }
    dir = files.directory()
    shell.check "ip link add lan0 type veth peer name lan1"
    shell.check "ip address add 192.168.53.1/24 brd + dev lan0 && ip link set lan0 up && ip link set lan1 up"
    responder = child.start(dir, "%s", RESPONDER)
    responder:await "ready"
  end)

  teardown(function()
    responder:kill "KILL"
    shell.run "ip link delete lan0"
    srv:stop()
    files.remove(dir)
  end)

  before_each(function()
    files.write(responder.output, "")
    srv:mark()
  end)

  local function open(options)
    local fields = { server = "nasxyz", share = "backup", username = "bob", password = "s3cret", retries = 0 }
    for key, value in pairs(options) do fields[key] = value end
    return smb.open(fields)
  end

  it("is not asked of the network, and the message says how it would be", function()
    for _, options in ipairs { {}, { broadcast = false }, { transport = "netbios", broadcast = false } } do
      local dest, message, code = open(options)
      assert.is_nil(dest)
      assert.equal("host_not_found", code)
      assert.matches("the server's name does not resolve %(broadcast = true asks the local network", message)
    end
    assert.equal("", responder:said())
    assert.equal(0, (srv:logons()))
  end)

  it("is asked of it where that is meant", function()
    for _, options in ipairs { { broadcast = true }, { transport = "netbios" },
      { transport = "netbios", broadcast = true } } do
      files.write(responder.output, "")
      local dest <close> = assert(open(options))
      assert(dest:write("x", "y"))
      assert.matches("asked for NASXYZ", responder:said())
    end
    local dest <close> = assert(smb.open "smb://bob:s3cret@nasxyz/backup?broadcast=yes")
    assert.is_true(dest.options.broadcast)
  end)

  it("is none that the network would know when it has dots or is long, and nothing is advised", function()
    for _, name in ipairs { "nas.xyz.invalid", "a-name-that-is-too-long-for-netbios" } do
      local _, message, code = open { server = name }
      assert.equal("host_not_found", code)
      assert.is_nil(message:find("broadcast", 1, true))
    end
  end)

  it("but an lmhosts file, is had from there", function()
    files.write(dir .. "/lmhosts", "127.0.0.1 nasxyz\n")
    local words = { "unshare", "-m", "sh", "-c", ("mkdir -p %s/etc && cp %s/lmhosts %s/etc && mount --bind %s/etc "
      .. "/etc/samba && exec \"$@\""):format(dir, dir, dir, dir), "sh" }
    local own = dir .. "/own"
    shell.check { "mkdir", own }
    local host = child.start_under(words, own, "say(assert(smb.open %q).server)\n", "smb://bob:s3cret@nasxyz/backup")
    assert.equal("nasxyz\n", host:await_end())
    assert.equal("", responder:said())
  end)
end)
