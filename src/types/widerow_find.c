/*-------------------------------------------------------------------------
 *
 * widerow_find.c
 *	  Finding families, columns and newest values in a weir.widerow.
 *
 * A search reads a few entries of the directory and does not check the whole
 * value first, which would cost more than the search; instead it checks the
 * entries that it reads.  So whatever the bytes are, nothing outside them is
 * read; and if they are not a valid row, the search may find nothing or
 * raise DATA_CORRUPTED.
 *
 * weir_row_newest_value works on any datum of the type.  Of a value that is
 * toasted and not compressed it fetches only the directory and the value
 * found.  (Of a compressed one the slices would have to be decompressed from
 * the begin each time, so it is detoasted whole.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"

#include "types/widerow.h"
#include "types/widerow_expanded.h"
#include "types/widerow_layout.h"
#include "weir.h"

/*
 * What is fetched first of a toasted value: the directory of most, and no
 * more than the first chunk (TOAST_MAX_CHUNK_SIZE).
 */
#define FIRST_SLICE_LEN 1900

/* Part of the names, from "begin" to "end" as found in the directory */
static const char *
name_at(const char *data, const WeirRowLayout *layout,
		uint32 begin, uint32 end, Size entry)
{
	if (begin > end || end > layout->names_len)
		weir_row_corrupted("The end of a name is out of range", entry);
	return data + layout->names + begin;
}

/*
 * Binary search among the entries [low, high) of a table whose entries
 * begin with the end of a name; the name of entry 0 begins at "first".
 */
static bool
search_name(const char *data, const WeirRowLayout *layout,
			uint32 table, uint32 first, uint32 low, uint32 high,
			const char *name, size_t name_len, uint32 *index)
{
	StaticAssertStmt(WEIR_ROW_COLUMN_LEN == WEIR_ROW_FAMILY_LEN,
					 "both tables have entries of one size");

	while (low < high)
	{
		uint32		mid = low + (high - low) / 2;
		uint32		at = table + mid * WEIR_ROW_COLUMN_LEN;
		uint32		end = weir_get_uint32(data + at);
		uint32		begin = first;
		int			cmp;

		if (mid > 0)
			begin = weir_get_uint32(data + at - WEIR_ROW_COLUMN_LEN);
		cmp = weir_bytes_cmp(name, name_len,
							 name_at(data, layout, begin, end, at),
							 end - begin);
		if (cmp == 0)
		{
			*index = mid;
			return true;
		}
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

/*
 * What belongs to entry "index" of the table of families or columns: from
 * *begin to before *end, of "count" that there are.
 */
static void
entry_range(const char *data, uint32 table, uint32 index, uint32 count,
			uint32 *begin, uint32 *end)
{
	uint32		at = table + index * WEIR_ROW_COLUMN_LEN + 4;

	*begin = index == 0 ? 0 : weir_get_uint32(data + at - WEIR_ROW_COLUMN_LEN);
	*end = weir_get_uint32(data + at);
	if (*begin >= *end || *end > count)
		weir_row_corrupted("An entry of the directory is out of range", at);
}

/* Sets the range of the family's columns. */
static bool
search_family(const char *data, const WeirRowLayout *layout,
			  const char *family, size_t family_len,
			  uint32 *begin, uint32 *end)
{
	uint32		index;

	if (!search_name(data, layout, layout->families, 0,
					 0, layout->family_count, family, family_len, &index))
		return false;
	entry_range(data, layout->families, index, layout->column_count,
				begin, end);
	return true;
}

/* Sets the range of the column's cells. */
static bool
search_column(const char *data, const WeirRowLayout *layout,
			  const char *family, size_t family_len,
			  const char *qualifier, size_t qualifier_len,
			  uint32 *begin, uint32 *end)
{
	uint32		first_name;
	uint32		index;

	if (!search_family(data, layout, family, family_len, begin, end))
		return false;
	/* there is a family, and its end of name stands before the columns */
	first_name = weir_get_uint32(data + layout->columns - WEIR_ROW_FAMILY_LEN);
	if (!search_name(data, layout, layout->columns, first_name,
					 *begin, *end, qualifier, qualifier_len, &index))
		return false;
	entry_range(data, layout->columns, index, layout->cell_count, begin, end);
	return true;
}

/* Where the value of cell "index" is, from the begin of the row's data. */
static void
locate_value(const char *data, const WeirRowLayout *layout, uint32 index,
			 uint32 *begin, uint32 *end)
{
	uint32		at = layout->cells + index * WEIR_ROW_CELL_LEN + 8;
	uint32		value_begin = 0;
	uint32		value_end = weir_get_uint32(data + at);

	if (index > 0)
		value_begin = weir_get_uint32(data + at - WEIR_ROW_CELL_LEN);
	if (value_begin > value_end || value_end > layout->end - layout->values)
		weir_row_corrupted("The end of a value is out of range", at);
	*begin = layout->values + value_begin;
	*end = layout->values + value_end;
}

static bool
locate_newest(const char *data, const WeirRowLayout *layout,
			  const char *family, size_t family_len,
			  const char *qualifier, size_t qualifier_len,
			  uint32 *begin, uint32 *end)
{
	uint32		cell;
	uint32		cell_end;

	if (!search_column(data, layout, family, family_len,
					   qualifier, qualifier_len, &cell, &cell_end))
		return false;
	locate_value(data, layout, cell, begin, end);
	return true;
}

bool
weir_row_find_family(const WeirRow *row,
					 const char *family, size_t family_len,
					 uint32 *first, uint32 *count)
{
	const char *data = VARDATA(row);
	Size		len = VARSIZE(row) - VARHDRSZ;
	WeirRowLayout layout;
	uint32		begin;
	uint32		end;
	uint32		unused;

	weir_row_read_layout(&layout, data, len, len);
	if (!search_family(data, &layout, family, family_len, &begin, &end))
		return false;
	/* from columns to cells */
	entry_range(data, layout.columns, begin, layout.cell_count,
				first, &unused);
	entry_range(data, layout.columns, end - 1, layout.cell_count,
				&unused, &end);
	if (end < *first)
		weir_row_corrupted("A family's cells are out of range",
						   layout.columns);
	*count = end - *first;
	return true;
}

bool
weir_row_find_column(const WeirRow *row,
					 const char *family, size_t family_len,
					 const char *qualifier, size_t qualifier_len,
					 uint32 *first, uint32 *count)
{
	const char *data = VARDATA(row);
	Size		len = VARSIZE(row) - VARHDRSZ;
	WeirRowLayout layout;
	uint32		end;

	weir_row_read_layout(&layout, data, len, len);
	if (!search_column(data, &layout, family, family_len,
					   qualifier, qualifier_len, first, &end))
		return false;
	*count = end - *first;
	return true;
}

/*
 * The directory of a toasted value, whose bytes after the varlena header are
 * "end": fetched in one slice or, if it is long, two.
 */
static struct varlena *
fetch_directory(Datum d, WeirRowLayout *layout, Size end)
{
	struct varlena *slice = PG_DETOAST_DATUM_SLICE(d, 0, FIRST_SLICE_LEN);
	Size		len = VARSIZE_ANY_EXHDR(slice);

	weir_row_read_layout(layout, VARDATA_ANY(slice), len, end);
	if (len < layout->values)
	{
		pfree(slice);
		slice = PG_DETOAST_DATUM_SLICE(d, 0, layout->values);
		if (VARSIZE_ANY_EXHDR(slice) < layout->values)
			weir_row_corrupted("The directory is longer than the whole", 4);
	}
	return slice;
}

static bool
newest_value_toasted(Datum d, Size end,
					 const char *family, size_t family_len,
					 const char *qualifier, size_t qualifier_len,
					 bytea **value)
{
	WeirRowLayout layout;
	struct varlena *slice = fetch_directory(d, &layout, end);
	uint32		value_begin;
	uint32		value_end;
	bool		found;

	found = locate_newest(VARDATA_ANY(slice), &layout, family, family_len,
						  qualifier, qualifier_len, &value_begin, &value_end);
	pfree(slice);
	if (!found)
		return false;
	*value = PG_DETOAST_DATUM_SLICE(d, value_begin, value_end - value_begin);
	if (VARSIZE_ANY_EXHDR(*value) != value_end - value_begin)
		weir_row_corrupted("A value is missing", value_begin);
	return true;
}

/*
 * The newest value of a column as a new bytea; false if there is no such
 * column.  d is any datum of type weir.widerow.
 */
bool
weir_row_newest_value(Datum d, const char *family, size_t family_len,
					  const char *qualifier, size_t qualifier_len,
					  bytea **value)
{
	WeirExpandedRow *expanded = weir_expanded_row_of_datum(d);
	struct varlena *attr = expanded != NULL ?
		(struct varlena *) weir_expanded_row_flat(expanded) :
		(struct varlena *) DatumGetPointer(d);
	struct varlena *flat;
	WeirRowLayout layout;
	const char *data;
	Size		len;
	uint32		begin;
	uint32		end;
	bool		found;

	if (VARATT_IS_EXTERNAL_ONDISK(attr))
	{
		struct varatt_external toast;

		VARATT_EXTERNAL_GET_POINTER(toast, attr);
		if (!VARATT_EXTERNAL_IS_COMPRESSED(toast))
			return newest_value_toasted(d, toast.va_rawsize - VARHDRSZ,
										family, family_len,
										qualifier, qualifier_len, value);
	}

	flat = PG_DETOAST_DATUM_PACKED(PointerGetDatum(attr));
	data = VARDATA_ANY(flat);
	len = VARSIZE_ANY_EXHDR(flat);
	weir_row_read_layout(&layout, data, len, len);
	found = locate_newest(data, &layout, family, family_len,
						  qualifier, qualifier_len, &begin, &end);
	if (found)
	{
		*value = palloc(VARHDRSZ + end - begin);
		SET_VARSIZE(*value, VARHDRSZ + end - begin);
		memcpy(VARDATA(*value), data + begin, end - begin);
	}
	if (flat != attr)
		pfree(flat);
	return found;
}
