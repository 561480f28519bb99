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

/* VARDATA and its like have a header of their own since 16. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* "This function does not return", before its declaration. */
#if PG_VERSION_NUM >= 180000
#define WEIR_NORETURN pg_noreturn
#else
#define WEIR_NORETURN pg_attribute_noreturn()
#endif

/* What stored bytes that only this server can read are marked with. */
#define WEIR_SERVER_MAJOR	(PG_VERSION_NUM / 10000)

/* The schema that holds everything of weir's. */
#define WEIR_SCHEMA "weir"

/* May rows that a snapshot sees be removed?  Until 16, if it is old enough. */
#if PG_VERSION_NUM >= 170000
#define WeirSnapshotsExpire()	false
#else
#define WeirSnapshotsExpire()	(old_snapshot_threshold >= 0)
#endif

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
 * What stands above the grouping of a query, in terms of what is read: the
 * output columns of joins (and, from 18 on, the grouping expressions, which
 * have a range table entry of their own) replaced by what they stand for.
 */
#if PG_VERSION_NUM >= 180000
#define WeirFlattenNode(query, node) \
	flatten_join_alias_vars(NULL, query, \
							(query)->hasGroupRTE ? \
							flatten_group_exprs(NULL, query, (Node *) (node)) : \
							(Node *) (node))
#define WeirForgetGroupRTE(query) ((query)->hasGroupRTE = false)
#elif PG_VERSION_NUM >= 160000
#define WeirFlattenNode(query, node) \
	flatten_join_alias_vars(NULL, query, (Node *) (node))
#define WeirForgetGroupRTE(query) ((void) 0)
#else
#define WeirFlattenNode(query, node) \
	flatten_join_alias_vars(query, (Node *) (node))
#define WeirForgetGroupRTE(query) ((void) 0)
#endif

#define WeirFlattenOutputs(query) \
	do { \
		(query)->targetList = (List *) WeirFlattenNode(query, (query)->targetList); \
		(query)->havingQual = WeirFlattenNode(query, (query)->havingQual); \
		WeirForgetGroupRTE(query); \
	} while (0)

/*
 * Nobody's rights on the relation of the range table entry are checked; from 16
 * on what is to be checked stands beside the range table.
 */
#if PG_VERSION_NUM >= 160000
#define WeirForgetRights(rte) ((rte)->perminfoindex = 0)
#else
#define WeirForgetRights(rte) \
	do { \
		(rte)->requiredPerms = 0; \
		(rte)->selectedCols = NULL; \
	} while (0)
#endif

/*
 * The entry, of forgotten rights, is for a relation of this query: from 16 on
 * there must be something beside the range table that says that none are needed.
 */
#if PG_VERSION_NUM >= 160000
#define WeirNeedNoRights(query, rte) \
	((void) addRTEPermissionInfo(&(query)->rteperminfos, (rte)))
#else
#define WeirNeedNoRights(query, rte) ((void) 0)
#endif

/* A plan is run once; from 18 on that goes without saying. */
#if PG_VERSION_NUM >= 180000
#define WeirExecutorRun(desc) \
	ExecutorRun(desc, ForwardScanDirection, 0)
#else
#define WeirExecutorRun(desc) \
	ExecutorRun(desc, ForwardScanDirection, 0, true)
#endif

/* Room in front of the tuple is new in 18. */
#if PG_VERSION_NUM >= 180000
#define WeirFormMinimalTuple(desc, values, isnull) \
	heap_form_minimal_tuple(desc, values, isnull, 0)
#else
#define WeirFormMinimalTuple(desc, values, isnull) \
	heap_form_minimal_tuple(desc, values, isnull)
#endif

/*
 * Lists of values can be combined since 16.  Their states are written with
 * the functions for binary input and output of the values, which not every
 * type has.  Needs parser/parse_agg.h and utils/fmgroids.h.
 */
#if PG_VERSION_NUM >= 160000
#define WeirStateCanBeSent(aggref, serialfn) \
	((serialfn) != F_ARRAY_AGG_SERIALIZE || \
	 agg_args_support_sendreceive(aggref))
#else
#define WeirStateCanBeSent(aggref, serialfn) (true)
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

/* Rights on a function. */
#if PG_VERSION_NUM >= 160000
#define WeirProcAclcheck(function, role, mode) \
	object_aclcheck(ProcedureRelationId, function, role, mode)
#else
#define WeirProcAclcheck(function, role, mode) \
	pg_proc_aclcheck(function, role, mode)
#endif

/* Rights on a language. */
#if PG_VERSION_NUM >= 160000
#define WeirLanguageAclcheck(language, role, mode) \
	object_aclcheck(LanguageRelationId, language, role, mode)
#else
#define WeirLanguageAclcheck(language, role, mode) \
	pg_language_aclcheck(language, role, mode)
#endif

/*
 * tid as a Datum: private to the server before 16.
 */
#if PG_VERSION_NUM < 160000
#define DatumGetItemPointer(X) ((ItemPointer) DatumGetPointer(X))
#define ItemPointerGetDatum(X) PointerGetDatum(X)
#endif

/*
 * A lock and its entry in the lock table; failures can be logged since 18.
 * Needs storage/lock.h.
 */
#if PG_VERSION_NUM >= 180000
#define WeirLockAcquireExtended(tag, mode, session, dont_wait, local) \
	LockAcquireExtended(tag, mode, session, dont_wait, true, local, false)
#else
#define WeirLockAcquireExtended(tag, mode, session, dont_wait, local) \
	LockAcquireExtended(tag, mode, session, dont_wait, true, local)
#endif

/*
 * Is this the entry of a background worker?
 */
#if PG_VERSION_NUM >= 180000
#define WeirProcIsWorker(proc) (!(proc)->isRegularBackend)
#else
#define WeirProcIsWorker(proc) ((proc)->isBackgroundWorker)
#endif

/*
 * The process of a virtual transaction id, or NULL, and the one that a process
 * has: numbered otherwise since 17.  Needs storage/proc.h and, before 17,
 * storage/sinvaladt.h, since then storage/procarray.h.
 */
#if PG_VERSION_NUM >= 170000
#define WeirVxidGetProc(v) ProcNumberGetProc((v).procNumber)
#define WeirProcLxid(proc) ((proc)->vxid.lxid)
#else
#define WeirVxidGetProc(v) BackendIdGetProc((v).backendId)
#define WeirProcLxid(proc) ((proc)->lxid)
#endif

/* A setting that is new in 17, switched off, as an item of a list. */
#if PG_VERSION_NUM >= 170000
#define WEIR_NO_TRANSACTION_TIMEOUT {"transaction_timeout", "0"},
#else
#define WEIR_NO_TRANSACTION_TIMEOUT
#endif

/* Intervals can be infinite since 17. */
#if PG_VERSION_NUM >= 170000
#define WeirIntervalIsFinite(i) (!INTERVAL_NOT_FINITE(i))
#else
#define WeirIntervalIsFinite(i) (true)
#endif

/*
 * Errors of input functions can be soft from 16 on: weir_errsave takes the
 * context an input function was called with (fcinfo->context) and returns
 * if the caller wants to go on; the function then returns failure.  In 15
 * it always raises.
 */
#if PG_VERSION_NUM >= 160000
#define weir_errsave(context, ...) errsave(context, __VA_ARGS__)
#else
#define weir_errsave(context, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
	} while (0)
#endif

/*
 * The server's JSON parser (common/jsonapi.h, utils/jsonfuncs.h).  Semantic
 * actions got a result in 16: a semantic action of type WeirJsonAction ends
 * with WEIR_JSON_RETURN(ok), ok being false after weir_errsave.
 */
#if PG_VERSION_NUM >= 160000
#define WeirJsonAction JsonParseErrorType
#define WEIR_JSON_RETURN(ok) return (ok) ? JSON_SUCCESS : JSON_SEM_ACTION_FAILED
#define weir_parse_json(lex, sem, context) \
	pg_parse_json_or_errsave(lex, sem, context)
#else
#define WeirJsonAction void
#define WEIR_JSON_RETURN(ok) \
	do { \
		(void) (ok); \
		return; \
	} while (0)
#define weir_parse_json(lex, sem, context) \
	((void) (context), pg_parse_json_or_ereport(lex, sem), true)
#endif

#if PG_VERSION_NUM >= 170000
#define weir_json_lexer(json, len) \
	makeJsonLexContextCstringLen(NULL, json, len, GetDatabaseEncoding(), true)
#else
#define weir_json_lexer(json, len) \
	makeJsonLexContextCstringLen(json, len, GetDatabaseEncoding(), true)
#endif

/* Index scans count for EXPLAIN since 18. */
#if PG_VERSION_NUM >= 180000
#define WeirIndexBeginScan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define WeirIndexBeginScan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

/* Index insertion can leave out all but summarizing indexes since 16. */
#if PG_VERSION_NUM >= 160000
#define WeirExecInsertIndexTuples(rri, slot, estate, update) \
	ExecInsertIndexTuples(rri, slot, estate, update, false, NULL, NIL, false)
#else
#define WeirExecInsertIndexTuples(rri, slot, estate, update) \
	ExecInsertIndexTuples(rri, slot, estate, update, false, NULL, NIL)
#endif

/* An input function in C got a context for soft errors in 16. */
#if PG_VERSION_NUM >= 160000
#define WEIR_NO_ESCONTEXT , NULL
#else
#define WEIR_NO_ESCONTEXT
#endif

/* Path keys know of outer joins by themselves since 16. */
#if PG_VERSION_NUM >= 160000
#define weir_build_expression_pathkey(root, expr, opno, relids) \
	build_expression_pathkey(root, expr, opno, relids, false)
#else
#define weir_build_expression_pathkey(root, expr, opno, relids) \
	build_expression_pathkey(root, expr, NULL, opno, relids, false)
#endif

/*
 * A path of a foreign scan: it got restrictions in 17, and the number of
 * disabled nodes in 18.
 */
#if PG_VERSION_NUM >= 180000
#define weir_create_foreignscan_path(root, rel, rows, startup, total, keys, outer, private) \
	create_foreignscan_path(root, rel, NULL, rows, 0, startup, total, keys, outer, NULL, NIL, private)
#elif PG_VERSION_NUM >= 170000
#define weir_create_foreignscan_path(root, rel, rows, startup, total, keys, outer, private) \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, keys, outer, NULL, NIL, private)
#else
#define weir_create_foreignscan_path(root, rel, rows, startup, total, keys, outer, private) \
	create_foreignscan_path(root, rel, NULL, rows, startup, total, keys, outer, NULL, private)
#endif

/* TRUNCATE can run as the owner since 16. */
#if PG_VERSION_NUM >= 160000
#define weir_truncate(rels, relids) \
	ExecuteTruncateGuts(rels, relids, NIL, DROP_RESTRICT, false, false)
#else
#define weir_truncate(rels, relids) \
	ExecuteTruncateGuts(rels, relids, NIL, DROP_RESTRICT, false)
#endif

/* Estimating the length of an array looks at statistics since 17. */
#if PG_VERSION_NUM >= 170000
#define WeirArrayLength(root, expr) estimate_array_length(root, expr)
#else
#define WeirArrayLength(root, expr) estimate_array_length(expr)
#endif

/* The delay of VACUUM and ANALYZE knows which of them it is since 18. */
#if PG_VERSION_NUM >= 180000
#define weir_analyze_delay_point() vacuum_delay_point(true)
#else
#define weir_analyze_delay_point() vacuum_delay_point()
#endif

/* The headers of EXPLAIN: what it prints, and its state; split off in 18. */
#if PG_VERSION_NUM >= 180000
#define WEIR_EXPLAIN_H "commands/explain_format.h"
#define WEIR_EXPLAIN_STATE_H "commands/explain_state.h"
#else
#define WEIR_EXPLAIN_H "commands/explain.h"
#define WEIR_EXPLAIN_STATE_H "commands/explain.h"
#endif

/*
 * No row has a null in the column: since 18 a constraint of that may be there
 * that existing rows have not been checked by.  Needs access/tupdesc.h.
 */
#if PG_VERSION_NUM >= 180000
#define WeirColumnIsNotNull(desc, i) \
	(TupleDescCompactAttr(desc, i)->attnullability == ATTNULLABLE_VALID)
#else
#define WeirColumnIsNotNull(desc, i) (TupleDescAttr(desc, i)->attnotnull)
#endif

/* Outer-join clauses are wrapped since 16; needs nodes/pathnodes.h. */
#if PG_VERSION_NUM >= 160000
#define weir_outer_join_clause(node) \
	((Node *) ((OuterJoinClauseInfo *) (node))->rinfo)
#else
#define weir_outer_join_clause(node) ((Node *) (node))
#endif

/* An update tells which indexes need a new entry since 16; the tuple too. */
#if PG_VERSION_NUM >= 160000
#define WeirHeapUpdate(rel, tid, tuple) \
	do { \
		TU_UpdateIndexes update_indexes_; \
		simple_heap_update(rel, tid, tuple, &update_indexes_); \
	} while (0)
#else
#define WeirHeapUpdate(rel, tid, tuple) simple_heap_update(rel, tid, tuple)
#endif

/* Do we hold the lock in exactly this mode?  17 can ask for stronger ones, too. */
#if PG_VERSION_NUM >= 170000
#define WeirLockHeldByMe(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define WeirLockHeldByMe(tag, mode) LockHeldByMe(tag, mode)
#endif

#endif							/* WEIR_H */
