--- What happens around a snapshot, a restore and the like: commands or functions before and after, lines in a log.
-- @module smb.backup.hooks

local failures = require "smb.failure"
local core = require "smb.core"
local repository = require "smb.backup.repository"
local texts = require "smb.text"

local hooks = {}

--- The options, as `options.check_opts` takes them: those that may be of several types are left to `hooks.check`.
hooks.OPTS = { "before", "after", "log" }

--- Whether the options are what they should be.
-- @tparam table opts
-- @treturn ?string what is wrong
function hooks.check(opts)
  for _, key in ipairs { "before", "after" } do
    local kind = type(opts[key])
    if kind == "table" or kind == "string" then
      local made, reason = require "smb.command".new(opts[key])
      if not made then return ("option '%s': %s"):format(key, reason) end
    elseif kind ~= "nil" and kind ~= "function" then
      return ("option '%s' must be a function or a command, not a %s"):format(key, kind)
    end
  end
  if opts.log ~= nil and type(opts.log) ~= "string" then
    return "option 'log' must be a file's name, not a " .. type(opts.log)
  end
end

local log = {}
log.__index = log

-- A line with its time; of a text of several lines each.
function log:write(text)
  if not self.file then return end
  for line in text:gmatch "[^\n]+" do
    self.file:write(os.date "!%Y-%m-%dT%H:%M:%SZ ", self.what, ": ", texts.message(line), "\n")
  end
  self.file:flush()
end

function log:__close() if self.file then self.file:close() end end

local function open_log(path, what)
  if not path then return setmetatable({}, log) end
  local file, reason = io.open(path, "a")
  if not file then return nil, reason end
  return setmetatable({ file = file, what = what }, log)
end

-- Runs a command to its end; what it says gets into the log.
local function run_command(state, given, into)
  local commands = require "smb.command"
  local running <close> = commands.new(given)
  local output = {}
  while true do
    local data, reason = commands.read(running, state)
    if data == nil then
      into:write(table.concat(output) .. "\n" .. commands.said(running))
      if reason then return nil, reason end
      return true
    end
    output[#output + 1] = data
  end
end

local function run_hook(state, hook, into, ...)
  if hook == nil then return true end
  if type(hook) ~= "function" then return run_command(state, hook, into) end
  local ok, reason = hook(...)
  if ok == false or (ok == nil and reason ~= nil) then return nil, tostring(reason or "it returned false") end
  return true
end

-- What came of it, for the log.
local function report(into, result, message)
  if not result then return into:write("FAILED: " .. message) end
  for _, problem in ipairs(result.errors or {}) do into:write("error: " .. problem.message) end
  for _, warning in ipairs(result.warnings or {}) do into:write("warning: " .. warning) end
  into:write(tostring(result))
end

--- Does something with what its options want before and after it.
-- @tparam table repo
-- @tparam string what "snapshot", ... for messages
-- @tparam table opts `before`, `after`, `log`
-- @tparam function fn gives a result, or nil, message, code
-- @return what fn gave; nil, message, code when what was to come before failed
function hooks.run(repo, what, opts, fn)
  local state = core.state(repo.dest)
  local function fail(reason)
    return nil, failures.message(what, repository.subject(repo), state.place, reason), "local_io"
  end
  local into <close>, problem = open_log(opts.log, what)
  if not into then return fail("the log: " .. problem) end
  local begins = failures.message(what, repository.subject(repo), state.place, "...")
  into:write("begins: " .. begins:gsub(": %.%.%.$", ""))
  local result, message, code
  local ok, reason = run_hook(state, opts.before, into)
  if ok then result, message, code = fn() else result, message, code = fail("before: " .. reason) end
  ok, reason = run_hook(state, opts.after, into, result, message, code)
  if not ok and result then
    result.warnings = result.warnings or {}
    table.insert(result.warnings, "after: " .. reason)
  end
  report(into, result, message)
  return result, message, code
end

return hooks
