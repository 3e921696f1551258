-- What a server says that cannot be, or that somebody has changed on the way: no call raises, and the word is the
-- cause's. A proxy changes the server's answers.

local faults = require "spec.support.faults"
local files = require "spec.support.files"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local assert_fails = share.assert_fails
local NEGOTIATE, CREATE, QUERY_DIRECTORY = 0, 5, 14
local HEADER = 64
-- MS-SMB2 2.2.4: where the fields of the answer to NEGOTIATE are.
local FIELDS = { ["the security mode"] = { HEADER + 2, 2, 0 }, ["the dialect"] = { HEADER + 4, 2, 0x0202 },
  ["the server's GUID"] = { HEADER + 8, 4, 77 }, ["the capabilities"] = { HEADER + 24, 4, 0 } }
-- Where the sizes and times in the answer to CREATE are (2.2.14), and in the third entry of a listing (MS-FSCC 2.4.18).
local CREATED = { btime = 72, atime = 80, mtime = 88, ctime = 96, size = 112 }
local LISTED = { btime = 296 + 8, atime = 296 + 16, mtime = 296 + 24, ctime = 296 + 32, size = 296 + 40 }
local VALUES = { 0, -1, math.mininteger }

local srv, net, dir

setup(function()
  srv = server.start()
  net = faults.start(srv, srv.dir)
  dir = files.directory()
end)

teardown(function()
  net:stop()
  srv:stop()
  files.remove(dir)
end)

before_each(function() files.write(srv:path "backup" .. "/file", "content") end)

after_each(function()
  net:patch(0, 0, 0, 0)
  shell.check("find " .. shell.quote(srv:path "backup") .. " " .. shell.quote(dir) .. " -mindepth 1 -delete")
end)

local function open(options)
  local all = { retries = 0 }
  for key, value in pairs(options or {}) do all[key] = value end
  return smb.open(net:url "backup", all)
end

describe("An answer to the negotiation that somebody has changed", function()
  for _, dialect in ipairs { "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11" } do
    for what, field in pairs(FIELDS) do
      it(("is a matter of the protocol: %s of %s"):format(what, dialect), function()
        net:patch(NEGOTIATE, table.unpack(field))
        local message = assert_fails("protocol", open { max_protocol = dialect })
        assert.matches("somebody may have changed what it offers on the way", message)
        net:patch(0, 0, 0, 0)
        open({ max_protocol = dialect }):close() -- the password is as good as it was
      end)
    end
  end

  it("is not one that can be used: no room for any request", function()
    net:patch(NEGOTIATE, 96, 8, 0)
    assert_fails("protocol", open { max_protocol = "SMB2_10" })
  end)
end)

describe("A server that says what cannot be", function()
  for _, size in ipairs { 1, 0x7fffffff, 0xffffffff } do
    for what, at in pairs { read = 96, write = 100 } do
      it(("takes %d bytes in one %s: files go to and fro all the same, or the call fails"):format(size, what),
        function()
        net:patch(NEGOTIATE, at, 4, size)
        local dest, message, code = open { max_protocol = "SMB2_10" }
        if not dest then
          assert.equal("string", type(message))
          return assert.equal("protocol", code)
        end
        assert.is_true(dest.options.read_buffer_size <= 16 * 1024 * 1024)
        assert.is_true(dest.options.write_buffer_size <= 16 * 1024 * 1024)
        if size > 1 then
          files.make(dir .. "/up", 300000)
          assert(dest:put(dir .. "/up", "up"))
          assert(dest:get("up", dir .. "/down"))
          assert.is_true(files.same(dir .. "/up", dir .. "/down"))
        end
        dest:close()
      end)
    end
  end

  -- Each either succeeds or returns nil, a message and a code.
  local CALLS = {
    stat = function(dest) return dest:stat "file" end,
    read = function(dest) return dest:read "file" end,
    get = function(dest) return dest:get("file", dir .. "/got") end,
    put = function(dest) return dest:put("/etc/passwd", "put") end,
    write = function(dest) return dest:write("written", "xyz") end,
    copy = function(dest) return dest:copy("file", "copied") end,
    utime = function(dest) return dest:utime("file", 1500000000) end,
    list = function(dest) return dest:list() end,
    get_tree = function(dest) return dest:get_tree("", dir .. "/tree") end,
    put_tree = function(dest) return dest:put_tree("spec/support/host", "") end,
    open = function(dest)
      local file, message, code = dest:open("file", "r+")
      if not file then return file, message, code end
      local size = file:seek "end"
      local _ = size and file:seek("set", 0) and file:read(4)
      return file:close()
    end,
  }

  local function assert_no_raise(dest)
    for name, call in pairs(CALLS) do
      local ok, result, message, code = pcall(call, dest)
      assert.is_true(ok, name .. " raises: " .. tostring(result))
      if not result then
        assert.equal("string", type(message), name)
        assert.equal("string", type(code), name)
        assert.not_equal("local_io", code, message)
      end
    end
  end

  for field, at in pairs(CREATED) do
    for _, value in ipairs(VALUES) do
      it(("of a file that is opened: no call raises (%s %d)"):format(field, value), function()
        net:patch(CREATE, at, 8, value)
        local dest <close> = assert(open())
        assert_no_raise(dest)
      end)
    end
  end

  for field, at in pairs(LISTED) do
    for _, value in ipairs(VALUES) do
      it(("of a file that is listed: no call raises (%s %d)"):format(field, value), function()
        net:patch(QUERY_DIRECTORY, at, 8, value)
        local dest <close> = assert(open())
        assert_no_raise(dest)
        local entries = assert(dest:list())
        for _, entry in ipairs(entries) do assert.is_true(entry.size >= 0) end
      end)
    end
  end

  for what, patch in pairs { ["names of 30,000 bytes"] = { 296 + 60, 4, 30000 },
    ["names without end"] = { 296 + 60, 4, -1 },
    ["entries that lie in each other"] = { 296, 4, 8 }, ["entries behind the end"] = { 72, 4, 0x7ffffff0 } } do
    it("in a listing: " .. what, function()
      net:patch(QUERY_DIRECTORY, table.unpack(patch))
      local dest <close> = assert(open())
      local ok, entries, message, code = pcall(dest.list, dest)
      assert.is_true(ok, tostring(entries))
      assert.is_true(entries ~= nil or (type(message) == "string" and type(code) == "string"))
      net:patch(0, 0, 0, 0)
      assert.equal("content", dest:read "file")
    end)
  end
end)
