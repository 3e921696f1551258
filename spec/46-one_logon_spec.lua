-- A password that has become wrong is sent once, whatever breaks and however many connections there are: servers and
-- directories lock an account after some bad attempts. The server's log counts them.

local core = require "smb.core"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local MIB = 1024 * 1024
local PASSWORD = "s3cret"

local srv, net, dir
local assert_fails = share.assert_fails

setup(function()
  srv, dir = share.start()
  net = share.network()
end)
teardown(share.stop)

before_each(function()
  share.clean()
  srv:mark()
end)

after_each(function()
  net:tell "go"
  net:tell "calm"
  srv:set_password("bob", PASSWORD)
end)

-- From now on the password is wrong for all who log on.
local function change_password()
  srv:set_password("bob", "n3w")
  srv:mark()
end

local function refused_logons() return (select(2, srv:logons())) end

-- Starts workers until there are so many, and has them all log on.
local function log_on(dest, count, at)
  core.warm(dest, count)
  assert.is_true(shell.poll(function()
    core.poll(dest, 0)
    return #processes.workers() == count and (at or srv):logons() >= count
  end, 20))
end

local function assert_all_fail(jobs)
  local reasons = {}
  for _, job in ipairs(jobs) do
    local result, message, code = job:wait()
    reasons[#reasons + 1] = assert_fails("auth_failed", result, message, code):match ": (.*)$"
  end
  for _, reason in ipairs(reasons) do
    assert.equal("user name or password is wrong (NT_STATUS_LOGON_FAILURE)", reason)
  end
end

local BREAKS = {
  ["cut"] = function() net:tell "kill" end,
  ["cut by the server"] = function() srv:disconnect() end,
  ["lost with a server that is restarted"] = function() srv:restart() end,
}

for _, encryption in ipairs { "default", "required" } do
  local function opened(options)
    options = options or {}
    options.encryption, options.retries, options.retry_delay = encryption, 3, 0.01
    options.connections = options.connections or 8
    return assert(smb.open(net:url "backup", options))
  end

  describe(("a password that was changed on the server is sent once, encryption = %q,"):format(encryption), function()
    for name, cut in pairs(BREAKS) do
      it("when eight idle connections are " .. name, function()
        local dest <close> = opened()
        log_on(dest, 8)
        change_password()
        cut()
        local jobs = {}
        for i = 1, 8 do jobs[i] = dest:submit("exists", "file" .. i) end
        assert_all_fail(jobs)
        assert.equal(1, refused_logons())
        assert_fails("auth_failed", dest:exists "")
        assert_fails("auth_failed", dest:put_tree(dir .. "/local", "tree"))
        assert.equal(1, refused_logons())
      end)

      it("when connections with jobs under way are " .. name, function()
        net:tell("latency", 60)
        local dest <close> = opened()
        log_on(dest, 8)
        local jobs, content = {}, ("x"):rep(4 * MIB)
        change_password()
        for i = 1, 8 do jobs[i] = dest:submit("write", "file" .. i, content) end
        assert(shell.poll(function()
          core.poll(dest, 0)
          return #share.everything() == 8
        end))
        cut()
        assert_all_fail(jobs)
        assert.equal(1, refused_logons())
      end)
    end

    it("when the connections of a tree are cut", function()
      net:tell("latency", 10)
      for i = 1, 60 do files.write(dir .. "/local/" .. i, ("x"):rep(50000)) end
      local dest <close> = opened()
      log_on(dest, 8)
      change_password()
      local sent = 0
      local summary, message, code = dest:put_tree(dir .. "/local", "tree", {
        filter = function()
          sent = sent + 1
          if sent == 40 then net:tell "kill" end
          return true
        end,
      })
      assert_fails("auth_failed", summary, message, code)
      assert.equal(1, refused_logons())
    end)

    it("when a big file's connections are cut", function()
      net:tell("latency", 20)
      files.make(dir .. "/local/big", 200 * MIB)
      local dest <close> = opened()
      change_password()
      -- Further connections come about with the wrong password already, and the first goes on.
      local done = 0
      local result, message, code = dest:put(dir .. "/local/big", "big", {
        progress = function(bytes)
          if bytes > 20 * MIB and done == 0 then
            done = bytes
            net:tell "kill"
          end
        end,
      })
      assert_fails("auth_failed", result, message, code)
      assert.equal(1, refused_logons())
      os.remove(dir .. "/local/big")
    end)

    it("when the connections of open files are cut", function()
      local dest <close> = opened { connections = 4 }
      log_on(dest, 4)
      local opens = {}
      for i = 1, 8 do
        opens[i] = assert(dest:open("file" .. i, "w+"))
        assert(opens[i]:write "content")
        assert(opens[i]:flush())
      end
      change_password()
      net:tell "kill"
      for _, file in ipairs(opens) do
        file:write "more"
        file:flush()
        file:read(1)
        file:close()
      end
      assert_fails("auth_failed", dest:exists "")
      assert.equal(1, refused_logons())
    end)

    it("when it never was right", function()
      change_password()
      for _ = 1, 3 do
        srv:mark()
        assert_fails("auth_failed", smb.open(net:url("backup"), { encryption = encryption, connections = 8, retries = 5,
          retry_delay = 0.01 }))
        assert.equal(1, refused_logons())
      end
    end)
  end)

  it(("a password that is right again is sent by a destination opened anew, encryption = %q"):format(encryption),
    function()
    local dest <close> = opened()
    change_password()
    net:tell "kill"
    assert_fails("auth_failed", dest:exists "")
    srv:set_password("bob", PASSWORD)
    assert_fails("auth_failed", dest:exists "")
    assert.equal(1, refused_logons())
    local other <close> = opened()
    assert.is_true(other:exists "")
  end)
end

-- For a while the server wants encryption, which this dialect does not know: that says nothing of the password.
it("a logon that is refused for another reason is tried again by the next call", function()
  local other <close> = server.start { global = {} }
  local dest <close> = assert(smb.open(other:fields { max_protocol = "SMB2_10", retries = 0, connections = 2 }))
  local function demand(encryption)
    other.global["server smb encrypt"] = encryption
    other:change("backup", {})
    other:restart()
    dest:exists "" -- notices that the connection has gone, if it has not before
  end
  assert.is_false(dest:exists "file")
  demand "required"
  for _ = 1, 3 do assert.is_nil((dest:exists "file")) end
  demand "default"
  assert.is_false(dest:exists "file")
end)

it("connections that are cut log on again side by side where the password is right", function()
  net:tell("latency", 20)
  local dest <close> = assert(smb.open(net:url "backup", { connections = 8, retries = 3, retry_delay = 0.01 }))
  log_on(dest, 8)
  net:tell "kill"
  local jobs = {}
  for i = 1, 8 do jobs[i] = dest:submit("write", "file" .. i, ("%d"):format(i)) end
  for _, job in ipairs(jobs) do assert(job:wait()) end
  assert.equal(8, #share.everything())
  assert.equal(0, refused_logons())
end)

-- Calls fn with a destination, a worker that hangs in the middle of its logon and the jobs of that worker and of
-- another one.
local function with_hanging_logon(options, fn)
  net:tell("latency", 100)
  local dest <close> = assert(smb.open(net:url "backup", { connections = 2, retries = 0 }))
  for name, value in pairs(options) do dest.options[name] = value end
  local first = processes.worker()
  net:tell "kill"
  local before = net:stats().frames
  local function await_frames(count)
    assert.is_true(shell.poll(function()
      core.poll(dest, 0)
      return net:stats().frames - before == count
    end))
  end
  local hanging = dest:submit("exists", "a")
  await_frames(3) -- it negotiates, begins to log on, has sent the password
  shell.kill(first, "STOP")
  local waiting = dest:submit("exists", "b")
  await_frames(5) -- another one has come as far as the password
  fn(dest, first, hanging, waiting)
  shell.kill(first, "KILL")
end

it("a worker that is killed while it logs on keeps no other from doing so", function()
  with_hanging_logon({}, function(_, first, hanging, waiting)
    shell.kill(first, "KILL")
    assert.is_false(waiting:wait())
    assert_fails("failed", hanging:wait())
  end)
end)

it("to wait for another worker's logon is nobody's silence", function()
  with_hanging_logon({ short_timeout = 2 }, function(_, _, hanging, waiting)
    assert_fails("timeout", hanging:wait())
    assert.is_false(waiting:wait())
  end)
end)

it("a call that waits for another worker's logon ends when it is cancelled, and at its deadline", function()
  with_hanging_logon({}, function(dest, _, _, waiting)
    assert.equal("running", waiting:status())
    waiting:cancel()
    assert_fails("cancelled", waiting:wait())
    dest.options.total_timeout = 0.3
    assert_fails("timeout", dest:exists "c")
  end)
end)

describe("when the answer to a logon is lost with its connection", function()
  local AT = 3 -- the frame that proves the password

  -- What an earlier spec left on its way is logged before.
  before_each(function()
    net:tell "kill"
    assert.is_true(shell.poll(function() return #processes.workers() == 0 and next(srv:status().sessions) == nil end))
  end)

  -- Loses the answer to the next logon.
  local function lose()
    srv:mark()
    net:tell("lose", AT)
  end

  -- Loses it again and again, as long as a job makes attempts; gives that, and how many were sent.
  local function lose_all(dest, ...)
    local sent = 0
    lose()
    local before = net:stats().frames
    local job = dest:submit(...)
    assert.is_true(shell.poll(function()
      core.poll(dest, 0)
      if net:stats().frames - before >= AT then
        sent = sent + 1
        net:tell("lose", AT)
        before = net:stats().frames
      end
      return job:status() ~= "running" and job:status() ~= "queued"
    end, 20))
    return job, sent
  end

  it("a password that never was right is not sent again by the same call", function()
    for _, password in ipairs { "wr0ng", PASSWORD } do
      lose()
      local message = assert_fails("disconnected", smb.open(net:url "backup", { password = password, retries = 5,
        retry_delay = 0.01 }))
      assert.matches("before the logon was answered: the password, which may be wrong, is not sent again", message, 1,
        true)
      assert.equal(1, (srv:logons()))
    end
    assert(smb.open(net:url "backup")):close()
  end)

  it("one that was right before is sent once more", function()
    local dest <close> = assert(smb.open(net:url "backup", { connections = 1, retries = 5, retry_delay = 0.01 }))
    for _ = 1, 3 do
      net:tell "kill"
      lose()
      assert.is_true(dest:exists "")
      assert.equal(0, refused_logons())
    end
  end)

  it("one that was right before, and is wrong now, is sent twice at most by a call", function()
    local dest <close> = assert(smb.open(net:url "backup", { connections = 1, retries = 5, retry_delay = 1 }))
    change_password()
    net:tell "kill"
    local job, sent = lose_all(dest, "exists", "")
    assert_fails("disconnected", job:wait())
    assert.equal(2, sent)
    assert.equal(2, refused_logons())
    net:tell "calm"
    srv:set_password("bob", PASSWORD)
    assert.is_true(dest:exists "")
  end)
end)

describe("a password that was changed on another server is sent once", function()
  local function assert_sent_once(options, extra)
    local other <close> = server.start(options)
    local fields = other:fields { connections = 8, retries = 3, retry_delay = 0.01 }
    for name, value in pairs(extra or {}) do fields[name] = value end
    local dest <close> = assert(smb.open(fields))
    log_on(dest, 8, other)
    other:set_password("bob", "n3w")
    other:mark()
    other:disconnect()
    local jobs = {}
    for i = 1, 8 do jobs[i] = dest:submit("exists", "file" .. i) end
    for _, job in ipairs(jobs) do assert_fails("auth_failed", job:wait()) end
    assert_fails("auth_failed", dest:exists "")
    assert.equal(1, (select(2, other:logons())))
  end

  it("that speaks SMB1", function()
    assert_sent_once({ global = { ["server min protocol"] = "NT1" } }, { min_protocol = "NT1", max_protocol = "NT1" })
  end)

  it("that speaks the first SMB2", function() assert_sent_once({}, { max_protocol = "SMB2_02" }) end)

  it("that lets in as a guest who has a wrong password", function()
    assert_sent_once { global = { ["map to guest"] = "bad password" }, shares = { backup = { ["guest ok"] = "yes" } } }
  end)
end)
