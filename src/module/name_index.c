/*
 * userdata "smb.name_index": the entries of a folder, by name whatever its case and normal form. Trees compare local
 * folders with it, without a Lua table for each file. Its memory is Lua's, too: arrays that are its user values. An
 * array that is outgrown is collected.
 */
#include "name_index.h"

#include "entry.h"
#include "name.h"
#include "register.h"
#include "shared/ticks.h"
#include "support.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#define NAME_INDEX_TYPE "smb.name_index"

enum { ITEMS = 1, SLOTS, TEXT, USER_VALUES = TEXT };

struct item {
	struct smb_entry entry; /* empty for a name that was only taken */
	size_t name;            /* offset in the text; a NUL and its key follow: see name_key */
	uint32_t length, key_length, hash;
	uint32_t next;          /* the next item with the same key: its number, from 1 on, or 0 */
	bool seen;
};

struct name_index {
	locale_t unicode;
	uint32_t key; /* of the hash: a server cannot make names collide */
	struct item *items;
	size_t count, room;
	uint32_t *slots; /* 2 * room; each the number, from 1 on, of the first item with a key, or 0 */
	char *text;
	size_t used, text_room;
	struct ticks_grain grain; /* of the files' times */
	int64_t window;           /* ticks by which times of one file may differ */
	enum { BY_TIME, BY_SIZE, BY_NAME } by; /* what makes a file unchanged */
};

enum { PRIME = 0x7fffffff };

/* Greater than any byte, and below half of the prime: see name_index_hash_of. */
static uint32_t name_index_random_key(void)
{
	uint32_t key = 0;
	(void)!getrandom(&key, sizeof key, GRND_NONBLOCK);
	return 256 + key % (PRIME / 2 - 256);
}

/* known([changed [, window]]) -> known; `changed`: "mtime", "size" or "missing"; `window`: ticks */
static int name_index_new(lua_State *L)
{
	static const char *const words[] = {"mtime", "size", "missing", NULL};
	int by = luaL_checkoption(L, 1, words[0], words);
	int64_t window = luaL_optinteger(L, 2, 0);
	struct name_index *k = lua_newuserdatauv(L, sizeof *k, USER_VALUES);
	*k = (struct name_index){.unicode = name_unicode(L), .key = name_index_random_key()};
	k->by = by == 0 ? BY_TIME : by == 1 ? BY_SIZE : BY_NAME;
	k->window = window;
	k->grain.steps = TICKS_ALL_STEPS;
	luaL_setmetatable(L, NAME_INDEX_TYPE);
	return 1;
}

struct name_index *name_index_check(lua_State *L, int index)
{
	return luaL_checkudata(L, index, NAME_INDEX_TYPE);
}

/* ---- memory ---- */

static const char *name_index_name_of(const struct name_index *k, const struct item *i)
{
	return k->text + i->name;
}

static const char *name_index_key_of(const struct name_index *k, const struct item *i)
{
	return k->text + i->name + i->length + 1;
}

static uint32_t *name_index_slot_of(const struct name_index *k, const struct item *i)
{
	size_t last = 2 * k->room - 1, at = i->hash & last; /* room is a power of two */

	for (; k->slots[at] != 0; at = (at + 1) & last) {
		const struct item *other = &k->items[k->slots[at] - 1];
		if (other->hash == i->hash && other->key_length == i->key_length &&
		    memcmp(name_index_key_of(k, other), name_index_key_of(k, i), i->key_length) == 0)
			break;
	}
	return &k->slots[at];
}

/* Chains all items anew after the slots have grown. */
static void name_index_chain_all(struct name_index *k)
{
	for (size_t i = 0; i < k->count; i++) {
		uint32_t *slot = name_index_slot_of(k, &k->items[i]);
		k->items[i].next = *slot;
		*slot = (uint32_t)i + 1;
	}
}

/*
 * Every allocation may run a collector, and that a call which uses up the room: check again until there is room, and
 * keep no pointer into the arrays meanwhile.
 */
static void name_index_make_room(lua_State *L, int index, struct name_index *k)
{
	const size_t least = 128;

	while (k->count >= k->room) {
		size_t before = k->room, room = before > 0 ? 2 * before : least;
		struct item *items;
		uint32_t *slots;
		if (room > UINT32_MAX / 2)
			luaL_error(L, "a folder holds too many names");
		items = lua_newuserdatauv(L, room * sizeof *items, 0);
		slots = lua_newuserdatauv(L, 2 * room * sizeof *slots, 0);
		if (k->room == before) {
			if (k->count > 0)
				memcpy(items, k->items, k->count * sizeof *items);
			k->items = items;
			k->slots = memset(slots, 0, 2 * room * sizeof *slots);
			k->room = room;
			name_index_chain_all(k);
			lua_setiuservalue(L, index, SLOTS);
			lua_setiuservalue(L, index, ITEMS);
		} else {
			lua_pop(L, 2);
		}
	}
}

static void name_index_make_room_for_text(lua_State *L, int index, struct name_index *k, size_t length)
{
	const size_t least = 4096;

	while (k->text_room - k->used < length) {
		size_t before = k->text_room, room = before > 0 ? before : least;
		char *text;
		while (room - k->used < length)
			room *= 2;
		text = lua_newuserdatauv(L, room, 0);
		if (k->text_room == before) {
			if (k->used > 0)
				memcpy(text, k->text, k->used);
			k->text = text;
			k->text_room = room;
			lua_setiuservalue(L, index, TEXT);
		} else {
			lua_pop(L, 1);
		}
	}
}

/* ---- names ---- */

/* A polynomial of the key, modulo the prime: without the key nobody finds names that collide. */
static uint32_t name_index_hash_of(const struct name_index *k, const char *text, size_t length)
{
	uint64_t hash = length;
	for (size_t i = 0; i < length; i++) {
		hash = hash * k->key + (unsigned char)text[i];
		hash = (hash & PRIME) + (hash >> 31); /* stays below 2^32: only half of the old hash goes in */
	}
	return (uint32_t)(hash % PRIME);
}

/* Writes the name and its key to the end of the text, where they stay if `i` is put. Returns the slot of the key. */
static uint32_t *name_index_look_up(lua_State *L, int index, struct name_index *k, const char *name, size_t length,
				    struct item *i)
{
	char *to;

	do {
		name_index_make_room(L, index, k);
		name_index_make_room_for_text(L, index, k, (1 + NAME_KEY_GROWTH) * length + 1);
	} while (k->count >= k->room);
	to = k->text + k->used;
	memcpy(to, name, length);
	to[length] = '\0';
	*i = (struct item){.name = k->used, .length = (uint32_t)length};
	i->key_length = (uint32_t)name_key(k->unicode, name, length, to + length + 1);
	i->hash = name_index_hash_of(k, to + length + 1, i->key_length);
	return name_index_slot_of(k, i);
}

static struct item *name_index_first_of(const struct name_index *k, const uint32_t *slot)
{
	return *slot != 0 ? &k->items[*slot - 1] : NULL;
}

static struct item *name_index_next_of(const struct name_index *k, const struct item *i)
{
	return i->next != 0 ? &k->items[i->next - 1] : NULL;
}

static bool name_index_is_name(const struct name_index *k, const struct item *a, const struct item *b)
{
	return a->length == b->length && memcmp(name_index_name_of(k, a), name_index_name_of(k, b), a->length) == 0;
}

/* Returns the item with exactly this name, or NULL. */
static struct item *name_index_exact(const struct name_index *k, const uint32_t *slot, const struct item *wanted)
{
	struct item *i = name_index_first_of(k, slot);
	while (i != NULL && !name_index_is_name(k, i, wanted))
		i = name_index_next_of(k, i);
	return i;
}

/* Adds the item to those with the same key, or replaces the entry of the same name. */
static void name_index_put(struct name_index *k, uint32_t *slot, const struct item *i)
{
	struct item *there = name_index_exact(k, slot, i);

	if (there != NULL) {
		there->entry = i->entry;
		return;
	}
	k->items[k->count] = *i;
	k->items[k->count].next = *slot;
	*slot = (uint32_t)++k->count;
	k->used += (size_t)i->length + 1 + i->key_length;
}

bool name_index_take(lua_State *L, int index, const char *name, size_t length)
{
	struct name_index *k = name_index_check(L, index);
	struct item i;
	uint32_t *slot = name_index_look_up(L, index, k, name, length, &i);

	if (*slot != 0)
		return false;
	name_index_put(k, slot, &i);
	return true;
}

static bool name_index_is_near(const struct name_index *k, int64_t ours, int64_t theirs)
{
	return ticks_same(&k->grain, ours, theirs) || (k->window > 0 && ticks_within(ours, theirs, k->window));
}

bool name_index_has_same(lua_State *L, int index, const char *name, size_t length, const struct stat *st)
{
	struct name_index *k = name_index_check(L, index);
	struct item wanted;
	uint32_t *slot = name_index_look_up(L, index, k, name, length, &wanted);
	struct item *i = name_index_exact(k, slot, &wanted);

	if (i == NULL || i->entry.type == SMB_ENTRY_DIRECTORY)
		return false;
	if (k->by != BY_NAME && i->entry.size != (uint64_t)st->st_size)
		return false;
	if (k->by == BY_TIME && !name_index_is_near(k, ticks_of_timespec(st->st_mtim), i->entry.mtime))
		return false;
	i->seen = true;
	return true;
}

/* ---- for Lua ---- */

/*
 * name_index_take(known, name): adds it -> list of the other names that some server may take for the same; nil if there
 * are none
 */
static int name_index_take_name(lua_State *L)
{
	struct name_index *k = name_index_check(L, 1);
	size_t length;
	const char *name = luaL_checklstring(L, 2, &length);
	struct item i;
	uint32_t *slot = name_index_look_up(L, 1, k, name, length, &i);
	uint32_t other = *slot;
	lua_Integer others = 0;

	name_index_put(k, slot, &i);
	if (other == 0)
		return 0;
	lua_newtable(L);
	for (; other != 0; other = k->items[other - 1].next) { /* by number: the array may move */
		lua_pushlstring(L, name_index_name_of(k, &k->items[other - 1]), k->items[other - 1].length);
		lua_rawseti(L, -2, ++others);
	}
	return 1;
}

/*
 * name_index_learn(known, batch): adds the batch's entries -> list of the temporary names among them, which are not
 * added
 */
static int name_index_learn(lua_State *L)
{
	struct name_index *k = name_index_check(L, 1);
	struct batch b = entry_check_batch(L, 2);
	lua_Integer others = 0;
	struct smb_entry entry;
	const char *name;

	lua_newtable(L);
	while (entry_next(&b, &entry, &name)) {
		struct item i;
		uint32_t *slot;
		if (name_is_temporary(name, entry.name_length)) {
			lua_pushlstring(L, name, entry.name_length);
			lua_rawseti(L, -2, ++others);
			continue;
		}
		slot = name_index_look_up(L, 1, k, name, entry.name_length, &i);
		i.entry = entry;
		name_index_put(k, slot, &i);
		if (entry.type == SMB_ENTRY_FILE)
			ticks_note(&k->grain, entry.mtime);
	}
	return 1;
}

/*
 * name_index_is_same_time(known, ours, theirs) -> whether these times, in ticks, are the same as exactly as the server
 * keeps times
 */
static int name_index_is_same_time(lua_State *L)
{
	lua_pushboolean(L,
			name_index_is_near(name_index_check(L, 1), luaL_checkinteger(L, 2), luaL_checkinteger(L, 3)));
	return 1;
}

/* name_index_measure(known, name, ticks): this time was set on the file before: learns from the time that it has */
static int name_index_measure(lua_State *L)
{
	struct name_index *k = name_index_check(L, 1);
	size_t length;
	const char *name = luaL_checklstring(L, 2, &length);
	int64_t sent = luaL_checkinteger(L, 3);
	struct item wanted;
	uint32_t *slot = name_index_look_up(L, 1, k, name, length, &wanted);
	const struct item *i = name_index_exact(k, slot, &wanted);

	if (i != NULL && !ticks_kept(sent, i->entry.mtime))
		k->grain.measured |= ticks_cut_to(sent, i->entry.mtime);
	return 0;
}

/* name_index_may_be_cut(known, ours, theirs) -> see ticks_may_be_cut */
static int name_index_may_be_cut(lua_State *L)
{
	lua_pushboolean(
	    L, ticks_may_be_cut(&name_index_check(L, 1)->grain, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3)));
	return 1;
}

/* name_index_believe(known, set, got): on that share, elsewhere, the time `set` was seen to become `got` */
static int name_index_believe(lua_State *L)
{
	name_index_check(L, 1)->grain.measured |= ticks_cut_to(luaL_checkinteger(L, 2), luaL_checkinteger(L, 3));
	return 0;
}

/* Takes a copy: the array may move while the fields are pushed. */
static void name_index_push_item(lua_State *L, const struct name_index *k, struct item i)
{
	entry_push(L, &i.entry, ENTRY_INNER);
	lua_pushlstring(L, k->text + i.name, i.length);
	lua_setfield(L, -2, "name");
}

/* How two names with the same key differ. */
enum sameness { SAME_EXACTLY, SAME_BUT_CASE, SAME_BUT_FORM, SAME_BUT_BOTH };

static enum sameness name_index_sameness_of(const struct name_index *k, const struct item *a, const struct item *b)
{
	char left[2 * UINT8_MAX * 4], right[sizeof left]; /* 255 UTF-16 units have at most three bytes each */
	size_t left_size, right_size;

	if (name_index_is_name(k, a, b))
		return SAME_EXACTLY;
	if (2 * (size_t)a->length > sizeof left || 2 * (size_t)b->length > sizeof right)
		return SAME_BUT_BOTH;
	left_size = name_fold(k->unicode, name_index_name_of(k, a), a->length, left);
	right_size = name_fold(k->unicode, name_index_name_of(k, b), b->length, right);
	if (left_size == right_size && memcmp(left, right, left_size) == 0)
		return SAME_BUT_CASE;
	return name_is_same_form(name_index_name_of(k, a), a->length, name_index_name_of(k, b), b->length)
		   ? SAME_BUT_FORM
		   : SAME_BUT_BOTH;
}

/*
 * Returns the item that is most likely meant. Several that differ from it in the same way are not: the server evidently
 * tells them apart.
 */
static struct item *name_index_likeliest(const struct name_index *k, const uint32_t *slot, const struct item *wanted,
					 enum sameness *how)
{
	struct item *found = NULL;
	bool several = false;

	for (struct item *i = name_index_first_of(k, slot); i != NULL; i = name_index_next_of(k, i)) {
		enum sameness this = name_index_sameness_of(k, i, wanted);
		if (this == SAME_EXACTLY) {
			*how = this;
			return i;
		}
		if (found != NULL && this == *how) {
			several = true;
		} else if (found == NULL || this < *how) {
			found = i;
			*how = this;
			several = false;
		}
	}
	return several ? NULL : found;
}

/*
 * name_index_find(known, name) -> the entry that the name most likely stands for; how its own name differs: "exact"
 * (not at all), "case", "form" (Unicode's normal form) or "both"; nil if there is none
 */
static int name_index_find(lua_State *L)
{
	static const char *const words[] = {"exact", "case", "form", "both"};
	struct name_index *k = name_index_check(L, 1);
	size_t length;
	const char *name = luaL_checklstring(L, 2, &length);
	enum sameness how = SAME_EXACTLY;
	struct item wanted, *found;
	uint32_t *slot = name_index_look_up(L, 1, k, name, length, &wanted);

	found = name_index_likeliest(k, slot, &wanted, &how);
	if (found == NULL) {
		lua_pushnil(L);
		return 1;
	}
	name_index_push_item(L, k, *found);
	lua_pushstring(L, words[how]);
	return 2;
}

/* name_index_see(known, name): marks the entry of exactly this name, for name_index_unseen */
static int name_index_see(lua_State *L)
{
	struct name_index *k = name_index_check(L, 1);
	size_t length;
	const char *name = luaL_checklstring(L, 2, &length);
	struct item wanted, *found;
	uint32_t *slot = name_index_look_up(L, 1, k, name, length, &wanted);

	found = name_index_exact(k, slot, &wanted);
	if (found != NULL)
		found->seen = true;
	return 0;
}

/* name_index_count(known) -> how many names there are */
static int name_index_count(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)name_index_check(L, 1)->count);
	return 1;
}

/*
 * name_index_unseen(known, at) -> next at, an entry: iterates over entries that were not marked, from 0 on; nil at the
 * end
 */
static int name_index_unseen(lua_State *L)
{
	const struct name_index *k = name_index_check(L, 1);
	lua_Integer at = luaL_checkinteger(L, 2);

	for (; at >= 0 && (size_t)at < k->count; at++) {
		if (k->items[at].seen)
			continue;
		lua_pushinteger(L, at + 1);
		name_index_push_item(L, k, k->items[at]);
		return 2;
	}
	lua_pushnil(L);
	return 1;
}

void name_index_register(lua_State *L)
{
	static const luaL_Reg metamethods[] = {{NULL, NULL}};
	static const luaL_Reg functions[] = {
		{"name_index_is_same_time", name_index_is_same_time},
		{"name_index_measure", name_index_measure},
		{"name_index_may_be_cut", name_index_may_be_cut},
		{"name_index_believe", name_index_believe},
		{"name_index", name_index_new},
		{"name_index_take", name_index_take_name},
		{"name_index_learn", name_index_learn},
		{"name_index_find", name_index_find},
		{"name_index_see", name_index_see},
		{"name_index_count", name_index_count},
		{"name_index_unseen", name_index_unseen},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
	support_new_type(L, NAME_INDEX_TYPE, metamethods);
	lua_pop(L, 1);
}
