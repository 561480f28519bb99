/*-------------------------------------------------------------------------
 *
 * widerow_json.c
 *	  The JSON form of weir.widerow.
 *
 *		{"family": {"qualifier": [[timestamp, "value"], ...], ...}, ...}
 *
 * Families, qualifiers and timestamps appear in the order of the row, newest
 * cell first; timestamps in microseconds since 1970; qualifiers and values
 * as bytestext.c describes.  On input any order will do, and a family or
 * column without cells is dropped, as it does not exist; but no family,
 * column or cell may be given twice.
 *
 * The parse is driven by events, so that JSON text (widerow_io.c) and jsonb
 * (widerow_jsonb.c) share it.  States, and what is legal in each:
 *
 *	START		the beginning of an object			-> ROW
 *	ROW			a family's name						-> FAMILY
 *				the end of the object				-> DONE
 *	FAMILY		the beginning of an object			-> COLUMNS
 *	COLUMNS		a qualifier							-> COLUMN
 *				the end of the object				-> ROW
 *	COLUMN		the beginning of an array			-> CELLS
 *	CELLS		the beginning of an array			-> TIMESTAMP
 *				the end of the array				-> COLUMNS
 *	TIMESTAMP	a number							-> VALUE
 *	VALUE		a string							-> CELL_END
 *	CELL_END	the end of the array				-> CELLS
 *	DONE		nothing
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "types/bytestext.h"
#include "types/widerow_json.h"
#include "weir.h"

typedef enum ParseState
{
	PARSE_START,
	PARSE_ROW,
	PARSE_FAMILY,
	PARSE_COLUMNS,
	PARSE_COLUMN,
	PARSE_CELLS,
	PARSE_TIMESTAMP,
	PARSE_VALUE,
	PARSE_CELL_END,
	PARSE_DONE
} ParseState;

/* the timestamp of a mark that stands for "no cell" */
#define NO_CELL_TS (-1)

/*
 * A cell that was read, or the mark of a family or column without any.  The
 * ordinals tell apart two mentions of a family or column in the input.
 */
typedef struct ParsedCell
{
	WeirCell	cell;
	uint32		family_no;
	uint32		column_no;
} ParsedCell;

struct WeirRowParse
{
	Node	   *escontext;
	ParseState	state;
	ParsedCell	current;		/* where we are */
	bool		is_empty;		/* no cell yet in the current family/column */
	ParsedCell *cells;
	Size		count;
	Size		capacity;
};

/* ----------
 * Output
 * ----------
 */

/* The most that a cell's JSON has besides its family, qualifier and value */
#define CELL_JSON_LEN	(MAXINT8LEN + 32)

static inline char *
put_bytes(char *p, const char *bytes, Size len)
{
	memcpy(p, bytes, len);
	return p + len;
}

#define put_literal(p, literal) put_bytes(p, literal, sizeof(literal) - 1)

/* The end of what is open, and the begin of the cell's family and column */
static char *
put_place(char *p, const WeirRowJson *json, const WeirCell *cell,
		  bool starts_family, bool starts_column)
{
	if (!starts_column)
		return put_literal(p, ", ");
	if (json->is_empty)
		p = put_literal(p, "{");
	else if (starts_family)
		p = put_literal(p, "]}, ");
	else
		p = put_literal(p, "], ");
	if (starts_family)
	{
		/* its characters need no escape */
		p = put_literal(p, "\"");
		p = put_bytes(p, cell->family, cell->family_len);
		p = put_literal(p, "\": {");
	}
	p = weir_bytes_put_json(p, cell->qualifier, cell->qualifier_len);
	return put_literal(p, ": [");
}

void
weir_row_json_begin(WeirRowJson *json, StringInfo buf)
{
	json->buf = buf;
	json->is_empty = true;
	json->last_ts = -1;
	json->ts_len = 0;
}

void
weir_row_json_put(WeirRowJson *json, const WeirCell *cell,
				  bool starts_family, bool starts_column)
{
	StringInfo	buf = json->buf;
	char	   *p;

	/* cells that were written together have one timestamp */
	if (cell->ts != json->last_ts)
		json->ts_len = pg_lltoa(cell->ts, json->ts);
	json->last_ts = cell->ts;

	/* no overflow: the sum of the lengths is within that of a row */
	enlargeStringInfo(buf, CELL_JSON_LEN + cell->family_len +
					  WEIR_BYTES_JSON_LEN(cell->qualifier_len) +
					  WEIR_BYTES_JSON_LEN(cell->value_len));
	p = put_place(buf->data + buf->len, json, cell, starts_family,
				  starts_column);
	p = put_literal(p, "[");
	p = put_bytes(p, json->ts, json->ts_len);
	p = put_literal(p, ", ");
	p = weir_bytes_put_json(p, cell->value, cell->value_len);
	p = put_literal(p, "]");
	buf->len = p - buf->data;
	json->is_empty = false;
}

void
weir_row_json_end(WeirRowJson *json)
{
	appendStringInfoString(json->buf, json->is_empty ? "{}" : "]}}");
}

void
weir_row_append_json(StringInfo buf, const WeirRow *row)
{
	WeirRowJson json;
	WeirRowReader reader;
	WeirCell	cell;

	weir_row_json_begin(&json, buf);
	weir_row_reader_init(&reader, row);
	while (weir_row_reader_next(&reader, &cell))
		weir_row_json_put(&json, &cell, reader.starts_family,
						  reader.starts_column);
	weir_row_json_end(&json);
}

/* ----------
 * Parse
 * ----------
 */

#define syntax_error(parse, ...) \
	weir_errsave((parse)->escontext, \
				 (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), \
				  errmsg("invalid input syntax for type %s", "weir.widerow"), \
				  errdetail(__VA_ARGS__)))

#define limit_error(parse, what, len, limit) \
	weir_errsave((parse)->escontext, \
				 (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), \
				  errmsg(what " is too long"), \
				  errdetail("It has %zu bytes, the limit is %d.", \
							(size_t) (len), limit)))

WeirRowParse *
weir_row_parse_create(Node *escontext)
{
	WeirRowParse *parse = palloc0(sizeof(WeirRowParse));

	parse->escontext = escontext;
	parse->state = PARSE_START;
	return parse;
}

/* "fam:qual" of a column, for messages */
static char *
column_name(const WeirCell *cell)
{
	return psprintf("%.*s:%s", (int) cell->family_len, cell->family,
					weir_bytes_to_text(cell->qualifier, cell->qualifier_len));
}

/* Something came that is not legal in the state.  Always returns false. */
static bool
unexpected(WeirRowParse *parse)
{
	const WeirCell *cell = &parse->current.cell;

	switch (parse->state)
	{
		case PARSE_START:
		case PARSE_ROW:
		case PARSE_DONE:
			syntax_error(parse, "A wide row must be an object of families.");
			break;
		case PARSE_FAMILY:
		case PARSE_COLUMNS:
			syntax_error(parse, "Family \"%.*s\" must be an object of columns.",
						 (int) cell->family_len, cell->family);
			break;
		case PARSE_COLUMN:
		case PARSE_CELLS:
			syntax_error(parse, "Column \"%s\" must be an array of cells.",
						 column_name(cell));
			break;
		case PARSE_TIMESTAMP:
		case PARSE_VALUE:
		case PARSE_CELL_END:
			syntax_error(parse, "A cell of column \"%s\" must be an array of a timestamp in microseconds and a string.",
						 column_name(cell));
			break;
	}
	return false;
}

static void
push_cell(WeirRowParse *parse)
{
	if (parse->count >= parse->capacity)
	{
		parse->capacity = Max(16, parse->capacity * 2);
		if (parse->cells == NULL)
			parse->cells = palloc(parse->capacity * sizeof(ParsedCell));
		else
			parse->cells = repalloc_huge(parse->cells,
										 parse->capacity * sizeof(ParsedCell));
	}
	parse->cells[parse->count++] = parse->current;
}

/* Leaves a mark if the family or column that ends has no cell. */
static void
push_mark_if_empty(WeirRowParse *parse)
{
	WeirCell   *cell = &parse->current.cell;

	if (!parse->is_empty)
		return;
	cell->ts = NO_CELL_TS;
	cell->value = "";
	cell->value_len = 0;
	push_cell(parse);
	parse->is_empty = false;
}

bool
weir_row_parse_object_start(WeirRowParse *parse)
{
	if (parse->state == PARSE_START)
		parse->state = PARSE_ROW;
	else if (parse->state == PARSE_FAMILY)
		parse->state = PARSE_COLUMNS;
	else
		return unexpected(parse);
	return true;
}

bool
weir_row_parse_object_end(WeirRowParse *parse)
{
	if (parse->state == PARSE_COLUMNS)
	{
		push_mark_if_empty(parse);
		parse->state = PARSE_ROW;
	}
	else if (parse->state == PARSE_ROW)
		parse->state = PARSE_DONE;
	else
		return unexpected(parse);
	return true;
}

static bool
parse_family(WeirRowParse *parse, char *key, size_t len)
{
	WeirCell   *cell = &parse->current.cell;

	if (len > WEIR_MAX_FAMILY_LEN)
	{
		limit_error(parse, "family name", len, WEIR_MAX_FAMILY_LEN);
		return false;
	}
	if (!weir_family_is_name(key, len))
	{
		weir_errsave(parse->escontext,
					 (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					  errmsg("invalid family name \"%.*s\"", (int) len, key),
					  errdetail(WEIR_FAMILY_NAME_DETAIL)));
		return false;
	}
	cell->family = key;
	cell->family_len = len;
	cell->qualifier = "";
	cell->qualifier_len = 0;
	parse->current.family_no++;
	parse->current.column_no++;
	parse->is_empty = true;
	parse->state = PARSE_FAMILY;
	return true;
}

static bool
parse_qualifier(WeirRowParse *parse, char *key, size_t key_len)
{
	WeirCell   *cell = &parse->current.cell;
	char	   *qualifier;
	size_t		len;

	if (!weir_bytes_from_text(key, key_len, parse->escontext,
							  &qualifier, &len))
		return false;
	if (len > WEIR_MAX_QUALIFIER_LEN)
	{
		limit_error(parse, "qualifier", len, WEIR_MAX_QUALIFIER_LEN);
		return false;
	}
	cell->qualifier = qualifier;
	cell->qualifier_len = len;
	parse->current.column_no++;
	parse->is_empty = true;
	parse->state = PARSE_COLUMN;
	return true;
}

bool
weir_row_parse_key(WeirRowParse *parse, char *key, size_t len)
{
	if (parse->state == PARSE_ROW)
		return parse_family(parse, key, len);
	if (parse->state == PARSE_COLUMNS)
		return parse_qualifier(parse, key, len);
	return unexpected(parse);
}

bool
weir_row_parse_array_start(WeirRowParse *parse)
{
	if (parse->state == PARSE_COLUMN)
		parse->state = PARSE_CELLS;
	else if (parse->state == PARSE_CELLS)
		parse->state = PARSE_TIMESTAMP;
	else
		return unexpected(parse);
	return true;
}

bool
weir_row_parse_array_end(WeirRowParse *parse)
{
	if (parse->state == PARSE_CELLS)
	{
		push_mark_if_empty(parse);
		parse->state = PARSE_COLUMNS;
	}
	else if (parse->state == PARSE_CELL_END)
	{
		push_cell(parse);
		parse->is_empty = false;
		parse->state = PARSE_CELLS;
	}
	else
		return unexpected(parse);
	return true;
}

bool
weir_row_parse_string(WeirRowParse *parse, char *s, size_t s_len)
{
	WeirCell   *cell = &parse->current.cell;
	char	   *value;
	size_t		len;

	if (parse->state != PARSE_VALUE)
		return unexpected(parse);
	if (!weir_bytes_from_text(s, s_len, parse->escontext, &value, &len))
		return false;
	if (len > WEIR_MAX_VALUE_LEN)
	{
		limit_error(parse, "value", len, WEIR_MAX_VALUE_LEN);
		return false;
	}
	cell->value = value;
	cell->value_len = len;
	parse->state = PARSE_CELL_END;
	return true;
}

/* A JSON number; but a timestamp has digits only. */
bool
weir_row_parse_number(WeirRowParse *parse, const char *number)
{
	const char *p = number;
	int64		ts = 0;

	if (parse->state != PARSE_TIMESTAMP)
		return unexpected(parse);
	while (*p >= '0' && *p <= '9' &&
		   !pg_mul_s64_overflow(ts, 10, &ts) &&
		   !pg_add_s64_overflow(ts, *p - '0', &ts))
		p++;
	if (*p != '\0')
	{
		syntax_error(parse, "Timestamp %s of column \"%s\" is not a whole number of microseconds from 0 to %lld.",
					 number, column_name(&parse->current.cell),
					 (long long) PG_INT64_MAX);
		return false;
	}
	parse->current.cell.ts = ts;
	parse->state = PARSE_VALUE;
	return true;
}

bool
weir_row_parse_other(WeirRowParse *parse)
{
	return unexpected(parse);
}

static int
cmp_parsed_cell(const void *a, const void *b)
{
	return weir_cell_cmp(&((const ParsedCell *) a)->cell,
						 &((const ParsedCell *) b)->cell);
}

/* a and b are neighbours after sorting. */
static bool
check_not_twice(WeirRowParse *parse, const ParsedCell *a, const ParsedCell *b)
{
	if (weir_bytes_cmp(a->cell.family, a->cell.family_len,
					   b->cell.family, b->cell.family_len) != 0)
		return true;
	if (a->family_no != b->family_no)
	{
		syntax_error(parse, "Family \"%.*s\" is given twice.",
					 (int) a->cell.family_len, a->cell.family);
		return false;
	}
	if (weir_bytes_cmp(a->cell.qualifier, a->cell.qualifier_len,
					   b->cell.qualifier, b->cell.qualifier_len) != 0)
		return true;
	if (a->column_no != b->column_no)
	{
		syntax_error(parse, "Column \"%s\" is given twice.",
					 column_name(&a->cell));
		return false;
	}
	if (a->cell.ts == b->cell.ts)
	{
		syntax_error(parse, "Column \"%s\" is given two values at timestamp %lld.",
					 column_name(&a->cell), (long long) a->cell.ts);
		return false;
	}
	return true;
}

/* The parser has read to the end.  Frees the parse. */
WeirRow *
weir_row_parse_finish(WeirRowParse *parse)
{
	WeirRowBuilder *builder;
	Size		i;

	if (parse->state != PARSE_DONE)
	{
		unexpected(parse);
		return NULL;
	}
	qsort(parse->cells, parse->count, sizeof(ParsedCell), cmp_parsed_cell);
	for (i = 1; i < parse->count; i++)
	{
		if (!check_not_twice(parse, &parse->cells[i - 1], &parse->cells[i]))
			return NULL;
	}

	builder = weir_row_builder_create();
	for (i = 0; i < parse->count; i++)
	{
		if (parse->cells[i].cell.ts != NO_CELL_TS &&
			!weir_row_builder_try_add(builder, &parse->cells[i].cell))
		{
			weir_errsave(parse->escontext,
						 (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						  errmsg("wide row is too large"),
						  errdetail("The limit is %d bytes.", WEIR_MAX_ROW_LEN)));
			return NULL;
		}
	}
	if (parse->cells != NULL)
		pfree(parse->cells);
	pfree(parse);
	return weir_row_builder_finish(builder);
}
