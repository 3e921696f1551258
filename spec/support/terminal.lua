--- A command on a terminal of its own: what is typed reaches it as from a keyboard, Ctrl-C included.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local terminal = {}

local Terminal = {}
Terminal.__index = Terminal

--- Starts a command on a terminal.
-- @param command as for `shell.run`
-- @treturn a terminal, to be closed
function terminal.start(command)
  local dir = files.directory()
  local words = type(command) == "table" and shell.quote(command) or command
  local fifo, typescript = dir .. "/keyboard", dir .. "/screen"
  shell.check { "mkfifo", fifo }
  -- Held open for reading and writing: the keyboard never ends.
  local keyboard = assert(io.open(fifo, "r+"))
  keyboard:setvbuf "no"
  local line = ("exec script -qefc %s %s <%s"):format(shell.quote(words), shell.quote(typescript), shell.quote(fifo))
  -- Under sanitizers: lua-readline has leaks of its own.
  local environment = "TERM=dumb; ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0; export TERM ASAN_OPTIONS"
  local pid = shell.spawn(("%s; %s"):format(environment, line))
  return setmetatable({ dir = dir, typescript = typescript, keyboard = keyboard, pid = pid, seen = 0 }, Terminal)
end

--- All that the screen has shown, without `script`'s own lines.
function Terminal:screen()
  local text = files.read(self.typescript) or ""
  return (text:gsub("^Script started[^\n]*\n", ""):gsub("\nScript done[^\n]*\n?$", ""):gsub("\r", ""))
end

--- Waits until the screen shows something that it had not shown at the last `expect`.
-- @tparam string text to be found as it stands
-- @treturn string what has come since, up to it; raises when it does not come within 10 s
function Terminal:expect(text, seconds)
  local found = shell.poll(function()
    local screen = self:screen()
    local from, to = screen:find(text, self.seen + 1, true)
    if not from then return nil end
    local passed = screen:sub(self.seen + 1, to)
    self.seen = to
    return passed
  end, seconds or 10)
  return found or error(("'%s' did not come; the screen shows\n%s"):format(text, self:screen()), 2)
end

--- Types something.
function Terminal:type(text)
  assert(self.keyboard:write(text))
end

--- Presses Ctrl-C.
function Terminal:interrupt()
  self:type "\3"
end

--- Whether the terminal echoes what is typed.
function Terminal:echoes()
  for _, pid in ipairs(files.list "/proc") do
    local stat = tonumber(pid) and files.read("/proc/" .. pid .. "/stat")
    if stat and tonumber(stat:match "^.*%) %a (%d+)") == self.pid then
      local ok, settings = shell.run { "stty", "-a", "-F", ("/proc/%s/fd/0"):format(pid) }
      return ok and settings:find "%-echo[ ;]" == nil
    end
  end
  error("the command has ended", 2)
end

--- Waits until the command has ended.
-- @treturn boolean whether it has
function Terminal:await_end(seconds)
  return shell.poll(function() return not shell.alive(self.pid) end, seconds or 10)
end

--- Hangs up, and removes what there is.
function Terminal:close()
  -- The terminal goes with its master, and everything on it hears SIGHUP.
  shell.kill(self.pid, "KILL")
  self:await_end()
  self.keyboard:close()
  files.remove(self.dir)
end

Terminal.__close = Terminal.close

return terminal
