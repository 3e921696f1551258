--- One transfer by lua-smb, as bench/run.lua times it: `transfer.lua put|get LOCALFILE URL NAME`.
-- Prints the most memory that this process ever had, in KiB; without arguments, that of bare Lua.

local what, localpath, url, name = ...

if what then
  local dest <close> = assert(require "smb".open(url))
  if what == "put" then
    assert(dest:put(localpath, name))
  else
    assert(dest:get(name, localpath))
  end
end

for line in io.lines "/proc/self/status" do
  local peak = line:match "^VmHWM:%s*(%d+)"
  if peak then print(peak) end
end
