/*-------------------------------------------------------------------------
 *
 * runs.c
 *	  Stored state: its tables, and what runs are made of.
 *
 * Written by runs_write.c, read by runs_read.c, which finds chunks by
 * runs_index.c; what there is to merge is found by runs_stats.c.
 *
 * A tick writes the states of the groups its rows belong to as a run, and
 * never looks at what is there already: states of the same group in several
 * runs are combined by whoever reads them.  Merging runs is left to the
 * background (merge.c) and to closing (closing.c).
 *
 * The state of aggregate N is the table weir._state_N.  Its rows are chunks:
 *
 *		window_end, window_start	of the window, or pane, that all state rows
 *									in the chunk belong to; a running aggregate
 *									has 'infinity' in both
 *		level						0 as written by a tick; merged runs are one
 *									above the highest level they were made of
 *		run							chunks with the same number, window and
 *									level are one run; the number is the xid
 *									of the (sub)transaction that wrote it
 *		spread						how wide this is, roughly:
 *		hash_lo, hash_hi			range of the hashes of the keys in it, as
 *									signed numbers in unsigned order
 *		nrows						state rows in the chunk
 *		data						the state rows
 *
 * A chunk takes about a page; within a run the chunks of a window follow each
 * other by hash, so that a reader of one group opens one chunk of each run.
 * The index, on window, spread and hashes, finds it without a look at all
 * others: chunks that are no wider than so much, and have a hash, begin not
 * further below it (runs_index.c).
 * A state row too large for a page is a chunk of its own, and TOASTed.
 *
 * Bytes of data, after the varlena header, in the server's byte order:
 *
 *		offset	size	meaning								example
 *		0		1		format version						03
 *		1		1		server major version				0f (15)
 *		2		2		columns of a state row				03 00
 *		4		4		state rows							02 00 00 00
 *		8		4		fingerprint of the definition		d1 7a 03 9c
 *		12		4		CRC-32C of all other bytes			5e 91 07 b2
 *		16		6 for	the directory, for who looks for one key: of each 16
 *				each	state rows the hash of the first one, and in two
 *						bytes where it begins, counted from the end of the
 *						directory; none if there are up to 16
 *				state rows, in the order of their hash, see packed_row.h
 *
 * The columns of a state row are the keys and the states; those of the window
 * are in the chunk.  Sessions differ from key to key: there a state row has
 * all columns, and the chunk the least window_end and window_start in it.
 *
 * Invariants:
 *	1. Chunks are inserted and deleted, never updated.
 *	2. Chunks are deleted by closing and merging only, under
 *	   weir_aggregate_lock_state, in the transaction that makes the result.
 *	3. No value in a state row is out of line: it is fetched before it is
 *	   packed.
 *	4. Nothing of a chunk is read before its checksum is found right: values go
 *	   to functions of their types, which trust them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "port/pg_crc32c.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/row_type.h"
#include "aggregate/runs.h"
#include "aggregate/runs_format.h"

/* ---------- the state table ---------- */

static char *
state_name(int32 aggregate_id)
{
	return psprintf("_state_%d", aggregate_id);
}

Oid
weir_runs_relid(int32 aggregate_id)
{
	return weir_own_relid(state_name(aggregate_id), true);
}

/*
 * The table is the extension's, so that it is neither dumped (state is made
 * again from the rows) nor dropped by hand.  Where it cannot be made again it has
 * to be dumped (dumped.c), and the table is one that happens to be in schema weir;
 * for good, as nobody knows when all that cannot be made again has gone from it.
 */
void
weir_runs_set_dumped(int32 aggregate_id)
{
	Oid			relid = weir_runs_relid(aggregate_id);

	if (OidIsValid(relid))
		weir_leave_extension(relid);
}

bool
weir_runs_is_dumped(int32 aggregate_id, Snapshot snapshot)
{
	Oid			relid = weir_runs_relid(aggregate_id);
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	bool		is_member = false;

	if (!OidIsValid(relid))
		return false;
	rel = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, DependDependerIndexId, true, snapshot, 2, keys);
	while (!is_member && HeapTupleIsValid(tuple = systable_getnext(scan)))
		is_member = ((Form_pg_depend) GETSTRUCT(tuple))->deptype == DEPENDENCY_EXTENSION;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return !is_member;
}

void
weir_runs_create(int32 aggregate_id)
{
	const char *name = state_name(aggregate_id);
	WeirIdentity identity;

	weir_become_extension_owner(&identity);
	weir_execute("CREATE TABLE %s.%s ("
				 "window_end timestamp NOT NULL, "
				 "window_start timestamp NOT NULL, "
				 "level int4 NOT NULL, "
				 "spread int2 NOT NULL, "
				 "run int8 NOT NULL, "
				 "hash_lo int4 NOT NULL, "
				 "hash_hi int4 NOT NULL, "
				 "nrows int4 NOT NULL, "
				 "data bytea NOT NULL) "
				 "WITH (toast_tuple_target = 8160)", WEIR_SCHEMA, name);
	weir_execute("ALTER TABLE %s.%s ALTER COLUMN data SET STORAGE EXTERNAL",
				 WEIR_SCHEMA, name);
	weir_execute("CREATE INDEX ON %s.%s (window_end, window_start, spread, hash_lo, hash_hi)",
				 WEIR_SCHEMA, name);
	weir_revoke_default_privileges(weir_runs_relid(aggregate_id));
	weir_restore_identity(&identity);
	weir_join_extension(weir_runs_relid(aggregate_id));
}

void
weir_runs_guard(int32 aggregate_id, const WeirDefinition *def)
{
	weir_row_type_guard(def, weir_runs_relid(aggregate_id), Anum_data);
}

void
weir_runs_drop(int32 aggregate_id)
{
	Oid			relid = weir_runs_relid(aggregate_id);
	ObjectAddress table;

	if (!OidIsValid(relid))
		return;
	weir_leave_extension(relid);
	ObjectAddressSet(table, RelationRelationId, relid);
	performDeletion(&table, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
}

Oid
weir_runs_index(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);

	if (list_length(indexes) != 1)
		elog(ERROR, "state table \"%s\" has %d indexes",
			 RelationGetRelationName(rel), list_length(indexes));
	return linitial_oid(indexes);
}

TupleDesc
weir_runs_packed_desc(const WeirDefinition *def)
{
	int			skipped = chunk_columns(def);
	int			natts = def->state_desc->natts - skipped;
	TupleDesc	desc = CreateTemplateTupleDesc(natts);
	int			i;

	for (i = 1; i <= natts; i++)
		TupleDescCopyEntry(desc, i, def->state_desc, i + skipped);
	return desc;
}

uint32
weir_runs_checksum(const char *data, Size size)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, offsetof(RunHeader, checksum));
	COMP_CRC32C(crc, data + RUN_HEADER_SIZE, size - RUN_HEADER_SIZE);
	FIN_CRC32C(crc);
	return crc;
}

/* ---------- hashing of keys ---------- */

FunctionCallInfo
weir_runs_prepare_call(Oid function, int nargs, Oid collation)
{
	FunctionCallInfo call = palloc(SizeForFunctionCallInfo(nargs));
	FmgrInfo   *info = palloc(sizeof(FmgrInfo));
	int			i;

	fmgr_info(function, info);
	InitFunctionCallInfoData(*call, info, nargs, collation, NULL, NULL);
	for (i = 0; i < nargs; i++)
		call->args[i].isnull = false;
	return call;
}

void
weir_runs_init_hasher(WeirKeyHasher *hasher, const WeirDefinition *def)
{
	ListCell   *lc;

	hasher->nkeys = def->nkeys;
	hasher->calls = palloc0(sizeof(FunctionCallInfo) * Max(def->nkeys, 1));
	foreach(lc, def->keys)
	{
		WeirKey    *key = lfirst(lc);
		int			i = foreach_current_index(lc);
		RegProcedure left;
		RegProcedure right;

		if (key->has_lasting_hash && get_op_hash_functions(key->eqop, &left, &right))
			hasher->calls[i] = weir_runs_prepare_call(left, 1, key->collation);
	}
}

/* Keys without a hash that lasts don't count. */
uint32
weir_runs_hash_keys(WeirKeyHasher *hasher, const Datum *values, const bool *isnull)
{
	uint32		hash = 0;
	int			i;

	for (i = 0; i < hasher->nkeys; i++)
	{
		FunctionCallInfo call = hasher->calls[i];

		hash = (hash << 1) | (hash >> 31);
		if (isnull[i] || call == NULL)
			continue;
		call->args[0].value = values[i];
		call->isnull = false;
		hash ^= DatumGetUInt32(FunctionCallInvoke(call));
		if (call->isnull)
			elog(ERROR, "hash function %u returned NULL", call->flinfo->fn_oid);
	}
	return hash;
}

uint32
weir_runs_hash(WeirDefinition *def, const Datum *keys, const bool *isnull)
{
	WeirKeyHasher	hasher;

	weir_runs_init_hasher(&hasher, def);
	return weir_runs_hash_keys(&hasher, keys, isnull);
}
