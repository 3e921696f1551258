-- Hosts that have set a locale: what they get is what others get.

local lfs = require "lfs"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local ROOT = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
if not BUILD:find "^/" then BUILD = ROOT .. "/" .. BUILD end

-- In Latin-1 the parts of letters of UTF-8 are controls and spaces; a Turkish small I is another letter; Germans write
-- 1,5.
local LOCALES =
  { turkish = { "tr_TR", "ISO-8859-9" }, ["latin-1"] = { "de_DE", "ISO-8859-1" }, ["utf-8"] = { "tr_TR", "UTF-8" } }

local PROGRAM = [[
  assert(os.setlocale(LOCALE), LOCALE)
  local smb = require "smb"
  local function show(...)
    local all = table.pack(...)
    for i = 1, all.n do all[i] = type(all[i]) == "table" and "table" or tostring(all[i]) end
    print(table.concat(all, " | "))
  end
  for _, url in ipairs { "CIFS://BOB@HOST/SHARE/PATH?transport=DIRECTTCP", "smb://h/s/\u{E0}\u{145}/x",
      "smb:h/s\u{E0}" } do
    local fields, message, code = smb.parse(url)
    show(fields and fields.server, fields and fields.path, fields and fields.transport, message, code)
  end
  local dest = assert(smb.open(URL, { retries = 0, rate = "800M", signing = "desired", short_timeout = "20.5s" }))
  show(math.type(dest.options.short_timeout), dest.options.short_timeout * 2 == 41)
  for _, name in ipairs { "\u{E0} \u{160}\u{145}\u{105} \u{C0}\u{131}", "CONIN$", "conin$ .txt",
      "I\u{130}", "LPT\u{B9}" } do
    show(dest:stat(name))
    show(dest:write(name, "content") and true)
    show(pcall(dest.mkdir, dest, name))
  end
  show(dest:rename("missing \u{E0}", "to \u{E0}\u{A0}"))
  show(pcall(dest.stat, "x"))
  show(dest:write("x", smb.command { "sh", "-c", "echo '  wrong: \u{E0} \u{145}\u{E0}' >&2; exit 3" }))
  local names = {}
  for _, entry in ipairs(assert(dest:list())) do names[#names + 1] = entry.name end
  show(table.unpack(names))
  dest:close()
]]

local srv, dir

setup(function()
  srv = server.start { log_level = "0" }
  dir = files.directory()
  for _, locale in pairs(LOCALES) do
    shell.check { "localedef", "-i", locale[1], "-f", locale[2], ("%s/%s.%s"):format(dir, locale[1], locale[2]) }
  end
end)

teardown(function()
  srv:stop()
  files.remove(dir)
end)

before_each(function() shell.check { "find", srv:path "backup", "-mindepth", "1", "-delete" } end)

local function run(locale)
  local path = files.write(dir .. "/program.lua",
    ("package.path, package.cpath = %q .. package.path, %q .. package.cpath\nlocal URL, LOCALE = %q, %q\n"):format(
      ROOT .. "/lua/?.lua;" .. ROOT .. "/lua/?/init.lua;", BUILD .. "/?.so;", srv:url "backup", locale) .. PROGRAM)
  local _, output = shell.run { "env", "LOCPATH=" .. dir, "lua5.4", path }
  shell.check { "find", srv:path "backup", "-mindepth", "1", "-delete" }
  return output
end

for name, locale in pairs(LOCALES) do
  it("a host in a " .. name .. " locale gets what one without gets", function()
    local plain = run "C"
    assert.matches("host | PATH | directtcp", plain, 1, true) -- it did not just fail
    assert.equal(plain, run(locale[1] .. "." .. locale[2]))
  end)
end
