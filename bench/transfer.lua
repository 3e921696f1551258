--- One transfer by lua-smb, as bench/run.lua times it: `transfer.lua put|get|write|read LOCALFILE URL NAME`; write and read go
-- through a file handle, in pieces of 64 KiB. `transfer.lua lines LOCALFILE URL NAME` reads a file by lines, from the disk and
-- from the share, and prints the seconds of each.
-- Else prints the most memory that this process ever had, in KiB; without arguments, that of bare Lua.

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

function actions.write(dest) copy(assert(io.open(localpath, "rb")), assert(dest:open(name, "w"))) end

function actions.read(dest) copy(assert(dest:open(name)), assert(io.open(localpath, "wb"))) end

function actions.lines(dest)
  local here, count = seconds(assert(io.open(localpath)))
  local there, same = seconds(assert(dest:open(name)))
  assert(count == same)
  print(here, there)
  os.exit(true, true)
end

if what then
  local dest <close> = assert(require "smb".open(url))
  actions[what](dest)
end

for line in io.lines "/proc/self/status" do
  local peak = line:match "^VmHWM:%s*(%d+)"
  if peak then print(peak) end
end
