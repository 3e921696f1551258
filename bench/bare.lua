--- The least that a Lua program with the library in a process of its own does: smb.core alone, with none of lua-smb's
-- Lua.
--
-- `bare.lua stat SERVER PORT SHARE NAME CREDENTIALS` asks for a file's entry; `list` prints a folder's entries as they
-- come; `again ... FOLDER` compares a local folder that is on the share, unchanged, over two connections: it looks at
-- no name before that and could not send what it finds changed.

local what, server, port, share, name, credentials, place = table.unpack(arg)
local core = require "smb.core"

local fields = { program = core.program, server = server, port = math.tointeger(tonumber(port)), share = share,
  transport = "directtcp", signing = "default", encryption = "default", kerberos = "off", min_protocol = "SMB2_02",
  max_protocol = "SMB3_11" }
for line in io.lines(credentials) do
  local key, value = line:match "^(%l+)=(.*)$"
  if key then fields[key] = value end
end

local CONNECTIONS = 2
local dest = core.destination(fields)
core.limits(dest, 30, 60, 60, CONNECTIONS)

local function ask(verb, arguments)
  local request = assert(core.start(dest, verb, arguments))
  while not core.ended(request) do core.poll(dest, 1) end
  return assert(core.result(request))
end

local actions = {}

function actions.stat()
  local entry = ask("stat", { name = name })
  print(name, entry.size, entry.mtime)
end

function actions.list()
  local reply = ask("list_open", { name = name })
  while true do
    for _, entry in ipairs(reply) do print(entry.name, entry.size) end
    if reply.handle == 0 then return end
    reply = ask("list_next", { handle = reply.handle, link = reply.link })
  end
end

-- Folders that are to be listed, and those that are being listed, with their requests.
local waiting, listed = {}, {}

local function list_more()
  while #waiting > 0 do
    local folder = waiting[#waiting]
    local request = core.start(dest, "list_open", { name = folder.name, batch = true })
    if not request then return end
    waiting[#waiting] = nil
    listed[#listed + 1] = { request = request, folder = folder }
  end
end

-- The folders that are listed now.
local function take_ended()
  local ended = {}
  for i = #listed, 1, -1 do
    if core.ended(listed[i].request) then
      local each = table.remove(listed, i)
      each.folder.reply = assert(core.result(each.request))
      ended[#ended + 1] = each.folder
    end
  end
  return ended
end

local function compare(folder)
  local known, count = core.name_index(), 0
  assert(#core.name_index_learn(known, folder.reply.batch) == 0 and folder.reply.handle == 0)
  local _, entries, _, _ <close> = core.entries(folder.place, false)
  while true do
    local text, kind = core.next_changed(entries, known)
    count = count + core.passed(entries)
    if text == nil then return count end
    if text then
      assert(kind == "directory", text)
      waiting[#waiting + 1] = { place = folder.place .. "/" .. text, name = folder.name .. "/" .. text }
    end
  end
end

function actions.again()
  local unchanged = 0
  core.warm(dest, CONNECTIONS)
  waiting[1] = { place = place, name = name }
  list_more()
  while #listed > 0 do
    core.poll(dest, 1)
    local ended = take_ended()
    list_more()
    for _, folder in ipairs(ended) do unchanged = unchanged + compare(folder) end
    list_more()
  end
  print(unchanged)
end

ask("connect", {})
actions[what]()
core.close(dest)
