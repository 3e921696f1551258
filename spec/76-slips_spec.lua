-- Slips that people make get an answer that helps.

local lfs = require "lfs"
local command = require "spec.support.command"
local files = require "spec.support.files"
local server = require "spec.support.server"
local smb = require "smb"

describe("Whoever", function()
  local srv, url, dir, place

  setup(function()
    srv = server.start { users = { bob = "s3cret76" } }
    url = srv:url "backup"
    place = ("%s:%d/backup"):format(srv.address, srv.port)
    dir = files.directory()
  end)

  teardown(function()
    files.remove(dir)
    srv:stop()
  end)

  before_each(function()
    files.remove(srv:path "backup")
    lfs.mkdir(srv:path "backup")
    lfs.mkdir(srv:path("backup", "folder"))
    files.write(srv:path("backup", "folder/x y"), "12345")
  end)

  local BOB = { environment = { "AUTH_USERNAME=bob", "AUTH_PASSWORD=s3cret76" } }

  local function run(words, how) return command.run(dir, words, how) end

  local function answers(words, status, text, how)
    local ended = run(words, how)
    assert.is_truthy((ended.stderr .. ended.stdout):find(text, 1, true), ended.stderr .. ended.stdout)
    assert.equal(status, ended.status)
    assert.is_nil(ended.stderr:find "s3cret76")
  end

  it("gives no command gets a short help", function()
    local ended = run {}
    assert.equal(2, ended.status)
    assert.equal("", ended.stdout)
    assert.matches("lua%-smb put +smb://", ended.stderr)
    assert.is_true(select(2, ended.stderr:gsub("\n", "")) < 12)
  end)

  it("misspells a command, or knows another program's, is told ours", function()
    answers({ "lst", url }, 2, "unknown command 'lst' (did you mean 'list'?)")
    answers({ "upload", url, "x" }, 2, "did you mean 'put'?")
    answers({ "Dir" }, 2, "did you mean 'list'?")
    answers({ "sync", url, "x" }, 2, "did you mean 'put -r --mirror'?")
    answers({ "help" }, 2, "did you mean '--help'?")
    answers({ "xyzzyx" }, 2, "unknown command 'xyzzyx'")
    answers({ url, "list" }, 2, "the first argument must be a command")
  end)

  it("knows another program's options is told ours", function()
    answers({ "list", url, "--user", "bob" }, 2, "unknown option '--user': use --auth-username")
    answers({ "list", url, "-u", "bob" }, 2, "use --auth-username")
    answers({ "list", url, "--username=bob" }, 2, "use --auth-username")
    answers({ "list", url, "--password", "s3cret76" }, 2, "use --credentials-file FILE")
    answers({ "put", "-r", url, dir, "--exclude", "*.tmp" }, 2, "use --filter '!GLOB'")
    answers({ "list", (url:gsub("$", "?user=bob")) }, 2, "did you mean 'auth-username'?")
  end)

  it("writes a server as Windows does is understood", function()
    answers({ "list", "//" .. place .. "/folder" }, 0, "  x y\n", BOB)
    answers({ "list", "\\\\" .. place:gsub("/", "\\") .. "\\folder" }, 0, "  x y\n", BOB)
    answers({ "list", "//" .. place:match "^[^/]*" }, 0, "backup", BOB)
    answers({ "list", "\\nas\\backup" }, 2, "the shell has taken backslashes away", BOB)
    answers({ "list", "nas" }, 2, "smb://SERVER/SHARE[/PATH] comes first", BOB)
    local _, message = smb.open "\\\\nas\\backup"
    assert.matches("\\\\server\\share is smb://server/share", message, 1, true)
    answers({ "list", "smb://DOM\\bob@nas/backup" }, 2, "a domain stands before the user with a ';'")
  end)

  it("does not encode a password is told what to encode", function()
    answers({ "list", (url:gsub("s3cret76", "s3cret76/x")) }, 2, "%2F")
    answers({ "list", "smb://" .. place .. "?auth-username=bob&auth-password=s3cret76&x@y" }, 2, "%26")
  end)

  it("forgets the quotes around a URL with a '&' is told so", function()
    answers({ "list", "smb://" .. place .. "?auth-username=bob" }, 1, "a URL with a '&' needs quotes around it")
  end)

  it("adds slashes at the end is understood", function()
    answers({ "list", url .. "/", "folder/" }, 0, "  x y\n")
    answers({ "stat", url, "folder/" }, 0, "directory")
    answers({ "mkdir", url, "new/" }, 0, "")
    assert.equal("directory", lfs.attributes(srv:path("backup", "new"), "mode"))
  end)

  it("gives a whole URL for a name is understood, if it lies there", function()
    answers({ "cat", url, "smb://" .. place .. "/folder/x%20y" }, 0, "12345")
    answers({ "cat", srv:url("backup", "folder"), "smb://" .. place .. "/folder/x%20y" }, 0, "12345")
    answers({ "cat", srv:url("backup", "folder"), "smb://" .. place .. "/other" }, 2, "does not lie below")
    answers({ "cat", url, "smb://elsewhere/backup/x" }, 2, "a name is no URL itself")
  end)

  it("gives the file before the URL is told which comes first", function()
    files.write(dir .. "/one", "1")
    answers({ "put", "one", url }, 2, "the URL comes first: lua-smb put URL, and then 'one'")
    answers({ "get", "folder/x y", url }, 2, "the URL comes first: lua-smb get URL, and then 'folder/x y'")
    answers({ "put", "-r", dir .. "/one", url }, 2, "the URL comes first")
  end)

  it("names a folder that is missing is told how to make it", function()
    files.write(dir .. "/one", "1")
    answers({ "put", url, "one", "--into", "no/folder" }, 1, "(-p makes missing folders)")
    answers({ "list", srv:url("backup", "nothing") }, 1, "(lua-smb mkdir makes folders)")
    assert.equal(1, select(2, run({ "put", url, "one", "--into", "no", "--json" }).stdout:gsub("%-p makes", "")) // 2)
  end)

  it("calls a method with a dot is told of the colon", function()
    local dest <close> = assert(smb.open(url))
    local ok, problem = pcall(function() return dest.list() end)
    assert.is_false(ok)
    assert.matches("to be called with a colon: dest:list", problem, 1, true)
    ok, problem = pcall(function() return dest.stat "folder" end)
    assert.is_false(ok)
    assert.matches("use dest:stat(", problem, 1, true)
    ok, problem = pcall(function() return dest.close() end)
    assert.is_false(ok)
    assert.matches("use dest:close(", problem, 1, true)
    ok, problem = pcall(function() return dest.list(io.stdout) end)
    assert.is_false(ok)
    assert.matches("use dest:list(", problem, 1, true)
  end)

  it("calls a method of a file, a lock or a command with something else is told which method that was", function()
    local dest <close> = assert(smb.open(url))
    local objects = { file = assert(dest:open("methods", "w")), lock = assert(dest:lock "methods lock"),
      command = smb.command "true" }
    for word, object in pairs(objects) do
      for name, method in pairs(debug.getmetatable(object).__index) do
        for _, wrong in ipairs { false, "text", io.stdout, dest } do
          local ok, problem = pcall(function()
            local room = { [name] = method }
            room[name](wrong or nil)
          end)
          assert.is_false(ok)
          if name ~= "read" and name ~= "write" then
            local wanted = "76%%-slips.*'%s' %%(smb.%s expected.* %s:%s%%(%%)$"
            assert.matches(wanted:format(name, word, word, name), problem)
          end
        end
      end
      object[word == "lock" and "release" or "close"](object)
    end
  end)

  it("knows other words for the options of smb.open is told ours", function()
    local words =
      { user = "username", host = "server", pass = "password", workgroup = "domain", Timeout = "total_timeout" }
    for word, ours in pairs(words) do
      local ok, problem = pcall(smb.open, { server = "nas", share = "x", [word] = "y" })
      assert.is_false(ok)
      assert.matches(("unknown option '%s' (did you mean '%s'?)"):format(word, ours), problem, 1, true)
    end
  end)
end)
