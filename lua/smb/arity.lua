--- Refuses surplus arguments, which would be ignored (options in the wrong place for one), and the wrong object.
-- @module smb.arity

local arity = {}

local function refuse(name, most, ...)
  for i = most + 1, select("#", ...) do
    if select(i, ...) ~= nil then
      local takes = most == 0 and "no arguments" or most == 1 and "one argument" or ("%d arguments"):format(most)
      error(("bad argument #%d to '%s' (it takes %s)"):format(i, name, takes), 3)
    end
  end
end

--- Replaces functions by ones that raise for more arguments than they take; a nil too many is none.
-- @tparam table functions by name
-- @tparam table most by name: how many arguments each takes
-- @tparam[opt] table metatable of what they are methods of: that comes first, and is not counted
function arity.limit(functions, most, metatable)
  for name, count in pairs(most) do
    local fn, in_all = functions[name], metatable and count + 1 or count
    functions[name] = function(...)
      if select("#", ...) > in_all then
        if not metatable then refuse(name, count, ...)
        elseif getmetatable((...)) == metatable then refuse(name, count, select(2, ...)) end
      end
      return fn(...)
    end
  end
end

--- Has methods say so when they are called with anything else than their object, and name themselves.
-- @tparam table functions by name
-- @tparam table metatable of the object
-- @tparam string word what it is called: "file"
function arity.receivers(functions, metatable, word)
  for name, fn in pairs(functions) do
    functions[name] = function(self, ...)
      if getmetatable(self) ~= metatable then
        error(("bad argument #1 to '%s' (smb.%s expected, got %s): it is to be called with a colon, %s:%s()")
          :format(name, word, type(self), word, name), 2)
      end
      return fn(self, ...)
    end
  end
end

return arity
