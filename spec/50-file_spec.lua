-- Open files. The battery runs on a local file, with Lua's own io, and on one on the share: every value has to be the
-- same.

local smb = require "smb"
local files = require "spec.support.files"
local processes = require "spec.support.processes"
local server = require "spec.support.server"
local shell = require "spec.support.shell"
local assert_raises = require("spec.support.share").assert_raises

local SANDBOX = os.getenv "LUA_SMB_SANDBOX" == "1"

-- What is read first.
local BORDER = 64 * 1024

local srv, dest, small, folder

setup(function()
  srv = server.start()
  folder = files.directory()
end)

teardown(function()
  dest:close()
  small:close()
  files.remove(folder)
  srv:stop()
end)

-- Both serve for many specs, as long as they have one connection each.
before_each(function()
  if smb.type(dest) == "destination" and smb.type(small) == "destination" and #processes.workers() == 2 then return end
  if dest then
    dest:close()
    small:close()
  end
  dest = assert(smb.open(srv:url "backup", { retries = 0 }))
  -- Buffers that a short file fills and turns over.
  small = assert(smb.open(srv:url "backup", { read_buffer_size = 10000, write_buffer_size = 12000, retries = 0 }))
end)

after_each(function()
  shell.check(("find %s %s -mindepth 1 -delete"):format(srv:path "backup", folder))
end)

local function on_server(name)
  return srv:path("backup", name)
end

local function make(name, content)
  return files.write(on_server(name), content or "")
end

local function content_of(name)
  return files.read(on_server(name))
end

local function assert_fails(code, result, message, got)
  assert.is_nil(result)
  assert.equal("string", type(message))
  assert.equal(code, got, message)
end

-- The battery. --------------------------------------------------------------------------------------------------------

local function shown(value)
  if type(value) ~= "string" or #value <= 60 then
    return ("%q"):format(value):gsub("\n", "n")
  end
  return ("%d bytes (sum %d): %q..."):format(#value, #value % 65521, value:sub(1, 20))
end

-- A call's outcome as something to compare: of a failure no more than that it was one.
local function outcome(file, ok, ...)
  if not ok then return { "raised" } end
  local values = table.pack(...)
  if values[1] == nil and values.n > 1 then return { "failed" } end
  for i = 1, values.n do
    if file ~= nil and values[i] == file then values[i] = "the file itself" end
    if type(values[i]) == "function" then values[i] = "a function" end
  end
  return values
end

local function same(a, b)
  if math.type(a) ~= math.type(b) then return false end
  return a == b or (a ~= a and b ~= b)
end

local function different(a, b)
  if a.n ~= b.n then return true end
  for i = 1, math.max(a.n or 1, b.n or 1) do
    if not same(a[i], b[i]) then return true end
  end
  return false
end

local function values_text(values)
  local parts = {}
  for i = 1, values.n or #values do
    local value = values[i]
    parts[i] = (value == nil or type(value) == "string" or type(value) == "number" or type(value) == "boolean")
      and shown(value) or type(value)
  end
  return #parts == 0 and "(nothing)" or table.concat(parts, ", ")
end

-- Takes a file's place: calls its methods, keeps what they give, and raises nothing.
local function recorder(file, log)
  return setmetatable({ file = file }, {
    __index = function(_, method)
      return function(_, ...)
        local arguments = table.pack(...)
        local results = table.pack(pcall(file[method], file, ...))
        log[#log + 1] = { method, arguments, outcome(file, table.unpack(results, 1, results.n)) }
        if results[1] then return table.unpack(results, 2, results.n) end
      end
    end,
  })
end

local function keep(log, what, ...)
  log[#log + 1] = { what, { n = 0 }, outcome(nil, ...) }
end

local function run_on(open, script)
  local log = {}
  local file = open()
  local recording = recorder(file, log)
  keep(log, "the script", pcall(script, recording, file, function(...) keep(log, ...) end))
  recording:close()
  return log
end

local function assert_same_log(expected, found)
  for i, step in ipairs(expected) do
    local other = found[i] or { "nothing", { n = 0 }, { n = 0 } }
    if different(step[3], other[3]) then
      error(("step %d, %s(%s): io gives %s, the share gives %s"):format(i, step[1], values_text(step[2]),
        values_text(step[3]), values_text(other[3])), 0)
    end
  end
  assert.equal(#expected, #found)
end

-- Runs a script on a local file and on the share, there with buffers of either size.
local function compare(content, mode, script, only)
  for _, where in ipairs { only or dest, not only and small or nil } do
    local path = folder .. "/file"
    os.remove(path)
    os.remove(on_server "file")
    if content then
      files.write(path, content)
      make("file", content)
    end
    local expected = run_on(function() return assert(io.open(path, mode)) end, script)
    local found = run_on(function() return assert(where:open("file", mode)) end, script)
    assert_same_log(expected, found)
    assert.is_true(files.read(path) == content_of "file", "the files differ")
  end
end

local TEXT = "first line\nsecond\r\n\n12 0x1F -3.5e2 nan\n\0embedded\0zeros\0\n" .. ("long "):rep(20000)
  .. "\nlast, without end"

local READS = {
  { "l" }, { "L" }, { "n" }, { "a" }, { 0 }, { 1 }, { 7 }, { 70000 }, { 200000 }, {}, { "*l" }, { "*L" }, { "*n" },
  { "*a" },
  { "line" }, { "all" }, { "number" }, { 5, "l" }, { "l", "L", "l" }, { "l", 0, "a", 0 }, { "a", "a" }, { "a", "l" },
  { "a", 0, "l" },
  { "n", "l" }, { 3.0 }, { "l", "l", "l", "n", "n", "n", "n", "l" }, { "L", "L", "L", "L", "L", "L", "L", "L" },
}

describe("reading as io does:", function()
  it("every format, several times", function()
    for _, formats in ipairs(READS) do
      compare(TEXT, "r", function(f)
        for _ = 1, 9 do f:read(table.unpack(formats)) end
        f:seek("cur")
      end)
    end
  end)

  it("an empty file", function()
    for _, formats in ipairs(READS) do
      compare("", "r", function(f)
        f:read(table.unpack(formats))
        f:read(table.unpack(formats))
      end)
    end
  end)

  it("one format after the other", function()
    compare(TEXT, "r", function(f)
      for _, formats in ipairs(READS) do
        f:read(table.unpack(formats))
        f:seek("cur")
      end
    end)
    compare(TEXT, "r", function(f)
      for _, formats in ipairs(READS) do
        f:seek("set", #TEXT - 30)
        f:read(table.unpack(formats))
      end
    end)
  end)

  it("line ends of all kinds", function()
    for _, text in ipairs { "\n", "\n\n", "a", "a\n", "a\r\nb\r\n", "\r", "a\n\nb", "\0\n\0", "\n\0" } do
      for _, format in ipairs { "l", "L" } do
        compare(text, "r", function(f)
          for _ = 1, 5 do f:read(format) end
        end)
      end
    end
  end)

  it("lines, counts and all that lie across the buffers' borders", function()
    for border, where in pairs { [10000] = small, [20000] = small, [BORDER] = dest, [3 * BORDER] = dest } do
      for _, before in ipairs { border - 2, border - 1, border, border + 1 } do
        compare(("x"):rep(before) .. "\nnext line\nand more", "r", function(f)
          for _ = 1, 4 do f:read "l" end
          f:seek "set"
          f:read "L"
          f:read(border)
        end, where)
        compare(("x"):rep(before), "r", function(f)
          f:read(border)
          f:read(0)
          f:read(1)
          f:read "a"
          f:read(0)
        end, where)
      end
    end
  end)

  it("zero bytes at the end of the file, which tells whether it is the end", function()
    compare("12345", "r", function(f)
      f:read(0)
      f:read(5)
      f:read(0)
      f:read(0)
      f:seek("set", 4)
      f:read(0)
      f:seek("end")
      f:read(0)
      f:seek("cur", 10)
      f:read(0)
    end)
  end)

  it("wrong formats", function()
    for _, formats in ipairs { { "x" }, { "*" }, { "" }, { -1 }, { 1.5 }, { {} }, { true }, { "5" }, { "l", "x" },
      { "**l" } } do
      compare(TEXT, "r", function(f)
        f:read(table.unpack(formats))
        f:read "l"
      end)
    end
  end)

  it("many formats at once", function()
    compare(TEXT, "r", function(f)
      local formats = {}
      for i = 1, 200 do formats[i] = i % 3 == 0 and "l" or i % 5 end
      f:read(table.unpack(formats))
      f:seek("cur")
    end)
  end)

  -- table.unpack of a long list.
  it("more formats at once than 16 bits can count", function()
    compare(("1234567890\n"):rep(15000), "r", function(f)
      local formats = {}
      for i = 1, 70000 do formats[i] = i % 7 == 0 and "L" or i % 3 end
      f:read(table.unpack(formats))
      f:seek "cur"
    end)
  end)

  it("what was not opened for reading", function()
    for _, mode in ipairs { "w", "a" } do
      compare("text", mode, function(f)
        for _, formats in ipairs { { "l" }, { "a" }, { "n" }, { 0 }, { 3 }, {} } do f:read(table.unpack(formats)) end
        for _ in f:lines() do f:seek() end
      end)
    end
  end)
end)

local NUMERALS = {
  "0", "1", "-1", "+1", "007", "12345678901", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
  "-9223372036854775809", "0x", "0x1F", "0X1f", "-0xff", "0xfffffffffffffffff", "0x.8", "0x1.8p3", "0x1p-2", "0xp1",
  "0x1p", "0x1e5",
  "1.5", ".5", "5.", ".", "-.5", "1e5", "1E+5", "1e-5", "1e", "1e+", "1.e3", ".e3", "1e400", "-1e400", "1e-400",
  "3.14159265358979",
  "-", "+", "--1", "+-1", "nan", "inf", "-inf", "0nan", "1,5", "1 2", "12abc", "0b1", "1_000", "e5", "x10", "0x0x",
  "1..2", "1.2.3",
  "0x1.2.3", "1e5e5", "1e5.5", "\0", "1\0", "\1\0002", "0 0x 1", "", " ", "\n", "  \t\r\n\v\f 42", "\n\n-7\n", "٣",
  ("1"):rep(199), ("1"):rep(200), ("1"):rep(201), ("1"):rep(250), "-" .. ("1"):rep(199), "-" .. ("1"):rep(200),
  "0x" .. ("f"):rep(198), "0x" .. ("f"):rep(199), "1." .. ("3"):rep(198), "1." .. ("3"):rep(199), ("0"):rep(200) .. "1",
  ("1"):rep(199) .. ".5", ("1"):rep(200) .. ".5", ("1"):rep(199) .. "e5", ("1"):rep(198) .. "e5", (" "):rep(300) .. "7",
  (" "):rep(70000) .. "8 9",
}

describe("numerals as io takes them:", function()
  it("of every kind, and what is left after each", function()
    for _, numeral in ipairs(NUMERALS) do
      for _, tail in ipairs { "", " tail", "\n" } do
        compare(numeral .. tail, "r", function(f)
          f:read "n"
          f:seek "cur"
          f:read "a"
        end, tail == "" and dest or small)
      end
    end
  end)

  it("one after the other", function()
    compare(table.concat(NUMERALS, "\n"), "r", function(f)
      for _ = 1, 300 do
        if not f:read "n" then f:read "l" end
      end
      f:seek "cur"
    end)
  end)

  it("cut by a buffer's border", function()
    for _, numeral in ipairs { "42", "-0x1.8p-3", "0x", "1e", "-1.25e+10", "nan", "12abc", ".5.5", ("7"):rep(200),
      ("7"):rep(201) } do
      for _, tail in ipairs { "", " 5", "e2" } do
        local step = #numeral > 20 and 33 or 1
        for cut = 0, #numeral + 1, step do
          for border, where in pairs { [BORDER] = dest, [10000] = small } do
            local before = border - cut
            compare(("x"):rep(before) .. numeral .. tail, "r", function(f)
              f:read(before)
              f:read "n"
              f:seek "cur"
              f:read "n"
              f:read "a"
            end, where)
          end
        end
      end
    end
  end)

  it("several at once, up to the first that is none", function()
    compare("1 2.5 0x10 four 5", "r", function(f)
      f:read("n", "n", "n", "n", "n")
      f:read("n", "l")
      f:read("l", "n")
    end)
  end)
end)

describe("lines as io gives them:", function()
  local FORMATS = {
    {}, { "l" }, { "L" }, { "n" }, { 1000 }, { "n", "l" }, { "l", "L", 3 }, { "*L" }, { 4, 4, 4, 4 }, { "a" }, { 0 },
  }

  it("with formats", function()
    for _, formats in ipairs(FORMATS) do
      compare(TEXT, "r", function(f, _, log)
        local count = 0
        local step = f:lines(table.unpack(formats)) or error "no iterator"
        while count < 20 do
          local values = table.pack(step())
          log("a turn", true, table.unpack(values, 1, values.n))
          if values[1] == nil then break end
          count = count + 1
        end
        f:seek "cur"
      end)
    end
  end)

  it("in a for loop, which leaves the file open", function()
    compare(("line\n"):rep(50000), "r", function(f, file, log)
      local count = 0
      for line in file:lines() do count = count + #line end
      log("count", true, count)
      f:read(0)
      f:seek("set", 5)
      for line in file:lines "L" do
        count = count + #line
        if count > 250000 then break end
      end
      log("count", true, count)
      f:read "l"
    end)
  end)

  it("with up to 250 formats", function()
    for _, count in ipairs { 50, 249, 250, 251, 400 } do
      compare(("x"):rep(2000), "r", function(f, file, log)
        local formats = {}
        for i = 1, count do formats[i] = i % 4 end
        f:lines(table.unpack(formats))
        log("a turn", pcall(function() return file:lines(table.unpack(formats))() end))
      end)
    end
  end)

  it("with wrong formats, which raise when they are needed", function()
    for _, formats in ipairs { { "x" }, { -1 }, { {} }, { "l", "y" } } do
      compare(TEXT, "r", function(_, file, log)
        local ok, step = pcall(file.lines, file, table.unpack(formats))
        log("lines", ok, type(step))
        if ok then log("a turn", pcall(step)) end
      end)
    end
  end)

  it("not from a closed file", function()
    compare(TEXT, "r", function(f, file, log)
      local step = file:lines()
      step()
      f:close()
      log("a turn", pcall(step))
      f:lines()
    end)
  end)
end)

describe("seeking as io does:", function()
  it("in all ways", function()
    compare(TEXT, "r", function(f)
      f:seek()
      f:seek "cur"
      f:seek "end"
      f:seek "set"
      f:seek("set", 5)
      f:read(3)
      f:seek("cur", 2)
      f:read(3)
      f:seek("cur", -4)
      f:read(3)
      f:seek("end", -10)
      f:read "a"
      f:seek("set", 100000)
      f:read "l"
      f:seek("set", 0)
      f:read "l"
      f:seek(nil, 3)
      f:seek("set", 7.0)
      f:seek("cur", nil)
      f:read(2)
    end)
  end)

  it("to and fro across the buffers", function()
    compare(files.content(400000), "r", function(f)
      for _, to in ipairs { 0, 9999, 10000, 10001, 65535, 65536, 65537, 0, 131072, 196607, 196608, 65536, 399999,
        400000, 5, 300000 } do
        f:seek("set", to)
        f:read(17)
        f:seek("cur", -17)
        f:read(40000)
        f:seek "cur"
      end
    end)
  end)

  it("beyond the end, where nothing is", function()
    compare("12345", "r", function(f)
      f:seek("set", 1000000)
      f:read "l"
      f:read "a"
      f:read(0)
      f:read "n"
      f:seek "cur"
      f:seek("end", 7)
      f:seek("cur", -8)
      f:read "a"
    end)
  end)

  it("beyond the end, where writing leaves a hole of zeros", function()
    for _, mode in ipairs { "w", "r+", "w+" } do
      compare("12345", mode, function(f)
        f:seek("set", 100000)
        f:seek "end"
        f:seek("set", 100000)
        f:write "after the hole"
        f:seek("set", 3)
        f:read(10)
        f:seek("set", 90000)
        f:read "a"
        f:seek "end"
      end)
    end
  end)

  it("to nowhere", function()
    compare("12345", "r+", function(f)
      f:read(2)
      f:seek("set", -1)
      f:seek("cur", -3)
      f:seek("end", -6)
      f:seek("cur", math.mininteger)
      f:seek "cur"
      f:seek "nowhere"
      f:seek(1)
      f:seek("set", 1.5)
      f:seek("set", "x")
      f:seek("set", {})
      f:seek {}
      f:read "a"
    end)
  end)
end)

describe("writing as io does:", function()
  it("strings and numbers, and what write gives", function()
    for _, mode in ipairs { "w", "a", "r+", "w+", "a+" } do
      compare("before", mode, function(f)
        f:write "text"
        f:write("several", " ", 1, " ", -7, "\n", "\0\1", "")
        f:write()
        f:write ""
        f:write(math.maxinteger, " ", math.mininteger, " ")
        f:flush()
        f:seek "cur"
      end)
    end
  end)

  -- f:write(table.unpack(lines)).
  it("more arguments at once than 16 bits can count", function()
    compare("", "w", function(f)
      local lines = {}
      for i = 1, 70000 do lines[i] = i % 2 == 0 and i or "a line\n" end
      f:write(table.unpack(lines))
      f:seek "cur"
      f:setvbuf "line"
      f:write(table.unpack(lines, 1, 66000))
    end, dest)
  end)

  it("floats", function()
    compare("", "w", function(f)
      for _, number in ipairs { 0.1, 1e100, 2.5e-8, 1 / 3, 2 ^ 53, 2 ^ 63, 1.0, -0.0, 100.0, 1 / 0, -1 / 0 } do
        f:write(number, " ")
      end
    end)
  end)

  it("wrong arguments, after the right ones before them", function()
    for _, wrong in ipairs { {}, true, print, io.stdout } do
      compare("", "w", function(f)
        f:write("a", 1, wrong, "b")
        f:write "c"
        f:write(wrong)
      end)
    end
    compare("", "w", function(f)
      f:write("a", nil, "b")
      f:write(nil)
    end)
  end)

  it("what was opened for reading only", function()
    compare("text", "r", function(f)
      f:read(2)
      f:write "x"
      f:write(5)
      f:flush()
      f:seek("cur", 0)
      f:read "a"
    end)
  end)

  it("nothing at all to what was opened for reading only", function()
    compare("text", "r", function(f)
      f:write()
      f:write ""
    end)
  end)

  it("pieces larger than the buffer, and of odd sizes", function()
    for _, size in ipairs { 9999, 10000, 12000, 12001, 24000, 36001, 300007 } do
      compare("", "w", function(f)
        f:write(files.content(size))
        f:write("x", files.content(size, 1), "y")
        f:seek "cur"
        f:write(files.content(99))
        f:seek "end"
      end)
    end
    compare("", "w+", function(f)
      for i = 1, 700 do f:write(files.content(i * 3, i % 5)) end
      f:seek("set", 1234)
      f:read "a"
    end)
  end)

  it("truncating with w, not with the others", function()
    for _, mode in ipairs { "w", "w+", "r+", "a", "a+", "wb", "r+b", "w+b", "rb", "ab", "a+b" } do
      compare("before this", mode, function(f)
        f:seek "end"
        f:seek "set"
        f:read "a"
        f:seek("set", 2)
        f:write "XY"
        f:flush()
        f:seek("set", 0)
        f:read "a"
      end)
    end
  end)

  it("making missing files, but not for reading", function()
    for _, mode in ipairs { "w", "w+", "a", "a+" } do
      compare(nil, mode, function(f)
        f:write "new"
        f:seek "cur"
      end)
    end
    for _, mode in ipairs { "r", "r+" } do
      assert.is_nil(io.open(folder .. "/missing", mode))
      assert_fails("not_found", dest:open("missing", mode))
    end
  end)
end)

describe("appending as io does:", function()
  it("writes to the end, wherever one stands", function()
    for _, mode in ipairs { "a", "a+" } do
      compare("12345", mode, function(f)
        f:write "a"
        f:seek("set", 0)
        f:write "b"
        f:seek "cur"
        f:seek("set", 2)
        f:write "c"
        f:flush()
        f:write "d"
        f:seek "end"
        f:seek("set", 1000)
        f:write "e"
        f:seek "cur"
      end)
    end
  end)

  it("reads from anywhere with a+", function()
    compare("12345", "a+", function(f)
      f:seek "cur"
      f:read(2)
      f:seek "cur"
      f:write "six"
      f:seek("set", 1)
      f:read(3)
      f:seek("cur", 0)
      f:write "seven"
      f:seek "cur"
      f:seek("set", 0)
      f:read "a"
      f:read(0)
    end)
  end)

  it("stands at the end of what is opened to be appended to", function()
    compare("12345", "a", function(f)
      f:seek "cur"
      f:seek "cur"
    end)
  end)

  it("takes turns with another handle that appends", function()
    compare("", "a", function(f, file)
      local second
      if io.type(file) then
        second = assert(io.open(folder .. "/file", "a"))
      else
        second = assert(dest:open("file", "a"))
      end
      for i = 1, 5 do
        f:write("first ", i, "\n")
        f:flush()
        second:write("second ", i, "\n")
        second:flush()
      end
      second:close()
    end)
  end)
end)

describe("reading and writing as io does:", function()
  it("in turns, with a seek or flush between", function()
    for _, mode in ipairs { "r+", "w+", "a+" } do
      compare(files.content(50000), mode, function(f)
        f:read(100)
        f:seek("cur", 0)
        f:write "written after reading"
        f:seek("cur", 0)
        f:read(100)
        f:seek "cur"
        f:seek("set", 30000)
        f:write(files.content(13000, 3))
        f:seek("set", 29990)
        f:read(20)
        f:read(20000)
        f:seek("cur", 0)
        f:write "x"
        f:flush()
        f:seek("cur", -1)
        f:read(1)
        f:seek "end"
        f:write "end"
        f:seek("set", 0)
        f:read "a"
        f:seek("cur", 0)
        f:write "beyond"
        f:flush()
        f:seek("cur", -6)
        f:read "a"
      end)
    end
  end)

  it("what was written is read back, not what had been read ahead", function()
    compare(("old "):rep(100000), "r+", function(f)
      f:read(100)
      f:read(150000)
      f:seek("set", 200000)
      f:write(("NEW "):rep(5000))
      f:seek("set", 199990)
      f:read(100)
      f:seek("set", 150)
      f:read "a"
    end)
  end)

  -- A script that follows a log as tail -f does.
  it("past the end that a call has met, when another has appended meanwhile", function()
    local border = ("x"):rep(BORDER - 1) .. "\n" -- what is read ahead of it is nothing
    local function follow(where, content, formats, rounds)
      local path = files.write(folder .. "/log", content)
      make("log", content)
      local log = {}
      local opened = { assert(io.open(path)), assert(where:open "log") }
      local lines = { opened[1]:lines(table.unpack(formats)), opened[2]:lines(table.unpack(formats)) }
      for round = 1, rounds do
        for _ = 1, 3 do
          for side = 1, 2 do log[side] = outcome(nil, pcall(opened[side].read, opened[side], table.unpack(formats))) end
          assert_same_log({ { "read", formats, log[1] } }, { { "read", formats, log[2] } })
          for side = 1, 2 do log[side] = outcome(nil, pcall(lines[side])) end
          assert_same_log({ { "lines", formats, log[1] } }, { { "lines", formats, log[2] } })
        end
        for _, each in ipairs { path, on_server "log" } do
          local file <close> = assert(io.open(each, "a"))
          file:write(round % 2 == 0 and "12 more" or "3 and the\nnext\n", round % 3 == 0 and ("y"):rep(30000) or "")
        end
      end
      for side = 1, 2 do opened[side]:close() end
    end
    for _, where in ipairs { dest, small } do
      for _, content in ipairs { "", "one\ntwo", "one\n", border, ("12345\n"):rep(2000) } do
        for _, formats in ipairs { { "l" }, { "L" }, { "a" }, { "n" }, { 0 }, { 5 }, { 100000 }, { "l", "a" },
          { 0, "L" },
          { "n", "l" } } do
          follow(where, content, formats, 6)
        end
      end
    end
  end)

  it("at a file's end, which moves", function()
    compare("12345", "r+", function(f)
      f:read "a"
      f:read "l"
      f:seek("cur", 0)
      f:write "678\n"
      f:seek("cur", -4)
      f:read "l"
      f:read "l"
      f:read "a"
    end)
  end)
end)

describe("buffering as io does:", function()
  it("takes the three modes, and no others", function()
    compare("", "w", function(f)
      f:setvbuf "full"
      f:write "a"
      f:setvbuf "line"
      f:write "b\nc"
      f:setvbuf "no"
      f:write "d"
      f:setvbuf("full", 1024)
      f:write(("e"):rep(5000))
      f:setvbuf("line", 10)
      f:write "f"
      f:setvbuf "none"
      f:setvbuf()
      f:setvbuf(1)
      f:setvbuf("full", 1.5)
      f:setvbuf("full", "x")
      f:write "g"
    end)
  end)

  it("shows to others what it should", function()
    for mode, steps in pairs { no = { "1", "12", "123" }, line = { "", "1\n", "1\n" }, full = { "", "", "" } } do
      local file <close> = assert(dest:open("file", "w"))
      assert.is_true(file:setvbuf(mode))
      file:write "1"
      assert.equal(steps[1], content_of "file")
      file:write(mode == "no" and "2" or "\n")
      assert.equal(steps[2], content_of "file")
      file:write "3"
      assert.equal(steps[3], content_of "file")
      assert.is_true(file:flush())
      assert.equal(mode == "no" and "123" or "1\n3", content_of "file")
    end
  end)
end)

describe("closing as io does:", function()
  it("once, and no use of it after that", function()
    for _, mode in ipairs { "r", "w", "a", "r+" } do
      compare("text", mode, function(f)
        f:close()
        f:close()
        f:read "l"
        f:read()
        f:write "x"
        f:write()
        f:seek()
        f:flush()
        f:lines()
        f:setvbuf "no"
      end)
    end
  end)

  it("by <close>, once or twice", function()
    compare("", "w", function(_, file, log)
      do
        local closing <close> = file
        closing:write "text"
      end
      log("read", pcall(file.read, file))
      do
        local _ <close> = file
      end
    end)
  end)

  it("tells in tostring whether it is open", function()
    local path = make("file", "")
    for _, open in ipairs { function() return io.open(path) end, function() return dest:open "file" end } do
      local file = assert(open())
      assert.matches("^[%a.]*file %(.+%)$", tostring(file))
      assert.is_nil(tostring(file):find("closed", 1, true))
      file:close()
      assert.matches("^[%a.]*file %(closed%)$", tostring(file))
    end
    local file <close> = assert(dest:open "file")
    assert.equal("smb.file (" .. tostring(dest):match "%((.*)%)" .. "/file)", tostring(file))
    assert.equal("file", smb.type(file))
    file:close()
    assert.equal("closed file", smb.type(file))
  end)

  it("leaves wrong receivers alone", function()
    local file <close> = assert(dest:open("file", "w"))
    for _, method in ipairs { "read", "write", "seek", "flush", "close", "lines", "setvbuf", "truncate", "stat" } do
      for _, receiver in ipairs { {}, "file", 1, io.stdout, dest, false } do
        assert_raises("smb.file expected, got", file[method], receiver)
      end
      assert_raises("smb.file expected, got", file[method])
    end
    assert.is_true(file:close())
  end)
end)

-- A random sequence. --------------------------------------------------------------------------------------------------

-- As C demands, a seek or flush stands between reading and writing.
local function random_steps(pick)
  local last
  local function between(kind, step)
    local turn = last and last ~= kind
    last = kind
    return turn and { { "seek", "cur", 0 }, step } or { step }
  end
  local formats = { "l", "L", "n", "a", 0 }
  return function()
    local dice = pick(1, 100)
    if dice <= 30 then
      local count = pick(1, 4) == 1 and pick(0, 90000) or pick(0, 3000)
      return between("read", { "read", count })
    elseif dice <= 45 then
      local format = formats[pick(1, #formats)]
      if format == "a" and pick(1, 4) > 1 then format = "l" end
      return between("read", { "read", format, format ~= "a" and pick(0, 50) or "l" })
    elseif dice <= 70 then
      local size = pick(1, 5) == 1 and pick(0, 40000) or pick(0, 700)
      return between("write", { "write", (pick(1, 3) == 1 and "word\n" or "12 ") .. files.content(size, pick(0, 9)),
      pick(1, 99) })
    elseif dice <= 88 then
      last = nil
      return { { "seek", "set", pick(0, 300000) } }
    elseif dice <= 92 then
      last = nil
      return { { "seek", "cur", pick(-30000, 30000) } }
    elseif dice <= 95 then
      last = nil
      return { { "seek", "end", -pick(0, 1000) } }
    elseif dice <= 98 then
      last = nil
      return { { "flush" }, { "seek", "cur", 0 } }
    end
    return { { "setvbuf", ({ "full", "full", "line", "no" })[pick(1, 4)] } }
  end
end

-- Numbers from a seed, not from the specs' math.random.
local function generator(seed)
  local state = seed
  return function(least, most)
    state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
    return least + (state >> 20) % (most - least + 1)
  end
end

describe("a random sequence of operations", function()
  local FILE_LIMIT = 300 * 1024

  local function cut(where, file, pick, position)
    -- Lua's io cannot cut files: it is done through the back door, and here by truncate.
    local size = pick(0, FILE_LIMIT)
    file[1]:flush()
    assert(file[2]:truncate(size))
    file[1]:close()
    shell.check { "truncate", "-s", size, where }
    file[1] = assert(io.open(where, "r+"))
    file[1]:seek("set", position)
    file[2]:seek("set", position)
  end

  local function play(where, seed, count)
    local pick = generator(seed)
    local next_steps = random_steps(pick)
    local path = files.write(folder .. "/model", files.content(200000))
    make("model", files.content(200000))
    local pair = { assert(io.open(path, "r+")), assert(where:open("model", "r+")) }
    for i = 1, count do
      for _, step in ipairs(next_steps()) do
        local results = {}
        for side = 1, 2 do
          local file = pair[side]
          results[side] = outcome(file, pcall(file[step[1]], file, table.unpack(step, 2)))
        end
        if different(results[1], results[2]) then
          error(("seed %d, operation %d, %s(%s): io gives %s, the share gives %s"):format(seed, i, step[1],
            values_text { table.unpack(step, 2) }, values_text(results[1]), values_text(results[2])))
        end
      end
      if i % 100 == 0 then
        local size = pair[1]:seek "end"
        assert.equal(size, pair[2]:seek "end")
        if size > FILE_LIMIT then cut(path, pair, pick, pick(0, 1000)) end
      end
    end
    assert.is_true(pair[1]:close())
    assert.is_true(pair[2]:close())
    assert.is_true(files.read(path) == content_of "model", ("seed %d: the files differ"):format(seed))
  end

  it("gives what it gives with io", function()
    local seed = tonumber(os.getenv "SEED") or os.time() -- told when it fails: SEED=... busted
    play(small, seed, 1500)
    play(dest, seed + 1, 700)
  end)
end)

-- What io does not have. ----------------------------------------------------------------------------------------------

describe("opening", function()
  it("with x makes files that must not exist", function()
    for _, mode in ipairs { "wx", "w+x", "wbx", "w+bx" } do
      local file = assert(dest:open("new", mode))
      assert.equal(file, file:write "text")
      assert_fails("exists", dest:open("new", mode))
      assert.is_true(file:close())
      assert_fails("exists", dest:open("new", mode))
      assert.equal("text", content_of "new")
      os.remove(on_server "new")
    end
  end)

  it("raises for modes that are none", function()
    make "file"
    for _, mode in ipairs { "", "rw", "x", "rx", "ax", "r+x", "b", "+", "+r", "rr", "w++", "t", "rt", "R", "r ", "r\0",
      "re" } do
      assert_raises("invalid mode", dest.open, dest, "file", mode)
    end
    for _, mode in ipairs { 1, {}, true } do
      assert_raises("invalid mode", dest.open, dest, "file", mode)
    end
    assert_raises("string expected, got nil", dest.open, dest)
    assert_raises("string expected, got number", dest.open, dest, 5)
  end)

  it("fails with the reason's word", function()
    shell.check { "mkdir", on_server "folder" }
    for _, mode in ipairs { "r", "w", "a", "r+", "w+", "a+" } do
      assert_fails("is_directory", dest:open("folder", mode))
      assert_fails("folder_missing", dest:open("missing/file", mode))
    end
    assert_fails("not_found", dest:open "missing")
    assert_fails("invalid_name", dest:open "a:b")
    assert_fails("invalid_name", dest:open "")
    local _, message = dest:open "missing"
    assert.matches("^open 'missing' on smb://127%.0%.0%.1[:%d]*/backup: ", message)
  end)

  it("leaves nothing open when it fails", function()
    assert_fails("not_found", dest:open "missing")
    collectgarbage()
    local before = processes.count_descriptors()
    for _ = 1, 20 do assert_fails("not_found", dest:open "missing") end
    collectgarbage()
    assert.equal(before, processes.count_descriptors())
  end)
end)

describe("truncate", function()
  it("cuts and fills up, and the position stays", function()
    make("file", "1234567890")
    local file <close> = assert(dest:open("file", "r+"))
    assert.equal("123", file:read(3))
    assert.is_true(file:truncate(6))
    assert.equal(3, file:seek())
    assert.equal("456", file:read "a")
    assert.is_true(file:truncate(8))
    assert.equal(6, file:seek())
    assert.equal("\0\0", file:read "a")
    file:seek("set", 2)
    assert.is_true(file:truncate())
    assert.equal("12", content_of "file")
  end)

  it("comes after what was written before it", function()
    local file <close> = assert(small:open("file", "w"))
    file:write(files.content(50000))
    assert.is_true(file:truncate(40000))
    assert.equal(50000, file:seek())
    assert.is_true(files.content(40000) == content_of "file")
    file:write "x"
    assert.is_true(file:flush())
    assert.is_true(files.content(40000) .. ("\0"):rep(10000) .. "x" == content_of "file")
  end)

  it("is for files that may be written", function()
    make("file", "12345")
    local file <close> = assert(dest:open "file")
    assert_fails("access_denied", file:truncate(2))
    assert.equal("12345", file:read "a")
    for _, size in ipairs { -1, 1.5, "x", {} } do
      assert_raises("a size in bytes expected", file.truncate, file, size)
    end
    file:close()
    assert_raises("attempt to use a closed file", file.truncate, file, 1)
  end)
end)

describe("stat", function()
  it("knows what was written so far", function()
    shell.check { "mkdir", on_server "folder" }
    local file <close> = assert(dest:open("folder/file", "w"))
    assert.equal(0, assert(file:stat()).size)
    file:write "12345"
    local entry = assert(file:stat())
    assert.equal(5, entry.size)
    assert.equal("file", entry.name)
    assert.equal("file", entry.type)
    file:close()
    assert_raises("attempt to use a closed file", file.stat, file)
  end)
end)

describe("a file that nobody closes", function()
  local function fill(where, name, size)
    local file = assert(where:open(name, "w"))
    assert(file:write(files.content(size)))
  end

  local function arrives(name, size)
    return shell.poll(function() return files.size(on_server(name)) == size end, 5)
      and content_of(name) == files.content(size)
  end

  it("is closed by the collector, and its data arrives", function()
    for _, size in ipairs { 5, 11999, 12000, 12001, 30000, 100000 } do
      fill(small, "file" .. size, size)
      collectgarbage()
      assert.is_true(arrives("file" .. size, size), tostring(size))
    end
    assert.is_true(small:close())
    assert.is_true(shell.poll(function() return next(srv:status().open_files) == nil end))
  end)

  it("gives back its memory and its descriptor", function()
    make("file", files.content(200000))
    local function buffers()
      local count = 0
      for _, name in pairs(processes.descriptors()) do
        if name:find "memfd:smb%-file" then count = count + 1 end
      end
      return count
    end
    local open = {}
    for i = 1, 20 do
      open[i] = assert(small:open "file")
      open[i]:read(30000)
    end
    assert.equal(20, buffers())
    open = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(0, buffers())
  end)

  it("arrives also when its destination is collected with it", function()
    do
      local where = assert(smb.open(srv:url "backup"))
      fill(where, "file", 30000000)
      fill(where, "other", 5)
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(arrives("file", 30000000))
    assert.is_true(arrives("other", 5))
  end)

  it("leaves its connection to others", function()
    make("file", files.content(200000))
    for _ = 1, 50 do
      local file = assert(small:open "file")
      assert(file:read(30000)) -- more is on its way
      file = nil -- luacheck: ignore
      collectgarbage()
    end
    assert(small:stat "file")
    assert.is_true(#processes.workers() <= 1 + 8, #processes.workers() .. " workers")
  end)

  it("is one of many", function()
    local all = {}
    for i = 1, 500 do
      all[i] = assert(dest:open("file" .. i, "w"))
      all[i]:write("number ", i)
    end
    all = nil -- luacheck: ignore
    collectgarbage()
    assert.is_true(dest:close())
    local missing = 0
    for i = 1, 500 do
      if content_of("file" .. i) ~= "number " .. i then missing = missing + 1 end
    end
    assert.equal(0, missing)
  end)

  it("keeps its destination alive", function()
    make("file", ("line\n"):rep(100000))
    local file <close> = assert(assert(smb.open(srv:url "backup")):open "file")
    collectgarbage()
    collectgarbage()
    local count = 0
    for _ in file:lines() do count = count + 1 end
    assert.equal(100000, count)
  end)
end)

describe("closing the destination", function()
  it("sends what its files still hold", function()
    local first, second = assert(dest:open("first", "w")), assert(dest:open("second", "a"))
    first:write "one"
    second:write(files.content(20000000))
    assert.is_true(dest:close())
    assert.equal("one", content_of "first")
    assert.is_true(files.content(20000000) == content_of "second")
    for _, file in ipairs { first, second } do
      for _, method in ipairs { "read", "write", "seek", "flush", "close", "lines", "setvbuf", "truncate", "stat" } do
        assert_raises("attempt to use a closed file", file[method], file, method == "setvbuf" and "no" or nil)
      end
      assert.equal("smb.file (closed)", tostring(file))
      assert.equal("closed file", smb.type(file))
    end
    assert.is_true(dest:close())
  end)

  it("tells the first failure", function()
    local file = assert(dest:open("file", "w"))
    file:write "text"
    srv:disconnect()
    assert_fails("disconnected", dest:close())
    assert_raises("attempt to use a closed file", file.close, file)
    assert.equal("closed destination", smb.type(dest))
  end)
end)

-- The call that first says so, of those that may; after it, close must not say that all is well.
local function assert_write_fails(code, file, data)
  local result, message, got = file:write(data)
  if result then result, message, got = file:flush() end
  assert_fails(code, result, message, got)
  assert_fails(code, file:flush())
  assert_fails(code, file:close())
  assert_raises("attempt to use a closed file", file.close, file)
end

describe("a write that fails", function()
  local full

  lazy_setup(function()
    if SANDBOX then full = server.start { size = "4m" } end
  end)

  lazy_teardown(function()
    if full then full:stop() end
  end)

  it("for want of space is told by write, flush or close", function()
    if not full then return pending "needs spec/support/sandbox" end
    local where <close> = assert(smb.open(full:url("backup", nil, { ["write-buffer-size"] = "64k" })))
    local content = files.content(6 * 1024 * 1024)
    assert_write_fails("no_space", assert(where:open("one", "w")), content)
    assert.is_true(where:delete "one")

    local file = assert(where:open("two", "w"))
    for at = 1, #content, 50000 do
      if not file:write(content:sub(at, at + 49999)) then break end
    end
    assert_fails("no_space", file:close())
    assert.is_true(where:delete "two")

    files.write(full:path("backup", "rest"), ("x"):rep(4 * 1024 * 1024 - 60 * 1024))
    local late = assert(where:open("late", "w"))
    assert.equal(late, late:write(content:sub(1, 64 * 1024))) -- fits the buffer: only close can tell
    assert_fails("no_space", late:close())

    local ok, problem = pcall(function()
      local closing <close> = assert(where:open("closing", "w"))
      closing:write(content:sub(1, 64 * 1024))
    end)
    assert.is_false(ok)
    assert.equal("no_space", problem.code)
    assert.equal(problem.message, tostring(problem))

    ok, problem = pcall(function()
      local closing <close> = assert(where:open("closing", "w"))
      closing:write(content:sub(1, 64 * 1024))
      error("its own problem", 0)
    end)
    assert.is_false(ok)
    assert.equal("its own problem", problem)

    local other = assert(where:open("other", "w"))
    other:write(content:sub(1, 64 * 1024))
    assert_fails("no_space", where:close())
  end)

  it("for a broken connection is told by write, flush or close", function()
    local file = assert(dest:open("file", "w"))
    assert.equal(file, file:write "some data")
    srv:disconnect()
    assert_write_fails("disconnected", file, "more data")
    assert.is_true(dest:exists "") -- by a new connection
  end)

  it("behind the script's back is told by close alone", function()
    local file = assert(small:open("file", "w"))
    assert.equal(file, file:write "some data")
    srv:disconnect()
    assert_fails("disconnected", file:close())
  end)
end)

describe("a read that fails", function()
  it("gives nil, message and code", function()
    make("file", ("line\n"):rep(200000))
    local file = assert(small:open "file")
    assert.equal("line", file:read "l")
    srv:disconnect()
    local result, message, code
    repeat
      result, message, code = file:read(5000)
    until not result
    assert_fails("disconnected", result, message, code)
    assert.matches("^read 'file' on smb://", message)
    assert_fails("disconnected", file:read("l", "l"))
    assert_fails("disconnected", file:seek "end")
    file:close()
    assert.equal("closed file", smb.type(file))
  end)

  it("does not raise once more in <close>, where only lost writes count", function()
    make("file", "text")
    local file <close> = assert(dest:open "file")
    assert.equal("te", file:read(2))
    srv:disconnect()
  end)

  it("raises in lines a table with message and code", function()
    make("file", ("line\n"):rep(200000))
    for _, formats in ipairs { {}, { "L" }, { 100, "l" } } do
      local file = assert(small:open "file")
      local count = 0
      local ok, problem = pcall(function()
        for _ in file:lines(table.unpack(formats)) do
          count = count + 1
          if count == 10 then srv:disconnect() end
        end
      end)
      assert.is_false(ok)
      assert.equal("table", type(problem))
      assert.equal("disconnected", problem.code)
      assert.equal(problem.message, tostring(problem))
      assert.is_true(count >= 10 and count < 200000)
      file:close()
    end
  end)
end)

describe("several things at once on one destination:", function()
  it("two files, written and read in turns", function()
    local a, b = assert(small:open("a", "w")), assert(small:open("b", "w"))
    for i = 1, 2000 do
      assert(a:write(("a%d "):format(i), files.content(i % 50)))
      assert(b:write(("b%d "):format(i), files.content(i % 70)))
    end
    assert.is_true(a:close())
    assert.is_true(b:close())
    a, b = assert(small:open "a"), assert(small:open "b")
    local read_a, read_b = {}, {}
    repeat
      local one, two = a:read(777), b:read(5555)
      read_a[#read_a + 1], read_b[#read_b + 1] = one, two
    until not one and not two
    assert.is_true(table.concat(read_a) == content_of "a")
    assert.is_true(table.concat(read_b) == content_of "b")
    assert.is_true(a:close())
    assert.is_true(b:close())
  end)

  it("one read, one written: a copy by way of the script", function()
    make("from", files.content(1000003))
    local from <close> = assert(small:open "from")
    local to <close> = assert(small:open("to", "w"))
    for piece in from:lines(4096) do assert(to:write(piece)) end
    assert.is_true(to:close())
    assert.is_true(content_of "to" == files.content(1000003))
  end)

  it("other calls while a file is half read or half written", function()
    make("file", files.content(300000))
    local reading <close> = assert(small:open "file")
    local writing <close> = assert(small:open("written", "w"))
    local parts = {}
    for i = 1, 40 do
      parts[i] = reading:read(8000)
      writing:write(parts[i] or "")
      assert.equal(300000, assert(small:stat "file").size)
      assert.is_true(#assert(small:list()) >= 2)
      if i % 10 == 0 then
        assert(small:write("other", "x"))
        assert.is_true(small:rename("other", "another"))
        assert.equal("x", small:read "another")
        for _ in small:dir() do assert.is_true(small:exists "file") end
      end
    end
    assert.is_true(writing:close())
    assert.is_true(table.concat(parts) == files.content(300000))
    assert.is_true(content_of "written" == files.content(300000))
  end)

  it("a file used from coroutines", function()
    make("file", ("line\n"):rep(20000))
    local file <close> = assert(small:open "file")
    local copy <close> = assert(small:open("copy", "w"))
    local function take()
      for line in file:lines "L" do coroutine.yield(line) end
    end
    local takers = { coroutine.wrap(take), coroutine.wrap(take) }
    local count = 0
    while #takers > 0 do
      for i = #takers, 1, -1 do
        local line = takers[i]()
        if line then
          count = count + 1
          coroutine.wrap(function() assert(copy:write(line)) end)()
        else
          table.remove(takers, i)
        end
      end
    end
    assert.equal(20000, count)
    assert.is_true(copy:close())
    assert.is_true(content_of "copy" == ("line\n"):rep(20000))
  end)

  it("many files half read, on no more connections than `connections` allows", function()
    make("file", files.content(300000))
    local open = {}
    for i = 1, 20 do
      open[i] = assert(small:open "file")
      assert.equal(30000, #open[i]:read(30000)) -- from here on more is read ahead
    end
    assert.is_true(#processes.workers() <= 1 + 8, #processes.workers() .. " workers")
    for i = 1, 20 do assert.is_true(open[i]:close()) end
  end)

  it("as many files as one likes", function()
    local open = {}
    for i = 1, 100 do
      open[i] = assert(small:open("file" .. i, "w"))
      assert(open[i]:write("number ", i))
    end
    for i = 1, 100 do assert.is_true(open[i]:close()) end
    for i = 1, 100 do assert.equal("number " .. i, content_of("file" .. i)) end
  end)
end)
