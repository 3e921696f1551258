-- lua-smb shell: a prompt on a share.

local lfs = require "lfs"
local command = require "spec.support.command"
local files = require "spec.support.files"
local line = require "smb.cli.line"
local server = require "spec.support.server"
local terminal = require "spec.support.terminal"

describe("lua-smb shell", function()
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
    files.remove(dir)
    for _, folder in ipairs { remote(), remote "a folder", remote "a folder/inner", dir, dir .. "/here" } do
      lfs.mkdir(folder)
    end
    files.write(remote "a folder/x", "12345")
    files.write(dir .. "/here/local file", "22")
  end)

  -- What lines that come from a file do.
  local function run(lines)
    files.write(dir .. "/input", table.concat(lines, "\n") .. "\n")
    return command.run(dir, { "shell", url },
      { input = "<" .. dir .. "/input", environment = { "XDG_STATE_HOME=" .. dir } })
  end

  it("goes to folders, and looks at what is there", function()
    local ended = run { "cd a\\ folder", "pwd", "ls", "cat x", "cd inner", "cd ../..", "pwd", "cd 'a folder/inner'",
      "cat ../x", "ls /" }
    assert.equal("", ended.stderr)
    assert.equal(0, ended.status)
    assert.matches("^/a folder\n%-  [^\n]* inner/\n5  [^\n]* x\n12345/\n12345%-  [^\n]*a folder/\n$", ended.stdout)
  end)

  it("moves files both ways, and makes, moves and removes on the share", function()
    local ended = run { "lcd here", "lls", "mkdir new", "cd new", 'put "local file"', "mv 'local file' b", "cp b c",
      "get b back", "get ../a\\ folder/x " .. dir .. "/elsewhere", "rm c", "cd /", "rm -r a\\ folder", "df" }
    assert.equal("", ended.stderr)
    assert.matches("^local file\n.*total ", ended.stdout)
    assert.equal("22", files.read(remote "new/b"))
    assert.equal("22", files.read(dir .. "/here/back"))
    assert.equal("12345", files.read(dir .. "/elsewhere"))
    assert.same({ "new" }, files.list(remote()))
    assert.same({ "b" }, files.list(remote "new"))
  end)

  it("goes on after a failure, and fails at the end of a file", function()
    local ended =
      run { "cat missing", "cd nowhere", "nonsense", "get", "ls 'open", "pwd", "get --help", "exit", "cat never" }
    assert.equal(1, ended.status)
    assert.matches("^/\nUsage: lua%-smb get ", ended.stdout)
    local complaints = select(2, ended.stderr:gsub("lua%-smb: ", ""))
    assert.equal(5, complaints, ended.stderr)
    assert.is_nil(ended.stderr:find "never")
    assert.is_nil(ended.stderr:find "traceback")
  end)

  it("on a terminal shows where it is, and Ctrl-C ends a command and not the shell", function()
    local call = command.line({ "shell", "--rate", "200k", url }, { "XDG_STATE_HOME=" .. dir })
    local term <close> = terminal.start(("cd %s/here && exec %s"):format(dir, call))
    term:expect "smb:/> "
    term:type "cd a\\ folder\n"
    term:expect "smb:/a folder> "
    files.make(dir .. "/here/big", 5000000)
    term:type "put big\n"
    term:expect "KiB/s"
    term:interrupt()
    term:expect "interrupted"
    term:expect "smb:/a folder> "
    term:type "ls\n"
    term:expect " x\n"
    term:type "exit\n"
    assert.is_true(term:await_end())
    assert.same({ "inner", "x" }, files.list(remote "a folder"))
  end)

  it("Ctrl-C drops what is half typed, at once, and nothing that is typed then", function()
    if not pcall(require, "readline") then return pending "there is no lua-readline" end
    local call = command.line({ "shell", url }, { "XDG_STATE_HOME=" .. dir })
    local term <close> = terminal.start(("cd %s/here && exec %s"):format(dir, call))
    term:expect "smb:/> "
    for _ = 1, 2 do
      term:type "rm -r never"
      term:expect "never"
      term:interrupt()
      term:expect "interrupted"
      term:expect "smb:/> "
      term:type "pwd\n"
      term:expect "\n/\n"
    end
    term:interrupt()
    term:expect "interrupted"
    term:type "exit\n"
    assert.is_true(term:await_end())
    assert.is_nil(term:screen():find "unknown command")
  end)

  it("completes commands, remote and local names where lua-readline is, and keeps a history", function()
    if not pcall(require, "readline") then return pending "there is no lua-readline" end
    local call = command.line({ "shell", url }, { "XDG_STATE_HOME=" .. dir })
    local term <close> = terminal.start(("cd %s/here && exec %s"):format(dir, call))
    term:expect "smb:/> "
    term:type "cat a\t"
    term:expect "a\\ folder/"
    term:type "x\n"
    term:expect "12345"
    term:type "put loc\t\n"
    term:expect "local\\ file"
    term:expect "smb:/> "
    term:type "lp\t\n"
    term:expect("lpwd")
    term:expect("/here\n")
    term:type "\4"
    assert.is_true(term:await_end())
    assert.equal("22", files.read(remote "local file"))
    assert.matches("put local\\ file", files.read(dir .. "/lua-smb/history"))
  end)

  it("parts a line as shells do", function()
    assert.same({ "a", "b c", "d'e", "f g", "" }, line.words [[ a  "b c" "d'e" f\ g '' ]])
    assert.is_nil(line.words "a 'b")
    assert.same({}, line.words "  ")
    assert.same({ "a b'c" }, line.words(line.quote "a b'c"))
  end)
end)
