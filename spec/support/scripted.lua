-- scripted.lua FILE: an SMB2 server of our own, whose answers a script decides: the Lua code in FILE, which gets the
-- server as its argument and changes what is in it. Prints the port of 127.0.0.1 that it listens at, and ends with its
-- standard input. Enough of MS-SMB2 for a client that logs on anonymously, for one share of any name, whose files are
-- in memory.
--
--     local server = ...
--     server.files["a file"] = "content"; server.files["a folder"] = { inside = "content" }
--     server.answer.READ = function(reply, request) reply.body = ... end
--
-- What a script may change: the fields of `server` below, and `credits`; `server.listing`; and for each command a
-- function that gets the reply (`status`, `body`, `command`, `credits`, and `before`, `after`: frames) before it is
-- sent. It returns false for no reply at all.

local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local pack, unpack = string.pack, string.unpack

local COMMANDS = { [0] = "NEGOTIATE", "SESSION_SETUP", "LOGOFF", "TREE_CONNECT", "TREE_DISCONNECT", "CREATE", "CLOSE",
  "FLUSH", "READ", "WRITE", "LOCK", "IOCTL", "CANCEL", "ECHO", "QUERY_DIRECTORY", "CHANGE_NOTIFY", "QUERY_INFO",
  "SET_INFO", "OPLOCK_BREAK" }
local HEADER = 64
local FOLDER, FILE = 0x10, 0x20
local OK, MORE_PROCESSING, NO_MORE_FILES, INVALID_INFO_CLASS = 0, 0xc0000016, 0x80000006, 0xc0000003
local NO_SUCH_FILE, NAME_NOT_FOUND, PATH_NOT_FOUND = 0xc000000f, 0xc0000034, 0xc000003a
local COLLISION, IS_FOLDER, NO_FOLDER, END_OF_FILE = 0xc0000035, 0xc00000ba, 0xc0000103, 0xc0000011
local FILE_CLOSED, NOT_SUPPORTED, NOT_EMPTY = 0xc0000128, 0xc00000bb, 0xc0000101
local NOW = 133500000000000000 -- FILETIME

local server = {
  dialect = 0x0210, max_transact = 65536, max_read = 65536, max_write = 65536, time = NOW,
  files = {},
  port = 0, -- 0: any that is free
  session = "\x82\0\0\0", -- the answer to a client that asks for a NetBIOS session (RFC 1002 4.3)
  answer = {},
}

-- Text ----------------------------------------------------------------------------------------------------------------

--- UTF-16 for UTF-8.
function server.utf16(text)
  local units = {}
  for _, c in utf8.codes(text) do
    units[#units + 1] = c < 0x10000 and pack("<I2", c)
      or pack("<I2I2", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff))
  end
  return table.concat(units)
end

local function utf8_of(text)
  local codes, at = {}, 1
  while at < #text do
    local unit
    unit, at = unpack("<I2", text, at)
    if unit >= 0xd800 and unit < 0xdc00 and at < #text then
      local low
      low, at = unpack("<I2", text, at)
      unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
    end
    codes[#codes + 1] = utf8.char(unit)
  end
  return table.concat(codes)
end

-- The logon: SPNEGO with NTLM in it, which proves nothing and is believed --------------------------------------------

local function der(tag, ...)
  local content = table.concat { ... }
  local length = #content < 128 and pack("B", #content) or pack(">BI2", 0x82, #content)
  return pack("B", tag) .. length .. content
end

local NTLM = "\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"
local SPNEGO = "\x06\x06\x2b\x06\x01\x05\x05\x02"
local OFFER = der(0x60, SPNEGO, der(0xa0, der(0x30, der(0xa0, der(0x30, NTLM)))))

local function challenge()
  local name = server.utf16 "SCRIPTED"
  local info = pack("<I2I2", 2, #name) .. name .. pack("<I2I2", 1, #name) .. name .. pack("<I2I2", 0, 0)
  local flags = 0xe2828215 -- as Samba's own
  local head = 56
  local ntlm = "NTLMSSP\0" .. pack("<I4I2I2I4I4", 2, #name, #name, head, flags) .. "12345678" .. ("\0"):rep(8)
    .. pack("<I2I2I4", #info, #info, head + #name) .. "\6\1\0\0\0\0\0\15" .. name .. info
  return der(0xa1, der(0x30, der(0xa0, "\x0a\x01\x01"), der(0xa1, NTLM), der(0xa2, der(0x04, ntlm))))
end

local ACCEPTED = der(0xa1, der(0x30, der(0xa0, "\x0a\x01\x00")))

-- Files ---------------------------------------------------------------------------------------------------------------

local function is_folder(node) return type(node) == "table" end

-- Where a path leads: its folder, its last part and what is there.
local function find(path)
  local folder, last, node = nil, "", server.files
  for part in path:gmatch "[^\\]+" do
    if not is_folder(node) then return nil end
    folder, last, node = node, part, node[part]
  end
  return folder, last, node
end

--- A file as listings have it, FileIdBothDirectoryInformation (MS-FSCC 2.4.17), by `name`, or `utf16`, `size`, `folder`
-- and `time`.
function server.entry(e)
  local name = e.utf16 or server.utf16(e.name)
  local time, attributes = e.time or NOW, e.attributes or (e.folder and FOLDER or FILE)
  return pack("<I4I4jjjjjjI4I4I4BB", 0, 0, time, time, time, time, e.size or 0, e.size or 0, attributes,
    e.name_length or #name, 0, 0, 0) .. ("\0"):rep(24) .. pack("<I2I8", 0, e.id or 0) .. name
end

--- Entries in a row, each with the distance to the next one.
function server.batch(entries)
  local parts = {}
  for i, e in ipairs(entries) do
    if type(e) == "table" then e = server.entry(e) end
    e = e .. ("\0"):rep(-#e % 8)
    parts[i] = i < #entries and pack("<I4", #e) .. e:sub(5) or e
  end
  return table.concat(parts)
end

--- What is in a folder, as a list of entries; nil: it is at its end. A script may have another.
-- @param node a table, the folder
-- @tparam string path
-- @tparam integer turn how often it was asked by this handle
function server.listing(node, _, turn)
  if turn > 1 then return nil end
  local list = { { name = ".", folder = true }, { name = "..", folder = true } }
  for name, each in pairs(node) do
    list[#list + 1] = { name = name, folder = is_folder(each), size = not is_folder(each) and #each or 0 }
  end
  return list
end

-- Commands ------------------------------------------------------------------------------------------------------------

-- Each gets the connection and the request, a whole message, and returns status and body.
local does = {}

local function times() return pack("<jjjj", NOW, NOW, NOW, NOW) end

local function buffer(data) return pack("<I2I2I4", 9, HEADER + 8, #data) .. data end

local function handle_of(connection, request, at)
  return connection.handles[(unpack("<I8", request, HEADER + at + 1))]
end

local function node_of(handle)
  if not handle.name then return server.files end
  return handle.folder[handle.name]
end

local function is_open(handle) return handle and node_of(handle) ~= nil end

function does.NEGOTIATE()
  return OK, pack("<I2I2I2I2", 65, 1, server.dialect, 0) .. ("G"):rep(16)
    .. pack("<I4I4I4I4jjI2I2I4", 0, server.max_transact, server.max_read, server.max_write, server.time, 0,
      HEADER + 64, #OFFER, 0) .. OFFER
end

function does.SESSION_SETUP(connection)
  connection.setups = (connection.setups or 0) + 1
  local first = connection.setups % 2 == 1
  local token = first and challenge() or ACCEPTED
  return first and MORE_PROCESSING or OK, pack("<I2I2I2I2", 9, first and 0 or 2, HEADER + 8, #token) .. token
end

function does.TREE_CONNECT() return OK, pack("<I2BBI4I4I4", 16, 1, 0, 0, 0, 0x001f01ff) end

local function four() return OK, pack("<I2I2", 4, 0) end
does.LOGOFF, does.TREE_DISCONNECT, does.FLUSH, does.ECHO = four, four, four, four

-- What there is to be, by the disposition (2.2.13): a status if that cannot be.
local function dispose(disposition, options, folder, name, node)
  if node == nil and (disposition == 1 or disposition == 4) then return NAME_NOT_FOUND end
  if node ~= nil and disposition == 2 then return COLLISION end
  if node ~= nil and options & 1 ~= 0 and not is_folder(node) then return NO_FOLDER end
  if node ~= nil and options & 0x40 ~= 0 and is_folder(node) then return IS_FOLDER end
  if node == nil then
    folder[name] = options & 1 ~= 0 and {} or ""
  elseif disposition ~= 1 and disposition ~= 2 and disposition ~= 3 and not is_folder(node) then
    folder[name] = ""
  end
end

function does.CREATE(connection, request)
  local disposition, options, at, size = unpack("<I4I4I2I2", request, HEADER + 37)
  local path = utf8_of(request:sub(at + 1, at + size))
  local folder, name, node = find(path)
  if path ~= "" and not is_folder(folder) then return PATH_NOT_FOUND end
  local status = path ~= "" and dispose(disposition, options, folder, name, node)
  if status then return status end
  connection.last = connection.last + 1
  local handle = { path = path, folder = folder, name = path ~= "" and name or nil, turns = 0,
    goes = options & 0x1000 ~= 0 }
  connection.handles[connection.last] = handle
  node = node_of(handle)
  local length = is_folder(node) and 0 or #node
  return OK, pack("<I2BBI4", 89, 0, 0, 1) .. times() .. pack("<jjI4I4I8I8I4I4", length, length,
    is_folder(node) and FOLDER or FILE, 0, connection.last, 0, 0, 0)
end

function does.CLOSE(connection, request)
  local handle = handle_of(connection, request, 8)
  if not handle then return FILE_CLOSED end
  if handle.goes and handle.name then handle.folder[handle.name] = nil end
  connection.handles[(unpack("<I8", request, HEADER + 9))] = nil
  return OK, pack("<I2I2I4", 60, 0, 0) .. times() .. pack("<jjI4", 0, 0, 0)
end

function does.READ(connection, request)
  local handle = handle_of(connection, request, 16)
  if not is_open(handle) then return FILE_CLOSED end
  local length, offset = unpack("<I4j", request, HEADER + 5)
  local data = node_of(handle):sub(offset + 1, offset + length)
  if data == "" then return END_OF_FILE end
  return OK, pack("<I2BBI4I4I4", 17, HEADER + 16, 0, #data, 0, 0) .. data
end

function does.WRITE(connection, request)
  local handle = handle_of(connection, request, 16)
  if not is_open(handle) then return FILE_CLOSED end
  local at, length, offset = unpack("<I2I4j", request, HEADER + 3)
  local old = node_of(handle)
  old = old .. ("\0"):rep(offset - #old)
  handle.folder[handle.name] = old:sub(1, offset) .. request:sub(at + 1, at + length) .. old:sub(offset + length + 1)
  return OK, pack("<I2I2I4I4I4", 17, 0, length, 0, 0)
end

function does.QUERY_DIRECTORY(connection, request)
  local handle = handle_of(connection, request, 8)
  if not is_open(handle) or not is_folder(node_of(handle)) then return FILE_CLOSED end
  local at, size = unpack("<I2I2", request, HEADER + 25)
  local pattern = utf8_of(request:sub(at + 1, at + size))
  if request:byte(HEADER + 4) & 1 ~= 0 then handle.turns = 0 end
  handle.turns = handle.turns + 1
  local list = server.listing(node_of(handle), handle.path, handle.turns)
  local found = list and {}
  for _, e in ipairs(list or {}) do
    if pattern == "*" or pattern == e.name then found[#found + 1] = e end
  end
  if not found or #found == 0 then return handle.turns == 1 and NO_SUCH_FILE or NO_MORE_FILES end
  return OK, buffer(server.batch(found))
end

-- MS-FSCC 2.4 and 2.5, by type and class.
local INFO = {
  [1] = {
    [4] = function(_, _, attributes) return times() .. pack("<I4I4", attributes, 0) end,
    [5] = function(_, size, attributes)
      return pack("<jjI4BBI2", size, size, 1, 0, attributes == FOLDER and 1 or 0, 0)
    end,
    [18] = function(handle, size, attributes)
      local name = server.utf16("\\" .. handle.path)
      return times() .. pack("<I4I4jjI4BBI2jI4I4jI4I4I4", attributes, 0, size, size, 1, 0,
        attributes == FOLDER and 1 or 0, 0, 0, 0, 0x1f01ff, 0, 0, 0, #name) .. name
    end,
    [34] = function(_, size, attributes) return times() .. pack("<jjI4I4", size, size, attributes, 0) end,
  },
  [2] = {
    [3] = function() return pack("<jjI4I4", 1 << 20, 1 << 19, 8, 512) end,
    [5] = function() return pack("<I4I4I4", 3, 255, 8) .. server.utf16 "NTFS" end,
    [7] = function() return pack("<jjjI4I4", 1 << 20, 1 << 19, 1 << 19, 8, 512) end,
  },
}

function does.QUERY_INFO(connection, request)
  local handle = handle_of(connection, request, 24)
  if not is_open(handle) then return FILE_CLOSED end
  local kind, class = request:byte(HEADER + 3, HEADER + 4)
  local make = INFO[kind] and INFO[kind][class]
  if not make then return INVALID_INFO_CLASS end
  local node = node_of(handle)
  return OK, buffer(make(handle, is_folder(node) and 0 or #node, is_folder(node) and FOLDER or FILE))
end

local SET = {}

SET[10] = function(handle, data)
  local name = utf8_of(data:sub(21, 20 + unpack("<I4", data, 17)))
  local folder, last, node = find(name)
  if not is_folder(folder) then return PATH_NOT_FOUND end
  if node ~= nil and data:byte(1) == 0 then return COLLISION end
  folder[last], handle.folder[handle.name] = node_of(handle), nil
  handle.folder, handle.name = folder, last
end

SET[13] = function(handle, data)
  if is_folder(node_of(handle)) and next(node_of(handle)) then return NOT_EMPTY end
  handle.goes = data:byte(1) ~= 0
end

SET[20] = function(handle, data)
  local size = unpack("<j", data)
  local old = node_of(handle)
  handle.folder[handle.name] = old:sub(1, size) .. ("\0"):rep(size - #old)
end

function does.SET_INFO(connection, request)
  local handle = handle_of(connection, request, 16)
  if not is_open(handle) then return FILE_CLOSED end
  local class, size, at = unpack("<BI4I2", request, HEADER + 4)
  local status = SET[class] and SET[class](handle, request:sub(at + 1, at + size))
  return status or OK, not status and pack("<I2", 2) or nil
end

-- The wire ------------------------------------------------------------------------------------------------------------

--- A message as the transport has it.
function server.frame(message) return pack(">I4", #message) .. message end

--- A message of the server's.
-- @tparam string request whose ids are taken
-- @tparam table reply `status`, `body`, `credits`; and `command`, `message` if they are not the request's
function server.message(request, reply)
  local charge, _, command = unpack("<I2I4I2", request, 7)
  local message, process, tree, session = unpack("<I8I4I4I8", request, 25)
  local name = COMMANDS[command]
  return "\xfeSMB" .. pack("<I2I2I4I2I2I4I4I8I4I4I8", HEADER, charge, reply.status, reply.command or command,
    reply.credits or server.credits or (name == "NEGOTIATE" and 64 or math.max(charge, 1)), 1, 0,
    reply.message or message, process, name == "TREE_CONNECT" and 7 or tree, name == "SESSION_SETUP" and 9 or session)
    .. ("\0"):rep(16) .. reply.body
end

local function reply_to(connection, request)
  local name = COMMANDS[(unpack("<I2", request, 13))]
  if name == "CANCEL" then return "" end
  local act = does[name]
  local reply = {}
  if act then reply.status, reply.body = act(connection, request) else reply.status = NOT_SUPPORTED end
  reply.body = reply.body or pack("<I2I2I4B", 9, 0, 0, 0)
  local change = server.answer[name]
  if change and change(reply, request, connection) == false then return "" end
  return (reply.before or "") .. server.frame(server.message(request, reply)) .. (reply.after or "")
end

-- A script may serve a connection in its own way.
function server.serve(client, connection)
  while true do
    local head = client:read(4)
    if not head or #head < 4 then return end
    local size = unpack(">I4", head) & 0xffffff
    local request = size > 0 and client:read(size) or ""
    if not request or #request < size then return end
    if head:byte() == 0x81 then
      client:write(server.session)
    elseif size >= HEADER and not client:write(reply_to(connection, request)) then return end
  end
end

local loop = cqueues.new()
assert(loadfile(arg[1]))(server)
local listener = socket.listen("127.0.0.1", server.port)
local _, _, port = listener:localname()
io.stdout:write(("%d\n"):format(port))
io.stdout:flush()

loop:wrap(function()
  for client in listener:clients() do
    client:setmode("bn", "bn")
    client:onerror(function(_, _, code) return code end)
    loop:wrap(function()
      server.serve(client, { client = client, handles = {}, last = 0 })
      client:close()
    end)
  end
end)
loop:wrap(function()
  cqueues.poll { pollfd = 0, events = "r" }
  os.exit(0)
end)
local ok, problem = loop:loop()
error(not ok and problem or "nothing is left to do")
