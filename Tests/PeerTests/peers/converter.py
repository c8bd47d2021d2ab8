"""A converter that misbehaves, with Modbus-RTU units behind it: converter.py PORT MODE [ADDRESS].
Register n of unit u holds 1000 * u + 10 * n + the number of the request, modulo ten. Modes:
  pieces  each reply byte by byte, in segments of their own
  silent  every fifth reply begins after a second of silence
  late    every fourth reply comes three seconds late, when others have been asked for
  merge   every fourth reply comes together with the next one, in one segment
  plain   well behaved
  close   the connection is closed after each reply
Prints "ready"."""
import select
import socket
import struct
import sys
import threading
import time


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


def reply(request, number):
    unit, function, address, count = struct.unpack(">BBHH", request[:6])
    if function != 3:
        body = struct.pack(">BBB", unit, function | 0x80, 1)
    else:
        values = [1000 * unit + 10 * (address + n) + number % 10 for n in range(count)]
        body = struct.pack(f">BBB{count}H", unit, function, 2 * count, *values)
    return body + crc(body)


def serve(client, mode):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    number, pending, due, held = 0, b"", [], b""
    while True:
        wait = max(0, due[0][0] - time.monotonic()) if due else None
        readable, _, _ = select.select([client], [], [], wait)
        while due and due[0][0] <= time.monotonic():
            client.sendall(due.pop(0)[1])
        if not readable:
            continue
        data = client.recv(256)
        if not data:
            return
        pending += data
        while len(pending) >= 8:
            request, pending = pending[:8], pending[8:]
            if crc(request[:6]) != request[6:]:
                continue
            number += 1
            answer = reply(request, number)
            if mode == "pieces":
                for byte in answer:
                    client.sendall(bytes([byte]))
                    time.sleep(0.0005)
            elif mode == "silent" and number % 5 == 0:
                time.sleep(1)
                client.sendall(answer)
            elif mode == "late" and number % 4 == 0:
                due.append((time.monotonic() + 3, answer))
            elif mode == "merge" and number % 4 == 0:
                held = answer
            else:
                client.sendall(held + answer)
                held = b""
            if mode == "close":
                return


def attend(client, mode):
    try:
        serve(client, mode)
    except OSError:
        pass
    client.close()


def main():
    port, mode = int(sys.argv[1]), sys.argv[2]
    listener = socket.create_server((sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1", port))
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=attend, args=(client, mode), daemon=True).start()


main()
