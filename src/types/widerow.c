/*-------------------------------------------------------------------------
 *
 * widerow.c
 *	  The bytes of weir.widerow: format, check, builder and reader.
 *
 * A wide row is a sorted set of cells (cell.h).  The value is a directory
 * followed by the values of the cells, so that a lookup reads the directory
 * and one value, and of a toasted value only these slices.  Four-byte
 * numbers are unsigned, all numbers are in the byte order of the machine and
 * not necessarily aligned.  After the varlena header, with F families, C
 * columns (distinct family and qualifier) and N cells:
 *
 *	offset	size	meaning											example
 *	0		1		format version, 1								01
 *	1		3		reserved, zero									00 00 00
 *	4		4		F												1
 *	8		4		C												1
 *	12		4		N												2
 *	16		4		L, length of the names							2
 *	20		8*F		families: end of the name within the names (4),
 *					number of columns up to and including it (4)	1, 1
 *	...		8*C		columns: end of the qualifier within the names
 *					(4), number of cells up to and including it (4)	2, 2
 *	...		12*N	cells: timestamp (8, signed), end of the value
 *					within the values (4)							1000, 2
 *																	5, 2
 *	...		L		names: those of the families, then all
 *					qualifiers, without anything between			"st"
 *	...		rest	values, without anything between				"on"
 *
 * The example is {"s": {"t": [[1000, "on"], [5, ""]]}}, 64 bytes.  Where an
 * entry's name, columns, cells or value begin is where those of the entry
 * before end; the first qualifier begins where the last family name ends.
 *
 * Invariants, verified by weir_row_check:
 *
 *	1. Families ascend strictly, are named as cell.h demands and have at
 *	   least one column.
 *	2. Qualifiers ascend strictly within their family and are within the
 *	   limit; a column has at least one cell.
 *	3. Timestamps descend strictly within their column and are not negative;
 *	   values are within the limit.
 *	4. Every byte is accounted for, and the reserved ones are zero.  So equal
 *	   rows have equal bytes, which equality and hashing rely on.
 *
 * Not here: finding (widerow_find.c), text and binary forms (widerow_io.c),
 * comparing and everything else that SQL sees.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "types/widerow.h"
#include "types/widerow_expanded.h"
#include "types/widerow_layout.h"
#include "weir.h"

struct WeirRow
{
	int32		vl_len_;		/* varlena header, do not touch directly */
	char		data[FLEXIBLE_ARRAY_MEMBER];
};

/* One section of a row that is being built. */
typedef struct Section
{
	char	   *data;
	Size		len;
	Size		capacity;
	Size		expected;		/* length that is expected */
} Section;

/* no more is allocated in advance, in bytes */
#define MAX_EXPECTED	(64 * 1024)

struct WeirRowBuilder
{
	MemoryContext context;
	Section		families;
	Section		columns;
	Section		cells;
	Section		family_names;
	Section		qualifiers;
	Section		values;
	uint32		column_count;
	uint32		cell_count;
	int64		last_ts;
	uint32		last_family_len;	/* of the last name in family_names */
	uint32		last_qualifier_len; /* of the last one in qualifiers */
};

/* ----------
 * Check
 * ----------
 */

/* The position counts from the first byte after the varlena header. */
void
weir_row_corrupted(const char *what, Size position)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stored value of type %s is corrupted", "weir.widerow"),
			 errdetail("%s, at byte %zu.", what, position)));
}

/*
 * "available" bytes from "head" on can be read, of a value with "end" bytes.
 * On return the sections fit in those.  Nothing else is known to be right.
 */
void
weir_row_read_layout(WeirRowLayout *layout, const char *head,
					 Size available, Size end)
{
	uint64		values;

	if (available < WEIR_ROW_HEAD_LEN)
		weir_row_corrupted("It is shorter than its head", available);
	if (end > WEIR_MAX_ROW_DATA_LEN)
		weir_row_corrupted("It is longer than a row may be", end);
	if (head[0] != WEIR_ROW_VERSION)
		weir_row_corrupted("The format version is not one that is known", 0);
	if (head[1] != 0 || head[2] != 0 || head[3] != 0)
		weir_row_corrupted("A reserved byte is not zero", 1);
	layout->family_count = weir_get_uint32(head + 4);
	layout->column_count = weir_get_uint32(head + 8);
	layout->cell_count = weir_get_uint32(head + 12);
	layout->names_len = weir_get_uint32(head + 16);

	values = WEIR_ROW_HEAD_LEN +
		(uint64) layout->family_count * WEIR_ROW_FAMILY_LEN +
		(uint64) layout->column_count * WEIR_ROW_COLUMN_LEN +
		(uint64) layout->cell_count * WEIR_ROW_CELL_LEN +
		layout->names_len;
	if (values > end)
		weir_row_corrupted("The directory is longer than the whole", 4);

	/* the sum is within the limit, so everything fits in 32 bits */
	layout->families = WEIR_ROW_HEAD_LEN;
	layout->columns = layout->families +
		layout->family_count * WEIR_ROW_FAMILY_LEN;
	layout->cells = layout->columns +
		layout->column_count * WEIR_ROW_COLUMN_LEN;
	layout->names = layout->cells + layout->cell_count * WEIR_ROW_CELL_LEN;
	layout->values = (uint32) values;
	layout->end = (uint32) end;
}

/* Invariants 1 and 4 of the table of families */
static void
check_families(const char *data, const WeirRowLayout *layout)
{
	const char *names = data + layout->names;
	const char *last = NULL;
	uint32		last_len = 0;
	uint32		begin = 0;
	uint32		first_column = 0;
	uint32		i;

	for (i = 0; i < layout->family_count; i++)
	{
		uint32		at = layout->families + i * WEIR_ROW_FAMILY_LEN;
		uint32		end = weir_get_uint32(data + at);
		uint32		column_end = weir_get_uint32(data + at + 4);

		if (end < begin || end > layout->names_len)
			weir_row_corrupted("The end of a family name is out of range", at);
		if (end - begin > WEIR_MAX_FAMILY_LEN ||
			!weir_family_is_name(names + begin, end - begin))
			weir_row_corrupted("A family name is not valid",
							   layout->names + begin);
		if (last != NULL &&
			weir_bytes_cmp(last, last_len, names + begin, end - begin) >= 0)
			weir_row_corrupted("Families are out of order", at);
		if (column_end <= first_column || column_end > layout->column_count)
			weir_row_corrupted("A family's number of columns is out of range",
							   at + 4);
		last = names + begin;
		last_len = end - begin;
		begin = end;
		first_column = column_end;
	}
	if (first_column != layout->column_count)
		weir_row_corrupted("A column has no family", 8);
}

/* Invariants 2 and 4 of the table of columns; the families are right */
static void
check_columns(const char *data, const WeirRowLayout *layout)
{
	const char *names = data + layout->names;
	uint32		family = 0;
	uint32		family_end = 0;
	uint32		last_len = 0;
	uint32		begin = 0;
	uint32		first_cell = 0;
	uint32		i;

	if (layout->family_count > 0)
		begin = weir_get_uint32(data + layout->columns - WEIR_ROW_FAMILY_LEN);
	for (i = 0; i < layout->column_count; i++)
	{
		uint32		at = layout->columns + i * WEIR_ROW_COLUMN_LEN;
		uint32		end = weir_get_uint32(data + at);
		uint32		cell_end = weir_get_uint32(data + at + 4);
		bool		starts_family = (i == family_end);

		if (starts_family)
			family_end = weir_get_uint32(data + layout->families +
										 family++ * WEIR_ROW_FAMILY_LEN + 4);
		if (end < begin || end > layout->names_len)
			weir_row_corrupted("The end of a qualifier is out of range", at);
		if (end - begin > WEIR_MAX_QUALIFIER_LEN)
			weir_row_corrupted("A qualifier is too long", at);
		if (!starts_family &&
			weir_bytes_cmp(names + begin - last_len, last_len,
						   names + begin, end - begin) >= 0)
			weir_row_corrupted("Qualifiers are out of order", at);
		if (cell_end <= first_cell || cell_end > layout->cell_count)
			weir_row_corrupted("A column's number of cells is out of range",
							   at + 4);
		last_len = end - begin;
		begin = end;
		first_cell = cell_end;
	}
	if (first_cell != layout->cell_count)
		weir_row_corrupted("A cell has no column", 12);
	if (begin != layout->names_len)
		weir_row_corrupted("A byte of the names is not used", 16);
}

/* Invariants 3 and 4 of the table of cells; the columns are right */
static void
check_cells(const char *data, const WeirRowLayout *layout)
{
	const char *column = data + layout->columns;
	uint32		values_len = layout->end - layout->values;
	uint32		column_end = 0;
	int64		last_ts = 0;
	uint32		begin = 0;
	uint32		i;

	for (i = 0; i < layout->cell_count; i++)
	{
		uint32		at = layout->cells + i * WEIR_ROW_CELL_LEN;
		int64		ts = weir_get_int64(data + at);
		uint32		end = weir_get_uint32(data + at + 8);

		if (ts < 0)
			weir_row_corrupted("A timestamp is negative", at);
		if (i == column_end)
		{
			column_end = weir_get_uint32(column + 4);
			column += WEIR_ROW_COLUMN_LEN;
		}
		else if (ts >= last_ts)
			weir_row_corrupted("Timestamps are out of order", at);
		if (end < begin || end > values_len)
			weir_row_corrupted("The end of a value is out of range", at + 8);
		if (end - begin > WEIR_MAX_VALUE_LEN)
			weir_row_corrupted("A value is too long", at + 8);
		last_ts = ts;
		begin = end;
	}
	if (begin != values_len)
		weir_row_corrupted("A byte of the values is not used",
						   layout->values + begin);
}

void
weir_row_check(const WeirRow *row)
{
	Size		len = VARSIZE(row) - VARHDRSZ;
	WeirRowLayout layout;

	weir_row_read_layout(&layout, row->data, len, len);
	check_families(row->data, &layout);
	check_columns(row->data, &layout);
	check_cells(row->data, &layout);
}

WeirRow *
weir_row_from_datum(Datum d)
{
	WeirExpandedRow *expanded = weir_expanded_row_of_datum(d);
	WeirRow    *row;

	if (expanded != NULL)
		return weir_expanded_row_flat(expanded);
	row = (WeirRow *) PG_DETOAST_DATUM(d);
	weir_row_check(row);
	return row;
}

/* ----------
 * Builder
 * ----------
 */

/* Makes room for "len" more bytes and counts them as used. */
static char *
section_extend(WeirRowBuilder *builder, Section *section, Size len)
{
	char	   *place;

	if (section->capacity - section->len < len)
	{
		/* no overflow: neither is longer than a row may be */
		Size		capacity = section->len + len + len / 2 + 64;

		capacity = Max(capacity, section->capacity * 2);
		capacity = Max(capacity, Min(section->expected, MAX_EXPECTED));

		if (section->data == NULL)
			section->data = MemoryContextAlloc(builder->context, capacity);
		else
			section->data = repalloc(section->data, capacity);
		section->capacity = capacity;
	}
	place = section->data + section->len;
	section->len += len;
	return place;
}

static void
section_append(WeirRowBuilder *builder, Section *section,
			   const char *bytes, Size len)
{
	if (len > 0)
		memcpy(section_extend(builder, section, len), bytes, len);
}

/* The ends in the sections count from the section's begin (so far). */
static void
section_append_pair(WeirRowBuilder *builder, Section *section,
					uint32 a, uint32 b)
{
	uint32		pair[2];

	pair[0] = a;
	pair[1] = b;
	section_append(builder, section, (const char *) pair, sizeof(pair));
}

/* Moves the section's bytes to p, and returns where they end. */
static char *
section_move(Section *section, char *p)
{
	if (section->data == NULL)
		return p;
	memcpy(p, section->data, section->len);
	p += section->len;
	pfree(section->data);
	return p;
}

static Size
builder_len(const WeirRowBuilder *builder)
{
	return WEIR_ROW_HEAD_LEN + builder->families.len + builder->columns.len +
		builder->cells.len + builder->family_names.len +
		builder->qualifiers.len + builder->values.len;
}

WeirRowBuilder *
weir_row_builder_create(void)
{
	WeirRowBuilder *builder = palloc0(sizeof(WeirRowBuilder));

	builder->context = CurrentMemoryContext;
	return builder;
}

void
weir_row_builder_expect(WeirRowBuilder *builder, const WeirRow *row)
{
	Size		len = VARSIZE(row) - VARHDRSZ;
	WeirRowLayout layout;

	weir_row_read_layout(&layout, row->data, len, len);
	builder->families.expected += layout.columns - layout.families;
	builder->columns.expected += layout.cells - layout.columns;
	builder->cells.expected += layout.names - layout.cells;
	builder->qualifiers.expected += layout.names_len;
	builder->values.expected += layout.end - layout.values;
}

/* Compares with the cell added last, which there is. */
static int
cmp_last_family(const WeirRowBuilder *builder, const WeirCell *cell)
{
	const Section *names = &builder->family_names;

	return weir_bytes_cmp(names->data + names->len - builder->last_family_len,
						  builder->last_family_len,
						  cell->family, cell->family_len);
}

static int
cmp_last_qualifier(const WeirRowBuilder *builder, const WeirCell *cell)
{
	const Section *names = &builder->qualifiers;

	if (builder->last_qualifier_len == 0)
		return cell->qualifier_len == 0 ? 0 : -1;
	return weir_bytes_cmp(names->data + names->len - builder->last_qualifier_len,
						  builder->last_qualifier_len,
						  cell->qualifier, cell->qualifier_len);
}

/*
 * Adds a cell whose family, if "new_family", and whose column, if
 * "new_column", are not those of the cell before.
 */
static void
builder_append(WeirRowBuilder *builder, const WeirCell *cell,
			   bool new_family, bool new_column)
{
	char	   *place;
	uint32		end;

	if (new_family)
	{
		section_append(builder, &builder->family_names,
					   cell->family, cell->family_len);
		section_append_pair(builder, &builder->families,
							builder->family_names.len, 0);
		builder->last_family_len = cell->family_len;
	}
	if (new_column)
	{
		builder->column_count++;
		section_append(builder, &builder->qualifiers,
					   cell->qualifier, cell->qualifier_len);
		section_append_pair(builder, &builder->columns,
							builder->qualifiers.len, 0);
		builder->last_qualifier_len = cell->qualifier_len;
	}
	builder->cell_count++;
	section_append(builder, &builder->values, cell->value, cell->value_len);
	place = section_extend(builder, &builder->cells, WEIR_ROW_CELL_LEN);
	end = builder->values.len;
	memcpy(place, &cell->ts, sizeof(cell->ts));
	memcpy(place + 8, &end, sizeof(end));
	builder->last_ts = cell->ts;

	/* the current family and column now reach to here */
	memcpy(builder->families.data + builder->families.len - 4,
		   &builder->column_count, sizeof(uint32));
	memcpy(builder->columns.data + builder->columns.len - 4,
		   &builder->cell_count, sizeof(uint32));
}

bool
weir_row_builder_try_add(WeirRowBuilder *builder, const WeirCell *cell)
{
	bool		new_family = true;
	bool		new_column = true;
	Size		len;

	if (builder->cell_count > 0)
	{
		int			cmp = cmp_last_family(builder, cell);

		new_family = (cmp != 0);
		if (!new_family)
		{
			cmp = cmp_last_qualifier(builder, cell);
			new_column = (cmp != 0);
			if (!new_column)
				cmp = (builder->last_ts > cell->ts) ? -1 : 1;
		}
		if (cmp >= 0)
			elog(ERROR, "cells of a wide row are out of order");
	}

	if (new_family)
		weir_check_family(cell->family, cell->family_len);
	if (new_column)
		weir_check_qualifier_len(cell->qualifier_len);
	weir_check_value_len(cell->value_len);
	weir_check_cell_ts(cell->ts);

	len = builder_len(builder) + WEIR_ROW_CELL_LEN + cell->value_len;
	if (new_family)
		len += WEIR_ROW_FAMILY_LEN + cell->family_len;
	if (new_column)
		len += WEIR_ROW_COLUMN_LEN + cell->qualifier_len;
	if (len > WEIR_MAX_ROW_DATA_LEN)
		return false;

	builder_append(builder, cell, new_family, new_column);
	return true;
}

void
weir_row_builder_add(WeirRowBuilder *builder, const WeirCell *cell)
{
	if (!weir_row_builder_try_add(builder, cell))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("wide row is too large"),
				 errdetail("The limit is %d bytes.", WEIR_MAX_ROW_LEN)));
}

WeirRow *
weir_row_builder_finish(WeirRowBuilder *builder)
{
	Size		len = builder_len(builder);
	Size		family_names_len = builder->family_names.len;
	uint32		head[WEIR_ROW_HEAD_LEN / sizeof(uint32)];
	WeirRow    *row;
	char	   *p;
	Size		i;

	/* qualifiers stand behind the names of the families */
	for (i = 0; i < builder->columns.len; i += WEIR_ROW_COLUMN_LEN)
	{
		uint32		end = weir_get_uint32(builder->columns.data + i);

		end += family_names_len;
		memcpy(builder->columns.data + i, &end, sizeof(end));
	}

	memset(head, 0, sizeof(head));
	*(char *) head = WEIR_ROW_VERSION;
	head[1] = builder->families.len / WEIR_ROW_FAMILY_LEN;
	head[2] = builder->column_count;
	head[3] = builder->cell_count;
	head[4] = family_names_len + builder->qualifiers.len;

	row = MemoryContextAlloc(builder->context, VARHDRSZ + len);
	SET_VARSIZE(row, VARHDRSZ + len);
	memcpy(row->data, head, WEIR_ROW_HEAD_LEN);
	p = row->data + WEIR_ROW_HEAD_LEN;
	p = section_move(&builder->families, p);
	p = section_move(&builder->columns, p);
	p = section_move(&builder->cells, p);
	p = section_move(&builder->family_names, p);
	p = section_move(&builder->qualifiers, p);
	p = section_move(&builder->values, p);
	Assert(p == row->data + len);
	pfree(builder);
	return row;
}

/* ----------
 * Reader
 *
 * A WeirRow that is not a product of the builder has been checked, so that
 * nothing is checked again here.
 * ----------
 */

/* The first entry of the table (ends at byte 4) that ends after "index" */
static uint32
entry_of(const char *table, uint32 count, uint32 entry_len, uint32 index)
{
	uint32		low = 0;
	uint32		high = count - 1;

	while (low < high)
	{
		uint32		mid = low + (high - low) / 2;

		if (weir_get_uint32(table + (Size) mid * entry_len + 4) > index)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

uint32
weir_row_cell_count(const WeirRow *row)
{
	return weir_get_uint32(row->data + 12);
}

void
weir_row_reader_init(WeirRowReader *reader, const WeirRow *row)
{
	Size		len = VARSIZE(row) - VARHDRSZ;
	WeirRowLayout layout;

	weir_row_read_layout(&layout, row->data, len, len);
	memset(reader, 0, sizeof(*reader));
	reader->families = row->data + layout.families;
	reader->columns = row->data + layout.columns;
	reader->cells = row->data + layout.cells;
	reader->names = row->data + layout.names;
	reader->values = row->data + layout.values;
	reader->family_count = layout.family_count;
	reader->column_count = layout.column_count;
	reader->cell_count = layout.cell_count;
	if (layout.family_count > 0)
		reader->qualifier_end =
			weir_get_uint32(reader->columns - WEIR_ROW_FAMILY_LEN);
}

static void
reader_next_family(WeirRowReader *reader)
{
	const char *entry = reader->families +
		(Size) reader->family++ * WEIR_ROW_FAMILY_LEN;
	uint32		end = weir_get_uint32(entry);

	reader->current.family = reader->names + reader->family_name_end;
	reader->current.family_len = end - reader->family_name_end;
	reader->family_name_end = end;
	end = weir_get_uint32(entry + 4);
	reader->family_columns = end - reader->family_end;
	reader->family_end = end;
}

static void
reader_next_column(WeirRowReader *reader)
{
	const char *entry = reader->columns +
		(Size) reader->column * WEIR_ROW_COLUMN_LEN;
	uint32		end = weir_get_uint32(entry);

	reader->starts_family = (reader->column == reader->family_end);
	if (reader->starts_family)
		reader_next_family(reader);
	reader->column++;
	reader->current.qualifier = reader->names + reader->qualifier_end;
	reader->current.qualifier_len = end - reader->qualifier_end;
	reader->qualifier_end = end;
	end = weir_get_uint32(entry + 4);
	reader->column_cells = end - reader->column_end;
	reader->column_end = end;
}

/* Returns false, and leaves *cell alone, after the last cell. */
bool
weir_row_reader_next(WeirRowReader *reader, WeirCell *cell)
{
	const char *entry;
	uint32		end;

	if (reader->cell >= reader->cell_count)
		return false;
	reader->starts_family = false;
	reader->starts_column = (reader->cell == reader->column_end);
	if (reader->starts_column)
		reader_next_column(reader);

	entry = reader->cells + (Size) reader->cell++ * WEIR_ROW_CELL_LEN;
	end = weir_get_uint32(entry + 8);
	reader->current.ts = weir_get_int64(entry);
	reader->current.value = reader->values + reader->value_end;
	reader->current.value_len = end - reader->value_end;
	reader->value_end = end;
	*cell = reader->current;
	return true;
}

void
weir_row_reader_seek(WeirRowReader *reader, uint32 index)
{
	const char *entry;
	uint32		column;
	uint32		family;

	reader->cell = index;
	if (index >= reader->cell_count)
		return;
	column = entry_of(reader->columns, reader->column_count,
					  WEIR_ROW_COLUMN_LEN, index);
	family = entry_of(reader->families, reader->family_count,
					  WEIR_ROW_FAMILY_LEN, column);

	/* as if the family before had been read to its end */
	entry = reader->families + (Size) family * WEIR_ROW_FAMILY_LEN;
	reader->family = family;
	reader->family_name_end =
		family == 0 ? 0 : weir_get_uint32(entry - WEIR_ROW_FAMILY_LEN);
	reader->family_end =
		family == 0 ? 0 : weir_get_uint32(entry - WEIR_ROW_FAMILY_LEN + 4);
	if (column > reader->family_end)
		reader_next_family(reader);

	/* as if the column before had been; before the first stands a family */
	entry = reader->columns + (Size) column * WEIR_ROW_COLUMN_LEN;
	reader->column = column;
	reader->qualifier_end = weir_get_uint32(entry - WEIR_ROW_COLUMN_LEN);
	reader->column_end =
		column == 0 ? 0 : weir_get_uint32(entry - WEIR_ROW_COLUMN_LEN + 4);
	if (index > reader->column_end)
		reader_next_column(reader);

	entry = reader->cells + (Size) index * WEIR_ROW_CELL_LEN;
	reader->value_end =
		index == 0 ? 0 : weir_get_uint32(entry - WEIR_ROW_CELL_LEN + 8);
}

void
weir_row_get_cell(const WeirRow *row, uint32 index, WeirCell *cell)
{
	WeirRowReader reader;

	weir_row_reader_init(&reader, row);
	weir_row_reader_seek(&reader, index);
	if (!weir_row_reader_next(&reader, cell))
		elog(ERROR, "cell %u of a wide row of %u", index, reader.cell_count);
}
