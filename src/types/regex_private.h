/*-------------------------------------------------------------------------
 *
 * regex_private.h
 *	  What a compiled regular expression consists of; only for regex.c and
 *	  regex_compile.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_REGEX_PRIVATE_H
#define WEIR_REGEX_PRIVATE_H

#include "types/regex.h"
#include "types/regex_parse.h"

#define WEIR_REGEX_BUCKETS	1024

typedef enum WeirRegexOpcode
{
	OP_SET,						/* a byte of sets[arg], then next */
	OP_SPLIT,					/* next and arg */
	OP_ASSERT,					/* if assertion arg holds, next */
	OP_MATCH
} WeirRegexOpcode;

typedef struct WeirRegexInst
{
	WeirRegexOpcode		op;
	int			arg;
	int			next;
} WeirRegexInst;

/* What is on one side of a position: the edge of the input, or a byte. */
typedef enum WeirRegexSide
{
	SIDE_EDGE,
	SIDE_NEWLINE,
	SIDE_WORD,
	SIDE_OTHER
} WeirRegexSide;

typedef enum WeirRegexAccepts
{
	ACCEPTS_UNDECIDED,
	ACCEPTS_YES,
	ACCEPTS_NO
} WeirRegexAccepts;

/* A state of the deterministic automaton: a set of instructions. */
typedef struct WeirRegexState
{
	struct WeirRegexState *chain;		/* next in hash bucket */
	uint32		hash;
	int			ninsts;
	int		   *insts;			/* behind "next" */
	bool		has_assert;
	WeirRegexSide		before;			/* if has_assert, else SIDE_OTHER */
	WeirRegexAccepts		accepts;		/* is it a match if the input ends here? */
	struct WeirRegexState *next[FLEXIBLE_ARRAY_MEMBER];	/* by class of byte */
} WeirRegexState;

struct WeirRegex
{
	MemoryContext mcxt;			/* all of this */

	/* the shape of simple patterns */
	char	   *prefix;			/* every match begins with it */
	size_t		prefix_len;
	bool		is_literal;		/* and is not longer */
	bool		is_prefix;		/* and goes on with anything */

	/* program */
	WeirRegexInst	   *insts;
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
	WeirRegexSide		side_of[256];

	/* deterministic automaton */
	MemoryContext cache;		/* the states */
	Size		cache_limit;
	Size		cache_used;
	WeirRegexState   *buckets[WEIR_REGEX_BUCKETS];
	WeirRegexState   *start_state;
	WeirRegexState   *dead;			/* the empty set; nothing follows it */

	/* working space, one element an instruction */
	int		   *list;			/* a set being built */
	int			nlist;
	int		   *expanded;		/* a set with its assertions followed */
	int			nexpanded;
	int		   *stack;
	uint32	   *mark;			/* == generation: in the set being built */
	uint32		generation;
};

#endif							/* WEIR_REGEX_PRIVATE_H */
