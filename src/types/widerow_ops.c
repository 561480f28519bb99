/*-------------------------------------------------------------------------
 *
 * widerow_ops.c
 *	  Operators and functions on weir.widerow: look-ups and new rows.
 *
 * Where an argument is a qualifier or a value there is one C function for
 * text and one for bytea; text means its UTF-8 bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "port/pg_bswap.h"
#include "utils/timestamp.h"

#include "types/bytestext.h"
#include "types/widerow.h"
#include "types/widerow_layout.h"
#include "weir.h"

PG_FUNCTION_INFO_V1(weir_value_text);
PG_FUNCTION_INFO_V1(weir_value_bytea);
PG_FUNCTION_INFO_V1(weir_text_value_text);
PG_FUNCTION_INFO_V1(weir_text_value_bytea);
PG_FUNCTION_INFO_V1(weir__text_value_of_column);
PG_FUNCTION_INFO_V1(weir_has_family);
PG_FUNCTION_INFO_V1(weir_cell_count);
PG_FUNCTION_INFO_V1(weir_widerow_text_text);
PG_FUNCTION_INFO_V1(weir_widerow_text_bytea);
PG_FUNCTION_INFO_V1(weir_widerow_text_int8);
PG_FUNCTION_INFO_V1(weir_widerow_bytea_text);
PG_FUNCTION_INFO_V1(weir_widerow_bytea_bytea);
PG_FUNCTION_INFO_V1(weir_widerow_bytea_int8);
PG_FUNCTION_INFO_V1(weir_merge);
PG_FUNCTION_INFO_V1(weir_without_family);
PG_FUNCTION_INFO_V1(weir_latest);
PG_FUNCTION_INFO_V1(weir_as_of);
PG_FUNCTION_INFO_V1(weir_between);
PG_FUNCTION_INFO_V1(weir_int8_value);

/* Some bytes of an argument */
typedef struct Bytes
{
	const char *data;
	size_t		len;
} Bytes;

static Bytes
arg_text(FunctionCallInfo fcinfo, int n)
{
	Bytes		bytes;

	bytes.data = weir_bytes_of_text(PG_GETARG_TEXT_PP(n), &bytes.len);
	return bytes;
}

static Bytes
arg_bytea(FunctionCallInfo fcinfo, int n)
{
	bytea	   *b = PG_GETARG_BYTEA_PP(n);
	Bytes		bytes;

	bytes.data = VARDATA_ANY(b);
	bytes.len = VARSIZE_ANY_EXHDR(b);
	return bytes;
}

/* ----------
 * Look-ups
 * ----------
 */

static bytea *
newest_value(Datum row, Bytes family, Bytes qualifier)
{
	bytea	   *value;

	if (!weir_row_newest_value(row, family.data, family.len,
							   qualifier.data, qualifier.len, &value))
		return NULL;
	return value;
}

static Datum
return_bytea(FunctionCallInfo fcinfo, bytea *value)
{
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(value);
}

static Datum
return_text(FunctionCallInfo fcinfo, bytea *value)
{
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(weir_text_of_bytes(VARDATA_ANY(value),
										VARSIZE_ANY_EXHDR(value)));
}

Datum
weir_value_text(PG_FUNCTION_ARGS)
{
	return return_bytea(fcinfo, newest_value(PG_GETARG_DATUM(0),
											 arg_text(fcinfo, 1),
											 arg_text(fcinfo, 2)));
}

Datum
weir_value_bytea(PG_FUNCTION_ARGS)
{
	return return_bytea(fcinfo, newest_value(PG_GETARG_DATUM(0),
											 arg_text(fcinfo, 1),
											 arg_bytea(fcinfo, 2)));
}

Datum
weir_text_value_text(PG_FUNCTION_ARGS)
{
	return return_text(fcinfo, newest_value(PG_GETARG_DATUM(0),
											arg_text(fcinfo, 1),
											arg_text(fcinfo, 2)));
}

Datum
weir_text_value_bytea(PG_FUNCTION_ARGS)
{
	return return_text(fcinfo, newest_value(PG_GETARG_DATUM(0),
											arg_text(fcinfo, 1),
											arg_bytea(fcinfo, 2)));
}

/* widerow ->> 'family:qualifier'; a family has no colon */
Datum
weir__text_value_of_column(PG_FUNCTION_ARGS)
{
	Bytes		column = arg_text(fcinfo, 1);
	const char *colon = memchr(column.data, ':', column.len);
	Bytes		family;
	Bytes		qualifier;

	if (colon == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column must be given as \"family:qualifier\""),
				 errhint("A whole family is selected by a subscript, as in cells['family'].")));
	family.data = column.data;
	family.len = colon - column.data;
	qualifier.data = colon + 1;
	qualifier.len = column.len - family.len - 1;
	return return_text(fcinfo, newest_value(PG_GETARG_DATUM(0),
											family, qualifier));
}

Datum
weir_has_family(PG_FUNCTION_ARGS)
{
	WeirRow    *row = PG_GETARG_WEIR_ROW(0);
	Bytes		family = arg_text(fcinfo, 1);
	uint32		first;
	uint32		count;

	PG_RETURN_BOOL(weir_row_find_family(row, family.data, family.len,
										&first, &count));
}

/* Reads the head only, so of a toasted value little is fetched. */
Datum
weir_cell_count(PG_FUNCTION_ARGS)
{
	Size		len = toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ;
	struct varlena *head = PG_DETOAST_DATUM_SLICE(PG_GETARG_DATUM(0), 0,
												  WEIR_ROW_HEAD_LEN);
	WeirRowLayout layout;

	weir_row_read_layout(&layout, VARDATA_ANY(head), VARSIZE_ANY_EXHDR(head),
						 len);
	PG_RETURN_INT64(layout.cell_count);
}

/* Eight bytes, big-endian, as counters are stored */
Datum
weir_int8_value(PG_FUNCTION_ARGS)
{
	Bytes		value = arg_bytea(fcinfo, 0);
	uint64		v;

	if (value.len != sizeof(v))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value is not a 64-bit integer"),
				 errdetail("It has %zu bytes instead of 8.", value.len)));
	memcpy(&v, value.data, sizeof(v));
	PG_RETURN_INT64((int64) pg_ntoh64(v));
}

/* ----------
 * Making a row of one cell
 * ----------
 */

static Datum
row_of_cell(FunctionCallInfo fcinfo, Bytes qualifier, Bytes value)
{
	WeirRowBuilder *builder = weir_row_builder_create();
	Bytes		family = arg_text(fcinfo, 0);
	WeirCell	cell;

	/* no datum is so long that 32 bits are too few; the limits come later */
	cell.family = family.data;
	cell.family_len = family.len;
	cell.qualifier = qualifier.data;
	cell.qualifier_len = qualifier.len;
	cell.value = value.data;
	cell.value_len = value.len;
	cell.ts = weir_cell_ts_from_timestamptz(PG_GETARG_TIMESTAMPTZ(3));
	weir_row_builder_add(builder, &cell);
	PG_RETURN_WEIR_ROW(weir_row_builder_finish(builder));
}

static Datum
row_of_counter(FunctionCallInfo fcinfo, Bytes qualifier)
{
	uint64		v = pg_hton64((uint64) PG_GETARG_INT64(2));
	Bytes		value;

	value.data = (const char *) &v;
	value.len = sizeof(v);
	return row_of_cell(fcinfo, qualifier, value);
}

Datum
weir_widerow_text_text(PG_FUNCTION_ARGS)
{
	return row_of_cell(fcinfo, arg_text(fcinfo, 1), arg_text(fcinfo, 2));
}

Datum
weir_widerow_text_bytea(PG_FUNCTION_ARGS)
{
	return row_of_cell(fcinfo, arg_text(fcinfo, 1), arg_bytea(fcinfo, 2));
}

Datum
weir_widerow_text_int8(PG_FUNCTION_ARGS)
{
	return row_of_counter(fcinfo, arg_text(fcinfo, 1));
}

Datum
weir_widerow_bytea_text(PG_FUNCTION_ARGS)
{
	return row_of_cell(fcinfo, arg_bytea(fcinfo, 1), arg_text(fcinfo, 2));
}

Datum
weir_widerow_bytea_bytea(PG_FUNCTION_ARGS)
{
	return row_of_cell(fcinfo, arg_bytea(fcinfo, 1), arg_bytea(fcinfo, 2));
}

Datum
weir_widerow_bytea_int8(PG_FUNCTION_ARGS)
{
	return row_of_counter(fcinfo, arg_bytea(fcinfo, 1));
}

/* ----------
 * Rows out of rows
 * ----------
 */

/* Adds the cells from the reader's place on, up to "count". */
static void
add_cells(WeirRowBuilder *builder, WeirRowReader *reader, uint32 count)
{
	WeirCell	cell;

	while (count-- > 0 && weir_row_reader_next(reader, &cell))
		weir_row_builder_add(builder, &cell);
}

WeirRow *
weir_row_cut_family(const WeirRow *row, const char *family, size_t family_len)
{
	WeirRowBuilder *builder = weir_row_builder_create();
	WeirRowReader reader;
	uint32		first;
	uint32		count;

	if (weir_row_find_family(row, family, family_len, &first, &count))
	{
		weir_row_builder_expect(builder, row);
		weir_row_reader_init(&reader, row);
		weir_row_reader_seek(&reader, first);
		add_cells(builder, &reader, count);
	}
	return weir_row_builder_finish(builder);
}

Datum
weir_without_family(PG_FUNCTION_ARGS)
{
	WeirRow    *row = PG_GETARG_WEIR_ROW(0);
	Bytes		family = arg_text(fcinfo, 1);
	WeirRowBuilder *builder;
	WeirRowReader reader;
	uint32		first;
	uint32		count;

	if (!weir_row_find_family(row, family.data, family.len, &first, &count))
		PG_RETURN_WEIR_ROW(row);
	builder = weir_row_builder_create();
	weir_row_builder_expect(builder, row);
	weir_row_reader_init(&reader, row);
	add_cells(builder, &reader, first);
	weir_row_reader_seek(&reader, first + count);
	add_cells(builder, &reader, reader.cell_count);
	PG_RETURN_WEIR_ROW(weir_row_builder_finish(builder));
}

WeirRow *
weir_row_merge(const WeirRow *a, const WeirRow *b)
{
	WeirRowBuilder *builder = weir_row_builder_create();
	WeirRowReader areader;
	WeirRowReader breader;
	WeirCell	acell;
	WeirCell	bcell;
	bool		more_a;
	bool		more_b;

	weir_row_builder_expect(builder, a);
	weir_row_builder_expect(builder, b);
	weir_row_reader_init(&areader, a);
	weir_row_reader_init(&breader, b);
	more_a = weir_row_reader_next(&areader, &acell);
	more_b = weir_row_reader_next(&breader, &bcell);
	while (more_a && more_b)
	{
		int			cmp = weir_cell_cmp(&acell, &bcell);

		weir_row_builder_add(builder, cmp < 0 ? &acell : &bcell);
		if (cmp <= 0)
			more_a = weir_row_reader_next(&areader, &acell);
		if (cmp >= 0)
			more_b = weir_row_reader_next(&breader, &bcell);
	}
	if (more_a)
		weir_row_builder_add(builder, &acell);
	if (more_b)
		weir_row_builder_add(builder, &bcell);
	add_cells(builder, &areader, areader.cell_count);
	add_cells(builder, &breader, breader.cell_count);
	return weir_row_builder_finish(builder);
}

Datum
weir_merge(PG_FUNCTION_ARGS)
{
	PG_RETURN_WEIR_ROW(weir_row_merge(PG_GETARG_WEIR_ROW(0),
									  PG_GETARG_WEIR_ROW(1)));
}

/* The n newest cells of each column */
Datum
weir_latest(PG_FUNCTION_ARGS)
{
	WeirRow    *row = PG_GETARG_WEIR_ROW(0);
	int32		n = PG_GETARG_INT32(1);
	WeirRowBuilder *builder;
	WeirRowReader reader;
	WeirCell	cell;
	int32		rank = 0;

	if (n < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of versions must be at least 1, not %d", n)));
	builder = weir_row_builder_create();
	weir_row_builder_expect(builder, row);
	weir_row_reader_init(&reader, row);
	while (weir_row_reader_next(&reader, &cell))
	{
		rank = reader.starts_column ? 1 : rank + 1;
		if (rank <= n)
			weir_row_builder_add(builder, &cell);
	}
	PG_RETURN_WEIR_ROW(weir_row_builder_finish(builder));
}

/* In each column the newest cell that is not after the time */
Datum
weir_as_of(PG_FUNCTION_ARGS)
{
	WeirRow    *row = PG_GETARG_WEIR_ROW(0);
	TimestampTz t = PG_GETARG_TIMESTAMPTZ(1);
	WeirRowBuilder *builder = weir_row_builder_create();
	WeirRowReader reader;
	WeirCell	cell;
	bool		found = false;

	weir_row_reader_init(&reader, row);
	while (weir_row_reader_next(&reader, &cell))
	{
		if (reader.starts_column)
			found = false;
		if (!found && weir_cell_ts_to_timestamptz(cell.ts) <= t)
		{
			found = true;
			weir_row_builder_add(builder, &cell);
		}
	}
	PG_RETURN_WEIR_ROW(weir_row_builder_finish(builder));
}

/* The cells in [from, to); a NULL is no bound */
Datum
weir_between(PG_FUNCTION_ARGS)
{
	WeirRow    *row;
	TimestampTz from = PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz to = PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2);
	WeirRowBuilder *builder;
	WeirRowReader reader;
	WeirCell	cell;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	row = PG_GETARG_WEIR_ROW(0);
	builder = weir_row_builder_create();
	weir_row_builder_expect(builder, row);
	weir_row_reader_init(&reader, row);
	while (weir_row_reader_next(&reader, &cell))
	{
		TimestampTz t = weir_cell_ts_to_timestamptz(cell.ts);

		if (t >= from && t < to)
			weir_row_builder_add(builder, &cell);
	}
	PG_RETURN_WEIR_ROW(weir_row_builder_finish(builder));
}
