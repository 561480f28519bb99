/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  Applying row filters.
 *
 * Every filter takes a list of cells in cell order and leaves such a list.
 * Lists are filtered in place; where two filters get the same input it is
 * copied.  All lists live in a memory context that is reset for each row.
 *
 * A sink puts its input aside, in a list that is merged with what comes out
 * at the very end; so no filter around it sees these cells again.
 *
 * Whether a regex passes a family or a qualifier is remembered for the cells
 * that follow: the cells of a column come together and mostly share the bytes
 * of the names, so that comparing the pointer is enough.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "types/filter_tree.h"
#include "types/regex.h"

#define INTERRUPT_CELLS		4096

/*
 * Each interleave may double the cells, so a filter of few bytes could ask for
 * any amount of memory.  This is thrice what a row of the greatest number of
 * cells takes.
 */
#define MAX_MEMORY			((Size) 2 * 1024 * 1024 * 1024)

typedef struct CellList
{
	WeirFilteredCell *cells;	/* not owned: may point into an allocation */
	int			count;
} CellList;

/* Lists in order, one behind the other. */
typedef struct Runs
{
	CellList   *lists;
	int			nlists;
	int			max_lists;
} Runs;

struct WeirFilterState
{
	WeirFilterNode *root;
	MemoryContext row_mcxt;
	int			column_count;	/* see weir_filter_needed_columns */
	WeirColumnRange *columns;
	uint32		versions;
	/* the row being filtered */
	uint64		row_no;
	const char *row_key;
	size_t		row_key_len;
	Runs		sunk;
};

/*
 * Lists
 */

/* The current context is that of the row. */
static WeirFilteredCell *
alloc_cells(int64 count)
{
	Size		size = sizeof(WeirFilteredCell) * Max(count, 1);

	if (count > PG_INT32_MAX ||
		size + MemoryContextMemAllocated(CurrentMemoryContext, false) > MAX_MEMORY)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("filter makes too many copies of cells"),
				 errdetail("Copies of the cells of one row may take at most %d MB.",
						   (int) (MAX_MEMORY / (1024 * 1024))),
				 errhint("Do not interleave filters that pass the same cells.")));
	return MemoryContextAllocHuge(CurrentMemoryContext, size);
}

static CellList
copy_list(const CellList *list)
{
	CellList	copy;

	copy.cells = alloc_cells(list->count);
	copy.count = list->count;
	if (list->count > 0)
		memcpy(copy.cells, list->cells,
			   sizeof(WeirFilteredCell) * list->count);
	return copy;
}

static void
add_run(Runs *runs, const CellList *list)
{
	if (list->count == 0)
		return;
	if (runs->nlists >= runs->max_lists)
	{
		runs->max_lists = Max(8, runs->max_lists * 2);
		runs->lists = (runs->lists == NULL) ?
			palloc(sizeof(CellList) * runs->max_lists) :
			repalloc(runs->lists, sizeof(CellList) * runs->max_lists);
	}
	runs->lists[runs->nlists++] = *list;
}

/* Of equal cells, those of a come first. */
static CellList
merge_two(const CellList *a, const CellList *b)
{
	CellList	result;
	int			i = 0;
	int			j = 0;

	result.cells = alloc_cells((int64) a->count + b->count);
	result.count = 0;
	while (i < a->count && j < b->count)
	{
		if (result.count % INTERRUPT_CELLS == 0)
			CHECK_FOR_INTERRUPTS();
		if (weir_cell_cmp(&a->cells[i].cell, &b->cells[j].cell) <= 0)
			result.cells[result.count++] = a->cells[i++];
		else
			result.cells[result.count++] = b->cells[j++];
	}
	memcpy(result.cells + result.count, a->cells + i,
		   sizeof(WeirFilteredCell) * (a->count - i));
	result.count += a->count - i;
	memcpy(result.cells + result.count, b->cells + j,
		   sizeof(WeirFilteredCell) * (b->count - j));
	result.count += b->count - j;
	return result;
}

/* Merge neighbours until one is left, so that the order of runs is kept. */
static CellList
merge_runs(Runs *runs)
{
	CellList	empty = {NULL, 0};

	while (runs->nlists > 1)
	{
		int			n = 0;

		for (int i = 0; i + 1 < runs->nlists; i += 2)
			runs->lists[n++] = merge_two(&runs->lists[i], &runs->lists[i + 1]);
		if (runs->nlists % 2 == 1)
			runs->lists[n++] = runs->lists[runs->nlists - 1];
		runs->nlists = n;
	}
	return (runs->nlists == 1) ? runs->lists[0] : empty;
}

/*
 * Filters that look at one cell
 */

static bool
name_matches(WeirFilterState *state, WeirFilterNode *node,
			 const char *name, uint32 len)
{
	if (node->memo_row != state->row_no || node->memo_name != name ||
		node->memo_len != len)
	{
		node->memo_row = 0;		/* none, should this not return */
		node->memo_passes = weir_regex_match(node->regex, name, len);
		node->memo_name = name;
		node->memo_len = len;
		node->memo_row = state->row_no;
	}
	return node->memo_passes;
}

static bool
in_range(const WeirFilterNode *node, const char *bytes, uint32 len)
{
	if (node->start.data != NULL)
	{
		int			cmp = weir_bytes_cmp(bytes, len,
										 node->start.data, node->start.len);

		if (cmp < 0 || (cmp == 0 && node->start_open))
			return false;
	}
	if (node->end.data != NULL)
	{
		int			cmp = weir_bytes_cmp(bytes, len,
										 node->end.data, node->end.len);

		if (cmp > 0 || (cmp == 0 && node->end_open))
			return false;
	}
	return true;
}

static bool
has_all_bits(const WeirFilterBytes *mask, const WeirCell *cell)
{
	if (cell->value_len != mask->len)
		return false;
	for (uint32 i = 0; i < mask->len; i++)
	{
		if ((cell->value[i] & mask->data[i]) != mask->data[i])
			return false;
	}
	return true;
}

static bool
is_cell_filter(const WeirFilterNode *node)
{
	switch (node->kind)
	{
		case WEIR_FILTER_FAMILY_REGEX:
		case WEIR_FILTER_QUALIFIER_REGEX:
		case WEIR_FILTER_COLUMN_RANGE:
		case WEIR_FILTER_TIMESTAMP_RANGE:
		case WEIR_FILTER_VALUE_REGEX:
		case WEIR_FILTER_VALUE_RANGE:
		case WEIR_FILTER_VALUE_BITMASK:
			return true;
		default:
			return false;
	}
}

static bool
cell_passes(WeirFilterState *state, WeirFilterNode *node, const WeirCell *cell)
{
	switch (node->kind)
	{
		case WEIR_FILTER_FAMILY_REGEX:
			return name_matches(state, node, cell->family, cell->family_len);
		case WEIR_FILTER_QUALIFIER_REGEX:
			return name_matches(state, node, cell->qualifier,
								cell->qualifier_len);
		case WEIR_FILTER_COLUMN_RANGE:
			return cell->family_len == node->bytes.len &&
				memcmp(cell->family, node->bytes.data, node->bytes.len) == 0 &&
				in_range(node, cell->qualifier, cell->qualifier_len);
		case WEIR_FILTER_TIMESTAMP_RANGE:
			return (!node->has_from || cell->ts >= node->from_ts) &&
				(!node->has_to || cell->ts < node->to_ts);
		case WEIR_FILTER_VALUE_REGEX:
			return weir_regex_match(node->regex, cell->value, cell->value_len);
		case WEIR_FILTER_VALUE_RANGE:
			return in_range(node, cell->value, cell->value_len);
		case WEIR_FILTER_VALUE_BITMASK:
			return has_all_bits(&node->bytes, cell);
		default:
			elog(ERROR, "filter %d does not look at single cells",
				 (int) node->kind);
			return false;
	}
}

/*
 * Filters of lists
 */

static void eval_node(WeirFilterState *state, WeirFilterNode *node,
					  CellList *list);

static void
eval_cell_filter(WeirFilterState *state, WeirFilterNode *node, CellList *list)
{
	int			n = 0;

	for (int i = 0; i < list->count; i++)
	{
		if (i % INTERRUPT_CELLS == 0)
			CHECK_FOR_INTERRUPTS();
		if (cell_passes(state, node, &list->cells[i].cell))
			list->cells[n++] = list->cells[i];
	}
	list->count = n;
}

static bool
same_column(const WeirCell *a, const WeirCell *b)
{
	return a->qualifier_len == b->qualifier_len &&
		a->family_len == b->family_len &&
		(a->qualifier == b->qualifier ||
		 memcmp(a->qualifier, b->qualifier, a->qualifier_len) == 0) &&
		(a->family == b->family ||
		 memcmp(a->family, b->family, a->family_len) == 0);
}

static void
eval_column_limit(const WeirFilterNode *node, CellList *list)
{
	int			n = 0;
	int			in_column = 0;
	WeirCell	previous = {0};

	for (int i = 0; i < list->count; i++)
	{
		const WeirCell *cell = &list->cells[i].cell;

		if (i % INTERRUPT_CELLS == 0)
			CHECK_FOR_INTERRUPTS();
		in_column = (i > 0 && same_column(&previous, cell)) ?
			in_column + 1 : 1;
		previous = *cell;
		if (in_column <= node->count)
			list->cells[n++] = list->cells[i];
	}
	list->count = n;
}

static void
eval_chain(WeirFilterState *state, const WeirFilterNode *node, int first,
		   CellList *list)
{
	/* no filter makes cells out of none */
	for (int i = first; i < node->nchildren && list->count > 0; i++)
		eval_node(state, node->children[i], list);
}

static void
eval_interleave(WeirFilterState *state, const WeirFilterNode *node,
				CellList *list)
{
	Runs		runs = {0};

	for (int i = 0; i < node->nchildren; i++)
	{
		CellList	copy = copy_list(list);
		WeirFilteredCell *copied = copy.cells;

		eval_node(state, node->children[i], &copy);
		add_run(&runs, &copy);
		/* a sink, which leaves no list, has kept the copy */
		if (copy.count == 0 && copy.cells != NULL)
			pfree(copied);
	}
	*list = merge_runs(&runs);
}

static void
eval_condition(WeirFilterState *state, const WeirFilterNode *node,
			   CellList *list)
{
	CellList	copy = copy_list(list);
	WeirFilteredCell *copied = copy.cells;
	WeirFilterNode *branch;

	eval_node(state, node->children[0], &copy);
	branch = node->children[copy.count > 0 ? 1 : 2];
	pfree(copied);				/* there are no sinks in a condition */
	if (branch == NULL)
		list->count = 0;
	else
		eval_node(state, branch, list);
}

static bool
row_key_matches(WeirFilterState *state, const WeirFilterNode *node)
{
	if (state->row_key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("filter row_key_regex cannot be used here"),
				 errdetail("The row comes without its row key.")));
	return weir_regex_match(node->regex, state->row_key, state->row_key_len);
}

static void
eval_node(WeirFilterState *state, WeirFilterNode *node, CellList *list)
{
	int			n;

	switch (node->kind)
	{
		case WEIR_FILTER_PASS_ALL:
			break;
		case WEIR_FILTER_BLOCK_ALL:
			list->count = 0;
			break;
		case WEIR_FILTER_SINK:
			add_run(&state->sunk, list);
			list->cells = NULL;
			list->count = 0;
			break;
		case WEIR_FILTER_CHAIN:
			eval_chain(state, node, 0, list);
			break;
		case WEIR_FILTER_INTERLEAVE:
			eval_interleave(state, node, list);
			break;
		case WEIR_FILTER_CONDITION:
			eval_condition(state, node, list);
			break;
		case WEIR_FILTER_ROW_KEY_REGEX:
			if (!row_key_matches(state, node))
				list->count = 0;
			break;
		case WEIR_FILTER_ROW_SAMPLE:
			if (pg_prng_double(&pg_global_prng_state) >= node->probability)
				list->count = 0;
			break;
		case WEIR_FILTER_ROW_OFFSET:
			n = Min(node->count, list->count);
			list->cells += n;
			list->count -= n;
			break;
		case WEIR_FILTER_ROW_LIMIT:
			list->count = Min(node->count, list->count);
			break;
		case WEIR_FILTER_COLUMN_LIMIT:
			eval_column_limit(node, list);
			break;
		case WEIR_FILTER_STRIP_VALUE:
			for (int i = 0; i < list->count; i++)
			{
				list->cells[i].cell.value = "";
				list->cells[i].cell.value_len = 0;
			}
			break;
		case WEIR_FILTER_APPLY_LABEL:
			for (int i = 0; i < list->count; i++)
				list->cells[i].label = node->bytes.data;
			break;
		default:
			eval_cell_filter(state, node, list);
			break;
	}
}

/*
 * Make the first list.  Filters at the head of the whole that look at single
 * cells are applied on the way, so that a few cells of a large row do not
 * cost a copy of the row.
 */
static CellList
make_first_list(WeirFilterState *state, WeirFilterNode **heads, int nheads,
				const WeirCell *cells, int ncells)
{
	CellList	list = {NULL, 0};
	int			max = 0;

	for (int i = 0; i < ncells; i++)
	{
		int			head = 0;

		if (i % INTERRUPT_CELLS == 0)
			CHECK_FOR_INTERRUPTS();
		while (head < nheads && cell_passes(state, heads[head], &cells[i]))
			head++;
		if (head < nheads)
			continue;

		if (list.count >= max)
		{
			WeirFilteredCell *old = list.cells;

			max = (nheads == 0) ? ncells :
				(int) Min((int64) Max(max, 32) * 2, ncells);
			list.cells = alloc_cells(max);
			if (old != NULL)
			{
				memcpy(list.cells, old, sizeof(WeirFilteredCell) * list.count);
				pfree(old);
			}
		}
		list.cells[list.count].cell = cells[i];
		list.cells[list.count].label = NULL;
		list.count++;
	}
	return list;
}

/* What comes out of the root, sinks apart. */
static CellList
eval_root(WeirFilterState *state, const WeirCell *cells, int ncells)
{
	WeirFilterNode *root = state->root;
	CellList	list;

	if (root->kind == WEIR_FILTER_CHAIN)
	{
		int			nheads = 0;

		while (nheads < root->nchildren &&
			   is_cell_filter(root->children[nheads]))
			nheads++;
		list = make_first_list(state, root->children, nheads, cells, ncells);
		eval_chain(state, root, nheads, &list);
	}
	else if (is_cell_filter(root))
		list = make_first_list(state, &state->root, 1, cells, ncells);
	else
	{
		list = make_first_list(state, NULL, 0, cells, ncells);
		eval_node(state, root, &list);
	}
	return list;
}

/*
 * Interface
 */

static void
compile_node(WeirFilterNode *node)
{
	if (weir_filter_kinds[node->kind].args == WEIR_FILTER_ARGS_REGEX)
		node->regex = weir_regex_compile(node->bytes.data, node->bytes.len,
										 NULL);
	else if (node->kind == WEIR_FILTER_APPLY_LABEL)
		node->bytes.data = pnstrdup(node->bytes.data, node->bytes.len);

	for (int i = 0; i < node->nchildren; i++)
	{
		if (node->children[i] != NULL)
			compile_node(node->children[i]);
	}
}

WeirFilterState *
weir_filter_compile(const WeirFilter *filter)
{
	WeirFilterState *state = palloc0(sizeof(WeirFilterState));

	state->root = (filter != NULL) ? weir_filter_tree(filter) :
		weir_filter_node_create(WEIR_FILTER_PASS_ALL);
	compile_node(state->root);
	state->row_mcxt = AllocSetContextCreate(CurrentMemoryContext,
											"weir filtered row",
											ALLOCSET_DEFAULT_SIZES);
	state->column_count = weir_filter_node_needed_columns(state->root,
														  &state->columns);
	state->versions = weir_filter_node_needed_versions(state->root);
	return state;
}

int
weir_filter_apply(WeirFilterState *state,
				  const char *row_key, size_t row_key_len,
				  const WeirCell *cells, int ncells,
				  WeirFilteredCell **result)
{
	MemoryContext oldcxt;
	CellList	list;

	MemoryContextReset(state->row_mcxt);
	oldcxt = MemoryContextSwitchTo(state->row_mcxt);
	state->row_no++;
	state->row_key = row_key;
	state->row_key_len = row_key_len;
	memset(&state->sunk, 0, sizeof(Runs));

	list = eval_root(state, cells, ncells);
	if (state->sunk.nlists > 0)
	{
		add_run(&state->sunk, &list);
		list = merge_runs(&state->sunk);
	}
	MemoryContextSwitchTo(oldcxt);

	*result = list.cells;
	return list.count;
}

bool
weir_filter_matches(WeirFilterState *state,
					const char *row_key, size_t row_key_len,
					const WeirCell *cells, int ncells)
{
	WeirFilteredCell *result;

	return weir_filter_apply(state, row_key, row_key_len,
							 cells, ncells, &result) > 0;
}

bool
weir_filter_may_pass_row(WeirFilterState *state,
						 const char *row_key, size_t row_key_len)
{
	return weir_filter_node_may_pass_row(state->root, row_key, row_key_len);
}

int
weir_filter_needed_columns(WeirFilterState *state,
						   const WeirColumnRange **ranges)
{
	*ranges = state->columns;
	return state->column_count;
}

uint32
weir_filter_needed_versions(WeirFilterState *state)
{
	return state->versions;
}
