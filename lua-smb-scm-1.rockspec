rockspec_format = "3.0"
package = "lua-smb"
version = "scm-1"

-- There is no public place yet: "luarocks make" in a checkout builds what is there.
source = {
  url = "git+file://.",
}

description = {
  summary = "An SMB/CIFS share as a place to put backups",
  detailed = [[
    Puts files on SMB/CIFS shares and brings them back: whole or not at all, with clear errors, deadlines that hold, and
    Samba's client library in a worker process of its own.]],
  license = "MIT",
  labels = { "smb", "cifs", "samba", "backup" },
}

supported_platforms = { "linux" }

dependencies = {
  "lua >= 5.4, < 5.5",
  "luafilesystem >= 1.8",
  "argparse >= 0.7",
}

-- libsmbclient is found by pkg-config. core.so and smb-worker have to lie side by side: both go to LIBDIR.
build = {
  type = "make",
  build_target = "all",
  build_variables = {
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_CFLAGS = "-I$(LUA_INCDIR)",
  },
  install_variables = {
    PREFIX = "$(PREFIX)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
    BINDIR = "$(BINDIR)",
  },
}
