-- Locks on folders of a share: who has one, who gets it when its holder has gone, that two never have it.

local lfs = require "lfs"
local child = require "spec.support.child"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local share = require "spec.support.share"
local shell = require "spec.support.shell"
local smb = require "smb"

local CONTESTS = 1000

local srv, dir, dest, other

setup(function()
  local base
  srv, base = share.start { log_level = "0" }
  dir = base .. "/local"
end)

teardown(share.stop)

before_each(function()
  share.clean()
  dest, other = assert(smb.open(srv:url "backup")), assert(smb.open(srv:url "backup"))
end)

after_each(function()
  dest:close()
  other:close()
end)

local function held(text) return share.on_server((text or "host1") .. "/lua-smb.lock/held") end

local OTHER_MACHINE = "require 'smb.host'.boot = function() return 'another' end\n"

-- A program that takes the lock and then does what is said.
local function holder(text, place)
  local own = dir .. "/" .. (place or "holder")
  shell.check { "mkdir", "-p", own }
  return child.start(own, "local dest = assert(smb.open(%q))\n" .. text, srv:url "backup")
end

describe("a lock", function()
  it("is one program's; others are told whose", function()
    local lock = assert(dest:lock "host1")
    local message = share.assert_fails("busy", other:lock "host1")
    assert.matches(("it is held by %%g+, process %d, since %%d%%d%%d%%d%%-"):format(processes.self()), message)
    assert(other:lock "host2"):release()
    assert.is_true(lock:refresh())
    assert.matches("held", tostring(lock))
    assert.is_true(lock:release())
    assert.is_true(lock:release())
    assert(other:lock "host1"):release()
  end)

  it("says so and raises nothing when its connection breaks while it is refreshed, whenever that is", function()
    local net = share.network()
    local failed = 0
    for frame = 1, 10 do
      local far <close> = assert(smb.open(net:url("backup"), { retries = 0, connections = 2 }))
      local lock = assert(far:lock("host" .. frame))
      net:tell("cut-frame", frame)
      local ok, message, code = lock:refresh()
      if not ok then
        failed = failed + 1
        assert.matches("^%l+ 'host", message)
        assert.equal("disconnected", code)
      end
      net:tell "calm"
    end
    assert.is_true(failed > 2, failed .. " failed")
  end)

  it("that somebody else has written is one, whatever stands in it", function()
    shell.check { "mkdir", "-p", share.on_server "host1/lua-smb.lock" }
    for _, text in ipairs {
      '{"id":"x","ttl":9223372036854775807}', '{"id":"x","time":9223372036854775807,"pid":"\\u001b[31m"}',
      '{"id":"x","host":{"a":1},"pid":[],"time":"now","ttl":"long"}', '{"id":5}', "", "[", "\0",
      '{"id":"x","ttl":-1}', ("["):rep(1000000),
    } do
      files.write(held "host1", text)
      local message = share.assert_fails("busy", dest:lock "host1")
      assert.not_matches("[%c]", message)
    end
  end)

  it("leaves nothing behind when it is released: neither its file nor the folder that it was made in", function()
    assert(dest:lock("a/b", { ttl = "10m", wait = "0s" })):release()
    assert.same({ "a" }, share.everything_below())
    files.write(share.on_server "a/file", "")
    assert(dest:lock "a"):release()
    assert.same({ "a", "a/file" }, share.everything_below())
  end)

  it("is released with its scope, its destination, and when nobody has it any more", function()
    do
      local lock <close> = assert(dest:lock "host1") -- luacheck: ignore 211
    end
    assert(dest:lock "host1")
    dest:close()
    assert(other:lock "host1"):release()
    dest = assert(smb.open(srv:url "backup"))
    dest:lock "host1"
    collectgarbage()
    collectgarbage()
    assert.is_false(dest:exists "file") -- what was posted leaves with the next call at the latest
    assert(other:lock("host1", { wait = "20s" })):release()
  end)

  it("is waited for", function()
    local lock = assert(dest:lock "host1")
    local waiter = holder "say 'begun'\nlocal lock = assert(dest:lock('host1', { wait = '30s' }))\nsay 'taken'"
    waiter:await "begun"
    lock:release()
    waiter:await "taken"
  end)

  it("is shared by those who say so, and nobody else's meanwhile", function()
    local first, second = assert(dest:lock("host1", { shared = true })), assert(other:lock("host1", { shared = true }))
    share.assert_fails("busy", other:lock "host1")
    first:release()
    share.assert_fails("busy", other:lock "host1")
    second:release()
    local lock = assert(dest:lock "host1")
    share.assert_fails("busy", other:lock("host1", { shared = true }))
    lock:release()
    assert.is_false(files.exists(share.on_server "host1/lua-smb.lock"))
  end)

  it("refuses a time to live that is none, and names that are none", function()
    for _, opts in ipairs { { ttl = "soon" }, { ttl = 0.5 }, { wait = -1 }, { tll = 1 }, { shared = "yes" } } do
      local ok, problem = pcall(dest.lock, dest, "host1", opts)
      assert.is_false(ok)
      assert.matches("lock: ", problem)
    end
    share.assert_fails("invalid_name", dest:lock "a:b")
  end)

  it("is spared by a mirror", function()
    local lock = assert(dest:lock "host1")
    shell.check { "mkdir", dir .. "/source" }
    files.write(dir .. "/source/a", "a")
    files.write(share.on_server "host1/old", "o")
    assert(dest:put_tree(dir .. "/source", "host1", { mirror = true }))
    assert.is_true(lock:refresh())
    assert.is_false(files.exists(share.on_server "host1/old"))
  end)
end)

describe("a lock whose holder has gone", function()
  it("is removed by the holder's worker, also for another machine", function()
    local dying = holder(OTHER_MACHINE
      .. "local lock = assert(dest:lock 'host1')\nsay 'taken'\nio.read()\nwhile true do end")
    dying:await "taken"
    share.assert_fails("busy", dest:lock "host1")
    dying:kill "KILL"
    assert(dest:lock("host1", { wait = "30s" })):release()
  end)

  it("is free at once on the same machine, though its worker has been killed, too", function()
    local dying = holder "local lock = assert(dest:lock 'host1')\nsay 'taken'\nwhile true do end"
    dying:await "taken"
    for _, pid in ipairs(processes.workers(dying.pid)) do shell.kill(pid, "KILL") end
    dying:kill "KILL"
    dying:await_end()
    assert.is_true(files.exists(held()))
    assert(dest:lock "host1"):release()
  end)

  it("is not free as long as its process is there and has refreshed it", function()
    local living = holder "local lock = assert(dest:lock 'host1')\nsay 'taken'\nwhile true do end"
    living:await "taken"
    share.assert_fails("busy", dest:lock "host1")
    living:kill "KILL"
  end)
end)

describe("a lock that was not refreshed", function()
  local function age(seconds, text) shell.check { "touch", "-d", ("%d seconds ago"):format(seconds), held(text) } end

  it("is free after its time to live, and the holder is told that it is lost", function()
    local lock = assert(dest:lock("host1", { ttl = "60s" }))
    age(50)
    share.assert_fails("busy", other:lock "host1")
    age(70)
    local second = assert(other:lock "host1")
    assert.matches("it was lost: it is held by", share.assert_fails("busy", lock:refresh()))
    assert.matches("lost", tostring(lock))
    lock:release()
    assert.is_true(second:refresh())
    second:release()
    assert.is_false(files.exists(held()))
  end)

  it("ages by the server's clock, not by ours", function()
    local lock = assert(dest:lock("host1", { ttl = "60s" }))
    local early = holder([[local now = os.time
      os.time = function(...) return now(...) + (... and 0 or 1000000) end
      say(select(3, dest:lock 'host1') or 'taken')]])
    early:await "busy"
    lock:release()
  end)

  it("ages as well when it is empty, or holds what nobody understands", function()
    for _, content in ipairs { "", "{", "not from here\n" } do
      shell.check { "mkdir", "-p", share.on_server "host1/lua-smb.lock" }
      files.write(held(), content)
      assert.matches("held by somebody who has not said who", share.assert_fails("busy", dest:lock "host1"))
      age(599)
      share.assert_fails("busy", dest:lock "host1")
      age(660)
      assert(dest:lock "host1"):release()
    end
  end)

  it("is refreshed while calls of its destination are under way", function()
    local slow = assert(smb.open(srv:url("backup", nil, { rate = "64k" })))
    local lock = assert(slow:lock("host1", { ttl = "3s" }))
    local content, times, count = files.read(held()), {}, 0
    assert(slow:write("big", files.content(512 * 1024), { progress = function()
      local time = lfs.attributes(held(), "modification")
      if time and not times[time] then times[time], count = true, count + 1 end
    end }))
    assert.is_true(count >= 3, count .. " times")
    assert.equal(content, files.read(held()))
    assert.is_true(lock:refresh())
    slow:close()
  end)

  it("is told lost when it was removed", function()
    local lock = assert(dest:lock "host1")
    assert.is_true(smb.backup(other, "host1"):unlock())
    share.assert_fails("busy", lock:refresh())
    assert.is_false(smb.backup(other, "host1"):unlock())
  end)

  it("goes to one of two takers, also when one is stopped between looking and taking", function()
    assert(dest:lock("host1", { ttl = "60s" }))
    age(70)
    local stopped = holder([[
      debug.sethook(function()
        local called = debug.getinfo(2, "n")
        if called.name ~= "take_over" then return end
        debug.sethook()
        say "looked"
        os.execute "kill -STOP $PPID"
      end, "c")
      local lock, _, code = dest:lock 'host1'
      say(code or 'taken')
      io.read()]])
    stopped:await "looked"
    local second = assert(other:lock "host1")
    stopped:kill "CONT"
    stopped:await "busy"
    assert.is_true(second:refresh())
    -- Nor does the name become free when the second one has gone: a third one has it then.
    second:release()
    assert(other:lock "host1"):release()
  end)

  it("that was refreshed between a taker's look and its taking stays the holder's", function()
    local lock = assert(dest:lock("host1", { ttl = "60s" }))
    age(70)
    local stopped = holder([[
      debug.sethook(function()
        local called = debug.getinfo(2, "n")
        if called.name ~= "take_over" then return end
        debug.sethook()
        say "looked"
        os.execute "kill -STOP $PPID"
      end, "c")
      local lock, _, code = dest:lock 'host1'
      say(code or 'taken')]])
    stopped:await "looked"
    assert.is_true(lock:refresh())
    stopped:kill "CONT"
    stopped:await "busy"
    assert.is_true(lock:refresh())
  end)
end)

describe("two machines", function()
  it(("never hold a lock at once, in %d contests"):format(CONTESTS), function()
    local program = [[
      local lfs = require 'lfs'
      local count = 0
      while count < %d do
        local lock = dest:lock('host1', { wait = '60s' })
        if lock then
          if not lfs.mkdir(%q) then say 'two holders' os.exit(1) end
          lfs.rmdir(%q)
          lock:release()
          count = count + 1
        end
      end
      say 'done']]
    local function contender(place, first)
      return holder(first .. program:format(CONTESTS // 2, dir .. "/mark", dir .. "/mark"), place)
    end
    local a, b = contender("a", ""), contender("b", OTHER_MACHINE)
    for _, each in ipairs { a, b } do
      local said = shell.poll(function() return each:said():find "\n" and each:said() end, 600)
      assert.equal("done\n", said)
    end
    assert.is_false(files.exists(held()))
  end)
end)
