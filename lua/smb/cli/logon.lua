--- Where a command goes and as whom: the URL with the flags over it, and a password from wherever there is one.
-- @module smb.cli.logon

local credentials = require "smb.credentials"
local flags = require "smb.cli.flags"
local options = require "smb.options"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"
local places = require "smb.places"
local slips = require "smb.cli.slips"
local smb = require "smb"
local url = require "smb.url"

local logon = {}

local function quote(text)
  return "'" .. text:gsub("'", [['\'']]) .. "'"
end

-- sh asks, since Lua cannot turn the echo off: whatever ends it, the terminal is as it was. What was typed comes back
-- through a pipe.
local ASK = [[
exec </dev/tty 2>/dev/tty || exit
saved=$(stty -g) || exit
trap 'stty "$saved"' EXIT
trap 'exit 130' INT QUIT TERM HUP
stty -echo
printf %s "$1" >&2
IFS= read -r password
status=$?
printf '\n' >&2
[ "$status" -eq 0 ] || exit "$status"
printf %s "$password"
]]

local function has_terminal()
  local terminal <close> = io.open("/dev/tty", "r+")
  return terminal ~= nil
end

--- Asks for a password without showing it.
-- @tparam table fields `username`, `server`
function logon.ask_password(fields)
  if not has_terminal() then
    return nil, ("there is no password for %s, and no terminal to ask at"):format(fields.username)
  end
  local prompt = ("Password for %s on %s: "):format(show.text(fields.username), fields.server)
  local command = ("sh -c %s sh %s"):format(quote(ASK), quote(prompt))
  local pipe <close> = assert(io.popen(command, "r"))
  local password = pipe:read "a"
  local _, how, status = pipe:close()
  if how == "signal" or status == outcome.INTERRUPTED then outcome.interrupted() end
  if status ~= 0 then return nil, "no password was given" end
  return password
end

local function environment()
  local username = os.getenv "AUTH_USERNAME"
  return { username = username ~= "" and username or nil, password = os.getenv "AUTH_PASSWORD" }
end

-- Fills in user and password from where they may be.
local function complete(fields, args)
  local ok, problem, code = credentials.complete(fields, { sources = { environment() }, ask = logon.ask_password,
    anonymous = "--auth-username NAME; --anonymous logs on without one" })
  if not ok and code == "auth_failed" then problem = problem .. slips.logon_hint(args) end
  if not ok then outcome.stop(problem, code) end
  fields.credentials_file = nil -- it has been read
end

-- The URL's fields with the flags' over them.
local function fields_of(args, without_share)
  args.url = slips.url(args.url)
  local is_place = places.split(args.url) ~= nil
  local read = is_place and places.read or url.read
  local fields, problem = read(args.url, without_share)
  if not fields and is_place then outcome.stop(problem, "invalid_url") end
  if not fields then slips.refuse_url(args.url, problem, args) end
  local given = {}
  for _, row in ipairs(options.list) do given[row.name] = args[flags.target(row.name)] end
  given.trace = args.trace
  return credentials.merge(fields, given)
end

local function check(fields, without_share)
  local checked, problem = options.check(fields, without_share)
  if not checked then outcome.wrong_use(problem) end
end

-- Names that were given as whole URLs.
local function take_names(args, fields)
  for _, key in ipairs { "name", "path", "from", "to" } do
    if type(args[key]) == "string" then args[key] = slips.name(args[key], fields) end
  end
  for _, key in ipairs { "names", "paths" } do
    for i, text in ipairs(args[key] or {}) do args[key][i] = slips.name(text, fields) end
  end
end

--- The fields of the connection that the arguments are about, with all that a logon needs.
-- @tparam table args
-- @tparam[opt] function place is called with the arguments and the fields, which it may change
-- @tparam[opt] boolean without_share the URL of a server will do
-- @treturn table
function logon.fields(args, place, without_share)
  local fields = fields_of(args, without_share)
  if place then place(args, fields) end
  if fields.share then take_names(args, fields) end
  check(fields, without_share)
  complete(fields, args)
  check(fields, without_share)
  return fields
end

--- The same without a word and without a question; nil where something is missing.
function logon.silent_fields(args)
  local ok, fields = pcall(fields_of, args)
  if not ok or not options.check(fields) then return nil end
  local is_complete = credentials.complete(fields, { sources = { environment() }, ask = function() return nil, "" end,
    anonymous = "" })
  fields.credentials_file = nil
  return is_complete and fields or nil
end

--- Whether the arguments' URL has no share: it is a server's.
function logon.is_server(args)
  local fields = url.read(slips.url(args.url), true)
  return fields ~= nil and fields.share == nil
end

--- Opens the destination that the arguments are about.
-- @tparam table args
-- @tparam[opt] function place as of `fields`
-- @treturn destination
function logon.open(args, place)
  local dest = outcome.try(smb.open(logon.fields(args, place)))
  for _, warning in ipairs(dest.warnings) do output.complain("warning: " .. warning) end
  return dest
end

return logon
