-- lua-smb looks at what is on a share and works on names: globs, tree, du, cat, copy, rmdir, sweep, aliases.

local lfs = require "lfs"
local command = require "spec.support.command"
local files = require "spec.support.files"
local server = require "spec.support.server"

local decoded = command.decoded

describe("lua-smb:", function()
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
    for _, folder in ipairs { remote(), dir, remote "logs", remote "logs/old", remote "data" } do lfs.mkdir(folder) end
    for name, text in pairs { ["a.tar"] = "a", ["b.tar"] = "bb", ["c.txt"] = "ccc", ["logs/x.log"] = "12345",
      ["logs/old/y.log"] = "1234567890", ["data/z.log"] = "1" } do
      files.write(remote(name), text)
    end
  end)

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
  end

  local function paths(words)
    local found = {}
    for _, entry in ipairs(decoded(succeeds(words))) do found[#found + 1] = entry.path or entry.name end
    table.sort(found)
    return found
  end

  it("globs on remote names list, fetch and delete what matches", function()
    assert.same({ "a.tar", "b.tar" }, paths { "list", url, "*.tar", "--json" })
    assert.same({ "data/z.log", "logs/x.log" }, paths { "list", url, "*/*.log", "--json" })
    assert.same({ "data/z.log", "logs/old/y.log", "logs/x.log" }, paths { "list", url, "**/*.log", "--json" })
    assert.same({ "a.tar", "c.txt" }, paths { "list", url, "[ac].*", "--json" })
    assert.same({ "c.txt" }, paths { "list", url, "?.tx?", "--json" })
    lfs.mkdir(dir .. "/to")
    succeeds { "get", url, "*.tar", "to" }
    assert.same({ "a.tar", "b.tar" }, files.list(dir .. "/to"))
    succeeds { "get", url, "c.*" }
    assert.equal("ccc", files.read(dir .. "/c.txt"))
    assert.equal("would delete  a.tar\nwould delete  b.tar\n", succeeds { "delete", "-n", url, "*.tar" })
    succeeds { "delete", url, "*.tar" }
    assert.same({ "c.txt", "data", "logs" }, files.list(remote()))
    fails({ "delete", url, "*.tar" }, 1, "'%*%.tar' on smb://[^\n]*: nothing has such a name")
    succeeds { "delete", url, "*.tar", "--missing-ok" }
    fails({ "get", url, "l*" }, 1, "%-r fetches folders")
    succeeds { "get", "-rq", url, "l*" }
    assert.equal("12345", files.read(dir .. "/logs/x.log"))
  end)

  it("a name with brackets and no other sign of a glob is a name", function()
    files.write(remote "x[1].txt", "1")
    succeeds { "get", url, "x[1].txt" }
    assert.equal("1", files.read(dir .. "/x[1].txt"))
  end)

  it("get takes several names with --to, and makes that folder", function()
    succeeds { "get", url, "--to", "new/folder", "a.tar", "logs/x.log" }
    assert.same({ "a.tar", "x.log" }, files.list(dir .. "/new/folder"))
    fails({ "get", url, "a.tar", "b.tar", "c.txt" }, 2, "several names need a folder to go to")
    fails({ "get", url, "--to", "new", "missing", "c.txt" }, 1, "get 'missing' on ")
    assert.equal("ccc", files.read(dir .. "/new/c.txt"))
    files.write(dir .. "/file", "")
    fails({ "get", url, "--to", "file", "c.txt" }, 1, "'file' is no folder")
  end)

  it("the URL of a file is that file, for get, too", function()
    succeeds { "get", srv:url("backup", "logs/x.log") }
    assert.equal("12345", files.read(dir .. "/x.log"))
    succeeds { "get", srv:url("backup", "c.txt"), "other.txt" }
    assert.equal("ccc", files.read(dir .. "/other.txt"))
    fails({ "get", srv:url("backup", "logs"), "nothing" }, 1, "get 'nothing' on ")
  end)

  it("list shows a file that is named, and several paths", function()
    assert.matches("^3  .*  c%.txt\n$", succeeds { "list", url, "c.txt" })
    assert.matches("^3  .*  c%.txt\n$", succeeds { "list", srv:url("backup", "c.txt") })
    assert.same({ "data", "data/z.log", "logs", "logs/old", "logs/x.log" },
      paths { "list", url, "logs/", "data", "--json" })
  end)

  it("tree draws what is below a folder", function()
    assert.equal("logs\n|-- old/\n|   `-- y.log\n`-- x.log\n\n1 folder, 2 files, 15 B\n",
      succeeds({ "tree", url, "logs" }, { environment = { "LC_ALL=C" } }))
    assert.matches("├── %[1 B%]  a%.tar\n", succeeds({ "tree", "-H", url }, { environment = { "LC_ALL=C.UTF-8" } }))
    local found = decoded(succeeds { "tree", url, "--json", "-L", "1" })
    assert.equal(5, #found.entries)
    assert.equal(2, found.folders)
    assert.is_nil(found.entries[5].entries)
  end)

  it("du adds up what folders hold", function()
    assert.equal("10  logs/old\n15  logs\n", succeeds { "du", url, "logs" })
    assert.equal("22  .\n", succeeds { "du", "-s", url })
    local sizes = {}
    for _, each in ipairs(decoded(succeeds { "du", url, "--json" })) do sizes[each.path] = each.bytes end
    assert.same({ [""] = 22, data = 1, logs = 15, ["logs/old"] = 10 }, sizes)
    assert.equal("3  c.txt\n", succeeds { "du", url, "c.txt" })
    assert.equal("1 B  data\n15 B  logs\n",
      (succeeds { "du", "-sH", url, "data", "logs" }:gsub("\n +", "\n"):gsub("^ +", "")))
  end)

  it("cat writes files to the standard output", function()
    assert.equal("abb", succeeds { "cat", url, "a.tar", "b.tar" })
    assert.equal("abb", succeeds { "cat", url, "*.tar" })
    assert.equal("a", succeeds { "cat", url .. "/a.tar" })
    fails({ "cat", url, "missing" }, 1, "'missing' on ")
    fails({ "cat", url }, 2, "missing argument 'name': cat URL NAME, or the URL of a file")
  end)

  it("copy and rename go into a folder that ends in a slash", function()
    succeeds { "copy", url, "c.txt", "data/" }
    succeeds { "cp", url, "c.txt", "d.txt" }
    succeeds { "mv", url, "d.txt", "data/" }
    assert.same({ "c.txt", "d.txt", "z.log" }, files.list(remote "data"))
    assert.equal("ccc", files.read(remote "c.txt"))
    fails({ "copy", url, "a.tar", "data/c.txt", "--no-overwrite" }, 1, "exists already")
  end)

  it("rmdir removes empty folders, and with -r all", function()
    fails({ "rmdir", url, "logs" }, 1, "%-r removes it with all that is in it")
    succeeds { "rmdir", "-r", url, "logs/" }
    succeeds { "rmdir", "--missing-ok", url, "logs" }
    lfs.mkdir(remote "empty")
    succeeds { "rmdir", url, "empty" }
    assert.same({ "a.tar", "b.tar", "c.txt", "data" }, files.list(remote()))
  end)

  it("sweep removes what crashed runs left behind", function()
    files.write(remote "logs/x.log.0123abcd.part", "")
    assert.equal("", succeeds { "sweep", url })
    assert.equal("removed   logs/x.log.0123abcd.part\n", succeeds { "sweep", url, "--older-than", "0s" })
    assert.same({ removed = {}, restored = {} }, decoded(succeeds { "sweep", url, "--older-than", "0s", "--json" }))
    fails({ "sweep", url, "--older-than", "soon" }, 2, "'%-%-older%-than' must be a time")
  end)

  it("the names that people know from elsewhere: ls, mv, rm, cp, df", function()
    assert.equal(succeeds { "list", url }, succeeds { "ls", url })
    assert.matches("^total ", succeeds { "df", url })
    succeeds { "rm", url, "a.tar" }
    assert.is_nil(lfs.attributes(remote "a.tar"))
    assert.matches("^Usage: lua%-smb list ", succeeds { "ls", "--help" })
  end)
end)
