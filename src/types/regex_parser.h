/*-------------------------------------------------------------------------
 *
 * regex_parser.h
 *	  The state of the parser of regular expressions, and sets of bytes; only
 *	  for regex_parse.c and regex_set.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_REGEX_PARSER_H
#define WEIR_REGEX_PARSER_H

#include "types/regex_parse.h"

typedef struct WeirRegexParser
{
	const unsigned char *start;
	const unsigned char *p;		/* next byte */
	const unsigned char *end;
	int			depth;			/* of groups */
	bool		fold;			/* (?i) */
	bool		dot_all;		/* (?s) */
	bool		multi_line;		/* (?m) */
	const char *error;			/* the first one, or NULL */
	const unsigned char *error_at;
} WeirRegexParser;

/*
 * Note an error and go to the end of the pattern, where all parsing stops.
 * What the functions then return is not used.
 */
extern void weir_regex_parse_error(WeirRegexParser *parser,
								   const unsigned char *at, const char *what);

extern void weir_byteset_add(WeirByteSet *set, unsigned char b);
extern void weir_byteset_add_other_case(WeirByteSet *set);
extern void weir_byteset_negate(WeirByteSet *set);

/* Is this \d, \D and so on?  If so, add it and move past it. */
extern bool weir_regex_maybe_perl_set(WeirRegexParser *parser,
									  WeirByteSet *set);

/* An escape that stands for one byte, from the backslash on. */
extern unsigned char weir_regex_parse_escape(WeirRegexParser *parser);

/* What is in brackets, from the opening one on. */
extern void weir_regex_parse_class(WeirRegexParser *parser, WeirByteSet *set);

#endif							/* WEIR_REGEX_PARSER_H */
