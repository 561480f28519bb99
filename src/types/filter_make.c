/*-------------------------------------------------------------------------
 *
 * filter_make.c
 *	  SQL functions that make row filters, and apply them to values.
 *
 * The functions are not strict: a NULL where a filter or a bound must be is
 * an error, not a NULL filter, which would mean "no filter" further on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "weir.h"
#include "types/bytestext.h"
#include "types/filter_tree.h"
#include "types/widerow.h"

PG_FUNCTION_INFO_V1(weir_pass_all);
PG_FUNCTION_INFO_V1(weir_block_all);
PG_FUNCTION_INFO_V1(weir_chain);
PG_FUNCTION_INFO_V1(weir_interleave);
PG_FUNCTION_INFO_V1(weir_condition);
PG_FUNCTION_INFO_V1(weir_sink);
PG_FUNCTION_INFO_V1(weir_row_key_regex);
PG_FUNCTION_INFO_V1(weir_row_sample);
PG_FUNCTION_INFO_V1(weir_family_regex);
PG_FUNCTION_INFO_V1(weir_qualifier_regex);
PG_FUNCTION_INFO_V1(weir_column_range);
PG_FUNCTION_INFO_V1(weir_timestamp_range);
PG_FUNCTION_INFO_V1(weir_value_regex);
PG_FUNCTION_INFO_V1(weir_value_range);
PG_FUNCTION_INFO_V1(weir_value_bitmask);
PG_FUNCTION_INFO_V1(weir_cells_per_row_offset);
PG_FUNCTION_INFO_V1(weir_cells_per_row_limit);
PG_FUNCTION_INFO_V1(weir_cells_per_column_limit);
PG_FUNCTION_INFO_V1(weir_strip_value);
PG_FUNCTION_INFO_V1(weir_apply_label);
PG_FUNCTION_INFO_V1(weir_apply);
PG_FUNCTION_INFO_V1(weir__filter_cells);
PG_FUNCTION_INFO_V1(weir__filter_needs);

/*
 * Arguments
 */

static void
refuse_null(FunctionCallInfo fcinfo, int argno, const WeirFilterNode *node,
			const char *what)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of filter %s must not be null",
						what, weir_filter_kinds[node->kind].name)));
}

/* Check a node and make the value of it. */
static Datum
finish(WeirFilterNode *node)
{
	(void) weir_filter_node_check(node, true, NULL);
	return PointerGetDatum(weir_filter_encode(node, NULL));
}

static Datum
make_simple(WeirFilterKind kind)
{
	return finish(weir_filter_node_create(kind));
}

static WeirFilterBytes
get_text(FunctionCallInfo fcinfo, int argno)
{
	WeirFilterBytes result;
	size_t		len;

	result.data = weir_bytes_of_text(PG_GETARG_TEXT_PP(argno), &len);
	result.len = (uint32) len;
	return result;
}

/* A bound, text or bytea: NULL for none. */
static WeirFilterBytes
get_bound(FunctionCallInfo fcinfo, int argno)
{
	WeirFilterBytes result = {NULL, 0};
	bytea	   *bytes;

	if (PG_ARGISNULL(argno))
		return result;
	if (get_fn_expr_argtype(fcinfo->flinfo, argno) == TEXTOID)
		return get_text(fcinfo, argno);

	bytes = PG_GETARG_BYTEA_PP(argno);
	result.data = VARDATA_ANY(bytes);
	result.len = VARSIZE_ANY_EXHDR(bytes);
	return result;
}

/* The arguments start, end, start_open and end_open. */
static void
get_range(FunctionCallInfo fcinfo, int argno, WeirFilterNode *node)
{
	node->start = get_bound(fcinfo, argno);
	node->end = get_bound(fcinfo, argno + 1);
	refuse_null(fcinfo, argno + 2, node, "argument start_open");
	node->start_open = PG_GETARG_BOOL(argno + 2);
	refuse_null(fcinfo, argno + 3, node, "argument end_open");
	node->end_open = PG_GETARG_BOOL(argno + 3);
}

/*
 * Composing
 */

static Datum
make_from_array(FunctionCallInfo fcinfo, WeirFilterKind kind)
{
	WeirFilterNode *node = weir_filter_node_create(kind);
	ArrayType  *array;
	Datum	   *elems;
	bool	   *nulls;

	refuse_null(fcinfo, 0, node, "list of filters");
	array = PG_GETARG_ARRAYTYPE_P(0);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elems, &nulls, &node->nchildren);
	node->children = palloc(sizeof(WeirFilterNode *) * Max(node->nchildren, 1));
	for (int i = 0; i < node->nchildren; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("filter %s must not contain null",
							weir_filter_kinds[kind].name)));
		node->children[i] = weir_filter_tree(weir_filter_from_datum(elems[i]));
	}
	return finish(node);
}

Datum
weir_chain(PG_FUNCTION_ARGS)
{
	return make_from_array(fcinfo, WEIR_FILTER_CHAIN);
}

Datum
weir_interleave(PG_FUNCTION_ARGS)
{
	return make_from_array(fcinfo, WEIR_FILTER_INTERLEAVE);
}

/* A NULL branch is an absent one, a NULL predicate a mistake. */
Datum
weir_condition(PG_FUNCTION_ARGS)
{
	WeirFilterNode *node = weir_filter_node_create(WEIR_FILTER_CONDITION);

	refuse_null(fcinfo, 0, node, "predicate");
	node->nchildren = 3;
	node->children = palloc0(sizeof(WeirFilterNode *) * 3);
	for (int i = 0; i < 3; i++)
	{
		if (!PG_ARGISNULL(i))
			node->children[i] = weir_filter_tree(PG_GETARG_WEIR_FILTER(i));
	}
	return finish(node);
}

/*
 * Leaves
 */

Datum
weir_pass_all(PG_FUNCTION_ARGS)
{
	return make_simple(WEIR_FILTER_PASS_ALL);
}

Datum
weir_block_all(PG_FUNCTION_ARGS)
{
	return make_simple(WEIR_FILTER_BLOCK_ALL);
}

Datum
weir_sink(PG_FUNCTION_ARGS)
{
	return make_simple(WEIR_FILTER_SINK);
}

Datum
weir_strip_value(PG_FUNCTION_ARGS)
{
	return make_simple(WEIR_FILTER_STRIP_VALUE);
}

static Datum
make_from_text(FunctionCallInfo fcinfo, WeirFilterKind kind, const char *what)
{
	WeirFilterNode *node = weir_filter_node_create(kind);

	refuse_null(fcinfo, 0, node, what);
	node->bytes = get_text(fcinfo, 0);
	return finish(node);
}

Datum
weir_row_key_regex(PG_FUNCTION_ARGS)
{
	return make_from_text(fcinfo, WEIR_FILTER_ROW_KEY_REGEX,
						  "regular expression");
}

Datum
weir_family_regex(PG_FUNCTION_ARGS)
{
	return make_from_text(fcinfo, WEIR_FILTER_FAMILY_REGEX,
						  "regular expression");
}

Datum
weir_qualifier_regex(PG_FUNCTION_ARGS)
{
	return make_from_text(fcinfo, WEIR_FILTER_QUALIFIER_REGEX,
						  "regular expression");
}

Datum
weir_value_regex(PG_FUNCTION_ARGS)
{
	return make_from_text(fcinfo, WEIR_FILTER_VALUE_REGEX,
						  "regular expression");
}

Datum
weir_apply_label(PG_FUNCTION_ARGS)
{
	return make_from_text(fcinfo, WEIR_FILTER_APPLY_LABEL, "label");
}

Datum
weir_row_sample(PG_FUNCTION_ARGS)
{
	WeirFilterNode *node = weir_filter_node_create(WEIR_FILTER_ROW_SAMPLE);

	refuse_null(fcinfo, 0, node, "probability");
	node->probability = PG_GETARG_FLOAT8(0);
	return finish(node);
}

Datum
weir_column_range(PG_FUNCTION_ARGS)
{
	WeirFilterNode *node = weir_filter_node_create(WEIR_FILTER_COLUMN_RANGE);

	refuse_null(fcinfo, 0, node, "family");
	node->bytes = get_text(fcinfo, 0);
	get_range(fcinfo, 1, node);
	return finish(node);
}

Datum
weir_value_range(PG_FUNCTION_ARGS)
{
	WeirFilterNode *node = weir_filter_node_create(WEIR_FILTER_VALUE_RANGE);

	get_range(fcinfo, 0, node);
	return finish(node);
}

/*
 * A bound of a time range: infinity on its own side is no bound.  False if
 * there is none.  Any other time will do, also one that no cell can have.
 */
static bool
get_time_bound(FunctionCallInfo fcinfo, int argno, bool is_upper, int64 *ts,
			   bool *is_beyond)
{
	TimestampTz t;

	*is_beyond = false;
	if (PG_ARGISNULL(argno))
		return false;
	t = PG_GETARG_TIMESTAMPTZ(argno);
	if (is_upper ? TIMESTAMP_IS_NOEND(t) : TIMESTAMP_IS_NOBEGIN(t))
		return false;
	if (TIMESTAMP_IS_NOBEGIN(t))
		*ts = PG_INT64_MIN;
	else if (TIMESTAMP_IS_NOEND(t) ||
			 pg_add_s64_overflow(t, (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) *
								 USECS_PER_DAY, ts))
	{
		/* after the last time that a cell can have */
		*ts = PG_INT64_MAX;
		*is_beyond = true;
	}
	return true;
}

Datum
weir_timestamp_range(PG_FUNCTION_ARGS)
{
	WeirFilterNode *node = weir_filter_node_create(WEIR_FILTER_TIMESTAMP_RANGE);

	bool		from_is_beyond;
	bool		to_is_beyond;

	node->has_from = get_time_bound(fcinfo, 0, false, &node->from_ts,
									&from_is_beyond);
	node->has_to = get_time_bound(fcinfo, 1, true, &node->to_ts,
								  &to_is_beyond) && !to_is_beyond;
	if (from_is_beyond)
	{
		/* nothing is there; an empty range */
		node->has_to = true;
		node->to_ts = node->from_ts;
	}
	return finish(node);
}

Datum
weir_value_bitmask(PG_FUNCTION_ARGS)
{
	WeirFilterNode *node = weir_filter_node_create(WEIR_FILTER_VALUE_BITMASK);

	refuse_null(fcinfo, 0, node, "mask");
	node->bytes = get_bound(fcinfo, 0);
	return finish(node);
}

static Datum
make_from_count(FunctionCallInfo fcinfo, WeirFilterKind kind)
{
	WeirFilterNode *node = weir_filter_node_create(kind);

	refuse_null(fcinfo, 0, node, "number of cells");
	node->count = PG_GETARG_INT32(0);
	return finish(node);
}

Datum
weir_cells_per_row_offset(PG_FUNCTION_ARGS)
{
	return make_from_count(fcinfo, WEIR_FILTER_ROW_OFFSET);
}

Datum
weir_cells_per_row_limit(PG_FUNCTION_ARGS)
{
	return make_from_count(fcinfo, WEIR_FILTER_ROW_LIMIT);
}

Datum
weir_cells_per_column_limit(PG_FUNCTION_ARGS)
{
	return make_from_count(fcinfo, WEIR_FILTER_COLUMN_LIMIT);
}

/*
 * Applying to values
 */

/* What a call's FmgrInfo remembers: a filter, made ready. */
typedef struct FilterCache
{
	MemoryContext mcxt;			/* of all of this */
	WeirFilter *filter;
	WeirFilterState *state;
} FilterCache;

static WeirFilterState *
state_for_call(FunctionCallInfo fcinfo, WeirFilter *filter)
{
	FilterCache *cache = (FilterCache *) fcinfo->flinfo->fn_extra;
	MemoryContext mcxt;
	MemoryContext oldcxt;

	if (cache != NULL)
	{
		if (VARSIZE(cache->filter) == VARSIZE(filter) &&
			memcmp(cache->filter, filter, VARSIZE(filter)) == 0)
			return cache->state;
		fcinfo->flinfo->fn_extra = NULL;
		MemoryContextDelete(cache->mcxt);
	}

	mcxt = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "weir filter",
								 ALLOCSET_SMALL_SIZES);
	oldcxt = MemoryContextSwitchTo(mcxt);
	cache = palloc(sizeof(FilterCache));
	cache->mcxt = mcxt;
	cache->filter = palloc(VARSIZE(filter));
	memcpy(cache->filter, filter, VARSIZE(filter));
	cache->state = weir_filter_compile(cache->filter);
	MemoryContextSwitchTo(oldcxt);

	fcinfo->flinfo->fn_extra = cache;
	return cache->state;
}

static WeirCell *
row_cells(const WeirRow *row, int *count)
{
	WeirRowReader reader;
	WeirCell   *cells;

	*count = (int) weir_row_cell_count(row);
	cells = MemoryContextAllocHuge(CurrentMemoryContext,
								   sizeof(WeirCell) * (Size) Max(*count, 1));
	weir_row_reader_init(&reader, row);
	for (int i = 0; i < *count; i++)
	{
		if (!weir_row_reader_next(&reader, &cells[i]))
			elog(ERROR, "wide row has fewer cells than it says");
	}
	return cells;
}

/*
 * apply(row, filter): the row has no key; of cells that come out more than
 * once the first is taken, labels are dropped.
 */
Datum
weir_apply(PG_FUNCTION_ARGS)
{
	WeirRow    *row;
	WeirFilterState *state;
	WeirRowBuilder *builder;
	WeirCell   *cells;
	int			ncells;
	WeirFilteredCell *result;
	int			nresult;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	row = PG_GETARG_WEIR_ROW(0);
	if (PG_ARGISNULL(1))
		PG_RETURN_WEIR_ROW(row);

	state = state_for_call(fcinfo, PG_GETARG_WEIR_FILTER(1));
	cells = row_cells(row, &ncells);
	nresult = weir_filter_apply(state, NULL, 0, cells, ncells, &result);

	builder = weir_row_builder_create();
	for (int i = 0; i < nresult; i++)
	{
		if (i == 0 ||
			weir_cell_cmp(&result[i - 1].cell, &result[i].cell) != 0)
			weir_row_builder_add(builder, &result[i].cell);
	}
	PG_RETURN_WEIR_ROW(weir_row_builder_finish(builder));
}

/*
 * _filter_cells(row, row_key, filter): what comes out, cell by cell, as
 * texts "family:qualifier@timestamp=value", with "!label" where there is one.
 * For tests, like _filter_needs.
 */
Datum
weir__filter_cells(PG_FUNCTION_ARGS)
{
	WeirRow    *row = PG_GETARG_WEIR_ROW(0);
	bytea	   *row_key = PG_GETARG_BYTEA_PP(1);
	WeirFilterState *state = state_for_call(fcinfo, PG_GETARG_WEIR_FILTER(2));
	WeirCell   *cells;
	int			ncells;
	WeirFilteredCell *result;
	int			nresult;
	Datum	   *texts;

	cells = row_cells(row, &ncells);
	nresult = weir_filter_apply(state, VARDATA_ANY(row_key),
								VARSIZE_ANY_EXHDR(row_key),
								cells, ncells, &result);
	texts = palloc(sizeof(Datum) * Max(nresult, 1));
	for (int i = 0; i < nresult; i++)
	{
		const WeirCell *c = &result[i].cell;
		char	   *s = psprintf("%.*s:%s@" INT64_FORMAT "=%s%s%s",
								 (int) c->family_len, c->family,
								 weir_bytes_to_text(c->qualifier, c->qualifier_len),
								 c->ts,
								 weir_bytes_to_text(c->value, c->value_len),
								 result[i].label ? "!" : "",
								 result[i].label ? result[i].label : "");

		texts[i] = CStringGetTextDatum(s);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(texts, nresult, TEXTOID, -1, false,
										  TYPALIGN_INT));
}

/*
 * _filter_needs(filter, row_key): what a reader may leave out.
 */
Datum
weir__filter_needs(PG_FUNCTION_ARGS)
{
	WeirFilterState *state = state_for_call(fcinfo, PG_GETARG_WEIR_FILTER(0));
	bytea	   *row_key = PG_GETARG_BYTEA_PP(1);
	const WeirColumnRange *ranges;
	int			nranges = weir_filter_needed_columns(state, &ranges);
	uint32		versions = weir_filter_needed_versions(state);
	StringInfoData buf;

	initStringInfo(&buf);
	if (!weir_filter_may_pass_row(state, VARDATA_ANY(row_key),
								  VARSIZE_ANY_EXHDR(row_key)))
		appendStringInfoString(&buf, "no row; ");
	if (nranges < 0)
		appendStringInfoString(&buf, "all columns");
	for (int i = 0; i < nranges; i++)
	{
		const WeirColumnRange *r = &ranges[i];

		appendStringInfo(&buf, "%s%.*s%c%s,%s%c", i > 0 ? " " : "",
						 (int) r->family_len, r->family,
						 r->start_open ? '(' : '[',
						 r->start == NULL ? "" :
						 weir_bytes_to_text(r->start, r->start_len),
						 r->end == NULL ? "" :
						 weir_bytes_to_text(r->end, r->end_len),
						 r->end_open ? ')' : ']');
	}
	if (nranges == 0)
		appendStringInfoString(&buf, "no columns");
	if (versions != PG_UINT32_MAX)
		appendStringInfo(&buf, "; %u versions", versions);
	PG_RETURN_TEXT_P(cstring_to_text(buf.data));
}
