--- The command lua-smb, run as a process: the module as it stands here, and nobody's credentials.

local json = require "dkjson"
local lfs = require "lfs"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local command = {}

local HERE = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
local ROOM = BUILD:find "^/" and BUILD or HERE .. "/" .. BUILD

local ENVIRONMENT = { "env", "-u", "AUTH_USERNAME", "-u", "AUTH_PASSWORD", "-u", "NO_COLOR",
  ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(HERE, HERE), ("LUA_CPATH_5_4=%s/?.so;;"):format(ROOM) }

--- The words of a call, quoted for sh.
-- @tparam {string,...} words the command's arguments
-- @tparam[opt] {string,...} environment further settings, as env takes them
-- @treturn string
function command.line(words, environment)
  local line = { table.unpack(ENVIRONMENT) }
  for _, word in ipairs(environment or {}) do line[#line + 1] = word end
  line[#line + 1] = HERE .. "/bin/lua-smb"
  return shell.quote(table.move(words, 1, #words, #line + 1, line))
end

--- Runs the command without a terminal.
-- @tparam string dir where it runs, and what it writes is kept
-- @tparam {string,...} words
-- @tparam[opt] table how `environment` (words), `input` and `output` (redirections for sh)
-- @treturn table `status`, `stdout`, `stderr`
function command.run(dir, words, how)
  how = how or {}
  local line = ("cd %s && setsid -w %s %s >%s 2>%s/stderr"):format(shell.quote(dir),
    command.line(words, how.environment), how.input or "</dev/null", how.output or dir .. "/stdout", dir)
  local _, _, status = shell.run(line)
  return { status = status, stdout = files.read(dir .. "/stdout"), stderr = files.read(dir .. "/stderr") }
end

--- A document that the command has written.
function command.decoded(text)
  local value, at, problem = json.decode(text, 1, json.null)
  assert(value, problem)
  assert(text:sub(at) == "\n", "more than one document: " .. text)
  return value
end

return command
