-- lua-smb moves folders: put -r, get -r, check.

local lfs = require "lfs"
local command = require "spec.support.command"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local decoded = command.decoded

describe("lua-smb and folders:", function()
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

  before_each(function()
    files.remove(srv:path "backup")
    lfs.mkdir(srv:path "backup")
    files.remove(dir)
    lfs.mkdir(dir)
    for _, folder in ipairs { "etc", "etc/sub", "etc/empty" } do lfs.mkdir(dir .. "/" .. folder) end
    files.write(dir .. "/etc/a.conf", "a")
    files.write(dir .. "/etc/sub/b.log", "bb")
    shell.check { "touch", "-d", "@1500000000", dir .. "/etc/a.conf", dir .. "/etc/sub/b.log" }
  end)

  local function remote(name) return srv:path("backup", name) end
  local function run(words, how) return command.run(dir, words, how) end

  local function succeeds(...)
    local ended = run(...)
    assert.equal("", ended.stderr)
    assert.equal(0, ended.status)
    return ended.stdout
  end

  local function fails(words, status, pattern)
    local ended = run(words)
    assert.matches(pattern, ended.stderr)
    assert.equal(status, ended.status)
    return ended
  end

  -- All files below a folder, by path.
  local function contents(folder)
    local found = {}
    for path in shell.check({ "find", folder, "-type", "f", "-printf", "%P\n" }):gmatch "[^\n]+" do
      found[path] = files.read(folder .. "/" .. path)
    end
    return found
  end

  it("put -r makes the folder below the URL's path, and of a folder with a slash sends what is in it", function()
    assert.matches("^etc: 2 files, 3 B in ", succeeds { "put", "-r", url, "etc" })
    assert.same({ ["etc/a.conf"] = "a", ["etc/sub/b.log"] = "bb" }, contents(remote()))
    assert.equal("directory", lfs.attributes(remote "etc/empty", "mode"))
    assert.equal(1500000000, lfs.attributes(remote "etc/a.conf", "modification"))
    succeeds { "put", "-r", url, "etc/", "--into", "all/of it" }
    assert.same({ ["a.conf"] = "a", ["sub/b.log"] = "bb" }, contents(remote "all/of it"))
    succeeds { "put", "-rq", url, "etc", "--name", "other" }
    assert.same({ ["a.conf"] = "a", ["sub/b.log"] = "bb" }, contents(remote "other"))
  end)

  it("put -r of . sends what is here", function()
    succeeds { "put", "-r", url, "./etc/.", "--into", "x" }
    assert.same({ ["a.conf"] = "a", ["sub/b.log"] = "bb" }, contents(remote "x"))
  end)

  it("put -r sends files beside folders, and several of both", function()
    files.write(dir .. "/one", "1")
    assert.equal("", succeeds { "put", "-rq", url, "one", "etc" })
    assert.same({ one = "1", ["etc/a.conf"] = "a", ["etc/sub/b.log"] = "bb" }, contents(remote()))
  end)

  it("get -r fetches a folder into one of its own name, and with a slash what is in it", function()
    shell.check { "cp", "-a", dir .. "/etc", remote() }
    assert.matches("^etc: 2 files, 3 B in ", succeeds { "get", "-r", url, "etc", "restored" })
    assert.same({ ["etc/a.conf"] = "a", ["etc/sub/b.log"] = "bb" }, contents(dir .. "/restored"))
    assert.equal(1500000000, lfs.attributes(dir .. "/restored/etc/a.conf", "modification"))
    succeeds { "get", "-r", url, "etc/", "there" }
    assert.same({ ["a.conf"] = "a", ["sub/b.log"] = "bb" }, contents(dir .. "/there"))
    succeeds { "get", "-r", url, "etc/sub", "--to", "a/b" }
    assert.same({ ["sub/b.log"] = "bb" }, contents(dir .. "/a/b"))
    succeeds { "get", "-r", url, ".", "all" }
    assert.same({ ["etc/a.conf"] = "a", ["etc/sub/b.log"] = "bb" }, contents(dir .. "/all"))
    files.remove(dir .. "/etc")
    succeeds { "get", "-r", url, "etc" }
    assert.same({ ["a.conf"] = "a", ["sub/b.log"] = "bb" }, contents(dir .. "/etc"))
  end)

  it("a folder without -r is told what to add, before anything is sent", function()
    files.write(dir .. "/one", "1")
    fails({ "put", url, "one", "etc" }, 2, "'etc' is a folder: put %-r sends folders")
    assert.same({}, files.list(remote()))
    lfs.mkdir(remote "etc")
    fails({ "get", url, "etc", "x" }, 1, "%-r fetches folders")
    fails({ "get", url, "etc" }, 1, "%-r fetches folders")
    fails({ "put", url, "one", "--mirror" }, 2, "%-%-mirror goes with folders: add %-r")
    fails({ "put", url, "one", "--filter", "*" }, 2, "%-%-filter goes with folders: add %-r")
  end)

  it("--mirror deletes what is not in the source, and --dry-run says so before", function()
    succeeds { "put", "-rq", url, "etc" }
    os.remove(dir .. "/etc/a.conf")
    files.write(dir .. "/etc/new", "12345")
    local told = succeeds { "put", "-r", "--mirror", "--dry-run", url, "etc" }
    assert.matches("would put     new  5 B\n", told)
    assert.matches("would delete  a%.conf  1 B\netc: dry run: 1 file", told)
    assert.same({ ["a.conf"] = "a", ["sub/b.log"] = "bb" }, contents(remote "etc"))
    assert.matches("1 file, 5 B in .*, 1 unchanged, 1 deleted\n", succeeds { "put", "-r", "--mirror", url, "etc" })
    assert.same({ new = "12345", ["sub/b.log"] = "bb" }, contents(remote "etc"))
    files.write(dir .. "/etc/mine", "")
    succeeds { "get", "-rq", "--mirror", url, "etc", "." }
    assert.same({ new = "12345", ["sub/b.log"] = "bb" }, contents(dir .. "/etc"))
  end)

  it("one mirror deletes nothing that another source has sent", function()
    lfs.mkdir(dir .. "/other")
    fails({ "put", "-r", "--mirror", url, "etc/", "other" }, 2, "'etc/' would delete what comes from 'other'")
    fails({ "put", "-r", url, "etc", dir .. "/etc" }, 2, "would be one file on the share")
  end)

  it("--filter and --filter-from choose, the last that matches", function()
    files.write(dir .. "/etc/c.tmp", "")
    files.write(dir .. "/etc/keep.tmp", "k")
    succeeds { "put", "-rq", url, "etc", "--filter", "!*.tmp", "--filter", "keep.tmp", "--filter", "!sub/" }
    assert.same({ "etc" }, files.list(remote()))
    assert.same({ ["keep.tmp"] = "k" }, contents(remote "etc"))
    files.write(dir .. "/globs", "# not these\n!*.tmp\n\n!sub/\n")
    succeeds { "put", "-rq", url, "etc", "--filter-from", "globs", "--name", "x" }
    assert.same({ ["a.conf"] = "a" }, contents(remote "x"))
    fails({ "put", "-r", url, "etc", "--filter-from", "missing" }, 2, "filter%-from: missing: No such file")
  end)

  it("--changed and --no-overwrite say what is sent again", function()
    succeeds { "put", "-rq", url, "etc" }
    files.write(dir .. "/etc/a.conf", "z")
    shell.check { "touch", "-d", "@1500000000", dir .. "/etc/a.conf" }
    assert.matches("0 files.*2 unchanged", succeeds { "put", "-r", url, "etc" })
    assert.matches("1 file, .*1 unchanged", succeeds { "put", "-r", url, "etc", "--changed", "sha256" })
    assert.equal("z", files.read(remote "etc/a.conf"))
    files.write(dir .. "/etc/a.conf", "longer")
    succeeds { "put", "-rq", url, "etc", "--no-overwrite" }
    assert.equal("z", files.read(remote "etc/a.conf"))
  end)

  it("--max-delete deletes nothing where more would go", function()
    succeeds { "put", "-rq", url, "etc" }
    os.remove(dir .. "/etc/a.conf")
    os.remove(dir .. "/etc/sub/b.log")
    files.write(dir .. "/etc/new", "")
    fails({ "put", "-r", "--mirror", "--max-delete", "1", url, "etc" }, 1, "more than 1 files are to be deleted")
    assert.equal("a", files.read(remote "etc/a.conf"))
    succeeds { "put", "-rq", "--mirror", "--max-delete", "2", url, "etc" }
    assert.same({ new = "" }, contents(remote "etc"))
    fails({ "put", "-r", "--max-delete", "many", url, "etc" }, 2, "max%-delete")
  end)

  it("a mirror that would delete more than the source has wants --force", function()
    succeeds { "put", "-rq", url, "etc" }
    for i = 1, 9 do files.write(remote("etc/extra" .. i), "") end
    fails({ "put", "-r", "--mirror", url, "etc" }, 1, "more files are to be deleted than the source has")
    assert.equal("", files.read(remote "etc/extra1"))
    succeeds { "put", "-rq", "--mirror", "--force", url, "etc" }
    assert.same({ ["a.conf"] = "a", ["sub/b.log"] = "bb" }, contents(remote "etc"))
    for i = 1, 9 do files.write(dir .. "/etc/extra" .. i, "") end
    fails({ "get", "-r", "--mirror", url, "etc", "." }, 1, "more files are to be deleted than the source has")
    succeeds { "get", "-rq", "--mirror", "--force", url, "etc", "." }
    assert.same({ ["a.conf"] = "a", ["sub/b.log"] = "bb" }, contents(dir .. "/etc"))
  end)

  it("--keep-old moves what is replaced or deleted away, under the same path, and never over another one", function()
    succeeds { "put", "-rq", url, "etc" }
    files.write(dir .. "/etc/a.conf", "new")
    os.remove(dir .. "/etc/sub/b.log")
    succeeds { "put", "-rq", "--mirror", "--keep-old", "old", url, "etc" }
    assert.same({ ["a.conf"] = "a", ["sub/b.log"] = "bb" }, contents(remote "old"))
    files.write(dir .. "/etc/a.conf", "newer")
    succeeds { "put", "-rq", "--keep-old", "old", url, "etc" }
    assert.equal("new", files.read(remote "old/a.conf~1"))
    fails({ "put", "-r", "--keep-old", "etc/old", url, "etc" }, 1, "keep_old")
    files.write(remote "etc/a.conf", "newest")
    succeeds { "get", "-rq", "--keep-old", dir .. "/kept", url, "etc", "." }
    assert.equal("newer", files.read(dir .. "/kept/a.conf"))
  end)

  it("--min-age and --max-age choose by time, and what an age excludes stays in a mirror", function()
    files.write(dir .. "/etc/new", "n")
    succeeds { "put", "-rq", url, "etc", "--max-age", "1h", "--name", "young" }
    assert.same({ new = "n" }, contents(remote "young"))
    succeeds { "put", "-rq", url, "etc", "--min-age", "7d", "--name", "old" }
    assert.same({ ["a.conf"] = "a", ["sub/b.log"] = "bb" }, contents(remote "old"))
    files.write(remote "old/extra", "e")
    succeeds { "put", "-rq", url, "etc", "--min-age", "7d", "--mirror", "--name", "old" }
    assert.equal("e", files.read(remote "old/extra"))
    fails({ "put", "-r", url, "etc", "--min-age", "soon" }, 2, "'%-%-min%-age' must be a time")
  end)

  it("--files-from sends what a file names, and what is below", function()
    files.write(dir .. "/etc/sub/c.log", "c")
    files.write(dir .. "/list", "./sub/b.log\r\nempty\n")
    succeeds { "put", "-rq", url, "etc", "--files-from", "list" }
    assert.same({ ["sub/b.log"] = "bb" }, contents(remote "etc"))
    files.write(dir .. "/list", "sub/\n")
    succeeds { "put", "-rq", url, "etc", "--files-from", "list", "--filter", "!b.*", "--name", "x" }
    assert.same({ ["sub/c.log"] = "c" }, contents(remote "x"))
    fails({ "put", "-r", url, "etc", "--files-from", "nothing" }, 2, "%-%-files%-from: nothing")
  end)

  it("--files-from names what is not there, and sends the rest", function()
    files.write(dir .. "/list", "sub/b.log\netc/a.conf\n")
    fails({ "put", "-r", url, "etc", "--files-from", "list" }, 1,
      "'etc/etc/a.conf' on smb://.*: files_from names it, and it is not there")
    assert.same({ ["sub/b.log"] = "bb" }, contents(remote "etc"))
    files.write(dir .. "/list", "../outside\n")
    fails({ "put", "-r", url, "etc", "--files-from", "list" }, 1, "'../outside' is no path below the folder")
    files.write(dir .. "/list", "\n")
    succeeds { "put", "-rq", url, "etc", "--files-from", "list", "--name", "none" }
    assert.same({}, contents(remote "none"))
  end)

  it("-v has a line for each thing that is done, and --log-file keeps them", function()
    local told = succeeds { "put", "-rv", url, "etc", "--log-file", "log" }
    assert.matches("put     a%.conf  1 B\n", told)
    assert.matches("put     sub/b%.log  2 B\n", told)
    assert.matches("mkdir   sub\n", told)
    assert.matches("\n?%d+%-%d+%-%d+T[%d:]+Z  put     a%.conf  1 B\n", files.read(dir .. "/log"))
    succeeds { "get", "-rv", url, "etc", "back", "--log-file", "log" }
    assert.matches("Z  get     sub/b%.log  2 B\n", files.read(dir .. "/log"))
    fails({ "put", "-r", url, "etc", "--log-file", "no/folder" }, 1, "log%-file: no/folder")
  end)

  it("goes on after a file that fails, names it, and fails; --on-error stop does not", function()
    files.write(dir .. "/etc/bad:name", "")
    local ended = fails({ "put", "-r", url, "etc" }, 1, "put_tree 'etc/bad:name' on .*character :")
    assert.matches("2 files, .*1 error\n", ended.stdout)
    assert.same({ ["etc/a.conf"] = "a", ["etc/sub/b.log"] = "bb" }, contents(remote()))
    fails({ "put", "-r", url, "etc", "--name", "x", "--on-error", "stop" }, 1, "bad:name")
    assert.is_nil(lfs.attributes(remote "x"))
    succeeds { "put", "-rq", url, "etc", "--name", "y", "--encode-names" }
    assert.equal("", files.read(remote "y/bad\u{FF1A}name"))
  end)

  it("says what it left out", function()
    shell.check { "ln", "-s", "a.conf", dir .. "/etc/link" }
    local ended = run { "put", "-r", url, "etc" }
    assert.equal(0, ended.status)
    assert.equal("lua-smb: warning: 'etc': left out, neither file nor folder: 'link' (link)\n", ended.stderr)
    assert.matches("1 skipped %(1 link%)", ended.stdout)
    succeeds { "put", "-rq", url, "etc", "--symlinks", "follow" }
    assert.equal("a", files.read(remote "etc/link"))
  end)

  it("answers in JSON with the whole summary", function()
    local results = decoded(succeeds { "put", "-r", url, "etc", "--json" })
    assert.equal("etc", results[1].name)
    assert.equal(2, results[1].files)
    assert.same({}, results[1].errors)
    local planned = decoded(succeeds { "put", "-rn", "--changed", "always", url, "etc", "--json" })[1].actions
    assert.equal(2, #planned)
    assert.equal("put", planned[1].action)
    files.write(dir .. "/etc/bad:name", "")
    local ended = run { "put", "-r", url, "etc", "--json" }
    assert.equal(1, ended.status)
    local answer = decoded(ended.stdout)
    assert.equal("invalid_name", answer.code)
    assert.equal("bad:name", answer.results[1].errors[1].name)
  end)

  describe("check", function()
    before_each(function() succeeds { "put", "-rq", url, "etc" } end)

    it("says that all is the same", function()
      assert.equal("2 files are the same\n", succeeds { "check", srv:url("backup", "etc"), "etc" })
      assert.equal("", succeeds { "check", "-q", srv:url("backup", "etc"), dir .. "/etc/" })
      assert.equal("2 files are the same\n", succeeds { "check", url, "etc", "etc" })
    end)

    it("has a line for each difference, moves nothing, and ends with 1", function()
      files.write(dir .. "/etc/a.conf", "longer")
      files.write(dir .. "/etc/new", "1")
      files.write(remote "etc/extra", "1")
      shell.check { "touch", "-d", "@1400000000", dir .. "/etc/sub/b.log" }
      local ended = run { "check", srv:url("backup", "etc"), "etc" }
      assert.equal("", ended.stderr)
      assert.equal(1, ended.status)
      local lines = {}
      for name, text in ended.stdout:gmatch "([^:\n]+): ([^\n]+)" do lines[name] = text end
      assert.equal("differs in size: 6 here, 1 there", lines["a.conf"])
      assert.equal("only here", lines.new)
      assert.equal("only on the share", lines.extra)
      assert.matches("^differs in time: 2014%-", lines["sub/b.log"])
      assert.equal("longer", files.read(dir .. "/etc/a.conf"))
      assert.equal("1", files.read(remote "etc/extra"))
      local found = decoded(run({ "check", srv:url("backup", "etc"), "etc", "--json" }).stdout)
      assert.is_false(found.same)
      assert.equal(4, #found.differences)
    end)

    it("--sha256 compares contents and no times", function()
      shell.check { "touch", "-d", "@1400000000", dir .. "/etc/sub/b.log" }
      succeeds { "check", "--sha256", srv:url("backup", "etc"), "etc" }
      files.write(dir .. "/etc/sub/b.log", "cc")
      local ended = run { "check", "--sha256", srv:url("backup", "etc"), "etc" }
      assert.equal(1, ended.status)
      assert.equal("sub/b.log: differs in its contents\n", ended.stdout)
    end)

    it("fails where there is nothing to compare with", function()
      fails({ "check", srv:url("backup", "nothing"), "etc" }, 1, "stat")
      fails({ "check", url, "missing" }, 1, "'missing': No such file")
      fails({ "check", url, "etc/a.conf" }, 2, "is no folder")
    end)
  end)
end)
