// What Swift's Glibc module does not import. Thin wrappers only: no decisions in C.
// Kernel structures are repeated here in plain form, because <asm/termbits.h> and <termios.h>
// cannot be seen together; clinux.c asserts that the numbers agree.
// Unless said otherwise a function answers as its system call does: -1 and errno on failure.
#pragma once
#include <pthread.h>
#include <spawn.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Waiting -----------------------------------------------------------------------------------

#define CLINUX_EPOLLIN 0x001u
#define CLINUX_EPOLLOUT 0x004u
#define CLINUX_EPOLLERR 0x008u
#define CLINUX_EPOLLHUP 0x010u
#define CLINUX_EPOLL_ADD 1
#define CLINUX_EPOLL_REMOVE 2
#define CLINUX_EPOLL_CHANGE 3

struct clinux_event {
    uint64_t token;
    uint32_t events;
};

int clinux_epoll_create(void);
int clinux_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t token);
/// At most 64 events; a negative timeout waits for ever. ENOSYS before Linux 5.11.
int clinux_epoll_wait_ns(int epoll, struct clinux_event *events, int count, int64_t timeout_ns);
/// Does not wait.
int clinux_epoll_take(int epoll, struct clinux_event *events, int count);
/// One descriptor; `events` and the result are poll(2)'s bits. 0 on timeout.
int clinux_poll_ns(int descriptor, short events, int64_t timeout_ns);
int clinux_eventfd(void);
/// Blocks `signals` in the calling thread and answers a non-blocking signalfd for them.
int clinux_signalfd(const int *signals, size_t count);
/// The next pending signal's number, or -1.
int clinux_signalfd_read(int descriptor);
int clinux_timer_slack(unsigned long nanoseconds);
int clinux_pidfd_open(pid_t pid);

// Threads -----------------------------------------------------------------------------------

/// Starts a joinable thread with every signal blocked and its name cut to 15 bytes. Answers 0 or
/// an errno value. The thread runs `body(context)`.
int clinux_thread_start(
    const char *name, size_t stack_bytes, void (*body)(void *), void *context, pthread_t *thread);

// Serial lines ------------------------------------------------------------------------------

#define CLINUX_BOTHER 0x1000u
#define CLINUX_CBAUD 0x100Fu
#define CLINUX_CIBAUD 0x100F0000u
#define CLINUX_CRTSCTS 0x80000000u

struct clinux_termios {
    uint32_t input, output, control, local;
    uint32_t input_baud, output_baud;
    uint8_t read_minimum, read_time;
};

int clinux_termios_get(int descriptor, struct clinux_termios *settings);
/// TCSETS2, or TCSETS where there is no other (qemu-user): at once, without draining. Control characters other than VMIN and VTIME stay.
int clinux_termios_set(int descriptor, const struct clinux_termios *settings);

#define CLINUX_RS485_ENABLED 1u
#define CLINUX_RS485_RTS_ON_SEND 2u
#define CLINUX_RS485_RTS_AFTER_SEND 4u
#define CLINUX_RS485_RX_DURING_TX 16u
#define CLINUX_RS485_TERMINATE_BUS 32u

struct clinux_rs485 {
    uint32_t flags, delay_before_send_ms, delay_after_send_ms;
};

int clinux_rs485_get(int descriptor, struct clinux_rs485 *settings);
int clinux_rs485_set(int descriptor, const struct clinux_rs485 *settings);

struct clinux_icounter {
    int32_t received, sent, frame, overrun, parity, breaks, buffer_overrun;
};

int clinux_icounter_get(int descriptor, struct clinux_icounter *counters);
int clinux_low_latency(int descriptor);
int clinux_exclusive(int descriptor, int on);
int clinux_flush(int descriptor, int queue);
int clinux_rts(int descriptor, int on);
/// A non-blocking netlink socket that hears the kernel's and udev's uevents.
int clinux_uevent_socket(void);
/// Bytes that the driver has not yet sent.
int clinux_output_pending(int descriptor);
/// 1 when the UART's shift register is empty, 0 when not; ENOTTY where the driver cannot tell.
int clinux_transmitter_empty(int descriptor);

int clinux_pty_open(void);
int clinux_pty_unlock(int master);
int clinux_pty_name(int master, char *name, size_t capacity);

unsigned int clinux_device_major(uint64_t device);
unsigned int clinux_device_minor(uint64_t device);

// Files -------------------------------------------------------------------------------------

int clinux_open(const char *path, int flags, unsigned int mode);
int clinux_openat(int directory, const char *path, int flags, unsigned int mode);
int clinux_allocate(int descriptor, int64_t offset, int64_t length);
int clinux_set_nonblocking(int descriptor, int on);
/// A duplicate numbered `from` or above, close-on-exec.
int clinux_duplicate(int descriptor, int from);

/// accept4(2) without the address; `flags` are SOCK_CLOEXEC and SOCK_NONBLOCK.
int clinux_accept(int listener, int flags);
/// Both ends close-on-exec: reader, writer.
int clinux_pipe(int ends[2]);
char *const *clinux_environment(void);
/// The child closes every descriptor from this number on.
int clinux_spawn_close_from(posix_spawn_file_actions_t *actions, int from);

// The machine -------------------------------------------------------------------------------

/// 1 when the kernel says that the clock is not synchronised, 0 when it is.
int clinux_clock_unsynchronised(void);
/// Nanoseconds since boot (CLOCK_BOOTTIME) and milliseconds since 1970 (CLOCK_REALTIME).
void clinux_now(int64_t *boot_ns, int64_t *wall_ms);
int64_t clinux_boot_now(void);
/* One malloc arena for all threads; to be called before there are any. */
void clinux_one_heap(void);
/* Unmaps the pages of code and constants that are resident now, of this program and its libraries, and gives
   free heap back. What is used again comes back from the page cache. */
void clinux_release_pages(void);
/* A folder with everything below it, links not followed; goes on where it can. */
void clinux_remove_tree(const char *path);
/* Whether the path is in a file system that shows the kernel, such as /proc: nothing can be made there. */
bool clinux_is_kernels(const char *path);
ssize_t clinux_random(void *bytes, size_t count);
int clinux_peer_credentials(int descriptor, pid_t *pid, uid_t *uid, gid_t *gid);
int clinux_terminal_width(int descriptor);
/// "No such file or directory" and "ENOENT"; static text, NULL for an unknown number.
const char *clinux_error_text(int code);
const char *clinux_error_name(int code);
