-- lua-smb shows how far a transfer is: on a terminal, and where it is asked to.

local lfs = require "lfs"
local command = require "spec.support.command"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local terminal = require "spec.support.terminal"

describe("While lua-smb moves files,", function()
  local srv, url, dir

  setup(function()
    srv = server.start()
    url = srv:url "backup"
    dir = files.directory()
  end)

  teardown(function()
    files.remove(dir)
    srv:stop()
  end)

  local function remote(name) return srv:path("backup", name) end

  before_each(function()
    files.remove(remote())
    lfs.mkdir(remote())
    files.remove(dir)
    lfs.mkdir(dir)
    files.make(dir .. "/big", 4000000)
  end)

  it("a terminal shows bytes, rate, time left and name, and nothing of it stays", function()
    local term <close> = terminal.start(command.line { "put", "--rate", "1M", url, dir .. "/big", "-v" })
    term:expect " of 3.8 MiB"
    term:expect "/s"
    term:expect "left"
    assert.is_true(term:await_end(60))
    local last = term:screen():match "([^\n]*)\n$"
    assert.matches("/big: 3%.8 MiB in %d+%.%d+ s", last)
    assert.is_nil(term:screen():find "\27")
    assert.is_true(files.same(dir .. "/big", remote "big"))
  end)

  it("a line is never wider than the terminal, and a long path shows its end", function()
    lfs.mkdir(dir .. "/folder")
    local name = ("\u{732B}"):rep(60) .. ".bin"
    shell.check { "mv", dir .. "/big", dir .. "/folder/" .. name }
    local inner = command.line { "put", "--rate", "1M", url, dir .. "/folder/" .. name }
    local term <close> = terminal.start("stty cols 100; exec " .. inner)
    term:expect "left"
    assert.is_true(term:await_end(60))
    local drawn = 0
    for line in (files.read(term.typescript)):gmatch "\r([^\r\n]+)" do
      if line:find "%%" then
        local columns = select(2, line:gsub("[\1-\x7F]", "")) + 2 * select(2, line:gsub("[\xC2-\xF4][\x80-\xBF]+", ""))
        assert.is_true(columns < 100, columns .. ": " .. line)
        assert.matches("^%.%.%..*\u{732B}%.bin  %[", line)
        drawn = drawn + 1
      end
    end
    assert.is_true(drawn > 1)
  end)

  it("several files are counted, and get shows the same", function()
    files.make(dir .. "/second", 3000000)
    local term <close> = terminal.start(command.line { "put", "--rate", "1M", url, dir .. "/big", dir .. "/second" })
    term:expect("file 2 of 2", 60)
    assert.is_true(term:await_end(60))
    lfs.mkdir(dir .. "/to")
    local other <close> = terminal.start(command.line { "get", "--rate", "1M", url, "big", dir .. "/to" })
    other:expect " of 3.8 MiB"
    assert.is_true(other:await_end(60))
  end)

  it("-q and --no-progress show nothing", function()
    for _, flag in ipairs { "-q", "--no-progress" } do
      local term <close> = terminal.start(command.line { "put", flag, "--rate", "4M", url, dir .. "/big" })
      assert.is_true(term:await_end(60))
      assert.equal("", term:screen())
    end
  end)

  it("nothing is shown where there is no terminal, unless --progress asks for a line", function()
    local ended = command.run(dir, { "put", "--rate", "2M", url, "big" })
    assert.equal("", ended.stderr .. ended.stdout)
    local line = command.run(dir, { "put", "--progress", "--rate", "330k", url, "big" }).stderr
    assert.matches("^big  +%d+%%  [%d.]+ [KM]iB of 3%.8 MiB  [%d.]+ KiB/s  %d:%d%d left\n", line)
  end)

  it("Ctrl-C clears the line and leaves nothing behind", function()
    local term <close> =
      terminal.start(command.line { "put", "--rate", "500k", url, dir .. "/big" } .. "; echo status $?")
    term:expect "KiB/s"
    term:interrupt()
    term:expect "lua-smb: interrupted\n"
    assert.is_true(term:await_end(20))
    assert.is_true(shell.poll(function() return #files.list(remote()) == 0 end, 20))
  end)

  it("what is complained of is coloured on a terminal, and not with NO_COLOR", function()
    local line = command.line({ "get", url, "missing" }, { "TERM=xterm" })
    local term <close> = terminal.start(line)
    term:expect "\27[31mlua-smb: \27[0mget 'missing'"
    local plain <close> = terminal.start(command.line({ "get", url, "missing" }, { "TERM=xterm", "NO_COLOR=1" }))
    plain:expect "lua-smb: get 'missing'"
    assert.is_true(plain:await_end())
    assert.is_nil(plain:screen():find "\27")
  end)
end)
