/*-------------------------------------------------------------------------
 *
 * row_filter.h
 *	  Which rows a step of aggregation reads, one by one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_ROW_FILTER_H
#define WEIR_ROW_FILTER_H

#include "nodes/parsenodes.h"
#include "storage/itemptr.h"
#include "tcop/dest.h"

#include "aggregate/definition.h"

typedef struct WeirRowId
{
	Oid			relid;
	ItemPointerData tid;
} WeirRowId;

/* Rows with a lower number than "limit" are read, but those left out. */
struct WeirRowFilter
{
	WeirRowId  *ids;			/* of all rows, ascending: their numbers */
	bool	   *is_left_out;
	int			nrows;
	int			limit;
	int			next;			/* the number that is most likely asked for */
	bool		knows_all;		/* false: it may meet others; they're not read */
	bool		is_inverted;	/* instead, those left out are read */
};

/*
 * The filter that lets all rows through that are in the slots that the
 * receiver is sent: relation and tid are the first two columns.
 */
typedef struct WeirRowCollector WeirRowCollector;
extern WeirRowCollector *weir_row_collector(void);
extern DestReceiver *weir_row_collector_receiver(WeirRowCollector *collector);
extern WeirRowFilter *weir_row_collector_filter(WeirRowCollector *collector,
												bool knows_all);

/* the number of a row, or -1 */
extern int	weir_row_filter_find(const WeirRowFilter *filter, Oid relid,
								 ItemPointer tid);

/* Add the filter to the query, for the rows of a range table entry. */
extern void weir_row_filter_add(WeirRowFilter *filter, Index rti,
								Query *query);

#endif							/* WEIR_ROW_FILTER_H */
