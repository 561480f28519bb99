/*-------------------------------------------------------------------------
 *
 * receiver.h
 *	  Receivers of rows that need no more than a function for each row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_RECEIVER_H
#define WEIR_RECEIVER_H

#include "executor/tuptable.h"
#include "tcop/dest.h"

/* A row of the result; false: no more are wanted. */
typedef bool WeirReceive(TupleTableSlot *slot, DestReceiver *self);

/*
 * Makes a receiver of the struct, which is the first part of the caller's own;
 * nothing is to be done at the beginning or the end.
 */
extern void weir_receiver_init(DestReceiver *self, WeirReceive *receive);

#endif							/* WEIR_RECEIVER_H */
