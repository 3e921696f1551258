-- What a server shares: smb.shares, lua-smb shares, lua-smb list smb://server/.

local command = require "spec.support.command"
local domain = require "spec.support.domain"
local files = require "spec.support.files"
local server = require "spec.support.server"
local smb = require "smb"
local assert_raises = require("spec.support.share").assert_raises

describe("A server's shares", function()
  local srv, where, dir

  setup(function()
    srv = server.start { users = { bob = "s3cret74" }, shares = { backup = { comment = "Gr\u{FC}\u{DF}e, alle" },
      archive = {},
      ["more room$"] = {}, unseen = { browseable = "no" } } }
    where = srv:url("backup"):gsub("/backup", "/")
    dir = files.directory()
  end)

  teardown(function()
    files.remove(dir)
    srv:stop()
  end)

  local function by_name(shares)
    local found = {}
    for _, share in ipairs(shares) do found[share.name] = share end
    return found
  end

  local function fields(extra)
    local all = srv:fields(extra)
    all.share = nil
    return all
  end

  it("are listed with type and comment, in the order of their names", function()
    local shares = assert(smb.shares(where))
    local names = {}
    for i, share in ipairs(shares) do names[i] = share.name end
    table.sort(names)
    for i, share in ipairs(shares) do assert.equal(names[i], share.name) end
    local found = by_name(shares)
    assert.same({ name = "backup", type = "disk", comment = "Gr\u{FC}\u{DF}e, alle" }, found.backup)
    assert.same({ name = "archive", type = "disk", comment = "" }, found.archive)
    assert.equal("disk", found["more room$"].type)
    assert.equal("ipc", found["IPC$"].type)
    assert.is_nil(found.unseen)
    assert.matches("backup +disk +Gr\u{FC}\u{DF}e, alle\n", tostring(shares))
  end)

  it("are listed whatever the URL says of a share, from a table of fields, too", function()
    assert.is_table(by_name(assert(smb.shares(srv:url("backup", "some/path")))).archive)
    assert.is_table(by_name(assert(smb.shares(fields()))).archive)
    assert.is_table(by_name(assert(smb.shares((where:gsub("/$", ""))))).archive)
  end)

  it("are listed in every dialect of SMB 2 and 3, signed where that is demanded", function()
    for _, dialect in ipairs { "SMB2_02", "SMB2_10", "SMB3_00", "SMB3_11" } do
      assert.is_table(by_name(assert(smb.shares(where, { min_protocol = dialect, max_protocol = dialect }))).backup)
    end
    assert.is_table(by_name(assert(smb.shares(where, { signing = "required" }))).backup)
  end)

  it("are not listed in clear where encryption is demanded", function()
    local shares, message, code = smb.shares(where, { encryption = "required" })
    assert.is_nil(shares)
    assert.equal("protocol", code)
    assert.matches("^shares on smb://127.0.0.1[:%d]*/: encryption is required", message)
    local strict <close> = server.start { global = { ["smb encrypt"] = "required" } }
    assert.is_table(by_name(assert(smb.shares(strict:fields { encryption = "required" }))).backup)
    assert.is_table(by_name(assert(smb.shares(strict:fields()))).backup)
  end)

  it("that cannot be had fail as an open does", function()
    srv:mark()
    local _, message, code = smb.shares(fields { password = "wrong", retries = 0 })
    assert.equal("auth_failed", code)
    assert.matches("^shares on smb://.*NT_STATUS_LOGON_FAILURE", message)
    local _, refused = srv:logons()
    assert.is_true(refused == nil or refused <= 1)
    assert.equal("unreachable", select(3, smb.shares(fields { port = 1, retries = 0 })))
    assert.equal("invalid_url", select(3, smb.shares "smb://"))
    assert.equal("auth_failed", select(3, smb.shares("smb://" .. srv.address .. "/")))
  end)

  it("of a wrong argument are a mistake of the script's", function()
    local function raises(pattern, ...)
      local ok, problem = pcall(smb.shares, ...)
      assert.is_false(ok)
      assert.matches(pattern, problem)
    end
    raises("smb%.shares: a URL or a table of fields expected, got nil")
    raises("smb%.shares: unknown option 'chare'", { server = "x", chare = "y" })
    raises("smb%.shares: no server is given", {})
    raises("smb%.shares: options must be a table", where, 1)
  end)

  it("are needed elsewhere: a URL without one is refused", function()
    local _, message, code = smb.open(where)
    assert.equal("invalid_url", code)
    assert.matches("the share is missing", message)
    assert_raises("no share is given", smb.open, fields())
  end)

  it("lua-smb shares and list show them", function()
    local shown = command.run(dir, { "shares", where })
    assert.equal("", shown.stderr)
    assert.equal(0, shown.status)
    assert.matches("archive     disk\nbackup      disk     Gr\u{FC}\u{DF}e, alle\n", shown.stdout)
    assert.equal(shown.stdout, command.run(dir, { "ls", where }).stdout)
    local found = by_name(command.decoded(command.run(dir, { "shares", where, "--json" }).stdout))
    assert.equal("disk", found.archive.type)
    assert.equal(1, command.run(dir, { "shares", (where:gsub("s3cret74", "no")) }).status)
    assert.equal(2, command.run(dir, { "list", where, "folder" }).status)
  end)
end)

describe("The shares of a server", function()
  local function names(where, more)
    local shares = assert(smb.shares(where, more))
    local found = {}
    for _, share in ipairs(shares) do found[#found + 1] = share.name end
    return table.concat(found, " ")
  end

  local function fields(srv, extra)
    local all = srv:fields(extra)
    all.share = nil
    return all
  end

  it("that speaks SMB 1 are listed, and only where that is allowed", function()
    local old <close> = server.start { shares = { backup = { comment = "old but here" } },
      global = { ["server min protocol"] = "NT1", ["server max protocol"] = "NT1" } }
    local nt1 = { min_protocol = "NT1", max_protocol = "NT1" }
    assert.equal("IPC$ backup", names(fields(old, nt1)))
    assert.equal("old but here", assert(smb.shares(fields(old, nt1)))[2].comment)
    assert.equal("IPC$ backup", names(fields(old, { min_protocol = "NT1" })))
    old:mark()
    assert.equal("protocol", select(3, smb.shares(fields(old))))
    assert.equal(0, (old:logons()))
    assert.equal("protocol", select(3, smb.shares(fields(old, { min_protocol = "NT1", encryption = "required" }))))
    assert.equal(0, (old:logons()))
  end)

  it("are listed at ports 445 and 139, through NetBIOS, too", function()
    if os.getenv "LUA_SMB_SANDBOX" ~= "1" then return pending "needs spec/support/sandbox" end
    local srv <close> = server.start { global = { ["server min protocol"] = "NT1" } }
    local user = ("smb://%s:%s@%s"):format(srv.user, srv.password, srv.address)
    for _, protocols in ipairs { "", "min-protocol=NT1&max-protocol=NT1" } do
      assert.equal("IPC$ backup", names(("%s/?%s"):format(user, protocols)))
      assert.equal("IPC$ backup", names(("%s:445/?%s"):format(user, protocols)))
      assert.equal("IPC$ backup", names(("%s/?transport=netbios&%s"):format(user, protocols)))
      assert.equal("IPC$ backup", names(("%s:139/?transport=netbios&%s"):format(user, protocols)))
    end
  end)

  it("are listed with one logon", function()
    local srv <close> = server.start()
    srv:mark()
    assert.equal("IPC$ backup", names(fields(srv)))
    local all, refused = srv:logons()
    assert.same({ 1, 0 }, { all, refused })
  end)

  it("that encrypts whenever it can, or always, are listed whatever is wished", function()
    local srv <close> = server.start { global = { ["smb encrypt"] = "desired" } }
    for _, encryption in ipairs { "default", "desired", "required", "off" } do
      assert.equal("IPC$ backup", names(fields(srv, { encryption = encryption })))
    end
    local strict <close> = server.start { global = { ["smb encrypt"] = "required" } }
    for _, encryption in ipairs { "default", "desired", "required", "off" } do
      assert.equal("IPC$ backup", names(fields(strict, { encryption = encryption })))
    end
  end)

  it("that does not encrypt are not listed where it is demanded, and nothing leaves in clear", function()
    local plain <close> = server.start { global = { ["smb encrypt"] = "off" } }
    assert.equal("protocol", select(3, smb.shares(fields(plain, { encryption = "required" }))))
    assert.equal("IPC$ backup", names(fields(plain, { encryption = "desired" })))
  end)
end)

describe("The shares of a server in a domain", function()
  local missing = domain.missing()
  if missing then return it("are listed by Kerberos", function() pending(missing) end) end
  local ad, cache

  setup(function()
    ad = domain.start()
    cache = ad:kinit("bob", { cache = "FILE:" .. ad.dir .. "/bob.cc" })
  end)
  teardown(function() if ad then ad:stop() end end)
  before_each(function() ad:mark() end)

  local function fields(extra)
    local all = domain.fields("files", extra)
    all.share = nil
    return all
  end

  local function has_backup(shares, message)
    assert(shares, message)
    for _, share in ipairs(shares) do
      if share.name == "backup" and share.type == "disk" then return true end
    end
    return false
  end

  it("are listed by Kerberos, signed if that is demanded", function()
    for _, signing in ipairs { "default", "required" } do
      assert.is_true(has_backup(smb.shares(fields { kerberos = "required", ccache = cache, signing = signing })))
    end
  end)

  it("are not listed by Kerberos in clear where encryption is demanded", function()
    local _, message, code = smb.shares(fields { kerberos = "required", ccache = cache, encryption = "required" })
    assert.equal("protocol", code)
    assert.matches("encryption is required", message, 1, true)
  end)

  it("are listed by a name and a password", function()
    assert.is_true(has_backup(smb.shares(fields { username = "bob", password = ad.password, domain = "LUASMB" })))
  end)

  it("are not listed without a ticket where Kerberos is required", function()
    local _, message, code = smb.shares(fields { kerberos = "required", ccache = "FILE:/none" })
    assert.equal("auth_failed", code)
    assert.matches("there is no Kerberos ticket", message, 1, true)
    assert.same({}, ad:logons "files")
  end)

  it("are part of a diagnosis, which says that Kerberos logged on", function()
    local found = assert(smb.diagnose(domain.fields("files", { kerberos = "required", ccache = cache })))
    local steps = {}
    for _, step in ipairs(found.steps) do steps[step.step] = step end
    assert.equal("bob@LUASMB.TEST, Kerberos", steps.logon.value)
    assert.matches("backup", steps.shares.value)
  end)
end)
