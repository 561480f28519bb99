/*-------------------------------------------------------------------------
 *
 * row_type.c
 *	  Types whose values hold rows, in state.
 *
 * A row type can be altered while values of it are stored.  The server reads a
 * stored row that lacks the last columns as if these were NULL, and looks at
 * none that has been dropped; so state goes on to be right when columns are
 * added or dropped, and groups that have become equal are made one, as long as
 * nothing is derived from the row and kept: see has_lasting_hash in
 * definition.c.
 *
 * When a column is given another type, or a default that is meant for rows that
 * are there already, stored rows would have to be written anew.  The server
 * refuses that if a column of a table is of the row type, or of one made of it,
 * which it sees by dependencies.  State lies in a column of type bytea, to
 * which these are added here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"

#include "aggregate/row_type.h"

Oid
weir_row_type_inner(Oid type)
{
	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			return getBaseType(type);
		case TYPTYPE_RANGE:
			return get_range_subtype(type);
		case TYPTYPE_MULTIRANGE:
			return get_multirange_range(type);
		default:
			return get_element_type(type);
	}
}

static bool
is_row_type(Oid type)
{
	return get_typtype(type) == TYPTYPE_COMPOSITE || type == RECORDOID ||
		type == RECORDARRAYOID;
}

bool
weir_row_type_holds(Oid type)
{
	while (OidIsValid(type) && !is_row_type(type))
		type = weir_row_type_inner(type);
	return OidIsValid(type);
}

static void
add_type(Oid type, ObjectAddresses *types)
{
	ObjectAddress address;

	if (!weir_row_type_holds(type))
		return;
	ObjectAddressSet(address, TypeRelationId, type);
	add_exact_object_address(&address, types);
}

/*
 * State rows hold keys, states, and, in states that are bytes only to the
 * server, arguments of aggregate functions.
 */
void
weir_row_type_guard(const WeirDefinition *def, Oid relid, AttrNumber column)
{
	ObjectAddresses *types = new_object_addresses();
	ObjectAddress object;
	ListCell   *lc;
	ListCell   *lc2;
	int			i;

	for (i = 0; i < def->state_desc->natts; i++)
		add_type(TupleDescAttr(def->state_desc, i)->atttypid, types);
	foreach(lc, def->aggs)
	{
		foreach(lc2, lfirst_node(Aggref, lc)->aggargtypes)
			add_type(lfirst_oid(lc2), types);
	}
	ObjectAddressSubSet(object, RelationRelationId, relid, column);
	record_object_address_dependencies(&object, types, DEPENDENCY_NORMAL);
	free_object_addresses(types);
}
