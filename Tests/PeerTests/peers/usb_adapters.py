"""USB adapters in a umockdev test bed, each with one Modbus unit behind it."""
import errno
import os
import struct


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


class Adapter:
    """One adapter, plugged in as ttyUSB<name> or not at all."""

    def __init__(self, number):
        self.number, self.name, self.master, self.buffer = number, None, None, b""

    def plug(self, bed, name):
        usb = f"/devices/pci0000:00/0000:00:14.0/usb1/1-{self.number + 1}"
        port = f"{usb}/1-{self.number + 1}:1.0/ttyUSB{name}"
        # The bed can make terminals itself, but not the same twice.
        self.master, slave = os.openpty()
        self.node = f"{bed.get_root_dir()}/dev/ttyUSB{name}"
        os.makedirs(os.path.dirname(self.node), exist_ok=True)
        os.symlink(os.ttyname(slave), self.node)
        os.close(slave)
        os.set_blocking(self.master, False)
        self.paths = [f"/sys{path}" for path in (f"{port}/tty/ttyUSB{name}", port, f"{usb}/1-{self.number + 1}:1.0", usb)]
        bed.add_from_string(
            f"P: {usb}\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\nA: idVendor=0403\\n\nA: idProduct=6001\\n\n"
            f"A: serial=ADAPTER{self.number}\\n\n\n")
        bed.add_from_string(f"P: {usb}/1-{self.number + 1}:1.0\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\nA: bInterfaceNumber=00\\n\n\n")
        bed.add_from_string(f"P: {port}\nE: SUBSYSTEM=usb-serial\nA: latency_timer=1\\n\n\n")
        bed.add_from_string(
            f"P: {port}/tty/ttyUSB{name}\nE: DEVNAME=/dev/ttyUSB{name}\nE: SUBSYSTEM=tty\n"
            f"E: ID_SERIAL_SHORT=ADAPTER{self.number}\nA: dev=188:{name}\nL: device=../../../ttyUSB{name}\n\n")
        self.name, self.buffer = name, b""

    def pull(self, bed):
        bed.uevent(self.paths[0], "remove")
        for path in self.paths:
            bed.remove_device(path)
        if os.path.lexists(self.node):
            os.unlink(self.node)
        number = f"{bed.get_root_dir()}/sys/dev/char/188:{self.name}"
        if os.path.lexists(number):
            os.unlink(number)
        os.close(self.master)
        self.name = self.master = None

    def serve(self):
        """Answers what has been asked; true if something has."""
        if self.master is None:
            return False
        try:
            self.buffer += os.read(self.master, 256)
        except OSError as error:
            # Nobody has it open, or nothing is there.
            if error.errno in (errno.EIO, errno.EAGAIN):
                return False
            raise
        answered = False
        while len(self.buffer) >= 8:
            frame, rest = self.buffer[:8], self.buffer[8:]
            if frame[0] == 1 and frame[1] == 3 and crc(frame[:6]) == frame[6:]:
                count = struct.unpack(">H", frame[4:6])[0]
                words = [7000 + self.number] + [0] * (count - 1)
                body = bytes([1, 3, 2 * count]) + struct.pack(f">{count}H", *words)
                os.write(self.master, body + crc(body))
                self.buffer, answered = rest, True
            else:
                self.buffer = self.buffer[1:]
        return answered
