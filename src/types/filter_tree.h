/*-------------------------------------------------------------------------
 *
 * filter_tree.h
 *	  A row filter as a tree, and its stored form; private to filter*.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_FILTER_TREE_H
#define WEIR_FILTER_TREE_H

#include "nodes/nodes.h"

#include "types/filter.h"

/* The numbers are stored: add, never change. */
typedef enum WeirFilterKind
{
	WEIR_FILTER_PASS_ALL = 1,
	WEIR_FILTER_BLOCK_ALL = 2,
	WEIR_FILTER_CHAIN = 3,
	WEIR_FILTER_INTERLEAVE = 4,
	WEIR_FILTER_CONDITION = 5,
	WEIR_FILTER_SINK = 6,
	WEIR_FILTER_ROW_KEY_REGEX = 7,
	WEIR_FILTER_ROW_SAMPLE = 8,
	WEIR_FILTER_FAMILY_REGEX = 9,
	WEIR_FILTER_QUALIFIER_REGEX = 10,
	WEIR_FILTER_COLUMN_RANGE = 11,
	WEIR_FILTER_TIMESTAMP_RANGE = 12,
	WEIR_FILTER_VALUE_REGEX = 13,
	WEIR_FILTER_VALUE_RANGE = 14,
	WEIR_FILTER_VALUE_BITMASK = 15,
	WEIR_FILTER_ROW_OFFSET = 16,
	WEIR_FILTER_ROW_LIMIT = 17,
	WEIR_FILTER_COLUMN_LIMIT = 18,
	WEIR_FILTER_STRIP_VALUE = 19,
	WEIR_FILTER_APPLY_LABEL = 20
} WeirFilterKind;

#define WEIR_FILTER_LAST_KIND	WEIR_FILTER_APPLY_LABEL

/* What a kind of filter is made of. */
typedef enum WeirFilterArgs
{
	WEIR_FILTER_ARGS_NONE,
	WEIR_FILTER_ARGS_CHILDREN,	/* two or more */
	WEIR_FILTER_ARGS_BRANCHES,	/* children: predicate, then true and false,
								 * which may be absent (NULL) */
	WEIR_FILTER_ARGS_REGEX,		/* bytes */
	WEIR_FILTER_ARGS_PROBABILITY,
	WEIR_FILTER_ARGS_COLUMN_RANGE,	/* bytes: family; start, end */
	WEIR_FILTER_ARGS_TIMESTAMP_RANGE,	/* from_ts, to_ts */
	WEIR_FILTER_ARGS_VALUE_RANGE,	/* start, end */
	WEIR_FILTER_ARGS_BITMASK,	/* bytes */
	WEIR_FILTER_ARGS_COUNT,
	WEIR_FILTER_ARGS_LABEL		/* bytes */
} WeirFilterArgs;

typedef struct WeirFilterKindInfo
{
	const char *name;			/* of the SQL function and in the text form */
	WeirFilterArgs args;
} WeirFilterKindInfo;

/* by kind; the first element is not used */
extern const WeirFilterKindInfo weir_filter_kinds[WEIR_FILTER_LAST_KIND + 1];

typedef struct WeirFilterBytes
{
	const char *data;			/* NULL: unbounded, where that is possible */
	uint32		len;
} WeirFilterBytes;

typedef struct WeirFilterNode WeirFilterNode;

struct WeirFilterNode
{
	WeirFilterKind kind;
	int			nchildren;
	WeirFilterNode **children;
	WeirFilterBytes bytes;		/* pattern, family, mask or label */
	WeirFilterBytes start;
	WeirFilterBytes end;
	bool		start_open;
	bool		end_open;
	bool		has_from;
	bool		has_to;
	int64		from_ts;		/* microseconds since the Unix epoch */
	int64		to_ts;
	int32		count;
	double		probability;
	/* set by weir_filter_node_check */
	int			depth;
	bool		has_sink;
	bool		has_label;
	/* set by weir_filter_compile */
	struct WeirRegex *regex;
	/* the answer for the last name that a regex saw, see filter.c */
	const char *memo_name;
	uint32		memo_len;
	bool		memo_passes;
	uint64		memo_row;
};

struct WeirFilter
{
	int32		vl_len_;
	char		data[FLEXIBLE_ARRAY_MEMBER];	/* see filter_tree.c */
};

extern WeirFilterNode *weir_filter_node_create(WeirFilterKind kind);

/*
 * Check the rules for a node whose children have been checked.  22023, or
 * false after a soft error.  The pattern of a regex is checked if asked for.
 */
extern bool weir_filter_node_check(WeirFilterNode *node, bool check_regex,
								   Node *escontext);

/* NULL after a soft error: 22023 if it is too large. */
extern WeirFilter *weir_filter_encode(const WeirFilterNode *node,
									  Node *escontext);

/*
 * The tree, checked, of bytes as they are stored.  It points into them.
 * sqlstate is for bytes that are no filter.
 */
extern WeirFilterNode *weir_filter_decode(const char *bytes, size_t len,
										  bool check_regex, int sqlstate);
extern WeirFilterNode *weir_filter_tree(const WeirFilter *filter);

/* what filter_needs.c finds out; the regexes are compiled */
extern bool weir_filter_node_may_pass_row(const WeirFilterNode *node,
										  const char *row_key,
										  size_t row_key_len);
extern int	weir_filter_node_needed_columns(const WeirFilterNode *node,
											WeirColumnRange **ranges);
extern uint32 weir_filter_node_needed_versions(const WeirFilterNode *node);

#define PG_GETARG_WEIR_FILTER(n)	weir_filter_from_datum(PG_GETARG_DATUM(n))

#endif							/* WEIR_FILTER_TREE_H */
