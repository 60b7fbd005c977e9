/* Preloaded into the server: fails the Nth call of a kind once a file exists, and shifts the
 * wall clock. See shim.rs, which writes the files.
 *
 *   TORTURE_PLAN   a file "CALL N ERROR": the Nth CALL on the store's log after it appears
 *                  fails with ERROR (a number), or writes only half when ERROR is 0. Then
 *                  PLAN.hit is made; each further fdatasync of the log adds a byte to it.
 *   TORTURE_CLOCK  a file of 8 bytes: milliseconds (signed, native order) that are added to
 *                  the wall clock.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *plan_path;
static char hit_path[4096];
static char plan_call[32];
static long plan_number;
static int plan_error;
static atomic_int armed, hit;
static atomic_long calls;
static pthread_mutex_t arming = PTHREAD_MUTEX_INITIALIZER;
static volatile int64_t *shift;

static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_sync_file_range)(int, off64_t, off64_t, unsigned);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_sync_file_range = dlsym(RTLD_NEXT, "sync_file_range");
    real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
    plan_path = getenv("TORTURE_PLAN");
    if (plan_path) snprintf(hit_path, sizeof hit_path, "%s.hit", plan_path);
    const char *clock = getenv("TORTURE_CLOCK");
    int file = clock ? open(clock, O_RDONLY) : -1;
    if (file >= 0) {
        void *at = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
        if (at != MAP_FAILED) shift = at;
        close(file);
    }
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

static void note(const char *text) {
    int file = open(hit_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0) return;
    if (write(file, text, strlen(text)) < 0) abort();
    close(file);
}

static void arm(void) {
    FILE *file = fopen(plan_path, "r");
    if (!file) return;
    pthread_mutex_lock(&arming);
    if (!armed && fscanf(file, "%31s %ld %d", plan_call, &plan_number, &plan_error) == 3) armed = 1;
    pthread_mutex_unlock(&arming);
    fclose(file);
}

/* Whether this is the store's log. */
static int is_log(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path);
    return length > 3 && strncmp(path + length - 3, "/db", 3) == 0;
}

/* Whether this call is the one that fails. */
static int is_due(const char *call, int file) {
    if (!plan_path || hit) return 0;
    if (!armed && access(plan_path, R_OK) == 0) arm();
    if (!armed || strcmp(call, plan_call) != 0 || !is_log(file)) return 0;
    if (atomic_fetch_add(&calls, 1) + 1 != plan_number) return 0;
    hit = 1;
    note("!");
    return 1;
}

int fdatasync(int file) {
    if (hit && is_log(file)) note("s");
    if (is_due("fdatasync", file)) {
        errno = plan_error;
        return -1;
    }
    return real_fdatasync(file);
}

int fsync(int file) {
    if (is_due("fsync", file)) {
        errno = plan_error;
        return -1;
    }
    return real_fsync(file);
}

int sync_file_range(int file, off64_t offset, off64_t bytes, unsigned flags) {
    if (is_due("sync_file_range", file)) {
        errno = plan_error;
        return -1;
    }
    return real_sync_file_range(file, offset, bytes, flags);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    if (is_due("pwrite", file)) {
        if (plan_error == 0) return real_pwrite64(file, bytes, count / 2, offset);
        errno = plan_error;
        return -1;
    }
    return real_pwrite64(file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return pwrite64(file, bytes, count, offset);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = real_clock_gettime ? real_clock_gettime(clock, time)
                                    : (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && shift) {
        int64_t whole = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + *shift * 1000000;
        time->tv_sec = whole / 1000000000;
        time->tv_nsec = whole % 1000000000;
    }
    return result;
}
