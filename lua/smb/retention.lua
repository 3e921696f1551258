--- Which snapshots to keep: rules as restic's `forget` has them, with the same result.
-- @module smb.retention

local options = require "smb.options"

local retention = {}

local DAY = 86400 -- seconds
local FIRST, LAST = -62135596800, 253402300799 -- seconds: the years 1 to 9999, which every calendar here knows

-- A period's snapshots have one text in common; of each period the newest snapshot is kept.
local PERIODS = {
  { name = "last" },
  { name = "hourly", format = "%Y-%m-%d %H" },
  { name = "daily", format = "%Y-%m-%d" },
  { name = "weekly", format = "%G-%V" },
  { name = "monthly", format = "%Y-%m" },
  { name = "yearly", format = "%Y" },
}

local ALLOWED = { utc = "boolean", keep_within = "string" }
for _, period in ipairs(PERIODS) do ALLOWED["keep_" .. period.name] = "integer" end

local UNITS = { y = "years", m = "months", d = "days", h = "hours" }

-- "1y2m7d3h" as restic reads it: m is months, d days. nil when the text is no duration.
local function duration(text)
  local found, rest = { years = 0, months = 0, days = 0, hours = 0 }, text
  while rest ~= "" do
    local count, unit, after = rest:match "^(%d+)([ymdh])(.*)$"
    if not count or #count > 6 then return nil end
    found[UNITS[unit]] = found[UNITS[unit]] + math.tointeger(tonumber(count))
    rest = after
  end
  return text ~= "" and found or nil
end

-- Days from 1970-01-01 to the first of a month; the month may lie outside 1 to 12.
local function days_to(year, month)
  year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 - 719468
end

-- The moment that lies a duration before another, by the calendar: a month before March 31 is "February 31", which is
-- March 3.
local function before(time, span, utc)
  local whole = time // 1
  local at = os.date(utc and "!*t" or "*t", math.tointeger(whole))
  at.year, at.month, at.day, at.isdst = at.year - span.years, at.month - span.months, at.day - span.days, nil
  local seconds = (days_to(at.year, at.month) + at.day - 1) * DAY + at.hour * 3600 + at.min * 60 + at.sec
  if not utc and seconds >= FIRST then seconds = os.time(at) end
  return seconds - span.hours * 3600 + (time - whole)
end

local function check_rules(rules, level)
  if type(rules) ~= "table" then error("smb.retention: rules must be a table, not a " .. type(rules), level) end
  local ok, reason = options.check_opts(rules, ALLOWED)
  if not ok then error("smb.retention: " .. reason, level) end
  local within = rules.keep_within and duration(rules.keep_within)
  if rules.keep_within and not within then
    error("smb.retention: keep_within must be a duration like \"30d\" or \"1y2m7d3h\" (m is months)", level)
  end
  local is_any = within ~= nil
  for _, period in ipairs(PERIODS) do
    local count = rules["keep_" .. period.name]
    if count and count < 0 then error(("smb.retention: keep_%s must not be negative"):format(period.name), level) end
    is_any = is_any or (count or 0) > 0
  end
  if not is_any then error("smb.retention: no rule says what to keep, so that everything would be deleted", level) end
  return within
end

-- The entries, newest first; of two that have one time the later one in the list counts as newer.
local function newest_first(entries, level)
  if type(entries) ~= "table" then error("smb.retention: entries must be a list, not a " .. type(entries), level) end
  local sorted = {}
  for i, entry in ipairs(entries) do
    if type(entry) ~= "table" or type(entry.time) ~= "number" then
      error(("smb.retention: entry %d has no time in seconds"):format(i), level)
    end
    if not (entry.time >= FIRST and entry.time <= LAST) then
      error(("smb.retention: entry %d has a time beyond the years 1 to 9999"):format(i), level)
    end
    sorted[i] = { entry = entry, time = entry.time, place = i }
  end
  table.sort(sorted, function(a, b)
    if a.time ~= b.time then return a.time > b.time end
    return a.place > b.place
  end)
  return sorted
end

-- Whether a rule has a place left for the entry, which then is the newest of its period.
local function takes(left, period, each, utc)
  local state = left[period.name]
  if state.count == 0 then return false end
  local text = period.format and os.date((utc and "!" or "") .. period.format, math.tointeger(each.time // 1))
    or each.place
  if text == state.text then return false end
  state.count, state.text = state.count - 1, text
  return true
end

--- Says which entries the rules keep, and which are to be deleted. Nothing is changed. An entry is kept if any rule
-- keeps it: the newest one of each of the last so many hours, days, ISO weeks, months or years that have any, the last
-- so many, or all that are not older than a time before the newest one.
-- See `smb.retention`.
-- @local
function retention.plan(entries, rules)
  local within = check_rules(rules, 3)
  local sorted, left, keep, delete = newest_first(entries, 3), {}, {}, {}
  for _, period in ipairs(PERIODS) do left[period.name] = { count = rules["keep_" .. period.name] or 0 } end
  local limit = within and sorted[1] and before(sorted[1].time, within, rules.utc)
  for _, each in ipairs(sorted) do
    local reasons = {}
    if limit and each.time > limit then reasons[1] = "within " .. rules.keep_within end
    for _, period in ipairs(PERIODS) do
      if takes(left, period, each, rules.utc) then reasons[#reasons + 1] = period.name end
    end
    if #reasons > 0 then keep[#keep + 1] = { entry = each.entry,
      reasons = reasons } else delete[#delete + 1] = each.entry end
  end
  return keep, delete
end

--- Rules of `smb.retention`. At least one has to keep something.
-- @table retention_rules
-- @tfield[opt] integer keep_last so many of the newest
-- @tfield[opt] integer keep_hourly the newest one of so many hours
-- @tfield[opt] integer keep_daily likewise of days
-- @tfield[opt] integer keep_weekly likewise of ISO weeks
-- @tfield[opt] integer keep_monthly likewise of months
-- @tfield[opt] integer keep_yearly likewise of years
-- @tfield[opt] string keep_within all that are no older than this, counted from the newest: years, months, days and
-- hours as in "1y2m7d3h"
-- @tfield[opt=false] boolean utc hours and days are those of UTC, not of the local time zone

return retention
