--- Whether a file of a tree is unchanged.
-- @module smb.tree_compare

local call = require "smb.call"
local core = require "smb.core"
local name = require "smb.name"
local task = require "smb.task"

local compare = {}

local COARSEST = core.ticks(2) -- of what disks keep
local INSTEAD = 10000 -- files of which it is remembered what time a server gave them instead of their own
local FINE = core.ticks(1600000001.123456) -- a time of which each disk keeps another part
local SAMPLES = 64 -- files whose times are compared later, to learn how exactly a server keeps them

function compare:sample(path, ticks)
  local samples = self.state.samples or {}
  self.state.samples, self.state.sampled = samples, (self.state.sampled or 0) + 1
  if samples[path] or self.state.sampled <= SAMPLES then samples[path] = ticks end
end

-- Remembers what time a file has on a share whose disk does not reach as far as its own.
function compare:remember_instead(path, ours, theirs)
  local state = self.state
  state.instead, state.instead_count = state.instead or {}, state.instead_count or 0
  if not state.instead[path] then
    if state.instead_count == INSTEAD then return end
    state.instead_count = state.instead_count + 1
  end
  state.instead[path] = { ours = ours, theirs = theirs }
end

-- Whether a time on the share is what the server gave that file when this destination sent it, and the local one is the
-- same still.
function compare:is_instead(path, ours, theirs)
  local known = self.state.instead and self.state.instead[path]
  return known ~= nil and known.ours == ours and known.theirs == theirs
end

-- What becomes of a fine time on the share: nil where that cannot be found out. By a file of our own, which goes at
-- once.
local function set_fine_time(self, path)
  local function ask(verb, arguments) return call.retry(self.state.dest, verb, arguments, self:part("")) end
  local place = name.join(path, name.temporary("lua-smb-time", core.random()))
  local file = ask("open", { name = place, writable = true, create = true, exclusive = true })
  if not file then return nil end
  ask("close", { link = file.link, handle = file.handle })
  local entry = ask("utime", { name = place, mtime = FINE }) and ask("stat", { name = place, inner = true })
  ask("delete", { name = place, missing_ok = true })
  return entry and entry.ticks
end

-- What becomes of a fine time there, found out once for a destination, and only if that tells whether a file has to be
-- sent.
function compare:fine_time(path)
  local state = self.state
  if self.opts.dry_run or self.opts.in_place then return nil end
  while state.fine_time == "asked" and not self:is_over() do task.pause(state, nil, task.SLICE, true) end
  if state.fine_time == nil then
    local _ <close> = setmetatable({}, { __close = function()
      if state.fine_time == "asked" then state.fine_time = nil end
    end })
    state.fine_time = "asked"
    state.fine_time = set_fine_time(self, path) or false
  end
  return math.tointeger(state.fine_time)
end

-- Whether the share's disk has made a time of a local one. Where the folder's times tell that it may have, but not that
-- it has, the disk is asked.
function compare:is_cut(known, ours, theirs, path)
  if not core.name_index_may_be_cut(known, ours, theirs) then return false end
  local got = self:fine_time(path)
  if not got then return false end
  core.name_index_believe(known, FINE, got)
  return core.name_index_is_same_time(known, ours, theirs)
end

-- Whether two files of one size have the same contents.
local function same_contents(self, here, size, path)
  local source <close>, is = core.open_local(here)
  if not source or is ~= size then return false end
  local part = self:part("")
  local ours = call.run(self.state.dest, "hash", { file = source, size = size }, part)
  local opened = call.run(self.state.dest, "open", { name = path }, part)
  if not ours or not opened then return false end
  local guard <close> = call.handle(self.state, opened)
  local theirs = call.run(self.state.dest, "hash", { link = opened.link, handle = opened.handle, size = size }, part)
  guard:close()
  return theirs ~= nil and theirs.sha256 == ours.sha256
end

-- Whether the local disk would make the time that a file has of the other one: it may keep every other second only
-- (FAT), or not reach as far.
local function is_as_kept_here(here, ours, theirs)
  local is_near = math.abs(ours - theirs) < COARSEST
  return (is_near or not core.is_held_everywhere(theirs)) and core.kept_here(here, theirs) == ours
end

-- Compares a local file, in the folder `here`, with a remote one, in `path`.
-- `known`: what else is in that, when it is listed whole. `changed`: how, if not as the caller has said.
function compare:is_unchanged(ours, theirs, here, path, known, changed)
  changed = changed or self.opts.changed
  if changed == "missing" then return true end
  if changed == "always" or ours.size ~= theirs.size then return false end
  if changed == "size" then return true end
  if changed == "sha256" then
    return same_contents(self, here .. "/" .. ours.name, ours.size, name.join(path, theirs.name))
  end
  if known then
    return core.name_index_is_same_time(known, ours.ticks, theirs.ticks)
      or self:is_instead(name.join(path, theirs.name), ours.ticks, theirs.ticks)
      or self:is_cut(known, ours.ticks, theirs.ticks, path)
  end
  if core.is_same_time(ours.ticks, theirs.ticks, self.opts.window) then return true end
  return is_as_kept_here(here, ours.ticks, theirs.ticks)
end

return compare
