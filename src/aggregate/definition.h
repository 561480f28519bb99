/*-------------------------------------------------------------------------
 *
 * definition.h
 *	  What the query of a continuous aggregate means.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_DEFINITION_H
#define WEIR_DEFINITION_H

#include "access/tupdesc.h"
#include "nodes/parsenodes.h"

#include "weir.h"
#include "stream/stream.h"
#include "types/window.h"

/* What the rows are grouped by, besides the window. */
typedef struct WeirKey
{
	Expr	   *expr;			/* over the tables of the query */
	Oid			type;
	int32		typmod;
	Oid			collation;
	Oid			eqop;
	Oid			sortop;
	bool		hashable;
	bool		has_lasting_hash;	/* hashable, and nothing that is altered
									 * makes it another one: it may be stored */
	bool		is_implied;		/* not in GROUP BY: depends on what is */
} WeirKey;

/* Rows that are left out; see row_filter.h. */
typedef struct WeirRowFilter WeirRowFilter;

/* The aggregate that is read in place of a stream; see parent.h. */
typedef struct WeirParent WeirParent;

/*
 * State rows have these columns: window_end and window_start if there is a
 * window, the keys, then the states.  Aggregate functions with the same state,
 * such as avg and sum of the same numbers, share it.
 */
typedef struct WeirDefinition
{
	Query	   *query;			/* as written, join aliases resolved; views in
								 * it are not expanded */
	WeirStream	stream;			/* of the parent, if there is one */
	WeirParent *parent;			/* NULL: it is over the stream itself */
	Index		stream_rti;		/* of the stream, or the parent's view */
	Index		window_rti;		/* 0: a running aggregate */
	WeirWindowSpec window;
	Expr	   *event_time;		/* argument of the window function */
	Oid			window_type;	/* timestamptz or timestamp */
	bool		is_session;		/* windows of state rows are merged */
	bool		by_pane;		/* state is kept by pane, not by window */
	List	   *keys;			/* of WeirKey */
	List	   *aggs;			/* of Aggref, no two equal */
	List	   *states;			/* of Aggref: the first of those that share one */
	TupleDesc	state_desc;
	int			nwindow;		/* window columns in front: 2 or 0 */
	int			nkeys;
	uint32		fingerprint;	/* of the layout and meaning of state rows */
	WeirRowFilter *row_filter;	/* which rows are read; NULL: all */
	List	   *row_conditions;	/* added to WHERE: which rows of the parent's
								 * table are read */
} WeirDefinition;

/*
 * Analyze a query as the parser made it; it is not changed.  Raises 0A000
 * with a reason and a hint if it can't be kept continuously.
 */
extern WeirDefinition *weir_definition_analyze(const Query *query);

/* Refuse a query with 0A000: what is not supported, and what to do instead. */
WEIR_NORETURN extern void weir_definition_refuse(const char *reason,
												 const char *hint);

/* the query of the internal view that holds a definition, and its owner */
extern Query *weir_definition_query(Oid view);

/*
 * The column of the result that is the given column of the window (1:
 * window_start, 2: window_end); 0 if none is.
 */
extern AttrNumber weir_definition_window_column(const WeirDefinition *def,
												AttrNumber column);

/* columns of the result that are keys as they stand: list of attnums */
extern List *weir_definition_key_columns(const WeirDefinition *def);

/* what an expression in a sub-select that deep is in the query outside */
extern Node *weir_definition_raise(Node *node, int depth);

/* the key that equals the expression: its number from 0, or -1 */
extern int	weir_definition_find_key(const WeirDefinition *def, Node *node);

/* the state that a function in the list of aggs has: its number from 0, or -1 */
extern int	weir_definition_find_state(const WeirDefinition *def,
									   const Aggref *aggref);

#endif							/* WEIR_DEFINITION_H */
