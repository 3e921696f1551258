-- Logons by Kerberos, in an Active Directory domain: who is logged on, by what, and why not.

local socket = require "socket"
local domain = require "spec.support.domain"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local missing = domain.missing()
local assert_fails = share.assert_fails
local REALM, SUFFIX = "LUASMB.TEST", ".luasmb.test"

-- A cron job's ticket has expired, and the share is open to guests: what it writes would be nobody's.
describe("where guests are let in and there is no ticket,", function()
  local srv

  setup(function()
    srv = server.start { global = { ["map to guest"] = "bad user" }, shares = { backup = { ["guest ok"] = "yes" } } }
  end)
  teardown(function() srv:stop() end)
  before_each(function() srv:mark() end)

  local function open(extra)
    local fields = { server = srv.address, port = srv.port, share = "backup", retries = 0, ccache = "FILE:/none" }
    for key, value in pairs(extra) do fields[key] = value end
    return smb.open(fields)
  end

  for _, kerberos in ipairs { "required", "desired" } do
    it(("kerberos = %q logs nobody on"):format(kerberos), function()
      for _, username in ipairs { false, "bob" } do
        local message = assert_fails("auth_failed", open { kerberos = kerberos, username = username or nil })
        assert.matches("there is no Kerberos ticket (credential cache FILE:/none): kinit gets one", message, 1, true)
      end
      assert.equal(0, (srv:logons()))
    end)
  end

  it("anonymous = true is told as such", function()
    local dest <close> = assert(open { anonymous = true })
    assert.equal("anonymous", dest.info.mechanism)
    assert.is_nil(dest.info.user)
  end)

  it("a name and a password are told as such", function()
    local dest <close> = assert(open { username = "bob", password = "s3cret" })
    assert.equal("ntlm", dest.info.mechanism)
    assert.equal("bob", dest.info.user)
  end)
end)

describe("in a domain", function()
  if missing then return it("Kerberos logs on", function() pending(missing) end) end
  local ad, cache, password

  -- Opens a server's share by Kerberos, with bob's ticket where nothing else is said.
  local function open(host, extra)
    local fields = { kerberos = "required", ccache = cache }
    for key, value in pairs(extra or {}) do fields[key] = value end
    return smb.open(domain.fields(host, fields))
  end

  -- Who owns a file that a destination writes.
  local function writes_as(dest)
    assert.is_truthy(dest:write("whose", "x"))
    local owner = shell.check { "stat", "-c", "%u", ad:path("files", "whose") }
    assert.is_true(dest:delete "whose")
    return owner
  end

  local function nobody_was_logged_on()
    assert.same({}, ad:logons "files")
    assert.same({}, (select(2, ad:attempts())))
  end

  setup(function()
    ad = domain.start()
    password = ad.password
    cache = ad:kinit("bob", { cache = "FILE:" .. ad.dir .. "/bob.cc" })
  end)
  teardown(function() if ad then ad:stop() end end)
  before_each(function() ad:mark() end)
  after_each(function()
    domain.krb5()
    ad:set_clock(0)
  end)

  describe("a ticket", function()
    -- A cron job with a keytab or a ticket has no reason to name a user.
    for _, kerberos in ipairs { "required", "desired" } do
      for _, username in ipairs { false, "bob", "BOB", "bob@luasmb.test", "LUASMB\\bob" } do
        it(("logs its owner on with kerberos = %q and username = %s"):format(kerberos, username), function()
          for _, host in ipairs { "dc", "files" } do
            local dest <close> = assert(open(host, { kerberos = kerberos, username = username or nil }))
            assert.is_truthy(dest:write("by ticket", "there"))
            assert.equal("there", dest:read "by ticket")
            assert.equal("bob@" .. REALM, dest.info.user)
            assert.equal("kerberos", dest.info.mechanism)
          end
        end)
      end

      -- One account runs the backups of several: the one who called kinit last would own all of them.
      it(("of another user logs nobody on with kerberos = %q"):format(kerberos), function()
        for _, other in ipairs { { username = "alice" }, { username = "bob@other.test" },
          { username = "bob", domain = "other.test" } } do
          other.kerberos = kerberos
          local message = assert_fails("auth_failed", open("files", other))
          assert.matches("the Kerberos ticket is of bob@LUASMB.TEST, not of " .. other.username, message, 1, true)
        end
        nobody_was_logged_on()
      end)

      it(("of another user is not used where a password is given, with kerberos = %q"):format(kerberos), function()
        local bob <close> = assert(open("files"))
        local alice <close> = assert(open("files", { username = "alice", password = password, kerberos = kerberos }))
        assert.equal("alice@" .. REALM, alice.info.user)
        assert.equal("kerberos", alice.info.mechanism)
        assert.not_equal(writes_as(bob), writes_as(alice))
      end)

      it(("that is missing logs nobody on, not even where guests are let in, with kerberos = %q"):format(kerberos),
        function()
        for _, username in ipairs { false, "bob" } do
          local message = assert_fails("auth_failed", open("files", { kerberos = kerberos, username = username or nil,
            share = "open", ccache = "FILE:/none" }))
          assert.matches("there is no Kerberos ticket (credential cache FILE:/none): kinit gets one", message, 1, true)
        end
        nobody_was_logged_on()
      end)
    end

    for _, kind in ipairs { "FILE", "DIR", "KEYRING" } do
      it(("is found in a credential cache of the kind %s"):format(kind), function()
        local names =
          { FILE = "FILE:" .. ad.dir .. "/a.cc", DIR = "DIR:" .. ad.dir .. "/a.dir", KEYRING = "KEYRING:user:luasmb" }
        local name = names[kind]
        if kind == "DIR" then shell.check { "mkdir", ad.dir .. "/a.dir" } end
        local ok, problem = pcall(ad.kinit, ad, "alice", { cache = name })
        if not ok and kind == "KEYRING" then return pending("no keyrings here: " .. problem) end
        assert.is_true(ok, problem)
        local dest <close> = assert(open("files", { ccache = name }))
        assert.equal("alice@" .. REALM, dest.info.user)
        if kind == "KEYRING" then shell.check { "kdestroy", "-c", name } end
      end)
    end

    it("that a keytab got logs on", function()
      local name = ad:kinit("alice", { cache = "FILE:" .. ad.dir .. "/keytab.cc", keytab = ad:keytab "alice" })
      local dest <close> = assert(open("files", { username = "alice", ccache = name }))
      assert.equal("alice@" .. REALM, dest.info.user)
    end)

    it("logs eight connections on, and is not one of the account's bad attempts", function()
      local folder = ad.dir .. "/tree"
      shell.check { "mkdir", "-p", folder }
      for i = 1, 60 do files.write(("%s/%d"):format(folder, i), ("x"):rep(20000)) end
      local dest <close> = assert(open("files", { username = "bob", connections = 8, retries = 5 }))
      local summary = assert(dest:put_tree(folder, "tree"))
      assert.same({}, summary.errors)
      assert.equal(0, (ad:attempts()))
      assert.is_true(dest:rmdir("tree", { recursive = true }))
    end)
  end)

  describe("what Kerberos refuses is told with what to do:", function()
    -- What happened, how it was opened, the code, the sentence, and how many wrong passwords the domain counted.
    local function refused(title, host, fields, code, sentence, wrong)
      it(title, function()
        if type(fields) == "function" then fields = fields() end
        local message = assert_fails(code, open(host, fields))
        assert.matches(sentence, message, 1, true)
        assert.equal(wrong or 0, (ad:attempts()))
      end)
    end

    local function with_password(user, more)
      return function()
        local fields = { username = user, password = password }
        for key, value in pairs(more or {}) do fields[key] = value end
        return fields
      end
    end

    refused("a name that the server has no key for", "alias", { username = "bob" }, "auth_failed",
      "Kerberos gives bob@LUASMB.TEST no ticket for cifs/alias.luasmb.test: "
        .. "use the name that the server has in its domain")
    refused("an address", "files", { username = "bob", server = "10.53.57.11" }, "auth_failed",
      "Kerberos needs the server's name: it knows no addresses")
    refused("a ticket that has expired", "files", function()
      local name = ad:kinit("bob", { cache = "FILE:" .. ad.dir .. "/old.cc", life = "1s" })
      assert.is_true(shell.poll(function() return not shell.run { "klist", "-s", "-c", name } end))
      return { username = "bob", ccache = name }
    end, "auth_failed", "the Kerberos ticket of bob@LUASMB.TEST has expired: kinit gets a new one")
    refused("a ticket that is about to expire", "files", function()
      return { username = "bob", ccache = ad:kinit("bob", { cache = "FILE:" .. ad.dir .. "/short.cc", life = "60s" }) }
    end, "auth_failed", "the Kerberos ticket of bob@LUASMB.TEST ends in ")

    for _, ahead in ipairs { 600, -600 } do
      local side = ahead > 0 and "ahead of" or "behind"
      for _, by in ipairs { "ticket", "password" } do
        it(("a clock that is %s ours, with a %s"):format(side, by), function()
          ad:set_clock(ahead)
          local dest, message, code = open("files", by == "ticket" and { username = "bob" }
            or { username = "bob", password = password, kerberos = "desired" })
          if dest and by == "password" then -- newer libraries go by the KDC's clock then
            assert.equal("kerberos", dest.info.mechanism)
            return dest:close()
          end
          assert.equal("auth_failed", code)
          local seconds,
            told = message:match "the clocks differ too much for Kerberos: the server's is (%d+) s (.*) this"
          assert.is_truthy(seconds, message)
          assert.equal(side, told)
          assert.is_true(math.abs(seconds - 600) < 60)
          assert.equal(0, (ad:attempts()))
        end)
      end
    end

    for _, kerberos in ipairs { "required", "desired" } do
      -- Windows locks an account after as few as three: the domain controller's refusal is not repeated by NTLM.
      refused(("a wrong password, with kerberos = %q"):format(kerberos), "files",
        { username = "alice", password = "wrong", kerberos = kerberos }, "auth_failed",
        "the password is wrong, says the Kerberos server", 1)
      for user, sentence in pairs {
        disabled = "the account is disabled", pwexpired = "the password has expired",
        mustchange = "the password must be changed", acexpired = "the account has expired",
        hours = "the account may not log on at this hour",
      } do
        refused(("the account '%s', with kerberos = %q"):format(user, kerberos), "files",
          with_password(user, { kerberos = kerberos }), "auth_failed", sentence)
      end
      it(("an account that is locked, with kerberos = %q"):format(kerberos), function()
        local wrong = { kerberos = "off", username = "locked", password = "wrong", domain = "LUASMB" }
        for _ = 1, 3 do assert_fails("auth_failed", open("dc", wrong)) end
        ad:mark()
        local message = assert_fails("auth_failed", open("files", with_password("locked", { kerberos = kerberos })()))
        local older = "the account is locked (or disabled, or expired), says the Kerberos server"
        local newer = "the account is locked (NT_STATUS_ACCOUNT_LOCKED_OUT)"
        assert.is_truthy(message:find(older, 1, true) or message:find(newer, 1, true), message)
        assert.equal(0, (ad:attempts()))
      end)
    end

    refused("a user whom the domain does not have", "files", with_password "nobody", "auth_failed",
      "the Kerberos server knows no such user (is the realm right?)")
    refused("a ticket of another realm", "files", function()
      return { ccache = ad:kinit("bob@OTHER.TEST", { cache = "FILE:" .. ad.dir .. "/other.cc" }) }
    end, "auth_failed", "Kerberos gives bob@OTHER.TEST no ticket for cifs/files.luasmb.test: use the name that the "
      .. "server has in its domain, or a ticket of its realm")

    it("a realm that has no KDC", function()
      domain.krb5 { realm = "NOWHERE.TEST" }
      local message = assert_fails("auth_failed", open("files", with_password "bob"()))
      assert.matches("the logon by Kerberos as bob@NOWHERE.TEST failed: no Kerberos server (KDC) of the realm is known",
        message, 1, true)
    end)

    for _, by in ipairs { "ticket", "password" } do
      local function fields()
        return { username = "bob", ccache = ad:kinit("bob", { cache = "FILE:" .. ad.dir .. "/new.cc" }),
          password = by == "password" and password or nil, short_timeout = 3 }
      end

      it(("a KDC that refuses connections is unreachable, with a %s"):format(by), function()
        local given = fields()
        domain.krb5 { kdc = "refusing" }
        local message = assert_fails("unreachable", open("files", given))
        assert.matches("the Kerberos server (KDC) cannot be reached", message, 1, true)
        assert.equal(0, (ad:attempts()))
      end)

      it(("a KDC that is silent is timeout, with a %s"):format(by), function()
        local udp <const>, tcp <const> = assert(socket.udp()), assert(socket.tcp())
        assert(udp:setsockname(domain.SILENT, 88))
        assert(tcp:bind(domain.SILENT, 88))
        assert(tcp:listen())
        local given = fields()
        domain.krb5 { kdc = "silent" }
        local message = assert_fails("timeout", open("files", given))
        udp:close()
        tcp:close()
        assert.matches("the Kerberos server (KDC) does not answer", message, 1, true)
      end)
    end
  end)

  describe("a password", function()
    it("gets a ticket, whatever the domain is called and the realm is spelt", function()
      for _, spelt in ipairs { { username = "bob" }, { username = "bob", domain = "LUASMB" },
        { username = "bob", domain = "luasmb.test" }, { username = "bob@luasmb.test" },
        { username = "LUASMB\\bob" } } do
        spelt.password, spelt.ccache = password, "FILE:/none"
        local dest <close> = assert(open("files", spelt))
        assert.equal("bob@" .. REALM, dest.info.user)
        assert.equal("kerberos", dest.info.mechanism)
      end
    end)

    it("logs on by NTLM where Kerberos is desired and cannot be had", function()
      for _, host in ipairs { "alias" .. SUFFIX, "10.53.57.11" } do
        local dest <close> = assert(open("files", { server = host, username = "bob", password = password,
          domain = "LUASMB", kerberos = "desired" }))
        assert.equal("ntlm", dest.info.mechanism)
        assert.matches("bob", dest.info.user)
      end
      assert.equal(0, (ad:attempts()))
    end)

    it("without Kerberos logs on by NTLM", function()
      local dest <close> =
        assert(open("files", { kerberos = "off", username = "bob", password = password, domain = "LUASMB" }))
      assert.equal("ntlm", dest.info.mechanism)
      assert.equal("LUASMB\\bob", dest.info.user)
    end)

    -- A member server looks for users of no domain among its own.
    it("without a domain on a member server is told which it lacks", function()
      local message =
        assert_fails("auth_failed", open("files", { kerberos = "off", username = "bob", password = password }))
      assert.matches("the server is in the domain LUASMB: a user of that needs domain = 'LUASMB'", message, 1, true)
      assert.equal(0, (ad:attempts()))
    end)

    it("of one of the Protected Users is good for Kerberos only", function()
      local fields = { kerberos = "off", username = "protected", password = password, domain = "LUASMB" }
      assert.matches("(Protected Users need Kerberos)", assert_fails("auth_failed", open("files", fields)), 1, true)
      fields.kerberos = "required"
      local dest <close> = assert(open("files", fields))
      assert.equal("kerberos", dest.info.mechanism)
    end)

    it("is of no use for NTLM where the domain has switched that off", function()
      finally(function() ad:reconfigure() end)
      ad:reconfigure "ntlm auth = disabled"
      for _, host in ipairs { "dc", "files" } do
        local message = assert_fails("auth_failed", open(host, { kerberos = "off", username = "bob",
          password = password, domain = "LUASMB" }))
        assert.matches("takes no NTLM: a logon by Kerberos may do (NT_STATUS_NTLM_BLOCKED)", message, 1, true)
      end
      local dest <close> = assert(open("files", { username = "bob", password = password }))
      assert.equal("kerberos", dest.info.mechanism)
    end)

    it("that is wrong is used once, however many connections there are", function()
      local dest <close> =
        assert(open("files", { username = "carol", password = password, connections = 8, retries = 3 }))
      shell.check { "samba-tool", "user", "setpassword", "carol", "--newpassword=An0ther-pass", "-s", ad.dir
        .. "/dc/smb.conf" }
      ad:mark()
      ad:disconnect "files"
      local jobs = {}
      for i = 1, 8 do jobs[i] = dest:submit("write", "carol" .. i, "x") end
      for _, job in ipairs(jobs) do
        assert.matches("the password is wrong, says the Kerberos server", assert_fails("auth_failed", job:wait()), 1,
          true)
      end
      assert_fails("auth_failed", dest:exists "carol1")
      assert.equal(1, (ad:attempts()))
    end)
  end)

  describe("a destination goes on", function()
    local own

    before_each(function() own = ad:kinit("bob", { cache = "FILE:" .. ad.dir .. "/own.cc" }) end)

    local function opened(extra)
      extra = extra or {}
      extra.username, extra.ccache = "bob", own
      return assert(open("files", extra))
    end

    -- A long run's ticket is lost, and kinit called by somebody who sees the message.
    it("with a new ticket, after there was none", function()
      local dest <close> = opened()
      shell.check { "kdestroy", "-c", own }
      ad:disconnect "files"
      assert.matches("there is no Kerberos ticket", assert_fails("auth_failed", dest:write("a", "1")))
      ad:kinit("alice", { cache = own })
      assert.matches("the Kerberos ticket is of alice@", assert_fails("auth_failed", dest:write("a", "1")))
      ad:kinit("bob", { cache = own })
      assert.is_truthy(dest:write("a", "2"))
      assert.equal("2", dest:read "a")
    end)

    -- Nobody was named, and another job on the same machine has called kinit.
    it("as the one whom it was opened by, or not at all", function()
      local dest <close> = assert(open("files", { ccache = own, connections = 8 }))
      local bob = writes_as(dest)
      ad:kinit("alice", { cache = own })
      local jobs = {}
      for i = 1, 4 do jobs[i] = dest:submit("exists", "a" .. i) end
      for _, job in ipairs(jobs) do
        local found, message = job:wait()
        assert.is_truthy(found == false or message:find("the Kerberos ticket is of alice@LUASMB.TEST now", 1, true),
          message)
      end
      ad:disconnect "files"
      assert.matches(
        "the Kerberos ticket is of alice@LUASMB.TEST now: this destination was opened with that of bob@LUASMB.TEST",
        assert_fails("auth_failed", dest:exists "a"), 1, true)
      ad:kinit("bob", { cache = own })
      assert.equal(bob, writes_as(dest))
    end)

    -- The domain controller is restarted at night, when backups run.
    it("when the domain controller is back, by further attempts", function()
      local dest <close> = assert(open("files", { kerberos = "off", username = "bob", password = password,
        domain = "LUASMB", retries = 1000, retry_delay = 0.1 }))
      ad:halt_controller()
      ad:disconnect "files"
      ad:mark()
      local job = dest:submit("write", "a", "1")
      assert.is_truthy(shell.poll(function()
        job:wait(0)
        for _, event in ipairs(ad:logons "files") do
          if event.status == "NT_STATUS_NO_LOGON_SERVERS" then return true end
        end
      end, 20))
      assert.equal("running", job:status())
      ad:boot_controller()
      assert.is_truthy(job:wait())
      assert.equal(0, (ad:attempts()))
    end)

    it("when the KDC is back", function()
      local dest <close> = opened { username = "bob", password = password }
      domain.krb5 { kdc = "refusing" }
      for _, worker in ipairs(processes.workers()) do shell.kill(worker, "KILL") end
      assert_fails("unreachable", dest:exists "a")
      assert_fails("unreachable", dest:write("a", "1"))
      domain.krb5()
      assert.is_truthy(dest:write("a", "1"))
    end)

    for _, encryption in ipairs { "default", "required" } do
      -- Ten hours in life; here the server's clock is put on.
      it(("after its ticket's end if that was renewed, with encryption = %q"):format(encryption), function()
        ad:kinit("bob", { cache = own, life = "150s" })
        local dest <close> = opened { encryption = encryption, retries = 2 }
        assert.is_truthy(dest:write("long", "1"))
        ad:kinit("bob", { cache = own, life = "1h" })
        ad:set_clock(200)
        assert.is_truthy(dest:write("long", "2"))
        assert.equal("2", dest:read "long")
      end)
    end
  end)
end)
