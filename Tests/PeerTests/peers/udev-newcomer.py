"""An adapter that no port means, under a real gateway with `scanAdapters`:
    LD_PRELOAD=pty-ioctl.so:libumockdev-preload.so.0 /usr/bin/python3 udev-newcomer.py FIELDGW FOLDER
One that somebody answers behind is told with a configuration; one that is named in the configuration while it is being
scanned is let go of and opened. Prints one JSON object: what the log said, and what is wrong."""
import json
import signal
import subprocess
import sys
import time

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402
from usb_adapters import Adapter  # noqa: E402


class Newcomer:
    def __init__(self, program, folder):
        self.program, self.folder, self.wrong = program, folder, []
        self.bed = UMockdev.Testbed.new()
        self.adapters = [Adapter(number) for number in range(3)]
        self.configure(["ADAPTER0"])

    def configure(self, serials):
        ports = ",\n".join(
            f'''"bus-{n}": {{ match: {{ serial: "{serial}" }}, driver: "modbus-rtu", baud: 115200, every: "50ms",
              responseTimeout: "100ms", nodes: {{ "meter-{n}": {{ unit: 1, points: {{ a: {{ holding: 0 }} }} }} }} }}'''
            for n, serial in enumerate(serials))
        with open(f"{self.folder}/gateway.json5", "w") as file:
            file.write(f'''{{ bridge: {{ host: "127.0.0.1", port: 1, tls: false, gateway: "gw-new" }}, scanAdapters: true,
              spool: {{ directory: "spool" }}, state: "state", clock: "trust", ports: {{ {ports} }} }}''')

    def log(self):
        with open(f"{self.folder}/gateway.log") as file:
            return file.read()

    def hears(self, words, within=25, serving=(0, 1, 2)):
        """Plays the units until the log says it; seconds, or None."""
        began = time.monotonic()
        while time.monotonic() < began + within:
            if not any([self.adapters[number].serve() for number in serving]):
                time.sleep(0.002)
            if words in self.log():
                return round(time.monotonic() - began, 2)
        self.wrong.append(f"not said: {words}")
        return None

    def run(self):
        self.adapters[0].plug(self.bed, 0)
        result = {"wrong": self.wrong}
        with open(f"{self.folder}/gateway.log", "w") as log:
            gateway = subprocess.Popen(
                [self.program, "run", "--config", f"{self.folder}/gateway.json5"], stderr=log, stdout=log)
        try:
            self.hears("bus-0: opened /dev/ttyUSB0")
            self.adapters[1].plug(self.bed, 1)
            result["scanned"] = self.hears("/dev/ttyUSB1: scanned: 1 unit answers: 1", 120)
            # Nobody answers behind this one, and before the scan is over a port means it.
            self.adapters[2].plug(self.bed, 2)
            self.hears("/dev/ttyUSB2: a serial adapter is plugged in", serving=(0, 1))
            began = time.monotonic()
            while time.monotonic() < began + 1.5:
                self.adapters[0].serve()
            self.configure(["ADAPTER0", "ADAPTER2"])
            gateway.send_signal(signal.SIGHUP)
            result["letGo"] = self.hears("bus-1: opened /dev/ttyUSB2", 10)
            if "/dev/ttyUSB2: scanned" in self.log():
                self.wrong.append("the scan was over before it was to be let go of")
        finally:
            gateway.terminate()
            result["exit"] = gateway.wait(20)
        export = subprocess.run([self.program, "spool", "export", f"{self.folder}/spool"],
                                capture_output=True, text=True, timeout=30).stdout
        events = [row["payload"]["adapter"] for row in map(json.loads, export.splitlines()) if "adapter" in row["payload"]]
        found = [event["scan"] for event in events if "scan" in event]
        result["units"] = [[unit["unit"] for unit in scan["units"]] for scan in found]
        result["configuration"] = [scan.get("configuration", "") for scan in found]
        return result


if __name__ == "__main__":
    print(json.dumps(Newcomer(sys.argv[1], sys.argv[2]).run()))
