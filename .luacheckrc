std = "lua54"
max_line_length = 130
include_files = { "lua", "spec", "examples", ".luacheckrc", "*.rockspec" }
files["spec/**/*_spec.lua"] = { std = "lua54+busted" }
