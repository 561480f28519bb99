/*-------------------------------------------------------------------------
 *
 * key_range.c
 *	  Row keys, and ranges of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "types/key_range.h"
#include "weir.h"

int
weir_row_key_cmp_void(const void *a, const void *b)
{
	return weir_row_key_cmp(a, b);
}

WeirRowKey
weir_row_key_copy(Datum d)
{
	struct varlena *v = PG_DETOAST_DATUM_COPY(d);
	WeirRowKey	key = {VARDATA(v), VARSIZE(v) - VARHDRSZ};

	return key;
}

WeirKeyRange
weir_key_range_of_prefix(const char *prefix, uint32 len)
{
	WeirKeyRange range = {{NULL, 0}, {NULL, 0}, false, false};
	uint32		upper_len = len;
	char	   *upper;

	range.lower.bytes = prefix;
	range.lower.len = len;

	/* The successor of a prefix of bytes FF has no bound. */
	while (upper_len > 0 && (uint8) prefix[upper_len - 1] == 0xFF)
		upper_len--;
	if (upper_len > 0)
	{
		upper = palloc(upper_len);
		memcpy(upper, prefix, upper_len);
		upper[upper_len - 1]++;
		range.upper.bytes = upper;
		range.upper.len = upper_len;
		range.upper_open = true;
	}
	return range;
}

bool
weir_key_range_intersect(WeirKeyRange *range, const WeirKeyRange *other)
{
	int			c;

	if (other->lower.bytes != NULL)
	{
		c = range->lower.bytes == NULL ? -1 :
			weir_row_key_cmp(&range->lower, &other->lower);
		if (c < 0 || (c == 0 && other->lower_open))
		{
			range->lower = other->lower;
			range->lower_open = other->lower_open;
		}
	}
	if (other->upper.bytes != NULL)
	{
		c = range->upper.bytes == NULL ? 1 :
			weir_row_key_cmp(&range->upper, &other->upper);
		if (c > 0 || (c == 0 && other->upper_open))
		{
			range->upper = other->upper;
			range->upper_open = other->upper_open;
		}
	}
	if (range->lower.bytes == NULL || range->upper.bytes == NULL)
		return true;
	c = weir_row_key_cmp(&range->lower, &range->upper);
	return c < 0 || (c == 0 && !range->lower_open && !range->upper_open);
}

bool
weir_key_range_contains(const WeirKeyRange *range, WeirRowKey key)
{
	int			c;

	if (range->lower.bytes != NULL)
	{
		c = weir_row_key_cmp(&key, &range->lower);
		if (c < 0 || (c == 0 && range->lower_open))
			return false;
	}
	if (range->upper.bytes != NULL)
	{
		c = weir_row_key_cmp(&key, &range->upper);
		if (c > 0 || (c == 0 && range->upper_open))
			return false;
	}
	return true;
}
