/*-------------------------------------------------------------------------
 *
 * word_set.h
 *	  Sets of 64-bit numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WORD_SET_H
#define WEIR_WORD_SET_H

/* So few are in the set itself. */
#define WEIR_FEW_WORDS	8

/* Zeroed, the empty set. */
typedef struct WeirWordSet
{
	uint64		nwords;
	uint64		nslots;			/* of the hash table; 0: there is none */
	uint64	   *slots;			/* hash table; 0 is an empty slot */
	int64	   *sorted;			/* ascending words, if there are too many to be
								 * few, and no hash table */
	uint32		max_sorted;		/* room in it */
	bool		has_zero;		/* 0 is in the set, and counted, but in no slot */
	int64		few[WEIR_FEW_WORDS];	/* ascending */
} WeirWordSet;

/* What the set needs is allocated in the context, always the same. */
extern void weir_word_set_add(WeirWordSet *set, MemoryContext context,
							  int64 word);

/* Make room in an empty set; nothing in one that is not. */
extern void weir_word_set_reserve(WeirWordSet *set, MemoryContext context,
								  uint64 nwords);

/* As bytes, see word_set.c: their number, and the bytes themselves. */
typedef struct WeirPackedWords
{
	const int64 *words;			/* ascending */
	uint64		nwords;
	Size		size;
	int64	   *copy;			/* in the current context, to be freed, or NULL */
} WeirPackedWords;

extern void weir_word_set_sort(const WeirWordSet *set, WeirPackedWords *packed);
extern char *weir_word_set_put(char *to, const WeirPackedWords *packed);

/*
 * The words of a set from its bytes, one by one: *previous is that before,
 * 0 at first.  False if there are no such bytes, or they don't ascend.
 */
extern bool weir_word_set_get(const char **from, const char *end,
							  bool is_first, int64 *previous);

#endif							/* WEIR_WORD_SET_H */
