/*-------------------------------------------------------------------------
 *
 * segment.c
 *	  The type weir.segment: folded cells of a row, and how a row is cut.
 *
 * A folded row is cut into segments.  Each has a "part", the position in the
 * row where it begins; it reaches to where the next one begins, and the part
 * of the first is empty.  So a column is found with one index descent.
 *
 * Bytes of a segment after the varlena header, integers little-endian:
 *
 *	offset	size	meaning									example
 *	0		1		version of the format					01
 *	1		3		zero									00 00 00
 *	4		4		number of cells							02 00 00 00
 *	8				cells as in stored.h, in order, all of them of op SET
 *
 * A position compares, as unsigned bytes, like cells do:
 *
 *	family number			2 bytes, big-endian
 *	qualifier				each byte 00 as 00 FF, and at the end 00 01
 *	timestamp				8 bytes, 2^63 - 1 - timestamp, big-endian
 *
 * As part serves the shortest beginning of the first cell's position that is
 * greater than the position of the cell before it.  If that has more than
 * WEIR_MAX_PART_LEN bytes the row is not cut there, as an index entry holds
 * row key and part.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/memutils.h"

#include "types/segment.h"
#include "weir.h"

#define SEGMENT_VERSION		1
#define SEGMENT_HEAD_LEN	8

void
weir_segment_corrupted(const WeirSegmentReader *reader)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid segment of a wide table at byte %zu",
					(Size) (reader->next - reader->start))));
}

void
weir_segment_reader_init(WeirSegmentReader *reader, const char *bytes, Size len)
{
	reader->start = reader->next = bytes;
	reader->end = bytes + len;
	if (len < SEGMENT_HEAD_LEN || bytes[0] != SEGMENT_VERSION ||
		bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 0)
		weir_segment_corrupted(reader);
	reader->ncells = weir_read_u32(bytes + 4);
	reader->next += SEGMENT_HEAD_LEN;
	if (reader->ncells > (reader->end - reader->next) / WEIR_STORED_HEAD_LEN)
		weir_segment_corrupted(reader);
}

struct varlena *
weir_segment_build(const WeirStoredCell *cells, uint32 ncells)
{
	Size		len = VARHDRSZ + SEGMENT_HEAD_LEN;
	char	   *result;
	char	   *p;

	for (uint32 i = 0; i < ncells; i++)
		len += weir_stored_cell_size(&cells[i]);
	result = palloc(len);
	SET_VARSIZE(result, len);
	p = result + VARHDRSZ;
	p = weir_write_u32(p, SEGMENT_VERSION);
	p = weir_write_u32(p, ncells);
	for (uint32 i = 0; i < ncells; i++)
		p = weir_stored_cell_write(p, &cells[i]);
	Assert(p == result + len);
	return (struct varlena *) result;
}

/* ---- positions ---- */

static void
append_column(StringInfo buf, uint16 family, const char *qualifier,
			  uint32 qualifier_len)
{
	appendStringInfoSpaces(buf, VARHDRSZ);
	appendStringInfoCharMacro(buf, (char) (family >> 8));
	appendStringInfoCharMacro(buf, (char) (family & 0xFF));
	if (qualifier == NULL)
		return;
	for (uint32 i = 0; i < qualifier_len; i++)
	{
		appendStringInfoCharMacro(buf, qualifier[i]);
		if (qualifier[i] == '\0')
			appendStringInfoCharMacro(buf, (char) 0xFF);
	}
	appendStringInfoCharMacro(buf, 0x00);
	appendStringInfoCharMacro(buf, 0x01);
}

static struct varlena *
finish_position(StringInfo buf)
{
	SET_VARSIZE(buf->data, buf->len);
	return (struct varlena *) buf->data;
}

struct varlena *
weir_position_before(uint16 family, const char *qualifier,
					 uint32 qualifier_len)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_column(&buf, family, qualifier, qualifier_len);
	return finish_position(&buf);
}

struct varlena *
weir_position_after(uint16 family, const char *qualifier,
					uint32 qualifier_len)
{
	StringInfoData buf;

	/*
	 * What follows the column begins with a byte below 0x80, as timestamps
	 * are not negative; what follows a family begins with the qualifier, and
	 * the next family number is above that.
	 */
	initStringInfo(&buf);
	if (qualifier == NULL)
	{
		if (family == PG_UINT16_MAX)
		{
			append_column(&buf, family, NULL, 0);
			for (int i = 0; i < WEIR_MAX_PART_LEN; i++)
				appendStringInfoCharMacro(&buf, (char) 0xFF);
		}
		else
			append_column(&buf, family + 1, NULL, 0);
	}
	else
	{
		append_column(&buf, family, qualifier, qualifier_len);
		appendStringInfoCharMacro(&buf, (char) 0xFF);
	}
	return finish_position(&buf);
}

struct varlena *
weir_position_of_cell(const WeirStoredCell *cell)
{
	StringInfoData buf;
	uint64		descending = pg_hton64((uint64) (PG_INT64_MAX - cell->ts));

	initStringInfo(&buf);
	append_column(&buf, cell->family, cell->qualifier, cell->qualifier_len);
	appendBinaryStringInfo(&buf, (char *) &descending, sizeof(descending));
	return finish_position(&buf);
}

/*
 * The part of a segment that begins with cell "first", when "before" is the
 * last cell of the segment before it; NULL if it would be too long.
 */
static struct varlena *
part_between(const WeirStoredCell *before, const WeirStoredCell *first)
{
	struct varlena *a = weir_position_of_cell(before);
	struct varlena *b = weir_position_of_cell(first);
	Size		len = Min(VARSIZE(a), VARSIZE(b));
	Size		common = VARHDRSZ;

	while (common < len && ((char *) a)[common] == ((char *) b)[common])
		common++;
	pfree(a);
	if (common + 1 - VARHDRSZ > WEIR_MAX_PART_LEN)
	{
		pfree(b);
		return NULL;
	}
	Assert(common < VARSIZE(b));
	SET_VARSIZE(b, common + 1);
	return b;
}

uint32
weir_segment_cut(const WeirStoredCell *cells, uint32 ncells,
				 struct varlena **part)
{
	Size		len = 0;

	*part = NULL;
	for (uint32 i = 0; i < ncells; i++)
	{
		len += weir_stored_cell_size(&cells[i]);
		if (i > 0 && len > WEIR_SEGMENT_TARGET_LEN)
		{
			*part = part_between(&cells[i - 1], &cells[i]);
			if (*part != NULL)
				return i;
		}
	}
	return ncells;
}

/* ---- the type ---- */

/* Checks bytes that came from outside. */
static void
check_segment(const char *bytes, Size len, int sqlstate)
{
	WeirSegmentReader reader;
	WeirStoredCell cell;
	WeirStoredCell last = {0};
	bool		valid = len >= SEGMENT_HEAD_LEN && bytes[0] == SEGMENT_VERSION;

	if (valid)
	{
		weir_segment_reader_init(&reader, bytes, len);
		while (valid && weir_segment_next_cell(&reader, &cell))
		{
			valid = weir_stored_cell_is_valid(&cell) &&
				cell.op == WEIR_OP_SET &&
				(last.family == 0 || weir_stored_cell_cmp(&last, &cell) < 0);
			last = cell;
		}
		valid = valid && reader.next == reader.end;
	}
	if (!valid)
		ereport(ERROR,
				(errcode(sqlstate),
				 errmsg("invalid value for type %s", "weir.segment")));
}

PG_FUNCTION_INFO_V1(weir__segment_in);
Datum
weir__segment_in(PG_FUNCTION_ARGS)
{
	Size		len;
	char	   *result = weir_hex_in(PG_GETARG_CSTRING(0), "weir.segment", &len);

	check_segment(result + VARHDRSZ, len, ERRCODE_INVALID_TEXT_REPRESENTATION);
	SET_VARSIZE(result, VARHDRSZ + len);
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(weir__segment_out);
Datum
weir__segment_out(PG_FUNCTION_ARGS)
{
	struct varlena *segment = PG_GETARG_VARLENA_PP(0);
	char	   *result;

	weir_hex_out(VARDATA_ANY(segment), VARSIZE_ANY_EXHDR(segment), &result);
	PG_RETURN_CSTRING(result);
}

PG_FUNCTION_INFO_V1(weir__segment_recv);
Datum
weir__segment_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len = buf->len - buf->cursor;
	char	   *result = palloc(VARHDRSZ + len);

	pq_copymsgbytes(buf, result + VARHDRSZ, len);
	check_segment(result + VARHDRSZ, len,
				  ERRCODE_INVALID_BINARY_REPRESENTATION);
	SET_VARSIZE(result, VARHDRSZ + len);
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(weir__segment_send);
Datum
weir__segment_send(PG_FUNCTION_ARGS)
{
	struct varlena *segment = PG_GETARG_VARLENA_PP(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendbytes(&buf, VARDATA_ANY(segment), VARSIZE_ANY_EXHDR(segment));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
