-- A libsmbclient of another version may send in a way that the worker does not see: then no promise can be kept.

local child = require "spec.support.child"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local srv, dir, blind

setup(function()
  srv = server.start()
  dir = files.directory()
  blind = dir .. "/blind.so"
  shell.check { "cc", "-std=c11", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", blind,
    "spec/support/blind.c" }
end)

teardown(function()
  srv:stop()
  files.remove(dir)
end)

local function said(prefix, demand)
  return child.start_under(prefix, dir, [[
    local dest, message, code = smb.open(%q, { retries = 0, [%q] = "required" })
    say(code or "opened", message)
  ]], srv:url "backup", demand):await_end()
end

for _, demand in ipairs { "encryption", "signing" } do
  it("where nothing is seen of the wire, " .. demand .. " that is required is refused, not hoped for", function()
    if os.getenv "ASAN_OPTIONS" then return pending "the sanitizer's functions come before the auditor's" end
    assert.matches("^opened", said({}, demand))
    assert.matches("^protocol%s.*cannot be checked", said({ "env", "LD_AUDIT=" .. blind }, demand))
  end)
end
