/*-------------------------------------------------------------------------
 *
 * json_list.h
 *	  The text form of weir's small languages: nested JSON arrays, each of
 *	  which begins with a name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_JSON_LIST_H
#define WEIR_JSON_LIST_H

#include "lib/stringinfo.h"

#include "weir.h"

typedef enum WeirJsonKind
{
	WEIR_JSON_NULL,
	WEIR_JSON_STRING,
	WEIR_JSON_INTEGER,			/* a number that fits into an int64 */
	WEIR_JSON_OTHER,			/* another number, a boolean, an object */
	WEIR_JSON_LIST
} WeirJsonKind;

typedef struct WeirJson
{
	WeirJsonKind kind;
	char	   *string;			/* terminated */
	int			string_len;
	int64		integer;
	int			nitems;
	struct WeirJson *items;
} WeirJson;

/* Raises 22P02 if the text is not JSON. */
extern WeirJson *weir_json_parse(const char *text);

/* Raises 22P02 with the type's name and a detail. */
WEIR_NORETURN extern void weir_json_error(const char *type, const char *detail);

/* The name at the head of a list; raises 22P02 if this is no such thing. */
extern const char *weir_json_list_name(const WeirJson *json, const char *type);

/* Raises 22023: an argument must not be NULL. */
WEIR_NORETURN extern void weir_argument_is_null(const char *what);

#endif							/* WEIR_JSON_LIST_H */
