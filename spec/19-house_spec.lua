-- No function and no file of the sources is too long to be read at once.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 600, 40

local sources = {}
for path in shell.check "find src -name '*.c'":gmatch "[^\n]+" do sources[path] = files.read(path) end

-- name -> lines of the functions in a C file, from the line of the name to the brace that ends it.
local function functions_of(text)
  local found, number, from, name = {}, 0, nil, nil
  for line in text:gmatch "([^\n]*)\n" do
    number = number + 1
    if line:find "^%a[%w_%s%*]*[%s%*][%w_]+%(" and not line:find ";%s*$" then
      from, name = number, line:match "([%w_]+)%("
    elseif line:find "^}" and from then
      found[name], from = number - from + 1, nil
    elseif line:find "^%S" and not line:find "^{" and not line:find "^%s" and line:find ";%s*$" then
      from = nil
    end
  end
  return found
end

describe("src/", function()
  it("has no function of more than 40 lines", function()
    local count, long = 0, {}
    for path, text in pairs(sources) do
      for name, lines in pairs(functions_of(text)) do
        count = count + 1
        if lines > MOST_LINES_OF_A_FUNCTION then long[#long + 1] = ("%s: %s has %d lines"):format(path, name, lines) end
      end
    end
    assert.same({}, long)
    assert.is_true(count > 1000, count .. " functions seen")
  end)
end)

describe("src/ and lua/", function()
  it("have no file of more than 600 lines, unless its first lines say that it is generated", function()
    local long = {}
    for path in shell.check "find src lua -name '*.[ch]' -o -name '*.lua'":gmatch "[^\n]+" do
      local text = files.read(path)
      local _, lines = text:gsub("\n", "")
      if lines > MOST_LINES_OF_A_FILE and not text:match "^[^\n]*\n?[^\n]*":find "enerated by" then
        long[#long + 1] = ("%s: %d lines"):format(path, lines)
      end
    end
    assert.same({}, long)
  end)
end)
