--- How busted reports here: a line for each spec file, what failed below it, and `N passed, N failed` at the end.
--
-- A file that does not load, and a setup or teardown that fails, count as failed, too.

local base = require "busted.outputHandlers.base"
local pretty = require "pl.pretty"
local system = require "system"

local function text_of(message)
  if message == nil then return "nil error" end
  return type(message) == "string" and message or pretty.write(message)
end

local function indent(text)
  return (text:gsub("[^\n]+", "    %0"))
end

local function place_of(failure)
  local trace = failure.element.trace
  if not trace or not trace.short_src then return "" end
  return (" (%s:%s)"):format(trace.short_src, trace.currentline)
end

return function()
  local busted = require "busted"
  local handler = base()
  local file_began, before = 0, {}
  local failed_names, told = {}, { failures = 0, errors = 0 }

  local function count()
    return { handler.successesCount, handler.failuresCount + handler.errorsCount, handler.pendingsCount }
  end

  local function summary(counts)
    local line = ("%d passed, %d failed"):format(counts[1], counts[2])
    return counts[3] > 0 and ("%s, %d skipped"):format(line, counts[3]) or line
  end

  local function tell_one(failure)
    local trace = failure.trace and failure.trace.traceback
    io.write("  FAILED ", failure.name, place_of(failure), "\n", indent(text_of(failure.message)), "\n")
    if trace and trace:find "%S" then io.write(indent(trace:gsub("^%s*", "")), "\n") end
    failed_names[#failed_names + 1] = failure.name .. place_of(failure)
  end

  -- Those that have come since the last time.
  local function tell_failures()
    for _, kind in ipairs { "failures", "errors" } do
      for i = told[kind] + 1, #handler[kind] do tell_one(handler[kind][i]) end
      told[kind] = #handler[kind]
    end
    io.flush()
  end

  local function suite_starts()
    tell_failures()    -- files that did not load
    return nil, true
  end

  local function file_starts(file)
    io.write(("%-34s "):format(file.name))
    io.flush()
    file_began, before = system.monotime(), count()
    return nil, true
  end

  local function file_ends()
    local counts = count()
    for i, value in ipairs(before) do counts[i] = counts[i] - value end
    io.write(("%s (%.1f s)\n"):format(summary(counts), system.monotime() - file_began))
    tell_failures()
    return nil, true
  end

  local function suite_ends()
    tell_failures()
    if #failed_names > 0 then io.write("\nFailed:\n") end
    for _, name in ipairs(failed_names) do io.write("  ", name, "\n") end
    io.write(("\n%s\n"):format(summary(count())))
    io.flush()
    return nil, true
  end

  -- busted's own exit status is the number of failures, which 256 of them would make 0.
  local function leave()
    if count()[2] > 0 then os.exit(1, true) end
    return nil, true
  end

  busted.subscribe({ "suite", "start" }, suite_starts)
  busted.subscribe({ "file", "start" }, file_starts)
  busted.subscribe({ "file", "end" }, file_ends)
  busted.subscribe({ "suite", "end" }, suite_ends)
  busted.subscribe({ "exit" }, leave)
  return handler
end
