/*-------------------------------------------------------------------------
 *
 * delta.c
 *	  The type weir.delta: what one write does to a row.
 *
 * This file knows the bytes only; fold.c gives them their meaning.
 *
 * Bytes after the varlena header, unaligned, integers little-endian:
 *
 *	offset	size	meaning									example
 *	0		1		version of the format					01
 *	1		1		flags: 1, the row is deleted first		00
 *	2		2		number of families deleted				00 00
 *	4		4		number of column tombstones				01 00 00 00
 *	8		4		number of cells							01 00 00 00
 *	12		8		when it was written, usec since 1970	...
 *	20				families, 2 bytes each, ascending
 *					column tombstones: family (2), length of qualifier (2),
 *					from (8), to (8), qualifier; ascending by family,
 *					qualifier and from; those of a column do not touch
 *					cells as in stored.h, in order
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

#define DELTA_VERSION		1
#define DELTA_HEAD_LEN		20
#define DELTA_DELETES_ROW	0x01
#define DELTA_COLUMN_HEAD_LEN	20

static void
delta_corrupted(const WeirDeltaReader *reader)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid delta of a wide table at byte %zu",
					(Size) (reader->next - reader->start))));
}

void
weir_delta_reader_init(WeirDeltaReader *reader, const char *bytes, Size len)
{
	uint8		flags;

	reader->start = reader->next = bytes;
	reader->end = bytes + len;
	if (len < DELTA_HEAD_LEN || bytes[0] != DELTA_VERSION)
		delta_corrupted(reader);
	flags = (uint8) bytes[1];
	if ((flags & ~DELTA_DELETES_ROW) != 0)
		delta_corrupted(reader);
	reader->deletes_row = (flags & DELTA_DELETES_ROW) != 0;
	reader->nfamilies = weir_read_u16(bytes + 2);
	reader->ncolumns = weir_read_u32(bytes + 4);
	reader->ncells = weir_read_u32(bytes + 8);
	reader->at = weir_read_i64(bytes + 12);
	reader->next += DELTA_HEAD_LEN;

	/* So a count can be trusted when memory is allocated for it. */
	if (reader->nfamilies * 2 +
		(uint64) reader->ncolumns * DELTA_COLUMN_HEAD_LEN +
		(uint64) reader->ncells * WEIR_STORED_HEAD_LEN >
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

bool
weir_delta_next_cell(WeirDeltaReader *reader, WeirStoredCell *cell)
{
	const char *next;

	Assert(reader->nfamilies == 0 && reader->ncolumns == 0);
	if (reader->ncells == 0)
		return false;
	next = weir_stored_cell_read(reader->next, reader->end, cell);
	if (next == NULL)
		delta_corrupted(reader);
	reader->next = next;
	reader->ncells--;
	return true;
}

WeirDelta *
weir_delta_build(int64 at, bool deletes_row,
				 const uint16 *families, uint32 nfamilies,
				 const WeirTombstone *columns, uint32 ncolumns,
				 const WeirStoredCell *cells, uint32 ncells)
{
	Size		len = DELTA_HEAD_LEN + (Size) nfamilies * 2;
	char	   *result;
	char	   *p;

	for (uint32 i = 0; i < ncolumns; i++)
		len += DELTA_COLUMN_HEAD_LEN + (Size) columns[i].qualifier_len;
	for (uint32 i = 0; i < ncells; i++)
		len += weir_stored_cell_size(&cells[i]);
	if (len > WEIR_MAX_ROW_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too much is written to one row at once"),
				 errdetail("%zu bytes exceed the limit of %d bytes.",
						   len, WEIR_MAX_ROW_LEN)));

	result = palloc(VARHDRSZ + len);
	SET_VARSIZE(result, VARHDRSZ + len);
	p = result + VARHDRSZ;
	*p++ = DELTA_VERSION;
	*p++ = deletes_row ? DELTA_DELETES_ROW : 0;
	p = weir_write_u16(p, (uint16) nfamilies);
	p = weir_write_u32(p, ncolumns);
	p = weir_write_u32(p, ncells);
	p = weir_write_i64(p, at);
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
		p = weir_stored_cell_write(p, &cells[i]);
	Assert(p == result + VARHDRSZ + len);
	return (WeirDelta *) result;
}

void
weir_delta_set_time(WeirDelta *delta, int64 at)
{
	weir_write_i64((char *) delta + VARHDRSZ + 12, at);
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
