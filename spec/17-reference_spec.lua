-- What `make docs` writes from the comments: it is true to what there is.

local core = require "smb.core"
local codes = require "smb.codes"
local files = require "spec.support.files"
local options = require "smb.options"
local retention = require "smb.retention"
local smb = require "smb"
local topics = require "smb.topics"
local call_options = require "smb.call_options"

require "smb.command"
require "smb.job" -- they fill the metatables

local HIDDEN = { dirty = true, closer = true, is_spent = true } -- asked for by LuaSocket, and by smb.source

local function sorted(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- The functions of a table. What begins with an underscore is Lua's.
local function functions_of(methods)
  local names = {}
  for name, value in pairs(methods) do
    if type(value) == "function" and not name:find "^_" and not HIDDEN[name] then names[name] = true end
  end
  return sorted(names)
end

local function documented(prefix)
  local names = {}
  for _, group in ipairs(topics.groups) do
    for _, each in ipairs(group.prefix == prefix and group or {}) do names[each.name] = true end
  end
  return sorted(names)
end

-- The fields that a documented table has: those at the beginning of a line of its text.
local function fields_of(name)
  for _, each in ipairs(topics.tables) do
    if each.name == name then
      local names = {}
      for field in each.text:gmatch "\n  ([%w_]+) +[%l{]" do names[field] = true end
      return names
    end
  end
end

describe("the reference", function()
  it("has every function and method, and no other", function()
    assert.same(functions_of(smb), documented "smb.")
    assert.same(functions_of(smb.ltn12), documented "smb.ltn12.")
    assert.same(functions_of(core.job_metatable.__index), documented "job:")
    assert.same(functions_of(core.command_metatable.__index), documented "command:")
  end)

  for prefix, path in pairs { ["dest:"] = "destination", ["file:"] = "file" } do
    it("has every method of a " .. path, function()
      local names = {}
      for name in files.read("lua/smb/" .. path .. ".lua"):gmatch "\nfunction methods:([%l_]+)" do
        names[name] = true
      end
      for name in files.read("lua/smb/" .. path .. ".lua"):gmatch "\nmethods%.([%l_]+)[,%s=]" do names[name] = true end
      local all = table.concat(documented(prefix), " ")
      for _, name in ipairs(sorted(names)) do assert.is_truthy(all:find(name, 1, true), name) end
    end)
  end

  it("has every option of a call", function()
    local tree_options, transfer_options = fields_of "tree_options", fields_of "transfer_options"
    for name in pairs(call_options.TREE) do assert.is_true(tree_options[name], name) end
    for _, opts in ipairs { call_options.PUT, call_options.WRITE } do
      for name in pairs(opts) do assert.is_true(transfer_options[name], name) end
    end
  end)

  it("has every error code of the worker, and no other", function()
    local words, known = {}, {}
    for word in files.read("src/protocol.h"):match("#define SMB_CODES.-\n\n"):gmatch '"([%l_]+)"' do
      words[word] = word ~= "ok" or nil
    end
    for _, code in ipairs(codes) do known[code[1]] = true end
    assert.same(sorted(words), sorted(known))
  end)

end)

-- The value that a function sees under a name.
local function seen_by(fn, wanted)
  for i = 1, 255 do
    local name, value = debug.getupvalue(fn, i)
    if not name then break end
    if name == wanted then return value end
  end
  error("the function sees no '" .. wanted .. "'")
end

local function names_of(list)
  local names = {}
  for _, each in ipairs(list) do names[each] = true end
  return sorted(names)
end

-- The names of several tables together.
local function keys_of(...)
  local names = {}
  for _, each in ipairs { ... } do
    for name in pairs(each) do names[name] = true end
  end
  return sorted(names)
end

describe("lua/smb/types.lua, which editors read,", function()
  local text = files.read "lua/smb/types.lua"

  local function methods(owner)
    local names = {}
    for name in text:gmatch("\nfunction " .. owner .. "[.:]([%w_]+)%(") do names[#names + 1] = name end
    return names_of(names)
  end

  local function fields(class)
    local names, from = {}, text:find("\n---@class " .. class .. "\n", 1, true)
    assert(from, "no class " .. class)
    for line in text:sub(from + 1):gmatch "[^\n]*" do
      if not line:find "^%-%-%-" then break end
      names[#names + 1] = line:match "^%-%-%-@field ([%w_]+)"
    end
    return names_of(names)
  end

  it("loads, and has all of smb", function()
    assert.same(functions_of(smb), functions_of(assert(load(text))()))
  end)

  it("has the methods of all that users hold, and no other", function()
    local lock, backup = require "smb.lock", require "smb.backup"
    assert.same(functions_of(seen_by(core.destination_metatable.__index, "methods")), methods "destination")
    assert.same(functions_of(core.file_metatable.__index), methods "file")
    assert.same(functions_of(core.job_metatable.__index), methods "job")
    assert.same(functions_of(core.command_metatable.__index), methods "command")
    assert.same(functions_of(seen_by(lock.take, "metatable").__index), methods "lock")
    assert.same(functions_of(seen_by(backup.new, "metatable").__index), methods "repo")
    assert.same(functions_of(smb.ltn12), methods "ltn12")
  end)

  it("has the fields of a destination, and no other", function()
    assert.same(keys_of(seen_by(core.destination_metatable.__index, "fields")), fields "smb.destination")
  end)

  it("has the options of smb.open, and no other", function()
    local names = {}
    for i, row in ipairs(options.list) do names[i] = row.name end
    assert.same(names_of(names), fields "smb.options")
  end)

  it("has the options of calls, and no other", function()
    local transfer = keys_of(call_options.PUT, call_options.GET, call_options.WRITE, call_options.READ)
    assert.same(transfer, fields "smb.transfer_options")
    local tree = seen_by(call_options.check_tree, "allowed_in")("put_tree", "table", {})
    assert.same(keys_of(tree), fields "smb.tree_options")
    assert.same(keys_of(seen_by(seen_by(retention.plan, "check_rules"), "ALLOWED")), fields "smb.retention_rules")
  end)

  it("has every error code, and no other", function()
    local listed, known = {}, {}
    for code in text:match "\n%-%-%-@alias smb%.code\n(.-)\n\n":gmatch '%-%-%-| "([%l_]+)"' do
      listed[#listed + 1] = code
    end
    for i, code in ipairs(codes) do known[i] = code[1] end
    assert.same(known, listed)
  end)

  it("names no type that it does not have", function()
    local known, unknown = {}, {}
    for word in ("any boolean function integer nil number string table file"):gmatch "%l+" do known[word] = true end
    for name in text:gmatch "%-%-%-@%l+ (smb[%w_.]*)%f[%s]" do known[name] = true end
    for kind in text:gmatch "\n%-%-%-@return (%S+)" do
      for word in kind:gsub('"[^"]*"', ""):gmatch "[%w_.]+" do unknown[word] = not known[word] or nil end
    end
    for kind in text:gmatch "\n%-%-%-@%l+ [%w_.]+%?? (%S+)" do
      for word in kind:gsub('"[^"]*"', ""):gmatch "smb[%w_.]*" do unknown[word] = not known[word] or nil end
    end
    assert.same({}, sorted(unknown))
    assert.is_nil(text:find "@%l+ [%w_?]* ?nil%f[%s]")
  end)
end)
