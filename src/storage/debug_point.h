/*-------------------------------------------------------------------------
 *
 * debug_point.h
 *	  Named places in the code where tests can hold a process, make it fail
 *	  or kill it.  Compiled in with -DWEIR_DEBUG only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DEBUG_POINT_H
#define WEIR_DEBUG_POINT_H

#ifdef WEIR_DEBUG
extern void weir_debug_point_reach(const char *name);
extern void weir_debug_point_init(void);

#define WEIR_DEBUG_POINT(name) weir_debug_point_reach(name)
#else
#define WEIR_DEBUG_POINT(name) ((void) 0)
#define weir_debug_point_init() ((void) 0)
#endif

#endif							/* WEIR_DEBUG_POINT_H */
