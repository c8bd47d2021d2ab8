"""The measuring half of board/bench spool: see there."""
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time

binaries, work, loop, records = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
SIZE, COMMIT = 200, 50
disk = os.path.join(work, "disk")


def written():
    """Bytes written to the loop device so far, everything in memory included."""
    os.sync()
    with open(f"/sys/block/{loop}/stat") as file:
        return int(file.read().split()[6]) * 512


def settled():
    """Waits until the file system's own work has ended."""
    before = written()
    while True:
        time.sleep(0.5)
        now = written()
        if now == before:
            return now
        before = now


def journal():
    before = settled()
    answer = subprocess.run(
        [f"{binaries}/fieldsim", "journal", f"{disk}/spool", "--records", str(records), "--size", str(SIZE),
         "--commit", str(COMMIT), "--settle"], check=True, capture_output=True, text=True)
    return settled() - before, json.loads(answer.stdout)


def sqlite():
    before = settled()
    started = time.monotonic()
    base = sqlite3.connect(f"{disk}/queue.db", isolation_level=None)
    base.execute("pragma journal_mode=wal")
    base.execute("pragma synchronous=full")
    base.execute("create table queue(seq integer primary key, device text, at integer, body blob)")
    body = b"x" * SIZE
    for start in range(0, records, COMMIT):
        base.execute("begin")
        base.execute("delete from queue where seq < ?", (start,))
        base.executemany("insert into queue values(?,?,?,?)",
                         [(seq, f"node-{seq % 10 + 1}", seq, body) for seq in range(start, min(start + COMMIT, records))])
        base.execute("commit")
    base.execute("delete from queue")
    base.close()
    seconds = time.monotonic() - started
    return settled() - before, seconds


def memory(pid):
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    return [int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")]


def start():
    """A gateway with 64 MiB waiting, no bridge and no line: how long until it is ready, how large it is."""
    spool = f"{work}/backlog"
    subprocess.run(
        [f"{binaries}/fieldsim", "journal", spool, "--records", str(64 * 1024 * 1024 // 262), "--size", str(SIZE),
         "--commit", "250"], check=True, capture_output=True)
    size = sum(os.path.getsize(os.path.join(spool, name)) for name in os.listdir(spool))
    with open(f"{work}/gateway.json5", "w") as file:
        file.write("""{ bridge: { host: "127.0.0.1", port: 1, tls: false, gateway: "gw-1" }, spool: { directory: "backlog" },
          state: "state", ports: { a: { device: "/dev/fieldgw-bench-none", driver: "modbus-rtu", nodes: {
            "node-1": { unit: 1, points: { a: { holding: 0 } } } } } } }""")
    path = f"{work}/notify"
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(path)
    server.settimeout(30)
    begun = time.monotonic()
    process = subprocess.Popen(
        [f"{binaries}/fieldgw", "run", "--config", f"{work}/gateway.json5"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env=dict(os.environ, NOTIFY_SOCKET=path))
    try:
        while b"READY=1" not in server.recv(4096):
            pass
        ready = time.monotonic() - begun
        time.sleep(1)
        first = memory(process.pid)
        time.sleep(6)
        later = memory(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    return size, ready, first, later


payload = records * SIZE
ours, figures = journal()
theirs, their_seconds = sqlite()
print(f"{records} records of {SIZE} bytes, {COMMIT} in a commit, all acknowledged (ext4, default mount)")
print(f"  fieldgw   {ours / payload:5.2f} bytes written for a byte of record, {ours / records:6.0f} a record, "
      f"{figures['commits'] / figures['seconds']:6.0f} commits/s")
print(f"  SQLite    {theirs / payload:5.2f} bytes written for a byte of record, {theirs / records:6.0f} a record, "
      f"{records / COMMIT / their_seconds:6.0f} commits/s")
print(f"  ratio     {theirs / ours:5.2f} times less; the bound is 3.5 for a byte")
size, ready, first, later = start()
print(f"start with {size / 1048576:.0f} MiB of backlog: ready after {ready:.3f} s, resident {first[0]:.1f} MiB a second "
      f"later and {later[0]:.1f} MiB after 7 s (most: {later[1]:.1f} MiB)")
sys.exit(0 if ours / payload <= 3.5 and ready < 0.5 and later[0] < 24 else 1)
