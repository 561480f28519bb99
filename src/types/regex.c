/*-------------------------------------------------------------------------
 *
 * regex.c
 *	  Regular expressions over bytes, matched in linear time.
 *
 * The syntax tree is compiled into a program (regex_compile.c), whose
 * instructions are the states of a nondeterministic automaton.  Matching runs the set of all
 * states that could have been reached, so it never goes back in the input.
 * Each set that comes up is kept as a state of a deterministic automaton,
 * with the set that follows it for each byte; once these are known a byte
 * costs one look-up.
 *
 * Memory is bounded: the program by MAX_PROGRAM, and when the kept sets take
 * more than cache_limit they are all dropped and built anew.  A pattern that
 * meets new sets all the time costs, for a byte, time proportional to its
 * program, never more.
 *
 * A set is kept with assertions (^, $, \b) not yet decided, because they
 * depend on the next byte too.  It then also remembers what kind of byte came
 * last; both kinds known, the assertions are followed when the next byte is
 * taken.
 *
 * Invariants:
 *	1.	The instructions of a kept set are ascending, hold no SPLIT, and no
 *		two sets of a cache are equal.
 *	2.	A set is linked into the cache only when it is complete, so that an
 *		error (out of memory, a cancelled query) leaves a usable regex.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "types/regex_private.h"
#include "weir.h"

#define INTERRUPT_BYTES		(64 * 1024)

PG_FUNCTION_INFO_V1(weir__regex_match);

/*
 * Sets of instructions
 */

/* Begin a new set. */
static void
clear_marks(WeirRegex *re)
{
	if (++re->generation == 0)
	{
		memset(re->mark, 0, sizeof(uint32) * re->ninsts);
		re->generation = 1;
	}
}

static bool
assertion_holds(WeirRegexAssert assertion, WeirRegexSide before, WeirRegexSide after)
{
	bool		at_boundary = (before == SIDE_WORD) != (after == SIDE_WORD);

	switch (assertion)
	{
		case WEIR_REGEX_TEXT_START:
			return before == SIDE_EDGE;
		case WEIR_REGEX_TEXT_END:
			return after == SIDE_EDGE;
		case WEIR_REGEX_LINE_START:
			return before == SIDE_EDGE || before == SIDE_NEWLINE;
		case WEIR_REGEX_LINE_END:
			return after == SIDE_EDGE || after == SIDE_NEWLINE;
		case WEIR_REGEX_WORD_BOUNDARY:
			return at_boundary;
		case WEIR_REGEX_NO_WORD_BOUNDARY:
			return !at_boundary;
	}
	return false;
}

/*
 * Add an instruction, and what follows it without a byte, to a list.  With
 * follow_asserts, assertions are followed if they hold, else kept.  Each
 * instruction is put on the stack once, so the stack is large enough.
 */
static void
add_inst(WeirRegex *re, int *list, int *nlist, int pc,
		 bool follow_asserts, WeirRegexSide before, WeirRegexSide after)
{
	int			nstack = 0;

#define PUSH(i) \
	do { \
		if (re->mark[i] != re->generation) \
		{ \
			re->mark[i] = re->generation; \
			re->stack[nstack++] = (i); \
		} \
	} while (0)

	PUSH(pc);
	while (nstack > 0)
	{
		int			i = re->stack[--nstack];
		const WeirRegexInst *inst = &re->insts[i];

		switch (inst->op)
		{
			case OP_SPLIT:
				PUSH(inst->arg);
				PUSH(inst->next);
				break;
			case OP_ASSERT:
				if (!follow_asserts)
					list[(*nlist)++] = i;
				else if (assertion_holds((WeirRegexAssert) inst->arg,
										 before, after))
					PUSH(inst->next);
				break;
			default:
				list[(*nlist)++] = i;
				break;
		}
	}
#undef PUSH
}

/*
 * The instructions of a state with its assertions followed, given what comes
 * next.
 */
static const int *
expand_state(WeirRegex *re, const WeirRegexState *state, WeirRegexSide after, int *ninsts)
{
	if (!state->has_assert)
	{
		*ninsts = state->ninsts;
		return state->insts;
	}

	clear_marks(re);
	re->nexpanded = 0;
	for (int i = 0; i < state->ninsts; i++)
		add_inst(re, re->expanded, &re->nexpanded, state->insts[i],
				 true, state->before, after);
	*ninsts = re->nexpanded;
	return re->expanded;
}

static int
compare_ints(const void *a, const void *b)
{
	int			x = *(const int *) a;
	int			y = *(const int *) b;

	return (x > y) - (x < y);
}

/*
 * The state for the set in re->list, reached after "before".  May drop the
 * cache, *dropped says.
 */
static WeirRegexState *
find_or_make_state(WeirRegex *re, WeirRegexSide before, bool *dropped)
{
	bool		has_assert = false;
	uint32		hash;
	WeirRegexState   *state;
	Size		size;

	*dropped = false;
	if (re->nlist == 0)
		return re->dead;

	qsort(re->list, re->nlist, sizeof(int), compare_ints);
	for (int i = 0; i < re->nlist && !has_assert; i++)
		has_assert = (re->insts[re->list[i]].op == OP_ASSERT);
	if (!has_assert)
		before = SIDE_OTHER;	/* does not matter */

	hash = hash_bytes((unsigned char *) re->list, sizeof(int) * re->nlist);
	hash = hash_combine(hash, (uint32) before);
	for (state = re->buckets[hash % WEIR_REGEX_BUCKETS]; state != NULL;
		 state = state->chain)
	{
		if (state->hash == hash && state->before == before &&
			state->ninsts == re->nlist &&
			memcmp(state->insts, re->list, sizeof(int) * re->nlist) == 0)
			return state;
	}

	size = offsetof(WeirRegexState, next) + sizeof(WeirRegexState *) * re->nclasses +
		sizeof(int) * re->nlist;
	if (re->cache_used + size > re->cache_limit)
	{
		memset(re->buckets, 0, sizeof(re->buckets));
		re->start_state = NULL;
		re->cache_used = 0;
		MemoryContextReset(re->cache);
		*dropped = true;
	}

	state = MemoryContextAllocZero(re->cache, size);
	state->hash = hash;
	state->before = before;
	state->has_assert = has_assert;
	state->accepts = ACCEPTS_UNDECIDED;
	state->ninsts = re->nlist;
	state->insts = (int *) &state->next[re->nclasses];
	memcpy(state->insts, re->list, sizeof(int) * re->nlist);
	re->cache_used += size;

	state->chain = re->buckets[hash % WEIR_REGEX_BUCKETS];
	re->buckets[hash % WEIR_REGEX_BUCKETS] = state;
	return state;
}

/*
 * Matching
 */

static WeirRegexState *
get_start_state(WeirRegex *re)
{
	if (re->start_state == NULL)
	{
		bool		dropped;

		clear_marks(re);
		re->nlist = 0;
		add_inst(re, re->list, &re->nlist, re->start, false,
				 SIDE_EDGE, SIDE_EDGE);
		re->start_state = find_or_make_state(re, SIDE_EDGE, &dropped);
	}
	return re->start_state;
}

/* Find the state that follows for a byte, and remember it. */
static WeirRegexState *
make_transition(WeirRegex *re, WeirRegexState *state, unsigned char b)
{
	const int  *insts;
	int			ninsts;
	WeirRegexState   *result;
	bool		dropped;

	insts = expand_state(re, state, re->side_of[b], &ninsts);

	clear_marks(re);
	re->nlist = 0;
	for (int i = 0; i < ninsts; i++)
	{
		const WeirRegexInst *inst = &re->insts[insts[i]];

		if (inst->op == OP_SET && weir_byteset_has(&re->sets[inst->arg], b))
			add_inst(re, re->list, &re->nlist, inst->next, false,
					 SIDE_EDGE, SIDE_EDGE);
	}

	result = find_or_make_state(re, re->side_of[b], &dropped);
	if (!dropped)
		state->next[re->class_of[b]] = result;
	return result;
}

static bool
state_accepts(WeirRegex *re, WeirRegexState *state)
{
	if (state->accepts == ACCEPTS_UNDECIDED)
	{
		int			ninsts;
		const int  *insts = expand_state(re, state, SIDE_EDGE, &ninsts);

		state->accepts = ACCEPTS_NO;
		for (int i = 0; i < ninsts; i++)
		{
			if (re->insts[insts[i]].op == OP_MATCH)
				state->accepts = ACCEPTS_YES;
		}
	}
	return state->accepts == ACCEPTS_YES;
}

bool
weir_regex_match(WeirRegex *re, const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *) bytes;
	const unsigned char *end = p + len;
	WeirRegexState   *state;

	if (len < re->prefix_len ||
		memcmp(bytes, re->prefix, re->prefix_len) != 0)
		return false;
	if (re->is_literal)
		return len == re->prefix_len;
	if (re->is_prefix)
		return true;

	state = get_start_state(re);
	while (p < end)
	{
		const unsigned char *stop = p + Min(end - p, INTERRUPT_BYTES);

		CHECK_FOR_INTERRUPTS();
		while (p < stop)
		{
			WeirRegexState   *next = state->next[re->class_of[*p]];

			if (unlikely(next == NULL))
			{
				next = make_transition(re, state, *p);
				/* as slow as the program is long, so look more often */
				CHECK_FOR_INTERRUPTS();
			}
			if (next == re->dead)
				return false;
			state = next;
			p++;
		}
	}
	return state_accepts(re, state);
}

bool
weir_regex_is_literal(const WeirRegex *re, const char **literal, size_t *len)
{
	if (!re->is_literal)
		return false;
	*literal = re->prefix;
	*len = re->prefix_len;
	return true;
}

/*
 * SQL function _regex_match(pattern bytea, input bytea): for tests.
 */
typedef struct MatchCache
{
	WeirRegex  *re;
	int			pattern_len;
	char		pattern[FLEXIBLE_ARRAY_MEMBER];
} MatchCache;

Datum
weir__regex_match(PG_FUNCTION_ARGS)
{
	bytea	   *pattern = PG_GETARG_BYTEA_PP(0);
	bytea	   *input = PG_GETARG_BYTEA_PP(1);
	MatchCache *cache = (MatchCache *) fcinfo->flinfo->fn_extra;
	int			pattern_len = VARSIZE_ANY_EXHDR(pattern);

	if (cache == NULL || cache->pattern_len != pattern_len ||
		memcmp(cache->pattern, VARDATA_ANY(pattern), pattern_len) != 0)
	{
		MemoryContext oldcxt = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		WeirRegex  *re = weir_regex_compile(VARDATA_ANY(pattern), pattern_len,
												NULL);

		if (cache != NULL)
		{
			MemoryContextDelete(cache->re->mcxt);
			pfree(cache);
		}
		fcinfo->flinfo->fn_extra = NULL;
		cache = palloc(offsetof(MatchCache, pattern) + pattern_len);
		cache->re = re;
		cache->pattern_len = pattern_len;
		memcpy(cache->pattern, VARDATA_ANY(pattern), pattern_len);
		fcinfo->flinfo->fn_extra = cache;
		MemoryContextSwitchTo(oldcxt);
	}

	PG_RETURN_BOOL(weir_regex_match(cache->re, VARDATA_ANY(input),
									VARSIZE_ANY_EXHDR(input)));
}
