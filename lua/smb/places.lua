--- Places: names for destinations, in a file of the user's. `lua-smb configure NAME` makes one; `NAME:` and `NAME:path`
-- then stand where a URL does: in the command, and in `smb.open` with `places = true`.
-- @module smb.places

local lfs = require "lfs"

local core = require "smb.core"
local url = require "smb.url"

local places = {}

local LIMIT = 1024 * 1024 -- bytes of the file

--- The folder of places and of their credentials files.
-- @treturn[1] string
-- @treturn[2] nil
-- @treturn[2] string why there is none
function places.folder()
  local base, home = os.getenv "XDG_CONFIG_HOME", os.getenv "HOME"
  if base and base:find "^/" then return base .. "/lua-smb" end
  if not home or home == "" then return nil, "HOME is not set" end
  return home .. "/.config/lua-smb"
end

--- Whether a text is a place's name.
function places.is_name(text)
  local folded = text:lower()
  return text:find "^[A-Za-z0-9_-]+$" ~= nil and folded ~= "smb" and folded ~= "cifs"
end

--- Takes `NAME:path` apart.
-- @tparam string text
-- @treturn[1] string the name
-- @treturn[1] string the path
-- @treturn[2] nil for what is none: URLs, paths
function places.split(text)
  local name, path = text:match "^([A-Za-z0-9_-]+):(.*)$"
  if not name or not places.is_name(name) or path:find "^//" then return nil end
  return name, (path:gsub("^/+", ""))
end

-- All places: URLs by name. None where there is no file.
local function read()
  local folder, problem = places.folder()
  if not folder then return nil, problem end
  local path = folder .. "/places"
  if not lfs.attributes(path) then return {} end
  local text, fault = core.read_private(path, LIMIT, true)
  if not text then return nil, ("the file of places, '%s': %s"):format(path, fault) end
  local found, number = {}, 0
  for line in text:gmatch "([^\n]*)\n?" do
    number = number + 1
    local name, where = line:match "^%s*(%S+)%s*=%s*(%S+)%s*$"
    if name and places.is_name(name) then found[name] = where
    elseif not line:find "^%s*$" and not line:find "^%s*#" then
      return nil, ("the file of places, '%s': line %d is not NAME = URL"):format(path, number)
    end
  end
  return found
end

--- All places' names, sorted, and their URLs by name.
-- @treturn[1] {string,...}
-- @treturn[1] table
-- @treturn[2] nil
-- @treturn[2] string what is wrong with the file
function places.all()
  local found, problem = read()
  if not found then return nil, problem end
  local names = {}
  for name in pairs(found) do names[#names + 1] = name end
  table.sort(names)
  return names, found
end

--- What `NAME:path` means.
-- @tparam string text
-- @treturn[1] table the fields of its URL
-- @treturn[2] nil
-- @treturn[2] string why there are none
function places.read(text)
  local name, path = places.split(text)
  local found, problem = read()
  if not found then return nil, problem end
  if not found[name] then return nil, ("there is no place '%s' (lua-smb configure %s makes it)"):format(name, name) end
  local fields
  fields, problem = url.read(found[name])
  if not fields then return nil, ("place '%s': %s"):format(name, problem) end
  path = path:gsub("/+$", "")
  if path ~= "" then fields.path = (fields.path or "") ~= "" and fields.path .. "/" .. path or path end
  return fields
end

--- What a place may not be given besides: its password is its own server's.
-- @tparam ?table more
-- @treturn ?string what is wrong
function places.fault(more)
  for _, key in ipairs { "server", "port" } do
    if more and more[key] ~= nil then
      return ("%s cannot be given beside a place, whose password is for its own"):format(key)
    end
  end
end

--- Writes a file of the folder, which is made.
-- @tparam string name
-- @tparam string text
-- @treturn[1] string its path
-- @treturn[2] nil
-- @treturn[2] string why it cannot be written
function places.write(name, text)
  local folder, problem = places.folder()
  if not folder then return nil, problem end
  for to in folder:gmatch "[^/]+()" do lfs.mkdir(folder:sub(1, to - 1)) end
  local path = folder .. "/" .. name
  local ok, reason = core.write_private(path, text, ("%s.%s.tmp"):format(path, core.random()))
  if not ok then return nil, ("'%s': %s"):format(path, reason) end
  return path
end

--- Adds a place, or changes one. Other lines stay as they are.
-- @tparam string name
-- @tparam string where its URL, without a password
-- @treturn[1] string the path of the file of places
-- @treturn[2] nil
-- @treturn[2] string why it cannot be written
function places.keep(name, where)
  local folder, problem = places.folder()
  if not folder then return nil, problem end
  local lines, file = {}, io.open(folder .. "/places")
  for line in file and file:lines() or function() end do
    if line:match "^%s*(%S+)%s*=" ~= name then lines[#lines + 1] = line end
  end
  if file then file:close() end
  lines[#lines + 1] = ("%s = %s"):format(name, where)
  return places.write("places", table.concat(lines, "\n") .. "\n")
end

return places
