/*-------------------------------------------------------------------------
 *
 * shim.h
 *	  The little of the server that the pure modules of src/types need, for
 *	  programs that run without one.
 *
 * A harness has a list of targets, of which the environment variable
 * FUZZ_TARGET names the one that is run.  Memory that is allocated for an
 * input is freed after it, each piece having been allocated on its own, so
 * that the address sanitizer sees what is read or written outside of it.  ereport(ERROR) ends SHIM_TRY; afterwards shim_sqlstate is
 * the SQLSTATE, or "" if nothing was raised.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WEIR_FUZZ_SHIM_H
#define WEIR_FUZZ_SHIM_H

#include <setjmp.h>

/* what get_fn_expr_argtype says */
extern const Oid *shim_argument_types;

extern sigjmp_buf shim_jump;
extern char shim_sqlstate[6];

typedef struct ShimTarget
{
	const char *name;
	void		(*run) (const char *data, size_t size);
} ShimTarget;

/* the harness's; the last has no name */
extern const ShimTarget shim_targets[];

/* Runs the statement until it is done or raises. */
#define SHIM_TRY(statement) \
	do { \
		shim_sqlstate[0] = '\0'; \
		if (sigsetjmp(shim_jump, 0) == 0) \
			statement; \
	} while (0)

/* Ends the program if the condition does not hold, for the fuzzer to note. */
#define SHIM_CHECK(condition) \
	((condition) ? (void) 0 : shim_failed(#condition, __FILE__, __LINE__))

extern void shim_failed(const char *condition, const char *file, int line);

/* Was an error raised that is in the list of SQLSTATEs, separated by blanks? */
extern bool shim_raised(const char *list);

#endif							/* WEIR_FUZZ_SHIM_H */
