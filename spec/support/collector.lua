-- LUA_INIT of spec/support/gc: every interpreter, busted's and those that specs start, has a collector that is at work
-- whenever lua-smb is, see collector.c. Gives the counts to spec/support/collected.lua.
--
-- With CLOSES, a number, finalizers close what lua-smb is at: a destination, a file, a job, whatever is on the stack.

local build = os.getenv "COLLECTED"
local closes = math.tointeger(tonumber(os.getenv "CLOSES" or ""))
local DENSE = 6
local LEVELS, LOCALS = 40, 12 -- how far in the stack, and in a function, is looked for what is in use

assert(package.loadlib(build .. "/smb/core.so", "*"))
local collector = assert(package.loadlib(build .. "/collector.so", "luaopen_collector"))()
collector.start("/smb/core.so", "lua/smb/", DENSE)
package.loaded["spec.support.collector"] = collector

local END = { ["smb.destination"] = "close", ["smb.file"] = "close", ["smb.job"] = "cancel" }
local KINDS = { "smb.file", "smb.job", "smb.destination" }

local function kind_of(value)
  local metatable = type(value) == "userdata" and debug.getmetatable(value)
  return metatable and metatable.__name
end

-- An upload's file is nothing that a script has.
local function is_upload(value)
  local state = debug.getuservalue(value, 2)
  return type(state) == "table" and state.under ~= nil
end

-- Keeps the innermost object of each kind.
local function look(value, found)
  local kind = kind_of(value)
  if type(value) == "table" then
    local state = rawget(value, "state")
    for _, each in ipairs { value, type(state) == "table" and state or nil } do
      for _, key in ipairs { "dest", "self" } do
        if END[kind_of(rawget(each, key))] then look(rawget(each, key), found) end
      end
    end
  elseif kind == "smb.request" then
    look(debug.getuservalue(value, 1), found)
  elseif END[kind] and not found[kind] and not (kind == "smb.file" and is_upload(value)) then
    found[kind] = value
  end
end

-- The functions that a finalizer has interrupted, and what they have in their first places.
local function in_use()
  local found = {}
  for level = 3, LEVELS do
    if not debug.getinfo(level, "l") then break end
    for i = 1, LOCALS do
      local name, value = debug.getlocal(level, i)
      if not name then break end
      look(value, found)
    end
  end
  return found
end

-- Another kind each time that a place does so, if there is one.
local function close_what_is_used(turn)
  local found = in_use()
  for i = 0, #KINDS - 1 do
    local kind = KINDS[(turn + i) % #KINDS + 1]
    if found[kind] then return pcall(found[kind][END[kind]], found[kind]) end
  end
end

if closes then collector.close_at(closes, close_what_is_used) end
