/*-------------------------------------------------------------------------
 *
 * sequence.h
 *	  Numbers that all sessions share outside of transactions: the last
 *	  values of sequences.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_SEQUENCE_H
#define WEIR_SEQUENCE_H

/* The last value as it is now, whatever the snapshot. */
extern int64 weir_sequence_read(Oid relid);

/* Takes effect at once, whatever becomes of the transaction. */
extern void weir_sequence_set(Oid relid, int64 value);

#endif							/* WEIR_SEQUENCE_H */
