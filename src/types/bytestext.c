/*-------------------------------------------------------------------------
 *
 * bytestext.c
 *	  Arbitrary bytes as text: literally if that can be read, else in hex.
 *
 * The bytes of qualifiers and values are shown literally if they are
 * printable text and do not begin with "\x"; else as "\x" and lower-case
 * hexadecimal digits.  Printable are the ASCII characters from space to "~"
 * and, in a database whose encoding is UTF-8, every valid UTF-8 character
 * that is neither a control character (U+0080 to U+009F) nor a line or
 * paragraph separator (U+2028, U+2029).  In a database of another encoding
 * only ASCII is shown literally, since the rest would change its bytes on
 * the way to a client.
 *
 * A literal text that is read stands for its UTF-8 bytes, whatever the
 * encoding of the database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"

#include "types/bytestext.h"
#include "weir.h"

typedef enum BytesForm
{
	BYTES_PLAIN,				/* literal, and the same within a JSON string */
	BYTES_ESCAPED,				/* literal, with characters JSON escapes */
	BYTES_HEX
} BytesForm;

#define ONES UINT64CONST(0x0101010101010101)
#define HIGHS UINT64CONST(0x8080808080808080)
#define LOWS UINT64CONST(0x000F000F000F000F)

/*
 * Of these eight bytes, those that are not printable ASCII, or are '"' or
 * '\', have their high bit set in the result.  So may the bytes after such
 * a one in memory order, but then the result is not zero anyway.
 */
static inline uint64
not_plain(const char *p)
{
	uint64		v;
	uint64		quote;
	uint64		backslash;

	memcpy(&v, p, sizeof(v));
	quote = v ^ (ONES * '"');
	backslash = v ^ (ONES * '\\');

	/*
	 * A byte's high bit ends up set if the byte has it set, is 0x7f, is less
	 * than 0x20, or is zero after the exclusive or.  A carry or borrow
	 * disturbs only the bytes after one that is found anyway.
	 */
	return (v | (v + ONES) | (v - ONES * 0x20) |
			(quote - ONES) | (backslash - ONES)) & HIGHS;
}

/*
 * Copies sixteen bytes.  Returns what is not zero in every case in which one
 * of them is not plain.
 */
#ifdef __SSE2__
typedef __m128i NotPlain;

static inline NotPlain
copy_sixteen(char *out, const char *p)
{
	__m128i		v = _mm_loadu_si128((const __m128i *) p);
	__m128i		bad;

	_mm_storeu_si128((__m128i *) out, v);
	/* as signed numbers, bytes with the high bit set are below the space */
	bad = _mm_cmplt_epi8(v, _mm_set1_epi8(' '));
	bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7F)));
	bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
	return _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
}

#define either_not_plain(a, b)	_mm_or_si128(a, b)
#define is_all_plain(a)	(_mm_movemask_epi8(a) == 0)
#else
typedef uint64 NotPlain;

static inline NotPlain
copy_sixteen(char *out, const char *p)
{
	NotPlain	bad = not_plain(p) | not_plain(p + 8);

	memcpy(out, p, 16);
	return bad;
}

#define either_not_plain(a, b)	((a) | (b))
#define is_all_plain(a)	((a) == 0)
#endif

/*
 * Copies the bytes.  False if not all of them are printable ASCII that JSON
 * does not escape; then what stands in "out" is of no use.
 */
static inline bool
copy_plain(char *out, const char *p, size_t len)
{
	if (len >= 16)
	{
		size_t		last = len - 16;
		NotPlain	bad = copy_sixteen(out + last, p + last);

		/* some of the last sixteen may be seen twice */
		for (size_t i = 0; i < last; i += 16)
			bad = either_not_plain(bad, copy_sixteen(out + i, p + i));
		return is_all_plain(bad);
	}
	if (len >= 8)
	{
		uint64		bad = not_plain(p) | not_plain(p + len - 8);

		memcpy(out, p, 8);
		memcpy(out + len - 8, p + len - 8, 8);
		return bad == 0;
	}
	for (size_t i = 0; i < len; i++)
	{
		if (p[i] < ' ' || p[i] > '~' || p[i] == '"' || p[i] == '\\')
			return false;
		out[i] = p[i];
	}
	return true;
}

/* The length of the printable character beyond ASCII at p, or 0 */
static int
printable_utf8(const unsigned char *p, const unsigned char *end)
{
	int			len = pg_utf_mblen(p);

	if (len < 2 || len > end - p || !pg_utf8_islegal(p, len))
		return 0;
	if (p[0] == 0xC2 && p[1] < 0xA0)
		return 0;				/* control characters */
	if (p[0] == 0xE2 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9))
		return 0;				/* separators of lines and paragraphs */
	return len;
}

static BytesForm
bytes_form(const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *) bytes;
	const unsigned char *end = p + len;
	BytesForm	form = BYTES_PLAIN;

	if (len >= 2 && bytes[0] == '\\' && bytes[1] == 'x')
		return BYTES_HEX;
	while (p < end)
	{
		int			char_len = 1;

		if (end - p >= 8 && not_plain((const char *) p) == 0)
		{
			p += 8;
			continue;
		}
		if (*p == '"' || *p == '\\')
			form = BYTES_ESCAPED;
		else if (*p < 0x20 || *p == 0x7F)
			return BYTES_HEX;
		else if (*p >= 0x80)
		{
			char_len = printable_utf8(p, end);
			if (char_len == 0 || GetDatabaseEncoding() != PG_UTF8)
				return BYTES_HEX;
		}
		p += char_len;
	}
	return form;
}

/* Four bytes as eight hexadecimal digits */
static inline void
put_hex_of_four(char *out, const char *bytes)
{
	const unsigned char *b = (const unsigned char *) bytes;
	uint64		v = b[0] | (uint64) b[1] << 16 | (uint64) b[2] << 32 |
	(uint64) b[3] << 48;

	/* a byte for each half-byte, and what makes it a digit or a letter */
	v = ((v & (LOWS << 4)) >> 4) | ((v & LOWS) << 8);
	v += ONES * '0' + (((v + ONES * 6) >> 4) & ONES) * ('a' - '0' - 10);
#ifdef WORDS_BIGENDIAN
	v = pg_bswap64(v);
#endif
	memcpy(out, &v, sizeof(v));
}

static char *
put_hex(char *out, const char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (; len >= 4; len -= 4, bytes += 4, out += 8)
		put_hex_of_four(out, bytes);
	for (; len > 0; len--, bytes++)
	{
		unsigned char c = (unsigned char) *bytes;

		*out++ = digits[c >> 4];
		*out++ = digits[c & 0xF];
	}
	return out;
}

static char *
put_escaped(char *out, const char *bytes, size_t len)
{
	size_t		i;

	for (i = 0; i < len; i++)
	{
		if (bytes[i] == '"' || bytes[i] == '\\')
			*out++ = '\\';
		*out++ = bytes[i];
	}
	return out;
}

char *
weir_bytes_put_json(char *out, const char *bytes, size_t len)
{
	*out++ = '"';
	if (copy_plain(out, bytes, len))
	{
		out += len;
		*out++ = '"';
		return out;
	}
	switch (bytes_form(bytes, len))
	{
		case BYTES_PLAIN:
			memcpy(out, bytes, len);
			out += len;
			break;
		case BYTES_ESCAPED:
			out = put_escaped(out, bytes, len);
			break;
		case BYTES_HEX:
			memcpy(out, "\\\\x", 3);
			out = put_hex(out + 3, bytes, len);
			break;
	}
	*out++ = '"';
	return out;
}

void
weir_bytes_append_json(StringInfo buf, const char *bytes, size_t len)
{
	char	   *end;

	enlargeStringInfo(buf, WEIR_BYTES_JSON_LEN(len));
	end = weir_bytes_put_json(buf->data + buf->len, bytes, len);
	*end = '\0';
	buf->len = end - buf->data;
}

bool
weir_bytes_are_text(const char *bytes, size_t len)
{
	return bytes_form(bytes, len) != BYTES_HEX;
}

char *
weir_bytes_to_text(const char *bytes, size_t len)
{
	char	   *text;

	if (weir_bytes_are_text(bytes, len))
		return pnstrdup(bytes, len);
	text = palloc(2 + 2 * len + 1);
	memcpy(text, "\\x", 2);
	*put_hex(text + 2, bytes, len) = '\0';
	return text;
}

static bool
bytes_from_hex(const char *digits, size_t digits_len, Node *escontext,
			   char **bytes, size_t *len)
{
	char	   *out = palloc(digits_len / 2 + 1);
	size_t		i;

	*bytes = out;
	*len = digits_len / 2;
	for (i = 0; i + 1 < digits_len; i += 2)
	{
		int			high = weir_hex_value(digits[i]);
		int			low = weir_hex_value(digits[i + 1]);

		if (high < 0 || low < 0)
			break;
		*out++ = (char) (high << 4 | low);
	}
	if (i == digits_len)
		return true;
	weir_errsave(escontext,
				 (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				  errmsg("invalid hexadecimal bytes"),
				  errdetail("After \"\\x\" there must be two hexadecimal digits for each byte.")));
	return false;
}

bool
weir_bytes_from_text(char *text, size_t text_len, Node *escontext,
					 char **bytes, size_t *len)
{
	if (text_len >= 2 && text[0] == '\\' && text[1] == 'x')
		return bytes_from_hex(text + 2, text_len - 2, escontext, bytes, len);

	/* raises if the encoding of the database has characters UTF-8 lacks */
	*bytes = pg_server_to_any(text, (int) text_len, PG_UTF8);
	*len = (*bytes == text) ? text_len : strlen(*bytes);
	return true;
}

const char *
weir_bytes_of_text(const text *t, size_t *len)
{
	const char *s = VARDATA_ANY(t);
	const char *bytes = pg_server_to_any(s, VARSIZE_ANY_EXHDR(t), PG_UTF8);

	*len = (bytes == s) ? VARSIZE_ANY_EXHDR(t) : strlen(bytes);
	return bytes;
}

text *
weir_text_of_bytes(const char *bytes, size_t len)
{
	char	   *s = pg_any_to_server(bytes, (int) len, PG_UTF8);

	/* a value with a zero byte is no valid text, so there is none in s */
	return cstring_to_text_with_len(s, (s == bytes) ? len : strlen(s));
}
