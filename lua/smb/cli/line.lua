--- A line of the shell: its words, and how it is read, by lua-readline where that is there.
-- @module smb.cli.line

local lfs = require "lfs"

local core = require "smb.core"

local line = {}

local KEPT = 1000 -- lines of history
local SLICE = 0.1 -- seconds after which it is looked whether Ctrl-C was pressed

-- What a backslash, a quote or anything else adds to a word; nil for a space.
local function take(text, at, quote)
  local character = text:sub(at, at)
  if character == "\\" and quote ~= "'" then return text:sub(at + 1, at + 1), at + 2, quote end
  if character == quote then return "", at + 1, nil end
  if not quote and (character == '"' or character == "'") then return "", at + 1, character end
  if not quote and character:find "%s" then return nil, at + 1, nil end
  return character, at + 1, quote
end

--- The words of a line, as a shell parts them: quotes and backslashes keep spaces.
-- @tparam string text
-- @treturn[1] {string,...}
-- @treturn[2] nil when a quote is not closed
function line.words(text)
  local words, word, at, quote = {}, nil, 1, nil
  while at <= #text do
    local piece
    piece, at, quote = take(text, at, quote)
    if piece then word = (word or "") .. piece
    elseif word then words[#words + 1], word = word, nil end
  end
  if quote then return nil end
  words[#words + 1] = word
  return words
end

--- A name as it is typed: with a backslash before what would part it.
function line.quote(text)
  return (text:gsub("[%s'\"\\]", "\\%0"))
end

local function history_path()
  local base, home = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
  local folder = base and base:find "^/" and base or home and home ~= "" and home .. "/.local/state"
  if not folder then return "" end
  folder = folder .. "/lua-smb"
  for to in folder:gmatch "[^/]+()" do lfs.mkdir(folder:sub(1, to - 1)) end
  return folder .. "/history"
end

local function plain_reader(prompt)
  if core.terminal(0) then
    io.stdout:write(prompt)
    io.stdout:flush()
  end
  return io.stdin:read "l"
end

-- Reads a line key by key, so that Ctrl-C drops at once what was typed: readline alone would go on with it.
local function read_line(readline, prompt)
  local text, has_ended = nil, false
  local function drop()
    if has_ended then return end
    readline.handler_remove()
    io.stdout:write "\n"
    io.stdout:flush()
  end
  readline.handler_install(prompt, function(typed)
    text, has_ended = typed, true
    readline.handler_remove()
  end)
  local _ <close> = setmetatable({}, { __close = drop })
  while not has_ended do
    if core.await_key(SLICE) then readline.read_char() end
  end
  return text
end

--- What reads lines.
-- @tparam function complete is called with the line until the cursor, and what of it is to be completed; returns a list
-- @treturn function of the prompt; returns a line, nil at the end
-- @treturn function to be called at the end: keeps the history
function line.reader(complete)
  local has_readline, readline = pcall(require, "readline")
  if not has_readline or not core.terminal(0) then return plain_reader, function() end end
  readline.set_options { histfile = history_path(), keeplines = KEPT, completion = true, auto_add = false }
  readline.set_readline_name "lua-smb"
  readline.set_complete_function(function(text, from, to)
    local found = complete(text:sub(1, to), text:sub(from, to))
    local is_folder = #found == 1 and found[1]:sub(-1) == "/"
    readline.set_completion_append_character(is_folder and "" or " ")
    return found
  end)
  return function(prompt)
    io.stdout:flush()
    local text = read_line(readline, prompt)
    if text and text:find "%S" then readline.add_history(text) end
    return text
  end, readline.save_history
end

return line
