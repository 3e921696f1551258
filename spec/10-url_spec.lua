local url = require "smb.url"

local function without_defaults(fields)
  local options = require "smb.options"
  local said = {}
  for key, value in pairs(fields) do
    if options.by_name[key].default ~= value then said[key] = value end
  end
  return said
end

local function parsed(text)
  return without_defaults(assert(url.parse(text)))
end

local function refusal(text)
  local fields, message, code = url.parse(text)
  assert.is_nil(fields)
  assert.equal("invalid_url", code)
  return message
end

describe("url.parse", function()

  describe("reads", function()
    local good = {
      ["smb://nas/backup"] = { server = "nas", share = "backup" },
      ["smb://nas/backup/"] = { server = "nas", share = "backup" },
      ["smb://nas/backup?"] = { server = "nas", share = "backup" },
      ["smb://nas/backup/host1/etc"] = { server = "nas", share = "backup", path = "host1/etc" },
      ["cifs://nas/backup"] = { server = "nas", share = "backup" },
      ["SMB://nas/backup"] = { server = "nas", share = "backup" },
      ["smb:\\\\nas\\backup\\host1"] = { server = "nas", share = "backup", path = "host1" },
      ["smb://nas\\backup/host1\\etc"] = { server = "nas", share = "backup", path = "host1/etc" },
      ["smb://NAS.Example.ORG/BackUp/Host1"] = { server = "nas.example.org", share = "BackUp", path = "Host1" },
      ["smb://nas:4450/backup"] = { server = "nas", port = 4450, share = "backup" },
      ["smb://192.0.2.7/backup"] = { server = "192.0.2.7", share = "backup" },
      ["smb://[::1]/backup"] = { server = "::1", share = "backup" },
      ["smb://[2001:DB8::7]:4450/backup"] = { server = "2001:db8::7", port = 4450, share = "backup" },
      ["smb://[::ffff:192.0.2.7]/backup"] = { server = "::ffff:192.0.2.7", share = "backup" },
      ["smb://[fe80::1%25Eth0]/backup"] = { server = "fe80::1%Eth0", share = "backup" },
      ["smb://bob@nas/backup"] = { username = "bob", server = "nas", share = "backup" },
      ["smb://bob:@nas/backup"] = { username = "bob", password = "", server = "nas", share = "backup" },
      ["smb://bob:s3:cret@nas/backup"] = { username = "bob", password = "s3:cret", server = "nas", share = "backup" },
      ["smb://b@b:p@ss@nas/backup"] = { username = "b@b", password = "p@ss", server = "nas", share = "backup" },
      ["smb://CORP;bob:a;b@[::1]:1/backup"] =
        { domain = "CORP", username = "bob", password = "a;b", server = "::1", port = 1, share = "backup" },
      ["smb://;bob@nas/backup"] = { username = "bob", server = "nas", share = "backup" },
      ["smb://a+b:c+d@nas/backup"] = { username = "a+b", password = "c+d", server = "nas", share = "backup" },
      ["smb://nas/My%20Share$/M%C3%BCller/a+b"] = { server = "nas", share = "My Share$", path = "Müller/a+b" },
      ["smb://nas/backup/Müller's files"] = { server = "nas", share = "backup", path = "Müller's files" },
      ["smb://nas/backup///a//b\\/c//"] = { server = "nas", share = "backup", path = "a/b/c" },
      ["smb://nas/backup/100%25/%23%2B%26%3D"] = { server = "nas", share = "backup", path = "100%/#+&=" },
      ["smb://nas/backup?auth-username=a+b%2Bc&auth-password=%26+%3D=%3F&auth-domain=CORP"] =
        { server = "nas", share = "backup", username = "a b+c", password = "& ==?", domain = "CORP" },
      ["smb://nas/backup?ccache=FILE:/tmp/krb5?x\\y"] =
        { server = "nas", share = "backup", ccache = "FILE:/tmp/krb5?x\\y" },
      ["smb://nas/backup?&anonymous=yes&"] = { server = "nas", share = "backup", anonymous = true },
      ["smb://nas/backup?anonymous=0"] = { server = "nas", share = "backup" },
      -- As Duplicati writes and reads them.
      ["smb://nas/backup/host1%5Cetc%5c"] = { server = "nas", share = "backup", path = "host1/etc" },
      ["smb://nas/backup?transport=NetBIOS"] = { server = "nas", share = "backup", transport = "netbios" },
      ["smb://nas/backup?transport=DirectTCP&encryption=Required"] =
        { server = "nas", share = "backup", encryption = "required" },
      ["smb://nas/backup?auth-domain&auth-username=bob"] = { server = "nas", share = "backup", username = "bob" },
      ["smb://nas/backup?auth-domain=&transport=&read-buffer-size=&write-buffer-size"] = { server = "nas",
        share = "backup" },
      ["smb://nas/backup?transport=netbios"] = { server = "nas", share = "backup", transport = "netbios" },
      ["smb://nas:139/backup?transport=netbios"] =
        { server = "nas", share = "backup", transport = "netbios", port = 139 },
      ["smb://nas/backup?read-buffer-size=64k&write-buffer-size=8MiB&short-timeout=1h&list-timeout=500ms"] = {
        server = "nas", share = "backup", read_buffer_size = 65536, write_buffer_size = 8388608, short_timeout = 3600,
        list_timeout = 0.5,
      },
      ["smb://nas/backup?min-protocol=SMB3_00&max-protocol=SMB3_02&signing=required&encryption=desired"] = {
        server = "nas", share = "backup", min_protocol = "SMB3_00", max_protocol = "SMB3_02", signing = "required",
        encryption = "desired",
      },
      ["smb://nas/backup?kerberos=required&verify=none&credentials-file=/etc/backup.cred"] = {
        server = "nas", share = "backup", kerberos = "required", verify = "none",
        credentials_file = "/etc/backup.cred",
      },
    }
    for text, fields in pairs(good) do
      it(text, function() assert.same(fields, parsed(text)) end)
    end
  end)

  it("lets user, password and domain in the front win over the query's", function()
    local fields = parsed "smb://a;b:c@nas/backup?auth-username=x&auth-password=y&auth-domain=z"
    assert.same({ domain = "a", username = "b", password = "c", server = "nas", share = "backup" }, fields)
  end)

  it("takes from the query what the front leaves open", function()
    local fields = parsed "smb://bob@nas/backup?auth-password=y&auth-domain=z"
    assert.same({ domain = "z", username = "bob", password = "y", server = "nas", share = "backup" }, fields)
  end)

  it("fills in the defaults, and the path itself as an empty path", function()
    local fields = assert(url.parse "smb://nas/backup")
    assert.equal("", fields.path)
    assert.equal("directtcp", fields.transport)
    assert.equal("SMB2_02", fields.min_protocol)
    assert.equal(30, fields.short_timeout)
    assert.is_nil(fields.port)
  end)

  it("leaves out a buffer size below 10000 with a warning", function()
    local fields, warnings = url.parse "smb://nas/backup?read-buffer-size=9999&write-buffer-size=10000"
    assert.is_nil(fields.read_buffer_size)
    assert.equal(10000, fields.write_buffer_size)
    assert.equal(1, #warnings)
    assert.matches("read_buffer_size = 9999", warnings[1], 1, true)
  end)

  describe("refuses", function()
    local bad = {
      -- URL, a piece of the message
      { "", "smb://" }, { "nas", "smb://" }, { "\\\\nas\\backup", "smb://" }, { "http://nas/backup", "smb://" },
      { "smb:/nas/backup", "smb://" }, { " smb://nas/backup", "smb://" },
      { "smb://", "server is missing" }, { "smb:///backup", "server is missing" },
      { "smb://:445/backup", "server is missing" }, { "smb://bob@/backup", "server is missing" },
      { "smb://[]/backup", "only an IPv6 address" },
      { "smb://nas", "share is missing" }, { "smb://nas/", "share is missing" },
      { "smb://nas//backup", "share is missing" }, { "smb://nas?verify=none", "share is missing" },
      { "smb://nas/back#up", "written %23" }, { "smb://bob:p#w@nas/backup", "written %23" },
      { "smb://nas/backup?ccache=#", "written %23" },
      { "smb://nas/backup/a%2Fb", "encoded slash" },
      { "smb://nas/back%2Fup", "encoded slash" }, { "smb://nas/back%5Cup", "encoded slash" },
      { "smb://nas/backup/..", "'..'" }, { "smb://nas/backup/a/../b", "'..'" }, { "smb://nas/backup/./b", "'.'" },
      { "smb://nas/backup/%2e%2E/b", "'..'" }, { "smb://nas/..", "'..'" }, { "smb://nas/.", "'.'" },
      { "smb://nas/backup\\..\\b", "'..'" }, { "smb://nas/backup/a%5C..%5Cb", "'..'" },
      { "smb://nas/backup/a%", "hexadecimal" }, { "smb://nas/backup/%4", "hexadecimal" },
      { "smb://nas/backup/%zz", "hexadecimal" }, { "smb://nas/backup/%%41", "hexadecimal" },
      { "smb://n%as/backup", "hexadecimal" }, { "smb://nas/back%up", "hexadecimal" },
      { "smb://bob:50%@nas/backup", "hexadecimal" }, { "smb://nas/backup?ccache=%", "hexadecimal" },
      { "smb://nas/backup?%=1", "hexadecimal" }, { "smb://[fe80::1%eth0]/backup", "hexadecimal" },
      { "smb://nas/back\0up", "NUL" }, { "smb://nas/backup/%00", "NUL" }, { "smb://nas/backup?ccache=%00", "NUL" },
      { "smb://bob:%00@nas/backup", "NUL" }, { "smb://n%00as/backup", "NUL" }, { "smb://nas/back%00up", "NUL" },
      { "smb://nas/backup/%FF", "UTF-8" }, { "smb://nas/backup/%ED%A0%80", "UTF-8" }, { "smb://nas/%C3", "UTF-8" },
      { "smb://nas/backup/%C0%AE%C0%AE", "UTF-8" }, { "smb://%FF@nas/backup", "UTF-8" },
      { "smb://nas/backup/a%0Ab", "control" }, { "smb://nas/back%7Fup", "control" },
      { "smb://n%0Aas/backup", "control" },
      { "smb://bo%0Ab@nas/backup", "control" },
      { "smb://nas/backup/a:b", "character :" }, { "smb://nas/backup/a%3Fb", "character ?" },
      { "smb://nas/backup/dir./b", "dot" }, { "smb://nas/backup/dir%20", "space" },
      { "smb://nas/backup/nul", "device" },
      { "smb://nas:/backup", "port" }, { "smb://nas:0/backup", "port" }, { "smb://nas:65536/backup", "port" },
      { "smb://nas:445x/backup", "port" }, { "smb://nas:-1/backup", "port" }, { "smb://nas:123456/backup", "port" },
      { "smb://[::1]445/backup", "port" }, { "smb://[::1]:/backup", "port" },
      { "smb://::1/backup", "brackets" }, { "smb://[::1/backup", "brackets" }, { "smb://[nas]/backup", "IPv6" },
      { "smb://[1:2:3]/backup", "IPv6" }, { "smb://[1::2::3]/backup", "IPv6" }, { "smb://[:::]/backup", "IPv6" },
      { "smb://[12345::]/backup", "IPv6" }, { "smb://[1:2:3:4:5:6:7:8:9]/backup", "IPv6" },
      { "smb://[::256.0.0.1]/backup", "IPv6" }, { "smb://na%20s/backup", "no server name" },
      { "smb://n%2Fas/backup", "no server name" }, { "smb://../backup", "no server name" },
      { "smb://@nas/backup", "anonymous = true" }, { "smb://CORP;@nas/backup", "anonymous = true" },
      { "smb://nas/backup?transprt=netbios", "unknown option 'transprt' (did you mean 'transport'?)" },
      { "smb://nas/backup?read_buffer_size=64k", "(did you mean 'read-buffer-size'?)" },
      { "smb://nas/backup?username=bob", "(did you mean 'auth-username'?)" },
      { "smb://nas/backup?Password=x", "(did you mean 'auth-password'?)" },
      { "smb://nas/backup?port=445", "the port stands before the '?'" },
      { "smb://nas/backup?gid=100", "unknown option 'gid'" }, { "smb://nas/backup?=1", "unknown option ''" },
      { "smb://nas/backup?verify=none&verify=size", "'verify' is given twice" },
      { "smb://nas/backup?anonymous=false&anonymous=false", "'anonymous' is given twice" },
      { "smb://nas/backup?anonymous", "'anonymous' has no value" },
      { "smb://nas/backup?what", "option=value" },
      { "smb://nas/backup?verify=sometimes", "must be 'size', 'sha256' or 'none', not 'sometimes'" },
      { "smb://nas/backup?anonymous=maybe", "true or false" }, { "smb://nas/backup?ccache=", "empty" },
      { "smb://nas/backup?read-buffer-size=-1", "size in bytes" }, { "smb://nas/backup?short-timeout=soon", "seconds" },
      { "smb://nas/backup?read-buffer-size=9223372036854775808", "below 2^63" },
      { "smb://nas/backup?min-protocol=SMB3_11&max-protocol=SMB3_00", "is above max_protocol" },
      { "smb://nas/backup?max-protocol=NT1", "min_protocol 'SMB2_02' is above max_protocol 'NT1'" },
      { "smb://nas:445/backup?transport=netbios", "port 139 only, not 445" }, { "smb://nas:139/backup", "NetBIOS" },
      { "smb://bob@nas/backup?anonymous=true", "exclude each other" },
      { "smb://" .. ("u"):rep(256) .. "@nas/backup", "longer than 255 bytes" },
      { "smb://nas/backup?ccache=" .. ("c"):rep(1024), "longer than 1023 bytes" },
      { "smb://bob:" .. ("%41"):rep(256) .. "@nas/backup", "longer than 255 bytes" },
      { "smb://nas/backup/" .. ("p"):rep(256), "255 UTF-16 units" },
    }
    for _, case in ipairs(bad) do
      local text, piece = case[1], case[2]
      it(("%q"):format(#text > 60 and text:sub(1, 60) .. "..." or text), function()
        assert.matches(piece, refusal(text), 1, true)
      end)
    end
  end)

  it("refuses what is no string", function()
    for _, value in ipairs { 7, true, {}, print } do
      assert.matches("must be a string", refusal(value), 1, true)
    end
    assert.matches("must be a string", refusal(nil), 1, true)
  end)

  it("accepts credentials of 255 bytes, counted after decoding", function()
    local fields = assert(url.parse("smb://bob:" .. ("%41"):rep(255) .. "@nas/backup"))
    assert.equal(("A"):rep(255), fields.password)
  end)

  it("never shows a password in what it says", function()
    local broken = {
      "smb://bob:%s@nas", "smb://bob:%s@nas/backup/..", "smb://bob:%s@nas:x/backup", "smb://bob:%s@nas/backup?what=1",
      "smb://bob:%s@nas/back#up", "smb://bob:%s/backup", "smb://bob:1/%s@nas/a:b", "smb://bob:x?%s@nas/backup",
      "http://bob:%s@nas/backup", "bob:%s@nas", "smb://b:o:b:%s", "smb://bob:x@[%s/backup", "smb://[%s]/backup",
      "smb://nas/backup/%s|", "smb://nas/backup?auth-password=%s&what=1", "smb://nas/backup?auth-password=%s&verify=%%",
      "smb://nas/backup?auth-password=%s&auth-password=%s", "smb://nas/backup?verify=none?auth-password=%s",
      "smb://nas/backup?what?auth-password=%s", "smb://nas/backup?%s", "smb://nas/backup?auth-password%%3D%s",
      "smb://nas/backup?what%%3D%s=1", "smb://nas/backup?auth-password=%s%%", "smb://nas/backup?auth-password=%s%%FF",
      "smb://nas/backup?auth-password=%s&anonymous=1", "smb://%s%%0A@nas/backup",
      "smb://nas/backup?read-buffer-size=64k;auth-password=%s",
    }
    for _, pattern in ipairs(broken) do
      for _, password in ipairs { "hunter2", "hunt%65r2" } do
        local message = refusal((pattern:gsub("%%s", (password:gsub("%%", "%%%%"))):gsub("%%%%", "%%")))
        assert.not_matches("hunt", message, 1, true)
      end
    end
  end)

  describe("given any bytes", function()
    local seeds = {
      "", "smb://", "smb://nas/backup/", "smb://nas/backup?", "smb://b:c@nas:1/s/p?auth-password=", "smb://[::1]:",
      "smb://nas/backup?transport=netbios&",
    }
    local tokens = {
      "smb://", "/", "\\", "?", "&", "=", ":", ";", "@", "#", "%", "%2F", "%00", "%41", "+", "[", "]", "::1", "..", ".",
      "nas", "\0", "\xFF", "ü", "auth-username", "verify", "none", "64k", "nul", " ", "anonymous", "1",
    }

    local function random_text(random)
      local pieces = { seeds[random(#seeds)] }
      for _ = 1, random(0, 12) do
        pieces[#pieces + 1] = random(2) == 1 and string.char(random(0, 255)) or tokens[random(#tokens)]
      end
      return table.concat(pieces)
    end

    it("never raises, and formats and parses again whatever it takes", function()
      math.randomseed(20240229, 7)
      local taken = 0
      for _ = 1, 50000 do
        local text = random_text(math.random)
        local ok, fields, message, code = pcall(url.parse, text)
        assert(ok, ("%q: %s"):format(text, fields))
        if fields then
          taken = taken + 1
          fields.password = nil
          assert.same(fields, (assert(url.parse(assert(url.format(fields))))))
        else
          assert(type(message) == "string" and code == "invalid_url", text)
        end
      end
      assert.is_true(taken > 1000, "the random texts do test good URLs too: " .. taken)
    end)
  end)
end)

describe("url.read", function()
  it("says only what the URL says, for merging", function()
    assert.same({ server = "nas", share = "backup", path = "", port = 139 }, (url.read "smb://nas:139/backup"))
  end)

  it("keeps small buffer sizes, so that the warning comes where the fields are checked", function()
    assert.equal(5000, url.read "smb://nas/backup?read-buffer-size=5000".read_buffer_size)
  end)

  it("refuses bad values", function()
    local fields, message, code = url.read "smb://nas/backup?verify=x"
    assert.is_nil(fields)
    assert.matches("'verify' must be", message, 1, true)
    assert.equal("invalid_url", code)
  end)
end)

describe("url.format", function()
  local cases = {
    ["smb://nas/backup"] = { server = "NAS", share = "backup", transport = "directtcp", short_timeout = "30s" },
    ["smb://nas:445/backup"] = { server = "nas", share = "backup", port = 445 },
    ["smb://[::1]:4450/backup$/a%20b/c+d/100%25"] =
      { server = "::1", port = 4450, share = "backup$", path = "a b/c+d/100%" },
    ["smb://[fe80::1%25eth0]/backup"] = { server = "[fe80::1%eth0]", share = "backup" },
    ["smb://CORP;b%40b@nas/backup"] =
      { server = "nas", share = "backup", username = "b@b", password = "s3cret", domain = "CORP" },
    ["smb://nas/backup?auth-domain=CORP"] = { server = "nas", share = "backup", domain = "CORP" },
    ["smb://nas/backup?anonymous=true"] = { server = "nas", share = "backup", anonymous = true },
    ["smb://nas/M%C3%BCll?ccache=FILE%3A%2Ftmp%2Fa%2Bb%20c%26d%3De"] =
      { server = "nas", share = "Müll", ccache = "FILE:/tmp/a+b c&d=e" },
    ["smb://nas/backup?transport=netbios&read-buffer-size=65536&short-timeout=0.1&list-timeout=600.5"] = {
      server = "nas", share = "backup", transport = "netbios", read_buffer_size = "64k", short_timeout = 0.1,
      list_timeout = 600.5,
    },
  }
  for text, fields in pairs(cases) do
    it("gives " .. text, function()
      assert.equal(text, url.format(fields))
    end)
  end

  it("never writes a secret", function()
    local text = url.format { server = "nas", share = "backup", username = "bob", password = "s3cret" }
    assert.not_matches("s3cret", text, 1, true)
    assert.not_matches("password", text, 1, true)
  end)

  it("writes every option that is not the default so that it parses to the same fields", function()
    local fields = assert(require "smb.options".check {
      server = "nas", share = "a b", path = "ü/%41/#/a&b=c", port = 4450, username = "a:b;c/d@e\\f?", password = "x",
      domain = "A B", credentials_file = "/etc/a b", kerberos = "desired", ccache = "KEYRING:x",
      min_protocol = "SMB2_10", max_protocol = "SMB3_02", signing = "off", encryption = "off", read_buffer_size = 2^40,
      write_buffer_size = math.maxinteger, short_timeout = 1 / 3, list_timeout = 1e9, read_write_timeout = 0.001,
      verify = "none",
    })
    local again = assert(url.parse(assert(url.format(fields))))
    fields.password = nil
    assert.same(fields, again)
  end)

  it("refuses fields that are not right, without showing a secret", function()
    local text, message = url.format { server = "nas", password = "s3cret" }
    assert.is_nil(text)
    assert.equal("no share is given", message)
    text, message = url.format { server = "nas", share = "x", pasword = "s3cret" }
    assert.is_nil(text)
    assert.equal("unknown option 'pasword' (did you mean 'password'?)", message)
  end)
end)

describe("a password that was not encoded", function()
  local TORN = { "smb://bob:a?Secret9=b@h/s", "smb://bob:a/b?Secret9=c@h/s", "smb://bob:12/Secret9@h/s",
    "smb://bob:12/x?Secret9=c@h/s", "smb://bob:a#Secret9@h/s", "smb://bob:Secret9",
    "smb://h/s?auth-password=a&Secret9=b", "smb://h/s?auth-password=a&Secret9",
    "smb://h/s?auth-password=a&rate=Secret9", "smb://bob:x?rate=Secret9@h/s",
    "smb://bob:1/x?rate=Secret9@h/s", "smb://bob:a%Secret9@h/s", "smb:/bob:Secret9@h/s", "bob:Secret9@h/s" }

  for _, each in ipairs(TORN) do
    it("is not shown: " .. each, function()
      local fields, message = url.parse(each)
      assert.is_nil(fields)
      assert.is_nil(message:lower():find("secret9", 1, true), message)
    end)
  end

  it("is no reason to hide what was misspelt elsewhere", function()
    assert.matches("unknown option 'verfy' %(did you mean 'verify'%?%)",
      (select(2, url.parse "smb://bob:x@h/s?verfy=none")))
  end)

  it("is told from a path with an '@', which is encoded behind a port", function()
    local fields = assert(url.parse "smb://bob@h:445/s/me@home")
    assert.equal("me@home", fields.path)
    assert.equal("me@home", assert(url.parse(assert(url.format(fields)))).path)
    assert.equal("me@home", assert(url.parse "smb://h/s/me@home").path)
    assert.equal("me@home", assert(url.parse "smb://h:445/s/me%40home").path)
  end)
end)

describe("url.place", function()
  it("says where, and not who", function()
    local fields = assert(url.parse "smb://bob:s3cret@NAS:4450/backup/host%201?verify=none")
    assert.equal("smb://nas:4450/backup/host%201", url.place(fields))
  end)
end)
