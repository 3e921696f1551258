-- What the worker sees on the wire: what was agreed with the server, and what the server says when it refuses.

local child = require "spec.support.child"
local faults = require "spec.support.faults"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local KIB, MIB = 1024, 1048576
local DIALECTS = { "SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11" }

local function opened(...)
  local dest, message, code = smb.open(...)
  return assert(dest, (message or "") .. " [" .. tostring(code) .. "]")
end

local function session_of(srv)
  local id, session = next(srv:status().sessions)
  assert.is_not_nil(id)
  return session
end

-- Holds what was seen against what the server says, while the connection is open.
local function assert_agreed(dest, srv)
  local info, status = dest.info, srv:status()
  local _, session = next(status.sessions)
  local protection
  for _, tcon in pairs(status.tcons) do
    if tcon.service == "backup" then protection = tcon end
  end
  assert.equal(session.session_dialect, info.dialect)
  assert.equal(protection.encryption.degree == "full", info.encryption)
  assert.equal(protection.encryption.degree == "full" and protection.encryption.cipher or nil, info.cipher)
  assert.equal(protection.signing.degree == "full", info.signing)
  assert.equal(session.username == "nobody", info.guest)
  assert.equal(srv.address, info.server_address)
  return info
end

describe("dest.info", function()
  for _, dialect in ipairs(DIALECTS) do
    it("agrees with a server that speaks only " .. dialect, function()
      local srv <close> =
        server.start { global = { ["server min protocol"] = dialect, ["server max protocol"] = dialect } }
      local dest <close> = opened(srv:fields())
      local info = assert_agreed(dest, srv)
      assert.equal(dialect, info.dialect)
      assert.is_false(info.guest)
      local most = dialect == "SMB2_02" and 64 * KIB or 8 * MIB
      assert.equal(most, info.max_read_size)
      assert.equal(most, info.max_write_size)
    end)
  end

  -- A busy machine: the worker loses the processor as soon as it has sent, and the answer is there when it goes on.
  it("has a round trip that is no shorter than the line's, however late the worker looks", function()
    local srv <close> = server.start()
    local net <close> = faults.start(srv, srv.dir)
    local preload = srv.dir .. "/latesender.so"
    shell.check { "cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fno-sanitize=all",
      "-o", preload, "spec/support/latesender.c", "-ldl" }
    net:tell("latency", 10)
    local program = child.start_under({ "env", "LD_PRELOAD=" .. preload }, srv.dir, ([[
      local dest <close> = assert(smb.open(%q))
      for i = 1, 5 do dest:exists("file" .. i) end
      say(dest.info.round_trip >= 0.01)
    ]]):format(net:url "backup"))
    assert.equal("true\n", program:await_end())
  end)

  it("names the address that has answered, though others were tried", function()
    local srv <close> = server.start { address = "127.0.0.1" }
    local dest <close> = opened(srv:fields { server = "localhost" }) -- ::1 comes first where /etc/hosts has it
    assert.equal("127.0.0.1", dest.info.server_address)
  end)

  describe("of one server", function()
    local srv

    setup(function() srv = server.start() end)
    teardown(function() srv:stop() end)

    for _, dialect in ipairs(DIALECTS) do
      it("agrees with it when max_protocol is " .. dialect, function()
        local dest <close> = opened(srv:fields { max_protocol = dialect })
        assert.equal(dialect, assert_agreed(dest, srv).dialect)
      end)
    end

    for _, case in ipairs {
      { signing = "required" }, { signing = "off" }, { encryption = "required" }, { encryption = "off" },
      { encryption = "desired" }, { encryption = "required", signing = "required" },
    } do
      local key, value = next(case)
      it("agrees with it when " .. key .. " is " .. value, function()
        local dest <close> = opened(srv:fields(case))
        local info = assert_agreed(dest, srv)
        assert.equal(case.encryption ~= nil and case.encryption ~= "off", info.encryption)
      end)
    end

    it("tells the library and how long a request takes", function()
      local dest <close> = opened(srv:fields())
      assert.matches("^4%.%d+%.%d+", dest.info.library)
      assert.equal("float", math.type(dest.info.round_trip))
      assert.is_true(dest.info.round_trip > 0 and dest.info.round_trip < 1)
    end)

    it("is a picture: changing it changes nothing", function()
      local dest <close> = opened(srv:fields())
      dest.info.dialect = "NT1"
      assert.equal("SMB3_11", dest.info.dialect)
    end)
  end)

  it("tells that a server encrypts on its own account", function()
    for _, demand in ipairs { "desired", "required" } do
      local srv <close> = server.start { global = { ["server smb encrypt"] = demand } }
      local dest <close> = opened(srv:fields())
      assert.is_true(assert_agreed(dest, srv).encryption)
    end
  end)

  it("tells that a server makes clients sign", function()
    local srv <close> = server.start { global = { ["server signing"] = "mandatory" } }
    local dest <close> = opened(srv:fields { signing = "off" })
    assert.is_true(assert_agreed(dest, srv).signing)
  end)
end)

describe("negotiated sizes", function()
  for _, size in ipairs { 8 * MIB, MIB, 64 * KIB } do
    it(("of %d KiB are seen, and kept to"):format(size // KIB), function()
      local srv <close> = server.start { global = {
        ["smb2 max read"] = size, ["smb2 max write"] = size, ["smb2 max trans"] = size,
      } }
      local dest <close> = opened(srv:fields { read_buffer_size = "64M", connections = 1 }) -- more share a file
      assert.equal(size, dest.info.max_read_size)
      assert.equal(size, dest.info.max_write_size)
      assert.equal(size, dest.options.read_buffer_size)
      assert.equal(size, dest.options.write_buffer_size)
      files.directory(function(dir)
        files.make(dir .. "/up", 2 * size + 1)
        assert(dest:put(dir .. "/up", "file"))
        assert(dest:get("file", dir .. "/down"))
        assert.is_true(files.same(dir .. "/up", dir .. "/down"))
      end)
      for _, list in ipairs { srv:writes(), srv:reads() } do
        local longest = 0
        for _, entry in ipairs(list) do longest = math.max(longest, entry.length) end
        assert.equal(size, longest)
      end
    end)
  end

  it("may differ between reading and writing", function()
    local srv <close> = server.start { global = {
      ["smb2 max read"] = MIB, ["smb2 max write"] = 128 * KIB, ["smb2 max trans"] = MIB,
    } }
    local dest <close> = opened(srv:fields())
    assert.equal(MIB, dest.info.max_read_size)
    assert.equal(128 * KIB, dest.info.max_write_size)
    assert.equal(MIB, dest.options.read_buffer_size)
    assert.equal(128 * KIB, dest.options.write_buffer_size)
  end)
end)

describe("the range of dialects", function()
  it("is the client's to set, and nothing below is accepted", function()
    local srv <close> = server.start { global = { ["server max protocol"] = "SMB2_10" } }
    opened(srv:fields { min_protocol = "SMB2_10" }):close()
    srv:mark()
    for _, dialect in ipairs { "SMB3_00", "SMB3_11" } do
      local dest, message, code = smb.open(srv:fields { min_protocol = dialect })
      assert.is_nil(dest)
      assert.equal("protocol", code)
      assert.matches("dialect", message)
    end
    assert.equal(0, (srv:logons()))
  end)

  it("ends above what the server refuses", function()
    local srv <close> = server.start { global = { ["server min protocol"] = "SMB3_00" } }
    opened(srv:fields { max_protocol = "SMB3_00" }):close()
    srv:mark()
    local dest, message, code = smb.open(srv:fields { max_protocol = "SMB2_10" })
    assert.is_nil(dest)
    assert.equal("protocol", code)
    assert.matches("dialect", message)
    assert.equal(0, (srv:logons()))
  end)
end)

describe("NT1", function()
  local srv

  setup(function()
    if not SANDBOX then return end
    srv = server.start { address = "127.0.0.61", ports = "139", global = {
      ["server min protocol"] = "NT1", ["server max protocol"] = "NT1",
    } }
  end)

  teardown(function() if srv then srv:stop() end end)

  it("is spoken when asked for, over NetBIOS", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    local dest <close> = opened(srv:fields { min_protocol = "NT1", max_protocol = "NT1" })
    assert.equal("netbios", dest.transport)
    assert.equal("NT1", dest.info.dialect)
    assert.equal("NT1", session_of(srv).session_dialect)
    files.directory(function(dir)
      files.make(dir .. "/up", 300000)
      assert(dest:put(dir .. "/up", "file"))
      assert.is_true(files.same(dir .. "/up", srv:path("backup", "file")))
      assert(dest:get("file", dir .. "/down"))
      assert.is_true(files.same(dir .. "/up", dir .. "/down"))
    end)
    assert.is_true(dest:mkdir "folder")
    assert(dest:write("folder/small", "small"))
    assert.equal("small", dest:read "folder/small")
    local entries = assert(dest:list())
    assert.equal("file", entries[1].name)
    assert.equal(300000, entries[1].size)
    assert.equal("directory", entries[2].type)
    assert.is_true(dest:rename("folder/small", "small"))
    assert.equal("not_found", select(3, dest:stat "folder/small"))
    assert.is_true(dest:delete "small")
    assert.is_true(dest:rmdir "folder")
  end)

  it("is not spoken unless asked for", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    srv:mark()
    local dest, _, code = smb.open(srv:fields())
    assert.is_nil(dest)
    assert.equal("protocol", code)
    assert.equal(0, (srv:logons()))
  end)

  it("is not had from a server that does not speak it", function()
    local modern <close> = server.start()
    local dest, _, code = smb.open(modern:fields { min_protocol = "NT1", max_protocol = "NT1" })
    assert.is_nil(dest)
    assert.equal("protocol", code)
    assert.equal(0, (modern:logons()))
  end)
end)

-- What goes wrong in a folder that holds a file "file" and a folder "full" with a file in it; `ro` is the same,
-- read-only. Each: code, NT status where the server says one, method, arguments.
local FAILURES = {
  { "not_found", "OBJECT_NAME_NOT_FOUND", "stat", "missing" },
  { "not_found", "OBJECT_NAME_NOT_FOUND", "read", "missing" },
  { "not_found", "OBJECT_NAME_NOT_FOUND", "delete", "missing" },
  { "not_found", "OBJECT_NAME_NOT_FOUND", "rmdir", "missing" },
  { "not_found", "OBJECT_NAME_NOT_FOUND", "rename", "missing", "other" },
  { "not_found", "OBJECT_NAME_NOT_FOUND", "copy", "missing", "other" },
  { "folder_missing", "OBJECT_PATH_NOT_FOUND", "write", "missing/file", "data" },
  { "folder_missing", "OBJECT_PATH_NOT_FOUND", "rename", "file", "missing/file" },
  { "folder_missing", "OBJECT_NAME_NOT_FOUND", "list", "missing" },
  { "exists", "OBJECT_NAME_COLLISION", "mkdir", "file" },
  { "exists", nil, "write", "file", "data", { overwrite = false } },
  { "exists", nil, "rename", "file", "full/file", { overwrite = false } },
  { "is_directory", nil, "delete", "full" },
  { "is_directory", "FILE_IS_A_DIRECTORY", "read", "full" },
  { "is_directory", nil, "write", "full", "data" },
  { "not_directory", "NOT_A_DIRECTORY", "list", "file" },
  { "not_directory", "NOT_A_DIRECTORY", "rmdir", "file" },
  { "not_empty", "DIRECTORY_NOT_EMPTY", "rmdir", "full" },
  { "access_denied", "ACCESS_DENIED", "write", "new", "data", share = "ro" },
  { "access_denied", "ACCESS_DENIED", "mkdir", "new", share = "ro" },
  { "access_denied", "ACCESS_DENIED", "delete", "file", share = "ro" },
}

local function start_with_files(global)
  local srv = server.start { global = global, shares = { backup = {}, ro = { ["read only"] = "yes" } } }
  for _, share in ipairs { "backup", "ro" } do
    files.write(srv:path(share, "file"), "content")
    assert(os.execute(("mkdir '%s'"):format(srv:path(share, "full"))))
    files.write(srv:path(share, "full/file"), "other content")
  end
  return srv
end

local function title(case)
  return ("%s of %s is %s"):format(case[3], case[4] .. (case.share and " on a read-only share" or ""), case[1])
end

describe("what the server says:", function()
  local srv, dests = nil, {}

  setup(function()
    srv = start_with_files()
    dests = { backup = opened(srv:fields()), ro = opened(srv:fields { share = "ro" }) }
  end)

  teardown(function()
    for _, dest in pairs(dests) do dest:close() end
    srv:stop()
  end)

  for _, case in ipairs(FAILURES) do
    it(title(case), function()
      local dest = dests[case.share or "backup"]
      local result, message, code = dest[case[3]](dest, table.unpack(case, 4))
      assert.is_nil(result)
      assert.equal(case[1], code)
      if case[2] then
        assert.matches("%(NT_STATUS_" .. case[2] .. "%)$", message)
      else
        -- Found out without a refusal, and none is invented.
        assert.is_nil(message:find("NT_STATUS", 1, true))
      end
    end)
  end

  it("a share that does not exist", function()
    local dest, message, code = smb.open(srv:fields { share = "missing" })
    assert.is_nil(dest)
    assert.equal("share_missing", code)
    assert.matches("%(NT_STATUS_BAD_NETWORK_NAME%)$", message)
  end)
end)

-- Nothing is seen inside encrypted frames: the step that failed and errno have to tell.
for _, case in ipairs {
  { "where the client asks for encryption", {}, { encryption = "required" } },
  { "where the server demands encryption", { ["server smb encrypt"] = "required" }, {} },
} do
  describe(case[1], function()
    local srv, dests = nil, {}

    setup(function()
      srv = start_with_files(case[2])
      local ro = { share = "ro" }
      for key, value in pairs(case[3]) do ro[key] = value end
      dests = { backup = opened(srv:fields(case[3])), ro = opened(srv:fields(ro)) }
    end)

    teardown(function()
      for _, dest in pairs(dests) do dest:close() end
      srv:stop()
    end)

    it("transfers work, into new names and onto old ones", function()
      for _, data in ipairs { "first", "second" } do
        assert.is_truthy(dests.backup:write("changed", data))
        assert.equal(data, dests.backup:read "changed")
      end
      assert.is_true(dests.backup:delete "changed")
    end)

    for _, failure in ipairs(FAILURES) do
      it(title(failure), function()
        local dest = dests[failure.share or "backup"]
        assert.is_true(dest.info.encryption)
        local result, message, code = dest[failure[3]](dest, table.unpack(failure, 4))
        assert.is_nil(result)
        assert.equal(failure[1], code)
        assert.matches("^" .. failure[3] .. " '" .. failure[4] .. "' on smb://", message)
      end)
    end

    it("a file is not_found on a connection that has just been made", function()
      for _, path in ipairs { "", "full" } do
        local dest <close> = opened(srv:fields { path = path, encryption = case[3].encryption })
        assert.equal("not_found", select(3, dest:stat "missing"))
      end
    end)

    it("a path that does not exist yet is no failure", function()
      local dest <close> = opened(srv:fields { path = "not/yet", encryption = case[3].encryption })
      assert.is_false(dest:exists "")
      assert.is_true(dest:mkdir "")
      assert.is_true(dest:exists "")
    end)

    it("a share that does not exist is share_missing", function()
      local dest, _, code = smb.open(srv:fields { share = "missing", encryption = case[3].encryption })
      assert.is_nil(dest)
      assert.equal("share_missing", code)
    end)
  end)
end
