-- What spec/62-finalizers_spec.lua runs under the collector of collector.lua with CLOSES: calls whose destination, file
-- or job a finalizer closes in the middle.
--
--     lua5.4 closing.lua URL DIRECTORY
--
-- Each call is made again and again until nothing closes anything any more: then each place in lua-smb where Lua may
-- finalize had its turn. Writes a line for each: its name, how often it was made, how many of them were interrupted;
-- and one for each outcome that should not be.

local smb = require "smb"
local collector = require "spec.support.collector"

local url, directory = ...
local CONTENT = ("0123456789 line\n"):rep(4000)
local MOST = 3000 -- rounds; far more than there are places

local dest

local function open()
  dest = assert(smb.open(url, { connections = 2 }))
  dest.options.read_buffer_size, dest.options.write_buffer_size = 12000, 12000
end

local function write_local(path)
  local file <close> = assert(io.open(path, "wb"))
  file:write(CONTENT)
  return path
end

local source = write_local(directory .. "/source")

-- Each gives something to compare.
local calls = {}
local function add(name, fn) calls[#calls + 1] = { name = name, run = fn } end

add("open", function()
  local opened = assert(smb.open(url))
  return assert(opened:close())
end)
add("stat", function() return assert(dest:stat "file").size end)
add("exists", function() return assert(dest:exists "file") end)
add("list", function() return #assert(dest:list "folder") end)
add("dir", function()
  local count = 0
  for entry in dest:dir "folder" do count = count + #entry.name end
  return count
end)
add("walk", function()
  local count = 0
  for _ in dest:walk "" do count = count + 1 end
  return count > 20
end)
add("mkdir", function() return assert(dest:mkdir "made/below") end)
add("rename", function()
  assert(dest:write("from", "x"))
  return assert(dest:rename("from", "to"))
end)
add("read", function() return assert(dest:read "file") == CONTENT end)
add("write", function() return assert(dest:write("written", CONTENT)).bytes end)
add("put", function() return assert(dest:put(source, "put")).bytes end)
add("get", function() return assert(dest:get("file", directory .. "/got")).bytes end)
add("put_tree", function() return assert(dest:put_tree(directory .. "/same", "same")).unchanged end)
add("get_tree", function() return assert(dest:get_tree("few", directory .. "/tree", { changed = "always" })).files end)
add("sweep", function() return #assert(dest:sweep()) end)
add("file:read", function()
  local file <close> = assert(dest:open "file")
  local read = { file:read("n", "l", 3, "L", "n") }
  for line in file:lines() do read[#read + 1] = line end
  file:seek("set", 5)
  return #read .. assert(file:read "a")
end)
add("file:write", function()
  local file <close> = assert(dest:open("handle", "w+"))
  for i = 1, 12 do assert(file:write(CONTENT:sub(1, i * 400), i, i / 7)) end
  assert(file:seek("set", 2))
  return #assert(file:read "a")
end)
add("file:write, a line at a time", function()
  local file <close> = assert(dest:open("handle", "w"))
  file:setvbuf "line"
  for i = 1, 5 do assert(file:write(i, "\n", ("x"):rep(5000))) end
  return assert(file:flush()) == true
end)
add("jobs", function()
  local jobs = { dest:submit("write", "job", CONTENT), dest:submit("list", "folder"), dest:submit("read", "file") }
  for i, job in ipairs(jobs) do
    jobs[i] = type(assert(job:wait()))
    job:status()
    job:timeout()
  end
  return table.concat(jobs)
end)
add("jobs and files", function()
  local file <close> = assert(dest:open("handle", "w"))
  local job = dest:submit("put_tree", directory .. "/same", "other")
  for i = 1, 5 do assert(file:write(CONTENT:sub(1, 5000), i)) end
  return assert(job:wait()).folders ~= nil
end)

-- An error says that something was closed, or what came of it; anything else would be a mistake of ours.
local function is_expected(problem)
  problem = tostring(problem)
  for _, text in ipairs { "closed destination", "closed file", "the destination was closed", "already closed",
    "cancelled", "used by a finalizer", "closed while the call was under way", "the answer was lost" } do
    if problem:find(text, 1, true) then return true end
  end
  return false
end

local function play(each)
  local expected = each.run()
  local rounds, interrupted, undisturbed = 0, 0, 0
  collector.forget()
  repeat
    local before = collector.closings()
    collector.close(true)
    local ok, result = pcall(each.run)
    collector.close(false)
    local closings = collector.closings() - before
    rounds = rounds + 1
    if closings > 0 then interrupted, undisturbed = interrupted + 1, 0 else undisturbed = undisturbed + 1 end
    if not ok and (closings == 0 or not is_expected(result)) then
      print(("WRONG %s, round %d: %s"):format(each.name, rounds, result))
    elseif ok and closings == 0 and result ~= expected then
      print(("WRONG %s, round %d: gives %s, not %s"):format(each.name, rounds, result, expected))
    end
    if smb.type(dest) ~= "destination" then open() end
  until undisturbed == 3 or rounds == MOST
  print(("%s: %d, %d"):format(each.name, rounds, interrupted))
end

open()
assert(dest:write("file", CONTENT))
for i = 1, 3 do assert(dest:write(("few/%d"):format(i), "content", { parents = true })) end
for i = 1, 20 do assert(dest:write(("folder/entry %d"):format(i), "", { parents = true })) end
for i = 1, 150 do assert(dest:write(("same/%d"):format(i), "", { parents = true })) end
assert(dest:get_tree("same", directory .. "/same"))
for _, each in ipairs(calls) do play(each) end
