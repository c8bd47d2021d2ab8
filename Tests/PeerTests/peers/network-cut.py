"""The real gateway and a converter with a bad network between them, in network namespaces of this script's own:
network-cut.py FIELDGW CONVERTER DIR SECONDS. Run it by `unshare -n`. First delays and losses, where the kernel has netem,
then the converter's cable is cut for SECONDS. Prints "ok" at the end, or "cannot: REASON"."""
import json
import signal
import subprocess
import sys
import time

fieldgw, converter, folder, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
port = 4001


def netem(*words):
    """False where the kernel has no netem."""
    return run("tc", "qdisc", "replace", "dev", "va", "root", "netem", *words).returncode == 0


def run(*words):
    return subprocess.run(words, capture_output=True, text=True)


def there(*words):
    """The command in the converter's namespace."""
    return ("nsenter", "-t", str(holder.pid), "-n", *words)


def readings():
    export = subprocess.run([fieldgw, "spool", "export", f"{folder}/spool"], capture_output=True, text=True)
    rows = [json.loads(line) for line in export.stdout.splitlines()]
    return [{"device": row["device"], **row["payload"]} for row in rows if row.get("device", "").startswith("u")]


def good():
    return sum(1 for row in readings() if row.get("values"))


def until(what, limit, holds):
    end = time.monotonic() + limit
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"not within {limit} s: {what}\n{open(f'{folder}/log').read()[-3000:]}")
        time.sleep(0.1)


holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
time.sleep(0.3)
for words in (
        ("ip", "link", "add", "name", "va", "type", "veth", "peer", "name", "vb"),
        ("ip", "link", "set", "vb", "netns", str(holder.pid)),
        ("ip", "addr", "add", "10.9.0.1/24", "dev", "va"), ("ip", "link", "set", "va", "up"),
        there("ip", "addr", "add", "10.9.0.2/24", "dev", "vb"), there("ip", "link", "set", "vb", "up")):
    done = run(*words)
    if done.returncode:
        holder.kill()
        print("cannot:", done.stderr.strip())
        sys.exit(0)
peer = subprocess.Popen(
    there(sys.executable, converter, str(port), "plain", "10.9.0.2"), stdout=subprocess.PIPE, text=True)
assert peer.stdout.readline() == "ready\n"
nodes = ", ".join(
    f'"u{unit}": {{ unit: {unit}, every: "250ms", points: {{ r0: {{ holding: 0 }}, r7: {{ holding: 7 }} }} }}'
    for unit in (1, 2))
with open(f"{folder}/gateway.json5", "w") as file:
    file.write(
        '{ bridge: { host: "127.0.0.1", port: 1, tls: false, gateway: "gw-1" }, clock: "trust",\n'
        '  spool: { directory: "spool", sync: "100ms" }, state: "state",\n'
        f'  ports: {{ line: {{ device: "tcp://10.9.0.2:{port}", nodes: {{ {nodes} }} }} }} }}\n')
with open(f"{folder}/log", "w") as log:
    gateway = subprocess.Popen([fieldgw, "run", "--config", f"{folder}/gateway.json5"], stderr=log)
try:
    until("the line is polled", 20, lambda: good() >= 8)
    if netem("delay", "20ms", "10ms", "loss", "10%"):
        # Some segments are sent again after a fifth of a second, or after a second.
        before = good()
        until("it is polled through delays and losses", 30, lambda: good() >= before + 20)
        run("tc", "qdisc", "del", "dev", "va", "root")
    else:
        print("without delays and losses: this kernel has no netem")
    before = good()
    until("it is polled as before", 5, lambda: good() >= before + 4)
    run(*there("ip", "link", "set", "vb", "down"))
    cut = time.monotonic()
    held = good()
    while time.monotonic() < cut + seconds:
        time.sleep(0.2)
    if good() < held:
        raise SystemExit(f"of {held} readings {good()} are left after the cut")
    before = good()
    run(*there("ip", "link", "set", "vb", "up"))
    back = time.monotonic()
    until("it is polled again after the cut", 5, lambda: good() > before)
    print(f"back after {time.monotonic() - back:.1f} s")
    for row in readings():
        for name, value in row.get("values", {}).items():
            expected = 100 * int(row["device"][1:]) + int(name[1:])
            if value // 10 != expected:
                raise SystemExit(f"a wrong value: {row}")
finally:
    gateway.send_signal(signal.SIGTERM)
    code = gateway.wait(20)
    for process in (peer, holder):
        process.kill()
        process.wait()
if code:
    raise SystemExit(f"the gateway ended with {code}")
print("ok")
