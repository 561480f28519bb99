/*-------------------------------------------------------------------------
 *
 * rmw_rule.c
 *	  The type weir.rmw_rule: one rule of a read-modify-write.
 *
 * Text form: ["append_value","family","qualifier","value"] or
 * ["increment","family","qualifier",5]; bytes as in bytestext.h.
 *
 * Bytes after the varlena header, integers little-endian:
 *
 *	offset	size	meaning
 *	0		1		version of the format, 1
 *	1		1		kind, a WeirRmwKind
 *	2		1		length of the family
 *	3		1		zero
 *	4		2		length of the qualifier
 *	6		8		amount, else zero
 *	14				family, qualifier, value to the end
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"

#include "types/bytestext.h"
#include "types/json_list.h"
#include "types/mutation.h"
#include "types/rmw_rule.h"
#include "weir.h"

#define RMW_RULE_VERSION	1
#define RMW_RULE_HEAD_LEN	14

/* ---- bytes ---- */

static void
rule_corrupted(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid value for type %s", "weir.rmw_rule")));
}

void
weir_rmw_rule_read(WeirRmwRule *rule, const char *bytes, Size len)
{
	Size		names_len;

	if (len < RMW_RULE_HEAD_LEN || bytes[0] != RMW_RULE_VERSION ||
		bytes[1] < WEIR_RMW_APPEND || bytes[1] > WEIR_RMW_INCREMENT ||
		bytes[3] != 0)
		rule_corrupted();
	rule->kind = bytes[1];
	rule->family_len = (uint8) bytes[2];
	rule->qualifier_len = weir_read_u16(bytes + 4);
	rule->amount = weir_read_i64(bytes + 6);
	names_len = (Size) rule->family_len + rule->qualifier_len;
	if (len - RMW_RULE_HEAD_LEN < names_len)
		rule_corrupted();
	rule->family = bytes + RMW_RULE_HEAD_LEN;
	rule->qualifier = rule->family + rule->family_len;
	rule->value = rule->qualifier + rule->qualifier_len;
	rule->value_len = len - RMW_RULE_HEAD_LEN - names_len;
}

/* Checks the parts of the rule, too. */
static Datum
rule_to_datum(const WeirRmwRule *rule, Size family_len, Size qualifier_len,
			  Size value_len)
{
	Size		len;
	char	   *result;
	char	   *p;

	weir_check_family(rule->family, family_len);
	weir_check_qualifier_len(qualifier_len);
	weir_check_value_len(value_len);
	len = VARHDRSZ + RMW_RULE_HEAD_LEN + family_len + qualifier_len + value_len;
	result = palloc(len);
	SET_VARSIZE(result, len);
	p = result + VARHDRSZ;
	*p++ = RMW_RULE_VERSION;
	*p++ = (char) rule->kind;
	*p++ = (char) family_len;
	*p++ = 0;
	p = weir_write_u16(p, (uint16) qualifier_len);
	p = weir_write_i64(p, rule->amount);
	memcpy(p, rule->family, family_len);
	p += family_len;
	memcpy(p, rule->qualifier, qualifier_len);
	p += qualifier_len;
	memcpy(p, rule->value, value_len);
	return PointerGetDatum(result);
}

/* ---- text ---- */

static char *
rule_to_text(Datum d)
{
	struct varlena *v = PG_DETOAST_DATUM_PACKED(d);
	WeirRmwRule rule;
	StringInfoData buf;

	weir_rmw_rule_read(&rule, VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v));
	initStringInfo(&buf);
	appendStringInfo(&buf, "[\"%s\",",
					 rule.kind == WEIR_RMW_APPEND ? "append_value" : "increment");
	weir_bytes_append_json(&buf, rule.family, rule.family_len);
	appendStringInfoChar(&buf, ',');
	weir_bytes_append_json(&buf, rule.qualifier, rule.qualifier_len);
	appendStringInfoChar(&buf, ',');
	if (rule.kind == WEIR_RMW_APPEND)
		weir_bytes_append_json(&buf, rule.value, rule.value_len);
	else
		appendStringInfo(&buf, INT64_FORMAT, rule.amount);
	appendStringInfoChar(&buf, ']');
	return buf.data;
}

static const char *
bytes_from_json(const WeirJson *json, Size *len)
{
	char	   *bytes;

	if (json->kind != WEIR_JSON_STRING)
		weir_json_error("weir.rmw_rule", "A string is missing.");
	weir_bytes_from_text(json->string, json->string_len, NULL, &bytes, len);
	return bytes;
}

static Datum
rule_from_text(const char *text)
{
	const WeirJson *json = weir_json_parse(text);
	const char *name = weir_json_list_name(json, "weir.rmw_rule");
	WeirRmwRule rule = {0};
	Size		family_len;
	Size		qualifier_len;
	Size		value_len = 0;

	if (strcmp(name, "append_value") == 0)
		rule.kind = WEIR_RMW_APPEND;
	else if (strcmp(name, "increment") == 0)
		rule.kind = WEIR_RMW_INCREMENT;
	else
		weir_json_error("weir.rmw_rule",
						"A rule is one of \"append_value\", \"increment\".");
	if (json->nitems != 4)
		weir_json_error("weir.rmw_rule",
						"A rule has a family, a qualifier and a value.");
	rule.family = bytes_from_json(&json->items[1], &family_len);
	rule.qualifier = bytes_from_json(&json->items[2], &qualifier_len);
	rule.value = "";
	if (rule.kind == WEIR_RMW_APPEND)
		rule.value = bytes_from_json(&json->items[3], &value_len);
	else if (json->items[3].kind == WEIR_JSON_INTEGER)
		rule.amount = json->items[3].integer;
	else
		weir_json_error("weir.rmw_rule", "An increment is an integer.");
	return rule_to_datum(&rule, family_len, qualifier_len, value_len);
}

PG_FUNCTION_INFO_V1(weir_rmw_rule_in);
Datum
weir_rmw_rule_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(rule_from_text(PG_GETARG_CSTRING(0)));
}

PG_FUNCTION_INFO_V1(weir_rmw_rule_out);
Datum
weir_rmw_rule_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(rule_to_text(PG_GETARG_DATUM(0)));
}

/* The binary form is the text form in the client's encoding. */
PG_FUNCTION_INFO_V1(weir_rmw_rule_recv);
Datum
weir_rmw_rule_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len;

	PG_RETURN_DATUM(rule_from_text(pq_getmsgtext(buf, buf->len - buf->cursor,
												 &len)));
}

PG_FUNCTION_INFO_V1(weir_rmw_rule_send);
Datum
weir_rmw_rule_send(PG_FUNCTION_ARGS)
{
	char	   *text = rule_to_text(PG_GETARG_DATUM(0));
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendtext(&buf, text, strlen(text));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* ---- constructors ---- */

static Datum
make_rule(FunctionCallInfo fcinfo, WeirRmwKind kind, bool qualifier_is_text,
		  bool value_is_text)
{
	WeirRmwRule rule = {kind};
	uint32		family_len;
	uint32		qualifier_len;
	uint32		value_len = 0;

	rule.family = weir_bytes_argument(fcinfo, 0, true, "family", &family_len);
	rule.qualifier = weir_bytes_argument(fcinfo, 1, qualifier_is_text,
										 "qualifier", &qualifier_len);
	rule.value = "";
	if (kind == WEIR_RMW_APPEND)
		rule.value = weir_bytes_argument(fcinfo, 2, value_is_text, "value",
										 &value_len);
	else if (PG_ARGISNULL(2))
		weir_argument_is_null("amount");
	else
		rule.amount = PG_GETARG_INT64(2);
	return rule_to_datum(&rule, family_len, qualifier_len, value_len);
}

PG_FUNCTION_INFO_V1(weir_append_value);
Datum
weir_append_value(PG_FUNCTION_ARGS)
{
	return make_rule(fcinfo, WEIR_RMW_APPEND, false, false);
}

PG_FUNCTION_INFO_V1(weir_append_value_bytea_text);
Datum
weir_append_value_bytea_text(PG_FUNCTION_ARGS)
{
	return make_rule(fcinfo, WEIR_RMW_APPEND, false, true);
}

PG_FUNCTION_INFO_V1(weir_append_value_text_bytea);
Datum
weir_append_value_text_bytea(PG_FUNCTION_ARGS)
{
	return make_rule(fcinfo, WEIR_RMW_APPEND, true, false);
}

PG_FUNCTION_INFO_V1(weir_append_value_text_text);
Datum
weir_append_value_text_text(PG_FUNCTION_ARGS)
{
	return make_rule(fcinfo, WEIR_RMW_APPEND, true, true);
}

PG_FUNCTION_INFO_V1(weir_increment);
Datum
weir_increment(PG_FUNCTION_ARGS)
{
	return make_rule(fcinfo, WEIR_RMW_INCREMENT, false, false);
}

PG_FUNCTION_INFO_V1(weir_increment_text);
Datum
weir_increment_text(PG_FUNCTION_ARGS)
{
	return make_rule(fcinfo, WEIR_RMW_INCREMENT, true, false);
}
