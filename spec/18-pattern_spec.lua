-- Globs, as trees, filters and the command take them.

local pattern = require "smb.pattern"

local function matches(glob, text) return pattern.matcher(glob)(text) end

describe("a glob", function()
  for _, case in ipairs {
    { "*.log", "a.log", true }, { "*.log", "a.log.1", false }, { "*.log", ".log", true }, { "*", "a/b", false },
    { "a*c", "abc", true }, { "a*c", "a/c", false }, { "?", "a", true }, { "?", "\u{e4}", true }, { "?", "/", false },
    { "??", "\u{e4}\u{1F600}", true }, { "?", "", false }, { "a.b", "axb", false }, { "a%b", "a%b", true },
    { "(a)", "(a)", true },
    -- folders
    { "**", "a/b/c", true }, { "a/**", "a/b/c", true }, { "a/**", "a", false }, { "a/**", "b/a/c", false },
    { "**/x", "x", true }, { "**/x", "a/b/x", true }, { "**/x", "ax", false }, { "**/x", "a/bx", false },
    { "a/**/x", "a/x", true }, { "a/**/x", "a/b/c/x", true }, { "a/**/x", "ab/x", false }, { "a**b", "a/x/b", true },
    { "**/*.c", "x/y.c", true }, { "**/*.c", "y.c", true }, { "**/a/**/b", "x/a/y/z/b", true },
    { "**/a/**/b", "xa/b", false },
    { "**/**", "a/b", true }, { "**/**/x", "x", true }, { "***", "a/b", true },
    -- sets, of characters and not of bytes
    { "[abc]", "b", true }, { "[abc]", "d", false }, { "[a-c]x", "bx", true }, { "[!a-c]", "d", true },
      { "[!a-c]", "b", false },
    { "[^a]", "b", true }, { "[]a]", "]", true }, { "[a-]", "-", true }, { "[%w]", "x", false }, { "[%w]", "%", true },
    { "[\u{e4}\u{f6}]", "\u{f6}", true }, { "[\u{e4}\u{f6}]", "\u{fc}", false }, { "[!\u{e4}]", "\u{fc}", true },
    { "[!\u{e4}]", "\u{e4}", false }, { "[\u{e0}-\u{ff}]", "\u{e9}", true }, { "[\u{e0}-\u{ff}]", "e", false },
    { "[!a]", "\u{1F600}", true }, { "x[!a]y", "x/y", false }, { "[a-z]*.txt", "q1.txt", true }, { "[", "[", true },
    -- as typed and as listed, in another normal form
    { "[\u{e4}]", "a\u{308}", true }, { "*\u{e4}", "xa\u{308}", true },
  } do
    it(("'%s' %s '%s'"):format(case[1], case[3] and "matches" or "does not match", case[2]), function()
      assert.equal(case[3], matches(case[1], case[2]))
    end)
  end

  it("takes bytes that are no UTF-8 as they are", function()
    assert.is_true(matches("*.log", "\xe4.log"))
    assert.is_true(matches("[a-c]*", "a\xff"))
  end)

  -- Each of these would try more ways than there are atoms, one after the other.
  it("is matched in a time that grows with its length only", function()
    local name, path = ("a"):rep(255), ("a/"):rep(200) .. "b"
    for _, case in ipairs {
      { ("**/"):rep(14) .. "x", path, false }, { ("**/a/"):rep(14) .. "x", path, false },
      { ("*a"):rep(20) .. "b", name, false },
      { ("**"):rep(20) .. "x", path, false }, { ("*[ab]"):rep(20) .. "c", name, false },
      { ("**/*a"):rep(14) .. "x", path, false },
      { ("**/"):rep(14) .. "b", path, true }, { ("*a"):rep(20), name, true },
    } do
      local steps = 0
      debug.sethook(function()
        steps = steps + 1
        if steps > 5000 then error "this takes too long" end
      end, "", 1000)
      local ok, verdict = pcall(matches, case[1], case[2])
      debug.sethook()
      assert(ok, case[1] .. ": " .. tostring(verdict))
      assert.equal(case[3], verdict)
    end
  end)
end)

-- By the processor's clock: such a match took minutes.
describe("a glob with few wildcards", function()
  it("is quick for the longest paths, too", function()
    local path = ("ab/"):rep(5000)
    for _, case in ipairs { { "**/a**b**c", false }, { "a**b**c", false }, { "**/a**b**/", true },
      { "**a**b/", true } } do
      local began = os.clock()
      assert.equal(case[2], pattern.matcher(case[1])(path), case[1])
      assert.is_true(os.clock() - began < 5, case[1])
    end
  end)

  it("means the same for a short path and a long one", function()
    local x, z = ("x"):rep(300), ("z/"):rep(200)
    for _, case in ipairs { { "a*x*b", "a" .. x .. "b", true }, { "a*x*b", "a" .. x .. "/b", false },
      { "a**x**b", "a" .. x .. "/b", true }, { "a**x**b", "a" .. x .. "/c", false }, { "**/x*b*c", z .. "xbc", true },
      { "**/x*b*c", z .. "xb/c", false }, { "**/x**b", z .. "x/" .. z .. "b", true }, { "**/x**b", "xb", true } } do
      assert.equal(case[3], pattern.matcher(case[1])(case[2]), case[1])
    end
  end)
end)

describe("a list of globs", function()
  local function included(globs, path, kind)
    return pattern.filter(globs)(path, { type = kind or "file" }) == true
  end

  it("is decided by the last that matches", function()
    assert.is_true(included({ "*.log" }, "a/b.log"))
    assert.is_false(included({ "*.log" }, "a/b.txt"))
    assert.is_true(included({ "!*.tmp" }, "a/b.txt"))
    assert.is_false(included({ "!*.tmp" }, "a/b.tmp"))
    assert.is_true(included({ "!*.log", "keep.log" }, "a/keep.log"))
    assert.is_false(included({ "keep.log", "!*.log" }, "a/keep.log"))
  end)

  it("knows folders by a slash at the end, and whole paths by one in the middle", function()
    assert.is_false(included({ "!cache/" }, "x/cache", "directory"))
    assert.is_true(included({ "!cache/" }, "x/cache"))
    assert.is_true(included({ "var/*.log" }, "var/a.log"))
    assert.is_false(included({ "var/*.log" }, "x/var/a.log"))
    assert.is_true(included({ "/a.log" }, "a.log"))
    assert.is_false(included({ "!**/node_modules/" }, "a/node_modules", "directory"))
  end)
end)
