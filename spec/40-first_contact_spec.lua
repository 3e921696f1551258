-- What a script hears while it waits for a server: each further attempt, before it is made; and how long a first
-- contact is tried.

local files = require "spec.support.files"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local assert_fails = share.assert_fails

local dir, net

setup(function()
  local _
  _, dir = share.start()
  net = share.network()
end)

teardown(share.stop)

before_each(function() share.clean() end)

after_each(function()
  net:tell "calm"
  net:tell "go"
end)

-- A function for on_retry that keeps what it is called with; `answers` are what it returns, one after the other.
local function recorder(answers)
  local calls = {}
  return calls, function(attempt, of, code, message, seconds)
    calls[#calls + 1] = { attempt = attempt, of = of, code = code, message = message, seconds = seconds }
    return answers and answers[#calls]
  end
end

local function open(options)
  options.retry_delay = options.retry_delay or 0.01
  return smb.open(net:url "backup", options)
end

describe("a first contact that fails", function()
  before_each(function() net:tell "refuse" end)

  it("is tried once more, and on_retry hears of that", function()
    local calls, on_retry = recorder()
    assert_fails("unreachable", open { on_retry = on_retry })
    assert.equal(1, #calls)
    local call = calls[1]
    assert.equal(1, call.attempt)
    assert.equal(1, call.of)
    assert.equal("unreachable", call.code)
    assert.matches("^open on smb://.*: .*refused", call.message)
    assert.is_true(call.seconds > 0 and call.seconds < 1)
  end)

  it("is tried as often as retries says, in a table or a URL", function()
    for _, retries in ipairs { 0, 3 } do
      local calls, on_retry = recorder()
      assert_fails("unreachable", open { on_retry = on_retry, retries = retries })
      assert.equal(retries, #calls)
      for i, call in ipairs(calls) do assert.same({ i, retries }, { call.attempt, call.of }) end
    end
    local calls, on_retry = recorder()
    local url = net:url("backup", nil, { retries = 2, ["retry-delay"] = "10ms" })
    assert_fails("unreachable", smb.open(url, { on_retry = on_retry }))
    assert.equal(2, #calls)
  end)

  it("is not tried again when on_retry returns false", function()
    local calls, on_retry = recorder { nil, false }
    assert_fails("unreachable", open { on_retry = on_retry, retries = 5 })
    assert.equal(2, #calls)
  end)

  it("passes an error of on_retry on", function()
    local problem = {}
    local ok, raised = pcall(open, { on_retry = function() error(problem, 0) end })
    assert.is_false(ok)
    assert.equal(problem, raised)
  end)

  it("draws nothing from the host's random numbers", function()
    math.randomseed(7)
    local expected = math.random(1000000)
    math.randomseed(7)
    assert_fails("unreachable", open { retries = 3 })
    assert.equal(expected, math.random(1000000))
  end)

  it("says the same of smb.shares", function()
    local calls, on_retry = recorder()
    assert_fails("unreachable", smb.shares(net:url "backup", { on_retry = on_retry, retry_delay = 0.01 }))
    assert.equal(1, #calls)
    assert.matches("^shares on smb://", calls[1].message)
  end)

  it("is tried again until the server is there, with wait_for_server", function()
    local dest <close> = assert(open { wait_for_server = "1h", on_retry = function(attempt, of, code)
      assert.is_nil(of)
      assert.equal("unreachable", code)
      if attempt == 4 then net:tell "calm" end
    end })
    assert.is_true(dest:test())
  end)

  it("ends as it does without, when wait_for_server is over", function()
    local calls, on_retry = recorder()
    local began = os.time()
    assert_fails("unreachable", open { wait_for_server = 2, retry_delay = 0.2, on_retry = on_retry })
    assert.is_true(os.time() - began <= 30)
    assert.is_true(#calls >= 2)
    assert_fails("unreachable", open { wait_for_server = 0 })
  end)

  it("waits with wait_for_server in a URL, too, but no longer than total_timeout", function()
    assert.equal(180, smb.parse("smb://nas/backup?wait-for-server=3m").wait_for_server)
    local calls, on_retry = recorder()
    local code = select(3, smb.open(net:url("backup", nil, { ["wait-for-server"] = "1h", ["total-timeout"] = "1s",
      ["retry-delay"] = "100ms" }),
      { on_retry = on_retry }))
    assert.is_true(code == "unreachable" or code == "timeout", code)
    assert.is_true(#calls >= 1)
  end)
end)

describe("a server whose name is not known yet", function()
  it("is waited for with wait_for_server", function()
    local calls, on_retry = recorder { true, true, false }
    assert_fails("host_not_found", smb.open { server = "nowhere.invalid", share = "backup", anonymous = true,
      wait_for_server = "1h", retry_delay = 0.01, on_retry = on_retry })
    assert.equal(3, #calls)
    assert_fails("host_not_found", smb.open { server = "nowhere.invalid", share = "backup", anonymous = true,
      on_retry = on_retry })
    assert.equal(3, #calls)
  end)
end)

describe("once a server has answered", function()
  it("calls are tried as often as ever, and on_retry hears of each attempt", function()
    local calls, on_retry = recorder()
    local dest <close> = assert(open { on_retry = on_retry, connections = 1 })
    net:tell "refuse"
    net:tell "kill"
    local code = select(3, dest:stat "file")
    assert.is_true(code == "unreachable" or code == "disconnected", code)
    assert.equal(5, #calls)
    assert.same({ 5, 5 }, { calls[5].attempt, calls[5].of })
    assert.matches("^stat 'file' on smb://", calls[5].message)
  end)

  it("a call's own on_retry is called in place of the destination's", function()
    local theirs, of_destination = recorder()
    local dest <close> = assert(open { on_retry = of_destination, connections = 1 })
    local source = files.write(dir .. "/local/file", ("x"):rep(200000))
    for _, call in ipairs {
      { "put", source, "file" }, { "write", "file", "x" }, { "delete", "file", }, { "copy", "file", "other" },
      { "rename", "file", "other" }, { "rmdir", "folder" }, { "get", "file", dir .. "/local/back" }, { "sweep", "" },
      { "put_tree", dir .. "/local", "tree" }, { "get_tree", "tree", dir .. "/local/tree" }, { "test" },
      { "read", "file", nil },
    } do
      local own, on_retry = recorder { false }
      net:tell "refuse"
      net:tell "kill"
      local arguments = table.pack(table.unpack(call, 2, call[1] == "read" and 3 or nil))
      arguments[call[1] == "read" and 3 or #call] = { on_retry = on_retry }
      local ok, _, code = dest[call[1]](dest, table.unpack(arguments, 1, 3))
      assert.is_nil(ok, call[1])
      assert.is_true(code == "unreachable" or code == "disconnected", call[1] .. code)
      assert.equal(1, #own, call[1])
      assert.equal(own[1].code, code, call[1])
      assert.matches("^" .. call[1] .. "[ ']", own[1].message)
      net:tell "calm"
    end
    assert.equal(0, #theirs)
  end)

  it("an error of on_retry in a put leaves nothing on the share", function()
    local dest <close> = assert(open { connections = 1 })
    local source = files.write(dir .. "/local/file", ("x"):rep(2000000))
    net:tell("cut", 300000)
    local ok, raised = pcall(dest.put, dest, source, "file", { on_retry = function() error("no more", 0) end })
    assert.same({ false, "no more" }, { ok, raised })
    assert.same({}, share.everything())
    assert.is_true(dest:test())
  end)

  it("attempts of a tree's files are named", function()
    local calls, on_retry = recorder()
    local dest <close> = assert(open { connections = 1 })
    shell.check { "mkdir", "-p", dir .. "/local/tree/inner" }
    files.write(dir .. "/local/tree/inner/file", ("x"):rep(2000000))
    net:tell("cut", 300000)
    local summary = assert(dest:put_tree(dir .. "/local/tree", "tree", { on_retry = on_retry }))
    assert.equal(1, summary.files)
    assert.equal(1, #calls)
    assert.matches("^put_tree 'tree/inner/file' on smb://", calls[1].message)
  end)

  it("a job's on_retry may wait, as all functions of a job may", function()
    local dest <close> = assert(open { connections = 1 })
    net:tell "refuse"
    net:tell "kill"
    local job = dest:submit("delete", "file", { missing_ok = true, on_retry = function() net:tell "calm" end })
    assert.is_true(job:wait())
  end)
end)

describe("on_retry", function()
  it("is a function, and has no place in a URL", function()
    assert.has_error(function() smb.open(net:url "backup", { on_retry = "x" }) end,
      "smb.open: option 'on_retry' must be a function, not a string")
    assert_fails("invalid_url", smb.parse "smb://nas/backup?on-retry=x")
    assert.matches("a function has no place in a URL", select(2, smb.parse "smb://nas/backup?on-retry=x"), 1, true)
  end)

  it("can be assigned, and taken away", function()
    local calls, on_retry = recorder()
    local dest <close> = assert(open { connections = 1 })
    dest.options.on_retry = on_retry
    assert.equal(on_retry, dest.options.on_retry)
    net:tell "refuse"
    net:tell "kill"
    dest.options.retries = 1
    assert.is_nil((dest:stat "file"))
    assert.equal(1, #calls)
    dest.options.on_retry = nil
    assert.is_nil((dest:stat "file"))
    assert.equal(1, #calls)
  end)
end)
