-- Where DFS links lead, as servers say it (src/worker/referral.c). No server is needed.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local GET_REFERRALS = 0x00060194

local function utf16(text)
  local units = {}
  for _, c in utf8.codes(text) do
    if c >= 0x10000 then
      c = c - 0x10000
      units[#units + 1] = string.pack("<I2I2", 0xD800 + (c >> 10), 0xDC00 + (c & 0x3FF))
    else
      units[#units + 1] = string.pack("<I2", c)
    end
  end
  return table.concat(units)
end

-- SMB2 messages: the header, then what each of them has of its own (MS-SMB2 2.2.31, 2.2.32).
local function header(status)
  return string.pack("<c4I2I2I4I2", "\xFESMB", 64, 0, status or 0, 0x0B) .. ("\0"):rep(50)
end

local function request(path)
  local input = string.pack("<I2", 3) .. utf16(path) .. "\0\0"
  return header() .. string.pack("<I2I2I4c16I4I4I4I4I4I4I4I4", 57, 0, GET_REFERRALS, ("\xFF"):rep(16), 120, #input, 0,
    0, 0, 65535, 1, 0) .. input
end

local function message(output, status)
  return header(status) .. string.pack("<I2I2I4c16I4I4I4I4I4I4", 49, 0, GET_REFERRALS, ("\xFF"):rep(16), 112, 0, 112,
    #output, 0, 0) .. output
end

-- An answer (MS-DFSC 2.2.4) that covers the first `covered` of the path, with targets: { name, ttl =, version = }.
local function answer(covered, targets)
  local names, entries = {}, {}
  local sizes = { [2] = 22, [3] = 34, [4] = 34 }
  local offset = 0
  for _, t in ipairs(targets) do offset = offset + sizes[t.version or 3] end
  for _, t in ipairs(targets) do
    local version = t.version or 3
    local name = utf16(t[1]) .. "\0\0"
    if version == 2 then
      entries[#entries + 1] = string.pack("<I2I2I2I2I4I4I2I2I2", 2, 22, 0, 0, 0, t.ttl or 60, offset, offset, offset)
    else
      entries[#entries + 1] = string.pack("<I2I2I2I2I4I2I2I2c16", version, 34, 0, t.flags or 0, t.ttl or 60, offset,
        offset, offset, ("\0"):rep(16))
    end
    offset = offset - sizes[version] + #name
    names[#names + 1] = name
  end
  return string.pack("<I2I2I4", #utf16(covered), #targets, 0) .. table.concat(entries) .. table.concat(names)
end

describe("Where a DFS link leads", function()
  local dir

  setup(function()
    dir = files.directory()
    shell.check(([[cc -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined \
      -fno-sanitize-recover=all -Isrc -o %s/referrals spec/support/referrals.c src/worker/referral.c \
      src/worker/frame.c src/shared/ticks.c -lm]]):format(dir))
  end)

  teardown(function() files.remove(dir) end)

  -- Each case is a request and an answer. The lines that come of them.
  local function read(cases)
    local packed, lines = {}, {}
    for i, case in ipairs(cases) do packed[i] = string.pack("<s4s4", case[1], case[2]) end
    files.write(dir .. "/cases", table.concat(packed))
    local output = shell.check(("ASAN_OPTIONS=detect_leaks=0 %s/referrals <%s/cases"):format(dir, dir))
    for line in output:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(#cases, #lines)
    return lines
  end

  local function read_one(...) return read({ { ... } })[1] end

  it("is the part of the path that is covered, with all its targets", function()
    local r = request "\\root\\dfs\\folder\\link\\file"
    assert.equal("folder/link 30 //one/data/ //two/more/in/side", read_one(r,
      message(answer("\\root\\dfs\\folder\\link",
      { { "\\one\\data" }, { "\\two\\more\\in\\side\\", ttl = 30 } }))))
  end)

  it("may be said in each version that names targets", function()
    local r = request "\\root\\dfs\\link"
    for version = 2, 4 do
      local a = answer("\\root\\dfs\\link", { { "\\one\\data", version = version } })
      assert.equal("link 60 //one/data/", read_one(r, message(a)))
    end
  end)

  it("may have any name", function()
    local name = "\\root\\dfs\\Ordner ä€𝄞\\lïnk 𝄞"
    assert.equal("Ordner ä€𝄞/lïnk 𝄞 60 //sérver/𝄞/ü",
      read_one(request(name .. "\\ü"), message(answer(name, { { "\\sérver\\𝄞\\ü" } }))))
  end)

  it("is nowhere where no target is named, only domains are, or something fails", function()
    local r = request "\\root\\dfs\\link"
    local good = { { "\\one\\data" } }
    assert.equal("none", read_one(r, message(answer("\\root\\dfs\\link", {}))))
    assert.equal("none", read_one(r, message(answer("\\root\\dfs\\link", { { "\\domain", flags = 2 } }))))
    assert.equal("none", read_one(r, message(answer("\\root\\dfs\\link", { { "\\one" } }))))
    assert.equal("none", read_one(r, message(answer("\\root\\dfs\\link", good), 0xC0000225)))
    assert.equal("none", read_one("", message(answer("\\root\\dfs\\link", good))))
    assert.equal("none", read_one(r, ""))
    assert.equal("none", read_one(r, message(answer("\\root\\dfs\\link", { { "\\" .. ("x"):rep(300) .. "\\data" } }))))
  end)

  it("is read without harm from whatever is sent", function()
    local state = 20
    local function random(n)
      state = (state * 6364136223846793005 + 1442695040888963407) & 0x7FFFFFFFFFFFFFFF
      return (state >> 33) % n
    end
    local r = request "\\root\\dfs\\folder\\link\\file"
    local a = message(answer("\\root\\dfs\\folder\\link",
      { { "\\one\\data" }, { "\\two\\more\\inside", version = 2 }, { "\\three\\𝄞" } }))
    local function spoil(text)
      local bytes = { text:byte(1, -1) }
      for _ = 0, random(6) do bytes[random(#bytes) + 1] = random(3) == 0 and 255 or random(256) end
      for _ = 1, random(4) == 0 and random(#bytes) or 0 do bytes[#bytes] = nil end
      return string.char(table.unpack(bytes))
    end
    local cases = {}
    for i = 1, 20000 do cases[i] = { random(3) == 0 and spoil(r) or r, spoil(a) } end
    for i = 1, #a do cases[#cases + 1] = { r, a:sub(1, i) } end
    read(cases)
  end)
end)
