/*-------------------------------------------------------------------------
 *
 * housekeeping.h
 *	  What the worker does besides ticks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_HOUSEKEEPING_H
#define WEIR_HOUSEKEEPING_H

/*
 * Some of what is due: state of aggregates, compaction of wide tables.  True
 * if there is more to do at once.
 */
extern bool weir_housekeeping_run(void);

/* Does it compact wide tables (setting weir.autocompact)? */
extern bool weir_housekeeping_compacts(void);

extern void weir_housekeeping_init(void);

#endif							/* WEIR_HOUSEKEEPING_H */
