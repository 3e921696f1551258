-- Frames that are spoilt between client and server: bits, sizes, offsets, ids, lengths; cut short, repeated, in
-- another order, never asked for. A proxy (spec/support/hostile.py) does it to a real server's connections. SEED=N
-- looks further.

local lfs = require "lfs"
local smb = require "smb"
local files = require "spec.support.files"
local hostile = require "spec.support.hostile"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local MOST_SECONDS = 60 -- of a call: its time limit is 3 s, the rest is for busy machines
local SECONDS = 9 -- for each way to connect; what is not reached then is left for other seeds
local FIRST = math.tointeger(tonumber(os.getenv "SEED")) or 1
local SEEDS = 12 -- at most

local srv, net, dir, top

setup(function()
  hostile.may_end_workers()
  srv = server.start { log_level = "0" }
  net = hostile.start(srv)
end)

teardown(function()
  net:stop()
  srv:stop()
end)

before_each(function()
  dir = files.directory()
  top = dir .. "/target"
end)

after_each(function() files.remove(dir) end)

-- What is there, here and on the share; of another size each, so that none is taken for another.
local CONTENT = { one = files.content(3000, 1), two = files.content(70000, 2),
  ["folder/three"] = files.content(5, 3), ["folder/deep/four"] = files.content(900, 4) }

local function fill(where)
  files.remove(where)
  for _, folder in ipairs { "", "/folder", "/folder/deep" } do assert(lfs.mkdir(where .. folder)) end
  for name, content in pairs(CONTENT) do files.write(where .. "/" .. name, content) end
end

local function there(name) return srv:path("backup", name) end

local function assert_content(name, path)
  assert.is_true(CONTENT[name] == files.read(path), path)
end

local function assert_all(where)
  for name in pairs(CONTENT) do assert_content(name, where .. "/" .. name) end
end

-- Each does something, and then says what is true if that was well. The last function looks at what a server's
-- answers alone cannot make different.
local OPERATIONS = {
  { "list", function(dest) return dest:list() end, function(entries)
    local names = {}
    for i, entry in ipairs(entries) do names[i] = entry.name end
    table.sort(names)
    assert.same(files.list(there ""), names)
  end },
  { "stat", function(dest) return dest:stat "two" end, function(entry) assert.equal(#CONTENT.two, entry.size) end },
  { "get", function(dest) return dest:get("two", top .. "/got") end,
    function() assert_content("two", top .. "/got") end },
  { "read", function(dest) return dest:read "one" end, function(data) assert.is_true(data == CONTENT.one) end },
  { "put", function(dest) return dest:put(dir .. "/source/two", "put") end,
    nil, function() assert_content("two", there "put") end },
  { "write", function(dest) return dest:write("written", CONTENT.one) end,
    nil, function() assert_content("one", there "written") end },
  { "copy", function(dest) return dest:copy("two", "copied") end,
    function() assert_content("two", there "copied") end },
  { "rename", function(dest) return dest:rename("one", "renamed") end, function()
    assert_content("one", there "renamed")
    assert.is_false(files.exists(there "one"))
  end },
  { "walk", function(dest)
    local names = {}
    for path in dest:walk() do
      names[#names + 1] = path
      if #names > 2000 then error "it does not end" end
    end
    return names
  end, function(names)
    local found = {}
    for _, name in ipairs(names) do found[name] = true end
    assert.is_true(found.two and found["folder/deep/four"])
  end },
  { "get_tree", function(dest) return dest:get_tree("folder", top .. "/tree") end, function()
    assert_content("folder/three", top .. "/tree/three")
    assert_content("folder/deep/four", top .. "/tree/deep/four")
  end },
  { "put_tree", function(dest) return dest:put_tree(dir .. "/source", "tree") end,
    nil, function() assert_all(there "tree") end },
  { "mkdir", function(dest) return dest:mkdir "folder/new" end,
    function() assert.equal("directory", lfs.attributes(there "folder/new", "mode")) end },
  { "delete", function(dest) return dest:delete "two" end, function() assert.is_false(files.exists(there "two")) end },
  { "rmdir", function(dest) return dest:rmdir("folder", { recursive = true }) end,
    function() assert.is_false(files.exists(there "folder")) end },
}

local RAISES = { walk = true }

-- nil, message, code, of calls that raise what they have to say as well.
local function run(name, call, dest)
  local results = table.pack(pcall(call, dest))
  if results[1] then return table.unpack(results, 2, results.n) end
  local problem = results[2]
  assert(RAISES[name] and type(problem) == "table", name .. " raises " .. tostring(problem))
  return nil, problem.message, problem.code
end

local function assert_sound(what, seconds, result, message, code)
  assert.is_true(seconds < MOST_SECONDS, what)
  if result then return end
  assert.equal("string", type(message), what)
  assert.equal("string", type(code), what)
  assert.is_nil(message:find "%c", what)
end

-- Nothing is written but what was asked for, where it was asked for.
local function assert_confined()
  assert.same({ "source", "target" }, files.list(dir))
  for _, name in ipairs(files.list(top)) do
    assert.is_truthy(name == "got" or name == "tree" or name:find "^got%.", name)
  end
  assert_all(dir .. "/source")
end

local function prepare()
  fill(there "")
  files.remove(top)
  assert(lfs.mkdir(top))
end

-- Runs all operations, each with frames spoilt by the seed.
local function storm(seed, options, sides, trusted)
  prepare()
  net:tell "calm"
  local dest <close> = assert(smb.open(net:fields(options)))
  for i, operation in ipairs(OPERATIONS) do
    local name, call, everywhere, ours = table.unpack(operation, 1, 4)
    local what = ("%s, SEED=%d"):format(name, seed)
    net:tell(("mutate %d.%d %s"):format(seed, i, sides))
    local least = processes.most_resident()
    local seconds, result, message, code = share.timed(function() return run(name, call, dest) end)
    assert_sound(what, seconds, result, message, code)
    hostile.assert_bounded(what, least)
    if result and trusted and everywhere then everywhere(result) end
    if result and (trusted or sides == "down") and ours then ours(result) end
  end
  assert_confined()
end

-- Until the time is over; then says how far it has come.
local function storms(options, sides, trusted)
  fill(dir .. "/source")
  local all = { retries = 1, retry_delay = 0.01, short_timeout = 0.4, list_timeout = 0.4, read_write_timeout = 0.4,
    total_timeout = 3 }
  for key, value in pairs(options) do all[key] = value end
  local before = tonumber(net:tell "mutate 0 down")
  local due, seed = shell.now() + SECONDS, FIRST
  repeat
    storm(seed, all, sides, trusted)
    seed = seed + 1
  until shell.now() > due or seed == FIRST + SEEDS
  local spoilt = tonumber(net:tell "mutate 0 down") - before
  net:tell "calm"
  prepare()
  local dest <close> = assert(smb.open(net:fields(options)))
  assert.is_true(dest:read "one" == CONTENT.one)
  io.stdout:write(("%d seeds, %d spoilt frames\n"):format(seed - FIRST, spoilt))
  assert.is_true(spoilt > 20)
end

describe("Whatever somebody makes of the frames, each call ends in time, well or with a reason, and", function()
  it("what is said to be well is well, where they are signed", function()
    storms({ signing = "required" }, "both", true)
  end)

  it("what is said to be well is well, where they are encrypted", function()
    storms({ encryption = "required" }, "both", true)
  end)

  it("what was sent is there, where only the server's answers are spoilt", function()
    storms({ max_protocol = "SMB2_10", signing = "default" }, "down", false)
  end)

  it("nothing else is written, where nothing protects the frames", function()
    storms({ max_protocol = "SMB3_02" }, "both", false)
  end)
end)
