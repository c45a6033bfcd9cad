/* A clock with an offset, and the stamps that files get from it, for test_clock.py.

   LD_PRELOAD. The file that CLOCK_OFFSET names holds the offset in seconds; it is read whenever the
   clock is asked, so that the clock can be set while processes work. Sleeps and the monotonic
   clock are left alone, as setting a clock leaves them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void)
{
    char text[32] = "0";
    const char *path = getenv("CLOCK_OFFSET");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        ssize_t size = read(file, text, sizeof text - 1);
        text[size > 0 ? size : 0] = 0;
        close(file);
    }
    return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *found)
{
    int status = syscall(SYS_clock_gettime, clock, found);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        found->tv_sec += offset();
    return status;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    found->tv_sec = now.tv_sec;
    found->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *found)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found)
        *found = now.tv_sec;
    return now.tv_sec;
}

int utimensat(int folder, const char *path, const struct timespec times[2], int flags)
{
    struct timespec stamp[2];
    for (int i = 0; i < 2; i++)
        if (!times || times[i].tv_nsec == UTIME_NOW)
            clock_gettime(CLOCK_REALTIME, &stamp[i]);
        else
            stamp[i] = times[i];
    return syscall(SYS_utimensat, folder, path, stamp, flags);
}

int futimens(int file, const struct timespec times[2])
{
    return utimensat(file, NULL, times, 0);
}
