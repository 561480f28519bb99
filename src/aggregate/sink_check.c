/*-------------------------------------------------------------------------
 *
 * sink_check.c
 *	  What can be told of a sink's statement before it has rows to run over.
 *
 * Running it over no rows shows whether names, types and rights are right of what
 * the statement itself says, but nothing that it calls for each row is called.
 * Here it is looked at, as the server's rewriter leaves it, for
 *
 * - open windows of aggregates on the same stream,
 * - commands that are refused while a stream is being consumed,
 * - functions of the language SQL whose text is wrong by now,
 * - mutations of wide tables: is it one, has it the family, may the owner do that?
 *
 * What depends on values, or is in functions of other languages, shows when windows
 * close.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "weir.h"
#include "aggregate/sink_check.h"
#include "storage/catalog.h"
#include "storage/rowstore.h"
#include "stream/tick.h"

void
weir_sink_refuse_open_windows(const WeirAggregate *agg)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("open windows of aggregate \"%s\" cannot be read in a sink on the same stream",
					get_rel_name(agg->view)),
			 errhint("A sink sees the rows just closed as \"closed\".")));
}

static void
check_relation(const WeirAggregate *agg, Oid relid)
{
	WeirAggregate other;

	if (get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE &&
		weir_aggregate_find(relid, NULL, &other) && other.open == relid &&
		other.stream_id == agg->stream_id)
		weir_sink_refuse_open_windows(&other);
}

/* ---------- functions of users ---------- */

/*
 * The text of a function is checked when it is created; what it names may be gone
 * since.  Not of one that sees names otherwise than we do.
 */
static void
check_sql_function(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	bool		is_checked;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	is_checked = form->prolang == SQLlanguageId && !form->prosecdef &&
		heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL) &&
		WeirLanguageAclcheck(SQLlanguageId, GetUserId(), ACL_USAGE) == ACLCHECK_OK;
	ReleaseSysCache(tuple);
	if (is_checked)
		(void) OidFunctionCall1(F_FMGR_SQL_VALIDATOR, ObjectIdGetDatum(function));
}

/* ---------- mutations of wide tables ---------- */

/* The wide table that is changed, and what is done to it. */
typedef struct MutationSearch
{
	const WeirWideTable *table;
	AclMode		required;
} MutationSearch;

/* The argument if it is a constant of that type, and not NULL. */
static Const *
constant_argument(const FuncExpr *call, int n, Oid type)
{
	Const	   *arg = list_length(call->args) > n ? list_nth(call->args, n) : NULL;

	return arg != NULL && IsA(arg, Const) && arg->consttype == type &&
		!arg->constisnull ? arg : NULL;
}

static void
check_mutation(const FuncExpr *call, const char *name, MutationSearch *search)
{
	Const	   *family = constant_argument(call, 0, TEXTOID);
	WeirMutation mutation = {0};
	WeirMutationKind kind;

	for (kind = WEIR_SET_CELL; kind <= WEIR_DELETE_FROM_ROW; kind++)
	{
		if (strcmp(name, weir_mutation_name(kind)) != 0)
			continue;
		mutation.kind = kind;
		search->required |= weir_mutation_rights(&mutation);
		if (family != NULL)
		{
			char	   *wanted = TextDatumGetCString(family->constvalue);

			(void) weir_family_get(search->table, wanted, strlen(wanted));
		}
	}
}

static bool
find_mutations(Node *node, MutationSearch *search)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) &&
		get_func_namespace(((FuncExpr *) node)->funcid) == weir_schema_oid())
		check_mutation((FuncExpr *) node,
					   get_func_name(((FuncExpr *) node)->funcid), search);
	return expression_tree_walker(node, find_mutations, search);
}

static void
check_mutate_row(FuncExpr *call)
{
	Const	   *table = constant_argument(call, 0, REGCLASSOID);
	MutationSearch search = {0};
	Oid			face;

	if (table == NULL)
		return;
	face = DatumGetObjectId(table->constvalue);
	search.table = weir_wide_table_open(face, AccessShareLock, 0);
	(void) find_mutations((Node *) call->args, &search);
	weir_wide_table_check_acl(face, search.required);
}

/* ---------- the statement ---------- */

static void
check_function(FuncExpr *call)
{
	char	   *name;

	if (call->funcid < FirstNormalObjectId)
		return;
	if (get_func_namespace(call->funcid) != weir_schema_oid())
	{
		check_sql_function(call->funcid);
		return;
	}
	name = get_func_name(call->funcid);
	weir_stream_check_sink_call(psprintf("%s.%s", WEIR_SCHEMA, name));
	if (strcmp(name, "mutate_row") == 0)
		check_mutate_row(call);
}

static bool
check_node(Node *node, const WeirAggregate *agg)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		if (((RangeTblEntry *) node)->rtekind == RTE_RELATION)
			check_relation(agg, ((RangeTblEntry *) node)->relid);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, check_node,
								 unconstify(WeirAggregate *, agg),
								 QTW_EXAMINE_RTES_BEFORE);
	if (IsA(node, FuncExpr))
		check_function((FuncExpr *) node);
	return expression_tree_walker(node, check_node,
								  unconstify(WeirAggregate *, agg));
}

void
weir_sink_check(const WeirAggregate *agg, List *queries)
{
	ListCell   *lc;

	foreach(lc, queries)
	{
		Query	   *query = lfirst_node(Query, lc);

		if (query->commandType != CMD_UTILITY)
			(void) check_node((Node *) query, agg);
	}
}
