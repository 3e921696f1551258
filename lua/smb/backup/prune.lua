--- Deletes the snapshots that no rule keeps: see `repo:prune`.
-- @module smb.backup.prune

local core = require "smb.core"
local lanes = require "smb.backup.lanes"
local names = require "smb.backup.names"
local repository = require "smb.backup.repository"
local retention = require "smb.retention"

local prune = {}

local OLD = 24 * 3600 -- seconds: what was broken off and is older goes

-- What the rules make of the snapshots that are complete, and of the others.
local function plan_of(repo, all, rules)
  local complete, plan = {}, { keep = {}, delete = {} }
  local before = os.time() + core.info(repo.dest).clock_ahead - OLD
  for _, found in ipairs(all) do
    local counts, message, code = repository.counts(repo, found)
    if counts then
      complete[#complete + 1] = found
    elseif message then
      return nil, message, code
    elseif found.time <= before then
      table.insert(plan.delete, { name = found.name, time = found.time, reasons = { "incomplete" } })
    end
  end
  local keep, delete = retention.plan(complete, rules)
  for _, each in ipairs(keep) do
    table.insert(plan.keep, { name = each.entry.name, time = each.entry.time, reasons = each.reasons })
  end
  for _, entry in ipairs(delete) do
    table.insert(plan.delete, { name = entry.name, time = entry.time, reasons = {} })
  end
  return plan
end

local REFUSED = { access_denied = true, unsupported = true }

local function remove(dest, folder)
  local ok, message, code = dest:rmdir(folder, { recursive = true })
  if not ok and code ~= "not_found" and code ~= "folder_missing" then return nil, message, code end
  return true
end

-- Deletes one snapshot so that at no moment it looks whole and is not: its manifest first, then its folder under
-- another name.
local function delete(repo, found)
  local dest, place = repo.dest, repository.at(repo, found.name)
  for _, ending in ipairs { names.MANIFEST, names.NEW_MANIFEST } do
    local ok, message, code = dest:delete(place .. ending, { missing_ok = true })
    if not ok then return nil, message, code end
  end
  local part = place .. names.PART
  if found.part then
    local ok, message, code = remove(dest, part)
    if not ok then return nil, message, code end
  end
  if not found.folder then return true end
  local ok, message, code = dest:rename(place, part, { overwrite = false })
  if not ok and not REFUSED[code] then return nil, message, code end
  return remove(dest, ok and part or place)
end

local printed = { __name = "smb.plan" }
function printed.__tostring(plan)
  local lines = {}
  for _, each in ipairs(plan.keep) do
    lines[#lines + 1] = ("keep    %s  %s"):format(each.name, table.concat(each.reasons, ", "))
  end
  for _, each in ipairs(plan.delete) do
    lines[#lines + 1] = ("delete  %s  %s"):format(each.name, table.concat(each.reasons, ", "))
  end
  return table.concat(lines, "\n")
end

--- Deletes snapshots. See `repo:prune`.
-- @local
function prune.run(repo, rules, opts)
  local all, message, code = repository.look(repo)
  if not all then return nil, message, code end
  local plan
  plan, message, code = plan_of(repo, all, rules)
  if not plan then return nil, message, code end
  setmetatable(plan, printed)
  if opts.dry_run then return plan end
  local failure
  local by_name = {}
  for _, found in ipairs(all) do by_name[found.name] = found end
  local lines <close> = lanes.new(core.state(repo.dest), function(found)
    if failure then return end
    local ok, problem, word = opts.lock:refresh()
    if ok then ok, problem, word = delete(repo, found) end
    if not ok then failure = failure or { problem, word } end
  end)
  for _, each in ipairs(plan.delete) do lines:add(by_name[each.name]) end
  lines:wait(function() return lines:is_idle() end)
  if failure then return nil, failure[1], failure[2] end
  return plan
end

return prune
