--- A share, logged on to: what `smb.open` returns.
--
-- Names are relative to the destination's path and `/`-separated; "" is the path itself. Every method but `dir` and
-- `walk` returns `nil, message, code` on failure; a wrong argument raises.
-- @classmod destination

local arity = require "smb.arity"
local attributes = require "smb.destination_fields"
local call = require "smb.call"
local call_options = require "smb.call_options"
local connect = require "smb.connect"
local core = require "smb.core"
local failures = require "smb.failure"
local file = require "smb.file"
local leftovers = require "smb.leftovers"
local operations = require "smb.operation"
local states = require "smb.state"
local listing = require "smb.listing"
local name = require "smb.name"
local options = require "smb.options"
local settings = require "smb.settings"
local show = require "smb.show"
local sources = require "smb.source"
local trial = require "smb.trial"
local whole = require "smb.whole"

local destination = { open = connect.open }
local methods = {}
local names = {} -- of the methods
local metatable = core.destination_metatable

local fail, resolve, resolve_below, resolve_change, run =
  states.fail, states.resolve, states.resolve_below, states.resolve_change, states.run

-- Arguments and failures. ---------------------------------------------------------------------------------------------

-- A method was called with a dot: raises what to write instead. `level`: of whoever called it.
local function misused(level)
  local known_as = names[debug.getinfo(level, "f").func] or "list"
  error(("use dest:METHOD(...): this is a method, to be called with a colon: dest:METHOD(), not dest.METHOD()")
    :gsub("METHOD", known_as), level + 1)
end

local function state_of(dest)
  if type(dest) ~= "userdata" or getmetatable(dest) ~= metatable then misused(3) end
  local state = core.state(dest)
  if not core.is_open(dest) then error("attempt to use a closed destination", 3) end
  return state
end

local function check_string(value, position, method)
  if type(value) ~= "string" then
    error(("bad argument #%d to '%s' (string expected, got %s)"):format(position, method, type(value)), 3)
  end
end

local function check_opts(opts, allowed, method)
  local ok, reason = options.check_opts(opts, allowed)
  if not ok then error(("%s: %s"):format(method, reason), 3) end
  return opts or {}
end

-- For methods that give true.
local function done(reply, message, code)
  if reply then return true end
  return nil, message, code
end

-- Opening and closing. ------------------------------------------------------------------------------------------------

--- What a value is.
-- @local
function destination.type(value)
  if type(value) ~= "userdata" or getmetatable(value) ~= metatable then return nil end
  return core.is_open(value) and "destination" or "closed destination"
end

--- Closes what is open, and hangs up; jobs that have not ended are cancelled. Closing twice is no failure.
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message of the first file that could not be closed well
-- @treturn[2] string code
function methods:close()
  if type(self) ~= "userdata" or getmetatable(self) ~= metatable then misused(2) end
  if not core.is_open(self) then return true end
  return connect.close(self)
end

-- As `close`; a failure is raised, unless an error is under way. A forked child's copy is only released.
function metatable.__close(self, problem)
  if not core.is_open(self) then return end
  if not core.is_ours(self) then return core.close(self) end
  local ok, message, code = connect.close(self, problem ~= nil)
  if not ok and problem == nil then failures.raise(message, code) end
end

-- Looking. ------------------------------------------------------------------------------------------------------------

local function stat(state, operation, text)
  local path, reason = resolve(state, text)
  if not path then return fail(state, operation, text, "invalid_name", reason) end
  local entry, message, code = run(state, operation, text, "stat", { name = path })
  if not entry then
    if code == "not_found" and text == "" then code = "folder_missing" end
    return nil, message, code
  end
  entry.name = name.base(text)
  return show.entry(entry)
end

--- Asks for a file's or folder's entry.
-- @tparam string text its name
-- @treturn[1] entry `name`, `type` ("file", "directory", "link"), `size` (bytes), `mtime`, `atime`, `btime` (seconds
-- since 1970; btime is nil on an encrypted connection, where only listings tell it), `archive`, `hidden`, `system`,
-- `readonly` (booleans)
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: not_found, folder_missing, invalid_name, ...
function methods:stat(text)
  local state = state_of(self)
  check_string(text, 1, "stat")
  return stat(state, "stat", text)
end

--- Whether there is a file or folder of that name.
-- @tparam string text its name
-- @treturn[1] boolean
-- @treturn[2] nil where that cannot be told
-- @treturn[2] string message
-- @treturn[2] string code
function methods:exists(text)
  local state = state_of(self)
  check_string(text, 1, "exists")
  local entry, message, code = stat(state, "exists", text)
  if entry then return true end
  if code == "not_found" or code == "folder_missing" then return false end
  return nil, message, code
end

--- All entries of a folder, sorted by name.
-- @tparam[opt=""] string text the folder's name
-- @treturn[1] {entry,...} entries as `stat` returns them
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: folder_missing, not_directory, ...
function methods:list(text)
  local state = state_of(self)
  if text ~= nil then check_string(text, 1, "list") end
  local entries, message, code = listing.sorted(state, "list", text or "", operations.new(state, "list", text or ""))
  if not entries then return nil, message, code end
  return show.entries(entries)
end

--- Iterates over a folder's entries as they come, for the generic `for`, which closes it too. Failures raise.
--
--     for entry in dest:dir() do print(entry.name, entry.size) end
--
-- @tparam[opt=""] string text the folder's name
-- @treturn function iterator of entries
function methods:dir(text)
  local state = state_of(self)
  if text ~= nil then check_string(text, 1, "dir") end
  local under = operations.new(state, "dir", text or "")
  local found, message, code = listing.open(state, "dir", text or "", under)
  if not found then failures.raise(message, code) end
  under:pause()
  return function()
    under:resume()
    local entry, problem, word = found:next()
    under:pause()
    if problem then failures.raise(problem, word) end
    return entry
  end, nil, nil, found
end

--- Iterates over all that is below a folder, depth first: the path relative to the walked folder, and the entry.
-- Links are given, but not entered; temporary files of transfers are left out. Failures raise.
-- @tparam[opt=""] string text the folder's name
-- @treturn function iterator of path, entry
function methods:walk(text)
  local state = state_of(self)
  if text ~= nil then check_string(text, 1, "walk") end
  return listing.walk(state, text or "", operations.new(state, "walk", text or ""))
end

-- Changing. -----------------------------------------------------------------------------------------------------------

--- Makes a folder, with its parents. One that is there already is fine.
-- @tparam string text its name; "" makes the destination's own path
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: exists (a file has the name), access_denied, ...
function methods:mkdir(text)
  local state = state_of(self)
  check_string(text, 1, "mkdir")
  local path, reason = resolve_change(state, text)
  if not path then return fail(state, "mkdir", text, "invalid_name", reason) end
  return done(run(state, "mkdir", text, "mkdir", { name = path }))
end

--- Deletes a file. A folder is left alone: `is_directory`.
-- @tparam string text its name
-- @tparam[opt] table opts `missing_ok`: a file that is not there is no failure
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: not_found, is_directory, access_denied, busy, ...
function methods:delete(text, opts)
  local state = state_of(self)
  check_string(text, 1, "delete")
  opts = check_opts(opts, call_options.DELETE, "delete")
  if text == "" then return fail(state, "delete", text, "is_directory", "it is a folder") end
  local path, reason = resolve_change(state, text)
  if not path then return fail(state, "delete", text, "invalid_name", reason) end
  return done(run(state, "delete", text, "delete", { name = path, missing_ok = opts.missing_ok },
    operations.new(state, "delete", text, opts)))
end

--- Removes a folder.
-- @tparam string text its name
-- @tparam[opt] table opts `recursive`: with all that is in it, recycle bins and snapshots of servers too. Links to
-- files are removed; one to a folder is left alone, and with it the folder: `unsupported`
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: not_found, not_directory, not_empty, ...
function methods:rmdir(text, opts)
  local state = state_of(self)
  check_string(text, 1, "rmdir")
  opts = check_opts(opts, call_options.RMDIR, "rmdir")
  local path, reason = resolve_change(state, text, true)
  if not path then return fail(state, "rmdir", text, "invalid_name", reason) end
  return done(run(state, "rmdir", text, "rmdir", { name = path, recursive = opts.recursive },
    operations.new(state, "rmdir", text, opts)))
end

local function from_to(dest, operation, from, to, opts, allowed, result_of)
  local state = state_of(dest)
  if type(from) ~= "string" then check_string(from, 1, operation) end
  if type(to) ~= "string" then check_string(to, 2, operation) end
  opts = check_opts(opts, allowed, operation)
  local request, reason = states.two_names(state, from, to, opts.overwrite, operation == "copy")
  local reply, code
  if request then
    if operation == "copy" and opts.preserve_mtime ~= false then
      request.mtime, request.insist = 0, opts.preserve_mtime
    end
    local under = operations.new(state, operation, from, opts)
    reply, code, reason = call.retry(state.dest, operation, request, under)
    leftovers.remember(state, request, reply, code)
    if not reply then under:failed() end
  end
  if not reply then
    return fail(state, operation, from, code or "invalid_name", ("to '%s': %s")
      :format(to:gsub("[\0-\x1F\x7F]", "?"), reason))
  end
  return true, result_of and result_of(reply, request) or nil
end

--- Renames or moves a file or folder. While an existing file is replaced, one whole copy, old or new, is on the share.
-- @tparam string from its name
-- @tparam string to its new name
-- @tparam[opt] table opts `overwrite` (default true): replace a file that is there; else `exists`
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: not_found, exists, is_directory, folder_missing, busy, ...
function methods:rename(from, to, opts)
  return from_to(self, "rename", from, to, opts, call_options.RENAME)
end

--- Copies a file on the server: no data passes through the client.
-- @tparam string from its name
-- @tparam string to the copy's name
-- @tparam[opt] table opts `overwrite` (default true), `preserve_mtime` as for `put`
-- @treturn[1] boolean true
-- @treturn[1] ?table `mtime_kept`: false, where its time was refused
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:copy(from, to, opts)
  return from_to(self, "copy", from, to, opts, call_options.COPY, function(reply, request)
    return whole.is_time_kept(request.mtime, reply.time_refused) == false and { mtime_kept = false } or nil
  end)
end

--- Sets a file's or folder's modification time (and its access time).
-- @tparam string text its name
-- @tparam number mtime seconds since 1970; microseconds are kept
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:utime(text, mtime)
  local state = state_of(self)
  check_string(text, 1, "utime")
  if type(mtime) ~= "number" then
    error(("bad argument #2 to 'utime' (number expected, got %s)"):format(type(mtime)), 2)
  end
  local ticks = core.ticks(mtime)
  if not ticks or not core.is_holdable(ticks) then
    error("bad argument #2 to 'utime' (a time from 1601 to 30828, which SMB can hold, expected)", 2)
  end
  local path, reason = resolve_change(state, text)
  if not path then return fail(state, "utime", text, "invalid_name", reason) end
  return done(run(state, "utime", text, "utime", { name = path, mtime = ticks }))
end

--- How large the share is.
-- @treturn[1] table `total`, `free`, `available` (to this user), in bytes
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: unsupported where the server does not say
function methods:quota()
  local state = state_of(self)
  local reply, message, code = run(state, "quota", nil, "quota", { name = state.fields.path })
  if not reply then return nil, message, code end
  return show.quota { total = reply.total, free = reply.available, available = reply.available }
end

-- Files, whole. -------------------------------------------------------------------------------------------------------

--- Sends a local file. It appears under its name when it is complete, with the local file's mtime; on failure what was
-- there before is untouched. A pipe, a device or a file of /proc, whose size and time mean nothing, is read to its end.
-- @tparam string localpath the local file
-- @tparam[opt] string text its name on the share; the local file's own by default
-- @tparam[opt] transfer_options opts
-- @treturn[1] result `bytes`, `seconds`, `retries`, `resumed`, `sha256`; `mtime_kept`: false, where the time was
-- refused
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: local_io, source_changed, folder_missing, exists, is_directory, no_space, busy, mismatch,
-- ...
function methods:put(localpath, text, opts)
  local state = state_of(self)
  check_string(localpath, 1, "put")
  if text ~= nil then check_string(text, 2, "put") end
  opts = check_opts(opts, call_options.PUT, "put")
  local in_place = settings.is_in_place(state, opts)
  if in_place and opts.resume then
    error("put: resume and in_place exclude each other: nobody can tell what a file of that name is the beginning of",
      2)
  end
  text = text or localpath:match("[^/]*$")
  local path, reason = resolve_change(state, text, true)
  if not path then return fail(state, "put", text, "invalid_name", reason) end
  return whole.put(state, localpath, text, path, opts)
end

--- Fetches a file. It appears under its local name when it is complete and on disk, with the remote file's mtime; on
-- failure what was there before is untouched.
-- @tparam string text its name
-- @tparam[opt] string localpath where to; a folder, or what ends in a slash, takes the remote name, which is also the
-- default
-- @tparam[opt] transfer_options opts
-- @treturn[1] result `bytes`, `seconds`, `retries`, `resumed`, `sha256`, `mtime_kept`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: not_found, is_directory, local_io, exists, source_changed, mismatch, ...
function methods:get(text, localpath, opts)
  local state = state_of(self)
  check_string(text, 1, "get")
  if localpath ~= nil then check_string(localpath, 2, "get") end
  opts = check_opts(opts, call_options.GET, "get")
  local path, reason = resolve_below(state, text)
  if not path then return fail(state, "get", text, "invalid_name", reason) end
  return whole.get(state, text, path, localpath, opts)
end

--- Fetches a whole file into a string, or into an LTN12 sink.
-- @tparam string text its name
-- @tparam[opt] function sink gets strings, then nil; its `nil, err` is a failure, whose err comes back as the message
-- @tparam[opt] table opts `progress` and `on_retry` as for `put`
-- @treturn[1] string|table its contents; with a sink `bytes`, `seconds`, `retries`, `resumed`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:read(text, sink, opts)
  local state = state_of(self)
  check_string(text, 1, "read")
  if sink ~= nil and type(sink) ~= "function" then
    error(("bad argument #2 to 'read' (function expected, got %s)"):format(type(sink)), 2)
  end
  opts = check_opts(opts, call_options.READ, "read")
  local path, reason = resolve_below(state, text)
  if not path then return fail(state, "read", text, "invalid_name", reason) end
  if sink then return whole.read_into(state, text, path, sink, opts) end
  return whole.read(state, text, path, opts)
end

--- Writes a file from a string or a reader, of any length. It appears under its name when it is complete; on failure
-- what was there before is untouched.
--
--     assert(dest:write("shop.sql.gz", smb.command({ "pg_dump", "shop" }, { "gzip" })))
--
-- Of `io.popen "pg_dump shop | gzip"` sh tells only how gzip has ended: when pg_dump fails, a few bytes replace a good
-- backup. `smb.command` looks at every stage.
-- @tparam string text its name
-- @tparam string|function|file*|command data the contents; or a function that gives strings until nil (an LTN12
-- source), whose `nil, err` is a failure that comes back as it is; or a file of Lua's io, or a pipe of io.popen with
-- one command, which is read to its end and closed whatever happens; or what `smb.command` gives. A command that fails
-- leaves nothing on the share
-- @tparam[opt] transfer_options opts
-- @treturn[1] result `bytes`, `seconds`, `retries`, `resumed`, `sha256`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:write(text, data, opts)
  local from <close> = sources.of(data)
  local state = state_of(self)
  check_string(text, 1, "write")
  if not from then
    error(("bad argument #2 to 'write' (string, function, open file or command expected, got %s)"):format(io.type(data)
      or type(data)), 2)
  end
  if from.command and not from:is_new() then
    error("bad argument #2 to 'write' (the command has been run already)", 2)
  end
  if from.closer and from:is_spent() then
    error("bad argument #2 to 'write' (the file has been read to its end already)", 2)
  end
  opts = check_opts(opts, call_options.WRITE, "write")
  local path, reason = resolve_change(state, text, true)
  if not path then return fail(state, "write", text, "invalid_name", reason) end
  return whole.write(state, text, path, from, opts)
end

-- Folders, whole. -----------------------------------------------------------------------------------------------------

local function check_tree_opts(state, given, method)
  local opts, reason = call_options.check_tree(state, given, method)
  if not opts then error(("%s: %s"):format(method, reason), 3) end
  return opts
end

--- Sends a local folder with all that is in it. Files go side by side over several connections, each whole or not at
-- all and with its time; what has the same size and time on the share already is left alone.
-- @tparam string localdir the local folder
-- @tparam[opt=""] string text the folder on the share; made when it is missing
-- @tparam[opt] tree_options opts
-- @treturn[1] summary `files`, `bytes`, `unchanged`, `deleted`, `folders` (made), `times_refused`, `errors` (a list of
-- `name`, `message`, `code`), `seconds`, `skipped` (what is no file and no folder and was left out: `count`, `links`,
-- `special`, `dfs`, `mounts`, and the `bins` that mirror has left; of the first 100 `names`: a list of `name`,
-- `reason`)
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code; `invalid_name` before anything is sent, when SMB cannot hold a name of the tree
function methods:put_tree(localdir, text, opts)
  local state = state_of(self)
  check_string(localdir, 1, "put_tree")
  if text ~= nil then check_string(text, 2, "put_tree") end
  opts = check_tree_opts(state, opts, "put_tree")
  local path, reason = resolve_change(state, text or "")
  if not path then return fail(state, "put_tree", text, "invalid_name", reason) end
  return require "smb.tree_put".send(state, #localdir > 1 and localdir:gsub("/+$", "") or localdir, text or "", path,
    opts)
end

--- Fetches a folder with all that is in it. As `put_tree`, the other way round.
-- @tparam string text the folder on the share
-- @tparam string localdir the local folder; made when it is missing
-- @tparam[opt] tree_options opts
-- @treturn[1] summary as of `put_tree`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:get_tree(text, localdir, opts)
  local state = state_of(self)
  check_string(text, 1, "get_tree")
  check_string(localdir, 2, "get_tree")
  opts = check_tree_opts(state, opts, "get_tree")
  local path, reason = resolve(state, text)
  if not path then return fail(state, "get_tree", text, "invalid_name", reason) end
  return require "smb.tree_get".fetch(state, text, path, #localdir > 1 and localdir:gsub("/+$", "") or localdir, opts)
end

--- Opens a file, to be read and written in place with the methods of Lua's own files.
-- @tparam string text its name
-- @tparam[opt="r"] string mode "r", "w", "a", "r+", "w+" or "a+"; "b" may follow and changes nothing; "x" with "w": the
-- file must not exist
-- @treturn[1] file
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:open(text, mode)
  local state = state_of(self)
  check_string(text, 1, "open")
  if mode == nil then mode = "r" end
  if type(mode) ~= "string" or not file.parse_mode(mode) then error("bad argument #2 to 'open' (invalid mode)", 2) end
  local path, reason
  if mode:find "[wa+]" then path, reason = resolve_change(state, text, true)
  else path, reason = resolve_below(state, text) end
  if not path then return fail(state, "open", text, "invalid_name", reason) end
  return file.open(self, state, text, path, mode, settings.buffer_sizes(state))
end

-- Tidying up. --------------------------------------------------------------------------------------------------------

--- Removes what crashed runs left behind: temporary files, and old files moved aside that were replaced. A file moved
-- aside whose name is missing is put back, whatever its age; if its name had to be shortened, the next `put` of that
-- name does so.
-- @tparam[opt=""] string text the folder to look in, with all below it
-- @tparam[opt] table opts `older_than`: seconds by the server's clock since it was last changed (default 24 hours);
-- `bins`: look into recycle bins and snapshots, too
-- @treturn[1] {string,...} names that were removed; `restored`: a list of the names that were put back; `unknown`:
-- files moved aside whose names had to be shortened, and are not there, or which another host has moved. They stay
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:sweep(text, opts)
  local state = state_of(self)
  if text ~= nil then check_string(text, 1, "sweep") end
  opts = check_opts(opts, call_options.SWEEP, "sweep")
  local path, reason = resolve_change(state, text or "")
  if not path then return fail(state, "sweep", text or "", "invalid_name", reason) end
  local swept, message, code = require "smb.sweep".run(state, text or "", opts)
  if not swept then return nil, message, code end
  return show.lines(swept)
end

--- Locks a folder against other programs that lock it, on this machine or another. It is made where it is missing.
--
--     local lock <close> = assert(dest:lock "host1")
--
-- The lock ends when it is released, its scope or the destination is left, or its program dies. Who has not refreshed
-- it for its time to live loses it to the next who asks; while calls of the destination are under way that is done by
-- itself.
-- @tparam string text the folder's name
-- @tparam[opt] lock_options opts
-- @treturn[1] lock
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: "busy" when it is held; the message says by whom
function methods:lock(text, opts)
  local state = state_of(self)
  check_string(text, 1, "lock")
  local path, reason = resolve_change(state, text)
  if not path then return fail(state, "lock", text, "invalid_name", reason) end
  return require "smb.lock".take(self, text, opts)
end

-- Several things at a time. -------------------------------------------------------------------------------------------

local NO_JOB = { dir = true, walk = true, open = true, close = true, submit = true }

--- Starts a call that goes on while the script does something else.
--
--     local job = dest:submit("put", "etc.tar.zst")
--     ...
--     local result, message, code = job:wait()
--
-- @tparam string what a method's name; not dir, walk, open, close
-- @param ... its arguments, of which tables are copied. Functions among them (readers, progress, filters) are called
-- whenever the job moves on; what they call of a destination lets others go on meanwhile, unless they do so in a
-- coroutine of their own, as a reader that `coroutine.wrap` has made: then whoever asks about a job waits, too
-- @treturn job
function methods:submit(what, ...)
  local state = state_of(self)
  core.check(self)
  check_string(what, 1, "submit")
  if NO_JOB[what] or not methods[what] then
    error(("bad argument #1 to 'submit' ('%s' is nothing that can be submitted)"):format(show.text(what)), 2)
  end
  return require "smb.job".new(state, what, methods[what], self, ...)
end

-- Trying out. ---------------------------------------------------------------------------------------------------------

--- Shows that the destination can be used: its folder is listed; on demand a small file is written, read back, compared
-- and deleted.
-- @tparam[opt] table opts `write`: try that too
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:test(opts)
  local state = state_of(self)
  opts = check_opts(opts, call_options.TEST, "test")
  local under = operations.new(state, "test", nil, opts)
  local found <close>, message, code = listing.open(state, "test", "", under)
  if not found then return nil, message, code end
  if not opts.write then return true end
  return trial.write(state, under)
end

for key, method in pairs(methods) do names[method] = key end

arity.limit(methods, { close = 0, stat = 1, exists = 1, list = 1, dir = 1, walk = 1, mkdir = 1, delete = 2, rmdir = 2,
  rename = 3, copy = 3, utime = 2, quota = 0, put = 3, get = 3, read = 3, write = 3, put_tree = 3, get_tree = 3,
  open = 2, sweep = 2, lock = 2, test = 1 }, metatable)

attributes.install(metatable, methods)

return destination
