# weir: streams, continuous aggregates and wide rows for PostgreSQL
#
#   make && make install            the PGXS way
#   make installcheck               pg_regress and isolation tests, own server
#   make test                       everything, with its own set-up (test/run)
#   make demo                       twenty seconds of live data (demo/run)
#   make bench                      ratios, measured side by side (bench/run)
#   make stress                     the crash test, long
#   make fuzz                       pure modules outside of a server (test/fuzz/run)
#   make valgrind                   the tests of the types in a server under valgrind

EXTENSION = weir
EXTVERSION = 0.1
MODULE_big = weir
PGFILEDESC = "weir - streams, continuous aggregates and wide rows"

# Lowest layer first; a layer calls only what stands above it here.
OBJS_TYPES = \
	src/types/tidrun.o \
	src/types/cell.o \
	src/types/bytestext.o \
	src/types/widerow.o \
	src/types/widerow_build.o \
	src/types/widerow_expanded.o \
	src/types/widerow_find.o \
	src/types/widerow_json.o \
	src/types/widerow_io.o \
	src/types/widerow_jsonb.o \
	src/types/widerow_ops.o \
	src/types/widerow_srf.o \
	src/types/widerow_cmp.o \
	src/types/widerow_agg.o \
	src/types/widerow_subscript.o \
	src/types/wallclock.o \
	src/types/window.o \
	src/types/first_last.o \
	src/types/regex_parse.o \
	src/types/regex_set.o \
	src/types/regex_compile.o \
	src/types/regex.o \
	src/types/row_key.o \
	src/types/key_range.o \
	src/types/filter_tree.o \
	src/types/filter_io.o \
	src/types/filter_needs.o \
	src/types/filter.o \
	src/types/filter_make.o \
	src/types/stored.o \
	src/types/delta.o \
	src/types/gc_rule.o \
	src/types/fold.o \
	src/types/position_set.o \
	src/types/fold_column.o \
	src/types/fold_replay.o \
	src/types/fold_row.o \
	src/types/fold_delta.o \
	src/types/segment.o \
	src/types/plain_row.o \
	src/types/json_list.o \
	src/types/mutation.o \
	src/types/mutation_srf.o \
	src/types/rmw_rule.o

OBJS_STORAGE = \
	src/storage/owner.o \
	src/storage/newest.o \
	src/storage/invalidation.o \
	src/storage/sequence.o \
	src/storage/debug_point.o \
	src/storage/shape.o \
	src/storage/catalog.o \
	src/storage/changes.o \
	src/storage/changes_read.o \
	src/storage/changes_gc.o \
	src/storage/rowlock.o \
	src/storage/hll.o \
	src/storage/heapscan.o \
	src/storage/indexes.o \
	src/storage/row_pieces.o \
	src/storage/rowscan.o \
	src/storage/rowstore.o \
	src/storage/mutate_row.o \
	src/storage/alter_table.o \
	src/storage/wide_table.o \
	src/storage/writers.o \
	src/storage/face_links.o \
	src/storage/face_alter.o \
	src/storage/heap_guard.o \
	src/storage/filtered.o \
	src/storage/rowread.o \
	src/storage/face.o \
	src/storage/face_columns.o \
	src/storage/face_plan.o \
	src/storage/face_scan.o \
	src/storage/face_analyze.o \
	src/storage/face_modify.o \
	src/storage/algebra.o \
	src/storage/compact.o \
	src/storage/rowmodify.o \
	src/storage/tableops.o \
	src/storage/authorized_view.o \
	src/storage/base_row.o \
	src/storage/compact_row.o

OBJS_STREAM = \
	src/stream/stream.o \
	src/stream/snapshot.o \
	src/stream/log.o \
	src/stream/log_scan.o \
	src/stream/log_slot.o \
	src/stream/left_out.o \
	src/stream/cursor.o \
	src/stream/stream_failure.o \
	src/stream/watermark.o \
	src/stream/batch_entries.o \
	src/stream/restored.o \
	src/stream/batch.o \
	src/stream/batch_reader.o \
	src/stream/newrows.o \
	src/stream/rewrite.o \
	src/stream/capture.o \
	src/stream/retention.o \
	src/stream/tick.o \
	src/stream/drain.o \
	src/stream/stream_guard.o \
	src/stream/stream_ddl.o \
	src/stream/change_stream.o

OBJS_AGGREGATE = \
	src/aggregate/receiver.o \
	src/aggregate/word_set.o \
	src/aggregate/distinct_set.o \
	src/aggregate/distinct.o \
	src/aggregate/distinct_row.o \
	src/aggregate/parent.o \
	src/aggregate/distinct_apply.o \
	src/aggregate/row_type.o \
	src/aggregate/definition_from.o \
	src/aggregate/definition.o \
	src/aggregate/state_scan.o \
	src/aggregate/state_query.o \
	src/aggregate/window_filter.o \
	src/aggregate/row_filter.o \
	src/aggregate/step_query.o \
	src/aggregate/partial.o \
	src/aggregate/partial_rows.o \
	src/aggregate/late.o \
	src/aggregate/late_dump.o \
	src/aggregate/source.o \
	src/aggregate/rights.o \
	src/aggregate/aggregate.o \
	src/aggregate/row_digest.o \
	src/aggregate/counted.o \
	src/aggregate/counted_dump.o \
	src/aggregate/dumped.o \
	src/aggregate/definition_cache.o \
	src/aggregate/packed_row.o \
	src/aggregate/runs.o \
	src/aggregate/failure.o \
	src/aggregate/runs_write.o \
	src/aggregate/runs_index.o \
	src/aggregate/runs_read.o \
	src/aggregate/plain_state.o \
	src/aggregate/runs_merge.o \
	src/aggregate/runs_stats.o \
	src/aggregate/sink.o \
	src/aggregate/sink_check.o \
	src/aggregate/delivery.o \
	src/aggregate/state_order.o \
	src/aggregate/session.o \
	src/aggregate/intake.o \
	src/aggregate/skip_found.o \
	src/aggregate/skip_search.o \
	src/aggregate/skip_groups.o \
	src/aggregate/skip.o \
	src/aggregate/closed_index.o \
	src/aggregate/closed_table.o \
	src/aggregate/cascade.o \
	src/aggregate/closing.o \
	src/aggregate/drop.o \
	src/aggregate/guard.o \
	src/aggregate/consume.o \
	src/aggregate/live.o \
	src/aggregate/maintain.o \
	src/aggregate/merge.o \
	src/aggregate/pause.o \
	src/aggregate/create.o \
	src/aggregate/stat.o

OBJS_WORKER = \
	src/worker/giveway.o \
	src/worker/worker.o \
	src/worker/housekeeping.o \
	src/worker/launcher.o \
	src/worker/wakeup.o

OBJS = \
	$(WIN32RES) \
	src/init.o \
	$(OBJS_TYPES) \
	$(OBJS_STORAGE) \
	$(OBJS_STREAM) \
	$(OBJS_AGGREGATE) \
	$(OBJS_WORKER)

# The install script is the concatenation of these, in this order.
SQL_TYPES = \
	src/types/widerow.sql \
	src/types/window.sql \
	src/types/first_last.sql \
	src/types/regex.sql \
	src/types/row_key.sql \
	src/types/filter.sql \
	src/types/gc_rule.sql \
	src/types/delta.sql \
	src/types/mutation.sql \
	src/types/rmw_rule.sql

SQL_STORAGE = \
	src/storage/catalog.sql \
	src/storage/face.sql \
	src/storage/changes.sql \
	src/storage/wide_table.sql \
	src/storage/face_links.sql \
	src/storage/heap_guard.sql \
	src/storage/face_alter.sql \
	src/storage/mutate_row.sql \
	src/storage/rowread.sql \
	src/storage/rowmodify.sql \
	src/storage/tableops.sql \
	src/storage/algebra.sql \
	src/storage/compact.sql \
	src/storage/authorized_view.sql

SQL_STREAM = \
	src/stream/capture.sql \
	src/stream/stream.sql \
	src/stream/restored.sql \
	src/stream/drain.sql \
	src/stream/change_stream.sql

SQL_AGGREGATE = \
	src/aggregate/aggregate.sql \
	src/aggregate/dumped.sql \
	src/aggregate/late_dump.sql \
	src/aggregate/counted.sql \
	src/aggregate/window_filter.sql \
	src/aggregate/row_filter.sql \
	src/aggregate/distinct.sql \
	src/aggregate/live.sql \
	src/aggregate/create.sql \
	src/aggregate/drop.sql \
	src/aggregate/guard.sql \
	src/aggregate/rights.sql \
	src/aggregate/pause.sql \
	src/aggregate/skip.sql \
	src/aggregate/late.sql \
	src/aggregate/sink.sql \
	src/aggregate/maintain.sql \
	src/aggregate/stat.sql

SQL_WORKER = \
	src/worker/worker.sql \
	src/worker/stats.sql

SQL_FILES = \
	src/init.sql \
	$(SQL_TYPES) \
	$(SQL_STORAGE) \
	$(SQL_STREAM) \
	$(SQL_AGGREGATE) \
	$(SQL_WORKER) \
	src/privileges.sql

DATA_built = weir--$(EXTVERSION).sql

# Scripts of released versions, as they were released, and those that lead from
# one version to the next: upgrade/weir--X.sql, upgrade/weir--X--Y.sql.
DATA =

# pg_regress: one topic a file, grouped by layer.
REGRESS_TYPES = \
	widerow_io \
	widerow_ops \
	widerow_corrupt \
	widerow_limits \
	row_key \
	window \
	first_last \
	regex \
	filter

REGRESS_STORAGE = \
	delta_algebra \
	mutation \
	wide_table \
	wide_table_face \
	wide_table_forms \
	mutate_row_plan \
	wide_table_columns \
	wide_table_plans \
	wide_table_extremes \
	wide_table_shape \
	wide_table_ddl \
	gc \
	rmw \
	wide_table_errors \
	wide_table_random \
	wide_table_rules \
	wide_table_tombstones \
	bigtable_errors \
	wide_table_hll \
	authorized_view

REGRESS_STREAM = \
	stream \
	stream_errors \
	stream_rewrite \
	stream_rows \
	stream_rights \
	stream_owner \
	stream_ddl \
	stream_tables \
	stream_settled \
	stream_drain \
	stream_log \
	own_rows \
	stream_partitions \
	change_stream

REGRESS_AGGREGATE = \
	continuous_aggregate \
	late \
	drain_failed \
	closed_table \
	row_types \
	shared_state \
	aggregate_parts \
	skip \
	skip_combine \
	event_times \
	skip_ticks \
	live_merge \
	live_cache \
	tick_cache \
	tick_join \
	state_find \
	closing_merge \
	closing_held \
	sink \
	sink_isolation \
	sink_check \
	tick_commands \
	session \
	cascade \
	hierarchy \
	sub_select \
	distinct_row \
	aggregate_random \
	aggregate_errors \
	aggregate_lists \
	state \
	distinct \
	flink_rules \
	read_only \
	default_privileges

REGRESS = init $(REGRESS_TYPES) $(REGRESS_STORAGE) $(REGRESS_STREAM) $(REGRESS_AGGREGATE) conventions
REGRESS_OPTS = --temp-instance=tmp_check_regress --temp-config=$(srcdir)/test/regress.conf --encoding=UTF8 --no-locale

ISOLATION = \
	tick_vs_insert \
	long_writer \
	old_snapshot \
	held_snapshot \
	queue_delete \
	writer_isolation \
	stream_locks \
	stream_waits \
	log_slots \
	queue_locked \
	queue_paused \
	live_view \
	live_interval \
	drain_target \
	own_rows \
	own_tables \
	detach_pending \
	rolled_back_rows \
	first_rows \
	new_aggregate \
	history_rewrite \
	log_rewritten \
	live_cache \
	stat_views \
	sink_locks \
	wide_table_rmw \
	wide_table_clock \
	wide_table_compact \
	wide_table_serializable \
	wide_table_join \
	wide_table_indexes \
	wide_table_links \
	wide_table_locks \
	authorized_view \
	change_stream

# These hold processes at debug points: make WEIR_DEBUG=1 has them, with a library
# that was built so.
ISOLATION_DEBUG = \
	debug_tick \
	debug_history \
	debug_rotation \
	debug_merge \
	debug_reader \
	debug_describe
ifdef WEIR_DEBUG
ISOLATION += $(ISOLATION_DEBUG)
endif
ISOLATION_OPTS = --load-extension=weir --temp-instance=tmp_check_isolation --temp-config=$(srcdir)/test/regress.conf --temp-config=$(srcdir)/test/isolation.conf --inputdir=$(srcdir)/test --outputdir=output_iso

TAP_TESTS = 1
PROVE_TESTS = $(srcdir)/test/t/*.pl

PG_CPPFLAGS = -I$(srcdir)/src
ifdef WEIR_DEBUG
PG_CPPFLAGS += -DWEIR_DEBUG
endif
EXTRA_CLEAN = tmp_check tmp_check_regress tmp_check_isolation output_iso results log regression.diffs regression.out

PG_CONFIG ?= pg_config

# These bring their own server and need nothing installed, not even pg_config.
# Variables given to make, such as KEEP=1, reach them through the environment.
SELF_CONTAINED = test demo bench stress fuzz valgrind

.DEFAULT_GOAL := all
.PHONY: $(SELF_CONTAINED)

test:
	@$(CURDIR)/test/run

stress:
	@$(CURDIR)/test/run stress

fuzz:
	@$(CURDIR)/test/fuzz/run

valgrind:
	@$(CURDIR)/test/run valgrind

demo:
	@$(CURDIR)/demo/run

bench:
	@$(CURDIR)/bench/run $(ROWS)

ifneq ($(filter-out $(SELF_CONTAINED),$(or $(MAKECMDGOALS),all)),)

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# make print-REGRESS: the value of a list, for scripts.
print-%:
	@echo $($*)

# A header change rebuilds what may include it; the tree is small.
$(OBJS): $(wildcard $(srcdir)/src/*.h $(srcdir)/src/*/*.h)

weir--$(EXTVERSION).sql: $(SQL_FILES)
	cat $(addprefix $(srcdir)/,$(SQL_FILES)) > $@

endif
