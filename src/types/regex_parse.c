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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "miscadmin.h"

#include "types/regex_parse.h"
#include "weir.h"

#define MAX_REPEAT	1000
#define MAX_DEPTH	1000		/* of groups in groups */

typedef struct Parser
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
} Parser;

typedef struct NamedSet
{
	const char *name;
	const char *ranges;			/* pairs of bytes, ended by a pair "\0\0" */
	int			nranges;
} NamedSet;

#define NAMED_SET(name, ranges) {name, ranges, (sizeof(ranges) - 1) / 2}

static const NamedSet perl_sets[] = {
	NAMED_SET("d", "09"),
	NAMED_SET("s", "\t\n\f\r  "),
	NAMED_SET("w", "09AZ__az"),
};

static const NamedSet posix_sets[] = {
	NAMED_SET("alnum", "09AZaz"),
	NAMED_SET("alpha", "AZaz"),
	NAMED_SET("ascii", "\x00\x7f"),
	NAMED_SET("blank", "\t\t  "),
	NAMED_SET("cntrl", "\x00\x1f\x7f\x7f"),
	NAMED_SET("digit", "09"),
	NAMED_SET("graph", "!~"),
	NAMED_SET("lower", "az"),
	NAMED_SET("print", " ~"),
	NAMED_SET("punct", "!/:@[`{~"),
	NAMED_SET("space", "\t\r  "),
	NAMED_SET("upper", "AZ"),
	NAMED_SET("word", "09AZ__az"),
	NAMED_SET("xdigit", "09AFaf"),
};

static WeirRegexNode *parse_alternatives(Parser *parser);

/*
 * Note an error and go to the end of the pattern, where all parsing stops.
 * What the functions then return is not used.
 */
static void
parse_error(Parser *parser, const unsigned char *at, const char *what)
{
	if (parser->error == NULL)
	{
		parser->error = what;
		parser->error_at = at;
	}
	parser->p = parser->end;
}

/*
 * Sets of bytes
 */

bool
weir_regex_is_word(unsigned char b)
{
	return b < 0x80 && (isalnum(b) || b == '_');
}

static void
add_byte(WeirByteSet *set, unsigned char b)
{
	set->words[b >> 6] |= UINT64CONST(1) << (b & 63);
}

static void
add_range(WeirByteSet *set, unsigned char lo, unsigned char hi)
{
	for (int b = lo; b <= hi; b++)
		add_byte(set, b);
}

static void
add_other_case(WeirByteSet *set)
{
	for (int c = 'a'; c <= 'z'; c++)
	{
		int			upper = c - 'a' + 'A';

		if (weir_byteset_has(set, c))
			add_byte(set, upper);
		else if (weir_byteset_has(set, upper))
			add_byte(set, c);
	}
}

static void
negate_set(WeirByteSet *set)
{
	for (int i = 0; i < lengthof(set->words); i++)
		set->words[i] = ~set->words[i];
}

/* Add a named set, or all that is not in it. */
static void
add_named_set(Parser *parser, WeirByteSet *set, const NamedSet *named,
			  bool negated)
{
	WeirByteSet named_set = {{0}};

	for (int i = 0; i < named->nranges; i++)
		add_range(&named_set, named->ranges[2 * i], named->ranges[2 * i + 1]);
	if (parser->fold)
		add_other_case(&named_set);
	if (negated)
		negate_set(&named_set);
	for (int i = 0; i < lengthof(set->words); i++)
		set->words[i] |= named_set.words[i];
}

/* Is this \d, \D and so on?  If so, add it and move past it. */
static bool
maybe_perl_set(Parser *parser, WeirByteSet *set)
{
	if (parser->end - parser->p < 2 || parser->p[0] != '\\')
		return false;
	for (int i = 0; i < lengthof(perl_sets); i++)
	{
		unsigned char lower = perl_sets[i].name[0];
		unsigned char upper = lower - 'a' + 'A';

		if (parser->p[1] == lower || parser->p[1] == upper)
		{
			add_named_set(parser, set, &perl_sets[i], parser->p[1] == upper);
			parser->p += 2;
			return true;
		}
	}
	return false;
}

/* The same for [:alpha:], [:^alpha:] and so on, inside of brackets. */
static bool
maybe_posix_set(Parser *parser, WeirByteSet *set)
{
	const unsigned char *name;
	const unsigned char *close;
	bool		negated = false;

	if (parser->end - parser->p < 2 || memcmp(parser->p, "[:", 2) != 0)
		return false;
	name = parser->p + 2;
	for (close = name; close + 1 < parser->end; close++)
	{
		if (close[0] == ':' && close[1] == ']')
			break;
	}
	if (close + 1 >= parser->end)
		return false;			/* plain bytes, then */
	if (*name == '^')
	{
		negated = true;
		name++;
	}

	for (int i = 0; i < lengthof(posix_sets); i++)
	{
		if (close - name == strlen(posix_sets[i].name) &&
			memcmp(name, posix_sets[i].name, close - name) == 0)
		{
			add_named_set(parser, set, &posix_sets[i], negated);
			parser->p = close + 2;
			return true;
		}
	}
	parse_error(parser, parser->p, "no such character class");
	return false;
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
make_byte(Parser *parser, unsigned char b)
{
	WeirRegexNode *node = make_node(WEIR_REGEX_SET);

	add_byte(&node->set, b);
	if (parser->fold)
		add_other_case(&node->set);
	return node;
}

/*
 * Escapes
 */

static int
hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The rest of \x7f or \x{7f}, from behind the x. */
static unsigned char
parse_hex(Parser *parser, const unsigned char *at)
{
	int			value = 0;
	int			ndigits = 0;
	bool		braced = (parser->p < parser->end && *parser->p == '{');

	if (braced)
		parser->p++;
	while (parser->p < parser->end && (braced || ndigits < 2))
	{
		int			digit = hex_value(*parser->p);

		if (digit < 0)
			break;
		value = value * 16 + digit;
		if (value > 0xff)
		{
			parse_error(parser, at, "escape is no byte");
			return 0;
		}
		ndigits++;
		parser->p++;
	}
	if (ndigits == 0 || (!braced && ndigits < 2) ||
		(braced && (parser->p >= parser->end || *parser->p != '}')))
	{
		parse_error(parser, at, "invalid escape sequence");
		return 0;
	}
	if (braced)
		parser->p++;
	return (unsigned char) value;
}

/* An escape that stands for one byte, from the backslash on. */
static unsigned char
parse_byte_escape(Parser *parser)
{
	const unsigned char *at = parser->p;
	unsigned char c;

	parser->p++;
	if (parser->p >= parser->end)
	{
		parse_error(parser, at, "trailing backslash");
		return 0;
	}
	c = *parser->p++;

	/* punctuation stands for itself */
	if (c < 0x80 && !weir_regex_is_word(c))
		return c;

	switch (c)
	{
		case 'a':
			return '\a';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		case 'v':
			return '\v';
		case 'x':
			return parse_hex(parser, at);
		case 'p':
		case 'P':
			parse_error(parser, at,
						"classes of Unicode are not supported: a pattern matches bytes");
			return 0;
		default:
			break;
	}

	/* octal: \0, or at least two digits */
	if (c >= '0' && c <= '7' &&
		(c == '0' ||
		 (parser->p < parser->end && *parser->p >= '0' && *parser->p <= '7')))
	{
		int			value = c - '0';

		for (int i = 0; i < 2 && parser->p < parser->end &&
			 *parser->p >= '0' && *parser->p <= '7'; i++)
			value = value * 8 + *parser->p++ - '0';
		if (value > 0xff)
			parse_error(parser, at, "escape is no byte");
		return (unsigned char) value;
	}
	if ((c >= '1' && c <= '9') || c == 'k' || c == 'g')
		parse_error(parser, at, "back-references are not supported");

	parse_error(parser, at, "invalid escape sequence");
	return 0;
}

/*
 * Brackets
 */

static unsigned char
parse_class_byte(Parser *parser, const unsigned char *at)
{
	if (parser->p >= parser->end)
	{
		parse_error(parser, at, "missing closing ]");
		return 0;
	}
	if (*parser->p == '\\')
		return parse_byte_escape(parser);
	return *parser->p++;
}

static WeirRegexNode *
parse_class(Parser *parser)
{
	const unsigned char *at = parser->p;
	WeirRegexNode *node = make_node(WEIR_REGEX_SET);
	bool		negated = false;
	bool		is_first = true;

	parser->p++;
	if (parser->p < parser->end && *parser->p == '^')
	{
		negated = true;
		parser->p++;
	}

	for (;;)
	{
		const unsigned char *item = parser->p;
		unsigned char lo;
		unsigned char hi;
		WeirByteSet range = {{0}};

		if (parser->p >= parser->end)
		{
			parse_error(parser, at, "missing closing ]");
			return node;
		}
		if (*parser->p == ']' && !is_first)
			break;
		is_first = false;

		if (maybe_posix_set(parser, &node->set) ||
			maybe_perl_set(parser, &node->set))
			continue;

		lo = hi = parse_class_byte(parser, at);
		/* a hyphen before the closing bracket stands for itself */
		if (parser->end - parser->p >= 2 && parser->p[0] == '-' &&
			parser->p[1] != ']')
		{
			parser->p++;
			hi = parse_class_byte(parser, at);
			if (hi < lo)
				parse_error(parser, item, "invalid character class range");
		}
		add_range(&range, lo, hi);
		if (parser->fold)
			add_other_case(&range);
		for (int i = 0; i < lengthof(range.words); i++)
			node->set.words[i] |= range.words[i];
	}
	parser->p++;

	if (negated)
		negate_set(&node->set);
	return node;
}

/*
 * Groups
 */

/* The name in (?P<name>, from behind the angle bracket. */
static void
skip_group_name(Parser *parser, const unsigned char *at)
{
	const unsigned char *name = parser->p;

	while (parser->p < parser->end && weir_regex_is_word(*parser->p))
		parser->p++;
	if (parser->p == name || parser->p >= parser->end || *parser->p != '>')
		parse_error(parser, at, "invalid group name");
	else
		parser->p++;
}

/*
 * The flags of (?i) or (?i-s: and the colon or closing bracket, which is
 * returned; 0 after an error.
 */
static unsigned char
parse_flags(Parser *parser, const unsigned char *at)
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
					parse_error(parser, at, "invalid group flags");
					return 0;
				}
				value = false;
				any = false;
				continue;
			case ':':
			case ')':
				if (!any && (!value || *parser->p == ')'))
				{
					parse_error(parser, at, "invalid group flags");
					return 0;
				}
				return *parser->p++;
			default:
				parse_error(parser, at, "invalid or unsupported group");
				return 0;
		}
		any = true;
	}
	parse_error(parser, at, "missing closing )");
	return 0;
}

/* Constructs of other dialects that begin like a group, from behind (?. */
static const char *
unsupported_group(const Parser *parser)
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
parse_group_head(Parser *parser, const unsigned char *at)
{
	const char *unsupported = unsupported_group(parser);
	size_t		left = parser->end - parser->p;

	if (unsupported != NULL)
		parse_error(parser, at, unsupported);
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
parse_group(Parser *parser)
{
	const unsigned char *at = parser->p;
	Parser		outer = *parser;
	WeirRegexNode *node;

	parser->p++;
	if (parser->p < parser->end && *parser->p == '?')
	{
		parser->p++;
		if (!parse_group_head(parser, at))
			return NULL;
	}

	if (++parser->depth > MAX_DEPTH)
		parse_error(parser, at, "groups are nested too deeply");
	node = parse_alternatives(parser);
	if (parser->p >= parser->end)
	{
		parse_error(parser, at, "missing closing )");
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
maybe_counts(Parser *parser, int *min, int *max)
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
		parse_error(parser, parser->p,
					"repetition count is greater than 1000");
	else if (*max >= 0 && *max < *min)
		parse_error(parser, parser->p, "invalid repetition counts");
	else
		parser->p = p + 1;
	return true;
}

/* Is this a repetition operator?  If so, move past it. */
static bool
maybe_repetition(Parser *parser, int *min, int *max)
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
parse_quoted(Parser *parser, WeirRegexNode *cat)
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
parse_escape(Parser *parser)
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
				negate_set(&node->set);
				return node;
			default:
				break;
		}
	}

	node = make_node(WEIR_REGEX_SET);
	if (maybe_perl_set(parser, &node->set))
		return node;
	return make_byte(parser, parse_byte_escape(parser));
}

/*
 * One item of a sequence, not a repetition operator; NULL if it was only
 * flags.
 */
static WeirRegexNode *
parse_item(Parser *parser)
{
	WeirRegexNode *node;

	switch (*parser->p)
	{
		case '(':
			return parse_group(parser);
		case '[':
			return parse_class(parser);
		case '\\':
			return parse_escape(parser);
		case '.':
			parser->p++;
			node = make_node(WEIR_REGEX_SET);
			if (!parser->dot_all)
				add_byte(&node->set, '\n');
			negate_set(&node->set);
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
parse_sequence(Parser *parser)
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
				parse_error(parser, at, was_repetition ?
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
parse_alternatives(Parser *parser)
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
	Parser		parser = {0};
	WeirRegexNode *node;

	parser.start = parser.p = (const unsigned char *) pattern;
	parser.end = parser.start + len;

	node = parse_alternatives(&parser);
	if (parser.p < parser.end)
		parse_error(&parser, parser.p, "unexpected )");
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
