/*-------------------------------------------------------------------------
 *
 * widerow_agg.c
 *	  The aggregate weir.merge(widerow).
 *
 * The state is a weir.widerow, so that partial states can be stored, sent
 * and combined by anything that knows the type.  To merge n rows one after
 * another into one flat value would cost the square of n; so once the state
 * is no longer small it is an expanded object (utils/expandeddatum.h): a
 * stack of rows ("runs"), older ones first, each at least twice as large as
 * the one above it.  A new row is pushed, and runs are merged from the top
 * until that holds again.  A cell is thus merged as often as the logarithm
 * of the total size, and later rows win as they should.
 *
 * Memory: everything is in the object's own context, a child of the
 * aggregate's; the executor deletes it with the state.  Reading the value
 * (by whatever detoasts it) merges all runs into one and copies that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/expandeddatum.h"
#include "utils/memutils.h"

#include "types/widerow.h"
#include "weir.h"

/* up to this size a state is flat, and merged anew for each row */
#define MAX_FLAT_LEN	2048

/* more than the halvings of WEIR_MAX_ROW_LEN */
#define MAX_RUNS		32

typedef struct MergeState
{
	ExpandedObjectHeader hdr;
	int			run_count;
	WeirRow    *runs[MAX_RUNS]; /* in hdr.eoh_context */
} MergeState;

PG_FUNCTION_INFO_V1(weir__merge_transition);

static Size merge_state_flat_size(ExpandedObjectHeader *header);
static void merge_state_flatten(ExpandedObjectHeader *header, void *result,
								Size allocated_size);

static const ExpandedObjectMethods merge_state_methods = {
	merge_state_flat_size,
	merge_state_flatten
};

/* Replaces the two topmost runs by one. */
static void
merge_top(MergeState *state)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(state->hdr.eoh_context);
	WeirRow   **pair = &state->runs[state->run_count - 2];
	WeirRow    *merged = weir_row_merge(pair[0], pair[1]);

	MemoryContextSwitchTo(oldcontext);
	pfree(pair[0]);
	pfree(pair[1]);
	pair[0] = merged;
	state->run_count--;
}

/* Pushes a copy of the row. */
static void
merge_state_add(MergeState *state, const WeirRow *row)
{
	WeirRow    *copy = MemoryContextAlloc(state->hdr.eoh_context,
										  VARSIZE(row));

	Assert(state->run_count < MAX_RUNS);
	memcpy(copy, row, VARSIZE(row));
	state->runs[state->run_count++] = copy;
	while (state->run_count > 1 &&
		   VARSIZE(state->runs[state->run_count - 2]) / 2 <
		   VARSIZE(state->runs[state->run_count - 1]))
		merge_top(state);
}

static MergeState *
merge_state_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "weir merge state",
												  ALLOCSET_START_SMALL_SIZES);
	MergeState *state = MemoryContextAllocZero(context, sizeof(MergeState));

	EOH_init_header(&state->hdr, &merge_state_methods, context);
	return state;
}

static Size
merge_state_flat_size(ExpandedObjectHeader *header)
{
	MergeState *state = (MergeState *) header;

	while (state->run_count > 1)
		merge_top(state);
	return VARSIZE(state->runs[0]);
}

static void
merge_state_flatten(ExpandedObjectHeader *header, void *result,
					Size allocated_size)
{
	MergeState *state = (MergeState *) header;

	Assert(state->run_count == 1);
	Assert(allocated_size == VARSIZE(state->runs[0]));
	memcpy(result, state->runs[0], allocated_size);
}

/*
 * Transition and combine function.  Strict without an initial state, so the
 * first row becomes the state as it is.
 */
Datum
weir__merge_transition(PG_FUNCTION_ARGS)
{
	Datum		state_datum = PG_GETARG_DATUM(0);
	WeirRow    *row = PG_GETARG_WEIR_ROW(1);
	MemoryContext aggcontext;
	MergeState *state;
	WeirRow    *state_row;

	if (!AggCheckCallContext(fcinfo, &aggcontext))
		elog(ERROR, "aggregate function called in non-aggregate context");

	if (VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(state_datum)) &&
		DatumGetEOHP(state_datum)->eoh_methods == &merge_state_methods)
	{
		merge_state_add((MergeState *) DatumGetEOHP(state_datum), row);
		PG_RETURN_DATUM(state_datum);
	}

	state_row = weir_row_from_datum(state_datum);
	if (VARSIZE(state_row) + VARSIZE(row) <= MAX_FLAT_LEN)
		PG_RETURN_WEIR_ROW(weir_row_merge(state_row, row));
	state = merge_state_create(aggcontext);
	merge_state_add(state, state_row);
	merge_state_add(state, row);
	PG_RETURN_DATUM(EOHPGetRWDatum(&state->hdr));
}
