-- What somebody can still do who owns libsmbclient, because a server has found a fault in it. A library that is
-- preloaded into the worker (support/probe.c) tries it from there. docs/security.md says all of this.

local lfs = require "lfs"
local child = require "spec.support.child"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local IS_ROOT = shell.check { "id", "-u" } == "0\n"
-- Sanitizers fork and trace in the worker, and so no system call is refused there.
local IS_SANITIZED = os.getenv "ASAN_OPTIONS" ~= nil

local srv, dir, library

setup(function()
  srv, dir = share.start()
  -- In a folder of its own: a worker may read what lies beside its libraries.
  lfs.mkdir(dir .. "/probe")
  library = dir .. "/probe/probe.so"
  shell.check { "cc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fno-sanitize=all", "-o",
    library, "spec/support/probe.c", "-ldl", "-lpthread" }
end)

teardown(share.stop)

before_each(share.clean)

-- Tries these words in a worker; gives what came of each, and what the program said.
local function try(options, words)
  local run = dir .. "/run"
  lfs.mkdir(run)
  local report = files.write(run .. "/report", ("\0"):rep(4096))
  shell.check { "chmod", "666", report }
  local program = child.start_under({ "env", "LC_ALL=C", "LD_PRELOAD=" .. library, "PROBE_FILE=" .. report,
    "PROBE_TRIES=" .. table.concat(words, " ") }, run, [[
      local dest, message, code = smb.open(%q, { connections = 1, retries = 0, %s })
      say(dest and dest:write("file", "content") and dest:read "file" or code, message)
    ]], srv:url "backup", options)
  local said = program:await_end()
  local results, text = {}, files.read(report):match "^%Z*"
  for word, result in text:gmatch "([^\n]+): ([^\n]*)" do results[word] = result end
  files.remove(run)
  return results, said
end

local function confined(what)
  local dest <close> = assert(smb.open(srv:url "backup"))
  return tostring(dest.info.confined):find(what, 1, true) ~= nil
end

describe("dest.info.confined", function()
  it("says what the worker has given up", function()
    local dest <close> = assert(smb.open(srv:url "backup"))
    assert.matches("^no_new_privs, capabilities", dest.info.confined)
    if not IS_SANITIZED then assert.matches("seccomp", dest.info.confined) end
  end)

  it("is false with confinement = 'off', in a URL as well", function()
    for _, options in ipairs { { confinement = "off" }, {} } do
      local url = srv:url "backup" .. (options.confinement and ""
        or (srv:url "backup":find("?", 1, true) and "&" or "?")
        .. "confinement=off")
      local dest <close> = assert(smb.open(url, options))
      assert.is_false(dest.info.confined)
      assert(dest:write("file", "content"))
    end
  end)

  it("is never in the way of a refused word", function()
    local dest, message = pcall(smb.open, srv:url "backup", { confinement = "maybe" })
    assert.is_false(dest)
    assert.matches("option 'confinement' must be 'on' or 'off', not 'maybe'", tostring(message), 1, true)
  end)
end)

describe("whoever owns libsmbclient", function()
  -- Each with what the kernel says.
  local DENIED, UNKNOWN = "Operation not permitted", "Function not implemented"
  local REFUSED = { capabilities = DENIED, core = DENIED, gain = DENIED }
  local REFUSED_CALLS = { groups = DENIED, listen = DENIED, limit = DENIED, signal = UNKNOWN,
    ["thread-signal"] = UNKNOWN,
    ["signal-by-socket"] = UNKNOWN, packets = UNKNOWN, dumpable = UNKNOWN, terminal = UNKNOWN, ring = UNKNOWN,
    keyring = UNKNOWN,
    ["new-call"] = UNKNOWN }
  local DEADLY = { "exec", "fork", "vfork-flags", "shell", "ptrace", "peek", "namespace", "other-namespace", "mount",
    "module", "kernel", "program" }
  local POSSIBLE =
    { "thread", "own-signal", "datagram=65000", "read=/etc/passwd", "connect=445", "connect=139", "connect=53" }

  local function words_of(...)
    local words = {}
    for _, set in ipairs { ... } do
      for word, result in pairs(set) do words[#words + 1] = type(word) == "number" and result or word end
    end
    table.sort(words)
    return words
  end

  it("has no privileges, and leaves no core file", function()
    local results, said = try("", words_of(REFUSED))
    assert.same(REFUSED, results)
    assert.equal("content\tnil\n", said)
  end)

  it("can send no signals, change no limit, group or protection, offer nothing on the network, use no rarer call",
    function()
    if not confined "seccomp" then return pending "no seccomp here" end
    local results, said = try("", words_of(REFUSED_CALLS))
    assert.same(REFUSED_CALLS, results)
    assert.equal("content\tnil\n", said)
  end)

  it("can make threads, read what the system's libraries need, connect to servers and send datagrams anywhere",
    function()
    local results, said = try("", POSSIBLE)
    for _, word in ipairs(POSSIBLE) do assert.equal("ok", results[word], word) end
    assert.equal("content\tnil\n", said)
  end)

  -- A file of the user's, places where there is none, a port that is no server's.
  local function elsewhere()
    files.write(dir .. "/local/file", "content")
    return { "read=" .. dir .. "/local/file", "write=" .. dir .. "/local/file", "make=" .. dir .. "/local/new",
      "make=/tmp/lua-smb-" .. math.random(999999999) }, "connect=65000"
  end

  local function assert_all(words, result, results)
    for _, word in ipairs(words) do assert.equal(result, results[word], word) end
  end

  it("can read none of the user's files, and write none at all", function()
    if not confined "landlock_files" then return pending "no Landlock here" end
    local paths = elsewhere()
    paths[#paths + 1] = "write=/etc/passwd"
    paths[#paths + 1] = "write=/dev/zero"
    local results, said = try("", paths)
    assert_all(paths, "Permission denied", results)
    assert.equal("content\tnil\n", said)
  end)

  it("can connect to no other port", function()
    if not confined "landlock_tcp" then return pending "no Landlock for ports here" end
    local _, port = elsewhere()
    assert.equal("Permission denied", (try("", { port }))[port])
  end)

  it("can do both with Kerberos, which has files and servers anywhere, and without confinement", function()
    for _, options in ipairs { "kerberos = 'desired'", "confinement = 'off'" } do
      local paths, port = elsewhere()
      paths[#paths + 1] = port
      assert_all(paths, "ok", (try(options, paths)))
    end
  end)

  for _, word in ipairs(DEADLY) do
    it("ends the worker, and nothing else, with " .. word, function()
      if not confined "seccomp" then return pending "no seccomp here" end
      local results, said = try("", { word })
      assert.equal("", results[word])
      assert.matches("the worker process ended unexpectedly", said)
    end)
  end

  it("could do much of it without confinement", function()
    local words = words_of(REFUSED_CALLS, DEADLY)
    for i = #words, 1, -1 do
      if words[i] == "namespace" then table.remove(words, i) end
    end
    local results, said = try("confinement = 'off'", words)
    for _, word in ipairs { "exec", "fork", "vfork-flags", "shell", "listen", "limit", "signal-by-socket", "ptrace",
      "peek" } do
      assert.equal("ok", results[word], word)
    end
    for _, word in ipairs(IS_ROOT and { "groups", "packets", "signal", "thread-signal" } or {}) do
      assert.equal("ok", results[word], word)
    end
    assert.equal("content\tnil\n", said)
  end)
end)
