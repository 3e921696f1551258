--- lua-smb's side of the benchmark, a process of its own: `transfer.lua ACTION HERE URL THERE`. Prints at last the most
-- memory that this process ever had, in KiB; without arguments, that of bare Lua.
--
-- put, get, put_tree, get_tree: between the local path HERE and THERE on the share. write, read: the same as put and
-- get, through a file handle, in pieces of 64 KiB. list, stat: what THERE is. lines: reads a file by lines, from the
-- disk and from the share, and prints the seconds of each. put_volumes, get_volumes: the files of a folder, one after
-- another; put_jobs, get_jobs: side by side. mirror: put_tree, with what is too much deleted.

local what, localpath, url, name = ...
local PIECE = 64 * 1024

local function copy(from, to)
  for piece in function() return from:read(PIECE) end do assert(to:write(piece)) end
  assert(to:close())
  assert(from:close())
end

local function seconds(file)
  local clock = require "smb.core".clock
  local began, count = clock(), 0
  while file:read "l" do count = count + 1 end
  file:close()
  return clock() - began, count
end

local actions = {}

function actions.put(dest) assert(dest:put(localpath, name)) end

function actions.get(dest) assert(dest:get(name, localpath)) end

function actions.put_tree(dest)
  local summary = assert(dest:put_tree(localpath, name))
  assert(#summary.errors == 0)
end

function actions.get_tree(dest)
  local summary = assert(dest:get_tree(name, localpath))
  assert(#summary.errors == 0)
end

function actions.list(dest)
  for _, entry in ipairs(assert(dest:list(name))) do print(entry.name, entry.size) end
end

function actions.stat(dest)
  local entry = assert(dest:stat(name))
  print(entry.name, entry.size, entry.mtime)
end

local function names_in(folder)
  local names = {}
  for text in require "lfs".dir(folder) do
    if not text:find "^%." then names[#names + 1] = text end
  end
  table.sort(names)
  return names
end

function actions.put_volumes(dest)
  assert(dest:mkdir(name))
  for _, text in ipairs(names_in(localpath)) do assert(dest:put(localpath .. "/" .. text, name .. "/" .. text)) end
end

function actions.get_volumes(dest)
  for _, entry in ipairs(assert(dest:list(name))) do
    assert(dest:get(name .. "/" .. entry.name, localpath .. "/" .. entry.name))
  end
end

function actions.put_jobs(dest)
  assert(dest:mkdir(name))
  local jobs = {}
  for i, text in ipairs(names_in(localpath)) do
    jobs[i] = dest:submit("put", localpath .. "/" .. text, name .. "/" .. text)
  end
  for _, job in ipairs(jobs) do assert(job:wait()) end
end

function actions.get_jobs(dest)
  local jobs = {}
  for i, entry in ipairs(assert(dest:list(name))) do
    jobs[i] = dest:submit("get", name .. "/" .. entry.name, localpath .. "/" .. entry.name)
  end
  for _, job in ipairs(jobs) do assert(job:wait()) end
end

function actions.mirror(dest)
  local summary = assert(dest:put_tree(localpath, name, { mirror = true }))
  assert(#summary.errors == 0)
end

function actions.write(dest) copy(assert(io.open(localpath, "rb")), assert(dest:open(name, "w"))) end

function actions.read(dest) copy(assert(dest:open(name)), assert(io.open(localpath, "wb"))) end

function actions.lines(dest)
  local here, count = seconds(assert(io.open(localpath)))
  local there, same = seconds(assert(dest:open(name)))
  assert(count == same)
  print(here, there)
end

if what then
  local dest <close> = assert(require "smb".open(url))
  actions[what](dest)
end

for line in io.lines "/proc/self/status" do
  local peak = line:match "^VmHWM:%s*(%d+)"
  if peak then print(peak) end
end
