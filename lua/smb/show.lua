--- How values print: what `print(dest.info)` and the prompt of `lua5.4 -i` show, and the command's columns.
--
-- Entries, results and the like stay plain tables; each kind shares one metatable, which only knows how to print.
-- @module smb.show

local show = {}

local SHOWN = 100 -- entries of a list that print
local UNITS = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" }

-- Pieces. -----------------------------------------------------------------------------------------------------------

--- Text that cannot steer a terminal: see `smb.text`.
-- @function show.text
-- @tparam string text
-- @treturn string
show.text = require "smb.text".plain

--- How many of something: "1 file", "2 files".
-- @tparam integer number
-- @tparam string noun
-- @treturn string
function show.count(number, noun) return ("%d %s%s"):format(number, noun, number == 1 and "" or "s") end

--- A size for people: "512 B", "1.5 MiB".
-- @tparam number bytes
-- @treturn string
function show.size(bytes)
  if bytes < 1024 then return ("%d B"):format(bytes // 1) end
  local power = 0
  repeat
    bytes, power = bytes / 1024, power + 1
  until bytes < 1023.95 or power == #UNITS
  return ("%.1f %s"):format(bytes, UNITS[power])
end

--- A time as this computer's clock shows it.
-- @tparam number seconds since 1970
-- @tparam[opt="%Y-%m-%d %H:%M:%S"] string format as `os.date` takes it
-- @treturn string "?" for what no calendar holds
function show.time(seconds, format)
  local whole = math.tointeger(seconds // 1)
  local ok, text = pcall(os.date, format or "%Y-%m-%d %H:%M:%S", whole)
  return whole and ok and text or "?"
end

--- Characters that a text takes on a terminal, about: wide ones count as one.
-- @tparam string text
-- @treturn integer
function show.width(text)
  return utf8.len(text) or #text
end

--- Names and values in two columns.
-- @tparam {{string,any},...} rows
-- @treturn string without a newline at its end
function show.columns(rows)
  local widest = 0
  for _, row in ipairs(rows) do widest = math.max(widest, show.width(row[1])) end
  local lines = {}
  for i, row in ipairs(rows) do
    lines[i] = row[1] .. (" "):rep(widest - show.width(row[1]) + 2) .. show.text(tostring(row[2]))
  end
  return table.concat(lines, "\n")
end

local function sorted_rows(fields)
  local rows = {}
  for key, value in pairs(fields) do rows[#rows + 1] = { tostring(key), value } end
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  return rows
end

-- Entries. ----------------------------------------------------------------------------------------------------------

local MARKS = { directory = "/", link = "@" }

--- An entry's name, with a mark for what is no file: "folder/", "link@".
-- @tparam table entry
-- @tparam[opt] string path shown instead of the name
-- @treturn string
function show.name(entry, path)
  return show.text(path or entry.name or "?") .. (MARKS[entry.type] or "")
end

--- A line of a listing: size, time, name.
-- @tparam table entry
-- @tparam integer width of the size's column
-- @tparam[opt] string path shown instead of the name
-- @tparam[opt] boolean human sizes as "1.5 MiB"
-- @treturn string
function show.line(entry, width, path, human)
  local size = "-"
  if entry.type == "file" then size = human and show.size(entry.size) or ("%d"):format(entry.size) end
  return ("%s%s  %s  %s"):format((" "):rep(width - #size), size, show.time(entry.mtime, "%Y-%m-%d %H:%M"),
    show.name(entry, path))
end

--- The width that sizes of entries need.
-- @tparam {table,...} entries
-- @tparam[opt] integer most how many are looked at
-- @treturn integer
function show.size_width(entries, most)
  local largest = 0
  for i = 1, math.min(#entries, most or #entries) do
    if entries[i].type == "file" then largest = math.max(largest, entries[i].size) end
  end
  return #("%d"):format(largest)
end

--- An entry's fields with their values in words, for two columns.
-- @tparam table entry
-- @treturn {{string,string},...}
function show.entry_rows(entry)
  local set = {}
  for _, key in ipairs { "archive", "hidden", "system", "readonly" } do
    if entry[key] then set[#set + 1] = key end
  end
  local rows = { { "type", entry.type } }
  if entry.name ~= "" then table.insert(rows, 1, { "name", entry.name }) end
  if entry.type == "file" then
    local exact = ("%d bytes"):format(entry.size)
    rows[#rows + 1] = { "size", entry.size < 1024 and exact or ("%s (%s)"):format(exact, show.size(entry.size)) }
  end
  for _, key in ipairs { "mtime", "atime", "btime" } do
    if entry[key] then rows[#rows + 1] = { key, show.time(entry[key]) } end
  end
  rows[#rows + 1] = { "attributes", #set > 0 and table.concat(set, ", ") or "none" }
  return rows
end

-- What prints itself. -----------------------------------------------------------------------------------------------

local function kind(name, tostring_of)
  local metatable = { __name = name, __tostring = tostring_of }
  return function(value) return setmetatable(value, metatable) end
end

--- A file or folder, as `stat`, `list`, `dir` and `walk` return it.
-- @table entry
-- @tfield string name its last part
-- @tfield string type "file", "directory" or "link"
-- @tfield integer size bytes
-- @tfield number mtime last change of the contents, seconds since 1970 with a fraction
-- @tfield number atime last access, likewise
-- @tfield ?number btime creation, likewise; nil where the server's answer cannot be read (`stat` on an encrypted
-- connection)
-- @tfield boolean archive a file attribute
-- @tfield boolean hidden likewise
-- @tfield boolean system likewise
-- @tfield boolean readonly likewise
-- @tfield ?boolean directory of a link: whether it leads to a folder

--- Makes an entry print as its line in a listing.
-- @function show.entry
-- @tparam table entry
-- @treturn table the same
show.entry = kind("smb.entry", function(entry)
  if type(entry.size) ~= "number" or type(entry.mtime) ~= "number" then return "smb.entry" end
  return show.line(entry, 0)
end)

--- Makes a list of entries print as a listing, of its first 100.
-- @function show.entries
-- @tparam {table,...} entries
-- @treturn table the same
show.entries = kind("smb.entries", function(entries)
  if #entries == 0 then return "no entries" end
  local width, lines = show.size_width(entries, SHOWN), {}
  for i = 1, math.min(#entries, SHOWN) do lines[i] = show.line(entries[i], width) end
  if #entries > SHOWN then lines[#lines + 1] = ("... and %d more"):format(#entries - SHOWN) end
  return table.concat(lines, "\n")
end)

--- What `put`, `get`, `write` and `read` with a sink return.
-- @table result
-- @tfield integer bytes the file's size
-- @tfield number seconds how long the call took
-- @tfield integer retries further attempts that were made
-- @tfield integer resumed bytes that an earlier attempt had moved
-- @tfield ?string sha256 hexadecimal, when it was asked for
-- @tfield ?boolean mtime_kept false when the file's time was refused

--- Makes the result of a transfer print as a sentence.
-- @function show.result
-- @tparam table result
-- @treturn table the same
show.result = kind("smb.result", function(result)
  local words = { ("%s in %.2f s"):format(show.size(result.bytes), result.seconds) }
  if result.seconds > 0 and result.bytes > 0 then
    words[1] = ("%s (%s/s)"):format(words[1], show.size(result.bytes / result.seconds))
  end
  if (result.resumed or 0) > 0 then words[#words + 1] = show.size(result.resumed) .. " were there already" end
  if (result.retries or 0) > 0 then words[#words + 1] = ("retried %d times"):format(result.retries) end
  if result.mtime_kept == false then words[#words + 1] = "its time was refused" end
  if result.sha256 then words[#words + 1] = "SHA-256 " .. result.sha256 end
  return table.concat(words, ", ")
end)

-- What a tree's transfer left out: "3 skipped (2 links, 1 special)".
local function skipped_in_words(skipped)
  local words = {}
  for _, key in ipairs { "links", "special", "dfs", "mounts", "bins" } do
    if (skipped[key] or 0) > 0 then
      local what = key == "dfs" and "DFS links" or key
      words[#words + 1] = ("%d %s"):format(skipped[key], skipped[key] == 1 and what:gsub("s$", "") or what)
    end
  end
  return ("%d skipped (%s)"):format(skipped.count, table.concat(words, ", "))
end

--- What `put_tree` and `get_tree` return.
-- @table summary
-- @tfield integer files files that were moved
-- @tfield integer bytes their sizes, together
-- @tfield integer unchanged files that were left alone
-- @tfield integer deleted what `mirror` has deleted; a folder that goes whole counts once
-- @tfield integer folders folders that were made
-- @tfield number seconds how long the call took
-- @tfield {table,...} errors each with `name`, `message` and `code`
-- @tfield table skipped what was left out: `count`, `links`, `special`, `dfs`, `mounts` (always 0: libsmbclient does
-- not tell a mount from other links), `bins` (which kept a folder that mirror would have deleted), and `names`, the
-- first 100, each with `name` and `reason`
-- @tfield integer times_refused files whose time was refused
-- @tfield ?boolean dry_run true for a dry run
-- @tfield ?{table,...} actions of a dry run: each with `action` ("put", "get", "mkdir", "delete"), `name` and `bytes`

-- A list that prints a line for each of its first 100.
local function printing_list(name, line, empty)
  return kind(name, function(list)
    if #list == 0 then return empty end
    local lines = {}
    for i = 1, math.min(#list, SHOWN) do lines[i] = line(list[i]) end
    if #list > SHOWN then lines[#lines + 1] = ("... and %d more"):format(#list - SHOWN) end
    return table.concat(lines, "\n")
  end)
end

--- Makes the errors of a summary print, a line for each.
-- @function show.errors
-- @tparam {table,...} errors
-- @treturn table the same
show.errors = printing_list("smb.errors", function(each) return show.text(tostring(each.message)) end, "no errors")

--- Makes the actions of a dry run print, a line for each: "put     1.5 MiB  etc/hosts".
-- @function show.actions
-- @tparam {table,...} actions
-- @treturn table the same
show.actions = printing_list("smb.actions", function(each)
  return ("%-6s  %10s  %s"):format(each.action, each.bytes and show.size(each.bytes) or "", show.text(each.name))
end, "no actions")

--- Makes the summary of a tree's transfer print as a sentence, and its lists a line for each.
-- @function show.summary
-- @tparam table summary
-- @treturn table the same
show.summary = kind("smb.summary", function(summary)
  local words = { ("%s, %s in %.2f s"):format(show.count(summary.files, "file"), show.size(summary.bytes),
    summary.seconds) }
  for _, key in ipairs { "unchanged", "deleted" } do
    if summary[key] > 0 then words[#words + 1] = ("%d %s"):format(summary[key], key) end
  end
  local refused = summary.times_refused or 0
  if refused > 0 then words[#words + 1] = show.count(refused, "time") .. " refused" end
  if summary.skipped and summary.skipped.count > 0 then words[#words + 1] = skipped_in_words(summary.skipped) end
  if #summary.errors > 0 then words[#words + 1] = show.count(#summary.errors, "error") end
  return (summary.dry_run and "dry run: " or "") .. table.concat(words, ", ")
end)

--- What `dest.info` is: what was agreed with the server, as seen on the wire. What is unknown is absent.
-- @table info
-- @tfield ?string dialect "SMB3_11", ...
-- @tfield ?integer max_read_size bytes in a read, as negotiated
-- @tfield ?integer max_write_size bytes in a write, as negotiated
-- @tfield boolean signing messages are signed, or encrypted
-- @tfield boolean encryption messages are encrypted
-- @tfield ?string cipher "AES-128-GCM", ...
-- @tfield boolean guest the server made the user a guest
-- @tfield ?string user whom the server has logged on
-- @tfield ?string mechanism "kerberos", "ntlm" or "anonymous"
-- @tfield ?boolean dfs the share has DFS links
-- @tfield string|boolean confined what the worker has given up, of "no_new_privs", "capabilities", "seccomp",
-- "landlock_files" and "landlock_tcp" (what this kernel does not have is absent); false with `confinement="off"`
-- @tfield ?number round_trip seconds, the shortest seen
-- @tfield ?integer throughput bytes per second on one connection, the highest seen
-- @tfield integer round_trips requests that were sent
-- @tfield number clock_ahead seconds that the server's clock is ahead of this one
-- @tfield ?string server_address numeric
-- @tfield string library libsmbclient's version

--- Makes what `dest:quota` gives print as sizes.
-- @function show.quota
-- @tparam table quota
-- @treturn table the same
show.quota = kind("smb.quota", function(quota)
  local rows = {}
  for _, key in ipairs { "total", "free", "available" } do
    if quota[key] then rows[#rows + 1] = { key, ("%10s"):format(show.size(quota[key])) } end
  end
  return show.columns(rows)
end)

--- One of what `smb.shares` returns.
-- @table share
-- @tfield string name
-- @tfield string type "disk", "printer" or "ipc" (what servers talk to each other by)
-- @tfield string comment what the server says about it; often ""

--- Makes a list of shares print as columns.
-- @function show.shares
-- @tparam {share,...} shares
-- @treturn table the same
show.shares = kind("smb.shares", function(shares)
  local widest = 0
  for _, share in ipairs(shares) do widest = math.max(widest, show.width(show.text(share.name))) end
  local lines = {}
  for i, share in ipairs(shares) do
    local name = show.text(share.name)
    local line = ("%s%s  %-7s  %s")
      :format(name, (" "):rep(widest - show.width(name)), share.type, show.text(share.comment))
    lines[i] = line:gsub(" +$", "")
  end
  return #lines > 0 and table.concat(lines, "\n") or "no shares"
end)

--- What `smb.diagnose` returns.
-- @table diagnosis
-- @tfield boolean ok nothing is broken
-- @tfield {table,...} steps each with `step`, `ok`, `value` (what was seen) and, where something can be done, `advice`

--- Makes a diagnosis print, a line for each step.
-- @function show.diagnosis
-- @tparam diagnosis diagnosis
-- @treturn table the same
show.diagnosis = kind("smb.diagnosis", function(diagnosis)
  local widest, lines = 0, {}
  for _, each in ipairs(diagnosis.steps) do widest = math.max(widest, #each.step) end
  for _, each in ipairs(diagnosis.steps) do
    local space = (" "):rep(widest - #each.step)
    lines[#lines + 1] = ("%s  %s%s  %s")
      :format(each.ok and "ok " or "BAD", each.step, space, show.text(each.value or ""))
    if each.advice then lines[#lines + 1] = (" "):rep(widest + 7) .. show.text(each.advice) end
  end
  lines[#lines + 1] = diagnosis.ok and "Nothing is broken." or "Something is broken: see the lines that begin with BAD."
  return table.concat(lines, "\n")
end)

--- Makes a table print as its fields, one a line, sorted.
-- @function show.fields
-- @tparam table fields
-- @treturn table the same
show.fields = kind("smb.info", function(fields) return show.columns(sorted_rows(fields)) end)

--- Makes a list of texts print one a line.
-- @function show.lines
-- @tparam {string,...} lines
-- @treturn table the same
show.lines = kind("smb.warnings", function(lines)
  return #lines > 0 and table.concat(lines, "\n") or "none"
end)

--- Options as `name = value` lines, in the order that `pairs` gives them.
-- @tparam table options
-- @treturn string
function show.options(options)
  local rows = {}
  for key, value in pairs(options) do rows[#rows + 1] = { key, value } end
  return show.columns(rows)
end

return show
