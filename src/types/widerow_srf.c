/*-------------------------------------------------------------------------
 *
 * widerow_srf.c
 *	  A weir.widerow as a set of SQL rows.
 *
 * weir.cells gives one row a cell, in the order of the row; weir.unpack one
 * row a timestamp, newest first, with the cells that have it.  Both return a
 * value a call, so that a query that stops early does not pay for the rest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "types/widerow.h"
#include "weir.h"

PG_FUNCTION_INFO_V1(weir_cells);
PG_FUNCTION_INFO_V1(weir_unpack);

/* A cell and its place in the row, to sort by timestamp */
typedef struct DatedCell
{
	WeirCell	cell;
	uint32		index;
} DatedCell;

typedef struct UnpackState
{
	uint32		next;
	uint32		count;
	DatedCell  *cells;			/* by timestamp descending, then in row order */
} UnpackState;

static Datum
bytea_datum(const char *bytes, uint32 len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return PointerGetDatum(result);
}

/* Argument 0 in the current context, as it may not outlive this call */
static WeirRow *
copy_row_arg(FunctionCallInfo fcinfo)
{
	WeirRow    *row = (WeirRow *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0));

	weir_row_check(row);
	return row;
}

/* Notes the descriptor of the rows that the call site expects. */
static void
init_tupdesc(FunctionCallInfo fcinfo, FuncCallContext *context)
{
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	context->tuple_desc = BlessTupleDesc(tupdesc);
}

Datum
weir_cells(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	WeirRowReader *reader;
	WeirCell	cell;
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext oldcontext;

		context = SRF_FIRSTCALL_INIT();
		oldcontext = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		init_tupdesc(fcinfo, context);
		reader = palloc(sizeof(WeirRowReader));
		weir_row_reader_init(reader, copy_row_arg(fcinfo));
		context->user_fctx = reader;
		MemoryContextSwitchTo(oldcontext);
	}

	context = SRF_PERCALL_SETUP();
	reader = context->user_fctx;
	if (!weir_row_reader_next(reader, &cell))
		SRF_RETURN_DONE(context);
	values[0] = PointerGetDatum(cstring_to_text_with_len(cell.family,
														 cell.family_len));
	values[1] = bytea_datum(cell.qualifier, cell.qualifier_len);
	values[2] = TimestampTzGetDatum(weir_cell_ts_to_timestamptz(cell.ts));
	values[3] = bytea_datum(cell.value, cell.value_len);
	SRF_RETURN_NEXT(context,
					HeapTupleGetDatum(heap_form_tuple(context->tuple_desc,
													  values, nulls)));
}

static int
cmp_dated_cell(const void *a, const void *b)
{
	const DatedCell *acell = a;
	const DatedCell *bcell = b;

	if (acell->cell.ts != bcell->cell.ts)
		return acell->cell.ts > bcell->cell.ts ? -1 : 1;
	return acell->index < bcell->index ? -1 : 1;
}

static UnpackState *
unpack_begin(const WeirRow *row)
{
	UnpackState *state = palloc0(sizeof(UnpackState));
	WeirRowReader reader;

	weir_row_reader_init(&reader, row);
	state->count = reader.cell_count;
	state->cells = palloc_extended(Max(state->count, 1) * sizeof(DatedCell),
								   MCXT_ALLOC_HUGE);
	while (weir_row_reader_next(&reader, &state->cells[state->next].cell))
	{
		state->cells[state->next].index = state->next;
		state->next++;
	}
	qsort(state->cells, state->count, sizeof(DatedCell), cmp_dated_cell);
	state->next = 0;
	return state;
}

Datum
weir_unpack(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	UnpackState *state;
	WeirRowBuilder *builder;
	int64		ts;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext oldcontext;

		context = SRF_FIRSTCALL_INIT();
		oldcontext = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		init_tupdesc(fcinfo, context);
		context->user_fctx = unpack_begin(copy_row_arg(fcinfo));
		MemoryContextSwitchTo(oldcontext);
	}

	context = SRF_PERCALL_SETUP();
	state = context->user_fctx;
	if (state->next >= state->count)
		SRF_RETURN_DONE(context);
	ts = state->cells[state->next].cell.ts;
	builder = weir_row_builder_create();
	do
		weir_row_builder_add(builder, &state->cells[state->next++].cell);
	while (state->next < state->count &&
		   state->cells[state->next].cell.ts == ts);
	values[0] = TimestampTzGetDatum(weir_cell_ts_to_timestamptz(ts));
	values[1] = PointerGetDatum(weir_row_builder_finish(builder));
	SRF_RETURN_NEXT(context,
					HeapTupleGetDatum(heap_form_tuple(context->tuple_desc,
													  values, nulls)));
}
