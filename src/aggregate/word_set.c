/*-------------------------------------------------------------------------
 *
 * word_set.c
 *	  Sets of 64-bit numbers.
 *
 * Up to WEIR_FEW_WORDS numbers are kept as they come and compared one by one:
 * an aggregate of many groups has many sets, most of them tiny.  More are in a
 * hash table with linear probing, at most half full, eight bytes a slot.
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

#define FIRST_SLOTS		32

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

static void
grow(WeirWordSet *set, MemoryContext context)
{
	uint64		nslots = set->nslots == 0 ? FIRST_SLOTS : set->nslots * 2;
	uint64	   *slots = make_slots(context, nslots);
	uint64		i;

	CHECK_FOR_INTERRUPTS();
	for (i = 0; i < set->nslots; i++)
	{
		if (set->slots[i] != 0)
			*find_slot(slots, nslots, set->slots[i]) = set->slots[i];
	}
	for (i = 0; set->nslots == 0 && i < set->nwords; i++)
	{
		if (set->few[i] == 0)
			set->has_zero = true;
		else
			*find_slot(slots, nslots, (uint64) set->few[i]) = (uint64) set->few[i];
	}
	if (set->slots != NULL)
		pfree(set->slots);
	set->slots = slots;
	set->nslots = nslots;
}

static bool
is_among_few(const WeirWordSet *set, int64 word)
{
	uint64		i;

	for (i = 0; i < set->nwords; i++)
	{
		if (set->few[i] == word)
			return true;
	}
	return false;
}

void
weir_word_set_add(WeirWordSet *set, MemoryContext context, int64 word)
{
	uint64	   *slot;

	if (set->nslots == 0)
	{
		if (is_among_few(set, word))
			return;
		if (set->nwords < WEIR_FEW_WORDS)
		{
			set->few[set->nwords++] = word;
			return;
		}
		grow(set, context);
	}
	if (word == 0)
	{
		set->nwords += !set->has_zero;
		set->has_zero = true;
		return;
	}
	slot = find_slot(set->slots, set->nslots, (uint64) word);
	if (*slot != 0)
		return;
	if (set->nwords >= set->nslots / 2)
	{
		grow(set, context);
		slot = find_slot(set->slots, set->nslots, (uint64) word);
	}
	*slot = (uint64) word;
	set->nwords++;
}

/* ---------- bytes ---------- */

void
weir_word_set_sort(const WeirWordSet *set, WeirPackedWords *packed)
{
	uint64		n = 0;
	uint64		i;

	packed->nwords = set->nwords;
	packed->words = palloc_extended(sizeof(int64) * Max(set->nwords, 1),
									MCXT_ALLOC_HUGE);
	if (set->nslots == 0)
	{
		memcpy(packed->words, set->few, sizeof(int64) * set->nwords);
		n = set->nwords;
	}
	else if (set->has_zero)
		packed->words[n++] = 0;
	for (i = 0; i < set->nslots; i++)
	{
		if (set->slots[i] != 0)
			packed->words[n++] = (int64) set->slots[i];
	}
	Assert(n == set->nwords);
	sort_words(packed->words, n);

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
