-- What an application that embeds Lua may expect: it can have threads, children, signals and habits of its own, and
-- none of that disturbs the module, nor the module any of that. The applications are C programs, in support/host.

local lfs = require "lfs"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local quote = shell.quote

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local ROOT = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
if not BUILD:find "^/" then BUILD = ROOT .. "/" .. BUILD end

local CC = os.getenv "CC" or "cc"
local LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;%s/?.lua;;"):format(ROOT, ROOT, ROOT)

-- What every program below begins with. No test may be left waiting for a server that does not answer.
local PROLOGUE = [[
  local URL, DIR, ROOT, SHARE = ...
  local smb = require "smb"
  local lfs = require "lfs"
  local files = require "spec.support.files"
  local processes = require "spec.support.processes"
  local shell = require "spec.support.shell"
  local function open(options)
    options = options or {}
    options.short_timeout = options.short_timeout or 10
    if require "smb.options".by_name.retries then options.retries = 0 end -- what fails is to be seen
    return assert(smb.open(URL, options))
  end
]]

local srv, dir, bin

-- Compiles one of support/host with the flags of a package; gives the program's path.
local function compile(name, packages, flags)
  local program = bin .. "/" .. name
  shell.check(("%s -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror %s -o %s %s/spec/support/host/%s.c " ..
    "$(pkg-config --cflags --libs %s) -pthread"):format(CC, flags or "", quote(program), quote(ROOT), name, packages))
  return program
end

setup(function()
  srv = server.start { shares = { backup = {}, many = {} } }
  dir, bin = files.directory(), files.directory()
  compile("host", "lua5.4")
  -- More than one message can hold: the rest of the listing waits in the worker.
  shell.check(("cd %s && seq -f 'a file with a name that is not short at all %%g' 3000 | xargs -d '\\n' touch")
    :format(quote(srv:path "many")))
end)

teardown(function()
  srv:stop()
  files.remove(dir)
  files.remove(bin)
end)

before_each(function()
  srv:mark()
  shell.check(("rm -rf %s/* %s/*"):format(srv:path "backup", dir))
end)

-- The words of a command that runs `words` with the module at hand.
local function with_module(words, cpath)
  local all = { "env", "LUA_PATH_5_4=" .. LUA_PATH, "LUA_CPATH_5_4=" .. (cpath or BUILD .. "/?.so") .. ";;" }
  return table.move(words, 1, #words, #all + 1, all)
end

-- The words of a command that runs a Lua program in the host, and the file into which it reports.
local function host(text, options)
  local report = files.write(dir .. "/report", "")
  local program = files.write(dir .. "/program.lua", PROLOGUE .. text)
  return with_module({ bin .. "/host", report, program, srv:url "backup", dir, ROOT, srv:path "backup" },
    options.cpath), report
end

-- Runs a Lua program in the host; gives its report. Nothing is ever heard on standard output or error.
-- Options: cpath; prefix, a shell's words before the command.
local function run(text, options)
  options = options or {}
  local words, report = host(text, options)
  local _, printed = shell.run((options.prefix or "") .. " timeout 120 " .. quote(words))
  assert.equal("", printed)
  return files.read(report)
end

local function on_server(name)
  return srv:path("backup", name)
end

describe("examples/embed.c", function()
  local program

  setup(function()
    local line = files.read(ROOT .. "/examples/embed.c"):match "\n %*%s+(cc %-Wall %-Wextra [^\n]+)\n"
    program = bin .. "/embed"
    local rest = line:match "^cc (.*)$":gsub("%-o embed", "-Werror -o " .. quote(program))
    assert.equal("", shell.check(("cd %s && %s %s"):format(quote(ROOT), CC, rest)))
  end)

  it("puts a file", function()
    local source = files.make(dir .. "/source", 300000)
    local ok, output = shell.run(with_module { program, srv:url "backup", source })
    assert.equal(source .. ": 300000 bytes sent\n", output)
    assert.is_true(ok)
    assert.is_true(files.same(source, on_server "source"))
  end)

  it("says what is wrong", function()
    local function fails(status, pattern, words)
      local _, output, code = shell.run(with_module(words))
      assert.matches(pattern, output)
      assert.equal(status, code)
    end
    local missing = dir .. "/missing"
    fails(1, ": put 'missing' on smb://[^\n]+: .*No such file or directory.*\n$",
      { program, srv:url "backup", missing })
    fails(1, ": open on smb://[^\n]+/nowhere: [^\n]+\n$", { program, srv:url "nowhere", missing })
    fails(2, "^usage: ", { program })
    local _, output = shell.run { "env", "LUA_PATH_5_4=/nowhere", program, srv:url "backup", dir }
    assert.matches("module 'smb' not found", output, 1, true)
  end)
end)

describe("the module's binary", function()
  it("exports one symbol", function()
    local symbols = shell.check { "nm", "-D", "--defined-only", BUILD .. "/smb/core.so" }
    assert.matches("^%x+ T luaopen_smb_core\n$", symbols)
  end)

  it("brings nothing of Samba's into the application", function()
    local module = shell.check { "ldd", BUILD .. "/smb/core.so" }
    assert.is_nil(module:find "smb[^/\n]*%.so%.%d" or module:find "samba" or module:find "talloc")
    assert.matches("libsmbclient", shell.check { "ldd", BUILD .. "/smb/smb-worker" })
  end)
end)

describe("8 threads with a Lua state each and 4 destinations each", function()
  local threads

  -- Module and worker with what watches for data races in them.
  setup(function()
    -- Of a make that runs this suite nothing is handed on.
    local clean = { "env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "-u", "MFLAGS" }
    local make = { "make", "-s", "-j2", "-C", ROOT, "CC=" .. CC, "BUILD=" .. bin .. "/tsan",
      "CFLAGS=-O1 -g -fsanitize=thread", "LDFLAGS=-fsanitize=thread" }
    shell.check(table.move(make, 1, #make, #clean + 1, clean))
    threads = compile("threads", "lua5.4", "-fsanitize=thread")
  end)

  -- Runs it under ThreadSanitizer. Gives whether all went well, output, and the reports of all processes.
  local function watched(...)
    local words = with_module({ threads, ... }, bin .. "/tsan/?.so")
    local ok, output = shell.run(("env -u LD_PRELOAD TSAN_OPTIONS=exitcode=66:log_path=%s/race timeout 60 %s"):format(
      quote(dir), quote(words)))
    local reports = {}
    for _, name in ipairs(files.list(dir)) do
      if name:find "^race" then reports[#reports + 1] = files.read(dir .. "/" .. name) end
    end
    return ok, output, table.concat(reports)
  end

  it("would be told of data races", function()
    local ok, _, reports = watched "0"
    assert.is_false(ok)
    assert.matches("data race", reports, 1, true)
    for _, name in ipairs { "core.so", "smb-worker" } do
      assert.matches(" __tsan_init\n", shell.check { "nm", "-D", bin .. "/tsan/smb/" .. name })
    end
  end)

  it("do everything at once", function()
    local program = files.write(dir .. "/program.lua", [[
      local number, url, dir = ...
      local smb = require "smb"
      local dests, data = {}, ("%d, "):format(number):rep(50000)

      local function same(expected, found) if expected ~= found then error("not what was sent", 2) end end

      local operations = {
        function(dest, name)
          assert(dest:write(name, data))
          same(data, assert(dest:read(name)))
          same(#data, assert(dest:stat(name)).size)
          assert(dest:utime(name, 1000000000))
        end,
        function(dest, name)
          assert(dest:write(name, "a"))
          assert(dest:rename(name, name .. ".new"))
          assert(not dest:exists(name))
          assert(dest:copy(name .. ".new", name))
          assert(dest:delete(name))
        end,
        function(dest, name)
          local source = assert(io.open(dir .. "/" .. name, "w"))
          assert(source:write(data):close())
          assert(dest:put(dir .. "/" .. name, name))
          assert(dest:get(name, dir .. "/" .. name .. ".back"))
          local back <close> = assert(io.open(dir .. "/" .. name .. ".back"))
          same(data, back:read "a")
        end,
        function(dest, name)
          assert(dest:mkdir(name .. "/below"))
          for i = 1, 5 do assert(dest:write(("%s/%d"):format(name, i), "")) end
          same(6, #assert(dest:list(name)))
          local count = 0
          for _ in dest:walk(name) do count = count + 1 end
          for _ in dest:dir(name) do break end
          same(6, count)
          assert(not dest:rmdir(name))
          assert(dest:rmdir(name .. "/below"))
          assert(dest:rmdir(name, { recursive = true }))
        end,
        function(dest, name)
          local out = assert(dest:open(name, "w"))
          local other <close> = assert(dest:open(name .. ".other", "w+"))
          for i = 1, 1000 do
            assert(out:write(i, " ", data:sub(1, 300), "\n"))
            if i % 100 == 0 then assert(other:write(i, "\n")) end
          end
          assert(out:close())
          same(10, select(2, (other:seek "set" == 0 and other:read "a" or ""):gsub("\n", "")))
          local count = 0
          for line in assert(dest:open(name)):lines() do
            count = count + 1
            same(count .. " " .. data:sub(1, 300), line)
          end
          same(1000, count)
        end,
        function(dest)
          assert(not dest:stat "missing")
          assert(not dest:get("missing", dir .. "/missing"))
          assert(not pcall(dest.dir, dest, "missing"))
          assert(not dest:write("missing/file", "x"))
          assert(not dest:write("aborted", function() return nil, "on purpose" end))
          assert(dest:quota())
          assert(dest.info.dialect)
        end,
        function()
          local more <close> = assert(smb.open(url))
          assert(not smb.open(url .. "-not"))
          assert(more:test { write = true })
        end,
      }

      meet()
      for i = 1, 4 do dests[i] = assert(smb.open(url)) end
      meet()
      -- Each thread begins with another one.
      for i = 0, #operations - 1 do
        local at = (i + number) % #operations + 1
        for which, dest in ipairs(dests) do operations[at](dest, ("%d-%d-%d"):format(number, which, at)) end
      end
      dests[1]:close()
      dests[2]:close()
      dests = nil -- the others are the collector's
      collectgarbage()
    ]])
    local ok, output, reports = watched("8", program, srv:url "backup", dir)
    assert.equal("", reports)
    assert.equal("done\n", output)
    assert.is_true(ok)
  end)
end)

-- All kinds of calls, as a round; ends with nothing open.
local ROUND = [[
  local function round(dest)
    local source = DIR .. "/round"
    local content = files.content(300000)
    files.write(source, content)
    assert(dest:put(source, "round"))
    assert(dest:get("round", DIR .. "/back"))
    assert(files.read(DIR .. "/back") == content)
    assert(dest:read "round" == content)
    assert(dest:write("other", content))
    local f = assert(dest:open("other", "a+"))
    assert(f:write "more")
    assert(f:seek("set", 299998) and f:read "a" == content:sub(-2) .. "more")
    assert(f:close())
    assert(dest:mkdir "folder/below" and dest:rename("other", "folder/other") and dest:copy("round", "folder/copy"))
    assert(#dest:list "folder" == 3)
    for _ in dest:dir "folder" do break end
    for _ in dest:walk() do break end
    assert(not dest:stat "missing" and not dest:put("/nowhere", "file"))
    assert(not dest:write("aborted", function() return nil, "on purpose" end))
    assert(dest:rmdir("folder", { recursive = true }) and dest:delete "round")
  end
]]

describe("a host", function()
  it("is left as it was: signals, umask, folder, locale, environment, descriptors, threads, children", function()
    assert.equal("done\n", run([[
      be_particular()
      local before
      local function compare(when, but)
        local now = state()
        for key, value in pairs(before) do
          if key ~= but and now[key] ~= value then say(when, key, value, now[key]) end
        end
      end
    ]] .. ROUND .. [[
      before = state()
      local dest = open()
      compare("with a destination", "descriptors")
      round(dest)
      compare("after work", "descriptors")
      local f = assert(dest:open("file", "w"))
      assert(f:write(("x"):rep(100000)))
      for _ in dest:dir() do compare("in a loop", "descriptors") end
      assert(dest:write("file2", function() compare("in a reader", "descriptors") end))
      assert(f:close())
      assert(dest:close())
      compare "after all"
      assert(not smb.open(URL .. "-not"))
      assert(not smb.open((URL:gsub(":s3cret", ":wrong"))))
      compare "after failures"
      dest, f = open(), nil
      dest:open "file"
      kill(processes.worker())
      dest:stat ""
      dest = nil
      collectgarbage()
      collectgarbage()
      compare "after a crash and a collection"
      say "done"
    ]]))
  end)

  it("survives its workers with SIGPIPE at its default", function()
    shell.check { "truncate", "-s", "2G", dir .. "/source" }
    assert.equal("nil\ttrue\ttrue\nnil\ttrue\ttrue\nnil\ttrue\ttrue\n", run [[
      be_particular()
      local dest = open { connections = 1 }
      local function say_result(result, _, code)
        say(result, code == "failed" or code == "disconnected" or code, dest:exists "")
      end
      local function crash()
        local pid = processes.worker()
        kill(pid)
        assert(processes.await_end(pid))
      end
      local given = 0
      say_result(dest:write("file", function()
        given = given + 1
        if given == 1 then crash() end
        return given <= 3 and ("x"):rep(5000000) or nil
      end))
      say_result(processes.during(function() return dest:put(DIR .. "/source", "file") end, crash))
      local f = assert(dest:open("file", "w"))
      assert(f:write "x")
      crash()
      for _ = 1, 3 do f:write(("x"):rep(20000000)) end
      say_result(f:close())
      for _ = 1, 5 do
        crash()
        dest:delete "file"
      end
      assert(dest:close())
    ]])
  end)

  it("may have a timer that interrupts everything", function()
    assert.equal("true\ntrue\n", run(ROUND .. [[
      files.content(300000)
      alarms(500)
      say(pcall(function()
        for _ = 1, 3 do
          local dest = open()
          round(dest)
          assert(dest:write("file", ("x"):rep(20000000)))
          assert(#dest:read "file" == 20000000)
          assert(dest:close())
        end
      end))
      say(alarms(0) > 100)
    ]]))
  end)

  it("may ignore SIGCHLD", function()
    assert.equal("done\n\n", run(ROUND .. [[
      ignore_sigchld()
      for _ = 1, 5 do
        local dest = open()
        round(dest)
        assert(dest:close())
        assert(not smb.open(URL .. "-not"))
      end
      local dest = open()
      kill(processes.worker())
      dest:stat ""
      round(dest)
      assert(dest:close())
      say "done"
      say(state().children)
    ]]))
  end)

  it("may wait for all children there are, all the time, in another thread", function()
    assert.equal("done\ntrue\n", run(ROUND .. [[
      reap_everything()
      for _ = 1, 10 do
        local dest = open()
        round(dest)
        assert(dest:close())
        assert(not smb.open(URL .. "-not"))
      end
      say "done"
      -- It does wait for all.
      local before = count_reaped()
      if fork() == 0 then os.exit(0) end
      say(shell.poll(function() return count_reaped() > before end))
    ]]))
  end)

  it("may have standard descriptors that are closed, and speak into them all the same", function()
    assert.equal("\ndone\n\n", run(ROUND .. [[
      local function low()
        return (("\n" .. state().descriptors):gsub("\n[3-9] [^\n]*", ""):gsub("\n%d%d+ [^\n]*", ""))
      end
      local function speak()
        print "to nobody"
        io.stdout:flush()
        io.stderr:write "to nobody\n"
      end
      close_standard()
      local dest = open()
      speak()
      local f = assert(dest:open("file", "w"))
      assert(f:write "content")
      speak()
      say((low():gsub("\n$", "")))
      assert(f:close())
      assert(dest:read "file" == "content")
      round(dest)
      speak()
      assert(dest:write("file", function() speak() end))
      assert(dest:close())
      say "done"
      say((low():gsub("\n$", "")))
    ]]))
  end)

  it("may have another umask, and its folder may be gone", function()
    assert.equal("true\nnil\tlocal_io\ntrue\n", run([[
      files.write(DIR .. "/source", "content")
      lfs.mkdir(DIR .. "/gone")
      lfs.chdir(DIR .. "/gone")
      lfs.rmdir(DIR .. "/gone")
      local dest = open()
      assert(dest:put(DIR .. "/source", "file"))
      assert(dest:get("file", DIR .. "/back"))
      say(dest:read "file" == "content")
      local result, _, code = dest:get "file"
      say(result, code)
      say(dest:close())
    ]], { prefix = "umask 0277;" }))
    assert.equal("r--------", lfs.attributes(dir .. "/back", "permissions"))
    assert.are_not.equal("r--------", lfs.attributes(on_server "file", "permissions"))
  end)

  it("may load the module through a relative path and go elsewhere", function()
    assert.equal("true\n", run([[
      lfs.chdir "/"
      local dest <close> = open()
      say(dest:exists "")
    ]], { cpath = "./?.so", prefix = ("cd %s &&"):format(quote(BUILD)) }))
  end)

  it("may be a client of libsmbclient itself, in another thread", function()
    local program = compile("smbclient", "lua5.4 smbclient")
    files.write(on_server "shared", ("x"):rep(300000))
    local url = srv:url("backup", "shared"):gsub("//[^@]*@", "//")
    local lua = files.write(dir .. "/program.lua", PROLOGUE .. ROUND .. [[
      local count = 0
      repeat
        local dest <close> = open()
        round(dest)
        assert(#dest:read "shared" == 300000)
        count = count + 1
      until count >= 10 and rounds() >= 20
    ]])
    local words = with_module { program, lua, url, srv.user, srv.password, srv:url "backup", dir, ROOT }
    local _, output = shell.run("timeout 30 " .. quote(words))
    assert.equal("its own reads failed 0 times\n", output)
  end)
end)

describe("a host with few descriptors left", function()
  it("gets a clear error from open, or a destination", function()
    local report = run [[
      local before = state().descriptors
      for left = 0, 12 do
        leave_descriptors(left)
        local ok, dest, message, code = pcall(smb.open, URL, { short_timeout = 5 })
        leave_descriptors()
        say(left, ok and (dest and "open" or code), not ok and dest or message)
        if ok and dest then assert(dest:close()) end
      end
      say(before == state().descriptors)
    ]]
    for line in report:gmatch "[^\n]+" do
      if not (line:find "\topen\t" or line == "true") then
        assert.matches("^%d+\tfailed\topen on smb://.*Too many open files", line)
      end
    end
    assert.matches("^0\tfailed\t", report)
    assert.matches("\n12\topen\tnil\ntrue\n$", report)
  end)

  it("gets a clear error from every call, and the destination stays usable", function()
    local report = run [[
      files.write(DIR .. "/source", "content")
      local dest = open { short_timeout = 5 }
      assert(dest:write("file", "content"))
      local calls = {
        put = function() return dest:put(DIR .. "/source", "new") end,
        get = function() return dest:get("file", DIR .. "/back") end,
        read = function() return dest:read "file" end,
        write = function() return dest:write("new", "content") end,
        open = function() return dest:open "file" end,
        list = function() return dest:list() end,
        stat = function() return dest:stat "file" end,
      }
      local before = state().descriptors
      for name, call in pairs(calls) do
        for left = 0, 4 do
          leave_descriptors(left)
          local ok, result, message, code = pcall(call)
          leave_descriptors()
          if smb.type(result) == "file" then assert(result:close()) end
          say(name, left, not ok and "raised " .. tostring(result) or result and "done" or code, message)
        end
      end
      collectgarbage()
      say(dest:read "file", before == state().descriptors)
      assert(dest:close())
    ]]
    local failed = 0
    for line in report:gmatch "[^\n]+" do
      if not (line:find "\tdone\t" or line == "content\ttrue") then
        failed = failed + 1
        assert.matches("^%l+\t%d\t[%l_]+\t%l+ '%l+' on smb://.*Too many open files", line)
      end
    end
    assert.is_true(failed >= 5, "nothing failed: the test does not test")
    for _, name in ipairs { "put", "get", "read", "write", "open", "list", "stat" } do
      assert.matches(name .. "\t4\tdone\t", report, 1, true)
    end
    assert.matches("content\ttrue\n$", report)
  end)
end)

describe("a host that inherits orphans", function()
  -- Counts children, dead or alive, after rounds of something.
  local function children_after(text, prefix)
    return run([[
      local dest
      local function count() return select(2, state().children:gsub("%d+", "")) end
      become_subreaper()
    ]] .. text .. [[
      shell.poll(function() return count() == 0 end, 10)
      say(count())
    ]], { prefix = quote(processes.NO_LEAK_CHECK) .. " " .. (prefix or "") })
  end

  local CLOSING = [[
    for _ = 1, 100 do
      dest = open()
      assert(dest:close())
    end
  ]]

  it("has no zombies after 100 destinations", function()
    assert.equal("0\n", children_after(CLOSING))
  end)

  it("has none as process 1 of a container", function()
    if not SANDBOX then return pending "needs spec/support/sandbox" end
    assert.equal("0\n", children_after((CLOSING:gsub("100", "30")), "unshare -p --fork --mount-proc"))
  end)

  it("has none from destinations that nobody closed", function()
    assert.equal("0\n", children_after [[
      for _ = 1, 20 do
        dest = open()
        dest = nil
        collectgarbage()
        collectgarbage()
      end
    ]])
  end)

  it("has none from connections that were just beginning, many at once", function()
    assert.equal("0\n", children_after [[
      local core = require "smb.core"
      for i = 1, 20 do
        dest = open()
        core.warm(dest, 8)
        shell.sleep(i * 0.005)
        assert(dest:close())
      end
    ]])
  end)

  it("has none from connections that were refused", function()
    assert.equal("0\n", children_after [[
      for _ = 1, 20 do assert(not smb.open(URL .. "-not")) end
    ]])
  end)

  it("has none from fork servers that were killed or hung, with workers asked for or not", function()
    assert.equal("true\n0\n", children_after [[
      local began = shell.now()
      for i = 1, 8 do
        dest = open()
        local pid, hangs = processes.fork_servers()[1], i % 2 == 0
        kill(pid, hangs and 19 or 9) -- SIGSTOP, SIGKILL
        dest.options.short_timeout = 0.4
        local jobs = i > 2 and { dest:submit("exists", ""), dest:submit("exists", "") } or {}
        if i > 6 then kill(pid, 9) end
        for _, job in ipairs(jobs) do assert(job:wait()) end
        assert(dest:close())
      end
      say(shell.now() - began < 10)
    ]])
  end)

  it("has none from workers that crashed or hung", function()
    assert.equal("0\n", children_after [[
      dest = open()
      for i = 1, 20 do
        local pid, hangs = processes.worker(), i % 5 == 0
        kill(pid, hangs and 19 or 9) -- SIGSTOP, SIGKILL
        shell.poll(function() return not processes.sleeps(pid) end)
        dest.options.short_timeout = hangs and 0.4 or 10
        dest:stat ""
        dest.options.short_timeout = 10
        assert(dest:exists "")
      end
      assert(dest:close())
    ]])
  end)
end)

-- What the programs of forking hosts begin with: dest, f (open, with unsent data), r (with data read ahead), a listing.
local FORKING = [[
  local dest = open()
  assert(dest:write("source", files.content(3000000)))
  local f, r = assert(dest:open("log", "w")), assert(dest:open "source")
  local sent = files.content(5000000, 1)
  assert(f:write(sent))
  assert(r:read(1000))
  local many = assert(smb.open((URL:gsub("backup$", "many"))))
  local next_entry, _, _, listing = many:dir()
  assert(next_entry())

  -- All that was open goes on, and all that was written is on the share, once.
  local function goes_on()
    assert(f:write "and the parent's own")
    assert(f:close())
    assert(dest:read "log" == sent .. "and the parent's own")
    assert(r:read "a" == files.content(3000000):sub(1001))
    assert(r:close())
    local count = 1
    for _ in next_entry, nil, nil, listing do count = count + 1 end
    assert(count == 3000, count)
    assert(dest:test { write = true })
    assert(dest:close())
    assert(many:close())
    say "the parent goes on"
  end
]]

describe("a host that forks", function()
  local function assert_undisturbed()
    assert.equal(2, srv:logons())
  end

  it("has a child whose calls on what it inherited raise", function()
    assert.equal("child's end 0\nthe parent goes on\n", run(FORKING .. [[
      local child = fork()
      if child == 0 then
        local calls = {
          stat = function() return dest:stat "source" end, exists = function() return dest:exists "source" end,
          list = function() return dest:list() end, dir = function() return dest:dir() end,
          walk = function() return dest:walk() end, mkdir = function() return dest:mkdir "child" end,
          delete = function() return dest:delete "source" end, rmdir = function() return dest:rmdir "child" end,
          rename = function() return dest:rename("source", "child") end,
          copy = function() return dest:copy("source", "child") end,
          utime = function() return dest:utime("source", 1) end, quota = function() return dest:quota() end,
          test = function() return dest:test() end, put = function() return dest:put(DIR .. "/program.lua") end,
          get = function() return dest:get("source", DIR .. "/child") end,
          write = function() return dest:write("child", "") end,
          read = function() return dest:read "source" end, open = function() return dest:open "source" end,
          info = function() return dest.info end,
          ["a listing's next"] = next_entry,
          ["file:write"] = function() return f:write "the child's" end,
          ["file:flush"] = function() return f:flush() end,
          ["file:seek"] = function() return f:seek "end" end, ["file:truncate"] = function() return f:truncate(0) end,
          ["file:stat"] = function() return f:stat() end, ["file:read"] = function() return r:read(10) end,
          ["file:read line"] = function() return r:read "l" end, ["file:lines"] = function() return r:lines()() end,
          ["file:read all"] = function() return r:read "a" end,
          ["file:close"] = function() return f:close() end, ["reading file:close"] = function() return r:close() end,
        }
        for name, call in pairs(calls) do
          local ok, problem = pcall(call)
          if ok then say(name, "did not raise, but gave a", smb.type(problem) or type(problem)) end
          if not (ok or tostring(problem):find "fork") then say(name, problem) end
        end
        assert(tostring(dest) and smb.type(dest) == "destination" and smb.type(f))
        pcall(dest.close, dest)
        pcall(many.close, many)
        os.exit(0, true)
      end
      say("child's end " .. wait(child))
      goes_on()
    ]]))
    assert_undisturbed()
    assert.same({ "log", "source" }, files.list(srv:path "backup"))
  end)

  it("has a child whose calls on inherited jobs raise, and the parent's go on", function()
    assert.equal("false\tfalse\tfalse\ntrue\tcontent\n", run [[
      local dest = open()
      local jobs = { dest:submit("write", "one", "content"), dest:submit("exists", "") }
      local fd = jobs[1]:pollfd()
      local child = fork()
      if child == 0 then
        say((pcall(jobs[1].wait, jobs[1])), (pcall(dest.submit, dest, "exists", "")), (pcall(jobs[2].pollfd, jobs[2])))
        os.exit(0, true)
      end
      wait(child)
      assert(jobs[1]:wait())
      assert(jobs[1]:pollfd() == fd)
      jobs[2]:wait()
      say(jobs[2]:status() == "done", dest:read "one")
      assert(dest:close())
    ]])
  end)

  it("has a child where a scope that ends leaves everything to the parent", function()
    assert.equal("cancelled\t0\tfalse\tclosed file\n0\nbefore, after it\n", run [[
      local dest = open()
      local f = assert(dest:open("log", "w"))
      assert(f:write "before, ")
      local job = dest:submit("exists", "")
      local child = fork()
      if child == 0 then
        do local inherited <close> = dest end
        say(job:status(), job:timeout(), (pcall(f.write, f, "the child")), smb.type(f))
        os.exit(0, true)
      end
      say(wait(child))
      assert(job:wait())
      assert(f:write "after it")
      assert(dest:close())
      say(open():read "log")
    ]])
  end)

  it("has a child whose writing does not get into the parent's file", function()
    assert.equal("true\n", run [[
      local dest = open()
      local f = assert(dest:open("log", "w"))
      assert(f:write "before, ")
      local child = fork()
      if child == 0 then
        shell.poll(function() return files.exists(DIR .. "/go") end)
        pcall(f.write, f, "the child, ")
        pcall(f.flush, f)
        os.exit(0)
      end
      assert(f:write "after it, ")
      files.write(DIR .. "/go", "")
      wait(child)
      assert(f:close())
      say(dest:read "log" == "before, after it, " or dest:read "log")
      assert(dest:close())
    ]])
  end)

  it("has a child that can end in any way, and the parent goes on", function()
    for _, ending in ipairs { "os.exit(0)", "os.exit(0, true)",
      "dest, many, f, r, next_entry, listing = nil collectgarbage()",
      "kill(processes.self())" } do
      srv:mark()
      assert.equal("the parent goes on\n", run(FORKING .. ([[
        for _ = 1, 2 do
          local child = fork()
          if child == 0 then
            %s
            collectgarbage()
            os.exit(0)
          end
          wait(child)
        end
        goes_on()
      ]]):format(ending)), ending)
      assert_undisturbed()
    end
  end)

  it("has a child whose collector closes the descriptors", function()
    assert.equal("true\nthe parent goes on\n", run("local before = state().descriptors\n" .. FORKING .. [[
      local child = fork()
      if child == 0 then
        dest, many, f, r, next_entry, listing, goes_on = nil
        collectgarbage()
        collectgarbage()
        local now = state().descriptors
        say(now == before or now)
        os.exit(0)
      end
      wait(child)
      goes_on()
    ]]))
    assert_undisturbed()
  end)

  it("has a child that may open a destination of its own", function()
    assert.equal("true\tcontent\nthe parent goes on\n", run(FORKING .. [[
      local child = fork()
      if child == 0 then
        local own <close> = open()
        assert(own:write("child", "content"))
        say(own:read "source" == files.content(3000000), own:read "child")
        own:close()
        os.exit(0, true)
      end
      wait(child)
      goes_on()
    ]]))
  end)

  it("may be killed: its worker and fork server go, though a child of its lives on and holds their sockets", function()
    assert.equal("true\ttrue\n", run [[
      local victim = fork()
      if victim == 0 then
        local dest = open()
        local child = fork()
        if child ~= 0 then
          files.write(DIR .. "/pids", ("%d %d %d."):format(child, processes.worker(), processes.fork_servers()[1]))
        end
        shell.sleep(60)
        os.exit(dest and 0)
      end
      local child, worker, fork_server
      shell.poll(function()
        local text = files.exists(DIR .. "/pids") and files.read(DIR .. "/pids") or ""
        child, worker, fork_server = text:match "(%d+) (%d+) (%d+)%."
        return child
      end, 20)
      child, worker, fork_server = tonumber(child), tonumber(worker), tonumber(fork_server)
      kill(victim, 9)
      wait(victim)
      say(shell.poll(function() return not shell.alive(worker) and not shell.alive(fork_server) end, 2),
        shell.alive(child))
      kill(child, 9)
    ]])
  end)

  it("may do so in the middle of loops and transfers", function()
    files.make(dir .. "/source", 7000000)
    assert.equal("3000\n40000\n7000000\ntrue\n7000000\n", run([[
      local many = assert(smb.open((URL:gsub("backup$", "many"))))
      local dest = open { write_buffer_size = 10000 } -- slow enough for a fork in the middle
      local function fork_and_exit()
        local child = fork()
        if child == 0 then os.exit(0, true) end
        wait(child)
      end
      -- Forks between two looks of the call that waits for the worker: one child ends there, another one goes on with
      -- the call.
      local function during(when, fn)
        local forked, child = false, nil
        debug.sethook(function()
          if forked or not when() then return end
          debug.sethook()
          forked = true
          fork_and_exit()
          child = fork()
          if child ~= 0 then wait(child) end
        end, "c")
        local ok, result, problem = pcall(fn)
        debug.sethook()
        if child == 0 then
          if ok or not tostring(result):find "fork" then say("the child's call", ok, result, problem) end
          os.exit(0, true)
        end
        assert(forked, "it was over too soon")
        assert(ok, result)
        return assert(result, problem)
      end
      local function has_part(folder)
        return function()
          for name in lfs.dir(folder) do
            if name:find "%.part$" then return true end
          end
        end
      end

      local count = 0
      for _ in many:dir() do
        count = count + 1
        if count == 3 then fork_and_exit() end
      end
      say(count)
      count = 0
      assert(dest:write("written", function()
        count = count + 1
        if count == 3 then fork_and_exit() end
        return count <= 4 and ("x"):rep(10000) or nil
      end))
      say(#dest:read "written")
      say(during(has_part(SHARE), function() return dest:put(DIR .. "/source", "source") end).bytes)
      local result = during(has_part(DIR), function() return dest:get("source", DIR .. "/back") end)
      say((files.same(DIR .. "/source", DIR .. "/back")))
      say(result.bytes)
      assert(dest:close() and many:close())
    ]]))
    assert_undisturbed()
    assert.same({ "source", "written" }, files.list(srv:path "backup"))
  end)

  it("is hung up on by nobody: a worker goes though a child lives on", function()
    for _, ending in ipairs { "dest:close()", "dest = nil collectgarbage() collectgarbage()" } do
      assert.equal("true\n", run(([[
        local dest = open()
        local worker = processes.worker()
        local child = fork()
        if child == 0 then
          shell.poll(function() return files.exists(DIR .. "/go") end, 10)
          os.exit(0)
        end
        %s
        say(processes.await_end(worker, 2))
        files.write(DIR .. "/go", "")
        wait(child)
        os.remove(DIR .. "/go")
      ]]):format(ending)), ending)
    end
  end)

  it("may be killed: its worker goes though a child lives on", function()
    local words, report = host([[
      local dest = open()
      say(processes.worker())
      local child = fork()
      if child ~= 0 then say(child) end
      say(shell.poll(function() return files.exists(DIR .. "/go") end, 20))
    ]], {})
    local pid = shell.spawn(words)
    local worker, child
    assert(shell.poll(function()
      worker, child = files.read(report):match "^(%d+)\n(%d+)\n"
      return worker
    end, 10))
    shell.kill(pid, "KILL")
    assert.is_true(processes.await_end(tonumber(worker), 1))
    assert.is_true(shell.alive(tonumber(child)))
    files.write(dir .. "/go", "")
    assert.is_true(processes.await_end(tonumber(child)))
  end)
end)
