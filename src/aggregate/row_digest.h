/*-------------------------------------------------------------------------
 *
 * row_digest.h
 *	  Rows known by their values: digests, and sorting many of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_ROW_DIGEST_H
#define WEIR_ROW_DIGEST_H

#include "executor/tuptable.h"
#include "port/pg_bswap.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "stream/newrows.h"

#define WEIR_DIGEST_SIZE	16

/* A row, by its digest; where it is only if the sort has been told. */
typedef struct WeirDigested
{
	unsigned char digest[WEIR_DIGEST_SIZE];
	Oid			leaf;
	ItemPointerData tid;
} WeirDigested;

/*
 * Rows sorted by digest or, if they are added one by one, by place; spills to
 * disk.  To be ended in the memory context in which it was begun.
 */
typedef struct WeirDigestSort WeirDigestSort;

extern WeirDigestSort *weir_digest_sort_by_place(void);
extern void weir_digest_sort_add(WeirDigestSort *sort, const WeirDigested *row);
extern void weir_digest_sort_perform(WeirDigestSort *sort);

/* The rows of a batch, of the stream rel, that are in these tables (NIL: all). */
extern WeirDigestSort *weir_digest_sort_batch(Relation rel, WeirBatch *batch,
											  List *leaves);

/*
 * The rows that a dump by the present user takes from the tables of the stream
 * rel, under the active snapshot: without their places.
 */
extern WeirDigestSort *weir_digest_sort_dumped(Relation rel, List *leaves);

/* The next row, false at the end. */
extern bool weir_digest_sort_next(WeirDigestSort *sort, WeirDigested *row);
extern int64 weir_digest_sort_rows(const WeirDigestSort *sort);
extern uint64 weir_digest_sort_sum(const WeirDigestSort *sort);
extern void weir_digest_sort_end(WeirDigestSort *sort);

/*
 * Sums of digests are those of their first halves: equal ones tell, so to say, that
 * it is the same rows.
 */
static inline uint64
weir_digest_number(const unsigned char *digest)
{
	uint64		number;

	memcpy(&number, digest, sizeof(number));
	return pg_ntoh64(number);
}

static inline int
weir_digest_cmp(const unsigned char *a, const unsigned char *b)
{
	return memcmp(a, b, WEIR_DIGEST_SIZE);
}

#endif							/* WEIR_ROW_DIGEST_H */
