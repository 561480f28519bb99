/*-------------------------------------------------------------------------
 *
 * face.c
 *	  The foreign-data wrapper behind the face of a wide table.
 *
 * The face is found in weir's catalog by its OID; neither the wrapper nor its
 * server nor its tables have options.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_table.h"
#include "fmgr.h"
#include "nodes/pg_list.h"

#include "storage/face.h"

PG_FUNCTION_INFO_V1(weir__face_handler);
Datum
weir__face_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	weir_face_plan_init(routine);
	weir_face_scan_init(routine);
	weir_face_analyze_init(routine);
	weir_face_modify_init(routine);
	PG_RETURN_POINTER(routine);
}

PG_FUNCTION_INFO_V1(weir__face_validator);
Datum
weir__face_validator(PG_FUNCTION_ARGS)
{
	if (untransformRelOptions(PG_GETARG_DATUM(0)) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("wide tables have no options"),
				 errhint("Wide tables are created with weir.create_wide_table.")));
	PG_RETURN_VOID();
}
