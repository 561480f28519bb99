/*-------------------------------------------------------------------------
 *
 * regex_parse.h
 *	  The syntax tree of a byte regular expression; private to regex*.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_REGEX_PARSE_H
#define WEIR_REGEX_PARSE_H

#include "nodes/nodes.h"

typedef struct WeirByteSet
{
	uint64		words[4];
} WeirByteSet;

static inline bool
weir_byteset_has(const WeirByteSet *set, unsigned char b)
{
	return (set->words[b >> 6] >> (b & 63)) & 1;
}

typedef enum WeirRegexKind
{
	WEIR_REGEX_SET,				/* one byte of a set */
	WEIR_REGEX_CAT,				/* its children, one after the other */
	WEIR_REGEX_ALT,				/* one of its children */
	WEIR_REGEX_REPEAT,			/* its child, min to max times */
	WEIR_REGEX_ASSERT			/* nothing, at certain places */
} WeirRegexKind;

typedef enum WeirRegexAssert
{
	WEIR_REGEX_TEXT_START,
	WEIR_REGEX_TEXT_END,
	WEIR_REGEX_LINE_START,
	WEIR_REGEX_LINE_END,
	WEIR_REGEX_WORD_BOUNDARY,
	WEIR_REGEX_NO_WORD_BOUNDARY
} WeirRegexAssert;

typedef struct WeirRegexNode WeirRegexNode;

struct WeirRegexNode
{
	WeirRegexKind kind;
	WeirRegexAssert assertion;	/* ASSERT */
	int			min;			/* REPEAT */
	int			max;			/* REPEAT: -1 without limit */
	WeirByteSet set;			/* SET */
	WeirRegexNode *first;		/* CAT, ALT, REPEAT: children */
	WeirRegexNode *last;
	WeirRegexNode *next;		/* sibling */
};

/* Allocates in the current memory context; NULL after a soft error, 22023. */
extern WeirRegexNode *weir_regex_parse(const char *pattern, size_t len,
									   Node *escontext);

/* the bytes that \w stands for */
extern bool weir_regex_is_word(unsigned char b);

#endif							/* WEIR_REGEX_PARSE_H */
