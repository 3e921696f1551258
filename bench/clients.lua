--- The clients that are compared. Each has a name and, by operation (see bench/operations.lua), a function that gives
-- the command to run: a list of words, or a line for sh. What has no function cannot be done, or is not asked of it.
--
-- The functions get a job: `stage`, `port`, `here` (a local path), `there` (a name on the share) and, when they are
-- prescribed, `connections`.

local shell = require "spec.support.shell"

local LUA = os.getenv "LUA" or "lua5.4"
local LOOP = os.getenv "LOOP" or "build/bench/loop"

local clients = {}

local function place(job) return ("smb://%s:%d/backup"):format(job.stage.srv.address, job.port) end

local function ours(what)
  return function(job)
    local url = ("%s?credentials-file=%s"):format(place(job), job.stage.credentials)
    if job.connections then url = ("%s&connections=%d"):format(url, job.connections) end
    return { LUA, "bench/transfer.lua", what, job.here, url, job.there }
  end
end

clients["lua-smb"] = {
  name = "lua-smb", keeps_mtime = true, put = ours "put", get = ours "get", put_tree = ours "put_tree",
  get_tree = ours "get_tree", again = ours "put_tree", list = ours "list", stat = ours "stat",
}

for _, what in ipairs { "put_volumes", "get_volumes", "mirror" } do clients["lua-smb"][what] = ours(what) end
clients["lua-smb"].put_folder = ours "put_tree"

-- The same, with a job for each volume.
clients.jobs = { name = "jobs", keeps_mtime = true, put_volumes = ours "put_jobs", get_volumes = ours "get_jobs" }

-- lua-smb with dest:open, in pieces of 64 KiB.
clients.handle = { name = "handle", put = ours "write", get = ours "read" }

local function loop(what)
  return function(job) return { LOOP, what, job.here, place(job) .. "/" .. job.there, job.stage.credentials } end
end

clients["C loop"] = { name = "C loop", put = loop "put", get = loop "get", put_tree = loop "put_tree",
  get_tree = loop "get_tree", again = loop "again", list = loop "list", stat = loop "stat" }

local function smbclient(order)
  return function(job)
    local line = order:gsub("%u+", { HERE = job.here, THERE = job.there })
    return { "smbclient", "-s", "/dev/null", "-A", job.stage.credentials, "-p", job.port,
      ("//%s/backup"):format(job.stage.srv.address), "-c", line }
  end
end

clients.smbclient = {
  name = "smbclient", put = smbclient "put HERE THERE", get = smbclient "get THERE HERE",
  put_tree = smbclient "recurse; prompt; mkdir THERE; cd THERE; lcd HERE; mput *",
  get_tree = smbclient "recurse; prompt; cd THERE; lcd HERE; mget *",
  list = smbclient "ls THERE/*", stat = smbclient "allinfo THERE",
}

for what, order in pairs { put_volumes = "put_tree", get_volumes = "get_tree", put_folder = "put_tree" } do
  clients.smbclient[what] = clients.smbclient[order]
end

-- smbclient as a script has to use it for what put_tree promises: each file goes to a temporary name, gets its time and
-- is renamed.
clients["smbclient, safe"] = {
  name = "smbclient, safe", keeps_mtime = true,
  put_tree = function(job)
    local line = [[cd "$1" && { echo "mkdir $2"; find . -mindepth 1 -type d -printf "mkdir $2/%P\n"
      at=%TY:%Tm:%Td-%TH:%TM:%TS
      find . -type f -printf "put %p $2/%P.part\nutimes $2/%P.part -1 -1 $at -1\nrename $2/%P.part $2/%P\n" |
      sed '/^utimes/s/[.][0-9]* -1$/ -1/'; } | smbclient -s /dev/null -A "$3" -p "$4" "$5" >/dev/null]]
    return { "sh", "-c", line, "sh", job.here, job.there, job.stage.credentials, job.port,
      ("//%s/backup"):format(job.stage.srv.address) }
  end,
}

-- Sourced in the shell that becomes rclone: secrets belong into no command.
local function rclone(...)
  local order = { ... }
  return function(job)
    local words, places = { "rclone" }, { HERE = job.here, THERE = "bench:backup/" .. job.there }
    for i, word in ipairs(order) do words[i + 1] = places[word] or word end
    if job.connections then words[#words + 1] = "--transfers=" .. job.connections end
    return (". %s; export RCLONE_CONFIG_BENCH_PORT=%d; exec %s"):format(shell.quote(job.stage.rclone), job.port,
      shell.quote(words))
  end
end

-- By default it fetches big files by four streams of 32 KiB a request, which is several times as slow over a distance.
clients.rclone = {
  name = "rclone", keeps_mtime = true, put = rclone("copyto", "HERE", "THERE"),
  get = rclone("copyto", "--multi-thread-streams=0", "THERE", "HERE"), put_tree = rclone("copy", "HERE", "THERE"),
  get_tree = rclone("copy", "THERE", "HERE"), again = rclone("copy", "HERE", "THERE"), list = rclone("lsl", "THERE"),
  stat = rclone("lsl", "THERE"),
}

for what, order in pairs { put_volumes = "put_tree", get_volumes = "get_tree", put_folder = "put_tree" } do
  clients.rclone[what] = clients.rclone[order]
end
clients.rclone.mirror = rclone("sync", "HERE", "THERE")

local function pysmbc(what)
  return function(job)
    return { "/usr/bin/python3", "bench/peers/pysmbc.py", job.stage.credentials, what, job.here, place(job) .. "/"
      .. job.there }
  end
end

clients.pysmbc = {
  name = "pysmbc", put = pysmbc "put", get = pysmbc "get", put_tree = pysmbc "put_tree", get_tree = pysmbc "get_tree",
  list = pysmbc "list", stat = pysmbc "stat",
}

return clients
