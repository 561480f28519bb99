/*-------------------------------------------------------------------------
 *
 * widerow_cmp.c
 *	  Equality, order and hashing of weir.widerow.
 *
 * Equal rows have equal bytes (widerow.c), so equality and hashing look at
 * the bytes only.  The order is that of the sequences of cells: the first
 * difference decides, by coordinate as cells are ordered within a row and
 * then by value; a row that begins another is less.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "common/hashfn.h"

#include "types/widerow.h"
#include "types/widerow_expanded.h"
#include "weir.h"

PG_FUNCTION_INFO_V1(weir_widerow_eq);
PG_FUNCTION_INFO_V1(weir_widerow_ne);
PG_FUNCTION_INFO_V1(weir_widerow_lt);
PG_FUNCTION_INFO_V1(weir_widerow_le);
PG_FUNCTION_INFO_V1(weir_widerow_ge);
PG_FUNCTION_INFO_V1(weir_widerow_gt);
PG_FUNCTION_INFO_V1(weir_widerow_cmp);
PG_FUNCTION_INFO_V1(weir_widerow_hash);
PG_FUNCTION_INFO_V1(weir_widerow_hash_extended);

static bool
args_equal(FunctionCallInfo fcinfo)
{
	struct varlena *a;
	struct varlena *b;
	bool		equal;

	/* rows of different length differ, and need not be detoasted */
	if (toast_raw_datum_size(PG_GETARG_DATUM(0)) !=
		toast_raw_datum_size(PG_GETARG_DATUM(1)))
		return false;
	a = PG_GETARG_VARLENA_PP(0);
	b = PG_GETARG_VARLENA_PP(1);
	equal = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return equal;
}

static int
row_cmp(const WeirRow *a, const WeirRow *b)
{
	WeirRowReader areader;
	WeirRowReader breader;
	WeirCell	acell;
	WeirCell	bcell;

	weir_row_reader_init(&areader, a);
	weir_row_reader_init(&breader, b);
	for (;;)
	{
		bool		more_a = weir_row_reader_next(&areader, &acell);
		bool		more_b = weir_row_reader_next(&breader, &bcell);
		int			cmp;

		if (!more_a || !more_b)
			return (int) more_a - (int) more_b;
		cmp = weir_cell_cmp(&acell, &bcell);
		if (cmp == 0)
			cmp = weir_bytes_cmp(acell.value, acell.value_len,
								 bcell.value, bcell.value_len);
		if (cmp != 0)
			return cmp < 0 ? -1 : 1;
	}
}

/* The bytes of an expanded row are its own. */
static void
free_if_copy(WeirRow *row, Datum d)
{
	if ((Pointer) row != DatumGetPointer(d) &&
		weir_expanded_row_of_datum(d) == NULL)
		pfree(row);
}

static int
args_cmp(FunctionCallInfo fcinfo)
{
	WeirRow    *a = PG_GETARG_WEIR_ROW(0);
	WeirRow    *b = PG_GETARG_WEIR_ROW(1);
	int			cmp = row_cmp(a, b);

	free_if_copy(a, PG_GETARG_DATUM(0));
	free_if_copy(b, PG_GETARG_DATUM(1));
	return cmp;
}

Datum
weir_widerow_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(args_equal(fcinfo));
}

Datum
weir_widerow_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!args_equal(fcinfo));
}

Datum
weir_widerow_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(args_cmp(fcinfo) < 0);
}

Datum
weir_widerow_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(args_cmp(fcinfo) <= 0);
}

Datum
weir_widerow_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(args_cmp(fcinfo) >= 0);
}

Datum
weir_widerow_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(args_cmp(fcinfo) > 0);
}

Datum
weir_widerow_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(args_cmp(fcinfo));
}

Datum
weir_widerow_hash(PG_FUNCTION_ARGS)
{
	struct varlena *row = PG_GETARG_VARLENA_PP(0);
	Datum		hash = hash_any((unsigned char *) VARDATA_ANY(row),
								VARSIZE_ANY_EXHDR(row));

	PG_FREE_IF_COPY(row, 0);
	return hash;
}

Datum
weir_widerow_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *row = PG_GETARG_VARLENA_PP(0);
	Datum		hash = hash_any_extended((unsigned char *) VARDATA_ANY(row),
										 VARSIZE_ANY_EXHDR(row),
										 PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(row, 0);
	return hash;
}
