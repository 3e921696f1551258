-- How lua-smb is built, installed and found: flags, prefixes, links, and halves that do not belong together.

local lfs = require "lfs"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local ROOT = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
if not BUILD:find "^/" then BUILD = ROOT .. "/" .. BUILD end
local CLEAN =
  { "env", "-u", "LUA_PATH", "-u", "LUA_CPATH", "-u", "LUA_PATH_5_4", "-u", "LUA_CPATH_5_4", "-u", "MAKEFLAGS" }

local dir

before_each(function() dir = files.directory() end)

after_each(function() files.remove(dir) end)

-- What a command says, in an environment that names no paths of Lua's.
local function run(...)
  local words = table.move({ ... }, 1, select("#", ...), #CLEAN + 1, table.move(CLEAN, 1, #CLEAN, 1, {}))
  return shell.run(words)
end

local function make(...)
  return run("make", "--no-print-directory", ...)
end

-- The compiler's command lines that would build all of it.
local function command_lines(...)
  local ok, output = make("-n", "-B", "BUILD=" .. dir .. "/build", "all", ...)
  assert(ok, output)
  local compiled, linked = {}, {}
  for line in output:gmatch "[^\n]+" do
    if line:find(" -c -o ", 1, true) then compiled[#compiled + 1] = line end
    if line:find " %-o %S+/smb/core%.so " or line:find " %-o %S+/smb/smb%-worker " then linked[#linked + 1] = line end
  end
  assert(#compiled > 50 and #linked == 2, "these are not all of it")
  return compiled, linked
end

local function assert_each(lines, word)
  for _, line in ipairs(lines) do assert(line:find(word, 1, true), word .. " is missing: " .. line) end
end

describe("a build", function()
  it("is hardened as Debian's packages are", function()
    local compiled, linked = command_lines()
    for _, flag in ipairs { "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-Werror=format-security", "-fPIC" } do
      assert_each(compiled, flag)
    end
    assert_each(linked, "-Wl,-z,relro")
    assert_each(linked, "-Wl,-z,now")
    for _, name in ipairs { "core.so", "smb-worker" } do
      local headers = shell.check { "readelf", "-dlW", BUILD .. "/smb/" .. name }
      assert.matches("BIND_NOW", headers, 1, true)
      assert.matches("GNU_RELRO", headers, 1, true)
      assert.matches("GNU_STACK%s+%S+%s+%S+%s+%S+%s+%S+%s+%S+%s+RW ", headers)
    end
    assert.matches("Type:%s+DYN", shell.check { "readelf", "-h", BUILD .. "/smb/smb-worker" })
  end)

  -- As packagers and users give them: what the sources need stays.
  it("takes flags without losing its own", function()
    local compiled = command_lines("CPPFLAGS=-DMINE=1", "CFLAGS=-O0 -g")
    assert_each(compiled, "-DMINE=1")
    assert_each(compiled, "-D_GNU_SOURCE")
    assert_each(compiled, "-O0 -g")
    for _, line in ipairs(compiled) do assert.is_nil(line:find("FORTIFY", 1, true)) end -- that wants optimization
    compiled = command_lines("CPPFLAGS=-D_FORTIFY_SOURCE=3", "CFLAGS=-O2 -Wall")
    for _, line in ipairs(compiled) do assert.is_nil(line:find("-D_FORTIFY_SOURCE=2", 1, true)) end
  end)

  it("says which packages it lacks", function()
    local ok, output = make("BUILD=" .. dir .. "/build", "CC=cc -nostdinc", "LUA_CFLAGS=", "SMBC_CFLAGS=", "all")
    assert.is_false(ok)
    assert.matches("needs what Debian has in: liblua5.4-dev libsmbclient-dev nettle-dev libutf8proc-dev\n", output, 1,
      true)
    assert.matches("sudo make deps", output, 1, true)
    assert.is_nil(output:find "fatal error")
  end)
end)

describe("an installation", function()
  for _, prefix in ipairs { "plain", "with a space" } do
    it("in a folder whose name is " .. prefix .. " works, by a link as well, and can be removed", function()
      local there = dir .. "/" .. prefix
      local ok, output = make("-o", "all", "BUILD=" .. BUILD, "PREFIX=" .. there, "install")
      assert(ok, output)
      shell.check { "ln", "-s", there .. "/bin/lua-smb", dir .. "/one" }
      shell.check { "ln", "-s", "one", dir .. "/two" }
      for _, command in ipairs { there .. "/bin/lua-smb", dir .. "/one", dir .. "/two" } do
        local said
        ok, said = run("sh", "-c", 'cd / && exec "$@"', "sh", command, "--version")
        assert(ok, said)
        assert.matches("^lua%-smb %d+%.%d+%.%d+", said)
      end
      ok, output = make("-o", "all", "BUILD=" .. BUILD, "PREFIX=" .. there, "uninstall")
      assert(ok, output)
      assert.equal("", shell.check { "find", there, "-type", "f" })
    end)
  end
end)

describe("the rockspecs", function()
  it("of this version and of what is in a checkout say the same", function()
    local release = files.read "lua-smb-1.0.0-1.rockspec"
    local checkout = files.read "lua-smb-scm-1.rockspec"
    assert.equal(release, (checkout:gsub('version = "scm%-1"', 'version = "1.0.0-1"')))
    assert.matches('VERSION = "1.0.0"', files.read "lua/smb/version.lua", 1, true)
  end)

  it("are taken by luarocks", function()
    if not shell.run { "sh", "-c", "command -v luarocks" } then return pending "there is no luarocks" end
    for _, name in ipairs { "lua-smb-1.0.0-1.rockspec", "lua-smb-scm-1.rockspec" } do
      local ok, said = run("luarocks", "--lua-version", "5.4", "lint", name)
      assert(ok, said)
    end
  end)
end)

describe("the two halves of the module", function()
  local function require_smb(lua, before)
    return run("lua5.4", "-e",
      ("package.path = %q .. package.path; package.cpath = %q .. package.cpath; %s; require 'smb'"
      ):format(lua .. "/?.lua;" .. lua .. "/?/init.lua;", BUILD .. "/?.so;", before or ""))
  end

  it("work together when they have one version", function()
    local ok, output = require_smb(ROOT .. "/lua")
    assert(ok, output)
  end)

  it("are told apart when they have not, at once and with both paths", function()
    shell.check { "cp", "-r", "lua", dir .. "/lua" }
    local path = dir .. "/lua/smb/version.lua"
    local text, count = files.read(path):gsub('VERSION = "[^"]*"', 'VERSION = "0.9.9"')
    assert.equal(1, count)
    files.write(path, text)
    local ok, output = require_smb(dir .. "/lua")
    assert.is_false(ok)
    assert.matches("of different versions", output, 1, true)
    assert.matches(path .. " is of 0.9.9", output, 1, true)
    assert.matches("/smb/core%.so of %d+%.%d+%.%d+%.", output)
  end)

  it("are told apart when the C half knows no version yet", function()
    local ok, output = require_smb(ROOT .. "/lua", "package.preload['smb.core'] = function() return {} end")
    assert.is_false(ok)
    assert.matches("of an older one. Install both from one source", output, 1, true)
    assert.matches("/smb/core.so", output, 1, true)
  end)
end)
