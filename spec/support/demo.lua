--- `make demo`: a folder of real files goes to a real SMB server and comes back, by the scripts in examples/.
--
-- All that it makes lies in the private server's directory, which goes with the server, however this ends.

local lfs = require "lfs"
local system = require "system"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local LUA = os.getenv "LUA" or "lua5.4"
local BIG = 64 * 1024 * 1024
local SHOWN = 5 -- lines of a script's output where they cannot be written over each other

local tty = os.execute "test -t 1" and os.getenv "TERM" ~= "dumb"
local began = system.monotime()

local function paint(code, text)
  return tty and ("\27[%sm%s\27[0m"):format(code, text) or text
end

local function say(...)
  io.write(table.concat { ... }, "\n")
  io.flush()
end

local step_number = 0

local function step(text)
  step_number = step_number + 1
  say("\n", paint("1;36", ("%d. %s"):format(step_number, text)))
end

-- A line that the next one takes the place of.
local function flicker(line)
  io.write("\r\27[K  ", line:sub(1, 76))
  io.flush()
end

-- Shows what a script prints: as it comes on a terminal, else its beginning; always the last line, its summary.
local function show_lines(pipe)
  local count, last = 0, nil
  for line in pipe:lines() do
    if last and tty then
      flicker(last)
    elseif last and count <= SHOWN then
      say("  ", last)
    end
    count, last = count + 1, line
  end
  if tty then
    io.write("\r\27[K")
  elseif count > SHOWN + 1 then
    say(("  ... and %d more"):format(count - SHOWN - 1))
  end
  if last then say("  ", paint("32", last)) end
end

-- Runs one of the examples, as a user would, and gives its summary.
local function example(script, ...)
  local words = { LUA, "examples/" .. script .. ".lua", ... }
  say(paint("2", "  $ " .. table.concat(words, " ")))
  local start = system.monotime()
  local pipe = assert(io.popen(shell.quote(words) .. " 2>&1", "r"))
  show_lines(pipe)
  assert(pipe:close(), "examples/" .. script .. ".lua failed")
  say(paint("2", ("  %.1f s"):format(system.monotime() - start)))
end

-- Real files, links followed, and some that are there to make trouble.
local function make_folder(path)
  assert(lfs.mkdir(path))
  for _, source in ipairs { "README.md", "LICENSE", "Makefile", "src", "lua", "spec", "examples" } do
    shell.check { "cp", "-RLp", "--", source, path }
  end
  for _, source in ipairs { "/usr/share/lua/5.4", "/usr/include/lua5.4", "/usr/include/samba-4.0" } do
    if lfs.attributes(source) then shell.check { "cp", "-RLp", "--", source, path } end
  end
  files.make(path .. "/disk image.bin", BIG)
  files.write(path .. "/Grüße, 世界.txt", "Names are UTF-8.\n")
  files.write(path .. "/empty", "")
  assert(lfs.mkdir(path .. "/an empty folder"))
  return shell.check("find " .. shell.quote(path) .. " -type f | wc -l"):match "%d+",
    shell.check("du -sh --apparent-size " .. shell.quote(path)):match "^%S+"
end

-- The password is in a file: other users can read a command's arguments.
local function credentials(srv, path)
  shell.check { "install", "-m", "600", "/dev/null", path }
  files.write(path, ("username=%s\npassword=%s\n"):format(srv.user, srv.password))
  return ("smb://%s:%d/backup/laptop?credentials-file=%s"):format(srv.address, srv.port, path)
end

local function demo()
  step "A private Samba server"
  local srv <close> = server.start { log_level = "0" }
  local version = shell.check { "smbd", "--version" }
  say("  ", version:gsub("\n", ""), (" on %s, port %d; it needs no root and goes when this ends")
    :format(srv.address, srv.port))
  local url = credentials(srv, srv.dir .. "/credentials")

  step "A folder of real files"
  local folder, restored = srv.dir .. "/folder", srv.dir .. "/restored"
  local count, size = make_folder(folder)
  say(("  %s files, %s: this project, Lua's and Samba's files, a disk image of 64 MiB"):format(count, size))

  step "Backing it up"
  example("backup", folder, url)

  step "What is on the share now"
  os.execute(shell.quote { LUA, "examples/list.lua", url })

  step "Backing it up again: only what has changed"
  files.write(folder .. "/empty", "not any longer\n")
  example("backup", folder, url)

  step "Restoring it elsewhere"
  example("restore", url, restored)

  step "Comparing"
  say(paint("2", "  $ diff -r " .. folder .. " " .. restored))
  shell.check { "diff", "-r", folder, restored }
  say("  ", paint("1;32", "Every file came back as it was."))
end

local ok, reason = pcall(demo)
if not ok then
  local interrupted = tostring(reason):find "interrupted!"
  io.write(tty and "\r\27[K" or "", "\n")
  say(paint("1;31", interrupted and "Interrupted; all is stopped and removed." or tostring(reason)))
  os.exit(interrupted and 130 or 1, true)
end
say(("\nDone in %.1f s; all is stopped and removed. Next: make repl, or examples/ with a share of yours.")
  :format(system.monotime() - began))
