"""disk-full.py BINARIES WORK: a journal with a long backlog on a 20 MiB ext4 that another file fills while the
gateway runs, and that is freed again.

Polling goes on all the time, the oldest readings go, every single loss is told, and the journal recovers by
itself. Prints {"skipped": why} where nothing can be mounted.
"""
import os
import signal
import subprocess
import sys

from loop_disk import LoopDisk
from site_tools import Site, Watch, until, verdict

binaries, work = sys.argv[1], sys.argv[2]
waiting = 30000
disk = LoopDisk(work, 20)
site = None
try:
    site = Site(binaries, work, units=8, every="50ms", points=100, spool="disk/spool")
    # 9 MiB that wait already, by another process under the same name.
    subprocess.run([f"{binaries}/fieldsim", "journal", site.path("disk/spool"), "--records", str(waiting),
                    "--size", "250", "--devices", "3"], check=True, capture_output=True, timeout=60)
    os.kill(site.broker.pid, signal.SIGSTOP)
    site.run()
    until("the gateway answers", lambda: site.status() is not None)
    watch = Watch(site)
    watch.wait(2)
    disk.fill()
    if not watch.wait(60, lambda status: status["spool"]["lost"]["full"] > 0):
        site.problems.append("the disk was full and nothing was dropped")
    watch.wait(5)
    memory = site.status()["spool"]["memoryOnly"]
    disk.free()
    before = site.status()["spool"]["lost"]["full"]
    watch.wait(8)
    os.kill(site.broker.pid, signal.SIGCONT)
    site.drain(90, watch)
    status = site.status()
    if status["spool"]["memoryOnly"]:
        site.problems.append("there is room again and the journal stays in memory")
    lost = status["spool"]["lost"]
    site.terminate()
    site.account(waiting)
    # What is newest is there: the oldest went.
    newest = max(seq for device, seq in site.arrived if device != "gw-1")
    oldest = min(seq for device, seq in site.arrived if device != "gw-1")
    for gap in site.gaps():
        if gap["reason"] == "full" and gap["to"] >= newest:
            site.problems.append(f"the newest were dropped: {gap}")
    if site.spool_tool("verify").returncode != 0:
        site.problems.append("verify: " + site.spool_tool("verify").stdout)
    verdict(site, lost=lost, whileFull=before, told=site.told(), arrived=len(site.arrived), slowest=watch.slowest,
            memoryOnlyWhileFull=memory, repeats=site.repeats, oldest=oldest, newest=newest)
finally:
    if site:
        site.close()
    disk.close()
