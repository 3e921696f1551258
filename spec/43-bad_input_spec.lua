-- What a program gets wrong is told before anything is sent: nothing on the server changes, the destination stays
-- usable.

local files = require "spec.support.files"
local server = require "spec.support.server"
local smb = require "smb"

local NAN, INFINITY = 0 / 0, math.huge
local SECRET = "s3cret"

local function show(value)
  local text = type(value) == "string" and ("%q"):format(value) or tostring(value):gsub(": 0x%x+", "")
  return #text > 40 and text:sub(1, 30) .. ("... of %d bytes"):format(#value) or text:gsub("\n", "n")
end

-- A call as it would stand in a program.
local function written(method, arguments)
  local shown = {}
  for i = 1, arguments.n or #arguments do
    local value = arguments[i]
    local key = type(value) == "table" and next(value)
    shown[i] = key and ("{ %s = %s }"):format(tostring(key), tostring(value[key])) or show(value)
  end
  return ("%s(%s)"):format(method, table.concat(shown, ", "))
end

local srv, dest, dir

setup(function()
  srv = server.start()
  files.write(srv:path("backup", "file"), "content")
  assert(os.execute(("mkdir '%s'"):format(srv:path("backup", "folder"))))
  dir = files.directory()
  dest = assert(smb.open(srv:fields()))
end)

before_each(function()
  files.remove(dir)
  dir = files.directory()
  files.write(dir .. "/local", "local content")
end)

teardown(function()
  dest:close()
  srv:stop()
  files.remove(dir)
end)

-- Calls fn, during which nothing may reach the server; then shows that all is as it was.
local function silently(fn)
  local counts = srv:requests(fn)
  assert.equal(0, counts.total)
  assert.same({ "file", "folder" }, files.list(srv:path()))
  assert.same({ "local" }, files.list(dir))
  assert.equal("content", dest:read "file")
end

-- Calls a method from a line of this file, which is the one an error has to name.
local function call(method, ...)
  local results = table.pack(dest[method](dest, ...))
  return table.unpack(results, 1, results.n)
end

local function raised(fn, ...)
  local ok, problem = pcall(fn, ...)
  assert.is_false(ok, "nothing was raised")
  return problem
end

local function never_called()
  error "a reader was called"
end

describe("a name that SMB cannot hold", function()
  local NAMES = {
    "..", ".", "../file", "folder/../file", "folder/./file", "folder/..", "../../etc/passwd", "./file",
    "/file", "//file", "folder//file", "file/", "/", "folder/",
    "\0", "file\0", "fi\0le", "\0file", "a\nb", "a\tb", "a\rb", "\27[2J", "a\127", "a\31b",
    "a\\b", "..\\file", "folder\\file", "a:b", "file:stream", "file::$DATA", "a*", "a?b", 'a"b', "a<b", "a>b", "a|b",
    "*", "?", "file.", "file ", "folder./file", "folder /file", "...", " ", ". ",
    ("a"):rep(256), ("ü"):rep(256), ("\u{1F600}"):rep(128), "folder/" .. ("a"):rep(256), ("a"):rep(256) .. "/file",
    "\xff", "a\x80b", "\xc0\xaf", "\xed\xa0\x80", "caf\xe9", "\xf4\x90\x80\x80",
    "CON", "nul", "Aux", "prn", "COM1", "lpt9", "con.txt", "NUL.tar.gz", "folder/COM3", "aux/file", "COM\u{B9}",
  }

  -- Each puts the name into every place that takes one.
  local CALLS = {
    { "stat", "NAME" }, { "exists", "NAME" }, { "list", "NAME" }, { "mkdir", "NAME" }, { "delete", "NAME" },
    { "delete", "NAME", { missing_ok = true } }, { "rmdir", "NAME" }, { "rmdir", "NAME", { recursive = true } },
    { "rename", "NAME", "new" }, { "rename", "file", "NAME" }, { "copy", "NAME", "new" }, { "copy", "file", "NAME" },
    { "utime", "NAME", 0 }, { "put", "LOCAL", "NAME" }, { "put", "LOCAL", "NAME", { parents = true } },
    { "get", "NAME", "NEW" }, { "write", "NAME", "data" }, { "write", "NAME", never_called }, { "read", "NAME" },
  }

  local function filled(arguments, name)
    local result = {}
    for i, value in ipairs(arguments) do
      result[i] = value == "NAME" and name or value == "LOCAL" and dir .. "/local" or value == "NEW" and dir .. "/new"
        or value
    end
    return result
  end

  for _, arguments in ipairs(CALLS) do
    it(("is invalid_name in %s"):format(written(arguments[1], { table.unpack(arguments, 2) })), function()
      silently(function()
        for _, name in ipairs(NAMES) do
          local result, message, code = call(table.unpack(filled(arguments, name)))
          assert.is_nil(result, show(name))
          assert.equal("invalid_name", code, show(name))
          assert.matches("^" .. arguments[1] .. " '.*' on smb://127%.0%.0%.1[:%d]*/backup: .+", message)
          assert.is_nil(message:find "%c", show(name))
        end
      end)
    end)
  end

  it("is invalid_name where it is longer than servers take", function()
    silently(function()
      for _, name in ipairs { ("a/"):rep(9000) .. "a", ("a/"):rep(20000) .. "a", ("ü/"):rep(6000) .. "a" } do
        for _, arguments in ipairs(CALLS) do
          assert.equal("invalid_name", select(3, call(table.unpack(filled(arguments, name)))), arguments[1])
        end
      end
    end)
  end)

  for _, method in ipairs { "dir", "walk" } do
    it("is raised with the code invalid_name by " .. method, function()
      silently(function()
        for _, name in ipairs(NAMES) do
          local problem = raised(call, method, name)
          assert.equal("invalid_name", problem.code, show(name))
          assert.matches("^" .. method .. " '", problem.message)
        end
      end)
    end)
  end

  it("is invalid_name when it is empty and a file's is needed", function()
    silently(function()
      for _, arguments in ipairs {
        { "read", "" }, { "write", "", "data" }, { "put", dir .. "/local", "" }, { "get", "", dir .. "/new" },
        { "rename", "", "new" }, { "rename", "file", "" }, { "copy", "", "new" }, { "copy", "file", "" },
        { "rmdir", "" },
        { "rmdir", "", { recursive = true } }, { "put", "/" }, { "put", "/etc/.." },
      } do
        local result, _, code = call(table.unpack(arguments))
        assert.is_nil(result)
        assert.equal("invalid_name", code, written(arguments[1], { table.unpack(arguments, 2) }))
      end
    end)
  end)

  it("may be a local one, which is local_io", function()
    silently(function()
      for _, arguments in ipairs {
        { "put", dir .. "/lo\0cal", "new" }, { "put", dir .. "/local\0", "new" }, { "get", "file", dir .. "/ne\0w" },
        { "get", "file", dir .. "/new\0" },
      } do
        local result, message, code = call(table.unpack(arguments))
        assert.is_nil(result)
        assert.equal("local_io", code)
        assert.matches("NUL", message)
      end
    end)
  end)
end)

describe("a wrong argument raises:", function()
  local CASES = {
    stat = { {}, { 7 }, { {} }, { true }, { print } },
    exists = { {}, { 7 }, { {} }, { true }, { print } },
    list = { { 7 }, { {} }, { true }, { false } },
    dir = { { 7 }, { {} }, { true }, { false } },
    walk = { { 7 }, { {} }, { true }, { false } },
    mkdir = { {}, { 7 }, { {} } },
    delete = { {}, { 7 }, { {} }, { "file", 1 }, { "file", "missing_ok" }, { "file", { missing_ok = 1 } } },
    rmdir = { {}, { 7 }, { {} }, { "folder", true }, { "folder", { recursive = "yes" } } },
    rename = { {}, { "file" }, { 7, "new" }, { "file", 7 }, { "file", {} }, { "file", "new", true },
      { "file", "new", { overwrite = 0 } } },
    copy = { {}, { "file" }, { 7, "new" }, { "file", 7 }, { "file", {} }, { "file", "new", true },
      { "file", "new", { overwrite = "no" } } },
    utime = { {}, { "file" }, { 7, 7 }, { "file", "now" }, { "file", "7" }, { "file", {} }, { "file", NAN },
      { "file", INFINITY }, { "file", -INFINITY }, { "file", 2 ^ 63 }, { "file", -2 ^ 63 }, { "file", math.maxinteger },
      { "file", math.mininteger } },
    test = { { true }, { "write" }, { { write = 1 } }, { { 1 } } },
    put = { {}, { 7 }, { {} }, { "LOCAL", 7 }, { "LOCAL", {} }, { "LOCAL", "new", true },
      { "LOCAL", "new", { overwrite = 1 } },
      { "LOCAL", "new", { parents = "yes" } }, { "LOCAL", "new", { verify = "maybe" } },
      { "LOCAL", "new", { verify = true } } },
    get = { {}, { 7 }, { {} }, { "file", 7 }, { "file", {} }, { "file", "NEW", true },
      { "file", "NEW", { overwrite = 1 } },
      { "file", "NEW", { verify = 1 } } },
    write = { {}, { "new" }, { 7, "data" }, { "new", 7 }, { "new", {} }, { "new", true }, { "new", "data", true },
      { "new", "data", { overwrite = 1 } }, { "new", never_called, { parents = 1 } } },
    read = { {}, { 7 }, { {} }, { true } },
  }

  local function filled(arguments)
    local result = {}
    for i, value in ipairs(arguments) do
      result[i] = value == "LOCAL" and dir .. "/local" or value == "NEW" and dir .. "/new" or value
    end
    return table.unpack(result)
  end

  for method, lists in pairs(CASES) do
    for _, arguments in ipairs(lists) do
      it(written(method, arguments), function()
        silently(function()
          local message = raised(call, method, filled(arguments))
          assert.equal("string", type(message))
          -- Says what was called, and where.
          assert.matches("%f[%w]" .. method .. "%f[^%w]", message)
          assert.matches("^[^:]*43%-bad_input_spec%.lua:%d+: ", message)
        end)
      end)
    end
  end

  it("a method called with a dot, or on something else", function()
    silently(function()
      for _, method in ipairs { "stat", "exists", "list", "mkdir", "delete", "rename", "put", "get", "write", "read",
        "close" } do
        for _, other in ipairs { false, {}, "file", 7, io.stdout } do
          local problem = raised(dest[method], other or nil, "file", "new")
          assert(problem:find "destination" or problem:find "to be called with a colon: dest:", problem)
        end
      end
    end)
  end)
end)

describe("an unknown option raises and the nearest known one is named:", function()
  for _, case in ipairs {
    { "delete", "missing_ok", "file", { missing_okay = true } },
    { "rmdir", "recursive", "folder", { recursiv = true } },
    { "rename", "overwrite", "file", "new", { overwite = false } },
    { "copy", "overwrite", "file", "new", { over_write = false } },
    { "test", "write", { wirte = true } },
    { "put", "parents", "LOCAL", "new", { parent = true } },
    { "put", "preserve_mtime", "LOCAL", "new", { ["preserve-mtime"] = true } },
    { "get", "overwrite", "file", "NEW", { overwrit = false } },
    { "write", "verify", "new", "data", { verfy = "none" } },
  } do
    local method, meant = case[1], case[2]
    it(written(method, { table.unpack(case, 3) }), function()
      for i, value in ipairs(case) do
        if value == "LOCAL" then case[i] = dir .. "/local" elseif value == "NEW" then case[i] = dir .. "/new" end
      end
      silently(function()
        assert.matches("unknown option '.*' %(did you mean '" .. meant .. "'%?%)",
          raised(call, method, table.unpack(case, 3)))
      end)
    end)
  end
end)

describe("a reader", function()
  local function assert_nothing_left()
    assert.same({ "file", "folder" }, files.list(srv:path()))
    assert.equal("content", dest:read "file")
  end

  it("that gives no string raises, and nothing is left behind", function()
    for _, bad in ipairs { 7, {}, true, false, print } do
      assert.matches("reader", raised(call, "write", "new", function() return bad end))
      assert_nothing_left()
    end
  end)

  it("that raises passes its error on as it is, and nothing is left behind", function()
    local problem = { "of the reader's own" }
    local pieces = 0
    assert.equal(problem, raised(call, "write", "file", function()
      pieces = pieces + 1
      if pieces == 3 then error(problem) end
      return files.content(3000000, pieces)
    end))
    assert_nothing_left()
  end)

  it("that fails is a failure and not an end", function()
    local pieces = 0
    local result, message, code = call("write", "file", function()
      pieces = pieces + 1
      if pieces == 3 then return nil, "the tape tore" end
      return files.content(3000000, pieces)
    end)
    assert.is_nil(result)
    assert.matches("the tape tore", message)
    assert.equal("local_io", code)
    assert_nothing_left()
  end)
end)

describe("smb.open", function()
  -- Fields as a program would write them, with something wrong.
  local FIELDS = {
    { "server", nil }, { "server", 7 }, { "server", "" }, { "server", "na\0s" }, { "server", ("a"):rep(256) },
    { "server", "a/b" }, { "share", 7 }, { "share", "" }, { "share", "a/b" }, { "share", "back\0up" },
    { "share", ".." },
    { "share", ("a"):rep(256) }, { "path", 7 }, { "path", ".." }, { "path", "../up" }, { "path", "a/../../b" },
    { "path", "a\0b" }, { "path", "a:b" }, { "path", "CON" }, { "path", ("a"):rep(256) },
    { "port", 0 }, { "port", -1 }, { "port", 65536 }, { "port", 1.5 }, { "port", NAN }, { "port", 2 ^ 63 },
    { "port", "445" },
    { "username", 7 }, { "username", "" }, { "username", ("u"):rep(256) }, { "username", "bo\0b" },
    { "username", "b\xf6b" },
    { "password", 7 }, { "password", (SECRET):rep(43) }, { "password", SECRET .. "\0" }, { "domain", ("d"):rep(256) },
    { "domain", "D\0" }, { "domain", 7 },
    { "write_buffer_size", -1 }, { "write_buffer_size", NAN }, { "write_buffer_size", INFINITY },
    { "write_buffer_size", -INFINITY }, { "write_buffer_size", 2 ^ 63 }, { "write_buffer_size", 65536.5 },
    { "write_buffer_size", "-64k" }, { "write_buffer_size", "64q" }, { "write_buffer_size", "9223372036854775808" },
    { "write_buffer_size", "9007199254740992M" }, { "write_buffer_size", {} }, { "read_buffer_size", -1 },
    { "read_buffer_size", NAN }, { "read_buffer_size", 2 ^ 63 }, { "read_buffer_size", true },
    { "short_timeout", 0 }, { "short_timeout", -1 }, { "short_timeout", NAN }, { "short_timeout", INFINITY },
    { "short_timeout", "soon" }, { "list_timeout", {} }, { "read_write_timeout", -0.5 },
    { "transport", "ipx" }, { "transport", true }, { "encryption", "yes" }, { "encryption", true }, { "signing", 1 },
    { "min_protocol", "SMB4" }, { "max_protocol", "smb3_11" }, { "anonymous", "yes" }, { "anonymous", true },
    { "kerberos", true }, { "verify", "md5" }, { "credentials_file", 7 }, { "credentials_file", "" },
  }

  for _, case in ipairs(FIELDS) do
    it(("raises for %s = %s"):format(case[1], case[1] == "password" and "a bad one" or show(case[2])), function()
      silently(function()
        local fields = srv:fields()
        fields[case[1]] = case[2]
        local message = raised(function() return (smb.open(fields)) end)
        assert.matches("^[^:]*43%-bad_input_spec%.lua:%d+: smb%.open: ", message)
        assert.matches(case[1], message)
        assert.is_nil(message:find(SECRET, 1, true))
      end)
    end)
  end

  it("raises for what is neither a URL nor a table", function()
    silently(function()
      for _, where in ipairs { 7, true, print, io.stdout, false } do
        assert.matches("URL or a table", raised(smb.open, where))
      end
      assert.matches("URL or a table", raised(smb.open))
      for _, more in ipairs { 7, true, "timeout", false } do
        assert.matches("options", raised(smb.open, srv:url "backup", more))
      end
    end)
  end)

  for word, meant in pairs {
    user_name = "username", pasword = "password", write_bufer_size = "write_buffer_size",
    ["auth-username"] = "username", timeout = false, ["min-protocol"] = "min_protocol", shre = "share",
  } do
    it("raises for the unknown field " .. word .. (meant and " and names " .. meant or ""), function()
      silently(function()
        local message = raised(smb.open, srv:fields { [word] = SECRET })
        assert.matches("unknown option '" .. word:gsub("%p", "%%%0") .. "'", message)
        if meant then assert.matches("did you mean '" .. meant .. "'", message) end
        assert.is_nil(message:find(SECRET, 1, true))
        assert.equal(message, raised(smb.open, srv:url "backup", { [word] = SECRET }))
      end)
    end)
  end

  it("refuses the same in a URL, which comes from outside, with invalid_url", function()
    local long = ("%73"):rep(256)
    silently(function()
      for _, url in ipairs {
        "smb://" .. long .. ":" .. SECRET .. "@127.0.0.1/backup", "smb://bob:" .. SECRET .. long .. "@127.0.0.1/backup",
        "smb://" .. long .. ";bob:" .. SECRET .. "@127.0.0.1/backup", "smb://bob:" .. SECRET .. "%00@127.0.0.1/backup",
        "smb://bob:" .. SECRET .. "@127.0.0.1/backup/../../etc", "smb://bob:" .. SECRET
          .. "@127.0.0.1/backup/%2e%2e/etc",
        "smb://bob:" .. SECRET .. "@127.0.0.1/backup/a\0b", "smb://bob:" .. SECRET .. "@127.0.0.1/backup/a%00b",
        "smb://bob:" .. SECRET .. "@127.0.0.1/backup?write-buffer-size=-1",
        "smb://bob:" .. SECRET .. "@127.0.0.1/backup?write-buffer-size=nan",
        "smb://bob:" .. SECRET .. "@127.0.0.1/backup?write-buffer-size=1e4",
        "smb://bob:" .. SECRET .. "@127.0.0.1/backup?read-buffer-size=9223372036854775808",
        "smb://bob:" .. SECRET .. "@127.0.0.1/backup?short-timeout=inf",
        "smb://bob:" .. SECRET .. "@127.0.0.1/backup?colour=blue", "smb://bob:" .. SECRET .. "@127.0.0.1:0/backup",
      } do
        local result, message, code = smb.open(url)
        assert.is_nil(result)
        assert.equal("invalid_url", code, url)
        assert.is_nil(message:find(SECRET, 1, true))
      end
    end)
  end)

  it("takes credentials of 255 bytes, which the server then refuses", function()
    local result, message, code = smb.open(srv:fields { username = ("u"):rep(255), password = ("p"):rep(255) })
    assert.is_nil(result)
    assert.equal("auth_failed", code)
    assert.is_nil(message:find(("p"):rep(255), 1, true))
  end)
end)

describe("smb.parse, smb.format and smb.type", function()
  it("raise for a wrong type", function()
    for _, bad in ipairs { 7, true, false, {}, print } do
      assert.matches("string expected", raised(smb.parse, bad))
    end
    assert.matches("string expected", raised(smb.parse))
    for _, bad in ipairs { 7, true, false, "smb://nas/backup", print } do
      assert.matches("table", raised(smb.format, bad))
    end
    assert.matches("table", raised(smb.format))
  end)

  it("raise for fields that are not right, and show no password", function()
    for _, fields in ipairs {
      {}, { server = "nas" }, { server = "nas", share = "a/b" }, { server = "nas", share = "backup", colour = "blue" },
      { server = "nas", share = "backup", password = SECRET .. "\0" }, { server = "nas", share = "backup", port = 0 },
    } do
      local message = raised(smb.format, fields)
      assert.matches("^smb%.format: ", (message:gsub("^%S+:%d+: ", "")))
      assert.is_nil(message:find(SECRET, 1, true))
    end
  end)

  it("take anything to tell its type", function()
    for _, other in ipairs { 7, true, {}, "x", print, io.stdout, coroutine.create(print) } do
      assert.is_nil(smb.type(other))
    end
  end)
end)

-- An option in the wrong place, or meant for another function, must not be ignored.
describe("arguments that nobody takes", function()
  local MOST = { stat = 1, exists = 1, list = 1, dir = 1, walk = 1, mkdir = 1, delete = 2, rmdir = 2, rename = 3,
    copy = 3, utime = 2, quota = 0, put = 3, get = 3, read = 3, write = 3, put_tree = 3, get_tree = 3, open = 2,
    sweep = 2, lock = 2, test = 1, close = 0 }

  for method, most in pairs(MOST) do
    it("are refused by " .. method, function()
      local arguments = { "name", "name", "name" }
      arguments[most + 1] = { offset = 5 }
      local ok, problem = pcall(dest[method], dest, table.unpack(arguments, 1, most + 1))
      assert.is_false(ok)
      assert.matches(("bad argument #%d to '%s' (it takes "):format(most + 1, method), problem, 1, true)
    end)
  end

  it("are no nils", function()
    assert.is_table(dest:list("", nil, nil))
    assert.is_false(dest:exists("nothing", nil))
  end)

  it("are refused by the module's functions", function()
    for name, fn in pairs {
      parse = function() smb.parse("smb://h/s", {}) end, format = function() smb.format({}, 1) end,
      open = function() smb.open(srv:url "backup", {}, {}) end, wait = function() smb.wait({}, 0, 1) end,
      help = function() smb.help("put", 1) end,
    } do
      assert.error_matches(fn, "bad argument #%d to '" .. name .. "' %(it takes ")
    end
  end)

  it("are refused by jobs", function()
    local job = dest:submit("exists", "")
    assert.error_matches(function() job:wait(1, 2) end, "bad argument #2 to 'wait'")
    assert.is_true(job:wait(10, nil))
    assert.error_matches(function() dest:submit("list", "", { deep = true }):wait() end, "bad argument #2 to 'list'")
  end)
end)

describe("filters that would leave everything out, or nothing", function()
  for _, case in ipairs {
    { { exclude = { "*.tmp" } }, "it has a key 'exclude'" }, { { "*.log", exclude = "x" }, "it has a key 'exclude'" },
    { { "*.log", 5 }, "a list with a number" }, { { "/" }, "'/', which matches nothing" },
    { { "" }, "'', which matches nothing" },
    { { "!" }, "'!', which matches nothing" }, { { "./etc" }, "'./etc', which matches nothing" },
    { { "a/../b" }, "matches nothing" }, { { "a//b" }, "matches nothing" }, { "*.log", "not a string" },
    { { [2] = "*.log" }, "it has a key '2'" },
  } do
    it(("are refused: %s"):format(case[2]), function()
      for _, method in ipairs { "put_tree", "get_tree" } do
        local ok, problem = pcall(dest[method], dest, dir, dir, { filter = case[1] })
        assert.is_false(ok)
        assert.matches("option 'filter'", problem, 1, true)
        assert.matches(case[2], problem, 1, true)
      end
      local ok, problem = pcall(function() smb.backup(dest):snapshot(dir, { filter = case[1] }) end)
      assert.is_false(ok)
      assert.matches("option 'filter'", problem, 1, true)
    end)
  end
end)
