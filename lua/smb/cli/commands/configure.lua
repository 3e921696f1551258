--- `lua-smb configure`: a dialogue that makes a place.

local credentials = require "smb.credentials"
local logon = require "smb.cli.logon"
local core = require "smb.core"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local options = require "smb.options"
local places = require "smb.places"
local show = require "smb.show"
local slips = require "smb.cli.slips"
local smb = require "smb"
local url = require "smb.url"

local configure = {}

local ADVANCED = { "transport", "port", "encryption", "signing", "read_buffer_size", "write_buffer_size" }

function configure.add(parser)
  local command = parser:command "configure":summary "Make a place: a name for a server, share and user."
    :description("Asks for server, user, share and folder, tries them, and keeps them as a place: from then on NAME: "
      .. "and NAME:path stand where a URL does. The password goes into a file that only you can read.")
  command:usage "Usage: lua-smb configure [-h] [NAME]"
  command:argument("name", "the place's name, of letters, digits, - and _; without one, the places are listed"):args "?"
end

-- A line that is typed; "" counts as the default.
local function ask(question, default)
  io.stderr:write(question, default and (" [%s]"):format(show.text(default)) or "", ": ")
  io.stderr:flush()
  local line = io.stdin:read "l"
  if not line then outcome.stop("the dialogue was given up: nothing is kept", "cancelled") end
  line = line:gsub("^%s+", ""):gsub("%s+$", "")
  return line == "" and default or line
end

local function wants(question, is_default)
  while true do
    local answer = ask(question .. " (y/n)", is_default and "y" or "n"):lower()
    if ("yes"):find(answer, 1, true) == 1 then return true end
    if ("no"):find(answer, 1, true) == 1 then return false end
    output.complain "y or n is needed"
  end
end

-- Asks until the answer is one that the option takes.
local function ask_option(question, option, default)
  while true do
    local answer = ask(question, default)
    if answer == nil or answer == "" then return nil end
    local value, problem = options.check_text(option, answer, option)
    if value ~= nil then return value end
    output.complain(problem)
  end
end

-- The server, perhaps with all that a URL says.
local function ask_server(fields)
  while true do
    local answer = slips.url(ask("Server (name, address or URL)", fields.server))
    if not answer or answer == "" then
      output.complain "a server is needed"
    elseif answer:find "^%a+://" then
      local given, problem = url.read(answer, true)
      if not given then output.complain(problem) end
      for key, value in pairs(given or {}) do fields[key] = value end
      if given then return end
    else
      local server, problem = options.check_value("server", answer)
      fields.server = server
      if server then return end
      output.complain(problem)
    end
  end
end

local function ask_user(fields)
  local answer = ask("User (DOMAIN\\user for one of a domain; - for a logon without a name)", fields.username
    or os.getenv "USER")
  if answer == "-" then
    fields.anonymous, fields.username, fields.password, fields.domain = true, nil, nil, nil
    return
  end
  local domain, user = (answer or ""):match "^([^\\;]*)[\\;](.+)$"
  fields.username, fields.domain, fields.anonymous = user or answer, domain or fields.domain, nil
  if core.terminal(0) then
    local password, problem = logon.ask_password(fields)
    if not password then outcome.stop(problem, "cancelled") end
    fields.password = password
  else
    fields.password = ask "Password" or ""
  end
end

local function ask_advanced(fields)
  if not wants("Advanced settings", false) then return end
  for _, option in ipairs(ADVANCED) do
    local row, now = options.by_name[option], fields[option]
    local choices = row.choices and (" (%s)"):format(table.concat(row.choices, ", ")) or ""
    fields[option] = ask_option(option:gsub("_", " ") .. choices, option, now and tostring(now) or row.default)
    if fields[option] == row.default then fields[option] = nil end
  end
end

-- The shares that the server offers, to pick one; its number or name.
local function ask_share(fields)
  local copy = {}
  for key, value in pairs(fields) do copy[key] = value end
  copy.share, copy.path = nil, nil
  local found, message, code = smb.shares(copy)
  if code == "auth_failed" or code == "unreachable" or code == "host_not_found" then outcome.stop(message, code) end
  local names = {}
  for _, share in ipairs(found or {}) do
    if share.type == "disk" then
      names[#names + 1] = share.name
      io.stderr:write(("  %2d  %-20s %s\n"):format(#names, show.text(share.name), show.text(share.comment)))
    end
  end
  if not found then output.complain("warning: " .. message) end
  while true do
    local answer =
      ask(#names > 0 and "Share (number or name)" or "Share", fields.share or (#names == 1 and names[1] or nil))
    local picked = answer and names[math.tointeger(tonumber(answer)) or 0] or answer
    local share, problem = nil, "a share is needed"
    if picked and picked ~= "" then share, problem = options.check_value("share", picked) end
    fields.share = share
    if share then return end
    output.complain(problem)
  end
end

-- The folder; one that is missing is made.
local function try_folder(fields)
  fields.path = ask_option("Folder on the share (- for the share itself)", "path", fields.path or "-")
  if fields.path == "-" then fields.path = nil end
  local dest <close> = outcome.try(smb.open(fields))
  local ok, message, code = dest:test()
  if ok then return end
  if code ~= "folder_missing" or not wants(("'%s' does not exist. Make it"):format(fields.path), true) then
    outcome.stop(message, code)
  end
  outcome.try(dest:mkdir "")
  outcome.try(dest:test())
end

local function credentials_text(fields)
  local lines = { "username=" .. fields.username, "password=" .. fields.password }
  if fields.domain then lines[3] = "domain=" .. fields.domain end
  return table.concat(lines, "\n") .. "\n"
end

-- Keeps the password in a file, and the rest as the place's URL.
local function keep(name, fields)
  local kept = {}
  for key, value in pairs(fields) do kept[key] = value end
  if fields.password then
    local path, problem = places.write(name .. ".credentials", credentials_text(fields))
    if not path then outcome.stop(problem, "local_io") end
    kept.credentials_file, kept.username, kept.password, kept.domain = path, nil, nil, nil
  end
  local where = smb.format(kept)
  local path, problem = places.keep(name, where)
  if not path then outcome.stop(problem, "local_io") end
  output.say(where, "\n")
  io.stderr:write(("Kept in %s. From now on: lua-smb list %s:\n"):format(show.text(path), name))
end

local function list_places(args)
  local names, found = places.all()
  if not names then outcome.stop(found, "local_io") end
  local rows = {}
  for i, name in ipairs(names) do rows[i] = { name .. ":", found[name] } end
  output.answer(args, found, show.columns(rows))
end

-- What is known already of a place that is changed.
local function known(name)
  local names, found = places.all()
  if not names then outcome.stop(found, "local_io") end
  if not found[name] then return {} end
  local fields = places.read(name .. ":") or {}
  if fields.credentials_file then
    local told = credentials.read(fields.credentials_file)
    if told then fields.username, fields.domain = told.username, told.domain end
    fields.credentials_file = nil
  end
  return fields
end

function configure.check(args)
  if args.name and not places.is_name(args.name) then
    outcome.wrong_use "a place's name is made of letters, digits, - and _, and is not smb or cifs"
  end
end

function configure.alone(args)
  if not args.name then
    list_places(args)
    return true
  end
  local fields = known(args.name)
  ask_server(fields)
  ask_user(fields)
  ask_advanced(fields)
  ask_share(fields)
  try_folder(fields)
  keep(args.name, fields)
  return true
end

return configure
