-- No smb.conf counts, neither the system's nor the user's: what they say for other programs would change what is sent,
-- and "config backend = registry" (net conf, CTDB, appliances) would switch off what a destination demands. As in
-- samba-team/samba#113 and xbmc/xbmc#12110.

local lfs = require "lfs"
local child = require "spec.support.child"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"

if not SANDBOX then
  describe("smb.conf", function()
    it("is skipped: it needs a mount namespace", function() pending "needs spec/support/sandbox" end)
  end)
  return
end

-- What each trap would do: other names in the logon, other dialects, no signature, nothing resolved, logs, no
-- connection at all.
local TRAPS = {
  ["registry"] = "config backend = registry",
  ["an include of a file that is missing"] = "include = /nowhere/at/all.conf\nworkgroup = TRAP",
  ["names"] = "workgroup = TRAP\nnetbios name = TRAP\nrealm = TRAP.TEST\nwinbind use default domain = yes\nsecurity "
    .. "= ADS",
  ["old dialects"] = "client min protocol = NT1\nclient max protocol = SMB2_02\nclient ipc max protocol = NT1",
  ["no old dialects"] = "client min protocol = SMB3_11\nclient ipc min protocol = SMB3_11",
  ["signing"] = "client signing = disabled\n"
    .. "client smb3 signing algorithms = HMAC-SHA256\nclient smb3 encryption algorithms = AES-128-CCM",
  ["encryption"] = "client smb encrypt = required\nclient protection = encrypt",
  ["logons"] = "client ntlmv2 auth = no\nclient use kerberos = required\nclient use spnego = no\nclient NTLMv2 auth "
    .. "= no\nraw NTLMv2 auth = yes\nclient ldap sasl wrapping = plain\nkerberos method = dedicated keytab\n"
    .. "dedicated keytab file = /nowhere\ngensec_spnego:prefer_ntlmssp = no",
  ["networks"] = "interfaces = 192.0.2.1/24\nbind interfaces only = yes\nsocket options = SO_SNDBUF=1024\n"
    .. "name resolve order = wins\nclient use krb5 netlogon = yes\nsmb ports = 1",
  ["charsets"] = "unix charset = ISO-8859-1\ndos charset = CP437\ndisplay charset = ASCII",
  ["logs"] = "log level = 10\nlog file = /run/lua-smb/trap.log\nmax log size = 0\ndebug uid = yes",
  ["directories"] = "lock directory = /run/lua-smb/trap\nstate directory = /run/lua-smb/trap\n"
    .. "cache directory = /run/lua-smb/trap\nprivate dir = /run/lua-smb/trap\npid directory = /run/lua-smb/trap",
}

local srv, dir, program

setup(function()
  srv = server.start { users = { bob = "s3cret" } }
  dir = files.directory()
  program = dir .. "/framewatch"
  shell.check { "cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, "spec/support/framewatch.c" }
end)

teardown(function()
  srv:stop()
  files.remove(dir)
end)

before_each(function()
  shell.check(("find %s -mindepth 1 -delete; rm -rf /run/lua-smb/trap*"):format(shell.quote(srv:path "backup")))
end)

-- A mount namespace in which /etc/samba holds `system` and the user's home `user` and `append`, where they are given.
local function under(conf)
  local etc, home = dir .. "/etc", dir .. "/home"
  files.remove(etc)
  files.remove(home)
  for _, path in ipairs { etc, home, home .. "/.smb" } do lfs.mkdir(path) end
  for path, text in pairs { [etc .. "/smb.conf"] = conf.system or false, [home .. "/.smb/smb.conf"] = conf.user
    or false,
    [home .. "/.smb/smb.conf.append"] = conf.append or false } do
    if text then files.write(path, "[global]\n" .. text .. "\n") end
  end
  return { "unshare", "-m", "sh", "-c", ("mount --bind %s /etc/samba && HOME=%s exec \"$@\""):format(etc, home), "sh" }
end

-- Runs a program in that namespace, with the server behind a proxy; gives what it said, and the client's bytes.
local function run(conf, text)
  local report, bytes, output = dir .. "/report", dir .. "/bytes", dir .. "/port"
  for _, path in ipairs { report, bytes, output } do os.remove(path) end
  local pid = shell.spawn({ program, srv.address, srv.port, report, bytes }, output)
  local port = shell.poll(function() return (files.read(output) or ""):match "^(%d+)\n" end)
  local host = child.start_under(under(conf), dir, "local URL = %q\n" .. text,
    ("smb://bob:s3cret@%s:%s/backup"):format(srv.address, port))
  local said = host:await_end()
  shell.kill(pid)
  assert(shell.poll(function() return files.exists(report) end))
  return said, files.read(bytes)
end

local function masked(frame, from, size)
  return frame:sub(1, from) .. ("-"):rep(size) .. frame:sub(from + size + 1)
end

-- One frame but for what is new each time: MS-SMB2 2.2.1.2 (identifiers, signature), 2.2.3 (the client's GUID, the
-- salt).
local function lasting(frame)
  frame = masked(masked(frame, 40, 8), 48, 16)
  local command = string.unpack("<I2", frame, 13)
  if command == 0 then
    frame = masked(frame, 64 + 12, 16)
    return (frame:gsub("(\1\0\38\0....\1\0\32\0\1\0)" .. ("."):rep(32), "%1salt"))
  end
  -- The answer to the challenge, and what follows, is encrypted with what is new each time.
  if frame:find("NTLMSSP\0\3\0\0\0", 1, true) or command > 1 then frame = frame:sub(1, 16) .. #frame end
  return frame
end

-- The frames of a stream, each as lasting as it can be.
local function frames_of(bytes)
  local frames, at = {}, 1
  while at + 4 <= #bytes do
    local size = string.unpack(">I4", bytes, at)
    frames[#frames + 1] = lasting(bytes:sub(at + 4, at + 3 + size))
    at = at + 4 + size
  end
  return frames
end

local WORK = [[
  local dest = assert(smb.open(URL, { retries = 0 }))
  assert(dest:write("\u{E9}", "content"))
  say(dest:read "\u{E9}", dest:stat("\u{E9}").size, #dest:list(), dest.info.dialect)
  assert(dest:close())
]]

describe("smb.conf:", function()
  local said, frames

  setup(function()
    local bytes
    said, bytes = run({}, WORK)
    frames = frames_of(bytes)
    assert.matches("^content\t7\t1\tSMB3_11\n$", said)
    assert.is_true(#frames > 8)
  end)

  for name, trap in pairs(TRAPS) do
    for _, where in ipairs { "system", "user", "append" } do
      it(("%s in the %s's changes nothing, to the byte"):format(name, where), function()
        local conf = { [where] = trap }
        if where == "append" then conf.system = "workgroup = TRAP" end
        local told, bytes = run(conf, WORK)
        assert.equal(said, told)
        assert.same(frames, frames_of(bytes))
        assert.is_false(files.exists "/run/lua-smb/trap" or files.exists "/run/lua-smb/trap.log")
      end)
    end
  end

  it("'registry' there does not switch a destination's demands off", function()
    local told = run({ system = "config backend = registry", user = "config backend = registry" }, [[
      local function dialect(options)
        local dest <close> = assert(smb.open(URL, options))
        assert(dest:write("x", "y"))
        return dest.info.dialect, dest.info.signing
      end
      say((dialect { max_protocol = "SMB2_10" }))
      say(dialect { signing = "required" })
      say(select(3, smb.open((URL:gsub("bob:s3cret", "bob:wrong")), { signing = "required" })))
    ]])
    assert.equal("SMB2_10\nSMB3_11\ttrue\nauth_failed\n", told)
  end)

  it("is read from nowhere: neither a home nor a place to write to is needed", function()
    local words = { "unshare", "-m", "sh", "-c", "for place in /tmp /dev/shm; do mount --bind $place $place; "
      .. "mount -o remount,ro,bind $place; done 2>/dev/null; mount -o remount,ro,bind / 2>/dev/null; unset HOME "
      .. "TMPDIR; exec \"$@\"", "sh" }
    local host = child.start_under(words, dir, "say(assert(smb.open(%q)).info.dialect)\n", srv:url "backup")
    assert.equal("SMB3_11\n", host:await_end())
  end)

  it("is not what lmhosts and hosts are: those count", function()
    local lines = { { "lmhosts", "127.0.0.1 NASONLMHOSTS\n" }, { "hosts", "127.0.0.1 localhost nas-in-hosts\n" } }
    for _, line in ipairs(lines) do files.write(dir .. "/" .. line[1], line[2]) end
    local words = { "unshare", "-m", "sh", "-c", ("mkdir -p %s/etc; cp %s/lmhosts %s/etc; mount --bind %s/etc "
      .. "/etc/samba && mount --bind %s/hosts /etc/hosts && exec \"$@\""):format(dir, dir, dir, dir, dir), "sh" }
    local host = child.start_under(words, dir, [[
      for _, name in ipairs { "nasonlmhosts", "nas-in-hosts" } do
        say(name, assert(smb.open { server = name, share = "backup", port = %d, username = "bob",
          password = "s3cret" }).server)
      end
    ]], srv.port)
    assert.equal("nasonlmhosts\tnasonlmhosts\nnas-in-hosts\tnas-in-hosts\n", host:await_end())
  end)
end)
