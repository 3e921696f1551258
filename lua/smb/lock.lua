--- Locks on folders of a share: what `dest:lock` returns.
--
-- A lock is a file `held` in a folder `lua-smb.lock`, made exclusively; in it stands who holds it. A worker makes it
-- and removes it, also when the host has died. What is older, by the server's clock, than the time to live that stands
-- in it has expired. Who shares a lock has a file of another name there (`read.*`), and looks for `held` afterwards, as
-- a holder looks for those: of two that come at once at least one sees the other.
--
-- An expired lock is taken over by renaming its file to a name that is made of its own content (`gone.*`). That name is
-- free once: who was stopped between looking and renaming cannot move a newer lock away in its place.
-- @classmod lock

local arity = require "smb.arity"
local call = require "smb.call"
local core = require "smb.core"
local failures = require "smb.failure"
local host = require "smb.host"
local json = require "smb.backup.json"
local name = require "smb.name"
local operations = require "smb.operation"
local options = require "smb.options"
local show = require "smb.show"
local task = require "smb.task"

local lock = {}
local methods = {}
local metatable = { __name = "smb.lock", __index = methods }

local FOLDER, HELD, READER, GONE, PROBE = "lua-smb.lock", "held", "read.", "gone.", "probe."
local TTL = 600 -- seconds
local LEAST_TTL = 1 -- seconds: of less the server's own steps would be a large part
local OLD = 86400 -- seconds: what takers have left is removed then
local TRIES = 10 -- of one look after another, while others come and go
local PAUSE, LONGEST_PAUSE = 0.05, 1 -- seconds between two looks of one who waits
local REFRESHED = 3 -- times in a time to live
local FIELDS = { "id", "host", "boot", "pid", "pids", "started", "time", "ttl" }
local TYPES = { id = "string", host = "string", boot = "string", pid = "number", pids = "string", started = "number",
  time = "number", ttl = "number" }
local CONTENT_LIMIT = 65536 -- bytes of a lock's file that anybody may have written

local MISSING = { not_found = true, folder_missing = true }

-- Who holds it. ------------------------------------------------------------------------------------------------------

local function new_content(ttl)
  local _, pid = core.user()
  return json.object({ id = core.random() .. core.random() .. core.random() .. core.random(), host = host.name(),
    boot = host.boot(), pid = pid, pids = host.processes(), started = host.started(pid), time = os.time(), ttl = ttl },
      FIELDS)
    .. "\n"
end

-- Who holds it, by what stands in its file; nil where that is nothing that this module writes. Whoever can write to the
-- share can write a lock: fields of another type do not count.
local function read_holder(content)
  local found = json.decode((content:gsub("\n$", "")))
  local holder = {}
  for field, kind in pairs(TYPES) do
    if found and type(found[field]) == kind then holder[field] = found[field] end
  end
  return holder.id and holder or nil
end

-- Whether a holder on this very machine has died. Where another one's processes cannot be seen, it has not.
local function is_dead(holder)
  if holder.boot ~= host.boot() or holder.boot == "" or holder.pids ~= host.processes() then return false end
  if not holder.pid or not host.started(1) then return false end
  return host.started(holder.pid) ~= holder.started
end

local function described(holder)
  if not holder then return "it is held by somebody who has not said who" end
  local at = holder.time and show.time(holder.time) or "?"
  return ("it is held by %s, process %s, since %s"):format(show.text(holder.host or "?"), holder.pid or "?", at)
end

-- Looking. -----------------------------------------------------------------------------------------------------------

local function ask(self, verb, arguments) return call.retry(self.state.dest, verb, arguments,
  operations.inner(self.state)) end

local function at(self, text) return name.join(self.folder, text) end

local function path(self, text) return name.join(self.state.fields.path, at(self, text)) end

local function failure(self, code, reason)
  local subject = self.text ~= "" and self.text or nil
  return nil, failures.message("lock", subject, self.state.place, reason), code
end

-- The server's time in ticks: that of a new file, and what has gone by since.
local function server_time(self)
  if not self.server_began then
    local own = path(self, PROBE .. core.random())
    local file, code, reason = ask(self, "open", { name = own, writable = true, create = true, exclusive = true })
    if not file then return nil, code, reason end
    call.run(self.state.dest, "close", { link = file.link, handle = file.handle })
    local entry
    entry, code, reason = ask(self, "stat", { name = own, inner = true })
    ask(self, "delete", { name = own, missing_ok = true })
    if not entry then return nil, code, reason end
    self.server_began, self.began = entry.ticks, core.clock()
  end
  return self.server_began + core.ticks(core.clock() - self.began)
end

-- What a lock's file says, and when it was last refreshed: `content`, `holder`, `ticks`. nil when it has gone; nil,
-- code, reason.
local function look(self, text)
  local entry, code, reason = ask(self, "stat", { name = path(self, text), inner = true })
  if not entry then
    if MISSING[code] then return nil end
    return nil, code, reason
  end
  local content, message, word = "", nil, nil
  if entry.size <= CONTENT_LIMIT then content, message, word = self.dest:read(at(self, text)) end
  if not content then
    if MISSING[word] then return nil end
    return nil, word, message
  end
  return { content = content, holder = read_holder(content), ticks = entry.ticks }
end

-- Whether a lock is nobody's any more: its holder has died, or not refreshed it in time. An empty one ages as well.
local function is_free(self, found)
  if found.holder and is_dead(found.holder) then return true end
  local now, code, reason = server_time(self)
  if not now then return nil, code, reason end
  local ttl = core.ticks(math.max(LEAST_TTL, found.holder and found.holder.ttl or TTL))
  return ttl ~= nil and now - found.ticks > ttl
end

-- Taking. ------------------------------------------------------------------------------------------------------------

-- The folder for the lock's files; the folder that is locked, too, where that is missing.
local function make_folder(self)
  local _, code, reason = ask(self, "mkdir", { name = path(self, ""), exclusive = true })
  if not code or code == "exists" then return true end
  if not MISSING[code] then return nil, code, reason end
  self.has_made = self.text ~= ""
  _, code, reason = ask(self, "mkdir", { name = path(self, "") })
  if code then return nil, code, reason end
  return true
end

local function make_file(self)
  local reply, code, reason = ask(self, "lock", { name = path(self, self.file), to = self.content })
  if not reply then return nil, code, reason end
  self.link, self.handle = reply.link, reply.handle
  return true
end

-- Moves a lock away that is nobody's. True when it has gone; another one that came into its place meanwhile, or was
-- refreshed, is put back.
local function take_over(self, found)
  local dest = self.dest
  local mark = found.content ~= "" and found.content or tostring(found.ticks)
  local gone = GONE .. core.short_digest(mark)
  local ok, message, code = dest:rename(at(self, HELD), at(self, gone), { overwrite = false })
  if not ok then
    if MISSING[code] or code == "exists" or code == "busy" then return true end
    return nil, code, message
  end
  local moved = look(self, gone)
  if moved and (moved.content ~= found.content or moved.ticks ~= found.ticks) then
    dest:rename(at(self, gone), at(self, HELD), { overwrite = false })
  end
  return true
end

-- Whether nobody holds the lock. One that is nobody's is moved away.
local function is_held(self)
  local found, code, reason = look(self, HELD)
  if not found then
    if code then return nil, code, reason end
    return false
  end
  local free
  free, code, reason = is_free(self, found)
  if free == nil then return nil, code, reason end
  if not free then return true, found.holder end
  free, code, reason = take_over(self, found)
  if not free then return nil, code, reason end
  return false
end

-- Those who share it: true and one of them while there are any. What has been left by those that are no more goes.
local function is_shared(self)
  local entries, message, code = self.dest:list(self.folder)
  if not entries then return nil, code, message end
  for _, entry in ipairs(entries) do
    local kind = entry.name:match "^(%l+%.)%x+$"
    if kind == READER then
      local found = look(self, entry.name)
      local free = found and is_free(self, found)
      if found and not free then return true, found.holder end
      if found then self.dest:delete(at(self, entry.name), { missing_ok = true }) end
    elseif kind == GONE or kind == PROBE then
      local now = server_time(self)
      if now and core.seconds(now) - entry.mtime > OLD then
        self.dest:delete(at(self, entry.name), { missing_ok = true })
      end
    end
  end
  return false
end

local function drop(self)
  if self.handle then call.run(self.state.dest, "close", { link = self.link, handle = self.handle }) end
  self.handle = nil
end

-- Removes the folders that were made for the lock, if nothing else is in them.
local function tidy(self)
  local dest = self.dest
  if dest:rmdir(self.folder) and self.has_made then dest:rmdir(self.text) end
end

-- Makes the lock's file; false and who holds it when somebody does.
local function make(self)
  for _ = 1, TRIES do
    local ok, code, reason = make_file(self)
    if ok then return true end
    if MISSING[code] then
      ok, code, reason = make_folder(self)
      if not ok then return nil, code, reason end
    elseif code == "exists" then
      local held, holder, problem = is_held(self)
      if held == nil and not MISSING[holder] then return nil, holder,
        problem end -- else the folder has gone with the lock
      if held then return false, holder end
    elseif code ~= "busy" and code ~= "access_denied" then
      return nil, code, reason
    else
      self.denied = (self.denied or 0) + 1 -- a file that is just being removed denies access
      if self.denied > TRIES // 2 then return nil, code, reason end
      task.pause(self.state, nil, PAUSE, true)
    end
  end
  return false
end

-- One attempt: true; false and who holds it; nil, code, reason.
local function attempt(self)
  local made, holder, reason = make(self)
  if not made then return made, holder, reason end
  local is_taken, other, problem
  if self.shared then is_taken, other, problem = is_held(self) else is_taken, other, problem = is_shared(self) end
  if is_taken == false then return true end
  drop(self)
  if is_taken == nil then return nil, other, problem end
  return false, other
end

-- Keeping. -----------------------------------------------------------------------------------------------------------

local function lost(self)
  local found = look(self, HELD)
  self.is_lost = true
  return failure(self, "busy", "it was lost: " .. (found and described(found.holder)
    or "it has expired, or was removed"))
end

-- Closes a file at the end of a scope, whatever comes of that: why the scope was left says more. (A file's own end of
-- scope raises when its close fails.)
local function closed_behind(file)
  return setmetatable({}, { __close = function()
    if core.file_is_open(file) then file:close() end
  end })
end

-- Writes it anew, if it is ours still.
local function refresh(self)
  local file, message, code = self.dest:open(at(self, self.file), "r+")
  if not file then
    if MISSING[code] then return lost(self) end
    return nil, message, code
  end
  local _ <close> = closed_behind(file)
  local content, ok
  content, message, code = file:read "a"
  if not content then return nil, message, code end
  if content ~= self.content then return lost(self) end
  ok, message, code = file:seek "set"
  if ok then ok, message, code = file:write(content) end
  if ok then ok, message, code = file:close() end
  if not ok then return nil, message, code end
  return true
end

-- A task of the lock's as long as somebody has it. It must not keep it.
local function keep(weak, state, ttl)
  local due = core.clock() + ttl / REFRESHED
  while true do
    while core.clock() < due do task.pause(state, nil, due - core.clock()) end
    local self = weak[1]
    if not self or self.is_released or self.is_lost then return end
    local ok = refresh(self)
    due = core.clock() + (ok and ttl or ttl / 4) / REFRESHED
  end
end

-- Seconds of an option that is a number or a text.
local function duration(opts, key, least)
  local value, problem = opts[key], nil
  if type(value) == "number" then value = ("%.3fs"):format(value) end
  if value ~= nil then value, problem = options.check_duration(key, value) end
  if problem then return nil, problem end
  if value and value < least then return nil, ("%s must be at least %ds"):format(key, least) end
  return value
end

local function check(opts)
  local own = opts or {}
  local allowed = { shared = "boolean" }
  for _, key in ipairs { "ttl", "wait" } do
    allowed[key] = type(own) == "table" and type(own[key]) == "number" and "number" or "string"
  end
  local ok, reason = options.check_opts(opts, allowed)
  if not ok then return nil, reason end
  local ttl, problem = duration(own, "ttl", LEAST_TTL)
  if problem then return nil, problem end
  local wait
  wait, problem = duration(own, "wait", 0)
  if problem then return nil, problem end
  return { ttl = ttl or TTL, wait = wait or 0, shared = own.shared }
end

--- Options of `dest:lock`.
-- @table lock_options
-- @tfield[opt="10m"] string|number ttl how long it holds without being refreshed, by the server's clock
-- @tfield[opt="0s"] string|number wait how long to wait for who holds it
-- @tfield[opt=false] boolean shared not against others who share it

--- Takes a lock. See `dest:lock`.
-- @local
function lock.take(dest, text, opts)
  local how, problem = check(opts)
  if not how then error("lock: " .. problem, 3) end
  local state = core.state(dest)
  local self = setmetatable({ state = state, dest = dest, text = text, folder = name.join(text, FOLDER),
    shared = how.shared,
    file = how.shared and READER .. core.random() or HELD, content = new_content(how.ttl), ttl = how.ttl }, metatable)
  local till, pause = core.clock() + how.wait, PAUSE
  while true do
    local ok, code, reason = attempt(self)
    if ok == nil then
      tidy(self)
      return failure(self, code, reason)
    end
    if ok then break end
    if core.clock() >= till then
      tidy(self)
      return failure(self, "busy", described(code))
    end
    task.pause(state, nil, math.min(pause * (0.5 + tonumber(core.random(), 16) / 0xFFFFFFFF), till - core.clock()))
    pause = math.min(pause * 2, LONGEST_PAUSE)
  end
  state.locks = state.locks or setmetatable({}, { __mode = "k" })
  state.locks[self] = true
  self.task = task.spawn(state, keep, setmetatable({ self }, { __mode = "v" }), state, how.ttl)
  return self
end

--- Releases what is held on a destination that is being closed.
-- @local
function lock.release_all(state)
  local all = {}
  for self in pairs(state.locks or {}) do all[#all + 1] = self end
  for _, self in ipairs(all) do self:release() end
end

--- Tells the server that the lock is in use still. While calls of the destination are under way that happens by itself.
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code; "busy" when it was lost: it had expired, and somebody else has taken it, or it was removed
function methods:refresh()
  if self.is_released then return failure(self, "busy", "it was released") end
  core.check(self.dest)
  return refresh(self)
end

--- Releases the lock. Doing so twice is no failure.
-- @treturn boolean true
function methods:release()
  if self.is_released then return true end
  self.is_released = true
  self.state.locks[self] = nil
  if not core.is_open(self.dest) or not core.is_ours(self.dest) then return true end
  task.kill(self.task)
  local reply = call.run(self.state.dest, "close", { link = self.link, handle = self.handle })
  if not reply then -- its worker has gone
    local found = look(self, self.file)
    if found and found.content == self.content then self.dest:delete(at(self, self.file), { missing_ok = true }) end
  end
  tidy(self)
  return true
end

arity.receivers(methods, metatable, "lock")

function metatable.__close(self) self:release() end

-- Nobody can be kept waiting here: the worker removes it.
function metatable.__gc(self)
  if self.is_released or not self.handle or not core.is_open(self.dest) or not core.is_ours(self.dest) then return end
  core.post_close(self.state.dest, self.link, self.handle, false)
end

function metatable.__tostring(self)
  local how = self.is_released and "released" or self.is_lost and "lost" or "held"
  return ("smb.lock (%s/%s, %s)"):format(self.state.place, show.text(self.text), how)
end

--- Removes a lock, whoever holds it.
-- @local
-- @treturn[1] boolean whether there was one
-- @treturn[2] nil, message, code
function lock.remove(dest, text)
  local folder = name.join(text, FOLDER)
  local ok, message, code = dest:rmdir(folder, { recursive = true })
  if ok then return true end
  if MISSING[code] then return false end
  return nil, message, code
end

return lock
