/*-------------------------------------------------------------------------
 *
 * row_pieces.h
 *	  The segments and deltas of a row, and the row they make; for this layer
 *	  only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_ROW_PIECES_H
#define WEIR_ROW_PIECES_H

#include "storage/catalog.h"
#include "types/plain_row.h"

/* A segment or delta, copied. */
typedef struct WeirPiece
{
	const char *bytes;
	Size		len;
	int64		seq;			/* of a delta */
} WeirPiece;

typedef struct WeirPieceArray
{
	WeirPiece  *items;
	uint32		n;
	uint32		allocated;
	bool		is_reversed;	/* collected in descending order */
} WeirPieceArray;

typedef struct WeirRowPieces
{
	const WeirWideTable *table;
	MemoryContext context;		/* holds the arrays */
	MemoryContext values_context;	/* holds the bytes of plain rows; or NULL */
	WeirFold   *fold;
	bool		has_spare_fold; /* it is the process's spare one */
	/* the present row */
	bool		may_be_plain;	/* need not be folded if there are no deltas */
	WeirPieceArray segments;
	WeirPieceArray deltas;
	int64		hi;				/* as the first segment says */
	int64		folded_at;
	WeirPlainRow *plain;		/* the row, if it was not folded */
	const WeirStoredCell *cells;	/* else */
	uint32		ncells;
} WeirRowPieces;

/* Open and close; the arrays are in the current memory context. */
extern void weir_row_pieces_open(WeirRowPieces *pieces,
								 const WeirWideTable *table);
extern void weir_row_pieces_close(WeirRowPieces *pieces);

/*
 * The next row.  "expects_values": nobody will ask for its cells.  The set of
 * columns that will be wanted, NULL for all.
 */
extern void weir_row_pieces_begin(WeirRowPieces *pieces, bool expects_values,
								  const WeirColumnSet *columns);

extern void weir_row_pieces_add_segment(WeirRowPieces *pieces, Datum segment);
extern void weir_row_pieces_add_delta(WeirRowPieces *pieces, Datum delta,
									  int64 seq);

/*
 * Makes the cells of the pieces as they are at "now".  True if there are any;
 * may be called again with other columns.
 */
extern bool weir_row_pieces_make(WeirRowPieces *pieces,
								 const WeirColumnSet *columns, int64 now);

/* See rowscan.h. */
extern WeirCell *weir_row_pieces_cells(WeirRowPieces *pieces);
extern Datum weir_row_pieces_value(WeirRowPieces *pieces);

extern void weir_row_pieces_init(void);

#endif							/* WEIR_ROW_PIECES_H */
