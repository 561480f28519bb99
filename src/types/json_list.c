/*-------------------------------------------------------------------------
 *
 * json_list.c
 *	  The text form of weir's small languages: nested JSON arrays, each of
 *	  which begins with a name.
 *
 * The server's JSON parser calls back for each list and each item; here they
 * become a tree.  An object is of no use to anybody: its inside is skipped.
 * Everything lives in the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonfuncs.h"

#include "types/json_list.h"

/* A list that has begun and not ended. */
typedef struct OpenList
{
	struct OpenList *outer;
	WeirJson   *items;
	int			nitems;
	int			max_items;
} OpenList;

typedef struct JsonState
{
	OpenList   *list;			/* the innermost one */
	int			object_depth;	/* that many objects are open */
	WeirJson	root;			/* what is in no list */
} JsonState;

/* The place for the next value, zeroed. */
static WeirJson *
add_value(JsonState *state)
{
	OpenList   *list = state->list;

	if (list == NULL)
	{
		memset(&state->root, 0, sizeof(WeirJson));
		return &state->root;
	}
	if (list->nitems >= list->max_items)
	{
		list->max_items *= 2;
		list->items = repalloc_huge(list->items,
									sizeof(WeirJson) * list->max_items);
	}
	memset(&list->items[list->nitems], 0, sizeof(WeirJson));
	return &list->items[list->nitems++];
}

static WeirJsonAction
json_array_start(void *arg)
{
	JsonState  *state = arg;
	OpenList   *list;

	if (state->object_depth == 0)
	{
		list = palloc0(sizeof(OpenList));
		list->outer = state->list;
		list->max_items = 8;
		list->items = palloc(sizeof(WeirJson) * list->max_items);
		state->list = list;
	}
	WEIR_JSON_RETURN(true);
}

static WeirJsonAction
json_array_end(void *arg)
{
	JsonState  *state = arg;
	OpenList   *list = state->list;
	WeirJson   *value;

	if (state->object_depth == 0)
	{
		state->list = list->outer;
		value = add_value(state);
		value->kind = WEIR_JSON_LIST;
		value->nitems = list->nitems;
		value->items = list->items;
	}
	WEIR_JSON_RETURN(true);
}

static WeirJsonAction
json_object_start(void *arg)
{
	JsonState  *state = arg;

	if (state->object_depth++ == 0)
		add_value(state)->kind = WEIR_JSON_OTHER;
	WEIR_JSON_RETURN(true);
}

static WeirJsonAction
json_object_end(void *arg)
{
	JsonState  *state = arg;

	state->object_depth--;
	WEIR_JSON_RETURN(true);
}

static WeirJsonAction
json_scalar(void *arg, char *token, JsonTokenType type)
{
	JsonState  *state = arg;
	WeirJson   *value;
	char	   *end;

	if (state->object_depth > 0)
		WEIR_JSON_RETURN(true);
	value = add_value(state);
	value->kind = WEIR_JSON_OTHER;
	if (type == JSON_TOKEN_NULL)
		value->kind = WEIR_JSON_NULL;
	else if (type == JSON_TOKEN_STRING)
	{
		value->kind = WEIR_JSON_STRING;
		value->string = token;
		value->string_len = strlen(token);
	}
	else if (type == JSON_TOKEN_NUMBER)
	{
		errno = 0;
		value->integer = strtoi64(token, &end, 10);
		if (errno == 0 && *end == '\0')
			value->kind = WEIR_JSON_INTEGER;
	}
	WEIR_JSON_RETURN(true);
}

WeirJson *
weir_json_parse(const char *text)
{
	JsonState  *state = palloc0(sizeof(JsonState));
	JsonSemAction actions = {0};

	actions.semstate = state;
	actions.object_start = json_object_start;
	actions.object_end = json_object_end;
	actions.array_start = json_array_start;
	actions.array_end = json_array_end;
	actions.scalar = json_scalar;
	(void) weir_parse_json(weir_json_lexer(unconstify(char *, text),
										   strlen(text)),
						   &actions, NULL);
	return &state->root;
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
