--- `lua-smb du`.

local flags = require "smb.cli.flags"
local json = require "smb.cli.json"
local name = require "smb.name"
local names = require "smb.cli.names"
local outcome = require "smb.cli.outcome"
local output = require "smb.cli.output"
local show = require "smb.show"

local du = {}

function du.add(parser)
  local command = flags.command(parser, "du", "URL [PATH...]", "Show how large folders are.", "Shows how large "
    .. "folders are: the bytes of all files in them and below.")
  command:argument("paths", "the folders; the URL's path by default"):args "*"
  flags.finish(command, { command:flag("-s --summarize", "only those that are named"),
    command:option("-d --max-depth", "only those so many folders below"):argname "NUMBER"
      :convert(flags.count "--max-depth")
      :target "depth",
    command:flag("-H --human", "sizes as 1.5 MiB") })
end

local function depth_of(path)
  return path == "" and 0 or select(2, path:gsub("/", "")) + 1
end

-- Adds a size to a folder and to all above it.
local function add(sizes, folder, size)
  while true do
    sizes[folder] = (sizes[folder] or 0) + size
    if folder == "" then return end
    folder = folder:match "^(.*)/[^/]*$" or ""
  end
end

-- The sizes of a folder and of those below it, by path.
local function measure(dest, path)
  local sizes = { [""] = 0 }
  for below, entry in dest:walk(path) do
    if entry.type == "directory" then add(sizes, below, 0)
    elseif entry.type == "file" then add(sizes, below:match "^(.*)/[^/]*$" or "", entry.size) end
  end
  return sizes
end

local function sorted(sizes)
  local paths = {}
  for path in pairs(sizes) do paths[#paths + 1] = path end
  -- the whole comes last
  table.sort(paths, function(a, b) return (a == "" and "\xFF" or a) < (b == "" and "\xFF" or b) end)
  return paths
end

local function measure_one(dest, args, top, found)
  local entry = top ~= "" and outcome.try(dest:stat(top)) or nil
  if entry and entry.type ~= "directory" and not entry.directory then
    found[#found + 1] = { path = top, bytes = entry.size }
    return
  end
  local depth = args.summarize and 0 or args.depth or math.huge
  local sizes = measure(dest, top)
  for _, path in ipairs(sorted(sizes)) do
    if depth_of(path) <= depth then
      found[#found + 1] = { path = name.join(top, path), bytes = sizes[path] }
    end
  end
end

function du.run(dest, args)
  local found = json.array()
  if #args.paths == 0 then args.paths = { "" } end
  for _, item in ipairs(names.expand(dest, args.paths)) do
    if item.message then outcome.stop(item.message, item.code) end
    measure_one(dest, args, item.name, found)
  end
  if args.json then return output.answer(args, found) end
  local texts, width = {}, 0
  for i, each in ipairs(found) do
    texts[i] = args.human and show.size(each.bytes) or ("%d"):format(each.bytes)
    width = math.max(width, #texts[i])
  end
  for i, each in ipairs(found) do
    output.say((" "):rep(width - #texts[i]), texts[i], "  ", each.path == "" and "." or show.text(each.path), "\n")
  end
end

return du
