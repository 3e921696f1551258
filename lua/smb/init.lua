--- An SMB/CIFS share as a place to put backups.
--
--     local smb = require "smb"
--     local dest <close> = assert(smb.open("smb://nas/backup/host1?auth-username=bob&auth-password=s3cret"))
--     assert(dest:put("etc.tar.zst"))
--
-- All that can fail at run time returns `nil, message, code`; a wrong argument raises.
-- @module smb

local version = require "smb.version" -- first: what comes then relies on it

local arity = require "smb.arity"
local credentials = require "smb.credentials"
local destination = require "smb.destination"
local failures = require "smb.failure"
local file = require "smb.file"
local options = require "smb.options"
local url = require "smb.url"

local smb = { _VERSION = "lua-smb " .. version.number }

--- Files as LTN12 sources and sinks that report errors: the module smb.ltn12, loaded when it is asked for.
-- @field smb.ltn12
setmetatable(smb, {
  __index = function(_, key)
    if key == "ltn12" then return require "smb.ltn12" end
  end,
  __tostring = function(self)
    return ("%s: smb.open(url) opens a share, smb.help() lists what there is"):format(self._VERSION)
  end,
})

--- A URL as the table of fields that `smb.open` takes, with the defaults filled in.
-- @tparam string text the URL
-- @treturn[1] table fields by name, sizes in bytes, times in seconds
-- @treturn[2] nil
-- @treturn[2] string what is wrong with it, without any secret
-- @treturn[2] string "invalid_url"
function smb.parse(text)
  if type(text) ~= "string" then
    error(("bad argument #1 to 'parse' (string expected, got %s)"):format(type(text)), 2)
  end
  return url.parse(text)
end

--- A destination's URL, without its password.
-- @tparam table fields as `smb.open` takes them
-- @treturn string the URL; fields that are not right raise
function smb.format(fields)
  local text, reason = url.format(fields)
  if not text then error("smb.format: " .. reason, 2) end
  return text
end

--- What a value is to this module.
-- @param value anything
-- @treturn[1] string "destination", "closed destination", "file", "closed file", "job", "command"
-- @treturn[2] nil for all else
function smb.type(value)
  local job = package.loaded["smb.job"]
  local command = package.loaded["smb.command"]
  return destination.type(value) or file.type(value) or (job and job.type(value)) or (command and command.type(value))
end

--- Makes a reader for `dest:write` of a command's output, or that of a pipeline. It starts when it is first read. The
-- status of every stage is looked at: when one fails, `write` fails with `local_io` and leaves what was there.
--
--     assert(dest:write("shop.sql.gz", smb.command({ "pg_dump", "shop" }, { "gzip" })))
--
-- Its standard input is empty. When `write` ends before the command, all stages are ended.
-- @tparam {string,...}|string cmd a program and its arguments, which no shell sees; or a text for sh
-- @param ... further commands, each of which reads what the last one writes; `{ sigpipe = true }` at the end: an early
-- stage that ends because the next one read no further (SIGPIPE) has not failed
-- @treturn command to be given to `dest:write`, or called like any LTN12 source; `close` ends it
function smb.command(cmd, ...)
  local made, reason = require "smb.command".new(cmd, ...)
  if not made then error("smb.command: " .. reason, 2) end
  return made
end

--- Waits for jobs, of one destination or several, until one of them has ended.
-- @tparam {job,...} jobs
-- @tparam[opt] number seconds at most; as long as it takes by default
-- @treturn[1] job one that has ended
-- @treturn[2] nil when the time is over, or there are no jobs
function smb.wait(jobs, seconds)
  local is_list = type(jobs) == "table" and not smb.type(jobs)
  for _, each in pairs(is_list and #jobs == 0 and jobs or {}) do is_list = is_list and not smb.type(each) end
  if not is_list then error("smb.wait: a list of jobs expected, got " .. (smb.type(jobs) or type(jobs)), 2) end
  if seconds ~= nil and type(seconds) ~= "number" then error("smb.wait: seconds must be a number", 2) end
  return require "smb.job".wait_any(jobs, seconds)
end

--- Says which snapshots to keep and which to delete, by the rules of restic's `forget`. Nothing is changed.
-- @tparam {table,...} entries each with `time` (seconds since 1970), and anything else
-- @tparam retention_rules rules at least one that keeps something
-- @treturn {table,...} what to keep, newest first: `entry`, and `reasons`, a list of "last", "hourly", "daily",
-- "weekly", "monthly", "yearly" and "within 30d"
-- @treturn {table,...} the entries to delete, newest first
function smb.retention(entries, rules)
  return require "smb.retention".plan(entries, rules)
end

--- Opens a folder of snapshots, which is made by the first one.
--
--     local repo = smb.backup(dest, "host1")
--     local snap = assert(repo:snapshot "/home")
--
-- @tparam destination dest
-- @tparam[opt=""] string path the folder on the share
-- @treturn repo
function smb.backup(dest, path)
  return require "smb.backup.init".new(dest, path)
end

--- Prints what there is, or what is known about one thing.
-- @tparam[opt] string topic a function or method ("put", "file:read"), an option ("transport") or an error code
-- ("busy")
function smb.help(topic)
  require "smb.help".print(topic)
end

-- The fields that a call is given. `without_share`: the URL of a server will do.
local function where_from(where, more, method, without_share)
  if type(where) == "string" and more and more.places and require "smb.places".split(where) then
    local places = require "smb.places"
    local fault = places.fault(more)
    if fault then error(("smb.%s: %s"):format(method, fault), 4) end
    local fields, reason = places.read(where)
    if not fields then return nil, method .. ": " .. reason, "invalid_url" end
    return credentials.merge(fields, more)
  end
  if type(where) == "string" then
    local fields, reason, code = url.read(where, without_share)
    if not fields then return nil, method .. ": " .. reason, code end
    return credentials.merge(fields, more)
  end
  return credentials.merge(where, more)
end

-- The values of a URL are run time's; those of a table are the program's own.
local function check(where, fields, method, without_share, level)
  local checked, warnings = options.check(fields, without_share)
  if checked then return checked, warnings end
  if type(where) == "string" and not fields.places then
    local from_url = url.read(where, without_share)
    if from_url and not options.check(from_url, without_share) then
      return nil, ("%s: invalid URL: %s"):format(method, warnings), "invalid_url"
    end
  end
  error(("smb.%s: %s"):format(method, warnings), level + 1)
end

local function no_password(fields)
  return nil, ('no password is given for the user %s (password = "" is an empty one)'):format(fields.username)
end

local COMPLETING = { ask = no_password, anonymous = "a logon without one needs anonymous = true" }

-- Checked fields with all that a logon needs; `without_share`: true drops what is said of a share, "perhaps" keeps it.
-- They come with warnings; or nil, message, code. A mistake of the script's raises.
local function prepare(where, more, method, without_share)
  if type(where) ~= "string" and type(where) ~= "table" then
    error(("smb.%s: a URL or a table of fields expected, got %s"):format(method, type(where)), 3)
  end
  if more ~= nil and type(more) ~= "table" then
    error(("smb.%s: options must be a table, not a %s"):format(method, type(more)), 3)
  end
  local fields, reason, code = where_from(where, more, method, without_share)
  if not fields then return nil, reason, code end
  if without_share == true then fields.share, fields.path = nil, nil end
  local checked, warnings = check(where, fields, method, without_share, 3)
  if not checked then return nil, warnings, "invalid_url" end
  checked.first_retries = fields.retries and checked.retries
  local place = url.place(checked)
  local ok, problem, word = credentials.complete(checked, COMPLETING)
  if not ok then return nil, failures.message(method, nil, place, problem), word end
  return checked, warnings
end

--- Connects, logs on and opens the share. A path below the share that does not exist is no failure.
-- @tparam string|table where a URL, or a table of the options of `smb.options`
-- @tparam[opt] table more options, stronger than those of `where`
-- @treturn[1] destination
-- @treturn[2] nil
-- @treturn[2] string what happened
-- @treturn[2] string the error word
function smb.open(where, more)
  local fields, warnings, code = prepare(where, more, "open")
  if not fields then return nil, warnings, code end
  return destination.open(fields, warnings)
end

--- Lists what a server shares.
-- @tparam string|table where a URL, or a table of the options of `smb.options`; a share in it is passed over, and may
-- be missing
-- @tparam[opt] table more options, stronger than those of `where`
-- @treturn[1] {share,...} shares sorted by name
-- @treturn[2] nil
-- @treturn[2] string what happened
-- @treturn[2] string the error word
function smb.shares(where, more)
  local fields, warnings, code = prepare(where, more, "shares", true)
  if not fields then return nil, warnings, code end
  return require "smb.shares".list(fields, warnings)
end

--- Finds out what works with a server and what does not, step by step. What is written for that has temporary names,
-- and is deleted. A wrong password is tried once. One that is right is sent twice: libsmbclient asks for the list of
-- shares over a connection of its own.
--
--     print(smb.diagnose "smb://bob@nas/backup")
--
-- @tparam string|table where a URL, or a table of the options of `smb.options`; without a share only the server is
-- looked at
-- @tparam[opt] table more options, stronger than those of `where`; `read_only`: make nothing on the share
-- @treturn[1] diagnosis
-- @treturn[2] nil for a URL that is none, and where there is nobody to log on as
-- @treturn[2] string what happened
-- @treturn[2] string the error word
function smb.diagnose(where, more)
  local read_only = type(more) == "table" and more.read_only
  if type(more) == "table" then
    local rest = {}
    for key, value in pairs(more) do rest[key] = value end
    rest.read_only = nil
    more = rest
  end
  local fields, warnings, code = prepare(where, more, "diagnose", "perhaps")
  if not fields then return nil, warnings, code end
  return require "smb.diagnose".run(fields, read_only)
end

arity.limit(smb,
  { parse = 1, format = 1, wait = 2, retention = 2, backup = 2, help = 1, open = 2, shares = 2, diagnose = 2 })

return smb
