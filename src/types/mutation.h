/*-------------------------------------------------------------------------
 *
 * mutation.h
 *	  The type weir.mutation: one change to a row, as the user writes it.
 *
 * Families are still names here.  The format is described at the top of
 * mutation.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_MUTATION_H
#define WEIR_MUTATION_H

#include "fmgr.h"

#include "types/delta.h"

/* the most mutations, or rules, in one call */
#define WEIR_MAX_MUTATIONS	100000

typedef enum WeirMutationKind
{
	WEIR_SET_CELL = 1,
	WEIR_ADD_TO_CELL,
	WEIR_MERGE_TO_CELL,
	WEIR_DELETE_FROM_COLUMN,
	WEIR_DELETE_FROM_FAMILY,
	WEIR_DELETE_FROM_ROW
} WeirMutationKind;

#define WEIR_MUTATION_SERVER_TIME	0x01	/* set_cell without a timestamp */
#define WEIR_MUTATION_BYTES_INPUT	0x02	/* add_to_cell: bytes, no integer */
#define WEIR_MUTATION_NULL_STATE	0x04	/* merge_to_cell does nothing */
#define WEIR_MUTATION_TEXT_INPUT	0x08	/* they are text, may be an integer */

typedef struct WeirMutation
{
	WeirMutationKind kind;
	uint8		flags;
	uint8		family_len;
	uint16		qualifier_len;
	uint32		value_len;
	int64		ts;				/* of the cell, or "from" of a column */
	int64		to;				/* of a column */
	const char *family;
	const char *qualifier;
	const char *value;
} WeirMutation;

/* The result points into the bytes.  Raises DATA_CORRUPTED. */
extern void weir_mutation_read(WeirMutation *mutation,
							   const char *bytes, Size len);
extern void weir_mutation_from_datum(WeirMutation *mutation, Datum d);

/* The value of the type, allocated in the current memory context. */
extern Datum weir_mutation_to_datum(const WeirMutation *mutation);

extern Datum weir_mutation_out(PG_FUNCTION_ARGS);

/* the name that the kind has in the text form */
extern const char *weir_mutation_name(WeirMutationKind kind);

/*
 * The arguments of constructors and of functions on wide tables: the bytes of
 * a bytea, or the UTF-8 bytes of a text.  NULL raises 22023, naming "what".
 */
extern const char *weir_bytes_argument(FunctionCallInfo fcinfo, int n,
									   bool is_text, const char *what,
									   uint32 *len);

typedef enum WeirValueKind
{
	WEIR_VALUE_BYTES,
	WEIR_VALUE_TEXT,
	WEIR_VALUE_INTEGER
} WeirValueKind;

/* The mutation that set_cell makes of four arguments, which it points into. */
extern void weir_set_cell_arguments(FunctionCallInfo fcinfo, int first,
									bool qualifier_is_text,
									WeirValueKind value_kind,
									WeirMutation *mutation);

/* A family name given as text; raises as weir_check_family does. */
extern const char *weir_family_argument(FunctionCallInfo fcinfo, int n,
										uint32 *len);

#endif							/* WEIR_MUTATION_H */
