"""What stands around the board: the bridge emulator and serial lines with simulated units, all on this machine."""
import json
import os
import select
import signal
import socket
import subprocess
import termios
import threading
import time
import tty
import urllib.request

from machine import Trouble, await_true

GATEWAY, REGISTRY = "gw-board", "projects/acme/locations/here1/registries/plant"


class Program:
    """A program of this machine that says where it is, and is ended by its process id."""

    def __init__(self, words, log, **options):
        self._log = open(log, "wb")
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=self._log, **options)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()


class Bridge:
    """`fieldsim bridge` over TLS. All that is asked of it goes through its admin API."""

    def __init__(self, fieldsim, folder):
        log = os.path.join(folder, "bridge.log")
        self.authority = os.path.join(folder, "certificates", "ca.pem")
        with open(os.path.join(folder, "telemetry.jsonl"), "wb") as telemetry:
            self.program = Program(
                [fieldsim, "bridge", "--port", "0", "--admin-port", "0", "--make-certificates",
                 os.path.dirname(self.authority)], log, stdout=telemetry)
        def ports():
            with open(log, encoding="utf-8") as file:
                lines = file.read().splitlines()
            said = [line for line in lines if line.startswith("listening on ")]
            admin = [line for line in lines if line.startswith("admin API on ")]
            return said and admin and (int(said[0].rpartition(":")[2]), admin[0].split()[3].removesuffix("/v1"))
        self.port, self._admin = await_true(20, "the bridge emulator starts", ports)
        self._next, self._messages = 1, []

    def call(self, method, path, body=None):
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._admin + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def provision(self, public_key, devices):
        """Registers the gateway with its key and binds its devices, as one does with the real service."""
        place, _, registry = REGISTRY.rpartition("/registries/")
        self.call("POST", f"/v1/{place}/registries", {"id": registry})
        self.call("POST", f"/v1/{REGISTRY}/devices", {
            "id": GATEWAY, "gatewayConfig": {"gatewayType": "GATEWAY", "gatewayAuthMethod": "ASSOCIATION_ONLY"},
            "credentials": [{"publicKey": {"format": "ES256_PEM", "key": public_key}}]})
        for device in devices:
            self.call("POST", f"/v1/{REGISTRY}/devices", {"id": device})
            self.call("POST", f"/v1/{REGISTRY}:bindDeviceToGateway", {"gatewayId": GATEWAY, "deviceId": device})

    def order(self, words):
        """Such as "away", "back" and "close": `fieldsim bridge --help` has them all."""
        self.call("POST", "/emulator/orders", words.encode())

    def counts(self):
        return self.call("GET", "/emulator/status")["registries"][0]["counts"]

    def attached(self):
        online = self.call("GET", "/emulator/status")["registries"][0]["online"]
        return [device for each in online if each["device"] == GATEWAY for device in each["attached"]]

    def messages(self):
        """Everything that was published and acknowledged so far, oldest first."""
        while True:
            page = self.call("GET", f"/emulator/messages?from={self._next}")
            if page["lost"]:
                raise Trouble(f"{page['lost']} messages were too many for the emulator")
            self._messages += page["messages"]
            if self._next == page["next"]:
                return self._messages
            self._next = page["next"]

    def readings(self, device=None):
        return [each for each in self.messages() if each["kind"] == "event" and each["subfolder"] == ""
                and device in (None, each["device"])]

    def state(self, device):
        """The last state that the device published; {} if none."""
        states = [each["payload"] for each in self.messages() if each["kind"] == "state" and each["device"] == device]
        return states[-1] if states else {}


class Line:
    """An RS-485 line: `fieldsim bus` on a pseudo-terminal, and between it and the adapter somebody who counts,
    and who can break off a reply. Holding register 0 of each unit counts its own replies, register 1 says which
    line it is."""

    def __init__(self, fieldsim, folder, name, serial, units, mark):
        self.name, self.serial, self.units, self.mark = name, serial, units, mark
        self.path = os.path.join(folder, f"{name}.socket")
        description = os.path.join(folder, f"{name}.json5")
        cells = {"0": {"kind": "reads"}, "1": {"kind": "constant", "value": mark},
                 "2": {"kind": "sine", "mean": 2300, "amplitude": 50, "period": "30s"}}
        with open(description, "w", encoding="utf-8") as file:
            json.dump({"baud": 19200, "parity": "even",
                       "units": {str(unit): {"holding": cells} for unit in units}}, file)
        self.program = Program([fieldsim, "bus", "--config", description], os.path.join(folder, f"{name}.log"),
                               stdout=subprocess.PIPE)
        self._terminal = self.program.process.stdout.readline().decode().strip()
        if not self._terminal:
            raise Trouble(f"fieldsim bus did not start: see {name}.log")
        self.requests = []    # when, in monotonic seconds
        self.served = {}      # (unit, count) → when, in seconds since 1970
        self.break_after = None
        self.broken = threading.Event()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self.path)
        self._server.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                adapter, _ = self._server.accept()
            except OSError:
                return
            self.break_after = None
            terminal = os.open(self._terminal, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(terminal)
            termios.tcflush(terminal, termios.TCIOFLUSH)
            try:
                self._carry(adapter, terminal)
            except OSError:
                pass
            os.close(terminal)
            adapter.close()

    def _carry(self, adapter, terminal):
        reply = b""
        while True:
            for ready in select.select([adapter, terminal], [], [])[0]:
                chunk = adapter.recv(4096) if ready is adapter else os.read(terminal, 4096)
                if not chunk:
                    return
                if ready is adapter:
                    self.requests.append(time.monotonic())
                    reply = b""
                    os.write(terminal, chunk)
                    continue
                reply += chunk
                if self.break_after is not None:
                    # What has gone out so far, up to the break; after it the line is silent.
                    chunk = chunk[:max(0, self.break_after - len(reply) + len(chunk))]
                    if len(reply) >= self.break_after:
                        self.broken.set()
                elif len(reply) >= 7 and reply[1] == 3 and len(reply) == reply[2] + 5:
                    self.served[reply[0], int.from_bytes(reply[3:5], "big")] = time.time()
                adapter.sendall(chunk)

    def first_request_after(self, moment):
        return next((each for each in self.requests if each > moment), None)

    def break_reply(self, after):
        """From now on replies end after so many bytes; waits until one has."""
        self.broken.clear()
        self.break_after = after
        if not self.broken.wait(10):
            raise Trouble("no reply was under way")

    def end(self):
        self._server.close()
        self.program.end()
