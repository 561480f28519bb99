/*-------------------------------------------------------------------------
 *
 * word_set.h
 *	  Sets of 64-bit numbers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WORD_SET_H
#define WEIR_WORD_SET_H

/* A set of so few is an array. */
#define WEIR_FEW_WORDS	4

/* Zeroed, the empty set. */
typedef struct WeirWordSet
{
	uint64		nwords;
	uint64		nslots;			/* 0: the words are few[0 .. nwords - 1] */
	uint64	   *slots;			/* hash table; 0 is an empty slot */
	bool		has_zero;		/* 0 is in the set, and counted, but in no slot */
	int64		few[WEIR_FEW_WORDS];
} WeirWordSet;

/* The table is made in the context. */
extern void weir_word_set_add(WeirWordSet *set, MemoryContext context,
							  int64 word);

/* As bytes, see word_set.c: their number, and the bytes themselves. */
typedef struct WeirPackedWords
{
	int64	   *words;			/* ascending, in the current context */
	uint64		nwords;
	Size		size;
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
