/*-------------------------------------------------------------------------
 *
 * shape.c
 *	  The columns of the relations of a wide table.
 *
 * They are read and written by position, without the server's checks of
 * types, so they must be what weir.create_wide_table made of them.  Their
 * owner can alter them nevertheless.  As that invalidates the descriptor of
 * the wide table, it is enough to look at them when one is loaded.  So it is
 * with the sequence: a session that had numbers in store would give them to
 * writes when greater ones have been folded, and those would be lost.
 *
 * Columns that were added and dropped again do no harm: they are null.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_sequence.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "storage/shape.h"
#include "weir.h"

/* A type of the server by its OID, or of the extension by its name. */
typedef struct ColumnType
{
	Oid			oid;
	const char *name;
	bool		may_be_null;
} ColumnType;

static Oid
type_oid(const ColumnType *type)
{
	if (type->name == NULL)
		return type->oid;
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum(type->name),
						   ObjectIdGetDatum(get_namespace_oid(WEIR_SCHEMA,
															  false)));
}

static bool
has_columns(Relation rel, const ColumnType *types, int n)
{
	TupleDesc	desc = RelationGetDescr(rel);
	bool		valid = desc->natts >= n;

	for (int i = 0; valid && i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		valid = i < n ?
			!attr->attisdropped && attr->atttypid == type_oid(&types[i]) &&
			(types[i].may_be_null || WeirColumnIsNotNull(desc, i)) :
			attr->attisdropped;
	}
	return valid;
}

static void
check_columns(Relation rel, const ColumnType *types, int n)
{
	if (!has_columns(rel, types, n))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("columns of \"%s\" have been changed",
						RelationGetRelationName(rel)),
				 errdetail("It is part of a wide table, which can have no other columns than those it was made with."),
				 errhint("Drop columns that were added; set NOT NULL what was; restore a wide table that has lost columns.")));
}

/* It is read and written as a heap, not by way of its access method. */
static void
check_heap(Relation heap, const ColumnType *types, int n)
{
	if (heap->rd_rel->relam != HEAP_TABLE_AM_OID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("access method of \"%s\" has been changed",
						RelationGetRelationName(heap)),
				 errdetail("It is part of a wide table, which is stored on heaps."),
				 errhint("Use ALTER TABLE ... SET ACCESS METHOD heap.")));
	check_columns(heap, types, n);
}

static const ColumnType face_types[] = {
	{BYTEAOID, NULL, true}, {InvalidOid, "widerow", true}
};

bool
weir_shape_face_is_whole(Relation face)
{
	return has_columns(face, face_types, lengthof(face_types));
}

void
weir_shape_check_face(Relation face)
{
	check_columns(face, face_types, lengthof(face_types));
}

void
weir_shape_check_delta(Relation heap)
{
	static const ColumnType types[] = {
		{BYTEAOID}, {INT8OID}, {InvalidOid, "delta"}
	};

	check_heap(heap, types, lengthof(types));
}

void
weir_shape_check_base(Relation heap)
{
	static const ColumnType types[] = {
		{BYTEAOID}, {BYTEAOID}, {INT8OID, NULL, true}, {INT8OID, NULL, true},
		{INT8OID, NULL, true}, {InvalidOid, "segment"}
	};

	check_heap(heap, types, lengthof(types));
}

void
weir_shape_check_changes(Relation heap)
{
	static const ColumnType types[] = {
		{INT8OID}, {BYTEAOID, NULL, true}, {TEXTOID}, {InvalidOid, "_mutation"},
		{TIMESTAMPTZOID}, {XID8OID}
	};

	check_heap(heap, types, lengthof(types));
}

void
weir_shape_check_sequence(Oid sequence)
{
	HeapTuple	tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(sequence));
	Form_pg_sequence form;
	bool		valid;

	if (!HeapTupleIsValid(tuple))
		return;					/* who needs a number will hear of it */
	form = (Form_pg_sequence) GETSTRUCT(tuple);
	valid = form->seqcache == 1 && form->seqincrement > 0 && !form->seqcycle;
	ReleaseSysCache(tuple);
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sequence \"%s\" has been changed",
						get_rel_name(sequence)),
				 errdetail("It numbers the writes to a wide table, which must get their numbers one by one, in ascending order."),
				 errhint("Use ALTER SEQUENCE ... INCREMENT 1 CACHE 1 NO CYCLE.")));
}

HeapTuple
weir_shape_form_tuple(Relation heap, Datum *values, bool *nulls, int n)
{
	TupleDesc	desc = RelationGetDescr(heap);
	Datum	   *all_values;
	bool	   *all_nulls;

	if (desc->natts == n)
		return heap_form_tuple(desc, values, nulls);
	all_values = palloc0(sizeof(Datum) * desc->natts);
	all_nulls = palloc(sizeof(bool) * desc->natts);
	memset(all_nulls, true, desc->natts);
	memcpy(all_values, values, sizeof(Datum) * n);
	memcpy(all_nulls, nulls, sizeof(bool) * n);
	return heap_form_tuple(desc, all_values, all_nulls);
}
