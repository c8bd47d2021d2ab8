"""The emulated machine: qemu with its disk, a QMP socket to plug and unplug, and a root shell in the guest."""
import json
import os
import re
import signal
import socket
import subprocess
import time


class Trouble(Exception):
    """Something that ends a step; its text is for the person who reads the table."""


class Pace:
    """How slow the guest is in this run: its first boot, beside the same on two idle cores. At least 1, so that a
    fast machine does not make the checks stricter than their words."""
    BOOT_SECONDS = 24
    factor = 1.0

    @classmethod
    def measure(cls, boot_seconds):
        cls.factor = max(1.0, boot_seconds / cls.BOOT_SECONDS)


def await_true(seconds, what, ask, pause=0.2):
    """Asks until the answer is true and gives it back; Trouble with `what` after some seconds of a guest on idle
    cores."""
    seconds = round(seconds * Pace.factor, 1)
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Trouble(f"{what}: not within {seconds} s")
        time.sleep(pause)


class Machine:
    """One board with one disk. It may be started again after its power was cut."""

    def __init__(self, image, folder):
        self.image, self.folder = image, folder
        self.share = os.path.join(folder, "share")
        self.disk = os.path.join(folder, "disk.qcow2")
        self.process = None
        self.boots = 0
        os.makedirs(self.share)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", os.path.join(image, "root.ext4"), "-F", "raw",
                        self.disk], check=True)

    def start(self, has_clock=True):
        """Powers it on. Without a clock it has no RTC, as a Raspberry Pi: it wakes up in the past."""
        self.boots += 1
        self._wanted, self._buffer, self._commands = None, b"", 0
        place = {name: os.path.join(self.folder, f"{name}.{self.boots}") for name in ("console", "shell", "qmp")}
        words = "console=ttyAMA0 root=/dev/vda rw quiet loglevel=4 net.ifnames=0"
        if not has_clock:
            words += " initcall_blacklist=pl031_driver_init"
        with open(os.path.join(self.folder, f"qemu.{self.boots}.log"), "wb") as log:
            self.process = subprocess.Popen(
                ["qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-accel", "tcg,thread=multi",
                 "-m", "512", "-smp", "2", "-nodefaults", "-display", "none", "-no-reboot",
                 "-kernel", os.path.join(self.image, "vmlinuz"), "-initrd", os.path.join(self.image, "initrd.gz"),
                 "-append", words,
                 # Written through: what the guest was told is on the disk is there after a SIGKILL.
                 "-drive", f"file={self.disk},format=qcow2,if=none,id=disk,cache=writethrough",
                 "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci",
                 "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
                 "-device", "qemu-xhci,id=xhci",
                 "-fsdev", f"local,id=share,path={self.share},security_model=none",
                 "-device", "virtio-9p-pci,fsdev=share,mount_tag=share",
                 "-serial", f"file:{place['console']}", "-device", "virtio-serial-pci",
                 "-chardev", f"socket,id=shell,path={place['shell']},server=on,wait=off",
                 "-device", "virtconsole,chardev=shell",
                 "-qmp", f"unix:{place['qmp']},server=on,wait=off"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._shell = self._connect(place["shell"], log.name)
        self._control = self._connect(place["qmp"], log.name).makefile("rw")
        self._control.readline()
        self.qmp("qmp_capabilities")

    def _connect(self, path, log):
        def attempt():
            if self.process.poll() is not None:
                with open(log, encoding="utf-8", errors="replace") as file:
                    raise Trouble(f"qemu ended: {file.read().strip()}")
            peer = socket.socket(socket.AF_UNIX)
            try:
                peer.connect(path)
                return peer
            except OSError:
                peer.close()
                return None
        return await_true(20, f"qemu opens {path}", attempt, 0.05)

    def qmp(self, command, **arguments):
        self._control.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._control.flush()
        while True:
            line = self._control.readline()
            if not line:
                raise Trouble(f"qemu is gone ({command})")
            answer = json.loads(line)
            if "error" in answer:
                raise Trouble(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    # The shell: a login of root on a virtio console. Each command's end is marked with its number and exit code.

    def login(self):
        """Waits until the guest is up."""
        self._read_until(rb"root@board", 180)
        self._shell.sendall(b"exec sh\n")
        time.sleep(0.5)
        self._shell.sendall(b"stty -echo -onlcr; PS1=; PS2=\n")
        self.sh("true", 20)
        self.must("mount -t 9p -o trans=virtio,version=9p2000.L share /mnt")

    def sh(self, command, seconds=60):
        """Runs a command line; its exit code and what it said on both outputs."""
        self._commands += 1
        mark = f"={self._commands}:"
        # The mark is said in two pieces, so that an echo of the line is not taken for it.
        end = f"code=$?; echo; echo \"={self._commands}\"\":$code=\""
        self._shell.sendall(f"( {command}\n) </dev/null 2>&1; {end}\n".encode())
        found = self._read_until(rb"(?s)(.*)\n" + mark.encode() + rb"(\d+)=\n", seconds)
        return int(found.group(2)), found.group(1).decode(errors="replace").strip("\n")

    def must(self, command, seconds=60):
        """The same for a command that has to succeed; what it said."""
        code, text = self.sh(command, seconds)
        if code != 0:
            raise Trouble(f"{command}: exit code {code}: {text[-400:]}")
        return text

    def json(self, command):
        return json.loads(self.must(command))

    def _read_until(self, pattern, seconds):
        end = time.monotonic() + seconds * Pace.factor
        while True:
            found = re.search(pattern, self._buffer)
            if found:
                self._buffer = self._buffer[found.end():]
                return found
            left = end - time.monotonic()
            if left <= 0:
                raise Trouble(f"the guest says nothing more: {self._buffer[-300:]!r}")
            self._shell.settimeout(left)
            try:
                bytes_read = self._shell.recv(65536)
            except socket.timeout:
                continue
            except OSError:
                bytes_read = b""
            if not bytes_read:
                raise Trouble("the guest is gone")
            self._buffer += bytes_read

    # The adapter: an FT232 as qemu plays it, its line a socket on this machine.

    def plug(self, line, socket_number=1):
        """Plugs a line's adapter into a USB socket (1 to 4) and says when, in monotonic seconds."""
        self.qmp("chardev-add", id=line.name, backend={"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": line.path}}, "server": False}})
        now = time.monotonic()
        try:
            self.qmp("device_add", driver="usb-serial", id=f"usb-{line.name}", chardev=line.name, bus="xhci.0",
                     port=str(socket_number), serial=line.serial)
        except Trouble:
            self.qmp("chardev-remove", id=line.name)
            raise
        return now

    def unplug(self, line):
        now = time.monotonic()
        self.qmp("device_del", id=f"usb-{line.name}")
        # The device goes at once, its end of the socket when it has been taken apart.
        def remove():
            try:
                self.qmp("chardev-remove", id=line.name)
                return True
            except Trouble:
                return False
        await_true(10, "qemu lets go of the adapter's socket", remove, 0.05)
        return now

    def cut(self):
        """The power cut: nothing of the guest's memory is written any more."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
