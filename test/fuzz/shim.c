/*-------------------------------------------------------------------------
 *
 * shim.c
 *	  The little of the server that pure modules need.
 *
 * Memory, errors, and the parts of fmgr, the encodings and the TOAST
 * machinery that values in memory in a UTF-8 database take.  String buffers,
 * the JSON parser and the knowledge of UTF-8 are PostgreSQL's own, from
 * libpgcommon.  A module that needs more than this is not pure.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <stdio.h>

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/expandeddatum.h"
#include "utils/json.h"
#include "utils/jsonfuncs.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "shim.h"
#include "weir.h"

/* more than any input of a fuzzer should need */
#define MAX_TOTAL_ALLOCATED ((Size) 1024 * 1024 * 1024)

/* Stands before each allocation; a list, so that all can be freed. */
typedef struct Chunk
{
	struct Chunk *next;
	struct Chunk *prev;
	Size		size;
} Chunk;

const Oid  *shim_argument_types;
sigjmp_buf	shim_jump;
char		shim_sqlstate[6];

MemoryContext CurrentMemoryContext = NULL;
volatile sig_atomic_t InterruptPending = false;

extern int	LLVMFuzzerInitialize(int *argc, char ***argv);
extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

static const ShimTarget *target;
static Chunk chunks = {&chunks, &chunks, 0};
static Size total_allocated;

/* ----------
 * The harness
 * ----------
 */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("FUZZ_TARGET");

	for (target = shim_targets; target->name != NULL; target++)
		if (name != NULL && strcmp(name, target->name) == 0)
			return 0;
	fprintf(stderr, "FUZZ_TARGET must be one of:\n");
	for (target = shim_targets; target->name != NULL; target++)
		fprintf(stderr, "\t%s\n", target->name);
	exit(1);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	total_allocated = 0;
	target->run((const char *) data, size);
	while (chunks.next != &chunks)
		pfree(chunks.next + 1);
	return 0;
}

void
shim_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s (last error: \"%s\")\n",
			file, line, condition, shim_sqlstate);
	abort();
}

bool
shim_raised(const char *list)
{
	return strlen(shim_sqlstate) == 5 && strstr(list, shim_sqlstate) != NULL;
}

/* ----------
 * Memory
 * ----------
 */

void *
palloc(Size size)
{
	Chunk	   *chunk;

	SHIM_CHECK(AllocSizeIsValid(size));
	total_allocated += size;
	SHIM_CHECK(total_allocated <= MAX_TOTAL_ALLOCATED);
	chunk = malloc(sizeof(Chunk) + size);
	SHIM_CHECK(chunk != NULL);
	chunk->size = size;
	chunk->next = chunks.next;
	chunk->prev = &chunks;
	chunks.next->prev = chunk;
	chunks.next = chunk;
	return chunk + 1;
}

void
pfree(void *pointer)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;

	chunk->next->prev = chunk->prev;
	chunk->prev->next = chunk->next;
	free(chunk);
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void *
palloc_extended(Size size, int flags)
{
	return (flags & MCXT_ALLOC_ZERO) != 0 ? palloc0(size) : palloc(size);
}

void *
repalloc(void *pointer, Size size)
{
	Size		old_size = ((Chunk *) pointer - 1)->size;
	void	   *result = palloc(size);

	memcpy(result, pointer, Min(size, old_size));
	pfree(pointer);
	return result;
}

void *
repalloc_huge(void *pointer, Size size)
{
	return repalloc(pointer, size);
}

/* All memory is freed at the end, so contexts need not be told apart. */
MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name,
							  Size minContextSize, Size initBlockSize,
							  Size maxBlockSize)
{
	return parent;
}

void
MemoryContextReset(MemoryContext context)
{
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return palloc(size);
}

void
MemoryContextDelete(MemoryContext context)
{
}

/* As if it were more, so that limits are reached early. */
Size
MemoryContextMemAllocated(MemoryContext context, bool recurse)
{
	return total_allocated * 32;
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	return palloc_extended(size, flags);
}

Size
mul_size(Size a, Size b)
{
	return a * b;
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return palloc(size);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return palloc0(size);
}

char *
pnstrdup(const char *in, Size len)
{
	char	   *result;

	len = strnlen(in, len);
	result = palloc(len + 1);
	memcpy(result, in, len);
	result[len] = '\0';
	return result;
}

char *
pstrdup(const char *in)
{
	return pnstrdup(in, strlen(in));
}

/* ----------
 * Errors
 * ----------
 */

bool
errstart(int elevel, const char *domain)
{
	strcpy(shim_sqlstate, elevel >= ERROR ? "XX000" : "");
	return elevel >= ERROR;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

int
errcode(int sqlerrcode)
{
	int			i;

	for (i = 0; i < 5; i++)
	{
		shim_sqlstate[i] = PGUNSIXBIT(sqlerrcode);
		sqlerrcode >>= 6;
	}
	return 0;
}

/* Formats the text, so that wrong arguments are noticed. */
static int
format_message(const char *fmt, va_list args)
{
	char		buf[1024];

	vsnprintf(buf, sizeof(buf), fmt, args);
	return 0;
}

#define MESSAGE_FUNCTION(name) \
	int \
	name(const char *fmt,...) \
	{ \
		va_list		args; \
		va_start(args, fmt); \
		format_message(fmt, args); \
		va_end(args); \
		return 0; \
	}

MESSAGE_FUNCTION(errmsg)
MESSAGE_FUNCTION(errmsg_internal)
MESSAGE_FUNCTION(errdetail)
MESSAGE_FUNCTION(errdetail_internal)
MESSAGE_FUNCTION(errhint)

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	siglongjmp(shim_jump, 1);
}

#if PG_VERSION_NUM >= 160000
bool
errsave_start(struct Node *context, const char *domain)
{
	SHIM_CHECK(context == NULL);
	return errstart(ERROR, domain);
}

void
errsave_finish(struct Node *context, const char *filename, int lineno,
			   const char *funcname)
{
	errfinish(filename, lineno, funcname);
}

void
ExceptionalCondition(const char *conditionName,
					 const char *fileName, int lineNumber)
#else
void
ExceptionalCondition(const char *conditionName, const char *errorType,
					 const char *fileName, int lineNumber)
#endif
{
	shim_failed(conditionName, fileName, lineNumber);
	abort();
}

/* What the server stops at; here the fuzzer's own limits do. */
void
check_stack_depth(void)
{
}

void
ProcessInterrupts(void)
{
}

/* ----------
 * Calls
 * ----------
 */

static Datum
call(PGFunction function, int nargs, Datum a, Datum b, Datum c)
{
	LOCAL_FCINFO(fcinfo, 3);

	memset(fcinfo, 0, SizeForFunctionCallInfo(3));
	fcinfo->nargs = nargs;
	fcinfo->args[0].value = a;
	fcinfo->args[1].value = b;
	fcinfo->args[2].value = c;
	return function(fcinfo);
}

Datum
DirectFunctionCall1Coll(PGFunction function, Oid collation, Datum a)
{
	return call(function, 1, a, 0, 0);
}

Datum
DirectFunctionCall3Coll(PGFunction function, Oid collation,
						Datum a, Datum b, Datum c)
{
	return call(function, 3, a, b, c);
}

Oid
get_fn_expr_argtype(FmgrInfo *flinfo, int argnum)
{
	return shim_argument_types[argnum];
}

bool
get_fn_expr_variadic(FmgrInfo *flinfo)
{
	return false;
}

Oid
getBaseType(Oid typid)
{
	return typid;
}

/* ----------
 * Values
 * ----------
 */

struct varlena *
pg_detoast_datum_packed(struct varlena *datum)
{
	/* nothing here is compressed or out of line */
	SHIM_CHECK(VARATT_IS_4B_U(datum) || VARATT_IS_1B(datum));
	return datum;
}

struct varlena *
pg_detoast_datum(struct varlena *datum)
{
	Size		len = VARSIZE_ANY_EXHDR(datum);
	struct varlena *result;

	if (VARATT_IS_4B_U(datum))
		return datum;
	result = palloc(VARHDRSZ + len);
	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), VARDATA_ANY(datum), len);
	return result;
}

struct varlena *
pg_detoast_datum_slice(struct varlena *datum, int32 first, int32 count)
{
	Size		len = VARSIZE_ANY_EXHDR(datum);
	Size		begin = Min((Size) first, len);
	Size		slice_len = Min((Size) count, len - begin);
	struct varlena *result = palloc(VARHDRSZ + slice_len);

	SET_VARSIZE(result, VARHDRSZ + slice_len);
	memcpy(VARDATA(result), VARDATA_ANY(datum) + begin, slice_len);
	return result;
}

void
EOH_init_header(ExpandedObjectHeader *header,
				const ExpandedObjectMethods *methods, MemoryContext context)
{
	varatt_expanded pointer = {header};

	header->vl_len_ = EOH_HEADER_MAGIC;
	header->eoh_methods = methods;
	header->eoh_context = context;
	SET_VARTAG_EXTERNAL(header->eoh_ro_ptr, VARTAG_EXPANDED_RO);
	memcpy(VARDATA_EXTERNAL(header->eoh_ro_ptr), &pointer, sizeof(pointer));
}

ExpandedObjectHeader *
DatumGetEOHP(Datum d)
{
	varatt_expanded pointer;

	memcpy(&pointer, VARDATA_EXTERNAL(DatumGetPointer(d)), sizeof(pointer));
	return pointer.eohptr;
}

Size
EOH_get_flat_size(ExpandedObjectHeader *header)
{
	return header->eoh_methods->get_flat_size(header);
}

text *
cstring_to_text_with_len(const char *s, int len)
{
	text	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), s, len);
	return result;
}

text *
cstring_to_text(const char *s)
{
	return cstring_to_text_with_len(s, strlen(s));
}

char *
text_to_cstring(const text *t)
{
	return pnstrdup(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

/* Elements are counted only. */
ArrayBuildState *
initArrayResult(Oid type, MemoryContext context, bool subcontext)
{
	return palloc0(sizeof(ArrayBuildState));
}

ArrayBuildState *
accumArrayResult(ArrayBuildState *state, Datum value, bool isnull, Oid type,
				 MemoryContext context)
{
	state->nelems++;
	return state;
}

Datum
makeArrayResult(ArrayBuildState *state, MemoryContext context)
{
	return Int32GetDatum(state->nelems);
}

uint64
hex_encode(const char *src, size_t len, char *dst)
{
	for (size_t i = 0; i < len; i++)
	{
		dst[2 * i] = "0123456789abcdef"[(uint8) src[i] >> 4];
		dst[2 * i + 1] = "0123456789abcdef"[(uint8) src[i] & 15];
	}
	return 2 * len;
}

/*
 * Stand-ins for the server's types: their own bytes are not what is fuzzed.
 * An interval is a number of microseconds, "1000 us"; others have one value.
 */
Datum
interval_in(PG_FUNCTION_ARGS)
{
	Interval   *result = palloc0(sizeof(Interval));
	char	   *end;

	errno = 0;
	result->time = strtoi64(PG_GETARG_CSTRING(0), &end, 10);
	if (errno != 0 || strcmp(end, " us") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("invalid interval")));
	return PointerGetDatum(result);
}

void
interval2itm(Interval span, struct pg_itm *itm)
{
	memset(itm, 0, sizeof(*itm));
	itm->tm_hour = span.time;
}

void
EncodeInterval(struct pg_itm *itm, int style, char *str)
{
	sprintf(str, INT64_FORMAT " us", itm->tm_hour);
}

int
timestamp2tm(Timestamp dt, int *tzp, struct pg_tm *tm, fsec_t *fsec,
			 const char **tzn, pg_tz *attimezone)
{
	memset(tm, 0, sizeof(*tm));
	*fsec = 0;
	return 0;
}

void
j2date(int jd, int *year, int *month, int *day)
{
	*year = *month = *day = 1;
}

void
EncodeDateOnly(struct pg_tm *tm, int style, char *str)
{
	strcpy(str, "date");
}

void
EncodeDateTime(struct pg_tm *tm, fsec_t fsec, bool print_tz, int tz,
			   const char *tzn, int style, char *str)
{
	strcpy(str, "time");
}

void
EncodeSpecialDate(DateADT dt, char *str)
{
	strcpy(str, "infinity");
}

void
EncodeSpecialTimestamp(Timestamp dt, char *str)
{
	strcpy(str, "infinity");
}

/* A numeric is what is sent of it. */
Datum
numeric_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

Datum
numeric_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			ndigits = ((uint8) buf->data[0] << 8) | (uint8) buf->data[1];

	/* the number of digits, then weight, sign and scale; the digits */
	SHIM_CHECK(buf->len == 8 + 2 * ndigits);
	return PointerGetDatum(buf->data);
}

Datum
numeric_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(pstrdup("0"));
}

Datum
uuid_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(pstrdup("uuid"));
}

int
pg_lltoa(int64 value, char *a)
{
	return sprintf(a, INT64_FORMAT, value);
}

/* ----------
 * Encodings: the database is in UTF-8.
 * ----------
 */

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

bool
pg_verify_mbstr(int encoding, const char *mbstr, int len, bool noError)
{
	bool		ok = pg_encoding_verifymbstr(encoding, mbstr, len) == len;

	if (!ok && !noError)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("invalid byte sequence")));
	return ok;
}

char *
pg_server_to_any(const char *s, int len, int encoding)
{
	return unconstify(char *, s);
}

char *
pg_any_to_server(const char *s, int len, int encoding)
{
	pg_verify_mbstr(PG_UTF8, s, len, false);
	return unconstify(char *, s);
}

/* ----------
 * Messages
 * ----------
 */

const char *
pq_getmsgbytes(StringInfo msg, int datalen)
{
	const char *result = &msg->data[msg->cursor];

	SHIM_CHECK(datalen >= 0 && datalen <= msg->len - msg->cursor);
	msg->cursor += datalen;
	return result;
}

char *
pq_getmsgtext(StringInfo msg, int rawbytes, int *nbytes)
{
	char	   *result = palloc(rawbytes + 1);

	memcpy(result, pq_getmsgbytes(msg, rawbytes), rawbytes);
	result[rawbytes] = '\0';
	pg_verify_mbstr(PG_UTF8, result, rawbytes, false);
	*nbytes = rawbytes;
	return result;
}

void
pq_begintypsend(StringInfo buf)
{
	initStringInfo(buf);
	appendBinaryStringInfo(buf, "\0\0\0", 4);
}

void
#if PG_VERSION_NUM >= 160000
pq_sendbytes(StringInfo buf, const void *data, int datalen)
#else
pq_sendbytes(StringInfo buf, const char *data, int datalen)
#endif
{
	appendBinaryStringInfo(buf, data, datalen);
}

void
pq_sendtext(StringInfo buf, const char *str, int slen)
{
	appendBinaryStringInfo(buf, str, slen);
}

void
pq_sendfloat8(StringInfo buf, float8 f)
{
	uint64		be;

	memcpy(&be, &f, sizeof(be));
	be = pg_hton64(be);
	appendBinaryStringInfo(buf, (char *) &be, sizeof(be));
}

bytea *
pq_endtypsend(StringInfo buf)
{
	SET_VARSIZE(buf->data, buf->len);
	return (bytea *) buf->data;
}

/* ----------
 * JSON
 * ----------
 */

void
escape_json(StringInfo buf, const char *str)
{
	appendStringInfoChar(buf, '"');
	for (; *str != '\0'; str++)
	{
		if (*str == '"' || *str == '\\')
			appendStringInfo(buf, "\\%c", *str);
		else if ((uint8) *str < ' ')
			appendStringInfo(buf, "\\u%04x", (int) *str);
		else
			appendStringInfoChar(buf, *str);
	}
	appendStringInfoChar(buf, '"');
}

#if PG_VERSION_NUM >= 160000
bool
pg_parse_json_or_errsave(JsonLexContext *lex, const JsonSemAction *sem,
						 Node *escontext)
{
	JsonParseErrorType result = pg_parse_json(lex, sem);

	if (result != JSON_SUCCESS)
		ereport(ERROR,
				(errcode(result == JSON_UNICODE_CODE_POINT_ZERO ?
						 ERRCODE_UNTRANSLATABLE_CHARACTER :
						 ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("JSON error %d", result)));
	return true;
}
#else
void
pg_parse_json_or_ereport(JsonLexContext *lex, JsonSemAction *sem)
{
	JsonParseErrorType result = pg_parse_json(lex, sem);

	if (result != JSON_SUCCESS)
		ereport(ERROR,
				(errcode(result == JSON_UNICODE_CODE_POINT_ZERO ?
						 ERRCODE_UNTRANSLATABLE_CHARACTER :
						 ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("JSON error %d", result)));
}
#endif
