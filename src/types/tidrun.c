/*-------------------------------------------------------------------------
 *
 * tidrun.c
 *	  Runs of tuple identifiers, and their packed form.
 *
 * What a transaction inserts into a heap is mostly whole pages, so its tuple
 * identifiers are few runs: one a page.  The log keeps them packed.
 *
 * Packed runs:
 *
 *	offset	size	meaning							example
 *	0		1		format version, 1				01
 *	1		varint	block, less the block of the	e8 07  (block 1000)
 *					run before (of the first: the
 *					block itself)
 *	...		varint	first line pointer				01
 *	...		varint	last less first					b8 01  (1 .. 185)
 *			and so on for each run
 *
 * Packed transaction ids: the version byte, then for each id, ascending as
 * unsigned numbers, a varint of the difference to the one before.
 *
 * A varint has seven bits a byte, the lowest first, and the high bit set in
 * all bytes but the last; at most five bytes.
 *
 * Invariants of normalised runs, checked when they are unpacked:
 * 1. ascending by block, then by line pointer, and disjoint;
 * 2. 1 <= first <= last <= MaxOffsetNumber.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "types/tidrun.h"
#include "weir.h"

#define TIDRUN_FORMAT_VERSION	1
#define MAX_VARINT_LEN			5

static int
run_cmp(const void *a, const void *b)
{
	const WeirTidRun *x = (const WeirTidRun *) a;
	const WeirTidRun *y = (const WeirTidRun *) b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return (int) x->first - (int) y->first;
}

static int
xid_cmp(const void *a, const void *b)
{
	TransactionId x = *(const TransactionId *) a;
	TransactionId y = *(const TransactionId *) b;

	return x < y ? -1 : (x > y ? 1 : 0);
}

int
weir_tidrun_normalize(WeirTidRun *runs, int nruns)
{
	int			last = 0;

	if (nruns < 2)
		return nruns;
	for (int i = 1; i < nruns; i++)
	{
		if (run_cmp(&runs[i - 1], &runs[i]) > 0)
		{
			qsort(runs, nruns, sizeof(WeirTidRun), run_cmp);
			break;
		}
	}
	for (int i = 1; i < nruns; i++)
	{
		WeirTidRun *into = &runs[last];

		if (runs[i].block == into->block && runs[i].first <= into->last + 1)
			into->last = Max(into->last, runs[i].last);
		else
			runs[++last] = runs[i];
	}
	return last + 1;
}

int64
weir_tidrun_count_rows(const WeirTidRun *runs, int nruns)
{
	int64		rows = 0;

	for (int i = 0; i < nruns; i++)
		rows += runs[i].last - runs[i].first + 1;
	return rows;
}

int
weir_tidrun_count_blocks(const WeirTidRun *runs, int nruns)
{
	int			blocks = 0;

	for (int i = 0; i < nruns; i++)
		if (i == 0 || runs[i].block != runs[i - 1].block)
			blocks++;
	return blocks;
}

bool
weir_tidrun_contains(const WeirTidRun *runs, int nruns,
					 const ItemPointerData *tid)
{
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	int			low = 0;
	int			high = nruns - 1;

	while (low <= high)
	{
		int			mid = low + (high - low) / 2;
		const WeirTidRun *run = &runs[mid];

		if (run->block < block || (run->block == block && run->last < offset))
			low = mid + 1;
		else if (run->block > block || run->first > offset)
			high = mid - 1;
		else
			return true;
	}
	return false;
}

static inline char *
put_varint(char *p, uint32 value)
{
	while (value >= 0x80)
	{
		*p++ = (char) (value | 0x80);
		value >>= 7;
	}
	*p++ = (char) value;
	return p;
}

static void
corrupted(const char *what, Size offset)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid packed %s at byte %zu", what, offset)));
}

/* Reads a varint and advances *p; never beyond end. */
static inline uint32
get_varint(const char **p, const char *start, const char *end,
		   const char *what)
{
	uint64		value = 0;
	int			shift = 0;

	for (;;)
	{
		uint8		byte;

		if (*p >= end || shift >= 7 * MAX_VARINT_LEN)
			corrupted(what, *p - start);
		byte = (uint8) *(*p)++;
		value |= (uint64) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			break;
		shift += 7;
	}
	if (value > PG_UINT32_MAX)
		corrupted(what, *p - start);
	return (uint32) value;
}

int
weir_tidrun_pack_into(char *start, Size max_size,
					  const WeirTidRun *runs, int nruns, Size *size)
{
	char	   *p = start;
	BlockNumber previous = 0;
	int			i;

	StaticAssertStmt(WEIR_TIDRUN_MIN_SIZE == 1 + 3 * MAX_VARINT_LEN,
					 "there is room for a run");
	Assert(max_size >= WEIR_TIDRUN_MIN_SIZE || nruns == 0);
	*p++ = TIDRUN_FORMAT_VERSION;
	for (i = 0; i < nruns; i++)
	{
		if (p - start + 3 * MAX_VARINT_LEN > max_size)
			break;
		p = put_varint(p, runs[i].block - previous);
		p = put_varint(p, runs[i].first);
		p = put_varint(p, runs[i].last - runs[i].first);
		previous = runs[i].block;
	}
	*size = p - start;
	return i;
}

bytea *
weir_tidrun_pack(const WeirTidRun *runs, int nruns, Size max_size, int *packed)
{
	Size		room = Min(1 + mul_size(nruns, 3 * MAX_VARINT_LEN),
						   Max(max_size, WEIR_TIDRUN_MIN_SIZE));
	bytea	   *result = palloc(VARHDRSZ + room);
	Size		size;

	*packed = weir_tidrun_pack_into(VARDATA(result), room, runs, nruns, &size);
	SET_VARSIZE(result, VARHDRSZ + size);
	return result;
}

WeirTidRun *
weir_tidrun_unpack(const bytea *data, int *nruns)
{
	const char *start = VARDATA_ANY(data);
	const char *end = start + VARSIZE_ANY_EXHDR(data);
	const char *p = start;
	WeirTidRun *runs;
	uint64		block = 0;
	int			n = 0;

	if (p >= end || *p++ != TIDRUN_FORMAT_VERSION)
		corrupted("tuple identifiers", 0);
	/* a run has three bytes at least */
	runs = palloc(sizeof(WeirTidRun) * ((end - p) / 3 + 1));
	while (p < end)
	{
		const char *at = p;
		uint32		first;
		uint64		last;

		block += get_varint(&p, start, end, "tuple identifiers");
		first = get_varint(&p, start, end, "tuple identifiers");
		last = (uint64) first + get_varint(&p, start, end, "tuple identifiers");
		if (block > MaxBlockNumber || first < FirstOffsetNumber ||
			last > MaxOffsetNumber ||
			(n > 0 && block == runs[n - 1].block && first <= runs[n - 1].last))
			corrupted("tuple identifiers", at - start);
		runs[n].block = (BlockNumber) block;
		runs[n].first = (OffsetNumber) first;
		runs[n].last = (OffsetNumber) last;
		n++;
	}
	*nruns = n;
	return runs;
}

int
weir_xids_normalize(TransactionId *xids, int nxids)
{
	int			last = 0;

	if (nxids < 2)
		return nxids;
	qsort(xids, nxids, sizeof(TransactionId), xid_cmp);
	for (int i = 1; i < nxids; i++)
		if (xids[i] != xids[last])
			xids[++last] = xids[i];
	return last + 1;
}

bool
weir_xids_contain(const TransactionId *xids, int nxids, TransactionId xid)
{
	int			low = 0;
	int			high = nxids - 1;

	while (low <= high)
	{
		int			mid = low + (high - low) / 2;

		if (xids[mid] == xid)
			return true;
		if (xids[mid] < xid)
			low = mid + 1;
		else
			high = mid - 1;
	}
	return false;
}

bytea *
weir_xids_pack(const TransactionId *xids, int nxids)
{
	bytea	   *result = palloc(VARHDRSZ + 1 + mul_size(nxids, MAX_VARINT_LEN));
	char	   *p = VARDATA(result);
	TransactionId previous = 0;

	*p++ = TIDRUN_FORMAT_VERSION;
	for (int i = 0; i < nxids; i++)
	{
		p = put_varint(p, xids[i] - previous);
		previous = xids[i];
	}
	SET_VARSIZE(result, p - (char *) result);
	return result;
}

TransactionId *
weir_xids_unpack(const bytea *data, int *nxids)
{
	const char *start = VARDATA_ANY(data);
	const char *end = start + VARSIZE_ANY_EXHDR(data);
	const char *p = start;
	TransactionId *xids;
	uint64		xid = 0;
	int			n = 0;

	if (p >= end || *p++ != TIDRUN_FORMAT_VERSION)
		corrupted("transaction ids", 0);
	xids = palloc(sizeof(TransactionId) * (end - p + 1));
	while (p < end)
	{
		uint32		step = get_varint(&p, start, end, "transaction ids");

		xid += step;
		if (xid > PG_UINT32_MAX || (n > 0 && step == 0))
			corrupted("transaction ids", p - start);
		xids[n++] = (TransactionId) xid;
	}
	*nxids = n;
	return xids;
}
