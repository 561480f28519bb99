/*-------------------------------------------------------------------------
 *
 * stream_guard.h
 *	  What keeps a stream a stream: triggers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STREAM_GUARD_H
#define WEIR_STREAM_GUARD_H

/* The trigger that refuses UPDATE. */
extern void weir_guard_add(Oid relid);
extern void weir_guard_remove(Oid relid);

/*
 * While weir itself drops parts of a stream nothing is refused.  Returns what
 * was in force; the caller puts it back, on error too.
 */
extern bool weir_guard_suspend(bool suspended);

#endif							/* WEIR_STREAM_GUARD_H */
