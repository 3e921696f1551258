std = "lua54"
max_line_length = 130
include_files = { "**/*.lua", "bin/*", ".luacheckrc", ".busted", "*.rockspec", "config.ld" }
exclude_files = { "build*", "spec/support/retention.lua", "lua/smb/topics.lua", "lua/smb/types.lua" }
files["spec/**/*_spec.lua"] = { std = "lua54+busted" }
files["config.ld"] = { std = "lua54+ldoc" }
