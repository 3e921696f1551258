-- Times: integers of 100 ns since 1970 within, seconds for scripts.

local core = require "smb.core"

local SECOND = 10000000 -- ticks
local FIRST, LAST = -116444736000000000, math.maxinteger - 116444736000000000 -- what FILETIME holds: 1601 and 30828

describe("times", function()
  it("are rounded to the nearest tick, not cut", function()
    for seconds,
      ticks in pairs { [0] = 0, [1] = SECOND, [-1.5] = -15000000, [1e-7] = 1, [-1e-7] = -1, [0.99999999] = SECOND,
      [1796052355.123457] = 17960523551234570, [9.1e11] = 9100000000000000000 } do
      assert.is_true(math.abs(ticks - core.ticks(seconds)) <= 2, seconds) -- a float of today resolves 2.4 ticks
    end
    for _, seconds in ipairs { 0 / 0, math.huge, -math.huge, 1e300, 9.3e11, -9.3e11 } do
      assert.is_nil(core.ticks(seconds))
    end
  end)

  -- rclone/rclone#8241 and others: a time that is set to what it was has to stay what it was.
  it("of microseconds come back from seconds as they were", function()
    for _ = 1, 20000 do
      local microseconds = math.random(-8589934592000000, 8589934592000000) -- floats resolve them from 1697 to 2242
      local back = core.ticks(core.seconds(microseconds * 10))
      assert.equal(microseconds, (back + 5) // 10, microseconds)
    end
    for _ = 1, 20000 do -- beyond, what is read stays what it was
      local seconds = core.seconds(math.random(FIRST // 10, LAST // 10) * 10)
      local set = (core.ticks(seconds) + 5) // 10 * 10
      assert.equal(seconds, core.seconds(set))
    end
  end)

  it("that SMB can say reach from 1601 to 30828", function()
    assert.is_true(core.is_holdable(FIRST) and core.is_holdable(LAST))
    assert.is_false(core.is_holdable(FIRST - 1) or core.is_holdable(LAST + 1))
  end)

  -- ext4: 1901 to 2446; FAT: 1980, of whatever time zone, to 2107; old XFS and 32 bits: to January 2038.
  it("that any disk holds reach from 1980 to January 2038", function()
    for _, seconds in ipairs { 315619200, 1000000000, 1600000000.5, 2147483647 } do
      assert.is_true(core.is_held_everywhere(core.ticks(seconds)), seconds)
    end
    for _, t in ipairs { math.mininteger, FIRST, -1, 0, core.ticks(315532800), core.ticks(2147483648), LAST,
      math.maxinteger } do
      assert.is_false(core.is_held_everywhere(t), t)
    end
  end)

  it("are the same if one is what became of the other", function()
    local t = 1600000000 * SECOND
    for _, case in ipairs {
      { t, t, true }, { t + 1234567, t + 1234567, true }, -- whoever keeps all of it
      { t + 1234567, t + 1234570, true }, -- the library, which is given microseconds,
      { t + 1234567, t + 1234560, true }, -- and other programs, which cut
      { t + 9999996, t + SECOND, true }, { t + 1234567, t + 1234580, false }, { t, t + 10, false },
        { t, t - 10, false },
      { t + SECOND, t, false }, { t + 5000000, t, false }, { -15000003, -15000000, true },
      { -15000003, -15000010, true },
      { -15000003, -15000020, false }, { 0, 0, true },
      { FIRST - SECOND, FIRST + 1, true }, { FIRST, FIRST + 1, true }, { math.maxinteger, LAST // 10 * 10, true },
      { math.maxinteger, t, false }, { math.mininteger, t, false },
    } do
      assert.equal(case[3], core.is_same_time(case[1], case[2]), case[1] .. " " .. case[2])
    end
  end)
end)
