/*-------------------------------------------------------------------------
 *
 * row_key_fuzz.c
 *	  Fuzzing of composite row keys and of ranges of keys.
 *
 * Keys made of parts of any types are in the order of the parts, begin with
 * the keys of the first parts, and can be taken apart.  What is in a range of
 * keys is what its bounds say, cut with another what both have, and of a
 * prefix what begins with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "port/pg_bswap.h"
#include "utils/date.h"
#include "utils/uuid.h"

#include "shim.h"
#include "types/key_range.h"

extern Datum weir_row_key(PG_FUNCTION_ARGS);
extern Datum weir_row_key_parts(PG_FUNCTION_ARGS);

#define MAX_PARTS	8

/* What is left of the input; zeros follow its end. */
typedef struct Input
{
	const char *next;
	const char *end;
} Input;

static uint64
take(Input *input, int bytes)
{
	uint64		v = 0;

	for (int i = 0; i < bytes; i++)
		v = v << 8 | (input->next < input->end ? (uint8) *input->next++ : 0);
	return v;
}

/* Up to 15 bytes; of a text without zeros, and ASCII */
static Datum
take_varlena(Input *input, bool is_text)
{
	int			len = take(input, 1) & 15;
	char	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	for (int i = 0; i < len; i++)
		result[VARHDRSZ + i] = is_text ? 1 + take(input, 1) % 127 : take(input, 1);
	return PointerGetDatum(result);
}

/* As numeric_send has it, which is what a numeric is here (shim.c): number of digits, exponent, sign, scale */
static Datum
take_numeric(Input *input)
{
	static const uint16 signs[] = {0, 0x4000, 0xC000, 0xD000, 0xF000};
	uint16		sign = signs[take(input, 1) % lengthof(signs)];
	int			count = (sign & 0x8000) ? 0 : take(input, 1) % 5;
	uint16		words[9] = {count, (int16) take(input, 1) - 128, sign, 0};
	char	   *result = palloc(VARHDRSZ + 2 * (4 + count));

	for (int i = 0; i < count; i++)
		words[4 + i] = take(input, 2) % 10000;
	for (int i = 0; i < 4 + count; i++)
		words[i] = pg_hton16(words[i]);
	SET_VARSIZE(result, VARHDRSZ + 2 * (4 + count));
	memcpy(result + VARHDRSZ, words, 2 * (4 + count));
	return PointerGetDatum(result);
}

static Datum
take_value(Input *input, Oid type)
{
	pg_uuid_t  *uuid;

	switch (type)
	{
		case BOOLOID:
			return BoolGetDatum(take(input, 1) & 1);
		case INT2OID:
			return Int16GetDatum(take(input, 2));
		case INT4OID:
			return Int32GetDatum(take(input, 4));
		case INT8OID:
			return Int64GetDatum(take(input, 1) & 1 ? (int8) take(input, 1) : (int64) take(input, 8));
		case FLOAT4OID:
			return UInt32GetDatum(take(input, 4));	/* any bits */
		case FLOAT8OID:
			return UInt64GetDatum(take(input, 8));
		case NUMERICOID:
			return take_numeric(input);
		case DATEOID:
			return DateADTGetDatum((int32) (take(input, 4) % 1000000) - 500000);
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return Int64GetDatum((int64) take(input, 7) - (INT64CONST(1) << 55));
		case UUIDOID:
			uuid = palloc(sizeof(pg_uuid_t));
			for (int i = 0; i < UUID_LEN; i++)
				uuid->data[i] = take(input, 1);
			return UUIDPGetDatum(uuid);
		default:
			return take_varlena(input, type == TEXTOID);
	}
}

/* ---- the order, found in another way ---- */

static int
double_cmp(double a, double b)
{
	if (isnan(a) || isnan(b))
		return (isnan(a) ? 1 : 0) - (isnan(b) ? 1 : 0);
	return (a > b) - (a < b);
}

static double
float4_of_datum(Datum d)
{
	uint32		bits = DatumGetUInt32(d);
	float4		v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static double
float8_of_datum(Datum d)
{
	uint64		bits = DatumGetUInt64(d);
	float8		v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static uint16
numeric_word(Datum d, int i)
{
	uint16		v;

	memcpy(&v, VARDATA(DatumGetPointer(d)) + 2 * i, sizeof(v));
	return pg_ntoh16(v);
}

/* the digit that stands for 10000 to the power of "exponent" */
static int
numeric_digit(Datum d, int exponent)
{
	int			i = (int16) numeric_word(d, 1) - exponent;

	return i < 0 || i >= numeric_word(d, 0) ? 0 : numeric_word(d, 4 + i);
}

static int
numeric_rank(Datum d)
{
	switch (numeric_word(d, 2))
	{
		case 0xF000:
			return -2;
		case 0xD000:
			return 2;
		case 0xC000:
			return 3;
		default:
			return 0;
	}
}

static int
numeric_cmp_values(Datum a, Datum b)
{
	int			sign_a = numeric_word(a, 2) == 0x4000 ? -1 : 1;
	int			sign_b = numeric_word(b, 2) == 0x4000 ? -1 : 1;

	if (numeric_rank(a) != 0 || numeric_rank(b) != 0)
		return (numeric_rank(a) > numeric_rank(b)) - (numeric_rank(a) < numeric_rank(b));
	for (int exponent = 128; exponent >= -140; exponent--)
	{
		int			da = sign_a * numeric_digit(a, exponent);
		int			db = sign_b * numeric_digit(b, exponent);

		if (da != db)
			return da < db ? -1 : 1;
	}
	return 0;
}

static int
int64_cmp(int64 a, int64 b)
{
	return (a > b) - (a < b);
}

static int
value_cmp(Oid type, Datum a, Datum b)
{
	switch (type)
	{
		case BOOLOID:
			return (int) DatumGetBool(a) - (int) DatumGetBool(b);
		case INT2OID:
			return int64_cmp(DatumGetInt16(a), DatumGetInt16(b));
		case INT4OID:
		case DATEOID:
			return int64_cmp(DatumGetInt32(a), DatumGetInt32(b));
		case FLOAT4OID:
			return double_cmp(float4_of_datum(a), float4_of_datum(b));
		case FLOAT8OID:
			return double_cmp(float8_of_datum(a), float8_of_datum(b));
		case NUMERICOID:
			return numeric_cmp_values(a, b);
		case INT8OID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return int64_cmp(DatumGetInt64(a), DatumGetInt64(b));
		case UUIDOID:
			return memcmp(DatumGetPointer(a), DatumGetPointer(b), UUID_LEN);
		default:
			return weir_bytes_cmp(VARDATA(DatumGetPointer(a)), VARSIZE(DatumGetPointer(a)) - VARHDRSZ,
								  VARDATA(DatumGetPointer(b)), VARSIZE(DatumGetPointer(b)) - VARHDRSZ);
	}
}

/* ---- keys ---- */

typedef struct Parts
{
	Datum		values[MAX_PARTS];
	bool		nulls[MAX_PARTS];
} Parts;

static WeirRowKey
make_key(const Oid *types, const Parts *parts, int n)
{
	LOCAL_FCINFO(fcinfo, MAX_PARTS);
	FmgrInfo	flinfo;
	struct varlena *v;
	WeirRowKey	key;

	memset(&flinfo, 0, sizeof(flinfo));
	memset(fcinfo, 0, SizeForFunctionCallInfo(MAX_PARTS));
	shim_argument_types = types;
	fcinfo->flinfo = &flinfo;
	fcinfo->nargs = n;
	for (int i = 0; i < n; i++)
	{
		fcinfo->args[i].value = parts->values[i];
		fcinfo->args[i].isnull = parts->nulls[i];
	}
	v = (struct varlena *) DatumGetPointer(weir_row_key(fcinfo));
	key.bytes = VARDATA(v);
	key.len = VARSIZE(v) - VARHDRSZ;
	return key;
}

static int
number_of_parts(WeirRowKey key)
{
	LOCAL_FCINFO(fcinfo, 1);
	char	   *v = palloc(VARHDRSZ + key.len);

	SET_VARSIZE(v, VARHDRSZ + key.len);
	memcpy(v + VARHDRSZ, key.bytes, key.len);
	memset(fcinfo, 0, SizeForFunctionCallInfo(1));
	fcinfo->nargs = 1;
	fcinfo->args[0].value = PointerGetDatum(v);
	return DatumGetInt32(weir_row_key_parts(fcinfo));
}

static void
check_build(const char *data, size_t size)
{
	static const Oid all_types[] = {
		BOOLOID, INT2OID, INT4OID, INT8OID, FLOAT4OID, FLOAT8OID, NUMERICOID, DATEOID,
		TIMESTAMPOID, TIMESTAMPTZOID, UUIDOID, TEXTOID, BYTEAOID
	};
	Input		input = {data, data + size};
	Oid			types[MAX_PARTS];
	Parts		a;
	Parts		b;
	int			n = 1 + take(&input, 1) % MAX_PARTS;
	int			expected = 0;
	int			c;
	WeirRowKey	key_a;
	WeirRowKey	key_b;

	for (int i = 0; i < n; i++)
	{
		int			what = take(&input, 1);

		/* the same, two values, or NULL in one or both */
		types[i] = all_types[what / 8 % lengthof(all_types)];
		a.nulls[i] = (what & 7) == 6 || (what & 7) == 7;
		b.nulls[i] = (what & 7) == 5 || (what & 7) == 7;
		a.values[i] = take_value(&input, types[i]);
		b.values[i] = (what & 7) < 2 ? a.values[i] : take_value(&input, types[i]);
		if (expected == 0)
			expected = a.nulls[i] || b.nulls[i] ? (int) b.nulls[i] - (int) a.nulls[i] :
				value_cmp(types[i], a.values[i], b.values[i]);
	}
	key_a = make_key(types, &a, n);
	key_b = make_key(types, &b, n);
	c = weir_row_key_cmp(&key_a, &key_b);
	SHIM_CHECK((c > 0) - (c < 0) == (expected > 0) - (expected < 0));
	SHIM_CHECK(number_of_parts(key_a) == n && number_of_parts(key_b) == n);
	for (int i = 1; i < n; i++)
	{
		WeirRowKey	first = make_key(types, &a, i);

		SHIM_CHECK(first.len < key_a.len && memcmp(first.bytes, key_a.bytes, first.len) == 0);
	}
}

static void
fuzz_build(const char *data, size_t size)
{
	SHIM_TRY(check_build(data, size));
	SHIM_CHECK(*shim_sqlstate == '\0');
}

/* ---- ranges ---- */

static WeirRowKey
take_key(Input *input)
{
	int			len = take(input, 1) % 4;
	char	   *bytes = palloc(len + 1);
	WeirRowKey	key = {bytes, len};

	for (int i = 0; i < len; i++)
		bytes[i] = take(input, 1);
	return key;
}

static WeirKeyRange
take_range(Input *input)
{
	WeirKeyRange range = {{NULL, 0}, {NULL, 0}, false, false};
	int			what = take(input, 1);

	range.lower_open = (what & 1) != 0;
	range.upper_open = (what & 2) != 0;
	if (what & 4)
		range.lower = take_key(input);
	if (what & 8)
		range.upper = take_key(input);
	return range;
}

/* "<" and "<=" of the bounds, written down plainly */
static bool
is_between(const WeirKeyRange *range, WeirRowKey key)
{
	int			lower = range->lower.bytes == NULL ? 1 : weir_row_key_cmp(&key, &range->lower);
	int			upper = range->upper.bytes == NULL ? -1 : weir_row_key_cmp(&key, &range->upper);

	return (range->lower_open ? lower > 0 : lower >= 0) &&
		(range->upper_open ? upper < 0 : upper <= 0);
}

static void
fuzz_range(const char *data, size_t size)
{
	Input		input = {data, data + size};
	WeirKeyRange a = take_range(&input);
	WeirKeyRange b = take_range(&input);
	WeirKeyRange both = a;
	WeirRowKey	prefix = take_key(&input);
	WeirKeyRange with_prefix = weir_key_range_of_prefix(prefix.bytes, prefix.len);
	bool		is_possible = weir_key_range_intersect(&both, &b);

	while (input.next < input.end)
	{
		WeirRowKey	key = take_key(&input);
		bool		begins = prefix.len <= key.len && memcmp(prefix.bytes, key.bytes, prefix.len) == 0;
		bool		in_both = is_between(&a, key) && is_between(&b, key);

		SHIM_CHECK(weir_key_range_contains(&a, key) == is_between(&a, key));
		SHIM_CHECK(weir_key_range_contains(&both, key) == in_both);
		SHIM_CHECK(is_possible || !in_both);
		SHIM_CHECK(weir_key_range_contains(&with_prefix, key) == begins);
	}
}

const ShimTarget shim_targets[] = {
	{"build", fuzz_build},
	{"range", fuzz_range},
	{0}
};
