/*-------------------------------------------------------------------------
 *
 * definition_from.h
 *	  What the query of a continuous aggregate reads; for definition.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DEFINITION_FROM_H
#define WEIR_DEFINITION_FROM_H

#include "aggregate/definition.h"

/*
 * Find stream or parent, and window, in the range table of def->query, and take
 * the parameters of the window.  Raises 0A000 where they cannot be kept.
 */
extern void weir_definition_read_from(WeirDefinition *def);

#endif							/* WEIR_DEFINITION_FROM_H */
