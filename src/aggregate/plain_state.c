/*-------------------------------------------------------------------------
 *
 * plain_state.c
 *	  States that are results, combined without an aggregation node.
 *
 * The state of count, sum, min and max over most types is what they return:
 * there is no final function, and nothing to serialize.  Where all states of a
 * definition are so, rows of a group that follow each other can be made one as
 * they are read (runs_merge.c), and the result is an expression over that row.
 *
 * Combine functions are called outside of any aggregation: only those of the
 * server are, which are known not to ask for one where the state is plain; and
 * only strict ones, for which a NULL is no state yet.  Combining with the
 * initial state changes nothing, as with that of a worker that has met no row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "parser/parse_agg.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "aggregate/plain_state.h"

typedef struct PlainState
{
	FmgrInfo	combine;
	FunctionCallInfo call;
	bool		byval;
	int16		length;
} PlainState;

struct WeirPlainStates
{
	int			first;			/* column of a state row */
	int			nstates;
	PlainState	states[FLEXIBLE_ARRAY_MEMBER];
};

/* The combine function of a plain state; InvalidOid if it is none. */
static Oid
plain_combine_function(const Aggref *aggref, Oid type)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID,
										ObjectIdGetDatum(aggref->aggfnoid));
	Form_pg_aggregate form;
	Oid			function = InvalidOid;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggref->aggfnoid);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	if (!OidIsValid(form->aggfinalfn) && form->aggtranstype != INTERNALOID &&
		aggref->aggtype == type &&
		OidIsValid(form->aggcombinefn) &&
		form->aggcombinefn < FirstNormalObjectId &&
		func_strict(form->aggcombinefn))
		function = form->aggcombinefn;
	ReleaseSysCache(tuple);
	return function;
}

static void
init_state(PlainState *state, const Aggref *aggref, Oid function)
{
	Oid			type = aggref->aggtype;
	Expr	   *expr;

	fmgr_info(function, &state->combine);
	build_aggregate_transfn_expr(&type, 1, 0, false, type, aggref->inputcollid,
								 function, InvalidOid, &expr, NULL);
	fmgr_info_set_expr((Node *) expr, &state->combine);
	state->call = palloc(SizeForFunctionCallInfo(2));
	InitFunctionCallInfoData(*state->call, &state->combine, 2,
							 aggref->inputcollid, NULL, NULL);
	state->call->args[0].isnull = state->call->args[1].isnull = false;
	get_typlenbyval(type, &state->length, &state->byval);
}

WeirPlainStates *
weir_plain_states(const WeirDefinition *def)
{
	WeirPlainStates *states =
		palloc(offsetof(WeirPlainStates, states) +
			   sizeof(PlainState) * list_length(def->states));
	ListCell   *lc;

	states->first = def->nwindow + def->nkeys;
	states->nstates = 0;
	foreach(lc, def->states)
	{
		Aggref	   *aggref = lfirst_node(Aggref, lc);
		int			column = states->first + states->nstates;
		Oid			function =
			plain_combine_function(aggref,
								   TupleDescAttr(def->state_desc, column)->atttypid);

		if (!OidIsValid(function))
		{
			pfree(states);
			return NULL;
		}
		init_state(&states->states[states->nstates++], aggref, function);
	}
	return states;
}

void
weir_plain_begin(WeirPlainStates *states, Datum *values, bool *isnull,
				 const Datum *row, const bool *row_isnull)
{
	int			i;

	for (i = 0; i < states->nstates; i++)
	{
		PlainState *state = &states->states[i];
		int			column = states->first + i;

		isnull[column] = row_isnull[column];
		values[column] = state->byval || row_isnull[column] ? row[column] :
			datumCopy(row[column], false, state->length);
	}
}

/* The state so far and another one, neither of which is NULL. */
static Datum
combine(PlainState *state, Datum value, Datum other)
{
	FunctionCallInfo call = state->call;
	Datum		result;

	call->args[0].value = value;
	call->args[1].value = other;
	call->isnull = false;
	result = FunctionCallInvoke(call);
	if (call->isnull)
		elog(ERROR, "combine function %u returned NULL", state->combine.fn_oid);
	return state->byval || result == value ? result :
		datumCopy(result, false, state->length);
}

void
weir_plain_add(WeirPlainStates *states, Datum *values, bool *isnull,
			   const Datum *row, const bool *row_isnull)
{
	int			i;

	for (i = 0; i < states->nstates; i++)
	{
		PlainState *state = &states->states[i];
		int			column = states->first + i;

		if (row_isnull[column])
			continue;
		if (!isnull[column])
			values[column] = combine(state, values[column], row[column]);
		else
		{
			isnull[column] = false;
			values[column] = state->byval ? row[column] :
				datumCopy(row[column], false, state->length);
		}
	}
}
