"""The board with everything around it, and the words in which the checks speak of it."""
import glob
import json
import os
import shutil
import time

from machine import Machine, Trouble, await_true
from plant import GATEWAY, REGISTRY, Bridge, Line

CONFIGURATION = "/etc/fieldgw/gateway.json5"
SPOOL = "/var/lib/fieldgw/spool"


class Board:
    def __init__(self, image, package, fieldsim, folder):
        self.package, self.folder = package, folder
        self.machine = Machine(image, folder)
        self._parts = []
        self.cuts = []    # when the power went, in seconds since 1970
        try:
            self.bridge = Bridge(fieldsim, folder)
            self._parts.append(self.bridge.program)
            # The gateway's own line, and an adapter that nobody has configured with another line behind it.
            self.line = self._add(Line(fieldsim, folder, "bus-a", "FT4BRD01", [1, 2, 3], 1111))
            self.stranger = self._add(Line(fieldsim, folder, "stranger", "FT9XYZ77", [1, 2, 3], 2222))
            self.newcomer = self._add(Line(fieldsim, folder, "newcomer", "FT0NEW33", [4, 9], 3333))
        except BaseException:
            self.end()
            raise

    def _add(self, line):
        self._parts.append(line)
        return line

    def end(self):
        self.machine.cut()
        for part in reversed(self._parts):
            part.end()

    def configuration(self, units=(1, 2), every="500ms", scans=False):
        """The gateway's configuration as text."""
        project, region, registry = REGISTRY.split("/")[1::2]
        nodes = {f"meter-{unit}": {"unit": unit, "points": {
            "count": {"holding": 0}, "line": {"holding": 1}, "voltage": {"holding": 2, "scale": 0.1, "units": "V"}}}
            for unit in units}
        return json.dumps({
            "bridge": {"host": "10.0.2.2", "port": self.bridge.port, "ca": "ca.pem", "serverName": "localhost",
                       "project": project, "region": region, "registry": registry, "gateway": GATEWAY,
                       "privateKey": f"keys/{GATEWAY}.pem"},
            "spool": {"directory": SPOOL}, "state": "/var/lib/fieldgw", "scanAdapters": scans,
            "ports": {"bus-a": {
                "match": {"serial": self.line.serial}, "driver": "modbus-rtu", "baud": 19200, "parity": "even",
                "responseTimeout": "2s", "every": every, "detachAfter": "15s", "nodes": nodes}}}, indent=1)

    def settled_after(self, node):
        """What the guest itself took for a plug: seconds from the kernel's first word of the device until udev had
        set up its node, both by the guest's clock."""
        said = self.machine.must("dmesg | grep 'USB device number' | tail -n 1")
        begun = float(said.partition("[")[2].partition("]")[0])
        ready = self.machine.must(f"udevadm info --query=property --property=USEC_INITIALIZED --value {node}")
        return int(ready) / 1e6 - begun

    def put(self, name, text):
        """A file into the folder that the guest sees as /mnt."""
        with open(os.path.join(self.machine.share, name), "w", encoding="utf-8") as file:
            file.write(text)

    def configure(self, text):
        self.put("gateway.json5", text)
        self.machine.must(f"install -m 640 -g fieldgw /mnt/gateway.json5 {CONFIGURATION} && sync")

    def boot(self, **options):
        begun = time.monotonic()
        self.machine.start(**options)
        return begun

    def install(self):
        shutil.copy(self.package, self.machine.share)
        return self.machine.must(f"dpkg -i /mnt/{os.path.basename(self.package)}", 120)

    def status(self):
        return self.machine.json("fieldgw status --json")

    def unit(self, name):
        """A property of the service as systemd has it."""
        return self.machine.must(f"systemctl show fieldgw --property={name} --value")

    def log(self, *options):
        return self.machine.must(f"journalctl --quiet --no-pager --output=cat --unit=fieldgw {' '.join(options)}")

    def reading_after(self, moment, seconds=30, device=None):
        """Waits for a reading whose answer left the line after `moment` (monotonic), acknowledged by the bridge;
        when that was seen here, in monotonic seconds."""
        wall = time.time() - (time.monotonic() - moment)
        def look():
            return any(self.served_at(each) > wall for each in reversed(self.bridge.readings(device)))
        await_true(seconds, "a new reading is acknowledged", look, 0.1)
        return time.monotonic()

    def served_at(self, reading):
        """When the reading's answer left the line, in seconds since 1970; 0 if it has none, or is not of the line."""
        values = reading["payload"]["values"]
        if values.get("line") != self.line.mark:
            return 0
        return self.line.served.get((int(reading["device"].rpartition("-")[2]), values["count"]), 0)

    def last_words(self):
        """Of the gateway if the guest still answers, or else of the console."""
        try:
            return self.machine.must("systemctl status --no-pager --full --lines=15 fieldgw || true", 20)
        except (Trouble, OSError):
            files = sorted(glob.glob(os.path.join(self.folder, "console.*")))
            if not files:
                return ""
            with open(files[-1], encoding="utf-8", errors="replace") as file:
                return "\n".join(file.read().splitlines()[-15:])
