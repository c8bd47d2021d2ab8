// A poller that keeps nothing: reads every unit of a line once a second with libmodbus and publishes each
// reading at once with libmosquitto, QoS 1 over TLS.
//   latency-client DEVICE BAUD UNITS REGISTERS HOST PORT CA
#include <errno.h>
#include <modbus/modbus.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void die(const char *what, const char *why) {
    fprintf(stderr, "latency-client: %s: %s\n", what, why);
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 8) die("usage", "DEVICE BAUD UNITS REGISTERS HOST PORT CA");
    int units = atoi(argv[3]), count = atoi(argv[4]);
    modbus_t *line = modbus_new_rtu(argv[1], atoi(argv[2]), 'N', 8, 1);
    if (!line) die("line", modbus_strerror(errno));
    modbus_set_response_timeout(line, 0, 500000);
    if (modbus_connect(line) != 0) die(argv[1], modbus_strerror(errno));

    mosquitto_lib_init();
    struct mosquitto *broker = mosquitto_new("latency-client", true, NULL);
    if (!broker) die("broker", strerror(errno));
    int error = mosquitto_tls_set(broker, argv[7], NULL, NULL, NULL, NULL);
    if (!error) error = mosquitto_connect(broker, argv[5], atoi(argv[6]), 60);
    if (!error) error = mosquitto_loop_start(broker);
    if (error) die("broker", mosquitto_strerror(error));

    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (;;) {
        for (int unit = 1; unit <= units; unit++) {
            uint16_t values[125];
            struct timespec pause = {0, 2000000};
            nanosleep(&pause, NULL);
            modbus_set_slave(line, unit);
            if (modbus_read_registers(line, 0, count, values) != count) continue;
            char topic[64], body[2048];
            snprintf(topic, sizeof topic, "/devices/unit-%d/events", unit);
            int length = snprintf(body, sizeof body, "{\"ts\":%ld,\"values\":{", (long)time(NULL));
            for (int index = 0; index < count; index++)
                length += snprintf(body + length, sizeof body - length, "%s\"r%d\":%d", index ? "," : "", index, values[index]);
            length += snprintf(body + length, sizeof body - length, "}}");
            mosquitto_publish(broker, NULL, topic, length, body, 1, false);
        }
        next.tv_sec += 1;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}
