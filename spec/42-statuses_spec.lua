-- Every NT status that file servers send: its word, its sentence, whether the call is tried again. A proxy answers in
-- the server's place, with each status of the worker's table (src/worker/status.c) and with all that have a name.

local faults = require "spec.support.faults"
local files = require "spec.support.files"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local assert_fails = share.assert_fails
local SESSION_SETUP, TREE_CONNECT, CREATE, WRITE, CLOSE = 1, 3, 5, 9, 6
local PASSING = { busy = true, unreachable = true, timeout = true, disconnected = true }

-- The rows of the worker's table.
local function table_of_statuses()
  local rows, all = {}, {}
  local source = files.read "src/worker/status.c"
  for status, code, text, name in source:gmatch '{(0x%x+), SMB_([%u_]+), "([^"]*)",%s+"([%w_]+)"}' do
    rows[#rows + 1] = { status = tonumber(status), code = code:lower(), text = text, name = name }
    assert(not all[name], name .. " is there twice")
    all[name] = rows[#rows]
  end
  assert(#rows > 250)
  return rows, all
end

-- With these an answer is well: a logon goes on, a listing ends, there is more than was asked for.
local IS_NO_FAILURE = { MORE_PROCESSING_REQUIRED = true, NO_MORE_FILES = true, NO_MORE_EAS = true,
  NO_MORE_ENTRIES = true, BUFFER_OVERFLOW = true }

local function table_of_names()
  local names = {}
  for status, name in files.read "src/worker/status_names.c":gmatch '{(0x%x+), "([%w_]+)"}' do
    names[#names + 1] = { status = tonumber(status), name = name }
  end
  assert(#names > 1600)
  return names
end

local ROWS, BY_NAME = table_of_statuses()
local NAMES = table_of_names()

describe("The table of statuses", function()
  it("calls each status what MS-ERREF calls it", function()
    local by_status = {}
    for _, entry in ipairs(NAMES) do by_status[entry.status] = entry.name end
    for _, row in ipairs(ROWS) do assert.equal(by_status[row.status], row.name) end
  end)

  it("has the names in ascending order, each of a status once: they are searched so", function()
    for i = 2, #NAMES do assert.is_true(NAMES[i - 1].status < NAMES[i].status, NAMES[i].name) end
  end)

  it("has all names that Samba knows for errors and warnings", function()
    local ours, missing = {}, {}
    for _, entry in ipairs(NAMES) do ours[entry.status] = entry.name end
    local theirs = shell.check { "/usr/bin/python3", "-c", [[
from samba import ntstatus
for name in dir(ntstatus):
    if name.startswith("NT_STATUS_") and getattr(ntstatus, name) & 0x80000000:
        print(getattr(ntstatus, name) & 0xffffffff, name[len("NT_STATUS_"):])
]] }
    for status, name in theirs:gmatch "(%d+) ([%w_]+)" do
      if not ours[math.tointeger(tonumber(status))] then missing[#missing + 1] = name end
    end
    assert.same({}, missing)
  end)
end)

describe("A server that answers", function()
  local srv, net, dest

  setup(function()
    srv = server.start()
    net = faults.start(srv, srv.dir)
    files.write(srv:path "backup" .. "/file", "content")
  end)

  before_each(function() dest = assert(smb.open(net:url "backup", { retries = 0, retry_delay = 0.01 })) end)

  after_each(function()
    net:tell "calm"
    dest:close()
  end)

  teardown(function()
    net:stop()
    srv:stop()
  end)

  local function answer(command, status, times)
    net:tell("answer-times", times or 0)
    net:tell("answer", command * 2 ^ 32 + status)
  end

  it("with any status of the table: its word, its sentence, its name", function()
    for _, row in ipairs(ROWS) do
      answer(CREATE, row.status)
      local result, message, code = dest:read "file"
      assert.is_nil(result)
      assert.equal(row.code, code, row.name)
      assert.equal(("%s (NT_STATUS_%s)"):format(row.text, row.name), message:match "^[^:]+:[^:]+:[^:]*: (.*)$")
    end
    net:tell "calm"
    assert.equal("content", dest:read "file")
  end)

  it("with any status that has a name: no message shows a number", function()
    for _, entry in ipairs(NAMES) do
      answer(CREATE, entry.status)
      local result, message = dest:read "file"
      assert.is_nil(result)
      if not IS_NO_FAILURE[entry.name] then
        assert.matches(" %(NT_STATUS_" .. entry.name .. "%)$", message)
      end
      assert.is_nil(message:find "0x")
    end
  end)

  it("with a status that nobody has named: its number", function()
    answer(CREATE, 0xc0fefefe)
    assert.matches("the server refused the request %(NT status 0xC0FEFEFE%)$", (select(2, dest:read "file")))
  end)

  it("once: the call is tried again after what passes, and after nothing else", function()
    dest.options.retries = 1
    for _, row in ipairs(ROWS) do
      answer(CREATE, row.status, 1)
      local result, message, code = dest:read "file"
      if PASSING[row.code] then
        assert.equal("content", result, row.name .. ": " .. tostring(message))
      else
        assert.equal(row.code, code, row.name)
      end
    end
  end)

  describe("while a file is written", function()
    -- Busy for a moment: what a server does that is short of something.
    for _, name in ipairs { "INSUFFICIENT_RESOURCES", "NO_MEMORY", "TOO_MANY_OPENED_FILES", "NETWORK_BUSY",
      "SERVER_UNAVAILABLE", "FILE_NOT_AVAILABLE", "SHARE_UNAVAILABLE", "VOLUME_DISMOUNTED", "CANCELLED",
      "IO_TIMEOUT" } do
      for command, what in pairs { [CREATE] = "opening", [WRITE] = "writing", [CLOSE] = "closing" } do
        it(("with %s once, to %s: the file arrives"):format(name, what), function()
          dest.options.retries = 3
          answer(command, BY_NAME[name].status, 1)
          assert(dest:write("new", ("x"):rep(100000)))
          assert.equal(("x"):rep(100000), files.read(srv:path "backup" .. "/new"))
          assert.same({ "file", "new" }, files.list(srv:path "backup"))
          os.remove(srv:path "backup" .. "/new")
        end)
      end
    end

    for _, name in ipairs { "DISK_FULL", "IO_DEVICE_ERROR", "VIRUS_INFECTED", "DISK_CORRUPT_ERROR" } do
      it(("with %s: the old file stays as it was, and nothing is left"):format(name), function()
        dest.options.retries = 3
        answer(WRITE, BY_NAME[name].status)
        assert_fails(BY_NAME[name].code, dest:write("file", ("x"):rep(100000)))
        assert.equal("content", files.read(srv:path "backup" .. "/file"))
        assert.same({ "file" }, files.list(srv:path "backup"))
      end)
    end
  end)

  describe("to somebody who connects", function()
    local function open(options) return smb.open(net:url "backup", options) end

    -- SMB 3.1.1 wants a signature below this answer.
    local OLDER = { max_protocol = "SMB3_02" }

    before_each(function() dest:close() end)

    it("that the share is missing, by whatever name: share_missing", function()
      for _, name in ipairs { "BAD_NETWORK_NAME", "OBJECT_NAME_NOT_FOUND", "OBJECT_PATH_NOT_FOUND", "NOT_FOUND" } do
        answer(TREE_CONNECT, BY_NAME[name].status)
        OLDER.retries = 0
        local message = assert_fails("share_missing", open(OLDER))
        assert.matches("%(NT_STATUS_" .. name .. "%)$", message)
      end
    end)

    it("that it takes no more: it is tried again, and opens", function()
      for _, name in ipairs { "REQUEST_NOT_ACCEPTED", "INSUFF_SERVER_RESOURCES", "TOO_MANY_SESSIONS",
        "SERVER_UNAVAILABLE", "NO_LOGON_SERVERS", "NETLOGON_NOT_STARTED" } do
        answer(SESSION_SETUP, BY_NAME[name].status, 1)
        local second <close> = assert(open { retries = 1, retry_delay = 0.01 })
        assert.equal("content", second:read "file")
      end
    end)

    it("that the logon cannot be, for a reason of its own: auth_failed", function()
      for _, name in ipairs { "ACCESS_DENIED", "INVALID_PARAMETER", "NO_SUCH_PACKAGE", "TRUST_FAILURE" } do
        answer(SESSION_SETUP, BY_NAME[name].status)
        assert_fails("auth_failed", open { retries = 3, retry_delay = 60 })
      end
    end)
  end)
end)
