/*-------------------------------------------------------------------------
 *
 * session.c
 *	  Merging of sessions.
 *
 * A row opens the session [t, t + gap); sessions of equal keys that overlap
 * or touch are one.  State rows are pieces of sessions: of one instant as they
 * come from a batch, merged within a tick as they are stored, merged over all
 * ticks as they are read.  Pieces are sorted by keys and start; a piece that
 * starts after all before it have ended begins a new session.  The pieces of a
 * session are handed on with its bounds, and combined or finished by partial.c
 * like other state rows that are equal in window and keys.
 *
 * Lateness is judged on merged sessions (D6): one that has ended by the bound
 * in force when the tick began is late, and cannot hold stored pieces, because
 * it would have been closed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"

#include "weir.h"
#include "aggregate/runs.h"
#include "aggregate/session.h"
#include "aggregate/state_order.h"

typedef struct MergeSource
{
	WeirStateSource pub;
	WeirDefinition *def;
	WeirStateSource *inner;
	WeirKeyEquality keys;
	Tuplesortstate *sort;		/* NULL before the first row is wanted */
	TupleTableSlot *row;		/* the first row of the next session */
	bool		has_row;
	bool		is_done;		/* sort has been ended */
	MemoryContext context;		/* of this source and the slot's tuple */
	MemoryContext session_context;
	List	   *pieces;			/* MinimalTuples of the current session */
	int			next_piece;
	Timestamp	start;			/* its bounds */
	Timestamp	end;
} MergeSource;

/* ---------- merging ---------- */

/* Sort all rows of the inner source, and stand on the first. */
static void
sort_rows(MergeSource *merge)
{
	merge->sort = weir_keys_sort(merge->def, merge->inner);
	merge->has_row = tuplesort_gettupleslot(merge->sort, true, true,
											merge->row, NULL);
}

/* Collect the pieces of the session that begins with the present row. */
static void
collect_session(MergeSource *merge)
{
	WeirDefinition *def = merge->def;
	TupleTableSlot *first;

	MemoryContextReset(merge->session_context);
	MemoryContextSwitchTo(merge->session_context);
	merge->pieces = NIL;
	merge->next_piece = 0;
	first = MakeSingleTupleTableSlot(def->state_desc, &TTSOpsMinimalTuple);
	ExecCopySlot(first, merge->row);
	slot_getallattrs(first);
	merge->end = DatumGetTimestamp(first->tts_values[0]);
	merge->start = DatumGetTimestamp(first->tts_values[1]);
	do
	{
		merge->pieces = lappend(merge->pieces,
								ExecCopySlotMinimalTuple(merge->row));
		slot_getallattrs(merge->row);
		merge->end = Max(merge->end,
						 DatumGetTimestamp(merge->row->tts_values[0]));
		MemoryContextSwitchTo(merge->context);
		merge->has_row = tuplesort_gettupleslot(merge->sort, true, true,
												merge->row, NULL);
		MemoryContextSwitchTo(merge->session_context);
		if (!merge->has_row)
			break;
		slot_getallattrs(merge->row);
	} while (DatumGetTimestamp(merge->row->tts_values[1]) <= merge->end &&
			 weir_keys_equal(&merge->keys, first->tts_values + def->nwindow,
							 first->tts_isnull + def->nwindow,
							 merge->row->tts_values + def->nwindow,
							 merge->row->tts_isnull + def->nwindow));
	ExecDropSingleTupleTableSlot(first);
}

/* At the end; what is sorted may be in files. */
static void
end_sort(MergeSource *merge)
{
	if (merge->is_done)
		return;
	ExecClearTuple(merge->row);
	tuplesort_end(merge->sort);
	merge->is_done = true;
}

static bool
next_merged(WeirStateSource *source, TupleTableSlot *slot)
{
	MergeSource *merge = (MergeSource *) source;
	MemoryContext old = MemoryContextSwitchTo(merge->context);
	MinimalTuple piece;
	HeapTupleData tuple;

	if (merge->sort == NULL)
		sort_rows(merge);
	if (merge->next_piece >= list_length(merge->pieces))
	{
		if (!merge->has_row)
		{
			end_sort(merge);
			MemoryContextSwitchTo(old);
			return false;
		}
		collect_session(merge);
	}
	MemoryContextSwitchTo(old);

	piece = list_nth(merge->pieces, merge->next_piece++);
	tuple.t_len = piece->t_len + MINIMAL_TUPLE_OFFSET;
	tuple.t_data = (HeapTupleHeader) ((char *) piece - MINIMAL_TUPLE_OFFSET);
	heap_deform_tuple(&tuple, merge->def->state_desc, slot->tts_values,
					  slot->tts_isnull);
	slot->tts_values[0] = TimestampGetDatum(merge->end);
	slot->tts_values[1] = TimestampGetDatum(merge->start);
	ExecStoreVirtualTuple(slot);
	return true;
}

WeirStateSource *
weir_session_merge(WeirDefinition *def, WeirStateSource *source)
{
	MergeSource *merge = palloc0(sizeof(MergeSource));

	merge->pub.next = next_merged;
	merge->pub.rows = source->rows;
	merge->def = def;
	merge->inner = source;
	weir_keys_init_equality(&merge->keys, def);
	merge->row = MakeSingleTupleTableSlot(def->state_desc,
										  &TTSOpsMinimalTuple);
	merge->context = CurrentMemoryContext;
	merge->session_context = AllocSetContextCreate(CurrentMemoryContext,
												   "weir session",
												   ALLOCSET_DEFAULT_SIZES);
	return &merge->pub;
}

void
weir_session_split(WeirDefinition *def, WeirStateSource *source,
				   Timestamp until, Tuplestorestate *closed,
				   Tuplestorestate *open)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(def->state_desc,
													&TTSOpsVirtual);

	while (source->next(source, slot))
	{
		bool		is_closed = DatumGetTimestamp(slot->tts_values[0]) <= until;

		tuplestore_puttupleslot(is_closed ? closed : open, slot);
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* ---------- late sessions ---------- */

typedef struct LateSession
{
	Timestamp	start;
	Timestamp	end;
	Datum	   *keys;
	bool	   *isnull;
} LateSession;

/* sessions whose keys have the same hash */
typedef struct LateBucket
{
	uint32		hash;			/* hash key */
	List	   *sessions;
} LateBucket;

struct WeirLateSessions
{
	WeirDefinition *def;
	WeirKeyEquality keys;
	HTAB	   *buckets;
};

static void
add_late(WeirLateSessions *late, TupleTableSlot *slot)
{
	WeirDefinition *def = late->def;
	LateSession *session = palloc(sizeof(LateSession));
	LateBucket *bucket;
	uint32		hash;
	bool		found;
	int			i;

	session->end = DatumGetTimestamp(slot->tts_values[0]);
	session->start = DatumGetTimestamp(slot->tts_values[1]);
	session->keys = palloc(sizeof(Datum) * Max(def->nkeys, 1));
	session->isnull = palloc(sizeof(bool) * Max(def->nkeys, 1));
	for (i = 0; i < def->nkeys; i++)
	{
		Form_pg_attribute att = TupleDescAttr(def->state_desc, def->nwindow + i);

		session->isnull[i] = slot->tts_isnull[def->nwindow + i];
		if (!session->isnull[i])
			session->keys[i] = datumCopy(slot->tts_values[def->nwindow + i],
										 att->attbyval, att->attlen);
	}
	hash = weir_runs_hash(def, session->keys, session->isnull);
	bucket = hash_search(late->buckets, &hash, HASH_ENTER, &found);
	if (!found)
		bucket->sessions = NIL;
	bucket->sessions = lappend(bucket->sessions, session);
}

WeirLateSessions *
weir_session_late(WeirDefinition *def, WeirStateSource *source,
				  Timestamp bound)
{
	WeirLateSessions *late = palloc0(sizeof(WeirLateSessions));
	TupleTableSlot *slot = MakeSingleTupleTableSlot(def->state_desc,
													&TTSOpsVirtual);
	HASHCTL		ctl;
	bool		has_late = false;

	late->def = def;
	weir_keys_init_equality(&late->keys, def);
	ctl.keysize = sizeof(uint32);
	ctl.entrysize = sizeof(LateBucket);
	ctl.hcxt = CurrentMemoryContext;
	late->buckets = hash_create("weir late sessions", 64, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	while (source->next(source, slot))
	{
		if (DatumGetTimestamp(slot->tts_values[0]) <= bound)
		{
			add_late(late, slot);
			has_late = true;
		}
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	return has_late ? late : NULL;
}

bool
weir_session_is_late(void *arg, const Datum *keys, const bool *isnull,
					 Timestamp event_time, Timestamp *session_end)
{
	WeirLateSessions *late = arg;
	uint32		hash;
	LateBucket *bucket;
	ListCell   *lc;

	if (late == NULL)
		return false;
	hash = weir_runs_hash(late->def, keys, isnull);
	bucket = hash_search(late->buckets, &hash, HASH_FIND, NULL);
	if (bucket == NULL)
		return false;
	foreach(lc, bucket->sessions)
	{
		LateSession *session = lfirst(lc);

		if (event_time >= session->start && event_time < session->end &&
			weir_keys_equal(&late->keys, session->keys, session->isnull, keys, isnull))
		{
			*session_end = session->end;
			return true;
		}
	}
	return false;
}
