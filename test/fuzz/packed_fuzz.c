/*-------------------------------------------------------------------------
 *
 * packed_fuzz.c
 *	  Fuzzing of packed lists: runs of tuples, transactions.
 *
 * Bytes that are found stored are unpacked without a step outside, or raise
 * XX001; and what was unpacked, packed again, is the same list.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "shim.h"
#include "types/tidrun.h"

static bytea *
stored_value(const char *data, size_t size)
{
	bytea	   *value = palloc(VARHDRSZ + size);

	SET_VARSIZE(value, VARHDRSZ + size);
	memcpy(VARDATA(value), data, size);
	return value;
}

static void
check_tidruns(const bytea *packed)
{
	int			n;
	WeirTidRun *runs = weir_tidrun_unpack(packed, &n);
	WeirTidRun *again;
	int			nagain;
	int			npacked;

	SHIM_CHECK(weir_tidrun_count_rows(runs, n) >= n);
	SHIM_CHECK(weir_tidrun_count_blocks(runs, n) <= n);
	nagain = weir_tidrun_normalize(runs, n);
	SHIM_CHECK(nagain <= n);
	n = nagain;
	if (n == 0)
		return;
	again = weir_tidrun_unpack(weir_tidrun_pack(runs, n, MaxAllocSize / 2, &npacked),
							   &nagain);
	SHIM_CHECK(npacked == n && nagain == n);
	for (int i = 0; i < n; i++)
	{
		ItemPointerData tid;

		SHIM_CHECK(runs[i].block == again[i].block &&
				   runs[i].first == again[i].first &&
				   runs[i].last == again[i].last);
		ItemPointerSet(&tid, runs[i].block, runs[i].last);
		SHIM_CHECK(weir_tidrun_contains(runs, n, &tid));
	}
}

static void
fuzz_tidrun(const char *data, size_t size)
{
	SHIM_TRY(check_tidruns(stored_value(data, size)));
	SHIM_CHECK(*shim_sqlstate == '\0' || shim_raised("XX001"));
}

static void
check_xids(const bytea *packed)
{
	int			n;
	int			nagain;
	TransactionId *xids = weir_xids_unpack(packed, &n);
	TransactionId *again = weir_xids_unpack(weir_xids_pack(xids, n), &nagain);

	SHIM_CHECK(nagain == n);
	for (int i = 0; i < n; i++)
		SHIM_CHECK(xids[i] == again[i] && weir_xids_contain(xids, n, xids[i]));
}

static void
fuzz_xids(const char *data, size_t size)
{
	SHIM_TRY(check_xids(stored_value(data, size)));
	SHIM_CHECK(*shim_sqlstate == '\0' || shim_raised("XX001"));
}

const ShimTarget shim_targets[] = {
	{"tidrun", fuzz_tidrun},
	{"xids", fuzz_xids},
	{0}
};
