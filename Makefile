# lua-smb: `make deps demo` shows it at work, `make deps test` runs the whole suite. CONTRIBUTING.md explains the targets.

# What the C half says it is; the Lua half compares.
VERSION ?= $(shell sed -n 's/^local VERSION = "\(.*\)"$$/\1/p' lua/smb/version.lua)
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
LUA     ?= lua5.4
BUILD   ?= build

LUADIR = $(DESTDIR)$(PREFIX)/share/lua/5.4
LIBDIR = $(DESTDIR)$(PREFIX)/lib/lua/5.4
BINDIR = $(DESTDIR)$(PREFIX)/bin

CFLAGS   ?= -O2 -g
WARNINGS  = -Wall -Wextra -Wshadow -Wconversion -Wpedantic
OURS      = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Isrc -I$(BUILD) $(WARNINGS) -fPIC -fvisibility=hidden -MMD -MP

# As dpkg-buildflags has it with hardening=+all; HARDENING= builds without. Fortified functions need an optimizing compiler, and
# sanitizers have their own.
HARDENING   ?= -fstack-protector-strong -fstack-clash-protection -Wformat -Werror=format-security $(FORTIFY) \
	$(if $(filter x86_64-% i%86-%,$(MACHINE)),-fcf-protection)
FORTIFY      = $(if $(findstring -fsanitize,$(CFLAGS))$(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),, \
	$(if $(filter-out -O0,$(filter -O%,$(CFLAGS))),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
HARDENED_LD ?= -Wl,-z,relro -Wl,-z,now
MACHINE     := $(shell $(CC) -dumpmachine 2>/dev/null)
COMPILE      = $(CC) $(HARDENING) $(CPPFLAGS) $(CFLAGS)

# One word and a name for each command; V=1 shows the commands themselves, -s nothing.
Q    = $(if $(V),,@)
TELL = @$(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),:,echo)

# Looked up when a recipe needs them and not before: pkg-config may come with `make deps`.
LUA_CFLAGS  ?= $(shell pkg-config --cflags lua5.4)
LUA_LIBS    ?= $(shell pkg-config --libs lua5.4)
SMBC_CFLAGS ?= $(shell pkg-config --cflags smbclient)
SMBC_LIBS   ?= $(shell pkg-config --libs smbclient)
SECCOMP_LIBS ?= $(shell pkg-config --libs libseccomp)
SECCOMP_CFLAGS ?= $(shell pkg-config --cflags libseccomp)

MODULE = $(BUILD)/smb/core.so
WORKER = $(BUILD)/smb/smb-worker
LOOP   = $(BUILD)/bench/loop

COMMANDS = $(wildcard bin/*)

# smb and the folders below it, as they stand in lua/.
LUA_FOLDERS = $(patsubst lua/%,%,$(shell find lua/smb -type d | sort))

# One room in src/ each: what a host loads, the processes at the other end of its sockets, what both programs share, the worker's program.
MODULE_OBJECTS = $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/module/*.c src/workers/*.c src/shared/*.c))
WORKER_OBJECTS = $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/worker/*.c src/shared/*.c))

# Lua with the module as it stands here.
HERE = LUA_PATH_5_4='lua/?.lua;lua/?/init.lua;./?.lua;;' LUA_CPATH_5_4='$(BUILD)/?.so;;' LUA='$(LUA)'

# For `make bench`: bytes (or 64M, 1G), how often, and which of lan, transfer, trees, lines, requests, cost, folders, floor, growth, backups, plot.
SIZE  ?= 1G
RUNS  ?= 5
PARTS ?= lan transfer trees lines requests cost folders floor growth backups plot

.PHONY: all clean package-test install uninstall deps deps-bench test asan gc lint demo repl bench docs soak retention-cases status-names fuzz fuzz-corpus

# "make -j deps test" must not build what it has not installed yet.
ifneq ($(filter deps deps-bench,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

all: $(MODULE) $(WORKER)

$(MODULE_OBJECTS) $(WORKER_OBJECTS): | $(BUILD)/headers $(BUILD)/build.h

# Found missing before the compiler's messages hide which packages they are in.
$(BUILD)/headers:
	@mkdir -p $(@D)
	@missing=; \
	command -v pkg-config >/dev/null || missing=' pkg-config'; \
	for each in lua.h:liblua5.4-dev libsmbclient.h:libsmbclient-dev nettle/sha2.h:nettle-dev utf8proc.h:libutf8proc-dev; do \
		printf '#include <%s>\n' "$${each%:*}" | $(CC) $(CPPFLAGS) $(CFLAGS) $(LUA_CFLAGS) $(SMBC_CFLAGS) -E -x c - \
			>/dev/null 2>&1 || missing="$$missing $${each#*:}"; \
	done; \
	[ -z "$$missing" ] || { echo "To build, lua-smb needs what Debian has in:$$missing" >&2; \
		echo "'sudo make deps' installs all that is missing, or 'apt install$$missing'." >&2; exit 1; }
	@touch $@

# Which commit this is, as far as git knows or an earlier build knew, and a checksum of the messages between module and worker.
$(BUILD)/build.h: FORCE
	@mkdir -p $(@D)
	@commit=$$([ ! -e .git ] || git describe --always --dirty --abbrev=10 --exclude '*' 2>/dev/null); \
	[ -n "$$commit" ] || commit=$$(sed -n 's/.*_COMMIT "\(.*\)"/\1/p' $@ 2>/dev/null); \
	printf '#define BUILD_VERSION "%s"\n#define BUILD_COMMIT "%s"\n#define BUILD_MESSAGES %su\n' '$(VERSION)' "$$commit" \
		"$$(cksum <src/protocol.h | cut -d ' ' -f 1)" >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

FORCE:

$(MODULE): $(MODULE_OBJECTS)
	@mkdir -p $(@D)
	$(TELL) "link     $@"
	$(Q)$(CC) -shared $(CFLAGS) $(HARDENED_LD) $(LDFLAGS) -o $@ $^ -lnettle -lutf8proc -lm -ldl

# The worker's own writev, recv, connect, ... come before libc's for Samba's libraries: see src/worker/hooks.c.
$(WORKER): $(WORKER_OBJECTS) src/worker/hooks.list
	@mkdir -p $(@D)
	$(TELL) "link     $@"
	$(Q)$(CC) $(CFLAGS) -pie $(HARDENED_LD) $(LDFLAGS) -Wl,--dynamic-list=src/worker/hooks.list -o $@ $(WORKER_OBJECTS) $(SMBC_LIBS) $(SECCOMP_LIBS) -lnettle -lm -lpthread -ldl

$(BUILD)/worker/%.o: src/worker/%.c
	@mkdir -p $(@D)
	$(TELL) "compile  $<"
	$(Q)$(COMPILE) $(OURS) $(SMBC_CFLAGS) $(SECCOMP_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: src/%.c
	@mkdir -p $(@D)
	$(TELL) "compile  $<"
	$(Q)$(COMPILE) $(OURS) $(LUA_CFLAGS) -c -o $@ $<

$(LOOP): bench/loop.c
	@mkdir -p $(@D)
	$(COMPILE) -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(WARNINGS) $(SMBC_CFLAGS) -o $@ $< $(SMBC_LIBS)

-include $(MODULE_OBJECTS:.o=.d) $(WORKER_OBJECTS:.o=.d) $(wildcard $(BUILD)/fuzz/*.d)

# What the goals beside it need.
deps:
	@spec/support/deps $(filter test asan gc fuzz,$(MAKECMDGOALS))

# The rivals of `make bench` besides.
deps-bench:
	@spec/support/deps bench

# Specs that need ports 445 and 139 or a full disk want the sandbox; where there is none they are skipped.
test: all
	@BUILD='$(BUILD)' spec/support/run-parallel '$(BUILD)/specs' $(BUSTED)

# The suite with AddressSanitizer and UndefinedBehaviorSanitizer in the module, the worker and the specs' own programs.
asan:
	@spec/support/asan $(BUSTED)

# The suite with a collector that runs at every allocation of the module. BUSTED: spec files.
gc: all
	@BUILD='$(BUILD)' spec/support/gc $(BUSTED)

# What hostile servers, workers and files say, FUZZ_S seconds for each of TARGETS, or all. SEED: where chance begins.
fuzz: all
	@BUILD='$(BUILD)' fuzz/run $(TARGETS)

# Records the traffic that `make fuzz` begins with, and makes the other inputs of fuzz/corpus that do not come from a fault.
fuzz-corpus: all
	@if spec/support/sandbox true; then sandbox=spec/support/sandbox; else sandbox=; fi; $(HERE) $$sandbox $(LUA) fuzz/record.lua

# fuzz/run calls these with a BUILD of its own, and with clang. What they are made of has no libsmbclient in it.
FUZZED_OBJECTS = $(filter-out %/main.o %/hooks.o %/session.o %/session_calls.o %/session_paths.o %/session_files.o, \
	$(WORKER_OBJECTS))

$(BUILD)/fuzz/libworker.a: $(FUZZED_OBJECTS)
$(BUILD)/fuzz/libmodule.a: $(MODULE_OBJECTS)
$(BUILD)/fuzz/lib%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/fuzz/%.o: fuzz/%.c | $(BUILD)/headers $(BUILD)/build.h
	@mkdir -p $(@D)
	$(TELL) "compile  $<"
	$(Q)$(COMPILE) $(OURS) $(LUA_CFLAGS) -c -o $@ $<

$(BUILD)/fuzz/wire $(BUILD)/fuzz/worker: $(BUILD)/fuzz/libworker.a
$(BUILD)/fuzz/worker: $(BUILD)/fuzz/share.o
$(BUILD)/fuzz/module: $(BUILD)/fuzz/libmodule.a
$(BUILD)/fuzz/wire $(BUILD)/fuzz/worker $(BUILD)/fuzz/module: $(BUILD)/fuzz/%: $(BUILD)/fuzz/%.o
	$(TELL) "link     $@"
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) \
		$(if $(findstring module,$@),$(LUA_LIBS) -lutf8proc,$(SECCOMP_LIBS)) -lnettle -lm -lpthread -ldl

# Random operations while network and server fail, SOAK_S seconds; then as long snapshots. SEED repeats a run. Large strings go back to the system at once,
# so that the memory that is told is in use.
soak: all
	@if spec/support/sandbox true; then sandbox=spec/support/sandbox; else sandbox=; fi; \
	$(HERE) MALLOC_MMAP_THRESHOLD_=131072 $$sandbox $(LUA) spec/support/soak.lua && \
	$(HERE) $$sandbox $(LUA) spec/support/soak_snapshots.lua

demo: all
	@$(HERE) $(LUA) spec/support/demo.lua

repl: all
	@$(HERE) $(LUA) spec/support/repl.lua

# The names of all NT statuses, from Samba's and impacket's Python modules.
status-names:
	spec/support/status-names >src/worker/status_names.c.new
	mv src/worker/status_names.c.new src/worker/status_names.c

# Half an hour: what restic makes of random histories. The specs compare with it.
retention-cases:
	spec/support/retention-cases 20 60 >spec/support/retention.lua.new
	mv spec/support/retention.lua.new spec/support/retention.lua

# In memory, lest the disk be measured. All rivals take part, or none.
bench: all $(LOOP)
	@{ command -v rclone && command -v gnuplot && /usr/bin/python3 -c 'import smbc'; } >/dev/null 2>&1 || \
		{ echo "make deps-bench first: rclone, python3-smbc or gnuplot-nox is missing" >&2; exit 1; }
	@$(HERE) TMPDIR=/dev/shm BUILD='$(BUILD)' LOOP='$(LOOP)' $(LUA) bench/run.lua $(SIZE) $(RUNS) $(PARTS)

COMPILERS = $(foreach cc,gcc clang,$(if $(shell command -v $(cc)),$(cc)))

# Written by hand: 120 columns, a tab being 8 of them.
WRITTEN_C = $(filter-out src/worker/status_names.c,$(wildcard src/*.h src/*/*.[ch] bench/*.c examples/*.c fuzz/*.[ch] \
	spec/support/*.[ch] spec/support/*/*.[ch]))

lint:
	luacheck --quiet --max-line-length 120 .
	@! for each in $(WRITTEN_C); do expand "$$each" | LC_ALL=C.UTF-8 grep -nE '.{121}' | sed "s|^|$$each:|"; done | grep . || \
		{ echo "lines of more than 120 columns" >&2; exit 1; }
	@$(foreach cc,$(COMPILERS),echo "$(cc) $(WARNINGS) -Werror" && \
	$(MAKE) --no-print-directory -s BUILD=$(BUILD)/lint-$(cc) CC=$(cc) WARNINGS='$(WARNINGS) -Werror' \
		all $(BUILD)/lint-$(cc)/bench/loop &&) true
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem -D_GNU_SOURCE -D__linux__ -Isrc src bench
	shellcheck packaging/build-deb packaging/test .ci/run spec/support/sandbox spec/support/server-keeper spec/support/kill-server spec/support/deps spec/support/asan spec/support/run-parallel \
		spec/support/gc fuzz/run
	$(HERE) $(LUA) docs/make.lua check

docs:
	$(HERE) $(LUA) docs/make.lua write

# Where else things belong.
MANDIR  = $(DESTDIR)$(PREFIX)/share/man/man1
DOCDIR  = $(DESTDIR)$(PREFIX)/share/doc/lua-smb
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR  = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
PAGES   = README.md CHANGELOG.md LICENSE $(wildcard docs/*.md)

# The module finds smb-worker beside itself.
install: all
	install -d $(foreach folder,$(LUA_FOLDERS),"$(LUADIR)/$(folder)") "$(LIBDIR)/smb"
	$(foreach folder,$(LUA_FOLDERS),install -m 644 $(wildcard lua/$(folder)/*.lua) "$(LUADIR)/$(folder)" &&) true
	install -m 755 $(MODULE) $(WORKER) "$(LIBDIR)/smb"
ifneq ($(COMMANDS),)
	install -d "$(BINDIR)"
	install -m 755 $(COMMANDS) "$(BINDIR)"
endif
	install -d "$(MANDIR)" "$(DOCDIR)/examples" "$(BASHDIR)" "$(ZSHDIR)" "$(FISHDIR)"
	install -m 644 docs/lua-smb.1 "$(MANDIR)"
	install -m 644 completions/lua-smb.bash "$(BASHDIR)/lua-smb"
	install -m 644 completions/_lua-smb "$(ZSHDIR)"
	install -m 644 completions/lua-smb.fish "$(FISHDIR)"
	install -m 644 $(PAGES) "$(DOCDIR)"
	cp -R --no-preserve=mode examples/. "$(DOCDIR)/examples"

uninstall:
	rm -f $(foreach file,$(foreach folder,$(LUA_FOLDERS),$(wildcard lua/$(folder)/*.lua)),"$(LUADIR)/$(file:lua/%=%)") \
		"$(LIBDIR)/smb/core.so" "$(LIBDIR)/smb/smb-worker" $(foreach command,$(COMMANDS),"$(BINDIR)/$(command:bin/%=%)") \
		"$(MANDIR)/lua-smb.1" "$(BASHDIR)/lua-smb" "$(ZSHDIR)/_lua-smb" "$(FISHDIR)/lua-smb.fish"
	rm -rf "$(DOCDIR)"
	-rmdir $(foreach folder,$(shell printf '%s\n' $(LUA_FOLDERS) | sort -r),"$(LUADIR)/$(folder)") "$(LIBDIR)/smb"

# As root: the Debian package, built in a root of RELEASE, looked at by its lintian, installed into a bare one and tried there.
RELEASE ?= bookworm
package-test:
	packaging/test $(RELEASE)

clean:
	rm -rf $(BUILD)
