/*-------------------------------------------------------------------------
 *
 * giveway.h
 *	  A worker is in nobody's way: it ends when somebody wants the database
 *	  or the extension for himself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_GIVEWAY_H
#define WEIR_GIVEWAY_H

/* At the start of the process. */
extern void weir_giveway_init(void);

/*
 * In a transaction: lock database and extension for it, and tell which extension
 * it is; InvalidOid if there is none (any more).  False if somebody is dropping
 * it.  Ends the process if somebody has the database.
 */
extern bool weir_giveway_lock(Oid *extension);

/*
 * After weir_giveway_lock: something that may take long begins or goes on.
 * Ends the process if somebody waits.
 */
extern void weir_giveway_watch(void);

/* The transaction is about to end, and with it the locks. */
extern void weir_giveway_unlock(void);

/* Was what was being watched cancelled because somebody waits? */
extern bool weir_giveway_is_wanted(void);

/* Between transactions: end the process if somebody wants the database. */
extern void weir_giveway_try(void);

#endif							/* WEIR_GIVEWAY_H */
