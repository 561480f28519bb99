/*-------------------------------------------------------------------------
 *
 * packed_row.c
 *	  Rows as bytes, without a tuple header.
 *
 * Nothing is aligned.  Bytes of a row:
 *
 *		size	meaning								example: (7, 'ab', NULL)
 *		1 for	a bit a column, from the lowest		04
 *		8		on: it is NULL; the rest is zero
 *				of each column that is not, its value:
 *				- numbers of 2, 4 and 8 bytes, passed by value: sign folded,
 *				  as a varint (packing.h)			0e
 *				- other types of fixed length: the bytes, as on disk
 *				- varlena of up to 126 bytes: with a header of one byte, see
 *				  postgres.h						07 61 62
 *				- other varlena: 00, its size with its header as a varint, and
 *				  all its bytes; it may be compressed
 *
 * Floating-point numbers are kept as they are.  What has to be aligned to be
 * read is copied to memory of the packer's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "catalog/pg_type.h"

#include "weir.h"
#include "aggregate/packed_row.h"
#include "aggregate/packing.h"

#define LONG_VARLENA	0

typedef enum ColumnForm
{
	COLUMN_NUMBER,				/* by value, as a varint */
	COLUMN_VALUE,				/* by value, as on disk */
	COLUMN_FIXED,				/* by reference, fixed length, unaligned */
	COLUMN_FIXED_ALIGNED,
	COLUMN_VARLENA,
	COLUMN_LONG_VARLENA			/* never with a short header */
} ColumnForm;

typedef struct PackedColumn
{
	ColumnForm	form;
	int16		length;
} PackedColumn;

struct WeirRowPacker
{
	int			natts;
	int			nbitmap;		/* bytes */
	char	   *copies;			/* of what has to be aligned */
	Size		max_copies;
	MemoryContext context;
	PackedColumn columns[FLEXIBLE_ARRAY_MEMBER];
};

static ColumnForm
form_of(Form_pg_attribute att)
{
	if (att->attbyval)
		return att->attlen > 1 && att->atttypid != FLOAT4OID &&
			att->atttypid != FLOAT8OID ? COLUMN_NUMBER : COLUMN_VALUE;
	if (att->attlen > 0)
		return att->attalign == TYPALIGN_CHAR ? COLUMN_FIXED :
			COLUMN_FIXED_ALIGNED;
	if (att->attlen != -1)
		elog(ERROR, "type %u cannot be packed", att->atttypid);
	/* as in heap tuples */
	return att->attstorage == TYPSTORAGE_PLAIN ? COLUMN_LONG_VARLENA :
		COLUMN_VARLENA;
}

WeirRowPacker *
weir_row_packer(TupleDesc desc)
{
	WeirRowPacker *packer = palloc0(offsetof(WeirRowPacker, columns) +
									sizeof(PackedColumn) * desc->natts);
	int			i;

	packer->natts = desc->natts;
	packer->nbitmap = (desc->natts + 7) / 8;
	packer->context = CurrentMemoryContext;
	for (i = 0; i < desc->natts; i++)
	{
		packer->columns[i].form = form_of(TupleDescAttr(desc, i));
		packer->columns[i].length = TupleDescAttr(desc, i)->attlen;
	}
	return packer;
}

/* ---------- to bytes ---------- */

static inline uint64
folded_number(Datum value, int16 length)
{
	switch (length)
	{
		case 2:
			return weir_fold_sign(DatumGetInt16(value));
		case 4:
			return weir_fold_sign(DatumGetInt32(value));
		default:
			return weir_fold_sign(DatumGetInt64(value));
	}
}

/* Can the value have a header of one byte? */
static inline bool
is_short(ColumnForm form, Pointer value)
{
	return form == COLUMN_VARLENA &&
		(VARATT_IS_SHORT(value) || VARATT_CAN_MAKE_SHORT(value));
}

static Size
value_size(const PackedColumn *column, Datum value)
{
	Pointer		pointer;

	switch (column->form)
	{
		case COLUMN_NUMBER:
			return weir_varint_size(folded_number(value, column->length));
		case COLUMN_VALUE:
		case COLUMN_FIXED:
		case COLUMN_FIXED_ALIGNED:
			return column->length;
		default:
			break;
	}
	pointer = DatumGetPointer(value);
	Assert(!VARATT_IS_EXTERNAL(pointer));
	if (is_short(column->form, pointer))
		return VARHDRSZ_SHORT + VARSIZE_ANY_EXHDR(pointer);
	if (VARATT_IS_SHORT(pointer))	/* of a type that is never so on disk */
		return 1 + weir_varint_size(VARSIZE_SHORT(pointer) - VARHDRSZ_SHORT + VARHDRSZ) +
			VARSIZE_SHORT(pointer) - VARHDRSZ_SHORT + VARHDRSZ;
	return 1 + weir_varint_size(VARSIZE(pointer)) + VARSIZE(pointer);
}

Size
weir_row_size(const WeirRowPacker *packer, const Datum *values,
			  const bool *isnull)
{
	Size		size = packer->nbitmap;
	int			i;

	for (i = 0; i < packer->natts; i++)
	{
		if (!isnull[i])
			size += value_size(&packer->columns[i], values[i]);
	}
	return size;
}

Size
weir_row_max_size(const WeirRowPacker *packer)
{
	Size		size = packer->nbitmap;
	int			i;

	for (i = 0; i < packer->natts; i++)
	{
		const PackedColumn *column = &packer->columns[i];

		if (column->form >= COLUMN_VARLENA)
			return 0;
		size += column->form == COLUMN_NUMBER ? WEIR_VARINT_MAX : column->length;
	}
	return size;
}

static char *
put_varlena(char *to, ColumnForm form, Pointer value)
{
	Size		length = VARSIZE_ANY_EXHDR(value);

	if (is_short(form, value))
	{
		SET_VARSIZE_SHORT(to, length + VARHDRSZ_SHORT);
		memcpy(to + VARHDRSZ_SHORT, VARDATA_ANY(value), length);
		return to + VARHDRSZ_SHORT + length;
	}
	*to++ = LONG_VARLENA;
	if (VARATT_IS_SHORT(value))
	{
		varattrib_4b header;

		SET_VARSIZE(&header, length + VARHDRSZ);
		to = weir_put_varint(to, length + VARHDRSZ);
		memcpy(to, &header, VARHDRSZ);
		memcpy(to + VARHDRSZ, VARDATA_SHORT(value), length);
		return to + VARHDRSZ + length;
	}
	to = weir_put_varint(to, VARSIZE(value));
	memcpy(to, value, VARSIZE(value));
	return to + VARSIZE(value);
}

static char *
put_value(char *to, const PackedColumn *column, Datum value)
{
	char		bytes[sizeof(Datum)];

	switch (column->form)
	{
		case COLUMN_NUMBER:
			return weir_put_varint(to, folded_number(value, column->length));
		case COLUMN_VALUE:
			store_att_byval(bytes, value, column->length);
			memcpy(to, bytes, column->length);
			return to + column->length;
		case COLUMN_FIXED:
		case COLUMN_FIXED_ALIGNED:
			memcpy(to, DatumGetPointer(value), column->length);
			return to + column->length;
		default:
			return put_varlena(to, column->form, DatumGetPointer(value));
	}
}

char *
weir_row_put(const WeirRowPacker *packer, char *to, const Datum *values,
			 const bool *isnull)
{
	char	   *bitmap = to;
	int			i;

	memset(bitmap, 0, packer->nbitmap);
	to += packer->nbitmap;
	for (i = 0; i < packer->natts; i++)
	{
		if (isnull[i])
			bitmap[i / 8] |= 1 << (i % 8);
		else
			to = put_value(to, &packer->columns[i], values[i]);
	}
	return to;
}

/* ---------- from bytes ---------- */

/*
 * An aligned copy of the bytes.  At the first one of a row there is made room
 * for all that can be left of it, with padding, so that none is moved.
 */
static void
copy_value(WeirRowPacker *packer, const char *from, Size length,
		   const char *end, Size *used, Datum *value)
{
	Size		needed = (end - from) + packer->natts * MAXIMUM_ALIGNOF;

	if (*used == 0 && needed > packer->max_copies)
	{
		if (packer->copies != NULL)
			pfree(packer->copies);
		packer->max_copies = Max(needed, 2 * BLCKSZ);
		packer->copies = MemoryContextAllocHuge(packer->context,
												packer->max_copies);
	}
	*value = PointerGetDatum(packer->copies + *used);
	memcpy(packer->copies + *used, from, length);
	*used += MAXALIGN(length);
}

static bool
get_varlena(WeirRowPacker *packer, ColumnForm form, const char **from,
			const char *end, Size *used, Datum *value)
{
	const char *p = *from;
	uint64		size;

	if (p == end)
		return false;
	if (*p != LONG_VARLENA)
	{
		if (form != COLUMN_VARLENA || !VARATT_IS_SHORT(p) ||
			VARATT_IS_EXTERNAL(p) || VARSIZE_SHORT(p) > end - p)
			return false;
		*from = p + VARSIZE_SHORT(p);
		*value = PointerGetDatum(p);
		return true;
	}
	p++;
	if (!weir_get_varint(&p, end, &size) || size < VARHDRSZ ||
		size > (uint64) (end - p))
		return false;
	copy_value(packer, p, (Size) size, end, used, value);
	*from = p + size;
	return VARATT_IS_4B(DatumGetPointer(*value)) &&
		VARSIZE(DatumGetPointer(*value)) == size &&
		(!VARATT_IS_COMPRESSED(DatumGetPointer(*value)) ||
		 size >= VARHDRSZ_COMPRESSED);
}

static inline bool
get_number(const char **from, const char *end, int16 length, Datum *value)
{
	uint64		folded;

	if (!weir_get_varint(from, end, &folded))
		return false;
	switch (length)
	{
		case 2:
			*value = Int16GetDatum((int16) weir_unfold_sign(folded));
			return true;
		case 4:
			*value = Int32GetDatum((int32) weir_unfold_sign(folded));
			return true;
		default:
			*value = Int64GetDatum(weir_unfold_sign(folded));
			return true;
	}
}

/* Lengths known when compiled make these moves, not calls. */
static inline Datum
get_by_value(const char *from, int16 length)
{
	int16		two;
	int32		four;
	Datum		eight;

	switch (length)
	{
		case 1:
			return CharGetDatum(*from);
		case 2:
			memcpy(&two, from, sizeof(two));
			return Int16GetDatum(two);
		case 4:
			memcpy(&four, from, sizeof(four));
			return Int32GetDatum(four);
		default:
			memcpy(&eight, from, sizeof(eight));
			return eight;
	}
}

static inline bool
get_fixed(WeirRowPacker *packer, const PackedColumn *column,
		  const char **from, const char *end, Size *used, Datum *value)
{
	if (column->length > end - *from)
		return false;
	if (column->form == COLUMN_FIXED)
		*value = PointerGetDatum(*from);
	else if (column->form == COLUMN_FIXED_ALIGNED)
		copy_value(packer, *from, column->length, end, used, value);
	else
		*value = get_by_value(*from, column->length);
	*from += column->length;
	return true;
}

bool
weir_row_get(WeirRowPacker *packer, const char **from, const char *end,
			 Datum *values, bool *isnull)
{
	const char *bitmap = *from;
	const char *p = bitmap + packer->nbitmap;
	Size		used = 0;
	int			i;

	if (end - bitmap < packer->nbitmap ||
		(packer->natts % 8 != 0 &&
		 (uint8) bitmap[packer->nbitmap - 1] >> (packer->natts % 8) != 0))
		return false;
	for (i = 0; i < packer->natts; i++)
	{
		const PackedColumn *column = &packer->columns[i];
		bool		found;

		isnull[i] = (bitmap[i / 8] & (1 << (i % 8))) != 0;
		values[i] = (Datum) 0;
		if (isnull[i])
			continue;
		if (column->form == COLUMN_NUMBER)
			found = get_number(&p, end, column->length, &values[i]);
		else if (column->form < COLUMN_VARLENA)
			found = get_fixed(packer, column, &p, end, &used, &values[i]);
		else
			found = get_varlena(packer, column->form, &p, end, &used,
								&values[i]);
		if (!found)
			return false;
	}
	*from = p;
	return true;
}
