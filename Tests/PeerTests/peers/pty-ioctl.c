// Before umockdev's own library (LD_PRELOAD): the terminals of its test bed are real pseudo-terminals, so what a
// program asks of them goes to the kernel. umockdev would answer from a script of ioctls, and say "no terminal"
// where the device number is not that of an on-board UART.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

// umockdev takes every result for a path below its bed, and cuts the bed's name off: of a node that is a link to a
// real pseudo-terminal it moves a negative number of bytes, and the program's heap is damaged. To the program such a
// node is no link, as that of a real adapter is none.
char *realpath(const char *path, char *resolved) {
    static char *(*plain)(const char *, char *);
    if (!plain) plain = (char *(*)(const char *, char *))dlsym(dlopen("libc.so.6", RTLD_LAZY), "realpath");
    const char *bed = getenv("UMOCKDEV_DIR");
    if (!bed || (strncmp(path, "/dev/", 5) && strncmp(path, "/sys/", 5))) return plain(path, resolved);
    char inside[PATH_MAX], found[PATH_MAX];
    if (snprintf(inside, sizeof inside, "%s%s", bed, path) >= (int)sizeof inside) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    if (!plain(inside, found)) return NULL;
    size_t length = strlen(bed);
    const char *said = strncmp(found, bed, length) ? path : found + length;
    return resolved ? strcpy(resolved, said) : strdup(said);
}
