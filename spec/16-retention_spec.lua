-- smb.retention: which snapshots to keep. What restic makes of the same histories is recorded in
-- spec/support/retention.lua.

local shell = require "spec.support.shell"
local smb = require "smb"

local DAY = 86400
local NAMES = { "last", "hourly", "daily", "weekly", "monthly", "yearly" }

-- Entries of so many times.
local function entries_of(times)
  local entries = {}
  for i, time in ipairs(times) do entries[i] = { time = time, name = "snapshot " .. i } end
  return entries
end

local function times_of(list)
  local times = {}
  for i, each in ipairs(list) do times[i] = (each.entry or each).time end
  table.sort(times)
  return times
end

local function random_times(count)
  local times, at = {}, 1700000000
  for i = 1, count do
    at = at + math.random(3 * DAY)
    times[i] = at
  end
  return times
end

local function random_rules()
  local rules = { utc = true, keep_last = math.random(1, 3) }
  for _, name in ipairs(NAMES) do rules["keep_" .. name] = rules["keep_" .. name] or math.random(0, 6) end
  if math.random() < 0.3 then rules.keep_within = math.random(60) .. "d" end
  return rules
end

-- What another Lua, in another time zone, says of the cases.
local function plan_in(zone, case)
  local times = {}
  for _, list in ipairs { case.keep, case.delete } do
    for _, time in ipairs(list) do times[#times + 1] = ("{ time = %d }"):format(time) end
  end
  local rules = {}
  for key, value in pairs(case.rules) do rules[#rules + 1] = ("%s = %q"):format(key, value) end
  local line = ([[local keep, delete = require "smb".retention({ %s }, { %s })
    for _, each in ipairs(keep) do print("keep", each.entry.time) end
    for _, each in ipairs(delete) do print("delete", each.time) end]])
    :format(table.concat(times, ", "), table.concat(rules, ", "))
  local found = { keep = {}, delete = {} }
  local output = shell.check { "env", "TZ=" .. zone, "LUA_PATH_5_4=lua/?.lua;lua/?/init.lua;;",
    ("LUA_CPATH_5_4=%s/?.so;;"):format(os.getenv "BUILD" or "build"), "lua5.4", "-e", line }
  for what, time in output:gmatch "(%l+)\t(%d+)" do table.insert(found[what], math.tointeger(tonumber(time))) end
  for _, list in pairs(found) do table.sort(list) end
  return found
end

local function assert_as_restic(case)
  local found = plan_in(case.zone, case)
  table.sort(case.keep)
  table.sort(case.delete)
  assert.same(case.keep, found.keep)
  assert.same(case.delete, found.delete)
end

describe("smb.retention", function()
  it("keeps what restic keeps of recorded histories", function()
    for _, case in ipairs(require "spec.support.retention") do assert_as_restic(case) end
  end)

  if shell.run "command -v restic" then
    it("keeps what restic keeps of two histories of right now", function()
      for _, case in ipairs(load(shell.check { "lua5.4", "spec/support/retention-cases", 2, 12 })()) do
        assert_as_restic(case)
      end
    end)
  end

  it("tells each reason", function()
    local first = os.time { year = 2026, month = 3, day = 1, hour = 12 }
    local keep, delete = smb.retention(entries_of { first, first + 3600, first + DAY },
      { keep_last = 1, keep_daily = 2, keep_within = "3h", utc = true })
    assert.same({ "within 3h", "last", "daily" }, keep[1].reasons)
    assert.same({ "daily" }, keep[2].reasons)
    assert.equal("snapshot 2", keep[2].entry.name)
    assert.same({ "snapshot 1" }, { delete[1].name, delete[2] })
  end)

  it("counts weeks as ISO does, over the end of a year", function()
    local monday = os.time { year = 2025, month = 12, day = 29, hour = 12 } -- week 1 of 2026
    local keep = smb.retention(entries_of { monday - DAY, monday, monday + 3 * DAY }, { keep_weekly = 2, utc = true })
    assert.same({ monday - DAY, monday + 3 * DAY }, times_of(keep))
  end)

  it("goes back a month by the calendar, leap days included", function()
    local newest = os.time { year = 2024, month = 3, day = 31, hour = 12 }
    local third = os.time { year = 2024, month = 3, day = 2, hour = 12 } -- "February 31" of a leap year
    local keep = smb.retention(entries_of { third, third + 1, newest }, { keep_within = "1m" })
    assert.same({ third + 1, newest }, times_of(keep))
  end)

  it("never deletes the newest entry, whatever the rules", function()
    for _ = 1, 200 do
      local times = random_times(math.random(1, 60))
      local keep = smb.retention(entries_of(times), random_rules())
      assert.equal(times[#times], keep[1].entry.time)
    end
  end)

  it("keeps no less when a rule keeps more", function()
    for _ = 1, 200 do
      local entries, rules, kept = entries_of(random_times(60)), random_rules(), {}
      local name = "keep_" .. NAMES[math.random(#NAMES)]
      for _, each in ipairs((smb.retention(entries, rules))) do kept[each.entry] = true end
      rules[name] = rules[name] + 1
      for _, each in ipairs((smb.retention(entries, rules))) do kept[each.entry] = nil end
      assert.is_nil(next(kept))
    end
  end)

  it("keeps all that it has kept when it is asked again", function()
    for _ = 1, 200 do
      local rules, left = random_rules(), {}
      for _, each in ipairs((smb.retention(entries_of(random_times(60)), rules))) do table.insert(left, each.entry) end
      local _, delete = smb.retention(left, rules)
      assert.same({}, delete)
    end
  end)

  it("refuses rules that keep nothing, and those that it does not know", function()
    for _, rules in ipairs { {}, { keep_daily = 0 }, { keep_dayly = 3 }, { keep_last = 1.5 }, { keep_last = -1 },
      { keep_within = "30" }, { keep_within = "" }, { keep_within = "3 days" }, { utc = true } } do
      local ok, problem = pcall(smb.retention, {}, rules)
      assert.is_false(ok)
      assert.matches("smb%.retention: ", problem)
    end
    assert.matches("entry 1 has no time", select(2, pcall(smb.retention, { {} }, { keep_last = 1 })))
    for _, time in ipairs { 1 / 0, -1 / 0, 0 / 0, 1e300, 1e17, -1e17, math.maxinteger, math.mininteger } do
      for _, rule in ipairs { "keep_daily", "keep_last" } do
        local ok, problem = pcall(smb.retention, { { time = 0 }, { time = time } }, { [rule] = 1, keep_within = "1d" })
        assert.is_false(ok)
        assert.matches("smb%.retention: entry 2 has a time beyond the years 1 to 9999", problem)
      end
    end
  end)

  it("keeps everything within a time that is longer than there has been any", function()
    for _, utc in ipairs { true, false } do
      local keep = smb.retention({ { time = 0 }, { time = 86400 } }, { keep_within = ("999999y"):rep(5000), utc = utc })
      assert.equal(2, #keep)
    end
  end)
end)
