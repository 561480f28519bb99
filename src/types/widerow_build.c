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

#include "types/widerow.h"
#include "types/widerow_layout.h"

/* Sizes of the sections. */
typedef struct Shape
{
	uint32		families;
	uint32		columns;
	Size		family_names_len;
	Size		qualifiers_len;
	Size		values_len;
} Shape;

static bool
same_family(const WeirCell *a, const WeirCell *b)
{
	return a->family_len == b->family_len &&
		(a->family == b->family ||
		 memcmp(a->family, b->family, a->family_len) == 0);
}

static bool
same_column(const WeirCell *a, const WeirCell *b)
{
	return a->qualifier_len == b->qualifier_len &&
		memcmp(a->qualifier, b->qualifier, a->qualifier_len) == 0 &&
		same_family(a, b);
}

/* Counts, and checks limits and order. */
static void
measure(const WeirCell *cells, uint32 ncells, Shape *shape)
{
	memset(shape, 0, sizeof(*shape));
	for (uint32 i = 0; i < ncells; i++)
	{
		const WeirCell *cell = &cells[i];
		const WeirCell *last = i > 0 ? cell - 1 : NULL;

		if (last != NULL &&
			(same_family(last, cell) ?
			 weir_bytes_cmp(last->qualifier, last->qualifier_len,
							cell->qualifier, cell->qualifier_len) > 0 ||
			 (same_column(last, cell) && last->ts <= cell->ts) :
			 weir_cell_cmp(last, cell) >= 0))
			elog(ERROR, "cells of a wide row are out of order");
		if (last == NULL || !same_family(last, cell))
		{
			weir_check_family(cell->family, cell->family_len);
			shape->families++;
			shape->family_names_len += cell->family_len;
		}
		if (last == NULL || !same_column(last, cell))
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

static Size
shape_len(const Shape *shape, uint32 ncells)
{
	return WEIR_ROW_HEAD_LEN +
		(Size) shape->families * WEIR_ROW_FAMILY_LEN +
		(Size) shape->columns * WEIR_ROW_COLUMN_LEN +
		(Size) ncells * WEIR_ROW_CELL_LEN +
		shape->family_names_len + shape->qualifiers_len + shape->values_len;
}

static char *
put_head(char *p, const Shape *shape, uint32 ncells)
{
	uint32		head[WEIR_ROW_HEAD_LEN / sizeof(uint32)] = {0};

	*(char *) head = WEIR_ROW_VERSION;
	head[1] = shape->families;
	head[2] = shape->columns;
	head[3] = ncells;
	head[4] = shape->family_names_len + shape->qualifiers_len;
	memcpy(p, head, WEIR_ROW_HEAD_LEN);
	return p + WEIR_ROW_HEAD_LEN;
}

static char *
put_uint32(char *p, uint32 v)
{
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

/*
 * Fills in the sections.  An entry of a family or column is written when its
 * last cell has been seen, as it says how far it reaches.
 */
static void
put_cells(char *p, const WeirCell *cells, uint32 ncells, const Shape *shape)
{
	char	   *families = p;
	char	   *columns = families + (Size) shape->families * WEIR_ROW_FAMILY_LEN;
	char	   *places = columns + (Size) shape->columns * WEIR_ROW_COLUMN_LEN;
	char	   *family_names = places + (Size) ncells * WEIR_ROW_CELL_LEN;
	char	   *names = family_names;
	char	   *qualifiers = family_names + shape->family_names_len;
	char	   *values = qualifiers + shape->qualifiers_len;
	char	   *first_value = values;
	uint32		ncolumns = 0;

	for (uint32 i = 0; i < ncells; i++)
	{
		const WeirCell *cell = &cells[i];
		const WeirCell *next = i + 1 < ncells ? cell + 1 : NULL;

		memcpy(values, cell->value, cell->value_len);
		values += cell->value_len;
		memcpy(places, &cell->ts, sizeof(cell->ts));
		places = put_uint32(places + sizeof(cell->ts), values - first_value);
		if (next != NULL && same_column(cell, next))
			continue;
		memcpy(qualifiers, cell->qualifier, cell->qualifier_len);
		qualifiers += cell->qualifier_len;
		columns = put_uint32(columns, qualifiers - names);
		columns = put_uint32(columns, i + 1);
		ncolumns++;
		if (next != NULL && same_family(cell, next))
			continue;
		memcpy(family_names, cell->family, cell->family_len);
		family_names += cell->family_len;
		families = put_uint32(families, family_names - names);
		families = put_uint32(families, ncolumns);
	}
}

WeirRow *
weir_row_from_cells(const WeirCell *cells, uint32 ncells)
{
	Shape		shape;
	Size		len;
	char	   *row;

	measure(cells, ncells, &shape);
	len = shape_len(&shape, ncells);
	if (len > WEIR_MAX_ROW_DATA_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("wide row is too large"),
				 errdetail("The limit is %d bytes.", WEIR_MAX_ROW_LEN)));
	row = palloc(VARHDRSZ + len);
	SET_VARSIZE(row, VARHDRSZ + len);
	put_cells(put_head(row + VARHDRSZ, &shape, ncells), cells, ncells, &shape);
	return (WeirRow *) row;
}
