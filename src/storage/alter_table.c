/*-------------------------------------------------------------------------
 *
 * alter_table.c
 *	  What an ALTER TABLE command is about, for event triggers.
 *
 * An event trigger is given the command as it was parsed: one statement of any
 * number of subcommands.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/alter_table.h"

bool
weir_alter_table_has(const AlterTableStmt *statement, AlterTableType what)
{
	ListCell   *lc;

	foreach(lc, statement->cmds)
		if (((AlterTableCmd *) lfirst(lc))->subtype == what)
			return true;
	return false;
}

bool
weir_alter_table_changes_columns(const AlterTableStmt *statement)
{
	return weir_alter_table_has(statement, AT_AddColumn) ||
		weir_alter_table_has(statement, AT_DropColumn) ||
		weir_alter_table_has(statement, AT_AlterColumnType);
}
