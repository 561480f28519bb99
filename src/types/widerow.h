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

/*
 * Detoasts; raises DATA_CORRUPTED if the bytes are not a valid row.  The bytes
 * of an expanded row (widerow_expanded.h) belong to it and are not checked.
 */
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
 * weir_check_ functions of cell.h do, a row that would become larger than
 * WEIR_MAX_ROW_LEN raises 54000 when the cell is added.
 */
typedef struct WeirRowBuilder WeirRowBuilder;

extern WeirRowBuilder *weir_row_builder_create(void);

/* Optional: the result will have about the cells of this row, and of others
 * that are named so; saves some moving of bytes. */
extern void weir_row_builder_expect(WeirRowBuilder *builder,
									const WeirRow *row);
extern void weir_row_builder_add(WeirRowBuilder *builder, const WeirCell *cell);

/* the same, but false, and nothing is added, if the row would be too large */
extern bool weir_row_builder_try_add(WeirRowBuilder *builder,
									 const WeirCell *cell);
extern WeirRow *weir_row_builder_finish(WeirRowBuilder *builder);

/* The same at once, in the current memory context. */
extern WeirRow *weir_row_from_cells(const WeirCell *cells, uint32 ncells);

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
	uint32		family_columns; /* how many columns its family has */
	uint32		column_cells;	/* how many cells its column has */
	/* about the row */
	uint32		family_count;
	uint32		column_count;
	uint32		cell_count;
	/* private */
	const char *columns;
	const char *cells;
	const char *names;
	const char *values;
	const char *families;
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

/* the next cell will be that one; index may be the number of cells */
extern void weir_row_reader_seek(WeirRowReader *reader, uint32 index);

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

/* New rows (widerow_ops.c) */
extern WeirRow *weir_row_cut_family(const WeirRow *row,
									const char *family, size_t family_len);

/* The cells of both; at a coordinate that both have, the one of b */
extern WeirRow *weir_row_merge(const WeirRow *a, const WeirRow *b);

#endif							/* WEIR_WIDEROW_H */
