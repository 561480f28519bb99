/*-------------------------------------------------------------------------
 *
 * first_last.c
 *	  The aggregates weir.first and weir.last: the value at the least, or the
 *	  greatest, time.
 *
 * The state is a value of the type weir._timed_value, which is not
 * "internal", so that it can be stored, sent to parallel workers and to other
 * nodes, and combined without knowing the type of the value in it:
 *
 *	offset	size	meaning
 *	0		4		varlena header
 *	4		8		time, microseconds since 2000-01-01, machine order
 *	12		4		OID of the value's type
 *	16		1		0: NULL, 1: a value follows
 *	17		-		passed by value: 8 bytes, big-endian, sign bit flipped,
 *					of negative floating-point numbers all bits;
 *					fixed length or cstring: the bytes;
 *					varlena: the bytes after the header, never compressed
 *
 * E.g. the integer 7 at 2000-01-01 00:00:01: 40420f00 00000000 17000000 01
 * 80000000 00000007.
 *
 * At equal times the state whose part from offset 16 on sorts first (first)
 * or last (last) by unsigned bytes wins: NULL before all values, numbers and
 * times that are passed by value in their order, text in that of its bytes.
 * So the result does not depend on the order in which rows are met.
 *
 * The value's bytes are an image of a datum and would be dangerous if they
 * could be made up, or read as another type: the type has no input, and the
 * OID is compared wherever a value is taken out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "weir.h"

typedef struct TimedValue
{
	int32		vl_len_;
	int32		at[2];			/* int64, only 4-byte aligned */
	Oid			type;
	char		image[FLEXIBLE_ARRAY_MEMBER];	/* flag, then the value */
} TimedValue;

#define IMAGE_OFFSET	offsetof(TimedValue, image)
#define IMAGE_LEN(v)	(VARSIZE(v) - IMAGE_OFFSET)
#define SIGN_BIT		(UINT64CONST(1) << 63)

/* What a call's FmgrInfo remembers about the type of the value. */
typedef struct ValueType
{
	Oid			type;
	int16		len;
	bool		byval;
	bool		is_float;
} ValueType;

PG_FUNCTION_INFO_V1(weir__timed_value_in);
PG_FUNCTION_INFO_V1(weir__timed_value_out);
PG_FUNCTION_INFO_V1(weir__timed_value_recv);
PG_FUNCTION_INFO_V1(weir__timed_value_send);
PG_FUNCTION_INFO_V1(weir__first_trans);
PG_FUNCTION_INFO_V1(weir__last_trans);
PG_FUNCTION_INFO_V1(weir__first_combine);
PG_FUNCTION_INFO_V1(weir__last_combine);
PG_FUNCTION_INFO_V1(weir__timed_value_final);

static void
refuse_input(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot accept a value of type %s",
					"weir._timed_value")));
}

Datum
weir__timed_value_in(PG_FUNCTION_ARGS)
{
	refuse_input();
	PG_RETURN_NULL();
}

Datum
weir__timed_value_recv(PG_FUNCTION_ARGS)
{
	refuse_input();
	PG_RETURN_NULL();
}

Datum
weir__timed_value_out(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(byteaout, PG_GETARG_DATUM(0));
}

Datum
weir__timed_value_send(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(byteasend, PG_GETARG_DATUM(0));
}

static Timestamp
get_time(const TimedValue *v)
{
	Timestamp	at;

	memcpy(&at, v->at, sizeof(at));
	return at;
}

/*
 * An aligned, plain copy, or the argument itself if it is that.
 */
static TimedValue *
get_timed_value(FunctionCallInfo fcinfo, int argno)
{
	TimedValue *v = (TimedValue *) PG_DETOAST_DATUM(PG_GETARG_DATUM(argno));

	if (VARSIZE(v) <= IMAGE_OFFSET || v->image[0] < 0 || v->image[0] > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid value of type %s", "weir._timed_value")));
	return v;
}

static const ValueType *
get_value_type(FunctionCallInfo fcinfo, int argno)
{
	ValueType  *result = (ValueType *) fcinfo->flinfo->fn_extra;

	if (result == NULL)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, argno);

		if (!OidIsValid(type))
			elog(ERROR, "could not determine the type of the value");
		result = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt,
									sizeof(ValueType));
		result->type = type;
		get_typlenbyval(type, &result->len, &result->byval);
		result->is_float = (type == FLOAT4OID || type == FLOAT8OID);
		fcinfo->flinfo->fn_extra = result;
	}
	return result;
}

/*
 * Is the pair (at, image) to be taken rather than v?  "sign" is -1 for the
 * least time, 1 for the greatest.
 */
static bool
wins(const TimedValue *v, int sign, Timestamp at, const char *image,
	 Size image_len)
{
	Timestamp	old_at = get_time(v);
	int			cmp;

	if (at != old_at)
		return (at > old_at) == (sign > 0);

	cmp = memcmp(image, v->image, Min(image_len, IMAGE_LEN(v)));
	if (cmp == 0)
		cmp = (image_len > IMAGE_LEN(v)) - (image_len < IMAGE_LEN(v));
	return (sign > 0) ? cmp > 0 : cmp < 0;
}

/*
 * Negative floating-point numbers, as integers, sort backwards: turn them
 * round, or back again.
 */
static inline uint64
flip_if_negative_float(const ValueType *vt, uint64 bits)
{
	return (vt->is_float && (bits & SIGN_BIT) != 0) ? bits ^ ~SIGN_BIT : bits;
}

/*
 * The image of a value: the flag and the bytes, in "fixed" if they fit there
 * (9 bytes), else in palloc'd memory.
 */
static char *
make_image(const ValueType *vt, Datum value, bool isnull, char *fixed,
		   Size *len)
{
	const char *bytes;
	Size		nbytes;
	char	   *result;

	if (isnull)
	{
		fixed[0] = 0;
		*len = 1;
		return fixed;
	}
	if (vt->byval)
	{
		uint64		be;

		/* how a narrow value is extended to a Datum must not matter */
		if (vt->len == sizeof(int32))
			value = Int32GetDatum(DatumGetInt32(value));
		else if (vt->len == sizeof(int16))
			value = Int16GetDatum(DatumGetInt16(value));
		else if (vt->len == sizeof(char))
			value = CharGetDatum(DatumGetChar(value));
		be = pg_hton64(flip_if_negative_float(vt, (uint64) value) ^ SIGN_BIT);
		fixed[0] = 1;
		memcpy(fixed + 1, &be, sizeof(be));
		*len = 1 + sizeof(be);
		return fixed;
	}

	if (vt->len == -1)
	{
		struct varlena *v = PG_DETOAST_DATUM_PACKED(value);

		bytes = VARDATA_ANY(v);
		nbytes = VARSIZE_ANY_EXHDR(v);
	}
	else
	{
		bytes = DatumGetPointer(value);
		nbytes = (vt->len == -2) ? strlen(bytes) + 1 : vt->len;
	}

	result = palloc(nbytes + 1);
	result[0] = 1;
	memcpy(result + 1, bytes, nbytes);
	*len = nbytes + 1;
	return result;
}

/*
 * Transition: arguments (state or NULL, value, at).  Rows without a time do
 * not count.
 */
static Datum
transition(FunctionCallInfo fcinfo, int sign)
{
	const ValueType *vt;
	TimedValue *state = NULL;
	Timestamp	at;
	MemoryContext aggcontext;
	char		fixed[1 + sizeof(uint64)];
	char	   *image;
	Size		image_len;

	if (!AggCheckCallContext(fcinfo, &aggcontext))
		elog(ERROR, "aggregate function called in non-aggregate context");

	if (!PG_ARGISNULL(0))
		state = get_timed_value(fcinfo, 0);
	if (PG_ARGISNULL(2))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}

	/* the time alone settles it for most rows */
	at = PG_GETARG_TIMESTAMP(2);
	if (state != NULL && at != get_time(state) &&
		(at > get_time(state)) != (sign > 0))
		PG_RETURN_POINTER(state);

	vt = get_value_type(fcinfo, 1);
	if (state != NULL && state->type != vt->type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("state holds a value of another type")));
	image = make_image(vt, PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1),
					   PG_ARGISNULL(1), fixed, &image_len);
	if (state != NULL && !wins(state, sign, at, image, image_len))
		PG_RETURN_POINTER(state);

	/* a state of the same size is overwritten, if it is the aggregate's own */
	if (state == NULL || IMAGE_LEN(state) != image_len ||
		(Pointer) state != PG_GETARG_POINTER(0))
	{
		state = MemoryContextAlloc(aggcontext, IMAGE_OFFSET + image_len);
		SET_VARSIZE(state, IMAGE_OFFSET + image_len);
		state->type = vt->type;
	}
	memcpy(state->at, &at, sizeof(at));
	memcpy(state->image, image, image_len);
	PG_RETURN_POINTER(state);
}

Datum
weir__first_trans(PG_FUNCTION_ARGS)
{
	return transition(fcinfo, -1);
}

Datum
weir__last_trans(PG_FUNCTION_ARGS)
{
	return transition(fcinfo, 1);
}

/* Combine two states that are not NULL (the functions are strict). */
static Datum
combine(FunctionCallInfo fcinfo, int sign)
{
	TimedValue *a = get_timed_value(fcinfo, 0);
	TimedValue *b = get_timed_value(fcinfo, 1);

	if (a->type != b->type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("states hold values of different types")));

	PG_RETURN_POINTER(wins(a, sign, get_time(b), b->image, IMAGE_LEN(b)) ?
					  b : a);
}

Datum
weir__first_combine(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, -1);
}

Datum
weir__last_combine(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, 1);
}

/*
 * Final function: arguments (state or NULL, NULL of the value's type, NULL).
 */
Datum
weir__timed_value_final(PG_FUNCTION_ARGS)
{
	const ValueType *vt;
	TimedValue *state;
	const char *bytes;
	Size		nbytes;
	char	   *result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = get_timed_value(fcinfo, 0);
	vt = get_value_type(fcinfo, 1);
	if (state->type != vt->type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("state holds a value of another type")));
	if (state->image[0] == 0)
		PG_RETURN_NULL();

	bytes = state->image + 1;
	nbytes = IMAGE_LEN(state) - 1;

	if (vt->byval)
	{
		uint64		be;

		if (nbytes != sizeof(be))
			elog(ERROR, "value in state has the wrong length");
		memcpy(&be, bytes, sizeof(be));
		PG_RETURN_DATUM((Datum) flip_if_negative_float(vt, pg_ntoh64(be) ^ SIGN_BIT));
	}
	if (vt->len == -1)
	{
		result = palloc(VARHDRSZ + nbytes);
		SET_VARSIZE(result, VARHDRSZ + nbytes);
		memcpy(VARDATA(result), bytes, nbytes);
		PG_RETURN_POINTER(result);
	}

	if (vt->len >= 0 && nbytes != vt->len)
		elog(ERROR, "value in state has the wrong length");
	result = palloc(nbytes);
	memcpy(result, bytes, nbytes);
	PG_RETURN_POINTER(result);
}
