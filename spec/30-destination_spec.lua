-- What a destination can do with names on a share; whole files are the next spec's.

local smb = require "smb"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local assert_refused = require("spec.support.share").assert_raises

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"

-- Samba's own record of what is done to names, in order, success only. See `replay`.
local AUDIT = {
  ["vfs objects"] = "full_audit", ["full_audit:syslog"] = "false", ["full_audit:prefix"] = "audit",
  ["full_audit:success"] = "renameat unlinkat", ["full_audit:failure"] = "none",
}

local NAMES = {
  "plain", "with space", "Käse & Brötchen", "100% #1 (best+worst)", "日本語.txt", "\u{1F4BE} disk", "a;b=c,d'e`f", "%41",
  "~$&!@^{}[]", ".hidden", ("ü"):rep(120), "UPPER lower",
}

local srv, dest

setup(function()
  srv = server.start { shares = { backup = {}, audited = AUDIT } }
end)

teardown(function()
  srv:stop()
end)

before_each(function()
  srv:mark()
  shell.check(("find %s -mindepth 1 -delete"):format(srv:path "backup"))
  dest = assert(smb.open(srv:url "backup", { retries = 0 }))
end)

after_each(function()
  assert.is_true(dest:close())
end)

local function on_server(name)
  return srv:path("backup", name)
end

local function make(name, content)
  return files.write(on_server(name), content or "")
end

local function make_folder(name)
  shell.check { "mkdir", "-p", on_server(name) }
end

local function everything()
  return files.list(srv:path "backup")
end

-- Runs smbclient's commands on the share "backup".
local function smbclient(commands)
  return shell.check {
    "smbclient", "-s", "/dev/null", "-p", srv.port, "-U", srv.user .. "%" .. srv.password,
    "//" .. srv.address .. "/backup", "-c", commands,
  }
end

local function assert_fails(code, result, message, got)
  assert.is_nil(result)
  assert.equal(code, got, message)
  assert.matches("^%l+ .*on smb://127%.0%.0%.1[:%d]*/[^:]+: ", message)
end

-- What dir and walk raise.
local function assert_raises(code, fn)
  local ok, problem = pcall(fn)
  assert.is_false(ok)
  assert.equal("table", type(problem))
  assert.equal(code, problem.code, problem.message)
  assert.equal(problem.message, tostring(problem))
  assert.equal("failed: " .. problem.message, "failed: " .. problem)
  assert.equal(problem.message .. " at night", problem .. " at night")
  assert.matches("on smb://127%.0%.0%.1[:%d]*/backup", problem.message)
end

local function names_of(entries)
  local names = {}
  for i, entry in ipairs(entries) do
    names[i] = entry.name
  end
  return names
end

local function walked(...)
  local paths = {}
  for path in dest:walk(...) do
    paths[#paths + 1] = path
  end
  return paths
end

local function set_mtime(name, mtime)
  shell.check { "touch", "-d", "@" .. mtime, on_server(name) }
end

local function mtime_on_server(name)
  return tonumber(shell.check { "stat", "-c", "%.7Y", on_server(name) })
end

-- Times travel in units of 100 ns, and a float of seconds holds them to about 200 ns.
local function assert_time(expected, found)
  assert.is_true(math.abs(expected - found) < 1e-6, ("%.7f expected, got %.7f"):format(expected, found))
end

describe("stat", function()
  it("tells all about a file", function()
    make("file", "12345")
    set_mtime("file", "1600000000.1234567")
    local entry = dest:stat "file"
    assert.equal("file", entry.name)
    assert.equal("file", entry.type)
    assert.equal("integer", math.type(entry.size))
    assert.equal(5, entry.size)
    assert_time(1600000000.1234567, entry.mtime)
    for _, key in ipairs { "mtime", "atime", "btime" } do
      assert.equal("float", math.type(entry[key]))
    end
    for _, key in ipairs { "archive", "hidden", "system", "readonly" } do
      assert.equal("boolean", type(entry[key]))
    end
    assert.is_true(entry.atime > 1600000000 and entry.atime < os.time() + 60)
    local keys = 0
    for _ in pairs(entry) do
      keys = keys + 1
    end
    assert.equal(10, keys)
  end)

  it("tells about a folder", function()
    make_folder "folder/inner"
    local entry = dest:stat "folder/inner"
    assert.equal("inner", entry.name)
    assert.equal("directory", entry.type)
    assert.equal(0, entry.size)
  end)

  it("tells about the destination itself", function()
    local entry = dest:stat ""
    assert.equal("", entry.name)
    assert.equal("directory", entry.type)
  end)

  it("knows sizes beyond 4 GiB", function()
    shell.check { "truncate", "-s", "5000000001", on_server "large" }
    assert.equal(5000000001, dest:stat "large".size)
    assert.equal(5000000001, dest:list()[1].size)
  end)

  it("knows times before 1970 and after 2038", function()
    make "old"
    make "new"
    set_mtime("old", "-1000000000.25")
    set_mtime("new", "4000000000.5")
    assert_time(-1000000000.25, dest:stat "old".mtime)
    assert_time(4000000000.5, dest:stat "new".mtime)
    local list = dest:list()
    assert_time(4000000000.5, list[1].mtime)
    assert_time(-1000000000.25, list[2].mtime)
  end)

  it("says that a file is missing, or its folder", function()
    make "file"
    assert_fails("not_found", dest:stat "missing")
    assert_fails("folder_missing", dest:stat "missing/file")
    local _, message = dest:stat "missing"
    assert.matches("^stat 'missing' on smb://[^/]+/backup: no such file %(NT_STATUS_OBJECT_NAME_NOT_FOUND%)$", message)
  end)

  it("finds files in any case, as SMB does", function()
    make "File"
    assert.is_truthy(dest:stat "fILE")
  end)
end)

describe("stat and list", function()
  -- Entries of all names, as list and dir give them, against what stat says. Encryption hides the creation time from
  -- stat.
  local function assert_agree(where)
    local list = assert(where:list())
    assert.is_true(#list >= #NAMES)
    for _, entry in ipairs(list) do
      local found = where:stat(entry.name)
      if where.info.encryption then
        assert.is_nil(found.btime)
        found.btime = entry.btime
      end
      assert.same(entry, found)
    end
    local by_name = {}
    for entry in where:dir() do
      by_name[entry.name] = entry
    end
    for _, entry in ipairs(list) do
      assert.same(entry, by_name[entry.name])
    end
    return list
  end

  local function make_all()
    for i, name in ipairs(NAMES) do
      make(name, ("x"):rep(i))
      set_mtime(name, ("%d.%07d"):format(1500000000 + i, i * 100003))
    end
    make_folder "folder with ä"
    smbclient 'setmode plain +h; setmode "with space" +s; setmode %41 +r; setmode .hidden -a'
  end

  it("agree on every name", function()
    make_all()
    local list = assert_agree(dest)
    local expected = { "folder with ä", table.unpack(NAMES) }
    table.sort(expected)
    assert.same(expected, names_of(list))
    for i, name in ipairs(NAMES) do
      local entry = dest:stat(name)
      assert.equal(i, entry.size)
      assert_time(1500000000 + i + i * 100003 / 1e7, entry.mtime)
    end
  end)

  it("agree on an encrypted connection", function()
    make_all()
    local private <close> = assert(smb.open(srv:url "backup", { encryption = "required" }))
    assert.is_true(private.info.encryption)
    local list = assert_agree(private)
    assert.same(dest:list(), list)
  end)

  it("agree with a server that wants everything encrypted", function()
    local other <close> = server.start { global = { ["server smb encrypt"] = "required" } }
    for i, name in ipairs(NAMES) do
      files.write(other:path("backup", name), ("x"):rep(i))
    end
    local private <close> = assert(smb.open(other:url("backup", nil, { encryption = "required" })))
    assert.is_true(private.info.encryption)
    assert_agree(private)
    assert_fails("not_found", private:stat "missing")
  end)

  it("agree with each dialect", function()
    make_all()
    for _, dialect in ipairs { "SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02" } do
      local old <close> = assert(smb.open(srv:url "backup", { max_protocol = dialect }))
      assert.equal(dialect, old.info.dialect)
      assert_agree(old)
    end
  end)
end)

describe("attributes", function()
  for letter, key in pairs { h = "hidden", s = "system", r = "readonly", a = "archive" } do
    it(("show that a file is %s, and that it is not"):format(key), function()
      make "file"
      for sign, expected in pairs { ["+"] = true, ["-"] = false } do
        smbclient(("setmode file %s%s"):format(sign, letter))
        assert.equal(expected, dest:stat "file"[key])
        assert.equal(expected, dest:list()[1][key])
      end
    end)
  end
end)

describe("exists", function()
  it("knows files, folders and what is not there", function()
    make "file"
    make_folder "folder"
    assert.is_true(dest:exists "file")
    assert.is_true(dest:exists "folder")
    assert.is_true(dest:exists "")
    assert.is_false(dest:exists "missing")
    assert.is_false(dest:exists "missing/missing")
  end)

  it("does not guess where it cannot know", function()
    if shell.check "id -u" ~= "0\n" then
      return pending "needs a server that can act as another user"
    end
    local other <close> = server.start { shares = { secret = { ["force user"] = srv:unix_name "bob" } } }
    shell.check { "mkdir", "-p", other:path("secret", "closed") }
    files.write(other:path("secret", "closed/file"), "")
    shell.check { "chmod", "0", other:path("secret", "closed") }
    shell.check { "chmod", "0755", other.dir, other.dir .. "/shares" }
    local where <close> = assert(smb.open(other:url "secret"))
    assert_fails("access_denied", where:exists "closed/file")
    assert_fails("access_denied", where:list "closed")
  end)

  it("says that a name cannot be", function()
    assert_fails("invalid_name", dest:exists "a*")
  end)
end)

describe("list", function()
  it("gives entries sorted by name", function()
    for _, name in ipairs { "b", "a", "C", "B2", "ä", "10", "9" } do
      make(name)
    end
    assert.same({ "10", "9", "B2", "C", "a", "b", "ä" }, names_of(dest:list()))
    assert.same(dest:list(), dest:list "")
  end)

  it("gives an empty table for an empty folder", function()
    make_folder "folder"
    assert.same({}, dest:list "folder")
  end)

  it("shows temporary files, too", function()
    make "file.0123abcd.part"
    assert.same({ "file.0123abcd.part" }, names_of(dest:list()))
  end)

  it("returns what is wrong", function()
    make "file"
    assert_fails("folder_missing", dest:list "missing")
    assert_fails("folder_missing", dest:list "missing/missing")
    assert_fails("not_directory", dest:list "file")
    assert_fails("invalid_name", dest:list "..")
  end)

  it("takes more than fits one message", function()
    shell.check(("cd %s && seq -f '%%05g-and-a-rather-long-name-behind-the-number' 1 3000 | xargs touch")
      :format(shell.quote(srv:path "backup")))
    local list = dest:list()
    assert.equal(3000, #list)
    for i, entry in ipairs(list) do
      assert.equal(("%05d-and-a-rather-long-name-behind-the-number"):format(i), entry.name)
    end
  end)
end)

describe("dir", function()
  it("leaves room for other calls, and for itself inside itself", function()
    for i = 1, 3 do
      make_folder("folder" .. i)
      make(("folder%d/file"):format(i), ("x"):rep(i))
    end
    local found = {}
    for outer in dest:dir() do
      for inner in dest:dir(outer.name) do
        found[#found + 1] = dest:read(outer.name .. "/" .. inner.name)
      end
    end
    table.sort(found)
    assert.same({ "x", "xx", "xxx" }, found)
  end)

  it("raises what list returns", function()
    make "file"
    assert_raises("folder_missing", function()
      dest:dir "missing"
    end)
    assert_raises("not_directory", function()
      dest:dir "file"
    end)
    assert_raises("invalid_name", function()
      dest:dir "a\\b"
    end)
  end)

  describe("of a big folder", function()
    -- A log of so much would be most of the work.
    local quiet, where

    setup(function()
      quiet = server.start { log_level = "0" }
    end)

    teardown(function()
      quiet:stop()
    end)

    before_each(function()
      dest:close() -- so that there is one worker
      where = assert(smb.open(quiet:url "backup"))
    end)

    after_each(function()
      where:close()
    end)

    it("closes itself when the loop is left", function()
      -- Names of such a length that a message takes about 200 entries.
      shell.check(("cd %s && seq -f '%s%%g' 100 350 | xargs touch")
        :format(shell.quote(quiet:path "backup"), ("n"):rep(240)))
      local worker = processes.worker()
      local function leave(times)
        for _ = 1, times do
          local count = 0
          for _ in where:dir() do
            count = count + 1
            if count == 2 then
              break
            end
          end
        end
      end
      leave(10)
      local before = processes.resident(worker)
      leave(100)
      -- A listing that stays open costs the worker 100 KiB and more.
      assert.is_true(processes.resident(worker) - before < 4096)
      assert.is_false(pcall(function()
        for _ in where:dir() do
          error "as planned"
        end
      end))
      assert.equal(251, #where:list())
    end)

    it("goes through 100,000 files with the host's memory flat", function()
      shell.check(("mkdir %s && cd %s && seq -f 'file-%%06g' 100000 | xargs touch"):format(
        shell.quote(quiet:path("backup", "big")), shell.quote(quiet:path("backup", "big"))))
      collectgarbage()
      local heap, memory = collectgarbage "count", processes.resident()
      local count, most = 0, 0
      for entry in where:dir "big" do
        count = count + 1
        assert(entry.type == "file")
        if count % 10000 == 0 then
          collectgarbage() -- what is kept counts, not what the collector has not come to yet
          most = math.max(most, collectgarbage "count")
        end
      end
      assert.equal(100000, count)
      assert.is_true(most - heap < 1024, ("Lua's heap grew by %.0f KiB"):format(most - heap))
      memory = processes.resident() - memory
      assert.is_true(memory < 16384, ("the host grew by %d KiB"):format(memory))
    end)
  end)
end)

describe("walk", function()
  it("goes depth first through all that is there", function()
    for _, folder in ipairs { "a/b/c", "a/d", "e" } do
      make_folder(folder)
    end
    for _, name in ipairs { "a/1", "a/b/2", "a/b/c/3", "e/4", "5" } do
      make(name, name)
    end
    local order, types = {}, {}
    for path, entry in dest:walk() do
      assert.equal(path:match "[^/]*$", entry.name)
      assert.equal(entry.type == "file" and #path or 0, entry.size)
      order[#order + 1] = path
      order[path], types[path] = #order, entry.type
    end
    local sorted = { table.unpack(order) }
    table.sort(sorted)
    assert.same({ "5", "a", "a/1", "a/b", "a/b/2", "a/b/c", "a/b/c/3", "a/d", "e", "e/4" }, sorted)
    assert.equal("directory", types["a/b"])
    for i, path in ipairs(order) do
      -- A folder comes before what is in it, and that right behind it.
      local parent = path:match "^(.*)/"
      if parent then
        assert.is_true(order[parent] < i)
        for j = order[parent] + 1, i do
          assert.equal(parent .. "/", order[j]:sub(1, #parent + 1))
        end
      end
    end
  end)

  it("starts anywhere, with paths relative to there", function()
    make_folder "a/b"
    make "a/b/file"
    local found = walked "a"
    assert.same({ "b", "b/file" }, found)
    assert.same({ "file" }, walked "a/b")
  end)

  it("leaves out temporary files of transfers", function()
    make_folder "folder.0123abcd.part"
    make "folder.0123abcd.part/file"
    make "file.0123abcd.part"
    make "file.89abcdef.aside"
    make "file.part"
    make "file.xyz.aside"
    local found = walked()
    table.sort(found)
    assert.same({ "file.part", "file.xyz.aside" }, found)
  end)

  it("goes as deep as there are folders", function()
    local path = ("d/"):rep(100):sub(1, -2)
    make_folder(path)
    make(path .. "/bottom")
    local found = walked()
    assert.equal(101, #found)
    assert.equal(path .. "/bottom", found[101])
  end)

  it("can be left anywhere", function()
    make_folder "a/b"
    make "a/b/file"
    for _ = 1, 400 do
      for path in dest:walk() do
        if path == "a/b" then
          break
        end
      end
    end
    assert.equal(3, #walked())
  end)

  it("raises what is wrong", function()
    make "file"
    assert_raises("folder_missing", function()
      dest:walk "missing"
    end)
    assert_raises("not_directory", function()
      dest:walk "file"
    end)
    -- A folder that goes before its turn comes.
    make_folder "folder"
    assert_raises("folder_missing", function()
      for path in dest:walk() do
        if path == "folder" then
          files.remove(on_server "folder")
        end
      end
    end)
  end)
end)

describe("mkdir", function()
  it("makes folders with their parents", function()
    assert.is_true(dest:mkdir "a/b/c d/ä")
    assert.equal("directory", dest:stat "a/b/c d/ä".type)
  end)

  it("is content with a folder that is there", function()
    assert.is_true(dest:mkdir "a/b")
    make "a/b/file"
    assert.is_true(dest:mkdir "a/b")
    assert.is_true(dest:mkdir "a")
    assert.is_true(dest:mkdir "")
    assert.is_true(dest:exists "a/b/file")
  end)

  it("does not take a file for a folder", function()
    make("file", "content")
    assert_fails("exists", dest:mkdir "file")
    assert.equal("content", dest:read "file")
    for _, below in ipairs { "file/below", "file/far/below" } do
      assert_fails("not_directory", dest:mkdir(below))
      assert_fails("not_directory", dest:write(below .. "/x", "y", { parents = true }))
    end
  end)

  it("refuses names that cannot be", function()
    assert_fails("invalid_name", dest:mkdir "a/NUL/b")
    assert.same({}, everything())
  end)
end)

describe("delete", function()
  it("deletes a file", function()
    make "file"
    assert.is_true(dest:delete "file")
    assert.same({}, everything())
  end)

  it("leaves folders alone, empty or not", function()
    make_folder "empty"
    make_folder "full"
    make "full/file"
    assert_fails("is_directory", dest:delete "empty")
    assert_fails("is_directory", dest:delete "full")
    assert_fails("is_directory", dest:delete "")
    assert.same({ "empty", "full" }, everything())
    assert.is_true(files.exists(on_server "full/file"))
  end)

  it("says that a file is missing, unless told that it may be", function()
    assert_fails("not_found", dest:delete "missing")
    assert_fails("folder_missing", dest:delete "missing/file")
    assert.is_true(dest:delete("missing", { missing_ok = true }))
    assert.is_true(dest:delete("missing/file", { missing_ok = true }))
    make_folder "folder"
    assert_fails("is_directory", dest:delete("folder", { missing_ok = true }))
  end)

  it("says that it may not", function()
    local other <close> = server.start { shares = { backup = { ["read only"] = "yes" } } }
    local where <close> = assert(smb.open(other:url "backup"))
    files.write(other:path("backup", "file"), "content")
    assert_fails("access_denied", where:delete "file")
    assert.equal("content", where:read "file")
  end)
end)

describe("rmdir", function()
  it("removes an empty folder", function()
    make_folder "a/b"
    assert.is_true(dest:rmdir "a/b")
    assert.is_false(files.exists(on_server "a/b"))
    assert.is_true(files.exists(on_server "a"))
  end)

  it("leaves a folder with something in it", function()
    make_folder "a/b"
    make "a/b/file"
    assert_fails("not_empty", dest:rmdir "a/b")
    assert_fails("not_empty", dest:rmdir("a", { recursive = false }))
    assert.is_true(files.exists(on_server "a/b/file"))
  end)

  it("says what is missing or no folder", function()
    make("file", "content")
    for _, opts in ipairs { {}, { recursive = true } } do
      assert_fails("not_found", dest:rmdir("missing", opts))
      assert_fails("folder_missing", dest:rmdir("missing/missing", opts))
      assert_fails("not_directory", dest:rmdir("file", opts))
      assert_fails("invalid_name", dest:rmdir("", opts))
    end
    assert.equal("content", dest:read "file")
  end)

  it("names what stood in the way of removing all that is in it", function()
    assert(dest:mkdir "a/b/c")
    assert(dest:write("a/b/c/held", "x"))
    local held <close> = assert(dest:open("a/b/c/held", "r+"))
    local _, message, code = dest:rmdir("a", { recursive = true })
    assert.equal("busy", code, message)
    assert.matches("rmdir 'a' on .*: 'a/b/c/held': ", message)
    local below <close> = assert(smb.open(srv:url("backup", "a/b")))
    _, message = below:rmdir("c", { recursive = true })
    assert.matches("rmdir 'c' on .*: 'c/held': ", message)
    held:close()
    assert(dest:rmdir("a", { recursive = true }))
  end)

  it("removes all that is in it when told so", function()
    for _, folder in ipairs { "top/a/b/c", "top/d" } do
      make_folder(folder)
    end
    shell.check(("cd %s && touch $(seq -f 'file %%g' 400 | tr ' ' _) a/1 a/b/2 a/b/c/3 && cd d && touch $(seq 100)")
      :format(shell.quote(on_server "top")))
    make "top/a/file.0123abcd.part"
    make "beside"
    assert.is_true(dest:rmdir("top", { recursive = true }))
    assert.same({ "beside" }, everything())
  end)
end)

describe("rename", function()
  it("gives a file another name", function()
    make("from", "content")
    assert.is_true(dest:rename("from", "to"))
    assert.same({ "to" }, everything())
    assert.equal("content", dest:read "to")
  end)

  it("moves it to another folder", function()
    make("from", "content")
    make_folder "folder"
    assert.is_true(dest:rename("from", "folder/to"))
    assert.equal("content", dest:read "folder/to")
    assert.same({ "folder" }, everything())
  end)

  it("replaces a file that is there", function()
    make("from", "new")
    make("to", "old")
    assert.is_true(dest:rename("from", "to"))
    assert.same({ "to" }, everything())
    assert.equal("new", dest:read "to")
  end)

  it("leaves it when told so", function()
    make("from", "new")
    make("to", "old")
    assert_fails("exists", dest:rename("from", "to", { overwrite = false }))
    assert.equal("old", dest:read "to")
    assert.equal("new", dest:read "from")
    assert.same({ "from", "to" }, everything())
    assert.is_true(dest:rename("from", "free", { overwrite = false }))
    assert.same({ "free", "to" }, everything())
  end)

  it("leaves it on an encrypted connection, too", function()
    make("from", "new")
    make("to", "old")
    local private <close> = assert(smb.open(srv:url "backup", { encryption = "required" }))
    assert_fails("exists", private:rename("from", "to", { overwrite = false }))
    assert.same({ "from", "to" }, everything())
    assert.equal("old", private:read "to")
    assert.is_true(private:rename("from", "to"))
    assert.equal("new", private:read "to")
    assert.same({ "to" }, everything())
  end)

  it("never replaces a folder", function()
    make("from", "content")
    make_folder "folder"
    assert_fails("is_directory", dest:rename("from", "folder"))
    assert_fails("is_directory", dest:rename("from", "folder", { overwrite = true }))
    make_folder "other"
    local result, _, code = dest:rename("other", "folder")
    assert.is_nil(result)
    assert.is_true(code == "is_directory" or code == "exists", code)
    assert.same({ "folder", "from", "other" }, everything())
  end)

  it("never replaces a file by a folder", function()
    make("file", "content")
    make_folder "folder"
    local result, _, code = dest:rename("folder", "file")
    assert.is_nil(result)
    assert.is_true(code == "exists" or code == "not_directory", code)
    assert.equal("content", dest:read "file")
    assert.same({ "file", "folder" }, everything())
  end)

  it("changes the case of a name", function()
    make("file", "content")
    make_folder "folder"
    make "folder/inside"
    assert.is_true(dest:rename("file", "File"))
    assert.is_true(dest:rename("folder", "FOLDER"))
    assert.same({ "FOLDER", "File" }, everything())
    assert.equal("content", dest:read "File")
    assert.is_true(files.exists(on_server "FOLDER/inside"))
  end)

  it("changes the case of letters that are not ASCII", function()
    make("über", "content")
    assert.is_true(dest:rename("über", "Über"))
    assert.same({ "Über" }, everything())
    assert.equal("content", dest:read "Über")
  end)

  it("renames a folder with all that is in it", function()
    make_folder "from/inner"
    make("from/inner/file", "content")
    assert.is_true(dest:rename("from", "to"))
    assert.equal("content", dest:read "to/inner/file")
    assert.same({ "to" }, everything())
  end)

  it("has nothing to do for one and the same name", function()
    make("file", "content")
    assert.is_true(dest:rename("file", "file"))
    assert.equal("content", dest:read "file")
    assert_fails("not_found", dest:rename("missing", "missing"))
  end)

  it("leaves the target when the source is missing", function()
    make("to", "old")
    assert_fails("not_found", dest:rename("missing", "to"))
    assert_fails("not_found", dest:rename("missing", "free"))
    assert_fails("folder_missing", dest:rename("missing/file", "to"))
    assert.equal("old", dest:read "to")
    assert.same({ "to" }, everything())
  end)

  it("names both files and the one that is to blame, as copy does", function()
    assert(dest:write("there", "x"))
    for _, how in ipairs { "rename", "copy" } do
      for _, case in ipairs {
        { "there", "no/folder/x", "folder_missing", "the target's folder" },
        { "gone", "new", "not_found", "the source" },
        { "no/gone", "new", "folder_missing", "the source's folder" },
        { "gone", "no/folder/x", "not_found", "the source" },
        { "there", "a:b", "invalid_name", "the target: " }, { "a:b", "new", "invalid_name", "the source: " },
      } do
        local result, message, code = dest[how](dest, case[1], case[2])
        assert.is_nil(result)
        assert.equal(case[3], code, message)
        assert.matches(("^%s '%s' on .*: to '%s': %s"):format(how, case[1], case[2], case[4]), message)
      end
    end
  end)

  it("says that the target's folder is missing", function()
    make("from", "content")
    assert_fails("folder_missing", dest:rename("from", "missing/to"))
    assert.equal("content", dest:read "from")
  end)

  it("leaves a target that is read-only", function()
    make("from", "new")
    make("to", "old")
    smbclient "setmode to +r"
    assert_fails("access_denied", dest:rename("from", "to"))
    assert.equal("old", dest:read "to")
    assert.same({ "from", "to" }, everything())
  end)

  it("puts the old file back when the new one cannot be had", function()
    make("from", "new")
    make("to", "old")
    -- Open without sharing, as Windows programs do: it cannot be renamed.
    local holder <close> = assert(smb.open(srv:url "backup"))
    local fifo = srv.dir .. "/hold"
    shell.check { "mkfifo", fifo }
    assert.is_true(holder:exists "from")
    local pid = shell.spawn(("smbclient -s /dev/null -p %d -U bob%%s3cret //%s/backup -E <%s"):format(
      srv.port, srv.address, fifo))
    local commands <close> = assert(io.open(fifo, "w"))
    commands:setvbuf "no"
    commands:write "open from\n"
    assert(shell.poll(function()
      return next(srv:status().open_files)
    end))
    local result, _, code = dest:rename("from", "to")
    commands:write "quit\n"
    shell.poll(function()
      return not shell.alive(pid)
    end)
    os.remove(fifo)
    assert.is_nil(result)
    assert.equal("busy", code)
    assert.same({ "from", "to" }, everything())
    assert.equal("old", dest:read "to")
    assert.equal("new", dest:read "from")
  end)

  describe("keeps one whole copy on the share at every moment", function()
    local audited

    before_each(function()
      audited = assert(smb.open(srv:url "audited"))
      shell.check(("find %s -mindepth 1 -delete"):format(srv:path "audited"))
    end)

    after_each(function()
      audited:close()
    end)

    local function base(path)
      return (path:match "([^/]*)/?$")
    end

    -- Does again, to names alone, what the server's file system was told since the mark: after each step the old file
    -- has to be there, under whatever name, or the new one in its place.
    local function replay(contents)
      local steps = 0
      for operation, arguments in srv:log():gmatch "audit|(%l+)|ok|([^\n]*)" do
        local names = {}
        for word in arguments:gmatch "[^|]+" do
          names[#names + 1] = base(word)
        end
        local last = names[#names]
        if operation == "renameat" then
          local moved = names[#names - 1]
          contents[last], contents[moved] = contents[moved] or "new", nil
        else
          contents[last] = nil
        end
        steps = steps + 1
        local whole = contents.to == "new"
        for _, content in pairs(contents) do
          whole = whole or content == "old"
        end
        assert.is_true(whole, ("none after step %d, %s of %s"):format(steps, operation, arguments))
      end
      return steps, contents
    end

    local function assert_replaced(fn)
      files.write(srv:path("audited", "from"), "new")
      files.write(srv:path("audited", "to"), "old")
      srv:mark()
      assert.is_truthy(fn())
      local steps, contents = replay { from = "new", to = "old" }
      assert.is_true(steps >= 1)
      assert.equal("new", contents.to)
      assert.equal("new", files.read(srv:path("audited", "to")))
    end

    it("while a file replaces another", function()
      assert_replaced(function()
        return audited:rename("from", "to")
      end)
    end)

    it("while a copy does", function()
      assert_replaced(function()
        return audited:copy("from", "to")
      end)
    end)

    it("while what is written does", function()
      assert_replaced(function()
        return audited:write("to", "new")
      end)
    end)

    it("while what is put does", function()
      assert_replaced(function()
        return audited:put(srv:path("audited", "from"), "to")
      end)
    end)
  end)
end)

describe("copy", function()
  it("copies a file on the server, with its time", function()
    files.make(on_server "from", 3000001, 5)
    set_mtime("from", "1600000000.25")
    local counts, ok, message = srv:requests(function()
      return dest:copy("from", "to")
    end)
    assert.is_nil(message)
    assert.is_true(ok)
    assert.equal(0, counts.read)
    assert.equal(0, counts.write)
    assert.is_true(files.same(on_server "from", on_server "to"))
    assert_time(1600000000.25, mtime_on_server "to")
    assert.same({ "from", "to" }, everything())
  end)

  it("copies an empty file, and one of many chunks", function()
    make "empty"
    assert.is_true(dest:copy("empty", "empty copy"))
    assert.equal(0, files.size(on_server "empty copy"))
    files.make(on_server "large", 40000003)
    assert.is_true(dest:copy("large", "copy"))
    assert.is_true(files.same(on_server "large", on_server "copy"))
  end)

  it("replaces a file, or not, as told", function()
    make("from", "new")
    make("to", "old")
    assert_fails("exists", dest:copy("from", "to", { overwrite = false }))
    assert.equal("old", dest:read "to")
    assert.is_true(dest:copy("from", "to"))
    assert.equal("new", dest:read "to")
    assert.equal("new", dest:read "from")
    assert.same({ "from", "to" }, everything())
  end)

  it("leaves everything as it was when it cannot be done", function()
    make("to", "old")
    make_folder "folder"
    assert_fails("not_found", dest:copy("missing", "to"))
    assert_fails("is_directory", dest:copy("to", "folder"))
    assert_fails("folder_missing", dest:copy("to", "missing/to"))
    assert_fails("is_directory", dest:copy("folder", "other"))
    assert.equal("old", dest:read "to")
    assert.same({ "folder", "to" }, everything())
  end)

  it("of a file onto itself does it no harm", function()
    make("file", "content")
    dest:copy("file", "file")
    assert.equal("content", dest:read "file")
    assert.same({ "file" }, everything())
  end)
end)

describe("utime", function()
  it("sets a file's time, with its fraction", function()
    make "file"
    for _, mtime in ipairs { 1600000000, 1600000000.25, 1234567890.123456, 86400, 4000000000.5 } do
      assert.is_true(dest:utime("file", mtime))
      assert_time(mtime, mtime_on_server "file")
      assert_time(mtime, dest:stat "file".mtime)
    end
  end)

  it("sets times before 1970", function()
    make "file"
    assert.is_true(dest:utime("file", -86400.5))
    assert_time(-86400.5, mtime_on_server "file")
  end)

  it("sets the time 0", function()
    make "file"
    assert.is_true(dest:utime("file", 0))
    assert_time(0, mtime_on_server "file")
    assert_time(0, dest:stat "file".mtime)
  end)

  it("sets a folder's time", function()
    make_folder "folder"
    assert.is_true(dest:utime("folder", 1500000000))
    assert_time(1500000000, mtime_on_server "folder")
  end)

  it("says what is missing", function()
    assert_fails("not_found", dest:utime("missing", 1))
    assert_fails("folder_missing", dest:utime("missing/file", 1))
  end)

  it("refuses times that SMB cannot hold", function()
    make "file"
    local before = mtime_on_server "file"
    for _, mtime in ipairs { 0 / 0, math.huge, -math.huge, 1e300, -1e300, -2e10 } do
      assert_refused("a time from 1601 to 30828", dest.utime, dest, "file", mtime)
    end
    assert.equal(before, mtime_on_server "file")
  end)
end)

describe("quota", function()
  it("tells how large the share is and how much is free", function()
    if not SANDBOX then
      return pending "needs spec/support/sandbox"
    end
    local other <close> = server.start { size = "64m" }
    local where <close> = assert(smb.open(other:url "backup"))
    local quota = assert(where:quota())
    assert.equal(64 * 1048576, quota.total)
    assert.equal("integer", math.type(quota.free))
    assert.is_true(quota.free > 60 * 1048576 and quota.free <= quota.total)
    assert.equal(quota.free, quota.available)
    files.make(other:path("backup", "file"), 32 * 1048576)
    assert.is_true(math.abs(quota.free - where:quota().free - 32 * 1048576) < 65536)
  end)
end)

describe("test", function()
  it("lists", function()
    assert.is_true(dest:test())
    assert.is_true(dest:test {})
  end)

  it("writes, reads and deletes on demand, and leaves nothing", function()
    local counts, ok = srv:requests(function()
      return dest:test { write = true }
    end)
    assert.is_true(ok)
    assert.equal(1, counts.write)
    assert.is_true(counts.read >= 1)
    assert.same({}, everything())
  end)

  it("says what is wrong", function()
    local other <close> = server.start { shares = { backup = { ["read only"] = "yes" } } }
    local where <close> = assert(smb.open(other:url "backup"))
    assert.is_true(where:test())
    assert_fails("access_denied", where:test { write = true })
    local missing <close> = assert(smb.open(srv:url("backup", "missing")))
    assert_fails("folder_missing", missing:test())
    assert_fails("folder_missing", missing:test { write = true })
  end)
end)

describe("a destination with a path", function()
  it("has its names below it", function()
    make_folder "host 1/sub"
    make "outside"
    local below <close> = assert(smb.open(srv:url("backup", "host 1")))
    assert.equal("host 1", below.path)
    assert.is_truthy(below:write("sub/file", "content"))
    assert.equal("content", files.read(on_server "host 1/sub/file"))
    assert.same({ "sub" }, names_of(below:list()))
    assert.equal("directory", below:stat "".type)
    assert.is_false(below:exists "outside")
    assert_fails("invalid_name", below:stat "../outside")
    local paths = {}
    for path in below:walk() do
      paths[#paths + 1] = path
    end
    assert.same({ "sub", "sub/file" }, paths)
    assert.is_true(below:rename("sub/file", "file"))
    assert.is_true(files.exists(on_server "host 1/file"))
    assert.matches("^smb.destination %(smb://127%.0%.0%.1[:%d]*/backup/host%%201%)$", tostring(below))
  end)

  it("opens without it, and can make it", function()
    local below <close> = assert(smb.open(srv:url("backup", "missing/too")))
    assert_fails("folder_missing", below:stat "")
    assert.is_false(below:exists "")
    assert_fails("folder_missing", below:list())
    assert_raises("folder_missing", function()
      below:dir()
    end)
    assert_fails("folder_missing", below:write("file", "content"))
    assert.same({}, everything())
    assert.is_true(below:mkdir "")
    assert.is_true(below:exists "")
    assert.is_truthy(below:write("file", "content"))
    assert.equal("content", files.read(on_server "missing/too/file"))
  end)

  it("whose last folder alone is missing is the same", function()
    local below <close> = assert(smb.open(srv:url("backup", "missing")))
    assert_fails("folder_missing", below:stat "")
    assert_fails("folder_missing", below:stat "file")
    assert_fails("folder_missing", below:list())
    assert_fails("folder_missing", below:write("file", "content"))
    assert.is_true(below:mkdir "a/b")
    assert.is_true(files.exists(on_server "missing/a/b"))
  end)
end)

describe("on an encrypted connection", function()
  -- Here the server's answers cannot be read on the wire.
  local private

  before_each(function()
    private = assert(smb.open(srv:url "backup", { encryption = "required" }))
  end)

  after_each(function()
    private = private and private:close() and nil
  end)

  it("what is missing or in the way has the same names", function()
    make_folder "full"
    make("full/file", "content")
    assert_fails("not_found", private:stat "missing")
    assert.is_false(private:exists "missing")
    assert_fails("not_found", private:read "missing")
    assert_fails("not_found", private:delete "missing")
    assert_fails("not_found", private:rmdir "missing")
    assert_fails("is_directory", private:delete "full")
    assert_fails("not_empty", private:rmdir "full")
    assert_fails("not_directory", private:list "full/file")
    assert_fails("folder_missing", private:list "missing")
    assert_fails("exists", private:mkdir "full/file")
    assert.equal("content", private:read "full/file")
  end)

  it("folders are made, files written, all removed", function()
    assert.is_true(private:mkdir "a/b/c")
    assert.is_truthy(private:write("a/b/c/file", "old"))
    assert.is_truthy(private:write("a/b/c/file", "new"))
    assert.is_true(private:copy("a/b/c/file", "copy"))
    assert.equal("new", files.read(on_server "copy"))
    assert.is_true(private:rmdir("a", { recursive = true }))
    assert.is_true(private:delete "copy")
    assert.same({}, everything())
  end)

  it("a path that is missing is no missing share", function()
    local below <close> = assert(smb.open(srv:url("backup", "missing"), { encryption = "required" }))
    assert_fails("folder_missing", below:stat "")
    assert.is_true(below:mkdir "")
    assert_fails("share_missing", smb.open(srv:url "nowhere", { encryption = "required" }))
  end)
end)

describe("links in the server's folder", function()
  it("to somewhere inside are what they point to", function()
    make_folder "folder"
    make("folder/file", "content")
    shell.check { "ln", "-s", "folder/file", on_server "link" }
    shell.check { "ln", "-s", "folder", on_server "link to folder" }
    assert.equal("content", dest:read "link")
    assert.equal("file", dest:stat "link".type)
    assert.equal("directory", dest:stat "link to folder".type)
    assert.same({ "file" }, names_of(dest:list "link to folder"))
  end)

  it("to somewhere outside are not followed", function()
    local outside = files.write(srv.dir .. "/outside", "secret")
    shell.check { "ln", "-s", outside, on_server "link" }
    local content, message, code = dest:read "link"
    assert.is_nil(content)
    assert.is_true(code == "access_denied" or code == "not_found" or code == "unsupported", message)
    assert.is_true(dest:close())
    dest = assert(smb.open(srv:url "backup", { retries = 0 }))
    local ok, problem, word = dest:delete "link"
    assert.is_true(ok == true or word ~= nil, problem)
    assert.equal("secret", files.read(outside))
  end)

  it("to a folder outside are not emptied by rmdir", function()
    shell.check { "mkdir", "-p", srv.dir .. "/outside folder" }
    files.write(srv.dir .. "/outside folder/file", "precious")
    make_folder "folder"
    shell.check { "ln", "-s", srv.dir .. "/outside folder", on_server "folder/link" }
    dest:rmdir("folder", { recursive = true })
    assert.equal("precious", files.read(srv.dir .. "/outside folder/file"))
  end)
end)

describe("names", function()
  it("of every kind go through every method", function()
    for _, name in ipairs(NAMES) do
      local other = "other " .. name
      assert.is_truthy(dest:write(name, name))
      assert.equal(name, dest:read(name))
      assert.equal(name, dest:stat(name).name)
      assert.is_true(dest:rename(name, other))
      assert.equal(name, files.read(on_server(other)))
      assert.is_true(dest:copy(other, name))
      assert.is_true(dest:utime(name, 1600000000))
      assert.is_true(dest:delete(name))
      assert.is_true(dest:delete(other))
      assert.is_true(dest:mkdir(name .. "/" .. other))
      assert.same({ other }, names_of(dest:list(name)))
      assert.is_true(dest:rmdir(name, { recursive = true }))
    end
    assert.same({}, everything())
  end)

  it("as long as a server takes them can be written and replaced", function()
    local long = ("n"):rep(255)
    assert.is_truthy(dest:write(long, "old"))
    assert.is_truthy(dest:write(long, "new"))
    assert.equal("new", dest:read(long))
    assert.same({ long }, everything())
  end)

  it("that cannot be are refused before the network is touched", function()
    local bad =
      { "..", "a/../b", "/a", "a/", "a//b", "a\0b", "a\nb", "a:b", "a*", "a.", "a ", "NUL", "com1.txt", "\xFF" }
    local counts = srv:requests(function()
      for _, name in ipairs(bad) do
        assert_fails("invalid_name", dest:stat(name))
        assert_fails("invalid_name", dest:exists(name))
        assert_fails("invalid_name", dest:list(name))
        assert_fails("invalid_name", dest:mkdir(name))
        assert_fails("invalid_name", dest:delete(name))
        assert_fails("invalid_name", dest:rmdir(name))
        assert_fails("invalid_name", dest:rename(name, "b"))
        assert_fails("invalid_name", dest:rename("b", name))
        assert_fails("invalid_name", dest:copy(name, "b"))
        assert_fails("invalid_name", dest:copy("b", name))
        assert_fails("invalid_name", dest:utime(name, 1))
        assert_raises("invalid_name", function()
          dest:dir(name)
        end)
        assert_raises("invalid_name", function()
          dest:walk(name)
        end)
      end
    end)
    assert.equal(0, counts.total)
  end)
end)

describe("wrong arguments raise", function()
  it("of every method", function()
    local wrong = {
      stat = { nil }, exists = { 1 }, list = { {} }, dir = { true }, walk = { 1 }, mkdir = {}, delete = { {} },
      rmdir = {}, rename = { "a" }, copy = { nil, "b" }, utime = { "a", "1" },
    }
    local counts = srv:requests(function()
      for method, arguments in pairs(wrong) do
        local ok, problem = pcall(dest[method], dest, arguments[1], arguments[2])
        assert.is_false(ok, method)
        assert.matches("bad argument #%d to '" .. method .. "'", problem)
      end
    end)
    assert.equal(0, counts.total)
  end)

  it("of options, naming the nearest that there is", function()
    for _, call in ipairs {
      { "delete", "a", { missing_okay = true } }, { "rmdir", "a", { recursiv = true } },
      { "rename", "a", "b", { overwrit = true } }, { "copy", "a", "b", { overwrit = true } },
      { "test", { wrte = true } },
    } do
      local ok, problem = pcall(dest[call[1]], dest, table.unpack(call, 2))
      assert.is_false(ok)
      assert.matches("unknown option '[%l_]+' %(did you mean '[%l_]+'%?%)", problem)
    end
    assert_refused("must be a boolean, not a number", dest.delete, dest, "a", { missing_ok = 1 })
    assert_refused("delete: ", dest.delete, dest, "a", true)
  end)
end)
