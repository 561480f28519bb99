/*-------------------------------------------------------------------------
 *
 * input_fuzz.c
 *	  Fuzzing of what a user writes: mutations, rules, filters, patterns, keys.
 *
 * Whatever the input is, it makes a value or raises one of the errors that
 * are meant for it; a value's text form is read as the same value; and what is
 * done with a value gives the same result as a slower way to it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "shim.h"
#include "types/filter.h"
#include "types/gc_rule.h"
#include "types/mutation.h"
#include "types/regex.h"
#include "types/rmw_rule.h"
#include "weir.h"

extern Datum weir_mutation_in(PG_FUNCTION_ARGS);
extern Datum weir_mutation_recv(PG_FUNCTION_ARGS);
extern Datum weir_mutation_send(PG_FUNCTION_ARGS);
extern Datum weir_rmw_rule_in(PG_FUNCTION_ARGS);
extern Datum weir_rmw_rule_out(PG_FUNCTION_ARGS);
extern Datum weir_rmw_rule_recv(PG_FUNCTION_ARGS);
extern Datum weir_rmw_rule_send(PG_FUNCTION_ARGS);
extern Datum weir_gc_rule_in(PG_FUNCTION_ARGS);
extern Datum weir_gc_rule_out(PG_FUNCTION_ARGS);
extern Datum weir_gc_rule_recv(PG_FUNCTION_ARGS);
extern Datum weir_gc_rule_send(PG_FUNCTION_ARGS);
extern Datum weir_filter_in(PG_FUNCTION_ARGS);
extern Datum weir_filter_out(PG_FUNCTION_ARGS);
extern Datum weir_filter_recv(PG_FUNCTION_ARGS);
extern Datum weir_filter_send(PG_FUNCTION_ARGS);
extern Datum weir_row_key_parts(PG_FUNCTION_ARGS);

/* A type with a text and a binary form */
typedef struct Type
{
	PGFunction	in;
	PGFunction	out;
	PGFunction	recv;
	PGFunction	send;
	const char *text_errors;	/* SQLSTATEs */
	const char *binary_errors;
	void		(*check) (struct varlena *value);
} Type;

static Datum
call(PGFunction function, Datum arg)
{
	LOCAL_FCINFO(fcinfo, 3);

	memset(fcinfo, 0, SizeForFunctionCallInfo(3));
	fcinfo->nargs = 3;
	fcinfo->args[0].value = arg;
	return function(fcinfo);
}

static Datum
call_recv(PGFunction function, const char *data, size_t size)
{
	StringInfoData buf;

	/* the server puts a zero behind each message */
	buf.data = memcpy(palloc(size + 1), data, size);
	buf.data[size] = '\0';
	buf.len = size;
	buf.maxlen = size + 1;
	buf.cursor = 0;
	return call(function, PointerGetDatum(&buf));
}

static bool
same_varlena(const void *a, const void *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

/* All forms of a value that is in its right form already are the same value. */
static void
check_forms(const Type *type, struct varlena *value)
{
	char	   *text = DatumGetCString(call(type->out, PointerGetDatum(value)));
	struct varlena *sent = (struct varlena *)
	DatumGetPointer(call(type->send, PointerGetDatum(value)));

	SHIM_CHECK(pg_verify_mbstr(PG_UTF8, text, strlen(text), true));
	SHIM_CHECK(same_varlena(value, DatumGetPointer(call(type->in,
														CStringGetDatum(text)))));
	SHIM_CHECK(same_varlena(value, DatumGetPointer(call_recv(type->recv, VARDATA(sent),
															 VARSIZE(sent) - VARHDRSZ))));
	if (type->check != NULL)
		type->check(value);
}

static void
fuzz_type(const Type *type, const char *data, size_t size, bool is_binary)
{
	struct varlena *volatile value = NULL;
	char	   *text = pnstrdup(data, size);

	/* The server gives only valid text to input functions. */
	if (!is_binary && !pg_verify_mbstr(PG_UTF8, text, strlen(text), true))
		return;
	SHIM_TRY(value = (struct varlena *)
			 DatumGetPointer(is_binary ? call_recv(type->recv, data, size) :
							 call(type->in, CStringGetDatum(text))));
	if (value == NULL)
	{
		SHIM_CHECK(shim_raised(is_binary ? type->binary_errors :
							   type->text_errors));
		return;
	}
	SHIM_TRY(check_forms(type, value));
	SHIM_CHECK(*shim_sqlstate == '\0');
}

static struct varlena *
stored_value(const char *data, size_t size)
{
	struct varlena *value = palloc(VARHDRSZ + size);

	SET_VARSIZE(value, VARHDRSZ + size);
	memcpy(VARDATA(value), data, size);
	return value;
}

/*
 * Bytes that are found stored as a value: shown, or XX001; 22023 for a value
 * that is well-formed but breaks a rule of its type.
 */
static void
fuzz_stored(const Type *type, const char *data, size_t size)
{
	struct varlena *value = stored_value(data, size);

	SHIM_TRY(call(type->out, PointerGetDatum(value)));
	SHIM_CHECK(*shim_sqlstate == '\0' || shim_raised("XX001 22023"));
	if (*shim_sqlstate == '\0' && type->check != NULL)
	{
		SHIM_TRY(type->check(value));
		SHIM_CHECK(*shim_sqlstate == '\0');
	}
}

/* ---- mutations and rules of read-modify-writes ---- */

static void
check_mutation(struct varlena *value)
{
	WeirMutation mutation;

	weir_mutation_read(&mutation, VARDATA(value), VARSIZE(value) - VARHDRSZ);
	SHIM_CHECK(same_varlena(value, DatumGetPointer(weir_mutation_to_datum(&mutation))));
	SHIM_CHECK(weir_mutation_name(mutation.kind) != NULL);
}

static const Type mutation_type = {
	weir_mutation_in, weir_mutation_out, weir_mutation_recv, weir_mutation_send,
	"22P02 22P05 22023 54000", "22P02 22P05 22023 22021 54000", check_mutation
};

static const Type rmw_rule_type = {
	weir_rmw_rule_in, weir_rmw_rule_out, weir_rmw_rule_recv, weir_rmw_rule_send,
	"22P02 22P05 22023 54000", "22P02 22P05 22023 22021 54000", NULL
};

static void
fuzz_mutation(const char *data, size_t size)
{
	fuzz_type(&mutation_type, data, size, false);
}

static void
fuzz_mutation_binary(const char *data, size_t size)
{
	fuzz_type(&mutation_type, data, size, true);
}

static void
fuzz_mutation_stored(const char *data, size_t size)
{
	fuzz_stored(&mutation_type, data, size);
}

static void
fuzz_rmw_rule(const char *data, size_t size)
{
	fuzz_type(&rmw_rule_type, data, size, false);
}

static void
fuzz_rmw_rule_stored(const char *data, size_t size)
{
	fuzz_stored(&rmw_rule_type, data, size);
}

/* ---- rules of garbage collection ---- */

/* By one version after the other it is the same as by halving. */
static void
check_gc_rule(struct varlena *value)
{
	static const int64 ages[] = {PG_INT64_MAX - 1, 2000000, 1000000, 999999, 1, 0};
	WeirGcRule *rule = weir_gc_rule_from_datum(PointerGetDatum(value));
	int64		due = PG_INT64_MAX;
	int64		due_of_same = PG_INT64_MAX;

	/* what is older, or just has more before it, is garbage no later */
	for (int i = 0; i < lengthof(ages); i++)
	{
		SHIM_CHECK(weir_gc_rule_due(rule, i, ages[i]) <= due);
		SHIM_CHECK(weir_gc_rule_due(rule, i, 1000000) <= due_of_same);
		due = weir_gc_rule_due(rule, i, ages[i]);
		due_of_same = weir_gc_rule_due(rule, i, 1000000);
	}
}

static const Type gc_rule_type = {
	weir_gc_rule_in, weir_gc_rule_out, weir_gc_rule_recv, weir_gc_rule_send,
	"22P02 22P05 22023 22007", "22P02 22P05 22023 22021 22007", check_gc_rule
};

static void
fuzz_gc_rule(const char *data, size_t size)
{
	fuzz_type(&gc_rule_type, data, size, false);
}

static void
fuzz_gc_rule_binary(const char *data, size_t size)
{
	fuzz_type(&gc_rule_type, data, size, true);
}

static void
fuzz_gc_rule_stored(const char *data, size_t size)
{
	fuzz_stored(&gc_rule_type, data, size);
}

/* ---- filters ---- */

#define CELL(f, q, t, v) \
	{.family = f,.family_len = sizeof(f) - 1,.qualifier = q, \
	 .qualifier_len = sizeof(q) - 1,.ts = t,.value = v,.value_len = sizeof(v) - 1}

/* in weir_cell_cmp order */
static const WeirCell cells[] = {
	CELL("a", "", 5, "v"),
	CELL("a", "\x00", 5, ""),
	CELL("a", "a", 9, "\xff\x00"),
	CELL("a", "a", 5, "v"),
	CELL("a", "a", 0, "v2"),
	CELL("a", "ab", 5, "w"),
	CELL("f", "a", 1000000, "v"),
	CELL("f", "a", 999999, "v"),
	CELL("f", "q", 5, "value"),
	CELL("f", "\xff", 5, "\n"),
	CELL("fam", "q", 7, "\xc3\xa9"),
	CELL("fam", "q", 5, "v")
};

static bool
column_is_needed(const WeirCell *cell, const WeirColumnRange *ranges, int nranges)
{
	for (int i = 0; i < nranges; i++)
	{
		const WeirColumnRange *r = &ranges[i];
		int			start = r->start == NULL ? 1 :
		weir_bytes_cmp(cell->qualifier, cell->qualifier_len, r->start, r->start_len);
		int			end = r->end == NULL ? -1 :
		weir_bytes_cmp(cell->qualifier, cell->qualifier_len, r->end, r->end_len);

		if (weir_bytes_cmp(cell->family, cell->family_len, r->family, r->family_len) == 0 &&
			(start > 0 || (start == 0 && !r->start_open)) &&
			(end < 0 || (end == 0 && !r->end_open)))
			return true;
	}
	return nranges < 0;
}

/* The cells that a reader must not leave out */
static int
needed_cells(WeirFilterState *state, WeirCell *needed)
{
	const WeirColumnRange *ranges;
	int			nranges = weir_filter_needed_columns(state, &ranges);
	uint32		versions = weir_filter_needed_versions(state);
	uint32		version = 0;
	int			n = 0;

	for (int i = 0; i < lengthof(cells); i++)
	{
		version = i > 0 && weir_column_cmp(&cells[i - 1], &cells[i]) == 0 ?
			version + 1 : 0;
		if (version < versions && column_is_needed(&cells[i], ranges, nranges))
			needed[n++] = cells[i];
	}
	return n;
}

/* What comes out is in order, and the same without what is not needed. */
static void
apply_filter(struct varlena *value)
{
	WeirFilter *filter = weir_filter_from_datum(PointerGetDatum(value));
	WeirFilterState *state = weir_filter_compile(filter);
	WeirFilteredCell *result;
	WeirFilteredCell *first;
	WeirCell	needed[lengthof(cells)];
	int			nneeded = needed_cells(state, needed);
	int			n;

	/* the same samples each time */
	pg_prng_seed(&pg_global_prng_state, 1);
	n = weir_filter_apply(state, "row", 3, cells, lengthof(cells), &result);
	first = palloc(sizeof(WeirFilteredCell) * (n + 1));
	if (n > 0)
		memcpy(first, result, sizeof(WeirFilteredCell) * n);
	for (int i = 1; i < n; i++)
		SHIM_CHECK(weir_cell_cmp(&first[i - 1].cell, &first[i].cell) <= 0);
	if (!weir_filter_may_pass_row(state, "row", 3))
		SHIM_CHECK(n == 0);
	pg_prng_seed(&pg_global_prng_state, 1);
	SHIM_CHECK(weir_filter_matches(state, "row", 3, needed, nneeded) == (n > 0));
	pg_prng_seed(&pg_global_prng_state, 1);
	SHIM_CHECK(weir_filter_apply(state, "row", 3, needed, nneeded, &result) == n);
	for (int i = 0; i < n; i++)
	{
		SHIM_CHECK(weir_cell_cmp(&first[i].cell, &result[i].cell) == 0);
		SHIM_CHECK(weir_bytes_cmp(first[i].cell.value, first[i].cell.value_len,
								  result[i].cell.value, result[i].cell.value_len) == 0);
		SHIM_CHECK(strcmp(first[i].label ? first[i].label : "",
						  result[i].label ? result[i].label : "") == 0);
	}
}

/* Too many copies of cells may come out, or a pattern be too large. */
static void
check_filter(struct varlena *value)
{
	sigjmp_buf	outer;

	memcpy(&outer, &shim_jump, sizeof(outer));
	SHIM_TRY(apply_filter(value));
	memcpy(&shim_jump, &outer, sizeof(outer));
	SHIM_CHECK(*shim_sqlstate == '\0' || shim_raised("54000 22023"));
	shim_sqlstate[0] = '\0';
}

static const Type filter_type = {
	weir_filter_in, weir_filter_out, weir_filter_recv, weir_filter_send,
	"22P02 22P05 22023 54000", "22P03 22023 54000", check_filter
};

static void
fuzz_filter(const char *data, size_t size)
{
	fuzz_type(&filter_type, data, size, false);
}

static void
fuzz_filter_binary(const char *data, size_t size)
{
	fuzz_type(&filter_type, data, size, true);
}

static void
fuzz_filter_stored(const char *data, size_t size)
{
	fuzz_stored(&filter_type, data, size);
}

/* ---- patterns: one, a zero byte, and the bytes that are matched ---- */

static void
match(const char *pattern, size_t len, const char *bytes, size_t nbytes)
{
	WeirRegex  *regex = weir_regex_compile(pattern, len, NULL);
	bool		matches = weir_regex_match(regex, bytes, nbytes);
	const char *literal;
	size_t		literal_len;

	SHIM_CHECK(weir_regex_match(regex, bytes, nbytes) == matches);
	if (weir_regex_is_literal(regex, &literal, &literal_len))
	{
		SHIM_CHECK(weir_regex_match(regex, literal, literal_len));
		SHIM_CHECK(matches == (weir_bytes_cmp(literal, literal_len, bytes, nbytes) == 0));
	}
}

static void
fuzz_regex(const char *data, size_t size)
{
	const char *zero = memchr(data, 0, size);
	size_t		len = zero == NULL ? size : zero - data;
	char	   *pattern = memcpy(palloc(len), data, len);
	size_t		nbytes = zero == NULL ? 0 : size - len - 1;
	char	   *bytes = memcpy(palloc(nbytes), data + size - nbytes, nbytes);

	SHIM_TRY(match(pattern, len, bytes, nbytes));
	SHIM_CHECK(*shim_sqlstate == '\0' || shim_raised("22023"));
}

/* ---- composite keys ---- */

static void
fuzz_row_key(const char *data, size_t size)
{
	SHIM_TRY(call(weir_row_key_parts,
				  PointerGetDatum(stored_value(data, size))));
	SHIM_CHECK(*shim_sqlstate == '\0' || shim_raised("22023 22021 54000"));
}

const ShimTarget shim_targets[] = {
	{"mutation", fuzz_mutation},
	{"mutation_binary", fuzz_mutation_binary},
	{"mutation_stored", fuzz_mutation_stored},
	{"rmw_rule", fuzz_rmw_rule},
	{"rmw_rule_stored", fuzz_rmw_rule_stored},
	{"gc_rule", fuzz_gc_rule},
	{"gc_rule_binary", fuzz_gc_rule_binary},
	{"gc_rule_stored", fuzz_gc_rule_stored},
	{"filter", fuzz_filter},
	{"filter_binary", fuzz_filter_binary},
	{"filter_stored", fuzz_filter_stored},
	{"regex", fuzz_regex},
	{"row_key", fuzz_row_key},
	{0}
};
