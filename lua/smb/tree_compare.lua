--- Whether a file of a tree is unchanged.
-- @module smb.tree_compare

local call = require "smb.call"
local core = require "smb.core"
local name = require "smb.name"
local operations = require "smb.operation"

local compare = {}

local COARSEST = core.ticks(2) -- of what disks keep
local INSTEAD = 10000 -- files of which it is remembered what time a server gave them instead of their own
local SAMPLES = 64 -- files whose times are looked at again, to see how exactly a server keeps them

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

-- Whether a time on the share is what the server gave that file when this destination sent it, and the local one is the same
-- still.
function compare:is_instead(path, ours, theirs)
  local known = self.state.instead and self.state.instead[path]
  return known ~= nil and known.ours == ours and known.theirs == theirs
end

-- Whether two files of one size have the same contents.
local function same_contents(self, here, size, path)
  local source <close>, is = core.open_local(here)
  if not source or is ~= size then return false end
  local part = operations.part(self.under)
  local ours = call.run(self.state.dest, "hash", { file = source, size = size }, part)
  local opened = call.run(self.state.dest, "open", { name = path }, part)
  if not ours or not opened then return false end
  local guard <close> = call.handle(self.state, opened)
  local theirs = call.run(self.state.dest, "hash", { link = opened.link, handle = opened.handle, size = size }, part)
  guard:close()
  return theirs ~= nil and theirs.sha256 == ours.sha256
end

-- Whether the local disk would make the time that a file has of the other one: it may keep every other second only (FAT), or not
-- reach as far.
local function is_as_kept_here(here, ours, theirs)
  local is_near = math.abs(ours - theirs) < COARSEST
  return (is_near or not core.is_held_everywhere(theirs)) and core.kept_here(here, theirs) == ours
end

-- Compares a local file, in the folder `here`, with a remote one, in `path`.
-- `known`: what else is in that, when it is listed whole.
function compare:is_unchanged(ours, theirs, here, path, known)
  if self.opts.changed == "missing" then return true end
  if self.opts.changed == "always" or ours.size ~= theirs.size then return false end
  if self.opts.changed == "size" then return true end
  if self.opts.changed == "sha256" then
    return same_contents(self, here .. "/" .. ours.name, ours.size, name.join(path, theirs.name))
  end
  if known then
    return core.name_index_is_same_time(known, ours.ticks, theirs.ticks)
      or self:is_instead(name.join(path, theirs.name), ours.ticks, theirs.ticks)
  end
  if core.is_same_time(ours.ticks, theirs.ticks, self.opts.window) then return true end
  return is_as_kept_here(here, ours.ticks, theirs.ticks)
end

return compare
