-- Commands as what is written: `dest:write("x.gz", io.popen "dump | gzip")` said ok and replaced a good backup by 20
-- bytes when the dump had failed, since sh reports the last command of a pipe only.

local lfs = require "lfs"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"
local ltn12 = require "smb.ltn12"

local BUILD = os.getenv "BUILD" or "build"
local ENVIRONMENT = { "env", ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;;")
  :format(lfs.currentdir(), lfs.currentdir()),
  ("LUA_CPATH_5_4=%s/?.so;;"):format(BUILD:find "^/" and BUILD or lfs.currentdir() .. "/" .. BUILD) }

local srv, dir, dest

setup(function()
  srv, dir = share.start()
end)

teardown(share.stop)

before_each(function()
  share.clean()
  dest = assert(smb.open(srv:url "backup"))
end)

after_each(function()
  dest:close()
end)

-- Children of this process, zombies as well, but for the workers' kind.
local function children()
  return files.read "/proc/thread-self/children"
end

-- Runs a script of its own process, with `dest`; `words` come before lua5.4.
local function run_script(words, body)
  files.write(dir .. "/local/script.lua", ("local smb = require 'smb' local dest = assert(smb.open(%q))\n%s"):format(
    srv:url "backup", body))
  local _, output =
    shell.run(shell.quote(ENVIRONMENT) .. " " .. words .. " lua5.4 " .. shell.quote(dir .. "/local/script.lua"))
  return output
end

-- Writes what a command gives with an old file there: that has to stay, and no process, no temporary file.
local function assert_fails(words, ...)
  files.write(share.on_server "file", "GOOD BACKUP OF YESTERDAY")
  local before = children()
  local result, message, code = dest:write("file", smb.command(...))
  assert.is_nil(result)
  assert.equal("local_io", code)
  assert.matches("^write 'file' on smb://", message)
  for _, each in ipairs(words) do assert.matches(each, message, 1, true) end
  assert.equal("GOOD BACKUP OF YESTERDAY", files.read(share.on_server "file"))
  assert.same({ "file" }, share.everything())
  assert.equal(before, children())
  return message
end

describe("a pipeline", function()
  it("is written when all stages do well", function()
    local result =
      assert(dest:write("file.gz", smb.command({ "printf", "%s %s", "a b", "$HOME" }, { "gzip" }, "cat; exit 0")))
    assert.equal(result.bytes, #files.read(share.on_server "file.gz"))
    assert.equal("a b $HOME", shell.check { "zcat", share.on_server "file.gz" })
  end)

  it("of one command that gives much is written whole", function()
    local content = files.content(9 * 1024 * 1024 + 5, 5)
    files.write(dir .. "/local/source", content)
    assert(dest:write("file", smb.command({ "cat", dir .. "/local/source" }, "cat", { "cat" })))
    assert.is_true(files.read(share.on_server "file") == content)
  end)

  for stage = 1, 3 do
    it(("whose stage %d of 3 fails leaves the good backup where it is"):format(stage), function()
      local commands = { { "echo", "data" }, { "cat" }, "cat" }
      commands[stage] = (" { cat; }; echo 'no tape' >&2; exit %d"):format(stage + 10)
      local status = ("status %d"):format(stage + 10)
      assert_fails({ ("stage %d of 3 ('sh')"):format(stage), status, "no tape" }, table.unpack(commands))
    end)

    it(("whose stage %d of 3 is not there leaves the good backup where it is"):format(stage), function()
      local commands = { { "echo", "data" }, { "cat" }, "cat" }
      commands[stage] = { "/missing/pg_dump", "shop" }
      assert_fails({ ("stage %d of 3 ('pg_dump')"):format(stage), "No such file" }, table.unpack(commands))
      commands[stage] = "pg_dump_missing shop"
      assert_fails({ ("stage %d of 3 ('pg_dump_missing')"):format(stage), "status 127", "not found" },
        table.unpack(commands))
    end)

    it(("whose stage %d of 3 is killed leaves the good backup where it is"):format(stage), function()
      local commands = { { "echo", "data" }, { "cat" }, "cat" }
      commands[stage] = "cat; kill -9 $$"
      assert_fails({ ("stage %d of 3"):format(stage), "signal 9" }, table.unpack(commands))
    end)
  end

  it("whose early stage is cut off by SIGPIPE fails, unless that is allowed", function()
    for _, yes in ipairs { { "yes" }, "yes", "yes; exit $?" } do
      assert_fails({ "stage 1 of 2 ('yes')", "SIGPIPE", "{ sigpipe = true }" }, yes, { "head", "-c", 10 })
      assert(dest:write("file", smb.command(yes, { "head", "-c", "10" }, { sigpipe = true })))
      assert.equal("y\ny\ny\ny\ny\n", files.read(share.on_server "file"))
    end
    assert_fails({ "stage 1 of 2", "status 3" }, "exit 3", { "cat" }, { sigpipe = true })
    assert_fails({ "stage 2 of 2", "signal 13" }, { "true" }, "kill -PIPE $$", { sigpipe = true })
  end)

  it("tells the stage that failed by itself, not the one that it cut off", function()
    assert_fails({ "stage 2 of 2", "status 4", "stage 1 of 2 ('yes') failed, too" }, { "yes" }, "exit 4")
  end)

  it("tells the last 4 KiB of what the failed stage said, and neither its arguments nor what steers terminals",
    function()
    local message = assert_fails({ "the end" }, { "sh", "-c", [[
      head -c 100000 /dev/zero | tr '\0' x >&2; printf '\033[2J\n the end\n' >&2; exit 1]], "s3cret-argument" })
    assert.is_nil(message:find "s3cret")
    assert.is_nil(message:find "%c")
    local _, count = message:gsub("x", "")
    assert.is_true(count > 4000 and count <= 4096, count)
    message = assert_fails({ "('sh')", "status 1" }, "PGPASSWORD=s3cret false")
    assert.is_nil(message:find "s3cret")
  end)

  it("that says much while nobody reads its data is not held up", function()
    assert(dest:write("file", smb.command("head -c 3000000 /dev/zero >&2; echo done", { "cat" })))
    assert.equal("done\n", files.read(share.on_server "file"))
  end)

  it("is not taken for whole where nobody can tell how it ended", function()
    -- A host that ignores SIGCHLD, as daemons do that do not want zombies.
    local output = run_script("python3 -c 'import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
      .. "os.execvp(sys.argv[1], sys.argv[1:])'", [[print(dest:write("file", smb.command({ "echo", "data" })))]])
    assert.matches("nobody can tell how it ended", output)
    assert.matches("local_io", output)
    assert.same({}, share.everything())
  end)

  it("gets nothing of its host's: no descriptors, no password, no signal that is ignored", function()
    assert.equal("", run_script("env AUTH_PASSWORD=s3cret sh -c 'trap \"\" PIPE; exec \"$@\"' sh", [[
      local held <close> = assert(io.open("/dev/null"))
      assert(dest:write("file", smb.command({ "sh", "-c",
        "env; cat; grep SigIgn /proc/self/status; ls -l /proc/self/fd/0; ls /proc/self/fd" },
        "cat; ls /proc/self/fd")))]]))
    local seen = files.read(share.on_server "file")
    assert.is_nil(seen:find "s3cret")
    assert.matches("/dev/null", seen, 1, true)
    assert.matches("SigIgn:\t%x*0000\n", seen) -- SIGPIPE is 1000
    assert.matches("\n0\n1\n2\n3\n0\n1\n2\n3\n$", seen) -- ls itself opens the folder
  end)
end)

describe("all stages", function()
  local function is_gone(pid)
    return shell.poll(function() return not files.read(("/proc/%d/stat"):format(pid)) end, 5)
  end

  -- A pipeline that never ends by itself, and the process ids of its stages, of the shell's child as well, once all
  -- run.
  local function endless(last)
    local pids = dir .. "/local/pids"
    local line = ("echo $$ >>%s; sleep 1000 & echo $! >>%s; wait"):format(pids, pids)
    return smb.command(line, ("echo $$ >>%s; %s"):format(pids, last or "exec cat")), function()
      local found = {}
      assert.is_truthy(shell.poll(function()
        found = {}
        for pid in (files.read(pids) or ""):gmatch "%d+" do found[#found + 1] = tonumber(pid) end
        return #found == 3
      end, 5))
      return found
    end
  end

  local function assert_gone(pids)
    for _, pid in ipairs(pids) do assert.is_truthy(is_gone(pid), "it runs on") end
  end

  it("are ended when the call's time is over", function()
    dest.options.total_timeout = 0.5
    local made, pids = endless()
    local _, message, code = dest:write("file", made)
    assert.equal("timeout", code, message)
    assert.matches("^write 'file' on", message)
    assert_gone(pids())
    assert.is_truthy(shell.poll(function() return #share.everything() == 0 end, 5))
  end)

  it("are ended when a job is cancelled, or its destination closed", function()
    for _, finish in ipairs { function(job) job:cancel() return job:wait() end, function() dest:close() end } do
      local made, pids = endless()
      local job = dest:submit("write", "file", made)
      local found = pids()
      assert.equal("running", job:status())
      finish(job)
      assert.equal("cancelled", job:status())
      assert_gone(found)
      os.remove(dir .. "/local/pids")
    end
  end)

  it("are ended when the share takes no more", function()
    local job = dest:submit("write", "missing/file", (endless "exec cat /dev/zero"))
    local _, _, code = job:wait()
    assert.equal("folder_missing", code)
    -- those that began at all
    for pid in (files.read(dir .. "/local/pids") or ""):gmatch "%d+" do assert_gone { pid } end
  end)

  it("are ended when a progress function raises, and when a stage cannot be started", function()
    local made, pids = endless "exec cat /dev/zero"
    local ok, problem = pcall(dest.write, dest, "file", made, { progress = function() error "enough" end })
    assert.is_false(ok)
    assert.matches("enough", problem)
    assert_gone(pids())
    assert.is_nil(dest:write("file", smb.command({ "sleep", "1000" }, { "/missing" })))
    assert.equal("", shell.check "pgrep -P $PPID -x sleep || true")
  end)

  it("are ended by the collector", function()
    local made, pids = endless "echo data; exec cat"
    assert.equal("data\n", made())
    local found = pids()
    made = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert_gone(found)
  end)

  it("that do not care for being asked are killed", function()
    dest.options.total_timeout = 0.3
    local made, pids = endless "trap '' TERM; while :; do sleep 0.1; done"
    assert.is_nil(dest:write("file", made))
    assert_gone(pids())
  end)
end)

describe("a command", function()
  it("holds up neither other jobs nor who asks for them", function()
    local fifo = dir .. "/local/fifo"
    shell.check { "mkfifo", fifo }
    local slow = dest:submit("write", "slow", smb.command({ "cat", fifo }))
    local quick = dest:submit("write", "quick", "data")
    assert(quick:wait(10))
    assert.is_nil(smb.wait({ slow }, 0))
    assert.equal("running", slow:status())
    files.write(fifo, "at last")
    assert(slow:wait(10))
    assert.equal("at last", files.read(share.on_server "slow"))
  end)

  it("lets jobs of its destination go on while it is waited for", function()
    local fifo = dir .. "/local/fifo"
    shell.check { "mkfifo", fifo }
    local job = dest:submit("write", "first", "data")
    -- What it waits for comes when the job's file is there.
    assert(dest:write("second", smb.command(("while [ ! -e %s ]; do sleep 0.05; done; echo there"):format(
      shell.quote(share.on_server "first")))))
    assert.equal("done", job:status())
  end)

  it("runs once", function()
    local made = smb.command { "echo", "data" }
    assert.equal("command", smb.type(made))
    assert.matches("smb.command %(echo, new%)", tostring(made))
    assert(dest:write("file", made))
    assert.error_matches(function() dest:write("file", made) end, "the command has been run already")
  end)

  it("is an LTN12 source as well", function()
    local made, all = smb.command({ "echo", "data" }, { "cat" }), {}
    for piece in made do all[#all + 1] = piece end
    assert.equal("data\n", table.concat(all))
    assert.is_nil(made())
    local _, problem, code = smb.command({ "false" })()
    assert.matches("the command ('false') failed: it ended with status 1", problem, 1, true)
    assert.equal("local_io", code)
    made = smb.command { "sleep", "1000" }
    assert.is_true(made:close())
    assert.is_nil(made())
  end)

  -- A progress function that closes it, or a clean-up beside a job: what had come until then took the good backup's
  -- place.
  it("that is closed before its end leaves the good backup where it is", function()
    files.write(share.on_server "file", "GOOD BACKUP OF YESTERDAY")
    local made = smb.command("head -c 10000000 /dev/zero; sleep 1000", "cat") -- it does not end by itself
    local result, message, code = dest:write("file", made, { progress = function(bytes)
      if bytes > 5000000 then made:close() end
    end })
    assert.is_nil(result)
    assert.equal("local_io", code)
    assert.matches("the pipeline failed: it was closed before its end", message, 1, true)
    assert.equal("GOOD BACKUP OF YESTERDAY", files.read(share.on_server "file"))
  end)

  it("that has failed fails again when it is read on", function()
    for _, made in ipairs { smb.command { "false" }, smb.command { "no such program" },
      smb.command("echo data; exit 3") } do
      local first
      repeat
        local data, problem, code = made()
        first = first or problem
        assert.is_true(data ~= nil or code == "local_io")
      until data == nil
      for _ = 1, 2 do
        local data, problem, code = made()
        assert.is_nil(data)
        assert.equal(first, problem)
        assert.equal("local_io", code)
      end
    end
  end)

  it("that is none is refused with a sentence", function()
    for reason, arguments in pairs {
      ["an empty list is no command"] = { {} }, ["an empty text is no command"] = { " " },
      ["a program and its arguments, and nothing else"] = { { "a", x = 1 } },
      ["word 2 must be a string, not a boolean"] = { { "a", true } }, ["holds a NUL"] = { "a\0" },
      ["a command is needed"] = {}, ["not a number"] = { 5 },
      ["unknown option 'sigpip'.*sigpipe"] = { "a", { sigpip = true } },
      ["bad argument #2"] = { "a", {} }, ["the program has no name"] = { { "" } },
    } do
      assert.error_matches(function() smb.command(table.unpack(arguments)) end, reason)
    end
  end)
end)

describe("a file or pipe that write was given", function()
  -- Readers of a failed write stayed open.
  it("is closed whatever comes of it", function()
    local calls = {
      function(data) return dest:write("a:b", data) end,
      function(data) return dest:write("missing/file", data) end,
      function(data) return pcall(dest.write, dest, "file", data, { nonsense = true }) end,
      function(data) return pcall(dest.write, dest, 5, data) end,
      function(data) return dest:write("there", data, { overwrite = false }) end,
      function(data) dest:close() return pcall(dest.write, dest, "file", data) end,
    }
    files.write(dir .. "/local/source", ("x"):rep(3000000))
    files.write(share.on_server "there", "old")
    for _, fn in ipairs(calls) do
      for _, wrap in ipairs { function(file) return file end, ltn12.source } do
        if not smb.type(dest):find "^dest" then dest = assert(smb.open(srv:url "backup")) end
        local file = assert(io.open(dir .. "/local/source"))
        assert.is_falsy((fn(wrap(file))))
        assert.equal("closed file", io.type(file))
      end
    end
  end)

  -- Loops that try again: the second write found no more in the source than its end, and put an empty file over the
  -- good one.
  it("is never taken for an empty one afterwards", function()
    files.write(dir .. "/local/source", "data")
    files.write(share.on_server "file", "GOOD BACKUP OF YESTERDAY")
    local source = ltn12.source(io.open(dir .. "/local/source"))
    assert.is_nil(dest:write("missing/file", source))
    local result, message, code = dest:write("file", source)
    assert.is_nil(result)
    assert.equal("local_io", code)
    assert.matches("it was closed before its end", message, 1, true)
    local popen = ltn12.source(io.popen "exit 3")
    for _ = 1, 2 do
      result, message = dest:write("file", popen)
      assert.is_nil(result)
      assert.matches("the command ended with status 3", message, 1, true)
    end
    source = ltn12.source(io.open(dir .. "/local/source"))
    assert(dest:write("other", source))
    assert.error_matches(function() dest:write("file", source) end, "the file has been read to its end already")
    assert.equal("GOOD BACKUP OF YESTERDAY", files.read(share.on_server "file"))
    assert.same({ "file", "other" }, share.everything())
  end)
end)
