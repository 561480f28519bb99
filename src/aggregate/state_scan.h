/*-------------------------------------------------------------------------
 *
 * state_scan.h
 *	  Scan of state rows in a plan of ours.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_STATE_SCAN_H
#define WEIR_STATE_SCAN_H

#include "nodes/plannodes.h"

#include "aggregate/partial.h"

/* name of the relation that is scanned in the query environment */
#define WEIR_STATE_SCAN_NAME	"state"

/*
 * A plan node in the place of the old one, a scan of relation 1 of the query,
 * whose columns are those of the definition's state_desc.
 */
extern Plan *weir_state_scan_make(const WeirDefinition *def, Plan *old);

/* the environment in which the plan is run over the source */
extern QueryEnvironment *weir_state_scan_env(WeirStateSource *source);

#endif							/* WEIR_STATE_SCAN_H */
