/*-------------------------------------------------------------------------
 *
 * shape.h
 *	  The columns of the relations of a wide table, and its sequence; for this
 *	  layer only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SHAPE_H
#define WEIR_SHAPE_H

#include "access/htup.h"
#include "utils/relcache.h"

/* Raise 55000 if the relation does not have the columns it was made with. */
extern void weir_shape_check_face(Relation face);
extern void weir_shape_check_delta(Relation heap);
extern void weir_shape_check_base(Relation heap);
extern void weir_shape_check_changes(Relation heap);

/* The same without an error */
extern bool weir_shape_face_is_whole(Relation face);

/* Raises 55000 if numbers are given out otherwise than one by one. */
extern void weir_shape_check_sequence(Oid sequence);

/* A tuple of one of the heaps; "n" is the number of its columns. */
extern HeapTuple weir_shape_form_tuple(Relation heap, Datum *values,
									   bool *nulls, int n);

#endif							/* WEIR_SHAPE_H */
