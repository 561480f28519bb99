/*-------------------------------------------------------------------------
 *
 * wide_table.h
 *	  Parts of creating and dropping that authorized views share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_WIDE_TABLE_H
#define WEIR_WIDE_TABLE_H

/* Raises 42501 unless the current user owns the foreign table. */
extern void weir_check_owner(Oid face);

/* Creates, or drops, nothing but the foreign table. */
extern Oid	weir_create_face(const char *name);
extern void weir_drop_face(Oid face);

/*
 * Forgets rules of the table that were replaced up to the number: of one
 * family, or of all if "family" is 0.
 */
extern void weir_forget_rules(Oid face, uint16 family, int64 until_seq);

/* from face_links.c: makes the heaps go with the face */
extern void weir_link_heaps(Oid face, Oid delta, Oid base, Oid seq);

/* from authorized_view.c: the view goes if its table goes with CASCADE */
extern void weir_link_authorized_view(Oid view, Oid home);

#endif							/* WEIR_WIDE_TABLE_H */
