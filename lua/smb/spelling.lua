--- Words that people have misspelt, and what they most likely mean.
-- @module smb.spelling

local ascii = require "smb.ascii"

local spelling = {}

--- A word without what people vary: its case, and which of `-` and `_` it has.
function spelling.plain(word)
  return (ascii.lower(word:sub(1, 64)):gsub("-", "_"))
end

-- Levenshtein's distance, one row at a time.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal
    diagonal, row[0] = row[0], i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

--- The candidate that a misspelt word most likely means. Case, `-` and `_` make no difference.
-- @tparam string word what was written
-- @tparam {string,...} candidates what is known; the first of equally near ones wins
-- @treturn[1] string the nearest
-- @treturn[2] nil if none is near: more than a third of the word's characters (and one) would have to change
function spelling.nearest(word, candidates)
  local meant = spelling.plain(word)
  local nearest, least = nil, 2 + #meant // 3
  for _, candidate in ipairs(candidates) do
    local steps = distance(meant, spelling.plain(candidate))
    if steps < least then nearest, least = candidate, steps end
  end
  return nearest
end

return spelling
