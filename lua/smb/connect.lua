--- How a destination begins and ends.
-- @module smb.connect

local call = require "smb.call"
local core = require "smb.core"
local failures = require "smb.failure"
local file = require "smb.file"
local operations = require "smb.operation"
local options = require "smb.options"
local settings = require "smb.settings"
local states = require "smb.state"
local task = require "smb.task"
local trace = require "smb.trace"
local url = require "smb.url"

local connect = {}

local MOMENT = 1 -- seconds that a destination whose scope an error leaves waits for what was given up

--- Opens what checked fields describe. `operation`: what the call is, for messages.
-- @local
function connect.open(fields, warnings, operation)
  local tracer, problem
  if fields.trace then tracer, problem = trace.open(fields.trace) end
  if problem then
    local message = failures.message(operation or "open", nil, url.place(fields), "the trace: " .. problem)
    return nil, message, "local_io"
  end
  local dest = core.destination(setmetatable({ program = core.program, port = options.port(fields) },
    { __index = fields }))
  local first_retries = fields.first_retries
  fields.password, fields.first_retries = nil, nil -- only the C side has the password from here on
  local state = { dest = dest, fields = fields, warnings = warnings, place = url.place(fields), leftovers = {},
    trace = tracer, tasks = {}, queue = task.queue(), ended = 0,
    files = setmetatable({}, { __mode = "k" }), -- open ones
    on_links = setmetatable({}, { __mode = "v" }) } -- by link: what is on its way there
  core.state(dest, state)
  settings.set_limits(dest, fields)
  local under = operations.new(state, operation or "open")
  under:is_first_contact(first_retries, fields.wait_for_server)
  local reply, code, reason = call.retry(dest, "connect", {}, under)
  if reply then return dest end
  core.close(dest)
  under:failed()
  return states.fail(state, operation or "open", nil, code, reason)
end

--- Closes the files, ends the jobs, hangs up. By an error only what was written is waited for; what nobody waits for,
-- as files that were collected, gets a moment.
-- @local
function connect.close(dest, is_failing)
  local state = core.state(dest)
  local _ <close> = setmetatable({}, { __close = function()
    core.close(dest)
    if state.trace then state.trace:close() end
  end })
  local under = operations.new(state, "close")
  if state.locks and not is_failing then require "smb.lock".release_all(state) end
  task.end_all(state)
  local ok, message, code = file.close_all(state, is_failing)
  local till = is_failing and core.clock() + MOMENT
  while not core.settled(dest, under:wait_slice()) and not under:must_stop() do
    if till and core.clock() >= till then break end
  end
  if ok then return true end
  return nil, message, code
end

return connect
