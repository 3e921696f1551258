-- Local disks that do not take a time, or set another one; and what the command says of a time that was not kept.

local lfs = require "lfs"
local child = require "spec.support.child"
local disktimes = require "spec.support.disktimes"
local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local on_server = share.on_server
local TIME = 1500000000
local FIRST, LAST = -2147483648, 15032385535 -- what ext4 holds: 1901 to 2446
local srv, dir, tools

setup(function()
  tools = files.directory()
  srv, dir =
    share.start { shares = { backup = {} }, environment = disktimes.environment(tools, { refuse = "/foreign" }) }
end)

teardown(function()
  share.stop()
  files.remove(tools)
end)

before_each(function()
  share.clean()
  lfs.mkdir(dir .. "/local/refused")
  lfs.mkdir(dir .. "/local/kept")
end)

local function mtime_of(path) return lfs.attributes(path, "modification") end

local function touch(path, time)
  shell.check { "touch", "-d", "@" .. time, path }
  return path
end

local function make(path, content, time) return touch(files.write(path, content), time or TIME) end

local function preload(how)
  local words = { "env" }
  for key, value in pairs(disktimes.environment(tools, how)) do words[#words + 1] = key .. "=" .. value end
  return words
end

-- What a program says whose disk does not let the times of files in `refused` be set, and holds 1901 to 2446 elsewhere.
local function run(text, ...)
  local how = { refuse = "/refused", first = FIRST, last = LAST }
  local program = "local dest <close> = assert(smb.open(%q, { retries = 0 }))\nlfs = require 'lfs'\nlfs.chdir(%q)\n"
    .. text
  return child.start_under(preload(how), dir, program, srv:url "backup", dir .. "/local", ...):await_end()
end

-- FUSE and network file systems, foreign owners: no reason to lose what was fetched.
describe("where the local disk does not take a time", function()
  before_each(function() make(on_server "file", "content") end)

  it("get keeps what has arrived, and tells", function()
    assert.equal("false 7\nnil\n", run [[
      local result = assert(dest:get("file", "refused/file"))
      say(tostring(result.mtime_kept) .. " " .. result.bytes)
      say(assert(dest:get("file", "kept/file")).mtime_kept)]])
    assert.equal("content", files.read(dir .. "/local/refused/file"))
    assert.not_equal(TIME, mtime_of(dir .. "/local/refused/file"))
    assert.equal(TIME, mtime_of(dir .. "/local/kept/file"))
    assert.same({ "file" }, files.list(dir .. "/local/refused"))
  end)

  it("get insists where it is told to, and leaves the old file alone", function()
    files.write(dir .. "/local/refused/file", "old")
    local said = run [[
      local result, message, code = dest:get("file", "refused/file", { preserve_mtime = true })
      say(result, code, message)
      say(assert(dest:get("file", "kept/file", { preserve_mtime = true })).mtime_kept)]]
    assert.matches("^nil\tlocal_io\tget 'file'[^\n]*refused/file': the local file's time cannot be set[^\n]*\nnil\n$",
      said)
    assert.equal("old", files.read(dir .. "/local/refused/file"))
    assert.same({ "file" }, files.list(dir .. "/local/refused"))
    assert.equal(TIME, mtime_of(dir .. "/local/kept/file"))
  end)

  it("get does not try where it is told not to", function()
    assert.equal("nil\nnil\n", run [[
      say(assert(dest:get("file", "refused/file", { preserve_mtime = false })).mtime_kept)
      say(assert(dest:get("file", "kept/file", { preserve_mtime = false })).mtime_kept)]])
    assert.equal("content", files.read(dir .. "/local/refused/file"))
    assert.not_equal(TIME, mtime_of(dir .. "/local/kept/file"))
  end)

  -- Small files are fetched several at a time, big ones alone, and with verify = "sha256" each.
  it("get_tree keeps the files, and counts", function()
    lfs.mkdir(on_server "tree")
    for i = 1, 5 do make(on_server("tree/" .. i), "content " .. i) end
    touch(files.make(on_server "tree/big", 300000), TIME)
    assert.equal("6 6 0\n6 6 0\n6 0 0\n6 0 0\n", run [[
      local function fetch(...)
        local summary = assert(dest:get_tree("tree", ...))
        say(summary.files .. " " .. summary.times_refused .. " " .. #summary.errors)
      end
      fetch "refused/tree"
      fetch("refused/tree", { verify = "sha256", changed = "always" })
      fetch("refused/other", { preserve_mtime = false })
      fetch "kept/tree"]])
    for i = 1, 5 do
      assert.equal("content " .. i, files.read(dir .. "/local/refused/tree/" .. i))
      assert.equal(TIME, mtime_of(dir .. "/local/kept/tree/" .. i))
    end
  end)

  it("get_tree insists where it is told to, and leaves the old files alone", function()
    lfs.mkdir(on_server "tree")
    lfs.mkdir(dir .. "/local/refused/tree")
    for i = 1, 5 do
      make(on_server("tree/" .. i), "content " .. i)
      files.write(dir .. "/local/refused/tree/" .. i, "old")
    end
    local said = run [[
      say(select(3, dest:get_tree("tree", "refused/tree", { preserve_mtime = true })))
      local summary = assert(dest:get_tree("tree", "refused/tree", { preserve_mtime = true, on_error = "continue" }))
      say(summary.files .. " " .. #summary.errors)]]
    assert.equal("local_io\n0 5\n", said)
    for i = 1, 5 do assert.equal("old", files.read(dir .. "/local/refused/tree/" .. i)) end
    assert.same({ "1", "2", "3", "4", "5" }, files.list(dir .. "/local/refused/tree"))
  end)
end)

-- The command. --------------------------------------------------------------------------------------------------------

local WARNING = "^lua%-smb: warning: '[^\n]*file' has arrived whole, but its modification time was refused "
  .. "%(%-%-preserve%-mtime makes that a failure%)\n$"

describe("of a time that was not kept the command", function()
  local HERE, BUILD = lfs.currentdir(), os.getenv "BUILD" or "build"
  if not BUILD:find "^/" then BUILD = HERE .. "/" .. BUILD end

  local refusing = { refuse = "/refused" }

  -- `how`: what the local disk does.
  local function command(how, ...)
    local words = how and preload(how) or { "env" }
    local rest = { ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(HERE, HERE),
      ("LUA_CPATH_5_4=%s/?.so;;"):format(BUILD), HERE .. "/bin/lua-smb", ... }
    table.move(rest, 1, #rest, #words + 1, words)
    local _, _, status = shell.run(("cd %s && setsid -w %s </dev/null >%s/stdout 2>%s/stderr")
      :format(shell.quote(dir .. "/local"), shell.quote(words), dir, dir))
    return status, files.read(dir .. "/stderr"), files.read(dir .. "/stdout")
  end

  before_each(function()
    make(dir .. "/local/file", "content")
    make(on_server "file", "content")
    lfs.mkdir(on_server "foreign")
  end)

  it("warns after a put, and succeeds", function()
    local status, stderr, stdout = command(nil, "put", srv:url "backup", "file", "--into", "foreign")
    assert.same({ 0, "" }, { status, stdout })
    assert.matches(WARNING, stderr)
    assert.equal("content", files.read(on_server "foreign/file"))
    assert.same({ 0, "", "" }, { command(nil, "put", srv:url "backup", "file", "--name", "other") })
  end)

  it("fails a put with --preserve-mtime", function()
    files.write(on_server "foreign/file", "old")
    local status, stderr = command(nil, "put", srv:url "backup", "file", "--into", "foreign", "--preserve-mtime")
    assert.equal(1, status)
    assert.matches("^lua%-smb: put '[^\n]*file' on smb://[^\n]*\n$", stderr)
    assert.not_matches("warning", stderr)
    assert.equal("old", files.read(on_server "foreign/file"))
  end)

  it("does not speak where it was not to be kept", function()
    assert.same({ 0, "", "" },
      { command(nil, "put", srv:url "backup", "file", "--into", "foreign", "--no-preserve-mtime") })
    assert.equal("content", files.read(on_server "foreign/file"))
    assert.same({ 0, "", "" },
      { command(nil, "put", srv:url "backup", "file", "--name", "now", "--no-preserve-mtime") })
    assert.not_equal(TIME, mtime_of(on_server "now"))
    assert.same({ 0, "", "" },
      { command(refusing, "get", srv:url "backup", "file", "refused/file", "--no-preserve-mtime") })
    assert.equal("content", files.read(dir .. "/local/refused/file"))
  end)

  it("warns after a get, and fails it with --preserve-mtime", function()
    local status, stderr, stdout = command(refusing, "get", srv:url "backup", "file", "refused/file")
    assert.same({ 0, "" }, { status, stdout })
    assert.matches(WARNING, stderr)
    assert.equal("content", files.read(dir .. "/local/refused/file"))
    files.write(dir .. "/local/refused/file", "old")
    status, stderr = command(refusing, "get", srv:url "backup", "file", "refused/file", "--preserve-mtime")
    assert.equal(1, status)
    assert.matches("^lua%-smb: get 'file'[^\n]*the local file's time cannot be set", stderr)
    assert.equal("old", files.read(dir .. "/local/refused/file"))
  end)
end)
