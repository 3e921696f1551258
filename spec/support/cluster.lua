--- A real cluster of Samba servers for specs: CTDB on nodes that have a disk in common, in this sandbox.
--
--     local cluster = require "spec.support.cluster"
--     local missing = cluster.missing() -- why it cannot be had here: it needs root, the sandbox and Samba's packages
--     local nodes <close> = cluster.start(3)
--     local dest = smb.open(nodes:url "backup")
--     nodes:kill(nodes:owner())
--
-- Each node is a world of its own (network, processes, mounts) on one Ethernet: 10.7.0.11, 10.7.0.12 and so on. The one
-- address that clients use, 10.7.0.101, is at one of them, and moves when that dies. All ends with the sandbox.

local lfs = require "lfs"
local accounts = require "spec.support.accounts"
local files = require "spec.support.files"
local log = require "spec.support.log"
local processes = require "spec.support.processes"
local shell = require "spec.support.shell"

local NETWORK, ADDRESS = "10.7.0.", "10.7.0.101"
local EVENTS = { "00.ctdb", "01.reclock", "10.interface" }
local PROGRAMS = { ctdbd = "ctdb", smbd = "samba", ethtool = "ethtool", tdbtool = "tdb-tools" }

local Cluster = {}
Cluster.__index = Cluster

local cluster = { ADDRESS = ADDRESS }

--- Why there can be no cluster here.
-- @treturn ?string nil where there can be one
function cluster.missing()
  if os.getenv "LUA_SMB_SANDBOX" ~= "1" or accounts.uid() ~= 0 then return "needs root and spec/support/sandbox" end
  for program, package in pairs(PROGRAMS) do
    if not shell.run { "sh", "-c", "command -v " .. program } then return "needs the package " .. package end
  end
  if not shell.run "ip link add bridge0 type bridge && ip link delete bridge0" then return "needs bridges" end
end

local CTDB = [[
[logging]
	location = file:%s/log/ctdb
	log level = NOTICE
[cluster]
	cluster lock = %s/reclock
	leader timeout = 2
[legacy]
	realtime scheduling = false
[database]
	volatile database directory = %s/volatile
	persistent database directory = %s/persistent
	state database directory = %s/state
]]

-- All at 1 is too little: the nodes vote for ever.
local TUNABLES = "MonitorInterval=2\nKeepaliveInterval=1\nKeepaliveLimit=3\nRerecoveryTimeout=1\n"

local SMB = [[
[global]
	netbios name = CLUSTER
	workgroup = WORKGROUP
	clustering = yes
	ctdbd socket = /run/ctdb/ctdbd.socket
	smb ports = 445
	private dir = %s/private
	passdb backend = tdbsam
	username map = %s/users.map
	log file = %s/log/%%d
	log level = 1
	load printers = no
	printing = bsd
	printcap name = /dev/null
	disable spoolss = yes
%s
[backup]
	path = %s/backup
	read only = no
	force user = root
]]

local function configure(self, node)
  local dir, disk = node.dir, self.dir .. "/disk"
  local own = {}
  for key, name in pairs { lock = "lock", state = "state", cache = "cache" } do
    own[#own + 1] = ("\t%s directory = %s/%s"):format(key, dir, name)
  end
  own[#own + 1] = ("\tpid directory = %s/run\n\tncalrpc dir = %s/ncalrpc"):format(dir, dir)
  files.write(dir .. "/smb.conf", SMB:format(disk, disk, dir, table.concat(own, "\n"), disk))
  files.write(dir .. "/etc/ctdb/ctdb.conf", CTDB:format(dir, disk, dir, dir, dir))
  files.write(dir .. "/etc/ctdb/ctdb.tunables", TUNABLES)
  files.write(dir .. "/etc/ctdb/script.options", "CTDB_SET_MonitorInterval=2\n")
  files.write(dir .. "/etc/ctdb/nodes", table.concat(self.addresses, "\n") .. "\n")
  files.write(dir .. "/etc/ctdb/public_addresses", ADDRESS .. "/24 eth0\n")
  for _, name in ipairs(EVENTS) do
    local script = ("/usr/share/ctdb/events/legacy/%s.script"):format(name)
    shell.check { "ln", "-s", script, dir .. "/etc/ctdb/events/legacy/" }
  end
  shell.check(("cp /etc/ctdb/functions /etc/ctdb/*.sh %s/etc/ctdb/"):format(dir))
end

local WORLD = [[
mkdir -p /run/ctdb && for at in etc/ctdb var/lib/ctdb run/ctdb run/samba; do mount --bind "$0/$at" "/$at" || exit; done
echo ready
exec sleep infinity]]

-- A world without a server: its first process does nothing but keep it.
local function make_world(node)
  local words = { "unshare", "--net", "--pid", "--mount", "--propagation=private", "--fork", "--kill-child",
    "--mount-proc", "sh", "-c", WORLD, node.dir }
  local pid = shell.spawn(words, node.dir .. "/log/world")
  assert(shell.poll(function() return files.read(node.dir .. "/log/world") == "ready\n" end, 30),
    files.read(node.dir .. "/log/world"))
  node.first = processes.children(pid)[1]
end

local function inside(node, words)
  return table.move(words, 1, #words, 6, { "nsenter", "--target=" .. node.first, "--mount", "--net", "--pid" })
end

local function connect(node)
  shell.check(("ip link add node%d type veth peer name eth0 netns %d && ip link set node%d master bridge0 up")
    :format(node.number, node.first, node.number))
  shell.check(inside(node, { "sh", "-c", ("ip link set lo up && ip address add %s/24 dev eth0 && ip link set eth0 up")
    :format(node.address) }))
end

local function make_node(self, number)
  local node = { number = number, address = self.addresses[number], dir = ("%s/node%d"):format(self.dir, number) }
  for _, name in ipairs { "etc/ctdb/events/legacy", "var/lib/ctdb", "run/ctdb", "run/samba", "volatile", "persistent",
    "state", "lock", "cache", "ncalrpc", "log" } do
    shell.check { "mkdir", "-p", node.dir .. "/" .. name }
  end
  configure(self, node)
  make_world(node)
  connect(node)
  return node
end

local function said(self)
  local texts = {}
  for _, node in ipairs(self.nodes) do texts[#texts + 1] = log.everything(node.dir .. "/log") end
  return table.concat(texts, "\n")
end

local function await(self, what, fn)
  if not shell.poll(fn, 90) then error(("%s:\n%s"):format(what, said(self)), 0) end
end

local function are_healthy(self)
  local ok, status = shell.run(inside(self.nodes[1], { "ctdb", "status" }))
  return ok and select(2, status:gsub("%f[%w]OK%f[%W]", "")) >= #self.nodes
end

local function listens(address)
  return shell.run { "bash", "-c", ("exec 3<>/dev/tcp/%s/445"):format(address) }
end

local function start_servers(self)
  for _, node in ipairs(self.nodes) do shell.check(inside(node, { "ctdbd" })) end
  await(self, "the nodes do not find together", function() return are_healthy(self) end)
  local first = self.nodes[1]
  shell.check(("printf '%%s\\n%%s\\n' s3cret s3cret | %s"):format(shell.quote(inside(first,
    { "pdbedit", "-s", first.dir .. "/smb.conf", "-t", "-a", self.unix_names.bob }))))
  -- One after the other: two that claim the cluster's version at the same moment find a deadlock, and one gives up.
  for _, node in ipairs(self.nodes) do
    shell.spawn(inside(node, { "smbd", "-F", "--no-process-group", "-s", node.dir .. "/smb.conf" }),
      node.dir .. "/log/smbd")
    await(self, "a node does not listen", function() return listens(node.address) end)
  end
  await(self, "nobody has the address", function() return self:owner() end)
  await(self, "nobody listens", function() return listens(ADDRESS) end)
end

--- Starts a cluster.
-- @tparam integer count of nodes
function cluster.start(count)
  local self = setmetatable({ dir = files.directory(), nodes = {}, addresses = {} }, Cluster)
  for i = 1, count do self.addresses[i] = NETWORK .. 10 + i end
  for _, name in ipairs { "/disk", "/disk/private", "/disk/backup" } do lfs.mkdir(self.dir .. name) end
  self.unix_names = accounts.assign { bob = true }
  files.write(self.dir .. "/disk/users.map", accounts.map(self.unix_names))
  shell.check "mkdir -p /etc/ctdb /var/lib/ctdb"
  shell.check("ip link add bridge0 type bridge && ip link set bridge0 up && ip address add " .. NETWORK
    .. "1/24 dev bridge0")
  for i = 1, count do self.nodes[i] = make_node(self, i) end
  start_servers(self)
  return self
end

--- Which node has the address.
-- @treturn ?integer nil: none
function Cluster:owner()
  for i, node in ipairs(self.nodes) do
    if not node.dead and shell.check(inside(node, { "ip", "address", "show", "to", ADDRESS })) ~= "" then return i end
  end
end

--- A node loses power: all its processes die at once, and nothing on the Ethernet hears of them.
function Cluster:kill(number)
  local node = self.nodes[number]
  node.dead = true
  shell.check(("ip link set node%d down && kill -KILL %d"):format(number, node.first))
end

--- A node is taken out of service, or back into it, as its administrator would.
-- @tparam integer number
-- @tparam string what "disable" or "enable"
function Cluster:tell(number, what)
  shell.check(inside(self.nodes[number], { "ctdb", what }))
end

--- Local path of the share, or of a file in it.
function Cluster:path(name)
  return self.dir .. "/disk/backup" .. (name and "/" .. name or "")
end

--- URL of the share.
function Cluster.url()
  return ("smb://bob:s3cret@%s/backup"):format(ADDRESS)
end

--- Ends all of it.
function Cluster:stop()
  for number, node in ipairs(self.nodes) do
    if not node.dead then self:kill(number) end
  end
  shell.run "ip link delete bridge0"
  files.remove(self.dir)
end

Cluster.__close = Cluster.stop

return cluster
