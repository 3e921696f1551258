-- Shows how failures look. Nothing on the share changes but a small file that comes and goes:
--
--     lua5.4 examples/errors.lua 'smb://nas/backup/host1?credentials-file=/root/.smbcredentials'

local smb = require "smb"

local url = ...
if not url then
  io.stderr:write("usage: lua5.4 examples/errors.lua URL\n")
  os.exit(2)
end

-- What can go wrong at run time returns nil, a message for people and a word for programs.
local function show(what, result, message, code)
  print(("%-34s %s"):format(what, result and "worked" or code))
  if not result then print("    " .. message) end
end

local dest <close> = assert(smb.open(url))
local file, folder = "errors-example.tmp", "errors-example.missing"

show("write a file", dest:write(file, "Hello\n"))
show("write it where none may be yet", dest:write(file, "Hello\n", { overwrite = false }))
show("read a file that is not there", dest:read "errors-example.nothing")
show("write into a missing folder", dest:write(folder .. "/file", "Hello\n"))
show("send a local file that is not there", dest:put "/nowhere/at/all")
show("climb out of the folder", dest:read "../secret")
show("delete a folder as if it were a file", dest:delete "")
show("delete the file", dest:delete(file))
show("delete it once more", dest:delete(file, { missing_ok = true }))

-- Iterators raise instead: a table with the same message and code.
local ok, failure = pcall(function()
  for entry in dest:dir(folder) do print(entry.name) end
end)
show("iterate over a missing folder", ok, failure.message, failure.code)

-- What is wrong in the program itself raises, too.
print(select(2, pcall(dest.delete, dest, file, { mising_ok = true })))
