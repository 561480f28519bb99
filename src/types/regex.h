/*-------------------------------------------------------------------------
 *
 * regex.h
 *	  Regular expressions over bytes, matched in linear time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_REGEX_H
#define WEIR_REGEX_H

#include "nodes/nodes.h"

typedef struct WeirRegex WeirRegex;

/*
 * Compile a pattern of RE2's syntax: 22023 if it is not valid, or NULL after
 * a soft error.  The result lives in a child of the current memory context
 * and keeps no pointer to the pattern.
 */
extern WeirRegex *weir_regex_compile(const char *pattern, size_t len,
									 Node *escontext);

/*
 * Does the whole of the bytes match?  Takes time proportional to len and
 * bounded memory; checks for interrupts.  Not reentrant for one regex.
 */
extern bool weir_regex_match(WeirRegex *re, const char *bytes, size_t len);

/*
 * If the pattern matches exactly one string, return true and say which; it
 * lives as long as the regex.
 */
extern bool weir_regex_is_literal(const WeirRegex *re,
								  const char **literal, size_t *len);

#endif							/* WEIR_REGEX_H */
