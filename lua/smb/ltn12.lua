--- Files as LTN12 sources and sinks that report errors: LuaSocket's own take a failed read for the end and drop what
-- close says.
--
--     local ltn12 = require "smb.ltn12"
--     assert(dest:write("shop.sql", ltn12.source(io.open("shop.sql", "rb"))))
--     assert(dest:read("shop.sql", ltn12.sink(io.open("shop.sql", "wb"))))
--
-- A file is one of Lua's io (a pipe of io.popen, too) or one that `dest:open` gave. Of a pipeline, `io.popen "a | b"`,
-- sh tells the last command's status only: `smb.command` looks at all of them.
-- @module smb.ltn12

local ltn12 = {}

local PIECE = 1024 * 1024 -- bytes

local closers = setmetatable({}, { __mode = "k" }) -- by source: what closes its file
local spent = setmetatable({}, { __mode = "k" }) -- sources that were read to a good end

-- What close says of a file, or of the command at the other end of a pipe.
local function close(file)
  local ok, how, status = file:close()
  if ok then return true end
  if how == "exit" then return nil, ("the command ended with status %d"):format(status) end
  if how == "signal" then return nil, ("the command was ended by signal %d"):format(status) end
  return nil, how or "the file cannot be closed", status
end

--- A source that gives a file's contents and closes it at the end, or after a failure. That a command has failed is
-- known when its pipe is closed: then the source gives nil and an error, not an end.
-- @param file the file; nil gives a source that fails with the second argument, as io.open's results are
-- @tparam[opt=1048576] integer|string size bytes to read at a time; or, without a file, why there is none
-- @treturn function source: strings, then nil; or nil, error, however often it is asked then
function ltn12.source(file, size)
  if not file then
    return function() return nil, size or "there is no file to read" end
  end
  size = size or PIECE
  local failure, word
  local function fail(problem, code)
    failure, word = problem, type(code) == "string" and code or nil
    return nil, failure, word
  end
  local read
  function read()
    if not file then return nil, failure, word end
    local from = file
    local data, problem, code = from:read(size)
    if data then return data end
    file = nil
    if problem then
      close(from)
      return fail(problem, code)
    end
    local ok
    ok, problem, code = close(from)
    if not ok then return fail(problem, code) end
    spent[read] = true
    return nil
  end
  closers[read] = function()
    local from = file
    file = nil
    if not from then return end
    failure = "it was closed before its end"
    close(from)
  end
  return read
end

--- What closes the file of a source that will not be read to its end; nil for what is no source of ours.
-- @local
function ltn12.closer(read)
  return closers[read]
end

--- Whether a source of ours was read to its end: a second reader would take nothing at all for a file.
-- @local
function ltn12.is_spent(read)
  return spent[read] or false
end

--- A sink that writes what it is given to a file and closes it at the end, or after a failure. A failed write or close
-- is reported.
-- @param file the file; nil gives a sink that fails with the second argument, as io.open's results are
-- @tparam[opt] string problem why there is no file
-- @treturn function sink: gives 1, or nil and an error
function ltn12.sink(file, problem)
  if not file then
    return function() return nil, problem or "there is no file to write" end
  end
  return function(data, failure)
    if not file then return nil, "the sink is closed" end
    local to = file
    if data then
      local ok, why = to:write(data)
      if ok then return 1 end
      file = nil
      close(to)
      return nil, why
    end
    file = nil
    local ok, why = close(to)
    if failure then return nil, failure end
    if not ok then return nil, why end
    return 1
  end
end

return ltn12
