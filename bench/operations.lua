--- What the clients are asked to do: for each operation what has to be there, what must not, and how the outcome is
-- judged.
--
-- `ready(stage, case)` once for a case; `before(stage, case)` before each run, untimed; `check(stage, case, client,
-- output)` after it, raises when the client did not do all that was asked. `shown(case, seconds)` is what a table
-- tells, in `unit`.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local MiB = 2 ^ 20

local operations = {}

local function expect(client, condition, ...)
  if not condition then error(client.name .. ": " .. (...):format(select(2, ...)), 0) end
end

local function throughput(case, seconds) return case.size / MiB / seconds end

local function files_a_second(case, seconds) return case.count / seconds end

-- Contents are compared in a client's first run of a case, sizes in all.
local function check_file(client, case, result, original)
  local size = files.size(result)
  expect(client, size == case.size, "moved %s bytes of %d", size, case.size)
  case.seen = case.seen or {}
  expect(client, case.seen[client] or files.same(result, original), "what arrived is not what was sent")
  case.seen[client] = true
end

-- Seconds since 1970 of each file's last change, by name.
local function times(path, format)
  return shell.check(("cd %s && find . -type f -printf '%%P %s\\n' | sort"):format(shell.quote(path), format))
end

local function check_tree(client, result, original)
  local ok, output = shell.run { "diff", "-rq", "--", original, result }
  expect(client, ok, "the trees differ:\n%s", output:sub(1, 1000))
  expect(client, not client.keeps_mtime or times(result, "%Ts") == times(original, "%Ts"), "the times were not kept")
end

operations.put = {
  unit = "MiB/s", shown = throughput, here = "file", there = "file",
  ready = function(stage, case) stage:file(stage:here "file", case.size) end,
  before = function(stage) os.remove(stage:there "file") end,
  check = function(stage, case, client) check_file(client, case, stage:there "file", stage:here "file") end,
}

operations.get = {
  unit = "MiB/s", shown = throughput, here = "back", there = "file",
  ready = function(stage, case)
    stage:file(stage:here "file", case.size)
    shell.check { "cp", stage:here "file", stage:there "file" }
  end,
  before = function(stage) os.remove(stage:here "back") end,
  check = function(stage, case, client) check_file(client, case, stage:here "back", stage:here "file") end,
}

local function tree_name(case) return ("tree-%d-%d"):format(case.count, case.size) end

local function make_tree(stage, case) return stage:tree(stage:here(tree_name(case)), case.count, case.size) end

local function copy_tree(stage, case)
  files.remove(stage:there "tree")
  shell.check { "cp", "-a", make_tree(stage, case), stage:there "tree" }
end

operations.put_tree = {
  unit = "files/s", shown = files_a_second, here = tree_name, there = "tree",
  ready = make_tree,
  before = function(stage) files.remove(stage:there "tree") end,
  check = function(stage, case, client) check_tree(client, stage:there "tree", stage:here(tree_name(case))) end,
}

operations.get_tree = {
  unit = "files/s", shown = files_a_second, here = "back-tree", there = "tree",
  ready = copy_tree,
  before = function(stage)
    files.remove(stage:here "back-tree")
    shell.check { "mkdir", stage:here "back-tree" }
  end,
  check = function(stage, case, client) check_tree(client, stage:here "back-tree", stage:here(tree_name(case))) end,
}

-- A folder of volumes, as backup programs write them, one after another.
local function volumes_name(case) return ("volumes-%d-%d"):format(case.count, case.size) end

local function make_volumes(stage, case)
  local path = stage:here(volumes_name(case))
  if files.exists(path) then return path end
  shell.check { "mkdir", path }
  for i = 1, case.count do stage:file(("%s/volume-%02d"):format(path, i), case.size) end
  return path
end

local function all_bytes_a_second(case, seconds) return case.count * case.size / MiB / seconds end

operations.put_volumes = {
  unit = "MiB/s", shown = all_bytes_a_second, here = volumes_name, there = "volumes",
  ready = make_volumes,
  before = function(stage) files.remove(stage:there "volumes") end,
  check = function(stage, case, client) check_tree(client, stage:there "volumes", stage:here(volumes_name(case))) end,
}

operations.get_volumes = {
  unit = "MiB/s", shown = all_bytes_a_second, here = "back-volumes", there = "volumes",
  ready = function(stage, case)
    files.remove(stage:there "volumes")
    shell.check { "cp", "-a", make_volumes(stage, case), stage:there "volumes" }
  end,
  before = function(stage)
    files.remove(stage:here "back-volumes")
    shell.check { "mkdir", stage:here "back-volumes" }
  end,
  check = function(stage, case, client) check_tree(client, stage:here "back-volumes",
    stage:here(volumes_name(case))) end,
}

-- New files in one folder.
local function folder_name(case) return ("folder-%d-%d"):format(case.count, case.size) end

operations.put_folder = {
  unit = "files/s", shown = files_a_second, here = folder_name, there = "tree",
  ready = function(stage, case) stage:folder(stage:here(folder_name(case)), case.count, case.size) end,
  before = function(stage) files.remove(stage:there "tree") end,
  check = function(stage, case, client) check_tree(client, stage:there "tree", stage:here(folder_name(case))) end,
}

-- A tree in which some files have changed since the last time.
operations.mirror = {
  unit = "files/s", shown = files_a_second, here = tree_name, there = "tree",
  ready = copy_tree,
  before = function(stage, case)
    case.turn = (case.turn or 0) + 1
    stage:change(stage:here(tree_name(case)), case.count, case.size, case.changes, case.turn)
  end,
  check = function(stage, case, client) check_tree(client, stage:there "tree", stage:here(tree_name(case))) end,
}

-- A put_tree that finds nothing to do.
operations.again = {
  unit = "files/s", shown = files_a_second, here = tree_name, there = "tree",
  ready = function(stage, case)
    copy_tree(stage, case)
    case.untouched = times(stage:there "tree", "%i %C@")
  end,
  before = function() end,
  check = function(stage, case, client)
    expect(client, times(stage:there "tree", "%i %C@") == case.untouched, "files were sent that had not changed")
  end,
}

operations.list = {
  unit = "files/s", shown = files_a_second, here = "none", there = "folder",
  ready = function(stage, case)
    files.remove(stage:there "folder")
    stage:folder(stage:there "folder", case.count, 1)
  end,
  before = function() end,
  check = function(_, case, client, output)
    local seen = select(2, output:gsub("file%-%d+%.bin", ""))
    expect(client, seen == case.count, "listed %d of %d files", seen, case.count)
  end,
}

operations.stat = {
  unit = "ms", shown = function(_, seconds) return seconds * 1000 end, here = "none", there = "small",
  ready = function(stage) files.write(stage:there "small", "something") end,
  before = function() end,
  check = function() end,
}

return operations
