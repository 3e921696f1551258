--- `make soak`: random operations against a model of the share, while the network and the server fail.
--
-- Each step is one operation; afterwards what is on the server's disk is compared with the model. An operation that
-- failed may have happened where its error code leaves that open: then what is there, the old state or the new one, is
-- what the model goes on with; anything else is a failure, which prints the seed and the last steps.
--
-- SOAK_S: seconds (60). SEED repeats a run's choices.

local lfs = require "lfs"
local faults = require "spec.support.faults"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

local SECONDS = tonumber(os.getenv "SOAK_S") or 60
local SEED = math.tointeger(tonumber(os.getenv "SEED")) or os.time()
local KIB, MIB = 1024, 1024 * 1024
local LARGE = 70 * MIB
local SEEDS = 8 -- of contents: files.lua keeps 64 KiB of each
local LAST = 15 -- steps that a failure tells
local PARTS = 6 -- of the run: memory is looked at after each
local GROWTH = 16 * KIB -- KiB that the second half may need beyond the first: a buffer, and what the library has of it

-- Failures of the network or the server: what was asked for may have been done, or not.
local OPEN = { timeout = true, disconnected = true, unreachable = true }

-- What is written in place may besides be left as it is when the server does not tell the file from another: without
-- birth times.
local function leaves_open(operation, code)
  return OPEN[code] or (operation.in_place and code == "source_changed")
end

local NAMES = { "a", "b.txt", "with space", "ümläut", "日本語", "100%", "a#b", "semi;colon", "it's", "(x)[y]{z}", "$HOME",
  "😀", ".hidden", "-dash", "plus+and&", "comma,dot.tar.zst", "tilde~1", "=eq!", "^caret`tick", "end@" }
local FOLDERS = { "d", "d/e", "ordner ä", "x%20y" }

math.randomseed(SEED)
print(("SEED=%d"):format(SEED))

local dir = files.directory()
local srv = server.start { tmpfs = os.getenv "LUA_SMB_SANDBOX" == "1" or nil, log_level = "0" }
local net = faults.start(srv, dir)
local dest = assert(smb.open(net:url "backup",
  { retry_delay = 0.05, short_timeout = 3, read_write_timeout = 3, list_timeout = 3 }))
local root = srv:path "backup"

-- The model: a string for a file, or { size =, seed = } for a large one; true for a folder.
local model = { }
local steps, refused = 0, 0
local history = {}

local function pick(list) return list[math.random(#list)] end

local function all_of(is_wanted)
  local found = {}
  for name, value in pairs(model) do
    if is_wanted(value) then found[#found + 1] = name end
  end
  table.sort(found)
  return found
end

local function is_folder(value) return value == true end
local function is_file(value) return value ~= true end
local function is_small(value) return type(value) == "string" end

local function new_name()
  local folders = all_of(is_folder)
  if #folders > 0 and math.random(3) == 1 then return pick(folders) .. "/" .. pick(NAMES) end
  return pick(NAMES)
end

local function existing(is_wanted)
  local found = all_of(is_wanted)
  if #found == 0 or math.random(10) == 1 then return new_name() end
  return pick(found)
end

local function content()
  local size = pick { 0, 1, 100, 65536, 65537, math.random(300 * KIB), math.random(2 * MIB) }
  return files.content(size, math.random(SEEDS))
end

local large_at = {} -- by seed: local files

local function large()
  local seed = math.random(2)
  large_at[seed] = large_at[seed] or files.make(dir .. "/large" .. seed, LARGE, seed)
  return { size = LARGE, seed = seed }
end

local function parent(name) return name:match "^(.*)/[^/]*$" end

-- Comparing ----------------------------------------------------------------------------------------------------------

local function is_at(path, value)
  local mode = lfs.symlinkattributes(path, "mode")
  if value == nil then return mode == nil end
  if value == true then return mode == "directory" end
  if mode ~= "file" then return false end
  if type(value) == "string" then return files.size(path) == #value and files.read(path) == value end
  return (files.same(path, large_at[value.seed]))
end

local function names_on_disk()
  local found = {}
  local output = shell.check(("cd %s && find . -mindepth 1"):format(shell.quote(root)))
  for line in output:gmatch "%./([^\n]*)" do found[line] = true end
  return found
end

-- What differs from the model, looking into the contents of `touched` only; nil when nothing does.
local function difference(expected, touched)
  local there = names_on_disk()
  for name in pairs(there) do
    if expected[name] == nil then return name .. " should not be there" end
  end
  for name in pairs(expected) do
    if not there[name] then return name .. " is missing" end
  end
  for name in pairs(touched) do
    if not is_at(root .. "/" .. name, expected[name]) then return name .. " has another content" end
  end
end

local function copy_of(t)
  local copy = {}
  for key, value in pairs(t) do copy[key] = value end
  return copy
end

-- Operations: each gives its description, what it does, what the model is when that is done, and the error codes that
-- are right where it is not to succeed. `check` looks at what it gave. ------------------------------------------------

-- Why nothing can be put at a name, if so.
local function no_place(name)
  local above = parent(name)
  if above and model[above] ~= true then return "folder_missing" end
  if model[name] == true then return "is_directory" end
end

local function with(changes)
  return function()
    local after = copy_of(model)
    for name, value in pairs(changes) do
      if value == false then after[name] = nil else after[name] = value end
    end
    return after
  end
end

local operations = {}

function operations.put()
  local name, value = new_name(), math.random(12) == 1 and large() or content()
  local path = type(value) == "table" and large_at[value.seed] or files.write(dir .. "/source", value)
  return { text = ("put %q (%d bytes)"):format(name, type(value) == "table" and LARGE or #value),
    error = no_place(name), run = function() return dest:put(path, name) end, after = with { [name] = value },
    touched = { [name] = true } }
end

function operations.write()
  local name, value = new_name(), content()
  return { text = ("write %q (%d bytes)"):format(name, #value), error = no_place(name),
    run = function() return dest:write(name, value) end, after = with { [name] = value }, touched = { [name] = true } }
end

function operations.read()
  local name = existing(is_small)
  if type(model[name]) == "table" then return end
  return { text = ("read %q"):format(name), run = function() return dest:read(name) end,
    error = no_place(name) or (model[name] == nil and "not_found" or nil),
    check = function(got) return got == model[name] end }
end

function operations.get()
  local name = existing(is_file)
  local target = dir .. "/target"
  return { text = ("get %q"):format(name), error = no_place(name) or (model[name] == nil and "not_found" or nil),
    run = function()
      files.write(target, "old")
      return dest:get(name, target)
    end,
    check = function() return is_at(target, model[name]) end,
    refused = function() return is_at(target, "old") end }
end

-- Opened, sought, read, written in the middle, read again, closed.
function operations.edit()
  local name = existing(is_small)
  local old = model[name]
  if type(old) ~= "string" or #old < 10 then return end
  local at, bytes = math.random(0, #old), ("edited"):rep(math.random(2000))
  local new = old:sub(1, at) .. bytes .. old:sub(at + #bytes + 1)
  return { text = ("edit %q at %d (%d bytes)"):format(name, at, #bytes), in_place = name, run = function()
      local file, message, code = dest:open(name, "r+")
      if not file then return nil, message, code end
      local _ <close> = setmetatable({}, { __close = function() if smb.type(file) == "file" then file:close() end end })
      local position, head, ok
      head, message, code = file:read(7)
      if not head then return nil, message, code end
      assert(head == old:sub(1, 7), "edit: other bytes were read")
      position, message, code = file:seek("set", at)
      if not position then return nil, message, code end
      ok, message, code = file:write(bytes)
      if not ok then return nil, message, code end
      return file:close()
    end, after = with { [name] = new }, touched = { [name] = true } }
end

function operations.delete()
  local name = existing(is_file)
  return { text = ("delete %q"):format(name), run = function() return dest:delete(name) end,
    error = no_place(name) or (model[name] == nil and "not_found" or nil), after = with { [name] = false } }
end

function operations.rename()
  local from, to = existing(is_file), new_name()
  if from == to then return end
  local code = no_place(from) or (model[from] == nil and "not_found") or no_place(to) or nil
  return { text = ("rename %q to %q"):format(from, to), run = function() return dest:rename(from, to) end, error = code,
    any_error = code ~= nil, after = with { [from] = false, [to] = model[from] }, touched = { [to] = true } }
end

function operations.copy()
  local from, to = existing(is_file), new_name()
  if from == to then return end
  local code = no_place(from) or (model[from] == nil and "not_found") or no_place(to) or nil
  return { text = ("copy %q to %q"):format(from, to), run = function() return dest:copy(from, to) end, error = code,
    any_error = code ~= nil, after = with { [to] = model[from] }, touched = { [to] = true } }
end

function operations.mkdir()
  local name = pick(FOLDERS)
  local changes = { [name] = true }
  if parent(name) then changes[parent(name)] = true end
  return { text = ("mkdir %q"):format(name), run = function() return dest:mkdir(name) end, after = with(changes),
    steps = parent(name) and with { [parent(name)] = true } }
end

function operations.rmdir()
  if math.random(4) > 1 then return end
  local name = pick(FOLDERS)
  local changes = { [name] = false }
  for each in pairs(model) do
    if each:sub(1, #name + 1) == name .. "/" then changes[each] = false end
  end
  local above = parent(name)
  return { text = ("rmdir %q recursive"):format(name),
    run = function() return dest:rmdir(name, { recursive = true }) end,
    error = model[name] == nil and (above and model[above] == nil and "folder_missing" or "not_found") or nil,
    any_error = model[name] == nil, after = with(changes), partly = changes }
end

function operations.list()
  return { text = "list", run = function() return dest:list "" end, check = function(entries)
    local count = 0
    for name in pairs(model) do
      if not parent(name) then count = count + 1 end
    end
    for _, entry in ipairs(entries) do
      if (entry.type == "directory") ~= (model[entry.name] == true) or model[entry.name] == nil then return false end
    end
    return #entries == count
  end }
end

function operations.walk()
  return { text = "walk", run = function()
    local found = 0
    local ok, failure = pcall(function()
      for path in dest:walk() do
        assert(model[path] ~= nil, path)
        found = found + 1
      end
    end)
    if ok then return found end
    if type(failure) ~= "table" then error(failure, 0) end
    return nil, failure.message, failure.code
  end, check = function(found)
    for _ in pairs(model) do found = found - 1 end
    return found == 0
  end }
end

function operations.stat()
  local name = existing(is_file)
  local value = model[name]
  return { text = ("stat %q"):format(name), run = function() return dest:stat(name) end,
    error = value == nil and (no_place(name) or "not_found") or nil,
    check = function(entry)
      if value == true then return entry.type == "directory" end
      return entry.size == (type(value) == "string" and #value or value.size)
    end }
end

function operations.exists()
  local name = existing(is_file)
  return { text = ("exists %q"):format(name), run = function()
    local there, message, code = dest:exists(name)
    if there == nil then return nil, message, code end
    return { there = there }
  end, check = function(got) return got.there == (model[name] ~= nil) end }
end

local kinds = {}
for name in pairs(operations) do kinds[#kinds + 1] = name end
table.sort(kinds)

-- Faults -------------------------------------------------------------------------------------------------------------

-- One for the next step, or none. What it gives takes the fault back; seconds after which it does so by itself.
local disturbances = {
  function() net:tell("cut-frame", math.random(12)) return "cut a frame" end,
  function() net:tell("lose", math.random(12)) return "lose an answer" end,
  function() net:tell("cut", math.random(2 * MIB)) return "cut going up" end,
  function() net:tell("cut-down", math.random(2 * MIB)) return "cut coming down" end,
  function() net:tell("latency", math.random(20)) return "latency" end,
  function() net:tell "kill" return "reset all" end,
  function()
    net:tell("stall-frame", math.random(12))
    return "stall", 0.3, function() net:tell "go" end
  end,
  function()
    if math.random(4) > 1 then return "nothing" end
    srv:disconnect()
    return "smbd's connections killed"
  end,
  function()
    if math.random(8) > 1 then return "nothing" end
    srv:kill()
    return "smbd killed", 0.3, function() srv:restart() end
  end,
}

-- Runs fn; what the disturbance has to take back comes after so many seconds, or at the end.
local function disturbed(seconds, back, fn)
  local due = seconds and shell.now() + seconds
  if due then
    debug.sethook(function()
      if due and shell.now() >= due then
        due = nil
        back()
      end
    end, "c")
  end
  local results = table.pack(pcall(fn))
  debug.sethook()
  if due then back() end
  net:tell "calm"
  net:tell "go"
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- Steps --------------------------------------------------------------------------------------------------------------

local function fail(reason)
  print(("\nsoak: %s\nSEED=%d, step %d; the last steps:"):format(reason, SEED, steps))
  for i = math.max(1, #history - LAST), #history do print("  " .. history[i]) end
  dest:close()
  net:stop()
  srv:stop()
  files.remove(dir)
  os.exit(1)
end

-- A folder of which only a part was removed: what is still there is the model's.
local function take_part(operation)
  local there = names_on_disk()
  for name in pairs(operation.partly) do
    if not there[name] then model[name] = nil end
  end
end

-- What was written in place and broke off: the file counts as it is now.
local function take_as_it_is(name)
  model[name] = files.read(root .. "/" .. name)
end

-- After a failure that leaves open whether it was done.
local function settle(operation, before)
  if operation.in_place then take_as_it_is(operation.in_place) end
  if operation.partly then take_part(operation) end
  local problem = difference(model, operation.touched or {})
  if not problem then return end
  for _, state in ipairs { operation.after or function() return before end, operation.steps } do
    local after = state()
    problem = difference(after, operation.touched or {})
    if not problem then
      model = after
      return
    end
  end
  fail(problem .. ", neither as before nor as it should become")
end

local function one_step()
  local operation
  repeat operation = operations[pick(kinds)]() until operation
  local text, seconds, back = "nothing", nil, nil
  if math.random(2) == 1 then text, seconds, back = pick(disturbances)() end
  steps = steps + 1
  history[#history + 1] = ("%d: %s (%s)"):format(steps, operation.text, text)
  if #history > 2 * LAST then table.remove(history, 1) end
  local ok, result, message, code = pcall(disturbed, seconds, back, operation.run)
  if not ok then fail(result) end
  history[#history] = history[#history] .. (result and "" or " -> " .. message)
  if result then
    if operation.error then fail "it should not have succeeded" end
    if operation.check and not operation.check(result) then fail "what it gave is wrong" end
    if operation.after then model = operation.after() end
    local problem = difference(model, operation.touched or {})
    if problem then fail(problem) end
    return
  end
  refused = refused + 1
  if operation.refused and not operation.refused() then fail "the local file is not what it was" end
  if not leaves_open(operation, code) and code ~= operation.error and not operation.any_error then
    fail "that is not the right failure"
  end
  if leaves_open(operation, code) then
    local there, why = dest:exists "" -- puts right what was left
    if not there then fail(why) end
    settle(operation, model)
  else
    local problem = difference(model, operation.touched or {})
    if problem then fail(problem) end
  end
end

local function size_of_model()
  local bytes = 0
  for _, value in pairs(model) do
    if is_small(value) then bytes = bytes + #value end
  end
  return bytes // KIB
end

-- KiB of this process, without the contents that the model holds, and of the largest worker.
local function resident()
  collectgarbage()
  collectgarbage()
  local workers = 0
  for _, pid in ipairs(processes.workers()) do
    local ok, kib = pcall(processes.resident, pid)
    workers = math.max(workers, ok and kib or 0)
  end
  return processes.resident() - size_of_model(), workers
end

local began = shell.now()
local told, memory = 0, { host = {}, worker = {} }
while shell.now() - began < SECONDS do
  one_step()
  local part = math.floor((shell.now() - began) / SECONDS * PARTS)
  if part > told then
    told = part
    local host, worker = resident()
    table.insert(memory.host, host)
    table.insert(memory.worker, worker)
    print(("%5.0f s  %6d steps  %5d refused  host %6d KiB  largest worker %6d KiB"):format(shell.now() - began, steps,
      refused, host, worker))
  end
end
-- Everything once more, contents too.
local problem = difference(model, model)
if problem then fail(problem) end
local swept = assert(dest:sweep("", { older_than = 0 }))
if #swept > 0 or #swept.restored > 0 then fail "something was left" end
-- The first half warms up: buffers of files, what 70 MiB need.
for whose, kib in pairs(memory) do
  local before = math.max(table.unpack(kib, 1, PARTS // 2))
  if #kib == PARTS and kib[#kib] > before + GROWTH then fail(("the memory of the %s grows"):format(whose)) end
end
print(("soak: %d steps, %d faults in the network, %d refused, all as the model says")
  :format(steps, net:stats().faults, refused))
dest:close()
net:stop()
srv:stop()
files.remove(dir)
