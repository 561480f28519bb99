/*-------------------------------------------------------------------------
 *
 * cell.h
 *	  The cell, the unit of the wide-row data model, and its limits.
 *
 * A cell is (family, qualifier, timestamp) -> value.  Family names are 1 to
 * 64 bytes of [-_.a-zA-Z0-9]; qualifiers and values are arbitrary bytes.
 * The timestamp counts microseconds since the Unix epoch and is never
 * negative.  Cells are ordered by family name (bytes), qualifier (unsigned
 * bytes, the shorter first on a common prefix) and timestamp *descending*.
 *
 * A WeirCell only points at its bytes; whoever fills one in says how long
 * they live.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CELL_H
#define WEIR_CELL_H

#include "datatype/timestamp.h"

#define WEIR_MAX_ROW_KEY_LEN	2048
#define WEIR_MAX_FAMILY_LEN		64
#define WEIR_MAX_QUALIFIER_LEN	(16 * 1024)
#define WEIR_MAX_VALUE_LEN		(100 * 1024 * 1024)
#define WEIR_MAX_ROW_LEN		(256 * 1024 * 1024)

typedef struct WeirCell
{
	const char *family;			/* name bytes, not terminated */
	const char *qualifier;
	const char *value;
	int64		ts;				/* microseconds since the Unix epoch */
	uint32		family_len;
	uint32		qualifier_len;
	uint32		value_len;
} WeirCell;

/* memcmp order, the shorter first on a common prefix */
static inline int
weir_bytes_cmp(const char *a, size_t alen, const char *b, size_t blen)
{
	int			cmp = memcmp(a, b, Min(alen, blen));

	if (cmp != 0)
		return cmp;
	return (alen > blen) - (alen < blen);
}

/* the order of cells in a row: family, qualifier, timestamp descending */
extern int	weir_cell_cmp(const WeirCell *a, const WeirCell *b);

/* the same without the timestamp: 0 if they are of one column */
extern int	weir_column_cmp(const WeirCell *a, const WeirCell *b);

/* 1 or more of the characters that may be in a family name, however long */
extern bool weir_family_is_name(const char *family, size_t len);

#define WEIR_FAMILY_NAME_DETAIL \
	"A family name consists of letters, digits, \"-\", \"_\" and \".\"."

/* raise 54000 (too long) or 22023 (empty, odd characters, negative time) */
extern void weir_check_row_key(const char *key, size_t len);
extern void weir_check_family(const char *family, size_t len);
extern void weir_check_qualifier_len(size_t len);
extern void weir_check_value_len(size_t len);
extern void weir_check_cell_ts(int64 ts);

/*
 * Between a cell's timestamp and timestamptz.  From timestamptz: raises 22008
 * if infinite or after the year 294247, 22023 before 1970.
 */
extern int64 weir_cell_ts_from_timestamptz(TimestampTz t);
extern TimestampTz weir_cell_ts_to_timestamptz(int64 ts);

#endif							/* WEIR_CELL_H */
