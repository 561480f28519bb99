/*-------------------------------------------------------------------------
 *
 * rights.c
 *	  With whose rights, and under which settings, weir acts.
 *
 * An aggregate runs with the rights of its owner, as a view does, but whoever
 * looks, and also with nobody looking.  So it runs as REFRESH MATERIALIZED
 * VIEW does: in a security-restricted operation.  Its result must not depend
 * on who looks either; so the settings on which text and dates depend are
 * those of its creation.
 *
 * After an error the (sub)transaction's abort puts user and settings back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/event_trigger.h"
#include "commands/tablecmds.h"
#include "fmgr.h"
#include "storage/lock.h"
#include "utils/guc.h"

#include "weir.h"
#include "aggregate/aggregate.h"

PG_FUNCTION_INFO_V1(weir__aggregate_altered);

/* What the text forms of values, and the meaning of names, depend on. */
static const char *const pinned_settings[] = {
	"search_path",
	"TimeZone",
	"DateStyle",
	"IntervalStyle",
	"extra_float_digits",
	"bytea_output",
	"xmlbinary",
	"xmloption",
	"default_text_search_config",
	"lc_monetary",
	"lc_numeric",
	"lc_time",
};

void
weir_aggregate_become_owner(const WeirAggregate *agg, WeirIdentity *identity)
{
	int			i;

	weir_become_restricted(identity, agg->owner);
	for (i = 0; i + 1 < list_length(agg->settings); i += 2)
	{
		const char *name = list_nth(agg->settings, i);
		const char *value = list_nth(agg->settings, i + 1);
		const char *now = GetConfigOption(name, true, false);

		if (now == NULL || strcmp(now, value) != 0)
			(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_SAVE, true, 0, false);
	}
}

List *
weir_aggregate_settings(void)
{
	List	   *settings = NIL;
	int			i;

	for (i = 0; i < lengthof(pinned_settings); i++)
	{
		const char *value = GetConfigOption(pinned_settings[i], true, false);

		if (value == NULL)
			continue;
		settings = lappend(settings, pstrdup(pinned_settings[i]));

		/* temporary objects must not come first */
		if (i == 0 && strstr(value, "pg_temp") == NULL)
			value = value[0] == '\0' ? "pg_catalog, pg_temp" :
				psprintf("%s, pg_temp", value);
		settings = lappend(settings, pstrdup(value));
	}
	return settings;
}

/* ---------- another owner ---------- */

static void
give(Oid relid, Oid owner)
{
	if (OidIsValid(relid))
		ATExecChangeOwner(relid, owner, true, AccessExclusiveLock);
}

/*
 * After ALTER ... OWNER of the view of an aggregate the rest follows it; the
 * server has checked that the user may do so.
 */
Datum
weir__aggregate_altered(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called as an event trigger")));
	foreach(lc, weir_aggregate_ids())
	{
		WeirAggregate agg;

		if (!weir_aggregate_read(lfirst_int(lc), NULL, &agg) ||
			!OidIsValid(agg.view_owner) || agg.view_owner == agg.owner)
			continue;
		/* locked in the order of a tick */
		give(agg.open, agg.view_owner);
		give(agg.query, agg.view_owner);
		give(agg.closed, agg.view_owner);
	}
	PG_RETURN_NULL();
}
