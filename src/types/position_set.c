/*-------------------------------------------------------------------------
 *
 * position_set.c
 *	  A set of positions, 0 to n - 1, in which members are found in order.
 *
 * The lowest level has a bit for each position; each level above has one for
 * each word of that below, set if any bit of the word is.  The highest level
 * is a single word.  So to add, to remove and to find the next member take a
 * word or two a level, of which there are three for 100,000 positions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "types/position_set.h"

static uint32
words_of_level(uint32 nbits)
{
	return nbits / 64 + (nbits % 64 != 0);
}

uint32
weir_position_set_words(uint32 n)
{
	uint32		words = 0;

	do
	{
		n = Max(words_of_level(n), 1);
		words += n;
	} while (n > 1);
	return words;
}

void
weir_position_set_init(WeirPositionSet *set, uint64 *words, uint32 n)
{
	memset(words, 0, sizeof(uint64) * (Size) weir_position_set_words(n));
	set->n = n;
	set->nlevels = 0;
	do
	{
		n = Max(words_of_level(n), 1);
		set->levels[set->nlevels++] = words;
		words += n;
	} while (n > 1);
}

void
weir_position_set_add(WeirPositionSet *set, uint32 position)
{
	for (int level = 0; level < set->nlevels; level++)
	{
		uint64	   *word = &set->levels[level][position / 64];
		bool		was_empty = *word == 0;

		*word |= UINT64CONST(1) << position % 64;
		if (!was_empty)
			return;
		position /= 64;
	}
}

void
weir_position_set_remove(WeirPositionSet *set, uint32 position)
{
	for (int level = 0; level < set->nlevels; level++)
	{
		uint64	   *word = &set->levels[level][position / 64];

		*word &= ~(UINT64CONST(1) << position % 64);
		if (*word != 0)
			return;
		position /= 64;
	}
}

/* Up to where there is something at or after the position, then down to it. */
uint32
weir_position_set_next(const WeirPositionSet *set, uint32 from)
{
	uint32		nbits = set->n;
	int			level = 0;

	for (;;)
	{
		uint64		word;

		if (from >= nbits)
			return set->n;
		word = set->levels[level][from / 64] >> from % 64;
		if (word != 0)
		{
			from += pg_rightmost_one_pos64(word);
			break;
		}
		if (++level == set->nlevels)
			return set->n;
		nbits = words_of_level(nbits);
		from = from / 64 + 1;
	}
	while (level-- > 0)
		from = from * 64 + pg_rightmost_one_pos64(set->levels[level][from]);
	return from;
}
