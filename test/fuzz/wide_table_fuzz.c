/*-------------------------------------------------------------------------
 *
 * wide_table_fuzz.c
 *	  Fuzzing of what lies in the heaps of a wide table: segments and deltas.
 *
 * Bytes that are found stored are read without a step outside, or raise
 * XX001; and a row at rest is the same, in every form, whether its segments
 * are shown or it is made by a fold.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "shim.h"
#include "types/fold.h"
#include "types/plain_row.h"
#include "types/segment.h"
#include "types/widerow.h"

extern Datum weir_widerow_out(PG_FUNCTION_ARGS);
extern Datum weir_widerow_send(PG_FUNCTION_ARGS);

#define NOW INT64CONST(1000000)

static const WeirGcRule max_versions = {.kind = WEIR_GC_MAX_VERSIONS,.limit = 2};
static const WeirGcRule max_age = {.kind = WEIR_GC_MAX_AGE,.limit = 1000};
static const WeirFoldRule rules_of_two[] = {{PG_INT64_MAX, PG_INT64_MAX, &max_versions}};
static const WeirFoldRule rules_of_three[] = {{PG_INT64_MAX, PG_INT64_MAX, &max_age}};

/* one that keeps everything, two with rules, one that does not exist */
static const WeirFoldFamily families[] = {
	{0},
	{.name = "f",.name_len = 1,.exists = true},
	{.name = "ff",.name_len = 2,.exists = true,.has_rules = true,.nrules = 1,.rules = rules_of_two},
	{.name = "g",.name_len = 1,.exists = true,.has_rules = true,.nrules = 1,.rules = rules_of_three},
	{.name = "h",.name_len = 1}
};

static void
first_of_two(const char *a, uint32 alen, const char *b, uint32 blen,
			 const char **result, uint32 *result_len)
{
	*result = a;
	*result_len = alen;
}

static WeirRow *
row_of_stored(const WeirStoredCell *stored, uint32 ncells)
{
	WeirCell   *cells = palloc(sizeof(WeirCell) * (ncells + 1));

	for (uint32 i = 0; i < ncells; i++)
	{
		cells[i].family = families[stored[i].family].name;
		cells[i].family_len = families[stored[i].family].name_len;
		cells[i].qualifier = stored[i].qualifier;
		cells[i].qualifier_len = stored[i].qualifier_len;
		cells[i].value = stored[i].value;
		cells[i].value_len = stored[i].value_len;
		cells[i].ts = stored[i].ts;
	}
	return weir_row_from_cells(cells, ncells);
}

static WeirRow *
row_by_fold(const char *data, size_t size)
{
	WeirFold   *fold = weir_fold_create(first_of_two);
	WeirSegmentReader reader;
	WeirStoredCell cell;
	WeirStoredCell *cells;
	uint32		ncells;

	weir_fold_reset(fold, families, lengthof(families));
	weir_segment_reader_init(&reader, data, size);
	while (weir_segment_next_cell(&reader, &cell))
		weir_fold_add_base_cell(fold, &cell);
	cells = weir_fold_row(fold, NOW, &ncells);
	return row_of_stored(cells, ncells);
}

static bool
same_row(const WeirRow *a, const WeirRow *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

static Datum
call(PGFunction function, Datum arg)
{
	LOCAL_FCINFO(fcinfo, 1);

	memset(fcinfo, 0, SizeForFunctionCallInfo(1));
	fcinfo->nargs = 1;
	fcinfo->args[0].value = arg;
	return function(fcinfo);
}

/* An object shows in every form what the row made by a fold does. */
static void
check_forms(Datum object, const WeirRow *folded)
{
	Datum		flat = PointerGetDatum(folded);

	SHIM_CHECK(strcmp(DatumGetCString(call(weir_widerow_out, object)),
					  DatumGetCString(call(weir_widerow_out, flat))) == 0);
	SHIM_CHECK(same_row((WeirRow *) DatumGetPointer(call(weir_widerow_send, object)),
						(WeirRow *) DatumGetPointer(call(weir_widerow_send, flat))));
	SHIM_CHECK(EOH_get_flat_size(DatumGetEOHP(object)) == VARSIZE(folded));
	SHIM_CHECK(same_row(weir_row_from_datum(object), folded));
	weir_row_check(folded);
}

/* The same cells in two segments, or one if there are not so many */
static WeirPlainRow *
plain_row_of_two(const char *data, size_t size)
{
	WeirPlainRow *row = weir_plain_row_create(families, lengthof(families), 2);
	WeirSegmentReader reader;
	WeirStoredCell *cells;
	uint32		ncells;
	uint32		n = 0;

	weir_segment_reader_init(&reader, data, size);
	ncells = reader.ncells;
	cells = palloc(sizeof(WeirStoredCell) * (ncells + 1));
	while (weir_segment_next_cell(&reader, &cells[n]))
		n++;
	for (int i = 0; i < 2; i++)
	{
		uint32		first = i * (ncells / 2);
		struct varlena *segment = weir_segment_build(cells + first,
													 i == 0 ? ncells / 2 : ncells - first);

		row->segments[i].bytes = VARDATA(segment);
		row->segments[i].len = VARSIZE(segment) - VARHDRSZ;
	}
	return row;
}

static void
fuzz_segment(const char *data, size_t size)
{
	WeirPlainRow *plain = weir_plain_row_create(families, lengthof(families), 1);
	WeirRow    *volatile folded = NULL;
	volatile bool is_plain = false;

	plain->segments[0].bytes = data;
	plain->segments[0].len = size;
	SHIM_TRY(is_plain = weir_plain_row_measure(plain, 0, NOW));
	if (*shim_sqlstate != '\0')
	{
		SHIM_CHECK(shim_raised("XX001"));
		return;
	}
	if (!is_plain)
	{
		/* the rest has not been looked at, and may be anything */
		SHIM_TRY(folded = row_by_fold(data, size));
		return;
	}
	SHIM_TRY(folded = row_by_fold(data, size));
	SHIM_CHECK(*shim_sqlstate == '\0');
	check_forms(weir_plain_row_datum(plain), folded);
	plain = plain_row_of_two(data, size);
	SHIM_CHECK(weir_plain_row_measure(plain, 0, NOW));
	check_forms(weir_plain_row_datum(plain), folded);
}

/* What a delta does to an empty row, twice, and what it becomes composed */
static void
apply_delta(const char *data, size_t size)
{
	WeirFold   *fold = weir_fold_create(first_of_two);
	uint32		ncells;

	weir_fold_reset(fold, families, lengthof(families));
	weir_fold_add_delta(fold, 1, data, size);
	weir_fold_add_delta(fold, 2, data, size);
	(void) weir_fold_row(fold, NOW, &ncells);
	(void) weir_fold_delta(fold, 0);
}

static void
fuzz_delta(const char *data, size_t size)
{
	SHIM_TRY(apply_delta(data, size));
	SHIM_CHECK(*shim_sqlstate == '\0' || shim_raised("XX001 54000"));
}

const ShimTarget shim_targets[] = {
	{"segment", fuzz_segment},
	{"delta", fuzz_delta},
	{0}
};
