/*-------------------------------------------------------------------------
 *
 * stored.h
 *	  The cell as it lies in segments of a wide table, and its order, which is
 *	  that of deltas, too.
 *
 * In storage a family is the number that the wide table gave it, so that a
 * family can be dropped and its name used again without touching a row.
 * Numbers begin at 1 and are never used twice in one table.
 *
 * Bytes of a stored cell, unaligned, integers little-endian:
 *
 *	offset	size	meaning							example
 *	0		2		family number					01 00
 *	2		2		length of the qualifier			04 00
 *	4		4		operation in the upper 4 bits,	02 00 00 00
 *					length of the value below
 *	8		8		timestamp, usec since 1970		00 00 00 00 00 00 00 00
 *	16				qualifier						"temp"
 *					value							"21"
 *
 * The order of stored cells is family number, qualifier (unsigned bytes),
 * timestamp descending.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STORED_H
#define WEIR_STORED_H

#include "port/pg_bswap.h"

#include "types/cell.h"

/* What a cell of a delta does to the cell with its coordinate. */
typedef enum WeirCellOp
{
	WEIR_OP_SET = 0,			/* take its place */
	WEIR_OP_SUM,				/* the others combine, or set where none is */
	WEIR_OP_MIN,
	WEIR_OP_MAX,
	WEIR_OP_HLL
} WeirCellOp;

#define WEIR_OP_LAST	WEIR_OP_HLL

typedef struct WeirStoredCell
{
	const char *qualifier;
	const char *value;
	int64		ts;				/* microseconds since the Unix epoch */
	uint32		value_len;
	uint32		step;			/* used by fold.c; not stored */
	uint16		family;
	uint16		qualifier_len;
	uint8		op;				/* a WeirCellOp; SET in segments */
} WeirStoredCell;

#define WEIR_STORED_HEAD_LEN	16
#define WEIR_STORED_LEN_MASK	((uint32) 0x0FFFFFFF)

#ifdef WORDS_BIGENDIAN
#define weir_le16(x)	pg_bswap16(x)
#define weir_le32(x)	pg_bswap32(x)
#define weir_le64(x)	pg_bswap64(x)
#else
#define weir_le16(x)	(x)
#define weir_le32(x)	(x)
#define weir_le64(x)	(x)
#endif

static inline uint16
weir_read_u16(const char *p)
{
	uint16		v;

	memcpy(&v, p, sizeof(v));
	return weir_le16(v);
}

static inline uint32
weir_read_u32(const char *p)
{
	uint32		v;

	memcpy(&v, p, sizeof(v));
	return weir_le32(v);
}

static inline int64
weir_read_i64(const char *p)
{
	uint64		v;

	memcpy(&v, p, sizeof(v));
	return (int64) weir_le64(v);
}

static inline char *
weir_write_u16(char *p, uint16 v)
{
	v = weir_le16(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline char *
weir_write_u32(char *p, uint32 v)
{
	v = weir_le32(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline char *
weir_write_i64(char *p, int64 i)
{
	uint64		v = weir_le64((uint64) i);

	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline Size
weir_stored_cell_size(const WeirStoredCell *cell)
{
	return WEIR_STORED_HEAD_LEN + (Size) cell->qualifier_len + cell->value_len;
}

/*
 * Reads the cell at p, whose bytes end before end at the latest.  Returns
 * where the next one begins, or NULL if these bytes cannot be a cell.
 */
static inline const char *
weir_stored_cell_read(const char *p, const char *end, WeirStoredCell *cell)
{
	uint32		len_and_op;

	if (end - p < WEIR_STORED_HEAD_LEN)
		return NULL;
	cell->family = weir_read_u16(p);
	cell->qualifier_len = weir_read_u16(p + 2);
	len_and_op = weir_read_u32(p + 4);
	cell->op = len_and_op >> 28;
	cell->value_len = len_and_op & WEIR_STORED_LEN_MASK;
	cell->ts = weir_read_i64(p + 8);
	cell->step = 0;
	p += WEIR_STORED_HEAD_LEN;
	if ((Size) (end - p) < (Size) cell->qualifier_len + cell->value_len)
		return NULL;
	cell->qualifier = p;
	cell->value = p + cell->qualifier_len;
	return cell->value + cell->value_len;
}

/* Are the values of its fields such as may be in a stored cell? */
static inline bool
weir_stored_cell_is_valid(const WeirStoredCell *cell)
{
	return cell->family != 0 &&
		cell->qualifier_len <= WEIR_MAX_QUALIFIER_LEN &&
		cell->value_len <= WEIR_MAX_VALUE_LEN &&
		cell->op <= WEIR_OP_LAST &&
		cell->ts >= 0;
}

/* writes the cell at p and returns the position after it */
extern char *weir_stored_cell_write(char *p, const WeirStoredCell *cell);

/* the order of stored cells; column_cmp leaves out the timestamp */
static inline int
weir_stored_column_cmp(const WeirStoredCell *a, const WeirStoredCell *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return weir_bytes_cmp(a->qualifier, a->qualifier_len,
						  b->qualifier, b->qualifier_len);
}

static inline int
weir_stored_cell_cmp(const WeirStoredCell *a, const WeirStoredCell *b)
{
	int			c = weir_stored_column_cmp(a, b);

	if (c == 0 && a->ts != b->ts)
		c = a->ts > b->ts ? -1 : 1;
	return c;
}

/* for error messages and for input and output of the internal types */
extern void weir_hex_out(const char *bytes, Size len, char **result);
extern char *weir_hex_in(const char *text, const char *type, Size *len);

#endif							/* WEIR_STORED_H */
