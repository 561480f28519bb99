/*-------------------------------------------------------------------------
 *
 * filter_needs.c
 *	  What a filter needs to see of a row.
 *
 * For a filter F, a set S of columns is enough if F gives the same for a row
 * and for the part of it that lies in S.  Two such sets are enough together:
 *
 *	- F then G, F *local* (what comes out of a column depends on this column
 *	  only): the intersection of what is enough for F and for G.
 *	- a choice or union of filters: the union of their sets.
 *
 * A filter that counts over the row, decides by a condition or sinks cells is
 * not local, so a chain is followed up to the first of them.  Likewise for
 * the number of newest cells in each column: in a chain, the first filter
 * that bounds it decides, if those before pass columns whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "types/filter_tree.h"
#include "types/regex.h"

/* More ranges than these are not worth it. */
#define MAX_RANGES	64

/* A range without a family holds the qualifiers of every family. */
typedef struct ColumnSet
{
	bool		is_all;
	int			nranges;
	WeirColumnRange *ranges;
} ColumnSet;

/* How the cells that are put into a filter may leave it. */
typedef struct Passage
{
	bool		flows;
	bool		sinks;
} Passage;

/*
 * Rows
 */

static Passage
node_passage(const WeirFilterNode *node, const char *key, size_t len)
{
	Passage		result = {true, false};

	switch (node->kind)
	{
		case WEIR_FILTER_BLOCK_ALL:
			result.flows = false;
			break;
		case WEIR_FILTER_SINK:
			result.flows = false;
			result.sinks = true;
			break;
		case WEIR_FILTER_ROW_KEY_REGEX:
			result.flows = weir_regex_match(node->regex, key, len);
			break;
		case WEIR_FILTER_CHAIN:
			for (int i = 0; i < node->nchildren && result.flows; i++)
			{
				Passage		child = node_passage(node->children[i], key, len);

				result.flows = child.flows;
				result.sinks |= child.sinks;
			}
			break;
		case WEIR_FILTER_INTERLEAVE:
			result.flows = false;
			for (int i = 0; i < node->nchildren; i++)
			{
				Passage		child = node_passage(node->children[i], key, len);

				result.flows |= child.flows;
				result.sinks |= child.sinks;
			}
			break;
		case WEIR_FILTER_CONDITION:
			/* holds no sink; a predicate that may pass may also not pass */
			result.flows =
				(node->children[1] != NULL &&
				 node_passage(node->children[0], key, len).flows &&
				 node_passage(node->children[1], key, len).flows) ||
				(node->children[2] != NULL &&
				 node_passage(node->children[2], key, len).flows);
			break;
		default:
			break;
	}
	return result;
}

bool
weir_filter_node_may_pass_row(const WeirFilterNode *node,
							  const char *row_key, size_t row_key_len)
{
	Passage		passage = node_passage(node, row_key, row_key_len);

	return passage.flows || passage.sinks;
}

/*
 * Columns
 */

/* A start given as NULL is before all, an end after all. */
static int
compare_starts(const WeirColumnRange *a, const WeirColumnRange *b)
{
	int			cmp;

	if (a->start == NULL || b->start == NULL)
		return (a->start != NULL) - (b->start != NULL);
	cmp = weir_bytes_cmp(a->start, a->start_len, b->start, b->start_len);
	return (cmp != 0) ? cmp : a->start_open - b->start_open;
}

static int
compare_ends(const WeirColumnRange *a, const WeirColumnRange *b)
{
	int			cmp;

	if (a->end == NULL || b->end == NULL)
		return (a->end == NULL) - (b->end == NULL);
	cmp = weir_bytes_cmp(a->end, a->end_len, b->end, b->end_len);
	return (cmp != 0) ? cmp : b->end_open - a->end_open;
}

static int
compare_families(const WeirColumnRange *a, const WeirColumnRange *b)
{
	return weir_bytes_cmp(a->family, a->family_len, b->family, b->family_len);
}

static bool
range_is_empty(const WeirColumnRange *r)
{
	int			cmp;

	if (r->end == NULL)
		return false;
	if (r->start == NULL)
		return r->end_len == 0 && r->end_open;
	cmp = weir_bytes_cmp(r->start, r->start_len, r->end, r->end_len);
	return cmp > 0 || (cmp == 0 && (r->start_open || r->end_open));
}

/* False: they have nothing in common. */
static bool
intersect_ranges(const WeirColumnRange *a, const WeirColumnRange *b,
				 WeirColumnRange *result)
{
	if (a->family != NULL && b->family != NULL && compare_families(a, b) != 0)
		return false;

	*result = *a;
	if (a->family == NULL)
	{
		result->family = b->family;
		result->family_len = b->family_len;
	}
	if (compare_starts(b, a) > 0)
	{
		result->start = b->start;
		result->start_len = b->start_len;
		result->start_open = b->start_open;
	}
	if (compare_ends(b, a) < 0)
	{
		result->end = b->end;
		result->end_len = b->end_len;
		result->end_open = b->end_open;
	}
	return !range_is_empty(result);
}

static ColumnSet
all_columns(void)
{
	ColumnSet	result = {true, 0, NULL};

	return result;
}

static ColumnSet
no_columns(void)
{
	ColumnSet	result = {false, 0, NULL};

	return result;
}

static ColumnSet
one_range(const WeirColumnRange *range)
{
	ColumnSet	result = {false, 0, NULL};

	if (!range_is_empty(range))
	{
		result.nranges = 1;
		result.ranges = palloc(sizeof(WeirColumnRange));
		*result.ranges = *range;
	}
	return result;
}

static ColumnSet
intersect_sets(ColumnSet a, ColumnSet b)
{
	ColumnSet	result = {false, 0, NULL};

	if (a.is_all)
		return b;
	if (b.is_all)
		return a;
	if (a.nranges * b.nranges > MAX_RANGES)
		return a.nranges < b.nranges ? a : b;

	result.ranges = palloc(sizeof(WeirColumnRange) *
						   Max(a.nranges * b.nranges, 1));
	for (int i = 0; i < a.nranges; i++)
	{
		for (int j = 0; j < b.nranges; j++)
		{
			if (intersect_ranges(&a.ranges[i], &b.ranges[j],
								 &result.ranges[result.nranges]))
				result.nranges++;
		}
	}
	return result;
}

static ColumnSet
unite_sets(ColumnSet a, ColumnSet b)
{
	ColumnSet	result = {false, 0, NULL};

	if (a.is_all || b.is_all || a.nranges + b.nranges > MAX_RANGES)
		return all_columns();
	result.nranges = a.nranges + b.nranges;
	result.ranges = palloc(sizeof(WeirColumnRange) * Max(result.nranges, 1));
	if (a.nranges > 0)
		memcpy(result.ranges, a.ranges, sizeof(WeirColumnRange) * a.nranges);
	if (b.nranges > 0)
		memcpy(result.ranges + a.nranges, b.ranges,
			   sizeof(WeirColumnRange) * b.nranges);
	return result;
}

static bool
is_local(const WeirFilterNode *node)
{
	switch (node->kind)
	{
		case WEIR_FILTER_SINK:
		case WEIR_FILTER_CONDITION:
		case WEIR_FILTER_ROW_OFFSET:
		case WEIR_FILTER_ROW_LIMIT:
			return false;
		default:
			for (int i = 0; i < node->nchildren; i++)
			{
				if (!is_local(node->children[i]))
					return false;
			}
			return true;
	}
}

/* The columns of which a leaf passes anything. */
static ColumnSet
leaf_columns(const WeirFilterNode *node)
{
	WeirColumnRange range = {0};
	const char *literal;
	size_t		len;

	switch (node->kind)
	{
		case WEIR_FILTER_BLOCK_ALL:
			return no_columns();
		case WEIR_FILTER_FAMILY_REGEX:
			if (!weir_regex_is_literal(node->regex, &literal, &len))
				return all_columns();
			range.family = literal;
			range.family_len = len;
			return one_range(&range);
		case WEIR_FILTER_QUALIFIER_REGEX:
			if (!weir_regex_is_literal(node->regex, &literal, &len))
				return all_columns();
			range.start = range.end = literal;
			range.start_len = range.end_len = len;
			return one_range(&range);
		case WEIR_FILTER_COLUMN_RANGE:
			range.family = node->bytes.data;
			range.family_len = node->bytes.len;
			range.start = node->start.data;
			range.start_len = node->start.len;
			range.start_open = node->start_open;
			range.end = node->end.data;
			range.end_len = node->end.len;
			range.end_open = node->end_open;
			return one_range(&range);
		default:
			return all_columns();
	}
}

static ColumnSet
node_columns(const WeirFilterNode *node)
{
	ColumnSet	result;

	switch (node->kind)
	{
		case WEIR_FILTER_CHAIN:
			result = all_columns();
			for (int i = 0; i < node->nchildren; i++)
			{
				result = intersect_sets(result,
										node_columns(node->children[i]));
				if (!is_local(node->children[i]))
					break;
			}
			return result;
		case WEIR_FILTER_INTERLEAVE:
		case WEIR_FILTER_CONDITION:
			result = no_columns();
			for (int i = 0; i < node->nchildren; i++)
			{
				if (node->children[i] != NULL)
					result = unite_sets(result,
										node_columns(node->children[i]));
			}
			return result;
		default:
			return leaf_columns(node);
	}
}

static int
compare_ranges(const void *a, const void *b)
{
	int			cmp = compare_families(a, b);

	return (cmp != 0) ? cmp : compare_starts(a, b);
}

/* Does b, which does not start before a, begin in a or right behind it? */
static bool
ranges_touch(const WeirColumnRange *a, const WeirColumnRange *b)
{
	int			cmp;

	if (compare_families(a, b) != 0)
		return false;
	if (a->end == NULL || b->start == NULL)
		return true;
	cmp = weir_bytes_cmp(b->start, b->start_len, a->end, a->end_len);
	return cmp < 0 || (cmp == 0 && !(a->end_open && b->start_open));
}

/*
 * The ranges are ascending and do not overlap.
 */
int
weir_filter_node_needed_columns(const WeirFilterNode *node,
								WeirColumnRange **ranges)
{
	ColumnSet	set = node_columns(node);
	int			n = 0;

	*ranges = set.ranges;
	for (int i = 0; i < set.nranges; i++)
	{
		if (set.ranges[i].family == NULL)
			return -1;			/* cannot be said in terms of families */
	}
	if (set.is_all)
		return -1;
	if (set.nranges == 0)
		return 0;

	qsort(set.ranges, set.nranges, sizeof(WeirColumnRange), compare_ranges);
	for (int i = 1; i < set.nranges; i++)
	{
		WeirColumnRange *last = &set.ranges[n];

		if (!ranges_touch(last, &set.ranges[i]))
			set.ranges[++n] = set.ranges[i];
		else if (compare_ends(&set.ranges[i], last) > 0)
		{
			last->end = set.ranges[i].end;
			last->end_len = set.ranges[i].end_len;
			last->end_open = set.ranges[i].end_open;
		}
	}
	return n + 1;
}

/*
 * Versions
 */

/* Does it pass each column whole, or not at all? */
static bool
passes_columns_whole(const WeirFilterNode *node)
{
	switch (node->kind)
	{
		case WEIR_FILTER_PASS_ALL:
		case WEIR_FILTER_ROW_KEY_REGEX:
		case WEIR_FILTER_ROW_SAMPLE:
		case WEIR_FILTER_FAMILY_REGEX:
		case WEIR_FILTER_QUALIFIER_REGEX:
		case WEIR_FILTER_COLUMN_RANGE:
		case WEIR_FILTER_STRIP_VALUE:
		case WEIR_FILTER_APPLY_LABEL:
			return true;
		case WEIR_FILTER_CHAIN:
			for (int i = 0; i < node->nchildren; i++)
			{
				if (!passes_columns_whole(node->children[i]))
					return false;
			}
			return true;
		default:
			return false;
	}
}

uint32
weir_filter_node_needed_versions(const WeirFilterNode *node)
{
	uint32		result = 1;

	switch (node->kind)
	{
		case WEIR_FILTER_BLOCK_ALL:
			return 1;
		case WEIR_FILTER_ROW_LIMIT:
		case WEIR_FILTER_COLUMN_LIMIT:
			return node->count;
		case WEIR_FILTER_CHAIN:
			for (int i = 0; i < node->nchildren; i++)
			{
				uint32		n = weir_filter_node_needed_versions(node->children[i]);

				if (n != PG_UINT32_MAX)
					return n;
				if (!passes_columns_whole(node->children[i]))
					break;
			}
			return PG_UINT32_MAX;
		case WEIR_FILTER_INTERLEAVE:
		case WEIR_FILTER_CONDITION:
			for (int i = 0; i < node->nchildren; i++)
			{
				if (node->children[i] != NULL)
					result = Max(result,
								 weir_filter_node_needed_versions(node->children[i]));
			}
			return result;
		default:
			return PG_UINT32_MAX;
	}
}
