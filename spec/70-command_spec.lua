-- The command lua-smb, run as a process against a real server.

local json = require "dkjson"
local lfs = require "lfs"
local command = require "spec.support.command"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local terminal = require "spec.support.terminal"

local command_line, decoded = command.line, command.decoded

describe("lua-smb", function()
  local srv, url, nameless, dir

  setup(function()
    srv = server.start { users = { bob = "s3cret70" } }
    url = srv:url "backup"
    nameless = url:gsub("//.*@", "//")
    dir = files.directory()
  end)

  teardown(function()
    files.remove(dir)
    srv:stop()
  end)

  before_each(function()
    srv:resume()
    files.remove(srv:path "backup")
    lfs.mkdir(srv:path "backup")
    files.remove(dir)
    lfs.mkdir(dir)
  end)

  local function remote(name) return srv:path("backup", name) end

  local function run(words, how) return command.run(dir, words, how) end

  local function succeeds(...)
    local ended = run(...)
    assert.equal("", ended.stderr)
    assert.equal(0, ended.status)
    return ended.stdout
  end

  describe("moves files:", function()
    it("put and get, whole and with their time", function()
      files.make(dir .. "/one", 3000000)
      shell.check { "touch", "-d", "@1500000000", dir .. "/one" }
      assert.equal("", succeeds { "put", url, "one" })
      assert.is_true(files.same(dir .. "/one", remote "one"))
      assert.equal(1500000000, lfs.attributes(remote "one", "modification"))
      assert.equal("", succeeds { "get", url, "one", "two" })
      assert.is_true(files.same(dir .. "/one", dir .. "/two"))
      assert.equal(1500000000, lfs.attributes(dir .. "/two", "modification"))
    end)

    it("put sends several, into a folder or under another name", function()
      files.write(dir .. "/one", "1")
      files.write(dir .. "/two", "22")
      succeeds { "put", url, "one", dir .. "/two" }
      succeeds { "put", url, "--into", "a/b", "--parents", "one", "two" }
      succeeds { "put", url, "one", "--name", "three" }
      assert.same({ "a", "one", "three", "two" }, files.list(remote()))
      assert.same({ "one", "two" }, files.list(remote "a/b"))
      assert.equal("22", files.read(remote "a/b/two"))
      assert.equal("1", files.read(remote "three"))
    end)

    it("put goes on after a file that fails, and fails", function()
      files.write(dir .. "/two", "22")
      local ended = run { "put", url, "missing", "two" }
      assert.equal(1, ended.status)
      assert.matches("^lua%-smb: put 'missing' on smb://[^\n]*No such file or directory%)\n$", ended.stderr)
      assert.equal("22", files.read(remote "two"))
    end)

    it("put - and get - stream, in little memory", function()
      local size = 300 * 1000 * 1000
      local line = command_line { "put", url, "-", "big" }
      local watch = "exec 3<&0; %s <&3 & pid=$!; "
        .. "while kill -0 $pid; do grep VmHWM /proc/$pid/status; sleep 0.02; done 2>/dev/null"
      local _, peak = shell.run(("head -c %d /dev/zero | sh -c %s"):format(size, shell.quote(watch:format(line))))
      assert.equal(size, files.size(remote "big"))
      local most = 0
      for kib in peak:gmatch "VmHWM:%s*(%d+)" do most = math.max(most, tonumber(kib)) end
      assert.is_true(most > 0 and most < 64 * 1024, most .. " KiB")
      local fetched = succeeds({ "get", url, "big", "-" }, { output = "/dev/stdout | wc -c >" .. dir .. "/stdout" })
      assert.equal(size, tonumber(fetched))
    end)

    it("every byte comes through put - and get -", function()
      files.make(dir .. "/in", 2500001)
      succeeds({ "put", url, "-", "any" }, { input = "<in" })
      assert.is_true(files.same(dir .. "/in", remote "any"))
      succeeds({ "get", url, "any", "-" }, { output = "out" })
      assert.is_true(files.same(dir .. "/in", dir .. "/out"))
    end)

    it("put - refuses what is empty, unless that is meant", function()
      -- "missing | lua-smb put URL - x" left 0 bytes in place of a good backup.
      files.write(remote "x", "GOOD BACKUP OF YESTERDAY")
      for _, input in ipairs { "</dev/null", "" } do
        local line = input == "" and "no-such-dump 2>/dev/null |" or ""
        local _, output, status = shell.run(("%s %s %s"):format(line, command_line { "put", url, "-", "x" }, input))
        assert.equal(1, status)
        assert.matches("put 'x': nothing came from the standard input", output, 1, true)
        assert.equal("GOOD BACKUP OF YESTERDAY", files.read(remote "x"))
      end
      succeeds { "put", url, "-", "x", "--allow-empty" }
      assert.equal("", files.read(remote "x"))
    end)

    it("put --command sends what commands write, and nothing when one fails", function()
      assert.equal(0,
        run({ "put", url, "x", "--command", "echo data; echo 'careful' >&2", "--command", "tr a-z A-Z" }).status)
      assert.equal("DATA\n", files.read(remote "x"))
      assert.equal("careful\n", files.read(dir .. "/stderr"))
      for _, commands in ipairs { { "no-such-dump", "cat" }, { "echo other", "cat; exit 3" } } do
        local ended =
          run { "put", url, "x", "--into", "", "--command", commands[1], "--command", commands[2], "--json" }
        assert.equal(1, ended.status)
        local failure = decoded(ended.stdout)
        assert.equal("local_io", failure.code)
        assert.matches("^write 'x' on smb://.*stage %d of 2", failure.error)
        assert.equal("DATA\n", files.read(remote "x"))
      end
      lfs.mkdir(remote "d")
      succeeds { "put", url, "y", "--into", "d", "--command", "env" }
      assert.is_nil(files.read(remote "d/y"):find "AUTH_PASSWORD")
    end)

    it("--no-overwrite leaves what is there", function()
      files.write(dir .. "/one", "new")
      files.write(remote "one", "old")
      local ended = run { "put", url, "one", "--no-overwrite", "--json" }
      assert.equal(1, ended.status)
      assert.equal("exists", decoded(ended.stdout).code)
      assert.equal("old", files.read(remote "one"))
      assert.equal(1, run({ "get", url, "one", "--no-overwrite" }).status)
      assert.equal("new", files.read(dir .. "/one"))
    end)

    it("delete, mkdir and rename", function()
      succeeds { "mkdir", url, "a/b", "c" }
      files.write(remote "a/x", "x")
      succeeds { "rename", url, "a/x", "c/y" }
      assert.equal("x", files.read(remote "c/y"))
      local ended = run { "delete", url, "c" }
      assert.equal(1, ended.status)
      assert.matches("delete 'c' on .*folder", ended.stderr)
      succeeds { "delete", url, "c/y" }
      assert.equal(1, run({ "delete", url, "c/y" }).status)
      succeeds { "delete", url, "c/y", "--missing-ok" }
      succeeds { "delete", url, "--folder", "c" }
      assert.equal(1, run({ "delete", url, "--folder", "a" }).status)
      succeeds { "delete", url, "--recursive", "a" }
      assert.same({}, files.list(remote()))
    end)

    it("mkdir without a name makes the URL's own path", function()
      succeeds { "mkdir", srv:url("backup", "new/path") }
      assert.equal("directory", lfs.attributes(remote "new/path", "mode"))
    end)
  end)

  describe("shows", function()
    before_each(function()
      lfs.mkdir(remote "folder")
      files.write(remote "folder/inner", "12345")
      files.write(remote "Grüße", ("x"):rep(1234567))
      for _, name in ipairs { "Grüße", "folder/inner", "folder" } do
        shell.check { "touch", "-d", "2024-05-06 07:08:09", remote(name) }
      end
    end)

    it("a listing, aligned", function()
      assert.equal("1234567  2024-05-06 07:08  Grüße\n      -  2024-05-06 07:08  folder/\n", succeeds { "list", url })
      assert.equal("5  2024-05-06 07:08  inner\n", succeeds { "list", url, "folder" })
      assert.matches("   1%.2 MiB  2024%-05%-06 07:08  Grüße\n", succeeds { "list", "-H", url })
    end)

    it("all that is below a folder", function()
      local lines = succeeds { "list", url, "-R" }
      assert.matches("%s5  2024%-05%-06 07:08  folder/inner\n", lines)
      assert.matches("%-  2024%-05%-06 07:08  folder/\n", lines)
      local found = {}
      for _, entry in ipairs(decoded(succeeds { "list", url, "-R", "--json" })) do found[entry.path] = entry.size end
      assert.equal(5, found["folder/inner"])
      assert.equal(1234567, found["Grüße"])
    end)

    it("what is known about a file", function()
      local text = succeeds { "stat", url, "Grüße" }
      assert.matches("^name +Grüße\ntype +file\nsize +1234567 bytes %(1%.2 MiB%)\nmtime +2024%-05%-06 07:08:09\n", text)
      local entry = decoded(succeeds { "stat", url, "Grüße", "--json" })
      assert.equal("Grüße", entry.name)
      assert.equal(1234567, entry.size)
      assert.equal(lfs.attributes(remote "Grüße", "modification"), entry.mtime)
      assert.is_false(entry.readonly)
      assert.matches("^type +directory\n", succeeds { "stat", url })
    end)

    it("how much room there is", function()
      assert.matches("^total +[%d.]+ %a+B?\nfree +[%d.]+ %a+\navailable +[%d.]+ %a+\n$", succeeds { "quota", url })
      local quota = decoded(succeeds { "quota", url, "--json" })
      assert.is_true(quota.total >= quota.available and quota.available > 0)
    end)

    it("that a share can be used", function()
      assert.matches("^smb://[^\n]*/backup: SMB3_11, [^\n]*; listed\n$", succeeds { "test", url })
      assert.matches("written and read back\n$", succeeds { "test", url, "--write" })
      assert.equal("SMB3_11", decoded(succeeds { "test", url, "--json" }).dialect)
      assert.same({ "Grüße", "folder" }, files.list(remote()))
    end)

    it("no control characters from a name to the terminal, and every byte of it in JSON", function()
      local name = "es\u{9B}31mcape"
      files.write(remote(name), "")
      local text = succeeds { "list", url }
      assert.matches("  es%?31mcape\n", text)
      local names = {}
      for _, entry in ipairs(decoded(succeeds { "list", url, "--json" })) do names[entry.name] = true end
      assert.is_true(names[name])
    end)

    it("its version and its help", function()
      assert.matches("^lua%-smb %d+%.%d+%.%d+ %(commit %x+[-a-z]*%)\n", succeeds { "--version" })
      local help = succeeds { "--help" }
      for _, name in ipairs { "test", "list", "get", "put", "delete", "mkdir", "rename", "stat", "quota" } do
        assert.matches("\n +" .. name .. "[ ,]", help)
        assert.matches("^Usage: lua%-smb " .. name, succeeds { name, "--help" })
      end
    end)

    it("every option of a connection as a flag", function()
      local help = succeeds { "list", "--help-all" }
      assert.is_nil(succeeds { "list", "--help" }:find("--encryption WORD", 1, true)) -- a command's own options first
      for _, row in ipairs(require "smb.options".list) do
        if row.url then assert.is_truthy(help:find("\n   --" .. row.url, 1, true), row.url) end
      end
    end)
  end)

  describe("answers in JSON", function()
    it("an empty folder with an empty array", function()
      assert.equal("[]\n", succeeds { "list", url, "--json" })
      assert.equal("[]\n", succeeds { "list", url, "-R", "--json" })
    end)

    it("transfers with what they moved", function()
      files.write(dir .. "/one", "12345")
      local results = decoded(succeeds { "put", url, "one", "--json" })
      assert.equal(1, #results)
      assert.equal("one", results[1].name)
      assert.equal(5, results[1].bytes)
      assert.equal(5, decoded(succeeds { "get", url, "one", "--json" }).bytes)
    end)

    it("failures with message and code", function()
      local ended = run { "stat", url, "missing", "--json" }
      assert.equal(1, ended.status)
      assert.equal("", ended.stderr)
      local answer = decoded(ended.stdout)
      assert.equal("not_found", answer.code)
      assert.matches("^stat 'missing' on smb://.*NT_STATUS", answer.error)
    end)

    it("some of several failing with both", function()
      files.write(dir .. "/one", "12345")
      local ended = run { "put", url, "missing", "one", "--json" }
      assert.equal(1, ended.status)
      local answer = decoded(ended.stdout)
      assert.equal("local_io", answer.code)
      assert.equal(answer.error, answer.results[1].error)
      assert.equal(5, answer.results[2].bytes)
    end)

    it("wrong uses, too", function()
      local ended = run { "list", "--json" }
      assert.equal(2, ended.status)
      assert.equal("usage", decoded(ended.stdout).code)
    end)

    it("what a walk raises, too", function()
      local ended = run { "list", url, "missing", "-R", "--json" }
      assert.equal(1, ended.status)
      assert.equal("folder_missing", decoded(ended.stdout).code)
    end)

    it("every kind of value", function()
      local encode = require "smb.cli".json
      local value = { a = { 1, 2.5, "x" }, b = true, c = 'quo"te\\ \n\t\0\27\127', d = 1e300, e = -1700000000.1234567,
        f = math.mininteger, g = "Grüße \u{1F600}", h = {}, ["key\n"] = false }
      assert.same(value, json.decode(encode(value)))
      assert.equal('"\u{FFFD}x\u{FFFD}\u{FFFD}"', encode "\xFFx\xC3\xED")
      assert.equal("[null,null,1]", encode { 0 / 0, math.huge, 1 })
    end)

    it("with an encoder of its own: dkjson cuts off floats, and passes on bytes that are no UTF-8", function()
      assert.is_not.equal(1700000000.1234567, json.decode(json.encode(1700000000.1234567)))
      assert.equal(1700000000.1234567, json.decode(require "smb.cli".json(1700000000.1234567)))
      assert.is_nil(utf8.len(json.encode "\xFF"))
      assert.is_number(utf8.len(require "smb.cli".json "\xFF"))
    end)

    it("is not there at all where a module is missing: the message names Debian's package", function()
      for module, package in pairs { argparse = "lua-argparse", lfs = "lua-filesystem" } do
        -- Nobody finds it.
        local hide = ("for i = 2, 4 do local find = package.searchers[i] package.searchers[i] = function(name) "
          .. "if name == %q then return '' end return find(name) end end"):format(module)
        local environment = { "LUA_INIT_5_4=" .. hide }
        local ended = run({ "--help" }, { environment = environment })
        assert.equal(1, ended.status)
        assert.matches(("apt install %s"):format(package), ended.stderr, 1, true)
      end
    end)
  end)

  describe("takes options", function()
    it("from flags, stronger than the URL's", function()
      local ended = run { "list", srv:url("backup", nil, { verify = "size" }), "--read-buffer-size", "5000" }
      assert.equal(0, ended.status)
      assert.matches("^lua%-smb: warning: read_buffer_size = 5000 is ignored", ended.stderr)
      local dialect = { "test", srv:url("backup", nil, { ["max-protocol"] = "SMB3_00" }), "--json" }
      assert.equal("SMB3_00", decoded(succeeds(dialect)).dialect)
      table.move({ "--max-protocol", "SMB2_10" }, 1, 2, #dialect + 1, dialect)
      assert.equal("SMB2_10", decoded(succeeds(dialect)).dialect)
      assert.equal(1, run({ "list", url, "--auth-password=wrong" }).status)
      succeeds { "list", srv:url("backup", nil):gsub("s3cret70", "wrong"), "--auth-password", srv.password }
    end)

    it("with their values checked", function()
      local ended = run { "list", url, "--transport", "carrier-pigeon" }
      assert.equal(2, ended.status)
      assert.matches("^lua%-smb: option '%-%-transport' must be 'directtcp' or 'netbios'", ended.stderr)
    end)

    it("user and password from the environment", function()
      succeeds({ "list", nameless },
        { environment = { "AUTH_USERNAME=" .. srv.user, "AUTH_PASSWORD=" .. srv.password } })
      local named = nameless:gsub("//", "//bob@")
      succeeds({ "list", named }, { environment = { "AUTH_PASSWORD=" .. srv.password } })
    end)

    it("no password from the environment for another user", function()
      srv:mark()
      local ended = run({ "list", (nameless:gsub("//", "//bob@")) },
        { environment = { "AUTH_USERNAME=eve", "AUTH_PASSWORD=" .. srv.password } })
      assert.equal(1, ended.status)
      assert.matches("no password for bob, and no terminal", ended.stderr)
      assert.equal(0, (srv:logons()))
    end)

    it("user and password from a credentials file that others cannot read", function()
      local path = files.write(dir .. "/credentials", ("username=%s\npassword=%s\n"):format(srv.user, srv.password))
      shell.check { "chmod", "644", path }
      local ended = run { "list", nameless, "--credentials-file", path, "--json" }
      assert.equal(1, ended.status)
      assert.equal("local_io", decoded(ended.stdout).code)
      shell.check { "chmod", "600", path }
      succeeds { "list", nameless, "--credentials-file", path }
    end)
  end)

  describe("ends with", function()
    local function ends(words, status, pattern)
      local ended = run(words)
      assert.equal(status, ended.status)
      assert.matches(pattern, ended.stderr)
      assert.equal("", ended.stdout)
      assert.is_nil(ended.stderr:find "traceback")
      assert.is_nil(ended.stderr:find "s3cret70")
    end

    it("2 for a wrong use", function()
      ends({}, 2, "^lua%-smb ")
      ends({ "lst", url }, 2, "^lua%-smb: ")
      ends({ "list", url, "--transprt", "netbios" }, 2,
        "unknown option '%-%-transprt' %(did you mean '%-%-transport'%?%)")
      ends({ "get", url }, 2, "missing argument 'name'")
      ends({ "get", url, "--to", "x" }, 2, "missing argument 'name'")
      ends({ "rename", url, "a", "b", "c" }, 2, "too many arguments")
      ends({ "put", url, "-" }, 2, "needs a name")
      ends({ "put", url, "a", "b", "--command", "true" }, 2, "one name on the share")
      ends({ "put", url, "-", "--command", "true" }, 2, "one name on the share")
      ends({ "put", url, "a", "--command", " " }, 2, "an empty text is no command")
      ends({ "put", url, "a", "--resume", "--command", "true" }, 2, "resume goes with local files")
      ends({ "put", url, "a", "--allow-empty" }, 2, "allow%-empty goes with put %-")
      -- The second overwrote the first, and the command said that all was well.
      ends({ "put", url, "a/x", "b/x" }, 2, "'a/x' and 'b/x' would be one file on the share, 'x'")
      ends({ "put", url, "a/\u{D6}", "b/O\u{308}" }, 2, "would be one file on the share") -- a Mac's form of it
      ends({ "put", url, "a/\u{D6}", "b/o\u{308}" }, 2, "would be one file on the share")
      ends({ "put", url, "a/Straße", "c", "b/STRAßE", "--into", "d" }, 2, "'a/Straße' and 'b/STRAßE' would be one file")
      ends({ "stat", "smb://nas" }, 2, "^lua%-smb: invalid URL: the share is missing")
      ends({ "list", "https://bob:s3cret70@nas/x" }, 2, "^lua%-smb: invalid URL")
      ends({ "list", url, "--anonymous" }, 2, "anonymous and username exclude each other")
    end)

    it("2, and says nothing of a URL that stands where the command should", function()
      ends({ url, "list" }, 2, "first argument must be a command")
    end)

    it("1 for what fails", function()
      ends({ "list", (url:gsub("s3cret70", "other")) }, 1, "NT_STATUS_LOGON_FAILURE%)\n$")
      ends({ "get", url, "missing" }, 1, "^lua%-smb: get 'missing' on smb://[^@]*NT_STATUS")
      ends({ "list", url, "-R", "missing" }, 1, "^lua%-smb: walk 'missing' on ")
      ends({ "list", nameless }, 1, "no user name is given")
      ends({ "stat", url, "a/../b" }, 1, "^lua%-smb: stat ")
    end)

    it("1 when its output cannot be written", function()
      files.write(remote "one", ("x"):rep(100000))
      assert.equal(1, run({ "get", url, "one", "-" }, { output = "/dev/full" }).status)
      local ended = run({ "list", url }, { output = "/dev/full" })
      assert.equal(1, ended.status)
      assert.equal("lua-smb: writing the output: No space left on device\n", ended.stderr)
    end)

    it("no crash and no word when its reader goes", function()
      files.make(remote "big", 30000000)
      for _, deaf in ipairs { "", "trap '' PIPE; " } do
        local line = ("%s%s 2>%s/stderr | head -c 10 >/dev/null")
          :format(deaf, command_line { "get", url, "big", "-" }, dir)
        shell.check { "sh", "-c", line }
        local said = files.read(dir .. "/stderr")
        assert.is_true(said == "" or said == "lua-smb: writing the output: Broken pipe\n", said)
      end
    end)
  end)

  -- Waits for the worker of the one lua-smb that runs on our server.
  local function await_worker()
    local place = nameless:match "^smb://([^?]*)"
    return shell.poll(function()
      for _, pid in ipairs(files.list "/proc") do
        local words = tonumber(pid) and files.read("/proc/" .. pid .. "/cmdline") or ""
        local is_ours = words:find("^lua[^%z]*%z[^%z]*/bin/lua%-smb%z") and words:find(place, 1, true)
        local worker = is_ours and processes.workers(tonumber(pid))[1]
        if worker then return worker end
      end
    end)
  end

  -- With a worker at work: no process may show the secret in its arguments.
  local function assert_hidden(secret)
    assert.is_truthy(await_worker())
    for _, pid in ipairs(files.list "/proc") do
      local words = tonumber(pid) and files.read("/proc/" .. pid .. "/cmdline") or ""
      assert.is_nil(words:find(secret, 1, true), words)
    end
  end

  describe("keeps secrets:", function()
    it("what comes from the environment is in nobody's arguments", function()
      files.write(dir .. "/pw", "s3cret70")
      srv:pause()
      shell.spawn(("AUTH_USERNAME=bob AUTH_PASSWORD=$(cat %s/pw); export AUTH_USERNAME AUTH_PASSWORD; exec %s")
        :format(dir, command_line({ "list", nameless }):gsub("'%-u' '[A-Z_]+'", "")))
      assert_hidden "s3cret70"
      srv:resume()
    end)
  end)

  describe("asks for a password", function()
    local function start(words) return terminal.start(command_line(words)) end

    it("on the terminal, without an echo", function()
      files.write(remote "here", "12345")
      local term <close> = start { "list", (nameless:gsub("//", "//bob@")) }
      term:expect "Password for bob on 127.0.0.1: "
      assert.is_false(term:echoes())
      term:type "s3cret70\n"
      term:expect "  here\n"
      assert.is_true(term:await_end())
      assert.is_nil(term:screen():find("s3cret70", 1, true))
    end)

    it("also when its input is no terminal", function()
      local put = command_line { "put", (nameless:gsub("//", "//bob@")), "-", "piped" }
      local term <close> = terminal.start("echo data | " .. put)
      term:expect "Password for bob"
      term:type "s3cret70\n"
      assert.is_true(term:await_end())
      assert.equal("data\n", files.read(remote "piped"))
    end)

    it("and shows it to no process", function()
      local term <close> = start { "test", (nameless:gsub("//", "//bob@")) }
      term:expect "Password for bob"
      srv:pause()
      term:type "s3cret70\n"
      assert_hidden "s3cret70"
      srv:resume()
      term:expect "listed"
    end)

    it("and restores the terminal after Ctrl-C", function()
      local inner = command_line { "list", (nameless:gsub("//", "//bob@")) }
      local term <close> = terminal.start(("sh -c 'trap : INT; %s; echo status $?; stty -a; cat'"):format(
        inner:gsub("'", [['\'']])))
      term:expect "Password for bob"
      term:interrupt()
      local shown = term:expect "status 130"
      assert.is_nil(shown:find "traceback")
      term:expect " echo "
    end)

    it("and gives up when there is none", function()
      local term <close> = start { "list", (nameless:gsub("//", "//bob@")) }
      term:expect "Password for bob"
      term:type "\4"
      term:expect "lua-smb: no password was given"
    end)

    it("not where Kerberos or nobody logs on", function()
      local ended = run { "list", nameless, "--anonymous" }
      assert.is_nil(ended.stderr:find "password")
    end)
  end)

  it("stops at Ctrl-C, and leaves nothing behind", function()
    files.make(dir .. "/endless", 1000000)
    -- One process, that the interrupt ends wherever it is: a shell would go on when it hits between two commands.
    local term <close> = terminal.start(("tail -c +1 -f %s/endless | %s; echo status $?"):format(dir,
      command_line { "put", url, "-", "big" }))
    assert.is_true(shell.poll(function() return #files.list(remote()) == 1 end))
    assert.matches("%.part$", files.list(remote())[1])
    local worker = await_worker()
    assert.is_truthy(worker)
    term:interrupt()
    assert.is_true(shell.poll(function() return #files.list(remote()) == 0 end))
    assert.is_true(term:await_end(5))
    assert.is_nil(term:screen():find "traceback")
    assert.is_true(processes.await_end(worker))
  end)
end)
