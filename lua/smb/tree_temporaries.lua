--- Temporary names for what put_tree sends into a large folder: in a small folder in it.
--
-- A server whose file system tells capitals from small letters (Samba) looks through a whole folder for each name that
-- is not there. A file would take two such looks, a replaced one four: for its temporary name, for that of the old one
-- that waits aside, for its own. Names in a small folder cost nothing; what is left is the one look of the rename.
--
-- The small folder has a temporary name itself, which trees and sweep know. It is made when it pays, used by all files
-- of its folder, and removed when the call ends. One name for each host and folder: what a killed run has left in it is
-- found by the next one, and where folders can be made but not removed there is never more than one.
-- @module smb.tree_temporaries

local call = require "smb.call"
local core = require "smb.core"
local name = require "smb.name"
local operations = require "smb.operation"
local transfer = require "smb.transfer"

local temporaries = {}

local LARGE, SOME = 500, 8 -- entries of a folder, and files that are sent into it, below which it never pays
local LOOK = 1e-6 -- seconds that a server takes to look at one name
local REQUESTS, SERVER = 6, 0.0001 -- of making and removing the small folder; seconds that a server is at one
local MOMENT, LONG = 5, 30 -- seconds for removing small folders: of a call that has failed, and else

-- Failures that may be due to the small folder: of making files in it or renaming them out of it, or it is gone.
local MAY_BE_ITS = { access_denied = true, not_found = true, folder_missing = true, unsupported = true, failed = true,
  invalid_name = true }

local function path_of(folder)
  return name.small_folder(folder.path, transfer.lasting_digits("small folder", folder.path))
end

-- Files that are still to come are as many as have come, if nothing is known of them.
local function pays(self, folder)
  local sent = folder.count_sent or 0
  local entries, coming = (folder.entries or 0) + sent, math.max((folder.expected or 0) - sent, sent)
  if entries < LARGE or coming < SOME then return false end
  local round_trip = core.info(self.state.dest).round_trip or 0
  return entries * coming * LOOK > REQUESTS * (round_trip + SERVER)
end

local function make(self, folder)
  local path = path_of(folder)
  folder.small = { path = path } -- other lanes do without it meanwhile
  self.small_folders[#self.small_folders + 1] = path -- the answer may be lost
  if not call.retry(self.state.dest, "mkdir", { name = path }, self:part(folder.below)) then return end
  folder.small.is_ready = true
end

--- Moves a target's temporary names into the small folder, where that pays. Not before a file was seen to be renamed:
-- where that is refused, all would stay there.
-- @tparam table item a file that is sent
-- @tparam table target of `transfer.upload_target`; gets `is_small`
function temporaries:place_temporary(item, target)
  local folder, temps = item.folder, self.state.temps
  folder.count_sent = (folder.count_sent or 0) + 1
  if target.in_place or item.is_beside or folder.whole or not (temps and temps.proven) then return end
  if not folder.small and pays(self, folder) then make(self, folder) end
  if not folder.small or not folder.small.is_ready then return end
  local _, owner = name.parse_temporary(target.aside)
  target.is_small, target.lasting, target.digits = true, nil, nil
  target.temp = name.join(folder.small.path, name.base(target.temp))
  -- Of a shortened name nobody could tell whose it is.
  if owner then target.aside = name.join(folder.small.path, name.base(target.aside)) end
end

--- Whether a file is to be sent once more, with its temporary names beside it.
function temporaries.is_small_refused(_, item, request, code)
  item.is_beside = request.is_small and MAY_BE_ITS[code]
  return item.is_beside
end

--- That has helped: the small folder is not used any more.
function temporaries.forsake_small(_, folder)
  folder.small = {}
end

--- What a killed run has moved aside into a folder's small folder gets its name back, or goes where another file has
-- that. True when the folder has to be listed again.
-- @tparam table folder `has_small`: a listing has shown that there is one
function temporaries:settle_small(folder)
  if not folder.has_small or self.opts.dry_run then return false end
  local path, requests = path_of(folder), {}
  local there = call.retry(self.state.dest, "stat", { name = path, inner = true }, self:part(folder.below))
  if not there or there.type ~= "directory" then return false end
  self:each_remote(folder.below, path, function(entry)
    local kind, owner = name.parse_temporary(entry.name)
    if kind == "aside" and owner then
      requests[#requests + 1] = { to = name.join(folder.path, owner), aside = name.join(path, entry.name) }
    end
  end)
  for _, request in ipairs(requests) do
    if self:is_over() then break end
    self:ask(folder.below, "settle", request)
  end
  folder.has_small = nil
  return #requests > 0
end

--- Takes in a temporary name that a folder's listing has.
function temporaries.note_small(_, folder, text)
  if name.is_small_folder(text) and text == name.base(path_of(folder)) then folder.has_small = true end
end

-- Another run of this host may have files in one: then that one removes it.
local function remove_all(self)
  local folders = self.small_folders
  if #folders == 0 or not core.is_open(self.state.dest) then return end
  local under = operations.inner(self.state):to_tidy()
  under.deadline = core.clock() + (self.stopped and MOMENT or LONG)
  under:settle(self.state.dest)
  for _, path in ipairs(folders) do
    call.retry(self.state.dest, "rmdir", { name = path, missing_ok = true }, under)
  end
end

--- Begins a call: what this returns is closed at its end, whatever ends it, and removes the small folders.
function temporaries:begin_small()
  self.small_folders = {}
  return setmetatable({}, { __close = function() remove_all(self) end })
end

return temporaries
