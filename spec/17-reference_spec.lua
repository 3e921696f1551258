-- What `make docs` writes from the comments: it is true to what there is.

local core = require "smb.core"
local codes = require "smb.codes"
local files = require "spec.support.files"
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

  it("loads for editors, and names what there is", function()
    local face = assert(load(files.read "lua/smb/types.lua"))()
    for name in pairs(face) do assert.is_truthy(smb[name], name) end
    for _, name in ipairs(functions_of(smb)) do assert.is_function(face[name], name) end
  end)
end)
