/*-------------------------------------------------------------------------
 *
 * distinct_set.h
 *	  Sets of distinct values of any type that can be sorted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DISTINCT_SET_H
#define WEIR_DISTINCT_SET_H

/* How values of a type are told from each other; no part of a set. */
typedef struct WeirDistinctType WeirDistinctType;

/* A set in memory, or one as bytes that was not unpacked. */
typedef struct WeirDistinctSet WeirDistinctSet;

/*
 * In the current context, and to outlive sets of the type; raises 42883 if
 * values of the type have no order.
 */
extern WeirDistinctType *weir_distinct_type(Oid type, Oid collation);
extern bool weir_distinct_type_is(const WeirDistinctType *dtype, Oid type,
								  Oid collation);

/* The empty set, and all that goes into it, in the given context. */
extern WeirDistinctSet *weir_distinct_create(MemoryContext context,
											 const WeirDistinctType *dtype);

/* The value is copied. */
extern void weir_distinct_add(WeirDistinctSet *set, Datum value);
extern void weir_distinct_add_null(WeirDistinctSet *set);

/*
 * The set as bytes, and a set that is only seen as bytes, which must live as
 * long; the latter can be added to others.  All raise XX001 for bytes that are
 * no set.
 */
extern bytea *weir_distinct_pack(const WeirDistinctSet *set);
extern WeirDistinctSet *weir_distinct_view(bytea *bytes);
extern Oid	weir_distinct_view_type(const WeirDistinctSet *view);
extern void weir_distinct_add_view(WeirDistinctSet *set,
								   const WeirDistinctSet *view);

/* How many values are in the set, NULL not counted; is NULL in it? */
extern int64 weir_distinct_count(const WeirDistinctSet *view);
extern bool weir_distinct_has_null(const WeirDistinctSet *view);

/* Its values in the order of the type, in the current context. */
extern Datum *weir_distinct_values(const WeirDistinctSet *view,
								   const WeirDistinctType *dtype);

#endif							/* WEIR_DISTINCT_SET_H */
