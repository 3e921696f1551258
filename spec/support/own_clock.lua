--- `lua -l spec.support.own_clock PROGRAM`: the clocks of event loops without the time in which the program was ready
-- to run and others had the processors. How long it was held up is then its own doing, however busy the machine is.

-- Nanoseconds that the program has waited for a processor; 0 where the kernel does not count them.
local function crowded_out()
  local file <close> = io.open "/proc/self/schedstat"
  local _, waited = (file and file:read "a" or ""):match "^(%d+) (%d+)"
  return tonumber(waited) or 0
end

-- Replaces a clock by one of the program's own; without a unit it counts nanoseconds.
local function own(module, name, unit)
  local is_there, library = pcall(require, module)
  if not is_there then return end
  local clock = library[name]
  library[name] = function() return clock() - (unit and crowded_out() / unit or crowded_out()) end
end

own("cqueues", "monotime", 1e9)
own("luv", "hrtime")
own("socket", "gettime", 1e9)
