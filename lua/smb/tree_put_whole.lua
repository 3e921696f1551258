--- A folder that is new as a whole: put_tree makes it under a temporary name, writes small files straight under their
-- names in it, and renames it when all are there. Six requests a file instead of nine, and one look of the server
-- through a large folder instead of three.
--
-- Nobody sees the folder before it is whole. What fails or is cancelled leaves it with those of its files that are
-- whole. What a killed run has left, the next run of this host takes over under a name of its own, so that whoever
-- still works on it fails; it trusts only what has a file's size and time.
-- @module smb.tree_put_whole

local call = require "smb.call"
local core = require "smb.core"
local leftovers = require "smb.leftovers"
local name = require "smb.name"
local operations = require "smb.operation"
local transfer = require "smb.transfer"
local tree_folders = require "smb.tree_folders"

local whole = {}

local SMALL = 1024 * 1024 -- bytes of a file that is written in place; others can be gone on with
local LEAST = 8 -- small files for which it pays: the folder itself takes some requests more
local MOST = 20000 -- files of one folder and all below it
local LONGEST = 300 -- seconds that nothing of it is seen
local REQUESTS = 6 -- of a file
local SPEED = 10 * 1024 * 1024 -- bytes a second that are counted on
local MOMENT = 1 -- seconds for tidying up when the time is over, or somebody has cancelled

-- Whether a file is written straight under its name.
function whole:is_in_place(item)
  if self.opts.in_place then return true end
  return item.folder.whole ~= nil and item.entry.size <= SMALL
end

--- The path that something in a folder has in the end.
function whole.final_path(_, path, folder)
  local own = folder.whole
  return own and own.to .. path:sub(#own.path + 1) or path
end

-- Which new folders are meant. ----------------------------------------------------------------------------------------

-- Counts what is in a local folder and all below it into `found`, as far as it may count. `above`: identity, and what
-- is above.
local function count(self, here, below, found, above)
  for entry in self:local_entries(here, below) do
    if entry.type == "directory" then
      local inner = { identity = entry.identity, above = above }
      if not tree_folders.is_above(above, entry.identity) then
        count(self, here .. "/" .. entry.name, name.join(below, entry.name), found, inner)
      end
    else
      found.files, found.bytes = found.files + 1, found.bytes + entry.size
      found.small = found.small + (entry.size <= SMALL and 1 or 0)
    end
    if found.files > MOST then return end
  end
end

-- Of the whole tree it is known already, if a filter has been asked for each file.
local function counts(self, folder)
  if folder.below == "" and self.filter then
    local files, bytes = self.files_total, self.under.total
    return { files = files, bytes = bytes, small = files - bytes // SMALL }
  end
  local found = { files = 0, bytes = 0, small = 0 }
  count(self, folder.here, folder.below, found, folder)
  return found
end

local function pays(self, folder)
  local found = counts(self, folder)
  if found.small < LEAST or found.files > MOST then return false end
  local round_trip = core.info(self.state.dest).round_trip or 0
  local seconds = found.files * REQUESTS * round_trip / self:lanes_wanted() + found.bytes / SPEED
  return seconds <= LONGEST
end

-- What a killed run of this host has left of a folder, among the temporary names that its parent holds.
local function leftover_of(own, temporaries)
  for _, text in ipairs(temporaries) do
    local digits = text:match "(%x%x%x%x%x)%.part$"
    local path = digits and digits:sub(1, #own.mark) == own.mark and name.temporary_folder(own.to, digits)
    if path and name.base(path) == text then return path end
  end
end

local function rename_once(self, from, to, under)
  local request = transfer.target(to, false)
  request.name, request.new = from, true
  return call.retry(self.state.dest, "rename", request, under)
end

-- Renames a folder to what is free.
local function rename(self, from, to, under)
  return leftovers.when_released(self.state, function() return rename_once(self, from, to, under) end,
    function() return under:must_stop() end)
end

-- Renames an empty folder. Whether that is allowed is known for the destination then.
local function rename_first(self, from, own)
  local ok, code = rename_once(self, from, own.path, self:part(own.subject))
  if ok then self.state.renames_folders = true end
  if code == "access_denied" then self.state.renames_folders = false end
  return ok ~= nil
end

-- Takes over what is left: of several who try, one gets it.
local function take_over(self, own, temporaries)
  local left = leftover_of(own, temporaries)
  own.is_taken = left ~= nil and rename(self, left, own.path, self:part(own.subject)) ~= nil
  return own.is_taken
end

-- The temporary names in the folder that holds the top.
local function temporaries_beside(self, path)
  local above = name.parent(path)
  if not above then return {} end
  local found = {}
  self:each_reply(nil, above, true, function(reply)
    for _, text in ipairs(core.name_index_learn(core.name_index(), reply.batch)) do found[#found + 1] = text end
  end)
  return found
end

-- The first one of a destination is renamed at once, while it is empty: some shares let nobody rename or remove a
-- folder. There it stays, but never more than one for each host and folder that holds it.
local function make_first(self, own)
  local above = name.parent(own.to)
  local path = name.temporary_folder(name.join(above, "lua-smb"), transfer.lasting_digits("first folder"):sub(1, 5))
  local part = self:part(own.subject)
  if not call.retry(self.state.dest, "mkdir", { name = path }, part) then return false end
  local ok = rename_first(self, path, own)
  if not ok then call.retry(self.state.dest, "rmdir", { name = path, missing_ok = true }, part) end
  return ok
end

-- One that was made already is empty, and gets its temporary name.
local function make(self, own)
  if own.is_made then return rename_first(self, own.to, own) end
  if not self.state.renames_folders then return make_first(self, own) end
  return call.retry(self.state.dest, "mkdir", { name = own.path, exclusive = true }, self:part(own.subject)) ~= nil
end

--- Begins a new folder, if it is to be made as a whole.
-- @tparam table folder `here`, `below`, and `path`, where nothing is; gets another `path`, `whole` and `is_new`
-- @tparam ?{string,...} temporaries that its parent holds; looked for if not given
-- @tparam[opt] boolean is_made it is there, and empty
-- @treturn boolean false when it is to be made, or filled, in the usual way
function whole:begin_whole(folder, temporaries, is_made)
  local opts, path = self.opts, folder.path
  local is_meant = not opts.dry_run and not opts.in_place and opts.preserve_mtime ~= false and path ~= ""
    and self.state.renames_folders ~= false and not self.names:has_pairs(folder.below)
  if not is_meant or not pays(self, folder) then return false end
  local own = { subject = folder.below, to = path, folder = folder, open = 0, files = 0, bytes = 0, unsure = {},
    is_made = is_made, mark = transfer.lasting_digits("folder", path):sub(1, 3) }
  own.path = name.temporary_folder(path, own.mark .. core.random():sub(1, 2))
  if not take_over(self, own, temporaries or temporaries_beside(self, path)) and not make(self, own) then
    return false
  end
  if is_made and own.is_taken then
    call.retry(self.state.dest, "rmdir", { name = path, missing_ok = true }, self:part(folder.below))
  end
  folder.path, folder.whole, folder.is_new = own.path, own, not own.is_taken
  self.sent, self.wholes[own] = self.sent + 1, true
  if is_made then return true end
  self.summary.folders = self.summary.folders + 1
  self:note("mkdir", folder.below)
  return true
end

-- Its files. ----------------------------------------------------------------------------------------------------------

--- How files in a folder are known to be unchanged: what a killed run has left there may be incomplete.
function whole:changed_in(folder)
  local changed = self.opts.changed
  return folder.whole and (changed == "size" or changed == "missing") and "mtime" or changed
end

local function remove(self, path, verb, subject, under)
  return call.retry(self.state.dest, verb, { name = path, recursive = verb == "rmdir" or nil, missing_ok = true },
    under or self:part(subject))
end

--- What a folder holds under a name that is to be of a type: a killed run may have left something of another type.
function whole:still_there(there, wanted, folder)
  if not there or not folder.whole or there.type == wanted then return there end
  local path = name.join(folder.path, there.at or there.name)
  return not remove(self, path, there.type == "directory" and "rmdir" or "delete", folder.below) and there or nil
end

--- Before a file is sent: one that may be incomplete, and may still be open to a run that was killed, goes first.
function whole:begin_file(item, part)
  local own = item.folder.whole
  if not own or not self:is_in_place(item) then return true end
  if item.replaces then
    local ok, code, reason = call.retry(self.state.dest, "delete", { name = item.path, missing_ok = true }, part)
    if not ok then return nil, code, reason end
    item.replaces, item.is_unlisted, item.is_new = nil, true, true
  end
  own.unsure[item.path] = true
  return true
end

--- A file is there.
function whole.end_file(_, item, bytes)
  local own = item.folder.whole
  if not own then return end
  own.unsure[item.path] = nil
  own.files, own.bytes = own.files + 1, own.bytes + bytes
end

--- Removes what a killed run has left in a folder that was taken over, and the source has not.
function whole:clear_taken(known, folder)
  if folder.is_new then return end
  for _, text in ipairs(folder.temporaries) do remove(self, name.join(folder.path, text), "delete", folder.below) end
  for _, entry in core.name_index_unseen, known, 0 do
    local verb = entry.type == "directory" and "rmdir" or "delete"
    remove(self, name.join(folder.path, entry.name), verb, folder.below)
  end
end

-- Ending it. ----------------------------------------------------------------------------------------------------------

-- Removes files that may be incomplete. True when none is left.
local function remove_unsure(self, own, under)
  for path in pairs(own.unsure) do
    if not call.retry(self.state.dest, "delete", { name = path, missing_ok = true }, under) then return false end
    own.unsure[path] = nil
  end
  return true
end

-- Whether what has a folder's name by now is another program's, and not what the server takes for the same name.
local function is_ours_still(self, own, code)
  local above = own.folder.above
  if code ~= "exists" or not above or not above.path then return true end
  return self:is_ours(name.base(own.to), { name = name.base(own.subject), type = "directory" }, above)
end

-- The folder cannot have its name, perhaps since there is one by now: its files go there one by one, and it goes.
local function send_again(self, own, code, reason)
  if code ~= "exists" and code ~= "access_denied" and code ~= "busy" and code ~= "not_found" then
    return self:fail(own.subject, code, reason)
  end
  local summary, folder = self.summary, own.folder
  local is_ours, problem = is_ours_still(self, own, code)
  if not is_ours then
    self.rests[#self.rests + 1] = own.path
    return self:fail(own.subject, code, problem)
  end
  summary.files, summary.bytes = summary.files - own.files, summary.bytes - own.bytes
  summary.folders = summary.folders - 1
  self.rests[#self.rests + 1] = own.path
  self:add_folder { here = folder.here, below = own.subject, path = own.to, identity = folder.identity,
    above = folder.above, is_usual = true }
end

-- All is there.
local function finish(self, own)
  local under = self:part(own.subject)
  local ok, code, reason = remove_unsure(self, own, under), nil, nil
  if ok then ok, code, reason = rename(self, own.path, own.to, under) end
  if not ok and self:is_over() then return end
  self.wholes[own] = nil
  if not ok then send_again(self, own, code, reason) end
end

--- Something of a folder is under way.
function whole.enter_whole(_, own)
  if own then own.open = own.open + 1 end
end

--- Something of it has come to its end.
function whole:leave_whole(own)
  if not own then return end
  own.open = own.open - 1
  if own.open == 0 and self.wholes[own] and not self:is_over() then finish(self, own) end
end

--- The call has come to its end, well or not: folders that are not whole get their names with what is, and what stands
-- in for none is removed. Without a connection they stay as they are for the next run.
function whole:end_wholes()
  if not next(self.wholes) and #self.rests == 0 or not core.is_open(self.state.dest) then return end
  local under = operations.inner(self.state):to_tidy()
  under.deadline, under.retries = core.clock() + MOMENT, self.state.fields.retries
  under:settle(self.state.dest)
  for own in pairs(self.wholes) do
    self.wholes[own] = nil
    if core.settled(self.state.dest, 0) and remove_unsure(self, own, under) then
      rename(self, own.path, own.to, under)
    end
  end
  for _, path in ipairs(self.rests) do remove(self, path, "rmdir", "", self.stopped and under or nil) end
  self.rests = {}
end

return whole
