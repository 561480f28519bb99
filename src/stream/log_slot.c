/*-------------------------------------------------------------------------
 *
 * log_slot.c
 *	  The slots of the logs: their tables and sequences, what weir._log_slot
 *	  says of them, and the files of streams that are no more.
 *
 * The states of a slot and who moves it on are in log.c's banner; here they
 * are only read and stored.  The tables and sequences are members of the
 * extension, so that nobody drops them by hand and dumps leave them out.
 *
 * Locks: those of catalog reads and writes; weir._log_slot stays locked, ACCESS
 * SHARE, for whoever may write what he has read, so that nobody moves it meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/xid8.h"

#include "storage/owner.h"
#include "storage/sequence.h"
#include "stream/log.h"
#include "stream/log_slot.h"
#include "weir.h"

/* columns of weir._log_slot */
enum
{
	SLOT_STREAM_ID = 1,
	SLOT_SLOT,
	SLOT_TURN,
	SLOT_CLOSED_AT,
	SLOT_DRAINED_BY,
	SLOT_NATTS = SLOT_DRAINED_BY
};

/* slots that a stream starts with */
#define INITIAL_SLOTS	3

Oid
weir_log_relid(int32 stream_id, const char *suffix, bool missing_ok)
{
	char		name[NAMEDATALEN];

	snprintf(name, sizeof(name), "_log_%d_%s", stream_id, suffix);
	return weir_own_relid(name, missing_ok);
}

static Oid
slot_relid(int32 stream_id, int32 slot, bool missing_ok)
{
	char		suffix[16];

	snprintf(suffix, sizeof(suffix), "%d", slot);
	return weir_log_relid(stream_id, suffix, missing_ok);
}

Oid
weir_log_slot_relid(int32 stream_id, int32 slot)
{
	return slot_relid(stream_id, slot, false);
}

bool
weir_log_is_slot(Oid relid)
{
	char	   *name = get_rel_name(relid);
	int32		stream_id;
	int32		slot;

	return name != NULL &&
		sscanf(name, "_log_%d_%d", &stream_id, &slot) == 2 &&
		slot_relid(stream_id, slot, true) == relid;
}

Oid
weir_log_sequence(int32 stream_id)
{
	return weir_log_relid(stream_id, "slot", false);
}

Oid
weir_log_truncated_sequence(int32 stream_id)
{
	return weir_log_relid(stream_id, "truncated", false);
}

/* ----------------------------------------------------------------
 *		weir._log_slot
 * ----------------------------------------------------------------
 */

static Relation
open_slot_catalog(LOCKMODE lockmode)
{
	return table_open(weir_own_relid("_log_slot", false),
					  lockmode);
}

static int
slot_turn_cmp(const void *a, const void *b)
{
	const WeirLogSlot *x = (const WeirLogSlot *) a;
	const WeirLogSlot *y = (const WeirLogSlot *) b;

	return x->turn < y->turn ? -1 : (x->turn > y->turn ? 1 : 0);
}

/*
 * All slots of a stream as the snapshot sees them (NULL: as committed now),
 * by turn.
 */
WeirLogSlot *
weir_log_slots(int32 stream_id, Snapshot snapshot, int *nslots)
{
	Relation	catalog = open_slot_catalog(AccessShareLock);
	WeirLogSlot *slots = palloc(sizeof(WeirLogSlot) * WEIR_MAX_LOG_SLOTS);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;

	ScanKeyInit(&key, SLOT_STREAM_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(stream_id));
	scan = systable_beginscan(catalog,
							  weir_own_relid("_log_slot_pkey", false),
							  true, snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum		values[SLOT_NATTS];
		bool		nulls[SLOT_NATTS];
		WeirLogSlot *slot = &slots[n++];

		if (n > WEIR_MAX_LOG_SLOTS)
			elog(ERROR, "stream %d has too many log slots", stream_id);
		heap_deform_tuple(tuple, RelationGetDescr(catalog), values, nulls);
		memset(slot, 0, sizeof(WeirLogSlot));
		slot->slot = DatumGetInt32(values[SLOT_SLOT - 1]);
		slot->turn = DatumGetInt64(values[SLOT_TURN - 1]);
		slot->closed_at = nulls[SLOT_CLOSED_AT - 1] ? InvalidFullTransactionId :
			DatumGetFullTransactionId(values[SLOT_CLOSED_AT - 1]);
		slot->drained_by = nulls[SLOT_DRAINED_BY - 1] ? InvalidFullTransactionId :
			DatumGetFullTransactionId(values[SLOT_DRAINED_BY - 1]);
		slot->tuple = heap_copytuple(tuple);
	}
	systable_endscan(scan);
	table_close(catalog, snapshot == NULL ? NoLock : AccessShareLock);
	qsort(slots, n, sizeof(WeirLogSlot), slot_turn_cmp);
	*nslots = n;
	return slots;
}

/*
 * Store what the struct says; inserts when it has no tuple yet.
 */
void
weir_log_slot_store(int32 stream_id, WeirLogSlot *slot)
{
	Relation	catalog = open_slot_catalog(RowExclusiveLock);
	Datum		values[SLOT_NATTS];
	bool		nulls[SLOT_NATTS] = {0};
	HeapTuple	tuple;

	values[SLOT_STREAM_ID - 1] = Int32GetDatum(stream_id);
	values[SLOT_SLOT - 1] = Int32GetDatum(slot->slot);
	values[SLOT_TURN - 1] = Int64GetDatum(slot->turn);
	values[SLOT_CLOSED_AT - 1] = FullTransactionIdGetDatum(slot->closed_at);
	nulls[SLOT_CLOSED_AT - 1] = !FullTransactionIdIsValid(slot->closed_at);
	values[SLOT_DRAINED_BY - 1] = FullTransactionIdGetDatum(slot->drained_by);
	nulls[SLOT_DRAINED_BY - 1] = !FullTransactionIdIsValid(slot->drained_by);

	tuple = heap_form_tuple(RelationGetDescr(catalog), values, nulls);
	if (slot->tuple)
	{
		tuple->t_self = slot->tuple->t_self;
		CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	}
	else
		CatalogTupleInsert(catalog, tuple);
	slot->tuple = tuple;
	table_close(catalog, NoLock);
	CommandCounterIncrement();
}

/*
 * A new slot: a heap that is a member of the extension, so that nobody drops
 * it by hand and dumps leave it out.
 */
void
weir_log_slot_create(int32 stream_id, WeirLogSlot *slot, int32 number,
					 int64 turn)
{
	WeirIdentity identity;

	weir_become_extension_owner(&identity);
	weir_execute("CREATE TABLE " WEIR_SCHEMA "._log_%d_%d ("
				 "leaf oid NOT NULL, filenode oid NOT NULL, xid xid8 NOT NULL, "
				 "logged_at timestamptz NOT NULL, rows int NOT NULL, "
				 "blocks int NOT NULL, xids bytea, runs bytea NOT NULL) "
				 "USING heap WITH (autovacuum_enabled = off, "
				 "toast.autovacuum_enabled = off, toast_tuple_target = 8160)",
				 stream_id, number);
	memset(slot, 0, sizeof(WeirLogSlot));
	slot->slot = number;
	slot->turn = turn;
	slot->relid = weir_log_slot_relid(stream_id, number);
	weir_revoke_default_privileges(slot->relid);
	weir_restore_identity(&identity);
	weir_join_extension(slot->relid);
	weir_log_slot_store(stream_id, slot);
}

static Oid
create_sequence(int32 stream_id, const char *suffix)
{
	WeirIdentity identity;
	Oid			relid;

	weir_become_extension_owner(&identity);
	weir_execute("CREATE SEQUENCE " WEIR_SCHEMA "._log_%d_%s MINVALUE 0",
				 stream_id, suffix);
	relid = weir_log_relid(stream_id, suffix, false);
	weir_revoke_default_privileges(relid);
	weir_restore_identity(&identity);
	weir_join_extension(relid);
	weir_sequence_set(relid, 0);
	return relid;
}

void
weir_log_create(int32 stream_id)
{
	WeirLogSlot slot;

	create_sequence(stream_id, "slot");
	create_sequence(stream_id, "truncated");
	for (int i = 0; i < INITIAL_SLOTS; i++)
		weir_log_slot_create(stream_id, &slot, i, i == 0 ? 1 : 0);
}

void
weir_log_superseded_forget(int32 stream_id,
						   bool (*is_needed) (Oid leaf, Oid filenode, void *arg),
						   void *arg)
{
	Relation	rel = table_open(weir_own_relid("_superseded", false),
								 RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		is_null;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(stream_id));
	scan = systable_beginscan(rel, weir_own_relid("_superseded_pkey", false),
							  true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			leaf = DatumGetObjectId(heap_getattr(tuple, 2,
														 RelationGetDescr(rel),
														 &is_null));
		Oid			filenode = DatumGetObjectId(heap_getattr(tuple, 3,
															 RelationGetDescr(rel),
															 &is_null));

		if (!is_needed(leaf, filenode, arg))
			CatalogTupleDelete(rel, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
}

static bool
is_never_needed(Oid leaf, Oid filenode, void *arg)
{
	return false;
}

static void
drop_internal(const char *kind, Oid relid)
{
	WeirIdentity identity;
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return;
	weir_leave_extension(relid);
	weir_become_extension_owner(&identity);
	weir_execute("DROP %s " WEIR_SCHEMA ".%s", kind, quote_identifier(name));
	weir_restore_identity(&identity);
}

void
weir_log_drop(int32 stream_id)
{
	int			nslots;
	WeirLogSlot *slots = weir_log_slots(stream_id, NULL, &nslots);
	Relation	catalog;

	for (int i = 0; i < nslots; i++)
		drop_internal("TABLE", weir_log_slot_relid(stream_id, slots[i].slot));
	drop_internal("SEQUENCE", weir_log_relid(stream_id, "slot", true));
	drop_internal("SEQUENCE",
				  weir_log_relid(stream_id, "truncated", true));
	catalog = open_slot_catalog(RowExclusiveLock);
	for (int i = 0; i < nslots; i++)
		CatalogTupleDelete(catalog, &slots[i].tuple->t_self);
	table_close(catalog, NoLock);
	weir_log_superseded_forget(stream_id, is_never_needed, NULL);
}

/* ----------------------------------------------------------------
 *		Files that are no more
 * ----------------------------------------------------------------
 */

void
weir_log_supersede(int32 stream_id, Oid leaf, Oid filenode)
{
	Relation	rel = table_open(weir_own_relid("_superseded", false),
								 RowExclusiveLock);
	Datum		values[3];
	bool		nulls[3] = {0};

	if (!weir_log_is_superseded(stream_id, leaf, filenode, NULL))
	{
		values[0] = Int32GetDatum(stream_id);
		values[1] = ObjectIdGetDatum(leaf);
		values[2] = ObjectIdGetDatum(filenode);
		CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel),
												values, nulls));
		CommandCounterIncrement();
	}
	table_close(rel, NoLock);
}

bool
weir_log_is_superseded(int32 stream_id, Oid leaf, Oid filenode,
					   Snapshot snapshot)
{
	Relation	rel = table_open(weir_own_relid("_superseded", false),
								 AccessShareLock);
	ScanKeyData keys[3];
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(stream_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(leaf));
	ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(filenode));
	scan = systable_beginscan(rel, weir_own_relid("_superseded_pkey", false),
							  true, snapshot, 3, keys);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}
