-- Hosts with little, or with something odd: limits, environments, locales. Each either works, or says in one sentence
-- what is missing; none crashes, hangs, or is told that a process "ended unexpectedly" and no more.

local lfs = require "lfs"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"
local SANITIZED = os.getenv "ASAN_OPTIONS" ~= nil
local MAY_BE_OTHERS = shell.run "[ $(id -u) = 0 ] && setpriv --reuid 54321 --clear-groups true"
local ROOT = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
if not BUILD:find "^/" then BUILD = ROOT .. "/" .. BUILD end
local KIB, MIB = 1024, 1024 * 1024

-- What the host does: something of everything. It reports "works", or the code and the message of what does not.
local PROGRAM = [[
  os.setlocale(os.getenv "SET_LOCALE" or "C")
  local report = REPORT and assert(io.open(REPORT, "w")) or io.stdout
  local function check(result, message, code)
    if result then return result end
    report:write(code, "\t", message, "\n")
    report:close()
    os.exit(0, true)
  end
  local smb = require "smb"
  local dest = check(smb.open(URL, { retries = 0, short_timeout = 60 }))
  check(dest:write("f\u{e4}\u{131}I", "content"))
  check(dest:put(SOURCE, "source"))
  assert(#check(dest:list()) >= 2)
  local first, second = dest:submit("exists", "source"), dest:submit("write", "job", "x")
  check(first:wait())
  check(second:wait())
  local f = check(dest:open("source", "r+"))
  local text, message, code = f:read "a"
  assert(#check(text, message, code) == 300000)
  check(f:write "more")
  check(f:close())
  check(dest:get("source", BACK))
  check(dest:close())
  report:write "works\n"
]]

local srv, dir

setup(function()
  srv = server.start { log_level = "0" }
  dir = files.directory()
  files.make(dir .. "/source", 300000)
  shell.check { "chmod", "-R", "a+rwX", dir, srv:path "backup" }
end)

teardown(function()
  srv:stop()
  files.remove(dir)
end)

before_each(function() shell.check { "find", srv:path "backup", "-mindepth", "1", "-delete" } end)

-- Runs the program behind some words of a command line; what it reported, and its exit status. `silent`: it has no
-- standard output, or shells say there what they think of such a host.
local function run(words, silent)
  local report = dir .. "/report"
  os.remove(report)
  os.remove(dir .. "/back")
  local text = ("package.path, package.cpath = %q .. package.path, %q .. package.cpath\n"):format(
    ROOT .. "/lua/?.lua;" .. ROOT .. "/lua/?/init.lua;", BUILD .. "/?.so;")
    .. ("local URL, SOURCE, BACK, REPORT = %q, %q, %q, %s\n"):format(srv:url "backup", dir .. "/source", dir .. "/back",
      silent and ("%q"):format(report) or "nil") .. PROGRAM
  local path = files.write(dir .. "/program.lua", text)
  shell.check { "chmod", "a+r", path }
  local command =
    table.move({ "timeout", "100", "lua5.4", path }, 1, 4, #words + 1, table.move(words, 1, #words, 1, {}))
  local _, output, status = shell.run(command)
  return silent and files.exists(report) and files.read(report) or output, status
end

local function sh(script) return { "sh", "-c", script .. '; exec "$@"', "sh" } end

-- One line: a code, and a sentence that holds one of the reasons.
local function assert_says(output, reasons, what)
  local code, message = output:match "^(%l[%l_]*)\t([^\n]*)\n$"
  assert(code, what .. ": " .. output)
  assert(#message < 500, what .. ": " .. message)
  for _, reason in ipairs(reasons) do
    if message:find(reason) then return end
  end
  error(what .. ": " .. message)
end

describe("a host works", function()
  local hosts = {
    { "without HOME", { "env", "-u", "HOME" } },
    { "with a HOME that is not there", { "env", "HOME=/nonexistent" } },
    { "with a HOME that is a file", { "env", "HOME=/etc/passwd" } },
    { "with a relative HOME", { "env", "HOME=." } },
    { "without an environment", { "env", "-i", "PATH=" .. os.getenv "PATH" } },
    { "with a TMPDIR that is not there", { "env", "TMPDIR=/nonexistent" } },
    { "with POSIXLY_CORRECT, and a time zone that is not there", { "env", "POSIXLY_CORRECT=1", "TZ=:/nonexistent" } },
    { "with a locale that is not there", { "env", "LC_ALL=xx_YY.UTF-8", "SET_LOCALE=xx_YY.UTF-8" }, silent = true },
    { "without standard input", sh "exec <&-" },
    { "without standard input, output and error", sh "exec <&- >&- 2>&-", silent = true },
    { "in a folder that was deleted", sh('mkdir "' .. "$0.gone" .. '" 2>/dev/null; cd "$0.gone" && rmdir "$PWD"'),
      silent = true },
    { "with a umask that takes all rights", sh "umask 0777" },
    { "that ignores SIGCHLD", { "env", "--ignore-signal=CHLD" } },
    { "that ignores SIGPIPE, SIGINT and SIGTERM", { "env", "--ignore-signal=PIPE,INT,TERM" } },
    { "that blocks all signals", { "env", "--block-signal" } },
    { "in a session of its own", { "setsid", "-w" } },
    { "without privileges to be had", { "setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all" },
      needs_root = true },
    { "as a user whom no file knows", { "setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups" },
      needs_root = true },
    { "with a stack of 64 KiB", { "prlimit", "--stack=65536" }, is_bare = true },
    { "without locked memory, with core files", { "prlimit", "--memlock=0", "--core=unlimited" } },
    { "with 150 MiB of memory", { "prlimit", "--as=" .. 150 * MIB }, is_bare = true },
    { "with 12 descriptors", { "prlimit", "--nofile=12" }, is_bare = true },
  }
  for _, host in ipairs(hosts) do
    local lacks = host.needs_root and not MAY_BE_OTHERS and "root" or host.is_bare and SANITIZED and "no sanitizers"
    local define = lacks and pending or it
    define(host[1] .. (lacks and " (needs " .. lacks .. ")" or ""), function()
      local output, status = run(host[2], host.silent)
      assert.equal("works\n", output)
      assert.equal(0, status)
    end)
  end
end)

-- Turkish has another capital of i; Latin-1 and EUC-JP have other bytes.
describe("a host in the locale", function()
  for _, locale in ipairs { "tr_TR.UTF-8", "de_DE.ISO-8859-1", "ja_JP.EUC-JP" } do
    it(locale .. " works", function()
      local language, charset = locale:match "^(.*)%.(.*)$"
      if not shell.run { "localedef", "-i", language, "-f", charset, dir .. "/" .. locale } then
        return pending "there is no source of this locale (the package locales)"
      end
      local output = run { "env", "LOCPATH=" .. dir, "LC_ALL=" .. locale, "SET_LOCALE=" .. locale }
      assert.equal("works\n", output)
    end)
  end
end)

-- From too little to enough, in steps: on the way each says what it lacks.
describe("a host with a limit on", function()
  local limits = {
    { "descriptors", "nofile", { 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 20, 32 }, { "Too many open files" } },
    { "memory", "as", { 12 * MIB, 20 * MIB, 40 * MIB, 60 * MIB, 80 * MIB, 100 * MIB, 120 * MIB, 150 * MIB, 400 * MIB },
      { "[Mm]emory", "cannot allocate", "failed to map", "No room" } },
    { "the size of files", "fsize", { 4 * KIB, 64 * KIB, 200 * KIB, MIB }, { "File too large" } },
    { "the stack", "stack", { 16 * KIB, 64 * KIB, MIB }, { "[Mm]emory", "stack" } },
    { "processes", "nproc", { 1, 2, 3, 4, 5, 6, 8, 12, 20 },
      { "Resource temporarily unavailable", "process", "thread" },
      as = { "setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups" } },
  }
  for _, limit in ipairs(limits) do
    local what, option, values, reasons = table.unpack(limit)
    local lacks = limit.as and not MAY_BE_OTHERS and "root" or SANITIZED and "no sanitizers"
    local define = lacks and pending or it
    define(what .. " works or says so" .. (lacks and " (needs " .. lacks .. ")" or ""), function()
      local worked = false
      for _, value in ipairs(values) do
        local words = table.move({ "prlimit", ("--%s=%d"):format(option, value) }, 1, 2, 1, {})
        table.move(limit.as or {}, 1, #(limit.as or {}), 3, words)
        local output, status = run(words)
        local where = ("%s of %d"):format(option, value)
        -- The interpreter itself, or what starts it, may not get so far.
        local is_lua = output:find "^lua5.4: " or output:find "error while loading shared libraries"
          or output:find "^timeout: " or output:find "^sh: " or status == 139
        if not is_lua then
          assert.equal(0, status, where .. ": " .. output)
          if output ~= "works\n" then assert_says(output, reasons, where) end
        end
        worked = output == "works\n"
        if limit.as then -- processes that end count until they are reaped
          assert.is_truthy(
            shell.poll(function() return not shell.run "grep -qs '^Uid:.54321' /proc/[0-9]*/status" end, 20))
        end
      end
      assert.is_true(worked)
    end)
  end
end)

describe("a host works", function()
  local hosts = {
    { "without /dev/shm", "umount /dev/shm 2>/dev/null; mount -t tmpfs -o ro none /dev/shm" },
    { "without /etc", "mount -t tmpfs none /etc" },
    { "without /tmp", "mount -t tmpfs -o ro none /tmp" },
    { "without /var", "mount -t tmpfs -o ro none /var" },
    { "without /sys", "mount -t tmpfs -o ro none /sys" },
    { "with a root that is read-only", "mount -o remount,bind,ro /" },
  }
  for _, host in ipairs(hosts) do
    (SANDBOX and it or pending)(host[1] .. (SANDBOX and "" or " (needs the sandbox)"), function()
      assert.equal("works\n", (run { "unshare", "-m", "sh", "-c", host[2] .. ' && exec "$@"', "sh" }))
    end)
  end
end)
