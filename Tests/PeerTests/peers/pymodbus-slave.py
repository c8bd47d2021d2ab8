"""A Modbus slave made of pymodbus, for the peer tests: pymodbus-slave.py DEVICE BAUD PARITY [name=NAME] UNIT...
DEVICE is a serial port with RTU frames, ascii:PATH with ASCII frames, tcp:PORT (Modbus TCP, which answers exception
0x0B for other units) or rtu:PORT (RTU frames over TCP).
Holding register n of unit u holds 100 * u + n; registers 40 and 41 hold the float32 12.5, and register 60 limits
what is written to 100. NAME is what functions 17
and 43/14 tell. Prints "ready"."""
import asyncio
import struct
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.device import ModbusDeviceIdentification
from pymodbus.framer import FramerType
from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer


class Limiting(ModbusSequentialDataBlock):
    def setValues(self, address, values):
        super().setValues(address, [min(value, 100) if address + n == 61 else value for n, value in enumerate(values)])


def unit_map(unit):
    registers = [100 * unit + n for n in range(64)]
    registers[40:42] = struct.unpack(">HH", struct.pack(">f", 12.5))
    # pymodbus addresses its blocks from 1.
    return ModbusSlaveContext(
        di=ModbusSequentialDataBlock(1, [n % 2 == 0 for n in range(64)]),
        co=ModbusSequentialDataBlock(1, [n % 3 == 0 for n in range(64)]),
        hr=Limiting(1, registers),
        ir=ModbusSequentialDataBlock(1, [1000 + n for n in range(64)]),
    )


async def main():
    device, baud, parity = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    words = sys.argv[4:]
    identity = None
    if words[0].startswith("name="):
        identity = ModbusDeviceIdentification(info_name={"VendorName": words.pop(0)[5:], "ProductCode": "M1"})
    units = {int(unit): unit_map(int(unit)) for unit in words}
    asyncio.get_running_loop().call_later(0.2, lambda: print("ready", flush=True))
    context = ModbusServerContext(slaves=units, single=False)
    kind, _, place = device.rpartition(":")
    if kind in ("tcp", "rtu"):
        framer = FramerType.SOCKET if kind == "tcp" else FramerType.RTU
        await StartAsyncTcpServer(
            context=context, framer=framer, identity=identity, address=("127.0.0.1", int(place)),
            ignore_missing_slaves=kind == "rtu")
    else:
        framer = FramerType.ASCII if kind == "ascii" else FramerType.RTU
        await StartAsyncSerialServer(
            context=context, framer=framer, identity=identity, port=place, baudrate=baud, parity=parity, stopbits=1,
            bytesize=8, ignore_missing_slaves=True)


asyncio.run(main())
