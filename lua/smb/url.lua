--- URLs of destinations:
-- `smb://[[domain;]user[:password]@]server[:port]/share[/path][?option=value&...]`, `cifs://` alike.
-- A URL is split first and percent-decoded after. Messages show nothing of a URL but names of options and single words
-- given for those that are no text, since a password may turn up anywhere in a URL that was mistyped.
-- @module smb.url

local ascii = require "smb.ascii"
local credentials = require "smb.credentials"
local name = require "smb.name"
local options = require "smb.options"

local url = {}

local SCHEMES = { smb = true, cifs = true }

-- Taking apart. ------------------------------------------------------------------------------------------------------

local function decode(text)
  if text:gsub("%%%x%x", ""):find("%", 1, true) then
    return nil, "a '%' must be followed by two hexadecimal digits (a '%' itself is written %25)"
  end
  local decoded = text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
  if decoded:find("\0", 1, true) then return nil, "it holds a NUL" end
  return decoded
end

-- Puts one value into `fields`, decoded and checked. Returns nothing, or the reason.
local function keep(fields, field, text, spelling)
  local decoded, fault = decode(text)
  if not decoded then return fault end
  fields[field], fault = options.check_text(field, decoded, spelling or field)
  return fault
end

-- Returns authority, what follows it up to the query, and query (nil if there is none), or nil and the reason.
local function split(text)
  if text:find("\0", 1, true) then return nil, "it holds a NUL" end
  if text:find("#", 1, true) then return nil, "it holds a '#', which must be written %23" end
  local scheme, rest = text:match("^([A-Za-z]+):[/\\][/\\](.*)$")
  if text:find "^[/\\][/\\]" then
    return nil, "it does not begin with smb:// (\\\\server\\share is smb://server/share)"
  end
  if not scheme or not SCHEMES[ascii.lower(scheme)] then return nil, "it does not begin with smb:// or cifs://" end
  local place, query = rest:match("^([^?]*)%?(.*)$")
  local authority, below = (place or rest):match("^([^/\\]*)(.*)$")
  return authority, below, query
end

-- The readers below put what they find into `fields`. They return nothing, or the reason.

local function read_user(fields, userinfo)
  local user, password = userinfo:match("^([^:]*):(.*)$")
  user = user or userinfo
  local domain, bare = user:match("^([^;]*);(.*)$")
  return keep(fields, "username", bare or user)
    or password and keep(fields, "password", password)
    or domain and keep(fields, "domain", domain)
end

local function read_port(fields, text)
  if text == "" then return nil end
  local port = text:match("^:(%d%d?%d?%d?%d?)$")
  local fault = port and keep(fields, "port", port)
  if port and not fault then return nil end
  return "the port must be a whole number from 1 to 65535 (within a user name or password write '/', '?' and '@' as "
    .. "%2F, %3F and %40)"
end

local function read_server(fields, text)
  local address, port = text:match("^%[([^%[%]]*)%](.*)$")
  if address and not address:find(":", 1, true) then return "only an IPv6 address stands in brackets" end
  if not address then
    address, port = text:match("^([^:]*)(.*)$")
    if port:find(":.*:") then return "an IPv6 address must stand in brackets, like [::1]" end
  end
  if address == "" then return "the server is missing" end
  return keep(fields, "server", address) or read_port(fields, port)
end

local function read_authority(fields, authority)
  local userinfo, server = authority:match("^(.*)@([^@]*)$")
  return userinfo and read_user(fields, userinfo) or read_server(fields, server or authority)
end

local function decode_part(text)
  local part, fault = decode(text)
  if not part then return nil, fault end
  if part:find("[/\\]") then return nil, "an encoded slash or backslash cannot be part of a share or path" end
  if part == "." or part == ".." then return nil, "'.' and '..' cannot be parts of a share or path" end
  return part
end

-- Duplicati's URLs have %5C for the backslashes of a path.
local function read_path(fields, text)
  local parts = {}
  for piece in text:gsub("%%5[Cc]", "\\"):gmatch("[^/\\]+") do
    local part, fault = decode_part(piece)
    if not part then return fault end
    parts[#parts + 1] = part
  end
  local path = table.concat(parts, "/")
  local ok, reason = name.check(path)
  if not ok then return "the path is not usable: " .. reason:gsub("^'.*' is the name", "a part is the name") end
  fields.path = path
end

local function read_place(fields, below, without_share)
  local share, path = below:match("^[/\\]([^/\\]*)(.*)$")
  if without_share and below:gsub("[/\\]", "") == "" then return nil end
  if not share or share == "" then return "the share is missing" end
  local part, fault = decode_part(share)
  if not part then return fault end
  fields.share, fault = options.check_text("share", part, "share")
  return fault or read_path(fields, path)
end

-- Duplicati's options: without a value they count as not given.
local BLANK = { ["auth-domain"] = true, transport = true, ["read-buffer-size"] = true, ["write-buffer-size"] = true }

local function read_option(fields, piece)
  local spelling, value = piece:match("^([^=]*)=(.*)$")
  if BLANK[spelling or piece] and (value or "") == "" then return nil end
  if not spelling then
    if options.by_url[piece] then return ("option '%s' has no value"):format(piece) end
    return "the query is not made of option=value pairs (a '&' within a value is written %26)"
  end
  local word, fault = decode((spelling:gsub("%+", " ")))
  if not word then return fault end
  local row
  row, fault = options.find_url(word)
  if not row then return fault end
  if fields[row.name] ~= nil then return ("option '%s' is given twice"):format(row.url) end
  return keep(fields, row.name, (value:gsub("%+", " ")), row.url)
end

-- What is wrong behind an auth-password, or where an '@' stands, may be a part of a password that was not encoded:
-- nothing of it is
-- shown.
local function read_query(fields, query)
  local is_torn = query:find("@", 1, true) ~= nil
  for piece in query:gmatch("[^&]+") do
    local fault = read_option(fields, piece)
    is_torn = is_torn or fields.password ~= nil
    if fault and is_torn then
      return "the query is not made of known options with right values (within a user name or password write '?', "
        .. "'&' and '@' as %3F, %26 and %40)"
    end
    if fault then return fault end
  end
end

-- "smb://bob:12/34@nas/backup" would read as a share of a server bob, and be shown.
local function refuse_torn(authority, below)
  if below:find("^\\[^/\\]*@") and not authority:find("@", 1, true) then
    return "a domain stands before the user with a ';': smb://DOMAIN;USER@SERVER/SHARE"
  end
  if authority:find(":%d*$") and not authority:find("@", 1, true) and below:find("@", 1, true) then
    return "behind a port an '@' must be written %40 (within a user name or password '/' as %2F)"
  end
end

local function invalid(reason)
  return nil, "invalid URL: " .. reason, "invalid_url"
end

--- Reads what a URL says and nothing else: each value is checked alone, no default is filled in and no value held
-- against another. This is for merging: `options.check` must have the last word.
-- @tparam string text the URL
-- @tparam[opt] boolean without_share the URL of a server will do
-- @treturn[1] table values by field name
-- @treturn[2] nil
-- @treturn[2] string what is wrong; never holds a secret
-- @treturn[2] string `"invalid_url"`
function url.read(text, without_share)
  if type(text) ~= "string" then return invalid("it must be a string, not a " .. type(text)) end
  local authority, below, query = split(text)
  if not authority then return invalid(below) end
  local fields, front = {}, {}
  local fault = read_authority(front, authority) or refuse_torn(authority, below)
    or read_place(front, below, without_share)
    or query and read_query(fields, query)
  if fault then return invalid(fault) end
  return credentials.merge(fields, front)    -- what stands in front wins
end

--- A URL as the table of fields that `smb.open` takes, checked, with defaults.
-- @tparam string text the URL
-- @treturn[1] table values by field name, sizes in bytes, times in seconds
-- @treturn[1] {string,...} warnings: what was ignored, and why
-- @treturn[2] nil
-- @treturn[2] string what is wrong; never holds a secret
-- @treturn[2] string `"invalid_url"`
function url.parse(text)
  local fields, fault, code = url.read(text)
  if not fields then return nil, fault, code end
  local checked, said = options.check(fields)
  if not checked then return invalid(said) end
  return checked, said
end

-- Putting together. --------------------------------------------------------------------------------------------------

local function encode(text)
  return (text:gsub("[^A-Za-z0-9._~-]", function(character) return ("%%%02X"):format(character:byte()) end))
end

-- Shares and paths may show more (RFC 3986, pchar): "backup$" stays readable.
local function encode_path(text)
  return (text:gsub("[^A-Za-z0-9._~!$&'()+,;=/-]+", encode))
end

local function format_server(fields, port)
  local server = encode(fields.server)
  if fields.server:find(":", 1, true) then server = "[" .. fields.server:gsub("%%", "%%25") .. "]" end
  return port and ("%s:%d"):format(server, port) or server
end

local function format_user(fields)
  if not fields.username then return "" end
  local domain = fields.domain and encode(fields.domain) .. ";" or ""
  return domain .. encode(fields.username) .. "@"
end

local function format_place(fields, user, port)
  local place = ("smb://%s%s/%s"):format(user, format_server(fields, port), encode_path(fields.share or ""))
  if fields.path == nil or fields.path == "" then return place end
  return place .. "/" .. encode_path(fields.path)
end

-- The shortest decimal that reads back as the same number.
local function format_number(value)
  for precision = 14, 17 do
    local text = ("%." .. precision .. "g"):format(value):gsub(",", ".")    -- a locale's comma
    if tonumber(text) == value then return text end
  end
end

local function format_value(value)
  if math.type(value) == "float" then return format_number(value) end
  return encode(tostring(value))
end

local function in_query(row, fields)
  if not row.url or row.secret or fields[row.name] == row.default then return false end
  if row.name == "username" then return false end
  return row.name ~= "domain" or not fields.username
end

local function format_query(fields)
  local pieces = {}
  for _, row in ipairs(options.list) do
    if in_query(row, fields) then
      pieces[#pieces + 1] = row.url .. "=" .. format_value(fields[row.name])
    end
  end
  return #pieces > 0 and "?" .. table.concat(pieces, "&") or ""
end

--- The URL of a destination, without its password: every option that is not the default.
-- Parsed, it gives the same fields again.
-- @tparam table fields values by field name, as `smb.open` takes them
-- @treturn[1] string the URL
-- @treturn[2] nil
-- @treturn[2] string what is wrong with the fields; never holds a secret
function url.format(fields)
  local checked, fault = options.check(fields)
  if not checked then return nil, fault end
  return format_place(checked, format_user(checked), checked.port) .. format_query(checked)
end

--- Only where a destination is, for messages: server, port unless it is the transport's own, share and path.
-- @tparam table fields checked fields
-- @treturn string `smb://server[:port]/share[/path]`
function url.place(fields)
  local usual = options.port { transport = fields.transport }
  return format_place(fields, "", fields.port ~= usual and fields.port or nil)
end

return url
