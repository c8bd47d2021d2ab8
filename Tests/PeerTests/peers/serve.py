"""Clients of a line's server, most of them pymodbus; register n of unit u holds 100 * u + n. Each command ends with 0
and "ok", or says what is wrong.
  serve.py values PORT        the calls of pymodbus's client, one after the other
  serve.py rtu PORT           the same frames over RTU over TCP
  serve.py pipeline PORT      sixteen requests in one segment and one too many; each answer has its own id
  serve.py flood PORT SECONDS eight clients: reads, writes, dead units, half headers, lengths that lie"""
import asyncio
import socket
import struct
import sys
import time

from pymodbus.client import AsyncModbusTcpClient, ModbusTcpClient
from pymodbus.framer import FramerType


def demand(holds, words):
    if not holds:
        sys.exit(f"not so: {words}")


def expected(unit, address, count):
    return [100 * unit + n for n in range(address, address + count)]


def values(port, framer=FramerType.SOCKET):
    client = ModbusTcpClient("127.0.0.1", port=port, framer=framer, timeout=5)
    demand(client.connect(), "connected")
    for unit in (1, 2, 3):
        for address, count in ((0, 1), (1, 10), (5, 15)):
            reply = client.read_holding_registers(address, count=count, slave=unit)
            demand(not reply.isError(), f"{reply}")
            demand(reply.registers == expected(unit, address, count), f"{reply.registers}")
    reply = client.write_register(30, 4711, slave=2)
    demand(not reply.isError(), f"a write where it is allowed: {reply}")
    reply = client.read_holding_registers(30, count=1, slave=2)
    demand(reply.registers == [4711], f"{reply.registers} after the write")
    reply = client.write_registers(30, [1, 2, 3], slave=1)
    demand(reply.exception_code == 1, f"a write where it is not allowed: {reply}")
    reply = client.read_holding_registers(5000, count=1, slave=1)
    demand(reply.exception_code == 2, f"an address that is not there: {reply}")
    reply = client.read_holding_registers(0, count=1, slave=99)
    demand(reply.exception_code == 11, f"a unit that is not there: {reply}")
    client.close()


def frame(transaction, unit, pdu, protocol=0):
    return struct.pack(">HHHB", transaction, protocol, len(pdu) + 1, unit) + pdu


def take(link, count):
    data = b""
    while len(data) < count:
        more = link.recv(count - len(data))
        demand(more, "the connection ended")
        data += more
    return data


def reply(link):
    transaction, protocol, length, unit = struct.unpack(">HHHB", take(link, 7))
    demand(protocol == 0, f"protocol {protocol}")
    return transaction, unit, take(link, length - 1)


def pipeline(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        other = frame(9, 1, b"\x03\0\0\0\1", protocol=7)
        link.sendall(other + b"".join(
            frame(1000 + n, 1 + n % 3, struct.pack(">BHH", 3, n, 2)) for n in range(17)))
        seen = {}
        for _ in range(17):
            transaction, unit, pdu = reply(link)
            demand(transaction not in seen, f"{transaction} twice")
            seen[transaction] = unit, pdu
        for n in range(17):
            unit, pdu = seen[1000 + n]
            demand(unit == 1 + n % 3, f"{unit} answers {n}")
            if n == 16:
                demand(pdu == b"\x83\x06", f"{pdu.hex()} for the seventeenth")
            else:
                words = expected(unit, n, 2)
                demand(pdu == struct.pack(">BBHH", 3, 4, *words), f"{pdu.hex()} for {n}")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(b"\0\1\0\0\0\0\1")
        demand(link.recv(1) == b"", "a length of 0 ends the connection")


async def reader(port, number, end, counts):
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=10, retries=0)
    await client.connect()
    step = number
    while time.monotonic() < end:
        step += 1
        unit, address, count = 1 + step % 3, step % 20, 1 + step % 10
        if step % 11 == 0:
            answer = await client.read_holding_registers(address, count=1, slave=90 + number)
        elif step % 7 == 0:
            answer = await client.write_register(40 + number, step, slave=2)
        else:
            answer = await client.read_holding_registers(address, count=count, slave=unit)
            if not answer.isError():
                demand(answer.registers == expected(unit, address, count),
                       f"{answer.registers} for unit {unit}, {count} from {address}")
        code = getattr(answer, "exception_code", 0) if answer.isError() else 0
        counts[code] = counts.get(code, 0) + 1
    client.close()


async def nuisance(port, end):
    while time.monotonic() < end:
        for data in (b"\0\1\0", b"\0\1\0\0\0\xff\1", b"GET / HTTP/1.1\r\n\r\n", frame(1, 1, b"\xff" * 200)):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(0.02)
                writer.close()
            except OSError:
                pass


async def flood(port, seconds):
    end, counts = time.monotonic() + seconds, {}
    await asyncio.gather(*(reader(port, n, end, counts) for n in range(6)), nuisance(port, end))
    print(counts)
    demand(counts.get(0, 0) > 10 * seconds, f"hardly anything is answered: {counts}")
    demand(set(counts) <= {0, 6, 11}, f"other exceptions: {counts}")


if __name__ == "__main__":
    command, port = sys.argv[1], int(sys.argv[2])
    if command == "values":
        values(port)
    elif command == "rtu":
        values(port, FramerType.RTU)
    elif command == "pipeline":
        pipeline(port)
    else:
        asyncio.run(flood(port, float(sys.argv[3])))
    print("ok")
