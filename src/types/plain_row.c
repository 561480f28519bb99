/*-------------------------------------------------------------------------
 *
 * plain_row.c
 *	  A row at rest: from segments straight to a weir.widerow.
 *
 * A row without deltas, of which nothing is garbage, is what its segments
 * say.  Most rows that are read are such.  So they are not taken through a
 * fold and arrays of cells, but walked twice: first to check and measure
 * them, then to write them down.
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

/* Has any rule been replaced since the base was folded? */
static bool
rules_are_applied(const WeirFoldFamily *family, int64 hi)
{
	return family->nrules < 2 ||
		family->rules[family->nrules - 2].until_seq <= hi;
}

bool
weir_plain_row_begin(WeirPlainRow *row, const WeirFoldFamily *families,
					 uint32 nfamilies, int64 hi, int64 now)
{
	for (uint32 i = 0; i < nfamilies; i++)
		if (families[i].has_rules && !rules_are_applied(&families[i], hi))
			return false;
	memset(&row->shape, 0, sizeof(row->shape));
	row->families = families;
	row->nfamilies = nfamilies;
	row->now = now;
	row->last.family = 0;
	return true;
}

/* False if the family does not exist. */
static bool
measure_family(WeirPlainRow *row, uint16 number)
{
	const WeirFoldFamily *family;

	if (number >= row->nfamilies || !row->families[number].exists)
		return false;
	family = &row->families[number];
	row->rule = family->has_rules ?
		family->rules[family->nrules - 1].rule : NULL;
	row->shape.families++;
	row->shape.family_names_len += family->name_len;
	return true;
}

bool
weir_plain_row_measure(WeirPlainRow *row, const char *bytes, Size len)
{
	WeirSegmentReader reader;
	WeirStoredCell cell;
	WeirStoredCell last = row->last;

	weir_segment_reader_init(&reader, bytes, len);
	while (weir_segment_next_cell(&reader, &cell))
	{
		int			c = -1;

		if (!weir_stored_cell_is_valid(&cell))
			weir_segment_corrupted(&reader);
		if (cell.family == last.family)
			c = weir_bytes_cmp(last.qualifier, last.qualifier_len,
							   cell.qualifier, cell.qualifier_len);
		else if (cell.family < last.family)
			c = 1;
		else if (!measure_family(row, cell.family))
			return false;
		if (c > 0 || (c == 0 && last.ts <= cell.ts))
			weir_segment_corrupted(&reader);

		if (c == 0)
			row->rank++;
		else
		{
			row->rank = 0;
			row->shape.columns++;
			row->shape.qualifiers_len += cell.qualifier_len;
		}
		if (row->rule != NULL &&
			weir_gc_rule_due(row->rule, row->rank, cell.ts) <= row->now)
			return false;
		row->shape.cells++;
		row->shape.values_len += cell.value_len;
		last = cell;
	}
	row->last = last;
	return true;
}

void
weir_plain_row_start(WeirPlainRow *row)
{
	weir_row_writer_init(&row->writer, &row->shape);
	row->last.family = 0;
}

void
weir_plain_row_write(WeirPlainRow *row, const char *bytes, Size len)
{
	WeirRowWriter writer = row->writer;
	bool		one_version = row->shape.columns == row->shape.cells;
	WeirSegmentReader reader;
	WeirStoredCell cell;
	WeirStoredCell last = row->last;

	weir_segment_reader_init(&reader, bytes, len);
	while (weir_segment_next_cell(&reader, &cell))
	{
		bool		new_family = cell.family != last.family;

		if (new_family)
			weir_row_writer_family(&writer, row->families[cell.family].name,
								   row->families[cell.family].name_len);
		if (new_family || one_version ||
			cell.qualifier_len != last.qualifier_len ||
			memcmp(cell.qualifier, last.qualifier, cell.qualifier_len) != 0)
			weir_row_writer_column(&writer, cell.qualifier,
								   cell.qualifier_len);
		weir_row_writer_cell(&writer, cell.ts, cell.value, cell.value_len);
		last = cell;
	}
	row->last = last;
	row->writer = writer;
}

WeirRow *
weir_plain_row_finish(WeirPlainRow *row)
{
	Assert(row->writer.ncells == row->shape.cells);
	Assert(row->writer.ncolumns == row->shape.columns);
	return row->writer.row;
}
