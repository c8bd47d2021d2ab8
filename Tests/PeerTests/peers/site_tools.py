"""A whole site for rough tests: a simulated bus, mosquitto, a subscriber that remembers, and `fieldgw run`.

Everything is started from here, ends with it, and lives in one folder.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, holds, limit=30):
    end = time.monotonic() + limit
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit} s in vain: {what}")
        time.sleep(0.05)


class Site:
    """`units` units that count their own replies in holding register 0, polled every `every`.

    `writable`: each has a point `set`, holding register 500, that commands may write.
    """

    def __init__(self, binaries, work, units=6, every="100ms", points=1, spool="spool", options="", writable=False):
        self.binaries, self.work, self.spool = binaries, work, spool
        self.children = []
        self.arrived = {}           # (device, seq) -> payload
        self.problems = []
        self.repeats = 0
        self.gateway = None
        self.port = free_port()
        registers = ", ".join(f'{n}: {{ kind: "counter", step: {n} }}' for n in range(1, points))
        registers += ", 500: 0" if writable else ""
        bus = ", ".join(
            f'{n}: {{ turnaround: "1ms", holding: {{ 0: {{ kind: "reads" }}, {registers} }} }}' for n in range(1, units + 1))
        self.write("bus.json5", f'{{ baud: 3000000, parity: "none", units: {{ {bus} }} }}')
        names = ", ".join(f"p{n}: {{ holding: {n} }}" for n in range(1, points))
        names += ', set: { holding: 500, every: "10s", writable: { min: 0, max: 60000 } }' if writable else ""
        self.nodes = ", ".join(
            f'"node-{n}": {{ unit: {n}, every: "{every}", points: {{ reads: {{ holding: 0 }}, {names} }} }}'
            for n in range(1, units + 1))
        self.options = options
        self.configure()
        self.write("mosquitto.conf", f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
                                     "max_queued_messages 0\nmax_inflight_messages 0\n")
        self.start([f"{binaries}/fieldsim", "bus", "--config", self.path("bus.json5"), "--link", self.path("line")])
        until("the bus is there", lambda: os.path.exists(self.path("line")))
        self.broker = self.start(["mosquitto", "-c", self.path("mosquitto.conf")])
        until("mosquitto listens", self.listens)
        self.subscriber = self.start(
            ["stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-q", "1", "-c", "-k", "600", "-i", "oracle",
             "-t", "/devices/+/events/#", "-F", "%t %p", "-d"], stdout=subprocess.PIPE)
        self.subscribed = threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()
        if not self.subscribed.wait(20):
            raise TimeoutError("mosquitto_sub did not subscribe")

    def configure(self, bridge="", state="state"):
        """For the next start; `bridge` are more keys of that section."""
        self.write("gateway.json5", f"""{{
            bridge: {{ host: "127.0.0.1", port: {self.port}, tls: false, gateway: "gw-1", {bridge} }}, clock: "trust",
            spool: {{ directory: "{self.spool}" {self.options} }}, state: "{state}", control: "control.sock",
            ports: {{ a: {{ device: "line", driver: "modbus-rtu", baud: 3000000, parity: "none", responseTimeout: "300ms",
              nodes: {{ {self.nodes} }} }} }} }}""")

    def path(self, name):
        return os.path.join(self.work, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def start(self, command, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)
        self.children.append(child)
        return child

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def listen(self):
        for line in self.subscriber.stdout:
            text = line.decode()
            if "SUBACK" in text:
                self.subscribed.set()
            if not text.startswith("/devices/"):
                continue
            topic, payload = text.rstrip("\n").split(" ", 1)
            document = json.loads(payload)
            for record in document if isinstance(document, list) else [document]:
                self.take(topic.split("/")[2], record)

    def take(self, device, record):
        key = (device, record["seq"])
        record.pop("backfill", None)
        if key in self.arrived:
            self.repeats += 1
            if self.arrived[key] != record:
                self.problems.append(f"{key} came with two contents: {record} and {self.arrived[key]}")
        self.arrived[key] = record

    # The gateway

    def run(self, **environment):
        """`environment`: more of it for the gateway."""
        with open(self.path("log"), "ab") as log:
            self.gateway = subprocess.Popen(
                [f"{self.binaries}/fieldgw", "run", "--config", self.path("gateway.json5")], stdout=log, stderr=log,
                env={**os.environ, **environment})
        self.children.append(self.gateway)

    def kill(self):
        self.gateway.kill()
        self.gateway.wait()

    def terminate(self):
        self.gateway.send_signal(signal.SIGTERM)
        code = self.gateway.wait(30)
        if code != 0:
            self.problems.append(f"SIGTERM: exit code {code}")

    def status(self):
        answer = subprocess.run(
            [f"{self.binaries}/fieldgw", "status", "--json", "--control", self.path("control.sock")],
            capture_output=True, text=True)
        try:
            return json.loads(answer.stdout)
        except json.JSONDecodeError:
            return None

    def drain(self, limit=120, watch=None):
        """Until the bridge is there and what waits is what the line has just brought: it goes out with the stop."""
        def is_short(status):
            return status["bridge"]["online"] and status["spool"]["waiting"] < 400
        if watch is None:
            until("everything is delivered", lambda: is_short(self.status() or {"bridge": {"online": False}}), limit)
        elif not watch.wait(limit, is_short):
            raise TimeoutError(f"not everything was delivered in {limit} s")

    def spool_tool(self, *words, spool=None):
        return subprocess.run(
            [f"{self.binaries}/fieldgw", "spool", *words, os.path.join(self.work, spool or self.spool)],
            capture_output=True, text=True)

    def exported(self, spool=None):
        lines = self.spool_tool("export", "--all", spool=spool).stdout.splitlines()
        return {(record["device"], record["seq"]): record for record in map(json.loads, lines)}

    # What must be true of what arrived

    def readings(self):
        """device -> reads value -> seq"""
        found = {}
        for (device, seq), document in self.arrived.items():
            if device != "gw-1" and "reads" in document.get("values", {}):
                value = document["values"]["reads"]
                other = found.setdefault(device, {}).setdefault(value, seq)
                if other != seq:
                    self.problems.append(f"{device}: reply {value} is in seq {other} and in {seq}")
        return found

    def told(self):
        """reason -> records that gap messages say are lost"""
        sums = {}
        for gap in self.gaps():
            sums[gap["reason"]] = sums.get(gap["reason"], 0) + gap["count"]
        return sums

    def account(self, waiting=0, limit=10):
        """What the gateway says it has journaled since its start, and what waited before, arrived or was told as lost."""
        with open(self.path("log"), errors="replace") as log:
            ends = re.findall(r"stopped: (\d+) records? journaled", log.read())
        if len(ends) != 1:
            self.problems.append(f"{len(ends)} gateways have said how many records they made")
            return
        made = int(ends[0]) + waiting

        def found():
            return len(self.arrived) - len(self.gaps()) + sum(self.told().values())
        try:
            until("the last messages arrive", lambda: found() >= made, limit)
        except TimeoutError:
            pass
        if found() != made:
            self.problems.append(f"{made} records made, {len(self.arrived) - len(self.gaps())} arrived, told as lost: {self.told()}")

    def gaps(self):
        return [document for (device, _), document in self.arrived.items() if device == "gw-1" and "reason" in document]

    def close(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.kill()
            child.wait()


class Watch:
    """Readings must be made in every second that passes."""

    def __init__(self, site):
        self.site, self.last, self.slowest = site, None, None

    def wait(self, seconds, done=lambda status: False):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(1)
            status = self.site.status()
            if status is None:
                self.site.problems.append("no status")
                continue
            made = status["tally"]["readings"]
            if self.last is not None:
                self.slowest = min(made - self.last, self.slowest or 1 << 30)
                if made == self.last:
                    self.site.problems.append(f"no reading in a second, at {made}")
            self.last = made
            if done(status):
                return True
        return False


def verdict(site, **figures):
    figures["problems"] = site.problems[:20]
    print(json.dumps(figures))
    sys.exit(1 if site.problems else 0)
