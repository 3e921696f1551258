local core = require "smb.core"
local name = require "smb.name"

local function units(text)
  local count = 0
  for _, code in utf8.codes(text) do count = count + (code > 0xFFFF and 2 or 1) end
  return count
end

describe("name.check", function()
  describe("takes", function()
    local good = {
      "", "a", "a/b/c", "etc.tar.zst", ".hidden", "..a", "a..b", "...a", " a", "a b", "a;b,c=d+e[1]{2}(3)!@#$%^&'`~-_",
      "Müller/Straße", "日本語.txt", "\u{1F4BE}", "\u{10FFFF}", "a\u{85}b",
      "console", "con1", "nul_", "xnul", "a.nul", "com", "com10", "lpt", "prn2", "auxiliary", "COM¹x", " nul", "conin",
      "nulls/content/computer", "a/config.sys",
      ("a"):rep(255), ("ü"):rep(255), ("\u{1F4BE}"):rep(127) .. "a", ("a"):rep(255) .. "/" .. ("日"):rep(255),
      ("a/"):rep(16379) .. "ab",
    }
    for _, text in ipairs(good) do
      it(("%q"):format(#text > 40 and text:sub(1, 10) .. "... of " .. #text .. " bytes" or text), function()
        local ok, reason = name.check(text)
        assert.is_nil(reason)
        assert.is_true(ok)
      end)
    end
  end)

  describe("refuses", function()
    local bad = {
      { "..", "'..'" }, { ".", "'.'" }, { "a/..", "'..'" }, { "../a", "'..'" }, { "a/../b", "'..'" },
      { "a/./b", "'.'" },
      { "/", "begin with a slash" }, { "/a", "begin with a slash" }, { "a/", "end in a slash" },
      { "a//b", "empty part" }, { "//", "slash" },
      { "a.", "end in a dot" }, { "a./b", "end in a dot" }, { "...", "end in a dot" }, { "ü.", "end in a dot" },
      { "a ", "end in a space" }, { "a /b", "end in a space" }, { " ", "end in a space" }, { "ü /b", "end in a space" },
      { "a\0", "NUL" }, { "\0", "NUL" }, { "a/b\0c", "NUL" }, { "ü\0", "NUL" },
      { "\xFF", "UTF-8" }, { "a/\xC3", "UTF-8" }, { "\xC0\xAF", "UTF-8" }, { "\xED\xA0\x80", "UTF-8" },
      { "\xF4\x90\x80\x80", "UTF-8" }, { "\xE0\x80\xAF", "UTF-8" },
      { ("a"):rep(256), "255 UTF-16 units" }, { "a/" .. ("ü"):rep(256), "255 UTF-16 units" },
      { ("\u{1F4BE}"):rep(128), "255 UTF-16 units" },
      { ("a/"):rep(16380) .. "a", "32760 UTF-16 units" },
    }
    for _, character in ipairs { "\\", ":", "*", "?", '"', "<", ">", "|" } do
      bad[#bad + 1] = { "a" .. character .. "b", "character " .. character }
      bad[#bad + 1] = { "ü/" .. character, "character " .. character }
    end
    for _, case in ipairs(bad) do
      local text, piece = case[1], case[2]
      it(("%q"):format(#text > 40 and text:sub(1, 10) .. "... of " .. #text .. " bytes" or text), function()
        local ok, reason = name.check(text)
        assert.is_nil(ok)
        assert.matches(piece, reason, 1, true)
      end)
    end

    it("every control character", function()
      for code = 0, 31 do assert.is_nil(name.check("a" .. string.char(code) .. "b")) end
      assert.is_nil(name.check("a\127b"))
    end)

    it("Windows' device names, in any case and with any extension", function()
      local devices = { "con", "prn", "aux", "nul", "conin$", "conout$" }
      for _, port in ipairs { "com", "lpt" } do
        for _, digit in ipairs { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "¹", "²", "³" } do
          devices[#devices + 1] = port .. digit
        end
      end
      for _, device in ipairs(devices) do
        for _, shape in ipairs { "%s", "a/%s", "%s/a", "%s.txt", "%s.tar.gz", "%s  .txt", "ü/%s.ü" } do
          for _, spelling in ipairs { device, device:upper(), device:sub(1, 1):upper() .. device:sub(2) } do
            local text = shape:gsub("%%s", (spelling:gsub("%%", "%%%%")))
            local ok, reason = name.check(text)
            assert(ok == nil, text)
            assert.matches("device on Windows", reason, 1, true)
          end
        end
      end
    end)

    it("what is no string", function()
      for _, value in ipairs { 7, true, {}, print } do
        local ok, reason = name.check(value)
        assert.is_nil(ok)
        assert.equal("a name must be a string, not a " .. type(value), reason)
      end
      assert.is_nil(name.check(nil))
    end)
  end)

  it("judges short plain names as it judges all others", function()
    -- A non-ASCII first part takes the name past the short cut; what follows must fare the same.
    math.randomseed(4, 5)
    local tokens = { "/", ".", " ", "a", "nul", "CON", "com1", "x", "\\", ":", "\n", "-", "txt", "aux" }
    for _ = 1, 20000 do
      local pieces = {}
      for i = 1, math.random(6) do pieces[i] = tokens[math.random(#tokens)] end
      local text = table.concat(pieces)
      if text:sub(1, 1) ~= "/" then
        assert(name.check(text) == name.check("ü/" .. text), text)
      end
    end
  end)

  it("never raises, whatever the bytes", function()
    math.randomseed(1, 2)
    for _ = 1, 20000 do
      local bytes = {}
      for i = 1, math.random(0, 20) do bytes[i] = string.char(math.random(0, 255)) end
      local ok, verdict, reason = pcall(name.check, table.concat(bytes))
      assert.is_true(ok)
      assert.is_true(verdict == true or verdict == nil and type(reason) == "string")
    end
  end)
end)

describe("taking names apart and together", function()
  it("joins, and adds nothing for the path itself", function()
    assert.equal("a/b", name.join("a", "b"))
    assert.equal("a/b/c", name.join("a", "b/c"))
    assert.equal("b", name.join("", "b"))
    assert.equal("a", name.join("a", ""))
    assert.equal("", name.join("", ""))
  end)

  it("finds folder and last part, which join to the name again", function()
    local cases = { ["a/b/c"] = { "a/b", "c" }, ["a/b"] = { "a", "b" }, a = { "", "a" } }
    for text, parts in pairs(cases) do
      assert.equal(parts[1], name.parent(text))
      assert.equal(parts[2], name.base(text))
      assert.equal(text, name.join(name.parent(text), name.base(text)))
    end
  end)

  it("knows nothing above the path itself", function()
    assert.is_nil(name.parent(""))
    assert.equal("", name.base(""))
  end)
end)

describe("temporary and aside names", function()
  local random = "0badcafe"

  it("stand beside their target", function()
    assert.equal("etc.tar.0badcafe.part", name.temporary("etc.tar", random))
    assert.equal("a/b/etc.tar.0badcafe.part", name.temporary("a/b/etc.tar", random))
    assert.equal("a/b/etc.tar.0badcafe.aside", name.aside("a/b/etc.tar", random))
  end)

  describe("of long names", function()
    local long = {
      ("a"):rep(255), ("a"):rep(241), ("a"):rep(242), ("ü"):rep(127), ("ü"):rep(128), ("ü"):rep(255), ("日"):rep(85),
      ("日"):rep(255), ("\u{1F4BE}"):rep(63), ("\u{1F4BE}"):rep(127), "a" .. ("\u{1F4BE}"):rep(127),
      ("a"):rep(240) .. "\u{1F4BE}", ("."):rep(240) .. "abc", ("a "):rep(120) .. ("b"):rep(15),
    }
    for _, text in ipairs(long) do
      for _, kind in ipairs { "temporary", "aside" } do
        it(("%s: %s... of %d bytes stays within what its target's folder can hold"):format(kind,
          text:match(utf8.charpattern), #text), function()
          assert(name.check(text))
          local part = name.base(name[kind]("folder/" .. text, random))
          assert.is_true(name.check(part))
          assert.is_true(units(part) <= units(text))
          assert.is_true(#part <= #text)
          assert.is_true(name.is_temporary(part))
          -- nobody can tell whose it is
          assert.same({ kind == "aside" and "aside" or "part" }, { name.parse_temporary(part) })
          assert.equal(text:sub(1, 48), part:sub(1, 48))
        end)
      end
    end

    it("lose no more than they must", function()
      assert.equal(("a"):rep(241) .. "~0badcafe.part", name.temporary(("a"):rep(255), random))
      assert.equal(("ü"):rep(241) .. "~0badcafe.part", name.temporary(("ü"):rep(255), random))
      assert.equal(("ü"):rep(113) .. "~0badcafe.part", name.temporary(("ü"):rep(127), random))
      assert.equal(("\u{1F4BE}"):rep(120) .. "~0badcafe.part", name.temporary(("\u{1F4BE}"):rep(127), random))
      assert.equal(("a"):rep(50) .. ".0badcafe.part", name.temporary(("a"):rep(50), random))
      assert.equal(("a"):rep(50) .. "~0badcafe.part", name.temporary(("a"):rep(51), random))
    end)

    it("are never longer than their target, nor than what every server takes", function()
      for length = 1, 255 do
        for _, letter in ipairs { "a", "ü", "日", "\u{1F4BE}" } do
          local text = letter:rep(length)
          if name.check(text) then
            for _, kind in ipairs { "temporary", "aside" } do
              local part = name[kind](text, random)
              assert.is_true(#part <= math.max(#text, 64) and units(part) <= math.max(units(text), 64))
              local _, target = name.parse_temporary(part)
              assert.is_true(target == nil or target == text)
              assert.equal(#text + #".0badcafe." + (kind == "aside" and 5 or 4) <= 64, target ~= nil)
            end
          end
        end
      end
    end)
  end)

  it("of earlier versions are taken apart as ever", function()
    assert.same({ "aside", "x/etc.tar" }, { name.parse_temporary "x/etc.tar.0badcafe.aside" })
    assert.same({ "part", ("n"):rep(200) }, { name.parse_temporary(("n"):rep(200) .. ".0badcafe.part") })
    assert.same({ "aside" }, { name.parse_temporary(("n"):rep(240) .. ".0badcafe.aside") })
  end)

  it("are told from others", function()
    for _, text in ipairs {
      "a.0badcafe.part", "a.0BADCAFE.aside", "a~0badcafe.part", "x/a.b~01234567.aside", "x/a.b.01234567.part",
      ".0badcafe.0badcafe.part",
    } do
      assert.is_true(name.is_temporary(text))
    end
    for _, text in ipairs {
      "", "a", "a.part", ".0badcafe.part", "~0badcafe.part", "a-0badcafe.part",
      "x/.0badcafe.part", "a.0badcaf.part", "a.0badcafe9.part", "a.0badcafg.part",
      "a.0badcafe.parts", "a.0badcafe.part/b", "a.0badcafe.aside.gz", "a0badcafe.part", "a.0badcafe.PART",
    } do
      assert.is_false(name.is_temporary(text))
    end
  end)
end)

describe("names that are known", function()
  it("are those that are the same exactly, or else but for their case, however many there are", function()
    math.randomseed(12)
    local known, seen, all = core.name_index(), {}, {}
    local letters = { "a", "B", "ä", "Ö", "я", "\u{1F4BE}", "1", "ẞ", "\xff" }
    for _ = 1, 3000 do
      local text = ""
      for i = 1, math.random(6) do text = text .. letters[math.random(#letters)]:rep(i) end
      if math.random(2) == 1 then text = name.fold(text) end
      local folded = name.fold(text)
      local others = core.name_index_take(known, text)
      assert.equal(seen[folded] ~= nil, others ~= nil)
      for _, other in ipairs(others or {}) do assert.equal(folded, name.fold(other)) end
      seen[folded], all[text] = true, true
      assert.is_nil(core.name_index_find(core.name_index(), text))
      local found, how = core.name_index_find(known, text)
      assert.same({ text, "exact" }, { found.name, how })
    end
    local count = 0
    for _ in pairs(all) do count = count + 1 end
    assert.equal(count, core.name_index_count(known))
  end)

  it("tell how a name differs from the one that is there, and nothing where that is told apart there", function()
    local known = core.name_index()
    for _, text in ipairs { "Readme", "caf\u{E9}", "X", "x", "\u{B5}", "\u{3BC}" } do
      core.name_index_take(known, text)
    end
    local function found(text)
      local entry, how = core.name_index_find(known, text)
      return entry and { entry.name, how }
    end
    assert.same({ "Readme", "exact" }, found "Readme")
    assert.same({ "Readme", "case" }, found "README")
    assert.same({ "caf\u{E9}", "case" }, found "CAF\u{C9}")
    assert.same({ "caf\u{E9}", "form" }, found "cafe\u{301}")
    assert.same({ "caf\u{E9}", "both" }, found "CAFE\u{301}")
    assert.same({ "x", "exact" }, found "x")
    assert.same({ "\u{B5}", "exact" }, found "\u{B5}")
    assert.is_nil(found "\u{39C}") -- of both it is the capital
    assert.is_nil(found "\xff")
    core.name_index_see(known, "x")
    local unseen = {}
    for _, entry in core.name_index_unseen, known, 0 do unseen[#unseen + 1] = entry.name end
    assert.equal(5, #unseen)
  end)

  it("stay so when the module is loaded anew", function()
    local known = core.name_index()
    assert.is_nil(core.name_index_take(known, "ä"))
    package.loaded["smb.core"] = nil
    local again = require "smb.core"
    package.loaded["smb.core"] = core
    collectgarbage()
    collectgarbage()
    assert.same({ "ä" }, core.name_index_take(known, "Ä"))
    assert.equal(core.fold "ä", again.fold "Ä")
  end)
end)

it("names fold alike for certain where all servers know their letters", function()
  for _, pair in ipairs { { "File", "fILE" }, { "Ärger", "ärger" }, { "ПРИВЕТ", "привет" }, { "ΣΑΣ", "σας" },
    { "ÿ", "Ÿ" } } do
    assert.equal(name.fold_certain(pair[1]), name.fold_certain(pair[2]))
  end
  for _, pair in ipairs {
    { "\u{B5}", "\u{3BC}" }, { "\u{10D0}", "\u{1C90}" }, { "i", "\u{131}" }, { "s", "\u{17F}" }, { "é", "e\u{301}" },
  } do
    assert.not_equal(name.fold_certain(pair[1]), name.fold_certain(pair[2]))
  end
  assert.equal("A\xffB\xc3", name.fold_certain "a\xffb\xc3")
end)
