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
	Anum_run,
	Anum_hash_lo,
	Anum_hash_hi,
	Anum_nrows,
	Anum_data,
	Natts_run = Anum_data
};

/* columns of its index: window_end, window_start, hash_lo, hash_hi */
#define Natts_index			4

/* keys of a definition, ready to be hashed */
typedef struct WeirKeyHasher
{
	int			nkeys;
	FmgrInfo   *functions;		/* fn_oid is 0 where the type has no hash */
	Oid		   *collations;
} WeirKeyHasher;

extern void weir_runs_init_hasher(WeirKeyHasher *hasher,
								  const WeirDefinition *def);
extern uint32 weir_runs_hash_keys(WeirKeyHasher *hasher, const Datum *values,
								  const bool *isnull);

/* oid of the one index of the state table */
extern Oid	weir_runs_index(Relation rel);

/* the columns of state rows that are packed */
extern TupleDesc weir_runs_packed_desc(const WeirDefinition *def);

/* columns in front of a state row that are not packed with it */
static inline int
chunk_columns(const WeirDefinition *def)
{
	return def->is_session ? 0 : def->nwindow;
}

/* signed numbers in the order of the unsigned ones */
static inline int32
hash_position(uint32 hash)
{
	return (int32) (hash ^ 0x80000000U);
}

#endif							/* WEIR_RUNS_FORMAT_H */
