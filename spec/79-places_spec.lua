-- Places: lua-smb configure makes them, and NAME: stands where a URL does.

local lfs = require "lfs"
local command = require "spec.support.command"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local smb = require "smb"
local terminal = require "spec.support.terminal"

describe("A place", function()
  local srv, dir, home

  setup(function()
    srv = server.start { users = { bob = "s3cret 79" }, shares = { backup = {}, media = {} } }
    dir = files.directory()
  end)

  teardown(function()
    files.remove(dir)
    srv:stop()
  end)

  before_each(function()
    files.remove(srv:path "backup")
    lfs.mkdir(srv:path "backup")
    lfs.mkdir(srv:path("backup", "host1"))
    files.write(srv:path("backup", "host1/one"), "12345")
    files.remove(dir)
    lfs.mkdir(dir)
    home = dir .. "/config"
  end)

  local function environment() return { "XDG_CONFIG_HOME=" .. home } end

  local function run(words, input)
    if input then files.write(dir .. "/input", table.concat(input, "\n") .. "\n") end
    return command.run(dir, words, { environment = environment(), input = input and "<" .. dir .. "/input" or nil })
  end

  local function mode(path) return shell.check { "stat", "-c", "%a", path } end

  -- The answers for a place of bob's; those that are given, in the dialogue's order.
  local function configure(name, answers)
    local place = ("smb://%s:%d/"):format(srv.address, srv.port)
    return run({ "configure", name }, answers or { place, "bob", "s3cret 79", "n", "backup", "host1" })
  end

  it("is made by a dialogue, without the password in its URL, and used by its name", function()
    local made = configure "nas"
    assert.equal(0, made.status)
    assert.matches("%d  backup", made.stderr)
    assert.matches("%d  media", made.stderr)
    assert.matches(("^smb://%s:%d/backup/host1%%?credentials%%-file=[^\n]*nas%%.credentials\n$"):format(srv.address,
      srv.port), made.stdout)
    assert.is_nil((made.stdout .. made.stderr):find("s3cret", 1, true))
    assert.equal("600\n", mode(home .. "/lua-smb/nas.credentials"))
    assert.equal("username=bob\npassword=s3cret 79\n", files.read(home .. "/lua-smb/nas.credentials"))
    assert.is_nil(files.read(home .. "/lua-smb/places"):find "s3cret")
    local listed = run { "ls", "nas:" }
    assert.equal("", listed.stderr)
    assert.matches("^5 .* one\n$", listed.stdout)
    assert.equal("12345", run({ "cat", "nas:", "one" }).stdout)
    assert.equal("12345", run({ "cat", "nas:one" }).stdout)
    files.write(dir .. "/two", "22")
    assert.equal(0, run({ "mkdir", "nas:new" }).status)
    assert.equal(0, run({ "put", "nas:new/", "two" }).status)
    assert.equal("22", files.read(srv:path("backup", "host1/new/two")))
    assert.matches("^nas: +smb://", run({ "configure" }).stdout)
  end)

  it("has its folder made, its share picked by number, and is tried before it is kept", function()
    local place = ("smb://%s:%d/"):format(srv.address, srv.port)
    assert.equal(0, configure("a", { place, "bob", "s3cret 79", "n", "1", "new/folder", "y" }).status)
    assert.equal("directory", lfs.attributes(srv:path("backup", "new/folder"), "mode"))
    local refused = configure("b", { place, "bob", "wrong", "n", "backup", "-" })
    assert.equal(1, refused.status)
    assert.matches("NT_STATUS_LOGON_FAILURE", refused.stderr)
    assert.is_nil(files.read(home .. "/lua-smb/places"):find("b =", 1, true))
    assert.is_nil(lfs.attributes(home .. "/lua-smb/b.credentials"))
    local given_up = configure("c", { place, "bob" })
    assert.equal(1, given_up.status)
    assert.matches("nothing is kept", given_up.stderr)
  end)

  it("keeps advanced settings, and can be changed", function()
    local place = ("smb://%s:%d/"):format(srv.address, srv.port)
    assert.equal(0, configure("nas", { place, "bob", "s3cret 79", "y", "directtcp", "", "nonsense", "required", "",
      "1M", "", "backup", "-" }).status)
    local text = files.read(home .. "/lua-smb/places")
    assert.matches("encryption=required", text)
    assert.matches("read%-buffer%-size=1048576", text)
    assert.equal(0, configure("other").status)
    assert.equal(0, configure("nas", { "", "", "s3cret 79", "n", "media", "-" }).status)
    text = files.read(home .. "/lua-smb/places")
    assert.matches("\nother = ", "\n" .. text)
    assert.equal(1, select(2, text:gsub("nas = ", "")))
    assert.matches("/media%?", text)
  end)

  it("is asked for on a terminal without showing the password", function()
    local line = command.line({ "configure", "nas" }, environment())
    local term <close> = terminal.start(line)
    term:expect "Server"
    term:type(("%s\n"):format(srv:url("backup"):gsub("bob:.*@", "")))
    term:expect "User"
    term:type "bob\n"
    term:expect "Password for bob"
    term:type "s3cret 79\n"
    term:expect "Advanced"
    term:type "\n"
    term:expect "Share"
    term:type "backup\n"
    term:expect "Folder"
    term:type "\n"
    term:expect "Kept in"
    assert.is_true(term:await_end())
    assert.is_nil(term:screen():find("s3cret", 1, true))
  end)

  it("that does not exist says how it is made; names are checked", function()
    local missing = run { "list", "nowhere:" }
    assert.equal(1, missing.status)
    assert.matches("there is no place 'nowhere' %(lua%-smb configure nowhere makes it%)", missing.stderr)
    for _, name in ipairs { "smb", "CIFS", "a b", "ä", "x:" } do
      assert.equal(2, run({ "configure", name }).status)
    end
  end)

  it("counts only from a file that nobody else may write", function()
    configure "nas"
    shell.check { "chmod", "622", home .. "/lua-smb/places" }
    local ended = run { "list", "nas:" }
    assert.equal(1, ended.status)
    assert.matches("can be written by others", ended.stderr)
    shell.check { "chmod", "644", home .. "/lua-smb/places" }
    assert.equal(0, run({ "list", "nas:" }).status)
  end)

  it("is known to smb.open with places = true only, and gives its password to no other server", function()
    configure "nas"
    local script = ([[local smb = require "smb"
print(select(3, smb.open "nas:"))
local dest <close> = assert(smb.open("nas:", { places = true }))
print(dest:read "one")
print(pcall(smb.open, "nas:", { places = true, server = "evil" }))
print(pcall(smb.open, "nas:", { places = true, port = 4445 }))
print(select(2, smb.open("other:", { places = true })))]])
    files.write(dir .. "/script.lua", script)
    local line = command.line({}, environment()):gsub(" '[^']*/bin/lua%-smb'$", " lua5.4 ") .. dir .. "/script.lua"
    local output = shell.check(line)
    assert.matches("^invalid_url\n12345\nfalse\t[^\n]*server cannot be given beside a place", output)
    assert.matches("port cannot be given beside a place", output)
    assert.matches("there is no place 'other'", output)
    assert.is_nil(smb.parse "nas:")
  end)
end)
