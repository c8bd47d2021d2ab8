"""Adapters come, go and change their names faster than anybody plugs them, under a real gateway:
    LD_PRELOAD=pty-ioctl.so:libumockdev-preload.so.0 /usr/bin/python3 udev-storm.py FIELDGW FOLDER CHANGES
Every adapter has a serial number and one Modbus unit whose register 0 is the adapter's own number, so a reading that is
given to the wrong device shows. Prints one JSON object: what happened, and what is wrong with it."""
import json
import os
import random
import re
import socket
import subprocess
import sys
import time

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402
from usb_adapters import Adapter  # noqa: E402

ADAPTERS = 4


def descriptors(process):
    """What the process has open, by kind and number; without the test bed's own connections."""
    counts = {}
    with open(f"/proc/{process}/net/unix") as file:
        nameless = {f"socket:[{line.split()[6]}]" for line in file if len(line.split()) == 7}
    for name in os.listdir(f"/proc/{process}/fd"):
        try:
            target = os.readlink(f"/proc/{process}/fd/{name}")
        except FileNotFoundError:
            continue
        # The journal opens its next segment when it likes.
        if target in nameless or "/seg-" in target:
            continue
        target = re.sub(r"\d+", "N", target)
        counts[target] = counts.get(target, 0) + 1
    return counts


class Storm:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.bed = UMockdev.Testbed.new()
        self.adapters = [Adapter(number) for number in range(ADAPTERS)]
        self.random = random.Random(6)
        self.control = None
        ports = ",\n".join(
            f'''"bus-{n}": {{ match: {{ serial: "ADAPTER{n}" }}, driver: "modbus-rtu", baud: 115200,
              every: "20ms", responseTimeout: "100ms", nodes: {{ "meter-{n}": {{ unit: 1, points: {{ a: {{ holding: 0 }} }} }} }} }}'''
            for n in range(ADAPTERS))
        self.file = f"{folder}/gateway.json5"
        with open(self.file, "w") as file:
            file.write(f'''{{ bridge: {{ host: "127.0.0.1", port: 1, tls: false, gateway: "gw-storm" }},
              spool: {{ directory: "spool" }}, state: "state", clock: "trust", ports: {{ {ports} }} }}''')

    def free(self):
        return [name for name in range(ADAPTERS + 2) if name not in {each.name for each in self.adapters}]

    def serve(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not any([each.serve() for each in self.adapters]):
                time.sleep(0.0005)

    def ask(self):
        """The gateway's status, over its control socket; whatever happened before has then been heard. The queue of a
        datagram socket holds ten messages, and umockdev ends when one does not fit."""
        if self.control is None:
            self.control = socket.socket(socket.AF_UNIX)
            self.control.settimeout(20)
            try:
                self.control.connect(f"{self.folder}/state/control.sock")
            except OSError:
                self.control = None
                return {}
            self.answers = self.control.makefile()
        self.control.sendall(b'{"get":"status"}\n')
        return json.loads(self.answers.readline())

    def change(self):
        """One adapter is pulled, plugged in, or pulled and plugged in at once under another name."""
        adapter = self.random.choice(self.adapters)
        kind = self.random.choice(["pull", "rename", "rename"])
        if adapter.name is None:
            return adapter.plug(self.bed, self.random.choice(self.free()))
        old = adapter.name
        adapter.pull(self.bed)
        self.ask()
        if kind == "rename":
            adapter.plug(self.bed, self.random.choice([name for name in self.free() if name != old]))

    def all_open(self, within):
        end = time.monotonic() + within
        began = time.monotonic()
        while time.monotonic() < end:
            self.serve(0.02)
            ports = self.ask().get("ports", {})
            if len(ports) == ADAPTERS and all(port.get("state") == "open" for port in ports.values()):
                return time.monotonic() - began
        return None

    def run(self, changes):
        result = {"changes": changes, "wrong": []}
        for name, adapter in enumerate(self.adapters):
            adapter.plug(self.bed, name)
        log = open(f"{self.folder}/gateway.log", "w")
        gateway = subprocess.Popen([self.program, "run", "--config", self.file], stderr=log, stdout=log)
        try:
            if self.all_open(20) is None:
                result["wrong"].append("the ports were not opened at the start")
                return result
            self.serve(1)
            before = descriptors(gateway.pid)
            for _ in range(changes):
                self.change()
                self.ask()
                self.serve(self.random.choice([0, 0, 0, 0.002, 0.01]))
            for adapter in self.adapters:
                if adapter.name is None:
                    adapter.plug(self.bed, self.random.choice(self.free()))
                    self.ask()
            took = self.all_open(10)
            result["allOpenAfterSeconds"] = took
            if took is None:
                result["wrong"].append("a port was missed: not all are open 10 s after the last change")
            self.serve(1.5)
            # A document that is just being kept is open for a moment, at either count.
            for _ in range(5):
                after = descriptors(gateway.pid)
                leaked = {kind: count for kind, count in after.items() if count > before.get(kind, 0)}
                if not leaked:
                    break
                self.serve(0.5)
            result["descriptors"] = sum(after.values())
            if leaked:
                result["wrong"].append(f"descriptors leaked: {leaked}, before {before}")
        finally:
            gateway.terminate()
            result["exit"] = gateway.wait(20)
        if result["exit"] != 0:
            result["wrong"].append("it did not end in good order")
        with open(f"{self.folder}/gateway.log") as file:
            result["opened"] = file.read().count(": opened ")
        self.judge(result)
        return result

    def judge(self, result):
        """Every value that was ever recorded is that of its own adapter."""
        rows = subprocess.run(
            [self.program, "spool", "export", f"{self.folder}/spool"], capture_output=True, text=True, timeout=30).stdout
        counts = {}
        for device, value in re.findall(r'"meter-(\d)".*?"values":\{"a":(\d+)\}', rows):
            counts[device] = counts.get(device, 0) + 1
            if int(value) != 7000 + int(device):
                result["wrong"].append(f"meter-{device} is said to read {value}")
        result["readings"] = counts
        if len(counts) < ADAPTERS:
            result["wrong"].append("a device was never read")


if __name__ == "__main__":
    print(json.dumps(Storm(sys.argv[1], sys.argv[2]).run(int(sys.argv[3]))))
