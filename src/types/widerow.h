/*-------------------------------------------------------------------------
 *
 * widerow.h
 *	  The value type weir.widerow: the cells of one row, sorted.
 *
 * The format of the bytes is described at the top of widerow.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WIDEROW_H
#define WEIR_WIDEROW_H

#include "fmgr.h"

#include "types/cell.h"

typedef struct WeirRow WeirRow;	/* a varlena, detoasted, never short-header */

/* Detoasts; raises DATA_CORRUPTED if the bytes are not a valid row. */
extern WeirRow *weir_row_from_datum(Datum d);

#define PG_GETARG_WEIR_ROW(n)	weir_row_from_datum(PG_GETARG_DATUM(n))

/*
 * Building.  Cells are given in weir_cell_cmp order, no coordinate twice
 * (checked: elog), and are copied.  Everything lives in the memory context
 * that was current at create; finish returns the row (allocated there) and
 * raises 54000 when it is larger than WEIR_MAX_ROW_LEN.
 */
typedef struct WeirRowBuilder WeirRowBuilder;

extern WeirRowBuilder *weir_row_builder_create(void);
extern void weir_row_builder_add(WeirRowBuilder *builder, const WeirCell *cell);
extern WeirRow *weir_row_builder_finish(WeirRowBuilder *builder);

/* Reading, in order.  The cell points into the row. */
extern uint32 weir_row_cell_count(const WeirRow *row);
extern void weir_row_get_cell(const WeirRow *row, uint32 index, WeirCell *cell);

#endif							/* WEIR_WIDEROW_H */
