--- What specs of snapshots start from: a server, a repository on it, a source to make snapshots of.

local lfs = require "lfs"
local files = require "spec.support.files"
local json = require "dkjson"
local share = require "spec.support.share"
local shell = require "spec.support.shell"

local backups = {}

--- Makes a tree of files: contents by path, true for a folder; "-> x" in place of contents makes a link to x.
-- @treturn string the top
function backups.make(top, tree)
  for path, content in pairs(tree) do
    local place = top .. "/" .. path
    shell.check { "mkdir", "-p", content == true and place or place:match "^(.*)/" }
    local target = type(content) == "string" and content:match "^%-> (.*)"
    if target then shell.check { "ln", "-s", target, place }
    elseif content ~= true then files.write(place, content) end
  end
  return top
end

--- Contents by path, as `make` takes them.
function backups.read(top)
  local tree = {}
  local function look(folder, below)
    for _, entry in ipairs(files.list(folder)) do
      local place, path = folder .. "/" .. entry, below .. entry
      local mode = lfs.symlinkattributes(place, "mode")
      if mode == "directory" then
        tree[path] = true
        look(place, path .. "/")
      elseif mode == "link" then
        tree[path] = "-> " .. lfs.symlinkattributes(place, "target")
      else
        tree[path] = files.read(place)
      end
    end
  end
  look(top, "")
  return tree
end

--- What find tells of all that is in a folder: types, modes, times, owners, sizes of files, targets.
function backups.attributes(top)
  local lines = {}
  local formats = { "(", "-type", "f", "-printf", "%P f %m %T@ %u %g %s\\n", ")", "-o", "(", "-type", "l", "-printf",
    "%P l %T@ %u %g %l\\n", ")", "-o", "-printf", "%P %y %m %T@ %u %g\\n" }
  local output = shell.check { "find", top, "-mindepth", "1", table.unpack(formats) }
  for line in output:gmatch "[^\n]+" do lines[#lines + 1] = line end
  table.sort(lines)
  return lines
end

--- The lines of a manifest on the share, as tables; `by_path` the entries.
function backups.manifest(repo, name)
  local lines = { by_path = {} }
  for line in files.read(share.on_server(repo .. "/" .. name .. ".manifest")):gmatch "[^\n]+" do
    lines[#lines + 1] = assert(json.decode(line))
    if lines[#lines].path then lines.by_path[lines[#lines].path] = lines[#lines] end
  end
  return lines
end

--- Names of differences by path: "what" of each.
function backups.differences(report)
  local found = {}
  for _, each in ipairs(report.differences) do found[each.name] = each.what end
  return found
end

return backups
