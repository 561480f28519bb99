/*-------------------------------------------------------------------------
 *
 * regex_compile.c
 *	  Regular expressions over bytes: the program made of a syntax tree.
 *
 * Its instructions are the states of a nondeterministic automaton.  How they
 * are run, see regex.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "types/regex_private.h"
#include "weir.h"

#define MAX_PROGRAM			32768
#define MIN_CACHE_BYTES		(512 * 1024)
#define MIN_CACHE_SETS		16

/* Once the program is too large, nothing is emitted any more. */
static int
emit(WeirRegex *re, WeirRegexOpcode op, int arg, int next)
{
	WeirRegexInst	   *inst;

	if (re->ninsts >= MAX_PROGRAM)
	{
		re->too_large = true;
		return next;
	}
	if (re->ninsts >= re->max_insts)
	{
		re->max_insts = Max(64, re->max_insts * 2);
		re->insts = (re->insts == NULL) ?
			palloc(sizeof(WeirRegexInst) * re->max_insts) :
			repalloc(re->insts, sizeof(WeirRegexInst) * re->max_insts);
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
	re->dead = palloc0(offsetof(WeirRegexState, next));
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
	largest_set = offsetof(WeirRegexState, next) +
		sizeof(WeirRegexState *) * re->nclasses + sizeof(int) * re->ninsts;
	re->cache_limit = Max(MIN_CACHE_BYTES, MIN_CACHE_SETS * largest_set);
	re->list = palloc(sizeof(int) * re->ninsts);
	re->expanded = palloc(sizeof(int) * re->ninsts);
	re->stack = palloc(sizeof(int) * re->ninsts);
	re->mark = palloc0(sizeof(uint32) * re->ninsts);

	MemoryContextSwitchTo(oldcxt);
	return re;
}
