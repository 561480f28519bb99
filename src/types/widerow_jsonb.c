/*-------------------------------------------------------------------------
 *
 * widerow_jsonb.c
 *	  Casts of weir.widerow to json, to jsonb and from jsonb.
 *
 * The JSON is that of the text form.  The cast to json is also what makes
 * to_jsonb, row_to_json and their kin show a row as JSON, not as a string.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "types/bytestext.h"
#include "types/widerow.h"
#include "types/widerow_json.h"
#include "weir.h"

PG_FUNCTION_INFO_V1(weir__widerow_to_json);
PG_FUNCTION_INFO_V1(weir__widerow_to_jsonb);
PG_FUNCTION_INFO_V1(weir__widerow_from_jsonb);

Datum
weir__widerow_to_json(PG_FUNCTION_ARGS)
{
	WeirRow    *row = PG_GETARG_WEIR_ROW(0);
	StringInfoData buf;

	initStringInfo(&buf);
	enlargeStringInfo(&buf, VARHDRSZ + VARSIZE(row) + VARSIZE(row) / 4);
	/* the header of the result goes before the text */
	buf.len = VARHDRSZ;
	weir_row_append_json(&buf, row);
	SET_VARSIZE(buf.data, buf.len);
	PG_RETURN_TEXT_P((text *) buf.data);
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token,
			char *s, int len)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = s;
	value.val.string.len = len;
	pushJsonbValue(state, token, &value);
}

static void
push_bytes(JsonbParseState **state, JsonbIteratorToken token,
		   const char *bytes, size_t len)
{
	char	   *s = weir_bytes_to_text(bytes, len);

	push_string(state, token, s, strlen(s));
}

static void
push_cell(JsonbParseState **state, const WeirCell *cell)
{
	JsonbValue	ts;

	ts.type = jbvNumeric;
	ts.val.numeric = int64_to_numeric(cell->ts);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	pushJsonbValue(state, WJB_ELEM, &ts);
	push_bytes(state, WJB_ELEM, cell->value, cell->value_len);
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

Datum
weir__widerow_to_jsonb(PG_FUNCTION_ARGS)
{
	WeirRow    *row = PG_GETARG_WEIR_ROW(0);
	JsonbParseState *state = NULL;
	bool		is_first = true;
	WeirRowReader reader;
	WeirCell	cell;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	weir_row_reader_init(&reader, row);
	while (weir_row_reader_next(&reader, &cell))
	{
		if (reader.starts_column && !is_first)
			pushJsonbValue(&state, WJB_END_ARRAY, NULL);
		if (reader.starts_family)
		{
			if (!is_first)
				pushJsonbValue(&state, WJB_END_OBJECT, NULL);
			push_string(&state, WJB_KEY,
						pnstrdup(cell.family, cell.family_len),
						cell.family_len);
			pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		}
		if (reader.starts_column)
		{
			push_bytes(&state, WJB_KEY, cell.qualifier, cell.qualifier_len);
			pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		}
		push_cell(&state, &cell);
		is_first = false;
	}
	if (!is_first)
	{
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT,
													   NULL)));
}

/* A key or scalar of a jsonb; raises what is not right. */
static void
parse_scalar(WeirRowParse *parse, JsonbIteratorToken token,
			 const JsonbValue *value)
{
	if (token == WJB_KEY)
		weir_row_parse_key(parse, value->val.string.val,
						   value->val.string.len);
	else if (value->type == jbvString)
		weir_row_parse_string(parse, value->val.string.val,
							  value->val.string.len);
	else if (value->type == jbvNumeric)
		weir_row_parse_number(parse,
							  DatumGetCString(DirectFunctionCall1(numeric_out,
																  NumericGetDatum(value->val.numeric))));
	else
		weir_row_parse_other(parse);
}

Datum
weir__widerow_from_jsonb(PG_FUNCTION_ARGS)
{
	Jsonb	   *jsonb = PG_GETARG_JSONB_P(0);
	WeirRowParse *parse = weir_row_parse_create(NULL);
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		switch (token)
		{
			case WJB_BEGIN_OBJECT:
				weir_row_parse_object_start(parse);
				break;
			case WJB_END_OBJECT:
				weir_row_parse_object_end(parse);
				break;
			case WJB_BEGIN_ARRAY:
				weir_row_parse_array_start(parse);
				break;
			case WJB_END_ARRAY:
				weir_row_parse_array_end(parse);
				break;
			default:
				parse_scalar(parse, token, &value);
				break;
		}
	}
	PG_RETURN_WEIR_ROW(weir_row_parse_finish(parse));
}
