/*-------------------------------------------------------------------------
 *
 * source.c
 *	  Where state rows come from, and what is done to them on the way.
 *
 * Stored state is read by runs.c; here is the rest.  Of one group, and its like,
 * the rows are picked before anything else is done with them.  Where state is kept by
 * pane, a state row counts in every window that holds its pane: it is handed
 * on once for each.  The values are not copied.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tstoreReceiver.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "aggregate/source.h"

typedef struct StoredSource
{
	WeirStateSource pub;
	Tuplestorestate *rows;
	TupleTableSlot *slot;
	MemoryContext context;		/* of the tuple in the slot */
} StoredSource;

/* One of the keys that are looked at. */
typedef struct KeyTest
{
	int			column;			/* of a state row */
	FmgrInfo	equal;
	Oid			collation;
	Datum		value;
} KeyTest;

typedef struct FilterSource
{
	WeirStateSource pub;
	WeirStateSource *inner;
	int			ntests;
	KeyTest    *tests;
	MemoryContext context;		/* of what equality functions leave behind */
} FilterSource;

typedef struct SpreadSource
{
	WeirStateSource pub;
	WeirDefinition *def;
	WeirStateSource *inner;
	TupleTableSlot *row;		/* the row that is being spread */
	Timestamp	after;
	Timestamp	until;
	WeirWindowIter windows;
	bool		in_row;
} SpreadSource;

typedef struct ConcatSource
{
	WeirStateSource pub;
	WeirStateSource *current;
	WeirStateSource *following;
} ConcatSource;

/* ---------- a tuplestore ---------- */

static bool
next_stored(WeirStateSource *source, TupleTableSlot *slot)
{
	StoredSource *stored = (StoredSource *) source;
	MemoryContext old = MemoryContextSwitchTo(stored->context);
	bool		found = tuplestore_gettupleslot(stored->rows, true, false,
												stored->slot);

	MemoryContextSwitchTo(old);
	if (!found)
		return false;
	slot_getallattrs(stored->slot);
	memcpy(slot->tts_values, stored->slot->tts_values,
		   sizeof(Datum) * slot->tts_tupleDescriptor->natts);
	memcpy(slot->tts_isnull, stored->slot->tts_isnull,
		   sizeof(bool) * slot->tts_tupleDescriptor->natts);
	ExecStoreVirtualTuple(slot);
	return true;
}

WeirStateSource *
weir_source_stored(WeirDefinition *def, Tuplestorestate *rows)
{
	StoredSource *stored = palloc0(sizeof(StoredSource));

	tuplestore_rescan(rows);
	stored->pub.next = next_stored;
	stored->pub.rows = (double) tuplestore_tuple_count(rows);
	stored->rows = rows;
	stored->slot = MakeSingleTupleTableSlot(def->state_desc,
											&TTSOpsMinimalTuple);
	stored->context = CurrentMemoryContext;
	return &stored->pub;
}

DestReceiver *
weir_source_receiver(Tuplestorestate *rows)
{
	DestReceiver *dest = CreateTuplestoreDestReceiver();

	SetTuplestoreDestReceiverParams(dest, rows, CurrentMemoryContext, false,
									NULL, NULL);
	return dest;
}

/* ---------- some groups ---------- */

static bool
passes(FilterSource *filter, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(filter->context);
	bool		result = true;
	int			i;

	for (i = 0; i < filter->ntests && result; i++)
	{
		KeyTest    *test = &filter->tests[i];

		result = !slot->tts_isnull[test->column] &&
			DatumGetBool(FunctionCall2Coll(&test->equal, test->collation,
										   slot->tts_values[test->column],
										   test->value));
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(filter->context);
	return result;
}

static bool
next_passing(WeirStateSource *source, TupleTableSlot *slot)
{
	FilterSource *filter = (FilterSource *) source;

	while (filter->inner->next(filter->inner, slot))
	{
		if (passes(filter, slot))
			return true;
		CHECK_FOR_INTERRUPTS();
		ExecClearTuple(slot);
	}
	return false;
}

/* One row in so many has a given key, as the server guesses without statistics. */
#define ROWS_PER_KEY		200

WeirStateSource *
weir_source_filter(WeirDefinition *def, WeirStateSource *source,
				   const Datum *keys, const bool *has_key)
{
	FilterSource *filter = palloc0(sizeof(FilterSource));
	ListCell   *lc;

	filter->pub.next = next_passing;
	filter->pub.rows = source->rows;
	filter->pub.is_clustered = source->is_clustered;
	filter->pub.is_combined = source->is_combined;
	filter->inner = source;
	filter->tests = palloc0(sizeof(KeyTest) * Max(def->nkeys, 1));
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);
		int			number = foreach_current_index(lc);
		KeyTest    *test = &filter->tests[filter->ntests];

		if (!has_key[number])
			continue;
		test->column = def->nwindow + number;
		fmgr_info(get_opcode(key->eqop), &test->equal);
		test->collation = key->collation;
		test->value = keys[number];
		filter->ntests++;
		filter->pub.rows = Max(filter->pub.rows / ROWS_PER_KEY, 1);
	}
	if (filter->ntests == 0)
		return source;
	filter->context = AllocSetContextCreate(CurrentMemoryContext,
											"weir state keys",
											ALLOCSET_SMALL_SIZES);
	return &filter->pub;
}

/* ---------- panes to windows ---------- */

/* Windows are state rows already: let through those in the range. */
static bool
next_in_range(WeirStateSource *source, TupleTableSlot *slot)
{
	SpreadSource *spread = (SpreadSource *) source;

	while (spread->inner->next(spread->inner, slot))
	{
		Timestamp	end = DatumGetTimestamp(slot->tts_values[0]);

		if (end > spread->after && end <= spread->until)
			return true;
		ExecClearTuple(slot);
	}
	return false;
}

static bool
next_of_panes(WeirStateSource *source, TupleTableSlot *slot)
{
	SpreadSource *spread = (SpreadSource *) source;
	TupleTableSlot *row = spread->row;
	WeirWindow	window;

	for (;;)
	{
		while (spread->in_row &&
			   weir_window_iter_next(&spread->windows, &window) &&
			   window.end <= spread->until)
		{
			int			natts = slot->tts_tupleDescriptor->natts;

			if (window.end <= spread->after)
				continue;
			memcpy(slot->tts_values, row->tts_values, sizeof(Datum) * natts);
			memcpy(slot->tts_isnull, row->tts_isnull, sizeof(bool) * natts);
			slot->tts_values[0] = TimestampGetDatum(window.end);
			slot->tts_values[1] = TimestampGetDatum(window.start);
			ExecStoreVirtualTuple(slot);
			return true;
		}
		ExecClearTuple(row);
		spread->in_row = false;
		if (!spread->inner->next(spread->inner, row))
			return false;
		weir_window_iter_init(&spread->windows, &spread->def->window,
							  weir_window_pane(&spread->def->window,
											   DatumGetTimestamp(row->tts_values[1])));
		spread->in_row = true;
	}
}

WeirStateSource *
weir_source_spread(WeirDefinition *def, WeirStateSource *source,
				   Timestamp after, Timestamp until)
{
	SpreadSource *spread = palloc0(sizeof(SpreadSource));
	bool		by_row = !def->by_pane ||
		def->window.kind == WEIR_WINDOW_TUMBLE;

	if (def->nwindow == 0)
		return source;
	spread->pub.next = by_row ? next_in_range : next_of_panes;
	spread->pub.rows = source->rows *
		(by_row ? 1 : Min(def->window.npanes, 1000));
	spread->pub.is_clustered = by_row && source->is_clustered;
	spread->pub.is_combined = by_row && source->is_combined;
	spread->def = def;
	spread->inner = source;
	spread->after = after;
	spread->until = until;
	if (!by_row)
		spread->row = MakeSingleTupleTableSlot(def->state_desc,
											   &TTSOpsVirtual);
	return &spread->pub;
}

/* ---------- two sources ---------- */

static bool
next_of_both(WeirStateSource *source, TupleTableSlot *slot)
{
	ConcatSource *concat = (ConcatSource *) source;

	while (concat->current != NULL)
	{
		if (concat->current->next(concat->current, slot))
			return true;
		concat->current = concat->following;
		concat->following = NULL;
	}
	return false;
}

WeirStateSource *
weir_source_concat(WeirStateSource *first, WeirStateSource *second)
{
	ConcatSource *concat = palloc0(sizeof(ConcatSource));

	concat->pub.next = next_of_both;
	concat->pub.rows = first->rows + second->rows;
	concat->current = first;
	concat->following = second;
	return &concat->pub;
}
