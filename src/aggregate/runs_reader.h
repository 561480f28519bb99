/*-------------------------------------------------------------------------
 *
 * runs_reader.h
 *	  A reader of state, for runs_read.c and runs_merge.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_RUNS_READER_H
#define WEIR_RUNS_READER_H

#include "access/genam.h"
#include "utils/relcache.h"

#include "aggregate/packed_row.h"
#include "aggregate/runs.h"
#include "aggregate/runs_format.h"

struct WeirRunReader
{
	WeirStateSource source;
	WeirDefinition *def;
	TupleDesc	row_desc;
	WeirRowPacker *packer;
	WeirRunRange range;
	Relation	rel;
	SysScanDesc scan;			/* one of these, the other is NULL */
	WeirRunScan *index_scan;
	bool		is_done;		/* there are no more chunks */
	Snapshot	snapshot;
	MemoryContext context;		/* that of the scan */
	ItemPointerData *tids;		/* chunks read, and their windows' ends */
	Timestamp  *ends;
	int			nread;
	int			max_read;
	ItemPointerData tid;		/* of the current chunk */
	Timestamp	window_end;
	Timestamp	window_start;
	char	   *data;			/* its bytes */
	Size		data_size;
	Size		max_data;
	Size		offset;
	Size		end;			/* offset behind the rows that are read */
	uint32		rows_left;
	const WeirHeldRows *held;	/* rows that are not stored, or NULL */
	int			next_held;		/* the first of the window to come */
	const PendingRow *held_row; /* the next, if the chunk is one of these */
	Datum	   *values;			/* the row that it stands at, in a merge */
	bool	   *isnull;
	uint32		hash;
};

/* Read the chunks again by window, and by where they begin. */
extern void weir_runs_restart_in_order(WeirRunReader *reader);
extern HeapTuple weir_runs_next_tuple(WeirRunReader *reader);

/* Go to the next chunk; false if there is none. */
extern bool weir_runs_next_chunk(WeirRunReader *reader);

/* The same for rows that are held: those of a window are a chunk. */
extern bool weir_runs_next_held(WeirRunReader *reader);

/* The next row of the chunk, which has one (rows_left); sets hash if it is held. */
extern void weir_runs_read_row(WeirRunReader *reader, Datum *values,
							   bool *isnull);

#endif							/* WEIR_RUNS_READER_H */
