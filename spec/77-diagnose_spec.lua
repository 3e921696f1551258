-- What works with a server and what does not: smb.diagnose, lua-smb diagnose.

local lfs = require "lfs"
local command = require "spec.support.command"
local files = require "spec.support.files"
local server = require "spec.support.server"
local smb = require "smb"
local assert_raises = require("spec.support.share").assert_raises

describe("A diagnosis", function()
  local srv, dir

  setup(function()
    srv = server.start { users = { bob = "s3cret77" }, shares = { backup = {}, fixed = { ["read only"] = "yes" } } }
    dir = files.directory()
  end)

  teardown(function()
    files.remove(dir)
    srv:stop()
  end)

  local function by_step(diagnosis)
    local found = {}
    for _, each in ipairs(diagnosis.steps) do
      assert.is_boolean(each.ok)
      assert.is_string(each.value)
      assert.is_nil(found[each.step], each.step)
      found[each.step] = each
    end
    return found
  end

  -- The steps that are broken.
  local function broken(diagnosis)
    local names = {}
    for _, each in ipairs(diagnosis.steps) do
      if not each.ok then
        names[#names + 1] = each.step
        assert.is_string(each.advice, each.step)
      end
    end
    assert.equal(diagnosis.ok, #names == 0)
    return names
  end

  it("of a good share tells what was seen, and leaves nothing behind", function()
    local found = assert(smb.diagnose(srv:url "backup"))
    assert.same({}, broken(found))
    local steps = by_step(found)
    assert.equal("127.0.0.1", steps.resolve.value)
    assert.equal("open at 127.0.0.1", steps["port " .. srv.port].value)
    assert.is_truthy(steps["port 139"] and steps["port 445"])
    assert.equal("SMB3_11", steps.dialect.value)
    assert.equal("bob, NTLM", steps.logon.value)
    assert.matches("backup, fixed", steps.shares.value)
    for _, step in ipairs { "list", "create", "set a time", "rename", "delete", "server-side copy" } do
      assert.equal("yes", steps[step].value)
    end
    assert.equal("1 us", steps["step of times"].value)
    assert.equal("makes no difference", steps["case of names"].value)
    assert.equal("255 bytes", steps["longest name"].value)
    assert.matches("^[%d.]+ [KMG]iB/s$", steps["throughput up"].value)
    assert.matches("^[%d.]+ [KMG]iB/s$", steps["throughput down"].value)
    assert.matches("^[%d.]+ ms$", steps["round trip"].value)
    assert.matches("^[%d.]+ MiB negotiated, [%d.]+ MiB used$", steps["read size"].value)
    assert.same({}, files.list(srv:path "backup"))
    assert.matches("\nok   logon +bob, NTLM\n", tostring(found))
    assert.matches("Nothing is broken%.$", tostring(found))
  end)

  it("of a share that may only be read says so, which is not broken", function()
    local found = assert(smb.diagnose(srv:url "fixed"))
    assert.same({}, broken(found))
    assert.matches("may only read", by_step(found).create.value)
    assert.is_nil(by_step(found)["throughput up"])
  end)

  it("with read_only makes nothing", function()
    srv:mark()
    local found = assert(smb.diagnose(srv:url "backup", { read_only = true }))
    assert.same({}, broken(found))
    assert.is_nil(by_step(found).create)
    assert.equal("yes", by_step(found).list.value)
    assert.same({}, srv:writes())
  end)

  it("tries a wrong password once", function()
    srv:mark()
    local found = assert(smb.diagnose(srv:fields { password = "wrong" }))
    assert.same({ "logon" }, broken(found))
    assert.matches("NT_STATUS_LOGON_FAILURE", by_step(found).logon.value)
    local _, refused = srv:logons()
    assert.equal(1, refused)
  end)

  -- libsmbclient has a connection of its own for the list of shares: docs/libsmbclient.md.
  it("sends a password again for the list of shares only when it was right", function()
    local function logons(fields, more)
      srv:mark()
      assert(smb.diagnose(fields, more))
      local all, refused = srv:logons()
      assert.equal(0, refused)
      return all
    end
    assert.equal(2, logons(srv:fields()))
    assert.equal(2, logons(srv:fields(), { read_only = true }))
    assert.equal(2, logons(srv:fields { share = "nothing" }))
    assert.equal(2, logons(srv:fields { path = "no/folder" }))
    local of_server = srv:fields()
    of_server.share = nil
    assert.equal(1, logons(of_server))
  end)

  it("of a server without a share tries a wrong password once", function()
    local of_server = srv:fields { password = "wrong" }
    of_server.share = nil
    srv:mark()
    assert.same({ "logon" }, broken(assert(smb.diagnose(of_server))))
    assert.equal(1, (select(2, srv:logons())))
  end)

  it("names what else is broken", function()
    assert.same({ "resolve" }, broken(assert(smb.diagnose(srv:fields { server = "no-such-server.invalid" }))))
    assert.same({ "port 1" }, broken(assert(smb.diagnose(srv:fields { port = 1 }))))
    assert.same({ "share" }, broken(assert(smb.diagnose(srv:fields { share = "nothing" }))))
    assert.same({ "path" }, broken(assert(smb.diagnose(srv:url("backup", "no/folder")))))
    local older <close> = server.start { global = { ["server max protocol"] = "SMB2_10" } }
    assert.same({ "dialect" }, broken(assert(smb.diagnose(older:fields { encryption = "required" }))))
  end)

  it("of a server without a share tells of the server", function()
    local found = assert(smb.diagnose((srv:url("backup"):gsub("/backup", "/"))))
    assert.same({}, broken(found))
    assert.matches("backup, fixed", by_step(found).shares.value)
    assert.equal("SMB3_11", by_step(found).dialect.value)
    assert.equal("bob, NTLM", by_step(found).logon.value)
    assert.is_truthy(by_step(found).signing and by_step(found).encryption and by_step(found).clock)
  end)

  it("of what is no URL, or nobody's, is nil and a message", function()
    assert.equal("invalid_url", select(3, smb.diagnose "nas/backup"))
    assert.equal("auth_failed", select(3, smb.diagnose "smb://nas/backup"))
    assert_raises("unknown option 'readonly'", smb.diagnose, srv:url "backup", { readonly = true })
  end)

  it("names what it could not delete", function()
    local keeping <close> =
      server.start { shares = { backup = { ["vfs objects"] = "worm", ["worm:grace_period"] = "0" } } }
    local found = assert(smb.diagnose(keeping:url "backup"))
    local left = by_step(found)["left behind"]
    if left then
      for name in left.value:gmatch "[^, ]+" do assert.is_truthy(lfs.attributes(keeping:path("backup", name))) end
    else
      assert.same({}, files.list(keeping:path "backup"))
    end
  end)

  it("is printed by lua-smb diagnose, which ends with 1 when something is broken", function()
    local good = command.run(dir, { "diagnose", srv:url "backup" })
    assert.equal("", good.stderr)
    assert.equal(0, good.status)
    assert.matches("\nok   dialect +SMB3_11\n.*\nNothing is broken%.\n$", good.stdout)
    assert.equal(0, command.run(dir, { "diagnose", "--read-only", srv:url "fixed" }).status)
    local bad = command.run(dir, { "diagnose", srv:url("backup", "missing"), "--json" })
    assert.equal(1, bad.status)
    assert.equal("", bad.stderr)
    local document = command.decoded(bad.stdout)
    assert.is_false(document.ok)
    assert.is_false(by_step(document).path.ok)
  end)
end)
