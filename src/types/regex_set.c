/*-------------------------------------------------------------------------
 *
 * regex_set.c
 *	  Parser of regular expressions over bytes: what stands for a byte or a
 *	  set of bytes, that is escapes and brackets.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "types/bytestext.h"
#include "types/regex_parser.h"

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

/*
 * Sets of bytes
 */

bool
weir_regex_is_word(unsigned char b)
{
	return b < 0x80 && (isalnum(b) || b == '_');
}

void
weir_byteset_add(WeirByteSet *set, unsigned char b)
{
	set->words[b >> 6] |= UINT64CONST(1) << (b & 63);
}

static void
add_range(WeirByteSet *set, unsigned char lo, unsigned char hi)
{
	for (int b = lo; b <= hi; b++)
		weir_byteset_add(set, b);
}

void
weir_byteset_add_other_case(WeirByteSet *set)
{
	for (int c = 'a'; c <= 'z'; c++)
	{
		int			upper = c - 'a' + 'A';

		if (weir_byteset_has(set, c))
			weir_byteset_add(set, upper);
		else if (weir_byteset_has(set, upper))
			weir_byteset_add(set, c);
	}
}

void
weir_byteset_negate(WeirByteSet *set)
{
	for (int i = 0; i < lengthof(set->words); i++)
		set->words[i] = ~set->words[i];
}

/* Add a named set, or all that is not in it. */
static void
add_named_set(WeirRegexParser *parser, WeirByteSet *set, const NamedSet *named,
			  bool negated)
{
	WeirByteSet named_set = {{0}};

	for (int i = 0; i < named->nranges; i++)
		add_range(&named_set, named->ranges[2 * i], named->ranges[2 * i + 1]);
	if (parser->fold)
		weir_byteset_add_other_case(&named_set);
	if (negated)
		weir_byteset_negate(&named_set);
	for (int i = 0; i < lengthof(set->words); i++)
		set->words[i] |= named_set.words[i];
}

bool
weir_regex_maybe_perl_set(WeirRegexParser *parser, WeirByteSet *set)
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

/* Is this [:alpha:], [:^alpha:] and so on, inside of brackets? */
static bool
maybe_posix_set(WeirRegexParser *parser, WeirByteSet *set)
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
	weir_regex_parse_error(parser, parser->p, "no such character class");
	return false;
}

/*
 * Escapes
 */

/* The rest of \x7f or \x{7f}, from behind the x. */
static unsigned char
parse_hex(WeirRegexParser *parser, const unsigned char *at)
{
	int			value = 0;
	int			ndigits = 0;
	bool		braced = (parser->p < parser->end && *parser->p == '{');

	if (braced)
		parser->p++;
	while (parser->p < parser->end && (braced || ndigits < 2))
	{
		int			digit = weir_hex_value(*parser->p);

		if (digit < 0)
			break;
		value = value * 16 + digit;
		if (value > 0xff)
		{
			weir_regex_parse_error(parser, at, "escape is no byte");
			return 0;
		}
		ndigits++;
		parser->p++;
	}
	if (ndigits == 0 || (!braced && ndigits < 2) ||
		(braced && (parser->p >= parser->end || *parser->p != '}')))
	{
		weir_regex_parse_error(parser, at, "invalid escape sequence");
		return 0;
	}
	if (braced)
		parser->p++;
	return (unsigned char) value;
}

/* \0, or at least two digits; from behind the first one, "digit" */
static bool
is_octal(const WeirRegexParser *parser, unsigned char digit)
{
	return digit == '0' ||
		(digit > '0' && digit <= '7' && parser->p < parser->end &&
		 *parser->p >= '0' && *parser->p <= '7');
}

static unsigned char
parse_octal(WeirRegexParser *parser, const unsigned char *at, unsigned char digit)
{
	int			value = digit - '0';

	for (int i = 0; i < 2 && parser->p < parser->end &&
		 *parser->p >= '0' && *parser->p <= '7'; i++)
		value = value * 8 + *parser->p++ - '0';
	if (value > 0xff)
		weir_regex_parse_error(parser, at, "escape is no byte");
	return (unsigned char) value;
}

unsigned char
weir_regex_parse_escape(WeirRegexParser *parser)
{
	const unsigned char *at = parser->p;
	unsigned char c;

	parser->p++;
	if (parser->p >= parser->end)
	{
		weir_regex_parse_error(parser, at, "trailing backslash");
		return 0;
	}
	c = *parser->p++;

	/* punctuation stands for itself */
	if (c < 0x80 && (c == '_' || !weir_regex_is_word(c)))
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
			weir_regex_parse_error(parser, at,
						"classes of Unicode are not supported: a pattern matches bytes");
			return 0;
		default:
			break;
	}

	if (is_octal(parser, c))
		return parse_octal(parser, at, c);
	if ((c >= '1' && c <= '9') || c == 'k' || c == 'g')
		weir_regex_parse_error(parser, at, "back-references are not supported");

	weir_regex_parse_error(parser, at, "invalid escape sequence");
	return 0;
}

/*
 * Brackets
 */

static unsigned char
parse_class_byte(WeirRegexParser *parser, const unsigned char *at)
{
	if (parser->p >= parser->end)
	{
		weir_regex_parse_error(parser, at, "missing closing ]");
		return 0;
	}
	if (*parser->p == '\\')
		return weir_regex_parse_escape(parser);
	return *parser->p++;
}

void
weir_regex_parse_class(WeirRegexParser *parser, WeirByteSet *set)
{
	const unsigned char *at = parser->p;
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
			weir_regex_parse_error(parser, at, "missing closing ]");
			return;
		}
		if (*parser->p == ']' && !is_first)
			break;
		is_first = false;

		if (maybe_posix_set(parser, set) ||
			weir_regex_maybe_perl_set(parser, set))
			continue;

		lo = hi = parse_class_byte(parser, at);
		/* a hyphen before the closing bracket stands for itself */
		if (parser->end - parser->p >= 2 && parser->p[0] == '-' &&
			parser->p[1] != ']')
		{
			parser->p++;
			hi = parse_class_byte(parser, at);
			if (hi < lo)
				weir_regex_parse_error(parser, item, "invalid character class range");
		}
		add_range(&range, lo, hi);
		if (parser->fold)
			weir_byteset_add_other_case(&range);
		for (int i = 0; i < lengthof(range.words); i++)
			set->words[i] |= range.words[i];
	}
	parser->p++;

	if (negated)
		weir_byteset_negate(set);
}
