--- Where the clients of the benchmark meet: a private server, a slow network before it, and the files that go there and
-- back, all of them in TMPDIR, which should be in memory.

local lfs = require "lfs"
local faults = require "spec.support.faults"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local FOLDER = 100 -- files in each folder of a tree
local LONG_AGO = 1577836800 -- 2020: a time that nobody keeps by chance

local Stage = {}
Stage.__index = Stage

local stage = {}

-- A file that only we can read, from the moment that it is there.
local function write_secret(path, text)
  shell.check { "install", "-m", "600", "/dev/null", path }
  return files.write(path, text)
end

-- What the clients log on with. rclone wants its password obscured, and in the environment.
local function write_credentials(srv)
  local credentials =
    write_secret(srv.dir .. "/credentials", ("username=%s\npassword=%s\n"):format(srv.user, srv.password))
  local line = ("sed -n 's/^password=//p' %s | rclone obscure -"):format(shell.quote(credentials))
  local environment = { RCLONE_CONFIG = "", RCLONE_CONFIG_BENCH_TYPE = "smb", RCLONE_CONFIG_BENCH_HOST = srv.address,
    RCLONE_CONFIG_BENCH_USER = srv.user, RCLONE_CONFIG_BENCH_PASS = shell.check(line):match "%S+" }
  local lines = {}
  for name, value in pairs(environment) do lines[#lines + 1] = ("export %s=%s\n"):format(name, shell.quote(value)) end
  return credentials, write_secret(srv.dir .. "/rclone.env", table.concat(lines))
end

--- Starts server and network.
-- @tparam[opt] boolean counted for a server that logs requests, so that they can be counted; that makes it slow
function stage.start(counted)
  local srv = server.start { log_level = not counted and "0" or nil }
  local self = setmetatable({ srv = srv, net = faults.start(srv, srv.dir) }, Stage)
  if not counted then self.net:tell "lean" end
  self.credentials, self.rclone = write_credentials(srv)
  return self
end

-- How many processes the server's first one has: one for each connection, and some that stay.
local function count_processes(self)
  local pid = self.srv.pid
  return select(2, files.read(("/proc/%d/task/%d/children"):format(pid, pid)):gsub("%d+", ""))
end

--- Waits until the server's processes for the client before, rclone's many, have ended; so many seconds at most, since
-- others may have come to stay.
function Stage:await_rest()
  shell.poll(function()
    local count = count_processes(self)
    self.resting = math.min(self.resting or count, count)
    return count == self.resting
  end, 0.5)
end

function Stage:__close()
  self.net:stop()
  self.srv:stop()
end

--- Local path of a name.
function Stage:here(name) return self.srv.dir .. "/" .. name end

--- Path, on this machine, of a name on the share.
function Stage:there(name) return self.srv:path("backup", name) end

--- Port of the server over a network.
-- @tparam table case `round_trip` in milliseconds, `line` in bytes a second, shared by all connections; the server
-- itself, with no proxy between, where it has neither
function Stage:port(case)
  if not case.round_trip and not case.line then return self.srv.port end
  self.net:tell("latency", case.round_trip or 0)
  self.net:tell("line", case.line or 0)
  return self.net.port
end

--- Makes a file at a path, unless one of that size is there.
function Stage.file(_, path, size)
  if files.size(path) ~= size then files.make(path, size) end
  return path
end

local function make_small(path, body, number)
  files.write(path, (string.pack("<I8", number) .. body):sub(1, #body))
  lfs.touch(path, LONG_AGO + number)
end

--- Makes a folder with files of their own contents and times, unless there is something.
function Stage.folder(_, path, count, size)
  if files.exists(path) then return path end
  assert(lfs.mkdir(path))
  local body = files.content(size)
  for i = 1, count do make_small(("%s/file-%06d.bin"):format(path, i), body, i) end
  return path
end

--- Changes the contents and times of some files of a tree.
-- @tparam string path the tree's
-- @tparam integer count files in it
-- @tparam integer size bytes of each
-- @tparam integer some how many to change
-- @tparam integer turn another one changes others
function Stage.change(_, path, count, size, some, turn)
  local body = files.content(size)
  for i = 1, some do
    local number = (i * (count // some) + turn) % count + 1
    local file = ("%s/folder-%04d/file-%06d.bin"):format(path, (number - 1) // FOLDER, number)
    make_small(file, body, count * (turn + 1) + number)
  end
end

--- Makes a tree: folders of 100 files with their own contents and times, unless there is something.
function Stage.tree(_, path, count, size)
  if files.exists(path) then return path end
  assert(lfs.mkdir(path))
  local body, folder = files.content(size), nil
  for i = 1, count do
    if (i - 1) % FOLDER == 0 then
      folder = ("%s/folder-%04d"):format(path, (i - 1) // FOLDER)
      assert(lfs.mkdir(folder))
    end
    make_small(("%s/file-%06d.bin"):format(folder, i), body, i)
  end
  return path
end

return stage
