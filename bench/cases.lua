--- What `make bench` compares, and how many times as fast as each peer lua-smb is wanted to be.
--
-- A function of the size of the big file. Clients beyond those with a wanted ratio take part for comparison. `loops`,
-- for the part "floor": how many share the work at once, from `least` to `most`, and with how many connections lua-smb
-- does it.

return function(size)
  local KiB, MiB = 1024, 1024 * 1024
  local volumes = { "lua-smb", "jobs", "smbclient", "rclone" }
  local big = { "lua-smb", "handle", "C loop", "smbclient", "rclone", "pysmbc" }
  local near = { ["C loop"] = 0.9 } -- what is wanted of a file handle
  local far = { "lua-smb", "handle", "C loop", "smbclient", "rclone", "pysmbc" }
  local trees = { "lua-smb", "smbclient", "rclone", "pysmbc" }
  local cases = {
    lan = {
      { operation = "put_tree", count = 2000, size = 8 * KiB,
        clients = { "lua-smb", "smbclient", "smbclient, safe", "rclone" },
        wanted = { smbclient = 2, rclone = 3.5, ["smbclient, safe"] = 5 } },
      { operation = "get_tree", count = 2000, size = 8 * KiB, wanted = { smbclient = 4.5, rclone = 2.3 } },
      { operation = "put", size = size, wanted = { smbclient = 1, rclone = 1, line = 0.95 } },
      { operation = "get", size = size, wanted = { smbclient = 1, rclone = 1, line = 0.95 } },
      { operation = "put_volumes", count = 12, size = 50 * MiB, clients = volumes, wanted = { line = 0.97 } },
      { operation = "get_volumes", count = 12, size = 50 * MiB, clients = volumes, wanted = { line = 0.97 } },
      { operation = "again", count = 20000, size = 8 * KiB, clients = { "lua-smb", "rclone" },
        wanted = { rclone = 1.5 } },
      { operation = "mirror", count = 20000, size = 8 * KiB, changes = 100, clients = { "lua-smb", "rclone" },
        wanted = { rclone = 2 } },
    },
    transfer = {
      { operation = "put", size = size, clients = big, wanted = { smbclient = 1.5, rclone = 5, ["C loop"] = 1.1 },
        handle = near, loops = { ours = 2, most = 4 } },
      { operation = "get", size = size, clients = big, wanted = { smbclient = 1.8, rclone = 5, ["C loop"] = 1.3 },
        handle = near, loops = { ours = 2, most = 4 } },
      { operation = "put", size = size, round_trip = 10, clients = far, wanted = { smbclient = 1.3, ["C loop"] = 2 },
        loops = { ours = 4, most = 8 } },
      { operation = "get", size = size, round_trip = 10, clients = far, wanted = { smbclient = 1.3, ["C loop"] = 2 },
        loops = { ours = 4, most = 8 } },
      { operation = "put", size = size, round_trip = 50, clients = far,
        wanted = { smbclient = 2, rclone = 10, ["C loop"] = 3 }, loops = { ours = 8, most = 16 } },
      { operation = "get", size = size, round_trip = 50, clients = far,
        wanted = { smbclient = 2, rclone = 10, ["C loop"] = 3 }, loops = { ours = 8, most = 16 } },
    },
    trees = {
      { operation = "put_tree", count = 2000, size = 8 * KiB, clients = trees, wanted = { smbclient = 2, rclone = 4 },
        loops = { ours = 2, most = 4 } },
      { operation = "get_tree", count = 2000, size = 8 * KiB, clients = trees, wanted = { smbclient = 2, rclone = 2 },
        loops = { ours = 2, most = 4 } },
      { operation = "put_tree", count = 500, size = 8 * KiB, round_trip = 10, connections = 16,
        clients = { "lua-smb", "smbclient", "rclone" }, wanted = { smbclient = 5, rclone = 3 },
        loops = { ours = 16, least = 16, most = 16 } },
      { operation = "put_folder", count = 16000, size = KiB, clients = { "lua-smb", "smbclient", "rclone" },
        wanted = { smbclient = 1.5, rclone = 1.8 } },
      { operation = "put_volumes", count = 12, size = 50 * MiB, round_trip = 10,
        clients = { "lua-smb", "smbclient", "rclone" }, wanted = { smbclient = 1.25, rclone = 3 } },
      { operation = "get_volumes", count = 12, size = 50 * MiB, round_trip = 10,
        clients = { "lua-smb", "smbclient", "rclone" }, wanted = { smbclient = 1.25, rclone = 3 } },
      { operation = "again", count = 20000, size = 8 * KiB, clients = { "lua-smb", "rclone" }, wanted = { rclone = 3 },
        loops = { ours = 2, most = 4 } },
      { operation = "list", count = 20000, clients = trees, wanted = { smbclient = 1.2 }, loops = { most = 1 } },
      { operation = "stat", clients = trees, wanted = { smbclient = 1 }, loops = { most = 1 } },
    },
  }
  for _, case in ipairs(cases.lan) do -- a local network: 0.5 ms, and a line of 1 Gbit/s that all connections share
    case.round_trip, case.line = 0.5, 125 * 10 ^ 6
    case.clients = case.clients or { "lua-smb", "smbclient", "rclone" }
  end
  return cases
end
