/*-------------------------------------------------------------------------
 *
 * key_range.h
 *	  Row keys, and ranges of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_KEY_RANGE_H
#define WEIR_KEY_RANGE_H

#include "types/cell.h"

typedef struct WeirRowKey
{
	const char *bytes;
	uint32		len;
} WeirRowKey;

/* Row keys from lower to upper; bytes NULL: without a bound. */
typedef struct WeirKeyRange
{
	WeirRowKey	lower;
	WeirRowKey	upper;
	bool		lower_open;		/* the bound itself is not included */
	bool		upper_open;
} WeirKeyRange;

static inline int
weir_row_key_cmp(const WeirRowKey *a, const WeirRowKey *b)
{
	return weir_bytes_cmp(a->bytes, a->len, b->bytes, b->len);
}

/* the same for qsort and bsearch */
extern int	weir_row_key_cmp_void(const void *a, const void *b);

/* a value's bytes, detoasted, in the current memory context */
extern WeirRowKey weir_row_key_copy(Datum d);

/* what [prefix, successor) is; points into prefix or the current context */
extern WeirKeyRange weir_key_range_of_prefix(const char *prefix, uint32 len);

/* Cuts a range to what is in both; false if nothing is. */
extern bool weir_key_range_intersect(WeirKeyRange *range,
									 const WeirKeyRange *other);

extern bool weir_key_range_contains(const WeirKeyRange *range, WeirRowKey key);

#endif							/* WEIR_KEY_RANGE_H */
