-- What the documents show works: their examples run against a real server as they stand, and their links lead
-- somewhere.

local lfs = require "lfs"
local files = require "spec.support.files"
local server = require "spec.support.server"
local shell = require "spec.support.shell"

local HERE = lfs.currentdir()
local BUILD = os.getenv "BUILD" or "build"
local ROOM = BUILD:find "^/" and BUILD or HERE .. "/" .. BUILD

-- Where the examples are at home.
local URL = "smb://nas/backup/host1?credentials-file=/root/.smbcredentials"

-- The code blocks of a page that say which language they are in, each with the number of its first line.
local function blocks_of(path, language)
  local found, number, block = {}, 0, nil
  for line in io.lines(path) do
    number = number + 1
    if line == "```" .. language then
      block = { line = number + 1, path = path }
    elseif block and line == "```" then
      found[#found + 1], block.text = block, table.concat(block, "\n") .. "\n"
      block = nil
    elseif block then
      block[#block + 1] = line
    end
  end
  return found
end

local function pages()
  local found = {}
  for path in shell.check("find . -name '*.md' -not -path './build*' -not -path './.git/*'"):gmatch "%./([^\n]+)" do
    found[#found + 1] = path
  end
  table.sort(found)
  return found
end

local function without_code(text)
  return (text:gsub("\n```.-\n```", "\n"):gsub("`[^`\n]*`", ""))
end

-- The fragments by which a page's headings can be reached, as GitHub makes them.
local function anchors_of(path)
  local found = {}
  for heading in ("\n" .. files.read(path):gsub("\n```.-\n```", "\n")):gmatch "\n#+ +([^\n]+)" do
    found[heading:lower():gsub("[^%w%s_-]", ""):gsub(" ", "-")] = true
  end
  return found
end

describe("The documents", function()
  local srv, dir

  setup(function()
    srv = server.start { users = { bob = "s3cret" } }
    dir = files.directory()
    files.write(dir .. "/credentials", "username=bob\npassword=s3cret\n")
    shell.check { "chmod", "600", dir .. "/credentials" }
    lfs.mkdir(dir .. "/bin")
    -- The examples' own programs: a database, and a pager.
    for name, body in pairs { pg_dump = "echo 'create table shop;'", psql = "cat >psql.input", less = "cat" } do
      files.write(dir .. "/bin/" .. name, "#!/bin/sh\n" .. body .. "\n")
      shell.check { "chmod", "755", dir .. "/bin/" .. name }
    end
    shell.check { "ln", "-s", HERE .. "/bin/lua-smb", dir .. "/bin/lua-smb" }
  end)

  teardown(function()
    files.remove(dir)
    srv:stop()
  end)

  before_each(function()
    files.remove(srv:path "backup")
    shell.check { "mkdir", "-p", srv:path "backup" .. "/host1", dir .. "/srv/data" }
    for _, name in ipairs { "etc.tar.zst", "home.tar.zst", "shop.sql", "srv/data/report.pdf" } do
      files.write(dir .. "/" .. name, name)
    end
    files.write(srv:path "backup" .. "/host1/shop.sql", "create table shop;\n")
  end)

  -- The server, the credentials and the folder that the examples name are here.
  local function placed(text)
    return (text:gsub("nas/backup", ("%s:%d/backup"):format(srv.address, srv.port))
      :gsub('server = "nas"', ('server = "%s", port = %d'):format(srv.address, srv.port))
      :gsub("/root/%.smbcredentials", dir .. "/credentials"):gsub("~/%.smbcredentials", dir .. "/credentials")
      :gsub("/srv/data", dir .. "/srv/data"))
  end

  local function run(words)
    local environment = { "env", "-C", dir, "AUTH_PASSWORD=s3cret", ("PATH=%s/bin:%s"):format(dir, os.getenv "PATH"),
      ("LUA_PATH_5_4=%s/lua/?.lua;%s/lua/?/init.lua;;"):format(HERE, HERE), ("LUA_CPATH_5_4=%s/?.so;;"):format(ROOM) }
    return shell.run(shell.quote(table.move(words, 1, #words, #environment + 1, environment)) .. " </dev/null")
  end

  -- `print(x) --> text`: a line of the output is this.
  local function assert_printed(block, output)
    local rest = "\n" .. output
    for expected in block.text:gmatch "%-%-> ([^\n]+)" do
      local _, to = rest:find("\n" .. expected .. "\n", 1, true)
      assert(to, ("%s:%d: no line '%s' in the output:\n%s"):format(block.path, block.line, expected, output))
      rest = rest:sub(to)
    end
  end

  for _, path in ipairs { "README.md", "docs/guide.md" } do
    for _, block in ipairs(blocks_of(path, "lua")) do
      it(("%s: the example in line %d runs"):format(path, block.line), function()
        local first = 'local smb = require "smb" '
        if not block.text:find "local dest <close>" then
          first = first .. "local dest <close> = assert(smb.open('" .. URL .. "')) "
        end
        files.write(dir .. "/example.lua", placed(first .. block.text))
        local ok, output = run { "lua5.4", "example.lua" }
        assert(ok, ("%s:%d: %s"):format(path, block.line, output))
        assert_printed(block, output)
      end)
    end
  end

  for _, path in ipairs { "README.md", "docs/command.md" } do
    for _, block in ipairs(blocks_of(path, "sh")) do
      it(("%s: the commands in line %d run"):format(path, block.line), function()
        local ok, output = run { "sh", "-e", "-c", placed(block.text) }
        assert(ok, ("%s:%d: %s"):format(path, block.line, output))
      end)
    end
  end

  for _, path in ipairs(pages()) do
    it(path .. ": every link leads somewhere", function()
      local folder = path:match "^(.*/)" or ""
      local broken = {}
      for target in without_code(files.read(path)):gmatch "%]%(([^)%s]+)%)" do
        local name, fragment = target:match "^([^#]*)#?(.*)$"
        local found = name == "" and path or folder .. name
        local is_here = target:find "^https?://" or lfs.attributes(found)
        if is_here and fragment ~= "" and found:find "%.md$" then is_here = anchors_of(found)[fragment] end
        if not is_here then broken[#broken + 1] = target end
      end
      assert.same({}, broken)
    end)
  end

  it("README.md begins with the two commands, and is no longer than 150 lines", function()
    local text = files.read "README.md"
    assert.matches("^# lua%-smb\n\n    make deps demo [^\n]*\n    make deps test [^\n]*\n", text)
    local _, lines = text:gsub("\n", "")
    assert.is_true(lines <= 150, lines .. " lines")
  end)

  it("name files that are there, by paths in backquotes", function()
    local missing = {}
    for _, path in ipairs(pages()) do
      for name in files.read(path):gmatch "`(%l+/[%w._/-]+%.%l+)`" do
        local is_ours = lfs.attributes(name:match "^%l+") and not name:find "^build/"
        if is_ours and not lfs.attributes(name) then missing[#missing + 1] = path .. ": " .. name end
      end
    end
    assert.same({}, missing)
  end)

  it("are what `make docs` would write today: the reference, the bench's figures, the command's help", function()
    shell.check { "env", "LUA_PATH_5_4=lua/?.lua;lua/?/init.lua;./?.lua;;", ("LUA_CPATH_5_4=%s/?.so;;"):format(ROOM),
      "lua5.4", "docs/make.lua", "check" }
  end)

  -- The session has three files, and a header between them.
  local function unit_of(path) return (path:gsub("%.[ch]$", ""):gsub("/session_%l+$", "/session")) end

  -- Which of the other units a unit of a room includes: its .c and .h together.
  local function included()
    local units = {}
    for path in shell.check("find src -name '*.[ch]'"):gmatch "src/(%S+)" do
      local unit = unit_of(path)
      local uses = units[unit] or {}
      units[unit] = uses
      for text in files.read("src/" .. path):gmatch '#include "([^"]+)%.h"' do
        local own = unit:match "^.*/"
        local other = files.exists("src/" .. text .. ".h") and text or own and own .. text
        local is_there = other and files.exists("src/" .. other .. ".h")
        if is_there and unit_of(other) ~= unit then uses[unit_of(other)] = true end
      end
    end
    return units
  end

  it("and src show a house without circles, and no room that reaches up", function()
    local units, state, mayuse = included(), {}, { module = { workers = true, shared = true },
      workers = { shared = true }, worker = { shared = true }, shared = {} }
    local function enter(unit, path)
      assert.is_not_equal("open", state[unit], path .. " > " .. unit)
      if state[unit] then return end
      state[unit] = "open"
      for other in pairs(units[unit] or {}) do
        local room, there = unit:match "^(%a+)/", other:match "^(%a+)/"
        assert.is_true(not there or there == room or mayuse[room][there] ~= nil, unit .. " includes " .. other)
        enter(other, path .. " > " .. unit)
      end
      state[unit] = "seen"
    end
    for unit in pairs(units) do enter(unit, "") end
  end)

  it("say of each source file what it is for", function()
    local text, missing = files.read "docs/design.md", {}
    for path in shell.check "find lua/smb src -name '*.c' -o -name '*.lua'":gmatch "[^\n]+" do
      if not text:find("%f[%w_]" .. path:match "[^/]*$":gsub("%p", "%%%0")) then missing[#missing + 1] = path end
    end
    assert.same({}, missing)
  end)
end)
