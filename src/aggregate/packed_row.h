/*-------------------------------------------------------------------------
 *
 * packed_row.h
 *	  Rows as bytes, without a tuple header.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_PACKED_ROW_H
#define WEIR_PACKED_ROW_H

#include "access/tupdesc.h"

typedef struct WeirRowPacker WeirRowPacker;

/* In the current context; refers to the descriptor. */
extern WeirRowPacker *weir_row_packer(TupleDesc desc);

/* No value may be out of line. */
extern Size weir_row_size(const WeirRowPacker *packer, const Datum *values,
						  const bool *isnull);

/* What no row exceeds, whatever its values; 0 if there is no such limit. */
extern Size weir_row_max_size(const WeirRowPacker *packer);
extern char *weir_row_put(const WeirRowPacker *packer, char *to,
						  const Datum *values, const bool *isnull);

/*
 * The row at *from, which is advanced; false if there is none before end.
 * Values passed by reference point into the bytes, or into memory of the
 * packer's, until the next call.
 */
extern bool weir_row_get(WeirRowPacker *packer, const char **from,
						 const char *end, Datum *values, bool *isnull);

#endif							/* WEIR_PACKED_ROW_H */
