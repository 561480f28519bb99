/*-------------------------------------------------------------------------
 *
 * distinct_row.c
 *	  Numbers of distinct rows: count(DISTINCT (a, b)).
 *
 * A set of distinct values (distinct.c) is stored, and an anonymous row is of
 * no type that means anything to another session.  To count rows it is enough
 * to have values that are equal when the rows are.  Two rows are equal if
 * their fields are, NULL with NULL; so are two jsonb arrays of the fields, if
 * equal fields have equal text forms, and others others, under the settings of
 * an aggregate, which are pinned.  This holds for the types below.  It does not
 * for interval (1 day is 24 hours), character(n) and floating point, whose text
 * may leave out digits, nor for text whose collation takes different strings
 * as equal.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "aggregate/distinct_row.h"

static bool
is_told_by_text(Node *field)
{
	Oid			collation = exprCollation(field);

	switch (exprType(field))
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case NUMERICOID:
		case UUIDOID:
		case BYTEAOID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		case TEXTOID:
		case VARCHAROID:
		case NAMEOID:
			return !OidIsValid(collation) ||
				get_collation_isdeterministic(collation);
		default:
			return false;
	}
}

Aggref *
weir_distinct_row(Aggref *aggref)
{
	RowExpr    *row;
	Aggref	   *over_array;
	FuncExpr   *array;
	ListCell   *lc;

	if (linitial_oid(aggref->aggargtypes) != RECORDOID)
		return aggref;
	row = (RowExpr *) linitial_node(TargetEntry, aggref->args)->expr;
	if (aggref->aggfnoid != F_COUNT_ANY || !IsA(row, RowExpr))
		return NULL;
	foreach(lc, row->args)
	{
		if (!is_told_by_text(lfirst(lc)))
			return NULL;
	}

	array = makeFuncExpr(F_JSONB_BUILD_ARRAY_ANY, JSONBOID,
						 copyObject(row->args), InvalidOid,
						 aggref->inputcollid, COERCE_EXPLICIT_CALL);
	over_array = copyObject(aggref);
	over_array->args = list_make1(makeTargetEntry((Expr *) array, 1, NULL, false));
	over_array->aggargtypes = list_make1_oid(JSONBOID);
	return over_array;
}
