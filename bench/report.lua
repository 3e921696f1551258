--- What the benchmark tells: on the terminal while it runs, and in bench/results.md. That file is made of sections, one
-- a part; a run replaces those of its own parts and keeps the others, each with its date.

local files = require "spec.support.files"
local machine = require "bench.machine"

local SECTIONS = { "lan", "folders", "backups", "requests", "cost", "lines", "floor", "growth", "plot", "trees",
  "transfer" }
local RESULTS = "bench/results.md"

local Section = {}
Section.__index = Section

local Table = {}
Table.__index = Table

local report = {}

--- Begins the section of a part.
-- @tparam string name of SECTIONS
-- @tparam string title
-- @tparam string about a sentence or more
function report.section(name, title, about)
  local self = setmetatable({ name = name, lines = {} }, Section)
  print("\n" .. title)
  self:write("## " .. title .. "\n")
  self:write(("%s; load average before: %s."):format(machine.moment(), machine.load()))
  self:say(about)
  return self
end

--- A line for the file only.
function Section:write(line) table.insert(self.lines, line) end

--- A paragraph.
function Section:say(text)
  print(text)
  self:write(text .. "\n")
end

--- Begins a table; its rows are printed as they come.
-- @tparam table header names of the columns; the first is wide and holds text
function Section:table(header)
  local widths = { 31 }
  for i = 2, #header do widths[i] = math.max(9, utf8.len(header[i]) + 2) end
  local self_table = setmetatable({ section = self, widths = widths }, Table)
  print()
  self:write ""
  self_table:row(header)
  self:write("|---|" .. ("--:|"):rep(#header - 1))
  return self_table
end

--- Adds a row. A cell is a text, or a list of two: for the terminal and, with more detail, for the file.
function Table:row(cells)
  local short, long = {}, {}
  for i, cell in ipairs(cells) do
    local brief = type(cell) == "table" and cell[1] or cell
    long[i] = type(cell) == "table" and cell[2] or cell
    local pad = (" "):rep(self.widths[i] - utf8.len(brief))
    short[i] = i == 1 and brief .. pad or pad .. brief
  end
  print(table.concat(short))
  self.section:write("| " .. table.concat(long, " | ") .. " |")
end

-- The sections that the file has, by name.
local function kept()
  local sections = {}
  for name, text in (files.read(RESULTS) or ""):gmatch "<!%-%- (%l+) %-%->\n(.-)<!%-%- end %-%->\n" do
    sections[name] = text
  end
  return sections
end

--- Ends the section: it is in the file now.
function Section:finish()
  local sections, parts = kept(), { "# What `make bench` measured\n\n" .. machine.description() }
  sections[self.name] = table.concat(self.lines, "\n") .. "\n"
  for _, name in ipairs(SECTIONS) do
    if sections[name] then table.insert(parts, ("<!-- %s -->\n%s<!-- end -->\n"):format(name, sections[name])) end
  end
  files.write(RESULTS, table.concat(parts, "\n"))
end

return report
