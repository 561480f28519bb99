/*-------------------------------------------------------------------------
 *
 * alter_table.h
 *	  What an ALTER TABLE command is about, for event triggers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_ALTER_TABLE_H
#define WEIR_ALTER_TABLE_H

#include "nodes/parsenodes.h"

/* Does it do that, among other things? */
extern bool weir_alter_table_has(const AlterTableStmt *statement,
								 AlterTableType what);

/* Does it add, drop, or give another type to, columns? */
extern bool weir_alter_table_changes_columns(const AlterTableStmt *statement);

#endif							/* WEIR_ALTER_TABLE_H */
