-- What was demanded of the wire is on the wire: told by what the destination says, by what the server says (smbstatus)
-- and by a proxy between them that counts the client's frames (spec/support/framewatch.c).

local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

-- Frames that may be in clear where encryption is demanded, and those that may go without a signature where signing is.
-- "validate" is SMB 3.0's and 3.0.2's signed check of what was negotiated; it comes before the first encrypted frame.
local MAY_BE_CLEAR = {
  negotiate = true, session_setup = true, tree_connect = true, tree_disconnect = true, logoff = true, echo = true,
  cancel = true, validate = true,
}
local MAY_BE_UNSIGNED = { negotiate = true, session_setup = true, echo = true, cancel = true }

local dir, program

setup(function()
  dir = files.directory()
  program = dir .. "/framewatch"
  shell.check { "cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, "spec/support/framewatch.c" }
end)

teardown(function() files.remove(dir) end)

-- Counts of the client's frames: `encrypted`, and by kind `{ signed =, unsigned = }`.
local function read_report(path)
  local frames = { encrypted = 0, clear = {} }
  for kind, protection, count in files.read(path):gmatch "(%S+) (%S+) (%d+)\n" do
    if kind == "encrypted" then
      frames.encrypted = tonumber(count)
    else
      frames.clear[kind] = frames.clear[kind] or { signed = 0, unsigned = 0 }
      frames.clear[kind][protection == "signed" and "signed" or "unsigned"] = tonumber(count)
    end
  end
  return frames
end

-- Calls fn with the port of a proxy before the server, and returns what the proxy saw.
local function watched(srv, fn)
  local report, output = dir .. "/report", dir .. "/port"
  os.remove(report)
  os.remove(output)
  local pid = shell.spawn({ program, srv.address, srv.port, report }, output)
  local port = shell.poll(function() return (files.read(output) or ""):match "^(%d+)\n" end)
  local ok, problem = pcall(fn, tonumber(port))
  shell.kill(pid, "TERM")
  assert.is_true(shell.poll(function() return files.exists(report) end), "the proxy gave no report")
  assert(ok, problem)
  return read_report(report)
end

local function assert_only(permitted, frames, protection)
  for kind, counts in pairs(frames.clear) do
    local count = protection == "unsigned" and counts.unsigned or counts.signed + counts.unsigned
    assert.is_true(count == 0 or permitted[kind] == true, ("%d %s frame(s) left %s"):format(count, kind, protection))
  end
end

local function assert_kept(options, frames)
  if options.encryption == "required" then assert_only(MAY_BE_CLEAR, frames, "clear") end
  if options.signing == "required" then assert_only(MAY_BE_UNSIGNED, frames, "unsigned") end
end

-- What of a share's data left without protection.
local function exposed(frames, protection)
  local count = 0
  for _, kind in ipairs {
    "create", "read", "write", "close", "query_directory", "query_info", "set_info", "compound", "other",
  } do
    local counts = frames.clear[kind]
    count = count + (counts and counts.unsigned + (protection == "clear" and counts.signed or 0) or 0)
  end
  return count
end

-- What server and destination say of each other while they are connected.
local function assert_agreed(dest, srv)
  local status = srv:status()
  local _, session = next(status.sessions)
  local protection
  for _, tcon in pairs(status.tcons) do
    if tcon.service == "backup" then protection = tcon end
  end
  local info = dest.info
  assert.equal(session.session_dialect, info.dialect)
  assert.equal(protection.encryption.degree == "full", info.encryption)
  assert.equal(protection.encryption.degree == "full" and protection.encryption.cipher or nil, info.cipher)
  assert.equal(session.username == "nobody", info.guest or dest.options.anonymous)
  if protection.signing.degree == "full" then assert.is_true(info.signing) end
  return info
end

local function proxied(srv, port, options)
  local fields = srv:fields(options)
  fields.port = port
  if fields.anonymous then fields.username, fields.password = nil, nil end
  return fields
end

-- Opens, writes, reads and closes through the proxy. All has to work, and info to be what was on the wire.
local function assert_works(srv, options)
  local info
  local frames = watched(srv, function(port)
    local dest <close> = assert(smb.open(proxied(srv, port, options)))
    assert(dest:write("file", "new content"))
    assert.equal("new content", dest:read "file")
    info = assert_agreed(dest, srv)
  end)
  assert.equal(info.encryption, frames.encrypted > 0)
  assert.equal(info.encryption, exposed(frames, "clear") == 0)
  assert.equal(info.signing, exposed(frames, "unsigned") == 0)
  if options.encryption == "required" then assert.is_true(info.encryption) end
  if options.signing == "required" then assert.is_true(info.signing) end
  assert_kept(options, frames)
  return info
end

-- Opening has to fail, with nothing of the share touched and nothing sent that should not be.
local function assert_refused(srv, options, code, happened)
  local frames = watched(srv, function(port)
    local dest, message, word = smb.open(proxied(srv, port, options))
    assert.is_nil(dest)
    assert.equal(code, word, message)
    assert.matches(happened, message)
    assert.is_nil(message:find("s3cret", 1, true))
  end)
  assert_kept(options, frames)
  assert.equal("content", files.read(srv:path("backup", "file")))
  return frames
end

local function start(global, share)
  local srv = server.start { global = global, shares = { backup = share or {} } }
  files.write(srv:path("backup", "file"), "content")
  return srv
end

-- What each demand comes to on each server: protection of the wire ("encrypted", "signed", "clear"), or "protocol".
local DEMANDS = {
  { "nothing", {} },
  { "encryption required", { encryption = "required" } },
  { "encryption desired", { encryption = "desired" } },
  { "encryption off", { encryption = "off" } },
  { "signing required", { signing = "required" } },
  { "signing desired", { signing = "desired" } },
  { "signing off", { signing = "off" } },
  { "both required", { encryption = "required", signing = "required" } },
}

local SERVERS = {
  { "a server as it is installed", {},
    { "clear", "encrypted", "encrypted", "clear", "signed", "signed", "clear", "encrypted" } },
  { "server smb encrypt = off", { ["server smb encrypt"] = "off" },
    { "clear", "protocol", "signed", "clear", "signed", "signed", "clear", "protocol" } },
  { "server smb encrypt = desired", { ["server smb encrypt"] = "desired" },
    { "encrypted", "encrypted", "encrypted", "encrypted", "encrypted", "encrypted", "encrypted", "encrypted" } },
  { "server smb encrypt = required", { ["server smb encrypt"] = "required" },
    { "encrypted", "encrypted", "encrypted", "encrypted", "encrypted", "encrypted", "encrypted", "encrypted" } },
  { "host msdfs = no", { ["host msdfs"] = "no" },
    { "clear", "protocol", "signed", "clear", "signed", "signed", "clear", "protocol" } },
  { "server signing = disabled", { ["server signing"] = "disabled" },
    { "clear", "encrypted", "encrypted", "clear", "signed", "signed", "clear", "encrypted" } },
  { "server signing = mandatory", { ["server signing"] = "mandatory" },
    { "signed", "encrypted", "encrypted", "signed", "signed", "signed", "signed", "encrypted" } },
  { "server max protocol = SMB2_10", { ["server max protocol"] = "SMB2_10" },
    { "clear", "protocol", "signed", "clear", "signed", "signed", "clear", "protocol" } },
}

for _, row in ipairs(SERVERS) do
  describe("with " .. row[1], function()
    local srv

    setup(function() srv = start(row[2]) end)
    teardown(function() srv:stop() end)
    before_each(function() files.write(srv:path("backup", "file"), "content") end)

    for i, demand in ipairs(DEMANDS) do
      local outcome = row[3][i]
      it(("%s comes to %s"):format(demand[1], outcome), function()
        if outcome == "protocol" then
          assert_refused(srv, demand[2], "protocol", "encryption is required")
        else
          local info = assert_works(srv, demand[2])
          assert.equal(outcome == "encrypted", info.encryption)
          assert.equal(outcome ~= "clear", info.signing)
        end
      end)
    end
  end)
end

describe("encryption that is required", function()
  for _, dialect in ipairs { "SMB3_00", "SMB3_02" } do
    it("is had of " .. dialect, function()
      local srv <close> = start { ["server max protocol"] = dialect }
      local options = { encryption = "required" }
      local encryption, code
      local frames = watched(srv, function(port)
        local dest, _, word = smb.open(proxied(srv, port, options))
        encryption, code = dest and dest.info.encryption, word
        if dest then dest:close() end
      end)
      assert.is_nil(code)
      assert.is_true(encryption)
      assert_kept(options, frames)
    end)
  end

  it("tells of 'host msdfs', which keeps a willing server from it", function()
    local srv <close> = start { ["host msdfs"] = "no" }
    assert_refused(srv, { encryption = "required" }, "protocol", "host msdfs")
  end)

  it("stays so when the server comes back without it", function()
    local srv <close> = start()
    local options = { encryption = "required", short_timeout = 5 }
    local frames = watched(srv, function(port)
      local dest <close> = assert(smb.open(proxied(srv, port, options)))
      assert.equal("content", dest:read "file")
      files.write(srv.conf, (files.read(srv.conf):gsub("%[global%]\n", "%0\tserver smb encrypt = off\n")))
      srv:restart()
      -- The first call may only find that the old connection is gone.
      local code
      for _ = 1, 3 do
        local result, _, word = dest:write("file", "new content")
        assert.is_nil(result)
        code = word
        if code ~= "disconnected" then break end
      end
      assert.equal("protocol", code)
    end)
    assert.is_true(frames.encrypted > 0)
    assert_kept(options, frames)
    assert.equal("content", files.read(srv:path("backup", "file")))
  end)
end)

for _, mapping in ipairs { "bad password", "bad user" } do
  describe("with map to guest = " .. mapping, function()
    local srv

    setup(function() srv = start({ ["map to guest"] = mapping }, { ["guest ok"] = "yes" }) end)
    teardown(function() srv:stop() end)

    before_each(function()
      files.write(srv:path("backup", "file"), "content")
      srv:mark()
    end)

    it("a user who is known is who they are", function()
      local info = assert_works(srv, {})
      assert.is_false(info.guest)
      assert_works(srv, { encryption = "required" })
      assert_works(srv, { signing = "required" })
    end)

    for _, demand in ipairs { {}, { encryption = "required" }, { signing = "required" } } do
      local with = next(demand) and (" with %s required"):format((next(demand))) or ""

      -- A guest's logon is no logon: not even a request for the share leaves in their place.
      local function assert_no_guest(options)
        for key, value in pairs(demand) do options[key] = value end
        local frames = assert_refused(srv, options, "auth_failed", ".")
        assert_only(MAY_BE_CLEAR, frames, "clear")
        assert.equal(0, frames.encrypted)
        assert.equal(1, (srv:logons()))
      end

      it("a wrong password is auth_failed after one attempt" .. with, function()
        assert_no_guest { password = "wrong" }
      end)

      it("an unknown user is auth_failed after one attempt" .. with, function()
        assert_no_guest { username = "nobody-knows" }
      end)
    end

    it("a guest is let in who asks for no more", function()
      local info = assert_works(srv, { anonymous = true })
      assert.is_false(info.encryption)
      assert.is_false(info.signing)
    end)

    it("a guest cannot have what only a user's key makes possible", function()
      assert_refused(srv, { anonymous = true, encryption = "required" }, "protocol", "encryption is required")
      assert_refused(srv, { anonymous = true, signing = "required" }, "protocol", "signing is required")
    end)
  end)
end

describe("a user who turns into a guest while the destination is open", function()
  it("is refused at the next connection", function()
    local srv <close> = start({ ["map to guest"] = "bad password" }, { ["guest ok"] = "yes" })
    local dest <close> = assert(smb.open(srv:fields()))
    assert.equal("content", dest:read "file")
    shell.check(("printf 'other\\nother\\n' | pdbedit -s %s -t -a %s")
      :format(shell.quote(srv.conf), srv:unix_name "bob"))
    srv:disconnect()
    srv:mark()
    local code
    for _ = 1, 3 do
      local result, _, word = dest:write("file", "new content")
      assert.is_nil(result)
      code = word
      if code ~= "disconnected" then break end
    end
    assert.equal("auth_failed", code)
    assert.equal("auth_failed", select(3, dest:read "file"))
    assert.equal(1, (srv:logons()))
    assert.equal("content", files.read(srv:path("backup", "file")))
  end)
end)

describe("the frame-counting proxy", function()
  -- A promise kept is worth as much as the one who looks.
  it("sees frames in clear, signed and encrypted for what they are", function()
    local srv <close> = start()
    local function smbclient(...)
      local words = { ... }
      return watched(srv, function(port)
        shell.check { "smbclient", "-s", "/dev/null", "-p", port, "-U", "bob%s3cret", "//127.0.0.1/backup",
          "-c", "get file /dev/null", table.unpack(words) }
      end)
    end
    local clear = smbclient()
    assert.equal(1, clear.clear.create.unsigned)
    assert.equal(0, clear.clear.create.signed)
    assert.equal(1, clear.clear.read.unsigned)
    assert.equal(0, clear.encrypted)
    local signed = smbclient "--client-protection=sign"
    assert.equal(1, signed.clear.create.signed)
    assert.equal(0, signed.clear.create.unsigned)
    local encrypted = smbclient "--client-protection=encrypt"
    assert.is_true(encrypted.encrypted > 3)
    assert.is_nil(encrypted.clear.create)
    assert.is_false(pcall(assert_only, MAY_BE_CLEAR, clear, "clear"))
    assert.is_false(pcall(assert_only, MAY_BE_UNSIGNED, clear, "unsigned"))
    assert_only(MAY_BE_UNSIGNED, signed, "unsigned")
    assert_only(MAY_BE_CLEAR, encrypted, "clear")
  end)
end)
