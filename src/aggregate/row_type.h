/*-------------------------------------------------------------------------
 *
 * row_type.h
 *	  Types whose values hold rows, in state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_ROW_TYPE_H
#define WEIR_ROW_TYPE_H

#include "aggregate/definition.h"

/*
 * Are there rows in values of the type?  It may be a row type itself, or an
 * array, domain or range of one.
 */
extern bool weir_row_type_holds(Oid type);

/*
 * What the values of the type are made of, if it is an array, domain, range or
 * multirange; or InvalidOid.
 */
extern Oid	weir_row_type_inner(Oid type);

/*
 * Have the server refuse, as it does of columns of tables, what would change
 * rows that lie in the column of the table: state rows of the definition.
 */
extern void weir_row_type_guard(const WeirDefinition *def, Oid relid,
								AttrNumber column);

#endif							/* WEIR_ROW_TYPE_H */
