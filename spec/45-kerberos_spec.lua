-- Logons in an Active Directory domain.

local domain = require "spec.support.domain"
local smb = require "smb"

local missing = domain.missing()

describe("in a domain", function()
  if missing then return it("Kerberos logs on", function() pending(missing) end) end
  local ad, cache

  setup(function()
    ad = domain.start()
    cache = ad:kinit("bob", { cache = "FILE:" .. ad.dir .. "/bob.cc" })
  end)
  teardown(function() if ad then ad:stop() end end)
  before_each(function() ad:mark() end)

  it("a ticket logs its owner on", function()
    for _, server in ipairs { "dc", "files", "strict" } do
      local dest <close> = assert(smb.open(domain.fields(server, { username = "bob", kerberos = "required", ccache = cache })))
      assert.is_truthy(dest:write("by ticket", "there"))
      assert.equal("there", dest:read "by ticket")
    end
  end)

  it("a password counts at the domain controller", function()
    local dest, _, code = smb.open(domain.fields("files", { username = "bob", domain = "LUASMB", password = "wrong" }))
    assert.is_nil(dest)
    assert.equal("auth_failed", code)
    assert.equal(1, (ad:attempts()))
  end)
end)
