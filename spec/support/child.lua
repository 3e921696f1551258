--- Lua programs with the module at hand, in processes of their own: to be killed, interrupted, or run on another
-- machine.

local lfs = require "lfs"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local ROOT = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
if not BUILD:find "^/" then BUILD = ROOT .. "/" .. BUILD end

local Child = {}
Child.__index = Child

local child = {}

--- Starts a program, in which `smb` is known and `say` prints a line at once.
-- @tparam string dir directory for the program and for what it says
-- @tparam string text the program, a string.format of which `...` are quoted
-- @param ... strings and numbers
-- @treturn a child: `pid`, `output`
function child.start(dir, text, ...)
  return child.start_under({}, dir, text, ...)
end

--- The same, by the words of a command that runs another.
function child.start_under(prefix, dir, text, ...)
  local self = setmetatable({ output = dir .. "/output" }, Child)
  local path = files.write(dir .. "/program.lua", ("package.path, package.cpath = %q, %q\n"):format(
    ("%s/lua/?.lua;%s/lua/?/init.lua;%s"):format(ROOT, ROOT, package.path), BUILD .. "/?.so;" .. package.cpath)
    .. "local smb = require 'smb'\nlocal function say(...) print(...) io.stdout:flush() end\n" .. text:format(...))
  files.write(self.output, "")
  local words = table.move({ "lua5.4", path }, 1, 2, #prefix + 1, table.move(prefix, 1, #prefix, 1, {}))
  self.pid = shell.spawn(words, self.output)
  return self
end

--- What it has said until now, errors included.
function Child:said()
  return files.read(self.output)
end

--- Waits until it has said a line.
function Child:await(line)
  local said = shell.poll(function() return ("\n" .. self:said()):find("\n" .. line .. "\n", 1, true) end, 20)
  assert(said, ("the program did not say '%s', but:\n%s"):format(line, self:said()))
end

--- Waits until it has ended; gives what it said.
function Child:await_end()
  assert(shell.poll(function() return not shell.alive(self.pid) end, 20), "the program does not end")
  return self:said()
end

--- Sends it a signal.
function Child:kill(signal)
  shell.kill(self.pid, signal)
end

return child
