/*-------------------------------------------------------------------------
 *
 * bytestext.h
 *	  Arbitrary bytes as text: literally if that can be read, else in hex.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_BYTESTEXT_H
#define WEIR_BYTESTEXT_H

#include "lib/stringinfo.h"
#include "nodes/nodes.h"

/*
 * A text that stands for bytes: "\x" and hexadecimal digits, or anything
 * else, which means its UTF-8 bytes.  The result is the text itself or new.
 * False after a soft error: 22P02 for wrong digits.
 */
extern bool weir_bytes_from_text(char *text, size_t text_len, Node *escontext,
								 char **bytes, size_t *len);

/*
 * Writes the bytes as a JSON string that weir_bytes_from_text reads back.
 * "put" returns where it ended and needs room for WEIR_BYTES_JSON_LEN, the
 * longest that it can be.
 */
#define WEIR_BYTES_JSON_LEN(len)	(5 + 2 * (Size) (len))

extern char *weir_bytes_put_json(char *out, const char *bytes, size_t len);
extern void weir_bytes_append_json(StringInfo buf, const char *bytes,
								   size_t len);

/* Will the bytes appear literally? */
extern bool weir_bytes_are_text(const char *bytes, size_t len);

/* What weir_bytes_append_json appends, not quoted as JSON: a new string. */
extern char *weir_bytes_to_text(const char *bytes, size_t len);

/*
 * Between an SQL text and the bytes it means, UTF-8: the bytes are in the
 * text or new.  Text of bytes that are not valid UTF-8 raises 22021.
 */
extern const char *weir_bytes_of_text(const text *t, size_t *len);
extern text *weir_text_of_bytes(const char *bytes, size_t len);

/* What a hexadecimal digit stands for, or -1. */
static inline int
weir_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

#endif							/* WEIR_BYTESTEXT_H */
