-- What people attach to a report of a fault: a line for each request.

local command = require "spec.support.command"
local faults = require "spec.support.faults"
local files = require "spec.support.files"
local server = require "spec.support.server"
local smb = require "smb"
local assert_raises = require("spec.support.share").assert_raises

local LINE = "^(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ) (%d+) (%l[%l_]*) (%S+) (%d+) B ([%d.]+) ms (%S+) (%d+)$"

describe("A trace", function()
  local srv, dir

  setup(function()
    srv = server.start { users = { bob = "s3cret78" } }
    dir = files.directory()
  end)

  teardown(function()
    files.remove(dir)
    srv:stop()
  end)

  local function parsed(line)
    local time, link, verb, name, bytes, ms, status, attempt = line:match(LINE)
    assert(time, line)
    return { link = tonumber(link), verb = verb, name = name, bytes = tonumber(bytes), ms = tonumber(ms),
      status = status, attempt = tonumber(attempt) }
  end

  local function verbs(lines)
    local found = {}
    for _, line in ipairs(lines) do found[#found + 1] = parsed(line).verb end
    return table.concat(found, " ")
  end

  it("has a line for each request as it ends, and no secret", function()
    local lines = {}
    local dest <close> = assert(smb.open(srv:url "backup", { trace = function(line) lines[#lines + 1] = line end }))
    assert.equal("connect", verbs(lines))
    assert(dest:write("a file", ("x"):rep(1000)))
    assert.equal("x", dest:read("a file"):sub(1, 1))
    dest:stat "missing"
    assert(dest:rename("a file", "b"))
    local all = verbs(lines)
    assert.matches("stat rename$", all)
    local missing, renamed = parsed(lines[#lines - 1]), parsed(lines[#lines])
    assert.equal("NT_STATUS_OBJECT_NAME_NOT_FOUND", missing.status)
    assert.equal("missing", missing.name)
    assert.equal("a%20file>b", renamed.name)
    assert.equal("ok", renamed.status)
    assert.equal(1, renamed.attempt)
    assert.is_true(renamed.link > 0)
    assert.is_nil(table.concat(lines):find("s3cret78", 1, true))
  end)

  it("counts attempts, and names the failure of each", function()
    local net <close> = faults.start(srv, dir)
    local lines = {}
    local dest <close> = assert(smb.open(net:url "backup", { retries = 3, retry_delay = 0.01,
      trace = function(line) lines[#lines + 1] = line end }))
    net:tell("cut-frame", 1)
    assert(dest:write("once more", "12345"))
    local found = {}
    for _, line in ipairs(lines) do
      local each = parsed(line)
      if each.attempt > 1 or each.status == "disconnected" then
        found[#found + 1] = each.status .. " " .. each.attempt
      end
    end
    assert.is_true(#found >= 2, table.concat(lines, "\n"))
    assert.equal("disconnected 1", found[1])
  end)

  it("goes to a file, line by line, added to what is there", function()
    local path = files.write(dir .. "/trace", "before\n")
    local dest <close> = assert(smb.open(srv:url "backup", { trace = path }))
    assert(dest:write("x", "1"))
    local text = files.read(path)
    assert.matches("^before\n%d[^\n]* connect [^\n]*\n", text)
    for line in text:sub(8):gmatch "[^\n]+" do parsed(line) end
  end)

  it("that cannot be written is told at once; a function that raises disturbs nobody", function()
    local _, message, code = smb.open(srv:url "backup", { trace = dir .. "/no/folder" })
    assert.equal("local_io", code)
    assert.matches("the trace: .*No such file", message)
    local dest <close> = assert(smb.open(srv:url "backup", { trace = function() error "mine" end }))
    assert.is_table(dest:list())
  end)

  it("is asked for by scripts, never by a URL", function()
    local _, message = smb.open(srv:url("backup", nil, { trace = "/tmp/x" }))
    assert.matches("option 'trace' cannot be set by a URL", message)
    assert_raises("must be a function or the path of a file, not true", smb.open, srv:url "backup", { trace = true })
  end)

  it("is written by every command with --trace", function()
    files.write(dir .. "/one", "1")
    assert.equal(0, command.run(dir, { "put", srv:url "backup", "one", "--trace", "log" }).status)
    assert.equal(0, command.run(dir, { "shares", srv:url "backup", "--trace", "log" }).status)
    local lines = {}
    for line in io.lines(dir .. "/log") do lines[#lines + 1] = line end
    assert.matches("^connect .*put.* connect list_open", verbs(lines))
  end)
end)
