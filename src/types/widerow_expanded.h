/*-------------------------------------------------------------------------
 *
 * widerow_expanded.h
 *	  A weir.widerow whose bytes have not been made.
 *
 * Who reads a row of a wide table has checked its cells, and most rows are
 * sent to a client next.  For that the bytes of the type are not needed.  So
 * the row is handed on as an expanded object, in the sense of the server's
 * expandeddatum.h, which knows its cells and can show them in any form.  The
 * server asks for the bytes where it needs them, as for a tuple; functions of
 * the type call weir_row_from_datum, as for any value.
 *
 * Such an object is a pointer, which cannot come from storage or a client:
 * what it shows was made by this process, and is not checked again.
 *
 * It is handed on read-only, so that nobody frees it, or moves it to a
 * context of his own; who wants to keep it makes a copy, in bytes.  So it
 * needs no memory context for itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WIDEROW_EXPANDED_H
#define WEIR_WIDEROW_EXPANDED_H

#include "lib/stringinfo.h"
#include "utils/expandeddatum.h"

#include "types/widerow_writer.h"

typedef struct WeirExpandedRow WeirExpandedRow;

/* Each shows all families with their columns and cells, in order. */
typedef struct WeirExpandedRowMethods
{
	void		(*write) (const WeirExpandedRow *row, WeirRowWriter *writer);
	/* in the binary form, see widerow_binary.h; returns the end */
	char	   *(*put_binary) (const WeirExpandedRow *row, char *p);
	void		(*append_json) (const WeirExpandedRow *row, StringInfo buf);
} WeirExpandedRowMethods;

/* Whoever implements one has this as the first member of a struct. */
struct WeirExpandedRow
{
	ExpandedObjectHeader hdr;	/* its context is where the bytes go */
	const WeirExpandedRowMethods *methods;
	WeirRowShape shape;
	WeirRow    *flat;			/* the bytes, or NULL */
};

extern const ExpandedObjectMethods weir_expanded_row_methods;

/*
 * The methods and the shape have been set; the object lives in the current
 * memory context.  Raises 54000 if the row is too large.
 */
extern Datum weir_expanded_row_finish(WeirExpandedRow *row);

/* its bytes, which live as long as the object */
extern WeirRow *weir_expanded_row_flat(WeirExpandedRow *row);

/* NULL if the datum, of type weir.widerow, is not such an object */
static inline WeirExpandedRow *
weir_expanded_row_of_datum(Datum d)
{
	ExpandedObjectHeader *header;

	if (!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(d)))
		return NULL;
	header = DatumGetEOHP(d);
	return header->eoh_methods == &weir_expanded_row_methods ?
		(WeirExpandedRow *) header : NULL;
}

#endif							/* WEIR_WIDEROW_EXPANDED_H */
