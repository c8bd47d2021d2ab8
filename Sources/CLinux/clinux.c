#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <link.h>
#include <malloc.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

_Static_assert(CLINUX_EPOLLIN == EPOLLIN && CLINUX_EPOLLOUT == EPOLLOUT, "epoll bits");
_Static_assert(CLINUX_EPOLLERR == EPOLLERR && CLINUX_EPOLLHUP == EPOLLHUP, "epoll bits");
_Static_assert(CLINUX_EPOLL_ADD == EPOLL_CTL_ADD && CLINUX_EPOLL_REMOVE == EPOLL_CTL_DEL, "epoll_ctl");
_Static_assert(CLINUX_EPOLL_CHANGE == EPOLL_CTL_MOD, "epoll_ctl");

// Waiting -----------------------------------------------------------------------------------

enum { events_max = 64 };

int clinux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int clinux_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(epoll, operation, descriptor, &event);
}

static struct timespec interval(int64_t ns) {
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static int copied(const struct epoll_event *from, struct clinux_event *to, int count) {
    for (int i = 0; i < count; i++) {
        to[i].token = from[i].data.u64;
        to[i].events = from[i].events;
    }
    return count;
}

int clinux_epoll_wait_ns(int epoll, struct clinux_event *events, int count, int64_t timeout_ns) {
#ifdef SYS_epoll_pwait2
    struct epoll_event found[events_max];
    // The kernel's 64-bit timespec, which is also glibc's on every 64-bit machine.
    struct { int64_t seconds, nanoseconds; } time = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    if (count > events_max) count = events_max;
    int got = (int)syscall(
        SYS_epoll_pwait2, epoll, found, count, timeout_ns < 0 ? NULL : &time, NULL, (size_t)0);
    return copied(found, events, got);
#else
    (void)epoll, (void)events, (void)count, (void)timeout_ns;
    errno = ENOSYS;
    return -1;
#endif
}

int clinux_epoll_take(int epoll, struct clinux_event *events, int count) {
    struct epoll_event found[events_max];
    if (count > events_max) count = events_max;
    return copied(found, events, epoll_wait(epoll, found, count, 0));
}

int clinux_poll_ns(int descriptor, short events, int64_t timeout_ns) {
    struct pollfd entry = {.fd = descriptor, .events = events};
    struct timespec time = interval(timeout_ns < 0 ? 0 : timeout_ns);
    int got = ppoll(&entry, 1, timeout_ns < 0 ? NULL : &time, NULL);
    return got > 0 ? entry.revents : got;
}

int clinux_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int clinux_signalfd(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) sigaddset(&set, signals[i]);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int clinux_signalfd_read(int descriptor) {
    struct signalfd_siginfo info;
    ssize_t got = read(descriptor, &info, sizeof info);
    return got == (ssize_t)sizeof info ? (int)info.ssi_signo : -1;
}

int clinux_timer_slack(unsigned long nanoseconds) {
    return prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0);
}

int clinux_pidfd_open(pid_t pid) {
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    errno = ENOSYS;
    return -1;
#endif
}

// Threads -----------------------------------------------------------------------------------

struct thread_start {
    char name[16];
    void (*body)(void *);
    void *context;
};

static void *thread_main(void *argument) {
    struct thread_start start = *(struct thread_start *)argument;
    free(argument);
    pthread_setname_np(pthread_self(), start.name);
    start.body(start.context);
    return NULL;
}

int clinux_thread_start(
    const char *name, size_t stack_bytes, void (*body)(void *), void *context, pthread_t *thread) {
    struct thread_start *start = calloc(1, sizeof *start);
    if (start == NULL) return ENOMEM;
    strncpy(start->name, name, sizeof start->name - 1);
    start->body = body;
    start->context = context;

    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error == 0) {
        if (stack_bytes != 0) pthread_attr_setstacksize(&attributes, stack_bytes);
        // A new thread inherits the mask, so there is no moment in which it could take a signal.
        pthread_sigmask(SIG_SETMASK, &all, &before);
        error = pthread_create(thread, &attributes, thread_main, start);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
    }
    if (error != 0) free(start);
    return error;
}

// Files -------------------------------------------------------------------------------------

int clinux_open(const char *path, int flags, unsigned int mode) { return open(path, flags, mode); }

int clinux_openat(int directory, const char *path, int flags, unsigned int mode) {
    return openat(directory, path, flags, mode);
}

int clinux_allocate(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, 0, offset, length);
}

int clinux_set_nonblocking(int descriptor, int on) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return -1;
    return fcntl(descriptor, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

int clinux_duplicate(int descriptor, int from) { return fcntl(descriptor, F_DUPFD_CLOEXEC, from); }

int clinux_accept(int listener, int flags) { return accept4(listener, NULL, NULL, flags); }

int clinux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

char *const *clinux_environment(void) { return environ; }

int clinux_spawn_close_from(posix_spawn_file_actions_t *actions, int from) {
    return posix_spawn_file_actions_addclosefrom_np(actions, from);
}

int clinux_uevent_socket(void) {
    int number = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (number < 0) return -1;
    // Group 1 is the kernel's, group 2 udev's.
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 3};
    if (bind(number, (struct sockaddr *)&address, sizeof address) == 0) return number;
    int error = errno;
    close(number);
    errno = error;
    return -1;
}

// The machine -------------------------------------------------------------------------------

int clinux_clock_unsynchronised(void) {
    struct timex state = {.modes = 0};
    int answer = adjtimex(&state);
    if (answer < 0) return -1;
    return answer == TIME_ERROR || (state.status & STA_UNSYNC) != 0;
}

void clinux_now(int64_t *boot_ns, int64_t *wall_ms) {
    struct timespec boot, wall;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &wall);
    *boot_ns = (int64_t)boot.tv_sec * 1000000000 + boot.tv_nsec;
    *wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
}

int64_t clinux_boot_now(void) {
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (int64_t)boot.tv_sec * 1000000000 + boot.tv_nsec;
}

ssize_t clinux_random(void *bytes, size_t count) { return getrandom(bytes, count, 0); }

int clinux_peer_credentials(int descriptor, pid_t *pid, uid_t *uid, gid_t *gid) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
    *pid = peer.pid;
    *uid = peer.uid;
    *gid = peer.gid;
    return 0;
}

int clinux_terminal_width(int descriptor) {
    struct winsize size;
    return ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : -1;
}

const char *clinux_error_text(int code) { return strerrordesc_np(code); }
const char *clinux_error_name(int code) { return strerrorname_np(code); }

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void clinux_remove_tree(const char *path) { nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

/* Segments that are never written hold nothing of their own: relocations only touch writable ones. */
static int release_segments(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size, (void)unused;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) continue;
        uintptr_t start = (object->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~(page - 1);
        if (start < end) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void clinux_one_heap(void) { mallopt(M_ARENA_MAX, 1); }

void clinux_release_pages(void) {
    malloc_trim(0);
    dl_iterate_phdr(release_segments, NULL);
}

bool clinux_is_kernels(const char *path) {
    static const long kinds[] = {
        PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC,
        DEBUGFS_MAGIC, SECURITYFS_MAGIC,
    };
    struct statfs status;
    if (statfs(path, &status) != 0) return false;
    for (size_t index = 0; index < sizeof kinds / sizeof *kinds; index++)
        if ((long)status.f_type == kinds[index]) return true;
    return false;
}
