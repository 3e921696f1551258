--- A real Active Directory domain for specs: a domain controller and a member server, with Kerberos, in this sandbox.
--
--     local domain = require "spec.support.domain"
--     local missing = domain.missing() -- why it cannot be had here: it needs root, the sandbox and Samba's packages
--     local ad = domain.start()
--     ad:kinit("bob", { cache = "FILE:/run/cc" })
--     smb.open(domain.fields("files", { username = "bob", kerberos = "required", ccache = "FILE:/run/cc" }))
--
-- Realm LUASMB.TEST, domain LUASMB. Each server has a share "backup" that everybody may write, and "open" for guests as
-- well:
--
-- * dc.luasmb.test, 10.53.57.10: the domain controller, thus the KDC
-- * files.luasmb.test, 10.53.57.11: a member; alias.luasmb.test is the same server, by a name that it has no key for
--
-- The users (spec/support/domain-accounts.py makes them) all have the password `ad.password`. Nothing of the system's
-- is changed: /etc is a copy, and all servers end with the sandbox. A domain that was made once is kept below BUILD.

local lfs = require "lfs"
local accounts = require "spec.support.accounts"
local files = require "spec.support.files"
local log = require "spec.support.log"
local shell = require "spec.support.shell"

local HERE = lfs.currentdir() .. "/spec/support"
local BUILD = os.getenv "BUILD" or "build"

local REALM, WORKGROUP, SUFFIX = "LUASMB.TEST", "LUASMB", ".luasmb.test"
local ADMIN = "Adm1n-pass"
local ADDRESSES = { dc = "10.53.57.10", files = "10.53.57.11" }
local MEMBERS = { "files" }

-- Nobody is there: connections are refused.
local REFUSING = "10.53.57.20"

-- A realm that the domain does not know, OTHER.TEST.
local OTHER = "10.53.57.22"

local Domain = {}
Domain.__index = Domain

local domain = {}

--- An address for a server that is silent.
domain.SILENT = "10.53.57.21"

local PROGRAMS = { ["samba-tool"] = "samba-ad-dc", samba = "samba-ad-dc", winbindd = "winbind", kinit = "krb5-user",
  krb5kdc = "krb5-kdc", ["kadmin.local"] = "krb5-admin-server", faketime = "faketime" }

--- Why there can be no domain here.
-- @treturn ?string nil where there can be one
function domain.missing()
  if os.getenv "LUA_SMB_SANDBOX" ~= "1" or accounts.uid() ~= 0 then return "needs root and spec/support/sandbox" end
  for program, package in pairs(PROGRAMS) do
    if not shell.run { "sh", "-c", "command -v " .. program } then return "needs the package " .. package end
  end
  if not lfs.attributes "/usr/share/samba/setup/ad-schema" then return "needs the package samba-ad-provision" end
end

-- Configuration ------------------------------------------------------------------------------------------------------

local function directories(dir)
  local lines = {}
  for key, name in pairs { ["private dir"] = "private", ["lock directory"] = "lock", ["state directory"] = "state",
    ["cache directory"] = "cache", ["pid directory"] = "run", ["ncalrpc dir"] = "ncalrpc" } do
    lines[#lines + 1] = ("\t%s = %s/%s"):format(key, dir, name)
  end
  return table.concat(lines, "\n")
end

local COMMON = [[
[global]
	netbios name = %s
	realm = %s
	workgroup = %s
	interfaces = %s
	bind interfaces only = yes
	log level = 1 auth_json_audit:5
	log file = %s/log/%s
	max log size = 0
	load printers = no
	disable spoolss = yes
	printcap name = /dev/null
%s
%s
[backup]
	path = %s/shares/backup
	read only = no
[open]
	path = %s/shares/backup
	read only = no
	guest ok = yes
]]

local ROLES = {
  dc = [[
	server role = active directory domain controller
	server services = s3fs, rpc, nbt, ldap, cldap, kdc, winbindd, kcc, dns
	idmap_ldb:use rfc2307 = yes
	dns update command = /bin/true
	ntp signd socket directory = %s/ntp
	tls enabled = no
	ldap server require strong auth = no]],
  member = [[
	server role = member server
	security = ADS
	smb ports = 445
	password server = 10.53.57.10
	idmap config * : backend = autorid
	idmap config * : range = 100000-999999
	winbind use default domain = yes
	winbind reconnect delay = 1
	kerberos method = secrets only
	map to guest = never
	disable netbios = yes]],
}

local function configure(ad, name, more)
  local dir = ad.dir .. "/" .. name
  local role = (name == "dc" and ROLES.dc:format(dir) or ROLES.member) .. (more and "\n\t" .. more or "")
  local own_log = name == "dc" and "1" or "%d" -- the program samba knows no %d
  files.write(dir .. "/smb.conf", COMMON:format(name, REALM, WORKGROUP, ADDRESSES[name], dir, own_log, role,
    directories(dir), dir, dir))
end

local KRB5 = [[
[libdefaults]
	default_realm = %s
	dns_lookup_kdc = false
	dns_lookup_realm = false
	rdns = false
	dns_canonicalize_hostname = false
[realms]
	LUASMB.TEST = {
		kdc = %s
	}
	OTHER.TEST = {
		kdc = 10.53.57.22
	}
[domain_realm]
	.luasmb.test = LUASMB.TEST
	luasmb.test = LUASMB.TEST
]]

--- Writes /etc/krb5.conf; what is opened from now on reads it.
-- @tparam[opt] table options `kdc`: "dc", the default, "refusing" or "silent"; `realm`: the default realm
function domain.krb5(options)
  options = options or {}
  local kdc = ({ refusing = REFUSING, silent = domain.SILENT })[options.kdc] or ADDRESSES.dc
  files.write("/etc/krb5.conf", KRB5:format(options.realm or REALM, kdc))
end

-- A copy of /etc, in this sandbox only: names, and no other way to find them.
local function furnish(ad)
  shell.check(("cp -a /etc %s/etc && mount --bind %s/etc /etc"):format(ad.dir, ad.dir))
  local hosts = { "127.0.0.1 localhost", "10.53.57.11 alias" .. SUFFIX }
  for name, address in pairs(ADDRESSES) do hosts[#hosts + 1] = ("%s %s%s %s"):format(address, name, SUFFIX, name) end
  shell.check "rm -f /etc/hosts /etc/resolv.conf /etc/nsswitch.conf /etc/krb5.conf"
  files.write("/etc/hosts", table.concat(hosts, "\n") .. "\n")
  files.write("/etc/resolv.conf", "search luasmb.test\nnameserver 10.53.57.10\noptions timeout:1 attempts:1\n")
  files.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
  files.write(ad.dir .. "/member-nsswitch.conf", "passwd: files winbind\ngroup: files winbind\nhosts: files dns\n")
  domain.krb5()
  for _, address in ipairs { ADDRESSES.dc, ADDRESSES.files, REFUSING, domain.SILENT, OTHER } do
    shell.check { "ip", "address", "add", address .. "/24", "dev", "lo" }
  end
end

-- Servers ------------------------------------------------------------------------------------------------------------

local function make_directories(dir)
  lfs.mkdir(dir)
  for _, name in ipairs { "private", "lock", "state", "cache", "run", "ncalrpc", "log", "samba", "ntp", "shares",
    "shares/backup" } do
    lfs.mkdir(dir .. "/" .. name)
  end
  shell.check { "chmod", "777", dir .. "/shares/backup" }
  shell.check { "chmod", "750", dir .. "/ntp" }
end

-- Starts a command in the place of one server: /run/samba is that server's.
local function spawn(ad, name, command)
  local dir = ad.dir .. "/" .. name
  local mounts = ("mount --bind %s/samba /run/samba"):format(dir)
  if name ~= "dc" then
    mounts = mounts .. (" && mount --bind %s/member-nsswitch.conf /etc/nsswitch.conf"):format(ad.dir)
  end
  local words = { "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" .. dir,
    "unshare", "-m", "sh", "-c", mounts .. ' && exec "$@"', "sh", "env", "LD_PRELOAD=" .. ad.faketime,
    "FAKETIME_TIMESTAMP_FILE=" .. ad.dir .. "/clock", "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
    "NO_FAKE_STAT=1" }
  table.move(command, 1, #command, #words + 1, words)
  return shell.spawn(words, dir .. "/log/output")
end

local function listens(address, port)
  return shell.run(("exec 3<>/dev/tcp/%s/%d"):format(address, port):gsub("^", "bash -c '") .. "' 2>/dev/null")
end

local function await(ad, name, ...)
  for _, port in ipairs { ... } do
    assert(shell.poll(function() return listens(ADDRESSES[name], port) end, 30),
      ("%s does not listen on port %d:\n%s"):format(name, port, log.everything(ad.dir .. "/" .. name .. "/log")))
  end
end

local function start_dc(ad)
  local conf = ad.dir .. "/dc/smb.conf"
  ad.pids.dc = { spawn(ad, "dc", { "samba", "-s", conf, "-M", "single", "-F", "--no-process-group" }) }
  await(ad, "dc", 88, 389, 445)
end

local function start_member(ad, name)
  local both = 'winbindd -F --no-process-group -s "$1" & exec smbd -F --no-process-group -s "$1"'
  ad.pids[name] = { spawn(ad, name, { "sh", "-c", both, "sh", ad.dir .. "/" .. name .. "/smb.conf" }) }
end

-- Whether a member's winbindd has logged on: before that it says that there are no logon servers.
local function has_joined(ad, name)
  local _, list = ad:attempts()
  for _, event in ipairs(list) do
    if event.service == "NETLOGON" and event.user == name:upper() .. "$" then return true end
  end
end

local KDC = [[
[kdcdefaults]
	kdc_listen = %s:88
	kdc_tcp_listen = %s:88
[realms]
	OTHER.TEST = {
		database_name = %s/principal
		key_stash_file = %s/stash
		acl_file = /dev/null
	}
[logging]
	kdc = FILE:%s/log
]]

-- A KDC of its own, MIT's, with the one user bob.
local function start_other(ad)
  local dir = ad.dir .. "/other"
  local env = { "env", "KRB5_KDC_PROFILE=" .. dir .. "/kdc.conf" }
  lfs.mkdir(dir)
  files.write(dir .. "/kdc.conf", KDC:format(OTHER, OTHER, dir, dir, dir))
  shell.check(shell.quote(env) .. " kdb5_util -r OTHER.TEST create -s -P " .. ADMIN)
  shell.check(shell.quote(env) .. (" kadmin.local -r OTHER.TEST -q 'addprinc -pw %s bob'"):format(ad.password))
  ad.pids.other = { shell.spawn(shell.quote(env) .. " krb5kdc -r OTHER.TEST -n", dir .. "/output") }
  assert(shell.poll(function() return listens(OTHER, 88) end, 10), "the other KDC does not start")
end

-- All processes of a server, however they came about, by their session.
local function signal(ad, name, which)
  for _, session in ipairs(ad.pids[name] or {}) do
    shell.run { "pkill", "-" .. which, "-s", tostring(session) }
  end
end

-- Making -------------------------------------------------------------------------------------------------------------

local function provision(ad)
  local dir, conf = ad.dir .. "/dc", ad.dir .. "/dc/smb.conf"
  os.remove(conf) -- it has to be made, then is replaced
  shell.check { "samba-tool", "domain", "provision", "--server-role=dc", "--use-rfc2307", "--realm=" .. REALM,
    "--domain=" .. WORKGROUP, "--adminpass=" .. ADMIN, "--host-name=dc", "--host-ip=" .. ADDRESSES.dc,
    "--dns-backend=SAMBA_INTERNAL", "--targetdir=" .. dir, "--option=interfaces=" .. ADDRESSES.dc,
    "--option=bind interfaces only=yes" }
  configure(ad, "dc")
  shell.check { "samba-tool", "domain", "passwordsettings", "set", "-s", conf, "--complexity=off", "--history-length=0",
    "--min-pwd-age=0", "--account-lockout-threshold=3", "--account-lockout-duration=30",
    "--reset-account-lockout-after=30" }
  shell.check { "/usr/bin/python3", HERE .. "/domain-accounts.py", conf, ad.password }
  start_dc(ad)
  for _, name in ipairs(MEMBERS) do
    shell.check { "net", "ads", "join", "-U", "administrator%" .. ADMIN, "-s", ad.dir .. "/" .. name .. "/smb.conf",
      "--no-dns-updates" }
  end
  signal(ad, "dc", "KILL")
  shell.poll(function() return not listens(ADDRESSES.dc, 88) end)
end

local KEPT = "dc/private dc/state files/private"

-- What was made before is taken again: it belongs to this Samba and these accounts.
local function make_or_restore(ad)
  local sum = shell.check(("cd %s && { smbd --version; cat domain.lua domain-accounts.py; } | sha256sum"):format(HERE))
  local kept = ("%s/domain-%s.tar.gz"):format(BUILD, sum:sub(1, 16))
  shell.check { "mkdir", "-p", BUILD }
  if lfs.attributes(kept) then
    shell.check(("tar -C %s --xattrs --xattrs-include='*' -xzf %s"):format(ad.dir, shell.quote(kept)))
    return
  end
  provision(ad)
  local own = ("%s.%s"):format(kept, ad.dir:match "[^/]*$")
  shell.check(("find %s -type s -delete; rm -f %s/domain-*.tar.gz"):format(ad.dir, shell.quote(BUILD)))
  shell.check(("tar -C %s --xattrs --xattrs-include='*' -czf %s %s && mv %s %s")
    :format(ad.dir, shell.quote(own), KEPT, shell.quote(own), shell.quote(kept)))
end

--- Starts the domain. There can be one in a sandbox.
-- @return the domain: `password`, `realm`, `dir`
function domain.start()
  local ad = setmetatable({ dir = files.directory(), password = "Us3r-pass", realm = REALM, pids = {} }, Domain)
  shell.check { "chmod", "755", ad.dir }
  ad.faketime = shell.check { "faketime", "-f", "+0s", "printenv", "LD_PRELOAD" }:match "[^:%s]+"
  ad:set_clock(0)
  furnish(ad)
  for name in pairs(ADDRESSES) do
    make_directories(ad.dir .. "/" .. name)
    configure(ad, name)
  end
  make_or_restore(ad)
  ad:boot()
  start_other(ad)
  return ad
end

--- Sets all servers' clocks so many seconds ahead of ours.
function Domain:set_clock(seconds)
  files.write(self.dir .. "/clock", ("%+d"):format(seconds))
end

--- Has the domain controller started anew with a further line in its smb.conf, or without.
function Domain:reconfigure(line)
  configure(self, "dc", line)
  self:halt()
  self:boot()
end

--- Starts all servers, after `halt`.
function Domain:boot()
  self:mark()
  start_dc(self)
  for _, name in ipairs(MEMBERS) do start_member(self, name) end
  for _, name in ipairs(MEMBERS) do
    await(self, name, 445)
    assert(shell.poll(function() return has_joined(self, name) end, 30), name .. " does not find the domain controller")
  end
  self:mark()
end

--- Ends the domain controller: its address refuses connections.
function Domain:halt_controller()
  signal(self, "dc", "KILL")
  assert(shell.poll(function() return not listens(ADDRESSES.dc, 445) end), "dc does not end")
end

--- Starts it again.
function Domain:boot_controller()
  start_dc(self)
end

--- Ends all servers at once.
function Domain:halt()
  for name in pairs(ADDRESSES) do signal(self, name, "KILL") end
  for name, address in pairs(ADDRESSES) do
    assert(shell.poll(function() return not listens(address, 445) end), name .. " does not end")
  end
end

--- Ends the processes of a member that serve connections. Newer ones call themselves "smbd[ADDRESS]".
function Domain:disconnect(name)
  local listener = shell.check { "pgrep", "-o", "-x", "-s", tostring(self.pids[name][1]), "smbd" }:match "%d+"
  for pid in shell.check(("pgrep -P %s '^smbd' || true"):format(listener)):gmatch "%d+" do
    if shell.run(("ss -tnpH 'sport = :445' | grep -q pid=%s,"):format(pid)) then
      shell.kill(pid, "KILL")
      assert(shell.poll(function() return not shell.alive(math.tointeger(tonumber(pid))) end))
    end
  end
end

--- Halts all processes of a server ("STOP"), or lets them go on ("CONT").
function Domain:signal(name, which)
  signal(self, name, which)
end

--- Ends the domain.
function Domain:stop()
  self:halt()
  signal(self, "other", "KILL")
  shell.check { "umount", "-l", "/etc" }
end

-- Clients ------------------------------------------------------------------------------------------------------------

--- Table of what a client needs to connect to a server by its name.
-- @tparam string name "dc", "files" or "alias"
-- @tparam[opt] table extra more fields, or others
function domain.fields(name, extra)
  local fields = { server = name .. SUFFIX, share = "backup", retries = 0 }
  for key, value in pairs(extra or {}) do fields[key] = value end
  return fields
end

--- Local path of a file on a server's share.
function Domain:path(server, name)
  return ("%s/%s/shares/backup/%s"):format(self.dir, server, name)
end

--- Gets a ticket. Each user's password is the same.
-- @tparam string user
-- @tparam table options `cache`; `life`: "10m"; `keytab`: a file to use instead of the password
function Domain:kinit(user, options)
  local words = { "kinit", "-c", options.cache }
  if options.life then words[#words + 1], words[#words + 2] = "-l", options.life end
  if options.keytab then
    table.move({ "-k", "-t", options.keytab, user }, 1, 4, #words + 1, words)
    shell.check(words)
  else
    words[#words + 1] = user
    shell.check(("printf '%%s\\n' %s | %s"):format(shell.quote(self.password), shell.quote(words)))
  end
  return options.cache
end

--- Makes a keytab for a user.
function Domain:keytab(user)
  local path = self.dir .. "/" .. user .. ".keytab"
  shell.check { "samba-tool", "domain", "exportkeytab", path, "--principal=" .. user, "-s", self.dir .. "/dc/smb.conf" }
  return path
end

--- Disables an account, or enables it again.
function Domain:enable(user, on)
  shell.check { "samba-tool", "user", on and "enable" or "disable", user, "-s", self.dir .. "/dc/smb.conf" }
end

--- Makes `attempts` forget what was logged until now.
function Domain:mark()
  self.since = {}
  for name in pairs(ADDRESSES) do self.since[name] = log.mark(self.dir .. "/" .. name .. "/log") end
end

--- Uses of a password that the domain controller has counted since the mark, by NTLM and by Kerberos.
-- @treturn integer wrong passwords
-- @treturn table of all logons `{ user =, status =, service = }`
function Domain:attempts()
  local _, _, list = log.logons(self.dir .. "/dc/log", self.since.dc)
  local wrong = 0
  for _, event in ipairs(list) do wrong = wrong + (event.status == "NT_STATUS_WRONG_PASSWORD" and 1 or 0) end
  return wrong, list
end

--- Logons that a server has seen since the mark.
-- @treturn table `{ user =, status = }`
function Domain:logons(server)
  local _, _, list = log.logons(self.dir .. "/" .. server .. "/log", self.since[server])
  return list
end

return domain
