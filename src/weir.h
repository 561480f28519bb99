/*-------------------------------------------------------------------------
 *
 * weir.h
 *	  What every file of weir may rely on: limits, and the only place where
 *	  differences between server versions are dealt with.
 *
 * Supported: PostgreSQL 15 to 18.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_H
#define WEIR_H

#if PG_VERSION_NUM < 150000
#error "weir needs PostgreSQL 15 or later"
#endif

/* The schema that holds everything of weir's. */
#define WEIR_SCHEMA "weir"

/*
 * The file number of a relation's main storage: RelFileNode became
 * RelFileLocator in 16.
 */
#if PG_VERSION_NUM >= 160000
#define WeirRelFileNumber(rel) ((rel)->rd_locator.relNumber)
#else
#define WeirRelFileNumber(rel) ((rel)->rd_node.relNode)
#endif

/* Intervals can be infinite since 17. */
#if PG_VERSION_NUM >= 170000
#define WeirIntervalIsFinite(i) (!INTERVAL_NOT_FINITE(i))
#else
#define WeirIntervalIsFinite(i) (true)
#endif

#endif							/* WEIR_H */
