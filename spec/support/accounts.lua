--- SMB accounts on a machine where none may be made.
--
-- Samba wants a Unix account behind each SMB account, but not that anybody logs on to it. So each SMB user gets one of
-- those that every system has (daemon, bin, ...), by smb.conf's "username map"; the shares' "force user" keeps them
-- from ever owning a file. This works without root, too: smbd then has no other identity to change to.

local shell = require "spec.support.shell"

local accounts = {}

local cached = {}

local function id(...)
  local words = { "id", ... }
  local key = table.concat(words, " ")
  if not cached[key] then
    cached[key] = shell.check(words):match "^[^\n]*"
  end
  return cached[key]
end

--- Name of the user who runs us.
function accounts.self()
  return id "-un"
end

function accounts.uid()
  return tonumber(id "-u")
end

--- Number of a user's group.
function accounts.group(name)
  return id("-g", name)
end

local function unix_accounts()
  local names = {}
  for line in io.lines "/etc/passwd" do
    local name = line:match "^([%w_][%w_.-]*):"
    -- To Samba nobody is the guest, and root more than an account.
    if name and name ~= "root" and name ~= "nobody" then
      names[#names + 1] = name
    end
  end
  return names
end

--- Chooses a Unix account for each user.
-- @tparam table users any table whose keys are their names
-- @treturn table Unix names by user name
function accounts.assign(users)
  local assigned, taken, pool = {}, {}, unix_accounts()
  for _, name in ipairs(pool) do
    if users[name] then
      assigned[name], taken[name] = name, true
    end
  end
  local names = {}
  for user in pairs(users) do
    names[#names + 1] = user
  end
  -- The same choice every time.
  table.sort(names)
  local next_name = 1
  for _, user in ipairs(names) do
    if not assigned[user] then
      while taken[pool[next_name]] do
        next_name = next_name + 1
      end
      local name = assert(pool[next_name], "more users than this system has accounts")
      assigned[user], taken[name] = name, true
    end
  end
  return assigned
end

--- Text of the file for "username map".
function accounts.map(assigned)
  local lines = {}
  for user, name in pairs(assigned) do
    -- The mark ends the search at this line.
    lines[#lines + 1] = ('!%s = "%s"'):format(name, user)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function pdbedit(conf, name, ...)
  return { "pdbedit", "-s", conf, "-u", name, ... }
end

--- Commands that bring an account into a state.
function accounts.changes(state, name, conf)
  if state == "disabled" then
    return { pdbedit(conf, name, "-c", "[D]") }
  elseif state == "locked" then
    return { pdbedit(conf, name, "-c", "[L]") }
  elseif state == "expired" then
    return { pdbedit(conf, name, "-K", "1000000") }
  elseif state == "mustchange" then
    return { { "net", "-s", conf, "sam", "set", "pwdmustchangenow", name, "yes" } }
  elseif state == "normal" then
    return {
      pdbedit(conf, name, "-c", "[]"), pdbedit(conf, name, "-K", "never"),
      { "net", "-s", conf, "sam", "set", "pwdmustchangenow", name, "no" },
    }
  end
  error("unknown state '" .. tostring(state) .. "'", 3)
end

return accounts
