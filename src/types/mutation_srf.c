/*-------------------------------------------------------------------------
 *
 * mutation_srf.c
 *	  Mutations as SQL rows, and as JSON.
 *
 * weir.mutations gives one row a mutation, in the order of the list.  What a
 * kind of mutation does not have is null.  The cast to json gives the text
 * form, so that to_jsonb makes an array of arrays of a list.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "types/mutation.h"
#include "weir.h"

PG_FUNCTION_INFO_V1(weir_mutations);
PG_FUNCTION_INFO_V1(weir__mutation_to_json);

enum
{
	MUTATIONS_NAME,
	MUTATIONS_FAMILY,
	MUTATIONS_QUALIFIER,
	MUTATIONS_VALUE,
	MUTATIONS_TS,
	MUTATIONS_TS_TO,
	MUTATIONS_NATTS
};

static Datum
bytes_datum(const char *bytes, uint32 len)
{
	return PointerGetDatum(cstring_to_text_with_len(bytes, len));
}

static void
set_value(Datum *values, bool *nulls, int attribute, Datum value)
{
	values[attribute] = value;
	nulls[attribute] = false;
}

/* A cell: its value, and its time unless that is the server's. */
static void
set_cell_values(Datum *values, bool *nulls, const WeirMutation *mutation)
{
	if (!(mutation->flags & WEIR_MUTATION_NULL_STATE))
		set_value(values, nulls, MUTATIONS_VALUE,
				  bytes_datum(mutation->value, mutation->value_len));
	if (!(mutation->flags & WEIR_MUTATION_SERVER_TIME))
		set_value(values, nulls, MUTATIONS_TS,
				  TimestampTzGetDatum(weir_cell_ts_to_timestamptz(mutation->ts)));
}

/* A range of timestamps, null where it has no bound. */
static void
set_range_values(Datum *values, bool *nulls, const WeirMutation *mutation)
{
	if (mutation->ts != 0)
		set_value(values, nulls, MUTATIONS_TS,
				  TimestampTzGetDatum(weir_cell_ts_to_timestamptz(mutation->ts)));
	if (mutation->to != WEIR_TS_UNBOUNDED)
		set_value(values, nulls, MUTATIONS_TS_TO,
				  TimestampTzGetDatum(weir_cell_ts_to_timestamptz(mutation->to)));
}

static void
put_mutation(ReturnSetInfo *rsinfo, const WeirMutation *mutation)
{
	Datum		values[MUTATIONS_NATTS] = {0};
	bool		nulls[MUTATIONS_NATTS];

	memset(nulls, true, sizeof(nulls));
	set_value(values, nulls, MUTATIONS_NAME,
			  CStringGetTextDatum(weir_mutation_name(mutation->kind)));
	if (mutation->kind != WEIR_DELETE_FROM_ROW)
		set_value(values, nulls, MUTATIONS_FAMILY,
				  bytes_datum(mutation->family, mutation->family_len));
	if (mutation->kind <= WEIR_DELETE_FROM_COLUMN)
		set_value(values, nulls, MUTATIONS_QUALIFIER,
				  bytes_datum(mutation->qualifier, mutation->qualifier_len));
	if (mutation->kind == WEIR_DELETE_FROM_COLUMN)
		set_range_values(values, nulls, mutation);
	else if (mutation->kind < WEIR_DELETE_FROM_COLUMN)
		set_cell_values(values, nulls, mutation);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
weir_mutations(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		WeirMutation mutation;
		struct varlena *v;

		if (nulls[i])
			continue;
		v = PG_DETOAST_DATUM_PACKED(elements[i]);
		weir_mutation_read(&mutation, VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v));
		put_mutation((ReturnSetInfo *) fcinfo->resultinfo, &mutation);
	}
	return (Datum) 0;
}

Datum
weir__mutation_to_json(PG_FUNCTION_ARGS)
{
	Datum		text = DirectFunctionCall1(weir_mutation_out,
										   PG_GETARG_DATUM(0));

	PG_RETURN_TEXT_P(cstring_to_text(DatumGetCString(text)));
}
