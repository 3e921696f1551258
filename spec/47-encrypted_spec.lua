-- What encryption hides is told otherwise: names on a share that may hold DFS links (`msdfs root = yes`, a common
-- default of NAS servers and domains), and a rename that finds its target taken.

local call = require "smb.call"
local core = require "smb.core"
local files = require "spec.support.files"
local operations = require "smb.operation"
local share = require "spec.support.share"
local smb = require "smb"

local srv, dir
local assert_fails = share.assert_fails

setup(function() srv, dir = share.start { shares = { backup = {}, dfs = { ["msdfs root"] = "yes" } } } end)
teardown(share.stop)
before_each(share.clean)

for _, encryption in ipairs { "default", "required" } do
  for name, what in pairs { backup = "a plain share", dfs = "a share that may hold links" } do
    local function opened()
      return assert(smb.open(srv:fields { share = name, encryption = encryption, connections = 2, retries = 0 }))
    end

    local function content(file) return files.read(srv:path(name, file)) end

    describe(("%s, encryption = %q,"):format(what, encryption), function()
      it("takes new names and old ones", function()
        local dest <close> = opened()
        for _ = 1, 2 do
          for i = 1, 3 do
            assert(dest:write("file", ("x"):rep(i)))
            assert(dest:write("a/much/longer/name of a file in a folder", ("x"):rep(i), { parents = true }))
            assert.equal(("x"):rep(i), content "file")
          end
          assert.is_true(dest:rename("file", "other"))
          assert(dest:write("file", "new"))
          assert.is_true(dest:rename("file", "other"))
          assert.equal("new", content "other")
          assert_fails("not_found", dest:rename("file", "other"))
        end
        assert.is_true(dest:delete "other")
      end)

      it("takes a tree, twice", function()
        for i = 1, 20 do files.write(dir .. "/local/" .. i, ("%d"):format(i)) end
        local dest <close> = opened()
        assert.equal(20, assert(dest:put_tree(dir .. "/local", "tree")).files)
        assert.equal(20, assert(dest:put_tree(dir .. "/local", "tree", { changed = "always" })).files)
        assert.equal("7", content "tree/7")
      end)

      it("keeps a file that got the name meanwhile", function()
        local dest <close> = opened()
        for _, to in ipairs { "to", "a rather long name, of which more bytes go over the wire than of a short one" } do
          for _ = 1, 2 do
            assert(dest:write("from", "from"))
            assert(dest:write(to, "to"))
            -- As a call does that has looked before, and found nothing of that name.
            local reply, code, reason = call.run(dest, "rename",
              { name = "from", to = to, aside = "aside", new = true }, operations.new(core.state(dest)))
            assert.is_nil(reply)
            assert.equal("exists", code, reason)
            assert.same({ "from", "to" }, { content "from", content(to) })
          end
        end
        assert.equal(3, #files.list(srv:path(name)))
      end)
    end)
  end
end
