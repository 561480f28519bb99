/*-------------------------------------------------------------------------
 *
 * stat.c
 *	  Figures about continuous aggregates for the views.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/runs.h"

PG_FUNCTION_INFO_V1(weir__aggregate_stats);
PG_FUNCTION_INFO_V1(weir__aggregate_query);

/*
 * The text of a definition; NULL if others have dropped it since the reader's
 * snapshot was taken, which pg_get_viewdef would not bear.
 */
Datum
weir__aggregate_query(PG_FUNCTION_ARGS)
{
	Relation	rel = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	Datum		text;

	if (rel == NULL)
		PG_RETURN_NULL();
	text = OidFunctionCall1(F_PG_GET_VIEWDEF_OID, PG_GETARG_DATUM(0));
	relation_close(rel, AccessShareLock);
	PG_RETURN_DATUM(text);
}

/*
 * Reads the state's index through; NULLs if there is no state, or not any more.
 */
Datum
weir__aggregate_stats(PG_FUNCTION_ARGS)
{
	Oid			state = weir_runs_relid(PG_GETARG_INT32(0));
	Relation	rel = OidIsValid(state) ?
		try_relation_open(state, AccessShareLock) : NULL;
	WeirRunStats stats;
	TupleDesc	desc;
	Datum		values[3] = {0};
	bool		isnull[3];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(isnull, rel == NULL, sizeof(isnull));
	if (rel != NULL)
	{
		weir_runs_stats(state, false, GetActiveSnapshot(), &stats);
		values[0] = Int64GetDatum(stats.rows);
		values[1] = Int64GetDatum(stats.bytes);
		values[2] = Int64GetDatum(stats.windows);
		relation_close(rel, AccessShareLock);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, isnull)));
}
