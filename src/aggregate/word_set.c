/*-------------------------------------------------------------------------
 *
 * word_set.c
 *	  Sets of 64-bit numbers.
 *
 * Up to MAX_SORTED numbers are an array in ascending order: an aggregate of
 * many groups has many sets, most of them small, and many numbers, such as
 * times and serial ones, come in ascending order.  The array is searched by
 * halves, and needs not be sorted to be made bytes of.  More are in a hash
 * table with linear probing, at most half full, eight bytes a slot.
 *
 * Bytes of n numbers, in ascending order: the first, its sign folded, as a
 * varint (packing.h); of each other the difference to the one before.
 *
 *		{-1, 5, 1000}		01	06	e3 07
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "aggregate/packing.h"
#include "aggregate/word_set.h"

/* Numbers that are no hash table yet, and the slots of the first one. */
#define MAX_SORTED		64
#define FIRST_SLOTS		256

#define ST_SORT sort_words
#define ST_ELEMENT_TYPE int64
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_SCOPE static
#define ST_DEFINE
#define ST_CHECK_FOR_INTERRUPTS
#include "lib/sort_template.h"

/* ---------- the hash table ---------- */

/* every bit of the result depends on every bit of the word */
static inline uint64
mix(uint64 word)
{
	word ^= word >> 33;
	word *= UINT64CONST(0xff51afd7ed558ccd);
	word ^= word >> 33;
	word *= UINT64CONST(0xc4ceb9fe1a85ec53);
	word ^= word >> 33;
	return word;
}

/* the slot that the word is in, or may be put into */
static inline uint64 *
find_slot(uint64 *slots, uint64 nslots, uint64 word)
{
	uint64		i = mix(word) & (nslots - 1);

	while (slots[i] != 0 && slots[i] != word)
		i = (i + 1) & (nslots - 1);
	return &slots[i];
}

static uint64 *
make_slots(MemoryContext context, uint64 nslots)
{
	if (nslots > MaxAllocHugeSize / sizeof(uint64))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many distinct values")));
	return MemoryContextAllocExtended(context, nslots * sizeof(uint64),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* The words of a set without a hash table. */
static inline int64 *
sorted_words(const WeirWordSet *set)
{
	return set->sorted != NULL ? set->sorted :
		unconstify(WeirWordSet *, set)->few;
}

/* To a hash table, or to one of twice the size. */
static void
grow(WeirWordSet *set, MemoryContext context)
{
	uint64		nslots = set->nslots == 0 ? FIRST_SLOTS : set->nslots * 2;
	uint64	   *slots = make_slots(context, nslots);
	uint64	   *old = set->slots;
	uint64		nold = set->nslots;
	uint64		i;

	CHECK_FOR_INTERRUPTS();
	if (set->nslots == 0)
	{
		old = (uint64 *) sorted_words(set);
		nold = set->nwords;
		for (i = 0; i < nold && !set->has_zero; i++)
			set->has_zero = old[i] == 0;
	}
	for (i = 0; i < nold; i++)
	{
		if (old[i] != 0)
			*find_slot(slots, nslots, old[i]) = old[i];
	}
	if (set->slots != NULL)
		pfree(set->slots);
	if (set->sorted != NULL)
		pfree(set->sorted);
	set->sorted = NULL;
	set->slots = slots;
	set->nslots = nslots;
}

static pg_noinline void
add_to_slots(WeirWordSet *set, MemoryContext context, uint64 word)
{
	uint64	   *slot;

	if (word == 0)
	{
		set->nwords += !set->has_zero;
		set->has_zero = true;
		return;
	}
	slot = find_slot(set->slots, set->nslots, word);
	if (*slot != 0)
		return;
	if (set->nwords >= set->nslots / 2)
	{
		grow(set, context);
		slot = find_slot(set->slots, set->nslots, word);
	}
	*slot = word;
	set->nwords++;
}

/* ---------- the array ---------- */

/* How many of the n > 0 words are less? */
static inline uint32
count_less(const int64 *words, uint32 n, int64 word)
{
	const int64 *base = words;

	while (n > 1)
	{
		uint32		half = n / 2;

		base += base[half - 1] < word ? half : 0;
		n -= half;
	}
	return (uint32) (base - words) + (*base < word);
}

/* Room for one more; false if it is time for a hash table. */
static bool
make_room(WeirWordSet *set, MemoryContext context)
{
	int64	   *more;

	if (set->nwords < (set->sorted != NULL ? set->max_sorted : WEIR_FEW_WORDS))
		return true;
	if (set->nwords >= MAX_SORTED)
		return false;
	set->max_sorted = Min((uint32) set->nwords * 2, MAX_SORTED);
	more = MemoryContextAlloc(context, sizeof(int64) * set->max_sorted);
	memcpy(more, sorted_words(set), sizeof(int64) * set->nwords);
	if (set->sorted != NULL)
		pfree(set->sorted);
	set->sorted = more;
	return true;
}

static pg_noinline void
add_to_array(WeirWordSet *set, MemoryContext context, int64 word)
{
	int64	   *words = sorted_words(set);
	uint32		n = (uint32) set->nwords;
	uint32		i = n;

	if (n > 0 && words[n - 1] >= word)
	{
		i = count_less(words, n, word);
		if (words[i] == word)
			return;
	}
	if (!make_room(set, context))
	{
		grow(set, context);
		add_to_slots(set, context, (uint64) word);
		return;
	}
	words = sorted_words(set);
	memmove(&words[i + 1], &words[i], sizeof(int64) * (n - i));
	words[i] = word;
	set->nwords++;
}

void
weir_word_set_add(WeirWordSet *set, MemoryContext context, int64 word)
{
	if (set->nslots == 0)
		add_to_array(set, context, word);
	else if (word == 0 ||
			 *find_slot(set->slots, set->nslots, (uint64) word) == 0)
		add_to_slots(set, context, (uint64) word);
}

void
weir_word_set_reserve(WeirWordSet *set, MemoryContext context, uint64 nwords)
{
	if (set->nwords > 0 || set->nslots > 0 || set->sorted != NULL ||
		nwords <= WEIR_FEW_WORDS)
		return;
	if (nwords > MAX_SORTED)
	{
		uint64		nslots = FIRST_SLOTS;

		while (nslots / 2 < nwords)
			nslots *= 2;
		set->slots = make_slots(context, nslots);
		set->nslots = nslots;
		return;
	}
	set->max_sorted = (uint32) nwords;
	set->sorted = MemoryContextAlloc(context, sizeof(int64) * nwords);
}

/* ---------- bytes ---------- */

/* The words of a set with a hash table, in the current context. */
static int64 *
copy_sorted(const WeirWordSet *set)
{
	int64	   *words = palloc_extended(sizeof(int64) * set->nwords,
										MCXT_ALLOC_HUGE);
	uint64		n = 0;
	uint64		i;

	if (set->has_zero)
		words[n++] = 0;
	for (i = 0; i < set->nslots; i++)
	{
		if (set->slots[i] != 0)
			words[n++] = (int64) set->slots[i];
	}
	Assert(n == set->nwords);
	sort_words(words, n);
	return words;
}

void
weir_word_set_sort(const WeirWordSet *set, WeirPackedWords *packed)
{
	uint64		n = set->nwords;
	uint64		i;

	packed->copy = set->nslots > 0 ? copy_sorted(set) : NULL;
	packed->words = packed->copy != NULL ? packed->copy : sorted_words(set);
	packed->nwords = n;
	packed->size = n > 0 ? weir_varint_size(weir_fold_sign(packed->words[0])) : 0;
	for (i = 1; i < n; i++)
		packed->size += weir_varint_size((uint64) packed->words[i] -
										 (uint64) packed->words[i - 1]);
}

char *
weir_word_set_put(char *to, const WeirPackedWords *packed)
{
	uint64		i;

	if (packed->nwords > 0)
		to = weir_put_varint(to, weir_fold_sign(packed->words[0]));
	for (i = 1; i < packed->nwords; i++)
		to = weir_put_varint(to, (uint64) packed->words[i] -
							 (uint64) packed->words[i - 1]);
	return to;
}

bool
weir_word_set_get(const char **from, const char *end, bool is_first,
				  int64 *previous)
{
	uint64		number;
	int64		word;

	if (!weir_get_varint(from, end, &number))
		return false;
	word = is_first ? weir_unfold_sign(number) :
		(int64) ((uint64) *previous + number);
	if (!is_first && word <= *previous)
		return false;
	*previous = word;
	return true;
}
