--- `make repl`: a Lua prompt with `smb` loaded and `dest` open on a private server, which goes when the prompt ends.

local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

local srv <close> = server.start { log_level = "0" }
local path = srv.dir .. "/credentials"
shell.check { "install", "-m", "600", "/dev/null", path }
files.write(path, ("username=%s\npassword=%s\n"):format(srv.user, srv.password))
local place = ("smb://%s:%d/backup?credentials-file=%s"):format(srv.address, srv.port, path)
local dest <close> = assert(smb.open(place))
_G.smb, _G.dest = smb, dest
print(([[

`dest` is %s, a share on a private Samba server that goes when you leave (Ctrl-D).

  dest:put("README.md").bytes                     send a file
  dest:write("notes/today", "Hello\n", { parents = true })
  for path, entry in dest:walk() do print(path, entry.size) end
  dest:read "notes/today"                         fetch it as a string
  dest:read "tomorrow"                            nil, a message and a code
  dest.info                                       dialect, sizes, encryption, ...
  smb.help()                                      what there is; smb.help "put" about one thing
]]):format(dest))
require "spec.support.prompt".run()
