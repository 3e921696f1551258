--- Whose password may be used: library and command ask here.
--
-- User, password and domain come from several sources: the options or flags, the URL, a credentials file, the command's
-- environment,
-- whoever is asked. The first that says something wins, but a source that speaks of another user than those before it
-- says nothing:
-- nobody's password is tried for somebody else.
-- @module smb.credentials

local ascii = require "smb.ascii"
local core = require "smb.core"
local options = require "smb.options"

local credentials = {}

local FILE_LIMIT = 65536 -- bytes
local FIELDS = { "username", "password", "domain" }

-- Whether two names, if both are known, are one account's: Windows and Samba know no case there. Of other letters than
-- ASCII's nobody knows that here. What is no text is refused later.
local function is_same(a, b)
  return type(a) ~= "string" or type(b) ~= "string" or ascii.lower(a) == ascii.lower(b)
end

local function domain_of(fields)
  return fields.domain ~= "" and fields.domain or nil
end

--- Fills in what a source says of the user that fields speak of.
-- @tparam table fields `username`, `password` and `domain` as far as they are known
-- @tparam table source the same
-- @treturn boolean false when it is about another user: then nothing is taken
function credentials.add(fields, source)
  if not is_same(fields.username, source.username) or not is_same(domain_of(fields), domain_of(source)) then
    return false
  end
  for _, field in ipairs(FIELDS) do
    if fields[field] == nil then fields[field] = source[field] end
  end
  return true
end

--- Fields with stronger ones over them. Of the weaker ones' user only what `add` takes is left.
-- @tparam table fields any options, checked or not
-- @tparam ?table stronger likewise
-- @treturn table a new table
function credentials.merge(fields, stronger)
  local merged = {}
  for key, value in pairs(fields) do merged[key] = value end
  for _, field in ipairs(FIELDS) do merged[field] = nil end
  for key, value in pairs(stronger or {}) do merged[key] = value end
  credentials.add(merged, fields)
  return merged
end

-- Files. --------------------------------------------------------------------------------------------------------------

local KEYS = {
  username = "username", user = "username", password = "password", pass = "password", passwd = "password",
  domain = "domain", dom = "domain", realm = "domain", workgroup = "domain",
}

-- A line's field and value, or nil and what is wrong. mount.cifs takes all that stands after the `=`; smbclient, which
-- is used to spaces
-- before it, leaves out those after it.
local function read_line(line)
  local key, space, value = line:match "^[ \t]*([A-Za-z]+)([ \t]*)=(.*)$"
  local field = key and KEYS[ascii.lower(key)]
  if not field then return nil, "begins with none of username=, password= and domain=" end
  if space ~= "" then value = value:gsub("^[ \t]+", "") end
  local normalized, fault = options.check_value(field, value)
  if normalized == nil then return nil, (fault:gsub("^option '(%l+)'", "%1")) end
  return field, normalized
end

local function parse(text)
  local found, number = {}, 0
  text = text:gsub("^\u{FEFF}", "") -- some editors begin a file so
  for line in text:gmatch "([^\n]*)\n?" do
    number, line = number + 1, line:gsub("\r$", "")
    if not line:find "^[ \t]*$" and not line:find "^[ \t]*#" then
      local field, value = read_line(line)
      if not field then return nil, ("line %d: %s"):format(number, value) end
      if found[field] then return nil, ("line %d: %s is given twice"):format(number, field) end
      found[field] = value
    end
  end
  found.domain = domain_of(found)
  return found
end

-- "~/" is the home of whoever runs this: no shell sees what stands in a URL or a program.
local function expand(path)
  local home = os.getenv "HOME"
  if path:sub(1, 2) ~= "~/" then return path end
  if not home or home == "" then return nil, "HOME is not set, so nobody knows what ~ is" end
  return home .. path:sub(2)
end

--- Reads a credentials file: `username=`, `password=` and `domain=` lines as mount.cifs and smbclient read them.
-- A value runs to the end of its line, spaces included, but for those behind the `=` where one stands before it, too.
-- Empty lines and
-- lines that begin with `#` are skipped; the short keys `user`, `pass` and `dom` are known as well.
-- @tparam string path a regular file of at most 64 KiB that belongs to this process's user or root, and that nobody
-- else may read or write; `~/` is the user's home
-- @treturn[1] table `username`, `password` and `domain`, each as far as given
-- @treturn[2] nil
-- @treturn[2] string what is wrong, without any of the contents
function credentials.read(path)
  local text, fault, found
  local place
  place, fault = expand(path)
  if place then text, fault = core.read_private(place, FILE_LIMIT) end
  if text and #text > FILE_LIMIT then text, fault = nil, ("it is longer than %d bytes"):format(FILE_LIMIT) end
  if text then found, fault = parse(text) end
  if not found then return nil, ("credentials file '%s': %s"):format(path, fault) end
  return found
end

-- All together. -------------------------------------------------------------------------------------------------------

local function nobody(hint, left_out)
  local why = left_out and "no user name is given, and the credentials file is about another domain"
    or "no user name is given"
  return nil, ("%s (%s)"):format(why, hint), "auth_failed"
end

--- Takes in what the credentials file, and further sources, say of the user, and makes sure that there is one to log on
-- as.
-- A named
-- user without a password is refused here: an empty one that nobody meant would only count as a failed logon.
-- @tparam table fields checked fields, which are filled in
-- @tparam table how `sources`: further ones, each like `fields`; `ask`: a function that returns the password of the
-- user whom the fields name, or nil and why there is none; `anonymous`: what to do for a logon without a name
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what is missing, or wrong with the file
-- @treturn[2] string the error word
function credentials.complete(fields, how)
  if fields.anonymous then return true end
  local left_out = false
  if fields.credentials_file then
    local found, problem = credentials.read(fields.credentials_file)
    if not found then return nil, problem, "local_io" end
    left_out = not credentials.add(fields, found)
  end
  for _, source in ipairs(how.sources or {}) do credentials.add(fields, source) end
  if fields.kerberos ~= nil and fields.kerberos ~= "off" then return true end
  if not fields.username then return nobody(how.anonymous, left_out) end
  if fields.password ~= nil then return true end
  local password, problem = how.ask(fields)
  if not password then
    if left_out then problem = problem .. "; the credentials file is about another user" end
    return nil, problem, "auth_failed"
  end
  fields.password = password
  return true
end

return credentials
