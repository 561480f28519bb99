/*-------------------------------------------------------------------------
 *
 * rewrite.h
 *	  A stream's table gets a new file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_REWRITE_H
#define WEIR_REWRITE_H

#include "utils/relcache.h"

/*
 * The table's indexes are being built.  If that is because it has a new file,
 * see to it that its rows that are not consumed yet are still found, or raise
 * an error, which refuses the command.
 */
extern void weir_rewrite_follow(Relation heap, Relation index);

/* The table's file has become a copy of the one before (SET TABLESPACE). */
extern void weir_rewrite_moved(Oid relid);

/*
 * The columns of the table have been changed: raises 55000 if rows wait that could
 * not be read as the stream's any more, see rewrite.c.
 */
extern void weir_rewrite_check_columns(Oid relid);

#endif							/* WEIR_REWRITE_H */
