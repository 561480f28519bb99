/*-------------------------------------------------------------------------
 *
 * face.h
 *	  The foreign table that users see of a wide table; only for face*.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_FACE_H
#define WEIR_FACE_H

#include "foreign/fdwapi.h"

#include "storage/rowscan.h"

/* columns of the face */
#define Anum_face_row_key	1
#define Anum_face_cells		2

/*
 * fdw_private of a ForeignScan, one list each.  Beside it fdw_exprs has the
 * argument of each key condition, then the subscripts of each column, then the
 * key conditions themselves, which are for EXPLAIN.
 */
enum
{
	WEIR_PLAN_STRATEGIES,		/* list of int, one a key condition */
	WEIR_PLAN_BACKWARD,			/* integer: in descending order of keys? */
	WEIR_PLAN_NEEDS_CELLS,		/* integer: is the column "cells" needed? */
	WEIR_PLAN_COLUMNS			/* list of int, the number of subscripts of
								 * each column, 1 or 2; NIL: all */
};

/* A btree strategy number, or this: the key is in an array. */
#define WEIR_KEY_IN_ARRAY	100

/* planning: face_plan.c */
extern void weir_face_plan_init(FdwRoutine *routine);

/*
 * What is used of the column "cells" of a relation: face_columns.c.  The
 * columns are lists of one or two subscripts; NIL: all.
 */
extern bool weir_face_needs_cells(RelOptInfo *rel);
extern List *weir_face_columns(PlannerInfo *root, RelOptInfo *rel);

/* scanning, EXPLAIN: face_scan.c */
extern void weir_face_scan_init(FdwRoutine *routine);

/* the row just read as values of the face, in the current memory context */
extern void weir_face_store_row(WeirRowScan *scan, bool needs_cells,
								Datum *values, bool *nulls, int natts);

/* ANALYZE: face_analyze.c */
extern void weir_face_analyze_init(FdwRoutine *routine);

/* INSERT, COPY, DELETE, TRUNCATE: face_modify.c */
extern void weir_face_modify_init(FdwRoutine *routine);

#endif							/* WEIR_FACE_H */
