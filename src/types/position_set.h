/*-------------------------------------------------------------------------
 *
 * position_set.h
 *	  A set of positions, 0 to n - 1, in which members are found in order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_POSITION_SET_H
#define WEIR_POSITION_SET_H

/* enough for all numbers of 32 bits, 6 bits a level */
#define WEIR_POSITION_SET_LEVELS	6

typedef struct WeirPositionSet
{
	uint32		n;
	int			nlevels;
	uint64	   *levels[WEIR_POSITION_SET_LEVELS];	/* the members first */
} WeirPositionSet;

/* how many words of memory a set of n positions needs */
extern uint32 weir_position_set_words(uint32 n);

/* an empty set in the memory given */
extern void weir_position_set_init(WeirPositionSet *set, uint64 *words,
								   uint32 n);

extern void weir_position_set_add(WeirPositionSet *set, uint32 position);
extern void weir_position_set_remove(WeirPositionSet *set, uint32 position);

/* the first member from a position on, or n */
extern uint32 weir_position_set_next(const WeirPositionSet *set, uint32 from);

static inline bool
weir_position_set_has(const WeirPositionSet *set, uint32 position)
{
	return (set->levels[0][position / 64] >> position % 64 & 1) != 0;
}

#endif							/* WEIR_POSITION_SET_H */
