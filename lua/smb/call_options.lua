--- The options of single calls: what each takes, and the checks that need more than a type.
-- @module smb.call_options

local core = require "smb.core"
local options = require "smb.options"
local pattern = require "smb.pattern"
local settings = require "smb.settings"

local call_options = {}

local VERIFY = { "size", "sha256", "none" }

--- Options of `dest:put`, `dest:get` and `dest:write`.
-- @table transfer_options
-- @tfield[opt=true] boolean overwrite replace a file that is there; false: `exists`
-- @tfield[opt=false] boolean parents make missing folders
-- @tfield[opt] string verify "size", "sha256" (everything is read back and compared) or "none"; the destination's by
-- default
-- @tfield[opt=false] boolean sha256 tell the SHA-256 in the result
-- @tfield[opt] function progress called with bytes done, bytes in all (nil when unknown) and the name; false cancels
-- the call
-- @tfield[opt] boolean preserve_mtime put and get: true insists on the file's time, false does not set it; by default
-- it is tried, and a refusal is told
-- @tfield[opt=false] boolean resume put and get: go on where an earlier run of this host broke off
-- @tfield[opt] function on_retry called before each further attempt with its number (1 for the first one), how many
-- there are at most, the code and the message of the failure, and the seconds until it is made; false makes none. The
-- destination's by default
-- @tfield[opt] boolean in_place put and write: straight under the final name; the destination's by default

local function with(more, of)
  for key, value in pairs(of) do more[key] = value end
  return more
end

local NEW_FILE = { overwrite = "boolean", parents = "boolean", verify = VERIFY, sha256 = "boolean",
  progress = "function", on_retry = "function" }

--- What calls take, as `options.check_opts` reads it.
call_options.WRITE = with({ in_place = "boolean" }, NEW_FILE)
call_options.GET = with({ preserve_mtime = "boolean", resume = "boolean" }, NEW_FILE)
call_options.PUT = with({ in_place = "boolean" }, call_options.GET)
call_options.READ = { progress = "function", on_retry = "function" }
call_options.RENAME = { overwrite = "boolean", on_retry = "function" }
call_options.COPY = with({ preserve_mtime = "boolean" }, call_options.RENAME)
call_options.DELETE = { missing_ok = "boolean", on_retry = "function" }
call_options.RMDIR = { recursive = "boolean", on_retry = "function" }
call_options.SWEEP = { older_than = "number", bins = "boolean", on_retry = "function" }
call_options.TEST = { write = "boolean", on_retry = "function" }

--- Options of `dest:put_tree` and `dest:get_tree`.
-- @table tree_options
-- @tfield[opt] function|table filter a function of path and entry that returns true for what is included; or a list of
-- globs: `*.log` matches names in any folder, `var/**` the whole path, a slash at the end folders only, `!` in front
-- excludes; the last one that matches decides
-- @tfield[opt="mtime"] string changed how to tell changed files: "mtime" (size and time), "size", "missing", "sha256",
-- "always"
-- @tfield[opt] number|string time_window seconds that times of an unchanged file may lie apart; the destination's by
-- default
-- @tfield[opt=false] boolean mirror afterwards delete what is not in the source
-- @tfield[opt=false] boolean force mirror: also from a source that is missing or empty
-- @tfield[opt=false] boolean dry_run change nothing; the summary's `actions` tell what would be done
-- @tfield[opt="skip"] string symlinks "skip" or "follow" local links
-- @tfield[opt="stop"] string on_error "stop" or "continue" after a failure
-- @tfield[opt] function progress as in transfer_options; besides, it gets the files that are done and those in all, as
-- far as known. The name is the current file's, below the folder, and the folder's in the last call
-- @tfield[opt] function on_retry as in transfer_options
-- @tfield[opt] function each called as things are done, in a dry run as they would be, with the action ("put", "get",
-- "mkdir", "delete", "skip"), the name below the folder and a file's bytes; false cancels the call
-- @tfield[opt] number|string min_age only files that were changed no later than so long ago: seconds, or "30s", "10m",
-- "24h", "7d"
-- @tfield[opt] number|string max_age only files that were changed no earlier than so long ago
-- @tfield[opt] {string,...} files_from only what has these paths below the folder, and what is in folders that have; a
-- missing one is an error
-- @tfield[opt] string|table exclude_if_present put_tree: of a folder that holds this name, or one of these, nothing
-- else
-- @tfield[opt=false] boolean exclude_caches put_tree: of folders with a CACHEDIR.TAG nothing else
-- @tfield[opt=false] boolean one_file_system put_tree: leave out what is mounted below the folder
-- @tfield[opt] string keep_old move what is replaced or deleted there, under the same path, instead: put_tree, a folder
-- of the destination; get_tree, a local one on the same disk. Not inside the tree. Nothing there is replaced: `NAME~1`
-- @tfield[opt] integer max_delete mirror: delete nothing, and fail, if more files than this would be deleted
-- @tfield[opt=false] boolean cautious mirror: delete nothing, and fail, if more files would be deleted than the source
-- has, unless with `force`
-- @tfield[opt=false] boolean encode_names write what SMB cannot hold with look-alikes
-- @tfield[opt] string verify as in transfer_options
-- @tfield[opt] boolean preserve_mtime as in transfer_options
-- @tfield[opt] boolean in_place put_tree: straight under the final names
-- @tfield[opt=false] boolean bins mirror: also delete recycle bins and snapshots of servers

call_options.TREE = {
  changed = { "mtime", "size", "missing", "sha256", "always" }, mirror = "boolean", force = "boolean",
  dry_run = "boolean", symlinks = { "skip", "follow" }, on_error = { "stop", "continue" }, progress = "function",
  encode_names = "boolean", verify = VERIFY, preserve_mtime = "boolean", bins = "boolean", on_retry = "function",
  each = "function", max_delete = "integer", keep_old = "string", files_from = "table", cautious = "boolean",
}

-- The option `filter`, as `options.check_opts` takes it; nil, reason for what is none.
local function filter_type(filter)
  local fault = filter ~= nil and pattern.fault(filter)
  if fault then return nil, "option 'filter' " .. fault end
  return type(filter)
end

-- Which options would take a file of which a part has arrived for a whole one.
local function blindness(opts)
  if opts.changed == "missing" then return 'changed = "missing"' end
  if opts.changed == "size" and opts.preserve_mtime == false then return 'changed = "size" without times' end
end

-- What a call may be given, by name.
local function allowed_in(method, filter, given)
  local allowed = with({ filter = filter }, call_options.TREE)
  for _, key in ipairs { "time_window", "min_age", "max_age" } do
    allowed[key] = type(given[key]) == "string" and "string" or "number"
  end
  if method == "put_tree" then
    with(allowed, { in_place = "boolean", exclude_caches = "boolean", one_file_system = "boolean" })
    allowed.exclude_if_present = type(given.exclude_if_present) == "table" and "table" or "string"
  end
  return allowed
end

-- What is no list of texts.
local function check_lists(opts)
  for _, key in ipairs { "files_from", "exclude_if_present" } do
    local list = type(opts[key]) == "table" and opts[key] or {}
    for i in pairs(list) do
      if math.type(i) ~= "integer" or type(list[i]) ~= "string" or list[i] == "" then
        return nil, ("option '%s' must be a list of names"):format(key)
      end
    end
  end
  return true
end

-- Durations in place of texts like "24h".
local function read_ages(opts)
  for _, key in ipairs { "min_age", "max_age" } do
    local age, reason = opts[key], nil
    if age ~= nil then age, reason = options.check_duration(key, age) end
    if reason then return nil, reason end
    opts[key] = age
  end
  if opts.max_delete and opts.max_delete < 0 then return nil, "option 'max_delete' must not be negative" end
  return true
end

--- Checks the options of put_tree and get_tree.
-- @tparam table state the destination's state
-- @tparam ?table given what the caller gave
-- @tparam string method "put_tree" or "get_tree"
-- @treturn[1] table a copy, with what follows from the destination: `window` (ticks), `read_back`, `io_size`,
-- `in_place`
-- @treturn[2] nil
-- @treturn[2] string what is wrong
function call_options.check_tree(state, given, method)
  if given ~= nil and type(given) ~= "table" then return options.check_opts(given, {}) end
  local opts, window = {}, state.fields.time_window or 0
  local ok, reason = filter_type(given and given.filter)
  if ok and given then ok, reason = options.check_opts(given, allowed_in(method, ok, given)) end
  if not ok then return nil, reason end
  with(opts, given or {})
  if opts.time_window ~= nil then window, reason = options.check_value("time_window", opts.time_window) end
  if not reason then reason = select(2, read_ages(opts)) end
  if not reason then reason = select(2, check_lists(opts)) end
  if reason then return nil, reason end
  opts.window = core.ticks(window)
  opts.read_back = settings.verification(state, opts)
  opts.io_size = settings.buffer_sizes(state)
  opts.in_place = method == "put_tree" and settings.is_in_place(state, opts)
  local blind = opts.in_place and blindness(opts)
  if opts.in_place and opts.keep_old then
    return nil, "in_place and keep_old exclude each other: what may not be renamed cannot be moved away"
  end
  if not blind then return opts end
  return nil, ("in_place and %s exclude each other: a file that was cut off would never be mended"):format(blind)
end

return call_options
