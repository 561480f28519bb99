/*-------------------------------------------------------------------------
 *
 * reader.c
 *	  Executes a prepared query over and over with a random key, as pgbench
 *	  does, but can ask for binary results, which pgbench cannot.
 *
 *	  reader CLIENTS SECONDS text|binary KEYS QUERY
 *
 * $1 in the query is a text, the decimal number of a key between 1 and KEYS.
 * Each client is a process.  Prints how many queries were executed in a
 * second by all of them together.  The connection is that of libpq's
 * environment.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void
fail(PGconn *conn, const char *what)
{
	fprintf(stderr, "%s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static void
execute(PGconn *conn, int format, long nkeys)
{
	char		key[24];
	const char *values[1] = {key};
	PGresult   *result;

	snprintf(key, sizeof(key), "%ld", 1 + random() % nkeys);
	result = PQexecPrepared(conn, "q", 1, values, NULL, NULL, format);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail(conn, "query");
	PQclear(result);
}

/* One client: the number of queries in so many seconds, to the pipe. */
static void
run_client(int client, double seconds, int format, long nkeys,
		   const char *query, int out)
{
	PGconn	   *conn = PQconnectdb("");
	double		end;
	long		count = 0;

	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn, "connection");
	if (PQresultStatus(PQprepare(conn, "q", query, 1, NULL)) != PGRES_COMMAND_OK)
		fail(conn, "prepare");
	srandom(client + 1);
	for (int i = 0; i < 100; i++)	/* the plan, the catalog's caches */
		execute(conn, format, nkeys);
	for (end = now() + seconds; now() < end; count++)
		execute(conn, format, nkeys);
	PQfinish(conn);
	if (write(out, &count, sizeof(count)) != sizeof(count))
		exit(1);
	exit(0);
}

int
main(int argc, char **argv)
{
	int			pipes[2];
	int			clients;
	double		seconds;
	long		total = 0;

	if (argc != 6 || pipe(pipes) != 0)
	{
		fprintf(stderr, "usage: reader CLIENTS SECONDS text|binary KEYS QUERY\n");
		return 2;
	}
	clients = atoi(argv[1]);
	seconds = atof(argv[2]);
	for (int i = 0; i < clients; i++)
		if (fork() == 0)
			run_client(i, seconds, strcmp(argv[3], "binary") == 0,
					   atol(argv[4]), argv[5], pipes[1]);
	for (int i = 0; i < clients; i++)
	{
		int			status;
		long		count;

		if (wait(&status) < 0 || status != 0 ||
			read(pipes[0], &count, sizeof(count)) != sizeof(count))
			return 1;
		total += count;
	}
	printf("%.1f\n", total / seconds);
	return 0;
}
