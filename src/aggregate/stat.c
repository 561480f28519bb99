/*-------------------------------------------------------------------------
 *
 * stat.c
 *	  Figures about continuous aggregates for the views.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/snapmgr.h"

#include "weir.h"
#include "aggregate/aggregate.h"
#include "aggregate/runs.h"

PG_FUNCTION_INFO_V1(weir__aggregate_stats);

/* Reads the state's index through; NULLs if there is no state. */
Datum
weir__aggregate_stats(PG_FUNCTION_ARGS)
{
	Oid			state = weir_runs_relid(PG_GETARG_INT32(0));
	WeirRunStats stats;
	TupleDesc	desc;
	Datum		values[3] = {0};
	bool		isnull[3];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(isnull, !OidIsValid(state), sizeof(isnull));
	if (OidIsValid(state))
	{
		weir_runs_stats(state, false, GetActiveSnapshot(), &stats);
		values[0] = Int64GetDatum(stats.rows);
		values[1] = Int64GetDatum(stats.bytes);
		values[2] = Int64GetDatum(stats.windows);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, isnull)));
}
