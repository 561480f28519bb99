/*-------------------------------------------------------------------------
 *
 * widerow_expanded.c
 *	  A weir.widerow whose bytes have not been made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "types/widerow_expanded.h"

static Size
flat_size(ExpandedObjectHeader *header)
{
	return weir_row_shape_size(&((WeirExpandedRow *) header)->shape);
}

static void
write_flat(const WeirExpandedRow *row, void *place)
{
	WeirRowWriter writer;

	weir_row_writer_init(&writer, &row->shape, place);
	row->methods->write(row, &writer);
	Assert(writer.ncells == row->shape.cells);
	Assert(writer.ncolumns == row->shape.columns);
	Assert(writer.families == writer.first_column);
}

static void
flatten_into(ExpandedObjectHeader *header, void *result, Size allocated_size)
{
	const WeirExpandedRow *row = (const WeirExpandedRow *) header;

	Assert(allocated_size == weir_row_shape_size(&row->shape));
	if (row->flat != NULL)
		memcpy(result, row->flat, allocated_size);
	else
		write_flat(row, result);
}

const ExpandedObjectMethods weir_expanded_row_methods = {
	flat_size, flatten_into
};

Datum
weir_expanded_row_finish(WeirExpandedRow *row)
{
	/* for the sake of the error */
	(void) weir_row_shape_size(&row->shape);
	row->flat = NULL;
	EOH_init_header(&row->hdr, &weir_expanded_row_methods,
					CurrentMemoryContext);
	return EOHPGetRODatum(&row->hdr);
}

WeirRow *
weir_expanded_row_flat(WeirExpandedRow *row)
{
	if (row->flat == NULL)
	{
		void	   *place = MemoryContextAlloc(row->hdr.eoh_context,
											   weir_row_shape_size(&row->shape));

		write_flat(row, place);
		row->flat = place;
	}
	return row->flat;
}
