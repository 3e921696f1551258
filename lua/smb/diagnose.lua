--- Finds out what works with a server and what does not: what `smb.diagnose` returns.
-- @module smb.diagnose

local connect = require "smb.connect"
local options = require "smb.options"
local reach = require "smb.reach"
local rights = require "smb.rights"
local shares = require "smb.shares"
local show = require "smb.show"

local diagnose = {}

local FAR_CLOCK = 300 -- seconds: Kerberos takes no more

-- The step that an open fails at, by its code; and what may be done.
local FAILURES = {
  host_not_found = { "resolve", "check the name, or write the address" },
  unreachable = { "connect", "check that the server is on, that its firewall lets this computer in, and the port" },
  timeout = { "connect", "the server does not answer: check firewalls on the way, and short_timeout on a slow line" },
  disconnected = { "connect", "the server hangs up: it may be full, or refuse this computer" },
  protocol = { "dialect", "the server does not offer what is required: see min_protocol, encryption and signing" },
  auth_failed = { "logon",
    "check user, password and domain; the password was tried once, so that the account is not locked" },
  share_missing = { "share", "one of those below may be meant" },
  access_denied = { "share", "this user may not use the share: the server's owner has to allow it" },
  unsupported = { "share", "this is no share for files: smb.shares says which are" },
  local_io = { "logon", "the credentials file cannot be used" },
}

local report = {}
report.__index = report

--- Adds a step. `ok` is false for what is broken.
function report:add(step, ok, value, advice)
  self.steps[#self.steps + 1] = { step = step, ok = ok, value = value, advice = advice }
  self.ok = self.ok and ok
end

-- Names and ports. ----------------------------------------------------------------------------------------------------

local function add_port(found, port, results, is_used)
  local open, closed = {}, {}
  for _, each in ipairs(results) do
    if each.port == port then
      local list = each.open and open or closed
      list[#list + 1] = each.open and each.address or ("%s (%s)"):format(each.address, each.reason)
    end
  end
  local words = {}
  if #open > 0 then words[1] = "open at " .. table.concat(open, ", ") end
  if #closed > 0 then words[#words + 1] = "closed at " .. table.concat(closed, ", ") end
  local advice
  if is_used and #open == 0 then advice = "nothing answers at this port: check the server, its firewall and the port"
  elseif is_used and #closed > 0 then advice = "not all addresses answer: a connection may take longer to be made" end
  found:add("port " .. port, #open > 0 or not is_used, table.concat(words, "; "), advice)
end

-- False where nothing answers at the port in use. A name that only NetBIOS or an lmhosts file knows is looked up with
-- the connection.
local function look_up(found, fields)
  local addresses = reach.addresses(fields.server)
  if #addresses == 0 then return true end
  found:add("resolve", true, table.concat(addresses, ", "))
  local used, ports = options.port(fields), { 445, 139 }
  if used ~= 445 and used ~= 139 then table.insert(ports, 1, used) end
  local results, is_open = reach.probe(addresses, ports), false
  for _, port in ipairs(ports) do add_port(found, port, results, port == used) end
  for _, each in ipairs(results) do is_open = is_open or each.open and each.port == used end
  return is_open
end

-- The connection. -----------------------------------------------------------------------------------------------------

local function add_failure(found, message, code)
  local failure = FAILURES[code] or { "connect", nil }
  found:add(failure[1], false, message, failure[2])
end

local HOW = { kerberos = "Kerberos", ntlm = "NTLM", anonymous = "without a name" }

local function add_connection(found, info, fields)
  local is_old = info.dialect == "NT1"
  found:add("dialect", true, info.dialect or "unknown", is_old and "SMB1 is old and unsafe: ask for a newer server"
    or nil)
  found:add("signing", true, info.signing and "yes" or "no",
    not info.signing and "messages may be changed on the way: signing = \"required\" asks for it" or nil)
  found:add("encryption", true, info.encryption and "yes" or "no",
    not info.encryption and "others on the way can read along: encryption = \"required\" asks for it" or nil)
  if info.cipher then found:add("cipher", true, info.cipher) end
  local user = info.user or fields.username or "nobody"
  local by = HOW[info.mechanism]
  found:add("logon", not info.guest, info.guest and "as a guest" or by and ("%s, %s"):format(user, by) or user,
    info.guest and "the server does not know this user: check the name" or nil)
end

local function copy_of(fields)
  local copy = {}
  for key, value in pairs(fields) do copy[key] = value end
  copy.retries, copy.connections = 0, 1
  return copy
end

local function without_share(fields)
  local copy = copy_of(fields)
  copy.share, copy.path = nil, ""
  return copy
end

-- What is shared. That it cannot be listed is no failure.
local function add_shares(found, all, message)
  local names = {}
  for _, share in ipairs(all or {}) do
    if share.type == "disk" then names[#names + 1] = share.name end
  end
  found:add("shares", true, all and table.concat(names, ", ") or message,
    not all and "the server does not list its shares, or libsmbclient may not ask: their names must be known" or nil)
end

local function add_clock(found, dest)
  local ahead = dest.info.clock_ahead or 0
  local is_far = math.abs(ahead) > FAR_CLOCK
  found:add("clock", not (is_far and dest.options.kerberos ~= "off"),
    ("%.1f s %s this computer's"):format(math.abs(ahead), ahead < 0 and "behind" or "ahead of"),
    is_far and "set the clocks: Kerberos refuses more than five minutes" or nil)
end

local function add_line(found, dest)
  local info = dest.info
  if info.round_trip then
    found:add("round trip", true, ("%.3g ms"):format(info.round_trip * 1000),
      info.round_trip > 0.02 and "small files take nine round trips each: more connections make up for it" or nil)
  end
  found:add("read size", true, ("%s negotiated, %s used"):format(show.size(info.max_read_size or 0),
    show.size(dest.options.read_buffer_size or 0)))
  found:add("write size", true, ("%s negotiated, %s used"):format(show.size(info.max_write_size or 0),
    show.size(dest.options.write_buffer_size or 0)))
  add_clock(found, dest)
end

-- The share's folder; false where there is none.
local function add_path(found, dest)
  local entry, message, code = dest:stat ""
  local path = dest.path == "" and "the share's root" or dest.path
  if entry and entry.type == "directory" then
    found:add("path", true, path)
    return true
  end
  found:add("path", false, entry and path .. " is a file" or message,
    code == "folder_missing" and "dest:mkdir(\"\") or lua-smb mkdir URL makes it" or nil)
  return false
end

local function add_room(found, dest)
  local quota, message = dest:quota()
  local is_full = quota and quota.available == 0
  local room = quota and ("%s of %s"):format(show.size(quota.available), show.size(quota.total))
  found:add("free space", not is_full, room or message,
    is_full and "the share is full: nothing can be sent" or nil)
end

local function add_resolved(found, info)
  if #found.steps == 0 then found:add("resolve", true, info.server_address or "by NetBIOS or an lmhosts file") end
end

local function look_at_server(found, fields)
  local server <close>, message, code = shares.open(without_share(fields), {})
  if not server then return add_failure(found, message, code) end
  add_resolved(found, server.info)
  local all
  all, message = shares.of(server)
  add_connection(found, server.info, fields)
  add_shares(found, all, message)
  add_clock(found, server)
end

local function look_at_share(found, fields, read_only)
  local dest <close>, message, code = connect.open(copy_of(fields), {})
  if not dest then
    add_failure(found, message, code)
    if code == "share_missing" then add_shares(found, shares.list(without_share(fields), {})) end
    return
  end
  add_resolved(found, dest.info)
  add_connection(found, dest.info, fields)
  add_shares(found, shares.list(without_share(fields), {}))
  found:add("share", true, fields.share)
  if add_path(found, dest) then
    rights.add(found, dest, read_only)
    add_room(found, dest)
  end
  add_line(found, dest)
end

--- See `smb.diagnose`. `fields` are checked, and complete.
-- @local
function diagnose.run(fields, read_only)
  local found = setmetatable({ ok = true, steps = {} }, report)
  if look_up(found, fields) then
    if fields.share then look_at_share(found, fields, read_only) else look_at_server(found, fields) end
  end
  return show.diagnosis(setmetatable(found, nil))
end

return diagnose
