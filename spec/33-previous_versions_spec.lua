-- A part of a name like @GMT-2025.01.01-00.00.00 means "as it was then" to SMB (MS-SMB 2.2.1.1.1). The library takes it
-- out of the path, so that a server without such a version does what is asked to the living file.

local files = require "spec.support.files"
local lookalike = require "smb.lookalike"
local share = require "spec.support.share"
local smb = require "smb"

local assert_fails, on_server = share.assert_fails, share.on_server

local MOMENT = "@GMT-2025.01.01-00.00.00"
-- All that the library's parser, strptime, takes for a moment.
local SPELLINGS = { MOMENT, "@GMT-2025.1.1-0.0.0", "@GMT-1970.01.01-00.00.00", "@GMT- 2025. 1. 1- 0. 0. 0",
  "@GMT-25.01.01-00.00.00", "@GMT-2025.12.31-23.59.60", "@GMT-2025.02.31-00.00.00" }
-- What it takes for names.
local NAMES = { "@gmt-2025.01.01-00.00.00", "x" .. MOMENT, MOMENT .. "x", "@GMT-2025.13.01-00.00.00",
  "@GMT-2025.01.01-24.00.00", "@GMT-2025.01.01", "@GMT-", "@GMT-2025.01.01-00.00.00.00", "@GMT-20250.01.01-00.00.00" }

local srv, dir, dest

setup(function()
  srv, dir = share.start { shares = { backup = {}, versions = { ["vfs objects"] = "shadow_copy2",
    ["shadow:snapdir"] = ".snapshots", ["shadow:snapdirseverywhere"] = "yes" } } }
end)

teardown(share.stop)

before_each(function()
  share.clean()
  dest = assert(smb.open(srv:url "backup"))
  assert(dest:mkdir "host/docs")
  assert(dest:write("host/precious", "living"))
  assert(dest:write("host/docs/more", "living, too"))
  files.write(dir .. "/local/file", "new")
end)

after_each(function() dest:close() end)

local function assert_untouched()
  assert.same({ "host", "host/docs", "host/docs/more", "host/precious" }, share.everything_below())
  assert.equal("living", files.read(on_server "host/precious"))
  assert.equal("living, too", files.read(on_server "host/docs/more"))
end

-- Every call that would change something, the name in each place that takes one. `at`: a file of the past, `folder`: a
-- folder.
local function changes(at, folder)
  local past = folder .. "/new"
  return {
    { "delete", at }, { "delete", at, { missing_ok = true } }, { "rmdir", folder },
    { "rmdir", folder, { recursive = true } },
    { "mkdir", past }, { "mkdir", folder }, { "rename", at, "other" }, { "rename", "host/precious", past },
    { "rename", folder, "other" }, { "copy", "host/precious", past },
    { "write", at, "x" }, { "write", past, "x", { parents = true } },
    { "put", dir .. "/local/file", at }, { "put", dir .. "/local/file", past }, { "utime", at, 0 },
    { "utime", folder, 0 }, { "put_tree", dir .. "/local", folder, { mirror = true } }, { "open", at, "w" },
    { "open", at, "a" }, { "open", at, "r+" }, { "open", past, "wx" }, { "sweep", folder },
  }
end

describe("a previous version", function()
  it("is not changed, nor is the living file in its place", function()
    for _, moment in ipairs(SPELLINGS) do
      for _, where in ipairs { "host/" .. moment, moment .. "/host" } do
        local counts = srv:requests(function()
          for _, arguments in ipairs(changes(where .. "/precious", where)) do
            local message = assert_fails("invalid_name", dest[arguments[1]](dest, table.unpack(arguments, 2)))
            assert.matches("previous version", message, 1, true)
          end
        end)
        assert.equal(0, counts.total)
      end
    end
    assert_untouched()
  end)

  it("is not changed where the destination's own path is one", function()
    for _, path in ipairs { MOMENT .. "/host", "host/" .. MOMENT } do
      local past <close> = assert(smb.open(srv:url("backup", path)))
      for _, arguments in ipairs(changes("precious", "docs")) do
        assert_fails("invalid_name", past[arguments[1]](past, table.unpack(arguments, 2)))
      end
      assert_fails("invalid_name", past:test { write = true })
    end
    assert_untouched()
  end)

  it("is no name that put_tree sends: it is told before anything is sent, or mapped", function()
    local source = dir .. "/local"
    files.remove(source .. "/file")
    assert(os.execute(("mkdir -p '%s/snap/%s' '%s/plain'"):format(source, MOMENT, source)))
    files.write(source .. "/snap/" .. MOMENT .. "/x", "x")
    files.write(source .. "/plain/@GMT-2025.1.1-0.0.0", "y")
    local counts = srv:requests(function() assert_fails("invalid_name", dest:put_tree(source, "tree")) end)
    assert.equal(0, counts.create)
    local summary = assert(dest:put_tree(source, "tree", { on_error = "continue" }))
    assert.equal(2, #summary.errors)
    assert.same({ "plain", "snap" }, files.list(on_server "tree"))
    assert.same({}, files.list(on_server "tree/snap"))
    assert(dest:put_tree(source, "mapped", { encode_names = true }))
    assert.equal("x", files.read(on_server("mapped/snap/" .. lookalike.encode(MOMENT) .. "/x")))
    assert(dest:get_tree("mapped", dir .. "/local/got", { encode_names = true }))
    assert.equal("x", files.read(dir .. "/local/got/snap/" .. MOMENT .. "/x"))
    assert.equal("y", files.read(dir .. "/local/got/plain/@GMT-2025.1.1-0.0.0"))
  end)

  it("is not what a name that only looks like one means", function()
    for _, text in ipairs(NAMES) do
      assert(dest:write("host/docs/" .. text, text))
      assert.equal(text, files.read(on_server("host/docs/" .. text)))
      assert.equal(text, dest:read("host/docs/" .. text))
      assert(dest:rename("host/docs/" .. text, "host/" .. text))
      assert(dest:delete("host/" .. text))
    end
    assert_untouched()
  end)

  -- vfs_shadow_copy, old NAS firmware and copies of a .snapshots folder hold such folders.
  it("is not taken for a folder that is called so: nothing is emptied in its place", function()
    assert(os.execute(("mkdir -p '%s'"):format(on_server("host/docs/" .. MOMENT .. "/inner"))))
    files.write(on_server("host/docs/" .. MOMENT .. "/inner/x"), "x")
    assert_fails("invalid_name", dest:rmdir("host/docs", { recursive = true }))
    local paths = {}
    for path in dest:walk "host" do paths[#paths + 1] = path end
    assert.is_true(#paths <= 4)
    files.remove(dir .. "/local/file")
    assert(os.execute(("mkdir '%s/docs'"):format(dir .. "/local")))
    files.write(dir .. "/local/docs/more", "mine")
    assert(dest:put_tree(dir .. "/local", "host", { mirror = true, on_error = "continue" }))
    assert.equal("mine", files.read(on_server "host/docs/more"))
    assert.equal("x", files.read(on_server("host/docs/" .. MOMENT .. "/inner/x")))
    local summary = assert(dest:get_tree("host", dir .. "/got", { on_error = "continue" }))
    assert.equal("invalid_name", summary.errors[1].code)
    assert.equal("mine", files.read(dir .. "/got/docs/more"))
  end)

  it("is read on a server that has it", function()
    local top = srv:path "versions"
    assert(os.execute(("mkdir -p '%s/host/docs' '%s/.snapshots/%s/host/docs'"):format(top, top, MOMENT)))
    files.write(top .. "/host/docs/report", "as it is")
    files.write(("%s/.snapshots/%s/host/docs/report"):format(top, MOMENT), "as it was")
    files.write(("%s/.snapshots/%s/host/docs/gone"):format(top, MOMENT), "deleted since")
    local versions <close> = assert(smb.open(srv:url "versions"))
    assert.equal("as it is", versions:read "host/docs/report")
    assert.equal("as it was", versions:read("host/docs/" .. MOMENT .. "/report"))
    assert.equal("as it was", versions:read(MOMENT .. "/host/docs/report"))
    assert.equal(2, #assert(versions:list(MOMENT .. "/host/docs")))
    local old <close> = assert(versions:open(MOMENT .. "/host/docs/gone"))
    assert.equal("deleted since", old:read "a")
    assert(versions:get_tree(MOMENT .. "/host", dir .. "/local/old"))
    assert.equal("as it was", files.read(dir .. "/local/old/docs/report"))
    assert(versions:copy(MOMENT .. "/host/docs/gone", "host/docs/gone"))
    assert.equal("deleted since", files.read(top .. "/host/docs/gone"))
    local past <close> = assert(smb.open(srv:url("versions", MOMENT .. "/host")))
    assert.equal("as it was", past:read "docs/report")
    assert_fails("invalid_name", versions:delete(MOMENT .. "/host/docs/report"))
    assert.equal("as it is", files.read(top .. "/host/docs/report"))
  end)
end)
