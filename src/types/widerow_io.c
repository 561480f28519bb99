/*-------------------------------------------------------------------------
 *
 * widerow_io.c
 *	  Input, output, receive and send of weir.widerow.
 *
 * The text form is that of widerow_json.c, the binary form is described in
 * widerow_binary.h.
 *
 * Receiving trusts nothing: what is not of this form, in this order and
 * within the limits raises 22P03, or 54000 for the limits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/jsonfuncs.h"

#include "types/widerow_binary.h"
#include "types/widerow_expanded.h"
#include "types/widerow_json.h"
#include "types/widerow_layout.h"
#include "weir.h"

PG_FUNCTION_INFO_V1(weir_widerow_in);
PG_FUNCTION_INFO_V1(weir_widerow_out);
PG_FUNCTION_INFO_V1(weir_widerow_recv);
PG_FUNCTION_INFO_V1(weir_widerow_send);

/* ----------
 * Text
 * ----------
 */

static WeirJsonAction
json_object_start(void *state)
{
	WEIR_JSON_RETURN(weir_row_parse_object_start(state));
}

static WeirJsonAction
json_object_end(void *state)
{
	WEIR_JSON_RETURN(weir_row_parse_object_end(state));
}

static WeirJsonAction
json_array_start(void *state)
{
	WEIR_JSON_RETURN(weir_row_parse_array_start(state));
}

static WeirJsonAction
json_array_end(void *state)
{
	WEIR_JSON_RETURN(weir_row_parse_array_end(state));
}

static WeirJsonAction
json_key(void *state, char *key, bool isnull)
{
	WEIR_JSON_RETURN(weir_row_parse_key(state, key, strlen(key)));
}

static WeirJsonAction
json_scalar(void *state, char *token, JsonTokenType type)
{
	bool		ok;

	if (type == JSON_TOKEN_STRING)
		ok = weir_row_parse_string(state, token, strlen(token));
	else if (type == JSON_TOKEN_NUMBER)
		ok = weir_row_parse_number(state, token);
	else
		ok = weir_row_parse_other(state);
	WEIR_JSON_RETURN(ok);
}

Datum
weir_widerow_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);
	Node	   *escontext = fcinfo->context;
	JsonSemAction actions = {0};
	WeirRow    *row;

	actions.semstate = weir_row_parse_create(escontext);
	actions.object_start = json_object_start;
	actions.object_end = json_object_end;
	actions.object_field_start = json_key;
	actions.array_start = json_array_start;
	actions.array_end = json_array_end;
	actions.scalar = json_scalar;
	if (!weir_parse_json(weir_json_lexer(text, strlen(text)), &actions,
						 escontext))
		PG_RETURN_NULL();
	row = weir_row_parse_finish(actions.semstate);
	if (row == NULL)
		PG_RETURN_NULL();
	PG_RETURN_WEIR_ROW(row);
}

Datum
weir_widerow_out(PG_FUNCTION_ARGS)
{
	const WeirExpandedRow *expanded = weir_expanded_row_of_datum(PG_GETARG_DATUM(0));
	const WeirRow *row = expanded != NULL ? NULL : PG_GETARG_WEIR_ROW(0);
	Size		size = expanded != NULL ?
		weir_row_shape_size(&expanded->shape) : VARSIZE(row);
	StringInfoData buf;

	/* values of plain text and few escapes will fit */
	initStringInfo(&buf);
	enlargeStringInfo(&buf, size + size / 4);
	if (expanded != NULL)
		expanded->methods->append_json(expanded, &buf);
	else
		weir_row_append_json(&buf, row);
	PG_RETURN_CSTRING(buf.data);
}

/* ----------
 * Binary
 * ----------
 */

/*
 * A row being sent.  It does what a WeirRowReader does, but with a loop for
 * each level, which takes half of the time.
 */
typedef struct Sender
{
	WeirRowLayout layout;
	const char *family;			/* the next entries */
	const char *column;
	const char *cell;
	const char *family_name;
	const char *qualifier;
	const char *value;
	const char *names;			/* where offsets count from */
	const char *values;
	uint32		ncolumns;		/* sent so far */
	uint32		ncells;
} Sender;

static void
sender_init(Sender *sender, const WeirRow *row)
{
	const char *data = VARDATA((struct varlena *) row);
	Size		len = VARSIZE(row) - VARHDRSZ;
	WeirRowLayout *layout = &sender->layout;

	weir_row_read_layout(layout, data, len, len);
	sender->family = data + layout->families;
	sender->column = data + layout->columns;
	sender->cell = data + layout->cells;
	sender->names = sender->family_name = data + layout->names;
	sender->values = sender->value = data + layout->values;
	/* qualifiers begin where the last family name ends */
	sender->qualifier = sender->names;
	if (layout->family_count > 0)
		sender->qualifier += weir_get_uint32(sender->column -
											 WEIR_ROW_FAMILY_LEN);
	sender->ncolumns = sender->ncells = 0;
}

static inline char *
send_cells(Sender *sender, char *p, uint32 count)
{
	const char *cell = sender->cell;
	const char *value = sender->value;

	for (uint32 i = 0; i < count; i++)
	{
		const char *end = sender->values + weir_get_uint32(cell + 8);

		p = weir_binary_put_cell(p, weir_get_int64(cell), value, end - value);
		value = end;
		cell += WEIR_ROW_CELL_LEN;
	}
	sender->value = value;
	sender->cell = cell;
	return p;
}

static inline char *
send_column(Sender *sender, char *p)
{
	const char *end = sender->names + weir_get_uint32(sender->column);
	uint32		cell_end = weir_get_uint32(sender->column + 4);
	uint32		count = cell_end - sender->ncells;

	p = weir_binary_put_bytes(p, sender->qualifier, end - sender->qualifier);
	p = weir_binary_put_count(p, count);
	sender->qualifier = end;
	sender->column += WEIR_ROW_COLUMN_LEN;
	sender->ncells = cell_end;
	return send_cells(sender, p, count);
}

static char *
send_family(Sender *sender, char *p)
{
	const char *end = sender->names + weir_get_uint32(sender->family);
	uint32		column_end = weir_get_uint32(sender->family + 4);

	p = weir_binary_put_bytes(p, sender->family_name, end - sender->family_name);
	p = weir_binary_put_count(p, column_end - sender->ncolumns);
	sender->family_name = end;
	sender->family += WEIR_ROW_FAMILY_LEN;
	for (; sender->ncolumns < column_end; sender->ncolumns++)
		p = send_column(sender, p);
	return p;
}

static char *
put_binary(char *p, const WeirRow *row)
{
	Sender		sender;

	sender_init(&sender, row);
	p = weir_binary_put_head(p, sender.layout.family_count);
	for (uint32 i = 0; i < sender.layout.family_count; i++)
		p = send_family(&sender, p);
	return p;
}

Datum
weir_widerow_send(PG_FUNCTION_ARGS)
{
	const WeirExpandedRow *expanded = weir_expanded_row_of_datum(PG_GETARG_DATUM(0));
	const WeirRow *row = expanded != NULL ? NULL : PG_GETARG_WEIR_ROW(0);
	Size		size = expanded != NULL ?
		weir_row_shape_size(&expanded->shape) : VARSIZE(row);
	bytea	   *result;
	char	   *p;

	size += WEIR_BINARY_HEAD_LEN - WEIR_ROW_HEAD_LEN;
	result = palloc(size);
	SET_VARSIZE(result, size);
	p = VARDATA(result);
	if (expanded != NULL)
	{
		p = weir_binary_put_head(p, expanded->shape.families);
		p = expanded->methods->put_binary(expanded, p);
	}
	else
		p = put_binary(p, row);
	Assert(p == (char *) result + size);
	PG_RETURN_BYTEA_P(result);
}

static void
invalid_binary(const char *what, const StringInfo buf)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid binary representation of type %s",
					"weir.widerow"),
			 errdetail("%s, at byte %d.", what, buf->cursor)));
}

/* The next len bytes */
static const char *
get_bytes(StringInfo buf, uint32 len)
{
	const char *p = buf->data + buf->cursor;

	if (len > (uint32) (buf->len - buf->cursor))
		invalid_binary("It ends too early", buf);
	buf->cursor += len;
	return p;
}

static uint32
get_uint32(StringInfo buf)
{
	uint32		v;

	memcpy(&v, get_bytes(buf, sizeof(v)), sizeof(v));
	return pg_ntoh32(v);
}

/* A number of columns or cells */
static uint32
get_count(StringInfo buf)
{
	uint32		count = get_uint32(buf);

	if (count == 0)
		invalid_binary("A family or column has no cell", buf);
	return count;
}

static void
recv_cells(StringInfo buf, WeirRowBuilder *builder, WeirCell *cell)
{
	uint32		count = get_count(buf);
	int64		last_ts = 0;
	uint32		i;

	for (i = 0; i < count; i++)
	{
		uint64		ts;

		memcpy(&ts, get_bytes(buf, sizeof(ts)), sizeof(ts));
		cell->ts = (int64) pg_ntoh64(ts);
		if (cell->ts < 0)
			invalid_binary("A timestamp is negative", buf);
		if (i > 0 && cell->ts >= last_ts)
			invalid_binary("Timestamps are not in descending order", buf);
		last_ts = cell->ts;
		cell->value_len = get_uint32(buf);
		weir_check_value_len(cell->value_len);
		cell->value = get_bytes(buf, cell->value_len);
		weir_row_builder_add(builder, cell);
	}
}

static void
recv_columns(StringInfo buf, WeirRowBuilder *builder, WeirCell *cell)
{
	uint32		count = get_count(buf);
	const char *last = NULL;
	uint32		last_len = 0;
	uint32		i;

	for (i = 0; i < count; i++)
	{
		cell->qualifier_len = get_uint32(buf);
		weir_check_qualifier_len(cell->qualifier_len);
		cell->qualifier = get_bytes(buf, cell->qualifier_len);
		if (i > 0 && weir_bytes_cmp(last, last_len, cell->qualifier,
									cell->qualifier_len) >= 0)
			invalid_binary("Qualifiers are not in order", buf);
		last = cell->qualifier;
		last_len = cell->qualifier_len;
		recv_cells(buf, builder, cell);
	}
}

static void
recv_families(StringInfo buf, WeirRowBuilder *builder)
{
	uint32		count = get_uint32(buf);
	const char *last = NULL;
	uint32		last_len = 0;
	uint32		i;

	for (i = 0; i < count; i++)
	{
		WeirCell	cell;

		cell.family_len = get_uint32(buf);
		if (cell.family_len > WEIR_MAX_FAMILY_LEN)
			weir_check_family(NULL, cell.family_len);
		cell.family = get_bytes(buf, cell.family_len);
		if (!weir_family_is_name(cell.family, cell.family_len))
			invalid_binary("A family name is not valid", buf);
		if (i > 0 && weir_bytes_cmp(last, last_len, cell.family,
									cell.family_len) >= 0)
			invalid_binary("Families are not in order", buf);
		last = cell.family;
		last_len = cell.family_len;
		recv_columns(buf, builder, &cell);
	}
}

Datum
weir_widerow_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	WeirRowBuilder *builder = weir_row_builder_create();

	if (get_bytes(buf, 1)[0] != WEIR_BINARY_VERSION)
		invalid_binary("The format version is not one that is known", buf);
	recv_families(buf, builder);
	if (buf->cursor != buf->len)
		invalid_binary("Bytes follow the last family", buf);
	PG_RETURN_WEIR_ROW(weir_row_builder_finish(builder));
}
