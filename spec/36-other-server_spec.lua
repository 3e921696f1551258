-- A server that is neither Samba nor Windows: impacket's smbserver, which many have put up for a moment. It drops what
-- is written beyond the end of a file, and says that all is well.

local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local MIB = 1024 * 1024

if not shell.run { "/usr/bin/python3", "-c", "import impacket.smbserver" } then
  return describe("a server that drops what lies beyond the end of a file", function()
    it("gets big files whole", function() pending "needs the package python3-impacket" end)
  end)
end

describe("a server that drops what lies beyond the end of a file", function()
  local dir, orders, port, dest

  setup(function()
    dir = files.directory()
    shell.check { "mkdir", dir .. "/share", dir .. "/tree" }
    shell.check { "mkfifo", dir .. "/answers" }
    orders = assert(io.popen(("exec spec/support/impacket-server %s >%s 2>/dev/null")
      :format(shell.quote(dir .. "/share"),
      shell.quote(dir .. "/answers")), "w")) -- it ends with this pipe
    local answers <close> = assert(io.open(dir .. "/answers"))
    port = assert(math.tointeger(tonumber(answers:read "l")), "impacket's server did not start")
    files.make(dir .. "/tree/big", 66 * MIB, 3)
    local last
    assert(shell.poll(function()
      dest, last = smb.open(("smb://bob:s3cret@127.0.0.1:%d/backup"):format(port), { retries = 0 })
      return dest
    end, 10), last)
  end)

  teardown(function()
    if dest then dest:close() end
    orders:close()
    files.remove(dir)
  end)

  before_each(function() shell.check("find " .. shell.quote(dir .. "/share") .. " -mindepth 1 -delete") end)

  local function assert_arrived(name)
    assert.is_true(files.same(dir .. "/tree/big", dir .. "/share/" .. name))
  end

  it("gets a big file whole: what did not arrive goes once more, in order over one connection", function()
    local result = assert(dest:put(dir .. "/tree/big", "big"))
    assert.equal(66 * MIB, result.bytes)
    assert.equal(1, result.retries)
    assert_arrived "big"
    assert.same({ "big" }, files.list(dir .. "/share"))
  end)

  it("gets one of a tree whole", function()
    assert.equal(1, assert(dest:put_tree(dir .. "/tree", "")).files)
    assert_arrived "big"
  end)

  it("gets one in place at the first try", function()
    assert.equal(0, assert(dest:put(dir .. "/tree/big", "big", { in_place = true })).retries)
    assert_arrived "big"
  end)

  it("gets small files", function()
    assert(dest:put(files.make(dir .. "/small", 100000, 4), "small"))
    assert.is_true(files.same(dir .. "/small", dir .. "/share/small"))
    share.assert_fails("not_found", dest:stat "missing")
  end)
end)
