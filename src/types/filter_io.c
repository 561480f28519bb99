/*-------------------------------------------------------------------------
 *
 * filter_io.c
 *	  Input and output of the type weir.filter.
 *
 * As text a filter is a JSON array of the name of the filter and its
 * arguments, in the order of the SQL function of that name:
 *
 *	["chain", ["family_regex", "a"], ["cells_per_column_limit", 1]]
 *
 * Bounds and masks are bytes as in weir.widerow: literal text or "\x" and
 * hexadecimal digits; null is no bound.  Times are microseconds since the
 * Unix epoch.  Regular expressions are text.  Trailing arguments that are
 * null or false may be left out, and are on output, but for a time range.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonfuncs.h"

#include "weir.h"
#include "types/bytestext.h"
#include "types/filter_tree.h"

PG_FUNCTION_INFO_V1(weir_filter_in);
PG_FUNCTION_INFO_V1(weir_filter_out);
PG_FUNCTION_INFO_V1(weir_filter_recv);
PG_FUNCTION_INFO_V1(weir_filter_send);
PG_FUNCTION_INFO_V1(weir__filter_receive);
PG_FUNCTION_INFO_V1(weir_filter_eq);
PG_FUNCTION_INFO_V1(weir_filter_ne);
PG_FUNCTION_INFO_V1(weir_filter_hash);
PG_FUNCTION_INFO_V1(weir_filter_hash_extended);

/* A value of JSON, as far as filters are made of it. */
typedef struct JsonValue
{
	JsonTokenType type;			/* JSON_TOKEN_ARRAY_START: an array */
	char	   *token;			/* string, number */
	struct JsonValue *first;	/* elements of an array */
	struct JsonValue *last;
	struct JsonValue *next;		/* in the array around it */
	struct JsonValue *parent;
} JsonValue;

typedef struct JsonState
{
	Node	   *escontext;
	JsonValue  *root;
	JsonValue  *array;			/* the innermost open one */
	int			depth;
} JsonState;

/* What is to be read of the elements of one filter's array. */
typedef struct ArgReader
{
	const char *name;
	const JsonValue *next;		/* NULL at the end */
	Node	   *escontext;
} ArgReader;

/*
 * JSON to values
 */

static void
syntax_error(Node *escontext, const char *detail)
{
	weir_errsave(escontext,
				 (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				  errmsg("invalid input syntax for type %s", "weir.filter"),
				  errdetail("%s", detail)));
}

static JsonValue *
add_value(JsonState *state, JsonTokenType type, char *token)
{
	JsonValue  *value = palloc0(sizeof(JsonValue));

	value->type = type;
	value->token = token;
	value->parent = state->array;
	if (state->array == NULL)
		state->root = value;
	else if (state->array->last == NULL)
		state->array->first = state->array->last = value;
	else
	{
		state->array->last->next = value;
		state->array->last = value;
	}
	return value;
}

static WeirJsonAction
json_array_start(void *arg)
{
	JsonState  *state = arg;
	bool		ok = true;

	if (++state->depth > WEIR_MAX_FILTER_DEPTH)
	{
		weir_errsave(state->escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("filter is nested too deeply"),
					  errdetail("At most %d levels are allowed.",
								WEIR_MAX_FILTER_DEPTH)));
		ok = false;
	}
	else
		state->array = add_value(state, JSON_TOKEN_ARRAY_START, NULL);
	WEIR_JSON_RETURN(ok);
}

static WeirJsonAction
json_array_end(void *arg)
{
	JsonState  *state = arg;

	state->depth--;
	state->array = state->array->parent;
	WEIR_JSON_RETURN(true);
}

static WeirJsonAction
json_object_start(void *arg)
{
	JsonState  *state = arg;

	syntax_error(state->escontext, "A filter is a JSON array.");
	WEIR_JSON_RETURN(false);
}

static WeirJsonAction
json_scalar(void *arg, char *token, JsonTokenType type)
{
	(void) add_value(arg, type, token);
	WEIR_JSON_RETURN(true);
}

/*
 * Values to nodes.  All of these return false, or NULL, after a soft error.
 */

static bool
arg_error(const ArgReader *args, const char *expected)
{
	weir_errsave(args->escontext,
				 (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				  errmsg("invalid input syntax for type %s", "weir.filter"),
				  errdetail("Filter \"%s\" needs %s.", args->name, expected)));
	return false;
}

/* The next argument, or NULL if it is null or left out. */
static const JsonValue *
next_arg(ArgReader *args)
{
	const JsonValue *arg = args->next;

	if (arg == NULL)
		return NULL;
	args->next = arg->next;
	return (arg->type == JSON_TOKEN_NULL) ? NULL : arg;
}

static bool
read_text(ArgReader *args, const char *expected, WeirFilterBytes *bytes)
{
	const JsonValue *arg = next_arg(args);
	char	   *utf8;

	if (arg == NULL || arg->type != JSON_TOKEN_STRING)
		return arg_error(args, expected);
	utf8 = pg_server_to_any(arg->token, strlen(arg->token), PG_UTF8);
	bytes->data = utf8;
	bytes->len = strlen(utf8);
	return true;
}

/* Bytes, or null. */
static bool
read_bytes(ArgReader *args, const char *expected, WeirFilterBytes *bytes)
{
	const JsonValue *arg = next_arg(args);
	char	   *data;
	size_t		len;

	if (arg == NULL)
		return true;
	if (arg->type != JSON_TOKEN_STRING)
		return arg_error(args, expected);
	if (!weir_bytes_from_text(arg->token, strlen(arg->token),
							  args->escontext, &data, &len))
		return false;
	bytes->data = data;
	bytes->len = len;
	return true;
}

static bool
read_bool(ArgReader *args, const char *expected, bool *result)
{
	const JsonValue *arg = next_arg(args);

	if (arg != NULL && arg->type != JSON_TOKEN_TRUE &&
		arg->type != JSON_TOKEN_FALSE)
		return arg_error(args, expected);
	*result = (arg != NULL && arg->type == JSON_TOKEN_TRUE);
	return true;
}

/* A whole number, or null. */
static bool
read_int64(ArgReader *args, const char *expected, bool *given, int64 *result)
{
	const JsonValue *arg = next_arg(args);
	char	   *end;

	*given = (arg != NULL);
	if (arg == NULL)
		return true;
	if (arg->type != JSON_TOKEN_NUMBER)
		return arg_error(args, expected);
	errno = 0;
	*result = strtoi64(arg->token, &end, 10);
	if (errno != 0 || *end != '\0')
		return arg_error(args, expected);
	return true;
}

static bool
read_count(ArgReader *args, int32 *count)
{
	static const char *expected = "a number of cells";
	bool		given;
	int64		n;

	if (!read_int64(args, expected, &given, &n))
		return false;
	if (!given || n < PG_INT32_MIN || n > PG_INT32_MAX)
		return arg_error(args, expected);
	*count = (int32) n;
	return true;
}

static bool
read_probability(ArgReader *args, double *probability)
{
	const JsonValue *arg = next_arg(args);
	char	   *end;

	if (arg == NULL || arg->type != JSON_TOKEN_NUMBER)
		return arg_error(args, "a probability");
	*probability = strtod(arg->token, &end);
	return true;
}

static bool
read_range(ArgReader *args, WeirFilterNode *node)
{
	return read_bytes(args, "a string or null as its start", &node->start) &&
		read_bytes(args, "a string or null as its end", &node->end) &&
		read_bool(args, "true or false after its bounds", &node->start_open) &&
		read_bool(args, "true or false after its bounds", &node->end_open);
}

static bool
read_timestamp_range(ArgReader *args, WeirFilterNode *node)
{
	static const char *expected = "whole numbers of microseconds or null";

	return read_int64(args, expected, &node->has_from, &node->from_ts) &&
		read_int64(args, expected, &node->has_to, &node->to_ts);
}

static WeirFilterNode *node_from_json(const JsonValue *value, Node *escontext);

static bool
read_children(ArgReader *args, WeirFilterNode *node)
{
	int			n = 0;

	for (const JsonValue *v = args->next; v != NULL; v = v->next)
		n++;
	node->children = palloc(sizeof(WeirFilterNode *) * Max(n, 1));
	while (args->next != NULL)
	{
		WeirFilterNode *child = node_from_json(args->next, args->escontext);

		if (child == NULL)
			return false;
		node->children[node->nchildren++] = child;
		args->next = args->next->next;
	}
	return true;
}

static bool
read_branches(ArgReader *args, WeirFilterNode *node)
{
	node->nchildren = 3;
	node->children = palloc0(sizeof(WeirFilterNode *) * 3);
	for (int i = 0; i < 3; i++)
	{
		const JsonValue *arg = next_arg(args);

		if (arg == NULL && i == 0)
			return arg_error(args, "a filter as its predicate");
		if (arg != NULL)
		{
			node->children[i] = node_from_json(arg, args->escontext);
			if (node->children[i] == NULL)
				return false;
		}
	}
	return true;
}

static bool
read_args(ArgReader *args, WeirFilterNode *node)
{
	switch (weir_filter_kinds[node->kind].args)
	{
		case WEIR_FILTER_ARGS_NONE:
			return true;
		case WEIR_FILTER_ARGS_CHILDREN:
			return read_children(args, node);
		case WEIR_FILTER_ARGS_BRANCHES:
			return read_branches(args, node);
		case WEIR_FILTER_ARGS_REGEX:
			return read_text(args, "a string", &node->bytes);
		case WEIR_FILTER_ARGS_LABEL:
			return read_text(args, "a label", &node->bytes);
		case WEIR_FILTER_ARGS_PROBABILITY:
			return read_probability(args, &node->probability);
		case WEIR_FILTER_ARGS_COLUMN_RANGE:
			return read_text(args, "the name of a family", &node->bytes) &&
				read_range(args, node);
		case WEIR_FILTER_ARGS_TIMESTAMP_RANGE:
			return read_timestamp_range(args, node);
		case WEIR_FILTER_ARGS_VALUE_RANGE:
			return read_range(args, node);
		case WEIR_FILTER_ARGS_BITMASK:
			if (!read_bytes(args, "a mask", &node->bytes))
				return false;
			return node->bytes.data != NULL || arg_error(args, "a mask");
		case WEIR_FILTER_ARGS_COUNT:
			return read_count(args, &node->count);
	}
	return false;
}

static WeirFilterNode *
node_from_json(const JsonValue *value, Node *escontext)
{
	WeirFilterNode *node = NULL;
	ArgReader	args;

	if (value->type != JSON_TOKEN_ARRAY_START)
	{
		syntax_error(escontext, "A filter is a JSON array.");
		return NULL;
	}
	if (value->first == NULL || value->first->type != JSON_TOKEN_STRING)
	{
		syntax_error(escontext,
					 "The first element of a filter's array is its name.");
		return NULL;
	}

	args.name = value->first->token;
	args.next = value->first->next;
	args.escontext = escontext;

	for (int kind = 1; kind <= WEIR_FILTER_LAST_KIND; kind++)
	{
		if (strcmp(args.name, weir_filter_kinds[kind].name) == 0)
			node = weir_filter_node_create((WeirFilterKind) kind);
	}
	if (node == NULL)
	{
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					  errmsg("invalid input syntax for type %s", "weir.filter"),
					  errdetail("There is no filter \"%s\".", args.name)));
		return NULL;
	}

	if (!read_args(&args, node))
		return NULL;
	if (args.next != NULL)
	{
		arg_error(&args, "fewer arguments");
		return NULL;
	}
	if (!weir_filter_node_check(node, true, escontext))
		return NULL;
	return node;
}

Datum
weir_filter_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);
	JsonState	state = {0};
	JsonSemAction actions = {0};
	WeirFilterNode *node;
	WeirFilter *filter;

	state.escontext = fcinfo->context;
	actions.semstate = &state;
	actions.object_start = json_object_start;
	actions.array_start = json_array_start;
	actions.array_end = json_array_end;
	actions.scalar = json_scalar;
	if (!weir_parse_json(weir_json_lexer(text, strlen(text)), &actions,
						 state.escontext))
		PG_RETURN_NULL();

	node = node_from_json(state.root, state.escontext);
	if (node == NULL)
		PG_RETURN_NULL();
	filter = weir_filter_encode(node, state.escontext);
	if (filter == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(filter);
}

/*
 * Nodes to JSON
 */

static void
append_text(StringInfo buf, const WeirFilterBytes *bytes)
{
	escape_json(buf, text_to_cstring(weir_text_of_bytes(bytes->data,
														bytes->len)));
}

/* The arguments of a range, as few as say it all. */
static void
append_range(StringInfo buf, const WeirFilterNode *node)
{
	int			nargs = node->end_open ? 4 : node->start_open ? 3 :
	node->end.data != NULL ? 2 : node->start.data != NULL ? 1 : 0;

	for (int i = 0; i < nargs; i++)
	{
		const WeirFilterBytes *bound = (i == 0) ? &node->start : &node->end;

		appendStringInfoChar(buf, ',');
		if (i >= 2)
			appendStringInfoString(buf, (i == 2 ? node->start_open :
										 node->end_open) ? "true" : "false");
		else if (bound->data == NULL)
			appendStringInfoString(buf, "null");
		else
			weir_bytes_append_json(buf, bound->data, bound->len);
	}
}

static void
append_timestamp(StringInfo buf, bool given, int64 ts)
{
	if (given)
		appendStringInfo(buf, "," INT64_FORMAT, ts);
	else
		appendStringInfoString(buf, ",null");
}

static void append_node(StringInfo buf, const WeirFilterNode *node);

static void
append_children(StringInfo buf, const WeirFilterNode *node)
{
	int			n = node->nchildren;

	while (n > 0 && node->children[n - 1] == NULL)
		n--;
	for (int i = 0; i < n; i++)
	{
		appendStringInfoChar(buf, ',');
		if (node->children[i] == NULL)
			appendStringInfoString(buf, "null");
		else
			append_node(buf, node->children[i]);
	}
}

static void
append_node(StringInfo buf, const WeirFilterNode *node)
{
	const WeirFilterKindInfo *info = &weir_filter_kinds[node->kind];
	char		number[DOUBLE_SHORTEST_DECIMAL_LEN];

	appendStringInfo(buf, "[\"%s\"", info->name);
	switch (info->args)
	{
		case WEIR_FILTER_ARGS_NONE:
			break;
		case WEIR_FILTER_ARGS_CHILDREN:
		case WEIR_FILTER_ARGS_BRANCHES:
			append_children(buf, node);
			break;
		case WEIR_FILTER_ARGS_REGEX:
		case WEIR_FILTER_ARGS_LABEL:
			appendStringInfoChar(buf, ',');
			append_text(buf, &node->bytes);
			break;
		case WEIR_FILTER_ARGS_PROBABILITY:
			double_to_shortest_decimal_buf(node->probability, number);
			appendStringInfo(buf, ",%s", number);
			break;
		case WEIR_FILTER_ARGS_COLUMN_RANGE:
			appendStringInfoChar(buf, ',');
			append_text(buf, &node->bytes);
			append_range(buf, node);
			break;
		case WEIR_FILTER_ARGS_TIMESTAMP_RANGE:
			append_timestamp(buf, node->has_from, node->from_ts);
			append_timestamp(buf, node->has_to, node->to_ts);
			break;
		case WEIR_FILTER_ARGS_VALUE_RANGE:
			append_range(buf, node);
			break;
		case WEIR_FILTER_ARGS_BITMASK:
			appendStringInfoChar(buf, ',');
			weir_bytes_append_json(buf, node->bytes.data, node->bytes.len);
			break;
		case WEIR_FILTER_ARGS_COUNT:
			appendStringInfo(buf, ",%d", node->count);
			break;
	}
	appendStringInfoChar(buf, ']');
}

Datum
weir_filter_out(PG_FUNCTION_ARGS)
{
	WeirFilter *filter = PG_GETARG_WEIR_FILTER(0);
	StringInfoData buf;

	initStringInfo(&buf);
	append_node(&buf, weir_filter_tree(filter));
	PG_RETURN_CSTRING(buf.data);
}

/*
 * Binary form, comparison
 */

static WeirFilter *
filter_from_bytes(const char *bytes, size_t len)
{
	WeirFilter *filter;

	(void) weir_filter_decode(bytes, len, true,
							  ERRCODE_INVALID_BINARY_REPRESENTATION);
	filter = palloc(VARHDRSZ + len);
	SET_VARSIZE(filter, VARHDRSZ + len);
	memcpy(filter->data, bytes, len);
	return filter;
}

Datum
weir_filter_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len = buf->len - buf->cursor;

	PG_RETURN_POINTER(filter_from_bytes(pq_getmsgbytes(buf, len), len));
}

/* The same for SQL, for tests. */
Datum
weir__filter_receive(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);

	PG_RETURN_POINTER(filter_from_bytes(VARDATA_ANY(bytes),
										VARSIZE_ANY_EXHDR(bytes)));
}

Datum
weir_filter_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(PG_GETARG_WEIR_FILTER(0));
}

static bool
filters_are_equal(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);

	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

Datum
weir_filter_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(filters_are_equal(fcinfo));
}

Datum
weir_filter_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!filters_are_equal(fcinfo));
}

Datum
weir_filter_hash(PG_FUNCTION_ARGS)
{
	struct varlena *filter = PG_GETARG_VARLENA_PP(0);

	return hash_any((unsigned char *) VARDATA_ANY(filter),
					VARSIZE_ANY_EXHDR(filter));
}

Datum
weir_filter_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *filter = PG_GETARG_VARLENA_PP(0);

	return hash_any_extended((unsigned char *) VARDATA_ANY(filter),
							 VARSIZE_ANY_EXHDR(filter), PG_GETARG_INT64(1));
}
