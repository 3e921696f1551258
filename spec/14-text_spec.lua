-- What people see: names come from servers, disks and command lines, and may be made to steer a terminal or to mislead.

local lfs = require "lfs"
local cli = require "smb.cli"
local files = require "spec.support.files"
local json = require "dkjson"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"
local text = require "smb.text"

local HERE = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
if not BUILD:find "^/" then BUILD = HERE .. "/" .. BUILD end

-- What each does to a terminal or a reader, by name.
local TRICKS = {
  ESC = "\27[31m", ["a carriage return"] = "\r", DEL = "\127",
  ["a C1 control (CSI)"] = "\u{9B}31m", ["the last C1 control"] = "\u{9F}",
  ["right-to-left override"] = "\u{202E}", ["an isolate"] = "\u{2066}", ["an Arabic letter mark"] = "\u{61C}",
  ["a line separator"] = "\u{2028}", ["a paragraph separator"] = "\u{2029}", ["a zero-width space"] = "\u{200B}",
  ["a zero-width joiner"] = "\u{200D}", ["a word joiner"] = "\u{2060}", ["a byte order mark"] = "\u{FEFF}",
  ["a soft hyphen"] = "\u{AD}", ["a tag"] = "\u{E0041}", ["a lone byte"] = "\xFF", ["a torn character"] = "\xE2\x82",
  ["a surrogate"] = "\xED\xA0\x80", ["an overlong slash"] = "\xC0\xAF",
}
local HARMLESS = { "Grüße", "日本語", "naïve é", "emoji \u{1F600}", "عربي", "a b~!$%&'()" }

-- Whether a terminal would show all of it as it stands.
local function assert_seen(shown)
  assert.is_truthy(utf8.len(shown), "it is no UTF-8")
  for _, code in utf8.codes(shown) do
    local is_seen = code >= 0x20 and code ~= 0x7F and not (code >= 0x80 and code <= 0x9F) and code ~= 0xAD
      and code ~= 0x61C
      and not (code >= 0x200B and code <= 0x200F) and not (code >= 0x2028 and code <= 0x202E)
      and not (code >= 0x2060 and code <= 0x206F) and code ~= 0xFEFF and (code < 0xE0000 or code > 0xE0FFF)
    assert.is_true(is_seen or code == 10, ("U+%04X is in '%s'"):format(code, shown))
  end
end

it("A message with a name of 30,000 letters is worded at once: a server may list such names", function()
  for _, part in ipairs { "n", "nn ", "n.", "n:/", "@", "a1" } do
    local began = os.clock()
    local long = part:rep(30000 // #part)
    assert.equal("get '" .. long .. "' on smb://nas/backup", text.message("get '" .. long .. "' on smb://nas/backup"))
    assert.is_true(os.clock() - began < 3, part) -- of the processor's time; it took ten
  end
end)

describe("text for people", function()
  for name, trick in pairs(TRICKS) do
    it("does not show " .. name, function()
      local shown = text.plain("a" .. trick .. "z")
      assert_seen(shown)
      assert.matches("^a%?.*z$", shown)
    end)

    it("in JSON has " .. name .. " escaped, and brings it back", function()
      local document = text.json("a" .. trick .. "z")
      assert_seen(document)
      local back = json.decode(document)
      if utf8.len(trick) then return assert.equal("a" .. trick .. "z", back) end
      assert.matches("^a%?+z$", (back:gsub("\u{FFFD}", "?")))
    end)
  end

  it("shows what is harmless", function()
    for _, each in ipairs(HARMLESS) do
      assert.equal(each, text.plain(each))
      assert.equal('"' .. each .. '"', text.json(each))
    end
  end)

  it("is as long as a torn text of any bytes, and always UTF-8", function()
    for seed = 1, 2000 do
      local bytes = {}
      for i = 1, 12 do bytes[i] = string.char((seed * 7919 + i * i * 104729 + seed * i * 31) % 256) end
      local all = table.concat(bytes)
      assert_seen(text.plain(all))
      assert.is_truthy(utf8.len(json.decode(cli.json { all })[1]))
    end
  end)

  it("shows neither user nor password of a URL that stands where none belongs", function()
    for _, url in ipairs { "smb://bob:s3cret@nas/x", "CIFS://bob:a/s3cret@nas/x",
      "smb://nas/x?auth-password=s3cret&verify=none", "https://s3cret@host/" } do
      assert.is_nil(text.message("put '" .. url .. "' on smb://nas/backup: no"):find("s3cret", 1, true))
    end
  end)
end)

describe("what people see", function()
  local srv, dest, dir

  setup(function()
    srv = server.start { log_level = "0" }
    dir = files.directory()
    dest = assert(smb.open(srv:url "backup"))
  end)

  teardown(function()
    dest:close()
    srv:stop()
    files.remove(dir)
  end)

  before_each(function() shell.check(("find %s %s -mindepth 1 -delete"):format(dir, srv:path "backup")) end)

  local function run(...)
    local words = { "env", ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(HERE, HERE),
      ("LUA_CPATH_5_4=%s/?.so;;"):format(BUILD), HERE .. "/bin/lua-smb", ... }
    local _, said = shell.run(words)
    return said
  end

  for name, trick in pairs(TRICKS) do
    it(("of %s in local paths and in names is harmless"):format(name), function()
      local bad = dir .. "/a" .. trick .. "z"
      for _, call in ipairs { { "put", bad }, { "stat", "a" .. trick .. "z" }, { "put_tree", bad, "x" },
        { "get", "nothing", bad .. "/x" }, { "get_tree", "", bad .. "/x" } } do
        local result, message = dest[call[1]](dest, table.unpack(call, 2))
        if not result then assert_seen(message) end
      end
      assert_seen(run("put", srv:url "backup", bad))
      assert_seen(run("put", srv:url "backup", bad, "--json"))
      assert_seen(run("stat", srv:url "backup", "a" .. trick .. "z"))
      assert_seen(run("list", srv:url "backup", "--no-such" .. trick))
      for _, wrong in ipairs {
        function() dest:submit(bad) end, function() dest[bad] = 1 end, function() dest.options[bad] = 1 end,
        function() dest:open("x", bad) end, function() dest:put(bad, "x", { [bad] = 1 }) end,
        function() error(tostring(smb.command { bad })) end,
      } do
        local ok, raised = pcall(wrong)
        assert.is_false(ok)
        assert_seen(raised)
      end
      local _, message = smb.open(srv:url "backup", { credentials_file = bad })
      assert_seen(message)
    end)
  end

  it("of names on the share is harmless in listings, and exact in JSON", function()
    local expected = {}
    for name, trick in pairs(TRICKS) do
      if utf8.len(trick) and not trick:find "%c" then
        expected["a" .. trick .. name] = true
        files.write(srv:path("backup", "a" .. trick .. name), "x")
      end
    end
    assert.is_truthy(next(expected))
    for _, flags in ipairs { {}, { "--recursive" } } do
      assert_seen(run("list", srv:url "backup", table.unpack(flags)))
      flags[#flags + 1] = "--json"
      local said = run("list", srv:url "backup", table.unpack(flags))
      assert_seen(said)
      local found = {}
      for _, entry in ipairs(json.decode(said)) do found[entry.name] = true end
      assert.same(expected, found)
    end
    assert_seen(tostring(dest:list()))
    for entry in dest:dir() do
      assert_seen(tostring(entry))
      local file <close> = assert(dest:open(entry.name))
      assert_seen(tostring(file))
    end
  end)
end)
