// Before umockdev's own library (LD_PRELOAD): the terminals of its test bed are real pseudo-terminals, so what a
// program asks of them goes to the kernel. umockdev would answer from a script of ioctls, and say "no terminal"
// where the device number is not that of an on-board UART.
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

int ioctl(int descriptor, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    // As qemu-user answers: TCGETS2 to TCSETSF2.
    if (getenv("NO_TERMIOS2") && (request & 0xFF) >= 0x2A && (request & 0xFF) <= 0x2D && (request >> 8 & 0xFF) == 'T') {
        errno = ENOSYS;
        return -1;
    }
    return (int)syscall(SYS_ioctl, descriptor, request, argument);
}

int isatty(int descriptor) {
    struct termios settings;
    return tcgetattr(descriptor, &settings) == 0;
}
