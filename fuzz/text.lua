-- Texts and tables that a script, a user, a file or somebody who can write to the share may have made: URLs, options,
-- credentials, places, manifests, locks, retention, globs, names, command lines. Each reader of such gives what it
-- should, or nil and a sentence; raises nothing but what says whose mistake it is; shows no password; comes to an end.
--
--     text.lua RUNS runs SEED FOLDER
--     text.lua SECONDS "" SEED FOLDER
--
-- What broke something is written to a file of FOLDER, with its subject; `text.lua FILE` repeats it.

package.path = "lua/?.lua;lua/?/init.lua;" .. package.path

local core = require "smb.core"
local credentials = require "smb.credentials"
local json = require "smb.backup.json"
local lookalike = require "smb.lookalike"
local manifest = require "smb.backup.manifest"
local name = require "smb.name"
local options = require "smb.options"
local pattern = require "smb.pattern"
local places = require "smb.places"
local smb = require "smb"
local words = require "smb.cli.line".words

core.program = "/nobody/has/this/program" -- so nothing is connected to

local SECRET = "hunter2-and-more"
local CPU_LIMIT = 10 -- seconds of the processor for one text, most of which take none
local INSTRUCTIONS = 1000000 -- of Lua between two looks at the clock
local LENGTH_LIMIT = 6000 -- bytes
local GROWN_LIMIT = 64 -- bytes that are repeated, and how often

local room = "build/fuzz/text" -- with files that are read, and what XDG_CONFIG_HOME is

---- promises ----------------------------------------------------------------------------------------------------------

local function promise(holds, what, ...)
  if holds then return end
  local told = {}
  for i, value in ipairs { ... } do told[i] = type(value) == "string" and ("%q"):format(value) or tostring(value) end
  error({ broken = what .. ": " .. table.concat(told, ", ") }, 0)
end

local function check_problem(problem)
  promise(type(problem) == "string" and problem ~= "", "a failure has no message", problem)
end

-- A call with a mistake of the script's raises, and says so.
local function attempt(prefix, fn, ...)
  local results = table.pack(xpcall(fn, function(err)
    return type(err) == "table" and err or { err = err, traceback = debug.traceback(tostring(err), 2) }
  end, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err = results[2]
  if err.broken then error(err, 0) end
  local text = tostring(err.err):gsub("^fuzz/text%.lua:%d+: ", "")
  promise(prefix and text:sub(1, #prefix) == prefix, "raised", err.traceback)
  check_problem(text)
  return nil, text
end

local function has_secret(text) return type(text) == "string" and text:find(SECRET, 1, true) ~= nil end

---- chance ------------------------------------------------------------------------------------------------------------

local random = math.random

local function pick(list) return list[random(#list)] end

local TOKENS = { "", "\0", "\n", "\r\n", "%", "%00", "%2F", "%zz", "/", "//", "\\", "..", ".", ":", "@", "?", "#", "&",
  "=", "*", "**", "**/", "[", "]", "[!", "[a-", "!", "'", '"', "{", "}", ",", "\u{FEFF}", "\u{202E}", "ä", "a\u{308}",
  "😀", "\xED\xA0\x80", "\xFF", "\x80", "‛", "〳", " ", "\t", "-1", "0", "9223372036854775807", "-9223372036854775808",
  "1e999", "nan", "0x10", "1.5G", "true", "null", "CON", "@GMT-2025.01.01-00.00.00", "::1", "[fe80::1%25eth0]",
  "127.0.0.1", SECRET, "smb://", "username=", "password=", "domain=", "auth-password=", "auth-username=bob",
  "credentials-file=", "\\u0000", "\\ud800", '"path":"../x"', '"size":-1', '"type":[]' }

local MUTATIONS = {
  function(text) -- a byte
    local at = random(#text + 1)
    return text:sub(1, at - 1) .. string.char(random(0, 255)) .. text:sub(at + 1)
  end,
  function(text) -- a token more
    local at = random(#text + 1)
    return text:sub(1, at - 1) .. pick(TOKENS) .. text:sub(at)
  end,
  function(text) -- a token in something's place
    local at = random(#text + 1)
    return text:sub(1, at - 1) .. pick(TOKENS) .. text:sub(at + random(0, 8))
  end,
  function(text) -- a part less
    local at = random(#text + 1)
    return text:sub(1, at - 1) .. text:sub(at + random(0, 16))
  end,
  function(text) -- a part many times
    local at = random(#text + 1)
    local part = text:sub(at, at + random(0, GROWN_LIMIT))
    return (text:sub(1, at - 1) .. part:rep(random(GROWN_LIMIT)) .. text:sub(at)):sub(1, LENGTH_LIMIT)
  end,
  function(text, other) -- one's beginning, another's end
    return text:sub(1, random(#text + 1)) .. other:sub(random(#other + 1))
  end,
}

local function mutate(seeds)
  local text = pick(seeds)
  for _ = 1, random(0, 6) do text = pick(MUTATIONS)(text, pick(seeds)) end
  return text
end

local VALUES = { "", "x", "on", "off", "default", "required", SECRET, "nas", "1k", "10s", "7d", -1, 0, 1, 2.5, 445,
  65536,
  math.huge, -math.huge, 0 / 0, math.maxinteger, math.mininteger, 1e308, true, false, {}, { 1 }, function() end,
  setmetatable({}, { __index = function() end }), coroutine.create(next) }

local function any_value(seeds)
  return random(3) == 1 and mutate(seeds) or pick(VALUES)
end

---- files -------------------------------------------------------------------------------------------------------------

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

-- A destination with one file, as far as a manifest's reader asks for it.
local function share_with(text)
  local file = { at = 1 }
  function file:read(count)
    if self.at > #text then return nil end
    local piece = text:sub(self.at, self.at + count - 1)
    self.at = self.at + #piece
    return piece
  end
  function file:seek(_, offset) self.at = offset + 1 return offset end
  function file.close() return true end
  return { open = function() return file end }
end

-- What only a function of the module knows.
local function within(fn, wanted, seen)
  seen = seen or {}
  for i = 1, math.huge do
    local key, value = debug.getupvalue(fn, i)
    if not key then return nil end
    if key == wanted then return value end
    if type(value) == "function" and not seen[value] then
      seen[value] = true
      local found = debug.getinfo(value, "S").what == "Lua" and within(value, wanted, seen)
      if found then return found end
    end
  end
end

---- subjects ----------------------------------------------------------------------------------------------------------

local subjects = {}

local URLS = { "smb://bob:" .. SECRET .. "@nas/backup/host1", "smb://nas",
  "cifs://WORK;bob@[::1]:4450/share/a%20b?signing=required",
  "smb://nas/backup?auth-username=bob&auth-password=" .. SECRET .. "&connections=4&rate=1M", "//nas/share", "nas:path",
  "smb://[fe80::1%25eth0]/x?short-timeout=5s&retries=0&verify=sha256&dfs=off&kerberos=required" }

local FIELDS = {}
for field in pairs(options.by_name) do
  if field ~= "trace" then FIELDS[#FIELDS + 1] = field end -- it would be written to
end
table.sort(FIELDS)

-- Whether it stands where a password does, and nowhere else.
local function is_password_in(text)
  if select(2, text:gsub(SECRET:gsub("%-", "%%-"), "")) ~= 1 then return false end
  return text:find("^%a+://[^/?#]*:[^/?#@]*" .. SECRET:gsub("%-", "%%-") .. "[^/?#]*@") or
    text:find("%?.*auth%-password=[^&]*" .. SECRET:gsub("%-", "%%-"))
end

subjects.url = { seeds = URLS, run = function(text)
  local fields, problem, code = attempt(nil, smb.parse, text)
  if fields then
    local formatted = attempt(nil, smb.format, fields)
    promise(not is_password_in(formatted), "a formatted URL has the password", formatted)
    local again = attempt(nil, smb.parse, formatted)
    promise(again, "what was formatted is no URL", formatted)
    for key, value in pairs(fields) do
      promise(key == "password" or again[key] == value, "a field is lost", key, value, formatted)
    end
    promise(not has_secret(tostring(fields)) or not is_password_in(text), "what is shown has the password", text)
  else
    check_problem(problem)
    promise(code == "invalid_url", "no code", code)
    promise(not (is_password_in(text) and has_secret(problem)), "a message has the password", text, problem)
  end
  local dest, message, word = attempt(nil, smb.open, text)
  promise(not dest and type(word) == "string", "no code", word)
  check_problem(message)
  promise(not (is_password_in(text) and has_secret(message)), "a message has the password", text, message)
end }

subjects.options = { seeds = URLS, make = function(seeds)
  local fields = { server = "nas", share = "backup", username = "bob", password = SECRET }
  for _ = 1, random(0, 4) do fields[random(8) == 1 and mutate(seeds) or pick(FIELDS)] = any_value(seeds) end
  return { fields, random(2) == 1 and { [pick(FIELDS)] = any_value(seeds) } or nil }
end, run = function(arguments)
  for _, method in ipairs { "open", "shares" } do
    local dest, message = attempt("smb." .. method .. ":", smb[method], arguments[1], arguments[2])
    promise(not dest, "nobody was connected to")
    check_problem(message)
    local is_elsewhere = false -- as another field's value
    for key, value in pairs(arguments[1]) do
      is_elsewhere = is_elsewhere or (key ~= "password" and has_secret(value)) or has_secret(key)
    end
    for key, value in pairs(arguments[2] or {}) do
      is_elsewhere = is_elsewhere or (key ~= "password" and has_secret(value))
    end
    promise(is_elsewhere or not has_secret(message), "a message has the password", message)
  end
  attempt("smb.format:", smb.format, arguments[1])
end }

subjects.value = { seeds = { "1.5G", "10s", "7d", "64k", "required", "true", "4", "SMB3_11", "/run/user/0", "bob" },
  run = function(text)
    for _, field in ipairs(FIELDS) do
      local value, problem = attempt(nil, options.check_text, field, text)
      if value == nil then check_problem(problem) end
    end
    local seconds, problem = attempt(nil, options.check_duration, "wait", text)
    if not seconds then check_problem(problem) end
  end }

subjects.credentials = { seeds = { "username=bob\npassword=" .. SECRET .. "\ndomain=WORK\n",
  "\u{FEFF}user = bob\r\npass = " .. SECRET .. "\r\n", "# comment\n\nPASSWORD=" .. SECRET .. "\n" },
    run = function(text)
  local path = write(room .. "/credentials", text)
  local found, problem = attempt(nil, credentials.read, path)
  if not found then check_problem(problem) end
  promise(not has_secret(problem), "a message has the password", problem)
  local dest, message = attempt(nil, smb.open, { server = "nas", share = "backup", credentials_file = path })
  promise(not dest, "nobody was connected to")
  check_problem(message)
  promise(not has_secret(message) or (found and has_secret(found.username)), "a message has the password", message)
end }

subjects.places = { seeds = { "nas = smb://bob@nas/backup?credentials-file=/x\nother=smb://h/s\n", "# none\n",
  "a = b\n" },
  run = function(text)
    write(places.folder() .. "/places", text)
    local all, problem = attempt(nil, places.all)
    if not all then return check_problem(problem) end
    for _, each in ipairs(all) do
      local fields, fault = attempt(nil, places.read, each .. ":folder/x")
      if not fields then check_problem(fault) end
      local dest, message = attempt(nil, smb.open, each .. ":x", { places = true, password = SECRET })
      promise(not dest, "nobody was connected to")
      check_problem(message)
    end
  end }

local HEAD = '{"format":"lua-smb manifest","version":1,"name":"2026-12-01T014157Z","time":1796089317,"host":"vm",'
  .. '"sources":["/srv"],"several":false,"options":{"exclude":["*.log"],"exclude_caches":true}}\n'
local ENTRIES = '{"path":"","type":"directory","mtime":1796089316477087143,"mode":493,"uid":0,"gid":0}\n'
  .. '{"path":"bad\u{FFFD}","path_hex":"626164ff","type":"file","size":1,"mtime":17,"mode":420,"uid":0,"gid":0,'
  .. '"user":"root","sha256":"2d71","stored":"bad‛FF","ino":1,"ctime":2}\n'
  .. '{"path":"l","type":"link","mtime":1,"mode":511,"target":"a\\u00e4\\n","mtime_kept":false}\n'

local function with_end(text)
  local digest = core.sha256()
  core.sha256_add(digest, text)
  return ('%s{"entries":3,"files":1,"folders":1,"links":1,"bytes":1,"sha256":"%s"}\n'):format(text,
    core.sha256_hex(digest))
end

subjects.manifest = { seeds = { HEAD .. ENTRIES, HEAD, with_end(HEAD .. ENTRIES) }, make = function(seeds)
  local text = mutate(seeds)
  return random(3) > 1 and with_end(text) or text
end, run = function(text)
  local list, problem = attempt(nil, manifest.open, share_with(text), "x.manifest")
  if not list then return check_problem(problem) end
  while true do
    local entry, message = attempt(nil, list.next, list)
    if message then check_problem(message) end
    if not entry then break end
    promise(type(entry.path) == "string" and math.type(entry.mtime) == "integer", "an entry without path or time", text)
    promise(entry.type ~= "file" or math.type(entry.size) == "integer", "a file without size", text)
    promise(not ("/" .. entry.path .. "/" .. entry.stored .. "/"):find("/%.%./"), "a path leads elsewhere", entry.path)
  end
  attempt(nil, manifest.counts, share_with(text), "x.manifest", #text)
end }

subjects.json = { seeds = { HEAD:sub(1, -2), ENTRIES:match "[^\n]*",
  '{"a":["\\u00e4\\ud83d\\ude00",{"b":[1,-2,true]}]}' },
  run = function(text)
    local object, problem = attempt(nil, json.decode, text)
    if not object then return check_problem(problem) end
    attempt(nil, json.decode, attempt(nil, json.encode, object))
  end }

do
  local take = require "smb.lock".take
  local read_holder, described, is_dead = within(take, "read_holder"), within(take, "described"), within(take,
    "is_dead")
  subjects.lock = { seeds = { '{"id":"a1","host":"vm","boot":"b","pid":17,"pids":"pid:[1]",'
    .. '"started":5,"time":1796089317,"ttl":600}\n', '{"id":"x"}' }, run = function(text)
    local holder = attempt(nil, read_holder, text)
    local message = attempt(nil, described, holder)
    check_problem(message)
    promise(not message:find "[%c]", "a message steers terminals", message)
    if holder then attempt(nil, is_dead, holder) end
  end }
end

local RULES = { "keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly" }
local TIMES = { 0, 1796089317, 1796089317.25, -1e9, 1e11, 1e15, 1e18, 1e300, math.huge, -math.huge, 0 / 0,
  math.maxinteger,
  math.mininteger, "now", false }

subjects.retention = { seeds = { "30d", "1y2m7d3h", "999999y", "5h", "" }, make = function(seeds)
  local entries, rules = {}, { utc = random(2) == 1 or nil }
  for i = 1, random(0, 12) do
    local time = random(4) == 1 and pick(TIMES) or 1796089317 - random(0, 100000000)
    entries[i] = random(30) == 1 and any_value(seeds) or { time = time }
  end
  for _ = 1, random(0, 3) do rules[pick(RULES)] = random(5) == 1 and any_value(seeds) or random(0, 4) end
  if random(2) == 1 then rules.keep_within = mutate(seeds) end
  return { entries, rules }
end, run = function(arguments)
  local keep, delete = attempt("smb.retention:", smb.retention, arguments[1], arguments[2])
  if not keep then return end
  promise(#keep + #delete == #arguments[1], "an entry is lost")
end }

subjects.glob = { seeds = { "*.log", "var/**/x*y?z", "!**/*.tmp/", "[!a-z]*", "**/a**b**c*d", "a*a*a*a*a*a*a*b",
  "/top/*" },
  make = function(seeds)
    local globs = {}
    for i = 1, random(3) do globs[i] = mutate(seeds) end
    return { globs, mutate { ("a"):rep(200), "var/log/a.log", ("a/"):rep(300) .. "b", "x", ("ab/"):rep(500) } }
  end, run = function(arguments)
    local problem = attempt(nil, pattern.fault, arguments[1])
    if problem then return check_problem(problem) end
    local filter = attempt(nil, pattern.filter, arguments[1])
    for _, kind in ipairs { "file", "directory" } do
      local entry = { name = arguments[2]:match "[^/]*$", type = kind, size = 1, mtime = 1 }
      promise(type(attempt(nil, filter, arguments[2], entry)) == "boolean", "neither meant nor not")
    end
  end }

subjects.name = { seeds = { "folder/file.tar.gz", "ä/" .. ("x"):rep(255), "@GMT-2025.01.01-00.00.00", "CON.txt",
  "a:b*c", " .",
  "x.0123abcd.part" }, run = function(text)
  local ok, problem = attempt(nil, name.check, text)
  if not ok then check_problem(problem) end
  if ok and text ~= "" then
    local temporary = attempt(nil, name.temporary, text, "0123abcd")
    promise(attempt(nil, name.check, temporary), "a temporary name is none", text, temporary)
    promise(attempt(nil, name.parse_temporary, temporary) == "part", "a temporary name is not known again", temporary)
  end
  for part in text:gsub("%z", ""):gmatch "[^/]+" do
    local encoded = attempt(nil, lookalike.encode, part)
    promise(part == "." or part == ".." or attempt(nil, lookalike.decode, encoded) == part, "a name is lost", part,
      encoded)
    attempt(nil, lookalike.decode, part)
    attempt(nil, lookalike.encode_case, encoded)
  end
end }

subjects.line = { seeds = { "get 'a b' \"c\\\"d\" e\\ f", "ls", "put x -o 'y" }, run = function(text) attempt(nil,
  words, text) end }

---- running -----------------------------------------------------------------------------------------------------------

local NAMES = {}
for subject in pairs(subjects) do NAMES[#NAMES + 1] = subject end
table.sort(NAMES)

-- Errors where the clock says that it takes too long; what counts is the processor's time.
local function run(subject, input)
  local began = os.clock()
  local function look() promise(os.clock() - began < CPU_LIMIT, "takes longer than any such text may", subject) end
  debug.sethook(look, "", INSTRUCTIONS)
  local ok, err = pcall(subjects[subject].run, input)
  debug.sethook()
  if ok then ok, err = pcall(look) end
  if ok then return nil end
  return type(err) == "table" and err.broken or tostring(err)
end

local function dump(value)
  if type(value) == "table" then
    local parts = {}
    for key, item in pairs(value) do parts[#parts + 1] = ("[%s] = %s"):format(dump(key), dump(item)) end
    table.sort(parts)
    return "{ " .. table.concat(parts, ", ") .. " }"
  end
  return type(value) == "string" and ("%q"):format(value):gsub("\n", "n") or tostring(value)
end

os.execute("umask 077; mkdir -p " .. room .. " " .. (places.folder() or room))
for _, path in ipairs { room .. "/credentials", places.folder() .. "/places" } do
  write(path, "")
  os.execute("chmod 600 " .. path)
end

if not arg[2] then
  local subject, input = assert(loadfile(arg[1]))()
  local broken = run(subject, input)
  print(broken or "nothing broke")
  os.exit(broken == nil)
end

local limit, unit, seed, folder = tonumber(arg[1]), arg[2], math.tointeger(tonumber(arg[3])), arg[4]
math.randomseed(seed)
local runs, began, broken = 0, os.time(), 0
local told = {}
while (unit == "runs" and runs < limit) or (unit == "" and os.time() - began < limit) do
  local subject = NAMES[1 + runs % #NAMES]
  local how = subjects[subject]
  local input = (how.make or mutate)(how.seeds)
  runs = runs + 1
  local problem = run(subject, input)
  local mark = problem and subject .. problem:gsub("[^%a].*", "")
  if problem and not told[mark] then
    told[mark] = true
    broken = broken + 1
    local path = ("%s/text-%s-%d.lua"):format(folder, subject, runs)
    write(path, ("return %q, %s\n"):format(subject, dump(input)))
    print(("%s: %s\n  %s repeats it"):format(subject, problem, path))
  end
end
print(("text    %d runs of %d subjects"):format(runs, #NAMES))
os.exit(broken == 0)
