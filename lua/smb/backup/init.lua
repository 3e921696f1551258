--- A folder of snapshots: what `smb.backup` returns.
-- @classmod repo

local lfs = require "lfs"

local core = require "smb.core"
local destination = require "smb.destination"
local failures = require "smb.failure"
local hooks = require "smb.backup.hooks"
local name = require "smb.name"
local names = require "smb.backup.names"
local options = require "smb.options"
local pattern = require "smb.pattern"
local repository = require "smb.backup.repository"
local retention = require "smb.retention"
local show = require "smb.show"

local backup = {}
local methods = {}
local metatable = { __name = "smb.repo", __index = methods }

-- A copy of options, those of hooks among them.
local function check_opts(opts, allowed, method)
  local own = {}
  for key, value in pairs(type(opts) == "table" and opts or {}) do own[key] = value end
  for _, key in ipairs(hooks.OPTS) do allowed[key] = own[key] ~= nil and type(own[key]) or nil end
  local ok, reason = options.check_opts(opts, allowed)
  if ok then reason = hooks.check(own) end
  if reason then error(("%s: %s"):format(method, reason), 3) end
  return own
end

-- Calls fn(lock) while the repository is locked. Where nothing may be written a shared lock is done without.
-- Raises for globs that could match nothing.
local function check_globs(opts, method)
  for _, key in ipairs { "filter", "exclude" } do
    local fault = opts[key] ~= nil and pattern.fault(opts[key])
    if fault then error(("%s: option '%s' %s"):format(method, key, fault), 3) end
  end
end

local function locked(self, shared, fn)
  local lock <close>, message, code = self.dest:lock(self.path, { shared = shared })
  if not lock and not (shared and code == "access_denied") then return nil, message, code end
  return fn(lock)
end

-- The kinds of a value that may have several, as `options.check_opts` takes them.
local function either(opts, key, ...)
  local kind = type(opts) == "table" and type(opts[key]) or nil
  for _, wanted in ipairs { ... } do
    if kind == wanted then return wanted end
  end
  return (...)
end

--- Opens a folder of snapshots. It is made by the first one.
-- @local
function backup.new(dest, path)
  if destination.type(dest) ~= "destination" then
    error(("smb.backup: an open destination expected, got %s"):format(destination.type(dest) or type(dest)), 3)
  end
  if path ~= nil and type(path) ~= "string" then
    error("smb.backup: the path must be a string, not a " .. type(path), 3)
  end
  local ok, reason = name.check(path or "")
  if not ok then error("smb.backup: " .. reason, 3) end
  return setmetatable({ dest = dest, path = path or "" }, metatable)
end

local function absolute(path)
  if path:sub(1, 1) ~= "/" then path = lfs.currentdir() .. "/" .. path end
  path = path:gsub("/%./", "/"):gsub("/%.$", ""):gsub("//+", "/")
  if ("/" .. path .. "/"):find "/%.%./" then path = core.realpath(path) end
  return #path > 1 and path:gsub("/+$", "") or path
end

-- The sources without those that are in others.
local function sources_of(given)
  local all, kept = {}, {}
  for i, path in ipairs(given) do all[i] = absolute(path) end
  table.sort(all, core.path_before)
  for _, path in ipairs(all) do
    local last = kept[#kept]
    local is_within = last and (last == path or last == "/" or path:sub(1, #last + 1) == last .. "/")
    if not is_within then kept[#kept + 1] = path end
  end
  return kept
end

-- Sources are there, and the only one is a folder; nil, reason.
local function check_sources(sources, several)
  for _, path in ipairs(sources) do
    local kind, code, reason = core.lstat(path, true)
    if not kind then return nil, ("'%s': %s"):format(path, reason), code end
    if not several and kind ~= "directory" then return nil, ("'%s': it is no folder"):format(path), "not_directory" end
  end
  return true
end

--- Options of `repo:snapshot`.
-- @table snapshot_options
-- @tfield[opt] {string,...} exclude globs of what is left out: `*.log` matches names in any folder, `var/**` the whole
-- path in the snapshot, a slash at the end folders only
-- @tfield[opt] function|table filter what is included, as in tree_options
-- @tfield[opt] string|table exclude_if_present names: of a folder that holds one of them nothing but that is kept
-- @tfield[opt=true] boolean exclude_caches of folders with a CACHEDIR.TAG nothing but that is kept
-- @tfield[opt=false] boolean one_file_system leave out what is mounted below the sources
-- @tfield[opt] string verify "size", "sha256" (everything that is sent is read back and compared) or "none"
-- @tfield[opt] boolean in_place for shares that allow no renaming: straight under the final name
-- @tfield[opt] function progress called with bytes done, bytes in all and a name; false cancels
-- @tfield[opt] function each called with "put", a path and bytes for each file that has come
-- @tfield[opt] function|string|table before a function, or a command as of smb.command, that has to do well before; its
-- `nil, err` is a failure
-- @tfield[opt] function|string|table after the same for afterwards, whatever came of it: a function gets what is
-- returned
-- @tfield[opt] string log a file to which lines are added: what began, what failed, what came of it

--- Makes a snapshot of local folders. It is written into a folder NAME.part, which is renamed when all is in it; files
-- that have not changed since the last snapshot are copied on the server where that is quicker. Files that cannot be
-- read do not stop it.
-- @tparam string|table sources a folder, whose contents are meant; or a list of folders and files, which stand under
-- their whole paths
-- @tparam[opt] snapshot_options opts
-- @treturn[1] snapshot
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:snapshot(sources, opts)
  local several = type(sources) == "table"
  if not several and type(sources) ~= "string" then
    error(("bad argument #1 to 'snapshot' (string or table expected, got %s)"):format(type(sources)), 2)
  end
  local given = several and sources or { sources }
  if #given == 0 then error("bad argument #1 to 'snapshot' (there is no folder in the list)", 2) end
  for _, path in ipairs(given) do
    if type(path) ~= "string" or path == "" then
      error("bad argument #1 to 'snapshot' (paths expected in the list)", 2)
    end
  end
  opts = check_opts(opts, { exclude = "table", filter = either(opts, "filter", "function", "table"),
    exclude_if_present = either(opts, "exclude_if_present", "string", "table"), exclude_caches = "boolean",
    one_file_system = "boolean", verify = { "size", "sha256", "none" }, in_place = "boolean", progress = "function",
    each = "function" }, "snapshot")
  check_globs(opts, "snapshot")
  local all = sources_of(given)
  local ok, reason, code = check_sources(all, several)
  if not ok then
    return nil, failures.message("snapshot", repository.subject(self), core.state(self.dest).place, reason), code
  end
  return locked(self, false, function(lock)
    return hooks.run(self, "snapshot", opts, function()
      return require "smb.backup.snapshot".make(self, all, several, opts, lock)
    end)
  end)
end

--- The snapshots, newest last.
-- @treturn[1] {table,...} each with `name`, `time` (seconds since 1970), `files`, `bytes`, and `complete`: false for
-- one that was broken off
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:list()
  local all, message, code = repository.look(self)
  if not all then return nil, message, code end
  local list = {}
  for i, found in ipairs(all) do
    local counts
    counts, message, code = repository.counts(self, found)
    if not counts and message then return nil, message, code end
    list[i] = { name = found.name, time = found.time, files = counts and counts.files or 0,
      bytes = counts and counts.bytes or 0, complete = counts ~= nil }
  end
  return list
end

local function check_wanted(wanted, method)
  if type(wanted) ~= "string" then
    local text = "bad argument #1 to '%s' (a snapshot's name or \"latest\" expected, got %s)"
    error(text:format(method, type(wanted)), 3)
  end
  if wanted ~= "latest" and not names.time(wanted) then
    error(("bad argument #1 to '%s' (no snapshot is called '%s')"):format(method, show.text(wanted)), 3)
  end
end

--- Options of `repo:restore`.
-- @table restore_options
-- @tfield[opt] string path what is meant of the snapshot: a file, or a folder with all that is in it. It comes to stand
-- under its whole path
-- @tfield[opt] function|table filter what is meant, as in tree_options
-- @tfield[opt] string verify "sha256": what arrives is compared with the manifest before it gets its name
-- @tfield[opt="restore"] string links "restore" symbolic links that lead to a place in the folder, or "skip" all
-- @tfield[opt] boolean owners put users and groups back; by default root does
-- @tfield[opt="mtime"] string changed how to tell files that are not here yet, as in tree_options
-- @tfield[opt="stop"] string on_error "stop" or "continue" after a failure
-- @tfield[opt=false] boolean dry_run change nothing; the summary's `actions` tell what would be done
-- @tfield[opt] function progress called with bytes done, bytes in all and a name; false cancels
-- @tfield[opt] function each called with "get", a path and bytes for each file that has come
-- @tfield[opt] function|string|table before as in snapshot_options
-- @tfield[opt] function|string|table after as in snapshot_options
-- @tfield[opt] string log as in snapshot_options

--- Brings a snapshot back, or a part of it: files whole or not at all, with modes, times, symbolic links and, for root,
-- owners. Nothing outside the folder is touched, and what is in it besides stays.
-- @tparam string wanted a snapshot's name, or "latest"
-- @tparam string folder the local folder; made when it is missing
-- @tparam[opt] restore_options opts
-- @treturn[1] summary as of `dest:get_tree`; `name`: the snapshot's; `links`: those that were made
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: not_found, mismatch (a file or the manifest is not what it was), local_io, ...
function methods:restore(wanted, folder, opts)
  check_wanted(wanted, "restore")
  if type(folder) ~= "string" or folder == "" then
    error(("bad argument #2 to 'restore' (a folder expected, got %s)"):format(type(folder)), 2)
  end
  opts = check_opts(opts, { path = "string", filter = either(opts, "filter", "function", "table"),
    progress = "function", verify = { "size", "sha256", "none" }, links = { "skip", "restore" }, owners = "boolean",
    each = "function", changed = { "mtime", "size", "missing", "sha256", "always" }, on_error = { "stop", "continue" },
    dry_run = "boolean" }, "restore")
  check_globs(opts, "restore")
  if opts.owners == nil then opts.owners = core.user() == 0 end
  opts.path = opts.path and opts.path:gsub("^/+", ""):gsub("/+$", "") or nil
  opts.verify = opts.verify or core.state(self.dest).fields.verify
  return locked(self, true, function()
    return hooks.run(self, "restore", opts, function()
      return require "smb.backup.restore".bring(self, wanted, folder, opts)
    end)
  end)
end

--- Compares a snapshot with its manifest: whether all files are there, with their sizes and times, and nothing else.
-- @tparam string wanted a snapshot's name, or "latest"
-- @tparam[opt] table opts `data`: read all files and compare their SHA-256s; `source`: compare with these local
-- folders, too (a string or a list, as for `snapshot`); `progress`, `before`, `after`, `log` as in snapshot_options
-- @treturn[1] report `ok`, `differences`: a list of `name`, `what` ("missing", "size", "mtime", "sha256", "extra"),
-- `where`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:verify(wanted, opts)
  check_wanted(wanted, "verify")
  opts = check_opts(opts, { data = "boolean", progress = "function",
    source = either(opts, "source", "string", "table") }, "verify")
  if opts.source then opts.sources = sources_of(type(opts.source) == "table" and opts.source or { opts.source }) end
  return locked(self, true, function()
    return hooks.run(self, "verify", opts, function()
      return require "smb.backup.verify".compare(self, wanted, opts)
    end)
  end)
end

--- Deletes the snapshots that no rule keeps, and those that were broken off more than a day ago. The newest complete
-- one always stays.
-- @tparam table rules as of `smb.retention`, with `dry_run`: delete nothing; and `before`, `after`, `log` as in
-- snapshot_options
-- @treturn[1] table `keep` and `delete`: lists of `name`, `time` and `reasons`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:prune(rules)
  if type(rules) ~= "table" then
    error(("bad argument #1 to 'prune' (table expected, got %s)"):format(type(rules)), 2)
  end
  local own, opts = {}, {}
  for key, value in pairs(rules) do own[key] = value end
  for _, key in ipairs { "dry_run", table.unpack(hooks.OPTS) } do opts[key], own[key] = own[key], nil end
  opts = check_opts(opts, { dry_run = "boolean" }, "prune")
  local ok, problem = pcall(retention.plan, {}, own)
  if not ok then error(tostring(problem):gsub("^.*smb%.retention: ", "prune: "), 2) end
  return locked(self, opts.dry_run or false, function(lock)
    opts.lock = lock
    return hooks.run(self, "prune", opts, function() return require "smb.backup.prune".run(self, own, opts) end)
  end)
end

--- Removes the lock of a run that has not done so, whoever holds it. Look before whether that run has ended.
-- @treturn[1] boolean whether there was one
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:unlock()
  return require "smb.lock".remove(self.dest, self.path)
end

function metatable.__tostring(self)
  return ("smb.repo (%s)"):format(name.join(core.state(self.dest).place, self.path))
end

return backup
