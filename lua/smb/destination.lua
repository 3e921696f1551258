--- A share, logged on to: what `smb.open` returns.
--
-- Names are relative to the destination's path and `/`-separated; "" is the path itself. Every method but `dir` and `walk`
-- returns `nil, message, code` on failure; a wrong argument raises.
-- @classmod destination

local lfs = require "lfs"

local call = require "smb.call"
local core = require "smb.core"
local file = require "smb.file"
local name = require "smb.name"
local options = require "smb.options"
local show = require "smb.show"
local url = require "smb.url"

local destination = {}
local methods = {}
local metatable = core.destination_metatable

local PATH_LIMIT = 15900 -- bytes of a path below the share: protocol.h's SMB_PATH_LIMIT, less what temporary names add
local SAFE_SIZE = 64 * 1024 -- bytes: a buffer that every dialect can carry


-- Arguments and failures. ---------------------------------------------------------------------------------------------

local function state_of(dest)
  local state = core.state(dest)
  if not core.is_open(dest) then error("attempt to use a closed destination", 3) end
  return state
end

local function fail(state, operation, subject, code, reason)
  return nil, call.message(operation, subject, state.place, reason), code
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

-- A name as a path below the share.
local function resolve(state, text)
  local ok, reason = name.check(text)
  if not ok then return nil, reason end
  local path = name.join(state.fields.path, text)
  if #path > PATH_LIMIT then return nil, ("the whole path is longer than %d bytes"):format(PATH_LIMIT) end
  return path
end

-- For what must not be the destination's own folder, or needs a last part to work with.
local function resolve_below(state, text)
  if text == "" then return nil, "a name is needed here" end
  return resolve(state, text)
end

-- Runs a request, again where that may help, and words its failure. `under` and `prepare`: see call.persist.
local function run(dest, state, operation, subject, verb, arguments, under, prepare)
  local reply, code, reason = call.persist(dest, verb, arguments, under or call.course(state.fields), prepare)
  if reply then return reply end
  return fail(state, operation, subject, code, reason)
end

-- For methods that give true.
local function done(reply, message, code)
  if reply then return true end
  return nil, message, code
end

-- A worker that crashed could not tidy up; another one can.
local function remove_temporary(dest, arguments, code)
  if code == "failed" then call.run(dest, "delete", { name = arguments.temp, missing_ok = true }) end
end

local function target(path, overwrite)
  return { to = path, temp = name.temporary(path, core.random()), aside = name.aside(path, core.random()),
    overwrite = overwrite ~= false }
end

-- A buffer size as it comes about: not more than what was negotiated, which is also the default.
local function effective(dest, state, key)
  local value = state.fields[key]
  if key == "port" then return options.port(state.fields) end
  if key ~= "read_buffer_size" and key ~= "write_buffer_size" then return value end
  local most = core.is_open(dest) and core.info(dest)[key == "read_buffer_size" and "max_read_size" or "max_write_size"]
  if most and (value == nil or value > most) then return most end
  return value
end

local function buffer_sizes(dest, state)
  return { read = effective(dest, state, "read_buffer_size") or SAFE_SIZE,
    write = effective(dest, state, "write_buffer_size") or SAFE_SIZE }
end

-- Opening and closing. ------------------------------------------------------------------------------------------------

local function set_limits(dest, fields)
  core.limits(dest, fields.short_timeout, fields.list_timeout, fields.read_write_timeout)
end

--- Opens what checked fields describe.
-- @local
function destination.open(fields, warnings)
  local dest = core.destination(setmetatable({ program = core.program, port = options.port(fields) },
    { __index = fields }))
  fields.password = nil -- from here on only the C side has it
  local state = { fields = fields, warnings = warnings, place = url.place(fields),
    files = setmetatable({}, { __mode = "k" }), -- open ones
    on_links = setmetatable({}, { __mode = "v" }), -- by link: the file that has a read or write on its way there
    settle = file.settle }
  core.state(dest, state)
  set_limits(dest, fields)
  local reply, code, reason = call.persist(dest, "connect", {}, call.course(fields))
  if reply then return dest end
  core.close(dest)
  return fail(state, "open", nil, code, reason)
end

--- What a value is.
-- @local
function destination.type(value)
  if type(value) ~= "userdata" or getmetatable(value) ~= metatable then return nil end
  return core.is_open(value) and "destination" or "closed destination"
end

--- Closes what is open, and hangs up. Closing twice is no failure.
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message of the first file that could not be closed well
-- @treturn[2] string code
function methods:close()
  if not core.is_open(self) then return true end
  local _ <close> = setmetatable({}, { __close = function() core.close(self) end })
  local state = core.state(self)
  local under = call.course(state.fields)
  local ok, message, code = file.close_all(state)
  while not core.settled(self, under:slice()) and not under:check() do end -- files that a collector closed
  return done(ok, message, code)
end

-- Looking. ------------------------------------------------------------------------------------------------------------

local function stat(dest, state, operation, text)
  local path, reason = resolve(state, text)
  if not path then return fail(state, operation, text, "invalid_name", reason) end
  local entry, message, code = run(dest, state, operation, text, "stat", { name = path })
  if not entry then
    if code == "not_found" and text == "" then code = "folder_missing" end
    return nil, message, code
  end
  entry.name = name.base(text)
  return show.entry(entry)
end

--- Asks for a file's or folder's entry.
-- @tparam string text its name
-- @treturn[1] table `name`, `type` ("file", "directory", "link"), `size` (bytes), `mtime`, `atime`, `btime` (seconds since
-- 1970; btime is nil on an encrypted connection, where only listings tell it), `archive`, `hidden`, `system`, `readonly`
-- (booleans)
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: not_found, folder_missing, invalid_name, ...
function methods:stat(text)
  local state = state_of(self)
  check_string(text, 1, "stat")
  return stat(self, state, "stat", text)
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
  local entry, message, code = stat(self, state, "exists", text)
  if entry then return true end
  if code == "not_found" or code == "folder_missing" then return false end
  return nil, message, code
end

-- A listing under way: `next` gives entries, closing it tells the worker. Small: the rest waits in the worker.
local listing = {}
listing.__index = listing

local function open_listing(dest, state, operation, text)
  local path, reason = resolve(state, text)
  if not path then return fail(state, operation, text, "invalid_name", reason) end
  local batch, message, code = run(dest, state, operation, text, "list_open", { name = path })
  if not batch then return nil, message, code end
  return setmetatable({ dest = dest, state = state, operation = operation, text = text, batch = batch, at = 0 }, listing)
end

function listing:next()
  if self.batch then core.check(self.dest) end
  while self.batch do
    self.at = self.at + 1
    local entry = self.batch[self.at]
    if entry then return show.entry(entry) end
    if self.batch.handle == 0 then
      self.batch = nil
      return nil
    end
    local batch, code, reason = call.run(self.dest, "list_next", { handle = self.batch.handle, link = self.batch.link })
    self.batch, self.at = batch, 0
    if not batch then return fail(self.state, self.operation, self.text, code, reason) end
  end
end

function listing:__close()
  local batch = self.batch
  self.batch = nil
  if batch and batch.handle ~= 0 and core.is_open(self.dest) then
    call.run(self.dest, "list_close", { handle = batch.handle, link = batch.link })
  end
end

--- All entries of a folder, sorted by name.
-- @tparam[opt=""] string text the folder's name
-- @treturn[1] {table,...} entries as `stat` gives them
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: folder_missing, not_directory, ...
function methods:list(text)
  local state = state_of(self)
  if text ~= nil then check_string(text, 1, "list") end
  local found <close>, message, code = open_listing(self, state, "list", text or "")
  if not found then return nil, message, code end
  local entries = {}
  while true do
    local entry, problem, word = found:next()
    if problem then return nil, problem, word end
    if not entry then break end
    entries[#entries + 1] = entry
  end
  table.sort(entries, function(a, b) return a.name < b.name end)
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
  local found, message, code = open_listing(self, state, "dir", text or "")
  if not found then call.raise(message, code) end
  return function()
    local entry, problem, word = found:next()
    if problem then call.raise(problem, word) end
    return entry
  end, nil, nil, found
end

-- A walk under way: the listings of the folders from the walked one down to where it is.
local walking = {}
walking.__index = walking

function walking:enter(below)
  local found, message, code = open_listing(self.dest, self.state, "walk", name.join(self.top, below))
  if not found then call.raise(message, code) end
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
    if message then call.raise(message, code) end
    if not entry then
      self:leave()
    elseif not name.is_temporary(entry.name) then
      local relative = name.join(level.below, entry.name)
      if entry.type == "directory" then self.entering = relative end
      return relative, entry
    end
  end
end

function walking:__close()
  while #self > 0 do self:leave() end
end

--- Iterates over all that is below a folder, depth first: the path relative to the walked folder, and the entry.
-- Links are given, but not entered; temporary files of transfers are left out. Failures raise.
-- @tparam[opt=""] string text the folder's name
-- @treturn function iterator of path, entry
function methods:walk(text)
  local state = state_of(self)
  if text ~= nil then check_string(text, 1, "walk") end
  local walk = setmetatable({ dest = self, state = state, top = text or "" }, walking)
  walk:enter("")
  return function() return walk:next() end, nil, nil, walk
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
  local path, reason = resolve(state, text)
  if not path then return fail(state, "mkdir", text, "invalid_name", reason) end
  return done(run(self, state, "mkdir", text, "mkdir", { name = path }))
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
  opts = check_opts(opts, { missing_ok = "boolean" }, "delete")
  if text == "" then return fail(state, "delete", text, "is_directory", "it is a folder") end
  local path, reason = resolve(state, text)
  if not path then return fail(state, "delete", text, "invalid_name", reason) end
  return done(run(self, state, "delete", text, "delete", { name = path, missing_ok = opts.missing_ok }))
end

--- Removes a folder.
-- @tparam string text its name
-- @tparam[opt] table opts `recursive`: with all that is in it (links are removed, not followed)
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: not_found, not_directory, not_empty, ...
function methods:rmdir(text, opts)
  local state = state_of(self)
  check_string(text, 1, "rmdir")
  opts = check_opts(opts, { recursive = "boolean" }, "rmdir")
  local path, reason = resolve_below(state, text)
  if not path then return fail(state, "rmdir", text, "invalid_name", reason) end
  return done(run(self, state, "rmdir", text, "rmdir", { name = path, recursive = opts.recursive }))
end

-- Both names of a rename or copy as a request's arguments.
local function two_names(state, from, to, overwrite)
  local source, reason = resolve_below(state, from)
  local path
  if source then path, reason = resolve_below(state, to) end
  if not path then return nil, reason end
  local arguments = target(path, overwrite)
  arguments.name = source
  return arguments
end

local function from_to(dest, operation, verb, from, to, opts)
  local state = state_of(dest)
  if type(from) ~= "string" then check_string(from, 1, operation) end
  if type(to) ~= "string" then check_string(to, 2, operation) end
  opts = check_opts(opts, { overwrite = "boolean" }, operation)
  local arguments, reason = two_names(state, from, to, opts.overwrite)
  if not arguments then return fail(state, operation, from, "invalid_name", reason) end
  local reply, message, code = run(dest, state, operation, from, verb, arguments)
  if not reply then remove_temporary(dest, arguments, code) end
  return done(reply, message, code)
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
  return from_to(self, "rename", "rename", from, to, opts)
end

--- Copies a file on the server: no data passes through the client.
-- @tparam string from its name
-- @tparam string to the copy's name
-- @tparam[opt] table opts `overwrite` (default true)
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:copy(from, to, opts)
  return from_to(self, "copy", "copy", from, to, opts)
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
  if not (mtime > -11644473600 and mtime < 9.2e9) then -- FILETIME begins in 1601
    error("bad argument #2 to 'utime' (a time that SMB can hold expected)", 2)
  end
  local path, reason = resolve(state, text)
  if not path then return fail(state, "utime", text, "invalid_name", reason) end
  return done(run(self, state, "utime", text, "utime", { name = path, mtime = mtime }))
end

--- How large the share is.
-- @treturn[1] table `total`, `free`, `available` (to this user), in bytes
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: unsupported where the server does not say
function methods:quota()
  local state = state_of(self)
  local reply, message, code = run(self, state, "quota", nil, "quota", { name = state.fields.path })
  if not reply then return nil, message, code end
  return show.quota { total = reply.total, free = reply.available, available = reply.available }
end

-- Files, whole. -------------------------------------------------------------------------------------------------------

local VERIFY = { "size", "none" }
local WRITE_OPTS = { overwrite = "boolean", parents = "boolean", verify = VERIFY }
local TRANSFER_OPTS = { overwrite = "boolean", parents = "boolean", verify = VERIFY, preserve_mtime = "boolean" }

local function result_of(bytes, under, resumed)
  return show.result { bytes = bytes, seconds = core.clock() - under.began, retries = under.retries, resumed = resumed or 0 }
end

--- Sends a local file. It appears under its name when it is complete, with the local file's mtime; on failure what was there
-- before is untouched.
-- @tparam string localpath the local file
-- @tparam[opt] string text its name on the share; the local file's own by default
-- @tparam[opt] table opts `overwrite` (default true; false: `exists`), `parents` (make missing folders),
-- `preserve_mtime` (default true)
-- @treturn[1] table `bytes`, `seconds`, `retries`, `resumed`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: local_io, source_changed, folder_missing, exists, is_directory, no_space, busy, ...
function methods:put(localpath, text, opts)
  local state = state_of(self)
  check_string(localpath, 1, "put")
  if text ~= nil then check_string(text, 2, "put") end
  opts = check_opts(opts, TRANSFER_OPTS, "put")
  text = text or localpath:match("[^/]*$")
  local path, reason = resolve_below(state, text)
  if not path then return fail(state, "put", text, "invalid_name", reason) end
  local under = call.course(state.fields)
  local source <close>, size, mtime = core.open_local(localpath)
  if not source then return fail(state, "put", text, size, ("'%s': %s"):format(localpath, mtime)) end
  local arguments = target(path, opts.overwrite)
  arguments.file, arguments.size, arguments.parents = source, size, opts.parents
  arguments.io_size = buffer_sizes(self, state).write
  if opts.preserve_mtime ~= false then arguments.mtime = mtime end
  local reply, message, code = run(self, state, "put", text, "put", arguments, under, function(come)
    local size_now, mtime_now = core.local_stat(source)
    if size_now ~= size or mtime_now ~= mtime then
      return nil, "source_changed", "the local file changed between two attempts"
    end
    arguments.offset = math.max(arguments.offset or 0, come.done)
    return true
  end)
  if not reply then
    remove_temporary(self, arguments, code)
    return nil, message, code
  end
  return result_of(reply.bytes, under, reply.resumed)
end

-- Fetches a file into a local one. What an attempt has brought is kept for the next, unless the file is another by then.
local function fetch(dest, state, operation, text, path, into, under)
  local arguments = { name = path, file = into, io_size = buffer_sizes(dest, state).read, offset = 0 }
  local function prepare(come)
    arguments.offset = core.local_stat(into) or 0
    if come.size > 0 then arguments.size, arguments.mtime_ns = come.size, come.mtime_ns end
    return true
  end
  local reply, message, code = run(dest, state, operation, text, "get", arguments, under, prepare)
  if reply or code ~= "source_changed" or arguments.offset == 0 then return reply, message, code end
  local ok, word, reason = core.local_empty(into)
  if not ok then return fail(state, operation, text, word, reason) end
  arguments.offset = 0
  return run(dest, state, operation, text, "get", arguments, under, prepare)
end

local function local_target(localpath, text)
  if localpath == nil then return name.base(text) end
  if lfs.attributes(localpath, "mode") == "directory" then return localpath:gsub("/+$", "") .. "/" .. name.base(text) end
  return localpath
end

-- Makes the local folders above a path; what fails here fails again, with its reason, when the file is made.
local function make_local_parents(localpath)
  for folder in localpath:gmatch("()/") do
    if folder > 1 then lfs.mkdir(localpath:sub(1, folder - 1)) end
  end
end

--- Fetches a file. It appears under its local name when it is complete and on disk, with the remote file's mtime; on failure
-- what was there before is untouched.
-- @tparam string text its name
-- @tparam[opt] string localpath where to; a folder takes the remote name, which is also the default
-- @tparam[opt] table opts `overwrite` (default true; false: `exists`), `preserve_mtime` (default true),
-- `parents` (make missing local folders), `verify` ("size", "none")
-- @treturn[1] table `bytes`, `seconds`, `retries`, `resumed`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: not_found, is_directory, local_io, exists, source_changed, ...
function methods:get(text, localpath, opts)
  local state = state_of(self)
  check_string(text, 1, "get")
  if localpath ~= nil then check_string(localpath, 2, "get") end
  opts = check_opts(opts, TRANSFER_OPTS, "get")
  local path, reason = resolve_below(state, text)
  if not path then return fail(state, "get", text, "invalid_name", reason) end
  localpath = local_target(localpath, text)
  local overwrite = opts.overwrite ~= false
  if opts.parents then make_local_parents(localpath) end
  local under = call.course(state.fields)
  local copy <close>, word, problem = core.create_local(localpath, core.random(), overwrite)
  if not copy then return fail(state, "get", text, word, ("'%s': %s"):format(localpath, problem)) end
  local reply, message, code = fetch(self, state, "get", text, path, copy, under)
  if not reply then return nil, message, code end
  local mtime = opts.preserve_mtime ~= false and reply.mtime or nil
  local ok
  ok, word, problem = core.complete(copy, mtime, overwrite)
  if not ok then return fail(state, "get", text, word, ("'%s': %s"):format(localpath, problem)) end
  return result_of(reply.bytes, under, reply.resumed)
end

--- Fetches a whole file into a string.
-- @tparam string text its name
-- @treturn[1] string its contents
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:read(text)
  local state = state_of(self)
  check_string(text, 1, "read")
  local path, reason = resolve_below(state, text)
  if not path then return fail(state, "read", text, "invalid_name", reason) end
  local memory <close>, word, problem = core.memory()
  if not memory then return fail(state, "read", text, word, problem) end
  local reply, message, code = fetch(self, state, "read", text, path, memory, call.course(state.fields))
  if not reply then return nil, message, code end
  return core.take(memory, reply.bytes)
end

-- Sends what a reader gives: strings, until nil. nil and an error is a failure, and comes back as it is.
local function send_all(up, reader)
  while true do
    local data, problem = reader()
    if data == nil then
      if problem ~= nil then return nil, problem, "local_io" end
      return true
    end
    if type(data) ~= "string" then error(("write: the reader gave a %s, not a string"):format(type(data)), 3) end
    local ok, message, code = up:write(data)
    if not ok then return nil, message, code end
  end
end

local function reader_of(data)
  return function()
    local all = data
    data = nil
    return all
  end
end

--- Writes a file from a string or a reader, of any length. It appears under its name when it is complete; on failure what was
-- there before is untouched.
-- @tparam string text its name
-- @tparam string|function data the contents, or a function that gives strings until nil (an LTN12 source); its `nil, err` is
-- a failure, whose err comes back as the message
-- @tparam[opt] table opts `overwrite` (default true; false: `exists`), `parents` (make missing folders),
-- `verify` ("size", "none")
-- @treturn[1] table `bytes`, `seconds`, `retries`, `resumed`
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:write(text, data, opts)
  local state = state_of(self)
  check_string(text, 1, "write")
  if type(data) ~= "string" and type(data) ~= "function" then
    error(("bad argument #2 to 'write' (string or function expected, got %s)"):format(type(data)), 2)
  end
  opts = check_opts(opts, WRITE_OPTS, "write")
  local path, reason = resolve_below(state, text)
  if not path then return fail(state, "write", text, "invalid_name", reason) end
  local under = call.course(state.fields)
  local arguments = target(path, opts.overwrite)
  arguments.parents, arguments.io_size = opts.parents, buffer_sizes(self, state).write
  local up, message, code = file.upload(self, state, text, arguments, buffer_sizes(self, state), under)
  if not up then return nil, message, code end
  local _ <close> = setmetatable({}, { __close = function() file.abandon(up) end })
  local ok, size, resumed
  ok, message, code = send_all(up, type(data) == "function" and data or reader_of(data))
  if ok then size, message, code, resumed = file.commit(up) end
  if not size then return nil, message, code end
  return result_of(size, under, resumed)
end

--- Opens a file, to be read and written in place with the methods of Lua's own files.
-- @tparam string text its name
-- @tparam[opt="r"] string mode "r", "w", "a", "r+", "w+" or "a+"; "b" may follow and changes nothing; "x" with "w": the file must
-- not exist
-- @treturn[1] file
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:open(text, mode)
  local state = state_of(self)
  check_string(text, 1, "open")
  if mode == nil then mode = "r" end
  if type(mode) ~= "string" or not file.parse_mode(mode) then error("bad argument #2 to 'open' (invalid mode)", 2) end
  local path, reason = resolve_below(state, text)
  if not path then return fail(state, "open", text, "invalid_name", reason) end
  return file.open(self, state, text, path, mode, buffer_sizes(self, state))
end

-- Trying out. ---------------------------------------------------------------------------------------------------------

local function test_write(dest, state)
  local text = "lua-smb-test." .. core.random() .. ".tmp"
  local ok, message, code = dest:write(text, text)
  if not ok then return nil, message, code end
  local found
  found, message, code = dest:read(text)
  if found and found ~= text then
    message, code = call.message("test", text, state.place, "what was read is not what was written"), "mismatch"
  end
  local deleted, problem, word = dest:delete(text)
  if found ~= text then return nil, message, code end
  return done(deleted, problem, word)
end

--- Shows that the destination can be used: its folder is listed; on demand a small file is written, read back, compared and
-- deleted.
-- @tparam[opt] table opts `write`: try that too
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code
function methods:test(opts)
  local state = state_of(self)
  opts = check_opts(opts, { write = "boolean" }, "test")
  local found <close>, message, code = open_listing(self, state, "test", "")
  if not found then return nil, message, code end
  if not opts.write then return true end
  return test_write(self, state)
end

-- Fields. -------------------------------------------------------------------------------------------------------------

local function assign(dest, state, key, value)
  local row = options.by_name[key]
  if not row then
    local nearest = options.nearest(tostring(key), options.names)
    error(("no option '%s'%s"):format(tostring(key), nearest and (" (did you mean '%s'?)"):format(nearest) or ""), 3)
  end
  if not row.live then error(("option '%s' cannot be changed on an open destination"):format(key), 3) end
  local checked, reason
  if value ~= nil then checked, reason = options.check_value(key, value) end
  if reason then error(reason, 3) end
  local warning = options.ignored(key, checked)
  if warning then
    state.warnings[#state.warnings + 1] = warning
    return
  end
  if checked == nil then checked = row.default end
  state.fields[key] = checked
  if core.is_open(dest) then set_limits(dest, state.fields) end
end

-- `dest.options`: reads as the values in force, takes those that may change.
local function live_options(dest, state)
  return setmetatable({}, {
    __name = "smb.options",
    __tostring = show.options,
    __index = function(_, key) return effective(dest, state, key) end,
    __newindex = function(_, key, value) assign(dest, state, key, value) end,
    __pairs = function()
      local at = 0
      return function()
        local row
        repeat
          at = at + 1
          row = options.list[at]
        until row == nil or (not row.secret and effective(dest, state, row.name) ~= nil)
        if row then return row.name, effective(dest, state, row.name) end
      end
    end,
  })
end

local fields = {}

function fields.options(dest, state) return live_options(dest, state) end

function fields.info(dest) return show.fields(core.info(dest)) end

function fields.warnings(_, state) return show.lines(state.warnings) end

for _, key in ipairs { "server", "share", "path", "transport" } do
  fields[key] = function(_, state) return state.fields[key] end
end

function metatable.__index(dest, key)
  local method = methods[key]
  if method then return method end
  local field = fields[key]
  return field and field(dest, core.state(dest))
end

function metatable.__newindex(_, key)
  error(("field '%s' of a destination cannot be assigned"):format(tostring(key)), 2)
end

function metatable.__tostring(dest)
  if not core.is_open(dest) then return "smb.destination (closed)" end
  return ("smb.destination (%s)"):format(core.state(dest).place)
end

return destination
