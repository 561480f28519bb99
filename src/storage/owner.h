/*-------------------------------------------------------------------------
 *
 * owner.h
 *	  Acting as the extension's owner, or as another role, for a while.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_OWNER_H
#define WEIR_OWNER_H

#include "weir.h"

typedef struct WeirIdentity
{
	Oid			saved_user;
	int			saved_context;
	int			saved_nest_level;
} WeirIdentity;

/*
 * Become the role that owns the extension, with a safe search_path: for
 * statements on weir's own tables.  An error restores the caller's identity
 * by itself, as the end of the (sub)transaction does.
 */
extern void weir_become_extension_owner(WeirIdentity *identity);

/*
 * Become the owner of some object of a user's, in a security-restricted
 * operation and with a safe search_path: for statements of the user's that
 * others cause to run.
 */
extern void weir_become_restricted(WeirIdentity *identity, Oid role);

extern void weir_restore_identity(const WeirIdentity *identity);

extern void weir_owner_init(void);

/*
 * A relation in weir's schema, known from call to call.  If there is none,
 * InvalidOid or 42P01.
 */
extern Oid	weir_own_relid(const char *name, bool missing_ok);

/* The extension, known from call to call; InvalidOid if there is none. */
extern Oid	weir_extension_find(void);

/* The extension, its owner and its schema. */
extern Oid	weir_extension_oid(void);
extern Oid	weir_extension_owner(void);
extern Oid	weir_schema_oid(void);

/*
 * A relation in weir's schema becomes a member of the extension (so that it
 * is neither dumped nor dropped by hand), or ceases to be one.
 */
extern void weir_join_extension(Oid relid);
extern void weir_leave_extension(Oid relid);

/* The owner of a relation; InvalidOid if there is no such relation. */
extern Oid	weir_relation_owner(Oid relid);

/*
 * Takes away what default privileges have given others on a relation that was
 * made just now, by whoever is in force, and is not for users: all rights are
 * those on what they see, and who has none there must not read or write what
 * is behind it.
 */
extern void weir_revoke_default_privileges(Oid relid);

/* Execute a statement that returns nothing, as whoever is in force. */
extern void weir_execute(const char *format,...) pg_attribute_printf(1, 2);

/*
 * A statement on a table of the user's did something else than it says, as it
 * does when a rule takes its place: raises an error.
 */
WEIR_NORETURN extern void weir_report_rule(Oid relid);

/* The oids that a query selects, in the current memory context. */
extern List *weir_select_oids(const char *query);

#endif							/* WEIR_OWNER_H */
