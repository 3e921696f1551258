-- What spec/60-memory_spec.lua has failing_alloc run: a module whose memory ends.
--
--     failing_alloc failing_alloc.lua URL DIRECTORY MODE
--
-- MODE is "collect", or how many requests for memory in a row are refused. Writes a line for each part.

-- luacheck: globals memory

local lfs = require "lfs"
local smb = require "smb"

local url, directory, mode = ...

memory.watch()

local CONTENT = ("0123456789 line\n"):rep(4000) -- 64,000 bytes
local dest

local function write_local(path)
  local file = assert(io.open(path, "wb"))
  file:write(CONTENT)
  file:close()
  return path
end

local function read_local(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local source = write_local(directory .. "/source")

-- How much there is of what may leak. What a connection holds does not count: a socket, a pidfd, a page, a block of
-- memory.
local function holdings()
  local descriptors, buffers, connections = 0, 0, 0
  for _ in lfs.dir "/proc/self/fd" do descriptors = descriptors + 1 end
  for line in io.lines "/proc/self/maps" do
    if line:find("memfd:smb-shared", 1, true) then
      connections = connections + 1
    elseif line:find("memfd:", 1, true) then
      buffers = buffers + 1
    end
  end
  return { descriptors = descriptors - 2 * connections, buffers = buffers, blocks = memory.blocks() - connections }
end

-- A further connection that is being made would count as what leaks.
local function open_again()
  dest = assert(smb.open(url, { connections = 1 }))
  dest.options.read_buffer_size, dest.options.write_buffer_size = 12000, 12000
end

-- Each gives something to compare, or nil, message, code.
local parts = {}

local function part(name, fn)
  parts[#parts + 1] = { name = name, run = fn }
end

part("load", function()
  local before = package.loaded["smb.core"]
  package.loaded["smb.core"] = nil
  local ok, result = pcall(require, "smb.core")
  package.loaded["smb.core"] = before
  if not ok then error(result, 0) end
  return type(result)
end)

part("open", function()
  local opened, message, code = smb.open(url)
  if not opened then return nil, message, code end
  local text = tostring(opened)
  assert(opened:close())
  return text
end)

part("stat", function()
  local entry, message, code = dest:stat "file"
  return entry and entry.name .. entry.size, message, code
end)

part("list", function()
  local entries, message, code = dest:list "folder"
  if not entries then return nil, message, code end
  local names = {}
  for i, entry in ipairs(entries) do names[i] = entry.name end
  return table.concat(names, " ")
end)

part("dir", function()
  local count = 0
  for entry in dest:dir "folder" do count = count + #entry.name end
  return count
end)

part("read", function() return dest:read "file" end)

part("write", function()
  local result, message, code = dest:write("written", CONTENT)
  return result and result.bytes, message, code
end)

part("put", function()
  local result, message, code = dest:put(source, "put")
  return result and result.bytes, message, code
end)

part("get", function()
  local result, message, code = dest:get("file", directory .. "/got")
  return result and read_local(directory .. "/got"), message, code
end)

part("get tree", function()
  local summary, message, code = dest:get_tree("few", directory .. "/tree", { changed = "always" })
  return summary and summary.files .. " " .. summary.bytes, message, code
end)

-- More files than are first made room for.
part("put tree", function()
  local summary, message, code = dest:put_tree(directory .. "/same", "same")
  return summary and summary.unchanged, message, code
end)

part("file read", function()
  local file, message, code = dest:open "file"
  if not file then return nil, message, code end
  local _ <close> = file
  local read = { file:read("n", "l", 3, "L") }
  if #read < 4 then return table.unpack(read, 1, 3) end
  for line in file:lines() do read[#read + 1] = line end
  file:seek("set", 5)
  local rest
  rest, message, code = file:read "a"
  if not rest then return nil, message, code end
  return table.concat(read, "\n") .. rest
end)

part("file write", function()
  local file, message, code = dest:open("handle", "w+")
  if not file then return nil, message, code end
  local ok
  for i = 1, 12 do
    ok, message, code = file:write(CONTENT:sub(1, i * 400), i)
    if not ok then break end
  end
  if ok then
    file:seek("set", 2)
    ok, message, code = file:read "a"
  end
  local closed, problem, word = file:close()
  if not ok then return nil, message, code end
  return closed and ok, problem, word
end)

part("coroutine", function()
  local co = coroutine.wrap(function()
    for line in assert(dest:open "file"):lines(1000) do coroutine.yield(#line) end
  end)
  local sum = 0
  for size in co do sum = sum + size end
  return sum
end)

-- A file that goes on being used after the failure: it must not end early without a word.
part("file goes on", function()
  local file <close> = assert(dest:open "file")
  local function finish(ok, problem)
    local rest, message, code = file:read "a"
    if not rest then return nil, message, code end
    file:seek("set", 0)
    local again
    again, message, code = file:read "a"
    if not again then return nil, message, code end
    if rest:sub(-30) ~= CONTENT:sub(-30) or again ~= CONTENT then return "cut short" end
    if not ok then error(problem, 0) end
    return #CONTENT
  end
  return finish(pcall(function()
    for _ in file:lines(2000) do if file:seek() > 40000 then break end end
  end))
end)

-- Twice: what one collection finalizes is freed by the next.
local function collect()
  collectgarbage()
  collectgarbage()
end

local function compare_holdings(expected, place)
  local found = holdings()
  for key, count in pairs(expected) do
    if found[key] ~= count then
      error(("%s: %d %s, there were %d"):format(place, found[key], key, count), 0)
    end
  end
end

local function no_memory(message)
  return tostring(message):find("memory", 1, true) ~= nil
end

-- An error says what happened, or a result is what it always is.
local function check_outcome(expected, place, ok, result, message, code)
  if not ok then
    -- Lua's own message is a string, what lines raises a table.
    if type(result) ~= "string" and type(result) ~= "table" then
      error(("%s: raised a %s"):format(place, type(result)), 0)
    end
  elseif result == nil then
    if type(message) ~= "string" or type(code) ~= "string" then
      error(("%s: failed without a message or code (%s, %s)"):format(place, tostring(message), tostring(code)), 0)
    end
  elseif result ~= expected then
    error(("%s: a wrong result: %s"):format(place, tostring(result):sub(1, 100)), 0)
  end
end

-- The destination is of use as ever, on the worker that it had.
local function check_usable(place)
  local entry, message = dest:stat "file"
  if not entry then error(("%s: afterwards %s"):format(place, message), 0) end
  if entry.size ~= #CONTENT then error(place .. ": afterwards stat gives something else", 0) end
end

local failures = {}

local function refuse_each(each, times)
  local expected = assert(each.run())
  check_usable(each.name)
  collect()
  local held = holdings()
  local n, refused = 0
  repeat
    n = n + 1
    local place = ("%s, request %d"):format(each.name, n)
    local outcome = table.pack(memory.refuse(n, times, each.run))
    refused = outcome[1]
    local ok, problem = pcall(function()
      check_outcome(expected, place, table.unpack(outcome, 2, 5))
      if refused == 0 and outcome[3] == nil then error(place .. ": " .. tostring(outcome[4]), 0) end
      outcome = nil
      collect()
      check_usable(place)
      collect()
      compare_holdings(held, place)
    end)
    if not ok then
      failures[#failures + 1] = tostring(problem)
      if no_memory(problem) and #failures > 50 then break end
      dest:close()
      open_again()
      check_usable(place)
      collect()
      held = holdings()
    end
    if #failures > 100 then break end
  until refused == 0
  print(("%s: %d"):format(each.name, n))
end

local function prepare()
  open_again()
  assert(dest:write("file", CONTENT))
  for i = 1, 3 do assert(dest:write(("few/%d"):format(i), "content", { parents = true })) end
  for i = 1, 20 do assert(dest:write(("folder/entry %d"):format(i), "", { parents = true })) end
  for i = 1, 150 do assert(dest:write(("same/%d"):format(i), "", { parents = true })) end
  assert(dest:get_tree("same", directory .. "/same"))
end

prepare()
if mode == "collect" then
  local expected = {}
  for i, each in ipairs(parts) do expected[i] = assert(each.run()) end
  local function compare(how)
    for i, each in ipairs(parts) do
      local ok, result, message = pcall(each.run)
      if not ok or result ~= expected[i] then
        failures[#failures + 1] = ("%s, %s: %s, %s")
          :format(each.name, how, tostring(result):sub(1, 100), tostring(message))
      end
    end
  end
  memory.collect(true)
  compare "before each object"
  memory.collect(false)
  -- A collection that Lua makes for want of memory runs no finalizers. This one does, and has some to run.
  for _ = 1, 5 do
    local dropped = assert(dest:open "file")
    assert(dropped:read(1))
  end
  debug.sethook(function() collectgarbage() end, "", 50)
  compare "every 50 instructions"
  debug.sethook()
else
  for _, each in ipairs(parts) do refuse_each(each, tonumber(mode)) end
end
for _, failure in ipairs(failures) do print("FAILED " .. failure) end
assert(dest:close())
if #failures > 0 then error(("%d failures"):format(#failures), 0) end
