/*-------------------------------------------------------------------------
 *
 * rewrite.c
 *	  A stream's table gets a new file: TRUNCATE, VACUUM FULL, CLUSTER,
 *	  ALTER TABLE that rewrites.
 *
 * Log entries name rows by file and TID.  When PostgreSQL builds the capture
 * index anew, the table may have another file than the entries say:
 *
 * - It is empty: TRUNCATE.  Rows that were not consumed are gone, as if
 *	 deleted; their entries are superseded.
 * - It is not: rows have moved.  If all entries are consumed, there is
 *	 nothing to do.  Otherwise the command is refused, with the advice to
 *	 drain the stream first.
 *
 * Whoever gives a table a new file holds its ACCESS EXCLUSIVE lock, so that
 * no other transaction has rows in it that are not committed: what the latest
 * snapshot sees of the log, and this transaction's own buffers, is all there
 * is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "stream/capture.h"
#include "stream/cursor.h"
#include "stream/log.h"
#include "stream/rewrite.h"
#include "stream/stream.h"
#include "weir.h"

static void
refuse(Relation heap, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot rewrite stream \"%s\" now",
					RelationGetRelationName(heap)),
			 errdetail_internal("%s", detail),
			 errhint("Run CALL weir.drain('%s') first, and try again.",
					 RelationGetRelationName(heap))));
}

/*
 * While a table is rewritten its old file belongs to a transient table, under
 * a name that the server makes up.
 */
static bool
is_rewrite(Relation heap)
{
	char		name[NAMEDATALEN];

	snprintf(name, sizeof(name), "pg_temp_%u", RelationGetRelid(heap));
	return OidIsValid(get_relname_relid(name, RelationGetNamespace(heap)));
}

static bool
is_consumed_by_all(List *cursors, const WeirLogEntry *entry)
{
	ListCell   *lc;

	foreach(lc, cursors)
		if (!weir_cursor_has_consumed((WeirCursor *) lfirst(lc), entry))
			return false;
	return true;
}

/* Is history being read, block by block? */
static bool
history_is_under_way(List *cursors)
{
	ListCell   *lc;

	foreach(lc, cursors)
	{
		WeirCursor *cursor = (WeirCursor *) lfirst(lc);

		if (cursor->in_history && cursor->low != 0)
			return true;
	}
	return false;
}

void
weir_rewrite_follow(Relation heap)
{
	Oid			relid = RelationGetRelid(heap);
	Oid			filenode = WeirRelFileNumber(heap);
	int32		stream_id = weir_stream_of_leaf(relid);
	bool		is_empty;
	List	   *cursors;
	WeirLogScan *scan;
	WeirLogEntry *entry;
	Snapshot	snapshot;

	if (stream_id == 0)
		return;

	/*
	 * A tick consumes entries only with the table locked, to the end of its
	 * transaction, so what the cursors say of this table is final.
	 */
	is_empty = RelationGetNumberOfBlocks(heap) == 0;
	cursors = weir_cursor_list(stream_id);

	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = weir_log_begin(stream_id, snapshot, NULL, true);
	while ((entry = weir_log_next(scan)) != NULL)
	{
		if (entry->leaf != relid || entry->filenode == filenode)
			continue;
		if (is_consumed_by_all(cursors, entry))
			continue;
		if (!is_empty)
			refuse(heap, "Rows of it have not been consumed yet.");
		weir_log_supersede(stream_id, relid, entry->filenode);
	}
	weir_log_end(scan);
	UnregisterSnapshot(snapshot);

	if (is_empty)
		return;
	if (weir_capture_pending(relid, filenode))
		refuse(heap, "This transaction has inserted rows into it.");
	if (is_rewrite(heap) && history_is_under_way(cursors))
		refuse(heap, "Its first rows are being read.");
}
