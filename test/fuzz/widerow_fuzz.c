/*-------------------------------------------------------------------------
 *
 * widerow_fuzz.c
 *	  Fuzzing of weir.widerow: text input, binary input and stored bytes.
 *
 * Whatever the input is, it makes a value or raises one of the errors that
 * are meant for it; and each value survives all its representations unchanged.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "shim.h"
#include "types/widerow.h"
#include "weir.h"

extern Datum weir_widerow_in(PG_FUNCTION_ARGS);
extern Datum weir_widerow_out(PG_FUNCTION_ARGS);
extern Datum weir_widerow_recv(PG_FUNCTION_ARGS);
extern Datum weir_widerow_send(PG_FUNCTION_ARGS);

static Datum
call(PGFunction function, Datum arg)
{
	LOCAL_FCINFO(fcinfo, 1);

	memset(fcinfo, 0, SizeForFunctionCallInfo(1));
	fcinfo->nargs = 1;
	fcinfo->args[0].value = arg;
	return function(fcinfo);
}

static bool
same_varlena(const void *a, const void *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

static bool
same_cell(const WeirCell *a, const WeirCell *b)
{
	return weir_cell_cmp(a, b) == 0 &&
		weir_bytes_cmp(a->value, a->value_len, b->value, b->value_len) == 0;
}

/* All ways to read the row agree. */
static void
check_reading(const WeirRow *row)
{
	uint32		count = weir_row_cell_count(row);
	WeirRowBuilder *builder = weir_row_builder_create();
	WeirRowReader reader;
	WeirRowReader sought;
	WeirCell	cell;
	WeirCell	other;
	uint32		column_first = 0;
	uint32		first;
	uint32		n;
	uint32		i;

	weir_row_reader_init(&reader, row);
	for (i = 0; weir_row_reader_next(&reader, &cell); i++)
	{
		weir_row_get_cell(row, i, &other);
		SHIM_CHECK(same_cell(&cell, &other));
		weir_row_reader_init(&sought, row);
		weir_row_reader_seek(&sought, i);
		SHIM_CHECK(weir_row_reader_next(&sought, &other));
		SHIM_CHECK(same_cell(&cell, &other));
		SHIM_CHECK(sought.starts_column == reader.starts_column);
		SHIM_CHECK(sought.starts_family == reader.starts_family);
		weir_row_builder_add(builder, &cell);

		SHIM_CHECK(weir_row_find_family(row, cell.family, cell.family_len,
										&first, &n));
		SHIM_CHECK(i >= first && i - first < n);
		SHIM_CHECK(reader.starts_family == (i == first));
		SHIM_CHECK(weir_row_find_column(row, cell.family, cell.family_len,
										cell.qualifier, cell.qualifier_len,
										&first, &n));
		SHIM_CHECK(i >= first && i - first < n);
		SHIM_CHECK(reader.starts_column == (i == first));
		if (reader.starts_column)
		{
			bytea	   *value;

			column_first = i;
			SHIM_CHECK(weir_row_newest_value(PointerGetDatum(row),
											 cell.family, cell.family_len,
											 cell.qualifier,
											 cell.qualifier_len, &value));
			SHIM_CHECK(weir_bytes_cmp(VARDATA_ANY(value),
									  VARSIZE_ANY_EXHDR(value),
									  cell.value, cell.value_len) == 0);
		}
		SHIM_CHECK(first == column_first && n == reader.column_cells);
	}
	SHIM_CHECK(i == count);
	SHIM_CHECK(same_varlena(row, weir_row_builder_finish(builder)));
}

/* The row's text and binary forms are read as the same row. */
static void
check_forms(WeirRow *row)
{
	char	   *text = DatumGetCString(call(weir_widerow_out,
											PointerGetDatum(row)));
	bytea	   *sent = DatumGetByteaP(call(weir_widerow_send,
										   PointerGetDatum(row)));
	StringInfoData buf;

	SHIM_CHECK(pg_verify_mbstr(PG_UTF8, text, strlen(text), true));
	SHIM_CHECK(same_varlena(row, DatumGetPointer(call(weir_widerow_in,
													  CStringGetDatum(text)))));
	buf.data = VARDATA(sent);
	buf.len = VARSIZE(sent) - VARHDRSZ;
	buf.maxlen = buf.len;
	buf.cursor = 0;
	SHIM_CHECK(same_varlena(row, DatumGetPointer(call(weir_widerow_recv,
													  PointerGetDatum(&buf)))));
}

static void
check_row(WeirRow *row)
{
	weir_row_check(row);
	check_reading(row);
	check_forms(row);
}

/* The server gives only valid text to input functions. */
static void
fuzz_text(const char *data, size_t size)
{
	char	   *text = pnstrdup(data, size);
	WeirRow    *volatile row = NULL;

	if (!pg_verify_mbstr(PG_UTF8, text, strlen(text), true))
		return;
	SHIM_TRY(row = (WeirRow *) DatumGetPointer(call(weir_widerow_in,
													CStringGetDatum(text))));
	if (row == NULL)
	{
		SHIM_CHECK(shim_raised("22P02 22P05 54000"));
		return;
	}
	SHIM_TRY(check_row(row));
	SHIM_CHECK(*shim_sqlstate == '\0');
}

static void
fuzz_binary(const char *data, size_t size)
{
	WeirRow    *volatile row = NULL;
	StringInfoData buf;
	bytea	   *sent;

	buf.data = memcpy(palloc(size), data, size);
	buf.len = size;
	buf.maxlen = size;
	buf.cursor = 0;
	SHIM_TRY(row = (WeirRow *) DatumGetPointer(call(weir_widerow_recv,
													PointerGetDatum(&buf))));
	if (row == NULL)
	{
		SHIM_CHECK(shim_raised("22P03 54000"));
		return;
	}
	SHIM_TRY(check_row(row));
	SHIM_CHECK(*shim_sqlstate == '\0');
	/* every row has one binary form */
	sent = DatumGetByteaP(call(weir_widerow_send, PointerGetDatum(row)));
	SHIM_CHECK(VARSIZE(sent) - VARHDRSZ == size &&
			   memcmp(VARDATA(sent), data, size) == 0);
}

/* Bytes that are no row, but are found stored as one */
static void
fuzz_stored(const char *data, size_t size)
{
	static const char *const names[] = {"", "a", "f", "g", "q", "r", "fam"};
	WeirRow    *row = palloc(VARHDRSZ + size);
	bytea	   *value;
	int			i;
	int			j;

	SET_VARSIZE(row, VARHDRSZ + size);
	memcpy(VARDATA(row), data, size);

	/* a search does not check the whole */
	for (i = 0; i < lengthof(names); i++)
	{
		for (j = 0; j < lengthof(names); j++)
		{
			SHIM_TRY(weir_row_newest_value(PointerGetDatum(row),
										   names[i], strlen(names[i]),
										   names[j], strlen(names[j]),
										   &value));
			SHIM_CHECK(*shim_sqlstate == '\0' || shim_raised("XX001"));
		}
	}
	SHIM_TRY(weir_row_check(row));
	if (*shim_sqlstate != '\0')
	{
		SHIM_CHECK(shim_raised("XX001"));
		return;
	}
	SHIM_TRY(check_row(row));
	SHIM_CHECK(*shim_sqlstate == '\0');
}

const ShimTarget shim_targets[] = {
	{"text", fuzz_text},
	{"binary", fuzz_binary},
	{"stored", fuzz_stored},
	{0}
};
