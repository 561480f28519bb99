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
#include "miscadmin.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonfuncs.h"
#include "utils/memutils.h"

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

sigjmp_buf	shim_jump;
char		shim_sqlstate[6];

MemoryContext CurrentMemoryContext = NULL;
volatile sig_atomic_t InterruptPending = false;

static Chunk chunks = {&chunks, &chunks, 0};
static Size total_allocated;

/* ----------
 * The harness
 * ----------
 */

void
shim_begin(void)
{
	total_allocated = 0;
}

void
shim_end(void)
{
	while (chunks.next != &chunks)
		pfree(chunks.next + 1);
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

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	return palloc_extended(size, flags);
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

void
ExceptionalCondition(const char *conditionName, const char *errorType,
					 const char *fileName, int lineNumber)
{
	shim_failed(conditionName, fileName, lineNumber);
	abort();
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

text *
cstring_to_text_with_len(const char *s, int len)
{
	text	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), s, len);
	return result;
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
 * JSON
 * ----------
 */

#if PG_VERSION_NUM < 160000
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
