/*-------------------------------------------------------------------------
 *
 * face_plan.c
 *	  Planning of scans of a wide table.
 *
 * Conditions on the row key, row_key op expression with op one of = < <= > >=
 * or row_key = ANY (array), are handed to the scan, which obeys them exactly.
 * Rows come in key order, either way.  A join on the row key can be a nested
 * loop with the wide table inside (a parameterized path).
 *
 * Of an authorized view only the rows with its prefixes are read.  If it was
 * not analyzed itself, how many they are is estimated by the statistics of the
 * wide table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

#include "storage/authorized_view.h"
#include "storage/catalog.h"
#include "storage/face.h"
#include "weir.h"

/* rel->fdw_private */
typedef struct FaceRel
{
	double		pages;			/* of both heaps, as far as they are in the */
	double		tuples;			/* view, if it is one; and their tuples */
	bool		needs_cells;
} FaceRel;

typedef struct KeyClause
{
	int			strategy;
	Expr	   *argument;		/* does not refer to the relation */
} KeyClause;

/* ---- key conditions ---- */

static bool
is_row_key(const Node *node, Index relid)
{
	const Var  *var = (const Var *) node;

	return IsA(node, Var) && var->varno == relid && var->varlevelsup == 0 &&
		var->varattno == Anum_face_row_key;
}

static bool
is_argument(Node *node, Index relid)
{
	return !contain_volatile_functions(node) &&
		!bms_is_member(relid, pull_varnos(NULL, node));
}

static Node *
strip(Node *node)
{
	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

static bool
match_operator(OpExpr *op, Index relid, KeyClause *result)
{
	Oid			opno = op->opno;
	Node	   *left;
	Node	   *right;

	if (list_length(op->args) != 2)
		return false;
	left = strip(linitial(op->args));
	right = strip(lsecond(op->args));
	if (!is_row_key(left, relid))
	{
		Node	   *swap = left;

		left = right;
		right = swap;
		opno = get_commutator(opno);
	}
	if (!is_row_key(left, relid) || !OidIsValid(opno) ||
		!is_argument(right, relid))
		return false;
	result->strategy = get_op_opfamily_strategy(opno, BYTEA_BTREE_FAM_OID);
	result->argument = (Expr *) right;
	return result->strategy != InvalidStrategy;
}

static bool
match_array(ScalarArrayOpExpr *op, Index relid, KeyClause *result)
{
	Node	   *left = strip(linitial(op->args));
	Node	   *right = lsecond(op->args);

	if (!op->useOr || !is_row_key(left, relid) || !is_argument(right, relid) ||
		get_op_opfamily_strategy(op->opno, BYTEA_BTREE_FAM_OID) !=
		BTEqualStrategyNumber ||
		exprType(right) != BYTEAARRAYOID)
		return false;
	result->strategy = WEIR_KEY_IN_ARRAY;
	result->argument = (Expr *) right;
	return true;
}

static bool
match_clause(Expr *clause, Index relid, KeyClause *result)
{
	if (IsA(clause, OpExpr))
		return match_operator((OpExpr *) clause, relid, result);
	if (IsA(clause, ScalarArrayOpExpr))
		return match_array((ScalarArrayOpExpr *) clause, relid, result);
	return false;
}

/* Those of the RestrictInfos that are key conditions. */
static List *
key_clauses(List *restrictinfos, Index relid)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, restrictinfos)
	{
		RestrictInfo *rinfo = lfirst(lc);
		KeyClause	ignored;

		if (!rinfo->pseudoconstant &&
			match_clause(rinfo->clause, relid, &ignored))
			result = lappend(result, rinfo);
	}
	return result;
}

/* ---- size and cost ---- */

static void
add_heap_size(Oid heap, FaceRel *face)
{
	Relation	rel = table_open(heap, AccessShareLock);
	BlockNumber pages;
	double		tuples;
	double		allvisfrac;

	estimate_rel_size(rel, NULL, &pages, &tuples, &allvisfrac);
	face->pages += pages;
	face->tuples += tuples;
	table_close(rel, NoLock);
}

/* The part of the row keys that are less, by a histogram of them; or -1. */
static double
part_before(PlannerInfo *root, VariableStatData *keys, WeirRowKey key)
{
	Oid			less = get_opfamily_member(BYTEA_BTREE_FAM_OID, BYTEAOID,
										   BYTEAOID, BTLessStrategyNumber);
	FmgrInfo	less_function;

	fmgr_info(get_opcode(less), &less_function);
	return ineq_histogram_selectivity(root, keys, less, &less_function,
									  false, false, InvalidOid,
									  PointerGetDatum(cstring_to_text_with_len(key.bytes,
																			   key.len)),
									  BYTEAOID);
}

static double
part_in_range(PlannerInfo *root, VariableStatData *keys,
			  const WeirKeyRange *range)
{
	double		lower = part_before(root, keys, range->lower);
	double		upper = range->upper.bytes == NULL ? 1 :
		part_before(root, keys, range->upper);

	/* as the planner has it for conditions, if nothing is known */
	if (lower < 0 || upper < 0)
		return range->lower.len == 0 ? 1 : DEFAULT_RANGE_INEQ_SEL;
	return Max(upper - lower, 0);
}

/*
 * Which part of the rows of its wide table an authorized view holds, by their
 * keys.  What there is in its columns is not known.
 */
static double
part_in_view(PlannerInfo *root, const WeirWideTable *table)
{
	const WeirRestriction *view = table->restriction;
	VariableStatData keys = {0};
	double		part = 0;

	if (view == NULL || view->prefixes == NULL)
		return 1;
	keys.statsTuple = SearchSysCache3(STATRELATTINH,
									  ObjectIdGetDatum(table->home),
									  Int16GetDatum(Anum_face_row_key),
									  BoolGetDatum(false));
	keys.freefunc = ReleaseSysCache;
	keys.vartype = keys.atttype = BYTEAOID;
	keys.atttypmod = -1;
	keys.acl_ok = true;			/* nothing of the statistics gets out */
	for (int i = 0; i < view->nprefixes; i++)
		part += part_in_range(root, &keys, &view->ranges[i]);
	ReleaseVariableStats(keys);
	return Min(part, 1);
}

/* How many rows ANALYZE has found; not positive if that is not known. */
static double
analyzed_rows(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	double		rows = -1;

	if (HeapTupleIsValid(tuple))
	{
		rows = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
		ReleaseSysCache(tuple);
	}
	return rows;
}

static void
get_rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	WeirWideTable *table = weir_wide_table_require(relid);
	FaceRel    *face = palloc0(sizeof(FaceRel));
	double		part = part_in_view(root, table);

	add_heap_size(table->base, face);
	add_heap_size(table->delta, face);
	face->pages *= part;
	face->tuples *= part;
	face->needs_cells = weir_face_needs_cells(rel);
	rel->fdw_private = face;

	if (rel->tuples <= 0 && table->home != relid)
		rel->tuples = analyzed_rows(table->home) * part;
	/* Without ANALYZE each tuple may be a row. */
	if (rel->tuples <= 0)
		rel->tuples = Max(face->tuples, 1);
	set_baserel_size_estimates(root, rel);
}

/*
 * Per row read: its share of the tuples and pages of the two heaps, which
 * are in key order more or less.  The descents come before the first row,
 * once for each key that is asked for.
 */
static void
estimate_cost(RelOptInfo *rel, double rows_read, double descents,
			  Cost *startup, Cost *total)
{
	FaceRel    *face = rel->fdw_private;
	double		fraction = Min(rows_read / Max(rel->tuples, 1), 1);
	Cost		descent = 2 * (random_page_cost + 50 * cpu_operator_cost);

	*startup = rel->baserestrictcost.startup + descent;
	*total = *startup + descent * Max(descents - 1, 0) +
		fraction * (face->pages * seq_page_cost +
					face->tuples * (cpu_index_tuple_cost + cpu_tuple_cost)) +
		rows_read * (cpu_tuple_cost + rel->baserestrictcost.per_tuple);
	if (face->needs_cells)
		*total += rows_read * cpu_tuple_cost;
}

/* How often the scan descends to a key, given its conditions. */
static double
estimate_descents(PlannerInfo *root, List *clauses, Index relid)
{
	double		descents = 1;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		KeyClause	clause;

		if (match_clause(((RestrictInfo *) lfirst(lc))->clause, relid,
						 &clause) && clause.strategy == WEIR_KEY_IN_ARRAY)
			descents = Max(descents,
						   WeirArrayLength(root, (Node *) clause.argument));
	}
	return descents;
}

/* ---- paths ---- */

static void
add_scan_path(PlannerInfo *root, RelOptInfo *rel, List *clauses, double rows,
			  List *pathkeys, bool backward, Relids outer)
{
	Selectivity selectivity = clauselist_selectivity(root, clauses, rel->relid,
													 JOIN_INNER, NULL);
	double		rows_read = clamp_row_est(rel->tuples * selectivity);
	Cost		startup;
	Cost		total;

	estimate_cost(rel, rows_read,
				  estimate_descents(root, clauses, rel->relid),
				  &startup, &total);
	add_path(rel, (Path *)
			 weir_create_foreignscan_path(root, rel, rows, startup, total,
										  pathkeys, outer,
										  list_make1_int(backward)));
}

/* Paths without parameters: in either order, as far as it is of use. */
static void
add_ordered_paths(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *clauses = key_clauses(rel->baserestrictinfo, rel->relid);
	Expr	   *row_key = (Expr *) makeVar(rel->relid, Anum_face_row_key,
										   BYTEAOID, -1, InvalidOid, 0);
	Oid			less = get_opfamily_member(BYTEA_BTREE_FAM_OID, BYTEAOID,
										   BYTEAOID, BTLessStrategyNumber);
	Oid			greater = get_opfamily_member(BYTEA_BTREE_FAM_OID, BYTEAOID,
											  BYTEAOID,
											  BTGreaterStrategyNumber);
	List	   *ascending;
	List	   *descending;

	ascending = weir_build_expression_pathkey(root, row_key, less,
											  rel->relids);
	descending = weir_build_expression_pathkey(root, row_key, greater,
											   rel->relids);
	add_scan_path(root, rel, clauses, rel->rows,
				  has_useful_pathkeys(root, rel) ? ascending : NIL,
				  false, rel->lateral_relids);
	if (descending != NIL && has_useful_pathkeys(root, rel))
		add_scan_path(root, rel, clauses, rel->rows, descending, true,
					  rel->lateral_relids);
}

static bool
member_is_row_key(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *ec,
				  EquivalenceMember *em, void *arg)
{
	return is_row_key(strip((Node *) em->em_expr), rel->relid);
}

/* The join clauses that could be key conditions of an inner scan. */
static List *
join_key_clauses(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *movable = NIL;
	ListCell   *lc;

	foreach(lc, rel->joininfo)
	{
		RestrictInfo *rinfo = lfirst(lc);

		if (join_clause_is_movable_to(rinfo, rel))
			movable = lappend(movable, rinfo);
	}
	if (rel->has_eclass_joins)
		movable = list_concat(movable,
							  generate_implied_equalities_for_column(root, rel,
																	 member_is_row_key,
																	 NULL,
																	 rel->lateral_referencers));
	return key_clauses(movable, rel->relid);
}

static bool
is_tried(List *tried, Relids outer)
{
	ListCell   *lc;

	foreach(lc, tried)
		if (bms_equal(lfirst(lc), outer))
			return true;
	return false;
}

/* One path for each set of outer relations that gives key conditions. */
static void
add_parameterized_paths(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *tried = NIL;
	ListCell   *lc;

	foreach(lc, join_key_clauses(root, rel))
	{
		RestrictInfo *rinfo = lfirst(lc);
		Relids		outer = bms_union(rinfo->clause_relids,
									  rel->lateral_relids);
		ParamPathInfo *info;
		List	   *clauses;

		outer = bms_del_member(outer, rel->relid);
		if (bms_is_empty(outer) || is_tried(tried, outer))
			continue;
		tried = lappend(tried, outer);
		info = get_baserel_parampathinfo(root, rel, outer);
		clauses = list_concat(key_clauses(rel->baserestrictinfo, rel->relid),
							  key_clauses(info->ppi_clauses, rel->relid));
		add_scan_path(root, rel, clauses, info->ppi_rows, NIL, false, outer);
	}
}

static void
get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	add_ordered_paths(root, rel);
	add_parameterized_paths(root, rel);
}

/* ---- the plan ---- */

/*
 * SELECT FOR UPDATE and the like.  Whoever writes blindly to a row takes no
 * lock that would make him wait, so that the server's default, which is to
 * lock nothing and not to say so, is the only other choice.
 */
static void
refuse_row_locks(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	ListCell   *lc;

	foreach(lc, root->rowMarks)
	{
		PlanRowMark *mark = lfirst(lc);

		if (mark->rti == rel->relid && mark->strength != LCS_NONE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("rows of wide table \"%s\" cannot be locked",
							get_rel_name(relid)),
					 errhint("Use weir.check_and_mutate_row or weir.read_modify_write_row; to lock rows of other tables of the query, name them after FOR UPDATE OF.")));
	}
}

/*
 * May the executor test the conditions again on a row that it has kept?  It
 * does that in queries that change or lock rows, if a row was changed by
 * others meanwhile.  To be ready for it costs as much as a part of reading a
 * row.
 */
static bool
may_be_tested_again(const PlannerInfo *root)
{
	return root->parse->commandType != CMD_SELECT || root->rowMarks != NIL;
}

static ForeignScan *
get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path,
		 List *tlist, List *scan_clauses, Plan *outer_plan)
{
	FaceRel    *face = rel->fdw_private;
	List	   *strategies = NIL;
	List	   *arguments = NIL;
	List	   *key_conditions = NIL;
	List	   *others = NIL;
	List	   *columns = NIL;
	ListCell   *lc;

	refuse_row_locks(root, rel, relid);
	foreach(lc, scan_clauses)
	{
		RestrictInfo *rinfo = lfirst(lc);
		KeyClause	clause;

		if (rinfo->pseudoconstant)
			continue;
		if (match_clause(rinfo->clause, rel->relid, &clause))
		{
			strategies = lappend_int(strategies, clause.strategy);
			arguments = lappend(arguments, clause.argument);
			key_conditions = lappend(key_conditions, rinfo->clause);
		}
		else
			others = lappend(others, rinfo->clause);
	}
	if (face->needs_cells)
	{
		foreach(lc, weir_face_columns(root, rel))
		{
			columns = lappend_int(columns, list_length(lfirst(lc)));
			arguments = list_concat(arguments,
									copyObject((List *) lfirst(lc)));
		}
	}
	arguments = list_concat(arguments, copyObject(key_conditions));
	return make_foreignscan(tlist, others, rel->relid, arguments,
							list_make4(strategies,
									   makeInteger(linitial_int(path->fdw_private)),
									   makeInteger(face->needs_cells),
									   columns),
							NIL,
							may_be_tested_again(root) ? key_conditions : NIL,
							outer_plan);
}

void
weir_face_plan_init(FdwRoutine *routine)
{
	routine->GetForeignRelSize = get_rel_size;
	routine->GetForeignPaths = get_paths;
	routine->GetForeignPlan = get_plan;
}
