/*-------------------------------------------------------------------------
 *
 * segment.h
 *	  The type weir.segment: folded cells of a row, and how a row is cut.
 *
 * Internal to wide tables.  The format is described at the top of segment.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SEGMENT_H
#define WEIR_SEGMENT_H

#include "types/stored.h"
#include "weir.h"

/* A segment is cut when it would become larger than this. */
#define WEIR_SEGMENT_TARGET_LEN	4000

/* No position in a row that is longer than this becomes a segment's part. */
#define WEIR_MAX_PART_LEN	512

typedef struct WeirSegmentReader
{
	const char *start;
	const char *next;
	const char *end;
	uint32		ncells;			/* those not read yet */
} WeirSegmentReader;

/* Raises DATA_CORRUPTED, about where the reader stands. */
WEIR_NORETURN extern void weir_segment_corrupted(const WeirSegmentReader *reader);

/* Raise DATA_CORRUPTED; read no byte outside; cells point into the bytes. */
extern void weir_segment_reader_init(WeirSegmentReader *reader,
									 const char *bytes, Size len);

static inline bool
weir_segment_next_cell(WeirSegmentReader *reader, WeirStoredCell *cell)
{
	const char *next;

	if (reader->ncells == 0)
		return false;
	next = weir_stored_cell_read(reader->next, reader->end, cell);
	if (next == NULL)
		weir_segment_corrupted(reader);
	reader->next = next;
	reader->ncells--;
	return true;
}

extern struct varlena *weir_segment_build(const WeirStoredCell *cells,
										  uint32 ncells);

/*
 * How many of the cells, at least one, make up the next segment.  "*part" is
 * set to the part of the segment after it, NULL if there is none.
 */
extern uint32 weir_segment_cut(const WeirStoredCell *cells, uint32 ncells,
							   struct varlena **part);

/*
 * Positions in a row, as bytes that compare like the cells: just before the
 * first and just after the last cell of a column, of a family if qualifier
 * is NULL.
 */
extern struct varlena *weir_position_before(uint16 family,
											const char *qualifier,
											uint32 qualifier_len);
extern struct varlena *weir_position_after(uint16 family,
										   const char *qualifier,
										   uint32 qualifier_len);

/* the position of one cell */
extern struct varlena *weir_position_of_cell(const WeirStoredCell *cell);

#endif							/* WEIR_SEGMENT_H */
