--- The man page lua-smb(1), from the command's own flags.
-- @module docs.make.man

local man = {}

local INTRODUCTION = [==[
.SH DESCRIPTION
.B lua\-smb
puts files on SMB/CIFS shares (Windows, Samba, any NAS) and brings them back. Files appear complete or not at all.
.PP
Names are relative to the URL's path. The URL is
.IR smb://[[DOMAIN;]USER@]SERVER[:PORT]/SHARE[/PATH][?OPTION=VALUE&...] ,
or a place that
.B lua\-smb configure
has made:
.IR NAME:[PATH] .
Characters that have a meaning in URLs are percent\-encoded.
.PP
The password is taken from
.BR \-\-auth\-password ,
the URL, a credentials file, the environment (AUTH_USERNAME, AUTH_PASSWORD) or a prompt; the first that has one counts.
]==]

local ENDING = [[
.SH EXIT STATUS
0: done. 1: something failed. 2: the command was used wrongly. 3: a snapshot was made, but single files
could not be read.
130: Ctrl\-C.
.SH ENVIRONMENT
.TP
.BR AUTH_USERNAME ", " AUTH_PASSWORD
user and password
.TP
.B NO_COLOR
if set, no colours are used
.SH FILES
.TP
.I $XDG_CONFIG_HOME/lua\-smb/places
the places that lua\-smb configure has made; ~/.config where XDG_CONFIG_HOME is not set
.SH SEE ALSO
.BR smbclient (1),
.BR mount.cifs (8),
.BR rsync (1)
]]

local function roff(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1"):gsub("^([.'])", "\\&%1"))
end

local function names_of(option)
  local words = {}
  for i, alias in ipairs(option._public_aliases) do words[i] = "\\fB" .. roff(alias) .. "\\fR" end
  local argument = option._maxargs ~= 0 and option._argname or nil
  if type(argument) == "table" then argument = table.concat(argument, " ") end
  return table.concat(words, ", ") .. (argument and " \\fI" .. roff(argument) .. "\\fR" or "")
end

local function option_text(option)
  return (".TP\n%s\n%s\n"):format(names_of(option), roff(option._description or ""))
end

local function command_text(command, is_connection)
  local pieces = { (".SS \"lua\\-smb %s\"\n"):format(roff(command._public_aliases[1])) }
  pieces[#pieces + 1] = ".nf\n" .. roff(command._usage:gsub("^Usage: ", ""):gsub("\n +", "\n")) .. "\n.fi\n.PP\n"
  local description = command._description or ""
  if #command._public_aliases > 1 then
    description = description .. " Also: " .. table.concat(command._public_aliases, ", ", 2) .. "."
  end
  pieces[#pieces + 1] = roff(description) .. "\n"
  for _, option in ipairs(command._options) do
    if not option._hidden and not is_connection(option) then pieces[#pieces + 1] = option_text(option) end
  end
  return table.concat(pieces)
end

--- The page.
-- @treturn string
function man.write()
  local options = require "smb.options"
  local parser = require "smb.cli".parser()
  local function is_connection(option)
    return options.by_url[(option._name or ""):gsub("^%-%-no%-", ""):gsub("^%-%-", "")] ~= nil
  end
  local pieces = { ".\\\" Written by make docs.\n.TH LUA\\-SMB 1 \"\" \"lua\\-smb\" \"User Commands\"\n.SH NAME\n",
    "lua\\-smb \\- put files on SMB shares and bring them back\n.SH SYNOPSIS\n.B lua\\-smb\n",
    ".I COMMAND\n[\\fIOPTION\\fR...] \\fIURL\\fR [\\fIARGUMENT\\fR...]\n", INTRODUCTION, ".SH COMMANDS\n" }
  local first
  for _, command in ipairs(parser._commands) do
    if not command._hidden then
      first = first or command
      pieces[#pieces + 1] = command_text(command, is_connection)
    end
  end
  pieces[#pieces + 1] = ".SH \"OPTIONS OF THE CONNECTION\"\nThey override what the URL says.\n"
  for _, option in ipairs(first._options) do
    if is_connection(option) and not option._name:find "^%-%-no%-" then pieces[#pieces + 1] = option_text(option) end
  end
  pieces[#pieces + 1] = ENDING
  return table.concat(pieces)
end

return man
