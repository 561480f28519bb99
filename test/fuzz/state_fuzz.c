/*-------------------------------------------------------------------------
 *
 * state_fuzz.c
 *	  Fuzzing of the bytes of state: rows, and sets of words.
 *
 * Whatever the bytes are, they are read or refused, and nothing outside of
 * them is looked at; what was read makes bytes from which the same is read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"

#include "aggregate/packed_row.h"
#include "aggregate/word_set.h"
#include "shim.h"

#define MAX_COLUMNS 9

/* ---------- rows ---------- */

/* a column of each form */
static const FormData_pg_attribute columns[MAX_COLUMNS] = {
	{.atttypid = INT2OID, .attlen = 2, .attbyval = true},
	{.atttypid = INT4OID, .attlen = 4, .attbyval = true},
	{.atttypid = INT8OID, .attlen = 8, .attbyval = true},
	{.atttypid = FLOAT8OID, .attlen = 8, .attbyval = true},
	{.atttypid = BOOLOID, .attlen = 1, .attbyval = true},
	{.atttypid = UUIDOID, .attlen = 16, .attalign = TYPALIGN_CHAR},
	{.atttypid = INTERVALOID, .attlen = 16, .attalign = TYPALIGN_DOUBLE},
	{.atttypid = TEXTOID, .attlen = -1, .attstorage = TYPSTORAGE_EXTENDED},
	{.atttypid = INT2VECTOROID, .attlen = -1, .attstorage = TYPSTORAGE_PLAIN}
};

static TupleDesc
make_desc(int natts)
{
	TupleDesc	desc = palloc0(offsetof(struct TupleDescData, attrs) +
							   natts * sizeof(FormData_pg_attribute));

	desc->natts = natts;
	for (int i = 0; i < natts; i++)
		*TupleDescAttr(desc, i) = columns[i];
	return desc;
}

/* Every byte of the value can be looked at. */
static void
touch(const FormData_pg_attribute *att, Datum value)
{
	volatile char sum = 0;
	Size		size;

	if (att->attbyval)
		return;
	size = att->attlen > 0 ? att->attlen : VARSIZE_ANY(DatumGetPointer(value));
	for (Size i = 0; i < size; i++)
		sum += DatumGetPointer(value)[i];
	if (att->attalign == TYPALIGN_DOUBLE)
		SHIM_CHECK(value == MAXALIGN(value));
}

static bool
same_value(const FormData_pg_attribute *att, Datum a, Datum b)
{
	if (att->attbyval)
		return a == b;
	if (att->attlen > 0)
		return memcmp(DatumGetPointer(a), DatumGetPointer(b), att->attlen) == 0;
	return VARSIZE_ANY_EXHDR(DatumGetPointer(a)) == VARSIZE_ANY_EXHDR(DatumGetPointer(b)) &&
		memcmp(VARDATA_ANY(DatumGetPointer(a)), VARDATA_ANY(DatumGetPointer(b)),
			   VARSIZE_ANY_EXHDR(DatumGetPointer(a))) == 0;
}

static void
read_rows(const char *data, size_t size)
{
	int			natts = size == 0 ? 1 : 1 + (uint8) data[0] % MAX_COLUMNS;
	TupleDesc	desc = make_desc(natts);
	WeirRowPacker *packer = weir_row_packer(desc);
	WeirRowPacker *other = weir_row_packer(desc);
	char	   *bytes = palloc(Max(size, 2) - 1);
	const char *from = bytes;
	const char *end = bytes + Max(size, 1) - 1;
	Datum		values[MAX_COLUMNS];
	bool		isnull[MAX_COLUMNS];

	memcpy(bytes, data + 1, end - bytes);
	while (from < end && weir_row_get(packer, &from, end, values, isnull))
	{
		Datum		again[MAX_COLUMNS];
		bool		again_null[MAX_COLUMNS];
		Size		packed_size = weir_row_size(packer, values, isnull);
		char	   *packed = palloc(packed_size);
		const char *p = packed;

		for (int i = 0; i < natts; i++)
		{
			if (!isnull[i])
				touch(TupleDescAttr(desc, i), values[i]);
		}
		SHIM_CHECK(from <= end);
		SHIM_CHECK(weir_row_put(packer, packed, values, isnull) == packed + packed_size);
		SHIM_CHECK(weir_row_get(other, &p, packed + packed_size, again, again_null));
		SHIM_CHECK(p == packed + packed_size);
		for (int i = 0; i < natts; i++)
		{
			SHIM_CHECK(isnull[i] == again_null[i]);
			if (!isnull[i])
				SHIM_CHECK(same_value(TupleDescAttr(desc, i), values[i], again[i]));
		}
	}
}

static void
fuzz_row(const char *data, size_t size)
{
	SHIM_TRY(read_rows(data, size));
	SHIM_CHECK(*shim_sqlstate == '\0');
}

/* ---------- sets of words ---------- */

static void
read_words(const char *data, size_t size)
{
	char	   *bytes = palloc(Max(size, 1));
	const char *from = bytes;
	const char *end = bytes + size;
	WeirWordSet set;
	WeirPackedWords packed;
	int64		word = 0;
	uint64		n = 0;
	char	   *again;

	memcpy(bytes, data, size);
	memset(&set, 0, sizeof(set));
	if (size > 0)
		weir_word_set_reserve(&set, CurrentMemoryContext, (uint8) data[0] * 2);
	while (from < end && weir_word_set_get(&from, end, n == 0, &word))
	{
		weir_word_set_add(&set, CurrentMemoryContext, word);
		weir_word_set_add(&set, CurrentMemoryContext, word);
		n++;
	}
	SHIM_CHECK(set.nwords == n);
	weir_word_set_sort(&set, &packed);
	again = palloc(Max(packed.size, 1));
	SHIM_CHECK(weir_word_set_put(again, &packed) == again + packed.size);
	from = again;
	for (uint64 i = 0; i < n; i++)
	{
		SHIM_CHECK(weir_word_set_get(&from, again + packed.size, i == 0, &word));
		SHIM_CHECK(word == packed.words[i]);
	}
	SHIM_CHECK(from == again + packed.size);
}

static void
fuzz_words(const char *data, size_t size)
{
	SHIM_TRY(read_words(data, size));
	SHIM_CHECK(*shim_sqlstate == '\0');
}

const ShimTarget shim_targets[] = {
	{"row", fuzz_row},
	{"words", fuzz_words},
	{0}
};
