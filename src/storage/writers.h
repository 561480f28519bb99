/*-------------------------------------------------------------------------
 *
 * writers.h
 *	  Who may be writing to a table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WRITERS_H
#define WEIR_WRITERS_H

#include "access/transam.h"

/*
 * The oldest transaction, other than this one, that holds a lock on the table
 * as writers do; the greatest number there is if none does.  One that has no
 * id yet has written nothing.
 */
extern FullTransactionId weir_oldest_writer(Oid relid);

/* An id of the present or the near past with its epoch. */
extern FullTransactionId weir_full_xid(TransactionId xid);

#endif							/* WEIR_WRITERS_H */
