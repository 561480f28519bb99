/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  What is known of a wide table: its relations and its families.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CATALOG_H
#define WEIR_CATALOG_H

#include "nodes/execnodes.h"
#include "storage/lockdefs.h"
#include "utils/acl.h"

#include "types/fold.h"
#include "types/key_range.h"

typedef struct WeirRestriction WeirRestriction;

typedef struct WeirFamily
{
	uint16		number;
	uint16		name_len;
	WeirCellOp	op;				/* SET for a family that is no aggregate */
	const char *name;
	const WeirGcRule *gc;		/* the rule in force, or NULL */
} WeirFamily;

/*
 * The description of a wide table, cached.  It stays as it is, and allocated,
 * until the end of the transaction, even if the table is altered; is_outdated
 * then says so.
 */
typedef struct WeirWideTable
{
	MemoryContext context;		/* holds all of this */
	bool		is_outdated;	/* something has changed since it was read */
	Oid			face;			/* the foreign table that users see */
	Oid			home;			/* the face, or that of the wide table if this
								 * is an authorized view of it */
	struct WeirRestriction *restriction;	/* of an authorized view, or NULL */
	Oid			delta;
	Oid			delta_index;	/* (row_key, seq), unless it is outdated */
	Oid			base;
	Oid			base_index;		/* (row_key, part), likewise */
	Oid			seq;
	Oid			changes;		/* heap of its change stream, or InvalidOid */
	Oid			changes_index;	/* (seq), likewise */
	bool		is_millis;		/* timestamps are whole milliseconds */
	bool		has_rules;		/* any family with a garbage-collection rule */
	int64		rules_replaced;	/* number as of which a rule was last replaced
								 * of those that are remembered, or 0 */
	bool		is_in_name_order;	/* family numbers ascend with the names */
	int			nfamilies;
	WeirFamily *families;		/* ascending by name */
	uint32		nnumbers;		/* highest family number + 1 */
	WeirFoldFamily *by_number;
	const WeirFamily **family_by_number;	/* NULL where there is none */
	IndexInfo  *delta_index_info;	/* rowstore.c's, or NULL */
	List	   *changes_indexes;	/* changes.c's: oids of the indexes */
	List	   *changes_index_infos;	/* and an IndexInfo for each, or NIL */
} WeirWideTable;

/*
 * Locks the face and describes the table.  The current user must have the
 * rights "required" on the face (0: none).  Raises 42P01 if there is no such
 * wide table.
 */
extern WeirWideTable *weir_wide_table_open(Oid face, LOCKMODE lockmode,
										   AclMode required);

/* the same for a face that is locked, without looking at rights */
extern WeirWideTable *weir_wide_table_require(Oid face);

/* and if it is an authorized view, its wide table is locked, too */
extern WeirWideTable *weir_wide_table_require_locked(Oid face,
													 LOCKMODE lockmode);

/* Checks rights as above without opening. */
extern void weir_wide_table_check_acl(Oid face, AclMode required);

/* by name; NULL, or 42703, when there is none */
extern const WeirFamily *weir_family_find(const WeirWideTable *table,
										  const char *name, Size len);
extern const WeirFamily *weir_family_get(const WeirWideTable *table,
										 const char *name, Size len);

/* the faces of all wide tables, a list of oids */
extern List *weir_wide_table_list(void);

/* the wide table in argument n; NULL raises 22023 */
extern Oid	weir_table_argument(FunctionCallInfo fcinfo, int n);

/* the clock, in microseconds since 1970 */
extern int64 weir_clock_usec(void);

extern void weir_catalog_init(void);

#endif							/* WEIR_CATALOG_H */
