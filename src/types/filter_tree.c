/*-------------------------------------------------------------------------
 *
 * filter_tree.c
 *	  A row filter as a tree, its rules, and its stored form.
 *
 * Stored, and sent in binary, a filter is a version byte and the nodes of
 * the tree in prefix order; numbers are big-endian:
 *
 *	offset	size	meaning
 *	0		1		version, 1
 *	1		-		node: 1 byte kind (WeirFilterKind), then by kind
 *
 *	chain, interleave	2 bytes number of children, the children
 *	condition			1 byte: 1 if there is a true branch, + 2 if a false
 *						one; predicate, branches
 *	*_regex, bitmask, label		bytes: 2 bytes length, the bytes
 *	row_sample			8 bytes, IEEE 754
 *	column_range		bytes family, then as value_range
 *	value_range			1 byte: 1 start given, 2 end given, 4 start open,
 *						8 end open; bytes start, bytes end, if given
 *	timestamp_range		1 byte: 1 from given, 2 to given; 8 bytes each, if
 *						given
 *	cells_per_*			4 bytes
 *	others				nothing
 *
 * E.g. ["chain",["family_regex","a"],["cells_per_column_limit",1]] is
 * 01 03 0002 09 0001 61 12 00000001.  Equal filters have equal bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "weir.h"
#include "types/filter_tree.h"
#include "types/regex.h"

#define FILTER_VERSION	1

const WeirFilterKindInfo weir_filter_kinds[WEIR_FILTER_LAST_KIND + 1] = {
	[WEIR_FILTER_PASS_ALL] = {"pass_all", WEIR_FILTER_ARGS_NONE},
	[WEIR_FILTER_BLOCK_ALL] = {"block_all", WEIR_FILTER_ARGS_NONE},
	[WEIR_FILTER_CHAIN] = {"chain", WEIR_FILTER_ARGS_CHILDREN},
	[WEIR_FILTER_INTERLEAVE] = {"interleave", WEIR_FILTER_ARGS_CHILDREN},
	[WEIR_FILTER_CONDITION] = {"condition", WEIR_FILTER_ARGS_BRANCHES},
	[WEIR_FILTER_SINK] = {"sink", WEIR_FILTER_ARGS_NONE},
	[WEIR_FILTER_ROW_KEY_REGEX] = {"row_key_regex", WEIR_FILTER_ARGS_REGEX},
	[WEIR_FILTER_ROW_SAMPLE] = {"row_sample", WEIR_FILTER_ARGS_PROBABILITY},
	[WEIR_FILTER_FAMILY_REGEX] = {"family_regex", WEIR_FILTER_ARGS_REGEX},
	[WEIR_FILTER_QUALIFIER_REGEX] = {"qualifier_regex", WEIR_FILTER_ARGS_REGEX},
	[WEIR_FILTER_COLUMN_RANGE] = {"column_range", WEIR_FILTER_ARGS_COLUMN_RANGE},
	[WEIR_FILTER_TIMESTAMP_RANGE] = {"timestamp_range", WEIR_FILTER_ARGS_TIMESTAMP_RANGE},
	[WEIR_FILTER_VALUE_REGEX] = {"value_regex", WEIR_FILTER_ARGS_REGEX},
	[WEIR_FILTER_VALUE_RANGE] = {"value_range", WEIR_FILTER_ARGS_VALUE_RANGE},
	[WEIR_FILTER_VALUE_BITMASK] = {"value_bitmask", WEIR_FILTER_ARGS_BITMASK},
	[WEIR_FILTER_ROW_OFFSET] = {"cells_per_row_offset", WEIR_FILTER_ARGS_COUNT},
	[WEIR_FILTER_ROW_LIMIT] = {"cells_per_row_limit", WEIR_FILTER_ARGS_COUNT},
	[WEIR_FILTER_COLUMN_LIMIT] = {"cells_per_column_limit", WEIR_FILTER_ARGS_COUNT},
	[WEIR_FILTER_STRIP_VALUE] = {"strip_value", WEIR_FILTER_ARGS_NONE},
	[WEIR_FILTER_APPLY_LABEL] = {"apply_label", WEIR_FILTER_ARGS_LABEL},
};

WeirFilterNode *
weir_filter_node_create(WeirFilterKind kind)
{
	WeirFilterNode *node = palloc0(sizeof(WeirFilterNode));

	node->kind = kind;
	return node;
}

/*
 * Rules
 */

/* Derive the properties of a node that the rules of its parents look at. */
static int
set_properties(WeirFilterNode *node)
{
	int			labelled_children = 0;

	node->depth = 1;
	node->has_sink = (node->kind == WEIR_FILTER_SINK);
	node->has_label = (node->kind == WEIR_FILTER_APPLY_LABEL);
	for (int i = 0; i < node->nchildren; i++)
	{
		const WeirFilterNode *child = node->children[i];

		if (child == NULL)
			continue;
		node->depth = Max(node->depth, child->depth + 1);
		node->has_sink |= child->has_sink;
		node->has_label |= child->has_label;
		if (child->has_label)
			labelled_children++;
	}
	return labelled_children;
}

static bool
check_structure(WeirFilterNode *node, Node *escontext)
{
	const char *name = weir_filter_kinds[node->kind].name;
	int			labelled_children = set_properties(node);

	if (node->depth > WEIR_MAX_FILTER_DEPTH)
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("filter is nested too deeply"),
					  errdetail("At most %d levels are allowed.",
								WEIR_MAX_FILTER_DEPTH)));
	else if (weir_filter_kinds[node->kind].args == WEIR_FILTER_ARGS_CHILDREN &&
			 node->nchildren < 2)
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("filter %s needs at least two filters", name),
					  errdetail("There are only %d.", node->nchildren)));
	else if (node->kind == WEIR_FILTER_CHAIN && labelled_children > 1)
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("filter chain may have only one filter that applies a label"),
					  errdetail("It has %d.", labelled_children)));
	else if (node->kind == WEIR_FILTER_CONDITION && node->has_sink)
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("filter condition cannot contain filter sink")));
	else
		return true;
	return false;
}

static bool
check_regex_node(const WeirFilterNode *node, bool check_regex,
				 Node *escontext)
{
	if (node->kind == WEIR_FILTER_FAMILY_REGEX &&
		memchr(node->bytes.data, ':', node->bytes.len) != NULL)
	{
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("regular expression of filter family_regex must not contain \":\"")));
		return false;
	}
	if (check_regex)
	{
		MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext,
												   "weir filter check",
												   ALLOCSET_SMALL_SIZES);
		MemoryContext oldcxt = MemoryContextSwitchTo(mcxt);
		bool		is_valid;

		is_valid = weir_regex_compile(node->bytes.data, node->bytes.len,
									  escontext) != NULL;
		MemoryContextSwitchTo(oldcxt);
		MemoryContextDelete(mcxt);
		return is_valid;
	}
	return true;
}

static bool
check_family(const WeirFilterNode *node, Node *escontext)
{
	if (node->bytes.len > WEIR_MAX_FAMILY_LEN ||
		!weir_family_is_name(node->bytes.data, node->bytes.len))
	{
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("filter column_range needs the name of a family"),
					  errdetail("A family name has 1 to %d letters, digits, \"-\", \"_\" and \".\".",
								WEIR_MAX_FAMILY_LEN)));
		return false;
	}
	return true;
}

static bool
check_label(const WeirFilterNode *node, Node *escontext)
{
	bool		is_valid = (node->bytes.len >= 1 &&
							node->bytes.len <= WEIR_MAX_LABEL_LEN);

	for (uint32 i = 0; is_valid && i < node->bytes.len; i++)
	{
		char		c = node->bytes.data[i];

		is_valid = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			c == '-';
	}
	if (!is_valid)
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("invalid label"),
					  errdetail("A label has 1 to %d lower-case letters, digits and \"-\".",
								WEIR_MAX_LABEL_LEN)));
	return is_valid;
}

static bool
check_count(const WeirFilterNode *node, Node *escontext)
{
	int			least = (node->kind == WEIR_FILTER_ROW_OFFSET) ? 0 : 1;

	if (node->count < least)
	{
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("number of cells of filter %s must be at least %d, not %d",
							 weir_filter_kinds[node->kind].name,
							 least, node->count)));
		return false;
	}
	return true;
}

bool
weir_filter_node_check(WeirFilterNode *node, bool check_regex,
					   Node *escontext)
{
	if (!check_structure(node, escontext))
		return false;

	switch (weir_filter_kinds[node->kind].args)
	{
		case WEIR_FILTER_ARGS_REGEX:
			return check_regex_node(node, check_regex, escontext);
		case WEIR_FILTER_ARGS_COLUMN_RANGE:
			return check_family(node, escontext);
		case WEIR_FILTER_ARGS_LABEL:
			return check_label(node, escontext);
		case WEIR_FILTER_ARGS_COUNT:
			return check_count(node, escontext);
		case WEIR_FILTER_ARGS_PROBABILITY:
			/* not a number fails both */
			if (node->probability > 0 && node->probability < 1)
				return true;
			weir_errsave(escontext,
						 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						  errmsg("probability of filter row_sample must be between 0 and 1, both excluded, not %g",
								 node->probability)));
			return false;
		default:
			return true;
	}
}

/*
 * Writing
 */

static void
append_bytes(StringInfo buf, const WeirFilterBytes *bytes)
{
	/* the limit of the whole is checked while it grows, so this fits */
	pq_sendint16(buf, bytes->len);
	pq_sendbytes(buf, bytes->data, bytes->len);
}

static void
append_range(StringInfo buf, const WeirFilterNode *node)
{
	pq_sendbyte(buf,
				(node->start.data != NULL ? 1 : 0) |
				(node->end.data != NULL ? 2 : 0) |
				(node->start_open ? 4 : 0) |
				(node->end_open ? 8 : 0));
	if (node->start.data != NULL)
		append_bytes(buf, &node->start);
	if (node->end.data != NULL)
		append_bytes(buf, &node->end);
}

/* False: it becomes too large. */
static bool
append_node(StringInfo buf, const WeirFilterNode *node)
{
	/* so nothing is larger than its length field can say, or overflows */
	if (buf->len - VARHDRSZ > WEIR_MAX_FILTER_LEN ||
		node->bytes.len > WEIR_MAX_FILTER_LEN ||
		node->start.len > WEIR_MAX_FILTER_LEN ||
		node->end.len > WEIR_MAX_FILTER_LEN ||
		node->nchildren > WEIR_MAX_FILTER_LEN)
		return false;

	pq_sendbyte(buf, node->kind);
	switch (weir_filter_kinds[node->kind].args)
	{
		case WEIR_FILTER_ARGS_NONE:
			break;
		case WEIR_FILTER_ARGS_CHILDREN:
			pq_sendint16(buf, node->nchildren);
			break;
		case WEIR_FILTER_ARGS_BRANCHES:
			pq_sendbyte(buf,
						(node->children[1] != NULL ? 1 : 0) |
						(node->children[2] != NULL ? 2 : 0));
			break;
		case WEIR_FILTER_ARGS_REGEX:
		case WEIR_FILTER_ARGS_BITMASK:
		case WEIR_FILTER_ARGS_LABEL:
			append_bytes(buf, &node->bytes);
			break;
		case WEIR_FILTER_ARGS_PROBABILITY:
			pq_sendfloat8(buf, node->probability);
			break;
		case WEIR_FILTER_ARGS_COLUMN_RANGE:
			append_bytes(buf, &node->bytes);
			append_range(buf, node);
			break;
		case WEIR_FILTER_ARGS_VALUE_RANGE:
			append_range(buf, node);
			break;
		case WEIR_FILTER_ARGS_TIMESTAMP_RANGE:
			pq_sendbyte(buf, (node->has_from ? 1 : 0) |
						(node->has_to ? 2 : 0));
			if (node->has_from)
				pq_sendint64(buf, node->from_ts);
			if (node->has_to)
				pq_sendint64(buf, node->to_ts);
			break;
		case WEIR_FILTER_ARGS_COUNT:
			pq_sendint32(buf, node->count);
			break;
	}

	for (int i = 0; i < node->nchildren; i++)
	{
		if (node->children[i] != NULL && !append_node(buf, node->children[i]))
			return false;
	}
	return true;
}

WeirFilter *
weir_filter_encode(const WeirFilterNode *node, Node *escontext)
{
	StringInfoData buf;
	bytea	   *result;

	pq_begintypsend(&buf);		/* leaves room for the header */
	pq_sendbyte(&buf, FILTER_VERSION);
	if (!append_node(&buf, node) || buf.len - VARHDRSZ > WEIR_MAX_FILTER_LEN)
	{
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("filter is too large"),
					  errdetail("At most %d bytes are allowed.",
								WEIR_MAX_FILTER_LEN)));
		return NULL;
	}
	result = pq_endtypsend(&buf);
	return (WeirFilter *) result;
}

/*
 * Reading
 */

typedef struct Reader
{
	const char *start;
	const char *p;
	const char *end;
	bool		check_regex;
	int			sqlstate;
} Reader;

static void
read_error(const Reader *reader)
{
	ereport(ERROR,
			(errcode(reader->sqlstate),
			 errmsg("invalid binary form of filter"),
			 errdetail("The error is at byte %d.",
					   (int) (reader->p - reader->start) + 1)));
}

static const char *
read_raw(Reader *reader, size_t len)
{
	const char *result = reader->p;

	if (len > reader->end - reader->p)
		read_error(reader);
	reader->p += len;
	return result;
}

static uint8
read_uint8(Reader *reader)
{
	return (uint8) *read_raw(reader, 1);
}

/* A byte that has none but the given bits. */
static uint8
read_flags(Reader *reader, uint8 allowed)
{
	uint8		flags = read_uint8(reader);

	if ((flags & ~allowed) != 0)
		read_error(reader);
	return flags;
}

static uint16
read_uint16(Reader *reader)
{
	uint16		n;

	memcpy(&n, read_raw(reader, sizeof(n)), sizeof(n));
	return pg_ntoh16(n);
}

static uint32
read_uint32(Reader *reader)
{
	uint32		n;

	memcpy(&n, read_raw(reader, sizeof(n)), sizeof(n));
	return pg_ntoh32(n);
}

static uint64
read_uint64(Reader *reader)
{
	uint64		n;

	memcpy(&n, read_raw(reader, sizeof(n)), sizeof(n));
	return pg_ntoh64(n);
}

static WeirFilterBytes
read_bytes(Reader *reader)
{
	WeirFilterBytes result;

	result.len = read_uint16(reader);
	result.data = read_raw(reader, result.len);
	return result;
}

static void
read_range(Reader *reader, WeirFilterNode *node)
{
	uint8		flags = read_flags(reader, 1 | 2 | 4 | 8);

	node->start_open = (flags & 4) != 0;
	node->end_open = (flags & 8) != 0;
	if (flags & 1)
		node->start = read_bytes(reader);
	if (flags & 2)
		node->end = read_bytes(reader);
}

static void
read_timestamp_range(Reader *reader, WeirFilterNode *node)
{
	uint8		flags = read_flags(reader, 1 | 2);

	node->has_from = (flags & 1) != 0;
	node->has_to = (flags & 2) != 0;
	if (node->has_from)
		node->from_ts = (int64) read_uint64(reader);
	if (node->has_to)
		node->to_ts = (int64) read_uint64(reader);
}

static double
read_double(Reader *reader)
{
	uint64		bits = read_uint64(reader);
	double		result;

	memcpy(&result, &bits, sizeof(result));
	return result;
}

static WeirFilterNode *read_node(Reader *reader, int level);

static void
read_children(Reader *reader, WeirFilterNode *node, int level)
{
	node->nchildren = read_uint16(reader);
	/* each takes a byte at least, so no more than these are allocated */
	if (node->nchildren > reader->end - reader->p)
		read_error(reader);
	node->children = palloc(sizeof(WeirFilterNode *) * Max(node->nchildren, 1));
	for (int i = 0; i < node->nchildren; i++)
		node->children[i] = read_node(reader, level + 1);
}

static void
read_branches(Reader *reader, WeirFilterNode *node, int level)
{
	uint8		flags = read_flags(reader, 1 | 2);

	node->nchildren = 3;
	node->children = palloc0(sizeof(WeirFilterNode *) * 3);
	node->children[0] = read_node(reader, level + 1);
	if (flags & 1)
		node->children[1] = read_node(reader, level + 1);
	if (flags & 2)
		node->children[2] = read_node(reader, level + 1);
}

static WeirFilterNode *
read_node(Reader *reader, int level)
{
	uint8		kind;
	WeirFilterNode *node;

	if (level > WEIR_MAX_FILTER_DEPTH)
		read_error(reader);
	kind = read_uint8(reader);
	if (kind < 1 || kind > WEIR_FILTER_LAST_KIND)
	{
		reader->p--;
		read_error(reader);
	}

	node = weir_filter_node_create((WeirFilterKind) kind);
	switch (weir_filter_kinds[kind].args)
	{
		case WEIR_FILTER_ARGS_NONE:
			break;
		case WEIR_FILTER_ARGS_CHILDREN:
			read_children(reader, node, level);
			break;
		case WEIR_FILTER_ARGS_BRANCHES:
			read_branches(reader, node, level);
			break;
		case WEIR_FILTER_ARGS_REGEX:
			node->bytes = read_bytes(reader);
			/* patterns are text */
			if (memchr(node->bytes.data, '\0', node->bytes.len) != NULL ||
				!pg_verify_mbstr(PG_UTF8, node->bytes.data,
								 node->bytes.len, true))
				read_error(reader);
			break;
		case WEIR_FILTER_ARGS_BITMASK:
		case WEIR_FILTER_ARGS_LABEL:
			node->bytes = read_bytes(reader);
			break;
		case WEIR_FILTER_ARGS_PROBABILITY:
			node->probability = read_double(reader);
			break;
		case WEIR_FILTER_ARGS_COLUMN_RANGE:
			node->bytes = read_bytes(reader);
			read_range(reader, node);
			break;
		case WEIR_FILTER_ARGS_VALUE_RANGE:
			read_range(reader, node);
			break;
		case WEIR_FILTER_ARGS_TIMESTAMP_RANGE:
			read_timestamp_range(reader, node);
			break;
		case WEIR_FILTER_ARGS_COUNT:
			node->count = (int32) read_uint32(reader);
			break;
	}
	weir_filter_node_check(node, reader->check_regex, NULL);
	return node;
}

WeirFilterNode *
weir_filter_decode(const char *bytes, size_t len, bool check_regex,
				   int sqlstate)
{
	Reader		reader;
	WeirFilterNode *node;

	reader.start = reader.p = bytes;
	reader.end = bytes + len;
	reader.check_regex = check_regex;
	reader.sqlstate = sqlstate;

	if (len > WEIR_MAX_FILTER_LEN || read_uint8(&reader) != FILTER_VERSION)
	{
		reader.p = reader.start;
		read_error(&reader);
	}
	node = read_node(&reader, 1);
	if (reader.p < reader.end)
		read_error(&reader);
	return node;
}

WeirFilterNode *
weir_filter_tree(const WeirFilter *filter)
{
	return weir_filter_decode(filter->data, VARSIZE(filter) - VARHDRSZ,
							  false, ERRCODE_DATA_CORRUPTED);
}

WeirFilter *
weir_filter_from_datum(Datum d)
{
	return (WeirFilter *) PG_DETOAST_DATUM(d);
}
