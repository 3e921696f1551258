--- What a tree replaces or deletes goes where the caller wants it kept: the option `keep_old`.
--
-- A file keeps its path below the top. Nothing there is ever replaced: a second one becomes `NAME~1`, the next
-- `NAME~2`.
-- @module smb.tree_keep

local lfs = require "lfs"

local call = require "smb.call"
local core = require "smb.core"
local leftovers = require "smb.leftovers"
local name = require "smb.name"
local states = require "smb.state"
local transfer = require "smb.transfer"

local keep = {}

local MOST = 10000 -- files of one name

-- Tries a name, then others like it as long as they are taken. `try` takes a name, returns true or nil, code, reason.
local function find_free(path, try)
  local ok, code, reason = try(path)
  for i = 1, MOST do
    if ok or code ~= "exists" then break end
    ok, code, reason = try(("%s~%d"):format(path, i))
  end
  return ok, code, reason
end

-- Whether a path is another one or lies in it.
local function is_inside(path, top)
  return path == top or top == "" or path:sub(1, #top + 1) == top .. "/"
end

-- Whether one of two paths lies in the other one.
local function are_nested(a, b) return is_inside(a, b) or is_inside(b, a) end

-- On the share. -------------------------------------------------------------------------------------------------------

--- Checks where put_tree keeps what is old, if the option says so.
-- @tparam string path of the tree, below the share
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string why not
function keep:open_keep(path)
  local text = self.opts.keep_old
  if not text then return true end
  local folder, reason = states.resolve_change(self.state, text, true)
  if not folder then return nil, "keep_old: " .. reason end
  if are_nested(name.fold(folder), name.fold(path)) then
    return nil, ("keep_old: '%s' and the folder that is sent lie in each other"):format(text)
  end
  self.keep_path, self.keep_made = folder, {}
  return true
end

-- Makes a folder of those that are kept, once.
local function make_folder(self, subject, path)
  if self.keep_made[path] then return true end
  local ok, code, reason = call.retry(self.state.dest, "mkdir", { name = path }, self:part(subject))
  self.keep_made[path] = ok
  return ok, code, reason
end

-- Moves a file to a name that nothing has.
local function rename(self, subject, from, to)
  local ok, problem = name.check(to)
  if not ok then return nil, "invalid_name", problem end
  local request = transfer.target(to, false)
  request.name = from
  local reply, code, reason = call.retry(self.state.dest, "rename", request, self:part(subject))
  leftovers.remember(self.state, request, reply, code)
  return reply, code, reason
end

--- Keeps a file of the share.
-- @tparam string subject its path below the top
-- @tparam string path below the share
-- @treturn[1] string where it is now
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function keep:keep_remote(subject, path)
  local wanted, found = name.join(self.keep_path, subject), nil
  local ok, code, reason = make_folder(self, subject, name.parent(wanted))
  if ok then
    ok, code, reason = find_free(wanted, function(to)
      found = to
      return rename(self, subject, path, to)
    end)
  end
  if ok then return found end
  return nil, code, ("to '%s': %s"):format(found or wanted, reason)
end

--- Keeps an empty folder of the share: one is made.
function keep:keep_remote_folder(subject)
  return make_folder(self, subject, name.join(self.keep_path, subject))
end

--- Where a file arrives that is to take another one's place: under a temporary name, so that the old one has its name
-- until then.
-- @tparam table item with its `path`
-- @treturn table a target (smb.transfer)
function keep.target_beside(_, item)
  item.is_new = true
  return transfer.target(name.temporary(item.path, core.random()), false)
end

--- A file has arrived beside its place: moves the old one away, and renames the new one into place. Moves the old one
-- back where that fails.
-- @tparam table item with `subject` and `path`
-- @tparam string arrived where the new file is
-- @param reply
-- @treturn[1] the reply
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function keep:take_place(item, arrived, reply)
  local ok
  local kept, code, reason = self:keep_remote(item.subject, item.path)
  if kept or code == "not_found" then
    ok, code, reason = rename(self, item.subject, arrived, item.path)
    if ok then return reply end
  end
  if kept then rename(self, item.subject, kept, item.path) end
  call.retry(self.state.dest, "delete", { name = arrived, missing_ok = true }, self:part(item.subject))
  return nil, code, reason
end

--- Keeps the old file, if there is one and it is to be kept, before a new one comes straight to its place.
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function keep:make_way(item)
  if not item.replaces or not self.keep_path then return true end
  local kept, code, reason = self:keep_remote(item.subject, item.path)
  if not kept and code ~= "not_found" then return nil, code, reason end
  return true
end

-- Here. ---------------------------------------------------------------------------------------------------------------

-- The path without links; of what is not there, that of the nearest folder above it, and the rest.
local function real(path)
  local rest = ""
  while not lfs.symlinkattributes(path) and path:find "[^/]" do
    local above, last = path:match "^(.-)/*([^/]*)/*$"
    path, rest = above ~= "" and above or (path:sub(1, 1) == "/" and "/" or "."), "/" .. last .. rest
  end
  return (core.realpath(path):gsub("/$", "")) .. rest
end

--- Checks where get_tree keeps what is old, if the option says so, and makes that folder.
-- @tparam string place the tree's local folder
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string why not
function keep:open_local_keep(place)
  local folder = self.opts.keep_old
  if not folder then return true end
  if are_nested(real(folder), real(place)) then
    return nil, ("keep_old: '%s' and the folder that is fetched into lie in each other"):format(folder)
  end
  if self.opts.dry_run then return true end
  for above in (folder .. "/"):gmatch "()/" do
    if above > 1 then lfs.mkdir(folder:sub(1, above - 1)) end
  end
  local root, _, reason = core.open_root(folder)
  if not root then return nil, ("keep_old: '%s': %s"):format(folder, reason) end
  self.keep_root = root
  return true
end

-- Makes the folders above a name that is kept.
local function make_local_folders(self, subject)
  for above in subject:gmatch "()/" do core.make_folder(subject:sub(1, above - 1), self.keep_root) end
end

--- Keeps a local file.
-- @tparam string subject its path below the top
-- @tparam string path
-- @tparam ?userdata root that the path lies below
-- @treturn[1] string where it is now, below `keep_root`
-- @treturn[2] nil
-- @treturn[2] string the error word
-- @treturn[2] string what happened
function keep:keep_local(subject, path, root)
  local found
  make_local_folders(self, subject)
  local ok, code, reason = find_free(subject, function(to)
    found = to
    return core.move(path, to, root, self.keep_root)
  end)
  if ok then return found end
  return nil, code == "exists" and "local_io" or code, ("to '%s/%s': %s"):format(self.opts.keep_old, found, reason)
end

--- Keeps an empty local folder: one is made.
function keep:keep_local_folder(subject)
  make_local_folders(self, subject .. "/")
end

return keep
