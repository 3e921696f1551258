-- A server whose answers no good server would give: whatever it says, each call ends in time with a result or a failure
-- in words, memory has bounds, nothing is written but what was asked for, and nothing of it steers a terminal. The
-- server is our own (spec/support/scripted.lua), and each case a script for it.

local lfs = require "lfs"
local smb = require "smb"
local command = require "spec.support.command"
local files = require "spec.support.files"
local hostile = require "spec.support.hostile"
local processes = require "spec.support.processes"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local terminal = require "spec.support.terminal"

local assert_fails = share.assert_fails
local MOST_SECONDS = 60 -- of a call, on the busiest machine
local NONSENSE = "the server's answer is not one that can be used"

local FILES = [[
local server = ...
server.files = { a = "content", d = { b = "other" } }
]]

-- The share's top folder lists these entries, Lua code; what is below is as it is.
local function lists(entries)
  return FILES .. ([[
local usual = server.listing
function server.listing(node, path, turn)
  if path ~= "" then return usual(node, path, turn) end
  if turn == 1 then return { %s } end
end]]):format(entries)
end

-- Answers to CREATE have other bytes there, Lua code.
local function created(at, value)
  return FILES .. ([[
function server.answer.CREATE(reply)
  if reply.status ~= 0 then return end
  local value = %s
  reply.body = reply.body:sub(1, %d) .. value .. reply.body:sub(%d + #value)
end]]):format(value, at, at + 1)
end

local function answers(commands, code)
  return FILES .. ([[for command in ("%s"):gmatch "%%S+" do
  server.answer[command] = function(reply, request, connection) %s end
end]]):format(commands, code)
end

local ALL = "CREATE READ WRITE CLOSE QUERY_DIRECTORY QUERY_INFO SET_INFO"
local READ = 'reply.status, reply.body = 0, string.pack("<I2BBI4I4I4", 17, %d, 0, %d, 0, 0) .. ("x"):rep(%d)'
local WRITTEN = 'if reply.status == 0 then reply.body = string.pack("<I2I2I4I4I4", 17, 0, %d, 0, 0) end'
local BREAK = [[reply.before = server.frame(server.message(request, { status = 0, command = 18, message = -1,
  body = string.pack("<I2BBI4I8I8", 24, 0, 0, 0, 1, 1) })):rep(%d)]]

local CASES = {
  ["a name that climbs"] = lists [[{ name = "../up" }, { name = "a", size = 7 }]],
  ["a name with backslashes"] = lists [[{ name = "..\\up" }, { name = "a", size = 7 }]],
  ["a name from the root"] = lists [[{ name = "/etc/up" }, { name = "a", size = 7 }]],
  ["a folder called .."] = lists [[{ name = "a", size = 7 }, { name = "..", folder = true }]],
  [". and .. twice, and as files"] = lists [[{ name = "." }, { name = "..", folder = true }, { name = ".." },
    { name = ".", folder = true }, { name = "a", size = 7 }]],
  ["a name twice"] = lists [[{ name = "a", size = 7 }, { name = "a", size = 7 }, { name = "a", folder = true }]],
  ["names that differ in case"] = lists [[{ name = "a", size = 7 }, { name = "A", size = 7 },
    { name = "D", folder = true }, { name = "d", folder = true }]],
  ["escapes and line ends"] = lists [[{ name = "x\27[2Jy" }, { name = "n\nl" }, { name = "t\tb\r" }, { name = "\7" },
    { name = "\u{9b}31m" }, { name = "\u{202e}gpj" }, { name = "\27[31m", folder = true }, { name = "a", size = 7 }]],
  ["NUL in a name"] = lists [[{ utf16 = "a\0\0\0b\0" }, { utf16 = "\0\0" }, { name = "a", size = 7 }]],
  ["half a UTF-16 pair"] = lists [[{ utf16 = "\0\xd8a\0" }, { utf16 = "\0\xdc" }, { name = "a", size = 7 }]],
  ["an odd number of bytes"] = lists [[{ utf16 = "a\0b" }, { name = "a", size = 7 }]],
  ["an empty name"] = lists [[{ name = "" }, { name = "a", size = 7 }]],
  ["names that SMB cannot hold"] = lists [[{ name = "*" }, { name = "a:b" }, { name = "CON" }, { name = "x." },
    { name = "@GMT-2020.01.01-00.00.00", folder = true }, { name = "a", size = 7 }]],
  ["lengths of names that lie"] = lists [[{ name = "a", name_length = 60000 }, { name = "b", name_length = 1 << 31 }]],
  ["odd times"] = lists [[{ name = "a", time = 0 }, { name = "b", time = -1 }, { name = "c", time = math.maxinteger },
    { name = "e", time = math.mininteger }, { name = "f", time = 1 }]],
  ["sizes of 2^63 and more"] = lists [[{ name = "a", size = 100 }, { name = "b", size = -1 },
    { name = "c", size = math.maxinteger }, { name = "e", size = math.mininteger }]],
  ["a folder that contains itself"] = FILES .. "server.files.d.d = server.files.d",
  ["a part of a listing with nothing in it"] = answers("QUERY_DIRECTORY",
    'reply.status, reply.body = 0, string.pack("<I2I2I4", 9, 72, 0)'),
  ["a listing behind the end of the message"] = answers("QUERY_DIRECTORY",
    'reply.status, reply.body = 0, string.pack("<I2I2I4", 9, 65535, 65535)'),
  ["a file larger than it is"] = created(48, [[string.pack("<j", 100000)]]),
  ["a file smaller than it is"] = created(48, [[string.pack("<j", 2)]]),
  ["a file of 2^63 - 1 bytes"] = created(48, [[string.pack("<j", math.maxinteger)]]),
  ["a file of 2^64 - 1 bytes"] = created(48, [[string.pack("<j", -1)]]),
  ["a file with times of 2^63 - 1"] = created(8, [[string.pack("<j", math.maxinteger):rep(4)]]),
  ["a file with times of -2^63"] = created(8, [[string.pack("<j", math.mininteger):rep(4)]]),
  ["a folder for a file"] = created(56, [[string.pack("<I4", 0x10)]]),
  ["a file for a folder"] = created(56, [[string.pack("<I4", 0x20)]]),
  ["another file than the one that was opened"] = FILES .. [[
server.files.z = "secret"
function server.answer.CREATE(reply, _, connection)
  local handle = connection.handles[connection.last]
  if reply.status == 0 and handle.name == "a" then handle.name = "z" end
end]],
  ["more than was asked for"] = answers("READ", READ:format(80, 100000, 100000)),
  ["less than was asked for"] = answers("READ", READ:format(80, 1, 1)),
  ["nothing, where there is something"] = answers("READ", READ:format(80, 0, 0)),
  ["data behind the end of the message"] = answers("READ", READ:format(255, 7, 7)),
  ["data in the header"] = answers("READ", READ:format(0, 7, 7)),
  ["that it has written more than it got"] = answers("WRITE", WRITTEN:format(0x7fffffff)),
  ["that it has written nothing, and all is well"] = answers("WRITE", WRITTEN:format(0)),
  ["that it has written a byte each time"] = answers("WRITE", WRITTEN:format(1)),
  ["answers that nobody asked for"] = answers(ALL,
    'reply.before = server.frame(server.message(request, { status = 0, body = ("\\0"):rep(60), message = 77777 }))'),
  ["that oplocks are to be given up"] = answers(ALL, BREAK:format(1)),
  ["that oplocks are to be given up, 20,000 times"] = answers("CREATE", BREAK:format(20000)),
  ["each answer twice"] = answers(ALL, "reply.after = server.frame(server.message(request, reply))"),
  ["that all is pending"] = answers("CREATE",
    'reply.status, reply.body = 0x103, string.pack("<I2I2I4B", 9, 0, 0, 0)'),
  ["that all is well, and no more"] = answers(ALL, 'reply.status, reply.body = 0, ""'),
  ["answers to other commands"] = answers(ALL, "reply.command = 13"),
  ["no credits any more"] = answers(ALL, "reply.credits = 0"),
  ["65,535 credits each time"] = answers(ALL, "reply.credits = 65535"),
  ["what is no SMB"] = answers(ALL, 'reply.before = "\\0\\0\\0\\4Hi!\\n"'),
  ["what is no frame"] = answers(ALL, 'reply.before = ("\\xff"):rep(100)'),
  ["requests of one byte"] = FILES .. "server.max_transact, server.max_read, server.max_write = 1, 1, 1",
  ["a clock at the end of time"] = FILES .. "server.time = math.maxinteger",
  ["a clock before all time"] = FILES .. "server.time = math.mininteger",
}

-- Those that nothing comes of.
local REFUSED = {
  ["a dialect that was not offered"] = "server.dialect = 0x0311",
  ["a dialect that is none"] = "server.dialect = 0xffff",
  ["any dialect, again and again"] = "server.dialect = 0x02ff",
  ["that it takes no requests of any size"] = "server.max_transact, server.max_read, server.max_write = 0, 0, 0",
  ["that it takes no reads of any size"] = "server.max_read = 0",
  ["that it takes no writes of any size"] = "server.max_write = 0",
  ["that nobody may ask anything"] = "server.credits = 0",
  ["that everybody may ask all, each time"] = "server.credits = 65535",
  ["that a logon goes on, for ever"] =
    "function server.answer.SESSION_SETUP(reply) reply.status = 0xc0000016 end",
  ["that a logon is well, and no more"] =
    'function server.answer.SESSION_SETUP(reply) reply.status, reply.body = 0, "" end',
}

local dir, top

setup(hostile.may_end_workers)

before_each(function()
  dir = files.directory()
  top = dir .. "/target"
  lfs.mkdir(top)
end)

after_each(function() files.remove(dir) end)

local OPERATIONS = {
  { "list", function(dest) return dest:list() end },
  { "stat", function(dest) return dest:stat "a" end },
  { "read", function(dest) return dest:read "a" end },
  { "get", function(dest) return dest:get("a", top .. "/got") end },
  { "write", function(dest) return dest:write("w", "written") end },
  { "put", function(dest) return dest:put("spec/support/slowed.lua", "p") end },
  { "copy", function(dest) return dest:copy("a", "copied") end },
  { "walk", function(dest)
    local count = 0
    for _ in dest:walk() do count = count + 1 end
    return count
  end },
  { "get_tree", function(dest) return dest:get_tree("", top .. "/tree", { on_error = "continue" }) end },
  { "put_tree", function(dest) return dest:put_tree("spec/support/host", "tree", { on_error = "continue" }) end },
  { "mkdir", function(dest) return dest:mkdir "new" end },
  { "rename", function(dest) return dest:rename("a", "c") end },
  { "utime", function(dest) return dest:utime("c", 1500000000) end },
  { "delete", function(dest) return dest:delete "c" end },
  { "rmdir", function(dest) return dest:rmdir("d", { recursive = true }) end },
  { "quota", function(dest) return dest:quota() end },
  { "sweep", function(dest) return dest:sweep() end },
}

-- nil, message, code, of calls that raise what they have to say as well.
local function run(name, call, dest)
  local results = table.pack(pcall(call, dest))
  if results[1] then return table.unpack(results, 2, results.n) end
  local problem = results[2]
  assert((name == "walk") and type(problem) == "table", name .. " raises " .. tostring(problem))
  return nil, problem.message, problem.code
end

local function assert_in_words(what, result, message, code)
  if result then return end
  assert.equal("string", type(message), what)
  assert.equal("string", type(code), what)
  assert.is_nil(message:find "%c", what)
  assert.is_nil(message:find("Success", 1, true), message)
end

-- What was written is below the target.
local function assert_confined(what)
  assert.same({ "target" }, files.list(dir), what)
  for _, name in ipairs(files.list(top)) do
    assert.is_truthy(name == "tree" or name == "got" or name:find "^got%.", what)
  end
  assert.equal("", shell.check { "find", top, "-name", "*\\\\*", "-o", "-name", "up" })
end

local function opened(net, options)
  local all = { retries = 0 }
  for key, value in pairs(options or {}) do all[key] = value end
  return smb.open(net:fields(all))
end

-- No answer may come: the limits are short.
local LIMITS = { short_timeout = 1, list_timeout = 1, read_write_timeout = 1, total_timeout = 4 }

local function assert_sound(script, options)
  local net <close> = hostile.script(script)
  local least = processes.most_resident()
  local dest <close>, reason, word = opened(net, options or LIMITS)
  assert_in_words("open", dest, reason, word)
  if not dest then return end
  local broken = 0
  for _, operation in ipairs(OPERATIONS) do
    local name, call = table.unpack(operation)
    local seconds, result, message, code = share.timed(function() return run(name, call, dest) end)
    assert.is_true(seconds < MOST_SECONDS, name)
    assert_in_words(name, result, message, code)
    hostile.assert_bounded(name, least)
    broken = code == "disconnected" and broken + 1 or 0
    if broken == 6 then break end -- so are all others
  end
  assert_confined(script)
end

-- On a pipe and on a terminal.
local function assert_shows_plain_text(script)
  local net <close> = hostile.script(script)
  local url = ("smb://127.0.0.1:%d/backup?anonymous=true&max-protocol=SMB2_10&retries=0"):format(net.port)
  for _, words in ipairs { { "list", url }, { "list", "-l", url }, { "tree", url }, { "du", url },
    { "get", "-r", url, "." }, { "list", "--json", url }, { "rmdir", "-r", url .. "/d" } } do
    local got = command.run(dir, words)
    for _, text in ipairs { got.stdout, got.stderr } do
      assert.is_nil(text:find "[\0-\9\11-\31\127]", words[1])
      assert.is_nil(text:find("\u{9b}", 1, true), words[1])
      assert.is_nil(text:find("\u{202e}", 1, true), words[1])
    end
  end
  local term <close> = terminal.start(command.line { "tree", url } .. "; echo that is all")
  local screen = term:expect("that is all", 60)
  assert.is_nil(screen:find("\27[2J", 1, true))
  assert.is_nil(screen:find("\27[31m", 1, true))
  assert.is_nil(screen:find "[\0-\9\11-\26\28-\31]")
end

local function sorted(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

describe("From a server that tells", function()
  for _, what in ipairs(sorted(CASES)) do
    it(what .. ", each call ends in time, well or with a reason", function() assert_sound(CASES[what]) end)
  end

  for _, what in ipairs(sorted(REFUSED)) do
    it(what .. ", no connection comes, and it is a matter of the protocol", function()
      local net <close> = hostile.script(FILES .. REFUSED[what])
      local message = assert_fails("protocol", opened(net))
      assert.is_nil(message:find("logon was refused", 1, true))
    end)
  end

  it("names of 30,000 characters, each call ends in time: what a name is made of does not matter", function()
    for _, part in ipairs { "n", " ", ".", "@GMT-", "%20", "x:", "\u{fc}", "\1" } do
      local name = part:rep(30000 // #part)
      assert_sound(lists(("{ name = %q }, { name = %q, folder = true }, { name = 'a', size = 7 }"):format(name,
        "d" .. name:sub(1, -3))), { total_timeout = 60 })
      files.remove(top)
      lfs.mkdir(top)
    end
  end)

  for what, listing in pairs {
    ["new names"] = [[for i = 1, 300 do list[i] = { name = ("%d x"):format(turn * 300 + i) } end]],
    ["one name"] = [[list[1] = { name = "a" }]],
    [". and .."] = [[list[1], list[2] = { name = ".", folder = true }, { name = "..", folder = true }]],
  } do
    it(what .. " without end, a call ends with its limit", function()
      assert_sound(FILES .. "function server.listing(_, _, turn) local list = {} " .. listing .. " return list end",
        { list_timeout = 0.3, total_timeout = 3 })
    end)
  end

  it("names that no listing holds, they are not shown, and the failure says whose it is", function()
    for _, what in ipairs { "a name that climbs", "a name with backslashes", "a name from the root",
      "half a UTF-16 pair", "an empty name", "lengths of names that lie" } do
      local net <close> = hostile.script(CASES[what])
      local dest <close> = assert(opened(net))
      assert.matches(NONSENSE, assert_fails("failed", dest:list()), 1, true)
      assert.equal("content", dest:read "a")
    end
  end)

  it("what cannot be, the worker does not die of it, and the failure says whose it is", function()
    for what, call in pairs {
      ["a part of a listing with nothing in it"] = function(dest) return dest:list() end,
      ["a listing behind the end of the message"] = function(dest) return dest:list() end,
      ["data in the header"] = function(dest) return dest:read "a" end,
      ["data behind the end of the message"] = function(dest) return dest:read "a" end,
      ["that all is well, and no more"] = function(dest) return dest:read "a" end,
    } do
      local net <close> = hostile.script(CASES[what])
      local dest <close> = assert(opened(net))
      assert.matches(NONSENSE, assert_fails("failed", call(dest)), 1, true)
    end
  end)

  it("a name and other text for a terminal, the terminal shows it as text", function()
    assert_shows_plain_text(CASES["escapes and line ends"])
    assert_shows_plain_text(CASES["NUL in a name"])
    assert_shows_plain_text(CASES["names that differ in case"])
  end)

  it("that it has written nothing, a call fails, also where no limit is set", function()
    local net <close> = hostile.script(CASES["that it has written nothing, and all is well"])
    local dest <close> = assert(smb.open(net:fields { retries = 0 }))
    local message = assert_fails("failed", dest:write("w", "written"))
    assert.matches("takes hardly anything", message, 1, true)
    assert.matches("takes hardly anything", assert_fails("failed", dest:put("spec/support/log.lua", "p")), 1, true)
    assert.equal("content", dest:read "a")
  end)

  it("that it has written a byte each time, a small file arrives", function()
    local net <close> = hostile.script(CASES["that it has written a byte each time"])
    local dest <close> = assert(opened(net))
    assert(dest:write("w", "written"))
    assert.equal("written", dest:read "w")
  end)

  it("that all is well where bytes are lost, a put fails", function()
    local net <close> = hostile.script(answers("WRITE", [[
      local handle = connection.handles[string.unpack("<I8", request, 64 + 17)]
      if handle then handle.folder[handle.name] = handle.folder[handle.name]:sub(1, -2) end]]))
    local dest <close> = assert(opened(net))
    assert_fails("mismatch", dest:put("spec/support/log.lua", "p"))
    assert_fails("mismatch", dest:write("w", "written"))
  end)
end)

describe("A server that keeps the connection alive", function()
  it("and answers in between is as good as any", function()
    local net <close> = hostile.script(answers(ALL, 'reply.before = ("\\x85\\0\\0\\0"):rep(10)'))
    local dest <close> = assert(opened(net))
    assert.equal("content", dest:read "a")
    assert(dest:write("w", "written"))
    assert.equal("written", dest:read "w")
  end)

  it("and does not answer is given up when the time for an answer is over", function()
    local net <close> = hostile.script(answers("READ", [[
      while connection.client:write "\x85\0\0\0" and connection.client:flush() do
        require "cqueues".sleep(0.05)
      end
      return false]]))
    local dest <close> = assert(opened(net, { read_write_timeout = 1 }))
    local message = assert_fails("timeout", dest:read "a")
    assert.matches("the server does not answer", message, 1, true)
  end)
end)

-- What comes in place of a session, as Lua code; the code and what the message says.
local SESSIONS = {
  { [["\x83\0\0\1\x80"]], "unreachable", "does not listen on this name" },
  { [["\x83\0\0\1\x81"]], "unreachable", "does not listen to this computer" },
  { [["\x83\0\0\1\x82"]], "unreachable", "nobody there has this name" },
  { [["\x83\0\0\1\x83"]], "busy", "has no room for it" },
  { [["\x83\0\0\1\x8f"]], "unreachable", "the server refuses the NetBIOS session" },
  { [["\x83\0\0\0"]], "unreachable", "the server refuses the NetBIOS session" },
  { [["\x84\0\0\6\127\0\0\2\0\139"]], "unsupported", "to another address, which is not followed" },
  { [["\x99\0\0\0"]], "protocol", "it does not speak SMB" },
  { [["220 mail.example ESMTP\r\n"]], "protocol", "it does not speak SMB" },
  { [[("\xff"):rep(100)]], "protocol", "it does not speak SMB" },
}

describe("To a client that asks for a NetBIOS session", function()
  if os.getenv "LUA_SMB_SANDBOX" ~= "1" then
    return it("a refusal is one word and one sentence", function() pending "needs spec/support/sandbox" end)
  end

  local function asked(answer)
    local net <close> = hostile.script(FILES .. "server.port, server.session = 139, " .. answer)
    local seconds, dest, message, code = share.timed(function()
      return opened(net, { transport = "netbios" })
    end)
    assert.is_true(seconds < 20) -- short_timeout has 30
    if dest then
      assert.equal("content", dest:read "a")
      dest:close()
    end
    return dest, message, code
  end

  for _, case in ipairs(SESSIONS) do
    it(("%s is %s: %s"):format(case[1], case[2], case[3]), function()
      local message = assert_fails(case[2], asked(case[1]))
      assert.matches(case[3], message, 1, true)
      assert.is_nil(message:find("Invalid argument", 1, true))
    end)
  end

  it("signs of life before the session are no answer, and do no harm", function()
    assert(asked [[("\x85\0\0\0"):rep(3) .. "\x82\0\0\0"]])
  end)
end)

describe("By direct TCP", function()
  it("what answers there is no file server, and that is said at once", function()
    local net <close> = hostile.script(FILES .. [[
function server.serve(client)
  client:write "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n"
  client:flush()
  client:read(1000)
end]])
    local seconds, dest, message, code = share.timed(function() return opened(net) end)
    assert.matches("it does not speak SMB", assert_fails("protocol", dest, message, code), 1, true)
    assert.is_true(seconds < 20)
  end)
end)
