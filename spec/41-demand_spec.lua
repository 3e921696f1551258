-- What may leave for the server in clear, unsigned, for a guest, by NTLM, without a name: the worker's rules
-- themselves, with frames that are made here. No server takes part. That they hold against one is
-- spec/44-promises_spec.lua.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local SMB2 = { NEGOTIATE = 0, SESSION_SETUP = 1, LOGOFF = 2, TREE_CONNECT = 3, TREE_DISCONNECT = 4, CREATE = 5,
  CLOSE = 6, FLUSH = 7, READ = 8, WRITE = 9, LOCK = 10, IOCTL = 11, CANCEL = 12, ECHO = 13, QUERY_DIRECTORY = 14,
  CHANGE_NOTIFY = 15, QUERY_INFO = 16, SET_INFO = 17, OPLOCK_BREAK = 18 }
local SMB1 = { NEGOTIATE = 0x72, SESSION_SETUP = 0x73, TREE_CONNECT = 0x75, ECHO = 0x2b, TRANSACTION2 = 0x32,
  NT_CREATE = 0xa2, WRITE = 0x2f }
local FLAG_SIGNED, VALIDATE_NEGOTIATE_INFO, COPYCHUNK = 8, 0x00140204, 0x001440f2

-- MS-SMB2 2.2.1
local function smb2(command, options)
  options = options or {}
  local header = string.pack("<c4I2I2I4I2I2I4", "\xfeSMB", 64, 1, 0, command, 1, options.signed and FLAG_SIGNED or 0)
  return header .. ("\0"):rep(64 - #header) .. (options.body or ("\0"):rep(48))
end

-- MS-CIFS 2.2.3.1
local function smb1(command, options)
  options = options or {}
  local header = string.pack("<c4I1I4I1I2", "\xffSMB", command, 0, 0, options.signed and 4 or 0)
  return header .. ("\0"):rep(32 - #header) .. string.char(options.words or 0) .. (options.body or ("\0"):rep(48))
end

local ENCRYPTED = "\xfdSMB" .. ("\0"):rep(100)

-- MS-NLMP 2.2.1
local function ntlm(kind, user)
  user = (user or ""):gsub(".", "%0\0")
  local fields = string.pack("<c8I4", "NTLMSSP\0", kind)
  if kind ~= 3 then return fields .. ("\0"):rep(32) end
  local function at(length) return string.pack("<I2I2I4", length, length, 72) end
  return fields .. at(0) .. at(0) .. at(0) .. at(#user) .. at(0) .. at(0) .. ("\0"):rep(12) .. user
end

local KERBEROS = "\x60\x30\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00 ticket"

local function logon(token) return smb2(SMB2.SESSION_SETUP, { body = ("\0"):rep(24) .. token }) end
local function ioctl(code) return smb2(SMB2.IOCTL, { body = string.pack("<I2I2I4", 57, 0, code) .. ("\0"):rep(48) }) end

describe("What may leave for the server", function()
  local dir, demands

  setup(function()
    dir = files.directory()
    local flags = shell.check "pkg-config --cflags lua5.4":gsub("%s+$", "")
    shell.check(([[cc -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden -Isrc %s \
      -o %s/demands.so spec/support/demands.c src/worker/demand.c src/worker/frame.c src/worker/token.c \
      src/shared/ticks.c]]):format(flags, dir))
    demands = assert(package.loadlib(dir .. "/demands.so", "luaopen_demands"))()
  end)

  teardown(function() files.remove(dir) end)

  local function check(...) return demands.check(...) end

  describe("where encryption is required", function()
    local DEMAND = { encryption = true, named = true }
    local bare = { NEGOTIATE = true, SESSION_SETUP = true, LOGOFF = true, TREE_CONNECT = true, TREE_DISCONNECT = true,
      CANCEL = true, ECHO = true }

    for name, command in pairs(SMB2) do
      it(("is %s in clear: %s"):format(name, bare[name] and "it carries nothing of the user's" or "never"), function()
        for _, signed in ipairs { false, true } do
          assert.equal(not bare[name] and "clear" or nil, (check(DEMAND, {}, smb2(command, { signed = signed }))))
        end
      end)
    end

    it("is all that is encrypted", function() assert.is_nil(check(DEMAND, {}, ENCRYPTED)) end)

    it("is the check of the negotiation, from SMB 3.0 on, and no other IOCTL", function()
      assert.is_nil(check(DEMAND, { dialect = 0x0300 }, ioctl(VALIDATE_NEGOTIATE_INFO)))
      assert.equal("clear", (check(DEMAND, { dialect = 0x0210 }, ioctl(VALIDATE_NEGOTIATE_INFO))))
      assert.equal("clear", (check(DEMAND, { dialect = 0x0300 }, ioctl(COPYCHUNK))))
      local read = smb2(SMB2.READ, { body = ioctl(VALIDATE_NEGOTIATE_INFO):sub(65) })
      assert.equal("clear", (check(DEMAND, { dialect = 0x0300 }, read)))
    end)

    for name, command in pairs(SMB1) do
      it(("is SMB1's %s: %s"):format(name, name == "NEGOTIATE" and "it offers SMB2" or "never"), function()
        assert.equal(name ~= "NEGOTIATE" and "clear" or nil, (check(DEMAND, {}, smb1(command))))
      end)
    end

    it("is nothing that is too short to be known, nor what is no SMB", function()
      for size = 0, 19 do
        assert.equal("clear", (check(DEMAND, {}, smb2(SMB2.NEGOTIATE):sub(1, size))))
        assert.equal("clear", (check(DEMAND, {}, ENCRYPTED:sub(1, size))))
      end
      assert.equal("clear", (check(DEMAND, {}, ("\0"):rep(100))))
      assert.equal("clear", (check(DEMAND, {}, "GET / HTTP/1.1\r\nHost: nas.example\r\n\r\n")))
    end)
  end)

  describe("where signing is required", function()
    local DEMAND = { signing = true, named = true }
    local bare = { NEGOTIATE = true, SESSION_SETUP = true, CANCEL = true, ECHO = true }

    for name, command in pairs(SMB2) do
      it(("is %s without a signature: %s"):format(name, bare[name] and "it carries nothing of the user's" or "never"),
        function()
        assert.equal(not bare[name] and "unsigned" or nil, (check(DEMAND, {}, smb2(command))))
      end)

      it(("is %s with one"):format(name), function()
        assert.is_nil(check(DEMAND, {}, smb2(command, { signed = true })))
      end)
    end

    it("is all that is encrypted", function() assert.is_nil(check(DEMAND, {}, ENCRYPTED)) end)

    it("is no SMB1 but its offer of SMB2, though it says that it is signed", function()
      for name, command in pairs(SMB1) do
        assert.equal(name ~= "NEGOTIATE" and "unsigned" or nil, (check(DEMAND, {}, smb1(command, { signed = true }))))
      end
    end)
  end)

  it("is everything where nothing is demanded", function()
    for _, command in pairs(SMB2) do assert.is_nil(check({ named = true }, {}, smb2(command))) end
    for _, command in pairs(SMB1) do assert.is_nil(check({ named = true }, {}, smb1(command))) end
    assert.is_nil(check({ named = true }, {}, ""))
  end)

  for _, as in ipairs { "guest", "anonymous" } do
    describe("when the server has made the user a guest, or nobody: " .. as, function()
      local AGREED = { [as] = true }

      it("is only what logs on and off", function()
        for name, command in pairs(SMB2) do
          local allowed = command <= SMB2.LOGOFF
          assert.equal(not allowed and "guest" or nil,
            (check({ named = true }, AGREED, smb2(command, { signed = true }))), name)
        end
        for name, command in pairs(SMB1) do
          local allowed = name == "NEGOTIATE" or name == "SESSION_SETUP"
          assert.equal(not allowed and "guest" or nil, (check({ named = true }, AGREED, smb1(command))), name)
        end
      end)

      it("is everything for somebody who has no name", function()
        for _, command in pairs(SMB2) do assert.is_nil(check({}, AGREED, smb2(command))) end
      end)
    end)
  end

  describe("to log on", function()
    it("is NTLM with a name: its last message proves the password", function()
      local why, told = check({ named = true }, {}, logon(ntlm(1)))
      assert.is_nil(why)
      assert.same({ is_ntlm = true, proves_password = false, user = "" }, told)
      why, told = check({ named = true }, {}, logon(ntlm(3, "bob")))
      assert.is_nil(why)
      assert.same({ is_ntlm = true, proves_password = true, user = "bob" }, told)
    end)

    it("is NTLM without a name only for somebody who has none", function()
      assert.equal("nobody", (check({ named = true }, {}, logon(ntlm(3, "")))))
      assert.is_nil((check({}, {}, logon(ntlm(3, "")))))
    end)

    it("is Kerberos alone where that is required", function()
      local demand = { named = true, kerberos = true }
      local why, told = check(demand, {}, logon(KERBEROS))
      assert.is_nil(why)
      assert.same({ is_ntlm = false, proves_password = false, user = "" }, told)
      for _, token in ipairs { ntlm(1), ntlm(3, "bob"), ntlm(3, ""), "\x60\x28 SPNEGO " .. ntlm(3, "bob") } do
        assert.equal("ntlm", (check(demand, {}, logon(token))))
      end
      assert.equal("ntlm", (check(demand, {}, smb1(SMB1.SESSION_SETUP, { words = 13 }))))
    end)

    it("is SMB1's old way, which proves the password as well", function()
      local why, told = check({ named = true }, {}, smb1(SMB1.SESSION_SETUP, { words = 13 }))
      assert.is_nil(why)
      assert.is_true(told.proves_password)
      assert.is_false(select(2, check({ named = true }, {}, smb1(SMB1.SESSION_SETUP, { words = 12 }))).proves_password)
    end)

    it("may be cut off anywhere, and lie about its lengths: nothing is read beyond its end", function()
      local token = ntlm(3, "bob"):gsub("^(.{36})(....)", "%1\xff\xff\xff\xff")
      for size = 0, #logon(token) do check({ named = true }, {}, logon(token):sub(1, size)) end
    end)
  end)

  it("counts as kept only when it was seen to be so", function()
    assert.is_true(demands.is_kept({}, {}))
    for _, what in ipairs { "encryption", "signing", "kerberos" } do
      assert.is_false(demands.is_kept({ [what] = true }, {}), what)
      assert.is_true(demands.is_kept({ [what] = true }, { [what] = true }), what)
    end
  end)
end)
