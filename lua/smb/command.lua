--- Commands and pipelines as readers, see `smb.command`: each stage's status is looked at, so that what a failed one
-- has written is never taken for whole.
-- @module smb.command

local arity = require "smb.arity"
local core = require "smb.core"
local options = require "smb.options"
local task = require "smb.task"
local texts = require "smb.text"

local command = {}
local methods = {}
local metatable = core.command_metatable
metatable.__index = methods

local GRACE = 1 -- seconds that a stage has to end in when it is asked to, before it is killed
local TURN = 0.005 -- seconds that others, who wait for the network, wait for a command at most
local SIGPIPE = 13
local PIPED_SHELL = 128 + SIGPIPE -- what sh makes of it

-- Arguments. ----------------------------------------------------------------------------------------------------------

local function check_word(word, at)
  local kind = math.type(word) or type(word)
  if kind == "integer" then return tostring(word) end
  if kind ~= "string" then return nil, ("word %d must be a string, not a %s"):format(at, kind) end
  if word:find("\0", 1, true) then return nil, ("word %d holds a NUL"):format(at) end
  if at == 1 and word == "" then return nil, "the program has no name" end
  return word
end

-- A list of arguments: the program itself, without a shell.
local function list_stage(given)
  local words, count = {}, 0
  for _ in pairs(given) do count = count + 1 end
  if count == 0 then return nil, "an empty list is no command" end
  if count ~= #given then return nil, "a command's list holds a program and its arguments, and nothing else" end
  for i, word in ipairs(given) do
    local text, reason = check_word(word, i)
    if not text then return nil, reason end
    words[i] = text
  end
  return { words = words, name = words[1]:match "[^/]*$" }
end

-- A text for sh. Messages name its first word, if that is a program: others may hold a secret.
local function text_stage(text)
  if not text:find "%S" then return nil, "an empty text is no command" end
  if text:find("\0", 1, true) then return nil, "the text holds a NUL" end
  local first = text:match "^%s*([%w_./+-]+)%f[%s;|&<>()\0]"
  return { words = { "sh", "-c", text }, name = first and first:match "[^/]+$" or "sh", is_text = true }
end

local function stage_of(given)
  if type(given) == "string" then return text_stage(given) end
  if type(given) == "table" then return list_stage(given) end
  return nil, "a command is a list of arguments or a text for sh, not a " .. type(given)
end

local function is_options(value)
  return type(value) == "table" and value[1] == nil and next(value) ~= nil
end

--- See `smb.command`.
-- @local
-- @treturn[1] userdata
-- @treturn[2] nil
-- @treturn[2] string what is wrong with the arguments
function command.new(...)
  local given, opts = table.pack(...), nil
  if given.n > 1 and is_options(given[given.n]) then
    opts = given[given.n]
    given.n = given.n - 1
  end
  local ok, reason = options.check_opts(opts, { sigpipe = "boolean" })
  if not ok then return nil, reason end
  if given[1] == nil then return nil, "a command is needed" end
  if given.n > 64 then return nil, "a pipeline has 64 stages at most" end
  local stages = {}
  for i = 1, given.n do
    stages[i], reason = stage_of(given[i])
    if not stages[i] then return nil, ("bad argument #%d (%s)"):format(i, reason) end
  end
  return core.command(#stages, { stages = stages, sigpipe = opts and opts.sigpipe or false, status = "new" })
end

--- What a value is.
-- @local
function command.type(value)
  return core.command_state(value) and "command" or nil
end

--- Whether a command has not been started yet.
-- @local
function command.is_new(self)
  return core.command_state(self).status == "new"
end

-- What is said of them. -----------------------------------------------------------------------------------------------

local function named(private, at)
  local name = private.stages[at].name
  if #private.stages == 1 then return ("the command ('%s')"):format(name) end
  return ("stage %d of %d ('%s')"):format(at, #private.stages, name)
end

local function whole(private) return #private.stages == 1 and named(private, 1) or "the pipeline" end

-- The last of what a stage said, on one line, and so that it steers no terminal.
local function last_words(said)
  local text = said:gsub("^[\x80-\xBF]+", ""):gsub("^[ \t-\r]+", ""):gsub("[ \t-\r]+$", "")
  text = text:gsub("[ \t-\r]*[\r\n]+[ \t-\r]*", "; ")
  if text == "" then return "" end
  return ": " .. text:gsub("[\0-\x1F\x7F]", "?"):gsub("\xC2[\x80-\x9F]", "?")
end

-- What became of a stage: nil for what is right, else in words, and whether it only was not read to its end.
local function trouble(self, private, at)
  local how, status, said = core.command_stage(self, at)
  local is_early = at < #private.stages
  if how == "exit" and status == 0 then return nil end
  if how == "lost" then
    return "nobody can tell how it ended: SIGCHLD is ignored, or something else in this program takes all statuses"
  end
  local is_piped = is_early and (how == "signal" and status == SIGPIPE
    or how == "exit" and status == PIPED_SHELL and private.stages[at].is_text)
  if is_piped and private.sigpipe then return nil end
  local words = how == "exit" and ("it ended with status %d"):format(status)
    or ("it was ended by signal %d"):format(status)
  if is_piped then
    words = words .. " (SIGPIPE: the next stage read no further; { sigpipe = true } as the last argument allows that)"
  end
  return words .. last_words(said), is_piped
end

-- After all stages have ended: nil where all is right, else what failed. The first stage that failed by itself comes
-- first.
local function verdict(self, private)
  local worst, others = nil, {}
  for at = 1, #private.stages do
    local words, is_piped = trouble(self, private, at)
    local each = words and { at = at, words = words, is_piped = is_piped }
    if each and (not worst or worst.is_piped and not is_piped) then worst, each = each, worst end
    if each then others[#others + 1] = ("%s failed, too"):format(named(private, each.at)) end
  end
  if not worst then return nil end
  return ("%s failed: %s"):format(named(private, worst.at), table.concat({ worst.words, table.unpack(others) }, "; "))
end

--- What all stages said on their standard error, the last 4 KiB of each.
-- @local
function command.said(self)
  local all = {}
  for at in ipairs(core.command_state(self).stages) do
    local _, _, said = core.command_stage(self, at)
    all[at] = said
  end
  return table.concat(all)
end

-- Running. ------------------------------------------------------------------------------------------------------------

-- Waits until there is something to do for the command; what else its destination has to do goes on meanwhile.
local function pause(self, state)
  if task.running() and coroutine.isyieldable() then
    coroutine.yield() -- a nap, as a user's reader takes it
    return
  end
  core.command_wait(self, state and #state.tasks > 0 and TURN or task.SLICE)
  if state and core.is_open(state.dest) then
    core.poll(state.dest, 0)
    task.step(state)
  end
end

--- Starts all stages.
-- @local
-- @treturn[1] boolean true
-- @treturn[2] nil
-- @treturn[2] string what happened
-- @treturn[2] string the error word
function command.start(self)
  local private = core.command_state(self)
  private.status = "running"
  for at, stage in ipairs(private.stages) do
    local ok, code, reason = core.command_add(self, stage.words)
    if not ok then
      command.close(self)
      return nil, ("%s failed: %s"):format(named(private, at), reason), code
    end
  end
  return true
end

--- Ends what has not ended: stages are asked, then killed, and their statuses taken.
-- @local
-- @tparam userdata self
-- @tparam[opt] table state the state of the destination that it was read for
function command.close(self, state)
  local private = core.command_state(self)
  if private.status == "running" and not private.problem then
    private.problem = ("%s failed: it was closed before its end"):format(whole(private))
  end
  private.status = "ended"
  local is_killed = task.running() and not coroutine.isyieldable() -- then nobody may be kept waiting
  if core.command_is_ours(self) and not is_killed and not core.command_reap(self) then
    core.command_stop(self)
    local till = core.clock() + GRACE
    while not core.command_reap(self) and core.clock() < till do pause(self, state) end
  end
  core.command_end(self)
end

-- Fails; nothing of it goes on. Who reads once more is told the same: nil alone would be a good end.
local function fail(self, state, reason, code)
  local private = core.command_state(self)
  private.problem, private.code = reason, code
  command.close(self, state)
  return nil, reason, code
end

-- What has ended has no more output; what was closed, or failed, never had all of it.
local function read_ended(private)
  if not private.problem then return nil end
  return nil, private.problem, private.code or "local_io"
end

--- Reads on.
-- @local
-- @tparam userdata self
-- @tparam[opt] table state the state of the destination that it is read for
-- @tparam[opt] table under the operation of the call that it is read for, which may end it
-- @treturn[1] string what it has written
-- @treturn[2] nil at its end, when all stages have done well
-- @treturn[3] nil
-- @treturn[3] string what happened
-- @treturn[3] string the error word
function command.read(self, state, under)
  local private = core.command_state(self)
  if private.status == "ended" then return read_ended(private) end
  if not core.command_is_ours(self) then
    return nil, "the command belongs to the process that this one was forked from", "local_io"
  end
  if private.status == "new" then
    local ok, reason, code = command.start(self)
    if not ok then return fail(self, state, reason, code) end
  end
  while true do
    if private.status == "ended" then return read_ended(private) end -- who was let in by a pause has closed it
    local data, code, reason = core.command_read(self)
    if data then
      local me = task.running()
      if me then me.nap = nil end -- as long as something comes it is asked again soon
      return data
    end
    if code then return fail(self, state, named(private, #private.stages) .. " failed: " .. reason, code) end
    if data == nil and core.command_reap(self) then break end
    code, reason = nil, nil
    if under then code, reason = under:must_stop() end
    if code then return fail(self, state, reason, code) end
    pause(self, state)
  end
  private.problem = verdict(self, private)
  private.status = "ended"
  core.command_end(self)
  return read_ended(private)
end

--- Ends the command, if it runs.
function methods:close()
  command.close(self)
  return true
end

metatable.__call = function(self) return command.read(self) end
metatable.__close = methods.close
arity.receivers(methods, metatable, "command")

function metatable.__tostring(self)
  local names = {}
  local private = core.command_state(self)
  for i, stage in ipairs(private.stages) do names[i] = texts.plain(stage.name) end
  return ("smb.command (%s, %s)"):format(table.concat(names, " | "), private.status)
end

return command
