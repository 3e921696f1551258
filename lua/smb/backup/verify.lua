--- Compares snapshots with their manifests, and with what they were made of: see `repo:verify`.
-- @module smb.backup.verify

local call = require "smb.call"
local core = require "smb.core"
local lanes = require "smb.backup.lanes"
local failures = require "smb.failure"
local lookalike = require "smb.lookalike"
local name = require "smb.name"
local names = require "smb.backup.names"
local repository = require "smb.backup.repository"
local send = require "smb.backup.send"
local show = require "smb.show"
local operations = require "smb.operation"
local texts = require "smb.text"
local walk = require "smb.backup.walk"

local verify = {}

local TURN = 64 -- entries after which it is looked whether the end has come

local run = {}
run.__index = run

local function differ(self, path, what, where)
  table.insert(self.report.differences, { name = path, what = what, where = where or "share" })
end

local function stop(self, message, code) self.stopped = self.stopped or { message, code } end

local function is_over(self)
  if self.stopped then return true end
  self.turn = (self.turn + 1) % TURN
  if self.turn > 0 then return false end
  local code, reason = self.under:must_stop()
  if self.under.raised then error(self.under.raised[1], 0) end
  if code then stop(self, failures.message("verify", nil, self.state.place, reason), code) end
  return code ~= nil
end

-- Calls fn with each entry of a manifest. One that is not whole is a difference.
local function each_entry(self, fn)
  local list <close>, own, code = repository.open(self.repo, self.report.name)
  if not list then return stop(self, own, code) end
  self.head = list.head
  while not is_over(self) do
    local entry, message, word = list:next()
    if word == "mismatch" then return differ(self, self.report.name .. names.MANIFEST, "sha256") end
    if message then return stop(self, message, word) end
    if not entry then return end
    fn(entry)
  end
end

-- The share. ---------------------------------------------------------------------------------------------------------

local function true_name(text) return lookalike.decode(text) or text end

-- The folders that lead to an entry, each with what is listed in it and not in the manifest yet. What is left at its
-- end is too much.
local function leave(self, entry)
  local above = self.above
  while #above > 0 do
    local last = above[#above]
    local is_in = entry and (last.path == "" or entry.path:sub(1, #last.path + 1) == last.path .. "/")
    if is_in then return end
    table.remove(above)
    for text in pairs(last.listed or {}) do
      if not name.is_temporary(text) then differ(self, name.join(last.path, true_name(text)), "extra") end
    end
  end
end

local GONE = { not_found = true, folder_missing = true, not_directory = true }

local function list_folder(self, entry)
  local folder = { path = entry.path }
  table.insert(self.above, folder)
  if entry.is_lost then return end
  local code, reason
  folder.listed, code, reason = send.listing(self, name.join(self.top, entry.stored))
  if folder.listed then return end
  if not GONE[code] then return stop(self, failures.message("verify", entry.path, self.state.place, reason), code) end
  if entry.path == "" then differ(self, "", "missing") end -- else it was not listed
end

-- The listed entry of a manifest's, which is accounted for then.
local function take_listed(self, entry)
  local folder = self.above[#self.above]
  if not folder or not folder.listed then return nil end
  local text = name.base(entry.stored)
  local listed = folder.listed[text]
  folder.listed[text] = nil
  return listed
end

local function has_same_time(self, entry, listed)
  return entry.mtime_kept == false or core.is_same_time(send.ticks(entry.mtime), listed.ticks, self.window)
end

local function compare_file(self, entry)
  local listed = take_listed(self, entry)
  self.report.files, self.under.total = self.report.files + 1, self.under.total + entry.size
  if not listed or listed.type ~= "file" then return differ(self, entry.path, "missing") end
  if listed.size ~= entry.size then return differ(self, entry.path, "size") end
  if not has_same_time(self, entry, listed) then differ(self, entry.path, "mtime") end
  if self.opts.data and entry.sha256 then self.lanes:add(entry) end
end

local function compare(self, entry)
  leave(self, entry)
  if entry.type == "file" then return compare_file(self, entry) end
  if entry.type ~= "directory" then return end
  if entry.path ~= "" then
    local listed = take_listed(self, entry)
    if not listed or listed.type ~= "directory" then
      differ(self, entry.path, "missing")
      entry.is_lost = true
    end
  end
  list_folder(self, entry)
end

-- The SHA-256 of a file on the share.
local function hash_there(self, entry, part)
  local dest = self.state.dest
  local opened, code, reason = call.retry(dest, "open", { name = name.join(self.top, entry.stored) }, part)
  if not opened then return nil, code, reason end
  local handle <close> = call.handle(self.state, opened)
  local reply
  reply, code, reason = call.run(dest, "hash", { link = handle.link, handle = handle.handle, size = entry.size }, part)
  handle:close()
  return reply, code, reason
end

-- Reads a file on the share and compares its contents; once more where the connection breaks, or a worker has died.
local function compare_data(self, entry)
  if self.stopped then return end
  local part = operations.part(self.under)
  local reply, code, reason = hash_there(self, entry, part)
  local has_died = code == "failed"
  while not reply and (has_died or part:should_retry(code)) do
    has_died = false
    reply, code, reason = hash_there(self, entry, part)
  end
  part:finished(entry.size)
  if reply and reply.sha256 == entry.sha256 then return end
  if reply or code == "mismatch" then return differ(self, entry.path, "sha256") end
  if GONE[code] then return differ(self, entry.path, "missing") end
  stop(self, failures.message("verify", entry.path, self.state.place, reason), code)
end

local function compare_share(self)
  local all <close> = lanes.new(self.state, function(entry) compare_data(self, entry) end)
  self.lanes = all
  each_entry(self, function(entry) compare(self, entry) end)
  if not self.stopped then leave(self, nil) end
  all:wait(function() return all:is_idle() or self.stopped ~= nil end)
end

-- The source. --------------------------------------------------------------------------------------------------------

local function hash_here(self, here, size)
  local source <close>, is = core.open_local(here)
  if not source or is ~= size then return nil end
  local reply = call.run(self.state.dest, "hash", { file = source, size = size }, operations.part(self.under))
  return reply and reply.sha256
end

local function compare_local(self, found, entry)
  local attributes = found.attributes
  if attributes.type ~= entry.type then return differ(self, entry.path, "missing", "source") end
  if entry.type ~= "file" then return end
  if attributes.size ~= entry.size then return differ(self, entry.path, "size", "source") end
  if attributes.mtime ~= entry.mtime then return differ(self, entry.path, "mtime", "source") end
  if self.opts.data and hash_here(self, found.here, entry.size) ~= entry.sha256 then
    differ(self, entry.path, "sha256", "source")
  end
end

-- Whether a path of the snapshot leads to one of the sources, or lies below one.
local function concerns(sources, path)
  for _, source in ipairs(sources) do
    local top = source:sub(2)
    local is_below = top == "" or path == top or path:sub(1, #top + 1) == top .. "/"
    if is_below or path == "" or top:sub(1, #path + 1) == path .. "/" then return true end
  end
  return false
end

-- Walks over the source beside the manifest: both are in one order. Of a snapshot of several folders those that are
-- given are compared.
local function compare_source(self, sources)
  local list <close>, own, code = repository.open(self.repo, self.report.name)
  if not list then return stop(self, own, code) end
  local several, entry = list.head.several, nil
  local function next_entry()
    repeat entry = list:next() until not entry or not several or concerns(sources, entry.path)
  end
  local function pass(path)
    while entry and (path == nil or core.path_before(entry.path, path)) do
      differ(self, entry.path, "extra", "source")
      next_entry()
    end
  end
  next_entry()
  walk.new(sources, several, list.head.options or {}):run {
    entry = function(found)
      pass(found.path)
      if entry and entry.path == found.path then
        compare_local(self, found, entry)
        next_entry()
      else
        differ(self, found.path, "missing", "source")
      end
    end,
    fail = function(path) differ(self, path, "missing", "source") end,
    skip = function() end,
    is_over = function() return is_over(self) end,
  }
  if not self.stopped then pass(nil) end
end

--- What a comparison has come to.
-- @table report
-- @tfield boolean ok whether there is no difference
-- @tfield string name the snapshot's
-- @tfield integer files how many there are in it
-- @tfield {table,...} differences each with `name`; `what`: "missing", "size", "mtime", "sha256" (of contents) or
-- "extra"; and `where`: "share", or "source" for what is another one there
-- @tfield number seconds how long it took

local printed = { __name = "smb.report" }
function printed.__tostring(report)
  local lines = { ("%s: %s, %s in %.2f s"):format(report.name, show.count(report.files, "file"),
    report.ok and "no difference" or show.count(#report.differences, "difference"), report.seconds) }
  for _, each in ipairs(report.differences) do
    local where = each.where == "source" and " (compared with the source)" or ""
    lines[#lines + 1] = ("%s: %s%s"):format(each.what, texts.plain(each.name), where)
  end
  return table.concat(lines, "\n")
end

--- Compares a snapshot. See `repo:verify`.
-- @local
-- @tparam table repo
-- @tparam string wanted its name, or "latest"
-- @tparam table opts `data`, `sources` (absolute paths)
function verify.compare(repo, wanted, opts)
  local state = core.state(repo.dest)
  local list, own, code = repository.open(repo, wanted)
  if not list then return nil, failures.message("verify", repository.subject(repo), state.place, own), code end
  list:close()
  local self = setmetatable({ repo = repo, state = state, opts = opts, above = {}, turn = 0,
    under = operations.new(state, "verify", own, opts, 0), window = core.ticks(state.fields.time_window or 0),
    top = name.join(state.fields.path, repository.at(repo, own)), report = { name = own, files = 0,
      differences = {} } }, run)
  compare_share(self)
  if opts.sources and not self.stopped then compare_source(self, opts.sources) end
  if self.stopped then
    self.under:failed()
    return nil, self.stopped[1], self.stopped[2]
  end
  local report = self.report
  report.ok, report.seconds = #report.differences == 0, core.clock() - self.under.began
  self.under:finished(math.max(self.under.done, self.under.total))
  return setmetatable(report, printed)
end

return verify
