"""strict-bridge.py BINARIES WORK [SECONDS [CASE...]]: `fieldgw run` under every misfortune of a strict bridge.

A simulated bus, `fieldsim bridge` over TLS with tokens, and between them the real gateway, once for each case, all
cases at the same time. Register 0 of a unit counts its own replies, so what is missing or double shows. In each
case every reading of every healthy device must arrive, in order per device and lane, a repeat only with the same
seq and content, and connects and attaches must be few.
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from site_tools import until

UNITS = 6
KEY_TYPE = "ec"


class Case:
    """What the bridge does wrong.

    `fault` and `cure` are orders, the former again every `repeat` seconds; `connects`, `attaches` and `attached` bound
    the connects, the refused attaches and the accepted ones of the whole run. `victim` names a device that the bridge refuses.
    """

    def __init__(self, name, connects, switches=(), fault=(), cure=(), bridge="", victim=None, attaches=None, attached=None,
                 repeat=0):
        self.name, self.connects, self.switches, self.fault, self.cure = name, connects, switches, fault, cure
        self.bridge, self.victim, self.attaches, self.attached, self.repeat = bridge, victim, attaches, attached, repeat


def cases(seconds):
    few = (1, 3)
    # With all others, then three times alone.
    closing = (4, 12)
    return [
        Case("unbound, an error", few, ["--attach-failure", "error_only"], victim="node-2", attaches=(1, 3)),
        Case("unbound, an error and a close", (2, 4), ["--attach-failure", "error_then_close"], victim="node-2", attaches=(1, 8)),
        Case("unbound, a close", closing, ["--attach-failure", "close"], victim="node-2", attaches=(1, 8)),
        Case("a device let go again and again", few, attached=(8, 8 + 2 * (seconds // 10)), fault=["detach node-2", "detach node-3"], repeat=20),
        Case("closed every 4 s", (seconds // 60, seconds // 4), fault=["close-every 4s", "close"], cure=["close-every off"]),
        Case("one PUBACK in 50 lost", few, fault=["drop-pubacks 50"], cure=["drop-pubacks off"]),
        Case("half-open", (1, 8), fault=[f"mute {seconds * 2 // 3}s"]),
        Case("CONNACK 5 for a minute", (1, 8), fault=["refuse 5 60s", "close"]),
        Case("tokens of 20 s, cut at exp", (seconds // 20, seconds // 6), ["--skew", "0s", "--expiry-grace", "0s"],
             bridge='tokenLifetime: "20s",'),
        Case("new TLS keys every 5 writes", few, ["--rekey", "5"]),
        Case("batches, PUBACKs lost, closed every 6 s", (seconds // 60, seconds // 5),
             fault=["drop-pubacks 10", "close-every 6s", "close"], cure=["drop-pubacks off", "close-every off"],
             bridge='batch: { maxDelay: "3s", maxBytes: "8KiB" },'),
    ]


class Run:
    def __init__(self, binaries, work, case, seconds):
        self.binaries, self.work, self.case, self.seconds = binaries, work, case, seconds
        self.children, self.problems, self.figures = [], [], {}
        self.arrived, self.order, self.messages, self.repeats = {}, {}, 0, 0
        os.makedirs(work)

    def path(self, name):
        return os.path.join(self.work, name)

    def tool(self, *words, **options):
        return subprocess.run([f"{self.binaries}/fieldgw", *words], capture_output=True, text=True, **options)

    def start(self, name, *words, **options):
        child = subprocess.Popen([f"{self.binaries}/{name}", *words], **options)
        self.children.append(child)
        return child

    def wrong(self, words):
        if len(self.problems) < 10:
            self.problems.append(f"{self.case.name}: {words}")

    # The far ends

    def prepare(self):
        public = self.tool("key", "generate", "--type", KEY_TYPE, self.path("gw.pem"), check=True).stdout
        with open(self.path("gw.pub.pem"), "w") as file:
            file.write(public)
        nodes = [f"node-{n}" for n in range(1, UNITS + 1)]
        bound = [node for node in nodes if not (self.case.attaches and node == self.case.victim)]
        with open(self.path("registry.json5"), "w") as file:
            json.dump({"project": "acme", "region": "us-central1", "registry": "plant",
                       "gateways": {"gw-7": {"keys": ["gw.pub.pem"], "bound": bound}},
                       "devices": {node: {} for node in nodes}}, file)
        units = ", ".join(f'{n}: {{ turnaround: "1ms", holding: {{ 0: {{ kind: "reads" }}, 1: {{ kind: "counter", step: 3 }} }} }}'
                          for n in range(1, UNITS + 1))
        with open(self.path("bus.json5"), "w") as file:
            file.write(f'{{ baud: 115200, parity: "none", units: {{ {units} }} }}')
        self.start("fieldsim", "bus", "--config", self.path("bus.json5"), "--link", self.path("line"),
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.bridge = self.start(
            "fieldsim", "bridge", "--registry", self.path("registry.json5"), "--make-certificates", self.path("certs"),
            "--port", "0", "--admin-port", "0", *self.case.switches, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        port = self.bridge.stderr.readline().decode().strip().rsplit(":", 1)[1]
        self.admin = self.bridge.stderr.readline().decode().split()[-1].rsplit("/", 1)[0]
        threading.Thread(target=self.keep_log, daemon=True).start()
        threading.Thread(target=self.listen, daemon=True).start()
        until("the bus is there", lambda: os.path.exists(self.path("line")))
        points = "{ reads: { holding: 0 }, other: { holding: 1 } }"
        fields = ", ".join(f'"{node}": {{ unit: {n + 1}, points: {points} }}' for n, node in enumerate(nodes))
        with open(self.path("gateway.json5"), "w") as file:
            file.write(f"""{{
              bridge: {{ host: "localhost", port: {port}, ca: "certs/ca.pem", project: "acme", region: "us-central1", registry: "plant",
                gateway: "gw-7", privateKey: "gw.pem", keepAlive: "10s", ackTimeout: "3s", {self.case.bridge} }},
              spool: {{ directory: "spool" }}, state: "state", control: "control.sock", clock: "trust",
              ports: {{ a: {{ device: "line", driver: "modbus-rtu", baud: 115200, parity: "none", responseTimeout: "2s", every: "1s",
                nodes: {{ {fields} }} }} }} }}""")

    def keep_log(self):
        with open(self.path("bridge.log"), "wb") as log:
            for line in self.bridge.stderr:
                log.write(line)

    def listen(self):
        for line in self.bridge.stdout:
            message = json.loads(line)
            if message["kind"] != "event":
                continue
            self.messages += 1
            payload = message["payload"]
            for record in payload if isinstance(payload, list) else [payload]:
                self.take(message["device"], record)

    def take(self, device, record):
        seq = record["seq"]
        lane = (device, record.get("backfill", False))
        content = {name: value for name, value in record.items() if name not in ("ts", "clock", "backfill")}
        if (device, seq) in self.arrived:
            self.repeats += 1
            if self.arrived[device, seq] != content:
                self.wrong(f"{device} seq {seq} came with two contents")
            return
        self.arrived[device, seq] = content
        if self.order.get(lane, -1) > seq:
            self.wrong(f"{device} seq {seq} came first after {self.order[lane]}")
        self.order[lane] = seq

    def order_lines(self, *lines):
        for line in lines:
            request = urllib.request.Request(f"{self.admin}/emulator/orders", line.encode(), method="POST")
            try:
                urllib.request.urlopen(request, timeout=10).close()
            except urllib.error.HTTPError:
                # A device that waits for its next attach cannot be detached.
                if not line.startswith("detach"):
                    raise

    def counts(self):
        with urllib.request.urlopen(f"{self.admin}/emulator/status", timeout=10) as answer:
            return json.load(answer)["registries"][0]["counts"]

    def status(self):
        try:
            return json.loads(self.tool("status", "--json", "--control", self.path("control.sock")).stdout)
        except json.JSONDecodeError:
            return None

    def waiting(self):
        status = self.status()
        return status["spool"]["waiting"] if status else 10**9

    # The run

    def play(self):
        try:
            self.prepare()
            with open(self.path("gateway.log"), "wb") as log:
                gateway = self.start("fieldgw", "run", "--config", self.path("gateway.json5"), stdout=log, stderr=log)
            healthy = [f"node-{n}" for n in range(1, UNITS + 1)]
            if self.case.attaches:
                healthy.remove(self.case.victim)
            until("every healthy device is heard", lambda: set(healthy) <= {device for device, _ in list(self.arrived)}, 60)
            end = time.monotonic() + self.seconds
            if self.case.fault:
                self.order_lines(*self.case.fault)
            while time.monotonic() < end:
                time.sleep(min(self.case.repeat or 5, max(0.0, end - time.monotonic())))
                if self.case.repeat:
                    self.order_lines(*self.case.fault)
            if self.case.cure:
                self.order_lines(*self.case.cure)
            counts = self.counts()
            self.figures = {name: counts[name] for name in ("accepted", "refused", "attached", "attachFailures", "closed")}
            self.judge_attempts(counts)
            if self.case.attaches:
                self.order_lines(f"bind gw-7 {self.case.victim}")
                self.tool("device", "release", self.case.victim, "--control", self.path("control.sock"))
            until("what waits is delivered", lambda: self.waiting() < 2 * UNITS, 150)
            units = self.status()["ports"]["a"]["units"]
            # A unit has counted a reply that came too late on a busy machine too.
            self.retries = {f"node-{unit}": figures["timeouts"] + figures["checksum"] for unit, figures in units.items()}
            gateway.send_signal(signal.SIGTERM)
            if (code := gateway.wait(30)) != 0:
                self.wrong(f"SIGTERM: exit code {code}")
            time.sleep(1)
            self.judge_readings()
        except (TimeoutError, OSError, KeyError, TypeError, subprocess.SubprocessError) as error:
            self.wrong(f"{type(error).__name__}: {error}")
        finally:
            for child in reversed(self.children):
                if child.poll() is None:
                    child.kill()
                child.wait()

    def judge_attempts(self, counts):
        low, high = self.case.connects
        attempts = counts["accepted"] + counts["refused"]
        if not low <= attempts <= high:
            self.wrong(f"{attempts} connects, not {low} to {high}")
        if self.case.attached and not self.case.attached[0] <= counts["attached"] <= self.case.attached[1]:
            self.wrong(f"{counts['attached']} attaches, not {self.case.attached[0]} to {self.case.attached[1]}")
        if self.case.attaches:
            low, high = self.case.attaches
            if not low <= counts["attachFailures"] <= high:
                self.wrong(f"{counts['attachFailures']} refused attaches, not {low} to {high}")

    def judge_readings(self):
        rest = self.tool("spool", "export", "--all", self.path("spool")).stdout.splitlines()
        for record in map(json.loads, rest):
            if not record["settled"] and (record["device"], record["seq"]) not in self.arrived:
                self.arrived[record["device"], record["seq"]] = {"seq": record["seq"], **record["payload"]}
        seen = {}
        for (device, seq), content in sorted(self.arrived.items()):
            if "reason" in content:
                self.wrong(f"a loss was told: {content}")
            value = content.get("values", {}).get("reads")
            if device == "gw-7" or value is None:
                continue
            if value in seen.setdefault(device, {}):
                self.wrong(f"{device}: reply {value} is in seq {seen[device][value]} and in {seq}")
            seen[device][value] = seq
        for n in range(1, UNITS + 1):
            values = seen.get(f"node-{n}", {})
            missing = [value for value in range(min(values, default=0), max(values, default=0)) if value not in values]
            if len(missing) > self.retries[f"node-{n}"] or len(values) < self.seconds // 2:
                self.wrong(f"node-{n}: {len(values)} readings arrived, missing: {missing[:8]}")
        self.figures.update(retries=sum(self.retries.values()), readings=sum(map(len, seen.values())), messages=self.messages, repeats=self.repeats)


def main():
    binaries, work = sys.argv[1], sys.argv[2]
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 90
    wanted = sys.argv[4:]
    runs = [Run(binaries, os.path.join(work, f"case-{index}"), case, seconds) for index, case in enumerate(cases(seconds))
            if not wanted or any(word in case.name for word in wanted)]
    threads = [threading.Thread(target=run.play) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    problems = [problem for run in runs for problem in run.problems]
    print(json.dumps({"cases": {run.case.name: run.figures for run in runs}, "problems": problems}))
    sys.exit(1 if problems else 0)


main()
