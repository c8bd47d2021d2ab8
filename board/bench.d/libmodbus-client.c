// The peer of `board/bench bus`: a Modbus-RTU master made of libmodbus, polling back to back.
// libmodbus-client DEVICE BAUD PARITY UNITS REGISTERS SECONDS SILENCE
// Reads REGISTERS holding registers from 0 of units 1 to UNITS in turn, warms up for a second, then
// prints exchanges, failures, seconds and CPU seconds of the measured time. Before each request it sleeps for SILENCE
// microseconds: libmodbus itself does not keep the t3.5 between two frames.
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double cpu(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_utime.tv_sec + use.ru_stime.tv_sec + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: libmodbus-client DEVICE BAUD PARITY UNITS REGISTERS SECONDS SILENCE\n");
        return 64;
    }
    int units = atoi(argv[4]), registers = atoi(argv[5]);
    double seconds = atof(argv[6]);
    struct timespec silence = {0, atol(argv[7]) * 1000};
    modbus_t *bus = modbus_new_rtu(argv[1], atoi(argv[2]), argv[3][0], 8, 1);
    if (!bus || modbus_connect(bus)) {
        fprintf(stderr, "libmodbus-client: %s: %s\n", argv[1], modbus_strerror(errno));
        return 69;
    }
    modbus_set_response_timeout(bus, 1, 0);
    uint16_t values[125];
    long good = 0, failed = 0;
    double begin = now(), used = 0;
    int warm = 0;
    for (int unit = 1;; unit = unit % units + 1) {
        if (!warm && now() - begin >= 1) { warm = 1; good = failed = 0; begin = now(); used = cpu(); }
        if (warm && now() - begin >= seconds) break;
        if (silence.tv_nsec) nanosleep(&silence, NULL);
        modbus_set_slave(bus, unit);
        if (modbus_read_registers(bus, 0, registers, values) == registers) good++; else failed++;
    }
    printf("{\"exchanges\": %ld, \"failed\": %ld, \"seconds\": %.6f, \"cpu\": %.6f}\n",
           good, failed, now() - begin, cpu() - used);
    modbus_close(bus);
    modbus_free(bus);
    return 0;
}
