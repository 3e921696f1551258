#include "pack.h"

#include "file.h"
#include "local.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

/* ---- fields ---- */

lua_Integer pack_integer(lua_State *L, int table, const char *field, lua_Integer most)
{
	lua_Integer value;

	lua_getfield(L, table, field);
	value = luaL_optinteger(L, -1, 0);
	if (value < 0 || value > most)
		luaL_error(L, "%s is out of range", field);
	lua_pop(L, 1);
	return value;
}

bool pack_is_set(lua_State *L, int table, const char *field)
{
	bool set;

	lua_getfield(L, table, field);
	set = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return set;
}

static bool pack_has(lua_State *L, int table, const char *field)
{
	bool has = lua_getfield(L, table, field) != LUA_TNIL;
	lua_pop(L, 1);
	return has;
}

static uint32_t pack_flags(lua_State *L, int table)
{
	static const struct {
		const char *field;
		enum smb_flags flag;
	} all[] = {
	    {"overwrite", SMB_FLAG_OVERWRITE},   {"parents", SMB_FLAG_PARENTS},   {"recursive", SMB_FLAG_RECURSIVE},
	    {"missing_ok", SMB_FLAG_MISSING_OK}, {"new", SMB_FLAG_NEW},           {"writable", SMB_FLAG_WRITABLE},
	    {"create", SMB_FLAG_CREATE},         {"truncate", SMB_FLAG_TRUNCATE}, {"exclusive", SMB_FLAG_EXCLUSIVE},
	    {"keep", SMB_FLAG_KEEP},             {"resume", SMB_FLAG_RESUME},     {"sha256", SMB_FLAG_DIGEST},
	    {"read_back", SMB_FLAG_VERIFY},      {"offer", SMB_FLAG_OFFER},       {"ahead", SMB_FLAG_AHEAD},
	    {"in_place", SMB_FLAG_IN_PLACE},     {"lasting", SMB_FLAG_LASTING},   {"insist", SMB_FLAG_INSIST},
	    {"spare_bins", SMB_FLAG_SPARE_BINS}, {"near", SMB_FLAG_NEAR},
	};
	uint32_t flags = 0;

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (pack_is_set(L, table, all[i].field))
			flags |= (uint32_t)all[i].flag;
	return flags;
}

/* `mtime`, in ticks. */
static int64_t pack_mtime(lua_State *L, int table, uint32_t *flags)
{
	int64_t mtime;

	lua_getfield(L, table, "mtime");
	mtime = luaL_optinteger(L, -1, 0);
	if (!lua_isnil(L, -1))
		*flags |= SMB_FLAG_MTIME;
	lua_pop(L, 1);
	return mtime;
}

static uint64_t pack_stamp(lua_State *L, int table)
{
	uint64_t stamp;

	lua_getfield(L, table, "file");
	stamp = local_stamp(L, -1);
	lua_pop(L, 1);
	return stamp;
}

static unsigned pack_nibble(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10) & 15;
}

static void pack_digest(lua_State *L, int table, uint8_t digest[SMB_DIGEST_SIZE])
{
	size_t length;
	const char *text;

	lua_getfield(L, table, "digest");
	text = luaL_optlstring(L, -1, "", &length);
	for (size_t i = 0; i < SMB_DIGEST_SIZE && length == SMB_DIGEST_SIZE * 2; i++)
		digest[i] = (uint8_t)(pack_nibble(text[2 * i]) << 4 | pack_nibble(text[2 * i + 1]));
	lua_pop(L, 1);
}

static void pack_head(lua_State *L, int table, struct smb_request *head)
{
	head->flags = pack_flags(L, table);
	head->handle = (uint32_t)pack_integer(L, table, "handle", UINT32_MAX);
	head->io_size = (uint32_t)pack_integer(L, table, "io_size", UINT32_MAX);
	head->offset = (uint64_t)pack_integer(L, table, "offset", LUA_MAXINTEGER);
	head->from = (uint64_t)pack_integer(L, table, "from", LUA_MAXINTEGER);
	head->size = (uint64_t)pack_integer(L, table, "size", LUA_MAXINTEGER);
	head->mtime = pack_mtime(L, table, &head->flags);
	head->stamp = pack_stamp(L, table);
	pack_digest(L, table, head->digest);
}

/* ---- texts and descriptors ---- */

/* Adds the string on the top of the stack, which stays there. */
static void pack_text(lua_State *L, struct pack *p, int which)
{
	size_t length;
	const char *text = luaL_checklstring(L, -1, &length);

	if (p->head.lengths[which] + length + 1 > SMB_PATH_LIMIT || strlen(text) != length)
		luaL_error(L, "a path is too long or holds a NUL");
	if (p->count == PACK_TEXTS)
		luaL_error(L, "too many paths");
	p->texts[p->count] = text;
	p->sizes[p->count++] = (uint32_t)length + 1;
	p->head.lengths[which] += (uint32_t)length + 1;
}

static void pack_path(lua_State *L, int table, struct pack *p, int which, const char *field)
{
	if (lua_getfield(L, table, field) == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	if (p->head.lengths[which] != 0)
		luaL_error(L, "a path besides several");
	pack_text(L, p, which);
}

/* Adds all `names`, one after the other, in the place of a name. */
static void pack_names(lua_State *L, int table, struct pack *p)
{
	int names = lua_gettop(L) + 1;

	lua_getfield(L, table, "names");
	for (lua_Integer i = 1; lua_istable(L, names) && lua_rawgeti(L, names, i) != LUA_TNIL; i++)
		pack_text(L, p, SMB_NAME);
}

/* Adds the descriptor of `file` or `buffer`, or those of `files`. */
static void pack_fds(lua_State *L, int table, struct pack *p)
{
	int top = lua_gettop(L);

	lua_getfield(L, table, "file");
	if (!lua_isnil(L, -1))
		p->fds[p->fd_count++] = local_check_fd(L, -1);
	lua_getfield(L, table, "buffer");
	if (!lua_isnil(L, -1))
		p->fds[p->fd_count++] = file_check_fd(L, -1);
	lua_getfield(L, table, "files");
	for (lua_Integer i = 1; lua_istable(L, -1) && lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
		if (p->fd_count == SMB_FILES_AT_ONCE)
			luaL_error(L, "too many files at once");
		p->fds[p->fd_count++] = local_check_fd(L, -1);
		lua_pop(L, 1);
	}
	lua_settop(L, top);
}

void pack_read(lua_State *L, int table, enum smb_verb verb, struct pack *p)
{
	static const char *const names[SMB_NAME_COUNT] = {"name", "to", "temp", "aside"};

	memset(p, 0, sizeof *p);
	p->head.verb = (uint32_t)verb;
	luaL_checkstack(L, PACK_TEXTS + LUA_MINSTACK, "too many paths");
	pack_head(L, table, &p->head);
	pack_names(L, table, p);
	for (int i = 0; i < SMB_NAME_COUNT; i++)
		pack_path(L, table, p, i, names[i]);
	pack_fds(L, table, p);
}

void pack_attempt(lua_State *L, int table, struct pack *p)
{
	struct smb_request *head = &p->head;

	if (!lua_istable(L, table))
		return;
	if (pack_is_set(L, table, "again"))
		head->flags |= SMB_FLAG_AGAIN;
	if (pack_is_set(L, table, "keep"))
		head->flags |= SMB_FLAG_KEEP;
	if (pack_is_set(L, table, "ours"))
		head->flags |= SMB_FLAG_OURS;
	if (pack_has(L, table, "offset"))
		head->offset = (uint64_t)pack_integer(L, table, "offset", LUA_MAXINTEGER);
	if (pack_has(L, table, "size"))
		head->size = (uint64_t)pack_integer(L, table, "size", LUA_MAXINTEGER);
	if (pack_has(L, table, "mtime"))
		head->mtime = pack_mtime(L, table, &head->flags);
}

struct smb_request *pack_message(const struct pack *p, size_t *size)
{
	struct smb_request *message;
	char *to;

	*size = sizeof p->head;
	for (size_t i = 0; i < p->count; i++)
		*size += p->sizes[i];
	message = malloc(*size);
	if (message == NULL)
		return NULL;
	*message = p->head;
	to = (char *)(message + 1);
	for (size_t i = 0; i < p->count; i++) {
		memcpy(to, p->texts[i], p->sizes[i]);
		to += p->sizes[i];
	}
	return message;
}
