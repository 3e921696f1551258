--- Folders with all that is in them, to the share and from it: files side by side, folders made once, what is there
-- already left alone.
--
-- Tasks, one for each connection, take from two stacks: folders to be looked into, which give further folders and
-- files, and files to be moved. Both are bounded: whoever finds more does it himself first, so that a tree of any size
-- needs little memory.
-- @module smb.tree

local lfs = require "lfs"

local call = require "smb.call"
local failures = require "smb.failure"
local operations = require "smb.operation"
local compare = require "smb.tree_compare"
local core = require "smb.core"
local folders = require "smb.tree_folders"
local keep = require "smb.tree_keep"
local name = require "smb.name"
local naming = require "smb.naming"
local show = require "smb.show"
local task = require "smb.task"

local tree = {}

--- Codes of a folder that is not there.
tree.IS_MISSING = folders.IS_MISSING

local FILES, FOLDERS = 256, 64 -- that wait for their turn
local ROUND_TRIP_EACH = 0.0001 -- seconds that a further connection makes up for: so long a server is at a request
local AT_LEAST = 2 -- connections: one side's work on a file is the other side's wait
local MANY = 64 -- names in a tree for which as many as pay are made at once
-- bytes: of files up to this size several are fetched at once; messages to and fro cost more than they
local SMALL = 64 * 1024
local SOME = 256 * 1024 -- bytes that are fetched at once: what is cut off is lost
local ENOENT = 2
local SKIPPED_NAMED = 100 -- names of what was left out that a summary holds
local TURN = 16 -- entries of a folder between two checks of the deadline and of other tasks

local sync = {}
for _, room in ipairs { compare, folders, keep } do
  for method, fn in pairs(room) do sync[method] = fn end
end

--- Makes the class of one direction: the methods of a sync, and of a mirror. It adds
--
-- - `visit(folder)`: takes a folder that is to be looked into; adds files and further folders
-- - `move(item, part)`: moves a file that was added; returns a reply with `bytes`, or nil, code, reason
-- - `move_some(items)`, where several files can be moved at once: returns how many of the first ones have been moved
-- - `remove()`: with mirror, removes what is not in the source
-- @tparam string operation the name of the call, for messages
-- @tparam string verb what is done to a file: "put" or "get"
-- @tparam table mirror further methods
-- @treturn table the class
function tree.direction(operation, verb, mirror)
  local direction = { operation = operation, verb = verb }
  for _, methods in ipairs { sync, mirror } do
    for method, fn in pairs(methods) do direction[method] = fn end
  end
  direction.__index = direction
  return direction
end

--- Begins a call.
-- @tparam table direction a class that `tree.direction` made
-- @tparam table state the destination's state
-- @tparam string top the remote folder, as the caller named it
-- @tparam table opts as `call_options.check_tree` returns them
-- @tparam table selection smb.tree_selection's
-- @treturn table the sync
function tree.new(direction, state, top, opts, selection)
  local under = operations.new(state, direction.operation, top, opts, 0)
  local function ask(verb, request) return call.retry(state.dest, verb, request, operations.part(under)) end
  local self = setmetatable({ state = state, top = top, opts = opts, turn = 0, count = 0, there = 0,
    filter = selection.includes, selection = selection, files_total = 0, files_failed = 0,
    names = naming.new(opts.encode_names, opts.dry_run, ask, opts.on_error ~= "continue" and not opts.in_place),
    unanswered = {}, failed = {}, files = {}, folders = {}, visiting = 0, extra = {}, spared = {}, later = {},
    under = under,
    summary = { files = 0, bytes = 0, unchanged = 0, deleted = 0, folders = 0, times_refused = 0, errors = {},
      seconds = 0, skipped = { count = 0, links = 0, special = 0, dfs = 0, mounts = 0, bins = 0, names = {} },
      dry_run = opts.dry_run or nil, actions = opts.dry_run and {} or nil } }, direction)
  function under.counts() return self:count_files() end
  return self
end

-- Files that are done, and how many there are as far as is known.
function sync:count_files()
  local done = self.summary.files + self.summary.unchanged + self.files_failed
  return done, math.max(done, self.files_total)
end

-- How many connections pay.
function sync:lanes_wanted()
  local state = self.state
  local round_trip = core.info(state.dest).round_trip or 0
  return math.min(core.connections_at_most(state.dest), AT_LEAST + round_trip // ROUND_TRIP_EACH)
end

-- Failures. -----------------------------------------------------------------------------------------------------------

-- What cannot get better for other files ends the whole; so does a server that fails all lanes, and one of them once
-- more, with nothing done in between.
local HOPELESS = { cancelled = true, auth_failed = true, share_missing = true, host_not_found = true, protocol = true,
  unreachable = true }
local SILENT = { timeout = true, disconnected = true }

function sync:ends_all(code)
  if not SILENT[code] then return HOPELESS[code] end
  local summary, unanswered = self.summary, self.unanswered
  local done_so_far = summary.files + summary.unchanged + summary.deleted + summary.folders
  if unanswered.since ~= done_so_far then unanswered.since, unanswered.count = done_so_far, 0 end
  unanswered.count = unanswered.count + 1
  return unanswered.count > self:lanes_wanted()
end

-- Takes a failure in. `subject`: a path below the top, "" the top itself.
function sync:fail(subject, code, reason)
  local once = subject .. "\0" .. code -- what was found out before anything was sent is found again
  if self.failed[once] then return end
  self.failed[once] = true
  local whole = name.join(self.top, subject)
  local errors = self.summary.errors
  errors[#errors + 1] = { name = subject == "" and whole or subject, code = code,
    message = failures.message(self.operation, whole, self.state.place, reason) }
  if self:ends_all(code) or self.opts.on_error ~= "continue" then self.stopped = self.stopped or errors[#errors] end
end

-- What `files_from` names and is not there.
function sync:fail_missing()
  if self.stopped then return end
  for _, path in ipairs(self.selection.missing()) do
    self:fail(path, "not_found", "files_from names it, and it is not there")
  end
end

-- Whether the walk and the lanes have to end.
function sync:is_over()
  if self.stopped then return true end
  local code, reason = self.under:must_stop()
  if self.under.raised then error(self.under.raised[1], 0) end
  if not code then return false end
  self:fail("", code, reason)
  self.stopped = self.stopped or self.summary.errors[#self.summary.errors]
  return true
end

-- Whether a walk over a folder has to end; asked for each entry, and after `many`.
function sync:is_cut_short(many)
  self.turn = (self.turn + 1) % TURN
  if self.turn > 0 and not many then return self.stopped ~= nil end
  task.breathe(self.state)
  return self:is_over()
end

-- Whether an entry is one of those that are meant.
function sync:is_included(below, text, entry)
  return not self.filter or self.filter(name.join(below, text), entry)
end

-- What is left out, though no filter excludes it: counted, and the first ones named.
local COUNTERS = { link = "links", special = "special", dfs = "dfs", mount = "mounts", bin = "bins" }

function sync:skip(subject, reason)
  local skipped, counter = self.summary.skipped, COUNTERS[reason]
  skipped.count, skipped[counter] = skipped.count + 1, skipped[counter] + 1
  if #skipped.names < SKIPPED_NAMED then skipped.names[#skipped.names + 1] = { name = subject, reason = reason } end
  self:tell_each("skip", subject)
end

-- A link on the share. Only of a folder, on a share that has such links, it is one to another share or server.
function sync:skip_remote(subject, entry)
  self:skip(subject, entry.directory and core.info(self.state.dest).dfs and "dfs" or "link")
end

--- The operation of one step: `subject` is what it is about, a path below the top.
function sync:part(subject)
  return operations.part(self.under, name.join(self.top, subject))
end

-- A step of the way: what fails is taken in.
function sync:try(subject, reply, code, reason)
  if reply == nil then self:fail(subject, code, reason) end
  return reply
end

function sync:ask(subject, verb, request)
  return self:try(subject, call.retry(self.state.dest, verb, request, self:part(subject)))
end

-- The work. -----------------------------------------------------------------------------------------------------------

-- Moves one file.
function sync:move_one(item)
  local part = self:part(item.subject)
  part.file = item.subject
  local reply, code, reason = self:move(item, part)
  part:finished(reply and reply.bytes or 0)
  if not reply then
    self.files_failed = self.files_failed + 1
    return self:fail(item.subject, code, reason)
  end
  self:moved(item.subject, reply.bytes)
end

--- A file has been moved, or would be in a dry run.
function sync:moved(subject, bytes)
  self.summary.files = self.summary.files + 1
  self.summary.bytes = self.summary.bytes + bytes
  self:note(self.verb, subject, bytes)
end

-- The next file, with others that go by the same request: small ones, and none that another connection could move
-- meanwhile.
function sync:take_files()
  local items, length, bytes = {}, 0, 0
  local most = math.min(core.files_at_once, #self.files // self:lanes_wanted())
  repeat
    local item = table.remove(self.files)
    items[#items + 1], length, bytes = item, length + #item.path + 1, bytes + item.size
    local another = self.files[#self.files]
    local fits = another and another.size <= SMALL and bytes + another.size <= SOME
      and length + #another.path < core.path_limit
  until #items >= most or item.size > SMALL or not fits
  return items
end

-- Moves the next file, or several.
function sync:move_next()
  if not self.move_some then return self:move_one(table.remove(self.files)) end
  local items = self:take_files()
  local done = #items > 1 and self:move_some(items) or 0
  for i = done + 1, #items do
    if self:is_over() then return end
    self:move_one(items[i])
  end
end

function sync:add_file(item)
  while #self.files >= FILES and not self:is_over() do self:move_next() end
  table.insert(self.files, item)
end

-- Visits a folder, and those that were listed ahead with it.
function sync:visit_from(folder)
  self.visiting = self.visiting + 1
  repeat
    self:visit(folder)
    local following = folder.next
    folder.next = nil -- else all of them would stay
    folder = following
  until not folder or self:is_over()
  self.visiting = self.visiting - 1
end

-- Whether a folder lies so deep that it is left out: a hostile server's folder may contain itself.
function sync:is_too_deep(folder)
  if select(2, folder.below:gsub("/", "")) < core.depth_limit then return false end
  self:fail(folder.below, "failed", "the folders lie more than 1,000 levels deep")
  return true
end

function sync:add_folder(folder)
  if self:is_too_deep(folder) then return end
  if #self.folders < FOLDERS then table.insert(self.folders, folder) else self:visit_from(folder) end
end

-- Works as long as there is something to do, or may be.
function sync:lane()
  while not self:is_over() do
    if #self.files > 0 then self:move_next()
    elseif #self.folders > 0 then self:visit_from(table.remove(self.folders))
    elseif self.visiting > 0 then task.pause(self.state, nil, task.SLICE, true)
    else return end
  end
end

--- Visits the first folder and all below it; then, with mirror, removes what is too much. Returns the summary.
function sync:run(top)
  local tasks <close> = task.group(self.state)
  table.insert(self.folders, top)
  tasks:spawn(self.lane, self)
  tasks:wait(function()
    local more = math.min(#self.files + #self.folders, self:lanes_wanted() - tasks:count())
    if more <= 0 or self.stopped then return end
    core.warm(self.state.dest, tasks:count() + more)
    for _ = 1, more do tasks:spawn(self.lane, self) end
  end)
  self:fail_missing()
  if self.opts.mirror and #self.summary.errors == 0 then
    self:remove()
    for _, each in ipairs(self.spared) do self:fail(each.subject, "invalid_name", each.reason) end
  end
  local summary, stopped = self.summary, self.stopped
  summary.seconds = core.clock() - self.under.began
  if stopped then
    self.under:failed()
    return nil, stopped.message, stopped.code
  end
  self.under:finished(math.max(self.under.done, self.under.total))
  show.errors(summary.errors)
  if summary.actions then show.actions(summary.actions) end
  return show.summary(summary)
end

-- Tells the caller's `each` of something that was done. An error in it ends the call, and so does false.
function sync:tell_each(action, subject, bytes)
  if not self.opts.each then return end
  if self.under:tell(self.opts.each, action, subject, bytes) == false then self.under.cancelled = true end
end

--- Something was done, or would be in a dry run.
function sync:note(action, subject, bytes)
  local actions = self.summary.actions
  if actions then actions[#actions + 1] = { action = action, name = subject, bytes = bytes } end
  self:tell_each(action, subject, bytes)
end

-- Counts files that have arrived whole, but without their time.
function sync:note_time_refused(count)
  self.summary.times_refused = self.summary.times_refused + count
end

-- Counts names, and starts further connections while those of a big tree are read. A folder alone does not make a
-- source not empty of which a filter leaves nothing else.
function sync:count_names(count, kind)
  local before = self.count
  self.count = before + count
  if kind ~= "directory" or not self.filter then self.there = self.there + count end
  if before < MANY and self.count >= MANY then core.warm(self.state.dest, self:lanes_wanted()) end
end

-- How many files a mirror may delete, and why; nil for any number.
function sync:most_deleted()
  local opts = self.opts
  local own = opts.cautious and not opts.force and self.there or nil
  if opts.max_delete and not (own and own < opts.max_delete) then
    return opts.max_delete, ("more than %d files are to be deleted (max_delete): nothing is deleted")
      :format(opts.max_delete)
  end
  return own, "more files are to be deleted than the source has: nothing is deleted (force deletes them)"
end

--- Whether a mirror would delete more files than it may: then it deletes nothing, and the call fails.
-- @tparam function count returns for one of `extra`, and how many may be, how many files would go with it
function sync:deletes_too_many(count)
  local most, reason = self:most_deleted()
  if not most then return false end
  local found = 0
  for _, each in ipairs(self.extra) do
    if found > most or self:is_over() then break end
    found = found + count(each, most - found)
  end
  if found <= most then return self.stopped ~= nil end
  self:fail("", "failed", reason)
  self.stopped = self.stopped or self.summary.errors[#self.summary.errors]
  return true
end

--- Whether there is nothing of a local name.
function tree.is_missing(here)
  local _, _, problem = lfs.attributes(here)
  return problem == ENOENT
end

return tree
