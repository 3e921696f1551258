local lfs = require "lfs"
local options = require "smb.options"
local credentials = require "smb.credentials"

local function place(more)
  local fields = { server = "nas", share = "backup" }
  for key, value in pairs(more or {}) do fields[key] = value end
  return fields
end

local function refusal(more)
  local fields, message = options.check(place(more))
  assert.is_nil(fields)
  return message
end

describe("the table of options", function()
  it("finds each row by field name and by URL spelling", function()
    for _, row in ipairs(options.list) do
      assert.equal(row, options.by_name[row.name])
      if row.url then assert.equal(row, options.by_url[row.url]) end
    end
  end)

  it("tells of every row what documentation and command line need", function()
    for _, row in ipairs(options.list) do
      assert.matches("^%l[%l_]*$", row.name)
      assert.matches("^%S.*%S$", row.help)
      assert.is_nil(row.help:find("\n"))
      assert.is_true(row.type ~= "choice" or #row.choices > 1)
    end
  end)

  it("has only defaults that pass its own checks", function()
    for _, row in ipairs(options.list) do
      if row.default ~= nil then assert.equal(row.default, options.check_value(row.name, row.default)) end
    end
  end)

  it("lets buffer sizes, timeouts, retries, on_retry and verify be assigned, and nothing else", function()
    local live = {}
    for _, row in ipairs(options.list) do
      if row.live then live[#live + 1] = row.name end
    end
    assert.same({
      "read_buffer_size", "write_buffer_size", "short_timeout", "list_timeout", "read_write_timeout",
      "total_timeout", "retries", "retry_delay", "on_retry", "verify",
    }, live)
  end)

  it("knows one secret", function()
    for _, row in ipairs(options.list) do
      assert.equal(row.name == "password", row.secret == true)
    end
  end)
end)

describe("options.check", function()
  it("fills in the defaults in a new table and leaves the given one alone", function()
    local given = place()
    local fields, warnings = options.check(given)
    assert.same({
      server = "nas", share = "backup", path = "", anonymous = false, kerberos = "off", transport = "directtcp",
      dfs = "on", confinement = "on", min_protocol = "SMB2_02", max_protocol = "SMB3_11", signing = "default",
      encryption = "default",
      short_timeout = 30, list_timeout = 600, read_write_timeout = 30, connections = 8,
      retries = 5, retry_delay = 0.5, verify = "size",
    }, fields)
    assert.same({}, warnings)
    assert.same(place(), given)
  end)

  it("takes what it returned", function()
    local fields = assert(options.check(place { read_buffer_size = "1M", username = "bob", port = 4450.0 }))
    assert.same(fields, (options.check(fields)))
  end)

  it("wants a server and a share", function()
    local _, message = options.check { share = "backup" }
    assert.equal("no server is given", message)
    _, message = options.check { server = "nas" }
    assert.equal("no share is given", message)
  end)

  it("refuses what is no table", function()
    local fields, message = options.check("nas")
    assert.is_nil(fields)
    assert.equal("fields must be a table, not a string", message)
  end)

  describe("refuses the unknown name", function()
    local nearest = {
      read_bufer_size = "read_buffer_size", ["read-buffer-size"] = "read_buffer_size", Server = "server",
      ["auth-username"] = "username", pasword = "password", encrytpion = "encryption", min_protokol = "min_protocol",
    }
    for word, meant in pairs(nearest) do
      it(word .. " and means " .. meant, function()
        assert.equal(("unknown option '%s' (did you mean '%s'?)"):format(word, meant), refusal { [word] = 1 })
      end)
    end

    it("that is like none, without a guess", function()
      assert.equal("unknown option 'gid'", refusal { gid = 1 })
    end)

    it("that is no string", function()
      assert.equal("options have names, but one is a number", refusal { "smb://bob:s3cret@nas/backup" })
    end)

    it("that is long or strange, without repeating it", function()
      assert.is_true(#refusal { [("x"):rep(100000)] = 1 } < 100)
      assert.equal("unknown option 'a...'", refusal { ["a\0b\n"] = 1 })
    end)
  end)

  describe("of texts", function()
    it("refuses wrong types", function()
      for _, field in ipairs { "server", "share", "path", "username", "password", "domain", "ccache" } do
        assert.matches("must be a string, not a number", refusal { [field] = 7 }, 1, true)
        assert.matches("must be a string, not a table", refusal { [field] = {} }, 1, true)
      end
    end)

    it("refuses a NUL in any of them", function()
      for _, row in ipairs(options.list) do
        if row.type == "text" then
          assert.matches("holds a NUL", refusal { [row.name] = "a\0b" }, 1, true)
        end
      end
    end)

    it("refuses credentials over 255 bytes and takes them up to that", function()
      for _, field in ipairs { "username", "password", "domain" } do
        assert.equal(("option '%s' is longer than 255 bytes"):format(field), refusal { [field] = ("x"):rep(256) })
        assert.equal(255, #assert(options.check(place { [field] = ("x"):rep(255) }))[field])
      end
    end)

    it("refuses credentials that are no UTF-8", function()
      for _, field in ipairs { "username", "password", "domain" } do
        assert.matches("not valid UTF-8", refusal { [field] = "gr\xFCn" }, 1, true)
      end
    end)

    it("refuses an empty username and says what a logon without a name is", function()
      assert.matches("anonymous = true", refusal { username = "" }, 1, true)
    end)

    it("keeps an empty password and takes an empty domain for none", function()
      local fields = assert(options.check(place { username = "bob", password = "", domain = "" }))
      assert.equal("", fields.password)
      assert.is_nil(fields.domain)
    end)

    it("never shows a password", function()
      for _, bad in ipairs { "s3cret\0", "s3cret\xFF", ("s3cret"):rep(50) } do
        assert.not_matches("s3cret", refusal { password = bad }, 1, true)
      end
    end)
  end)

  describe("of servers", function()
    local good = {
      nas = "nas", ["NAS.example.org"] = "nas.example.org", ["192.0.2.7"] = "192.0.2.7", ["::1"] = "::1",
      ["[::1]"] = "::1", ["2001:DB8::A"] = "2001:db8::a", ["1:2:3:4:5:6:7:8"] = "1:2:3:4:5:6:7:8", ["::"] = "::",
      ["1::"] = "1::", ["::ffff:192.0.2.7"] = "::ffff:192.0.2.7", ["fe80::1%Eth0"] = "fe80::1%Eth0",
      ["my_nas-2."] = "my_nas-2.", ["bücher.example"] = "bücher.example",
    }
    for given, kept in pairs(good) do
      it("takes " .. given, function()
        assert.equal(kept, options.check_value("server", given))
      end)
    end

    local bad = {
      "", ".", "..", "a..b", "na s", "nas\n", "nas\127", "nas/share", "nas\\share", "bob@nas", "nas:445", "[nas]",
      "[::1", "::1]", "nas?", "nas#", "n%61s", "1:2", "1:2:3:4:5:6:7", "1::2::3", ":::", "::12345", "::1.2.3",
      "::1.2.3.256",
      "1.2.3.4::", "::g", "fe80::1%", "fe80::1%a/b", ("x"):rep(256), "n\xFFas",
    }
    for _, given in ipairs(bad) do
      it(("refuses %q"):format(#given > 20 and "a name of 256 bytes" or given), function()
        assert.matches("^option 'server' ", refusal { server = given })
      end)
    end
  end)

  describe("of shares", function()
    for _, given in ipairs {
      "", ".", "..", "a/b", "a\\b", "a\nb", "a:b", "a*", "a?", 'a"', "<a", "a>", "a|b", "\xFF",
    } do
      it(("refuses %q"):format(given), function()
        assert.matches("^option 'share' ", refusal { share = given })
      end)
    end

    it("keeps case, spaces and a dollar sign", function()
      assert.equal("My Share$", options.check_value("share", "My Share$"))
    end)
  end)

  describe("of paths", function()
    it("collapses slashes", function()
      assert.equal("a/b", options.check_value("path", "//a///b/"))
      assert.equal("", options.check_value("path", "/"))
    end)

    for _, given in ipairs { "..", "a/../b", "./a", "a\\b", "a\n", "a./b", "a ", "con", "\xFF", "/../a" } do
      it(("refuses %q"):format(given), function()
        assert.matches("^option 'path' is not usable: ", refusal { path = given })
      end)
    end
  end)

  describe("of sizes", function()
    local good = {
      [65536] = 65536, ["65536"] = 65536, ["64k"] = 65536, ["64K"] = 65536, ["64KiB"] = 65536,
      ["1M"] = 1048576, ["1m"] = 1048576, ["8MiB"] = 8388608, [2 ^ 62] = 1 << 62,
      ["9223372036854775807"] = math.maxinteger, ["9007199254740991k"] = 9007199254740991 << 10,
    }
    for given, kept in pairs(good) do
      it(("takes %s %s"):format(type(given), given), function()
        local size = options.check_value("read_buffer_size", given)
        assert.equal(kept, size)
        assert.equal("integer", math.type(size))
      end)
    end

    local bad = {
      -1, 0 / 0, 1 / 0, -1 / 0, 1.5, 2 ^ 63, 2 ^ 64, math.mininteger, true, {}, print, "", "k", "-1", "1.5M", "64 k",
      " 64k", "64kB", "64x", "0x10", "1e6", "9223372036854775808", "9007199254740992k", "8796093022208M",
      "18014398509481985k",
      ("9"):rep(400), "nan", "inf", "64k\n",
    }
    for _, given in ipairs(bad) do
      it(("refuses %s %s"):format(type(given), tostring(given):sub(1, 30):gsub("0x%x+", "...")), function()
        assert.matches("^option 'read_buffer_size' must be a size in bytes", refusal { read_buffer_size = given })
      end)
    end

    it("keeps floats of integer value as integers", function()
      assert.equal("integer", math.type(options.check_value("read_buffer_size", 65536.0)))
      assert.equal("integer", math.type(options.check_value("short_timeout", 30.0)))
      assert.equal("integer", math.type(options.check_value("port", 445.0)))
    end)

    it("leaves out buffer sizes below 10000 with a warning each", function()
      local fields, warnings = options.check(place { read_buffer_size = 9999, write_buffer_size = "4k" })
      assert.is_nil(fields.read_buffer_size)
      assert.is_nil(fields.write_buffer_size)
      assert.same({
        "read_buffer_size = 9999 is ignored: it is below 10000 bytes",
        "write_buffer_size = 4096 is ignored: it is below 10000 bytes",
      }, warnings)
    end)

    it("keeps a buffer size of 10000 without a warning", function()
      local fields, warnings = options.check(place { read_buffer_size = 10000 })
      assert.equal(10000, fields.read_buffer_size)
      assert.same({}, warnings)
    end)
  end)

  describe("of times", function()
    local good = {
      [30] = 30, [0.5] = 0.5, ["30"] = 30, ["30s"] = 30, ["1.5"] = 1.5, ["0.25s"] = 0.25, ["10m"] = 600,
      ["1h"] = 3600, ["1.5h"] = 5400, ["500ms"] = 0.5, ["2000ms"] = 2, [1e9] = 1000000000,
    }
    for given, kept in pairs(good) do
      it(("takes %s %s"):format(type(given), given), function()
        local seconds = options.check_value("short_timeout", given)
        assert.equal(kept, seconds)
        assert.equal(math.type(kept), math.type(seconds))
      end)
    end

    local bad = {
      0, -1, 0 / 0, 1 / 0, -1 / 0, 1e10, 1e-4, true, {}, "", "s", "0", "-5s", "soon", "1d", "10 m", "1e3", "0x10",
      "0ms", "1.5.2", ("9"):rep(400),
    }
    for _, given in ipairs(bad) do
      it(("refuses %s %s"):format(type(given), tostring(given):sub(1, 30):gsub("0x%x%x%x+", "...")), function()
        assert.matches("^option 'short_timeout' must be a time in seconds", refusal { short_timeout = given })
      end)
    end
  end)

  describe("of choices", function()
    local choices = {
      transport = { "directtcp", "netbios" }, signing = { "default", "desired", "required", "off" },
      encryption = { "default", "off", "desired", "required" }, kerberos = { "off", "desired", "required" },
      verify = { "size", "none" },
    }
    for field, values in pairs(choices) do
      it("takes those of " .. field .. " and no other", function()
        for _, value in ipairs(values) do assert.equal(value, options.check_value(field, value)) end
        for _, value in ipairs { "", "x", values[1]:upper(), 1, true, {} } do
          assert.matches(("^option '%s' must be '"):format(field), refusal { [field] = value })
        end
      end)
    end

    it("says which there are", function()
      assert.equal("option 'kerberos' must be 'off', 'desired' or 'required', not 'on'", refusal { kerberos = "on" })
    end)
  end)

  describe("of ports and booleans", function()
    it("takes whole ports from 1 to 65535", function()
      for _, port in ipairs { 1, 445, 65535, 4450.0 } do assert.equal(port, options.check_value("port", port)) end
      for _, port in ipairs { 0, -1, 65536, 1.5, 0 / 0, 1 / 0, "445", true } do
        assert.matches("^option 'port' must be a whole number from 1 to 65535", refusal { port = port })
      end
    end)

    it("takes true and false for anonymous and nothing like it", function()
      assert.is_false(options.check_value("anonymous", false))
      assert.is_true(options.check_value("anonymous", true))
      for _, value in ipairs { 1, 0, "true", "no", {} } do
        assert.matches("^option 'anonymous' must be true or false", refusal { anonymous = value })
      end
    end)

    it("reads both from text where only text can be", function()
      assert.equal(445, options.check_text("port", "445"))
      local words = { ["true"] = true, yes = true, ["1"] = true, ["false"] = false, no = false, ["0"] = false }
      for text, value in pairs(words) do
        assert.equal(value, options.check_text("anonymous", text))
      end
      assert.is_nil(options.check_text("anonymous", "TRUE"))
      assert.is_nil(options.check_text("port", "0x1"))
    end)
  end)

  describe("of fields together", function()
    it("refuses netbios with another port than 139, and says why", function()
      assert.matches("libsmbclient before 4.23", refusal { transport = "netbios", port = 445 }, 1, true)
      assert.equal(139, assert(options.check(place { transport = "netbios", port = 139 })).port)
    end)

    it("refuses directtcp with port 139, and says why", function()
      assert.matches("NetBIOS there", refusal { port = 139 }, 1, true)
    end)

    it("knows the port that a transport means", function()
      assert.equal(445, options.port(assert(options.check(place()))))
      assert.equal(139, options.port(assert(options.check(place { transport = "netbios" }))))
      assert.equal(4450, options.port(assert(options.check(place { port = 4450 }))))
    end)

    it("refuses a lowest dialect above the highest", function()
      assert.equal("min_protocol 'SMB3_11' is above max_protocol 'SMB2_10'",
        refusal { min_protocol = "SMB3_11", max_protocol = "SMB2_10" })
      assert.truthy(options.check(place { min_protocol = "SMB3_00", max_protocol = "SMB3_00" }))
      assert.truthy(options.check(place { min_protocol = "NT1", max_protocol = "NT1" }))
    end)

    it("refuses a name for a logon without one", function()
      for _, field in ipairs { "username", "password", "credentials_file" } do
        assert.equal(("anonymous and %s exclude each other"):format(field),
          refusal { anonymous = true, [field] = "s3cret" })
      end
      for _, kerberos in ipairs { "desired", "required" } do
        assert.equal("anonymous and kerberos exclude each other", refusal { anonymous = true, kerberos = kerberos })
      end
      assert.truthy(options.check(place { anonymous = false, username = "bob" }))
    end)
  end)
end)

describe("options.check_value", function()
  it("names the option in what it says", function()
    local value, message = options.check_value("read_buffer_size", "lots")
    assert.is_nil(value)
    assert.matches("^option 'read_buffer_size' must be .*, not 'lots'$", message)
  end)

  it("refuses nil and unknown names", function()
    assert.is_nil(options.check_value("short_timeout", nil))
    local value, message = options.check_value("short_timout", 1)
    assert.is_nil(value)
    assert.equal("unknown option 'short_timout' (did you mean 'short_timeout'?)", message)
  end)
end)

describe("options.ignored", function()
  it("warns of buffer sizes below 10000 only", function()
    assert.equal("write_buffer_size = 0 is ignored: it is below 10000 bytes", options.ignored("write_buffer_size", 0))
    assert.is_nil(options.ignored("write_buffer_size", 10000))
    assert.is_nil(options.ignored("write_buffer_size", nil))
    assert.is_nil(options.ignored("short_timeout", 1))
    assert.is_nil(options.ignored("what", 1))
  end)
end)

describe("options.nearest", function()
  local known = { "overwrite", "parents", "progress", "verify" }

  it("finds what was meant", function()
    for word, meant in pairs { overwite = "overwrite", parent = "parents", Progress = "progress", verfiy = "verify" } do
      assert.equal(meant, options.nearest(word, known))
    end
  end)

  it("guesses nothing for a word like none", function()
    for _, word in ipairs { "", "x", "resume", ("overwrite"):rep(20) } do
      assert.is_nil(options.nearest(word, known))
    end
    assert.is_nil(options.nearest("overwrite", {}))
  end)
end)

describe("options.check_opts", function()
  local allowed = { overwrite = "boolean", progress = "function", size = "integer", verify = { "size", "none" } }

  it("takes nil, an empty table and right values", function()
    assert.is_true(options.check_opts(nil, allowed))
    assert.is_true(options.check_opts({}, allowed))
    assert.is_true(options.check_opts({ overwrite = false, progress = print, size = 1, verify = "none" }, allowed))
  end)

  local bad = {
    { "x", "options must be a table, not a string" },
    { { overwite = true }, "unknown option 'overwite' (did you mean 'overwrite'?)" },
    { { gid = 7 }, "unknown option 'gid'" },
    { { true }, "options have names, but one is a number" },
    { { overwrite = 1 }, "option 'overwrite' must be a boolean, not a number" },
    { { progress = {} }, "option 'progress' must be a function, not a table" },
    { { size = 1.5 }, "option 'size' must be an integer, not a number" },
    { { verify = "sha1" }, "option 'verify' must be 'size' or 'none', not 'sha1'" },
  }
  for _, case in ipairs(bad) do
    it("says: " .. case[2], function()
      local ok, message = options.check_opts(case[1], allowed)
      assert.is_nil(ok)
      assert.equal(case[2], message)
    end)
  end
end)

describe("credentials.read", function()
  local path

  local function write(text, mode)
    local file = assert(io.open(path, "wb"))
    assert(file:write(text))
    assert(file:close())
    assert(os.execute(("chmod %s '%s'"):format(mode or "600", path)))
  end

  local function refused()
    local found, message = credentials.read(path)
    assert.is_nil(found)
    assert.not_matches("s3cret", message, 1, true)
    assert.matches(path, message, 1, true)
    return message
  end

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  it("reads the lines that mount.cifs reads", function()
    write("username=bob\npassword=s3cret\ndomain=CORP\n")
    assert.same({ username = "bob", password = "s3cret", domain = "CORP" }, credentials.read(path))
  end)

  it("keeps a value to the end of its line", function()
    write("  username=bob smith\r\n# password=no\n\n\t \n\tpassword= a=b #c \t")
    assert.same({ username = "bob smith", password = " a=b #c \t" }, credentials.read(path))
  end)

  it("knows the short keys, in any case", function()
    write("\u{FEFF}USER=bob\nPass=\ndom=\n")
    assert.same({ username = "bob", password = "" }, credentials.read(path))
  end)

  it("reads an empty file as no credentials", function()
    write("")
    assert.same({}, credentials.read(path))
  end)

  it("refuses a file that group or others can read", function()
    for _, mode in ipairs { "640", "604", "644", "440" } do
      write("password=s3cret\n", mode)
      assert.matches("can be read by others", refused(), 1, true)
    end
  end)

  it("takes a file that only its owner can read", function()
    for _, mode in ipairs { "600", "400", "700" } do
      os.remove(path)
      write("username=bob\n", mode)
      assert.same({ username = "bob" }, credentials.read(path))
    end
  end)

  local bad = {
    { "username=bob\ns3cret\n", "line 2: begins with none of" },
    { "s3cret=bob\n", "line 1: begins with none of" },
    { "password=s3cret\n\npassword=s3cret\n", "line 3: password is given twice" },
    { "password=s3cret\0\n", "line 1: password holds a NUL" },
    { "password=" .. ("s3cret"):rep(50), "line 1: password is longer than 255 bytes" },
    { "password=s3cret\xFF", "line 1: password is not valid UTF-8" },
    { "username=\n", "line 1: username is empty" },
    { ("#s3cret\n"):rep(9000), "longer than 65536 bytes" },
  }
  for _, case in ipairs(bad) do
    it("refuses a file where " .. case[2], function()
      write(case[1])
      assert.matches(case[2], refused(), 1, true)
    end)
  end

  it("refuses what is no regular file, and says when it is not there", function()
    os.remove(path)
    assert.matches("is not there", refused(), 1, true)
    assert(lfs.mkdir(path))
    assert.matches("no regular file", refused(), 1, true)
    assert(lfs.rmdir(path))
    assert(os.execute(("mkfifo -m 600 '%s'"):format(path)))
    assert.matches("no regular file", refused(), 1, true)
  end)
end)
