--- What commands print: results on the standard output, in lines or in JSON; complaints on the standard error.
-- @module smb.cli.output

local core = require "smb.core"
local json = require "smb.cli.json"
local outcome = require "smb.cli.outcome"
local show = require "smb.show"
local slips = require "smb.cli.slips"
local texts = require "smb.text"

local output = {}

-- After these the next file would fail alike.
local HOPELESS = {
  timeout = true, disconnected = true, unreachable = true, host_not_found = true, auth_failed = true, no_space = true,
  share_missing = true, cancelled = true,
}

local clear_line -- removes a line of progress from the terminal, as long as there is one

--- What is to be called before anything else is written to the terminal; nil for nothing.
function output.before(fn) clear_line = fn end

--- Writes to a stream; a full disk or a closed pipe ends the command.
function output.write(stream, ...)
  if clear_line then clear_line() end
  local ok, problem = stream:write(...)
  if not ok then outcome.stop("writing the output: " .. tostring(problem), "local_io") end
end

--- Writes to the standard output.
function output.say(...) output.write(io.stdout, ...) end

--- Writes out what the standard output still holds.
function output.flush()
  local ok, problem = io.stdout:flush()
  if not ok then outcome.stop("writing the output: " .. tostring(problem), "local_io") end
end

--- Whether the standard error is a terminal that shows colours, and whose owner likes them (no-color.org).
function output.has_colours()
  local unwanted, terminal = os.getenv "NO_COLOR", os.getenv "TERM"
  return (unwanted == nil or unwanted == "") and terminal ~= nil and terminal ~= "dumb" and core.terminal(2) ~= nil
end

--- Says something to people on the standard error.
function output.complain(text)
  if clear_line then clear_line() end
  local name, off = "lua-smb: ", ""
  if output.has_colours() then
    name, off = (text:find "^warning:" and "\27[33m" or "\27[31m") .. name, "\27[0m"
  end
  io.stderr:write(name, off, texts.message(text), "\n")
end

--- Prints a document where `--json` was given, else lines for people.
-- @tparam table args of the command
-- @param document any value
-- @tparam[opt] string text lines, without a newline at the end
function output.answer(args, document, text)
  local stream = args.json_stream or io.stdout
  if args.json then
    output.write(stream, json.encode(document), "\n")
  elseif text and text ~= "" then
    output.write(stream, text, "\n")
  end
end

--- Warns of a transfer that did well, but for the time.
function output.warn_of_time(name, result)
  if type(result) == "table" and result.mtime_kept == false then
    output.complain(("warning: '%s' has arrived whole, but its modification time was refused (--preserve-mtime makes "
      .. "that a failure)"):format(name))
  end
end

-- A result as a document, with what it is about.
local function document_of(name, result)
  local document = { name = name }
  for key, value in pairs(type(result) == "table" and result or {}) do document[key] = value end
  return document
end

--- Does one thing for each name, and goes on after a failure, unless the next would fail alike.
-- @tparam table args of the command
-- @tparam {any,...} items
-- @tparam function action is called with an item; returns a result, or nil, message, code, and perhaps a result that it
-- has told of
-- @tparam[opt] function named gives an item's name; by default an item is its name
function output.each(args, items, action, named)
  local results, first = json.array(), nil
  for i, item in ipairs(items) do
    if args.meter then args.meter:item(i, #items) end
    local name = named and named(item) or item
    local result, message, code, told = action(item)
    if result == nil then
      message = message .. slips.hint(code, args)
      first = first or { message = message, code = code, told = not args.json, is_hinted = true, results = results }
      if not args.json and not told then output.complain(message) end
      results[#results + 1] = document_of(name, told)
      results[#results].error, results[#results].code = message, code
      if HOPELESS[code] then break end
    else
      output.warn_of_time(name, result)
      results[#results + 1] = document_of(name, result)
      if args.verbose and not args.json and not (type(result) == "table" and result.errors) then
        output.say(show.text(name), type(result) == "table" and ": " .. tostring(result) or "", "\n")
      end
    end
  end
  if first then error(first, 0) end
  output.answer(args, results)
end

return output
