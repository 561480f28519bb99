/*-------------------------------------------------------------------------
 *
 * cell.c
 *	  Order, limits and timestamps of cells.
 *
 * Everything here is a pure function of its arguments.  The checks raise;
 * who must report a fault in another way (input functions with soft errors,
 * receive functions with their own SQLSTATE) tests weir_family_is_name and
 * the constants of cell.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"

#include "types/cell.h"
#include "weir.h"

/* what must be added to a TimestampTz to count from the Unix epoch */
#define EPOCH_DIFF_USECS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/*
 * Every timestamp of a cell is a timestamptz: the last one, PG_INT64_MAX,
 * counted from 2000, lies before the end of the type's range.
 */
StaticAssertDecl(PG_INT64_MAX - EPOCH_DIFF_USECS < END_TIMESTAMP,
				 "a cell's timestamp may not be a timestamptz");

static bool
is_family_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

int
weir_column_cmp(const WeirCell *a, const WeirCell *b)
{
	int			cmp = weir_bytes_cmp(a->family, a->family_len,
									 b->family, b->family_len);

	if (cmp != 0)
		return cmp;
	return weir_bytes_cmp(a->qualifier, a->qualifier_len,
						  b->qualifier, b->qualifier_len);
}

int
weir_cell_cmp(const WeirCell *a, const WeirCell *b)
{
	int			cmp = weir_column_cmp(a, b);

	if (cmp != 0)
		return cmp;
	return (a->ts < b->ts) - (a->ts > b->ts);
}

/* Does the name consist of the right characters?  Not its length limit. */
bool
weir_family_is_name(const char *family, size_t len)
{
	size_t		i;

	for (i = 0; i < len; i++)
	{
		if (!is_family_char((unsigned char) family[i]))
			return false;
	}
	return len > 0;
}

void
weir_check_row_key(const char *key, size_t len)
{
	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("row key must not be empty")));
	if (len > WEIR_MAX_ROW_KEY_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("row key is too long"),
				 errdetail("It has %zu bytes, the limit is %d.",
						   len, WEIR_MAX_ROW_KEY_LEN)));
}

/*
 * A bad name is quoted in the message, unless it is not even text.
 */
void
weir_check_family(const char *family, size_t len)
{
	if (len > WEIR_MAX_FAMILY_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("family name is too long"),
				 errdetail("It has %zu bytes, the limit is %d.",
						   len, WEIR_MAX_FAMILY_LEN)));
	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("family name must not be empty")));
	if (weir_family_is_name(family, len))
		return;
	if (pg_verify_mbstr(GetDatabaseEncoding(), family, (int) len, true))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid family name \"%.*s\"", (int) len, family),
				 errdetail(WEIR_FAMILY_NAME_DETAIL)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid family name"),
			 errdetail(WEIR_FAMILY_NAME_DETAIL)));
}

void
weir_check_qualifier_len(size_t len)
{
	if (len > WEIR_MAX_QUALIFIER_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("qualifier is too long"),
				 errdetail("It has %zu bytes, the limit is %d.",
						   len, WEIR_MAX_QUALIFIER_LEN)));
}

void
weir_check_value_len(size_t len)
{
	if (len > WEIR_MAX_VALUE_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value is too long"),
				 errdetail("It has %zu bytes, the limit is %d.",
						   len, WEIR_MAX_VALUE_LEN)));
}

void
weir_check_cell_ts(int64 ts)
{
	if (ts < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timestamp of a cell must not be before 1970"),
				 errdetail("It is %lld microseconds from the Unix epoch.",
						   (long long) ts)));
}

/*
 * Infinite or too far in the future: 22008; before 1970: 22023, as any
 * negative timestamp.
 */
int64
weir_cell_ts_from_timestamptz(TimestampTz t)
{
	if (TIMESTAMP_NOT_FINITE(t) || t > PG_INT64_MAX - EPOCH_DIFF_USECS)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp of a cell out of range"),
				 errdetail("It must be finite and not after 294247-01-10.")));
	weir_check_cell_ts(t + EPOCH_DIFF_USECS);
	return t + EPOCH_DIFF_USECS;
}

TimestampTz
weir_cell_ts_to_timestamptz(int64 ts)
{
	return ts - EPOCH_DIFF_USECS;
}
