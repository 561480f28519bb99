/*-------------------------------------------------------------------------
 *
 * row_pieces.c
 *	  The segments and deltas of a row, and the row they make.
 *
 * The pieces of a row are copied, as they are found, into memory that lives
 * until the next row: that of a fold, which makes the cells of them.  A row
 * without deltas, and without garbage, becomes a value that consists of its
 * segments, if values are all that is wanted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "storage/hll.h"
#include "storage/row_pieces.h"
#include "types/segment.h"

/* ---- the memory ---- */

/*
 * Reading one row takes a few microseconds, of which the memory of a new fold
 * would be a good part.  So one fold is kept, in TopMemoryContext, and used
 * by one reader at a time.  It is free again when that ends, or the transaction.
 */
static WeirFold *spare_fold = NULL;
static bool spare_fold_is_taken = false;

/* The spare fold is freed after use when it holds more than this. */
#define SPARE_FOLD_MAX_MEMORY	(1024 * 1024)

/* A reader that an error has ended has left in it what it had read. */
static void
release_spare_fold(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	if (spare_fold_is_taken &&
		weir_fold_memory(spare_fold) > SPARE_FOLD_MAX_MEMORY)
	{
		weir_fold_destroy(spare_fold);
		spare_fold = NULL;
	}
	spare_fold_is_taken = false;
}

void
weir_row_pieces_init(void)
{
	RegisterXactCallback(release_spare_fold, NULL);
}

static WeirFold *
take_fold(WeirRowPieces *pieces)
{
	if (spare_fold_is_taken)
		return weir_fold_create(weir_hll_combine);
	if (spare_fold == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(TopMemoryContext);

		spare_fold = weir_fold_create(weir_hll_combine);
		MemoryContextSwitchTo(old_context);
	}
	spare_fold_is_taken = pieces->has_spare_fold = true;
	return spare_fold;
}

static void
give_fold_back(WeirRowPieces *pieces)
{
	Assert(pieces->fold == spare_fold);
	if (weir_fold_memory(spare_fold) > SPARE_FOLD_MAX_MEMORY)
	{
		weir_fold_destroy(spare_fold);
		spare_fold = NULL;
	}
	else
		weir_fold_reset(spare_fold, NULL, 0);
	spare_fold_is_taken = false;
}

/* where the bytes of a row go that may be plain */
static MemoryContext
values_context(const WeirRowPieces *pieces)
{
	return pieces->values_context != NULL ? pieces->values_context :
		weir_fold_context(pieces->fold);
}

void
weir_row_pieces_open(WeirRowPieces *pieces, const WeirWideTable *table)
{
	memset(pieces, 0, sizeof(*pieces));
	pieces->table = table;
	pieces->context = CurrentMemoryContext;
	pieces->fold = take_fold(pieces);
}

void
weir_row_pieces_close(WeirRowPieces *pieces)
{
	if (pieces->has_spare_fold)
		give_fold_back(pieces);
}

/* ---- collecting ---- */

void
weir_row_pieces_begin(WeirRowPieces *pieces, bool expects_values,
					  const WeirColumnSet *columns)
{
	const WeirWideTable *table = pieces->table;

	weir_fold_reset(pieces->fold, table->by_number, table->nnumbers);
	pieces->may_be_plain = expects_values && columns == NULL &&
		table->is_in_name_order;
	pieces->segments.n = pieces->deltas.n = 0;
	pieces->segments.is_reversed = pieces->deltas.is_reversed = false;
	pieces->hi = pieces->folded_at = 0;
	pieces->plain = NULL;
	pieces->ncells = 0;
}

/* Copies the bytes of the datum into the context. */
static void
add_piece(WeirRowPieces *pieces, WeirPieceArray *array, Datum d, int64 seq,
		  MemoryContext context)
{
	MemoryContext old_context = MemoryContextSwitchTo(context);
	struct varlena *original = (struct varlena *) DatumGetPointer(d);
	struct varlena *detoasted = PG_DETOAST_DATUM_PACKED(d);
	Size		len = VARSIZE_ANY_EXHDR(detoasted);
	const char *bytes = VARDATA_ANY(detoasted);
	WeirPiece  *piece;

	if (detoasted == original)
	{
		char	   *copy = palloc(len);

		memcpy(copy, bytes, len);
		bytes = copy;
	}
	MemoryContextSwitchTo(old_context);

	if (array->n == array->allocated)
	{
		array->allocated = Max(16, array->allocated * 2);
		if (array->items == NULL)
			array->items = MemoryContextAlloc(pieces->context,
											  sizeof(WeirPiece) * array->allocated);
		else
			array->items = repalloc_huge(array->items,
										 sizeof(WeirPiece) * array->allocated);
	}
	piece = &array->items[array->n++];
	piece->bytes = bytes;
	piece->len = len;
	piece->seq = seq;
}

void
weir_row_pieces_add_segment(WeirRowPieces *pieces, Datum segment)
{
	add_piece(pieces, &pieces->segments, segment, 0,
			  pieces->may_be_plain ? values_context(pieces) :
			  weir_fold_context(pieces->fold));
}

void
weir_row_pieces_add_delta(WeirRowPieces *pieces, Datum delta, int64 seq)
{
	add_piece(pieces, &pieces->deltas, delta, seq,
			  weir_fold_context(pieces->fold));
}

/* ---- the row ---- */

static const WeirPiece *
piece_in_order(const WeirPieceArray *array, uint32 i)
{
	return &array->items[array->is_reversed ? array->n - 1 - i : i];
}

static void
fold_pieces(WeirRowPieces *pieces, const WeirColumnSet *columns, int64 now)
{
	WeirFold   *fold = pieces->fold;

	weir_fold_set_columns(fold, columns);
	weir_fold_set_base(fold, pieces->hi, pieces->folded_at);
	for (uint32 i = 0; i < pieces->segments.n; i++)
	{
		const WeirPiece *piece = piece_in_order(&pieces->segments, i);
		WeirSegmentReader reader;
		WeirStoredCell cell;

		weir_segment_reader_init(&reader, piece->bytes, piece->len);
		while (weir_segment_next_cell(&reader, &cell))
			weir_fold_add_base_cell(fold, &cell);
	}
	for (uint32 i = 0; i < pieces->deltas.n; i++)
	{
		const WeirPiece *piece = piece_in_order(&pieces->deltas, i);

		weir_fold_add_delta(fold, piece->seq, piece->bytes, piece->len);
	}
	pieces->cells = weir_fold_row(fold, now, &pieces->ncells);
}

/* The row as it is in its segments; NULL if it has to be folded. */
static WeirPlainRow *
measure_plain_row(WeirRowPieces *pieces, int64 now)
{
	const WeirWideTable *table = pieces->table;
	MemoryContext old_context;
	WeirPlainRow *row;
	bool		is_plain;

	if (!pieces->may_be_plain || pieces->deltas.n > 0)
		return NULL;
	old_context = MemoryContextSwitchTo(values_context(pieces));
	row = weir_plain_row_create(table->by_number, table->nnumbers,
								pieces->segments.n);
	for (uint32 i = 0; i < pieces->segments.n; i++)
	{
		const WeirPiece *piece = piece_in_order(&pieces->segments, i);

		row->segments[i].bytes = piece->bytes;
		row->segments[i].len = piece->len;
	}
	is_plain = weir_plain_row_measure(row, pieces->hi,
									  Max(now, pieces->folded_at));
	MemoryContextSwitchTo(old_context);
	return is_plain ? row : NULL;
}

bool
weir_row_pieces_make(WeirRowPieces *pieces, const WeirColumnSet *columns,
					 int64 now)
{
	Assert(!pieces->may_be_plain || columns == NULL);
	pieces->plain = measure_plain_row(pieces, now);
	if (pieces->plain != NULL)
		pieces->ncells = pieces->plain->expanded.shape.cells;
	else
	{
		weir_fold_clear(pieces->fold);
		fold_pieces(pieces, columns, now);
	}
	return pieces->ncells > 0;
}

static void
set_cell(WeirCell *cell, const WeirStoredCell *stored, const WeirFamily *family)
{
	cell->family = family->name;
	cell->family_len = family->name_len;
	cell->qualifier = stored->qualifier;
	cell->qualifier_len = stored->qualifier_len;
	cell->value = stored->value;
	cell->value_len = stored->value_len;
	cell->ts = stored->ts;
}

/*
 * Where in the result the cells of each family begin, when families are put
 * into the order of their names.
 */
static uint32 *
family_positions(const WeirRowPieces *pieces)
{
	const WeirWideTable *table = pieces->table;
	uint32	   *positions = palloc0(sizeof(uint32) * table->nnumbers);
	uint32		n = 0;

	for (uint32 i = 0; i < pieces->ncells; i++)
		positions[pieces->cells[i].family]++;
	for (int i = 0; i < table->nfamilies; i++)
	{
		uint32	   *position = &positions[table->families[i].number];
		uint32		count = *position;

		*position = n;
		n += count;
	}
	return positions;
}

WeirCell *
weir_row_pieces_cells(WeirRowPieces *pieces)
{
	MemoryContext old_context = MemoryContextSwitchTo(weir_fold_context(pieces->fold));
	const WeirWideTable *table = pieces->table;
	WeirCell   *cells = palloc_extended(sizeof(WeirCell) * (pieces->ncells + 1),
										MCXT_ALLOC_HUGE);
	uint32	   *positions = NULL;

	Assert(pieces->plain == NULL);
	if (!table->is_in_name_order)
		positions = family_positions(pieces);
	for (uint32 i = 0; i < pieces->ncells; i++)
	{
		const WeirStoredCell *stored = &pieces->cells[i];
		uint32		at = positions ? positions[stored->family]++ : i;

		set_cell(&cells[at], stored, table->family_by_number[stored->family]);
	}
	MemoryContextSwitchTo(old_context);
	return cells;
}

Datum
weir_row_pieces_value(WeirRowPieces *pieces)
{
	MemoryContext old_context;
	Datum		result;

	if (pieces->plain == NULL)
		return PointerGetDatum(weir_row_from_cells(weir_row_pieces_cells(pieces),
												   pieces->ncells));
	old_context = MemoryContextSwitchTo(values_context(pieces));
	result = weir_plain_row_datum(pieces->plain);
	MemoryContextSwitchTo(old_context);
	return result;
}
