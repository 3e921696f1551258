--- What many specs start from and look at: one server, a bad network before it, a local directory, what is on the
-- share.
--
--     local srv, net, dir
--     setup(function()
--       srv, dir = share.start()
--       net = share.network()
--     end)
--     teardown(share.stop)
--     before_each(share.clean)
--
-- Where a share is not named, it is "backup". The assertions are busted's.

local lfs = require "lfs"
local assert = require "luassert"
local faults = require "spec.support.faults"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local PART = "%.%x%x%x%x%x%x%x%x%.part$"

local srv, net, dir

local share = {}

--- Starts the server that the functions below are about.
-- @tparam[opt] table options of `server.start`
-- @return the server
-- @treturn string a directory; DIR/local in it is empty for each spec, what else is put there stays until `stop`
function share.start(options)
  srv = server.start(options)
  dir = files.directory()
  lfs.mkdir(dir .. "/local")
  return srv, dir
end

--- Starts a network before the server, one of `spec.support.faults`.
-- @return the network
function share.network()
  net = faults.start(srv, dir)
  return net
end

--- Ends network and server and removes the directory.
function share.stop()
  if net then net:stop() end
  srv:stop()
  files.remove(dir)
  net = nil
end

--- Empties all shares of the server, and DIR/local.
function share.clean()
  local places = { dir .. "/local" }
  for name in pairs(srv.shares) do places[#places + 1] = srv:path(name) end
  shell.check("find " .. shell.quote(places) .. " -mindepth 1 -delete")
end

--- Seeds math.random with SEED, an environment variable, or else 1: the same run each time. SEED=$RANDOM looks further.
function share.seed()
  local seed = math.tointeger(tonumber(os.getenv "SEED")) or 1
  io.stdout:write(("SEED=%d\n"):format(seed))
  math.randomseed(seed)
end

--- Local path of a file on the share.
function share.on_server(name)
  return srv:path("backup", name)
end

--- Sorted names on the share.
function share.everything()
  return files.list(srv:path "backup")
end

--- Sorted paths on the share: the names, and what is in folders.
function share.everything_below()
  local paths = {}
  local top = srv:path "backup"
  for path in shell.check { "find", top, "-mindepth", "1", "-printf", "%P\n" }:gmatch "[^\n]+" do
    paths[#paths + 1] = path
  end
  table.sort(paths)
  return paths
end

--- The one temporary file in a folder.
-- @treturn string its path, or nil when there is none
function share.part_in(folder)
  local found
  for _, name in ipairs(files.list(folder)) do
    if name:find(PART) then
      assert(not found, "there is more than one temporary file")
      found = folder .. "/" .. name
    end
  end
  return found
end

--- Asserts that a call failed with a code.
-- @tparam string code
-- @param result what the call returned, as are the next two
-- @param message
-- @param got
-- @return the message
function share.assert_fails(code, result, message, got)
  assert.is_nil(result)
  assert.equal(code, got, message)
  return message
end

--- Asserts that a call raises an error.
-- @tparam string pattern of its message
-- @tparam function fn
-- @param ... its arguments
function share.assert_raises(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(message))
end

--- Asserts that no file is open on the server any more; what ended a moment ago may take another.
function share.assert_nothing_open()
  assert.is_truthy(shell.poll(function() return next(srv:status().open_files) == nil end, 3),
    "files are open on the server")
end

--- Measures a call.
-- @treturn number seconds that it took
-- @return what it returned
function share.timed(fn)
  local began = shell.now()
  local results = table.pack(fn())
  return shell.now() - began, table.unpack(results, 1, results.n)
end

return share
