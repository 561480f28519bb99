/*-------------------------------------------------------------------------
 *
 * runs_format.h
 *	  What runs are made of; for runs_*.c only, and described in runs.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_RUNS_FORMAT_H
#define WEIR_RUNS_FORMAT_H

#include "fmgr.h"
#include "utils/relcache.h"

#include "aggregate/definition.h"
#include "aggregate/runs.h"

#define RUN_FORMAT_VERSION	3

typedef struct RunHeader
{
	uint8		version;
	uint8		server_major;
	uint16		natts;
	uint32		nrows;
	uint32		fingerprint;
	uint32		checksum;		/* last */
} RunHeader;

#define RUN_HEADER_SIZE		sizeof(RunHeader)

/* of the bytes of a chunk, at least a header, but for the checksum in it */
extern uint32 weir_runs_checksum(const char *data, Size size);

/*
 * The directory: of each group of so many rows the hash of the first one and
 * where it begins, counted from the end of the directory.  A chunk of a single
 * group has none.
 */
#define RUN_GROUP_ROWS		16

typedef struct RunGroup
{
	uint32		hash;
	uint32		offset;
} RunGroup;

/* bytes of a group in the directory: the hash, and two for the offset */
#define RUN_GROUP_SIZE		6

static inline uint32
run_directory_groups(uint32 nrows)
{
	return nrows <= RUN_GROUP_ROWS ? 0 :
		(nrows + RUN_GROUP_ROWS - 1) / RUN_GROUP_ROWS;
}

static inline void
run_directory_put(char *directory, uint32 number, uint32 hash, Size offset)
{
	uint16		short_offset = (uint16) offset;

	memcpy(directory + number * RUN_GROUP_SIZE, &hash, sizeof(hash));
	memcpy(directory + number * RUN_GROUP_SIZE + sizeof(hash), &short_offset,
		   sizeof(short_offset));
}

static inline RunGroup
run_directory_get(const char *directory, uint32 number)
{
	RunGroup	group;
	uint16		offset;

	memcpy(&group.hash, directory + number * RUN_GROUP_SIZE, sizeof(group.hash));
	memcpy(&offset, directory + number * RUN_GROUP_SIZE + sizeof(group.hash),
		   sizeof(offset));
	group.offset = offset;
	return group;
}

/* columns of the state table */
enum
{
	Anum_window_end = 1,
	Anum_window_start,
	Anum_level,
	Anum_spread,
	Anum_run,
	Anum_hash_lo,
	Anum_hash_hi,
	Anum_nrows,
	Anum_data,
	Natts_run = Anum_data
};

/* columns of its index */
enum
{
	Anum_index_window_end = 1,
	Anum_index_window_start,
	Anum_index_spread,
	Anum_index_hash_lo,
	Anum_index_hash_hi,
	Natts_index = Anum_index_hash_hi
};

/*
 * Chunks come in classes by the width of their range of hashes: up to 2^17, 2^22,
 * 2^27 and any.  The fewer classes, the fewer places in the index to look at for
 * a hash; the narrower, the fewer chunks in each.
 */
#define RUN_SPREADS			4

/* greatest difference of the hashes in a chunk of the class */
static inline uint32
run_spread_width(int spread)
{
	return PG_UINT32_MAX >> (5 * (RUN_SPREADS - 1 - spread));
}

static inline int
run_spread(uint32 hash_lo, uint32 hash_hi)
{
	int			spread = 0;

	while (hash_hi - hash_lo > run_spread_width(spread))
		spread++;
	return spread;
}

/* keys of a definition, ready to be hashed */
typedef struct WeirKeyHasher
{
	int			nkeys;
	FunctionCallInfo *calls;	/* NULL where there is no hash that lasts */
} WeirKeyHasher;

extern void weir_runs_init_hasher(WeirKeyHasher *hasher,
								  const WeirDefinition *def);
extern uint32 weir_runs_hash_keys(WeirKeyHasher *hasher, const Datum *values,
								  const bool *isnull);

/*
 * Chunks found by the index (runs_index.c).  The tuple lives until the next
 * call; the snapshot is an MVCC one.
 */
typedef struct WeirRunScan WeirRunScan;

/* Of the range, which has a hash: those that may hold it, in no order. */
extern WeirRunScan *weir_run_scan_of_hash(Relation rel,
										  const WeirRunRange *range,
										  Snapshot snapshot);

/* All of the range, by window and by where they begin. */
extern WeirRunScan *weir_run_scan_in_order(Relation rel,
										   const WeirRunRange *range,
										   Snapshot snapshot);
extern HeapTuple weir_run_scan_next(WeirRunScan *scan);
extern void weir_run_scan_end(WeirRunScan *scan);

/* oid of the one index of the state table */
extern Oid	weir_runs_index(Relation rel);

/* A call of a function that is made again and again, of arguments not NULL. */
extern FunctionCallInfo weir_runs_prepare_call(Oid function, int nargs,
											   Oid collation);

/* the columns of state rows that are packed */
extern TupleDesc weir_runs_packed_desc(const WeirDefinition *def);

/* columns in front of a state row that are not packed with it */
static inline int
chunk_columns(const WeirDefinition *def)
{
	return def->is_session ? 0 : def->nwindow;
}

/* A state row that has been packed and is not in a chunk. */
typedef struct PendingRow
{
	Timestamp	window_end;		/* for sessions, none */
	Timestamp	window_start;
	char	   *bytes;
	uint32		size;
	uint32		hash;
} PendingRow;

struct WeirHeldRows
{
	PendingRow *rows;			/* by window and hash */
	int			nrows;
	MemoryContext context;		/* of this and of the bytes */
};

/* signed numbers in the order of the unsigned ones */
static inline int32
hash_position(uint32 hash)
{
	return (int32) (hash ^ 0x80000000U);
}

#endif							/* WEIR_RUNS_FORMAT_H */
