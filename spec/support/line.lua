--- A bad line in the kernel's own network: what goes through the loopback device of this sandbox is lost, slow, or too
-- large. TCP's own retransmissions, windows and packets are as on a real line, which spec.support.faults cannot have.
--
--     local line = require "spec.support.line"
--     local missing = line.missing() -- why there is none here
--     line.lose(5)     -- percent of the packets to and from port 445
--     line.rate(256)   -- kbit a second, both ways together
--     line.swallow(1300) -- larger packets vanish, and nobody is told: a black hole for path MTU discovery
--     line.clear()

local shell = require "spec.support.shell"

local line = {}

local function nft(commands) shell.check { "nft", commands } end

-- Packets as on Ethernet: by itself the loopback device has some of 64 KiB.
local function prepare()
  shell.check "ip link set lo mtu 1500 && ethtool -K lo tso off gso off gro off"
  nft "add table inet line; flush table inet line; add chain inet line in { type filter hook input priority 0; }"
end

--- Why there can be no bad line here.
-- @treturn ?string nil where there can be one
function line.missing()
  if os.getenv "LUA_SMB_SANDBOX" ~= "1" then return "needs spec/support/sandbox" end
  for _, program in ipairs { "nft", "ethtool", "tc" } do
    if not shell.run { "sh", "-c", "command -v " .. program } then return "needs the program " .. program end
  end
  if not pcall(prepare) then return "needs a kernel with nftables" end
  if not pcall(function() line.rate(1000000) line.clear() end) then return "needs a kernel with tbf" end
end

local function drop(what)
  nft(("add rule inet line in tcp sport 445 %s drop; add rule inet line in tcp dport 445 %s drop"):format(what, what))
end

--- So many percent of the packets are lost.
function line.lose(percent)
  drop(("numgen random mod 1000 < %d"):format(percent * 10))
end

--- Packets above that size, in bytes, vanish.
-- @tparam integer bytes
-- @tparam[opt] string direction "to" or "from" the server; both by default
function line.swallow(bytes, direction)
  if not direction then return drop("meta length > " .. bytes) end
  nft(("add rule inet line in tcp %s 445 meta length > %d drop"):format(direction == "to" and "dport" or "sport",
    bytes))
end

--- No more passes than so many kbit a second.
function line.rate(kbit)
  shell.check { "tc", "qdisc", "replace", "dev", "lo", "root", "tbf", "rate", kbit .. "kbit", "burst", "16k",
    "latency", "300ms" }
end

--- All passes again.
function line.clear()
  nft "flush chain inet line in"
  shell.run { "tc", "qdisc", "delete", "dev", "lo", "root" }
end

return line
