# lua-smb: `make deps demo` shows it at work, `make deps test` runs the whole suite. Targets are explained in README.md.

VERSION  = scm-1
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
LUA     ?= lua5.4
BUILD   ?= build

LUADIR = $(DESTDIR)$(PREFIX)/share/lua/5.4
LIBDIR = $(DESTDIR)$(PREFIX)/lib/lua/5.4
BINDIR = $(DESTDIR)$(PREFIX)/bin

CFLAGS   ?= -O2 -g
WARNINGS  = -Wall -Wextra
CPPFLAGS += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
OURS      = -std=c11 $(WARNINGS) -fPIC -fvisibility=hidden -MMD -MP

LUA_CFLAGS  ?= $(shell pkg-config --cflags lua5.4)
SMBC_CFLAGS ?= $(shell pkg-config --cflags smbclient)
SMBC_LIBS   ?= $(shell pkg-config --libs smbclient)

MODULE = $(BUILD)/smb/core.so
WORKER = $(BUILD)/smb/smb-worker

MODULE_OBJECTS = $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/*.c))
WORKER_OBJECTS = $(patsubst src/%.c,$(BUILD)/%.o,$(wildcard src/worker/*.c))

.PHONY: all clean install uninstall deps test lint demo repl bench

all: $(MODULE) $(WORKER)

$(MODULE): $(MODULE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ -lm -ldl

# The worker's own writev, recv, connect, ... come before libc's for Samba's libraries: see src/worker/wire.c.
$(WORKER): $(WORKER_OBJECTS) src/worker/wire.list
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--dynamic-list=src/worker/wire.list -o $@ $(WORKER_OBJECTS) $(SMBC_LIBS) -lpthread -ldl

$(BUILD)/worker/%.o: src/worker/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(OURS) $(SMBC_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(OURS) $(LUA_CFLAGS) -c -o $@ $<

-include $(MODULE_OBJECTS:.o=.d) $(WORKER_OBJECTS:.o=.d)

clean:
	rm -rf $(BUILD)
