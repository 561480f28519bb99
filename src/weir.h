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

/*
 * Map of attributes by name, NULL where none is needed.
 */
#if PG_VERSION_NUM >= 160000
#define WeirBuildAttrMap(in, out) build_attrmap_by_name_if_req(in, out, false)
#else
#define WeirBuildAttrMap(in, out) build_attrmap_by_name_if_req(in, out)
#endif

/* Whether the role owns the relation. */
#if PG_VERSION_NUM >= 160000
#define WeirOwnsRelation(relid, role) \
	object_ownercheck(RelationRelationId, relid, role)
#else
#define WeirOwnsRelation(relid, role) pg_class_ownercheck(relid, role)
#endif

/*
 * tid as a Datum: private to the server before 16.
 */
#if PG_VERSION_NUM < 160000
#define DatumGetItemPointer(X) ((ItemPointer) DatumGetPointer(X))
#define ItemPointerGetDatum(X) PointerGetDatum(X)
#endif

/*
 * Is this the entry of a background worker?
 */
#if PG_VERSION_NUM >= 180000
#define WeirProcIsWorker(proc) (!(proc)->isRegularBackend)
#else
#define WeirProcIsWorker(proc) ((proc)->isBackgroundWorker)
#endif

#endif							/* WEIR_H */
