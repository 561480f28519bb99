/*-------------------------------------------------------------------------
 *
 * receiver.c
 *	  Receivers of rows that need no more than a function for each row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "aggregate/receiver.h"

static void
begin(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
end(DestReceiver *self)
{
}

void
weir_receiver_init(DestReceiver *self, WeirReceive *receive)
{
	self->receiveSlot = receive;
	self->rStartup = begin;
	self->rShutdown = end;
	self->rDestroy = end;
	self->mydest = DestNone;
}
