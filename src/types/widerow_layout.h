/*-------------------------------------------------------------------------
 *
 * widerow_layout.h
 *	  Where things are in the bytes of a weir.widerow.
 *
 * Only for the files widerow*.c; the format is described at the top of
 * widerow.c.  All positions count from the byte after the varlena header, so
 * that they are the same for a value with a short header and for a slice of
 * a toasted one.  No alignment is assumed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WIDEROW_LAYOUT_H
#define WEIR_WIDEROW_LAYOUT_H

#include "types/cell.h"
#include "weir.h"

#define WEIR_ROW_VERSION	1

/* sizes in bytes of the head and of one entry of each table */
#define WEIR_ROW_HEAD_LEN	20
#define WEIR_ROW_FAMILY_LEN 8
#define WEIR_ROW_COLUMN_LEN 8
#define WEIR_ROW_CELL_LEN	12

/* the most bytes after the varlena header */
#define WEIR_MAX_ROW_DATA_LEN	((Size) (WEIR_MAX_ROW_LEN - VARHDRSZ))

typedef struct WeirRowLayout
{
	uint32		family_count;
	uint32		column_count;
	uint32		cell_count;
	uint32		names_len;
	/* where each section begins; the values reach to the end */
	uint32		families;
	uint32		columns;
	uint32		cells;
	uint32		names;
	uint32		values;
	uint32		end;
} WeirRowLayout;

static inline uint32
weir_get_uint32(const char *p)
{
	uint32		v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline int64
weir_get_int64(const char *p)
{
	int64		v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Reads the head; "end" is the length of the whole.  Raises XX001. */
extern void weir_row_read_layout(WeirRowLayout *layout, const char *head,
								 Size available, Size end);

/* Raises XX001; the position counts as all positions here. */
WEIR_NORETURN extern void weir_row_corrupted(const char *what, Size position);

#endif							/* WEIR_WIDEROW_LAYOUT_H */
