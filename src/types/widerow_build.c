/*-------------------------------------------------------------------------
 *
 * widerow_build.c
 *	  Building a weir.widerow from cells that are all at hand.
 *
 * Gives the same bytes as the builder of widerow.c.  As the sizes of all
 * sections can be known beforehand, nothing is moved and memory is allocated
 * once; this is what reading a row of a wide table ends with.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "types/widerow_writer.h"

static bool
same_family(const WeirCell *a, const WeirCell *b)
{
	return a->family_len == b->family_len &&
		(a->family == b->family ||
		 memcmp(a->family, b->family, a->family_len) == 0);
}

/* Do two cells that follow each other in one family share their column? */
static bool
same_qualifier(const WeirCell *a, const WeirCell *b)
{
	return a->qualifier_len == b->qualifier_len &&
		memcmp(a->qualifier, b->qualifier, a->qualifier_len) == 0;
}

/* Counts, and checks limits and order. */
static void
measure(const WeirCell *cells, uint32 ncells, WeirRowShape *shape)
{
	memset(shape, 0, sizeof(*shape));
	shape->cells = ncells;
	for (uint32 i = 0; i < ncells; i++)
	{
		const WeirCell *cell = &cells[i];
		bool		new_family = i == 0 || !same_family(cell - 1, cell);
		int			c = -1;

		if (!new_family)
		{
			c = weir_bytes_cmp(cell[-1].qualifier, cell[-1].qualifier_len,
							   cell->qualifier, cell->qualifier_len);
			if (c > 0 || (c == 0 && cell[-1].ts <= cell->ts))
				elog(ERROR, "cells of a wide row are out of order");
		}
		else
		{
			if (i > 0 && weir_cell_cmp(cell - 1, cell) >= 0)
				elog(ERROR, "cells of a wide row are out of order");
			weir_check_family(cell->family, cell->family_len);
			shape->families++;
			shape->family_names_len += cell->family_len;
		}
		if (c < 0)
		{
			weir_check_qualifier_len(cell->qualifier_len);
			shape->columns++;
			shape->qualifiers_len += cell->qualifier_len;
		}
		weir_check_value_len(cell->value_len);
		weir_check_cell_ts(cell->ts);
		shape->values_len += cell->value_len;
	}
}

static char *
write_head(char *p, const WeirRowShape *shape)
{
	uint32		head[WEIR_ROW_HEAD_LEN / sizeof(uint32)] = {0};

	*(char *) head = WEIR_ROW_VERSION;
	head[1] = shape->families;
	head[2] = shape->columns;
	head[3] = shape->cells;
	head[4] = shape->family_names_len + shape->qualifiers_len;
	memcpy(p, head, WEIR_ROW_HEAD_LEN);
	return p + WEIR_ROW_HEAD_LEN;
}

Size
weir_row_shape_size(const WeirRowShape *shape)
{
	Size		len = WEIR_ROW_HEAD_LEN +
		(Size) shape->families * WEIR_ROW_FAMILY_LEN +
		(Size) shape->columns * WEIR_ROW_COLUMN_LEN +
		(Size) shape->cells * WEIR_ROW_CELL_LEN +
		shape->family_names_len + shape->qualifiers_len + shape->values_len;

	if (len > WEIR_MAX_ROW_DATA_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("wide row is too large"),
				 errdetail("The limit is %d bytes.", WEIR_MAX_ROW_LEN)));
	return VARHDRSZ + len;
}

void
weir_row_writer_init(WeirRowWriter *writer, const WeirRowShape *shape,
					 void *place)
{
	SET_VARSIZE(place, weir_row_shape_size(shape));
	writer->row = place;
	writer->families = write_head((char *) place + VARHDRSZ, shape);
	writer->columns = writer->families +
		(Size) shape->families * WEIR_ROW_FAMILY_LEN;
	writer->first_column = writer->columns;
	writer->cells = writer->columns +
		(Size) shape->columns * WEIR_ROW_COLUMN_LEN;
	writer->family_names = writer->cells +
		(Size) shape->cells * WEIR_ROW_CELL_LEN;
	writer->names = writer->family_names;
	writer->qualifiers = writer->family_names + shape->family_names_len;
	writer->values = writer->qualifiers + shape->qualifiers_len;
	writer->first_value = writer->values;
	writer->ncolumns = writer->ncells = 0;
}

WeirRow *
weir_row_from_cells(const WeirCell *cells, uint32 ncells)
{
	WeirRowShape shape;
	WeirRowWriter writer;

	measure(cells, ncells, &shape);
	weir_row_writer_init(&writer, &shape, palloc(weir_row_shape_size(&shape)));
	for (uint32 i = 0; i < ncells; i++)
	{
		const WeirCell *cell = &cells[i];
		bool		new_family = i == 0 || !same_family(cell - 1, cell);

		if (new_family)
			weir_row_writer_family(&writer, cell->family, cell->family_len);
		if (new_family || !same_qualifier(cell - 1, cell))
			weir_row_writer_column(&writer, cell->qualifier,
								   cell->qualifier_len);
		weir_row_writer_cell(&writer, cell->ts, cell->value, cell->value_len);
	}
	return writer.row;
}
