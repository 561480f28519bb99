/*-------------------------------------------------------------------------
 *
 * row_digest.c
 *	  Rows known by their values: digests, and sorting many of them.
 *
 * A row that has been dumped and restored has no identity but its values.  A
 * dump writes these as text, by the output functions of their types; so the
 * digest is one of these texts, as they are under settings that are always the
 * same, and in UTF-8, if the database has an encoding.  Binary forms would not
 * do: those of arrays and row types have oids in them, and not every type has
 * one.  Generated columns are left out: what they hold follows from the others.
 *
 * What is digested: for each column, in order,
 *
 *		size	meaning						example
 *		1		'n': NULL, 'v': a value		76
 *		4		bytes that follow			00 00 00 02		(of a value)
 *		...		text						34 32			(42)
 *
 * so that different rows never give the same bytes.  The digest is the first 16
 * bytes of their SHA-256.  Rows of equal digest are taken for equal: among n
 * rows some two that differ have the same one with a probability of n^2 / 2^129,
 * which for 10^9 rows is 10^-21, and nobody can make such rows on purpose with
 * less than 2^64 trials.
 *
 * The form is part of dumps: one that was made with another does not fit, which
 * is noticed (counted.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_oper.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"
#include "utils/uuid.h"

#include "weir.h"
#include "aggregate/row_digest.h"
#include "stream/batch.h"

/* rows fetched at a time */
#define FETCH_ROWS		1000

StaticAssertDecl(WEIR_DIGEST_SIZE == UUID_LEN, "a digest is sorted as a uuid");

/* ----------------------------------------------------------------
 *		One row
 * ----------------------------------------------------------------
 */

typedef struct Digester
{
	int			natts;			/* that are digested */
	AttrNumber *attnos;			/* of the relation */
	FmgrInfo   *output;
	Datum	   *values;			/* of a row, those that are digested */
	bool	   *nulls;
	pg_cryptohash_ctx *hash;
	MemoryContext context;		/* of one row */
	int			nest_level;		/* of settings */
} Digester;

/* What the text forms of values may depend on, and a dump sets, too. */
static const char *const pinned_settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"quote_all_identifiers", "off"},
	{"TimeZone", "UTC"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"lc_monetary", "C"},
};

/* Pins settings, until end_digester. */
static Digester *
begin_digester(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Digester   *digester = palloc0(sizeof(Digester));

	digester->attnos = palloc(sizeof(AttrNumber) * desc->natts);
	digester->output = palloc(sizeof(FmgrInfo) * desc->natts);
	digester->values = palloc(sizeof(Datum) * desc->natts);
	digester->nulls = palloc(sizeof(bool) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Oid			function;
		bool		is_varlena;

		if (att->attisdropped || att->attgenerated != '\0')
			continue;
		getTypeOutputInfo(att->atttypid, &function, &is_varlena);
		fmgr_info(function, &digester->output[digester->natts]);
		digester->attnos[digester->natts++] = i + 1;
	}
	digester->hash = pg_cryptohash_create(PG_SHA256);
	if (digester->hash == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	digester->context = AllocSetContextCreate(CurrentMemoryContext,
											  "weir digested row",
											  ALLOCSET_DEFAULT_SIZES);
	digester->nest_level = NewGUCNestLevel();
	for (int i = 0; i < lengthof(pinned_settings); i++)
		(void) set_config_option(pinned_settings[i][0], pinned_settings[i][1],
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	return digester;
}

static void
end_digester(Digester *digester)
{
	AtEOXact_GUC(false, digester->nest_level);
	pg_cryptohash_free(digester->hash);
	MemoryContextDelete(digester->context);
	pfree(digester);
}

static void
append_value(StringInfo bytes, FmgrInfo *output, Datum value)
{
	char	   *text = OutputFunctionCall(output, value);
	uint32		length;

	if (GetDatabaseEncoding() != PG_SQL_ASCII)
		text = pg_server_to_any(text, strlen(text), PG_UTF8);
	length = pg_hton32((uint32) strlen(text));
	appendStringInfoChar(bytes, 'v');
	appendBinaryStringInfo(bytes, (char *) &length, sizeof(length));
	appendStringInfoString(bytes, text);
}

/* Of the values in the digester. */
static void
digest_values(Digester *digester, unsigned char *digest)
{
	MemoryContext old;
	StringInfoData bytes;
	uint8		result[PG_SHA256_DIGEST_LENGTH];

	MemoryContextReset(digester->context);
	old = MemoryContextSwitchTo(digester->context);
	initStringInfo(&bytes);
	for (int i = 0; i < digester->natts; i++)
	{
		if (digester->nulls[i])
			appendStringInfoChar(&bytes, 'n');
		else
			append_value(&bytes, &digester->output[i], digester->values[i]);
	}
	if (pg_cryptohash_init(digester->hash) < 0 ||
		pg_cryptohash_update(digester->hash, (uint8 *) bytes.data, bytes.len) < 0 ||
		pg_cryptohash_final(digester->hash, result, sizeof(result)) < 0)
		elog(ERROR, "could not compute a digest: %s",
			 pg_cryptohash_error(digester->hash));
	memcpy(digest, result, WEIR_DIGEST_SIZE);
	MemoryContextSwitchTo(old);
}

static void
digest_slot(Digester *digester, TupleTableSlot *slot, WeirDigested *row)
{
	slot_getallattrs(slot);
	for (int i = 0; i < digester->natts; i++)
	{
		digester->values[i] = slot->tts_values[digester->attnos[i] - 1];
		digester->nulls[i] = slot->tts_isnull[digester->attnos[i] - 1];
	}
	digest_values(digester, row->digest);
	row->leaf = slot->tts_tableOid;
	row->tid = slot->tts_tid;
}

/* ----------------------------------------------------------------
 *		Many rows
 * ----------------------------------------------------------------
 */

struct WeirDigestSort
{
	Tuplesortstate *sort;
	TupleTableSlot *in;
	TupleTableSlot *out;
	int64		nrows;
	uint64		sum;			/* of their digests */
};

/* columns of what is sorted */
enum
{
	SORT_DIGEST = 1,
	SORT_LEAF,
	SORT_TID,
	SORT_NATTS = SORT_TID
};

static WeirDigestSort *
begin_sort(bool by_place)
{
	WeirDigestSort *sort = palloc0(sizeof(WeirDigestSort));
	TupleDesc	desc = CreateTemplateTupleDesc(SORT_NATTS);
	AttrNumber	by_digest_attnos[] = {SORT_DIGEST};
	AttrNumber	by_place_attnos[] = {SORT_LEAF, SORT_TID};
	AttrNumber *attnos = by_place ? by_place_attnos : by_digest_attnos;
	int			nkeys = by_place ? 2 : 1;
	Oid			operators[2];
	Oid			collations[2] = {InvalidOid, InvalidOid};
	bool		nulls_first[2] = {false, false};

	TupleDescInitEntry(desc, SORT_DIGEST, "digest", UUIDOID, -1, 0);
	TupleDescInitEntry(desc, SORT_LEAF, "leaf", OIDOID, -1, 0);
	TupleDescInitEntry(desc, SORT_TID, "tid", TIDOID, -1, 0);
	for (int i = 0; i < nkeys; i++)
		get_sort_group_operators(TupleDescAttr(desc, attnos[i] - 1)->atttypid,
								 true, false, false, &operators[i], NULL, NULL,
								 NULL);
	sort->in = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	sort->out = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	sort->sort = tuplesort_begin_heap(desc, nkeys, attnos, operators, collations,
									  nulls_first, work_mem, NULL,
									  TUPLESORT_NONE);
	return sort;
}

WeirDigestSort *
weir_digest_sort_by_place(void)
{
	return begin_sort(true);
}

void
weir_digest_sort_add(WeirDigestSort *sort, const WeirDigested *row)
{
	ExecClearTuple(sort->in);
	sort->in->tts_values[SORT_DIGEST - 1] = PointerGetDatum(row->digest);
	sort->in->tts_values[SORT_LEAF - 1] = ObjectIdGetDatum(row->leaf);
	sort->in->tts_values[SORT_TID - 1] = PointerGetDatum(&row->tid);
	memset(sort->in->tts_isnull, false, sizeof(bool) * SORT_NATTS);
	ExecStoreVirtualTuple(sort->in);
	tuplesort_puttupleslot(sort->sort, sort->in);
	sort->nrows++;
	sort->sum += weir_digest_number(row->digest);
}

void
weir_digest_sort_perform(WeirDigestSort *sort)
{
	ExecClearTuple(sort->in);
	tuplesort_performsort(sort->sort);
}

bool
weir_digest_sort_next(WeirDigestSort *sort, WeirDigested *row)
{
	CHECK_FOR_INTERRUPTS();
	if (!tuplesort_gettupleslot(sort->sort, true, false, sort->out, NULL))
		return false;
	slot_getallattrs(sort->out);
	memcpy(row->digest, DatumGetPointer(sort->out->tts_values[SORT_DIGEST - 1]),
		   WEIR_DIGEST_SIZE);
	row->leaf = DatumGetObjectId(sort->out->tts_values[SORT_LEAF - 1]);
	row->tid = *(ItemPointer) DatumGetPointer(sort->out->tts_values[SORT_TID - 1]);
	return true;
}

int64
weir_digest_sort_rows(const WeirDigestSort *sort)
{
	return sort->nrows;
}

uint64
weir_digest_sort_sum(const WeirDigestSort *sort)
{
	return sort->sum;
}

void
weir_digest_sort_end(WeirDigestSort *sort)
{
	ExecDropSingleTupleTableSlot(sort->in);
	ExecDropSingleTupleTableSlot(sort->out);
	tuplesort_end(sort->sort);
	pfree(sort);
}

WeirDigestSort *
weir_digest_sort_batch(Relation rel, WeirBatch *batch, List *leaves)
{
	WeirDigestSort *sort = begin_sort(false);
	Digester   *digester = begin_digester(rel);
	WeirBatchReader *reader = weir_batch_reader_begin(batch, rel);
	TupleTableSlot *slot;
	WeirDigested row;
	Oid			wanted = InvalidOid;

	while ((slot = weir_batch_reader_next(reader)) != NULL)
	{
		/* rows come table by table */
		if (leaves != NIL && slot->tts_tableOid != wanted &&
			!list_member_oid(leaves, slot->tts_tableOid))
			continue;
		wanted = slot->tts_tableOid;
		digest_slot(digester, slot, &row);
		weir_digest_sort_add(sort, &row);
	}
	weir_batch_reader_end(reader);
	end_digester(digester);
	weir_digest_sort_perform(sort);
	return sort;
}

/* ---------- rows of a dump ---------- */

/*
 * A partition has the columns in an order of its own.  A dump reads each of them
 * by itself, and so it is the partition's row security that counts.
 */
static char *
rows_query(Relation rel, const Digester *digester, Oid leaf)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < digester->natts; i++)
		appendStringInfo(&sql, "%s%s", i == 0 ? "" : ", ",
						 quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel),
																digester->attnos[i] - 1)->attname)));
	appendStringInfo(&sql, " FROM ONLY %s",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(leaf)),
												get_rel_name(leaf)));
	return sql.data;
}

static void
add_fetched(WeirDigestSort *sort, Digester *digester)
{
	WeirDigested row;

	memset(&row, 0, sizeof(row));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
						  digester->values, digester->nulls);
		digest_values(digester, row.digest);
		weir_digest_sort_add(sort, &row);
	}
}

WeirDigestSort *
weir_digest_sort_dumped(Relation rel, List *leaves)
{
	WeirDigestSort *sort = begin_sort(false);
	Digester   *digester = begin_digester(rel);
	ListCell   *lc;

	SPI_connect();
	foreach(lc, leaves)
	{
		SPIPlanPtr	plan = SPI_prepare(rows_query(rel, digester, lfirst_oid(lc)),
									   0, NULL);
		Portal		portal;

		if (plan == NULL)
			elog(ERROR, "could not prepare to read the rows of a stream");
		portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
		for (;;)
		{
			SPI_cursor_fetch(portal, true, FETCH_ROWS);
			if (SPI_processed == 0)
				break;
			add_fetched(sort, digester);
			SPI_freetuptable(SPI_tuptable);
		}
		SPI_cursor_close(portal);
	}
	SPI_finish();
	end_digester(digester);
	weir_digest_sort_perform(sort);
	return sort;
}
