--- What folders of a tree hold, here and on the share.
-- @module smb.tree_folders

local call = require "smb.call"
local core = require "smb.core"
local name = require "smb.name"

local folders = {}

--- Codes of a folder that is not there.
folders.IS_MISSING = { folder_missing = true, not_found = true }

local TURN = 16 -- entries of a folder between two checks of the deadline and of other tasks

--- Whether a folder is one of those that lead to where a walk stands: then a link leads back.
-- @tparam ?table folder where it stands: its `identity`, and the one `above`
-- @tparam string identity of a folder that is found there
-- @treturn boolean
function folders.is_above(folder, identity)
  while folder and folder.identity ~= identity do folder = folder.above end
  return folder ~= nil
end

-- A local path for the core: itself or, where links are not followed, its part below the caller's folder, which is held
-- open. Whoever may write there might otherwise lead root elsewhere.
function folders:at(here)
  if not self.root then return here, nil end
  local below = here:sub(#self.base + 2)
  return below ~= "" and below or ".", self.root
end

-- Type, size and time of a local name. A link counts as its target where links are followed.
function folders:look(here)
  local at, root = self:at(here)
  return core.lstat(at, root == nil, root)
end

function folders:fail_local(subject, code, here, reason)
  self:fail(subject, code, ("'%s': %s"):format(here, reason))
end

-- Why a local entry is left out, though it may be meant; nil for what is moved.
function folders:reason_to_skip(entry)
  if entry.type == "link" then return "link" end
  if entry.type ~= "file" and entry.type ~= "directory" then return "special" end
  local is_elsewhere = self.device and entry.identity and entry.identity:sub(1, #self.device) ~= self.device
  return is_elsewhere and "mount" or nil
end

-- Iterates over the entries of a local folder that are included. A link counts as its target, or is skipped. `passing`,
-- if given, is how to pass over files that need no check: `read_on` does so with what is `known`, and perhaps `sizes`;
-- `passed` is called with their count and bytes. `excluded`, if given, is called with names that are excluded or
-- skipped; the summary counts the skipped ones.
function folders:local_entries(here, below, passing, excluded)
  local at, root = self:at(here)
  local next_entry, folder, reason, closing = core.entries(at, self.opts.symlinks == "follow", root ~= nil, root)
  if not next_entry then
    self:fail_local(below, folder, here, reason)
    return function() end
  end
  passing = passing or { read_on = next_entry }
  return function()
    while true do
      local text, kind, size, ticks, identity = passing.read_on(folder, passing.known, passing.sizes)
      local count, bytes = core.passed(folder)
      if count > 0 then passing.passed(self, count, bytes) end
      if text == nil and kind then self:fail_local(below, kind, here, size) end
      if text == nil or self:is_cut_short(not text or count >= TURN) then return nil end
      local is_temporary = not text or name.is_temporary(text) -- a transfer's, perhaps one of right now
      if not kind and not is_temporary then
        self:fail_local(name.join(below, text), size, here .. "/" .. text, ticks)
      elseif not is_temporary then
        local entry =
          { name = text, type = kind, size = size, mtime = core.seconds(ticks), ticks = ticks, identity = identity }
        local skipped, is_included = self:reason_to_skip(entry), self:is_included(below, text, entry)
        if not skipped and is_included then return entry end
        if excluded then excluded(text) end
        if excluded and is_included then self:skip(name.join(below, text), skipped) end
      end
    end
  end, nil, nil, closing
end

-- Whether a folder that may not be listed is sent whole: in place, what is there need not be known.
function folders:may_be_unlisted(code)
  return self.opts.in_place and not self.opts.mirror and code == "access_denied"
end

-- Whether a folder is on another share than the first one that was looked into: a DFS link that was shown as a folder
-- leads there. The targets that one link has are taken for one, since each connection may have got another.
function folders:leads_away(reply)
  local is_elsewhere = reply.elsewhere ~= 0
  if self.is_elsewhere == nil then self.is_elsewhere = is_elsewhere end
  return is_elsewhere ~= self.is_elsewhere
end

-- Calls fn with each reply about a remote folder: a list of entries or, for `batch`, one as the core takes it. True at
-- its end; false, code when it could not be listed. `subject`: nil for a folder that may fail to be listed without any
-- harm. `following`: a folder that is likely to be listed next; `wished`: the connection that may have listed this one
-- ahead.
function folders:each_reply(subject, path, batch, fn, following, wished)
  local request = { name = path, to = following, batch = batch, wished = wished, ahead = wished ~= nil,
    inner = not batch }
  local part = self:part(subject or "")
  local reply, code, reason = call.retry(self.state.dest, "list_open", request, part)
  while reply do
    local listing <close> = call.handle(self.state, reply)
    local is_last = reply.handle == 0
    if is_last then listing:is_gone() end
    if reply.elsewhere and self:leads_away(reply) then
      self:skip(subject, "dfs")
      listing:close()
      return false, "elsewhere"
    end
    fn(reply)
    if is_last then return not self.stopped end
    if self:is_over() then
      listing:close()
      return false
    end
    reply, code, reason = call.run(self.state.dest, "list_next",
      { handle = listing.handle, link = listing.link, batch = batch, inner = not batch }, part)
    if reply then listing:is_gone() end -- the next round has it
  end
  local is_fine = self.is_missing_fine and folders.IS_MISSING[code] or self:may_be_unlisted(code)
  if subject and not is_fine then self:fail(subject, code, reason) end
  return false, code
end

-- Calls fn with each entry of a remote folder.
function folders:each_remote(subject, path, fn)
  return self:each_reply(subject, path, false, function(reply)
    for _, entry in ipairs(reply) do
      if self:is_cut_short() then break end
      fn(entry)
    end
  end)
end

return folders
