/*-------------------------------------------------------------------------
 *
 * widerow_json.h
 *	  The JSON form of weir.widerow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WIDEROW_JSON_H
#define WEIR_WIDEROW_JSON_H

#include "lib/stringinfo.h"
#include "nodes/nodes.h"
#include "utils/builtins.h"

#include "types/widerow.h"

/* Appends the row as JSON. */
extern void weir_row_append_json(StringInfo buf, const WeirRow *row);

/* The same cell by cell, in the order of the row, for one that has no bytes. */
typedef struct WeirRowJson
{
	StringInfo	buf;
	bool		is_empty;		/* no cell yet */
	int64		last_ts;		/* and its digits */
	int			ts_len;
	char		ts[MAXINT8LEN + 1];
} WeirRowJson;

extern void weir_row_json_begin(WeirRowJson *json, StringInfo buf);
extern void weir_row_json_put(WeirRowJson *json, const WeirCell *cell,
							  bool starts_family, bool starts_column);
extern void weir_row_json_end(WeirRowJson *json);

/*
 * Makes a row out of what a parser of JSON finds.  Strings are kept, not
 * copied, until the finish.  Each function returns false after a soft error,
 * and then the parse is over; errors are 22P02, and 54000 for limits.
 */
typedef struct WeirRowParse WeirRowParse;

extern WeirRowParse *weir_row_parse_create(Node *escontext);
extern bool weir_row_parse_object_start(WeirRowParse *parse);
extern bool weir_row_parse_object_end(WeirRowParse *parse);
extern bool weir_row_parse_key(WeirRowParse *parse, char *key, size_t len);
extern bool weir_row_parse_array_start(WeirRowParse *parse);
extern bool weir_row_parse_array_end(WeirRowParse *parse);
extern bool weir_row_parse_string(WeirRowParse *parse, char *s, size_t len);
extern bool weir_row_parse_number(WeirRowParse *parse, const char *number);
extern bool weir_row_parse_other(WeirRowParse *parse);	/* null, true, false */

/* NULL after a soft error */
extern WeirRow *weir_row_parse_finish(WeirRowParse *parse);

#endif							/* WEIR_WIDEROW_JSON_H */
