--- Real, private Samba servers for specs, examples and benchmarks.
--
--     local server = require "spec.support.server"
--     local srv <close> = server.start { shares = { backup = {}, archive = { ["read only"] = "yes" } } }
--     print(srv:url("backup", "some file"))
--
-- Nothing of the system's own Samba is used or touched, no account is made, and no server outlives the Lua process.
-- Works as root and as an ordinary user; ports 445 and 139 and disks of a limited size want `spec/support/sandbox`.

local json = require "dkjson"
local lfs = require "lfs"
local accounts = require "spec.support.accounts"
local files = require "spec.support.files"
local log = require "spec.support.log"
local shell = require "spec.support.shell"

local quote = shell.quote

-- The scripts stand beside this file, wherever it was required from.
local HERE = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" or "."
if not HERE:find "^/" then
  HERE = lfs.currentdir() .. "/" .. HERE
end

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"

-- At the level of smb2, every request and every read and write leaves a line; auth_json_audit tells of every logon.
local LOG_LEVEL = "1 smb2:10 auth:3 auth_json_audit:5"

local OPTIONS = {
  address = "string", port = "number", ports = "string", global = "table", shares = "table", users = "table",
  environment = "table", size = "string", tmpfs = "boolean", as_user = "string", dir = "string", log_level = "string",
  odd_names = "string",
}

local Server = {}
Server.__index = Server

local server = {}

-- Servers that have not been stopped, by directory.
local running = {}

local function check_options(options)
  for key, value in pairs(options) do
    local wanted = OPTIONS[key]
    if not wanted then
      error("unknown option '" .. tostring(key) .. "'", 3)
    elseif type(value) ~= wanted then
      error(("option '%s': %s expected, got %s"):format(key, wanted, type(value)), 3)
    end
  end
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

-- Addresses and ports ------------------------------------------------------------------------------------------------

-- The eight groups of an IPv6 address, without its scope.
local function groups_of(address)
  local before, after = address:match "^([^%%]*)::([^%%]*)"
  local groups, tail = {}, {}
  for group in (before or address:match "^[^%%]*"):gmatch "%x+" do groups[#groups + 1] = tonumber(group, 16) end
  for group in (after or ""):gmatch "%x+" do tail[#tail + 1] = tonumber(group, 16) end
  while #groups + #tail < 8 do groups[#groups + 1] = 0 end
  return table.move(tail, 1, #tail, #groups + 1, groups)
end

-- Addresses as /proc/net/tcp has them: 32-bit words of the host's byte order.
local function kernel_address(address)
  if address:find ":" then
    local words, groups = {}, groups_of(address)
    for i = 1, 8, 2 do
      words[#words + 1] = ("%08X"):format((string.unpack("<I4", string.pack(">I2I2", groups[i], groups[i + 1]))))
    end
    return "/proc/net/tcp6", table.concat(words)
  end
  local a, b, c, d = address:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  assert(a, "address: an IP address expected")
  return "/proc/net/tcp", ("%02X%02X%02X%02X"):format(d, c, b, a)
end

-- How many sockets listen there, or there on all addresses.
local function listeners(address, port)
  local path, hex = kernel_address(address)
  local tail = (":%04X "):format(port)
  local count, seen = 0, {}
  for line in io.lines(path) do
    -- The last is the inode: the kernel shows a socket twice when others come while it is read.
    local at, state, inode = line:match "^%s*%d+: (%x+:%x+ )%x+:%x+ (%x%x) %S+ %S+ %S+%s+%d+%s+%d+ (%d+)"
    if state == "0A" and (at == hex .. tail or at == ("0"):rep(#hex) .. tail) and not seen[inode] then
      count, seen[inode] = count + 1, true
    end
  end
  return count
end

local function taken(address, port)
  return listeners(address, port) > 0
end

-- A random number of some bytes, without touching the specs' math.random.
local function random(bytes)
  local file = assert(io.open("/dev/urandom", "rb"))
  local number = string.unpack("<i" .. bytes, file:read(bytes))
  file:close()
  return number
end

-- Below the range from which the kernel takes ports for clients.
local function free_port(address)
  local port
  repeat
    port = 20000 + random(2) % 10000
  until not taken(address, port)
  return port
end

-- The ports to listen on, as smb.conf wants them.
local function choose_ports(options, address)
  if options.ports then
    return options.ports
  elseif options.port then
    return ("%d"):format(options.port)
  elseif SANDBOX and not taken(address, 445) and not taken(address, 139) then
    return "445 139"
  end
  return ("%d"):format(free_port(address))
end

-- Configuration ------------------------------------------------------------------------------------------------------

-- As a file's owner in smb.conf, so that files made through any account and files made by a spec are alike.
local function owner(srv)
  return srv.runner or accounts.self()
end

local function global_section(srv)
  local dir = srv.dir
  return {
    ["server role"] = "standalone server",
    ["netbios name"] = "LUASMB",
    ["workgroup"] = "WORKGROUP",
    ["server min protocol"] = "SMB2_02",
    ["smb ports"] = srv.ports,
    ["bind interfaces only"] = "yes",
    ["interfaces"] = srv.address:find ":" and srv.address:match "^[^%%]*" .. "/128" or srv.address .. "/8",
    ["unix charset"] = "UTF-8",
    ["map to guest"] = "never",
    ["passdb backend"] = "tdbsam:" .. dir .. "/private/passdb.tdb",
    ["username map"] = dir .. "/users.map",
    ["private dir"] = dir .. "/private",
    ["lock directory"] = dir .. "/lock",
    ["state directory"] = dir .. "/state",
    ["cache directory"] = dir .. "/cache",
    ["pid directory"] = dir .. "/run",
    ["ncalrpc dir"] = dir .. "/ncalrpc",
    -- A file for each process: lines of several connections would mix.
    ["log file"] = dir .. "/log/%d",
    ["log level"] = srv.log_level,
    ["max log size"] = "0",
    ["load printers"] = "no",
    ["printing"] = "bsd",
    ["printcap name"] = "/dev/null",
    ["disable spoolss"] = "yes",
    ["kernel oplocks"] = "no",
    -- One process serves one connection: what its log says then belongs to that connection.
    ["server multi channel support"] = "no",
    -- Attributes in permission bits: extended ones are missing on some file systems.
    ["store dos attributes"] = "no",
    ["map archive"] = "yes",
    ["map hidden"] = "yes",
    ["map system"] = "yes",
    ["map readonly"] = "yes",
    ["create mask"] = "0777",
    ["directory mask"] = "0777",
  }
end

local function share_section(srv, name)
  return {
    ["path"] = srv.dir .. "/shares/" .. name,
    ["read only"] = "no",
    ["force user"] = owner(srv),
  }
end

local function section(lines, name, defaults, overrides)
  for key, value in pairs(overrides) do
    defaults[key] = value
  end
  lines[#lines + 1] = "[" .. name .. "]"
  for _, key in ipairs(sorted_keys(defaults)) do
    lines[#lines + 1] = ("\t%s = %s"):format(key, tostring(defaults[key]))
  end
end

local function configuration(srv)
  local lines = {}
  section(lines, "global", global_section(srv), srv.global or {})
  for _, name in ipairs(sorted_keys(srv.shares)) do
    section(lines, name, share_section(srv, name), srv.shares[name])
  end
  return table.concat(lines, "\n") .. "\n"
end

-- Starting -----------------------------------------------------------------------------------------------------------

-- Another user than ourselves to run things as, or nil.
local function other_user(name)
  local me = accounts.self()
  if not name or name == me then
    return nil
  end
  assert(me == "root" or accounts.uid() == 0, "only root can start a server as another user")
  return name
end

-- A clean environment but for what the spec gives smbd: sanitizers and the like are meant for the client.
local function command(srv, words)
  local prefix = ""
  if srv.runner then
    prefix = shell.quote {
      "setpriv", "--reuid=" .. srv.runner, "--regid=" .. accounts.group(srv.runner), "--clear-groups", "--",
    } .. " "
  end
  return prefix .. ("env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin LANG=C.UTF-8 HOME=%s %s")
    :format(quote(srv.dir), quote(words))
end

local function make_base(options)
  if options.dir then
    lfs.mkdir(options.dir)
    return (options.dir:find "^/" and "" or lfs.currentdir() .. "/") .. options.dir
  end
  return files.directory()
end

-- The keeper gets a session of its own, lest Ctrl-C or a killed process group end it first.
local function start_keeper(srv)
  local words = { "setsid", "setpriv", "--pdeathsig", "TERM", HERE .. "/server-keeper", srv.dir }
  if srv.kept then
    words[#words + 1] = "keep"
  end
  srv.keeper = assert(io.popen("exec " .. quote(words) .. " >/dev/null 2>&1", "w"))
end

local function make_disk(srv, options)
  if not (options.size or options.tmpfs) then
    return
  end
  assert(SANDBOX, "size and tmpfs need spec/support/sandbox")
  local flags = "mode=0777" .. (options.size and ",size=" .. options.size or "")
  shell.check { "mount", "-t", "tmpfs", "-o", flags, "tmpfs", srv.dir .. "/shares" }
end

local function make_directories(srv, options)
  for _, name in ipairs { "private", "lock", "state", "cache", "run", "ncalrpc", "log", "shares" } do
    lfs.mkdir(srv.dir .. "/" .. name)
  end
  make_disk(srv, options)
  for name in pairs(srv.shares) do
    lfs.mkdir(srv.dir .. "/shares/" .. name)
  end
end

-- Starts smbd and waits until it listens. Else returns nil and the reason.
local function launch(srv)
  -- Samba shares ports (SO_REUSEPORT): connections would go now to one server and now to the other.
  local in_use = ("port %d of %s is taken"):format(srv.port, srv.address)
  if taken(srv.address, srv.port) then
    return nil, in_use
  end
  local smbd = { "smbd", "-F", "--no-process-group", "-s", srv.conf }
  for key, value in pairs(srv.environment or {}) do smbd = { "env", key .. "=" .. value, table.unpack(smbd) } end
  if srv.preload then
    smbd = { "env", "LD_PRELOAD=" .. srv.preload, "ODD_NAMES=" .. srv.odd_names, table.unpack(smbd) }
  end
  -- The shell that becomes smbd says who it is; without its directory, it was started too late to be wanted.
  local line = ("umask 022; ulimit -c 0; echo $$ >%s && exec %s"):format(
    quote(srv.dir .. "/pid"), command(srv, smbd))
  srv.pid = shell.spawn(line, srv.dir .. "/log/output")
  shell.poll(function()
    return taken(srv.address, srv.port) or not shell.alive(srv.pid)
  end, 120)
  if listeners(srv.address, srv.port) > 1 then
    return nil, in_use
  elseif shell.alive(srv.pid) and taken(srv.address, srv.port) then
    return srv
  end
  return nil, "smbd did not start:\n" .. log.everything(srv.dir .. "/log")
end

-- For sh: gives an account, a new one or not, its password.
local function set_password(srv, name, password)
  local add = command(srv, { "pdbedit", "-s", srv.conf, "-t", "-a", name })
  return ("printf '%%s\\n%%s\\n' %s %s | %s"):format(quote(password), quote(password), add)
end

local function add_accounts(srv, passwords)
  local commands = {}
  for name, password in pairs(passwords) do commands[#commands + 1] = set_password(srv, name, password) end
  if #commands > 0 then
    shell.check(table.concat(commands, " && "))
  end
end

-- A library that stands between smbd and its file system.
local function make_preload(srv)
  srv.preload = srv.dir .. "/odd_names.so"
  shell.check {
    "cc", "-shared", "-fPIC", "-O1", "-fno-sanitize=all", "-o", srv.preload, HERE .. "/odd_names.c", "-lutf8proc",
    "-ldl",
  }
end

-- Writes all that smbd needs to find.
local function prepare(srv, options)
  make_directories(srv, options)
  files.write(srv.conf, configuration(srv))
  files.write(srv.dir .. "/users.map", accounts.map(srv.unix_names))
  if srv.odd_names then
    make_preload(srv)
  end
  if srv.runner then
    shell.check { "chown", "-R", srv.runner .. ":" .. accounts.group(srv.runner), srv.dir }
  end
  local passwords = {}
  for name, password in pairs(srv.users) do
    passwords[srv.unix_names[name]] = password
  end
  -- Samba checks access by SID; nobody, being its guest, has two of them unless there is an SMB account as well.
  local name = owner(srv)
  if name ~= "root" and not passwords[name] then
    passwords[name] = ("%016x"):format(random(8))
  end
  add_accounts(srv, passwords)
end

-- A port that was free a moment ago may be taken: the choice is repeated when it was ours.
local function try(options)
  local srv = setmetatable({
    address = options.address or "127.0.0.1",
    shares = options.shares or { backup = {} },
    users = options.users or { bob = "s3cret" },
    log_level = options.log_level or LOG_LEVEL,
    runner = other_user(options.as_user),
    odd_names = options.odd_names,
    kept = options.dir ~= nil,
  }, Server)
  srv.user = srv.users.bob and "bob" or sorted_keys(srv.users)[1]
  srv.password = srv.users[srv.user]
  srv.unix_names = accounts.assign(srv.users)
  srv.ports = choose_ports(options, srv.address)
  srv.port = math.tointeger(tonumber(srv.ports:match "%d+"))
  srv.dir = make_base(options)
  srv.conf = srv.dir .. "/smb.conf"
  srv.global, srv.environment = options.global, options.environment
  start_keeper(srv)
  running[srv.dir] = srv
  local ok, result, reason = pcall(function()
    prepare(srv, options)
    srv:mark()
    return launch(srv)
  end)
  if ok and result then
    return srv
  end
  srv:stop()
  return nil, reason or result
end

--- Starts a server.
--
-- Options, all optional:
--
-- * `address`: "127.0.0.1"; any address of this computer. One with a scope, "fe80::1%eth0", wants `global` with
--   `["bind interfaces only"] = "no"`
-- * `port`: in the sandbox 445 (and 139) unless taken, else a free one. On port 139 clients speak NetBIOS sessions
-- * `ports`: several, such as "445 139"; the first is `srv.port`
-- * `global`: lines for smb.conf's [global], `{ ["server smb encrypt"] = "required" }`
-- * `shares`: lines for each share by its name; default `{ backup = {} }`. Shares can be written to
-- * `users`: passwords by user name; default `{ bob = "s3cret" }`
-- * `environment`: variables that smbd gets, `{ LD_PRELOAD = ... }`
-- * `size`: puts all shares on a disk of that size in memory, such as "4m" (sandbox only)
-- * `tmpfs`: true puts the shares in memory (sandbox only)
-- * `as_user`: runs the server as this ordinary user, when we are root
-- * `dir`: directory for everything; it then stays after `stop`. Default: a fresh one below TMPDIR that goes
-- * `odd_names`: runs on a file system with names of its own: "nfd" or a length, see odd_names.c
-- * `log_level`: as in smb.conf. "0" suits benchmarks; `requests`, `reads`, `writes` and `logons` need the default
--
-- @tparam[opt] table options
-- @return the server; raises when it does not start
function server.start(options)
  options = options or {}
  check_options(options)
  local attempts = (options.port or options.ports) and 1 or 3
  local reason
  for _ = 1, attempts do
    local srv
    srv, reason = try(options)
    if srv then
      return srv
    end
  end
  error(reason, 2)
end

--- Stops all servers of this Lua state that still run.
function server.stop_all()
  for _, srv in pairs(running) do
    srv:stop()
  end
end

-- Ending and disturbing ----------------------------------------------------------------------------------------------

local function signal(srv, name, only)
  shell.check { HERE .. "/kill-server", srv.conf, name, only }
end

--- Ends the server and removes its files. Returns when both are gone; may be called again.
function Server:stop()
  if running[self.dir] == self then
    running[self.dir] = nil
    self.keeper:write "stop\n"
    -- Waits for the keeper, which waits for the processes.
    self.keeper:close()
  end
end

Server.__close = Server.stop

-- Registered after the keeper's pipe, hence called before that is closed when Lua ends.
Server.__gc = function(self)
  if self.keeper then
    self:stop()
  end
end

--- Kills all of the server's processes at once, as a crash would. Its files stay; `restart` brings it back.
function Server:kill()
  signal(self, "KILL")
end

--- Halts all of the server's processes: it keeps its connections and answers nothing.
function Server:pause()
  signal(self, "STOP")
end

--- Lets a halted server go on.
function Server:resume()
  signal(self, "CONT")
end

--- Kills the processes that serve connections; new connections are served as ever.
function Server:disconnect()
  signal(self, "KILL", "connections")
end

--- Ends the server, if it runs, and starts it again: same port, same files, same accounts.
function Server:restart()
  self:kill()
  -- On a busy machine processes that were killed take a moment to go.
  shell.poll(function() return not taken(self.address, self.port) end)
  local ok, reason = launch(self)
  if not ok then
    error(reason, 2)
  end
end

--- Changes lines of smb.conf for a share. In force when this returns; those who are connected to it have to open it
-- anew.
function Server:change(share, settings)
  for key, value in pairs(settings) do
    self.shares[share][key] = value
  end
  files.write(self.conf, configuration(self))
  for _, words in ipairs { { "reload-config" }, { "close-share", share } } do
    shell.check(command(self, { "smbcontrol", "-s", self.conf, "smbd", table.unpack(words) }))
  end
end

-- Places -------------------------------------------------------------------------------------------------------------

local function encode(text, keep)
  return (text:gsub("[^%w._~" .. (keep or "") .. "-]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end))
end

--- Local path of a share, or of a file in it.
function Server:path(share, name)
  return self.dir .. "/shares/" .. (share or "backup") .. (name and "/" .. name or "")
end

--- URL of the server, a share or a file, with user and password.
-- @tparam[opt] string share
-- @tparam[opt] string path below the share, with "/" between its parts
-- @tparam[opt] table query options for the URL
function Server:url(share, path, query)
  local host = self.address:find ":" and "[" .. self.address:gsub("%%", "%%25") .. "]" or self.address
  local url = ("smb://%s:%s@%s"):format(encode(self.user), encode(self.password), host)
  url = url .. (self.port == 445 and "" or ":" .. self.port)
  if share then
    url = url .. "/" .. encode(share)
  end
  if path then
    url = url .. "/" .. encode(path, "/")
  end
  local pairs_of = {}
  for _, key in ipairs(sorted_keys(query or {})) do
    pairs_of[#pairs_of + 1] = encode(key) .. "=" .. encode(tostring(query[key]))
  end
  return url .. (#pairs_of > 0 and "?" .. table.concat(pairs_of, "&") or "")
end

--- Table of what a client needs to connect.
-- @tparam[opt] table extra more fields, or others
function Server:fields(extra)
  local fields = {
    server = self.address, share = self.shares.backup and "backup" or sorted_keys(self.shares)[1], port = self.port,
    username = self.user, password = self.password, transport = self.port == 139 and "netbios" or "directtcp",
  }
  for key, value in pairs(extra or {}) do
    fields[key] = value
  end
  return fields
end

-- Looking in ---------------------------------------------------------------------------------------------------------

--- What `smbstatus` tells, as a table: `sessions`, `tcons`, `open_files` and more, each by an id.
-- `username` is the SMB user's name; the Unix account that stands for it is `unix_username`.
function Server:status()
  local words = { "smbstatus", "-s", self.conf, "-j" }
  if owner(self) ~= "root" then
    -- It refuses to work for anybody else, but asks no further than for the user's number.
    words = { "unshare", "-r", table.unpack(words) }
  end
  local status = assert(json.decode(shell.check(command(self, words) .. " 2>/dev/null")))
  for _, key in ipairs { "sessions", "tcons", "open_files" } do
    status[key] = status[key] or {}
  end
  local names = {}
  for name, unix_name in pairs(self.unix_names) do
    names[unix_name] = name
  end
  for _, session in pairs(status.sessions) do
    session.unix_username = session.username
    session.username = names[session.username] or session.username
  end
  return status
end

--- The Unix account that stands for an SMB user, as smb.conf's `valid users` and its like want it.
function Server:unix_name(user)
  return self.unix_names[user]
end

--- Changes an account: "disabled", "locked", "expired", "mustchange", or "normal" again.
function Server:account(user, state)
  local name = assert(self.unix_names[user], "no such user")
  for _, words in ipairs(accounts.changes(state, name, self.conf)) do
    shell.check(command(self, words))
  end
end

--- Gives a user another password. Who is logged on stays so; `fields` and `url` go on with the first one.
function Server:set_password(user, password)
  shell.check(set_password(self, assert(self.unix_names[user], "no such user"), password))
end

--- Makes the readers below forget what was logged until now.
function Server:mark()
  self.since = log.mark(self.dir .. "/log")
end

--- Text of the server's log since the mark, process after process.
function Server:log()
  return log.text(self.dir .. "/log", self.since)
end

local function read_log(srv, reader)
  assert(srv.log_level == LOG_LEVEL, "this needs the default log_level")
  return reader(srv.dir .. "/log", srv.since)
end

--- Counts the requests that the server got while fn ran.
-- @tparam function fn
-- @treturn table by command: create, close, read, write, flush, getinfo, setinfo, find, tcon, tdis, sesssetup, logoff,
-- negprot, ioctl, keepalive, lock, notify, cancel, `break`; 0 for those that did not occur. And `total`
-- @return what fn returned
function Server:requests(fn)
  assert(self.log_level == LOG_LEVEL, "this needs the default log_level")
  local since = log.mark(self.dir .. "/log")
  local results = table.pack(fn())
  return log.requests(self.dir .. "/log", since), table.unpack(results, 1, results.n)
end

--- Reads that the server did since the mark: a list of `{ file =, offset =, length =, done =, process =, time = }`,
-- process after process; each of these serves one connection. Times are text and can be compared.
function Server:reads()
  return read_log(self, log.reads)
end

--- Writes that the server did since the mark: a list like that of `reads`.
function Server:writes()
  return read_log(self, log.writes)
end

--- Logons since the mark.
-- @treturn integer attempts
-- @treturn integer failures
-- @treturn table a list of `{ user =, status = "NT_STATUS_OK" }`
function Server:logons()
  return read_log(self, log.logons)
end

return server
