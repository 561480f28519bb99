/*-------------------------------------------------------------------------
 *
 * row_key.c
 *	  Composite row keys whose order as bytes is the order of their parts.
 *
 * weir.row_key('d1', 42, now()) encodes its arguments one after another.
 * Each part begins with a tag that tells its type, and says where it ends; so
 * the key of the first parts is a prefix of every key that begins with them,
 * and of no other.  Numbers in hexadecimal, bytes most significant first:
 *
 *	tag			what					then
 *	01			NULL
 *	02, 03		boolean: false, true
 *	10 ... 17	integer < 0				8 ... 1 bytes, all bits inverted, of
 *										its absolute value without leading 00
 *	18			integer 0
 *	19 ... 20	integer > 0				1 ... 8 bytes without leading 00
 *	24			real					4 bytes: of a number >= 0 with the
 *	25			double precision		8 bytes: first bit inverted, of one
 *										< 0 with all bits inverted
 *	28			numeric					a byte, 01 -Infinity, 02 negative,
 *										03 zero, 04 positive, 05 Infinity,
 *										06 NaN; with 02 and 04 the exponent of
 *										10000 plus 8000 (2 bytes) and the
 *										digits to base 10000, each doubled
 *										plus 1 if another follows (2 bytes);
 *										with 02 all their bits inverted
 *	30			date					4 bytes, first bit inverted
 *	31			timestamp				8 bytes, first bit inverted
 *	32			timestamptz				8 bytes, first bit inverted
 *	38			uuid					16 bytes
 *	40			text, as UTF-8			the bytes, 00 as 00 FF; then 00 01
 *	41			bytea					the bytes, 00 as 00 FF; then 00 01
 *
 * For example ('a', -2, NULL) is 40 61 00 01  17 FD  01.
 *
 * Every value has one encoding, and values that are equal in SQL have the
 * same: integers of all sizes share theirs, 1.0 and 1.00 are one number, -0
 * is 0, and blanks at the end of a char(n) do not count.  Text is in the
 * order of its bytes, that of the collation "C".  Parts of different types
 * are in the order of their tags, which means nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "types/bytestext.h"
#include "types/cell.h"
#include "weir.h"

#define TAG_NULL		0x01
#define TAG_FALSE		0x02
#define TAG_TRUE		0x03
#define TAG_INT_MIN		0x10
#define TAG_INT_ZERO	0x18
#define TAG_INT_MAX		0x20
#define TAG_FLOAT4		0x24
#define TAG_FLOAT8		0x25
#define TAG_NUMERIC		0x28
#define TAG_DATE		0x30
#define TAG_TIMESTAMP	0x31
#define TAG_TIMESTAMPTZ 0x32
#define TAG_UUID		0x38
#define TAG_TEXT		0x40
#define TAG_BYTEA		0x41

/* after a zero byte in a text or bytea */
#define BYTES_END		0x01
#define BYTES_ZERO		0xFF

/* what follows TAG_NUMERIC */
#define NUM_MINUS_INF	0x01
#define NUM_NEGATIVE	0x02
#define NUM_ZERO		0x03
#define NUM_POSITIVE	0x04
#define NUM_INF			0x05
#define NUM_NAN			0x06

/* the binary form of numeric (numeric_send) */
#define NUMERIC_SEND_NEG	0x4000
#define NUMERIC_SEND_NAN	0xC000
#define NUMERIC_SEND_PINF	0xD000
#define NUMERIC_SEND_NINF	0xF000
#define NUMERIC_MAX_DSCALE	0x3FFF

#define SIGN32			UINT64CONST(0x80000000)
#define SIGN64			UINT64CONST(0x8000000000000000)

/* floats as IEEE 754 has them */
#define FLOAT4_INF_BITS UINT64CONST(0x7F800000)
#define FLOAT4_NAN_BITS UINT64CONST(0x7FC00000)
#define FLOAT8_INF_BITS UINT64CONST(0x7FF0000000000000)
#define FLOAT8_NAN_BITS UINT64CONST(0x7FF8000000000000)

PG_FUNCTION_INFO_V1(weir_row_key);
PG_FUNCTION_INFO_V1(weir_row_key_parts);

/* The base types of the arguments of a call, looked up once */
typedef struct ArgTypes
{
	int			count;
	Oid			types[FLEXIBLE_ARRAY_MEMBER];
} ArgTypes;

/* ----------
 * Encoding
 * ----------
 */

/* The lowest "count" bytes of v, most significant first */
static void
put_bytes(StringInfo key, uint64 v, int count)
{
	while (count-- > 0)
		appendStringInfoCharMacro(key, (char) (v >> (8 * count)));
}

static void
put_tag(StringInfo key, int tag)
{
	appendStringInfoCharMacro(key, (char) tag);
}

static void
put_integer(StringInfo key, int64 v)
{
	uint64		magnitude = v < 0 ? 0 - (uint64) v : (uint64) v;
	int			count = 0;

	while (count < 8 && (magnitude >> (8 * count)) != 0)
		count++;
	put_tag(key, v < 0 ? TAG_INT_ZERO - count : TAG_INT_ZERO + count);
	put_bytes(key, v < 0 ? ~magnitude : magnitude, count);
}

/*
 * From the bits of a float to bits that are in the server's order of floats:
 * all NaNs are one, the greatest, and -0 is 0.
 */
static uint64
order_bits(uint64 bits, uint64 sign, uint64 inf, uint64 nan)
{
	if ((bits & ~sign) > inf)
		bits = nan;
	else if (bits == sign)
		bits = 0;
	return (bits & sign) ? ~bits & (sign | (sign - 1)) : bits | sign;
}

/* The way back, of bits that order_bits returns */
static uint64
unorder_bits(uint64 bits, uint64 sign)
{
	return (bits & sign) ? bits & ~sign : ~bits & (sign | (sign - 1));
}

static uint64
float4_order(float4 v)
{
	uint32		bits;

	memcpy(&bits, &v, sizeof(bits));
	return order_bits(bits, SIGN32, FLOAT4_INF_BITS, FLOAT4_NAN_BITS);
}

static uint64
float8_order(float8 v)
{
	uint64		bits;

	memcpy(&bits, &v, sizeof(bits));
	return order_bits(bits, SIGN64, FLOAT8_INF_BITS, FLOAT8_NAN_BITS);
}

/* Bytes with a mark where they end; raises early if they are far too long. */
static void
put_string(StringInfo key, int tag, const char *bytes, size_t len)
{
	size_t		i;

	if (len > WEIR_MAX_ROW_KEY_LEN)
		weir_check_row_key(bytes, len);
	put_tag(key, tag);
	for (i = 0; i < len; i++)
	{
		appendStringInfoCharMacro(key, bytes[i]);
		if (bytes[i] == 0)
			appendStringInfoCharMacro(key, (char) BYTES_ZERO);
	}
	appendStringInfoCharMacro(key, 0);
	appendStringInfoCharMacro(key, BYTES_END);
}

static void
put_text(StringInfo key, const text *t)
{
	size_t		len;
	const char *bytes = weir_bytes_of_text(t, &len);

	put_string(key, TAG_TEXT, bytes, len);
}

/*
 * The digits to base 10000 of a finite number, without zeros at either end;
 * exponent is that of the first.
 */
static void
put_numeric_digits(StringInfo key, bool is_negative, int exponent,
				   const uint16 *digits, int count)
{
	uint64		flip = is_negative ? 0xFFFF : 0;
	int			i;

	put_tag(key, is_negative ? NUM_NEGATIVE : NUM_POSITIVE);
	put_bytes(key, (uint64) (exponent + 0x8000) ^ flip, 2);
	for (i = 0; i < count; i++)
		put_bytes(key, (uint64) (digits[i] << 1 | (i + 1 < count)) ^ flip, 2);
}

static void
put_numeric(StringInfo key, Datum d)
{
	bytea	   *sent = DatumGetByteaP(DirectFunctionCall1(numeric_send, d));
	uint16	   *words = palloc(VARSIZE(sent) - VARHDRSZ);
	int			count = (VARSIZE(sent) - VARHDRSZ) / sizeof(uint16);
	uint16	   *digits;
	int			exponent;
	int			i;

	/* number of digits, exponent, sign, scale, digits */
	Assert(count >= 4);
	memcpy(words, VARDATA(sent), count * sizeof(uint16));
	for (i = 0; i < count; i++)
		words[i] = pg_ntoh16(words[i]);
	exponent = (int16) words[1];
	digits = words + 4;
	count -= 4;
	while (count > 0 && digits[0] == 0)
	{
		digits++;
		count--;
		exponent--;
	}
	while (count > 0 && digits[count - 1] == 0)
		count--;

	put_tag(key, TAG_NUMERIC);
	if (words[2] == NUMERIC_SEND_NAN)
		put_tag(key, NUM_NAN);
	else if (words[2] == NUMERIC_SEND_PINF)
		put_tag(key, NUM_INF);
	else if (words[2] == NUMERIC_SEND_NINF)
		put_tag(key, NUM_MINUS_INF);
	else if (count == 0)
		put_tag(key, NUM_ZERO);
	else
		put_numeric_digits(key, words[2] == NUMERIC_SEND_NEG, exponent,
						   digits, count);
}

static void
put_part(StringInfo key, Oid type, Datum d)
{
	switch (type)
	{
		case BOOLOID:
			put_tag(key, DatumGetBool(d) ? TAG_TRUE : TAG_FALSE);
			break;
		case INT2OID:
			put_integer(key, DatumGetInt16(d));
			break;
		case INT4OID:
			put_integer(key, DatumGetInt32(d));
			break;
		case INT8OID:
			put_integer(key, DatumGetInt64(d));
			break;
		case FLOAT4OID:
			put_tag(key, TAG_FLOAT4);
			put_bytes(key, float4_order(DatumGetFloat4(d)), 4);
			break;
		case FLOAT8OID:
			put_tag(key, TAG_FLOAT8);
			put_bytes(key, float8_order(DatumGetFloat8(d)), 8);
			break;
		case NUMERICOID:
			put_numeric(key, d);
			break;
		case DATEOID:
			put_tag(key, TAG_DATE);
			put_bytes(key, (uint32) DatumGetDateADT(d) ^ SIGN32, 4);
			break;
		case TIMESTAMPOID:
			put_tag(key, TAG_TIMESTAMP);
			put_bytes(key, (uint64) DatumGetTimestamp(d) ^ SIGN64, 8);
			break;
		case TIMESTAMPTZOID:
			put_tag(key, TAG_TIMESTAMPTZ);
			put_bytes(key, (uint64) DatumGetTimestampTz(d) ^ SIGN64, 8);
			break;
		case UUIDOID:
			put_tag(key, TAG_UUID);
			appendBinaryStringInfo(key, (char *) DatumGetUUIDP(d)->data,
								   UUID_LEN);
			break;
		case TEXTOID:
		case VARCHAROID:
			put_text(key, DatumGetTextPP(d));
			break;
		case BPCHAROID:
			/* the cast to text removes the blanks at the end */
			put_text(key, DatumGetTextPP(DirectFunctionCall1(rtrim1, d)));
			break;
		case NAMEOID:
			put_text(key, cstring_to_text(NameStr(*DatumGetName(d))));
			break;
		case UNKNOWNOID:
			put_text(key, cstring_to_text(DatumGetCString(d)));
			break;
		case BYTEAOID:
			{
				bytea	   *b = DatumGetByteaPP(d);

				put_string(key, TAG_BYTEA, VARDATA_ANY(b),
						   VARSIZE_ANY_EXHDR(b));
			}
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("type %s cannot be part of a row key",
							format_type_be(type)),
					 errhint("Cast it to text or bytea.")));
	}
}

static void
put_part_or_null(StringInfo key, Oid type, Datum d, bool isnull)
{
	if (isnull)
		put_tag(key, TAG_NULL);
	else
		put_part(key, type, d);
}

static void
put_array(StringInfo key, ArrayType *array)
{
	Oid			type = ARR_ELEMTYPE(array);
	int16		len;
	bool		byval;
	char		align;
	Datum	   *elems;
	bool	   *nulls;
	int			count;
	int			i;

	get_typlenbyvalalign(type, &len, &byval, &align);
	deconstruct_array(array, type, len, byval, align, &elems, &nulls, &count);
	for (i = 0; i < count; i++)
		put_part_or_null(key, getBaseType(type), elems[i], nulls[i]);
}

static ArgTypes *
arg_types(FunctionCallInfo fcinfo)
{
	ArgTypes   *args = fcinfo->flinfo->fn_extra;
	int			count = PG_NARGS();
	int			i;

	if (args != NULL)
		return args;
	args = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt,
							  offsetof(ArgTypes, types) + count * sizeof(Oid));
	args->count = count;
	for (i = 0; i < count; i++)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, i);

		if (!OidIsValid(type))
			elog(ERROR, "could not determine data type of argument %d", i + 1);
		args->types[i] = getBaseType(type);
	}
	fcinfo->flinfo->fn_extra = args;
	return args;
}

Datum
weir_row_key(PG_FUNCTION_ARGS)
{
	StringInfoData key;
	int			i;

	initStringInfo(&key);
	/* the header of the result goes before the key */
	key.len = VARHDRSZ;
	if (get_fn_expr_variadic(fcinfo->flinfo))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		put_array(&key, PG_GETARG_ARRAYTYPE_P(0));
	}
	else
	{
		ArgTypes   *args = arg_types(fcinfo);

		for (i = 0; i < args->count; i++)
			put_part_or_null(&key, args->types[i], PG_GETARG_DATUM(i),
							 PG_ARGISNULL(i));
	}
	weir_check_row_key(key.data + VARHDRSZ, key.len - VARHDRSZ);
	SET_VARSIZE(key.data, key.len);
	PG_RETURN_BYTEA_P((bytea *) key.data);
}

/* ----------
 * Decoding
 *
 * What is not the encoding of a value raises; so two keys with the same
 * parts are the same key.
 * ----------
 */

static void
invalid_key(const StringInfo key)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("row key is not one that weir.row_key makes"),
			 errdetail("Decoding failed at byte %d of %d.",
					   key->cursor, key->len)));
}

static uint64
get_bytes(StringInfo key, int count)
{
	uint64		v = 0;

	if (key->len - key->cursor < count)
		invalid_key(key);
	while (count-- > 0)
		v = v << 8 | (unsigned char) key->data[key->cursor++];
	return v;
}

static char *
get_integer(StringInfo key, int tag)
{
	int			count = abs(tag - TAG_INT_ZERO);
	uint64		magnitude = get_bytes(key, count);
	uint64		limit = SIGN64;

	if (tag < TAG_INT_ZERO)
	{
		magnitude = ~magnitude;
		if (count < 8)
			magnitude &= (UINT64CONST(1) << (8 * count)) - 1;
	}
	else
		limit--;
	if (magnitude > limit ||
		(count > 0 && magnitude >> (8 * (count - 1)) == 0))
		invalid_key(key);
	return psprintf("%s" UINT64_FORMAT, tag < TAG_INT_ZERO ? "-" : "",
					magnitude);
}

static char *
get_float4(StringInfo key)
{
	char	   *result = palloc(FLOAT_SHORTEST_DECIMAL_LEN);
	uint64		ordered = get_bytes(key, 4);
	uint32		bits = (uint32) unorder_bits(ordered, SIGN32);
	float4		v;

	memcpy(&v, &bits, sizeof(v));
	if (float4_order(v) != ordered)
		invalid_key(key);
	float_to_shortest_decimal_buf(v, result);
	return result;
}

static char *
get_float8(StringInfo key)
{
	char	   *result = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);
	uint64		ordered = get_bytes(key, 8);
	uint64		bits = unorder_bits(ordered, SIGN64);
	float8		v;

	memcpy(&v, &bits, sizeof(v));
	if (float8_order(v) != ordered)
		invalid_key(key);
	double_to_shortest_decimal_buf(v, result);
	return result;
}

/* How many decimal digits after the point the number needs */
static int
decimal_scale(int exponent, int count, int last_digit)
{
	int			scale = 4 * (count - 1 - exponent);

	if (scale <= 0)
		return 0;
	for (; last_digit % 10 == 0; last_digit /= 10)
		scale--;
	return scale;
}

static char *
get_finite_numeric(StringInfo key, bool is_negative)
{
	uint64		flip = is_negative ? 0xFFFF : 0;
	int			exponent = (int) (get_bytes(key, 2) ^ flip) - 0x8000;
	int			count = 0;
	int			digit = 0;
	bool		more = true;
	int			scale;
	StringInfoData received;
	Datum		d;

	/* number of digits, exponent, sign, scale, digits */
	initStringInfo(&received);
	pq_sendint16(&received, 0);
	pq_sendint16(&received, (uint16) exponent);
	pq_sendint16(&received, is_negative ? NUMERIC_SEND_NEG : 0);
	pq_sendint16(&received, 0);
	while (more)
	{
		int			word = (int) (get_bytes(key, 2) ^ flip);

		digit = word >> 1;
		more = word & 1;
		if (digit > 9999 || (digit == 0 && (count == 0 || !more)))
			invalid_key(key);
		pq_sendint16(&received, digit);
		count++;
	}
	scale = decimal_scale(exponent, count, digit);
	if (scale > NUMERIC_MAX_DSCALE || count > PG_INT16_MAX)
		invalid_key(key);
	((uint16 *) received.data)[0] = pg_hton16(count);
	((uint16 *) received.data)[3] = pg_hton16(scale);
	received.cursor = 0;
	d = DirectFunctionCall3(numeric_recv, PointerGetDatum(&received),
							ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	return DatumGetCString(DirectFunctionCall1(numeric_out, d));
}

static char *
get_numeric(StringInfo key)
{
	switch (get_bytes(key, 1))
	{
		case NUM_MINUS_INF:
			return "-Infinity";
		case NUM_NEGATIVE:
			return get_finite_numeric(key, true);
		case NUM_ZERO:
			return "0";
		case NUM_POSITIVE:
			return get_finite_numeric(key, false);
		case NUM_INF:
			return "Infinity";
		case NUM_NAN:
			return "NaN";
		default:
			invalid_key(key);
	}
	return NULL;
}

/* Dates and times are shown as in ISO 8601, whatever the settings. */
static char *
get_date(StringInfo key)
{
	char	   *result = palloc(MAXDATELEN + 1);
	DateADT		date = (DateADT) (uint32) (get_bytes(key, 4) ^ SIGN32);
	struct pg_tm tm;

	if (DATE_NOT_FINITE(date))
		EncodeSpecialDate(date, result);
	else if (!IS_VALID_DATE(date))
		invalid_key(key);
	else
	{
		memset(&tm, 0, sizeof(tm));
		j2date(date + POSTGRES_EPOCH_JDATE,
			   &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
		EncodeDateOnly(&tm, USE_ISO_DATES, result);
	}
	return result;
}

/* With or without a time zone, which is UTC then */
static char *
get_timestamp(StringInfo key, bool with_zone)
{
	char	   *result = palloc(MAXDATELEN + 1);
	Timestamp	t = (Timestamp) (get_bytes(key, 8) ^ SIGN64);
	struct pg_tm tm;
	fsec_t		fsec;

	if (TIMESTAMP_NOT_FINITE(t))
		EncodeSpecialTimestamp(t, result);
	else if (!IS_VALID_TIMESTAMP(t) ||
			 timestamp2tm(t, NULL, &tm, &fsec, NULL, NULL) != 0)
		invalid_key(key);
	else
	{
		tm.tm_isdst = 0;		/* without which no zone would be shown */
		EncodeDateTime(&tm, fsec, with_zone, 0, NULL, USE_ISO_DATES, result);
	}
	return result;
}

static char *
get_uuid(StringInfo key)
{
	pg_uuid_t	uuid;

	if (key->len - key->cursor < UUID_LEN)
		invalid_key(key);
	memcpy(uuid.data, key->data + key->cursor, UUID_LEN);
	key->cursor += UUID_LEN;
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&uuid)));
}

/* The bytes of a text or bytea, without the marks; their number in *len */
static char *
get_string(StringInfo key, size_t *len)
{
	char	   *result = palloc(key->len - key->cursor + 1);
	char	   *p = result;

	for (;;)
	{
		char		c = (char) get_bytes(key, 1);

		if (c == 0)
		{
			uint64		mark = get_bytes(key, 1);

			if (mark == BYTES_END)
				break;
			if (mark != BYTES_ZERO)
				invalid_key(key);
		}
		*p++ = c;
	}
	*len = p - result;
	return result;
}

static text *
get_bytea(StringInfo key)
{
	size_t		len;
	char	   *bytes = get_string(key, &len);
	text	   *result = palloc(VARHDRSZ + 2 + 2 * len);

	SET_VARSIZE(result, VARHDRSZ + 2 + 2 * len);
	memcpy(VARDATA(result), "\\x", 2);
	hex_encode(bytes, len, VARDATA(result) + 2);
	return result;
}

static text *
get_text(StringInfo key)
{
	size_t		len;
	char	   *bytes = get_string(key, &len);

	return weir_text_of_bytes(bytes, len);
}

/* The next part as text; NULL if it is NULL */
static text *
get_part(StringInfo key)
{
	int			tag = (int) get_bytes(key, 1);

	if (tag >= TAG_INT_MIN && tag <= TAG_INT_MAX)
		return cstring_to_text(get_integer(key, tag));
	switch (tag)
	{
		case TAG_NULL:
			return NULL;
		case TAG_FALSE:
			return cstring_to_text("false");
		case TAG_TRUE:
			return cstring_to_text("true");
		case TAG_FLOAT4:
			return cstring_to_text(get_float4(key));
		case TAG_FLOAT8:
			return cstring_to_text(get_float8(key));
		case TAG_NUMERIC:
			return cstring_to_text(get_numeric(key));
		case TAG_DATE:
			return cstring_to_text(get_date(key));
		case TAG_TIMESTAMP:
			return cstring_to_text(get_timestamp(key, false));
		case TAG_TIMESTAMPTZ:
			return cstring_to_text(get_timestamp(key, true));
		case TAG_UUID:
			return cstring_to_text(get_uuid(key));
		case TAG_TEXT:
			return get_text(key);
		case TAG_BYTEA:
			return get_bytea(key);
		default:
			key->cursor--;
			invalid_key(key);
	}
	return NULL;
}

Datum
weir_row_key_parts(PG_FUNCTION_ARGS)
{
	bytea	   *arg = PG_GETARG_BYTEA_PP(0);
	ArrayBuildState *parts = initArrayResult(TEXTOID, CurrentMemoryContext,
											 false);
	StringInfoData key;

	weir_check_row_key(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg));
	key.data = VARDATA_ANY(arg);
	key.len = VARSIZE_ANY_EXHDR(arg);
	key.maxlen = 0;
	key.cursor = 0;
	while (key.cursor < key.len)
	{
		text	   *part = get_part(&key);

		accumArrayResult(parts, PointerGetDatum(part), part == NULL, TEXTOID,
						 CurrentMemoryContext);
	}
	PG_RETURN_DATUM(makeArrayResult(parts, CurrentMemoryContext));
}
