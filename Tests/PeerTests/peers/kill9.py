"""kill9.py BINARIES WORK KILLS SEED: `fieldgw run` is killed at random moments under load, again and again.

The oracle: what lies in the journal after a kill must arrive, with that seq and that content; what arrives
must be what a unit sent, each reply under one seq; and after every kill `spool verify` must be clean.
"""
import os
import random
import signal
import sys
import time

from site_tools import Site, until, verdict

binaries, work, kills, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(seed)
site = Site(binaries, work, units=8, every="50ms", options=', sync: "100ms"')
owed = {}
try:
    for index in range(kills):
        # Every other life sends several readings in a message.
        site.configure('batch: { maxDelay: "500ms", maxBytes: "4KiB" },' if index % 2 else "")
        site.run()
        # One time in three the broker hangs, so that a backlog stands behind the kill.
        hangs = chance.random() < 0.33
        if hangs:
            os.kill(site.broker.pid, signal.SIGSTOP)
        # In a start, in the first commits, or in full swing.
        time.sleep(chance.choice([chance.uniform(0.01, 0.2), chance.uniform(0.2, 1), chance.uniform(0.2, 1)]))
        if chance.random() < 0.1:
            # A look at the journal while it is written. Before its first second there may be none.
            for look in ("verify", "list", "export"):
                seen = site.spool_tool(look)
                if seen.returncode not in (0, 66):
                    site.problems.append(f"kill {index}: {look} while it runs answers {seen.returncode}: {seen.stderr}")
            wiped = site.spool_tool("wipe", "--yes")
            if wiped.returncode not in (66, 69):
                site.problems.append(f"kill {index}: wipe while it runs answers {wiped.returncode}: {wiped.stderr}")
        site.kill()
        if hangs:
            os.kill(site.broker.pid, signal.SIGCONT)
        check = site.spool_tool("verify")
        if check.returncode not in (0, 66):
            site.problems.append(f"kill {index}: verify answers {check.returncode}: {check.stdout}{check.stderr}")
        for key, record in site.exported().items():
            old = owed.setdefault(key, record)
            if old["payload"] != record["payload"]:
                site.problems.append(f"{key} lies in the journal with two contents")
    site.run()
    until("the gateway answers", lambda: site.status() is not None)
    site.drain()
    site.terminate()
    time.sleep(1)
    missing = [key for key in owed if key not in site.arrived]
    if missing:
        site.problems.append(f"{len(missing)} records that were durable never arrived: {missing[:5]}")
    for key, record in owed.items():
        got = site.arrived.get(key)
        if got and {name: got.get(name) for name in record["payload"]} != record["payload"]:
            site.problems.append(f"{key} arrived with other content: {got}, not {record['payload']}")
    if site.spool_tool("verify").returncode != 0:
        site.problems.append("verify at the end: " + site.spool_tool("verify").stdout)
    readings = site.readings()
    seqs = [seq for _, seq in site.arrived]
    if len(seqs) != len(set(seqs)):
        site.problems.append("a seq was used for two records")
    # A kill skips numbers that were reserved, and a gap tells which; nothing else is missing.
    losses = [gap for gap in site.gaps() if gap["reason"] != "restart" or gap["count"] != 0]
    if losses:
        site.problems.append(f"losses were told: {losses[:3]}")
    ordered = sorted(seqs)
    for last, next in zip(ordered, ordered[1:]):
        if next > last + 1 and not any(gap["from"] <= last + 1 and next - 1 <= gap["to"] for gap in site.gaps()):
            site.problems.append(f"{last + 1} to {next - 1} never came, and no gap tells why")
    verdict(site, kills=kills, arrived=len(site.arrived), owed=len(owed), repeats=site.repeats,
            readings={device: len(values) for device, values in readings.items()})
finally:
    site.close()
