/*-------------------------------------------------------------------------
 *
 * algebra.c
 *	  The algebra of deltas as SQL functions, for tests and for looking into
 *	  a wide table's heaps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "storage/hll.h"
#include "types/fold.h"
#include "types/segment.h"
#include "weir.h"

static void
add_delta(WeirFold *fold, int64 seq, struct varlena *delta)
{
	weir_fold_add_delta(fold, seq, VARDATA_ANY(delta),
						VARSIZE_ANY_EXHDR(delta));
}

/* compose(older, newer) */
PG_FUNCTION_INFO_V1(weir__compose);
Datum
weir__compose(PG_FUNCTION_ARGS)
{
	WeirFold   *fold = weir_fold_create(weir_hll_combine);

	add_delta(fold, 1, PG_GETARG_VARLENA_PP(0));
	add_delta(fold, 2, PG_GETARG_VARLENA_PP(1));
	PG_RETURN_POINTER(weir_fold_delta(fold, weir_fold_last_time(fold)));
}

/* apply(segment, delta), without garbage collection */
PG_FUNCTION_INFO_V1(weir__apply);
Datum
weir__apply(PG_FUNCTION_ARGS)
{
	struct varlena *segment = PG_GETARG_VARLENA_PP(0);
	WeirFold   *fold = weir_fold_create(weir_hll_combine);
	WeirSegmentReader reader;
	WeirStoredCell cell;
	WeirStoredCell *cells;
	uint32		ncells;

	weir_segment_reader_init(&reader, VARDATA_ANY(segment),
							 VARSIZE_ANY_EXHDR(segment));
	while (weir_segment_next_cell(&reader, &cell))
		weir_fold_add_base_cell(fold, &cell);
	add_delta(fold, 1, PG_GETARG_VARLENA_PP(1));
	cells = weir_fold_row(fold, 0, &ncells);
	PG_RETURN_POINTER(weir_segment_build(cells, ncells));
}
