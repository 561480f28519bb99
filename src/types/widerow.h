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

typedef struct WeirRow WeirRow; /* a varlena, detoasted, never short-header */

/* Detoasts; raises DATA_CORRUPTED if the bytes are not a valid row. */
extern WeirRow *weir_row_from_datum(Datum d);

#define PG_GETARG_WEIR_ROW(n)	weir_row_from_datum(PG_GETARG_DATUM(n))
#define PG_RETURN_WEIR_ROW(row) PG_RETURN_POINTER(row)

/* Verifies every byte of a detoasted value; raises DATA_CORRUPTED. */
extern void weir_row_check(const WeirRow *row);

/*
 * Building.  Cells are given in weir_cell_cmp order, no coordinate twice
 * (checked: elog), and are copied.  Everything lives in the memory context
 * that was current at create; finish returns the row (allocated there) and
 * frees the builder.  A part of a cell that breaks a limit raises as the
 * weir_check_ functions of cell.h do, a row larger than WEIR_MAX_ROW_LEN
 * raises 54000 (at the first cell that does not fit).
 */
typedef struct WeirRowBuilder WeirRowBuilder;

extern WeirRowBuilder *weir_row_builder_create(void);
extern void weir_row_builder_add(WeirRowBuilder *builder, const WeirCell *cell);
extern WeirRow *weir_row_builder_finish(WeirRowBuilder *builder);

/* Reading, in order.  The cell points into the row. */
extern uint32 weir_row_cell_count(const WeirRow *row);
extern void weir_row_get_cell(const WeirRow *row, uint32 index, WeirCell *cell);

/*
 * The same for who wants one cell after another: several times faster than
 * weir_row_get_cell.  The reader holds no memory; it may be copied to keep
 * a place.
 */
typedef struct WeirRowReader
{
	/* about the cell that weir_row_reader_next returned last */
	bool		starts_family;	/* it is the first of its family */
	bool		starts_column;	/* it is the first, the newest, of its column */
	/* private */
	const char *columns;
	const char *cells;
	const char *names;
	const char *values;
	const char *families;
	uint32		cell_count;
	uint32		family;			/* index of the next family */
	uint32		column;			/* index of the next column */
	uint32		cell;			/* index of the next cell */
	uint32		family_end;		/* first column after the current family */
	uint32		column_end;		/* first cell after the current column */
	uint32		family_name_end;
	uint32		qualifier_end;
	uint32		value_end;
	WeirCell	current;
} WeirRowReader;

extern void weir_row_reader_init(WeirRowReader *reader, const WeirRow *row);
extern bool weir_row_reader_next(WeirRowReader *reader, WeirCell *cell);

/*
 * Finding, by binary search: the cells of a family or of a column are
 * *count cells from index *first.  Returns false if there are none.
 */
extern bool weir_row_find_family(const WeirRow *row,
								 const char *family, size_t family_len,
								 uint32 *first, uint32 *count);
extern bool weir_row_find_column(const WeirRow *row,
								 const char *family, size_t family_len,
								 const char *qualifier, size_t qualifier_len,
								 uint32 *first, uint32 *count);

/*
 * The newest value of a column, as a new bytea; false if there is none.  d
 * need not be detoasted: of a toasted value only what is needed is fetched.
 */
extern bool weir_row_newest_value(Datum d,
								  const char *family, size_t family_len,
								  const char *qualifier, size_t qualifier_len,
								  bytea **value);

#endif							/* WEIR_WIDEROW_H */
