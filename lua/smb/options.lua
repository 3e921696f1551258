--- Every option, once: its name as a field and in a URL, its type, range, default and help.
-- URLs, command line, documentation and checks all read this table; a new option is a new row.
--
-- A row has
--
-- - `name`: the field (`read_buffer_size`); `url`: how URL query and command line spell it (`read-buffer-size`), nil
--   for what stands in the URL's front (server, port, share, path)
-- - `type`: `"text"`, `"size"` (bytes), `"seconds"`, `"rate"` (bytes per second), `"choice"`, `"integer"`, `"boolean"`,
--   `"function"`, which no URL holds, or `"trace"` (a function or a path)
-- - `default`: nil where there is none; `choices`: an array, weakest or oldest first where that means something
-- - `min`, `max`: of numbers; `least`: seconds; `floor`: smaller sizes are ignored with a warning; `limit`: bytes of a
-- text
-- - `script`: only scripts may give it, no URL
-- - `live`: may be assigned through `dest.options`; `secret`: never shown; `required`: must be given
-- - `utf8`: a text that must be valid UTF-8; `refine`: a text's own rules; `help`: one line
-- @module smb.options

local ascii = require "smb.ascii"
local name = require "smb.name"
local words = require "smb.spelling"

local options = {}

local CREDENTIAL_LIMIT = 255            -- bytes
local LEAST_RATE = 1024                 -- bytes per second
local PROTOCOLS = { "NT1", "SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11" }

-- The rules of single texts: each takes a string that is free of NULs and within its limit, and returns it as it is
-- kept, or nil and a predicate ("is ..."). None shows the value: a URL taken apart wrongly could put a password there.

local CONTROL = "[\1-\31\127]"

local function is_ipv4(text)
  local parts = { text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
  for _, part in ipairs(parts) do
    if #part > 3 or tonumber(part) > 255 then return false end
  end
  return #parts == 4
end

-- How many of an IPv6 address's eight groups a run of them takes ("2001:db8", "ffff:192.0.2.1"); nil if it is none.
local function count_groups(run, may_end_in_ipv4)
  if run == "" then return 0 end
  local count, rest = 0, run
  while rest do
    local group, after = rest:match("^([^:]*):(.*)$")
    local last = group == nil
    group = group or rest
    if last and may_end_in_ipv4 and is_ipv4(group) then return count + 2 end
    if not group:find("^%x%x?%x?%x?$") then return nil end
    count, rest = count + 1, after
  end
  return count
end

local function is_ipv6(text)
  local address, zone = text:match("^([^%%]*)%%(.*)$")
  if zone and not zone:find("^[A-Za-z0-9._~-]+$") then return false end
  address = address or text
  local before, after = address:match("^(.-)::(.*)$")
  if not before then return count_groups(address, true) == 8 end
  local left, right = count_groups(before, false), count_groups(after, true)
  return left ~= nil and right ~= nil and left + right <= 7
end

-- Without a device the kernel does not know to which network such an address belongs.
local function lacks_device(text)
  return text:find("^[Ff][Ee][89ABab]%x:") ~= nil and not text:find("%", 1, true)
end

local function refine_server(text)
  text = text:match("^%[(.*:.*)%]$") or text
  if text == "" then return nil, "is empty" end
  if text:find(CONTROL) then return nil, "holds a control character" end
  if text:find(":", 1, true) and not is_ipv6(text) then return nil, "is no IPv6 address, and no name holds a ':'" end
  if lacks_device(text) then
    return nil, "is a link-local address, which needs the network device: fe80::1%eth0, in a URL [fe80::1%25eth0]"
  end
  if not text:find(":", 1, true) and text:find('[ /\\@?#%[%]%%"<>|*;&=,]') then
    return nil, "holds a character that no server name has"
  end
  if text:find("^%.+$") or text:find("..", 1, true) then return nil, "is no server name" end
  return (text:gsub("^[^%%]+", ascii.lower))    -- an IPv6 zone ("%Eth0") keeps its case
end

local function refine_share(text)
  if text == "" then return nil, "is empty" end
  if text:find("/", 1, true) then return nil, "holds a slash" end
  if text == "." or text == ".." then return nil, "cannot be '.' or '..'" end
  if text:find(CONTROL) then return nil, "holds a control character" end
  if text:find('[\\:*?"<>|]') then return nil, 'holds one of \\ : * ? " < > |, which no share name has' end
  return text
end

local function refine_path(text)
  local path = text:gsub("/+", "/"):gsub("^/", ""):gsub("/$", "")
  local ok, reason = name.check(path)
  if not ok then return nil, "is not usable: " .. reason end
  return path
end

local function refuse_empty(text)
  if text == "" then return nil, "is empty" end
  return text
end

local function refuse_control(text)
  if text:find(CONTROL) then return nil, "holds a control character" end
  return text
end

local function refine_username(text)
  if text == "" then return nil, "is empty (for a logon without a name set anonymous = true)" end
  return refuse_control(text)
end

--- All rows, in the order of the documentation.
options.list = {
  { name = "server", type = "text", required = true, limit = 255, utf8 = true, refine = refine_server,
    help = "name or address of the server" },
  { name = "share", type = "text", required = true, limit = 255, utf8 = true, refine = refine_share,
    help = "name of the share" },
  { name = "path", type = "text", default = "", refine = refine_path,
    help = "folder on the share that names are relative to" },
  { name = "port", type = "integer", min = 1, max = 65535,
    help = "TCP port; 445 by default, 139 with netbios" },
  { name = "username", url = "auth-username", type = "text", limit = CREDENTIAL_LIMIT, utf8 = true,
    refine = refine_username, help = "user to log on as" },
  { name = "password", url = "auth-password", type = "text", limit = CREDENTIAL_LIMIT, utf8 = true, secret = true,
    help = "the user's password" },
  { name = "domain", url = "auth-domain", type = "text", limit = CREDENTIAL_LIMIT, utf8 = true,
    refine = refuse_control, help = "the user's domain or workgroup" },
  { name = "credentials_file", url = "credentials-file", type = "text", refine = refuse_empty,
    help = "file with username=, password= and domain= lines, readable by its owner only; ~/ is the home" },
  { name = "anonymous", url = "anonymous", type = "boolean", default = false,
    help = "log on without a name" },
  { name = "kerberos", url = "kerberos", type = "choice", choices = { "off", "desired", "required" }, default = "off",
    help = "log on by Kerberos: with the password if one is given, else with the ticket there is" },
  { name = "ccache", url = "ccache", type = "text", limit = 1023, refine = refuse_empty,
    help = "Kerberos credential cache; the environment's by default" },
  { name = "dfs", url = "dfs", type = "choice", choices = { "on", "off" }, default = "on",
    help = "follow links to other shares and servers (DFS), with the same user and password" },
  { name = "confinement", url = "confinement", type = "choice", choices = { "on", "off" }, default = "on",
    help = "take from the workers what they do not need, before they talk to the server" },
  { name = "transport", url = "transport", type = "choice", choices = { "directtcp", "netbios" },
    default = "directtcp", help = "direct TCP (port 445) or NetBIOS over TCP (port 139)" },
  { name = "broadcast", url = "broadcast", type = "boolean",
    help = "ask the local network, where anybody may answer, for a name that DNS does not know; only with netbios by "
      .. "default" },
  { name = "min_protocol", url = "min-protocol", type = "choice", choices = PROTOCOLS, default = "SMB2_02",
    help = "oldest dialect to accept" },
  { name = "max_protocol", url = "max-protocol", type = "choice", choices = PROTOCOLS, default = "SMB3_11",
    help = "newest dialect to offer" },
  { name = "signing", url = "signing", type = "choice", choices = { "default", "desired", "required", "off" },
    default = "default", help = "sign messages" },
  { name = "encryption", url = "encryption", type = "choice", choices = { "default", "off", "desired", "required" },
    default = "default", help = "encrypt messages (SMB 3)" },
  { name = "read_buffer_size", url = "read-buffer-size", type = "size", floor = 10000, live = true,
    help = "bytes per SMB read; the negotiated maximum by default, 2 MiB for open and big files if round trips are "
      .. "below 2 ms" },
  { name = "write_buffer_size", url = "write-buffer-size", type = "size", floor = 10000, live = true,
    help = "bytes per SMB write; the negotiated maximum by default, 2 MiB for open and big files if round trips are "
      .. "below 2 ms" },
  { name = "short_timeout", url = "short-timeout", type = "seconds", default = 30, live = true,
    help = "seconds for connect, log on, open, delete, mkdir and rename" },
  { name = "list_timeout", url = "list-timeout", type = "seconds", default = 600, live = true,
    help = "seconds for a listing" },
  { name = "read_write_timeout", url = "read-write-timeout", type = "seconds", default = 30, live = true,
    help = "seconds without a byte moved in a read or write" },
  { name = "total_timeout", url = "total-timeout", type = "seconds", live = true,
    help = "seconds for a whole call with all its attempts; no limit by default" },
  { name = "rate", url = "rate", type = "rate",
    help = "bytes per second over all connections; no limit by default" },
  { name = "connections", url = "connections", type = "integer", min = 1, max = 32, default = 8,
    help = "connections at most, each made only where it pays" },
  { name = "retries", url = "retries", type = "integer", min = 0, max = 1000, default = 5, live = true,
    help = "further attempts after timeout, disconnected, unreachable or busy" },
  { name = "retry_delay", url = "retry-delay", type = "seconds", default = 0.5, live = true,
    help = "seconds before the first of them, doubling up to 30" },
  { name = "on_retry", type = "function", live = true,
    help = "called before each further attempt: its number, of how many, code, message, seconds; false makes none" },
  { name = "wait_for_server", url = "wait-for-server", type = "seconds", least = 0,
    help = "how long smb.open tries a server that does not answer; else it tries once more, or as often as retries "
      .. "says" },
  { name = "verify", url = "verify", type = "choice", choices = { "size", "sha256", "none" }, default = "size",
    live = true, help = "what is compared after a transfer; sha256 reads everything back" },
  { name = "in_place", url = "in-place", type = "boolean",
    help = "send files straight under their names, where they may only be made; an old file is lost on failure" },
  { name = "time_window", url = "time-window", type = "seconds", least = 0,
    help = "seconds that the times of an unchanged file of a tree may lie apart; by default they are compared "
      .. "exactly" },
  { name = "places", type = "boolean", script = true,
    help = "NAME:path may stand where a URL does, for a place that lua-smb configure has made" },
  { name = "trace", type = "trace", script = true,
    help = "a function that is called with a line for each request as it ends, or the path of a file for these lines" },
}

--- The rows by field name.
options.by_name = {}
--- The rows by URL spelling.
options.by_url = {}
--- The fields' names, in the order of the list.
options.names = {}

for _, row in ipairs(options.list) do
  options.by_name[row.name] = row
  options.names[#options.names + 1] = row.name
  if row.url then options.by_url[row.url] = row end
end

-- Words for messages. -----------------------------------------------------------------------------------------------

local function list_in_words(choices)
  local quoted = {}
  for i, choice in ipairs(choices) do quoted[i] = ("'%s'"):format(choice) end
  if #quoted < 2 then return quoted[1] or "nothing" end
  return table.concat(quoted, ", ", 1, #quoted - 1) .. " or " .. quoted[#quoted]
end

-- ", not VALUE", and nothing for a text that is no single short word: it may hold more than it should.
local function but_not(value)
  if value ~= value then return ", not NaN" end
  local kind = math.type(value) or type(value)
  if kind == "integer" or kind == "float" or kind == "boolean" then return ", not " .. tostring(value) end
  if kind ~= "string" then return kind == "nil" and ", not nil" or ", not a " .. kind end
  return #value <= 24 and value:find("^[A-Za-z0-9._+-]+$") and (", not '%s'"):format(value) or ""
end

-- A word that was taken for a name, up to the first character that no option's name has.
local function shown_name(word)
  local beginning = word:sub(1, 40):match("^[A-Za-z0-9_.-]*")
  return ("'%s%s'"):format(beginning, beginning == word and "" or "...")
end

--- The candidate that a misspelt word most likely means, see smb.spelling.
options.nearest = words.nearest

-- What other programs call our options.
local SYNONYMS = { user = "username", login = "username", pass = "password", passwd = "password", host = "server",
  hostname = "server", address = "server", workgroup = "domain", realm = "domain", credentials = "credentials_file",
  directory = "path", folder = "path", dir = "path", sharename = "share", timeout = "total_timeout", tls = "encryption",
  encrypt = "encryption", seal = "encryption", sign = "signing", protocol = "max_protocol", vers = "max_protocol",
  guest = "anonymous", rsize = "read_buffer_size", wsize = "write_buffer_size", bwlimit = "rate" }

-- The candidate that another program's word means, if there is one.
local function synonym(word, candidates)
  local row = options.by_name[SYNONYMS[words.plain(word)]]
  for _, candidate in ipairs(row and candidates or {}) do
    if candidate == row.name or candidate == row.url then return candidate end
  end
end

local function unknown_option(word, candidates, better)
  if type(word) ~= "string" then return ("options have names, but one is a %s"):format(type(word)) end
  local nearest = better or synonym(word, candidates) or words.nearest(word, candidates)
  local message = "unknown option " .. shown_name(word)
  return nearest and ("%s (did you mean '%s'?)"):format(message, nearest) or message
end

local function column(key)
  local values = {}
  for _, row in ipairs(options.list) do values[#values + 1] = row[key] end
  return values
end

-- Values: one function a type, value and row -> the value as it is kept, or nil and a predicate. ---------------------

local SIZE_UNITS = { [""] = 1, k = 1024, kib = 1024, m = 1048576, mib = 1048576 }
local SECONDS_UNITS = { [""] = 1, s = 1, m = 60, h = 3600 }

local function size_from_text(text)
  local digits, unit = text:match("^(%d+)([A-Za-z]*)$")
  local factor = unit and SIZE_UNITS[ascii.lower(unit)]
  local count = factor and math.tointeger(tonumber(digits))
  if count and count <= math.maxinteger // factor then return count * factor end
end

local function seconds_from_text(text)
  local digits, unit = text:match("^(%d+%.?%d*)([A-Za-z]*)$")
  if unit == "ms" then return tonumber(digits) / 1000 end
  return unit and SECONDS_UNITS[unit] and tonumber(digits) * SECONDS_UNITS[unit]
end

local kinds = {}

function kinds.text(value, row)
  if type(value) ~= "string" then return nil, "must be a string, not a " .. type(value) end
  if row.limit and #value > row.limit then return nil, ("is longer than %d bytes"):format(row.limit) end
  if value:find("\0", 1, true) then return nil, "holds a NUL" end
  if row.utf8 and not utf8.len(value) then return nil, "is not valid UTF-8" end
  if row.refine then return row.refine(value) end
  return value
end

function kinds.size(value)
  local size
  if type(value) == "string" then size = size_from_text(value)
  elseif type(value) == "number" then size = math.tointeger(value) end
  if size and size >= 0 then return size end
  return nil, "must be a size in bytes, a whole number below 2^63 or a text like '64k' or '8M'" .. but_not(value)
end

-- At least so much that a request of the smallest size does not take longer than patience lasts.
function kinds.rate(value)
  local rate = value
  if type(value) == "string" then rate = size_from_text((value:gsub("/s$", ""))) end
  rate = type(rate) == "number" and math.tointeger(rate)
  if rate and rate >= LEAST_RATE then return rate end
  return nil, ("must be bytes per second, a whole number from %d or a text like '500k' or '8M'"):format(LEAST_RATE)
    .. but_not(value)
end

function kinds.seconds(value, row)
  local seconds, least = value, row.least or 0.001
  if type(value) == "string" then seconds = seconds_from_text(value) end
  if type(seconds) == "number" and seconds >= least and seconds <= 1e9 then
    return math.tointeger(seconds) or seconds
  end
  return nil, ("must be a time in seconds, a number from %s to 1e9 or a text like '30s', '500ms' or '10m'")
    :format(least)
    .. but_not(value)
end

function kinds.choice(value, row)
  for _, choice in ipairs(row.choices) do
    if value == choice then return value end
  end
  return nil, "must be " .. list_in_words(row.choices) .. but_not(value)
end

function kinds.integer(value, row)
  local number = type(value) == "number" and math.tointeger(value)
  if number and number >= row.min and number <= row.max then return number end
  return nil, ("must be a whole number from %d to %d"):format(row.min, row.max) .. but_not(value)
end

function kinds.boolean(value)
  if type(value) == "boolean" then return value end
  return nil, "must be true or false" .. but_not(value)
end

kinds["function"] = function(value)
  if type(value) == "function" then return value end
  return nil, "must be a function, not a " .. type(value)
end

function kinds.trace(value)
  local is_path = type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
  if is_path or type(value) == "function" then return value end
  return nil, "must be a function or the path of a file" .. but_not(value)
end

-- What a URL or command line cannot say but as text.
local TRUTHS = { ["true"] = true, yes = true, ["1"] = true, ["false"] = false, no = false, ["0"] = false }

-- Words in capitals or not, as Duplicati writes them.
local function from_text(row, text)
  for _, choice in ipairs(row.choices or {}) do
    if ascii.lower(choice) == ascii.lower(text) then return choice end
  end
  if row.type == "boolean" and TRUTHS[text] ~= nil then return TRUTHS[text] end
  if row.type == "integer" and text:find("^%d+$") then return tonumber(text) end
  return text
end

local function checked(row, value, spelling)
  local normalized, fault = kinds[row.type](value, row)
  if normalized == nil then return nil, ("option '%s' %s"):format(spelling, fault) end
  return normalized
end

--- Checks one value alone.
-- @tparam string option a field's name
-- @param value what was given for it
-- @treturn[1] string|integer|number|boolean the value as it is kept: sizes in bytes, times in seconds
-- @treturn[2] nil
-- @treturn[2] string what is wrong; never holds a secret
function options.check_value(option, value)
  local row = options.by_name[option]
  if not row then return nil, unknown_option(option, column "name") end
  return checked(row, value, row.name)
end

--- Checks one value that came as text, from a URL or command line.
-- Booleans are `true`, `false`, `yes`, `no`, `1` or `0` there.
-- @tparam string option a field's name
-- @tparam string text what was given for it
-- @tparam[opt] string spelling how messages call the option; by default as the URL does
-- @treturn[1] string|integer|number|boolean the value as it is kept: sizes in bytes, times in seconds
-- @treturn[2] nil
-- @treturn[2] string what is wrong; never holds a secret
function options.check_text(option, text, spelling)
  local row = options.by_name[option]
  if not row then return nil, unknown_option(option, column "name") end
  return checked(row, from_text(row, text), spelling or row.url or row.name)
end

--- Checks a duration of an option that is none of the connection's.
-- @tparam string spelling how messages call the option
-- @tparam string|number text seconds, or "30s", "10m", "24h", "7d"
-- @treturn[1] number seconds
-- @treturn[2] nil
-- @treturn[2] string what is wrong
function options.check_duration(spelling, text)
  local days = type(text) == "string" and text:match "^(%d+%.?%d*)d$"
  if days then text = ("%.3f"):format(tonumber(days) * 86400) end
  return checked({ type = "seconds", least = 0 }, text, spelling)
end

--- The row of an option spelt as in a URL's query.
-- @tparam string word the spelling
-- @treturn[1] table the row
-- @treturn[2] nil
-- @treturn[2] string "unknown option ...", with the nearest known one
function options.find_url(word)
  local row = options.by_url[word]
  if row then return row end
  local field = options.by_name[words.plain(word)]
  if field and field.script then
    return nil, ("option '%s' cannot be set by a URL"):format(field.name)
  elseif field and field.type == "function" then
    return nil, ("unknown option %s: a function has no place in a URL"):format(shown_name(word))
  end
  if field and not field.url then
    return nil, ("unknown option %s: the %s stands before the '?'"):format(shown_name(word), field.name)
  end
  return nil, unknown_option(word, column "url", field and field.url)
end

--- Says that a value is legal but will be ignored: a buffer size below 10000 bytes.
-- @tparam string option a field's name
-- @param value its value as `check_value` returns it
-- @treturn[1] string a warning for `dest.warnings`
-- @treturn[2] nil if the value counts
function options.ignored(option, value)
  local row = options.by_name[option]
  if not row or not row.floor or value == nil or value >= row.floor then return nil end
  return ("%s = %d is ignored: it is below %d bytes"):format(option, value, row.floor)
end

-- Rules between fields: each returns a message, or nil. --------------------------------------------------------------

local function rank(protocol)
  for i, known in ipairs(PROTOCOLS) do
    if known == protocol then return i end
  end
end

local rules = {}

function rules.required(fields, without_share)
  for _, row in ipairs(options.list) do
    local is_needed = row.required and not (without_share and row.name == "share")
    if is_needed and fields[row.name] == nil then return ("no %s is given"):format(row.name) end
  end
end

function rules.port(fields)
  if fields.transport == "netbios" and fields.port and fields.port ~= 139 then
    return ("transport 'netbios' works on port 139 only, not %d: libsmbclient before 4.23 speaks NetBIOS over TCP on "
      .. "no other port"):format(fields.port)
  end
  if fields.transport == "directtcp" and fields.port == 139 then
    return "transport 'directtcp' cannot use port 139: libsmbclient speaks NetBIOS there (transport 'netbios')"
  end
end

function rules.protocols(fields)
  if rank(fields.min_protocol) > rank(fields.max_protocol) then
    return ("min_protocol '%s' is above max_protocol '%s'"):format(fields.min_protocol, fields.max_protocol)
  end
end

function rules.anonymous(fields)
  if not fields.anonymous then return nil end
  for _, other in ipairs { "username", "password", "credentials_file" } do
    if fields[other] ~= nil then return ("anonymous and %s exclude each other"):format(other) end
  end
  if fields.kerberos ~= "off" then return "anonymous and kerberos exclude each other" end
end

local function first_broken_rule(fields, without_share)
  return rules.required(fields, without_share) or rules.port(fields) or rules.protocols(fields)
    or rules.anonymous(fields)
end

local function unknown_field(fields)
  local unknown
  for key in pairs(fields) do
    if not options.by_name[key] and (unknown == nil or tostring(key) < tostring(unknown)) then unknown = key end
  end
  if unknown == nil then return nil end
  local row = options.by_url[unknown]
  return unknown_option(unknown, column "name", row and row.name)
end

-- Each field alone.
local function check_each(fields)
  local normalized = {}
  for _, row in ipairs(options.list) do
    if fields[row.name] ~= nil then
      local value, fault = checked(row, fields[row.name], row.name)
      if value == nil then return nil, fault end
      normalized[row.name] = value
    end
  end
  return normalized
end

-- Takes out what does not count, and returns the warnings. An empty domain is none.
local function drop_ignored(fields)
  local warnings = {}
  for _, row in ipairs(options.list) do
    local warning = options.ignored(row.name, fields[row.name])
    if warning then fields[row.name], warnings[#warnings + 1] = nil, warning end
  end
  if fields.domain == "" then fields.domain = nil end
  return warnings
end

local function add_defaults(fields)
  for _, row in ipairs(options.list) do
    if fields[row.name] == nil then fields[row.name] = row.default end
  end
end

--- Checks all fields of a destination, alone and against each other, and fills in the defaults.
-- `port` has no default here, since it goes with the transport: see `port`. The table given is left as it is.
-- @tparam table fields values by field name
-- @tparam[opt] boolean without_share no share need be given
-- @treturn[1] table a new table: the values as they are kept, sizes in bytes, times in seconds
-- @treturn[1] {string,...} warnings: what was ignored, and why
-- @treturn[2] nil
-- @treturn[2] string what is wrong; never holds a secret
function options.check(fields, without_share)
  if type(fields) ~= "table" then return nil, "fields must be a table, not a " .. type(fields) end
  local unknown = unknown_field(fields)
  if unknown then return nil, unknown end
  local normalized, fault = check_each(fields)
  if not normalized then return nil, fault end
  local warnings = drop_ignored(normalized)
  add_defaults(normalized)
  fault = first_broken_rule(normalized, without_share)
  if fault then return nil, fault end
  return normalized, warnings
end

--- The TCP port that checked fields mean.
-- @tparam table fields as `check` returns them
-- @treturn integer the given port, or the transport's own: 445 for directtcp, 139 for netbios
function options.port(fields)
  return fields.port or fields.transport == "netbios" and 139 or 445
end

-- Options of a single call. -----------------------------------------------------------------------------------------

local function sorted_keys(set)
  local keys = {}
  for key in pairs(set) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function opt_fault(value, expected)
  if type(expected) == "table" then
    local _, fault = kinds.choice(value, { choices = expected })
    return fault
  end
  if type(value) ~= expected and math.type(value) ~= expected then
    local article = expected == "integer" and "an" or "a"
    return ("must be %s %s, not a %s"):format(article, expected, type(value))
  end
end

--- Checks the options table of one call.
-- @tparam ?table opts what the caller gave; nil is right
-- @tparam table allowed by name: a type as `type` or `math.type` says it, or an array of choices
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what is wrong; an unknown name with the nearest known one
function options.check_opts(opts, allowed)
  if opts == nil then return true end
  if type(opts) ~= "table" then return nil, "options must be a table, not a " .. type(opts) end
  for key, value in pairs(opts) do
    if allowed[key] == nil then return nil, unknown_option(key, sorted_keys(allowed)) end
    local fault = opt_fault(value, allowed[key])
    if fault then return nil, ("option '%s' %s"):format(key, fault) end
  end
  return true
end

return options
