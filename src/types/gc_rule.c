/*-------------------------------------------------------------------------
 *
 * gc_rule.c
 *	  The type weir.gc_rule: which versions of a column are garbage.
 *
 * A rule is max_versions(n): garbage is what is not among the n newest
 * versions of its column; or max_age(a): what is older than a, by its own
 * timestamp; or a union: what any of its children drops; or an intersection:
 * what all of them drop.  An empty union or intersection drops nothing.
 * Every child judges the same versions.
 *
 * So each rule drops, at any instant, the oldest versions of a column, and
 * what it has dropped it would drop ever after: weir_gc_rule_due never grows
 * with the rank, and for a given rank and timestamp does not depend on the
 * other versions.  fold.c rests on both.
 *
 * Text form: ["max_versions",3], ["max_age","01:00:00"] (an interval, or a
 * number of microseconds), ["gc_union",...], ["gc_intersection",...].
 *
 * Bytes after the varlena header: a version byte (1), then the tree in
 * prefix order: kind (1 byte), then for max_versions and max_age the limit
 * (8 bytes, little-endian), for the others the number of children (2 bytes)
 * and the children.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "types/gc_rule.h"
#include "types/json_list.h"

#define GC_RULE_VERSION		1
#define GC_RULE_MAX_BYTES	500

static const char *const kind_names[] = {
	NULL, "max_versions", "max_age", "gc_union", "gc_intersection"
};

/* ---- judging ---- */

int64
weir_gc_rule_due(const WeirGcRule *rule, uint32 rank, int64 ts)
{
	int64		due;

	switch (rule->kind)
	{
		case WEIR_GC_MAX_VERSIONS:
			return rank < rule->limit ? PG_INT64_MAX : PG_INT64_MIN;
		case WEIR_GC_MAX_AGE:
			/* strictly older than the limit */
			if (ts > PG_INT64_MAX - 1 - rule->limit)
				return PG_INT64_MAX;
			return ts + rule->limit + 1;
		case WEIR_GC_UNION:
			due = PG_INT64_MAX;
			for (int i = 0; i < rule->nchildren; i++)
				due = Min(due, weir_gc_rule_due(&rule->children[i], rank, ts));
			return due;
		case WEIR_GC_INTERSECTION:
			if (rule->nchildren == 0)
				return PG_INT64_MAX;
			due = PG_INT64_MIN;
			for (int i = 0; i < rule->nchildren; i++)
				due = Max(due, weir_gc_rule_due(&rule->children[i], rank, ts));
			return due;
	}
	elog(ERROR, "unrecognized kind of garbage-collection rule: %d",
		 (int) rule->kind);
	return 0;
}

/* ---- bytes ---- */

static void
rule_corrupted(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid value for type %s", "weir.gc_rule")));
}

/* Reads one rule at *p and moves *p past it. */
static void
rule_read(WeirGcRule *rule, const char **p, const char *end)
{
	check_stack_depth();
	if (end - *p < 1)
		rule_corrupted();
	memset(rule, 0, sizeof(*rule));
	rule->kind = *(*p)++;
	switch (rule->kind)
	{
		case WEIR_GC_MAX_VERSIONS:
		case WEIR_GC_MAX_AGE:
			if (end - *p < 8)
				rule_corrupted();
			rule->limit = weir_read_i64(*p);
			*p += 8;
			if (rule->limit < 1)
				rule_corrupted();
			break;
		case WEIR_GC_UNION:
		case WEIR_GC_INTERSECTION:
			if (end - *p < 2)
				rule_corrupted();
			rule->nchildren = weir_read_u16(*p);
			*p += 2;
			if (rule->nchildren > end - *p)
				rule_corrupted();
			rule->children = palloc(sizeof(WeirGcRule) * (rule->nchildren + 1));
			for (int i = 0; i < rule->nchildren; i++)
				rule_read(&rule->children[i], p, end);
			break;
		default:
			rule_corrupted();
	}
}

static WeirGcRule *
rule_from_bytes(const char *bytes, Size len)
{
	WeirGcRule *rule = palloc(sizeof(WeirGcRule));
	const char *p = bytes + 1;

	if (len < 2 || bytes[0] != GC_RULE_VERSION || len > GC_RULE_MAX_BYTES)
		rule_corrupted();
	rule_read(rule, &p, bytes + len);
	if (p != bytes + len)
		rule_corrupted();
	return rule;
}

WeirGcRule *
weir_gc_rule_from_datum(Datum d)
{
	struct varlena *v = PG_DETOAST_DATUM_PACKED(d);

	return rule_from_bytes(VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v));
}

static void
rule_write(StringInfo buf, const WeirGcRule *rule)
{
	char		number[8];

	appendStringInfoChar(buf, (char) rule->kind);
	if (rule->kind == WEIR_GC_MAX_VERSIONS || rule->kind == WEIR_GC_MAX_AGE)
	{
		weir_write_i64(number, rule->limit);
		appendBinaryStringInfo(buf, number, 8);
		return;
	}
	weir_write_u16(number, (uint16) rule->nchildren);
	appendBinaryStringInfo(buf, number, 2);
	for (int i = 0; i < rule->nchildren; i++)
		rule_write(buf, &rule->children[i]);
}

/* Raises 22023 when the rule is larger than it may be. */
static Datum
rule_to_datum(const WeirGcRule *rule)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoSpaces(&buf, VARHDRSZ);
	appendStringInfoChar(&buf, GC_RULE_VERSION);
	rule_write(&buf, rule);
	if (buf.len - VARHDRSZ > GC_RULE_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("garbage-collection rule is too large"),
				 errdetail("It has %d bytes, the limit is %d.",
						   buf.len - VARHDRSZ, GC_RULE_MAX_BYTES)));
	SET_VARSIZE(buf.data, buf.len);
	return PointerGetDatum(buf.data);
}

/* ---- checks that constructors and the text form share ---- */

static void
check_max_versions(int64 n)
{
	if (n < 1 || n > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of versions must be between 1 and %d, not " INT64_FORMAT,
						PG_INT32_MAX, n)));
}

static void
check_max_age(int64 usec)
{
	if (usec < 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("maximum age must be at least 1 millisecond")));
}

/* Days have 24 hours and months 30 days, as when intervals are compared. */
static int64
interval_to_usec(const Interval *interval)
{
	int64		days;
	int64		usec;

	days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	if (pg_mul_s64_overflow(days, USECS_PER_DAY, &usec) ||
		pg_add_s64_overflow(usec, interval->time, &usec))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("maximum age is out of range")));
	return usec;
}

/* ---- text ---- */

static void
rule_out(StringInfo buf, const WeirGcRule *rule)
{
	Interval	interval = {0};
	struct pg_itm itm;
	char		text[MAXDATELEN + 1];

	check_stack_depth();
	appendStringInfo(buf, "[\"%s\"", kind_names[rule->kind]);
	switch (rule->kind)
	{
		case WEIR_GC_MAX_VERSIONS:
			appendStringInfo(buf, "," INT64_FORMAT, rule->limit);
			break;
		case WEIR_GC_MAX_AGE:
			interval.time = rule->limit;
			interval2itm(interval, &itm);
			EncodeInterval(&itm, INTSTYLE_POSTGRES, text);
			appendStringInfo(buf, ",\"%s\"", text);
			break;
		case WEIR_GC_UNION:
		case WEIR_GC_INTERSECTION:
			for (int i = 0; i < rule->nchildren; i++)
			{
				appendStringInfoChar(buf, ',');
				rule_out(buf, &rule->children[i]);
			}
			break;
	}
	appendStringInfoChar(buf, ']');
}

static int64
max_age_from_json(const WeirJson *json)
{
	Interval   *interval;

	if (json->kind == WEIR_JSON_INTEGER)
		return json->integer;
	if (json->kind != WEIR_JSON_STRING)
		weir_json_error("weir.gc_rule", "A maximum age is an interval.");
	interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
													 CStringGetDatum(json->string),
													 ObjectIdGetDatum(InvalidOid),
													 Int32GetDatum(-1)));
	return interval_to_usec(interval);
}

static void
rule_from_json(WeirGcRule *rule, const WeirJson *json)
{
	const char *name = weir_json_list_name(json, "weir.gc_rule");

	check_stack_depth();
	memset(rule, 0, sizeof(*rule));
	for (int kind = WEIR_GC_MAX_VERSIONS; kind <= WEIR_GC_INTERSECTION; kind++)
		if (strcmp(name, kind_names[kind]) == 0)
			rule->kind = kind;
	switch (rule->kind)
	{
		case WEIR_GC_MAX_VERSIONS:
			if (json->nitems != 2 || json->items[1].kind != WEIR_JSON_INTEGER)
				weir_json_error("weir.gc_rule",
								"\"max_versions\" is followed by one integer.");
			rule->limit = json->items[1].integer;
			check_max_versions(rule->limit);
			return;
		case WEIR_GC_MAX_AGE:
			if (json->nitems != 2)
				weir_json_error("weir.gc_rule",
								"\"max_age\" is followed by one interval.");
			rule->limit = max_age_from_json(&json->items[1]);
			check_max_age(rule->limit);
			return;
		case WEIR_GC_UNION:
		case WEIR_GC_INTERSECTION:
			rule->nchildren = json->nitems - 1;
			if (rule->nchildren > GC_RULE_MAX_BYTES)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("garbage-collection rule is too large")));
			rule->children = palloc(sizeof(WeirGcRule) * json->nitems);
			for (int i = 0; i < rule->nchildren; i++)
				rule_from_json(&rule->children[i], &json->items[i + 1]);
			return;
	}
	weir_json_error("weir.gc_rule",
					"A rule is one of \"max_versions\", \"max_age\", \"gc_union\", \"gc_intersection\".");
}

PG_FUNCTION_INFO_V1(weir_gc_rule_in);
Datum
weir_gc_rule_in(PG_FUNCTION_ARGS)
{
	WeirGcRule	rule;

	rule_from_json(&rule, weir_json_parse(PG_GETARG_CSTRING(0)));
	PG_RETURN_DATUM(rule_to_datum(&rule));
}

PG_FUNCTION_INFO_V1(weir_gc_rule_out);
Datum
weir_gc_rule_out(PG_FUNCTION_ARGS)
{
	StringInfoData buf;

	initStringInfo(&buf);
	rule_out(&buf, weir_gc_rule_from_datum(PG_GETARG_DATUM(0)));
	PG_RETURN_CSTRING(buf.data);
}

/* The binary form is the text form in the client's encoding. */
PG_FUNCTION_INFO_V1(weir_gc_rule_recv);
Datum
weir_gc_rule_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	WeirGcRule	rule;
	char	   *text;
	int			len;

	text = pq_getmsgtext(buf, buf->len - buf->cursor, &len);
	rule_from_json(&rule, weir_json_parse(text));
	PG_RETURN_DATUM(rule_to_datum(&rule));
}

PG_FUNCTION_INFO_V1(weir_gc_rule_send);
Datum
weir_gc_rule_send(PG_FUNCTION_ARGS)
{
	StringInfoData text;
	StringInfoData buf;

	initStringInfo(&text);
	rule_out(&text, weir_gc_rule_from_datum(PG_GETARG_DATUM(0)));
	pq_begintypsend(&buf);
	pq_sendtext(&buf, text.data, text.len);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* ---- constructors ---- */

PG_FUNCTION_INFO_V1(weir_max_versions);
Datum
weir_max_versions(PG_FUNCTION_ARGS)
{
	WeirGcRule	rule = {WEIR_GC_MAX_VERSIONS};

	if (PG_ARGISNULL(0))
		weir_argument_is_null("number of versions");
	rule.limit = PG_GETARG_INT32(0);
	check_max_versions(rule.limit);
	PG_RETURN_DATUM(rule_to_datum(&rule));
}

PG_FUNCTION_INFO_V1(weir_max_age);
Datum
weir_max_age(PG_FUNCTION_ARGS)
{
	WeirGcRule	rule = {WEIR_GC_MAX_AGE};

	if (PG_ARGISNULL(0))
		weir_argument_is_null("maximum age");
	rule.limit = interval_to_usec(PG_GETARG_INTERVAL_P(0));
	check_max_age(rule.limit);
	PG_RETURN_DATUM(rule_to_datum(&rule));
}

/* A union or intersection of the rules in the argument, an array. */
static Datum
rule_of_rules(FunctionCallInfo fcinfo, int kind)
{
	WeirGcRule	rule = {kind};
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;

	if (PG_ARGISNULL(0))
		weir_argument_is_null("list of rules");
	array = PG_GETARG_ARRAYTYPE_P(0);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elements, &nulls, &rule.nchildren);
	if (rule.nchildren > GC_RULE_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("garbage-collection rule is too large")));
	rule.children = palloc(sizeof(WeirGcRule) * (rule.nchildren + 1));
	for (int i = 0; i < rule.nchildren; i++)
	{
		if (nulls[i])
			weir_argument_is_null("garbage-collection rule");
		rule.children[i] = *weir_gc_rule_from_datum(elements[i]);
	}
	return rule_to_datum(&rule);
}

PG_FUNCTION_INFO_V1(weir_gc_union);
Datum
weir_gc_union(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(rule_of_rules(fcinfo, WEIR_GC_UNION));
}

PG_FUNCTION_INFO_V1(weir_gc_intersection);
Datum
weir_gc_intersection(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(rule_of_rules(fcinfo, WEIR_GC_INTERSECTION));
}
