--- What `dest:write` reads from: a string, a function, an open file or pipe, a command. All but functions are closed on
-- every way out.
-- @module smb.source

local ltn12 = require "smb.ltn12"

local source = {}
source.__index = source

-- Who has a command has loaded the module; others need not wait for it.
local function commands() return package.loaded["smb.command"] end

local function once(data)
  return function()
    local all = data
    data = nil
    return all
  end
end

--- Makes a source of what `write` was given.
-- @param data anything
-- @treturn ?table a source, to be declared `<close>`; nil for what cannot be read
function source.of(data)
  local kind = type(data)
  if kind == "string" then return setmetatable({ whole = data }, source) end
  if io.type(data) == "file" then kind, data = "function", ltn12.source(data) end
  if kind == "function" then
    local closer = ltn12.closer(data)
    return setmetatable({ next = data, closer = closer, is_ours = closer ~= nil }, source)
  end
  if kind == "userdata" and commands() and commands().type(data) then
    return setmetatable({ command = data, is_ours = true }, source)
  end
end

--- Whether a command has not been started yet.
function source:is_new() return commands().is_new(self.command) end

--- Whether there is nothing in it any more, since it was read to its end before.
function source:is_spent() return ltn12.is_spent(self.next) end

--- Begins. Of a command all stages are started.
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what happened
-- @treturn[2] string the error word
function source:start()
  if self.command then return commands().start(self.command) end
  return true
end

--- A reader of all of it, from the beginning where that can be had again.
-- @tparam table state the destination's state
-- @tparam table under the call's operation
-- @tparam function word makes a message of a failure that is ours to tell: gives nil, message, code
-- @treturn function
function source:reader(state, under, word)
  self.state = state
  if self.whole then return once(self.whole) end
  local piped = self.command
  local read = piped and function() return commands().read(piped, state, under) end or self.next
  if not self.is_ours then return read end
  return function()
    local data, problem, code = read()
    if data == nil and problem ~= nil then return word(code or "local_io", problem) end
    return data
  end
end

function source:__close()
  if self.command and not self:is_new() then commands().close(self.command, self.state) end
  if self.closer then self.closer() end
end

return source
