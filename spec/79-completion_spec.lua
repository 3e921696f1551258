-- What shells complete, the man page, and --version.

local lfs = require "lfs"
local command = require "spec.support.command"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local HERE = lfs.currentdir()

local function has(program) return (shell.run { "sh", "-c", "command -v " .. program }) end

describe("lua-smb", function()
  local srv, url, dir

  setup(function()
    srv = server.start { users = { bob = "s3cret79" } }
    url = srv:url "backup"
    dir = files.directory()
    for _, name in ipairs { "folder", "folder/inner" } do lfs.mkdir(srv:path("backup", name)) end
    for _, name in ipairs { "folder/file one", "folder/other", "fine.tar" } do
      files.write(srv:path("backup", name), "1")
    end
    lfs.mkdir(dir .. "/bin")
    files.write(dir .. "/bin/lua-smb", "#!/bin/sh\nexec " .. command.line {} .. ' "$@"\n')
    shell.check { "chmod", "755", dir .. "/bin/lua-smb" }
  end)

  teardown(function()
    files.remove(dir)
    srv:stop()
  end)

  local function run(words) return command.run(dir, words) end

  -- What bash offers for a line.
  local function bash(line)
    local words = {}
    for word in (line .. "|"):gmatch "%S+" do words[#words + 1] = word end
    words[#words] = words[#words]:gsub("|$", "")
    local script = ([[source <(lua-smb completion bash)
COMP_WORDS=(%s) COMP_CWORD=%d COMP_LINE=%s COMP_POINT=%d
_lua-smb-all lua-smb
printf '%%s\n' "${COMPREPLY[@]}"]]):format(shell.quote(words), #words - 1, shell.quote(line), #line)
    local output = shell.check { "env", ("PATH=%s/bin:%s"):format(dir, os.getenv "PATH"), "bash", "-c", script }
    local found = {}
    for each in output:gmatch "[^\n]+" do found[#found + 1] = each end
    table.sort(found)
    return found
  end

  it("completes commands, flags and names on the share in bash", function()
    local flags = table.concat(bash "lua-smb get --re", " ")
    assert.is_truthy(flags:find("--recursive", 1, true) and flags:find("--resume", 1, true))
    assert.same({ "fine.tar", "folder/" }, bash("lua-smb get " .. url .. " f"))
    assert.same({ "folder/file\\ one", "folder/inner/", "folder/other" }, bash("lua-smb ls " .. url .. " folder/"))
    assert.same({}, bash("lua-smb put " .. url .. " f"))
    assert.same({}, bash("lua-smb get smb://nobody-there.invalid/x f"))
  end)

  it("completes in fish", function()
    if not has "fish" then return pending "there is no fish" end
    local script = ("lua-smb completion fish | source; complete -C %s")
      :format(shell.quote("lua-smb get " .. url .. " f"))
    local output =
      shell.check { "env", ("PATH=%s/bin:%s"):format(dir, os.getenv "PATH"), "HOME=" .. dir, "fish", "-c", script }
    assert.is_truthy(output:find("fine.tar", 1, true) and output:find("folder/", 1, true))
  end)

  it("says what zsh reads", function()
    local text = run({ "completion", "zsh" }).stdout
    assert.matches("^#compdef lua%-smb\n", text)
    assert.matches(": :_lua%-smb_names", text)
    if has "zsh" then
      files.write(dir .. "/_lua-smb", text)
      shell.check { "zsh", "-n", dir .. "/_lua-smb" }
    end
    assert.equal(2, run({ "completion", "tcsh" }).status)
  end)

  it("lists names for completion without a word and without a question", function()
    assert.same({ status = 0, stdout = "fine.tar\nfolder/\n", stderr = "" }, run { "names", url, "f" })
    assert.same({ status = 0, stdout = "", stderr = "" }, run { "names", (url:gsub("bob:[^@]*@", "bob@")), "f" })
    assert.same({ status = 0, stdout = "", stderr = "" }, run { "names", "nonsense" })
  end)

  it("has a man page that man can read, with every command and flag", function()
    local text = files.read "docs/lua-smb.1"
    for _, name in ipairs(require "smb.cli".commands) do
      if name ~= "names" then assert.is_truthy(text:find("lua-smb " .. name:gsub("%-", "\\-"), 1, true)
        or text:find("lua\\-smb " .. name, 1, true), name) end
    end
    assert.is_truthy(text:find("max\\-delete", 1, true))
    if has "groff" then
      local _, output = shell.run { "groff", "-man", "-ww", "-z", "-Tutf8", HERE .. "/docs/lua-smb.1" }
      assert.equal("", output)
    end
  end)

  it("--version tells what there is and where", function()
    local ended = run { "--version" }
    assert.equal("", ended.stderr)
    assert.equal(0, ended.status)
    assert.equal(require "smb"._VERSION, ended.stdout:match "^[^\n]*":sub(1, #require "smb"._VERSION))
    assert.matches("\nlibsmbclient +%d+%.%d+", ended.stdout)
    assert.matches("\nLua +5%.4", ended.stdout)
    assert.matches("\nmodule +/[^\n]*smb/core%.so\n", ended.stdout)
    assert.matches("\nworker +/[^\n]*smb%-worker\n", ended.stdout)
  end)
end)
