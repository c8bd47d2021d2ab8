/* disk-shim.so, by LD_PRELOAD: writes down what a program does to the files below SHIM_DIR, to its network
   connections and to its serial lines, in one order, and fails or delays calls on demand.

   SHIM_LOG is the file of events. Each is a header of 24 bytes in native order (kind u8, 3 bytes of nothing, length of
   the path u32, value i64, length of the data u32, 4 bytes of nothing), then path and data:

   O opened: value is 1 if it was created, 2 if truncated      W written: value is the offset, data the bytes
   T truncated to value         A allocated up to value         D data synced      F synced      d directory synced
   R renamed, data the new path U unlinked                      M directory made   X a fault was injected, data says which
   C connected, value the descriptor    S about to be sent there    s of which value bytes were taken    r received
   w written to a serial line, path its name

   A sync is written down after the call, a sending before it: what was sent after a sync, is so in the log.

   SHIM_CONTROL is a file that is read before each call, with a line for each fault: CALL WHAT N COUNT ACTION. CALL is a
   call's name or "change" for every one that changes something, WHAT a part of the path, N the first call that it
   hits (from 1), COUNT how many, ACTION an errno's number, "delay=MS" or "short". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 1024, FAULTS = 16 };
enum { NOTHING, FILE_FD, FOLDER_FD, NET_FD, LINE_FD };

static struct { char kind; char *path; } table[FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char folder[PATH_MAX];
static size_t folder_length;
static const char *control;

struct fault { char line[256]; long hits; };
static struct fault faults[FAULTS];

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("SHIM_LOG"), *dir = getenv("SHIM_DIR");
    control = getenv("SHIM_CONTROL");
    if (dir && realpath(dir, folder)) folder_length = strlen(folder);
    if (log) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
        syscall(SYS_close, fd);
    }
}

/* `time` in milliseconds of the monotonic clock. */
struct header { uint8_t kind, none[3]; uint32_t path; int64_t value; uint32_t data; uint32_t time; };

static void note(char kind, const char *path, int64_t value, const void *data, size_t length) {
    if (log_fd < 0) return;
    int saved = errno;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint32_t time = (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
    struct header header = { (uint8_t)kind, {0}, (uint32_t)strlen(path), value, (uint32_t)length, time };
    struct iovec parts[3] = { { &header, sizeof header }, { (void *)path, header.path }, { (void *)data, length } };
    syscall(SYS_writev, log_fd, parts, 3);
    errno = saved;
}

/* The n-th call of a fault's kind: what it is to do; 0 is nothing, -1 half a write, otherwise an errno. */
static int fault(const char *call, const char *path, int changes) {
    if (!control || !path) return 0;
    char text[4096];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    long size = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (size <= 0) return 0;
    text[size] = 0;
    int action = 0;
    long delay = 0;
    pthread_mutex_lock(&lock);
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        char name[32], what[128], deed[32];
        long first, count;
        if (sscanf(line, "%31s %127s %ld %ld %31s", name, what, &first, &count, deed) != 5) continue;
        if (strcmp(name, call) && !(changes && !strcmp(name, "change"))) continue;
        if (strcmp(what, "*") && !strstr(path, what)) continue;
        struct fault *mine = NULL;
        for (int i = 0; i < FAULTS && !mine; i++) {
            if (!strcmp(faults[i].line, line)) mine = &faults[i];
            else if (!faults[i].line[0]) snprintf((mine = &faults[i])->line, sizeof mine->line, "%s", line);
        }
        if (!mine) continue;
        mine->hits++;
        if (mine->hits < first || mine->hits >= first + count) continue;
        note('X', path, mine->hits, line, strlen(line));
        if (!strncmp(deed, "delay=", 6)) delay = atol(deed + 6);
        else action = !strcmp(deed, "short") ? -1 : atoi(deed);
    }
    pthread_mutex_unlock(&lock);
    if (delay > 0) {
        struct timespec time = { delay / 1000, delay % 1000 * 1000000 };
        while (nanosleep(&time, &time) && errno == EINTR) { }
    }
    return action;
}

static int is_ours(const char *path) {
    return folder_length && !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

static const char *path_of(int fd, int kind) {
    return fd >= 0 && fd < FDS && table[fd].kind == kind ? table[fd].path : NULL;
}

static void remember(int fd, char kind, const char *path) {
    if (fd < 0 || fd >= FDS) return;
    free(table[fd].path);
    table[fd].kind = kind;
    table[fd].path = path ? strdup(path) : NULL;
}

/* The whole path of a name in a folder that is open; false if it is none of ours. */
static int whole(int dir, const char *name, char *path) {
    if (name[0] == '/') snprintf(path, PATH_MAX, "%s", name);
    else {
        const char *above = path_of(dir, FOLDER_FD);
        if (above) snprintf(path, PATH_MAX, "%s/%s", above, name);
        else if (dir == AT_FDCWD && getcwd(path, PATH_MAX)) {
            size_t length = strlen(path);
            snprintf(path + length, PATH_MAX - length, "/%s", name);
        } else return 0;
    }
    return is_ours(path);
}

static int opened(int dir, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int ours = whole(dir, name, path);
    int changes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    int code = ours ? fault("open", path, changes) : 0;
    if (code > 0) { errno = code; return -1; }
    int existed = !ours || syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
    int fd = (int)syscall(SYS_openat, dir, name, flags, mode);
    if (fd < 0) return fd;
    if (ours) {
        struct stat status;
        int is_folder = !fstat(fd, &status) && S_ISDIR(status.st_mode);
        remember(fd, is_folder ? FOLDER_FD : FILE_FD, path);
        if (!is_folder) note('O', path, (existed ? 0 : 1) | (flags & O_TRUNC ? 2 : 0), "", 0);
    } else if (!strncmp(name, "/dev/", 5) || isatty(fd)) remember(fd, isatty(fd) ? LINE_FD : NOTHING, name);
    else remember(fd, NOTHING, NULL);
    return fd;
}

#define MODE() mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }
#include <stdarg.h>
int open(const char *name, int flags, ...) { MODE() return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE() return opened(AT_FDCWD, name, flags, mode); }
int openat(int dir, const char *name, int flags, ...) { MODE() return opened(dir, name, flags, mode); }
int openat64(int dir, const char *name, int flags, ...) { MODE() return opened(dir, name, flags, mode); }

int close(int fd) {
    remember(fd, NOTHING, NULL);
    return (int)syscall(SYS_close, fd);
}

static ssize_t put(const char *call, int fd, const void *data, size_t length, int64_t offset) {
    const char *path = path_of(fd, FILE_FD);
    int code = path ? fault(call, path, 1) : 0;
    if (code > 0) { errno = code; return -1; }
    if (code < 0 && length > 1) length /= 2;
    ssize_t done = offset < 0 ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
    if (done <= 0) return done;
    if (path) note('W', path, offset < 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) - done : offset, data, (size_t)done);
    else if (path_of(fd, LINE_FD)) note('w', table[fd].path, 0, data, (size_t)done);
    return done;
}

ssize_t write(int fd, const void *data, size_t length) { return put("write", fd, data, length, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return put("write", fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return put("write", fd, data, length, offset); }

static int simple(const char *call, int fd, char kind, int64_t value, int (*run)(int, int64_t)) {
    const char *path = path_of(fd, FILE_FD);
    int is_folder = !path && (path = path_of(fd, FOLDER_FD));
    int code = path ? fault(call, path, 1) : 0;
    if (code > 0) { errno = code; return -1; }
    int result = run(fd, value);
    if (!result && path) note(is_folder ? 'd' : kind, path, value, "", 0);
    return result;
}
static int run_data(int fd, int64_t v) { (void)v; return (int)syscall(SYS_fdatasync, fd); }
static int run_sync(int fd, int64_t v) { (void)v; return (int)syscall(SYS_fsync, fd); }
static int run_cut(int fd, int64_t v) { return (int)syscall(SYS_ftruncate, fd, v); }
static int run_room(int fd, int64_t v) { return (int)syscall(SYS_fallocate, fd, 0, 0L, v); }
int fdatasync(int fd) { return simple("fdatasync", fd, 'D', 0, run_data); }
int fsync(int fd) { return simple("fsync", fd, 'F', 0, run_sync); }
int ftruncate(int fd, off_t size) { return simple("ftruncate", fd, 'T', size, run_cut); }
int ftruncate64(int fd, off64_t size) { return simple("ftruncate", fd, 'T', size, run_cut); }
int fallocate(int fd, int mode, off_t start, off_t size) {
    if (mode) return (int)syscall(SYS_fallocate, fd, mode, start, size);
    return simple("fallocate", fd, 'A', start + size, run_room);
}
int fallocate64(int fd, int mode, off64_t start, off64_t size) { return fallocate(fd, mode, start, size); }

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    char old[PATH_MAX], new[PATH_MAX];
    int ours = whole(from_dir, from, old) & whole(to_dir, to, new);
    int code = ours ? fault("rename", new, 1) : 0;
    if (code > 0) { errno = code; return -1; }
    int result = (int)syscall(SYS_renameat, from_dir, from, to_dir, to);
    if (!result && ours) note('R', old, 0, new, strlen(new));
    return result;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int dir, const char *name, int flags) {
    char path[PATH_MAX];
    int ours = whole(dir, name, path);
    int code = ours ? fault("unlink", path, 1) : 0;
    if (code > 0) { errno = code; return -1; }
    int result = (int)syscall(SYS_unlinkat, dir, name, flags);
    if (!result && ours) note('U', path, 0, "", 0);
    return result;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int mkdir(const char *name, mode_t mode) {
    char path[PATH_MAX];
    int ours = whole(AT_FDCWD, name, path);
    int code = ours ? fault("mkdir", path, 1) : 0;
    if (code > 0) { errno = code; return -1; }
    int result = (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
    if (!result && ours) note('M', path, 0, "", 0);
    return result;
}

/* The network: connections over IPv4 and IPv6 only, so neither the control socket nor netlink. */
int connect(int fd, const struct sockaddr *address, socklen_t length) {
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6) {
        remember(fd, NET_FD, "net");
        note('C', "net", fd, "", 0);
    }
    return REAL(connect)(fd, address, length);
}
ssize_t send(int fd, const void *data, size_t length, int flags) {
    int is_net = path_of(fd, NET_FD) != NULL;
    if (is_net) note('S', "net", fd, data, length);
    ssize_t done = syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
    if (is_net) note('s', "net", done, "", 0);
    return done;
}
ssize_t recv(int fd, void *data, size_t length, int flags) {
    ssize_t done = syscall(SYS_recvfrom, fd, data, length, flags, NULL, NULL);
    if (done > 0 && path_of(fd, NET_FD) && !(flags & MSG_PEEK)) note('r', "net", fd, data, (size_t)done);
    return done;
}
