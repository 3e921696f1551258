-- The prompt of `lua5.4 -i`: what prints itself, smb.help, and a call that Ctrl-C comes back from.

local lfs = require "lfs"
local files = require "spec.support.files"
local faults = require "spec.support.faults"
local options = require "smb.options"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"
local terminal = require "spec.support.terminal"
local assert_raises = require("spec.support.share").assert_raises

local HERE = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
local ROOM = BUILD:find "^/" and BUILD or HERE .. "/" .. BUILD
local LUA = { "env", ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(HERE, HERE),
  ("LUA_CPATH_5_4=%s/?.so;;"):format(ROOM), "lua5.4", "-i" }

-- What smb.help prints.
local function help(topic)
  local said = {}
  local print_before = print
  _G.print = function(text) said[#said + 1] = text end
  local ok, problem = pcall(smb.help, topic)
  _G.print = print_before
  assert(ok, problem)
  return table.concat(said, "\n")
end

describe("smb.help", function()
  it("gives an overview of all methods, options and error codes", function()
    local text = help()
    for _, call in ipairs { "smb.open(where", "smb.parse(", "dest:put(", "dest:walk(", "file:seek(", "dest.info" } do
      assert.is_truthy(text:find(call, 1, true), call)
    end
    for _, name in ipairs(options.names) do assert.is_truthy(text:find(name, 1, true), name) end
  end)

  it("knows every method of a destination and of a file", function()
    for _, prefix in ipairs { "destination", "file" } do
      for name in files.read("lua/smb/" .. prefix .. ".lua"):gmatch "\nfunction methods:([%a_]+)" do
        local called = (prefix == "file" and "file:" or "dest:") .. name
        assert.equal(called .. "(", help(called):sub(1, #called + 1))
      end
    end
  end)

  it("tells what a method takes and gives", function()
    local text = help "put"
    assert.matches("^dest:put%(localpath %[, [^\n]*%)\n  Sends a local file%.", text)
    assert.matches("\n  localpath +string", text)
    assert.matches("\n  returns +result `bytes`", text)
    assert.matches("\n  or +nil, string message, string code", text)
  end)

  it("tells apart what goes by the same name", function()
    local text = help "read"
    assert.is_truthy(text:find("dest:read(", 1, true) and text:find("file:read(", 1, true))
    assert.is_nil(help "file:read":find("dest:read(", 1, true))
  end)

  it("knows every option, however it is spelt", function()
    for _, row in ipairs(options.list) do
      local text = help(row.name)
      assert.is_truthy(text:find("option " .. row.name, 1, true), row.name)
      assert.is_truthy(text:gsub("%s+", " "):find(row.help, 1, true), row.name)
      if row.url then assert.is_truthy(help(row.url):find("option " .. row.name, 1, true), row.url) end
    end
    assert.matches('"directtcp", "netbios"', help "transport")
    assert.matches("dest%.options%.read_buffer_size = ", help "read-buffer-size")
  end)

  it("knows every error code that the worker has", function()
    local codes = files.read("src/protocol.h"):match "#define SMB_CODES.-\n\n"
    local count = 0
    for word in codes:gmatch '"([%l_]+)"' do
      if word ~= "ok" then
        assert.matches("error code " .. word .. "\n  %w", help(word))
        count = count + 1
      end
    end
    assert.equal(24, count)
  end)

  it("suggests what was meant", function()
    assert.matches('Did you mean "put"%?', help "putt")
    assert.matches("smb%.help%(%)", help "something quite different")
    assert_raises("a name as a string expected", smb.help, 12)
  end)
end)

describe("at the prompt", function()
  local srv, dest

  setup(function() srv = server.start() end)
  teardown(function() srv:stop() end)

  before_each(function()
    files.remove(srv:path "backup")
    lfs.mkdir(srv:path "backup")
    lfs.mkdir(srv:path("backup", "folder"))
    files.write(srv:path("backup", "etc.tar"), ("x"):rep(12345))
    for _, name in ipairs { "etc.tar", "folder" } do
      shell.check { "touch", "-d", "2024-05-06 07:08:09", srv:path("backup", name) }
    end
    dest = assert(smb.open(srv:fields()))
  end)

  after_each(function() dest:close() end)

  it("entries and lists of them print as a listing", function()
    assert.equal("12345  2024-05-06 07:08  etc.tar", tostring(dest:stat "etc.tar"))
    assert.equal("12345  2024-05-06 07:08  etc.tar\n    -  2024-05-06 07:08  folder/", tostring(dest:list()))
    assert.equal("no entries", tostring(dest:list "folder"))
    for entry in dest:dir() do assert.matches("  2024%-05%-06 07:08  ", tostring(entry)) end
    for _, entry in dest:walk() do assert.matches("  2024%-05%-06 07:08  ", tostring(entry)) end
  end)

  it("entries stay plain tables", function()
    local keys, entry = {}, dest:stat "etc.tar"
    for key in pairs(entry) do keys[#keys + 1] = key end
    table.sort(keys)
    assert.same({ "archive", "atime", "btime", "hidden", "mtime", "name", "readonly", "size", "system", "type" }, keys)
    assert.is_nil(entry.nothing)
    entry.note = "mine"
    assert.equal("mine", entry.note)
    assert.equal(2, #dest:list())
  end)

  it("long lists print their beginning", function()
    for i = 1, 150 do files.write(srv:path("backup", ("folder/%03d"):format(i)), "") end
    local text = tostring(dest:list "folder")
    assert.matches("  001\n", text)
    assert.matches("  100\n%.%.%. and 50 more$", text)
  end)

  it("printing costs a listing of 100,000 entries next to nothing", function()
    local show = require "smb.show"
    local entries = {}
    for i = 1, 100000 do entries[i] = { name = "x", type = "file", size = i, mtime = i } end
    collectgarbage()
    local before, steps = collectgarbage "count", 0
    debug.sethook(function() steps = steps + 1000 end, "", 1000) -- instructions of Lua's
    for _, entry in ipairs(entries) do show.entry(entry) end
    debug.sethook()
    assert.is_true(steps < 30 * #entries, ("%d instructions"):format(steps))
    assert.is_true(collectgarbage "count" - before < 10)
  end)

  it("results, quota, info and options print themselves", function()
    assert.matches("^5 B in %d+%.%d%d s", tostring(dest:write("x", "12345")))
    assert.matches("^total +[%d.]+ %a+\nfree +[%d.]+ %a+\navailable +[%d.]+ %a+$", tostring(dest:quota()))
    assert.matches("dialect +SMB3_11\n", tostring(dest.info))
    local text = tostring(dest.options)
    assert.matches("username +bob\n", text)
    assert.matches("short_timeout +30\n", text)
    assert.is_nil(text:find("s3cret", 1, true))
    assert.equal("none", tostring(dest.warnings))
  end)

  it("control characters of names do not reach the terminal", function()
    local show = require "smb.show"
    local entry = show.entry { name = "\27[31m\u{9B}x\n", type = "file", size = 1, mtime = 1 }
    assert.matches("  %?%[31m%?x%?$", tostring(entry))
    assert.matches(" %?  x$", tostring(show.entry { name = "x", type = "file", size = 1, mtime = 1e300 }))
  end)

  -- Lua's own prompt on a terminal, with dest open, by a network if one is given.
  local function prompt(net)
    local term = terminal.start(LUA)
    term:expect "> "
    term:type 'smb = require "smb"\n'
    term:expect "\n> "
    term:type(('dest = assert(smb.open "%s")\n'):format((net or srv):url "backup"))
    term:expect "\n> "
    return term
  end

  it("a session shows what is there", function()
    local term <close> = prompt()
    term:type "dest\n"
    term:expect("smb.destination (smb://127.0.0.1")
    term:type "dest:list()\n"
    term:expect "\n12345  2024-05-06 07:08  etc.tar\n    -  2024-05-06 07:08  folder/\n> "
    term:type 'dest:stat "nothing"\n'
    term:expect "\nnil\tstat 'nothing' on smb://127.0.0.1"
    term:expect "not_found\n> "
    term:type "dest.info\n"
    term:expect "dialect"
    term:expect "SMB3_11"
    term:type 'smb.help "busy"\n'
    term:expect "\nerror code busy\n"
  end)

  it("an interrupted call comes back at once, and dest works afterwards", function()
    local directory = files.directory()
    local net <close> = faults.start(srv, directory)
    files.remove(directory)
    for _, call in ipairs { 'dest:stat "etc.tar"', "dest:list()", 'dest:write("new", "data")',
      'coroutine.wrap(function() dest:stat "etc.tar" end)()' } do
      local term <close> = prompt(net)
      local before = net:stats().faults
      net:tell("stall-frame", 1)
      term:type(call .. "\n")
      term:expect(call)
      -- its first request has come that far
      assert.is_truthy(shell.poll(function() return net:stats().faults > before end))
      term:interrupt()
      term:expect "interrupted!" -- nothing passes: nothing else ends the call
      term:expect "\n> "
      net:tell "go"
      term:type 'dest:stat("etc.tar").size + 1\n'
      term:expect "\n12346\n> "
    end
  end)
end)

describe("make repl", function()
  local dir

  setup(function() dir = files.directory() end)
  teardown(function() files.remove(dir) end)

  local function start()
    local term = terminal.start { "env",
      ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;%s/?.lua;;"):format(HERE, HERE, HERE),
      ("LUA_CPATH_5_4=%s/?.so;;"):format(ROOM), "XDG_STATE_HOME=" .. dir, "lua5.4", "spec/support/repl.lua" }
    term:expect("\n> ", 60)
    return term
  end

  it("prints what there is, tables too, and errors in a line", function()
    local term <close> = start()
    term:type "smb\n"
    term:expect "smb.help() lists what there is\n"
    term:type "{ a = 1, b = 'x' }\n"
    term:expect '{ a = 1, b = "x" }\n'
    term:type 'dest:write("x", "12345").bytes\n'
    term:expect "\n5\n"
    term:type "error 'mine'\n"
    term:expect "\nstdin:1: mine\n"
    term:type "for i = 1, 2 do\nprint(i * 11) end\n"
    term:expect "\n22\n"
    term:type "dest:list(1)\n"
    term:expect "bad argument #1 to 'list'"
    assert.is_nil(term:screen():find "traceback")
  end)

  it("Ctrl-C at an idle prompt does not end it, not even twice", function()
    local term <close> = start()
    for i = 1, 2 do
      term:interrupt()
      term:type "\n"
      term:expect "interrupted!"
      term:type(("%d + 100\n"):format(i))
      term:expect(("\n%d\n"):format(100 + i))
    end
    term:type "while true do end\n"
    term:expect "do end"
    term:interrupt()
    term:expect "interrupted!"
    term:type "\4"
    assert.is_true(term:await_end(30))
  end)

  it("completes names, fields and methods where lua-readline is", function()
    if not pcall(require, "readline") then return pending "there is no lua-readline" end
    local term <close> = start()
    term:type "dest:sta\t"
    term:expect "dest:stat"
    term:type '""\n'
    term:expect "  /\n"
    term:type "smb.par\t"
    term:expect "smb.parse"
    term:type "\n"
  end)
end)
