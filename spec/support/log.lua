--- Reads what smbd logs: a directory with a file for each process.

local json = require "dkjson"
local files = require "spec.support.files"

local log = {}

-- Names as Samba's own statistics have them.
local COMMANDS = {
  NEGPROT = "negprot", SESSSETUP = "sesssetup", LOGOFF = "logoff", TCON = "tcon", TDIS = "tdis", CREATE = "create",
  CLOSE = "close", FLUSH = "flush", READ = "read", WRITE = "write", LOCK = "lock", IOCTL = "ioctl", CANCEL = "cancel",
  KEEPALIVE = "keepalive", QUERY_DIRECTORY = "find", NOTIFY = "notify", GETINFO = "getinfo", SETINFO = "setinfo",
  BREAK = "break",
}

local function is_log(name)
  return name:find "^%d+$" ~= nil
end

--- Remembers how long each file is.
function log.mark(dir)
  local sizes = {}
  for _, name in ipairs(files.list(dir)) do
    if is_log(name) then
      sizes[name] = files.size(dir .. "/" .. name)
    end
  end
  return sizes
end

-- Iterates over the processes: process id, and what it wrote since the mark.
local function texts(dir, since)
  local found = {}
  for _, name in ipairs(files.list(dir)) do
    local file = is_log(name) and io.open(dir .. "/" .. name, "rb")
    if file then
      file:seek("set", since[name] or 0)
      found[#found + 1] = { name, file:read "a" }
      file:close()
    end
  end
  local i = 0
  return function()
    i = i + 1
    if found[i] then
      return found[i][1], found[i][2]
    end
  end
end

function log.text(dir, since)
  local parts = {}
  for _, text in texts(dir, since) do
    parts[#parts + 1] = text
  end
  return table.concat(parts)
end

--- All text there is, for people who ask why a server does not start.
function log.everything(dir)
  local parts = {}
  for _, name in ipairs(files.list(dir)) do
    parts[#parts + 1] = files.read(dir .. "/" .. name)
  end
  return table.concat(parts)
end

--- Counts requests by command.
function log.requests(dir, since)
  local counts, seen = { total = 0 }, {}
  for _, name in pairs(COMMANDS) do
    counts[name] = 0
  end
  for process, text in texts(dir, since) do
    for opcode, mid in text:gmatch "smbd_smb2_request_dispatch: opcode%[SMB2_OP_([%u_]+)%] mid = (%d+)" do
      local name = COMMANDS[opcode] or opcode:lower()
      -- A request that has to wait, for an open file, say, is dispatched again under its number.
      local key = process .. " " .. name .. " " .. mid
      if not seen[key] then
        seen[key] = true
        counts[name] = (counts[name] or 0) + 1
        counts.total = counts.total + 1
      end
    end
  end
  return counts
end

-- `time` is text that sorts as the times do, those of different processes, too.
local function transfers(dir, since, pattern)
  local list = {}
  for process, text in texts(dir, since) do
    for time, file, length, offset, done in text:gmatch("%[(%d+/%d+/%d+ [%d:]+%.%d+),[^\n]*\n%s*" .. pattern) do
      list[#list + 1] = {
        file = file, length = math.tointeger(length), offset = math.tointeger(offset), done = math.tointeger(done),
        process = process, time = time,
      }
    end
  end
  return list
end

function log.reads(dir, since)
  return transfers(dir, since, "smbd_smb2_read: fnum %d+, file (.-), length=(%d+) offset=(%d+) read=(%d+)\n")
end

function log.writes(dir, since)
  return transfers(dir, since, "smb2: fnum %d+, file (.-), length=(%d+) offset=(%d+) wrote=(%d+)\n")
end

--- Logons: number, number of failures, and a list of both.
function log.logons(dir, since)
  local list, failures = {}, 0
  for _, text in texts(dir, since) do
    for line in ("\n" .. text):gmatch '\n%s*({"timestamp":[^\n]*"type": "Authentication"[^\n]*)' do
      local event = assert(json.decode(line)).Authentication
      list[#list + 1] = { user = event.clientAccount, status = event.status, service = event.serviceDescription }
      failures = failures + (event.status == "NT_STATUS_OK" and 0 or 1)
    end
  end
  return #list, failures, list
end

return log
