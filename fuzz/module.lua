-- What a script calls while workers say whatever they like (module.c): each call returns what it should, or nil, a
-- message and a code; nothing raises but an iterator, nothing is written elsewhere than where the script wants it.
-- Returns run(calls): a byte for each.

package.path = "lua/?.lua;lua/?/init.lua;" .. package.path

local lfs = require "lfs"
local smb = require "smb"

local ROOM = "build/fuzz/room"
local HERE, TO = ROOM .. "/here", ROOM .. "/to"
local PASSWORD = "pass-to-nobody"
local OPTIONS = { server = "nas", share = "backup", username = "bob", password = PASSWORD, retries = 0,
  connections = 2 }

local CODES = {}
for _, row in ipairs(require "smb.codes") do CODES[row[1]] = true end

local function write(path, content)
  local file = assert(io.open(path, "w"))
  file:write(content)
  file:close()
end

os.execute("rm -rf " .. ROOM .. " && mkdir -p " .. HERE .. "/deep " .. TO)
write(HERE .. "/file", ("content\n"):rep(100))
write(HERE .. "/deep/file", "1")

---- promises ----------------------------------------------------------------------------------------------------------

local function broken(what, ...) error(("%s: %s"):format(what, table.concat({ ... }, ", ")), 0) end

-- What people read steers no terminal, and holds no secret.
local function check_message(what, message)
  if type(message) ~= "string" or message == "" then broken(what, "no message", tostring(message)) end
  if message:find "[\1-\31\127]" then broken(what, "a message that steers terminals", message) end
  if message:find(PASSWORD, 1, true) then broken(what, "a message with the password", message) end
  if not utf8.len(message) then broken(what, "a message that is no text", message) end
end

local function check_results(what, first, message, code)
  if first == nil and (message ~= nil or code ~= nil) then
    check_message(what, message)
    if not CODES[code] then broken(what, "no code", tostring(code), message) end
  end
  return first
end

-- An error that is meant for the script's author, and none of ours.
local function check_raised(what, err)
  err = tostring(err)
  if err:find "attempt to %l+ a" or err:find "attempt to compare" or err:find "bad argument" or err:find "stack" then
    broken(what, "raised", err)
  end
end

local function call(what, fn, ...)
  local results = table.pack(xpcall(fn, function(err) return debug.traceback(tostring(err)) end, ...))
  if not results[1] then broken(what, "raised", results[2]) end
  return check_results(what, table.unpack(results, 2, results.n))
end

local function iterate(what, fn, ...)
  local ok, err = pcall(function(...)
    for _ in fn(...) do end -- luacheck: ignore 512
  end, ...)
  if not ok then check_raised(what, err) end
end

---- calls -------------------------------------------------------------------------------------------------------------

local function method(name, ...)
  local arguments = table.pack(...)
  return function(dest)
    local result = call(name, dest[name], dest, table.unpack(arguments, 1, arguments.n))
    if result ~= nil then tostring(result) end
    return result
  end
end

local function iterator(name, ...)
  local arguments = table.pack(...)
  return function(dest) iterate(name, dest[name], dest, table.unpack(arguments, 1, arguments.n)) end
end

local function with_file(mode, use)
  return function(dest)
    local file = call("open", dest.open, dest, "file", mode)
    if not file then return end
    use(file)
    call("close", file.close, file)
  end
end

local function numbers(file)
  for _ = 1, 3 do call("read", file.read, file, "n", "n") end
  call("read", file.read, file, "a")
end

local function lines(file)
  iterate("lines", file.lines, file, "L")
  call("seek", file.seek, file, "set", 1)
  call("read", file.read, file, 5)
  call("stat", file.stat, file)
end

local function changes(file)
  call("write", file.write, file, ("x"):rep(100), 5)
  call("seek", file.seek, file, "end", -3)
  call("read", file.read, file, "l")
  call("truncate", file.truncate, file, 7)
  call("flush", file.flush, file)
end

local function job(name, ...)
  local arguments = table.pack(...)
  return function(dest)
    local j = dest:submit(name, table.unpack(arguments, 1, arguments.n))
    j:status()
    j:pollfd()
    j:timeout()
    call("progress", j.progress, j)
    call("wait", j.wait, j, 0)
    j:cancel()
    call("wait", j.wait, j)
  end
end

-- A call that is given up before its end: by an error, and by a loop that is left.
local function given_up(dest)
  pcall(dest.put, dest, HERE .. "/file", "file", { in_place = true, progress = function() error "enough" end })
  pcall(function()
    for _ in dest:walk() do break end -- luacheck: ignore 512
  end)
  collectgarbage()
end

local function backup(dest)
  local repo = call("backup", smb.backup, dest, "host")
  if not repo then return end
  call("list", repo.list, repo)
  call("restore", repo.restore, repo, "latest", TO)
  call("verify", repo.verify, repo, "latest")
  call("prune", repo.prune, repo, { keep_last = 1 })
end

local function lock(dest)
  local held = call("lock", dest.lock, dest, "folder", { wait = 0 })
  if not held then return end
  call("refresh", held.refresh, held)
  call("release", held.release, held)
end

local CALLS = {
  method "test", method("stat", "a"), method "list", iterator "dir", iterator "walk", method("mkdir", "a/b"),
  method("delete", "a", { missing_ok = true }), method("rmdir", "a", { recursive = true }), method("rename", "a", "b"),
  method("copy", "a", "b"), method("utime", "a", 1500000000), method "quota", method("put", HERE .. "/file", "file"),
  method("get", "file", TO .. "/file", { overwrite = true }), method("read", "file"),
  method("write", "file", "content"),
  method("put_tree", HERE, "tree", { mirror = true, on_error = "continue" }), method("get_tree", "tree", TO),
  method("get_tree", "tree", TO, { mirror = true, on_error = "continue" }), method "sweep", given_up, backup, lock,
  with_file("r", numbers), with_file("r", lines), with_file("r+", changes), with_file("w", changes),
  job("get_tree", "tree", TO), job("put", HERE .. "/file", "file"), job "list",
  method("put", HERE .. "/file", "file", { resume = true, verify = "sha256" }),
  function(dest) return tostring(dest), tostring(dest.info), tostring(dest.options) end,
}

---- running -----------------------------------------------------------------------------------------------------------

local MAY_BE = { [ROOM] = { here = true, to = true }, [HERE] = { file = true, deep = true } }

local function check_room()
  for folder, names in pairs(MAY_BE) do
    for name in lfs.dir(folder) do
      if not names[name] and name ~= "." and name ~= ".." then broken("written to " .. folder, name) end
    end
  end
  for name in lfs.dir(TO) do
    if name ~= "." and name ~= ".." then
      os.execute("rm -rf " .. TO .. " && mkdir " .. TO)
      break
    end
  end
end

local function shares()
  local found = call("shares", smb.shares, OPTIONS)
  if found then tostring(found) end
end

return function(calls)
  if calls:byte() == 255 then return shares() end
  local dest = call("open", smb.open, OPTIONS)
  if not dest then return end
  for i = 1, #calls do CALLS[1 + calls:byte(i) % #CALLS](dest) end
  call("close", dest.close, dest)
  check_room()
end
