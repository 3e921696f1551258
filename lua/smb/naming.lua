--- What the files of a tree are called on the share and here; which names SMB cannot hold, and which differ in case only.
--
-- In a tree: `below` is a folder's path from its top, `known` what the folder holds on the share (the core's `known`).
-- @module smb.naming

local core = require "smb.core"
local lookalike = require "smb.lookalike"
local name = require "smb.name"

local naming = {}

local NAMED = 10 -- names that a message tells, after the first

local names = {}
names.__index = names

--- The names of one tree.
-- @tparam[opt] boolean encode what SMB cannot hold is written with look-alikes
-- @tparam[opt] boolean dry_run nothing on the share is renamed
-- @treturn table
function naming.new(encode, dry_run)
  return setmetatable({ encode = encode, dry_run = dry_run, cased = {}, refused = {}, count = 0, more = {} }, names)
end

-- As it is on the share where no other name differs from it in case only; nil, reason when SMB cannot hold it.
local function plain(self, text)
  if self.encode then text = lookalike.encode(text) end
  local ok, reason = name.check(text)
  if ok then ok, reason = name.check_change(text) end
  if not ok then return nil, reason end
  return text
end

--- A name as it is to be on the share. One that has look-alikes for its capitals there keeps them: without them it may be another
-- file's.
-- @treturn[1] string
-- @treturn[2] nil
-- @treturn[2] string why SMB cannot hold it
function names:remote(below, text, known)
  local remote, reason = plain(self, text)
  if not remote or not self.encode then return remote, reason end
  local apart, cased = lookalike.encode_case(remote), self.cased[below]
  if apart == remote then return remote end
  if not core.known_find(known, apart) then
    if not cased or not cased[name.fold(remote)] then return remote end
    local there = self.dry_run and core.known_find(known, remote)
    if there and there.name == remote then return remote end -- it would be renamed
  end
  local ok, problem = name.check(apart)
  if not ok then return nil, problem end
  return apart
end

--- A name as it is to be on this side; nil when no file can have it, whatever the server says.
function names:here(text)
  if self.encode then return lookalike.decode(text) end
  if text == "" or text == "." or text == ".." or text:find "[/\0]" then return nil end
  return text
end

-- Two names of a folder that differ in case only, as they would be on the share. With look-alikes for their capitals they may go
-- side by side: true then.
local function tell_apart(self, below, remote, other)
  if not self.encode then return false end
  local cased, folded = self.cased[below] or {}, name.fold(remote)
  local text, others = lookalike.encode_case(remote), lookalike.encode_case(other)
  self.cased[below] = cased
  cased[folded] = cased[folded] or { [name.fold(others)] = true }
  local is_taken = cased[folded][name.fold(text)]
  cased[folded][name.fold(text)] = true
  return name.check(text) and name.check(others) and not is_taken
end

--- Looks at a local name before anything is sent.
-- @tparam string below
-- @tparam string text
-- @tparam userdata taken the core's `known`, of the folder's names that were looked at before
-- @treturn ?string why it cannot be sent
function names:look_at(below, text, taken)
  local remote, reason = plain(self, text)
  local other = remote and core.known_take(taken, remote)
  if not other or tell_apart(self, below, remote, other) then return reason end
  return ("it differs from '%s' in case only"):format(self:here(other))
end

--- Leaves a name out.
function names:refuse(path) self.refused[path] = true end

--- Whether names were left out; with a path, whether that one was.
function names:is_refused(path)
  if path == nil then return next(self.refused) ~= nil end
  return self.refused[path]
end

--- A name for which the call has to fail, when all were looked at.
function names:fail(path, reason)
  self.count = self.count + 1
  if self.count == 1 then
    self.first, self.reason = path, reason
  elseif #self.more < NAMED then
    table.insert(self.more, ("'%s'"):format((path:gsub("%c", "?"))))
  end
end

--- What there is to tell of these.
-- @treturn ?string the first one's path; nil when there are none
-- @treturn string the reason, with the others' names
function names:failure()
  local reason, unnamed = self.reason, self.count - 1 - #self.more
  if self.count > 1 then reason = ("%s; nor can be sent: %s"):format(reason, table.concat(self.more, ", ")) end
  if unnamed > 0 then reason = ("%s and %d more"):format(reason, unnamed) end
  return self.first, reason
end

--- What is on the share under a name that it would not have today, since names are told apart by their capitals now.
-- @treturn table old names by new ones
function names:outdated(below, known)
  local cased, old = self.cased[below], {}
  if not cased or self.dry_run then return old end
  for _, entry in core.known_unseen, known, 0 do
    local text = lookalike.encode_case(entry.name)
    if cased[name.fold(entry.name)] and text ~= entry.name then old[text] = entry.name end
  end
  for text in pairs(old) do
    if core.known_find(known, text) then old[text] = nil end
  end
  return old
end

--- What has a name on the share. In a dry run, where nothing was renamed, what would be counts as gone.
-- @treturn ?table its entry
-- @treturn boolean whether it is another file than the one that is meant, which just differs from it in case
function names:find(below, text, known)
  local there, cased = core.known_find(known, text), self.cased[below]
  local is_another = there ~= nil and there.name ~= text and cased ~= nil and cased[name.fold(text)] ~= nil
  if is_another and self.dry_run then return nil, false end
  return there, is_another
end

return naming
