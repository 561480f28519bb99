/*-------------------------------------------------------------------------
 *
 * authorized_view.c
 *	  A part of a wide table, with rights of its own.
 *
 * An authorized view is a foreign table like the face of a wide table, with
 * grants of its own, over the heaps of another one.  Its row in the catalog
 * says which rows, by prefixes of their keys, and which columns it holds:
 * 'family', 'family:qualifier' or 'family:prefix*'.
 *
 * What is not in the view reads as if it did not exist.  A write outside it
 * raises 42501, and with it fails the whole call.  Everything that concerns
 * the table as such must be done to the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "storage/authorized_view.h"
#include "storage/catalog_tables.h"
#include "storage/owner.h"
#include "storage/wide_table.h"
#include "types/bytestext.h"
#include "types/json_list.h"
#include "weir.h"

/* ---- the restriction ---- */

static bool
begins_with(const WeirRowKey *key, const WeirRowKey *prefix)
{
	return prefix->len <= key->len &&
		memcmp(prefix->bytes, key->bytes, prefix->len) == 0;
}

/* Sorts the prefixes, leaves out what others hold, and makes ranges of them. */
static void
set_ranges(WeirRestriction *restriction)
{
	WeirRowKey *prefixes = restriction->prefixes;
	int			n = 0;

	qsort(prefixes, restriction->nprefixes, sizeof(WeirRowKey),
		  weir_row_key_cmp_void);
	restriction->ranges = palloc(sizeof(WeirKeyRange) *
								 (restriction->nprefixes + 1));
	for (int i = 0; i < restriction->nprefixes; i++)
	{
		if (n > 0 && begins_with(&prefixes[i], &prefixes[n - 1]))
			continue;
		prefixes[n] = prefixes[i];
		restriction->ranges[n] = weir_key_range_of_prefix(prefixes[n].bytes,
														  prefixes[n].len);
		n++;
	}
	restriction->nprefixes = n;
}

static void
read_prefixes(WeirRestriction *restriction, Datum d)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypePCopy(d), BYTEAOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &n);
	restriction->prefixes = palloc(sizeof(WeirRowKey) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		struct varlena *v;

		if (nulls[i])
			weir_argument_is_null("prefix of row keys");
		v = PG_DETOAST_DATUM_PACKED(elements[i]);
		restriction->prefixes[i].bytes = VARDATA_ANY(v);
		restriction->prefixes[i].len = VARSIZE_ANY_EXHDR(v);
	}
	restriction->nprefixes = n;
	set_ranges(restriction);
}

/* The qualifiers that begin with the prefix. */
static void
set_prefix(WeirColumns *columns, const char *prefix, uint32 len)
{
	WeirKeyRange range = weir_key_range_of_prefix(prefix, len);

	columns->start = range.lower.bytes;
	columns->start_len = range.lower.len;
	columns->end = range.upper.bytes;
	columns->end_len = range.upper.len;
	columns->end_open = true;
}

/*
 * Reads one text such as 'family:qualifier'.  False if there is no such
 * family: then it holds nothing.
 */
static bool
read_columns(const WeirWideTable *table, char *text, WeirColumns *columns)
{
	char	   *colon = strchr(text, ':');
	Size		family_len = colon ? colon - text : strlen(text);
	const WeirFamily *family = weir_family_find(table, text, family_len);
	char	   *qualifier;
	Size		len;
	bool		is_prefix;

	memset(columns, 0, sizeof(*columns));
	weir_check_family(text, family_len);
	if (colon != NULL)
	{
		len = strlen(colon + 1);
		is_prefix = len > 0 && colon[len] == '*';
		(void) weir_bytes_from_text(colon + 1, is_prefix ? len - 1 : len,
									NULL, &qualifier, &len);
		weir_check_qualifier_len(len);
		if (is_prefix)
			set_prefix(columns, qualifier, len);
		else
		{
			columns->start = columns->end = qualifier;
			columns->start_len = columns->end_len = len;
		}
	}
	if (family == NULL)
		return false;
	columns->family = family->number;
	return true;
}

static void
read_column_set(WeirRestriction *restriction, const WeirWideTable *table,
				Datum d)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(d), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &n);
	restriction->columns = palloc0(offsetof(WeirColumnSet, ranges) +
								   sizeof(WeirColumns) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		WeirColumnSet *set = restriction->columns;

		if (nulls[i])
			weir_argument_is_null("column");
		if (read_columns(table, TextDatumGetCString(elements[i]),
						 &set->ranges[set->nranges]))
			set->nranges++;
	}
}

WeirRestriction *
weir_restriction_create(const WeirWideTable *table,
						Datum prefixes, bool no_prefixes,
						Datum columns, bool no_columns)
{
	WeirRestriction *restriction = palloc0(sizeof(WeirRestriction));

	if (!no_prefixes)
		read_prefixes(restriction, prefixes);
	if (!no_columns)
		read_column_set(restriction, table, columns);
	return restriction;
}

bool
weir_restriction_has_row(const WeirRestriction *restriction, WeirRowKey key)
{
	if (restriction->prefixes == NULL)
		return true;
	for (int i = 0; i < restriction->nprefixes; i++)
	{
		if (begins_with(&key, &restriction->prefixes[i]))
			return true;
	}
	return false;
}

/* ---- checks ---- */

static void
outside_of_view(const WeirWideTable *table, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("write outside of authorized view \"%s\"",
					get_rel_name(table->face)),
			 errdetail("%s", detail)));
}

void
weir_check_row_in_view(const WeirWideTable *table, WeirRowKey key)
{
	if (table->restriction != NULL &&
		!weir_restriction_has_row(table->restriction, key))
		outside_of_view(table, "The row key has none of its prefixes.");
}

/* Does the range hold the column, or the whole family? */
static bool
range_holds(const WeirColumns *range, const char *qualifier,
			uint32 qualifier_len)
{
	int			c;

	if (qualifier == NULL)
		return (range->start == NULL || range->start_len == 0) &&
			range->end == NULL;
	if (range->start != NULL &&
		weir_bytes_cmp(qualifier, qualifier_len,
					   range->start, range->start_len) < 0)
		return false;
	if (range->end == NULL)
		return true;
	c = weir_bytes_cmp(qualifier, qualifier_len, range->end, range->end_len);
	return c < 0 || (c == 0 && !range->end_open);
}

void
weir_check_column_in_view(const WeirWideTable *table, const WeirFamily *family,
						  const char *qualifier, uint32 qualifier_len)
{
	const WeirColumnSet *columns;

	if (table->restriction == NULL || table->restriction->columns == NULL)
		return;
	columns = table->restriction->columns;
	for (int i = 0; i < columns->nranges; i++)
		if (columns->ranges[i].family == family->number &&
			range_holds(&columns->ranges[i], qualifier, qualifier_len))
			return;
	outside_of_view(table, qualifier == NULL ?
					"It does not hold all of the family." :
					"It does not hold the column.");
}

void
weir_check_whole_row_in_view(const WeirWideTable *table)
{
	if (table->restriction != NULL && table->restriction->columns != NULL)
		outside_of_view(table, "It does not hold all columns of a row.");
}

void
weir_check_is_no_view(const WeirWideTable *table)
{
	if (table->restriction != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is an authorized view",
						get_rel_name(table->face)),
				 errhint("Do this to the wide table \"%s\".",
						 get_rel_name(table->home))));
}

/* ---- creating and dropping ---- */

static void
insert_view(Oid view, Oid home, FunctionCallInfo fcinfo)
{
	Relation	rel = table_open(weir_own_relid("_authorized_views", false),
								 RowExclusiveLock);
	Datum		values[Natts_authorized_views] = {0};
	bool		nulls[Natts_authorized_views] = {false};

	values[Anum_authorized_views_face - 1] = ObjectIdGetDatum(view);
	values[Anum_authorized_views_home - 1] = ObjectIdGetDatum(home);
	nulls[Anum_authorized_views_prefixes - 1] = PG_ARGISNULL(2);
	if (!PG_ARGISNULL(2))
		values[Anum_authorized_views_prefixes - 1] = PG_GETARG_DATUM(2);
	nulls[Anum_authorized_views_columns - 1] = PG_ARGISNULL(3);
	if (!PG_ARGISNULL(3))
		values[Anum_authorized_views_columns - 1] = PG_GETARG_DATUM(3);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel),
											values, nulls));
	table_close(rel, NoLock);
}

void
weir_link_authorized_view(Oid view, Oid home)
{
	ObjectAddress view_address;
	ObjectAddress home_address;

	ObjectAddressSet(view_address, RelationRelationId, view);
	ObjectAddressSet(home_address, RelationRelationId, home);
	recordDependencyOn(&view_address, &home_address, DEPENDENCY_NORMAL);
}

PG_FUNCTION_INFO_V1(weir_create_authorized_view);
Datum
weir_create_authorized_view(PG_FUNCTION_ARGS)
{
	Oid			home = weir_table_argument(fcinfo, 1);
	WeirWideTable *table = weir_wide_table_open(home, AccessShareLock, 0);
	Oid			view;

	PreventCommandIfReadOnly("weir.create_authorized_view()");
	if (PG_ARGISNULL(0))
		weir_argument_is_null("name");
	weir_check_owner(home);
	weir_check_is_no_view(table);
	/* for the checks */
	(void) weir_restriction_create(table, PG_ARGISNULL(2) ? 0 : PG_GETARG_DATUM(2),
								   PG_ARGISNULL(2),
								   PG_ARGISNULL(3) ? 0 : PG_GETARG_DATUM(3),
								   PG_ARGISNULL(3));
	view = weir_create_face(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	insert_view(view, home, fcinfo);
	weir_link_authorized_view(view, home);
	CacheInvalidateRelcacheByRelid(view);
	CommandCounterIncrement();
	PG_RETURN_OID(view);
}

PG_FUNCTION_INFO_V1(weir_drop_authorized_view);
Datum
weir_drop_authorized_view(PG_FUNCTION_ARGS)
{
	Oid			view = weir_table_argument(fcinfo, 0);
	WeirWideTable *table = weir_wide_table_open(view, AccessExclusiveLock, 0);

	PreventCommandIfReadOnly("weir.drop_authorized_view()");
	if (table->restriction == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("\"%s\" is not an authorized view",
						get_rel_name(view))));
	weir_check_owner(view);
	weir_drop_face(view);
	PG_RETURN_VOID();
}
