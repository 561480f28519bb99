/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  A clock for a server under test: preloaded into it, this library moves
 *	  the time of day by what a file says, at any time.
 *
 * The file, named by WEIR_CLOCK, holds the microseconds to add: 8 bytes in the
 * machine's order, shared by all processes.  The server asks for the time of
 * day by gettimeofday and time; clocks that measure durations are left alone,
 * as they are when a system's clock is set.
 *
 * (libfaketime would do, but in a process that 15's postmaster starts from a
 * signal handler, as it does with workers, it stops working.)
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define USECS_PER_SEC	1000000

static const volatile int64_t *offset_usec;

__attribute__((constructor))
static void
map_offset(void)
{
	const char *name = getenv("WEIR_CLOCK");
	int			fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	void	   *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		offset_usec = map;
	close(fd);
}

static int64_t
now_usec(void)
{
	struct timespec now;

	syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * USECS_PER_SEC + now.tv_nsec / 1000 +
		(offset_usec ? *offset_usec : 0);
}

int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	int64_t		now = now_usec();

	(void) tz;
	if (tv)
	{
		tv->tv_sec = now / USECS_PER_SEC;
		tv->tv_usec = now % USECS_PER_SEC;
	}
	return 0;
}

time_t
time(time_t *t)
{
	time_t		now = now_usec() / USECS_PER_SEC;

	if (t)
		*t = now;
	return now;
}
