/*-------------------------------------------------------------------------
 *
 * state_scan.h
 *	  A custom scan over state rows, from wherever they come.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STATE_SCAN_H
#define WEIR_STATE_SCAN_H

#include "nodes/plannodes.h"

#include "aggregate/partial.h"

/*
 * A scan of the source, to be put in the place of that of an ephemeral named
 * relation with the columns of the definition's state_desc.  The plan is for
 * one run: it is never copied or written out.
 */
extern Plan *weir_state_scan_make(WeirDefinition *def, Plan *old,
								  WeirStateSource *source);

#endif							/* WEIR_STATE_SCAN_H */
