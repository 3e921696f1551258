-- Whose password is used, and out of which files. Everybody's password is the same here: what is sent for the wrong
-- user would succeed.

local lfs = require "lfs"
local accounts = require "spec.support.accounts"
local credentials = require "smb.credentials"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"

local HERE = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
if not BUILD:find "^/" then BUILD = HERE .. "/" .. BUILD end

local srv, dir, path

setup(function()
  srv = server.start { users = { bob = "same", alice = "same" } }
  dir = files.directory()
  path = dir .. "/cred"
end)

teardown(function()
  srv:stop()
  files.remove(dir)
end)

before_each(function()
  srv:mark()
  shell.check { "rm", "-rf", path }
end)

local function credentials_file(text, mode)
  shell.check { "install", "-m", "600", "/dev/null", path }
  files.write(path, text)
  if mode then shell.check { "chmod", mode, path } end
  return path
end

-- Each: the URL's front and query, options, file, environment; then who logs on, or none. The library knows no
-- environment.
local MIXES = {
  -- one source
  { front = "bob:same", who = "bob" },
  { query = "auth-username=bob&auth-password=same", who = "bob" },
  { options = { username = "bob", password = "same" }, who = "bob" },
  { file = "username=bob\npassword=same\n", who = "bob" },
  { environment = { "bob", "same" }, who = "bob" },
  { front = "bob" },
  { query = "auth-username=bob" },
  { options = { username = "bob" } },
  { file = "username=bob\n" },
  { environment = { "bob" } },
  { options = { password = "same" } },
  {},
  -- a user here, the password there
  { front = "bob", query = "auth-password=same", who = "bob" },
  { front = "bob", options = { password = "same" }, who = "bob" },
  { front = "bob", file = "password=same\n", who = "bob" },
  { front = "bob", environment = { nil, "same" }, who = "bob" },
  { options = { username = "bob" }, query = "auth-password=same", who = "bob" },
  { options = { username = "bob" }, file = "password=same\n", who = "bob" },
  { options = { username = "bob" }, file = "username=bob\npassword=same\n", who = "bob" },
  { options = { username = "BOB" }, file = "username=bob\npassword=same\n", who = "BOB" },
  { options = { password = "same" }, file = "username=bob\npassword=wrong\n", who = "bob" },
  { file = "username=bob\n", environment = { "bob", "same" }, who = "bob" },
  { file = "username=bob\n", environment = { nil, "same" }, who = "bob" },
  -- another user's password
  { options = { username = "alice" }, file = "username=bob\npassword=same\n" },
  { options = { username = "alice" }, front = "bob:same" },
  { options = { username = "alice" }, query = "auth-username=bob&auth-password=same" },
  { options = { username = "alice" }, environment = { "bob", "same" } },
  { front = "alice", query = "auth-username=bob&auth-password=same" },
  { front = "alice", file = "username=bob\npassword=same\n" },
  { front = "alice", environment = { "bob", "same" } },
  { query = "auth-username=alice", file = "username=bob\npassword=same\n" },
  { file = "username=alice\n", environment = { "bob", "same" } },
  { options = { username = "alice" }, front = "bob:same", file = "username=alice\npassword=same\n", who = "alice" },
  { options = { username = "alice" }, file = "username=bob\npassword=wrong\n", environment = { "alice", "same" },
    who = "alice" },
  { front = "alice", query = "auth-username=bob&auth-password=wrong", file = "password=same\n", who = "alice" },
  -- another domain's user of that name
  { front = "ONE;bob", file = "username=bob\npassword=same\ndomain=TWO\n" },
  { options = { domain = "ONE" }, front = "TWO;bob:same" },
  { options = { username = "bob", domain = "ONE" }, query = "auth-username=bob&auth-password=same&auth-domain=TWO" },
  { options = { domain = "WORKGROUP" }, front = "workgroup;bob:same", who = "bob", domain = "WORKGROUP" },
  { options = { domain = "WORKGROUP" }, front = "bob:same", who = "bob", domain = "WORKGROUP" },
  { front = "bob", file = "username=bob\npassword=same\ndomain=WORKGROUP\n", who = "bob", domain = "WORKGROUP" },
  { front = "alice", query = "auth-username=bob&auth-domain=ONE", file = "password=same\n", who = "alice" },
  -- empty ones
  { front = "bob", file = "username=bob\npassword=\n", empty = true },
  { options = { username = "bob", password = "" }, empty = true },
}

local function place(mix)
  local url = ("smb://%s127.0.0.1:%d/backup?retries=0"):format(mix.front and mix.front .. "@" or "", srv.port)
  return mix.query and url .. "&" .. mix.query or url
end

local function title(mix)
  local words = {}
  for _, key in ipairs { "front", "query", "options", "file", "environment" } do
    local value = mix[key]
    if type(value) == "table" then
      local parts = {}
      for name, each in pairs(value) do parts[#parts + 1] = name .. "=" .. each end
      table.sort(parts)
      value = table.concat(parts, ",")
    end
    if value then words[#words + 1] = key .. " " .. value:gsub("\n", " ") end
  end
  return table.concat(words, "; ")
end

local function outcome(mix)
  return mix.who and ": is " .. mix.who or mix.empty and ": is refused by the server" or ": sends nothing"
end

-- What the server has seen has to be what the mix says.
local function assert_logons(mix)
  local attempts, failures, list = srv:logons()
  assert.same({ (mix.who or mix.empty) and 1 or 0, mix.empty and 1 or 0 }, { attempts, failures })
  if mix.who then assert.equal(mix.who, list[1].user) end
end

describe("the library, by", function()
  for _, mix in ipairs(MIXES) do
    if not mix.environment then
      it(title(mix) .. outcome(mix), function()
        local options = {}
        for key, value in pairs(mix.options or {}) do options[key] = value end
        if mix.file then options.credentials_file = credentials_file(mix.file) end
        local dest, message, code = smb.open(place(mix), options)
        if mix.who then
          assert.equal(mix.who, assert(dest, message).options.username)
          assert.equal(mix.domain, dest.options.domain)
          dest:close()
        else
          assert.is_nil(dest)
          assert.equal("auth_failed", code, message)
        end
        assert_logons(mix)
      end)
    end
  end

  it("a user alone says what is missing", function()
    local _, message = smb.open(place { front = "bob" })
    assert.matches('open on smb://[^ ]*: no password is given for the user bob %(password = "" is an empty one%)$',
      message)
    _, message =
      smb.open(place { front = "alice" }, { credentials_file = credentials_file "username=bob\npassword=same\n" })
    assert.matches("no password is given for the user alice .*the credentials file is about another user$", message)
  end)

  it("an anonymous logon, or Kerberos, wants no password", function()
    for _, options in ipairs { { anonymous = true }, { kerberos = "required", username = "bob" } } do
      local _, message = smb.open(place {}, options)
      assert.is_nil((message or ""):find("no password", 1, true))
    end
  end)
end)

describe("the command, by", function()
  local FLAGS = { username = "--auth-username=", password = "--auth-password=", domain = "--auth-domain=" }

  for _, mix in ipairs(MIXES) do
    it(title(mix) .. outcome(mix), function()
      local words = { "env", "-u", "AUTH_USERNAME", "-u", "AUTH_PASSWORD",
        ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(HERE, HERE), ("LUA_CPATH_5_4=%s/?.so;;")
          :format(BUILD) }
      local environment = mix.environment or {}
      if environment[1] then words[#words + 1] = "AUTH_USERNAME=" .. environment[1] end
      if environment[2] then words[#words + 1] = "AUTH_PASSWORD=" .. environment[2] end
      table.move({ "setsid", "--wait", HERE .. "/bin/lua-smb", "test", place(mix), "--json" }, 1, 6, #words + 1, words)
      for key, value in pairs(mix.options or {}) do words[#words + 1] = FLAGS[key] .. value end
      if mix.file then words[#words + 1] = "--credentials-file=" .. credentials_file(mix.file) end
      local ok, said = shell.run(shell.quote(words) .. " </dev/null")
      assert.equal(mix.who ~= nil, ok, said)
      if not mix.who then assert.truthy(said:find('"code":"auth_failed"', 1, true), said) end
      assert_logons(mix)
    end)
  end
end)

describe("a credentials file", function()
  local TEXT = "username=bob\npassword=same\n"

  local function refused(why)
    local found, message = credentials.read(path)
    assert.is_nil(found)
    assert.truthy(message:find(why, 1, true), message)
    assert.is_nil(message:find("same", 1, true))
  end

  it("with spaces around its =, as smbclient reads it", function()
    credentials_file "username = bob\npassword\t=  same\n domain = CORP \n"
    assert.same({ username = "bob", password = "same", domain = "CORP " }, credentials.read(path))
  end)

  it("without a space before its = keeps the password's first spaces, as mount.cifs reads it", function()
    credentials_file "user=bob\npass=  same\nrealm=CORP.TEST\n"
    assert.same({ username = "bob", password = "  same", domain = "CORP.TEST" }, credentials.read(path))
  end)

  it("is found in the user's home", function()
    credentials_file(TEXT)
    local words = { "env", "HOME=" .. dir,
      ("LUA_PATH_5_4=%s/lua/?.lua;;"):format(HERE), ("LUA_CPATH_5_4=%s/?.so;;"):format(BUILD),
      "lua5.4", "-e", "print(require 'smb.credentials'.read('~/cred').username)" }
    assert.equal("bob\n", shell.check(words))
    words[2], words[7] = "HOME=", "print(require 'smb.credentials'.read('~/cred'))"
    assert.matches("HOME is not set", (select(2, shell.run(words))))
  end)

  it("that others may write is refused, since they might have", function()
    for _, mode in ipairs { "622", "602", "620", "606" } do
      credentials_file(TEXT, mode)
      refused "by others than its owner"
    end
  end)

  it("that is another user's is refused", function()
    if accounts.uid() ~= 0 then return pending "needs root" end
    credentials_file(TEXT)
    shell.check { "chown", "54321", path }
    refused "it belongs to another user"
  end)

  it("that an access list opens to this user alone is taken; to others it is refused", function()
    credentials_file(TEXT)
    local me = ("%d"):format(accounts.uid())
    if not shell.run { "setfacl", "-m", "u:" .. me .. ":r", path } then return pending "no access lists here" end
    assert.equal("bob", assert(credentials.read(path)).username)
    for _, entry in ipairs { "u:54321:r", "u:54321:w", "g:54321:r", "g::r" } do
      -- An ordinary user's sandbox knows no other user than that one.
      local is_set = shell.run { "setfacl", "-b", "-m", "u:" .. me .. ":r," .. entry .. ",m::rw", path }
      assert.is_true(is_set or entry:find "54321" ~= nil)
      if is_set then refused "by others than its owner" end
    end
    -- The mask is the most that anybody named there has.
    shell.check { "setfacl", "-b", "-m", "g::rw,u:" .. me .. ":rw,m::-", path }
    assert.equal("bob", assert(credentials.read(path)).username)
  end)

  -- systemd/systemd#29435: LoadCredential= gives a service with User= files of root's, which that user can read by an
  -- access list.
  it("that systemd gives a service is taken", function()
    if accounts.uid() ~= 0 then return pending "needs root" end
    credentials_file(TEXT, "400")
    if not shell.run { "setfacl", "-m", "u:54321:r", path } then return pending "no access lists here" end
    shell.check { "chmod", "711", dir }
    local copy = dir .. "/product" -- where that user can read it
    shell.check { "mkdir", "-p", copy .. "/smb" }
    shell.check(("cp -r %s/lua %s && cp %s/smb/core.so %s/smb && chmod -R a+rX %s")
      :format(HERE, copy, BUILD, copy, copy))
    local said = shell.check { "setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "env", "LUA_INIT=",
      ("LUA_PATH_5_4=%s/lua/?.lua;;"):format(copy), ("LUA_CPATH_5_4=%s/?.so;;"):format(copy), "lua5.4", "-e",
      ("print(require 'smb.credentials'.read(%q).username)"):format(path) }
    assert.equal("bob\n", said)
    refused "can be read by others" -- for root it is a file that somebody else can read
  end)

  it("that is a pipe, a folder or a device is refused, and waited for by nobody", function()
    shell.check { "mkfifo", "-m", "600", path }
    refused "it is no regular file"
    shell.check { "rm", path }
    lfs.mkdir(path)
    refused "it is no regular file"
    lfs.rmdir(path)
    shell.check { "ln", "-s", "/dev/zero", path }
    local found, message = credentials.read(path)
    assert.is_nil(found)
    assert.truthy(message:find("it is no regular file", 1, true) or message:find("another user", 1, true), message)
  end)

  it("leaves no descriptor open", function()
    credentials_file(TEXT)
    local before = processes.count_descriptors()
    for _ = 1, 10 do credentials.read(path) end
    shell.check { "chmod", "644", path }
    for _ = 1, 10 do credentials.read(path) end
    assert.equal(before, processes.count_descriptors())
  end)
end)
