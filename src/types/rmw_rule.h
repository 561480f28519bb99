/*-------------------------------------------------------------------------
 *
 * rmw_rule.h
 *	  The type weir.rmw_rule: one rule of a read-modify-write.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_RMW_RULE_H
#define WEIR_RMW_RULE_H

#include "types/cell.h"

typedef enum WeirRmwKind
{
	WEIR_RMW_APPEND = 1,
	WEIR_RMW_INCREMENT
} WeirRmwKind;

typedef struct WeirRmwRule
{
	WeirRmwKind kind;
	uint8		family_len;
	uint16		qualifier_len;
	uint32		value_len;		/* of what is appended */
	int64		amount;
	const char *family;
	const char *qualifier;
	const char *value;
} WeirRmwRule;

/* The result points into the bytes.  Raises DATA_CORRUPTED. */
extern void weir_rmw_rule_read(WeirRmwRule *rule, const char *bytes, Size len);

#endif							/* WEIR_RMW_RULE_H */
