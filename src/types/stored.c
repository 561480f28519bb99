/*-------------------------------------------------------------------------
 *
 * stored.c
 *	  The cell as it lies in segments of a wide table.
 *
 * See stored.h for the bytes.  The functions of the hot path are inline
 * there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "types/stored.h"

char *
weir_stored_cell_write(char *p, const WeirStoredCell *cell)
{
	p = weir_write_u16(p, cell->family);
	p = weir_write_u16(p, cell->qualifier_len);
	p = weir_write_u32(p, ((uint32) cell->op << 28) | cell->value_len);
	p = weir_write_i64(p, cell->ts);
	memcpy(p, cell->qualifier, cell->qualifier_len);
	p += cell->qualifier_len;
	memcpy(p, cell->value, cell->value_len);
	return p + cell->value_len;
}

/* The text form of the internal types: \x and hexadecimal digits. */
void
weir_hex_out(const char *bytes, Size len, char **result)
{
	char	   *text = palloc_extended(len * 2 + 3, MCXT_ALLOC_HUGE);

	text[0] = '\\';
	text[1] = 'x';
	hex_encode(bytes, len, text + 2);
	text[len * 2 + 2] = '\0';
	*result = text;
}

/*
 * The bytes, with VARHDRSZ bytes of room before them, and their length.
 */
char *
weir_hex_in(const char *text, const char *type, Size *len)
{
	Size		n = strlen(text);
	char	   *bytes;

	if (n < 2 || text[0] != '\\' || text[1] != 'x')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s", type),
				 errdetail("The value must begin with \"\\x\".")));
	bytes = palloc(VARHDRSZ + n / 2);
	*len = hex_decode(text + 2, n - 2, bytes + VARHDRSZ);
	return bytes;
}
