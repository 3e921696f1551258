--- The trace of a destination: a line for each request as it ends. It holds names and no contents, users or passwords.
--
--     2026-11-30T21:04:05.123Z 2 put etc/fstab 812 B 4.2 ms ok 1
--
-- which is the time, the number of the connection, the verb, the name, the bytes, the milliseconds, the status and
-- which attempt it was.
-- @module smb.trace

local floor = math.floor

local core = require "smb.core"
local texts = require "smb.text"

local trace = {}

local tracer = {}
tracer.__index = tracer

-- A name on one line, without spaces.
local function shown(name)
  if not name or name == "" then return "." end
  if not name:find "[^!-~]" then return name end
  return (texts.plain(name):gsub(" ", "%%20"))
end

local function name_of(request)
  local name = request.name or request.to or (request.names and request.names[1])
  if request.name and request.to then return shown(request.name) .. ">" .. shown(request.to) end
  return name and shown(name) or request.handle and ("#%d"):format(request.handle) or "-"
end

-- The time as ISO 8601 has it, with milliseconds. Integers that are joined cost half of what `string.format` does.
local function stamp(self, clock)
  local now = floor((self.epoch + clock - self.began) * 1000)
  local whole, milliseconds = now // 1000, now % 1000
  if whole ~= self.second then self.second, self.stamp = whole, os.date("!%Y-%m-%dT%H:%M:%S.", whole) end
  return self.stamp .. (milliseconds < 10 and "00" or milliseconds < 100 and "0" or "") .. milliseconds
end

--- Opens what a `trace` option says.
-- @tparam function|string to a function that is called with each line, or the path of a file that lines are added to
-- @treturn[1] table
-- @treturn[2] nil
-- @treturn[2] string why the file cannot be opened
function trace.open(to)
  local self = setmetatable(
    { write = to, open = setmetatable({}, { __mode = "k" }), began = core.clock(), epoch = os.time() },
    tracer)
  if type(to) == "function" then return self end
  local file, problem = io.open(to, "a")
  if not file then return nil, problem end
  file:setvbuf "line"
  self.file, self.write = file, function(line) file:write(line, "\n") end
  return self
end

--- Takes down that a request has begun.
-- @tparam userdata started
-- @tparam string verb
-- @tparam table request
-- @tparam ?table under the operation of its call
function tracer:begin(started, verb, request, under)
  self.open[started] = { verb = verb, name = name_of(request), at = core.clock(), size = request.size,
    attempt = (under and under.retries or 0) + 1, link = core.connection_of(started) }
end

-- How it ended, in one word: "ok", or the NT status, or the error code.
local function status_of(reply, code, reason)
  if reply then return "ok" end
  return tostring(reason):match "NT_STATUS_[%u%d_]+" or code or "failed"
end

--- Writes the line of a request that has ended.
-- @tparam userdata started
-- @tparam ?table reply
-- @tparam[opt] string code
-- @tparam[opt] string reason
function tracer:finish(started, reply, code, reason)
  local begun = self.open[started]
  if not begun then return end
  self.open[started] = nil
  local bytes = reply and (reply.bytes and reply.bytes > 0 and reply.bytes or begun.size) or 0
  local now = core.clock()
  local tenths = floor((now - begun.at) * 10000 + 0.5) -- of a millisecond
  local line = stamp(self, now) .. "Z " .. begun.link .. " " .. begun.verb .. " " .. begun.name .. " " .. bytes .. " B "
    .. tenths // 10 .. "." .. tenths % 10 .. " ms " .. status_of(reply, code, reason) .. " " .. begun.attempt
  local ok = pcall(self.write, line)
  self.has_failed = self.has_failed or not ok -- what goes wrong with a trace is no failure of the call's
end

--- Ends it.
function tracer:close()
  if self.file then self.file:close() end
  self.file = nil
end

return trace
