/*-------------------------------------------------------------------------
 *
 * distinct_set.c
 *	  Sets of distinct values of any type that can be sorted.
 *
 * Equality and order are those of the type's default btree operator class and
 * the collation of the call, as where the server itself removes duplicates.  A
 * set in memory is one of three:
 *
 *		WORDS	types passed by value whose equal values are equal in all bits
 *				(integers, dates and times, enums; not floating-point numbers,
 *				which have two zeros): a set of 64-bit numbers, word_set.h
 *		HASHED	other types that have a hash function: a hash table of values
 *		SORTED	other types: an array of values that is sorted, without
 *				duplicates, and some unsorted ones behind it; when these
 *				outnumber the others all are sorted anew
 *
 * A set as bytes is not taken apart to be added to another one.
 *
 * Bytes of a set, after the varlena header; numbers are varints (packing.h):
 *
 *		size	meaning								example: {NULL, 7, 9}::int8[]
 *		1		1 for words, 2 for values; and		81
 *				128 if NULL is in the set
 *				oid of the type						14
 *				number of values					02
 *				words: see word_set.c				0e 02
 *				values, in no order: of types of fixed length, the bytes of
 *				each; of others, the length of the value and its bytes
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/tupmacs.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "weir.h"
#include "aggregate/distinct_set.h"
#include "aggregate/packing.h"
#include "aggregate/word_set.h"

/* Unsorted values that a set may have at any size. */
#define MIN_UNSORTED	64

/* Values that a hash table has room for at first. */
#define FIRST_HASHED	4

#define FORM_WORDS		1
#define FORM_VALUES		2
#define FORM_HAS_NULL	128

typedef enum SetKind
{
	SET_WORDS,
	SET_HASHED,
	SET_SORTED,
	SET_VIEW
} SetKind;

struct WeirDistinctType
{
	Oid			type;
	Oid			collation;
	SetKind		kind;
	TypeCacheEntry *typcache;
};

typedef struct HashedValue
{
	Datum		value;
	uint32		hash;
	char		status;			/* of simplehash.h */
} HashedValue;

typedef struct SortedValues
{
	Datum	   *values;
	int64		nsorted;		/* in front */
	int64		nvalues;
	int64		max_values;
} SortedValues;

/* Where the values of a set lie as bytes. */
typedef struct ViewedValues
{
	Oid			type;
	bool		is_words;
	uint64		nvalues;
	const char *start;
	const char *end;
} ViewedValues;

struct WeirDistinctSet
{
	SetKind		kind;
	bool		has_null;
	const WeirDistinctType *dtype;	/* NULL for a view */
	MemoryContext context;
	union
	{
		WeirWordSet words;
		struct values_hash *hashed;
		SortedValues sorted;
		ViewedValues view;
	}			of;
};

static inline uint32 hash_value(const WeirDistinctType *dtype, Datum value);
static inline bool values_equal(const WeirDistinctType *dtype, Datum a, Datum b);

#define SH_PREFIX values
#define SH_ELEMENT_TYPE HashedValue
#define SH_KEY_TYPE Datum
#define SH_KEY value
#define SH_HASH_KEY(tb, key) hash_value((tb)->private_data, key)
#define SH_EQUAL(tb, a, b) values_equal((tb)->private_data, a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static void
corrupted(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid stored set of distinct values")));
}

/* ---------- types ---------- */

static inline uint32
hash_value(const WeirDistinctType *dtype, Datum value)
{
	return DatumGetUInt32(FunctionCall1Coll(&dtype->typcache->hash_proc_finfo,
											dtype->collation, value));
}

static inline bool
values_equal(const WeirDistinctType *dtype, Datum a, Datum b)
{
	return DatumGetBool(FunctionCall2Coll(&dtype->typcache->eq_opr_finfo,
										  dtype->collation, a, b));
}

static inline int
compare(const WeirDistinctType *dtype, Datum a, Datum b)
{
	return DatumGetInt32(FunctionCall2Coll(&dtype->typcache->cmp_proc_finfo,
										   dtype->collation, a, b));
}

static int
compare_values(const void *a, const void *b, void *arg)
{
	CHECK_FOR_INTERRUPTS();
	return compare(arg, *(const Datum *) a, *(const Datum *) b);
}

/* Does the operator class say that equal values are the same bits? */
static bool
equal_is_same(const TypeCacheEntry *typcache, Oid collation)
{
	Oid			support = get_opfamily_proc(typcache->btree_opf,
											typcache->btree_opintype,
											typcache->btree_opintype,
											BTEQUALIMAGE_PROC);

	return OidIsValid(support) &&
		DatumGetBool(OidFunctionCall1Coll(support, collation,
										  ObjectIdGetDatum(typcache->btree_opintype)));
}

WeirDistinctType *
weir_distinct_type(Oid type, Oid collation)
{
	WeirDistinctType *dtype = palloc(sizeof(WeirDistinctType));
	TypeCacheEntry *typcache;

	typcache = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY |
								 TYPECACHE_CMP_PROC_FINFO |
								 TYPECACHE_EQ_OPR_FINFO |
								 TYPECACHE_HASH_PROC_FINFO);
	if (!OidIsValid(typcache->cmp_proc_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify a comparison function for type %s",
						format_type_be(type))));
	dtype->type = type;
	dtype->collation = collation;
	dtype->typcache = typcache;
	if (typcache->typbyval && equal_is_same(typcache, collation))
		dtype->kind = SET_WORDS;
	else if (OidIsValid(typcache->hash_proc_finfo.fn_oid))
		dtype->kind = SET_HASHED;
	else
		dtype->kind = SET_SORTED;
	return dtype;
}

bool
weir_distinct_type_is(const WeirDistinctType *dtype, Oid type, Oid collation)
{
	return dtype->type == type && dtype->collation == collation;
}

/* The number that stands for a value; what lies above its length is dropped. */
static inline int64
datum_to_word(Datum value, int16 typlen)
{
	switch (typlen)
	{
		case 1:
			return (int64) (int8) DatumGetChar(value);
		case 2:
			return (int64) DatumGetInt16(value);
		case 4:
			return (int64) DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

static inline Datum
word_to_datum(int64 word, int16 typlen)
{
	switch (typlen)
	{
		case 1:
			return CharGetDatum((char) word);
		case 2:
			return Int16GetDatum((int16) word);
		case 4:
			return Int32GetDatum((int32) word);
		default:
			return Int64GetDatum(word);
	}
}

/* ---------- sets in memory ---------- */

WeirDistinctSet *
weir_distinct_create(MemoryContext context, const WeirDistinctType *dtype)
{
	WeirDistinctSet *set = MemoryContextAllocZero(context,
												  sizeof(WeirDistinctSet));

	set->kind = dtype->kind;
	set->dtype = dtype;
	set->context = context;
	if (set->kind == SET_HASHED)
		set->of.hashed = values_create(context, FIRST_HASHED,
									   unconstify(WeirDistinctType *, dtype));
	return set;
}

static Datum
copy_value(WeirDistinctSet *set, Datum value)
{
	TypeCacheEntry *typcache = set->dtype->typcache;
	MemoryContext old = MemoryContextSwitchTo(set->context);

	if (typcache->typlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		value = datumCopy(value, typcache->typbyval, typcache->typlen);
	MemoryContextSwitchTo(old);
	return value;
}

static void
add_hashed(WeirDistinctSet *set, Datum value)
{
	HashedValue *entry;
	bool		found;

	entry = values_insert(set->of.hashed, value, &found);
	if (!found)
		entry->value = copy_value(set, value);
}

/* Sort all values and drop duplicates. */
static void
settle(WeirDistinctSet *set)
{
	SortedValues *sorted = &set->of.sorted;
	int64		kept = 0;
	int64		i;

	if (sorted->nsorted == sorted->nvalues)
		return;
	qsort_arg(sorted->values, sorted->nvalues, sizeof(Datum), compare_values,
			  unconstify(WeirDistinctType *, set->dtype));
	for (i = 1; i < sorted->nvalues; i++)
	{
		if (compare(set->dtype, sorted->values[kept], sorted->values[i]) != 0)
			sorted->values[++kept] = sorted->values[i];
		else if (!set->dtype->typcache->typbyval)
			pfree(DatumGetPointer(sorted->values[i]));
	}
	sorted->nvalues = sorted->nsorted = kept + 1;
}

/* Is the value among the sorted ones? */
static bool
is_known(WeirDistinctSet *set, Datum value)
{
	SortedValues *sorted = &set->of.sorted;
	int64		low = 0;
	int64		high = sorted->nsorted;

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;
		int			order = compare(set->dtype, sorted->values[middle], value);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static void
make_room(WeirDistinctSet *set)
{
	SortedValues *sorted = &set->of.sorted;

	if (sorted->nvalues < sorted->max_values)
		return;
	if (sorted->max_values > MaxAllocHugeSize / sizeof(Datum) / 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many distinct values")));
	sorted->max_values = Max(sorted->max_values * 2, 8);
	if (sorted->values == NULL)
		sorted->values = MemoryContextAlloc(set->context,
											sizeof(Datum) * sorted->max_values);
	else
		sorted->values = repalloc_huge(sorted->values,
									   sizeof(Datum) * sorted->max_values);
}

static void
add_sorted(WeirDistinctSet *set, Datum value)
{
	SortedValues *sorted = &set->of.sorted;

	if (is_known(set, value))
		return;
	if (sorted->nvalues - sorted->nsorted >= Max(sorted->nsorted, MIN_UNSORTED))
		settle(set);
	make_room(set);
	sorted->values[sorted->nvalues++] = copy_value(set, value);
}

void
weir_distinct_add(WeirDistinctSet *set, Datum value)
{
	switch (set->kind)
	{
		case SET_WORDS:
			weir_word_set_add(&set->of.words, set->context,
							  datum_to_word(value, set->dtype->typcache->typlen));
			break;
		case SET_HASHED:
			add_hashed(set, value);
			break;
		case SET_SORTED:
			add_sorted(set, value);
			break;
		case SET_VIEW:
			elog(ERROR, "a packed set of distinct values cannot be added to");
	}
}

void
weir_distinct_add_null(WeirDistinctSet *set)
{
	set->has_null = true;
}

/* ---------- sets to bytes ---------- */

/* Room for a set with so many bytes of values; what comes before is written. */
static bytea *
begin_pack(const WeirDistinctSet *set, int form, uint64 nvalues, Size size,
		   char **to)
{
	Oid			type = set->dtype->type;
	bytea	   *bytes;

	size = add_size(size, VARHDRSZ + 1 + weir_varint_size(type) +
					weir_varint_size(nvalues));
	if (!AllocSizeIsValid(size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a set of %llu distinct values is too large to be stored",
						(unsigned long long) nvalues),
				 errdetail("It takes %zu bytes of at most %zu.", size,
						   (Size) MaxAllocSize),
				 errhint("Use a sketch, such as hll, for approximate counts.")));
	bytes = palloc(size);
	SET_VARSIZE(bytes, size);
	*to = VARDATA(bytes);
	*(*to)++ = (char) (form | (set->has_null ? FORM_HAS_NULL : 0));
	*to = weir_put_varint(*to, type);
	*to = weir_put_varint(*to, nvalues);
	return bytes;
}

static bytea *
pack_words(const WeirDistinctSet *set)
{
	WeirPackedWords packed;
	bytea	   *bytes;
	char	   *to;

	weir_word_set_sort(&set->of.words, &packed);
	bytes = begin_pack(set, FORM_WORDS, packed.nwords, packed.size, &to);
	(void) weir_word_set_put(to, &packed);
	if (packed.copy != NULL)
		pfree(packed.copy);
	return bytes;
}

static Size
value_size(const TypeCacheEntry *typcache, Datum value)
{
	Size		length;

	if (typcache->typlen > 0)
		return typcache->typlen;
	length = VARSIZE_ANY_EXHDR(DatumGetPointer(value));
	return weir_varint_size(length) + length;
}

static char *
put_value(char *to, const TypeCacheEntry *typcache, Datum value)
{
	Size		length;

	if (typcache->typbyval)
	{
		char		word[sizeof(Datum)];

		store_att_byval(word, value, typcache->typlen);
		memcpy(to, word, typcache->typlen);
		return to + typcache->typlen;
	}
	if (typcache->typlen > 0)
	{
		memcpy(to, DatumGetPointer(value), typcache->typlen);
		return to + typcache->typlen;
	}
	length = VARSIZE_ANY_EXHDR(DatumGetPointer(value));
	to = weir_put_varint(to, length);
	memcpy(to, VARDATA_ANY(DatumGetPointer(value)), length);
	return to + length;
}

static bytea *
pack_values(const WeirDistinctSet *set, const Datum *values, uint64 n)
{
	const TypeCacheEntry *typcache = set->dtype->typcache;
	Size		size = 0;
	bytea	   *bytes;
	char	   *to;
	uint64		i;

	for (i = 0; i < n; i++)
		size = add_size(size, value_size(typcache, values[i]));
	bytes = begin_pack(set, FORM_VALUES, n, size, &to);
	for (i = 0; i < n; i++)
		to = put_value(to, typcache, values[i]);
	Assert(to == (char *) bytes + VARSIZE(bytes));
	return bytes;
}

static bytea *
pack_hashed(const WeirDistinctSet *set)
{
	struct values_hash *hashed = set->of.hashed;
	Datum	   *values = palloc_extended(sizeof(Datum) * Max(hashed->members, 1),
										 MCXT_ALLOC_HUGE);
	values_iterator iterator;
	HashedValue *entry;
	uint64		n = 0;
	bytea	   *bytes;

	values_start_iterate(hashed, &iterator);
	while ((entry = values_iterate(hashed, &iterator)) != NULL)
		values[n++] = entry->value;
	bytes = pack_values(set, values, n);
	pfree(values);
	return bytes;
}

bytea *
weir_distinct_pack(const WeirDistinctSet *set)
{
	switch (set->kind)
	{
		case SET_WORDS:
			return pack_words(set);
		case SET_HASHED:
			return pack_hashed(set);
		case SET_SORTED:
			settle(unconstify(WeirDistinctSet *, set));
			return pack_values(set, set->of.sorted.values,
							   set->of.sorted.nvalues);
		case SET_VIEW:
			break;
	}
	elog(ERROR, "a set of distinct values is packed already");
	return NULL;				/* keep compiler quiet */
}

/* ---------- sets as bytes ---------- */

WeirDistinctSet *
weir_distinct_view(bytea *bytes)
{
	WeirDistinctSet *set = palloc0(sizeof(WeirDistinctSet));
	ViewedValues *view = &set->of.view;
	const char *p = VARDATA_ANY(bytes);
	uint64		type;
	int			form;

	set->kind = SET_VIEW;
	view->end = p + VARSIZE_ANY_EXHDR(bytes);
	if (p == view->end)
		corrupted();
	form = (uint8) *p++;
	set->has_null = (form & FORM_HAS_NULL) != 0;
	form &= ~FORM_HAS_NULL;
	view->is_words = form == FORM_WORDS;
	if ((form != FORM_WORDS && form != FORM_VALUES) ||
		!weir_get_varint(&p, view->end, &type) || type > OID_MAX ||
		!weir_get_varint(&p, view->end, &view->nvalues) ||
		view->nvalues > (uint64) (view->end - p))
		corrupted();
	view->type = (Oid) type;
	view->start = p;
	return set;
}

Oid
weir_distinct_view_type(const WeirDistinctSet *view)
{
	Assert(view->kind == SET_VIEW);
	return view->of.view.type;
}

int64
weir_distinct_count(const WeirDistinctSet *view)
{
	Assert(view->kind == SET_VIEW);
	return (int64) view->of.view.nvalues;
}

bool
weir_distinct_has_null(const WeirDistinctSet *view)
{
	return view->has_null;
}

static void
check_view(const WeirDistinctSet *view, const WeirDistinctType *dtype)
{
	if (view->kind != SET_VIEW || view->of.view.type != dtype->type ||
		view->of.view.is_words != (dtype->kind == SET_WORDS))
		corrupted();
}

/* Nothing may follow the last value. */
static void
check_end(const char *p, const ViewedValues *from)
{
	if (p != from->end)
		corrupted();
}

/* The bytes of the next of the values that are no words. */
static const char *
next_bytes(const TypeCacheEntry *typcache, const char **p, const char *end,
		   Size *length)
{
	const char *bytes;
	uint64		size = typcache->typlen;

	if (typcache->typlen < 0 && !weir_get_varint(p, end, &size))
		corrupted();
	if (size > (uint64) (end - *p))
		corrupted();
	bytes = *p;
	*p += size;
	*length = (Size) size;
	return bytes;
}

/* The value with these bytes; in *room, aligned, unless passed by value. */
static Datum
make_value(const TypeCacheEntry *typcache, const char *bytes, Size length,
		   char *room)
{
	if (typcache->typlen < 0)
	{
		SET_VARSIZE(room, length + VARHDRSZ);
		memcpy(VARDATA(room), bytes, length);
		return PointerGetDatum(room);
	}
	memcpy(room, bytes, length);
	return fetch_att(room, typcache->typbyval, typcache->typlen);
}

static void
add_viewed_words(WeirDistinctSet *set, const ViewedValues *from)
{
	const char *p = from->start;
	int64		word = 0;
	uint64		i;

	weir_word_set_reserve(&set->of.words, set->context, from->nvalues);
	for (i = 0; i < from->nvalues; i++)
	{
		if (!weir_word_set_get(&p, from->end, i == 0, &word))
			corrupted();
		weir_word_set_add(&set->of.words, set->context, word);
	}
	check_end(p, from);
}

void
weir_distinct_add_view(WeirDistinctSet *set, const WeirDistinctSet *view)
{
	const ViewedValues *from = &view->of.view;
	const char *p = from->start;
	Size		max_length = 64;
	char	   *room;
	uint64		i;

	check_view(view, set->dtype);
	set->has_null |= view->has_null;
	if (from->is_words)
	{
		add_viewed_words(set, from);
		return;
	}
	room = palloc(max_length + VARHDRSZ);
	for (i = 0; i < from->nvalues; i++)
	{
		Size		length;
		const char *bytes = next_bytes(set->dtype->typcache, &p, from->end,
									   &length);

		if (length > max_length)
		{
			pfree(room);
			max_length = length;
			room = palloc(max_length + VARHDRSZ);
		}
		weir_distinct_add(set, make_value(set->dtype->typcache, bytes, length,
										  room));
	}
	check_end(p, from);
	pfree(room);
}

Datum *
weir_distinct_values(const WeirDistinctSet *view, const WeirDistinctType *dtype)
{
	const ViewedValues *from = &view->of.view;
	const TypeCacheEntry *typcache = dtype->typcache;
	const char *p = from->start;
	Datum	   *values;
	int64		word = 0;
	uint64		i;

	check_view(view, dtype);
	values = palloc_extended(sizeof(Datum) * Max(from->nvalues, 1),
							 MCXT_ALLOC_HUGE);
	for (i = 0; i < from->nvalues; i++)
	{
		const char *bytes;
		Size		length;

		if (from->is_words)
		{
			if (!weir_word_set_get(&p, from->end, i == 0, &word))
				corrupted();
			values[i] = word_to_datum(word, typcache->typlen);
			continue;
		}
		bytes = next_bytes(typcache, &p, from->end, &length);
		values[i] = make_value(typcache, bytes, length,
							   palloc(length + VARHDRSZ));
	}
	check_end(p, from);
	qsort_arg(values, from->nvalues, sizeof(Datum), compare_values,
			  unconstify(WeirDistinctType *, dtype));
	return values;
}
