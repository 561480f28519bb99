/*-------------------------------------------------------------------------
 *
 * authorized_view.h
 *	  A part of a wide table, with rights of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_AUTHORIZED_VIEW_H
#define WEIR_AUTHORIZED_VIEW_H

#include "storage/catalog.h"
#include "storage/rowscan.h"

/* What an authorized view lets through. */
struct WeirRestriction
{
	int			nprefixes;
	WeirRowKey *prefixes;		/* of row keys, ascending, none of them with
								 * another; NULL: all rows */
	WeirKeyRange *ranges;		/* of row keys that begin with them */
	WeirColumnSet *columns;		/* NULL: all columns */
};

/*
 * Reads the restriction from the columns of the catalog, in the current
 * memory context; the families of the table have been loaded.
 */
extern WeirRestriction *weir_restriction_create(const WeirWideTable *table,
												Datum prefixes, bool no_prefixes,
												Datum columns, bool no_columns);

/* Is the row in the view? */
extern bool weir_restriction_has_row(const WeirRestriction *restriction,
									 WeirRowKey key);

/*
 * Raise 42501 if the table is an authorized view that does not hold the row,
 * the column (the family if qualifier is NULL), or all of a row.
 */
extern void weir_check_row_in_view(const WeirWideTable *table, WeirRowKey key);
extern void weir_check_column_in_view(const WeirWideTable *table,
									  const WeirFamily *family,
									  const char *qualifier,
									  uint32 qualifier_len);
extern void weir_check_whole_row_in_view(const WeirWideTable *table);

/* Raises 42809 if the table is an authorized view. */
extern void weir_check_is_no_view(const WeirWideTable *table);

#endif							/* WEIR_AUTHORIZED_VIEW_H */
