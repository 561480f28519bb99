/*-------------------------------------------------------------------------
 *
 * gc_rule.h
 *	  The type weir.gc_rule: which versions of a column are garbage.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_GC_RULE_H
#define WEIR_GC_RULE_H

#include "types/stored.h"

/* A rule in memory, a tree. */
typedef struct WeirGcRule
{
	enum
	{
		WEIR_GC_MAX_VERSIONS = 1,
		WEIR_GC_MAX_AGE,
		WEIR_GC_UNION,
		WEIR_GC_INTERSECTION
	}			kind;
	int64		limit;			/* number of versions, or microseconds */
	int			nchildren;
	struct WeirGcRule *children;
} WeirGcRule;

/* Unpacks a datum of type weir.gc_rule in the current memory context. */
extern WeirGcRule *weir_gc_rule_from_datum(Datum d);

/*
 * The instant (usec since 1970) from which on a cell is garbage that is the
 * rank'th newest of its column (0 for the newest); PG_INT64_MAX for never,
 * PG_INT64_MIN for ever.  Within a column it never grows with the rank.
 */
extern int64 weir_gc_rule_due(const WeirGcRule *rule, uint32 rank, int64 ts);

#endif							/* WEIR_GC_RULE_H */
