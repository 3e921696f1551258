--- The version; and whether both halves of the module have it: the Lua files, and smb/core.so with its worker.
-- @module smb.version

local VERSION = "1.0.0"

local _, here = ...
local core = require "smb.core"

if core.version ~= VERSION then
  error(("the two halves of lua-smb are of different versions: %s is of %s, %s of %s. Install both from one source")
    :format(here or "the Lua half", VERSION, core.path or package.searchpath("smb.core", package.cpath) or "smb.core",
      core.version or "an older one"), 0)
end

return { number = VERSION, commit = core.commit ~= "" and core.commit or nil }
