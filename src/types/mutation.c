/*-------------------------------------------------------------------------
 *
 * mutation.c
 *	  The type weir.mutation: one change to a row, as the user writes it.
 *
 * Text form, JSON (a timestamp is a number of microseconds since 1970; bytes
 * are strings as in bytestext.h):
 *
 *	["set_cell","family","qualifier","value"]			at the server's time
 *	["set_cell","family","qualifier","value",timestamp]
 *	["add_to_cell","family","qualifier",timestamp,5]	or "bytes"
 *	["merge_to_cell","family","qualifier",timestamp,"state"]	or null
 *	["delete_from_column","family","qualifier"]
 *	["delete_from_column","family","qualifier",from,to]	null: unbounded
 *	["delete_from_family","family"]
 *	["delete_from_row"]
 *
 * Bytes after the varlena header, integers little-endian:
 *
 *	offset	size	meaning								example (set_cell)
 *	0		1		version of the format				01
 *	1		1		kind, a WeirMutationKind			01
 *	2		1		flags								01
 *	3		1		length of the family				05
 *	4		2		length of the qualifier				04 00
 *	6		8		timestamp, or "from"				00 ...
 *	14		8		"to", else zero						00 ...
 *	22				family								"stats"
 *					qualifier							"temp"
 *					value, to the end					"21"
 *
 * The integer input of add_to_cell is a value of 8 bytes, big-endian.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "types/bytestext.h"
#include "types/json_list.h"
#include "types/mutation.h"
#include "weir.h"

#define MUTATION_VERSION	1
#define MUTATION_HEAD_LEN	22

static const char *const kind_names[] = {
	NULL, "set_cell", "add_to_cell", "merge_to_cell",
	"delete_from_column", "delete_from_family", "delete_from_row"
};

/* ---- bytes ---- */

static void
mutation_corrupted(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid value for type %s", "weir.mutation")));
}

void
weir_mutation_read(WeirMutation *mutation, const char *bytes, Size len)
{
	Size		names_len;

	if (len < MUTATION_HEAD_LEN || bytes[0] != MUTATION_VERSION ||
		bytes[1] < WEIR_SET_CELL || bytes[1] > WEIR_DELETE_FROM_ROW)
		mutation_corrupted();
	mutation->kind = bytes[1];
	mutation->flags = (uint8) bytes[2];
	mutation->family_len = (uint8) bytes[3];
	mutation->qualifier_len = weir_read_u16(bytes + 4);
	mutation->ts = weir_read_i64(bytes + 6);
	mutation->to = weir_read_i64(bytes + 14);
	names_len = (Size) mutation->family_len + mutation->qualifier_len;
	if (len - MUTATION_HEAD_LEN < names_len)
		mutation_corrupted();
	mutation->family = bytes + MUTATION_HEAD_LEN;
	mutation->qualifier = mutation->family + mutation->family_len;
	mutation->value = mutation->qualifier + mutation->qualifier_len;
	mutation->value_len = len - MUTATION_HEAD_LEN - names_len;
}

void
weir_mutation_from_datum(WeirMutation *mutation, Datum d)
{
	struct varlena *v = PG_DETOAST_DATUM_PACKED(d);

	weir_mutation_read(mutation, VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v));
}

Datum
weir_mutation_to_datum(const WeirMutation *mutation)
{
	Size		len = VARHDRSZ + MUTATION_HEAD_LEN +
		(Size) mutation->family_len + mutation->qualifier_len +
		mutation->value_len;
	char	   *result = palloc(len);
	char	   *p = result + VARHDRSZ;

	SET_VARSIZE(result, len);
	*p++ = MUTATION_VERSION;
	*p++ = (char) mutation->kind;
	*p++ = (char) mutation->flags;
	*p++ = (char) mutation->family_len;
	p = weir_write_u16(p, mutation->qualifier_len);
	p = weir_write_i64(p, mutation->ts);
	p = weir_write_i64(p, mutation->to);
	memcpy(p, mutation->family, mutation->family_len);
	p += mutation->family_len;
	memcpy(p, mutation->qualifier, mutation->qualifier_len);
	p += mutation->qualifier_len;
	memcpy(p, mutation->value, mutation->value_len);
	return PointerGetDatum(result);
}

const char *
weir_mutation_name(WeirMutationKind kind)
{
	return kind_names[kind];
}

/* ---- checks that constructors and the text form share ---- */

static void
check_range(int64 from, int64 to)
{
	if (weir_ts_range_is_empty(from, to))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("range of timestamps is empty"),
				 errdetail("The lower bound must be less than the upper bound.")));
}

/*
 * The end of a range of timestamps, negative if there is none.  The greatest
 * timestamp of all cannot be one, as it stands for none in what is stored.
 */
static int64
end_of_range(int64 to)
{
	if (to == WEIR_TS_UNBOUNDED)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("end of a range of timestamps out of range"),
				 errhint("NULL is no bound.")));
	return to < 0 ? WEIR_TS_UNBOUNDED : to;
}

/* A mutation of a column, or of a family if there is no qualifier. */
static void
set_names(WeirMutation *mutation, WeirMutationKind kind,
		  const char *family, Size family_len,
		  const char *qualifier, Size qualifier_len)
{
	weir_check_family(family, family_len);
	weir_check_qualifier_len(qualifier_len);
	memset(mutation, 0, sizeof(*mutation));
	mutation->kind = kind;
	mutation->family = family;
	mutation->family_len = family_len;
	mutation->qualifier = qualifier;
	mutation->qualifier_len = qualifier_len;
	mutation->value = "";
}

static void
set_value(WeirMutation *mutation, const char *value, Size value_len)
{
	weir_check_value_len(value_len);
	mutation->value = value;
	mutation->value_len = value_len;
}

/* 8 bytes, big-endian, in the current memory context */
static void
set_integer_value(WeirMutation *mutation, int64 integer)
{
	uint64		be = pg_hton64((uint64) integer);
	char	   *value = palloc(sizeof(be));

	memcpy(value, &be, sizeof(be));
	set_value(mutation, value, sizeof(be));
}

/* ---- text ---- */

static void
append_bytes(StringInfo buf, const char *bytes, Size len)
{
	appendStringInfoChar(buf, ',');
	weir_bytes_append_json(buf, bytes, len);
}

static void
append_bound(StringInfo buf, int64 bound, bool is_unbounded)
{
	if (is_unbounded)
		appendStringInfoString(buf, ",null");
	else
		appendStringInfo(buf, "," INT64_FORMAT, bound);
}

static void
append_add_input(StringInfo buf, const WeirMutation *mutation)
{
	uint64		be;

	if (mutation->flags & WEIR_MUTATION_BYTES_INPUT)
		append_bytes(buf, mutation->value, mutation->value_len);
	else
	{
		if (mutation->value_len != sizeof(be))
			mutation_corrupted();
		memcpy(&be, mutation->value, sizeof(be));
		appendStringInfo(buf, "," INT64_FORMAT, (int64) pg_ntoh64(be));
	}
}

static void
mutation_out(StringInfo buf, const WeirMutation *mutation)
{
	appendStringInfo(buf, "[\"%s\"", kind_names[mutation->kind]);
	if (mutation->kind != WEIR_DELETE_FROM_ROW)
		append_bytes(buf, mutation->family, mutation->family_len);
	if (mutation->kind <= WEIR_DELETE_FROM_COLUMN)
		append_bytes(buf, mutation->qualifier, mutation->qualifier_len);
	switch (mutation->kind)
	{
		case WEIR_SET_CELL:
			append_bytes(buf, mutation->value, mutation->value_len);
			if (!(mutation->flags & WEIR_MUTATION_SERVER_TIME))
				append_bound(buf, mutation->ts, false);
			break;
		case WEIR_ADD_TO_CELL:
			append_bound(buf, mutation->ts, false);
			append_add_input(buf, mutation);
			break;
		case WEIR_MERGE_TO_CELL:
			append_bound(buf, mutation->ts, false);
			if (mutation->flags & WEIR_MUTATION_NULL_STATE)
				appendStringInfoString(buf, ",null");
			else
				append_bytes(buf, mutation->value, mutation->value_len);
			break;
		case WEIR_DELETE_FROM_COLUMN:
			if (mutation->ts == 0 && mutation->to == WEIR_TS_UNBOUNDED)
				break;
			append_bound(buf, mutation->ts, mutation->ts == 0);
			append_bound(buf, mutation->to, mutation->to == WEIR_TS_UNBOUNDED);
			break;
		case WEIR_DELETE_FROM_FAMILY:
		case WEIR_DELETE_FROM_ROW:
			break;
	}
	appendStringInfoChar(buf, ']');
}

static const char *
bytes_from_json(const WeirJson *json, int n, Size *len)
{
	char	   *bytes;

	if (n >= json->nitems || json->items[n].kind != WEIR_JSON_STRING)
		weir_json_error("weir.mutation", "A string is missing.");
	weir_bytes_from_text(json->items[n].string, json->items[n].string_len,
						 NULL, &bytes, len);
	return bytes;
}

/* An absent or null timestamp is "missing". */
static int64
ts_from_json(const WeirJson *json, int n, int64 missing)
{
	if (n >= json->nitems || json->items[n].kind == WEIR_JSON_NULL)
		return missing;
	if (json->items[n].kind != WEIR_JSON_INTEGER)
		weir_json_error("weir.mutation",
						"A timestamp is a number of microseconds.");
	weir_check_cell_ts(json->items[n].integer);
	return json->items[n].integer;
}

static void
required_ts_from_json(WeirMutation *mutation, const WeirJson *json)
{
	if (json->nitems < 5 || json->items[3].kind != WEIR_JSON_INTEGER)
		weir_json_error("weir.mutation", "A timestamp and a value are missing.");
	mutation->ts = ts_from_json(json, 3, 0);
}

static void
value_from_json(WeirMutation *mutation, const WeirJson *json, int n)
{
	Size		len;
	const char *value = bytes_from_json(json, n, &len);

	set_value(mutation, value, len);
}

/* What follows the names. */
static void
arguments_from_json(WeirMutation *mutation, const WeirJson *json)
{
	switch (mutation->kind)
	{
		case WEIR_SET_CELL:
			value_from_json(mutation, json, 3);
			mutation->ts = ts_from_json(json, 4, -1);
			if (mutation->ts < 0)
			{
				mutation->ts = 0;
				mutation->flags |= WEIR_MUTATION_SERVER_TIME;
			}
			break;
		case WEIR_ADD_TO_CELL:
			required_ts_from_json(mutation, json);
			if (json->items[4].kind == WEIR_JSON_INTEGER)
				set_integer_value(mutation, json->items[4].integer);
			else
			{
				value_from_json(mutation, json, 4);
				mutation->flags |= WEIR_MUTATION_BYTES_INPUT |
					WEIR_MUTATION_TEXT_INPUT;
			}
			break;
		case WEIR_MERGE_TO_CELL:
			required_ts_from_json(mutation, json);
			if (json->items[4].kind == WEIR_JSON_NULL)
				mutation->flags |= WEIR_MUTATION_NULL_STATE;
			else
				value_from_json(mutation, json, 4);
			break;
		case WEIR_DELETE_FROM_COLUMN:
			mutation->ts = ts_from_json(json, 3, 0);
			mutation->to = end_of_range(ts_from_json(json, 4, -1));
			check_range(mutation->ts, mutation->to);
			break;
		case WEIR_DELETE_FROM_FAMILY:
		case WEIR_DELETE_FROM_ROW:
			break;
	}
}

static void
mutation_from_json(WeirMutation *mutation, const WeirJson *json)
{
	/* the most items of each kind's list */
	static const int max_items[] = {0, 5, 5, 5, 5, 2, 1};
	const char *name = weir_json_list_name(json, "weir.mutation");
	const char *family;
	const char *qualifier = "";
	Size		family_len;
	Size		qualifier_len = 0;
	int			kind;

	for (kind = WEIR_DELETE_FROM_ROW; kind >= WEIR_SET_CELL; kind--)
		if (strcmp(name, kind_names[kind]) == 0)
			break;
	if (kind < WEIR_SET_CELL)
		weir_json_error("weir.mutation",
						"A mutation is one of \"set_cell\", \"add_to_cell\", \"merge_to_cell\", \"delete_from_column\", \"delete_from_family\", \"delete_from_row\".");
	if (json->nitems > max_items[kind])
		weir_json_error("weir.mutation", "There are too many arguments.");
	if (kind == WEIR_DELETE_FROM_ROW)
	{
		memset(mutation, 0, sizeof(*mutation));
		mutation->kind = kind;
		mutation->family = mutation->qualifier = mutation->value = "";
		return;
	}
	family = bytes_from_json(json, 1, &family_len);
	if (kind <= WEIR_DELETE_FROM_COLUMN)
		qualifier = bytes_from_json(json, 2, &qualifier_len);
	set_names(mutation, kind, family, family_len, qualifier, qualifier_len);
	arguments_from_json(mutation, json);
}

static Datum
mutation_from_text(char *text)
{
	WeirMutation mutation;

	mutation_from_json(&mutation, weir_json_parse(text));
	return weir_mutation_to_datum(&mutation);
}

static char *
mutation_to_text(Datum d)
{
	WeirMutation mutation;
	StringInfoData buf;

	weir_mutation_from_datum(&mutation, d);
	initStringInfo(&buf);
	mutation_out(&buf, &mutation);
	return buf.data;
}

PG_FUNCTION_INFO_V1(weir_mutation_in);
Datum
weir_mutation_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(mutation_from_text(PG_GETARG_CSTRING(0)));
}

PG_FUNCTION_INFO_V1(weir_mutation_out);
Datum
weir_mutation_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(mutation_to_text(PG_GETARG_DATUM(0)));
}

/* The binary form is the text form in the client's encoding. */
PG_FUNCTION_INFO_V1(weir_mutation_recv);
Datum
weir_mutation_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len;

	PG_RETURN_DATUM(mutation_from_text(pq_getmsgtext(buf,
													 buf->len - buf->cursor,
													 &len)));
}

PG_FUNCTION_INFO_V1(weir_mutation_send);
Datum
weir_mutation_send(PG_FUNCTION_ARGS)
{
	char	   *text = mutation_to_text(PG_GETARG_DATUM(0));
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendtext(&buf, text, strlen(text));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* ---- arguments of functions ---- */

const char *
weir_bytes_argument(FunctionCallInfo fcinfo, int n, bool is_text,
					const char *what, uint32 *len)
{
	struct varlena *v;
	char	   *bytes;
	char	   *utf8;

	if (PG_ARGISNULL(n))
		weir_argument_is_null(what);
	v = PG_GETARG_VARLENA_PP(n);
	bytes = VARDATA_ANY(v);
	*len = VARSIZE_ANY_EXHDR(v);
	if (!is_text || GetDatabaseEncoding() == PG_UTF8)
		return bytes;
	utf8 = pg_server_to_any(bytes, *len, PG_UTF8);
	if (utf8 != bytes)
		*len = strlen(utf8);
	return utf8;
}

const char *
weir_family_argument(FunctionCallInfo fcinfo, int n, uint32 *len)
{
	const char *family = weir_bytes_argument(fcinfo, n, true, "family", len);

	weir_check_family(family, *len);
	return family;
}

/* ---- constructors ---- */

/* family and qualifier, the arguments "first" and the one after it */
static void
column_arguments(FunctionCallInfo fcinfo, int first, WeirMutation *mutation,
				 WeirMutationKind kind, bool qualifier_is_text)
{
	uint32		family_len;
	uint32		qualifier_len;
	const char *family = weir_bytes_argument(fcinfo, first, true, "family",
											 &family_len);
	const char *qualifier = weir_bytes_argument(fcinfo, first + 1,
												qualifier_is_text,
												"qualifier", &qualifier_len);

	set_names(mutation, kind, family, family_len, qualifier, qualifier_len);
}

static void
value_argument(FunctionCallInfo fcinfo, WeirMutation *mutation, int n,
			   bool is_text, const char *what)
{
	uint32		len;
	const char *value = weir_bytes_argument(fcinfo, n, is_text, what, &len);

	set_value(mutation, value, len);
}

static void
ts_argument(FunctionCallInfo fcinfo, WeirMutation *mutation, int n)
{
	if (PG_ARGISNULL(n))
		weir_argument_is_null("timestamp");
	mutation->ts = weir_cell_ts_from_timestamptz(PG_GETARG_TIMESTAMPTZ(n));
}

void
weir_set_cell_arguments(FunctionCallInfo fcinfo, int first,
						bool qualifier_is_text, WeirValueKind value_kind,
						WeirMutation *mutation)
{
	column_arguments(fcinfo, first, mutation, WEIR_SET_CELL,
					 qualifier_is_text);
	if (value_kind == WEIR_VALUE_INTEGER)
	{
		if (PG_ARGISNULL(first + 2))
			weir_argument_is_null("value");
		set_integer_value(mutation, PG_GETARG_INT64(first + 2));
	}
	else
		value_argument(fcinfo, mutation, first + 2,
					   value_kind == WEIR_VALUE_TEXT, "value");
	if (PG_ARGISNULL(first + 3))
		mutation->flags = WEIR_MUTATION_SERVER_TIME;
	else
		ts_argument(fcinfo, mutation, first + 3);
}

static Datum
set_cell(FunctionCallInfo fcinfo, bool qualifier_is_text,
		 WeirValueKind value_kind)
{
	WeirMutation mutation;

	weir_set_cell_arguments(fcinfo, 0, qualifier_is_text, value_kind,
							&mutation);
	return weir_mutation_to_datum(&mutation);
}

PG_FUNCTION_INFO_V1(weir_set_cell);
Datum
weir_set_cell(PG_FUNCTION_ARGS)
{
	return set_cell(fcinfo, false, WEIR_VALUE_BYTES);
}

PG_FUNCTION_INFO_V1(weir_set_cell_bytea_text);
Datum
weir_set_cell_bytea_text(PG_FUNCTION_ARGS)
{
	return set_cell(fcinfo, false, WEIR_VALUE_TEXT);
}

PG_FUNCTION_INFO_V1(weir_set_cell_bytea_bigint);
Datum
weir_set_cell_bytea_bigint(PG_FUNCTION_ARGS)
{
	return set_cell(fcinfo, false, WEIR_VALUE_INTEGER);
}

PG_FUNCTION_INFO_V1(weir_set_cell_text_bytea);
Datum
weir_set_cell_text_bytea(PG_FUNCTION_ARGS)
{
	return set_cell(fcinfo, true, WEIR_VALUE_BYTES);
}

PG_FUNCTION_INFO_V1(weir_set_cell_text_text);
Datum
weir_set_cell_text_text(PG_FUNCTION_ARGS)
{
	return set_cell(fcinfo, true, WEIR_VALUE_TEXT);
}

PG_FUNCTION_INFO_V1(weir_set_cell_text_bigint);
Datum
weir_set_cell_text_bigint(PG_FUNCTION_ARGS)
{
	return set_cell(fcinfo, true, WEIR_VALUE_INTEGER);
}

static Datum
add_to_cell(FunctionCallInfo fcinfo, bool qualifier_is_text, WeirValueKind kind)
{
	WeirMutation mutation;

	column_arguments(fcinfo, 0, &mutation, WEIR_ADD_TO_CELL, qualifier_is_text);
	ts_argument(fcinfo, &mutation, 2);
	if (kind == WEIR_VALUE_INTEGER)
	{
		if (PG_ARGISNULL(3))
			weir_argument_is_null("input");
		set_integer_value(&mutation, PG_GETARG_INT64(3));
	}
	else
	{
		value_argument(fcinfo, &mutation, 3, kind == WEIR_VALUE_TEXT, "input");
		mutation.flags = WEIR_MUTATION_BYTES_INPUT;
		if (kind == WEIR_VALUE_TEXT)
			mutation.flags |= WEIR_MUTATION_TEXT_INPUT;
	}
	return weir_mutation_to_datum(&mutation);
}

PG_FUNCTION_INFO_V1(weir_add_to_cell);
Datum
weir_add_to_cell(PG_FUNCTION_ARGS)
{
	return add_to_cell(fcinfo, false, WEIR_VALUE_INTEGER);
}

PG_FUNCTION_INFO_V1(weir_add_to_cell_bytea_bytea);
Datum
weir_add_to_cell_bytea_bytea(PG_FUNCTION_ARGS)
{
	return add_to_cell(fcinfo, false, WEIR_VALUE_BYTES);
}

PG_FUNCTION_INFO_V1(weir_add_to_cell_bytea_text);
Datum
weir_add_to_cell_bytea_text(PG_FUNCTION_ARGS)
{
	return add_to_cell(fcinfo, false, WEIR_VALUE_TEXT);
}

PG_FUNCTION_INFO_V1(weir_add_to_cell_text);
Datum
weir_add_to_cell_text(PG_FUNCTION_ARGS)
{
	return add_to_cell(fcinfo, true, WEIR_VALUE_INTEGER);
}

PG_FUNCTION_INFO_V1(weir_add_to_cell_text_bytea);
Datum
weir_add_to_cell_text_bytea(PG_FUNCTION_ARGS)
{
	return add_to_cell(fcinfo, true, WEIR_VALUE_BYTES);
}

PG_FUNCTION_INFO_V1(weir_add_to_cell_text_text);
Datum
weir_add_to_cell_text_text(PG_FUNCTION_ARGS)
{
	return add_to_cell(fcinfo, true, WEIR_VALUE_TEXT);
}

static Datum
merge_to_cell(FunctionCallInfo fcinfo, bool qualifier_is_text)
{
	WeirMutation mutation;

	column_arguments(fcinfo, 0, &mutation, WEIR_MERGE_TO_CELL, qualifier_is_text);
	ts_argument(fcinfo, &mutation, 2);
	if (PG_ARGISNULL(3))
		mutation.flags = WEIR_MUTATION_NULL_STATE;
	else
		value_argument(fcinfo, &mutation, 3, false, "state");
	return weir_mutation_to_datum(&mutation);
}

PG_FUNCTION_INFO_V1(weir_merge_to_cell);
Datum
weir_merge_to_cell(PG_FUNCTION_ARGS)
{
	return merge_to_cell(fcinfo, false);
}

PG_FUNCTION_INFO_V1(weir_merge_to_cell_text);
Datum
weir_merge_to_cell_text(PG_FUNCTION_ARGS)
{
	return merge_to_cell(fcinfo, true);
}

static Datum
delete_from_column(FunctionCallInfo fcinfo, bool qualifier_is_text)
{
	WeirMutation mutation;

	column_arguments(fcinfo, 0, &mutation, WEIR_DELETE_FROM_COLUMN,
					 qualifier_is_text);
	if (!PG_ARGISNULL(2))
		ts_argument(fcinfo, &mutation, 2);
	mutation.to = end_of_range(PG_ARGISNULL(3) ? -1 :
							   weir_cell_ts_from_timestamptz(PG_GETARG_TIMESTAMPTZ(3)));
	check_range(mutation.ts, mutation.to);
	return weir_mutation_to_datum(&mutation);
}

PG_FUNCTION_INFO_V1(weir_delete_from_column);
Datum
weir_delete_from_column(PG_FUNCTION_ARGS)
{
	return delete_from_column(fcinfo, false);
}

PG_FUNCTION_INFO_V1(weir_delete_from_column_text);
Datum
weir_delete_from_column_text(PG_FUNCTION_ARGS)
{
	return delete_from_column(fcinfo, true);
}

PG_FUNCTION_INFO_V1(weir_delete_from_family);
Datum
weir_delete_from_family(PG_FUNCTION_ARGS)
{
	WeirMutation mutation;
	uint32		len;
	const char *family = weir_bytes_argument(fcinfo, 0, true, "family", &len);

	set_names(&mutation, WEIR_DELETE_FROM_FAMILY, family, len, "", 0);
	return weir_mutation_to_datum(&mutation);
}

PG_FUNCTION_INFO_V1(weir_delete_from_row);
Datum
weir_delete_from_row(PG_FUNCTION_ARGS)
{
	WeirMutation mutation = {WEIR_DELETE_FROM_ROW};

	mutation.family = mutation.qualifier = mutation.value = "";
	return weir_mutation_to_datum(&mutation);
}
