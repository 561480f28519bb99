/*-------------------------------------------------------------------------
 *
 * widerow_writer.h
 *	  Writing the bytes of a weir.widerow whose sizes are known.
 *
 * As the length of every section is known beforehand, memory is allocated
 * once and nothing is moved.  Cells are given in the order of the row; who
 * gives them says where a family and a column begin.  The functions are
 * inline because reading a row of a wide table mostly consists of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WIDEROW_WRITER_H
#define WEIR_WIDEROW_WRITER_H

#include "types/widerow.h"
#include "types/widerow_layout.h"

/* Numbers of entries, and lengths of what they name. */
typedef struct WeirRowShape
{
	uint32		families;
	uint32		columns;
	uint32		cells;
	Size		family_names_len;
	Size		qualifiers_len;
	Size		values_len;
} WeirRowShape;

/* Where the next entry of each section goes. */
typedef struct WeirRowWriter
{
	WeirRow    *row;			/* what is written */
	char	   *families;
	char	   *columns;
	char	   *cells;
	char	   *family_names;
	char	   *qualifiers;
	char	   *values;
	const char *names;			/* where the names begin */
	const char *first_column;
	const char *first_value;
	uint32		ncolumns;		/* written so far */
	uint32		ncells;
} WeirRowWriter;

static inline void
weir_put_uint32(char *p, uint32 v)
{
	memcpy(p, &v, sizeof(v));
}

/* How many bytes such a row takes; raises 54000 if that is too many. */
extern Size weir_row_shape_size(const WeirRowShape *shape);

/* Writes the head of the row, of that size, at "place". */
extern void weir_row_writer_init(WeirRowWriter *writer,
								 const WeirRowShape *shape, void *place);

static inline void
weir_row_writer_family(WeirRowWriter *writer, const char *name, uint32 len)
{
	memcpy(writer->family_names, name, len);
	writer->family_names += len;
	weir_put_uint32(writer->families, writer->family_names - writer->names);
	writer->families += WEIR_ROW_FAMILY_LEN;
}

/* A column of the family written last, which now reaches to it. */
static inline void
weir_row_writer_column(WeirRowWriter *writer, const char *qualifier,
					   uint32 len)
{
	memcpy(writer->qualifiers, qualifier, len);
	writer->qualifiers += len;
	weir_put_uint32(writer->columns, writer->qualifiers - writer->names);
	writer->columns += WEIR_ROW_COLUMN_LEN;
	weir_put_uint32(writer->families - 4, ++writer->ncolumns);
}

/* A cell of the column written last, which now reaches to it. */
static inline void
weir_row_writer_cell(WeirRowWriter *writer, int64 ts, const char *value,
					 uint32 len)
{
	memcpy(writer->values, value, len);
	writer->values += len;
	memcpy(writer->cells, &ts, sizeof(ts));
	weir_put_uint32(writer->cells + 8, writer->values - writer->first_value);
	writer->cells += WEIR_ROW_CELL_LEN;
	weir_put_uint32(writer->columns - 4, ++writer->ncells);
}

#endif							/* WEIR_WIDEROW_WRITER_H */
