--- Slips that people make, and what helps: words from other programs, UNC paths, a folder that is missing.
-- @module smb.cli.slips

local nearest = require "smb.options".nearest
local outcome = require "smb.cli.outcome"
local url = require "smb.url"

local slips = {}

-- What other programs call our commands.
local COMMANDS = {
  upload = "put", send = "put", push = "put", store = "put", download = "get", fetch = "get", pull = "get",
  dir = "list", ll = "list", lsd = "shares", remove = "delete", unlink = "delete", del = "delete", move = "rename",
  ren = "rename",
  md = "mkdir", rd = "rmdir", info = "stat", about = "quota", size = "du", sync = "put -r --mirror",
  mirror = "put -r --mirror",
  compare = "check", diff = "check", ping = "test", help = "--help", version = "--version", config = "configure" }

-- What other programs call our options.
local OPTIONS = {
  ["--user"] = "--auth-username", ["--username"] = "--auth-username", ["-u"] = "--auth-username",
  ["-U"] = "--auth-username",
  ["--login"] = "--auth-username", ["--domain"] = "--auth-domain", ["--workgroup"] = "--auth-domain",
  ["-W"] = "--auth-domain",
  ["--password"] = "--credentials-file FILE, or AUTH_PASSWORD in the environment (--auth-password shows it to other "
    .. "users)",
  ["--pass"] = "--credentials-file FILE, or AUTH_PASSWORD in the environment (--auth-password shows it to other users)",
  ["--credentials"] = "--credentials-file", ["--authentication-file"] = "--credentials-file",
  ["-A"] = "--credentials-file",
  ["--port"] = "a port in the URL, smb://server:PORT/share", ["-P"] = "a port in the URL, smb://server:PORT/share",
  ["--host"] = "a server in the URL, smb://SERVER/share", ["--server"] = "a server in the URL, smb://SERVER/share",
  ["--share"] = "a share in the URL, smb://server/SHARE", ["--bwlimit"] = "--rate", ["--delete"] = "--mirror",
  ["--exclude"] = "--filter '!GLOB'", ["--include"] = "--filter", ["--backup-dir"] = "--keep-old",
  ["--checksum"] = "--changed sha256",
  ["--ignore-existing"] = "--no-overwrite", ["--guest"] = "--anonymous", ["-N"] = "--anonymous",
  ["--timeout"] = "--total-timeout",
}

-- A part of a path as a URL has it.
local function encode(part)
  return (part:gsub("[^%w._~!$'()*+,;=-]", function(character) return ("%%%02X"):format(character:byte()) end))
end

--- A UNC path (`\\server\share\folder`, `//server/share/folder`) as a URL; any other text as it is.
-- @tparam string text
-- @treturn string
function slips.url(text)
  local rest = text:match "^[/\\][/\\]([^/\\].*)$"
  if not rest then return text end
  local parts = {}
  for part in rest:gmatch "[^/\\]+" do parts[#parts + 1] = #parts == 0 and part or encode(part) end
  return "smb://" .. table.concat(parts, "/")
end

-- Whether one of a command's other arguments is a URL.
local function has_url(args)
  for key, value in pairs(args) do
    for _, text in ipairs(type(value) == "table" and value or { value }) do
      if key ~= "url" and type(text) == "string" and text:find "^%a+://" then return true end
    end
  end
  return false
end

--- Refuses what stands in the URL's place and is none, with what it may have been.
-- @tparam string text
-- @tparam string problem what is wrong with it as a URL
-- @tparam table args of the command
function slips.refuse_url(text, problem, args)
  if text:find "^\\[^\\]" then
    problem = "the shell has taken backslashes away: write smb://server/share, or '\\\\server\\share' in quotes"
  elseif not text:find "://" and has_url(args) then
    problem = ("the URL comes first: lua-smb %s URL, and then '%s'"):format(args.command, text)
  elseif not text:find "[/\\:]" then
    problem = problem .. ": smb://SERVER/SHARE[/PATH] comes first"
  end
  outcome.wrong_use(problem)
end

--- A name that was given as a whole URL: what of it lies below the command's own.
-- @tparam string text a name
-- @tparam table fields of the command's URL
-- @treturn string the name
function slips.name(text, fields)
  if not text:find "^%a+://" then return text end
  local given = url.read(text)
  if not given or given.server ~= fields.server or given.share:lower() ~= fields.share:lower() then
    outcome.wrong_use "names are relative to the URL: a name is no URL itself"
  end
  local top, path = fields.path or "", given.path or ""
  if top == "" then return path end
  if path:sub(1, #top + 1) ~= top .. "/" then outcome.wrong_use "the name's URL does not lie below the command's" end
  return path:sub(#top + 2)
end

local function explain_command(message, commands)
  local word = message:match "^unknown command '(.-)'" or ""
  if #word > 20 or word:find "[^%a-]" then
    return "the first argument must be a command, such as list, and the URL comes after it"
  end
  local better = COMMANDS[word:lower()] or nearest(word, commands)
  return better and ("unknown command '%s' (did you mean '%s'?)"):format(word, better) or message:gsub("\n.*", "")
end

--- What argparse says of a wrong use, in our words. It shows the word that it took for a command, which may be a URL
-- with a password.
-- @tparam string message argparse's
-- @tparam {string,...} commands that there are
-- @treturn string
function slips.explained(message, commands)
  if message:find "^unknown command" then return explain_command(message, commands) end
  local option = message:match "^unknown option '([^']*)'"
  if option and OPTIONS[option] then return ("unknown option '%s': use %s"):format(option, OPTIONS[option]) end
  return (message:gsub("\nDid you mean (.*)%?$", " (did you mean %1?)"))
end

local PUTS = { put = true, copy = true, rename = true }

--- What may be done about a failure, to be put behind its message; "" for nothing.
-- @tparam string code the error code
-- @tparam table args of the command
-- @treturn string
function slips.hint(code, args)
  if code == "folder_missing" and (args.command == "put" or args.command == "get") and not args.parents then
    return args.command == "put" and " (-p makes missing folders)" or ""
  elseif code == "folder_missing" and (PUTS[args.command] or args.command == "list" or args.command == "test") then
    return " (lua-smb mkdir makes folders)"
  end
  return ""
end

--- The same for a logon that lacks something: behind a `&` that the shell has taken nothing of the URL is left.
function slips.logon_hint(args)
  if args.url:find("?", 1, true) and not args.url:find("&", 1, true) then
    return " (a URL with a '&' needs quotes around it, or the shell ends the command there)"
  end
  return ""
end

return slips
