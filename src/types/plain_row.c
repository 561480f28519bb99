/*-------------------------------------------------------------------------
 *
 * plain_row.c
 *	  A row at rest: a weir.widerow that is a list of segments.
 *
 * A row without deltas, of which nothing is garbage, is what its segments
 * say.  Most rows that are read are such.  So they are not taken through a
 * fold and arrays of cells; the segments are walked once to check and measure
 * them, and once more to show the row in the form in which it is wanted, which
 * for a client is not that of the type.
 *
 * What a fold would give for such a row is the same: it leaves the base alone
 * but for garbage and cells of dropped families, and the first walk refuses
 * rows that have such.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "types/plain_row.h"
#include "types/segment.h"
#include "types/widerow_binary.h"
#include "types/widerow_json.h"

/* ---- the first walk ---- */

/* What has been seen so far. */
typedef struct Measure
{
	WeirRowShape shape;
	const WeirGcRule *rule;		/* of the last cell's family, or NULL */
	uint32		rank;			/* the last cell's number in its column */
	/* the last cell; family 0: there was none yet */
	uint16		family;
	uint16		qualifier_len;
	const char *qualifier;
	int64		ts;
} Measure;

/* Has any rule been replaced since the base was folded? */
static bool
rules_are_applied(const WeirFoldFamily *family, int64 hi)
{
	return family->nrules < 2 ||
		family->rules[family->nrules - 2].until_seq <= hi;
}

/* False if the family does not exist. */
static bool
measure_family(const WeirPlainRow *row, Measure *measure, uint16 number)
{
	const WeirFoldFamily *family;

	if (number >= row->nfamilies || !row->families[number].exists)
		return false;
	family = &row->families[number];
	measure->rule = family->has_rules ?
		family->rules[family->nrules - 1].rule : NULL;
	measure->shape.families++;
	measure->shape.family_names_len += family->name_len;
	return true;
}

static bool
measure_segment(const WeirPlainRow *row, const WeirSegmentBytes *segment,
				int64 now, Measure *measure)
{
	WeirSegmentReader reader;
	WeirStoredCell cell;
	/* kept where they can be in registers */
	uint16		family = measure->family;
	uint16		qualifier_len = measure->qualifier_len;
	const char *qualifier = measure->qualifier;
	int64		ts = measure->ts;
	uint32		columns = 0;
	Size		qualifiers_len = 0;
	Size		values_len = 0;

	weir_segment_reader_init(&reader, segment->bytes, segment->len);
	measure->shape.cells += reader.ncells;
	while (weir_segment_next_cell(&reader, &cell))
	{
		int			c = -1;

		if (!weir_stored_cell_is_valid(&cell))
			weir_segment_corrupted(&reader);
		if (cell.family == family)
			c = weir_bytes_cmp(qualifier, qualifier_len,
							   cell.qualifier, cell.qualifier_len);
		else if (cell.family < family)
			c = 1;
		else if (!measure_family(row, measure, cell.family))
			return false;
		if (c > 0 || (c == 0 && ts <= cell.ts))
			weir_segment_corrupted(&reader);

		if (c == 0)
			measure->rank++;
		else
		{
			measure->rank = 0;
			columns++;
			qualifiers_len += cell.qualifier_len;
		}
		if (measure->rule != NULL &&
			weir_gc_rule_due(measure->rule, measure->rank, cell.ts) <= now)
			return false;
		values_len += cell.value_len;
		family = cell.family;
		qualifier = cell.qualifier;
		qualifier_len = cell.qualifier_len;
		ts = cell.ts;
	}
	measure->shape.columns += columns;
	measure->shape.qualifiers_len += qualifiers_len;
	measure->shape.values_len += values_len;
	measure->family = family;
	measure->qualifier = qualifier;
	measure->qualifier_len = qualifier_len;
	measure->ts = ts;
	return true;
}

bool
weir_plain_row_measure(WeirPlainRow *row, int64 hi, int64 now)
{
	Measure		measure;

	for (uint32 i = 0; i < row->nfamilies; i++)
		if (row->families[i].has_rules &&
			!rules_are_applied(&row->families[i], hi))
			return false;
	memset(&measure, 0, sizeof(measure));
	for (uint32 i = 0; i < row->nsegments; i++)
		if (!measure_segment(row, &row->segments[i], now, &measure))
			return false;
	row->expanded.shape = measure.shape;
	return true;
}

/* ---- walks through what has been checked ---- */

typedef struct Walk
{
	const WeirPlainRow *row;
	uint32		segment;		/* the next one */
	uint32		ncells;			/* those left in this one */
	const char *next;
	const char *end;
	bool		one_version;	/* each cell has a column of its own */
	/* about the cell */
	WeirStoredCell cell;
	bool		starts_family;
	bool		starts_column;
} Walk;

static void
walk_begin(Walk *walk, const WeirPlainRow *row)
{
	memset(walk, 0, sizeof(*walk));
	walk->row = row;
	walk->one_version = row->expanded.shape.columns ==
		row->expanded.shape.cells;
}

static bool
walk_next_segment(Walk *walk)
{
	const WeirSegmentBytes *segment = &walk->row->segments[walk->segment];
	WeirSegmentReader reader;

	if (walk->segment == walk->row->nsegments)
		return false;
	weir_segment_reader_init(&reader, segment->bytes, segment->len);
	walk->ncells = reader.ncells;
	walk->next = reader.next;
	walk->end = reader.end;
	walk->segment++;
	return true;
}

static inline bool
walk_next(Walk *walk)
{
	uint16		family = walk->cell.family;
	const char *qualifier = walk->cell.qualifier;
	uint16		qualifier_len = walk->cell.qualifier_len;

	while (walk->ncells == 0)
		if (!walk_next_segment(walk))
			return false;
	walk->next = weir_stored_cell_read(walk->next, walk->end, &walk->cell);
	Assert(walk->next != NULL);
	walk->ncells--;
	walk->starts_family = walk->cell.family != family;
	walk->starts_column = walk->starts_family || walk->one_version ||
		walk->cell.qualifier_len != qualifier_len ||
		memcmp(walk->cell.qualifier, qualifier, qualifier_len) != 0;
	return true;
}

static inline const WeirFoldFamily *
walk_family(const Walk *walk)
{
	return &walk->row->families[walk->cell.family];
}

static void
plain_row_write(const WeirExpandedRow *expanded, WeirRowWriter *result)
{
	WeirRowWriter writer = *result;
	Walk		walk;

	walk_begin(&walk, (const WeirPlainRow *) expanded);
	while (walk_next(&walk))
	{
		const WeirStoredCell *cell = &walk.cell;

		if (walk.starts_family)
			weir_row_writer_family(&writer, walk_family(&walk)->name,
								   walk_family(&walk)->name_len);
		if (walk.starts_column)
			weir_row_writer_column(&writer, cell->qualifier,
								   cell->qualifier_len);
		weir_row_writer_cell(&writer, cell->ts, cell->value, cell->value_len);
	}
	*result = writer;
}

/* Numbers stand before what they count, so they are put when that is done. */
static char *
plain_row_put_binary(const WeirExpandedRow *expanded, char *p)
{
	Walk		walk;
	char	   *columns_at = NULL;
	char	   *cells_at = NULL;
	uint32		ncolumns = 0;
	uint32		ncells = 0;

	walk_begin(&walk, (const WeirPlainRow *) expanded);
	while (walk_next(&walk))
	{
		const WeirStoredCell *cell = &walk.cell;

		if (walk.starts_column && cells_at != NULL)
			weir_binary_put_count(cells_at, ncells);
		if (walk.starts_family)
		{
			if (columns_at != NULL)
				weir_binary_put_count(columns_at, ncolumns);
			columns_at = weir_binary_put_bytes(p, walk_family(&walk)->name,
											   walk_family(&walk)->name_len);
			p = columns_at + sizeof(ncolumns);
			ncolumns = 0;
		}
		if (walk.starts_column)
		{
			cells_at = weir_binary_put_bytes(p, cell->qualifier,
											 cell->qualifier_len);
			p = cells_at + sizeof(ncells);
			ncells = 0;
			ncolumns++;
		}
		p = weir_binary_put_cell(p, cell->ts, cell->value, cell->value_len);
		ncells++;
	}
	if (columns_at != NULL)
	{
		weir_binary_put_count(columns_at, ncolumns);
		weir_binary_put_count(cells_at, ncells);
	}
	return p;
}

static void
plain_row_append_json(const WeirExpandedRow *expanded, StringInfo buf)
{
	WeirRowJson json;
	WeirCell	cell;
	Walk		walk;

	memset(&cell, 0, sizeof(cell));
	weir_row_json_begin(&json, buf);
	walk_begin(&walk, (const WeirPlainRow *) expanded);
	while (walk_next(&walk))
	{
		if (walk.starts_family)
		{
			cell.family = walk_family(&walk)->name;
			cell.family_len = walk_family(&walk)->name_len;
		}
		cell.qualifier = walk.cell.qualifier;
		cell.qualifier_len = walk.cell.qualifier_len;
		cell.ts = walk.cell.ts;
		cell.value = walk.cell.value;
		cell.value_len = walk.cell.value_len;
		weir_row_json_put(&json, &cell, walk.starts_family,
						  walk.starts_column);
	}
	weir_row_json_end(&json);
}

/* ---- the object ---- */

static const WeirExpandedRowMethods plain_row_methods = {
	plain_row_write, plain_row_put_binary, plain_row_append_json
};

WeirPlainRow *
weir_plain_row_create(const WeirFoldFamily *families, uint32 nfamilies,
					  uint32 nsegments)
{
	WeirPlainRow *row = palloc(offsetof(WeirPlainRow, segments) +
							   sizeof(WeirSegmentBytes) * nsegments);

	row->expanded.methods = &plain_row_methods;
	row->families = families;
	row->nfamilies = nfamilies;
	row->nsegments = nsegments;
	return row;
}

Datum
weir_plain_row_datum(WeirPlainRow *row)
{
	return weir_expanded_row_finish(&row->expanded);
}
