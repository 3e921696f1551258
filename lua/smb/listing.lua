--- Folders: entries as they come from the worker, in order, or with all that is below.
-- @module smb.listing

local call = require "smb.call"
local core = require "smb.core"
local failures = require "smb.failure"
local requests = require "smb.request"
local states = require "smb.state"
local name = require "smb.name"
local operations = require "smb.operation"
local show = require "smb.show"
local task = require "smb.task"

local listing = {}

-- Why a walk ends where folders go on: a hostile server's folder may contain itself.
local TOO_DEEP = "the folders lie more than 1,000 levels deep"

local TURN = 256 -- names after which it is looked whether others want their turn
local SORTED_AT_ONCE = 1024 -- names

-- A listing under way: `next` returns entries, closing it tells the worker. Small: the rest waits in the worker. `open`
-- is the handle there, until it is closed.
local found_entries = {}
found_entries.__index = found_entries

--- Opens a folder.
-- @tparam table state the destination's
-- @tparam string operation for messages
-- @tparam string text the folder's name
-- @tparam table under the call's operation
-- @tparam[opt] boolean inner its entries tell what is no part of the public face: `ctime`, `ticks`
-- @treturn[1] table the listing: `next` returns an entry, nil at the end, or nil, message, code; to be declared
-- `<close>`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function listing.open(state, operation, text, under, inner)
  local path, reason = states.resolve(state, text)
  if not path then return states.fail(state, operation, text, "invalid_name", reason) end
  local batch, message, code = states.run(state, operation, text, "list_open", { name = path, inner = inner },
    operations.part(under, text))
  if not batch then return nil, message, code end
  local found = setmetatable({ dest = state.dest, state = state, operation = operation, text = text, inner = inner,
    under = under, batch = batch, at = 0 }, found_entries)
  if batch.handle ~= 0 then found.open = { link = batch.link, handle = batch.handle } end
  found:ask_ahead()
  return found
end

function found_entries:next()
  if self.batch then core.check(self.dest) end
  while self.batch do
    self.at = self.at + 1
    local entry = self.batch[self.at]
    if entry then return show.entry(entry) end
    if self.batch.handle == 0 then
      self.batch, self.open = nil, nil
      return nil
    end
    local ahead = self.ahead
    local ok, code, reason = requests.collect(ahead, self.under)
    if not ok then return states.fail(self.state, self.operation, self.text, code, reason) end
    self.batch, self.at = ahead.reply, 0
    if not self.batch then return states.fail(self.state, self.operation, self.text, ahead.code, ahead.reason) end
    self:ask_ahead()
  end
end

-- While the script looks at a batch the next one is on its way.
function found_entries:ask_ahead()
  local batch = self.batch
  if batch.handle == 0 then return end
  self.ahead = requests.pending(self.state, batch.link, requests.start(self.dest, self.state, "list_next",
    { handle = batch.handle, link = batch.link, inner = self.inner }))
end

function found_entries:__close()
  self.batch = nil
  if not self.open or not core.is_open(self.dest) then return end
  if self.under:must_stop() then return self:drop() end -- nobody waits any more
  requests.collect(self.ahead)
  local last = self.ahead.reply
  if last and last.handle ~= 0 then
    call.run(self.dest, "list_close", { handle = self.open.handle, link = self.open.link })
  end
  self.open = nil
end

-- Nobody ends the listing: the worker closes it when it comes to that. What is on its way comes before.
function found_entries:drop()
  local open = self.open
  self.open = nil
  if open and core.is_open(self.dest) and core.is_ours(self.dest) then
    core.post_close(self.dest, open.link, open.handle)
  end
end

found_entries.__gc = found_entries.drop

-- In order. -----------------------------------------------------------------------------------------------------------

local function less(a, b) return a < b end

-- How names are compared: byte by byte. Lua does so, and faster, unless the host has set a locale.
local function order()
  local collation = os.setlocale(nil, "collate")
  return (collation == "C" or collation == "POSIX") and less or core.precedes
end

-- Merges two sorted arrays.
local function merge(state, a, b, before)
  local all, i, j = {}, 1, 1
  while a[i] and b[j] do
    if before(b[j], a[i]) then all[#all + 1], j = b[j], j + 1 else all[#all + 1], i = a[i], i + 1 end
    if #all % TURN == 0 then task.breathe(state) end
  end
  table.move(a, i, #a, #all + 1, all)
  return table.move(b, j, #b, #all + 1, all)
end

-- Sorts names. In a job piece by piece, so that others have their turn; else at once, which is faster: strings are
-- compared in C.
local function sort(state, names, before, first, last)
  first, last = first or 1, last or #names
  if last - first >= SORTED_AT_ONCE and task.is_job() then
    local middle = (first + last) // 2
    local left, right = sort(state, names, before, first, middle), sort(state, names, before, middle + 1, last)
    return merge(state, left, right, before)
  end
  local piece = first == 1 and last == #names and names or table.move(names, first, last, 1, {})
  table.sort(piece, before ~= less and before or nil)
  task.breathe(state)
  return piece
end

--- All entries of a folder, sorted by name.
-- @tparam table state the destination's
-- @tparam string operation for messages
-- @tparam string text the folder's name
-- @tparam table under the call's operation
-- @treturn[1] {table,...} entries
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function listing.sorted(state, operation, text, under)
  local found <close>, message, code = listing.open(state, operation, text, under)
  if not found then return nil, message, code end
  local names, by_name = {}, {}
  while true do
    local entry, problem, word = found:next()
    if problem then return nil, problem, word end
    if not entry then break end
    names[#names + 1] = entry.name
    by_name[entry.name] = entry
  end
  names = sort(state, names, order())
  for i, each in ipairs(names) do
    names[i] = by_name[each]
    if i % TURN == 0 then task.breathe(state) end
  end
  return names
end

-- With all that is below. ---------------------------------------------------------------------------------------------

-- A walk under way: the listings of the folders from the walked one down to where it is.
local walking = {}
walking.__index = walking

function walking:enter(below)
  if #self > core.depth_limit then
    local _, problem, word = states.fail(self.state, "walk", name.join(self.top, below), "failed", TOO_DEEP)
    failures.raise(problem, word)
  end
  local found, message, code = listing.open(self.state, "walk", name.join(self.top, below), self.under, self.all)
  if not found then failures.raise(message, code) end
  local is_elsewhere = found.batch.elsewhere ~= 0 -- a DFS link that was shown as a folder
  if #self > 0 and is_elsewhere ~= self.is_elsewhere then return found:__close() end
  self.is_elsewhere = is_elsewhere
  self[#self + 1] = { listing = found, below = below }
end

function walking:leave()
  local level = table.remove(self)
  level.listing:__close()
end

function walking:next()
  if self.entering then
    self:enter(self.entering)
    self.entering = nil
  end
  while #self > 0 do
    local level = self[#self]
    local entry, message, code = level.listing:next()
    if message then failures.raise(message, code) end
    if not entry then
      self:leave()
    elseif self.all or not name.is_temporary(entry.name) then
      local relative = name.join(level.below, entry.name)
      -- What is called like a moment of the past leads to the folder above it, as it was then.
      local is_entered = entry.type == "directory" and not name.is_previous(entry.name)
      if is_entered and not (self.passes and self.passes(entry)) then self.entering = relative end
      return relative, entry
    end
  end
end

function walking:__close()
  while #self > 0 do self:leave() end
end

--- Iterates over all that is below a folder, depth first. Failures raise.
-- @tparam table state the destination's
-- @tparam string top the folder's name
-- @tparam table under the call's operation
-- @tparam[opt] boolean all temporary files, too; and entries tell when they were last changed
-- @tparam[opt] function passes tells of a folder's entry whether it is not to be entered
-- @treturn function iterator of path, entry; with what the generic for needs to close it
function listing.walk(state, top, under, all, passes)
  local found = setmetatable({ state = state, top = top, under = under, all = all, passes = passes }, walking)
  found:enter("")
  under:pause()
  return function()
    under:resume()
    local path, entry = found:next()
    under:pause()
    return path, entry
  end, nil, nil, found
end

return listing
