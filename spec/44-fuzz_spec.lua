-- Short runs of `make fuzz`, always the same ones: what hostile servers, workers, hosts and files may say. The inputs
-- in fuzz/corpus come first, among them each one that broke something.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local function has_fuzzer()
  local dir <close> = setmetatable({ files.directory() }, { __close = function(d) files.remove(d[1]) end })
  local path = files.write(dir[1] .. "/none.c",
    "int LLVMFuzzerTestOneInput(const char *b, unsigned long n);\n" ..
    "int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return b == 0 && n > 0; }\n")
  return (shell.run { "clang", "-fsanitize=fuzzer,address", "-o", dir[1] .. "/none", path })
end

-- A number of runs, and no time: chance begins with a seed, and so each run is the same.
local function assert_nothing_breaks(target, runs)
  local ok, output = shell.run { "env", "FUZZ_RUNS=" .. runs, "SEED=1", "fuzz/run", target }
  assert.is_true(ok, output)
  assert.matches(target .. " +%d+ runs", output)
end

describe("Nothing breaks, no promise and no bound,", function()
  it("by what stands in URLs, options and files, among them those on a share", function()
    assert_nothing_breaks("text", 3000)
  end)

  if not has_fuzzer() then return pending "needs clang with libFuzzer" end

  it("by what a server sends, or a connection cuts into pieces", function()
    assert_nothing_breaks("wire", 5000)
  end)

  it("by what a worker says that a server has taken over", function()
    assert_nothing_breaks("module", 1000)
  end)

  it("by what a host asks of its worker", function()
    assert_nothing_breaks("worker", 6000)
  end)
end)
