/*-------------------------------------------------------------------------
 *
 * delta.c
 *	  The type weir.delta: what one write does to a row.
 *
 * This file knows the bytes only; fold.c gives them their meaning.
 *
 * Bytes after the varlena header, unaligned, integers little-endian; a number
 * has 7 bits in each of its bytes, the lowest first, and the top bit of all but
 * the last byte is set:
 *
 *	offset	size	meaning									example
 *	0		1		version of the format					02
 *	1		1		flags: 1, the row is deleted first; 2,	04
 *					families are; 4, columns are
 *	2		8		when it was written, usec since 1970	...
 *	10				number of families deleted, if any are
 *					number of column tombstones, if there	01
 *					are any
 *					number of cells							01
 *					families, 2 bytes each, ascending
 *					column tombstones: family (2), length of qualifier (2),
 *					from (8), to (8), qualifier; ascending by family,
 *					qualifier and from; those of a column do not touch
 *					cells, in the order of stored.h
 *
 * Most writes set some cells of one family at one time.  So a cell says what of
 * it is the same as of the cell before, and has only the rest:
 *
 *	size	meaning												example
 *	1		operation in the lower 4 bits; 16, the family is	50
 *			the same; 32, and so is the qualifier; 64, the
 *			timestamp is
 *	2		family number
 *	8		timestamp, usec since 1970
 *	number	length of the qualifier, and the qualifier			04 "temp"
 *	number	length of the value, and the value					02 "21"
 *
 * The text form, used by COPY and pg_dump, is hexadecimal.  Input and receive
 * check everything; reading checks whatever memory safety depends on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "types/delta.h"
#include "weir.h"

#define DELTA_VERSION		2
#define DELTA_HEAD_LEN		10
#define DELTA_DELETES_ROW	0x01
#define DELTA_HAS_FAMILIES	0x02
#define DELTA_HAS_COLUMNS	0x04
#define DELTA_ALL_FLAGS		0x07
#define DELTA_TIME_OFFSET	2
#define DELTA_COLUMN_HEAD_LEN	20

/* of a cell */
#define CELL_OP_MASK		0x0F
#define CELL_SAME_FAMILY	0x10
#define CELL_SAME_QUALIFIER	0x20
#define CELL_SAME_TS		0x40
#define CELL_ALL_FLAGS		0x7F
#define CELL_MIN_LEN		2

static void
delta_corrupted(const WeirDeltaReader *reader)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid delta of a wide table at byte %zu",
					(Size) (reader->next - reader->start))));
}

/* ---- numbers ---- */

static Size
number_size(uint32 n)
{
	Size		size = 1;

	for (; n > 0x7F; n >>= 7)
		size++;
	return size;
}

static char *
write_number(char *p, uint32 n)
{
	for (; n > 0x7F; n >>= 7)
		*p++ = (char) (n | 0x80);
	*p++ = (char) n;
	return p;
}

/* The next number of the reader, at most "max". */
static uint32
read_number(WeirDeltaReader *reader, uint32 max)
{
	uint64		n = 0;

	for (int shift = 0; shift < 32; shift += 7)
	{
		uint8		byte;

		if (reader->next == reader->end)
			delta_corrupted(reader);
		byte = (uint8) *reader->next++;
		n |= (uint64) (byte & 0x7F) << shift;
		if (byte <= 0x7F)
		{
			if (n > max)
				delta_corrupted(reader);
			return (uint32) n;
		}
	}
	delta_corrupted(reader);
	return 0;
}

/* ---- reading ---- */

void
weir_delta_reader_init(WeirDeltaReader *reader, const char *bytes, Size len)
{
	uint8		flags;

	reader->start = reader->next = bytes;
	reader->end = bytes + len;
	if (len < DELTA_HEAD_LEN || bytes[0] != DELTA_VERSION)
		delta_corrupted(reader);
	flags = (uint8) bytes[1];
	if ((flags & ~DELTA_ALL_FLAGS) != 0)
		delta_corrupted(reader);
	reader->deletes_row = (flags & DELTA_DELETES_ROW) != 0;
	reader->at = weir_read_i64(bytes + DELTA_TIME_OFFSET);
	reader->next += DELTA_HEAD_LEN;
	reader->nfamilies = reader->ncolumns = 0;
	if ((flags & DELTA_HAS_FAMILIES) != 0)
		reader->nfamilies = read_number(reader, PG_UINT16_MAX);
	if ((flags & DELTA_HAS_COLUMNS) != 0)
		reader->ncolumns = read_number(reader, PG_UINT32_MAX);
	reader->ncells = read_number(reader, PG_UINT32_MAX);
	memset(&reader->last, 0, sizeof(reader->last));

	/* So a count can be trusted when memory is allocated for it. */
	if (reader->nfamilies * 2 +
		(uint64) reader->ncolumns * DELTA_COLUMN_HEAD_LEN +
		(uint64) reader->ncells * CELL_MIN_LEN >
		(uint64) (reader->end - reader->next))
		delta_corrupted(reader);
}

bool
weir_delta_next_family(WeirDeltaReader *reader, uint16 *family)
{
	if (reader->nfamilies == 0)
		return false;
	if (reader->end - reader->next < 2)
		delta_corrupted(reader);
	*family = weir_read_u16(reader->next);
	reader->next += 2;
	reader->nfamilies--;
	return true;
}

bool
weir_delta_next_column(WeirDeltaReader *reader, WeirTombstone *column)
{
	const char *p = reader->next;

	Assert(reader->nfamilies == 0);
	if (reader->ncolumns == 0)
		return false;
	if (reader->end - p < DELTA_COLUMN_HEAD_LEN)
		delta_corrupted(reader);
	column->family = weir_read_u16(p);
	column->qualifier_len = weir_read_u16(p + 2);
	column->from = weir_read_i64(p + 4);
	column->to = weir_read_i64(p + 12);
	column->qualifier = p + DELTA_COLUMN_HEAD_LEN;
	column->step = 0;
	if (reader->end - column->qualifier < column->qualifier_len)
		delta_corrupted(reader);
	reader->next = column->qualifier + column->qualifier_len;
	reader->ncolumns--;
	return true;
}

/* So many bytes of the reader, which moves past them. */
static const char *
read_bytes(WeirDeltaReader *reader, Size len)
{
	const char *bytes = reader->next;

	if (reader->end - bytes < len)
		delta_corrupted(reader);
	reader->next += len;
	return bytes;
}

bool
weir_delta_next_cell(WeirDeltaReader *reader, WeirStoredCell *cell)
{
	WeirStoredCell *last = &reader->last;
	uint8		flags;

	Assert(reader->nfamilies == 0 && reader->ncolumns == 0);
	if (reader->ncells == 0)
		return false;
	flags = (uint8) *read_bytes(reader, 1);
	if ((flags & ~CELL_ALL_FLAGS) != 0 ||
		((flags & ~CELL_OP_MASK) != 0 && last->family == 0) ||
		(flags & (CELL_SAME_FAMILY | CELL_SAME_QUALIFIER)) == CELL_SAME_QUALIFIER)
		delta_corrupted(reader);
	last->op = flags & CELL_OP_MASK;
	if ((flags & CELL_SAME_FAMILY) == 0)
		last->family = weir_read_u16(read_bytes(reader, sizeof(uint16)));
	if ((flags & CELL_SAME_TS) == 0)
		last->ts = weir_read_i64(read_bytes(reader, sizeof(int64)));
	if ((flags & CELL_SAME_QUALIFIER) == 0)
	{
		last->qualifier_len = (uint16) read_number(reader, WEIR_MAX_QUALIFIER_LEN);
		last->qualifier = read_bytes(reader, last->qualifier_len);
	}
	last->value_len = read_number(reader, WEIR_MAX_VALUE_LEN);
	last->value = read_bytes(reader, last->value_len);
	*cell = *last;
	reader->ncells--;
	return true;
}

/* ---- building ---- */

/* What of the cell is the same as of the one before, which may be NULL. */
static uint8
flags_of_cell(const WeirStoredCell *last, const WeirStoredCell *cell)
{
	uint8		flags = 0;

	if (last == NULL)
		return 0;
	if (last->ts == cell->ts)
		flags |= CELL_SAME_TS;
	if (last->family != cell->family)
		return flags;
	flags |= CELL_SAME_FAMILY;
	if (last->qualifier_len == cell->qualifier_len &&
		memcmp(last->qualifier, cell->qualifier, cell->qualifier_len) == 0)
		flags |= CELL_SAME_QUALIFIER;
	return flags;
}

static Size
cell_size(const WeirStoredCell *last, const WeirStoredCell *cell)
{
	uint8		flags = flags_of_cell(last, cell);
	Size		size = 1 + number_size(cell->value_len) + cell->value_len;

	if ((flags & CELL_SAME_FAMILY) == 0)
		size += sizeof(uint16);
	if ((flags & CELL_SAME_TS) == 0)
		size += sizeof(int64);
	if ((flags & CELL_SAME_QUALIFIER) == 0)
		size += number_size(cell->qualifier_len) + cell->qualifier_len;
	return size;
}

static char *
write_cell(char *p, const WeirStoredCell *last, const WeirStoredCell *cell)
{
	uint8		flags = flags_of_cell(last, cell);

	*p++ = (char) (flags | cell->op);
	if ((flags & CELL_SAME_FAMILY) == 0)
		p = weir_write_u16(p, cell->family);
	if ((flags & CELL_SAME_TS) == 0)
		p = weir_write_i64(p, cell->ts);
	if ((flags & CELL_SAME_QUALIFIER) == 0)
	{
		p = write_number(p, cell->qualifier_len);
		memcpy(p, cell->qualifier, cell->qualifier_len);
		p += cell->qualifier_len;
	}
	p = write_number(p, cell->value_len);
	memcpy(p, cell->value, cell->value_len);
	return p + cell->value_len;
}

static Size
delta_size(const WeirTombstone *columns, uint32 ncolumns, uint32 nfamilies,
		   const WeirStoredCell *cells, uint32 ncells)
{
	Size		len = DELTA_HEAD_LEN + number_size(ncells);

	if (nfamilies > 0)
		len += number_size(nfamilies) + (Size) nfamilies * sizeof(uint16);
	if (ncolumns > 0)
		len += number_size(ncolumns);
	for (uint32 i = 0; i < ncolumns; i++)
		len += DELTA_COLUMN_HEAD_LEN + (Size) columns[i].qualifier_len;
	for (uint32 i = 0; i < ncells; i++)
		len += cell_size(i > 0 ? &cells[i - 1] : NULL, &cells[i]);
	return len;
}

WeirDelta *
weir_delta_build(int64 at, bool deletes_row,
				 const uint16 *families, uint32 nfamilies,
				 const WeirTombstone *columns, uint32 ncolumns,
				 const WeirStoredCell *cells, uint32 ncells)
{
	Size		len = delta_size(columns, ncolumns, nfamilies, cells, ncells);
	uint8		flags = deletes_row ? DELTA_DELETES_ROW : 0;
	char	   *result;
	char	   *p;

	if (len > WEIR_MAX_ROW_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too much is written to one row at once"),
				 errdetail("%zu bytes exceed the limit of %d bytes.",
						   len, WEIR_MAX_ROW_LEN)));

	result = palloc(VARHDRSZ + len);
	SET_VARSIZE(result, VARHDRSZ + len);
	p = result + VARHDRSZ;
	if (nfamilies > 0)
		flags |= DELTA_HAS_FAMILIES;
	if (ncolumns > 0)
		flags |= DELTA_HAS_COLUMNS;
	*p++ = DELTA_VERSION;
	*p++ = (char) flags;
	p = weir_write_i64(p, at);
	if (nfamilies > 0)
		p = write_number(p, nfamilies);
	if (ncolumns > 0)
		p = write_number(p, ncolumns);
	p = write_number(p, ncells);
	for (uint32 i = 0; i < nfamilies; i++)
		p = weir_write_u16(p, families[i]);
	for (uint32 i = 0; i < ncolumns; i++)
	{
		p = weir_write_u16(p, columns[i].family);
		p = weir_write_u16(p, columns[i].qualifier_len);
		p = weir_write_i64(p, columns[i].from);
		p = weir_write_i64(p, columns[i].to);
		memcpy(p, columns[i].qualifier, columns[i].qualifier_len);
		p += columns[i].qualifier_len;
	}
	for (uint32 i = 0; i < ncells; i++)
		p = write_cell(p, i > 0 ? &cells[i - 1] : NULL, &cells[i]);
	Assert(p == result + VARHDRSZ + len);
	return (WeirDelta *) result;
}

void
weir_delta_set_time(WeirDelta *delta, int64 at)
{
	weir_write_i64((char *) delta + VARHDRSZ + DELTA_TIME_OFFSET, at);
}

/* Is b allowed to follow a in the list of column tombstones? */
static bool
tombstones_are_in_order(const WeirTombstone *a, const WeirTombstone *b)
{
	int			c;

	if (a->family != b->family)
		return a->family < b->family;
	c = weir_bytes_cmp(a->qualifier, a->qualifier_len,
					   b->qualifier, b->qualifier_len);
	return c < 0 || (c == 0 && a->to < b->from);
}

/* Everything that the comment at the top says about the bytes. */
static bool
delta_is_valid(WeirDeltaReader *reader)
{
	uint16		family;
	uint16		last_family = 0;
	WeirTombstone column;
	WeirTombstone last_column = {0};
	WeirStoredCell cell;
	WeirStoredCell last_cell = {0};

	while (weir_delta_next_family(reader, &family))
	{
		if (family <= last_family)
			return false;
		last_family = family;
	}
	while (weir_delta_next_column(reader, &column))
	{
		if (column.family == 0 || column.from < 0 ||
			weir_ts_range_is_empty(column.from, column.to) ||
			column.qualifier_len > WEIR_MAX_QUALIFIER_LEN ||
			(last_column.family != 0 &&
			 !tombstones_are_in_order(&last_column, &column)))
			return false;
		last_column = column;
	}
	while (weir_delta_next_cell(reader, &cell))
	{
		if (!weir_stored_cell_is_valid(&cell) ||
			(last_cell.family != 0 &&
			 weir_stored_cell_cmp(&last_cell, &cell) >= 0))
			return false;
		last_cell = cell;
	}
	return reader->next == reader->end;
}

/* Checks bytes that came from outside. */
static void
check_delta(const char *bytes, Size len, int sqlstate)
{
	WeirDeltaReader reader;
	bool		valid = false;

	if (len >= DELTA_HEAD_LEN && bytes[0] == DELTA_VERSION)
	{
		weir_delta_reader_init(&reader, bytes, len);
		valid = delta_is_valid(&reader);
	}
	if (!valid)
		ereport(ERROR,
				(errcode(sqlstate),
				 errmsg("invalid value for type %s", "weir.delta")));
}

PG_FUNCTION_INFO_V1(weir__delta_in);
Datum
weir__delta_in(PG_FUNCTION_ARGS)
{
	Size		len;
	char	   *result = weir_hex_in(PG_GETARG_CSTRING(0), "weir.delta", &len);

	check_delta(result + VARHDRSZ, len, ERRCODE_INVALID_TEXT_REPRESENTATION);
	SET_VARSIZE(result, VARHDRSZ + len);
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(weir__delta_out);
Datum
weir__delta_out(PG_FUNCTION_ARGS)
{
	struct varlena *delta = PG_GETARG_VARLENA_PP(0);
	char	   *result;

	weir_hex_out(VARDATA_ANY(delta), VARSIZE_ANY_EXHDR(delta), &result);
	PG_RETURN_CSTRING(result);
}

PG_FUNCTION_INFO_V1(weir__delta_recv);
Datum
weir__delta_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len = buf->len - buf->cursor;
	char	   *result = palloc(VARHDRSZ + len);

	pq_copymsgbytes(buf, result + VARHDRSZ, len);
	check_delta(result + VARHDRSZ, len, ERRCODE_INVALID_BINARY_REPRESENTATION);
	SET_VARSIZE(result, VARHDRSZ + len);
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(weir__delta_send);
Datum
weir__delta_send(PG_FUNCTION_ARGS)
{
	struct varlena *delta = PG_GETARG_VARLENA_PP(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, VARDATA_ANY(delta), VARSIZE_ANY_EXHDR(delta));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
