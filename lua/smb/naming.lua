--- What the files of a tree are called on the share and here; which names SMB cannot hold, which two are one to the
-- server.
--
-- Whether two names are the same is decided here and nowhere else: exactly; but for case, where this server does not
-- tell case apart; but for Unicode's normal form (Macs list `é` in two characters). A name that the server lists in
-- another way than it was sent, whatever that is, is looked for by asking for it.
--
-- In a tree: `below` is a folder's path from its top, `known` what the folder holds on the share (the core's `known`).
-- A folder has `here`, its local path, `below`, and its `path` on the share.
-- @module smb.naming

local ascii = require "smb.ascii"
local core = require "smb.core"
local lookalike = require "smb.lookalike"
local name = require "smb.name"

local naming = {}

local NAMED = 10 -- names that a message tells, after the first
local SHORT = 64 -- bytes of a name that no server shortens

local names = {}
names.__index = names

--- The names of one tree.
-- @tparam[opt] boolean encode what SMB cannot hold is written with look-alikes
-- @tparam[opt] boolean dry_run nothing on the share is renamed
-- @tparam[opt] function ask sends a request: takes its verb and fields, returns its reply or nil, code
-- @tparam[opt] boolean checks_forms two normal forms of a name are refused beforehand where the server takes both for
-- one
-- @treturn table
function naming.new(encode, dry_run, ask, checks_forms)
  return setmetatable({ encode = encode, dry_run = dry_run, ask = ask, checks_forms = checks_forms and not dry_run,
    cased = {}, paired = {}, refused = {}, count = 0,
    more = {} }, names)
end

-- Which names the server tells apart. ---------------------------------------------------------------------------------

local MISSING = { not_found = true, folder_missing = true }

-- Whether a name is there; nil when that cannot be told.
local function exists(self, path)
  local entry, code = self.ask("stat", { name = path })
  if entry then return true end
  if MISSING[code] then return false end
end

-- Whether case is told apart, by the like of a name that is there, not listed itself; nil when it cannot be told by
-- that.
local function tells_case_of(self, path, other)
  local found = exists(self, name.join(path, other))
  if found == nil then return nil end
  return not found
end

-- The same, by a file of our own, which goes at once.
local function tells_case_of_own(self, path)
  local own = name.temporary("lua-smb-case", core.random())
  local place = name.join(path, own)
  local file = self.ask("open", { name = place, writable = true, create = true, exclusive = true })
  if not file then return nil end
  self.ask("close", { link = file.link, handle = file.handle })
  local tells = tells_case_of(self, path, ascii.flip(own))
  self.ask("delete", { name = place, missing_ok = true })
  return tells
end

-- The like, in another case, of a listed name; it is not listed itself. That two are listed proves nothing: the
-- server's disk may have both, and SMB but one.
local function unlisted_like(entries)
  local listed = {}
  for _, entry in ipairs(entries) do listed[entry.name] = true end
  for _, entry in ipairs(entries) do
    for _, change in ipairs { ascii.flip, ascii.lower, ascii.upper } do
      local other = change(entry.name)
      if not listed[other] then return other end
    end
  end
end

-- The same, by what a folder holds. Second: whether it is there at all.
local function tells_case_in(self, path)
  local reply, code = self.ask("list_open", { name = path })
  if not reply then return nil, not MISSING[code] end
  if reply.handle ~= 0 then self.ask("list_close", { link = reply.link, handle = reply.handle }) end
  local other = unlisted_like(reply)
  local tried = other and tells_case_of(self, path, other)
  if tried == nil and not self.dry_run then tried = tells_case_of_own(self, path) end
  return tried, true
end

--- Whether the server tells upper from lower case below a path; the nearest folder that is there is looked at. Asked
-- once.
-- @tparam string path below the share
-- @treturn boolean false, too, where it cannot be found out
function names:tells_case(path)
  if self.case_told == nil then
    local tells, is_there
    repeat
      tells, is_there = tells_case_in(self, path)
      path = name.parent(path)
    until is_there or not path
    self.case_told = tells or false
  end
  return self.case_told
end

-- Whether a folder on the share tells normal forms apart, by a file of our own, which goes at once; nil when it cannot
-- be told. Second: whether the folder is there at all.
local function tells_form_in(self, path)
  local random = core.random()
  local place = name.join(path, name.temporary("lua-smb-form-\u{E9}", random))
  local file, code = self.ask("open", { name = place, writable = true, create = true, exclusive = true })
  if not file then return nil, not MISSING[code] end
  self.ask("close", { link = file.link, handle = file.handle })
  local found = exists(self, name.join(path, name.temporary("lua-smb-form-e\u{301}", random)))
  self.ask("delete", { name = place, missing_ok = true })
  if found == nil then return nil, true end
  return not found, true
end

--- Whether the server takes two normal forms of a name for one. Asked once, as `tells_case`.
-- @tparam string path below the share
-- @treturn boolean false, too, where it cannot be found out
function names:merges_forms(path)
  if self.forms_merged == nil then
    local tells, is_there
    repeat
      tells, is_there = tells_form_in(self, path)
      path = name.parent(path)
    until is_there or not path
    self.forms_merged = tells == false
  end
  return self.forms_merged
end

-- Names on the share and here. ----------------------------------------------------------------------------------------

-- As it is on the share where no other name differs from it in case only; nil, reason when SMB cannot hold it.
local function plain(self, text)
  if self.encode then text = lookalike.encode(text) end
  local ok, reason = name.check(text)
  if ok then ok, reason = name.check_change(text) end
  if not ok then return nil, reason end
  return text
end

--- A name as it is to be on the share. One that has look-alikes for its capitals there keeps them: without them it may
-- be another file's.
-- @treturn[1] string
-- @treturn[2] nil
-- @treturn[2] string why SMB cannot hold it
function names:remote(below, text, known)
  local remote, reason = plain(self, text)
  if not remote or not self.encode then return remote, reason end
  local apart, cased = lookalike.encode_case(remote), self.cased[below]
  if apart == remote then return remote end
  if not core.name_index_find(known, apart) then
    if not cased or not cased[name.fold(remote)] then return remote end
    local there = self.dry_run and core.name_index_find(known, remote)
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

-- Two names of a folder that differ in case only, as they would be on the share. With look-alikes for their capitals
-- they may go side by side: true then.
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

-- The first of some names that differs from another one in case only.
local function first_alike(others, text, fold)
  local folded = fold(text)
  for _, other in ipairs(others) do
    if fold(other) == folded then return other end
  end
end

--- Looks at a local name before anything is sent. Letters whose case some servers do not know stop nobody: what comes
-- to have one name all the same is found out when it is sent.
-- @tparam table folder `below`, and the `path` on the share of the whole tree
-- @tparam string text
-- @tparam userdata taken the core's `known`, of the folder's names that were looked at before
-- @treturn ?string why it cannot be sent
function names:look_at(folder, text, taken)
  local remote, reason = plain(self, text)
  local others = remote and core.name_index_take(taken, remote)
  if not others then return reason end
  local paired = self.paired[folder.below] or {}
  local group = { remote, table.unpack(others) }
  self.paired[folder.below] = paired
  for _, each in ipairs(group) do paired[each] = group end
  local alike = self.encode and first_alike(others, remote, name.fold)
  if alike and tell_apart(self, folder.below, remote, alike) then return nil end
  alike = first_alike(others, remote, name.fold_certain)
  if alike and not self:tells_case(folder.path) then
    return ("it differs from '%s' in case only"):format(self:here(alike))
  end
  alike = self.checks_forms and first_alike(others, remote, core.composed)
  if not alike or not self:merges_forms(folder.path) then return nil end
  return ("it differs from '%s' in Unicode's normal form only, and the server takes both for one")
    :format(self:here(alike))
end

--- Whether some server may take a name for the same as another one of its folder: they are not to be sent side by side,
-- or of two that find no file of that name each would become it.
function names:is_paired(below, remote)
  local paired = self.paired[below]
  return paired ~= nil and paired[remote] ~= nil
end

--- Whether there are such names in a folder or below it.
function names:has_pairs(below)
  for path in pairs(self.paired) do
    if below == "" or path == below or path:sub(1, #below + 1) == below .. "/" then return true end
  end
  return false
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
    table.insert(self.more, ("'%s'"):format((path:gsub("[\0-\x1F\x7F]", "?"))))
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
  for _, entry in core.name_index_unseen, known, 0 do
    local text = lookalike.encode_case(entry.name)
    if cased[name.fold(entry.name)] and text ~= entry.name then old[text] = entry.name end
  end
  for text in pairs(old) do
    if core.name_index_find(known, text) then old[text] = nil end
  end
  return old
end

-- Whether a folder tells a name from one that is listed there, and differs from it as `how` says.
local function is_told_apart(self, folder, remote, how)
  folder.apart = folder.apart or {}
  if folder.apart[how] == nil then folder.apart[how] = exists(self, name.join(folder.path, remote)) == false end
  return folder.apart[how]
end

-- The local file or folder, another one, that has the name of a listed one exactly.
local function twin(self, folder, text, listed)
  local its = self:here(listed.name)
  return its ~= nil and its ~= text and core.lstat(folder.here .. "/" .. its, true) == listed.type and its or nil
end

-- How far two names are from each other. A server that changes the normal form changes nothing else.
local EXACT, FORM, CASE, BOTH = 0, 1, 2, 3
local function distance(a, b)
  if a == b then return EXACT end
  if core.composed(a) == core.composed(b) then return FORM end
  return name.fold(a) == name.fold(b) and CASE or BOTH
end

--- Whether of two names the first one is rather what is listed so; of two that are as near, one is for good.
function naming.is_nearer(a, b, listed)
  local this, that = distance(a, listed), distance(b, listed)
  return this < that or (this == that and a < b)
end

-- Of the local files that some server may take for one, another one that is rather the one that is listed than this
-- one.
local function nearer_one(self, folder, remote, listed)
  local paired = self.paired[folder.below]
  for _, other in ipairs(paired and paired[remote] or {}) do
    local text = naming.is_nearer(other, remote, listed.name) and self:here(other)
    if text and core.lstat(folder.here .. "/" .. text, true) == listed.type then return text end
  end
end

--- The local file or folder to which what is listed belongs, when that is another one: the one whose name is nearest.
-- @tparam table folder
-- @tparam table entry a local one
-- @tparam string remote its name there
-- @tparam userdata known the folder's listing, made after the server had been given that name
-- @treturn ?string the other one's name here
function names:owner(folder, entry, remote, known)
  local there, how = core.name_index_find(known, remote)
  if not there or how == "exact" then return nil end
  return twin(self, folder, entry.name, there) or nearer_one(self, folder, remote, there)
end

--- What a local file is on the share. In a dry run, where nothing was renamed, what would be counts as gone.
-- @tparam table folder
-- @tparam table entry the local one
-- @tparam string remote its name as it is to be there
-- @tparam userdata known what the folder holds
-- @treturn ?table its entry; `at` is the name to ask for it by
-- @treturn boolean whether it is another file than the one that is meant, which just differs from it in case
function names:find(folder, entry, remote, known)
  local there, how = core.name_index_find(known, remote)
  if not there then return nil, false end
  local cased = self.cased[folder.below]
  there.at = (how == "form" or how == "both") and there.name or remote
  if how ~= "exact" and cased and cased[name.fold(remote)] then
    if self.dry_run then return nil, false end
    return there, true
  end
  if how ~= "exact" and (twin(self, folder, entry.name, there) or nearer_one(self, folder, remote, there)) then
    return nil, false
  end
  if (how == "case" or how == "both") and is_told_apart(self, folder, remote, how) then return nil, false end
  -- A file in a folder's place, or the other way round, is told; what it is may be another one's.
  if (there.type == "directory") == (entry.type == "directory") then core.name_index_see(known, there.name) end
  return there, false
end

--- It is in the source, though it is not meant: what has its name on the share stays.
-- @treturn ?string its name on the share, when nothing that is listed there has it
function names:keep(folder, text, known)
  local remote = self:remote(folder.below, text, known)
  local there = remote and core.name_index_find(known, remote)
  if not there then return remote end
  core.name_index_see(known, there.name)
end

-- Names that the listing does not have. -------------------------------------------------------------------------------

--- By what an entry of a listing and the answer to a question can be known for the same.
function naming.mark_of(entry)
  return ("%s %d %d"):format(entry.type, entry.size, entry.ticks)
end

-- What nobody accounts for in a listing, by mark; and the types of it.
local function strangers_in(known)
  local groups, types = {}, {}
  for _, entry in core.name_index_unseen, known, 0 do
    local mark = naming.mark_of(entry)
    groups[mark] = groups[mark] or { listed = {}, ours = {} }
    table.insert(groups[mark].listed, entry.name)
    types[entry.type] = true
  end
  return groups, types
end

-- Of names that came to be found by asking, and of what is listed and alike: what is whose, as far as it can be told.
local function settle_group(folder, group, known)
  local ours, listed = #group.ours, #group.listed
  if ours > 0 and ours ~= listed then folder.unclear = group.ours[1].remote end
  for i = 1, ours >= listed and listed or 0 do core.name_index_see(known, group.listed[i]) end
  for _, item in ipairs(ours > listed and group.ours or {}) do item.is_double = true end
end

-- Whether a server that has a name lists it so, but for its case: then it is not there.
local function is_listed_so(self, folder, remote, known)
  return #remote <= SHORT and remote:find "^[%w_][%w_%-.]*$" ~= nil
    and not self:is_paired(folder.below, remote) and core.name_index_find(known, remote) == nil
end

--- Looks for names that the listing does not have, where it has some that nobody accounts for: the server may have its
-- own.
-- @tparam table folder gets `unclear`, a name, when it cannot be told which of the listed ones are ours
-- @tparam {table,...} items each with `remote`, its name; `entry`, the local one if it is to be sent. What is there
-- gets `there`, an entry, and `is_double` when another file of ours has that name already
-- @tparam userdata known
-- @tparam function is_over whether to end
function names:account(folder, items, known, is_over)
  local groups, types = strangers_in(known)
  if not next(types) then return end
  -- there, but nothing that is listed is like it: the listed ones are others'
  local nowhere = { listed = {}, ours = {} }
  for _, item in ipairs(items) do
    if is_over() then return end
    local may_be = (not item.entry or types[item.entry.type]) and not is_listed_so(self, folder, item.remote, known)
    local there = may_be and self.ask("stat", { name = name.join(folder.path, item.remote), inner = true })
    if there then
      there.name, there.at, there.is_asked, item.there = item.remote, item.remote, true, there
      table.insert((groups[naming.mark_of(there)] or nowhere).ours, item)
    end
  end
  groups.nowhere = nowhere
  for _, group in pairs(groups) do settle_group(folder, group, known) end
end

--- Whether a listed file, which has a name of ours but is another one, is what the server made of a name that it does
-- not list.
-- @tparam table folder
-- @tparam table there its entry
-- @tparam {table,...} items as for `account`
-- @tparam function is_same whether a local entry and one on the share are the same
-- @treturn ?string that name
function names:alias(folder, there, items, is_same)
  for _, item in ipairs(items) do
    if item.entry.type == "file" and item.entry.size == there.size and is_same(item.entry, there) then
      local found = item.there or self.ask("stat", { name = name.join(folder.path, item.remote), inner = true })
      if found and naming.mark_of(found) == naming.mark_of(there) then
        found.name, found.at, item.there = item.remote, item.remote, found
        return item.entry.name
      end
    end
  end
end

-- Whether a local folder, `other` on the share, gives way to the one that is `remote` there: it was not entered then,
-- see `owner`.
local function gives_way(self, folder, other, remote, there)
  local paired = there.type == "directory" and self.paired[folder.below]
  local is_pair = paired and paired[other] and paired[other] == paired[remote]
  return is_pair and naming.is_nearer(remote, other, there.name)
end

-- Another local file than `entry`, `own` on the share, that the server calls as `there` is called, though it is listed
-- under no name of its own.
local function double_of(self, folder, entry, own, there, known)
  local next_entry, here, _, _ <close> = core.entries(folder.here, true)
  if not next_entry then return nil end
  for text, kind, size in next_entry, here do
    local remote = text ~= entry.name and kind == entry.type and (kind ~= "file" or size == there.size)
      and self:remote(folder.below, text, known)
    local its, how = core.name_index_find(known, remote or "")
    -- What is listed in another form is this one, unless a local file has that form itself. What is made at one moment
    -- is alike.
    local is_listed = how == "exact" or (how == "form" and its.name ~= there.name
      and (naming.mark_of(its) == naming.mark_of(there) or not twin(self, folder, text, its)))
    local may_be = remote and not is_listed and not gives_way(self, folder, remote, own, there)
    local found = may_be and self.ask("stat", { name = name.join(folder.path, remote), inner = true })
    if found and naming.mark_of(found) == naming.mark_of(there) then return text end
  end
end

--- Whether a name that turned out to be taken, though the listing did not have it, is what another program made
-- meanwhile.
-- @tparam table folder
-- @tparam table entry the local one
-- @tparam string remote its name there
-- @tparam userdata known the folder's listing, made anew
-- @treturn[1] boolean true
-- @treturn[2] boolean false: it is another file's, which the server calls so
-- @treturn[2] string the reason, for people
function names:is_ours(folder, entry, remote, known)
  local there, how = core.name_index_find(known, remote)
  if not there then return false, naming.DOUBLE end
  local other = how ~= "exact" and twin(self, folder, entry.name, there)
    or double_of(self, folder, entry, remote, there, known)
  if not other then return true end
  return false, naming.double(entry.name, other)
end

--- What a local folder holds, as the core's `known`; what cannot be read holds nothing.
function naming.known_here(path)
  local known = core.name_index()
  local next_entry, folder, _, _ <close> = core.entries(path, false)
  if next_entry then
    for text in next_entry, folder do core.name_index_take(known, text) end
  end
  return known
end

--- What is said of a name that another file has.
naming.DOUBLE = "the server takes it for the same name as another one"

--- The same, where the other one is known. Two normal forms of a name look alike.
-- @tparam string text
-- @tparam string other
-- @treturn string
function naming.double(text, other)
  local is_form = text ~= other and core.composed(text) == core.composed(other)
  return ("the server takes it for the same name as '%s'%s"):format(other,
    is_form and ", which differs from it in Unicode's normal form only" or "")
end

return naming
