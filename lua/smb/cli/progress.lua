--- How far a transfer is: a line on a terminal, which is drawn again and again and goes at the end; elsewhere, if that
-- is asked for, a line every ten seconds.
-- @module smb.cli.progress

local core = require "smb.core"
local output = require "smb.cli.output"
local show = require "smb.show"

local progress = {}

local EACH = 0.1 -- seconds between two drawings
local EACH_LINE = 10 -- seconds between two lines where there is no terminal
local WINDOW = 5 -- seconds over which the rate is taken
local BAR = 20 -- characters
local LEAST_NAME = 12 -- columns that a name gets at least, or none

local meter = {}
meter.__index = meter

-- Characters that take two columns, as far as names have them: Hangul, CJK, full width, emoji.
local WIDE = { { 0x1100, 0x115F }, { 0x2E80, 0xA4CF }, { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF }, { 0xFE30, 0xFE6F },
  { 0xFF00, 0xFF60 }, { 0x1F300, 0x1FAFF }, { 0x20000, 0x3FFFD } }

local function columns_of(code)
  for _, range in ipairs(WIDE) do
    if code >= range[1] and code <= range[2] then return 2 end
  end
  return 1
end

local function width(text)
  local sum = 0
  for _, code in utf8.codes(text) do sum = sum + columns_of(code) end
  return sum
end

-- The end of a text, in so many columns: of a path that tells most.
local function cut(text, most)
  if width(text) <= most then return text end
  local at = 1
  while width(text:sub(at)) > most - 3 do at = utf8.offset(text, 2, at) end
  return "..." .. text:sub(at)
end

local function clock_time(seconds)
  if seconds >= 360000 then return "" end
  local whole = math.ceil(seconds)
  if whole >= 3600 then return ("%d:%02d:%02d left"):format(whole // 3600, whole % 3600 // 60, whole % 60) end
  return ("%d:%02d left"):format(whole // 60, whole % 60)
end

-- Bytes per second of late; nil as long as nobody can tell.
function meter:rate(now, done)
  local last = self.samples[#self.samples]
  if last and done < last.done then self.samples = {} end -- another attempt has begun further back
  local samples = self.samples
  if #samples == 0 or now - samples[#samples].at >= 0.25 then samples[#samples + 1] = { at = now, done = done } end
  while #samples > 2 and now - samples[1].at > WINDOW do table.remove(samples, 1) end
  local since = now - samples[1].at
  return since >= 0.5 and (done - samples[1].done) / since or nil
end

local function bar(share)
  local full = math.floor(share * BAR)
  return "[" .. ("#"):rep(full) .. ("-"):rep(BAR - full) .. "]"
end

-- What is known, in pieces, the most wanted first.
function meter:pieces(now, done, total, files, files_total)
  local pieces, rate = {}, self:rate(now, done)
  local known = total and total > 0
  if known then pieces[#pieces + 1] = ("%3d%%"):format(math.min(100, done * 100 // total)) end
  pieces[#pieces + 1] = known and ("%s of %s"):format(show.size(done), show.size(total)) or show.size(done)
  if rate then pieces[#pieces + 1] = show.size(rate) .. "/s" end
  if rate and rate > 0 and known and done < total then pieces[#pieces + 1] = clock_time((total - done) / rate) end
  if files then
    local all = files_total and ("%d of "):format(files) or ""
    pieces[#pieces + 1] = all .. show.count(files_total or files, "file")
  elseif self.count and self.count > 1 then
    pieces[#pieces + 1] = ("file %d of %d"):format(self.index, self.count)
  end
  if self.attempt then pieces[#pieces + 1] = self.attempt end
  return pieces
end

-- One line that fits: name, bar and pieces, as many as there is room for.
function meter:line(columns, now, done, total, name, files, files_total)
  local pieces = self:pieces(now, done, total, files, files_total)
  if total and total > 0 then table.insert(pieces, 1, bar(math.min(1, done / total))) end
  local text = ""
  for _, piece in ipairs(pieces) do
    if piece ~= "" and width(text) + 2 + width(piece) <= columns - 1 then
      text = text == "" and piece or text .. "  " .. piece
    end
  end
  local room = columns - 1 - width(text) - 2
  if room < LEAST_NAME then return text end
  return cut(show.text(name or ""), room) .. "  " .. text
end

function meter:clear()
  if not self.drawn then return end
  io.stderr:write("\r", (" "):rep(self.drawn), "\r")
  io.stderr:flush()
  self.drawn = nil
end

function meter:draw(now, ...)
  local columns = core.terminal(2) or 80
  local line = self:line(columns, now, ...)
  local length = width(line)
  io.stderr:write("\r", line, (" "):rep(math.max(0, math.min((self.drawn or 0), columns - 1) - length)))
  io.stderr:flush()
  self.drawn = length
end

-- What the library calls.
function meter:tell(done, total, name, files, files_total)
  local now = core.clock()
  self:rate(now, done)
  if now < self.next then return end
  if self.is_terminal then
    self.next = now + EACH
    self:draw(now, done, total, name, files, files_total)
  else
    self.next = now + EACH_LINE
    io.stderr:write(show.text(name or ""), "  ", table.concat(self:pieces(now, done, total, files, files_total), "  "),
      "\n")
  end
end

--- The next of several files begins.
function meter:item(index, count)
  self.index, self.count, self.samples, self.attempt = index, count, {}, nil
end

--- What the library calls before a further attempt.
function meter:retry(attempt, of, _, message)
  self.attempt = ("attempt %d of %d"):format(attempt + 1, of + 1)
  output.complain(("warning: %s: %s follows"):format(message, self.attempt))
end

--- Removes the line.
function meter:finish()
  self:clear()
  output.before(nil)
end

meter.__close = meter.finish

--- Makes a meter where one is wanted.
-- @tparam table args `progress`, `quiet`
-- @treturn[1] table to be closed; `callback` is what the library calls
-- @treturn[2] nil
function progress.new(args)
  local is_terminal = core.terminal(2) ~= nil
  if args.quiet or args.progress == false or not (is_terminal or args.progress) then return nil end
  local now = core.clock()
  local self =
    setmetatable({ is_terminal = is_terminal, samples = {}, next = now + (is_terminal and 0.3 or EACH_LINE) }, meter)
  self.callback = function(...) self:tell(...) end
  self.on_retry = function(...) self:retry(...) end
  if is_terminal then output.before(function() self:clear() end) end
  return self
end

return progress
