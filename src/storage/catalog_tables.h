/*-------------------------------------------------------------------------
 *
 * catalog_tables.h
 *	  Columns of the tables that describe wide tables, for those who read or
 *	  write them: catalog.c and wide_table.c.  Keep in step with catalog.sql.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_CATALOG_TABLES_H
#define WEIR_CATALOG_TABLES_H

#include "access/genam.h"
#include "access/tupdesc.h"
#include "utils/relcache.h"

#include "types/stored.h"

#define Anum_wide_tables_face			1
#define Anum_wide_tables_delta			2
#define Anum_wide_tables_base			3
#define Anum_wide_tables_seq			4
#define Anum_wide_tables_granularity	5
#define Anum_wide_tables_last_family	6
#define Natts_wide_tables				6

#define Anum_families_face				1
#define Anum_families_number			2
#define Anum_families_name				3
#define Anum_families_aggregate			4
#define Anum_families_gc				5
#define Natts_families					5

#define Anum_family_rules_face			1
#define Anum_family_rules_number		2
#define Anum_family_rules_until_seq		3
#define Anum_family_rules_until_time	4
#define Anum_family_rules_gc			5
#define Natts_family_rules				5

#define Anum_authorized_views_face		1
#define Anum_authorized_views_home		2
#define Anum_authorized_views_prefixes	3
#define Anum_authorized_views_columns	4
#define Natts_authorized_views			4

#define Anum_change_streams_face		1
#define Anum_change_streams_changes		2
#define Anum_change_streams_since_seq	3
#define Anum_change_streams_trimmed_to	4
#define Natts_change_streams			4

/* the rows of a face in a table whose index begins with it */
extern SysScanDesc weir_catalog_scan(Relation rel, const char *index, Oid face);

/* Calls the function for each row of a table. */
typedef void (*WeirCatalogVisit) (HeapTuple tuple, TupleDesc desc, void *arg);

extern void weir_catalog_visit(const char *name, WeirCatalogVisit visit,
							   void *arg);

/* an attribute of type oid that is not null */
extern Oid	weir_catalog_oid(HeapTuple tuple, int attnum, TupleDesc desc);

/* NULL: none, SET; raises 22023 for what is not the name of an aggregate */
extern WeirCellOp weir_op_of_aggregate(const char *aggregate);

#endif							/* WEIR_CATALOG_TABLES_H */
