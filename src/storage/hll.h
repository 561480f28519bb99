/*-------------------------------------------------------------------------
 *
 * hll.h
 *	  Families that count distinct values, by way of the extension hll.
 *
 * The state in a cell is the bytes of a value of the extension's type.  All
 * of these raise 0A000 with a hint when the extension is not installed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_HLL_H
#define WEIR_HLL_H

/* the state of one input */
extern void weir_hll_of_bytes(const char *bytes, uint32 len,
							  const char **state, uint32 *state_len);

/* a WeirCombineHll */
extern void weir_hll_combine(const char *a, uint32 alen,
							 const char *b, uint32 blen,
							 const char **result, uint32 *result_len);

/* Raises the extension's error if the bytes are not a state. */
extern void weir_hll_check(const char *state, uint32 len);

extern void weir_hll_require(void);

extern void weir_hll_init(void);

#endif							/* WEIR_HLL_H */
