/*-------------------------------------------------------------------------
 *
 * json_list.c
 *	  The text form of weir's small languages: nested JSON arrays, each of
 *	  which begins with a name.
 *
 * The server's own jsonb does the parsing; here its result becomes a tree.
 * Everything lives in the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "types/json_list.h"

static void read_list(JsonbIterator **it, WeirJson *json, int nitems);

static void
read_number(Numeric number, WeirJson *json)
{
	Datum		text = DirectFunctionCall1(numeric_out,
										   NumericGetDatum(number));
	char	   *end;

	errno = 0;
	json->integer = strtoi64(DatumGetCString(text), &end, 10);
	json->kind = errno == 0 && *end == '\0' ? WEIR_JSON_INTEGER : WEIR_JSON_OTHER;
}

static void
read_scalar(const JsonbValue *value, WeirJson *json)
{
	memset(json, 0, sizeof(*json));
	switch (value->type)
	{
		case jbvNull:
			json->kind = WEIR_JSON_NULL;
			break;
		case jbvString:
			json->kind = WEIR_JSON_STRING;
			json->string = pnstrdup(value->val.string.val,
									value->val.string.len);
			json->string_len = value->val.string.len;
			break;
		case jbvNumeric:
			read_number(value->val.numeric, json);
			break;
		default:
			json->kind = WEIR_JSON_OTHER;
			break;
	}
}

/* Skips the rest of an object, whose beginning was read. */
static void
skip_object(JsonbIterator **it)
{
	JsonbValue	value;
	int			depth = 1;

	while (depth > 0)
	{
		switch (JsonbIteratorNext(it, &value, true))
		{
			case WJB_BEGIN_OBJECT:
				depth++;
				break;
			case WJB_END_OBJECT:
			case WJB_DONE:
				depth--;
				break;
			default:
				break;
		}
	}
}

static void
read_list(JsonbIterator **it, WeirJson *json, int nitems)
{
	JsonbValue	value;

	check_stack_depth();
	memset(json, 0, sizeof(*json));
	json->kind = WEIR_JSON_LIST;
	json->items = palloc0(sizeof(WeirJson) * (nitems + 1));
	for (;;)
	{
		JsonbIteratorToken token = JsonbIteratorNext(it, &value, false);
		WeirJson   *item = &json->items[json->nitems];

		if (token == WJB_END_ARRAY || token == WJB_DONE)
			return;
		Assert(json->nitems < nitems);
		json->nitems++;
		if (token == WJB_BEGIN_ARRAY)
			read_list(it, item, value.val.array.nElems);
		else if (token == WJB_BEGIN_OBJECT)
		{
			item->kind = WEIR_JSON_OTHER;
			skip_object(it);
		}
		else
			read_scalar(&value, item);
	}
}

WeirJson *
weir_json_parse(const char *text)
{
	Jsonb	   *jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
														   CStringGetDatum(text)));
	WeirJson   *json = palloc0(sizeof(WeirJson));
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbValue	value;
	JsonbIteratorToken token = JsonbIteratorNext(&it, &value, false);

	json->kind = WEIR_JSON_OTHER;
	if (token == WJB_BEGIN_ARRAY && !value.val.array.rawScalar)
		read_list(&it, json, value.val.array.nElems);
	return json;
}

void
weir_json_error(const char *type, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s", type),
			 errdetail("%s", detail)));
}

const char *
weir_json_list_name(const WeirJson *json, const char *type)
{
	if (json->kind != WEIR_JSON_LIST || json->nitems == 0 ||
		json->items[0].kind != WEIR_JSON_STRING)
		weir_json_error(type, "The value must be a JSON array that begins with a name.");
	return json->items[0].string;
}

void
weir_argument_is_null(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must not be null", what)));
}
