-- What a server shares: smb.shares, lua-smb shares, lua-smb list smb://server/.

local command = require "spec.support.command"
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
