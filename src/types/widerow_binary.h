/*-------------------------------------------------------------------------
 *
 * widerow_binary.h
 *	  The binary form of weir.widerow, which clients send and receive.
 *
 * In network byte order, with an example, {"s": {"t": [[1000, "on"]]}}:
 *
 *	size	meaning													example
 *	1		format version, 1										01
 *	4		number of families										1
 *			for each family, in order of their names:
 *	4			length of the name, 1 to 64							1
 *	...			name												"s"
 *	4			number of columns, not 0							1
 *				for each column, in order of the qualifiers:
 *	4				length of the qualifier							1
 *	...				qualifier										"t"
 *	4				number of cells, not 0							1
 *					for each cell, newest first:
 *	8					microseconds since 1970, not negative		1000
 *	4					length of the value							2
 *	...					value										"on"
 *
 * Apart from the first five bytes everything takes as many bytes as in the
 * row itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WIDEROW_BINARY_H
#define WEIR_WIDEROW_BINARY_H

#include "port/pg_bswap.h"

#define WEIR_BINARY_VERSION		1
#define WEIR_BINARY_HEAD_LEN	5

/* Each puts something at p and returns the position after it. */
static inline char *
weir_binary_put_count(char *p, uint32 count)
{
	count = pg_hton32(count);
	memcpy(p, &count, sizeof(count));
	return p + sizeof(count);
}

static inline char *
weir_binary_put_bytes(char *p, const char *bytes, uint32 len)
{
	p = weir_binary_put_count(p, len);
	memcpy(p, bytes, len);
	return p + len;
}

static inline char *
weir_binary_put_cell(char *p, int64 ts, const char *value, uint32 len)
{
	uint64		be = pg_hton64((uint64) ts);

	memcpy(p, &be, sizeof(be));
	return weir_binary_put_bytes(p + sizeof(be), value, len);
}

static inline char *
weir_binary_put_head(char *p, uint32 nfamilies)
{
	*p = WEIR_BINARY_VERSION;
	return weir_binary_put_count(p + 1, nfamilies);
}

#endif							/* WEIR_WIDEROW_BINARY_H */
