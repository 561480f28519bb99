/*-------------------------------------------------------------------------
 *
 * widerow_subscript.c
 *	  Subscripts of weir.widerow.
 *
 *		cells['family']					weir.widerow, empty if there is none
 *		cells['family']['qualifier']	bytea, NULL if there is none
 *
 * The family is text; the qualifier is text or bytea, and an untyped literal
 * is text.  A NULL subscript gives NULL.  There is no assignment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/execExpr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/subscripting.h"
#include "parser/parse_coerce.h"
#include "parser/parse_expr.h"
#include "utils/lsyscache.h"

#include "types/bytestext.h"
#include "types/widerow.h"
#include "weir.h"

PG_FUNCTION_INFO_V1(weir__widerow_subscript);

/* What the fetch of a value must know, besides the subscripts */
typedef struct FetchWorkspace
{
	bool		qualifier_is_text;
} FetchWorkspace;

/* The subscript as text or, if that is allowed and it is bytea, bytea */
static Node *
transform_subscript(ParseState *pstate, Node *index, bool allow_bytea)
{
	Node	   *expr;
	Node	   *coerced;
	Oid			type;

	Assert(IsA(index, A_Indices));
	index = ((A_Indices *) index)->uidx;
	expr = transformExpr(pstate, index, pstate->p_expr_kind);
	type = TEXTOID;
	if (allow_bytea && getBaseType(exprType(expr)) == BYTEAOID)
		type = BYTEAOID;
	coerced = coerce_to_target_type(pstate, expr, exprType(expr), type, -1,
									COERCION_IMPLICIT, COERCE_IMPLICIT_CAST,
									-1);
	if (coerced == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 allow_bytea ?
				 errmsg("qualifier subscript must have type text or bytea") :
				 errmsg("family subscript must have type text"),
				 parser_errposition(pstate, exprLocation(expr))));
	return coerced;
}

static void
subscript_transform(SubscriptingRef *sbsref, List *indirection,
					ParseState *pstate, bool isSlice, bool isAssignment)
{
	Node	   *subscript;

	if (isAssignment)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot assign to a subscript of type %s",
						"weir.widerow"),
				 errhint("Make a new value with the operator ||, or change a row of a wide table with weir.mutate_row."),
				 parser_errposition(pstate,
									exprLocation((Node *) indirection))));
	if (isSlice || list_length(indirection) > 2)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("type %s has one or two subscripts and no slices",
						"weir.widerow"),
				 errhint("The subscripts are the family and the qualifier."),
				 parser_errposition(pstate,
									exprLocation((Node *) indirection))));

	subscript = transform_subscript(pstate, linitial(indirection), false);
	sbsref->refupperindexpr = list_make1(subscript);
	sbsref->refrestype = sbsref->refcontainertype;
	if (list_length(indirection) == 2)
	{
		subscript = transform_subscript(pstate, lsecond(indirection), true);
		sbsref->refupperindexpr = lappend(sbsref->refupperindexpr, subscript);
		sbsref->refrestype = BYTEAOID;
	}
	sbsref->reflowerindexpr = NIL;
	sbsref->reftypmod = -1;
}

static void
fetch_family(ExprState *state, ExprEvalStep *op, ExprContext *econtext)
{
	SubscriptingRefState *sbsrefstate = op->d.sbsref.state;
	text	   *family;
	WeirRow    *row;

	if (sbsrefstate->upperindexnull[0])
	{
		*op->resnull = true;
		return;
	}
	family = DatumGetTextPP(sbsrefstate->upperindex[0]);
	row = weir_row_cut_family(weir_row_from_datum(*op->resvalue),
							  VARDATA_ANY(family),
							  VARSIZE_ANY_EXHDR(family));
	*op->resvalue = PointerGetDatum(row);
}

static void
fetch_value(ExprState *state, ExprEvalStep *op, ExprContext *econtext)
{
	SubscriptingRefState *sbsrefstate = op->d.sbsref.state;
	FetchWorkspace *workspace = sbsrefstate->workspace;
	text	   *family;
	bytea	   *subscript;
	bytea	   *value;
	const char *qualifier;
	size_t		len;

	if (sbsrefstate->upperindexnull[0] || sbsrefstate->upperindexnull[1])
	{
		*op->resnull = true;
		return;
	}
	family = DatumGetTextPP(sbsrefstate->upperindex[0]);
	subscript = DatumGetByteaPP(sbsrefstate->upperindex[1]);
	if (workspace->qualifier_is_text)
		qualifier = weir_bytes_of_text(subscript, &len);
	else
	{
		qualifier = VARDATA_ANY(subscript);
		len = VARSIZE_ANY_EXHDR(subscript);
	}
	*op->resnull = !weir_row_newest_value(*op->resvalue, VARDATA_ANY(family),
										  VARSIZE_ANY_EXHDR(family),
										  qualifier, len, &value);
	if (!*op->resnull)
		*op->resvalue = PointerGetDatum(value);
}

static void
subscript_exec_setup(const SubscriptingRef *sbsref,
					 SubscriptingRefState *sbsrefstate,
					 SubscriptExecSteps *methods)
{
	methods->sbs_check_subscripts = NULL;
	methods->sbs_assign = NULL;
	methods->sbs_fetch_old = NULL;
	if (sbsrefstate->numupper == 2)
	{
		FetchWorkspace *workspace = palloc(sizeof(FetchWorkspace));

		workspace->qualifier_is_text =
			exprType(lsecond(sbsref->refupperindexpr)) == TEXTOID;
		sbsrefstate->workspace = workspace;
		methods->sbs_fetch = fetch_value;
	}
	else
		methods->sbs_fetch = fetch_family;
}

/*
 * Leak-proof: the only errors are about the value's own bytes and never say
 * what they are.
 */
Datum
weir__widerow_subscript(PG_FUNCTION_ARGS)
{
	static const SubscriptRoutines routines = {
		.transform = subscript_transform,
		.exec_setup = subscript_exec_setup,
		.fetch_strict = true,
		.fetch_leakproof = true,
		.store_leakproof = false
	};

	PG_RETURN_POINTER(&routines);
}
