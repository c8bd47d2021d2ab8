// Serial lines: the kernel's own termios, which <termios.h> cannot be included beside.
#define _GNU_SOURCE
#include "clinux.h"
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <asm/termios.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

int ioctl(int descriptor, unsigned long request, ...);

_Static_assert(CLINUX_BOTHER == BOTHER && CLINUX_CBAUD == CBAUD && CLINUX_CIBAUD == CIBAUD, "termbits");
_Static_assert(CLINUX_CRTSCTS == CRTSCTS, "termbits");
_Static_assert(CLINUX_RS485_ENABLED == SER_RS485_ENABLED, "rs485");
_Static_assert(CLINUX_RS485_RTS_ON_SEND == SER_RS485_RTS_ON_SEND, "rs485");
_Static_assert(CLINUX_RS485_RTS_AFTER_SEND == SER_RS485_RTS_AFTER_SEND, "rs485");
_Static_assert(CLINUX_RS485_RX_DURING_TX == SER_RS485_RX_DURING_TX, "rs485");
_Static_assert(CLINUX_RS485_TERMINATE_BUS == SER_RS485_TERMINATE_BUS, "rs485");

// The older calls know some speeds only, by a code; qemu-user has no others.
static const struct { uint32_t baud, code; } speeds[] = {
    {50, B50}, {75, B75}, {110, B110}, {134, B134}, {150, B150}, {200, B200}, {300, B300}, {600, B600},
    {1200, B1200}, {1800, B1800}, {2400, B2400}, {4800, B4800}, {9600, B9600}, {19200, B19200}, {38400, B38400},
    {57600, B57600}, {115200, B115200}, {230400, B230400}, {460800, B460800}, {500000, B500000},
    {576000, B576000}, {921600, B921600}, {1000000, B1000000}, {1152000, B1152000}, {1500000, B1500000},
    {2000000, B2000000}, {2500000, B2500000}, {3000000, B3000000}, {3500000, B3500000}, {4000000, B4000000},
};

static int old_termios_get(int descriptor, struct clinux_termios *settings) {
    struct termios kernel;
    if (ioctl(descriptor, TCGETS, &kernel) != 0) return -1;
    settings->input = kernel.c_iflag;
    settings->output = kernel.c_oflag;
    settings->control = kernel.c_cflag;
    settings->local = kernel.c_lflag;
    settings->output_baud = 0;
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++)
        if (speeds[i].code == (kernel.c_cflag & CBAUD)) settings->output_baud = speeds[i].baud;
    settings->input_baud = settings->output_baud;
    settings->read_minimum = kernel.c_cc[VMIN];
    settings->read_time = kernel.c_cc[VTIME];
    return 0;
}

static int old_termios_set(int descriptor, const struct clinux_termios *settings) {
    struct termios kernel;
    if (ioctl(descriptor, TCGETS, &kernel) != 0) return -1;
    uint32_t code = 0;
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++)
        if (speeds[i].baud == settings->output_baud) code = speeds[i].code;
    if (code == 0) {
        errno = EINVAL;
        return -1;
    }
    kernel.c_iflag = settings->input;
    kernel.c_oflag = settings->output;
    kernel.c_cflag = (settings->control & ~(uint32_t)(CBAUD | CIBAUD)) | code;
    kernel.c_lflag = settings->local;
    kernel.c_cc[VMIN] = settings->read_minimum;
    kernel.c_cc[VTIME] = settings->read_time;
    return ioctl(descriptor, TCSETS, &kernel);
}

int clinux_termios_get(int descriptor, struct clinux_termios *settings) {
    struct termios2 kernel;
    if (ioctl(descriptor, TCGETS2, &kernel) != 0) return errno == ENOSYS ? old_termios_get(descriptor, settings) : -1;
    settings->input = kernel.c_iflag;
    settings->output = kernel.c_oflag;
    settings->control = kernel.c_cflag;
    settings->local = kernel.c_lflag;
    settings->input_baud = kernel.c_ispeed;
    settings->output_baud = kernel.c_ospeed;
    settings->read_minimum = kernel.c_cc[VMIN];
    settings->read_time = kernel.c_cc[VTIME];
    return 0;
}

int clinux_termios_set(int descriptor, const struct clinux_termios *settings) {
    struct termios2 kernel;
    if (ioctl(descriptor, TCGETS2, &kernel) != 0) return errno == ENOSYS ? old_termios_set(descriptor, settings) : -1;
    kernel.c_iflag = settings->input;
    kernel.c_oflag = settings->output;
    kernel.c_cflag = settings->control;
    kernel.c_lflag = settings->local;
    kernel.c_ispeed = settings->input_baud;
    kernel.c_ospeed = settings->output_baud;
    kernel.c_cc[VMIN] = settings->read_minimum;
    kernel.c_cc[VTIME] = settings->read_time;
    return ioctl(descriptor, TCSETS2, &kernel);
}

int clinux_rs485_get(int descriptor, struct clinux_rs485 *settings) {
    struct serial_rs485 kernel;
    memset(&kernel, 0, sizeof kernel);
    if (ioctl(descriptor, TIOCGRS485, &kernel) != 0) return -1;
    settings->flags = kernel.flags;
    settings->delay_before_send_ms = kernel.delay_rts_before_send;
    settings->delay_after_send_ms = kernel.delay_rts_after_send;
    return 0;
}

int clinux_rs485_set(int descriptor, const struct clinux_rs485 *settings) {
    struct serial_rs485 kernel;
    memset(&kernel, 0, sizeof kernel);
    kernel.flags = settings->flags;
    kernel.delay_rts_before_send = settings->delay_before_send_ms;
    kernel.delay_rts_after_send = settings->delay_after_send_ms;
    return ioctl(descriptor, TIOCSRS485, &kernel);
}

int clinux_icounter_get(int descriptor, struct clinux_icounter *counters) {
    struct serial_icounter_struct kernel;
    memset(&kernel, 0, sizeof kernel);
    if (ioctl(descriptor, TIOCGICOUNT, &kernel) != 0) return -1;
    counters->received = kernel.rx;
    counters->sent = kernel.tx;
    counters->frame = kernel.frame;
    counters->overrun = kernel.overrun;
    counters->parity = kernel.parity;
    counters->breaks = kernel.brk;
    counters->buffer_overrun = kernel.buf_overrun;
    return 0;
}

int clinux_low_latency(int descriptor) {
    struct serial_struct kernel;
    memset(&kernel, 0, sizeof kernel);
    if (ioctl(descriptor, TIOCGSERIAL, &kernel) != 0) return -1;
    kernel.flags |= ASYNC_LOW_LATENCY;
    return ioctl(descriptor, TIOCSSERIAL, &kernel);
}

int clinux_exclusive(int descriptor, int on) { return ioctl(descriptor, on ? TIOCEXCL : TIOCNXCL); }

int clinux_flush(int descriptor, int queue) { return ioctl(descriptor, TCFLSH, (long)queue); }

int clinux_rts(int descriptor, int on) {
    int bits = TIOCM_RTS;
    return ioctl(descriptor, on ? TIOCMBIS : TIOCMBIC, &bits);
}

int clinux_output_pending(int descriptor) {
    int bytes = 0;
    return ioctl(descriptor, TIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

int clinux_transmitter_empty(int descriptor) {
    unsigned int state = 0;
    if (ioctl(descriptor, TIOCSERGETLSR, &state) != 0) return -1;
    return (state & TIOCSER_TEMT) != 0;
}

int clinux_pty_open(void) {
    return posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
}

int clinux_pty_unlock(int master) {
    if (grantpt(master) != 0) return -1;
    return unlockpt(master);
}

int clinux_pty_name(int master, char *name, size_t capacity) {
    int error = ptsname_r(master, name, capacity);
    if (error == 0) return 0;
    errno = error;
    return -1;
}

unsigned int clinux_device_major(uint64_t device) { return major(device); }
unsigned int clinux_device_minor(uint64_t device) { return minor(device); }
