/*-------------------------------------------------------------------------
 *
 * packing.h
 *	  Numbers of as few bytes as they need.
 *
 * A varint has seven bits a byte, the lowest first, and the high bit set in
 * all bytes but the last; 64 bits take ten bytes at most.  A signed number is
 * folded to an unsigned one before: 0, -1, 1, -2 ... become 0, 1, 2, 3 ...
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_PACKING_H
#define WEIR_PACKING_H

#define WEIR_VARINT_MAX	10

static inline uint64
weir_fold_sign(int64 value)
{
	return ((uint64) value << 1) ^ (uint64) (value < 0 ? -1 : 0);
}

static inline int64
weir_unfold_sign(uint64 folded)
{
	return (int64) ((folded >> 1) ^ (~(folded & 1) + 1));
}

static inline Size
weir_varint_size(uint64 value)
{
	Size		size = 1;

	while (value >= 0x80)
	{
		value >>= 7;
		size++;
	}
	return size;
}

/* Returns where the next byte goes. */
static inline char *
weir_put_varint(char *to, uint64 value)
{
	while (value >= 0x80)
	{
		*to++ = (char) (value | 0x80);
		value >>= 7;
	}
	*to++ = (char) value;
	return to;
}

/* Advances *from, never beyond end; false if no number is there. */
static inline bool
weir_get_varint(const char **from, const char *end, uint64 *value)
{
	const char *p = *from;
	uint64		result = 0;
	int			shift = 0;

	while (p < end && shift < 64)
	{
		uint8		byte = (uint8) *p++;

		result |= (uint64) (byte & 0x7F) << shift;
		if (byte < 0x80)
		{
			*from = p;
			*value = result;
			return true;
		}
		shift += 7;
	}
	return false;
}

#endif							/* WEIR_PACKING_H */
