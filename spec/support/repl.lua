--- `make repl`: a Lua prompt with `smb` loaded and `dest` open on a private server, which goes when the prompt ends.
--
-- Run without arguments it starts the server and then Lua with this file and the share's URL.

local url = ...
local LUA = os.getenv "LUA" or "lua5.4"

if url then
  _G.smb = require "smb"
  _G.dest = assert(_G.smb.open(url))
  print(([[

`dest` is %s, a share on a private Samba server that goes when you leave (Ctrl-D).

  dest:put("README.md").bytes                     send a file
  dest:write("notes/today", "Hello\n", { parents = true })
  for path, entry in dest:walk() do print(path, entry.size) end
  dest:read "notes/today"                         fetch it as a string
  dest:read "tomorrow"                            nil, a message and a code
  dest.info                                       dialect, sizes, encryption, ...
  smb.help()                                      what there is; smb.help "put" about one thing
]]):format(_G.dest))
  return
end

local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local srv <close> = server.start { log_level = "0" }
local path = srv.dir .. "/credentials"
shell.check { "install", "-m", "600", "/dev/null", path }
files.write(path, ("username=%s\npassword=%s\n"):format(srv.user, srv.password))
local place = ("smb://%s:%d/backup?credentials-file=%s"):format(srv.address, srv.port, path)
os.execute(shell.quote { LUA, "-i", "spec/support/repl.lua", place })
