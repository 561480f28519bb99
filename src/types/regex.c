/*-------------------------------------------------------------------------
 *
 * regex.c
 *	  Regular expressions over bytes, matched in linear time.
 *
 * The syntax tree is compiled into a program, whose instructions are the
 * states of a nondeterministic automaton.  Matching runs the set of all
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
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "weir.h"
#include "types/regex.h"
#include "types/regex_parse.h"
#include "weir.h"

#define MAX_PROGRAM			32768
#define MIN_CACHE_BYTES		(512 * 1024)
#define MIN_CACHE_SETS		16
#define NBUCKETS			1024
#define INTERRUPT_BYTES		(64 * 1024)

typedef enum Opcode
{
	OP_SET,						/* a byte of sets[arg], then next */
	OP_SPLIT,					/* next and arg */
	OP_ASSERT,					/* if assertion arg holds, next */
	OP_MATCH
} Opcode;

typedef struct Inst
{
	Opcode		op;
	int			arg;
	int			next;
} Inst;

/* What is on one side of a position: the edge of the input, or a byte. */
typedef enum Side
{
	SIDE_EDGE,
	SIDE_NEWLINE,
	SIDE_WORD,
	SIDE_OTHER
} Side;

typedef enum Accepts
{
	ACCEPTS_UNDECIDED,
	ACCEPTS_YES,
	ACCEPTS_NO
} Accepts;

/* A state of the deterministic automaton: a set of instructions. */
typedef struct DfaState
{
	struct DfaState *chain;		/* next in hash bucket */
	uint32		hash;
	int			ninsts;
	int		   *insts;			/* behind "next" */
	bool		has_assert;
	Side		before;			/* if has_assert, else SIDE_OTHER */
	Accepts		accepts;		/* is it a match if the input ends here? */
	struct DfaState *next[FLEXIBLE_ARRAY_MEMBER];	/* by class of byte */
} DfaState;

struct WeirRegex
{
	MemoryContext mcxt;			/* all of this */

	/* the shape of simple patterns */
	char	   *prefix;			/* every match begins with it */
	size_t		prefix_len;
	bool		is_literal;		/* and is not longer */
	bool		is_prefix;		/* and goes on with anything */

	/* program */
	Inst	   *insts;
	int			ninsts;
	int			max_insts;		/* allocated */
	bool		too_large;		/* more than MAX_PROGRAM: not usable */
	int			start;
	WeirByteSet *sets;
	int			nsets;
	int			max_sets;		/* allocated */

	/* bytes that no instruction tells apart are of one class */
	uint8		class_of[256];
	int			nclasses;
	Side		side_of[256];

	/* deterministic automaton */
	MemoryContext cache;		/* the states */
	Size		cache_limit;
	Size		cache_used;
	DfaState   *buckets[NBUCKETS];
	DfaState   *start_state;
	DfaState   *dead;			/* the empty set; nothing follows it */

	/* working space, one element an instruction */
	int		   *list;			/* a set being built */
	int			nlist;
	int		   *expanded;		/* a set with its assertions followed */
	int			nexpanded;
	int		   *stack;
	uint32	   *mark;			/* == generation: in the set being built */
	uint32		generation;
};

PG_FUNCTION_INFO_V1(weir__regex_match);

/*
 * Compilation
 */

/* Once the program is too large, nothing is emitted any more. */
static int
emit(WeirRegex *re, Opcode op, int arg, int next)
{
	Inst	   *inst;

	if (re->ninsts >= MAX_PROGRAM)
	{
		re->too_large = true;
		return next;
	}
	if (re->ninsts >= re->max_insts)
	{
		re->max_insts = Max(64, re->max_insts * 2);
		re->insts = (re->insts == NULL) ?
			palloc(sizeof(Inst) * re->max_insts) :
			repalloc(re->insts, sizeof(Inst) * re->max_insts);
	}
	inst = &re->insts[re->ninsts];
	inst->op = op;
	inst->arg = arg;
	inst->next = next;
	return re->ninsts++;
}

static int
find_or_add_set(WeirRegex *re, const WeirByteSet *set)
{
	/* recent ones first: repetitions emit the same sets again and again */
	for (int i = re->nsets - 1; i >= 0; i--)
	{
		if (memcmp(&re->sets[i], set, sizeof(WeirByteSet)) == 0)
			return i;
	}
	if (re->nsets >= re->max_sets)
	{
		re->max_sets = Max(16, re->max_sets * 2);
		re->sets = (re->sets == NULL) ?
			palloc(sizeof(WeirByteSet) * re->max_sets) :
			repalloc(re->sets, sizeof(WeirByteSet) * re->max_sets);
	}
	re->sets[re->nsets] = *set;
	return re->nsets++;
}

static int	emit_node(WeirRegex *re, const WeirRegexNode *node, int next);

/* The children of a sequence are chained by "next": emit from the last on. */
static int
emit_sequence(WeirRegex *re, const WeirRegexNode *node, int next)
{
	const WeirRegexNode **children;
	int			nchildren = 0;

	for (const WeirRegexNode *c = node->first; c != NULL; c = c->next)
		nchildren++;
	children = palloc(sizeof(WeirRegexNode *) * Max(nchildren, 1));
	nchildren = 0;
	for (const WeirRegexNode *c = node->first; c != NULL; c = c->next)
		children[nchildren++] = c;

	while (nchildren > 0)
		next = emit_node(re, children[--nchildren], next);
	pfree(children);
	return next;
}

static int
emit_alternatives(WeirRegex *re, const WeirRegexNode *node, int next)
{
	int			result = emit_node(re, node->first, next);

	for (const WeirRegexNode *c = node->first->next; c != NULL; c = c->next)
	{
		int			other = emit_node(re, c, next);

		result = emit(re, OP_SPLIT, other, result);
	}
	return result;
}

/*
 * x{2,4} is xx(x(x)?)?, x{2,} is xx+.
 */
static int
emit_repeat(WeirRegex *re, const WeirRegexNode *node, int next)
{
	int			min = node->min;
	int			result = next;

	if (node->max < 0)
	{
		int			split = emit(re, OP_SPLIT, next, -1);
		int			body;

		if (re->too_large)
			return next;
		body = emit_node(re, node->first, split);
		re->insts[split].next = body;
		if (min == 0)
			return split;
		result = body;
		min--;
	}
	else
	{
		for (int i = min; i < node->max; i++)
		{
			int			body = emit_node(re, node->first, result);

			if (body == result)
				return next;	/* the child is empty */
			result = emit(re, OP_SPLIT, next, body);
		}
	}

	for (int i = 0; i < min; i++)
	{
		int			body = emit_node(re, node->first, result);

		if (body == result)
			break;
		result = body;
	}
	return result;
}

/* Emit code that matches the node and goes on with next; where it begins. */
static int
emit_node(WeirRegex *re, const WeirRegexNode *node, int next)
{
	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	if (re->too_large)
		return next;
	switch (node->kind)
	{
		case WEIR_REGEX_SET:
			return emit(re, OP_SET, find_or_add_set(re, &node->set), next);
		case WEIR_REGEX_CAT:
			return emit_sequence(re, node, next);
		case WEIR_REGEX_ALT:
			return emit_alternatives(re, node, next);
		case WEIR_REGEX_REPEAT:
			return emit_repeat(re, node, next);
		case WEIR_REGEX_ASSERT:
			return emit(re, OP_ASSERT, node->assertion, next);
	}
	elog(ERROR, "unexpected kind of regular expression node: %d",
		 (int) node->kind);
	return -1;
}

/* Split the classes of bytes by membership in a set. */
static void
refine_classes(WeirRegex *re, const WeirByteSet *set)
{
	int			inside[256];	/* new class of the members, by old class */
	bool		outside[256] = {false}; /* does the class have others? */

	memset(inside, -1, sizeof(inside));
	for (int b = 0; b < 256; b++)
	{
		if (!weir_byteset_has(set, b))
			outside[re->class_of[b]] = true;
	}
	for (int b = 0; b < 256; b++)
	{
		int			old = re->class_of[b];

		if (!weir_byteset_has(set, b) || !outside[old])
			continue;
		if (inside[old] < 0)
			inside[old] = re->nclasses++;
		re->class_of[b] = inside[old];
	}
}

static void
make_classes(WeirRegex *re)
{
	WeirByteSet newline = {{0}};
	WeirByteSet word = {{0}};

	re->nclasses = 1;
	for (int i = 0; i < re->nsets; i++)
		refine_classes(re, &re->sets[i]);

	/* assertions tell these apart as well */
	for (int b = 0; b < 256; b++)
	{
		re->side_of[b] = SIDE_OTHER;
		if (b == '\n')
		{
			re->side_of[b] = SIDE_NEWLINE;
			newline.words[b >> 6] |= UINT64CONST(1) << (b & 63);
		}
		else if (weir_regex_is_word(b))
		{
			re->side_of[b] = SIDE_WORD;
			word.words[b >> 6] |= UINT64CONST(1) << (b & 63);
		}
	}
	for (int i = 0; i < re->ninsts; i++)
	{
		if (re->insts[i].op == OP_ASSERT)
		{
			refine_classes(re, &newline);
			refine_classes(re, &word);
			break;
		}
	}
}

/* The only byte of a set, or -1. */
static int
single_byte(const WeirByteSet *set)
{
	int			result = -1;

	for (int b = 0; b < 256; b++)
	{
		if (!weir_byteset_has(set, b))
			continue;
		if (result >= 0)
			return -1;
		result = b;
	}
	return result;
}

/*
 * Find the literal with which the pattern begins, and what follows it if that
 * is nothing, or anything.
 */
static void
find_prefix(WeirRegex *re, const WeirRegexNode *node)
{
	StringInfoData prefix;
	const WeirRegexNode *c;

	initStringInfo(&prefix);
	if (node->kind == WEIR_REGEX_CAT)
	{
		for (c = node->first; c != NULL; c = c->next)
		{
			int			b = (c->kind == WEIR_REGEX_SET) ?
			single_byte(&c->set) : -1;

			if (b < 0)
				break;
			appendStringInfoChar(&prefix, (char) b);
		}
		re->is_literal = (c == NULL);
		if (c != NULL && c->next == NULL && c->kind == WEIR_REGEX_REPEAT &&
			c->min == 0 && c->max < 0 && c->first->kind == WEIR_REGEX_SET)
		{
			const WeirByteSet *set = &c->first->set;

			re->is_prefix = (set->words[0] & set->words[1] &
							 set->words[2] & set->words[3]) == PG_UINT64_MAX;
		}
	}
	re->prefix = prefix.data;
	re->prefix_len = prefix.len;
}

WeirRegex *
weir_regex_compile(const char *pattern, size_t len, Node *escontext)
{
	MemoryContext mcxt;
	MemoryContext oldcxt;
	MemoryContext tree_mcxt;
	WeirRegex  *re;
	WeirRegexNode *node;
	Size		largest_set;

	mcxt = AllocSetContextCreate(CurrentMemoryContext, "weir regex",
								 ALLOCSET_SMALL_SIZES);
	oldcxt = MemoryContextSwitchTo(mcxt);
	re = palloc0(sizeof(WeirRegex));
	re->mcxt = mcxt;
	re->dead = palloc0(offsetof(DfaState, next));
	re->cache = AllocSetContextCreate(mcxt, "weir regex states",
									  ALLOCSET_DEFAULT_SIZES);

	tree_mcxt = AllocSetContextCreate(mcxt, "weir regex tree",
									  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(tree_mcxt);
	node = weir_regex_parse(pattern, len, escontext);
	MemoryContextSwitchTo(mcxt);
	if (node == NULL)
	{
		MemoryContextSwitchTo(oldcxt);
		MemoryContextDelete(mcxt);
		return NULL;
	}

	re->start = emit_node(re, node, emit(re, OP_MATCH, 0, -1));
	if (re->too_large)
	{
		MemoryContextSwitchTo(oldcxt);
		MemoryContextDelete(mcxt);
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("invalid regular expression: it is too large"),
					  errdetail("With its repetitions written out it has more than %d elements.",
								MAX_PROGRAM)));
		return NULL;
	}
	find_prefix(re, node);
	MemoryContextDelete(tree_mcxt);

	make_classes(re);
	largest_set = offsetof(DfaState, next) +
		sizeof(DfaState *) * re->nclasses + sizeof(int) * re->ninsts;
	re->cache_limit = Max(MIN_CACHE_BYTES, MIN_CACHE_SETS * largest_set);
	re->list = palloc(sizeof(int) * re->ninsts);
	re->expanded = palloc(sizeof(int) * re->ninsts);
	re->stack = palloc(sizeof(int) * re->ninsts);
	re->mark = palloc0(sizeof(uint32) * re->ninsts);

	MemoryContextSwitchTo(oldcxt);
	return re;
}

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
assertion_holds(WeirRegexAssert assertion, Side before, Side after)
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
		 bool follow_asserts, Side before, Side after)
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
		const Inst *inst = &re->insts[i];

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
expand_state(WeirRegex *re, const DfaState *state, Side after, int *ninsts)
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
static DfaState *
find_or_make_state(WeirRegex *re, Side before, bool *dropped)
{
	bool		has_assert = false;
	uint32		hash;
	DfaState   *state;
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
	for (state = re->buckets[hash % NBUCKETS]; state != NULL;
		 state = state->chain)
	{
		if (state->hash == hash && state->before == before &&
			state->ninsts == re->nlist &&
			memcmp(state->insts, re->list, sizeof(int) * re->nlist) == 0)
			return state;
	}

	size = offsetof(DfaState, next) + sizeof(DfaState *) * re->nclasses +
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

	state->chain = re->buckets[hash % NBUCKETS];
	re->buckets[hash % NBUCKETS] = state;
	return state;
}

/*
 * Matching
 */

static DfaState *
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
static DfaState *
make_transition(WeirRegex *re, DfaState *state, unsigned char b)
{
	const int  *insts;
	int			ninsts;
	DfaState   *result;
	bool		dropped;

	insts = expand_state(re, state, re->side_of[b], &ninsts);

	clear_marks(re);
	re->nlist = 0;
	for (int i = 0; i < ninsts; i++)
	{
		const Inst *inst = &re->insts[insts[i]];

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
state_accepts(WeirRegex *re, DfaState *state)
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
	DfaState   *state;

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
			DfaState   *next = state->next[re->class_of[*p]];

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
