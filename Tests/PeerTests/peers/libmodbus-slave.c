// A Modbus-RTU slave made of libmodbus, for the peer tests: libmodbus-slave DEVICE BAUD PARITY UNIT
// Holding register n holds 100 * unit + n, input register n holds 1000 + n, every third coil is on,
// every second discrete input is on. Prints "ready" when it listens.
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc != 5) { fprintf(stderr, "usage: libmodbus-slave DEVICE BAUD PARITY UNIT\n"); return 64; }
    int unit = atoi(argv[4]);
    modbus_t *bus = modbus_new_rtu(argv[1], atoi(argv[2]), argv[3][0], 8, 1);
    modbus_mapping_t *map = modbus_mapping_new(64, 64, 64, 64);
    if (!bus || !map || modbus_set_slave(bus, unit) || modbus_connect(bus)) {
        fprintf(stderr, "libmodbus-slave: %s\n", modbus_strerror(errno));
        return 69;
    }
    for (int n = 0; n < 64; n++) {
        map->tab_registers[n] = 100 * unit + n;
        map->tab_input_registers[n] = 1000 + n;
        map->tab_bits[n] = n % 3 == 0;
        map->tab_input_bits[n] = n % 2 == 0;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
        int count = modbus_receive(bus, query);
        if (count > 0) modbus_reply(bus, query, count, map);
        else if (count < 0 && (errno == EBADF || errno == EIO)) return 0;
    }
}
