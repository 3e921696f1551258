--- What failed uploads have left on a share: an old file that stands aside, a temporary file.
--
-- A worker that was killed, or whose server is out of reach, cannot tidy up. The destination remembers what may be
-- left; its next call puts that right.
-- @module smb.leftovers

local core = require "smb.core"
local operations = require "smb.operation"
local requests = require "smb.request"
local task = require "smb.task"

local leftovers = {}

local MOMENT = 1 -- seconds that a call which was cancelled takes to tidy up what an attempt before has left

-- Failures after which something may be left: the connection's, and those that may have stopped the tidying up, too.
local LEAVES = { timeout = true, disconnected = true, unreachable = true, cancelled = true, failed = true, busy = true,
  access_denied = true }

local RELEASE, PAUSE = 5, 0.1 -- seconds for a server to close what a killed run had open, looking so often

local REFUSED = { access_denied = true, busy = true }

--- Renames a folder. That is refused as long as a file in it is open; a killed run's is until the server notices the
-- run's end.
-- @tparam table state the destination's state
-- @tparam function rename tries it once; returns what counts as true, or nil and a code, and perhaps more
-- @tparam[opt] function must_stop whether the call has to end
-- @return what the last try returned
function leftovers.when_released(state, rename, must_stop)
  local till = core.clock() + RELEASE
  while true do
    local ok, code, reason = rename()
    if ok or not REFUSED[code] or core.clock() >= till or must_stop and must_stop() then return ok, code, reason end
    task.pause(state, nil, PAUSE)
  end
end

-- What is being cleaned, and remembered again where that fails.
local taken = {}
taken.__index = taken

function taken:__close()
  if not self.is_clean then self.state.leftovers[self.key] = self.request end
end

--- Cleans up what is remembered: one attempt for each call. Not before all that was given up has ended: it may tidy up
-- by itself.
-- @tparam table state the destination's state
-- @tparam table under the call's operation
function leftovers.clean(state, under)
  under.has_cleaned = true
  if not core.settled(state.dest, 0) then return end
  while true do
    local key, request = next(state.leftovers)
    if not key then return end
    state.leftovers[key] = nil
    local own <close> = setmetatable({ state = state, key = key, request = request }, taken)
    local reply, code = requests.send(state.dest, state, "settle", request, under)
    own.is_clean = reply or not LEAVES[code]
    if not own.is_clean then return end
  end
end

--- Remembers what a call that made a new file may have left on the share.
-- @tparam table state the destination's state
-- @tparam table request with `to`, `temp`, `aside`; `resume`: what has arrived is left for the next run
-- @tparam ?table reply of a call that succeeded
-- @tparam ?string code the error word of one that failed
function leftovers.remember(state, request, reply, code)
  if request.in_place then return end -- by the time that it could be removed the name may be another file's
  if not (reply and reply.left or LEAVES[code]) then return end
  state.leftovers[request.aside .. "\n" .. request.temp] =
    { to = request.to, aside = request.aside, temp = not request.resume and request.temp or nil }
  if not core.is_open(state.dest) then return end
  -- The worker has failed, not the server.
  if code == "failed" then leftovers.clean(state, operations.inner(state)) end
  if code == "cancelled" then
    local own = operations.inner(state):to_tidy()
    own.deadline = core.clock() + MOMENT
    leftovers.clean(state, own)
  end
end

return leftovers
