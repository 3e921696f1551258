--- Commands and processes, for specs, examples and benchmarks.
-- Lua has no processes: everything goes through sh.

local system = require "system"

local shell = {}

--- Quotes a string for sh, or a list of strings as the words of a command.
-- @param value a string, or a list of strings
-- @treturn string
function shell.quote(value)
  if type(value) == "table" then
    local words = {}
    for i, word in ipairs(value) do
      words[i] = shell.quote(word)
    end
    return table.concat(words, " ")
  end
  return "'" .. tostring(value):gsub("'", [['\'']]) .. "'"
end

--- Runs a command and waits for it.
-- @param command a string for sh, or a list of words, which are quoted
-- @treturn boolean whether its exit status is 0
-- @treturn string what it wrote, errors included
-- @treturn integer its exit status, or 128 and its signal's number
function shell.run(command)
  if type(command) == "table" then
    command = shell.quote(command)
  end
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1", "r"))
  local output = pipe:read "a"
  local ok, what, code = pipe:close()
  return ok or false, output, what == "signal" and 128 + code or code
end

--- Runs a command that has to succeed.
-- @param command as for `run`
-- @treturn string what it wrote
function shell.check(command)
  local ok, output, code = shell.run(command)
  if not ok then
    local text = type(command) == "table" and shell.quote(command) or command
    error(("command failed with status %d: %s\n%s"):format(code, text, output), 2)
  end
  return output
end

--- Starts a command in the background, in a session of its own: Ctrl-C does not reach it.
-- @param command as for `run`
-- @tparam[opt="/dev/null"] string output file that receives what it writes
-- @treturn integer its process id, which is its process group's as well
function shell.spawn(command, output)
  local words = type(command) == "table" and shell.quote(command) or "sh -c " .. shell.quote(command)
  -- A shell makes background commands deaf to SIGINT and SIGQUIT.
  local line = ("setsid env --default-signal=INT,QUIT %s </dev/null >%s 2>&1 & echo $!")
    :format(words, shell.quote(output or "/dev/null"))
  local pipe = assert(io.popen(line, "r"))
  local pid = pipe:read "n"
  pipe:close()
  return math.tointeger(pid)
end

--- Sends a signal.
-- @tparam integer pid a process, or a process group when negative
-- @tparam[opt="TERM"] string signal its name or number
-- @treturn boolean whether it could be sent
function shell.kill(pid, signal)
  -- The form that every shell takes, groups included.
  return os.execute(("kill -s %s -- %d 2>/dev/null"):format(signal or "TERM", pid)) or false
end

--- Tells whether a process is there and not just a dead one that nobody has waited for.
-- One whose first thread has ended, while others have not, is there: it holds its files.
-- @tparam integer pid
-- @treturn boolean
function shell.alive(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  if not file then
    return false
  end
  local line = file:read "a"
  file:close()
  local rest = line and line:match "^.*%) (.*)"
  if not rest then return false end
  local words = {}
  for word in rest:gmatch "%S+" do words[#words + 1] = word end
  local state, threads = words[1], tonumber(words[18]) -- proc(5): the numbers of these fields are by two higher
  return state ~= "Z" and state ~= "X" or threads > 1
end

--- Waits until something is true, looking every 10 ms.
-- @tparam function fn called without arguments
-- @tparam[opt=5] number seconds how long at most
-- @return what `fn` returned last: a true value, or a false one when time was up
function shell.poll(fn, seconds)
  local deadline = system.monotime() + (seconds or 5)
  while true do
    local result = fn()
    if result or system.monotime() >= deadline then
      return result
    end
    system.sleep(0.01)
  end
end

shell.sleep = system.sleep

--- Seconds that only go forward, for measuring.
shell.now = system.monotime

return shell
