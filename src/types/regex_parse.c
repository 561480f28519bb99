/*-------------------------------------------------------------------------
 *
 * regex_parse.c
 *	  Parser of regular expressions over bytes.
 *
 * The syntax is RE2's, read byte by byte (its Latin-1 mode): every byte of
 * the pattern from 0x80 on stands for itself.  Captures are only groups and
 * greediness makes no difference, since all that is asked is whether the
 * whole input matches.  Refused, with a message of their own: what cannot be
 * matched in linear time (back-references, look-around, atomic groups,
 * possessive repetition) and the classes of Unicode (\p), which are no sets
 * of bytes.  (?i) folds the letters of ASCII only: folding single bytes of
 * UTF-8 would make them match other characters.
 *
 * Escapes and brackets are in regex_set.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "miscadmin.h"

#include "types/regex_parser.h"
#include "weir.h"

#define MAX_REPEAT	1000
#define MAX_DEPTH	1000		/* of groups in groups */

static WeirRegexNode *parse_alternatives(WeirRegexParser *parser);

void
weir_regex_parse_error(WeirRegexParser *parser, const unsigned char *at,
					   const char *what)
{
	if (parser->error == NULL)
	{
		parser->error = what;
		parser->error_at = at;
	}
	parser->p = parser->end;
}

/*
 * Nodes
 */

static WeirRegexNode *
make_node(WeirRegexKind kind)
{
	WeirRegexNode *node = palloc0(sizeof(WeirRegexNode));

	node->kind = kind;
	return node;
}

static void
add_child(WeirRegexNode *node, WeirRegexNode *child)
{
	if (node->last == NULL)
		node->first = child;
	else
		node->last->next = child;
	node->last = child;
}

static WeirRegexNode *
make_assert(WeirRegexAssert assertion)
{
	WeirRegexNode *node = make_node(WEIR_REGEX_ASSERT);

	node->assertion = assertion;
	return node;
}

static WeirRegexNode *
make_byte(WeirRegexParser *parser, unsigned char b)
{
	WeirRegexNode *node = make_node(WEIR_REGEX_SET);

	weir_byteset_add(&node->set, b);
	if (parser->fold)
		weir_byteset_add_other_case(&node->set);
	return node;
}

/*
 * Groups
 */

/* The name in (?P<name>, from behind the angle bracket. */
static void
skip_group_name(WeirRegexParser *parser, const unsigned char *at)
{
	const unsigned char *name = parser->p;

	while (parser->p < parser->end && weir_regex_is_word(*parser->p))
		parser->p++;
	if (parser->p == name || parser->p >= parser->end || *parser->p != '>')
		weir_regex_parse_error(parser, at, "invalid group name");
	else
		parser->p++;
}

/*
 * The flags of (?i) or (?i-s: and the colon or closing bracket, which is
 * returned; 0 after an error.
 */
static unsigned char
parse_flags(WeirRegexParser *parser, const unsigned char *at)
{
	bool		value = true;
	bool		any = false;

	for (; parser->p < parser->end; parser->p++)
	{
		switch (*parser->p)
		{
			case 'i':
				parser->fold = value;
				break;
			case 's':
				parser->dot_all = value;
				break;
			case 'm':
				parser->multi_line = value;
				break;
			case 'U':
				break;			/* greediness makes no difference */
			case '-':
				if (!value)
				{
					weir_regex_parse_error(parser, at, "invalid group flags");
					return 0;
				}
				value = false;
				any = false;
				continue;
			case ':':
			case ')':
				if (!any && (!value || *parser->p == ')'))
				{
					weir_regex_parse_error(parser, at, "invalid group flags");
					return 0;
				}
				return *parser->p++;
			default:
				weir_regex_parse_error(parser, at, "invalid or unsupported group");
				return 0;
		}
		any = true;
	}
	weir_regex_parse_error(parser, at, "missing closing )");
	return 0;
}

/* Constructs of other dialects that begin like a group, from behind (?. */
static const char *
unsupported_group(const WeirRegexParser *parser)
{
	size_t		left = parser->end - parser->p;
	const unsigned char *p = parser->p;

	if ((left >= 1 && (p[0] == '=' || p[0] == '!')) ||
		(left >= 2 && p[0] == '<' && (p[1] == '=' || p[1] == '!')))
		return "look-around is not supported";
	if (left >= 1 && p[0] == '>')
		return "atomic groups are not supported";
	if (left >= 2 && p[0] == 'P' && p[1] == '=')
		return "back-references are not supported";
	return NULL;
}

/*
 * The head of a group, from behind (?: a name or flags.  False: these are
 * flags only, or there was an error.
 */
static bool
parse_group_head(WeirRegexParser *parser, const unsigned char *at)
{
	const char *unsupported = unsupported_group(parser);
	size_t		left = parser->end - parser->p;

	if (unsupported != NULL)
		weir_regex_parse_error(parser, at, unsupported);
	else if (left >= 2 && parser->p[0] == 'P' && parser->p[1] == '<')
	{
		parser->p += 2;
		skip_group_name(parser, at);
	}
	else if (left >= 1 && parser->p[0] == '<')
	{
		parser->p++;
		skip_group_name(parser, at);
	}
	else
		return parse_flags(parser, at) == ':';
	return parser->error == NULL;
}

/*
 * A group, from the opening bracket on, or NULL if it only sets flags, which
 * hold to the end of the group around it, and after an error.
 */
static WeirRegexNode *
parse_group(WeirRegexParser *parser)
{
	const unsigned char *at = parser->p;
	WeirRegexParser outer = *parser;
	WeirRegexNode *node;

	parser->p++;
	if (parser->p < parser->end && *parser->p == '?')
	{
		parser->p++;
		if (!parse_group_head(parser, at))
			return NULL;
	}

	if (++parser->depth > MAX_DEPTH)
		weir_regex_parse_error(parser, at, "groups are nested too deeply");
	node = parse_alternatives(parser);
	if (parser->p >= parser->end)
	{
		weir_regex_parse_error(parser, at, "missing closing )");
		return NULL;
	}
	parser->p++;
	parser->depth--;

	parser->fold = outer.fold;
	parser->dot_all = outer.dot_all;
	parser->multi_line = outer.multi_line;
	return node;
}

/*
 * Repetition
 */

/* The number at p, without leading zeroes; one too large stays too large. */
static bool
maybe_count(const unsigned char **p, const unsigned char *end, int *count)
{
	const unsigned char *start = *p;

	*count = 0;
	for (; *p < end && isdigit(**p); (*p)++)
	{
		if (*count <= MAX_REPEAT)
			*count = *count * 10 + **p - '0';
	}
	return *p > start && !(*start == '0' && *p > start + 1);
}

/*
 * Is this {n}, {n,} or {n,m}?  Anything else makes the brace stand for itself.
 */
static bool
maybe_counts(WeirRegexParser *parser, int *min, int *max)
{
	const unsigned char *p = parser->p + 1;

	if (!maybe_count(&p, parser->end, min) || p >= parser->end)
		return false;
	*max = *min;
	if (*p == ',')
	{
		p++;
		if (p < parser->end && *p == '}')
			*max = -1;
		else if (!maybe_count(&p, parser->end, max) || p >= parser->end)
			return false;
	}
	if (*p != '}')
		return false;

	if (*min > MAX_REPEAT || *max > MAX_REPEAT)
		weir_regex_parse_error(parser, parser->p,
					"repetition count is greater than 1000");
	else if (*max >= 0 && *max < *min)
		weir_regex_parse_error(parser, parser->p, "invalid repetition counts");
	else
		parser->p = p + 1;
	return true;
}

/* Is this a repetition operator?  If so, move past it. */
static bool
maybe_repetition(WeirRegexParser *parser, int *min, int *max)
{
	if (parser->p >= parser->end)
		return false;
	*min = 0;
	*max = -1;
	switch (*parser->p)
	{
		case '*':
			break;
		case '+':
			*min = 1;
			break;
		case '?':
			*max = 1;
			break;
		case '{':
			return maybe_counts(parser, min, max);
		default:
			return false;
	}
	parser->p++;
	return true;
}

/* Make the node a repetition of what it was. */
static void
wrap_in_repeat(WeirRegexNode *node, int min, int max)
{
	WeirRegexNode *child = palloc(sizeof(WeirRegexNode));

	*child = *node;
	child->next = NULL;

	node->kind = WEIR_REGEX_REPEAT;
	node->min = min;
	node->max = max;
	node->first = child;
	node->last = child;
}

/*
 * Sequences
 */

/* \Q...\E, from behind the Q: all of it literal. */
static void
parse_quoted(WeirRegexParser *parser, WeirRegexNode *cat)
{
	while (parser->p < parser->end)
	{
		if (parser->end - parser->p >= 2 && memcmp(parser->p, "\\E", 2) == 0)
		{
			parser->p += 2;
			return;
		}
		add_child(cat, make_byte(parser, *parser->p++));
	}
}

/* An escape outside of brackets, other than \Q. */
static WeirRegexNode *
parse_escape(WeirRegexParser *parser)
{
	WeirRegexNode *node;

	if (parser->end - parser->p >= 2)
	{
		switch (parser->p[1])
		{
			case 'A':
				parser->p += 2;
				return make_assert(WEIR_REGEX_TEXT_START);
			case 'z':
				parser->p += 2;
				return make_assert(WEIR_REGEX_TEXT_END);
			case 'b':
				parser->p += 2;
				return make_assert(WEIR_REGEX_WORD_BOUNDARY);
			case 'B':
				parser->p += 2;
				return make_assert(WEIR_REGEX_NO_WORD_BOUNDARY);
			case 'C':
				parser->p += 2;
				node = make_node(WEIR_REGEX_SET);
				weir_byteset_negate(&node->set);
				return node;
			default:
				break;
		}
	}

	node = make_node(WEIR_REGEX_SET);
	if (weir_regex_maybe_perl_set(parser, &node->set))
		return node;
	return make_byte(parser, weir_regex_parse_escape(parser));
}

/*
 * One item of a sequence, not a repetition operator; NULL if it was only
 * flags.
 */
static WeirRegexNode *
parse_item(WeirRegexParser *parser)
{
	WeirRegexNode *node;

	switch (*parser->p)
	{
		case '(':
			return parse_group(parser);
		case '[':
			node = make_node(WEIR_REGEX_SET);
			weir_regex_parse_class(parser, &node->set);
			return node;
		case '\\':
			return parse_escape(parser);
		case '.':
			parser->p++;
			node = make_node(WEIR_REGEX_SET);
			if (!parser->dot_all)
				weir_byteset_add(&node->set, '\n');
			weir_byteset_negate(&node->set);
			return node;
		case '^':
			parser->p++;
			return make_assert(parser->multi_line ? WEIR_REGEX_LINE_START :
							   WEIR_REGEX_TEXT_START);
		case '$':
			parser->p++;
			return make_assert(parser->multi_line ? WEIR_REGEX_LINE_END :
							   WEIR_REGEX_TEXT_END);
		default:
			return make_byte(parser, *parser->p++);
	}
}

/* A sequence, up to | or ) or the end. */
static WeirRegexNode *
parse_sequence(WeirRegexParser *parser)
{
	WeirRegexNode *cat = make_node(WEIR_REGEX_CAT);
	bool		was_repetition = false;

	while (parser->p < parser->end && *parser->p != '|' && *parser->p != ')')
	{
		const unsigned char *at = parser->p;
		WeirRegexNode *item;
		int			min;
		int			max;

		if (maybe_repetition(parser, &min, &max))
		{
			if (cat->last == NULL || was_repetition)
			{
				weir_regex_parse_error(parser, at, was_repetition ?
							"repetition operator after repetition operator" :
							"nothing to repeat before repetition operator");
				break;
			}
			/* not greedy: no difference */
			if (parser->p < parser->end && *parser->p == '?')
				parser->p++;
			wrap_in_repeat(cat->last, min, max);
			was_repetition = true;
			continue;
		}

		was_repetition = false;
		if (parser->end - parser->p >= 2 && memcmp(parser->p, "\\Q", 2) == 0)
		{
			parser->p += 2;
			parse_quoted(parser, cat);
			continue;
		}
		item = parse_item(parser);
		if (item != NULL)
			add_child(cat, item);
	}
	return cat;
}

static WeirRegexNode *
parse_alternatives(WeirRegexParser *parser)
{
	WeirRegexNode *alt;
	WeirRegexNode *sequence;

	check_stack_depth();

	sequence = parse_sequence(parser);
	if (parser->p >= parser->end || *parser->p != '|')
		return sequence;

	alt = make_node(WEIR_REGEX_ALT);
	add_child(alt, sequence);
	while (parser->p < parser->end && *parser->p == '|')
	{
		parser->p++;
		add_child(alt, parse_sequence(parser));
	}
	return alt;
}

WeirRegexNode *
weir_regex_parse(const char *pattern, size_t len, Node *escontext)
{
	WeirRegexParser parser = {0};
	WeirRegexNode *node;

	parser.start = parser.p = (const unsigned char *) pattern;
	parser.end = parser.start + len;

	node = parse_alternatives(&parser);
	if (parser.p < parser.end)
		weir_regex_parse_error(&parser, parser.p, "unexpected )");
	if (parser.error != NULL)
	{
		weir_errsave(escontext,
					 (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					  errmsg("invalid regular expression: %s", parser.error),
					  errdetail("The error is at byte %d of the pattern.",
								(int) (parser.error_at - parser.start) + 1)));
		return NULL;
	}
	return node;
}
