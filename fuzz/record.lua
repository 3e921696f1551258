-- Makes the seeds in fuzz/corpus/wire anew, but for those that are named found-*: what passes between the worker and
-- real servers, and a few messages of a Kerberos server. As root, or in spec/support/sandbox, for port 445:
--
--     make && spec/support/sandbox lua5.4 fuzz/record.lua
--
-- With arguments it is the proxy that records: record.lua FROM-ADDRESS FROM-PORT TO-ADDRESS TO-PORT FOLDER

local lfs = require "lfs"
local socket = require "socket"

local ROOM = "fuzz/corpus/wire"
-- As in fuzz/wire.c
local SENT, ARRIVED, TO_KDC, FROM_KDC, ENCRYPTED, DECRYPTED, LINK = 0, 1, 4, 5, 6, 7, 14
local PIECES_OF_20, NAMED, LETS_FOLLOW = 6, 4, 16
local STEP_LIMIT, INPUT_LIMIT = 1500, 12000

local function step(what, bytes, how)
  return string.pack("<BI2", what | (how or 0) << 4, #bytes) .. bytes
end

local function write(name, content)
  local file = assert(io.open(name, "wb"))
  file:write(content)
  file:close()
end

---- the proxy ---------------------------------------------------------------------------------------------------------

local function record(connection, to)
  local server = socket.connect(to.address, to.port)
  return { client = connection, server = server, steps = {}, size = 0 }
end

local function keep(r, what, bytes)
  local s = step(what, bytes:sub(1, STEP_LIMIT))
  if r.size + #s > INPUT_LIMIT then return end
  r.steps[#r.steps + 1], r.size = s, r.size + #s
end

-- Passes on what one side has sent; false when it has hung up.
local function pass(r, from, to, what)
  from:settimeout(0)
  local bytes, err, partial = from:receive(65536)
  bytes = bytes or partial
  if bytes ~= "" then
    keep(r, what, bytes)
    to:settimeout(nil)
    to:send(bytes)
  end
  return err ~= "closed"
end

local function save(r, folder, number)
  write(("%s/%03d"):format(folder, number), table.concat(r.steps))
  r.client:close()
  r.server:close()
end

local function proxy(from, to, folder)
  local listener = assert(socket.bind(from.address, from.port))
  local all, number = {}, 0
  print "listening"
  io.stdout:flush()
  while true do
    local ends = { listener }
    for _, r in ipairs(all) do
      ends[#ends + 1] = r.client
      ends[#ends + 1] = r.server
    end
    local ready = socket.select(ends)
    for i = #all, 1, -1 do
      local r = all[i]
      local goes_on = not ready[r.client] or pass(r, r.client, r.server, SENT)
      goes_on = (not ready[r.server] or pass(r, r.server, r.client, ARRIVED)) and goes_on
      if not goes_on then
        number = number + 1
        save(r, folder, number)
        table.remove(all, i)
      end
    end
    if ready[listener] then all[#all + 1] = record(listener:accept(), to) end
  end
end

if arg[1] then
  return proxy({ address = arg[1], port = tonumber(arg[2]) }, { address = arg[3], port = tonumber(arg[4]) }, arg[5])
end

---- what is recorded --------------------------------------------------------------------------------------------------

local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

local HERE, ELSEWHERE, BETWEEN = "127.0.0.1", "127.0.0.2", "127.0.0.3"

local function recorded(srv, path, options, use)
  local folder = files.directory()
  local pid = shell.spawn({ "lua5.4", "fuzz/record.lua", BETWEEN, "445", HERE, tostring(srv.port), folder },
    folder .. "/said")
  assert(shell.poll(function() return files.read(folder .. "/said") == "listening\n" end))
  local dest, message = smb.open(("smb://%s/%s"):format(BETWEEN, path), options)
  if dest then
    use(dest)
    dest:close()
  else
    print(message)
  end
  shell.poll(function() return files.read(folder .. "/001") end)
  shell.kill(pid)
  local inputs = {}
  for _, name in ipairs(files.list(folder)) do
    if name:find "^%d+$" then inputs[#inputs + 1] = files.read(folder .. "/" .. name) end
  end
  files.remove(folder)
  return inputs
end

local function everything(dest)
  dest:mkdir "a/b"
  dest:write("a/file", "content")
  dest:stat "a/file"
  dest:list "a"
  dest:rename("a/file", "a/b/file")
  dest:rename("a/b/file", "a/b")
  dest:read "a/b/file"
  dest:rmdir("a", { recursive = true })
end

local function with_links(dest)
  dest:stat "link/file"
  dest:read "deep/link/file"
  dest:list ""
end

local function save_all(name, inputs, what)
  for i, input in ipairs(inputs) do
    write(("%s/%s%s"):format(ROOM, name, i > 1 and "-" .. i or ""), string.char(what or NAMED) .. input)
  end
end

-- The steps of an input, one after the other: what, bytes, and the step as it stands there.
local function steps_of(input)
  local at = 2
  return function()
    if at >= #input then return nil end
    local what, bytes, next_at = string.unpack("<Bs2", input, at)
    local whole = input:sub(at, next_at - 1)
    at = next_at
    return what, bytes, whole
  end
end

-- What is asked of a Kerberos server, and what it answers: just the fields that the worker reads. It is asked between
-- the NEGOTIATE, which `begun` begins with, and the logon.
local function kerberos(begun)
  local negotiated = {}
  for _, _, whole in steps_of(begun) do
    if #negotiated < 4 then negotiated[#negotiated + 1] = whole end
  end
  local function der(tag, content) return string.pack("<BB", tag, #content) .. content end
  local function integer(n) return der(2, string.char(n)) end
  local function refusal(reason, data)
    return der(0x7e, der(0x30, der(0xa0, integer(5)) .. der(0xa4, der(0x18, "20261130174922Z")) ..
      der(0xa6, integer(reason)) .. der(0xac, der(4, data or ""))))
  end
  local asked = der(0x6a, der(0x30, "user") .. "\xa1\3\2\1\2\xa2")
  local status = "\4\12\x6d\0\0\xc0" .. ("\0"):rep(8)
  local function input(...) return string.char(NAMED) .. table.concat(negotiated) .. table.concat { ... } end
  write(ROOM .. "/kerberos", input(step(TO_KDC, asked), step(FROM_KDC, refusal(25)), step(TO_KDC, asked),
    step(FROM_KDC, der(0x6b, "ticket"))))
  write(ROOM .. "/kerberos-refused", input(step(TO_KDC, asked), step(FROM_KDC, refusal(18, status))))
  write(ROOM .. "/kerberos-tcp", input(step(TO_KDC, "\0\0\0\50" .. asked),
    step(FROM_KDC, "\0\0\0\90" .. refusal(37))))
end

-- A question about a link and its answer, as they are before and after encryption.
local function hidden(inputs)
  local found = {}
  for _, input in ipairs(inputs) do
    for what, bytes in steps_of("\0" .. input) do
      local frame = bytes:sub(5) -- without its length on the wire
      if frame:find("^\xfeSMB........\x0b\0") then
        found[#found + 1] = step(what == SENT and ENCRYPTED or DECRYPTED, frame)
      end
    end
  end
  return string.char(NAMED) .. table.concat(found) .. step(LINK, "deep/link/file")
end

for _, room in ipairs { ROOM, "fuzz/corpus/module", "fuzz/corpus/worker" } do
  for name in lfs.dir(room) do
    if name:find "^[^.]" and not name:find "^found%-" then os.remove(room .. "/" .. name) end
  end
end

-- Workers that answer well, one input for each call of fuzz/module.lua.
do
  local ANSWER, ENTRIES, OPENED, CALLS = 0, 5, 8, 32
  local well = step(ANSWER, "")
  local listing = step(ANSWER, "\0\4file\1\6folder\2\4link\0\5../up\0\11tab\tand\27[1m", ENTRIES)
  for i = 1, CALLS do
    write(("fuzz/corpus/module/call-%02d"):format(i), string.char(1, i - 1) .. well:rep(2) .. listing ..
      step(ANSWER, "\40", OPENED) .. well .. listing .. step(ANSWER, "\1", OPENED) .. well:rep(4))
  end
end

-- Requests of all kinds, as the module sends them: an input for each, with what it needs to be opened before.
do
  local VERBS = {}
  for word in (files.read "src/protocol.h":match "#define SMB_VERBS%(X%).-\n\n"):gmatch '"([%l_]+)"' do
    VERBS[#VERBS + 1], VERBS[word] = word, #VERBS
  end
  local LOCAL_FILE, BUFFER, SEVERAL = 1, 2, 7
  local OVERWRITE, MTIME, WRITABLE, OFFER, DIGEST = 1, 16, 64, 32768, 8192
  local function request(verb, gift, flags, names)
    local texts = {}
    for i, text in ipairs(names or { "name", "to", "temp", "aside" }) do
      texts[i] = string.pack("s1", text == "" and "" or text .. "\0")
    end
    -- Verb, the first handle, flags; size 1000, offset, from, io_size, mtime 100: as fuzz/worker.c reads them.
    return step(0, string.pack("<BBI3BBBBB", VERBS[verb], 0, flags or 0, 10, 0, 0, 0, 1) .. table.concat(texts), gift)
  end
  local open, upload = request("open", BUFFER, WRITABLE), request("upload", BUFFER, OVERWRITE | MTIME)
  local before = { list_next = request "list_open", list_close = request "list_open", commit = upload,
    release = upload }
  for _, verb in ipairs { "read", "write", "size", "truncate", "send", "receive", "hash", "close" } do
    before[verb] = open
  end
  local gifts = { put = LOCAL_FILE, get = LOCAL_FILE, send = LOCAL_FILE, receive = LOCAL_FILE, sync = LOCAL_FILE,
    get_some = SEVERAL, open = BUFFER, upload = BUFFER }
  local flags = { put = OVERWRITE | MTIME | DIGEST, get = OFFER, copy = OVERWRITE | MTIME, rename = OVERWRITE,
    rmdir = 4, lock = 0 }
  for _, verb in ipairs(VERBS) do
    write("fuzz/corpus/worker/" .. verb, string.char(20) .. ("\0\0\30\0\3"):rep(4) .. (before[verb] or "") ..
      request(verb, gifts[verb], flags[verb]):rep(2))
  end
end

local users = { bob = "s3cret" }
local one = server.start { address = ELSEWHERE, users = users, shares = { data = {} } }
files.write(one:path("data", "file"), "content")
local srv = server.start { address = HERE, users = users,
  global = { ["host msdfs"] = "yes", ["server min protocol"] = "NT1", ["map to guest"] = "bad user" },
  shares = { backup = {}, dfs = { ["msdfs root"] = "yes" } } }
shell.check { "chmod", "711", srv.dir }
lfs.mkdir(srv:path("dfs", "deep"))
for _, path in ipairs { "link", "deep/link" } do
  assert(lfs.link("msdfs:" .. ELSEWHERE .. "\\data", srv:path("dfs", path), true))
end

local function options(more)
  local all = { username = "bob", password = "s3cret", connections = 1, retries = 0, min_protocol = "NT1" }
  for key, value in pairs(more or {}) do all[key] = value end
  return all
end

save_all("smb1", recorded(srv, "backup", options { max_protocol = "NT1" }, everything))
save_all("smb2", recorded(srv, "backup", options { max_protocol = "SMB2_02", signing = "required" }, everything), 2 | 4)
save_all("smb3", recorded(srv, "backup", options { max_protocol = "SMB3_00" }, everything))
save_all("smb3_11", recorded(srv, "backup", options(), everything))
save_all("encrypted", recorded(srv, "backup", options { encryption = "required" }, everything), 1 | 4)
save_all("refused", recorded(srv, "backup", options { password = "wrong" }, everything))
save_all("guest", recorded(srv, "backup", options { username = "nobody-knows" }, everything))
local links = recorded(srv, "dfs", options(), with_links)
save_all("links", links, NAMED | LETS_FOLLOW)
write(ROOM .. "/links-hidden", hidden(links))
save_all("links-smb1", recorded(srv, "dfs", options { max_protocol = "NT1" }, with_links), NAMED | LETS_FOLLOW)
kerberos(files.read(ROOM .. "/smb3_11"))
srv:stop()
one:stop()

-- Again, in pieces.
for _, name in ipairs(files.list(ROOM)) do
  if name:find "^smb%d[_1]*$" then
    local input, pieces = files.read(ROOM .. "/" .. name), {}
    for what, bytes in steps_of(input) do pieces[#pieces + 1] = step(what, bytes, PIECES_OF_20) end
    write(ROOM .. "/" .. name .. "-pieces", input:sub(1, 1) .. table.concat(pieces))
  end
end
